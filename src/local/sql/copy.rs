//! COPY … FROM 's3://…': files to columns, record by record. A record that does not fit is noted in stl_load_errors;
//! more of them than MAXERROR fail the load. Files are read in blocks of whole records, and blocks are loaded in
//! parallel, so that the memory a load takes does not grow with its files.

mod blocks;
mod fields;
mod json;
mod sink;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cast::{Mode, cast_in, cut, documents};
use crate::catalog::{Column, Relation, Segment};
use crate::document;
use crate::error::{Result, SqlError};
use crate::external::{Chunks, Compression as FileCompression, Object, split_location};
use crate::functions::to_char::parse_with;
use crate::lake::Lake;
use crate::native::{SegmentWriter, physical_schema};
use crate::session::{Outcome, Session, Shape};
use crate::system::history::{LoadError, now};
use crate::types::SqlType;
use crate::utility::{Compression, Copy, CopyFormat, Shred};
use crate::value::parse_timestamp;
use crate::zone::Zone;
use blocks::{Block, Blocks};
use sink::Sink;

/// Files that are read at the same time, and pieces that wait for a loader.
const PARALLEL: usize = 4;
/// Records per batch.
const BATCH: usize = 8192;

/// One record: its place in the file, its text, its values in the order of the loaded columns.
struct Record {
    line: u64,
    raw: String,
    values: std::result::Result<Vec<Option<String>>, Problem>,
}

/// Why a record cannot be loaded.
struct Problem {
    column: Option<usize>,
    /// Characters of the value before the one that is wrong.
    position: i64,
    code: i64,
    reason: String,
}

impl Problem {
    fn new(code: i64, reason: &str) -> Self {
        Self {
            column: None,
            position: 0,
            code,
            reason: reason.to_string(),
        }
    }
}

/// What stl_load_errors keeps of a record.
struct Refused {
    file: Arc<str>,
    line: u64,
    raw: String,
    value: String,
    problem: Problem,
}

/// What readers hand to loaders.
enum Piece {
    Text(Arc<str>, Block),
    Columns(Arc<str>, RecordBatch),
}

pub(crate) async fn run(session: &mut Session, copy: Copy) -> Result<Outcome> {
    let relation = session.table_named(&copy.table)?;
    let relation = session.lock_for_write(relation.oid).await?;
    let columns = target_columns(&relation, &copy)?;
    check_target(&relation, &columns, &copy)?;
    let files = files(session, &copy).await?;
    let columns: Vec<Column> = columns.iter().map(|index| relation.columns[*index].clone()).collect();
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let mut target = relation.as_ref().clone();
    if copy.explicit_ids {
        let identities = target.columns.iter_mut().filter_map(|column| column.identity.as_mut());
        identities.for_each(|identity| identity.by_default = true);
    }
    let shape = session.loader_shape(&target, &names).await?;
    let loader = Arc::new(Loader {
        columns,
        paths: json_paths(session, &copy).await?,
        copy,
        zone: session.zone,
        refused: Mutex::default(),
    });
    let (pieces, taken) = mpsc::channel(PARALLEL);
    let threads = session.threads()?;
    let readers = threads.run(read_files(session.engine.lake.clone(), loader.clone(), files, pieces));
    let taken = Arc::new(tokio::sync::Mutex::new(taken));
    let mut loaders = JoinSet::new();
    for _ in 0..session.engine.options.parallelism.max(1) {
        let writer = session.writer(&relation.columns);
        loaders.spawn_on(
            loader.clone().load(taken.clone(), writer, shape.clone()),
            threads.handle(),
        );
    }
    // Without this one, the readers notice when all loaders have given up.
    drop(taken);
    let loaded = async {
        let (mut segments, mut rows) = (Vec::new(), 0);
        while let Some(part) = loaders.join_next().await {
            let (part, count) = part.map_err(SqlError::internal)??;
            segments.extend(part);
            rows += count;
        }
        Ok::<_, SqlError>((segments, rows))
    };
    let (read, loaded) = tokio::join!(readers, loaded);
    let mut refused = std::mem::take(&mut *loader.refused());
    refused.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    note(session, &relation, &loader.columns, &refused);
    if refused.len() as u64 > loader.copy.max_error {
        return Err(SqlError::new(
            "XX000",
            format!(
                "Load into table '{}' failed.  Check 'stl_load_errors' system table for details.",
                relation.name
            ),
        ));
    }
    read?;
    let (segments, rows) = loaded?;
    if rows > 0 {
        session.grow_loaded(&relation, segments, &shape).await?;
    }
    Ok(Outcome {
        affected: Some(rows),
        ..Outcome::command("COPY")
    })
}

