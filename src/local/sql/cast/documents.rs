//! SUPER from and to other types. To become a value of a type, a document has to be a scalar that can; others are null.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Decimal128Array, Float64Array, StringArray,
    new_null_array,
};
use datafusion::arrow::compute::interleave;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};

use super::{Mode, cast_in, text_array};
use crate::document::{self, Invalid, Kind};
use crate::error::{Result, SqlError};
use crate::types::SqlType;
use crate::value::{parse_decimal, write_text};
use crate::zone::Zone;

/// Returns the column as documents. Text becomes strings, whatever is written in it.
pub fn to_documents(array: &ArrayRef) -> Result<ArrayRef> {
    let numbers = |value: &dyn Fn(usize) -> f64| {
        collected(array, |row, out| {
            let number = document::float(value(row));
            let number =
                number.ok_or_else(|| SqlError::new("22003", "a super value cannot be infinite or no number"))?;
            out.push_str(&number);
            Ok(())
        })
    };
    match array.data_type() {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            let texts = text_array(array)?;
            collected(array, |row, out| {
                document::write_string(texts.value(row), out);
                Ok(())
            })
        }
        DataType::Boolean => {
            let flags = array.as_boolean();
            collected(array, |row, out| {
                out.push_str(if flags.value(row) { "true" } else { "false" });
                Ok(())
            })
        }
        DataType::Float32 => {
            let floats = array.as_primitive::<Float32Type>();
            // Its own digits, not those of what it widens to.
            numbers(&|row| floats.value(row).to_string().parse().unwrap_or(f64::NAN))
        }
        DataType::Float64 => {
            let floats = array.as_primitive::<Float64Type>();
            numbers(&|row| floats.value(row))
        }
        exact if exact.is_integer() || matches!(exact, DataType::Decimal128(..)) => collected(array, |row, out| {
            write_text(array, row, out);
            Ok(())
        }),
        other => Err(SqlError::new(
            "42846",
            format!("cannot cast type {} to super", SqlType::from_arrow(other).base_name()),
        )),
    }
}

fn collected(array: &ArrayRef, write: impl Fn(usize, &mut String) -> Result<()>) -> Result<ArrayRef> {
    let mut documents = BinaryBuilder::with_capacity(array.len(), array.len() * 8);
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            documents.append_null();
            continue;
        }
        text.clear();
        write(row, &mut text)?;
        if text.len() > document::LIMIT {
            return Err(document::too_large());
        }
        documents.append_value(&text);
    }
    Ok(Arc::new(documents.finish()))
}

/// Returns the documents that texts are when they are read as JSON.
pub fn read(texts: &StringArray, wrong: impl Fn(&str, Invalid) -> SqlError) -> Result<ArrayRef> {
    let mut documents = BinaryBuilder::with_capacity(texts.len(), texts.value_data().len());
    for text in texts {
        match text
            .map(|text| document::read(text).map_err(|invalid| wrong(text, invalid)))
            .transpose()?
        {
            Some(document) if document != "null" => documents.append_value(document),
            _ => documents.append_null(),
        }
    }
    Ok(Arc::new(documents.finish()))
}

/// Returns the column as documents, whatever it is: lists become arrays, structs and maps objects, dates and times strings.
pub fn serialized(array: &ArrayRef) -> Result<ArrayRef> {
    collected(array, |row, out| serialize(array, row, out))
}

fn serialize(array: &ArrayRef, row: usize, out: &mut String) -> Result<()> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::List(_) => serialize_items(&array.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => serialize_items(&array.as_list::<i64>().value(row), out),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let parts = fields.iter().zip(columns);
            serialize_attributes(parts.map(|(field, column)| (Cow::from(field.name()), column, row)), out)
        }
        DataType::Map(..) => {
            let entries: ArrayRef = Arc::new(array.as_map().value(row));
            let entries = entries.as_struct();
            let names = text_array(entries.column(0))?;
            let parts = (0..names.len()).map(|entry| (Cow::from(names.value(entry)), entries.column(1), entry));
            serialize_attributes(parts, out)
        }
        DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_) => {
            let mut text = String::new();
            write_text(array, row, &mut text);
            document::write_string(&text, out);
            Ok(())
        }
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            Err(SqlError::unsupported("COPY of binary values into data type super"))
        }
        _ => {
            let documents = to_documents(&array.slice(row, 1))?;
            out.push_str(document::at(documents.as_binary(), 0).unwrap_or("null"));
            Ok(())
        }
    }
}

fn serialize_items(items: &ArrayRef, out: &mut String) -> Result<()> {
    out.push('[');
    for item in 0..items.len() {
        out.push_str(if item > 0 { "," } else { "" });
        serialize(items, item, out)?;
    }
    out.push(']');
    Ok(())
}

