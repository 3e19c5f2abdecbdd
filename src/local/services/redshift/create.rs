//! `CreateCluster`: every rule on its parameters, and the defaults AWS fills in (`era` dates them: encrypted, not public,
//! relocation on for managed storage, port 5439, one day of automated snapshots).

use serde_json::{Value, json};

use super::super::{Answer, Call, Fault, era, secrets};
use super::cluster::{self, Activity, AttachedRole, Cluster, Kind, Pending, save};
use super::network::{self, Subnet};
use super::tags::{Tags, read_tags};
use super::{combination, invalid, parameters, ports, rules, subnet_groups, text, texts};

const PARAMETERS: &[&str] = &[
    "DBName",
    "ClusterIdentifier",
    "ClusterType",
    "NodeType",
    "MasterUsername",
    "MasterUserPassword",
    "VpcSecurityGroupIds",
    "ClusterSubnetGroupName",
    "AvailabilityZone",
    "PreferredMaintenanceWindow",
    "ClusterParameterGroupName",
    "AutomatedSnapshotRetentionPeriod",
    "ManualSnapshotRetentionPeriod",
    "Port",
    "ClusterVersion",
    "AllowVersionUpgrade",
    "NumberOfNodes",
    "PubliclyAccessible",
    "Encrypted",
    "ElasticIp",
    "Tags",
    "KmsKeyId",
    "EnhancedVpcRouting",
    "IamRoles",
    "MaintenanceTrackName",
    "AvailabilityZoneRelocation",
    "AquaConfigurationStatus",
    "DefaultIamRoleArn",
    "ManageMasterPassword",
    "MasterPasswordSecretKmsKeyId",
    "IpAddressType",
    "MultiAZ",
    "ExtraComputeForAutomaticOptimization",
];
const ROLES_PER_CLUSTER: usize = 50;
const CLUSTERS_PER_REGION: usize = 200;

