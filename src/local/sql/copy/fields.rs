//! Delimited text and CSV for COPY. Unlike an external table's, a quoted field may hold a line feed.

use datafusion::arrow::array::RecordBatch;

use super::blocks::Block;
use super::sink::Sink;
use super::{Problem, Record};
use crate::utility::{Copy, CopyFormat};

/// Reads a block straight into columns, batch by batch, when every record of it is plain. `None` sends the block to
/// [`records`], which knows what is wrong and where.
pub fn columns(
    block: &Block,
    copy: &Copy,
    mut sinks: Vec<Sink>,
    batch_size: usize,
    prepare: impl Fn(&str, usize) -> Option<&str>,
    finish: impl Fn(&mut [Sink], usize) -> Option<RecordBatch>,
) -> Option<Vec<RecordBatch>> {
    let width = sinks.len();
    let quote = quote_of(copy);
    let (mut bytes, mut line) = (&block.bytes[..], block.lines);
    while line < copy.ignore_header && !bytes.is_empty() {
        let (_, _, rest, lines) = take(bytes, copy);
        (bytes, line) = (rest, line + lines);
    }
    if copy.escape && copy.format != CopyFormat::Csv && memchr::memchr(b'\\', bytes).is_some() {
        return None;
    }
    // Fields are cut out of text, which only ASCII can do everywhere.
    if memchr::memchr(0, bytes).is_some() || !copy.delimiter.is_ascii() || !quote.is_none_or(|quote| quote.is_ascii()) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let mut batches = Vec::new();
    let mut rows = 0;
    let mut at = 0;
    let mut unquoted = String::new();
    while at < bytes.len() {
        if width != 1 || copy.ignore_blank_lines {
            let blank = usize::from(bytes[at] == b'\r');
            if bytes.get(at + blank) == Some(&b'\n') {
                at += blank + 1;
                continue;
            }
        }
        let mut column = 0;
        loop {
            let (field, end) = if quote.is_some() && bytes.get(at).copied() == quote {
                let end = quoted(text, at + 1, quote?, copy.format == CopyFormat::Csv, &mut unquoted)?;
                // Something between the closing quote and the delimiter.
                if bytes
                    .get(end)
                    .is_some_and(|byte| *byte != copy.delimiter && *byte != b'\n')
                {
                    return None;
                }
                (unquoted.as_str(), end)
            } else {
                let end = memchr::memchr2(copy.delimiter, b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end);
                let field = &text[at..end];
                (field, end)
            };
            let last = bytes.get(end).is_none_or(|byte| *byte == b'\n');
            let field = if last {
                field.strip_suffix('\r').unwrap_or(field)
            } else {
                field
            };
            at = end + 1;
            if let Some(sink) = sinks.get_mut(column) {
                sink.push(prepare(field, column))?;
            } else if !(last && column == width && field.is_empty()) {
                return None;
            }
            column += 1;
            if last {
                break;
            }
        }
        if column < width {
            return None;
        }
        rows += 1;
        if rows == batch_size {
            batches.push(finish(&mut sinks, rows)?);
            rows = 0;
        }
    }
    if rows > 0 {
        batches.push(finish(&mut sinks, rows)?);
    }
    Some(batches)
}

/// Reads a quoted field from after its quote. Returns the end of the field, `None` when more than a delimiter or the
/// line's end follows the closing quote.
fn quoted(text: &str, start: usize, quote: u8, doubles: bool, unquoted: &mut String) -> Option<usize> {
    let bytes = text.as_bytes();
    unquoted.clear();
    let mut from = start;
    loop {
        let close = from + memchr::memchr(quote, &bytes[from..])?;
        unquoted.push_str(&text[from..close]);
        match bytes.get(close + 1) {
            Some(next) if *next == quote && doubles => {
                unquoted.push(char::from(quote));
                from = close + 2;
            }
            Some(b'\r') if bytes.get(close + 2) == Some(&b'\n') => return Some(close + 2),
            _ => return Some(close + 1),
        }
    }
}

fn quote_of(copy: &Copy) -> Option<u8> {
    if copy.format == CopyFormat::Csv {
        copy.quote
    } else {
        copy.remove_quotes.then_some(b'"')
    }
}

