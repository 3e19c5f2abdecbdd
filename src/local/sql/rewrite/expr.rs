//! Expressions: bare date parts, keyword functions, Redshift's own functions spelled with what the planner has,
//! integer literals that are int4, casts that follow Redshift's rules.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CastKind, CeilFloorKind, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, Query, TrimWhereField, UnaryOperator, Value, VisitorMut, WindowType,
};

use super::aggregate::{listagg, median, percentile_cont, percentile_disc};
use super::build::{
    arguments, bare, boolean, call, case, function_name, is_distinct, literal_number, literal_text, negate, number,
    parameter_number, places, renamed, take, take_array, text, type_text,
};
use super::{Rewriter, Scope, build, known, lookup, name_of, quoted};
use crate::error::{Result, SqlError};
use crate::types::SqlType;

/// Functions whose first argument is a date part, written bare.
const DATE_PART_FUNCTIONS: [&str; 8] = [
    "dateadd",
    "date_add",
    "datediff",
    "date_diff",
    "date_part",
    "datepart",
    "pgdate_part",
    "date_trunc",
];

pub struct Visitor<'a> {
    rewriter: &'a Rewriter<'a>,
    scope: &'a Scope<'a>,
    aliases: &'a BTreeMap<String, Expr>,
    /// How many queries deep the visitor is; their expressions belong to their own scope.
    depth: usize,
}

impl<'a> Visitor<'a> {
    pub fn new(rewriter: &'a Rewriter<'a>, scope: &'a Scope<'a>, aliases: &'a BTreeMap<String, Expr>) -> Self {
        Self {
            rewriter,
            scope,
            aliases,
            depth: 0,
        }
    }

    /// Returns how many columns a subquery has.
    fn subquery(&self, query: &mut Query) -> Result<usize> {
        let columns = self.rewriter.query(query, self.scope.ctes, Some(self.scope))?;
        Ok(columns.len())
    }

