//! INSERT, UPDATE, DELETE and MERGE. Each becomes one SELECT that finds rows by segment and row number, a deletion
//! vector for what goes and a new segment for what comes.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{Int32Type, Int64Type, Schema};
use datafusion::sql::sqlparser::ast::{
    self, Assignment, AssignmentTarget, Expr, FromTable, MergeAction, MergeClauseKind, MergeInsertKind, Query,
    SelectItem, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind,
    visit_expressions_mut,
};
use futures::StreamExt;

use super::{Outcome, Session};
use crate::cast::{Mode, cast};
use crate::catalog::{Body, Column, Identity, Relation, Segment};
use crate::error::{Result, SqlError};
use crate::lexer::Source;
use crate::native::{ROW, SEGMENT, SegmentWriter, check_not_null, delete_rows, physical_schema};
use crate::plan::{Planned, WITH_ROWS, conform_column};
use crate::rewrite::{BY_OID, name_from, quoted};
use crate::types::SqlType;
use crate::utility::{DefinedColumn, Name};

/// Where a stored column's values come from.
#[derive(Clone, Debug)]
enum Origin {
    /// A column of the source.
    Source(usize),
    Identity(Identity),
    /// One value for all rows.
    Constant(ArrayRef),
}

impl Session {
    pub(super) async fn query_or_dml(&mut self, source: &Source, parameters: &[Expr]) -> Result<Outcome> {
        let statement = crate::parse::statement(source)?;
        match statement {
            Statement::Query(query) if selects_into(&query) => self.select_into(query).await,
            Statement::Query(query) => {
                let planned = self.plan(query, parameters).await?;
                self.rows(&planned).await
            }
            Statement::Insert(insert) => self.insert(insert, parameters).await,
            Statement::Update(update) => self.update(update, parameters).await,
            Statement::Delete(delete) => self.delete(delete, parameters).await,
            Statement::Merge(merge) => self.merge(merge, parameters).await,
            other => {
                let words: Vec<String> = other
                    .to_string()
                    .split_whitespace()
                    .take(2)
                    .map(str::to_uppercase)
                    .collect();
                Err(SqlError::unsupported(words.join(" ")))
            }
        }
    }

