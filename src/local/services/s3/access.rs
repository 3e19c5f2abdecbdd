//! May this request do that? Policies, evaluated for every request: an account's root may do in its own buckets what no
//! statement of a bucket's policy denies, a session what its role's policies or the bucket's allow, and another account
//! what both allow. The account's root can always mend a policy that shuts everybody out. Signatures were checked at the
//! door.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use super::model::{self, Bucket};
use super::{Who, header, policy, s3_error};
use crate::services::iam::{self, Context, Decision, Policy, Question, Use, evaluate};
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
        let operation = cx.s3_op().name().to_owned();
        let (bucket, key) = match cx.s3_path() {
            S3Path::Root => ("*".to_owned(), None),
            S3Path::Bucket { bucket } => (bucket.to_string(), None),
            S3Path::Object { bucket, key } => (bucket.to_string(), Some(key.to_string())),
        };
        // Its names are in the body, and each is asked for on its own.
        if operation == "DeleteObjects" {
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
    let name = &asked.bucket;
    let resource = match &asked.key {
        Some(key) => format!("arn:aws:s3:::{name}/{key}"),
        None if name == "*" => "*".to_owned(),
        None => format!("arn:aws:s3:::{name}"),
    };
    let session = sts::session(cx, &who.access_key)?;
    let principals = match &session {
        Some(session) => sts::principals(session),
        None => vec![("AWS", format!("arn:aws:iam::{}:root", who.account))],
    };
    // The owner of a bucket that is there has no say in another of the same name.
    let found: Option<Bucket> = match asked.action.as_str() {
        "s3:CreateBucket" => None,
        _ => cx.tx.get(model::BUCKETS, model::EVERYWHERE, name)?,
    };
    context.set("aws:PrincipalAccount", who.account.clone());
    context.set("aws:PrincipalArn", principals[0].1.clone());
    context.set(
        "aws:PrincipalType",
        session.as_ref().map_or("Account", |_| "AssumedRole"),
    );
    context.set("aws:EpochTime", cx.now.floor().to_string());
    context.set("aws:CurrentTime", cx.now.floor().to_string());
    if let Some(bucket) = &found {
        context.set("aws:ResourceAccount", bucket.account.clone());
        context.set("s3:ResourceAccount", bucket.account.clone());
        context.set("aws:RequestedRegion", bucket.region.clone());
    }
    if let Some(key) = &asked.key
        && let Some(object) = model::current(cx.tx, name, key)?
    {
        for (tag, value) in object.tags {
            context.set(&format!("s3:ExistingObjectTag/{tag}"), value);
        }
    }
    // Of the account's root there is nothing to ask; a session may what the policies of its role let it.
    let own = match &session {
        Some(session) => role_decision(cx, &session.role, &asked.action, &resource, context.clone())?,
        None => Decision::Allowed,
    };
    let Some(bucket) = found else {
        return match own {
            Decision::Allowed => Ok(None),
            _ => Err(denied(&session, &asked.action, &resource)),
        };
    };
    let at_home = bucket.account == who.account;
    let mends = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];
    if at_home && session.is_none() && mends.contains(&asked.action.as_str()) {
        return Ok(None);
    }
    let question = Question {
        action: &asked.action,
        resource: &resource,
        principals,
        context,
    };
    let of_bucket = policy_of(&bucket).map(|policy| evaluate(&[&policy], &question).decision);
    match (own, of_bucket.unwrap_or(Decision::ImplicitDeny), at_home) {
        (Decision::ExplicitDeny, _, _) => Err(denied(&session, &asked.action, &resource)),
        (_, Decision::ExplicitDeny, _) => Err(denied_by_bucket(&asked.action)),
        (Decision::Allowed, Decision::Allowed, false) => Ok(Some(bucket.account)),
        // At home, one of the two is enough.
        (Decision::Allowed, _, true) | (_, Decision::Allowed, true) => Ok(None),
        (Decision::ImplicitDeny, _, _) => Err(denied(&session, &asked.action, &resource)),
        (_, Decision::ImplicitDeny, false) => Err(denied_by_bucket(&asked.action)),
    }
}

/// What the policies of a role say; one that is gone may nothing.
fn role_decision(cx: &Call, role: &str, action: &str, resource: &str, context: Context) -> Result<Decision, Fault> {
    let Some((rights, mut known)) = iam::session_rights(cx, role)? else {
        return Ok(Decision::ImplicitDeny);
    };
    known.extend(context);
    let question = Question {
        action,
        resource,
        principals: Vec::new(),
        context: known,
    };
    Ok(rights.decide(&question).decision)
}

fn policy_of(bucket: &Bucket) -> Option<Policy> {
    // What is stored was checked when it was put.
    Policy::parse(bucket.settings.get(policy::POLICY)?.as_str()?, Use::Resource).ok()
}

fn denied_by_bucket(action: &str) -> Fault {
    let message = format!("Access Denied: the bucket's policy does not let this request perform {action}");
    Fault::new(403, "AccessDenied", message)
}

fn denied(session: &Option<sts::Session>, action: &str, resource: &str) -> Fault {
    let caller = session.as_ref().map_or("", |session| session.arn.as_str());
    let message = format!(
        "User: {caller} is not authorized to perform: {action} on resource: \"{resource}\" because no identity-based \
         policy allows the {action} action"
    );
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
        "ListBuckets" => "ListAllMyBuckets",
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
