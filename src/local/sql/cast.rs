//! Casts as Redshift does them: rounding half away from zero, varchar cut to bytes, its own words for bad input.

pub mod documents;

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, PrimitiveArray, StringArray,
    StringBuilder, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};

use crate::error::{Result, SqlError};
use crate::types::SqlType;
use crate::value::{self, MICROS_PER_DAY};
use crate::zone::Zone;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `cast(x as t)`: text is cut to the type's length.
    Explicit,
    /// Storing into a column: text that does not fit is an error.
    Assign,
    /// `try_cast` and external tables: what does not fit is null.
    Try,
}

/// Returns the column converted to a type.
pub fn cast(array: &ArrayRef, to: SqlType, mode: Mode) -> Result<ArrayRef> {
    cast_in(Zone::UTC, array, to, mode)
}

/// The same where clocks show a zone's time: what has no zone is read there, and instants are shown there.
pub fn cast_in(zone: Zone, array: &ArrayRef, to: SqlType, mode: Mode) -> Result<ArrayRef> {
    let from = array.data_type().clone();
    if from == DataType::Null {
        return Ok(new_null_array(&to.arrow(), array.len()));
    }
    if let Some(of) = array.as_binary_opt::<i32>().filter(|_| to != SqlType::Super) {
        return documents::from_documents(zone, of, to, mode);
    }
    if to.is_text() {
        return to_text(&shown_in(zone, array), to, mode);
    }
    if from == to.arrow() {
        return Ok(array.clone());
    }
    if to == SqlType::Super {
        return documents::to_documents(array);
    }
    match (&from, to) {
        (DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8, _) => {
            from_text(zone, &text_array(array)?, to, mode)
        }
        (DataType::Timestamp(_, Some(_)), SqlType::Timestamp | SqlType::Date | SqlType::Time) if zone != Zone::UTC => {
            let local = moved(&cast(array, SqlType::Timestamptz, mode)?, |utc| zone.to_local(utc));
            cast(&(Arc::new(local) as ArrayRef), to, mode)
        }
        (DataType::Timestamp(_, None) | DataType::Date32, SqlType::Timestamptz) if zone != Zone::UTC => {
            let utc = moved(&cast(array, SqlType::Timestamp, mode)?, |local| zone.to_utc(local));
            Ok(Arc::new(utc.with_data_type(to.arrow())))
        }
        (_, SqlType::Bool) => arrow_cast(array, &DataType::Boolean, mode),
        (DataType::Decimal128(_, scale), SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Oid) => {
            let whole = round_decimal(array.as_primitive::<Decimal128Type>(), *scale)?;
            arrow_cast(&(Arc::new(whole) as ArrayRef), &to.arrow(), mode)
        }
        (DataType::Float32 | DataType::Float64, SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Oid) => {
            let floats = arrow_cast(array, &DataType::Float64, mode)?;
            let rounded: Float64Array = floats.as_primitive::<Float64Type>().unary(f64::round_ties_even);
            arrow_cast(&(Arc::new(rounded) as ArrayRef), &to.arrow(), mode)
        }
        (DataType::Timestamp(..), SqlType::Date) => {
            let micros = arrow_cast(array, &SqlType::Timestamp.arrow(), mode)?;
            let days = micros
                .as_primitive::<TimestampMicrosecondType>()
                .unary::<_, Date32Type>(|value| value.div_euclid(MICROS_PER_DAY) as i32);
            Ok(Arc::new(days))
        }
        (DataType::Timestamp(..), SqlType::Time) => {
            let micros = arrow_cast(array, &SqlType::Timestamp.arrow(), mode)?;
            let time = micros
                .as_primitive::<TimestampMicrosecondType>()
                .unary::<_, Time64MicrosecondType>(|value| value.rem_euclid(MICROS_PER_DAY));
            Ok(Arc::new(time))
        }
        (DataType::Timestamp(..), SqlType::Timestamp | SqlType::Timestamptz) => {
            let micros = arrow_cast(array, &DataType::Int64, mode)?;
            let scale = match &from {
                DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Second, _) => (1_000_000, 1),
                DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Millisecond, _) => (1000, 1),
                DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Nanosecond, _) => (1, 1000),
                _ => (1, 1),
            };
            let micros = micros
                .as_primitive::<Int64Type>()
                .unary::<_, TimestampMicrosecondType>(|value| (value * scale.0).div_euclid(scale.1));
            Ok(Arc::new(micros.with_data_type(to.arrow())))
        }
        (DataType::Date32, SqlType::Timestamp | SqlType::Timestamptz) => {
            let micros = array
                .as_primitive::<Date32Type>()
                .unary::<_, TimestampMicrosecondType>(|days| i64::from(days) * MICROS_PER_DAY);
            Ok(Arc::new(micros.with_data_type(to.arrow())))
        }
        (DataType::Boolean, SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz | SqlType::Time)
        | (DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_), _)
            if !matches!(to, SqlType::Interval) =>
        {
            Err(SqlError::new(
                "42846",
                format!(
                    "cannot cast type {} to {}",
                    SqlType::from_arrow(&from).base_name(),
                    to.base_name()
                ),
            ))
        }
        (_, SqlType::Numeric(precision, _)) => {
            arrow_cast(array, &to.arrow(), mode).map_err(|error| match error.sqlstate.as_str() {
                "22003" | "22P02" | "XX000" => overflow(precision),
                _ => error,
            })
        }
        _ => arrow_cast(array, &to.arrow(), mode),
    }
}

