//! Strings: lengths, searching, patterns, sounds.

use datafusion::arrow::array::ArrayRef;

use super::{Call, Function, at, function, number_at, returns};
use crate::error::{Result, SqlError};
use crate::types::SqlType;

pub const FUNCTIONS: &[Function] = &[
    function("$concat", (2, 2), returns::text, concat),
    function("concat", (2, 2), returns::text, concat),
    function("$trimmed", (1, 1), returns::text, |call| {
        map(call, |text| text.trim_end_matches(' ').to_string())
    }),
    function("$overlay", (3, 4), returns::text, overlay),
    function("len", (1, 1), returns::int4, length),
    function("length", (1, 1), returns::int4, length),
    function("char_length", (1, 1), returns::int4, length),
    function("character_length", (1, 1), returns::int4, length),
    function("textlen", (1, 1), returns::int4, length),
    function("octet_length", (1, 1), returns::int4, |call| {
        count(call, |text| text.len())
    }),
    function("upper", (1, 1), returns::same_text, |call| map(call, str::to_uppercase)),
    function("lower", (1, 1), returns::same_text, |call| map(call, str::to_lowercase)),
    function("initcap", (1, 1), returns::same_text, |call| map(call, initcap)),
    function("reverse", (1, 1), returns::same_text, |call| {
        map(call, |text| text.chars().rev().collect())
    }),
    function("left", (2, 2), returns::text, |call| sided(call, true)),
    function("right", (2, 2), returns::text, |call| sided(call, false)),
    function("substring", (2, 3), returns::text, substring),
    function("substr", (2, 3), returns::text, substring),
    function("strpos", (2, 2), returns::int4, |call| position(call, 0, 1)),
    function("octetindex", (2, 2), returns::int4, octet_index),
    function("charindex", (2, 2), returns::int4, |call| position(call, 1, 0)),
    function("btrim", (1, 2), returns::text, |call| trim(call, true, true)),
    function("trim", (1, 2), returns::text, |call| trim(call, true, true)),
    function("ltrim", (1, 2), returns::text, |call| trim(call, true, false)),
    function("rtrim", (1, 2), returns::text, |call| trim(call, false, true)),
    function("lpad", (2, 3), returns::text, |call| pad(call, true)),
    function("rpad", (2, 3), returns::text, |call| pad(call, false)),
    function("repeat", (2, 2), returns::text, repeat),
    function("replicate", (2, 2), returns::text, repeat),
    function("replace", (3, 3), returns::text, replace),
    function("translate", (3, 3), returns::text, translate),
    function("split_part", (3, 3), returns::text, split_part),
    function("chr", (1, 1), returns::text, chr),
    function("ascii", (1, 1), returns::int4, |call| {
        count(call, |text| text.chars().next().map_or(0, |c| c as usize))
    }),
    function("quote_literal", (1, 1), returns::text, |call| {
        map(call, |text| {
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
        })
    }),
    function("quote_ident", (1, 1), returns::text, |call| map(call, quote_ident)),
    function("to_hex", (1, 1), returns::text, to_hex),
    function("strtol", (2, 2), returns::int8, strtol),
    function("bpcharcmp", (2, 2), returns::int4, compare),
    function("bttext_pattern_cmp", (2, 2), returns::int4, compare),
    function(
        "soundex",
        (1, 1),
        |_| Ok(SqlType::Varchar(4)),
        |call| map(call, soundex),
    ),
    function("difference", (2, 2), returns::int4, difference),
];

fn map(call: &Call, function: impl Fn(&str) -> String) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.texts(|row| Ok(at(&texts, row).map(&function)))
}

fn count(call: &Call, function: impl Fn(&str) -> usize) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.ints(|row| Ok(at(&texts, row).map(|text| function(text) as i64)))
}

fn length(call: &Call) -> Result<ArrayRef> {
    count(call, |text| text.chars().count())
}

/// Null with anything is null, unlike in PostgreSQL.
fn concat(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    call.texts(|row| {
        Ok(at(&left, row)
            .zip(at(&right, row))
            .map(|(left, right)| format!("{left}{right}")))
    })
}

fn initcap(text: &str) -> String {
    let mut start = true;
    text.chars()
        .flat_map(|c| {
            let cased: Vec<char> = if start {
                c.to_uppercase().collect()
            } else {
                c.to_lowercase().collect()
            };
            start = !c.is_alphanumeric();
            cased
        })
        .collect()
}

fn quote_ident(text: &str) -> String {
    let plain = text
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !text.starts_with(|c: char| c.is_ascii_digit());
    if plain && !text.is_empty() {
        text.to_string()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

/// A negative count leaves out that many characters of the other end.
fn sided(call: &Call, left: bool) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0)?, call.int(1)?);
    call.texts(|row| {
        let (Some(text), Some(wanted)) = (at(&texts, row), number_at(&counts, row)) else {
            return Ok(None);
        };
        let total = text.chars().count() as i64;
        let kept = if wanted < 0 {
            (total + wanted).max(0)
        } else {
            wanted.min(total)
        } as usize;
        Ok(Some(if left {
            text.chars().take(kept).collect()
        } else {
            text.chars().skip(total as usize - kept).collect()
        }))
    })
}

