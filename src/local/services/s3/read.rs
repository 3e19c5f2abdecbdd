//! Objects read back: whole, in ranges, by part, by version, and what is known of them without their bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use s3s::S3Request;
use s3s::dto::*;
use s3s::stream::{ByteStream, RemainingLength};

use super::buckets::tags_into;
use super::fixed::owner_grants;
use super::model::{self, Object, Versioning, fault, no_such_key};
use super::objects::{Objects, Segment, overlaps};
use super::write::{checksum_type, show_sum};
use super::{Backend, blocking, open_bucket, timestamp};
use crate::services::{Call, Fault};

type Answer<T> = Result<T, Fault>;

/// Up to this size an answer is one piece; above, pieces of this size.
const PIECE: u64 = 512 << 10;

/// Returns the current or the named version of a key.
pub fn find(cx: &Call, bucket: &str, key: &str, version: Option<&str>) -> Answer<Object> {
    let current = model::current(cx.tx, bucket, key)?;
    let Some(version) = version else {
        if let Some(object) = current {
            return Ok(object);
        }
        let newest = model::older(cx.tx, bucket, key)?.into_iter().next();
        let missing = no_such_key().with("Key", key);
        return Err(match newest {
            Some((_, marker)) => missing
                .with("x-amz-delete-marker", "true")
                .with("x-amz-version-id", marker.version_id()),
            None => missing,
        });
    };
    let mut all = current
        .into_iter()
        .chain(model::older(cx.tx, bucket, key)?.into_iter().map(|(_, object)| object));
    let found = all.find(|object| object.version_id() == version);
    let found = found.ok_or_else(|| fault(404, "NoSuchVersion", "The specified version does not exist."))?;
    if found.marker {
        let message = "The specified method is not allowed against this resource.";
        return Err(fault(405, "MethodNotAllowed", message)
            .with("x-amz-delete-marker", "true")
            .with("x-amz-version-id", found.version_id()));
    }
    Ok(found)
}

/// The conditions of a read.
#[derive(Clone, Default)]
pub struct Conditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

impl Conditions {
    pub fn check(&self, object: &Object) -> Answer<()> {
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(wanted) => wanted.value() == object.etag,
        };
        // Header dates have whole seconds.
        let modified = timestamp(object.modified.floor());
        let failed = || {
            fault(
                412,
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
            )
        };
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) if !is(condition) => return Err(failed()),
            (None, Some(since)) if modified > *since => return Err(failed()),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) if is(condition) => Err(fault(304, "NotModified", "Not Modified")),
            (None, Some(since)) if modified <= *since => Err(fault(304, "NotModified", "Not Modified")),
            _ => Ok(()),
        }
    }
}

/// The bytes asked for: where they lie, and how an answer describes them when they are not all.
struct Slice {
    range: std::ops::Range<u64>,
    content_range: Option<String>,
    parts_count: Option<i32>,
}

fn slice(object: &Object, range: Option<&Range>, part: Option<i32>) -> Answer<Slice> {
    let size = object.size;
    if range.is_some() && part.is_some() {
        return Err(fault(
            400,
            "InvalidRequest",
            "Cannot specify both Range header and partNumber query parameter",
        ));
    }
    if let Some(number) = part {
        let parts: Vec<(i32, u64)> = match object.parts.as_slice() {
            [] => vec![(1, size)],
            parts => parts.iter().map(|part| (part.number, part.size)).collect(),
        };
        let position = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let at = position.filter(|at| *at < parts.len());
        let at = at.ok_or_else(|| fault(416, "InvalidPartNumber", "The requested partnumber is not satisfiable"))?;
        let start: u64 = parts[..at].iter().map(|(_, size)| size).sum();
        let range = start..start + parts[at].1;
        let content_range = (size > 0).then(|| format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)));
        let parts_count = (!object.parts.is_empty()).then_some(parts.len() as i32);
        return Ok(Slice {
            range,
            content_range,
            parts_count,
        });
    }
    let Some(range) = range else {
        return Ok(Slice {
            range: 0..size,
            content_range: None,
            parts_count: None,
        });
    };
    let range = range
        .check(size)
        .map_err(|_| fault(416, "InvalidRange", "The requested range is not satisfiable"))?;
    let content_range = Some(format!("bytes {}-{}/{size}", range.start, range.end - 1));
    Ok(Slice {
        range,
        content_range,
        parts_count: None,
    })
}

/// A stream that knows how many bytes are left, so that the answer has a Content-Length.
struct Sized<S> {
    inner: S,
    left: u64,
}

impl<S: Stream<Item = Result<Bytes, s3s::StdError>> + Unpin> Stream for Sized<S> {
    type Item = Result<Bytes, s3s::StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = std::task::ready!(self.inner.poll_next_unpin(cx));
        if let Some(Ok(bytes)) = &piece {
            self.left -= (bytes.len() as u64).min(self.left);
        }
        Poll::Ready(piece)
    }
}

