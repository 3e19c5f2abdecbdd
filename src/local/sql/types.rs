//! Redshift's types: how they are written, what PostgreSQL calls them on the wire, and which Arrow type holds them.
//!
//! The declared type of a column (`varchar(20)`, `char(3)`) travels through plans as Arrow field metadata, so that
//! it survives until the client sees it.

use std::collections::HashMap;
use std::fmt;

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::error::{Result, SqlError};

/// The metadata key of an Arrow field that carries its declared type.
const DECLARED: &str = "redshift.type";

pub const VARCHAR_MAX: u32 = 65535;

/// How many digits a decimal has at most.
pub const WIDEST: u8 = 38;

/// Types that hold each other's values: numbers, and points in time.
const COUNTED: u8 = 0;
const DATED: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric(u8, u8),
    Varchar(u32),
    Char(u32),
    /// Catalog text without a length.
    Text,
    /// PostgreSQL's `name`, used by the system catalogs.
    Name,
    Oid,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    /// Any JSON document.
    Super,
    /// An array of text, which only system catalogs have, as the next two.
    TextArray,
    Int2Array,
    /// PostgreSQL's `int2vector`: an array that is written with blanks and counted from zero.
    Int2Vector,
}

impl SqlType {
    /// Returns the type that `text` names, with Redshift's defaults for absent lengths.
    pub fn parse(text: &str) -> Result<Self> {
        let lower = text.trim().to_lowercase();
        let (base, rest) = match lower.find('(') {
            Some(open) => (lower[..open].trim().to_string(), &lower[open + 1..]),
            None => (lower.clone(), ""),
        };
        let (arguments, after) = rest.split_once(')').unwrap_or((rest, ""));
        let base = format!(
            "{base}{}",
            if after.trim().is_empty() {
                String::new()
            } else {
                format!(" {}", after.trim())
            }
        );
        let numbers: Vec<u32> = arguments
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| match part.trim() {
                "max" => Ok(VARCHAR_MAX),
                part => part
                    .parse()
                    .map_err(|_| SqlError::syntax(format!("syntax error in type \"{text}\""))),
            })
            .collect::<Result<_>>()?;
        let first = numbers.first().copied();
        Ok(match base.as_str() {
            "bool" | "boolean" => Self::Bool,
            "smallint" | "int2" => Self::Int2,
            "integer" | "int" | "int4" => Self::Int4,
            "bigint" | "int8" => Self::Int8,
            "real" | "float4" => Self::Float4,
            "float" => match first {
                Some(bits) if bits <= 24 => Self::Float4,
                _ => Self::Float8,
            },
            "double precision" | "float8" | "double" => Self::Float8,
            "numeric" | "decimal" | "dec" => {
                let precision = first.unwrap_or(18);
                let scale = numbers.get(1).copied().unwrap_or(0);
                if !(1..=38).contains(&precision) {
                    return Err(SqlError::new(
                        "22023",
                        format!("DECIMAL precision {precision} must be between 1 and 38"),
                    ));
                }
                if scale > precision {
                    return Err(SqlError::new(
                        "22023",
                        format!("DECIMAL scale {scale} must be between 0 and precision {precision}"),
                    ));
                }
                Self::Numeric(precision as u8, scale as u8)
            }
            "varchar" | "character varying" | "nvarchar" => {
                Self::Varchar(length(first.unwrap_or(256), VARCHAR_MAX, "varchar")?)
            }
            "text" | "string" => Self::Varchar(first.unwrap_or(256)),
            "char" | "character" | "nchar" => Self::Char(length(first.unwrap_or(1), 4096, "char")?),
            "bpchar" => Self::Char(length(first.unwrap_or(256), 4096, "char")?),
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timestamp" | "timestamp without time zone" | "datetime" => Self::Timestamp,
            "timestamptz" | "timestamp with time zone" => Self::Timestamptz,
            "interval" => Self::Interval,
            "name" | "regtype" | "regclass" | "regproc" | "regprocedure" | "\"char\"" | "unknown" | "refcursor"
            | "aclitem" => Self::Name,
            "oid" => Self::Oid,
            "super" => Self::Super,
            "varbyte"
            | "varbinary"
            | "binary varying"
            | "geometry"
            | "geography"
            | "hllsketch"
            | "timetz"
            | "time with time zone" => return Err(SqlError::unsupported(format!("data type {base}"))),
            _ if base.starts_with("interval ") => Self::Interval,
            _ => return Err(SqlError::new("42704", format!("type \"{text}\" does not exist"))),
        })
    }

    /// Returns the type that a data catalog type reads as.
    pub fn from_glue(text: &str) -> Result<Self> {
        let lower = text.trim().to_lowercase();
        Ok(match lower.as_str() {
            "string" => Self::Varchar(VARCHAR_MAX),
            "tinyint" => Self::Int2,
            "double" => Self::Float8,
            "float" => Self::Float4,
            "decimal" => Self::Numeric(10, 0),
            "binary" | "super" => return Err(SqlError::unsupported(format!("external column type {lower}"))),
            _ if lower.starts_with("array") || lower.starts_with("struct") || lower.starts_with("map") => {
                return Err(SqlError::unsupported(format!("external column type {lower}")));
            }
            _ => Self::parse(&lower)?,
        })
    }

    /// Returns the type that holds the values of both, if there is one.
    pub fn common(self, other: Self) -> Option<Self> {
        match (self, other) {
            (a, b) if a == b => return Some(a),
            (Self::Varchar(a), Self::Varchar(b) | Self::Char(b)) | (Self::Char(a), Self::Varchar(b)) => {
                return Some(Self::Varchar(a.max(b)));
            }
            (Self::Char(a), Self::Char(b)) => return Some(Self::Char(a.max(b))),
            // The catalog's texts have no length.
            (a, b) if a.is_text() && b.is_text() => return Some(a),
            (Self::Super, other) | (other, Self::Super) if other.is_document_too() => return Some(Self::Super),
            (Self::Oid, whole) | (whole, Self::Oid) if matches!(whole, Self::Int2 | Self::Int4 | Self::Int8) => {
                return Some(whole);
            }
            _ => {}
        }
        let ((family, width), (other_family, other_width)) = (self.breadth()?, other.breadth()?);
        if family != other_family {
            return None;
        }
        let wider = if width > other_width { self } else { other };
        match wider {
            Self::Numeric(..) => {
                let ((p1, s1), (p2, s2)) = (self.decimal_shape(), other.decimal_shape());
                let scale = s1.max(s2);
                Some(Self::Numeric(((p1 - s1).max(p2 - s2) + scale).min(WIDEST), scale))
            }
            wider => Some(wider),
        }
    }

    /// Whether its values may become documents.
    pub fn is_document_too(self) -> bool {
        !matches!(
            self,
            Self::Date | Self::Time | Self::Timestamp | Self::Timestamptz | Self::Interval
        )
    }

    /// Whether there may be a cast. Redshift has no text for what is true; CASE and DECODE give it one.
    pub fn castable_to(self, target: Self) -> bool {
        self != Self::Bool || !target.is_text()
    }

    /// Whether a value may be stored in a column of a type. Anything is read from text, and written as such.
    pub fn assignable_to(self, column: Self) -> bool {
        let family = |sql_type: Self| sql_type.breadth().map(|(family, _)| family);
        match (self, column) {
            (Self::Bool, other) => other == Self::Bool || family(other).is_none(),
            // A number is true or false.
            (other, Self::Bool) => family(other) != Some(DATED),
            (a, b) => family(a).is_none() || family(b).is_none() || family(a) == family(b),
        }
    }

    /// Returns which types hold each other's values, and in which order.
    fn breadth(self) -> Option<(u8, u8)> {
        Some(match self {
            Self::Int2 => (COUNTED, 0),
            Self::Int4 => (COUNTED, 1),
            Self::Int8 => (COUNTED, 2),
            Self::Numeric(..) => (COUNTED, 3),
            Self::Float4 => (COUNTED, 4),
            Self::Float8 => (COUNTED, 5),
            Self::Date => (DATED, 0),
            Self::Timestamp => (DATED, 1),
            Self::Timestamptz => (DATED, 2),
            _ => return None,
        })
    }

    /// Returns precision and scale. Whole numbers take part in decimal arithmetic as decimals of their width.
    pub fn decimal_shape(self) -> (u8, u8) {
        match self {
            Self::Numeric(precision, scale) => (precision, scale),
            Self::Int2 => (5, 0),
            Self::Int4 => (10, 0),
            _ => (19, 0),
        }
    }

    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 | Self::Oid => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Numeric(precision, scale) => DataType::Decimal128(precision, scale as i8),
            Self::Varchar(_) | Self::Char(_) | Self::Text | Self::Name => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            // Text that can be taken for no other, so that it keeps its type wherever a plan takes it.
            Self::Super => DataType::Binary,
            Self::TextArray => DataType::List(Field::new("item", DataType::Utf8, true).into()),
            Self::Int2Array | Self::Int2Vector => DataType::List(Field::new("item", DataType::Int16, true).into()),
        }
    }

    /// Returns the type of values that carry no declaration.
    pub fn from_arrow(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => Self::Int2,
            DataType::Int32 | DataType::UInt16 => Self::Int4,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Self::Int8,
            DataType::Float16 | DataType::Float32 => Self::Float4,
            DataType::Float64 => Self::Float8,
            DataType::Decimal128(precision, scale) => Self::Numeric(*precision, (*scale).max(0) as u8),
            DataType::Decimal256(_, scale) => Self::Numeric(38, (*scale).clamp(0, 38) as u8),
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::Timestamptz,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::Binary => Self::Super,
            DataType::List(item) if *item.data_type() == DataType::Int16 => Self::Int2Array,
            DataType::List(_) | DataType::LargeList(_) => Self::TextArray,
            _ => Self::Varchar(VARCHAR_MAX),
        }
    }

    /// Returns an Arrow field that remembers this type.
    pub fn field(self, name: &str, nullable: bool) -> Field {
        Field::new(name, self.arrow(), nullable).with_metadata(self.metadata())
    }

    pub fn metadata(self) -> HashMap<String, String> {
        match self {
            Self::Varchar(_) | Self::Char(_) | Self::Text | Self::Name | Self::Oid | Self::Int2Vector => {
                HashMap::from([(DECLARED.to_string(), self.to_string())])
            }
            _ => HashMap::new(),
        }
    }

    /// Returns the declared type of a field, or the type its values have.
    pub fn of_field(field: &Field) -> Self {
        let natural = Self::from_arrow(field.data_type());
        match field.metadata().get(DECLARED).map(String::as_str) {
            Some("text") => Self::Text,
            Some("name") => Self::Name,
            Some("oid") => Self::Oid,
            Some("int2vector") => Self::Int2Vector,
            Some(text) => Self::parse(text)
                .ok()
                .filter(|declared| declared.arrow() == natural.arrow())
                .unwrap_or(natural),
            None => natural,
        }
    }

    /// The name in `information_schema` and in error messages, without length.
    pub fn base_name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric(..) => "numeric",
            Self::Varchar(_) => "character varying",
            Self::Char(_) => "character",
            Self::Text => "text",
            Self::Name => "name",
            Self::Oid => "oid",
            Self::Date => "date",
            Self::Time => "time without time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::Timestamptz => "timestamp with time zone",
            Self::Interval => "interval",
            Self::Super => "super",
            Self::TextArray => "text[]",
            Self::Int2Array => "smallint[]",
            Self::Int2Vector => "int2vector",
        }
    }

    /// The name in `pg_type`, which the Data API reports too.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Numeric(..) => "numeric",
            Self::Varchar(_) => "varchar",
            Self::Char(_) => "bpchar",
            Self::Text => "text",
            Self::Name => "name",
            Self::Oid => "oid",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Interval => "interval",
            Self::Super => "super",
            Self::TextArray => "_text",
            Self::Int2Array => "_int2",
            Self::Int2Vector => "int2vector",
        }
    }

    pub fn oid(self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Int2 => 21,
            Self::Int4 => 23,
            Self::Int8 => 20,
            Self::Float4 => 700,
            Self::Float8 => 701,
            Self::Numeric(..) => 1700,
            Self::Varchar(_) => 1043,
            Self::Char(_) => 1042,
            Self::Text => 25,
            Self::Name => 19,
            Self::Oid => 26,
            Self::Date => 1082,
            Self::Time => 1083,
            Self::Timestamp => 1114,
            Self::Timestamptz => 1184,
            Self::Interval => 1186,
            Self::Super => 4000,
            Self::TextArray => 1009,
            Self::Int2Array => 1005,
            Self::Int2Vector => 22,
        }
    }

    /// PostgreSQL's type modifier: length or precision and scale, each plus four.
    pub fn typmod(self) -> i32 {
        match self {
            Self::Varchar(length) | Self::Char(length) => length as i32 + 4,
            Self::Numeric(precision, scale) => ((i32::from(precision) << 16) | i32::from(scale)) + 4,
            _ => -1,
        }
    }

    /// Bytes of a value, or -1 when they vary.
    pub fn size(self) -> i16 {
        match self {
            Self::Bool => 1,
            Self::Int2 => 2,
            Self::Int4 | Self::Float4 | Self::Oid | Self::Date => 4,
            Self::Int8 | Self::Float8 | Self::Time | Self::Timestamp | Self::Timestamptz => 8,
            Self::Interval => 16,
            Self::Name => 64,
            _ => -1,
        }
    }

    pub fn character_length(self) -> Option<u32> {
        match self {
            Self::Varchar(length) | Self::Char(length) => Some(length),
            _ => None,
        }
    }

    pub fn is_array(self) -> bool {
        matches!(self, Self::TextArray | Self::Int2Array | Self::Int2Vector)
    }

    pub fn is_text(self) -> bool {
        matches!(self, Self::Varchar(_) | Self::Char(_) | Self::Text | Self::Name)
    }
}

fn length(wanted: u32, limit: u32, name: &str) -> Result<u32> {
    if wanted == 0 {
        return Err(SqlError::new(
            "22023",
            format!("length for type {name} must be at least 1"),
        ));
    }
    if wanted > limit {
        return Err(SqlError::new(
            "22023",
            format!("length for type {name} cannot exceed {limit}"),
        ));
    }
    Ok(wanted)
}

/// Writes the type as `format_type` does: `character varying(20)`.
impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numeric(precision, scale) => write!(f, "numeric({precision},{scale})"),
            Self::Varchar(length) => write!(f, "character varying({length})"),
            Self::Char(length) => write!(f, "character({length})"),
            other => f.write_str(other.base_name()),
        }
    }
}

impl Serialize for SqlType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SqlType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "text" => Ok(Self::Text),
            "name" => Ok(Self::Name),
            _ => Self::parse(&text).map_err(serde::de::Error::custom),
        }
    }
}
