//! Digests and other hashes of values.

use datafusion::arrow::array::{Array, ArrayRef};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{Call, Function, at, function, md5_hex, number_at, returns};
use crate::error::{Result, SqlError};
use crate::types::SqlType;

pub const FUNCTIONS: &[Function] = &[
    function("md5", (1, 1), |_| Ok(SqlType::Varchar(32)), |call| map(call, md5_hex)),
    function("sha", (1, 1), returns::text, |call| map(call, hex::<Sha1>)),
    function("sha1", (1, 1), returns::text, |call| map(call, hex::<Sha1>)),
    function("func_sha1", (1, 1), returns::text, |call| map(call, hex::<Sha1>)),
    function("sha2", (2, 2), returns::text, sha2),
    function("crc32", (1, 1), returns::text, |call| {
        map(call, |bytes| format!("{:08x}", crc32(bytes)))
    }),
    function("fnv_hash", (1, 2), returns::int8, fnv_hash),
];

fn map(call: &Call, digest: impl Fn(&[u8]) -> String) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    call.texts(|row| Ok(at(&texts, row).map(|text| digest(text.as_bytes()))))
}

fn hex<D: Digest>(bytes: &[u8]) -> String {
    D::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of a size in bits; another size has none.
fn sha2(call: &Call) -> Result<ArrayRef> {
    let (texts, sizes) = (call.text(0)?, call.int(1)?);
    call.texts(|row| {
        let digest = match number_at(&sizes, row) {
            None => return Ok(None),
            Some(0 | 256) => hex::<Sha256>,
            Some(224) => hex::<Sha224>,
            Some(384) => hex::<Sha384>,
            Some(512) => hex::<Sha512>,
            Some(_) => |_: &[u8]| String::new(),
        };
        Ok(at(&texts, row).map(|text| digest(text.as_bytes())))
    })
}

/// The polynomial is Castagnoli's: that is what the documented results come from.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82F6_3B78
            } else {
                crc >> 1
            };
        }
        crc
    })
}

/// FNV-1a of 64 bits over a value's bytes, from a seed that may be another value's hash.
fn fnv_hash(call: &Call) -> Result<ArrayRef> {
    let value = &call.args[0];
    let seeds = if call.len() > 1 { Some(call.int(1)?) } else { None };
    let bytes = bytes_of(call)?;
    call.ints(|row| {
        let seed = match &seeds {
            None => Some(0xcbf2_9ce4_8422_2325),
            Some(seeds) => number_at(seeds, row).map(|seed| seed as u64),
        };
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = seed
            .filter(|_| value.is_valid(row))
            .map(|seed| bytes(row).iter().fold(seed, step));
        Ok(hash.map(|hash| hash as i64))
    })
}

/// Returns how the first argument's values lie in Redshift's memory.
fn bytes_of(call: &Call) -> Result<Box<dyn Fn(usize) -> Vec<u8>>> {
    let value = &call.args[0];
    match call.type_of(0) {
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Float4 | SqlType::Float8 => {
            let (width, values) = (value.data_type().primitive_width().unwrap_or(0), value.to_data());
            Ok(Box::new(move |row| {
                let start = (values.offset() + row) * width;
                values.buffers()[0][start..start + width].to_vec()
            }))
        }
        SqlType::Char(length) => {
            let texts = call.text(0)?;
            let padded = move |row| format!("{:1$}", texts.value(row), length as usize).into_bytes();
            Ok(Box::new(padded))
        }
        text if text.is_text() => {
            let texts = call.text(0)?;
            Ok(Box::new(move |row| texts.value(row).as_bytes().to_vec()))
        }
        // How others are laid out is not documented.
        other => Err(SqlError::unsupported(format!("FNV_HASH of type {}", other.base_name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_is_castagnolis() {
        assert_eq!(crc32(b"123456789"), 0xE306_9283);
        assert_eq!(crc32(b"Amazon Redshift"), 0xF272_6906);
    }
}
