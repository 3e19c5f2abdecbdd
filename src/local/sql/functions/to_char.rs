//! to_char, to_date, to_timestamp and to_number with PostgreSQL's format patterns.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use datafusion::arrow::array::{ArrayRef, BooleanArray, Decimal128Array};
use datafusion::arrow::datatypes::DataType;

use super::{Call, Function, Shape, at, function, number_at, returns};
use crate::error::{Result, SqlError};
use crate::types::SqlType;
use crate::value::{datetime_of, micros_of, parse_decimal};

pub const FUNCTIONS: &[Function] = &[
    function("to_char", (2, 2), returns::text, to_char),
    function("to_date", (1, 3), returns::date, to_instant),
    function("to_timestamp", (2, 3), returns::timestamptz, to_instant),
    function("to_number", (2, 2), number_type, to_number),
];

fn to_char(call: &Call) -> Result<ArrayRef> {
    let formats = call.text(1)?;
    let dated = matches!(
        call.args[0].data_type(),
        DataType::Date32 | DataType::Timestamp(..) | DataType::Utf8 | DataType::Utf8View
    );
    if dated {
        let instants = call.micros(0)?;
        let moments = call.is_instant(0).then(|| call.moments(0)).transpose()?;
        return call.texts(|row| {
            let (Some(at), Some(format)) = (number_at(&instants, row).and_then(datetime_of), at(&formats, row)) else {
                return Ok(None);
            };
            let zone = moments.as_ref().and_then(|moments| number_at(moments, row));
            let zone = zone.map_or_else(String::new, |utc| call.zone.abbreviation(utc));
            Ok(Some(format_date(at, &zone, format)))
        });
    }
    let numbers = call.text(0)?;
    call.texts(|row| {
        let (Some(number), Some(format)) = (at(&numbers, row), at(&formats, row)) else {
            return Ok(None);
        };
        if let Some(pattern) = ["RN", "TH", "V", "EEEE"]
            .into_iter()
            .find(|pattern| format.to_uppercase().contains(pattern))
        {
            return Err(SqlError::unsupported(format!("the pattern {pattern} of to_char")));
        }
        Ok(Some(format_number(number, format)))
    })
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The patterns, longest first, so that `MONTH` is not read as `MON` and `TH`.
const PATTERNS: [&str; 58] = [
    "MONTH", "Month", "month", "Y,YYY", "HH24", "HH12", "SSSS", "YYYY", "IYYY", "IDDD", "A.M.", "P.M.", "a.m.", "p.m.",
    "A.D.", "B.C.", "a.d.", "b.c.", "Mon", "MON", "mon", "DAY", "Day", "day", "DDD", "YYY", "IYY", "HH", "MI", "SS",
    "MS", "US", "AM", "PM", "am", "pm", "AD", "BC", "ad", "bc", "YY", "IY", "DY", "Dy", "dy", "DD", "ID", "MM", "RM",
    "rm", "WW", "IW", "CC", "TZ", "D", "Q", "I", "J",
];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

fn pattern_at(format: &str) -> Option<&'static str> {
    PATTERNS
        .into_iter()
        .find(|pattern| format.starts_with(pattern))
        .or_else(|| {
            let upper = format.get(..4.min(format.len()))?.to_uppercase();
            [
                "YYYY", "HH24", "HH12", "MI", "SS", "MM", "DD", "MS", "US", "YY", "HH", "IW", "WW", "Y", "W", "J",
            ]
            .into_iter()
            .find(|pattern| upper.starts_with(pattern))
        })
}

