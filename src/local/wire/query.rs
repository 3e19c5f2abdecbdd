//! Requests of the two query protocols: `Action=CreateVpc&TagSpecification.1.Tag.1.Key=…` into an object by the
//! model's member names. Every parameter must find its member; the rest is named in the refusal.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde_json::{Map, Value};

use super::model::{Kind, Model, Protocol, Target};
use super::text;

/// More elements than any operation takes; keeps a hostile index from costing anything.
const MAX_ELEMENTS: usize = 10_000;
const MAX_DEPTH: usize = 24;

pub type Parameters = BTreeMap<String, String>;

/// Splits a form or query string. Later parameters of the same name win.
pub fn parameters(form: &str) -> Parameters {
    form.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}

pub enum Problem {
    Unknown(String),
    /// The parameter and what it should have been.
    Type(String, &'static str),
}

/// Returns the operation's input.
pub fn input(model: &Model, shape: Option<usize>, parameters: &Parameters) -> Result<Value, Problem> {
    let reader = Reader {
        model,
        parameters,
        used: RefCell::default(),
    };
    let value = match shape {
        Some(shape) => reader.value(shape, "", 0)?.unwrap_or_else(|| Value::Object(Map::new())),
        None => Value::Object(Map::new()),
    };
    let used = reader.used.into_inner();
    for name in parameters.keys() {
        // A presigned request carries its signature among the parameters.
        if !used.contains(name.as_str()) && name != "Action" && name != "Version" && !name.starts_with("X-Amz-") {
            return Err(Problem::Unknown(name.clone()));
        }
    }
    Ok(value)
}

struct Reader<'a> {
    model: &'a Model,
    parameters: &'a Parameters,
    used: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Reader<'a> {
    fn name(&self, member: &str, target: &Target) -> String {
        if self.model.protocol == Protocol::Ec2 {
            if let Some(query) = &target.query {
                return query.clone();
            }
            return text::capitalised(target.location.as_deref().unwrap_or(member));
        }
        target.location.clone().unwrap_or_else(|| member.to_owned())
    }

    fn value(&self, shape: usize, prefix: &str, depth: usize) -> Result<Option<Value>, Problem> {
        if depth > MAX_DEPTH || !(prefix.is_empty() || self.any(prefix)) {
            return Ok(None);
        }
        match &self.model.shape(shape).kind {
            Kind::Structure { members, .. } => {
                let mut object = Map::new();
                for (member, target) in members {
                    let name = join(prefix, &self.name(member, target));
                    if let Some(value) = self.value(target.shape, &name, depth + 1)? {
                        object.insert(member.clone(), value);
                    }
                }
                Ok((!object.is_empty() || prefix.is_empty()).then_some(Value::Object(object)))
            }
            Kind::List { element, flattened } => {
                let mut values = Vec::new();
                // Some clients send an empty list as the bare name.
                if let Some((name, text)) = self.parameters.get_key_value(prefix)
                    && text.is_empty()
                {
                    self.used.borrow_mut().insert(name);
                    return Ok(Some(Value::Array(values)));
                }
                let base = match self.model.protocol {
                    Protocol::Query if !flattened => join(prefix, element.location.as_deref().unwrap_or("member")),
                    _ => prefix.to_owned(),
                };
                for index in self.indexes(&base) {
                    if let Some(value) = self.value(element.shape, &format!("{base}.{index}"), depth + 1)? {
                        values.push(value);
                    }
                }
                Ok((!values.is_empty()).then_some(Value::Array(values)))
            }
            Kind::Map { key, value, flattened } => {
                let base = if *flattened {
                    prefix.to_owned()
                } else {
                    join(prefix, "entry")
                };
                let mut object = Map::new();
                for index in self.indexes(&base) {
                    let entry = format!("{base}.{index}");
                    let name = join(&entry, key.location.as_deref().unwrap_or("key"));
                    let name = self.value(key.shape, &name, depth + 1)?;
                    let content = join(&entry, value.location.as_deref().unwrap_or("value"));
                    let content = self.value(value.shape, &content, depth + 1)?;
                    if let (Some(Value::String(name)), Some(content)) = (name, content) {
                        object.insert(name, content);
                    }
                }
                Ok((!object.is_empty()).then_some(Value::Object(object)))
            }
            kind => {
                let Some((name, text)) = self.parameters.get_key_value(prefix) else {
                    return Ok(None);
                };
                self.used.borrow_mut().insert(name);
                scalar(kind, name, text).map(Some)
            }
        }
    }

    /// Says whether any parameter is `prefix` or lies below it.
    fn any(&self, prefix: &str) -> bool {
        let below = format!("{prefix}.");
        self.parameters.contains_key(prefix)
            || self
                .parameters
                .range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded))
                .next()
                .is_some_and(|(name, _)| name.starts_with(&below))
    }

    /// Returns the numbers directly below `base`, in numeric order: clients may leave gaps.
    fn indexes(&self, base: &str) -> Vec<u32> {
        let below = format!("{base}.");
        let range = self
            .parameters
            .range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded));
        let indexes: BTreeSet<u32> = range
            .take_while(|(name, _)| name.starts_with(&below))
            .filter_map(|(name, _)| name[below.len()..].split('.').next()?.parse().ok())
            .take(MAX_ELEMENTS)
            .collect();
        indexes.into_iter().collect()
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

fn scalar(kind: &Kind, name: &str, text: &str) -> Result<Value, Problem> {
    let wrong = |wanted| Problem::Type(name.to_owned(), wanted);
    Ok(match kind {
        Kind::Integer => text.parse::<i64>().map_err(|_| wrong("an integer"))?.into(),
        Kind::Double => text.parse::<f64>().map_err(|_| wrong("a number"))?.into(),
        Kind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => return Err(wrong("a boolean")),
        },
        Kind::Timestamp { .. } => text::seconds(text).ok_or_else(|| wrong("a timestamp"))?.into(),
        _ => text.into(),
    })
}
