//! INSERT, UPDATE, DELETE and MERGE. Each becomes one SELECT that finds rows by segment and row number, a deletion
//! vector for what goes and new segments for what comes.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, Int64Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{Int32Type, Int64Type};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::sql::sqlparser::ast::{
    self, Assignment, AssignmentTarget, Expr, FromTable, MergeAction, MergeClauseKind, MergeInsertKind, Query,
    SelectItem, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind, With,
    visit_expressions_mut,
};
use futures::StreamExt;

use super::write::{Given, Origin, check_types, stored, too_many};
use super::{Outcome, Session, Step};
use crate::catalog::{Relation, Segment};
use crate::error::{Result, SqlError};
use crate::lexer::Source;
use crate::native::{Marks, ROW, SEGMENT, SegmentWriter};
use crate::plan::{Planned, WITH_ROWS};
use crate::rewrite::{assigned, name_from, quoted};
use crate::types::SqlType;
use crate::zone::Zone;

impl Session {
    pub(super) async fn query_or_dml(&mut self, source: &Source, parameters: &[Expr]) -> Result<Step> {
        let statement = crate::parse::statement(source)?;
        let outcome = match statement {
            Statement::Query(query) if selects_into(&query) => self.select_into(query).await,
            Statement::Query(query) if changes(&query) => self.change_with(*query, parameters).await,
            Statement::Query(mut query) => {
                self.set_by_query(&mut query, parameters)?;
                return self.plan(query, parameters).await.map(Step::Query);
            }
            Statement::Insert(insert) => self.insert(insert, parameters).await,
            Statement::Update(update) => self.update(update, None, parameters).await,
            Statement::Delete(delete) => self.delete(delete, None, parameters).await,
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
        };
        outcome.map(Step::Done)
    }

    /// `with … delete` and `with … update`.
    async fn change_with(&mut self, query: Query, parameters: &[Expr]) -> Result<Outcome> {
        match *query.body {
            SetExpr::Update(Statement::Update(update)) => self.update(update, query.with, parameters).await,
            SetExpr::Delete(Statement::Delete(delete)) => self.delete(delete, query.with, parameters).await,
            _ => Err(SqlError::unsupported("WITH before this statement")),
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
            let rows = self.store(&relation, &columns, &Given::default_row()).await?;
            return Ok(Outcome::changed("INSERT", rows));
        };
        self.fill_defaults(&mut query, &relation, &columns)?;
        fit_values(&mut query, &relation, &columns, parameters);
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

    // ---- UPDATE, DELETE, MERGE ---------------------------------------------------------------------------------

    async fn update(&mut self, update: ast::Update, with: Option<With>, parameters: &[Expr]) -> Result<Outcome> {
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
        let mut query = self.row_query(&relation, &alias, new, from, update.selection)?;
        query.with = with;
        let planned = self.plan(query, parameters).await?;
        let rows = self.replace_rows(&relation, &planned, Repeated::First).await?;
        Ok(Outcome::changed("UPDATE", rows))
    }

    async fn delete(&mut self, delete: ast::Delete, with: Option<With>, parameters: &[Expr]) -> Result<Outcome> {
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
        let mut query = self.row_query(&relation, &alias, Vec::new(), from, delete.selection)?;
        query.with = with;
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
                let columns = if columns.is_empty() {
                    relation.columns.iter().map(|column| column.name.clone()).collect()
                } else {
                    columns
                };
                let origins = self.origins(&relation, &columns, columns.len()).await?;
                let written = self.write_rows(&relation.columns, &planned, &origins).await?;
                Some((written, origins))
            }
            None => None,
        };
        let mut rows = 0;
        if let Some((planned, deletes)) = changes {
            let repeated = if deletes { Repeated::First } else { Repeated::Error };
            rows += self.replace_rows(&relation, &planned, repeated).await?;
        }
        if let Some(((segments, count), origins)) = additions {
            let relation = self
                .tx()?
                .work
                .relations
                .get(&relation.oid)
                .cloned()
                .ok_or_else(|| SqlError::internal("the table is gone"))?;
            self.grow(&relation, segments, &origins).await?;
            rows += count;
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
        let origins = replaced(relation);
        if planned.fields.len() > MARKS {
            check_types(&relation.columns, planned, &origins)?;
        }
        let (streams, _stop) = self.parts(planned, false).await?;
        let replacing = replace(
            relation.clone(),
            origins,
            streams,
            self.writer(&relation.columns),
            repeated,
            self.zone,
        );
        let (segments, count) = self.threads()?.run(replacing).await?;
        if count > 0 {
            self.put_table(relation, |table| table.segments = segments)?;
        }
        Ok(count)
    }
}

/// Segment and row number, which are before the new values.
const MARKS: usize = 2;

