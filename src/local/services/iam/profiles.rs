//! Instance profiles. Nothing runs in them here; they matter because a role in one cannot be deleted.

use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault};
use super::documents::{
    InstanceProfile, PROFILES, Tags, check_name, conflict, limit, missing, paged, read_path, read_tags, shown_tags,
    text, unique_id,
};
use super::roles;

pub fn shown(cx: &Call, profile: &InstanceProfile) -> Result<Value, Fault> {
    let mut shown = Map::new();
    shown.insert("Path".into(), json!(profile.path));
    shown.insert("InstanceProfileName".into(), json!(profile.name));
    shown.insert("InstanceProfileId".into(), json!(profile.id));
    shown.insert(
        "Arn".into(),
        json!(cx.arn("iam", &format!("instance-profile{}{}", profile.path, profile.name))),
    );
    shown.insert("CreateDate".into(), json!(profile.created));
    let role = match &profile.role {
        Some(name) => roles::find(cx, name)?,
        None => None,
    };
    shown.insert(
        "Roles".into(),
        role.iter().map(|role| Value::Object(role.listed(cx))).collect(),
    );
    if !profile.tags.is_empty() {
        shown.insert("Tags".into(), shown_tags(&profile.tags));
    }
    Ok(shown.into())
}

fn named(cx: &Call, input: &Value) -> Result<InstanceProfile, Fault> {
    let name = text(input, "InstanceProfileName");
    cx.get(PROFILES, &name.to_lowercase())?
        .ok_or_else(|| missing(format!("Instance Profile {name} cannot be found.")))
}

fn save(cx: &Call, profile: &InstanceProfile) -> Result<(), Fault> {
    cx.put(PROFILES, &profile.name.to_lowercase(), profile)
}

/// Returns the profiles that hold this role, as they are shown.
pub fn of_role(cx: &Call, role: &str) -> Result<Vec<Value>, Fault> {
    let profiles = cx.list::<InstanceProfile>(PROFILES, "")?;
    profiles
        .iter()
        .filter(|(_, profile)| profile.role.as_deref() == Some(role))
        .map(|(_, profile)| shown(cx, profile))
        .collect()
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "InstanceProfileName");
    check_name("instanceProfileName", name, 128)?;
    if cx.get::<InstanceProfile>(PROFILES, &name.to_lowercase())?.is_some() {
        return Err(Fault::new(
            409,
            "EntityAlreadyExists",
            format!("Instance Profile {name} already exists."),
        ));
    }
    let mut tags = Tags::new();
    read_tags(input, &mut tags)?;
    let profile = InstanceProfile {
        name: name.to_string(),
        path: read_path(input)?,
        id: unique_id("AIPA"),
        created: cx.now.floor(),
        tags,
        role: None,
    };
    save(cx, &profile)?;
    Ok(json!({ "InstanceProfile": shown(cx, &profile)? }))
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    Ok(json!({ "InstanceProfile": shown(cx, &named(cx, input)?)? }))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let prefix = input["PathPrefix"].as_str().unwrap_or("/");
    let profiles = cx.list::<InstanceProfile>(PROFILES, "")?;
    let wanted = profiles.iter().filter(|(_, profile)| profile.path.starts_with(prefix));
    let listed = wanted
        .map(|(_, profile)| shown(cx, profile))
        .collect::<Result<Vec<_>, _>>()?;
    paged(cx, "InstanceProfiles", listed, input)
}

pub fn list_for_role(cx: &Call, input: &Value) -> Answer {
    let role = roles::named(cx, input)?;
    paged(cx, "InstanceProfiles", of_role(cx, &role.name)?, input)
}

pub fn add_role(cx: &Call, input: &Value) -> Answer {
    let mut profile = named(cx, input)?;
    let role = roles::named(cx, input)?;
    if profile.role.is_some() {
        return Err(limit("InstanceSessionsPerInstanceProfile", 1));
    }
    profile.role = Some(role.name);
    save(cx, &profile)?;
    Ok(json!({}))
}

pub fn remove_role(cx: &Call, input: &Value) -> Answer {
    let mut profile = named(cx, input)?;
    let role = roles::named(cx, input)?;
    if profile.role.as_deref() != Some(&role.name) {
        return Err(missing(format!(
            "Role {} is not in the instance profile {}.",
            role.name, profile.name
        )));
    }
    profile.role = None;
    save(cx, &profile)?;
    Ok(json!({}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let profile = named(cx, input)?;
    if profile.role.is_some() {
        return Err(conflict(
            "Cannot delete entity, must remove roles from instance profile first.",
        ));
    }
    cx.delete(PROFILES, &profile.name.to_lowercase())?;
    Ok(json!({}))
}
