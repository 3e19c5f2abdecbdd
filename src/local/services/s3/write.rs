//! Objects coming and going: put, copy, delete, tags.

use s3s::S3Request;
use s3s::dto::*;

use super::buckets::{check_tags, default_encryption, tags_from};
use super::checksum::{Hasher, hex};
use super::model::{self, Algorithm, Bucket, Head, Object, Sum, Versioning, fault};
use super::objects::Segment;
use super::receive::{Claims, receive};
use super::versions::{Conditions, install, remove};
use super::{Backend, blocking, open_bucket, timestamp};
use crate::services::Fault;

type Answer<T> = Result<T, Fault>;

/// Writes a stored checksum into whichever member of an output carries its algorithm.
macro_rules! show_sum {
    ($output:expr, $algorithm:expr, $value:expr) => {
        match $algorithm {
            crate::services::s3::model::Algorithm::Crc32 => $output.checksum_crc32 = Some($value),
            crate::services::s3::model::Algorithm::Crc32c => $output.checksum_crc32c = Some($value),
            crate::services::s3::model::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = Some($value),
            crate::services::s3::model::Algorithm::Sha1 => $output.checksum_sha1 = Some($value),
            crate::services::s3::model::Algorithm::Sha256 => $output.checksum_sha256 = Some($value),
        }
    };
}
pub(super) use show_sum;

pub fn checksum_type(sum: &Sum) -> ChecksumType {
    let name = if sum.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    };
    ChecksumType::from_static(name)
}

/// The tags of an `x-amz-tagging` header: a query string.
pub fn header_tags(text: Option<&str>) -> Answer<Vec<(String, String)>> {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8_lossy()
            .into_owned()
    };
    let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let tags: Vec<_> = pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect();
    check_tags(&tags, 10)?;
    Ok(tags)
}

fn refuse_lock(mode: bool, hold: bool) -> Answer<()> {
    if mode || hold {
        return Err(fault(
            400,
            "InvalidRequest",
            "Bucket is missing Object Lock Configuration",
        ));
    }
    Ok(())
}

/// Collects the headers kept with an object from any input that has them.
macro_rules! head_of {
    ($input:expr) => {{
        let metadata: std::collections::BTreeMap<String, String> =
            $input.metadata.clone().unwrap_or_default().into_iter().collect();
        if metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
            > 2048
        {
            let message = "Your metadata headers exceed the maximum allowed metadata size";
            return Err(crate::services::s3::model::fault(400, "MetadataTooLarge", message));
        }
        // Buckets here have no access lists to set.
        if let Some(acl) = $input.acl.as_ref().map(|acl| acl.as_str())
            && !matches!(acl, "private" | "bucket-owner-full-control")
        {
            let message = "The bucket does not allow ACLs";
            return Err(crate::services::s3::model::fault(
                400,
                "AccessControlListNotSupported",
                message,
            ));
        }
        if $input.sse_customer_algorithm.is_some() {
            let message = "the local cloud does not implement encryption with customer keys";
            return Err(crate::services::s3::model::fault(501, "NotImplemented", message));
        }
        crate::services::s3::model::Head {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            expires: $input.expires.clone(),
            storage_class: $input
                .storage_class
                .as_ref()
                .map(|class| class.as_str().to_owned())
                .filter(|class| class != "STANDARD"),
            encryption: $input
                .server_side_encryption
                .as_ref()
                .map(|value| value.as_str().to_owned()),
            kms_key: $input.ssekms_key_id.clone(),
            bucket_key: $input.bucket_key_enabled,
            website_redirect: $input.website_redirect_location.clone(),
            metadata,
        }
    }};
}
pub(super) use head_of;

/// Fills in the encryption that the bucket prescribes when the request named none.
pub fn encrypt(head: &mut Head, bucket: &Bucket) {
    if head.encryption.is_none() {
        let (algorithm, key, bucket_key) = default_encryption(bucket);
        head.encryption = Some(algorithm);
        head.kms_key = head.kms_key.take().or(key);
        head.bucket_key = head.bucket_key.or(bucket_key);
    }
}

