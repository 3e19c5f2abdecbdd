//! Patterns: LIKE, SIMILAR TO, and the regexp_* functions.

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use regex::{Regex, RegexBuilder};

use super::{Call, Function, at, function, number_at, returns};
use crate::error::{Result, SqlError};

pub const FUNCTIONS: &[Function] = &[
    function("$like", (4, 4), returns::bool, like),
    function("$similar_to", (3, 3), returns::bool, similar_to),
    function("regexp_substr", (2, 5), returns::text, regexp_substr),
    function("regexp_count", (2, 4), returns::int4, regexp_count),
    function("regexp_instr", (2, 6), returns::int4, regexp_instr),
    function("regexp_replace", (2, 5), returns::text, regexp_replace),
];

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
                .map_err(invalid)?;
            self.last = Some((pattern.to_string(), compiled));
        }
        match &self.last {
            Some((_, compiled)) => Ok(compiled),
            None => Err(SqlError::internal("no pattern")),
        }
    }
}

fn invalid(error: regex::Error) -> SqlError {
    let said = error.to_string();
    let reason = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
    // Perl's expressions, which the parameter `p` allows, can do more than ours.
    match reason.contains("not supported") {
        true => SqlError::unsupported("look-around or a back reference in a regular expression").with_detail(reason),
        false => SqlError::new("2201B", format!("invalid regular expression: {reason}")),
    }
}

fn like(call: &Call) -> Result<ArrayRef> {
    let insensitive = call.bool(3)?.iter().next().flatten().unwrap_or(false);
    whole_text(call, insensitive, false)
}

fn similar_to(call: &Call) -> Result<ArrayRef> {
    whole_text(call, false, true)
}

/// Whether a text as a whole fits a pattern with wildcards.
fn whole_text(call: &Call, insensitive: bool, similar: bool) -> Result<ArrayRef> {
    let (texts, wanted, escapes) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let mut patterns = Patterns::new(insensitive);
    let (mut last, mut spelled) = (None, String::new());
    call.bools(|row| {
        let (Some(text), Some(pattern)) = (at(&texts, row), at(&wanted, row)) else {
            return Ok(None);
        };
        let escape = at(&escapes, row).and_then(|escape| escape.chars().next());
        if last != Some((pattern, escape)) {
            (last, spelled) = (Some((pattern, escape)), wildcards(pattern, escape, similar));
        }
        Ok(Some(patterns.get(&spelled)?.is_match(text)))
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
fn optional(call: &Call, index: usize) -> Result<Option<Int64Array>> {
    if call.len() > index {
        call.int(index).map(Some)
    } else {
        Ok(None)
    }
}

/// The letters of the last argument: `i` ignores case, `c` does not, `e` asks for a group, `p` for Perl's expressions.
fn flags(call: &Call, index: usize) -> Result<String> {
    if call.len() <= index {
        return Ok(String::new());
    }
    let letters = call.constant(index)?.unwrap_or_default();
    match letters.chars().find(|letter| !"ciep".contains(*letter)) {
        Some(other) => Err(SqlError::new(
            "22023",
            format!("invalid regular expression parameter \"{other}\""),
        )),
        None => Ok(letters),
    }
}

/// Returns the n-th match, or its first group where that is asked for and the pattern has one.
fn nth<'t>(pattern: &Regex, text: &'t str, occurrence: usize, letters: &str) -> Option<regex::Match<'t>> {
    match letters.contains('e') && pattern.captures_len() > 1 {
        true => pattern.captures_iter(text).nth(occurrence - 1)?.get(1),
        false => pattern.find_iter(text).nth(occurrence - 1),
    }
}

/// Which match is wanted, if a text can have so many.
fn occurrence_at(occurrences: &Option<Int64Array>, row: usize, text: &str) -> Option<usize> {
    let wanted = occurrences
        .as_ref()
        .and_then(|values| number_at(values, row))
        .unwrap_or(1);
    let wanted = usize::try_from(wanted).ok().filter(|wanted| *wanted >= 1)?;
    (wanted == 1 || wanted <= text.chars().count()).then_some(wanted)
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
        let Some(occurrence) = occurrence_at(&occurrences, row, text) else {
            return Ok(None);
        };
        let text = &text[from_character(text, position)..];
        let pattern = patterns.get(pattern)?;
        let found = nth(pattern, text, occurrence, &letters);
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
    let letters = flags(call, 5)?;
    let mut patterns = Patterns::new(letters.contains('i'));
    call.ints(|row| {
        let (Some(text), Some(pattern)) = (at(&texts, row), at(&wanted, row)) else {
            return Ok(None);
        };
        let position = positions
            .as_ref()
            .and_then(|values| number_at(values, row))
            .unwrap_or(1);
        let Some(occurrence) = occurrence_at(&occurrences, row, text) else {
            return Ok(Some(0));
        };
        let after = options.as_ref().and_then(|values| number_at(values, row)).unwrap_or(0) == 1;
        let from = from_character(text, position);
        let found = nth(patterns.get(pattern)?, &text[from..], occurrence, &letters);
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
}
