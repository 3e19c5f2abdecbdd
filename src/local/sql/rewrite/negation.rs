//! NOT IN over a query, where it stands beside OR. The planner answers there whether a row was found, which is no answer
//! to whether none could be: a null on either side leaves that open, and a condition that is open is not met.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Query, SelectItem, SetExpr, TableFactor, UnaryOperator,
};

use super::build::{and, take};
use super::expr::in_subquery;
use super::quoted;
use crate::error::Result;

/// Spells out what NOT IN means wherever a condition has it behind OR. Negations are brought to what they are about.
pub fn spell_out(condition: &mut Expr) -> Result<()> {
    walk(condition, false, false)
}

fn walk(expr: &mut Expr, negated: bool, beside: bool) -> Result<()> {
    if let Some(membership) = in_subquery(expr) {
        *expr = membership;
    }
    match expr {
        Expr::Nested(inner) => walk(inner, negated, beside),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: inner,
        } if has_membership(inner) => {
            *expr = take(inner);
            walk(expr, !negated, beside)
        }
        Expr::BinaryOp {
            left,
            op: op @ (BinaryOperator::And | BinaryOperator::Or),
            right,
        } if has_membership(left) || has_membership(right) => {
            if negated {
                *op = match op {
                    BinaryOperator::And => BinaryOperator::Or,
                    _ => BinaryOperator::And,
                };
            }
            let beside = beside || *op == BinaryOperator::Or;
            walk(left, negated, beside)?;
            walk(right, negated, beside)
        }
        Expr::InSubquery {
            expr: key,
            subquery,
            negated: not,
        } => {
            *not ^= negated;
            if *not && beside && !matches!(key.as_ref(), Expr::Tuple(_)) {
                let (known, complete) = (known(key, subquery), complete(subquery)?);
                *expr = Expr::Nested(Box::new(and(and(take(expr), known), complete)));
            }
            Ok(())
        }
        other => {
            if negated {
                *other = Expr::UnaryOp {
                    op: UnaryOperator::Not,
                    expr: Box::new(Expr::Nested(Box::new(take(other)))),
                };
            }
            Ok(())
        }
    }
}

/// Whether AND, OR and NOT are all that stands before an IN over a query.
fn has_membership(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => has_membership(inner),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => has_membership(expr),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And | BinaryOperator::Or,
            right,
        } => has_membership(left) || has_membership(right),
        Expr::InSubquery { .. } => true,
        other => in_subquery(other).is_some(),
    }
}

/// What is asked for is known, or there is nothing that it could be.
fn known(key: &Expr, subquery: &Query) -> Expr {
    let is_known = Expr::IsNotNull(Box::new(key.clone()));
    let nothing = Expr::Exists {
        subquery: Box::new(subquery.clone()),
        negated: true,
    };
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(is_known),
        op: BinaryOperator::Or,
        right: Box::new(nothing),
    }))
}

/// Nothing of what is looked through is unknown.
fn complete(subquery: &Query) -> Result<Expr> {
    const ALIAS: &str = "$in";
    if let Some(query) = without_known(subquery) {
        return Ok(Expr::Exists {
            subquery: Box::new(query),
            negated: true,
        });
    }
    let mut query = crate::parse::query(&format!(
        "select 1 as one from (select 1) as \"{ALIAS}\" (\"$c\") where \"$c\" is null"
    ))?;
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(TableFactor::Derived { subquery: inner, .. }) =
            select.from.first_mut().map(|item| &mut item.relation)
    {
        **inner = subquery.clone();
        select.selection = Some(Expr::IsNull(Box::new(Expr::CompoundIdentifier(vec![
            quoted(ALIAS),
            quoted("$c"),
        ]))));
    }
    Ok(Expr::Exists {
        subquery: query,
        negated: true,
    })
}

/// The rows of a query of one plain column in which that is null. Such a query may name the outer row.
fn without_known(subquery: &Query) -> Option<Query> {
    let mut query = subquery.clone();
    let plain = query.with.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let [SelectItem::UnnamedExpr(column) | SelectItem::ExprWithAlias { expr: column, .. }] =
        select.projection.as_slice()
    else {
        return None;
    };
    let grouped =
        select.distinct.is_some() || select.having.is_some() || select.qualify.is_some() || select.top.is_some();
    let is_column = matches!(column, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let GroupByExpr::Expressions(groups, _) = &select.group_by else {
        return None;
    };
    if !plain || grouped || !is_column || !groups.is_empty() {
        return None;
    }
    let unknown = Expr::IsNull(Box::new(column.clone()));
    let nested = |condition| Expr::Nested(Box::new(condition));
    select.selection = Some(match select.selection.take() {
        Some(condition) => and(nested(condition), unknown),
        None => unknown,
    });
    Some(query)
}
