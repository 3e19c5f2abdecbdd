//! The catalog on disk: one redb file per cluster. A SQL commit is one redb write transaction that holds the catalog
//! entries it changed and the deletion vectors it made; Parquet segments were synced before it starts.
//! STORAGE.md has the argument why no crash loses or invents a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::catalog::{Body, Catalog, Oid, Relation};
use crate::durable::{Watch, Watched};
use crate::error::{Result, SqlError};
use crate::native::SegmentFile;

/// Entries by kind and OID, for example `relation/100004`, as JSON.
const ENTRIES: TableDefinition<&str, &[u8]> = TableDefinition::new("entries");
/// Deletion vectors by segment id: ascending row numbers, four bytes each.
const DELETIONS: TableDefinition<u64, &[u8]> = TableDefinition::new("deletions");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

const FORMAT: u64 = 1;

#[derive(Debug)]
pub struct Store {
    database: Database,
    segments: PathBuf,
}

impl Store {
    /// Opens or creates the store, and removes segment files that no commit refers to.
    pub fn open(dir: &Path, watch: &Watch) -> Result<(Self, Catalog)> {
        let segments = dir.join("segments");
        std::fs::create_dir_all(&segments)?;
        let path = dir.join("catalog.redb");
        let database = if watch.is_set() {
            let file = std::fs::File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?;
            let backend = Watched {
                file: FileBackend::new(file).map_err(redb::Error::from)?,
                watch: watch.clone(),
            };
            Database::builder().create_with_backend(backend)
        } else {
            Database::create(path)
        };
        let store = Self {
            database: database.map_err(redb::Error::from)?,
            segments,
        };
        store.check_format()?;
        let catalog = store.load()?;
        store.sweep(&catalog)?;
        Ok((store, catalog))
    }

    pub fn segments(&self) -> &Path {
        &self.segments
    }

    fn check_format(&self) -> Result<()> {
        let write = self.database.begin_write().map_err(redb::Error::from)?;
        {
            let mut meta = write.open_table(META).map_err(redb::Error::from)?;
            write.open_table(ENTRIES).map_err(redb::Error::from)?;
            write.open_table(DELETIONS).map_err(redb::Error::from)?;
            let found = meta
                .get("format")
                .map_err(redb::Error::from)?
                .map(|value| value.value());
            match found {
                Some(FORMAT) => {}
                Some(other) => {
                    return Err(SqlError::internal(format!(
                        "the warehouse has format {other}, this program reads {FORMAT}"
                    )));
                }
                None => {
                    meta.insert("format", FORMAT).map_err(redb::Error::from)?;
                }
            }
        }
        write.commit().map_err(redb::Error::from)?;
        Ok(())
    }

