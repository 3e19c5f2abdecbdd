//! Writes blocks of drawn values as delimited text or JSON lines. Everything that does not change from row to row
//! (keys, delimiters, quoting, pool texts) is prepared once, so that a row is a run of short fixed-size copies.

use crate::compile::{Compiled, Form, Made, Segment};
use crate::definition::{Column, Csv, Format, Style, Type};
use crate::digits::{self, Dates, NUMBER, Pattern};
use crate::draw::Key;
use crate::expr::NULL;
use crate::kernel::{BLOCK, Block, Lane, Slot};
use crate::pool::Pool;

/// Room behind the end of a row that fixed-size copies may scribble on.
const SLACK: usize = 128;

/// The most room that rows on their way out may take.
const MOST_SCRATCH: usize = 1 << 20;

/// A short text copied whole, with its length in the last byte.
type Short = [u8; 32];

/// Texts of a pool as they are written, addressed by code; the last one stands for null.
#[derive(Debug, Clone)]
enum Texts {
    W16(Vec<[u8; 16]>),
    W32(Vec<[u8; 32]>),
    W64(Vec<[u8; 64]>),
    Long(Vec<Box<[u8]>>),
}

impl Texts {
    fn of(texts: Vec<Vec<u8>>) -> Self {
        fn fixed<const N: usize>(texts: &[Vec<u8>]) -> Vec<[u8; N]> {
            texts
                .iter()
                .map(|text| {
                    let mut entry = [0u8; N];
                    entry[..text.len()].copy_from_slice(text);
                    entry[N - 1] = text.len() as u8;
                    entry
                })
                .collect()
        }
        match texts.iter().map(Vec::len).max().unwrap_or(0) {
            0..16 => Self::W16(fixed(&texts)),
            16..32 => Self::W32(fixed(&texts)),
            32..64 => Self::W64(fixed(&texts)),
            _ => Self::Long(texts.into_iter().map(Vec::into_boxed_slice).collect()),
        }
    }

    fn longest(&self) -> usize {
        match self {
            Self::W16(_) => 16,
            Self::W32(_) => 32,
            Self::W64(_) => 64,
            Self::Long(texts) => texts.iter().map(|text| text.len()).max().unwrap_or(0),
        }
    }

    #[inline(always)]
    fn put(&self, out: &mut [u8], at: usize, code: i64) -> usize {
        match self {
            Self::W16(texts) => put_fixed(out, at, pick(texts, code)),
            Self::W32(texts) => put_fixed(out, at, pick(texts, code)),
            Self::W64(texts) => put_fixed(out, at, pick(texts, code)),
            Self::Long(texts) => put(out, at, pick::<Box<[u8]>>(texts, code)),
        }
    }
}

/// Null is the most negative number, so as an unsigned one it is past the end: the last entry.
#[inline(always)]
fn pick<T>(texts: &[T], code: i64) -> &T {
    &texts[(code as usize).min(texts.len() - 1)]
}

#[inline(always)]
fn put_fixed<const N: usize>(out: &mut [u8], at: usize, text: &[u8; N]) -> usize {
    *out[at..].first_chunk_mut::<N>().expect("rows have room") = *text;
    at + usize::from(text[N - 1])
}

#[inline(always)]
fn put(out: &mut [u8], at: usize, text: &[u8]) -> usize {
    out[at..at + text.len()].copy_from_slice(text);
    at + text.len()
}

/// A constant text: short ones are one fixed copy.
#[derive(Debug, Clone)]
enum Constant {
    Empty,
    Short(Short),
    Long(Box<[u8]>),
}

impl Constant {
    fn of(text: &[u8]) -> Self {
        match text.len() {
            0 => Self::Empty,
            1..32 => {
                let mut short = [0u8; 32];
                short[..text.len()].copy_from_slice(text);
                short[31] = text.len() as u8;
                Self::Short(short)
            }
            _ => Self::Long(text.into()),
        }
    }

    fn longest(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Short(_) => 32,
            Self::Long(text) => text.len(),
        }
    }

    #[inline(always)]
    fn put(&self, out: &mut [u8], at: usize) -> usize {
        match self {
            Self::Empty => at,
            Self::Short(text) => put_fixed(out, at, text),
            Self::Long(text) => put(out, at, text),
        }
    }
}

/// One column as it is written.
#[derive(Debug, Clone)]
struct Field {
    slot: Slot,
    body: Body,
    /// Before the value: a JSON key, an opening quote.
    before: Constant,
    /// After it, in one or two bytes: delimiter, line end. `after_len` counts them.
    after: [u8; 4],
    after_len: usize,
    /// The whole field when it is null; only then is there one.
    null: Option<Constant>,
    /// Bytes before and after the bare value.
    around: (usize, usize),
}

