//! What AWS says when it refuses, in our words: a meaning to act on, and the code, message and request id to show.

use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;
use lakeform_engine::CloudError;
use lakeform_engine::cloud::Meaning;
use std::error::Error;

pub(crate) type Result<T> = std::result::Result<T, CloudError>;

/// Turns what the SDK returns into ours.
pub(crate) trait Doing<T> {
    /// Says what was being done, such as "create the VPC".
    fn doing(self, doing: impl Into<String>) -> Result<T>;
}

impl<T, E> Doing<T> for std::result::Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + RequestId + Error + Send + Sync + 'static,
{
    fn doing(self, doing: impl Into<String>) -> Result<T> {
        self.map_err(|error| from_sdk(error, doing.into()))
    }
}

/// Answers that come in pages.
pub(crate) trait Pages<T> {
    /// Returns what is on all of them. Says what was being done, as [`Doing`] does.
    async fn all(self, doing: impl Into<String>) -> Result<Vec<T>>;
}

impl<T, E> Pages<T> for PaginationStream<std::result::Result<T, SdkError<E, HttpResponse>>>
where
    E: ProvideErrorMetadata + RequestId + Error + Send + Sync + 'static,
{
    async fn all(self, doing: impl Into<String>) -> Result<Vec<T>> {
        self.collect::<std::result::Result<Vec<T>, _>>().await.doing(doing)
    }
}

/// A request that lacks a required part cannot even be built.
impl<T> Doing<T> for std::result::Result<T, aws_smithy_types::error::operation::BuildError> {
    fn doing(self, doing: impl Into<String>) -> Result<T> {
        self.map_err(|error| CloudError::new(Meaning::Invalid, doing, error.to_string()))
    }
}

fn from_sdk<E>(error: SdkError<E, HttpResponse>, doing: String) -> CloudError
where
    E: ProvideErrorMetadata + RequestId + Error + Send + Sync + 'static,
{
    let request_id = error
        .request_id()
        .or_else(|| error.as_service_error().and_then(RequestId::request_id))
        .map(str::to_owned);
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (meaning, code, message) = match &error {
        SdkError::ServiceError(service) => {
            let said = service.err().meta();
            let code = said.code().map(str::to_owned);
            // The service agreed, and we cannot read what it said.
            if code.is_none() && status.is_some_and(|status| status < 300) {
                let message = format!("the answer cannot be read: {}", chain(service.err()));
                return CloudError {
                    meaning: Meaning::Failed,
                    doing,
                    code,
                    message,
                    request_id,
                    hints: Vec::new(),
                };
            }
            let message = match (said.message(), &code) {
                (Some(message), _) if !message.is_empty() => message.to_owned(),
                (_, Some(code)) => code.clone(),
                _ => format!("HTTP status {}", status.unwrap_or_default()),
            };
            (meaning(code.as_deref(), &message, status), code, message)
        }
        SdkError::ConstructionFailure(_) => (Meaning::Invalid, None, chain(&error)),
        SdkError::DispatchFailure(failure) if failure.is_user() => (Meaning::Invalid, None, chain(&error)),
        SdkError::DispatchFailure(_) if chain(&error).contains("credential") => (Meaning::Denied, None, chain(&error)),
        _ => (Meaning::Unavailable, None, chain(&error)),
    };
    CloudError {
        meaning,
        doing,
        code,
        message,
        request_id,
        hints: Vec::new(),
    }
}

/// The causes without the SDK's debugging tail.
fn chain<E: Error>(error: &E) -> String {
    let text = DisplayErrorContext(error).to_string();
    text.split(" (").next().unwrap_or(&text).to_owned()
}

