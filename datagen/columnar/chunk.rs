//! One column of one row group on its way: values gather in pages, and pages, compressed, in the chunk.

use super::{Dictionary, Encoder, Encoding};
use crate::expr::NULL;
use crate::kernel::Block;
use crate::text::PlainText;
use bytes::Bytes;
use parquet::basic::{Compression as Codec, Encoding as Named, Type as Physical};
use parquet::column::page::{CompressedPage, Page, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use std::io::Write as _;

/// A page is full with so many bytes or so many values.
const PAGE_BYTES: usize = 1 << 20;
const PAGE_VALUES: usize = 1 << 16;

const MEMORY: &str = "memory takes every byte";

pub(super) struct Chunk<'a> {
    encoder: &'a Encoder,
    page: PageBuffer,
    scratch: Vec<u8>,
    chunk: TrackedWrite<Vec<u8>>,
    rows: u64,
    nulls: u64,
    /// Least and largest value; the other way around when there is none.
    ends: (i64, i64),
    /// Where the first page of values begins.
    data_offset: Option<u64>,
    uncompressed: usize,
}

/// The values of one page, null or not.
#[derive(Default)]
struct PageBuffer {
    count: usize,
    valid: Bits,
    /// Whole values, or the codes of a dictionary.
    values: Vec<u8>,
    codes: Bits,
}

/// Numbers of a few bits each, the first in the lowest bits.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    used: u32,
    count: usize,
}

impl Bits {
    #[inline(always)]
    fn push(&mut self, value: u64, width: u32) {
        self.pending |= value << self.used;
        self.used += width;
        self.count += 1;
        if self.used >= 32 {
            self.bytes.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.used -= 32;
        }
    }

    /// Takes the numbers as one run of Parquet's hybrid encoding: how many groups of eight, and their bits.
    fn take_run(&mut self, width: u32, out: &mut Vec<u8>) {
        let groups = self.count.div_ceil(8);
        let mut header = (groups << 1) | 1;
        while header > 0x7f {
            out.push(header as u8 | 0x80);
            header >>= 7;
        }
        out.push(header as u8);
        self.bytes.extend_from_slice(&self.pending.to_le_bytes());
        self.bytes.resize(groups * width as usize, 0);
        out.extend_from_slice(&self.bytes);
        self.bytes.clear();
        (self.pending, self.used, self.count) = (0, 0, 0);
    }
}

impl<'a> Chunk<'a> {
    pub(super) fn new(encoder: &'a Encoder) -> Self {
        let mut chunk = Self {
            encoder,
            page: PageBuffer::default(),
            scratch: match &encoder.form {
                Encoding::Text(plain) => plain.scratch(),
                _ => Vec::new(),
            },
            chunk: TrackedWrite::new(Vec::new()),
            rows: 0,
            nulls: 0,
            ends: (i64::MAX, i64::MIN),
            data_offset: None,
            uncompressed: 0,
        };
        if let Encoding::Codes(dictionary) = &encoder.form {
            chunk.dictionary(dictionary);
        }
        chunk
    }

    fn dictionary(&mut self, dictionary: &Dictionary) {
        let packed = pack(self.encoder.codec, &dictionary.page).unwrap_or_else(|| dictionary.page.clone());
        let page = Page::DictionaryPage {
            buf: packed,
            num_values: dictionary.count,
            encoding: Named::PLAIN,
            is_sorted: false,
        };
        self.send(page, dictionary.page.len());
    }

    fn send(&mut self, page: Page, uncompressed: usize) -> u64 {
        let spec = SerializedPageWriter::new(&mut self.chunk)
            .write_page(CompressedPage::new(page, uncompressed))
            .expect(MEMORY);
        self.uncompressed += spec.uncompressed_size;
        spec.offset
    }

