//! Versions of a secret's value and the stages that point to them.

use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::{
    CURRENT, PREVIOUS, Secret, Version, changeable, identity, invalid, read_value, save, text, usable, version_id,
};

const VERSIONS: usize = 100;
const STAGES: usize = 20;

/// Adds a version and moves the stages to it. Returns whether anything changed: the same value under the same id
/// again is a repeated request, another value under it an error.
pub fn add(
    secret: &mut Secret,
    id: &str,
    value: (Option<String>, Option<String>),
    stages: &[String],
    now: f64,
) -> Result<bool, Fault> {
    if let Some(version) = secret.versions.get(id) {
        if (version.text.clone(), version.binary.clone()) == value {
            return Ok(false);
        }
        return Err(Fault::bad(
            "ResourceExistsException",
            format!(
                "You can't use ClientRequestToken {id} because that value is already in use for a version of this secret."
            ),
        ));
    }
    let (text, binary) = value;
    secret.versions.insert(
        id.to_string(),
        Version {
            text,
            binary,
            stages: Vec::new(),
            created: now,
        },
    );
    for stage in stages {
        attach(secret, stage, id);
    }
    trim(secret);
    secret.changed = now;
    Ok(true)
}

/// Moves a stage to a version. The version that was current becomes the previous one.
fn attach(secret: &mut Secret, stage: &str, id: &str) {
    let from = secret.staged(stage).map(|(holder, _)| holder.clone());
    if from.as_deref() == Some(id) {
        return;
    }
    if let Some(from) = &from {
        detach(secret, stage, from);
    }
    if let Some(version) = secret.versions.get_mut(id) {
        version.stages.push(stage.to_string());
    }
    if let (CURRENT, Some(from)) = (stage, from) {
        attach(secret, PREVIOUS, &from);
        detach(secret, PREVIOUS, id);
    }
}

fn detach(secret: &mut Secret, stage: &str, id: &str) {
    if let Some(version) = secret.versions.get_mut(id) {
        version.stages.retain(|held| held != stage);
    }
}

/// Versions without a stage go, the oldest first, when there are more than 100.
fn trim(secret: &mut Secret) {
    while secret.versions.len() > VERSIONS {
        let unstaged = secret.versions.iter().filter(|(_, version)| version.stages.is_empty());
        let oldest = unstaged
            .min_by(|(_, a), (_, b)| a.created.total_cmp(&b.created))
            .map(|(id, _)| id.clone());
        let Some(oldest) = oldest else { return };
        secret.versions.remove(&oldest);
    }
}

pub fn put(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "SecretId",
            "ClientRequestToken",
            "SecretBinary",
            "SecretString",
            "VersionStages",
        ],
    )?;
    let mut secret = changeable(cx, input)?;
    let value = read_value(input)?;
    let value = value.ok_or_else(|| invalid("You must provide either SecretString or SecretBinary."))?;
    let stages: Vec<String> = match input["VersionStages"].as_array() {
        Some(stages) => stages.iter().filter_map(Value::as_str).map(str::to_string).collect(),
        None => vec![CURRENT.to_string()],
    };
    if stages.is_empty() || stages.len() > STAGES {
        return Err(invalid(format!("A version has between 1 and {STAGES} stages.")));
    }
    let id = version_id(input);
    if add(&mut secret, &id, value, &stages, cx.now)? {
        save(cx, &secret)?;
    }
    let mut answer = identity(cx, &secret);
    answer.insert("VersionId".into(), json!(id));
    answer.insert("VersionStages".into(), json!(secret.versions[&id].stages));
    Ok(answer.into())
}

pub fn move_stage(cx: &Call, input: &Value) -> Answer {
    let mut secret = changeable(cx, input)?;
    let stage = text(input, "VersionStage");
    let (from, to) = (input["RemoveFromVersionId"].as_str(), input["MoveToVersionId"].as_str());
    let holder = secret.staged(stage).map(|(id, _)| id.clone());
    if let Some(id) = [from, to]
        .into_iter()
        .flatten()
        .find(|id| !secret.versions.contains_key(*id))
    {
        return Err(Fault::bad(
            "ResourceNotFoundException",
            format!("Secrets Manager can't find the specified secret value for VersionId: {id}"),
        ));
    }
    // Taking a stage from its holder must be said.
    if let Some(holder) = &holder
        && from != Some(holder.as_str())
        && to != Some(holder.as_str())
    {
        return Err(invalid(format!(
            "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
        )));
    }
    if let Some(from) = from
        && holder.as_deref() != Some(from)
    {
        return Err(invalid(format!(
            "The staging label {stage} isn't attached to version {from}."
        )));
    }
    match (from, to) {
        (_, Some(to)) => attach(&mut secret, stage, to),
        (Some(_), None) if stage == CURRENT => {
            return Err(invalid(
                "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
            ));
        }
        (Some(from), None) => detach(&mut secret, stage, from),
        (None, None) => return Err(invalid("You must specify RemoveFromVersionId or MoveToVersionId.")),
    }
    secret.changed = cx.now;
    save(cx, &secret)?;
    Ok(identity(cx, &secret).into())
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let secret = usable(cx, input)?;
    let all = input["IncludeDeprecated"].as_bool().unwrap_or(false);
    let mut versions: Vec<_> = secret
        .versions
        .iter()
        .filter(|(_, version)| all || !version.stages.is_empty())
        .collect();
    versions.sort_by(|(_, a), (_, b)| b.created.total_cmp(&a.created));
    let shown = versions.into_iter().map(|(id, version)| {
        let mut shown = json!({ "VersionId": id, "CreatedDate": version.created });
        if !version.stages.is_empty() {
            shown["VersionStages"] = json!(version.stages);
        }
        shown
    });
    let (versions, token) = cx.page(shown.collect(), input, "MaxResults", "NextToken", 100, 100)?;
    let mut answer = identity(cx, &secret);
    answer.insert("Versions".into(), versions.into());
    if let Some(token) = token {
        answer.insert("NextToken".into(), json!(token));
    }
    Ok(answer.into())
}
