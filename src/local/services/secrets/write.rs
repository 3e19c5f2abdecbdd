//! Create, change, delete and restore secrets; tags and policies.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::iam::{Policy, Use};
use super::super::{Answer, Call, Fault, random_u64};
use super::{
    CURRENT, SECRETS, Secret, changeable, check_owner, find, identity, invalid, marked, named, not_found, read_value,
    save, text, usable, version_id, versions,
};

const DAY: f64 = 86_400.0;
const TAGS: usize = 50;

fn fresh(name: &str, now: f64) -> Secret {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = random_u64();
    let mut suffix = String::new();
    for _ in 0..6 {
        suffix.push(char::from(LETTERS[(random % 62) as usize]));
        random /= 62;
    }
    Secret {
        name: name.to_string(),
        suffix,
        description: None,
        kms_key: None,
        created: now,
        changed: now,
        accessed: None,
        deleted: None,
        versions: BTreeMap::new(),
        tags: BTreeMap::new(),
        owner: None,
        policy: None,
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    let valid = !name.is_empty()
        && name.len() <= 512
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-/_+=.@!".contains(c));
    if valid {
        return Ok(());
    }
    Err(Fault::bad(
        "ValidationException",
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    ))
}

fn read_tags(input: &Value, tags: &mut BTreeMap<String, String>) -> Result<(), Fault> {
    for tag in input["Tags"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let key = text(tag, "Key");
        if key.is_empty() || key.to_lowercase().starts_with("aws:") {
            return Err(invalid(format!(
                "The tag key {key} is empty or starts with the reserved prefix aws:"
            )));
        }
        tags.insert(key.to_string(), text(tag, "Value").to_string());
    }
    if tags.len() > TAGS {
        return Err(invalid(format!("A secret has at most {TAGS} tags.")));
    }
    Ok(())
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "Name",
            "ClientRequestToken",
            "Description",
            "KmsKeyId",
            "SecretBinary",
            "SecretString",
            "Tags",
        ],
    )?;
    let name = text(input, "Name");
    check_name(name)?;
    let value = read_value(input)?;
    let id = version_id(input);
    if let Some(existing) = cx
        .get::<Secret>(SECRETS, name)?
        .filter(|secret| !secret.is_gone(cx.now))
    {
        if existing.deleted.is_some() {
            return Err(Fault::bad(
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            ));
        }
        // The same request again answers as the first one did.
        let same = existing
            .versions
            .get(&id)
            .map(|version| (version.text.clone(), version.binary.clone()));
        if same.is_some() && same == value {
            let mut answer = identity(cx, &existing);
            answer.insert("VersionId".into(), json!(id));
            return Ok(answer.into());
        }
        return Err(Fault::bad(
            "ResourceExistsException",
            format!("The operation failed because the secret {name} already exists."),
        ));
    }
    let mut secret = fresh(name, cx.now);
    secret.description = input["Description"].as_str().map(str::to_string);
    secret.kms_key = input["KmsKeyId"].as_str().map(str::to_string);
    read_tags(input, &mut secret.tags)?;
    let mut answer = identity(cx, &secret);
    if let Some(value) = value {
        versions::add(&mut secret, &id, value, &[CURRENT.to_string()], cx.now)?;
        answer.insert("VersionId".into(), json!(id));
    }
    save(cx, &secret)?;
    cx.tag_index(&secret.arn(cx), &secret.tags)?;
    Ok(answer.into())
}

/// Makes a secret with a random password for another service, and returns its ARN.
pub fn create_managed(cx: &Call, name: &str, owner: &str, user: &str, kms_key: Option<&str>) -> Result<String, Fault> {
    let mut secret = fresh(name, cx.now);
    secret.owner = Some(owner.to_string());
    secret.kms_key = kms_key.map(str::to_string);
    secret.description = Some(format!("Secret associated with {}", cx.arn(owner, name)));
    secret
        .tags
        .insert("aws:secretsmanager:owningService".into(), owner.to_string());
    let value = json!({ "username": user, "password": super::query::password(32) });
    let id = uuid::Uuid::new_v4().to_string();
    versions::add(
        &mut secret,
        &id,
        (Some(value.to_string()), None),
        &[CURRENT.to_string()],
        cx.now,
    )?;
    save(cx, &secret)?;
    cx.tag_index(&secret.arn(cx), &secret.tags)?;
    Ok(secret.arn(cx))
}

