//! Subnets: inside their VPC, beside each other, in one zone.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cidr::Cidr;
use super::eni::Eni;
use super::resource::{self, Describe, Resource, text};
use super::vpc::{self, Vpc};
use super::{acl, route, tags, zones};
use crate::services::{Answer, Call, Fault};

const MAX_PER_VPC: usize = 200;
/// The network, the router, DNS, one for later, and the broadcast address.
pub const RESERVED: u64 = 5;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Subnet {
    pub subnet_id: String,
    subnet_arn: String,
    pub vpc_id: String,
    pub cidr_block: String,
    pub availability_zone: String,
    availability_zone_id: String,
    owner_id: String,
    default_for_az: bool,
    pub map_public_ip_on_launch: bool,
    map_customer_owned_ip_on_launch: bool,
    assign_ipv6_address_on_creation: bool,
    ipv6_cidr_block_association_set: Vec<Value>,
    enable_dns64: bool,
    ipv6_native: bool,
    private_dns_name_options_on_launch: LaunchNames,
    #[serde(rename = "_available")]
    available: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LaunchNames {
    hostname_type: String,
    enable_resource_name_dns_a_record: bool,
    #[serde(rename = "EnableResourceNameDnsAAAARecord")]
    enable_resource_name_dns_aaaa_record: bool,
}

impl Resource for Subnet {
    const TABLE: &'static str = "ec2-subnets";
    const KIND: &'static str = "subnet";
    const NOT_FOUND: &'static str = "InvalidSubnetID.NotFound";
    const NOUN: &'static str = "subnet ID";

    fn id(&self) -> &str {
        &self.subnet_id
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        let state = if cx.now < self.available {
            "pending"
        } else {
            "available"
        };
        shown.insert("State".into(), state.into());
        let used = resource::all::<Eni>(cx)?
            .iter()
            .filter(|eni| eni.subnet_id == self.subnet_id)
            .count() as u64;
        let free = self.block().map_or(0, Cidr::size).saturating_sub(RESERVED + used);
        shown.insert("AvailableIpAddressCount".into(), free.into());
        Ok(())
    }
}

impl Subnet {
    pub fn block(&self) -> Option<Cidr> {
        Cidr::parse(&self.cidr_block)
    }
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "VpcId",
            "CidrBlock",
            "AvailabilityZone",
            "AvailabilityZoneId",
            "TagSpecifications",
            "DryRun",
        ],
    )?;
    let vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    if text(input, "CidrBlock").is_empty() {
        return Err(Fault::bad(
            "MissingParameter",
            "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.",
        ));
    }
    let cidr = vpc::block(input, "InvalidSubnet.Range")?;
    if !vpc.blocks().iter().any(|block| block.contains(cidr)) {
        return Err(Fault::bad(
            "InvalidSubnet.Range",
            format!("The CIDR '{cidr}' is invalid."),
        ));
    }
    let mut siblings: Vec<Subnet> = resource::all(cx)?;
    siblings.retain(|subnet| subnet.vpc_id == vpc.vpc_id);
    if siblings
        .iter()
        .filter_map(Subnet::block)
        .any(|sibling| sibling.overlaps(cidr))
    {
        return Err(Fault::bad(
            "InvalidSubnet.Conflict",
            format!("The CIDR '{cidr}' conflicts with another subnet"),
        ));
    }
    if siblings.len() >= MAX_PER_VPC {
        return Err(Fault::bad(
            "SubnetLimitExceeded",
            "The maximum number of subnets has been reached.",
        ));
    }
    let (availability_zone, availability_zone_id) = zone(cx, input, &siblings)?;
    let tags = tags::specified(input, Subnet::KIND)?;
    let subnet_id = cx.new_id("subnet");
    let subnet = Subnet {
        subnet_arn: cx.arn("ec2", &format!("subnet/{subnet_id}")),
        subnet_id,
        vpc_id: vpc.vpc_id,
        cidr_block: cidr.to_string(),
        availability_zone,
        availability_zone_id,
        owner_id: cx.account.clone(),
        default_for_az: false,
        map_public_ip_on_launch: false,
        map_customer_owned_ip_on_launch: false,
        assign_ipv6_address_on_creation: false,
        ipv6_cidr_block_association_set: Vec::new(),
        enable_dns64: false,
        ipv6_native: false,
        private_dns_name_options_on_launch: LaunchNames {
            hostname_type: "ip-name".into(),
            enable_resource_name_dns_a_record: false,
            enable_resource_name_dns_aaaa_record: false,
        },
        available: cx.now + cx.cloud.pace.seconds(0.2, 2.0),
    };
    resource::save(cx, &subnet)?;
    tags::write(cx, Subnet::KIND, &subnet.subnet_id, &tags)?;
    acl::adopt_subnet(cx, &subnet.vpc_id, &subnet.subnet_id)?;
    Ok(json!({"Subnet": resource::shown(cx, &subnet)?}))
}

