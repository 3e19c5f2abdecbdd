//! Dates and times: dateadd, datediff, date_part, date_trunc, zones.

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use datafusion::arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast as arrow_cast;
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};

use super::cast::parse_interval;
use super::{Call, Function, Shape, at, function, number_at, returns};
use crate::error::{Result, SqlError};
use crate::types::SqlType;
use crate::value::{MICROS_PER_DAY, MICROS_PER_SECOND, datetime_of, micros_of};
use crate::zone::Zone;

pub const FUNCTIONS: &[Function] = &[
    function("dateadd", (3, 3), dateadd_type, dateadd),
    function("datediff", (3, 3), returns::int8, datediff),
    function("date_part", (2, 2), date_part_type, date_part),
    function("date_trunc", (2, 2), date_trunc_type, date_trunc),
    function("add_months", (2, 2), returns::timestamp, add_months),
    function("months_between", (2, 2), returns::float8, months_between),
    function("last_day", (1, 1), returns::date, last_day),
    function("next_day", (2, 2), returns::date, next_day),
    function("convert_timezone", (2, 3), returns::timestamp, convert_timezone),
    function("timezone", (2, 2), timezone_type, timezone),
    function("date_cmp", (2, 2), returns::int4, compare),
    function("timestamp_cmp", (2, 2), returns::int4, compare),
    function("timestamptz_cmp", (2, 2), returns::int4, compare_moments),
    function("date_cmp_timestamp", (2, 2), returns::int4, compare),
    function("timestamp_cmp_date", (2, 2), returns::int4, compare),
    function("date_cmp_timestamptz", (2, 2), returns::int4, compare_moments),
    function("timestamp_cmp_timestamptz", (2, 2), returns::int4, compare_moments),
    function("timestamptz_cmp_date", (2, 2), returns::int4, compare_moments),
    function("timestamptz_cmp_timestamp", (2, 2), returns::int4, compare_moments),
    function("interval_cmp", (2, 2), returns::int4, interval_cmp),
];

/// A date part by any of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Epoch,
    Zone,
    ZoneHour,
    ZoneMinute,
    IsoYear,
}

pub fn part(name: &str) -> Result<Part> {
    Ok(match name.to_lowercase().as_str() {
        "millennium" | "millennia" | "mil" | "mils" => Part::Millennium,
        "century" | "centuries" | "c" | "cent" | "cents" => Part::Century,
        "decade" | "decades" | "dec" | "decs" => Part::Decade,
        "year" | "years" | "y" | "yr" | "yrs" => Part::Year,
        "isoyear" => Part::IsoYear,
        "quarter" | "quarters" | "qtr" | "qtrs" => Part::Quarter,
        "month" | "months" | "mon" | "mons" => Part::Month,
        "week" | "weeks" | "w" | "isoweek" => Part::Week,
        "day" | "days" | "d" => Part::Day,
        "dayofweek" | "dow" | "dw" | "weekday" => Part::DayOfWeek,
        "isodow" => Part::IsoDayOfWeek,
        "dayofyear" | "doy" | "dy" | "yearday" => Part::DayOfYear,
        "hour" | "hours" | "h" | "hr" | "hrs" => Part::Hour,
        "minute" | "minutes" | "m" | "min" | "mins" => Part::Minute,
        "second" | "seconds" | "s" | "sec" | "secs" => Part::Second,
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisec"
        | "millisecs" | "millisecon" => Part::Millisecond,
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsec"
        | "microsecs" | "microsecond_s" => Part::Microsecond,
        "epoch" => Part::Epoch,
        "timezone" => Part::Zone,
        "timezone_hour" => Part::ZoneHour,
        "timezone_minute" => Part::ZoneMinute,
        other => {
            return Err(SqlError::new(
                "22023",
                format!("timestamp units \"{other}\" not recognized"),
            ));
        }
    })
}

fn constant_part(call: &Call) -> Result<Option<Part>> {
    call.constant(0)?.map(|name| part(&name)).transpose()
}

/// DATEADD of a date by a part of a day or more is a timestamp in Redshift, except that a date stays a date for days.
fn dateadd_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.types[2] {
        SqlType::Timestamptz => SqlType::Timestamptz,
        SqlType::Time => return Err(SqlError::unsupported("DATEADD of a time")),
        _ => SqlType::Timestamp,
    })
}

