//! Listings of keys and versions: prefix, delimiter, pages. A page reads no more rows than it shows, plus one per
//! common prefix, because the rows below a common prefix are jumped over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::S3Request;
use s3s::dto::*;

use super::buckets::owner;
use super::model::{EVERYWHERE, OBJECTS, VERSIONS, fault, object_id};
use super::write::checksum_type;
use super::{Backend, model, open_bucket, timestamp};
use crate::services::{Call, Fault};

type Answer<T> = Result<T, Fault>;

const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b'*');
/// Rows read from the store in one go.
const BATCH: usize = 1000;
/// Sorts after every key that starts with the text before it.
const LAST: char = char::MAX;

/// One page of a listing.
struct Page<T> {
    entries: Vec<T>,
    prefixes: Vec<String>,
    /// The last key or common prefix shown, when there is more.
    next: Option<String>,
}

fn page_size(max_keys: Option<i32>) -> Answer<usize> {
    match max_keys {
        None => Ok(1000),
        Some(max) => usize::try_from(max).map(|max| max.min(1000)).map_err(|_| {
            fault(
                400,
                "InvalidArgument",
                "Argument maxKeys must be an integer between 0 and 2147483647",
            )
        }),
    }
}

fn encoder(encoding: Option<&EncodingType>) -> Answer<impl Fn(String) -> String + use<>> {
    let url = match encoding.map(EncodingType::as_str) {
        None => false,
        Some("url") => true,
        Some(_) => {
            return Err(fault(
                400,
                "InvalidArgument",
                "Invalid Encoding Method specified in Request",
            ));
        }
    };
    Ok(move |text: String| {
        if url {
            utf8_percent_encode(&text, KEPT).to_string()
        } else {
            text
        }
    })
}

/// Returns the common prefix of a key: up to and with the first delimiter after the prefix.
fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let rest = key.get(prefix.len()..)?;
    rest.find(delimiter)
        .map(|at| &key[..prefix.len() + at + delimiter.len()])
}

/// Walks the current objects of a bucket.
fn objects_page(
    cx: &Call,
    bucket: &str,
    prefix: &str,
    delimiter: &str,
    after: Option<&str>,
    limit: usize,
) -> Answer<Page<model::Object>> {
    let mut page = Page {
        entries: Vec::new(),
        prefixes: Vec::new(),
        next: None,
    };
    if limit == 0 {
        return Ok(page);
    }
    let from = object_id(bucket, prefix);
    // A common prefix shown by an earlier page stands for all keys below it.
    let mut after = after.map(|after| match common_prefix(after, prefix, delimiter) {
        Some(shown) if shown == after => object_id(bucket, &format!("{after}{LAST}")),
        _ => object_id(bucket, after),
    });
    let mut last = None;
    loop {
        let want = BATCH.min(limit + 1 - page.entries.len() - page.prefixes.len());
        let rows: Vec<(String, model::Object)> = cx.tx.scan(OBJECTS, EVERYWHERE, &from, after.as_deref(), want)?;
        let ended = rows.len() < want;
        for (id, object) in rows {
            if page.entries.len() + page.prefixes.len() == limit {
                page.next = last;
                return Ok(page);
            }
            if let Some(shared) = common_prefix(&object.key, prefix, delimiter) {
                let shared = shared.to_owned();
                after = Some(object_id(bucket, &format!("{shared}{LAST}")));
                page.prefixes.push(shared.clone());
                last = Some(shared);
                break;
            }
            last = Some(object.key.clone());
            after = Some(id);
            page.entries.push(object);
        }
        let jumped = after.as_deref().is_some_and(|after| after.ends_with(LAST));
        if ended && !jumped {
            return Ok(page);
        }
        if ended
            && jumped
            && cx
                .tx
                .scan::<serde::de::IgnoredAny>(OBJECTS, EVERYWHERE, &from, after.as_deref(), 1)?
                .is_empty()
        {
            return Ok(page);
        }
    }
}

fn show(object: model::Object, encode: &impl Fn(String) -> String, owner: Option<Owner>) -> s3s::dto::Object {
    let algorithm = object
        .checksum
        .as_ref()
        .map(|sum| vec![ChecksumAlgorithm::from_static(sum.algorithm.name())]);
    s3s::dto::Object {
        checksum_algorithm: algorithm,
        checksum_type: object.checksum.as_ref().map(checksum_type),
        e_tag: Some(ETag::Strong(object.etag)),
        key: Some(encode(object.key)),
        last_modified: Some(timestamp(object.modified)),
        owner,
        restore_status: None,
        size: Some(object.size as i64),
        storage_class: Some(ObjectStorageClass::from(
            object.head.storage_class.unwrap_or_else(|| "STANDARD".into()),
        )),
    }
}

