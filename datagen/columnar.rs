//! Writes drawn values as Parquet: typed columns, dictionaries straight from the pools, statistics per column
//! chunk. A file is one part, because its footer tells where every page begins.

use crate::compile::{Compiled, Form, Made};
use crate::compression::Compression;
use crate::definition::{Column, Generator, Type};
use crate::expr::NULL;
use crate::kernel::{BLOCK, Block};
use crate::text::PlainText;
use arrow::array::{
    Array as _, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

/// Rows handed to the encoder at a time.
const BATCH: usize = 64 * BLOCK;
/// Rows of a row group: about 64 to 128 MiB for usual tables.
const ROW_GROUP: usize = 1 << 20;

/// Writes the rows of one table as Parquet.
#[derive(Debug)]
pub(crate) struct ColumnarWriter {
    schema: Arc<Schema>,
    columns: Vec<Encoder>,
    properties: WriterProperties,
}

#[derive(Debug)]
struct Encoder {
    slot: usize,
    nullable: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Value(Type),
    /// Codes into these texts.
    Dictionary(Arc<StringArray>),
    Text(PlainText),
}

impl ColumnarWriter {
    pub(crate) fn new(columns: &[&Column], compiled: &Compiled, compression: Compression) -> Self {
        let codec = match compression {
            Compression::None => Codec::SNAPPY,
            Compression::Gzip => Codec::GZIP(Default::default()),
            Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(1).expect("level 1 exists")),
        };
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by("lakeform".to_owned())
            .set_compression(codec)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_max_row_group_row_count(Some(ROW_GROUP));
        let mut fields = Vec::new();
        let mut encoders = Vec::new();
        for (column, made) in columns.iter().zip(&compiled.columns) {
            let encoder = Encoder::new(made);
            let path = ColumnPath::from(column.name.value.clone());
            if !few_values(column, &encoder) {
                properties = properties.set_column_dictionary_enabled(path.clone(), false);
            }
            if matches!(column.generator.value, Generator::Uuid | Generator::Unique { .. }) {
                // Random bits do not shrink; trying costs more than all the rest.
                properties = properties.set_column_compression(path, Codec::UNCOMPRESSED);
            }
            fields.push(Field::new(&column.name.value, encoder.data_type(), made.nullable));
            encoders.push(encoder);
        }
        Self {
            schema: Arc::new(Schema::new(fields)),
            columns: encoders,
            properties: properties.build(),
        }
    }

    /// Adds a whole file with these rows to `out`.
    pub(crate) fn write(&self, compiled: &Compiled, rows: Range<u64>, out: &mut (impl Write + Send)) {
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties.clone())
            .with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(out, self.schema.clone(), options)
            .expect("the schema has only types that Parquet knows");
        let mut block = Block::new(compiled.nodes.len());
        let mut row = rows.start;
        while row < rows.end {
            let count = (rows.end - row).min(BATCH as u64) as usize;
            let mut lanes: Vec<Vec<i64>> = vec![Vec::with_capacity(BATCH); self.columns.len()];
            let mut texts: Vec<Texts> = self.columns.iter().map(Texts::new).collect();
            for start in (0..count).step_by(BLOCK) {
                let in_block = (count - start).min(BLOCK);
                block.fill(&compiled.nodes, row + start as u64);
                for ((encoder, lane), text) in self.columns.iter().zip(&mut lanes).zip(&mut texts) {
                    let values = &block.lane(encoder.slot)[..in_block];
                    match &encoder.kind {
                        Kind::Text(plain) => text.add(plain, &block, values),
                        _ => lane.extend_from_slice(values),
                    }
                }
            }
            let arrays = self
                .columns
                .iter()
                .zip(lanes)
                .zip(texts)
                .map(|((e, lane), text)| e.array(lane, text))
                .collect();
            let batch = RecordBatch::try_new(self.schema.clone(), arrays).expect("columns agree with the schema");
            writer.write(&batch).expect("memory takes every byte");
            row += count as u64;
        }
        writer.close().expect("memory takes every byte");
    }
}

fn few_values(column: &Column, encoder: &Encoder) -> bool {
    matches!(
        (&encoder.kind, &column.generator.value),
        (Kind::Dictionary(_), _)
            | (Kind::Value(Type::Date | Type::SmallInt | Type::Boolean), _)
            | (Kind::Value(_), Generator::Choice { .. } | Generator::List { .. })
    )
}

