//! Everything that changes a cluster after its creation, up to its end.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Cloud, Fault, Service, s3, secrets};
use super::cluster::{self, Activity, AttachedRole, CLUSTERS, Cluster, Kind, Logging, Pending, named, save};
use super::create::{check_default_role, check_role_count, check_zones, security_groups};
use super::engines::Engines;
use super::{combination, invalid, network, parameters, ports, rules, snapshots, text, texts};

fn invalid_state(message: impl Into<String>) -> Fault {
    Fault::bad("InvalidClusterState", message)
}

/// Returns the named cluster when nothing is under way and it runs.
fn available(cx: &Call, input: &Value) -> Result<Cluster, Fault> {
    let cluster = named(cx, input)?;
    match cluster.status(cx.now) {
        "available" => Ok(cluster),
        status => Err(invalid_state(format!(
            "Cluster {} is in state {status}; it must be available.",
            cluster.id
        ))),
    }
}

fn begin(cx: &Call, cluster: &mut Cluster, kind: Kind, quick: f64, realistic: f64, pending: Pending) {
    let ends = cx.now + cx.cloud.pace.seconds(quick, realistic);
    cluster.activity = Some(Activity {
        kind,
        started: cx.now,
        ends,
        pending,
    });
}

fn saved(cx: &Call, cluster: &Cluster) -> Answer {
    save(cx, cluster)?;
    Ok(json!({ "Cluster": cluster.shown(cx)? }))
}

const MODIFIABLE: &[&str] = &[
    "ClusterIdentifier",
    "ClusterType",
    "NodeType",
    "NumberOfNodes",
    "VpcSecurityGroupIds",
    "MasterUserPassword",
    "ClusterParameterGroupName",
    "AutomatedSnapshotRetentionPeriod",
    "ManualSnapshotRetentionPeriod",
    "PreferredMaintenanceWindow",
    "ClusterVersion",
    "AllowVersionUpgrade",
    "NewClusterIdentifier",
    "PubliclyAccessible",
    "ElasticIp",
    "EnhancedVpcRouting",
    "MaintenanceTrackName",
    "Encrypted",
    "KmsKeyId",
    "AvailabilityZoneRelocation",
    "Port",
    "ManageMasterPassword",
    "MasterPasswordSecretKmsKeyId",
    "IpAddressType",
    "MultiAZ",
    "ExtraComputeForAutomaticOptimization",
];

pub fn modify(cx: &Call, input: &Value) -> Answer {
    cx.only(input, MODIFIABLE)?;
    let mut cluster = available(cx, input)?;
    let resizes = ["ClusterType", "NodeType", "NumberOfNodes"]
        .iter()
        .any(|key| input.get(*key).is_some());
    if let Some(new_id) = input["NewClusterIdentifier"].as_str() {
        return rename(cx, cluster, new_id);
    }
    if resizes {
        if input.as_object().is_some_and(|given| given.len() > 1 + 3) {
            return Err(combination(
                "A resize can't be combined with other changes in one request.",
            ));
        }
        return classic_resize(cx, cluster, input);
    }
    let mut pending = Pending::default();
    modify_password(cx, &mut cluster, input, &mut pending)?;
    modify_settings(cx, &mut cluster, input, &mut pending)?;
    begin(cx, &mut cluster, Kind::Modifying, 0.3, 45.0, pending);
    saved(cx, &cluster)
}

