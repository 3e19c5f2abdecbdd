//! Joins a dataset with what is asked for into a plan: every table's rows, files and parts, decided before the
//! first byte. A plan does no work by itself; `write_part` makes any part of it, alone, on any thread.

use crate::calendar::{Timeline, format_date};
use crate::checksum::crc64nvme;
use crate::columnar::ColumnarWriter;
use crate::compile::{self, Compiled, Form, Segment, Surroundings};
use crate::definition::{Column, Dataset, Format, Generator, Layout, Rows, Type};
use crate::dirty::{Dirt, DirtKind, Dirty};
use crate::draw::{GENERATOR, Key};
use crate::kernel::{BLOCK, Block};
use crate::pool::Pool;
use crate::problem::Problem;
use crate::text::{PlainText, TextWriter};
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

/// What is asked of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Rows of the tables whose size follows this number: the facts.
    pub rows: u64,
    /// Same seed, same bytes.
    pub seed: u64,
    /// Bytes a file should have, after compression.
    pub target_bytes: u64,
    /// Bytes a part should have, after compression. Uploads to S3 need 5 MiB at least.
    pub part_bytes: u64,
    /// Files of a table are rounded up to a multiple of this, once there is more than one: the slices of a cluster.
    pub files_multiple: u32,
    /// How files are compressed.
    pub compression: Compression,
    /// Format of all tables instead of their own.
    pub format: Option<Format>,
    /// First and last day, as day numbers: only the rows of these days, and dimensions as they are on the last one.
    pub days: Option<(i64, i64)>,
    /// Only the files of the `i`-th of `n` shares, from 1: `Some((1, n))` to `Some((n, n))` make the whole.
    pub part: Option<(u64, u64)>,
    /// Only these tables; all when empty.
    pub tables: Vec<String>,
    /// Share of the rows of every table that get a mistake on purpose.
    pub dirty: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: 10_000,
            seed: 42,
            target_bytes: 256 << 20,
            part_bytes: 16 << 20,
            files_multiple: 1,
            compression: Compression::None,
            format: None,
            days: None,
            part: None,
            tables: Vec::new(),
            dirty: 0.0,
        }
    }
}

/// How files are compressed. Every part is a whole member or frame, and readers accept them one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all. Parquet files compress their pages with snappy all the same.
    None,
    /// Gzip, level 1.
    Gzip,
    /// Zstandard, level 1.
    Zstd,
}

impl Compression {
    fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Adds `bytes` to `out`, compressed as one whole.
    pub fn pack(self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut packer = self.packer(out);
        packer.write(bytes);
        packer.finish();
    }

    fn packer(self, out: &mut Vec<u8>) -> Packer<'_> {
        match self {
            Self::None => Packer::Plain(out),
            Self::Gzip => Packer::Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::fast())),
            Self::Zstd => Packer::Zstd(zstd::stream::Encoder::new(out, 1).expect("level 1 exists")),
        }
    }
}

/// Rows compressed at a time.
const STRETCH: u64 = 4_096;

enum Packer<'a> {
    Plain(&'a mut Vec<u8>),
    Gzip(flate2::write::GzEncoder<&'a mut Vec<u8>>),
    Zstd(zstd::stream::Encoder<'static, &'a mut Vec<u8>>),
}

impl Packer<'_> {
    fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(out) => out.extend_from_slice(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes).expect("memory takes every byte"),
            Self::Zstd(encoder) => encoder.write_all(bytes).expect("memory takes every byte"),
        }
    }

    fn finish(self) {
        match self {
            Self::Plain(_) => {}
            Self::Gzip(encoder) => drop(encoder.finish().expect("memory takes every byte")),
            Self::Zstd(encoder) => drop(encoder.finish().expect("memory takes every byte")),
        }
    }
}

/// Everything that will be written.
#[derive(Debug)]
pub struct Plan {
    /// Name of the dataset.
    pub dataset: String,
    /// What was asked for.
    pub options: Options,
    /// The tables, in the dataset's order.
    pub tables: Vec<TablePlan>,
    /// Files that are written as they stand: key and text.
    pub extras: Vec<(String, String)>,
    engines: Vec<Engine>,
    fingerprint: String,
}

/// One table of a plan.
#[derive(Debug, Clone)]
pub struct TablePlan {
    /// Name of the table.
    pub name: String,
    /// Folder of its files, relative to the run's prefix.
    pub folder: String,
    /// Format of its files.
    pub format: Format,
    /// Columns in order.
    pub columns: Vec<ColumnPlan>,
    /// Rows of the whole table as planned, also when only a share of its files is written.
    pub rows: u64,
    /// About how many bytes a row takes in a file.
    pub row_bytes: f64,
    /// Its files.
    pub files: Vec<FilePlan>,
}

