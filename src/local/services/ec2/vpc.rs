//! VPCs: their blocks, attributes, and the main route table, default security group and default ACL that come and go
//! with each.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cidr::Cidr;
use super::endpoint::Endpoint;
use super::eni::Eni;
use super::gateway::Gateway;
use super::group::Group;
use super::nat::Nat;
use super::resource::{self, Describe, Resource, text};
use super::route::RouteTable;
use super::subnet::Subnet;
use super::{acl, group, route, tags};
use crate::services::{Answer, Call, Fault};

/// The default quota of an account and region.
const MAX_VPCS: usize = 5;
const MAX_BLOCKS: usize = 5;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Vpc {
    pub vpc_id: String,
    pub cidr_block: String,
    owner_id: String,
    instance_tenancy: String,
    is_default: bool,
    dhcp_options_id: String,
    cidr_block_association_set: Vec<Block>,
    #[serde(rename = "_available")]
    available: f64,
    #[serde(rename = "_support")]
    pub dns_support: bool,
    #[serde(rename = "_hostnames")]
    pub dns_hostnames: bool,
    #[serde(rename = "_metrics")]
    address_metrics: bool,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Block {
    association_id: String,
    cidr_block: String,
    cidr_block_state: Value,
}

impl Resource for Vpc {
    const TABLE: &'static str = "ec2-vpcs";
    const KIND: &'static str = "vpc";
    const NOT_FOUND: &'static str = "InvalidVpcID.NotFound";
    const NOUN: &'static str = "vpc ID";

    fn id(&self) -> &str {
        &self.vpc_id
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        let state = if cx.now < self.available {
            "pending"
        } else {
            "available"
        };
        shown.insert("State".into(), state.into());
        Ok(())
    }
}

impl Vpc {
    pub fn blocks(&self) -> Vec<Cidr> {
        self.cidr_block_association_set
            .iter()
            .filter_map(|block| Cidr::parse(&block.cidr_block))
            .collect()
    }
}

/// Reads a block that a VPC or subnet may have.
pub fn block(input: &Value, range: &str) -> Result<Cidr, Fault> {
    let given = text(input, "CidrBlock");
    let cidr = Cidr::parse(given).ok_or_else(|| {
        let message = format!("Value ({given}) for parameter cidrBlock is invalid. This is not a valid CIDR block.");
        Fault::bad("InvalidParameterValue", message)
    })?;
    if !(16..=28).contains(&cidr.prefix) {
        return Err(Fault::bad(range, format!("The CIDR '{given}' is invalid.")));
    }
    Ok(cidr)
}

fn association(cx: &Call, cidr: Cidr) -> Block {
    Block {
        association_id: cx.new_id("vpc-cidr-assoc"),
        cidr_block: cidr.to_string(),
        cidr_block_state: json!({"State": "associated"}),
    }
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "CidrBlock",
            "InstanceTenancy",
            "TagSpecifications",
            "DryRun",
            "AmazonProvidedIpv6CidrBlock",
        ],
    )?;
    if input["AmazonProvidedIpv6CidrBlock"] == true {
        return Err(Fault::new(
            501,
            "NotImplemented",
            "the local cloud does not implement IPv6 blocks of a VPC",
        ));
    }
    if text(input, "CidrBlock").is_empty() {
        return Err(Fault::bad(
            "MissingParameter",
            "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.",
        ));
    }
    let cidr = block(input, "InvalidVpc.Range")?;
    if resource::all::<Vpc>(cx)?.len() >= MAX_VPCS {
        return Err(Fault::bad(
            "VpcLimitExceeded",
            "The maximum number of VPCs has been reached.",
        ));
    }
    let tags = tags::specified(input, Vpc::KIND)?;
    let vpc = Vpc {
        vpc_id: cx.new_id("vpc"),
        cidr_block: cidr.to_string(),
        owner_id: cx.account.clone(),
        instance_tenancy: input["InstanceTenancy"].as_str().unwrap_or("default").to_owned(),
        is_default: false,
        dhcp_options_id: acl::dhcp_options(cx)?,
        cidr_block_association_set: vec![association(cx, cidr)],
        available: cx.now + cx.cloud.pace.seconds(0.2, 2.0),
        dns_support: true,
        dns_hostnames: false,
        address_metrics: false,
    };
    resource::save(cx, &vpc)?;
    tags::write(cx, Vpc::KIND, &vpc.vpc_id, &tags)?;
    route::create_main(cx, &vpc.vpc_id)?;
    group::create_default(cx, &vpc.vpc_id)?;
    acl::create_default(cx, &vpc.vpc_id)?;
    Ok(json!({"Vpc": resource::shown(cx, &vpc)?}))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("vpc-id", "VpcId"),
        ("cidr", "CidrBlock"),
        ("cidr-block", "CidrBlock"),
        ("cidr-block-association.cidr-block", "CidrBlockAssociationSet.CidrBlock"),
        (
            "cidr-block-association.association-id",
            "CidrBlockAssociationSet.AssociationId",
        ),
        (
            "cidr-block-association.state",
            "CidrBlockAssociationSet.CidrBlockState.State",
        ),
        ("dhcp-options-id", "DhcpOptionsId"),
        ("is-default", "IsDefault"),
        ("isDefault", "IsDefault"),
        ("owner-id", "OwnerId"),
        ("state", "State"),
    ];
    resource::describe::<Vpc>(
        cx,
        input,
        &Describe {
            ids: "VpcIds",
            list: "Vpcs",
            filters: &filters,
            limit: 1000,
        },
    )
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    let id = vpc.vpc_id.as_str();
    let attached = |gateway: &Gateway| gateway.vpc() == Some(id);
    let held = resource::all::<Subnet>(cx)?.iter().any(|subnet| subnet.vpc_id == id)
        || resource::all::<Gateway>(cx)?.iter().any(attached)
        || resource::all::<Endpoint>(cx)?
            .iter()
            .any(|endpoint| endpoint.vpc_id == id)
        || resource::all::<Nat>(cx)?
            .iter()
            .any(|nat| nat.vpc_id == id && nat.holds(cx.now))
        || resource::all::<Eni>(cx)?.iter().any(|eni| eni.vpc_id == id)
        || resource::all::<RouteTable>(cx)?
            .iter()
            .any(|table| table.vpc_id == id && !table.is_main())
        || resource::all::<Group>(cx)?
            .iter()
            .any(|group| group.vpc_id == id && !group.is_default());
    if held {
        let message = format!("The vpc '{id}' has dependencies and cannot be deleted.");
        return Err(Fault::bad("DependencyViolation", message));
    }
    route::remove_main(cx, id)?;
    group::remove_default(cx, id)?;
    acl::remove_default(cx, id)?;
    resource::remove::<Vpc>(cx, id)?;
    Ok(Value::Null)
}

