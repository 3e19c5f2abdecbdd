//! Bucket policies: checked when they are put, kept as text. `access.rs` evaluates them.

use s3s::S3Request;
use s3s::dto::*;
use serde_json::Value;

use super::Backend;
use super::buckets::{PUBLIC_ACCESS, absent, set, setting};
use super::model::{Bucket, fault};
use crate::services::iam::{Policy, Use};
use crate::services::{Call, Fault};

type Answer<T> = Result<T, Fault>;

pub const POLICY: &str = "policy";

pub async fn put_bucket_policy(
    backend: &Backend,
    request: S3Request<PutBucketPolicyInput>,
) -> Answer<PutBucketPolicyOutput> {
    let text = request.input.policy.clone();
    let policy: Value = serde_json::from_str(&text).map_err(|_| {
        fault(
            400,
            "MalformedPolicy",
            "Policies must be valid JSON and the first byte must be '{'",
        )
    })?;
    if text.len() > 20 * 1024 {
        return Err(fault(
            400,
            "PolicyTooLarge",
            "The policy document exceeds the maximum allowed document size",
        ));
    }
    check_policy(&policy, &request.input.bucket)?;
    // What is stored is what the evaluator understands.
    Policy::parse(&text, Use::Resource).map_err(|cause| fault(400, "MalformedPolicy", &cause))?;
    let public = is_public(&policy);
    let change = move |_: &Call, bucket: &mut Bucket| {
        let block: Option<PublicAccessBlockConfiguration> = setting(bucket, PUBLIC_ACCESS)?;
        if public && block.is_some_and(|block| block.block_public_policy == Some(true)) {
            let message = "User is not authorized to perform: s3:PutBucketPolicy because public policies are blocked \
                           by the BlockPublicPolicy block public access setting.";
            return Err(fault(403, "AccessDenied", message));
        }
        set(bucket, POLICY, &text)
    };
    backend.change_bucket(&request, &request.input.bucket, change).await?;
    Ok(PutBucketPolicyOutput::default())
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn check_policy(policy: &Value, bucket: &str) -> Answer<()> {
    let malformed = |message: &str| fault(400, "MalformedPolicy", message);
    let statements = list(&policy["Statement"]);
    if !policy.is_object() || statements.is_empty() {
        return Err(malformed("Missing required field Statement"));
    }
    for statement in statements {
        if !matches!(statement["Effect"].as_str(), Some("Allow" | "Deny")) {
            return Err(malformed("Missing required field Effect"));
        }
        if statement.get("Principal").is_none() && statement.get("NotPrincipal").is_none() {
            return Err(malformed("Missing required field Principal"));
        }
        let actions = list(if statement["Action"].is_null() {
            &statement["NotAction"]
        } else {
            &statement["Action"]
        });
        if actions.is_empty() {
            return Err(malformed("Missing required field Action"));
        }
        let foreign = |action: &Value| {
            action
                .as_str()
                .is_none_or(|name| name != "*" && !name.to_ascii_lowercase().starts_with("s3:"))
        };
        if actions.into_iter().any(foreign) {
            return Err(malformed("Policy has invalid action"));
        }
        let resources = list(if statement["Resource"].is_null() {
            &statement["NotResource"]
        } else {
            &statement["Resource"]
        });
        if resources.is_empty() {
            return Err(malformed("Missing required field Resource"));
        }
        let arn = format!("arn:aws:s3:::{bucket}");
        let names_bucket = |resource: &Value| {
            resource
                .as_str()
                .is_some_and(|text| text == arn || text.strip_prefix(&arn).is_some_and(|rest| rest.starts_with('/')))
        };
        if !resources.into_iter().all(names_bucket) {
            return Err(malformed("Policy has invalid resource"));
        }
    }
    Ok(())
}

/// A statement that lets everybody do something without a condition makes a policy public.
fn is_public(policy: &Value) -> bool {
    list(&policy["Statement"]).into_iter().any(|statement| {
        let principal = &statement["Principal"];
        let everybody = principal == "*" || list(&principal["AWS"]).into_iter().any(|who| who == "*");
        statement["Effect"] == "Allow" && everybody && statement.get("Condition").is_none()
    })
}

pub async fn get_bucket_policy(
    backend: &Backend,
    request: S3Request<GetBucketPolicyInput>,
) -> Answer<GetBucketPolicyOutput> {
    let name = &request.input.bucket;
    let found: Option<String> = backend.setting(&request, name, POLICY)?;
    let policy = found.ok_or_else(|| absent("NoSuchBucketPolicy", "The bucket policy does not exist", name))?;
    Ok(GetBucketPolicyOutput { policy: Some(policy) })
}

pub async fn get_bucket_policy_status(
    backend: &Backend,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> Answer<GetBucketPolicyStatusOutput> {
    let name = &request.input.bucket;
    let found: Option<String> = backend.setting(&request, name, POLICY)?;
    let policy = found.ok_or_else(|| absent("NoSuchBucketPolicy", "The bucket policy does not exist", name))?;
    let public = serde_json::from_str(&policy).is_ok_and(|policy| is_public(&policy));
    Ok(GetBucketPolicyStatusOutput {
        policy_status: Some(PolicyStatus {
            is_public: Some(public),
        }),
    })
}

pub async fn delete_bucket_policy(
    backend: &Backend,
    request: S3Request<DeleteBucketPolicyInput>,
) -> Answer<DeleteBucketPolicyOutput> {
    backend.unset(&request, &request.input.bucket, POLICY).await?;
    Ok(DeleteBucketPolicyOutput::default())
}
