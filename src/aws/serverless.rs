//! What the kinds of Redshift Serverless share: tags, and one change at a time.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Result, found};
use crate::provider::tag_change;
use crate::tagging;
use crate::tags::{Tags, sdk_tags};
use crate::wait::{Patience, busy};
use aws_sdk_redshiftserverless::types::Tag;
use lakeform_engine::CloudError;
use lakeform_engine::cloud::Update;
use std::collections::HashMap;

/// Returns tags by ARN.
pub(crate) async fn tags(aws: &Aws, arns: Vec<String>) -> Result<HashMap<String, Tags>> {
    tagging::of(aws, arns, async |arn| {
        let answer = found(
            aws.serverless
                .list_tags_for_resource()
                .resource_arn(arn)
                .send()
                .await
                .doing("read tags"),
        )?;
        let tags = answer.and_then(|answer| answer.tags).unwrap_or_default();
        Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
    })
    .await
}

/// Brings the tags of an object to what the stack file says and ours.
pub(crate) async fn retag(aws: &Aws, update: &Update) -> Result<()> {
    let change = tag_change(update)?;
    let arn = update
        .before
        .outputs
        .get("arn")
        .and_then(|arn| arn.as_text())
        .unwrap_or_default();
    if !change.set.is_empty() {
        let request = aws.serverless.tag_resource().resource_arn(arn);
        request
            .set_tags(Some(sdk_tags!(change.set, Tag, checked)))
            .send()
            .await
            .doing("set tags")?;
    }
    if !change.remove.is_empty() {
        let request = aws
            .serverless
            .untag_resource()
            .resource_arn(arn)
            .set_tag_keys(Some(change.remove));
        request.send().await.doing("remove tags")?;
    }
    Ok(())
}

/// How long a change may take.
pub(crate) fn patience(aws: &Aws) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 60),
        Pace::Aws => Patience::slow(Pace::Aws, 1800),
    }
}

/// For creates: a taken name comes as the same conflict as work that is under way, and never passes.
pub(crate) fn under_way(error: &CloudError) -> Option<&'static str> {
    busy(error).filter(|_| !error.message.contains("already exists"))
}
