//! CloudWatch Logs: groups with retention, tags and protection, their streams and events. Enough for the crawler's
//! and the clusters' logs, and for those who read them.

mod events;
mod groups;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Call, Fault};

pub use events::append;

const GROUPS: &str = "log_group";
const STREAMS: &str = "log_stream";

pub fn call(cx: &Call, input: &Value) -> Answer {
    match cx.operation {
        "CreateLogGroup" => groups::create(cx, input),
        "DescribeLogGroups" => groups::describe(cx, input),
        "DeleteLogGroup" => groups::delete(cx, input),
        "PutRetentionPolicy" => groups::put_retention(cx, input),
        "DeleteRetentionPolicy" => groups::delete_retention(cx, input),
        "PutLogGroupDeletionProtection" => groups::put_protection(cx, input),
        "AssociateKmsKey" => groups::associate_key(cx, input),
        "DisassociateKmsKey" => groups::disassociate_key(cx, input),
        "TagResource" => groups::tag_resource(cx, input),
        "UntagResource" => groups::untag_resource(cx, input),
        "ListTagsForResource" => groups::list_tags(cx, input),
        "TagLogGroup" => groups::tag_group(cx, input),
        "UntagLogGroup" => groups::untag_group(cx, input),
        "ListTagsLogGroup" => groups::list_group_tags(cx, input),
        "CreateLogStream" => events::create_stream(cx, input),
        "DescribeLogStreams" => events::describe_streams(cx, input),
        "DeleteLogStream" => events::delete_stream(cx, input),
        "PutLogEvents" => events::put(cx, input),
        "GetLogEvents" => events::get(cx, input),
        "FilterLogEvents" => events::filter(cx, input),
        _ => Err(Fault::not_implemented(cx)),
    }
}

/// Stored under its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Group {
    name: String,
    /// Milliseconds since the epoch, as all times of this service.
    created: i64,
    retention_days: Option<i64>,
    kms_key: Option<String>,
    class: String,
    protected: bool,
    stored_bytes: i64,
    tags: BTreeMap<String, String>,
}

impl Group {
    fn arn(&self, cx: &Call) -> String {
        cx.arn("logs", &format!("log-group:{}", self.name))
    }
}

fn find(cx: &Call, name: &str) -> Result<Option<Group>, Fault> {
    cx.get(GROUPS, name)
}

/// Returns the group of `logGroupName` or `logGroupIdentifier`.
fn named(cx: &Call, input: &Value) -> Result<Group, Fault> {
    let identifier = input["logGroupName"]
        .as_str()
        .or(input["logGroupIdentifier"].as_str())
        .unwrap_or_default();
    let name = group_of_arn(cx, identifier).unwrap_or(identifier);
    find(cx, name)?.ok_or_else(|| missing("The specified log group does not exist."))
}

/// Returns the group's name in an ARN with or without its `:*`.
fn group_of_arn<'v>(cx: &Call, arn: &'v str) -> Option<&'v str> {
    let rest = arn.strip_prefix(&cx.arn("logs", "log-group:"))?;
    Some(rest.strip_suffix(":*").unwrap_or(rest))
}

fn save(cx: &Call, group: &Group) -> Result<(), Fault> {
    cx.put(GROUPS, &group.name, group)
}

fn milliseconds(cx: &Call) -> i64 {
    (cx.now * 1000.0) as i64
}

fn text<'v>(input: &'v Value, key: &str) -> &'v str {
    input[key].as_str().unwrap_or_default()
}

fn missing(message: impl Into<String>) -> Fault {
    Fault::bad("ResourceNotFoundException", message)
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::bad("InvalidParameterException", message)
}

fn empty() -> Answer {
    Ok(json!({}))
}