fn serialize_attributes<'a>(
    attributes: impl Iterator<Item = (Cow<'a, str>, &'a ArrayRef, usize)>,
    out: &mut String,
) -> Result<()> {
    out.push('{');
    for (index, (name, values, row)) in attributes.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        document::write_string(&name, out);
        out.push(':');
        serialize(values, row, out)?;
    }
    out.push('}');
    Ok(())
}

/// Returns documents as values of a type.
pub fn from_documents(zone: Zone, documents: &BinaryArray, to: SqlType, mode: Mode) -> Result<ArrayRef> {
    let rows: Vec<Option<&str>> = (0..documents.len()).map(|row| document::at(documents, row)).collect();
    // Only the length of text is what a column insists on.
    let mode = if to.is_text() { mode } else { Mode::Try };
    let of_kind = |kind: Kind| {
        let kept = rows
            .iter()
            .map(move |row| row.filter(|text| document::kind(text) == kind));
        kept.collect::<Vec<Option<&str>>>()
    };
    let strings: StringArray = of_kind(Kind::String)
        .into_iter()
        .map(|text| text.map(document::string))
        .collect();
    let numbers = of_kind(Kind::Number);
    let exact: Vec<Option<&str>> = numbers
        .iter()
        .map(|text| text.filter(|text| !document::is_float(text)))
        .collect();
    let floats = numbers.iter().map(|text| text.filter(|text| document::is_float(text)));
    let floats: Float64Array = floats.map(|text| text?.parse::<f64>().ok()).collect();
    let flags: BooleanArray = of_kind(Kind::Boolean)
        .into_iter()
        .map(|text| text.map(|text| text == "true"))
        .collect();
    let parts: [ArrayRef; 4] = [
        cast_in(zone, &(Arc::new(strings) as ArrayRef), to, mode)?,
        from_exact(&exact, to, mode)?,
        allowed(takes_floats(to), Arc::new(floats), to, mode)?,
        allowed(takes_flags(to), Arc::new(flags), to, mode)?,
    ];
    let place = |row: Option<&str>| match row.map(document::kind) {
        Some(Kind::Number) if row.is_some_and(document::is_float) => 2,
        Some(Kind::Number) => 1,
        Some(Kind::Boolean) => 3,
        _ => 0,
    };
    let places: Vec<(usize, usize)> = rows.iter().enumerate().map(|(row, text)| (place(*text), row)).collect();
    Ok(interleave(&parts.each_ref().map(AsRef::as_ref), &places)?)
}

fn allowed(allowed: bool, values: ArrayRef, to: SqlType, mode: Mode) -> Result<ArrayRef> {
    match allowed {
        true => cast_in(Zone::UTC, &values, to, mode),
        false => Ok(new_null_array(&to.arrow(), values.len())),
    }
}

fn takes_flags(to: SqlType) -> bool {
    to.is_text() || matches!(to, SqlType::Bool | SqlType::Int2 | SqlType::Int4 | SqlType::Int8)
}

fn takes_floats(to: SqlType) -> bool {
    let number = matches!(
        to,
        SqlType::Numeric(..) | SqlType::Float4 | SqlType::Float8 | SqlType::Oid
    );
    number || (takes_flags(to) && to != SqlType::Bool)
}

fn from_exact(numbers: &[Option<&str>], to: SqlType, mode: Mode) -> Result<ArrayRef> {
    let texts = || -> ArrayRef { Arc::new(numbers.iter().copied().collect::<StringArray>()) };
    match to {
        SqlType::Numeric(..) | SqlType::Float4 | SqlType::Float8 => cast_in(Zone::UTC, &texts(), to, mode),
        _ if to.is_text() => cast_in(Zone::UTC, &texts(), to, mode),
        // Only whole numbers are true or false.
        SqlType::Bool => {
            let whole = |text: &str| !text.contains('.');
            Ok(Arc::new(
                numbers
                    .iter()
                    .map(|text| text.filter(|text| whole(text)).map(|text| text != "0"))
                    .collect::<BooleanArray>(),
            ))
        }
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Oid => {
            let rounded: Decimal128Array = numbers.iter().map(|text| parse_decimal((*text)?, 0)).collect();
            let fitting: Vec<Option<i64>> = rounded.iter().map(|value| i64::try_from(value?).ok()).collect();
            let fitting: ArrayRef = Arc::new(datafusion::arrow::array::Int64Array::from(fitting));
            cast_in(Zone::UTC, &fitting, to, mode)
        }
        _ => Ok(new_null_array(&to.arrow(), numbers.len())),
    }
}
