//! Reading secrets: values, descriptions, lists and random passwords.

use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault, random_u64};
use super::{CURRENT, SECRETS, Secret, find, identity, invalid, named, save, shown_tags, text, usable};

const DAY: f64 = 86_400.0;

pub fn value(cx: &Call, input: &Value) -> Answer {
    let mut secret = usable(cx, input)?;
    let answer = shown_value(cx, &secret, input)?;
    // The day of the last access is all that is kept, so that most reads write nothing.
    let today = (cx.now / DAY).floor() * DAY;
    if secret.accessed != Some(today) {
        secret.accessed = Some(today);
        save(cx, &secret)?;
    }
    Ok(answer.into())
}

fn shown_value(cx: &Call, secret: &Secret, input: &Value) -> Result<Map<String, Value>, Fault> {
    let (wanted, stage) = (input["VersionId"].as_str(), input["VersionStage"].as_str());
    let missing = |what: String| {
        Fault::bad(
            "ResourceNotFoundException",
            format!("Secrets Manager can't find the specified secret value for {what}"),
        )
    };
    let (id, version) = match wanted {
        Some(id) => {
            let found = secret
                .versions
                .get_key_value(id)
                .ok_or_else(|| missing(format!("VersionId: {id}")))?;
            if stage.is_some_and(|stage| !found.1.stages.iter().any(|held| held == stage)) {
                return Err(Fault::bad(
                    "InvalidRequestException",
                    "You provided a VersionStage that is not associated to the provided VersionId.",
                ));
            }
            found
        }
        None => {
            let stage = stage.unwrap_or(CURRENT);
            secret
                .staged(stage)
                .ok_or_else(|| missing(format!("staging label: {stage}")))?
        }
    };
    let mut shown = identity(cx, secret);
    shown.insert("VersionId".into(), json!(id));
    if let Some(text) = &version.text {
        shown.insert("SecretString".into(), json!(text));
    }
    if let Some(binary) = &version.binary {
        shown.insert("SecretBinary".into(), json!(binary));
    }
    shown.insert("VersionStages".into(), json!(version.stages));
    shown.insert("CreatedDate".into(), json!(version.created));
    Ok(shown)
}

/// Returns user name and password of a secret with the usual JSON value, for services that log in with it.
pub fn credentials_of(cx: &Call, id: &str) -> Result<Option<(String, String)>, Fault> {
    let Some(secret) = find(cx, id)?.filter(|secret| secret.deleted.is_none()) else {
        return Ok(None);
    };
    let text = secret
        .staged(CURRENT)
        .and_then(|(_, version)| version.text.clone())
        .unwrap_or_default();
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let member = |key: &str| value[key].as_str().map(str::to_string);
    Ok(member("username").zip(member("password")))
}

pub fn values(cx: &Call, input: &Value) -> Answer {
    let ids = input["SecretIdList"].as_array();
    let filters = input["Filters"].as_array();
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    let mut token = None;
    match (ids, filters) {
        (Some(ids), None) => {
            if ids.len() > 20 {
                return Err(invalid("SecretIdList has at most 20 secrets."));
            }
            if input.get("MaxResults").is_some() {
                return Err(invalid("MaxResults can only be used with Filters."));
            }
            for id in ids.iter().filter_map(Value::as_str) {
                let shown =
                    usable(cx, &json!({ "SecretId": id })).and_then(|secret| shown_value(cx, &secret, &json!({})));
                match shown {
                    Ok(shown) => found.push(Value::Object(shown)),
                    Err(fault) => {
                        errors.push(json!({ "SecretId": id, "ErrorCode": fault.code, "Message": fault.message }));
                    }
                }
            }
        }
        (None, Some(_)) => {
            let secrets = matching(cx, input)?;
            let shown = secrets
                .iter()
                .filter_map(|secret| shown_value(cx, secret, &json!({})).ok());
            (found, token) = cx.page(
                shown.map(Value::Object).collect(),
                input,
                "MaxResults",
                "NextToken",
                20,
                20,
            )?;
        }
        _ => return Err(invalid("Specify either SecretIdList or Filters.")),
    }
    let mut answer = json!({ "SecretValues": found, "Errors": errors });
    if let Some(token) = token {
        answer["NextToken"] = json!(token);
    }
    Ok(answer)
}

