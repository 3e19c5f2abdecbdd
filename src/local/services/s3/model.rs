//! What S3 remembers: the documents of buckets, objects, versions and uploads, and the tables they live in.
//! Bucket names are one namespace for all accounts, so the scope of every table is the whole cloud.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::objects::Segment;
use crate::services::Fault;
use crate::store::Tx;

/// The one scope of S3's tables.
pub const EVERYWHERE: &str = "";
pub const BUCKETS: &str = "s3.buckets";
/// The current version of every key, unless that is a delete marker. Id: `bucket/key`.
pub const OBJECTS: &str = "s3.objects";
/// Every other version and every delete marker, newest first. Id: `bucket/key NUL inverted sequence`.
pub const VERSIONS: &str = "s3.versions";
/// Id: `bucket/key NUL upload id`.
pub const UPLOADS: &str = "s3.uploads";
/// Id: `upload id/part number`, the number with five digits.
pub const PARTS: &str = "s3.parts";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bucket {
    pub name: String,
    pub account: String,
    pub region: String,
    pub created: f64,
    #[serde(default)]
    pub versioning: Versioning,
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// Sub-resources as they were put, by name.
    #[serde(default)]
    pub settings: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    #[default]
    Never,
    Enabled,
    Suspended,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Object {
    pub key: String,
    /// Absent means the version id `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Orders the versions of a key.
    pub sequence: u64,
    pub modified: f64,
    /// A delete marker: no bytes, no headers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marker: bool,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    #[serde(default)]
    pub data: Vec<Segment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<ObjectPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Sum>,
    #[serde(default)]
    pub head: Head,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
}

impl Object {
    /// Returns the version id as the API names it.
    pub fn version_id(&self) -> &str {
        self.version.as_deref().unwrap_or("null")
    }
}

/// The headers that a client stores with an object and gets back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<s3s::dto::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_key: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_redirect: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// One part of an object that was uploaded in parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ObjectPart {
    pub number: i32,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// A stored checksum in base64, of the whole object or of its parts' checksums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    pub algorithm: Algorithm,
    pub value: String,
    pub composite: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    pub id: String,
    pub bucket: String,
    pub key: String,
    pub account: String,
    pub initiated: f64,
    pub head: Head,
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// What the parts are checked with; absent when the client named none.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
    #[serde(default)]
    pub composite: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    pub number: i32,
    pub size: u64,
    pub etag: String,
    pub modified: f64,
    pub data: Segment,
    pub checksum: Option<Sum>,
}

pub fn object_id(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}

/// Newer versions sort first, because their sequence is inverted.
pub fn version_row(bucket: &str, key: &str, sequence: u64) -> String {
    format!("{bucket}/{key}\0{:016x}", u64::MAX - sequence)
}

pub fn upload_id(bucket: &str, key: &str, upload: &str) -> String {
    format!("{bucket}/{key}\0{upload}")
}

pub fn part_id(upload: &str, number: i32) -> String {
    format!("{upload}/{number:05}")
}

/// Returns the bucket or S3's `NoSuchBucket`.
pub fn bucket(tx: &Tx, name: &str) -> Result<Bucket, Fault> {
    tx.get(BUCKETS, EVERYWHERE, name)?.ok_or_else(|| no_such_bucket(name))
}

pub fn put_bucket(tx: &Tx, bucket: &Bucket) -> Result<(), Fault> {
    Ok(tx.put(BUCKETS, EVERYWHERE, &bucket.name, bucket)?)
}

pub fn current(tx: &Tx, bucket: &str, key: &str) -> Result<Option<Object>, Fault> {
    Ok(tx.get(OBJECTS, EVERYWHERE, &object_id(bucket, key))?)
}

pub fn put_current(tx: &Tx, bucket: &str, object: &Object) -> Result<(), Fault> {
    Ok(tx.put(OBJECTS, EVERYWHERE, &object_id(bucket, &object.key), object)?)
}

pub fn put_version(tx: &Tx, bucket: &str, object: &Object) -> Result<(), Fault> {
    Ok(tx.put(
        VERSIONS,
        EVERYWHERE,
        &version_row(bucket, &object.key, object.sequence),
        object,
    )?)
}

/// Returns the versions of one key that are not current, newest first, with the ids of their rows.
pub fn older(tx: &Tx, bucket: &str, key: &str) -> Result<Vec<(String, Object)>, Fault> {
    Ok(tx.list(VERSIONS, EVERYWHERE, &format!("{bucket}/{key}\0"))?)
}

pub fn no_such_bucket(name: &str) -> Fault {
    fault(404, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", name)
}

pub fn no_such_key() -> Fault {
    fault(404, "NoSuchKey", "The specified key does not exist.")
}

pub fn fault(status: u16, code: &str, message: &str) -> Fault {
    Fault::new(status, code, message)
}
