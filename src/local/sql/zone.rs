//! Time zones: a session's, and those that functions are told.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::error::{Result, SqlError};
use crate::value::{MICROS_PER_SECOND, datetime_of};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    Named(Tz),
    /// Seconds east of UTC.
    Fixed(i32),
}

impl Zone {
    pub const UTC: Self = Self::Named(Tz::UTC);

    /// Returns a zone by its IANA name, whatever its case.
    fn by_name(name: &str) -> Option<Self> {
        let known = || {
            let mut all = chrono_tz::TZ_VARIANTS.iter();
            all.find(|zone| zone.name().eq_ignore_ascii_case(name)).copied()
        };
        Some(match Tz::from_str(name).ok().or_else(known)? {
            // One zone by many names, and the one that costs nothing.
            Tz::Etc__UTC | Tz::Etc__UCT | Tz::Etc__Universal | Tz::Etc__Zulu | Tz::UCT | Tz::Universal | Tz::Zulu => {
                Self::UTC
            }
            zone => Self::Named(zone),
        })
    }

    /// Reads a zone as functions and literals take it: a name, an abbreviation, or an offset that POSIX counts west.
    pub fn written(text: &str) -> Result<Self> {
        let text = text.trim();
        let hours_east = match text.to_ascii_uppercase().as_str() {
            // An abbreviation is an offset, whatever the season.
            "PST" => -8,
            "PDT" | "MST" => -7,
            "MDT" | "CST" => -6,
            "CDT" | "EST" => -5,
            "EDT" => -4,
            "Z" | "UTC" | "GMT" => return Ok(Self::UTC),
            "BST" | "CET" => 1,
            "CEST" => 2,
            "JST" => 9,
            _ => {
                // The name before an offset means nothing.
                let unnamed = text.trim_start_matches(|c: char| c.is_ascii_alphabetic() || "/_ ".contains(c));
                let offset = || offset(unnamed).map(|west| Self::Fixed(-west));
                return Self::by_name(text).or_else(offset).ok_or_else(|| unknown(text));
            }
        };
        Ok(Self::Fixed(hours_east * 3600))
    }

    /// Reads a zone as SET takes it: a name, `UTC+8` as POSIX counts (west), or `-8:00` as ISO 8601 does (east).
    pub fn setting(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Some(zone) = Self::by_name(text) {
            return Ok(zone);
        }
        let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (abbreviation, rest) = text.split_at(letters);
        if letters == 0
            && let Some(seconds) = interval(rest)
        {
            return Ok(Self::Fixed(seconds));
        }
        if letters >= 3 && rest.ends_with(|c: char| c.is_ascii_alphabetic()) && !rest.contains('/') {
            return Err(SqlError::unsupported(format!("the daylight saving time of {text}")));
        }
        match offset(rest).filter(|_| abbreviation.len() >= 3) {
            Some(seconds) => Ok(Self::Fixed(-seconds)),
            None => Err(unknown(text)),
        }
    }

    /// Returns what the clocks there show.
    pub fn to_local(self, utc: i64) -> i64 {
        utc + i64::from(self.offset(utc)) * MICROS_PER_SECOND
    }

    /// Returns when the clocks there show a time. Of two such instants the later one counts; what they skip is read as if
    /// they had not.
    pub fn to_utc(self, local: i64) -> i64 {
        let offset = match (self, datetime_of(local)) {
            (Self::Fixed(seconds), _) => seconds,
            (_, None) => 0,
            (Self::Named(zone), Some(at)) => match zone.offset_from_local_datetime(&at).latest() {
                Some(offset) => offset.fix().local_minus_utc(),
                None => seconds_east(zone, at - Days::new(1)),
            },
        };
        local - i64::from(offset) * MICROS_PER_SECOND
    }

    /// Returns the seconds east of UTC at an instant.
    pub fn offset(self, utc: i64) -> i32 {
        match (self, datetime_of(utc)) {
            (Self::Fixed(seconds), _) => seconds,
            (Self::Named(zone), Some(at)) => seconds_east(zone, at),
            (Self::Named(_), None) => 0,
        }
    }

