//! `bucket` with its settings. S3 refuses concurrent changes of one bucket's settings, so they are made one by one.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Result, Says, accept, found};
use crate::provider::{
    self, ask_created, ask_updated, changes, claim, document, keep, live, name_of, outputs, parse_document, tag_change,
    typed,
};
use crate::s3_objects;
use crate::tags::{self, Tags, sdk_tags};
use crate::wait::{Patience, busy, retry};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus,
    CreateBucketConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, ObjectOwnership, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
    VersioningConfiguration,
};
use futures::future::try_join_all;
use futures::try_join;
use lakeform_engine::Live;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default)]
    versioning: bool,
    #[serde(default = "aes256")]
    encryption: String,
    #[serde(default = "yes")]
    block_public: bool,
    #[serde(default = "yes")]
    tls_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<Json>,
    #[serde(default)]
    expire: Vec<Expire>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    tags: Tags,
}

fn aes256() -> String {
    "AES256".to_owned()
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Expire {
    #[serde(default)]
    prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noncurrent_days: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abort_uploads_days: Option<i32>,
}

/// The statement id by which the TLS rule is told from the user's own statements.
const TLS_SID: &str = "LakeformTlsOnly";

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    try_join_all(asks.iter().map(|ask| read_one(aws, ask))).await
}

/// There is no request that reads several buckets, or all settings of one.
async fn read_one(aws: &Aws, ask: &Ask) -> Result<Option<Live>> {
    let Some(name) = name_of(ask, "name") else {
        return Ok(None);
    };
    let doing = "read the bucket";
    if found(aws.s3.head_bucket().bucket(&name).send().await.doing(doing))?.is_none() {
        return Ok(None);
    }
    let asked: Vec<String> = ask
        .fields
        .get("prefixes")
        .map(|list| list.as_list().iter().map(|item| item.to_text()).collect())
        .unwrap_or_default();
    let (tags, versioning, encryption, access, policy, lifecycle, prefixes) = try_join!(
        tags_of(aws, &name),
        async {
            aws.s3
                .get_bucket_versioning()
                .bucket(&name)
                .send()
                .await
                .doing("read the bucket's versioning")
        },
        async {
            found(
                aws.s3
                    .get_bucket_encryption()
                    .bucket(&name)
                    .send()
                    .await
                    .doing("read the bucket's encryption"),
            )
        },
        async {
            found(
                aws.s3
                    .get_public_access_block()
                    .bucket(&name)
                    .send()
                    .await
                    .doing("read the public access block"),
            )
        },
        async {
            found(
                aws.s3
                    .get_bucket_policy()
                    .bucket(&name)
                    .send()
                    .await
                    .doing("read the bucket's policy"),
            )
        },
        async {
            let request = aws.s3.get_bucket_lifecycle_configuration().bucket(&name);
            found(request.send().await.doing("read the bucket's lifecycle rules"))
        },
        present_prefixes(aws, &name, asked),
    )?;
    let (tags, owner) = tags::split(tags);
    let (tls_only, policy) = split_policy(policy.and_then(|answer| answer.policy).as_deref());
    let (expire, extras) = from_rules(lifecycle.and_then(|answer| answer.rules).unwrap_or_default());
    let algorithm = encryption
        .and_then(|answer| answer.server_side_encryption_configuration)
        .and_then(|configuration| configuration.rules.into_iter().next())
        .and_then(|rule| rule.apply_server_side_encryption_by_default)
        .map(|default| default.sse_algorithm.as_str().to_owned());
    let block = access.and_then(|answer| answer.public_access_block_configuration);
    let block_public = block.is_some_and(|block| {
        [
            block.block_public_acls,
            block.ignore_public_acls,
            block.block_public_policy,
            block.restrict_public_buckets,
        ]
        .iter()
        .all(|on| *on == Some(true))
    });
    let wanted = Wanted {
        name: name.clone(),
        versioning: versioning.status == Some(BucketVersioningStatus::Enabled),
        // S3 encrypts everything since 2023, whether or not it says so.
        encryption: algorithm.unwrap_or_else(aes256),
        block_public,
        tls_only,
        policy,
        expire,
        prefixes,
        tags,
    };
    let outputs = outputs! {
        name: name.as_str(),
        arn: format!("arn:aws:s3:::{name}"),
        url: format!("s3://{name}"),
    };
    let mut live = live(&name, &wanted, outputs, owner);
    live.extras = extras;
    keep(&mut live, &ask.fields, &["force_destroy"]);
    Ok(Some(live))
}