pub async fn put_object(backend: &Backend, mut request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
    let who = backend.who(&request);
    let body = request.input.body.take();
    let claims = Claims::of(&request, None)?;
    let input = request.input;
    refuse_lock(
        input.object_lock_mode.is_some(),
        input.object_lock_legal_hold_status.is_some(),
    )?;
    if input.write_offset_bytes.is_some() {
        return Err(fault(
            501,
            "NotImplemented",
            "the local cloud does not implement appending to objects",
        ));
    }
    let mut head = head_of!(input);
    head.content_type
        .get_or_insert_with(|| "application/octet-stream".to_owned());
    let tags = header_tags(input.tagging.as_deref())?;
    let conditions = Conditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
    };
    let (bucket_name, key) = (input.bucket, input.key);
    // Refuse before the bytes are taken in what will be refused after them anyway.
    backend.read(&who, |cx| open_bucket(cx, &bucket_name).map(drop))?;
    let received = receive(&backend.objects, body, &claims, &who.trailers).await?;
    let data = received.data.clone();
    let object = Object {
        key,
        size: received.size,
        etag: received.etag,
        data: received.data,
        checksum: Some(received.sum),
        head,
        tags,
        ..Object::default()
    };
    let versioned = backend
        .store_object(&who, bucket_name, object, conditions, data)
        .await?;
    let object = versioned.object;
    let mut output = PutObjectOutput {
        e_tag: Some(ETag::Strong(object.etag)),
        version_id: versioned.version,
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

/// An object as stored, and its version id if the bucket has versions.
pub struct Stored {
    pub object: Object,
    pub version: Option<String>,
}

impl Backend {
    /// Commits an object whose bytes `data` are on disk; gives them up again when the commit is refused.
    pub async fn store_object(
        &self,
        who: &super::Who,
        bucket: String,
        mut object: Object,
        conditions: Conditions,
        data: Vec<Segment>,
    ) -> Answer<Stored> {
        let done = self
            .write(who, move |cx| {
                let bucket = open_bucket(cx, &bucket)?;
                encrypt(&mut object.head, &bucket);
                let (object, freed) = install(cx, &bucket, object, &conditions)?;
                let version = (bucket.versioning != Versioning::Never).then(|| object.version_id().to_owned());
                Ok((Stored { object, version }, freed))
            })
            .await;
        match done {
            Ok((stored, freed)) => {
                self.discard(freed).await;
                Ok(stored)
            }
            Err(fault) => {
                self.discard(data).await;
                Err(fault)
            }
        }
    }
}

/// Returns the object a copy reads from, after its conditions.
pub fn copy_source(backend: &Backend, who: &super::Who, source: &CopySource) -> Answer<(Object, bool)> {
    let CopySource::Bucket {
        bucket,
        key,
        version_id,
    } = source
    else {
        return Err(fault(
            501,
            "NotImplemented",
            "the local cloud does not implement access points",
        ));
    };
    backend.read(who, |cx| {
        let home = open_bucket(cx, bucket)?;
        let object = super::read::find(cx, bucket, key, version_id.as_deref())?;
        Ok((object, home.versioning != Versioning::Never))
    })
}

pub async fn copy_object(backend: &Backend, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
    let who = backend.who(&request);
    let input = request.input;
    refuse_lock(
        input.object_lock_mode.is_some(),
        input.object_lock_legal_hold_status.is_some(),
    )?;
    let (source, versioned_source) = copy_source(backend, &who, &input.copy_source)?;
    let conditions = super::read::Conditions {
        if_match: input.copy_source_if_match.clone(),
        if_none_match: input.copy_source_if_none_match.clone(),
        if_modified_since: input.copy_source_if_modified_since.clone(),
        if_unmodified_since: input.copy_source_if_unmodified_since.clone(),
    };
    if conditions.check(&source).is_err() {
        let message = "At least one of the pre-conditions you specified did not hold";
        return Err(fault(412, "PreconditionFailed", message));
    }
    let replaces = input
        .metadata_directive
        .as_ref()
        .is_some_and(|directive| directive.as_str() == "REPLACE");
    let given = head_of!(input);
    let itself = matches!(&input.copy_source, CopySource::Bucket { bucket, key, version_id: None } if **bucket == *input.bucket && **key == *input.key);
    if itself && !replaces && given.storage_class.is_none() && given.encryption.is_none() {
        let message = "This copy request is illegal because it is trying to copy an object to itself without changing \
                       the object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(fault(400, "InvalidRequest", message));
    }
    let head = if replaces {
        given
    } else {
        Head {
            storage_class: given.storage_class,
            encryption: given.encryption,
            kms_key: given.kms_key,
            bucket_key: given.bucket_key,
            website_redirect: given.website_redirect,
            ..source.head.clone()
        }
    };
    let retags = input
        .tagging_directive
        .as_ref()
        .is_some_and(|directive| directive.as_str() == "REPLACE");
    let tags = if retags {
        header_tags(input.tagging.as_deref())?
    } else {
        source.tags.clone()
    };
    let objects = backend.objects.clone();
    let segments = source.data.clone();
    let wanted = input
        .checksum_algorithm
        .as_ref()
        .and_then(|name| Algorithm::parse(name.as_str()));
    let known = source
        .checksum
        .clone()
        .filter(|sum| wanted.is_none_or(|wanted| wanted == sum.algorithm) && !sum.composite);
    // A copied object is one object of its own, whatever parts its source came in.
    let (data, etag, sum) = blocking(move || {
        let data: Vec<Segment> = segments
            .iter()
            .map(|segment| objects.duplicate(segment))
            .collect::<std::io::Result<_>>()?;
        let algorithm = wanted
            .or(known.as_ref().map(|sum| sum.algorithm))
            .unwrap_or(Algorithm::Crc64Nvme);
        let mut hasher = Hasher::new(algorithm);
        let mut reader = objects.reader(segments);
        let mut run = vec![0; 1 << 16];
        loop {
            let n = std::io::Read::read(&mut reader, &mut run)?;
            if n == 0 {
                break;
            }
            hasher.update(&run[..n]);
        }
        let hashes = hasher.finish();
        Ok((data, hex(&hashes.md5), known.unwrap_or(hashes.sum)))
    })
    .await?;
    let kept = data.clone();
    let source_version = versioned_source.then(|| source.version_id().to_owned());
    let object = Object {
        key: input.key,
        size: source.size,
        etag,
        data,
        checksum: Some(sum),
        head,
        tags,
        ..Object::default()
    };
    let stored = backend
        .store_object(&who, input.bucket, object, Conditions::default(), kept)
        .await?;
    let object = stored.object;
    let mut result = CopyObjectResult {
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(timestamp(object.modified)),
        ..Default::default()
    };
    if let Some(sum) = object.checksum {
        result.checksum_type = Some(checksum_type(&sum));
        show_sum!(result, sum.algorithm, sum.value);
    }
    Ok(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: source_version,
        version_id: stored.version,
        server_side_encryption: object.head.encryption.map(ServerSideEncryption::from),
        ssekms_key_id: object.head.kms_key,
        bucket_key_enabled: object.head.bucket_key,
        ..Default::default()
    })
}