fn dateadd(call: &Call) -> Result<ArrayRef> {
    let part = constant_part(call)?;
    let timed = matches!(
        part,
        Some(Part::Hour | Part::Minute | Part::Second | Part::Epoch | Part::Millisecond | Part::Microsecond)
    );
    let amounts = call.int(1)?;
    // An hour later is an hour later, also where clocks jump; a day later is when they show the same time again.
    let (zone, instants) = match timed && call.is_instant(2) {
        true => (Zone::UTC, call.moments(2)?),
        false => (call.zone, call.micros(2)?),
    };
    call.instants_in(zone, |row| {
        match (part, number_at(&amounts, row), number_at(&instants, row)) {
            (Some(part), Some(amount), Some(instant)) => add(part, amount, instant).map(Some),
            _ => Ok(None),
        }
    })
}

pub fn add(part: Part, amount: i64, instant: i64) -> Result<i64> {
    let overflow = || SqlError::new("22008", "timestamp out of range");
    let micros = |unit: i64| {
        amount
            .checked_mul(unit)
            .and_then(|delta| instant.checked_add(delta))
            .ok_or_else(overflow)
    };
    match part {
        Part::Millennium => plus_months(instant, amount * 12_000),
        Part::Century => plus_months(instant, amount * 1200),
        Part::Decade => plus_months(instant, amount * 120),
        Part::Year => plus_months(instant, amount * 12),
        Part::Quarter => plus_months(instant, amount * 3),
        Part::Month => plus_months(instant, amount),
        Part::Week => micros(7 * MICROS_PER_DAY),
        Part::Day | Part::DayOfYear | Part::DayOfWeek => micros(MICROS_PER_DAY),
        Part::Hour => micros(3600 * MICROS_PER_SECOND),
        Part::Minute => micros(60 * MICROS_PER_SECOND),
        Part::Second | Part::Epoch => micros(MICROS_PER_SECOND),
        Part::Millisecond => micros(1000),
        Part::Microsecond => micros(1),
        _ => Err(SqlError::new("22023", "date part is not supported by DATEADD")),
    }
}

/// Adding months to a month's last day gives the last day of the target month.
pub fn plus_months(instant: i64, months: i64) -> Result<i64> {
    let overflow = || SqlError::new("22008", "timestamp out of range");
    let from = datetime_of(instant).ok_or_else(overflow)?;
    let count = Months::new(u32::try_from(months.unsigned_abs()).map_err(|_| overflow())?);
    let to = if months < 0 {
        from.checked_sub_months(count)
    } else {
        from.checked_add_months(count)
    };
    to.map(micros_of).ok_or_else(overflow)
}

fn add_months(call: &Call) -> Result<ArrayRef> {
    let (instants, amounts) = (call.micros(0)?, call.int(1)?);
    call.instants(|row| {
        let (Some(instant), Some(amount)) = (number_at(&instants, row), number_at(&amounts, row)) else {
            return Ok(None);
        };
        let Some(from) = datetime_of(instant) else {
            return Ok(None);
        };
        let moved = plus_months(instant, amount)?;
        let Some(to) = datetime_of(moved) else {
            return Ok(Some(moved));
        };
        if is_last_day(from.date()) {
            return Ok(Some(micros_of(month_end(to.date()).and_time(to.time()))));
        }
        Ok(Some(moved))
    })
}

fn is_last_day(date: NaiveDate) -> bool {
    month_end(date) == date
}

fn month_end(date: NaiveDate) -> NaiveDate {
    let first = date.with_day(1).unwrap_or(date);
    first
        .checked_add_months(Months::new(1))
        .and_then(|next| next.pred_opt())
        .unwrap_or(date)
}

/// DATEDIFF counts the boundaries of the part that lie between.
fn datediff(call: &Call) -> Result<ArrayRef> {
    let part = constant_part(call)?;
    let (from, to) = (clocks(call, 1)?, clocks(call, 2)?);
    call.ints(|row| match (part, number_at(&from, row), number_at(&to, row)) {
        (Some(part), Some(from), Some(to)) => Ok(Some(boundary(part, to)? - boundary(part, from)?)),
        _ => Ok(None),
    })
}

