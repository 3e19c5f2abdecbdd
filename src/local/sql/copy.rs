//! COPY … FROM 's3://…': files to columns, record by record. A record that does not fit is noted in stl_load_errors;
//! more of them than MAXERROR fail the load. Files are read in parallel.

mod fields;
mod json;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use futures::StreamExt;

use crate::cast::{Mode, cast, cut};
use crate::catalog::{Column, Relation};
use crate::error::{Result, SqlError};
use crate::external::{Compression as FileCompression, decompress, split_location};
use crate::functions::to_char::parse_with;
use crate::lake::Lake;
use crate::native::physical_schema;
use crate::session::{Outcome, Session};
use crate::system::history::{LoadError, now};
use crate::types::SqlType;
use crate::utility::{Compression, Copy, CopyFormat};
use crate::value::parse_timestamp;

/// Files that are read and parsed at the same time.
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
    code: i64,
    reason: String,
}

impl Problem {
    fn new(code: i64, reason: &str) -> Self {
        Self {
            column: None,
            code,
            reason: reason.to_string(),
        }
    }
}

struct Loaded {
    batches: Vec<RecordBatch>,
    errors: Vec<(String, Refused)>,
}

/// What stl_load_errors keeps of a record.
struct Refused {
    line: u64,
    raw: String,
    value: String,
    problem: Problem,
}

pub(crate) async fn run(session: &mut Session, copy: Copy) -> Result<Outcome> {
    let relation = session.table_named(&copy.table)?;
    let relation = session.lock_for_write(relation.oid).await?;
    let columns = target_columns(&relation, &copy)?;
    let files = files(session, &copy).await?;
    let loader = Arc::new(Loader {
        lake: session.engine.lake.clone(),
        columns: columns.iter().map(|index| relation.columns[*index].clone()).collect(),
        paths: json_paths(session, &copy).await?,
        copy,
    });
    let mut stream = futures::stream::iter(files)
        .map(|(bucket, key)| {
            let loader = loader.clone();
            async move {
                tokio::spawn(async move { loader.load(&bucket, &key).await })
                    .await
                    .map_err(SqlError::internal)?
            }
        })
        .buffered(PARALLEL);
    let (mut batches, mut errors) = (Vec::new(), Vec::new());
    while let Some(loaded) = stream.next().await {
        let loaded = loaded?;
        batches.extend(loaded.batches);
        errors.extend(loaded.errors);
    }
    drop(stream);
    note(session, &relation, &loader.columns, &errors);
    if errors.len() as u64 > loader.copy.max_error {
        return Err(SqlError::new(
            "XX000",
            format!(
                "Load into table '{}' failed.  Check 'stl_load_errors' system table for details.",
                relation.name
            ),
        ));
    }
    let names: Vec<String> = loader.columns.iter().map(|column| column.name.clone()).collect();
    let rows = if loader.copy.no_load {
        0
    } else {
        session.store_batches(&relation, &names, &batches).await?
    };
    Ok(Outcome {
        affected: Some(rows),
        ..Outcome::command("COPY")
    })
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

/// Lists the objects to load: everything under the prefix, or what the manifest names.
async fn files(session: &Session, copy: &Copy) -> Result<Vec<(String, String)>> {
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
            let exists = lake
                .list(&copy.role, bucket, key)
                .await?
                .iter()
                .any(|object| object.key == key);
            match (exists, mandatory) {
                (true, _) => files.push((bucket.to_string(), key.to_string())),
                (false, true) => {
                    return Err(SqlError::new(
                        "XX000",
                        format!("the file {url} of the manifest does not exist"),
                    ));
                }
                (false, false) => {}
            }
        }
        return Ok(files);
    }
    let objects = lake.list(&copy.role, bucket, prefix).await?;
    let files: Vec<_> = objects
        .into_iter()
        .filter(|object| object.size > 0 && !object.key.ends_with('/'))
        .map(|object| (bucket.to_string(), object.key))
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
    let CopyFormat::Json(option) = &copy.format else {
        return Ok(None);
    };
    if !option.starts_with("s3://") {
        return Ok(None);
    }
    let (bucket, key) = split_location(option)?;
    let bytes = read_all(session.engine.lake.as_ref(), &copy.role, bucket, key).await?;
    json::paths(&bytes).map(Some)
}

