//! Workgroups: capacity, parameters, network. One per namespace.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::redshift::engines::Engines;
use super::super::redshift::network::{self, Interface, Subnet};
use super::super::redshift::ports;
use super::super::{Answer, Call, Cloud, Fault, Service, era};
use super::{check_name, conflict, namespaces, not_found, paged, tags, text, texts, validation};

const WORKGROUPS: &str = "serverless_workgroup";
const DELETIONS: &str = "serverless_deletion";

/// The parameters that a workgroup has, with their defaults; the answer always lists them all.
const PARAMETERS: &[(&str, &str)] = &[
    ("auto_mv", "true"),
    ("datestyle", "ISO, MDY"),
    ("enable_case_sensitive_identifier", "false"),
    ("enable_user_activity_logging", "true"),
    ("max_query_execution_time", "14400"),
    ("query_group", "default"),
    ("require_ssl", "true"),
    ("search_path", "$user, public"),
    ("use_fips_ssl", "false"),
];
/// Query limits are absent unless set; -1 removes one.
const LIMITS: &[&str] = &[
    "max_query_cpu_time",
    "max_query_blocks_read",
    "max_scan_row_count",
    "max_query_queue_time",
    "max_query_cpu_usage_percent",
    "max_query_temp_blocks_to_disk",
    "max_join_row_count",
    "max_nested_loop_join_row_count",
];

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workgroup {
    pub name: String,
    pub id: String,
    pub namespace: String,
    pub namespace_id: String,
    created: f64,
    base_capacity: i64,
    max_capacity: Option<i64>,
    /// Level of the price-performance target, when it is on.
    target_level: Option<i64>,
    parameters: BTreeMap<String, String>,
    enhanced_routing: bool,
    public: bool,
    port: i64,
    track: String,
    extra_compute: bool,
    security_groups: Vec<String>,
    subnets: Vec<Subnet>,
    vpc_id: String,
    interfaces: Vec<Interface>,
    pub tags: BTreeMap<String, String>,
    activity: Option<Activity>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Activity {
    status: String,
    ends: f64,
}

impl Workgroup {
    pub fn arn(&self, cx: &Call) -> String {
        cx.arn("redshift-serverless", &format!("workgroup/{}", self.id))
    }

    pub fn status(&self, now: f64) -> &str {
        match &self.activity {
            Some(activity) if now < activity.ends || activity.status == "DELETING" => &activity.status,
            _ => "AVAILABLE",
        }
    }

    pub fn is_busy(&self, now: f64) -> bool {
        self.status(now) != "AVAILABLE"
    }

    /// A workgroup that is being modified still answers.
    pub fn answers_queries(&self, now: f64) -> bool {
        ["AVAILABLE", "MODIFYING"].contains(&self.status(now))
    }

    fn shown(&self, cx: &Call) -> Value {
        let status = self.status(cx.now);
        let mut shown = Map::new();
        let mut set = |key: &str, value: Option<Value>| value.and_then(|value| shown.insert(key.into(), value));
        set("workgroupName", Some(json!(self.name)));
        set("workgroupId", Some(json!(self.id)));
        set("workgroupArn", Some(json!(self.arn(cx))));
        set("namespaceName", Some(json!(self.namespace)));
        set("status", Some(json!(status)));
        set("creationDate", Some(json!(self.created)));
        // With a target on, the base is the service's affair.
        set(
            "baseCapacity",
            Some(json!(if self.target_level.is_some() {
                -1
            } else {
                self.base_capacity
            })),
        );
        set("maxCapacity", self.max_capacity.map(|capacity| json!(capacity)));
        let target = match self.target_level {
            Some(level) => json!({ "status": "ENABLED", "level": level }),
            None => json!({ "status": "DISABLED" }),
        };
        set("pricePerformanceTarget", Some(target));
        let parameters = self.parameters.iter();
        set(
            "configParameters",
            Some(
                parameters
                    .map(|(key, value)| json!({ "parameterKey": key, "parameterValue": value }))
                    .collect(),
            ),
        );
        set("enhancedVpcRouting", Some(json!(self.enhanced_routing)));
        set("extraComputeForAutomaticOptimization", Some(json!(self.extra_compute)));
        set("publiclyAccessible", Some(json!(self.public)));
        set("port", Some(json!(self.port)));
        set("trackName", Some(json!(self.track)));
        set("ipAddressType", Some(json!("ipv4")));
        set("securityGroupIds", Some(json!(self.security_groups)));
        set(
            "subnetIds",
            Some(self.subnets.iter().map(|subnet| json!(subnet.id)).collect()),
        );
        set("crossAccountVpcs", Some(json!([])));
        if status != "CREATING" {
            set("endpoint", Some(self.shown_endpoint(cx)));
            set("workgroupVersion", Some(json!("1.0")));
            set("patchVersion", Some(json!("1.0.100000")));
        }
        shown.into()
    }

    fn shown_endpoint(&self, cx: &Call) -> Value {
        let zone = |subnet: &str| {
            self.subnets
                .iter()
                .find(|known| known.id == subnet)
                .map(|known| known.zone.clone())
        };
        let interfaces = self.interfaces.iter().map(|interface| {
            json!({
                "networkInterfaceId": interface.id,
                "subnetId": interface.subnet_id,
                "privateIpAddress": interface.private_ip,
                "availabilityZone": zone(&interface.subnet_id),
            })
        });
        let endpoint_id = format!("vpce-{}", &self.id.replace('-', "")[..17]);
        json!({
            "address": format!(
                "{}.{}.{}.redshift-serverless.amazonaws.com", self.name, cx.account, cx.region
            ),
            "port": self.port,
            "vpcEndpoints": [{
                "vpcEndpointId": endpoint_id,
                "vpcId": self.vpc_id,
                "networkInterfaces": interfaces.collect::<Value>(),
            }],
        })
    }
}

/// Returns the workgroup of a name or an ARN.
pub fn find(cx: &Call, name: &str) -> Result<Option<Workgroup>, Fault> {
    match name.strip_prefix(&cx.arn("redshift-serverless", "workgroup/")) {
        Some(id) => Ok(all(cx)?.into_iter().find(|workgroup| workgroup.id == id)),
        None => cx.get(WORKGROUPS, name),
    }
}

pub fn all(cx: &Call) -> Result<Vec<Workgroup>, Fault> {
    Ok(cx
        .list::<Workgroup>(WORKGROUPS, "")?
        .into_iter()
        .map(|(_, workgroup)| workgroup)
        .collect())
}

pub fn of_namespace(cx: &Call, namespace: &str) -> Result<Option<Workgroup>, Fault> {
    Ok(all(cx)?.into_iter().find(|workgroup| workgroup.namespace == namespace))
}

pub fn save(cx: &Call, workgroup: &Workgroup) -> Result<(), Fault> {
    cx.put(WORKGROUPS, &workgroup.name, workgroup)
}

fn named(cx: &Call, input: &Value) -> Result<Workgroup, Fault> {
    let name = text(input, "workgroupName");
    let found: Option<Workgroup> = cx.get(WORKGROUPS, name)?;
    found.ok_or_else(|| not_found("workgroup", name))
}

fn idle(cx: &Call, input: &Value) -> Result<Workgroup, Fault> {
    let workgroup = named(cx, input)?;
    if workgroup.is_busy(cx.now) {
        return Err(conflict(format!(
            "There is an operation running on the workgroup {}. Try again when it is available.",
            workgroup.name
        )));
    }
    Ok(workgroup)
}

const CREATABLE: &[&str] = &[
    "workgroupName",
    "namespaceName",
    "baseCapacity",
    "maxCapacity",
    "pricePerformanceTarget",
    "configParameters",
    "enhancedVpcRouting",
    "extraComputeForAutomaticOptimization",
    "publiclyAccessible",
    "port",
    "trackName",
    "ipAddressType",
    "securityGroupIds",
    "subnetIds",
    "tags",
];

pub fn create(cx: &Call, input: &Value) -> Answer {
    cx.only(input, CREATABLE)?;
    let name = text(input, "workgroupName");
    check_name("workgroup", name)?;
    let namespace_name = text(input, "namespaceName");
    let target_level = read_target(input)?;
    let base_capacity = input["baseCapacity"].as_i64();
    // A workgroup that says nothing of capacity gets a price-performance target of 50.
    let target_level = match (target_level, base_capacity) {
        (Some(Some(_)), Some(_)) => {
            return Err(validation(
                "baseCapacity can't be specified when the price-performance target is enabled.",
            ));
        }
        (Some(level), _) => level,
        (None, Some(_)) => None,
        (None, None) => cx.by_default(era::Default::WorkgroupHasTarget).then_some(50),
    };
    let base_capacity = base_capacity.unwrap_or(128);
    let max_capacity = input["maxCapacity"].as_i64();
    check_capacity(base_capacity, max_capacity)?;
    let port = input["port"].as_i64().unwrap_or(5439);
    check_port(port)?;
    if input["ipAddressType"].as_str().is_some_and(|kind| kind != "ipv4") {
        return Err(Fault::bad(
            "Ipv6CidrBlockNotFoundException",
            "The subnets have no IPv6 CIDR block.",
        ));
    }
    let mut parameters: BTreeMap<String, String> = PARAMETERS
        .iter()
        .map(|(key, value)| ((*key).to_string(), (*value).to_string()))
        .collect();
    apply_parameters(&mut parameters, input)?;
    let tags = tags::read(input)?;
    let namespace = namespaces::find(cx, namespace_name)?.ok_or_else(|| not_found("namespace", namespace_name))?;
    if find(cx, name)?.is_some() {
        return Err(conflict(format!("A workgroup with the name {name} already exists.")));
    }
    if let Some(other) = of_namespace(cx, namespace_name)? {
        return Err(conflict(format!(
            "The namespace {namespace_name} is already used by workgroup {}.",
            other.name
        )));
    }
    let (vpc_id, subnets) = read_subnets(cx, texts(input, "subnetIds"))?;
    let security_groups = read_groups(cx, &vpc_id, texts(input, "securityGroupIds"))?;
    let interfaces = network::attach_each(cx, &subnets, &security_groups)?;
    let workgroup = Workgroup {
        name: name.to_string(),
        id: uuid::Uuid::new_v4().to_string(),
        namespace: namespace.name,
        namespace_id: namespace.id,
        created: cx.now,
        base_capacity,
        max_capacity,
        target_level,
        parameters,
        enhanced_routing: input["enhancedVpcRouting"].as_bool().unwrap_or(false),
        public: input["publiclyAccessible"].as_bool().unwrap_or(false),
        port,
        track: input["trackName"].as_str().unwrap_or("current").to_string(),
        extra_compute: input["extraComputeForAutomaticOptimization"].as_bool().unwrap_or(false),
        security_groups,
        subnets,
        vpc_id,
        interfaces,
        tags,
        activity: Some(Activity {
            status: "CREATING".into(),
            ends: cx.now + cx.cloud.pace.seconds(0.8, 150.0),
        }),
    };
    save(cx, &workgroup)?;
    ports::register(cx, &workgroup.namespace_id)?;
    cx.tag_index(&workgroup.arn(cx), &workgroup.tags)?;
    Ok(json!({ "workgroup": workgroup.shown(cx) }))
}

/// Returns the level that the request turns on, `Some(None)` for off, `None` when it does not say.
fn read_target(input: &Value) -> Result<Option<Option<i64>>, Fault> {
    let target = &input["pricePerformanceTarget"];
    match target["status"].as_str() {
        None => Ok(None),
        Some("DISABLED") => Ok(Some(None)),
        Some("ENABLED") => {
            let level = target["level"].as_i64().unwrap_or(50);
            if ![1, 25, 50, 75, 100].contains(&level) {
                return Err(validation("The price-performance level must be 1, 25, 50, 75 or 100."));
            }
            Ok(Some(Some(level)))
        }
        Some(other) => Err(validation(format!(
            "Invalid status of the price-performance target: {other}"
        ))),
    }
}

fn check_capacity(base: i64, max: Option<i64>) -> Result<(), Fault> {
    let valid = base == 4 || (8..=512).contains(&base) && base % 8 == 0 || base == 1024;
    if !valid {
        return Err(validation(format!(
            "Base capacity {base} is not valid. It is 4, a multiple of 8 from 8 to 512, or 1024."
        )));
    }
    match max {
        Some(max) if max < base => Err(validation("Max capacity must not be less than base capacity.")),
        Some(max) if max > 5632 => Err(validation("Max capacity must not be more than 5632.")),
        _ => Ok(()),
    }
}

fn check_port(port: i64) -> Result<(), Fault> {
    if (5431..=5455).contains(&port) || (8191..=8215).contains(&port) {
        return Ok(());
    }
    Err(validation(format!(
        "Port {port} is not valid. The port must be in the range 5431-5455 or 8191-8215."
    )))
}

/// Applies `configParameters`; returns whether anything changed.
fn apply_parameters(parameters: &mut BTreeMap<String, String>, input: &Value) -> Result<bool, Fault> {
    let mut changed = false;
    for given in input["configParameters"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        let (key, value) = (text(given, "parameterKey"), text(given, "parameterValue"));
        let limit = LIMITS.contains(&key);
        if !limit && !PARAMETERS.iter().any(|(known, _)| *known == key) {
            return Err(validation(format!("Invalid configuration parameter: {key}")));
        }
        if limit && value == "-1" {
            // Removing a limit that is not there is refused, on AWS too.
            if parameters.remove(key).is_none() {
                return Err(validation(format!("The query limit {key} is not set.")));
            }
            changed = true;
        } else {
            changed |= parameters.insert(key.to_string(), value.to_string()).as_deref() != Some(value);
        }
    }
    Ok(changed)
}

fn read_subnets(cx: &Call, ids: Option<Vec<String>>) -> Result<(String, Vec<Subnet>), Fault> {
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
        return network::default_subnets(cx)?
            .ok_or_else(|| validation("There is no default VPC; subnetIds must be specified."));
    };
    let mut vpc_id: Option<String> = None;
    let mut subnets = Vec::new();
    for id in ids {
        let Some((subnet, vpc)) = network::subnet(cx, &id)? else {
            return Err(validation(format!("The subnet {id} does not exist.")));
        };
        if vpc_id.get_or_insert_with(|| vpc.clone()) != &vpc {
            return Err(validation("The subnets must all be in the same VPC."));
        }
        subnets.push(subnet);
    }
    let zones: std::collections::BTreeSet<&str> = subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
    if zones.len() < 2 {
        return Err(validation("The subnets must span at least two Availability Zones."));
    }
    Ok((vpc_id.unwrap_or_default(), subnets))
}