/// Reads all files, some at the same time, and hands over what is in them.
async fn read_files(
    lake: Arc<dyn Lake>,
    loader: Arc<Loader>,
    files: Vec<ObjectOf>,
    pieces: mpsc::Sender<Piece>,
) -> Result<()> {
    futures::stream::iter(files.into_iter().map(Ok::<_, SqlError>))
        .try_for_each_concurrent(PARALLEL, |file| {
            let (lake, loader, pieces) = (lake.clone(), loader.clone(), pieces.clone());
            async move {
                let object = Object {
                    lake,
                    role: loader.copy.role.clone(),
                    bucket: file.bucket,
                    key: file.key,
                };
                let address: Arc<str> = object.address().into();
                if loader.copy.format == CopyFormat::Parquet {
                    let mut batches = crate::external::parquet::all(object, file.size).await?;
                    while let Some(batch) = batches.next().await {
                        if pieces.send(Piece::Columns(address.clone(), batch?)).await.is_err() {
                            break;
                        }
                    }
                    return Ok(());
                }
                let compression = match loader.copy.compression {
                    Compression::None => FileCompression::None,
                    Compression::Gzip => FileCompression::Gzip,
                    Compression::Zstd => FileCompression::Zstd,
                };
                let mut blocks = Blocks::new(Chunks::new(object, 0, file.size, compression), &loader.copy);
                while let Some(block) = blocks
                    .next()
                    .await
                    .map_err(|error| error.with_detail(address.to_string()))?
                {
                    if pieces.send(Piece::Text(address.clone(), block)).await.is_err() {
                        break;
                    }
                }
                Ok(())
            }
        })
        .await
}

fn target_columns(relation: &Relation, copy: &Copy) -> Result<Vec<usize>> {
    if copy.columns.is_empty() {
        let loads = |column: &Column| column.identity.is_none() || copy.explicit_ids;
        return Ok((0..relation.columns.len())
            .filter(|index| loads(&relation.columns[*index]))
            .collect());
    }
    copy.columns
        .iter()
        .map(|name| relation.column(name).ok_or_else(|| SqlError::no_column(name)))
        .collect()
}

/// Whole documents need one column, of their type.
fn check_target(relation: &Relation, columns: &[usize], copy: &Copy) -> Result<()> {
    let fits = matches!(columns, [column] if relation.columns[*column].sql_type == SqlType::Super);
    if fits || copy.format != CopyFormat::Json(Shred::Whole) {
        return Ok(());
    }
    let names: Vec<String> = columns
        .iter()
        .map(|index| &relation.columns[*index])
        .map(|column| format!("{} {}", column.name, column.sql_type))
        .collect();
    Err(
        SqlError::new("42804", "COPY JSON 'noshred' needs one target column of type super").with_detail(format!(
            "it would load into {} ({})",
            relation.name,
            names.join(", ")
        )),
    )
}

/// An object to load.
struct ObjectOf {
    bucket: String,
    key: String,
    size: u64,
}

