//! JSON for COPY: objects one after the other, matched by name ('auto') or by a jsonpaths file.

use serde_json::Value;

use super::blocks::Block;
use super::{Problem, Record};
use crate::catalog::Column;
use crate::error::{Result, SqlError};

/// The steps of `$['a'][0].b`.
pub type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// Reads a jsonpaths file.
pub fn paths(bytes: &[u8]) -> Result<Vec<Path>> {
    let bad = |why: &str| SqlError::new("XX000", format!("invalid JSONPaths file: {why}"));
    let value: Value = serde_json::from_slice(bytes).map_err(|error| bad(&error.to_string()))?;
    let list = value
        .get("jsonpaths")
        .and_then(Value::as_array)
        .ok_or_else(|| bad("there is no array \"jsonpaths\""))?;
    list.iter()
        .map(|path| {
            path.as_str()
                .and_then(path_of)
                .ok_or_else(|| bad(&format!("{path} is no path")))
        })
        .collect()
}

fn path_of(text: &str) -> Option<Path> {
    let mut rest = text.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            steps.push(Step::Key(after[..end].to_string()));
            rest = &after[end..];
        } else {
            let after = rest.strip_prefix('[')?;
            let end = after.find(']')?;
            let inner = after[..end].trim();
            steps.push(match inner.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Key(inner.trim_matches(['\'', '"']).to_string()),
            });
            rest = &after[end + 1..];
        }
    }
    Some(steps)
}

/// Iterates over the objects of a block.
pub fn records<'a>(
    block: &'a Block,
    columns: &'a [Column],
    option: &'a str,
    paths: Option<&'a [Path]>,
) -> impl Iterator<Item = Record> + Send + 'a {
    let bytes = &block.bytes[..];
    let mut stream = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let mut line = block.lines + 1;
    let mut seen = 0;
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken {
            return None;
        }
        let start = stream.byte_offset();
        let next = stream.next()?;
        let skipped = bytes[start.min(bytes.len())..]
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        line += bytes[seen..(start + skipped).min(bytes.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u64;
        seen = (start + skipped).min(bytes.len());
        let raw = String::from_utf8_lossy(&bytes[seen..stream.byte_offset().max(seen).min(bytes.len())]).into_owned();
        let values = match next {
            Ok(value) => values(&value, columns, option, paths),
            Err(error) => {
                broken = true;
                Err(Problem::new(1223, &format!("Invalid JSON: {error}")))
            }
        };
        Some(Record { line, raw, values })
    })
}

fn values(
    value: &Value,
    columns: &[Column],
    option: &str,
    paths: Option<&[Path]>,
) -> std::result::Result<Vec<Option<String>>, Problem> {
    if let Some(paths) = paths {
        if paths.len() != columns.len() {
            return Err(Problem::new(
                1224,
                "Number of jsonpaths and the number of columns should match",
            ));
        }
        return Ok(paths.iter().map(|path| text(follow(value, path))).collect());
    }
    let Value::Object(object) = value else {
        return Err(Problem::new(1223, "Invalid value: an object is needed"));
    };
    let ignore_case = option.contains("ignorecase");
    Ok(columns
        .iter()
        .map(|column| {
            let exact = object.get(&column.name);
            text(exact.or_else(|| {
                object
                    .iter()
                    .find(|(key, _)| ignore_case && key.to_lowercase() == column.name)
                    .map(|(_, value)| value)
            }))
        })
        .collect())
}

fn follow<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

fn text(value: Option<&Value>) -> Option<String> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_take_dots_and_brackets() {
        let expected = vec![
            Step::Key("a".into()),
            Step::Key("b c".into()),
            Step::Index(2),
            Step::Key("d".into()),
        ];
        assert_eq!(path_of("$.a['b c'][2].d"), Some(expected));
        assert_eq!(path_of("a.b"), None);
    }
}
