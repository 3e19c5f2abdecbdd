//! Rows into tables: where each column's values come from, new segments, and what ALTER TABLE has to write anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::datatypes::Schema;
use futures::StreamExt;

use super::{Outcome, Session};
use crate::cast::{Mode, cast, cast_in};
use crate::catalog::{Body, Column, Identity, Relation, Segment};
use crate::error::{Result, SqlError};
use crate::native::{SegmentWriter, check_not_null, physical_schema};
use crate::plan::{Planned, conform_column};
use crate::rewrite::BY_OID;
use crate::types::SqlType;
use crate::utility::{DefinedColumn, Name};
use crate::zone::Zone;

/// Where a stored column's values come from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A column of the source.
    Source(usize),
    /// The next number is shared by all who write rows.
    Identity { identity: Identity, next: Arc<AtomicI64> },
    /// One value for all rows.
    Constant(ArrayRef),
}

/// Whether a query's values may be stored in the columns that they go to.
pub(super) fn check_types(columns: &[Column], planned: &Planned, origins: &[Origin]) -> Result<()> {
    for (column, origin) in columns.iter().zip(origins) {
        let Origin::Source(index) = origin else { continue };
        let given = planned.fields[*index].1;
        if !given.assignable_to(column.sql_type) {
            let (name, wanted, given) = (&column.name, column.sql_type.base_name(), given.base_name());
            let message = format!("column \"{name}\" is of type {wanted} but expression is of type {given}");
            return Err(SqlError::new("42804", message).with_hint("You will need to rewrite or cast the expression."));
        }
    }
    Ok(())
}

impl Session {
    pub(crate) async fn insert_planned(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[String],
        planned: &Planned,
    ) -> Result<u64> {
        let width = planned.fields.len();
        let expected = if columns.is_empty() {
            relation.columns.len()
        } else {
            columns.len()
        };
        if width > expected {
            return Err(too_many(relation));
        }
        if width < expected && !columns.is_empty() {
            return Err(SqlError::new(
                "42601",
                "INSERT has more target columns than expressions",
            ));
        }
        self.store(
            relation,
            columns,
            &Given {
                planned: Some(planned),
                width,
            },
        )
        .await
    }

    /// Stores rows into a table and puts the grown table into the transaction's catalog.
    pub(super) async fn store(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[String],
        given: &Given<'_>,
    ) -> Result<u64> {
        let origins = self.origins(relation, columns, given.width).await?;
        let (segments, count) = match given.planned {
            Some(planned) => self.write_rows(&relation.columns, planned, &origins).await?,
            None => {
                let options = RecordBatchOptions::new().with_row_count(Some(1));
                let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
                let mut writer = self.writer(&relation.columns);
                writer.write(&stored(&relation.columns, &origins, self.zone, &batch)?)?;
                (writer.finish()?, 1)
            }
        };
        self.grow(relation, segments, &origins).await?;
        Ok(count)
    }

    pub(crate) fn writer(&self, columns: &[Column]) -> SegmentWriter {
        SegmentWriter::new(
            self.engine.store.segments(),
            &self.engine.options.watch,
            columns,
            self.engine.segment_ids(),
        )
    }

    /// Writes a query into new segments of a table.
    pub(super) async fn write_rows(
        &self,
        columns: &[Column],
        planned: &Planned,
        origins: &[Origin],
    ) -> Result<(Vec<Segment>, u64)> {
        check_types(columns, planned, origins)?;
        // Rows are numbered in the order in which the query gives them.
        let numbered = origins.iter().any(|origin| matches!(origin, Origin::Identity { .. }));
        let shape = {
            let (columns, origins, zone) = (columns.to_vec(), origins.to_vec(), self.zone);
            move |batch: RecordBatch| stored(&columns, &origins, zone, &batch)
        };
        self.write_shaped(columns, planned, shape, !numbered).await
    }