fn modify_password(cx: &Call, cluster: &mut Cluster, input: &Value, pending: &mut Pending) -> Result<(), Fault> {
    let password = input["MasterUserPassword"].as_str();
    if password.is_some() && input["ManageMasterPassword"].as_bool() == Some(true) {
        return Err(combination(
            "MasterUserPassword can't be specified when ManageMasterPassword is true.",
        ));
    }
    if let Some(key) = input["MasterPasswordSecretKmsKeyId"].as_str() {
        cluster.secret_kms_key = Some(key.to_string());
    }
    match (input["ManageMasterPassword"].as_bool(), cluster.secret_arn.clone()) {
        (Some(true), None) => {
            let name = format!("redshift!{}-{}", cluster.id, cluster.user);
            let key = cluster.secret_kms_key.clone();
            cluster.secret_arn = Some(secrets::create_managed(
                cx,
                &name,
                "redshift",
                &cluster.user,
                key.as_deref(),
            )?);
            cluster.password = None;
        }
        (Some(false), Some(arn)) => {
            let Some(_) = password else {
                return Err(combination(
                    "MasterUserPassword must be specified when ManageMasterPassword is false.",
                ));
            };
            secrets::delete_managed(cx, &arn)?;
            (cluster.secret_arn, cluster.secret_kms_key) = (None, None);
        }
        (None, Some(_)) if password.is_some() => {
            return Err(combination(
                "MasterUserPassword can't be specified for a cluster whose password is managed.",
            ));
        }
        _ => {}
    }
    if let Some(password) = password {
        rules::check_password("MasterUserPassword", password)?;
        pending.password = Some(password.to_string());
    }
    Ok(())
}

fn modify_settings(cx: &Call, cluster: &mut Cluster, input: &Value, pending: &mut Pending) -> Result<(), Fault> {
    let node = rules::node_type(&cluster.node_type)?;
    if input.get("VpcSecurityGroupIds").is_some() {
        cluster.security_groups = security_groups(cx, &cluster.vpc_id, texts(input, "VpcSecurityGroupIds"))?;
        cluster.interfaces = network::replace(cx, &cluster.interfaces, &cluster.security_groups)?;
    }
    if let Some(group) = input["ClusterParameterGroupName"].as_str() {
        let group = parameters::find(cx, group)?.ok_or_else(|| parameters::not_found(group))?;
        if group.name != cluster.parameter_group {
            cluster.parameter_group = group.name;
            // Another group is in force only after a reboot, whenever its parameters were changed.
            cluster.parameters_read = -1.0;
        }
    }
    if let Some(days) = input["AutomatedSnapshotRetentionPeriod"].as_i64() {
        rules::check_automated_retention(node, days)?;
        pending.automated_retention_days = Some(days);
    }
    if let Some(days) = input["ManualSnapshotRetentionPeriod"].as_i64() {
        rules::check_manual_retention(days)?;
        cluster.manual_retention_days = days;
    }
    if let Some(window) = input["PreferredMaintenanceWindow"].as_str() {
        cluster.maintenance_window = rules::maintenance_window(window)?;
    }
    if let Some(allow) = input["AllowVersionUpgrade"].as_bool() {
        cluster.allow_upgrade = allow;
    }
    if let Some(public) = input["PubliclyAccessible"].as_bool() {
        if public && !network::has_internet_gateway(cx, &cluster.vpc_id)? {
            return Err(Fault::bad(
                "InvalidVPCNetworkStateFault",
                format!(
                    "The VPC {} has no internet gateway; a publicly accessible cluster needs one.",
                    cluster.vpc_id
                ),
            ));
        }
        pending.public = Some(public);
    }
    if let Some(ip) = input["ElasticIp"].as_str() {
        cluster.elastic_ip = Some(ip.to_string());
    }
    if let Some(enhanced) = input["EnhancedVpcRouting"].as_bool() {
        pending.enhanced_routing = Some(enhanced);
    }
    if let Some(track) = input["MaintenanceTrackName"].as_str() {
        if !["current", "trailing"].contains(&track.to_lowercase().as_str()) {
            return Err(Fault::bad(
                "InvalidClusterTrack",
                format!("The provided cluster track name {track} is not valid."),
            ));
        }
        pending.track = Some(track.to_lowercase());
    }
    if let Some(version) = input["ClusterVersion"].as_str()
        && version != "1.0"
    {
        return Err(invalid(format!("Invalid cluster version: {version}")));
    }
    if input["Encrypted"].as_bool() == Some(false) {
        return Err(invalid(
            "Encrypted must be true: clusters cannot be modified to be unencrypted.",
        ));
    }
    if let Some(key) = input["KmsKeyId"].as_str() {
        cluster.kms_key = (key != "AWS_OWNED_KMS_KEY").then(|| key.to_string());
    }
    if let Some(port) = input["Port"].as_i64() {
        cluster.port = rules::check_port(node, port)?;
    }
    let multi_az = input["MultiAZ"].as_bool();
    let relocation = input["AvailabilityZoneRelocation"].as_bool();
    if multi_az.is_some() && relocation.is_some() {
        return Err(combination(
            "MultiAZ and AvailabilityZoneRelocation can't be changed in the same request.",
        ));
    }
    check_zones(node, cluster.nodes, multi_az.unwrap_or(cluster.multi_az), relocation)?;
    match multi_az {
        Some(true) => (cluster.multi_az, cluster.relocation) = (true, false),
        // Turning Multi-AZ off turns relocation on.
        Some(false) if cluster.multi_az => (cluster.multi_az, cluster.relocation) = (false, true),
        _ => {}
    }
    if let Some(relocation) = relocation {
        cluster.relocation = relocation;
    }
    match input["IpAddressType"].as_str() {
        None | Some("ipv4") => {}
        Some(_) => {
            return Err(Fault::bad(
                "Ipv6CidrBlockNotFoundFault",
                "There are no subnets with IPv6 CIDR blocks in the subnet group.",
            ));
        }
    }
    if let Some(extra) = input["ExtraComputeForAutomaticOptimization"].as_bool() {
        cluster.extra_compute = extra;
    }
    Ok(())
}