/// Writes what went wrong where clients look for it.
fn note(session: &Session, relation: &Relation, columns: &[Column], errors: &[(String, Refused)]) {
    let query = session.engine.history.running(session.id);
    for (file, error) in errors {
        let column = error.problem.column.and_then(|index| columns.get(index));
        session.engine.history.load_failed(LoadError {
            query,
            session: session.id,
            user: session.user,
            table: relation.oid,
            start: now(),
            file: file.clone(),
            line: error.line as i64,
            column: column.map(|column| column.name.clone()).unwrap_or_default(),
            column_type: column
                .map(|column| column.sql_type.short_name().to_string())
                .unwrap_or_default(),
            column_length: column
                .and_then(|column| column.sql_type.character_length())
                .map_or_else(|| "0".into(), |length| length.to_string()),
            position: 0,
            raw_line: cut(&error.raw, 1024).to_string(),
            raw_value: cut(&error.value, 1024).to_string(),
            code: error.problem.code,
            reason: cut(&error.problem.reason, 100).to_string(),
        });
    }
}

struct Loader {
    lake: Arc<dyn Lake>,
    columns: Vec<Column>,
    paths: Option<Vec<json::Path>>,
    copy: Copy,
}

impl Loader {
    async fn load(&self, bucket: &str, key: &str) -> Result<Loaded> {
        let bytes = read_all(self.lake.as_ref(), &self.copy.role, bucket, key).await?;
        let file = format!("s3://{bucket}/{key}");
        if self.copy.format == CopyFormat::Parquet {
            return self.parquet(bytes, &file);
        }
        let compression = match self.copy.compression {
            Compression::None => FileCompression::None,
            Compression::Gzip => FileCompression::Gzip,
            Compression::Zstd => FileCompression::Zstd,
        };
        let plain = decompress(&bytes, compression).map_err(|error| error.with_detail(file.clone()))?;
        let records: Box<dyn Iterator<Item = Record> + Send> = match &self.copy.format {
            CopyFormat::Json(option) => Box::new(json::records(&plain, &self.columns, option, self.paths.as_deref())),
            _ => Box::new(fields::records(&plain, &self.copy, self.columns.len())),
        };
        let mut loaded = Loaded {
            batches: Vec::new(),
            errors: Vec::new(),
        };
        let mut kept: Vec<Record> = Vec::new();
        for record in records {
            match &record.values {
                Ok(_) => kept.push(record),
                Err(_) => self.refuse(&mut loaded, &file, record)?,
            }
            if kept.len() == BATCH {
                self.convert(&mut loaded, &file, std::mem::take(&mut kept))?;
            }
        }
        self.convert(&mut loaded, &file, kept)?;
        Ok(loaded)
    }

    fn refuse(&self, loaded: &mut Loaded, file: &str, record: Record) -> Result<()> {
        if let Err(problem) = record.values {
            loaded.errors.push((
                file.to_string(),
                Refused {
                    line: record.line,
                    raw: record.raw,
                    value: String::new(),
                    problem,
                },
            ));
        }
        Ok(())
    }