    fn enter(&self, expr: &mut Expr) -> Result<()> {
        if let Expr::CompoundFieldAccess { .. } = expr {
            *expr = build::field_access(take(expr));
        }
        if let Some(in_subquery) = in_subquery(expr) {
            *expr = in_subquery;
        }
        match expr {
            // There is no function with a number of its own.
            Expr::Cast {
                expr: inner, data_type, ..
            } if type_text(data_type) == "oid" => {
                if let Expr::Cast {
                    expr: name, data_type, ..
                } = inner.as_ref()
                    && matches!(type_text(data_type).as_str(), "regproc" | "regprocedure")
                    && let Some(name) = literal_text(name)
                {
                    return Err(SqlError::no_function(name));
                }
            }
            Expr::BinaryOp {
                left,
                op: op @ (BinaryOperator::Eq | BinaryOperator::NotEq),
                right,
            } => {
                if let (Expr::Tuple(left), Expr::Tuple(right)) = (left.as_ref(), right.as_ref())
                    && left.len() == right.len()
                {
                    let pairs = left.iter().cloned().zip(right.iter().cloned());
                    *expr = negate(*op == BinaryOperator::NotEq, build::all_equal(pairs));
                }
            }
            Expr::Function(function) => {
                strip_system_schema(function);
                // Some names are functions where they stand alone, and are none behind a table or a column.
                if matches!(function.args, FunctionArguments::None) && function.name.0.len() > 1 {
                    let parts = function.name.0.iter().filter_map(|part| part.as_ident().cloned());
                    *expr = Expr::CompoundIdentifier(parts.collect());
                    return Ok(());
                }
                if let FunctionArguments::Subquery(subquery) = &function.args {
                    *expr = match lookup::each_item(subquery) {
                        Some(list) => list,
                        None => Expr::Subquery(Box::new(collected(subquery)?)),
                    };
                    return Ok(());
                }
                if DATE_PART_FUNCTIONS.contains(&function_name(function).as_str())
                    && let FunctionArguments::List(list) = &mut function.args
                    && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
                    && let Expr::Identifier(ident) = first
                {
                    *first = text(&ident.value);
                }
            }
            Expr::InSubquery {
                expr: left,
                subquery,
                negated,
            } => {
                let left = match left.as_ref() {
                    Expr::Nested(inner) => inner.as_ref(),
                    other => other,
                };
                if let Expr::Tuple(keys) = left {
                    if *negated {
                        return Err(SqlError::unsupported("NOT IN with several columns"));
                    }
                    *expr = Expr::Exists {
                        subquery: Box::new(membership(keys, subquery)?),
                        negated: false,
                    };
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn leave(&self, expr: &mut Expr) -> Result<()> {
        let replaced = match expr {
            Expr::Identifier(ident) => return self.identifier(ident.clone(), expr),
            Expr::CompoundIdentifier(parts) => {
                let parts = parts.clone();
                *expr = self.qualified(parts)?;
                return Ok(());
            }
            Expr::Value(value) => match &value.value {
                Value::Number(text, _) => number(text),
                Value::Placeholder(name) => self.rewriter.names.parameter(parameter_number(name)?)?,
                Value::EscapedStringLiteral(string) | Value::NationalStringLiteral(string) => text(string),
                Value::DollarQuotedString(string) => text(&string.value),
                _ => return Ok(()),
            },
            Expr::Subquery(query) => {
                if self.subquery(query)? != 1 {
                    return Err(SqlError::syntax("subquery must return only one column"));
                }
                if let Some(guard) = lookup::single_row(query) {
                    *expr = case(vec![(guard, take(expr))], None);
                }
                return Ok(());
            }
            Expr::Exists { subquery, .. } => {
                self.subquery(subquery)?;
                return Ok(());
            }
            Expr::InSubquery { subquery, .. } => {
                if self.subquery(subquery)? != 1 {
                    return Err(SqlError::syntax("subquery has too many columns"));
                }
                return Ok(());
            }
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => match (compare_op, right.as_mut()) {
                (BinaryOperator::Eq, Expr::Array(array)) => Expr::InList {
                    expr: left.clone(),
                    list: array.elem.clone(),
                    negated: false,
                },
                (BinaryOperator::Eq, right) => call("array_has", vec![right.clone(), left.as_ref().clone()]),
                _ => return Err(SqlError::unsupported("ANY with an operator other than =")),
            },
            Expr::AllOp { .. } => return Err(SqlError::unsupported("ALL with an operator other than <>")),
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                ..
            } => {
                let function = if *kind == CastKind::TryCast {
                    "$try_cast"
                } else if type_text(data_type) == "regproc"
                    && let Some(name) = literal_text(inner)
                {
                    *expr = text(name.trim_start_matches("pg_catalog."));
                    return Ok(());
                } else if type_text(data_type) == "regclass" {
                    // A text names a relation, a number is shown as its name.
                    let name = match inner.as_ref() {
                        Expr::Value(_) => "$regclass",
                        _ => "$relname",
                    };
                    *expr = call(name, vec![take(inner)]);
                    return Ok(());
                } else {
                    "$cast"
                };
                call(function, vec![take(inner), text(&type_text(data_type))])
            }
            Expr::Convert {
                expr: inner,
                data_type: Some(data_type),
                ..
            } => call("$cast", vec![take(inner), text(&type_text(data_type))]),
            Expr::TypedString(typed) => call(
                "$cast",
                vec![Expr::Value(typed.value.clone()), text(&type_text(&typed.data_type))],
            ),
            Expr::Interval(interval) => match literal_text(&interval.value).or_else(|| literal_number(&interval.value))
            {
                Some(amount) => {
                    let unit = interval
                        .leading_field
                        .as_ref()
                        .map_or_else(String::new, |field| format!(" {}", field.to_string().to_lowercase()));
                    if interval.last_field.is_some() {
                        return Err(SqlError::unsupported("INTERVAL … TO …"));
                    }
                    call("$interval", vec![text(&format!("{amount}{unit}"))])
                }
                None => return Err(SqlError::unsupported("INTERVAL of an expression")),
            },
            Expr::Extract { field, expr: inner, .. } => {
                let field = field.to_string().to_lowercase();
                call("date_part", vec![text(field.trim_matches('\'')), take(inner)])
            }
            Expr::AtTimeZone { timestamp, time_zone } => call("timezone", vec![take(time_zone), take(timestamp)]),
            Expr::Ceil { expr: inner, field } => match field {
                CeilFloorKind::DateTimeField(_) => call("ceil", vec![take(inner)]),
                CeilFloorKind::Scale(_) => return Err(SqlError::unsupported("CEIL with a scale")),
            },
            Expr::Floor { expr: inner, field } => match field {
                CeilFloorKind::DateTimeField(_) => call("floor", vec![take(inner)]),
                CeilFloorKind::Scale(_) => return Err(SqlError::unsupported("FLOOR with a scale")),
            },
            Expr::Position { expr: needle, r#in } => call("strpos", vec![take(r#in), take(needle)]),
            Expr::Substring {
                expr: inner,
                substring_from,
                substring_for,
                ..
            } => {
                let from = substring_from.as_mut().map_or_else(|| number("1"), |from| take(from));
                let mut arguments = vec![take(inner), from];
                arguments.extend(substring_for.as_mut().map(|count| take(count)));
                call("substring", arguments)
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr: inner,
                trim_characters,
            } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let mut arguments = vec![take(inner)];
                arguments.extend(trim_what.as_mut().map(|what| take(what)));
                arguments.extend(trim_characters.take().into_iter().flatten());
                call(name, arguments)
            }
            Expr::Overlay {
                expr: inner,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut arguments = vec![take(inner), take(overlay_what), take(overlay_from)];
                arguments.extend(overlay_for.as_mut().map(|count| take(count)));
                call("$overlay", arguments)
            }
            Expr::SimilarTo {
                negated,
                expr: inner,
                pattern,
                escape_char,
            } => {
                let escape = escape_char
                    .as_ref()
                    .map_or_else(|| text("\\"), |escape| Expr::Value(escape.clone()));
                negate(*negated, call("$similar_to", vec![take(inner), take(pattern), escape]))
            }
            Expr::Like {
                negated,
                expr: inner,
                pattern,
                escape_char: Some(escape),
                ..
            } => negate(
                *negated,
                call(
                    "$like",
                    vec![take(inner), take(pattern), Expr::Value(escape.clone()), boolean(false)],
                ),
            ),
            Expr::ILike {
                negated,
                expr: inner,
                pattern,
                escape_char: Some(escape),
                ..
            } => negate(
                *negated,
                call(
                    "$like",
                    vec![take(inner), take(pattern), Expr::Value(escape.clone()), boolean(true)],
                ),
            ),
            Expr::Case {
                operand, conditions, ..
            } if conditions.iter().any(|when| literal_text(&when.condition).is_some()) => {
                // Comparing gives quoted literals the operand's type.
                let Some(operand) = operand.take() else { return Ok(()) };
                for when in conditions {
                    when.condition = Expr::BinaryOp {
                        left: operand.clone(),
                        op: BinaryOperator::Eq,
                        right: Box::new(take(&mut when.condition)),
                    };
                }
                return Ok(());
            }
            Expr::Collate { expr: inner, .. } => take(inner),
            Expr::UnaryOp { op, expr: inner } => match op {
                UnaryOperator::BitwiseNot => Expr::BinaryOp {
                    left: Box::new(number("-1")),
                    op: BinaryOperator::Minus,
                    right: Box::new(take(inner)),
                },
                UnaryOperator::PGSquareRoot => call("sqrt", vec![take(inner)]),
                UnaryOperator::PGCubeRoot => call("cbrt", vec![take(inner)]),
                UnaryOperator::PGAbs | UnaryOperator::AtDashAt => call("abs", vec![take(inner)]),
                _ => return Ok(()),
            },
            Expr::BinaryOp { left, op, right } => {
                let (like, insensitive, negated) = match op {
                    BinaryOperator::PGExp => {
                        *expr = call("power", vec![take(left), take(right)]);
                        return Ok(());
                    }
                    BinaryOperator::PGBitwiseXor | BinaryOperator::BitwiseXor => {
                        *op = BinaryOperator::BitwiseXor;
                        return Ok(());
                    }
                    BinaryOperator::PGCustomBinaryOperator(parts) => {
                        *op = operator(parts)?;
                        return Ok(());
                    }
                    BinaryOperator::PGLikeMatch => (true, false, false),
                    BinaryOperator::PGILikeMatch => (true, true, false),
                    BinaryOperator::PGNotLikeMatch => (true, false, true),
                    BinaryOperator::PGNotILikeMatch => (true, true, true),
                    _ => (false, false, false),
                };
                if !like {
                    return Ok(());
                }
                negate(
                    negated,
                    call("$like", vec![take(left), take(right), text("\\"), boolean(insensitive)]),
                )
            }
            Expr::Function(_) => {
                let Expr::Function(function) = std::mem::replace(expr, Expr::Value(Value::Null.into())) else {
                    return Ok(());
                };
                *expr = self.function(function)?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        *expr = replaced;
        Ok(())
    }

    fn identifier(&self, ident: Ident, expr: &mut Expr) -> Result<()> {
        let name = &ident.value;
        if self.scope.has_column(name) {
            *expr = Expr::Identifier(quoted(name));
            return Ok(());
        }
        if let Some(alias) = self.aliases.get(name) {
            *expr = alias.clone();
            return Ok(());
        }
        if !self.scope.visible(name)
            && ident.quote_style.is_none()
            && let Some(value) = self.rewriter.names.session_value(name)
        {
            *expr = value;
            return Ok(());
        }
        if ident.quote_style.is_none() && !self.scope.visible(name) {
            if known::WITHOUT_BRACKETS.contains(&name.as_str()) {
                known::check(name)?;
            }
            if CLAUSES.contains(&name.as_str()) {
                return Err(SqlError::syntax(format!("syntax error at or near \"{name}\"")));
            }
        }
        *expr = Expr::Identifier(quoted(name));
        Ok(())
    }

    /// `schema.table.column` becomes `alias.column`. More may follow a column, and a column may come without its table:
    /// that is a path into the column.
    fn qualified(&self, parts: Vec<Ident>) -> Result<Expr> {
        let names: Vec<String> = parts.iter().map(|part| part.value.clone()).collect();
        let last = names.len() - 1;
        for split in (1..=last).rev() {
            if let Some(qualifier) = name_of(names[..split].to_vec())
                && let Some(alias) = self.scope.qualifier(&qualifier)
                && (split == last || self.scope.has_column_of(&alias, &names[split]))
            {
                let mut column = vec![quoted(&alias), quoted(&names[split])];
                // Where a column here has an outer table's name, the planner would read a field of that column.
                if self.scope.has_column(&alias) && !self.scope.sources.iter().any(|source| source.alias == alias) {
                    column.insert(0, quoted("$"));
                }
                return Ok(build::path(Expr::CompoundIdentifier(column), &names[split + 1..]));
            }
        }
        if self.scope.visible(&names[0]) || self.aliases.contains_key(&names[0]) {
            let mut column = Expr::Identifier(parts[0].clone());
            self.identifier(parts[0].clone(), &mut column)?;
            return Ok(build::path(column, &names[1..]));
        }
        let qualifier = name_of(names[..last].to_vec());
        let qualifier = qualifier.ok_or_else(|| SqlError::syntax("improper qualified name"))?;
        Err(super::missing_from(&qualifier))
    }

    fn function(&self, mut function: Function) -> Result<Expr> {
        let name = function_name(&function);
        // Quoted names are those that were written here.
        let typed = function.name.0.last().and_then(|part| part.as_ident());
        let typed = typed.is_some_and(|ident| ident.quote_style.is_none());
        if matches!(function.args, FunctionArguments::None) || arguments(&function).is_empty() {
            if let Some(value) = self.rewriter.names.session_value(&name) {
                return Ok(value);
            }
            if name == "count" {
                return Err(SqlError::no_function(name));
            }
        }
        if typed {
            known::check(&name)?;
        }
        if function.filter.is_some() {
            return Err(SqlError::syntax("syntax error at or near \"filter\""));
        }
        if let Some(WindowType::WindowSpec(spec)) = &mut function.over
            && let Some(frame) = &mut spec.window_frame
        {
            for bound in std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut()) {
                if let ast::WindowFrameBound::Preceding(Some(amount)) | ast::WindowFrameBound::Following(Some(amount)) =
                    bound
                {
                    bare(amount);
                }
            }
        }
        if function.over.is_some()
            && let FunctionArguments::List(list) = &mut function.args
        {
            // Offsets of lag and lead and the count of ntile have to be literals.
            for argument in list.args.iter_mut().skip(usize::from(name != "ntile")) {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument {
                    bare(argument);
                }
            }
        }
        let args = arguments(&function);
        Ok(match (name.as_str(), args.len()) {
            ("nvl", _) => renamed(function, "coalesce"),
            ("nvl2", 3) => {
                let [test, then, otherwise] = take_array(args);
                case(vec![(Expr::IsNotNull(Box::new(test)), then)], Some(otherwise))
            }
            ("round" | "trunc", 2) if places(&args[1]).is_some() => {
                let [value, written] = take_array(args);
                call(
                    &format!("${name}"),
                    vec![value, text(&places(&written).unwrap_or_default())],
                )
            }
            ("decode", 3..) => decode(args),
            ("lag" | "lead", _) if build::ignores_nulls(&function) => renamed(function, &format!("${name}")),
            ("avg", 1) => {
                let sum = renamed(function.clone(), "sum");
                let count = renamed(function, "count");
                call("$avg", vec![sum, count])
            }
            ("sum", 1) => call("$sum", vec![Expr::Function(function)]),
            ("any_value", 1) => renamed(function, "min"),
            ("every", 1) => renamed(function, "bool_and"),
            ("variance" | "var_samp", 1) if function.over.is_some() => {
                call("$spread", vec![renamed(function, "var_samp")])
            }
            ("var_pop", 1) if function.over.is_some() => call("$spread", vec![renamed(function, "var_pop")]),
            ("stddev" | "stddev_samp", 1) if function.over.is_some() => {
                call("sqrt", vec![call("$spread", vec![renamed(function, "var_samp")])])
            }
            ("stddev_pop", 1) if function.over.is_some() => {
                call("sqrt", vec![call("$spread", vec![renamed(function, "var_pop")])])
            }
            ("variance", 1) => renamed(function, "var_samp"),
            ("stddev", 1) => renamed(function, "stddev_samp"),
            ("listagg", 1 | 2) => listagg(function)?,
            ("median", 1) => median(function)?,
            ("ratio_to_report", 1) => {
                let [value] = take_array(args);
                let whole = renamed(function, "sum");
                Expr::BinaryOp {
                    left: Box::new(call("$cast", vec![value, text("float8")])),
                    op: BinaryOperator::Divide,
                    right: Box::new(call("$cast", vec![whole, text("float8")])),
                }
            }
            ("count", 2..) if is_distinct(&function) => {
                return Err(SqlError::unsupported("COUNT(DISTINCT …) over several columns"));
            }
            ("percentile_disc", 1) => {
                let [fraction] = take_array(args);
                percentile_disc(function, fraction)?
            }
            ("percentile_cont", 1) => {
                let [fraction] = take_array(args);
                let order_by = function.within_group.clone();
                percentile_cont(function, fraction, order_by)?
            }
            ("date_add", 3) => renamed(function, "dateadd"),
            ("date_diff", 3) => renamed(function, "datediff"),
            ("datepart" | "pgdate_part", 2) => renamed(function, "date_part"),
            ("date_part_year", 1) => {
                let [value] = take_array(args);
                call("date_part", vec![text("year"), value])
            }
            ("convert", 2) => return Err(SqlError::unsupported("CONVERT of this form")),
            ("format_type" | "text" | "date" | "timestamp", 1) if name != "format_type" => {
                let [value] = take_array(args);
                call(
                    "$cast",
                    vec![value, text(if name == "text" { "varchar(65535)" } else { &name })],
                )
            }
            ("array_concat", _) if typed => renamed(function, "$array_concat"),
            ("array_to_string", _) => renamed(function, "array_to_string"),
            ("array_upper", 2) => renamed(function, "array_length"),
            ("generate_series", 2 | 3) => build::series(args),
            ("_pg_expandarray", 1) => {
                let [list] = take_array(args);
                build::expanded(list)
            }
            _ => Expr::Function(function),
        })
    }
}

impl VisitorMut for Visitor<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SqlError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        flow(self.enter(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        flow(self.leave(expr))
    }
}

fn flow(result: Result<()>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

/// The name Redshift gives an output that has no alias.
pub fn natural_name(expr: &Expr) -> String {
    own_name(expr).unwrap_or_else(|| "?column?".into())
}

fn own_name(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last()?.value.clone(),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(name)) => Some(name.value.clone()),
                _ => None,
            });
            return field.or_else(|| own_name(root));
        }
        Expr::Function(function) => match function_name(function).as_str() {
            "current_date" => "date".into(),
            "current_timestamp" => "timestamptz".into(),
            "nvl" => "coalesce".into(),
            "decode" | "nvl2" => "case".into(),
            name => name.to_string(),
        },
        Expr::Cast { expr, data_type, .. } => match own_name(expr) {
            Some(name) if !matches!(expr.as_ref(), Expr::Cast { .. } | Expr::Value(_)) => name,
            _ => SqlType::parse(&type_text(data_type)).ok()?.short_name().into(),
        },
        Expr::TypedString(typed) => SqlType::parse(&type_text(&typed.data_type)).ok()?.short_name().into(),
        Expr::Case { .. } => "case".into(),
        Expr::Exists { .. } => "exists".into(),
        Expr::Extract { .. } => "date_part".into(),
        Expr::Substring { .. } => "substring".into(),
        Expr::Position { .. } => "position".into(),
        Expr::Trim { trim_where, .. } => match trim_where {
            Some(TrimWhereField::Leading) => "ltrim".into(),
            Some(TrimWhereField::Trailing) => "rtrim".into(),
            _ => "btrim".into(),
        },
        Expr::Ceil { .. } => "ceil".into(),
        Expr::Floor { .. } => "floor".into(),
        Expr::AtTimeZone { .. } => "timezone".into(),
        Expr::Interval(_) => "interval".into(),
        Expr::Nested(inner) => return own_name(inner),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => "bool".into(),
        Expr::Array(_) => "array".into(),
        _ => return None,
    })
}

