//! What a dataset definition says, after reading and before anything is asked of it: tables, columns in order,
//! types and generators. Numbers are already in a column's own units (cents, days, seconds).

use crate::calendar::Calendar;
use crate::problem::Problem;
use std::ops::Range;
use std::sync::Arc;

/// A dataset: its tables, and the text they were read from.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name, as in `--dataset NAME`.
    pub name: String,
    /// Raised by its author when the same seed is meant to give other data.
    pub version: u32,
    /// One sentence for people.
    pub description: String,
    /// Days the dataset spans.
    pub calendar: Calendar,
    pub(crate) source: Arc<str>,
    pub(crate) tables: Vec<Table>,
    pub(crate) files: Vec<(String, String)>,
}

const BUILTIN: &[(&str, &str)] = &[
    ("banking", include_str!("datasets/banking.toml")),
    ("tickit", include_str!("datasets/tickit.toml")),
    ("sparkify", include_str!("datasets/sparkify.toml")),
    ("game", include_str!("datasets/game.toml")),
];

const BUILTIN_NAMES: &[&str] = &["banking", "tickit", "sparkify", "game"];

impl Dataset {
    /// Returns a shipped dataset.
    pub fn builtin(name: &str) -> Option<Self> {
        let (_, text) = BUILTIN.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(name, text).unwrap_or_else(|problems| panic!("`{name}` is shipped broken: {problems:?}")))
    }

    /// Returns the names of the shipped datasets.
    pub fn builtin_names() -> &'static [&'static str] {
        BUILTIN_NAMES
    }

    /// Returns the text of a shipped dataset, to start one's own from.
    pub fn builtin_source(name: &str) -> Option<&'static str> {
        BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// Reads a definition. `source_name` is the dataset's name unless the text gives one.
    ///
    /// # Errors
    /// Every mistake of the text, at once.
    pub fn parse(source_name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        crate::read::dataset(source_name, text)
    }

    /// Returns the names and folders of the tables that are written, in order.
    pub fn written(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tables
            .iter()
            .filter(|table| !table.internal)
            .map(|table| (table.name.value.as_str(), table.folder.as_str()))
    }

    /// Returns the names of the tables in order.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(|table| table.name.value.as_str())
    }
}

/// A value and where it stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: At<String>,
    pub(crate) folder: String,
    pub(crate) rows: Rows,
    pub(crate) format: Format,
    /// Only for other tables to refer to; not written.
    pub(crate) internal: bool,
    /// Rows lie along the calendar: all rows of a day are neighbours.
    pub(crate) by_day: bool,
    pub(crate) layout: Layout,
    pub(crate) columns: Vec<Column>,
}

/// How many rows a table has.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    Fixed(u64),
    /// What the user asked for.
    Asked,
    /// One for each day of the calendar.
    PerDay,
    /// Billionths of what the user asked for, within bounds.
    Share {
        billionths: u64,
        min: u64,
        max: u64,
    },
    /// So many for each row of another table.
    Each {
        table: At<String>,
        each: u64,
    },
}

/// How a table is cut into objects.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Layout {
    /// `folder/name-00000.csv`, cut by size.
    Files,
    /// `folder/dt=2024-05-01/name-00000.csv`, cut by day and then by size.
    Days,
    /// One object per day under a path made of the date: `folder/2018/11/2018-11-01-events.json`.
    DayPath(String),
    /// One object per row, at a path made of a column's text.
    Object(At<String>),
}

/// The format of a table's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Delimited text.
    Csv(Csv),
    /// One JSON object per line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Returns the end of a file name.
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::JsonLines => "json",
            Self::Parquet => "parquet",
        }
    }
}