/// Lists the objects to load: everything under the prefix, or what the manifest names.
async fn files(session: &Session, copy: &Copy) -> Result<Vec<ObjectOf>> {
    let lake = &session.engine.lake;
    let (bucket, prefix) = split_location(&copy.from)?;
    if copy.manifest {
        let bytes = read_all(lake.as_ref(), &copy.role, bucket, prefix).await?;
        let manifest: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| SqlError::new("XX000", format!("invalid manifest {}: {error}", copy.from)))?;
        let entries = manifest
            .get("entries")
            .and_then(serde_json::Value::as_array)
            .cloned()
            .unwrap_or_default();
        let mut files = Vec::new();
        for entry in entries {
            let url = entry.get("url").and_then(serde_json::Value::as_str).unwrap_or_default();
            let (bucket, key) = split_location(url)?;
            let mandatory = entry
                .get("mandatory")
                .and_then(serde_json::Value::as_bool)
                .unwrap_or(false);
            let listed = lake.list(&copy.role, bucket, key).await?;
            match (listed.into_iter().find(|object| object.key == key), mandatory) {
                (Some(object), _) => files.push(ObjectOf {
                    bucket: bucket.to_string(),
                    key: object.key,
                    size: object.size,
                }),
                (None, true) => {
                    return Err(SqlError::new(
                        "XX000",
                        format!("the file {url} of the manifest does not exist"),
                    ));
                }
                (None, false) => {}
            }
        }
        return Ok(files);
    }
    let objects = lake.list(&copy.role, bucket, prefix).await?;
    let files: Vec<_> = objects
        .into_iter()
        .filter(|object| object.size > 0 && !object.key.ends_with('/'))
        .map(|object| ObjectOf {
            bucket: bucket.to_string(),
            key: object.key,
            size: object.size,
        })
        .collect();
    if files.is_empty() {
        return Err(SqlError::new(
            "XX000",
            format!("The specified S3 prefix '{prefix}' does not exist"),
        ));
    }
    Ok(files)
}

async fn read_all(lake: &dyn Lake, role: &str, bucket: &str, key: &str) -> Result<bytes::Bytes> {
    Ok(lake.read(role, bucket, key, 0..u64::MAX).await?)
}

async fn json_paths(session: &Session, copy: &Copy) -> Result<Option<Vec<json::Path>>> {
    let CopyFormat::Json(Shred::Paths(address)) = &copy.format else {
        return Ok(None);
    };
    let (bucket, key) = split_location(address)?;
    let bytes = read_all(session.engine.lake.as_ref(), &copy.role, bucket, key).await?;
    json::paths(&bytes).map(Some)
}

/// Writes what went wrong where clients look for it.
fn note(session: &Session, relation: &Relation, columns: &[Column], refused: &[Refused]) {
    let query = session.engine.history.running(session.id);
    for error in refused {
        let column = error.problem.column.and_then(|index| columns.get(index));
        session.engine.history.load_failed(LoadError {
            query,
            session: session.id,
            user: session.user,
            table: relation.oid,
            start: now(),
            file: error.file.to_string(),
            line: error.line as i64,
            column: column.map(|column| column.name.clone()).unwrap_or_default(),
            column_type: column
                .map(|column| column.sql_type.short_name().to_string())
                .unwrap_or_default(),
            column_length: column.map_or(0, |column| length_of(column.sql_type)).to_string(),
            position: error.problem.position,
            raw_line: cut(&error.raw, 1024).to_string(),
            raw_value: cut(&error.value, 1024).to_string(),
            code: error.problem.code,
            reason: cut(&error.problem.reason, 100).to_string(),
        });
    }
}

fn length_of(sql_type: SqlType) -> u32 {
    match sql_type {
        // As Redshift has it there.
        SqlType::Super => 16_384_000,
        other => other.character_length().unwrap_or(0),
    }
}

struct Loader {
    columns: Vec<Column>,
    paths: Option<Vec<json::Path>>,
    copy: Copy,
    /// Where instants without a zone are read.
    zone: Zone,
    refused: Mutex<Vec<Refused>>,
}

