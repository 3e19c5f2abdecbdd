//! What cannot be done, found before a byte is written: numbers of rows that depend on each other, keys that do not
//! fit their range, references to empty tables, options outside the calendar.

use super::Options;
use crate::calendar::format_date;
use crate::definition::{Dataset, Format, Generator, Rows, Type};
use crate::problem::Problem;

/// Returns the rows of each table.
pub(super) fn table_rows(dataset: &Dataset, asked: u64) -> Result<Vec<u64>, Vec<Problem>> {
    let mut rows: Vec<Option<u64>> = vec![None; dataset.tables.len()];
    // Each round settles at least one table; what is left after that many rounds waits for itself.
    for _ in 0..=dataset.tables.len() {
        for (index, table) in dataset.tables.iter().enumerate() {
            rows[index] = match &table.rows {
                Rows::Fixed(count) => Some(*count),
                Rows::Asked => Some(asked),
                Rows::PerDay => Some(dataset.calendar.days()),
                Rows::Share { billionths, min, max } => {
                    let share = u128::from(asked) * u128::from(*billionths) / 1_000_000_000;
                    Some((share as u64).clamp(*min, *max))
                }
                Rows::Each { table: of, each } => dataset
                    .tables
                    .iter()
                    .position(|t| t.name.value == of.value)
                    .and_then(|parent| rows[parent])
                    .map(|parent| parent.saturating_mul(*each)),
            };
        }
    }
    let mut problems = Vec::new();
    for (table, rows) in dataset.tables.iter().zip(&rows) {
        match rows {
            None => problems.push(Problem::new(
                "cyclic-reference",
                "numbers of rows depend on each other in a circle",
                table.name.span.clone(),
                "this table's number of rows comes back to itself",
            )),
            Some(rows) if *rows > MOST_ROWS => problems.push(
                Problem::new(
                    "too-many-rows",
                    "a table is too long",
                    table.name.span.clone(),
                    format!("{rows} rows, and {MOST_ROWS} are the most"),
                )
                .hint("ask for fewer rows"),
            ),
            Some(_) => {}
        }
    }
    if problems.is_empty() {
        Ok(rows.into_iter().flatten().collect())
    } else {
        Err(problems)
    }
}

/// Row numbers share a word with versions of changing rows; ten thousand billion rows are enough.
const MOST_ROWS: u64 = 10_000_000_000_000;

/// Returns what cannot be done with this many rows.
pub(super) fn feasible(dataset: &Dataset, rows: &[u64]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (table, &count) in dataset.tables.iter().zip(rows) {
        for column in &table.columns {
            let name = format!("`{}.{}`", table.name.value, column.name.value);
            match &column.generator.value {
                Generator::Unique { min, max } => {
                    let domain = max.wrapping_sub(*min) as u64;
                    if count > domain.saturating_add(1) {
                        problems.push(
                            Problem::new(
                                "impossible-unique",
                                "there are fewer unique values than rows",
                                column.generator.span.clone(),
                                format!("{name} has {} values for {count} rows", domain.saturating_add(1)),
                            )
                            .hint("widen `min` and `max`, or ask for fewer rows"),
                        );
                    }
                }
                Generator::Sequence { start, step } => {
                    let limit = match column.kind {
                        Type::SmallInt => i128::from(i16::MAX),
                        Type::Int => i128::from(i32::MAX),
                        Type::Decimal { precision, .. } => 10i128.pow(u32::from(precision)) - 1,
                        _ => i128::from(i64::MAX),
                    };
                    let last = i128::from(*start) + i128::from(*step) * i128::from(count.saturating_sub(1));
                    if last.abs() > limit {
                        problems.push(
                            Problem::new(
                                "impossible-unique",
                                "a sequence does not fit its type",
                                column.generator.span.clone(),
                                format!("{name} reaches {last}, too large for {}", column.kind.name()),
                            )
                            .hint("write `type = \"bigint\"`"),
                        );
                    }
                }
                Generator::Ref { target, .. } => {
                    let parent = target.value.split_once('.').map_or("", |(parent, _)| parent);
                    let empty = dataset
                        .tables
                        .iter()
                        .zip(rows)
                        .any(|(t, rows)| t.name.value == parent && *rows == 0);
                    if empty && count > 0 {
                        problems.push(Problem::new(
                            "empty-parent",
                            "rows refer to a table without rows",
                            target.span.clone(),
                            format!("{name} has {count} rows, `{parent}` has none"),
                        ));
                    }
                }
                _ => {}
            }
        }
    }
    problems
}

/// Returns what is wrong with the options themselves.
pub(super) fn asked(dataset: &Dataset, options: &Options) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |code, message: &str, label: String| problems.push(Problem::new(code, message, 0..0, label));
    if let Some((first, last)) = options.days {
        let (from, to) = (dataset.calendar.first, dataset.calendar.last);
        if first > last {
            problem(
                "bad-range",
                "a range of days is empty",
                "it ends before it begins".to_owned(),
            );
        } else if first < from || last > to {
            let label = format!("the dataset spans {} to {}", format_date(from), format_date(to));
            problem("bad-range", "days are outside the calendar", label);
        }
    }
    if !(0.0..=1.0).contains(&options.dirty) {
        problem(
            "bad-range",
            "a share is out of range",
            "`dirty` is between 0 and 100 %".to_owned(),
        );
    }
    let columnar =
        |table: &crate::definition::Table| *options.format.as_ref().unwrap_or(&table.format) == Format::Parquet;
    if options.dirty > 0.0 && dataset.tables.iter().any(columnar) {
        let label = "Parquet columns are typed: a bad date or an orphan text cannot be written".to_owned();
        problem("dirty-parquet", "mistakes can only be put into text formats", label);
    }
    if let Some((index, of)) = options.part
        && (index == 0 || index > of)
    {
        problem(
            "bad-range",
            "a share does not exist",
            format!("there is no part {index} of {of}"),
        );
    }
    for name in &options.tables {
        if !dataset.table_names().any(|known| known == name) {
            let known: Vec<&str> = dataset.table_names().collect();
            problem(
                "unknown-table",
                "a table does not exist",
                format!("`{name}` is none of {}", known.join(", ")),
            );
        }
    }
    problems
}