/// Iterates over the records of a block.
pub fn records<'a>(block: &'a Block, copy: &'a Copy, width: usize) -> impl Iterator<Item = Record> + Send + 'a {
    let mut rest = &block.bytes[..];
    let mut line = block.lines;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (raw, fields, after, lines) = take(rest, copy);
            rest = after;
            let first = line + 1;
            line += lines;
            if first <= copy.ignore_header || (raw.is_empty() && (copy.ignore_blank_lines || width != 1)) {
                continue;
            }
            let raw = String::from_utf8_lossy(raw).into_owned();
            return Some(Record {
                line: first,
                raw,
                values: decode(fields, copy, width),
            });
        }
        None
    })
}

fn decode(fields: Vec<Vec<u8>>, copy: &Copy, width: usize) -> Result<Vec<Option<String>>, Problem> {
    if fields.len() > width {
        // A delimiter at the end of the line adds nothing.
        if !(fields.len() == width + 1 && fields.last().is_some_and(Vec::is_empty)) {
            return Err(Problem::new(1202, "Extra column(s) found"));
        }
    }
    if fields.len() < width && !copy.fill_record {
        return Err(Problem::new(1201, "Delimiter not found"));
    }
    let mut values = Vec::with_capacity(width);
    for (index, field) in fields.into_iter().take(width).enumerate() {
        values.push(Some(match String::from_utf8(field) {
            Ok(text) if text.contains('\0') && copy.null_as != "\0" => match copy.accept_invalid_chars {
                Some(replacement) => text.replace('\0', &replacement.to_string()),
                None => {
                    return Err(Problem {
                        column: Some(index),
                        position: 0,
                        code: 1220,
                        reason: "Missing newline: Unexpected character 0x0 found".into(),
                    });
                }
            },
            Ok(text) => text,
            Err(error) => match copy.accept_invalid_chars {
                Some(replacement) => replaced(error.as_bytes(), replacement),
                None => {
                    return Err(Problem {
                        column: Some(index),
                        position: 0,
                        code: 1220,
                        reason: "String contains invalid or unsupported UTF8 codepoints".into(),
                    });
                }
            },
        }));
    }
    values.resize(width, None);
    Ok(values)
}

/// Puts one character in the place of each byte that is no text.
pub fn replaced(bytes: &[u8], replacement: char) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n(replacement, chunk.invalid().len()));
    }
    text
}

/// Takes one record: its text, its fields, what follows it, and how many lines it spans.
fn take<'a>(bytes: &'a [u8], copy: &Copy) -> (&'a [u8], Vec<Vec<u8>>, &'a [u8], u64) {
    let csv = copy.format == CopyFormat::Csv;
    let quote = quote_of(copy);
    let mut fields = Vec::new();
    let mut field = Vec::new();
    let mut index = 0;
    let mut lines = 1;
    let mut at_start = true;
    while index < bytes.len() {
        let byte = bytes[index];
        if at_start && Some(byte) == quote {
            index += 1;
            while index < bytes.len() {
                let inner = bytes[index];
                if Some(inner) == quote {
                    if csv && bytes.get(index + 1) == Some(&inner) {
                        field.push(inner);
                        index += 2;
                        continue;
                    }
                    index += 1;
                    break;
                }
                if !csv && copy.escape && inner == b'\\' && index + 1 < bytes.len() {
                    field.push(bytes[index + 1]);
                    index += 2;
                    continue;
                }
                lines += u64::from(inner == b'\n');
                field.push(inner);
                index += 1;
            }
            at_start = false;
            continue;
        }
        at_start = false;
        if !csv && copy.escape && byte == b'\\' && index + 1 < bytes.len() {
            let next = bytes[index + 1];
            lines += u64::from(next == b'\n');
            if next == b'N' {
                field.push(b'\\');
            }
            field.push(next);
            index += 2;
            continue;
        }
        if byte == copy.delimiter {
            fields.push(std::mem::take(&mut field));
            at_start = true;
        } else if byte == b'\n' {
            if field.last() == Some(&b'\r') {
                field.pop();
            }
            fields.push(field);
            let raw = bytes[..index].strip_suffix(b"\r").unwrap_or(&bytes[..index]);
            return (raw, fields, &bytes[index + 1..], lines);
        } else {
            field.push(byte);
        }
        index += 1;
    }
    if field.last() == Some(&b'\r') {
        field.pop();
    }
    fields.push(field);
    (bytes, fields, &[], lines)
}