    async fn select_into(&mut self, mut query: Box<Query>) -> Result<Outcome> {
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(SqlError::internal("no SELECT INTO"));
        };
        let Some(into) = select.into.take() else {
            return Err(SqlError::internal("no SELECT INTO"));
        };
        let temporary = if into.temporary || into.name.to_string().contains('#') {
            "temporary "
        } else {
            ""
        };
        let text = format!("create {temporary}table {} as {query}", into.name);
        let [source] = crate::lexer::split(&text)?
            .try_into()
            .map_err(|_| SqlError::internal("SELECT INTO"))?;
        self.ddl(crate::utility::parse(&source)?).await
    }

    // ---- INSERT ------------------------------------------------------------------------------------------------

    async fn insert(&mut self, insert: ast::Insert, parameters: &[Expr]) -> Result<Outcome> {
        if insert.returning.is_some() || insert.on.is_some() || insert.overwrite {
            return Err(SqlError::unsupported("INSERT with RETURNING, ON CONFLICT or OVERWRITE"));
        }
        let TableObject::TableName(object) = &insert.table else {
            return Err(SqlError::unsupported("INSERT into a function or query"));
        };
        let relation = self.table_named(&name_from(object)?)?;
        let relation = self.lock_for_write(relation.oid).await?;
        let columns = insert
            .columns
            .iter()
            .map(|column| Ok(name_from(column)?.name))
            .collect::<Result<Vec<_>>>()?;
        let Some(mut query) = insert.source else {
            let rows = self.store(&relation, &columns, &Rows::default_row()).await?;
            return Ok(Outcome::changed("INSERT", rows));
        };
        self.fill_defaults(&mut query, &relation, &columns)?;
        let planned = self.plan(query, parameters).await?;
        let rows = self.insert_planned(&relation, &columns, &planned).await?;
        Ok(Outcome::changed("INSERT", rows))
    }

    /// Replaces the word DEFAULT in VALUES by the column's default.
    fn fill_defaults(&self, query: &mut Query, relation: &Relation, columns: &[String]) -> Result<()> {
        let SetExpr::Values(values) = query.body.as_mut() else {
            return Ok(());
        };
        for row in &mut values.rows {
            for (index, value) in row.content.iter_mut().enumerate() {
                if !matches!(value, Expr::Identifier(ident) if ident.value == "default") {
                    continue;
                }
                let column = match columns.get(index) {
                    Some(name) => relation.column(name).ok_or_else(|| SqlError::no_column(name))?,
                    None => index,
                };
                let column = relation.columns.get(column).ok_or_else(|| too_many(relation))?;
                if column.identity.is_some() {
                    return Err(SqlError::unsupported(
                        "DEFAULT for an identity column; leave the column out",
                    ));
                }
                *value = match &column.default {
                    Some(text) => default_expr(text)?,
                    None => Expr::Value(ast::Value::Null.into()),
                };
            }
        }
        Ok(())
    }

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
            &Rows {
                planned: Some(planned),
                width,
            },
        )
        .await
    }

    /// Stores rows into a table and puts the grown table into the transaction's catalog.
    async fn store(&mut self, relation: &Arc<Relation>, columns: &[String], rows: &Rows<'_>) -> Result<u64> {
        let mut origins = self.origins(relation, columns, rows.width).await?;
        let mut writer = SegmentWriter::new(
            self.engine.store.segments(),
            &relation.columns,
            self.engine.segment_ids(),
        );
        let mut count = 0;
        match rows.planned {
            Some(planned) => {
                let mut stream = self.stream(planned).await?;
                while let Some(batch) = stream.next().await {
                    let batch = batch?;
                    count += batch.num_rows() as u64;
                    writer.write(&stored(&relation.columns, &mut origins, &batch)?)?;
                }
            }
            None => {
                let options = RecordBatchOptions::new().with_row_count(Some(1));
                let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
                count = 1;
                writer.write(&stored(&relation.columns, &mut origins, &batch)?)?;
            }
        }
        let segments = writer.finish()?;
        self.grow(relation, segments, &origins).await?;
        Ok(count)
    }

    /// Stores rows that a loader has already put into the table's columns; absent columns get their defaults.
    pub(crate) async fn store_batches(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[String],
        batches: &[RecordBatch],
    ) -> Result<u64> {
        let mut origins = self.origins(relation, columns, columns.len()).await?;
        let mut writer = SegmentWriter::new(
            self.engine.store.segments(),
            &relation.columns,
            self.engine.segment_ids(),
        );
        let mut count = 0;
        for batch in batches {
            count += batch.num_rows() as u64;
            writer.write(&stored(&relation.columns, &mut origins, batch)?)?;
        }
        let segments = writer.finish()?;
        self.grow(relation, segments, &origins).await?;
        Ok(count)
    }

    async fn grow(&mut self, relation: &Arc<Relation>, segments: Vec<Segment>, origins: &[Origin]) -> Result<()> {
        let mut changed = relation.as_ref().clone();
        for (column, origin) in changed.columns.iter_mut().zip(origins) {
            if let Origin::Identity(identity) = origin {
                column.identity = Some(*identity);
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

    async fn origins(&self, relation: &Relation, columns: &[String], width: usize) -> Result<Vec<Origin>> {
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
                (None, Some(identity), _) => Origin::Identity(identity),
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
        let mut writer = SegmentWriter::new(self.engine.store.segments(), &columns, self.engine.segment_ids());
        let mut stream = self.stream(planned).await?;
        let mut count = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            count += batch.num_rows() as u64;
            let mut values = Vec::with_capacity(columns.len());
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                let text_type = matches!(column.sql_type, SqlType::Varchar(_));
                let target = if text_type {
                    SqlType::Varchar(crate::types::VARCHAR_MAX)
                } else {
                    column.sql_type
                };
                let array = conform_column(array, target)?;
                if let (SqlType::Varchar(length), Some(strings)) = (column.sql_type, array.as_string_opt::<i32>()) {
                    let longest = strings.iter().flatten().map(str::len).max().unwrap_or(0) as u32;
                    column.sql_type = SqlType::Varchar(length.max(longest));
                }
                values.push(array);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            writer.write(&RecordBatch::try_new_with_options(
                physical_schema(&columns),
                values,
                &options,
            )?)?;
        }
        Ok((writer.finish()?, count, columns))
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

    // ---- changes of the table's shape --------------------------------------------------------------------------

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
            let mut writer = SegmentWriter::new(
                self.engine.store.segments(),
                &changed.columns,
                self.engine.segment_ids(),
            );
            let mut origins: Vec<Origin> = (0..relation.columns.len()).map(Origin::Source).collect();
            origins.push(Origin::Constant(value));
            let mut stream = self.stream(&planned).await?;
            while let Some(batch) = stream.next().await {
                writer.write(&stored(&changed.columns, &mut origins, &batch?)?)?;
            }
            segments = writer.finish()?;
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
                .collect::<BTreeSetOf>()
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

    // ---- UPDATE, DELETE, MERGE ---------------------------------------------------------------------------------

    async fn update(&mut self, update: ast::Update, parameters: &[Expr]) -> Result<Outcome> {
        if update.returning.is_some() {
            return Err(SqlError::unsupported("UPDATE … RETURNING"));
        }
        let (relation, target, alias) = self.target(update.table.relation).await?;
        let mut from = vec![TableWithJoins {
            relation: target,
            joins: update.table.joins,
        }];
        match update.from {
            Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => from.extend(tables),
            None => {}
        }
        let new = new_values(&relation, &alias, update.assignments)?;
        let query = self.row_query(&relation, &alias, new, from, update.selection)?;
        let planned = self.plan(query, parameters).await?;
        let rows = self.replace_rows(&relation, &planned, Repeated::First).await?;
        Ok(Outcome::changed("UPDATE", rows))
    }

    async fn delete(&mut self, delete: ast::Delete, parameters: &[Expr]) -> Result<Outcome> {
        if delete.returning.is_some() || delete.limit.is_some() {
            return Err(SqlError::unsupported("DELETE with RETURNING or LIMIT"));
        }
        let (FromTable::WithFromKeyword(mut tables) | FromTable::WithoutKeyword(mut tables)) = delete.from;
        if tables.len() != 1 {
            return Err(SqlError::syntax("DELETE needs one table"));
        }
        let table = tables.remove(0);
        let (relation, target, alias) = self.target(table.relation).await?;
        if delete.selection.is_none() && delete.using.is_none() {
            let rows = relation
                .table()
                .map_or(0, |table| table.segments.iter().map(Segment::live).sum());
            self.put_table(&relation, |table| table.segments.clear())?;
            return Ok(Outcome::changed("DELETE", rows));
        }
        let mut from = vec![TableWithJoins {
            relation: target,
            joins: table.joins,
        }];
        from.extend(delete.using.into_iter().flatten());
        let query = self.row_query(&relation, &alias, Vec::new(), from, delete.selection)?;
        let planned = self.plan(query, parameters).await?;
        let rows = self.replace_rows(&relation, &planned, Repeated::First).await?;
        Ok(Outcome::changed("DELETE", rows))
    }

    async fn merge(&mut self, merge: ast::Merge, parameters: &[Expr]) -> Result<Outcome> {
        let (relation, target, alias) = self.target(merge.table).await?;
        let (mut on, source) = (*merge.on, merge.source);
        localise(&mut on, &relation, &alias);
        let (mut matched, mut inserted) = (None, None);
        for clause in merge.clauses {
            if clause.predicate.is_some() {
                return Err(SqlError::unsupported("MERGE … WHEN … AND"));
            }
            match (clause.clause_kind, clause.action) {
                (MergeClauseKind::Matched, MergeAction::Update(update)) => {
                    matched = Some(Some(new_values(&relation, &alias, update.assignments)?));
                }
                (MergeClauseKind::Matched, MergeAction::Delete { .. }) => matched = Some(None),
                (MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget, MergeAction::Insert(insert)) => {
                    let MergeInsertKind::Values(values) = insert.kind else {
                        return Err(SqlError::unsupported("MERGE … INSERT ROW"));
                    };
                    let row = values
                        .rows
                        .into_iter()
                        .next()
                        .ok_or_else(|| SqlError::syntax("MERGE needs VALUES"))?
                        .content;
                    let columns = insert
                        .columns
                        .iter()
                        .map(|column| Ok(name_from(column)?.name))
                        .collect::<Result<Vec<_>>>()?;
                    inserted = Some((columns, row));
                }
                _ => return Err(SqlError::unsupported("this clause of MERGE")),
            }
        }
        // Both sides are found in the table as it was, then stored.
        let changes = match matched {
            Some(new) => {
                let deletes = new.is_none();
                let from = vec![plain(target.clone()), plain(source.clone())];
                let query = self.row_query(&relation, &alias, new.unwrap_or_default(), from, Some(on.clone()))?;
                Some((self.plan(query, parameters).await?, deletes))
            }
            None => None,
        };
        let additions = match inserted {
            Some((columns, row)) => {
                let mut exists = crate::parse::query("select 1 as one")?;
                if let SetExpr::Select(select) = exists.body.as_mut() {
                    select.from = vec![plain(target)];
                    select.selection = Some(on);
                }
                let mut query = crate::parse::query("select 1 as one")?;
                if let SetExpr::Select(select) = query.body.as_mut() {
                    select.projection = row
                        .into_iter()
                        .enumerate()
                        .map(|(index, expr)| SelectItem::ExprWithAlias {
                            expr,
                            alias: quoted(&format!("$value{index}")),
                        })
                        .collect();
                    select.from = vec![plain(source)];
                    select.selection = Some(Expr::Exists {
                        subquery: exists,
                        negated: true,
                    });
                }
                let planned = self.plan(query, parameters).await?;
                let batches = self.collect(&planned).await?;
                Some((columns, batches))
            }
            None => None,
        };
        let mut rows = 0;
        if let Some((planned, deletes)) = changes {
            let repeated = if deletes { Repeated::First } else { Repeated::Error };
            rows += self.replace_rows(&relation, &planned, repeated).await?;
        }
        if let Some((columns, batches)) = additions {
            let relation = self
                .tx()?
                .work
                .relations
                .get(&relation.oid)
                .cloned()
                .ok_or_else(|| SqlError::internal("the table is gone"))?;
            let columns = if columns.is_empty() {
                relation.columns.iter().map(|column| column.name.clone()).collect()
            } else {
                columns
            };
            rows += self.store_batches(&relation, &columns, &batches).await?;
        }
        Ok(Outcome {
            tag: "MERGE".into(),
            ..Outcome::changed("MERGE", rows)
        })
    }

    /// Returns the table to change, how FROM names it with its hidden columns, and its alias.
    async fn target(&mut self, factor: TableFactor) -> Result<(Arc<Relation>, TableFactor, String)> {
        let TableFactor::Table { name, alias, .. } = &factor else {
            return Err(SqlError::syntax("a table is needed here"));
        };
        let relation = self.table_named(&name_from(name)?)?;
        let relation = self.lock_for_write(relation.oid).await?;
        let alias = alias
            .as_ref()
            .map_or_else(|| relation.name.clone(), |alias| alias.name.value.clone());
        let mut query = crate::parse::query(&format!(
            "select 1 from \"{WITH_ROWS}\".\"{}\" as \"{alias}\"",
            relation.oid
        ))?;
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(SqlError::internal("no select"));
        };
        let target = select.from.remove(0).relation;
        Ok((relation, target, alias))
    }

    /// Builds the query that finds rows: segment, row number, then the new values.
    fn row_query(
        &self,
        relation: &Relation,
        alias: &str,
        new: Vec<Expr>,
        mut from: Vec<TableWithJoins>,
        mut selection: Option<Expr>,
    ) -> Result<Box<Query>> {
        let mut query = crate::parse::query("select 1 as one")?;
        let hidden = [SEGMENT, ROW].map(|column| Expr::CompoundIdentifier(vec![quoted(alias), quoted(column)]));
        let localised = |mut expr: Expr| {
            localise(&mut expr, relation, alias);
            expr
        };
        if let Some(selection) = &mut selection {
            localise(selection, relation, alias);
        }
        for item in &mut from {
            let _ = visit_expressions_mut(item, |expr| {
                local_name(expr, relation, alias);
                ControlFlow::<()>::Continue(())
            });
        }
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection = hidden
                .into_iter()
                .chain(new.into_iter().map(localised))
                .enumerate()
                .map(|(index, expr)| SelectItem::ExprWithAlias {
                    expr,
                    alias: quoted(&format!("$value{index}")),
                })
                .collect();
            select.from = from;
            select.selection = selection;
        }
        Ok(query)
    }

    /// Deletes the rows a plan finds and stores its new values, if it has any, in their place.
    async fn replace_rows(&mut self, relation: &Arc<Relation>, planned: &Planned, repeated: Repeated) -> Result<u64> {
        let mut gone = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut writer = SegmentWriter::new(
            self.engine.store.segments(),
            &relation.columns,
            self.engine.segment_ids(),
        );
        let mut origins: Vec<Origin> = (0..relation.columns.len())
            .map(|index| Origin::Source(index + 2))
            .collect();
        let mut stream = self.stream(planned).await?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let segments = batch.column(0).as_primitive::<Int32Type>();
            let rows = batch.column(1).as_primitive::<Int64Type>();
            let mut kept = Vec::new();
            for row in 0..batch.num_rows() {
                let place = (segments.value(row), rows.value(row));
                if seen.insert(place) {
                    gone.push(place);
                    kept.push(row as i64);
                } else if repeated == Repeated::Error {
                    return Err(SqlError::new(
                        "21000",
                        "Found multiple matches to update the same tuple.",
                    ));
                }
            }
            if batch.num_columns() > 2 {
                let batch = if kept.len() == batch.num_rows() {
                    batch
                } else {
                    take_record_batch(&batch, &Int64Array::from(kept))?
                };
                writer.write(&stored(&relation.columns, &mut origins, &batch)?)?;
            }
        }
        let added = writer.finish()?;
        let table = relation.table().ok_or_else(|| SqlError::internal("no table"))?;
        let (mut segments, count) = delete_rows(&table.segments, gone)?;
        segments.extend(added);
        if count > 0 {
            self.put_table(relation, |table| table.segments = segments)?;
        }
        Ok(count)
    }
}

