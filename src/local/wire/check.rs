//! Validation of an input against the model, as AWS's front ends do it before a service sees the request: required
//! members, types, lengths, ranges, patterns and enumerations. Each protocol family words its refusal differently.

use serde_json::{Map, Value};

use super::model::{Kind, Model};
use super::text;
use crate::services::{Fault, Service};

/// AWS reports no more of a value than helps to find it.
const SHOWN: usize = 200;
const MAX_DEPTH: usize = 64;

enum Violation {
    Missing {
        path: Path,
    },
    Unknown {
        path: Path,
    },
    Type {
        path: Path,
        wanted: &'static str,
    },
    Constraint {
        path: Path,
        value: String,
        rule: String,
        kind: Constraint,
    },
}

enum Constraint {
    Length,
    Range,
    Pattern,
    Enum,
}

/// Where a member is: as AWS's validators write it (`tags.1.member.key`) and the member's own name.
#[derive(Clone)]
struct Path {
    long: String,
    name: String,
}

impl Path {
    fn member(&self, name: &str) -> Path {
        let first = text::uncapitalised(name);
        let long = if self.long.is_empty() {
            first
        } else {
            format!("{}.{first}", self.long)
        };
        Path {
            long,
            name: name.to_owned(),
        }
    }

    fn element(&self, position: usize) -> Path {
        Path {
            long: format!("{}.{position}.member", self.long),
            name: self.name.clone(),
        }
    }
}

/// Returns the input with its instants as seconds and without nulls, or the refusal.
pub fn checked(service: Service, model: &Model, shape: Option<usize>, input: Value) -> Result<Value, Fault> {
    let Some(shape) = shape else {
        return Ok(Value::Object(Map::new()));
    };
    let mut checker = Checker {
        model,
        violations: Vec::new(),
    };
    let input = checker.value(
        shape,
        input,
        &Path {
            long: String::new(),
            name: String::new(),
        },
        0,
    );
    if checker.violations.is_empty() {
        Ok(input)
    } else {
        Err(fault(service, &checker.violations))
    }
}

struct Checker<'a> {
    model: &'a Model,
    violations: Vec<Violation>,
}

