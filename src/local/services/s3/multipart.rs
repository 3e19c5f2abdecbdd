//! Uploads in parts. A completed object keeps its parts' files as they are: completing costs no copying, and the
//! checksum of the whole is computed from those of the parts.

use s3s::S3Request;
use s3s::dto::*;

use super::buckets::owner;
use super::checksum::{combine, multipart_etag};
use super::model::{
    self, Algorithm, EVERYWHERE, Object, ObjectPart, PARTS, Sum, UPLOADS, Upload, fault, object_id, part_id,
};
use super::receive::{Claims, Received, receive};
use super::versions::{Conditions, install};
use super::write::{checksum_type, copy_source, head_of, header_tags, show_sum};
use super::{Backend, Who, open_bucket, timestamp};
use crate::services::{Call, Fault};

type Answer<T> = Result<T, Fault>;

/// Every part but the last must be at least this long.
const SMALLEST_PART: u64 = 5 << 20;

pub async fn create_multipart_upload(
    backend: &Backend,
    request: S3Request<CreateMultipartUploadInput>,
) -> Answer<CreateMultipartUploadOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let mut head = head_of!(input);
    head.content_type
        .get_or_insert_with(|| "application/octet-stream".to_owned());
    let algorithm = input.checksum_algorithm.as_ref().map(|name| {
        let unknown = "Checksum algorithm provided is unsupported. Please try again with any of the valid types";
        Algorithm::parse(name.as_str()).ok_or_else(|| fault(400, "InvalidRequest", unknown))
    });
    let algorithm = algorithm.transpose()?;
    let full = matches!(algorithm, None | Some(Algorithm::Crc64Nvme));
    let composite = match input.checksum_type.as_ref().map(ChecksumType::as_str) {
        Some("FULL_OBJECT") => false,
        Some("COMPOSITE") => true,
        _ => !full,
    };
    let hash = matches!(algorithm, Some(Algorithm::Sha1 | Algorithm::Sha256));
    if (composite && full) || (!composite && hash) {
        let name = algorithm.unwrap_or(Algorithm::Crc64Nvme).name().to_ascii_lowercase();
        let kind = if composite { "COMPOSITE" } else { "FULL_OBJECT" };
        let message = format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.");
        return Err(fault(400, "InvalidRequest", &message));
    }
    let upload = Upload {
        id: format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()),
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        account: who.account.clone(),
        initiated: 0.0,
        head,
        tags: header_tags(input.tagging.as_deref())?,
        algorithm,
        composite,
    };
    let id = upload.id.clone();
    let head = backend
        .write(&who, move |cx| {
            let bucket = open_bucket(cx, &upload.bucket)?;
            let mut upload = Upload {
                initiated: cx.now,
                ..upload
            };
            super::write::encrypt(&mut upload.head, &bucket);
            cx.tx.put(
                UPLOADS,
                EVERYWHERE,
                &model::upload_id(&upload.bucket, &upload.key, &upload.id),
                &upload,
            )?;
            Ok(upload.head)
        })
        .await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: algorithm.map(|_| {
            ChecksumType::from_static(if composite {
                ChecksumType::COMPOSITE
            } else {
                ChecksumType::FULL_OBJECT
            })
        }),
        server_side_encryption: head.encryption.map(ServerSideEncryption::from),
        ssekms_key_id: head.kms_key,
        bucket_key_enabled: head.bucket_key,
        ..Default::default()
    })
}

fn find(cx: &Call, bucket: &str, key: &str, id: &str) -> Answer<Upload> {
    open_bucket(cx, bucket)?;
    let found = cx.tx.get(UPLOADS, EVERYWHERE, &model::upload_id(bucket, key, id))?;
    found.ok_or_else(|| {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                       aborted or completed.";
        fault(404, "NoSuchUpload", message).with("UploadId", id)
    })
}

fn parts_of(cx: &Call, id: &str) -> Answer<Vec<(String, model::Part)>> {
    Ok(cx.tx.list(PARTS, EVERYWHERE, &format!("{id}/"))?)
}

/// Where a part belongs.
struct Place {
    bucket: String,
    key: String,
    upload: String,
    number: i32,
}

