//! Operators: the result types of arithmetic as Redshift gives them, and date arithmetic.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, Operator, ScalarUDF, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::documents::{self, Comparisons};
use crate::error::SqlError;
use crate::types::SqlType;

/// Of lists, which only system catalogs have.
const CONCATENATION: &str = "array_concat";

#[derive(Debug)]
pub struct OperatorRules {
    functions: Vec<Arc<ScalarUDF>>,
    comparisons: Comparisons,
}

impl OperatorRules {
    pub fn shared(functions: impl Iterator<Item = Arc<ScalarUDF>>, comparisons: Comparisons) -> Arc<dyn ExprPlanner> {
        Arc::new(Self {
            functions: functions
                .filter(|function| function.name().starts_with('$') || function.name() == CONCATENATION)
                .collect(),
            comparisons,
        })
    }

    fn planned(&self, name: &str, args: Vec<Expr>) -> DfResult<Expr> {
        match self.functions.iter().find(|function| function.name() == name) {
            Some(function) => Ok(function.call(args)),
            None => Err(SqlError::internal(format!("{name} is missing")).into()),
        }
    }

    fn call(&self, name: &str, args: Vec<Expr>) -> DfResult<PlannerResult<RawBinaryExpr>> {
        self.planned(name, args).map(PlannerResult::Planned)
    }
}

/// Whether an expression is a literal without a type, which takes the type of what it meets.
fn is_unknown(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Utf8View(_) | ScalarValue::Null, _) => true,
        Expr::Alias(alias) => is_unknown(&alias.expr),
        _ => false,
    }
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text),
        _ => None,
    }
}

