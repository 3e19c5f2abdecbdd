//! Log groups: create, describe, retention, protection, keys, tags.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault};
use super::{GROUPS, Group, STREAMS, empty, find, group_of_arn, invalid, milliseconds, missing, named, save, text};

const RETENTIONS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
const TAGS: usize = 50;

/// Makes a group; `None` when it is there already.
pub fn make(cx: &Call, name: &str) -> Result<Option<Group>, Fault> {
    if find(cx, name)?.is_some() {
        return Ok(None);
    }
    let group = Group {
        name: name.to_string(),
        created: milliseconds(cx),
        retention_days: None,
        kms_key: None,
        class: "STANDARD".to_string(),
        protected: false,
        stored_bytes: 0,
        tags: BTreeMap::new(),
    };
    save(cx, &group)?;
    Ok(Some(group))
}

fn read_tags(tags: &Value, into: &mut BTreeMap<String, String>) -> Result<(), Fault> {
    for (key, value) in tags.as_object().into_iter().flatten() {
        if key.to_lowercase().starts_with("aws:") {
            return Err(invalid(format!(
                "The tag key {key} starts with the reserved prefix aws:"
            )));
        }
        into.insert(key.clone(), value.as_str().unwrap_or_default().to_string());
    }
    if into.len() > TAGS {
        return Err(Fault::bad(
            "TooManyTagsException",
            format!("A log group has at most {TAGS} tags."),
        ));
    }
    Ok(())
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "logGroupName",
            "kmsKeyId",
            "tags",
            "logGroupClass",
            "deletionProtectionEnabled",
        ],
    )?;
    let name = text(input, "logGroupName");
    let valid =
        !name.is_empty() && name.len() <= 512 && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_/#".contains(c));
    if !valid {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
        )));
    }
    if name.starts_with("aws/") {
        return Err(invalid("Log groups starting with AWS/ are reserved for AWS."));
    }
    let mut tags = BTreeMap::new();
    read_tags(&input["tags"], &mut tags)?;
    let Some(mut group) = make(cx, name)? else {
        return Err(Fault::bad(
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ));
    };
    group.tags = tags;
    group.kms_key = input["kmsKeyId"].as_str().map(str::to_string);
    group.class = input["logGroupClass"].as_str().unwrap_or("STANDARD").to_string();
    group.protected = input["deletionProtectionEnabled"].as_bool().unwrap_or(false);
    save(cx, &group)?;
    cx.tag_index(&group.arn(cx), &group.tags)?;
    empty()
}

fn shown(cx: &Call, group: &Group) -> Value {
    let mut shown = Map::new();
    shown.insert("logGroupName".into(), json!(group.name));
    shown.insert("creationTime".into(), json!(group.created));
    if let Some(days) = group.retention_days {
        shown.insert("retentionInDays".into(), json!(days));
    }
    shown.insert("metricFilterCount".into(), json!(0));
    // This ARN ends with `:*`, the one for tags does not.
    shown.insert("arn".into(), json!(format!("{}:*", group.arn(cx))));
    shown.insert("logGroupArn".into(), json!(group.arn(cx)));
    shown.insert("storedBytes".into(), json!(group.stored_bytes));
    if let Some(key) = &group.kms_key {
        shown.insert("kmsKeyId".into(), json!(key));
    }
    shown.insert("logGroupClass".into(), json!(group.class));
    shown.insert("deletionProtectionEnabled".into(), json!(group.protected));
    shown.into()
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let prefix = input["logGroupNamePrefix"].as_str();
    let pattern = input["logGroupNamePattern"].as_str();
    if prefix.is_some() && pattern.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let identifiers: Option<Vec<&str>> = input["logGroupIdentifiers"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect());
    let class = input["logGroupClass"].as_str();
    let mut groups = cx.list::<Group>(GROUPS, prefix.unwrap_or(""))?;
    groups.retain(|(name, group)| {
        pattern.is_none_or(|pattern| name.to_lowercase().contains(&pattern.to_lowercase()))
            && class.is_none_or(|class| class == group.class)
            && identifiers.as_ref().is_none_or(|wanted| {
                wanted
                    .iter()
                    .any(|wanted| group_of_arn(cx, wanted).unwrap_or(wanted) == name)
            })
    });
    let shown = groups.iter().map(|(_, group)| shown(cx, group)).collect();
    let (groups, token) = cx.page(shown, input, "limit", "nextToken", 50, 50)?;
    let mut answer = json!({ "logGroups": groups });
    if let Some(token) = token {
        answer["nextToken"] = json!(token);
    }
    Ok(answer)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    if group.protected {
        return Err(Fault::bad(
            "ValidationException",
            format!("The log group {} is protected from deletion.", group.name),
        ));
    }
    for (stream, _) in cx.list::<Value>(STREAMS, &format!("{}\u{1}", group.name))? {
        super::events::delete_events(cx, &stream)?;
        cx.delete(STREAMS, &stream)?;
    }
    cx.delete(GROUPS, &group.name)?;
    cx.tag_forget(&group.arn(cx))?;
    empty()
}

