//! The cron grammar of AWS schedules: `cron(minute hour day-of-month month day-of-week year)`.

use std::ops::RangeInclusive;

const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

struct Field {
    name: &'static str,
    range: RangeInclusive<u32>,
    words: &'static [&'static str],
    /// Letters with a meaning here: `L` last, `W` nearest weekday, `#` the n-th.
    special: &'static str,
}

const FIELDS: [Field; 6] = [
    Field {
        name: "minutes",
        range: 0..=59,
        words: &[],
        special: "",
    },
    Field {
        name: "hours",
        range: 0..=23,
        words: &[],
        special: "",
    },
    Field {
        name: "day of month",
        range: 1..=31,
        words: &[],
        special: "?LW",
    },
    Field {
        name: "month",
        range: 1..=12,
        words: MONTHS,
        special: "",
    },
    Field {
        name: "day of week",
        range: 1..=7,
        words: DAYS,
        special: "?L#",
    },
    Field {
        name: "year",
        range: 1970..=2199,
        words: &[],
        special: "",
    },
];

/// Returns why `text` is not a schedule, if it is not.
pub fn fault(text: &str) -> Option<String> {
    if text.starts_with("rate(") {
        return Some("Glue takes no `rate(…)`: write it as `cron(…)`".to_owned());
    }
    let Some(inside) = text.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')) else {
        return Some("must have the form `cron(…)`".to_owned());
    };
    let parts: Vec<&str> = inside.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Some(format!(
            "{} fields instead of six: minutes hours day-of-month month day-of-week year",
            parts.len()
        ));
    }
    for (part, field) in parts.iter().zip(&FIELDS) {
        if let Some(fault) = part.split(',').find_map(|item| item_fault(item, field)) {
            return Some(format!("{}: {fault}", field.name));
        }
    }
    match (parts[2], parts[4]) {
        ("?", "?") => Some("day of month and day of week cannot both be `?`".to_owned()),
        ("?", _) | (_, "?") => minutes_fault(parts[0]),
        _ => Some("one of day of month and day of week must be `?`".to_owned()),
    }
}

fn item_fault(item: &str, field: &Field) -> Option<String> {
    let upper = item.to_uppercase();
    if upper == "*" || (upper == "?" && field.special.contains('?')) || (upper == "L" && field.special.contains('L')) {
        return None;
    }
    let (item, step) = match upper.split_once('/') {
        Some((item, step)) => (item.to_owned(), Some(step.to_owned())),
        None => (upper, None),
    };
    if let Some(step) = step
        && !step.parse::<u32>().is_ok_and(|step| step > 0)
    {
        return Some(format!("`{step}` is not a step"));
    }
    if item == "*" {
        return None;
    }
    if field.special.contains('W') && item.ends_with('W') {
        return number(item.trim_end_matches('W'), field).err();
    }
    if field.special.contains('#')
        && let Some((day, nth)) = item.split_once('#')
    {
        return number(day, field)
            .err()
            .or_else(|| (!matches!(nth, "1" | "2" | "3" | "4" | "5")).then(|| format!("`{nth}` is not 1 to 5")));
    }
    if field.special.contains('L') && item.len() > 1 && item.ends_with('L') {
        return number(item.trim_end_matches('L'), field).err();
    }
    match item.split_once('-') {
        Some((from, to)) => match (number(from, field), number(to, field)) {
            (Ok(from), Ok(to)) if from <= to => None,
            (Ok(_), Ok(_)) => Some(format!("`{item}` runs backwards")),
            (Err(fault), _) | (_, Err(fault)) => Some(fault),
        },
        None => number(&item, field).err(),
    }
}

fn number(text: &str, field: &Field) -> Result<u32, String> {
    if let Some(index) = field.words.iter().position(|word| *word == text) {
        return Ok(index as u32 + 1);
    }
    match text.parse::<u32>() {
        Ok(number) if field.range.contains(&number) => Ok(number),
        _ => Err(format!(
            "`{text}` is not {} to {}",
            field.range.start(),
            field.range.end()
        )),
    }
}

/// Glue runs nothing more often than every five minutes.
fn minutes_fault(minutes: &str) -> Option<String> {
    let every = match minutes.split_once('/') {
        Some((_, step)) => step.parse::<u32>().ok()?,
        None if minutes == "*" => 1,
        None => return None,
    };
    (every < 5).then(|| "more often than every five minutes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn schedules_that_aws_takes_are_taken() {
        for text in [
            "cron(0 2 * * ? *)",
            "cron(15 10 ? * MON-FRI *)",
            "cron(0/15 * * * ? *)",
            "cron(0 8 L * ? *)",
            "cron(0 8 15W * ? 2026-2030)",
            "cron(0 8 ? * 6L *)",
            "cron(0 8 ? JAN,jul 3#2 *)",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let faults = [
            ("rate(1 day)", "Glue takes no `rate(…)`: write it as `cron(…)`"),
            ("0 2 * * ? *", "must have the form `cron(…)`"),
            (
                "cron(0 2 * * *)",
                "5 fields instead of six: minutes hours day-of-month month day-of-week year",
            ),
            ("cron(60 2 * * ? *)", "minutes: `60` is not 0 to 59"),
            ("cron(0 2 * * * *)", "one of day of month and day of week must be `?`"),
            ("cron(0 2 ? * ? *)", "day of month and day of week cannot both be `?`"),
            ("cron(0 2 ? * FRI-MON *)", "day of week: `FRI-MON` runs backwards"),
            ("cron(0/0 2 * * ? *)", "minutes: `0` is not a step"),
            ("cron(* 2 * * ? *)", "more often than every five minutes"),
            ("cron(0 2 * FOO ? *)", "month: `FOO` is not 1 to 12"),
        ];
        for (text, expected) in faults {
            assert_eq!(fault(text).as_deref(), Some(expected), "{text}");
        }
    }
}