    /// Writes a query into new segments, several at a time when the order of rows means nothing.
    async fn write_shaped(
        &self,
        columns: &[Column],
        planned: &Planned,
        shape: impl Fn(RecordBatch) -> Result<RecordBatch> + Clone + Send + 'static,
        parallel: bool,
    ) -> Result<(Vec<Segment>, u64)> {
        let threads = self.threads()?;
        let (streams, _stop) = self.parts(planned, parallel).await?;
        let mut tasks = tokio::task::JoinSet::new();
        for (part, mut stream) in streams.into_iter().enumerate() {
            let mut writer = self.writer(columns);
            let shape = shape.clone();
            let work = async move {
                let mut count = 0;
                while let Some(batch) = stream.next().await {
                    let batch = batch?;
                    count += batch.num_rows() as u64;
                    writer.write(&shape(batch)?)?;
                }
                Ok::<_, SqlError>((part, writer.finish()?, count))
            };
            tasks.spawn_on(work, threads.handle());
        }
        let mut parts = Vec::new();
        while let Some(part) = tasks.join_next().await {
            parts.push(part.map_err(SqlError::internal)??);
        }
        parts.sort_by_key(|(part, ..)| *part);
        let count = parts.iter().map(|(.., count)| count).sum();
        Ok((parts.into_iter().flat_map(|(_, segments, _)| segments).collect(), count))
    }

    /// Returns where a loader's columns go; absent columns get their defaults.
    pub(crate) async fn loader_shape(&self, relation: &Relation, columns: &[String]) -> Result<Shape> {
        let origins = self.origins(relation, columns, columns.len()).await?;
        Ok(Shape {
            columns: Arc::from(relation.columns.as_slice()),
            origins: Arc::from(origins),
        })
    }

    /// Adds what a loader wrote to a table.
    pub(crate) async fn grow_loaded(
        &mut self,
        relation: &Arc<Relation>,
        segments: Vec<Segment>,
        shape: &Shape,
    ) -> Result<()> {
        self.grow(relation, segments, &shape.origins).await
    }

    pub(super) async fn grow(
        &mut self,
        relation: &Arc<Relation>,
        segments: Vec<Segment>,
        origins: &[Origin],
    ) -> Result<()> {
        let mut changed = relation.as_ref().clone();
        for (column, origin) in changed.columns.iter_mut().zip(origins) {
            if let Origin::Identity { identity, next } = origin {
                column.identity = Some(Identity {
                    next: next.load(Ordering::Relaxed),
                    ..*identity
                });
            }
        }
        if let Body::Table(table) = &mut changed.body {
            table.segments.extend(segments);
        }
        let many_small = changed
            .table()
            .is_some_and(|table| table.segments.iter().filter(|segment| segment.live() < SMALL).count() >= MANY);
        let oid = changed.oid;
        self.work()?.put_relation(changed);
        if many_small { self.compact(oid).await } else { Ok(()) }
    }

    pub(super) async fn origins(&self, relation: &Relation, columns: &[String], width: usize) -> Result<Vec<Origin>> {
        let mut seen = BTreeSet::new();
        for name in columns {
            if relation.column(name).is_none() {
                return Err(SqlError::new(
                    "42703",
                    format!("column \"{name}\" of relation \"{}\" does not exist", relation.name),
                ));
            }
            if !seen.insert(name) {
                return Err(SqlError::new(
                    "42701",
                    format!("column \"{name}\" specified more than once"),
                ));
            }
        }
        let mut origins = Vec::new();
        for (index, column) in relation.columns.iter().enumerate() {
            let given = if columns.is_empty() {
                Some(index).filter(|index| *index < width)
            } else {
                columns.iter().position(|name| *name == column.name)
            };
            origins.push(match (given, column.identity, &column.default) {
                (Some(_), Some(identity), _) if !identity.by_default => {
                    return Err(SqlError::new(
                        "0A000",
                        format!("cannot set an identity column to a value: \"{}\"", column.name),
                    ));
                }
                (Some(given), ..) => Origin::Source(given),
                (None, Some(identity), _) => Origin::Identity {
                    identity,
                    next: Arc::new(AtomicI64::new(identity.next)),
                },
                (None, None, Some(text)) => Origin::Constant(self.default_value(text, column.sql_type).await?),
                (None, None, None) => Origin::Constant(new_null_array(&column.sql_type.arrow(), 1)),
            });
        }
        Ok(origins)
    }

    async fn default_value(&self, text: &str, sql_type: SqlType) -> Result<ArrayRef> {
        let query = crate::parse::query(&format!("select cast({text} as {sql_type})"))?;
        let planned = self.plan(query, &[]).await?;
        let batches = self.collect(&planned).await?;
        let batch = batches
            .first()
            .ok_or_else(|| SqlError::internal("a default has no value"))?;
        cast(batch.column(0), sql_type, Mode::Assign)
    }

