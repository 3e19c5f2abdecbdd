//! Network ACLs and DHCP options: only the defaults that every VPC shows.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::resource::{self, Describe, Resource};
use super::tags::{self, Tags};
use crate::services::{Answer, Call, Fault};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Acl {
    network_acl_id: String,
    vpc_id: String,
    owner_id: String,
    is_default: bool,
    entries: Vec<Value>,
    associations: Vec<Value>,
}

impl Resource for Acl {
    const TABLE: &'static str = "ec2-acls";
    const KIND: &'static str = "network-acl";
    const NOT_FOUND: &'static str = "InvalidNetworkAclID.NotFound";
    const NOUN: &'static str = "networkAcl ID";

    fn id(&self) -> &str {
        &self.network_acl_id
    }
}

/// Makes the ACL that lets everything through.
pub fn create_default(cx: &Call, vpc: &str) -> Result<(), Fault> {
    let entry = |egress: bool, number: i64, action: &str| json!({"CidrBlock": "0.0.0.0/0", "Egress": egress, "Protocol": "-1", "RuleAction": action, "RuleNumber": number});
    let acl = Acl {
        network_acl_id: cx.new_id("acl"),
        vpc_id: vpc.to_owned(),
        owner_id: cx.account.clone(),
        is_default: true,
        entries: [true, false]
            .into_iter()
            .flat_map(|egress| [entry(egress, 100, "allow"), entry(egress, 32767, "deny")])
            .collect(),
        associations: Vec::new(),
    };
    resource::save(cx, &acl)?;
    tags::write(cx, Acl::KIND, &acl.network_acl_id, &Tags::new())
}

pub fn remove_default(cx: &Call, vpc: &str) -> Result<(), Fault> {
    for acl in resource::all::<Acl>(cx)?.iter().filter(|acl| acl.vpc_id == vpc) {
        resource::remove::<Acl>(cx, &acl.network_acl_id)?;
    }
    Ok(())
}

pub fn adopt_subnet(cx: &Call, vpc: &str, subnet: &str) -> Result<(), Fault> {
    let acls: Vec<Acl> = resource::all(cx)?;
    if let Some(mut acl) = acls.into_iter().find(|acl| acl.vpc_id == vpc) {
        acl.associations.push(json!({
            "NetworkAclAssociationId": cx.new_id("aclassoc"), "NetworkAclId": acl.network_acl_id, "SubnetId": subnet,
        }));
        resource::save(cx, &acl)?;
    }
    Ok(())
}

pub fn forget_subnet(cx: &Call, subnet: &str) -> Result<(), Fault> {
    for mut acl in resource::all::<Acl>(cx)? {
        let before = acl.associations.len();
        acl.associations.retain(|association| association["SubnetId"] != subnet);
        if acl.associations.len() < before {
            resource::save(cx, &acl)?;
        }
    }
    Ok(())
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("network-acl-id", "NetworkAclId"),
        ("vpc-id", "VpcId"),
        ("owner-id", "OwnerId"),
        ("default", "IsDefault"),
        ("association.subnet-id", "Associations.SubnetId"),
        ("association.network-acl-id", "Associations.NetworkAclId"),
        ("association.association-id", "Associations.NetworkAclAssociationId"),
        ("entry.cidr", "Entries.CidrBlock"),
        ("entry.egress", "Entries.Egress"),
        ("entry.rule-action", "Entries.RuleAction"),
        ("entry.rule-number", "Entries.RuleNumber"),
    ];
    let how = Describe {
        ids: "NetworkAclIds",
        list: "NetworkAcls",
        filters: &filters,
        limit: 1000,
    };
    resource::describe::<Acl>(cx, input, &how)
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DhcpOptions {
    dhcp_options_id: String,
    owner_id: String,
    dhcp_configurations: Vec<Value>,
}

impl Resource for DhcpOptions {
    const TABLE: &'static str = "ec2-dopts";
    const KIND: &'static str = "dhcp-options";
    const NOT_FOUND: &'static str = "InvalidDhcpOptionID.NotFound";
    const NOUN: &'static str = "dhcpOption ID";

    fn id(&self) -> &str {
        &self.dhcp_options_id
    }
}

/// Returns the id of the region's options, which are made with its first VPC.
pub fn dhcp_options(cx: &Call) -> Result<String, Fault> {
    let options: Vec<DhcpOptions> = resource::all(cx)?;
    if let Some(options) = options.into_iter().next() {
        return Ok(options.dhcp_options_id);
    }
    let domain = if cx.region == "us-east-1" {
        "ec2.internal".to_owned()
    } else {
        format!("{}.compute.internal", cx.region)
    };
    let options = DhcpOptions {
        dhcp_options_id: cx.new_id("dopt"),
        owner_id: cx.account.clone(),
        dhcp_configurations: vec![
            json!({"Key": "domain-name", "Values": [{"Value": domain}]}),
            json!({"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]}),
        ],
    };
    resource::save(cx, &options)?;
    tags::write(cx, DhcpOptions::KIND, &options.dhcp_options_id, &Tags::new())?;
    Ok(options.dhcp_options_id)
}

pub fn describe_dhcp_options(cx: &Call, input: &Value) -> Answer {
    let filters = [
        ("dhcp-options-id", "DhcpOptionsId"),
        ("owner-id", "OwnerId"),
        ("key", "DhcpConfigurations.Key"),
        ("value", "DhcpConfigurations.Values.Value"),
    ];
    let how = Describe {
        ids: "DhcpOptionsIds",
        list: "DhcpOptions",
        filters: &filters,
        limit: 1000,
    };
    resource::describe::<DhcpOptions>(cx, input, &how)
}
