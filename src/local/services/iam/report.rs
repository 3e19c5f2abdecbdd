//! `GetAccountAuthorizationDetails`: the whole account's roles and policies in pages that run on from roles to
//! customer policies to published ones.

use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault};
use super::documents::{InstanceProfile, PROFILES, Role, encoded, shown_boundary, shown_tags};
use super::{managed, policies, profiles, roles};

pub fn authorization_details(cx: &Call, input: &Value) -> Answer {
    let filter: Option<Vec<&str>> = input["Filter"]
        .as_array()
        .map(|wanted| wanted.iter().filter_map(Value::as_str).collect());
    let wants = |kind: &str| {
        filter
            .as_ref()
            .is_none_or(|wanted| wanted.is_empty() || wanted.contains(&kind))
    };
    let mut entries = Vec::new();
    if wants("Role") {
        for role in roles::all(cx)? {
            entries.push(json!(["RoleDetailList", role_detail(cx, &role)?]));
        }
    }
    let usage = managed::Usage::read(cx)?;
    if wants("LocalManagedPolicy") {
        for policy in managed::all_own(cx)? {
            let mut detail = managed::shown_own(cx, &policy, &usage);
            let versions = policy.versions.iter().rev().map(|version| {
                json!({
                    "Document": encoded(&version.text),
                    "VersionId": format!("v{}", version.number),
                    "IsDefaultVersion": version.number == policy.default_version,
                    "CreateDate": version.created,
                })
            });
            detail.insert("PolicyVersionList".into(), versions.collect());
            entries.push(json!(["Policies", detail]));
        }
    }
    if wants("AWSManagedPolicy") {
        for policy in managed::published() {
            let mut detail = managed::shown_published(policy, &usage);
            // The report lists only those published policies that are in use.
            if detail["AttachmentCount"] == json!(0) && detail["PermissionsBoundaryUsageCount"] == json!(0) {
                continue;
            }
            let version = json!([{
                "Document": encoded(&policy.text()),
                "VersionId": policy.version,
                "IsDefaultVersion": true,
                "CreateDate": policy.updated,
            }]);
            detail.insert("PolicyVersionList".into(), version);
            entries.push(json!(["Policies", detail]));
        }
    }
    let (entries, marker) = cx.page(entries, input, "MaxItems", "Marker", 100, 1000)?;
    let mut answer = json!({
        "UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": [],
        "IsTruncated": marker.is_some(),
    });
    for entry in entries {
        let list = entry[0].as_str().unwrap_or_default();
        if let Some(list) = answer[list].as_array_mut() {
            list.push(entry[1].clone());
        }
    }
    if let Some(marker) = marker {
        answer["Marker"] = json!(marker);
    }
    Ok(answer)
}

/// The entities there are, and the quotas that this cloud keeps.
pub fn summary(cx: &Call) -> Answer {
    let instance_profiles = cx.list::<InstanceProfile>(PROFILES, "")?.len();
    Ok(json!({ "SummaryMap": {
        "Roles": roles::all(cx)?.len(),
        "RolesQuota": 1000,
        "Policies": managed::all_own(cx)?.len(),
        "PoliciesQuota": 1500,
        "PolicySizeQuota": 6144,
        "VersionsPerPolicyQuota": 5,
        "AttachedPoliciesPerRoleQuota": 10,
        "AssumeRolePolicySizeQuota": 2048,
        "InstanceProfiles": instance_profiles,
        "InstanceProfilesQuota": 1000,
        "Users": 0,
        "Groups": 0,
    }}))
}

fn role_detail(cx: &Call, role: &Role) -> Result<Value, Fault> {
    let mut detail: Map<String, Value> = role.listed(cx);
    // This report has neither of these two.
    detail.remove("Description");
    detail.remove("MaxSessionDuration");
    let inline = role
        .inline
        .iter()
        .map(|(name, text)| json!({ "PolicyName": name, "PolicyDocument": encoded(text) }));
    detail.insert("RolePolicyList".into(), inline.collect());
    detail.insert(
        "AttachedManagedPolicies".into(),
        role.attached
            .iter()
            .map(|arn| policies::shown_attachment(arn))
            .collect(),
    );
    detail.insert("InstanceProfileList".into(), profiles::of_role(cx, &role.name)?.into());
    detail.insert("Tags".into(), shown_tags(&role.tags));
    detail.insert("RoleLastUsed".into(), json!({}));
    if let Some(boundary) = &role.boundary {
        detail.insert("PermissionsBoundary".into(), shown_boundary(boundary));
    }
    Ok(detail.into())
}
