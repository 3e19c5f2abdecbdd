//! Streams generated parts into a bucket: bounded memory, no temporary file. What is there already, byte for byte by
//! its checksum, is not sent again, so a killed upload goes on where it was.

use super::dataset::Table;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use lakeform_aws::{Aws, UploadedPart};
use lakeform_datagen::{self as datagen, ObjectEntry};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Progress, Report};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files under way at once, and parts of each; a part is at most about 16 MiB, so this bounds the memory.
const FILES: usize = 6;
const PARTS: usize = 4;

/// Returns the options of a plan for what a stack or the command line says.
pub fn options(rows: u64, seed: u64, format: &str, compression: &str) -> Result<datagen::Options, String> {
    Ok(datagen::Options {
        rows,
        seed,
        format: match format {
            "as-defined" => None,
            "csv" => Some(datagen::Format::Csv(datagen::Csv::default())),
            "json" => Some(datagen::Format::JsonLines),
            "parquet" => Some(datagen::Format::Parquet),
            other => return Err(format!("`{other}` is not a format")),
        },
        compression: match compression {
            "none" => datagen::Compression::None,
            "gzip" => datagen::Compression::Gzip,
            "zstd" => datagen::Compression::Zstd,
            other => return Err(format!("`{other}` is not a compression")),
        },
        ..datagen::Options::default()
    })
}

/// A checksum as S3 writes it.
pub fn base64_sum(sum: u64) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(sum.to_be_bytes())
}

/// Uploads every file of a plan under `prefix` and returns what is there now.
pub async fn upload(
    aws: &Aws,
    plan: Arc<datagen::Plan>,
    bucket: &str,
    prefix: &str,
    report: Report<'_>,
) -> Result<Vec<Table>, CloudError> {
    let present: BTreeMap<String, u64> = aws
        .list_objects(bucket, prefix)
        .await?
        .into_iter()
        .map(|object| (object.key, object.size))
        .collect();
    let total: u64 = (0..plan.tables.len()).map(|table| plan.rows_to_write(table)).sum();
    let job = Job {
        aws,
        plan: plan.clone(),
        bucket,
        prefix,
        present,
        report,
        done: AtomicU64::new(0),
        total,
    };
    let files: Vec<(usize, usize)> = plan
        .tables
        .iter()
        .enumerate()
        .flat_map(|(table, planned)| (0..planned.files.len()).map(move |file| (table, file)))
        .collect();
    let job = &job;
    let objects: Vec<(usize, usize, ObjectEntry)> = stream::iter(files)
        .map(|(table, file)| async move { Ok::<_, CloudError>((table, file, job.file(table, file).await?)) })
        .buffer_unordered(FILES)
        .try_collect()
        .await?;
    for (key, text) in &plan.extras {
        let key = format!("{prefix}{key}");
        let sum = base64_sum(datagen::crc64nvme(text.as_bytes()));
        aws.put_object(bucket, &key, Bytes::from(text.clone()), Some(&sum), false)
            .await?;
    }
    let mut by_table: BTreeMap<usize, BTreeMap<usize, ObjectEntry>> = BTreeMap::new();
    for (table, file, object) in objects {
        by_table.entry(table).or_default().insert(file, object);
    }
    Ok(plan
        .tables
        .iter()
        .enumerate()
        .map(|(index, table)| Table {
            name: table.name.clone(),
            folder: table.folder.clone(),
            rows: plan.rows_to_write(index),
            columns: table
                .columns
                .iter()
                .map(|column| (column.name.clone(), column.glue_type.clone()))
                .collect(),
            objects: by_table.remove(&index).unwrap_or_default().into_values().collect(),
        })
        .collect())
}

struct Job<'a> {
    aws: &'a Aws,
    plan: Arc<datagen::Plan>,
    bucket: &'a str,
    prefix: &'a str,
    present: BTreeMap<String, u64>,
    report: Report<'a>,
    done: AtomicU64,
    total: u64,
}

