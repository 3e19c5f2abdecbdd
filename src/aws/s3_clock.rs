//! How old an object is by S3's own clock, so that two machines whose clocks differ come to the same answer.

use crate::Aws;
use crate::error::{Doing, Result, found};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

impl Aws {
    /// Returns how long ago an object was written, or `None` when there is none.
    pub async fn object_age(&self, bucket: &str, key: &str) -> Result<Option<Duration>> {
        let answered = Answered::default();
        let request = self.s3.head_object().bucket(bucket).key(key).customize();
        let answer = request.interceptor(answered.clone()).send().await;
        let answer = found(answer.doing(format!("look at s3://{bucket}/{key}")))?;
        let now = answered.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let now = now.unwrap_or_else(|| DateTime::from(SystemTime::now()));
        Ok(answer.map(|answer| match answer.last_modified {
            Some(written) => Duration::from_secs(u64::try_from(now.secs() - written.secs()).unwrap_or(0)),
            None => Duration::ZERO,
        }))
    }
}

/// Keeps the `Date` of the last answer.
#[derive(Clone, Debug, Default)]
struct Answered(Arc<Mutex<Option<DateTime>>>);

impl Intercept for Answered {
    fn name(&self) -> &'static str {
        "answered"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