pub async fn delete_object(backend: &Backend, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let done = backend
        .write(&who, move |cx| {
            let bucket = open_bucket(cx, &input.bucket)?;
            if let Some(condition) = &input.if_match {
                let current = model::current(cx.tx, &input.bucket, &input.key)?;
                let conditions = Conditions {
                    if_match: Some(condition.clone()),
                    if_none_match: None,
                };
                conditions.check(current.as_ref())?;
            }
            remove(cx, &bucket, &input.key, input.version_id.as_deref())
        })
        .await?;
    backend.discard(done.freed).await;
    Ok(DeleteObjectOutput {
        delete_marker: done.marker.then_some(true),
        version_id: done.version,
        ..Default::default()
    })
}

pub async fn delete_objects(backend: &Backend, request: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let asked = input.delete.objects;
    if asked.is_empty() || asked.len() > 1000 {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        return Err(fault(400, "MalformedXML", message));
    }
    let quiet = input.delete.quiet == Some(true);
    let name = input.bucket;
    let asker = who.clone();
    let (deleted, errors, freed) = backend
        .write(&who, move |cx| {
            let bucket = open_bucket(cx, &name)?;
            let (mut deleted, mut errors, mut freed) = (Vec::new(), Vec::new(), Vec::new());
            for one in asked {
                let versioned = one.version_id.is_some();
                if let Err(refused) = super::access::permits_delete(cx, &asker, &name, &one.key, versioned) {
                    errors.push(s3s::dto::Error {
                        code: Some(refused.code),
                        key: Some(one.key),
                        message: Some(refused.message),
                        version_id: one.version_id,
                    });
                    continue;
                }
                if let Some(wanted) = &one.e_tag {
                    let current = model::current(cx.tx, &name, &one.key)?;
                    if current.is_none_or(|object| object.etag != wanted.value()) {
                        errors.push(s3s::dto::Error {
                            code: Some("PreconditionFailed".into()),
                            key: Some(one.key),
                            message: Some("At least one of the pre-conditions you specified did not hold".into()),
                            version_id: one.version_id,
                        });
                        continue;
                    }
                }
                let done = remove(cx, &bucket, &one.key, one.version_id.as_deref())?;
                freed.extend(done.freed);
                let made = one.version_id.is_none() && done.marker;
                deleted.push(DeletedObject {
                    delete_marker: done.marker.then_some(true),
                    delete_marker_version_id: done.version.filter(|_| done.marker),
                    key: Some(one.key),
                    version_id: one.version_id.filter(|_| !made),
                });
            }
            Ok((deleted, errors, freed))
        })
        .await?;
    backend.discard(freed).await;
    Ok(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    })
}

