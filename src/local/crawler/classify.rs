//! From an object's first bytes to its schema: compression is undone, custom classifiers are asked in their order,
//! then the built-in ones.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, Read};
use std::sync::Arc;

use super::csv::Settings;
use super::schema::{Schema, Seen};
use super::{columnar, csv, grok, json};

/// A crawler's custom classifier.
#[derive(Clone, Debug)]
pub enum Classifier {
    Csv(Settings),
    Json { path: String },
    Grok(grok::Grok),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Returns the value of the `compressionType` parameter.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
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
    pub schema: Arc<Schema>,
    pub compression: Compression,
    /// Estimated when only part of the object was read.
    pub records: u64,
    /// Bytes of the records before compression, estimated likewise.
    pub plain_bytes: u64,
}

/// A first look. Most files show their first thousand records in it.
const LOOK: usize = 128 << 10;
/// A sample is this long, or has this many records if that is less.
const SAMPLE: usize = 1 << 20;
const RECORDS: usize = 1000;
/// A JSON record may be longer than a sample.
const MOST: usize = 10 << 20;

/// Classifies one object from a sample at its beginning. A format that is known but not read here is an error.
pub fn classify(object: &dyn Bytes, classifiers: &[Classifier]) -> io::Result<Classified> {
    let mut length = LOOK;
    loop {
        let head = object.read(0, length)?;
        if head.starts_with(columnar::MAGIC)
            && let Some(seen) = parquet(object)?
        {
            return Ok(Classified {
                schema: Arc::new(seen.schema),
                compression: Compression::None,
                records: seen.records,
                plain_bytes: object.size(),
            });
        }
        let sample = Sample::of(&head, head.len() as u64 >= object.size(), length);
        let text = text(&sample.plain, sample.whole);
        let json = text.is_some_and(|text| text.trim_ascii_start().starts_with(['{', '[']));
        // Half of a JSON record is none, and must not be taken for something else.
        let last = sample.whole || length >= if json { MOST } else { SAMPLE };
        let seen = match text {
            Some(text) if !json || last || length >= SAMPLE => {
                by_custom(text, classifiers, sample.whole).or_else(|| json::classify(text, None, sample.whole))
            }
            _ => None,
        };
        if seen.is_none()
            && let Some(format) = foreign(&head)
        {
            return Err(io::Error::new(io::ErrorKind::Unsupported, format));
        }
        let by_lines = |text| {
            let log = grok::classify_log(text, sample.whole, RECORDS);
            log.or_else(|| csv::classify(text, &Settings::built_in(), sample.whole, RECORDS + 1))
        };
        let seen = seen.or_else(|| text.filter(|_| !json || last).and_then(by_lines));
        let satisfied = seen
            .as_ref()
            .is_some_and(|seen| length >= SAMPLE || (!json && seen.records >= RECORDS as u64));
        if satisfied || last {
            let plain_bytes = sample.plain_bytes(object.size());
            let records = seen.as_ref().map_or(0, |seen| seen.of_all(sample.whole, plain_bytes));
            return Ok(Classified {
                schema: Arc::new(seen.map_or_else(Schema::unknown, |seen| seen.schema)),
                compression: sample.compression,
                records,
                plain_bytes,
            });
        }
        length = if length < SAMPLE { SAMPLE } else { length + SAMPLE };
    }
}

fn by_custom(text: &str, classifiers: &[Classifier], whole: bool) -> Option<Seen> {
    classifiers.iter().find_map(|classifier| match classifier {
        // One more row, which may be the header.
        Classifier::Csv(settings) => csv::classify(text, settings, whole, RECORDS + 1),
        Classifier::Json { path } => json::classify(text, Some(path), whole),
        Classifier::Grok(grok) => grok.classify(text, whole, RECORDS),
    })
}

/// Names a format that Glue's crawlers know and this one does not.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 8] = [
        (b"BZh", "bzip2 compression"),
        (b"\xff\x06\x00\x00sNaPpY", "snappy compression"),
        (b"\x04\x22\x4d\x18", "LZ4 compression"),
        (b"Obj\x01", "Avro"),
        (b"ORC", "ORC"),
        (b"\xe0\x01\x00\xea", "Ion"),
        (b"<?xml", "XML"),
        (b"\xef\xbb\xbf<?xml", "XML"),
    ];
    // These three letters may begin a text.
    let certain = |magic: &[u8]| match magic {
        b"BZh" => head.get(3).is_some_and(u8::is_ascii_digit) && head.get(4..10) == Some(b"1AY&SY"),
        b"ORC" => head.contains(&0),
        _ => true,
    };
    known
        .into_iter()
        .find(|(magic, _)| head.starts_with(magic) && certain(magic))
        .map(|(_, name)| name)
}

/// The beginning of an object, without its compression.
struct Sample<'h> {
    plain: Cow<'h, [u8]>,
    /// The sample is all there is.
    whole: bool,
    compression: Compression,
    /// Bytes of the object that it was made from.
    taken: usize,
}

impl<'h> Sample<'h> {
    fn of(head: &'h [u8], whole_object: bool, limit: usize) -> Self {
        let compression = Compression::of(head);
        let packed = Counted {
            rest: head,
            taken: Cell::new(0),
        };
        let (plain, whole) = match compression {
            Compression::None => (Cow::Borrowed(head), whole_object),
            Compression::Gzip => unpack(flate2::read::MultiGzDecoder::new(&packed), limit, whole_object),
            Compression::Zstd => match zstd::Decoder::new(&packed) {
                Ok(decoder) => unpack(decoder, limit, whole_object),
                Err(_) => (Cow::Borrowed(&head[..0]), false),
            },
        };
        let taken = packed.taken.get();
        Self {
            plain,
            whole,
            compression,
            taken,
        }
    }

    /// How long the object would be without compression: the sample's ratio stands for the rest.
    fn plain_bytes(&self, size: u64) -> u64 {
        if self.whole {
            return self.plain.len() as u64;
        }
        let ratio = match self.compression {
            Compression::None => 1.0,
            _ => self.plain.len() as f64 / self.taken.max(1) as f64,
        };
        (size as f64 * ratio) as u64
    }
}

/// Sampled bytes of a compressed object end somewhere inside a block: what could be unpacked is the sample.
fn unpack<'p>(mut decoder: impl Read, limit: usize, whole_object: bool) -> (Cow<'p, [u8]>, bool) {
    let mut plain = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return (plain.into(), whole_object),
            Ok(read) => plain.extend_from_slice(&piece[..read]),
            Err(_) => return (plain.into(), false),
        }
        if plain.len() >= limit {
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

fn parquet(object: &dyn Bytes) -> io::Result<Option<Seen>> {
    let Some(start) = object.size().checked_sub(columnar::TAIL as u64) else {
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

/// Bytes that remember how many of them were taken.
struct Counted<'b> {
    rest: &'b [u8],
    taken: Cell<usize>,
}

impl Read for &Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = &self.rest[self.taken.get()..];
        // Small bites, so that what a decoder has buffered but not unpacked hardly counts.
        let take = left.len().min(buf.len()).min(4096);
        buf[..take].copy_from_slice(&left[..take]);
        self.taken.set(self.taken.get() + take);
        Ok(take)
    }
}
