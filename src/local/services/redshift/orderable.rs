//! What can be ordered: node types with their zones, and sizes to resize to.

use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::rules::{self, NODE_TYPES};
use super::{cluster, invalid, paged, text};

pub fn describe(cx: &Call, input: &Value) -> Answer {
    if input["ClusterVersion"].as_str().is_some_and(|version| version != "1.0") {
        return paged(cx, "OrderableClusterOptions", Vec::new(), input);
    }
    let zones: Value = ["a", "b", "c"]
        .iter()
        .map(|zone| json!({ "Name": format!("{}{zone}", cx.region), "SupportedPlatforms": [{ "Name": "VPC" }] }))
        .collect();
    let wanted = input["NodeType"].as_str();
    let mut options = Vec::new();
    for node in NODE_TYPES
        .iter()
        .filter(|node| wanted.is_none_or(|wanted| wanted == node.name))
    {
        let mut offer = |cluster_type: &str| {
            options.push(json!({
                "ClusterVersion": "1.0", "ClusterType": cluster_type, "NodeType": node.name, "AvailabilityZones": zones,
            }));
        };
        offer("multi-node");
        if node.nodes.0 == 1 {
            offer("single-node");
        }
    }
    paged(cx, "OrderableClusterOptions", options, input)
}

/// The one version of the engine there is.
pub fn describe_versions(cx: &Call, input: &Value) -> Answer {
    let wanted = |key: &str, value: &str| input[key].as_str().is_none_or(|wanted| wanted == value);
    let mut versions = Vec::new();
    for family in ["redshift-1.0", "redshift-2.0"] {
        if wanted("ClusterVersion", "1.0") && wanted("ClusterParameterGroupFamily", family) {
            versions.push(json!({
                "ClusterVersion": "1.0", "ClusterParameterGroupFamily": family, "Description": "Initial release of redshift",
            }));
        }
    }
    paged(cx, "ClusterVersions", versions, input)
}

/// Returns the answer's list for operations that describe what cannot be made here, so that none is there.
pub fn nothing_of(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "DescribeUsageLimits" => "UsageLimits",
        "DescribeEndpointAccess" => "EndpointAccessList",
        "DescribeEndpointAuthorization" => "EndpointAuthorizationList",
        "DescribeScheduledActions" => "ScheduledActions",
        "DescribeSnapshotSchedules" => "SnapshotSchedules",
        "DescribeSnapshotCopyGrants" => "SnapshotCopyGrants",
        "DescribeEventSubscriptions" => "EventSubscriptionsList",
        "DescribeClusterSecurityGroups" => "ClusterSecurityGroups",
        "DescribeHsmConfigurations" => "HsmConfigurations",
        "DescribeHsmClientCertificates" => "HsmClientCertificates",
        "DescribeReservedNodes" => "ReservedNodes",
        "DescribeTableRestoreStatus" => "TableRestoreStatusDetails",
        _ => return None,
    })
}

pub fn describe_configurations(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &["ActionType", "ClusterIdentifier", "Marker", "MaxRecords"])?;
    if text(input, "ActionType") != "resize-cluster" {
        return Err(Fault::not_implemented(cx));
    }
    if text(input, "ClusterIdentifier").is_empty() {
        return Err(invalid("ClusterIdentifier is required for the action resize-cluster."));
    }
    let cluster = cluster::named(cx, input)?;
    let counts = rules::elastic_counts(&cluster.node_type, cluster.nodes);
    let options = counts
        .into_iter()
        .map(|count| json!({ "NodeType": cluster.node_type, "NumberOfNodes": count }));
    paged(cx, "NodeConfigurationOptionList", options.collect(), input)
}
