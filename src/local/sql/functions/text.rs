//! Strings: lengths, searching, patterns, digests.

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use regex::{Regex, RegexBuilder};

use super::{Call, Function, at, md5_hex, number_at, returns};
use crate::error::{Result, SqlError};
use crate::types::SqlType;

pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "$concat",
        arity: (2, 2),
        returns: returns::text,
        body: concat,
    },
    Function {
        name: "concat",
        arity: (2, 2),
        returns: returns::text,
        body: concat,
    },
    Function {
        name: "$trimmed",
        arity: (1, 1),
        returns: returns::text,
        body: |call| map(call, |text| text.trim_end_matches(' ').to_string()),
    },
    Function {
        name: "$like",
        arity: (4, 4),
        returns: returns::bool,
        body: like,
    },
    Function {
        name: "$similar_to",
        arity: (3, 3),
        returns: returns::bool,
        body: similar_to,
    },
    Function {
        name: "$overlay",
        arity: (3, 4),
        returns: returns::text,
        body: overlay,
    },
    Function {
        name: "len",
        arity: (1, 1),
        returns: returns::int4,
        body: length,
    },
    Function {
        name: "length",
        arity: (1, 1),
        returns: returns::int4,
        body: length,
    },
    Function {
        name: "char_length",
        arity: (1, 1),
        returns: returns::int4,
        body: length,
    },
    Function {
        name: "character_length",
        arity: (1, 1),
        returns: returns::int4,
        body: length,
    },
    Function {
        name: "textlen",
        arity: (1, 1),
        returns: returns::int4,
        body: length,
    },
    Function {
        name: "octet_length",
        arity: (1, 1),
        returns: returns::int4,
        body: |call| count(call, |text| text.len()),
    },
    Function {
        name: "upper",
        arity: (1, 1),
        returns: returns::same_text,
        body: |call| map(call, str::to_uppercase),
    },
    Function {
        name: "lower",
        arity: (1, 1),
        returns: returns::same_text,
        body: |call| map(call, str::to_lowercase),
    },
    Function {
        name: "initcap",
        arity: (1, 1),
        returns: returns::same_text,
        body: |call| map(call, initcap),
    },
    Function {
        name: "reverse",
        arity: (1, 1),
        returns: returns::same_text,
        body: |call| map(call, |text| text.chars().rev().collect()),
    },
    Function {
        name: "left",
        arity: (2, 2),
        returns: returns::text,
        body: |call| sided(call, true),
    },
    Function {
        name: "right",
        arity: (2, 2),
        returns: returns::text,
        body: |call| sided(call, false),
    },
    Function {
        name: "substring",
        arity: (2, 3),
        returns: returns::text,
        body: substring,
    },
    Function {
        name: "substr",
        arity: (2, 3),
        returns: returns::text,
        body: substring,
    },
    Function {
        name: "strpos",
        arity: (2, 2),
        returns: returns::int4,
        body: |call| position(call, 0, 1),
    },
    Function {
        name: "charindex",
        arity: (2, 2),
        returns: returns::int4,
        body: |call| position(call, 1, 0),
    },
    Function {
        name: "btrim",
        arity: (1, 2),
        returns: returns::text,
        body: |call| trim(call, true, true),
    },
    Function {
        name: "trim",
        arity: (1, 2),
        returns: returns::text,
        body: |call| trim(call, true, true),
    },
    Function {
        name: "ltrim",
        arity: (1, 2),
        returns: returns::text,
        body: |call| trim(call, true, false),
    },
    Function {
        name: "rtrim",
        arity: (1, 2),
        returns: returns::text,
        body: |call| trim(call, false, true),
    },
    Function {
        name: "lpad",
        arity: (2, 3),
        returns: returns::text,
        body: |call| pad(call, true),
    },
    Function {
        name: "rpad",
        arity: (2, 3),
        returns: returns::text,
        body: |call| pad(call, false),
    },
    Function {
        name: "repeat",
        arity: (2, 2),
        returns: returns::text,
        body: repeat,
    },
    Function {
        name: "replicate",
        arity: (2, 2),
        returns: returns::text,
        body: repeat,
    },
    Function {
        name: "replace",
        arity: (3, 3),
        returns: returns::text,
        body: replace,
    },
    Function {
        name: "translate",
        arity: (3, 3),
        returns: returns::text,
        body: translate,
    },
    Function {
        name: "split_part",
        arity: (3, 3),
        returns: returns::text,
        body: split_part,
    },
    Function {
        name: "chr",
        arity: (1, 1),
        returns: returns::text,
        body: chr,
    },
    Function {
        name: "ascii",
        arity: (1, 1),
        returns: returns::int4,
        body: |call| count(call, |text| text.chars().next().map_or(0, |c| c as usize)),
    },
    Function {
        name: "quote_literal",
        arity: (1, 1),
        returns: returns::text,
        body: |call| {
            map(call, |text| {
                format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
            })
        },
    },
    Function {
        name: "quote_ident",
        arity: (1, 1),
        returns: returns::text,
        body: |call| map(call, quote_ident),
    },
    Function {
        name: "to_hex",
        arity: (1, 1),
        returns: returns::text,
        body: to_hex,
    },
    Function {
        name: "md5",
        arity: (1, 1),
        returns: |_| Ok(SqlType::Varchar(32)),
        body: |call| map(call, |text| md5_hex(text.as_bytes())),
    },
    Function {
        name: "strtol",
        arity: (2, 2),
        returns: returns::int8,
        body: strtol,
    },
    Function {
        name: "bpcharcmp",
        arity: (2, 2),
        returns: returns::int4,
        body: compare,
    },
    Function {
        name: "bttext_pattern_cmp",
        arity: (2, 2),
        returns: returns::int4,
        body: compare,
    },
    Function {
        name: "regexp_substr",
        arity: (2, 5),
        returns: returns::text,
        body: regexp_substr,
    },
    Function {
        name: "regexp_count",
        arity: (2, 4),
        returns: returns::int4,
        body: regexp_count,
    },
    Function {
        name: "regexp_instr",
        arity: (2, 6),
        returns: returns::int4,
        body: regexp_instr,
    },
    Function {
        name: "regexp_replace",
        arity: (2, 5),
        returns: returns::text,
        body: regexp_replace,
    },
    Function {
        name: "crc32",
        arity: (1, 1),
        returns: returns::text,
        body: |call| map(call, |text| format!("{:08x}", crc32(text.as_bytes()))),
    },
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