pub fn describe_attribute(cx: &Call, input: &Value) -> Answer {
    let vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    let (member, value) = match text(input, "Attribute") {
        "enableDnsSupport" => ("EnableDnsSupport", vpc.dns_support),
        "enableDnsHostnames" => ("EnableDnsHostnames", vpc.dns_hostnames),
        _ => ("EnableNetworkAddressUsageMetrics", vpc.address_metrics),
    };
    Ok(json!({"VpcId": vpc.vpc_id, member: {"Value": value}}))
}

pub fn modify_attribute(cx: &Call, input: &Value) -> Answer {
    let mut vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    let members = [
        "EnableDnsSupport",
        "EnableDnsHostnames",
        "EnableNetworkAddressUsageMetrics",
    ];
    let given: Vec<(&str, bool)> = members
        .iter()
        .filter_map(|member| Some((*member, input[member]["Value"].as_bool()?)))
        .collect();
    match given[..] {
        [("EnableDnsSupport", value)] => vpc.dns_support = value,
        [("EnableDnsHostnames", true)] if !vpc.dns_support => {
            let message = "The VPC attribute 'enableDnsHostnames' needs 'enableDnsSupport' to be true";
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        [("EnableDnsHostnames", value)] => vpc.dns_hostnames = value,
        [(_, value)] => vpc.address_metrics = value,
        [] => return Err(Fault::bad("MissingParameter", "No attributes specified.")),
        _ => {
            let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
            let message = format!("Fields for multiple attribute types specified: {}", names.join(", "));
            return Err(Fault::bad("InvalidParameterCombination", message));
        }
    }
    resource::save(cx, &vpc)?;
    Ok(Value::Null)
}

pub fn modify_tenancy(cx: &Call, input: &Value) -> Answer {
    let mut vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    vpc.instance_tenancy = text(input, "InstanceTenancy").to_owned();
    resource::save(cx, &vpc)?;
    Ok(json!({"ReturnValue": true}))
}

pub fn associate_block(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &["VpcId", "CidrBlock"])?;
    let mut vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    let cidr = block(input, "InvalidVpc.Range")?;
    if vpc.blocks().iter().any(|block| block.overlaps(cidr)) {
        let message = format!("The CIDR '{cidr}' overlaps with another CIDR block of the VPC.");
        return Err(Fault::bad("InvalidVpc.Range", message));
    }
    if vpc.cidr_block_association_set.len() >= MAX_BLOCKS {
        let message = format!(
            "This network '{}' has met its maximum number of allowed CIDRs: {MAX_BLOCKS}",
            vpc.vpc_id
        );
        return Err(Fault::bad("CidrLimitExceeded", message));
    }
    let block = association(cx, cidr);
    vpc.cidr_block_association_set.push(block.clone());
    resource::save(cx, &vpc)?;
    Ok(json!({"VpcId": vpc.vpc_id, "CidrBlockAssociation": block}))
}

pub fn disassociate_block(cx: &Call, input: &Value) -> Answer {
    let id = text(input, "AssociationId");
    let missing = || {
        let message = format!("The vpc CIDR block association ID '{id}' does not exist");
        Fault::bad("InvalidVpcCidrBlockAssociationID.NotFound", message)
    };
    let vpcs: Vec<Vpc> = resource::all(cx)?;
    let has = |vpc: &Vpc| {
        vpc.cidr_block_association_set
            .iter()
            .any(|block| block.association_id == id)
    };
    let mut vpc = vpcs.into_iter().find(has).ok_or_else(missing)?;
    let at = vpc
        .cidr_block_association_set
        .iter()
        .position(|block| block.association_id == id)
        .ok_or_else(missing)?;
    let block = vpc.cidr_block_association_set.remove(at);
    if block.cidr_block == vpc.cidr_block {
        let message = format!(
            "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
        );
        return Err(Fault::bad("OperationNotPermitted", message));
    }
    let cidr = Cidr::parse(&block.cidr_block).ok_or_else(missing)?;
    let used = resource::all::<Subnet>(cx)?
        .iter()
        .any(|subnet| subnet.vpc_id == vpc.vpc_id && subnet.block().is_some_and(|subnet| cidr.contains(subnet)));
    if used {
        let message =
            format!("The vpc CIDR block with association ID {id} has dependencies and cannot be disassociated");
        return Err(Fault::bad("DependencyViolation", message));
    }
    resource::save(cx, &vpc)?;
    let block = json!({
        "AssociationId": id, "CidrBlock": block.cidr_block, "CidrBlockState": {"State": "disassociating"},
    });
    Ok(json!({"VpcId": vpc.vpc_id, "CidrBlockAssociation": block}))
}