#[derive(Debug, Clone)]
enum Body {
    /// The whole field with what surrounds it.
    Texts(Texts),
    Integer,
    Decimal {
        scale: u8,
        mark: u8,
    },
    Date,
    Timestamp,
    Pattern {
        pattern: Pattern,
        days: bool,
    },
    /// The keys of both halves.
    Uuid(Key, Key),
    Pieces(Vec<Part>),
}

#[derive(Debug, Clone)]
enum Part {
    Constant(Constant),
    Texts { slot: Slot, texts: Texts },
    Value { slot: Slot, body: Body },
    Padded { slot: Slot, width: u8 },
    Letters { slot: Slot, width: u8 },
    Uuid { slot: Slot, high: Key, low: Key },
}

/// Writes the rows of one table as text.
#[derive(Debug)]
pub(crate) struct TextWriter {
    fields: Vec<Field>,
    header: Vec<u8>,
    longest_row: usize,
    names: Vec<String>,
}

/// How a text must be written so that it reads back as itself.
trait Escape {
    fn escape(&self, text: &str, out: &mut Vec<u8>);
}

struct CsvRules<'a>(&'a Csv);
struct JsonRules;
struct NoRules;

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
        let quoted = serde_json::to_string(text).expect("a string is always JSON");
        out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
    }
}

