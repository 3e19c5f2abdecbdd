//! What a finished run leaves beside its data: each table's rows and each object's size and checksum. Written
//! last, it is the mark that the data is complete; read again, it tells what need not be sent a second time.

use serde::{Deserialize, Serialize};

/// The version of the manifest's own format.
pub const MANIFEST_VERSION: u32 = 1;

/// What was made, and how to make it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file format.
    pub version: u32,
    /// Name of the dataset.
    pub dataset: String,
    /// `Plan::fingerprint` of the plan that made the data.
    pub fingerprint: String,
    /// Seed of the plan.
    pub seed: u64,
    /// Rows asked for.
    pub rows: u64,
    /// Whether mistakes were put in on purpose.
    pub dirty: bool,
    /// One entry for each table, in the dataset's order.
    pub tables: Vec<TableEntry>,
}

/// One table of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Name of the table.
    pub name: String,
    /// Folder its objects are in, relative to the run's prefix.
    pub folder: String,
    /// Rows in all its objects.
    pub rows: u64,
    /// Its objects.
    pub objects: Vec<ObjectEntry>,
}

/// One object of a manifest.
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

impl Manifest {
    /// Returns the manifest as JSON text.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a manifest is always JSON");
        text.push('\n');
        text
    }

    /// Reads a manifest's JSON text. `None` when it is not one, or of a version this program does not know.
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text)
            .ok()
            .filter(|manifest| manifest.version == MANIFEST_VERSION)
    }

    /// Returns the manifest that `COPY … MANIFEST` reads for one table. `prefix` is `s3://bucket/path` without a
    /// slash at its end.
    pub fn copy_manifest(&self, table: &str, prefix: &str) -> Option<String> {
        let table = self.tables.iter().find(|entry| entry.name == table)?;
        Some(copy_manifest(&table.objects, prefix))
    }
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