/// A rename takes effect at once under the new name, with a short `renaming`; the namespace and its data stay.
fn rename(cx: &Call, mut cluster: Cluster, new_id: &str) -> Answer {
    let new_id = rules::identifier("NewClusterIdentifier", new_id, 63, true)?;
    if cluster::find(cx, &new_id)?.is_some() {
        return Err(Fault::bad(
            "ClusterAlreadyExists",
            format!("Cluster already exists: {new_id}"),
        ));
    }
    cx.delete(CLUSTERS, &cluster.id)?;
    cx.tag_forget(&cluster.arn(cx))?;
    cluster.id = new_id;
    begin(cx, &mut cluster, Kind::Renaming, 0.3, 30.0, Pending::default());
    cx.tag_index(&cluster.arn(cx), &cluster.tags)?;
    saved(cx, &cluster)
}

fn wanted_size(cluster: &Cluster, input: &Value) -> Result<Pending, Fault> {
    let node = rules::node_type(input["NodeType"].as_str().unwrap_or(&cluster.node_type))?;
    let cluster_type = input["ClusterType"].as_str();
    let nodes = match (input["NumberOfNodes"].as_i64(), cluster_type) {
        (None, Some("single-node")) => None,
        (None, _) => Some(cluster.nodes as i64),
        (given, _) => given,
    };
    let nodes = rules::node_count(node, cluster_type, nodes)?;
    if node.name == cluster.node_type && nodes == cluster.nodes {
        return Err(invalid(
            "The requested cluster configuration is the same as the current configuration.",
        ));
    }
    Ok(Pending {
        node_type: Some(node.name.to_string()),
        nodes: Some(nodes),
        ..Pending::default()
    })
}

fn classic_resize(cx: &Call, mut cluster: Cluster, input: &Value) -> Answer {
    let pending = wanted_size(&cluster, input)?;
    place_interfaces(cx, &mut cluster, pending.nodes.unwrap_or(1))?;
    begin(cx, &mut cluster, Kind::ClassicResize, 1.5, 3600.0, pending);
    saved(cx, &cluster)
}

pub fn resize(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "ClusterIdentifier",
            "ClusterType",
            "NodeType",
            "NumberOfNodes",
            "Classic",
        ],
    )?;
    let mut cluster = available(cx, input)?;
    if input["Classic"].as_bool() == Some(true) {
        return classic_resize(cx, cluster, input);
    }
    let pending = wanted_size(&cluster, input)?;
    let (node_type, nodes) = (
        pending.node_type.as_deref().unwrap_or_default(),
        pending.nodes.unwrap_or(1),
    );
    if node_type == cluster.node_type && !rules::elastic_counts(node_type, cluster.nodes).contains(&nodes) {
        return Err(Fault::bad(
            "UnsupportedOperation",
            format!(
                "Elastic resize from {} to {nodes} nodes is not supported. Options: {}",
                cluster.nodes,
                cluster.elastic_options()
            ),
        ));
    }
    place_interfaces(cx, &mut cluster, nodes)?;
    begin(cx, &mut cluster, Kind::ElasticResize, 0.8, 600.0, pending);
    saved(cx, &cluster)
}

