//! Tags of EC2 resources: one table for all kinds, so that CreateTags, DescribeTags and the tag filters need not know
//! them, and the index of the tagging service beside it.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::resource::{self, strings, text};
use crate::services::{Answer, Call, Fault};

pub type Tags = BTreeMap<String, String>;

const TABLE: &str = "ec2-tags";
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

/// What an id's prefix says about it: the kind, the table it is stored in, and its not-found code and noun.
const KINDS: [(&str, &str, &str, &str, &str); 12] = [
    ("vpc-", "vpc", "ec2-vpcs", "InvalidVpcID.NotFound", "vpc ID"),
    (
        "subnet-",
        "subnet",
        "ec2-subnets",
        "InvalidSubnetID.NotFound",
        "subnet ID",
    ),
    (
        "igw-",
        "internet-gateway",
        "ec2-igws",
        "InvalidInternetGatewayID.NotFound",
        "internetGateway ID",
    ),
    ("nat-", "natgateway", "ec2-nats", "NatGatewayNotFound", "NAT gateway"),
    (
        "eipalloc-",
        "elastic-ip",
        "ec2-eips",
        "InvalidAllocationID.NotFound",
        "allocation ID",
    ),
    (
        "rtb-",
        "route-table",
        "ec2-rtbs",
        "InvalidRouteTableID.NotFound",
        "routeTable ID",
    ),
    (
        "vpce-",
        "vpc-endpoint",
        "ec2-vpces",
        "InvalidVpcEndpointId.NotFound",
        "vpcEndpoint ID",
    ),
    (
        "sgr-",
        "security-group-rule",
        "ec2-sgrs",
        "InvalidSecurityGroupRuleId.NotFound",
        "security group rule ID",
    ),
    (
        "sg-",
        "security-group",
        "ec2-sgs",
        "InvalidGroup.NotFound",
        "security group",
    ),
    (
        "eni-",
        "network-interface",
        "ec2-enis",
        "InvalidNetworkInterfaceID.NotFound",
        "networkInterface ID",
    ),
    (
        "acl-",
        "network-acl",
        "ec2-acls",
        "InvalidNetworkAclID.NotFound",
        "networkAcl ID",
    ),
    (
        "dopt-",
        "dhcp-options",
        "ec2-dopts",
        "InvalidDhcpOptionID.NotFound",
        "DhcpOption ID",
    ),
];

pub fn of(cx: &Call, id: &str) -> Result<Tags, Fault> {
    Ok(cx.get(TABLE, id)?.unwrap_or_default())
}

pub fn all(cx: &Call) -> Result<HashMap<String, Tags>, Fault> {
    Ok(cx.list(TABLE, "")?.into_iter().collect())
}

pub fn shown(tags: &Tags) -> Value {
    tags.iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect()
}

/// Writes the tags of a new or changed resource.
pub fn write(cx: &Call, kind: &str, id: &str, tags: &Tags) -> Result<(), Fault> {
    cx.put(TABLE, id, tags)?;
    cx.tag_index(&arn(cx, kind, id), tags)
}

pub fn remove_all(cx: &Call, kind: &str, id: &str) -> Result<(), Fault> {
    cx.delete(TABLE, id)?;
    cx.tag_forget(&arn(cx, kind, id))
}

/// Takes a resource whose end has begun out of the tagging index; describe still shows its tags.
pub fn unindex(cx: &Call, kind: &str, id: &str) -> Result<(), Fault> {
    cx.tag_forget(&arn(cx, kind, id))
}

fn arn(cx: &Call, kind: &str, id: &str) -> String {
    cx.arn("ec2", &format!("{kind}/{id}"))
}

