//! A folder as the one bucket `lake`, and a catalog with one table over it.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use lakeform_sql::{ExternalPartition, ExternalTable, Lake, LakeError, LakeErrorKind, ObjectInfo};

use crate::files::{COLUMNS, Files};

#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(dir: &Path, _files: &Files) -> Self {
        Self(dir.to_path_buf())
    }
}

fn failed(error: std::io::Error) -> LakeError {
    LakeError::new(LakeErrorKind::Failed, error.to_string())
}

fn refused<T>() -> Result<T, LakeError> {
    Err(LakeError::new(LakeErrorKind::Denied, "this catalog does not change"))
}

fn events() -> ExternalTable {
    ExternalTable {
        name: "events_csv".into(),
        columns: COLUMNS
            .map(|(name, _, kind)| (name.to_string(), kind.to_string()))
            .to_vec(),
        location: "s3://lake/events/".into(),
        input_format: "org.apache.hadoop.mapred.TextInputFormat".into(),
        serde: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe".into(),
        serde_parameters: BTreeMap::from([("field.delim".into(), ",".into())]),
        parameters: BTreeMap::from([("skip.header.line.count".into(), "1".into())]),
        ..ExternalTable::default()
    }
}

#[async_trait]
impl Lake for Folder {
    async fn database_exists(&self, _role: &str, _database: &str) -> Result<bool, LakeError> {
        Ok(true)
    }
    async fn create_database(&self, _role: &str, _database: &str) -> Result<(), LakeError> {
        refused()
    }
    async fn drop_database(&self, _role: &str, _database: &str) -> Result<(), LakeError> {
        refused()
    }
    async fn table(&self, _role: &str, _database: &str, table: &str) -> Result<Option<ExternalTable>, LakeError> {
        Ok(Some(events()).filter(|events| events.name == table))
    }
    async fn tables(&self, _role: &str, _database: &str) -> Result<Vec<ExternalTable>, LakeError> {
        Ok(vec![events()])
    }
    async fn partitions(
        &self,
        _role: &str,
        _database: &str,
        _table: &str,
    ) -> Result<Vec<ExternalPartition>, LakeError> {
        Ok(Vec::new())
    }
    async fn create_table(&self, _role: &str, _database: &str, _table: &ExternalTable) -> Result<(), LakeError> {
        refused()
    }
    async fn drop_table(&self, _role: &str, _database: &str, _table: &str) -> Result<(), LakeError> {
        refused()
    }
    async fn add_partitions(
        &self,
        _role: &str,
        _database: &str,
        _table: &str,
        _partitions: &[ExternalPartition],
    ) -> Result<(), LakeError> {
        refused()
    }
    async fn drop_partition(
        &self,
        _role: &str,
        _database: &str,
        _table: &str,
        _values: &[String],
    ) -> Result<(), LakeError> {
        refused()
    }

    async fn list(&self, _role: &str, _bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, LakeError> {
        let mut objects = Vec::new();
        for file in std::fs::read_dir(self.0.join(prefix)).map_err(failed)? {
            let file = file.map_err(failed)?;
            objects.push(ObjectInfo {
                key: format!("{prefix}{}", file.file_name().to_string_lossy()),
                size: file.metadata().map_err(failed)?.len(),
                etag: String::new(),
                modified: 0.0,
            });
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    async fn read(&self, _role: &str, _bucket: &str, key: &str, range: Range<u64>) -> Result<Bytes, LakeError> {
        let mut file = std::fs::File::open(self.0.join(key)).map_err(failed)?;
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
        file.take(range.end - range.start)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Ok(bytes.into())
    }
}