    /// Writes a query into new segments. Inferred lengths grow where a value is longer.
    pub(crate) async fn write_new(
        &self,
        planned: &Planned,
        mut columns: Vec<Column>,
    ) -> Result<(Vec<Segment>, u64, Vec<Column>)> {
        let longest: Arc<Vec<AtomicU32>> = Arc::new(columns.iter().map(|_| AtomicU32::new(0)).collect());
        let types: Vec<SqlType> = columns.iter().map(|column| column.sql_type).collect();
        let schema = physical_schema(&columns);
        let shape = {
            let longest = longest.clone();
            move |batch: RecordBatch| -> Result<RecordBatch> {
                let mut values = Vec::with_capacity(types.len());
                for ((sql_type, longest), array) in types.iter().zip(longest.iter()).zip(batch.columns()) {
                    let target = match sql_type {
                        SqlType::Varchar(_) => SqlType::Varchar(crate::types::VARCHAR_MAX),
                        other => *other,
                    };
                    let array = conform_column(array, target)?;
                    if let (SqlType::Varchar(_), Some(strings)) = (sql_type, array.as_string_opt::<i32>()) {
                        let length = strings.iter().flatten().map(str::len).max().unwrap_or(0);
                        longest.fetch_max(length as u32, Ordering::Relaxed);
                    }
                    values.push(array);
                }
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                Ok(RecordBatch::try_new_with_options(schema.clone(), values, &options)?)
            }
        };
        let (segments, count) = self.write_shaped(&columns, planned, shape, true).await?;
        for (column, longest) in columns.iter_mut().zip(longest.iter()) {
            if let SqlType::Varchar(length) = column.sql_type {
                column.sql_type = SqlType::Varchar(length.max(longest.load(Ordering::Relaxed)));
            }
        }
        Ok((segments, count, columns))
    }

    /// Rewrites a table's segments into as few as possible, without deleted rows.
    pub(crate) async fn compact(&mut self, oid: crate::catalog::Oid) -> Result<()> {
        let relation = self.lock_for_write(oid).await?;
        let planned = self.whole_table(&relation).await?;
        let (segments, _, _) = self.write_new(&planned, relation.columns.clone()).await?;
        self.put_table(&relation, |table| table.segments = segments)
    }

    async fn whole_table(&self, relation: &Relation) -> Result<Planned> {
        let list: Vec<String> = relation
            .columns
            .iter()
            .map(|column| format!("\"{}\"", column.name))
            .collect();
        let text = format!("select {} from \"{BY_OID}\".\"{}\" as t", list.join(", "), relation.oid);
        self.plan(crate::parse::query(&text)?, &[]).await
    }

    pub(super) async fn add_column(&mut self, relation: &Arc<Relation>, defined: DefinedColumn) -> Result<Outcome> {
        if relation.column(&defined.name).is_some() {
            return Err(SqlError::new(
                "42701",
                format!(
                    "column \"{}\" of relation \"{}\" already exists",
                    defined.name, relation.name
                ),
            ));
        }
        let table = relation.table().ok_or_else(|| SqlError::internal("no table"))?;
        let rows: u64 = table.segments.iter().map(Segment::live).sum();
        if defined.identity.is_some() {
            return Err(SqlError::new(
                "0A000",
                "ALTER TABLE ADD COLUMN cannot add an identity column",
            ));
        }
        if defined.not_null && defined.default.is_none() && rows > 0 {
            return Err(SqlError::new(
                "0A000",
                "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression",
            ));
        }
        let column = Column {
            id: table.next_column,
            name: defined.name,
            sql_type: defined.sql_type,
            not_null: defined.not_null,
            default: defined.default,
            identity: None,
            encoding: defined.encoding,
            comment: None,
        };
        let mut changed = relation.as_ref().clone();
        changed.columns.push(column.clone());
        let mut segments = table.segments.clone();
        if let Some(text) = column.default.as_ref().filter(|_| rows > 0) {
            // Files are immutable, so the rows that are there get the default by being written again.
            let value = self.default_value(text, column.sql_type).await?;
            let planned = self.whole_table(relation).await?;
            let mut origins: Vec<Origin> = (0..relation.columns.len()).map(Origin::Source).collect();
            origins.push(Origin::Constant(value));
            (segments, _) = self.write_rows(&changed.columns, &planned, &origins).await?;
        }
        if let Body::Table(table) = &mut changed.body {
            table.next_column += 1;
            table.segments = segments;
        }
        self.work()?.put_relation(changed);
        Ok(Outcome::command("ALTER TABLE"))
    }

