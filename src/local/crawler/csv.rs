//! Delimited text: reading sampled rows, telling a header from data, and the schema of the columns.

use std::borrow::Cow;

use super::schema::{Column, Format, Schema, Seen, SerDe};
use super::types::{Type, of_text};

/// The delimiters that the built-in classifier tries.
pub const DELIMITERS: [char; 5] = [',', '|', '\t', ';', '\u{1}'];
/// A header cell is shorter than this, except the last.
const HEADER_CELL: usize = 150;
/// Of the rows, at least this share must have the usual number of fields.
const REGULAR: f64 = 0.9;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    Unknown,
    Present,
    Absent,
}

/// A custom classifier's settings, or those of the built-in one.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub delimiter: Option<char>,
    pub quote: Option<char>,
    pub header: Header,
    /// Names given for the columns.
    pub names: Vec<String>,
    pub trim: bool,
    pub single_column: bool,
    /// Types given for the columns, by the classifier's own names.
    pub datatypes: Vec<String>,
    pub serde: SerDeChoice,
    pub built_in: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerDeChoice {
    Detect,
    OpenCsv,
    LazySimple,
}

impl Settings {
    pub fn built_in() -> Self {
        Self {
            delimiter: None,
            quote: Some('"'),
            header: Header::Unknown,
            names: Vec::new(),
            trim: true,
            single_column: false,
            datatypes: Vec::new(),
            serde: SerDeChoice::LazySimple,
            built_in: true,
        }
    }
}

/// Sampled rows.
#[derive(Debug, Default)]
pub struct Rows<'t> {
    pub rows: Vec<Vec<Cow<'t, str>>>,
    /// Bytes that the rows took.
    pub bytes: usize,
    /// Bytes of the first row.
    pub first: usize,
    /// There was nothing more to read.
    pub all: bool,
    /// A field stood in quotes.
    pub quoted: bool,
}

/// Reads the rows of a sample, at most `limit`. When the sample is not the whole file, its last row may be cut and is
/// left out.
pub fn read(text: &str, delimiter: char, quote: Option<char>, whole: bool, limit: usize) -> Rows<'_> {
    let rows = scan(text, delimiter, quote, whole, limit);
    // A quote that is never closed is no quote: read again without.
    match rows {
        Some(rows) => rows,
        None => scan(text, delimiter, None, whole, limit).unwrap_or_default(),
    }
}

fn scan(text: &str, delimiter: char, quote: Option<char>, whole: bool, limit: usize) -> Option<Rows<'_>> {
    let mut found = Rows::default();
    let mut at = 0;
    while at < text.len() && found.rows.len() < limit {
        let rest = &text[at..];
        let line = line_end(rest);
        let (row, used) = match quote {
            // A line without quotes is cut at its delimiters, which is most of all lines.
            Some(quote) if rest[..line.unwrap_or(rest.len())].contains(quote) => {
                match quoted_row(rest, delimiter, quote) {
                    Some(Quoted {
                        row,
                        used,
                        ended,
                        quoted,
                    }) => {
                        if !ended && !whole {
                            break;
                        }
                        found.quoted |= quoted;
                        (row, used)
                    }
                    // Cut inside a quoted field of a longer file is no mistake.
                    None if !whole && !found.rows.is_empty() => break,
                    None => return None,
                }
            }
            _ => {
                if line.is_none() && !whole {
                    break;
                }
                let content = &rest[..line.unwrap_or(rest.len())];
                let used = content.len() + end_len(&rest[content.len()..]);
                if content.is_empty() {
                    // An empty line is no record.
                    (Vec::new(), used)
                } else {
                    (content.split(delimiter).map(Cow::Borrowed).collect(), used)
                }
            }
        };
        at += used;
        if !row.is_empty() {
            found.rows.push(row);
        }
        found.bytes = at;
        if found.rows.len() == 1 {
            found.first = at;
        }
    }
    found.all = found.bytes == text.len();
    Some(found)
}

/// Returns where the first line ends, before its CR, LF or CRLF.
fn line_end(text: &str) -> Option<usize> {
    let feed = text.find('\n');
    match text[..feed.unwrap_or(text.len())].find('\r') {
        Some(at) => Some(at),
        None => feed,
    }
}