async fn tags_of(aws: &Aws, name: &str) -> Result<Tags> {
    let answer = found(
        aws.s3
            .get_bucket_tagging()
            .bucket(name)
            .send()
            .await
            .doing("read the bucket's tags"),
    )?;
    Ok(answer
        .map(|answer| answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
        .unwrap_or_default())
}

async fn present_prefixes(aws: &Aws, name: &str, asked: Vec<String>) -> Result<Vec<String>> {
    let looks = asked.iter().map(|prefix| async move {
        let key = folder(prefix);
        let answer = aws
            .s3
            .list_objects_v2()
            .bucket(name)
            .prefix(&key)
            .max_keys(1)
            .send()
            .await
            .doing("list a prefix")?;
        Ok::<_, lakeform_engine::CloudError>(!answer.contents().is_empty())
    });
    let present = try_join_all(looks).await?;
    Ok(asked
        .iter()
        .zip(present)
        .filter(|(_, present)| *present)
        .map(|(prefix, _)| prefix.clone())
        .collect())
}

/// A folder's key ends in a slash, however it is written.
fn folder(prefix: &str) -> String {
    format!("{}/", prefix.trim_matches('/'))
}

fn split_policy(text: Option<&str>) -> (bool, Option<Json>) {
    let Some(text) = text else { return (false, None) };
    let mut policy = parse_document(text);
    let Some(statement) = policy.get_mut("Statement") else {
        return (false, Some(policy));
    };
    if !statement.is_array() {
        *statement = Json::Array(vec![statement.take()]);
    }
    let statements = statement.as_array_mut().expect("made an array above");
    let before = statements.len();
    statements.retain(|statement| statement.get("Sid").and_then(Json::as_str) != Some(TLS_SID));
    let (tls_only, empty) = (statements.len() < before, statements.is_empty());
    (tls_only, (!empty).then_some(policy))
}

fn join_policy(wanted: &Wanted) -> Option<Json> {
    let mut policy = match &wanted.policy {
        Some(Json::String(text)) => parse_document(text),
        Some(policy) => policy.clone(),
        None if !wanted.tls_only => return None,
        None => json!({"Version": "2012-10-17", "Statement": []}),
    };
    if wanted.tls_only
        && let Some(statement) = policy.get_mut("Statement")
    {
        if !statement.is_array() {
            *statement = Json::Array(vec![statement.take()]);
        }
        let arn = format!("arn:aws:s3:::{}", wanted.name);
        statement.as_array_mut().expect("made an array above").push(json!({
            "Sid": TLS_SID,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }));
    }
    Some(policy)
}

fn from_rules(rules: Vec<LifecycleRule>) -> (Vec<Expire>, Vec<String>) {
    let mut expire = Vec::new();
    let mut extras = Vec::new();
    for rule in rules {
        let name = rule.id.as_deref().unwrap_or("without a name");
        let filter = rule.filter.as_ref();
        let narrow = filter.is_some_and(|filter| {
            filter.tag.is_some()
                || filter.and.is_some()
                || filter.object_size_greater_than.is_some()
                || filter.object_size_less_than.is_some()
        });
        if narrow || !rule.transitions().is_empty() || !rule.noncurrent_version_transitions().is_empty() {
            extras.push(format!("the lifecycle rule {name}"));
            continue;
        }
        if rule.status != ExpirationStatus::Enabled {
            extras.push(format!("the disabled lifecycle rule {name}"));
            continue;
        }
        let prefix = filter
            .and_then(|filter| filter.prefix.clone())
            .or_else(|| rule_prefix(&rule))
            .unwrap_or_default();
        expire.push(Expire {
            prefix,
            days: rule.expiration.and_then(|expiration| expiration.days),
            noncurrent_days: rule
                .noncurrent_version_expiration
                .and_then(|expiration| expiration.noncurrent_days),
            abort_uploads_days: rule
                .abort_incomplete_multipart_upload
                .and_then(|abort| abort.days_after_initiation),
        });
    }
    (expire, extras)
}

#[expect(deprecated, reason = "old rules still carry their prefix here")]
fn rule_prefix(rule: &LifecycleRule) -> Option<String> {
    rule.prefix.clone()
}

fn to_rule(index: usize, expire: &Expire) -> Result<LifecycleRule> {
    LifecycleRule::builder()
        .id(format!("lakeform-{index}"))
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(&expire.prefix).build())
        .set_expiration(
            expire
                .days
                .map(|days| LifecycleExpiration::builder().days(days).build()),
        )
        .set_noncurrent_version_expiration(
            expire
                .noncurrent_days
                .map(|days| NoncurrentVersionExpiration::builder().noncurrent_days(days).build()),
        )
        .set_abort_incomplete_multipart_upload(expire.abort_uploads_days.map(|days| {
            AbortIncompleteMultipartUpload::builder()
                .days_after_initiation(days)
                .build()
        }))
        .build()
        .doing("write a lifecycle rule")
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&create.fields)?;
    let name = &wanted.name;
    let ask = ask_created(create, name);
    let tags = tags::join(&create.owner, &wanted.tags);
    let made = retry(settling(aws, 600), report, busy, async || make(aws, name, &tags).await).await;
    // A bucket of our own account is "already owned by you"; this one is of another.
    if let Err(error) = &made
        && error.has_code(&["BucketAlreadyExists"])
    {
        return Err(error
            .clone()
            .hint("bucket names are unique in the world: choose another, such as one that ends in your account id"));
    }
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    claim(aws, made, create, report, shown).await?;
    report(Progress::Made { id: name.clone() });
    // Some endpoints accept the tags of the create call and forget them.
    if tags_of(aws, name).await? != tags {
        put_tags(aws, name, &tags).await?;
    }
    let unset = Wanted {
        versioning: false,
        encryption: String::new(),
        block_public: !wanted.block_public,
        tls_only: false,
        policy: None,
        expire: Vec::new(),
        prefixes: Vec::new(),
        ..typed(&create.fields)?
    };
    settle(aws, &wanted, &unset, report).await?;
    let doing = "create the bucket";
    provider::visible(aws, doing, report, shown).await
}

