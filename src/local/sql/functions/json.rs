//! JSON kept in text.

use serde_json::Value;

use super::{Call, Function, at, function, number_at, returns};
use crate::error::{Result, SqlError};
use datafusion::arrow::array::ArrayRef;

pub const FUNCTIONS: &[Function] = &[
    function("json_extract_path_text", (2, 8), returns::text, extract_path),
    function(
        "json_extract_array_element_text",
        (2, 3),
        returns::text,
        extract_element,
    ),
    function("json_array_length", (1, 2), returns::int4, array_length),
    function("is_valid_json", (1, 1), returns::bool, |call| {
        valid(call, |value| value.is_object())
    }),
    function("is_valid_json_array", (1, 1), returns::bool, |call| {
        valid(call, Value::is_array)
    }),
];

fn parse(text: &str, null_if_invalid: bool) -> Result<Option<Value>> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(Some(value)),
        Err(_) if null_if_invalid => Ok(None),
        Err(_) => Err(SqlError::new("22023", "JSON parsing error").with_detail(format!("invalid JSON object {text}"))),
    }
}

/// A trailing boolean argument says whether bad JSON is null.
fn null_if_invalid(call: &Call) -> Result<(bool, usize)> {
    let last = call.len() - 1;
    if call.args[last].data_type() == &datafusion::arrow::datatypes::DataType::Boolean {
        let flags = call.bool(last)?;
        return Ok((flags.iter().next().flatten().unwrap_or(false), last));
    }
    Ok((false, call.len()))
}

fn extract_path(call: &Call) -> Result<ArrayRef> {
    let (lenient, end) = null_if_invalid(call)?;
    let texts = call.text(0)?;
    let steps = (1..end).map(|index| call.text(index)).collect::<Result<Vec<_>>>()?;
    call.texts(|row| {
        let Some(text) = at(&texts, row) else { return Ok(None) };
        let Some(mut value) = parse(text, lenient)? else {
            return Ok(None);
        };
        for step in &steps {
            let Some(step) = at(step, row) else { return Ok(None) };
            let next = match &mut value {
                Value::Object(object) => object.remove(step),
                Value::Array(items) => step
                    .parse::<usize>()
                    .ok()
                    .filter(|index| *index < items.len())
                    .map(|index| items.swap_remove(index)),
                _ => None,
            };
            match next {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(as_text(&value))
    })
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn extract_element(call: &Call) -> Result<ArrayRef> {
    let (lenient, _) = null_if_invalid(call)?;
    let (texts, positions) = (call.text(0)?, call.int(1)?);
    call.texts(|row| {
        let (Some(text), Some(position)) = (at(&texts, row), number_at(&positions, row)) else {
            return Ok(None);
        };
        let Some(value) = parse(text, lenient)? else {
            return Ok(None);
        };
        let element = value
            .as_array()
            .and_then(|items| items.get(usize::try_from(position).ok()?));
        Ok(element.and_then(as_text))
    })
}

fn array_length(call: &Call) -> Result<ArrayRef> {
    let (lenient, _) = null_if_invalid(call)?;
    let texts = call.text(0)?;
    call.ints(|row| {
        let Some(text) = at(&texts, row) else { return Ok(None) };
        match parse(text, lenient)? {
            Some(Value::Array(items)) => Ok(Some(items.len() as i64)),
            Some(_) if !lenient => {
                Err(SqlError::new("22023", "JSON parsing error").with_detail(format!("invalid JSON array {text}")))
            }
            _ => Ok(None),
        }
    })
}

fn valid(call: &Call, shape: fn(&Value) -> bool) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.bools(|row| Ok(at(&texts, row).map(|text| serde_json::from_str(text).is_ok_and(|value| shape(&value)))))
}
