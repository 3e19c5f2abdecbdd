//! What hangs on a role: inline policies and attachments of managed ones.

use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::documents::{check_name, encoded, limit, malformed, missing, paged, text};
use super::policy::{Policy, Use};
use super::{managed, roles};

/// Characters without white space of all inline policies of one role.
const INLINE_CHARACTERS: usize = 10_240;
const ATTACHMENTS: usize = 10;

pub fn put_inline(cx: &Call, input: &Value) -> Answer {
    let mut role = roles::named(cx, input)?;
    let name = text(input, "PolicyName");
    check_name("policyName", name, 128)?;
    let document = text(input, "PolicyDocument");
    Policy::parse(document, Use::Identity).map_err(malformed)?;
    role.inline.insert(name.to_string(), document.to_string());
    let characters: usize = role
        .inline
        .values()
        .map(|text| text.chars().filter(|c| !c.is_whitespace()).count())
        .sum();
    if characters > INLINE_CHARACTERS {
        return Err(Fault::new(
            409,
            "LimitExceeded",
            format!(
                "Maximum policy size of {INLINE_CHARACTERS} bytes exceeded for role {}",
                role.name
            ),
        ));
    }
    roles::save(cx, &role)?;
    Ok(json!({}))
}

pub fn get_inline(cx: &Call, input: &Value) -> Answer {
    let role = roles::named(cx, input)?;
    let name = text(input, "PolicyName");
    match role.inline.get(name) {
        Some(document) => Ok(json!({ "RoleName": role.name, "PolicyName": name, "PolicyDocument": encoded(document) })),
        None => Err(no_inline(name)),
    }
}

pub fn delete_inline(cx: &Call, input: &Value) -> Answer {
    let mut role = roles::named(cx, input)?;
    let name = text(input, "PolicyName");
    role.inline.remove(name).ok_or_else(|| no_inline(name))?;
    roles::save(cx, &role)?;
    Ok(json!({}))
}

pub fn list_inline(cx: &Call, input: &Value) -> Answer {
    let role = roles::named(cx, input)?;
    paged(
        cx,
        "PolicyNames",
        role.inline.keys().map(|name| json!(name)).collect(),
        input,
    )
}

pub fn attach(cx: &Call, input: &Value) -> Answer {
    let mut role = roles::named(cx, input)?;
    let arn = managed::checked_arn(input)?;
    if managed::text_of(cx, arn)?.is_none() {
        return Err(missing(format!("Policy {arn} does not exist or is not attachable.")));
    }
    // Attaching twice is not an error.
    if !role.attached.iter().any(|attached| attached == arn) {
        if role.attached.len() >= ATTACHMENTS {
            return Err(limit("PoliciesPerRole", ATTACHMENTS));
        }
        role.attached.push(arn.to_string());
        roles::save(cx, &role)?;
    }
    Ok(json!({}))
}

pub fn detach(cx: &Call, input: &Value) -> Answer {
    let mut role = roles::named(cx, input)?;
    let arn = managed::checked_arn(input)?;
    let before = role.attached.len();
    role.attached.retain(|attached| attached != arn);
    if role.attached.len() == before {
        return Err(missing(format!("Policy {arn} was not found.")));
    }
    roles::save(cx, &role)?;
    Ok(json!({}))
}

pub fn list_attached(cx: &Call, input: &Value) -> Answer {
    let role = roles::named(cx, input)?;
    let prefix = input["PathPrefix"].as_str().unwrap_or("/");
    let attached = role
        .attached
        .iter()
        .filter(|arn| managed::path_of(arn).starts_with(prefix))
        .map(|arn| shown_attachment(arn))
        .collect();
    paged(cx, "AttachedPolicies", attached, input)
}

pub fn shown_attachment(arn: &str) -> Value {
    json!({ "PolicyName": arn.rsplit('/').next(), "PolicyArn": arn })
}

fn no_inline(name: &str) -> Fault {
    missing(format!("The role policy with name {name} cannot be found."))
}
