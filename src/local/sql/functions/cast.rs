//! Casts, intervals, and the result types of aggregates: functions that the rewriter writes and no user can name.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, IntervalMonthDayNanoArray, ListArray,
    StringArray,
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
    function("$assign", (2, 2), target, |call| call.cast(0, Mode::Assign)),
    function("$interval", (1, 1), |_| Ok(SqlType::Interval), interval),
    function("$sum", (1, 1), sum_type, |call| {
        cast(&call.args[0], call.returns, Mode::Explicit)
    }),
    function("$avg", (2, 2), sum_type, avg),
    function("$list_join", (3, 3), returns::text, list_join),
    function("$percentile_cont", (2, 2), |_| Ok(SqlType::Float8), percentile_cont),
    function("$percentile_disc", (3, 3), |shape| Ok(shape.types[2]), percentile_disc),
];

fn target(shape: &Shape) -> Result<SqlType> {
    let name = shape
        .literal(1)
        .ok_or_else(|| SqlError::internal("a cast has no type"))?;
    let target = SqlType::parse(&name)?;
    // Redshift has no text for what is true; CASE and DECODE give it one.
    if shape.types[0] == SqlType::Bool && target.is_text() && !shape.literals[0].is_some_and(ScalarValue::is_null) {
        return Err(SqlError::new(
            "42846",
            format!("cannot cast type boolean to {}", target.base_name()),
        ));
    }
    Ok(target)
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

fn lists_of<'a>(call: &Call<'a>) -> Result<&'a ListArray> {
    call.args[0]
        .as_list_opt::<i32>()
        .ok_or_else(|| SqlError::internal("a percentile collected no list"))
}

fn fraction_at(fractions: &Float64Array, row: usize) -> Result<f64> {
    number_at(fractions, row)
        .filter(|fraction| (0.0..=1.0).contains(fraction))
        .ok_or_else(|| SqlError::new("22003", "percentile value must be between 0 and 1"))
}

/// Decimals of a percentile that count.
const PLACES: i128 = 1_000_000_000_000;

/// Interpolates between the two values of a sorted list that are next to the percentile. Nulls do not count.
fn percentile_cont(call: &Call) -> Result<ArrayRef> {
    let (lists, fractions) = (lists_of(call)?, call.float(1)?);
    call.floats(|row| {
        if lists.is_null(row) {
            return Ok(None);
        }
        let items = lists.value(row);
        let values: Vec<f64> = items.as_primitive::<Float64Type>().iter().flatten().collect();
        let Some(last) = values.len().checked_sub(1) else {
            return Ok(None);
        };
        // In whole numbers, because nine tenths of three are not quite 2.7 in floating point.
        let place = (fraction_at(&fractions, row)? * PLACES as f64).round() as i128 * last as i128;
        let (below, between) = ((place / PLACES) as usize, (place % PLACES) as f64 / PLACES as f64);
        let above = values[(below + 1).min(last)];
        Ok(Some(values[below] + (above - values[below]) * between))
    })
}

/// Takes the first value of a sorted list whose share of the values is at least the percentile.
fn percentile_disc(call: &Call) -> Result<ArrayRef> {
    let (lists, fractions) = (lists_of(call)?, call.float(1)?);
    let mut picked = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if lists.is_null(row) {
            picked.push(None);
            continue;
        }
        let items = lists.value(row);
        let valid: Vec<usize> = (0..items.len()).filter(|item| items.is_valid(*item)).collect();
        let place = (fraction_at(&fractions, row)? * valid.len() as f64).ceil().max(1.0) as usize;
        let start = i64::from(lists.value_offsets()[row]);
        picked.push(valid.get(place - 1).map(|item| start + *item as i64));
    }
    let taken = datafusion::arrow::compute::take(lists.values(), &Int64Array::from(picked), None)?;
    cast(&taken, call.returns, Mode::Explicit)
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