    /// Refuses a narrower type that some value does not fit.
    pub(super) async fn check_fits(&self, relation: &Relation, changed: &Relation) -> Result<()> {
        for (before, after) in relation.columns.iter().zip(&changed.columns) {
            let (Some(old), Some(new)) = (before.sql_type.character_length(), after.sql_type.character_length()) else {
                continue;
            };
            if new >= old {
                continue;
            }
            let text = format!(
                "select max(octet_length(\"{}\")) from \"{BY_OID}\".\"{}\" as t",
                before.name, relation.oid
            );
            let planned = self.plan(crate::parse::query(&text)?, &[]).await?;
            let outcome = self.rows(&planned).await?;
            let longest = outcome.rows().into_iter().flatten().flatten().next();
            if let Some(crate::value::Cell::Int(longest)) = longest
                && longest > i64::from(new)
            {
                return Err(SqlError::new(
                    "22001",
                    format!("column \"{}\" has values longer than {new} bytes", before.name),
                ));
            }
        }
        Ok(())
    }

    pub(super) async fn append(&mut self, relation: &Arc<Relation>, from: &Name) -> Result<Outcome> {
        if self.in_block() {
            return Err(SqlError::new(
                "25001",
                "ALTER TABLE APPEND cannot run inside a transaction block",
            ));
        }
        let source = self.table_named(from)?;
        let source = self.lock_for_write(source.oid).await?;
        let names = |relation: &Relation| {
            relation
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.sql_type))
                .collect::<BTreeMap<String, SqlType>>()
        };
        if names(relation) != names(&source) {
            return Err(SqlError::new(
                "42804",
                format!("columns of \"{}\" and \"{}\" do not match", relation.name, source.name),
            ));
        }
        let columns: Vec<String> = source.columns.iter().map(|column| column.name.clone()).collect();
        let planned = self.whole_table(&source).await?;
        self.insert_planned(relation, &columns, &planned).await?;
        self.put_table(&source, |table| table.segments.clear())?;
        Ok(Outcome::command("ALTER TABLE APPEND"))
    }
}

/// Tables with this many segments of fewer rows than [`SMALL`] are compacted when they grow.
const MANY: usize = 24;
const SMALL: u64 = 50_000;

/// What is inserted: a query's rows, or one row of defaults.
pub(super) struct Given<'a> {
    planned: Option<&'a Planned>,
    width: usize,
}

impl Given<'_> {
    pub(super) fn default_row() -> Self {
        Given {
            planned: None,
            width: 0,
        }
    }
}

/// How a loader's batches become rows of a table.
#[derive(Clone)]
pub(crate) struct Shape {
    columns: Arc<[Column]>,
    origins: Arc<[Origin]>,
}

impl Shape {
    /// Puts a loader's batch, whose values are of the columns' types, into the table's columns and checks it.
    pub(crate) fn stored(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        arranged(&self.columns, &self.origins, batch, |_, values| Ok(values.clone()))
    }
}

/// Puts a batch into the table's columns and types and checks it.
pub(super) fn stored(columns: &[Column], origins: &[Origin], zone: Zone, batch: &RecordBatch) -> Result<RecordBatch> {
    arranged(columns, origins, batch, |column, values| {
        cast_in(zone, values, column.sql_type, Mode::Assign).map_err(|mut error| {
            if error.detail.is_none() {
                error.detail = Some(format!("column {}", column.name));
            }
            error
        })
    })
}

fn arranged(
    columns: &[Column],
    origins: &[Origin],
    batch: &RecordBatch,
    fit: impl Fn(&Column, &ArrayRef) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut values = Vec::with_capacity(columns.len());
    for (column, origin) in columns.iter().zip(origins) {
        values.push(match origin {
            Origin::Source(index) => fit(column, batch.column(*index))?,
            Origin::Identity { identity, next } => {
                let first = next.fetch_add(identity.step * rows as i64, Ordering::Relaxed);
                let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(
                    (0..rows as i64).map(|row| first + row * identity.step),
                ));
                cast(&numbers, column.sql_type, Mode::Assign)?
            }
            Origin::Constant(value) => {
                let indices = Int64Array::from(vec![0; rows]);
                datafusion::arrow::compute::take(value, &indices, None)?
            }
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(physical_schema(columns), values, &options)?;
    check_not_null(columns, &batch)?;
    Ok(batch)
}

pub(super) fn too_many(relation: &Relation) -> SqlError {
    SqlError::new("42601", "INSERT has more expressions than target columns")
        .with_detail(format!("table {}", relation.name))
}
