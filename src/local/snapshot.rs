//! The whole cloud as one file, and back: a tar of documents, object bytes and warehouses, packed with zstd. A snapshot
//! is taken of one instant and without stopping anybody; it is put in place of what is there in a way that a crash at
//! any moment either forgets or finishes. Who is allowed in, the key of the folder itself, never travels.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::services::s3;
use crate::store::{self, Store, Tx};
use crate::{CREDENTIALS, Cloud, LocalError};

/// Raised when older programs can no longer read what is written.
const FORMAT: u32 = 1;
const HEAD: &str = "lakeform.json";
const DOCUMENTS: &str = "documents.jsonl";
const OBJECTS: &str = "objects";
const WAREHOUSE: &str = "warehouse";
/// What was unpacked and waits to take its place; its name says that it is whole.
const INCOMING: &str = "incoming";
const UNPACKING: &str = "incoming.partial";
/// Where a snapshot is gathered before it is packed.
const OUTGOING: &str = "outgoing";
/// Tables that belong to the folder and not to what is in it.
const OWN: [&str; 3] = ["meta", CREDENTIALS, "sts-sessions"];
/// How often a warehouse is copied anew because a statement committed meanwhile.
const TRIES: usize = 20;
/// File systems keep the time of a change about so exactly.
const TICK: Duration = Duration::from_millis(20);
const LEVEL: i32 = 3;

#[derive(Serialize, Deserialize)]
struct Head {
    /// `format` comes first, so that a newer one is recognised whatever else changed.
    format: u32,
    documents: u32,
    lakeform: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    key: String,
    value: serde_json::Value,
}

fn failed(doing: impl std::fmt::Display) -> impl FnOnce(io::Error) -> LocalError {
    move |cause| LocalError::new(format!("{doing}: {cause}"))
}

/// A snapshot that is gathered and not yet packed. Its folder goes with it.
pub struct Gathered {
    dir: PathBuf,
}

impl Drop for Gathered {
    fn drop(&mut self) {
        // What stays is removed when the folder is opened next.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Gathers a snapshot of this instant: documents are copied, immutable files get a second name. Blocks.
pub fn gather(cloud: &Arc<Cloud>) -> Result<Gathered, LocalError> {
    let dir = cloud.dir.join(format!("{OUTGOING}-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir_all(&dir).map_err(failed(format_args!("making `{}`", dir.display())))?;
    let gathered = Gathered { dir };
    let (from, to) = (cloud.dir.clone(), gathered.dir.clone());
    // On the writer's thread nothing commits meanwhile, and so no bytes that a document names are removed.
    let gathering = cloud
        .store
        .write_blocking(move |tx| (false, gather_documents(tx, &from, &to)));
    gathering
        .map_err(|cause| LocalError::new(cause.message))?
        .map_err(failed("gathering the snapshot"))?;
    gather_warehouses(&cloud.dir.join(WAREHOUSE), &gathered.dir.join(WAREHOUSE))?;
    Ok(gathered)
}

fn gather_documents(tx: &Tx, from: &Path, to: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(to.join(DOCUMENTS))?);
    let mut named = HashSet::new();
    tx.every(|key, bytes| {
        let table = key.split('\0').next().unwrap_or_default();
        if OWN.contains(&table) {
            return Ok(());
        }
        let value = serde_json::from_slice(bytes)?;
        named.extend(s3::files_of(table, &value));
        let document = Document {
            key: key.to_owned(),
            value,
        };
        serde_json::to_writer(&mut file, &document)?;
        file.write_all(b"\n")
    })?;
    file.flush()?;
    let head = Head {
        format: FORMAT,
        documents: store::FORMAT,
        lakeform: env!("CARGO_PKG_VERSION").to_owned(),
    };
    fs::write(to.join(HEAD), serde_json::to_vec(&head)?)?;
    for id in named {
        let place = Path::new(OBJECTS).join(&id[..2]).join(&id);
        let target = to.join(&place);
        fs::create_dir_all(target.parent().expect("object files have a folder"))?;
        link(&from.join(&place), &target)?;
    }
    Ok(())
}

/// A second name where the file system has such, else a copy.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => fs::copy(from, to).map(drop),
        linked => linked,
    }
}

/// Copies every warehouse at an instant between two commits. Its segments are immutable and only its catalog changes, so
/// a copy is whole when the catalog did not change until the last segment had its second name.
fn gather_warehouses(from: &Path, to: &Path) -> Result<(), LocalError> {
    let mut warehouses = Vec::new();
    find_catalogs(from, &mut warehouses).map_err(failed("looking for warehouses"))?;
    for warehouse in warehouses {
        let target = to.join(warehouse.strip_prefix(from).expect("it was found below"));
        let mut copied = false;
        for _ in 0..TRIES {
            let _ = fs::remove_dir_all(&target);
            match copy_warehouse(&warehouse, &target) {
                Ok(whole) => copied = whole,
                // A segment that went is one that a commit just dropped.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => copied = false,
                Err(cause) => return Err(failed(format_args!("copying `{}`", warehouse.display()))(cause)),
            }
            // The warehouse of a namespace that was deleted meanwhile is not missed.
            if copied || !warehouse.exists() {
                break;
            }
        }
        if !copied && warehouse.exists() {
            return Err(LocalError::new(format!(
                "statements commit in `{}` faster than it can be copied: try again when they have ended",
                warehouse.display()
            )));
        }
    }
    Ok(())
}

fn find_catalogs(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(cause),
    };
    if dir.join("catalog.redb").exists() {
        found.push(dir.to_owned());
        return Ok(());
    }
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            find_catalogs(&path, found)?;
        }
    }
    Ok(())
}

