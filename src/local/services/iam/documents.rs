//! What IAM stores, how it reads back, and the rules shared by its operations.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault};

pub const ROLES: &str = "iam_role";
pub const POLICIES: &str = "iam_policy";
pub const PROFILES: &str = "iam_instance_profile";

/// One role with everything that hangs on it. Stored under its lower-cased name: names are unique without regard
/// to case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: f64,
    /// The trust policy as it was given.
    pub trust: String,
    pub description: Option<String>,
    pub max_session_seconds: i64,
    /// ARN of the permissions boundary.
    pub boundary: Option<String>,
    pub tags: Tags,
    /// Inline policies: name and text.
    pub inline: BTreeMap<String, String>,
    /// ARNs of attached managed policies, in the order of attachment.
    pub attached: Vec<String>,
}

impl Role {
    pub fn arn(&self, cx: &Call) -> String {
        format!("arn:aws:iam::{}:role{}{}", cx.account, self.path, self.name)
    }

    /// The role as `GetRole` shows it.
    pub fn shown(&self, cx: &Call) -> Map<String, Value> {
        let mut shown = self.listed(cx);
        if let Some(boundary) = &self.boundary {
            shown.insert("PermissionsBoundary".into(), shown_boundary(boundary));
        }
        if !self.tags.is_empty() {
            shown.insert("Tags".into(), shown_tags(&self.tags));
        }
        shown.insert("RoleLastUsed".into(), json!({}));
        shown
    }

    /// The role as `ListRoles` shows it: without tags and boundary.
    pub fn listed(&self, cx: &Call) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("Path".into(), json!(self.path));
        shown.insert("RoleName".into(), json!(self.name));
        shown.insert("RoleId".into(), json!(self.id));
        shown.insert("Arn".into(), json!(self.arn(cx)));
        shown.insert("CreateDate".into(), json!(self.created));
        shown.insert("AssumeRolePolicyDocument".into(), json!(encoded(&self.trust)));
        if let Some(description) = &self.description {
            shown.insert("Description".into(), json!(description));
        }
        shown.insert("MaxSessionDuration".into(), json!(self.max_session_seconds));
        shown
    }
}

/// A customer-managed policy. Stored under its lower-cased name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ManagedPolicy {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: f64,
    pub updated: f64,
    pub description: Option<String>,
    pub tags: Tags,
    pub versions: Vec<PolicyVersion>,
    pub default_version: u64,
    pub next_version: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub number: u64,
    pub text: String,
    pub created: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceProfile {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: f64,
    pub tags: Tags,
    /// A profile holds at most one role.
    pub role: Option<String>,
}

pub type Tags = BTreeMap<String, String>;

pub fn shown_tags(tags: &Tags) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

pub fn shown_boundary(arn: &str) -> Value {
    json!({ "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn })
}

/// Reads `Tags` of a request, keeping IAM's rules.
pub fn read_tags(input: &Value, tags: &mut Tags) -> Result<(), Fault> {
    let given = input["Tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    for tag in given {
        let key = tag["Key"].as_str().unwrap_or_default().to_string();
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Keys beginning with \"aws:\" are reserved for AWS use."));
        }
        let folded = key.to_lowercase();
        if seen.contains(&folded) {
            return Err(invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        seen.push(folded.clone());
        // Keys are one key in either case; the newer spelling stays.
        tags.retain(|kept, _| kept.to_lowercase() != folded);
        tags.insert(key, tag["Value"].as_str().unwrap_or_default().to_string());
    }
    if tags.len() > 50 {
        return Err(Fault::new(
            409,
            "LimitExceeded",
            "Cannot exceed quota for TagsPerRole: 50",
        ));
    }
    Ok(())
}

pub fn remove_tags(input: &Value, tags: &mut Tags) {
    for key in input["TagKeys"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let folded = key.as_str().unwrap_or_default().to_lowercase();
        tags.retain(|kept, _| kept.to_lowercase() != folded);
    }
}

/// IAM returns documents percent-encoded as RFC 3986 says.
pub fn encoded(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

/// Returns a unique id such as `AROA` and 17 characters.
pub fn unique_id(prefix: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut id = prefix.to_string();
    let random = [*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()].concat();
    id.extend(
        random
            .iter()
            .take(17)
            .map(|byte| char::from(LETTERS[usize::from(byte % 32)])),
    );
    id
}

/// Returns a text member; the wire layer has seen to it that required ones are there.
pub fn text<'v>(input: &'v Value, key: &str) -> &'v str {
    input[key].as_str().unwrap_or_default()
}

/// Checks a name against IAM's alphabet.
pub fn check_name(member: &str, name: &str, longest: usize) -> Result<(), Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(Fault::new(
            400,
            "ValidationError",
            format!(
                "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
            ),
        ));
    }
    if name.len() > longest {
        return Err(validation(
            &lower_first(member),
            format!("Member must have length less than or equal to {longest}"),
            name,
        ));
    }
    Ok(())
}

/// Returns the path of a request, `/` when absent.
pub fn read_path(input: &Value) -> Result<String, Fault> {
    let path = input["Path"].as_str().unwrap_or("/");
    let printable = path.chars().all(|c| ('\u{21}'..='\u{7e}').contains(&c));
    if !path.starts_with('/') || !path.ends_with('/') || path.contains("//") || !printable || path.len() > 512 {
        return Err(Fault::new(
            400,
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        ));
    }
    Ok(path.to_string())
}

/// A fault in the wording of AWS's common parameter checks.
pub fn validation(member: &str, rule: String, value: &str) -> Fault {
    Fault::new(
        400,
        "ValidationError",
        format!("1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {rule}"),
    )
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + chars.as_str())
        .unwrap_or_default()
}

pub fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(400, "InvalidInput", message)
}

pub fn missing(message: impl Into<String>) -> Fault {
    Fault::new(404, "NoSuchEntity", message)
}

pub fn conflict(message: impl Into<String>) -> Fault {
    Fault::new(409, "DeleteConflict", message)
}

pub fn malformed(message: impl Into<String>) -> Fault {
    Fault::new(400, "MalformedPolicyDocument", message)
}

pub fn limit(quota: &str, value: impl std::fmt::Display) -> Fault {
    Fault::new(
        409,
        "LimitExceeded",
        format!("Cannot exceed quota for {quota}: {value}"),
    )
}

/// Answers one page of a list under `key`, with IAM's `IsTruncated` and `Marker`.
pub fn paged(cx: &Call, key: &str, items: Vec<Value>, input: &Value) -> Answer {
    let (items, marker) = cx.page(items, input, "MaxItems", "Marker", 100, 1000)?;
    let mut answer = Map::new();
    answer.insert(key.into(), items.into());
    answer.insert("IsTruncated".into(), json!(marker.is_some()));
    if let Some(marker) = marker {
        answer.insert("Marker".into(), json!(marker));
    }
    Ok(Value::Object(answer))
}
