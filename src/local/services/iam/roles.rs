//! Roles: create, read, change, delete, tags and boundary.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::documents::{
    PROFILES, ROLES, Role, Tags, check_name, conflict, limit, malformed, missing, paged, read_path, read_tags,
    remove_tags, shown_tags, text, unique_id, validation,
};
use super::policy::{Policy, Use};
use super::{documents::InstanceProfile, managed};

/// Characters without white space that a trust policy may have by default.
const TRUST_CHARACTERS: usize = 2048;
const ROLES_PER_ACCOUNT: usize = 1000;

/// Returns the role of this name, in any case of letters.
pub fn find(cx: &Call, name: &str) -> Result<Option<Role>, Fault> {
    cx.get(ROLES, &name.to_lowercase())
}

/// Returns the role that the request names, or `NoSuchEntity`.
pub fn named(cx: &Call, input: &Value) -> Result<Role, Fault> {
    let name = text(input, "RoleName");
    find(cx, name)?.ok_or_else(|| missing(format!("The role with name {name} cannot be found.")))
}

pub fn save(cx: &Call, role: &Role) -> Result<(), Fault> {
    cx.put(ROLES, &role.name.to_lowercase(), role)
}

pub fn all(cx: &Call) -> Result<Vec<Role>, Fault> {
    Ok(cx.list::<Role>(ROLES, "")?.into_iter().map(|(_, role)| role).collect())
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "RoleName");
    check_name("roleName", name, 64)?;
    let path = read_path(input)?;
    let trust = text(input, "AssumeRolePolicyDocument");
    check_trust(cx, trust)?;
    let max_session_seconds = input["MaxSessionDuration"].as_i64().unwrap_or(3600);
    check_session(max_session_seconds)?;
    let mut tags = Tags::new();
    read_tags(input, &mut tags)?;
    let boundary = input["PermissionsBoundary"].as_str().map(str::to_string);
    if let Some(boundary) = &boundary {
        check_boundary(cx, boundary)?;
    }
    if find(cx, name)?.is_some() {
        return Err(Fault::new(
            409,
            "EntityAlreadyExists",
            format!("Role with name {name} already exists."),
        ));
    }
    if all(cx)?.len() >= ROLES_PER_ACCOUNT {
        return Err(limit("RolesPerAccount", ROLES_PER_ACCOUNT));
    }
    let role = Role {
        name: name.to_string(),
        path,
        id: unique_id("AROA"),
        created: cx.now.floor(),
        trust: trust.to_string(),
        description: input["Description"].as_str().map(str::to_string),
        max_session_seconds,
        boundary,
        tags,
        inline: BTreeMap::new(),
        attached: Vec::new(),
    };
    save(cx, &role)?;
    let mut shown = role.shown(cx);
    // The answer to the create call carries no usage, and no session duration unless it was asked for.
    shown.remove("RoleLastUsed");
    Ok(json!({ "Role": shown }))
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    Ok(json!({ "Role": named(cx, input)?.shown(cx) }))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let prefix = input["PathPrefix"].as_str().unwrap_or("/");
    let roles = all(cx)?
        .iter()
        .filter(|role| role.path.starts_with(prefix))
        .map(|role| role.listed(cx).into())
        .collect();
    paged(cx, "Roles", roles, input)
}

pub fn update(cx: &Call, input: &Value) -> Answer {
    let mut role = named(cx, input)?;
    if let Some(description) = input["Description"].as_str() {
        role.description = Some(description.to_string());
    }
    if let Some(seconds) = input["MaxSessionDuration"].as_i64() {
        check_session(seconds)?;
        role.max_session_seconds = seconds;
    }
    save(cx, &role)?;
    Ok(json!({}))
}

pub fn update_description(cx: &Call, input: &Value) -> Answer {
    let mut role = named(cx, input)?;
    role.description = Some(text(input, "Description").to_string());
    save(cx, &role)?;
    Ok(json!({ "Role": role.shown(cx) }))
}