/// Texts of a batch, one after the other.
struct Texts {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    valid: Vec<bool>,
    scratch: Vec<u8>,
}

impl Texts {
    fn new(encoder: &Encoder) -> Self {
        let scratch = match &encoder.kind {
            Kind::Text(plain) => plain.scratch(),
            _ => Vec::new(),
        };
        Self {
            bytes: Vec::new(),
            offsets: vec![0],
            valid: Vec::new(),
            scratch,
        }
    }

    fn add(&mut self, plain: &PlainText, block: &Block, values: &[i64]) {
        for (row, &value) in values.iter().enumerate() {
            if value != NULL {
                let end = plain.write(block, row, &mut self.scratch);
                self.bytes.extend_from_slice(&self.scratch[..end]);
            }
            self.valid.push(value != NULL);
            // A batch of the longest possible texts stays far below 2 GiB.
            self.offsets.push(self.bytes.len() as i32);
        }
    }
}

impl Encoder {
    fn new(made: &Made) -> Self {
        let kind = match &made.form {
            Form::Value(kind) => Kind::Value(*kind),
            Form::Pool(pool) => Kind::Dictionary(Arc::new(StringArray::from_iter_values(&pool.texts))),
            Form::Template(_) | Form::Uuid(_) => Kind::Text(PlainText::new(made)),
        };
        Self {
            slot: made.slot,
            nullable: made.nullable,
            kind,
        }
    }

    fn data_type(&self) -> DataType {
        match &self.kind {
            Kind::Dictionary(_) => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Kind::Text(_) => DataType::Utf8,
            Kind::Value(kind) => match kind {
                Type::SmallInt => DataType::Int16,
                Type::Int => DataType::Int32,
                Type::BigInt => DataType::Int64,
                Type::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale as i8),
                Type::Double { .. } => DataType::Float64,
                Type::Boolean => DataType::Boolean,
                Type::Date => DataType::Date32,
                Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
                Type::Text | Type::Uuid => DataType::Utf8,
            },
        }
    }

    fn array(&self, lane: Vec<i64>, text: Texts) -> ArrayRef {
        let nulls = |lane: &[i64]| {
            self.nullable
                .then(|| NullBuffer::from_iter(lane.iter().map(|v| *v != NULL)))
        };
        let kind = match &self.kind {
            Kind::Text(_) => {
                let nulls = self.nullable.then(|| NullBuffer::from(text.valid));
                let offsets = OffsetBuffer::new(ScalarBuffer::from(text.offsets));
                return Arc::new(StringArray::new(offsets, Buffer::from_vec(text.bytes), nulls));
            }
            Kind::Dictionary(values) => {
                let last = values.len() as i32 - 1;
                let keys = lane
                    .iter()
                    .map(|v| if *v == NULL { 0 } else { (*v as i32).clamp(0, last) });
                let keys = Int32Array::new(keys.collect(), nulls(&lane));
                return Arc::new(DictionaryArray::<Int32Type>::new(keys, values.clone()));
            }
            Kind::Value(kind) => kind,
        };
        let nulls = nulls(&lane);
        match kind {
            Type::SmallInt => Arc::new(Int16Array::new(lane.iter().map(|v| *v as i16).collect(), nulls)),
            Type::Int => Arc::new(Int32Array::new(lane.iter().map(|v| *v as i32).collect(), nulls)),
            Type::Decimal { precision, scale } => Arc::new(
                Decimal128Array::new(lane.iter().map(|v| i128::from(*v)).collect(), nulls)
                    .with_precision_and_scale(*precision, *scale as i8)
                    .expect("checked: at most 18 digits"),
            ),
            Type::Double { scale } => {
                let unit = 10f64.powi(i32::from(*scale));
                Arc::new(Float64Array::new(
                    lane.iter().map(|v| *v as f64 / unit).collect(),
                    nulls,
                ))
            }
            Type::Boolean => Arc::new(BooleanArray::new(lane.iter().map(|v| *v == 1).collect(), nulls)),
            Type::Date => Arc::new(Date32Array::new(lane.iter().map(|v| *v as i32).collect(), nulls)),
            Type::Timestamp => {
                let micros = lane.iter().map(|v| v.saturating_mul(1_000_000)).collect();
                Arc::new(TimestampMicrosecondArray::new(micros, nulls))
            }
            Type::BigInt | Type::Text | Type::Uuid => Arc::new(Int64Array::new(lane.into(), nulls)),
        }
    }
}
