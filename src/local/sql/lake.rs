//! What the engine sees of the rest of the account: the data catalog and the objects of buckets, always as the IAM
//! role that a statement names. The engine never looks at either except through this trait.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

/// The data catalog and object storage, as one IAM role may use them.
///
/// Every call names the role (an ARN, or `default` for the cluster's default role). The implementation decides
/// whether that role exists, is attached to this cluster and may do what is asked.
#[async_trait]
pub trait Lake: Send + Sync + fmt::Debug {
    /// Returns whether the catalog has this database. Used by `create external schema`.
    async fn database_exists(&self, role: &str, database: &str) -> Result<bool, LakeError>;

    /// Creates a catalog database.
    async fn create_database(&self, role: &str, database: &str) -> Result<(), LakeError>;

    /// Drops a catalog database. Used by `drop schema … drop external database`.
    async fn drop_database(&self, role: &str, database: &str) -> Result<(), LakeError>;

    /// Returns one table, or `None` when the database has no such table.
    async fn table(&self, role: &str, database: &str, table: &str) -> Result<Option<ExternalTable>, LakeError>;

    /// Returns all tables of a database. Fails with [`LakeErrorKind::NoDatabase`] when it is absent.
    async fn tables(&self, role: &str, database: &str) -> Result<Vec<ExternalTable>, LakeError>;

    /// Returns all partitions of a table, in no particular order.
    async fn partitions(&self, role: &str, database: &str, table: &str) -> Result<Vec<ExternalPartition>, LakeError>;

    /// Creates a table. Fails with [`LakeErrorKind::AlreadyExists`] when the name is taken.
    async fn create_table(&self, role: &str, database: &str, table: &ExternalTable) -> Result<(), LakeError>;

    /// Drops a table, never its files.
    async fn drop_table(&self, role: &str, database: &str, table: &str) -> Result<(), LakeError>;

    /// Adds partitions to a table.
    async fn add_partitions(
        &self,
        role: &str,
        database: &str,
        table: &str,
        partitions: &[ExternalPartition],
    ) -> Result<(), LakeError>;

    /// Drops one partition by its values.
    async fn drop_partition(&self, role: &str, database: &str, table: &str, values: &[String])
    -> Result<(), LakeError>;

    /// Returns every object whose key starts with `prefix`, ordered by key.
    async fn list(&self, role: &str, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, LakeError>;

    /// Returns the bytes of one object in `range`; a range that ends past the object is cut at its end.
    async fn read(&self, role: &str, bucket: &str, key: &str, range: Range<u64>) -> Result<Bytes, LakeError>;
}

/// A table as the data catalog describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExternalTable {
    pub name: String,
    /// Column names and catalog types such as `string`, `bigint`, `decimal(10,2)`; without partition keys.
    pub columns: Vec<(String, String)>,
    pub partition_keys: Vec<(String, String)>,
    /// An `s3://bucket/prefix/` address.
    pub location: String,
    pub input_format: String,
    pub output_format: String,
    /// The serialization library's class name.
    pub serde: String,
    pub serde_parameters: BTreeMap<String, String>,
    /// The table's parameters, merged with those of its storage descriptor.
    pub parameters: BTreeMap<String, String>,
}

/// One partition: values in the order of the table's partition keys, and where its files are.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalPartition {
    pub values: Vec<String>,
    pub location: String,
}

/// One object of a bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectInfo {
    pub key: String,
    pub size: u64,
    pub etag: String,
    /// Seconds since the epoch.
    pub modified: f64,
}

/// Why the account said no.
#[derive(Clone, Debug, PartialEq)]
pub struct LakeError {
    pub kind: LakeErrorKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LakeErrorKind {
    /// The role does not exist, is not attached to the cluster or does not trust Redshift.
    NoRole,
    /// The role's policies do not allow the action.
    Denied,
    NoDatabase,
    NoTable,
    NoBucket,
    NoObject,
    AlreadyExists,
    /// Anything else, for example an unreadable file.
    Failed,
}

impl LakeError {
    pub fn new(kind: LakeErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl fmt::Display for LakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LakeError {}