/// Gives the cluster as many interfaces as `nodes` need, in the subnets it has already.
fn place_interfaces(cx: &Call, cluster: &mut Cluster, nodes: u64) -> Result<(), Fault> {
    let subnets = cluster.interfaces.iter().take(1).map(|interface| network::Subnet {
        id: interface.subnet_id.clone(),
        zone: cluster.availability_zone.clone(),
    });
    let subnets: Vec<_> = subnets.collect();
    network::release(cx, &cluster.interfaces)?;
    cluster.interfaces = network::attach(cx, &subnets, nodes, &cluster.security_groups)?;
    Ok(())
}

pub fn describe_resize(cx: &Call, input: &Value) -> Answer {
    let cluster = named(cx, input)?;
    let Some(Activity {
        kind: kind @ (Kind::ElasticResize | Kind::ClassicResize),
        pending,
        started,
        ends,
    }) = &cluster.activity
    else {
        return Err(Fault::new(
            404,
            "ResizeNotFound",
            format!("No resize is in progress for cluster {}.", cluster.id),
        ));
    };
    let nodes = pending.nodes.unwrap_or(cluster.nodes);
    Ok(json!({
        "TargetNodeType": pending.node_type.as_deref().unwrap_or(&cluster.node_type),
        "TargetNumberOfNodes": nodes,
        "TargetClusterType": if nodes == 1 { "single-node" } else { "multi-node" },
        "TargetEncryptionType": "KMS",
        "Status": "IN_PROGRESS",
        "ResizeType": if *kind == Kind::ElasticResize { "ElasticResize" } else { "ClassicResize" },
        "ElapsedTimeInSeconds": (cx.now - started).floor() as i64,
        "EstimatedTimeToCompletionInSeconds": (ends - cx.now).ceil().max(0.0) as i64,
    }))
}

pub fn modify_iam_roles(cx: &Call, input: &Value) -> Answer {
    let mut cluster = available(cx, input)?;
    let (added, removed) = (texts(input, "AddIamRoles"), texts(input, "RemoveIamRoles"));
    for arn in added.iter().chain(&removed) {
        rules::check_role_arn(arn)?;
    }
    if let Some(arn) = added.iter().find(|arn| removed.contains(arn)) {
        return Err(combination(format!(
            "The IAM role {arn} can't be added and removed in one request."
        )));
    }
    if let Some(arn) = removed
        .iter()
        .find(|arn| !cluster.roles.iter().any(|role| role.arn == **arn))
    {
        return Err(invalid(format!(
            "The IAM role {arn} is not associated with cluster {}.",
            cluster.id
        )));
    }
    cluster.roles.retain(|role| !removed.contains(&role.arn));
    let ready = cx.now + cx.cloud.pace.seconds(0.2, 20.0);
    for arn in added {
        if !cluster.roles.iter().any(|role| role.arn == arn) {
            cluster.roles.push(AttachedRole { arn, ready });
        }
    }
    check_role_count(cluster.roles.len())?;
    match input["DefaultIamRoleArn"].as_str() {
        Some("") => cluster.default_role = None,
        Some(arn) => cluster.default_role = Some(arn.to_string()),
        None => {}
    }
    if input["DefaultIamRoleArn"].as_str().is_some_and(|arn| !arn.is_empty()) {
        check_default_role(&cluster.roles, cluster.default_role.as_deref())?;
    } else if cluster.default_role.as_ref().is_some_and(|arn| removed.contains(arn)) {
        // A default role that is no longer associated is no default.
        cluster.default_role = None;
    }
    begin(cx, &mut cluster, Kind::Modifying, 0.2, 20.0, Pending::default());
    saved(cx, &cluster)
}

pub fn reboot(cx: &Call, input: &Value) -> Answer {
    let mut cluster = available(cx, input)?;
    begin(cx, &mut cluster, Kind::Rebooting, 0.5, 120.0, Pending::default());
    saved(cx, &cluster)
}

