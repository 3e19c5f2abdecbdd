//! Blocks of whole lines of one slice. A line belongs to the slice that it starts in.

use bytes::Bytes;

use super::chunks::{Chunks, Object};
use super::{Slice, compression_of};
use crate::error::Result;

pub struct Blocks {
    chunks: Chunks,
    /// Bytes of the object that were read so far.
    position: u64,
    /// The slice's end; of a compressed object only the end of its bytes.
    end: u64,
    carry: Vec<u8>,
    /// The slice starts in the middle of a line that is another's.
    skip_first: bool,
    skip_lines: u64,
    done: bool,
}

impl Blocks {
    pub fn new(object: Object, slice: &Slice, skip_lines: u64) -> Result<Self> {
        let compression = compression_of(&slice.key)?;
        // One byte earlier, so that a line which starts exactly at the slice is kept.
        let position = slice.start.saturating_sub(1);
        let whole = slice.end == slice.size;
        Ok(Self {
            chunks: Chunks::new(object, position, slice.size, compression),
            position,
            end: if whole { u64::MAX } else { slice.end },
            carry: Vec::new(),
            skip_first: slice.start > 0,
            skip_lines,
            done: false,
        })
    }

    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.done {
            let Some(chunk) = self.chunks.next().await? else {
                self.done = true;
                let block = std::mem::take(&mut self.carry);
                return Ok((!block.is_empty() && !self.skip_first).then(|| self.without_header(block.into())));
            };
            let start = self.position;
            self.position += chunk.len() as u64;
            let mut bytes = chunk;
            if self.skip_first {
                let Some(newline) = memchr::memchr(b'\n', &bytes) else {
                    continue;
                };
                if start + newline as u64 + 1 >= self.end {
                    self.done = true;
                    return Ok(None);
                }
                self.skip_first = false;
                bytes = bytes.slice(newline + 1..);
            }
            // The last line is the one that covers the slice's last byte.
            let start = self.position - bytes.len() as u64;
            let last = (self.end - 1).max(start);
            let cut = if self.position > last {
                let from = (last - start) as usize;
                let newline = memchr::memchr(b'\n', &bytes[from..]).map(|newline| from + newline + 1);
                self.done = newline.is_some();
                newline
            } else {
                memchr::memrchr(b'\n', &bytes).map(|newline| newline + 1)
            };
            let Some(cut) = cut else {
                self.carry.extend_from_slice(&bytes);
                continue;
            };
            let rest = bytes.split_off(cut);
            let block = if self.carry.is_empty() {
                bytes
            } else {
                self.carry.extend_from_slice(&bytes);
                Bytes::from(std::mem::take(&mut self.carry))
            };
            self.carry.extend_from_slice(&rest);
            return Ok(Some(self.without_header(block)));
        }
        Ok(None)
    }

    fn without_header(&mut self, mut block: Bytes) -> Bytes {
        while self.skip_lines > 0 {
            let Some(newline) = memchr::memchr(b'\n', &block) else {
                self.skip_lines = 0;
                return Bytes::new();
            };
            block = block.split_off(newline + 1);
            self.skip_lines -= 1;
        }
        block
    }
}
