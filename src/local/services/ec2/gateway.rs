//! Internet gateways and their attachment to a VPC.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::eni::Eni;
use super::resource::{self, Describe, Resource, text};
use super::tags;
use super::vpc::Vpc;
use crate::services::{Answer, Call, Fault};

const MAX_GATEWAYS: usize = 5;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Gateway {
    pub internet_gateway_id: String,
    owner_id: String,
    attachments: Vec<Attachment>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    vpc_id: String,
    state: String,
}

impl Resource for Gateway {
    const TABLE: &'static str = "ec2-igws";
    const KIND: &'static str = "internet-gateway";
    const NOT_FOUND: &'static str = "InvalidInternetGatewayID.NotFound";
    const NOUN: &'static str = "internetGateway ID";

    fn id(&self) -> &str {
        &self.internet_gateway_id
    }
}

impl Gateway {
    /// Returns the VPC it is attached to.
    pub fn vpc(&self) -> Option<&str> {
        self.attachments.first().map(|attachment| attachment.vpc_id.as_str())
    }
}

/// Says whether a VPC has a gateway to the internet.
pub fn of_vpc(cx: &Call, vpc: &str) -> Result<bool, Fault> {
    Ok(resource::all::<Gateway>(cx)?
        .iter()
        .any(|gateway| gateway.vpc() == Some(vpc)))
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    if resource::all::<Gateway>(cx)?.len() >= MAX_GATEWAYS {
        let message = "The maximum number of internet gateways has been reached.";
        return Err(Fault::bad("InternetGatewayLimitExceeded", message));
    }
    let tags = tags::specified(input, Gateway::KIND)?;
    let gateway = Gateway {
        internet_gateway_id: cx.new_id("igw"),
        owner_id: cx.account.clone(),
        attachments: Vec::new(),
    };
    resource::save(cx, &gateway)?;
    tags::write(cx, Gateway::KIND, &gateway.internet_gateway_id, &tags)?;
    Ok(json!({"InternetGateway": resource::shown(cx, &gateway)?}))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("internet-gateway-id", "InternetGatewayId"),
        ("attachment.vpc-id", "Attachments.VpcId"),
        ("attachment.state", "Attachments.State"),
        ("owner-id", "OwnerId"),
    ];
    let how = Describe {
        ids: "InternetGatewayIds",
        list: "InternetGateways",
        filters: &filters,
        limit: 1000,
    };
    resource::describe::<Gateway>(cx, input, &how)
}

pub fn attach(cx: &Call, input: &Value) -> Answer {
    let mut gateway: Gateway = resource::find(cx, text(input, "InternetGatewayId"))?;
    let vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    if let Some(other) = gateway.vpc() {
        let message = format!(
            "resource {} is already attached to network {other}",
            gateway.internet_gateway_id
        );
        return Err(Fault::bad("Resource.AlreadyAssociated", message));
    }
    if of_vpc(cx, &vpc.vpc_id)? {
        let message = format!("Network {} already has an internet gateway attached", vpc.vpc_id);
        return Err(Fault::bad("InvalidParameterValue", message));
    }
    gateway.attachments.push(Attachment {
        vpc_id: vpc.vpc_id,
        state: "available".into(),
    });
    resource::save(cx, &gateway)?;
    Ok(Value::Null)
}

pub fn detach(cx: &Call, input: &Value) -> Answer {
    let mut gateway: Gateway = resource::find(cx, text(input, "InternetGatewayId"))?;
    let vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    if gateway.vpc() != Some(vpc.vpc_id.as_str()) {
        let message = format!(
            "resource {} is not attached to network {}",
            gateway.internet_gateway_id, vpc.vpc_id
        );
        return Err(Fault::bad("Gateway.NotAttached", message));
    }
    let public = |eni: &Eni| eni.vpc_id == vpc.vpc_id && eni.public_ip().is_some();
    if resource::all::<Eni>(cx)?.iter().any(public) {
        let message = format!(
            "Network {} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.",
            vpc.vpc_id
        );
        return Err(Fault::bad("DependencyViolation", message));
    }
    gateway.attachments.clear();
    resource::save(cx, &gateway)?;
    Ok(Value::Null)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let gateway: Gateway = resource::find(cx, text(input, "InternetGatewayId"))?;
    let id = gateway.internet_gateway_id.as_str();
    if gateway.vpc().is_some() {
        let message = format!("The internetGateway '{id}' has dependencies and cannot be deleted.");
        return Err(Fault::bad("DependencyViolation", message));
    }
    resource::remove::<Gateway>(cx, id)?;
    Ok(Value::Null)
}
