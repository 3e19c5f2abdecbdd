//! What a run leaves behind: the manifest that says what is there and how to make it again, and the mark of a run that
//! has begun. In a bucket they lie under `_lakeform/`, outside of every table's folder, so that no crawler reads them.

use super::Data;
use super::recipe::{Batches, Recipe};
use super::workers::Total;
use lakeform_aws::Aws;
use lakeform_datagen::{self as datagen, ObjectEntry, Origin, Sum};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::Meaning;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const VERSION: u32 = 1;

/// What was written. Written last, it is the mark that everything is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format_version: u32,
    /// The dataset's address in its stack.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// The step that wrote it: tells a later run whose work was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    pub recipe: Recipe,
    /// Which share of the files this is, as `i/n`; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Changes when the bytes change.
    pub fingerprint: String,
    /// What decided the bytes beside the recipe.
    pub origin: Origin,
    /// What stands before every key.
    pub prefix: String,
    pub tables: Vec<Table>,
    /// Files beside the tables, such as a jsonpaths file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<ObjectEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    pub folder: String,
    pub rows: u64,
    /// Names and catalog types, in order.
    pub columns: Vec<(String, String)>,
    /// Whether the files carry the names.
    pub named: bool,
    pub objects: Vec<ObjectEntry>,
}

/// What a run is about to write: written first, so that whatever a killed run leaves is known to be ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    pub format_version: u32,
    /// The step that writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    pub recipe: Recipe,
    pub keys: BTreeSet<String>,
}

impl Manifest {
    pub fn new(recipe: &Recipe, batches: &Batches, prefix: &str, files: Files) -> Self {
        let mut by_table: BTreeMap<usize, Vec<ObjectEntry>> = BTreeMap::new();
        for (at, object) in files.tables {
            by_table.entry(at.table).or_default().push(object);
        }
        let tables = batches.tables().iter().enumerate().map(|(index, table)| {
            let objects = by_table.remove(&index).unwrap_or_default();
            Table {
                name: table.name.clone(),
                folder: table.folder.clone(),
                rows: objects.iter().map(|object| object.rows).sum(),
                columns: table
                    .columns
                    .iter()
                    .map(|column| (column.name.clone(), catalog_type(column, &table.format)))
                    .collect(),
                named: !matches!(&table.format, datagen::Format::Csv(csv) if !csv.header),
                objects,
            }
        });
        Self {
            format_version: VERSION,
            address: String::new(),
            op: None,
            recipe: recipe.clone(),
            part: batches.plans[0].options.part.map(|(index, of)| format!("{index}/{of}")),
            fingerprint: batches.fingerprint.clone(),
            origin: batches.plans[0].origin().clone(),
            prefix: prefix.to_owned(),
            tables: tables.collect(),
            extras: files.extras,
        }
    }

    /// Every object, whatever it belongs to.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectEntry> {
        self.tables.iter().flat_map(|table| &table.objects).chain(&self.extras)
    }

    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.objects().map(|object| object.bytes).sum()
    }

    /// Returns the manifest that `COPY … MANIFEST` reads for one table.
    pub fn copy_manifest(table: &Table, bucket: &str) -> String {
        datagen::copy_manifest(&table.objects, &format!("s3://{bucket}"))
    }

    pub fn to_json(&self) -> String {
        json(self)
    }

    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        read(text)
    }
}

/// The type a crawler can find: where a word stands for null, only text.
pub fn catalog_type(column: &datagen::ColumnPlan, format: &datagen::Format) -> String {
    match format {
        datagen::Format::Csv(csv) if column.nullable && !csv.null.is_empty() => "string".to_owned(),
        _ => column.glue_type.clone(),
    }
}

/// What was written, file by file.
pub struct Files {
    pub tables: Vec<(super::recipe::At, ObjectEntry)>,
    pub extras: Vec<ObjectEntry>,
}

/// A file's line of the manifest.
pub fn entry(key: String, total: &Total) -> ObjectEntry {
    ObjectEntry {
        key,
        rows: total.rows,
        bytes: total.sum.bytes,
        crc64nvme: format!("{:016x}", total.sum.crc64nvme),
    }
}

/// What a manifest's line says of a file.
pub fn total_of(object: &ObjectEntry) -> Option<Total> {
    Some(Total {
        rows: object.rows,
        sum: Sum {
            bytes: object.bytes,
            crc64nvme: u64::from_str_radix(&object.crc64nvme, 16).ok()?,
        },
        truth: String::new(),
    })
}