/// Where the new values of rows are in the query that finds them.
fn replaced(relation: &Relation) -> Vec<Origin> {
    let columns = 0..relation.columns.len();
    columns.map(|index| Origin::Source(index + MARKS)).collect()
}

/// Returns the table's segments without the rows that were found, new versions of them behind, and how many those are.
async fn replace(
    relation: Arc<Relation>,
    origins: Vec<Origin>,
    streams: Vec<SendableRecordBatchStream>,
    mut writer: SegmentWriter,
    repeated: Repeated,
    zone: Zone,
) -> Result<(Vec<Segment>, u64)> {
    let table = relation.table().ok_or_else(|| SqlError::internal("no table"))?;
    let mut gone = Marks::new(&table.segments);
    let mut found = futures::stream::iter(streams).flatten();
    while let Some(batch) = found.next().await {
        let batch = batch?;
        let segments = batch.column(0).as_primitive::<Int32Type>();
        let rows = batch.column(1).as_primitive::<Int64Type>();
        let mut kept = Vec::new();
        for row in 0..batch.num_rows() {
            if gone.mark(segments.value(row) as usize, rows.value(row) as usize) {
                kept.push(row as i64);
            } else if repeated == Repeated::Error {
                return Err(SqlError::new(
                    "21000",
                    "Found multiple matches to update the same tuple.",
                ));
            }
        }
        if batch.num_columns() > MARKS {
            let batch = if kept.len() == batch.num_rows() {
                batch
            } else {
                take_record_batch(&batch, &Int64Array::from(kept))?
            };
            writer.write(&stored(&relation.columns, &origins, zone, &batch)?)?;
        }
    }
    let (mut segments, count) = gone.delete(&table.segments);
    segments.extend(writer.finish()?);
    Ok((segments, count))
}

#[derive(Clone, Copy, PartialEq)]
enum Repeated {
    /// The first of several new versions of a row counts.
    First,
    Error,
}

/// Where the rows of VALUES write a column in several ways, as an instant here and as text there, each value is made one
/// of the column by itself; the planner wants them to be of one type. The values of SUPER keep their own.
fn fit_values(query: &mut Query, relation: &Relation, columns: &[String], parameters: &[Expr]) {
    let SetExpr::Values(values) = query.body.as_mut() else {
        return;
    };
    let width = values.rows.first().map_or(0, |row| row.content.len());
    for index in 0..width {
        let cells = values.rows.iter().filter_map(|row| row.content.get(index));
        let mut written: Vec<String> = cells.filter_map(|cell| spelling(cell, parameters)).collect();
        written.dedup();
        let column = match columns.get(index) {
            Some(name) => relation.column(name),
            None => Some(index),
        };
        let Some(column) = column
            .and_then(|at| relation.columns.get(at))
            .filter(|column| written.len() > 1 || column.sql_type == SqlType::Super)
        else {
            continue;
        };
        let cells = values.rows.iter_mut().filter_map(|row| row.content.get_mut(index));
        cells.for_each(|cell| *cell = assigned(cell.clone(), &column.sql_type.to_string()));
    }
}

/// Returns how a value is written: as text, as a number, as which type. Nulls are written in no way.
fn spelling(value: &Expr, parameters: &[Expr]) -> Option<String> {
    Some(match value {
        Expr::Value(value) => match &value.value {
            ast::Value::Null => return None,
            ast::Value::Number(..) => "number".into(),
            ast::Value::Placeholder(name) => {
                let number: usize = name.trim_start_matches('$').parse().ok()?;
                return spelling(parameters.get(number.checked_sub(1)?)?, parameters);
            }
            ast::Value::Boolean(_) => "boolean".into(),
            _ => "text".into(),
        },
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => return spelling(expr, parameters),
        Expr::Function(function) => match &function.args {
            ast::FunctionArguments::List(list) => list.args.last()?.to_string(),
            _ => function.name.to_string(),
        },
        Expr::Cast { data_type, .. } => data_type.to_string(),
        Expr::TypedString(typed) => typed.data_type.to_string(),
        _ => "expression".into(),
    })
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
        let first = object.0.first().and_then(|part| part.as_ident());
        if object.0.len() > 1
            && let Some(at) = first.and_then(|first| relation.column(&first.value))
            && relation.columns[at].sql_type == SqlType::Super
        {
            return Err(SqlError::unsupported(format!(
                "UPDATE of a part of data type super ({object})"
            )));
        }
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

/// Whether a query is really an UPDATE or a DELETE that has a WITH before it.
fn changes(query: &Query) -> bool {
    matches!(query.body.as_ref(), SetExpr::Update(_) | SetExpr::Delete(_))
}

/// Whether a query is really a `select … into`.
pub(super) fn selects_into(query: &Query) -> bool {
    matches!(query.body.as_ref(), SetExpr::Select(select) if select.into.is_some())
}
