//! Tables of the data catalog: files in buckets, read as the serialization library says. A value that does not fit
//! its column's type is null, as in Redshift; a format that is not known is refused by name.

mod blocks;
mod chunks;
pub mod delimited;
mod json;
pub mod parquet;

pub use chunks::{Chunks, Object};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result as DfResult};
use datafusion::datasource::TableType;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::{StreamExt, TryStreamExt};

use crate::cast::{Mode, cast};
use crate::catalog::ExternalSource;
use crate::error::{Result, SqlError};
use crate::lake::{ExternalPartition, ExternalTable, Lake};
use crate::types::{SqlType, VARCHAR_MAX};
use blocks::Blocks;
use delimited::Delimited;

/// Pseudo-columns that a query may name but `*` leaves out.
pub const PATH: &str = "$path";
pub const SIZE: &str = "$size";

/// Uncompressed text files are read in pieces of this many bytes, in parallel.
const SLICE: u64 = 32 << 20;

#[derive(Clone, Debug)]
enum Format {
    Delimited(Delimited),
    Json,
    Parquet,
}

#[derive(Debug)]
struct ExternalProvider {
    lake: Arc<dyn Lake>,
    role: String,
    database: String,
    table: ExternalTable,
    format: Format,
    /// File columns, then partition keys.
    types: Vec<SqlType>,
    /// Why columns that have no type here cannot be read.
    refused: BTreeMap<usize, SqlError>,
    schema: SchemaRef,
}

/// Returns a catalog table as DataFusion reads it.
pub async fn provider(
    lake: Arc<dyn Lake>,
    source: &ExternalSource,
    mut table: ExternalTable,
) -> Result<Arc<dyn TableProvider>> {
    for (name, _) in table.columns.iter_mut().chain(&mut table.partition_keys) {
        *name = name.to_lowercase();
    }
    let format = format_of(&table)?;
    let all = || table.columns.iter().chain(&table.partition_keys);
    // Who does not name such a column need not care for it.
    let mut refused = BTreeMap::new();
    let types: Vec<SqlType> = all()
        .enumerate()
        .map(|(index, (name, glue_type))| {
            SqlType::from_glue(glue_type).unwrap_or_else(|error| {
                let place = format!("external column {name} of {}", table.name);
                refused.insert(index, error.with_detail(place));
                SqlType::Varchar(VARCHAR_MAX)
            })
        })
        .collect();
    let mut fields: Vec<_> = all()
        .zip(&types)
        .map(|((name, _), sql_type)| sql_type.field(name, true))
        .collect();
    fields.push(SqlType::Varchar(VARCHAR_MAX).field(PATH, true));
    fields.push(SqlType::Int8.field(SIZE, true));
    let schema = Arc::new(Schema::new(fields));
    Ok(Arc::new(ExternalProvider {
        lake,
        role: source.role.clone(),
        database: source.database.clone(),
        table,
        format,
        types,
        refused,
        schema,
    }))
}

fn format_of(table: &ExternalTable) -> Result<Format> {
    let parameter = |key: &str| {
        table
            .serde_parameters
            .get(key)
            .or_else(|| table.parameters.get(key))
            .map(String::as_str)
    };
    let byte = |key: &str, default: Option<u8>| match parameter(key) {
        None | Some("") => Ok(default),
        Some("\\t") => Ok(Some(b'\t')),
        Some("\\\\") => Ok(Some(b'\\')),
        Some(text) if text.len() == 1 => Ok(text.bytes().next()),
        Some(text) => Err(SqlError::unsupported(format!("{key} of more than one byte ({text})"))),
    };
    let skip = parameter("skip.header.line.count")
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0);
    let serde = table.serde.rsplit('.').next().unwrap_or_default();
    Ok(match serde {
        "LazySimpleSerDe" => Format::Delimited(Delimited {
            delimiter: byte(
                "field.delim",
                byte("serialization.format", Some(1))?
                    .filter(|byte| *byte != b'1')
                    .or(Some(1)),
            )?
            .unwrap_or(1),
            quote: None,
            escape: byte("escape.delim", None)?,
            null: Some(parameter("serialization.null.format").unwrap_or("\\N").to_string()),
            skip_lines: skip,
        }),
        "OpenCSVSerde" => Format::Delimited(Delimited {
            delimiter: byte("separatorChar", Some(b','))?.unwrap_or(b','),
            quote: byte("quoteChar", Some(b'"'))?,
            escape: byte("escapeChar", Some(b'\\'))?,
            null: None,
            skip_lines: skip,
        }),
        "JsonSerDe" => Format::Json,
        "ParquetHiveSerDe" => Format::Parquet,
        "" if table.input_format.contains("Parquet") => Format::Parquet,
        "" => {
            return Err(SqlError::unsupported(format!(
                "external table {} without a SerDe",
                table.name
            )));
        }
        other => return Err(SqlError::unsupported(format!("SerDe {other}"))),
    })
}