fn substring(call: &Call) -> Result<ArrayRef> {
    let (texts, starts) = (call.text(0)?, call.int(1)?);
    let counts = if call.len() == 3 { Some(call.int(2)?) } else { None };
    call.texts(|row| {
        let (Some(text), Some(start)) = (at(&texts, row), number_at(&starts, row)) else {
            return Ok(None);
        };
        let end = match &counts {
            None => i64::MAX,
            Some(counts) => match number_at(counts, row) {
                None => return Ok(None),
                Some(count) if count < 0 => {
                    return Err(SqlError::new("22011", "negative substring length not allowed"));
                }
                Some(count) => start.saturating_add(count),
            },
        };
        let from = (start - 1).max(0) as usize;
        let kept = (end - 1).max(0) as usize;
        Ok(Some(text.chars().skip(from).take(kept.saturating_sub(from)).collect()))
    })
}

fn octet_index(call: &Call) -> Result<ArrayRef> {
    let (needles, texts) = (call.text(0)?, call.text(1)?);
    call.ints(|row| {
        Ok(at(&texts, row)
            .zip(at(&needles, row))
            .map(|(text, needle)| text.find(needle).map_or(0, |byte| byte as i64 + 1)))
    })
}

fn position(call: &Call, text: usize, needle: usize) -> Result<ArrayRef> {
    let (texts, needles) = (call.text(text)?, call.text(needle)?);
    call.ints(|row| {
        Ok(at(&texts, row).zip(at(&needles, row)).map(|(text, needle)| {
            text.find(needle)
                .map_or(0, |byte| text[..byte].chars().count() as i64 + 1)
        }))
    })
}

fn trim(call: &Call, start: bool, end: bool) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let sets = if call.len() == 2 { Some(call.text(1)?) } else { None };
    call.texts(|row| {
        let Some(mut text) = at(&texts, row) else {
            return Ok(None);
        };
        let set = match &sets {
            None => " ",
            Some(sets) => match at(sets, row) {
                Some(set) => set,
                None => return Ok(None),
            },
        };
        if start {
            text = text.trim_start_matches(|c| set.contains(c));
        }
        if end {
            text = text.trim_end_matches(|c| set.contains(c));
        }
        Ok(Some(text.to_string()))
    })
}

fn pad(call: &Call, left: bool) -> Result<ArrayRef> {
    let (texts, lengths) = (call.text(0)?, call.int(1)?);
    let fills = if call.len() == 3 { Some(call.text(2)?) } else { None };
    call.texts(|row| {
        let (Some(text), Some(length)) = (at(&texts, row), number_at(&lengths, row)) else {
            return Ok(None);
        };
        let fill = match &fills {
            None => " ",
            Some(fills) => match at(fills, row) {
                Some(fill) => fill,
                None => return Ok(None),
            },
        };
        let length = length.clamp(0, 65535) as usize;
        let missing = length.saturating_sub(text.chars().count());
        let padding: String = fill
            .chars()
            .cycle()
            .take(if fill.is_empty() { 0 } else { missing })
            .collect();
        let kept: String = text.chars().take(length).collect();
        Ok(Some(if left {
            format!("{padding}{kept}")
        } else {
            format!("{kept}{padding}")
        }))
    })
}

fn repeat(call: &Call) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0)?, call.int(1)?);
    call.texts(|row| {
        let (Some(text), Some(count)) = (at(&texts, row), number_at(&counts, row)) else {
            return Ok(None);
        };
        let count = count.max(0) as usize;
        if text.len().saturating_mul(count) > 65535 {
            return Err(SqlError::new("22001", "Result size exceeds REPEAT limit"));
        }
        Ok(Some(text.repeat(count)))
    })
}

