//! Expressions made and taken apart: calls, literals, and what is written in either.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, NullTreatment, ObjectName,
    Query, SelectItem, SetExpr, UnaryOperator, Value, visit_expressions_mut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::quoted;
use crate::error::{Result, SqlError};

pub fn function_name(function: &Function) -> String {
    function
        .name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .map(|ident| ident.value.clone())
        .unwrap_or_default()
}

pub fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    }
}

pub fn arguments(function: &Function) -> Vec<Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return Vec::new();
    };
    list.args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => expr.clone(),
            other => Expr::Identifier(quoted(&other.to_string())),
        })
        .collect()
}

pub fn is_distinct(function: &Function) -> bool {
    matches!(
        &function.args,
        FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: Some(ast::DuplicateTreatment::Distinct),
            ..
        })
    )
}

pub fn ignores_nulls(function: &Function) -> bool {
    let inside = match &function.args {
        FunctionArguments::List(list) => list.clauses.iter().any(|clause| {
            matches!(
                clause,
                FunctionArgumentClause::IgnoreOrRespectNulls(NullTreatment::IgnoreNulls)
            )
        }),
        _ => false,
    };
    inside || function.null_treatment == Some(NullTreatment::IgnoreNulls)
}

pub fn take_array<const N: usize>(args: Vec<Expr>) -> [Expr; N] {
    args.try_into()
        .unwrap_or_else(|_| std::array::from_fn(|_| Expr::Value(Value::Null.into())))
}

pub fn renamed(mut function: Function, name: &str) -> Expr {
    function.name = ObjectName::from(vec![quoted(name)]);
    Expr::Function(function)
}

pub fn argument(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![quoted(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(argument).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

pub fn case(arms: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: ast::helpers::attached_token::AttachedToken::empty(),
        end_token: ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: arms
            .into_iter()
            .map(|(condition, result)| CaseWhen { condition, result })
            .collect(),
        else_result: otherwise.map(Box::new),
    }
}

pub fn negate(negated: bool, expr: Expr) -> Expr {
    if negated {
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(expr),
        }
    } else {
        expr
    }
}

pub fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Value(Value::Null.into()))
}

pub fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

/// A value that is stored in a column of a type.
pub fn assigned(value: Expr, sql_type: &str) -> Expr {
    call("$assign", vec![value, text(sql_type)])
}

/// A literal of a type.
pub fn typed(value: &str, sql_type: &str) -> Expr {
    call("$cast", vec![text(value), text(sql_type)])
}

pub fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_string()).with_span(Span::empty()))
}

pub fn boolean(value: bool) -> Expr {
    Expr::Value(Value::Boolean(value).with_span(Span::empty()))
}

pub fn bare_number(value: &str) -> Expr {
    Expr::Value(Value::Number(value.to_string(), false).with_span(Span::empty()))
}

/// A number as Redshift types it: int4 when it fits, then int8, then numeric.
pub fn number(value: &str) -> Expr {
    let cast = |data_type| Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(bare_number(value)),
        data_type,
        array: false,
        format: None,
    };
    if value.contains(['e', 'E']) {
        return call("$cast", vec![text(value), text("float8")]);
    }
    if value.parse::<i32>().is_ok() {
        return cast(DataType::Int(None));
    }
    if value.parse::<i64>().is_ok() || value.contains('.') {
        return bare_number(value);
    }
    call(
        "$cast",
        vec![text(value), text(&format!("numeric({},0)", value.len().min(38)))],
    )
}

/// Undoes [`number`] where the planner insists on a plain literal.
pub fn bare(expr: &mut Expr) {
    if let Some(text) = literal_number(expr) {
        *expr = bare_number(&text);
    }
}

pub fn literal_number(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => Some(text.clone()),
            _ => None,
        },
        Expr::Cast {
            expr,
            data_type: DataType::Int(None),
            ..
        } => literal_number(expr),
        _ => None,
    }
}

/// Returns a whole number of places that is written as such.
pub fn places(expr: &Expr) -> Option<String> {
    let (sign, digits) = match expr {
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => ("-", literal_number(expr)?),
        expr => ("", literal_number(expr)?),
    };
    digits.parse::<u32>().ok().map(|places| format!("{sign}{places}"))
}

pub fn literal_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

pub fn parameter_number(name: &str) -> Result<usize> {
    name.trim_start_matches('$')
        .parse()
        .map_err(|_| SqlError::new("42P02", format!("there is no parameter {name}")))
}

/// The text of a type for the cast functions. A cast to `text` does not cut.
pub fn type_text(data_type: &DataType) -> String {
    let text = data_type
        .to_string()
        .to_lowercase()
        .replace("pg_catalog.", "")
        .replace('"', "");
    if text == "text" { "varchar(65535)".into() } else { text }
}