/// Returns the length of the line end that the text begins with.
fn end_len(text: &str) -> usize {
    match text.as_bytes() {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

struct Quoted<'t> {
    row: Vec<Cow<'t, str>>,
    used: usize,
    /// The row ended with a line end.
    ended: bool,
    quoted: bool,
}

/// Reads one row with quoted fields, over as many lines as it takes; none when a quote is never closed.
fn quoted_row(text: &str, delimiter: char, quote: char) -> Option<Quoted<'_>> {
    let mut row = Vec::new();
    let mut at = 0;
    let mut any = false;
    loop {
        let rest = &text[at..];
        let mut field;
        if let Some(inside) = rest.strip_prefix(quote) {
            any = true;
            at += quote.len_utf8();
            let mut inside = inside;
            field = Cow::Borrowed("");
            loop {
                let end = inside.find(quote)?;
                field += &inside[..end];
                inside = &inside[end + quote.len_utf8()..];
                at += end + quote.len_utf8();
                let Some(after) = inside.strip_prefix(quote) else { break };
                field.to_mut().push(quote);
                inside = after;
                at += quote.len_utf8();
            }
            // What stands between the closing quote and the delimiter belongs to the field.
            let tail = &text[at..];
            let end = tail.find([delimiter, '\r', '\n']).unwrap_or(tail.len());
            field += &tail[..end];
            at += end;
        } else {
            let end = rest.find([delimiter, '\r', '\n']).unwrap_or(rest.len());
            field = Cow::Borrowed(&rest[..end]);
            at += end;
        }
        row.push(field);
        let rest = &text[at..];
        if let Some(next) = rest.strip_prefix(delimiter) {
            at = text.len() - next.len();
            continue;
        }
        let end = end_len(rest);
        return Some(Quoted {
            row,
            used: at + end,
            ended: end > 0,
            quoted: any,
        });
    }
}

/// Returns the schema if these settings recognise the text, from at most `limit` of its rows.
pub fn classify(text: &str, settings: &Settings, whole: bool, limit: usize) -> Option<Seen> {
    let tried: Vec<char> = match settings.delimiter {
        Some(delimiter) => vec![delimiter],
        None => DELIMITERS.to_vec(),
    };
    let mut best: Option<(usize, Rows, char)> = None;
    let first_line = text.lines().find(|line| !line.is_empty()).unwrap_or_default();
    let first_line = &first_line[..line_end(first_line).unwrap_or(first_line.len())];
    for delimiter in tried {
        if settings.built_in && !first_line.contains(delimiter) {
            continue;
        }
        let rows = read(text, delimiter, settings.quote, whole, limit);
        let Some(width) = width(&rows.rows) else { continue };
        let enough = width >= 2 || (settings.single_column && settings.delimiter.is_some());
        if !enough || (settings.built_in && rows.rows.len() < 2) {
            continue;
        }
        if best.as_ref().is_none_or(|(known, ..)| width > *known) {
            best = Some((width, rows, delimiter));
        }
    }
    let (width, rows, delimiter) = best?;
    Some(schema(rows, width, delimiter, settings))
}

/// The usual number of fields, if the rows agree on one.
fn width(rows: &[Vec<Cow<str>>]) -> Option<usize> {
    let mut counts = std::collections::BTreeMap::new();
    for row in rows {
        *counts.entry(row.len()).or_insert(0_usize) += 1;
    }
    let (width, count) = counts.into_iter().max_by_key(|(width, count)| (*count, *width))?;
    (count as f64 >= REGULAR * rows.len() as f64).then_some(width)
}

fn schema(rows: Rows, width: usize, delimiter: char, settings: &Settings) -> Seen {
    let Rows {
        rows,
        bytes,
        first: first_bytes,
        all,
        quoted,
    } = rows;
    let clean = |text: &Cow<str>| {
        if settings.trim {
            text.trim().to_owned()
        } else {
            text.to_string()
        }
    };
    let first: Vec<String> = rows[0].iter().map(clean).collect();
    let types_below = types(&rows[1..], width, settings.trim);
    let has_header = match settings.header {
        Header::Present => true,
        Header::Absent => false,
        Header::Unknown if !settings.names.is_empty() && same_names(&first, &settings.names) => true,
        Header::Unknown => is_header(&first, &types_below),
    };
    let data = if has_header {
        types_below
    } else {
        types(&rows, width, settings.trim)
    };
    let names: Vec<String> = if !settings.names.is_empty() {
        settings.names.iter().map(|name| name.to_lowercase()).collect()
    } else if has_header {
        header_names(&first)
    } else {
        (0..width).map(|at| format!("col{at}")).collect()
    };
    let columns = (0..width.max(names.len()))
        .map(|at| {
            let name = names.get(at).cloned().unwrap_or_else(|| format!("col{at}"));
            let kind = match settings.datatypes.get(at) {
                Some(given) => datatype(given),
                None => data.get(at).cloned().unwrap_or(Type::Unknown),
            };
            Column { name, kind }
        })
        .collect();
    let records = rows.len() as u64 - u64::from(has_header);
    let head = if has_header { first_bytes } else { 0 };
    let serde = match settings.serde {
        SerDeChoice::OpenCsv => SerDe::OpenCsv,
        SerDeChoice::LazySimple => SerDe::LazySimple,
        SerDeChoice::Detect if quoted => SerDe::OpenCsv,
        SerDeChoice::Detect => SerDe::LazySimple,
    };
    Seen {
        schema: Schema {
            columns,
            format: Format::Csv {
                delimiter,
                quote: settings.quote.unwrap_or('"'),
                header: has_header,
                quoted: quoted && settings.built_in,
                serde,
            },
        },
        records,
        bytes: (bytes - head) as u64,
        head: head as u64,
        all,
    }
}

