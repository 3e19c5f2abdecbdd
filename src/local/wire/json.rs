//! Answers and errors of the JSON protocol.

use serde_json::{Map, Value};

use super::model::{Kind, Model};
use super::text;
use crate::services::Fault;

/// Returns the answer with the members that the model has, in its types; absent members stay absent.
pub fn answer(model: &Model, shape: usize, value: Value) -> Value {
    match (&model.shape(shape).kind, value) {
        (Kind::Structure { members, .. }, Value::Object(mut given)) => {
            let mut kept = Map::new();
            for (name, target) in members {
                if let Some(value) = given.shift_remove(name).filter(|value| !value.is_null()) {
                    kept.insert(name.clone(), answer(model, target.shape, value));
                }
            }
            given.retain(|_, value| !value.is_null());
            assert!(
                !cfg!(test) || given.is_empty(),
                "an answer has members that the model does not: {given:?}"
            );
            Value::Object(kept)
        }
        (Kind::Structure { .. }, _) => Value::Object(Map::new()),
        (Kind::List { element, .. }, Value::Array(values)) => {
            // A null in a list is a value of its own, such as a sparse list's gap.
            values
                .into_iter()
                .map(|value| {
                    if value.is_null() {
                        value
                    } else {
                        answer(model, element.shape, value)
                    }
                })
                .collect()
        }
        (Kind::Map { value: content, .. }, Value::Object(given)) => given
            .into_iter()
            .map(|(name, value)| (name, answer(model, content.shape, value)))
            .collect(),
        (Kind::Timestamp { iso: true }, Value::Number(seconds)) => {
            Value::String(text::instant(seconds.as_f64().unwrap_or(0.0), false))
        }
        (Kind::Timestamp { iso: false }, Value::Number(seconds)) => {
            let milliseconds = (seconds.as_f64().unwrap_or(0.0) * 1000.0).round();
            if milliseconds % 1000.0 == 0.0 {
                Value::from((milliseconds / 1000.0) as i64)
            } else {
                Value::from(milliseconds / 1000.0)
            }
        }
        (Kind::Integer, Value::Number(number)) if !number.is_i64() => {
            Value::from(number.as_f64().unwrap_or(0.0) as i64)
        }
        (Kind::String, value @ (Value::Number(_) | Value::Bool(_))) => Value::String(value.to_string()),
        (_, value) => value,
    }
}

pub fn error(fault: &Fault) -> Value {
    let mut document = Map::new();
    document.insert("__type".into(), fault.code.as_str().into());
    // Some services' models say `message`, others `Message`; clients take either.
    document.insert("message".into(), fault.message.as_str().into());
    document.insert("Message".into(), fault.message.as_str().into());
    document.extend(fault.extra.clone());
    Value::Object(document)
}
