//! The types of set operations: what the branches' columns have in common. A plan is made with what is known, which tells
//! the types; where those differ it is made again. Operations inside of others are known first.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::cast::{Mode, cast_in};
use crate::error::{Result, SqlError};
use crate::functions::session_zone;
use crate::rewrite::COMMON;
use crate::types::SqlType;

/// The types of columns by the column's number.
pub type Types = BTreeMap<String, SqlType>;

/// What a branch has in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Null,
    /// A bare text, which may be read as any type.
    Text(SqlType),
    Typed(SqlType),
}

/// One planning: the function that the columns go through, and what it saw.
pub struct Common {
    agreed: Types,
    seen: Mutex<BTreeMap<String, Vec<Seen>>>,
    signature: Signature,
}

impl Common {
    pub fn new(agreed: Types) -> Arc<Self> {
        Arc::new(Self {
            agreed,
            seen: Mutex::default(),
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }

    pub fn function(self: &Arc<Self>) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Function(self.clone())))
    }

    /// Returns the types to plan with if they are others than those that were planned with.
    pub fn revised(&self) -> Result<Option<Types>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut agreed = Types::new();
        for (column, seen) in seen.iter() {
            if let Some(sql_type) = agreement(seen)? {
                agreed.insert(column.clone(), sql_type);
            }
        }
        Ok((agreed != self.agreed).then_some(agreed))
    }

    fn see(&self, column: &str, seen: Seen) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(column.to_string()).or_default();
        if !known.contains(&seen) {
            known.push(seen);
        }
    }
}

/// Returns the type of a column unless all branches have it anyway.
fn agreement(seen: &[Seen]) -> Result<Option<SqlType>> {
    let typed = seen.iter().filter_map(|seen| match seen {
        Seen::Typed(sql_type) => Some(*sql_type),
        _ => None,
    });
    let Some(mut agreed) = common(typed)? else {
        return Ok(None);
    };
    if agreed.is_text() {
        let texts = seen.iter().filter_map(|seen| match seen {
            Seen::Text(sql_type) => Some(*sql_type),
            _ => None,
        });
        agreed = common(std::iter::once(agreed).chain(texts))?.unwrap_or(agreed);
    }
    Ok((seen.len() > 1).then_some(agreed))
}

fn common(mut types: impl Iterator<Item = SqlType>) -> Result<Option<SqlType>> {
    let Some(first) = types.next() else { return Ok(None) };
    types
        .try_fold(first, |left, right| {
            left.common(right).ok_or_else(|| {
                let (left, right) = (left.base_name(), right.base_name());
                SqlError::new("42804", format!("UNION types {left} and {right} cannot be matched"))
            })
        })
        .map(Some)
}

#[derive(Clone)]
struct Function(Arc<Common>);

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(COMMON)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        COMMON.hash(state);
    }
}

/// Whether values are held as those of a type are. Text is, whatever its length.
fn is_held_as(held: &DataType, agreed: SqlType) -> bool {
    let text = |held| SqlType::from_arrow(held).is_text();
    *held == agreed.arrow() || *held != DataType::Null && agreed.is_text() && text(held)
}

fn column_of(value: Option<&ScalarValue>) -> Result<&str> {
    match value {
        Some(ScalarValue::Utf8(Some(column))) => Ok(column),
        _ => Err(SqlError::internal("a column of a set operation has no number")),
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        COMMON
    }

    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Err(SqlError::internal("the return type depends on the arguments").into())
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let column = column_of(args.scalar_arguments[1])?;
        let value = &args.arg_fields[0];
        let sql_type = SqlType::of_field(value);
        let bare = matches!(args.scalar_arguments[2], Some(ScalarValue::Boolean(Some(true))));
        self.0.see(
            column,
            match value.data_type() {
                DataType::Null => Seen::Null,
                _ if bare => Seen::Text(sql_type),
                _ => Seen::Typed(sql_type),
            },
        );
        Ok(match self.0.agreed.get(column) {
            None => value.clone(),
            Some(agreed) if is_held_as(value.data_type(), *agreed) => {
                let field = agreed.field(COMMON, value.is_nullable());
                Arc::new(field.with_data_type(value.data_type().clone()))
            }
            Some(agreed) => Arc::new(agreed.field(COMMON, true)),
        })
    }

    /// Nothing is left of it where values have the type anyway.
    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> DfResult<ExprSimplifyResult> {
        let column = match &args[1] {
            Expr::Literal(value, _) => column_of(Some(value))?,
            _ => column_of(None)?,
        };
        let held = args[0].to_field(info.schema())?.1;
        let differs = |agreed: &SqlType| *held.data_type() == DataType::Null || SqlType::of_field(&held) != *agreed;
        Ok(match self.0.agreed.get(column).is_some_and(differs) {
            true => ExprSimplifyResult::Original(args),
            false => ExprSimplifyResult::Simplified(args.swap_remove(0)),
        })
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let value = args.args.swap_remove(0);
        if value.data_type() == *args.return_field.data_type() {
            return Ok(value);
        }
        let zone = session_zone(&args.config_options);
        let agreed = SqlType::of_field(&args.return_field);
        let cast = |values: &ArrayRef| cast_in(zone, values, agreed, Mode::Explicit);
        Ok(match value {
            ColumnarValue::Array(values) => ColumnarValue::Array(cast(&values)?),
            ColumnarValue::Scalar(value) => {
                let values = cast(&value.to_array()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
            }
        })
    }
}
