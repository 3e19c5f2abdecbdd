//! The way to a cloud: which endpoint, whose credentials, how often a request is repeated. All clients of one
//! connection share its HTTP client, its credentials, its call counter and its pace.

use crate::looks::Looks;
use crate::rate::Rates;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A body of an in-process request or response.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// What answers in-process requests.
pub type Handler = Arc<dyn Fn(http::Request<Body>) -> BoxFuture<'static, http::Response<Body>> + Send + Sync>;

/// The account of the local cloud.
const LOCAL_ACCOUNT: &str = "123456789012";

/// An access key.
#[derive(Clone)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub session: Option<String>,
}

/// How quickly states change on the other side, and so how often it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A cloud on this machine.
    Quick,
    /// AWS itself.
    Aws,
}

/// The way to one cloud in one region.
#[derive(Clone)]
pub struct Connection {
    pub(crate) config: SdkConfig,
    pub(crate) pace: Pace,
    pub(crate) calls: Calls,
    /// Filled on first use when it is not known from the start.
    pub(crate) account: Arc<OnceCell<String>>,
    /// Looks at objects that several steps wait for at once.
    pub(crate) looks: Looks,
}

impl Connection {
    /// Returns a connection whose requests `handler` answers, without any socket.
    pub fn in_process(region: &str, handler: Handler) -> Self {
        let calls = Calls::default();
        let config = hermetic(region, "https://aws.lakeform.local", &test_keys())
            .http_client(calls.limited(SharedHttpClient::new(InProcess { handler })))
            .build();
        let account = OnceCell::new_with(Some(LOCAL_ACCOUNT.to_owned()));
        Self::new(config, Pace::Quick, calls, account)
    }

    /// What answers takes its time, as AWS does.
    pub fn slow(self) -> Self {
        Self {
            pace: Pace::Aws,
            ..self
        }
    }

    /// Returns a connection to an AWS-like endpoint; without `keys` it signs as `test`.
    pub fn endpoint(url: &str, region: &str, keys: Option<Keys>) -> Self {
        let calls = Calls::default();
        let config = hermetic(region, url, &keys.unwrap_or_else(test_keys))
            .http_client(calls.limited(network_client(url)))
            .build();
        Self::new(config, Pace::Quick, calls, OnceCell::new())
    }

    /// Returns a connection to AWS, or to what answers for it at `endpoint`, with the credentials that the AWS CLI
    /// would use.
    pub async fn aws(region: &str, endpoint: Option<&str>) -> Self {
        let calls = Calls::default();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .http_client(calls.limited(network_client(endpoint.unwrap_or("https://"))))
            // How fast requests go out is our own affair; see `rate`.
            .retry_config(RetryConfig::standard().with_max_attempts(10))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .read_timeout(Duration::from_secs(60))
                    .build(),
            );
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Self::new(loader.load().await, Pace::Aws, calls, OnceCell::new())
    }

    fn new(config: SdkConfig, pace: Pace, calls: Calls, account: OnceCell<String>) -> Self {
        Self {
            config,
            pace,
            calls,
            account: Arc::new(account),
            looks: Looks::default(),
        }
    }

    /// From now on requests go out only while `may` says so: whoever has lost the right to act must not act.
    pub fn only_while(&self, may: impl Fn() -> bool + Send + Sync + 'static) {
        *self.calls.may.lock().expect("nothing panics here") = Some(Box::new(may));
    }

    /// How old another's look at an object may be to count as one's own.
    pub(crate) fn fresh(&self) -> Duration {
        match self.pace {
            Pace::Quick => Duration::from_millis(40),
            Pace::Aws => Duration::from_secs(3),
        }
    }

    /// Returns how often each operation went over the wire so far, repeats included, as `ec2:DescribeVpcs`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.calls.counts.lock().expect("counting does not panic").clone()
    }

    /// Returns the region that requests go to.
    pub fn region(&self) -> &str {
        self.config.region().expect("every constructor sets a region").as_ref()
    }
}

fn test_keys() -> Keys {
    Keys {
        id: "test".to_owned(),
        secret: "test".to_owned(),
        session: None,
    }
}