/// Tables with this many segments of fewer rows than [`SMALL`] are compacted when they grow.
const MANY: usize = 24;
const SMALL: u64 = 50_000;

type BTreeSetOf = std::collections::BTreeMap<String, SqlType>;

#[derive(Clone, Copy, PartialEq)]
enum Repeated {
    /// The first of several new versions of a row counts.
    First,
    Error,
}

/// What is inserted: a query's rows, or one row of defaults.
struct Rows<'a> {
    planned: Option<&'a Planned>,
    width: usize,
}

impl Rows<'_> {
    fn default_row() -> Self {
        Rows {
            planned: None,
            width: 0,
        }
    }
}

/// Puts a batch into the table's columns and types and checks it.
fn stored(columns: &[Column], origins: &mut [Origin], batch: &RecordBatch) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut values = Vec::with_capacity(columns.len());
    for (column, origin) in columns.iter().zip(origins) {
        values.push(match origin {
            Origin::Source(index) => {
                cast(batch.column(*index), column.sql_type, Mode::Assign).map_err(|mut error| {
                    if error.detail.is_none() {
                        error.detail = Some(format!("column {}", column.name));
                    }
                    error
                })?
            }
            Origin::Identity(identity) => {
                let first = identity.next;
                identity.next += identity.step * rows as i64;
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

/// Returns the new value of every column: assigned, or what it was.
fn new_values(relation: &Relation, alias: &str, assignments: Vec<Assignment>) -> Result<Vec<Expr>> {
    let mut values: Vec<Expr> = relation
        .columns
        .iter()
        .map(|column| Expr::CompoundIdentifier(vec![quoted(alias), quoted(&column.name)]))
        .collect();
    let mut assigned = BTreeSet::new();
    for assignment in assignments {
        let AssignmentTarget::ColumnName(object) = &assignment.target else {
            return Err(SqlError::unsupported("UPDATE of several columns at once"));
        };
        let name = name_from(object)?.name;
        let index = relation.column(&name).ok_or_else(|| {
            SqlError::new(
                "42703",
                format!("column \"{name}\" of relation \"{}\" does not exist", relation.name),
            )
        })?;
        if !assigned.insert(index) {
            return Err(SqlError::new(
                "42601",
                format!("multiple assignments to same column \"{name}\""),
            ));
        }
        let column = &relation.columns[index];
        if column.identity.is_some_and(|identity| !identity.by_default) {
            return Err(SqlError::new(
                "0A000",
                format!("cannot update identity column \"{name}\""),
            ));
        }
        values[index] = match assignment.value {
            Expr::Identifier(ident) if ident.value == "default" && ident.quote_style.is_none() => match &column.default
            {
                Some(text) => default_expr(text)?,
                None => Expr::Value(ast::Value::Null.into()),
            },
            value => value,
        };
    }
    Ok(values)
}

fn default_expr(text: &str) -> Result<Expr> {
    let query = crate::parse::query(&format!("select {text}"))?;
    let SetExpr::Select(select) = *query.body else {
        return Err(SqlError::internal("a default is no expression"));
    };
    match select.projection.into_iter().next() {
        Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => Ok(expr),
        _ => Err(SqlError::internal("a default is no expression")),
    }
}

/// `schema.table.column` of the changed table becomes `alias.column`.
fn localise(expr: &mut Expr, relation: &Relation, alias: &str) {
    let _ = visit_expressions_mut(expr, |expr| {
        local_name(expr, relation, alias);
        ControlFlow::<()>::Continue(())
    });
}

fn local_name(expr: &mut Expr, relation: &Relation, alias: &str) {
    if let Expr::CompoundIdentifier(parts) = expr
        && parts.len() > 2
        && parts[parts.len() - 2].value == relation.name
        && let Some(column) = parts.pop()
    {
        *parts = vec![quoted(alias), column];
    }
}

fn plain(relation: TableFactor) -> TableWithJoins {
    TableWithJoins {
        relation,
        joins: Vec::new(),
    }
}

fn too_many(relation: &Relation) -> SqlError {
    SqlError::new("42601", "INSERT has more expressions than target columns")
        .with_detail(format!("table {}", relation.name))
}

/// Whether a query is really a `select … into`.
pub(super) fn selects_into(query: &Query) -> bool {
    matches!(query.body.as_ref(), SetExpr::Select(select) if select.into.is_some())
}
