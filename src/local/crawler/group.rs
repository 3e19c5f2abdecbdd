//! Groups classified objects into tables and partitions, folder by folder from the leaves up: folders whose files
//! are alike become the partitions of one table, folders that differ become tables of their own.

use std::collections::BTreeMap;
use std::io;

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
    pub schema: Schema,
    pub compression: Compression,
    pub stats: Stats,
    pub partition_keys: Vec<String>,
    pub partitions: Vec<FoundPartition>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FoundPartition {
    pub values: Vec<String>,
    pub location: String,
    pub schema: Schema,
    pub compression: Compression,
    pub stats: Stats,
}

/// Reads objects by key.
pub trait Reader {
    fn object<'o>(&'o self, entry: &Entry) -> Box<dyn Bytes + 'o>;
}

/// The first files of a folder are sampled deeply, the others only enough to see their columns.
const DEEP_FILES: usize = 3;
const DEEP: usize = 1 << 20;
const SHALLOW: usize = 16 << 10;

/// Returns the tables of a target.
pub fn tables(
    target: &Target,
    entries: &[Entry],
    reader: &dyn Reader,
    classifiers: &[Classifier],
    options: &Options,
) -> io::Result<Vec<FoundTable>> {
    let folder = target.prefix.trim_end_matches('/');
    let root = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let mut tree = Folder {
        path: root.clone(),
        ..Folder::default()
    };
    for entry in entries {
        if entry.key == target.prefix && !entry.key.ends_with('/') {
            tree.files.push(entry.clone());
            continue;
        }
        let Some(below) = entry.key.strip_prefix(&root) else {
            continue;
        };
        let name = below.rsplit('/').next().unwrap_or(below);
        let hidden = name.is_empty() || name.starts_with(['_', '.']) || name.ends_with("_$folder$");
        if hidden || entry.size == 0 || target.exclusions.iter().any(|pattern| pattern.is_match(below)) {
            continue;
        }
        tree.insert(below, entry);
    }
    let level = options.table_level.map(|level| level.saturating_sub(depth(folder)));
    let crawl = Crawl {
        target,
        reader,
        classifiers,
        options,
    };
    let found = crawl.resolve(&tree, level.unwrap_or(0), level.is_some())?;
    Ok(crawl.finish(&tree, found))
}

/// The level of a folder: the bucket is 1, the folders in it 2.
fn depth(folder: &str) -> usize {
    1 + folder.split('/').filter(|part| !part.is_empty()).count()
}

#[derive(Default)]
struct Folder {
    /// The key prefix, with a slash at its end unless it is the bucket.
    path: String,
    files: Vec<Entry>,
    folders: BTreeMap<String, Folder>,
}

impl Folder {
    fn insert(&mut self, below: &str, entry: &Entry) {
        match below.split_once('/') {
            None => self.files.push(entry.clone()),
            Some((name, rest)) => {
                let path = format!("{}{name}/", self.path);
                let child = self.folders.entry(name.to_owned());
                child
                    .or_insert_with(|| Folder {
                        path,
                        ..Folder::default()
                    })
                    .insert(rest, entry);
            }
        }
    }
}

/// What a folder turned out to hold.
enum Found {
    Nothing,
    One(Group),
    Many(Vec<FoundTable>),
}

/// Files that make one table, perhaps with levels of folders below.
struct Group {
    schema: Schema,
    compression: Compression,
    stats: Stats,
    leaves: Vec<Leaf>,
    depth: usize,
}

struct Leaf {
    /// The names of the folders from the group's folder down, the last one first.
    names: Vec<String>,
    location: String,
    schema: Schema,
    compression: Compression,
    stats: Stats,
}

struct Crawl<'c> {
    target: &'c Target,
    reader: &'c dyn Reader,
    classifiers: &'c [Classifier],
    options: &'c Options,
}