fn shown_prefixes(prefixes: Vec<String>, encode: &impl Fn(String) -> String) -> Option<CommonPrefixList> {
    (!prefixes.is_empty()).then(|| {
        prefixes
            .into_iter()
            .map(|prefix| CommonPrefix {
                prefix: Some(encode(prefix)),
            })
            .collect()
    })
}

pub async fn list_objects_v2(backend: &Backend, request: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
    let who = backend.who(&request);
    let input = request.input;
    let encode = encoder(input.encoding_type.as_ref())?;
    let limit = page_size(input.max_keys)?;
    let after = match &input.continuation_token {
        Some(token) => {
            let bytes = STANDARD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let after = bytes.filter(|after| !after.is_empty());
            Some(after.ok_or_else(|| fault(400, "InvalidArgument", "The continuation token provided is incorrect"))?)
        }
        None => input.start_after.clone(),
    };
    let prefix = input.prefix.clone().unwrap_or_default();
    let delimiter = input.delimiter.clone().unwrap_or_default();
    let page = backend.read(&who, |cx| {
        open_bucket(cx, &input.bucket)?;
        objects_page(cx, &input.bucket, &prefix, &delimiter, after.as_deref(), limit)
    })?;
    let owner = (input.fetch_owner == Some(true)).then(|| Owner {
        display_name: None,
        id: Some(owner(&who.account)),
    });
    let count = page.entries.len() + page.prefixes.len();
    let contents: Vec<_> = page
        .entries
        .into_iter()
        .map(|object| show(object, &encode, owner.clone()))
        .collect();
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encode(prefix)),
        max_keys: Some(limit as i32),
        key_count: Some(count as i32),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|next| STANDARD.encode(next)),
        contents: (!contents.is_empty()).then_some(contents),
        common_prefixes: shown_prefixes(page.prefixes, &encode),
        delimiter: input.delimiter.map(&encode),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(&encode),
        request_charged: None,
    })
}

pub async fn list_objects(backend: &Backend, request: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let encode = encoder(input.encoding_type.as_ref())?;
    let limit = page_size(input.max_keys)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let delimiter = input.delimiter.clone().unwrap_or_default();
    let page = backend.read(&who, |cx| {
        open_bucket(cx, &input.bucket)?;
        objects_page(cx, &input.bucket, &prefix, &delimiter, input.marker.as_deref(), limit)
    })?;
    let owner = Owner {
        display_name: None,
        id: Some(owner(&who.account)),
    };
    let contents: Vec<_> = page
        .entries
        .into_iter()
        .map(|object| show(object, &encode, Some(owner.clone())))
        .collect();
    let truncated = page.next.is_some();
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encode(prefix)),
        marker: Some(encode(input.marker.unwrap_or_default())),
        max_keys: Some(limit as i32),
        is_truncated: Some(truncated),
        contents: (!contents.is_empty()).then_some(contents),
        common_prefixes: shown_prefixes(page.prefixes, &encode),
        // Without a delimiter the last key is the marker, and S3 leaves the member out.
        next_marker: page.next.filter(|_| !delimiter.is_empty()).map(&encode),
        delimiter: input.delimiter.map(&encode),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

/// One row of a listing of versions.
struct Version {
    object: model::Object,
    latest: bool,
}

/// Walks current objects and other versions together, key by key, newest first within a key.
fn versions_page(
    cx: &Call,
    bucket: &str,
    prefix: &str,
    delimiter: &str,
    marker: Option<(&str, Option<&str>)>,
    limit: usize,
) -> Answer<(Page<Version>, Option<String>)> {
    let mut page: Page<Version> = Page {
        entries: Vec::new(),
        prefixes: Vec::new(),
        next: None,
    };
    let from = object_id(bucket, prefix);
    let mut next_version = None;
    if limit == 0 {
        return Ok((page, None));
    }
    // Everything of the marker's key up to its version was shown; without a version, all of the key was.
    let mut pending: Vec<Version> = Vec::new();
    let mut after: Option<String> = None;
    if let Some((key, version)) = marker {
        let shared = common_prefix(key, prefix, delimiter).is_some_and(|shared| shared == key);
        after = Some(if shared { format!("{key}{LAST}") } else { key.to_owned() });
        if let Some(version) = version {
            let all = versions_of(cx, bucket, key)?;
            let at = all.iter().position(|entry| entry.object.version_id() == version);
            pending = all.into_iter().skip(at.map_or(0, |at| at + 1)).collect();
        }
    }
    let mut last: Option<(String, Option<String>)> = None;
    loop {
        for entry in pending.drain(..) {
            if page.entries.len() + page.prefixes.len() == limit {
                let (key, version) = last.expect("a full page has shown something");
                page.next = Some(key);
                next_version = version;
                return Ok((page, next_version));
            }
            last = Some((entry.object.key.clone(), Some(entry.object.version_id().to_owned())));
            page.entries.push(entry);
        }
        let Some(key) = next_key(cx, bucket, &from, after.as_deref())? else {
            return Ok((page, next_version));
        };
        if let Some(shared) = common_prefix(&key, prefix, delimiter) {
            if page.entries.len() + page.prefixes.len() == limit {
                let (key, version) = last.expect("a full page has shown something");
                page.next = Some(key);
                return Ok((page, version));
            }
            after = Some(format!("{shared}{LAST}"));
            last = Some((shared.to_owned(), None));
            page.prefixes.push(shared.to_owned());
        } else {
            pending = versions_of(cx, bucket, &key)?;
            after = Some(key);
        }
    }
}

