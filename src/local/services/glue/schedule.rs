//! Schedules: `cron(minutes hours day-of-month month day-of-week year)` in UTC.

use chrono::{DateTime, Datelike, Duration, TimeZone, Timelike, Utc};

/// A parsed schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Cron {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Days,
    months: Vec<u32>,
    weekdays: Weekdays,
    years: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Days {
    Any,
    Each(Vec<u32>),
    Last,
    /// The weekday nearest to a day.
    Nearest(u32),
}

#[derive(Clone, Debug, PartialEq)]
enum Weekdays {
    Any,
    /// 1 is Sunday.
    Each(Vec<u32>),
    /// The n-th of a weekday in the month.
    Nth(u32, u32),
    /// The last of a weekday in the month.
    Last(u32),
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Cron {
    /// Parses an expression, or says what is wrong with it.
    pub fn parse(expression: &str) -> Result<Self, String> {
        let inside = expression
            .trim()
            .strip_prefix("cron(")
            .and_then(|rest| rest.strip_suffix(')'));
        let inside = inside.ok_or("a schedule is written cron(…)")?;
        let fields: Vec<&str> = inside.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields[..] else {
            return Err("a schedule has six fields".into());
        };
        if (days == "?") == (weekdays == "?") {
            return Err("one of day-of-month and day-of-week must be ?".into());
        }
        Ok(Self {
            minutes: list(minutes, 0, 59, &[])?,
            hours: list(hours, 0, 23, &[])?,
            days: match days {
                "?" | "*" => Days::Any,
                "L" => Days::Last,
                day => match day.strip_suffix('W') {
                    Some(day) => Days::Nearest(number(day, 1, 31, &[])?),
                    None => Days::Each(list(day, 1, 31, &[])?),
                },
            },
            months: list(months, 1, 12, &MONTHS)?,
            weekdays: match weekdays {
                "?" | "*" => Weekdays::Any,
                day => match (day.split_once('#'), day.strip_suffix('L')) {
                    (Some((day, nth)), _) => Weekdays::Nth(number(day, 1, 7, &WEEKDAYS)?, number(nth, 1, 5, &[])?),
                    (None, Some(day)) => Weekdays::Last(if day.is_empty() {
                        7
                    } else {
                        number(day, 1, 7, &WEEKDAYS)?
                    }),
                    (None, None) => Weekdays::Each(list(day, 1, 7, &WEEKDAYS)?),
                },
            },
            years: list(years, 1970, 2199, &[])?,
        })
    }

    /// Returns the first instant of the schedule after `now`, in seconds since the epoch.
    pub fn next(&self, now: f64) -> Option<f64> {
        let start = Utc.timestamp_opt(now as i64, 0).single()?;
        let mut at = start.with_second(0)? + Duration::minutes(1);
        let last = *self.years.last()? as i32;
        while at.year() <= last {
            if !self.years.contains(&(at.year() as u32)) || !self.months.contains(&at.month()) {
                at = next_month(at)?;
            } else if !self.has_day(at) {
                at = midnight(at)? + Duration::days(1);
            } else if !self.hours.contains(&at.hour()) {
                at = at.with_minute(0)? + Duration::hours(1);
            } else if !self.minutes.contains(&at.minute()) {
                at += Duration::minutes(1);
            } else {
                return Some(at.timestamp() as f64);
            }
        }
        None
    }

    fn has_day(&self, at: DateTime<Utc>) -> bool {
        let length = days_in_month(at);
        let weekday = at.weekday().num_days_from_sunday() + 1;
        let day = match &self.days {
            Days::Any => true,
            Days::Each(days) => days.contains(&at.day()),
            Days::Last => at.day() == length,
            Days::Nearest(wanted) => at.day() == nearest_weekday(at, (*wanted).min(length), length),
        };
        let in_week = match &self.weekdays {
            Weekdays::Any => true,
            Weekdays::Each(days) => days.contains(&weekday),
            Weekdays::Nth(wanted, nth) => weekday == *wanted && (at.day() - 1) / 7 + 1 == *nth,
            Weekdays::Last(wanted) => weekday == *wanted && at.day() + 7 > length,
        };
        day && in_week
    }
}

fn midnight(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    at.with_hour(0)?.with_minute(0)
}

fn next_month(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (year, month) = if at.month() == 12 {
        (at.year() + 1, 1)
    } else {
        (at.year(), at.month() + 1)
    };
    Utc.with_ymd_and_hms(year, month, 1, 0, 0, 0).single()
}

fn days_in_month(at: DateTime<Utc>) -> u32 {
    next_month(at).map_or(31, |next| (next - Duration::days(1)).day())
}

fn nearest_weekday(at: DateTime<Utc>, day: u32, length: u32) -> u32 {
    let Some(wanted) = at.with_day(day) else { return day };
    match wanted.weekday().num_days_from_sunday() {
        6 if day > 1 => day - 1,
        6 => day + 2,
        0 if day < length => day + 1,
        0 => day - 2,
        _ => day,
    }
}

fn number(text: &str, low: u32, high: u32, names: &[&str]) -> Result<u32, String> {
    let named = names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
        .map(|at| at as u32 + low);
    let value = named
        .or_else(|| text.parse().ok())
        .filter(|value| (low..=high).contains(value));
    value.ok_or_else(|| format!("`{text}` is not between {low} and {high}"))
}

fn list(text: &str, low: u32, high: u32, names: &[&str]) -> Result<Vec<u32>, String> {
    let mut found = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step, 1, high.max(1), &[])?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from, low, high, names)?, number(to, low, high, names)?),
            None if range == "*" => (low, high),
            None => {
                let one = number(range, low, high, names)?;
                (one, if step.is_some() { high } else { one })
            }
        };
        if from > to {
            return Err(format!("`{part}` runs backwards"));
        }
        found.extend((from..=to).step_by(step.unwrap_or(1) as usize));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, from: &str) -> String {
        let from = DateTime::parse_from_rfc3339(from).unwrap().timestamp() as f64;
        let next = Cron::parse(expression).unwrap().next(from).unwrap();
        Utc.timestamp_opt(next as i64, 0)
            .unwrap()
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    #[test]
    fn the_next_instant_is_found() {
        let cases = [
            ("cron(15 12 * * ? *)", "2024-02-28T12:15:00Z", "2024-02-29T12:15:00Z"),
            ("cron(0/5 0 1-31 * ? *)", "2024-01-01T00:07:30Z", "2024-01-01T00:10:00Z"),
            ("cron(0/5 0 1-31 * ? *)", "2024-01-01T00:57:00Z", "2024-01-02T00:00:00Z"),
            (
                "cron(0 18 ? * MON-FRI *)",
                "2024-06-07T18:00:00Z",
                "2024-06-10T18:00:00Z",
            ),
            ("cron(0 8 L * ? *)", "2024-02-01T00:00:00Z", "2024-02-29T08:00:00Z"),
            ("cron(0 8 1W * ? *)", "2024-05-31T08:00:00Z", "2024-06-03T08:00:00Z"),
            ("cron(0 8 ? * 6#3 *)", "2024-06-01T00:00:00Z", "2024-06-21T08:00:00Z"),
            ("cron(0 8 ? * 6L *)", "2024-06-01T00:00:00Z", "2024-06-28T08:00:00Z"),
            ("cron(0 0 1 JAN ? 2030)", "2024-06-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ];
        for (expression, from, wanted) in cases {
            assert_eq!(next(expression, from), wanted, "{expression} after {from}");
        }
        assert_eq!(Cron::parse("cron(0 0 1 1 ? 2020)").unwrap().next(1.7e9), None);
    }

    #[test]
    fn mistakes_are_refused() {
        for expression in [
            "",
            "rate(5 minutes)",
            "cron(* * * * *)",
            "cron(0 0 * * * *)",
            "cron(60 0 * * ? *)",
            "cron(0 0 ? * FOO *)",
            "cron(0 0 ? * ? *)",
            "cron(9-5 0 * * ? *)",
        ] {
            assert!(Cron::parse(expression).is_err(), "{expression}");
        }
    }
}