/// The keys of what is written about a dataset.
#[derive(Clone, Debug)]
pub struct Keys {
    pub folder: String,
}

impl Keys {
    pub fn of(prefix: &str, address: &str) -> Self {
        Self {
            folder: format!("_lakeform/{prefix}{address}/"),
        }
    }

    pub fn manifest(&self, part: Option<(u64, u64)>) -> String {
        match part {
            None => format!("{}manifest.json", self.folder),
            Some((index, of)) => format!("{}{index}-of-{of}.json", self.parts()),
        }
    }

    pub fn begun(&self, part: Option<(u64, u64)>) -> String {
        match part {
            None => format!("{}begun.json", self.folder),
            Some((index, of)) => format!("{}{index}-of-{of}.begun.json", self.parts()),
        }
    }

    /// Where shares that were made on other machines are told.
    pub fn parts(&self) -> String {
        format!("{}parts/", self.folder)
    }

    pub fn copy(&self) -> String {
        format!("{}copy/", self.folder)
    }

    pub fn truth(&self) -> String {
        format!("{}truth/", self.folder)
    }

    /// Whether a key in the folder belongs to this manifest, and not to runs that are concluded.
    pub fn tells_of(&self, key: &str, manifest: &Manifest) -> bool {
        if let Some(copy) = key.strip_prefix(&self.copy()) {
            let table = copy.strip_suffix(".manifest");
            return manifest.tables.iter().any(|entry| Some(entry.name.as_str()) == table);
        }
        if let Some(truth) = key.strip_prefix(&self.truth()) {
            let file = truth
                .strip_suffix(".jsonl")
                .map(|file| format!("{}{file}", manifest.prefix));
            let is_dirty = manifest.recipe.dirty != Recipe::default().dirty;
            return is_dirty && manifest.objects().any(|object| Some(&object.key) == file.as_ref());
        }
        key == self.manifest(None)
    }
}

/// Loads the manifest that a dataset's `fingerprint` output names: `s3://bucket/key#fingerprint`.
pub async fn manifest_of(data: &Data, reference: &str) -> Result<Manifest, CloudError> {
    let doing = "read the dataset's manifest";
    let wrong = |reason: &str| CloudError::new(Meaning::Failed, doing, format!("`{reference}`: {reason}"));
    let (url, _) = reference.rsplit_once('#').ok_or_else(|| wrong("not a manifest"))?;
    let (bucket, key) = url
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| wrong("not a manifest"))?;
    load(&data.aws, bucket, key).await?.ok_or_else(|| wrong("it is gone"))
}

/// Loads a manifest or the mark of a begun run, or `None` when there is none.
pub async fn load<T: Versioned>(aws: &Aws, bucket: &str, key: &str) -> Result<Option<T>, CloudError> {
    let Some((bytes, _)) = aws.get_object(bucket, key).await? else {
        return Ok(None);
    };
    read(&bytes).map(Some).map_err(|reason| {
        let doing = format!("read s3://{bucket}/{key}");
        CloudError::new(Meaning::Failed, doing, reason)
    })
}

pub async fn save<T: Versioned>(aws: &Aws, bucket: &str, key: &str, what: &T) -> Result<(), CloudError> {
    aws.put_object(bucket, key, json(what).into(), None, false).await?;
    Ok(())
}

/// A file format of ours, which says its version.
pub trait Versioned: Serialize + DeserializeOwned {
    fn version(&self) -> u32;
}

impl Versioned for Manifest {
    fn version(&self) -> u32 {
        self.format_version
    }
}

impl Versioned for Begun {
    fn version(&self) -> u32 {
        self.format_version
    }
}

impl Begun {
    pub fn new(recipe: &Recipe, keys: BTreeSet<String>) -> Self {
        Self {
            format_version: VERSION,
            op: None,
            recipe: recipe.clone(),
            keys,
        }
    }
}

fn json(what: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(what).expect("plain data");
    text.push('\n');
    text
}

fn read<T: Versioned>(text: &[u8]) -> Result<T, String> {
    let read: T = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match read.version() {
        VERSION => Ok(read),
        other => Err(format!(
            "it has format version {other}, and this program knows {VERSION}"
        )),
    }
}
