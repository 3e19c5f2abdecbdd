//! The types of parameters that nobody declared. The statement is planned with marks in their places: a mark that the
//! planner makes a value of some type is a parameter of that type.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr as Planned, ExprSchemable, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    AssignmentTarget, Expr, FromTable, Insert, LimitClause, Query, SetExpr, Statement, TableFactor, TableObject,
    TableWithJoins, UpdateTableFromKind, Value,
};

use super::Session;
use crate::error::Result;
use crate::lexer::Source;
use crate::rewrite::{literal, name_from};
use crate::types::SqlType;
use crate::utility::{self, Command};

/// No text that anybody writes.
const MARK: char = '\u{2}';

impl Session {
    /// Returns the types of `$1`, `$2` …, where what they stand beside tells.
    pub(crate) async fn infer(&mut self, source: &Source, count: usize) -> Vec<Option<SqlType>> {
        let implicit = self.transaction.is_none();
        self.begin_implicit();
        let marks: Vec<Expr> = (0..count).map(|index| literal(&format!("{MARK}{index}"))).collect();
        let mut types = vec![None; count];
        // What cannot be planned so says nothing; the statement itself is judged elsewhere.
        drop(self.marked(source, &marks, &mut types).await);
        if implicit {
            self.transaction = None;
        }
        types
    }

    async fn marked(&self, source: &Source, marks: &[Expr], types: &mut [Option<SqlType>]) -> Result<()> {
        let Command::Query(source) = utility::parse(source)? else {
            return Ok(());
        };
        match crate::parse::statement(&source)? {
            Statement::Query(query) => {
                let mut marks = marks.to_vec();
                for index in counted(&query) {
                    note(types, index, SqlType::Int8);
                    // The planner wants a number there at once.
                    if let Some(mark) = marks.get_mut(index) {
                        *mark = literal("1");
                    }
                }
                found(&self.plan(query, &marks).await?.plan, types)?;
            }
            Statement::Insert(Insert {
                table: TableObject::TableName(table),
                columns,
                source: Some(query),
                ..
            }) => {
                let relation = self.table_named(&name_from(&table)?)?;
                let plan = self.plan(query, marks).await?.plan;
                found(&plan, types)?;
                let rows: Vec<&[Planned]> = match &plan {
                    LogicalPlan::Values(values) => values.values.iter().map(Vec::as_slice).collect(),
                    LogicalPlan::Projection(projection) => vec![&projection.expr],
                    _ => Vec::new(),
                };
                for row in rows {
                    for (index, value) in row.iter().enumerate() {
                        let column = match columns.get(index) {
                            Some(name) => relation.column(&name_from(name)?.name),
                            None => Some(index),
                        };
                        let column = column.and_then(|at| relation.columns.get(at));
                        if let (Some(mark), Some(column)) = (mark(value), column) {
                            note(types, mark, column.sql_type);
                        }
                    }
                }
            }
            Statement::Update(update) => {
                let more = match update.from {
                    Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) => tables,
                    None => Vec::new(),
                };
                if let TableFactor::Table { name, .. } = &update.table.relation {
                    let relation = self.table_named(&name_from(name)?)?;
                    for assignment in &update.assignments {
                        if let AssignmentTarget::ColumnName(column) = &assignment.target
                            && let Some(at) = relation.column(&name_from(column)?.name)
                            && let Some(index) = placeholder(&assignment.value)
                        {
                            note(types, index, relation.columns[at].sql_type);
                        }
                    }
                }
                let tables = std::iter::once(update.table).chain(more).collect();
                self.marked_where(tables, update.selection, marks, types).await?;
            }
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(mut tables) | FromTable::WithoutKeyword(mut tables)) = delete.from;
                tables.extend(delete.using.into_iter().flatten());
                self.marked_where(tables, delete.selection, marks, types).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Looks at a condition as a query of the same tables has it.
    async fn marked_where(
        &self,
        tables: Vec<TableWithJoins>,
        condition: Option<Expr>,
        marks: &[Expr],
        types: &mut [Option<SqlType>],
    ) -> Result<()> {
        let mut query = crate::parse::query("select 1 as one")?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            (select.from, select.selection) = (tables, condition);
        }
        Ok(found(&self.plan(query, marks).await?.plan, types)?)
    }
}

/// Returns the parameters that LIMIT and OFFSET are.
fn counted(query: &Query) -> Vec<usize> {
    match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => {
            let counts = limit.iter().chain(offset.iter().map(|offset| &offset.value));
            counts.filter_map(placeholder).collect()
        }
        _ => Vec::new(),
    }
}

fn placeholder(value: &Expr) -> Option<usize> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => name.trim_start_matches('$').parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        _ => None,
    }
}

/// Notes which marks a plan casts to which types, or compares with values of them.
fn found(plan: &LogicalPlan, types: &mut [Option<SqlType>]) -> DfResult<()> {
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Planned::ScalarFunction(function)
                        if matches!(function.name(), "$cast" | "$try_cast" | "$assign") =>
                    {
                        if let [value, Planned::Literal(ScalarValue::Utf8(Some(name)), _)] = function.args.as_slice()
                            && let (Some(mark), Ok(sql_type)) = (mark(value), SqlType::parse(name))
                        {
                            note(types, mark, sql_type);
                        }
                    }
                    Planned::Between(between) => {
                        alike(types, &schema, &between.expr, [between.low.as_ref(), &between.high]);
                    }
                    Planned::InList(list) => alike(types, &schema, &list.expr, &list.list),
                    Planned::Like(like) => alike(types, &schema, &like.expr, [like.pattern.as_ref()]),
                    Planned::BinaryExpr(binary) => {
                        alike(types, &schema, &binary.left, [binary.right.as_ref()]);
                        alike(types, &schema, &binary.right, [binary.left.as_ref()]);
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

/// Marks that are compared with a value are of its type.
fn alike<'a>(
    types: &mut [Option<SqlType>],
    schema: &DFSchema,
    value: &Planned,
    others: impl IntoIterator<Item = &'a Planned>,
) {
    for mark in others.into_iter().filter_map(mark) {
        if let Ok((_, field)) = value.to_field(schema) {
            note(types, mark, SqlType::of_field(&field));
        }
    }
}

fn mark(value: &Planned) -> Option<usize> {
    match value {
        Planned::Literal(ScalarValue::Utf8(Some(text)), _) => text.strip_prefix(MARK)?.parse().ok(),
        Planned::Alias(alias) => mark(&alias.expr),
        _ => None,
    }
}

/// The first place that tells counts.
fn note(types: &mut [Option<SqlType>], mark: usize, sql_type: SqlType) {
    if let Some(known) = types.get_mut(mark) {
        known.get_or_insert(sql_type);
    }
}
