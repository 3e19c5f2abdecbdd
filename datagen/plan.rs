//! Joins a dataset with what is asked for into a plan: every table's rows, files and parts, decided before the
//! first byte. A plan does no work by itself; `write_part` makes any part of it, alone, on any thread.

use crate::calendar::Timeline;
use crate::checksum::{Sum, Summing, crc64nvme};
use crate::columnar::ColumnarWriter;
use crate::compile::{self, Form, Segment, Surroundings};
use crate::compression::Compression;
use crate::definition::{Column, Dataset, Format, Generator, Layout, Type};
use crate::dirty::{Dirt, Dirty};
use crate::draw::{GENERATOR, Key};
use crate::engine::{Engine, Writer};
use crate::pool::Pool;
use crate::problem::Problem;
use crate::text::TextWriter;
use layout::{MOST_OBJECTS, files, keep_share, objects};
use limits::{asked, feasible, table_rows};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

mod layout;
mod limits;

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
    /// Bytes a row group of a Parquet file should have, after compression; so much is in memory at a time.
    pub row_group_bytes: u64,
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
            row_group_bytes: 64 << 20,
            format: None,
            days: None,
            part: None,
            tables: Vec::new(),
            dirty: 0.0,
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
    origin: Origin,
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
            origin: Origin {
                generator: GENERATOR,
                pools: String::new(),
                definition: format!("{:016x}", crc64nvme(self.source.as_bytes())),
            },
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
                text => Writer::Text(TextWriter::new(text, &visible, &compiled, options.dirty > 0.0)),
            };
            let dirty = (options.dirty > 0.0).then(|| {
                let key = Key::of(options.seed, self.version, &["dirty", &table.name.value]);
                Dirty::new(key, options.dirty, &format, &visible, &compiled)
            });
            let mut engine = Engine {
                name: table.name.value.clone(),
                compiled,
                writer,
                compression: options.compression,
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
            table_plan.row_bytes = engine.row_bytes(rows[index]);
            if let Writer::Columnar(writer) = &mut engine.writer {
                writer.set_group((options.row_group_bytes as f64 / table_plan.row_bytes) as u64);
            }
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
        let all: Vec<u8> = pools.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        plan.origin.pools = format!("{:016x}", crc64nvme(&all));
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

    /// Returns what the fingerprint is made of, for people who ask why two differ.
    pub fn origin(&self) -> &Origin {
        &self.origin
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
        let before = out.len();
        let rows = self.tables[table].files[file].parts[part].clone();
        PartStats {
            rows: self.engines[table].write(rows, part == 0, out, truth),
            bytes: (out.len() - before) as u64,
        }
    }

    /// Writes a whole file to a sink that takes every byte, such as a file or a pipe's end that never closes, and
    /// returns its rows. Only a few blocks are in memory at a time, or one row group of a Parquet file.
    ///
    /// # Panics
    /// When the sink fails. Wrap one that can fail, and ask it afterwards.
    pub fn write_file(&self, table: usize, file: usize, out: &mut (impl Write + Send), truth: &mut Vec<Dirt>) -> u64 {
        let parts = self.tables[table].files[file].parts.iter().enumerate();
        parts
            .map(|(part, rows)| self.engines[table].write(rows.clone(), part == 0, out, truth))
            .sum()
    }

    /// Returns length and checksum of one part, without keeping its bytes.
    pub fn part_sum(&self, table: usize, file: usize, part: usize) -> Sum {
        let mut out = Summing::new();
        let rows = self.tables[table].files[file].parts[part].clone();
        self.engines[table].write(rows, part == 0, &mut out, &mut Vec::new());
        out.sum()
    }

    /// Returns length and checksum of a whole file, without keeping its bytes: what a store should hold.
    pub fn file_sum(&self, table: usize, file: usize) -> Sum {
        let mut out = Summing::new();
        self.write_file(table, file, &mut out, &mut Vec::new());
        out.sum()
    }

    /// Returns the mistakes put into one file on purpose, in the order of its rows.
    pub fn file_truth(&self, table: usize, file: usize) -> Vec<Dirt> {
        let mut truth = Vec::new();
        if self.options.dirty > 0.0 {
            self.write_file(table, file, &mut std::io::sink(), &mut truth);
        }
        truth
    }

    /// Returns about how many bytes a part will have.
    pub fn part_bytes(&self, table: usize, file: usize, part: usize) -> u64 {
        let table = &self.tables[table];
        let rows = &table.files[file].parts[part];
        ((rows.end - rows.start) as f64 * table.row_bytes) as u64
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

/// What decides the bytes beside the options, each as a short text. Same options and same origin, same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of the arithmetic and of the writers of formats.
    pub generator: u32,
    /// Sum of every text in the pools that are drawn from; another version of their source changes it.
    pub pools: String,
    /// Sum of the definition's text.
    pub definition: String,
}

fn fingerprint(dataset: &Dataset, options: &Options, pools: &[u64]) -> String {
    let Options {
        rows,
        seed,
        target_bytes,
        part_bytes,
        files_multiple,
        compression,
        row_group_bytes,
        format,
        days,
        part: _,
        tables,
        dirty,
    } = options;
    let text = format!(
        "{GENERATOR} {} {} {rows} {seed} {target_bytes} {part_bytes} {files_multiple} {compression:?} {row_group_bytes} {format:?} {days:?} \
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
