//! Writes drawn values as Parquet, page by page and without arrays between: dictionaries straight from the pools,
//! codes as they were drawn, statistics per column chunk. A file is one part, because its footer tells where every
//! page begins.

use crate::compile::{Compiled, Form, Made};
use crate::compression::Compression;
use crate::definition::{Column, Generator, Type};
use crate::kernel::{BLOCK, Block, Slot};
use crate::text::PlainText;
use bytes::Bytes;
use chunk::Chunk;
use parquet::basic::{Compression as Codec, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type as Schema};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

mod chunk;

/// Writes the rows of one table as Parquet.
#[derive(Debug)]
pub(crate) struct ColumnarWriter {
    schema: Arc<Schema>,
    columns: Vec<Encoder>,
    properties: WriterPropertiesPtr,
    /// Rows of a row group.
    group: u64,
}

/// How one column is written.
#[derive(Debug)]
struct Encoder {
    slot: Slot,
    nullable: bool,
    form: Encoding,
    codec: Codec,
    about: ColumnDescPtr,
}

#[derive(Debug)]
enum Encoding {
    Boolean,
    Int32,
    Int64,
    /// Seconds, written as microseconds.
    Micros,
    /// Units of which so many make one.
    Double(f64),
    Text(PlainText),
    Codes(Dictionary),
}

/// Values that are written once; rows hold their places.
#[derive(Debug)]
struct Dictionary {
    /// The values one after the other, as a dictionary page has them.
    page: Bytes,
    count: u32,
    /// Bits of a place.
    width: u32,
    least: Bytes,
    most: Bytes,
}

impl ColumnarWriter {
    pub(crate) fn new(columns: &[&Column], compiled: &Compiled, compression: Compression) -> Self {
        let codec = match compression {
            Compression::None => Codec::SNAPPY,
            Compression::Gzip => Codec::GZIP(Default::default()),
            Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(1).expect("level 1 exists")),
        };
        let fields = columns.iter().zip(&compiled.columns).map(|(column, made)| {
            let repetition = if made.nullable {
                Repetition::OPTIONAL
            } else {
                Repetition::REQUIRED
            };
            Arc::new(field(&column.name.value, column.kind, repetition))
        });
        let schema = Schema::group_type_builder("schema").with_fields(fields.collect());
        let schema = Arc::new(schema.build().expect("names of columns are different"));
        let about = SchemaDescriptor::new(schema.clone());
        let columns = columns
            .iter()
            .zip(&compiled.columns)
            .enumerate()
            .map(|(place, (column, made))| {
                let about = about.column(place);
                let (slot, form) = encoding(made, column.kind, about.physical_type());
                // Random bits and packed codes do not shrink; trying would cost more than all the rest.
                let random = matches!(column.generator.value, Generator::Uuid | Generator::Unique { .. });
                let packed = matches!(form, Encoding::Codes(_) | Encoding::Boolean);
                Encoder {
                    slot,
                    nullable: made.nullable,
                    form,
                    codec: if random || packed { Codec::UNCOMPRESSED } else { codec },
                    about,
                }
            });
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by("lakeform".to_owned());
        Self {
            columns: columns.collect(),
            schema,
            properties: Arc::new(properties.build()),
            group: 1 << 20,
        }
    }

    /// Sets how many rows a row group has.
    pub(crate) fn set_group(&mut self, rows: u64) {
        self.group = rows.max(1);
    }

    /// Writes a whole file with these rows.
    pub(crate) fn write(&self, compiled: &Compiled, rows: Range<u64>, out: &mut (impl Write + Send)) {
        const MEMORY: &str = "memory takes every byte";
        let mut file =
            SerializedFileWriter::new(out, self.schema.clone(), self.properties.clone()).expect("a schema of ours");
        let mut block = Block::new(compiled.nodes.len());
        let mut start = rows.start;
        while start < rows.end {
            let end = rows.end.min(start.saturating_add(self.group));
            let mut chunks: Vec<Chunk> = self.columns.iter().map(Chunk::new).collect();
            for first in (start..end).step_by(BLOCK) {
                let count = (end - first).min(BLOCK as u64) as usize;
                block.fill(&compiled.nodes, first);
                for chunk in &mut chunks {
                    chunk.add(&block, count);
                }
            }
            let mut group = file.next_row_group().expect(MEMORY);
            for chunk in chunks {
                let (bytes, about) = chunk.close();
                group.append_column(&bytes, about).expect(MEMORY);
            }
            group.close().expect(MEMORY);
            start = end;
        }
        file.close().expect(MEMORY);
    }
}

