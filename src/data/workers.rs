//! Makes parts of files on threads of their own, a bounded number at a time and in bounded memory, and lends the
//! buffers out again. Whoever takes a part holds its memory until the bytes are dropped.

use super::recipe::{At, Batches};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use lakeform_datagen::Sum;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is counted out in pieces of this size.
const PIECE: u64 = 1 << 20;
/// The most that all parts under way take together. A file that must be made as one and is larger than this is made
/// alone.
const ROOM: u64 = 256 << 20;
/// Buffers kept for the next part: fresh memory costs a fifth of what filling it does.
const SPARE: usize = 16;
/// Parts of a file under way at once.
const PARTS: usize = 8;

/// Threads and memory for making parts.
#[derive(Clone)]
pub struct Workers {
    batches: Arc<Batches>,
    threads: Arc<Semaphore>,
    room: Arc<Semaphore>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A part that has been made.
pub struct Made {
    pub bytes: Bytes,
    pub rows: u64,
    pub sum: Sum,
    /// The mistakes put in on purpose, as JSON lines.
    pub truth: String,
}

/// What a whole file comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub rows: u64,
    pub sum: Sum,
    pub truth: String,
}

/// A checksum as S3 writes it.
pub fn base64(sum: Sum) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(sum.crc64nvme.to_be_bytes())
}

/// A lent buffer: given back, with its room, when the last reader drops it.
struct Buffer {
    bytes: Vec<u8>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        if let Ok(mut spare) = self.spare.lock()
            && spare.len() < SPARE
        {
            spare.push(bytes);
        }
    }
}

impl Workers {
    /// `threads` parts are made at once.
    pub fn new(batches: Arc<Batches>, threads: usize) -> Self {
        Self {
            batches,
            threads: Arc::new(Semaphore::new(threads.max(1))),
            room: Arc::new(Semaphore::new((ROOM / PIECE) as usize)),
            spare: Arc::default(),
        }
    }

    pub fn batches(&self) -> &Batches {
        &self.batches
    }

    /// Makes one part. Room is given in the order in which it was asked for, so that parts which are waited for in
    /// their order never wait for later ones.
    pub async fn part(&self, at: At, part: usize) -> Made {
        let about = self.batches.plans[at.plan].part_bytes(at.table, at.file, part);
        let pieces = about.div_ceil(PIECE).clamp(1, ROOM / PIECE) as u32;
        let room = self
            .room
            .clone()
            .acquire_many_owned(pieces)
            .await
            .expect("never closed");
        let thread = self.threads.clone().acquire_owned().await.expect("never closed");
        let (batches, spare) = (self.batches.clone(), self.spare.clone());
        let making = tokio::task::spawn_blocking(move || {
            let mut bytes = spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default();
            let mut dirt = Vec::new();
            let stats = batches.plans[at.plan].write_part_with_truth(at.table, at.file, part, &mut bytes, &mut dirt);
            // While the bytes are still in the cache.
            let sum = Sum::of(&bytes);
            drop(thread);
            let buffer = Buffer {
                bytes,
                spare,
                _room: room,
            };
            let truth = dirt.iter().map(|dirt| {
                let mut line = serde_json::to_string(dirt).expect("dirt is plain data");
                line.push('\n');
                line
            });
            Made {
                bytes: Bytes::from_owner(buffer),
                rows: stats.rows,
                sum,
                truth: truth.collect(),
            }
        });
        making.await.expect("a part of a plan can be made")
    }

    /// Makes the parts of a file side by side and hands them out in their order.
    pub fn parts(&self, at: At) -> impl futures::Stream<Item = Made> + Send + '_ {
        let parts = self.batches.file(at).parts.len();
        stream::iter(0..parts)
            .map(move |part| self.part(at, part))
            .buffered(PARTS)
    }

    /// Makes a file only to know what it comes to.
    pub async fn total(&self, at: At) -> Total {
        let begin = Total::default();
        if self.batches.is_dirty() {
            return self
                .parts(at)
                .fold(begin, |total, made| async move { total.then(&made) })
                .await;
        }
        let parts = self.batches.file(at).parts.len();
        let sums = stream::iter(0..parts).map(|part| self.sum(at, part)).buffered(PARTS);
        let sum = sums.fold(begin.sum, |sum, next| async move { sum.then(next) }).await;
        Total {
            rows: self.batches.rows(at),
            sum,
            ..begin
        }
    }

    async fn sum(&self, at: At, part: usize) -> Sum {
        let thread = self.threads.clone().acquire_owned().await.expect("never closed");
        let batches = self.batches.clone();
        let summing = tokio::task::spawn_blocking(move || {
            let _held = thread;
            batches.plans[at.plan].part_sum(at.table, at.file, part)
        });
        summing.await.expect("a part of a plan can be made")
    }
}

impl Total {
    /// These bytes and a part behind them.
    pub fn then(mut self, made: &Made) -> Self {
        self.rows += made.rows;
        self.sum = self.sum.then(made.sum);
        self.truth.push_str(&made.truth);
        self
    }
}

/// As many threads as the machine has.
pub fn all_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