impl Loader {
    fn refused(&self) -> MutexGuard<'_, Vec<Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads pieces until there are no more or too many records were refused.
    async fn load(
        self: Arc<Self>,
        pieces: Arc<tokio::sync::Mutex<mpsc::Receiver<Piece>>>,
        mut writer: SegmentWriter,
        shape: Shape,
    ) -> Result<(Vec<Segment>, u64)> {
        let mut rows = 0;
        loop {
            let piece = pieces.lock().await.recv().await;
            let batches = match piece {
                None => break,
                Some(Piece::Text(file, block)) => self.parse(&file, &block)?,
                Some(Piece::Columns(file, batch)) => {
                    vec![
                        self.conformed(&batch)
                            .map_err(|error| error.with_detail(file.to_string()))?,
                    ]
                }
            };
            if self.refused().len() as u64 > self.copy.max_error {
                break;
            }
            if self.copy.no_load {
                continue;
            }
            for batch in batches {
                rows += batch.num_rows() as u64;
                writer.write(&shape.stored(&batch)?)?;
            }
        }
        Ok((writer.finish()?, rows))
    }

    fn parse(&self, file: &Arc<str>, block: &Block) -> Result<Vec<RecordBatch>> {
        if let Some(batches) = self.plain(block) {
            return Ok(batches);
        }
        let records: Box<dyn Iterator<Item = Record> + Send> = match &self.copy.format {
            CopyFormat::Json(shred) => {
                let paths = self.paths.as_deref();
                Box::new(json::records(block, &self.copy, shred, &self.columns, paths))
            }
            _ => Box::new(fields::records(block, &self.copy, self.columns.len())),
        };
        let mut batches = Vec::new();
        let mut kept: Vec<Record> = Vec::new();
        for record in records {
            match record.values {
                Ok(_) => kept.push(record),
                Err(problem) => self.refused().push(Refused {
                    file: file.clone(),
                    line: record.line,
                    raw: record.raw,
                    value: String::new(),
                    problem,
                }),
            }
            if kept.len() == BATCH {
                batches.extend(self.convert(file, std::mem::take(&mut kept)));
            }
        }
        batches.extend(self.convert(file, kept));
        Ok(batches)
    }

    /// Reads a block of text without looking at its records one by one, when nothing is wrong with any of them.
    fn plain(&self, block: &Block) -> Option<Vec<RecordBatch>> {
        if matches!(self.copy.format, CopyFormat::Json(_)) {
            return None;
        }
        let formatted = self.copy.time_format.as_deref().is_some_and(|format| format != "auto");
        let sinks = self
            .columns
            .iter()
            .map(|column| Sink::new(column, BATCH, formatted, self.zone));
        fields::columns(
            block,
            &self.copy,
            sinks.collect(),
            BATCH,
            |text, column| self.prepare(text, &self.columns[column]),
            |sinks, rows| self.assemble(sinks, rows).ok(),
        )
    }

