//! JSON: values one after another, one per line or spread over lines, or one array; optionally below a JSON path.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::schema::{Column, Format, Schema, Seen};
use super::types::{Type, position};

/// Returns the schema if the text is JSON. Without a path a top-level array is one column named `array`, as the
/// built-in classifier makes it.
pub fn classify(text: &str, path: Option<&str>, whole: bool) -> Option<Seen> {
    let mut records = Records::default();
    let bytes = match path {
        None => values(text, whole, |value| {
            records.deserialize(&mut serde_json::Deserializer::from_str(value))
        })?,
        Some(path) => {
            let steps = steps(path).ok()?;
            values(text, whole, |value| {
                let value: Value = serde_json::from_str(value)?;
                select(&value, &steps, &mut |found| records.deserialize(found))
            })?
        }
    };
    if records.count == 0 {
        return None;
    }
    let columns = records.columns.into_iter().map(|(name, kind)| Column { name, kind });
    Some(Seen {
        schema: Schema {
            columns: columns.collect(),
            format: Format::Json {
                path: path.map(str::to_owned),
                paths: records.paths,
            },
        },
        records: records.count,
        bytes: bytes as u64,
        head: 0,
        all: true,
    })
}

/// Hands over whole objects and arrays and returns how many bytes they took; none if something else stands there. A
/// cut sample may end inside one; of a cut array the whole elements are kept.
fn values(text: &str, whole: bool, mut each: impl FnMut(&str) -> Result<(), serde_json::Error>) -> Option<usize> {
    let mut taken = 0;
    loop {
        let rest = text[taken..].trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        let start = text.len() - rest.len();
        match end_of(rest)? {
            End::At(end) => {
                each(&rest[..end]).ok()?;
                taken = start + end;
            }
            End::Cut(_) if whole => return None,
            End::Cut(Some(end)) if taken == 0 => {
                each(&format!("{}]", &rest[..end])).ok()?;
                taken = start + end;
                break;
            }
            End::Cut(_) => break,
        }
    }
    (taken > 0).then_some(taken)
}

enum End {
    At(usize),
    /// The text ends before the value; the whole elements of an array end here.
    Cut(Option<usize>),
}

/// Returns where the object or array ends that the text begins with. That its inside is right is not checked.
fn end_of(text: &str) -> Option<End> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut elements) = (0, 0_usize, None);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => match text_end(bytes, at + 1) {
                Some(end) => at = end,
                None => break,
            },
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth -= 1;
                match depth {
                    0 => return Some(End::At(at + 1)),
                    1 => elements = Some(at + 1),
                    _ => {}
                }
            }
            b',' if depth == 1 => elements = Some(at),
            _ => {}
        }
        at += 1;
    }
    Some(End::Cut(elements.filter(|_| bytes[0] == b'[')))
}

/// Returns where the closing quote of a text is.
fn text_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// What all records together are, taken in one by one. Bare numbers and texts are no records.
#[derive(Default)]
struct Records {
    columns: Vec<(String, Type)>,
    /// The names of the columns as the files spell them.
    paths: Vec<String>,
    count: u64,
}

impl Records {
    fn column(&mut self, name: &str, near: usize) -> &mut (String, Type) {
        let spelled = self.paths.get(near).is_some_and(|known| known == name);
        if !spelled && !self.paths.iter().any(|known| known == name) {
            self.paths.push(name.to_owned());
        }
        let at = place(&mut self.columns, name, near);
        &mut self.columns[at]
    }
}

impl<'de> DeserializeSeed<'de> for &mut Records {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Records {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut near = 0;
        while let Some(Name(name)) = map.next_key()? {
            map.next_value_seed(Into(&mut self.column(&name, near).1))?;
            near += 1;
        }
        self.count += 1;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        self.count += 1;
        Into(&mut self.column("array", 0).1).visit_seq(items)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[derive(Deserialize)]
struct Name<'n>(#[serde(borrow)] Cow<'n, str>);

/// Returns where the column of this name is; a new one is made, its name folded.
fn place(columns: &mut Vec<(String, Type)>, name: &str, near: usize) -> usize {
    if let Some(at) = position(columns, name, near) {
        return at;
    }
    let folded = name.to_lowercase();
    position(columns, &folded, near).unwrap_or_else(|| {
        columns.push((folded, Type::Unknown));
        columns.len() - 1
    })
}

/// Takes a value into a type, as if the value's own type were joined to it, but without building that first: `int` while
/// numbers fit 32 bits, `bigint` up to 64.
struct Into<'t>(&'t mut Type);

impl Into<'_> {
    fn scalar(self, kind: Type) {
        if *self.0 != kind {
            *self.0 = std::mem::replace(self.0, Type::Unknown).join(kind);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Into<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Into<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.scalar(Type::Boolean);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.scalar(if i32::try_from(number).is_ok() {
            Type::Int
        } else {
            Type::Bigint
        });
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.scalar(Type::Double);
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.scalar(Type::String);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if *self.0 == Type::Unknown {
            *self.0 = Type::Array(Box::new(Type::Unknown));
        }
        if let Type::Array(item) = self.0 {
            while items.next_element_seed(Into(item))?.is_some() {}
        } else {
            *self.0 = Type::String;
            while items.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if *self.0 == Type::Unknown {
            *self.0 = Type::Struct(Vec::new());
        }
        if let Type::Struct(fields) = self.0 {
            let mut near = 0;
            while let Some(Name(name)) = map.next_key()? {
                let at = place(fields, &name, near);
                map.next_value_seed(Into(&mut fields[at].1))?;
                near += 1;
            }
        } else {
            *self.0 = Type::String;
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        }
        Ok(())
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

fn select<E>(value: &Value, steps: &[Step], found: &mut impl FnMut(&Value) -> Result<(), E>) -> Result<(), E> {
    let Some((step, rest)) = steps.split_first() else {
        return found(value);
    };
    match (step, value) {
        (Step::Child(name), Value::Object(fields)) => {
            fields.get(name).map_or(Ok(()), |child| select(child, rest, found))
        }
        (Step::Each, Value::Array(items)) => items.iter().try_for_each(|item| select(item, rest, found)),
        (Step::Each, Value::Object(fields)) => fields.values().try_for_each(|item| select(item, rest, found)),
        (Step::Index(index), Value::Array(items)) => items.get(*index).map_or(Ok(()), |item| select(item, rest, found)),
        _ => Ok(()),
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
        let seen = classify("[{\"a\":1},{\"a\":2},{\"a\":", Some("$[*]"), false).unwrap();
        assert_eq!((seen.records, seen.schema.columns.len()), (2, 1));
        assert_eq!(classify("[{\"a\":1},{\"a\":", Some("$[*]"), true), None);
    }

    #[test]
    fn a_cut_sample_keeps_its_whole_records() {
        let seen = classify("{\"a\": \"}\"}\n{\"a\": \"\\\"{\"}\n{\"a\": \"", None, false).unwrap();
        assert_eq!((seen.records, seen.bytes), (2, 23));
        for broken in ["{\"a\": 1} 5", "{\"a\": 1},{\"a\": 1}", "{\"a\"}", "[1}", "5"] {
            assert_eq!(classify(broken, None, true), None, "{broken}");
        }
    }
}
