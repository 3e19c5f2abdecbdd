//! The function library: Redshift's scalar functions as rows of tables, one table per file. Arguments arrive as they
//! were written; each function converts them by Redshift's own cast rules.

mod cast;
mod coalesce;
pub mod datetime;
pub mod documents;
mod hash;
mod json;
mod math;
mod pattern;
mod percentile;
mod planner;
mod sum;
mod text;
pub mod to_char;
pub mod window;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result as DfResult, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub use coalesce::Coalesce;
pub use planner::OperatorRules;
pub use sum::sum;

use crate::cast::{Mode, cast, cast_in, shown_in, text_array};
use crate::error::{Result, SqlError};
use crate::types::SqlType;
use crate::zone::Zone;

/// One function of the library.
pub struct Function {
    pub name: &'static str,
    /// How many arguments it takes, at least and at most.
    pub arity: (usize, usize),
    pub returns: fn(&Shape) -> Result<SqlType>,
    pub body: fn(&Call) -> Result<ArrayRef>,
}

/// Returns one row of a table of functions.
const fn function(
    name: &'static str,
    arity: (usize, usize),
    returns: fn(&Shape) -> Result<SqlType>,
    body: fn(&Call) -> Result<ArrayRef>,
) -> Function {
    Function {
        name,
        arity,
        returns,
        body,
    }
}

/// What is known about a call while planning.
pub struct Shape<'a> {
    pub types: &'a [SqlType],
    pub literals: &'a [Option<&'a ScalarValue>],
}

impl Shape<'_> {
    pub fn literal(&self, index: usize) -> Option<String> {
        let value = (*self.literals.get(index)?)?;
        match value {
            ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => text.clone(),
            _ => None,
        }
    }
}

/// One evaluation of a function over a batch.
pub struct Call<'a> {
    pub args: &'a [ArrayRef],
    fields: &'a [FieldRef],
    pub rows: usize,
    pub returns: SqlType,
    /// The session's time zone.
    pub zone: Zone,
}

