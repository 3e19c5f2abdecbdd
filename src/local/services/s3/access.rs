//! May this request do that? Bucket policies, evaluated for every request: the bucket's own account may do what no
//! statement denies, any other account what a statement allows. The account's root can always mend a policy that shuts
//! everybody out. Signatures were checked at the door.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use super::model::{self, Bucket};
use super::{Who, header, policy, s3_error};
use crate::services::iam::{Context, Decision, Policy, Question, Use, evaluate};
use crate::services::{Call, Cloud, Fault, Service, sts};
use crate::wire::query;

/// Where a request comes from. Without one it comes from within this process.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Asked by `s3s` before each operation.
pub struct Access(pub Arc<Cloud>);

/// `s3s` asks for access only where somebody authenticates; requests come here without their signatures.
pub struct Checked;

#[async_trait::async_trait]
impl S3Auth for Checked {
    async fn get_secret_key(&self, _: &str) -> S3Result<SecretKey> {
        Err(s3_error!(AccessDenied))
    }
}

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let (bucket, key) = match cx.s3_path() {
            S3Path::Root => return Ok(()),
            S3Path::Bucket { bucket } => (bucket.to_string(), None),
            S3Path::Object { bucket, key } => (bucket.to_string(), Some(key.to_string())),
        };
        let operation = cx.s3_op().name().to_owned();
        // Its names are in the body, and each is asked for on its own.
        if operation == "CreateBucket" || operation == "DeleteObjects" {
            return Ok(());
        }
        let parameters = query::parameters(cx.uri().query().unwrap_or_default());
        let mut asked = vec![Asked {
            action: action(&operation, parameters.contains_key("versionId")),
            bucket,
            key,
        }];
        if let Some(source) = header(cx.headers(), "x-amz-copy-source") {
            let source = percent_encoding::percent_decode_str(source).decode_utf8_lossy();
            let (name, version) = source.split_once("?versionId=").unwrap_or((&source, ""));
            if let Some((bucket, key)) = name.trim_start_matches('/').split_once('/') {
                asked.push(Asked {
                    action: action("GetObject", !version.is_empty()),
                    bucket: bucket.to_owned(),
                    key: Some(key.to_owned()),
                });
            }
        }
        let known = request_context(cx.headers(), &parameters);
        let who = cx
            .extensions_mut()
            .get_mut::<Who>()
            .expect("every request was prepared");
        let mut context = who.context.clone();
        context.extend(known);
        for asked in asked {
            let decided = self.0.read(Service::Tagging, &who.account, &who.region, |cx| {
                decide(cx, who, &asked, context.clone())
            });
            if let Some(owner) = decided.map_err(s3_error)? {
                // Whoever was let in acts in the owner's account.
                who.account = owner;
            }
        }
        Ok(())
    }
}

/// One thing that a request wants.
pub struct Asked {
    pub action: String,
    pub bucket: String,
    pub key: Option<String>,
}

/// Refuses to delete one of many keys when the bucket's policy says so.
pub(super) fn permits_delete(cx: &Call, who: &Who, bucket: &str, key: &str, versioned: bool) -> Result<(), Fault> {
    let asked = Asked {
        action: action("DeleteObject", versioned),
        bucket: bucket.to_owned(),
        key: Some(key.to_owned()),
    };
    decide(cx, who, &asked, who.context.clone()).map(drop)
}

/// Returns the owner's account when it lets another account in. A bucket that is not there is the operation's business.
fn decide(cx: &Call, who: &Who, asked: &Asked, mut context: Context) -> Result<Option<String>, Fault> {
    let found: Option<Bucket> = cx.tx.get(model::BUCKETS, model::EVERYWHERE, &asked.bucket)?;
    let Some(bucket) = found else { return Ok(None) };
    let at_home = bucket.account == who.account;
    let policy = match policy_of(&bucket) {
        Some(policy) => policy,
        None if at_home => return Ok(None),
        None => return Err(denied(&asked.action)),
    };
    let mut principals = vec![("AWS", format!("arn:aws:iam::{}:root", who.account))];
    let mut is_root = true;
    if let Some(session) = sts::session(cx, &who.access_key)? {
        is_root = false;
        principals = sts::principals(&session);
    }
    let mends = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];
    if at_home && is_root && mends.contains(&asked.action.as_str()) {
        return Ok(None);
    }
    let name = &bucket.name;
    let resource = match &asked.key {
        Some(key) => format!("arn:aws:s3:::{name}/{key}"),
        None => format!("arn:aws:s3:::{name}"),
    };
    context.set("aws:PrincipalAccount", who.account.clone());
    context.set("aws:PrincipalArn", principals[0].1.clone());
    context.set("aws:PrincipalType", if is_root { "Account" } else { "AssumedRole" });
    context.set("aws:ResourceAccount", bucket.account.clone());
    context.set("s3:ResourceAccount", bucket.account.clone());
    context.set("aws:RequestedRegion", bucket.region.clone());
    context.set("aws:EpochTime", cx.now.floor().to_string());
    context.set("aws:CurrentTime", cx.now.floor().to_string());
    if let Some(key) = &asked.key
        && let Some(object) = model::current(cx.tx, name, key)?
    {
        for (tag, value) in object.tags {
            context.set(&format!("s3:ExistingObjectTag/{tag}"), value);
        }
    }
    let question = Question {
        action: &asked.action,
        resource: &resource,
        principals,
        context,
    };
    match (evaluate(&[&policy], &question).decision, at_home) {
        (Decision::Allowed, false) => Ok(Some(bucket.account)),
        (Decision::Allowed | Decision::ImplicitDeny, true) => Ok(None),
        _ => Err(denied(&asked.action)),
    }
}

