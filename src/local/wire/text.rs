//! Small conversions that the protocols share: instants, names and XML's escapes.

use chrono::{DateTime, NaiveDateTime, SecondsFormat};

/// Returns the instant as AWS writes it in XML: `2026-01-02T03:04:05.678Z`, without the fraction when `whole`.
pub fn instant(seconds: f64, whole: bool) -> String {
    let format = if whole {
        SecondsFormat::Secs
    } else {
        SecondsFormat::Millis
    };
    let instant = DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64).unwrap_or_default();
    instant.to_rfc3339_opts(format, true)
}

/// Reads an instant written as RFC 3339, without a zone, as a date or as seconds.
pub fn seconds(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    let instant = DateTime::parse_from_rfc3339(text)
        .map(|instant| instant.to_utc())
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|instant| instant.and_utc()))
        .or_else(|_| {
            chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc())
        });
    instant.ok().map(|instant| instant.timestamp_millis() as f64 / 1000.0)
}

pub fn capitalised(name: &str) -> String {
    changed_first(name, |first| first.to_ascii_uppercase())
}

pub fn uncapitalised(name: &str) -> String {
    changed_first(name, |first| first.to_ascii_lowercase())
}

fn changed_first(name: &str, change: impl Fn(char) -> char) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| change(first).to_string() + letters.as_str())
        .unwrap_or_default()
}

/// Appends text as XML character data. Characters that XML 1.0 cannot hold become U+FFFD.
pub fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(letter),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
}