fn read_groups(cx: &Call, vpc_id: &str, ids: Option<Vec<String>>) -> Result<Vec<String>, Fault> {
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
        return Ok(network::default_security_group(cx, vpc_id)?.into_iter().collect());
    };
    for id in &ids {
        if network::vpc_of_security_group(cx, id)?.as_deref() != Some(vpc_id) {
            return Err(validation(format!(
                "The security group {id} does not exist in the VPC {vpc_id}."
            )));
        }
    }
    Ok(ids)
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    Ok(json!({ "workgroup": named(cx, input)?.shown(cx) }))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let mut shown = Vec::new();
    if input["ownerAccount"].as_str().is_none_or(|owner| owner == cx.account) {
        shown = all(cx)?.iter().map(|workgroup| workgroup.shown(cx)).collect();
    }
    paged(cx, "workgroups", shown, input)
}

/// What one update may change; subnets and security groups go together, the rest alone.
const CONCERNS: &[&[&str]] = &[
    &["baseCapacity"],
    &["maxCapacity"],
    &["pricePerformanceTarget"],
    &["configParameters"],
    &["enhancedVpcRouting"],
    &["extraComputeForAutomaticOptimization"],
    &["publiclyAccessible"],
    &["port"],
    &["trackName"],
    &["securityGroupIds", "subnetIds"],
];

