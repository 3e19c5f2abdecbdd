//! Numbers: decimal arithmetic with Redshift's precision rules, rounding, and the usual functions.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Datum, Decimal128Array, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion::arrow::error::ArrowError;

use super::{Call, Function, Shape, function, number_at, returns};
use crate::cast::{Mode, cast};
use crate::error::{Result, SqlError};
use crate::types::{SqlType, WIDEST};
use crate::value::MICROS_PER_DAY;

pub const FUNCTIONS: &[Function] = &[
    function("$plus", (2, 2), sum_type, |call| {
        decimals(call, |a, b, _| a.checked_add(b))
    }),
    function("$minus", (2, 2), sum_type, |call| {
        decimals(call, |a, b, _| a.checked_sub(b))
    }),
    function("$times", (2, 2), product_type, times),
    function("$int_plus", (2, 2), wider_type, |call| integers(call, numeric::add)),
    function("$int_minus", (2, 2), wider_type, |call| integers(call, numeric::sub)),
    function("$int_times", (2, 2), wider_type, |call| integers(call, numeric::mul)),
    function("$divide", (2, 2), quotient_type, divide),
    function("$float_divide", (2, 2), float_type, float_divide),
    function("$date_plus", (2, 2), returns::date, |call| shift_days(call, 1)),
    function("$date_minus", (2, 2), returns::date, |call| shift_days(call, -1)),
    function("$date_diff", (2, 2), returns::int8, date_difference),
    function(
        "$timestamp_diff",
        (2, 2),
        |_| Ok(SqlType::Interval),
        timestamp_difference,
    ),
    function("$add_interval", (2, 2), instant_type, |call| add_interval(call, 1)),
    function("$sub_interval", (2, 2), instant_type, |call| add_interval(call, -1)),
    function("$mul_interval", (2, 2), |_| Ok(SqlType::Interval), multiply_interval),
    function("round", (1, 2), round_type, round),
    function("trunc", (1, 2), trunc_type, trunc),
    // The same with a written number of places, as text, so that the type knows it.
    function("$round", (2, 2), round_type, round),
    function("$trunc", (2, 2), trunc_type, trunc),
    function("ceil", (1, 1), whole_type, |call| {
        whole(call, f64::ceil, |value, unit| {
            value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0)
        })
    }),
    function("ceiling", (1, 1), whole_type, |call| {
        whole(call, f64::ceil, |value, unit| {
            value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0)
        })
    }),
    function("floor", (1, 1), whole_type, |call| {
        whole(call, f64::floor, i128::div_euclid)
    }),
    function("sign", (1, 1), sign_type, |call| {
        call_cast(
            call,
            call.float(0)?
                .unary(|value: f64| if value == 0.0 { 0.0 } else { value.signum() }),
        )
    }),
    function("sqrt", (1, 1), returns::float8, |call| {
        float_function(call, |value| {
            if value < 0.0 {
                Err(domain("cannot take square root of a negative number"))
            } else {
                Ok(value.sqrt())
            }
        })
    }),
    // Moving frames leave a little less than nothing of a variance.
    function("$spread", (1, 1), returns::float8, |call| {
        float_function(call, |value| Ok(if value < 0.0 { 0.0 } else { value }))
    }),
    function("cbrt", (1, 1), returns::float8, |call| {
        float_function(call, |value| Ok(value.cbrt()))
    }),
    function("exp", (1, 1), returns::float8, |call| {
        float_function(call, |value| Ok(value.exp()))
    }),
    function("ln", (1, 1), returns::float8, |call| {
        float_function(call, |value| logarithm(value, f64::ln))
    }),
    function("dlog1", (1, 1), returns::float8, |call| {
        float_function(call, |value| logarithm(value, f64::ln))
    }),
    function("log", (1, 2), returns::float8, log),
    function("dlog10", (1, 1), returns::float8, |call| {
        float_function(call, |value| logarithm(value, f64::log10))
    }),
    function("degrees", (1, 1), returns::float8, |call| {
        float_function(call, |value| Ok(value.to_degrees()))
    }),
    function("radians", (1, 1), returns::float8, |call| {
        float_function(call, |value| Ok(value.to_radians()))
    }),
    function("pi", (0, 0), returns::float8, |call| {
        call.floats(|_| Ok(Some(std::f64::consts::PI)))
    }),
    function("power", (2, 2), returns::float8, power),
    function("pow", (2, 2), returns::float8, power),
    function("dexp", (1, 1), returns::float8, |call| {
        float_function(call, |value| Ok(value.exp()))
    }),
    function("mod", (2, 2), mod_type, modulo),
];

