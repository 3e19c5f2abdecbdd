//! MEDIAN and the percentiles, from the sorted values that were collected into a list.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, ListArray};
use datafusion::arrow::compute::{cast as arrow_cast, take};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use super::{Call, Function, Shape, function, number_at};
use crate::cast::{Mode, cast, overflow};
use crate::error::{Result, SqlError};
use crate::types::{SqlType, WIDEST};

/// A sorted list, the fraction, and a value that is only there for its type.
pub const FUNCTIONS: &[Function] = &[
    function("$percentile_cont", (3, 3), continuous_type, continuous),
    function("$percentile_disc", (3, 3), |shape| Ok(shape.types[2]), discrete),
];

/// Decimals of a fraction that is not written as a decimal.
const FLOATING_PLACES: u8 = 6;

/// What a floating fraction is counted in, because nine tenths of three are not quite 2.7 in floating point.
const UNIT: i128 = 1_000_000_000_000;

/// Decimals of the fraction, which an exact result has besides those of the values.
fn places(fraction: SqlType) -> u8 {
    match fraction {
        SqlType::Float4 | SqlType::Float8 => FLOATING_PLACES,
        other => other.decimal_shape().1,
    }
}

/// Exact numbers give a decimal, whose last decimals go where it has no room for them. Points in time stay what they are.
fn continuous_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.types[2] {
        exact @ (SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Numeric(..)) => {
            let ((precision, scale), places) = (exact.decimal_shape(), places(shape.types[1]));
            let whole = precision - scale;
            SqlType::Numeric(WIDEST, (scale + places).min(WIDEST - whole).min(WIDEST - 1))
        }
        kept @ (SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz) => kept,
        SqlType::Float4 | SqlType::Float8 => SqlType::Float8,
        text if text.is_text() => SqlType::Float8,
        other => {
            return Err(SqlError::new(
                "42883",
                format!("function percentile_cont({}) does not exist", other.base_name()),
            ));
        }
    })
}

fn lists_of<'a>(call: &Call<'a>) -> Result<&'a ListArray> {
    call.args[0]
        .as_list_opt::<i32>()
        .ok_or_else(|| SqlError::internal("a percentile collected no list"))
}

/// Where the list of a row begins and ends.
fn bounds(lists: &ListArray, row: usize) -> (usize, usize) {
    let offsets = lists.value_offsets();
    match lists.is_null(row) {
        true => (0, 0),
        false => (offsets[row] as usize, offsets[row + 1] as usize),
    }
}

fn checked<T: PartialOrd>(fraction: Option<T>, zero: T, one: T) -> Result<T> {
    fraction
        .filter(|fraction| (zero..=one).contains(fraction))
        .ok_or_else(|| SqlError::new("22003", "percentile value must be between 0 and 1"))
}

fn share_of(fraction: Option<f64>, count: usize) -> Result<i128> {
    Ok((checked(fraction, 0.0, 1.0)? * UNIT as f64).round() as i128 * count as i128)
}

/// Interpolates between the two values of a sorted list that are next to the percentile. Nulls do not count.
fn continuous(call: &Call) -> Result<ArrayRef> {
    match call.returns {
        SqlType::Float8 => floating(call),
        _ => exact(call),
    }
}

fn floating(call: &Call) -> Result<ArrayRef> {
    let (lists, fractions) = (lists_of(call)?, call.float(1)?);
    let items = cast(lists.values(), SqlType::Float8, Mode::Explicit)?;
    let items = items.as_primitive::<Float64Type>();
    call.floats(|row| {
        let (start, end) = bounds(lists, row);
        let values: Vec<f64> = items.slice(start, end - start).iter().flatten().collect();
        let Some(last) = values.len().checked_sub(1) else {
            return Ok(None);
        };
        let place = share_of(number_at(&fractions, row), last)?;
        let (below, between) = ((place / UNIT) as usize, (place % UNIT) as f64 / UNIT as f64);
        let above = values[(below + 1).min(last)];
        Ok(Some(values[below] + (above - values[below]) * between))
    })
}

fn exact(call: &Call) -> Result<ArrayRef> {
    let lists = lists_of(call)?;
    let places = places(SqlType::from_arrow(call.args[1].data_type()));
    let fractions = cast(&call.args[1], SqlType::Numeric(WIDEST, places), Mode::Explicit)?;
    let fractions = fractions.as_primitive::<Decimal128Type>();
    let items = units_of(lists.values())?;
    // How many decimals of the fraction the result has.
    let kept = scale_of(&call.returns.arrow()) - scale_of(lists.values().data_type());
    let (unit, more) = (10i128.pow(places.into()), 10i128.pow(kept.into()));
    let mut results = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (start, end) = bounds(lists, row);
        let values: Vec<i128> = items[start..end].iter().flatten().copied().collect();
        let Some(last) = values.len().checked_sub(1) else {
            results.push(None);
            continue;
        };
        let place = checked(number_at(fractions, row), 0, unit)? * last as i128;
        let (below, between) = ((place / unit) as usize, place % unit);
        let (low, high) = (values[below], values[(below + 1).min(last)]);
        let above = high.checked_sub(low).and_then(|step| step.checked_mul(between));
        let value = low.checked_mul(more).zip(above.map(|above| above / (unit / more)));
        let value = value.and_then(|(low, above)| low.checked_add(above));
        results.push(Some(value.ok_or_else(|| overflow(WIDEST))?));
    }
    from_units(results, call.returns)
}

fn scale_of(data_type: &DataType) -> u8 {
    match SqlType::from_arrow(data_type) {
        SqlType::Numeric(_, scale) => scale,
        _ => 0,
    }
}

/// The values without their decimal point, dates in days, timestamps in microseconds.
fn units_of(values: &ArrayRef) -> Result<Vec<Option<i128>>> {
    if let Some(decimals) = values.as_primitive_opt::<Decimal128Type>() {
        return Ok(decimals.iter().collect());
    }
    let whole = arrow_cast(values, &DataType::Int64)?;
    let whole = whole.as_primitive::<Int64Type>();
    Ok(whole.iter().map(|value| value.map(i128::from)).collect())
}

fn from_units(units: Vec<Option<i128>>, returns: SqlType) -> Result<ArrayRef> {
    if let SqlType::Numeric(precision, _) = returns {
        let values = Decimal128Array::from(units).with_data_type(returns.arrow());
        let fits = values.validate_decimal_precision(precision);
        return fits
            .map(|()| Arc::new(values) as ArrayRef)
            .map_err(|_| overflow(precision));
    }
    let whole = units.into_iter().map(|value| value.map(|value| value as i64));
    let whole: ArrayRef = Arc::new(whole.collect::<Int64Array>());
    // Days are narrower than microseconds.
    let whole = match returns {
        SqlType::Date => arrow_cast(&whole, &DataType::Int32)?,
        _ => whole,
    };
    Ok(arrow_cast(&whole, &returns.arrow())?)
}

/// Takes the first value of a sorted list whose share of the values is at least the percentile.
fn discrete(call: &Call) -> Result<ArrayRef> {
    let (lists, fractions) = (lists_of(call)?, call.float(1)?);
    let items = lists.values();
    let mut picked = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (start, end) = bounds(lists, row);
        let valid: Vec<usize> = (start..end).filter(|item| items.is_valid(*item)).collect();
        let share = share_of(number_at(&fractions, row), valid.len())?;
        let place = ((share + UNIT - 1) / UNIT).max(1) as usize;
        picked.push(valid.get(place - 1).map(|item| *item as i64));
    }
    let taken = take(items, &Int64Array::from(picked), None)?;
    cast(&taken, call.returns, Mode::Explicit)
}
