//! Buckets and their settings. Settings are kept as they were put and given back the same, with the defaults AWS
//! fills in for a new bucket.

use quick_xml::events::Event;
use s3s::S3Request;
use s3s::dto::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::model::{self, BUCKETS, Bucket, EVERYWHERE, Versioning, fault};
use super::{Backend, open_bucket, timestamp};
use crate::services::{Call, Fault, era};

type Answer<T> = Result<T, Fault>;

const ENCRYPTION: &str = "encryption";
const LIFECYCLE: &str = "lifecycle";
const OWNERSHIP: &str = "ownership";
pub const PUBLIC_ACCESS: &str = "public-access-block";
const CORS: &str = "cors";
const TRANSITION_SIZE: &str = "lifecycle-transition-size";

/// Reads the tags out of a CreateBucketConfiguration.
pub fn tags_of_create(xml: &[u8]) -> Answer<Vec<(String, String)>> {
    let malformed = || {
        fault(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    };
    let mut reader = quick_xml::Reader::from_reader(xml);
    let mut path: Vec<String> = Vec::new();
    let mut tags: Vec<(String, String)> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(start) => {
                path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                text.clear();
                if path.last().is_some_and(|name| name == "Tag") {
                    tags.push(Default::default());
                }
            }
            Event::Text(piece) => text.push_str(&piece.decode().map_err(|_| malformed())?),
            Event::GeneralRef(name) => {
                let entity = name.decode().map_err(|_| malformed())?;
                match quick_xml::escape::unescape(&format!("&{entity};")) {
                    Ok(plain) => text.push_str(&plain),
                    Err(_) => return Err(malformed()),
                }
            }
            Event::End(_) => {
                let name = path.pop().ok_or_else(malformed)?;
                if let (Some("Tag"), Some(tag)) = (path.last().map(String::as_str), tags.last_mut()) {
                    match name.as_str() {
                        "Key" => tag.0 = std::mem::take(&mut text),
                        "Value" => tag.1 = std::mem::take(&mut text),
                        _ => {}
                    }
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    check_tags(&tags, 50)?;
    Ok(tags)
}

pub fn check_tags(tags: &[(String, String)], limit: usize) -> Answer<()> {
    if tags.len() > limit {
        return Err(fault(
            400,
            "BadRequest",
            &format!("Object tags cannot be greater than {limit}"),
        ));
    }
    for (at, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(fault(400, "InvalidTag", "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 {
            return Err(fault(400, "InvalidTag", "The TagValue you have provided is invalid"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(fault(
                400,
                "InvalidTag",
                "System tags cannot be added/updated by requester",
            ));
        }
        if tags[..at].iter().any(|(other, _)| other == key) {
            return Err(fault(
                400,
                "InvalidTag",
                "Cannot provide multiple Tags with the same key",
            ));
        }
    }
    Ok(())
}

pub fn tags_from(set: TagSet) -> Vec<(String, String)> {
    set.into_iter()
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
        .collect()
}

pub fn tags_into(tags: Vec<(String, String)>) -> TagSet {
    tags.into_iter()
        .map(|(key, value)| Tag {
            key: Some(key),
            value: Some(value),
        })
        .collect()
}

fn index_tags(cx: &Call, bucket: &Bucket) -> Answer<()> {
    let home = cx.in_region(&bucket.region);
    home.tag_index(&cx.arn("s3", &bucket.name), &bucket.tags.iter().cloned().collect())
}

pub async fn create_bucket(backend: &Backend, request: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
    let who = backend.who(&request);
    let tags = who.bucket_tags.clone();
    let input = request.input;
    let name = input.bucket;
    check_name(&name)?;
    if input.object_lock_enabled_for_bucket == Some(true) {
        return Err(fault(
            501,
            "NotImplemented",
            "the local cloud does not implement object lock",
        ));
    }
    let constraint = input
        .create_bucket_configuration
        .and_then(|configuration| configuration.location_constraint);
    let region = location(&who.region, constraint.as_ref().map(BucketLocationConstraint::as_str))?;
    let ownership = input
        .object_ownership
        .map_or("BucketOwnerEnforced".to_owned(), |value| value.as_str().to_owned());
    let location = format!("/{name}");
    backend
        .write(&who, move |cx| {
            if let Some(there) = cx.tx.get::<Bucket>(BUCKETS, EVERYWHERE, &name)? {
                if there.account != cx.account {
                    let message = "The requested bucket name is not available. The bucket namespace is shared by all \
                                   users of the system. Please select a different name and try again.";
                    return Err(fault(409, "BucketAlreadyExists", message));
                }
                // The oldest region answers its own buckets with success and changes nothing.
                if cx.region == "us-east-1" && there.region == "us-east-1" {
                    return Ok(());
                }
                let message = "Your previous request to create the named bucket succeeded and you already own it.";
                return Err(fault(409, "BucketAlreadyOwnedByYou", message));
            }
            let mut bucket = Bucket {
                name,
                account: cx.account.clone(),
                region,
                created: cx.now,
                versioning: Versioning::Never,
                tags,
                settings: Default::default(),
            };
            bucket.settings.insert(OWNERSHIP.into(), json!(ownership));
            if cx.by_default(era::Default::BucketBlocksPublicAccess) {
                let block = PublicAccessBlockConfiguration {
                    block_public_acls: Some(true),
                    block_public_policy: Some(true),
                    ignore_public_acls: Some(true),
                    restrict_public_buckets: Some(true),
                };
                set(&mut bucket, PUBLIC_ACCESS, &block)?;
            }
            model::put_bucket(cx.tx, &bucket)?;
            index_tags(cx, &bucket)
        })
        .await?;
    Ok(CreateBucketOutput {
        location: Some(location),
    })
}

/// The rules beyond those of `s3s`.
fn check_name(name: &str) -> Answer<()> {
    let reserved = ["xn--", "sthree-", "amzn-s3-demo-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|suffix| name.ends_with(suffix));
    if reserved || name.contains(".-") || name.contains("-.") {
        return Err(fault(400, "InvalidBucketName", "The specified bucket is not valid."));
    }
    Ok(())
}

fn location(signed: &str, constraint: Option<&str>) -> Answer<String> {
    match constraint.filter(|constraint| !constraint.is_empty()) {
        None if signed == "us-east-1" => Ok(signed.to_owned()),
        None => Err(fault(
            400,
            "IllegalLocationConstraintException",
            "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.",
        )),
        Some("us-east-1") => Err(fault(
            400,
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
        )),
        Some(constraint) => {
            let wanted = if constraint == "EU" { "eu-west-1" } else { constraint };
            if signed != "us-east-1" && wanted != signed {
                let message = format!(
                    "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
                );
                return Err(fault(400, "IllegalLocationConstraintException", &message));
            }
            Ok(wanted.to_owned())
        }
    }
}

pub async fn delete_bucket(backend: &Backend, request: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
    let who = backend.who(&request);
    let name = request.input.bucket;
    backend
        .write(&who, move |cx| {
            let bucket = open_bucket(cx, &name)?;
            let inside = format!("{name}/");
            for table in [model::OBJECTS, model::VERSIONS] {
                if !cx.tx.scan::<Value>(table, EVERYWHERE, &inside, None, 1)?.is_empty() {
                    let message = "The bucket you tried to delete is not empty.";
                    let hint = " You must delete all versions in the bucket.";
                    let versioned = bucket.versioning != Versioning::Never;
                    let message = if versioned {
                        format!("{message}{hint}")
                    } else {
                        message.to_owned()
                    };
                    return Err(fault(409, "BucketNotEmpty", &message));
                }
            }
            for (id, upload) in cx.tx.list::<model::Upload>(model::UPLOADS, EVERYWHERE, &inside)? {
                for (part, _) in cx
                    .tx
                    .list::<Value>(model::PARTS, EVERYWHERE, &format!("{}/", upload.id))?
                {
                    cx.tx.delete(model::PARTS, EVERYWHERE, &part)?;
                }
                cx.tx.delete(model::UPLOADS, EVERYWHERE, &id)?;
            }
            cx.tx.delete(BUCKETS, EVERYWHERE, &name)?;
            cx.in_region(&bucket.region).tag_forget(&cx.arn("s3", &name))
        })
        .await?;
    Ok(DeleteBucketOutput::default())
}

pub async fn head_bucket(backend: &Backend, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
    let who = backend.who(&request);
    let bucket = backend.read(&who, |cx| open_bucket(cx, &request.input.bucket))?;
    Ok(HeadBucketOutput {
        bucket_region: Some(bucket.region),
        ..Default::default()
    })
}

pub async fn list_buckets(backend: &Backend, request: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
    let who = backend.who(&request);
    let input = request.input;
    let prefix = input.prefix.clone().unwrap_or_default();
    let limit = input.max_buckets.map_or(10_000, |max| max.clamp(1, 10_000) as usize);
    let all: Vec<(String, Bucket)> = backend.read(&who, |cx| Ok(cx.tx.list(BUCKETS, EVERYWHERE, &prefix)?))?;
    let after = input.continuation_token.unwrap_or_default();
    let mut mine = all.into_iter().map(|(_, bucket)| bucket).filter(|bucket| {
        bucket.account == who.account
            && bucket.name > after
            && input
                .bucket_region
                .as_ref()
                .is_none_or(|region| *region == bucket.region)
    });
    let page: Vec<Bucket> = mine.by_ref().take(limit).collect();
    let token = mine.next().and(page.last().map(|bucket| bucket.name.clone()));
    let buckets = page
        .into_iter()
        .map(|bucket| s3s::dto::Bucket {
            name: Some(bucket.name),
            creation_date: Some(timestamp(bucket.created)),
            bucket_region: Some(bucket.region),
        })
        .collect();
    let id = Some(owner(&who.account));
    Ok(ListBucketsOutput {
        buckets: Some(buckets),
        continuation_token: token,
        owner: Some(Owner { display_name: None, id }),
        prefix: input.prefix,
    })
}

/// The canonical user id of an account: 64 hex digits that never change.
pub fn owner(account: &str) -> String {
    let number: u64 = account.parse().unwrap_or_default();
    (1..=4u64)
        .map(|round| format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ round << 32)))
        .collect()
}

pub async fn get_bucket_location(
    backend: &Backend,
    request: S3Request<GetBucketLocationInput>,
) -> Answer<GetBucketLocationOutput> {
    let who = backend.who(&request);
    // This one answers for buckets of every region.
    let bucket = backend.read(&who, |cx| model::bucket(cx.tx, &request.input.bucket))?;
    if bucket.account != who.account {
        return Err(fault(403, "AccessDenied", "Access Denied"));
    }
    let constraint = (bucket.region != "us-east-1").then(|| BucketLocationConstraint::from(bucket.region));
    Ok(GetBucketLocationOutput {
        location_constraint: constraint,
    })
}

pub fn set<T: Serialize>(bucket: &mut Bucket, name: &str, value: &T) -> Answer<()> {
    let value = serde_json::to_value(value).map_err(|error| fault(500, "InternalError", &error.to_string()))?;
    bucket.settings.insert(name.to_owned(), value);
    Ok(())
}

pub fn setting<T: DeserializeOwned>(bucket: &Bucket, name: &str) -> Answer<Option<T>> {
    let value = bucket.settings.get(name).cloned();
    let value = value.map(serde_json::from_value).transpose();
    value.map_err(|error| fault(500, "InternalError", &error.to_string()))
}

impl Backend {
    pub async fn change_bucket<T>(
        &self,
        request: &S3Request<T>,
        name: &str,
        change: impl FnOnce(&Call, &mut Bucket) -> Answer<()> + Send + 'static,
    ) -> Answer<()> {
        let who = self.who(request);
        let name = name.to_owned();
        self.write(&who, move |cx| {
            let mut bucket = open_bucket(cx, &name)?;
            change(cx, &mut bucket)?;
            model::put_bucket(cx.tx, &bucket)
        })
        .await
    }

    async fn set<T, S: Serialize>(
        &self,
        request: &S3Request<T>,
        name: &str,
        key: &'static str,
        value: S,
    ) -> Answer<()> {
        let value = serde_json::to_value(&value).map_err(|error| fault(500, "InternalError", &error.to_string()))?;
        self.change_bucket(request, name, move |_, bucket| {
            bucket.settings.insert(key.to_owned(), value);
            Ok(())
        })
        .await
    }

    pub async fn unset<T>(&self, request: &S3Request<T>, name: &str, key: &'static str) -> Answer<()> {
        self.change_bucket(request, name, move |_, bucket| {
            bucket.settings.remove(key);
            Ok(())
        })
        .await
    }

    pub fn bucket<T>(&self, request: &S3Request<T>, name: &str) -> Answer<Bucket> {
        let who = self.who(request);
        self.read(&who, |cx| open_bucket(cx, name))
    }

    pub fn setting<T, S: DeserializeOwned>(&self, request: &S3Request<T>, name: &str, key: &str) -> Answer<Option<S>> {
        setting(&self.bucket(request, name)?, key)
    }
}

pub fn absent(code: &str, message: &str, bucket: &str) -> Fault {
    fault(404, code, message).with("BucketName", bucket)
}

pub async fn put_public_access_block(
    backend: &Backend,
    request: S3Request<PutPublicAccessBlockInput>,
) -> Answer<PutPublicAccessBlockOutput> {
    let given = request.input.public_access_block_configuration.clone();
    let full = PublicAccessBlockConfiguration {
        block_public_acls: Some(given.block_public_acls.unwrap_or(false)),
        block_public_policy: Some(given.block_public_policy.unwrap_or(false)),
        ignore_public_acls: Some(given.ignore_public_acls.unwrap_or(false)),
        restrict_public_buckets: Some(given.restrict_public_buckets.unwrap_or(false)),
    };
    backend
        .set(&request, &request.input.bucket, PUBLIC_ACCESS, full)
        .await?;
    Ok(PutPublicAccessBlockOutput::default())
}

pub async fn get_public_access_block(
    backend: &Backend,
    request: S3Request<GetPublicAccessBlockInput>,
) -> Answer<GetPublicAccessBlockOutput> {
    let name = &request.input.bucket;
    let found = backend.setting(&request, name, PUBLIC_ACCESS)?.ok_or_else(|| {
        absent(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
            name,
        )
    })?;
    Ok(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(found),
    })
}

pub async fn delete_public_access_block(
    backend: &Backend,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> Answer<DeletePublicAccessBlockOutput> {
    backend.unset(&request, &request.input.bucket, PUBLIC_ACCESS).await?;
    Ok(DeletePublicAccessBlockOutput::default())
}

pub async fn put_bucket_ownership_controls(
    backend: &Backend,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> Answer<PutBucketOwnershipControlsOutput> {
    let rules = &request.input.ownership_controls.rules;
    let [rule] = rules.as_slice() else {
        return Err(fault(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        ));
    };
    let value = rule.object_ownership.as_str().to_owned();
    backend.set(&request, &request.input.bucket, OWNERSHIP, value).await?;
    Ok(PutBucketOwnershipControlsOutput::default())
}

pub async fn get_bucket_ownership_controls(
    backend: &Backend,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> Answer<GetBucketOwnershipControlsOutput> {
    let name = &request.input.bucket;
    let value: String = backend.setting(&request, name, OWNERSHIP)?.ok_or_else(|| {
        absent(
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
            name,
        )
    })?;
    let rule = OwnershipControlsRule {
        object_ownership: ObjectOwnership::from(value),
    };
    Ok(GetBucketOwnershipControlsOutput {
        ownership_controls: Some(OwnershipControls { rules: vec![rule] }),
    })
}

pub async fn delete_bucket_ownership_controls(
    backend: &Backend,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> Answer<DeleteBucketOwnershipControlsOutput> {
    backend.unset(&request, &request.input.bucket, OWNERSHIP).await?;
    Ok(DeleteBucketOwnershipControlsOutput::default())
}

pub async fn put_bucket_encryption(
    backend: &Backend,
    request: S3Request<PutBucketEncryptionInput>,
) -> Answer<PutBucketEncryptionOutput> {
    let mut configuration = request.input.server_side_encryption_configuration.clone();
    for rule in &mut configuration.rules {
        rule.bucket_key_enabled.get_or_insert(false);
    }
    backend
        .set(&request, &request.input.bucket, ENCRYPTION, configuration)
        .await?;
    Ok(PutBucketEncryptionOutput::default())
}

pub async fn get_bucket_encryption(
    backend: &Backend,
    request: S3Request<GetBucketEncryptionInput>,
) -> Answer<GetBucketEncryptionOutput> {
    let found = backend.setting(&request, &request.input.bucket, ENCRYPTION)?;
    // Every bucket is encrypted; without a setting of its own it is with S3's keys.
    let configuration = found.unwrap_or_else(|| ServerSideEncryptionConfiguration {
        rules: vec![ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
                kms_master_key_id: None,
                sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
            }),
            bucket_key_enabled: Some(false),
        }],
    });
    Ok(GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(configuration),
    })
}

pub async fn delete_bucket_encryption(
    backend: &Backend,
    request: S3Request<DeleteBucketEncryptionInput>,
) -> Answer<DeleteBucketEncryptionOutput> {
    backend.unset(&request, &request.input.bucket, ENCRYPTION).await?;
    Ok(DeleteBucketEncryptionOutput::default())
}

/// Returns the algorithm and key with which a bucket encrypts what names none.
pub fn default_encryption(bucket: &Bucket) -> (String, Option<String>, Option<bool>) {
    let found: Option<ServerSideEncryptionConfiguration> = setting(bucket, ENCRYPTION).ok().flatten();
    let rule = found.and_then(|configuration| configuration.rules.into_iter().next());
    let bucket_key = rule.as_ref().and_then(|rule| rule.bucket_key_enabled);
    match rule.and_then(|rule| rule.apply_server_side_encryption_by_default) {
        Some(default) => {
            let kms = default.sse_algorithm.as_str() != ServerSideEncryption::AES256;
            (
                default.sse_algorithm.as_str().to_owned(),
                default.kms_master_key_id,
                bucket_key.filter(|_| kms),
            )
        }
        None => (ServerSideEncryption::AES256.to_owned(), None, None),
    }
}

pub async fn put_bucket_versioning(
    backend: &Backend,
    request: S3Request<PutBucketVersioningInput>,
) -> Answer<PutBucketVersioningOutput> {
    let status = request
        .input
        .versioning_configuration
        .status
        .as_ref()
        .map(BucketVersioningStatus::as_str);
    let versioning = match status {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => {
            let message = "The Versioning element must be specified";
            return Err(fault(400, "IllegalVersioningConfigurationException", message));
        }
    };
    let change = move |_: &Call, bucket: &mut Bucket| {
        bucket.versioning = versioning;
        Ok(())
    };
    backend.change_bucket(&request, &request.input.bucket, change).await?;
    Ok(PutBucketVersioningOutput::default())
}

pub async fn get_bucket_versioning(
    backend: &Backend,
    request: S3Request<GetBucketVersioningInput>,
) -> Answer<GetBucketVersioningOutput> {
    let status = match backend.bucket(&request, &request.input.bucket)?.versioning {
        Versioning::Never => None,
        Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
        Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
    };
    Ok(GetBucketVersioningOutput {
        status,
        ..Default::default()
    })
}

pub async fn put_bucket_lifecycle_configuration(
    backend: &Backend,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> Answer<PutBucketLifecycleConfigurationOutput> {
    let malformed = || {
        fault(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    };
    let mut configuration = request.input.lifecycle_configuration.clone().ok_or_else(malformed)?;
    let size = request.input.transition_default_minimum_object_size.as_ref();
    let size = size.map_or("all_storage_classes_128K", |size| size.as_str()).to_owned();
    if configuration.rules.is_empty() {
        return Err(malformed());
    }
    for rule in &mut configuration.rules {
        // S3 names the rules that came without a name.
        rule.id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
        let acts = rule.expiration.is_some()
            || rule.transitions.is_some()
            || rule.noncurrent_version_expiration.is_some()
            || rule.noncurrent_version_transitions.is_some()
            || rule.abort_incomplete_multipart_upload.is_some();
        if !acts {
            return Err(fault(
                400,
                "InvalidRequest",
                "At least one action needs to be specified in a rule",
            ));
        }
        if !matches!(rule.status.as_str(), "Enabled" | "Disabled") {
            return Err(malformed());
        }
    }
    let ids: Vec<_> = configuration.rules.iter().map(|rule| rule.id.clone()).collect();
    if ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id)) {
        return Err(fault(
            400,
            "InvalidArgument",
            "Rule ID must be unique. Found same ID for more than one rule",
        ));
    }
    let told = size.clone();
    let change = move |_: &Call, bucket: &mut Bucket| {
        set(bucket, LIFECYCLE, &configuration)?;
        set(bucket, TRANSITION_SIZE, &size)
    };
    backend.change_bucket(&request, &request.input.bucket, change).await?;
    Ok(PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(told.into()),
    })
}

pub async fn get_bucket_lifecycle_configuration(
    backend: &Backend,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> Answer<GetBucketLifecycleConfigurationOutput> {
    let name = &request.input.bucket;
    let bucket = backend.bucket(&request, name)?;
    let found: Option<BucketLifecycleConfiguration> = setting(&bucket, LIFECYCLE)?;
    let found = found.ok_or_else(|| {
        absent(
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
            name,
        )
    })?;
    let size: Option<String> = setting(&bucket, TRANSITION_SIZE)?;
    Ok(GetBucketLifecycleConfigurationOutput {
        rules: Some(found.rules),
        transition_default_minimum_object_size: size.map(Into::into),
    })
}

pub async fn delete_bucket_lifecycle(
    backend: &Backend,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> Answer<DeleteBucketLifecycleOutput> {
    backend.unset(&request, &request.input.bucket, LIFECYCLE).await?;
    Ok(DeleteBucketLifecycleOutput::default())
}

pub async fn put_bucket_tagging(
    backend: &Backend,
    request: S3Request<PutBucketTaggingInput>,
) -> Answer<PutBucketTaggingOutput> {
    let tags = tags_from(request.input.tagging.tag_set.clone());
    check_tags(&tags, 50)?;
    let change = move |cx: &Call, bucket: &mut Bucket| {
        bucket.tags = tags;
        index_tags(cx, bucket)
    };
    backend.change_bucket(&request, &request.input.bucket, change).await?;
    Ok(PutBucketTaggingOutput::default())
}

pub async fn get_bucket_tagging(
    backend: &Backend,
    request: S3Request<GetBucketTaggingInput>,
) -> Answer<GetBucketTaggingOutput> {
    let name = &request.input.bucket;
    let tags = backend.bucket(&request, name)?.tags;
    if tags.is_empty() {
        return Err(absent("NoSuchTagSet", "The TagSet does not exist", name));
    }
    Ok(GetBucketTaggingOutput {
        tag_set: tags_into(tags),
    })
}

pub async fn delete_bucket_tagging(
    backend: &Backend,
    request: S3Request<DeleteBucketTaggingInput>,
) -> Answer<DeleteBucketTaggingOutput> {
    let change = |cx: &Call, bucket: &mut Bucket| {
        bucket.tags.clear();
        index_tags(cx, bucket)
    };
    backend.change_bucket(&request, &request.input.bucket, change).await?;
    Ok(DeleteBucketTaggingOutput::default())
}

pub async fn put_bucket_cors(backend: &Backend, request: S3Request<PutBucketCorsInput>) -> Answer<PutBucketCorsOutput> {
    let configuration = request.input.cors_configuration.clone();
    backend
        .set(&request, &request.input.bucket, CORS, configuration)
        .await?;
    Ok(PutBucketCorsOutput::default())
}

pub async fn get_bucket_cors(backend: &Backend, request: S3Request<GetBucketCorsInput>) -> Answer<GetBucketCorsOutput> {
    let name = &request.input.bucket;
    let found: Option<CORSConfiguration> = backend.setting(&request, name, CORS)?;
    let found =
        found.ok_or_else(|| absent("NoSuchCORSConfiguration", "The CORS configuration does not exist", name))?;
    Ok(GetBucketCorsOutput {
        cors_rules: Some(found.cors_rules),
    })
}

pub async fn delete_bucket_cors(
    backend: &Backend,
    request: S3Request<DeleteBucketCorsInput>,
) -> Answer<DeleteBucketCorsOutput> {
    backend.unset(&request, &request.input.bucket, CORS).await?;
    Ok(DeleteBucketCorsOutput::default())
}
