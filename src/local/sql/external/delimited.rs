//! Lines of delimited text to columns of text. A line ends a record always, as in Hive's text input, whatever the
//! quotes say; a carriage return before the line feed is no part of it.

use datafusion::arrow::array::{StringArray, StringBuilder};

#[derive(Clone, Debug)]
pub struct Delimited {
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub escape: Option<u8>,
    /// Text that stands for null.
    pub null: Option<String>,
    pub skip_lines: u64,
}

/// Returns batches of the wanted columns and their row counts.
pub fn parse(
    format: &Delimited,
    block: &[u8],
    width: usize,
    wanted: &[usize],
    batch_size: usize,
) -> Vec<(Vec<StringArray>, usize)> {
    let mut batches = Vec::new();
    let mut slots = vec![None; width];
    for (at, column) in wanted.iter().enumerate() {
        slots[*column] = Some(at);
    }
    let last_wanted = wanted.iter().max().map_or(0, |last| last + 1);
    let mut builders: Vec<StringBuilder> = wanted
        .iter()
        .map(|_| StringBuilder::with_capacity(batch_size, batch_size * 8))
        .collect();
    let mut rows = 0;
    let mut scratch = Vec::new();
    for line in lines(block) {
        let mut rest = Some(line);
        for slot in slots.iter().take(last_wanted) {
            let Some(text) = rest else {
                if let Some(at) = slot {
                    builders[*at].append_null();
                }
                continue;
            };
            scratch.clear();
            let (plain, after) = field(format, text, &mut scratch);
            let field = plain.unwrap_or(&scratch);
            rest = after;
            if let Some(at) = slot {
                match std::str::from_utf8(field) {
                    Ok(text) if format.null.as_deref() == Some(text) => builders[*at].append_null(),
                    Ok(text) => builders[*at].append_value(text),
                    Err(_) => builders[*at].append_value(String::from_utf8_lossy(field)),
                }
            }
        }
        rows += 1;
        if rows == batch_size {
            batches.push((builders.iter_mut().map(StringBuilder::finish).collect(), rows));
            rows = 0;
        }
    }
    if rows > 0 {
        batches.push((builders.iter_mut().map(StringBuilder::finish).collect(), rows));
    }
    batches
}

/// Iterates over lines without their ends. An empty line is no record.
pub fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(block);
    let next = move || {
        let block = rest?;
        let newline = memchr::memchr(b'\n', block);
        rest = newline.map(|newline| &block[newline + 1..]);
        Some(&block[..newline.unwrap_or(block.len())])
    };
    std::iter::from_fn(next)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
}

/// Takes one field off a line. Returns it, or `None` when it had to be put together in `scratch`, and what follows
/// its delimiter.
pub fn field<'a>(format: &Delimited, text: &'a [u8], scratch: &mut Vec<u8>) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let quoted = format.quote.is_some_and(|quote| text.first() == Some(&quote));
    if !quoted {
        let end = match format.escape {
            Some(escape) if format.quote.is_none() => memchr::memchr2(format.delimiter, escape, text),
            _ => memchr::memchr(format.delimiter, text),
        };
        return match end {
            None => (Some(text), None),
            Some(end) if text[end] == format.delimiter => (Some(&text[..end]), Some(&text[end + 1..])),
            Some(_) => escaped(format, text, scratch),
        };
    }
    let quote = format.quote.unwrap_or(b'"');
    let mut index = 1;
    while index < text.len() {
        let byte = text[index];
        if byte == quote {
            if text.get(index + 1) == Some(&quote) {
                scratch.push(quote);
                index += 2;
                continue;
            }
            break;
        }
        if format.escape == Some(byte) && byte != quote && index + 1 < text.len() {
            scratch.push(text[index + 1]);
            index += 2;
            continue;
        }
        scratch.push(byte);
        index += 1;
    }
    // Anything between the closing quote and the delimiter belongs to the field.
    let after = text.get(index + 1..).unwrap_or_default();
    match after.iter().position(|byte| *byte == format.delimiter) {
        Some(end) => {
            scratch.extend_from_slice(&after[..end]);
            (None, Some(&after[end + 1..]))
        }
        None => {
            scratch.extend_from_slice(after);
            (None, None)
        }
    }
}

fn escaped<'a>(format: &Delimited, text: &'a [u8], scratch: &mut Vec<u8>) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let mut index = 0;
    while index < text.len() {
        let byte = text[index];
        if Some(byte) == format.escape && index + 1 < text.len() {
            // Hive keeps its null marker apart from an escaped N.
            if text[index + 1] == b'N' {
                scratch.push(byte);
            }
            scratch.push(text[index + 1]);
            index += 2;
        } else if byte == format.delimiter {
            return (None, Some(&text[index + 1..]));
        } else {
            scratch.push(byte);
            index += 1;
        }
    }
    (None, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(quote: Option<u8>, escape: Option<u8>, line: &str) -> Vec<String> {
        let format = Delimited {
            delimiter: b',',
            quote,
            escape,
            null: None,
            skip_lines: 0,
        };
        let mut fields = Vec::new();
        let mut rest = Some(line.as_bytes());
        while let Some(text) = rest {
            let mut scratch = Vec::new();
            let (plain, after) = field(&format, text, &mut scratch);
            let value = plain.unwrap_or(&scratch);
            fields.push(String::from_utf8_lossy(value).into_owned());
            rest = after;
        }
        fields
    }

    #[test]
    fn quotes_protect_delimiters_and_double_to_mean_themselves() {
        assert_eq!(
            fields(Some(b'"'), None, r#"a,"b,c","d""e",,"""#),
            ["a", "b,c", "d\"e", "", ""]
        );
    }

    #[test]
    fn a_backslash_protects_the_next_byte() {
        assert_eq!(fields(None, Some(b'\\'), r"a\,b,c\\,\N"), ["a,b", "c\\", "\\N"]);
    }

    #[test]
    fn a_carriage_return_is_no_part_of_the_last_field() {
        assert_eq!(lines(b"a,b\r\n\nc,d").collect::<Vec<_>>(), [b"a,b", b"c,d"]);
    }
}
