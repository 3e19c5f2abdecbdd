//! How values are quoted and escaped in delimited text and in JSON, and what that makes of a column: the items of its
//! field, key and delimiter included.

use super::steps::{Body, Item};
use crate::compile::{Form, Made, Segment};
use crate::definition::{Column, Csv, Style, Type};
use crate::digits::{self, NUMBER, Pattern};
use crate::kernel::Slot;

/// How a text must be written so that it reads back as itself.
pub(super) trait Escape {
    fn escape(&self, text: &str, out: &mut Vec<u8>);
}

/// The language of a file of text.
#[derive(Debug, Clone)]
pub(super) enum Dialect {
    Csv(Csv),
    Json,
}

struct CsvRules<'a>(&'a Csv);
struct JsonRules;
pub(super) struct NoRules;

impl CsvRules<'_> {
    fn needs_quotes(&self, text: &str) -> bool {
        let Csv {
            delimiter, quote, null, ..
        } = self.0;
        (!null.is_empty() && text == null)
            || text
                .bytes()
                .any(|b| b == *delimiter || b == *quote || b == b'\n' || b == b'\r')
    }

    /// Returns a text as a whole field.
    fn quoted(&self, text: &str, always: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if always || self.needs_quotes(text) {
            out.push(self.0.quote);
            self.escape(text, &mut out);
            out.push(self.0.quote);
        } else {
            out.extend_from_slice(text.as_bytes());
        }
        out
    }
}

impl Escape for CsvRules<'_> {
    /// Doubles quotes; whether to quote at all is decided for the whole field.
    fn escape(&self, text: &str, out: &mut Vec<u8>) {
        for byte in text.bytes() {
            if byte == self.0.quote {
                out.push(byte);
            }
            out.push(byte);
        }
    }
}

impl Escape for JsonRules {
    fn escape(&self, text: &str, out: &mut Vec<u8>) {
        let quoted = json(text);
        out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
    }
}

impl Escape for NoRules {
    fn escape(&self, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(text.as_bytes());
    }
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

/// One column as it is written.
pub(super) struct Field {
    pub(super) items: Vec<Item>,
    /// Bytes before and after the value: a key, a delimiter.
    pub(super) around: (usize, usize),
}

impl Dialect {
    /// Returns the field of a column; `place` is whether it is the first and the last of its row.
    pub(super) fn field(&self, column: &Column, made: &Made, (first, last): (bool, bool)) -> Field {
        match self {
            Self::Csv(csv) => {
                let end: &[u8] = match (last, csv.crlf) {
                    (false, _) => &[csv.delimiter],
                    (true, false) => b"\n",
                    (true, true) => b"\r\n",
                };
                Field {
                    items: csv_items(csv, column, made, end),
                    around: (0, end.len()),
                }
            }
            Self::Json => {
                let key = format!("{}{}:", if first { "{" } else { "" }, json(&column.name.value));
                let end: &[u8] = if last { b"}\n" } else { b"," };
                let around = (key.len(), end.len());
                let mut items = vec![Item::Literal(key.into_bytes())];
                items.extend(json_items(column, made, end));
                Field { items, around }
            }
        }
    }

    /// Returns the line that names the columns, if there is one.
    pub(super) fn header(&self, columns: &[&Column]) -> Vec<u8> {
        let Self::Csv(csv) = self else { return Vec::new() };
        if !csv.header {
            return Vec::new();
        }
        let names: Vec<&[u8]> = columns.iter().map(|column| column.name.value.as_bytes()).collect();
        let mut header = names.join(&csv.delimiter);
        header.extend_from_slice(if csv.crlf { b"\r\n" } else { b"\n" });
        header
    }

    /// Returns the text that a written value stands for.
    pub(super) fn read(&self, written: &str) -> String {
        match self {
            Self::Csv(csv) => {
                let quote = char::from(csv.quote);
                let inner = written.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
                match inner {
                    Some(inner) => inner.replace(&format!("{quote}{quote}"), &quote.to_string()),
                    None => written.to_owned(),
                }
            }
            Self::Json => serde_json::from_str(written).unwrap_or_else(|_| written.to_owned()),
        }
    }

