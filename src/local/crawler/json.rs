//! JSON: values one after another, one per line or spread over lines, or one array; optionally below a JSON path.

use serde_json::Value;

use super::schema::{Column, Format, Schema};
use super::types::{Type, join_columns};

/// Returns the schema if the text is JSON. Without a path a top-level array is one column named `array`, as the
/// built-in classifier makes it.
pub fn classify(text: &str, path: Option<&str>, whole: bool) -> Option<Schema> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let steps = path.map(steps).transpose().ok()?;
    let sample = values(text, whole)?;
    let mut records: Vec<&Value> = Vec::new();
    for value in &sample.values {
        match &steps {
            Some(steps) => select(value, steps, &mut records),
            None => records.push(value),
        }
    }
    let mut columns: Vec<(String, Type)> = Vec::new();
    let mut paths: Vec<String> = Vec::new();
    let mut counted = 0;
    for record in records {
        let fields = match record {
            Value::Object(fields) => {
                for name in fields.keys() {
                    if !paths.contains(name) {
                        paths.push(name.clone());
                    }
                }
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), of_value(value)))
                    .collect()
            }
            Value::Array(_) => {
                if !paths.iter().any(|name| name == "array") {
                    paths.push("array".into());
                }
                vec![("array".to_owned(), of_value(record))]
            }
            // Bare numbers and texts are no records.
            _ => continue,
        };
        columns = join_columns(columns, fields);
        counted += 1;
    }
    if counted == 0 {
        return None;
    }
    Some(Schema {
        columns: columns
            .into_iter()
            .map(|(name, kind)| Column {
                name: name.to_lowercase(),
                kind,
            })
            .collect(),
        format: Format::Json {
            path: path.map(str::to_owned),
            paths,
        },
        records: counted,
        sampled: sample.bytes as u64,
    })
}

struct Values {
    values: Vec<Value>,
    bytes: usize,
}

/// Reads whole values off the text. A cut sample may end inside one; of a cut array the whole elements are kept.
fn values(text: &str, whole: bool) -> Option<Values> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut found = Values {
        values: Vec::new(),
        bytes: 0,
    };
    loop {
        match stream.next() {
            Some(Ok(value)) => {
                found.values.push(value);
                found.bytes = stream.byte_offset();
            }
            None => break,
            Some(Err(error)) if error.is_eof() && !whole => break,
            Some(Err(_)) => return None,
        }
    }
    if found.values.is_empty() && !whole {
        let (value, bytes) = cut_array(text)?;
        return Some(Values {
            values: vec![value],
            bytes,
        });
    }
    (!found.values.is_empty()).then_some(found)
}

/// Closes the outermost array of a cut text after its last whole element.
fn cut_array(text: &str) -> Option<(Value, usize)> {
    let (mut depth, mut in_text, mut escaped, mut end) = (0_usize, false, false, None);
    for (at, byte) in text.bytes().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 1 {
                    end = Some(at + 1);
                }
            }
            b',' if depth == 1 => end = Some(at),
            _ => {}
        }
    }
    let end = end.filter(|_| text.trim_start().starts_with('['))?;
    let closed = format!("{}]", &text[..end]);
    serde_json::from_str(&closed).ok().map(|value| (value, end))
}

/// Returns the type of a JSON value: `int` while it fits 32 bits, `bigint` up to 64.
pub fn of_value(value: &Value) -> Type {
    match value {
        Value::Null => Type::Unknown,
        Value::Bool(_) => Type::Boolean,
        Value::String(_) => Type::String,
        Value::Number(number) => match number.as_i64() {
            Some(small) if i32::try_from(small).is_ok() => Type::Int,
            Some(_) => Type::Bigint,
            None => Type::Double,
        },
        Value::Array(items) => {
            let item = items.iter().map(of_value).fold(Type::Unknown, Type::join);
            Type::Array(Box::new(item))
        }
        Value::Object(fields) => Type::Struct(
            fields
                .iter()
                .map(|(name, value)| (name.to_lowercase(), of_value(value)))
                .collect(),
        ),
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Child(String),
    Each,
    Index(usize),
}

/// Reads the subset of JSON paths that classifiers have: `$`, `.name`, `['name']`, `[*]`, `.*`, `[3]`.
pub fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut rest = path.trim().strip_prefix('$').ok_or("a JSON path starts with `$`")?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("[*]").or_else(|| rest.strip_prefix(".*")) {
            steps.push(Step::Each);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            if end == 0 {
                return Err("a `.` needs a name after it".into());
            }
            steps.push(Step::Child(tail[..end].to_owned()));
            rest = &tail[end..];
        } else if let Some(tail) = rest.strip_prefix('[') {
            let end = tail.find(']').ok_or("a `[` is never closed")?;
            let inside = tail[..end].trim();
            let name = inside.trim_matches(['\'', '"']);
            steps.push(match inside.parse() {
                Ok(index) => Step::Index(index),
                Err(_) if name.len() + 2 == inside.len() => Step::Child(name.to_owned()),
                Err(_) => return Err(format!("`[{inside}]` is neither a number nor a quoted name")),
            });
            rest = &tail[end + 1..];
        } else {
            return Err(format!("`{rest}` is not understood"));
        }
    }
    Ok(steps)
}

fn select<'v>(value: &'v Value, steps: &[Step], found: &mut Vec<&'v Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    match (step, value) {
        (Step::Child(name), Value::Object(fields)) => {
            if let Some(child) = fields.get(name) {
                select(child, rest, found);
            }
        }
        (Step::Each, Value::Array(items)) => items.iter().for_each(|item| select(item, rest, found)),
        (Step::Each, Value::Object(fields)) => fields.values().for_each(|item| select(item, rest, found)),
        (Step::Index(index), Value::Array(items)) => {
            if let Some(item) = items.get(*index) {
                select(item, rest, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_refused_with_a_reason() {
        use Step::*;
        assert_eq!(steps("$").unwrap(), []);
        assert_eq!(steps("$[*]").unwrap(), [Each]);
        assert_eq!(
            steps("$.a.b[*]['c d'][2]").unwrap(),
            [
                Child("a".into()),
                Child("b".into()),
                Each,
                Child("c d".into()),
                Index(2)
            ]
        );
        for path in ["a", "$a", "$.", "$[", "$[a]"] {
            assert!(steps(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_cut_array_keeps_its_whole_elements() {
        let schema = classify("[{\"a\":1},{\"a\":2},{\"a\":", Some("$[*]"), false).unwrap();
        assert_eq!((schema.records, schema.columns.len()), (2, 1));
        assert_eq!(classify("[{\"a\":1},{\"a\":", Some("$[*]"), true), None);
    }
}
