//! Writes generated files into a folder. A file gets its name only when it is whole, and one that is there already,
//! byte for byte, is left alone.

use super::manifest::{Files, Manifest, entry, total_of};
use super::recipe::{At, Recipe};
use super::workers::{Total, Workers};
use crate::error::CommandError;
use futures::stream::{self, StreamExt, TryStreamExt};
use lakeform_datagen::{ObjectEntry, Sum};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files under way at once.
const FILES: usize = 16;
/// Bytes read at a time to check what is there.
const CHUNK: usize = 1 << 20;

/// What a write did.
pub struct Written {
    pub manifest: Manifest,
    /// How many files were there already.
    pub there: usize,
    /// Bytes that were really written.
    pub bytes: u64,
}

/// Writes every file, and a manifest when all are there. `tell` is told how many rows and bytes are done.
pub async fn write(
    folder: &Path,
    recipe: &Recipe,
    workers: &Workers,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<Written, CommandError> {
    let batches = workers.batches();
    let earlier = manifests(folder)?;
    let known = earlier
        .iter()
        .filter(|manifest| manifest.fingerprint == batches.fingerprint)
        .flat_map(Manifest::objects)
        .map(|object| (object.key.as_str(), object))
        .collect();
    let job = Job {
        folder,
        workers,
        known,
        tell,
        rows: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    };
    let job = &job;
    let mut tables: Vec<(At, ObjectEntry, bool)> = stream::iter(batches.files())
        .map(|at| job.file(at))
        .buffer_unordered(FILES)
        .try_collect()
        .await?;
    tables.sort_by_key(|(at, ..)| *at);
    let mut extras = Vec::new();
    for (key, text) in batches.extras() {
        put(&folder.join(key), text.as_bytes()).map_err(failed(folder))?;
        let total = Total {
            sum: Sum::of(text.as_bytes()),
            ..Total::default()
        };
        extras.push(entry(key.clone(), &total));
    }
    let there = tables.iter().filter(|(.., there)| *there).count();
    let bytes = tables
        .iter()
        .filter(|(.., there)| !there)
        .map(|(_, object, _)| object.bytes)
        .sum();
    let tables = tables.into_iter().map(|(at, object, _)| (at, object)).collect();
    let manifest = Manifest::new(recipe, batches, "", Files { tables, extras });
    put(
        &folder.join(manifest_name(batches.plans[0].options.part)),
        manifest.to_json().as_bytes(),
    )
    .map_err(failed(folder))?;
    Ok(Written { manifest, there, bytes })
}

fn manifest_name(part: Option<(u64, u64)>) -> String {
    match part {
        None => "manifest.json".to_owned(),
        Some((index, of)) => format!("manifest-{index}-of-{of}.json"),
    }
}

/// Reads the manifests of a folder: one, or one for each share that was written into it.
pub fn manifests(folder: &Path) -> Result<Vec<Manifest>, CommandError> {
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("manifest") && name.ends_with(".json") {
            let text = std::fs::read(&path).map_err(failed(&path))?;
            let manifest = Manifest::from_json(&text)
                .map_err(|reason| CommandError::new(format!("reading `{}`: {reason}", path.display())))?;
            manifests.push((name, manifest));
        }
    }
    manifests.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(manifests.into_iter().map(|(_, manifest)| manifest).collect())
}

/// Returns the sizes of all files of a folder by their path in it, with `/` between names.
pub fn list(folder: &Path) -> Result<BTreeMap<String, u64>, CommandError> {
    let mut sizes = BTreeMap::new();
    let mut waiting = vec![(folder.to_owned(), String::new())];
    while let Some((path, key)) = waiting.pop() {
        for entry in std::fs::read_dir(&path).map_err(failed(&path))? {
            let entry = entry.map_err(failed(&path))?;
            let metadata = entry.metadata().map_err(failed(&path))?;
            let key = format!("{key}{}", entry.file_name().to_string_lossy());
            match metadata.is_dir() {
                true => waiting.push((entry.path(), format!("{key}/"))),
                false => drop(sizes.insert(key, metadata.len())),
            }
        }
    }
    Ok(sizes)
}

