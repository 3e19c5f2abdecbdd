//! Columns that a load fills field by field, each in its own type, without a copy of the text between. A field that a
//! sink does not take sends its block to the careful way, which knows what is wrong with it.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, ArrowPrimitiveType, Decimal128Builder, PrimitiveBuilder, StringArray, StringBuilder,
};
use datafusion::arrow::datatypes::{Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::catalog::Column;
use crate::error::Result;
use crate::types::SqlType;
use crate::value::{parse_decimal, parse_timestamp};
use crate::zone::Zone;

/// Builds one column of a batch.
pub struct Sink {
    not_null: bool,
    kind: Kind,
}

enum Kind {
    Int2(PrimitiveBuilder<Int16Type>),
    Int4(PrimitiveBuilder<Int32Type>),
    Int8(PrimitiveBuilder<Int64Type>),
    Numeric {
        values: Decimal128Builder,
        limit: i128,
        scale: u8,
    },
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>, Zone),
    /// Text of at most so many bytes.
    Varchar(StringBuilder, usize),
    /// What is rarer, as text that is cast when the batch is full.
    Other(StringBuilder),
}

impl Sink {
    /// `formatted` says that dates and times are not spelled as casts read them.
    pub fn new(column: &Column, rows: usize, formatted: bool, zone: Zone) -> Self {
        let kind = match column.sql_type {
            SqlType::Int2 => Kind::Int2(PrimitiveBuilder::with_capacity(rows)),
            SqlType::Int4 => Kind::Int4(PrimitiveBuilder::with_capacity(rows)),
            SqlType::Int8 => Kind::Int8(PrimitiveBuilder::with_capacity(rows)),
            SqlType::Numeric(precision, scale) => Kind::Numeric {
                values: Decimal128Builder::with_capacity(rows).with_data_type(column.sql_type.arrow()),
                limit: 10i128.pow(precision.into()),
                scale,
            },
            SqlType::Timestamp if !formatted => Kind::Timestamp(PrimitiveBuilder::with_capacity(rows), zone),
            SqlType::Varchar(length) => Kind::Varchar(StringBuilder::with_capacity(rows, rows * 8), length as usize),
            _ => Kind::Other(StringBuilder::with_capacity(rows, rows * 8)),
        };
        Self {
            not_null: column.not_null,
            kind,
        }
    }

    /// Adds a field. `None` says that this is no value of the column.
    #[inline]
    pub fn push(&mut self, field: Option<&str>) -> Option<()> {
        let Some(text) = field else {
            return self.push_null();
        };
        match &mut self.kind {
            Kind::Int2(values) => values.append_value(integer(text)?.try_into().ok()?),
            Kind::Int4(values) => values.append_value(integer(text)?.try_into().ok()?),
            Kind::Int8(values) => values.append_value(integer(text)?),
            Kind::Numeric { values, limit, scale } => {
                let value = parse_decimal(text, *scale)?;
                if value.abs() >= *limit {
                    return None;
                }
                values.append_value(value);
            }
            Kind::Timestamp(values, zone) => values.append_value(parse_timestamp(text, *zone)?.0),
            Kind::Varchar(values, limit) => {
                if text.len() > *limit {
                    return None;
                }
                values.append_value(text);
            }
            Kind::Other(values) => values.append_value(text),
        }
        Some(())
    }

    fn push_null(&mut self) -> Option<()> {
        if self.not_null {
            return None;
        }
        match &mut self.kind {
            Kind::Int2(values) => values.append_null(),
            Kind::Int4(values) => values.append_null(),
            Kind::Int8(values) => values.append_null(),
            Kind::Numeric { values, .. } => values.append_null(),
            Kind::Timestamp(values, _) => values.append_null(),
            Kind::Varchar(values, _) | Kind::Other(values) => values.append_null(),
        }
        Some(())
    }

    /// Returns the fields so far and starts anew. `cast` makes the column's values of text.
    pub fn finish(&mut self, cast: impl Fn(&StringArray) -> Result<ArrayRef>) -> Result<ArrayRef> {
        fn of<T: ArrowPrimitiveType>(values: &mut PrimitiveBuilder<T>) -> ArrayRef {
            Arc::new(values.finish())
        }
        Ok(match &mut self.kind {
            Kind::Int2(values) => of(values),
            Kind::Int4(values) => of(values),
            Kind::Int8(values) => of(values),
            Kind::Numeric { values, .. } => of(values),
            Kind::Timestamp(values, _) => of(values),
            Kind::Varchar(values, _) => Arc::new(values.finish()),
            Kind::Other(values) => cast(&values.finish())?,
        })
    }
}

#[inline]
fn integer(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| text.trim().parse().ok())
}