impl Escape for NoRules {
    fn escape(&self, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Writes the bare text of one column that is put together for each row.
#[derive(Debug)]
pub(crate) struct PlainText {
    slot: Slot,
    body: Body,
}

impl PlainText {
    pub(crate) fn new(made: &Made) -> Self {
        let body = match &made.form {
            Form::Uuid(key) => Body::Uuid(*key, key.other(4)),
            Form::Template(segments) => Body::Pieces(parts(segments, &NoRules)),
            Form::Pool(pool) => {
                let texts = pool
                    .texts
                    .iter()
                    .map(|text| text.clone().into_bytes())
                    .chain([Vec::new()]);
                Body::Texts(Texts::of(texts.collect()))
            }
            Form::Value(kind) => value_body(*kind, &Style::default()),
        };
        Self { slot: made.slot, body }
    }

    /// Returns room for one text.
    pub(crate) fn scratch(&self) -> Vec<u8> {
        vec![0; self.body.longest() + SLACK]
    }

    /// Writes the text of one row and returns its length. The row must not be null.
    pub(crate) fn write(&self, block: &Block, row: usize, scratch: &mut [u8]) -> usize {
        self.body
            .put(block.lane(self.slot)[row], block, row, scratch, 0, Dates::new())
    }
}

impl TextWriter {
    pub(crate) fn new(format: &Format, columns: &[&Column], compiled: &Compiled) -> Self {
        let last = columns.len() - 1;
        let mut header = Vec::new();
        let fields: Vec<Field> = columns
            .iter()
            .zip(&compiled.columns)
            .enumerate()
            .map(|(index, (column, made))| match format {
                Format::Csv(csv) => {
                    let end: &[u8] = match (index == last, csv.crlf) {
                        (false, _) => &[csv.delimiter],
                        (true, false) => b"\n",
                        (true, true) => b"\r\n",
                    };
                    if csv.header {
                        header.extend_from_slice(column.name.value.as_bytes());
                        header.extend_from_slice(end);
                    }
                    csv_field(csv, column, made, end)
                }
                _ => json_field(column, made, index == 0, index == last),
            })
            .collect();
        let longest_row = fields.iter().map(Field::longest).sum::<usize>();
        let names = columns.iter().map(|column| column.name.value.clone()).collect();
        Self {
            fields,
            header,
            longest_row,
            names,
        }
    }

    pub(crate) fn header(&self) -> &[u8] {
        &self.header
    }

    pub(crate) fn column_name(&self, place: usize) -> &str {
        &self.names[place]
    }

    /// Returns room for a few rows; pass it to `write` again and again.
    pub(crate) fn scratch(&self) -> Vec<u8> {
        vec![0; self.stretch() * self.longest_row + SLACK]
    }

    /// Rows written at a time: a block, or fewer when they could be very long.
    fn stretch(&self) -> usize {
        (MOST_SCRATCH / self.longest_row.max(1)).clamp(1, BLOCK)
    }

    /// Writes the first `count` rows of a block by way of `scratch`.
    pub(crate) fn write(&self, block: &Block, count: usize, scratch: &mut [u8], out: &mut impl FnMut(&[u8])) {
        let dates = Dates::new();
        let fields: Vec<(&Field, &Lane)> = self
            .fields
            .iter()
            .map(|field| (field, block.lane(field.slot)))
            .collect();
        let stretch = self.stretch();
        for start in (0..count.min(BLOCK)).step_by(stretch) {
            let mut at = 0;
            for row in start..(start + stretch).min(count) {
                for (field, lane) in &fields {
                    at = field.put(lane[row], block, row, scratch, at, dates);
                }
            }
            out(&scratch[..at]);
        }
    }

    /// Writes one row, with one field's bare value replaced by what `spoil` makes of it. Returns the row's length
    /// and, if the value was replaced, what it was.
    pub(crate) fn write_spoilt(
        &self,
        block: &Block,
        row: usize,
        place: usize,
        out: &mut Vec<u8>,
        spoil: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let dates = Dates::new();
        let mut scratch = vec![0; self.longest_row + SLACK];
        let mut original = None;
        for (index, field) in self.fields.iter().enumerate() {
            let value = block.lane(field.slot)[row];
            let end = field.put(value, block, row, &mut scratch, 0, dates);
            let whole = &scratch[..end];
            let (before, after) = field.around;
            if index == place
                && value != NULL
                && let Some(bare) = whole.get(before..end.saturating_sub(after))
                && let Ok(bare) = std::str::from_utf8(bare)
                && let Some(spoilt) = spoil(bare)
            {
                out.extend_from_slice(&whole[..before]);
                out.extend_from_slice(spoilt.as_bytes());
                out.extend_from_slice(&whole[end - after..]);
                original = Some(bare.to_owned());
            } else {
                out.extend_from_slice(whole);
            }
        }
        original
    }
}

impl Field {
    fn of_texts(slot: Slot, texts: Vec<Vec<u8>>, around: (usize, usize)) -> Self {
        let body = Body::Texts(Texts::of(texts));
        Self {
            slot,
            body,
            before: Constant::Empty,
            after: [0; 4],
            after_len: 0,
            null: None,
            around,
        }
    }

    fn longest(&self) -> usize {
        let body = match &self.body {
            Body::Texts(texts) => texts.longest(),
            body => body.longest(),
        };
        self.before.longest() + body + self.after_len + self.null.as_ref().map_or(0, Constant::longest)
    }

    #[inline(always)]
    fn put(&self, value: i64, block: &Block, row: usize, out: &mut [u8], at: usize, dates: Dates) -> usize {
        if let Body::Texts(texts) = &self.body {
            return texts.put(out, at, value);
        }
        if let Some(null) = &self.null
            && value == NULL
        {
            return null.put(out, at);
        }
        let at = self.before.put(out, at);
        let at = self.body.put(value, block, row, out, at, dates);
        *out[at..].first_chunk_mut::<4>().expect("rows have room") = self.after;
        at + self.after_len
    }
}

impl Body {
    fn longest(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.longest(),
            Self::Integer | Self::Decimal { .. } => NUMBER + 8,
            Self::Date | Self::Timestamp => 40,
            Self::Pattern { .. } => 160,
            Self::Uuid(..) => 40,
            Self::Pieces(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Constant(constant) => constant.longest(),
                    Part::Texts { texts, .. } => texts.longest(),
                    Part::Value { body, .. } => body.longest(),
                    Part::Padded { .. } => NUMBER + 8,
                    Part::Letters { width, .. } => usize::from(*width),
                    Part::Uuid { .. } => 40,
                })
                .sum(),
        }
    }

    #[inline(always)]
    fn put(&self, value: i64, block: &Block, row: usize, out: &mut [u8], at: usize, dates: Dates) -> usize {
        match self {
            Self::Integer => digits::signed(out, at, value),
            Self::Decimal { scale, mark } => digits::decimal(out, at, value, *scale, *mark),
            Self::Date => dates.date(out, at, value),
            Self::Timestamp => dates.timestamp(out, at, value),
            Self::Uuid(high, low) => put_uuid(out, at, value, *high, *low),
            Self::Texts(texts) => texts.put(out, at, value),
            Self::Pattern { pattern, days } => {
                pattern.write(out, at, if *days { value.saturating_mul(86_400) } else { value })
            }
            Self::Pieces(parts) => put_parts(parts, block, row, out, at, dates),
        }
    }
}

#[inline(always)]
fn put_uuid(out: &mut [u8], at: usize, row: i64, high: Key, low: Key) -> usize {
    digits::uuid(out, at, high.draw(row as u64), low.draw(row as u64))
}