fn format_date(at: NaiveDateTime, zone: &str, format: &str) -> String {
    let mut out = String::new();
    let mut rest = format;
    let month = MONTHS[at.month0() as usize];
    let day = DAYS[at.weekday().num_days_from_sunday() as usize];
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
            out.push_str(rest[..end].trim_matches('"'));
            rest = &rest[end..];
            continue;
        }
        let mut fill = true;
        let mut body = rest;
        if let Some(after) = rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm")) {
            fill = false;
            body = after;
        }
        let Some(pattern) = pattern_at(body) else {
            if !fill {
                rest = body;
                continue;
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        rest = &body[pattern.len()..];
        let padded = |value: i64, width: usize| {
            if fill {
                format!("{value:0>width$}")
            } else {
                value.to_string()
            }
        };
        let named = |text: String, width: usize| if fill { format!("{text:<width$}") } else { text };
        let hour12 = i64::from((at.hour() + 11) % 12 + 1);
        let micros = i64::from(at.nanosecond() / 1000);
        let year = i64::from(at.year());
        let iso_year = i64::from(at.iso_week().year());
        let iso_day = i64::from(at.weekday().number_from_monday());
        let roman = ROMAN[at.month0() as usize];
        let era = if year > 0 { ["AD", "A.D."] } else { ["BC", "B.C."] };
        let text = match pattern {
            "YYYY" => padded(year, 4),
            "YYY" => padded(year % 1000, 3),
            "YY" => padded(year % 100, 2),
            "Y" => padded(year % 10, 1),
            "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
            "IYYY" => padded(iso_year, 4),
            "IYY" => padded(iso_year % 1000, 3),
            "IY" => padded(iso_year % 100, 2),
            "I" => padded(iso_year % 10, 1),
            "IDDD" => padded(i64::from(at.iso_week().week0()) * 7 + iso_day, 3),
            "ID" => iso_day.to_string(),
            "RM" => named(roman.to_string(), 4),
            "rm" => named(roman.to_lowercase(), 4),
            "AD" | "BC" => era[0].into(),
            "ad" | "bc" => era[0].to_lowercase(),
            "A.D." | "B.C." => era[1].into(),
            "a.d." | "b.c." => era[1].to_lowercase(),
            "MONTH" => named(month.to_uppercase(), 9),
            "Month" => named(month.to_string(), 9),
            "month" => named(month.to_lowercase(), 9),
            "MON" => month[..3].to_uppercase(),
            "Mon" => month[..3].to_string(),
            "mon" => month[..3].to_lowercase(),
            "DAY" => named(day.to_uppercase(), 9),
            "Day" => named(day.to_string(), 9),
            "day" => named(day.to_lowercase(), 9),
            "DY" => day[..3].to_uppercase(),
            "Dy" => day[..3].to_string(),
            "dy" => day[..3].to_lowercase(),
            "MM" => padded(at.month().into(), 2),
            "DDD" => padded(at.ordinal().into(), 3),
            "DD" => padded(at.day().into(), 2),
            "D" => (at.weekday().num_days_from_sunday() + 1).to_string(),
            "HH24" => padded(at.hour().into(), 2),
            "HH12" | "HH" => padded(hour12, 2),
            "MI" => padded(at.minute().into(), 2),
            "SS" => padded(at.second().into(), 2),
            "SSSS" => at.num_seconds_from_midnight().to_string(),
            "MS" => padded(micros / 1000, 3),
            "US" => padded(micros, 6),
            "AM" | "PM" => if at.hour() < 12 { "AM" } else { "PM" }.into(),
            "am" | "pm" => if at.hour() < 12 { "am" } else { "pm" }.into(),
            "A.M." | "P.M." => if at.hour() < 12 { "A.M." } else { "P.M." }.into(),
            "a.m." | "p.m." => if at.hour() < 12 { "a.m." } else { "p.m." }.into(),
            "Q" => (at.month0() / 3 + 1).to_string(),
            "WW" => padded(i64::from(at.ordinal0()) / 7 + 1, 2),
            "W" => (at.day0() / 7 + 1).to_string(),
            "IW" => padded(at.iso_week().week().into(), 2),
            "CC" => padded((year + 99) / 100, 2),
            "J" => (at.date().num_days_from_ce() + 1_721_425).to_string(),
            "TZ" => zone.to_uppercase(),
            _ => String::new(),
        };
        out.push_str(&text);
        if text.ends_with(|c: char| c.is_ascii_digit()) {
            let suffix = rest.get(..2).filter(|suffix| suffix.eq_ignore_ascii_case("th"));
            if let Some(written) = suffix {
                out.push_str(ordinal(&text, written == "TH"));
                rest = &rest[2..];
            }
        }
    }
    out
}

/// Returns what follows a number that counts: `1st`, `12th`.
fn ordinal(number: &str, upper: bool) -> &'static str {
    let teens = number.len() > 1 && number.as_bytes()[number.len() - 2] == b'1';
    let suffixes = match number.as_bytes().last() {
        Some(b'1') if !teens => ["st", "ST"],
        Some(b'2') if !teens => ["nd", "ND"],
        Some(b'3') if !teens => ["rd", "RD"],
        _ => ["th", "TH"],
    };
    suffixes[usize::from(upper)]
}

