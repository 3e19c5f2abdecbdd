//! VPC endpoints: gateway endpoints, which put prefix-list routes into route tables, and interface endpoints, which own
//! an interface in each of their subnets.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::eni::{self, Owner};
use super::group::{self, Group};
use super::resource::{self, Describe, Resource, strings, text};
use super::route::RouteTable;
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{tags, zones};
use crate::services::{Answer, Call, Fault};

/// What an endpoint allows when no policy was given.
const FULL_ACCESS: &str = "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}";
const INTERFACE_SERVICES: [&str; 14] = [
    "s3",
    "glue",
    "sts",
    "logs",
    "secretsmanager",
    "kms",
    "redshift",
    "redshift-data",
    "redshift-serverless",
    "ec2",
    "ecr.api",
    "ecr.dkr",
    "athena",
    "monitoring",
];

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Endpoint {
    vpc_endpoint_id: String,
    vpc_endpoint_type: String,
    pub vpc_id: String,
    service_name: String,
    policy_document: String,
    route_table_ids: Vec<String>,
    subnet_ids: Vec<String>,
    #[serde(rename = "_groups")]
    groups: Vec<String>,
    ip_address_type: String,
    private_dns_enabled: bool,
    requester_managed: bool,
    network_interface_ids: Vec<String>,
    dns_entries: Vec<Value>,
    dns_options: Value,
    creation_timestamp: f64,
    owner_id: String,
    #[serde(rename = "_available")]
    available: f64,
    #[serde(rename = "_gone")]
    gone: Option<f64>,
}

impl Resource for Endpoint {
    const TABLE: &'static str = "ec2-vpces";
    const KIND: &'static str = "vpc-endpoint";
    const NOT_FOUND: &'static str = "InvalidVpcEndpointId.NotFound";
    const NOUN: &'static str = "Vpc Endpoint Id";

    fn id(&self) -> &str {
        &self.vpc_endpoint_id
    }

    fn exists(&self, now: f64) -> bool {
        self.gone.is_none_or(|gone| now < gone)
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        let state = match self.gone {
            Some(_) => "deleting",
            None if cx.now < self.available => "pending",
            None => "available",
        };
        shown.insert("State".into(), state.into());
        let mut groups = Vec::new();
        for id in &self.groups {
            let group: Option<Group> = cx.get(Group::TABLE, id)?;
            groups.push(json!({"GroupId": id, "GroupName": group.map(|group| group.group_name)}));
        }
        shown.insert("Groups".into(), groups.into());
        Ok(())
    }
}

impl Endpoint {
    fn is_gateway(&self) -> bool {
        self.vpc_endpoint_type == "Gateway"
    }

    /// The short name of the service: `s3`.
    fn service(&self, cx: &Call) -> &str {
        short_name(cx, &self.service_name).unwrap_or_default()
    }
}

fn short_name<'n>(cx: &Call, service: &'n str) -> Option<&'n str> {
    service
        .strip_prefix("com.amazonaws.")?
        .strip_prefix(cx.region.as_str())?
        .strip_prefix('.')
}

/// Returns the prefix lists routed in a table and the endpoints they lead to.
pub fn routes_of(cx: &Call, table: &str) -> Result<Vec<(String, String)>, Fault> {
    let endpoints: Vec<Endpoint> = resource::all(cx)?;
    let linked = endpoints
        .iter()
        .filter(|endpoint| endpoint.route_table_ids.iter().any(|known| known == table));
    Ok(linked
        .map(|endpoint| {
            (
                zones::prefix_list(&cx.region, endpoint.service(cx)),
                endpoint.vpc_endpoint_id.clone(),
            )
        })
        .collect())
}

/// Unlinks a route table that is being deleted.
pub fn forget_table(cx: &Call, table: &str) -> Result<(), Fault> {
    for mut endpoint in resource::all::<Endpoint>(cx)? {
        let before = endpoint.route_table_ids.len();
        endpoint.route_table_ids.retain(|known| known != table);
        if endpoint.route_table_ids.len() < before {
            resource::save(cx, &endpoint)?;
        }
    }
    Ok(())
}

