//! Objects in buckets: put, in one piece or many, list, look, delete, empty. Bodies are streamed; sums are
//! CRC-64/NVME over the whole object, so that what was written can be compared with what lies there. Data carry that
//! sum instead of a SHA-256 in the signature: it is proof enough against damage, TLS is against people, and hashing
//! would cost three times as much as all the rest of sending.

use crate::Aws;
use crate::error::{Doing, Pages, Result, found, incomplete};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier,
};
use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Progress, Report};
use std::sync::atomic::{AtomicU64, Ordering};

/// S3 deletes at most so many objects in one request.
const DELETE_BATCH: usize = 1000;
/// Delete requests under way at the same time.
const DELETES: usize = 8;

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub size: u64,
    pub etag: String,
}

/// An object as a look at it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    pub etag: String,
    /// CRC-64/NVME of the whole object in base64, when S3 knows it.
    pub crc64nvme: Option<String>,
}

/// An upload in parts that was begun and neither finished nor dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub key: String,
    pub upload: String,
}

/// An uploaded part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedPart {
    /// From 1.
    pub number: i32,
    pub etag: String,
    pub size: u64,
    pub crc64nvme: Option<String>,
}

/// How often an object is read before a body that breaks off is an error.
const READS: u32 = 5;

impl Aws {
    /// Writes an object in one request. `crc64nvme` is its sum in base64; S3 refuses bytes that do not have it.
    /// With `only_new`, an object that is already there is left alone and the meaning is `AlreadyExists`, or `Busy` while
    /// somebody else is writing it.
    pub async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        crc64nvme: Option<&str>,
        only_new: bool,
    ) -> Result<String> {
        let doing = format!("write s3://{bucket}/{key}");
        let request = self
            .s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .set_checksum_crc64_nvme(crc64nvme.map(str::to_owned))
            .set_if_none_match(only_new.then(|| "*".to_owned()))
            .body(ByteStream::from(body));
        let answer = request
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .doing(&doing)
            .map_err(|error| match error.code.as_deref() {
                Some("PreconditionFailed") => CloudError {
                    meaning: Meaning::AlreadyExists,
                    ..error
                },
                _ => error,
            })?;
        Ok(answer.e_tag.unwrap_or_default())
    }

    /// Returns the bytes and ETag of an object, or `None` when there is none.
    pub async fn get_object(&self, bucket: &str, key: &str) -> Result<Option<(Bytes, String)>> {
        let doing = format!("read s3://{bucket}/{key}");
        let mut tries = READS;
        loop {
            let Some(answer) = found(self.s3.get_object().bucket(bucket).key(key).send().await.doing(&doing))? else {
                return Ok(None);
            };
            // The SDK repeats requests, but not a body that breaks off.
            tries -= 1;
            match answer.body.collect().await {
                Ok(body) => return Ok(Some((body.into_bytes(), answer.e_tag.unwrap_or_default()))),
                Err(error) if tries == 0 => {
                    return Err(CloudError::new(Meaning::Unavailable, &doing, error.to_string()));
                }
                Err(_) => {}
            }
        }
    }

    /// Looks at an object without reading it, or returns `None` when there is none.
    pub async fn head_object(&self, bucket: &str, key: &str) -> Result<Option<Head>> {
        let request = self
            .s3
            .head_object()
            .bucket(bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled);
        let answer = found(request.send().await.doing(format!("look at s3://{bucket}/{key}")))?;
        Ok(answer.map(|answer| Head {
            size: unsigned(answer.content_length),
            etag: answer.e_tag.unwrap_or_default(),
            crc64nvme: answer.checksum_crc64_nvme,
        }))
    }

    /// Lists the objects whose keys start with `prefix`, in key order.
    pub async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>> {
        let doing = format!("list s3://{bucket}/{prefix}");
        let mut pages = self
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            listed.extend(
                page.doing(&doing)?
                    .contents
                    .unwrap_or_default()
                    .into_iter()
                    .map(|object| Listed {
                        key: object.key.unwrap_or_default(),
                        size: unsigned(object.size),
                        etag: object.e_tag.unwrap_or_default(),
                    }),
            );
        }
        Ok(listed)
    }

    /// Begins an upload in parts and returns its id.
    pub async fn begin_upload(&self, bucket: &str, key: &str) -> Result<String> {
        let doing = format!("begin the upload of s3://{bucket}/{key}");
        let request = self
            .s3
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject);
        request
            .send()
            .await
            .doing(&doing)?
            .upload_id
            .ok_or_else(|| incomplete(doing, "UploadId"))
    }

    /// Uploads one part; numbers go from 1, and all parts but the last have at least 5 MiB.
    pub async fn upload_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: i32,
        body: Bytes,
        crc64nvme: Option<&str>,
    ) -> Result<UploadedPart> {
        let size = body.len() as u64;
        let request = self
            .s3
            .upload_part()
            .bucket(bucket)
            .key(key)
            .upload_id(upload)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .set_checksum_crc64_nvme(crc64nvme.map(str::to_owned))
            .body(ByteStream::from(body));
        let answer = request
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .doing(format!("upload part {number} of s3://{bucket}/{key}"))?;
        Ok(UploadedPart {
            number,
            etag: answer.e_tag.unwrap_or_default(),
            size,
            crc64nvme: answer.checksum_crc64_nvme.or_else(|| crc64nvme.map(str::to_owned)),
        })
    }

    /// Lists the parts of an upload that have arrived, so that an interrupted one goes on. `None`: no such upload.
    pub async fn uploaded_parts(&self, bucket: &str, key: &str, upload: &str) -> Result<Option<Vec<UploadedPart>>> {
        let doing = format!("list the parts of s3://{bucket}/{key}");
        let pages = self
            .s3
            .list_parts()
            .bucket(bucket)
            .key(key)
            .upload_id(upload)
            .into_paginator()
            .items()
            .send();
        let parts = found(pages.all(doing).await)?;
        Ok(parts.map(|parts| {
            parts
                .into_iter()
                .map(|part| UploadedPart {
                    number: part.part_number.unwrap_or_default(),
                    etag: part.e_tag.unwrap_or_default(),
                    size: unsigned(part.size),
                    crc64nvme: part.checksum_crc64_nvme,
                })
                .collect()
        }))
    }

    /// Lists the uploads in parts that are under way or were left, by key, the oldest of a key first.
    pub async fn unfinished_uploads(&self, bucket: &str, prefix: &str) -> Result<Vec<Unfinished>> {
        let doing = format!("list the unfinished uploads in s3://{bucket}/{prefix}");
        let (mut key_marker, mut upload_marker) = (None, None);
        let mut unfinished = Vec::new();
        loop {
            let page = self
                .s3
                .list_multipart_uploads()
                .bucket(bucket)
                .prefix(prefix)
                .set_key_marker(key_marker)
                .set_upload_id_marker(upload_marker)
                .send()
                .await
                .doing(&doing)?;
            let uploads = page.uploads.unwrap_or_default().into_iter();
            unfinished.extend(uploads.filter_map(|upload| {
                Some(Unfinished {
                    key: upload.key?,
                    upload: upload.upload_id?,
                })
            }));
            if page.is_truncated != Some(true) {
                return Ok(unfinished);
            }
            (key_marker, upload_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    /// Puts the parts together. `crc64nvme` is the sum of the whole object in base64; S3 refuses another.
    pub async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        parts: &[UploadedPart],
        crc64nvme: Option<&str>,
    ) -> Result<String> {
        let parts = parts
            .iter()
            .map(|part| {
                CompletedPart::builder()
                    .part_number(part.number)
                    .e_tag(&part.etag)
                    .set_checksum_crc64_nvme(part.crc64nvme.clone())
                    .build()
            })
            .collect();
        let request = self
            .s3
            .complete_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(upload)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .checksum_type(ChecksumType::FullObject)
            .set_checksum_crc64_nvme(crc64nvme.map(str::to_owned));
        let answer = request
            .send()
            .await
            .doing(format!("finish the upload of s3://{bucket}/{key}"))?;
        Ok(answer.e_tag.unwrap_or_default())
    }

    /// Drops an upload and its parts; one that is gone is fine.
    pub async fn abort_upload(&self, bucket: &str, key: &str, upload: &str) -> Result<()> {
        let request = self
            .s3
            .abort_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(upload);
        found(
            request
                .send()
                .await
                .doing(format!("drop the upload of s3://{bucket}/{key}")),
        )?;
        Ok(())
    }

    /// Deletes the objects, many per request. On a versioned bucket this puts delete markers.
    pub async fn delete_objects(&self, bucket: &str, keys: Vec<String>) -> Result<()> {
        delete_all(self, bucket, keys.into_iter().map(|key| (key, None)).collect(), &|_| {}).await
    }
}

fn unsigned(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

type Version = (String, Option<String>);

/// Deletes batches side by side and tells how many went after each.
async fn delete_all(aws: &Aws, bucket: &str, versions: Vec<Version>, went: &(dyn Fn(u64) + Send + Sync)) -> Result<()> {
    let batches: Vec<Vec<Version>> = versions.chunks(DELETE_BATCH).map(<[Version]>::to_vec).collect();
    futures::stream::iter(batches.into_iter().map(Ok))
        .try_for_each_concurrent(DELETES, |batch| async move {
            let size = batch.len() as u64;
            delete_batch(aws, bucket, batch).await?;
            went(size);
            Ok(())
        })
        .await
}

async fn delete_batch(aws: &Aws, bucket: &str, versions: Vec<Version>) -> Result<()> {
    let doing = format!("delete objects in {bucket}");
    let objects: std::result::Result<Vec<_>, _> = versions
        .into_iter()
        .map(|(key, version)| ObjectIdentifier::builder().key(key).set_version_id(version).build())
        .collect();
    let delete = Delete::builder()
        .set_objects(Some(objects.doing(&doing)?))
        .quiet(true)
        .build()
        .doing(&doing)?;
    let answer = aws
        .s3
        .delete_objects()
        .bucket(bucket)
        .delete(delete)
        .send()
        .await
        .doing(&doing)?;
    // Refusals come one by one inside an answer that says 200, for instance for a locked object.
    match answer.errors().first() {
        None => Ok(()),
        Some(refusal) => {
            let key = refusal.key.as_deref().unwrap_or_default();
            let message = refusal.message.as_deref().unwrap_or("refused");
            let mut error = CloudError::new(Meaning::Denied, doing, format!("{key}: {message}"));
            error.code = refusal.code.clone();
            Err(error)
        }
    }
}

/// What may be deleted.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    Everything,
    /// Only empty objects under these keys: the folder markers that we made.
    EmptyMarkers(&'a [String]),
}

/// Deletes every version and delete marker in scope, and drops unfinished uploads.
pub(crate) async fn empty(aws: &Aws, bucket: &str, scope: Scope<'_>, report: Report<'_>) -> Result<()> {
    let doing = format!("empty {bucket}");
    let done = AtomicU64::new(0);
    let mut total = 0;
    let mut pages = aws
        .s3
        .list_object_versions()
        .bucket(bucket)
        .send()
        .await
        .doing(&doing)?;
    loop {
        let page = std::mem::take(&mut pages.versions).unwrap_or_default();
        let markers = std::mem::take(&mut pages.delete_markers).unwrap_or_default();
        let sized = page
            .into_iter()
            .map(|version| (version.key, version.version_id, unsigned(version.size)));
        let versions: Vec<Version> = sized
            .chain(markers.into_iter().map(|marker| (marker.key, marker.version_id, 0)))
            .filter_map(|(key, version, size)| Some((key?, version, size)))
            .filter(|(key, _, size)| match scope {
                Scope::Everything => true,
                Scope::EmptyMarkers(keys) => *size == 0 && keys.contains(key),
            })
            // `null` is what S3 calls the only version of an object in a bucket that never had versions.
            .map(|(key, version, _)| (key, version.filter(|version| !version.is_empty())))
            .collect();
        total += versions.len() as u64;
        delete_all(aws, bucket, versions, &|count| {
            let done = done.fetch_add(count, Ordering::Relaxed) + count;
            report(Progress::Amount {
                done,
                total,
                unit: "objects",
            });
        })
        .await?;
        // Without everything in scope, one page is enough to find the few markers we made; the bucket's own refusal
        // tells of the rest.
        if pages.is_truncated != Some(true) || matches!(scope, Scope::EmptyMarkers(_)) {
            break;
        }
        pages = aws
            .s3
            .list_object_versions()
            .bucket(bucket)
            .set_key_marker(pages.next_key_marker)
            .set_version_id_marker(pages.next_version_id_marker)
            .send()
            .await
            .doing(&doing)?;
    }
    if matches!(scope, Scope::Everything) {
        futures::stream::iter(aws.unfinished_uploads(bucket, "").await?)
            .map(|left| async move { aws.abort_upload(bucket, &left.key, &left.upload).await })
            .buffer_unordered(DELETES)
            .try_collect::<Vec<()>>()
            .await?;
    }
    Ok(())
}