/// Remembers the last pattern, which is nearly always the same for a whole column.
struct Patterns {
    last: Option<(String, Regex)>,
    insensitive: bool,
}

impl Patterns {
    fn new(insensitive: bool) -> Self {
        Self {
            last: None,
            insensitive,
        }
    }

    fn get(&mut self, pattern: &str) -> Result<&Regex> {
        if self.last.as_ref().is_none_or(|(known, _)| known != pattern) {
            let compiled = RegexBuilder::new(pattern)
                .case_insensitive(self.insensitive)
                .build()
                .map_err(|error| {
                    SqlError::new(
                        "2201B",
                        format!(
                            "invalid regular expression: {}",
                            error.to_string().lines().last().unwrap_or_default()
                        ),
                    )
                })?;
            self.last = Some((pattern.to_string(), compiled));
        }
        match &self.last {
            Some((_, compiled)) => Ok(compiled),
            None => Err(SqlError::internal("no pattern")),
        }
    }
}

fn like(call: &Call) -> Result<ArrayRef> {
    let (texts, wanted, escapes, insensitive) = (call.text(0)?, call.text(1)?, call.text(2)?, call.bool(3)?);
    let mut patterns = Patterns::new(insensitive.iter().next().flatten().unwrap_or(false));
    call.bools(|row| {
        let (Some(text), Some(pattern)) = (at(&texts, row), at(&wanted, row)) else {
            return Ok(None);
        };
        let escape = at(&escapes, row).and_then(|escape| escape.chars().next());
        Ok(Some(patterns.get(&wildcards(pattern, escape, false))?.is_match(text)))
    })
}

fn similar_to(call: &Call) -> Result<ArrayRef> {
    let (texts, wanted, escapes) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let mut patterns = Patterns::new(false);
    call.bools(|row| {
        let (Some(text), Some(pattern)) = (at(&texts, row), at(&wanted, row)) else {
            return Ok(None);
        };
        let escape = at(&escapes, row).and_then(|escape| escape.chars().next());
        Ok(Some(patterns.get(&wildcards(pattern, escape, true))?.is_match(text)))
    })
}

/// Turns `%` and `_` into a pattern for the whole text. SIMILAR TO keeps its own metacharacters.
fn wildcards(pattern: &str, escape: Option<char>, similar: bool) -> String {
    let mut out = String::from("(?s)^(?:");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            if let Some(next) = chars.next() {
                out.push_str(&regex::escape(&next.to_string()));
            }
            continue;
        }
        match c {
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' | '[' | ']' | '^' | '-' if similar => out.push(c),
            other => out.push_str(&regex::escape(&other.to_string())),
        }
    }
    out.push_str(")$");
    out
}

/// Returns an optional whole-number argument's value in a row.
fn optional(call: &Call, index: usize) -> Result<Option<datafusion::arrow::array::Int64Array>> {
    if call.len() > index {
        call.int(index).map(Some)
    } else {
        Ok(None)
    }
}

/// The letters of the last argument: `i` ignores case, `e` extracts a group.
fn flags(call: &Call, index: usize) -> Result<String> {
    if call.len() > index {
        Ok(call.constant(index)?.unwrap_or_default())
    } else {
        Ok(String::new())
    }
}

fn from_character(text: &str, position: i64) -> usize {
    text.char_indices()
        .nth((position - 1).max(0) as usize)
        .map_or(text.len(), |(byte, _)| byte)
}

