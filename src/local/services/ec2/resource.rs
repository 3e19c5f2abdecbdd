//! What all kinds of EC2 resources share: storage, the not-found refusals, describe with ids, filters and pages, and
//! client tokens. A resource is stored as its own struct, whose fields serialise to the model's member names; fields
//! whose names start with `_` are ours and are not shown.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::tags::{self, Tags};
use crate::services::{Answer, Call, Fault};

/// One kind of resource.
pub trait Resource: Serialize + DeserializeOwned {
    const TABLE: &'static str;
    /// The kind in tag specifications and ARNs.
    const KIND: &'static str;
    const NOT_FOUND: &'static str;
    /// Starts the sentence "The … 'x' does not exist".
    const NOUN: &'static str;
    const TAGS: &'static str = "Tags";

    fn id(&self) -> &str;

    /// Says whether it still exists at this instant: some kinds are stored with the end of their life.
    fn exists(&self, _now: f64) -> bool {
        true
    }

    /// Changes the shown members that depend on the time or on other resources.
    fn show(&self, _cx: &Call, _shown: &mut Map<String, Value>) -> Result<(), Fault> {
        Ok(())
    }
}

pub fn not_found<R: Resource>(id: &str) -> Fault {
    Fault::bad(R::NOT_FOUND, format!("The {} '{id}' does not exist", R::NOUN))
}

/// Returns the resource or the kind's not-found refusal.
pub fn find<R: Resource>(cx: &Call, id: &str) -> Result<R, Fault> {
    let found: Option<R> = cx.get(R::TABLE, id)?;
    found
        .filter(|resource| resource.exists(cx.now))
        .ok_or_else(|| not_found::<R>(id))
}

pub fn save<R: Resource>(cx: &Call, resource: &R) -> Result<(), Fault> {
    cx.put(R::TABLE, resource.id(), resource)
}

/// Removes the resource with its tags.
pub fn remove<R: Resource>(cx: &Call, id: &str) -> Result<(), Fault> {
    cx.delete(R::TABLE, id)?;
    tags::remove_all(cx, R::KIND, id)
}

pub fn all<R: Resource>(cx: &Call) -> Result<Vec<R>, Fault> {
    let stored: Vec<(String, R)> = cx.list(R::TABLE, "")?;
    Ok(stored
        .into_iter()
        .map(|(_, resource)| resource)
        .filter(|resource| resource.exists(cx.now))
        .collect())
}

/// Returns the resource as describe shows it, with its tags.
pub fn shown<R: Resource>(cx: &Call, resource: &R) -> Result<Value, Fault> {
    shown_with(cx, resource, &tags::of(cx, resource.id())?)
}

fn shown_with<R: Resource>(cx: &Call, resource: &R, tags: &Tags) -> Result<Value, Fault> {
    let value = serde_json::to_value(resource).map_err(|cause| Fault::new(500, "InternalError", cause.to_string()))?;
    let Value::Object(mut shown) = value else {
        return Ok(value);
    };
    shown.retain(|name, value| !name.starts_with('_') && !value.is_null());
    resource.show(cx, &mut shown)?;
    shown.insert(R::TAGS.to_owned(), tags::shown(tags));
    Ok(Value::Object(shown))
}

/// How one describe operation reads its input.
pub struct Describe<'a> {
    /// The member with the wanted ids.
    pub ids: &'a str,
    /// The member of the answer.
    pub list: &'a str,
    /// Filters and the path of the member each looks at; lists on the way count with all their elements.
    pub filters: &'a [(&'a str, &'a str)],
    pub limit: usize,
}

/// Answers a describe operation.
pub fn describe<R: Resource>(cx: &Call, input: &Value, how: &Describe) -> Answer {
    let wanted: Vec<&str> = strings(&input[how.ids]);
    let resources: Vec<R> = if wanted.is_empty() {
        all(cx)?
    } else {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for id in &wanted {
            match find::<R>(cx, id) {
                Ok(resource) => found.push(resource),
                Err(fault) if fault.status >= 500 => return Err(fault),
                Err(_) => missing.push(*id),
            }
        }
        match missing[..] {
            [] => found,
            [id] => return Err(not_found::<R>(id)),
            _ => {
                let ids = missing.join(", ");
                return Err(Fault::bad(
                    R::NOT_FOUND,
                    format!("The {}s '{ids}' do not exist", R::NOUN),
                ));
            }
        }
    };
    let tags: HashMap<String, Tags> = if wanted.len() == 1 {
        HashMap::from([(wanted[0].to_owned(), tags::of(cx, wanted[0])?)])
    } else {
        tags::all(cx)?
    };
    let untagged = Tags::new();
    let mut items = Vec::with_capacity(resources.len());
    for resource in &resources {
        items.push(shown_with(cx, resource, tags.get(resource.id()).unwrap_or(&untagged))?);
    }
    let items = filtered(input, items, how.filters, R::TAGS)?;
    page(cx, input, items, how.list, how.limit)
}