pub fn update_trust(cx: &Call, input: &Value) -> Answer {
    let mut role = named(cx, input)?;
    let trust = text(input, "PolicyDocument");
    check_trust(cx, trust)?;
    role.trust = trust.to_string();
    save(cx, &role)?;
    Ok(json!({}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let role = named(cx, input)?;
    for (_, profile) in cx.list::<InstanceProfile>(PROFILES, "")? {
        if profile.role.as_deref() == Some(&role.name) {
            return Err(conflict(
                "Cannot delete entity, must remove roles from instance profile first.",
            ));
        }
    }
    if !role.attached.is_empty() {
        return Err(conflict("Cannot delete entity, must detach all policies first."));
    }
    if !role.inline.is_empty() {
        return Err(conflict("Cannot delete entity, must delete policies first."));
    }
    cx.delete(ROLES, &role.name.to_lowercase())?;
    Ok(json!({}))
}

pub fn tag(cx: &Call, input: &Value) -> Answer {
    let mut role = named(cx, input)?;
    read_tags(input, &mut role.tags)?;
    save(cx, &role)?;
    Ok(json!({}))
}

pub fn untag(cx: &Call, input: &Value) -> Answer {
    let mut role = named(cx, input)?;
    remove_tags(input, &mut role.tags);
    save(cx, &role)?;
    Ok(json!({}))
}

pub fn list_tags(cx: &Call, input: &Value) -> Answer {
    let role = named(cx, input)?;
    let tags = shown_tags(&role.tags).as_array().cloned().unwrap_or_default();
    paged(cx, "Tags", tags, input)
}

pub fn put_boundary(cx: &Call, input: &Value) -> Answer {
    let mut role = named(cx, input)?;
    let boundary = text(input, "PermissionsBoundary");
    check_boundary(cx, boundary)?;
    role.boundary = Some(boundary.to_string());
    save(cx, &role)?;
    Ok(json!({}))
}

pub fn delete_boundary(cx: &Call, input: &Value) -> Answer {
    let mut role = named(cx, input)?;
    if role.boundary.take().is_none() {
        return Err(missing(format!(
            "The role with name {} has no permissions boundary.",
            role.name
        )));
    }
    save(cx, &role)?;
    Ok(json!({}))
}

fn check_session(seconds: i64) -> Result<(), Fault> {
    let bound = |rule: &str| Err(validation("maxSessionDuration", rule.to_string(), &seconds.to_string()));
    match seconds {
        ..3600 => bound("Member must have value greater than or equal to 3600"),
        43201.. => bound("Member must have value less than or equal to 43200"),
        _ => Ok(()),
    }
}

fn check_boundary(cx: &Call, arn: &str) -> Result<(), Fault> {
    match managed::text_of(cx, arn)? {
        Some(_) => Ok(()),
        None => Err(missing(format!("Policy {arn} does not exist or is not attachable."))),
    }
}

/// A trust policy must parse, be short enough, and name only principals that exist.
fn check_trust(cx: &Call, trust: &str) -> Result<(), Fault> {
    let policy = Policy::parse(trust, Use::Trust).map_err(malformed)?;
    if trust.chars().filter(|c| !c.is_whitespace()).count() > TRUST_CHARACTERS {
        return Err(limit("ACLSizePerRole", TRUST_CHARACTERS));
    }
    let listed = policy
        .statements
        .iter()
        .filter_map(|statement| statement.principals.as_ref());
    for (kind, value) in listed.flat_map(|principals| &principals.members) {
        let own = format!("arn:aws:iam::{}:role/", cx.account);
        if kind == "AWS"
            && let Some(rest) = value.strip_prefix(&own)
        {
            let name = rest.rsplit('/').next().unwrap_or(rest);
            if find(cx, name)?.is_none_or(|role| role.arn(cx) != *value) {
                return Err(malformed(format!("Invalid principal in policy: \"AWS\":\"{value}\"")));
            }
        }
    }
    Ok(())
}