fn moved(instants: &ArrayRef, to: impl Fn(i64) -> i64) -> TimestampMicrosecondArray {
    instants
        .as_primitive::<TimestampMicrosecondType>()
        .unary::<_, TimestampMicrosecondType>(to)
}

/// Returns instants such that their text is that of a zone's clocks; everything else as it is.
pub fn shown_in(zone: Zone, array: &ArrayRef) -> ArrayRef {
    match array.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(instants) if instants.timezone().is_some() && zone != Zone::UTC => {
            Arc::new(instants.clone().with_timezone(zone.to_string()))
        }
        _ => array.clone(),
    }
}

pub fn overflow(precision: u8) -> SqlError {
    SqlError::new("22003", "Numeric data overflow (result precision)").with_detail(format!("precision {precision}"))
}

fn arrow_cast(array: &ArrayRef, to: &DataType, mode: Mode) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: mode == Mode::Try,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options).map_err(|error| {
        let from = SqlType::from_arrow(array.data_type());
        let target = SqlType::from_arrow(to);
        let message = error.to_string();
        if message.contains("not supported") {
            SqlError::new(
                "42846",
                format!("cannot cast type {} to {}", from.base_name(), target.base_name()),
            )
        } else {
            SqlError::new("22003", format!("Value out of range for {}", target.base_name()))
        }
    })
}

fn round_decimal(values: &Decimal128Array, scale: i8) -> Result<Int64Array> {
    let unit = 10i128.pow(scale.max(0) as u32);
    values.try_unary(|value| {
        let rounded = (value.abs() + unit / 2) / unit * value.signum();
        i64::try_from(rounded).map_err(|_| SqlError::new("22003", "Value out of range for bigint"))
    })
}

/// Returns any text column as `StringArray`.
pub fn text_array(array: &ArrayRef) -> Result<StringArray> {
    if let Some(strings) = array.as_string_opt::<i32>() {
        return Ok(strings.clone());
    }
    if matches!(
        array.data_type(),
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null
    ) {
        let cast = datafusion::arrow::compute::cast(array, &DataType::Utf8)?;
        return Ok(cast.as_string::<i32>().clone());
    }
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 8);
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
        } else if let Some(flags) = array.as_boolean_opt() {
            builder.append_value(if flags.value(row) { "true" } else { "false" });
        } else {
            text.clear();
            value::write_text(array, row, &mut text);
            builder.append_value(&text);
        }
    }
    Ok(builder.finish())
}

fn to_text(array: &ArrayRef, to: SqlType, mode: Mode) -> Result<ArrayRef> {
    let strings = text_array(array)?;
    let Some(limit) = to.character_length() else {
        return Ok(Arc::new(strings));
    };
    let limit = limit as usize;
    let is_char = matches!(to, SqlType::Char(_));
    let fits = |text: &str| text.len() <= limit && !(is_char && text.ends_with(' '));
    if strings.iter().flatten().all(fits) {
        return Ok(Arc::new(strings));
    }
    let mut builder = StringBuilder::with_capacity(strings.len(), strings.value_data().len());
    for text in &strings {
        let Some(text) = text else {
            builder.append_null();
            continue;
        };
        let cut = cut(text, limit);
        // Blanks beyond the length are dropped, anything else is an error when a column is written.
        if mode == Mode::Assign && !text[cut.len()..].trim_end_matches(' ').is_empty() {
            return Err(SqlError::new("22001", format!("value too long for type {to}")));
        }
        builder.append_value(if is_char { cut.trim_end_matches(' ') } else { cut });
    }
    Ok(Arc::new(builder.finish()))
}

