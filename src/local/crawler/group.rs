//! Groups classified objects into tables and partitions, folder by folder from the leaves up: folders whose files
//! are alike become the partitions of one table, folders that differ become tables of their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use regex::Regex;

use super::classify::{Bytes, Classified, Classifier, Compression, classify};
use super::schema::Schema;

/// One object to crawl.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub size: u64,
}

/// One S3 target.
#[derive(Clone, Debug)]
pub struct Target {
    pub bucket: String,
    /// A folder, or one object.
    pub prefix: String,
    pub exclusions: Vec<Regex>,
    /// At most so many files of a folder are read.
    pub sample_size: Option<usize>,
}

/// How a crawler groups.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// CombineCompatibleSchemas: what one reader can read is one table, however its columns differ.
    pub combine: bool,
    /// TableLevelConfiguration: the depth at which tables lie; the bucket is level 1.
    pub table_level: Option<usize>,
    /// Folders, by the prefix of their keys, that are tables already: each stays one, and is no partition of another.
    pub roots: BTreeSet<String>,
}

/// Sums over objects.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    pub objects: u64,
    pub size: u64,
    pub records: u64,
    pub plain: u64,
}

impl Stats {
    fn add(&mut self, other: Stats) {
        self.objects += other.objects;
        self.size += other.size;
        self.records += other.records;
        self.plain += other.plain;
    }

    /// Returns the mean length of a record, at least one byte.
    pub fn average(&self) -> u64 {
        self.plain
            .checked_div(self.records)
            .unwrap_or(0)
            .max(u64::from(self.records > 0))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct FoundTable {
    /// What the name is made from: a folder's, a file's or the bucket's name.
    pub source_name: String,
    pub location: String,
    pub schema: Arc<Schema>,
    pub compression: Compression,
    pub stats: Stats,
    pub partition_keys: Vec<String>,
    pub partitions: Vec<FoundPartition>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FoundPartition {
    pub values: Vec<String>,
    pub location: String,
    pub schema: Arc<Schema>,
    pub compression: Compression,
    pub stats: Stats,
}

/// Reads objects by key, for several threads at once.
pub trait Reader: Sync {
    fn object<'o>(&'o self, entry: &Entry) -> Box<dyn Bytes + 'o>;
}

/// Returns the objects that are data: not empty, not hidden, not excluded.
pub fn select(target: &Target, entries: Vec<Entry>) -> Vec<Entry> {
    let root = root(target);
    let wanted = |entry: &Entry| {
        if target.is_object(entry) {
            return true;
        }
        let Some(below) = entry.key.strip_prefix(&root) else {
            return false;
        };
        let name = below.rsplit('/').next().unwrap_or(below);
        let hidden = name.is_empty() || name.starts_with(['_', '.']) || name.ends_with("_$folder$");
        !hidden && entry.size > 0 && !target.exclusions.iter().any(|pattern| pattern.is_match(below))
    };
    entries.into_iter().filter(wanted).collect()
}

impl Target {
    /// The target is an object itself, and this is it.
    fn is_object(&self, entry: &Entry) -> bool {
        entry.key == self.prefix && !entry.key.ends_with('/')
    }
}

/// The folder of a target as the prefix of keys.
fn root(target: &Target) -> String {
    match target.prefix.trim_end_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    }
}

/// Returns the tables of a target's selected objects, which come in the order of their keys.
pub fn tables(
    target: &Target,
    entries: &[Entry],
    reader: &dyn Reader,
    classifiers: &[Classifier],
    options: &Options,
) -> io::Result<Vec<FoundTable>> {
    let root = root(target);
    let mut tree = Folder {
        path: root.clone(),
        ..Folder::default()
    };
    for (at, entry) in entries.iter().enumerate() {
        match entry.key.strip_prefix(&root).filter(|_| !target.is_object(entry)) {
            Some(below) => tree.insert(below, at),
            None => tree.files.push(at),
        }
    }
    let mut sample = Vec::new();
    tree.sample(target.sample_size.unwrap_or(usize::MAX), &mut sample);
    let level = options.table_level.map(|level| level.saturating_sub(depth(&root)));
    let crawl = Crawl {
        target,
        entries,
        files: classify_all(entries, &sample, reader, classifiers)?,
        options,
    };
    let found = crawl.resolve(&tree, level.unwrap_or(0), level.is_some());
    Ok(crawl.finish(&tree, found))
}

/// Schemas that a thread compares the next one with.
const RECENT: usize = 8;

/// Classifies the sampled entries on all cores, each thread with one sample in memory. The answer has a place for
/// every entry.
fn classify_all(
    entries: &[Entry],
    sample: &[usize],
    reader: &dyn Reader,
    classifiers: &[Classifier],
) -> io::Result<Vec<OnceLock<Classified>>> {
    let files: Vec<OnceLock<Classified>> = entries.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        // Files mostly look like those before them: what is equal is kept once.
        let mut recent: VecDeque<Arc<Schema>> = VecDeque::new();
        while let Some(at) = sample.get(next.fetch_add(1, Ordering::Relaxed)) {
            let entry = &entries[*at];
            let failed = |error: io::Error| (*at, io::Error::new(error.kind(), format!("{}: {error}", entry.key)));
            let mut file = classify(&*reader.object(entry), classifiers).map_err(failed)?;
            match recent.iter().find(|known| **known == file.schema) {
                Some(known) => file.schema = Arc::clone(known),
                None => {
                    recent.push_front(Arc::clone(&file.schema));
                    recent.truncate(RECENT);
                }
            }
            drop(files[*at].set(file));
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let failures = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(sample.len())).map(|_| scope.spawn(work)).collect();
        let mut failures = vec![work()];
        failures.extend(
            others
                .into_iter()
                .map(|thread| thread.join().expect("classifying never panics")),
        );
        failures.into_iter().filter_map(Result::err)
    });
    // A thread that failed has stopped, but the first of all is always among them.
    match failures.min_by_key(|(at, _)| *at) {
        Some((_, error)) => Err(error),
        None => Ok(files),
    }
}