/// Settings that owe nothing to the environment or to files of the user.
fn hermetic(region: &str, url: &str, keys: &Keys) -> aws_types::sdk_config::Builder {
    let credentials = Credentials::new(&keys.id, &keys.secret, keys.session.clone(), None, "lakeform");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region.to_owned()))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(6)
                .with_initial_backoff(Duration::from_millis(50)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(15))
                .build(),
        )
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

fn network_client(url: &str) -> SharedHttpClient {
    let builder = aws_smithy_http_client::Builder::new();
    if url.starts_with("http://") {
        return builder.build_http();
    }
    builder
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

/// Hands the SDK's requests to a function.
#[derive(Clone)]
struct InProcess {
    handler: Handler,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request.map(|body| body.boxed_unsync()),
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let answer = (self.handler)(request);
        HttpConnectorFuture::new(async move {
            let response = answer
                .await
                .map(|body| SdkBody::from_body_1_x(Shared(Mutex::new(body))));
            HttpResponse::try_from(response).map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

/// The SDK wants bodies that may be shared between threads, though it never does; the lock is never taken.
struct Shared(Mutex<Body>);

impl http_body::Body for Shared {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let body = self.get_mut().0.get_mut().expect("nobody else holds the body");
        Pin::new(body).poll_frame(context)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.lock().expect("nobody else holds the body").size_hint()
    }
}

/// What stands between the SDK and the wire: counts requests by operation, slows down what is throttled, and lets
/// nothing out when we may not act.
#[derive(Clone, Default)]
pub(crate) struct Calls {
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
    rates: Rates,
    may: Arc<Mutex<Option<May>>>,
}

/// Says whether this process may still act.
type May = Box<dyn Fn() -> bool + Send + Sync>;

/// The operation of a request, on its way to the wire.
#[derive(Clone)]
struct Operation(String);

impl Calls {
    fn limited(&self, inner: SharedHttpClient) -> SharedHttpClient {
        let rates = self.rates.clone();
        SharedHttpClient::new(Limited { inner, rates })
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

fn operation(settings: &ConfigBag) -> Option<String> {
    let operation = settings.load::<Metadata>()?;
    let service = operation.service().to_ascii_lowercase().replace(' ', "");
    Some(format!("{service}:{}", operation.name()))
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self
            .may
            .lock()
            .expect("nothing panics here")
            .as_ref()
            .is_some_and(|may| !may())
        {
            return Err("this process may not act on the stack any more".into());
        }
        if let Some(operation) = operation(settings) {
            *self
                .counts
                .lock()
                .expect("counting does not panic")
                .entry(operation.clone())
                .or_default() += 1;
            context.request_mut().add_extension(Operation(operation));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(response), Some(operation)) = (context.response(), operation(settings)) {
            let refused = !response.status().is_success() && says_slow_down(response);
            self.rates.answered(&operation, refused);
        }
        Ok(())
    }
}

/// Whether a refusal means that there were too many requests.
fn says_slow_down(response: &HttpResponse) -> bool {
    const WORDS: [&str; 6] = [
        "Throttl",
        "RequestLimitExceeded",
        "SlowDown",
        "TooManyRequests",
        "BandwidthLimitExceeded",
        "RequestThrottled",
    ];
    let code = response.headers().get("x-amzn-errortype").unwrap_or_default();
    let body = response.body().bytes().unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(2048)]);
    response.status().as_u16() == 429 || WORDS.iter().any(|word| code.contains(word) || body.contains(word))
}

/// Holds a request back as long as its operation is throttled.
#[derive(Clone)]
struct Limited<T> {
    inner: T,
    rates: Rates,
}

impl<T> fmt::Debug for Limited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limited")
    }
}

impl HttpClient for Limited<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Limited {
            inner: self.inner.http_connector(settings, components),
            rates: self.rates.clone(),
        })
    }
}

impl HttpConnector for Limited<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(pause) = request
            .extension::<Operation>()
            .map(|operation| self.rates.pause(&operation.0))
            .filter(|pause| !pause.is_zero())
        else {
            return self.inner.call(request);
        };
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(pause).await;
            inner.call(request).await
        })
    }
}