fn sum_type(shape: &Shape) -> Result<SqlType> {
    let ((p1, s1), (p2, s2)) = (shape.types[0].decimal_shape(), shape.types[1].decimal_shape());
    let scale = s1.max(s2);
    Ok(SqlType::Numeric(
        ((p1 - s1).max(p2 - s2) + scale + 1).min(WIDEST),
        scale,
    ))
}

fn product_type(shape: &Shape) -> Result<SqlType> {
    let ((p1, s1), (p2, s2)) = (shape.types[0].decimal_shape(), shape.types[1].decimal_shape());
    Ok(SqlType::Numeric((p1 + p2 + 1).min(WIDEST), (s1 + s2).min(WIDEST - 1)))
}

/// The documented rule: scale is at least four, precision what is left.
fn quotient_type(shape: &Shape) -> Result<SqlType> {
    let ((p1, s1), (p2, s2)) = (shape.types[0].decimal_shape(), shape.types[1].decimal_shape());
    let scale = (i16::from(s1) + i16::from(p2) - i16::from(s2) + 1).max(4);
    let precision = i16::from(p1) - i16::from(s1) + i16::from(s2) + scale;
    if precision <= i16::from(WIDEST) {
        return Ok(SqlType::Numeric(precision as u8, scale as u8));
    }
    let scale = (i16::from(WIDEST) - (precision - scale)).max(4);
    Ok(SqlType::Numeric(WIDEST, scale.min(37) as u8))
}

fn float_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.types {
        [SqlType::Float4, SqlType::Float4] => SqlType::Float4,
        _ => SqlType::Float8,
    })
}

/// The wider of two whole types; an overflow is an error, never a wrap.
fn wider_type(shape: &Shape) -> Result<SqlType> {
    Ok(match (shape.types[0], shape.types[1]) {
        (SqlType::Int8, _) | (_, SqlType::Int8) => SqlType::Int8,
        (SqlType::Int2, SqlType::Int2) => SqlType::Int2,
        _ => SqlType::Int4,
    })
}