pub fn pause(cx: &Call, input: &Value) -> Answer {
    let mut cluster = available(cx, input)?;
    begin(cx, &mut cluster, Kind::Pausing, 0.5, 180.0, Pending::default());
    Engines::close(cx.cloud, &cluster.namespace_id);
    saved(cx, &cluster)
}

pub fn resume(cx: &Call, input: &Value) -> Answer {
    let mut cluster = named(cx, input)?;
    if cluster.status(cx.now) != "paused" {
        return Err(invalid_state(format!("Cluster {} is not paused.", cluster.id)));
    }
    begin(cx, &mut cluster, Kind::Resuming, 0.6, 240.0, Pending::default());
    saved(cx, &cluster)
}

/// One deletion under way, kept under one name for all accounts and regions so that a restart finds them all.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Deletion {
    account: String,
    region: String,
    id: String,
    ends: f64,
}

const DELETIONS: &str = "redshift_deletion";

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let mut cluster = named(cx, input)?;
    let skip = input["SkipFinalClusterSnapshot"].as_bool().unwrap_or(false);
    let snapshot = input["FinalClusterSnapshotIdentifier"].as_str();
    match (skip, snapshot) {
        (true, Some(_)) => {
            return Err(combination(
                "FinalClusterSnapshotIdentifier can't be specified when SkipFinalClusterSnapshot is true.",
            ));
        }
        (false, None) => {
            return Err(combination(
                "FinalClusterSnapshotIdentifier is required unless SkipFinalClusterSnapshot is specified.",
            ));
        }
        _ => {}
    }
    match cluster.status(cx.now) {
        "available" => {}
        "paused" => {
            return Err(invalid_state(format!(
                "Cluster {} is paused. Resume it before deleting it.",
                cluster.id
            )));
        }
        _ => {
            return Err(invalid_state(
                "There is an operation running on the Cluster. Please try to delete it at a later time.",
            ));
        }
    }
    let kind = match snapshot {
        Some(id) => {
            let retention = input["FinalClusterSnapshotRetentionPeriod"].as_i64();
            snapshots::take(cx, &cluster, id, retention, Default::default())?;
            Kind::FinalSnapshot
        }
        None => Kind::Deleting,
    };
    begin(cx, &mut cluster, kind, 0.6, 150.0, Pending::default());
    let ends = cluster.activity.as_ref().map_or(cx.now, |activity| activity.ends);
    network::release_at(cx, &cluster.interfaces, ends)?;
    let deletion = Deletion {
        account: cx.account.clone(),
        region: cx.region.clone(),
        id: cluster.id.clone(),
        ends,
    };
    cx.shared().put(DELETIONS, &deletion_key(cx, &cluster.id), &deletion)?;
    let answer = saved(cx, &cluster)?;
    Engines::close(cx.cloud, &cluster.namespace_id);
    follow(cx.cloud, deletion);
    Ok(answer)
}

fn deletion_key(cx: &Call, id: &str) -> String {
    format!("{}/{}/{id}", cx.account, cx.region)
}

/// Ends every deletion of this account and region whose time has come, so that whoever looks sees it ended.
pub fn finish_deletions(cx: &Call) -> Result<(), Fault> {
    let shared = cx.shared();
    for (_, deletion) in shared.list::<Deletion>(DELETIONS, &deletion_key(cx, ""))? {
        if cx.now < deletion.ends {
            continue;
        }
        shared.delete(DELETIONS, &deletion_key(cx, &deletion.id))?;
        let cluster: Option<Cluster> = cx.get(CLUSTERS, &deletion.id)?;
        let Some(cluster) = cluster.filter(Cluster::is_deleting) else {
            continue;
        };
        network::release(cx, &cluster.interfaces)?;
        if let Some(arn) = &cluster.secret_arn {
            secrets::delete_managed(cx, arn)?;
        }
        cx.tag_forget(&cluster.arn(cx))?;
        cx.delete(CLUSTERS, &cluster.id)?;
        ports::forget(cx, &cluster.namespace_id)?;
        Engines::remove(cx, &cluster.namespace_id);
    }
    Ok(())
}

