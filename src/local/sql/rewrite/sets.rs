//! Set operations: UNION, INTERSECT and EXCEPT. The planner gives a column the type of the first branch; the branches
//! have to agree on one, so each says its columns' types to the function that knows all of them, `plan/common.rs`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, SetExpr, SetOperator, TableFactor, visit_relations};

use super::build::{boolean, call, literal_text, text};
use super::{Ctes, Rewriter, Scope, name_from, quoted, table_alias};
use crate::error::Result;

/// The function that the columns of the branches go through: a value, the column's number, whether it is a bare text.
pub const COMMON: &str = "$common";

/// The branches' name as tables.
pub const BRANCH: &str = "$branch";

impl Rewriter<'_> {
    pub(super) fn set_operation(&self, body: &mut SetExpr, ctes: &Ctes, outer: Option<&Scope>) -> Result<Vec<String>> {
        self.sets.set(self.sets.get() + 1);
        self.branches(body, self.sets.get(), ctes, outer)
    }

    /// The branches of operations within operations are those of one.
    fn branches(&self, body: &mut SetExpr, set: usize, ctes: &Ctes, outer: Option<&Scope>) -> Result<Vec<String>> {
        if let SetExpr::SetOperation { left, right, op, .. } = body {
            if *op == SetOperator::Minus {
                *op = SetOperator::Except;
            }
            let columns = self.branches(left, set, ctes, outer)?;
            self.branches(right, set, ctes, outer)?;
            return Ok(columns);
        }
        let columns = self.set_expr(body, ctes, outer, &mut [])?;
        let unknown = bare_texts(body);
        let items = columns
            .iter()
            .enumerate()
            .map(|(index, name)| SelectItem::ExprWithAlias {
                expr: call(
                    COMMON,
                    vec![
                        Expr::Identifier(quoted(name)),
                        text(&format!("{set}.{index}")),
                        boolean(unknown.get(index).copied().unwrap_or(false)),
                    ],
                ),
                alias: quoted(name),
            });
        *body = from_branch(items.collect(), body);
        Ok(columns)
    }

    /// A recursive query has the types of its first branch.
    pub(super) fn recursive(&self, query: &mut Query, ctes: &Ctes, outer: Option<&Scope>) -> Result<Vec<String>> {
        let SetExpr::SetOperation { left, right, .. } = query.body.as_mut() else {
            return self.query(query, ctes, outer);
        };
        let columns = self.set_expr(left, ctes, outer, &mut [])?;
        self.set_expr(right, ctes, outer, &mut [])?;
        Ok(columns)
    }
}

/// Which columns of a branch are texts that may be read as any type.
fn bare_texts(body: &SetExpr) -> Vec<bool> {
    let SetExpr::Select(select) = body else {
        return Vec::new();
    };
    let items = select.projection.iter().map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(literal_text(expr).is_some()),
        _ => None,
    });
    // A wildcard stands for columns without number.
    items.collect::<Option<_>>().unwrap_or_default()
}

/// `select … from (branch)`.
fn from_branch(items: Vec<SelectItem>, branch: &mut SetExpr) -> SetExpr {
    let mut outer = crate::parse::query("select 1 from (select 1)").expect("a query");
    if let SetExpr::Select(select) = outer.body.as_mut() {
        select.projection = items;
        if let Some(TableFactor::Derived { subquery, alias, .. }) =
            select.from.first_mut().map(|source| &mut source.relation)
        {
            std::mem::swap(subquery.body.as_mut(), branch);
            *alias = Some(table_alias(BRANCH));
        }
    }
    *outer.body
}

/// Whether a query names a relation.
pub fn names(query: &Query, name: &str) -> bool {
    let found = visit_relations(query, |object| match name_from(object) {
        Ok(relation) if relation.schema.is_none() && relation.name == name => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}
