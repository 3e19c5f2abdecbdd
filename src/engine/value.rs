//! Values of fields: plain ones, and those that wait for another resource's output.

use crate::address::Reference;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The fields of one resource by name.
pub type Fields = BTreeMap<String, Value>;

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not set. Distinct from an absent key only in that somebody asked for it.
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    /// Wholly another resource's output.
    Ref(Reference),
    /// Text with outputs inside.
    Template(Vec<Segment>),
}

/// A piece of a [`Value::Template`].
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    Text(String),
    Ref(Reference),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Value::Text(text.into())
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    pub fn as_list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            _ => &[],
        }
    }

    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Whether nothing in the value waits for an output.
    pub fn is_known(&self) -> bool {
        let mut known = true;
        self.each_reference(&mut |_| known = false);
        known
    }

    /// Calls `found` for every output the value waits for.
    pub fn each_reference<'a>(&'a self, found: &mut dyn FnMut(&'a Reference)) {
        match self {
            Value::Ref(reference) => found(reference),
            Value::Template(segments) => {
                for segment in segments {
                    if let Segment::Ref(reference) = segment {
                        found(reference);
                    }
                }
            }
            Value::List(list) => list.iter().for_each(|value| value.each_reference(found)),
            Value::Map(map) => map.values().for_each(|value| value.each_reference(found)),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) => {}
        }
    }

    /// Returns the value with every output that `lookup` knows put in its place.
    pub fn resolve(&self, lookup: &dyn Fn(&Reference) -> Option<Value>) -> Value {
        match self {
            Value::Ref(reference) => lookup(reference).unwrap_or_else(|| self.clone()),
            Value::Template(segments) => {
                let mut resolved: Vec<Segment> = Vec::new();
                for segment in segments {
                    let piece = match segment {
                        Segment::Text(text) => Segment::Text(text.clone()),
                        Segment::Ref(reference) => match lookup(reference) {
                            Some(value) => Segment::Text(value.to_text()),
                            None => segment.clone(),
                        },
                    };
                    match (resolved.last_mut(), piece) {
                        (Some(Segment::Text(before)), Segment::Text(text)) => before.push_str(&text),
                        (_, piece) => resolved.push(piece),
                    }
                }
                match resolved.as_slice() {
                    [] => Value::text(""),
                    [Segment::Text(text)] => Value::text(text),
                    _ => Value::Template(resolved),
                }
            }
            Value::List(list) => {
                let mut values = Vec::with_capacity(list.len());
                for value in list {
                    match (value, value.resolve(lookup)) {
                        // An output that is itself a list takes its place among the siblings.
                        (Value::Ref(_), Value::List(several)) => values.extend(several),
                        (_, one) => values.push(one),
                    }
                }
                Value::List(values)
            }
            Value::Map(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), v.resolve(lookup))).collect()),
            plain => plain.clone(),
        }
    }

    /// Returns the value as it reads inside a text.
    pub fn to_text(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::Bool(bool) => bool.to_string(),
            Value::Int(int) => int.to_string(),
            Value::Text(text) => text.clone(),
            Value::List(list) => list.iter().map(Value::to_text).collect::<Vec<_>>().join(","),
            Value::Map(_) => self.to_json().to_string(),
            Value::Ref(reference) => format!("${{{reference}}}"),
            Value::Template(segments) => segments.iter().fold(String::new(), |mut text, segment| {
                match segment {
                    Segment::Text(piece) => text.push_str(piece),
                    Segment::Ref(reference) => write!(text, "${{{reference}}}").expect("writing to a string"),
                }
                text
            }),
        }
    }

    /// Returns the JSON form; what waits for an output is written as `${kind.name.output}`.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(bool) => Json::Bool(*bool),
            Value::Int(int) => Json::from(*int),
            Value::Text(text) => Json::from(text.as_str()),
            Value::List(list) => Json::Array(list.iter().map(Value::to_json).collect()),
            Value::Map(map) => Json::Object(map.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
            Value::Ref(_) | Value::Template(_) => Json::from(self.to_text()),
        }
    }

    /// Returns the value of a JSON document. Whole numbers are whole however they are spelled; the others keep their
    /// text.
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(bool) => Value::Bool(*bool),
            Json::Number(number) => match number.as_i64().or_else(|| whole(number.as_f64()?)) {
                Some(int) => Value::Int(int),
                None => Value::Text(number.to_string()),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(list) => Value::List(list.iter().map(Value::from_json).collect()),
            Json::Object(map) => Value::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), Value::from_json(value)))
                    .collect(),
            ),
        }
    }
}

/// Returns a number such as `1.0` as what it is; not beyond where its neighbours are whole, too.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Value::Bool(bool)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Value::Int(int)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// Returns `fields` as a typed struct. Null fields are left out, so `Option` members read as `None`.
pub fn read<T: DeserializeOwned>(fields: &Fields) -> Result<T, serde_json::Error> {
    let map = fields.iter().filter(|(_, value)| **value != Value::Null);
    serde_json::from_value(Json::Object(
        map.map(|(name, value)| (name.clone(), value.to_json())).collect(),
    ))
}

/// Returns a typed struct as fields; the inverse of [`read`].
pub fn write<T: Serialize>(source: &T) -> Fields {
    let json = serde_json::to_value(source).expect("field structs are plain data");
    match Value::from_json(&json) {
        Value::Map(map) => map,
        other => unreachable!("field structs serialise as maps, not as {other:?}"),
    }
}