/// Returns the tags that a create call gives to the resource it makes.
pub fn specified(input: &Value, kind: &str) -> Result<Tags, Fault> {
    let mut tags = Tags::new();
    for specification in input["TagSpecifications"].as_array().into_iter().flatten() {
        let of = text(specification, "ResourceType");
        if of != kind {
            let message = format!("'{of}' is not a valid taggable resource type for this operation.");
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        for (key, value) in read(&specification["Tags"])? {
            if tags.insert(key.clone(), value.unwrap_or_default()).is_some() {
                return Err(Fault::bad(
                    "InvalidParameterValue",
                    format!("Duplicate tag key '{key}' specified."),
                ));
            }
        }
    }
    limit(&tags)?;
    Ok(tags)
}

fn limit(tags: &Tags) -> Result<(), Fault> {
    if tags.len() > MAX_TAGS {
        return Err(Fault::bad(
            "TagLimitExceeded",
            "You have reached the maximum number of tags for this resource.",
        ));
    }
    Ok(())
}

fn read(list: &Value) -> Result<Vec<(String, Option<String>)>, Fault> {
    let mut tags = Vec::new();
    for tag in list.as_array().into_iter().flatten() {
        let (key, value) = (text(tag, "Key"), tag["Value"].as_str());
        if key.is_empty() || key.chars().count() > MAX_KEY {
            let message = format!("Tag key exceeds the maximum length of {MAX_KEY} characters or is empty");
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        if value.is_some_and(|value| value.chars().count() > MAX_VALUE) {
            let message = format!("Tag value exceeds the maximum length of {MAX_VALUE} characters");
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            let message = "Tag keys starting with 'aws:' are reserved for internal use";
            return Err(Fault::bad("InvalidParameterValue", message));
        }
        tags.push((key.to_owned(), value.map(str::to_owned)));
    }
    Ok(tags)
}

/// Returns the kind of an existing resource.
fn kind(cx: &Call, id: &str) -> Result<&'static str, Fault> {
    let known = KINDS.iter().find(|(prefix, ..)| id.starts_with(prefix));
    let Some((_, kind, table, code, noun)) = known else {
        return Err(Fault::bad("InvalidID", format!("The ID '{id}' is not valid")));
    };
    let document: Option<Value> = cx.get(table, id)?;
    let there = document.is_some_and(|document| document["_gone"].as_f64().is_none_or(|gone| gone > cx.now));
    if there {
        Ok(kind)
    } else {
        Err(Fault::bad(code, format!("The {noun} '{id}' does not exist")))
    }
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let wanted = read(&input["Tags"])?;
    for id in strings(&input["Resources"]) {
        let kind = kind(cx, id)?;
        let mut tags = of(cx, id)?;
        tags.extend(
            wanted
                .iter()
                .map(|(key, value)| (key.clone(), value.clone().unwrap_or_default())),
        );
        limit(&tags)?;
        write(cx, kind, id, &tags)?;
    }
    Ok(json!({}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let unwanted = read(&input["Tags"])?;
    for id in strings(&input["Resources"]) {
        let kind = kind(cx, id)?;
        let mut tags = of(cx, id)?;
        if input["Tags"].is_null() {
            tags.clear();
        }
        for (key, value) in &unwanted {
            // A value in the request restricts the removal to tags with that value; an empty one too.
            if value.as_ref().is_none_or(|value| tags.get(key) == Some(value)) {
                tags.remove(key);
            }
        }
        write(cx, kind, id, &tags)?;
    }
    Ok(json!({}))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let mut items = Vec::new();
    let all: BTreeMap<String, Tags> = cx.list(TABLE, "")?.into_iter().collect();
    for (id, tags) in all {
        // Resources whose end lies in stored time keep their tags until something removes them.
        let Ok(kind) = kind(cx, &id) else { continue };
        for (key, value) in tags {
            items.push(json!({"ResourceId": id, "ResourceType": kind, "Key": key, "Value": value}));
        }
    }
    let filters = [
        ("key", "Key"),
        ("value", "Value"),
        ("resource-id", "ResourceId"),
        ("resource-type", "ResourceType"),
    ];
    // `tag:<key>` looks at a member of the item; a tag here is the item itself.
    for item in &mut items {
        item["_"] = json!([{"Key": item["Key"], "Value": item["Value"]}]);
    }
    let mut items = resource::filtered(input, items, &filters, "_")?;
    for item in &mut items {
        item.as_object_mut().map(|item| item.shift_remove("_"));
    }
    resource::page(cx, input, items, "Tags", 1000)
}
