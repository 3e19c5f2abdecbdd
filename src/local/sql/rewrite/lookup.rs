//! Correlated subqueries over the system catalog. Clients look single rows up by key in them, with conditions that the
//! planner can take out of no subquery; both are brought into a form that it understands.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, LambdaFunction, LambdaFunctionParameter,
    LambdaSyntax, OneOrManyWithParens, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
    visit_expressions, visit_expressions_mut,
};

use super::build::{and, call, function_name, take};
use super::expr::AGGREGATES;

/// Shows the planner that a lookup has one row, by an aggregate. Conditions on the outer row that cannot be taken out
/// of an aggregate are returned, to be asked outside; what they say of the row is looked up by the same key.
pub fn single_row(query: &mut Query) -> Option<Expr> {
    let select = catalog_select(query)?;
    if AGGREGATES.contains(&called(output(select)?).as_str()) {
        return None;
    }
    let aliases = aliases(select);
    // A column without a qualifier is the nearest query's.
    let is_own = |column: &Expr| match column {
        Expr::CompoundIdentifier(parts) => parts.first().is_some_and(|part| aliases.contains(&part.value)),
        _ => true,
    };
    let (mut kept, mut outside) = (Vec::new(), Vec::new());
    for condition in select.selection.take().into_iter().flat_map(conjuncts) {
        let columns = columns(&condition);
        let own = columns.iter().filter(|column| is_own(column)).count();
        let equality = matches!(
            &condition,
            Expr::BinaryOp {
                op: BinaryOperator::Eq,
                ..
            }
        );
        match own < columns.len() && (own == 0 || !equality) {
            true => outside.push(condition),
            false => kept.push(condition),
        }
    }
    select.selection = kept.into_iter().reduce(and);
    let lookup = query.clone();
    let guard = outside.into_iter().reduce(and).map(|mut guard| {
        let _ = visit_expressions_mut(&mut guard, |expr| {
            if is_column(expr) && is_own(expr) {
                let mut lookup = lookup.clone();
                set_output(&mut lookup, call("min", vec![take(expr)]));
                *expr = Expr::Subquery(Box::new(lookup));
            }
            ControlFlow::<()>::Continue(())
        });
        guard
    });
    let select = catalog_select(query)?;
    let value = take(output(select)?);
    set_output(query, call("min", vec![value]));
    guard
}

/// `array(select f(x) from unnest(list) x)` is the list with `f` done to each item.
pub fn each_item(query: &Query) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let [TableWithJoins { relation, joins }] = select.from.as_slice() else {
        return None;
    };
    let TableFactor::Table {
        name,
        alias: Some(alias),
        args: Some(args),
        ..
    } = relation
    else {
        return None;
    };
    let unnest = name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .is_some_and(|name| name.value == "unnest");
    let [SelectItem::UnnamedExpr(body)] = select.projection.as_slice() else {
        return None;
    };
    let plain =
        joins.is_empty() && select.selection.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
    let [list] = args.args.as_slice() else { return None };
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(list)) = list else {
        return None;
    };
    let item = LambdaFunctionParameter {
        name: alias.name.clone(),
        data_type: None,
    };
    let lambda = Expr::Lambda(LambdaFunction {
        params: OneOrManyWithParens::One(item),
        body: Box::new(body.clone()),
        syntax: LambdaSyntax::Arrow,
    });
    (unnest && plain).then(|| call("array_transform", vec![list.clone(), lambda]))
}

/// The query's body when it reads the catalog and neither joins nor groups.
fn catalog_select(query: &mut Query) -> Option<&mut Select> {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let of_catalog = |item: &TableWithJoins| match &item.relation {
        TableFactor::Table { name, .. } => item.joins.is_empty() && name.to_string().starts_with("\"pg_catalog."),
        _ => false,
    };
    let plain = matches!(&select.group_by, GroupByExpr::Expressions(exprs, _) if exprs.is_empty());
    (!select.from.is_empty() && select.from.iter().all(of_catalog) && plain).then_some(select)
}

fn output(select: &mut Select) -> Option<&mut Expr> {
    match select.projection.as_mut_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => Some(expr),
        _ => None,
    }
}

fn set_output(query: &mut Query, to: Expr) {
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(expr) = output(select)
    {
        *expr = to;
    }
}

fn called(expr: &Expr) -> String {
    match expr {
        Expr::Function(function) => function_name(function),
        _ => String::new(),
    }
}

fn aliases(select: &Select) -> Vec<String> {
    let alias = |item: &TableWithJoins| match &item.relation {
        TableFactor::Table { alias: Some(alias), .. } => Some(alias.name.value.clone()),
        _ => None,
    };
    select.from.iter().filter_map(alias).collect()
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

fn columns(condition: &Expr) -> Vec<Expr> {
    let mut found = Vec::new();
    let _ = visit_expressions(condition, |expr| {
        if is_column(expr) {
            found.push(expr.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

fn conjuncts(condition: Expr) -> Vec<Expr> {
    match condition {
        Expr::Nested(inner) => conjuncts(*inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => [conjuncts(*left), conjuncts(*right)].concat(),
        other => vec![other],
    }
}
