//! Native tables on disk: immutable Parquet segments and deletion vectors. Reading skips deleted rows inside the
//! Parquet reader; writing makes new segments and syncs them before any commit may name them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result as DfResult, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction};
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion::parquet::arrow::{ArrowWriter, RowNumber};
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::scalar::ScalarValue;

use crate::catalog::{Column as TableColumn, Relation, Segment};
use crate::durable::Watch;
use crate::error::{Result, SqlError};

/// Names of the hidden columns that DML reads: which segment a row is in, and where.
pub const SEGMENT: &str = "__segment";
pub const ROW: &str = "__row";

const ROWS_PER_SEGMENT: u64 = 1_000_000;
/// What a row group may hold before it is written, so that wide rows do not fill the memory.
const BYTES_PER_GROUP: usize = 32 << 20;
/// A column with more different values than fit here is faster to write and to read as it is.
const DICTIONARY_BYTES: usize = 128 << 10;

/// A segment's file. It is deleted when nothing refers to it any more, unless a commit keeps it.
#[derive(Debug)]
pub struct SegmentFile {
    path: PathBuf,
    keep: AtomicBool,
}

impl SegmentFile {
    pub fn kept(dir: &Path, id: u64) -> Arc<Self> {
        Arc::new(Self {
            path: path_of(dir, id),
            keep: AtomicBool::new(true),
        })
    }

    pub fn set_keep(&self, keep: bool) {
        self.keep.store(keep, Ordering::Relaxed);
    }
}

impl Drop for SegmentFile {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Relaxed) {
            // A file that cannot be removed now is swept when the warehouse is next opened.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn path_of(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:012}.parquet"))
}

/// A native table as DataFusion reads it.
#[derive(Debug)]
pub struct NativeTable {
    relation: Arc<Relation>,
    dir: PathBuf,
    schema: SchemaRef,
    files: TableSchema,
}

impl NativeTable {
    /// `with_rows` adds the hidden columns after the table's own.
    pub fn new(relation: Arc<Relation>, dir: &Path, with_rows: bool) -> Self {
        let mut fields: Vec<Field> = relation
            .columns
            .iter()
            .map(|column| as_read(column.sql_type.field(&column.name, true)))
            .collect();
        let mut builder = TableSchema::builder(read_schema(&relation.columns));
        if with_rows {
            let segment = Field::new(SEGMENT, DataType::Int32, false);
            let row = Field::new(ROW, DataType::Int64, true).with_extension_type(RowNumber);
            fields.push(segment.clone());
            fields.push(row.clone());
            builder = builder
                .with_table_partition_cols(vec![Arc::new(segment)])
                .with_virtual_columns(vec![Arc::new(row)]);
        }
        Self {
            relation,
            dir: dir.to_path_buf(),
            schema: Arc::new(Schema::new(fields)),
            files: builder.build(),
        }
    }

    fn file(&self, index: usize, segment: &Segment, with_rows: bool) -> PartitionedFile {
        let mut file = PartitionedFile::new(
            path_of(&self.dir, segment.id).to_string_lossy().into_owned(),
            segment.bytes,
        );
        if with_rows {
            file = file.with_partition_values(vec![ScalarValue::Int32(Some(index as i32))]);
        }
        if !segment.deleted.is_empty() {
            let mut selectors = Vec::new();
            let mut position = 0;
            for &row in segment.deleted.iter() {
                let row = row as usize;
                if row > position {
                    selectors.push(RowSelector::select(row - position));
                }
                selectors.push(RowSelector::skip(1));
                position = row + 1;
            }
            if (segment.rows as usize) > position {
                selectors.push(RowSelector::select(segment.rows as usize - position));
            }
            file = file.with_extension(ParquetRowSelection::new(RowSelection::from(selectors)));
        }
        file
    }