    /// Adds the column's values of the first `count` rows of a block.
    pub(super) fn add(&mut self, block: &Block, count: usize) {
        let encoder = self.encoder;
        let lane = &block.lane(encoder.slot)[..count];
        if let Encoding::Text(text) = &encoder.form {
            return self.add_texts(text, block, lane);
        }
        self.rows += count as u64;
        self.page.count += count;
        if encoder.nullable {
            lane.iter().for_each(|value| self.level(*value));
        }
        let before = &mut self.page.values;
        match &encoder.form {
            Encoding::Text(_) => unreachable!("done above"),
            Encoding::Codes(dictionary) => {
                let last = u64::from(dictionary.count.saturating_sub(1));
                for value in lane.iter().filter(|value| **value != NULL) {
                    self.page.codes.push((*value as u64).min(last), dictionary.width);
                }
            }
            Encoding::Boolean => {
                for value in lane.iter().filter(|value| **value != NULL) {
                    self.page.codes.push(u64::from(*value == 1), 1);
                    self.ends = (self.ends.0.min(*value), self.ends.1.max(*value));
                }
            }
            Encoding::Int32 => plain(lane, encoder.nullable, before, |value| (value as i32).to_le_bytes()),
            Encoding::Int64 => plain(lane, encoder.nullable, before, i64::to_le_bytes),
            Encoding::Micros => plain(lane, encoder.nullable, before, |value| {
                value.saturating_mul(1_000_000).to_le_bytes()
            }),
            Encoding::Double(unit) => plain(lane, encoder.nullable, before, |value| {
                (value as f64 / unit).to_le_bytes()
            }),
        }
        if !matches!(encoder.form, Encoding::Codes(_) | Encoding::Boolean) {
            // Null is the most negative number: never the largest, and here never the least.
            let least = lane.iter().map(|v| if *v == NULL { i64::MAX } else { *v }).min();
            let most = lane.iter().copied().max();
            self.ends.0 = self.ends.0.min(least.unwrap_or(i64::MAX));
            self.ends.1 = self.ends.1.max(most.unwrap_or(i64::MIN));
        }
        if self.page.values.len() >= PAGE_BYTES || self.page.count >= PAGE_VALUES {
            self.flush();
        }
    }

    /// Texts may be very long, so a page may end behind any of them.
    fn add_texts(&mut self, text: &PlainText, block: &Block, lane: &[i64]) {
        for (row, value) in lane.iter().enumerate() {
            self.rows += 1;
            self.page.count += 1;
            if self.encoder.nullable {
                self.level(*value);
            }
            if *value != NULL {
                let end = text.write(block, row, &mut self.scratch);
                self.page.values.extend_from_slice(&(end as u32).to_le_bytes());
                self.page.values.extend_from_slice(&self.scratch[..end]);
            }
            if self.page.values.len() >= PAGE_BYTES || self.page.count >= PAGE_VALUES {
                self.flush();
            }
        }
    }

    /// Notes whether a value is there.
    fn level(&mut self, value: i64) {
        self.page.valid.push(u64::from(value != NULL), 1);
        self.nulls += u64::from(value == NULL);
    }

    /// Ends the page.
    fn flush(&mut self) {
        let page = &mut self.page;
        let mut body = Vec::with_capacity(page.values.len() + page.codes.bytes.len() + page.count / 8 + 64);
        if self.encoder.nullable {
            body.extend_from_slice(&[0; 4]);
            page.valid.take_run(1, &mut body);
            let levels = body.len() as u32 - 4;
            body[..4].copy_from_slice(&levels.to_le_bytes());
        }
        let encoding = match &self.encoder.form {
            Encoding::Codes(dictionary) => {
                body.push(dictionary.width as u8);
                page.codes.take_run(dictionary.width, &mut body);
                Named::RLE_DICTIONARY
            }
            Encoding::Boolean => {
                // Bits alone, without the head of a run.
                let mut run = Vec::new();
                let bytes = page.codes.count.div_ceil(8);
                page.codes.take_run(1, &mut run);
                body.extend_from_slice(&run[run.len() - bytes..]);
                Named::PLAIN
            }
            _ => {
                body.extend_from_slice(&page.values);
                Named::PLAIN
            }
        };
        page.values.clear();
        let num_values = std::mem::take(&mut page.count) as u32;
        let uncompressed = body.len();
        let page = Page::DataPage {
            buf: pack(self.encoder.codec, &body).unwrap_or_else(|| body.into()),
            num_values,
            encoding,
            def_level_encoding: Named::RLE,
            rep_level_encoding: Named::RLE,
            statistics: None,
        };
        let offset = self.send(page, uncompressed);
        self.data_offset.get_or_insert(offset);
    }

