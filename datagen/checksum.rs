//! CRC-64/NVME, the checksum S3 keeps for a whole object. Parts checked apart combine to the sum of the whole.

use crc_fast::CrcAlgorithm::Crc64Nvme;

/// Returns the CRC-64/NVME of `bytes`.
pub fn crc64nvme(bytes: &[u8]) -> u64 {
    crc_fast::checksum(Crc64Nvme, bytes)
}

/// Returns the checksum of two runs of bytes one after the other, from their own checksums and the second's length.
pub fn crc64nvme_combine(first: u64, second: u64, second_len: u64) -> u64 {
    crc_fast::checksum_combine(Crc64Nvme, first, second, second_len)
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