    /// Rewrites a filter to the column names in the files.
    fn physical_filter(&self, filter: &Expr) -> DfResult<Expr> {
        let renamed = filter.clone().transform(|expr| match &expr {
            Expr::Column(column) => match self.relation.column(&column.name) {
                Some(index) => Ok(Transformed::yes(Expr::Column(Column::from_name(physical_name(
                    &self.relation.columns[index],
                ))))),
                None => Ok(Transformed::no(expr)),
            },
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(renamed.data)
    }
}

/// Columns have one name in files for life; the catalog has the other.
fn physical_name(column: &TableColumn) -> String {
    format!("c{}", column.id)
}

pub fn physical_schema(columns: &[TableColumn]) -> SchemaRef {
    Arc::new(Schema::new(
        columns
            .iter()
            .map(|column| column.sql_type.field(&physical_name(column), true))
            .collect::<Vec<_>>(),
    ))
}

/// What [`physical_schema`] is to a reader: text comes as views into the pages that it was read from, which are not
/// copied before somebody needs the text itself, and which are compared and grouped by their first bytes.
fn read_schema(columns: &[TableColumn]) -> SchemaRef {
    let fields = physical_schema(columns);
    Arc::new(Schema::new(
        fields
            .fields()
            .iter()
            .map(|field| as_read(field.as_ref().clone()))
            .collect::<Vec<_>>(),
    ))
}

fn as_read(field: Field) -> Field {
    match field.data_type() {
        DataType::Utf8 => field.with_data_type(DataType::Utf8View),
        _ => field,
    }
}

#[async_trait]
impl TableProvider for NativeTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
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
        let schema = Arc::new(self.schema.project(&projected)?);
        let Some(table) = self
            .relation
            .table()
            .filter(|table| table.segments.iter().any(|segment| segment.live() > 0))
        else {
            return Ok(Arc::new(EmptyExec::new(schema)));
        };
        let with_rows = self.schema.fields().len() > self.relation.columns.len();
        let mut source = ParquetSource::new(self.files.clone());
        let own = |filter: &&Expr| {
            filter
                .column_refs()
                .iter()
                .all(|column| self.relation.column(&column.name).is_some())
        };
        let filters = filters
            .iter()
            .filter(own)
            .map(|filter| self.physical_filter(filter))
            .collect::<DfResult<Vec<_>>>()?;
        if let Some(filter) = conjunction(filters) {
            let columns = DFSchema::try_from(read_schema(&self.relation.columns))?;
            source = source.with_predicate(state.create_physical_expr(filter, &columns)?);
        }
        let partitions = state.config().target_partitions().max(1);
        let mut groups: Vec<Vec<PartitionedFile>> = vec![Vec::new(); partitions];
        for (index, segment) in table
            .segments
            .iter()
            .enumerate()
            .filter(|(_, segment)| segment.live() > 0)
        {
            groups[index % partitions].push(self.file(index, segment, with_rows));
        }
        let rows: u64 = table.segments.iter().map(Segment::live).sum();
        let bytes: u64 = table.segments.iter().map(|segment| segment.bytes).sum();
        // Joins keep the smaller side in memory; who is smaller, the planner knows from here.
        let statistics = Statistics::new_unknown(self.files.table_schema())
            .with_num_rows(Precision::Exact(rows as usize))
            .with_total_byte_size(Precision::Inexact(bytes as usize));
        let mut builder = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_statistics(statistics)
            .with_limit(limit);
        for group in groups.into_iter().filter(|group| !group.is_empty()) {
            builder = builder.with_file_group(FileGroup::new(group));
        }
        let scan = DataSourceExec::from_data_source(builder.with_projection_indices(Some(projected.clone()))?.build());
        if projected.is_empty() {
            return Ok(scan);
        }
        let renamed: Vec<(Arc<dyn PhysicalExpr>, String)> = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let column = PhysicalColumn::new(scan.schema().field(index).name(), index);
                (Arc::new(column) as Arc<dyn PhysicalExpr>, field.name().clone())
            })
            .collect();
        Ok(Arc::new(ProjectionExec::try_new(renamed, scan)?))
    }
}

/// Writes rows of one table into new segments.
pub struct SegmentWriter {
    dir: PathBuf,
    watch: Watch,
    schema: SchemaRef,
    next_id: Box<dyn Fn() -> u64 + Send>,
    open: Option<(u64, ArrowWriter<std::fs::File>, u64)>,
    done: Vec<Segment>,
}

