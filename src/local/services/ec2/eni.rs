//! Network interfaces: what holds a subnet and a security group. Services own theirs through `attach` and `release`;
//! users may make their own.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::group::{self, Group};
use super::resource::{self, Describe, Resource, strings, text};
use super::subnet::{RESERVED, Subnet};
use super::tags::{self, Tags};
use super::vpc::Vpc;
use crate::services::{Answer, Call, Fault, random_u64};

/// How the interface of somebody else describes itself.
const TRESPASSER: &str = "ELB app/somebody-else/50dc6c495c0c9188";

/// Whose interface it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    User,
    Redshift,
    NatGateway,
    Endpoint,
    Glue,
    LoadBalancer,
}

impl Owner {
    fn requester(self) -> Option<&'static str> {
        match self {
            Owner::User => None,
            Owner::Redshift => Some("amazon-redshift"),
            Owner::NatGateway => Some("amazon-nat"),
            Owner::Endpoint => Some("amazon-vpce"),
            Owner::Glue => Some("amazon-glue"),
            Owner::LoadBalancer => Some("amazon-elb"),
        }
    }

    fn interface(self) -> &'static str {
        match self {
            Owner::NatGateway => "nat_gateway",
            Owner::Endpoint => "vpc_endpoint",
            Owner::User | Owner::Redshift | Owner::Glue | Owner::LoadBalancer => "interface",
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Eni {
    #[serde(rename = "NetworkInterfaceId")]
    pub id: String,
    pub subnet_id: String,
    pub vpc_id: String,
    availability_zone: String,
    pub description: String,
    #[serde(rename = "PrivateIpAddress")]
    pub private_ip: String,
    mac_address: String,
    owner_id: String,
    source_dest_check: bool,
    #[serde(rename = "_groups")]
    pub groups: Vec<String>,
    #[serde(rename = "_owner")]
    pub owner: Owner,
    /// The public address: its own when a service mapped one, or that of an allocation.
    #[serde(rename = "_public")]
    public: Option<Public>,
    /// When it vanishes with what owned it.
    #[serde(rename = "_gone")]
    gone: Option<f64>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Public {
    pub ip: String,
    pub allocation: Option<String>,
    pub association: Option<String>,
}

impl Resource for Eni {
    const TABLE: &'static str = "ec2-enis";
    const KIND: &'static str = "network-interface";
    const NOT_FOUND: &'static str = "InvalidNetworkInterfaceID.NotFound";
    const NOUN: &'static str = "networkInterface ID";
    const TAGS: &'static str = "TagSet";

    fn id(&self) -> &str {
        &self.id
    }

    fn exists(&self, now: f64) -> bool {
        self.gone.is_none_or(|gone| now < gone)
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        let mut groups = Vec::new();
        for id in &self.groups {
            let group: Option<Group> = cx.get(Group::TABLE, id)?;
            groups.push(json!({"GroupId": id, "GroupName": group.map(|group| group.group_name)}));
        }
        let vpc: Option<Vpc> = cx.get(Vpc::TABLE, &self.vpc_id)?;
        let zone = if cx.region == "us-east-1" {
            "ec2.internal".to_owned()
        } else {
            format!("{}.compute.internal", cx.region)
        };
        let name = format!("ip-{}.{zone}", self.private_ip.replace('.', "-"));
        let named = vpc.is_some_and(|vpc| vpc.dns_hostnames);
        let association = self.public.as_ref().map(|public| {
            json!({
                "AllocationId": public.allocation, "AssociationId": public.association, "PublicIp": public.ip,
                "IpOwnerId": if public.allocation.is_some() { cx.account.as_str() } else { "amazon" },
                "PublicDnsName": named.then(|| public_name(cx, &public.ip)),
            })
        });
        let in_use = self.owner != Owner::User;
        shown.insert("Groups".into(), groups.into());
        shown.insert("InterfaceType".into(), self.owner.interface().into());
        shown.insert("Status".into(), if in_use { "in-use" } else { "available" }.into());
        shown.insert("RequesterManaged".into(), in_use.into());
        shown.insert("RequesterId".into(), self.owner.requester().into());
        shown.insert("Ipv6Addresses".into(), json!([]));
        shown.insert("PrivateDnsName".into(), name.as_str().into());
        shown.insert("Association".into(), association.clone().into());
        shown.insert(
            "PrivateIpAddresses".into(),
            json!([{
                "Primary": true, "PrivateIpAddress": self.private_ip, "PrivateDnsName": name,
                "Association": association,
            }]),
        );
        if in_use {
            let suffix = self.id.trim_start_matches("eni-");
            shown.insert(
                "Attachment".into(),
                json!({
                    "AttachmentId": format!("ela-attach-{suffix}"), "DeleteOnTermination": false, "DeviceIndex": 1,
                    "InstanceOwnerId": self.owner.requester(), "Status": "attached",
                }),
            );
        }
        Ok(())
    }
}

fn public_name(cx: &Call, ip: &str) -> String {
    let host = format!("ec2-{}", ip.replace('.', "-"));
    if cx.region == "us-east-1" {
        format!("{host}.compute-1.amazonaws.com")
    } else {
        format!("{host}.{}.compute.amazonaws.com", cx.region)
    }
}

impl Eni {
    pub fn public_ip(&self) -> Option<&str> {
        self.public.as_ref().map(|public| public.ip.as_str())
    }
}

/// Makes an interface for a service in one of the account's subnets. With no groups given it gets the VPC's default.
/// Refuses as EC2 does: unknown subnet, unknown group, group of another VPC, no free address.
pub fn attach(cx: &Call, subnet: &str, groups: &[String], owner: Owner, description: &str) -> Result<Eni, Fault> {
    make(cx, subnet, groups, owner, description, None)
}

/// Removes an interface made by `attach`. One that is already gone is no error.
pub fn release(cx: &Call, id: &str) -> Result<(), Fault> {
    resource::remove::<Eni>(cx, id)
}

/// Lets an interface vanish at an instant, with the service that owned it.
pub fn release_at(cx: &Call, id: &str, instant: f64) -> Result<(), Fault> {
    let Some(mut eni) = cx.get::<Eni>(Eni::TABLE, id)? else {
        return Ok(());
    };
    eni.gone = Some(instant);
    resource::save(cx, &eni)?;
    tags::unindex(cx, Eni::KIND, id)
}

/// Makes an interface of somebody else's load balancer in a subnet, or with a group in one of its VPC's subnets, until
/// AWS has taken it away; once, so that whoever waits for it to go waits with success.
pub fn trespass(cx: &Call, subnet: Option<&str>, group: Option<&str>, until: f64) -> Result<(), Fault> {
    let groups: Vec<String> = group.map(str::to_owned).into_iter().collect();
    let subnet = match (subnet, group) {
        (Some(subnet), _) => subnet.to_owned(),
        (None, Some(group)) => {
            let group: Group = resource::find(cx, group)?;
            let subnets = resource::all::<Subnet>(cx)?;
            let mut there = subnets.into_iter().filter(|subnet| subnet.vpc_id == group.vpc_id);
            match there.next() {
                Some(subnet) => subnet.subnet_id,
                None => return Ok(()),
            }
        }
        (None, None) => return Ok(()),
    };
    // Those that are gone are listed, too.
    let known: Vec<(String, Eni)> = cx.list(Eni::TABLE, "")?;
    let was_here = |eni: &Eni| {
        let here = group.map_or(eni.subnet_id == subnet, |group| {
            eni.groups.iter().any(|one| one == group)
        });
        here && eni.description == TRESPASSER
    };
    if known.iter().any(|(_, eni)| was_here(eni)) {
        return Ok(());
    }
    let eni = make(cx, &subnet, &groups, Owner::LoadBalancer, TRESPASSER, None)?;
    release_at(cx, &eni.id, until)
}

/// Replaces the groups of a service's interface; they must be of its VPC.
pub fn set_groups(cx: &Call, id: &str, groups: &[String]) -> Result<(), Fault> {
    let mut eni: Eni = resource::find(cx, id)?;
    eni.groups = checked_groups(cx, &eni.vpc_id, groups)?;
    resource::save(cx, &eni)
}

/// Returns the groups of an interface in this VPC: the VPC's default when none are wanted.
fn checked_groups(cx: &Call, vpc: &str, wanted: &[String]) -> Result<Vec<String>, Fault> {
    let mut groups = Vec::new();
    for id in wanted {
        let group: Group = resource::find(cx, id)?;
        if group.vpc_id != vpc {
            let message = "You have specified two resources that belong to different networks.";
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        groups.push(group.group_id);
    }
    if groups.is_empty() {
        groups.extend(group::default_of(cx, vpc)?);
    }
    Ok(groups)
}

/// Maps a public address to an interface, or takes it away.
pub fn map_public(cx: &Call, id: &str, public: Option<Public>) -> Result<(), Fault> {
    let mut eni: Eni = resource::find(cx, id)?;
    eni.public = public;
    resource::save(cx, &eni)
}

/// Returns a public address of a range kept for documentation.
pub fn public_address() -> String {
    let bits = random_u64();
    format!(
        "198.{}.{}.{}",
        18 + (bits & 1),
        bits >> 8 & 0xff,
        1 + (bits >> 16 & 0x7f)
    )
}

fn make(
    cx: &Call,
    subnet: &str,
    groups: &[String],
    owner: Owner,
    description: &str,
    address: Option<&str>,
) -> Result<Eni, Fault> {
    let subnet: Subnet = resource::find(cx, subnet)?;
    let groups = checked_groups(cx, &subnet.vpc_id, groups)?;
    let private_ip = free_address(cx, &subnet, address)?;
    let bits = random_u64();
    let eni = Eni {
        id: cx.new_id("eni"),
        vpc_id: subnet.vpc_id,
        availability_zone: subnet.availability_zone,
        subnet_id: subnet.subnet_id,
        description: description.to_owned(),
        private_ip,
        mac_address: format!(
            "02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
            bits as u8,
            (bits >> 8) as u8,
            (bits >> 16) as u8,
            (bits >> 24) as u8,
            (bits >> 32) as u8
        ),
        owner_id: cx.account.clone(),
        source_dest_check: owner != Owner::NatGateway,
        groups: if owner == Owner::NatGateway { Vec::new() } else { groups },
        owner,
        public: None,
        gone: None,
    };
    resource::save(cx, &eni)?;
    tags::write(cx, Eni::KIND, &eni.id, &Tags::new())?;
    Ok(eni)
}

fn free_address(cx: &Call, subnet: &Subnet, wanted: Option<&str>) -> Result<String, Fault> {
    let exhausted = || {
        let message = format!(
            "There are not enough free addresses in subnet '{}' to satisfy the requested number of interfaces.",
            subnet.subnet_id
        );
        Fault::bad("InsufficientFreeAddressesInSubnet", message)
    };
    let block = subnet.block().ok_or_else(exhausted)?;
    let enis = resource::all::<Eni>(cx)?;
    let used: std::collections::HashSet<&str> = enis
        .iter()
        .filter(|eni| eni.subnet_id == subnet.subnet_id)
        .map(|eni| eni.private_ip.as_str())
        .collect();
    if let Some(wanted) = wanted {
        let inside = wanted.parse().is_ok_and(|address| block.has(address));
        if !inside {
            let message = "Address does not fall within the subnet's address range";
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        if used.contains(wanted) {
            return Err(Fault::bad(
                "InvalidIPAddress.InUse",
                format!("Address {wanted} is in use."),
            ));
        }
        return Ok(wanted.to_owned());
    }
    // The first four and the last are reserved.
    (RESERVED - 1..block.size() - 1)
        .map(|place| block.address(place).to_string())
        .find(|address| !used.contains(address.as_str()))
        .ok_or_else(exhausted)
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let known = [
        "SubnetId",
        "Description",
        "Groups",
        "PrivateIpAddress",
        "TagSpecifications",
        "ClientToken",
        "DryRun",
    ];
    cx.only(input, &known)?;
    if let Some(id) = resource::replayed(cx, input)? {
        let eni: Eni = resource::find(cx, &id)?;
        return Ok(json!({"NetworkInterface": resource::shown(cx, &eni)?}));
    }
    let groups: Vec<String> = strings(&input["Groups"]).into_iter().map(str::to_owned).collect();
    let tags = tags::specified(input, Eni::KIND)?;
    let address = input["PrivateIpAddress"].as_str();
    let eni = make(
        cx,
        text(input, "SubnetId"),
        &groups,
        Owner::User,
        text(input, "Description"),
        address,
    )?;
    tags::write(cx, Eni::KIND, &eni.id, &tags)?;
    resource::remember(cx, input, &eni.id)?;
    Ok(json!({"NetworkInterface": resource::shown(cx, &eni)?, "ClientToken": input["ClientToken"]}))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("network-interface-id", "NetworkInterfaceId"),
        ("subnet-id", "SubnetId"),
        ("vpc-id", "VpcId"),
        ("group-id", "Groups.GroupId"),
        ("group-name", "Groups.GroupName"),
        ("description", "Description"),
        ("status", "Status"),
        ("interface-type", "InterfaceType"),
        ("requester-id", "RequesterId"),
        ("requester-managed", "RequesterManaged"),
        ("owner-id", "OwnerId"),
        ("availability-zone", "AvailabilityZone"),
        ("private-ip-address", "PrivateIpAddress"),
        ("addresses.private-ip-address", "PrivateIpAddresses.PrivateIpAddress"),
        (
            "addresses.association.public-ip",
            "PrivateIpAddresses.Association.PublicIp",
        ),
        ("association.public-ip", "Association.PublicIp"),
        ("association.allocation-id", "Association.AllocationId"),
        ("association.ip-owner-id", "Association.IpOwnerId"),
        ("attachment.status", "Attachment.Status"),
        ("attachment.instance-id", "Attachment.InstanceId"),
        ("attachment.instance-owner-id", "Attachment.InstanceOwnerId"),
        ("attachment.attachment-id", "Attachment.AttachmentId"),
        ("mac-address", "MacAddress"),
    ];
    let how = Describe {
        ids: "NetworkInterfaceIds",
        list: "NetworkInterfaces",
        filters: &filters,
        limit: 1000,
    };
    resource::describe::<Eni>(cx, input, &how)
}

fn managed(eni: &Eni) -> Result<(), Fault> {
    if eni.owner == Owner::User {
        return Ok(());
    }
    Err(Fault::bad(
        "OperationNotPermitted",
        "You do not have permission to access the specified resource.",
    ))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let eni: Eni = resource::find(cx, text(input, "NetworkInterfaceId"))?;
    if eni.owner != Owner::User {
        let message = format!("Network interface '{}' is currently in use.", eni.id);
        return Err(Fault::bad("InvalidNetworkInterface.InUse", message));
    }
    resource::remove::<Eni>(cx, &eni.id)?;
    Ok(Value::Null)
}

pub fn modify(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "NetworkInterfaceId",
            "Description",
            "SourceDestCheck",
            "Groups",
            "DryRun",
        ],
    )?;
    let mut eni: Eni = resource::find(cx, text(input, "NetworkInterfaceId"))?;
    managed(&eni)?;
    if let Some(description) = input["Description"]["Value"].as_str() {
        eni.description = description.to_owned();
    }
    if let Some(check) = input["SourceDestCheck"]["Value"].as_bool() {
        eni.source_dest_check = check;
    }
    let groups: Vec<String> = strings(&input["Groups"]).into_iter().map(str::to_owned).collect();
    if !groups.is_empty() {
        eni.groups = checked_groups(cx, &eni.vpc_id, &groups)?;
    }
    resource::save(cx, &eni)?;
    Ok(Value::Null)
}

pub fn describe_attribute(cx: &Call, input: &Value) -> Answer {
    let eni: Eni = resource::find(cx, text(input, "NetworkInterfaceId"))?;
    let shown = resource::shown(cx, &eni)?;
    let (member, value) = match text(input, "Attribute") {
        "description" => ("Description", json!({"Value": eni.description})),
        "sourceDestCheck" => ("SourceDestCheck", json!({"Value": eni.source_dest_check})),
        "groupSet" => ("Groups", shown["Groups"].clone()),
        _ => ("Attachment", shown["Attachment"].clone()),
    };
    Ok(json!({"NetworkInterfaceId": eni.id, member: value}))
}
