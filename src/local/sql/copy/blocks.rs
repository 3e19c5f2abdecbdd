//! Blocks of whole records of one file, so that several loaders can share a file. Where a record ends depends on the
//! format: quotes and escapes hide line feeds, braces hold JSON together.

use bytes::Bytes;

use crate::error::Result;
use crate::external::Chunks;
use crate::utility::{Copy, CopyFormat};

/// Some whole records.
pub struct Block {
    pub bytes: Bytes,
    /// Lines of the file before this block.
    pub lines: u64,
}

/// How the end of a record is found.
#[derive(Clone, Copy)]
enum Records {
    Json,
    Text {
        quote: Option<u8>,
        escape: bool,
        delimiter: u8,
        csv: bool,
    },
}

pub struct Blocks {
    chunks: Chunks,
    records: Records,
    carry: Vec<u8>,
    lines: u64,
    first: bool,
    done: bool,
}

impl Blocks {
    pub fn new(chunks: Chunks, copy: &Copy) -> Self {
        let csv = copy.format == CopyFormat::Csv;
        let records = match copy.format {
            CopyFormat::Json(_) => Records::Json,
            _ => Records::Text {
                quote: if csv {
                    copy.quote
                } else {
                    copy.remove_quotes.then_some(b'"')
                },
                escape: copy.escape && !csv,
                delimiter: copy.delimiter,
                csv,
            },
        };
        Self {
            chunks,
            records,
            carry: Vec::new(),
            lines: 0,
            first: true,
            done: false,
        }
    }

    pub async fn next(&mut self) -> Result<Option<Block>> {
        while !self.done {
            let block = match self.chunks.next().await? {
                None => {
                    self.done = true;
                    Bytes::from(std::mem::take(&mut self.carry))
                }
                Some(chunk) => {
                    let mut bytes = if self.carry.is_empty() {
                        chunk
                    } else {
                        self.carry.extend_from_slice(&chunk);
                        Bytes::from(std::mem::take(&mut self.carry))
                    };
                    let rest = bytes.split_off(self.records.last_end(&bytes));
                    self.carry.extend_from_slice(&rest);
                    bytes
                }
            };
            if block.is_empty() {
                continue;
            }
            let lines = self.lines;
            self.lines += memchr::memchr_iter(b'\n', &block).count() as u64;
            let bytes = if std::mem::take(&mut self.first) && block.starts_with(b"\xef\xbb\xbf") {
                block.slice(3..)
            } else {
                block
            };
            return Ok(Some(Block { bytes, lines }));
        }
        Ok(None)
    }
}

impl Records {
    /// Returns where the last whole record ends, zero when there is none.
    fn last_end(self, bytes: &[u8]) -> usize {
        match self {
            Self::Json => last_value(bytes),
            Self::Text {
                quote,
                escape,
                delimiter,
                csv,
            } => {
                let hides = quote.is_some_and(|quote| memchr::memchr(quote, bytes).is_some())
                    || (escape && memchr::memchr(b'\\', bytes).is_some());
                if hides {
                    last_line(bytes, quote, escape, delimiter, csv)
                } else {
                    memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1)
                }
            }
        }
    }
}

/// Walks as the parser of fields does: a quote counts only at the start of a field.
fn last_line(bytes: &[u8], quote: Option<u8>, escape: bool, delimiter: u8, csv: bool) -> usize {
    let mut end = 0;
    let mut index = 0;
    let mut at_start = true;
    while index < bytes.len() {
        let byte = bytes[index];
        if at_start && Some(byte) == quote {
            index += 1;
            loop {
                match bytes.get(index) {
                    None => return end,
                    Some(inner) if Some(*inner) == quote => {
                        // What follows the last byte decides whether the quote is a doubled one.
                        if csv && index + 1 == bytes.len() {
                            return end;
                        }
                        if csv && bytes.get(index + 1) == Some(inner) {
                            index += 2;
                            continue;
                        }
                        index += 1;
                        break;
                    }
                    Some(b'\\') if escape => index += 2,
                    Some(_) => index += 1,
                }
            }
            at_start = false;
            continue;
        }
        at_start = false;
        if escape && byte == b'\\' {
            index += 2;
            continue;
        }
        index += 1;
        if byte == b'\n' {
            end = index;
            at_start = true;
        } else if byte == delimiter {
            at_start = true;
        }
    }
    end
}

/// Returns where the last whole JSON object or array ends.
fn last_value(bytes: &[u8]) -> usize {
    let (mut end, mut depth) = (0, 0u32);
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'"' => {
                index += 1;
                loop {
                    match memchr::memchr3(b'"', b'\\', b'\n', &bytes[index.min(bytes.len())..]) {
                        None => return end,
                        Some(at) if bytes[index + at] == b'\\' => index += at + 2,
                        // No string goes on behind its line.
                        Some(at) => {
                            index += at;
                            break;
                        }
                    }
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    end = index + 1;
                }
            }
            _ => {}
        }
        index += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(quote: Option<u8>, escape: bool, csv: bool, bytes: &str) -> usize {
        let records = Records::Text {
            quote,
            escape,
            delimiter: b',',
            csv,
        };
        records.last_end(bytes.as_bytes())
    }

    #[test]
    fn a_line_feed_in_quotes_ends_no_record() {
        assert_eq!(text(Some(b'"'), false, true, "1,\"a\nb\"\n2,\"c\n"), 8);
        assert_eq!(text(Some(b'"'), false, true, "1,\"a\"\"\nb\"\n2"), 10);
        assert_eq!(text(Some(b'"'), false, true, "1,5\" pipe\n2,x"), 10);
    }

    #[test]
    fn an_escaped_line_feed_ends_no_record() {
        assert_eq!(text(None, true, false, "1,a\\\nb\n2"), 7);
    }

    #[test]
    fn braces_in_strings_do_not_count() {
        assert_eq!(last_value(br#"{"a": "}\"{"} [1] {"b": "#), 17);
    }
}