/// Returns what a code means to us. The lists are AWS's own, service by service; the order matters where words overlap.
pub(crate) fn meaning(code: Option<&str>, message: &str, status: Option<u16>) -> Meaning {
    let code = code.unwrap_or_default();
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "EC2ThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "BandwidthLimitExceeded"
        | "TransactionInProgressException"
        | "DependentServiceRequestThrottlingFault"
        | "ActiveStatementsExceededException" => Meaning::Throttled,

        "NoSuchEntity"
        | "NoSuchEntityException"
        | "EntityNotFoundException"
        | "ResourceNotFoundException"
        | "ResourceNotFoundFault"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NoSuchUpload"
        | "NotFound"
        | "NoSuchBucketPolicy"
        | "NoSuchPublicAccessBlockConfiguration"
        | "NoSuchLifecycleConfiguration"
        | "NoSuchTagSet"
        | "NoSuchTagSetError"
        | "ServerSideEncryptionConfigurationNotFoundError"
        | "OwnershipControlsNotFoundError"
        | "ClusterNotFound"
        | "ClusterNotFoundFault"
        | "ClusterSubnetGroupNotFound"
        | "ClusterSubnetGroupNotFoundFault"
        | "ClusterParameterGroupNotFound"
        | "ClusterParameterGroupNotFoundFault"
        | "Gateway.NotAttached"
        | "InvalidPermission.NotFound" => Meaning::NotFound,

        "AlreadyExistsException"
        | "EntityAlreadyExists"
        | "EntityAlreadyExistsException"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "ClusterAlreadyExists"
        | "ClusterAlreadyExistsFault"
        | "ClusterSubnetGroupAlreadyExists"
        | "ClusterSubnetGroupAlreadyExistsFault"
        | "ClusterParameterGroupAlreadyExists"
        | "ClusterParameterGroupAlreadyExistsFault"
        | "ResourceExistsException"
        | "ResourceAlreadyExistsException"
        | "InvalidGroup.Duplicate"
        | "InvalidPermission.Duplicate"
        | "RouteAlreadyExists"
        | "Resource.AlreadyAssociated"
        | "ClusterSnapshotAlreadyExists" => Meaning::AlreadyExists,

        "DependencyViolation"
        | "InvalidGroup.InUse"
        | "DeleteConflict"
        | "DeleteConflictException"
        | "BucketNotEmpty"
        | "InvalidClusterSubnetGroupStateFault"
        | "InvalidClusterParameterGroupState"
        | "InvalidClusterParameterGroupStateFault"
        | "SubnetAlreadyInUse"
        | "RepositoryNotEmptyException"
        | "InvalidIPAddress.InUse"
        | "AuthFailure.InUse" => Meaning::InUse,

        "InvalidClusterState"
        | "InvalidClusterStateFault"
        | "CrawlerRunningException"
        | "CrawlerStoppingException"
        | "SchedulerTransitioningException"
        | "ConcurrentModificationException"
        | "ConcurrentModification"
        | "ConditionalRequestConflict"
        | "VersionMismatchException"
        | "OperationAborted"
        | "OperationAbortedException"
        | "ConflictException"
        | "UpdateInProgressException"
        | "OperationInProgress"
        | "IncorrectState"
        | "InvalidClusterSubnetGroupState" => Meaning::Busy,

        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthFailure"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "UnauthorizedAccess"
        | "OptInRequired"
        | "Blocked"
        | "Forbidden" => Meaning::Denied,

        "NotImplemented"
        | "NotImplementedException"
        | "UnsupportedOperation"
        | "UnknownOperationException"
        | "UnsupportedOperationFault" => Meaning::Unsupported,

        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "InternalServerException"
        | "InternalServiceException"
        | "InternalServiceError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "ServiceUnavailableError"
        | "Unavailable"
        | "OperationTimeoutException"
        | "RequestTimeout"
        | "DependentServiceUnavailableFault" => Meaning::Unavailable,

        // Glue says this of a crawler that is running.
        "InvalidInputException" if message.contains("while running") => Meaning::Busy,

        _ if code.ends_with(".NotFound") || code.ends_with("NotFoundFault") => Meaning::NotFound,
        _ if code.contains("Quota") || code.contains("LimitExceeded") || code.contains("InsufficientCapacity") => {
            Meaning::Quota
        }
        "TooManyBuckets"
        | "InsufficientClusterCapacityFault"
        | "InsufficientClusterCapacity"
        | "ResourceNumberLimitExceededException" => Meaning::Quota,
        _ => match status {
            Some(404) => Meaning::NotFound,
            Some(403) => Meaning::Denied,
            Some(429) => Meaning::Throttled,
            Some(501) => Meaning::Unsupported,
            Some(500..) => Meaning::Unavailable,
            _ => Meaning::Invalid,
        },
    }
}

/// Questions that callers ask of an error.
pub(crate) trait Says {
    fn has_code(&self, codes: &[&str]) -> bool;
    fn is(&self, meaning: Meaning) -> bool;
}

impl Says for CloudError {
    fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    fn is(&self, meaning: Meaning) -> bool {
        self.meaning == meaning
    }
}

/// Turns "not found" into `None`.
pub(crate) fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is(Meaning::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Turns a refusal of that meaning into success: what was asked for is already so.
pub(crate) fn accept<T>(result: Result<T>, meaning: Meaning) -> Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.is(meaning) => Ok(()),
        Err(error) => Err(error),
    }
}

/// An answer lacks a part that AWS promises.
pub(crate) fn incomplete(doing: impl Into<String>, part: &str) -> CloudError {
    CloudError::new(Meaning::Failed, doing, format!("the answer lacks `{part}`"))
}