/// Words that begin a clause, which the parser takes for columns where an expression is missing.
const CLAUSES: [&str; 7] = ["from", "where", "group", "having", "order", "limit", "union"];

/// `a = any (select …)` is `a in (select …)`, and `a <> all (select …)` is `a not in (select …)`.
pub fn in_subquery(expr: &Expr) -> Option<Expr> {
    let (left, right, negated) = match expr {
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => (left, right, false),
        Expr::AllOp {
            left,
            compare_op: BinaryOperator::NotEq,
            right,
        } => (left, right, true),
        _ => return None,
    };
    let Expr::Subquery(subquery) = right.as_ref() else {
        return None;
    };
    Some(Expr::InSubquery {
        expr: left.clone(),
        subquery: subquery.clone(),
        negated,
    })
}

/// `(a, b) in (select …)` as EXISTS over the same rows.
fn membership(keys: &[Expr], subquery: &Query) -> Result<Query> {
    const ALIAS: &str = "$in";
    let columns: Vec<String> = (0..keys.len()).map(|index| format!("$c{index}")).collect();
    let list = columns
        .iter()
        .map(|column| format!("\"{column}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let mut query = crate::parse::query(&format!("select 1 as one from (select 1) as \"{ALIAS}\" ({list})"))?;
    if let ast::SetExpr::Select(select) = query.body.as_mut() {
        if let Some(ast::TableFactor::Derived { subquery: inner, .. }) =
            select.from.first_mut().map(|item| &mut item.relation)
        {
            **inner = subquery.clone();
        }
        select.selection = keys
            .iter()
            .zip(&columns)
            .map(|(key, column)| Expr::BinaryOp {
                left: Box::new(Expr::CompoundIdentifier(vec![quoted(ALIAS), quoted(column)])),
                op: BinaryOperator::Eq,
                right: Box::new(key.clone()),
            })
            .reduce(build::and);
    }
    Ok(*query)
}