/// How long other changes of the bucket may take to end. A name just freed stays taken for minutes.
fn settling(aws: &Aws, limit_s: u64) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 5),
        Pace::Aws => Patience::new(Pace::Aws, limit_s),
    }
}

async fn make(aws: &Aws, name: &str, tags: &Tags) -> Result<()> {
    let doing = "create the bucket";
    let region = aws.connection.region();
    let constraint = (region != "us-east-1").then(|| BucketLocationConstraint::from(region));
    let configuration = CreateBucketConfiguration::builder().set_location_constraint(constraint.clone());
    let tagged = configuration
        .clone()
        .set_tags(Some(sdk_tags!(tags, Tag, checked)))
        .build();
    let request = aws
        .s3
        .create_bucket()
        .bucket(name)
        .object_ownership(ObjectOwnership::BucketOwnerEnforced);
    let answer = request
        .clone()
        .create_bucket_configuration(tagged)
        .send()
        .await
        .doing(doing);
    match answer {
        // Endpoints older than tags in this call.
        Err(error) if error.has_code(&["MalformedXML"]) => {
            let configuration = constraint.is_some().then(|| configuration.build());
            request
                .set_create_bucket_configuration(configuration)
                .send()
                .await
                .doing(doing)?;
            put_tags(aws, name, tags).await
        }
        other => other.map(|_| ()),
    }
}

async fn put_tags(aws: &Aws, name: &str, tags: &Tags) -> Result<()> {
    let tagging = Tagging::builder()
        .set_tag_set(Some(sdk_tags!(tags, Tag, checked)))
        .build()
        .doing("set tags")?;
    aws.s3
        .put_bucket_tagging()
        .bucket(name)
        .tagging(tagging)
        .send()
        .await
        .doing("tag the bucket")?;
    Ok(())
}