fn types(rows: &[Vec<Cow<str>>], width: usize, trim: bool) -> Vec<Type> {
    let mut kinds = vec![Type::Unknown; width];
    for row in rows {
        for (kind, text) in kinds.iter_mut().zip(row) {
            if *kind != Type::String {
                let text = if trim { text.trim() } else { &**text };
                *kind = std::mem::replace(kind, Type::Unknown).join(of_text(text));
            }
        }
    }
    kinds
}

/// The first row is a header when all its cells are short strings and the rows below are not all strings.
fn is_header(first: &[String], below: &[Type]) -> bool {
    let last = first.len().saturating_sub(1);
    let named = first.iter().enumerate().all(|(at, cell)| {
        let short = cell.chars().count() < HEADER_CELL || at == last;
        let text = of_text(cell) == Type::String || (cell.is_empty() && at == last);
        short && text && !cell.chars().any(char::is_control)
    });
    named && below.iter().any(|kind| !matches!(kind, Type::String | Type::Unknown))
}

fn same_names(first: &[String], names: &[String]) -> bool {
    first.len() == names.len()
        && first
            .iter()
            .zip(names)
            .all(|(cell, name)| cell.trim().eq_ignore_ascii_case(name))
}

/// Column names are folded to lower case; an empty one gets its place's name and a repeated one a number.
fn header_names(cells: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(cells.len());
    for (at, cell) in cells.iter().enumerate() {
        let folded = cell.trim().to_lowercase();
        let base = if folded.is_empty() { format!("col{at}") } else { folded };
        let mut name = base.clone();
        let mut number = 1;
        while names.contains(&name) {
            name = format!("{base}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

/// The catalog's name of a classifier's custom datatype.
fn datatype(given: &str) -> Type {
    match given.to_ascii_uppercase().as_str() {
        "BOOLEAN" => Type::Boolean,
        "DOUBLE" => Type::Double,
        "INT" => Type::Int,
        "LONG" => Type::Bigint,
        "STRING" => Type::String,
        "SHORT" => Type::Named("smallint".into()),
        other => Type::Named(other.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<Cow<'_, str>>> {
        read(text, ',', Some('"'), true, 99).rows
    }

    #[test]
    fn quoted_fields_keep_delimiters_line_ends_and_doubled_quotes() {
        assert_eq!(
            rows("a,\"b,c\"\r\n\"d\ne\",\"f\"\"g\"\r\n"),
            [["a", "b,c"], ["d\ne", "f\"g"]]
        );
    }

    #[test]
    fn a_quote_that_never_closes_is_text() {
        assert_eq!(rows("TEST,\"Half\nnext,line\n"), [["TEST", "\"Half"], ["next", "line"]]);
    }

    #[test]
    fn a_cut_sample_loses_its_last_row_only() {
        let read = read("a,b\n1,2\n3,", ',', None, false, 99);
        assert_eq!(read.rows.len(), 2);
        assert_eq!(read.bytes, 8);
    }

    #[test]
    fn empty_lines_are_no_records() {
        assert_eq!(rows("a,b\n\n\n1,2\n\n"), [["a", "b"], ["1", "2"]]);
    }

    #[test]
    fn names_are_unique() {
        let cells = ["A", "a", "", "a"].map(String::from);
        assert_eq!(header_names(&cells), ["a", "a_1", "col2", "a_2"]);
    }
}
