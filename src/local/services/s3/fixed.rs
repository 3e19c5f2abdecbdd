//! Sub-resources that this cloud does not let anybody set. Read, they still have an honest answer: what AWS says of a
//! bucket on which they were never set.

use s3s::S3Request;
use s3s::dto::*;

use super::Backend;
use super::buckets::{absent, owner};
use crate::services::Fault;

type Answer<T> = Result<T, Fault>;

/// The only access list there is: everything for the owner.
pub fn owner_grants(account: &str) -> (Owner, Grants) {
    let owner = Owner {
        display_name: None,
        id: Some(owner(account)),
    };
    let grantee = Grantee {
        display_name: None,
        email_address: None,
        id: owner.id.clone(),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    let grant = Grant {
        grantee: Some(grantee),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    };
    (owner, vec![grant])
}

pub async fn get_bucket_acl(backend: &Backend, request: S3Request<GetBucketAclInput>) -> Answer<GetBucketAclOutput> {
    let bucket = backend.bucket(&request, &request.input.bucket)?;
    let (owner, grants) = owner_grants(&bucket.account);
    Ok(GetBucketAclOutput {
        grants: Some(grants),
        owner: Some(owner),
    })
}

pub async fn get_bucket_accelerate_configuration(
    backend: &Backend,
    request: S3Request<GetBucketAccelerateConfigurationInput>,
) -> Answer<GetBucketAccelerateConfigurationOutput> {
    backend.bucket(&request, &request.input.bucket)?;
    Ok(GetBucketAccelerateConfigurationOutput::default())
}

pub async fn get_bucket_logging(
    backend: &Backend,
    request: S3Request<GetBucketLoggingInput>,
) -> Answer<GetBucketLoggingOutput> {
    backend.bucket(&request, &request.input.bucket)?;
    Ok(GetBucketLoggingOutput::default())
}

pub async fn get_bucket_notification_configuration(
    backend: &Backend,
    request: S3Request<GetBucketNotificationConfigurationInput>,
) -> Answer<GetBucketNotificationConfigurationOutput> {
    backend.bucket(&request, &request.input.bucket)?;
    Ok(GetBucketNotificationConfigurationOutput::default())
}

pub async fn get_bucket_request_payment(
    backend: &Backend,
    request: S3Request<GetBucketRequestPaymentInput>,
) -> Answer<GetBucketRequestPaymentOutput> {
    backend.bucket(&request, &request.input.bucket)?;
    Ok(GetBucketRequestPaymentOutput {
        payer: Some(Payer::from_static(Payer::BUCKET_OWNER)),
    })
}

pub async fn get_bucket_replication(
    backend: &Backend,
    request: S3Request<GetBucketReplicationInput>,
) -> Answer<GetBucketReplicationOutput> {
    let name = &request.input.bucket;
    backend.bucket(&request, name)?;
    Err(absent(
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
        name,
    ))
}

pub async fn get_bucket_website(
    backend: &Backend,
    request: S3Request<GetBucketWebsiteInput>,
) -> Answer<GetBucketWebsiteOutput> {
    let name = &request.input.bucket;
    backend.bucket(&request, name)?;
    Err(absent(
        "NoSuchWebsiteConfiguration",
        "The specified bucket does not have a website configuration",
        name,
    ))
}

pub async fn get_object_lock_configuration(
    backend: &Backend,
    request: S3Request<GetObjectLockConfigurationInput>,
) -> Answer<GetObjectLockConfigurationOutput> {
    let name = &request.input.bucket;
    backend.bucket(&request, name)?;
    Err(absent(
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
        name,
    ))
}
