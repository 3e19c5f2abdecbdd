//! Aggregates over sorted values: LISTAGG, MEDIAN and the percentiles, of a group or of a whole window partition.

use datafusion::sql::sqlparser::ast::{
    self, Expr, Function, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, ObjectName, Value,
    WindowType,
};

use super::build::{argument, arguments, bare_number, boolean, call, is_distinct, renamed, text};
use super::quoted;
use crate::error::{Result, SqlError};

pub fn listagg(function: Function) -> Result<Expr> {
    let distinct = is_distinct(&function);
    let mut args = arguments(&function).into_iter();
    let value = args.next().unwrap_or(Expr::Value(Value::Null.into()));
    let delimiter = args.next().unwrap_or_else(|| text(""));
    let mut order_by = function.within_group.clone();
    // Distinct values come together when the values themselves are the last sort key.
    if order_by.is_empty() && distinct {
        order_by.push(ascending(value.clone()));
    }
    let collected = sorted_list(function, call("$cast", vec![value, text("varchar(65535)")]), order_by)?;
    Ok(call("$list_join", vec![collected, delimiter, boolean(distinct)]))
}

/// MEDIAN and PERCENTILE_CONT. The executor's own is only nearly right between two values.
pub fn percentile_cont(function: Function, fraction: Expr, order_by: Vec<ast::OrderByExpr>) -> Result<Expr> {
    percentile("$percentile_cont", "PERCENTILE_CONT", function, fraction, order_by)
}

pub fn percentile_disc(function: Function, fraction: Expr) -> Result<Expr> {
    let order_by = function.within_group.clone();
    percentile("$percentile_disc", "PERCENTILE_DISC", function, fraction, order_by)
}

fn percentile(
    name: &str,
    written: &str,
    function: Function,
    fraction: Expr,
    order_by: Vec<ast::OrderByExpr>,
) -> Result<Expr> {
    let value = ordered_value(&order_by, written)?;
    // Only there for its type, which the result's follows.
    let mut least = renamed(function.clone(), "min");
    if let Expr::Function(least) = &mut least {
        least.within_group.clear();
        least.args = list_of(value.clone(), Vec::new());
    }
    let list = sorted_list(function, value, order_by)?;
    Ok(call(name, vec![list, fraction, least]))
}

fn ordered_value(order_by: &[ast::OrderByExpr], name: &str) -> Result<Expr> {
    match order_by {
        [order] => Ok(order.expr.clone()),
        _ => Err(SqlError::syntax(format!(
            "{name} needs WITHIN GROUP (ORDER BY one expression)"
        ))),
    }
}

fn ascending(expr: Expr) -> ast::OrderByExpr {
    ast::OrderByExpr {
        expr,
        options: ast::OrderByOptions {
            asc: None,
            nulls_first: None,
        },
        with_fill: None,
    }
}

fn list_of(value: Expr, clauses: Vec<FunctionArgumentClause>) -> FunctionArguments {
    FunctionArguments::List(FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![argument(value)],
        clauses,
    })
}

/// Returns the sorted values of a group or of a whole window partition.
fn sorted_list(mut function: Function, value: Expr, order_by: Vec<ast::OrderByExpr>) -> Result<Expr> {
    let mut clauses = Vec::new();
    match &mut function.over {
        Some(WindowType::WindowSpec(spec)) => {
            if !spec.order_by.is_empty() || spec.window_frame.is_some() {
                return Err(SqlError::syntax(
                    "an ORDER BY or a frame is not allowed in the OVER clause of this function",
                ));
            }
            spec.order_by = order_by;
            spec.window_frame = Some(ast::WindowFrame {
                units: ast::WindowFrameUnits::Rows,
                start_bound: ast::WindowFrameBound::Preceding(None),
                end_bound: Some(ast::WindowFrameBound::Following(None)),
            });
        }
        Some(WindowType::NamedWindow(_)) => {
            return Err(SqlError::syntax("there are no named windows"));
        }
        None if order_by.is_empty() => {}
        None => clauses.push(FunctionArgumentClause::OrderBy(order_by)),
    }
    Ok(Expr::Function(Function {
        name: ObjectName::from(vec![quoted("array_agg")]),
        args: list_of(value, clauses),
        within_group: Vec::new(),
        ..function
    }))
}

pub fn median(function: Function) -> Result<Expr> {
    let value = arguments(&function).remove(0);
    percentile_cont(function, bare_number("0.5"), vec![ascending(value)])
}
