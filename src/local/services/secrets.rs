//! Secrets Manager: secrets with versions and stages, deletion with a window during which the name stays taken, and
//! secrets that another service owns.

mod query;
#[cfg(test)]
mod tests;
mod versions;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Answer, Call, Fault};

pub use query::{credentials_of, password as random_password};
pub use write::{create_managed, delete_managed};

const SECRETS: &str = "secret";
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Answers one request.
pub fn call(cx: &Call, input: &Value) -> Answer {
    match cx.operation {
        "CreateSecret" => write::create(cx, input),
        "UpdateSecret" => write::update(cx, input),
        "DeleteSecret" => write::delete(cx, input),
        "RestoreSecret" => write::restore(cx, input),
        "TagResource" => write::tag(cx, input),
        "UntagResource" => write::untag(cx, input),
        "PutResourcePolicy" => write::put_policy(cx, input),
        "DeleteResourcePolicy" => write::delete_policy(cx, input),
        "PutSecretValue" => versions::put(cx, input),
        "UpdateSecretVersionStage" => versions::move_stage(cx, input),
        "ListSecretVersionIds" => versions::list(cx, input),
        "GetSecretValue" => query::value(cx, input),
        "BatchGetSecretValue" => query::values(cx, input),
        "DescribeSecret" => query::describe(cx, input),
        "ListSecrets" => query::list(cx, input),
        "GetResourcePolicy" => query::policy(cx, input),
        "GetRandomPassword" => query::random_password(cx, input),
        _ => Err(Fault::not_implemented(cx)),
    }
}

/// One secret, stored under its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Secret {
    name: String,
    /// Six characters that end the ARN, new for each secret of the same name.
    suffix: String,
    description: Option<String>,
    kms_key: Option<String>,
    created: f64,
    changed: f64,
    /// Start of the day on which a value was last read.
    accessed: Option<f64>,
    /// When it was deleted, and when it goes for good.
    deleted: Option<(f64, f64)>,
    versions: BTreeMap<String, Version>,
    tags: BTreeMap<String, String>,
    owner: Option<String>,
    policy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Version {
    text: Option<String>,
    /// Base64.
    binary: Option<String>,
    stages: Vec<String>,
    created: f64,
}

impl Secret {
    fn arn(&self, cx: &Call) -> String {
        cx.arn("secretsmanager", &format!("secret:{}-{}", self.name, self.suffix))
    }

    fn staged(&self, stage: &str) -> Option<(&String, &Version)> {
        self.versions
            .iter()
            .find(|(_, version)| version.stages.iter().any(|held| held == stage))
    }

    fn is_gone(&self, now: f64) -> bool {
        self.deleted.is_some_and(|(_, gone)| now >= gone)
    }
}

/// Returns the secret of a name, an ARN, or an ARN without its six characters; also one marked for deletion.
fn find(cx: &Call, id: &str) -> Result<Option<Secret>, Fault> {
    let by_name = |name: &str| -> Result<Option<Secret>, Fault> {
        Ok(cx
            .get::<Secret>(SECRETS, name)?
            .filter(|secret| !secret.is_gone(cx.now)))
    };
    let Some(rest) = id.strip_prefix(&cx.arn("secretsmanager", "secret:")) else {
        return if id.starts_with("arn:") { Ok(None) } else { by_name(id) };
    };
    if let Some((name, suffix)) = rest.rsplit_once('-')
        && let Some(secret) = by_name(name)?.filter(|secret| secret.suffix == suffix)
    {
        return Ok(Some(secret));
    }
    by_name(rest)
}

/// Returns the ARN of the secret that a request names or makes, for policies.
pub fn arn_of(cx: &Call, input: &Value) -> Result<Option<String>, Fault> {
    let Some(id) = input["SecretId"].as_str().or(input["Name"].as_str()) else {
        return Ok(None);
    };
    Ok(Some(match find(cx, id)? {
        Some(secret) => secret.arn(cx),
        None if id.starts_with("arn:") => id.to_owned(),
        // Six characters that nobody knows yet.
        None => cx.arn("secretsmanager", &format!("secret:{id}-??????")),
    }))
}

fn named(cx: &Call, input: &Value) -> Result<Secret, Fault> {
    find(cx, text(input, "SecretId"))?.ok_or_else(not_found)
}

/// Returns the named secret when it is not marked for deletion.
fn usable(cx: &Call, input: &Value) -> Result<Secret, Fault> {
    let secret = named(cx, input)?;
    if secret.deleted.is_some() {
        return Err(marked());
    }
    Ok(secret)
}

/// Returns the named secret when its user may change it.
fn changeable(cx: &Call, input: &Value) -> Result<Secret, Fault> {
    let secret = usable(cx, input)?;
    check_owner(&secret)?;
    Ok(secret)
}

fn check_owner(secret: &Secret) -> Result<(), Fault> {
    match &secret.owner {
        Some(owner) => Err(Fault::bad(
            "InvalidRequestException",
            format!("You can't perform this operation on a secret that is managed by {owner}."),
        )),
        None => Ok(()),
    }
}

fn save(cx: &Call, secret: &Secret) -> Result<(), Fault> {
    cx.put(SECRETS, &secret.name, secret)
}

fn text<'v>(input: &'v Value, key: &str) -> &'v str {
    input[key].as_str().unwrap_or_default()
}

fn not_found() -> Fault {
    Fault::bad(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    )
}

fn marked() -> Fault {
    Fault::bad(
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
    )
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::bad("InvalidParameterException", message)
}

fn shown_tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

/// The value of a secret: text, or bytes in base64.
type SecretValue = (Option<String>, Option<String>);

/// Reads the value of a request: text or bytes, not both.
fn read_value(input: &Value) -> Result<Option<SecretValue>, Fault> {
    let (text, binary) = (input["SecretString"].as_str(), input["SecretBinary"].as_str());
    match (text, binary) {
        (Some(_), Some(_)) => Err(invalid(
            "You can't specify both a binary secret value and a string secret value in the same secret.",
        )),
        (None, None) => Ok(None),
        _ => {
            if text
                .map_or(0, str::len)
                .max(binary.map_or(0, |binary| binary.len() / 4 * 3))
                > 65_536
            {
                return Err(Fault::bad(
                    "ValidationException",
                    "The secret value is longer than 65536 bytes.",
                ));
            }
            Ok(Some((text.map(str::to_string), binary.map(str::to_string))))
        }
    }
}

/// Returns the request's version id, or a new one.
fn version_id(input: &Value) -> String {
    input["ClientRequestToken"]
        .as_str()
        .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_string)
}

/// The members that all answers about a secret begin with.
fn identity(cx: &Call, secret: &Secret) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("ARN".into(), json!(secret.arn(cx)));
    shown.insert("Name".into(), json!(secret.name));
    shown
}