fn replace(call: &Call) -> Result<ArrayRef> {
    let (texts, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.texts(|row| {
        let (Some(text), Some(from), Some(to)) = (at(&texts, row), at(&from, row), at(&to, row)) else {
            return Ok(None);
        };
        Ok(Some(if from.is_empty() {
            text.to_string()
        } else {
            text.replace(from, to)
        }))
    })
}

fn translate(call: &Call) -> Result<ArrayRef> {
    let (texts, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.texts(|row| {
        let (Some(text), Some(from), Some(to)) = (at(&texts, row), at(&from, row), at(&to, row)) else {
            return Ok(None);
        };
        let to: Vec<char> = to.chars().collect();
        Ok(Some(
            text.chars()
                .filter_map(|c| {
                    from.chars()
                        .position(|f| f == c)
                        .map_or(Some(c), |index| to.get(index).copied())
                })
                .collect(),
        ))
    })
}

fn split_part(call: &Call) -> Result<ArrayRef> {
    let (texts, delimiters, parts) = (call.text(0)?, call.text(1)?, call.int(2)?);
    call.texts(|row| {
        let (Some(text), Some(delimiter), Some(part)) = (at(&texts, row), at(&delimiters, row), number_at(&parts, row))
        else {
            return Ok(None);
        };
        if part < 1 {
            return Err(SqlError::new("22023", "field position must be greater than zero"));
        }
        if delimiter.is_empty() {
            return Ok(Some(if part == 1 { text.to_string() } else { String::new() }));
        }
        Ok(Some(
            text.split(delimiter)
                .nth(part as usize - 1)
                .unwrap_or_default()
                .to_string(),
        ))
    })
}

fn chr(call: &Call) -> Result<ArrayRef> {
    let codes = call.int(0)?;
    call.texts(|row| {
        Ok(number_at(&codes, row).map(|code| {
            u32::try_from(code)
                .ok()
                .and_then(char::from_u32)
                .unwrap_or('?')
                .to_string()
        }))
    })
}

fn to_hex(call: &Call) -> Result<ArrayRef> {
    let narrow = matches!(call.args[0].data_type(), datafusion::arrow::datatypes::DataType::Int32);
    let numbers = call.int(0)?;
    call.texts(|row| {
        Ok(number_at(&numbers, row).map(|number| {
            if narrow {
                format!("{:x}", number as i32)
            } else {
                format!("{number:x}")
            }
        }))
    })
}

fn strtol(call: &Call) -> Result<ArrayRef> {
    let (texts, bases) = (call.text(0)?, call.int(1)?);
    call.ints(|row| {
        let (Some(text), Some(base)) = (at(&texts, row), number_at(&bases, row)) else {
            return Ok(None);
        };
        let digits = text.trim().trim_start_matches("0x").trim_start_matches("0X");
        i64::from_str_radix(digits, base.clamp(2, 36) as u32)
            .map(Some)
            .map_err(|_| {
                SqlError::new(
                    "22P02",
                    format!("The input {text} is not valid to be converted to base {base}"),
                )
            })
    })
}

fn compare(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    call.ints(|row| {
        Ok(at(&left, row)
            .zip(at(&right, row))
            .map(|(left, right)| left.trim_end_matches(' ').cmp(right.trim_end_matches(' ')) as i64))
    })
}

fn overlay(call: &Call) -> Result<ArrayRef> {
    let (texts, news, starts) = (call.text(0)?, call.text(1)?, call.int(2)?);
    let counts = if call.len() == 4 { Some(call.int(3)?) } else { None };
    call.texts(|row| {
        let (Some(text), Some(new), Some(start)) = (at(&texts, row), at(&news, row), number_at(&starts, row)) else {
            return Ok(None);
        };
        let count = counts
            .as_ref()
            .and_then(|counts| number_at(counts, row))
            .unwrap_or(new.chars().count() as i64);
        let before: String = text.chars().take((start - 1).max(0) as usize).collect();
        let after: String = text.chars().skip((start - 1 + count).max(0) as usize).collect();
        Ok(Some(format!("{before}{new}{after}")))
    })
}

/// The American Soundex code: the first letter and three digits for the consonants behind it. Only English letters count.
fn soundex(text: &str) -> String {
    let digit = |letter: u8| match letter {
        b'B' | b'F' | b'P' | b'V' => Some(b'1'),
        b'C' | b'G' | b'J' | b'K' | b'Q' | b'S' | b'X' | b'Z' => Some(b'2'),
        b'D' | b'T' => Some(b'3'),
        b'L' => Some(b'4'),
        b'M' | b'N' => Some(b'5'),
        b'R' => Some(b'6'),
        _ => None,
    };
    let mut letters = text
        .bytes()
        .filter(u8::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase());
    let Some(first) = letters.next() else {
        return String::new();
    };
    let (mut code, mut last) = (String::from(char::from(first)), digit(first));
    // H and W do not part two letters of one sound, vowels do.
    for letter in letters.filter(|letter| !matches!(letter, b'H' | b'W')) {
        let sound = digit(letter);
        if let Some(sound) = sound.filter(|_| sound != last) {
            code.push(char::from(sound));
        }
        last = sound;
    }
    code.push_str("000");
    code.truncate(4);
    code
}

/// How many places of two Soundex codes are the same. Two texts without letters agree in one place, as documented.
fn difference(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    call.ints(|row| {
        let (Some(left), Some(right)) = (at(&left, row), at(&right, row)) else {
            return Ok(None);
        };
        let (left, right) = (soundex(left), soundex(right));
        if left.is_empty() && right.is_empty() {
            return Ok(Some(1));
        }
        Ok(Some(
            left.bytes().zip(right.bytes()).filter(|(a, b)| a == b).count() as i64
        ))
    })
}
