//! Redshift Serverless: namespaces (data, users, roles) and workgroups (compute, network). Updates take one concern
//! at a time, as on AWS; states follow from the clock.

mod namespaces;
mod tags;
#[cfg(test)]
mod tests;
mod workgroups;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::redshift::credentials;
use super::redshift::engines::Warehouse;
use super::redshift::ports::Known;
use super::{Answer, Call, Cloud, Fault, Service};

pub fn call(cx: &Call, input: &Value) -> Answer {
    workgroups::finish_deletions(cx)?;
    match cx.operation {
        "CreateNamespace" => namespaces::create(cx, input),
        "GetNamespace" => namespaces::get(cx, input),
        "ListNamespaces" => namespaces::list(cx, input),
        "UpdateNamespace" => namespaces::update(cx, input),
        "DeleteNamespace" => namespaces::delete(cx, input),
        "CreateWorkgroup" => workgroups::create(cx, input),
        "GetWorkgroup" => workgroups::get(cx, input),
        "ListWorkgroups" => workgroups::list(cx, input),
        "UpdateWorkgroup" => workgroups::update(cx, input),
        "DeleteWorkgroup" => workgroups::delete(cx, input),
        "GetCredentials" => get_credentials(cx, input),
        "TagResource" => tags::tag(cx, input),
        "UntagResource" => tags::untag(cx, input),
        "ListTagsForResource" => tags::list(cx, input),
        // What cannot be made here is not there.
        "ListSnapshots" => paged(cx, "snapshots", Vec::new(), input),
        "ListUsageLimits" => paged(cx, "usageLimits", Vec::new(), input),
        "ListEndpointAccess" => paged(cx, "endpoints", Vec::new(), input),
        _ => Err(Fault::not_implemented(cx)),
    }
}

/// Resumes the deletion of workgroups that was under way when the cloud was last closed.
pub fn start(cloud: &Arc<Cloud>) {
    workgroups::resume_deletions(cloud);
}

fn validation(message: impl Into<String>) -> Fault {
    Fault::bad("ValidationException", message)
}

fn conflict(message: impl Into<String>) -> Fault {
    Fault::bad("ConflictException", message)
}

fn not_found(kind: &str, name: &str) -> Fault {
    Fault::bad(
        "ResourceNotFoundException",
        format!("The {kind} {name} does not exist."),
    )
    .with("resourceId", name)
    .with("resourceName", name)
}

fn text<'v>(input: &'v Value, key: &str) -> &'v str {
    input[key].as_str().unwrap_or_default()
}

fn texts(input: &Value, key: &str) -> Option<Vec<String>> {
    let list = input[key].as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_string).collect())
}

fn check_name(kind: &str, name: &str) -> Result<(), Fault> {
    let valid = (3..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if valid {
        return Ok(());
    }
    Err(validation(format!(
        "The {kind} name {name} is not valid. It must have 3 to 64 lowercase letters, digits or hyphens."
    )))
}

/// Answers one page of a list under `key`.
fn paged(cx: &Call, key: &str, items: Vec<Value>, input: &Value) -> Answer {
    let (items, token) = cx.page(items, input, "maxResults", "nextToken", 100, 100)?;
    let mut answer = Map::new();
    answer.insert(key.into(), items.into());
    if let Some(token) = token {
        answer.insert("nextToken".into(), token.into());
    }
    Ok(answer.into())
}

/// The same call as one of Serverless, for the Data API.
pub fn as_serverless<'a>(cx: &Call<'a>) -> Call<'a> {
    Call {
        service: Service::RedshiftServerless,
        ..cx.clone()
    }
}

/// Returns the ARNs of the namespace or workgroup that a request names or makes, for policies.
pub fn arns_of(cx: &Call, input: &Value) -> Result<Vec<String>, Fault> {
    if let Some(given) = input["resourceArn"].as_str() {
        return Ok(vec![given.to_owned()]);
    }
    let unknown = |kind: &str| cx.arn("redshift-serverless", &format!("{kind}/*"));
    if let Some(name) = input["workgroupName"].as_str() {
        let found = workgroups::find(cx, name)?;
        return Ok(vec![found.map_or_else(|| unknown("workgroup"), |found| found.arn(cx))]);
    }
    let Some(name) = input["namespaceName"].as_str() else {
        return Ok(Vec::new());
    };
    let found = namespaces::find(cx, name)?;
    Ok(vec![found.map_or_else(|| unknown("namespace"), |found| found.arn(cx))])
}

/// Returns the warehouse behind a workgroup (a name or an ARN) that answers queries, with the administrator's
/// password or the ARN of its secret; `None` when there is none of this name.
pub fn warehouse(cx: &Call, name: &str) -> Result<Option<Known>, Fault> {
    let Some(workgroup) = workgroups::find(cx, name)? else {
        return Ok(None);
    };
    if !workgroup.answers_queries(cx.now) {
        return Err(validation(format!(
            "Redshift workgroup {} is {}; it must be available to run statements.",
            workgroup.name,
            workgroup.status(cx.now)
        )));
    }
    let Some(namespace) = namespaces::find(cx, &workgroup.namespace)? else {
        return Ok(None);
    };
    let warehouse = Warehouse {
        account: cx.account.clone(),
        region: cx.region.clone(),
        namespace_id: namespace.id.clone(),
        arn: workgroup.arn(cx),
        name: workgroup.name.clone(),
        database: namespace.database_name(),
        admin: namespace.admin.clone(),
    };
    Ok(Some((warehouse, namespace.password, namespace.secret_arn)))
}

/// Returns the warehouse of the namespace of this id, when its workgroup answers queries.
pub fn warehouse_of_namespace(cx: &Call, namespace_id: &str) -> Result<Option<Known>, Fault> {
    let found = workgroups::all(cx)?
        .into_iter()
        .find(|workgroup| workgroup.namespace_id == namespace_id);
    match found {
        Some(workgroup) if workgroup.answers_queries(cx.now) => warehouse(cx, &workgroup.name),
        _ => Ok(None),
    }
}

/// Roles, and the default one among them.
pub type Roles = (Vec<String>, Option<String>);

/// Returns the roles of the namespace of this id, and its default role.
pub fn roles_of(cx: &Call, namespace_id: &str) -> Result<Option<Roles>, Fault> {
    let namespaces = namespaces::all(cx)?;
    let found = namespaces.into_iter().find(|namespace| namespace.id == namespace_id);
    Ok(found.map(|namespace| (namespace.roles, namespace.default_role)))
}

fn get_credentials(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &["workgroupName", "dbName", "durationSeconds"])?;
    let name = text(input, "workgroupName");
    if name.is_empty() {
        return Err(validation("workgroupName must be specified."));
    }
    let (warehouse, _, _) = warehouse(cx, name)?.ok_or_else(|| not_found("workgroup", name))?;
    let seconds = input["durationSeconds"].as_i64().unwrap_or(900);
    if !(900..=3600).contains(&seconds) {
        return Err(validation("durationSeconds must be between 900 and 3600."));
    }
    let user = credentials::caller_user(cx);
    let (password, expires) = credentials::issue(cx, &warehouse.namespace_id, &user, seconds as f64, true, &json!({}))?;
    Ok(json!({
        "dbUser": user,
        "dbPassword": password,
        "expiration": expires,
        "nextRefreshTime": cx.now + seconds as f64 * 0.75,
    }))
}
