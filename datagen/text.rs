//! Writes blocks of drawn values as delimited text or JSON lines. Everything that does not change from row to row
//! (keys, delimiters, quoting, pool texts) is prepared once, so that a row is a run of short fixed-size copies.

use crate::compile::{Compiled, Made};
use crate::definition::{Column, Format};
use crate::digits::Dates;
use crate::kernel::{Block, Slot};
use cells::Cells;
use dialect::{Dialect, Field};
use steps::{Program, SLACK};

mod cells;
mod dialect;
mod steps;

/// Writes the bare text of one column that is put together for each row.
#[derive(Debug)]
pub(crate) struct PlainText(Program);

impl PlainText {
    pub(crate) fn new(made: &Made) -> Self {
        Self(Program::new(dialect::bare(made)))
    }

    /// Returns room for one text.
    pub(crate) fn scratch(&self) -> Vec<u8> {
        vec![0; self.0.longest() + SLACK]
    }

    /// Writes the text of one row and returns its length. The row must not be null.
    pub(crate) fn write(&self, block: &Block, row: usize, scratch: &mut [u8]) -> usize {
        self.0.put(block, row, scratch, 0, Dates::new())
    }
}

/// Writes the rows of one table as text.
#[derive(Debug)]
pub(crate) struct TextWriter {
    row: Program,
    header: Vec<u8>,
    /// Each field by itself, to write rows with mistakes; empty when none are asked for.
    fields: Vec<Single>,
    dialect: Dialect,
}

/// Room for rows on their way out: for some side by side, or for a very long one.
#[derive(Debug)]
pub(crate) enum Scratch {
    Cells(Cells),
    Row(Vec<u8>),
}

/// One field by itself.
#[derive(Debug)]
struct Single {
    name: String,
    slot: Slot,
    program: Program,
    /// Bytes before and after the value.
    around: (usize, usize),
}

impl TextWriter {
    /// `spoilt` is whether `write_spoilt` will be called.
    pub(crate) fn new(format: &Format, columns: &[&Column], compiled: &Compiled, spoilt: bool) -> Self {
        let dialect = match format {
            Format::Csv(csv) => Dialect::Csv(csv.clone()),
            Format::JsonLines | Format::Parquet => Dialect::Json,
        };
        let last = columns.len() - 1;
        let fields = || {
            let columns = columns.iter().zip(&compiled.columns).enumerate();
            columns.map(|(place, (column, made))| dialect.field(column, made, (place == 0, place == last)))
        };
        let singles = fields().zip(columns).zip(&compiled.columns).filter(|_| spoilt);
        Self {
            row: Program::new(fields().flat_map(|field| field.items).collect()),
            header: dialect.header(columns),
            fields: singles
                .map(|((Field { items, around }, column), made)| Single {
                    name: column.name.value.clone(),
                    slot: made.slot,
                    program: Program::new(items),
                    around,
                })
                .collect(),
            dialect,
        }
    }

    pub(crate) fn header(&self) -> &[u8] {
        &self.header
    }

    pub(crate) fn column_name(&self, place: usize) -> &str {
        &self.fields[place].name
    }

    /// Returns room for a few rows; pass it to `write` again and again.
    pub(crate) fn scratch(&self) -> Scratch {
        let longest = self.row.longest();
        Cells::new(longest).map_or_else(|| Scratch::Row(vec![0; longest + SLACK]), Scratch::Cells)
    }

    /// Writes the first `count` rows of a block by way of `scratch`.
    pub(crate) fn write(&self, block: &Block, count: usize, scratch: &mut Scratch, out: &mut impl FnMut(&[u8])) {
        match scratch {
            Scratch::Cells(cells) => cells.write(self.row.steps(), block, count, out),
            Scratch::Row(room) => {
                let dates = Dates::new();
                for row in 0..count {
                    let end = self.row.put(block, row, room, 0, dates);
                    out(&room[..end]);
                }
            }
        }
    }

    /// Writes one row, with one field's value replaced by what `spoil` makes of its text. Returns what the text was
    /// if it was replaced.
    pub(crate) fn write_spoilt(
        &self,
        block: &Block,
        row: usize,
        place: usize,
        out: &mut Vec<u8>,
        spoil: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let dates = Dates::new();
        let mut scratch = vec![0; self.row.longest() + SLACK];
        let mut original = None;
        for (index, field) in self.fields.iter().enumerate() {
            let end = field.program.put(block, row, &mut scratch, 0, dates);
            let whole = &scratch[..end];
            let (before, after) = field.around;
            if index == place
                && block.lane(field.slot)[row] != crate::expr::NULL
                && let Ok(written) = std::str::from_utf8(&whole[before..end - after])
                && let text = self.dialect.read(written)
                && let Some(spoilt) = spoil(&text)
            {
                out.extend_from_slice(&whole[..before]);
                out.extend_from_slice(&self.dialect.rewrite(&spoilt, written));
                out.extend_from_slice(&whole[end - after..]);
                original = Some(text);
            } else {
                out.extend_from_slice(whole);
            }
        }
        original
    }
}