/// Removes a secret that a service made, at once.
pub fn delete_managed(cx: &Call, arn: &str) -> Result<(), Fault> {
    if let Some(secret) = find(cx, arn)? {
        cx.delete(SECRETS, &secret.name)?;
        cx.tag_forget(&secret.arn(cx))?;
    }
    Ok(())
}

pub fn update(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "SecretId",
            "ClientRequestToken",
            "Description",
            "KmsKeyId",
            "SecretBinary",
            "SecretString",
        ],
    )?;
    let mut secret = changeable(cx, input)?;
    if let Some(description) = input["Description"].as_str() {
        secret.description = Some(description.to_string());
    }
    if let Some(key) = input["KmsKeyId"].as_str() {
        secret.kms_key = (!key.is_empty()).then(|| key.to_string());
    }
    let mut answer = identity(cx, &secret);
    if let Some(value) = read_value(input)? {
        let id = version_id(input);
        versions::add(&mut secret, &id, value, &[CURRENT.to_string()], cx.now)?;
        answer.insert("VersionId".into(), json!(id));
    }
    secret.changed = cx.now;
    save(cx, &secret)?;
    Ok(answer.into())
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let force = input["ForceDeleteWithoutRecovery"].as_bool().unwrap_or(false);
    let window = input["RecoveryWindowInDays"].as_i64();
    if force && window.is_some() {
        return Err(invalid(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let window = window.unwrap_or(30);
    if !(7..=30).contains(&window) {
        return Err(invalid(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        ));
    }
    let Some(mut secret) = find(cx, text(input, "SecretId"))? else {
        if !force {
            return Err(not_found());
        }
        // Forcing the deletion of what is not there succeeds.
        let name = text(input, "SecretId");
        let arn = if name.starts_with("arn:") {
            name.to_string()
        } else {
            fresh(name, cx.now).arn(cx)
        };
        return Ok(json!({ "ARN": arn, "Name": name, "DeletionDate": cx.now }));
    };
    check_owner(&secret)?;
    if secret.deleted.is_some() && !force {
        return Err(marked());
    }
    // Even a forced deletion takes effect a moment later.
    let gone = if force {
        cx.now + cx.cloud.pace.seconds(0.0, 5.0)
    } else {
        cx.now + window as f64 * DAY
    };
    secret.deleted = Some((cx.now, gone));
    let mut answer = identity(cx, &secret);
    answer.insert("DeletionDate".into(), json!(gone));
    save(cx, &secret)?;
    if force {
        cx.tag_forget(&secret.arn(cx))?;
    }
    Ok(answer.into())
}

pub fn restore(cx: &Call, input: &Value) -> Answer {
    let mut secret = named(cx, input)?;
    secret.deleted = None;
    save(cx, &secret)?;
    Ok(identity(cx, &secret).into())
}

pub fn tag(cx: &Call, input: &Value) -> Answer {
    let mut secret = usable(cx, input)?;
    read_tags(input, &mut secret.tags)?;
    save(cx, &secret)?;
    cx.tag_index(&secret.arn(cx), &secret.tags)?;
    Ok(json!({}))
}

pub fn untag(cx: &Call, input: &Value) -> Answer {
    let mut secret = usable(cx, input)?;
    for key in input["TagKeys"].as_array().map(Vec::as_slice).unwrap_or_default() {
        secret.tags.remove(key.as_str().unwrap_or_default());
    }
    save(cx, &secret)?;
    cx.tag_index(&secret.arn(cx), &secret.tags)?;
    Ok(json!({}))
}

pub fn put_policy(cx: &Call, input: &Value) -> Answer {
    let mut secret = changeable(cx, input)?;
    let policy = text(input, "ResourcePolicy");
    Policy::parse(policy, Use::Resource).map_err(|message| Fault::bad("MalformedPolicyDocumentException", message))?;
    secret.policy = Some(policy.to_string());
    save(cx, &secret)?;
    Ok(identity(cx, &secret).into())
}

pub fn delete_policy(cx: &Call, input: &Value) -> Answer {
    let mut secret = changeable(cx, input)?;
    secret.policy = None;
    save(cx, &secret)?;
    Ok(identity(cx, &secret).into())
}