impl SegmentWriter {
    pub fn new(dir: &Path, watch: &Watch, columns: &[TableColumn], next_id: impl Fn() -> u64 + Send + 'static) -> Self {
        Self {
            dir: dir.to_path_buf(),
            watch: watch.clone(),
            schema: physical_schema(columns),
            next_id: Box::new(next_id),
            open: None,
            done: Vec::new(),
        }
    }

    /// Adds rows, whose columns are in the table's order and already have its types.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
        if self.open.is_none() {
            let id = (self.next_id)();
            let file = std::fs::File::create_new(path_of(&self.dir, id))?;
            let properties = WriterProperties::builder()
                .set_compression(Compression::SNAPPY)
                .set_max_row_group_row_count(Some(ROWS_PER_SEGMENT as usize))
                .set_max_row_group_bytes(Some(BYTES_PER_GROUP))
                .set_dictionary_page_size_limit(DICTIONARY_BYTES)
                .build();
            self.open = Some((
                id,
                ArrowWriter::try_new(file, self.schema.clone(), Some(properties))?,
                0,
            ));
        }
        if let Some((_, writer, rows)) = &mut self.open {
            writer.write(&batch)?;
            *rows += batch.num_rows() as u64;
            if *rows >= ROWS_PER_SEGMENT {
                self.close()?;
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some((id, writer, rows)) = self.open.take() else {
            return Ok(());
        };
        let file = writer.into_inner()?;
        self.watch.sync(&file)?;
        let bytes = file.metadata()?.len();
        let handle = SegmentFile::kept(&self.dir, id);
        handle.set_keep(false);
        self.done.push(Segment {
            id,
            rows,
            bytes,
            deleted: Arc::default(),
            file: Some(handle),
        });
        Ok(())
    }

    /// Returns the finished segments, all of them on disk.
    pub fn finish(mut self) -> Result<Vec<Segment>> {
        self.close()?;
        if !self.done.is_empty() {
            self.watch.sync(&std::fs::File::open(&self.dir)?)?;
        }
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for SegmentWriter {
    /// A statement that fails leaves no half-written file behind.
    fn drop(&mut self) {
        if let Some((id, ..)) = self.open.take() {
            // A file that cannot be removed now is swept when the warehouse is next opened.
            let _ = std::fs::remove_file(path_of(&self.dir, id));
        }
    }
}

/// Rows of a table that a statement has found, one bit each.
pub struct Marks(Vec<Vec<u64>>);

impl Marks {
    pub fn new(segments: &[Segment]) -> Self {
        Self(vec![Vec::new(); segments.len()])
    }

    /// Marks a row. Returns whether it was not marked before.
    pub fn mark(&mut self, segment: usize, row: usize) -> bool {
        let words = &mut self.0[segment];
        if words.len() <= row / 64 {
            words.resize(row / 64 + 1, 0);
        }
        let (word, bit) = (&mut words[row / 64], 1 << (row % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Returns the segments without the marked rows, and how many those are.
    pub fn delete(&self, segments: &[Segment]) -> (Vec<Segment>, u64) {
        let mut count = 0;
        let mut left = Vec::with_capacity(segments.len());
        for (segment, words) in segments.iter().zip(&self.0) {
            let mut segment = segment.clone();
            if !words.is_empty() {
                let before = segment.deleted.len();
                let mut rows = segment.deleted.to_vec();
                rows.extend(words.iter().enumerate().flat_map(|(word, bits)| {
                    (0..64)
                        .filter(move |bit| bits & (1 << bit) != 0)
                        .map(move |bit| (word * 64 + bit) as u32)
                }));
                rows.sort_unstable();
                count += (rows.len() - before) as u64;
                segment.deleted = Arc::new(rows);
            }
            if segment.live() > 0 {
                left.push(segment);
            }
        }
        (left, count)
    }
}

/// Checks the columns that may not be null.
pub fn check_not_null(columns: &[TableColumn], batch: &RecordBatch) -> Result<()> {
    for (column, values) in columns.iter().zip(batch.columns()) {
        if column.not_null && values.null_count() > 0 {
            return Err(SqlError::new(
                "23502",
                format!("Cannot insert a NULL value into column {}", column.name),
            ));
        }
    }
    Ok(())
}
