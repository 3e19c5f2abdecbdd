//! Values on the wire: rows to text or binary, bound parameters to literals.

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{
    Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::sql::sqlparser::ast::{Expr, Value};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;

use crate::error::{Result, SqlError};
use crate::rewrite::{literal, typed};
use crate::session::Column;
use crate::types::SqlType;
use crate::value::{self, write_text};

/// PostgreSQL counts from the year 2000.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * value::MICROS_PER_DAY;

pub fn field(column: &Column, format: FieldFormat) -> FieldInfo {
    let own = || match column.sql_type {
        SqlType::Super => {
            let kind = Type::VARCHAR.kind().clone();
            Type::new("super".into(), column.type_oid, kind, "pg_catalog".into())
        }
        _ => Type::VARCHAR,
    };
    let data_type = Type::from_oid(column.type_oid).unwrap_or_else(own);
    FieldInfo::new(column.name.clone(), None, None, data_type, format)
        .with_type_size(column.sql_type.size())
        .with_type_modifier(column.sql_type.typmod())
}

/// Encodes batches row by row, as the client takes them.
pub fn data_rows(
    columns: Vec<Column>,
    batches: Vec<RecordBatch>,
    format: Format,
) -> impl Iterator<Item = PgWireResult<DataRow>> + Send {
    batches.into_iter().flat_map(move |batch| {
        let columns = columns.clone();
        let format = format.clone();
        (0..batch.num_rows()).map(move |row| {
            let mut data = BytesMut::with_capacity(64);
            let mut text = String::new();
            for (index, (column, array)) in columns.iter().zip(batch.columns()).enumerate() {
                if array.is_null(row) {
                    data.put_i32(-1);
                    continue;
                }
                let start = data.len();
                data.put_i32(0);
                if !(format.is_binary(index) && put_binary(column.sql_type, array, row, &mut data)) {
                    text.clear();
                    write_text(array, row, &mut text);
                    column.show(&mut text);
                    data.put_slice(text.as_bytes());
                }
                let length = (data.len() - start - 4) as i32;
                data[start..start + 4].copy_from_slice(&length.to_be_bytes());
            }
            Ok(DataRow::new(data, columns.len() as i16))
        })
    })
}

/// Appends the binary form. Returns false for types whose binary form is their text.
fn put_binary(sql_type: SqlType, array: &ArrayRef, row: usize, data: &mut BytesMut) -> bool {
    match sql_type {
        SqlType::Bool => data.put_u8(array.as_boolean().value(row).into()),
        SqlType::Int2 => data.put_i16(array.as_primitive::<Int16Type>().value(row)),
        SqlType::Int4 | SqlType::Oid => data.put_i32(array.as_primitive::<Int32Type>().value(row)),
        SqlType::Int8 => data.put_i64(array.as_primitive::<Int64Type>().value(row)),
        SqlType::Float4 => data.put_f32(array.as_primitive::<Float32Type>().value(row)),
        SqlType::Float8 => data.put_f64(array.as_primitive::<Float64Type>().value(row)),
        SqlType::Date => data.put_i32(array.as_primitive::<Date32Type>().value(row) - EPOCH_DAYS),
        SqlType::Time => data.put_i64(array.as_primitive::<Time64MicrosecondType>().value(row)),
        SqlType::Timestamp | SqlType::Timestamptz => {
            data.put_i64(array.as_primitive::<TimestampMicrosecondType>().value(row) - EPOCH_MICROS)
        }
        SqlType::Interval => {
            let interval = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            data.put_i64(interval.nanoseconds / 1000);
            data.put_i32(interval.days);
            data.put_i32(interval.months);
        }
        SqlType::Numeric(_, scale) => put_numeric(
            array
                .as_primitive::<datafusion::arrow::datatypes::Decimal128Type>()
                .value(row),
            scale,
            data,
        ),
        SqlType::TextArray => {
            let items = array.as_list::<i32>().value(row);
            let items = items.as_string::<i32>();
            data.put_i32(i32::from(!items.is_empty()));
            data.put_i32(i32::from(items.null_count() > 0));
            data.put_u32(SqlType::Text.oid());
            if !items.is_empty() {
                data.put_i32(items.len() as i32);
                data.put_i32(1);
            }
            for item in items {
                match item {
                    Some(item) => {
                        data.put_i32(item.len() as i32);
                        data.put_slice(item.as_bytes());
                    }
                    None => data.put_i32(-1),
                }
            }
        }
        SqlType::Int2Array | SqlType::Int2Vector => {
            let items = array.as_list::<i32>().value(row);
            let items = items.as_primitive::<Int16Type>();
            data.put_i32(i32::from(!items.is_empty()));
            data.put_i32(0);
            data.put_u32(SqlType::Int2.oid());
            if !items.is_empty() {
                data.put_i32(items.len() as i32);
                data.put_i32(i32::from(sql_type == SqlType::Int2Array));
            }
            for item in items.values() {
                data.put_i32(2);
                data.put_i16(*item);
            }
        }
        SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Text | SqlType::Name | SqlType::Super => return false,
    }
    true
}

/// PostgreSQL's numeric: groups of four decimal digits around the decimal point.
fn put_numeric(value: i128, scale: u8, data: &mut BytesMut) {
    let mut text = String::new();
    value::write_decimal(value.abs(), scale as i8, &mut text);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.trim_start_matches('0');
    let padded_whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let padded_fraction = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let digits: Vec<i16> = format!("{padded_whole}{padded_fraction}")
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
        .collect();
    let weight = (padded_whole.len() / 4) as i16 - 1;
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let kept = &digits[leading..];
    data.put_i16(kept.len() as i16);
    data.put_i16(if kept.is_empty() { 0 } else { weight - leading as i16 });
    data.put_u16(if value < 0 { 0x4000 } else { 0 });
    data.put_i16(scale.into());
    for digit in kept {
        data.put_i16(*digit);
    }
}

/// A literal that stands for a parameter while a statement is described.
pub fn dummy(declared: Option<&Type>) -> Expr {
    match declared.and_then(type_name) {
        Some(name) => typed("0", name),
        None if declared == Some(&Type::NUMERIC) => typed("0", "numeric(38,0)"),
        None => literal("0"),
    }
}

fn type_name(data_type: &Type) -> Option<&'static str> {
    Some(match *data_type {
        Type::BOOL => "bool",
        Type::INT2 => "int2",
        Type::INT4 => "int4",
        Type::INT8 => "int8",
        Type::FLOAT4 => "float4",
        Type::FLOAT8 => "float8",
        Type::DATE => "date",
        Type::TIME => "time",
        Type::TIMESTAMP => "timestamp",
        Type::TIMESTAMPTZ => "timestamptz",
        _ => return None,
    })
}