impl Backend {
    async fn store_part(&self, who: &Who, place: Place, received: Received) -> Answer<model::Part> {
        let kept = received.data.clone();
        let done = self
            .write(who, move |cx| {
                find(cx, &place.bucket, &place.key, &place.upload)?;
                let id = part_id(&place.upload, place.number);
                let old: Option<model::Part> = cx.tx.get(PARTS, EVERYWHERE, &id)?;
                let data = received.data.into_iter().next();
                // An empty part has no bytes to name.
                let data = data.unwrap_or_default();
                let part = model::Part {
                    number: place.number,
                    size: received.size,
                    etag: received.etag,
                    modified: cx.now,
                    data,
                    checksum: Some(received.sum),
                };
                cx.tx.put(PARTS, EVERYWHERE, &id, &part)?;
                Ok((part, old.map(|old| old.data).into_iter().collect::<Vec<_>>()))
            })
            .await;
        match done {
            Ok((part, freed)) => {
                self.discard(freed).await;
                Ok(part)
            }
            Err(fault) => {
                self.discard(kept).await;
                Err(fault)
            }
        }
    }
}

fn check_number(number: i32) -> Answer<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(fault(
        400,
        "InvalidArgument",
        "Part number must be an integer between 1 and 10000, inclusive",
    ))
}

pub async fn upload_part(backend: &Backend, mut request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
    let who = backend.who(&request);
    let body = request.input.body.take();
    let input = &request.input;
    check_number(input.part_number)?;
    let upload = backend.read(&who, |cx| find(cx, &input.bucket, &input.key, &input.upload_id))?;
    let claims = Claims::of(&request, upload.algorithm)?;
    let received = receive(&backend.objects, body, &claims, &who.trailers).await?;
    if let Some(algorithm) = upload.algorithm
        && algorithm != received.sum.algorithm
    {
        backend.discard(received.data).await;
        let message = format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            algorithm.name().to_ascii_lowercase(),
            received.sum.algorithm.name().to_ascii_lowercase(),
        );
        return Err(fault(400, "InvalidRequest", &message));
    }
    let input = request.input;
    let place = Place {
        bucket: input.bucket,
        key: input.key,
        upload: input.upload_id,
        number: input.part_number,
    };
    let part = backend.store_part(&who, place, received).await?;
    let mut output = UploadPartOutput {
        e_tag: Some(ETag::Strong(part.etag)),
        server_side_encryption: upload.head.encryption.map(ServerSideEncryption::from),
        ..Default::default()
    };
    if let Some(sum) = part.checksum {
        show_sum!(output, sum.algorithm, sum.value);
    }
    Ok(output)
}

pub async fn upload_part_copy(
    backend: &Backend,
    request: S3Request<UploadPartCopyInput>,
) -> Answer<UploadPartCopyOutput> {
    let who = backend.who(&request);
    let input = request.input;
    check_number(input.part_number)?;
    let upload = backend.read(&who, |cx| find(cx, &input.bucket, &input.key, &input.upload_id))?;
    let (source, versioned) = copy_source(backend, &who, &input.copy_source)?;
    let conditions = super::read::Conditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    if conditions.check(&source).is_err() {
        let message = "At least one of the pre-conditions you specified did not hold";
        return Err(fault(412, "PreconditionFailed", message));
    }
    let invalid = || {
        fault(
            400,
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last",
        )
    };
    let range = match &input.copy_source_range {
        None => 0..source.size,
        Some(text) => {
            let range = Range::parse(text).map_err(|_| invalid())?;
            let Range::Int { last: Some(last), .. } = range else {
                return Err(invalid());
            };
            if last >= source.size {
                let message = format!(
                    "Range specified is not valid for source object of size: {}",
                    source.size
                );
                return Err(fault(400, "InvalidArgument", &message));
            }
            range.check(source.size).map_err(|_| invalid())?
        }
    };
    let objects = backend.objects.clone();
    let algorithm = upload.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let segments = source.data.clone();
    let received = super::blocking(move || {
        let mut writing = objects.begin()?;
        let mut hasher = super::checksum::Hasher::new(algorithm);
        let mut at = range.start;
        while at < range.end {
            let run = objects.read(&segments, at..range.end.min(at + (1 << 20)))?;
            hasher.update(&run);
            writing.write(&run)?;
            at += run.len() as u64;
        }
        let hashes = hasher.finish();
        let size = writing.written();
        let data = vec![writing.finish()?];
        Ok(Received {
            data,
            size,
            etag: super::checksum::hex(&hashes.md5),
            sum: hashes.sum,
        })
    })
    .await?;
    let place = Place {
        bucket: input.bucket,
        key: input.key,
        upload: input.upload_id,
        number: input.part_number,
    };
    let part = backend.store_part(&who, place, received).await?;
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.modified)),
        ..Default::default()
    };
    if let Some(sum) = part.checksum {
        show_sum!(result, sum.algorithm, sum.value);
    }
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: versioned.then(|| source.version_id().to_owned()),
        ..Default::default()
    })
}