pub fn put_retention(cx: &Call, input: &Value) -> Answer {
    let mut group = named(cx, input)?;
    let days = input["retentionInDays"].as_i64().unwrap_or_default();
    if !RETENTIONS.contains(&days) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {RETENTIONS:?}"
        )));
    }
    group.retention_days = Some(days);
    save(cx, &group)?;
    empty()
}

pub fn delete_retention(cx: &Call, input: &Value) -> Answer {
    let mut group = named(cx, input)?;
    group.retention_days = None;
    save(cx, &group)?;
    empty()
}

pub fn put_protection(cx: &Call, input: &Value) -> Answer {
    let mut group = named(cx, input)?;
    group.protected = input["deletionProtectionEnabled"].as_bool().unwrap_or(false);
    save(cx, &group)?;
    empty()
}

pub fn associate_key(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &["logGroupName", "kmsKeyId"])?;
    let mut group = named(cx, input)?;
    group.kms_key = Some(text(input, "kmsKeyId").to_string());
    save(cx, &group)?;
    empty()
}

pub fn disassociate_key(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &["logGroupName"])?;
    let mut group = named(cx, input)?;
    group.kms_key = None;
    save(cx, &group)?;
    empty()
}

fn by_arn(cx: &Call, input: &Value) -> Result<Group, Fault> {
    let name = group_of_arn(cx, text(input, "resourceArn"));
    let found = match name {
        Some(name) => find(cx, name)?,
        None => return Err(invalid("The resource ARN is not one of a log group.")),
    };
    found.ok_or_else(|| missing("The specified resource does not exist."))
}

fn tag(cx: &Call, mut group: Group, input: &Value) -> Answer {
    read_tags(&input["tags"], &mut group.tags)?;
    save(cx, &group)?;
    cx.tag_index(&group.arn(cx), &group.tags)?;
    empty()
}

fn untag(cx: &Call, mut group: Group, keys: &Value) -> Answer {
    for key in keys.as_array().map(Vec::as_slice).unwrap_or_default() {
        group.tags.remove(key.as_str().unwrap_or_default());
    }
    save(cx, &group)?;
    cx.tag_index(&group.arn(cx), &group.tags)?;
    empty()
}

pub fn tag_resource(cx: &Call, input: &Value) -> Answer {
    tag(cx, by_arn(cx, input)?, input)
}

pub fn untag_resource(cx: &Call, input: &Value) -> Answer {
    untag(cx, by_arn(cx, input)?, &input["tagKeys"])
}

pub fn list_tags(cx: &Call, input: &Value) -> Answer {
    Ok(json!({ "tags": by_arn(cx, input)?.tags }))
}

pub fn tag_group(cx: &Call, input: &Value) -> Answer {
    tag(cx, named(cx, input)?, input)
}

pub fn untag_group(cx: &Call, input: &Value) -> Answer {
    untag(cx, named(cx, input)?, &input["tags"])
}

pub fn list_group_tags(cx: &Call, input: &Value) -> Answer {
    Ok(json!({ "tags": named(cx, input)?.tags }))
}