    fn assemble(&self, sinks: &mut [Sink], rows: usize) -> Result<RecordBatch> {
        let arrays = sinks
            .iter_mut()
            .zip(&self.columns)
            .map(|(sink, column)| sink.finish(|texts| self.column(texts, column)))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            physical_schema(&self.columns),
            arrays,
            &options,
        )?)
    }

    /// Turns records into a batch; those with a bad value are taken out and noted.
    fn convert(&self, file: &Arc<str>, mut records: Vec<Record>) -> Option<RecordBatch> {
        while !records.is_empty() {
            let bad = match self.batch(&records) {
                Ok(batch) => return Some(batch),
                Err(bad) => bad,
            };
            // From the back, so that the indices of the others stay right.
            for (index, problem) in bad.into_iter().rev() {
                let record = records.remove(index);
                let value = record
                    .values
                    .ok()
                    .and_then(|values| values.get(problem.column?).cloned().flatten())
                    .unwrap_or_default();
                self.refused().push(Refused {
                    file: file.clone(),
                    line: record.line,
                    raw: record.raw,
                    value,
                    problem,
                });
            }
        }
        None
    }

    /// Returns the batch, or what is wrong with the records that spoil it.
    fn batch(&self, records: &[Record]) -> std::result::Result<RecordBatch, BTreeMap<usize, Problem>> {
        let mut bad = BTreeMap::new();
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let mut note = |row: usize, problem: Problem| {
                bad.entry(row).or_insert(Problem {
                    column: Some(index),
                    ..problem
                });
            };
            let texts: StringArray = records
                .iter()
                .map(|record| {
                    let values = record.values.as_ref().ok()?;
                    self.prepare(values.get(index)?.as_deref()?, column)
                })
                .collect();
            if column.not_null {
                for row in (0..texts.len()).filter(|row| texts.is_null(*row)) {
                    note(row, Problem::new(1213, "Missing data for not-null field"));
                }
            }
            match self.column(&texts, column) {
                Ok(array) => arrays.push(array),
                Err(_) => {
                    // Something in the column is wrong: find out what, one by one.
                    for row in (0..texts.len()).filter(|row| texts.is_valid(*row)) {
                        if let Err(error) = self.column(&texts.slice(row, 1), column) {
                            note(row, problem(&error, column, texts.value(row)));
                        }
                    }
                }
            }
        }
        if !bad.is_empty() {
            return Err(bad);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(records.len()));
        RecordBatch::try_new_with_options(physical_schema(&self.columns), arrays, &options)
            .map_err(|error| BTreeMap::from([(0, Problem::new(1207, &error.to_string()))]))
    }

    /// Applies the options about nulls and blanks to a value.
    fn prepare<'a>(&self, text: &'a str, column: &Column) -> Option<&'a str> {
        let is_text = column.sql_type.is_text();
        if text == self.copy.null_as {
            return None;
        }
        if text.is_empty() && (self.copy.empty_as_null || !is_text) {
            return None;
        }
        if is_text && self.copy.blanks_as_null && !text.is_empty() && text.bytes().all(|byte| byte == b' ') {
            return None;
        }
        let text = if self.copy.trim_blanks && matches!(column.sql_type, SqlType::Varchar(_)) {
            text.trim_end_matches(' ')
        } else {
            text
        };
        match column.sql_type.character_length() {
            Some(length) if self.copy.truncate_columns => Some(cut(text, length as usize)),
            _ => Some(text),
        }
    }

    fn column(&self, texts: &StringArray, column: &Column) -> Result<ArrayRef> {
        if column.sql_type == SqlType::Super {
            return match self.copy.format {
                // The reader of records has made documents of them.
                CopyFormat::Json(_) => Ok(datafusion::arrow::compute::cast(texts, &column.sql_type.arrow())?),
                _ => documents::read(texts, |_, invalid| SqlError::new("22P02", invalid.reason)),
            };
        }
        let converted = match column.sql_type {
            SqlType::Date => self.instants(texts, self.copy.date_format.as_deref())?,
            SqlType::Timestamp | SqlType::Timestamptz => self.instants(texts, self.copy.time_format.as_deref())?,
            _ => None,
        };
        let texts: ArrayRef = Arc::new(converted.unwrap_or_else(|| texts.clone()));
        cast_in(self.zone, &texts, column.sql_type, Mode::Assign)
    }

    /// Brings a batch of a Parquet file into the table's types, column by column in the file's order.
    fn conformed(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.columns.len() {
            return Err(SqlError::new(
                "XX000",
                format!(
                    "Spectrum Scan Error: Unmatched number of columns between table and file. Table columns: {}, Data columns: {}",
                    self.columns.len(),
                    batch.num_columns()
                ),
            ));
        }
        let arrays = batch
            .columns()
            .iter()
            .zip(&self.columns)
            .map(|(array, column)| match column.sql_type {
                SqlType::Super if self.copy.serialize_to_json => documents::serialized(array),
                SqlType::Super => Err(SqlError::new(
                    "XX000",
                    format!(
                        "Spectrum Scan Error: column {} of type super needs SERIALIZETOJSON",
                        column.name
                    ),
                )),
                other => cast_in(self.zone, array, other, Mode::Assign),
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            physical_schema(&self.columns),
            arrays,
            &options,
        )?)
    }

    /// Brings dates and times of any format into the one that casts read.
    fn instants(&self, texts: &StringArray, format: Option<&str>) -> Result<Option<StringArray>> {
        let Some(format) = format.filter(|format| *format != "auto") else {
            return Ok(None);
        };
        let spelled: Result<StringArray> = texts
            .iter()
            .map(|text| {
                let Some(text) = text else { return Ok(None) };
                let parsed = match format {
                    "epochsecs" => text
                        .trim()
                        .parse::<f64>()
                        .ok()
                        .map(|seconds| (seconds * 1e6).round() as i64),
                    "epochmillisecs" => text
                        .trim()
                        .parse::<f64>()
                        .ok()
                        .map(|millis| (millis * 1e3).round() as i64),
                    format => parse_with(text, &format.to_uppercase())
                        .ok()
                        .filter(|_| separators(text).starts_with(&separators(format)))
                        .map(crate::value::micros_of)
                        .or_else(|| {
                            // An unknown spelling may still be one that Redshift recognises by itself.
                            parse_timestamp(text, Zone::UTC)
                                .map(|(micros, _)| micros)
                                .filter(|_| self.copy.accept_any_date)
                        }),
                };
                match parsed {
                    Some(micros) => {
                        let mut spelled = String::new();
                        crate::value::write_timestamp(micros, &mut spelled);
                        if format.starts_with("epoch") {
                            spelled.push_str("+00");
                        }
                        Ok(Some(spelled))
                    }
                    None if self.copy.accept_any_date => Ok(None),
                    None => Err(SqlError::new(
                        "22007",
                        format!("Invalid timestamp format or value [{format}]"),
                    )),
                }
            })
            .collect();
        spelled.map(Some)
    }
}