/// Returns the checksum that a part's or the whole's members claim.
macro_rules! claimed {
    ($from:expr) => {{
        let all = [
            (Algorithm::Crc32, &$from.checksum_crc32),
            (Algorithm::Crc32c, &$from.checksum_crc32c),
            (Algorithm::Crc64Nvme, &$from.checksum_crc64nvme),
            (Algorithm::Sha1, &$from.checksum_sha1),
            (Algorithm::Sha256, &$from.checksum_sha256),
        ];
        all.into_iter()
            .find_map(|(algorithm, value)| Some((algorithm, value.clone()?)))
    }};
}

pub async fn complete_multipart_upload(
    backend: &Backend,
    request: S3Request<CompleteMultipartUploadInput>,
) -> Answer<CompleteMultipartUploadOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let wanted = input
        .multipart_upload
        .clone()
        .and_then(|upload| upload.parts)
        .unwrap_or_default();
    if wanted.is_empty() {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        return Err(fault(400, "MalformedXML", message));
    }
    let conditions = Conditions {
        if_match: input.if_match.clone(),
        if_none_match: input.if_none_match.clone(),
    };
    let whole = claimed!(input);
    let (bucket, key) = (input.bucket.clone(), input.key.clone());
    let (object, version, freed) = backend
        .write(&who, move |cx| {
            let home = open_bucket(cx, &input.bucket)?;
            let upload = match find(cx, &input.bucket, &input.key, &input.upload_id) {
                Ok(upload) => upload,
                Err(fault) => return completed_before(cx, &input, &home).ok_or(fault),
            };
            let stored = parts_of(cx, &input.upload_id)?;
            let chosen = choose(&wanted, &stored, &upload)?;
            let size: u64 = chosen.iter().map(|part| part.size).sum();
            if input.mpu_object_size.is_some_and(|claimed| claimed as u64 != size) {
                let message = "The provided 'x-amz-mp-object-size' header does not match what was computed.";
                return Err(fault(400, "InvalidRequest", message));
            }
            let checksum = whole_sum(&upload, &chosen);
            if let (Some((algorithm, claimed)), Some(sum)) = (&whole, &checksum)
                && *algorithm == sum.algorithm
            {
                let bare = claimed.split('-').next();
                let equal = if sum.composite {
                    sum.value.split('-').next() == bare
                } else {
                    sum.value == *claimed
                };
                if !equal {
                    let message = format!(
                        "The {} you specified did not match the calculated checksum.",
                        algorithm.name()
                    );
                    return Err(fault(400, "BadDigest", &message));
                }
            }
            let keep_sums = upload.algorithm.is_some();
            let object = Object {
                key: upload.key.clone(),
                size,
                etag: multipart_etag(chosen.iter().map(|part| part.etag.as_str())),
                data: chosen
                    .iter()
                    .filter(|part| part.size > 0)
                    .map(|part| part.data.clone())
                    .collect(),
                parts: chosen
                    .iter()
                    .map(|part| ObjectPart {
                        number: part.number,
                        size: part.size,
                        checksum: part
                            .checksum
                            .as_ref()
                            .filter(|_| keep_sums)
                            .map(|sum| sum.value.clone()),
                    })
                    .collect(),
                checksum,
                head: upload.head,
                tags: upload.tags,
                ..Object::default()
            };
            let (object, mut freed) = install(cx, &home, object, &conditions)?;
            for (id, part) in stored {
                cx.tx.delete(PARTS, EVERYWHERE, &id)?;
                if !chosen.iter().any(|chosen| chosen.number == part.number) {
                    freed.push(part.data);
                }
            }
            cx.tx.delete(
                UPLOADS,
                EVERYWHERE,
                &model::upload_id(&input.bucket, &input.key, &input.upload_id),
            )?;
            let version = (home.versioning != model::Versioning::Never).then(|| object.version_id().to_owned());
            Ok((object, version, freed))
        })
        .await?;
    backend.discard(freed).await;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("https://{bucket}.s3.{}.amazonaws.com/{key}", who.region)),
        bucket: Some(bucket),
        key: Some(key),
        e_tag: Some(ETag::Strong(object.etag)),
        version_id: version,
        server_side_encryption: object.head.encryption.map(ServerSideEncryption::from),
        ssekms_key_id: object.head.kms_key,
        bucket_key_enabled: object.head.bucket_key,
        ..Default::default()
    };
    if let Some(sum) = object.checksum {
        output.checksum_type = Some(checksum_type(&sum));
        show_sum!(output, sum.algorithm, sum.value);
    }
    Ok(output)
}

type Completed = (Object, Option<String>, Vec<super::objects::Segment>);