/// One column of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPlan {
    /// Name of the column.
    pub name: String,
    /// Logical type, as in the definition.
    pub kind: String,
    /// Type a crawler finds in the files.
    pub glue_type: String,
    /// Whether there can be nulls.
    pub nullable: bool,
    /// `table.column` it refers to.
    pub references: Option<String>,
}

/// One file of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePlan {
    /// Key relative to the run's prefix.
    pub key: String,
    /// Rows of the table in this file.
    pub rows: Range<u64>,
    /// The rows of each part; one after the other the parts are the file.
    pub parts: Vec<Range<u64>>,
}

/// What a part came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartStats {
    /// Rows written.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
}

#[derive(Debug)]
struct Engine {
    compiled: Compiled,
    writer: Writer,
    dirty: Option<Dirty>,
}

#[derive(Debug)]
enum Writer {
    Text(TextWriter),
    Columnar(Box<ColumnarWriter>),
}

impl Dataset {
    /// Joins this dataset with what is asked for.
    ///
    /// # Errors
    /// Every reason why it cannot be done, before a byte is written: keys that do not fit their range, references to
    /// empty tables, days outside the calendar.
    pub fn plan(&self, options: &Options) -> Result<Plan, Vec<Problem>> {
        let rows = table_rows(self, options.rows)?;
        let mut problems = feasible(self, &rows);
        problems.extend(asked(self, options));
        if !problems.is_empty() {
            return Err(problems);
        }
        let last = options.days.map_or(self.calendar.last, |(_, last)| last);
        let timelines: Vec<Option<Arc<Timeline>>> = self
            .tables
            .iter()
            .zip(&rows)
            .map(|(table, rows)| table.by_day.then(|| Arc::new(Timeline::new(&self.calendar, *rows))))
            .collect();
        let surroundings = Surroundings {
            dataset: self,
            seed: options.seed,
            rows: &rows,
            as_of: (last - self.calendar.first).max(0) as u64,
            timelines: &timelines,
        };
        let mut plan = Plan {
            dataset: self.name.clone(),
            options: options.clone(),
            tables: Vec::new(),
            extras: if options.part.is_none_or(|(index, _)| index == 1) {
                self.files.clone()
            } else {
                Vec::new()
            },
            engines: Vec::new(),
            fingerprint: String::new(),
        };
        let mut pools = Vec::new();
        for (index, table) in self.tables.iter().enumerate() {
            if table.internal || !options.tables.is_empty() && !options.tables.contains(&table.name.value) {
                continue;
            }
            let compiled = compile::table(&surroundings, index);
            compiled
                .columns
                .iter()
                .for_each(|made| pool_checksums(&made.form, &mut pools));
            let visible: Vec<&Column> = table.columns.iter().filter(|column| !column.hidden).collect();
            let format = options.format.clone().unwrap_or_else(|| table.format.clone());
            let writer = match &format {
                Format::Parquet => {
                    Writer::Columnar(Box::new(ColumnarWriter::new(&visible, &compiled, options.compression)))
                }
                text => Writer::Text(TextWriter::new(text, &visible, &compiled)),
            };
            let dirty = (options.dirty > 0.0).then(|| {
                let key = Key::of(options.seed, self.version, &["dirty", &table.name.value]);
                Dirty::new(key, options.dirty, &format, &visible, &compiled)
            });
            let engine = Engine {
                compiled,
                writer,
                dirty,
            };
            let columns = visible
                .iter()
                .zip(&engine.compiled.columns)
                .map(|(column, made)| ColumnPlan {
                    name: column.name.value.clone(),
                    kind: column.kind.name(),
                    glue_type: glue_type(column, &format),
                    nullable: made.nullable,
                    references: match &column.generator.value {
                        Generator::Ref { target, .. } => Some(target.value.clone()),
                        _ => column.references.as_ref().map(|target| target.value.clone()),
                    },
                })
                .collect();
            let mut table_plan = TablePlan {
                name: table.name.value.clone(),
                folder: table.folder.clone(),
                format,
                columns,
                rows: rows[index],
                row_bytes: 0.0,
                files: Vec::new(),
            };
            let days = timelines[index].as_deref().map(|timeline| match options.days {
                Some((first, last)) => (
                    timeline,
                    (first - timeline.first) as usize..(last - timeline.first) as usize + 1,
                ),
                None => (timeline, 0..timeline.days()),
            });
            table_plan.row_bytes = engine.row_bytes(rows[index], options.compression);
            table_plan.files = match &table.layout {
                Layout::Object(path) if table_plan.rows > MOST_OBJECTS => {
                    let label = format!("{} objects, and {MOST_OBJECTS} are the most", table_plan.rows);
                    let problem = Problem::new(
                        "too-many-rows",
                        "a table has too many objects",
                        path.span.clone(),
                        label,
                    );
                    return Err(vec![problem.hint("give the table's `rows` a `max`")]);
                }
                Layout::Object(path) if table_plan.format != Format::Parquet => {
                    let path = compile::text_of(&surroundings, index, &path.value);
                    objects(&table_plan, &path, options)
                }
                layout => files(&table_plan, layout, days.as_ref(), options),
            };
            if let Some((timeline, days)) = &days {
                let (first, last) = (timeline.rows_of(days.start), timeline.rows_of(days.end - 1));
                table_plan.rows = last.end - first.start;
            }
            plan.tables.push(table_plan);
            plan.engines.push(engine);
        }
        plan.fingerprint = fingerprint(self, options, &pools);
        if let Some((index, of)) = options.part {
            keep_share(&mut plan.tables, index, of);
        }
        Ok(plan)
    }
}

