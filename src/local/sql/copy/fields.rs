//! Delimited text and CSV for COPY. Unlike an external table's, a quoted field may hold a line feed.

use super::{Problem, Record};
use crate::utility::{Copy, CopyFormat};

/// Iterates over the records of a file.
pub fn records<'a>(bytes: &'a [u8], copy: &'a Copy, width: usize) -> impl Iterator<Item = Record> + Send + 'a {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut line = 0;
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
                        code: 1220,
                        reason: "Missing newline: Unexpected character 0x0 found".into(),
                    });
                }
            },
            Ok(text) => text,
            Err(error) => match copy.accept_invalid_chars {
                Some(replacement) => {
                    String::from_utf8_lossy(error.as_bytes()).replace('\u{fffd}', &replacement.to_string())
                }
                None => {
                    return Err(Problem {
                        column: Some(index),
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

/// Takes one record: its text, its fields, what follows it, and how many lines it spans.
fn take<'a>(bytes: &'a [u8], copy: &Copy) -> (&'a [u8], Vec<Vec<u8>>, &'a [u8], u64) {
    let csv = copy.format == CopyFormat::Csv;
    let quote = if csv {
        copy.quote
    } else {
        copy.remove_quotes.then_some(b'"')
    };
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