impl Job<'_> {
    async fn file(&self, table: usize, file: usize) -> Result<ObjectEntry, CloudError> {
        let planned = &self.plan.tables[table].files[file];
        let key = format!("{}{}", self.prefix, planned.key);
        let rows = planned.rows.end - planned.rows.start;
        let object = match planned.parts.len() {
            0 | 1 => self.whole(table, file, &key).await?,
            parts => self.in_parts(table, file, parts, &key).await?,
        };
        let done = self.done.fetch_add(rows, Ordering::Relaxed) + rows;
        (self.report)(Progress::Amount {
            done,
            total: self.total,
            unit: "rows",
        });
        Ok(ObjectEntry {
            key,
            rows,
            bytes: object.bytes,
            crc64nvme: format!("{:016x}", object.sum),
        })
    }

    /// Makes one part on a thread of its own kind: generating must not hold up the network.
    async fn generate(&self, table: usize, file: usize, part: usize) -> Result<(Bytes, u64), CloudError> {
        let plan = self.plan.clone();
        let made = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            plan.write_part(table, file, part, &mut out);
            let sum = datagen::crc64nvme(&out);
            (Bytes::from(out), sum)
        });
        made.await
            .map_err(|error| CloudError::new(Meaning::Cancelled, "generate a part", error.to_string()))
    }

    /// Whether exactly these bytes are there.
    async fn is_there(&self, key: &str, object: &Sum) -> Result<bool, CloudError> {
        if self.present.get(key) != Some(&object.bytes) {
            return Ok(false);
        }
        let head = self.aws.head_object(self.bucket, key).await?;
        Ok(head.is_some_and(|head| head.crc64nvme.as_deref() == Some(&base64_sum(object.sum))))
    }

    async fn whole(&self, table: usize, file: usize, key: &str) -> Result<Sum, CloudError> {
        let (bytes, sum) = self.generate(table, file, 0).await?;
        let object = Sum {
            bytes: bytes.len() as u64,
            sum,
        };
        if !self.is_there(key, &object).await? {
            self.aws
                .put_object(self.bucket, key, bytes, Some(&base64_sum(sum)), false)
                .await?;
        }
        Ok(object)
    }

    async fn in_parts(&self, table: usize, file: usize, parts: usize, key: &str) -> Result<Sum, CloudError> {
        if self.present.contains_key(key) {
            // Making the checksum again is far cheaper than sending the bytes again.
            let object = self.sum(table, file, parts).await?;
            if self.is_there(key, &object).await? {
                return Ok(object);
            }
        }
        let upload = self.aws.begin_upload(self.bucket, key).await?;
        let upload = upload.as_str();
        let sent: Result<Vec<(UploadedPart, u64)>, CloudError> = stream::iter(0..parts)
            .map(|part| async move {
                let (bytes, sum) = self.generate(table, file, part).await?;
                let number = i32::try_from(part + 1).expect("a plan has at most 10,000 parts to a file");
                let sent = self
                    .aws
                    .upload_part(self.bucket, key, upload, number, bytes, Some(&base64_sum(sum)))
                    .await?;
                Ok((sent, sum))
            })
            .buffered(PARTS)
            .try_collect()
            .await;
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => {
                // The first error is the one to tell; a left-over upload is dropped by the next run's lifecycle.
                drop(self.aws.abort_upload(self.bucket, key, upload).await);
                return Err(error);
            }
        };
        let object = sent
            .iter()
            .fold(Sum::default(), |all, (part, sum)| all.then(*sum, part.size));
        let uploaded: Vec<UploadedPart> = sent.into_iter().map(|(part, _)| part).collect();
        self.aws
            .complete_upload(self.bucket, key, upload, &uploaded, Some(&base64_sum(object.sum)))
            .await?;
        Ok(object)
    }

    async fn sum(&self, table: usize, file: usize, parts: usize) -> Result<Sum, CloudError> {
        let sums: Vec<(u64, u64)> = stream::iter(0..parts)
            .map(|part| async move {
                let (bytes, sum) = self.generate(table, file, part).await?;
                Ok::<_, CloudError>((sum, bytes.len() as u64))
            })
            .buffered(PARTS)
            .try_collect()
            .await?;
        Ok(sums
            .into_iter()
            .fold(Sum::default(), |all, (sum, bytes)| all.then(sum, bytes)))
    }
}

/// Length and checksum of bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    bytes: u64,
    sum: u64,
}

impl Sum {
    /// The sum of these bytes and others behind them.
    fn then(self, sum: u64, bytes: u64) -> Self {
        match self.bytes {
            0 => Sum { bytes, sum },
            _ => Sum {
                bytes: self.bytes + bytes,
                sum: datagen::crc64nvme_combine(self.sum, sum, bytes),
            },
        }
    }
}