impl Call<'_> {
    pub fn len(&self) -> usize {
        self.args.len()
    }

    /// The type that an argument is declared with.
    pub fn type_of(&self, index: usize) -> SqlType {
        SqlType::of_field(&self.fields[index])
    }

    pub fn text(&self, index: usize) -> Result<StringArray> {
        text_array(&shown_in(self.zone, &self.args[index]))
    }

    /// The argument as a value of the returned type.
    pub fn cast(&self, index: usize, mode: Mode) -> Result<ArrayRef> {
        cast_in(self.zone, &self.args[index], self.returns, mode)
    }

    pub fn int(&self, index: usize) -> Result<Int64Array> {
        Ok(cast(&self.args[index], SqlType::Int8, Mode::Explicit)?
            .as_primitive::<Int64Type>()
            .clone())
    }

    pub fn float(&self, index: usize) -> Result<Float64Array> {
        Ok(cast(&self.args[index], SqlType::Float8, Mode::Explicit)?
            .as_primitive::<Float64Type>()
            .clone())
    }

    pub fn bool(&self, index: usize) -> Result<BooleanArray> {
        Ok(cast(&self.args[index], SqlType::Bool, Mode::Explicit)?
            .as_boolean()
            .clone())
    }

    /// What clocks show, in microseconds since they showed the epoch: from a date, a timestamp of either kind or text.
    pub fn micros(&self, index: usize) -> Result<TimestampMicrosecondArray> {
        Ok(
            cast_in(self.zone, &self.args[index], SqlType::Timestamp, Mode::Explicit)?
                .as_primitive::<TimestampMicrosecondType>()
                .clone(),
        )
    }

    /// Microseconds since the epoch.
    pub fn moments(&self, index: usize) -> Result<TimestampMicrosecondArray> {
        Ok(
            cast_in(self.zone, &self.args[index], SqlType::Timestamptz, Mode::Explicit)?
                .as_primitive::<TimestampMicrosecondType>()
                .clone(),
        )
    }

    /// Whether an argument is an instant rather than what clocks show.
    pub fn is_instant(&self, index: usize) -> bool {
        matches!(self.args[index].data_type(), DataType::Timestamp(_, Some(_)))
    }

    /// Returns the value of an argument that is the same in every row.
    pub fn constant(&self, index: usize) -> Result<Option<String>> {
        let texts = self.text(index)?;
        Ok(texts.iter().next().flatten().map(str::to_string))
    }

    /// Maps rows to text.
    pub fn texts(&self, mut value: impl FnMut(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
        let mut builder = datafusion::arrow::array::StringBuilder::new();
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Maps rows to whole numbers of the returned type.
    pub fn ints(&self, mut value: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        let mut builder = Int64Array::builder(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        let values: ArrayRef = Arc::new(builder.finish());
        cast(&values, self.returns, Mode::Explicit)
    }

    pub fn floats(&self, mut value: impl FnMut(usize) -> Result<Option<f64>>) -> Result<ArrayRef> {
        let mut builder = Float64Array::builder(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        Ok(Arc::new(builder.finish()))
    }

    pub fn bools(&self, mut value: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
        let mut builder = BooleanArray::builder(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Maps rows to what clocks show, shaped as the returned type.
    pub fn instants(&self, value: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        self.instants_in(self.zone, value)
    }

    /// Maps rows to what the clocks of a zone show.
    pub fn instants_in(&self, zone: Zone, mut value: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        let mut builder = TimestampMicrosecondArray::builder(self.rows);
        for row in 0..self.rows {
            builder.append_option(value(row)?);
        }
        let values: ArrayRef = Arc::new(builder.finish());
        cast_in(zone, &values, self.returns, Mode::Explicit)
    }
}

/// Returns the value of a text row, or null.
pub fn at(array: &StringArray, row: usize) -> Option<&str> {
    (!array.is_null(row)).then(|| array.value(row))
}

pub fn number_at<T: datafusion::arrow::datatypes::ArrowPrimitiveType>(
    array: &datafusion::arrow::array::PrimitiveArray<T>,
    row: usize,
) -> Option<T::Native> {
    (!array.is_null(row)).then(|| array.value(row))
}

/// Whether the library has a function that may be called by this name.
pub fn is_function(name: &str) -> bool {
    tables().any(|function| function.name == name)
}

/// Returns every function of the library.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    tables()
        .map(|function| {
            Arc::new(ScalarUDF::new_from_impl(Udf {
                function,
                signature: Signature::user_defined(volatility(function.name)),
            }))
        })
        .collect()
}

fn tables() -> impl Iterator<Item = &'static Function> {
    [
        cast::FUNCTIONS,
        datetime::FUNCTIONS,
        documents::FUNCTIONS,
        hash::FUNCTIONS,
        json::FUNCTIONS,
        math::FUNCTIONS,
        pattern::FUNCTIONS,
        percentile::FUNCTIONS,
        text::FUNCTIONS,
        to_char::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

fn volatility(name: &str) -> Volatility {
    match name {
        "random" | "$sleep" => Volatility::Volatile,
        _ => Volatility::Immutable,
    }
}

struct Udf {
    function: &'static Function,
    signature: Signature,
}

impl std::fmt::Debug for Udf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.name)
    }
}

impl PartialEq for Udf {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Udf {}

impl Hash for Udf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Udf {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> DfResult<DataType> {
        Err(SqlError::internal("the return type depends on the arguments").into())
    }

    fn coerce_types(&self, types: &[DataType]) -> DfResult<Vec<DataType>> {
        let (least, most) = self.function.arity;
        if types.len() < least || types.len() > most {
            let list: Vec<&str> = types
                .iter()
                .map(|data_type| SqlType::from_arrow(data_type).base_name())
                .collect();
            return Err(SqlError::new(
                "42883",
                format!("function {}({}) does not exist", self.function.name, list.join(", ")),
            )
            .with_hint(
                "No function matches the given name and argument types. You may need to add explicit type casts.",
            )
            .into());
        }
        let is_document = |data_type: &DataType| SqlType::from_arrow(data_type) == SqlType::Super;
        if types.iter().any(is_document) && !documents::takes(self.function.name) {
            return Err(documents::unsupported(documents::called(self.function.name)).into());
        }
        Ok(types.to_vec())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let types: Vec<SqlType> = args.arg_fields.iter().map(|field| SqlType::of_field(field)).collect();
        let returned = (self.function.returns)(&Shape {
            types: &types,
            literals: args.scalar_arguments,
        })?;
        Ok(Arc::new(returned.field(self.function.name, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        // A volatile function has one value per row even when its arguments have not.
        let scalar = scalar && self.signature.volatility != Volatility::Volatile;
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<DfResult<Vec<_>>>()?;
        let call = Call {
            args: &arrays,
            fields: &args.arg_fields,
            rows,
            returns: SqlType::of_field(&args.return_field),
            zone: session_zone(&args.config_options),
        };
        let result = (self.function.body)(&call)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Returns the zone of the session that a plan was made for.
pub fn session_zone(options: &ConfigOptions) -> Zone {
    let zone = options.execution.time_zone.as_deref();
    zone.and_then(|zone| zone.parse().ok()).unwrap_or(Zone::UTC)
}

/// Shorthands for the tables.
pub mod returns {
    use super::{Result, Shape, SqlType};
    use crate::types::VARCHAR_MAX;

    pub fn text(_: &Shape) -> Result<SqlType> {
        Ok(SqlType::Varchar(VARCHAR_MAX))
    }
    pub fn int4(_: &Shape) -> Result<SqlType> {
        Ok(SqlType::Int4)
    }
    pub fn int8(_: &Shape) -> Result<SqlType> {
        Ok(SqlType::Int8)
    }
    pub fn float8(_: &Shape) -> Result<SqlType> {
        Ok(SqlType::Float8)
    }
    pub fn bool(_: &Shape) -> Result<SqlType> {
        Ok(SqlType::Bool)
    }
    pub fn date(_: &Shape) -> Result<SqlType> {
        Ok(SqlType::Date)
    }
    pub fn timestamp(_: &Shape) -> Result<SqlType> {
        Ok(SqlType::Timestamp)
    }
    pub fn timestamptz(_: &Shape) -> Result<SqlType> {
        Ok(SqlType::Timestamptz)
    }
    /// The text type of the first argument.
    pub fn same_text(shape: &Shape) -> Result<SqlType> {
        Ok(shape
            .types
            .first()
            .copied()
            .filter(|sql_type| matches!(sql_type, SqlType::Varchar(_)))
            .unwrap_or(SqlType::Varchar(VARCHAR_MAX)))
    }
}

/// Returns the md5 digest in hexadecimal.
pub fn md5_hex(bytes: &[u8]) -> String {
    format!("{:x}", md5::compute(bytes))
}
