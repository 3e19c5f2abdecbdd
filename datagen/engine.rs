//! Makes the bytes of rows: draws blocks, writes them as text or Parquet, puts mistakes in when asked, compresses.
//! Bytes go to a sink a block at a time, while they are still in the cache.

use crate::columnar::ColumnarWriter;
use crate::compile::Compiled;
use crate::compression::Compression;
use crate::dirty::{Dirt, DirtKind, Dirty};
use crate::kernel::{BLOCK, Block};
use crate::text::TextWriter;
use std::io::Write;
use std::ops::Range;

/// Everything that makes the rows of one table.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Name of the table, for those who are told of its mistakes.
    pub(crate) name: String,
    pub(crate) compiled: Compiled,
    pub(crate) writer: Writer,
    pub(crate) compression: Compression,
    pub(crate) dirty: Option<Dirty>,
}

#[derive(Debug)]
pub(crate) enum Writer {
    Text(TextWriter),
    Columnar(Box<ColumnarWriter>),
}

impl Engine {
    /// Writes these rows, with the header line if this is where a file begins, and returns how many rows there are
    /// then: those that are there twice on purpose count twice.
    pub(crate) fn write(
        &self,
        rows: Range<u64>,
        header: bool,
        out: &mut (impl Write + Send),
        truth: &mut Vec<Dirt>,
    ) -> u64 {
        let known = truth.len();
        match &self.writer {
            Writer::Columnar(writer) => writer.write(&self.compiled, rows.clone(), out),
            Writer::Text(writer) => {
                let mut packer = self.compression.packer(out);
                if header {
                    packer.write(writer.header());
                }
                self.text(writer, rows.clone(), truth, |text| packer.write(text));
                packer.finish();
            }
        }
        let twice = truth[known..].iter().filter(|dirt| dirt.kind == DirtKind::Duplicate);
        rows.end - rows.start + twice.count() as u64
    }

    fn text(&self, writer: &TextWriter, rows: Range<u64>, truth: &mut Vec<Dirt>, mut out: impl FnMut(&[u8])) {
        let mut block = Block::new(self.compiled.nodes.len());
        let mut scratch = writer.scratch();
        let mut spoilt = Vec::new();
        for start in rows.clone().step_by(BLOCK) {
            let count = (rows.end - start).min(BLOCK as u64) as usize;
            block.fill(&self.compiled.nodes, start);
            match &self.dirty {
                Some(dirty) if (start..start + count as u64).any(|row| dirty.of(row).is_some()) => {
                    spoilt.clear();
                    for index in 0..count {
                        self.dirty_row(writer, dirty, &block, (start, index), &mut spoilt, truth);
                    }
                    out(&spoilt);
                }
                _ => writer.write(&block, count, &mut scratch, &mut out),
            }
        }
    }

    fn dirty_row(
        &self,
        writer: &TextWriter,
        dirty: &Dirty,
        block: &Block,
        (start, index): (u64, usize),
        out: &mut Vec<u8>,
        truth: &mut Vec<Dirt>,
    ) {
        let row = start + index as u64;
        let (kind, place) = dirty.of(row).unzip();
        let clean = out.len();
        let spoil = |text: &str| dirty.spoil(kind?, row, text);
        let place = place.unwrap_or(0);
        let original = writer.write_spoilt(block, index, place, out, spoil);
        let column = original.as_ref().map(|_| writer.column_name(place).to_owned());
        if kind == Some(DirtKind::Duplicate) {
            out.extend_from_within(clean..);
        }
        if let Some(kind) = kind.filter(|kind| *kind == DirtKind::Duplicate || original.is_some()) {
            truth.push(Dirt {
                table: self.name.clone(),
                row,
                column,
                kind,
                original,
            });
        }
    }

    /// Measures how long rows are in a file, on samples from all over the table.
    pub(crate) fn row_bytes(&self, rows: u64) -> f64 {
        const SAMPLES: u64 = 16;
        let mut sampled = 0;
        let mut plain = Vec::new();
        for sample in 0..SAMPLES {
            let start = (u128::from(rows) * u128::from(sample) / u128::from(SAMPLES)) as u64;
            match &self.writer {
                Writer::Text(writer) => {
                    let end = (start + BLOCK as u64).min(rows);
                    self.text(writer, start..end, &mut Vec::new(), |text| {
                        plain.extend_from_slice(text)
                    });
                    sampled += end - start;
                }
                // A small file is mostly footer, so Parquet is judged by longer runs at fewer places.
                Writer::Columnar(writer) if sample % 8 == 0 => {
                    let end = (start + 32 * BLOCK as u64).min(rows);
                    writer.write(&self.compiled, start..end, &mut plain);
                    sampled += end - start;
                }
                Writer::Columnar(_) => {}
            }
        }
        if sampled == 0 {
            return 1.0;
        }
        if matches!(self.writer, Writer::Text(_)) && self.compression != Compression::None {
            let mut packed = Vec::new();
            self.compression.pack(&plain, &mut packed);
            return (packed.len() as f64 / sampled as f64).max(1.0);
        }
        plain.len() as f64 / sampled as f64
    }
}

#[cfg(test)]
mod tests {
    use crate::{Csv, Dataset, Format, Options};

    #[test]
    fn the_widest_instructions_change_no_byte() {
        let dataset = Dataset::builtin("banking").expect("it is shipped");
        for format in [Format::Csv(Csv::default()), Format::JsonLines] {
            let plan = dataset
                .plan(&Options {
                    rows: 3_000,
                    format: Some(format),
                    ..Options::default()
                })
                .expect("a plan");
            for table in 0..plan.tables.len() {
                let bytes = || {
                    let mut out = Vec::new();
                    plan.write_part(table, 0, 0, &mut out);
                    out
                };
                assert!(bytes() == crate::wide::narrowest(bytes), "{}", plan.tables[table].name);
            }
        }
    }
}