    fn load(&self) -> Result<Catalog> {
        let read = self.database.begin_read().map_err(redb::Error::from)?;
        let deletions = read.open_table(DELETIONS).map_err(redb::Error::from)?;
        let mut deleted = BTreeMap::new();
        for entry in deletions.iter().map_err(redb::Error::from)? {
            let (segment, bytes) = entry.map_err(redb::Error::from)?;
            let rows: Vec<u32> = bytes
                .value()
                .chunks_exact(4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            deleted.insert(segment.value(), Arc::new(rows));
        }
        let entries = read.open_table(ENTRIES).map_err(redb::Error::from)?;
        let mut catalog = Catalog::default();
        for entry in entries.iter().map_err(redb::Error::from)? {
            let (key, bytes) = entry.map_err(redb::Error::from)?;
            let (kind, _) = key.value().split_once('/').unwrap_or_default();
            let bytes = bytes.value();
            match kind {
                "database" => insert(&mut catalog.databases, bytes, |entry: &crate::catalog::Database| {
                    entry.oid
                })?,
                "schema" => insert(&mut catalog.schemas, bytes, |entry: &crate::catalog::Schema| entry.oid)?,
                "user" => insert(&mut catalog.users, bytes, |entry: &crate::catalog::User| entry.oid)?,
                "group" => insert(&mut catalog.groups, bytes, |entry: &crate::catalog::Group| entry.oid)?,
                "relation" => {
                    let mut relation: Relation = decode(bytes)?;
                    if let Body::Table(table) = &mut relation.body {
                        for segment in &mut table.segments {
                            segment.file = Some(SegmentFile::kept(&self.segments, segment.id));
                            if let Some(rows) = deleted.get(&segment.id) {
                                segment.deleted = rows.clone();
                            }
                        }
                    }
                    catalog.put_relation(relation);
                }
                other => {
                    return Err(SqlError::internal(format!(
                        "the warehouse has an entry of unknown kind {other}"
                    )));
                }
            }
        }
        Ok(catalog)
    }

    fn sweep(&self, catalog: &Catalog) -> Result<()> {
        let kept = segment_ids(catalog);
        for file in std::fs::read_dir(&self.segments)? {
            let path = file?.path();
            let id = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .and_then(|stem| stem.parse::<u64>().ok());
            if id.is_none_or(|id| !kept.contains(&id)) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Writes what changed from `old` to `new` in one durable transaction.
    pub fn commit(&self, old: &Catalog, new: &Catalog) -> Result<()> {
        let mut write = self.database.begin_write().map_err(redb::Error::from)?;
        write.set_durability(Durability::Immediate).map_err(redb::Error::from)?;
        {
            let mut entries = write.open_table(ENTRIES).map_err(redb::Error::from)?;
            let mut change = |key: String, bytes: Option<Vec<u8>>| -> Result<()> {
                match bytes {
                    Some(bytes) => entries.insert(key.as_str(), bytes.as_slice()).map(drop),
                    None => entries.remove(key.as_str()).map(drop),
                }
                .map_err(|error| redb::Error::from(error).into())
            };
            differences("database", &old.databases, &new.databases, |_| true, &mut change)?;
            differences(
                "schema",
                &old.schemas,
                &new.schemas,
                |schema| !schema.temporary,
                &mut change,
            )?;
            differences("user", &old.users, &new.users, |_| true, &mut change)?;
            differences("group", &old.groups, &new.groups, |_| true, &mut change)?;
            differences(
                "relation",
                &old.relations,
                &new.relations,
                |relation| !relation.temporary,
                &mut change,
            )?;
        }
        {
            let mut deletions = write.open_table(DELETIONS).map_err(redb::Error::from)?;
            let before = deletion_vectors(old);
            let after = deletion_vectors(new);
            for (segment, rows) in &after {
                if before.get(segment).is_none_or(|earlier| !Arc::ptr_eq(earlier, rows)) {
                    let bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
                    deletions
                        .insert(*segment, bytes.as_slice())
                        .map_err(redb::Error::from)?;
                }
            }
            for segment in before.keys().filter(|segment| !after.contains_key(segment)) {
                deletions.remove(*segment).map_err(redb::Error::from)?;
            }
        }
        write.commit().map_err(redb::Error::from)?;
        Ok(())
    }
}

/// Returns the ids of all segments that a catalog refers to.
pub fn segment_ids(catalog: &Catalog) -> BTreeSet<u64> {
    catalog
        .relations
        .values()
        .filter_map(|relation| relation.table())
        .flat_map(|table| &table.segments)
        .map(|s| s.id)
        .collect()
}

fn deletion_vectors(catalog: &Catalog) -> BTreeMap<u64, Arc<Vec<u32>>> {
    catalog
        .relations
        .values()
        .filter(|relation| !relation.temporary)
        .filter_map(|relation| relation.table())
        .flat_map(|table| &table.segments)
        .filter(|segment| !segment.deleted.is_empty())
        .map(|segment| (segment.id, segment.deleted.clone()))
        .collect()
}

fn differences<T: Serialize>(
    kind: &str,
    old: &BTreeMap<Oid, Arc<T>>,
    new: &BTreeMap<Oid, Arc<T>>,
    stored: impl Fn(&T) -> bool,
    change: &mut impl FnMut(String, Option<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    for (oid, entry) in new {
        if stored(entry) && old.get(oid).is_none_or(|earlier| !Arc::ptr_eq(earlier, entry)) {
            let bytes = serde_json::to_vec(entry.as_ref()).map_err(SqlError::internal)?;
            change(format!("{kind}/{oid}"), Some(bytes))?;
        }
    }
    for (oid, entry) in old {
        if stored(entry) && !new.contains_key(oid) {
            change(format!("{kind}/{oid}"), None)?;
        }
    }
    Ok(())
}

fn insert<T: DeserializeOwned>(map: &mut BTreeMap<Oid, Arc<T>>, bytes: &[u8], oid: impl Fn(&T) -> Oid) -> Result<()> {
    let entry: T = decode(bytes)?;
    map.insert(oid(&entry), Arc::new(entry));
    Ok(())
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| SqlError::internal(format!("a catalog entry cannot be read: {error}")))
}