impl Plan {
    /// Returns what identifies the data of this plan: equal fingerprints, equal bytes in every file.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Adds the bytes of one part of one file to `out`. A pure function of the plan.
    pub fn write_part(&self, table: usize, file: usize, part: usize, out: &mut Vec<u8>) -> PartStats {
        self.write_part_with_truth(table, file, part, out, &mut Vec::new())
    }

    /// Like `write_part`; tells `truth` about the mistakes put in on purpose.
    pub fn write_part_with_truth(
        &self,
        table: usize,
        file: usize,
        part: usize,
        out: &mut Vec<u8>,
        truth: &mut Vec<Dirt>,
    ) -> PartStats {
        let engine = &self.engines[table];
        let rows = self.tables[table].files[file].parts[part].clone();
        let (before, known) = (out.len(), truth.len());
        let count = rows.end - rows.start;
        let name = &self.tables[table].name;
        match (&engine.writer, self.options.compression) {
            (Writer::Columnar(writer), _) => writer.write(&engine.compiled, rows, out),
            (Writer::Text(writer), Compression::None) => engine.text(writer, name, rows, part == 0, out, truth),
            (Writer::Text(writer), compression) => {
                // A stretch at a time, which is compressed while it is still in the cache.
                let mut packer = compression.packer(out);
                let mut plain = Vec::new();
                for start in rows.clone().step_by(STRETCH as usize) {
                    let stretch = start..(start + STRETCH).min(rows.end);
                    plain.clear();
                    engine.text(
                        writer,
                        name,
                        stretch,
                        part == 0 && start == rows.start,
                        &mut plain,
                        truth,
                    );
                    packer.write(&plain);
                }
                if rows.is_empty() && part == 0 {
                    packer.write(writer.header());
                }
                packer.finish();
            }
        }
        let twice = truth[known..]
            .iter()
            .filter(|dirt| dirt.kind == DirtKind::Duplicate)
            .count() as u64;
        PartStats {
            rows: count + twice,
            bytes: (out.len() - before) as u64,
        }
    }

    /// Returns how many rows of a table this plan writes: all, or those of its share of the files.
    pub fn rows_to_write(&self, table: usize) -> u64 {
        self.tables[table]
            .files
            .iter()
            .map(|file| file.rows.end - file.rows.start)
            .sum()
    }
}

impl Engine {
    fn text(
        &self,
        writer: &TextWriter,
        name: &str,
        rows: Range<u64>,
        header: bool,
        out: &mut Vec<u8>,
        truth: &mut Vec<Dirt>,
    ) {
        if header {
            out.extend_from_slice(writer.header());
        }
        let mut block = Block::new(self.compiled.nodes.len());
        let mut scratch = writer.scratch();
        let mut row = rows.start;
        while row < rows.end {
            let count = (rows.end - row).min(BLOCK as u64);
            block.fill(&self.compiled.nodes, row);
            match &self.dirty {
                Some(dirty) if (row..row + count).any(|row| dirty.of(row).is_some()) => {
                    for index in 0..count {
                        let (kind, place) = dirty.of(row + index).unzip();
                        let clean = out.len();
                        let spoil = |text: &str| dirty.spoil(kind?, row + index, text);
                        let place = place.unwrap_or(0);
                        let original = writer.write_spoilt(&block, index as usize, place, out, spoil);
                        let column = original.as_ref().map(|_| writer.column_name(place).to_owned());
                        if kind == Some(DirtKind::Duplicate) {
                            out.extend_from_within(clean..);
                        }
                        if let Some(kind) = kind.filter(|kind| *kind == DirtKind::Duplicate || original.is_some()) {
                            truth.push(Dirt {
                                table: name.to_owned(),
                                row: row + index,
                                column,
                                kind,
                                original,
                            });
                        }
                    }
                }
                _ => {
                    let bytes = writer.write(&block, count as usize, &mut scratch);
                    out.extend_from_slice(&scratch[..bytes]);
                }
            }
            row += count;
        }
    }