pub fn update(cx: &Call, input: &Value) -> Answer {
    let mut known = vec!["workgroupName"];
    known.extend(CONCERNS.iter().copied().flatten());
    cx.only(input, &known)?;
    let mut workgroup = idle(cx, input)?;
    let touched = CONCERNS
        .iter()
        .filter(|keys| keys.iter().any(|key| input.get(*key).is_some()))
        .count();
    if touched != 1 {
        return Err(validation("Exactly one parameter can be changed in one request."));
    }
    if let Some(base) = input["baseCapacity"].as_i64() {
        if workgroup.target_level.is_some() {
            return Err(validation(
                "baseCapacity can't be changed while the price-performance target is enabled.",
            ));
        }
        workgroup.base_capacity = base;
    }
    if let Some(max) = input["maxCapacity"].as_i64() {
        // -1 takes the limit away.
        workgroup.max_capacity = (max != -1).then_some(max);
    }
    check_capacity(workgroup.base_capacity, workgroup.max_capacity)?;
    if let Some(level) = read_target(input)? {
        workgroup.target_level = level;
    }
    if input.get("configParameters").is_some() && !apply_parameters(&mut workgroup.parameters, input)? {
        return Err(validation(
            "The configuration parameters are the same as the current ones.",
        ));
    }
    if let Some(enhanced) = input["enhancedVpcRouting"].as_bool() {
        workgroup.enhanced_routing = enhanced;
    }
    if let Some(extra) = input["extraComputeForAutomaticOptimization"].as_bool() {
        workgroup.extra_compute = extra;
    }
    if let Some(public) = input["publiclyAccessible"].as_bool() {
        workgroup.public = public;
    }
    if let Some(port) = input["port"].as_i64() {
        check_port(port)?;
        workgroup.port = port;
    }
    if let Some(track) = input["trackName"].as_str() {
        workgroup.track = track.to_string();
    }
    if input.get("subnetIds").is_some() || input.get("securityGroupIds").is_some() {
        if let Some(ids) = texts(input, "subnetIds") {
            (workgroup.vpc_id, workgroup.subnets) = read_subnets(cx, Some(ids))?;
        }
        if let Some(ids) = texts(input, "securityGroupIds") {
            workgroup.security_groups = read_groups(cx, &workgroup.vpc_id, Some(ids))?;
        }
        network::release(cx, &workgroup.interfaces)?;
        workgroup.interfaces = network::attach_each(cx, &workgroup.subnets, &workgroup.security_groups)?;
    }
    let ends = cx.now + cx.cloud.pace.seconds(0.3, 60.0);
    workgroup.activity = Some(Activity {
        status: "MODIFYING".into(),
        ends,
    });
    save(cx, &workgroup)?;
    Ok(json!({ "workgroup": workgroup.shown(cx) }))
}