/// Turns a bound parameter into a literal. Text and unknown types take the type they meet.
pub fn parameter(bytes: Option<&[u8]>, declared: Option<&Type>, binary: bool) -> Result<Expr> {
    let Some(bytes) = bytes else {
        return Ok(Expr::Value(Value::Null.into()));
    };
    let text = if binary {
        binary_text(bytes, declared)?
    } else {
        std::str::from_utf8(bytes).map_err(|_| not_utf8())?.to_string()
    };
    if declared == Some(&Type::NUMERIC) {
        let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len().min(37));
        return Ok(typed(&text, &format!("numeric(38,{scale})")));
    }
    Ok(match declared.and_then(type_name) {
        Some(name) => typed(&text, name),
        None => literal(&text),
    })
}

fn not_utf8() -> SqlError {
    SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\"")
}

fn binary_text(bytes: &[u8], declared: Option<&Type>) -> Result<String> {
    let bad = || SqlError::new("22P03", "incorrect binary data format in bind parameter");
    let eight = || -> Result<[u8; 8]> { bytes.try_into().map_err(|_| bad()) };
    let four = || -> Result<[u8; 4]> { bytes.try_into().map_err(|_| bad()) };
    Ok(match declared {
        Some(&Type::BOOL) => if bytes.first().is_some_and(|byte| *byte != 0) {
            "t"
        } else {
            "f"
        }
        .into(),
        Some(&Type::INT2) => i16::from_be_bytes(bytes.try_into().map_err(|_| bad())?).to_string(),
        Some(&Type::INT4) => i32::from_be_bytes(four()?).to_string(),
        Some(&Type::INT8) => i64::from_be_bytes(eight()?).to_string(),
        Some(&Type::FLOAT4) => f32::from_be_bytes(four()?).to_string(),
        Some(&Type::FLOAT8) => f64::from_be_bytes(eight()?).to_string(),
        Some(&Type::DATE) => {
            let mut text = String::new();
            value::write_date(i32::from_be_bytes(four()?) + EPOCH_DAYS, &mut text);
            text
        }
        Some(known @ (&Type::TIMESTAMP | &Type::TIMESTAMPTZ)) => {
            let mut text = String::new();
            value::write_timestamp(i64::from_be_bytes(eight()?) + EPOCH_MICROS, &mut text);
            // An instant counts from one in UTC, whatever the session's zone.
            text.push_str(if *known == Type::TIMESTAMPTZ { "+00" } else { "" });
            text
        }
        Some(&Type::NUMERIC) => numeric_text(bytes).ok_or_else(bad)?,
        Some(&Type::TIME) => {
            let mut text = String::new();
            value::write_time(i64::from_be_bytes(eight()?), &mut text);
            text
        }
        Some(&Type::INTERVAL) => return Err(SqlError::unsupported("a binary interval as a parameter")),
        _ => std::str::from_utf8(bytes).map_err(|_| not_utf8())?.to_string(),
    })
}