pub fn create(cx: &Call, input: &Value) -> Answer {
    cx.only(input, PARAMETERS)?;
    let id = rules::identifier("ClusterIdentifier", text(input, "ClusterIdentifier"), 63, true)?;
    let node = rules::node_type(text(input, "NodeType"))?;
    let nodes = rules::node_count(node, input["ClusterType"].as_str(), input["NumberOfNodes"].as_i64())?;
    let user = text(input, "MasterUsername");
    rules::check_user(user)?;
    let database = input["DBName"].as_str().unwrap_or("dev");
    rules::check_database(database)?;
    let port = rules::check_port(node, input["Port"].as_i64().unwrap_or(5439))?;
    if input["Encrypted"].as_bool() == Some(false) {
        return Err(invalid(
            "Encrypted must be true: unencrypted clusters cannot be created.",
        ));
    }
    let managed_password = input["ManageMasterPassword"].as_bool().unwrap_or(false);
    let password = read_password(input, managed_password)?;
    let automated_retention_days = input["AutomatedSnapshotRetentionPeriod"].as_i64().unwrap_or(1);
    rules::check_automated_retention(node, automated_retention_days)?;
    let manual_retention_days = input["ManualSnapshotRetentionPeriod"].as_i64().unwrap_or(-1);
    rules::check_manual_retention(manual_retention_days)?;
    let maintenance_window = match input["PreferredMaintenanceWindow"].as_str() {
        Some(window) => rules::maintenance_window(window)?,
        None => rules::default_window(&id),
    };
    check_version_and_track(input)?;
    let multi_az = input["MultiAZ"].as_bool().unwrap_or(false);
    let relocation = input["AvailabilityZoneRelocation"].as_bool();
    check_zones(node, nodes, multi_az, relocation)?;
    let public = input["PubliclyAccessible"]
        .as_bool()
        .unwrap_or_else(|| cx.by_default(era::Default::ClusterIsPublic));
    let elastic_ip = input["ElasticIp"].as_str().map(str::to_string);
    if elastic_ip.is_some() && !public {
        return Err(combination(
            "ElasticIp can only be specified when PubliclyAccessible is true.",
        ));
    }
    let (roles, default_role) = read_roles(cx, input)?;
    let mut tags = Tags::new();
    read_tags(input, &mut tags)?;

    let existing = cluster::all(cx)?;
    if existing.iter().any(|cluster| cluster.id == id) {
        return Err(Fault::bad(
            "ClusterAlreadyExists",
            format!("Cluster already exists: {id}"),
        ));
    }
    if existing.len() >= CLUSTERS_PER_REGION {
        return Err(Fault::bad(
            "ClusterQuotaExceeded",
            "The request would exceed the allowed number of clusters.",
        ));
    }
    let parameter_group = input["ClusterParameterGroupName"]
        .as_str()
        .map_or_else(|| format!("default.{}", parameters::DEFAULT_FAMILY), str::to_lowercase);
    if parameters::find(cx, &parameter_group)?.is_none() {
        return Err(parameters::not_found(&parameter_group));
    }
    let place = place(cx, input, multi_az)?;
    if public && !network::has_internet_gateway(cx, &place.vpc_id)? {
        return Err(Fault::bad(
            "InvalidVPCNetworkStateFault",
            format!(
                "The VPC {} has no internet gateway; a publicly accessible cluster needs one.",
                place.vpc_id
            ),
        ));
    }
    let interfaces = network::attach(cx, &place.subnets, nodes, &place.security_groups)?;
    let secret_kms_key = input["MasterPasswordSecretKmsKeyId"].as_str().map(str::to_string);
    let secret_arn = match managed_password {
        true => Some(secrets::create_managed(
            cx,
            &format!("redshift!{id}-{user}"),
            "redshift",
            user,
            secret_kms_key.as_deref(),
        )?),
        false => None,
    };
    let created = cx.now;
    let ends = created + cx.cloud.pace.seconds(1.0, 240.0);
    let cluster = Cluster {
        namespace_id: uuid::Uuid::new_v4().to_string(),
        node_type: node.name.to_string(),
        nodes,
        user: user.to_string(),
        password,
        database: database.to_string(),
        port,
        created: created.floor(),
        subnet_group: place.group,
        vpc_id: place.vpc_id,
        availability_zone: place.subnets[0].zone.clone(),
        security_groups: place.security_groups,
        interfaces,
        parameter_group,
        parameters_read: ends,
        automated_retention_days,
        manual_retention_days,
        maintenance_window,
        track: input["MaintenanceTrackName"].as_str().unwrap_or("current").to_string(),
        allow_upgrade: input["AllowVersionUpgrade"].as_bool().unwrap_or(true),
        public,
        kms_key: input["KmsKeyId"].as_str().map(str::to_string),
        enhanced_routing: input["EnhancedVpcRouting"].as_bool().unwrap_or(false),
        relocation: relocation.unwrap_or(node.managed_storage && !multi_az),
        multi_az,
        ip_address_type: input["IpAddressType"].as_str().unwrap_or("ipv4").to_string(),
        extra_compute: input["ExtraComputeForAutomaticOptimization"].as_bool().unwrap_or(false),
        roles,
        default_role,
        secret_arn,
        secret_kms_key,
        elastic_ip,
        logging: None,
        tags,
        paused: false,
        activity: Some(Activity {
            kind: Kind::Creating,
            started: created,
            ends,
            pending: Pending::default(),
        }),
        id,
    };
    save(cx, &cluster)?;
    ports::register(cx, &cluster.namespace_id)?;
    cx.tag_index(&cluster.arn(cx), &cluster.tags)?;
    Ok(json!({ "Cluster": cluster.shown(cx)? }))
}

fn read_password(input: &Value, managed: bool) -> Result<Option<String>, Fault> {
    match (input["MasterUserPassword"].as_str(), managed) {
        (Some(_), true) => Err(combination(
            "MasterUserPassword can't be specified when ManageMasterPassword is true.",
        )),
        (Some(password), false) => {
            rules::check_password("MasterUserPassword", password)?;
            Ok(Some(password.to_string()))
        }
        (None, true) => Ok(None),
        (None, false) => Err(combination(
            "Either MasterUserPassword or ManageMasterPassword must be specified.",
        )),
    }
}

fn check_version_and_track(input: &Value) -> Result<(), Fault> {
    if let Some(version) = input["ClusterVersion"].as_str()
        && version != "1.0"
    {
        return Err(invalid(format!("Invalid cluster version: {version}")));
    }
    if let Some(track) = input["MaintenanceTrackName"].as_str()
        && !["current", "trailing"].contains(&track.to_lowercase().as_str())
    {
        return Err(Fault::bad(
            "InvalidClusterTrack",
            format!("The provided cluster track name {track} is not valid."),
        ));
    }
    match input["IpAddressType"].as_str() {
        None | Some("ipv4") => Ok(()),
        Some("dualstack") => Err(Fault::bad(
            "Ipv6CidrBlockNotFoundFault",
            "There are no subnets with IPv6 CIDR blocks in the subnet group.",
        )),
        Some(other) => Err(invalid(format!("Invalid IP address type: {other}"))),
    }
}