    /// Writes an offset as timestamps end: `+02`, `-03:30`.
    pub fn write_offset(self, utc: i64, out: &mut String) {
        use fmt::Write;
        let east = self.offset(utc);
        let (sign, seconds) = (if east < 0 { '-' } else { '+' }, east.abs());
        let _ = write!(out, "{sign}{:02}", seconds / 3600);
        if seconds % 3600 != 0 {
            let _ = write!(out, ":{:02}", seconds / 60 % 60);
        }
        if seconds % 60 != 0 {
            let _ = write!(out, ":{:02}", seconds % 60);
        }
    }

    /// Returns the abbreviation that is used at an instant.
    pub fn abbreviation(self, utc: i64) -> String {
        let named = match (self, datetime_of(utc)) {
            (Self::Named(zone), Some(at)) => zone.from_utc_datetime(&at).format("%Z").to_string(),
            _ => String::new(),
        };
        match named.is_empty() {
            true => self.to_string(),
            false => named,
        }
    }
}

/// Names the zone as Arrow does, which [`FromStr`] reads.
impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(zone) => f.write_str(zone.name()),
            Self::Fixed(seconds) => {
                let (sign, east) = (if *seconds < 0 { '-' } else { '+' }, seconds.abs());
                write!(f, "{sign}{:02}:{:02}", east / 3600, east / 60 % 60)
            }
        }
    }
}

impl FromStr for Zone {
    type Err = SqlError;

    fn from_str(text: &str) -> Result<Self> {
        match Tz::from_str(text) {
            Ok(zone) => Ok(Self::Named(zone)),
            Err(_) => offset(text).map(Self::Fixed).ok_or_else(|| unknown(text)),
        }
    }
}

fn unknown(text: &str) -> SqlError {
    SqlError::new("22023", format!("unrecognized time zone name: \"{text}\""))
}

fn seconds_east(zone: Tz, utc: NaiveDateTime) -> i32 {
    zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()
}

/// Reads `+8`, `-8:00`, `0830`, `5.5` as seconds. No zone is a day away.
fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (
            hours.parse::<f64>().ok()?,
            minutes.parse::<u32>().ok().filter(|m| *m < 60)?,
        ),
        None if digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            (digits[..2].parse().ok()?, digits[2..].parse().ok()?)
        }
        None => (digits.parse::<f64>().ok()?, 0),
    };
    let seconds = (hours * 3600.0) as i32 + minutes as i32 * 60;
    (seconds < 86_400).then_some(sign * seconds)
}

/// Reads an offset that may be written as an interval: `-8 hours`, `30 minutes`.
fn interval(text: &str) -> Option<i32> {
    let Some((amount, unit)) = text.trim().split_once(' ') else {
        return offset(text);
    };
    let unit = match unit.trim().to_ascii_lowercase().trim_end_matches('s') {
        "hour" => 3600,
        "minute" => 60,
        _ => return None,
    };
    let seconds = amount.parse::<i32>().ok()?.checked_mul(unit)?;
    (seconds.abs() < 86_400).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_reads_east_in_iso_and_west_in_posix() {
        let hours = |text: &str| Zone::setting(text).map(|zone| f64::from(zone.offset(0)) / 3600.0).ok();
        for (text, east) in [
            ("-8:00", -8.0),
            ("-8 hours", -8.0),
            ("30 minutes", 0.5),
            ("+7:30", 7.5),
            ("-8", -8.0),
            ("PST8", -8.0),
            ("UTC-3", 3.0),
            ("Etc/GMT+5", -5.0),
            ("asia/kolkata", 5.5),
        ] {
            assert_eq!(hours(text), Some(east), "{text}");
        }
        assert_eq!(Zone::setting("etc/utc").ok(), Some(Zone::UTC));
        for text in ["Mars/Olympus", "PDT", "+25", "CET-1CEST", ""] {
            assert_eq!(hours(text), None, "{text}");
        }
    }

    #[test]
    fn clocks_that_jump_are_read_as_postgresql_reads_them() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let text = |local: &str| {
            let at = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").unwrap();
            let utc = berlin.to_utc(crate::value::micros_of(at));
            datetime_of(utc).unwrap().format("%Y-%m-%d %H:%M").to_string()
        };
        assert_eq!(text("2024-07-01 12:00"), "2024-07-01 10:00");
        // Nobody's clock showed this; and this, everybody's twice.
        assert_eq!(text("2024-03-31 02:30"), "2024-03-31 01:30");
        assert_eq!(text("2024-10-27 02:30"), "2024-10-27 01:30");
    }
}
