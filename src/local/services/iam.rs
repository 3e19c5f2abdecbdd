//! IAM: roles, their inline and managed policies, instance profiles and the policy simulator. Everything here is
//! global to the account. Other services ask `role_allows` before they act as a role.

mod authorise;
mod documents;
mod evaluate;
mod managed;
mod policies;
mod policy;
mod profiles;
mod report;
mod roles;
mod simulate;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use authorise::{Caller, Rights, RoleProblem, Wanted, role_allows, role_allows_from, role_arn, session_rights};
pub use documents::Role;
pub use evaluate::{Context, Decision, Question, Verdict, evaluate, glob};
pub use policy::{Policy, Use};
pub use roles::find as find_role;

use super::{Answer, Call, Fault};

/// Answers one request.
pub fn call(cx: &Call, input: &Value) -> Answer {
    let cx = &cx.global();
    match cx.operation {
        "CreateRole" => roles::create(cx, input),
        "GetRole" => roles::get(cx, input),
        "ListRoles" => roles::list(cx, input),
        "UpdateRole" => roles::update(cx, input),
        "UpdateRoleDescription" => roles::update_description(cx, input),
        "UpdateAssumeRolePolicy" => roles::update_trust(cx, input),
        "DeleteRole" => roles::delete(cx, input),
        "TagRole" => roles::tag(cx, input),
        "UntagRole" => roles::untag(cx, input),
        "ListRoleTags" => roles::list_tags(cx, input),
        "PutRolePermissionsBoundary" => roles::put_boundary(cx, input),
        "DeleteRolePermissionsBoundary" => roles::delete_boundary(cx, input),
        "PutRolePolicy" => policies::put_inline(cx, input),
        "GetRolePolicy" => policies::get_inline(cx, input),
        "DeleteRolePolicy" => policies::delete_inline(cx, input),
        "ListRolePolicies" => policies::list_inline(cx, input),
        "AttachRolePolicy" => policies::attach(cx, input),
        "DetachRolePolicy" => policies::detach(cx, input),
        "ListAttachedRolePolicies" => policies::list_attached(cx, input),
        "CreatePolicy" => managed::create(cx, input),
        "GetPolicy" => managed::get(cx, input),
        "ListPolicies" => managed::list(cx, input),
        "DeletePolicy" => managed::delete(cx, input),
        "CreatePolicyVersion" => managed::create_version(cx, input),
        "GetPolicyVersion" => managed::get_version(cx, input),
        "ListPolicyVersions" => managed::list_versions(cx, input),
        "DeletePolicyVersion" => managed::delete_version(cx, input),
        "SetDefaultPolicyVersion" => managed::set_default_version(cx, input),
        "ListEntitiesForPolicy" => managed::list_entities(cx, input),
        "TagPolicy" => managed::tag(cx, input),
        "UntagPolicy" => managed::untag(cx, input),
        "ListPolicyTags" => managed::list_tags(cx, input),
        "CreateInstanceProfile" => profiles::create(cx, input),
        "GetInstanceProfile" => profiles::get(cx, input),
        "ListInstanceProfiles" => profiles::list(cx, input),
        "ListInstanceProfilesForRole" => profiles::list_for_role(cx, input),
        "AddRoleToInstanceProfile" => profiles::add_role(cx, input),
        "RemoveRoleFromInstanceProfile" => profiles::remove_role(cx, input),
        "DeleteInstanceProfile" => profiles::delete(cx, input),
        "GetAccountAuthorizationDetails" => report::authorization_details(cx, input),
        "SimulatePrincipalPolicy" => simulate::principal(cx, input),
        "SimulateCustomPolicy" => simulate::custom(cx, input),
        "GetContextKeysForCustomPolicy" => simulate::context_keys(cx, input),
        "GetContextKeysForPrincipalPolicy" => simulate::context_keys_of_principal(cx, input),
        "GetAccountSummary" => report::summary(cx),
        // The account has roles and no users, no alias, no identity provider and no password policy of its own.
        "ListUsers" => documents::paged(cx, "Users", Vec::new(), input),
        "ListAccountAliases" => documents::paged(cx, "AccountAliases", Vec::new(), input),
        "ListOpenIDConnectProviders" => Ok(serde_json::json!({ "OpenIDConnectProviderList": [] })),
        "GetAccountPasswordPolicy" => Err(documents::missing(format!(
            "The Password Policy with domain name {} cannot be found.",
            cx.account
        ))),
        _ => Err(Fault::not_implemented(cx)),
    }
}