fn integers(
    call: &Call,
    kernel: fn(&dyn Datum, &dyn Datum) -> std::result::Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef> {
    let side = |index: usize| cast(&call.args[index], call.returns, Mode::Explicit);
    kernel(&side(0)?, &side(1)?)
        .map_err(|_| SqlError::new("22003", format!("{} out of range", call.returns.base_name())))
}

fn overflow() -> SqlError {
    SqlError::new("22003", "Numeric data overflow (result precision)")
}

fn domain(message: &str) -> SqlError {
    SqlError::new("2201F", message)
}

fn scale_of(call: &Call) -> (u8, i128) {
    match call.returns {
        SqlType::Numeric(precision, scale) => (scale, 10i128.checked_pow(precision.into()).unwrap_or(i128::MAX)),
        _ => (0, i128::MAX),
    }
}

/// Applies an operation to both arguments at the result's scale.
fn decimals(call: &Call, operation: impl Fn(i128, i128, u8) -> Option<i128>) -> Result<ArrayRef> {
    let (scale, limit) = scale_of(call);
    let side = |index: usize| cast(&call.args[index], SqlType::Numeric(WIDEST, scale), Mode::Explicit);
    let (left, right) = (side(0)?, side(1)?);
    let (left, right) = (
        left.as_primitive::<Decimal128Type>(),
        right.as_primitive::<Decimal128Type>(),
    );
    let mut builder = Decimal128Array::builder(call.rows);
    for row in 0..call.rows {
        builder.append_option(match (number_at(left, row), number_at(right, row)) {
            (Some(a), Some(b)) => Some(
                operation(a, b, scale)
                    .filter(|value| value.abs() < limit)
                    .ok_or_else(overflow)?,
            ),
            _ => None,
        });
    }
    Ok(Arc::new(builder.finish().with_data_type(call.returns.arrow())))
}

/// Returns an argument's unscaled values and its scale.
fn unscaled(array: &ArrayRef) -> Result<(Decimal128Array, u8)> {
    let (array, scale) = match array.data_type() {
        DataType::Decimal128(_, scale) => (array.clone(), (*scale).max(0) as u8),
        _ => (cast(array, SqlType::Numeric(19, 0), Mode::Explicit)?, 0),
    };
    Ok((array.as_primitive::<Decimal128Type>().clone(), scale))
}

fn times(call: &Call) -> Result<ArrayRef> {
    let (scale, limit) = scale_of(call);
    let ((left, s1), (right, s2)) = (unscaled(&call.args[0])?, unscaled(&call.args[1])?);
    let surplus = 10i128.pow(u32::from(s1 + s2 - scale));
    let mut builder = Decimal128Array::builder(call.rows);
    for row in 0..call.rows {
        builder.append_option(match (number_at(&left, row), number_at(&right, row)) {
            (Some(a), Some(b)) => {
                let product = a.checked_mul(b).ok_or_else(overflow)?;
                Some(
                    Some(round_div(product, surplus))
                        .filter(|value| value.abs() < limit)
                        .ok_or_else(overflow)?,
                )
            }
            _ => None,
        });
    }
    Ok(Arc::new(builder.finish().with_data_type(call.returns.arrow())))
}

fn divide(call: &Call) -> Result<ArrayRef> {
    let (scale, limit) = scale_of(call);
    let ((left, s1), (right, s2)) = (unscaled(&call.args[0])?, unscaled(&call.args[1])?);
    let mut builder = Decimal128Array::builder(call.rows);
    for row in 0..call.rows {
        builder.append_option(match (number_at(&left, row), number_at(&right, row)) {
            (Some(_), Some(0)) => return Err(SqlError::new("22012", "division by zero")),
            (Some(a), Some(b)) => {
                let quotient =
                    long_divide(a, b, i32::from(scale) + i32::from(s2) - i32::from(s1)).ok_or_else(overflow)?;
                Some(
                    Some(quotient)
                        .filter(|value| value.abs() < limit)
                        .ok_or_else(overflow)?,
                )
            }
            _ => None,
        });
    }
    Ok(Arc::new(builder.finish().with_data_type(call.returns.arrow())))
}

/// `a * 10^shift / b`, cut towards zero, digit by digit so that the intermediate never overflows.
fn long_divide(a: i128, b: i128, shift: i32) -> Option<i128> {
    if shift < 0 {
        return Some(a / b / 10i128.checked_pow(shift.unsigned_abs())?);
    }
    let (mut quotient, mut rest) = (a / b, a % b);
    for _ in 0..shift {
        rest = rest.checked_mul(10)?;
        quotient = quotient.checked_mul(10)?.checked_add(rest / b)?;
        rest %= b;
    }
    Some(quotient)
}

fn round_div(value: i128, unit: i128) -> i128 {
    if unit == 1 {
        return value;
    }
    (value.abs() + unit / 2) / unit * value.signum()
}

fn shift_days(call: &Call, sign: i64) -> Result<ArrayRef> {
    let (dates, days) = (call.micros(0)?, call.int(1)?);
    call.instants(|row| {
        Ok(number_at(&dates, row)
            .zip(number_at(&days, row))
            .map(|(date, days)| date + sign * days * MICROS_PER_DAY))
    })
}

fn date_difference(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (call.micros(0)?, call.micros(1)?);
    call.ints(|row| {
        let days = |micros: i64| micros.div_euclid(MICROS_PER_DAY);
        Ok(number_at(&left, row)
            .zip(number_at(&right, row))
            .map(|(left, right)| days(left) - days(right)))
    })
}

fn timestamp_difference(call: &Call) -> Result<ArrayRef> {
    let (left, right) = match call.is_instant(0) || call.is_instant(1) {
        true => (call.moments(0)?, call.moments(1)?),
        false => (call.micros(0)?, call.micros(1)?),
    };
    let values: IntervalMonthDayNanoArray = (0..call.rows)
        .map(|row| {
            let micros = number_at(&left, row)? - number_at(&right, row)?;
            Some(IntervalMonthDayNano::new(
                0,
                (micros / MICROS_PER_DAY) as i32,
                micros % MICROS_PER_DAY * 1000,
            ))
        })
        .collect();
    Ok(Arc::new(values))
}

fn instant_type(shape: &Shape) -> Result<SqlType> {
    Ok(if shape.types[0] == SqlType::Timestamptz {
        SqlType::Timestamptz
    } else {
        SqlType::Timestamp
    })
}

fn add_interval(call: &Call, sign: i64) -> Result<ArrayRef> {
    let instants = call.micros(0)?;
    let intervals = call.args[1]
        .as_primitive_opt::<IntervalMonthDayNanoType>()
        .ok_or_else(|| SqlError::internal("no interval"))?;
    call.instants(|row| {
        let (Some(instant), Some(interval)) = (number_at(&instants, row), number_at(intervals, row)) else {
            return Ok(None);
        };
        let moved = if interval.months == 0 {
            instant
        } else {
            super::datetime::plus_months(instant, sign * i64::from(interval.months))?
        };
        let moved = moved + sign * i64::from(interval.days) * MICROS_PER_DAY;
        let time = sign * interval.nanoseconds / 1000;
        // Months and days go by the calendar, hours by what passes.
        Ok(Some(match call.is_instant(0) {
            true => call.zone.to_local(call.zone.to_utc(moved) + time),
            false => moved + time,
        }))
    })
}

fn multiply_interval(call: &Call) -> Result<ArrayRef> {
    let intervals = call.args[0]
        .as_primitive_opt::<IntervalMonthDayNanoType>()
        .ok_or_else(|| SqlError::internal("no interval"))?;
    let factors = call.float(1)?;
    let values: IntervalMonthDayNanoArray = (0..call.rows)
        .map(|row| {
            let (interval, factor) = number_at(intervals, row).zip(number_at(&factors, row))?;
            let days = f64::from(interval.days) * factor;
            let micros = (interval.nanoseconds / 1000) as f64 * factor + days.fract() * MICROS_PER_DAY as f64;
            // A nanosecond count holds 292 years; whole days carry the rest.
            let whole_days = (micros / MICROS_PER_DAY as f64).trunc();
            let rest = micros - whole_days * MICROS_PER_DAY as f64;
            let months = (f64::from(interval.months) * factor).round() as i32;
            Some(IntervalMonthDayNano::new(
                months,
                days.trunc() as i32 + whole_days as i32,
                (rest * 1000.0).round() as i64,
            ))
        })
        .collect();
    Ok(Arc::new(values))
}

fn round_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.types[0] {
        SqlType::Numeric(precision, scale) => {
            let places = match shape.types.len() {
                1 => Some(0),
                _ => shape.literal(1).and_then(|places| places.parse().ok()),
            };
            match places {
                // What is rounded away is not shown. One digit more, for 9.99 may become 10.
                Some(places) if places < i64::from(scale) => {
                    let kept = places.max(0) as u8;
                    SqlType::Numeric((precision - (scale - kept) + 1).clamp(kept + 1, WIDEST), kept)
                }
                _ => shape.types[0],
            }
        }
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Float8 => shape.types[0],
        _ => SqlType::Float8,
    })
}