#[async_trait]
impl TableProvider for ExternalProvider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if self.on_partitions(filter) {
                    TableProviderFilterPushDown::Inexact
                } else {
                    TableProviderFilterPushDown::Unsupported
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let projected: Vec<usize> = projection
            .cloned()
            .unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        if let Some(error) = projected.iter().find_map(|index| self.refused.get(index)) {
            return Err(error.clone().into());
        }
        let schema = Arc::new(self.schema.project(&projected)?);
        let mut slices = Vec::new();
        for partition in self.partitions(state, filters).await? {
            slices.extend(self.slices(&partition).await?);
        }
        if slices.is_empty() {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let count = state.config().target_partitions().clamp(1, slices.len());
        let mut groups: Vec<Vec<Slice>> = vec![Vec::new(); count];
        for (index, slice) in slices.into_iter().enumerate() {
            groups[index % count].push(slice);
        }
        let reader = Arc::new(Reader {
            lake: self.lake.clone(),
            role: self.role.clone(),
            format: self.format.clone(),
            columns: self.table.columns.iter().map(|(name, _)| name.clone()).collect(),
            types: self.types.clone(),
            projected,
            schema: schema.clone(),
            batch_size: state.config().batch_size(),
        });
        let partitions = groups
            .into_iter()
            .map(|slices| {
                Arc::new(Part {
                    reader: reader.clone(),
                    slices,
                }) as Arc<dyn PartitionStream>
            })
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(
            schema,
            partitions,
            None,
            None::<datafusion::physical_expr::LexOrdering>,
            false,
            limit,
        )?))
    }
}

impl ExternalProvider {
    fn on_partitions(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        !columns.is_empty()
            && columns
                .iter()
                .all(|column| self.table.partition_keys.iter().any(|(name, _)| *name == column.name))
    }