impl Crawl<'_> {
    /// `level` counts down to the level of tables; above it nothing is merged, at it and below everything readable is.
    fn resolve(&self, folder: &Folder, level: usize, levelled: bool) -> io::Result<Found> {
        let below = level.saturating_sub(1);
        let mut children = Vec::new();
        for (name, child) in &folder.folders {
            match self.resolve(child, below, levelled)? {
                Found::Nothing => {}
                found => children.push((name, child, found)),
            }
        }
        let files = self.files(folder)?;
        let forced = levelled && level == 0;
        if level == 0
            && let Some(group) = self.merge(folder, &files, &children, forced)
        {
            return Ok(Found::One(group));
        }
        if files.is_empty() && children.is_empty() {
            return Ok(Found::Nothing);
        }
        let mut tables: Vec<FoundTable> = Vec::new();
        let alike = files.windows(2).all(|pair| self.alike(&pair[0].1, &pair[1].1, forced));
        if children.is_empty() && alike {
            // Above the level of tables, files of one folder still are one table.
            let group = self.merge(folder, &files, &children, forced);
            tables.extend(group.map(|group| self.table(folder, group)));
        } else {
            tables.extend(
                files
                    .into_iter()
                    .map(|(entry, classified)| self.file_table(&entry, classified)),
            );
        }
        for (_, child, found) in children {
            tables.extend(self.finish(child, found));
        }
        Ok(Found::Many(tables))
    }

    fn finish(&self, folder: &Folder, found: Found) -> Vec<FoundTable> {
        match found {
            Found::Nothing => Vec::new(),
            Found::One(group) => vec![self.table(folder, group)],
            Found::Many(tables) => tables,
        }
    }

    fn files(&self, folder: &Folder) -> io::Result<Vec<(Entry, Classified)>> {
        let limit = self.target.sample_size.unwrap_or(usize::MAX);
        let mut classified = Vec::new();
        for (at, entry) in folder.files.iter().enumerate() {
            if at >= limit {
                // Unread files count, with the mean record of those that were read.
                if let Some((_, first)) = classified.first() {
                    let copy: Classified = Classified::clone(first);
                    let plain = entry.size;
                    let mean = copy.plain_bytes.checked_div(copy.records).unwrap_or(0).max(1);
                    classified.push((
                        entry.clone(),
                        Classified {
                            records: plain / mean,
                            plain_bytes: plain,
                            ..copy
                        },
                    ));
                }
                continue;
            }
            let budget = if at < DEEP_FILES { DEEP } else { SHALLOW };
            let object = self.reader.object(entry);
            classified.push((entry.clone(), classify(&*object, self.classifiers, budget)?));
        }
        Ok(classified)
    }

    fn alike(&self, a: &Classified, b: &Classified, forced: bool) -> bool {
        a.compression == b.compression && self.alike_schemas(&a.schema, &b.schema, forced)
    }

    fn alike_schemas(&self, a: &Schema, b: &Schema, forced: bool) -> bool {
        if forced || self.options.combine {
            a.readable_with(b)
        } else {
            a.similar(b)
        }
    }

    /// Makes one group of a folder's files, or of its folders, if they are alike.
    fn merge(
        &self,
        folder: &Folder,
        files: &[(Entry, Classified)],
        children: &[(&String, &Folder, Found)],
        forced: bool,
    ) -> Option<Group> {
        if children.is_empty() {
            let (_, first) = files.first()?;
            let alike = files.iter().all(|(_, file)| self.alike(first, file, forced));
            if !alike {
                return None;
            }
            let mut stats = Stats::default();
            let mut schema: Option<Schema> = None;
            for (entry, file) in files {
                stats.add(Stats {
                    objects: 1,
                    size: entry.size,
                    records: file.records,
                    plain: file.plain_bytes,
                });
                schema = Some(match schema.take() {
                    None => file.schema.clone(),
                    Some(joined) => joined.join(file.schema.clone()),
                });
            }
            let schema = schema?;
            let leaf = Leaf {
                names: Vec::new(),
                location: self.location(&folder.path),
                schema: schema.clone(),
                compression: first.compression,
                stats,
            };
            return Some(Group {
                schema,
                compression: first.compression,
                stats,
                leaves: vec![leaf],
                depth: 0,
            });
        }
        if !files.is_empty() {
            return None;
        }
        let groups: Option<Vec<(&String, &Group)>> = children
            .iter()
            .map(|(name, _, found)| match found {
                Found::One(group) => Some((*name, group)),
                _ => None,
            })
            .collect();
        let groups = groups?;
        let (_, first) = groups.first()?;
        let alike = groups.iter().all(|(_, group)| {
            group.depth == first.depth
                && group.compression == first.compression
                && self.alike_schemas(&first.schema, &group.schema, forced)
        });
        if !alike {
            return None;
        }
        let mut schema = first.schema.clone();
        let (mut stats, mut leaves) = (Stats::default(), Vec::new());
        for (at, (name, group)) in groups.iter().enumerate() {
            if at > 0 {
                schema = schema.join(group.schema.clone());
            }
            stats.add(group.stats);
            for leaf in &group.leaves {
                let mut names = leaf.names.clone();
                names.push((*name).clone());
                leaves.push(Leaf {
                    names,
                    location: leaf.location.clone(),
                    schema: leaf.schema.clone(),
                    compression: leaf.compression,
                    stats: leaf.stats,
                });
            }
        }
        Some(Group {
            schema,
            compression: first.compression,
            stats,
            leaves,
            depth: first.depth + 1,
        })
    }

    fn location(&self, path: &str) -> String {
        format!("s3://{}/{path}", self.target.bucket)
    }

    fn table(&self, folder: &Folder, group: Group) -> FoundTable {
        let mut files = folder.files.iter();
        let single = files
            .next()
            .filter(|file| files.next().is_none() && file.key == self.target.prefix);
        if let Some(file) = single {
            let leaf = Classified {
                schema: group.schema,
                compression: group.compression,
                records: group.stats.records,
                plain_bytes: group.stats.plain,
            };
            return self.file_table(file, leaf);
        }
        let name = folder
            .path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty());
        let keys: Vec<String> = (0..group.depth)
            .map(|level| {
                let at = group.depth - 1 - level;
                let mut keys = group
                    .leaves
                    .iter()
                    .map(|leaf| leaf.names[at].split_once('=').map(|(key, _)| key));
                let first = keys.next().flatten();
                match first.filter(|first| !first.is_empty() && keys.all(|key| key == Some(first))) {
                    Some(key) => key.to_lowercase(),
                    None => format!("partition_{level}"),
                }
            })
            .collect();
        let named: Vec<bool> = keys.iter().map(|key| !key.starts_with("partition_")).collect();
        let partitions = group.leaves.into_iter().filter(|_| group.depth > 0).map(|leaf| {
            let values = leaf
                .names
                .iter()
                .rev()
                .zip(&named)
                .map(|(name, named)| match name.split_once('=') {
                    Some((_, value)) if *named => value.to_owned(),
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
        FoundTable {
            source_name: name.unwrap_or(&self.target.bucket).to_owned(),
            location: self.location(&folder.path),
            schema: group.schema,
            compression: group.compression,
            stats: group.stats,
            partitions: partitions.collect(),
            partition_keys: keys,
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
