//! Elastic addresses and the NAT gateways that use them. A gateway's states follow from stored instants; a deleted one
//! stays listed for an hour, its interface and its hold on the address end when it is gone.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::eni::{self, Eni, Owner, Public};
use super::resource::{self, Describe, Resource, strings, text};
use super::subnet::Subnet;
use super::{gateway, tags};
use crate::services::{Answer, Call, Fault};

const MAX_ADDRESSES: usize = 5;
const MAX_PER_ZONE: usize = 5;
/// How long a deleted gateway stays listed.
const LISTED: f64 = 3600.0;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Address {
    allocation_id: String,
    public_ip: String,
    domain: String,
    network_border_group: String,
    public_ipv4_pool: String,
    #[serde(rename = "_use")]
    used: Option<Use>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Use {
    association: String,
    interface: String,
    private_ip: String,
    /// The NAT gateway that holds it.
    nat: Option<String>,
    /// When the hold ends.
    until: Option<f64>,
}

impl Resource for Address {
    const TABLE: &'static str = "ec2-eips";
    const KIND: &'static str = "elastic-ip";
    const NOT_FOUND: &'static str = "InvalidAllocationID.NotFound";
    const NOUN: &'static str = "allocation ID";

    fn id(&self) -> &str {
        &self.allocation_id
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        if let Some(used) = self.held(cx.now) {
            shown.insert("AssociationId".into(), used.association.as_str().into());
            shown.insert("NetworkInterfaceId".into(), used.interface.as_str().into());
            shown.insert("NetworkInterfaceOwnerId".into(), cx.account.as_str().into());
            shown.insert("PrivateIpAddress".into(), used.private_ip.as_str().into());
        }
        Ok(())
    }
}

impl Address {
    fn held(&self, now: f64) -> Option<&Use> {
        self.used
            .as_ref()
            .filter(|used| used.until.is_none_or(|until| now < until))
    }
}

pub fn allocate(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "Domain",
            "TagSpecifications",
            "NetworkBorderGroup",
            "PublicIpv4Pool",
            "DryRun",
        ],
    )?;
    if resource::all::<Address>(cx)?.len() >= MAX_ADDRESSES {
        return Err(Fault::bad(
            "AddressLimitExceeded",
            "The maximum number of addresses has been reached.",
        ));
    }
    let tags = tags::specified(input, Address::KIND)?;
    let address = Address {
        allocation_id: cx.new_id("eipalloc"),
        public_ip: eni::public_address(),
        domain: "vpc".into(),
        network_border_group: cx.region.clone(),
        public_ipv4_pool: "amazon".into(),
        used: None,
    };
    resource::save(cx, &address)?;
    tags::write(cx, Address::KIND, &address.allocation_id, &tags)?;
    let mut shown = resource::shown(cx, &address)?;
    shown.as_object_mut().map(|shown| shown.shift_remove("Tags"));
    Ok(shown)
}

pub fn describe_addresses(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("allocation-id", "AllocationId"),
        ("association-id", "AssociationId"),
        ("public-ip", "PublicIp"),
        ("domain", "Domain"),
        ("network-interface-id", "NetworkInterfaceId"),
        ("network-border-group", "NetworkBorderGroup"),
        ("private-ip-address", "PrivateIpAddress"),
    ];
    let how = Describe {
        ids: "AllocationIds",
        list: "Addresses",
        filters: &filters,
        limit: usize::MAX,
    };
    let mut answer = resource::describe::<Address>(cx, input, &how)?;
    let wanted = strings(&input["PublicIps"]);
    if let Some(addresses) = answer["Addresses"].as_array_mut().filter(|_| !wanted.is_empty()) {
        if let Some(missing) = wanted
            .iter()
            .find(|wanted| addresses.iter().all(|known| known["PublicIp"] != **wanted))
        {
            return Err(Fault::bad(
                "InvalidAddress.NotFound",
                format!("Address '{missing}' not found."),
            ));
        }
        addresses.retain(|known| wanted.iter().any(|wanted| known["PublicIp"] == *wanted));
    }
    Ok(answer)
}