/// Returns the next key after `after` that has a current object or any other version.
fn next_key(cx: &Call, bucket: &str, from: &str, after: Option<&str>) -> Answer<Option<String>> {
    let current: Vec<(String, serde::de::IgnoredAny)> = cx.tx.scan(
        OBJECTS,
        EVERYWHERE,
        from,
        after.map(|after| object_id(bucket, after)).as_deref(),
        1,
    )?;
    // Rows of versions are the key, NUL and the sequence: step over all of the key's.
    let past = after.map(|after| object_id(bucket, &format!("{after}\0{LAST}")));
    let other: Vec<(String, serde::de::IgnoredAny)> = cx.tx.scan(VERSIONS, EVERYWHERE, from, past.as_deref(), 1)?;
    let key = |id: &str| {
        let key = &id[bucket.len() + 1..];
        key.split('\0').next().unwrap_or_default().to_owned()
    };
    let current = current.first().map(|(id, _)| id[bucket.len() + 1..].to_owned());
    let other = other.first().map(|(id, _)| key(id));
    Ok(match (current, other) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    })
}

fn versions_of(cx: &Call, bucket: &str, key: &str) -> Answer<Vec<Version>> {
    let current = model::current(cx.tx, bucket, key)?;
    let older = model::older(cx.tx, bucket, key)?.into_iter().map(|(_, object)| object);
    let all = current.into_iter().chain(older).enumerate();
    Ok(all
        .map(|(at, object)| Version {
            object,
            latest: at == 0,
        })
        .collect())
}

pub async fn list_object_versions(
    backend: &Backend,
    request: S3Request<ListObjectVersionsInput>,
) -> Answer<ListObjectVersionsOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let encode = encoder(input.encoding_type.as_ref())?;
    let limit = page_size(input.max_keys)?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let delimiter = input.delimiter.clone().unwrap_or_default();
    if input.version_id_marker.is_some() && input.key_marker.as_deref().unwrap_or_default().is_empty() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(fault(400, "InvalidArgument", message));
    }
    let key_marker = input.key_marker.as_deref().filter(|key| !key.is_empty());
    let marker = key_marker.map(|key| (key, input.version_id_marker.as_deref().filter(|id| !id.is_empty())));
    let (page, next_version) = backend.read(&who, |cx| {
        open_bucket(cx, &input.bucket)?;
        versions_page(cx, &input.bucket, &prefix, &delimiter, marker, limit)
    })?;
    let owner = Some(Owner {
        display_name: None,
        id: Some(owner(&who.account)),
    });
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for Version { object, latest } in page.entries {
        let version_id = Some(object.version_id().to_owned());
        let last_modified = Some(timestamp(object.modified));
        if object.marker {
            let key = Some(encode(object.key));
            markers.push(DeleteMarkerEntry {
                is_latest: Some(latest),
                key,
                last_modified,
                owner: owner.clone(),
                version_id,
            });
            continue;
        }
        let class = object.head.storage_class.unwrap_or_else(|| "STANDARD".to_owned());
        versions.push(ObjectVersion {
            checksum_algorithm: object
                .checksum
                .as_ref()
                .map(|sum| vec![ChecksumAlgorithm::from_static(sum.algorithm.name())]),
            checksum_type: object.checksum.as_ref().map(checksum_type),
            e_tag: Some(ETag::Strong(object.etag)),
            is_latest: Some(latest),
            key: Some(encode(object.key)),
            last_modified,
            owner: owner.clone(),
            restore_status: None,
            size: Some(object.size as i64),
            storage_class: Some(ObjectVersionStorageClass::from(class)),
            version_id,
        });
    }
    Ok(ListObjectVersionsOutput {
        common_prefixes: shown_prefixes(page.prefixes, &encode),
        delete_markers: (!markers.is_empty()).then_some(markers),
        delimiter: input.delimiter.map(&encode),
        encoding_type: input.encoding_type,
        is_truncated: Some(page.next.is_some()),
        key_marker: Some(encode(input.key_marker.unwrap_or_default())),
        max_keys: Some(limit as i32),
        name: Some(input.bucket),
        next_key_marker: page.next.map(&encode),
        next_version_id_marker: next_version,
        prefix: Some(encode(prefix)),
        request_charged: None,
        version_id_marker: input.version_id_marker,
        versions: (!versions.is_empty()).then_some(versions),
    })
}
