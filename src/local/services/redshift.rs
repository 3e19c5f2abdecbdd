//! Redshift's control plane: clusters with their states, subnet and parameter groups, snapshots, credentials and
//! tags. What runs inside a cluster is `engines.rs` and the SQL crate; Serverless and the Data API stand beside this
//! file and use its parts.

mod change;
mod cluster;
mod create;
pub mod credentials;
pub mod engines;
pub mod network;
mod orderable;
mod parameters;
pub mod ports;
mod rules;
mod snapshots;
pub mod sql;
mod subnet_groups;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Answer, Call, Cloud, Fault, Service, serverless};
use crate::lake::Roles;

pub use cluster::{Cluster, find as find_cluster};
pub use rules::{check_database, check_password, check_role_arn, check_user};

/// Answers one request.
pub fn call(cx: &Call, input: &Value) -> Answer {
    change::finish_deletions(cx)?;
    match cx.operation {
        "CreateCluster" => create::create(cx, input),
        "DescribeClusters" => cluster::describe(cx, input),
        "ModifyCluster" => change::modify(cx, input),
        "ModifyClusterIamRoles" => change::modify_iam_roles(cx, input),
        "ResizeCluster" => change::resize(cx, input),
        "DescribeResize" => change::describe_resize(cx, input),
        "RebootCluster" => change::reboot(cx, input),
        "PauseCluster" => change::pause(cx, input),
        "ResumeCluster" => change::resume(cx, input),
        "DeleteCluster" => change::delete(cx, input),
        "EnableLogging" => change::enable_logging(cx, input),
        "DisableLogging" => change::disable_logging(cx, input),
        "DescribeLoggingStatus" => change::describe_logging(cx, input),
        "CreateClusterSubnetGroup" => subnet_groups::create(cx, input),
        "DescribeClusterSubnetGroups" => subnet_groups::describe(cx, input),
        "ModifyClusterSubnetGroup" => subnet_groups::modify(cx, input),
        "DeleteClusterSubnetGroup" => subnet_groups::delete(cx, input),
        "CreateClusterParameterGroup" => parameters::create(cx, input),
        "DescribeClusterParameterGroups" => parameters::describe(cx, input),
        "DescribeClusterParameters" => parameters::describe_parameters(cx, input),
        "DescribeDefaultClusterParameters" => parameters::describe_defaults(cx, input),
        "ModifyClusterParameterGroup" => parameters::modify(cx, input),
        "ResetClusterParameterGroup" => parameters::reset(cx, input),
        "DeleteClusterParameterGroup" => parameters::delete(cx, input),
        "CreateClusterSnapshot" => snapshots::create(cx, input),
        "DescribeClusterSnapshots" => snapshots::describe(cx, input),
        "DeleteClusterSnapshot" => snapshots::delete(cx, input),
        "GetClusterCredentials" => credentials::for_user(cx, input),
        "GetClusterCredentialsWithIAM" => credentials::for_caller(cx, input),
        "DescribeOrderableClusterOptions" => orderable::describe(cx, input),
        "DescribeNodeConfigurationOptions" => orderable::describe_configurations(cx, input),
        "CreateTags" => tags::create(cx, input),
        "DeleteTags" => tags::delete(cx, input),
        "DescribeTags" => tags::describe(cx, input),
        "DescribeClusterVersions" => orderable::describe_versions(cx, input),
        operation => match orderable::nothing_of(operation) {
            Some(list) => paged(cx, list, Vec::new(), input),
            None => Err(Fault::not_implemented(cx)),
        },
    }
}

/// Resumes what was under way when the cloud was last closed: clusters that were being deleted.
pub fn start(cloud: &Arc<Cloud>) {
    change::resume_deletions(cloud);
    serverless::start(cloud);
}

/// Answers one page of a list under `key`, with Redshift's `Marker` and its page sizes of 20 to 100.
fn paged(cx: &Call, key: &str, items: Vec<Value>, input: &Value) -> Answer {
    if let Some(size) = input["MaxRecords"].as_i64()
        && !(20..=100).contains(&size)
    {
        return Err(invalid(format!(
            "Invalid value {size} for MaxRecords. Must be between 20 and 100"
        )));
    }
    let (items, marker) = cx.page(items, input, "MaxRecords", "Marker", 100, 100)?;
    let mut answer = Map::new();
    answer.insert(key.into(), items.into());
    if let Some(marker) = marker {
        answer.insert("Marker".into(), marker.into());
    }
    Ok(answer.into())
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::bad("InvalidParameterValue", message)
}

fn combination(message: impl Into<String>) -> Fault {
    Fault::bad("InvalidParameterCombination", message)
}

/// Returns a text member, empty when absent.
fn text<'v>(input: &'v Value, key: &str) -> &'v str {
    input[key].as_str().unwrap_or_default()
}

/// Returns a list of texts, empty when absent.
fn texts(input: &Value, key: &str) -> Vec<String> {
    let list = input[key].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_string).collect()
}

/// Returns the roles that SQL of a namespace may use: those of its cluster or of the serverless namespace.
fn roles_of_namespace(cx: &Call, namespace_id: &str) -> Result<Roles, Fault> {
    let cluster = cluster::all(cx)?
        .into_iter()
        .find(|cluster| cluster.namespace_id == namespace_id);
    if let Some(cluster) = cluster {
        return Ok(Roles {
            attached: cluster.role_arns(),
            default: cluster.default_role,
        });
    }
    let found = serverless::roles_of(cx, namespace_id)?;
    Ok(found
        .map(|(attached, default)| Roles { attached, default })
        .unwrap_or_default())
}

/// The same call as one of Redshift, for the neighbours that use its parts.
pub fn as_redshift<'a>(cx: &Call<'a>) -> Call<'a> {
    Call {
        service: Service::Redshift,
        ..cx.clone()
    }
}
