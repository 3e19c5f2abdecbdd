//! Values as Redshift prints them, and the text forms it reads.

use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};

use crate::document;
use crate::zone::Zone;

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// One value of a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Everything else, as Redshift prints it.
    Text(String),
}

impl Cell {
    /// Returns the value as Redshift prints it.
    pub fn text(&self) -> String {
        match self {
            Self::Bool(value) => if *value { "t" } else { "f" }.into(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => float_text(*value),
            Self::Text(value) => value.clone(),
        }
    }
}

/// Returns one value of a column.
pub fn cell(array: &ArrayRef, row: usize) -> Option<Cell> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => Cell::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Cell::Int(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Int(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Int(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Cell::Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Cell::Int(array.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Cell::Int(array.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Cell::Int(array.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => Cell::Int(array.as_primitive::<UInt64Type>().value(row) as i64),
        DataType::Float32 => Cell::Float(widen(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        _ => {
            let mut text = String::new();
            write_text(array, row, &mut text);
            Cell::Text(text)
        }
    })
}

/// A float4 prints with the digits that identify it as a float4, not with those of the float8 it widens to.
fn widen(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Appends the text of a value that is not null.
pub fn write_text(array: &ArrayRef, row: usize, out: &mut String) {
    match array.data_type() {
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row)),
        DataType::Binary => out.push_str(document::at(array.as_binary::<i32>(), row).unwrap_or_default()),
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "t" } else { "f" }),
        DataType::Decimal128(_, scale) => write_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, out),
        DataType::Date32 => write_date(array.as_primitive::<Date32Type>().value(row), out),
        DataType::Timestamp(unit, zone) => {
            let micros = match unit {
                TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row) * MICROS_PER_SECOND,
                TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row) * 1000,
                TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
                TimeUnit::Nanosecond => array
                    .as_primitive::<TimestampNanosecondType>()
                    .value(row)
                    .div_euclid(1000),
            };
            match zone.as_deref() {
                None => write_timestamp(micros, out),
                Some("UTC") => {
                    write_timestamp(micros, out);
                    out.push_str("+00");
                }
                Some(zone) => {
                    let zone: Zone = zone.parse().unwrap_or(Zone::UTC);
                    write_timestamp(zone.to_local(micros), out);
                    zone.write_offset(micros, out);
                }
            }
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            write_time(array.as_primitive::<Time64MicrosecondType>().value(row), out)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            write_interval(value.months, value.days, value.nanoseconds / 1000, out);
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('{');
            for item in 0..items.len() {
                if item > 0 {
                    out.push(',');
                }
                if items.is_null(item) {
                    out.push_str("NULL");
                } else {
                    write_text(&items, item, out);
                }
            }
            out.push('}');
        }
        _ => match cell(array, row) {
            Some(cell) => out.push_str(&cell.text()),
            None => out.push_str("NULL"),
        },
    }
}

pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-5..1e15).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    value.to_string()
}

pub fn write_decimal(value: i128, scale: i8, out: &mut String) {
    if scale <= 0 {
        let _ = write!(out, "{}", value * 10i128.pow(u32::from(scale.unsigned_abs())));
        return;
    }
    let scale = scale as usize;
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let _ = write!(out, "{}{whole}.{fraction}", if value < 0 { "-" } else { "" });
}

pub fn date_of(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(719_163)?)
}

pub fn days_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

pub fn datetime_of(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|instant| instant.naive_utc())
}

pub fn micros_of(datetime: NaiveDateTime) -> i64 {
    datetime.and_utc().timestamp_micros()
}

pub fn write_date(days: i32, out: &mut String) {
    match date_of(days) {
        Some(date) if date.year() > 0 => {
            let _ = write!(out, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
        }
        Some(date) => {
            let _ = write!(out, "{:04}-{:02}-{:02} BC", 1 - date.year(), date.month(), date.day());
        }
        None => out.push_str("infinity"),
    }
}

pub fn write_timestamp(micros: i64, out: &mut String) {
    write_date(micros.div_euclid(MICROS_PER_DAY) as i32, out);
    out.push(' ');
    write_time(micros.rem_euclid(MICROS_PER_DAY), out);
}

pub fn write_time(micros: i64, out: &mut String) {
    let seconds = micros / MICROS_PER_SECOND;
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    write_fraction(micros % MICROS_PER_SECOND, out);
}

fn write_fraction(micros: i64, out: &mut String) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
}