impl ExprPlanner for OperatorRules {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> DfResult<PlannerResult<RawBinaryExpr>> {
        let type_of = |side: &Expr| -> DfResult<SqlType> { Ok(SqlType::of_field(side.to_field(schema)?.1.as_ref())) };
        // Columns of an outer query are not in this schema; the planner's own rules are good enough for them.
        let (Ok(left), Ok(right)) = (type_of(&expr.left), type_of(&expr.right)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let numeric = |sql_type: SqlType| matches!(sql_type, SqlType::Numeric(..));
        let whole = |sql_type: SqlType| matches!(sql_type, SqlType::Int2 | SqlType::Int4 | SqlType::Int8);
        let dated = |sql_type: SqlType| matches!(sql_type, SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz);
        let RawBinaryExpr { op, left: l, right: r } = expr;
        if left == SqlType::Super || right == SqlType::Super {
            let sides = comparison(&op).and_then(|op| self.comparisons.sides(op, (l, left), (r, right)));
            let (left, right) = sides.ok_or_else(|| documents::unsupported(format!("operator {op}")))?;
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        // A quoted number takes the type of what it is reckoned with.
        let counts =
            |sql_type| whole(sql_type) || numeric(sql_type) || matches!(sql_type, SqlType::Float4 | SqlType::Float8);
        let reckons = matches!(
            op,
            BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo
        );
        if reckons && counts(right) && is_unknown(&l) && text_of(&l).is_some() {
            let left = self.literal(l, right)?;
            return self.plan_binary_op(RawBinaryExpr { op, left, right: r }, schema);
        }
        if reckons && counts(left) && is_unknown(&r) && text_of(&r).is_some() {
            let right = self.literal(r, left)?;
            return self.plan_binary_op(RawBinaryExpr { op, left: l, right }, schema);
        }
        let args = |l, r| vec![l, r];
        match op {
            BinaryOperator::Plus | BinaryOperator::Minus => {
                let minus = op == BinaryOperator::Minus;
                match (left, right) {
                    (SqlType::Date, other) if whole(other) => {
                        return self.call(if minus { "$date_minus" } else { "$date_plus" }, args(l, r));
                    }
                    (other, SqlType::Date) if whole(other) && !minus => return self.call("$date_plus", args(r, l)),
                    (SqlType::Date, SqlType::Date) if minus => return self.call("$date_diff", args(l, r)),
                    (SqlType::Date, _) if is_unknown(&r) && minus => return self.call("$date_diff", args(l, r)),
                    (SqlType::Interval, other) if dated(other) && !minus => {
                        return self.call("$add_interval", args(r, l));
                    }
                    (other, SqlType::Interval) if dated(other) || is_unknown(&l) => {
                        return self.call(if minus { "$sub_interval" } else { "$add_interval" }, args(l, r));
                    }
                    (a, b) if dated(a) && dated(b) && minus => return self.call("$timestamp_diff", args(l, r)),
                    _ => {}
                }
                if let Some(name) = arithmetic(left, right, whole, numeric) {
                    return self.call(name[usize::from(minus)], args(l, r));
                }
                Ok(PlannerResult::Original(RawBinaryExpr { op, left: l, right: r }))
            }
            BinaryOperator::Multiply => {
                if right == SqlType::Interval {
                    return self.call("$mul_interval", args(r, l));
                }
                if left == SqlType::Interval {
                    return self.call("$mul_interval", args(l, r));
                }
                match arithmetic(left, right, whole, numeric) {
                    Some(name) => self.call(name[2], args(l, r)),
                    None => Ok(PlannerResult::Original(RawBinaryExpr { op, left: l, right: r })),
                }
            }
            BinaryOperator::Divide
                if (numeric(left) && (numeric(right) || whole(right))) || (whole(left) && numeric(right)) =>
            {
                self.call("$divide", args(l, r))
            }
            BinaryOperator::Divide if counts(left) && counts(right) && !(whole(left) && whole(right)) => {
                self.call("$float_divide", args(l, r))
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                let blanks = |expr: &Expr| text_of(expr).is_some_and(|text| text.ends_with(' '));
                let is_char = |sql_type| matches!(sql_type, SqlType::Char(_));
                // Trailing blanks mean nothing in comparisons.
                if left.is_text() && right.is_text() && (blanks(&l) || blanks(&r) || is_char(left) || is_char(right)) {
                    let (left, right) = (self.planned("$trimmed", vec![l])?, self.planned("$trimmed", vec![r])?);
                    return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
                }
                // regclass and regtype values are names here, OIDs are numbers.
                if left == SqlType::Oid && right == SqlType::Name {
                    let text = Expr::Literal(ScalarValue::Utf8(Some("name".into())), None);
                    let left = self.planned("$cast", vec![l, text])?;
                    return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right: r }));
                }
                // A quoted literal takes the type of the other side.
                let typed = |sql_type: SqlType| !sql_type.is_text() && !sql_type.is_array();
                if typed(left) && is_unknown(&r) && text_of(&r).is_some() {
                    let right = self.literal(r, left)?;
                    return Ok(PlannerResult::Original(RawBinaryExpr { op, left: l, right }));
                }
                if typed(right) && is_unknown(&l) && text_of(&l).is_some() {
                    let left = self.literal(l, right)?;
                    return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right: r }));
                }
                if dated(left) && counts(right) || counts(left) && dated(right) {
                    return Err(SqlError::no_operator(left.base_name(), op, right.base_name()).into());
                }
                Ok(PlannerResult::Original(RawBinaryExpr { op, left: l, right: r }))
            }
            BinaryOperator::StringConcat if left == SqlType::TextArray && right == SqlType::TextArray => {
                self.call(CONCATENATION, args(l, r))
            }
            BinaryOperator::StringConcat => self.call("$concat", args(l, r)),
            op => Ok(PlannerResult::Original(RawBinaryExpr { op, left: l, right: r })),
        }
    }

    fn plan_field_access(
        &self,
        mut expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> DfResult<PlannerResult<RawFieldAccessExpr>> {
        let field = expr.expr.to_field(schema)?.1;
        let sql_type = SqlType::of_field(&field);
        if sql_type == SqlType::Super {
            let step = match expr.field_access {
                GetFieldAccess::NamedStructField { name } => lit(name),
                GetFieldAccess::ListIndex { key } => *key,
                GetFieldAccess::ListRange { .. } => return Err(documents::unsupported("slices").into()),
            };
            return Ok(PlannerResult::Planned(self.comparisons.step(expr.expr, step)));
        }
        match &mut expr.field_access {
            // Everything else is counted from one.
            GetFieldAccess::ListIndex { key } if sql_type == SqlType::Int2Vector => {
                **key = std::mem::take(key.as_mut()) + lit(1_i64);
            }
            GetFieldAccess::NamedStructField { name } if !matches!(field.data_type(), DataType::Struct(_)) => {
                let message = format!(
                    "column notation .{name} applied to type {}, which is not a composite type",
                    sql_type.base_name()
                );
                return Err(SqlError::new("42809", message).into());
            }
            _ => {}
        }
        Ok(PlannerResult::Original(expr))
    }
}

impl OperatorRules {
    /// A literal read as a type. Numerics keep the literal's own digits.
    fn literal(&self, expr: Expr, sql_type: SqlType) -> DfResult<Expr> {
        let name = match sql_type {
            SqlType::Numeric(precision, scale) => {
                let digits = text_of(&expr)
                    .and_then(|text| text.split_once('.'))
                    .map_or(0, |(_, fraction)| fraction.len() as u8);
                SqlType::Numeric(38.min(precision.max(18) + digits), scale.max(digits).min(37)).to_string()
            }
            other => other.to_string(),
        };
        let name = if name == "oid" { "integer".to_string() } else { name };
        self.planned("$cast", vec![expr, Expr::Literal(ScalarValue::Utf8(Some(name)), None)])
    }
}

/// The checked functions for plus, minus and times, where the planner's own would wrap or type differently.
fn arithmetic(
    left: SqlType,
    right: SqlType,
    whole: impl Fn(SqlType) -> bool,
    numeric: impl Fn(SqlType) -> bool,
) -> Option<[&'static str; 3]> {
    match (whole(left) || numeric(left), whole(right) || numeric(right)) {
        (true, true) if whole(left) && whole(right) => Some(["$int_plus", "$int_minus", "$int_times"]),
        (true, true) => Some(["$plus", "$minus", "$times"]),
        _ => None,
    }
}
