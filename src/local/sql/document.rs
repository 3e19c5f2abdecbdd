//! Values of SUPER: JSON documents, kept as text without blanks, their attributes in the order in which they came. A null
//! is no document but SQL's null, except inside of one.

use std::borrow::Cow;

use datafusion::arrow::array::{Array, BinaryArray};

use crate::error::SqlError;

/// Bytes of a document.
pub const LIMIT: usize = 16_000_000;
/// How deep arrays and objects may stand in each other.
const DEPTH: usize = 1000;
/// Digits of an exact number. One with more is a float, as one with an exponent.
const DIGITS: usize = 38;

/// What a document is. The order is that of ORDER BY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Boolean,
    Number,
    String,
    Array,
    Object,
    Null,
}

/// Why a text is no document, and how many bytes of it are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub at: usize,
    pub reason: String,
}

/// The error of whoever made or read a document that cannot be one.
pub fn invalid(context: impl Into<String>) -> SqlError {
    SqlError::new("XX000", "Invalid input").with_detail(context)
}

pub fn too_large() -> SqlError {
    invalid("SUPER value exceeds export size.")
}

/// Returns the document in a row.
pub fn at(documents: &BinaryArray, row: usize) -> Option<&str> {
    let bytes = documents.is_valid(row).then(|| documents.value(row))?;
    Some(std::str::from_utf8(bytes).expect("documents are text"))
}

/// Returns the document that a JSON text is.
pub fn read(text: &str) -> Result<String, Invalid> {
    let mut reader = Reader::new(text, true);
    let document = reader.document()?;
    reader.blanks();
    match reader.at < text.len() {
        true => Err(reader.invalid("text follows the value")),
        false => Ok(document),
    }
}

/// Returns the document that a JSON text begins with, and how many bytes of it that is. One that is not to be `kept` may
/// have an attribute twice, and has its numbers as they are written.
pub fn read_first(text: &str, kept: bool) -> Result<(String, usize), Invalid> {
    let mut reader = Reader::new(text, kept);
    let document = reader.document()?;
    Ok((document, reader.at))
}