/// A repeated completion, after an answer that got lost, finds the object it made and answers the same.
fn completed_before(cx: &Call, input: &CompleteMultipartUploadInput, bucket: &model::Bucket) -> Option<Completed> {
    let object = model::current(cx.tx, &input.bucket, &input.key).ok()??;
    let wanted = input.multipart_upload.as_ref()?.parts.as_ref()?;
    let etags: Option<Vec<&str>> = wanted.iter().map(|part| part.e_tag.as_ref().map(ETag::value)).collect();
    let same = multipart_etag(etags?.into_iter()) == object.etag;
    let version = (bucket.versioning != model::Versioning::Never).then(|| object.version_id().to_owned());
    same.then(|| (object, version, Vec::new()))
}

fn choose(wanted: &[CompletedPart], stored: &[(String, model::Part)], upload: &Upload) -> Answer<Vec<model::Part>> {
    let numbers: Vec<i32> = wanted.iter().map(|want| want.part_number.unwrap_or_default()).collect();
    if numbers.windows(2).any(|pair| pair[0] >= pair[1]) {
        let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
        return Err(fault(400, "InvalidPartOrder", message));
    }
    let mut chosen: Vec<model::Part> = Vec::with_capacity(wanted.len());
    for (at, (want, number)) in wanted.iter().zip(numbers).enumerate() {
        let part = stored.iter().map(|(_, part)| part).find(|part| part.number == number);
        let etag = want.e_tag.as_ref().map(ETag::value);
        let part = part.filter(|part| etag.is_none_or(|etag| etag == part.etag));
        let part = part.filter(|part| match (claimed!(want), &part.checksum) {
            (Some((algorithm, value)), Some(sum)) => algorithm != sum.algorithm || value == sum.value,
            _ => true,
        });
        let part = part.ok_or_else(|| {
            let message = "One or more of the specified parts could not be found.  The part may not have been uploaded, \
                           or the specified entity tag may not match the part's entity tag.";
            fault(400, "InvalidPart", message).with("PartNumber", number).with("UploadId", upload.id.clone())
        })?;
        if part.size < SMALLEST_PART && at + 1 < wanted.len() {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return Err(fault(400, "EntityTooSmall", message).with("PartNumber", number));
        }
        chosen.push(part.clone());
    }
    Ok(chosen)
}

/// The checksum of the whole, when all parts have the same kind.
fn whole_sum(upload: &Upload, parts: &[model::Part]) -> Option<Sum> {
    let sums: Option<Vec<&Sum>> = parts.iter().map(|part| part.checksum.as_ref()).collect();
    let sums = sums?;
    let algorithm = sums.first()?.algorithm;
    if sums.iter().any(|sum| sum.algorithm != algorithm) {
        return None;
    }
    // An upload that named no algorithm gets a checksum of the whole object where one can be computed.
    let composite = if upload.algorithm.is_some() {
        upload.composite
    } else {
        matches!(algorithm, Algorithm::Sha1 | Algorithm::Sha256)
    };
    let values: Vec<(String, u64)> = parts
        .iter()
        .zip(sums)
        .map(|(part, sum)| (sum.value.clone(), part.size))
        .collect();
    combine(algorithm, composite, &values)
}

pub async fn abort_multipart_upload(
    backend: &Backend,
    request: S3Request<AbortMultipartUploadInput>,
) -> Answer<AbortMultipartUploadOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let freed = backend
        .write(&who, move |cx| {
            find(cx, &input.bucket, &input.key, &input.upload_id)?;
            let mut freed = Vec::new();
            for (id, part) in parts_of(cx, &input.upload_id)? {
                cx.tx.delete(PARTS, EVERYWHERE, &id)?;
                freed.push(part.data);
            }
            cx.tx.delete(
                UPLOADS,
                EVERYWHERE,
                &model::upload_id(&input.bucket, &input.key, &input.upload_id),
            )?;
            Ok(freed)
        })
        .await?;
    backend.discard(freed).await;
    Ok(AbortMultipartUploadOutput::default())
}