/// Reverse DNS names cannot be set here, so there is none to show.
pub fn describe_address_attributes(cx: &Call, input: &Value) -> Answer {
    let mut shown = Vec::new();
    for id in strings(&input["AllocationIds"]) {
        let address: Address = resource::find(cx, id)?;
        shown.push(json!({"PublicIp": address.public_ip, "AllocationId": address.allocation_id}));
    }
    Ok(json!({"Addresses": shown}))
}

pub fn release(cx: &Call, input: &Value) -> Answer {
    let Some(id) = input["AllocationId"].as_str() else {
        return Err(Fault::bad(
            "MissingParameter",
            "The request must contain the parameter allocationId",
        ));
    };
    let address: Address = resource::find(cx, id)?;
    if address.held(cx.now).is_some() {
        let message = format!("Address {} is in use.", address.public_ip);
        return Err(Fault::bad("InvalidIPAddress.InUse", message));
    }
    resource::remove::<Address>(cx, id)?;
    Ok(Value::Null)
}

pub fn associate(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &["AllocationId", "NetworkInterfaceId", "AllowReassociation", "DryRun"],
    )?;
    let mut address: Address = resource::find(cx, text(input, "AllocationId"))?;
    let eni: Eni = resource::find(cx, text(input, "NetworkInterfaceId"))?;
    if let Some(used) = address.held(cx.now) {
        if input["AllowReassociation"] != true || used.nat.is_some() {
            let message = format!(
                "resource {} is already associated with associate-id {}",
                address.allocation_id, used.association
            );
            return Err(Fault::bad("Resource.AlreadyAssociated", message));
        }
        eni::map_public(cx, &used.interface, None)?;
    }
    if !gateway::of_vpc(cx, &eni.vpc_id)? {
        let message = format!("Network {} is not attached to any internet gateway", eni.vpc_id);
        return Err(Fault::bad("Gateway.NotAttached", message));
    }
    let association = hold(cx, &mut address, &eni, None)?;
    Ok(json!({"AssociationId": association}))
}

fn hold(cx: &Call, address: &mut Address, eni: &Eni, nat: Option<&str>) -> Result<String, Fault> {
    let association = cx.new_id("eipassoc");
    address.used = Some(Use {
        association: association.clone(),
        interface: eni.id.clone(),
        private_ip: eni.private_ip.clone(),
        nat: nat.map(str::to_owned),
        until: None,
    });
    resource::save(cx, address)?;
    let public = Public {
        ip: address.public_ip.clone(),
        allocation: Some(address.allocation_id.clone()),
        association: Some(association.clone()),
    };
    eni::map_public(cx, &eni.id, Some(public))?;
    Ok(association)
}

