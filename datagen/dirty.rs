//! Mistakes put into clean rows on purpose, so that data-quality tests can be tested. They are drawn from keys of
//! their own: rows that are not touched keep their bytes, and the truth about the others can be told exactly.

use crate::compile::{Compiled, Form};
use crate::definition::{Column, Format, Generator, Type};
use crate::draw::Key;
use serde::{Deserialize, Serialize};

/// One mistake put in on purpose: a line of the truth file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dirt {
    /// Table of the row.
    pub table: String,
    /// Number of the row in its table, from 0.
    pub row: u64,
    /// Column of the value; none when the whole row is there twice.
    pub column: Option<String>,
    /// What was done.
    pub kind: DirtKind,
    /// The clean value as it would have been written.
    pub original: Option<String>,
}

/// The kinds of mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirtKind {
    /// The row is written twice.
    Duplicate,
    /// A date that no calendar has.
    BadDate,
    /// A reference to a row that does not exist.
    Orphan,
    /// Blanks around a text.
    Whitespace,
    /// A text in the wrong case.
    WrongCase,
}

/// What can go wrong in one table, and how often.
#[derive(Debug)]
pub(crate) struct Dirty {
    key: Key,
    /// Of 2^32.
    threshold: u64,
    /// The mistakes this table can have; column places are among the visible ones.
    mistakes: Vec<(DirtKind, usize)>,
}

impl Dirty {
    /// Returns what can go wrong with these columns; `share` of the rows will have a mistake.
    pub(crate) fn new(key: Key, share: f64, format: &Format, columns: &[&Column], compiled: &Compiled) -> Self {
        let mut mistakes = vec![(DirtKind::Duplicate, 0)];
        for (place, (column, made)) in columns.iter().zip(&compiled.columns).enumerate() {
            let refers = column.references.is_some() || matches!(column.generator.value, Generator::Ref { .. });
            match (&made.form, column.kind) {
                (_, Type::SmallInt | Type::Int | Type::BigInt) if refers => mistakes.push((DirtKind::Orphan, place)),
                (Form::Value(_), Type::Date | Type::Timestamp) => mistakes.push((DirtKind::BadDate, place)),
                (Form::Pool(_) | Form::Template(_), Type::Text) => {
                    mistakes.push((DirtKind::Whitespace, place));
                    mistakes.push((DirtKind::WrongCase, place));
                }
                _ => {}
            }
        }
        // Parquet columns are typed, and only a row written twice survives that; the plan refuses it before.
        debug_assert_ne!(*format, Format::Parquet, "dirt is for text formats");
        Self {
            key,
            threshold: (share * 4_294_967_296.0) as u64,
            mistakes,
        }
    }

    /// Returns the mistake of a row, if it has one.
    #[inline]
    pub(crate) fn of(&self, row: u64) -> Option<(DirtKind, usize)> {
        let is_dirty = self.key.draw(row) >> 32 < self.threshold;
        is_dirty.then(|| self.mistakes[self.key.other(1).below(row, self.mistakes.len() as u64) as usize])
    }

    /// Returns the spoilt text of a clean value, or nothing when this value cannot be spoilt this way.
    pub(crate) fn spoil(&self, kind: DirtKind, row: u64, clean: &str) -> Option<String> {
        let spoilt = match kind {
            DirtKind::Duplicate => return None,
            DirtKind::BadDate => {
                // The 45th of a month, in whatever order the parts stand.
                let at = clean
                    .rfind('-')
                    .map(|at| at + 1)
                    .or_else(|| clean.find('/').map(|at| at + 1))?;
                let end = (at + 2).min(clean.len());
                clean.get(at..end)?;
                format!("{}45{}", &clean[..at], &clean[end..])
            }
            // Far beyond any key a table can have, and different each time.
            DirtKind::Orphan => format!("{}", 900_000_000_000_000 + self.key.other(2).below(row, 99_999_999)),
            DirtKind::Whitespace => match self.key.other(3).below(row, 3) {
                0 => format!(" {clean}"),
                1 => format!("{clean}  "),
                _ => format!(" {clean} "),
            },
            DirtKind::WrongCase => {
                let upper = clean.to_uppercase();
                if upper == clean { clean.to_lowercase() } else { upper }
            }
        };
        (!clean.is_empty() && spoilt != clean).then_some(spoilt)
    }
}
