//! The plain bytes of one object, some megabytes at a time, whatever it is compressed with.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use super::Compression;
use crate::error::{Result, SqlError};
use crate::lake::Lake;

pub const CHUNK: usize = 4 << 20;

/// Where an object is, and as whom it is read.
#[derive(Clone, Debug)]
pub struct Object {
    pub lake: Arc<dyn Lake>,
    pub role: String,
    pub bucket: String,
    pub key: String,
}

impl Object {
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        Ok(self.lake.read(&self.role, &self.bucket, &self.key, range).await?)
    }

    pub fn address(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// Reads an object from `position` to its end.
pub enum Chunks {
    Plain { object: Object, position: u64, size: u64 },
    Unpacked(mpsc::Receiver<Result<Bytes>>),
}

impl Chunks {
    pub fn new(object: Object, position: u64, size: u64, compression: Compression) -> Self {
        if compression == Compression::None {
            return Self::Plain { object, position, size };
        }
        let (packed_sender, packed) = mpsc::channel(2);
        let (sender, unpacked) = mpsc::channel(2);
        tokio::spawn(async move {
            let mut chunks = Self::Plain { object, position, size };
            while let Some(chunk) = chunks.next().await.transpose() {
                if packed_sender.send(chunk).await.is_err() {
                    break;
                }
            }
        });
        // Decoders read as they like, so they have a thread that may wait.
        tokio::task::spawn_blocking(move || {
            unpack(
                Packed {
                    packed,
                    at: Bytes::new(),
                },
                compression,
                &sender,
            )
        });
        Self::Unpacked(unpacked)
    }

    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Unpacked(receiver) => receiver.recv().await.transpose(),
            Self::Plain { object, position, size } => {
                if position >= size {
                    return Ok(None);
                }
                let end = (*position + CHUNK as u64).min(*size);
                let chunk = object.read(*position..end).await?;
                if chunk.is_empty() {
                    return Err(SqlError::new(
                        "XX000",
                        format!("{} is shorter than it was", object.address()),
                    ));
                }
                *position += chunk.len() as u64;
                Ok(Some(chunk))
            }
        }
    }
}

fn unpack(packed: Packed, compression: Compression, sender: &mpsc::Sender<Result<Bytes>>) {
    let mut decoder: Box<dyn Read> = match compression {
        Compression::None => Box::new(packed),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Compression::Zstd => match zstd::Decoder::new(packed) {
            Ok(decoder) => Box::new(decoder),
            Err(error) => return drop(sender.blocking_send(Err(error.into()))),
        },
    };
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        match decoder.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
            Ok(0) => return,
            Ok(_) => {
                if sender.blocking_send(Ok(Bytes::from(chunk))).is_err() {
                    return;
                }
            }
            Err(error) => return drop(sender.blocking_send(Err(broken(error)))),
        }
    }
}

/// An error of the object comes through as it was; one of the decoder means a broken file.
fn broken(error: std::io::Error) -> SqlError {
    match error.downcast::<SqlError>() {
        Ok(error) => error,
        Err(error) => SqlError::new("XX000", format!("the compressed file cannot be read: {error}")),
    }
}

/// Packed chunks as a decoder reads them.
struct Packed {
    packed: mpsc::Receiver<Result<Bytes>>,
    at: Bytes,
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at.is_empty() {
            match self.packed.blocking_recv() {
                None => return Ok(0),
                Some(Ok(chunk)) => self.at = chunk,
                Some(Err(error)) => return Err(std::io::Error::other(error)),
            }
        }
        let length = self.at.len().min(buffer.len());
        self.at.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