fn policy_of(bucket: &Bucket) -> Option<Policy> {
    // What is stored was checked when it was put.
    Policy::parse(bucket.settings.get(policy::POLICY)?.as_str()?, Use::Resource).ok()
}

fn denied(action: &str) -> Fault {
    let message = format!("Access Denied: the bucket's policy does not let this request perform {action}");
    Fault::new(403, "AccessDenied", message)
}

/// Returns what a bucket's policy says of a role that a service of the bucket's account acts as; none without a policy.
pub fn policy_decision(
    cx: &Call,
    role: &str,
    action: &str,
    resource: &str,
    context: Context,
) -> Result<Option<Decision>, Fault> {
    let Some(name) = resource.strip_prefix("arn:aws:s3:::") else {
        return Ok(None);
    };
    let name = name.split('/').next().unwrap_or(name);
    let found: Option<Bucket> = cx.tx.get(model::BUCKETS, model::EVERYWHERE, name)?;
    let Some(policy) = found.as_ref().and_then(policy_of) else {
        return Ok(None);
    };
    let question = Question {
        action,
        resource,
        principals: vec![("AWS", role.to_owned())],
        context,
    };
    Ok(Some(evaluate(&[&policy], &question).decision))
}

/// What conditions may ask about a request.
fn request_context(headers: &http::HeaderMap, parameters: &query::Parameters) -> Context {
    let mut context = Context::default();
    for (key, name) in [
        ("aws:UserAgent", "user-agent"),
        ("aws:Referer", "referer"),
        ("s3:x-amz-acl", "x-amz-acl"),
        ("s3:x-amz-copy-source", "x-amz-copy-source"),
        ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
        ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
        ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"),
        (
            "s3:x-amz-server-side-encryption-aws-kms-key-id",
            "x-amz-server-side-encryption-aws-kms-key-id",
        ),
        ("s3:x-amz-storage-class", "x-amz-storage-class"),
        ("s3:if-none-match", "if-none-match"),
        ("s3:if-match", "if-match"),
    ] {
        if let Some(value) = header(headers, name) {
            context.set(key, value);
        }
    }
    for (key, name) in [
        ("s3:prefix", "prefix"),
        ("s3:delimiter", "delimiter"),
        ("s3:max-keys", "max-keys"),
        ("s3:VersionId", "versionId"),
    ] {
        if let Some(value) = parameters.get(name) {
            context.set(key, value.clone());
        }
    }
    for (tag, value) in query::parameters(header(headers, "x-amz-tagging").unwrap_or_default()) {
        context.set(&format!("s3:RequestObjectTag/{tag}"), value);
    }
    context.set("s3:signatureversion", "AWS4-HMAC-SHA256");
    context
}

/// What never leaves this machine cannot be listened to, so it counts as secure; what does comes in without TLS.
pub fn set_peer(context: &mut Context, peer: Option<Peer>) {
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    context.set("aws:SecureTransport", address.is_loopback().to_string());
    context.set("aws:SourceIp", address.to_string());
}

/// Returns the action that an operation is authorised as.
fn action(operation: &str, versioned: bool) -> String {
    let action = match operation {
        "HeadObject" | "GetObject" | "GetObjectAttributes" if versioned => "GetObjectVersion",
        "HeadObject" | "GetObject" | "GetObjectAttributes" => "GetObject",
        "DeleteObject" if versioned => "DeleteObjectVersion",
        "GetObjectTagging" if versioned => "GetObjectVersionTagging",
        "PutObjectTagging" if versioned => "PutObjectVersionTagging",
        "DeleteObjectTagging" if versioned => "DeleteObjectVersionTagging",
        "GetObjectAcl" if versioned => "GetObjectVersionAcl",
        "CopyObject" | "CreateMultipartUpload" | "UploadPart" | "UploadPartCopy" | "CompleteMultipartUpload" => {
            "PutObject"
        }
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "ListParts" => "ListMultipartUploadParts",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        "GetBucketCors" => "GetBucketCORS",
        "PutBucketCors" | "DeleteBucketCors" => "PutBucketCORS",
        "DeleteBucketTagging" => "PutBucketTagging",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "GetBucketReplication" => "GetReplicationConfiguration",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        same => same,
    };
    format!("s3:{action}")
}