    /// Writes another text in the place of a written value, quoted if that was.
    pub(super) fn rewrite(&self, text: &str, written: &str) -> Vec<u8> {
        match self {
            Self::Csv(csv) => CsvRules(csv).quoted(text, written.starts_with(char::from(csv.quote))),
            Self::Json if written.starts_with('"') => json(text).into_bytes(),
            Self::Json => text.as_bytes().to_vec(),
        }
    }
}

fn csv_items(csv: &Csv, column: &Column, made: &Made, end: &[u8]) -> Vec<Item> {
    let rules = CsvRules(csv);
    let null = [csv.null.as_bytes(), end].concat();
    let whole = |text: &str| [&rules.quoted(text, false)[..], end].concat();
    let (items, quotes) = match &made.form {
        Form::Pool(pool) => {
            return texts(
                made.slot,
                pool.texts.iter().map(|text| whole(text)),
                null,
                made.nullable,
            );
        }
        Form::Value(kind) => {
            if let Some((slot, values)) = made.codes.as_ref().filter(|_| plain_number(*kind, &column.style)) {
                let numbers = values.iter().map(|value| whole(&number_text(*value, *kind)));
                return texts(*slot, numbers, null, made.nullable);
            }
            if *kind == Type::Boolean {
                let (yes, no) = booleans(&column.style);
                return vec![Item::Texts(made.slot, vec![whole(&no), whole(&yes), null])];
            }
            // A decimal comma or a pattern may bring the delimiter along.
            let style = &column.style;
            let quotes = style
                .pattern
                .as_ref()
                .is_some_and(|pattern| rules.needs_quotes(pattern))
                || (style.comma && rules.needs_quotes(","));
            (vec![value(made.slot, *kind, style)], quotes)
        }
        Form::Uuid(key) => (vec![Item::Value(made.slot, Body::Uuid(*key, key.other(4)))], false),
        Form::Template(segments) => (
            pieces(segments, &rules),
            segments.iter().any(|segment| risky(segment, &rules)),
        ),
    };
    let quote = if quotes { vec![csv.quote] } else { Vec::new() };
    surrounded(made, quote.clone(), items, [&quote[..], end].concat(), null)
}

fn json_items(column: &Column, made: &Made, end: &[u8]) -> Vec<Item> {
    let null = [&b"null"[..], end].concat();
    let quoted = |text: &str| [json(text).as_bytes(), end].concat();
    let plain = |text: &str| [text.as_bytes(), end].concat();
    let (items, quotes) = match &made.form {
        Form::Pool(pool) => {
            return texts(
                made.slot,
                pool.texts.iter().map(|text| quoted(text)),
                null,
                made.nullable,
            );
        }
        Form::Value(kind) => {
            if let Some((slot, values)) = made.codes.as_ref().filter(|_| plain_number(*kind, &column.style)) {
                let numbers = values.iter().map(|value| plain(&number_text(*value, *kind)));
                return texts(*slot, numbers, null, made.nullable);
            }
            if *kind == Type::Boolean {
                let (yes, no) = match &column.style.booleans {
                    Some((yes, no)) => (quoted(yes), quoted(no)),
                    None => (plain("true"), plain("false")),
                };
                return vec![Item::Texts(made.slot, vec![no, yes, null])];
            }
            let quotes = matches!(kind, Type::Date | Type::Timestamp) || column.style.comma;
            (vec![value(made.slot, *kind, &column.style)], quotes)
        }
        Form::Uuid(key) => (vec![Item::Value(made.slot, Body::Uuid(*key, key.other(4)))], true),
        Form::Template(segments) => (pieces(segments, &JsonRules), true),
    };
    let quote = if quotes { b"\"".to_vec() } else { Vec::new() };
    surrounded(made, quote.clone(), items, [&quote[..], end].concat(), null)
}

/// Texts out of a list. One text alone, always there, is as good as written by hand.
fn texts(slot: Slot, all: impl Iterator<Item = Vec<u8>>, null: Vec<u8>, nullable: bool) -> Vec<Item> {
    let mut all: Vec<Vec<u8>> = all.collect();
    if all.len() == 1 && !nullable {
        return all.into_iter().map(Item::Literal).collect();
    }
    all.push(null);
    vec![Item::Texts(slot, all)]
}

fn surrounded(made: &Made, before: Vec<u8>, mut items: Vec<Item>, after: Vec<u8>, null: Vec<u8>) -> Vec<Item> {
    items.insert(0, Item::Literal(before));
    items.push(Item::Literal(after));
    if made.nullable {
        items = vec![Item::Unless(made.slot, null, items)];
    }
    items
}

fn risky(segment: &Segment, rules: &CsvRules) -> bool {
    match segment {
        Segment::Literal(text) => rules.needs_quotes(text),
        Segment::Pool { pool, .. } => pool.texts.iter().any(|text| rules.needs_quotes(text)),
        Segment::Value { style, .. } => {
            style
                .pattern
                .as_ref()
                .is_some_and(|pattern| rules.needs_quotes(pattern))
                || (style.comma && rules.needs_quotes(","))
        }
        Segment::Padded { .. } | Segment::Letters { .. } | Segment::Uuid { .. } => false,
    }
}

fn plain_number(kind: Type, style: &Style) -> bool {
    kind.is_number() && !style.comma
}

fn number_text(value: i64, kind: Type) -> String {
    let mut out = [0u8; NUMBER + 32];
    let end = digits::decimal(&mut out, 0, value, kind.scale(), b'.');
    String::from_utf8_lossy(&out[..end]).into_owned()
}

fn booleans(style: &Style) -> (String, String) {
    style
        .booleans
        .clone()
        .unwrap_or_else(|| ("true".to_owned(), "false".to_owned()))
}

/// Returns a bare value.
fn value(slot: Slot, kind: Type, style: &Style) -> Item {
    let pattern = style.pattern.as_deref().map(Pattern::parse);
    let body = match (kind, pattern) {
        (Type::Date, Some(pattern)) => Body::Pattern { pattern, days: true },
        (Type::Date, None) => Body::Date,
        (Type::Timestamp, Some(pattern)) => Body::Pattern { pattern, days: false },
        (Type::Timestamp, None) => Body::Timestamp,
        (Type::Decimal { scale, .. } | Type::Double { scale }, _) => Body::Decimal {
            scale,
            mark: if style.comma { b',' } else { b'.' },
        },
        (Type::Boolean, _) => {
            let (yes, no) = booleans(style);
            return Item::Texts(slot, vec![no.into_bytes(), yes.into_bytes(), Vec::new()]);
        }
        _ => Body::Integer,
    };
    Item::Value(slot, body)
}

/// Returns a column's bare text: no quotes, nothing around it.
pub(super) fn bare(made: &Made) -> Vec<Item> {
    match &made.form {
        Form::Uuid(key) => vec![Item::Value(made.slot, Body::Uuid(*key, key.other(4)))],
        Form::Template(segments) => pieces(segments, &NoRules),
        Form::Pool(pool) => {
            let all = pool.texts.iter().map(|text| text.clone().into_bytes());
            vec![Item::Texts(made.slot, all.chain([Vec::new()]).collect())]
        }
        Form::Value(kind) => vec![value(made.slot, *kind, &Style::default())],
    }
}

/// The pieces of a template; what is null is left out.
fn pieces(segments: &[Segment], rules: &impl Escape) -> Vec<Item> {
    let escaped = |text: &str| {
        let mut out = Vec::new();
        rules.escape(text, &mut out);
        out
    };
    let unless = |nullable: bool, slot: Slot, item: Item| match nullable {
        true => Item::Unless(slot, Vec::new(), vec![item]),
        false => item,
    };
    segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => Item::Literal(escaped(text)),
            Segment::Pool { slot, pool } => {
                let all = pool.texts.iter().map(|text| escaped(text));
                Item::Texts(*slot, all.chain([Vec::new()]).collect())
            }
            Segment::Value {
                slot,
                kind,
                style,
                nullable,
            } => unless(*nullable, *slot, value(*slot, *kind, style)),
            Segment::Padded { slot, width, nullable } => {
                unless(*nullable, *slot, Item::Value(*slot, Body::Padded(*width)))
            }
            Segment::Letters { slot, width } => Item::Value(*slot, Body::Letters(*width)),
            Segment::Uuid { slot, key } => Item::Value(*slot, Body::Uuid(*key, key.other(4))),
        })
        .collect()
}