/// Reads JSON and writes it anew on the way.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    out: String,
    kept: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, kept: bool) -> Self {
        Self {
            text,
            at: 0,
            out: String::new(),
            kept,
        }
    }

    fn document(&mut self) -> Result<String, Invalid> {
        self.blanks();
        self.value(0)?;
        match self.out.len() > LIMIT {
            true => Err(self.invalid(format!("the value exceeds the max size of {LIMIT} bytes"))),
            false => Ok(std::mem::take(&mut self.out)),
        }
    }

    fn invalid(&self, reason: impl Into<String>) -> Invalid {
        Invalid {
            at: self.at,
            reason: reason.into(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Invalid> {
        if depth > DEPTH {
            return Err(self.invalid(format!("the nesting exceeds the max depth of {DEPTH}")));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.invalid("a value is missing at the end")),
        }
    }

    fn word(&mut self) -> Result<(), Invalid> {
        let rest = &self.text[self.at..];
        let known = ["true", "false", "null"]
            .into_iter()
            .find(|word| rest.starts_with(word));
        let word = known.ok_or_else(|| self.unexpected())?;
        self.out.push_str(word);
        self.at += word.len();
        Ok(())
    }

    fn unexpected(&self) -> Invalid {
        match self.text[self.at..].chars().next() {
            Some(c) => self.invalid(format!("unexpected character '{c}'")),
            None => self.invalid("it ends too early"),
        }
    }

    /// Takes one of two characters, which is written too.
    fn either(&mut self, first: u8, second: u8) -> Result<u8, Invalid> {
        self.blanks();
        match self.peek() {
            Some(byte) if byte == first || byte == second => {
                self.out.push(char::from(byte));
                self.at += 1;
                Ok(byte)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Invalid> {
        self.either(b'[', b'[')?;
        self.blanks();
        if self.peek() == Some(b']') {
            return self.either(b']', b']').map(drop);
        }
        loop {
            self.blanks();
            self.value(depth + 1)?;
            if self.either(b',', b']')? == b']' {
                return Ok(());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Invalid> {
        self.either(b'{', b'{')?;
        self.blanks();
        if self.peek() == Some(b'}') {
            return self.either(b'}', b'}').map(drop);
        }
        let mut names = Vec::new();
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            let start = self.out.len();
            self.string()?;
            names.push(start..self.out.len());
            self.either(b':', b':')?;
            self.blanks();
            self.value(depth + 1)?;
            if self.either(b',', b'}')? == b'}' {
                break;
            }
        }
        if !self.kept {
            return Ok(());
        }
        match repeated(names.iter().map(|name| &self.out[name.clone()])) {
            Some(name) => Err(self.invalid(format!("duplicate attribute {name}"))),
            None => Ok(()),
        }
    }

    fn string(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let (mut end, mut plain) = (start + 1, true);
        loop {
            match bytes.get(end) {
                None => {
                    self.at = end;
                    return Err(self.invalid("a string has no end"));
                }
                Some(b'"') => break,
                Some(b'\\') => (end, plain) = (end + 2, false),
                Some(0..b' ') => {
                    self.at = end;
                    return Err(self.invalid("a string has a control character"));
                }
                Some(_) => end += 1,
            }
        }
        let written = &self.text[start..=end];
        if plain {
            self.out.push_str(written);
        } else {
            let string: String = serde_json::from_str(written).map_err(|error| {
                self.at += error.column().saturating_sub(1);
                let error = error.to_string();
                self.invalid(error.split(" at line").next().unwrap_or_default())
            })?;
            write_string(&string, &mut self.out);
        }
        self.at = end + 1;
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, Invalid> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        match self.at - start {
            0 => Err(self.unexpected()),
            count => Ok(count),
        }
    }

    fn number(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let whole = self.at;
        let mut count = match self.peek() {
            Some(b'0') => {
                self.at += 1;
                1
            }
            _ => self.digits()?,
        };
        if self.peek() == Some(b'.') {
            self.at += 1;
            count += self.digits()?;
        }
        let exact = self.at;
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let written = &self.text[start..self.at];
        if !self.kept {
            self.out.push_str(written);
        } else if self.at > exact || count > DIGITS {
            let float = written.parse().ok().and_then(float);
            let float = float.ok_or_else(|| self.invalid(format!("the number {written} is out of range")))?;
            self.out.push_str(&float);
        } else {
            // There is one zero among whole numbers.
            self.out
                .push_str(if &self.text[whole..exact] == "0" { "0" } else { written });
        }
        Ok(())
    }
}

/// Returns a name that is there twice.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// Writes a string as a document.
pub fn write_string(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("strings are JSON"));
}

/// Returns a float as a document, which tells it from an exact number by its exponent: `2.22e+0`.
pub fn float(value: f64) -> Option<String> {
    let text = value.is_finite().then(|| format!("{value:e}"))?;
    let (digits, exponent) = text.split_once('e')?;
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    Some(format!("{digits}e{sign}{exponent}"))
}

pub fn kind(document: &str) -> Kind {
    match document.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::String,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}

pub fn is_float(number: &str) -> bool {
    number.contains('e')
}

/// Returns the text of a string.
pub fn string(document: &str) -> Cow<'_, str> {
    let inner = &document[1..document.len() - 1];
    match inner.contains('\\') {
        true => Cow::Owned(serde_json::from_str(document).expect("documents are JSON")),
        false => Cow::Borrowed(inner),
    }
}

/// Iterates over the items of an array.
pub fn items(array: &str) -> impl Iterator<Item = &str> {
    let mut rest = &array[1..];
    std::iter::from_fn(move || {
        let item = &rest[..end_of_value(rest)];
        rest = rest.get(item.len() + 1..).unwrap_or_default();
        (!item.is_empty()).then_some(item)
    })
}

/// Iterates over the attributes of an object: names as the strings that they are in the document, and values.
pub fn attributes(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = &object[1..];
    std::iter::from_fn(move || {
        let name = &rest[..end_of_value(rest)];
        if name.is_empty() {
            return None;
        }
        let value = &rest[name.len() + 1..];
        let value = &value[..end_of_value(value)];
        rest = rest.get(name.len() + value.len() + 2..).unwrap_or_default();
        Some((name, value))
    })
}

/// Returns the attribute of a name, the last of them, of what may be an object.
pub fn attribute<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let object = (kind(document) == Kind::Object).then_some(document)?;
    let named = attributes(object).filter(|(written, _)| string(written) == name);
    named.last().map(|(_, value)| value)
}

/// Returns an item of what may be an array. Places count from zero.
pub fn item(document: &str, place: i64) -> Option<&str> {
    let array = (kind(document) == Kind::Array).then_some(document)?;
    items(array).nth(usize::try_from(place).ok()?)
}

/// Returns where the value that a text starts with ends, zero when an array or object ends instead.
fn end_of_value(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'[' | b'{' => depth += 1,
            b',' | b':' | b']' | b'}' if depth == 0 => break,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Returns an array of documents.
pub fn array<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(item);
    }
    out.push(']');
    out
}

/// Returns an object of names, as the strings that they are in documents, and values, or a name that is there twice.
pub fn object<'a>(attributes: &[(Cow<'a, str>, Cow<'a, str>)]) -> Result<String, String> {
    if let Some(name) = repeated(attributes.iter().map(|(name, _)| name.as_ref())) {
        return Err(name.to_string());
    }
    let mut out = String::from("{");
    for (index, (name, value)) in attributes.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    Ok(out)
}

/// Returns a text that is the same for equal documents and is ordered as they are: booleans, numbers by their value,
/// strings without their last blanks, arrays item by item, objects whatever the order of their attributes.
pub fn key(document: &str) -> String {
    let mut out = String::new();
    write_key(document, &mut out);
    out
}

fn write_key(document: &str, out: &mut String) {
    let kind = kind(document);
    out.push(char::from(b'1' + kind as u8));
    match kind {
        Kind::Null => {}
        Kind::Boolean => out.push(if document == "true" { '1' } else { '0' }),
        Kind::Number => write_number_key(document, out),
        Kind::String => write_string_key(&string(document), out),
        Kind::Array => {
            items(document).for_each(|item| write_key(item, out));
            out.push('\0');
        }
        Kind::Object => {
            let mut attributes: Vec<_> = attributes(document)
                .map(|(name, value)| (string(name), value))
                .collect();
            attributes.sort_unstable();
            for (name, value) in attributes {
                out.push('1');
                write_string_key(&name, out);
                write_key(value, out);
            }
            out.push('\0');
        }
    }
}

/// Ends with two zeros, which are less than whatever else a string goes on with.
fn write_string_key(text: &str, out: &mut String) {
    for c in text.trim_end_matches(' ').chars() {
        out.push(c);
        if c == '\0' {
            out.push('\u{1}');
        }
    }
    out.push_str("\0\0");
}

/// Sign, place of the first digit, digits. Where less is more, below zero, all of them are counted from the other end.
fn write_number_key(number: &str, out: &mut String) {
    let (negative, number) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let digits = digits[leading..].trim_end_matches('0');
    if digits.is_empty() {
        return out.push('1');
    }
    let place = whole.len() as i32 - leading as i32 + exponent.parse::<i32>().unwrap_or(0);
    let text = format!("{:04}{digits}", place + 5000);
    if !negative {
        out.push('2');
        out.push_str(&text);
        return out.push('\0');
    }
    out.push('0');
    out.extend(text.bytes().map(|digit| char::from(b'0' + b'9' - digit)));
    out.push('~');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(read(text).as_deref(), Ok(expected));
    }

    #[track_caller]
    fn check_invalid(text: &str, at: usize, reason: &str) {
        assert_eq!(
            read(text),
            Err(Invalid {
                at,
                reason: reason.into()
            })
        );
    }

    #[test]
    fn a_document_has_no_blanks_and_keeps_its_order() {
        check(
            " { \"b\" : [ 1 , 2.50, \"x y\" ],\n\t\"a\":{}, \"n\": null } ",
            r#"{"b":[1,2.50,"x y"],"a":{},"n":null}"#,
        );
        check(r#""é\u00e9\/\n\u0001\ud83d\ude00""#, "\"éé/\\n\\u0001😀\"");
        check("[]", "[]");
    }

    #[test]
    fn numbers_are_exact_unless_they_have_an_exponent_or_too_many_digits() {
        check("-0", "0");
        check("-0.0", "-0.0");
        check("1.10", "1.10");
        check(
            "12345678901234567890123456789012345678",
            "12345678901234567890123456789012345678",
        );
        check("123456789012345678901234567890123456789", "1.2345678901234568e+38");
        check("1E-2", "1e-2");
        check("25e1", "2.5e+2");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        check_invalid("", 0, "a value is missing at the end");
        check_invalid(r#"{"a": 1,}"#, 8, "unexpected character '}'");
        check_invalid(r#"{"a" 1}"#, 5, "unexpected character '1'");
        check_invalid("[1, 02]", 5, "unexpected character '2'");
        check_invalid("[tru]", 1, "unexpected character 't'");
        check_invalid("[1] 2", 4, "text follows the value");
        check_invalid(r#"{"a": "b"#, 8, "a string has no end");
        check_invalid("[\"a\nb\"]", 3, "a string has a control character");
        check_invalid(r#"{"a": 1, "\u0061": 2}"#, 21, "duplicate attribute \"a\"");
        check_invalid("1e999", 5, "the number 1e999 is out of range");
        check_invalid(r#"["\x"]"#, 3, "invalid escape");
        assert!(read(&format!("{}{}", "[".repeat(1000), "]".repeat(1000))).is_ok());
        assert!(read(&format!("{}{}", "[".repeat(1002), "]".repeat(1002))).is_err());
    }

    #[test]
    fn arrays_and_objects_come_apart_and_together() {
        let text = r#"[1,"a,]\"",[2,[]],{"x":{"y":1}},null]"#;
        let parts: Vec<&str> = items(text).collect();
        assert_eq!(parts, ["1", r#""a,]\"""#, "[2,[]]", r#"{"x":{"y":1}}"#, "null"]);
        assert_eq!(array(parts), text);
        assert_eq!(items("[]").count(), 0);
        let object = r#"{"a:":[1,2],"b":"}"}"#;
        let parts: Vec<_> = attributes(object).collect();
        assert_eq!(parts, [(r#""a:""#, "[1,2]"), (r#""b""#, r#""}""#)]);
        assert_eq!(attributes("{}").count(), 0);
    }

    #[test]
    fn keys_are_ordered_as_their_documents() {
        let ordered = [
            "false",
            "true",
            "-1e+20",
            "-10.5",
            "-2.5",
            "-2",
            "-0.25",
            "0",
            "1e-7",
            "0.5",
            "1",
            "1.05",
            "1.5",
            "9",
            "10",
            "1e+20",
            r#""""#,
            r#""AWS""#,
            r#""Amazon""#,
            r#""a""#,
            r#""a\u0000""#,
            r#""ab""#,
            "[]",
            "[1]",
            "[1,2]",
            "[2]",
            r#"["a"]"#,
            "[null]",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":1,"b":0}"#,
            r#"{"a":2}"#,
            r#"{"b":0}"#,
        ];
        for pair in ordered.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{} < {}", pair[0], pair[1]);
        }
        let equal = [
            ("1", "1.00"),
            ("1", "1e+0"),
            ("0", "-0.0"),
            ("2500", "2.5e+3"),
            ("-0.1", "-1e-1"),
            (r#""a  ""#, r#""a""#),
            (r#"{"a":1,"b":[2.0]}"#, r#"{"b":[2],"a":1.0}"#),
        ];
        for (left, right) in equal {
            assert_eq!(key(left), key(right), "{left} = {right}");
        }
    }
}