pub async fn list_parts(backend: &Backend, request: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let (upload, parts) = backend.read(&who, |cx| {
        let upload = find(cx, &input.bucket, &input.key, &input.upload_id)?;
        Ok((upload, parts_of(cx, &input.upload_id)?))
    })?;
    let limit = input.max_parts.unwrap_or(1000).clamp(1, 1000) as usize;
    let after = input.part_number_marker.unwrap_or(0);
    let mut rest = parts
        .into_iter()
        .map(|(_, part)| part)
        .filter(|part| part.number > after);
    let page: Vec<model::Part> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = page.last().map(|part| part.number);
    let keep_sums = upload.algorithm.is_some();
    let shown: Vec<Part> = page
        .into_iter()
        .map(|part| {
            let mut shown = Part {
                e_tag: Some(ETag::Strong(part.etag)),
                last_modified: Some(timestamp(part.modified)),
                part_number: Some(part.number),
                size: Some(part.size as i64),
                ..Default::default()
            };
            if let Some(sum) = part.checksum.filter(|_| keep_sums) {
                show_sum!(shown, sum.algorithm, sum.value);
            }
            shown
        })
        .collect();
    let id = owner(&upload.account);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        checksum_algorithm: upload
            .algorithm
            .map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: upload.algorithm.map(|_| {
            ChecksumType::from_static(if upload.composite {
                ChecksumType::COMPOSITE
            } else {
                ChecksumType::FULL_OBJECT
            })
        }),
        initiator: Some(Initiator {
            display_name: None,
            id: Some(id.clone()),
        }),
        is_truncated: Some(more),
        max_parts: Some(limit as i32),
        next_part_number_marker: next.filter(|_| more),
        owner: Some(Owner {
            display_name: None,
            id: Some(id),
        }),
        part_number_marker: Some(after),
        parts: (!shown.is_empty()).then_some(shown),
        storage_class: Some(StorageClass::from(
            upload.head.storage_class.unwrap_or_else(|| "STANDARD".to_owned()),
        )),
        ..Default::default()
    })
}

pub async fn list_multipart_uploads(
    backend: &Backend,
    request: S3Request<ListMultipartUploadsInput>,
) -> Answer<ListMultipartUploadsOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let prefix = input.prefix.clone().unwrap_or_default();
    let delimiter = input.delimiter.clone().unwrap_or_default();
    let uploads: Vec<(String, Upload)> = backend.read(&who, |cx| {
        open_bucket(cx, &input.bucket)?;
        Ok(cx.tx.list(UPLOADS, EVERYWHERE, &object_id(&input.bucket, &prefix))?)
    })?;
    let limit = input.max_uploads.unwrap_or(1000).clamp(1, 1000) as usize;
    let key_marker = input.key_marker.clone().unwrap_or_default();
    let id_marker = input.upload_id_marker.clone().unwrap_or_default();
    let (mut shown, mut prefixes): (Vec<MultipartUpload>, Vec<String>) = (Vec::new(), Vec::new());
    let mut next = None;
    let mut last: Option<(String, String)> = None;
    for (_, upload) in uploads {
        let passed =
            upload.key < key_marker || (upload.key == key_marker && (id_marker.is_empty() || upload.id <= id_marker));
        if !key_marker.is_empty() && passed {
            continue;
        }
        let rest = &upload.key[prefix.len()..];
        let shared = rest.find(&delimiter).filter(|_| !delimiter.is_empty());
        let shared = shared.map(|at| upload.key[..prefix.len() + at + delimiter.len()].to_owned());
        if shared.as_ref().is_some_and(|shared| prefixes.last() == Some(shared)) {
            last = Some((upload.key, upload.id));
            continue;
        }
        if shown.len() + prefixes.len() == limit {
            next = last;
            break;
        }
        last = Some((upload.key.clone(), upload.id.clone()));
        match shared {
            Some(shared) => prefixes.push(shared),
            None => {
                let id = owner(&upload.account);
                shown.push(MultipartUpload {
                    checksum_algorithm: upload
                        .algorithm
                        .map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
                    checksum_type: None,
                    initiated: Some(timestamp(upload.initiated)),
                    initiator: Some(Initiator {
                        display_name: None,
                        id: Some(id.clone()),
                    }),
                    key: Some(upload.key),
                    owner: Some(Owner {
                        display_name: None,
                        id: Some(id),
                    }),
                    storage_class: Some(StorageClass::from(
                        upload.head.storage_class.unwrap_or_else(|| "STANDARD".to_owned()),
                    )),
                    upload_id: Some(upload.id),
                });
            }
        }
    }
    let prefixes: Vec<_> = prefixes
        .into_iter()
        .map(|prefix| CommonPrefix { prefix: Some(prefix) })
        .collect();
    let (next_key, next_id) = next.unzip();
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        common_prefixes: (!prefixes.is_empty()).then_some(prefixes),
        delimiter: input.delimiter,
        is_truncated: Some(next_key.is_some()),
        key_marker: Some(key_marker),
        max_uploads: Some(limit as i32),
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        prefix: input.prefix,
        upload_id_marker: input.upload_id_marker,
        uploads: (!shown.is_empty()).then_some(shown),
        ..Default::default()
    })
}
