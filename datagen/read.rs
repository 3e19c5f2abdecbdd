//! Reads a definition's TOML into a `Dataset`. Never stops at the first mistake; every key that is not asked for
//! is a mistake too, so a misspelt key cannot be silently ignored.

use crate::calendar::{Calendar, parse_date};
use crate::definition::{At, Column, Csv, Dataset, Format, Layout, Rows, Style, Table, Type};
use crate::problem::{Problem, did_you_mean};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod generator;

type Problems = RefCell<Vec<Problem>>;

pub(crate) fn dataset(source_name: &str, text: &str) -> Result<Dataset, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let problems = Problems::default();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        problems.borrow_mut().push(Problem::new(
            "bad-toml",
            "the file is not valid TOML",
            span,
            error.message(),
        ));
    }
    if !problems.borrow().is_empty() {
        return Err(problems.into_inner());
    }
    let root = Keys::new(document.get_ref(), 0..0, &problems);
    let name = root
        .text("name")
        .map_or_else(|| source_name.to_owned(), |name| name.value);
    let version = root
        .count("version")
        .map_or(1, |version| u32::try_from(version.value).unwrap_or(u32::MAX));
    let description = root.text("description").map(|d| d.value).unwrap_or_default();
    let calendar = calendar(root.table("calendar"), &problems);
    let format = root
        .table("format")
        .map_or_else(|| Some(Format::Csv(Csv::default())), |keys| format(&keys));
    let mut tables = Vec::new();
    match root.table("table") {
        Some(keys) if !keys.table.is_empty() => {
            for (key, value) in keys.table {
                keys.seen.borrow_mut().push(key.get_ref().to_string());
                let name = At {
                    value: key.get_ref().to_string(),
                    span: key.span(),
                };
                match value.get_ref() {
                    DeValue::Table(inner) => {
                        tables.extend(table(name, &Keys::new(inner, key.span(), &problems), format.as_ref()));
                    }
                    other => problems.borrow_mut().push(wrong_type("a table", other, value.span())),
                }
            }
            keys.finish("[table.<name>]");
        }
        _ => problems.borrow_mut().push(
            Problem::new(
                "no-tables",
                "a dataset needs at least one table",
                0..0,
                "no `[table.<name>]` here",
            )
            .hint("add `[table.people]` with `columns = [ … ]`"),
        ),
    }
    let files = files(&root);
    root.finish("a dataset");
    let dataset = Dataset {
        name,
        version,
        description,
        calendar,
        source: Arc::from(text),
        tables,
        files,
    };
    let mut problems = problems.into_inner();
    if problems.is_empty() {
        problems = crate::check::dataset(&dataset);
    }
    if problems.is_empty() {
        Ok(dataset)
    } else {
        problems.sort_by_key(|problem| problem.span.start);
        Err(problems)
    }
}

/// Files that are written as they stand: `[[file]]` with `key` and `text`.
fn files(root: &Keys) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for value in root.array("file").map_or(&[][..], |array| array.value) {
        let DeValue::Table(inner) = value.get_ref() else {
            root.problem(wrong_type("a table", value.get_ref(), value.span()));
            continue;
        };
        let keys = Keys::new(inner, value.span(), root.problems);
        let key = keys.required("key", keys.text("key"));
        let text = keys.required("text", keys.text("text"));
        keys.finish("a file");
        let (Some(key), Some(text)) = (key, text) else { continue };
        if key.value.split('/').all(|part| plain(&part.replace('.', "_"))) {
            files.push((key.value, text.value));
        } else {
            keys.problem(bad_name(&key));
        }
    }
    files
}

fn wrong_type(wanted: &str, found: &DeValue, span: Range<usize>) -> Problem {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    Problem::new(
        "wrong-type",
        "a value has the wrong type",
        span,
        format!("expected {wanted}, found {found}"),
    )
}

/// A TOML table being read, which remembers the keys it was asked for.
struct Keys<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    seen: RefCell<Vec<String>>,
    problems: &'a Problems,
}

impl<'a> Keys<'a> {
    fn new(table: &'a DeTable<'a>, span: Range<usize>, problems: &'a Problems) -> Self {
        Self {
            table,
            span,
            seen: RefCell::default(),
            problems,
        }
    }

    fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.seen.borrow_mut().push(key.to_owned());
        self.table.get(key)
    }

    fn convert<T>(&self, key: &str, wanted: &str, convert: impl Fn(&'a DeValue<'a>) -> Option<T>) -> Option<At<T>> {
        let value = self.get(key)?;
        match convert(value.get_ref()) {
            Some(converted) => Some(At {
                value: converted,
                span: value.span(),
            }),
            None => {
                self.problem(wrong_type(wanted, value.get_ref(), value.span()));
                None
            }
        }
    }

    fn text(&self, key: &str) -> Option<At<String>> {
        self.convert(key, "a string", |value| match value {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        })
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.convert(key, "true or false", |value| match value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => None,
        })
        .map(|at| at.value)
    }

    fn count(&self, key: &str) -> Option<At<u64>> {
        self.convert(key, "an integer from 0 up", integer::<u64>)
    }

    fn integer(&self, key: &str) -> Option<At<i64>> {
        self.convert(key, "an integer", integer::<i64>)
    }

    fn number(&self, key: &str) -> Option<At<f64>> {
        self.convert(key, "a number", number)
    }

    /// A share: `0.05` or `"5%"`.
    fn share(&self, key: &str) -> Option<At<f64>> {
        self.share_up_to(key, 1.0)
    }

    fn share_up_to(&self, key: &str, most: f64) -> Option<At<f64>> {
        let share = self.convert(key, "a share such as 0.05 or \"5%\"", |value| match value {
            DeValue::String(text) => text.strip_suffix('%')?.trim().parse::<f64>().ok().map(|n| n / 100.0),
            other => number(other),
        })?;
        if (0.0..=most).contains(&share.value) {
            Some(share)
        } else {
            self.problem(
                Problem::new(
                    "bad-range",
                    "a share is out of range",
                    share.span,
                    format!("not between 0 and {} %", most * 100.0),
                )
                .hint("write `0.05` or `\"5%\"`"),
            );
            None
        }
    }

    fn table(&self, key: &str) -> Option<Keys<'a>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Keys::new(table, value.span(), self.problems)),
            other => {
                self.problem(wrong_type("a table", other, value.span()));
                None
            }
        }
    }

    fn array(&self, key: &str) -> Option<At<&'a [Spanned<DeValue<'a>>]>> {
        self.convert(key, "an array", |value| match value {
            DeValue::Array(array) => Some(&array[..]),
            _ => None,
        })
    }

    fn numbers(&self, key: &str) -> Option<At<Vec<f64>>> {
        let array = self.array(key)?;
        let mut numbers = Vec::new();
        for value in array.value {
            match number(value.get_ref()) {
                Some(n) if n >= 0.0 && n.is_finite() => numbers.push(n),
                _ => self.problem(wrong_type("a number from 0 up", value.get_ref(), value.span())),
            }
        }
        Some(At {
            value: numbers,
            span: array.span,
        })
    }

    fn required<T>(&self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.table.contains_key(key) {
            self.problem(Problem::new(
                "missing-key",
                "a key is missing",
                self.span.clone(),
                format!("`{key}` is needed here"),
            ));
        }
        value
    }

    fn finish(&self, place: &str) {
        let seen = self.seen.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if seen.iter().any(|known| known == name) {
                continue;
            }
            let mut problem = Problem::new(
                "unknown-key",
                "a key is not known",
                key.span(),
                format!("{place} has no `{name}`"),
            );
            problem.hint = did_you_mean(name, seen.iter().map(String::as_str));
            self.problem(problem);
        }
    }
}

trait Integer: Sized {
    fn from_radix(text: &str, radix: u32) -> Option<Self>;
}

impl Integer for u64 {
    fn from_radix(text: &str, radix: u32) -> Option<Self> {
        Self::from_str_radix(text, radix).ok()
    }
}

impl Integer for i64 {
    fn from_radix(text: &str, radix: u32) -> Option<Self> {
        Self::from_str_radix(text, radix).ok()
    }
}

fn integer<T: Integer>(value: &DeValue) -> Option<T> {
    match value {
        DeValue::Integer(integer) => T::from_radix(integer.as_str(), integer.radix()),
        _ => None,
    }
}