pub fn write_interval(months: i32, days: i32, micros: i64, out: &mut String) {
    let start = out.len();
    let plural = |count: i32| if count.abs() == 1 { "" } else { "s" };
    let unit = |count: i32, name: &str, out: &mut String| {
        if count != 0 {
            let space = if out.len() > start { " " } else { "" };
            let _ = write!(out, "{space}{count} {name}{}", plural(count));
        }
    };
    unit(months / 12, "year", out);
    let rest = months % 12;
    if rest != 0 {
        let space = if out.len() > start { " " } else { "" };
        let _ = write!(out, "{space}{rest} mon{}", plural(rest));
    }
    unit(days, "day", out);
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.push(' ');
        }
        if micros < 0 {
            out.push('-');
        }
        write_time(micros.abs(), out);
    }
}

/// Reads a date in the forms Redshift takes without a format: ISO, compact, US slashes, month names.
pub fn parse_date(text: &str, zone: Zone) -> Option<i32> {
    let text = text.trim();
    let Some((date, used)) = parse_date_part(text) else {
        return parse_timestamp(text, zone).map(|(local, _)| local.div_euclid(MICROS_PER_DAY) as i32);
    };
    // A time and a zone may follow; they do not change the day.
    let rest = text[used..].trim_start_matches(['T', 't', ' ']);
    let is_zone = |zone: &str| zone.is_empty() || parse_zone(zone, 0).is_some();
    let valid = is_zone(rest) || parse_time_part(rest).is_some_and(|(_, used)| is_zone(rest[used..].trim()));
    valid.then(|| days_of(date))
}

/// Reads an instant: the time of the zone that is written, or of the session's.
pub fn parse_instant(text: &str, zone: Zone) -> Option<i64> {
    let (local, offset) = parse_timestamp(text, zone)?;
    Some(match offset {
        Some(seconds) => local - i64::from(seconds) * MICROS_PER_SECOND,
        None => zone.to_utc(local),
    })
}

/// Reads what a clock shows, and how many seconds east of UTC it is, if that is said.
pub fn parse_timestamp(text: &str, zone: Zone) -> Option<(i64, Option<i32>)> {
    match parse_usual_timestamp(text.as_bytes()) {
        Some(micros) => Some((micros, None)),
        None => parse_any_timestamp(text.trim(), zone),
    }
}

fn parse_any_timestamp(text: &str, zone: Zone) -> Option<(i64, Option<i32>)> {
    let now = || crate::system::history::now();
    match text.to_ascii_lowercase().as_str() {
        "epoch" => return Some((0, Some(0))),
        "now" => {
            let now = now();
            return Some((zone.to_local(now), Some(zone.offset(now))));
        }
        "today" => {
            let now = zone.to_local(now());
            return Some((now - now.rem_euclid(MICROS_PER_DAY), None));
        }
        _ => {}
    }
    let (date, used) = parse_date_part(text)?;
    let rest = text[used..].trim_start_matches(['T', 't', ' ']);
    let day = i64::from(days_of(date)) * MICROS_PER_DAY;
    if rest.is_empty() {
        return Some((day, None));
    }
    let (time, used) = parse_time_part(rest)?;
    let local = day + time;
    match rest[used..].trim() {
        "" => Some((local, None)),
        zone => Some((local, Some(parse_zone(zone, local)?))),
    }
}

/// Reads the spelling that most timestamps have, `2024-02-29 23:59:59`. `None` only says that this one has another.
fn parse_usual_timestamp(text: &[u8]) -> Option<i64> {
    let text: &[u8; 19] = text.try_into().ok()?;
    let pair = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| u32::from(tens * 10 + ones))
    };
    let separated =
        (text[4], text[7], text[13], text[16]) == (b'-', b'-', b':', b':') && matches!(text[10], b' ' | b'T');
    let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
    if !separated || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = NaiveDate::from_ymd_opt((pair(0)? * 100 + pair(2)?) as i32, pair(5)?, pair(8)?)?;
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    Some(i64::from(days_of(date)) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND)
}