impl Checker<'_> {
    fn value(&mut self, index: usize, value: Value, path: &Path, depth: usize) -> Value {
        let shape = self.model.shape(index);
        if depth > MAX_DEPTH {
            return self.wrong(path, "less deeply nested");
        }
        match (&shape.kind, value) {
            (Kind::Structure { members, required }, Value::Object(mut given)) => {
                let mut kept = Map::new();
                for (name, target) in members {
                    if let Some(value) = given.shift_remove(name).filter(|value| !value.is_null()) {
                        kept.insert(
                            name.clone(),
                            self.value(target.shape, value, &path.member(name), depth + 1),
                        );
                    }
                }
                for name in required.iter().filter(|name| !kept.contains_key(*name)) {
                    self.violations.push(Violation::Missing {
                        path: path.member(name),
                    });
                }
                // `__type` is what some clients add to name the structure.
                for name in given
                    .keys()
                    .filter(|name| *name != "__type" && !kept.contains_key(*name))
                {
                    if !members.iter().any(|(member, _)| member == name) {
                        let path = Path {
                            name: name.clone(),
                            ..path.member(name)
                        };
                        self.violations.push(Violation::Unknown { path });
                    }
                }
                Value::Object(kept)
            }
            (Kind::Structure { .. }, _) => self.wrong(path, "a structure"),
            (Kind::List { element, .. }, Value::Array(values)) => {
                self.length(index, values.len(), || format!("{values:?}"), path);
                let element = element.shape;
                let values = values.into_iter().enumerate();
                Value::Array(
                    values
                        .map(|(at, value)| self.value(element, value, &path.element(at + 1), depth + 1))
                        .collect(),
                )
            }
            (Kind::List { .. }, _) => self.wrong(path, "a list"),
            (Kind::Map { key, value, .. }, Value::Object(given)) => {
                self.length(index, given.len(), || format!("{given:?}"), path);
                let mut kept = Map::new();
                for (name, content) in given {
                    self.scalar(key.shape, &name, path);
                    if !content.is_null() {
                        let content = self.value(value.shape, content, &path.member(&name), depth + 1);
                        kept.insert(name, content);
                    }
                }
                Value::Object(kept)
            }
            (Kind::Map { .. }, _) => self.wrong(path, "a map"),
            (Kind::String, Value::String(text)) => {
                self.scalar(index, &text, path);
                Value::String(text)
            }
            (Kind::String, _) => self.wrong(path, "a string"),
            (Kind::Blob, Value::String(text)) => Value::String(text),
            (Kind::Blob, _) => self.wrong(path, "a blob"),
            (Kind::Boolean, value @ Value::Bool(_)) => value,
            (Kind::Boolean, _) => self.wrong(path, "a boolean"),
            (Kind::Integer, Value::Number(number)) => {
                let whole = number.as_i64().or_else(|| {
                    number
                        .as_f64()
                        .filter(|number| number.fract() == 0.0 && number.abs() < 9e15)
                        .map(|number| number as i64)
                });
                match whole {
                    Some(whole) => {
                        self.range(index, whole as f64, &whole.to_string(), path);
                        whole.into()
                    }
                    None => self.wrong(path, "an integer"),
                }
            }
            (Kind::Integer, _) => self.wrong(path, "an integer"),
            (Kind::Double, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or(0.0);
                self.range(index, number, &number.to_string(), path);
                number.into()
            }
            (Kind::Double, Value::String(text)) if matches!(&*text, "NaN" | "Infinity" | "-Infinity") => text.into(),
            (Kind::Double, _) => self.wrong(path, "a number"),
            (Kind::Timestamp { .. }, Value::Number(number)) => number.as_f64().unwrap_or(0.0).into(),
            (Kind::Timestamp { .. }, Value::String(text)) => match text::seconds(&text) {
                Some(seconds) => seconds.into(),
                None => self.wrong(path, "a timestamp"),
            },
            (Kind::Timestamp { .. }, _) => self.wrong(path, "a timestamp"),
        }
    }

    fn wrong(&mut self, path: &Path, wanted: &'static str) -> Value {
        self.violations.push(Violation::Type {
            path: path.clone(),
            wanted,
        });
        Value::Null
    }

    fn scalar(&mut self, index: usize, text: &str, path: &Path) {
        let shape = self.model.shape(index);
        self.length(index, text.chars().count(), || text.to_owned(), path);
        if !shape.values.is_empty() && !shape.values.iter().any(|value| value == text) {
            let rule = format!("Member must satisfy enum value set: [{}]", shape.values.join(", "));
            self.constraint(index, text, rule, Constraint::Enum, path);
        }
        if !self.model.matches(index, text) {
            let pattern = shape.pattern.as_deref().unwrap_or_default();
            let rule = format!("Member must satisfy regular expression pattern: {pattern}");
            self.constraint(index, text, rule, Constraint::Pattern, path);
        }
    }

    fn length(&mut self, index: usize, length: usize, shown: impl Fn() -> String, path: &Path) {
        let shape = self.model.shape(index);
        if let Some(max) = shape.max.filter(|max| length as f64 > *max) {
            let rule = format!("Member must have length less than or equal to {max}");
            self.constraint(index, &shown(), rule, Constraint::Length, path);
        }
        if let Some(min) = shape.min.filter(|min| (length as f64) < *min) {
            let rule = format!("Member must have length greater than or equal to {min}");
            self.constraint(index, &shown(), rule, Constraint::Length, path);
        }
    }

    fn range(&mut self, index: usize, number: f64, shown: &str, path: &Path) {
        let shape = self.model.shape(index);
        if let Some(max) = shape.max.filter(|max| number > *max) {
            let rule = format!("Member must have value less than or equal to {max}");
            self.constraint(index, shown, rule, Constraint::Range, path);
        }
        if let Some(min) = shape.min.filter(|min| number < *min) {
            let rule = format!("Member must have value greater than or equal to {min}");
            self.constraint(index, shown, rule, Constraint::Range, path);
        }
    }

    fn constraint(&mut self, index: usize, value: &str, rule: String, kind: Constraint, path: &Path) {
        let value = if self.model.shape(index).sensitive {
            "***".to_owned()
        } else {
            value.chars().take(SHOWN).collect()
        };
        self.violations.push(Violation::Constraint {
            path: path.clone(),
            value,
            rule,
            kind,
        });
    }
}

