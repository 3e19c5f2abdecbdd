//! One JSON object per line to columns of text. Keys match column names without regard to case.

use datafusion::arrow::array::{StringArray, StringBuilder};
use serde_json::Value;

use super::delimited::lines;
use crate::error::{Result, SqlError};

pub fn parse(
    block: &[u8],
    columns: &[String],
    wanted: &[usize],
    batch_size: usize,
) -> Result<Vec<(Vec<StringArray>, usize)>> {
    let mut batches = Vec::new();
    let mut builders: Vec<StringBuilder> = wanted.iter().map(|_| StringBuilder::new()).collect();
    let mut rows = 0;
    for line in lines(block) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let value: Value = serde_json::from_slice(line).map_err(|error| {
            SqlError::new("XX000", "Spectrum Scan Error: Invalid JSON").with_hint(error.to_string())
        })?;
        for (builder, column) in builders.iter_mut().zip(wanted) {
            match find(&value, &columns[*column]) {
                None | Some(Value::Null) => builder.append_null(),
                Some(Value::String(text)) => builder.append_value(text),
                Some(other) => builder.append_value(other.to_string()),
            }
        }
        rows += 1;
        if rows == batch_size {
            batches.push((builders.iter_mut().map(StringBuilder::finish).collect(), rows));
            rows = 0;
        }
    }
    if rows > 0 {
        batches.push((builders.iter_mut().map(StringBuilder::finish).collect(), rows));
    }
    Ok(batches)
}

fn find<'a>(value: &'a Value, column: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(column).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.to_lowercase() == column)
            .map(|(_, value)| value)
    })
}
