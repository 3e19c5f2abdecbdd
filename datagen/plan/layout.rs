//! How a table's rows are cut into files and parts, by size, day and object, and which of them belong to a share.

use super::{FilePlan, Options, TablePlan};
use crate::calendar::{Timeline, format_date};
use crate::compile::Compiled;
use crate::definition::{Format, Layout};
use crate::kernel::{BLOCK, Block};
use crate::text::PlainText;
use std::ops::Range;

pub(super) fn files(
    table: &TablePlan,
    layout: &Layout,
    days: Option<&(&Timeline, Range<usize>)>,
    options: &Options,
) -> Vec<FilePlan> {
    // Parquet compresses inside the file, and its parts cannot be told apart from outside.
    let (packed, part_bytes) = match table.format {
        Format::Parquet => ("", u64::MAX),
        _ => (options.compression.suffix(), options.part_bytes),
    };
    let suffix = format!("{}{packed}", table.format.extension());
    let mut files = Vec::new();
    let mut cut = |rows: Range<u64>, multiple: u32, key: &dyn Fn(u64) -> String| {
        let count = rows.end - rows.start;
        let pieces = pieces(count, options.target_bytes, table.row_bytes, multiple);
        for index in 0..pieces {
            let rows = piece(&rows, index, pieces);
            let count = rows.end - rows.start;
            let parts = self::pieces(count, part_bytes, table.row_bytes, 1);
            let parts = (0..parts).map(|part| piece(&rows, part, parts)).collect();
            files.push(FilePlan {
                key: key(index),
                rows,
                parts,
            });
        }
    };
    let (folder, name) = (&table.folder, &table.name);
    match (layout, days) {
        (Layout::Days, Some((timeline, days))) => {
            for day in days.clone() {
                let rows = timeline.rows_of(day);
                let date = format_date(timeline.first + day as i64);
                if !rows.is_empty() {
                    cut(rows, 1, &|index| {
                        format!("{folder}/dt={date}/{name}-{index:05}.{suffix}")
                    });
                }
            }
        }
        (Layout::DayPath(path), Some((timeline, days))) => {
            for day in days.clone() {
                let rows = timeline.rows_of(day);
                let date = format_date(timeline.first + day as i64);
                let path = path
                    .replace("{date}", &date)
                    .replace("{year}", &date[0..4])
                    .replace("{month}", &date[5..7])
                    .replace("{day}", &date[8..10]);
                if !rows.is_empty() {
                    cut(rows, 1, &|index| {
                        let more = if index == 0 { String::new() } else { format!("-{index}") };
                        format!("{folder}/{path}{more}.{suffix}")
                    });
                }
            }
        }
        _ => {
            let rows = match days {
                Some((timeline, days)) => timeline.rows_of(days.start).start..timeline.rows_of(days.end - 1).end,
                None => 0..table.rows,
            };
            let batch = match (options.days, days) {
                (Some((first, last)), Some(_)) if first == last => format!("{}-", format_date(first)),
                (Some((first, last)), Some(_)) => format!("{}-{}-", format_date(first), format_date(last)),
                _ => String::new(),
            };
            cut(rows, options.files_multiple, &|index| {
                format!("{folder}/{name}-{batch}{index:05}.{suffix}")
            });
        }
    }
    files
}

/// One object for each row, at the path that a column tells.
pub(super) fn objects(table: &TablePlan, (compiled, path): &(Compiled, PlainText), options: &Options) -> Vec<FilePlan> {
    let suffix = format!("{}{}", table.format.extension(), options.compression.suffix());
    let mut block = Block::new(compiled.nodes.len());
    let mut scratch = path.scratch();
    let mut files = Vec::new();
    for start in (0..table.rows).step_by(BLOCK) {
        block.fill(&compiled.nodes, start);
        for row in start..(start + BLOCK as u64).min(table.rows) {
            let end = path.write(&block, (row - start) as usize, &mut scratch);
            let name = String::from_utf8_lossy(&scratch[..end]);
            let key = format!("{}/{name}.{suffix}", table.folder);
            #[expect(clippy::single_range_in_vec_init, reason = "one part, which is a range of rows")]
            files.push(FilePlan {
                key,
                rows: row..row + 1,
                parts: vec![row..row + 1],
            });
        }
    }
    files
}

/// Objects of one row each; more would be a burden for the plan and for those who list them.
pub(super) const MOST_OBJECTS: u64 = 1_000_000;

/// Returns into how many pieces of about `target` bytes `rows` are cut; at least one, so that every table has a
/// file even with no rows.
fn pieces(rows: u64, target: u64, row_bytes: f64, multiple: u32) -> u64 {
    let each = ((target.max(1) as f64 / row_bytes) as u64).max(1);
    let pieces = rows.div_ceil(each).max(1);
    let multiple = u64::from(multiple.max(1));
    if pieces == 1 {
        1
    } else {
        pieces.div_ceil(multiple).saturating_mul(multiple).min(rows)
    }
}

fn piece(rows: &Range<u64>, index: u64, of: u64) -> Range<u64> {
    let count = u128::from(rows.end - rows.start);
    let at = |index: u64| rows.start + (count * u128::from(index) / u128::from(of)) as u64;
    at(index)..at(index + 1)
}

/// Keeps the files whose middle byte falls into the share. Every file is in exactly one share of any number of
/// them.
pub(super) fn keep_share(tables: &mut [TablePlan], index: u64, of: u64) {
    let weight = |table: &TablePlan, file: &FilePlan| {
        u128::from(file.rows.end - file.rows.start) * (table.row_bytes * 16.0) as u128 + 1
    };
    let total: u128 = tables
        .iter()
        .map(|t| t.files.iter().map(|f| weight(t, f)).sum::<u128>())
        .sum();
    let mut before = 0u128;
    for table in tables {
        let mut files = std::mem::take(&mut table.files);
        files.retain(|file| {
            let own = weight(table, file);
            let middle = before + own / 2;
            before += own;
            let share = middle.saturating_mul(u128::from(of)) / total;
            share == u128::from(index) - 1
        });
        table.files = files;
    }
}
