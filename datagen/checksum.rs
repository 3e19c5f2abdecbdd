//! CRC-64/NVME, the checksum S3 keeps for a whole object. Parts checked apart combine to the sum of the whole.

use crc_fast::CrcAlgorithm::Crc64Nvme;
use crc_fast::Digest;
use std::io;

/// Returns the CRC-64/NVME of `bytes`.
pub fn crc64nvme(bytes: &[u8]) -> u64 {
    crc_fast::checksum(Crc64Nvme, bytes)
}

/// Returns the checksum of two runs of bytes one after the other, from their own checksums and the second's length.
pub fn crc64nvme_combine(first: u64, second: u64, second_len: u64) -> u64 {
    crc_fast::checksum_combine(Crc64Nvme, first, second, second_len)
}

/// Length and checksum of bytes that are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// How many bytes.
    pub bytes: u64,
    /// Their CRC-64/NVME.
    pub crc64nvme: u64,
}

impl Sum {
    /// Returns the sum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            crc64nvme: crc64nvme(bytes),
        }
    }

    /// Returns the sum of the bytes of `self` and those of `next` behind them.
    pub fn then(self, next: Self) -> Self {
        Self {
            bytes: self.bytes + next.bytes,
            crc64nvme: match self.bytes {
                0 => next.crc64nvme,
                _ => crc64nvme_combine(self.crc64nvme, next.crc64nvme, next.bytes),
            },
        }
    }
}

/// A sink that keeps the sum of what is written to it, and nothing else.
pub(crate) struct Summing {
    digest: Digest,
    bytes: u64,
}

impl Summing {
    pub(crate) fn new() -> Self {
        Self {
            digest: Digest::new(Crc64Nvme),
            bytes: 0,
        }
    }

    pub(crate) fn sum(&self) -> Sum {
        Sum {
            bytes: self.bytes,
            crc64nvme: self.digest.finalize(),
        }
    }
}

impl io::Write for Summing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_algorithm() {
        assert_eq!(crc64nvme(b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(crc64nvme(b""), 0);
    }

    #[test]
    fn sums_of_parts_combine_to_the_sum_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
        for cut in [0, 1, 4_095, 65_536, bytes.len()] {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(
                crc64nvme_combine(crc64nvme(a), crc64nvme(b), b.len() as u64),
                crc64nvme(&bytes),
                "cut {cut}"
            );
        }
    }
}