/// Reads a time of day.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let (time, used) = parse_time_part(text)?;
    text[used..].trim().is_empty().then_some(time)
}

fn parse_date_part(text: &str) -> Option<(NaiveDate, usize)> {
    let digits = |from: usize| {
        text.as_bytes()[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let first = digits(0);
    if first == 0 {
        return parse_named_month(text);
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    if first == 8 {
        let date = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(4, 6)?, number(6, 8)?)?;
        return Some((date, 8));
    }
    let separator = *text.as_bytes().get(first)?;
    if !matches!(separator, b'-' | b'/' | b'.' | b' ') {
        return None;
    }
    let second_at = first + 1;
    let second = digits(second_at);
    if second == 0 {
        return None;
    }
    let third_at = second_at + second + 1;
    if *text.as_bytes().get(third_at - 1)? != separator {
        return None;
    }
    let third = digits(third_at);
    if third == 0 {
        return None;
    }
    let (a, b, c) = (
        number(0, first)?,
        number(second_at, second_at + second)?,
        number(third_at, third_at + third)?,
    );
    let year = |year: u32, width: usize| match (width, year) {
        (2, 0..=69) => year as i32 + 2000,
        (2, _) => year as i32 + 1900,
        _ => year as i32,
    };
    // A long first number is a year; otherwise the order is month, day, year (DateStyle MDY).
    let date = if first > 2 {
        NaiveDate::from_ymd_opt(year(a, first), b, c)?
    } else {
        NaiveDate::from_ymd_opt(year(c, third), a, b)?
    };
    Some((date, third_at + third))
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

fn parse_named_month(text: &str) -> Option<(NaiveDate, usize)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let name = text.get(..letters)?.to_ascii_lowercase();
    let month = MONTHS
        .iter()
        .position(|month| name.len() >= 3 && name.starts_with(month))? as u32
        + 1;
    let rest = &text[letters..];
    let mut numbers = Vec::new();
    let mut used = letters;
    for part in rest.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        if numbers.len() == 2 {
            break;
        }
        used += if digits.is_empty() { part.len() } else { digits.len() };
        if !digits.is_empty() {
            numbers.push(digits.parse::<u32>().ok()?);
            used += if numbers.len() < 2 {
                part.len() - digits.len()
            } else {
                0
            };
        }
    }
    let [day, year] = numbers[..] else { return None };
    Some((NaiveDate::from_ymd_opt(year as i32, month, day)?, used))
}

fn parse_time_part(text: &str) -> Option<(i64, usize)> {
    let bytes = text.as_bytes();
    let number = |from: usize| -> Option<(i64, usize)> {
        let count = bytes
            .get(from..)?
            .iter()
            .take(2)
            .take_while(|b| b.is_ascii_digit())
            .count();
        Some((text.get(from..from + count)?.parse().ok()?, from + count))
    };
    let (hours, end) = number(0)?;
    if bytes.get(end) != Some(&b':') {
        return None;
    }
    let (minutes, mut end) = number(end + 1)?;
    let (mut seconds, mut micros) = (0, 0);
    if bytes.get(end) == Some(&b':') {
        (seconds, end) = number(end + 1)?;
        if bytes.get(end) == Some(&b'.') {
            let from = end + 1;
            let count = bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
            let fraction = text.get(from..from + count.min(6))?;
            micros = format!("{fraction:0<6}").parse::<i64>().ok()?;
            end = from + count;
        }
    }
    let suffix = text[end..].trim_start();
    // America begins like a time before noon.
    let letters = suffix.bytes().take_while(u8::is_ascii_alphabetic).count();
    let lower = suffix.get(..2).filter(|_| letters == 2).map(str::to_ascii_lowercase);
    let mut hours = hours;
    if let Some("am" | "pm") = lower.as_deref() {
        hours = hours % 12 + if lower.as_deref() == Some("pm") { 12 } else { 0 };
        end = text.len() - suffix.len() + 2;
    }
    if hours > 24 || minutes > 59 || seconds > 60 {
        return None;
    }
    Some((
        ((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND + micros,
        end,
    ))
}

/// Returns the seconds east of UTC that a zone has when its clocks show a time.
fn parse_zone(zone: &str, local: i64) -> Option<i32> {
    if matches!(zone.to_ascii_lowercase().as_str(), "z" | "utc" | "gmt") {
        return Some(0);
    }
    if let Some(sign) = match zone.as_bytes().first()? {
        b'+' => Some(1),
        b'-' => Some(-1),
        _ => None,
    } {
        let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
        if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 1 | 2 | 4) {
            return None;
        }
        let hours: i32 = digits[..digits.len().min(2)].parse().ok()?;
        let minutes: i32 = digits
            .get(2..)
            .filter(|rest| !rest.is_empty())
            .map_or(Some(0), |rest| rest.parse().ok())?;
        return Some(sign * (hours * 3600 + minutes * 60));
    }
    let zone = Zone::written(zone).ok()?;
    Some(((local - zone.to_utc(local)) / MICROS_PER_SECOND) as i32)
}

/// Reads a number of few digits that needs no rounding. `None` only says that this one is another.
fn parse_short_decimal(text: &[u8], scale: u8) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let scale = usize::from(scale);
    if digits.is_empty() || digits.len() + scale > 18 {
        return None;
    }
    let (mut value, mut fraction) = (0, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                fraction = fraction.map(|digits| digits + 1);
            }
            b'.' if fraction.is_none() && digits.len() > 1 => fraction = Some(0),
            _ => return None,
        }
    }
    let missing = scale.checked_sub(fraction.unwrap_or(0))?;
    value *= 10i64.pow(missing as u32);
    Some(if negative { -value } else { value })
}