/// Delimited text, as its readers need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csv {
    /// Between two fields.
    pub delimiter: u8,
    /// Around a field that needs it.
    pub quote: u8,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Whether lines end in CR LF.
    pub crlf: bool,
    /// What stands for null.
    pub null: String,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: b'"',
            header: true,
            crlf: false,
            null: String::new(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: At<String>,
    pub(crate) span: Range<usize>,
    pub(crate) kind: Type,
    /// Only for other columns to use; not written.
    pub(crate) hidden: bool,
    /// Chance of null.
    pub(crate) null: f64,
    /// Changes per day and row, for dimensions that change over time.
    pub(crate) changes: f64,
    /// `table.column` this column points to, for those that read the data.
    pub(crate) references: Option<At<String>>,
    pub(crate) style: Style,
    /// A column whose value takes the row number's place in this column's draws: equal values, equal draws.
    pub(crate) by: Option<At<String>>,
    /// Null where this column is 0, false or null.
    pub(crate) only_if: Option<At<String>>,
    pub(crate) generator: At<Generator>,
}

/// How a column is written where that differs from its type's own way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Style {
    /// Pattern of a date or timestamp: YYYY MM DD HH MI SS.
    pub(crate) pattern: Option<String>,
    /// Decimal comma instead of point.
    pub(crate) comma: bool,
    /// Texts of true and false.
    pub(crate) booleans: Option<(String, String)>,
}

/// The logical type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    SmallInt,
    Int,
    BigInt,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// A floating-point number written with so many decimals.
    Double {
        scale: u8,
    },
    Text,
    Boolean,
    Date,
    Timestamp,
    Uuid,
}

impl Type {
    /// Digits after the point of the units this type counts in.
    pub(crate) fn scale(self) -> u8 {
        match self {
            Self::Decimal { scale, .. } | Self::Double { scale } => scale,
            _ => 0,
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(
            self,
            Self::SmallInt | Self::Int | Self::BigInt | Self::Decimal { .. } | Self::Double { .. }
        )
    }

    /// Whether values of this type are numbers in our hands: everything but texts.
    pub(crate) fn is_ordinal(self) -> bool {
        self.is_number() || matches!(self, Self::Date | Self::Timestamp)
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::SmallInt => "smallint".into(),
            Self::Int => "int".into(),
            Self::BigInt => "bigint".into(),
            Self::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Self::Double { .. } => "double".into(),
            Self::Text => "text".into(),
            Self::Boolean => "boolean".into(),
            Self::Date => "date".into(),
            Self::Timestamp => "timestamp".into(),
            Self::Uuid => "uuid".into(),
        }
    }
}

/// How likely each of many things is to be picked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Skew {
    Uniform,
    Zipf(f64),
    /// Each in turn.
    Turn,
}

/// Values given in the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    Texts(Vec<String>),
    /// In the column's units.
    Numbers(Vec<i64>),
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Generator {
    Sequence {
        start: i64,
        step: i64,
    },
    Unique {
        min: i64,
        max: i64,
    },
    Uniform {
        min: i64,
        max: i64,
    },
    Normal {
        mean: f64,
        deviation: f64,
        min: i64,
        max: i64,
    },
    LogNormal {
        median: f64,
        sigma: f64,
        min: i64,
        max: i64,
    },
    Pareto {
        alpha: f64,
        min: i64,
        max: i64,
    },
    Exponential {
        mean: f64,
        min: i64,
        max: i64,
    },
    Choice {
        values: Values,
        weights: Option<Vec<f64>>,
    },
    /// The values in row order, over and over.
    List {
        values: Values,
    },
    Ref {
        target: At<String>,
        skew: Skew,
    },
    /// Another column of the row that a `ref` column points to.
    Lookup {
        via: At<String>,
        column: At<String>,
    },
    Pool {
        kind: String,
        locale: String,
        skew: Skew,
    },
    /// Another text that belongs to the same index of a pool.
    Part {
        of: At<String>,
        part: At<String>,
    },
    /// The row's day on the calendar.
    Day,
    /// The row's moment within its day.
    Time,
    /// The day since which a column that changes over time has the value it has; the first day when it never changed.
    Changed {
        of: At<String>,
    },
    Template(At<String>),
    Expr(At<String>),
    /// A value that moves smoothly with `step`, for each `entity`, around `base`.
    Walk {
        stream: String,
        entity: At<String>,
        step: At<String>,
        base: At<String>,
        swing: f64,
    },
    /// A text for each number from 1.
    Names {
        of: At<String>,
        values: Vec<String>,
    },
    Bool {
        chance: f64,
    },
    Uuid,
}