/// Answers with one page of items.
pub fn page(cx: &Call, input: &Value, items: Vec<Value>, list: &str, limit: usize) -> Answer {
    let (items, next) = cx.page(items, input, "MaxResults", "NextToken", limit, limit)?;
    let mut answer = json!({list: items});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

/// Keeps the items that pass every filter of the input; a filter passes when one of its values matches.
pub fn filtered(input: &Value, mut items: Vec<Value>, known: &[(&str, &str)], tags: &str) -> Result<Vec<Value>, Fault> {
    for filter in input["Filters"].as_array().into_iter().flatten() {
        let name = filter["Name"].as_str().unwrap_or_default();
        let values = strings(&filter["Values"]);
        let tag_path = |member: &str| format!("{tags}.{member}");
        if let Some(key) = name.strip_prefix("tag:") {
            items.retain(|item| {
                item[tags].as_array().into_iter().flatten().any(|tag| {
                    tag["Key"] == key
                        && values
                            .iter()
                            .any(|value| like(value, tag["Value"].as_str().unwrap_or_default()))
                })
            });
            continue;
        }
        let path = match name {
            "tag-key" => tag_path("Key"),
            "tag-value" => tag_path("Value"),
            _ => known
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, path)| (*path).to_owned())
                .ok_or_else(|| Fault::bad("InvalidParameterValue", format!("The filter '{name}' is invalid")))?,
        };
        items.retain(|item| {
            let mut found = Vec::new();
            collect(item, &path, &mut found);
            found.iter().any(|text| values.iter().any(|value| like(value, text)))
        });
    }
    Ok(items)
}

fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, path, found)),
        Value::Object(members) if !path.is_empty() => {
            let (name, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(value) = members.get(name) {
                collect(value, rest, found);
            }
        }
        Value::String(text) => found.push(text.clone()),
        Value::Number(_) | Value::Bool(_) => found.push(value.to_string()),
        Value::Null | Value::Object(_) => {}
    }
}

/// Matches a filter's value: `*` stands for any text, `?` for one character, a backslash takes the next as it is.
fn like(pattern: &str, text: &str) -> bool {
    fn matches(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
            ['?', rest @ ..] => !text.is_empty() && matches(rest, &text[1..]),
            ['\\', letter, rest @ ..] | [letter, rest @ ..] => {
                text.first() == Some(letter) && matches(rest, &text[1..])
            }
        }
    }
    if !pattern.contains(['*', '?', '\\']) {
        return pattern == text;
    }
    // Two wildcards in a row match no more than one, but cost more.
    let mut letters: Vec<char> = pattern.chars().collect();
    letters.dedup_by(|next, last| *next == '*' && *last == '*');
    matches(&letters, &text.chars().collect::<Vec<_>>())
}

/// Returns the texts of a list.
pub fn strings(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Returns a text member; empty when absent.
pub fn text<'v>(input: &'v Value, member: &str) -> &'v str {
    input[member].as_str().unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
struct Token {
    id: String,
    input: Value,
}

const TOKENS: &str = "ec2-tokens";

/// Returns the id that an earlier request with the same client token made; the same token with other parameters is
/// refused.
pub fn replayed(cx: &Call, input: &Value) -> Result<Option<String>, Fault> {
    let Some(token) = input["ClientToken"].as_str() else {
        return Ok(None);
    };
    let earlier: Option<Token> = cx.get(TOKENS, &format!("{}/{token}", cx.operation))?;
    match earlier {
        None => Ok(None),
        Some(earlier) if earlier.input == *input => Ok(Some(earlier.id)),
        Some(_) => Err(Fault::bad(
            "IdempotentParameterMismatch",
            format!("The client token '{token}' was used with other parameters"),
        )),
    }
}

/// Remembers what a request with a client token made.
pub fn remember(cx: &Call, input: &Value, id: &str) -> Result<(), Fault> {
    let Some(token) = input["ClientToken"].as_str() else {
        return Ok(());
    };
    cx.put(
        TOKENS,
        &format!("{}/{token}", cx.operation),
        &Token {
            id: id.to_owned(),
            input: input.clone(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_know_wildcards() {
        assert!(like("a*", "abc") && like("*c", "abc") && like("a?c", "abc") && like("**", ""));
        assert!(!like("a?", "abc") && !like("b*", "abc"));
        assert!(like("a\\*", "a*") && !like("a\\*", "ab"));
    }

    #[test]
    fn a_filter_reaches_into_lists() {
        let items = vec![json!({"A": [{"B": 1}, {"B": 2}]}), json!({"A": []})];
        let input = json!({"Filters": [{"Name": "a.b", "Values": ["2"]}]});
        assert_eq!(
            filtered(&input, items, &[("a.b", "A.B")], "Tags")
                .expect("filters")
                .len(),
            1
        );
    }
}
