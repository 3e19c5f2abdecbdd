//! What Redshift needs of EC2: subnets, security groups and gateways, read as any client reads them, and network
//! interfaces of its own, which keep subnets and groups from being deleted while a cluster is in them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Call, Fault, Service, ec2};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subnet {
    pub id: String,
    /// Availability zone.
    pub zone: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    pub id: String,
    pub subnet_id: String,
    pub private_ip: String,
}

/// Asks EC2. `None` when it says that the thing does not exist.
fn describe(cx: &Call, operation: &'static str, input: Value, list: &str) -> Result<Option<Vec<Value>>, Fault> {
    let cx = Call {
        service: Service::Ec2,
        operation,
        ..cx.clone()
    };
    match ec2::call(&cx, &input) {
        Ok(mut answer) => match answer[list].take() {
            Value::Array(found) => Ok(Some(found)),
            _ => Ok(Some(Vec::new())),
        },
        Err(fault) if fault.code.contains("NotFound") || fault.code.contains("Malformed") => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_string()
}

/// Returns a subnet with its VPC, or `None` when it does not exist.
pub fn subnet(cx: &Call, id: &str) -> Result<Option<(Subnet, String)>, Fault> {
    let found = describe(cx, "DescribeSubnets", json!({ "SubnetIds": [id] }), "Subnets")?;
    Ok(found.and_then(|found| found.into_iter().next()).map(|subnet| {
        (
            Subnet {
                id: text(&subnet, "SubnetId"),
                zone: text(&subnet, "AvailabilityZone"),
            },
            text(&subnet, "VpcId"),
        )
    }))
}

/// Returns the default VPC and its subnets, when the region has one.
pub fn default_subnets(cx: &Call) -> Result<Option<(String, Vec<Subnet>)>, Fault> {
    let vpcs = describe(cx, "DescribeVpcs", filter("is-default", "true"), "Vpcs")?.unwrap_or_default();
    let Some(vpc) = vpcs.first().map(|vpc| text(vpc, "VpcId")) else {
        return Ok(None);
    };
    let subnets = describe(cx, "DescribeSubnets", filter("vpc-id", &vpc), "Subnets")?.unwrap_or_default();
    let subnets: Vec<Subnet> = subnets
        .iter()
        .map(|subnet| Subnet {
            id: text(subnet, "SubnetId"),
            zone: text(subnet, "AvailabilityZone"),
        })
        .collect();
    Ok((!subnets.is_empty()).then_some((vpc, subnets)))
}

pub fn default_security_group(cx: &Call, vpc_id: &str) -> Result<Option<String>, Fault> {
    let groups = describe(cx, "DescribeSecurityGroups", filter("vpc-id", vpc_id), "SecurityGroups")?;
    let default = groups
        .unwrap_or_default()
        .into_iter()
        .find(|group| group["GroupName"] == "default");
    Ok(default.map(|group| text(&group, "GroupId")))
}

/// Returns the VPC of a security group, or `None` when there is no such group.
pub fn vpc_of_security_group(cx: &Call, id: &str) -> Result<Option<String>, Fault> {
    let found = describe(
        cx,
        "DescribeSecurityGroups",
        json!({ "GroupIds": [id] }),
        "SecurityGroups",
    )?;
    Ok(found.and_then(|found| found.first().map(|group| text(group, "VpcId"))))
}

pub fn has_internet_gateway(cx: &Call, vpc_id: &str) -> Result<bool, Fault> {
    let found = describe(
        cx,
        "DescribeInternetGateways",
        filter("attachment.vpc-id", vpc_id),
        "InternetGateways",
    )?;
    Ok(found.is_some_and(|found| !found.is_empty()))
}

fn filter(name: &str, value: &str) -> Value {
    json!({ "Filters": [{ "Name": name, "Values": [value] }] })
}

/// Makes the interfaces of a cluster in the first of the subnets: one for a single node, else one for the leader
/// and one for each node.
pub fn attach(cx: &Call, subnets: &[Subnet], nodes: u64, groups: &[String]) -> Result<Vec<Interface>, Fault> {
    let Some(subnet) = subnets.first() else {
        return Ok(Vec::new());
    };
    let count = if nodes == 1 { 1 } else { nodes + 1 };
    (0..count).map(|_| attach_one(cx, subnet, groups)).collect()
}

/// Makes one interface in each of the subnets.
pub fn attach_each(cx: &Call, subnets: &[Subnet], groups: &[String]) -> Result<Vec<Interface>, Fault> {
    subnets.iter().map(|subnet| attach_one(cx, subnet, groups)).collect()
}

fn attach_one(cx: &Call, subnet: &Subnet, groups: &[String]) -> Result<Interface, Fault> {
    let cx = Call {
        service: Service::Ec2,
        ..cx.clone()
    };
    let eni = ec2::eni::attach(
        &cx,
        &subnet.id,
        groups,
        ec2::eni::Owner::Redshift,
        "RedshiftNetworkInterface",
    )?;
    Ok(Interface {
        id: eni.id,
        subnet_id: subnet.id.clone(),
        private_ip: eni.private_ip,
    })
}

/// Returns interfaces in the same subnets and other security groups, in place of these.
pub fn replace(cx: &Call, interfaces: &[Interface], groups: &[String]) -> Result<Vec<Interface>, Fault> {
    release(cx, interfaces)?;
    let subnet = |interface: &Interface| Subnet {
        id: interface.subnet_id.clone(),
        zone: String::new(),
    };
    interfaces
        .iter()
        .map(|interface| attach_one(cx, &subnet(interface), groups))
        .collect()
}

/// Lets interfaces vanish at an instant, so that EC2 sees them gone when Redshift's states say so.
pub fn release_at(cx: &Call, interfaces: &[Interface], instant: f64) -> Result<(), Fault> {
    let cx = Call {
        service: Service::Ec2,
        ..cx.clone()
    };
    interfaces
        .iter()
        .try_for_each(|interface| ec2::eni::release_at(&cx, &interface.id, instant))
}

pub fn release(cx: &Call, interfaces: &[Interface]) -> Result<(), Fault> {
    let cx = Call {
        service: Service::Ec2,
        ..cx.clone()
    };
    interfaces
        .iter()
        .try_for_each(|interface| ec2::eni::release(&cx, &interface.id))
}