pub fn disassociate(cx: &Call, input: &Value) -> Answer {
    let id = text(input, "AssociationId");
    let mut addresses: Vec<Address> = resource::all(cx)?;
    let address = addresses
        .iter_mut()
        .find(|address| address.held(cx.now).is_some_and(|used| used.association == id));
    let address = address.ok_or_else(|| {
        Fault::bad(
            "InvalidAssociationID.NotFound",
            format!("The association ID '{id}' does not exist"),
        )
    })?;
    if let Some(used) = address.used.take() {
        if used.nat.is_some() {
            return Err(Fault::bad(
                "AuthFailure",
                "You do not have permission to access the specified resource.",
            ));
        }
        eni::map_public(cx, &used.interface, None)?;
    }
    resource::save(cx, address)?;
    Ok(Value::Null)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Nat {
    pub nat_gateway_id: String,
    pub vpc_id: String,
    subnet_id: String,
    connectivity_type: String,
    availability_mode: String,
    create_time: f64,
    nat_gateway_addresses: Vec<Value>,
    #[serde(rename = "_zone")]
    zone: String,
    #[serde(rename = "_settled")]
    settled: f64,
    /// Code and message of a gateway that cannot become available.
    #[serde(rename = "_failure")]
    failure: Option<(String, String)>,
    #[serde(rename = "_gone")]
    deleted: Option<f64>,
    #[serde(rename = "_delete_asked")]
    delete_asked: Option<f64>,
}

impl Resource for Nat {
    const TABLE: &'static str = "ec2-nats";
    const KIND: &'static str = "natgateway";
    const NOT_FOUND: &'static str = "NatGatewayNotFound";
    const NOUN: &'static str = "NAT gateway";

    fn id(&self) -> &str {
        &self.nat_gateway_id
    }

    fn exists(&self, now: f64) -> bool {
        self.deleted.is_none_or(|deleted| now < deleted + LISTED)
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        let state = self.state(cx.now);
        shown.insert("State".into(), state.into());
        if state == "failed"
            && let Some((code, message)) = &self.failure
        {
            shown.insert("FailureCode".into(), code.as_str().into());
            shown.insert("FailureMessage".into(), message.as_str().into());
        }
        if let Some(asked) = self.delete_asked {
            shown.insert("DeleteTime".into(), asked.into());
        }
        Ok(())
    }
}

impl Nat {
    fn state(&self, now: f64) -> &'static str {
        match (self.deleted, &self.failure) {
            (Some(deleted), _) if now >= deleted => "deleted",
            (Some(_), _) => "deleting",
            _ if now < self.settled => "pending",
            (None, Some(_)) => "failed",
            (None, None) => "available",
        }
    }

    /// Says whether it still stands in its VPC's way.
    pub fn holds(&self, now: f64) -> bool {
        !matches!(self.state(now), "deleted" | "failed")
    }

    /// Says whether a route may lead to it.
    pub fn carries(&self, now: f64) -> bool {
        matches!(self.state(now), "pending" | "available")
    }
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let known = [
        "SubnetId",
        "AllocationId",
        "ConnectivityType",
        "AvailabilityMode",
        "PrivateIpAddress",
        "ClientToken",
        "TagSpecifications",
        "DryRun",
    ];
    cx.only(input, &known)?;
    if let Some(id) = resource::replayed(cx, input)? {
        let nat: Nat = resource::find(cx, &id)?;
        return Ok(json!({"NatGateway": resource::shown(cx, &nat)?, "ClientToken": input["ClientToken"]}));
    }
    if input["AvailabilityMode"] == "regional" {
        return Err(Fault::new(
            501,
            "NotImplemented",
            "the local cloud does not implement regional NAT gateways",
        ));
    }
    let subnet: Subnet = resource::find(cx, text(input, "SubnetId"))?;
    let public = input["ConnectivityType"] != "private";
    let allocation = input["AllocationId"].as_str();
    let mut address: Option<Address> = None;
    match (public, allocation) {
        (true, None) => {
            return Err(Fault::bad(
                "MissingParameter",
                "The request must contain the parameter AllocationId",
            ));
        }
        (false, Some(_)) => {
            let message = "AllocationId cannot be specified for a private NAT gateway";
            return Err(Fault::bad("InvalidParameterCombination", message));
        }
        (true, Some(id)) => {
            let found: Address = resource::find(cx, id)?;
            if let Some(used) = found.held(cx.now) {
                let message = format!("Elastic IP address [{id}] is already associated: {}", used.association);
                return Err(Fault::bad("Resource.AlreadyAssociated", message));
            }
            address = Some(found);
        }
        (false, None) => {}
    }
    let crowd = resource::all::<Nat>(cx)?
        .iter()
        .filter(|nat| nat.zone == subnet.availability_zone && nat.holds(cx.now))
        .count();
    if crowd >= MAX_PER_ZONE {
        let message = format!(
            "The maximum number of NAT gateways has been reached in {}.",
            subnet.availability_zone
        );
        return Err(Fault::bad("NatGatewayLimitExceeded", message));
    }
    let tags = tags::specified(input, Nat::KIND)?;
    let failure = if public && !gateway::of_vpc(cx, &subnet.vpc_id)? {
        let message = format!("Network {} has no Internet gateway attached", subnet.vpc_id);
        Some(("Gateway.NotAttached".to_owned(), message))
    } else {
        None
    };
    let id = cx.new_id("nat");
    let mut shown = Map::new();
    if failure.is_none() {
        let description = format!("Interface for NAT Gateway {id}");
        let eni = eni::attach(cx, &subnet.subnet_id, &[], Owner::NatGateway, &description)?;
        shown.insert("NetworkInterfaceId".into(), eni.id.as_str().into());
        shown.insert("PrivateIp".into(), eni.private_ip.as_str().into());
        if let Some(address) = &mut address {
            let association = hold(cx, address, &eni, Some(&id))?;
            shown.insert("AssociationId".into(), association.into());
        }
    }
    if let Some(address) = &address {
        shown.insert("AllocationId".into(), address.allocation_id.as_str().into());
        shown.insert("PublicIp".into(), address.public_ip.as_str().into());
    }
    shown.insert("IsPrimary".into(), true.into());
    shown.insert(
        "Status".into(),
        if failure.is_none() { "succeeded" } else { "failed" }.into(),
    );
    let nat = Nat {
        nat_gateway_id: id,
        vpc_id: subnet.vpc_id,
        subnet_id: subnet.subnet_id,
        connectivity_type: if public { "public" } else { "private" }.into(),
        availability_mode: "zonal".into(),
        create_time: cx.now,
        nat_gateway_addresses: vec![Value::Object(shown)],
        zone: subnet.availability_zone,
        settled: cx.now + cx.cloud.pace.seconds(1.0, 100.0),
        failure,
        deleted: None,
        delete_asked: None,
    };
    resource::save(cx, &nat)?;
    tags::write(cx, Nat::KIND, &nat.nat_gateway_id, &tags)?;
    resource::remember(cx, input, &nat.nat_gateway_id)?;
    Ok(json!({"NatGateway": resource::shown(cx, &nat)?, "ClientToken": input["ClientToken"]}))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("nat-gateway-id", "NatGatewayId"),
        ("vpc-id", "VpcId"),
        ("subnet-id", "SubnetId"),
        ("state", "State"),
    ];
    // This one operation calls its filters `Filter`.
    let mut input = input.clone();
    input["Filters"] = input["Filter"].take();
    let how = Describe {
        ids: "NatGatewayIds",
        list: "NatGateways",
        filters: &filters,
        limit: 1000,
    };
    resource::describe::<Nat>(cx, &input, &how)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let mut nat: Nat = resource::find(cx, text(input, "NatGatewayId"))?;
    if nat.deleted.is_none() {
        let gone = cx.now + cx.cloud.pace.seconds(0.8, 45.0);
        nat.delete_asked = Some(cx.now);
        nat.deleted = Some(gone);
        for shown in &nat.nat_gateway_addresses {
            if let Some(eni) = shown["NetworkInterfaceId"].as_str() {
                eni::release_at(cx, eni, gone)?;
            }
            let address: Option<Address> = match shown["AllocationId"].as_str() {
                Some(id) => cx.get(Address::TABLE, id)?,
                None => None,
            };
            if let Some(mut address) = address
                && let Some(used) = address
                    .used
                    .as_mut()
                    .filter(|used| used.nat.as_ref() == Some(&nat.nat_gateway_id))
            {
                used.until = Some(gone);
                resource::save(cx, &address)?;
            }
        }
        resource::save(cx, &nat)?;
        tags::unindex(cx, Nat::KIND, &nat.nat_gateway_id)?;
    }
    Ok(json!({"NatGatewayId": nat.nat_gateway_id}))
}
