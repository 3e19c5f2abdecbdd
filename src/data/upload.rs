//! Streams generated files into a bucket: bounded memory, no temporary file. What is there already, byte for byte by
//! its checksum, is not sent again, and an upload that was killed goes on with the parts that are missing.

use super::manifest::{Files, Keys, Manifest, entry, total_of};
use super::recipe::At;
use super::workers::{Made, Total, Workers, base64};
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use lakeform_aws::{Aws, UploadedPart};
use lakeform_datagen::{ObjectEntry, Sum};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Progress, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Files under way at once, and parts of each. The workers' room bounds the memory; this keeps many small files busy.
const FILES: usize = 32;
const PARTS: usize = 8;
/// A file made as one is cut into parts of this size; what is not larger goes in one request.
const PIECE: usize = 16 << 20;
/// How often a part is made and sent anew, beyond the repeats of a single request.
const TRIES: u32 = 4;

/// Where files go, and what is known of it from earlier runs.
pub struct Target<'a> {
    pub aws: &'a Aws,
    pub bucket: &'a str,
    pub prefix: &'a str,
    pub keys: &'a Keys,
    /// What manifests of the same bytes say, by key: need not be made again to know its checksum.
    pub known: BTreeMap<String, ObjectEntry>,
    /// Keys of which an unfinished upload is ours.
    pub ours: &'a BTreeSet<String>,
}

/// What an upload did.
pub struct Uploaded {
    pub files: Files,
    /// How many files were there already.
    pub there: usize,
}

/// Uploads every file and returns what is there now.
pub async fn upload(target: &Target<'_>, workers: &Workers, report: Report<'_>) -> Result<Uploaded, CloudError> {
    let batches = workers.batches();
    let files = batches.files();
    let (present, unfinished) = futures::try_join!(
        target.aws.list_objects(target.bucket, target.prefix),
        target.aws.unfinished_uploads(target.bucket, target.prefix)
    )?;
    let mut uploads: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for left in unfinished.into_iter().filter(|left| target.ours.contains(&left.key)) {
        uploads.entry(left.key).or_default().push(left.upload);
    }
    let job = Job {
        target,
        workers,
        present: present.into_iter().map(|object| (object.key, object.size)).collect(),
        uploads,
        used: Mutex::default(),
        report,
        rows: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        total: files.iter().map(|at| batches.rows(*at)).sum(),
    };
    let job = &job;
    let mut tables: Vec<(At, ObjectEntry, bool)> = stream::iter(files)
        .map(|at| job.file(at))
        .buffer_unordered(FILES)
        .try_collect()
        .await?;
    tables.sort_by_key(|(at, ..)| *at);
    let mut extras = Vec::new();
    for (key, text) in batches.extras() {
        let sum = Sum::of(text.as_bytes());
        let total = Total {
            sum,
            ..Total::default()
        };
        let extra = entry(format!("{}{key}", target.prefix), &total);
        if !job.is_there(&extra.key, sum).await? {
            let (bytes, crc) = (Bytes::from(text.clone()), base64(sum));
            target
                .aws
                .put_object(target.bucket, &extra.key, bytes, Some(&crc), false)
                .await?;
        }
        extras.push(extra);
    }
    // Uploads of an earlier recipe, or a second one of a file: nobody will ever finish them.
    for (key, upload) in job.left() {
        target.aws.abort_upload(target.bucket, key, upload).await?;
    }
    let there = tables.iter().filter(|(.., there)| *there).count();
    let tables = tables.into_iter().map(|(at, object, _)| (at, object)).collect();
    Ok(Uploaded {
        files: Files { tables, extras },
        there,
    })
}

/// Writes what `COPY … MANIFEST` reads, a file for each table.
pub async fn copy_manifests(target: &Target<'_>, manifest: &Manifest) -> Result<(), CloudError> {
    for table in &manifest.tables {
        let key = format!("{}{}.manifest", target.keys.copy(), table.name);
        let text = Manifest::copy_manifest(table, target.bucket);
        target
            .aws
            .put_object(target.bucket, &key, text.into(), None, false)
            .await?;
    }
    Ok(())
}

