//! The binary protocol that newer clients use for some services: one CBOR map instead of one JSON object. Only what
//! the models need: integers, floats, text, bytes (base64 in our values), arrays, maps and instants (tag 1).

use base64::Engine as _;
use serde_json::{Map, Number, Value};

use super::model::{Kind, Model};

const MAX_DEPTH: usize = 64;
const EPOCH_SECONDS: u64 = 1;

/// Reads one value; none when the bytes are not CBOR.
pub fn read(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { bytes };
    let value = reader.value(0)?;
    reader.bytes.is_empty().then_some(value)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    /// Returns the major type, the small field and its number; none as number means "until the break".
    fn head(&mut self) -> Option<(u8, u8, Option<u64>)> {
        let first = self.take(1)?[0];
        let (major, small) = (first >> 5, first & 0x1f);
        let number = match small {
            0..=23 => Some(u64::from(small)),
            24..=27 => {
                let bytes = self.take(1 << (small - 24))?;
                Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            }
            31 => None,
            _ => return None,
        };
        Some((major, small, number))
    }

    fn at_break(&mut self) -> bool {
        let there = self.bytes.first() == Some(&0xff);
        if there {
            self.bytes = &self.bytes[1..];
        }
        there
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (major, small, number) = self.head()?;
        match major {
            0 => Some(number?.into()),
            1 => Some((-1 - i64::try_from(number?).ok()?).into()),
            2 => Some(
                base64::engine::general_purpose::STANDARD
                    .encode(self.string(2, number)?)
                    .into(),
            ),
            3 => Some(String::from_utf8(self.string(3, number)?).ok()?.into()),
            4 => {
                let mut values = Vec::new();
                while number.map_or_else(|| !self.at_break(), |count| (values.len() as u64) < count) {
                    values.push(self.value(depth + 1)?);
                }
                Some(values.into())
            }
            5 => {
                let mut entries = Map::new();
                let mut read = 0;
                while number.map_or_else(|| !self.at_break(), |count| read < count) {
                    let Value::String(name) = self.value(depth + 1)? else {
                        return None;
                    };
                    entries.insert(name, self.value(depth + 1)?);
                    read += 1;
                }
                Some(entries.into())
            }
            6 => self.value(depth + 1),
            _ => match (small, number?) {
                (20, _) => Some(false.into()),
                (21, _) => Some(true.into()),
                (22 | 23, _) => Some(Value::Null),
                (25, bits) => float(half(bits as u16)),
                (26, bits) => float(f64::from(f32::from_bits(bits as u32))),
                (27, bits) => float(f64::from_bits(bits)),
                _ => None,
            },
        }
    }

    fn string(&mut self, major: u8, length: Option<u64>) -> Option<Vec<u8>> {
        let Some(length) = length else {
            let mut whole = Vec::new();
            while !self.at_break() {
                let (part, _, length) = self.head()?;
                whole.extend_from_slice(self.take(usize::try_from(length.filter(|_| part == major)?).ok()?)?);
            }
            return Some(whole);
        };
        Some(self.take(usize::try_from(length).ok()?)?.to_vec())
    }
}

fn float(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}

fn half(bits: u16) -> f64 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    if sign == 1 { -size } else { size }
}

/// Appends a value by its shape, or by its own type where there is none (errors).
pub fn write(model: &Model, shape: Option<usize>, value: &Value, out: &mut Vec<u8>) {
    let kind = shape.map(|shape| &model.shape(shape).kind);
    match (kind, value) {
        (Some(Kind::Timestamp { .. }), Value::Number(seconds)) => {
            head(6, EPOCH_SECONDS, out);
            out.push(0xfb);
            out.extend(seconds.as_f64().unwrap_or(0.0).to_be_bytes());
        }
        (Some(Kind::Blob), Value::String(text)) => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap_or_default();
            head(2, bytes.len() as u64, out);
            out.extend(bytes);
        }
        (kind, Value::Object(entries)) => {
            let present = || entries.iter().filter(|(_, value)| !value.is_null());
            head(5, present().count() as u64, out);
            for (name, value) in present() {
                text(name, out);
                let shape = match kind {
                    Some(Kind::Structure { members, .. }) => members
                        .iter()
                        .find(|(member, _)| member == name)
                        .map(|(_, target)| target.shape),
                    Some(Kind::Map { value, .. }) => Some(value.shape),
                    _ => None,
                };
                write(model, shape, value, out);
            }
        }
        (kind, Value::Array(values)) => {
            head(4, values.len() as u64, out);
            let shape = match kind {
                Some(Kind::List { element, .. }) => Some(element.shape),
                _ => None,
            };
            for value in values {
                write(model, shape, value, out);
            }
        }
        (_, Value::String(content)) => text(content, out),
        (_, Value::Bool(flag)) => out.push(if *flag { 0xf5 } else { 0xf4 }),
        (_, Value::Null) => out.push(0xf6),
        (_, Value::Number(number)) => match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => head(0, positive, out),
            (_, Some(negative)) => head(1, negative.unsigned_abs() - 1, out),
            _ => {
                out.push(0xfb);
                out.extend(number.as_f64().unwrap_or(0.0).to_be_bytes());
            }
        },
    }
}

fn text(content: &str, out: &mut Vec<u8>) {
    head(3, content.len() as u64, out);
    out.extend(content.as_bytes());
}

fn head(major: u8, number: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match number {
        0..=23 => out.push(major | number as u8),
        24..=0xff => out.extend([major | 24, number as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((number as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(number.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::services::Service;

    fn written(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        write(super::super::model::of(Service::Tagging), None, value, &mut out);
        out
    }

    #[test]
    fn what_is_written_can_be_read() {
        let value = json!({"a": [1, -7, 70000, 5_000_000_000_u64, 1.5, true, null], "b": {"c": "text"}});
        assert_eq!(read(&written(&json!({"a": value["a"], "b": value["b"]}))), Some(value));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }
    }
}
