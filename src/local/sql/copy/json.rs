//! JSON for COPY: objects and arrays one after the other, whole, or taken apart by name or by the paths of a file.

use std::borrow::Cow;
use std::collections::HashMap;

use super::blocks::Block;
use super::fields::replaced;
use super::{Problem, Record};
use crate::catalog::Column;
use crate::document::{self, Invalid, Kind};
use crate::error::{Result, SqlError};
use crate::types::SqlType;
use crate::utility::{Copy, Shred};

/// The steps of `$['a'][0].b`.
pub type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// Reads a jsonpaths file.
pub fn paths(bytes: &[u8]) -> Result<Vec<Path>> {
    use serde_json::Value;
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

/// Stands for bytes that are no text; no text has it.
const NO_TEXT: char = '\u{ffff}';

/// Iterates over the objects and arrays of a block. Whatever stands between them is a record that is none.
pub fn records<'a>(
    block: &'a Block,
    copy: &'a Copy,
    shred: &'a Shred,
    columns: &'a [Column],
    paths: Option<&'a [Path]>,
) -> impl Iterator<Item = Record> + Send + 'a {
    let text: Cow<str> = match std::str::from_utf8(&block.bytes) {
        Ok(text) => text.into(),
        Err(_) => replaced(&block.bytes, copy.accept_invalid_chars.unwrap_or(NO_TEXT)).into(),
    };
    let kept = columns.iter().any(|column| column.sql_type == SqlType::Super);
    let (mut at, mut line) = (0, block.lines + 1);
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let blanks = rest.len() - rest.trim_start().len();
        line += lines(&rest[..blanks]);
        let rest = rest[blanks..].trim_end();
        if rest.is_empty() {
            return None;
        }
        let first = line;
        let (length, values) = match rest.starts_with(['{', '[']) {
            true => match document::read_first(rest, kept) {
                Ok((document, length)) => (length, Ok(document)),
                Err(invalid) => (length_of_broken(rest, invalid.at), Err(invalid)),
            },
            false => {
                let length = rest.find(['{', '[', '\n']).unwrap_or(rest.len());
                (length, Err(no_structure()))
            }
        };
        let (raw, start) = (&rest[..length], at + blanks);
        at = start + length;
        line += lines(raw);
        Some(match values {
            _ if raw.contains(NO_TEXT) => Record {
                line: first,
                raw: raw.to_string(),
                values: Err(Problem::new(
                    1220,
                    "String contains invalid or unsupported UTF8 codepoints",
                )),
            },
            Ok(document) => Record {
                line: first,
                raw: raw.to_string(),
                values: values_of(&document, shred, columns, paths),
            },
            Err(invalid) => Record {
                line: first + lines(&rest[..invalid.at]),
                raw: raw.to_string(),
                values: Err(problem(&text[..start + invalid.at], &invalid, shred)),
            },
        })
    })
}

fn lines(text: &str) -> u64 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64
}

fn no_structure() -> Invalid {
    Invalid {
        at: 0,
        reason: "an object or an array is needed".into(),
    }
}

/// What stl_load_errors says of a text that is right up to here.
fn problem(right: &str, invalid: &Invalid, shred: &Shred) -> Problem {
    let line = right.rsplit('\n').next().unwrap_or_default();
    Problem {
        column: (*shred == Shred::Whole).then_some(0),
        position: line.chars().count() as i64,
        ..Problem::new(1223, &format!("Invalid JSON: {}", invalid.reason))
    }
}

/// Returns how much of a text its first object or array takes, with what is wrong in it: to its last brace, or if it has
/// none, to the end of the line that is wrong. That line is the next record's when it is wrong from its beginning.
fn length_of_broken(text: &str, wrong: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut string, mut at) = (0, false, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            // No string goes on behind its line.
            b'\n' => string = false,
            b'\\' if string => at += 1,
            b'"' => string = !string,
            b'{' | b'[' if !string => depth += 1,
            b'}' | b']' if !string => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    let start = text[..wrong].rfind('\n').map_or(0, |newline| newline + 1);
    match start > 0 && text[start..wrong].trim().is_empty() {
        true => start,
        false => text[wrong..].find('\n').map_or(text.len(), |newline| wrong + newline),
    }
}

type Values = std::result::Result<Vec<Option<String>>, Problem>;

fn values_of(document: &str, shred: &Shred, columns: &[Column], paths: Option<&[Path]>) -> Values {
    let value = |column: &Column, found: Option<&str>| {
        let found = found.filter(|found| document::kind(found) != Kind::Null)?;
        Some(match document::kind(found) {
            Kind::String if column.sql_type != SqlType::Super => document::string(found).into_owned(),
            _ => found.to_string(),
        })
    };
    match (shred, paths) {
        (Shred::Whole, _) => Ok(vec![Some(document.to_string())]),
        (Shred::Paths(_), Some(paths)) if paths.len() == columns.len() => {
            let found = columns.iter().zip(paths);
            Ok(found
                .map(|(column, path)| value(column, follow(document, path)))
                .collect())
        }
        (Shred::Paths(_), _) => Err(Problem::new(
            1224,
            "Number of jsonpaths and the number of columns should match",
        )),
        (Shred::Auto { .. }, _) if document::kind(document) != Kind::Object => {
            Err(Problem::new(1223, "Invalid value: an object is needed"))
        }
        (Shred::Auto { ignore_case }, _) => {
            let attributes = || document::attributes(document).map(|(name, value)| (document::string(name), value));
            let exact: HashMap<Cow<str>, &str> = attributes().collect();
            let mut lower = HashMap::new();
            if *ignore_case {
                attributes().for_each(|(name, value)| {
                    lower.entry(name.to_lowercase()).or_insert(value);
                });
            }
            let find = |name: &str| exact.get(name).or_else(|| lower.get(name)).copied();
            Ok(columns.iter().map(|column| value(column, find(&column.name))).collect())
        }
    }
}

fn follow<'a>(document: &'a str, path: &Path) -> Option<&'a str> {
    path.iter().try_fold(document, |document, step| match step {
        Step::Key(key) => document::attribute(document, key),
        Step::Index(index) => document::item(document, *index as i64),
    })
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

    /// What is wrong is marked by `!`.
    #[track_caller]
    fn check_broken(text: &str, length: usize) {
        let wrong = text.find('!').unwrap();
        assert_eq!(length_of_broken(text, wrong), length, "{text}");
    }

    #[test]
    fn a_broken_record_ends_with_its_braces_or_with_its_line() {
        check_broken("{\"a\": !1}\n{}", 9);
        check_broken("{\"a\": [!\n{\"b\": \"}\"}\n]}\n{}", 22);
        check_broken("{\"a\": \"x!}\n{\"b\": 1}", 10);
        check_broken("{\"a\": 1\n!{\"b\": 2}", 8);
        check_broken("{\"a\": [!, 1\n{\"b\": 2}", 11);
        check_broken("{\"a\": !", 7);
    }
}