/// Reads a number as a scaled integer, rounding half away from zero. `None` when it is no number.
pub fn parse_decimal(text: &str, scale: u8) -> Option<i128> {
    match parse_short_decimal(text.as_bytes(), scale) {
        Some(value) => Some(value.into()),
        None => parse_any_decimal(text.trim(), scale),
    }
}

fn parse_any_decimal(text: &str, scale: u8) -> Option<i128> {
    if text.contains(['e', 'E']) {
        let value: f64 = text.parse().ok()?;
        return Some((value * 10f64.powi(i32::from(scale))).round() as i128);
    }
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes().take(usize::from(scale))) {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    for _ in fraction.len()..usize::from(scale) {
        value = value.checked_mul(10)?;
    }
    if let Some(rest) = fraction.as_bytes().get(usize::from(scale)..) {
        if !rest.iter().all(u8::is_ascii_digit) {
            return None;
        }
        if rest.first().is_some_and(|digit| *digit >= b'5') {
            value += 1;
        }
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_to_a_number_leads_to_the_same(text in "[-+]?[0-9]{0,19}[.]?[0-9]{0,6}|[-.0-9e ]{0,6}", scale in 0u8..8) {
            if let Some(value) = parse_short_decimal(text.as_bytes(), scale) {
                prop_assert_eq!(parse_any_decimal(&text, scale), Some(i128::from(value)));
            }
        }

        #[test]
        fn the_usual_timestamp_is_read_as_any_other(
            date in "(19|20|00)[0-9]{2}-[0-3][0-9]-[0-3][0-9]",
            time in "[ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9]",
        ) {
            let text = format!("{date}{time}");
            if let Some(micros) = parse_usual_timestamp(text.as_bytes()) {
                prop_assert_eq!(parse_any_timestamp(&text, Zone::UTC), Some((micros, None)));
            }
        }
    }

    #[test]
    fn most_values_go_the_short_way() {
        assert_eq!(parse_short_decimal(b"-1234.5", 2), Some(-123_450));
        assert_eq!(parse_short_decimal(b"7", 0), Some(7));
        assert_eq!(parse_short_decimal(b"1.005", 2), None);
        assert!(parse_usual_timestamp(b"2024-02-29 23:59:59").is_some());
        assert!(parse_usual_timestamp(b"2023-02-29 23:59:59").is_none());
    }
}
