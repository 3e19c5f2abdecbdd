//! Tags of namespaces and workgroups, by ARN.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::{namespaces, not_found, text, validation, workgroups};

const TAGS: usize = 200;

pub fn read(input: &Value) -> Result<BTreeMap<String, String>, Fault> {
    let mut tags = BTreeMap::new();
    for tag in input["tags"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let key = text(tag, "key");
        if key.is_empty() || key.to_lowercase().starts_with("aws:") {
            return Err(validation(format!(
                "The tag key {key} is empty or starts with the reserved prefix aws:"
            )));
        }
        tags.insert(key.to_string(), text(tag, "value").to_string());
    }
    if tags.len() > TAGS {
        return Err(Fault::bad(
            "TooManyTagsException",
            format!("A resource has at most {TAGS} tags."),
        ));
    }
    Ok(tags)
}

type Edit<'a> = &'a dyn Fn(&mut BTreeMap<String, String>);

/// Changes the tags of the resource of an ARN and writes it back; returns the tags.
fn change(cx: &Call, input: &Value, change: Option<Edit<'_>>) -> Result<BTreeMap<String, String>, Fault> {
    let arn = text(input, "resourceArn");
    let missing = || not_found("resource", arn);
    let resource = arn
        .strip_prefix(&cx.arn("redshift-serverless", ""))
        .ok_or_else(missing)?;
    let (kind, id) = resource.split_once('/').ok_or_else(missing)?;
    let tags = match kind {
        "namespace" => {
            let mut found = namespaces::all(cx)?
                .into_iter()
                .find(|namespace| namespace.id == id)
                .ok_or_else(missing)?;
            if let Some(change) = change {
                change(&mut found.tags);
                namespaces::save(cx, &found)?;
            }
            found.tags
        }
        "workgroup" => {
            let mut found = workgroups::all(cx)?
                .into_iter()
                .find(|workgroup| workgroup.id == id)
                .ok_or_else(missing)?;
            if let Some(change) = change {
                change(&mut found.tags);
                workgroups::save(cx, &found)?;
            }
            found.tags
        }
        _ => return Err(missing()),
    };
    if change.is_some() {
        cx.tag_index(arn, &tags)?;
    }
    Ok(tags)
}

pub fn tag(cx: &Call, input: &Value) -> Answer {
    let added = read(input)?;
    let tags = change(cx, input, Some(&|tags| tags.extend(added.clone())))?;
    if tags.len() > TAGS {
        return Err(Fault::bad(
            "TooManyTagsException",
            format!("A resource has at most {TAGS} tags."),
        ));
    }
    Ok(json!({}))
}

pub fn untag(cx: &Call, input: &Value) -> Answer {
    let keys = super::texts(input, "tagKeys").unwrap_or_default();
    change(cx, input, Some(&|tags| tags.retain(|key, _| !keys.contains(key))))?;
    Ok(json!({}))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let tags = change(cx, input, None)?;
    let shown: Value = tags
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect();
    Ok(json!({ "tags": shown }))
}