    /// Returns the partitions that the filters leave, or the table itself when it has none.
    async fn partitions(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<ExternalPartition>> {
        if self.table.partition_keys.is_empty() {
            return Ok(vec![ExternalPartition {
                values: Vec::new(),
                location: self.table.location.clone(),
            }]);
        }
        let partitions = self
            .lake
            .partitions(&self.role, &self.database, &self.table.name)
            .await?;
        let filters: Vec<Expr> = filters
            .iter()
            .filter(|filter| self.on_partitions(filter))
            .cloned()
            .collect();
        let Some(filter) = conjunction(filters) else {
            return Ok(partitions);
        };
        let first = self.table.columns.len();
        let keys = first..first + self.table.partition_keys.len();
        let schema = Arc::new(self.schema.project(&keys.clone().collect::<Vec<_>>())?);
        let columns = keys
            .clone()
            .map(|key| {
                let values: StringArray = partitions
                    .iter()
                    .map(|partition| partition_value(partition, key - first))
                    .collect();
                cast(&(Arc::new(values) as ArrayRef), self.types[key], Mode::Try)
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(partitions.len()));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(schema)?)?;
        let kept = filter.evaluate(&batch)?.into_array(partitions.len())?;
        let kept = kept.as_boolean();
        Ok(partitions
            .into_iter()
            .enumerate()
            .filter(|(index, _)| kept.is_valid(*index) && kept.value(*index))
            .map(|(_, partition)| partition)
            .collect())
    }

    /// Lists a partition's files and cuts the long ones.
    async fn slices(&self, partition: &ExternalPartition) -> Result<Vec<Slice>> {
        let (bucket, prefix) = split_location(&partition.location)?;
        let folder = if prefix.is_empty() || prefix.ends_with('/') {
            prefix.to_string()
        } else {
            format!("{prefix}/")
        };
        let mut objects = self.lake.list(&self.role, bucket, &folder).await?;
        if objects.is_empty() && folder != prefix {
            objects = self.lake.list(&self.role, bucket, prefix).await?;
            objects.retain(|object| object.key == prefix);
        }
        let mut slices = Vec::new();
        for object in objects {
            let name = object.key.rsplit('/').next().unwrap_or_default();
            if object.size == 0 || name.is_empty() || name.starts_with(['_', '.']) {
                continue;
            }
            let whole = Slice {
                bucket: bucket.to_string(),
                key: object.key.clone(),
                size: object.size,
                start: 0,
                end: object.size,
                values: (0..self.table.partition_keys.len())
                    .map(|key| partition_value(partition, key))
                    .collect(),
            };
            let splits = !matches!(self.format, Format::Parquet) && compression_of(&object.key)? == Compression::None;
            if splits && object.size > SLICE {
                let mut start = 0;
                while start < object.size {
                    let end = (start + SLICE).min(object.size);
                    slices.push(Slice {
                        start,
                        end,
                        ..whole.clone()
                    });
                    start = end;
                }
            } else {
                slices.push(whole);
            }
        }
        Ok(slices)
    }
}

/// Hive writes a null partition value as a word of its own.
fn partition_value(partition: &ExternalPartition, key: usize) -> Option<String> {
    partition
        .values
        .get(key)
        .filter(|value| *value != "__HIVE_DEFAULT_PARTITION__")
        .cloned()
}

/// Returns bucket and key of an `s3://` address.
pub fn split_location(location: &str) -> Result<(&str, &str)> {
    let rest = location
        .strip_prefix("s3://")
        .or_else(|| location.strip_prefix("s3a://"))
        .ok_or_else(|| SqlError::new("XX000", format!("location {location} is not in S3")))?;
    Ok(rest.split_once('/').unwrap_or((rest, "")))
}

/// What the bytes of an object are packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

pub fn compression_of(key: &str) -> Result<Compression> {
    let lower = key.to_lowercase();
    match lower.rsplit('.').next() {
        Some("gz") => Ok(Compression::Gzip),
        Some("zst" | "zstd") => Ok(Compression::Zstd),
        Some(other @ ("bz2" | "snappy" | "lz4" | "lzo")) => {
            Err(SqlError::unsupported(format!("files compressed with {other}")))
        }
        _ => Ok(Compression::None),
    }
}

/// A piece of one file.
#[derive(Clone, Debug)]
pub struct Slice {
    pub bucket: String,
    pub key: String,
    pub size: u64,
    pub start: u64,
    pub end: u64,
    values: Vec<Option<String>>,
}

/// Everything about a scan that its pieces share.
struct Reader {
    lake: Arc<dyn Lake>,
    role: String,
    format: Format,
    columns: Vec<String>,
    types: Vec<SqlType>,
    projected: Vec<usize>,
    schema: SchemaRef,
    batch_size: usize,
}

#[derive(Debug)]
struct Part {
    reader: Arc<Reader>,
    slices: Vec<Slice>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "external {:?}", self.format)
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.reader.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let reader = self.reader.clone();
        let batches = futures::stream::iter(self.slices.clone()).flat_map(move |slice| reader.clone().read(slice));
        Box::pin(RecordBatchStreamAdapter::new(
            self.reader.schema.clone(),
            batches.map(|batch| batch.map_err(Into::into)),
        ))
    }
}

