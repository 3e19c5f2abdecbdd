//! Texts put together from other columns: `{first_name|slug}{customer_id}@example.com`, `({area}) 555-01{##}`.

use crate::problem::{Problem, did_you_mean};
use std::ops::Range;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Literal(String),
    Column {
        name: String,
        span: Range<usize>,
        change: Change,
    },
    /// So many random digits.
    Digits(u8),
    /// So many random capital letters.
    Letters(u8),
}

/// How a column's text is changed on its way into a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Plain,
    Lower,
    Upper,
    /// Letters and digits only, lower case, no accents.
    Slug,
    /// The first letter.
    Initial,
    /// With leading zeros up to a width.
    Pad(u8),
}

const CHANGES: &[(&str, Change)] = &[
    ("lower", Change::Lower),
    ("upper", Change::Upper),
    ("slug", Change::Slug),
    ("initial", Change::Initial),
];

/// Reads a template; places in problems are shifted by `offset`.
pub(crate) fn parse(text: &str, offset: usize) -> Result<Vec<Piece>, Problem> {
    let problem = |at: Range<usize>, label: String| {
        Problem::new(
            "bad-template",
            "a template cannot be read",
            offset + at.start..offset + at.end,
            label,
        )
    };
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let Some(open) = rest.find(['{', '}']) else {
            pieces.push(Piece::Literal(rest.to_owned()));
            break;
        };
        if open > 0 {
            pieces.push(Piece::Literal(rest[..open].to_owned()));
        }
        let start = at + open;
        if text[start..].starts_with("{{") || text[start..].starts_with("}}") {
            pieces.push(Piece::Literal(text[start..=start].to_owned()));
            at = start + 2;
            continue;
        }
        if text[start..].starts_with('}') {
            return Err(problem(
                start..start + 1,
                "`}` without `{`; write `}}` for the sign itself".to_owned(),
            ));
        }
        let Some(length) = text[start..].find('}') else {
            return Err(problem(start..text.len(), "`{` is never closed".to_owned()));
        };
        let inner = &text[start + 1..start + length];
        let span = offset + start..offset + start + length + 1;
        pieces.push(piece(inner, span)?);
        at = start + length + 1;
    }
    Ok(pieces)
}

fn piece(inner: &str, span: Range<usize>) -> Result<Piece, Problem> {
    let problem = |label: String| Problem::new("bad-template", "a template cannot be read", span.clone(), label);
    let run = |sign: char| !inner.is_empty() && inner.chars().all(|c| c == sign);
    if run('#') || run('?') {
        let limit = if run('#') { 18 } else { 12 };
        if inner.len() > limit {
            return Err(problem(format!("at most {limit} of these in one place")));
        }
        let count = inner.len() as u8;
        return Ok(if run('#') {
            Piece::Digits(count)
        } else {
            Piece::Letters(count)
        });
    }
    let (name, change) = match inner.split_once('|') {
        Some((name, change)) => match CHANGES.iter().find(|(known, _)| *known == change) {
            Some((_, change)) => (name, *change),
            None => {
                let mut problem = problem(format!("`{change}` is none of lower, upper, slug, initial"));
                problem.hint = did_you_mean(change, CHANGES.iter().map(|(name, _)| *name));
                return Err(problem);
            }
        },
        None => match inner.split_once(':') {
            Some((name, width)) => match width.parse::<u8>() {
                Ok(width @ 1..=18) => (name, Change::Pad(width)),
                _ => return Err(problem("a width is a number from 1 to 18".to_owned())),
            },
            None => (inner, Change::Plain),
        },
    };
    if name.is_empty() {
        return Err(problem("a column's name is missing".to_owned()));
    }
    Ok(Piece::Column {
        name: name.to_owned(),
        span,
        change,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_in_order() {
        let pieces = parse("{{{a|slug}-{b:4}{##}{???}}}", 0).expect("a template");
        let column = |piece: &Piece| match piece {
            Piece::Column { name, change, .. } => format!("{name} {change:?}"),
            other => format!("{other:?}"),
        };
        let shown: Vec<String> = pieces.iter().map(column).collect();
        assert_eq!(
            shown,
            [
                "Literal(\"{\")",
                "a Slug",
                "Literal(\"-\")",
                "b Pad(4)",
                "Digits(2)",
                "Letters(3)",
                "Literal(\"}\")"
            ]
        );
    }

    #[test]
    fn mistakes_name_their_place() {
        for text in ["{", "}", "{}", "{a|slugg}", "{a:99}", "{###################}"] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
        let problem = parse("x{a|slugg}", 10).expect_err("no such change");
        assert_eq!(
            (problem.span, problem.hint.as_deref()),
            (11..20, Some("did you mean `slug`?"))
        );
    }
}
