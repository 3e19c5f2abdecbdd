//! What there is to tell about an object that was made, and the manifest by which `COPY` loads such objects.

use serde::{Deserialize, Serialize};

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// Key relative to the run's prefix.
    pub key: String,
    /// Rows in the object.
    pub rows: u64,
    /// Bytes of the object.
    pub bytes: u64,
    /// CRC-64/NVME of the whole object, sixteen hexadecimal digits.
    pub crc64nvme: String,
}

/// Returns the manifest with which `COPY … MANIFEST` loads exactly these objects, or fails. `prefix` is
/// `s3://bucket/path` without a slash at its end.
pub fn copy_manifest<'a>(objects: impl IntoIterator<Item = &'a ObjectEntry>, prefix: &str) -> String {
    let entries: Vec<serde_json::Value> = objects
        .into_iter()
        .map(|object| {
            serde_json::json!({
                "url": format!("{prefix}/{}", object.key),
                "mandatory": true,
                "meta": { "content_length": object.bytes },
            })
        })
        .collect();
    let mut text =
        serde_json::to_string_pretty(&serde_json::json!({ "entries": entries })).expect("a manifest is always JSON");
    text.push('\n');
    text
}