fn number(value: &DeValue) -> Option<f64> {
    let number: f64 = match value {
        DeValue::Integer(_) => integer::<i64>(value)? as f64,
        DeValue::Float(float) => float.as_str().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

fn calendar(keys: Option<Keys>, problems: &Problems) -> Calendar {
    let mut calendar = Calendar {
        first: parse_date("2020-01-01").expect("a date"),
        last: parse_date("2024-12-31").expect("a date"),
        weekdays: [1.0; 7],
        months: [1.0; 12],
        growth: 0.0,
        hours: [1.0; 24],
    };
    let Some(keys) = keys else { return calendar };
    let date = |key: &str| {
        let value = keys.get(key)?;
        match date_of(value.get_ref()) {
            Some(day) => Some(At {
                value: day,
                span: value.span(),
            }),
            None => {
                keys.problem(bad_date(value.span()));
                None
            }
        }
    };
    if let Some(first) = date("from") {
        calendar.first = first.value;
    }
    if let Some(last) = date("to") {
        calendar.last = last.value;
        let days = calendar.last.saturating_sub(calendar.first);
        if !(0..=36_525).contains(&days) {
            keys.problem(Problem::new(
                "bad-range",
                "a calendar must end after it begins, within a hundred years",
                last.span,
                "this day is out of reach of `from`",
            ));
        }
    }
    fill(&keys, "weekdays", &mut calendar.weekdays, problems);
    fill(&keys, "months", &mut calendar.months, problems);
    fill(&keys, "hours", &mut calendar.hours, problems);
    if let Some(growth) = keys.number("growth") {
        calendar.growth = growth.value;
    }
    keys.finish("[calendar]");
    calendar
}

fn fill(keys: &Keys, key: &str, weights: &mut [f64], problems: &Problems) {
    let Some(numbers) = keys.numbers(key) else { return };
    if numbers.value.len() != weights.len() {
        problems.borrow_mut().push(Problem::new(
            "wrong-length",
            "a list has the wrong length",
            numbers.span,
            format!(
                "{} weights are needed, {} are given",
                weights.len(),
                numbers.value.len()
            ),
        ));
    } else if numbers.value.iter().sum::<f64>() <= 0.0 {
        problems.borrow_mut().push(zero_weights(numbers.span));
    } else {
        // Weights are taken relative to the largest, so that their absolute size means nothing.
        let largest = numbers.value.iter().copied().fold(0.0, f64::max);
        for (weight, number) in weights.iter_mut().zip(numbers.value) {
            *weight = number / largest;
        }
    }
}

fn zero_weights(span: Range<usize>) -> Problem {
    Problem::new(
        "zero-weights",
        "all weights are zero",
        span,
        "nothing could ever be chosen",
    )
    .hint("give at least one weight above 0")
}

fn bad_date(span: Range<usize>) -> Problem {
    Problem::new("bad-date", "a value is not a date", span, "not a day of the calendar").hint("write `\"2024-05-01\"`")
}

fn date_of(value: &DeValue) -> Option<i64> {
    match value {
        DeValue::String(text) => parse_date(text),
        DeValue::Datetime(date) => parse_date(&date.to_string()),
        _ => None,
    }
}

fn format(keys: &Keys) -> Option<Format> {
    let kind = keys.text("type");
    let format = match kind.as_ref().map(|kind| kind.value.as_str()) {
        None | Some("csv") => {
            let mut csv = Csv::default();
            let byte = |key: &str| {
                let text = keys.text(key)?;
                match text.value.as_bytes() {
                    [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\r\n-.:".contains(byte) => {
                        Some(*byte)
                    }
                    _ => {
                        keys.problem(
                            Problem::new(
                                "bad-format",
                                "a delimiter cannot be used",
                                text.span,
                                "not one plain sign",
                            )
                            .hint("use one ASCII sign such as `|`, `,` or a tab"),
                        );
                        None
                    }
                }
            };
            csv.delimiter = byte("delimiter").unwrap_or(csv.delimiter);
            csv.quote = byte("quote").unwrap_or(csv.quote);
            csv.header = keys.flag("header").unwrap_or(csv.header);
            if let Some(end) = keys.text("line_end") {
                match end.value.as_str() {
                    "lf" => csv.crlf = false,
                    "crlf" => csv.crlf = true,
                    _ => keys.problem(one_of("a line end", &end, &["lf", "crlf"])),
                }
            }
            if let Some(null) = keys.text("null") {
                if null.value.len() > 16
                    || null
                        .value
                        .bytes()
                        .any(|b| b == csv.delimiter || b == b'\n' || b == b'\r')
                {
                    keys.problem(Problem::new(
                        "bad-format",
                        "a null marker cannot be used",
                        null.span,
                        "longer than 16 bytes, or with a delimiter or line end in it",
                    ));
                } else {
                    csv.null = null.value;
                }
            }
            Some(Format::Csv(csv))
        }
        Some("json") => Some(Format::JsonLines),
        Some("parquet") => Some(Format::Parquet),
        Some(_) => {
            keys.problem(one_of(
                "a format",
                kind.as_ref().expect("matched above"),
                &["csv", "json", "parquet"],
            ));
            None
        }
    };
    keys.finish("a format");
    format
}

fn one_of(what: &str, found: &At<String>, known: &[&str]) -> Problem {
    let mut problem = Problem::new(
        "unknown-name",
        format!("{what} is not known"),
        found.span.clone(),
        format!("`{}` is none of {}", found.value, known.join(", ")),
    );
    problem.hint = did_you_mean(&found.value, known.iter().copied());
    problem
}

fn table(name: At<String>, keys: &Keys, default: Option<&Format>) -> Option<Table> {
    if !plain(&name.value) {
        keys.problem(bad_name(&name));
    }
    let folder = keys.text("folder");
    if let Some(folder) = &folder
        && !folder.value.split('/').all(plain)
    {
        keys.problem(bad_name(folder));
    }
    let rows = rows(keys);
    let own = keys.table("format").map(|keys| format(&keys));
    let internal = keys.flag("internal").unwrap_or(false);
    let by_day = keys.flag("by_day").unwrap_or(false);
    let layout = layout(keys);
    let columns = keys.required("columns", keys.array("columns").or_else(|| keys.array("column")));
    let columns = columns.map_or_else(Vec::new, |array| {
        let mut columns = Vec::new();
        for value in array.value {
            match value.get_ref() {
                DeValue::Table(inner) => columns.extend(column(&Keys::new(inner, value.span(), keys.problems))),
                other => keys.problem(wrong_type("a table", other, value.span())),
            }
        }
        columns
    });
    keys.finish("a table");
    let format = own.unwrap_or_else(|| default.cloned())?;
    let folder = folder.map_or_else(|| name.value.clone(), |folder| folder.value);
    Some(Table {
        name,
        folder,
        rows: rows?,
        format,
        internal,
        by_day,
        layout,
        columns,
    })
}

/// Names become SQL names and parts of object keys.
fn plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 120
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && !name.starts_with('-')
}

fn bad_name(name: &At<String>) -> Problem {
    Problem::new(
        "bad-name",
        "a name cannot be used",
        name.span.clone(),
        "letters, digits, `_` and `-` only",
    )
}

fn layout(keys: &Keys) -> Layout {
    let days = keys.flag("partition_by_day").unwrap_or(false);
    let path = keys.text("day_path");
    let object = keys.text("object_per_row");
    match (days, path, object) {
        (_, None, Some(column)) => Layout::Object(column),
        (_, Some(path), _) => Layout::DayPath(path.value),
        (true, None, None) => Layout::Days,
        (false, None, None) => Layout::Files,
    }
}

fn rows(keys: &Keys) -> Option<Rows> {
    let Some(value) = keys.get("rows") else {
        return Some(Rows::Asked);
    };
    let span = value.span();
    match value.get_ref() {
        DeValue::String(text) => match text.as_ref() {
            "asked" => Some(Rows::Asked),
            "per_day" => Some(Rows::PerDay),
            _ => {
                let found = At {
                    value: text.to_string(),
                    span,
                };
                keys.problem(one_of("a number of rows", &found, &["asked", "per_day"]));
                None
            }
        },
        DeValue::Table(inner) => {
            let inner = Keys::new(inner, span, keys.problems);
            let rows = if inner.table.contains_key("of") {
                let table = inner.text("of")?;
                let each = inner.count("each").map_or(1, |each| each.value);
                Rows::Each { table, each }
            } else {
                let share = inner.required("share", inner.share_up_to("share", 1_000.0))?;
                let min = inner.count("min").map_or(0, |min| min.value);
                let max = inner.count("max").map_or(u64::MAX, |max| max.value);
                if min > max {
                    inner.problem(empty_range(inner.span.clone()));
                }
                Rows::Share {
                    billionths: (share.value * 1e9 + 0.5) as u64,
                    min,
                    max,
                }
            };
            inner.finish("a number of rows");
            Some(rows)
        }
        other => match integer::<u64>(other) {
            Some(count) => Some(Rows::Fixed(count)),
            None => {
                keys.problem(wrong_type("a number of rows", other, span));
                None
            }
        },
    }
}

fn empty_range(span: Range<usize>) -> Problem {
    Problem::new("bad-range", "a range is empty", span, "`min` is above `max`")
}

fn column(keys: &Keys) -> Option<Column> {
    let name = keys.required("name", keys.text("name"))?;
    if !plain(&name.value) {
        keys.problem(bad_name(&name));
    }
    let kind = keys.text("type").map_or(Some(Type::Text), |text| {
        let kind = kind_of(&text.value);
        if kind.is_none() {
            let known = "smallint int bigint decimal(p,s) double(s) text boolean date timestamp uuid";
            let mut problem = Problem::new(
                "unknown-type",
                "a type is not known",
                text.span.clone(),
                format!("`{}` is none of {known}", text.value),
            );
            problem.hint = did_you_mean(&text.value, known.split(' '));
            keys.problem(problem);
        }
        kind
    })?;
    let hidden = keys.flag("hidden").unwrap_or(false);
    let null = keys.share("null").map_or(0.0, |share| share.value);
    let changes = keys.share("changes").map_or(0.0, |share| share.value);
    let references = keys.text("references");
    let by = keys.text("by");
    let only_if = keys.text("only_if");
    let style = style(keys, kind);
    let generator = generator::read(keys, kind);
    keys.finish("a column");
    Some(Column {
        name,
        span: keys.span.clone(),
        kind,
        hidden,
        null,
        changes,
        references,
        style,
        by,
        only_if,
        generator: generator?,
    })
}

fn style(keys: &Keys, kind: Type) -> Style {
    let mut style = Style::default();
    if matches!(kind, Type::Date | Type::Timestamp)
        && let Some(pattern) = keys.text("pattern")
    {
        if pattern.value.len() > 32 || pattern.value.contains(['|', '"', '\\', '\n', '\r', '\t']) {
            keys.problem(Problem::new(
                "bad-format",
                "a pattern cannot be used",
                pattern.span,
                "too long or unsafe",
            ));
        } else {
            style.pattern = Some(pattern.value);
        }
    }
    if matches!(kind, Type::Decimal { .. } | Type::Double { .. }) {
        style.comma = keys.flag("decimal_comma").unwrap_or(false);
    }
    if kind == Type::Boolean
        && let Some(array) = keys.array("as")
    {
        let texts: Vec<String> = array
            .value
            .iter()
            .filter_map(|value| match value.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            })
            .collect();
        match <[String; 2]>::try_from(texts) {
            Ok([yes, no]) => style.booleans = Some((yes, no)),
            Err(_) => keys.problem(Problem::new(
                "wrong-length",
                "a list has the wrong length",
                array.span,
                "two texts are needed: for true and for false",
            )),
        }
    }
    style
}

fn kind_of(text: &str) -> Option<Type> {
    let arguments = |name: &str| -> Option<Vec<u8>> {
        let inner = text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?;
        inner.split(',').map(|n| n.trim().parse().ok()).collect()
    };
    Some(match text {
        "smallint" => Type::SmallInt,
        "int" => Type::Int,
        "bigint" => Type::BigInt,
        "text" => Type::Text,
        "boolean" => Type::Boolean,
        "date" => Type::Date,
        "timestamp" => Type::Timestamp,
        "uuid" => Type::Uuid,
        _ => {
            if let Some(&[precision, scale]) = arguments("decimal").as_deref() {
                if precision > 18 || precision == 0 || scale > precision {
                    return None;
                }
                Type::Decimal { precision, scale }
            } else {
                let &[scale] = arguments("double")?.as_slice() else {
                    return None;
                };
                if scale > 9 {
                    return None;
                }
                Type::Double { scale }
            }
        }
    })
}
