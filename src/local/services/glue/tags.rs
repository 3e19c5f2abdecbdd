//! Tags of databases, crawlers and triggers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Call, Fault, invalid, missing, text, texts};

const TAGS: &str = "glue.tags";

type Tags = BTreeMap<String, String>;

fn read(value: &Value) -> Tags {
    let fields = value.as_object().into_iter().flatten();
    fields
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Writes the tags that a resource is made with.
pub fn create(cx: &Call, arn: &str, tags: &Value) -> Result<(), Fault> {
    write(cx, arn, &read(tags))
}

fn write(cx: &Call, arn: &str, tags: &Tags) -> Result<(), Fault> {
    if tags.len() > 50 {
        return Err(invalid("The number of tags exceeds the limit of 50"));
    }
    if tags.keys().any(|key| key.starts_with("aws:")) {
        return Err(invalid("Tag keys cannot start with aws:"));
    }
    cx.put(TAGS, arn, tags)?;
    cx.tag_index(arn, tags)
}

pub fn of(cx: &Call, arn: &str) -> Result<Tags, Fault> {
    Ok(cx.get(TAGS, arn)?.unwrap_or_default())
}

pub fn forget(cx: &Call, arn: &str) -> Result<(), Fault> {
    cx.delete(TAGS, arn)?;
    cx.tag_forget(arn)
}

/// Says whether all wanted tags are there; a wanted empty value stands for any.
pub fn all_match(tags: &Tags, wanted: &Value) -> bool {
    read(wanted)
        .iter()
        .all(|(key, value)| tags.get(key).is_some_and(|found| found == value))
}

/// Every resource with tags has a document of them, also when they are none.
fn known(cx: &Call, arn: &str) -> Result<Tags, Fault> {
    if !arn.starts_with("arn:aws:glue:") {
        return Err(invalid(format!("Invalid ARN: {arn}")));
    }
    cx.get(TAGS, arn)?
        .ok_or_else(|| missing(format!("Resource not found: {arn}")))
}

pub fn tag(cx: &Call, input: &Value) -> Answer {
    let arn = text(input, "ResourceArn");
    let mut tags = known(cx, arn)?;
    tags.extend(read(&input["TagsToAdd"]));
    write(cx, arn, &tags)?;
    Ok(json!({}))
}

pub fn untag(cx: &Call, input: &Value) -> Answer {
    let arn = text(input, "ResourceArn");
    let mut tags = known(cx, arn)?;
    for key in texts(&input["TagsToRemove"]) {
        tags.remove(&key);
    }
    write(cx, arn, &tags)?;
    Ok(json!({}))
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    Ok(json!({"Tags": known(cx, text(input, "ResourceArn"))?}))
}