fn link(cx: &Call, endpoint: &mut Endpoint, table: &str) -> Result<(), Fault> {
    let table: RouteTable = resource::find(cx, table)?;
    if table.vpc_id != endpoint.vpc_id {
        let message = format!(
            "Route table {} and VPC {} belong to different networks",
            table.route_table_id, endpoint.vpc_id
        );
        return Err(Fault::bad("InvalidParameter", message));
    }
    let list = zones::prefix_list(&cx.region, endpoint.service(cx));
    let linked = endpoint.route_table_ids.contains(&table.route_table_id);
    if linked
        || routes_of(cx, &table.route_table_id)?
            .iter()
            .any(|(known, _)| *known == list)
    {
        let message = format!(
            "route table {} already has a route with destination-prefix-list-id {list}",
            table.route_table_id
        );
        return Err(Fault::bad("RouteAlreadyExists", message));
    }
    endpoint.route_table_ids.push(table.route_table_id);
    Ok(())
}

fn policy(document: &str) -> Result<String, Fault> {
    let parsed: Result<Value, _> = serde_json::from_str(document);
    match parsed {
        Ok(Value::Object(policy)) if policy.contains_key("Statement") => Ok(document.to_owned()),
        _ => Err(Fault::bad("InvalidPolicyDocument", "The policy document is not valid.")),
    }
}

/// Puts an interface of an interface endpoint into a subnet.
fn enter(cx: &Call, endpoint: &mut Endpoint, subnet: &str) -> Result<(), Fault> {
    let subnet: Subnet = resource::find(cx, subnet)?;
    if subnet.vpc_id != endpoint.vpc_id {
        let message = format!(
            "The subnet {} and VPC {} belong to different networks",
            subnet.subnet_id, endpoint.vpc_id
        );
        return Err(Fault::bad("InvalidParameter", message));
    }
    for other in &endpoint.subnet_ids {
        let other: Subnet = resource::find(cx, other)?;
        if other.availability_zone == subnet.availability_zone {
            let message = "Found another VPC endpoint subnet in the availability zone of the subnet";
            return Err(Fault::bad(
                "DuplicateSubnetsInSameZone",
                format!("{message} {}", subnet.subnet_id),
            ));
        }
    }
    let description = format!("VPC Endpoint Interface {}", endpoint.vpc_endpoint_id);
    let eni = eni::attach(cx, &subnet.subnet_id, &endpoint.groups, Owner::Endpoint, &description)?;
    endpoint.subnet_ids.push(subnet.subnet_id);
    endpoint.network_interface_ids.push(eni.id);
    Ok(())
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let known = [
        "VpcEndpointType",
        "VpcId",
        "ServiceName",
        "PolicyDocument",
        "RouteTableIds",
        "SubnetIds",
        "SecurityGroupIds",
        "IpAddressType",
        "DnsOptions",
        "ClientToken",
        "PrivateDnsEnabled",
        "TagSpecifications",
        "DryRun",
    ];
    cx.only(input, &known)?;
    let again = |id: &str| -> Answer {
        let endpoint: Endpoint = resource::find(cx, id)?;
        Ok(json!({"VpcEndpoint": resource::shown(cx, &endpoint)?, "ClientToken": input["ClientToken"]}))
    };
    if let Some(id) = resource::replayed(cx, input)? {
        return again(&id);
    }
    let vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    let name = text(input, "ServiceName");
    let kind = input["VpcEndpointType"].as_str().unwrap_or("Gateway");
    let service = short_name(cx, name).unwrap_or_default();
    let offered = match kind {
        "Gateway" => zones::GATEWAY_SERVICES.iter().any(|(known, _)| *known == service),
        "Interface" => INTERFACE_SERVICES.contains(&service),
        _ => {
            let message = format!("the local cloud does not implement VPC endpoints of type {kind}");
            return Err(Fault::new(501, "NotImplemented", message));
        }
    };
    if !offered {
        let message = format!("The Vpc Endpoint Service '{name}' does not exist");
        return Err(Fault::bad("InvalidServiceName", message));
    }
    let tags = tags::specified(input, Endpoint::KIND)?;
    let gateway = kind == "Gateway";
    let misplaced = if gateway {
        ["SubnetIds", "SecurityGroupIds"]
    } else {
        ["RouteTableIds", "RouteTableIds"]
    };
    for member in misplaced {
        if !strings(&input[member]).is_empty() {
            let message = format!("The parameter {member} is not supported for endpoints of type {kind}");
            return Err(Fault::bad("InvalidParameter", message));
        }
    }
    let private_names = input["PrivateDnsEnabled"]
        .as_bool()
        .unwrap_or(!gateway && service != "s3");
    if !gateway && private_names && !(vpc.dns_support && vpc.dns_hostnames) {
        let message =
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true";
        return Err(Fault::bad("InvalidParameter", format!("{message} for {}", vpc.vpc_id)));
    }
    let id = cx.new_id("vpce");
    let mut groups: Vec<String> = Vec::new();
    for id in strings(&input["SecurityGroupIds"]) {
        groups.push(resource::find::<Group>(cx, id)?.group_id);
    }
    if !gateway && groups.is_empty() {
        groups.extend(group::default_of(cx, &vpc.vpc_id)?);
    }
    let mut endpoint = Endpoint {
        vpc_endpoint_type: kind.to_owned(),
        service_name: name.to_owned(),
        policy_document: input["PolicyDocument"]
            .as_str()
            .map_or_else(|| Ok(FULL_ACCESS.to_owned()), policy)?,
        route_table_ids: Vec::new(),
        subnet_ids: Vec::new(),
        groups,
        ip_address_type: input["IpAddressType"].as_str().unwrap_or("ipv4").to_owned(),
        private_dns_enabled: !gateway && private_names,
        requester_managed: false,
        network_interface_ids: Vec::new(),
        dns_entries: if gateway {
            Vec::new()
        } else {
            vec![json!({"DnsName": format!("{id}.{service}.{}.vpce.amazonaws.com", cx.region)})]
        },
        dns_options: if gateway {
            json!({})
        } else {
            json!({"DnsRecordIpType": "ipv4"})
        },
        creation_timestamp: cx.now,
        owner_id: cx.account.clone(),
        available: if gateway {
            0.0
        } else {
            cx.now + cx.cloud.pace.seconds(0.8, 75.0)
        },
        gone: None,
        vpc_endpoint_id: id,
        vpc_id: vpc.vpc_id,
    };
    for table in strings(&input["RouteTableIds"]) {
        link(cx, &mut endpoint, table)?;
    }
    for subnet in strings(&input["SubnetIds"]) {
        enter(cx, &mut endpoint, subnet)?;
    }
    resource::save(cx, &endpoint)?;
    tags::write(cx, Endpoint::KIND, &endpoint.vpc_endpoint_id, &tags)?;
    resource::remember(cx, input, &endpoint.vpc_endpoint_id)?;
    again(&endpoint.vpc_endpoint_id)
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("vpc-endpoint-id", "VpcEndpointId"),
        ("vpc-id", "VpcId"),
        ("service-name", "ServiceName"),
        ("vpc-endpoint-state", "State"),
        ("vpc-endpoint-type", "VpcEndpointType"),
        ("ip-address-type", "IpAddressType"),
    ];
    let how = Describe {
        ids: "VpcEndpointIds",
        list: "VpcEndpoints",
        filters: &filters,
        limit: 1000,
    };
    resource::describe::<Endpoint>(cx, input, &how)
}