    /// Turns records into a batch; those with a bad value are taken out and noted.
    fn convert(&self, loaded: &mut Loaded, file: &str, mut records: Vec<Record>) -> Result<()> {
        while !records.is_empty() {
            match self.batch(&records) {
                Ok(batch) => {
                    loaded.batches.push(batch);
                    return Ok(());
                }
                Err(bad) => {
                    // From the back, so that the indices of the others stay right.
                    for (index, column, reason) in bad.into_iter().rev() {
                        let record = records.remove(index);
                        let value = record
                            .values
                            .ok()
                            .and_then(|values| values.get(column).cloned().flatten())
                            .unwrap_or_default();
                        let code = if reason.contains("too long") || reason.contains("exceeds") {
                            1204
                        } else if reason.contains("NULL") {
                            1213
                        } else {
                            1207
                        };
                        let problem = Problem {
                            column: Some(column),
                            code,
                            reason,
                        };
                        loaded.errors.push((
                            file.to_string(),
                            Refused {
                                line: record.line,
                                raw: record.raw,
                                value,
                                problem,
                            },
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the batch, or the records that spoil it with column and reason.
    fn batch(&self, records: &[Record]) -> std::result::Result<RecordBatch, Vec<(usize, usize, String)>> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        let mut bad: std::collections::BTreeMap<usize, (usize, String)> = std::collections::BTreeMap::new();
        for (index, column) in self.columns.iter().enumerate() {
            let texts: Vec<Option<String>> = records
                .iter()
                .map(|record| {
                    record
                        .values
                        .as_ref()
                        .ok()
                        .and_then(|values| values.get(index).cloned().flatten())
                        .and_then(|text| self.prepare(text, column))
                })
                .collect();
            if column.not_null {
                for (row, _) in texts.iter().enumerate().filter(|(_, text)| text.is_none()) {
                    bad.entry(row)
                        .or_insert((index, "Missing data for not-null field (NULL)".into()));
                }
            }
            match self.column(&texts, column) {
                Ok(array) => arrays.push(array),
                Err(_) => {
                    // Something in the column is wrong: find out what, one by one.
                    for (row, text) in texts.iter().enumerate() {
                        if let Err(error) = self.column(std::slice::from_ref(text), column) {
                            bad.entry(row).or_insert((index, reason(&error, column)));
                        }
                    }
                }
            }
        }
        if !bad.is_empty() {
            return Err(bad
                .into_iter()
                .map(|(row, (column, reason))| (row, column, reason))
                .collect());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(records.len()));
        RecordBatch::try_new_with_options(physical_schema(&self.columns), arrays, &options)
            .map_err(|error| vec![(0, 0, error.to_string())])
    }

    /// Applies the options about nulls and blanks to a value.
    fn prepare(&self, text: String, column: &Column) -> Option<String> {
        let is_text = column.sql_type.is_text();
        if text == self.copy.null_as || (self.copy.null_as == "\\N" && text == "\\N") {
            return None;
        }
        if text.is_empty() && (self.copy.empty_as_null || !is_text) {
            return None;
        }
        if is_text && self.copy.blanks_as_null && text.chars().all(|c| c == ' ') {
            return None;
        }
        let text = if self.copy.trim_blanks && matches!(column.sql_type, SqlType::Varchar(_)) {
            text.trim_end_matches(' ').to_string()
        } else {
            text
        };
        match column.sql_type.character_length() {
            Some(length) if self.copy.truncate_columns => Some(cut(&text, length as usize).to_string()),
            _ => Some(text),
        }
    }

    fn column(&self, texts: &[Option<String>], column: &Column) -> Result<ArrayRef> {
        let converted: Vec<Option<String>> = match column.sql_type {
            SqlType::Date => self.instants(texts, self.copy.date_format.as_deref())?,
            SqlType::Timestamp | SqlType::Timestamptz => self.instants(texts, self.copy.time_format.as_deref())?,
            _ => {
                return cast(
                    &(Arc::new(StringArray::from(texts.to_vec())) as ArrayRef),
                    column.sql_type,
                    Mode::Assign,
                );
            }
        };
        cast(
            &(Arc::new(StringArray::from(converted)) as ArrayRef),
            column.sql_type,
            Mode::Assign,
        )
    }

    /// Brings dates and times of any format into the one that casts read.
    fn instants(&self, texts: &[Option<String>], format: Option<&str>) -> Result<Vec<Option<String>>> {
        let Some(format) = format.filter(|format| *format != "auto") else {
            return Ok(texts.to_vec());
        };
        texts
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
                        .map(crate::value::micros_of)
                        .or_else(|| {
                            // An unknown spelling may still be one that Redshift recognises by itself.
                            parse_timestamp(text)
                                .map(|(micros, _)| micros)
                                .filter(|_| self.copy.accept_any_date)
                        }),
                };
                match parsed {
                    Some(micros) => {
                        let mut spelled = String::new();
                        crate::value::write_timestamp(micros, &mut spelled);
                        Ok(Some(spelled))
                    }
                    None if self.copy.accept_any_date => Ok(None),
                    None => Err(SqlError::new(
                        "22007",
                        format!("Invalid timestamp format or value [{format}]"),
                    )),
                }
            })
            .collect()
    }

    fn parquet(&self, bytes: bytes::Bytes, file: &str) -> Result<Loaded> {
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let types: Vec<SqlType> = self.columns.iter().map(|column| column.sql_type).collect();
        let wanted: Vec<usize> = (0..names.len()).collect();
        let read = crate::external::parquet_columns(bytes, &names, &types, &wanted)
            .map_err(|error| error.with_detail(file.to_string()))?;
        let batches = read
            .into_iter()
            .map(|(arrays, rows)| {
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                Ok(RecordBatch::try_new_with_options(
                    physical_schema(&self.columns),
                    arrays,
                    &options,
                )?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Loaded {
            batches,
            errors: Vec::new(),
        })
    }
}

/// The words of stl_load_errors.
fn reason(error: &SqlError, column: &Column) -> String {
    match column.sql_type {
        _ if error.sqlstate == "22001" => "String length exceeds DDL length".into(),
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => {
            format!("Invalid digit, Value, Pos 0, Type: {}", title(column.sql_type))
        }
        SqlType::Numeric(..) if error.sqlstate == "22003" => "Overflow, Type: Decimal".into(),
        SqlType::Numeric(..) => "Invalid digit, Value, Pos 0, Type: Decimal".into(),
        SqlType::Float4 | SqlType::Float8 => "Invalid digit, Value, Pos 0, Type: Double".into(),
        SqlType::Date => "Invalid Date Format - length must be 10 or more".into(),
        SqlType::Timestamp | SqlType::Timestamptz => "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]".into(),
        SqlType::Bool => "Unknown boolean format".into(),
        _ => error.message.clone(),
    }
}

fn title(sql_type: SqlType) -> &'static str {
    match sql_type {
        SqlType::Int2 => "Short",
        SqlType::Int4 => "Integer",
        _ => "Long",
    }
}