/// Makes the settings that differ what they should be, one by one; the policy last, since the public access block
/// decides which policies are accepted.
async fn settle(aws: &Aws, wanted: &Wanted, present: &Wanted, report: Report<'_>) -> Result<()> {
    let name = &wanted.name;
    let patience = settling(aws, 300);
    if wanted.block_public != present.block_public {
        retry(patience, report, busy, async || {
            put_access(aws, name, wanted.block_public).await
        })
        .await?;
    }
    if wanted.encryption != present.encryption {
        retry(patience, report, busy, async || {
            put_encryption(aws, name, &wanted.encryption).await
        })
        .await?;
    }
    if wanted.versioning != present.versioning {
        retry(patience, report, busy, async || {
            put_versioning(aws, name, wanted.versioning).await
        })
        .await?;
    }
    if wanted.expire != present.expire {
        retry(patience, report, busy, async || {
            put_lifecycle(aws, name, &wanted.expire).await
        })
        .await?;
    }
    if wanted.tls_only != present.tls_only || wanted.policy != present.policy {
        retry(patience, report, busy, async || put_policy(aws, wanted).await).await?;
    }
    for prefix in wanted
        .prefixes
        .iter()
        .filter(|prefix| !present.prefixes.contains(prefix))
    {
        let request = aws.s3.put_object().bucket(name).key(folder(prefix)).content_length(0);
        request.send().await.doing(format!("make the folder {prefix}"))?;
    }
    Ok(())
}

async fn put_access(aws: &Aws, name: &str, block: bool) -> Result<()> {
    let configuration = PublicAccessBlockConfiguration::builder()
        .block_public_acls(block)
        .ignore_public_acls(block)
        .block_public_policy(block)
        .restrict_public_buckets(block)
        .build();
    let request = aws
        .s3
        .put_public_access_block()
        .bucket(name)
        .public_access_block_configuration(configuration);
    request.send().await.doing("set the public access block")?;
    Ok(())
}

async fn put_encryption(aws: &Aws, name: &str, algorithm: &str) -> Result<()> {
    let doing = "set the bucket's encryption";
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::from(algorithm))
        .build()
        .doing(doing)?;
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .build();
    let configuration = ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build()
        .doing(doing)?;
    let request = aws
        .s3
        .put_bucket_encryption()
        .bucket(name)
        .server_side_encryption_configuration(configuration);
    request.send().await.doing(doing)?;
    Ok(())
}

async fn put_versioning(aws: &Aws, name: &str, on: bool) -> Result<()> {
    // Once on, it can only be suspended.
    let status = if on {
        BucketVersioningStatus::Enabled
    } else {
        BucketVersioningStatus::Suspended
    };
    let configuration = VersioningConfiguration::builder().status(status).build();
    let request = aws
        .s3
        .put_bucket_versioning()
        .bucket(name)
        .versioning_configuration(configuration);
    request.send().await.doing("set the bucket's versioning")?;
    Ok(())
}

async fn put_lifecycle(aws: &Aws, name: &str, expire: &[Expire]) -> Result<()> {
    let doing = "set the bucket's lifecycle rules";
    if expire.is_empty() {
        aws.s3
            .delete_bucket_lifecycle()
            .bucket(name)
            .send()
            .await
            .doing(doing)?;
        return Ok(());
    }
    let rules: Result<Vec<LifecycleRule>> = expire
        .iter()
        .enumerate()
        .map(|(index, rule)| to_rule(index, rule))
        .collect();
    let configuration = BucketLifecycleConfiguration::builder()
        .set_rules(Some(rules?))
        .build()
        .doing(doing)?;
    let request = aws
        .s3
        .put_bucket_lifecycle_configuration()
        .bucket(name)
        .lifecycle_configuration(configuration);
    request.send().await.doing(doing)?;
    Ok(())
}