impl<S: Stream<Item = Result<Bytes, s3s::StdError>> + Unpin> ByteStream for Sized<S> {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(self.left as usize)
    }
}

async fn body(objects: Objects, data: Vec<Segment>, range: std::ops::Range<u64>) -> Answer<StreamingBlob> {
    let length = range.end - range.start;
    if data.iter().all(Segment::is_here) {
        let bytes = objects
            .read(&data, range)
            .map_err(|cause| fault(500, "InternalError", &cause.to_string()))?;
        return Ok(StreamingBlob::from(s3s::Body::from(bytes)));
    }
    if length <= PIECE {
        let bytes = blocking(move || objects.read(&data, range)).await?;
        return Ok(StreamingBlob::from(s3s::Body::from(bytes)));
    }
    // Files are opened before the answer starts, so that a delete meanwhile does not break it off.
    let files = blocking(move || {
        use std::io::{Seek, SeekFrom};
        let mut files = std::collections::VecDeque::new();
        for (segment, part) in overlaps(&data, range) {
            let mut file = objects.open_segment(segment)?;
            file.seek(SeekFrom::Start(part.start))?;
            files.push_back((file, part.end - part.start));
        }
        Ok(files)
    })
    .await?;
    let pieces = stream::try_unfold(files, |mut files| async move {
        let Some((mut file, left)) = files.pop_front() else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || {
            let piece = file.piece(left.min(PIECE))?;
            Ok::<_, std::io::Error>((file, piece))
        });
        let (file, piece) = read.await.map_err(s3s::StdError::from)?.map_err(s3s::StdError::from)?;
        let left = left - piece.len() as u64;
        if left > 0 {
            files.push_front((file, left));
        }
        Ok(Some((Bytes::from(piece), files)))
    });
    Ok(StreamingBlob::new(Sized {
        inner: Box::pin(pieces),
        left: length,
    }))
}

/// Fills the members that GetObject and HeadObject share.
macro_rules! describe {
    ($output:expr, $object:expr, $versioned:expr) => {{
        let head = $object.head;
        $output.accept_ranges = Some("bytes".to_owned());
        $output.cache_control = head.cache_control;
        $output.content_disposition = head.content_disposition;
        $output.content_encoding = head.content_encoding;
        $output.content_language = head.content_language;
        $output.content_type = head.content_type;
        $output.expires = head.expires;
        $output.e_tag = Some(ETag::Strong($object.etag));
        $output.last_modified = Some(timestamp($object.modified));
        $output.metadata = Some(head.metadata.into_iter().collect());
        $output.storage_class = head.storage_class.map(StorageClass::from);
        $output.server_side_encryption = head.encryption.map(ServerSideEncryption::from);
        $output.ssekms_key_id = head.kms_key;
        $output.bucket_key_enabled = head.bucket_key;
        $output.website_redirect_location = head.website_redirect;
        $output.version_id = $versioned.then(|| $object.version.unwrap_or_else(|| "null".to_owned()));
    }};
}

fn wants_checksum(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == "ENABLED")
}

pub async fn get_object(backend: &Backend, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let (object, versioned) = backend.read(&who, |cx| {
        let bucket = open_bucket(cx, &input.bucket)?;
        let object = find(cx, &input.bucket, &input.key, input.version_id.as_deref())?;
        Ok((object, bucket.versioning != Versioning::Never))
    })?;
    let conditions = Conditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    conditions.check(&object)?;
    let slice = slice(&object, input.range.as_ref(), input.part_number)?;
    let whole = slice.range == (0..object.size);
    let mut output = GetObjectOutput {
        body: Some(body(backend.objects.clone(), object.data.clone(), slice.range.clone()).await?),
        content_length: Some((slice.range.end - slice.range.start) as i64),
        content_range: slice.content_range,
        parts_count: slice.parts_count,
        tag_count: (!object.tags.is_empty()).then_some(object.tags.len() as i32),
        ..Default::default()
    };
    if whole
        && wants_checksum(input.checksum_mode.as_ref())
        && let Some(sum) = object.checksum.clone()
    {
        output.checksum_type = Some(checksum_type(&sum));
        show_sum!(output, sum.algorithm, sum.value);
    }
    describe!(output, object, versioned);
    Ok(output)
}