fn shown(cx: &Call, secret: &Secret, versions_key: &str) -> Map<String, Value> {
    let mut shown = identity(cx, secret);
    let mut set = |key: &str, value: Option<Value>| value.and_then(|value| shown.insert(key.into(), value));
    set("Description", secret.description.as_ref().map(|text| json!(text)));
    set("KmsKeyId", secret.kms_key.as_ref().map(|key| json!(key)));
    set("LastChangedDate", Some(json!(secret.changed)));
    set("LastAccessedDate", secret.accessed.map(|day| json!(day)));
    set("DeletedDate", secret.deleted.map(|(_, gone)| json!(gone)));
    set("Tags", Some(shown_tags(&secret.tags)));
    let staged = secret.versions.iter().filter(|(_, version)| !version.stages.is_empty());
    let stages: Map<String, Value> = staged
        .map(|(id, version)| (id.clone(), json!(version.stages)))
        .collect();
    set(versions_key, (!stages.is_empty()).then(|| stages.into()));
    set("OwningService", secret.owner.as_ref().map(|owner| json!(owner)));
    set("CreatedDate", Some(json!(secret.created)));
    shown
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    Ok(shown(cx, &named(cx, input)?, "VersionIdsToStages").into())
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let mut secrets = matching(cx, input)?;
    match input["SortBy"].as_str() {
        Some("name") => secrets.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("last-changed-date") => secrets.sort_by(|a, b| a.changed.total_cmp(&b.changed)),
        Some("last-accessed-date") => {
            secrets.sort_by(|a, b| a.accessed.unwrap_or(0.0).total_cmp(&b.accessed.unwrap_or(0.0)))
        }
        _ => secrets.sort_by(|a, b| a.created.total_cmp(&b.created)),
    }
    if input["SortOrder"].as_str() != Some("asc") {
        secrets.reverse();
    }
    let shown = secrets
        .iter()
        .map(|secret| shown(cx, secret, "SecretVersionsToStages").into())
        .collect();
    let (secrets, token) = cx.page(shown, input, "MaxResults", "NextToken", 100, 100)?;
    let mut answer = json!({ "SecretList": secrets });
    if let Some(token) = token {
        answer["NextToken"] = json!(token);
    }
    Ok(answer)
}

/// Returns the secrets that all filters of the request let through.
fn matching(cx: &Call, input: &Value) -> Result<Vec<Secret>, Fault> {
    let deleted = input["IncludePlannedDeletion"].as_bool().unwrap_or(false);
    let filters = input["Filters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    for (_, secret) in cx.list::<Secret>(SECRETS, "")? {
        if secret.is_gone(cx.now) || secret.deleted.is_some() && !deleted {
            continue;
        }
        if filters.iter().all(|filter| lets_through(cx, filter, &secret)) {
            found.push(secret);
        }
    }
    Ok(found)
}

