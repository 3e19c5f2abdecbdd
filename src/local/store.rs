//! The durable state: one redb file of JSON documents, keyed by table, scope (account and region) and id.
//! A request reads a snapshot and stages its writes; one thread takes all staged requests that wait, commits
//! them with a single fsync and only then lets their answers go. Not for the bytes of S3 objects: those are files.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

const DOCUMENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("documents");
/// Raised when the documents of an older program can no longer be read.
pub(crate) const FORMAT: u32 = 2;
/// What this program still reads; it is written anew in the present format as it changes.
const OLDEST: u32 = 1;
const FILE: &str = "cloud.redb";
/// Enough for the state of a large stack, small enough for an idle process.
const CACHE_BYTES: usize = 24 << 20;
/// After so long without a write the file is made quick to open.
const REST: Duration = Duration::from_millis(500);
/// More waiting requests than this are committed by the next round.
const BATCH: usize = 128;

/// What can go wrong below the services: the disk, or a document that does not fit its type.
#[derive(Clone, Debug)]
pub struct StoreError {
    pub message: String,
    /// Another process has the file open.
    pub held: bool,
}

impl StoreError {
    fn new(message: impl Into<String>) -> StoreError {
        StoreError {
            message: message.into(),
            held: false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

fn failed(doing: &str) -> impl Fn(&dyn fmt::Display) -> StoreError + '_ {
    move |cause| StoreError::new(format!("{doing}: {cause}"))
}

type Overlay = BTreeMap<String, Option<Vec<u8>>>;
type Release = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Job = Box<dyn FnOnce(&Tx) -> (bool, Release) + Send>;

/// One request's view: the last committed state, and over it what the request itself has written.
pub struct Tx {
    committed: ReadOnlyTable<&'static str, &'static [u8]>,
    /// Written by earlier requests of the same commit.
    batch: Overlay,
    staged: RefCell<Overlay>,
    writable: bool,
    wants_write: Cell<bool>,
}

fn key(table: &str, scope: &str, id: &str) -> String {
    format!("{table}\0{scope}\0{id}")
}

impl Tx {
    /// Returns the document, or none.
    pub fn get<T: DeserializeOwned>(&self, table: &str, scope: &str, id: &str) -> Result<Option<T>, StoreError> {
        let key = key(table, scope, id);
        let staged = self.staged.borrow();
        if let Some(change) = staged.get(&key).or_else(|| self.batch.get(&key)) {
            return change.as_deref().map(|bytes| decode(&key, bytes)).transpose();
        }
        let found = self
            .committed
            .get(key.as_str())
            .map_err(|cause| failed("reading")(&cause))?;
        found.map(|guard| decode(&key, guard.value())).transpose()
    }

    /// Writes the document, replacing what was there.
    pub fn put<T: Serialize>(&self, table: &str, scope: &str, id: &str, document: &T) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(document).map_err(|cause| failed("writing a document")(&cause))?;
        self.stage(key(table, scope, id), Some(bytes))
    }

    /// Removes the document and says whether it was there.
    pub fn delete(&self, table: &str, scope: &str, id: &str) -> Result<bool, StoreError> {
        let there = self.get::<serde::de::IgnoredAny>(table, scope, id)?.is_some();
        if there {
            self.stage(key(table, scope, id), None)?;
        }
        Ok(there)
    }

    /// Returns the documents of one table and scope whose id starts with `prefix`, in the order of their ids.
    pub fn list<T: DeserializeOwned>(
        &self,
        table: &str,
        scope: &str,
        prefix: &str,
    ) -> Result<Vec<(String, T)>, StoreError> {
        self.scan(table, scope, prefix, None, usize::MAX)
    }

    /// Like `list`, but only ids after `after` and at most `limit` of them: for listings too long to read whole.
    pub fn scan<T: DeserializeOwned>(
        &self,
        table: &str,
        scope: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, T)>, StoreError> {
        let base = key(table, scope, "");
        let first = key(table, scope, prefix);
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(key(table, scope, after)),
            _ => Bound::Included(first.clone()),
        };
        let bound = match &from {
            Bound::Excluded(key) => Bound::Excluded(key.as_str()),
            Bound::Included(key) => Bound::Included(key.as_str()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let staged = self.staged.borrow();
        let mut changes: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
        for overlay in [&self.batch, &*staged] {
            let range = overlay.range::<str, _>((bound, Bound::Unbounded));
            changes.extend(
                range
                    .take_while(|(key, _)| key.starts_with(&first))
                    .map(|(key, value)| (key.as_str(), value.as_deref())),
            );
        }
        let mut changes = changes.into_iter().peekable();
        let mut found = Vec::new();
        let range = self
            .committed
            .range::<&str>((bound, Bound::Unbounded))
            .map_err(|cause| failed("listing")(&cause))?;
        for entry in range {
            let (stored, value) = entry.map_err(|cause| failed("listing")(&cause))?;
            let stored = stored.value();
            if !stored.starts_with(&first) || found.len() >= limit {
                break;
            }
            let mut replaced = false;
            while let Some((changed, bytes)) = changes.next_if(|(changed, _)| *changed <= stored) {
                replaced |= changed == stored;
                if let Some(bytes) = bytes {
                    found.push((changed[base.len()..].to_owned(), decode(changed, bytes)?));
                }
            }
            if !replaced {
                found.push((stored[base.len()..].to_owned(), decode(stored, value.value())?));
            }
        }
        for (changed, bytes) in changes {
            if let Some(bytes) = bytes {
                found.push((changed[base.len()..].to_owned(), decode(changed, bytes)?));
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Shows every committed document with its whole key, `table\0scope\0id`.
    pub(crate) fn every(&self, mut see: impl FnMut(&str, &[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        let broken = |cause: redb::StorageError| std::io::Error::other(cause.to_string());
        for entry in self.committed.iter().map_err(broken)? {
            let (key, value) = entry.map_err(broken)?;
            see(key.value(), value.value())?;
        }
        Ok(())
    }

    /// Puts these documents, by whole key, in place of all others but those of the tables `kept`.
    pub(crate) fn replace(&self, kept: &[&str], documents: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        let is_kept = |key: &str| kept.contains(&key.split('\0').next().unwrap_or_default());
        let mut gone: Vec<String> = self.batch.keys().filter(|key| !is_kept(key)).cloned().collect();
        let listed = self.every(|key, _| {
            if !is_kept(key) {
                gone.push(key.to_owned());
            }
            Ok(())
        });
        listed.map_err(|cause| failed("listing")(&cause))?;
        for key in gone {
            self.stage(key, None)?;
        }
        for (key, bytes) in documents {
            if !is_kept(&key) {
                self.stage(key, Some(bytes))?;
            }
        }
        Ok(())
    }

    fn stage(&self, key: String, change: Option<Vec<u8>>) -> Result<(), StoreError> {
        if !self.writable {
            self.wants_write.set(true);
            return Err(StoreError::new("a write inside a read"));
        }
        self.staged.borrow_mut().insert(key, change);
        Ok(())
    }
}

fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes)
        .map_err(|cause| StoreError::new(format!("reading the document `{}`: {cause}", key.replace('\0', "/"))))
}

/// Says whether a process has the state in `dir` open.
pub fn held(dir: &Path) -> bool {
    let Ok(file) = std::fs::File::open(dir.join(FILE)) else {
        return false;
    };
    matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

/// The open store. Cheap to clone; the file closes when the last clone is gone.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    jobs: mpsc::Sender<Job>,
    /// A past state for stale reads, and when it was taken.
    old: Arc<Mutex<Option<(f64, Tx)>>>,
    /// Why nothing can be written any more. What is read then would stand still, and whoever waits for a change would wait
    /// for ever.
    broken: Arc<OnceLock<StoreError>>,
}

impl Store {
    /// Opens or makes the state in `dir`. Fails when another process holds it.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        let path = dir.join(FILE);
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(&path)
            .map_err(|cause| StoreError {
                message: format!("opening `{}`: {cause}", path.display()),
                held: matches!(cause, redb::DatabaseError::DatabaseAlreadyOpen),
            })?;
        Self::over(database)
    }

    fn over(database: Database) -> Result<Store, StoreError> {
        let database = Arc::new(database);
        let (jobs, waiting) = mpsc::channel::<Job>();
        prepare(&database)?;
        let broken = Arc::new(OnceLock::new());
        let breaks = Arc::clone(&broken);
        let writer = Arc::downgrade(&database);
        std::thread::Builder::new()
            .name("local-cloud-writer".to_owned())
            .spawn(move || {
                let mut rested = true;
                loop {
                    let first = match rested {
                        true => waiting.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                        false => waiting.recv_timeout(REST),
                    };
                    let Some(database) = writer.upgrade() else { return };
                    match first {
                        Ok(first) => {
                            commit_round(&database, first, &waiting, &breaks);
                            rested = false;
                        }
                        Err(mpsc::RecvTimeoutError::Timeout) => {
                            rest(&database);
                            rested = true;
                        }
                        Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    }
                }
            })
            .map_err(|cause| failed("starting the writer")(&cause))?;
        Ok(Store {
            database,
            jobs,
            old: Arc::default(),
            broken,
        })
    }

    fn sound(&self) -> Result<(), StoreError> {
        self.broken.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Runs `read` over a snapshot. `None` means that it tried to write and must be run again by `write`.
    pub fn read<R>(&self, read: impl FnOnce(&Tx) -> R) -> Result<Option<R>, StoreError> {
        self.sound()?;
        let tx = snapshot(&self.database, false)?;
        let result = read(&tx);
        Ok((!tx.wants_write.get()).then_some(result))
    }

    /// Keeps the present state for `read_old`, unless the one kept is younger than `seconds`.
    pub fn keep_old(&self, now: f64, seconds: f64) {
        let mut old = self.old.lock().unwrap_or_else(PoisonError::into_inner);
        if old.as_ref().is_none_or(|(taken, _)| now - taken > seconds) {
            *old = snapshot(&self.database, false).ok().map(|tx| (now, tx));
        }
    }

    /// `read` over the state that `keep_old` kept, or over the present one.
    pub fn read_old<R>(&self, read: impl FnOnce(&Tx) -> R) -> Result<Option<R>, StoreError> {
        let old = self.old.lock().unwrap_or_else(PoisonError::into_inner);
        match &*old {
            Some((_, tx)) => {
                tx.wants_write.set(false);
                let result = read(tx);
                Ok((!tx.wants_write.get()).then_some(result))
            }
            None => {
                drop(old);
                self.read(read)
            }
        }
    }

    /// Runs `write` alone on the newest state. When it says `true`, returns after its writes are on disk;
    /// when it says `false`, they are forgotten. Must not be called from inside another write.
    pub async fn write<R: Send + 'static>(
        &self,
        write: impl FnOnce(&Tx) -> (bool, R) + Send + 'static,
    ) -> Result<R, StoreError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.submit(write, move |result| drop(sender.send(result)))?;
        receiver
            .await
            .map_err(|_| StoreError::new("the request failed inside the store"))?
    }

    /// `write` for a thread that may block.
    pub fn write_blocking<R: Send + 'static>(
        &self,
        write: impl FnOnce(&Tx) -> (bool, R) + Send + 'static,
    ) -> Result<R, StoreError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(write, move |result| drop(sender.send(result)))?;
        receiver
            .recv()
            .map_err(|_| StoreError::new("the request failed inside the store"))?
    }

    fn submit<R: Send + 'static>(
        &self,
        write: impl FnOnce(&Tx) -> (bool, R) + Send + 'static,
        answer: impl FnOnce(Result<R, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.sound()?;
        let job: Job = Box::new(move |tx| {
            let (keep, result) = write(tx);
            (keep, Box::new(move |committed| answer(committed.map(|()| result))))
        });
        self.jobs.send(job).map_err(|_| StoreError::new("the store is closed"))
    }
}

fn prepare(database: &Database) -> Result<(), StoreError> {
    let fail = failed("preparing the store");
    let transaction = database.begin_write().map_err(|cause| fail(&cause))?;
    {
        let mut documents = transaction.open_table(DOCUMENTS).map_err(|cause| fail(&cause))?;
        let meta = key("meta", "", "format");
        let found = documents
            .get(meta.as_str())
            .map_err(|cause| fail(&cause))?
            .map(|guard| decode::<u32>(&meta, guard.value()))
            .transpose()?;
        match found {
            Some(FORMAT) => return Ok(()),
            Some(other) if !(OLDEST..FORMAT).contains(&other) => {
                return Err(StoreError::new(format!(
                    "the state has format {other}, this program reads format {FORMAT}: reset it or use the program that wrote it"
                )));
            }
            _ => {
                let bytes = FORMAT.to_string();
                documents
                    .insert(meta.as_str(), bytes.as_bytes())
                    .map_err(|cause| fail(&cause))?;
            }
        }
    }
    transaction.commit().map_err(|cause| fail(&cause))
}

fn snapshot(database: &Database, writable: bool) -> Result<Tx, StoreError> {
    let fail = failed("opening a snapshot");
    let transaction = database.begin_read().map_err(|cause| fail(&cause))?;
    let committed = transaction.open_table(DOCUMENTS).map_err(|cause| fail(&cause))?;
    Ok(Tx {
        committed,
        batch: Overlay::new(),
        staged: RefCell::new(Overlay::new()),
        writable,
        wants_write: Cell::new(false),
    })
}

/// Runs every request that waits, one after the other, and commits them together.
fn commit_round(database: &Database, first: Job, waiting: &mpsc::Receiver<Job>, broken: &OnceLock<StoreError>) {
    let Ok(mut tx) = snapshot(database, true) else { return };
    let mut releases: Vec<Release> = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next.take() {
        // A request that panics is answered by its dropped channel; the others and the thread go on.
        let outcome = catch_unwind(AssertUnwindSafe(|| job(&tx)));
        let staged = std::mem::take(tx.staged.get_mut());
        if let Ok((keep, release)) = outcome {
            if keep {
                tx.batch.extend(staged);
            }
            releases.push(release);
        }
        if releases.len() < BATCH {
            next = waiting.try_recv().ok();
        }
    }
    let committed = if tx.batch.is_empty() {
        Ok(())
    } else {
        commit(database, tx.batch).map_err(|error| {
            let error = StoreError::new(format!("the state can no longer be written: {error}"));
            broken.get_or_init(|| error).clone()
        })
    };
    for release in releases {
        release(committed.clone());
    }
}

/// Saves which pages are in use. Without it, opening after a kill reads the whole file to find out; with it, every commit
/// would cost twice as much, so only the last one before a rest has it.
fn rest(database: &Database) {
    let Ok(mut transaction) = database.begin_write() else {
        return;
    };
    transaction.set_quick_repair(true);
    // Failing costs the next opening a moment, nothing else.
    let _ = transaction.commit();
}

fn commit(database: &Database, changes: Overlay) -> Result<(), StoreError> {
    let fail = failed("committing");
    let transaction = database.begin_write().map_err(|cause| fail(&cause))?;
    {
        let mut documents = transaction.open_table(DOCUMENTS).map_err(|cause| fail(&cause))?;
        for (key, change) in &changes {
            match change {
                Some(bytes) => drop(
                    documents
                        .insert(key.as_str(), bytes.as_slice())
                        .map_err(|cause| fail(&cause))?,
                ),
                None => drop(documents.remove(key.as_str()).map_err(|cause| fail(&cause))?),
            }
        }
    }
    transaction.commit().map_err(|cause| fail(&cause))
}

#[cfg(test)]
mod tests;