/// `generate_series(from, to)` as the rows it gives.
pub fn series(bounds: Vec<Expr>) -> Expr {
    let whole = |bound| call("$cast", vec![bound, text("int8")]);
    let list = call("generate_series", bounds.into_iter().map(whole).collect());
    call("unnest", vec![list])
}

/// `_pg_expandarray(list)`: a row for each item, which is `x`, with its number, which is `n`.
pub fn expanded(list: Expr) -> Expr {
    let length = call("array_length", vec![list.clone()]);
    let numbers = series(vec![bare_number("1"), length]);
    let item = call("unnest", vec![list]);
    call("named_struct", vec![text("x"), item, text("n"), numbers])
}

/// Steps into a value as the planner knows them: attributes by strings. What the parser takes for the first of them may
/// be a column of a table.
pub fn field_access(access: Expr) -> Expr {
    let Expr::CompoundFieldAccess {
        mut root,
        mut access_chain,
    } = access
    else {
        return access;
    };
    let name = |access: &AccessExpr| match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Some(name.clone()),
        _ => None,
    };
    if let Expr::Identifier(first) = root.as_ref() {
        let names = access_chain.iter().map_while(name);
        let parts: Vec<Ident> = std::iter::once(first.clone()).chain(names).collect();
        access_chain.drain(..parts.len() - 1);
        if parts.len() > 1 {
            *root = Expr::CompoundIdentifier(parts);
        }
    }
    for access in &mut access_chain {
        if let Some(name) = name(access) {
            *access = AccessExpr::Dot(text(&name.value));
        }
    }
    match access_chain.is_empty() {
        true => *root,
        false => Expr::CompoundFieldAccess { root, access_chain },
    }
}

/// Attributes of attributes of a value.
pub fn path(root: Expr, names: &[String]) -> Expr {
    match names {
        [] => root,
        names => Expr::CompoundFieldAccess {
            root: Box::new(root),
            access_chain: names.iter().map(|name| AccessExpr::Dot(text(name))).collect(),
        },
    }
}

/// The planner asks EXISTS of a filter alone; anywhere else it has to count.
pub fn count_instead_of_exists(expr: &mut Expr) {
    let _ = visit_expressions_mut(expr, |expr| {
        if matches!(expr, Expr::Exists { subquery, .. } if counts_rows(subquery))
            && let Expr::Exists { mut subquery, negated } = take(expr)
        {
            if let SetExpr::Select(select) = subquery.body.as_mut() {
                select.projection = vec![SelectItem::UnnamedExpr(call("count", vec![bare_number("1")]))];
                (select.distinct, subquery.order_by) = (None, None);
            }
            *expr = Expr::Nested(Box::new(Expr::BinaryOp {
                left: Box::new(Expr::Subquery(subquery)),
                op: if negated {
                    BinaryOperator::Eq
                } else {
                    BinaryOperator::Gt
                },
                right: Box::new(bare_number("0")),
            }));
        }
        ControlFlow::<()>::Continue(())
    });
}

/// Whether a query returns one row for each that its FROM and WHERE leave.
fn counts_rows(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
    let calls = select.projection.iter().any(|item| {
        matches!(
            item,
            SelectItem::UnnamedExpr(Expr::Function(_))
                | SelectItem::ExprWithAlias {
                    expr: Expr::Function(_),
                    ..
                }
        )
    });
    // A function may be an aggregate.
    ungrouped && !calls && select.having.is_none() && select.qualify.is_none() && query.limit_clause.is_none()
}

/// `(a, b) = (c, d)`.
pub fn all_equal(pairs: impl Iterator<Item = (Expr, Expr)>) -> Expr {
    let binary = |left, op, right| Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    };
    let all = pairs
        .map(|(left, right)| binary(left, BinaryOperator::Eq, right))
        .reduce(|left, right| binary(left, BinaryOperator::And, right));
    Expr::Nested(Box::new(all.unwrap_or_else(|| boolean(true))))
}

/// `where 1` is true, as is any number but zero that stands for a condition.
pub fn numbers_are_conditions(expr: &mut Expr) {
    match expr {
        Expr::Nested(inner)
        | Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: inner,
        } => numbers_are_conditions(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And | BinaryOperator::Or,
            right,
        } => {
            numbers_are_conditions(left);
            numbers_are_conditions(right);
        }
        Expr::Value(value) => {
            if let Value::Number(text, _) = &value.value {
                *expr = boolean(text.parse() != Ok(0.0));
            }
        }
        _ => {}
    }
}