/// A filter's values are alternatives and compare by prefix; `!` in front of one excludes. Tag keys and tag values
/// are filtered independently of each other.
fn lets_through(cx: &Call, filter: &Value, secret: &Secret) -> bool {
    let key = text(filter, "Key");
    let candidates: Vec<String> = match key {
        "name" => vec![secret.name.clone()],
        "description" => secret.description.clone().into_iter().collect(),
        "tag-key" => secret.tags.keys().cloned().collect(),
        "tag-value" => secret.tags.values().cloned().collect(),
        "primary-region" => vec![cx.region.clone()],
        "owning-service" => secret.owner.clone().into_iter().collect(),
        _ => {
            let tags = secret.tags.iter().flat_map(|(key, value)| [key.clone(), value.clone()]);
            [secret.name.clone()]
                .into_iter()
                .chain(secret.description.clone())
                .chain(tags)
                .collect()
        }
    };
    // Names and tags compare with case, descriptions and `all` without.
    let folds = key == "all" || key == "description";
    let begins = |candidate: &String, wanted: &str| {
        if folds {
            let wanted = wanted.to_lowercase();
            candidate
                .to_lowercase()
                .split_whitespace()
                .any(|word| word.starts_with(&wanted))
                || candidate.to_lowercase().starts_with(&wanted)
        } else {
            candidate.starts_with(wanted)
        }
    };
    let values = filter["Values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (mut positive, mut matched) = (false, false);
    for value in values.iter().filter_map(Value::as_str) {
        if let Some(excluded) = value.strip_prefix('!') {
            if candidates.iter().any(|candidate| begins(candidate, excluded)) {
                return false;
            }
        } else {
            positive = true;
            matched |= candidates.iter().any(|candidate| begins(candidate, value));
        }
    }
    matched || !positive
}

pub fn policy(cx: &Call, input: &Value) -> Answer {
    let secret = usable(cx, input)?;
    let mut answer = identity(cx, &secret);
    if let Some(policy) = &secret.policy {
        answer.insert("ResourcePolicy".into(), json!(policy));
    }
    Ok(answer.into())
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// Returns a random password that Redshift accepts.
pub fn password(length: usize) -> String {
    let kinds: Vec<Vec<char>> = [LOWER, UPPER, DIGITS, "!#$%&()*+,-.:;<=>?[]^_{|}~"]
        .iter()
        .map(|kind| kind.chars().collect())
        .collect();
    draw(&kinds, length, true)
}

/// Draws characters from all kinds; with `each`, at least one of each kind, at random places.
fn draw(kinds: &[Vec<char>], length: usize, each: bool) -> String {
    let pick = |from: &[char]| from[(random_u64() % from.len() as u64) as usize];
    let all: Vec<char> = kinds.iter().flatten().copied().collect();
    let mut drawn: Vec<char> = if each {
        kinds.iter().map(|kind| pick(kind)).collect()
    } else {
        Vec::new()
    };
    while drawn.len() < length {
        drawn.push(pick(&all));
    }
    for at in (1..drawn.len()).rev() {
        drawn.swap(at, (random_u64() % (at as u64 + 1)) as usize);
    }
    drawn.into_iter().collect()
}

pub fn random_password(_cx: &Call, input: &Value) -> Answer {
    let flag = |key: &str| input[key].as_bool().unwrap_or(false);
    let excluded = text(input, "ExcludeCharacters");
    let space = if flag("IncludeSpace") { " " } else { "" };
    let kinds: Vec<Vec<char>> = [
        (LOWER, flag("ExcludeLowercase")),
        (UPPER, flag("ExcludeUppercase")),
        (DIGITS, flag("ExcludeNumbers")),
        (PUNCTUATION, flag("ExcludePunctuation")),
        (space, false),
    ]
    .into_iter()
    .filter(|(_, left_out)| !left_out)
    .map(|(kind, _)| kind.chars().filter(|c| !excluded.contains(*c)).collect::<Vec<char>>())
    .filter(|kind| !kind.is_empty())
    .collect();
    if kinds.is_empty() {
        return Err(invalid("There are no characters left to choose from."));
    }
    let length = input["PasswordLength"].as_u64().unwrap_or(32) as usize;
    let each = input["RequireEachIncludedType"].as_bool().unwrap_or(true);
    if length > 4096 || each && length < kinds.len() {
        return Err(invalid(format!(
            "PasswordLength must be between {} and 4096.",
            kinds.len()
        )));
    }
    Ok(json!({ "RandomPassword": draw(&kinds, length, each) }))
}