pub const AGGREGATES: [&str; 8] = [
    "min",
    "max",
    "count",
    "array_agg",
    "$sum",
    "$avg",
    "$list_join",
    "bool_or",
];

/// `array(select x …)` as a subquery that collects its rows.
fn collected(subquery: &Query) -> Result<Query> {
    let mut direct = subquery.clone();
    if let ast::SetExpr::Select(select) = direct.body.as_mut()
        && select.distinct.is_none()
        && direct.limit_clause.is_none()
        && let [ast::SelectItem::UnnamedExpr(expr) | ast::SelectItem::ExprWithAlias { expr, .. }] =
            select.projection.as_mut_slice()
    {
        // Correlated columns are only found one query deep, so the aggregate goes straight in.
        *expr = call("array_agg", vec![take(expr)]);
        direct.order_by = None;
        return Ok(direct);
    }
    let mut query =
        crate::parse::query("select \"array_agg\"(\"$item\") as \"array\" from (select 1) as \"$array\" (\"$item\")")?;
    if let ast::SetExpr::Select(select) = query.body.as_mut()
        && let Some(ast::TableFactor::Derived { subquery: inner, .. }) =
            select.from.first_mut().map(|item| &mut item.relation)
    {
        **inner = subquery.clone();
    }
    Ok(*query)
}