fn fault(service: Service, violations: &[Violation]) -> Fault {
    for violation in violations {
        match violation {
            Violation::Unknown { path } => return unknown_parameter(service, &path.name),
            Violation::Type { path, wanted } => return wrong_type(service, &path.name, wanted),
            Violation::Missing { .. } | Violation::Constraint { .. } => {}
        }
    }
    match service {
        Service::Ec2 | Service::Redshift => query_fault(service, &violations[0]),
        Service::Iam
        | Service::Sts
        | Service::Glue
        | Service::RedshiftServerless
        | Service::RedshiftData
        | Service::SecretsManager
        | Service::Logs
        | Service::Tagging => {
            let found: Vec<String> = violations.iter().map(sentence).collect();
            let plural = if found.len() == 1 { "error" } else { "errors" };
            let message = format!("{} validation {plural} detected: {}", found.len(), found.join("; "));
            Fault::bad(validation_code(service), message)
        }
    }
}

fn sentence(violation: &Violation) -> String {
    match violation {
        Violation::Constraint { path, value, rule, .. } => {
            format!(
                "Value '{value}' at '{}' failed to satisfy constraint: {rule}",
                path.long
            )
        }
        Violation::Missing { path } | Violation::Unknown { path } | Violation::Type { path, .. } => {
            format!(
                "Value null at '{}' failed to satisfy constraint: Member must not be null",
                path.long
            )
        }
    }
}

/// EC2 and Redshift report the first problem only, by the parameter's own name.
fn query_fault(service: Service, violation: &Violation) -> Fault {
    let closing = if service == Service::Redshift { "." } else { "" };
    match violation {
        Violation::Constraint {
            path,
            value,
            rule,
            kind,
        } => {
            let message = match kind {
                Constraint::Enum | Constraint::Pattern if service == Service::Ec2 => {
                    format!(
                        "Value ({value}) for parameter {} is invalid. {rule}",
                        text::uncapitalised(&path.name)
                    )
                }
                Constraint::Range if service == Service::Ec2 => {
                    let expecting = rule.replace("Member must have value", "Expecting a value");
                    format!(
                        "Value ( {value} ) for parameter {} is invalid. {expecting}.",
                        text::uncapitalised(&path.name)
                    )
                }
                _ => format!("Value '{value}' for parameter {} is invalid. {rule}", path.name),
            };
            Fault::bad("InvalidParameterValue", message)
        }
        Violation::Missing { path } | Violation::Unknown { path } | Violation::Type { path, .. } => Fault::bad(
            "MissingParameter",
            format!("The request must contain the parameter {}{closing}", path.name),
        ),
    }
}

/// The refusal of a parameter that the operation does not have.
pub fn unknown_parameter(service: Service, name: &str) -> Fault {
    match service {
        Service::Ec2 => Fault::bad("UnknownParameter", format!("The parameter {name} is not recognized")),
        _ => Fault::bad(
            validation_code(service),
            format!("the operation has no parameter `{name}`"),
        ),
    }
}

/// The refusal of a value of the wrong type.
pub fn wrong_type(service: Service, name: &str, wanted: &str) -> Fault {
    match service {
        Service::Ec2 | Service::Redshift => Fault::bad(
            "InvalidParameterValue",
            format!("Invalid value for the parameter {name}: expected {wanted}"),
        ),
        Service::Iam | Service::Sts => Fault::bad("ValidationError", format!("{name} must be {wanted}")),
        _ => Fault::bad("SerializationException", format!("`{name}` must be {wanted}")),
    }
}

fn validation_code(service: Service) -> &'static str {
    match service {
        Service::Ec2 | Service::Redshift => "InvalidParameterValue",
        Service::Iam | Service::Sts => "ValidationError",
        Service::Logs | Service::Tagging => "InvalidParameterException",
        Service::Glue | Service::RedshiftServerless | Service::RedshiftData | Service::SecretsManager => {
            "ValidationException"
        }
    }
}