fn inputs(call: &Call) -> Result<(StringArray, StringArray)> {
    Ok((call.text(0)?, call.text(1)?))
}

fn regexp_substr(call: &Call) -> Result<ArrayRef> {
    let (texts, wanted) = inputs(call)?;
    let (positions, occurrences) = (optional(call, 2)?, optional(call, 3)?);
    let letters = flags(call, 4)?;
    let mut patterns = Patterns::new(letters.contains('i'));
    call.texts(|row| {
        let (Some(text), Some(pattern)) = (at(&texts, row), at(&wanted, row)) else {
            return Ok(None);
        };
        let position = positions
            .as_ref()
            .and_then(|values| number_at(values, row))
            .unwrap_or(1);
        let occurrence = occurrences
            .as_ref()
            .and_then(|values| number_at(values, row))
            .unwrap_or(1)
            .max(1) as usize;
        let text = &text[from_character(text, position)..];
        let pattern = patterns.get(pattern)?;
        let found = if letters.contains('e') {
            pattern
                .captures_iter(text)
                .nth(occurrence - 1)
                .and_then(|groups| groups.get(1))
        } else {
            pattern.find_iter(text).nth(occurrence - 1)
        };
        // No match is an empty string, not null.
        Ok(Some(found.map_or(String::new(), |found| found.as_str().to_string())))
    })
}

fn regexp_count(call: &Call) -> Result<ArrayRef> {
    let (texts, wanted) = inputs(call)?;
    let positions = optional(call, 2)?;
    let mut patterns = Patterns::new(flags(call, 3)?.contains('i'));
    call.ints(|row| {
        let (Some(text), Some(pattern)) = (at(&texts, row), at(&wanted, row)) else {
            return Ok(None);
        };
        let position = positions
            .as_ref()
            .and_then(|values| number_at(values, row))
            .unwrap_or(1);
        Ok(Some(
            patterns
                .get(pattern)?
                .find_iter(&text[from_character(text, position)..])
                .count() as i64,
        ))
    })
}

fn regexp_instr(call: &Call) -> Result<ArrayRef> {
    let (texts, wanted) = inputs(call)?;
    let (positions, occurrences, options) = (optional(call, 2)?, optional(call, 3)?, optional(call, 4)?);
    let mut patterns = Patterns::new(flags(call, 5)?.contains('i'));
    call.ints(|row| {
        let (Some(text), Some(pattern)) = (at(&texts, row), at(&wanted, row)) else {
            return Ok(None);
        };
        let position = positions
            .as_ref()
            .and_then(|values| number_at(values, row))
            .unwrap_or(1);
        let occurrence = occurrences
            .as_ref()
            .and_then(|values| number_at(values, row))
            .unwrap_or(1)
            .max(1) as usize;
        let after = options.as_ref().and_then(|values| number_at(values, row)).unwrap_or(0) == 1;
        let from = from_character(text, position);
        let found = patterns.get(pattern)?.find_iter(&text[from..]).nth(occurrence - 1);
        Ok(Some(found.map_or(0, |found| {
            text[..from + if after { found.end() } else { found.start() }]
                .chars()
                .count() as i64
                + 1
        })))
    })
}

/// Replaces every match from a position on.
fn regexp_replace(call: &Call) -> Result<ArrayRef> {
    let (texts, wanted) = inputs(call)?;
    let news = if call.len() > 2 { Some(call.text(2)?) } else { None };
    let positions = optional(call, 3)?;
    let mut patterns = Patterns::new(flags(call, 4)?.contains('i'));
    call.texts(|row| {
        let (Some(text), Some(pattern)) = (at(&texts, row), at(&wanted, row)) else {
            return Ok(None);
        };
        let new = match &news {
            None => "",
            Some(news) => match at(news, row) {
                Some(new) => new,
                None => return Ok(None),
            },
        };
        let position = positions
            .as_ref()
            .and_then(|values| number_at(values, row))
            .unwrap_or(1);
        let from = from_character(text, position);
        // `$1` and `\1` both name a group.
        let mut template = String::new();
        let mut chars = new.chars().peekable();
        while let Some(c) = chars.next() {
            match (c, chars.peek()) {
                ('\\' | '$', Some(digit)) if digit.is_ascii_digit() => {
                    template.push_str(&format!("${{{digit}}}"));
                    chars.next();
                }
                ('$', _) => template.push_str("$$"),
                _ => template.push(c),
            }
        }
        Ok(Some(format!(
            "{}{}",
            &text[..from],
            patterns.get(pattern)?.replace_all(&text[from..], template.as_str())
        )))
    })
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_the_whole_text() {
        let matches = |pattern: &str, text: &str| {
            Regex::new(&wildcards(pattern, Some('\\'), false))
                .unwrap()
                .is_match(text)
        };
        assert!(matches("a%c_", "abbcd"));
        assert!(!matches("a.c", "abc"));
        assert!(matches(r"50\%", "50%"));
    }

    #[test]
    fn crc32_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