pub async fn head_object(backend: &Backend, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let (object, versioned) = backend.read(&who, |cx| {
        let bucket = open_bucket(cx, &input.bucket)?;
        let object = find(cx, &input.bucket, &input.key, input.version_id.as_deref())?;
        Ok((object, bucket.versioning != Versioning::Never))
    })?;
    let conditions = Conditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    conditions.check(&object)?;
    let slice = slice(&object, input.range.as_ref(), input.part_number)?;
    let mut output = HeadObjectOutput {
        content_length: Some((slice.range.end - slice.range.start) as i64),
        content_range: slice.content_range,
        parts_count: slice.parts_count,
        ..Default::default()
    };
    if wants_checksum(input.checksum_mode.as_ref())
        && let Some(sum) = object.checksum.clone()
    {
        output.checksum_type = Some(checksum_type(&sum));
        show_sum!(output, sum.algorithm, sum.value);
    }
    describe!(output, object, versioned);
    Ok(output)
}

pub async fn get_object_attributes(
    backend: &Backend,
    request: S3Request<GetObjectAttributesInput>,
) -> Answer<GetObjectAttributesOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let (object, versioned) = backend.read(&who, |cx| {
        let bucket = open_bucket(cx, &input.bucket)?;
        let object = find(cx, &input.bucket, &input.key, input.version_id.as_deref())?;
        Ok((object, bucket.versioning != Versioning::Never))
    })?;
    // Clients write the attributes into one header with commas or into several headers.
    let asked = || {
        input
            .object_attributes
            .iter()
            .flat_map(|attributes| attributes.as_str().split(','))
    };
    let wants = |name: &str| asked().any(|attribute| attribute.trim() == name);
    let checksum = object.checksum.as_ref().filter(|_| wants("Checksum")).map(|sum| {
        let mut shown = Checksum {
            checksum_type: Some(checksum_type(sum)),
            ..Default::default()
        };
        show_sum!(shown, sum.algorithm, sum.value.clone());
        shown
    });
    let parts = (wants("ObjectParts") && !object.parts.is_empty()).then(|| {
        let limit = input.max_parts.unwrap_or(1000).clamp(0, 1000) as usize;
        let after = input.part_number_marker.unwrap_or(0);
        let mut rest = object.parts.iter().filter(|part| part.number > after).peekable();
        let page: Vec<&model::ObjectPart> = rest.by_ref().take(limit).collect();
        let more = rest.peek().is_some();
        let algorithm = object.checksum.as_ref().map(|sum| sum.algorithm);
        let next = page.last().map_or(after, |part| part.number);
        // Without checksums of the parts, S3 tells only how many there are.
        let shown = page.iter().any(|part| part.checksum.is_some()).then(|| {
            let show = |part: &&model::ObjectPart| {
                let mut shown = ObjectPart {
                    part_number: Some(part.number),
                    size: Some(part.size as i64),
                    ..Default::default()
                };
                if let (Some(algorithm), Some(value)) = (algorithm, part.checksum.clone()) {
                    show_sum!(shown, algorithm, value);
                }
                shown
            };
            page.iter().map(show).collect()
        });
        GetObjectAttributesParts {
            is_truncated: Some(more),
            max_parts: Some(limit as i32),
            next_part_number_marker: Some(next),
            part_number_marker: Some(after),
            parts: shown,
            total_parts_count: Some(object.parts.len() as i32),
        }
    });
    Ok(GetObjectAttributesOutput {
        checksum,
        e_tag: wants("ETag").then(|| ETag::Strong(object.etag.clone())),
        last_modified: Some(timestamp(object.modified)),
        object_parts: parts,
        object_size: wants("ObjectSize").then_some(object.size as i64),
        storage_class: wants("StorageClass").then(|| {
            StorageClass::from(
                object
                    .head
                    .storage_class
                    .clone()
                    .unwrap_or_else(|| "STANDARD".to_owned()),
            )
        }),
        version_id: versioned.then(|| object.version_id().to_owned()),
        ..Default::default()
    })
}

pub async fn get_object_tagging(
    backend: &Backend,
    request: S3Request<GetObjectTaggingInput>,
) -> Answer<GetObjectTaggingOutput> {
    let who = backend.who(&request);
    let input = request.input;
    backend.read(&who, |cx| {
        let bucket = open_bucket(cx, &input.bucket)?;
        let object = find(cx, &input.bucket, &input.key, input.version_id.as_deref())?;
        let version_id = (bucket.versioning != Versioning::Never).then(|| object.version_id().to_owned());
        Ok(GetObjectTaggingOutput {
            tag_set: tags_into(object.tags),
            version_id,
        })
    })
}

pub async fn get_object_acl(backend: &Backend, request: S3Request<GetObjectAclInput>) -> Answer<GetObjectAclOutput> {
    let who = backend.who(&request);
    let input = request.input;
    backend.read(&who, |cx| {
        let bucket = open_bucket(cx, &input.bucket)?;
        find(cx, &input.bucket, &input.key, input.version_id.as_deref())?;
        let (owner, grants) = owner_grants(&bucket.account);
        Ok(GetObjectAclOutput {
            grants: Some(grants),
            owner: Some(owner),
            ..Default::default()
        })
    })
}