fn copy_warehouse(from: &Path, to: &Path) -> io::Result<bool> {
    let catalog = from.join("catalog.redb");
    let before = fs::metadata(&catalog)?.modified()?;
    fs::create_dir_all(to.join("segments"))?;
    fs::copy(&catalog, to.join("catalog.redb"))?;
    for segment in fs::read_dir(from.join("segments"))? {
        let segment = segment?;
        link(&segment.path(), &to.join("segments").join(segment.file_name()))?;
    }
    let after = fs::metadata(&catalog)?.modified()?;
    // A change within the same tick as the first look would not show.
    let settled = SystemTime::elapsed(&before).is_ok_and(|age| age > TICK);
    Ok(before == after && settled)
}

impl Gathered {
    /// Packs it. Blocks.
    pub fn pack(&self, into: impl Write) -> io::Result<()> {
        let mut packed = zstd::Encoder::new(into, LEVEL)?;
        {
            let mut tar = tar::Builder::new(&mut packed);
            tar.mode(tar::HeaderMode::Deterministic);
            // The head comes first, so that a reader may refuse early.
            for name in [HEAD, DOCUMENTS] {
                tar.append_path_with_name(self.dir.join(name), name)?;
            }
            for name in [OBJECTS, WAREHOUSE] {
                if self.dir.join(name).exists() {
                    tar.append_dir_all(name, self.dir.join(name))?;
                }
            }
            tar.finish()?;
        }
        packed.finish()?.flush()
    }
}