fn trunc_type(shape: &Shape) -> Result<SqlType> {
    match shape.types[0] {
        SqlType::Timestamp | SqlType::Timestamptz | SqlType::Date => Ok(SqlType::Date),
        _ => round_type(shape),
    }
}

fn round(call: &Call) -> Result<ArrayRef> {
    digits(call, round_div, |value| {
        value.abs().mul_add(1.0, 0.5).floor() * value.signum()
    })
}

fn trunc(call: &Call) -> Result<ArrayRef> {
    if call.returns == SqlType::Date {
        return call.cast(0, Mode::Explicit);
    }
    digits(call, |value, unit| value / unit, f64::trunc)
}

/// Keeps a number of decimal places; half goes away from zero.
fn digits(call: &Call, exact: impl Fn(i128, i128) -> i128, inexact: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    let places = if call.len() == 2 { Some(call.int(1)?) } else { None };
    let places = |row: usize| match &places {
        Some(places) => number_at(places, row),
        None => Some(0),
    };
    match call.args[0].data_type() {
        DataType::Float32 | DataType::Float64 | DataType::Utf8 | DataType::Utf8View | DataType::Null => {
            let values = call.float(0)?;
            call.floats(|row| {
                let (Some(value), Some(places)) = (number_at(&values, row), places(row)) else {
                    return Ok(None);
                };
                let unit = 10f64.powi(places as i32);
                Ok(Some(inexact(value * unit) / unit))
            })
        }
        _ => {
            let (values, scale) = unscaled(&call.args[0])?;
            let mut builder = Decimal128Array::builder(call.rows);
            for row in 0..call.rows {
                builder.append_option(number_at(&values, row).zip(places(row)).map(|(value, places)| {
                    let dropped = (i64::from(scale) - places).clamp(0, 37) as u32;
                    let unit = 10i128.pow(dropped);
                    exact(value, unit) * unit
                }));
            }
            let values: ArrayRef = Arc::new(builder.finish().with_precision_and_scale(WIDEST, scale as i8)?);
            cast(&values, call.returns, Mode::Explicit)
        }
    }
}

/// CEIL and FLOOR of a numeric are a numeric without decimals.
fn whole_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.types[0] {
        SqlType::Numeric(precision, _) => SqlType::Numeric(precision, 0),
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => shape.types[0],
        _ => SqlType::Float8,
    })
}

