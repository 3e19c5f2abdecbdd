//! The table of operations, shapes and constraints, made by `model.py` and embedded. Shapes refer to each other by
//! position, so that reading and writing a message looks nothing up by name but the members it has.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, OnceLock, PoisonError};

use regex::Regex;
use serde::Deserialize;

use crate::services::Service;

static PACKED: &[u8] = include_bytes!("model.json.gz");

/// How a service's requests and answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Ec2,
    Query,
    Json,
}

pub struct Model {
    pub protocol: Protocol,
    pub xmlns: String,
    pub target: String,
    operations: HashMap<String, Operation>,
    shapes: Vec<Shape>,
    /// The modelled name of an error: its code on the wire and its HTTP status.
    faults: HashMap<String, (String, u16)>,
    patterns: Mutex<HashMap<usize, Option<Regex>>>,
}

pub struct Operation {
    pub input: Option<usize>,
    pub output: Option<usize>,
    pub wrapper: Option<String>,
}

/// A use of a shape by a member or as an element.
pub struct Target {
    pub shape: usize,
    /// The name in XML and queries where it is not the member's own.
    pub location: Option<String>,
    /// The name in EC2's queries.
    pub query: Option<String>,
    pub flattened: bool,
}

pub enum Kind {
    Structure {
        members: Vec<(String, Target)>,
        required: Vec<String>,
    },
    List {
        element: Target,
        flattened: bool,
    },
    Map {
        key: Target,
        value: Target,
        flattened: bool,
    },
    String,
    Integer,
    Double,
    Boolean,
    Timestamp {
        iso: bool,
    },
    Blob,
}

pub struct Shape {
    pub kind: Kind,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub values: Vec<String>,
    pub pattern: Option<String>,
    pub sensitive: bool,
}

impl Model {
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.operations.keys().map(String::as_str)
    }

    pub fn shape(&self, index: usize) -> &Shape {
        &self.shapes[index]
    }

    /// Returns the code and status of a fault named by its shape or its code.
    pub fn fault(&self, name: &str) -> Option<(&str, u16)> {
        let known = self
            .faults
            .get(name)
            .or_else(|| self.faults.values().find(|(code, _)| code == name));
        known.map(|(code, status)| (code.as_str(), *status))
    }

    /// Says whether the whole of `text` matches the shape's pattern.
    pub fn matches(&self, shape: usize, text: &str) -> bool {
        let Some(pattern) = &self.shapes[shape].pattern else {
            return true;
        };
        let mut patterns = self.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        // The few that this dialect cannot say are not checked; a test names them.
        let compiled = patterns
            .entry(shape)
            .or_insert_with(|| Regex::new(&format!("^(?:{pattern})$")).ok());
        compiled.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

/// Returns the table of one service.
pub fn of(service: Service) -> &'static Model {
    static MODELS: OnceLock<HashMap<String, Model>> = OnceLock::new();
    let models = MODELS.get_or_init(|| {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(PACKED)
            .read_to_end(&mut text)
            .expect("the embedded table unpacks");
        let table: RawTable = serde_json::from_slice(&text).expect("the embedded table parses");
        table
            .services
            .into_iter()
            .map(|(scope, raw)| (scope, raw.resolve()))
            .collect()
    });
    models
        .get(service.scope())
        .expect("the embedded table has every service")
}

#[derive(Deserialize)]
struct RawTable {
    services: HashMap<String, RawModel>,
}

#[derive(Deserialize)]
struct RawModel {
    protocol: Protocol,
    #[serde(default)]
    xmlns: String,
    #[serde(default)]
    target: String,
    operations: HashMap<String, RawOperation>,
    shapes: HashMap<String, RawShape>,
    faults: HashMap<String, (String, u16)>,
}

#[derive(Deserialize)]
struct RawOperation {
    #[serde(rename = "in")]
    input: Option<String>,
    #[serde(rename = "out")]
    output: Option<String>,
    #[serde(rename = "wrap")]
    wrapper: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawTarget {
    Plain(String),
    Named {
        s: String,
        n: Option<String>,
        q: Option<String>,
        #[serde(default)]
        f: bool,
    },
}

#[derive(Deserialize)]
struct RawShape {
    t: String,
    min: Option<f64>,
    max: Option<f64>,
    time: Option<String>,
    #[serde(default)]
    flat: bool,
    #[serde(default)]
    sec: bool,
    re: Option<String>,
    #[serde(default, rename = "enum")]
    values: Vec<String>,
    m: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    req: Vec<String>,
    e: Option<RawTarget>,
    k: Option<RawTarget>,
    v: Option<RawTarget>,
}

impl RawModel {
    fn resolve(self) -> Model {
        let names: HashMap<String, usize> = self
            .shapes
            .keys()
            .enumerate()
            .map(|(index, name)| (name.clone(), index))
            .collect();
        let target = |raw: RawTarget| match raw {
            RawTarget::Plain(shape) => Target {
                shape: names[&shape],
                location: None,
                query: None,
                flattened: false,
            },
            RawTarget::Named { s, n, q, f } => Target {
                shape: names[&s],
                location: n,
                query: q,
                flattened: f,
            },
        };
        let mut shapes: Vec<Option<Shape>> = Vec::new();
        shapes.resize_with(names.len(), || None);
        for (name, raw) in self.shapes {
            let kind = match raw.t.as_str() {
                "structure" => Kind::Structure {
                    members: raw
                        .m
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(member, raw)| {
                            let raw = serde_json::from_value(raw).expect("the embedded table's members parse");
                            (member, target(raw))
                        })
                        .collect(),
                    required: raw.req,
                },
                "list" => Kind::List {
                    element: target(raw.e.expect("a list has elements")),
                    flattened: raw.flat,
                },
                "map" => Kind::Map {
                    key: target(raw.k.expect("a map has keys")),
                    value: target(raw.v.expect("a map has values")),
                    flattened: raw.flat,
                },
                "integer" | "long" => Kind::Integer,
                "double" | "float" => Kind::Double,
                "boolean" => Kind::Boolean,
                "timestamp" => Kind::Timestamp {
                    iso: raw.time.as_deref() == Some("iso8601"),
                },
                "blob" => Kind::Blob,
                _ => Kind::String,
            };
            shapes[names[&name]] = Some(Shape {
                kind,
                min: raw.min,
                max: raw.max,
                values: raw.values,
                pattern: raw.re,
                sensitive: raw.sec,
            });
        }
        let operations = self
            .operations
            .into_iter()
            .map(|(name, raw)| {
                let operation = Operation {
                    input: raw.input.map(|shape| names[&shape]),
                    output: raw.output.map(|shape| names[&shape]),
                    wrapper: raw.wrapper,
                };
                (name, operation)
            })
            .collect();
        Model {
            protocol: self.protocol,
            xmlns: self.xmlns,
            target: self.target,
            operations,
            shapes: shapes
                .into_iter()
                .map(|shape| shape.expect("every name has its shape"))
                .collect(),
            faults: self.faults,
            patterns: Mutex::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_in_the_table() {
        for service in Service::ALL {
            assert!(of(service).operations().count() > 0, "{}", service.scope());
        }
    }

    #[test]
    fn every_pattern_compiles() {
        for service in Service::ALL {
            for shape in &of(service).shapes {
                if let Some(pattern) = &shape.pattern {
                    assert!(
                        Regex::new(&format!("^(?:{pattern})$")).is_ok(),
                        "{}: {pattern}",
                        service.scope()
                    );
                }
            }
        }
    }
}