pub fn check_zones(node: &rules::NodeType, nodes: u64, multi_az: bool, relocation: Option<bool>) -> Result<(), Fault> {
    if multi_az && relocation == Some(true) {
        return Err(combination(
            "Availability zone relocation can't be enabled on a Multi-AZ cluster.",
        ));
    }
    if multi_az && (!node.managed_storage || nodes < 2) {
        return Err(Fault::bad(
            "UnsupportedOperation",
            "Multi-AZ needs at least two nodes of an RA3 node type.",
        ));
    }
    if relocation == Some(true) && !node.managed_storage {
        return Err(Fault::bad(
            "UnsupportedOperation",
            "Availability zone relocation needs an RA3 node type.",
        ));
    }
    Ok(())
}

fn read_roles(cx: &Call, input: &Value) -> Result<(Vec<AttachedRole>, Option<String>), Fault> {
    let mut roles: Vec<AttachedRole> = Vec::new();
    for arn in texts(input, "IamRoles") {
        rules::check_role_arn(&arn)?;
        if !roles.iter().any(|role| role.arn == arn) {
            roles.push(AttachedRole { arn, ready: cx.now });
        }
    }
    check_role_count(roles.len())?;
    let default_role = input["DefaultIamRoleArn"]
        .as_str()
        .filter(|arn| !arn.is_empty())
        .map(str::to_string);
    check_default_role(&roles, default_role.as_deref())?;
    Ok((roles, default_role))
}

pub fn check_role_count(count: usize) -> Result<(), Fault> {
    if count > ROLES_PER_CLUSTER {
        return Err(invalid(format!(
            "No more than {ROLES_PER_CLUSTER} IAM roles can be associated with a cluster."
        )));
    }
    Ok(())
}

pub fn check_default_role(roles: &[AttachedRole], default_role: Option<&str>) -> Result<(), Fault> {
    match default_role {
        Some(arn) if !roles.iter().any(|role| role.arn == arn) => Err(invalid(format!(
            "The default IAM role {arn} is not associated with the cluster."
        ))),
        _ => Ok(()),
    }
}

/// Where a cluster goes.
struct Place {
    group: String,
    vpc_id: String,
    /// The chosen zone's first.
    subnets: Vec<Subnet>,
    security_groups: Vec<String>,
}

fn place(cx: &Call, input: &Value, multi_az: bool) -> Result<Place, Fault> {
    let (group, vpc_id, mut subnets) = match input["ClusterSubnetGroupName"].as_str() {
        Some(name) => {
            let group = subnet_groups::find(cx, name)?.ok_or_else(|| subnet_groups::not_found(name))?;
            (group.name, group.vpc_id, group.subnets)
        }
        // Without a group the cluster goes into the default VPC; Redshift calls that group `default`.
        None => match network::default_subnets(cx)? {
            Some((vpc_id, subnets)) => ("default".to_string(), vpc_id, subnets),
            None => return Err(subnet_groups::not_found("default")),
        },
    };
    // The subnets may have gone since the group was made.
    for subnet in &subnets {
        if network::subnet(cx, &subnet.id)?.is_none() {
            return Err(Fault::bad(
                "InvalidSubnet",
                format!("The subnet {} of group {group} no longer exists.", subnet.id),
            ));
        }
    }
    if let Some(zone) = input["AvailabilityZone"].as_str() {
        let Some(at) = subnets.iter().position(|subnet| subnet.zone == zone) else {
            return Err(invalid(format!(
                "The subnet group {group} has no subnet in availability zone {zone}."
            )));
        };
        subnets.swap(0, at);
    }
    if subnets.is_empty() {
        return Err(Fault::bad(
            "InvalidSubnet",
            format!("The subnet group {group} has no subnets."),
        ));
    }
    if multi_az && subnets.iter().all(|subnet| subnet.zone == subnets[0].zone) {
        return Err(Fault::bad(
            "InvalidVPCNetworkStateFault",
            format!("Multi-AZ needs subnets in more than one availability zone in the subnet group {group}."),
        ));
    }
    let security_groups = security_groups(cx, &vpc_id, texts(input, "VpcSecurityGroupIds"))?;
    Ok(Place {
        group,
        vpc_id,
        subnets,
        security_groups,
    })
}

/// Returns the groups that were asked for, which must be of this VPC, or the VPC's default group.
pub fn security_groups(cx: &Call, vpc_id: &str, ids: Vec<String>) -> Result<Vec<String>, Fault> {
    if ids.is_empty() {
        return Ok(network::default_security_group(cx, vpc_id)?.into_iter().collect());
    }
    for id in &ids {
        match network::vpc_of_security_group(cx, id)? {
            Some(vpc) if vpc == vpc_id => {}
            Some(_) => {
                return Err(Fault::bad(
                    "InvalidVPCNetworkStateFault",
                    format!("The security group {id} and the subnet group must be in the same VPC."),
                ));
            }
            None => return Err(invalid(format!("Some input VPC security groups in {id} are invalid."))),
        }
    }
    Ok(ids)
}