/// Unpacks a snapshot beside what is there. What is there stays as it is until `take_place`. Blocks.
pub fn unpack(from: impl Read, dir: &Path) -> Result<(), LocalError> {
    let partial = dir.join(UNPACKING);
    let wrong = |cause: io::Error| LocalError::new(format!("this is not a snapshot of a local cloud: {cause}"));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(partial.join(OBJECTS).join("tmp"))
        .and_then(|()| fs::create_dir_all(partial.join(WAREHOUSE)))
        .map_err(failed(format_args!("making `{}`", partial.display())))?;
    let mut tar = tar::Archive::new(zstd::Decoder::new(from).map_err(wrong)?);
    let mut headed = false;
    for entry in tar.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let path = entry.path().map_err(wrong)?.into_owned();
        if !headed {
            if path != Path::new(HEAD) {
                return Err(wrong(io::Error::other(format!("it begins with `{}`", path.display()))));
            }
            let head: Head = serde_json::from_reader(&mut entry).map_err(|cause| wrong(cause.into()))?;
            if (head.format, head.documents) != (FORMAT, store::FORMAT) {
                return Err(LocalError::new(format!(
                    "the snapshot was made by lakeform {} and has format {}.{}; this program reads format {FORMAT}.{}",
                    head.lakeform,
                    head.format,
                    head.documents,
                    store::FORMAT
                )));
            }
            headed = true;
            continue;
        }
        let kind = entry.header().entry_type();
        if !(kind.is_file() || kind.is_dir()) || !stays_inside(&path) {
            return Err(wrong(io::Error::other(format!(
                "`{}` has no place in one",
                path.display()
            ))));
        }
        entry.set_preserve_permissions(false);
        entry.unpack_in(&partial).map_err(wrong)?;
    }
    if !partial.join(DOCUMENTS).exists() {
        return Err(wrong(io::Error::other("it has no documents")));
    }
    // Read once before anything is replaced: a damaged document must be found now.
    documents(&partial).map_err(wrong)?;
    sync(&partial)
        .and_then(|()| fs::rename(&partial, dir.join(INCOMING)))
        .and_then(|()| File::open(dir)?.sync_all())
        .map_err(failed("keeping the snapshot"))
}

/// Prepares an empty cloud, to be put in place of what is there.
pub fn nothing(dir: &Path) -> Result<(), LocalError> {
    let incoming = dir.join(UNPACKING);
    let _ = fs::remove_dir_all(&incoming);
    fs::create_dir_all(incoming.join(OBJECTS).join("tmp"))
        .and_then(|()| fs::create_dir_all(incoming.join(WAREHOUSE)))
        .and_then(|()| fs::write(incoming.join(DOCUMENTS), ""))
        .and_then(|()| fs::rename(&incoming, dir.join(INCOMING)))
        .map_err(failed(format_args!("emptying `{}`", dir.display())))
}

fn stays_inside(path: &Path) -> bool {
    let mut parts = path.components();
    let first = matches!(parts.next(), Some(Component::Normal(first))
        if [DOCUMENTS, OBJECTS, WAREHOUSE].iter().any(|known| first == *known));
    first && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Makes every file below durable.
fn sync(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    File::open(dir)?.sync_all()
}

fn documents(dir: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut documents = Vec::new();
    for line in BufReader::new(File::open(dir.join(DOCUMENTS))?).lines() {
        let document: Document = serde_json::from_str(&line?)?;
        let table = document.key.split('\0').next().unwrap_or_default();
        let hostile = |id: &String| !id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if s3::files_of(table, &document.value).iter().any(hostile) {
            return Err(io::Error::other("an object's bytes are no file of a snapshot"));
        }
        documents.push((document.key, serde_json::to_vec(&document.value)?));
    }
    Ok(documents)
}

/// Puts an unpacked snapshot in place of what is there, and says whether there was one. Every step can be done again, so
/// an opening after a crash finishes what was begun. Nobody else may be at work. Blocks.
pub fn take_place(dir: &Path, store: &Store) -> Result<bool, LocalError> {
    let incoming = dir.join(INCOMING);
    if !incoming.exists() {
        return Ok(false);
    }
    let found = documents(&incoming).map_err(failed("reading the snapshot"))?;
    let replaced = store.write_blocking(move |tx| match tx.replace(&OWN, found) {
        Ok(()) => (true, Ok(())),
        Err(cause) => (false, Err(cause)),
    });
    replaced
        .and_then(|replaced| replaced)
        .map_err(|cause| LocalError::new(cause.message))?;
    for name in [OBJECTS, WAREHOUSE] {
        // Without the first a crash came after the move.
        if incoming.join(name).exists() {
            let there = dir.join(name);
            match fs::remove_dir_all(&there) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(format_args!("removing `{}`", there.display()))(cause));
                }
                _ => {}
            }
            fs::rename(incoming.join(name), &there).map_err(failed("moving the snapshot to its place"))?;
        }
    }
    fs::remove_dir_all(&incoming).map_err(failed("tidying up"))?;
    Ok(true)
}

/// Removes what an interrupted export or import left behind.
pub fn sweep(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(OUTGOING) || name == UNPACKING {
            // Left over again at worst.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
