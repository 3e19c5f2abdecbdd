//! The checksums S3 computes and compares while bytes arrive: MD5 for the entity tag, and one of the five the API
//! knows, over whole objects or over the checksums of parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};

use super::model::{Algorithm, Sum, fault};
use crate::services::Fault;

/// Hashes bytes as they pass.
pub struct Hasher {
    md5: Md5,
    sum: Summer,
}

enum Summer {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
}

/// The hashes of the bytes that passed.
#[derive(Clone, Debug)]
pub struct Hashes {
    pub md5: [u8; 16],
    pub sum: Sum,
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        let sum = match algorithm {
            Algorithm::Crc32 => Summer::Crc32(Crc32::new()),
            Algorithm::Crc32c => Summer::Crc32c(Crc32c::new()),
            Algorithm::Crc64Nvme => Summer::Crc64Nvme(Crc64Nvme::new()),
            Algorithm::Sha1 => Summer::Sha1(Sha1::new()),
            Algorithm::Sha256 => Summer::Sha256(Sha256::new()),
        };
        Self { md5: Md5::new(), sum }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        match &mut self.sum {
            Summer::Crc32(sum) => sum.update(bytes),
            Summer::Crc32c(sum) => sum.update(bytes),
            Summer::Crc64Nvme(sum) => sum.update(bytes),
            Summer::Sha1(sum) => sum.update(bytes),
            Summer::Sha256(sum) => sum.update(bytes),
        }
    }

    pub fn finish(self) -> Hashes {
        let (algorithm, value) = match self.sum {
            Summer::Crc32(sum) => (Algorithm::Crc32, STANDARD.encode(sum.finalize())),
            Summer::Crc32c(sum) => (Algorithm::Crc32c, STANDARD.encode(sum.finalize())),
            Summer::Crc64Nvme(sum) => (Algorithm::Crc64Nvme, STANDARD.encode(sum.finalize())),
            Summer::Sha1(sum) => (Algorithm::Sha1, STANDARD.encode(sum.finalize())),
            Summer::Sha256(sum) => (Algorithm::Sha256, STANDARD.encode(sum.finalize())),
        };
        Hashes {
            md5: self.md5.finalize(),
            sum: Sum {
                algorithm,
                value,
                composite: false,
            },
        }
    }
}

impl Algorithm {
    /// Reads the name the API uses.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "CRC32" => Algorithm::Crc32,
            "CRC32C" => Algorithm::Crc32c,
            "CRC64NVME" => Algorithm::Crc64Nvme,
            "SHA1" => Algorithm::Sha1,
            "SHA256" => Algorithm::Sha256,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
        }
    }

    /// Returns the header or trailer that carries this checksum.
    pub fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_ascii_lowercase())
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Algorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Algorithm::Sha1 | Algorithm::Sha256 => None,
        }
    }
}

/// Fails when the client's checksum is not the one of the bytes it sent.
pub fn compare(computed: &Sum, claimed: &str) -> Result<(), Fault> {
    if computed.value == claimed {
        return Ok(());
    }
    let name = computed.algorithm.name();
    Err(fault(
        400,
        "BadDigest",
        &format!("The {name} you specified did not match the calculated checksum."),
    ))
}

/// Fails when `claimed`, a Content-MD5 header, is no MD5 or not the one of the bytes.
pub fn compare_md5(computed: &[u8; 16], claimed: &str) -> Result<(), Fault> {
    let digest = STANDARD.decode(claimed).ok().filter(|digest| digest.len() == 16);
    let digest = digest.ok_or_else(|| fault(400, "InvalidDigest", "The Content-MD5 you specified was invalid."))?;
    if digest == computed {
        return Ok(());
    }
    Err(fault(
        400,
        "BadDigest",
        "The Content-MD5 you specified did not match what we received.",
    ))
}

/// Joins the checksums of parts: one CRC of all the bytes, or a checksum of the checksums with the number of parts.
pub fn combine(algorithm: Algorithm, composite: bool, parts: &[(String, u64)]) -> Option<Sum> {
    let digests: Option<Vec<Vec<u8>>> = parts.iter().map(|(sum, _)| STANDARD.decode(sum).ok()).collect();
    let digests = digests?;
    if composite {
        let mut hasher = Hasher::new(algorithm);
        digests.iter().for_each(|digest| hasher.update(digest));
        let whole = hasher.finish().sum;
        return Some(Sum {
            value: format!("{}-{}", whole.value, parts.len()),
            composite: true,
            ..whole
        });
    }
    let crc = algorithm.crc()?;
    let number = |digest: &[u8]| digest.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let mut joined = number(digests.first()?);
    for (digest, (_, size)) in digests.iter().zip(parts).skip(1) {
        joined = checksum_combine(crc, joined, number(digest), *size);
    }
    let width = digests[0].len();
    let value = STANDARD.encode(&joined.to_be_bytes()[8 - width..]);
    Some(Sum {
        algorithm,
        value,
        composite: false,
    })
}

/// The entity tag of an object uploaded in parts: the MD5 of the parts' MD5s and their number.
pub fn multipart_etag<'a>(etags: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = etags.len();
    let mut md5 = Md5::new();
    for etag in etags {
        let bytes: Vec<u8> = (0..etag.len() / 2)
            .filter_map(|at| u8::from_str_radix(etag.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        md5.update(&bytes);
    }
    format!("{}-{count}", hex(&md5.finalize()))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish().sum.value
    }

    #[test]
    fn the_checksum_of_parts_is_the_checksum_of_the_whole() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts = [("hello ".as_bytes(), 6), (b"wide ", 5), (b"world", 5)];
            let sums: Vec<_> = parts
                .iter()
                .map(|(bytes, size)| (sum(algorithm, bytes), *size))
                .collect();
            let whole = combine(algorithm, false, &sums).unwrap();
            assert_eq!(whole.value, sum(algorithm, b"hello wide world"), "{algorithm:?}");
        }
    }

    #[test]
    fn known_values() {
        // The check values of the CRC catalogue for "123456789".
        assert_eq!(
            sum(Algorithm::Crc32, b"123456789"),
            STANDARD.encode(0xcbf4_3926_u32.to_be_bytes())
        );
        assert_eq!(
            sum(Algorithm::Crc32c, b"123456789"),
            STANDARD.encode(0xe306_9283_u32.to_be_bytes())
        );
        assert_eq!(
            sum(Algorithm::Crc64Nvme, b"123456789"),
            STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes())
        );
    }

    #[test]
    fn a_composite_checksum_counts_its_parts() {
        let sums = [(sum(Algorithm::Sha256, b"a"), 1), (sum(Algorithm::Sha256, b"b"), 1)];
        assert!(combine(Algorithm::Sha256, true, &sums).unwrap().value.ends_with("-2"));
        assert_eq!(combine(Algorithm::Sha256, false, &sums), None);
    }
}
