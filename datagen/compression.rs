//! Gzip and zstd around parts of text. Every part is a whole member or frame, and readers accept them one after the
//! other, so a part can be made alone.

use std::io::Write;

/// How files are compressed. Every part is a whole member or frame, and readers accept them one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all. Parquet files compress their pages with snappy all the same.
    None,
    /// Gzip, level 1.
    Gzip,
    /// Zstandard, level 1.
    Zstd,
}

impl Compression {
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Adds `bytes` to `out`, compressed as one whole.
    pub fn pack(self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut packer = self.packer(out);
        packer.write(bytes);
        packer.finish();
    }

    pub(crate) fn packer<W: Write>(self, out: &mut W) -> Packer<'_, W> {
        match self {
            Self::None => Packer::Plain(out),
            Self::Gzip => Packer::Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::fast())),
            Self::Zstd => Packer::Zstd(zstd::stream::Encoder::new(out, 1).expect("level 1 exists")),
        }
    }
}

/// Compresses what it is given, piece by piece, into a sink that takes every byte: memory or a checksum.
pub(crate) enum Packer<'a, W: Write> {
    Plain(&'a mut W),
    Gzip(flate2::write::GzEncoder<&'a mut W>),
    Zstd(zstd::stream::Encoder<'static, &'a mut W>),
}

impl<W: Write> Packer<'_, W> {
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(out) => out.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
        .expect("memory takes every byte");
    }

    pub(crate) fn finish(self) {
        match self {
            Self::Plain(_) => {}
            Self::Gzip(encoder) => drop(encoder.finish().expect("memory takes every byte")),
            Self::Zstd(encoder) => drop(encoder.finish().expect("memory takes every byte")),
        }
    }
}