fn put_parts(parts: &[Part], block: &Block, row: usize, out: &mut [u8], mut at: usize, dates: Dates) -> usize {
    for part in parts {
        at = match part {
            Part::Constant(constant) => constant.put(out, at),
            Part::Texts { slot, texts } => texts.put(out, at, block.lane(*slot)[row]),
            Part::Value { slot, body } => match block.lane(*slot)[row] {
                NULL => at,
                value => body.put(value, block, row, out, at, dates),
            },
            Part::Padded { slot, width } => match block.lane(*slot)[row] {
                NULL => at,
                value => digits::padded(out, at, value.unsigned_abs(), *width),
            },
            Part::Letters { slot, width } => digits::letters(out, at, block.lane(*slot)[row] as u64, *width),
            Part::Uuid { slot, high, low } => put_uuid(out, at, block.lane(*slot)[row], *high, *low),
        };
    }
    at
}

fn after(end: &[u8]) -> ([u8; 4], usize) {
    let mut bytes = [0u8; 4];
    bytes[..end.len()].copy_from_slice(end);
    (bytes, end.len())
}

fn csv_field(csv: &Csv, column: &Column, made: &Made, end: &[u8]) -> Field {
    let rules = CsvRules(csv);
    let null: Vec<u8> = csv.null.bytes().chain(end.iter().copied()).collect();
    let quoted = |text: &str| {
        let mut out = Vec::new();
        let quotes = rules.needs_quotes(text);
        if quotes {
            out.push(csv.quote);
        }
        if quotes {
            rules.escape(text, &mut out)
        } else {
            out.extend_from_slice(text.as_bytes())
        }
        if quotes {
            out.push(csv.quote);
        }
        out.extend_from_slice(end);
        out
    };
    let (mut before, mut end_bytes) = (Vec::new(), end.to_vec());
    let body = match &made.form {
        Form::Pool(pool) => {
            let mut texts: Vec<Vec<u8>> = pool.texts.iter().map(|text| quoted(text)).collect();
            texts.push(null.clone());
            Body::Texts(Texts::of(texts))
        }
        Form::Value(kind) if made.codes.is_some() && plain_number(*kind, &column.style) => {
            let (slot, values) = made.codes.clone().expect("just seen");
            let mut texts: Vec<Vec<u8>> = values.iter().map(|value| quoted(&number_text(*value, *kind))).collect();
            texts.push(null.clone());
            return Field::of_texts(slot, texts, (0, end.len()));
        }
        Form::Value(Type::Boolean) => {
            let (yes, no) = booleans(&column.style);
            Body::Texts(Texts::of(vec![quoted(&no), quoted(&yes), null.clone()]))
        }
        Form::Value(kind) => {
            let body = value_body(*kind, &column.style);
            // A decimal comma or a pattern may bring the delimiter along.
            let sample = match &column.style {
                Style {
                    pattern: Some(pattern), ..
                } => pattern.clone(),
                Style { comma: true, .. } => ",".to_owned(),
                _ => String::new(),
            };
            if rules.needs_quotes(&sample) {
                before.push(csv.quote);
                end_bytes.insert(0, csv.quote);
            }
            body
        }
        Form::Uuid(key) => Body::Uuid(*key, key.other(4)),
        Form::Template(segments) => {
            if segments.iter().any(|segment| risky(segment, &rules)) {
                before.push(csv.quote);
                end_bytes.insert(0, csv.quote);
                Body::Pieces(parts(segments, &rules))
            } else {
                Body::Pieces(parts(segments, &rules))
            }
        }
    };
    let (after, after_len) = after(&end_bytes);
    let null = made.nullable.then(|| Constant::of(&null));
    let around = (before.len(), end_bytes.len());
    Field {
        slot: made.slot,
        body,
        before: Constant::of(&before),
        after,
        after_len,
        null,
        around,
    }
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

fn json_field(column: &Column, made: &Made, first: bool, last: bool) -> Field {
    let mut before = Vec::from(if first { "{" } else { "" });
    before.extend_from_slice(
        serde_json::to_string(&column.name.value)
            .expect("a string is always JSON")
            .as_bytes(),
    );
    before.push(b':');
    let end: &[u8] = if last { b"}\n" } else { b"," };
    let null: Vec<u8> = [&before, &b"null"[..], end].concat();
    let quoted = |text: &str| {
        let mut out = before.clone();
        out.push(b'"');
        JsonRules.escape(text, &mut out);
        out.push(b'"');
        out.extend_from_slice(end);
        out
    };
    let plain = |text: &str| [&before, text.as_bytes(), end].concat();
    let mut end_bytes = end.to_vec();
    let mut quotes = false;
    let mut baked_quotes = 0;
    let body = match &made.form {
        Form::Pool(pool) => {
            let mut texts: Vec<Vec<u8>> = pool.texts.iter().map(|text| quoted(text)).collect();
            texts.push(null.clone());
            baked_quotes = 1;
            Body::Texts(Texts::of(texts))
        }
        Form::Value(kind) if made.codes.is_some() && plain_number(*kind, &column.style) => {
            let (slot, values) = made.codes.clone().expect("just seen");
            let mut texts: Vec<Vec<u8>> = values.iter().map(|value| plain(&number_text(*value, *kind))).collect();
            texts.push(null.clone());
            return Field::of_texts(slot, texts, (before.len(), end.len()));
        }
        Form::Value(Type::Boolean) => {
            let texts = match &column.style.booleans {
                Some((yes, no)) => vec![quoted(no), quoted(yes), null.clone()],
                None => vec![plain("false"), plain("true"), null.clone()],
            };
            Body::Texts(Texts::of(texts))
        }
        Form::Value(kind) => {
            quotes = matches!(kind, Type::Date | Type::Timestamp) || column.style.comma;
            value_body(*kind, &column.style)
        }
        Form::Uuid(key) => {
            quotes = true;
            Body::Uuid(*key, key.other(4))
        }
        Form::Template(segments) => {
            quotes = true;
            Body::Pieces(parts(segments, &JsonRules))
        }
    };
    if quotes {
        before.push(b'"');
        end_bytes.insert(0, b'"');
    }
    let (after, after_len) = after(&end_bytes);
    let null = made.nullable.then(|| Constant::of(&null));
    let around = (before.len() + baked_quotes, end_bytes.len() + baked_quotes);
    Field {
        slot: made.slot,
        body,
        before: Constant::of(&before),
        after,
        after_len,
        null,
        around,
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

fn value_body(kind: Type, style: &Style) -> Body {
    let pattern = style.pattern.as_deref().map(Pattern::parse);
    match (kind, pattern) {
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
            Body::Texts(Texts::of(vec![no.into_bytes(), yes.into_bytes(), Vec::new()]))
        }
        _ => Body::Integer,
    }
}

fn parts(segments: &[Segment], rules: &impl Escape) -> Vec<Part> {
    let escaped = |text: &str| {
        let mut out = Vec::new();
        rules.escape(text, &mut out);
        out
    };
    let pool_texts = |pool: &Pool| {
        let mut texts: Vec<Vec<u8>> = pool.texts.iter().map(|text| escaped(text)).collect();
        texts.push(Vec::new());
        texts
    };
    // Literals join the texts of a pool beside them, so that both are one copy.
    let mut parts = Vec::new();
    let mut literal: Vec<u8> = Vec::new();
    let mut open: Option<(Slot, Vec<Vec<u8>>)> = None;
    for segment in segments {
        if let Segment::Literal(text) = segment {
            match &mut open {
                Some((_, texts)) => texts.iter_mut().for_each(|entry| entry.extend(escaped(text))),
                None => literal.extend(escaped(text)),
            }
            continue;
        }
        if let Some((slot, texts)) = open.take() {
            parts.push(Part::Texts {
                slot,
                texts: Texts::of(texts),
            });
        }
        if let Segment::Pool { slot, pool } = segment {
            let mut texts = pool_texts(pool);
            texts.iter_mut().for_each(|entry| {
                entry.splice(0..0, literal.iter().copied());
            });
            literal.clear();
            open = Some((*slot, texts));
            continue;
        }
        if !literal.is_empty() {
            parts.push(Part::Constant(Constant::of(&std::mem::take(&mut literal))));
        }
        parts.push(match segment {
            Segment::Value { slot, kind, style } => Part::Value {
                slot: *slot,
                body: value_body(*kind, style),
            },
            Segment::Padded { slot, width } => Part::Padded {
                slot: *slot,
                width: *width,
            },
            Segment::Letters { slot, width } => Part::Letters {
                slot: *slot,
                width: *width,
            },
            Segment::Uuid { slot, key } => Part::Uuid {
                slot: *slot,
                high: *key,
                low: key.other(4),
            },
            Segment::Literal(_) | Segment::Pool { .. } => unreachable!("handled above"),
        });
    }
    if let Some((slot, texts)) = open {
        parts.push(Part::Texts {
            slot,
            texts: Texts::of(texts),
        });
    }
    if !literal.is_empty() {
        parts.push(Part::Constant(Constant::of(&literal)));
    }
    parts
}