/// Returns the wanted zone, or the one with the fewest subnets of the VPC.
fn zone(cx: &Call, input: &Value, siblings: &[Subnet]) -> Result<(String, String), Fault> {
    let zones = zones::of(&cx.region);
    let names: Vec<&str> = zones.iter().map(|(name, _)| name.as_str()).collect();
    let (wanted_name, wanted_id) = (input["AvailabilityZone"].as_str(), input["AvailabilityZoneId"].as_str());
    let invalid = |parameter: &str, value: &str, known: String| {
        let message = format!(
            "Value ({value}) for parameter {parameter} is invalid. Subnets can currently only be created in the following availability zones: {known}."
        );
        Fault::bad("InvalidParameterValue", message)
    };
    match (wanted_name, wanted_id) {
        (Some(_), Some(_)) => {
            let message = "The parameters availabilityZone and availabilityZoneId may not be used together";
            Err(Fault::bad("InvalidParameterCombination", message))
        }
        (Some(wanted), None) => zones
            .iter()
            .find(|(name, _)| name == wanted)
            .cloned()
            .ok_or_else(|| invalid("availabilityZone", wanted, names.join(", "))),
        (None, Some(wanted)) => zones.iter().find(|(_, id)| id == wanted).cloned().ok_or_else(|| {
            let ids: Vec<&str> = zones.iter().map(|(_, id)| id.as_str()).collect();
            invalid("availabilityZoneId", wanted, ids.join(", "))
        }),
        (None, None) => {
            let load = |(name, _): &&(String, String)| {
                siblings
                    .iter()
                    .filter(|subnet| subnet.availability_zone == *name)
                    .count()
            };
            Ok(zones.iter().min_by_key(load).cloned().expect("every region has zones"))
        }
    }
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("subnet-id", "SubnetId"),
        ("subnet-arn", "SubnetArn"),
        ("vpc-id", "VpcId"),
        ("cidr", "CidrBlock"),
        ("cidr-block", "CidrBlock"),
        ("cidrBlock", "CidrBlock"),
        ("availability-zone", "AvailabilityZone"),
        ("availabilityZone", "AvailabilityZone"),
        ("availability-zone-id", "AvailabilityZoneId"),
        ("available-ip-address-count", "AvailableIpAddressCount"),
        ("default-for-az", "DefaultForAz"),
        ("map-public-ip-on-launch", "MapPublicIpOnLaunch"),
        ("owner-id", "OwnerId"),
        ("state", "State"),
        ("ipv6-native", "Ipv6Native"),
        ("enable-dns64", "EnableDns64"),
    ];
    let how = Describe {
        ids: "SubnetIds",
        list: "Subnets",
        filters: &filters,
        limit: 1000,
    };
    resource::describe::<Subnet>(cx, input, &how)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let subnet: Subnet = resource::find(cx, text(input, "SubnetId"))?;
    let id = subnet.subnet_id.as_str();
    if resource::all::<Eni>(cx)?.iter().any(|eni| eni.subnet_id == id) {
        let message = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(Fault::bad("DependencyViolation", message));
    }
    route::forget_subnet(cx, id)?;
    acl::forget_subnet(cx, id)?;
    resource::remove::<Subnet>(cx, id)?;
    Ok(Value::Null)
}

pub fn modify(cx: &Call, input: &Value) -> Answer {
    let known = [
        "SubnetId",
        "MapPublicIpOnLaunch",
        "AssignIpv6AddressOnCreation",
        "EnableDns64",
        "PrivateDnsHostnameTypeOnLaunch",
        "EnableResourceNameDnsARecordOnLaunch",
        "EnableResourceNameDnsAAAARecordOnLaunch",
    ];
    cx.only(input, &known)?;
    let mut subnet: Subnet = resource::find(cx, text(input, "SubnetId"))?;
    let given: Vec<&str> = known[1..]
        .iter()
        .copied()
        .filter(|member| !input[member].is_null())
        .collect();
    let [member] = given[..] else {
        let (code, message) = if given.is_empty() {
            (
                "MissingParameter",
                "The request must contain an attribute to modify".to_owned(),
            )
        } else {
            (
                "InvalidParameterCombination",
                format!("Fields for multiple attribute types specified: {}", given.join(", ")),
            )
        };
        return Err(Fault::bad(code, message));
    };
    let flag = input[member]["Value"].as_bool().unwrap_or_default();
    let names = &mut subnet.private_dns_name_options_on_launch;
    match member {
        "MapPublicIpOnLaunch" => subnet.map_public_ip_on_launch = flag,
        "EnableDns64" => subnet.enable_dns64 = flag,
        "EnableResourceNameDnsARecordOnLaunch" => names.enable_resource_name_dns_a_record = flag,
        "PrivateDnsHostnameTypeOnLaunch" => names.hostname_type = text(input, member).to_owned(),
        _ if flag => {
            let message = format!("The subnet '{}' has no IPv6 CIDR block", subnet.subnet_id);
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        _ => {}
    }
    resource::save(cx, &subnet)?;
    Ok(Value::Null)
}