struct Job<'a> {
    target: &'a Target<'a>,
    workers: &'a Workers,
    present: BTreeMap<String, u64>,
    /// Unfinished uploads by key, and those of them that are gone on with.
    uploads: BTreeMap<String, Vec<String>>,
    used: Mutex<BTreeSet<String>>,
    report: Report<'a>,
    rows: AtomicU64,
    bytes: AtomicU64,
    total: u64,
}

/// How the parts of a file come about.
enum Source {
    /// One by one, each anew whenever it is needed.
    Parts(At, usize),
    /// Cut from a file that can only be made as one.
    Whole(Made),
}

impl Job<'_> {
    /// Makes sure that a file is there. Also returns whether it was there before.
    async fn file(&self, at: At) -> Result<(At, ObjectEntry, bool), CloudError> {
        let key = format!("{}{}", self.target.prefix, self.workers.batches().file(at).key);
        let (total, there) = match self.already(at, &key).await? {
            Some(total) => {
                self.tell(self.workers.batches().rows(at), total.sum.bytes);
                (total, true)
            }
            None => (self.send(at, &key).await?, false),
        };
        Ok((at, entry(key, &total), there))
    }

    /// What the file comes to, if exactly it is there. Making its checksum again is far cheaper than sending its bytes
    /// again.
    async fn already(&self, at: At, key: &str) -> Result<Option<Total>, CloudError> {
        if !self.present.contains_key(key) {
            return Ok(None);
        }
        let known = self.target.known.get(key).and_then(total_of);
        let total = match known {
            Some(total) => total,
            None => self.workers.total(at).await,
        };
        if !self.is_there(key, total.sum).await? {
            return Ok(None);
        }
        self.truth(at, &total.truth).await?;
        Ok(Some(total))
    }

    /// Whether exactly these bytes are there.
    async fn is_there(&self, key: &str, sum: Sum) -> Result<bool, CloudError> {
        if self.present.get(key) != Some(&sum.bytes) {
            return Ok(false);
        }
        let head = self.target.aws.head_object(self.target.bucket, key).await?;
        Ok(head.is_some_and(|head| head.crc64nvme.as_deref() == Some(&base64(sum))))
    }

    async fn send(&self, at: At, key: &str) -> Result<Total, CloudError> {
        let parts = self.workers.batches().file(at).parts.len();
        if parts > 1 {
            return self.in_parts(Source::Parts(at, parts), at, key).await;
        }
        let made = self.workers.part(at, 0).await;
        if made.bytes.len() > PIECE {
            return self.in_parts(Source::Whole(made), at, key).await;
        }
        let total = Total::default().then(&made);
        self.truth(at, &total.truth).await?;
        let crc = base64(total.sum);
        patiently(async || {
            let bytes = made.bytes.clone();
            self.target
                .aws
                .put_object(self.target.bucket, key, bytes, Some(&crc), false)
                .await
        })
        .await?;
        self.tell(self.workers.batches().rows(at), total.sum.bytes);
        Ok(total)
    }

    async fn in_parts(&self, source: Source, at: At, key: &str) -> Result<Total, CloudError> {
        let (aws, bucket) = (self.target.aws, self.target.bucket);
        let (upload, arrived) = self.begin(key).await?;
        let (source, upload, arrived) = (&source, upload.as_str(), &arrived);
        let sent: Vec<(UploadedPart, Total)> = stream::iter(0..source.parts())
            .map(|part| async move {
                let number = i32::try_from(part + 1).expect("a plan has at most 10,000 parts to a file");
                patiently(async || {
                    // Made anew for each try, so that nothing is kept while waiting for better times.
                    let (bytes, total) = self.piece(source, part).await;
                    let crc = base64(total.sum);
                    let same = |there: &&UploadedPart| {
                        there.size == total.sum.bytes && there.crc64nvme.as_deref() == Some(&crc)
                    };
                    let uploaded = match arrived.get(&number).filter(same) {
                        Some(there) => there.clone(),
                        None => aws.upload_part(bucket, key, upload, number, bytes, Some(&crc)).await?,
                    };
                    self.tell(total.rows, total.sum.bytes);
                    Ok((uploaded, total))
                })
                .await
            })
            .buffered(PARTS)
            .try_collect()
            .await?;
        let mut total = Total::default();
        let mut uploaded = Vec::with_capacity(sent.len());
        for (part, next) in sent {
            total.rows += next.rows;
            total.sum = total.sum.then(next.sum);
            total.truth.push_str(&next.truth);
            uploaded.push(part);
        }
        self.truth(at, &total.truth).await?;
        let crc = base64(total.sum);
        match aws.complete_upload(bucket, key, upload, &uploaded, Some(&crc)).await {
            Ok(_) => Ok(total),
            // The answer to an earlier try was lost, or another machine made the same file: then it is there.
            Err(error) if error.meaning == Meaning::NotFound => {
                let head = aws.head_object(bucket, key).await?;
                match head {
                    Some(head) if head.size == total.sum.bytes && head.crc64nvme.as_deref() == Some(&crc) => Ok(total),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Returns an upload for a file, with the parts that arrived before it was interrupted.
    async fn begin(&self, key: &str) -> Result<(String, BTreeMap<i32, UploadedPart>), CloudError> {
        let (aws, bucket) = (self.target.aws, self.target.bucket);
        if let Some(upload) = self.uploads.get(key).and_then(|uploads| uploads.first())
            && let Some(parts) = aws.uploaded_parts(bucket, key, upload).await?
        {
            self.used.lock().expect("nothing panics with it").insert(upload.clone());
            let parts = parts.into_iter().map(|part| (part.number, part)).collect();
            return Ok((upload.clone(), parts));
        }
        Ok((aws.begin_upload(bucket, key).await?, BTreeMap::new()))
    }

    async fn piece(&self, source: &Source, part: usize) -> (Bytes, Total) {
        match source {
            Source::Parts(at, _) => {
                let made = self.workers.part(*at, part).await;
                let total = Total::default().then(&made);
                (made.bytes, total)
            }
            Source::Whole(made) => {
                let start = part * PIECE;
                let bytes = made.bytes.slice(start..(start + PIECE).min(made.bytes.len()));
                let first = part == 0;
                let total = Total {
                    rows: if first { made.rows } else { 0 },
                    sum: Sum::of(&bytes),
                    truth: if first { made.truth.clone() } else { String::new() },
                };
                (bytes, total)
            }
        }
    }

    /// Writes what is wrong in a file on purpose; before the file itself, so that a file that is there has its truth.
    async fn truth(&self, at: At, truth: &str) -> Result<(), CloudError> {
        if truth.is_empty() {
            return Ok(());
        }
        let key = format!(
            "{}{}.jsonl",
            self.target.keys.truth(),
            self.workers.batches().file(at).key
        );
        let bytes = Bytes::copy_from_slice(truth.as_bytes());
        self.target
            .aws
            .put_object(self.target.bucket, &key, bytes, None, false)
            .await?;
        Ok(())
    }

    fn tell(&self, rows: u64, bytes: u64) {
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.report)(Progress::Rows {
            done: rows.min(self.total),
            total: self.total,
            bytes,
        });
    }

    /// Unfinished uploads that were not gone on with.
    fn left(&self) -> Vec<(&str, &str)> {
        let used = self.used.lock().expect("nothing panics with it");
        let all = self
            .uploads
            .iter()
            .flat_map(|(key, uploads)| uploads.iter().map(move |upload| (key, upload)));
        all.filter(|(_, upload)| !used.contains(*upload))
            .map(|(key, upload)| (key.as_str(), upload.as_str()))
            .collect()
    }
}

impl Source {
    fn parts(&self) -> usize {
        match self {
            Source::Parts(_, parts) => *parts,
            Source::Whole(made) => made.bytes.len().div_ceil(PIECE),
        }
    }
}

/// Tries again, later and later, what fails for the moment.
async fn patiently<T>(mut attempt: impl AsyncFnMut() -> Result<T, CloudError>) -> Result<T, CloudError> {
    let mut pause = Duration::from_millis(500);
    for _ in 1..TRIES {
        match attempt().await {
            Err(error) if matches!(error.meaning, Meaning::Throttled | Meaning::Unavailable | Meaning::Busy) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            ended => return ended,
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests;