fn whole(call: &Call, inexact: fn(f64) -> f64, exact: fn(i128, i128) -> i128) -> Result<ArrayRef> {
    match call.args[0].data_type() {
        DataType::Decimal128(_, scale) => {
            let unit = 10i128.pow((*scale).max(0) as u32);
            let values: Decimal128Array = call.args[0]
                .as_primitive::<Decimal128Type>()
                .unary(|value| exact(value, unit));
            Ok(Arc::new(values.with_data_type(call.returns.arrow())))
        }
        DataType::Int16 | DataType::Int32 | DataType::Int64 => Ok(call.args[0].clone()),
        _ => call_cast(call, call.float(0)?.unary(inexact)),
    }
}

fn call_cast(call: &Call, values: datafusion::arrow::array::Float64Array) -> Result<ArrayRef> {
    cast(&(Arc::new(values) as ArrayRef), call.returns, Mode::Explicit)
}

fn sign_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.types[0] {
        SqlType::Numeric(..) => SqlType::Numeric(1, 0),
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => SqlType::Int8,
        _ => SqlType::Float8,
    })
}

fn float_function(call: &Call, function: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let values = call.float(0)?;
    call.floats(|row| number_at(&values, row).map(&function).transpose())
}

fn logarithm(value: f64, function: fn(f64) -> f64) -> Result<f64> {
    if value <= 0.0 {
        return Err(SqlError::new(
            "2201E",
            if value == 0.0 {
                "cannot take logarithm of zero"
            } else {
                "cannot take logarithm of a negative number"
            },
        ));
    }
    Ok(function(value))
}

/// To the base ten, or to that of the first of two arguments.
fn log(call: &Call) -> Result<ArrayRef> {
    if call.len() == 1 {
        return float_function(call, |value| logarithm(value, f64::log10));
    }
    let (bases, values) = (call.float(0)?, call.float(1)?);
    call.floats(|row| {
        let (Some(base), Some(value)) = (number_at(&bases, row), number_at(&values, row)) else {
            return Ok(None);
        };
        let divisor = logarithm(base, f64::ln)?;
        if divisor == 0.0 {
            return Err(SqlError::new("22012", "division by zero"));
        }
        Ok(Some(logarithm(value, f64::ln)? / divisor))
    })
}

fn float_divide(call: &Call) -> Result<ArrayRef> {
    let (dividends, divisors) = (call.float(0)?, call.float(1)?);
    if (0..call.rows).any(|row| number_at(&divisors, row) == Some(0.0) && dividends.is_valid(row)) {
        return Err(SqlError::new("22012", "division by zero"));
    }
    cast(&numeric::div(&dividends, &divisors)?, call.returns, Mode::Explicit)
}

fn power(call: &Call) -> Result<ArrayRef> {
    let (bases, exponents) = (call.float(0)?, call.float(1)?);
    call.floats(|row| {
        let (Some(base), Some(exponent)) = (number_at(&bases, row), number_at(&exponents, row)) else {
            return Ok(None);
        };
        if base == 0.0 && exponent < 0.0 || base < 0.0 && exponent.fract() != 0.0 {
            return Err(SqlError::new("2201F", "invalid argument for power function"));
        }
        Ok(Some(base.powf(exponent)))
    })
}

fn mod_type(shape: &Shape) -> Result<SqlType> {
    Ok(match (shape.types[0], shape.types[1]) {
        (SqlType::Numeric(p1, s1), SqlType::Numeric(p2, s2)) => SqlType::Numeric(p1.max(p2), s1.max(s2)),
        (SqlType::Numeric(precision, scale), _) | (_, SqlType::Numeric(precision, scale)) => {
            SqlType::Numeric(precision.max(19), scale)
        }
        (SqlType::Int8, _) | (_, SqlType::Int8) => SqlType::Int8,
        (SqlType::Int2, SqlType::Int2) => SqlType::Int2,
        _ => SqlType::Int4,
    })
}

fn modulo(call: &Call) -> Result<ArrayRef> {
    let zero = || SqlError::new("22012", "division by zero");
    if matches!(call.returns, SqlType::Numeric(..)) {
        if unscaled(&call.args[1])?.0.iter().flatten().any(|value| value == 0) {
            return Err(zero());
        }
        return decimals(call, |a, b, _| a.checked_rem(b));
    }
    let (left, right) = (call.int(0)?, call.int(1)?);
    call.ints(|row| match (number_at(&left, row), number_at(&right, row)) {
        (Some(_), Some(0)) => Err(zero()),
        (Some(a), Some(b)) => Ok(Some(a.wrapping_rem(b))),
        _ => Ok(None),
    })
}