/// Returns at most `limit` bytes, never splitting a character.
pub fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn from_text(zone: Zone, strings: &StringArray, to: SqlType, mode: Mode) -> Result<ArrayRef> {
    Ok(match to {
        SqlType::Bool => {
            let mut values = Vec::with_capacity(strings.len());
            for text in strings {
                values.push(match text {
                    None => None,
                    Some(text) => match parse_bool(text) {
                        None if mode != Mode::Try => return Err(bad_input(to, text)),
                        parsed => parsed,
                    },
                });
            }
            Arc::new(BooleanArray::from(values))
        }
        SqlType::Int2 => integers::<datafusion::arrow::datatypes::Int16Type>(strings, to, mode)?,
        SqlType::Int4 | SqlType::Oid => integers::<datafusion::arrow::datatypes::Int32Type>(strings, to, mode)?,
        SqlType::Int8 => integers::<Int64Type>(strings, to, mode)?,
        SqlType::Float4 => {
            parse_each::<datafusion::arrow::datatypes::Float32Type>(strings, to, mode, |text| text.trim().parse().ok())?
        }
        SqlType::Float8 => parse_each::<Float64Type>(strings, to, mode, |text| text.trim().parse().ok())?,
        SqlType::Numeric(precision, scale) => {
            let limit = 10i128.pow(precision.into());
            let mut values = Vec::with_capacity(strings.len());
            for text in strings {
                values.push(match text {
                    None => None,
                    Some(text) => match value::parse_decimal(text, scale) {
                        Some(value) if value.abs() < limit => Some(value),
                        _ if mode == Mode::Try => None,
                        Some(_) => return Err(overflow(precision)),
                        None => return Err(bad_input(to, text)),
                    },
                });
            }
            Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale as i8)?)
        }
        SqlType::Date => parse_each::<Date32Type>(strings, to, mode, |text| value::parse_date(text, zone))?,
        // A zone that is written behind a plain timestamp says nothing about it.
        SqlType::Timestamp => parse_each::<TimestampMicrosecondType>(strings, to, mode, |text| {
            value::parse_timestamp(text, zone).map(|(local, _)| local)
        })?,
        SqlType::Timestamptz => {
            let micros =
                parse_each::<TimestampMicrosecondType>(strings, to, mode, |text| value::parse_instant(text, zone))?;
            Arc::new(
                micros
                    .as_primitive::<TimestampMicrosecondType>()
                    .clone()
                    .with_data_type(to.arrow()),
            )
        }
        SqlType::Time => parse_each::<Time64MicrosecondType>(strings, to, mode, value::parse_time)?,
        _ => arrow_cast(&(Arc::new(strings.clone()) as ArrayRef), &to.arrow(), mode)?,
    })
}

fn integers<T: ArrowPrimitiveType>(strings: &StringArray, to: SqlType, mode: Mode) -> Result<ArrayRef>
where
    T::Native: std::str::FromStr + TryFrom<i64>,
{
    let mut values = Vec::with_capacity(strings.len());
    for text in strings {
        values.push(match text {
            None => None,
            Some(text) => match text.trim().parse::<i64>().map(T::Native::try_from) {
                Ok(Ok(value)) => Some(value),
                _ if mode == Mode::Try => None,
                Ok(Err(_)) => {
                    return Err(SqlError::new(
                        "22003",
                        format!("value \"{text}\" is out of range for type {}", to.base_name()),
                    ));
                }
                Err(_) => {
                    return Err(SqlError::new(
                        "22P02",
                        format!("invalid input syntax for integer: \"{text}\""),
                    ));
                }
            },
        });
    }
    Ok(Arc::new(values.into_iter().collect::<PrimitiveArray<T>>()))
}

fn parse_each<T: ArrowPrimitiveType>(
    strings: &StringArray,
    to: SqlType,
    mode: Mode,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef> {
    let mut builder = PrimitiveArray::<T>::builder(strings.len());
    for text in strings {
        match text {
            None => builder.append_null(),
            Some(text) => match parse(text) {
                None if mode != Mode::Try => return Err(bad_input(to, text)),
                parsed => builder.append_option(parsed),
            },
        }
    }
    Ok(Arc::new(builder.finish()))
}

pub fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" | "on" => Some(true),
        "f" | "false" | "n" | "no" | "0" | "off" => Some(false),
        _ => None,
    }
}

fn bad_input(to: SqlType, text: &str) -> SqlError {
    let timed = matches!(
        to,
        SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz | SqlType::Time
    );
    // What is written as a time, but is none.
    let digits = |c: char| c.is_ascii_digit() || " -/:.+TZ".contains(c);
    if timed && text.trim_start().starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(digits) {
        return SqlError::new("22008", format!("date/time field value out of range: \"{text}\""));
    }
    SqlError::new(
        if timed { "22007" } else { "22P02" },
        format!("invalid input syntax for type {}: \"{text}\"", to.base_name()),
    )
}