/// Reads PostgreSQL's numeric. `None` for what is none, infinities and NaN among them.
fn numeric_text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    let count = usize::from(words.next()?);
    let weight = words.next()?.cast_signed();
    let negative = match words.next()? {
        0 => false,
        0x4000 => true,
        _ => return None,
    };
    let scale = usize::from(words.next()?);
    let groups: Vec<u16> = words.collect();
    if groups.len() != count || bytes.len() != 8 + 2 * count || groups.iter().any(|group| *group > 9999) {
        return None;
    }
    let group = |at: i32| {
        usize::try_from(at)
            .ok()
            .and_then(|at| groups.get(at))
            .copied()
            .unwrap_or(0)
    };
    let whole: String = (0..=i32::from(weight)).map(|at| format!("{:04}", group(at))).collect();
    let whole = whole.trim_start_matches('0');
    let first = i32::from(weight) + 1;
    let fraction: String = (first..first + scale.div_ceil(4) as i32)
        .map(|at| format!("{:04}", group(at)))
        .collect();
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if scale > 0 { "." } else { "" };
    Some(format!("{sign}{whole}{point}{}", &fraction[..scale]))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::BinaryArray;

    use super::*;

    fn numeric(value: i128, scale: u8) -> Vec<u8> {
        let mut data = BytesMut::new();
        put_numeric(value, scale, &mut data);
        data.to_vec()
    }

    #[test]
    fn a_numeric_comes_back_as_it_went() {
        for (value, scale, text) in [
            (1234567, 2, "12345.67"),
            (-5, 1, "-0.5"),
            (0, 0, "0"),
            (0, 3, "0.000"),
            (10_000, 0, "10000"),
            (1, 9, "0.000000001"),
            (-123_456_789_012_345_678, 4, "-12345678901234.5678"),
        ] {
            assert_eq!(numeric_text(&numeric(value, scale)).as_deref(), Some(text));
        }
        assert_eq!(numeric_text(&[0, 0, 0, 0, 0xC0, 0, 0, 0]), None);
        assert_eq!(numeric_text(&[0, 1]), None);
    }

    #[test]
    fn a_document_is_its_text_in_either_format() {
        let document = r#"{"a":["é",1.50]}"#;
        let array: ArrayRef = std::sync::Arc::new(BinaryArray::from_iter_values([document]));
        let column = Column::new("doc", SqlType::Super);
        let described = field(&column, FieldFormat::Binary);
        assert_eq!(
            (described.datatype().oid(), described.datatype().name()),
            (4000, "super")
        );
        assert_eq!((described.type_size(), described.type_modifier()), (-1, -1));
        for format in [Format::UnifiedText, Format::UnifiedBinary] {
            let batch = RecordBatch::try_from_iter([("doc", array.clone())]).unwrap();
            let row = data_rows(vec![column.clone()], vec![batch], format)
                .next()
                .unwrap()
                .unwrap();
            assert_eq!(row.data[..4], (document.len() as i32).to_be_bytes());
            assert_eq!(row.data[4..], *document.as_bytes());
        }
    }

    #[test]
    fn numerics_are_groups_of_four_digits() {
        assert_eq!(numeric(1234567, 2), [0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 9, 41, 26, 44]);
        assert_eq!(numeric(-5, 1), [0, 1, 255, 255, 64, 0, 0, 1, 19, 136]);
        assert_eq!(numeric(0, 0), [0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
