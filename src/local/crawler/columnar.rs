//! Parquet: the schema and the number of records stand in the file's footer; no data is read.

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::schema::types::Type as Node;

use super::schema::{Column, Format, Schema, Seen};
use super::types::Type;

pub const MAGIC: &[u8; 4] = b"PAR1";
/// The footer's length and the magic.
pub const TAIL: usize = 8;

/// Returns how long the footer is, from a file's last eight bytes.
pub fn footer_len(tail: &[u8]) -> Option<usize> {
    let (length, magic) = tail.split_at_checked(4)?;
    (magic == MAGIC).then(|| u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize)
}

/// Returns the schema that a footer describes.
pub fn classify(footer: &[u8]) -> Option<Seen> {
    let metadata = ParquetMetaDataReader::decode_metadata(footer).ok()?;
    let file = metadata.file_metadata();
    let fields = file.schema().get_fields();
    let columns = fields
        .iter()
        .map(|field| Column {
            name: field.name().to_lowercase(),
            kind: kind(field),
        })
        .collect();
    Some(Seen {
        schema: Schema {
            columns,
            format: Format::Parquet,
        },
        records: file.num_rows().max(0) as u64,
        bytes: 0,
        head: 0,
        all: true,
    })
}

fn kind(node: &Node) -> Type {
    let repeated = node.get_basic_info().has_repetition() && node.get_basic_info().repetition() == Repetition::REPEATED;
    let kind = if node.is_primitive() {
        primitive(node)
    } else {
        group(node)
    };
    if repeated { Type::Array(Box::new(kind)) } else { kind }
}

fn group(node: &Node) -> Type {
    let info = node.get_basic_info();
    let logical = info.logical_type_ref();
    let converted = info.converted_type();
    let fields = node.get_fields();
    if matches!(logical, Some(LogicalType::List)) || converted == ConvertedType::LIST {
        let item = fields.first().map(|repeated| {
            // The usual three levels; older writers leave out the middle one.
            match repeated.is_group().then(|| repeated.get_fields()) {
                Some([element]) => kind(element),
                Some(_) => Type::Struct(children(repeated)),
                None => primitive(repeated),
            }
        });
        return Type::Array(Box::new(item.unwrap_or(Type::String)));
    }
    if matches!(logical, Some(LogicalType::Map))
        || matches!(converted, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE)
    {
        let pair = fields
            .first()
            .filter(|pair| pair.is_group())
            .map(|pair| pair.get_fields());
        return match pair {
            Some([key, value]) => Type::Map(Box::new(kind(key)), Box::new(kind(value))),
            _ => Type::String,
        };
    }
    Type::Struct(children(node))
}

fn children(node: &Node) -> Vec<(String, Type)> {
    node.get_fields()
        .iter()
        .map(|field| (field.name().to_lowercase(), kind(field)))
        .collect()
}

fn primitive(node: &Node) -> Type {
    let named = |name: &str| Type::Named(name.to_owned());
    let info = node.get_basic_info();
    match info.logical_type_ref() {
        Some(LogicalType::Decimal { .. }) => return decimal(node),
        Some(LogicalType::Date) => return named("date"),
        Some(LogicalType::Timestamp { .. }) => return named("timestamp"),
        Some(LogicalType::String | LogicalType::Enum | LogicalType::Json | LogicalType::Uuid) => return Type::String,
        Some(LogicalType::Integer(kind)) => return integer(kind.bit_width, kind.is_signed),
        _ => {}
    }
    match info.converted_type() {
        ConvertedType::DECIMAL => return decimal(node),
        ConvertedType::DATE => return named("date"),
        ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS => return named("timestamp"),
        ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => return Type::String,
        ConvertedType::INT_8 => return integer(8, true),
        ConvertedType::INT_16 => return integer(16, true),
        ConvertedType::UINT_8 => return integer(8, false),
        ConvertedType::UINT_16 => return integer(16, false),
        ConvertedType::UINT_32 => return integer(32, false),
        _ => {}
    }
    match node.get_physical_type() {
        Physical::BOOLEAN => Type::Boolean,
        Physical::INT32 => Type::Int,
        Physical::INT64 => Type::Bigint,
        Physical::INT96 => named("timestamp"),
        Physical::FLOAT => named("float"),
        Physical::DOUBLE => Type::Double,
        Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => named("binary"),
    }
}

/// Hive has no unsigned integers: the next wider type holds them.
fn integer(bits: i8, signed: bool) -> Type {
    match (bits, signed) {
        (8, true) => Type::Named("tinyint".into()),
        (8, false) | (16, true) => Type::Named("smallint".into()),
        (16, false) | (32, true) => Type::Int,
        _ => Type::Bigint,
    }
}

fn decimal(node: &Node) -> Type {
    match node {
        Node::PrimitiveType { precision, scale, .. } => Type::Named(format!("decimal({precision},{scale})")),
        Node::GroupType { .. } => Type::String,
    }
}