/// `999D99`, `FM999,999.00`, `S9999`, `$9G999`: digits right-aligned, a place for the sign in front.
fn format_number(number: &str, format: &str) -> String {
    let (fill, format) = match format.strip_prefix("FM").or_else(|| format.strip_prefix("fm")) {
        Some(rest) => (false, rest.to_uppercase()),
        None => (true, format.to_uppercase()),
    };
    // What shows a sign shows it behind the currency.
    if let Some(rest) = format.strip_prefix(['$', 'L'])
        && (rest.starts_with('S') || rest.contains("PR"))
    {
        let rest = if fill { rest.to_string() } else { format!("FM{rest}") };
        return format!("${}", format_number(number, &rest));
    }
    let (whole_format, fraction_format) = match format.find(['D', '.']) {
        Some(at) => (format[..at].to_string(), format[at + 1..].to_string()),
        None => (format.clone(), String::new()),
    };
    let decimals = fraction_format.chars().filter(|c| matches!(c, '9' | '0')).count();
    let scaled = parse_decimal(number, decimals as u8).unwrap_or(0);
    let digits = format!("{:0>width$}", scaled.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let whole = whole.trim_start_matches('0');
    let places = whole_format.chars().filter(|c| matches!(c, '9' | '0')).count();
    let negative = scaled < 0;
    let sign_shown = format.contains('S') || format.contains("MI") || format.contains("PR");
    let mut out = String::new();
    if whole.len() > places {
        let hashes: String = whole_format
            .chars()
            .map(|c| if matches!(c, '9' | '0') { '#' } else { c })
            .collect();
        return format!(
            " {hashes}{}",
            if decimals > 0 {
                format!(".{}", "#".repeat(decimals))
            } else {
                String::new()
            }
        );
    }
    let mut index = 0;
    let lead = places - whole.len();
    let first_zero = whole_format
        .chars()
        .filter(|c| matches!(c, '9' | '0'))
        .position(|c| c == '0')
        .unwrap_or(usize::MAX);
    let mut started = false;
    for c in whole_format.chars() {
        match c {
            '9' | '0' => {
                if index >= lead {
                    out.push(whole.as_bytes()[index - lead] as char);
                    started = true;
                } else if index >= first_zero || (index + 1 == places && decimals == 0 && whole.is_empty()) {
                    out.push('0');
                    started = true;
                } else if fill {
                    out.push(' ');
                }
                index += 1;
            }
            ',' | 'G' => {
                if started {
                    out.push(',');
                } else if fill {
                    out.push(' ');
                }
            }
            '$' | 'L' => out.push('$'),
            _ => {}
        }
    }
    let sign = if negative { '-' } else { '+' };
    if whole_format.starts_with('S') {
        let digits_at = out.find(|c: char| c != ' ').unwrap_or(out.len());
        out.insert(digits_at, sign);
    } else if whole_format.contains('S') {
        out.push(sign);
    }
    if decimals > 0 {
        let fraction = if fill {
            fraction.to_string()
        } else {
            let kept = fraction_format
                .chars()
                .filter(|c| matches!(c, '9' | '0'))
                .collect::<String>()
                .rfind('0')
                .map_or(0, |at| at + 1);
            let trimmed = fraction.trim_end_matches('0');
            fraction[..trimmed.len().max(kept)].to_string()
        };
        out.push('.');
        out.push_str(&fraction);
        if fraction_format.contains('S') {
            out.push(sign);
        }
    }
    if !sign_shown {
        let digits_at = out.find(|c: char| c != ' ').unwrap_or(out.len());
        if negative {
            out.insert(digits_at, '-');
        } else if fill {
            out.insert(0, ' ');
        }
    } else if format.contains("MI") {
        out.push(if negative { '-' } else { ' ' });
    } else if format.contains("PR") {
        let digits_at = out.find(|c: char| c != ' ').unwrap_or(out.len());
        out.insert(if negative { digits_at } else { 0 }, if negative { '<' } else { ' ' });
        out.push(if negative { '>' } else { ' ' });
    }
    out
}

fn to_instant(call: &Call) -> Result<ArrayRef> {
    if call.len() == 1 {
        return call.cast(0, crate::cast::Mode::Explicit);
    }
    let (texts, formats) = (call.text(0)?, call.text(1)?);
    let lenient: BooleanArray = match call.len() {
        2 => vec![true; call.rows].into(),
        _ => call
            .bool(2)?
            .iter()
            .map(|strict| strict.map(|strict| !strict))
            .collect(),
    };
    call.instants(|row| {
        let (Some(text), Some(format)) = (at(&texts, row), at(&formats, row)) else {
            return Ok(None);
        };
        read(text, format, lenient.value(row)).map(|at| Some(micros_of(at)))
    })
}

/// Reads a date and time by a pattern. Also used by COPY's DATEFORMAT and TIMEFORMAT.
pub fn parse_with(text: &str, format: &str) -> Result<NaiveDateTime> {
    read(text, format, false)
}

/// A lenient reader lets June 31 be July 1.
fn read(text: &str, format: &str, lenient: bool) -> Result<NaiveDateTime> {
    let bad = || SqlError::new("22007", format!("invalid value \"{text}\" for format \"{format}\""));
    let (mut year, mut month, mut day, mut ordinal) = (1i32, 1u32, 1u32, None);
    let (mut hour, mut minute, mut second, mut micros) = (0u32, 0u32, 0u32, 0u32);
    let mut afternoon = None;
    let mut rest = text;
    let mut pattern_rest = format;
    let number = |rest: &mut &str, width: usize| -> Option<u32> {
        let trimmed = rest.trim_start();
        let count = trimmed.bytes().take(width).take_while(u8::is_ascii_digit).count();
        let value = trimmed.get(..count)?.parse().ok()?;
        *rest = &trimmed[count..];
        Some(value)
    };
    while let Some(c) = pattern_rest.chars().next() {
        if let Some(after) = pattern_rest.strip_prefix("FM") {
            pattern_rest = after;
            continue;
        }
        if rest.is_empty() {
            break;
        }
        let Some(pattern) = pattern_at(pattern_rest) else {
            pattern_rest = &pattern_rest[c.len_utf8()..];
            // A separator of the pattern stands for any one separator of the text.
            if rest.starts_with(|first: char| !first.is_alphanumeric()) || rest.starts_with(c) {
                let first = rest.chars().next().map_or(0, char::len_utf8);
                rest = &rest[first..];
            }
            continue;
        };
        pattern_rest = &pattern_rest[pattern.len()..];
        match pattern {
            "YYYY" | "IYYY" => year = number(&mut rest, 4).ok_or_else(bad)? as i32,
            "YYY" => year = 2000 + number(&mut rest, 3).ok_or_else(bad)? as i32,
            "YY" => {
                let short = number(&mut rest, 2).ok_or_else(bad)? as i32;
                year = if short < 70 { 2000 + short } else { 1900 + short };
            }
            "MM" => month = number(&mut rest, 2).ok_or_else(bad)?,
            "DDD" => ordinal = Some(number(&mut rest, 3).ok_or_else(bad)?),
            "DD" => day = number(&mut rest, 2).ok_or_else(bad)?,
            "HH24" => hour = number(&mut rest, 2).ok_or_else(bad)?,
            "HH12" | "HH" => hour = number(&mut rest, 2).ok_or_else(bad)?,
            "MI" => minute = number(&mut rest, 2).ok_or_else(bad)?,
            "SS" => second = number(&mut rest, 2).ok_or_else(bad)?,
            "MS" => micros = number(&mut rest, 3).ok_or_else(bad)? * 1000,
            "US" => {
                let before = rest.len();
                let value = number(&mut rest, 6).ok_or_else(bad)?;
                micros = value * 10u32.pow(6u32.saturating_sub((before - rest.len()) as u32));
            }
            "AM" | "PM" | "am" | "pm" | "A.M." | "P.M." | "a.m." | "p.m." => {
                let lower = rest.to_lowercase().replace('.', "");
                afternoon = Some(lower.starts_with("pm"));
                rest = rest.get(pattern.len()..).unwrap_or_default();
            }
            "MONTH" | "Month" | "month" | "MON" | "Mon" | "mon" => {
                let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                let name = rest[..letters].to_lowercase();
                let found = MONTHS
                    .iter()
                    .position(|month| name.len() >= 3 && month.to_lowercase().starts_with(&name[..3]));
                month = found.ok_or_else(bad)? as u32 + 1;
                rest = &rest[letters..];
            }
            "DAY" | "Day" | "day" | "DY" | "Dy" | "dy" => {
                rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic())
            }
            _ => return Err(SqlError::unsupported(format!("format pattern {pattern} for reading"))),
        }
    }
    if let Some(afternoon) = afternoon {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let date = match ordinal {
        Some(ordinal) => NaiveDate::from_yo_opt(year, ordinal),
        None if lenient && (29..=31).contains(&day) => {
            NaiveDate::from_ymd_opt(year, month, 1).map(|first| first + chrono::Days::new(u64::from(day) - 1))
        }
        None => NaiveDate::from_ymd_opt(year, month, day),
    };
    let date = date.ok_or_else(bad)?;
    let time = NaiveTime::from_hms_micro_opt(hour, minute, second, micros);
    match time {
        Some(time) => Ok(date.and_time(time)),
        // The next day has begun.
        None if lenient => {
            let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
            let shown = date.and_time(NaiveTime::MIN) + TimeDelta::seconds(seconds);
            Ok(shown + TimeDelta::microseconds(micros.into()))
        }
        None => Err(SqlError::new(
            "22008",
            format!("date/time field time value out of range: {hour}:{minute:02}:{second:02}"),
        )),
    }
}

fn number_type(shape: &Shape) -> Result<SqlType> {
    let format = shape.literal(1).unwrap_or_default().to_uppercase();
    let fraction = format.find(['D', '.']).map_or("", |at| &format[at + 1..]);
    let scale = fraction.chars().filter(|c| matches!(c, '9' | '0')).count().min(37) as u8;
    Ok(SqlType::Numeric(38, scale))
}

fn to_number(call: &Call) -> Result<ArrayRef> {
    let SqlType::Numeric(precision, scale) = call.returns else {
        return Err(SqlError::internal("to_number is numeric"));
    };
    let texts = call.text(0)?;
    let mut builder = Decimal128Array::builder(call.rows);
    for row in 0..call.rows {
        let Some(text) = at(&texts, row) else {
            builder.append_null();
            continue;
        };
        let negative = text.contains('-') || text.trim().starts_with('<');
        let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        let value = parse_decimal(&digits, scale)
            .ok_or_else(|| SqlError::new("22P02", format!("invalid input syntax for type numeric: \"{text}\"")))?;
        builder.append_value(if negative { -value } else { value });
    }
    Ok(Arc::new(
        builder.finish().with_precision_and_scale(precision, scale as i8)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_by_pattern() {
        for (number, format, expected) in [
            ("125.8", "999D99", " 125.80"),
            ("-125.8", "999D99", "-125.80"),
            ("12454.8", "99G999D9", " 12,454.8"),
            ("5", "000", " 005"),
            ("5", "FM999", "5"),
            ("1234", "FM9,999", "1,234"),
            ("0.5", "FM990.00", "0.50"),
            ("1234", "999", " ###"),
            ("-5", "S99", " -5"),
            ("12", "S99", "+12"),
            ("12", "99S", "12+"),
            ("-485", "999PR", "<485>"),
            ("485", "999PR", " 485 "),
            ("-5", "999PR", "  <5>"),
        ] {
            assert_eq!(format_number(number, format), expected, "{number} {format}");
        }
    }

    #[test]
    fn dates_are_written_and_read_by_pattern() {
        let at = parse_with("Jan 05, 2020 3:07 pm", "Mon DD, YYYY HH:MI pm").unwrap();
        assert_eq!(format_date(at, "", "YYYY-MM-DD HH24:MI:SS"), "2020-01-05 15:07:00");
        assert_eq!(
            format_date(at, "", "FMMonth FMDD \"of\" Day Q"),
            "January 5 of Sunday    1"
        );
        assert_eq!(
            parse_with("20200131", "YYYYMMDD").unwrap().date(),
            NaiveDate::from_ymd_opt(2020, 1, 31).unwrap()
        );
        assert!(parse_with("2020-13-01", "YYYY-MM-DD").is_err());
    }
}