fn decode(args: Vec<Expr>) -> Expr {
    let mut args = args.into_iter();
    let subject = args.next().unwrap_or(Expr::Value(Value::Null.into()));
    let rest: Vec<Expr> = args.collect();
    let mut chunks = rest.chunks_exact(2);
    // Unlike CASE, DECODE finds null equal to null.
    let arms = chunks
        .by_ref()
        .map(|pair| {
            (
                Expr::IsNotDistinctFrom(Box::new(subject.clone()), Box::new(pair[0].clone())),
                pair[1].clone(),
            )
        })
        .collect();
    case(arms, chunks.remainder().first().cloned())
}

fn operator(parts: &[String]) -> Result<BinaryOperator> {
    Ok(match parts.last().map(String::as_str) {
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("=") => BinaryOperator::Eq,
        Some("<>") => BinaryOperator::NotEq,
        other => {
            return Err(SqlError::unsupported(format!(
                "OPERATOR({})",
                other.unwrap_or_default()
            )));
        }
    })
}

fn strip_system_schema(function: &mut Function) {
    if function.name.0.len() == 2
        && let Some(schema) = function.name.0[0].as_ident()
        && matches!(schema.value.as_str(), "pg_catalog" | "information_schema")
    {
        function.name.0.remove(0);
    }
}