/// Ends a deletion when its time has come even if nobody looks: others wait for the cluster's interfaces to go.
fn follow(cloud: &Arc<Cloud>, deletion: Deletion) {
    let cloud_inside = Arc::clone(cloud);
    cloud.spawn(async move {
        cloud_inside.clock.reach(deletion.ends).await;
        // A failure here leaves the deletion to the next look at the clusters or the next start.
        let _ = cloud_inside
            .write(Service::Redshift, &deletion.account, &deletion.region, finish_deletions)
            .await;
    });
}

pub fn resume_deletions(cloud: &Arc<Cloud>) {
    let found = cloud.read(Service::Redshift, "", "", |cx| {
        cx.shared().list::<Deletion>(DELETIONS, "")
    });
    for (_, deletion) in found.unwrap_or_default() {
        follow(cloud, deletion);
    }
}

pub fn enable_logging(cx: &Call, input: &Value) -> Answer {
    let mut cluster = named(cx, input)?;
    if cluster.is_deleting() {
        return Err(invalid_state(format!("Cluster {} is being deleted.", cluster.id)));
    }
    let destination = input["LogDestinationType"].as_str().unwrap_or("s3");
    let exports = texts(input, "LogExports");
    let logging = match destination {
        "s3" => {
            if !exports.is_empty() {
                return Err(combination(
                    "LogExports can only be specified for the destination cloudwatch.",
                ));
            }
            let bucket = text(input, "BucketName");
            if bucket.is_empty() {
                return Err(combination("BucketName is required for the destination s3."));
            }
            if s3::bucket_owner(cx, bucket)?.is_none() {
                return Err(Fault::bad(
                    "BucketNotFoundFault",
                    format!("Could not find the specified S3 bucket {bucket}."),
                ));
            }
            let prefix = input["S3KeyPrefix"].as_str().map(str::to_string);
            if prefix
                .as_ref()
                .is_some_and(|prefix| prefix.contains([' ', '"', '\'', '\\']) || prefix.len() > 512)
            {
                return Err(Fault::bad(
                    "InvalidS3KeyPrefixFault",
                    "The string specified for the logging S3 key prefix does not comply with the documented constraints.",
                ));
            }
            Logging {
                destination: "s3".into(),
                bucket: Some(bucket.to_string()),
                prefix,
                exports: Vec::new(),
            }
        }
        "cloudwatch" => {
            let known = ["connectionlog", "useractivitylog", "userlog"];
            if exports.is_empty() || exports.iter().any(|export| !known.contains(&export.as_str())) {
                return Err(invalid(format!(
                    "LogExports must be one or more of {}.",
                    known.join(", ")
                )));
            }
            Logging {
                destination: "cloudwatch".into(),
                bucket: None,
                prefix: None,
                exports,
            }
        }
        other => return Err(invalid(format!("Invalid log destination type: {other}"))),
    };
    cluster.logging = Some(logging);
    save(cx, &cluster)?;
    Ok(shown_logging(&cluster))
}

pub fn disable_logging(cx: &Call, input: &Value) -> Answer {
    let mut cluster = named(cx, input)?;
    cluster.logging = None;
    save(cx, &cluster)?;
    Ok(shown_logging(&cluster))
}

pub fn describe_logging(cx: &Call, input: &Value) -> Answer {
    Ok(shown_logging(&named(cx, input)?))
}

fn shown_logging(cluster: &Cluster) -> Value {
    let mut shown = Map::new();
    shown.insert("LoggingEnabled".into(), json!(cluster.logging.is_some()));
    if let Some(logging) = &cluster.logging {
        shown.insert("LogDestinationType".into(), json!(logging.destination));
        if let Some(bucket) = &logging.bucket {
            shown.insert("BucketName".into(), json!(bucket));
        }
        if let Some(prefix) = &logging.prefix {
            shown.insert("S3KeyPrefix".into(), json!(prefix));
        }
        if !logging.exports.is_empty() {
            shown.insert("LogExports".into(), json!(logging.exports));
        }
    }
    shown.into()
}