/// Returns how many whole parts lie before an instant.
fn boundary(part: Part, instant: i64) -> Result<i64> {
    let units = |unit: i64| instant.div_euclid(unit);
    let at = datetime_of(instant).ok_or_else(|| SqlError::new("22008", "timestamp out of range"))?;
    let year = i64::from(at.year());
    Ok(match part {
        Part::Millennium => (year - 1).div_euclid(1000),
        Part::Century => (year - 1).div_euclid(100),
        Part::Decade => year.div_euclid(10),
        Part::Year | Part::IsoYear => year,
        Part::Quarter => year * 4 + i64::from(at.month0()) / 3,
        Part::Month => year * 12 + i64::from(at.month0()),
        // Weeks begin on Sunday here, unlike in DATE_TRUNC; the epoch was a Thursday.
        Part::Week => (units(MICROS_PER_DAY) + 4).div_euclid(7),
        Part::Day | Part::DayOfYear | Part::DayOfWeek | Part::IsoDayOfWeek => units(MICROS_PER_DAY),
        Part::Hour => units(3600 * MICROS_PER_SECOND),
        Part::Minute => units(60 * MICROS_PER_SECOND),
        Part::Second | Part::Epoch => units(MICROS_PER_SECOND),
        Part::Millisecond => units(1000),
        Part::Microsecond => instant,
        Part::Zone | Part::ZoneHour | Part::ZoneMinute => {
            return Err(SqlError::new("22023", "date part is not supported by DATEDIFF"));
        }
    })
}

fn date_part_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.literal(0).map(|name| part(&name)).transpose()? {
        Some(Part::Epoch) if shape.types[1] != SqlType::Date => SqlType::Float8,
        Some(Part::Second | Part::Millisecond | Part::Microsecond) | None => SqlType::Int4,
        Some(Part::Epoch) => SqlType::Int8,
        _ => SqlType::Int4,
    })
}

fn date_part(call: &Call) -> Result<ArrayRef> {
    let Some(part) = constant_part(call)? else {
        return call.ints(|_| Ok(None));
    };
    if matches!(
        call.args[1].data_type(),
        datafusion::arrow::datatypes::DataType::Interval(_)
    ) {
        return interval_part(call, part);
    }
    if call.is_instant(1)
        && let Some(found) = instant_part(call, part)?
    {
        return Ok(found);
    }
    let instants = &clocks(call, 1)?;
    if call.returns == SqlType::Float8 {
        return call
            .floats(|row| Ok(number_at(instants, row).map(|instant| instant as f64 / MICROS_PER_SECOND as f64)));
    }
    call.ints(|row| {
        let Some(instant) = number_at(instants, row) else {
            return Ok(None);
        };
        let Some(at) = datetime_of(instant) else {
            return Ok(None);
        };
        Ok(Some(field(part, at, instant)))
    })
}

/// What clocks show; a time of day is shown on the first of all days.
fn clocks(call: &Call, index: usize) -> Result<TimestampMicrosecondArray> {
    match call.args[index].data_type() {
        DataType::Time64(_) => {
            let micros = arrow_cast(&call.args[index], &DataType::Int64)?;
            let shown = arrow_cast(&micros, &SqlType::Timestamp.arrow())?;
            Ok(shown.as_primitive::<TimestampMicrosecondType>().clone())
        }
        _ => call.micros(index),
    }
}

/// Parts of an instant that no clock shows: the epoch, and the zone.
fn instant_part(call: &Call, part: Part) -> Result<Option<ArrayRef>> {
    let moments = call.moments(1)?;
    let zone = call.zone;
    let offset = |row| number_at(&moments, row).map(|utc| i64::from(zone.offset(utc)));
    Ok(Some(match part {
        Part::Epoch => {
            call.floats(|row| Ok(number_at(&moments, row).map(|utc| utc as f64 / MICROS_PER_SECOND as f64)))?
        }
        Part::Zone => call.ints(|row| Ok(offset(row)))?,
        Part::ZoneHour => call.ints(|row| Ok(offset(row).map(|seconds| seconds / 3600)))?,
        Part::ZoneMinute => call.ints(|row| Ok(offset(row).map(|seconds| seconds / 60 % 60)))?,
        _ => return Ok(None),
    }))
}

pub fn field(part: Part, at: NaiveDateTime, instant: i64) -> i64 {
    let year = i64::from(at.year());
    let second_micros = instant.rem_euclid(60 * MICROS_PER_SECOND);
    match part {
        Part::Millennium => (year - 1).div_euclid(1000) + 1,
        Part::Century => (year - 1).div_euclid(100) + 1,
        Part::Decade => year.div_euclid(10),
        Part::Year => year,
        Part::IsoYear => at.iso_week().year().into(),
        Part::Quarter => i64::from(at.month0()) / 3 + 1,
        Part::Month => at.month().into(),
        Part::Week => at.iso_week().week().into(),
        Part::Day => at.day().into(),
        Part::DayOfWeek => at.weekday().num_days_from_sunday().into(),
        Part::IsoDayOfWeek => at.weekday().number_from_monday().into(),
        Part::DayOfYear => at.ordinal().into(),
        Part::Hour => at.hour().into(),
        Part::Minute => at.minute().into(),
        Part::Second => second_micros / MICROS_PER_SECOND,
        // What is behind the second, without it.
        Part::Millisecond => second_micros % MICROS_PER_SECOND / 1000,
        Part::Microsecond => second_micros % MICROS_PER_SECOND,
        Part::Epoch => instant.div_euclid(MICROS_PER_SECOND),
        Part::Zone | Part::ZoneHour | Part::ZoneMinute => 0,
    }
}

