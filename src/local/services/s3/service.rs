//! The operations of S3 that this cloud has. What is not listed here is answered with `NotImplemented` by `s3s`.

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::{Backend, buckets, fixed, list, multipart, policy, read, s3_error, write};

macro_rules! operations {
    ($($module:ident { $($name:ident: $input:ident => $output:ident),* $(,)? })*) => {
        #[async_trait::async_trait]
        impl S3 for Backend {
            $($(
                async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    let answer = $module::$name(self, request).await;
                    answer.map(S3Response::new).map_err(s3_error)
                }
            )*)*
        }
    };
}

operations! {
    buckets {
        create_bucket: CreateBucketInput => CreateBucketOutput,
        delete_bucket: DeleteBucketInput => DeleteBucketOutput,
        head_bucket: HeadBucketInput => HeadBucketOutput,
        list_buckets: ListBucketsInput => ListBucketsOutput,
        get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput,
        put_public_access_block: PutPublicAccessBlockInput => PutPublicAccessBlockOutput,
        get_public_access_block: GetPublicAccessBlockInput => GetPublicAccessBlockOutput,
        delete_public_access_block: DeletePublicAccessBlockInput => DeletePublicAccessBlockOutput,
        put_bucket_ownership_controls: PutBucketOwnershipControlsInput => PutBucketOwnershipControlsOutput,
        get_bucket_ownership_controls: GetBucketOwnershipControlsInput => GetBucketOwnershipControlsOutput,
        delete_bucket_ownership_controls: DeleteBucketOwnershipControlsInput => DeleteBucketOwnershipControlsOutput,
        put_bucket_encryption: PutBucketEncryptionInput => PutBucketEncryptionOutput,
        get_bucket_encryption: GetBucketEncryptionInput => GetBucketEncryptionOutput,
        delete_bucket_encryption: DeleteBucketEncryptionInput => DeleteBucketEncryptionOutput,
        put_bucket_versioning: PutBucketVersioningInput => PutBucketVersioningOutput,
        get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput,
        put_bucket_lifecycle_configuration: PutBucketLifecycleConfigurationInput => PutBucketLifecycleConfigurationOutput,
        get_bucket_lifecycle_configuration: GetBucketLifecycleConfigurationInput => GetBucketLifecycleConfigurationOutput,
        delete_bucket_lifecycle: DeleteBucketLifecycleInput => DeleteBucketLifecycleOutput,
        put_bucket_tagging: PutBucketTaggingInput => PutBucketTaggingOutput,
        get_bucket_tagging: GetBucketTaggingInput => GetBucketTaggingOutput,
        delete_bucket_tagging: DeleteBucketTaggingInput => DeleteBucketTaggingOutput,
        put_bucket_cors: PutBucketCorsInput => PutBucketCorsOutput,
        get_bucket_cors: GetBucketCorsInput => GetBucketCorsOutput,
        delete_bucket_cors: DeleteBucketCorsInput => DeleteBucketCorsOutput,
    }
    policy {
        put_bucket_policy: PutBucketPolicyInput => PutBucketPolicyOutput,
        get_bucket_policy: GetBucketPolicyInput => GetBucketPolicyOutput,
        get_bucket_policy_status: GetBucketPolicyStatusInput => GetBucketPolicyStatusOutput,
        delete_bucket_policy: DeleteBucketPolicyInput => DeleteBucketPolicyOutput,
    }
    fixed {
        get_bucket_acl: GetBucketAclInput => GetBucketAclOutput,
        get_bucket_accelerate_configuration: GetBucketAccelerateConfigurationInput => GetBucketAccelerateConfigurationOutput,
        get_bucket_logging: GetBucketLoggingInput => GetBucketLoggingOutput,
        get_bucket_notification_configuration: GetBucketNotificationConfigurationInput => GetBucketNotificationConfigurationOutput,
        get_bucket_request_payment: GetBucketRequestPaymentInput => GetBucketRequestPaymentOutput,
        get_bucket_replication: GetBucketReplicationInput => GetBucketReplicationOutput,
        get_bucket_website: GetBucketWebsiteInput => GetBucketWebsiteOutput,
        get_object_lock_configuration: GetObjectLockConfigurationInput => GetObjectLockConfigurationOutput,
    }
    write {
        put_object: PutObjectInput => PutObjectOutput,
        copy_object: CopyObjectInput => CopyObjectOutput,
        delete_object: DeleteObjectInput => DeleteObjectOutput,
        delete_objects: DeleteObjectsInput => DeleteObjectsOutput,
        put_object_tagging: PutObjectTaggingInput => PutObjectTaggingOutput,
        delete_object_tagging: DeleteObjectTaggingInput => DeleteObjectTaggingOutput,
    }
    read {
        get_object: GetObjectInput => GetObjectOutput,
        head_object: HeadObjectInput => HeadObjectOutput,
        get_object_attributes: GetObjectAttributesInput => GetObjectAttributesOutput,
        get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput,
        get_object_acl: GetObjectAclInput => GetObjectAclOutput,
    }
    list {
        list_objects: ListObjectsInput => ListObjectsOutput,
        list_objects_v2: ListObjectsV2Input => ListObjectsV2Output,
        list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput,
    }
    multipart {
        create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
        upload_part: UploadPartInput => UploadPartOutput,
        upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput,
        complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput,
        abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput,
        list_parts: ListPartsInput => ListPartsOutput,
        list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput,
    }
}