    /// Returns the bytes of the chunk and what the file must tell of it.
    pub(super) fn close(mut self) -> (Bytes, ColumnCloseResult) {
        if self.page.count > 0 || self.data_offset.is_none() {
            self.flush();
        }
        let statistics = self.statistics();
        let bytes = Bytes::from(self.chunk.into_inner().expect(MEMORY));
        let has_dictionary = matches!(self.encoder.form, Encoding::Codes(_));
        let encodings = if has_dictionary {
            vec![Named::PLAIN, Named::RLE, Named::RLE_DICTIONARY]
        } else {
            vec![Named::PLAIN, Named::RLE]
        };
        let metadata = ColumnChunkMetaData::builder(self.encoder.about.clone())
            .set_encodings(encodings)
            .set_compression(self.encoder.codec)
            .set_num_values(self.rows as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_data_page_offset(self.data_offset.unwrap_or_default() as i64)
            .set_dictionary_page_offset(has_dictionary.then_some(0))
            .set_statistics(statistics)
            .build()
            .expect("everything is set");
        let about = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        (bytes, about)
    }

    fn statistics(&self) -> Statistics {
        let nulls = Some(self.nulls);
        let (least, most) = (self.ends.0 <= self.ends.1).then_some(self.ends).unzip();
        let int32 = |value: Option<i64>| value.map(|value| value as i32);
        let micros = |value: Option<i64>| value.map(|value| value.saturating_mul(1_000_000));
        match (&self.encoder.form, self.encoder.about.physical_type()) {
            // All values of the dictionary, whether drawn or not: true bounds, but perhaps not the nearest.
            (Encoding::Codes(dictionary), physical) if self.nulls < self.rows => {
                macro_rules! bounds {
                    ($kind:ident, $value:expr) => {
                        Statistics::$kind(
                            ValueStatistics::new(
                                $value(&dictionary.least),
                                $value(&dictionary.most),
                                None,
                                nulls,
                                false,
                            )
                            .with_min_is_exact(false)
                            .with_max_is_exact(false),
                        )
                    };
                }
                match physical {
                    Physical::INT32 => bounds!(Int32, |end: &Bytes| end[..].try_into().ok().map(i32::from_le_bytes)),
                    Physical::INT64 => bounds!(Int64, |end: &Bytes| end[..].try_into().ok().map(i64::from_le_bytes)),
                    _ => bounds!(ByteArray, |end: &Bytes| Some(ByteArray::from(end.clone()))),
                }
            }
            (Encoding::Double(unit), _) => {
                let double = |value: Option<i64>| value.map(|value| value as f64 / unit);
                Statistics::double(double(least), double(most), None, nulls, false)
            }
            (Encoding::Micros, _) => Statistics::int64(micros(least), micros(most), None, nulls, false),
            (_, Physical::BOOLEAN) => {
                Statistics::boolean(least.map(|v| v == 1), most.map(|v| v == 1), None, nulls, false)
            }
            (_, Physical::INT32) => Statistics::int32(int32(least), int32(most), None, nulls, false),
            (_, Physical::INT64) => Statistics::int64(least, most, None, nulls, false),
            _ => Statistics::byte_array(None, None, None, nulls, false),
        }
    }
}

/// Adds whole values to a page, without the nulls.
#[inline(always)]
fn plain<const N: usize>(lane: &[i64], nullable: bool, out: &mut Vec<u8>, bytes: impl Fn(i64) -> [u8; N]) {
    if nullable {
        for value in lane.iter().filter(|value| **value != NULL) {
            out.extend_from_slice(&bytes(*value));
        }
        return;
    }
    let start = out.len();
    out.resize(start + N * lane.len(), 0);
    for (out, value) in out[start..].chunks_exact_mut(N).zip(lane) {
        out.copy_from_slice(&bytes(*value));
    }
}

/// Returns a page's bytes compressed; nothing when its codec is none.
fn pack(codec: Codec, bytes: &[u8]) -> Option<Bytes> {
    match codec {
        Codec::SNAPPY => Some(
            snap::raw::Encoder::new()
                .compress_vec(bytes)
                .expect("a page is below 4 GiB")
                .into(),
        ),
        Codec::ZSTD(_) => Some(zstd::bulk::compress(bytes, 1).expect(MEMORY).into()),
        Codec::GZIP(_) => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).expect(MEMORY);
            Some(encoder.finish().expect(MEMORY).into())
        }
        _ => None,
    }
}