/// Returns length and checksum of a file, or `None` when there is none.
pub async fn sum(path: PathBuf) -> Result<Option<Sum>, CommandError> {
    let shown = path.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut buffer = vec![0; CHUNK];
        let mut sum = Sum::default();
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Some(sum)),
                count => sum = sum.then(Sum::of(&buffer[..count])),
            }
        }
    });
    reading.await.expect("reading does not panic").map_err(failed(&shown))
}

struct Job<'a> {
    folder: &'a Path,
    workers: &'a Workers,
    known: BTreeMap<&'a str, &'a ObjectEntry>,
    tell: &'a (dyn Fn(u64, u64) + Sync),
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Job<'_> {
    /// Makes sure that a file is there. Also returns whether it was there before.
    async fn file(&self, at: At) -> Result<(At, ObjectEntry, bool), CommandError> {
        let key = &self.workers.batches().file(at).key;
        let path = self.folder.join(key);
        let truth = self.folder.join("truth").join(format!("{key}.jsonl"));
        if let Some(total) = self.already(at, &path).await? {
            if !total.truth.is_empty() {
                put(&truth, total.truth.as_bytes()).map_err(failed(&truth))?;
            }
            self.add(self.workers.batches().rows(at), total.sum.bytes);
            return Ok((at, entry(key.clone(), &total), true));
        }
        let mut total = Total::default();
        let mut out = Output::create(path.clone()).map_err(failed(&path))?;
        let parts = self.workers.parts(at);
        let mut parts = std::pin::pin!(parts);
        while let Some(made) = parts.next().await {
            total = total.then(&made);
            let (rows, bytes) = (made.rows, made.sum.bytes);
            let writing = tokio::task::spawn_blocking(move || out.file.write_all(&made.bytes).map(|()| out));
            out = writing.await.expect("writing does not panic").map_err(failed(&path))?;
            self.add(rows, bytes);
        }
        if !total.truth.is_empty() {
            put(&truth, total.truth.as_bytes()).map_err(failed(&truth))?;
        }
        out.finish().map_err(failed(&path))?;
        Ok((at, entry(key.clone(), &total), false))
    }

    /// What the file comes to, if exactly it is there.
    async fn already(&self, at: At, path: &Path) -> Result<Option<Total>, CommandError> {
        let Ok(metadata) = std::fs::metadata(path) else {
            return Ok(None);
        };
        let known = self
            .known
            .get(self.workers.batches().file(at).key.as_str())
            .and_then(|object| total_of(object));
        if known.as_ref().is_some_and(|known| known.sum.bytes != metadata.len()) {
            return Ok(None);
        }
        let total = match known {
            Some(total) => total,
            None => self.workers.total(at).await,
        };
        let same = metadata.len() == total.sum.bytes && sum(path.to_owned()).await? == Some(total.sum);
        Ok(same.then_some(total))
    }

    fn add(&self, rows: u64, bytes: u64) {
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.tell)(rows, bytes);
    }
}

/// A file that gets its name when it is whole; dropped before, nothing is left of it.
struct Output {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    whole: bool,
}

impl Output {
    fn create(path: PathBuf) -> io::Result<Self> {
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self {
            file: File::create(&partial)?,
            partial,
            path,
            whole: false,
        })
    }

    fn finish(mut self) -> io::Result<()> {
        std::fs::rename(&self.partial, &self.path)?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.whole {
            drop(std::fs::remove_file(&self.partial));
        }
    }
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut out = Output::create(path.to_owned())?;
    out.file.write_all(bytes)?;
    out.finish()
}

fn failed(path: &Path) -> impl Fn(io::Error) -> CommandError + use<> {
    let path = path.display().to_string();
    move |error| CommandError::io(format!("`{path}`"), &error)
}