pub fn modify(cx: &Call, input: &Value) -> Answer {
    let known = [
        "VpcEndpointId",
        "ResetPolicy",
        "PolicyDocument",
        "AddRouteTableIds",
        "RemoveRouteTableIds",
        "AddSubnetIds",
        "RemoveSubnetIds",
        "AddSecurityGroupIds",
        "RemoveSecurityGroupIds",
        "PrivateDnsEnabled",
        "DryRun",
    ];
    cx.only(input, &known)?;
    let mut endpoint: Endpoint = resource::find(cx, text(input, "VpcEndpointId"))?;
    if endpoint.gone.is_some() {
        let message = format!("The VPC endpoint {} is being deleted", endpoint.vpc_endpoint_id);
        return Err(Fault::bad("IncorrectState", message));
    }
    let misplaced: &[&str] = if endpoint.is_gateway() {
        &[
            "AddSubnetIds",
            "RemoveSubnetIds",
            "AddSecurityGroupIds",
            "RemoveSecurityGroupIds",
        ]
    } else {
        &["AddRouteTableIds", "RemoveRouteTableIds"]
    };
    if let Some(member) = misplaced.iter().find(|member| !strings(&input[**member]).is_empty()) {
        let message = format!(
            "The parameter {member} is not supported for endpoints of type {}",
            endpoint.vpc_endpoint_type
        );
        return Err(Fault::bad("InvalidParameter", message));
    }
    if input["ResetPolicy"] == true {
        endpoint.policy_document = FULL_ACCESS.to_owned();
    } else if let Some(document) = input["PolicyDocument"].as_str() {
        endpoint.policy_document = policy(document)?;
    }
    for table in strings(&input["RemoveRouteTableIds"]) {
        resource::find::<RouteTable>(cx, table)?;
        endpoint.route_table_ids.retain(|known| known != table);
    }
    // Saved before linking, so that a table moved in one request is free.
    resource::save(cx, &endpoint)?;
    for table in strings(&input["AddRouteTableIds"]) {
        link(cx, &mut endpoint, table)?;
    }
    for id in strings(&input["AddSecurityGroupIds"]) {
        endpoint.groups.push(resource::find::<Group>(cx, id)?.group_id);
    }
    for id in strings(&input["RemoveSecurityGroupIds"]) {
        endpoint.groups.retain(|known| known != id);
    }
    for subnet in strings(&input["RemoveSubnetIds"]) {
        if let Some(at) = endpoint.subnet_ids.iter().position(|known| known == subnet) {
            endpoint.subnet_ids.remove(at);
            eni::release(cx, &endpoint.network_interface_ids.remove(at))?;
        }
    }
    for subnet in strings(&input["AddSubnetIds"]) {
        enter(cx, &mut endpoint, subnet)?;
    }
    if let Some(enabled) = input["PrivateDnsEnabled"].as_bool() {
        endpoint.private_dns_enabled = enabled && !endpoint.is_gateway();
    }
    resource::save(cx, &endpoint)?;
    Ok(json!({"Return": true}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let mut unsuccessful = Vec::new();
    for id in strings(&input["VpcEndpointIds"]) {
        let mut endpoint: Endpoint = match resource::find(cx, id) {
            Ok(endpoint) => endpoint,
            Err(fault) if fault.status >= 500 => return Err(fault),
            Err(fault) => {
                unsuccessful.push(json!({"ResourceId": id, "Error": {"Code": fault.code, "Message": fault.message}}));
                continue;
            }
        };
        if endpoint.is_gateway() {
            resource::remove::<Endpoint>(cx, id)?;
            continue;
        }
        let gone = cx.now + cx.cloud.pace.seconds(0.8, 60.0);
        endpoint.gone = Some(gone);
        for eni in &endpoint.network_interface_ids {
            eni::release_at(cx, eni, gone)?;
        }
        resource::save(cx, &endpoint)?;
        tags::unindex(cx, Endpoint::KIND, id)?;
    }
    Ok(json!({"Unsuccessful": unsuccessful}))
}

pub fn describe_services(cx: &Call, input: &Value) -> Answer {
    let zones: Vec<String> = zones::of(&cx.region).into_iter().map(|(name, _)| name).collect();
    let gateways = zones::GATEWAY_SERVICES.iter().map(|(service, _)| (*service, "Gateway"));
    let interfaces = INTERFACE_SERVICES.iter().map(|service| (*service, "Interface"));
    let mut details: Vec<Value> = gateways
        .chain(interfaces)
        .map(|(service, kind)| {
            json!({
                "ServiceName": format!("com.amazonaws.{}.{service}", cx.region),
                "ServiceType": [{"ServiceType": kind}], "AvailabilityZones": zones, "Owner": "amazon",
                "BaseEndpointDnsNames": [format!("{service}.{}.vpce.amazonaws.com", cx.region)],
                "VpcEndpointPolicySupported": true, "AcceptanceRequired": false, "ManagesVpcEndpoints": false,
                "ServiceRegion": cx.region, "SupportedIpAddressTypes": ["ipv4"], "Tags": [],
            })
        })
        .collect();
    let wanted = strings(&input["ServiceNames"]);
    if let Some(unknown) = wanted
        .iter()
        .find(|wanted| details.iter().all(|known| known["ServiceName"] != **wanted))
    {
        let message = format!("The Vpc Endpoint Service '{unknown}' does not exist");
        return Err(Fault::bad("InvalidServiceName", message));
    }
    details.retain(|known| wanted.is_empty() || wanted.iter().any(|wanted| known["ServiceName"] == *wanted));
    let filters = [
        ("service-name", "ServiceName"),
        ("service-type", "ServiceType.ServiceType"),
        ("owner", "Owner"),
    ];
    let details = resource::filtered(input, details, &filters, "Tags")?;
    let mut names: Vec<Value> = details.iter().map(|known| known["ServiceName"].clone()).collect();
    names.sort_by(|left, right| left.as_str().cmp(&right.as_str()));
    names.dedup();
    let mut answer = resource::page(cx, input, details, "ServiceDetails", 1000)?;
    answer["ServiceNames"] = names.into();
    Ok(answer)
}