    /// Measures how long rows are in a file, on samples from all over the table.
    fn row_bytes(&self, rows: u64, compression: Compression) -> f64 {
        const SAMPLES: u64 = 16;
        let mut sampled = 0;
        let mut plain = Vec::new();
        for sample in 0..SAMPLES {
            let start = (u128::from(rows) * u128::from(sample) / u128::from(SAMPLES)) as u64;
            let end = (start + BLOCK as u64).min(rows);
            match &self.writer {
                Writer::Text(writer) => {
                    self.text(writer, "", start..end, false, &mut plain, &mut Vec::new());
                }
                // A small file is mostly footer, so Parquet is judged by longer runs at fewer places.
                Writer::Columnar(_) if sample % 8 > 0 => continue,
                Writer::Columnar(writer) => {
                    let end = (start + 32 * BLOCK as u64).min(rows);
                    writer.write(&self.compiled, start..end, &mut plain);
                    sampled += end - start;
                    continue;
                }
            }
            sampled += end - start;
        }
        if sampled == 0 {
            return 1.0;
        }
        if matches!(self.writer, Writer::Text(_)) && compression != Compression::None {
            let mut packed = Vec::new();
            compression.pack(&plain, &mut packed);
            return (packed.len() as f64 / sampled as f64).max(1.0);
        }
        plain.len() as f64 / sampled as f64
    }
}

fn files(
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
fn objects(table: &TablePlan, (compiled, path): &(Compiled, PlainText), options: &Options) -> Vec<FilePlan> {
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
const MOST_OBJECTS: u64 = 1_000_000;

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
fn keep_share(tables: &mut [TablePlan], index: u64, of: u64) {
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

/// Returns the rows of each table.
fn table_rows(dataset: &Dataset, asked: u64) -> Result<Vec<u64>, Vec<Problem>> {
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
fn feasible(dataset: &Dataset, rows: &[u64]) -> Vec<Problem> {
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
fn asked(dataset: &Dataset, options: &Options) -> Vec<Problem> {
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

fn fingerprint(dataset: &Dataset, options: &Options, pools: &[u64]) -> String {
    let Options {
        rows,
        seed,
        target_bytes,
        part_bytes,
        files_multiple,
        compression,
        format,
        days,
        part: _,
        tables,
        dirty,
    } = options;
    let text = format!(
        "{GENERATOR} {} {} {rows} {seed} {target_bytes} {part_bytes} {files_multiple} {compression:?} {format:?} {days:?} \
         {tables:?} {dirty} {pools:?} {}",
        dataset.name, dataset.version, dataset.source
    );
    // Two sums over different texts: 128 bits against accidents.
    format!(
        "{:016x}{:016x}",
        crc64nvme(text.as_bytes()),
        crate::draw::Key::of(0, 0, &[&text]).bits()
    )
}

fn pool_checksums(form: &Form, sums: &mut Vec<u64>) {
    let mut add = |pool: &Arc<Pool>| sums.push(pool.checksum());
    match form {
        Form::Pool(pool) => add(pool),
        Form::Template(segments) => segments.iter().for_each(|segment| {
            if let Segment::Pool { pool, .. } = segment {
                add(pool);
            }
        }),
        Form::Value(_) | Form::Uuid(_) => {}
    }
}

fn glue_type(column: &Column, format: &Format) -> String {
    let exact = *format == Format::Parquet;
    match column.kind {
        Type::Text | Type::Uuid => "string".to_owned(),
        Type::Decimal { .. } | Type::Double { .. } if column.style.comma && !exact => "string".to_owned(),
        Type::Decimal { .. } if exact => column.kind.name(),
        Type::Decimal { .. } | Type::Double { .. } => "double".to_owned(),
        Type::Date | Type::Timestamp if !exact => "string".to_owned(),
        Type::SmallInt | Type::Int if !exact => "bigint".to_owned(),
        Type::Boolean if !exact && column.style.booleans.is_some() => "string".to_owned(),
        kind => kind.name(),
    }
}