impl Backend {
    async fn retag(
        &self,
        who: &super::Who,
        bucket: String,
        key: String,
        version: Option<String>,
        tags: Vec<(String, String)>,
    ) -> Answer<Option<String>> {
        self.write(who, move |cx| {
            let home = open_bucket(cx, &bucket)?;
            let mut object = super::read::find(cx, &bucket, &key, version.as_deref())?;
            object.tags = tags;
            let is_current =
                model::current(cx.tx, &bucket, &key)?.is_some_and(|current| current.sequence == object.sequence);
            if is_current {
                model::put_current(cx.tx, &bucket, &object)?;
            } else {
                model::put_version(cx.tx, &bucket, &object)?;
            }
            Ok((home.versioning != Versioning::Never).then(|| object.version_id().to_owned()))
        })
        .await
    }
}

pub async fn put_object_tagging(
    backend: &Backend,
    request: S3Request<PutObjectTaggingInput>,
) -> Answer<PutObjectTaggingOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let tags = tags_from(input.tagging.tag_set);
    check_tags(&tags, 10)?;
    let version_id = backend
        .retag(&who, input.bucket, input.key, input.version_id, tags)
        .await?;
    Ok(PutObjectTaggingOutput { version_id })
}

pub async fn delete_object_tagging(
    backend: &Backend,
    request: S3Request<DeleteObjectTaggingInput>,
) -> Answer<DeleteObjectTaggingOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let version_id = backend
        .retag(&who, input.bucket, input.key, input.version_id, Vec::new())
        .await?;
    Ok(DeleteObjectTaggingOutput { version_id })
}