fn interval_part(call: &Call, part: Part) -> Result<ArrayRef> {
    let intervals = datafusion::arrow::array::AsArray::as_primitive::<
        datafusion::arrow::datatypes::IntervalMonthDayNanoType,
    >(&call.args[1]);
    let value = |row: usize| -> Option<f64> {
        let interval = number_at(intervals, row)?;
        let seconds = interval.nanoseconds as f64 / 1e9;
        Some(match part {
            Part::Year => f64::from(interval.months / 12),
            Part::Month => f64::from(interval.months % 12),
            Part::Day => f64::from(interval.days),
            Part::Hour => (seconds / 3600.0).trunc(),
            Part::Minute => (seconds / 60.0).trunc() % 60.0,
            Part::Second => seconds % 60.0,
            Part::Epoch => f64::from(interval.months) * 30.0 * 86_400.0 + f64::from(interval.days) * 86_400.0 + seconds,
            _ => return None,
        })
    };
    if call.returns == SqlType::Float8 {
        return call.floats(|row| Ok(value(row)));
    }
    call.ints(|row| Ok(value(row).map(|value| value as i64)))
}

fn date_trunc_type(shape: &Shape) -> Result<SqlType> {
    Ok(match shape.types[1] {
        SqlType::Timestamptz => SqlType::Timestamptz,
        _ => SqlType::Timestamp,
    })
}

fn date_trunc(call: &Call) -> Result<ArrayRef> {
    let part = constant_part(call)?;
    let instants = call.micros(1)?;
    call.instants(|row| match (part, number_at(&instants, row)) {
        (Some(part), Some(instant)) => truncate(part, instant).map(Some),
        _ => Ok(None),
    })
}

pub fn truncate(part: Part, instant: i64) -> Result<i64> {
    let out_of_range = || SqlError::new("22008", "timestamp out of range");
    let unit = |unit: i64| Ok(instant - instant.rem_euclid(unit));
    let date = datetime_of(instant).ok_or_else(out_of_range)?.date();
    let start = |year: i32, month: u32| {
        NaiveDate::from_ymd_opt(year, month, 1)
            .map(|date| micros_of(date.and_time(NaiveTime::MIN)))
            .ok_or_else(out_of_range)
    };
    match part {
        Part::Millennium => start((date.year() - 1).div_euclid(1000) * 1000 + 1, 1),
        Part::Century => start((date.year() - 1).div_euclid(100) * 100 + 1, 1),
        Part::Decade => start(date.year().div_euclid(10) * 10, 1),
        Part::Year => start(date.year(), 1),
        Part::Quarter => start(date.year(), date.month0() / 3 * 3 + 1),
        Part::Month => start(date.year(), date.month()),
        // Weeks begin on Monday.
        Part::Week => {
            let monday = date - chrono::Days::new(date.weekday().num_days_from_monday().into());
            Ok(micros_of(monday.and_time(NaiveTime::MIN)))
        }
        Part::Day => unit(MICROS_PER_DAY),
        Part::Hour => unit(3600 * MICROS_PER_SECOND),
        Part::Minute => unit(60 * MICROS_PER_SECOND),
        Part::Second => unit(MICROS_PER_SECOND),
        Part::Millisecond => unit(1000),
        Part::Microsecond => Ok(instant),
        _ => Err(SqlError::new("22023", "date part is not supported by DATE_TRUNC")),
    }
}

fn months_between(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (call.micros(0)?, call.micros(1)?);
    call.floats(|row| {
        let (Some(left), Some(right)) = (number_at(&left, row), number_at(&right, row)) else {
            return Ok(None);
        };
        let (Some(a), Some(b)) = (datetime_of(left), datetime_of(right)) else {
            return Ok(None);
        };
        let months = f64::from((a.year() - b.year()) * 12 + a.month() as i32 - b.month() as i32);
        if a.day() == b.day() || (is_last_day(a.date()) && is_last_day(b.date())) {
            return Ok(Some(months));
        }
        let time = |at: NaiveDateTime| f64::from(at.day()) + f64::from(at.num_seconds_from_midnight()) / 86_400.0;
        Ok(Some(months + (time(a) - time(b)) / 31.0))
    })
}

