//! From an object's first bytes to its schema: compression is undone, custom classifiers are asked in their order,
//! then the built-in ones.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::Read;

use super::csv::Settings;
use super::schema::Schema;
use super::{columnar, csv, grok, json};

/// A crawler's custom classifier.
#[derive(Clone, Debug)]
pub enum Classifier {
    Csv(Settings),
    Json {
        path: String,
    },
    Grok(grok::Grok),
    /// Kept and listed, but there is no XML reader here.
    Xml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Snappy,
}

impl Compression {
    /// Returns the value of the `compressionType` parameter.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Snappy => "snappy",
        }
    }

    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
            [0xff, 0x06, 0x00, 0x00, b's', b'N', b'a', b'P', ..] => Compression::Snappy,
            _ => Compression::None,
        }
    }
}

/// Where the bytes of an object come from.
pub trait Bytes {
    /// Returns at most `limit` bytes from `start`.
    fn read(&self, start: u64, limit: usize) -> std::io::Result<Vec<u8>>;
    fn size(&self) -> u64;
}

/// What became known of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    pub schema: Schema,
    pub compression: Compression,
    /// Estimated when only part of the object was read.
    pub records: u64,
    /// Bytes of the records before compression, estimated likewise.
    pub plain_bytes: u64,
}

/// Classifies one object from at most `budget` of its bytes.
pub fn classify(object: &dyn Bytes, classifiers: &[Classifier], budget: usize) -> std::io::Result<Classified> {
    let head = object.read(0, budget)?;
    let whole_object = head.len() as u64 >= object.size();
    if head.starts_with(columnar::MAGIC)
        && let Some(schema) = parquet_schema(object)?
    {
        let records = schema.records;
        return Ok(Classified {
            schema,
            compression: Compression::None,
            records,
            plain_bytes: object.size(),
        });
    }
    let compression = Compression::of(&head);
    let packed = Counted {
        rest: &head,
        taken: Cell::new(0),
    };
    let (plain, whole) = match compression {
        Compression::None => (Cow::Borrowed(&head[..]), whole_object),
        Compression::Gzip => unpack(flate2::read::MultiGzDecoder::new(&packed), budget, whole_object),
        Compression::Zstd => match zstd::Decoder::new(&packed) {
            Ok(decoder) => unpack(decoder, budget, whole_object),
            Err(_) => (Cow::Borrowed(&head[..0]), false),
        },
        Compression::Bzip2 | Compression::Snappy => (Cow::Borrowed(&head[..0]), false),
    };
    let schema = text(&plain, whole).and_then(|text| of_text(text, classifiers, whole));
    let schema = schema.unwrap_or_else(Schema::unknown);
    // Of a compressed object the sample's ratio stands for the rest.
    let ratio = if compression == Compression::None {
        1.0
    } else {
        plain.len() as f64 / packed.taken.get().max(1) as f64
    };
    let all = if whole {
        plain.len() as u64
    } else {
        (object.size() as f64 * ratio) as u64
    };
    let records = estimate(&schema, whole, all);
    let plain_bytes = all;
    Ok(Classified {
        schema,
        compression,
        records,
        plain_bytes,
    })
}

fn of_text(text: &str, classifiers: &[Classifier], whole: bool) -> Option<Schema> {
    let custom = classifiers.iter().find_map(|classifier| match classifier {
        Classifier::Csv(settings) => csv::classify(text, settings, whole),
        Classifier::Json { path } => json::classify(text, Some(path), whole),
        Classifier::Grok(grok) => grok.classify(text, whole),
        Classifier::Xml => None,
    });
    custom
        .or_else(|| json::classify(text, None, whole))
        .or_else(|| csv::classify(text, &Settings::built_in(), whole))
}

/// Sampled bytes of a compressed object end somewhere inside a block: what could be unpacked is the sample.
fn unpack<'p>(mut decoder: impl Read, budget: usize, whole_object: bool) -> (Cow<'p, [u8]>, bool) {
    let mut plain = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return (plain.into(), whole_object),
            Ok(read) => plain.extend_from_slice(&piece[..read]),
            Err(_) => return (plain.into(), false),
        }
        if plain.len() >= budget {
            return (plain.into(), false);
        }
    }
}

/// Returns the sample as text, without a byte order mark and without a character cut at its end. Binary is no text.
fn text(bytes: &[u8], whole: bool) -> Option<&str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.is_empty() || bytes.contains(&0) {
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if !whole && error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

fn parquet_schema(object: &dyn Bytes) -> std::io::Result<Option<Schema>> {
    let size = object.size();
    let Some(start) = size.checked_sub(columnar::TAIL as u64) else {
        return Ok(None);
    };
    let tail = object.read(start, columnar::TAIL)?;
    let Some(length) = columnar::footer_len(&tail) else {
        return Ok(None);
    };
    let Some(start) = start.checked_sub(length as u64) else {
        return Ok(None);
    };
    Ok(columnar::classify(&object.read(start, length)?))
}

/// Counts the records of an object from those of its sample.
fn estimate(schema: &Schema, whole: bool, plain: u64) -> u64 {
    if whole || schema.records == 0 || schema.sampled == 0 {
        return schema.records;
    }
    let records = (plain as f64 * schema.records as f64 / schema.sampled as f64).round() as u64;
    records.max(schema.records)
}

/// Bytes that remember how many of them were taken.
struct Counted<'b> {
    rest: &'b [u8],
    taken: Cell<usize>,
}

impl Read for &Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let left = &self.rest[self.taken.get()..];
        // Small bites, so that what a decoder has buffered but not unpacked hardly counts.
        let take = left.len().min(buf.len()).min(4096);
        buf[..take].copy_from_slice(&left[..take]);
        self.taken.set(self.taken.get() + take);
        Ok(take)
    }
}