/// What stands between the parts of a date. Reading by a format takes any; a load does not.
fn separators(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_alphanumeric()).collect()
}

/// What stl_load_errors says about a value that does not fit its column.
fn problem(error: &SqlError, column: &Column, value: &str) -> Problem {
    let digit = |sql_type: &str| {
        let fraction = matches!(sql_type, "Decimal" | "Double");
        let allowed = |(index, c): &(usize, char)| {
            c.is_ascii_digit() || (*index == 0 && matches!(c, '-' | '+')) || (fraction && *c == '.')
        };
        match value.chars().enumerate().find(|at| !allowed(at)) {
            Some((position, c)) => Problem {
                position: position as i64,
                ..Problem::new(
                    1207,
                    &format!("Invalid digit, Value '{c}', Pos {position}, Type: {sql_type}"),
                )
            },
            None => Problem::new(1216, &format!("Overflow, Type: {sql_type}")),
        }
    };
    match column.sql_type {
        _ if error.sqlstate == "22001" => Problem::new(1204, "String length exceeds DDL length"),
        SqlType::Int2 => digit("Short"),
        SqlType::Int4 => digit("Integer"),
        SqlType::Int8 => digit("Long"),
        SqlType::Numeric(..) if error.sqlstate == "22003" => Problem::new(1207, "Overflow, Type: Decimal"),
        SqlType::Numeric(..) => digit("Decimal"),
        SqlType::Float4 | SqlType::Float8 => digit("Double"),
        SqlType::Date => Problem::new(1205, "Invalid Date Format - length must be 10 or more"),
        SqlType::Timestamp | SqlType::Timestamptz => {
            Problem::new(1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]")
        }
        SqlType::Bool => Problem::new(1210, "Unknown boolean format"),
        SqlType::Super => Problem {
            position: document::read(value).map_or_else(|invalid| value[..invalid.at].chars().count() as i64, |_| 0),
            ..Problem::new(1224, &format!("Invalid JSON: {}", error.message))
        },
        _ => Problem::new(1207, &error.message),
    }
}