/// The level of a folder: the bucket is 1, the folders in it 2.
fn depth(folder: &str) -> usize {
    1 + folder.split('/').filter(|part| !part.is_empty()).count()
}

#[derive(Default)]
struct Folder {
    /// The key prefix, with a slash at its end unless it is the bucket.
    path: String,
    /// Places in the list of entries.
    files: Vec<usize>,
    folders: BTreeMap<String, Folder>,
}

impl Folder {
    fn insert(&mut self, below: &str, entry: usize) {
        match below.split_once('/') {
            None => self.files.push(entry),
            Some((name, rest)) => {
                if !self.folders.contains_key(name) {
                    let folder = Folder {
                        path: format!("{}{name}/", self.path),
                        ..Folder::default()
                    };
                    self.folders.insert(name.to_owned(), folder);
                }
                self.folders.get_mut(name).expect("just inserted").insert(rest, entry);
            }
        }
    }

    /// Collects the first files of each folder.
    fn sample(&self, limit: usize, sample: &mut Vec<usize>) {
        sample.extend(self.files.iter().take(limit));
        for folder in self.folders.values() {
            folder.sample(limit, sample);
        }
    }
}

/// What a folder turned out to hold.
enum Found {
    Nothing,
    One(Group),
    Many(Vec<FoundTable>),
}

impl Found {
    fn group(&self) -> Option<&Group> {
        match self {
            Found::One(group) => Some(group),
            _ => None,
        }
    }
}

/// Files that make one table, perhaps with levels of folders below.
struct Group {
    schema: Arc<Schema>,
    compression: Compression,
    stats: Stats,
    leaves: Vec<Leaf>,
    depth: usize,
}

struct Leaf {
    /// The names of the folders from the group's folder down, the last one first.
    names: Vec<String>,
    location: String,
    schema: Arc<Schema>,
    compression: Compression,
    stats: Stats,
}

struct Crawl<'c> {
    target: &'c Target,
    entries: &'c [Entry],
    files: Vec<OnceLock<Classified>>,
    options: &'c Options,
}

