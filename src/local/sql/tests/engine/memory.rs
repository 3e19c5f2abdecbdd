//! A data catalog and buckets in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use lakeform_sql::{ExternalPartition, ExternalTable, Lake, LakeError, LakeErrorKind, ObjectInfo};

#[derive(Debug, Default)]
pub struct MemoryLake {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    databases: BTreeMap<String, BTreeMap<String, ExternalTable>>,
    partitions: BTreeMap<(String, String), Vec<ExternalPartition>>,
    objects: BTreeMap<(String, String), Bytes>,
    forbidden: BTreeSet<String>,
    /// The keys that were read, one for each read.
    reads: Vec<String>,
}

impl MemoryLake {
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        self.state
            .lock()
            .unwrap()
            .objects
            .insert((bucket.into(), key.into()), bytes.into());
    }

    pub fn add_database(&self, name: &str) {
        self.state.lock().unwrap().databases.entry(name.into()).or_default();
    }

    pub fn add_table(&self, database: &str, table: ExternalTable) {
        self.add_database(database);
        self.state
            .lock()
            .unwrap()
            .databases
            .get_mut(database)
            .unwrap()
            .insert(table.name.clone(), table);
    }

    /// Returns which objects were read since the last time this was asked.
    pub fn take_reads(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.state.lock().unwrap().reads)
            .into_iter()
            .collect()
    }

    pub fn forbid(&self, role: &str) {
        self.state.lock().unwrap().forbidden.insert(role.into());
    }

    fn allowed(&self, role: &str) -> Result<std::sync::MutexGuard<'_, State>, LakeError> {
        let state = self.state.lock().unwrap();
        if state.forbidden.contains(role) {
            return Err(LakeError::new(
                LakeErrorKind::Denied,
                format!("{role} is not authorized"),
            ));
        }
        Ok(state)
    }
}

fn no_database(name: &str) -> LakeError {
    LakeError::new(LakeErrorKind::NoDatabase, format!("database {name} does not exist"))
}

#[async_trait]
impl Lake for MemoryLake {
    async fn database_exists(&self, role: &str, database: &str) -> Result<bool, LakeError> {
        Ok(self.allowed(role)?.databases.contains_key(database))
    }

    async fn create_database(&self, role: &str, database: &str) -> Result<(), LakeError> {
        self.allowed(role)?.databases.insert(database.into(), BTreeMap::new());
        Ok(())
    }

    async fn drop_database(&self, role: &str, database: &str) -> Result<(), LakeError> {
        self.allowed(role)?.databases.remove(database);
        Ok(())
    }

    async fn table(&self, role: &str, database: &str, table: &str) -> Result<Option<ExternalTable>, LakeError> {
        Ok(self
            .allowed(role)?
            .databases
            .get(database)
            .ok_or_else(|| no_database(database))?
            .get(table)
            .cloned())
    }

    async fn tables(&self, role: &str, database: &str) -> Result<Vec<ExternalTable>, LakeError> {
        Ok(self
            .allowed(role)?
            .databases
            .get(database)
            .ok_or_else(|| no_database(database))?
            .values()
            .cloned()
            .collect())
    }

    async fn partitions(&self, role: &str, database: &str, table: &str) -> Result<Vec<ExternalPartition>, LakeError> {
        Ok(self
            .allowed(role)?
            .partitions
            .get(&(database.into(), table.into()))
            .cloned()
            .unwrap_or_default())
    }

    async fn create_table(&self, role: &str, database: &str, table: &ExternalTable) -> Result<(), LakeError> {
        let mut state = self.allowed(role)?;
        let tables = state.databases.get_mut(database).ok_or_else(|| no_database(database))?;
        if tables.contains_key(&table.name) {
            return Err(LakeError::new(
                LakeErrorKind::AlreadyExists,
                format!("table {} already exists", table.name),
            ));
        }
        tables.insert(table.name.clone(), table.clone());
        Ok(())
    }

    async fn drop_table(&self, role: &str, database: &str, table: &str) -> Result<(), LakeError> {
        let mut state = self.allowed(role)?;
        let tables = state.databases.get_mut(database).ok_or_else(|| no_database(database))?;
        tables
            .remove(table)
            .map(drop)
            .ok_or_else(|| LakeError::new(LakeErrorKind::NoTable, format!("table {table} does not exist")))
    }

    async fn add_partitions(
        &self,
        role: &str,
        database: &str,
        table: &str,
        partitions: &[ExternalPartition],
    ) -> Result<(), LakeError> {
        self.allowed(role)?
            .partitions
            .entry((database.into(), table.into()))
            .or_default()
            .extend_from_slice(partitions);
        Ok(())
    }

    async fn drop_partition(
        &self,
        role: &str,
        database: &str,
        table: &str,
        values: &[String],
    ) -> Result<(), LakeError> {
        let mut state = self.allowed(role)?;
        state
            .partitions
            .entry((database.into(), table.into()))
            .or_default()
            .retain(|partition| partition.values != values);
        Ok(())
    }

    async fn list(&self, role: &str, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, LakeError> {
        let state = self.allowed(role)?;
        Ok(state
            .objects
            .iter()
            .filter(|((in_bucket, key), _)| in_bucket == bucket && key.starts_with(prefix))
            .map(|((_, key), bytes)| ObjectInfo {
                key: key.clone(),
                size: bytes.len() as u64,
                etag: String::new(),
                modified: 0.0,
            })
            .collect())
    }

    async fn read(&self, role: &str, bucket: &str, key: &str, range: Range<u64>) -> Result<Bytes, LakeError> {
        let mut state = self.allowed(role)?;
        state.reads.push(key.to_string());
        let bytes = state
            .objects
            .get(&(bucket.to_string(), key.to_string()))
            .ok_or_else(|| LakeError::new(LakeErrorKind::NoObject, format!("s3://{bucket}/{key} does not exist")))?;
        Ok(bytes.slice(range.start as usize..(range.end as usize).min(bytes.len())))
    }
}