fn last_day(call: &Call) -> Result<ArrayRef> {
    let instants = call.micros(0)?;
    call.instants(|row| {
        Ok(number_at(&instants, row)
            .and_then(datetime_of)
            .map(|at| micros_of(month_end(at.date()).and_time(NaiveTime::MIN))))
    })
}

fn next_day(call: &Call) -> Result<ArrayRef> {
    let (instants, names) = (call.micros(0)?, call.text(1)?);
    call.instants(|row| {
        let (Some(at), Some(name)) = (number_at(&instants, row).and_then(datetime_of), at(&names, row)) else {
            return Ok(None);
        };
        let lower = name.to_lowercase();
        let wanted = ["su", "mo", "tu", "we", "th", "fr", "sa"]
            .iter()
            .position(|prefix| lower.starts_with(prefix))
            .ok_or_else(|| SqlError::new("22023", format!("invalid day of week: \"{name}\"")))?
            as u64;
        let today = u64::from(at.weekday().num_days_from_sunday());
        let days = (wanted + 7 - today - 1) % 7 + 1;
        Ok(Some(micros_of(
            (at.date() + chrono::Days::new(days)).and_time(NaiveTime::MIN),
        )))
    })
}

/// Compares lengths of time; a month is thirty days.
fn interval_cmp(call: &Call) -> Result<ArrayRef> {
    let (left, right) = (call.text(0)?, call.text(1)?);
    let length = |text: &str| {
        let interval = parse_interval(text)
            .ok_or_else(|| SqlError::new("22007", format!("invalid input syntax for type interval: \"{text}\"")))?;
        let days = i128::from(interval.months) * 30 + i128::from(interval.days);
        Ok::<_, SqlError>(days * 86_400_000_000_000 + i128::from(interval.nanoseconds))
    };
    call.ints(|row| match (at(&left, row), at(&right, row)) {
        (Some(left), Some(right)) => Ok(Some(length(left)?.cmp(&length(right)?) as i64)),
        _ => Ok(None),
    })
}

fn compare(call: &Call) -> Result<ArrayRef> {
    compared(call, call.micros(0)?, call.micros(1)?)
}

fn compare_moments(call: &Call) -> Result<ArrayRef> {
    compared(call, call.moments(0)?, call.moments(1)?)
}

fn compared(call: &Call, left: TimestampMicrosecondArray, right: TimestampMicrosecondArray) -> Result<ArrayRef> {
    call.ints(|row| {
        Ok(number_at(&left, row)
            .zip(number_at(&right, row))
            .map(|(left, right)| left.cmp(&right) as i64))
    })
}

fn convert_timezone(call: &Call) -> Result<ArrayRef> {
    let has_source = call.len() == 3;
    let source = if has_source { Some(call.text(0)?) } else { None };
    let target = call.text(usize::from(has_source))?;
    let instants = call.micros(call.len() - 1)?;
    call.instants(|row| {
        let (Some(target), Some(instant)) = (at(&target, row), number_at(&instants, row)) else {
            return Ok(None);
        };
        let source = source.as_ref().and_then(|source| at(source, row)).unwrap_or("UTC");
        Ok(Some(
            Zone::written(target)?.to_local(Zone::written(source)?.to_utc(instant)),
        ))
    })
}

/// `at time zone`: a plain timestamp becomes an instant, an instant becomes the local time there.
fn timezone_type(shape: &Shape) -> Result<SqlType> {
    Ok(if shape.types[1] == SqlType::Timestamptz {
        SqlType::Timestamp
    } else {
        SqlType::Timestamptz
    })
}

fn timezone(call: &Call) -> Result<ArrayRef> {
    let zones = call.text(0)?;
    let to_local = call.returns == SqlType::Timestamp;
    let instants = if to_local { call.moments(1)? } else { call.micros(1)? };
    // The zone that was named is the one that counts.
    call.instants_in(Zone::UTC, |row| {
        let (Some(zone), Some(instant)) = (at(&zones, row), number_at(&instants, row)) else {
            return Ok(None);
        };
        let zone = Zone::written(zone)?;
        Ok(Some(if to_local {
            zone.to_local(instant)
        } else {
            zone.to_utc(instant)
        }))
    })
}