type Batches = std::pin::Pin<Box<dyn futures::Stream<Item = Result<RecordBatch>> + Send>>;

impl Reader {
    fn read(self: Arc<Self>, slice: Slice) -> Batches {
        let file_columns: Vec<usize> = self
            .projected
            .iter()
            .copied()
            .filter(|index| *index < self.columns.len())
            .collect();
        match &self.format {
            Format::Parquet => {
                let columns = file_columns
                    .iter()
                    .map(|index| (self.columns[*index].clone(), self.types[*index]))
                    .collect();
                let reader = self.clone();
                let object = self.object(&slice);
                let opened = parquet::by_name(object, slice.size, columns, self.batch_size);
                let batches = futures::stream::once(opened).try_flatten().map(move |batch| {
                    let (columns, rows) = batch?;
                    reader.finish(&slice, &file_columns, columns, rows)
                });
                Box::pin(batches)
            }
            Format::Delimited(_) | Format::Json => {
                let skip = if let (Format::Delimited(delimited), 0) = (&self.format, slice.start) {
                    delimited.skip_lines
                } else {
                    0
                };
                let opened = Blocks::new(self.object(&slice), &slice, skip);
                let reader = self.clone();
                let blocks = futures::stream::iter([opened]).and_then(|blocks| async move {
                    Ok(futures::stream::try_unfold(blocks, |mut blocks| async move {
                        Ok::<_, SqlError>(blocks.next().await?.map(|block| (block, blocks)))
                    }))
                });
                Box::pin(blocks.try_flatten().flat_map(move |block: Result<Bytes>| {
                    let parsed = block.and_then(|block| reader.parse(&slice, &file_columns, &block));
                    futures::stream::iter(match parsed {
                        Ok(batches) => batches.into_iter().map(Ok).collect::<Vec<_>>(),
                        Err(error) => vec![Err(error)],
                    })
                }))
            }
        }
    }

    fn object(&self, slice: &Slice) -> Object {
        Object {
            lake: self.lake.clone(),
            role: self.role.clone(),
            bucket: slice.bucket.clone(),
            key: slice.key.clone(),
        }
    }

    /// Turns a block of whole lines into batches.
    fn parse(&self, slice: &Slice, file_columns: &[usize], block: &[u8]) -> Result<Vec<RecordBatch>> {
        let parsed = match &self.format {
            Format::Delimited(delimited) => {
                delimited::parse(delimited, block, self.columns.len(), file_columns, self.batch_size)
            }
            Format::Json => json::parse(block, &self.columns, file_columns, self.batch_size)
                .map_err(|error| error.with_detail(format!("s3://{}/{}", slice.bucket, slice.key)))?,
            Format::Parquet => Vec::new(),
        };
        parsed
            .into_iter()
            .map(|(texts, rows)| {
                let columns = texts
                    .into_iter()
                    .zip(file_columns)
                    .map(|(text, index)| cast(&(Arc::new(text) as ArrayRef), self.types[*index], Mode::Try))
                    .collect::<Result<Vec<_>>>()?;
                self.finish(slice, file_columns, columns, rows)
            })
            .collect()
    }

    /// Puts file columns, partition values and pseudo-columns into the order that was asked for.
    fn finish(
        &self,
        slice: &Slice,
        file_columns: &[usize],
        columns: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<RecordBatch> {
        let repeated = |text: Option<&str>| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
        let ordered = self
            .projected
            .iter()
            .map(|index| {
                if let Some(at) = file_columns.iter().position(|column| column == index) {
                    return Ok(columns[at].clone());
                }
                let key = index - self.columns.len();
                match slice.values.get(key) {
                    Some(value) => cast(&repeated(value.as_deref()), self.types[*index], Mode::Try),
                    None if *index == self.types.len() => {
                        Ok(repeated(Some(&format!("s3://{}/{}", slice.bucket, slice.key))))
                    }
                    None => cast(&repeated(Some(&slice.size.to_string())), SqlType::Int8, Mode::Try),
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            self.schema.clone(),
            ordered,
            &options,
        )?)
    }
}