/// Returns the Parquet field of a column.
fn field(name: &str, kind: Type, repetition: Repetition) -> Schema {
    let (physical, logical, digits) = match kind {
        Type::SmallInt => (Physical::INT32, Some(LogicalType::integer(16, true)), None),
        Type::Int => (Physical::INT32, None, None),
        Type::BigInt => (Physical::INT64, None, None),
        Type::Decimal { precision, scale } => {
            let (precision, scale) = (i32::from(precision), i32::from(scale));
            let physical = if precision <= 9 {
                Physical::INT32
            } else {
                Physical::INT64
            };
            let logical = LogicalType::decimal(scale, precision);
            (physical, Some(logical), Some((precision, scale)))
        }
        Type::Double { .. } => (Physical::DOUBLE, None, None),
        Type::Boolean => (Physical::BOOLEAN, None, None),
        Type::Date => (Physical::INT32, Some(LogicalType::Date), None),
        Type::Timestamp => {
            let logical = LogicalType::timestamp(false, TimeUnit::MICROS);
            (Physical::INT64, Some(logical), None)
        }
        // As text, for Redshift Spectrum has no uuids.
        Type::Text | Type::Uuid => (Physical::BYTE_ARRAY, Some(LogicalType::String), None),
    };
    let (precision, scale) = digits.unwrap_or((-1, -1));
    Schema::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .with_precision(precision)
        .with_scale(scale)
        .build()
        .expect("logical and physical types fit")
}

fn encoding(made: &Made, kind: Type, physical: Physical) -> (Slot, Encoding) {
    let form = match (&made.form, &made.codes) {
        (Form::Pool(pool), _) => {
            let texts = pool.texts.iter().map(|text| text.as_bytes());
            let (least, most) = (texts.clone().min(), texts.clone().max());
            let mut page = Vec::new();
            for text in texts {
                page.extend_from_slice(&(text.len() as u32).to_le_bytes());
                page.extend_from_slice(text);
            }
            let ends = [least, most].map(|end| Bytes::copy_from_slice(end.unwrap_or_default()));
            Encoding::Codes(Dictionary::new(page, pool.texts.len(), ends))
        }
        (Form::Value(_), Some((places, values))) if matches!(physical, Physical::INT32 | Physical::INT64) => {
            let bytes = |value: i64| match physical {
                Physical::INT32 => (value as i32).to_le_bytes().to_vec(),
                _ => value.to_le_bytes().to_vec(),
            };
            let page = values.iter().flat_map(|value| bytes(*value)).collect();
            let (least, most) = (values.iter().min(), values.iter().max());
            let ends = [least, most].map(|end| Bytes::from(bytes(end.copied().unwrap_or_default())));
            return (*places, Encoding::Codes(Dictionary::new(page, values.len(), ends)));
        }
        (Form::Value(_), _) => match (kind, physical) {
            (Type::Timestamp, _) => Encoding::Micros,
            (Type::Double { scale }, _) => Encoding::Double(10f64.powi(i32::from(scale))),
            (_, Physical::BOOLEAN) => Encoding::Boolean,
            (_, Physical::INT32) => Encoding::Int32,
            _ => Encoding::Int64,
        },
        (Form::Template(_) | Form::Uuid(_), _) => Encoding::Text(PlainText::new(made)),
    };
    (made.slot, form)
}

impl Dictionary {
    fn new(page: Vec<u8>, count: usize, [least, most]: [Bytes; 2]) -> Self {
        Self {
            page: page.into(),
            count: count as u32,
            // One value alone could do without any bits, but not every reader expects that.
            width: (usize::BITS - count.saturating_sub(1).leading_zeros()).max(1),
            least,
            most,
        }
    }
}