async fn put_policy(aws: &Aws, wanted: &Wanted) -> Result<()> {
    let doing = "set the bucket's policy";
    match join_policy(wanted) {
        Some(policy) => {
            aws.s3
                .put_bucket_policy()
                .bucket(&wanted.name)
                .policy(document(&policy))
                .send()
                .await
                .doing(doing)?;
        }
        None => accept(
            aws.s3
                .delete_bucket_policy()
                .bucket(&wanted.name)
                .send()
                .await
                .doing(doing),
            Meaning::NotFound,
        )?,
    }
    Ok(())
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    let present: Wanted = typed(&update.before.fields)?;
    let change = tag_change(update)?;
    if !change.set.is_empty() || !change.remove.is_empty() {
        // S3 replaces all tags at once, so those of others must be sent along.
        let mut tags = tags_of(aws, &update.id).await?;
        tags.retain(|key, _| !change.remove.contains(key));
        tags.extend(change.set);
        put_tags(aws, &update.id, &tags).await?;
    }
    settle(aws, &wanted, &present, report).await?;
    if changes(update, &["prefixes"]) {
        for prefix in present
            .prefixes
            .iter()
            .filter(|prefix| !wanted.prefixes.contains(prefix))
        {
            let request = aws.s3.delete_object().bucket(&update.id).key(folder(prefix));
            request.send().await.doing(format!("remove the folder {prefix}"))?;
        }
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, "change the bucket")
}

#[derive(Deserialize)]
struct OnlyForDelete {
    #[serde(default)]
    force_destroy: bool,
    #[serde(default)]
    prefixes: Vec<String>,
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let name = &delete.id;
    let wanted: OnlyForDelete = typed(&delete.fields)?;
    if found(
        aws.s3
            .head_bucket()
            .bucket(name)
            .send()
            .await
            .doing("look at the bucket"),
    )?
    .is_none()
    {
        return Ok(());
    }
    let ours: Vec<String> = wanted.prefixes.iter().map(|prefix| folder(prefix)).collect();
    let scope = if wanted.force_destroy {
        s3_objects::Scope::Everything
    } else {
        s3_objects::Scope::EmptyMarkers(&ours)
    };
    // A writer that is still at work, such as log delivery, may put objects between emptying and deleting.
    let refilled = |error: &lakeform_engine::CloudError| {
        (wanted.force_destroy && error.has_code(&["BucketNotEmpty"])).then_some("objects are still arriving")
    };
    retry(settling(aws, 120), report, refilled, async || {
        s3_objects::empty(aws, name, scope, report).await?;
        let deleted = aws
            .s3
            .delete_bucket()
            .bucket(name)
            .send()
            .await
            .doing("delete the bucket");
        accept(deleted, Meaning::NotFound)
    })
    .await
    .map_err(
        |error| match error.has_code(&["BucketNotEmpty"]) && !wanted.force_destroy {
            true => error.hint("`force_destroy = true` on the bucket lets destroy delete the objects in it"),
            false => error,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(tls_only: bool, policy: Option<Json>) -> Wanted {
        let fields = json!({"name": "b", "tls_only": tls_only, "policy": policy});
        serde_json::from_value(fields).expect("a bucket")
    }

    #[test]
    fn the_tls_rule_and_the_users_policy_come_apart_as_they_went_together() {
        let own = json!({"Version": "2012-10-17", "Statement": [{"Sid": "Mine", "Effect": "Allow"}]});
        for (tls_only, policy) in [
            (true, None),
            (true, Some(own.clone())),
            (false, Some(own)),
            (false, None),
        ] {
            let joined = join_policy(&wanted(tls_only, policy.clone())).map(|policy| document(&policy));
            assert_eq!(split_policy(joined.as_deref()), (tls_only, policy));
        }
    }

    #[test]
    fn lifecycle_rules_read_back_as_they_were_written() {
        let rules = vec![
            Expire {
                prefix: "tmp/".to_owned(),
                days: Some(7),
                noncurrent_days: None,
                abort_uploads_days: Some(1),
            },
            Expire {
                prefix: String::new(),
                days: None,
                noncurrent_days: Some(30),
                abort_uploads_days: None,
            },
        ];
        let written: Vec<LifecycleRule> = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| to_rule(index, rule).expect("a rule"))
            .collect();
        assert_eq!(from_rules(written), (rules, Vec::new()));
    }
}