/// A deletion under way, kept under one name for all accounts and regions so that a start finds them all.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Deletion {
    account: String,
    region: String,
    name: String,
    ends: f64,
}

fn deletion_key(cx: &Call, name: &str) -> String {
    format!("{}/{}/{name}", cx.account, cx.region)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let mut workgroup = idle(cx, input)?;
    let ends = cx.now + cx.cloud.pace.seconds(0.5, 90.0);
    workgroup.activity = Some(Activity {
        status: "DELETING".into(),
        ends,
    });
    network::release_at(cx, &workgroup.interfaces, ends)?;
    save(cx, &workgroup)?;
    let deletion = Deletion {
        account: cx.account.clone(),
        region: cx.region.clone(),
        name: workgroup.name.clone(),
        ends,
    };
    cx.shared()
        .put(DELETIONS, &deletion_key(cx, &workgroup.name), &deletion)?;
    Engines::close(cx.cloud, &workgroup.namespace_id);
    follow(cx.cloud, deletion);
    Ok(json!({ "workgroup": workgroup.shown(cx) }))
}

/// Ends every deletion of this account and region whose time has come.
pub fn finish_deletions(cx: &Call) -> Result<(), Fault> {
    let shared = cx.shared();
    for (_, deletion) in shared.list::<Deletion>(DELETIONS, &deletion_key(cx, ""))? {
        if cx.now < deletion.ends {
            continue;
        }
        shared.delete(DELETIONS, &deletion_key(cx, &deletion.name))?;
        let Some(workgroup) = cx.get::<Workgroup>(WORKGROUPS, &deletion.name)? else {
            continue;
        };
        network::release(cx, &workgroup.interfaces)?;
        ports::forget(cx, &workgroup.namespace_id)?;
        cx.tag_forget(&workgroup.arn(cx))?;
        cx.delete(WORKGROUPS, &workgroup.name)?;
    }
    Ok(())
}

fn follow(cloud: &Arc<Cloud>, deletion: Deletion) {
    let inside = Arc::clone(cloud);
    cloud.spawn(async move {
        inside.clock.reach(deletion.ends).await;
        // A failure here leaves the deletion to the next request or the next start.
        let _ = inside
            .write(
                Service::RedshiftServerless,
                &deletion.account,
                &deletion.region,
                finish_deletions,
            )
            .await;
    });
}

pub fn resume_deletions(cloud: &Arc<Cloud>) {
    let found = cloud.read(Service::RedshiftServerless, "", "", |cx| {
        cx.shared().list::<Deletion>(DELETIONS, "")
    });
    for (_, deletion) in found.unwrap_or_default() {
        follow(cloud, deletion);
    }
}