impl Crawl<'_> {
    /// `level` counts down to the level of tables; above it nothing is merged, at it and below everything readable is.
    fn resolve(&self, folder: &Folder, level: usize, levelled: bool) -> Found {
        let mut children = Vec::new();
        for (name, child) in &folder.folders {
            match self.resolve(child, level.saturating_sub(1), levelled) {
                Found::Nothing => {}
                found => children.push((name, child, found)),
            }
        }
        let files = self.files_of(folder);
        let known = self.options.roots.contains(&folder.path);
        let above = level > 0 || self.has_roots_below(folder);
        let forced = (levelled && level == 0) || known;
        if !above || known {
            match self.merge(folder, &files, children, forced) {
                // What is a table already is not a partition of what lies above.
                Ok(group) if known => return Found::Many(vec![self.table(folder, group)]),
                Ok(group) => return Found::One(group),
                Err(apart) => children = apart,
            }
        }
        if files.is_empty() && children.is_empty() {
            return Found::Nothing;
        }
        let mut tables: Vec<FoundTable> = Vec::new();
        if children.is_empty() && above {
            // Above the level of tables, files of one folder still are one table.
            match self.merge(folder, &files, Vec::new(), forced) {
                Ok(group) => tables.push(self.table(folder, group)),
                Err(_) => tables.extend(files.into_iter().map(|(entry, file)| self.file_table(entry, file))),
            }
        } else {
            tables.extend(files.into_iter().map(|(entry, file)| self.file_table(entry, file)));
        }
        for (_, child, found) in children {
            tables.extend(self.finish(child, found));
        }
        Found::Many(tables)
    }

    fn has_roots_below(&self, folder: &Folder) -> bool {
        let from = self.options.roots.range(folder.path.clone()..);
        let mut inside = from.take_while(|root| root.starts_with(&folder.path));
        inside.any(|root| *root != folder.path)
    }

    fn finish(&self, folder: &Folder, found: Found) -> Vec<FoundTable> {
        match found {
            Found::Nothing => Vec::new(),
            Found::One(group) => vec![self.table(folder, group)],
            Found::Many(tables) => tables,
        }
    }

    /// The files of a folder. Those that were not read are taken to be like the first, with its mean record.
    fn files_of(&self, folder: &Folder) -> Vec<(&Entry, Classified)> {
        let mut first: Option<&Classified> = None;
        let file = |at: &usize| {
            let entry = &self.entries[*at];
            if let Some(read) = self.files[*at].get() {
                first.get_or_insert(read);
                return Some((entry, read.clone()));
            }
            let like = first?;
            let mean = like.plain_bytes.checked_div(like.records).unwrap_or(0).max(1);
            let file = Classified {
                records: entry.size / mean,
                plain_bytes: entry.size,
                ..like.clone()
            };
            Some((entry, file))
        };
        folder.files.iter().filter_map(file).collect()
    }

    /// Joins schemas if they are alike enough for one table. In which order they come does not matter: each must have
    /// most of the columns that all have together.
    fn joined<'s>(&self, schemas: impl Iterator<Item = &'s Arc<Schema>>, forced: bool) -> Option<Arc<Schema>> {
        let mut different: Vec<&Arc<Schema>> = Vec::new();
        for schema in schemas {
            if !different.iter().rev().any(|known| Arc::ptr_eq(known, schema)) {
                different.push(schema);
            }
        }
        let (first, others) = different.split_first()?;
        if !others.iter().all(|schema| first.readable_with(schema)) {
            return None;
        }
        let mut whole = Arc::clone(first);
        for schema in others {
            if **schema != whole {
                whole = Arc::new(Arc::unwrap_or_clone(whole).join(schema));
            }
        }
        let alike = forced || self.options.combine || different.iter().all(|schema| schema.similar(&whole));
        alike.then_some(whole)
    }

    /// Makes one group of a folder's files, or of its folders, if they are alike; else gives the folders back.
    fn merge<'f>(
        &self,
        folder: &Folder,
        files: &[(&Entry, Classified)],
        children: Vec<(&'f String, &'f Folder, Found)>,
        forced: bool,
    ) -> Result<Group, Vec<(&'f String, &'f Folder, Found)>> {
        if children.is_empty() {
            return self.merge_files(folder, files, forced).ok_or(children);
        }
        if !files.is_empty() || !children.iter().all(|(_, _, found)| matches!(found, Found::One(_))) {
            return Err(children);
        }
        let groups = || children.iter().filter_map(|(_, _, found)| found.group());
        let Some((depth, compression)) = groups().map(|group| (group.depth, group.compression)).next() else {
            return Err(children);
        };
        if !groups().all(|group| (group.depth, group.compression) == (depth, compression)) {
            return Err(children);
        }
        let Some(schema) = self.joined(groups().map(|group| &group.schema), forced) else {
            return Err(children);
        };
        let (mut stats, mut leaves) = (Stats::default(), Vec::new());
        for (name, _, found) in children {
            let Found::One(group) = found else { continue };
            stats.add(group.stats);
            for mut leaf in group.leaves {
                leaf.names.push(name.clone());
                leaves.push(leaf);
            }
        }
        Ok(Group {
            schema,
            compression,
            stats,
            leaves,
            depth: depth + 1,
        })
    }

    fn merge_files(&self, folder: &Folder, files: &[(&Entry, Classified)], forced: bool) -> Option<Group> {
        let compression = files.first()?.1.compression;
        if !files.iter().all(|(_, file)| file.compression == compression) {
            return None;
        }
        let schema = self.joined(files.iter().map(|(_, file)| &file.schema), forced)?;
        let mut stats = Stats::default();
        for (entry, file) in files {
            stats.add(Stats {
                objects: 1,
                size: entry.size,
                records: file.records,
                plain: file.plain_bytes,
            });
        }
        let leaf = Leaf {
            names: Vec::new(),
            location: self.location(&folder.path),
            schema: Arc::clone(&schema),
            compression,
            stats,
        };
        Some(Group {
            schema,
            compression,
            stats,
            leaves: vec![leaf],
            depth: 0,
        })
    }

    fn location(&self, path: &str) -> String {
        format!("s3://{}/{path}", self.target.bucket)
    }

    fn table(&self, folder: &Folder, group: Group) -> FoundTable {
        if let [at] = folder.files[..]
            && self.target.is_object(&self.entries[at])
        {
            let file = Classified {
                schema: group.schema,
                compression: group.compression,
                records: group.stats.records,
                plain_bytes: group.stats.plain,
            };
            return self.file_table(&self.entries[at], file);
        }
        let name = folder
            .path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty());
        // The key of each level, and none where the folders do not agree on one.
        let keys: Vec<Option<String>> = (0..group.depth)
            .rev()
            .map(|at| {
                let mut keys = group
                    .leaves
                    .iter()
                    .map(|leaf| leaf.names[at].split_once('=').map(|(key, _)| key));
                let first = keys.next().flatten().filter(|first| !first.is_empty())?;
                keys.all(|key| key == Some(first)).then(|| first.to_lowercase())
            })
            .collect();
        let partitions = group.leaves.into_iter().filter(|_| group.depth > 0).map(|leaf| {
            let levels = leaf.names.iter().rev().zip(&keys);
            let values = levels.map(|(name, key)| match name.split_once('=') {
                Some((_, value)) if key.is_some() => value.to_owned(),
                _ => name.clone(),
            });
            FoundPartition {
                values: values.collect(),
                location: leaf.location,
                schema: leaf.schema,
                compression: leaf.compression,
                stats: leaf.stats,
            }
        });
        let names = keys.iter().enumerate();
        let names = names.map(|(level, key)| key.clone().unwrap_or_else(|| format!("partition_{level}")));
        let names = names.collect();
        FoundTable {
            source_name: name.unwrap_or(&self.target.bucket).to_owned(),
            location: self.location(&folder.path),
            schema: group.schema,
            compression: group.compression,
            stats: group.stats,
            partitions: partitions.collect(),
            partition_keys: names,
        }
    }

    fn file_table(&self, entry: &Entry, classified: Classified) -> FoundTable {
        let name = entry.key.rsplit('/').next().unwrap_or(&entry.key);
        let Classified {
            schema,
            compression,
            records,
            plain_bytes,
        } = classified;
        FoundTable {
            source_name: name.to_owned(),
            location: self.location(&entry.key),
            schema,
            compression,
            stats: Stats {
                objects: 1,
                size: entry.size,
                records,
                plain: plain_bytes,
            },
            partition_keys: Vec::new(),
            partitions: Vec::new(),
        }
    }
}

/// Returns a table's name: prefix and source in lower case, everything but letters, digits and `_` as `_`.
pub fn table_name(prefix: &str, source: &str) -> String {
    let folded = source.to_lowercase();
    let clean = folded
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' });
    let mut name: String = prefix.to_lowercase().chars().chain(clean).collect();
    name.truncate(name.char_indices().nth(128).map_or(name.len(), |(at, _)| at));
    name
}
