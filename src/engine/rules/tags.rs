//! Rules of tags, and of values that must not stand in a file at all.

use crate::diagnostic::Diagnostic;
use crate::stack::{Resource, Stack};
use crate::value::Value;

/// AWS takes 50 tags per object; these many are ours.
const OWN_TAGS: usize = 5;

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for resource in stack.resources.values() {
        tags(resource, problems);
        for (name, value) in &resource.fields {
            if let Some(what) = secret_in(value) {
                problems.push(
                    Diagnostic::error("literal-secret", "a secret stands in the file", resource.span_of(name), what)
                        .hint("take it out and change it where it is in use; a `secret` resource generates one that nobody sees"),
                );
            }
        }
        cross_region(stack, resource, problems);
    }
}

fn tags(resource: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(tags) = resource.field("tags").and_then(Value::as_map) else {
        return;
    };
    if tags.len() > 50 - OWN_TAGS {
        problems.push(Diagnostic::error(
            "bad-tag",
            "too many tags",
            resource.span_of("tags"),
            format!("{} tags; AWS takes 50, and {OWN_TAGS} are lakeform's", tags.len()),
        ));
    }
    for (key, value) in tags {
        let text = value.as_text().unwrap_or_default();
        let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
        let why = if key.to_lowercase().starts_with("aws:") || key.starts_with("lakeform:") {
            format!("`{key}` begins with a reserved word")
        } else if key.is_empty() || key.chars().count() > 128 {
            "a key has 1 to 128 characters".to_owned()
        } else if text.chars().count() > 256 {
            format!("the value of `{key}` is longer than 256 characters")
        } else if let Some(wrong) = key.chars().chain(text.chars()).find(|c| !allowed(*c)) {
            format!("`{wrong}` in `{key}` is not accepted by every service")
        } else {
            continue;
        };
        let place = resource.span_of(&format!("tags.{key}"));
        problems.push(Diagnostic::error("bad-tag", "the tag cannot be used", place, why));
    }
}

/// What kind of secret a text holds, if one is plainly seen.
fn secret_in(value: &Value) -> Option<&'static str> {
    match value {
        Value::Text(text) => secret_text(text),
        Value::List(list) => list.iter().find_map(secret_in),
        Value::Map(map) => map.values().find_map(secret_in),
        Value::Template(segments) => segments.iter().find_map(|segment| match segment {
            crate::value::Segment::Text(text) => secret_text(text),
            crate::value::Segment::Ref(_) => None,
        }),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Ref(_) => None,
    }
}

fn secret_text(text: &str) -> Option<&'static str> {
    let key_id = |start: usize| {
        let id = text.get(start..start + 20);
        id.is_some_and(|id| id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
    };
    if ["AKIA", "ASIA"]
        .iter()
        .any(|prefix| text.match_indices(prefix).any(|(start, _)| key_id(start)))
    {
        return Some("an AWS access key id");
    }
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    let upper = text.to_uppercase();
    let password = upper
        .split_once("PASSWORD '")
        .or_else(|| upper.split_once("PASSWORD='"));
    password
        .filter(|(_, rest)| !rest.starts_with('\''))
        .map(|_| "a password in SQL")
}

/// ARNs and endpoints of another region than the stack's.
fn cross_region(stack: &Stack, resource: &Resource, problems: &mut Vec<Diagnostic>) {
    for (name, value) in &resource.fields {
        // Policies may well speak of other regions.
        if matches!(name.as_str(), "policies" | "policy") {
            continue;
        }
        let mut found = Vec::new();
        texts(value, &mut |text| {
            let region = text.strip_prefix("arn:aws:").and_then(|rest| rest.split(':').nth(1));
            if let Some(region) = region.filter(|region| !region.is_empty() && *region != stack.region) {
                found.push(region.to_owned());
            }
        });
        for region in found {
            problems.push(Diagnostic::error(
                "cross-region",
                "refers to something in another region",
                resource.span_of(name),
                format!("in `{region}`, the stack is in `{}`", stack.region),
            ));
        }
    }
}

fn texts(value: &Value, found: &mut dyn FnMut(&str)) {
    match value {
        Value::Text(text) => found(text),
        Value::List(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Map(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}
