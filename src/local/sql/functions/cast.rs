//! Casts, intervals, and the result types of aggregates: functions that the rewriter writes and no user can name.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, IntervalMonthDayNanoArray, StringArray,
};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNano};
use datafusion::common::ScalarValue;

use super::{Call, Function, Shape, at, function, number_at, returns};
use crate::cast::{Mode, cast};
use crate::error::{Result, SqlError};
use crate::types::SqlType;

pub const FUNCTIONS: &[Function] = &[
    function("$cast", (2, 2), target, |call| call.cast(0, Mode::Explicit)),
    function("$try_cast", (2, 2), target, |call| call.cast(0, Mode::Try)),
    function("$assign", (2, 2), assigned, |call| call.cast(0, Mode::Assign)),
    function("$interval", (1, 1), |_| Ok(SqlType::Interval), interval),
    function("$sum", (1, 1), sum_type, |call| {
        cast(&call.args[0], call.returns, Mode::Explicit)
    }),
    function("$avg", (2, 2), sum_type, avg),
    function("$list_join", (3, 3), returns::text, list_join),
];

fn target(shape: &Shape) -> Result<SqlType> {
    let name = shape
        .literal(1)
        .ok_or_else(|| SqlError::internal("a cast has no type"))?;
    let target = SqlType::parse(&name)?;
    if !shape.types[0].castable_to(target) && !shape.literals[0].is_some_and(ScalarValue::is_null) {
        return Err(SqlError::new(
            "42846",
            format!("cannot cast type boolean to {}", target.base_name()),
        ));
    }
    Ok(target)
}

fn assigned(shape: &Shape) -> Result<SqlType> {
    let target = target(shape)?;
    match shape.types[0].assignable_to(target) {
        true => Ok(target),
        false => Err(SqlError::new(
            "42804",
            format!(
                "a column is of type {} but expression is of type {}",
                target.base_name(),
                shape.types[0].base_name()
            ),
        )),
    }
}

/// SUM and AVG of a numeric are numeric(38, same scale).
fn sum_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.types[0] {
        SqlType::Numeric(_, scale) => SqlType::Numeric(38, scale),
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => SqlType::Int8,
        SqlType::Interval => SqlType::Interval,
        _ => SqlType::Float8,
    })
}

/// AVG from the sum and the count of the same rows: whole numbers stay whole, as in Redshift.
fn avg(call: &Call) -> Result<ArrayRef> {
    let counts = call.int(1)?;
    let count = |row| number_at(&counts, row).filter(|count| *count != 0);
    match call.args[0].data_type() {
        DataType::Decimal128(..) => {
            let sums = cast(&call.args[0], call.returns, Mode::Explicit)?;
            let sums = sums.as_primitive::<Decimal128Type>();
            let averages: Decimal128Array = (0..call.rows)
                .map(|row| Some(number_at(sums, row)? / i128::from(count(row)?)))
                .collect();
            Ok(Arc::new(averages.with_data_type(call.returns.arrow())))
        }
        DataType::Int64 => {
            let sums = call.args[0].as_primitive::<Int64Type>();
            let averages: Int64Array = (0..call.rows)
                .map(|row| Some(number_at(sums, row)? / count(row)?))
                .collect();
            Ok(Arc::new(averages))
        }
        _ => {
            let sums = cast(&call.args[0], SqlType::Float8, Mode::Explicit)?;
            let sums = sums.as_primitive::<Float64Type>();
            call.floats(|row| {
                Ok(number_at(sums, row)
                    .zip(count(row))
                    .map(|(sum, count)| sum / count as f64))
            })
        }
    }
}

fn list_join(call: &Call) -> Result<ArrayRef> {
    let delimiters = call.text(1)?;
    let distinct = call.bool(2)?;
    let lists = call.args[0]
        .as_list_opt::<i32>()
        .ok_or_else(|| SqlError::internal("LISTAGG collected no list"))?;
    call.texts(|row| {
        if lists.is_null(row) {
            return Ok(None);
        }
        let items = crate::cast::text_array(&lists.value(row))?;
        let mut kept: Vec<&str> = items.iter().flatten().collect();
        if distinct.value(row) {
            let mut seen = std::collections::HashSet::new();
            kept.retain(|item| seen.insert(*item));
        }
        if kept.is_empty() {
            return Ok(None);
        }
        let joined = kept.join(at(&delimiters, row).unwrap_or_default());
        if joined.len() > 65535 {
            return Err(SqlError::new("22001", "Result size exceeds LISTAGG limit")
                .with_detail(format!("LISTAGG limit: 65535, {}", joined.len())));
        }
        Ok(Some(joined))
    })
}

fn interval(call: &Call) -> Result<ArrayRef> {
    let texts: StringArray = call.text(0)?;
    let mut values = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        values.push(match at(&texts, row) {
            Some(text) => Some(parse_interval(text).ok_or_else(|| {
                SqlError::new("22007", format!("invalid input syntax for type interval: \"{text}\""))
            })?),
            None => None,
        });
    }
    Ok(Arc::new(IntervalMonthDayNanoArray::from(values)))
}

/// Reads `1 day 2 hours`, `3`, `-1 mon`, `01:30:00`.
pub fn parse_interval(text: &str) -> Option<IntervalMonthDayNano> {
    let (mut months, mut days, mut nanos) = (0f64, 0f64, 0f64);
    let lower = text.trim().to_lowercase().replace(',', " ");
    let mut words = lower.split_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (sign, clock) = word.strip_prefix('-').map_or((1.0, word), |rest| (-1.0, rest));
            nanos += sign * crate::value::parse_time(clock)? as f64 * 1000.0;
            continue;
        }
        let split = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
        let amount: f64 = word[..split].parse().ok()?;
        let unit = if split < word.len() {
            &word[split..]
        } else {
            words.next().unwrap_or("second")
        };
        match unit.trim_end_matches('s') {
            "microsecond" | "microsec" | "u" | "usec" => nanos += amount * 1e3,
            "millisecond" | "millisec" | "m" | "msec" if unit != "m" => nanos += amount * 1e6,
            "" | "second" | "sec" => nanos += amount * 1e9,
            "minute" | "min" | "m" => nanos += amount * 60e9,
            "hour" | "hr" | "h" => nanos += amount * 3600e9,
            "day" | "d" => {
                days += amount.trunc();
                nanos += amount.fract() * 86_400e9;
            }
            "week" | "w" => days += amount * 7.0,
            "month" | "mon" => months += amount,
            "quarter" | "qtr" => months += amount * 3.0,
            "year" | "yr" | "y" => months += amount * 12.0,
            "decade" => months += amount * 120.0,
            "century" | "centurie" => months += amount * 1200.0,
            _ => return None,
        }
    }
    Some(IntervalMonthDayNano::new(
        months.round() as i32,
        days.round() as i32,
        nanos.round() as i64,
    ))
}
