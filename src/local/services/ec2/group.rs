//! Security groups. Their rules are documents of their own, in `rules`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::eni::Eni;
use super::resource::{self, Describe, Resource, strings, text};
use super::rules::{self, Peer, Rule};
use super::tags::{self, Tags};
use super::vpc::Vpc;
use crate::services::{Answer, Call, Fault};

const MAX_NAME: usize = 255;
const ALLOWED: &str = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";
const DEFAULT: &str = "default";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group {
    pub group_id: String,
    pub group_name: String,
    pub description: String,
    pub vpc_id: String,
    pub owner_id: String,
    security_group_arn: String,
}

impl Resource for Group {
    const TABLE: &'static str = "ec2-sgs";
    const KIND: &'static str = "security-group";
    const NOT_FOUND: &'static str = "InvalidGroup.NotFound";
    const NOUN: &'static str = "security group";

    fn id(&self) -> &str {
        &self.group_id
    }

    fn show(&self, cx: &Call, shown: &mut Map<String, Value>) -> Result<(), Fault> {
        let rules = rules::of(cx, &self.group_id)?;
        shown.insert("IpPermissions".into(), rules::permissions(&rules, false));
        shown.insert("IpPermissionsEgress".into(), rules::permissions(&rules, true));
        Ok(())
    }
}

impl Group {
    pub fn is_default(&self) -> bool {
        self.group_name == DEFAULT
    }
}

fn new(cx: &Call, name: &str, description: &str, vpc: &str) -> Group {
    let group_id = cx.new_id("sg");
    Group {
        security_group_arn: cx.arn("ec2", &format!("security-group/{group_id}")),
        group_id,
        group_name: name.to_owned(),
        description: description.to_owned(),
        vpc_id: vpc.to_owned(),
        owner_id: cx.account.clone(),
    }
}

fn allow_all_egress(cx: &Call, group: &Group) -> Result<(), Fault> {
    let rule = Rule::new(
        cx,
        &group.group_id,
        true,
        "-1",
        (-1, -1),
        Peer::CidrIpv4("0.0.0.0/0".into()),
    );
    rules::save(cx, &rule, &Tags::new())
}

/// Makes the group that every VPC has: open to itself, everything out.
pub fn create_default(cx: &Call, vpc: &str) -> Result<(), Fault> {
    let group = new(cx, DEFAULT, "default VPC security group", vpc);
    resource::save(cx, &group)?;
    tags::write(cx, Group::KIND, &group.group_id, &Tags::new())?;
    let itself = Peer::Group {
        id: group.group_id.clone(),
        owner: cx.account.clone(),
    };
    rules::save(
        cx,
        &Rule::new(cx, &group.group_id, false, "-1", (-1, -1), itself),
        &Tags::new(),
    )?;
    allow_all_egress(cx, &group)
}

/// Returns the id of a VPC's default group.
pub fn default_of(cx: &Call, vpc: &str) -> Result<Option<String>, Fault> {
    let groups: Vec<Group> = resource::all(cx)?;
    let found = groups
        .into_iter()
        .find(|group| group.vpc_id == vpc && group.is_default());
    Ok(found.map(|group| group.group_id))
}

pub fn remove_default(cx: &Call, vpc: &str) -> Result<(), Fault> {
    if let Some(id) = default_of(cx, vpc)? {
        rules::remove_all(cx, &id)?;
        resource::remove::<Group>(cx, &id)?;
    }
    Ok(())
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let (name, description) = (text(input, "GroupName"), text(input, "Description"));
    let Some(vpc) = input["VpcId"].as_str() else {
        return Err(Fault::bad("VPCIdNotSpecified", "No default VPC for this user"));
    };
    let vpc: Vpc = resource::find(cx, vpc)?;
    for (parameter, value) in [("groupName", name), ("GroupDescription", description)] {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(letter);
        if value.is_empty() {
            return Err(Fault::bad(
                "MissingParameter",
                format!("The request must contain the parameter {parameter}"),
            ));
        }
        if value.chars().count() > MAX_NAME || !value.chars().all(allowed) {
            let message = format!(
                "Value ({value}) for parameter {parameter} is invalid. Character sets beyond ASCII are not supported: use up to {MAX_NAME} of {ALLOWED}"
            );
            return Err(Fault::bad("InvalidParameterValue", message));
        }
    }
    if name.to_ascii_lowercase().starts_with("sg-") {
        let message =
            format!("Value ({name}) for parameter groupName is invalid. Group names may not be in the format sg-*.");
        return Err(Fault::bad("InvalidParameterValue", message));
    }
    if name.eq_ignore_ascii_case(DEFAULT) {
        let message = "Cannot use reserved security group name: default";
        return Err(Fault::bad("InvalidParameterValue", message));
    }
    let same = |group: &Group| group.vpc_id == vpc.vpc_id && group.group_name.eq_ignore_ascii_case(name);
    if resource::all::<Group>(cx)?.iter().any(same) {
        let message = format!("The security group '{name}' already exists for VPC '{}'", vpc.vpc_id);
        return Err(Fault::bad("InvalidGroup.Duplicate", message));
    }
    let tags = tags::specified(input, Group::KIND)?;
    let group = new(cx, name, description, &vpc.vpc_id);
    resource::save(cx, &group)?;
    tags::write(cx, Group::KIND, &group.group_id, &tags)?;
    allow_all_egress(cx, &group)?;
    Ok(json!({
        "GroupId": group.group_id, "Tags": tags::shown(&tags), "SecurityGroupArn": group.security_group_arn,
    }))
}

/// Returns the group of a request that names it by id or, as in old code, by name.
pub fn named(cx: &Call, input: &Value) -> Result<Group, Fault> {
    match (input["GroupId"].as_str(), input["GroupName"].as_str()) {
        (Some(id), _) if !id.starts_with("sg-") => {
            let message = format!("Invalid id: \"{id}\" (expecting \"sg-...\")");
            Err(Fault::bad("InvalidGroupId.Malformed", message))
        }
        (Some(id), _) => resource::find(cx, id),
        (None, Some(name)) => {
            let message = format!("The security group '{name}' does not exist in default VPC 'none'");
            Err(Fault::bad("InvalidGroup.NotFound", message))
        }
        (None, None) => {
            let message = "The request must contain the parameter groupName or groupId";
            Err(Fault::bad("MissingParameter", message))
        }
    }
}

const FILTERS: [(&str, &str); 20] = [
    ("group-id", "GroupId"),
    ("group-name", "GroupName"),
    ("description", "Description"),
    ("vpc-id", "VpcId"),
    ("owner-id", "OwnerId"),
    ("ip-permission.cidr", "IpPermissions.IpRanges.CidrIp"),
    ("ip-permission.ipv6-cidr", "IpPermissions.Ipv6Ranges.CidrIpv6"),
    ("ip-permission.from-port", "IpPermissions.FromPort"),
    ("ip-permission.to-port", "IpPermissions.ToPort"),
    ("ip-permission.protocol", "IpPermissions.IpProtocol"),
    ("ip-permission.group-id", "IpPermissions.UserIdGroupPairs.GroupId"),
    ("ip-permission.user-id", "IpPermissions.UserIdGroupPairs.UserId"),
    (
        "ip-permission.prefix-list-id",
        "IpPermissions.PrefixListIds.PrefixListId",
    ),
    ("egress.ip-permission.cidr", "IpPermissionsEgress.IpRanges.CidrIp"),
    ("egress.ip-permission.from-port", "IpPermissionsEgress.FromPort"),
    ("egress.ip-permission.to-port", "IpPermissionsEgress.ToPort"),
    ("egress.ip-permission.protocol", "IpPermissionsEgress.IpProtocol"),
    (
        "egress.ip-permission.group-id",
        "IpPermissionsEgress.UserIdGroupPairs.GroupId",
    ),
    (
        "egress.ip-permission.prefix-list-id",
        "IpPermissionsEgress.PrefixListIds.PrefixListId",
    ),
    (
        "egress.ip-permission.ipv6-cidr",
        "IpPermissionsEgress.Ipv6Ranges.CidrIpv6",
    ),
];

pub fn describe(cx: &Call, input: &Value) -> Answer {
    if !strings(&input["GroupNames"]).is_empty() {
        let name = strings(&input["GroupNames"])[0];
        let message = format!("The security group '{name}' does not exist in default VPC 'none'");
        return Err(Fault::bad("InvalidGroup.NotFound", message));
    }
    let how = Describe {
        ids: "GroupIds",
        list: "SecurityGroups",
        filters: &FILTERS,
        limit: 1000,
    };
    resource::describe::<Group>(cx, input, &how)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    let id = group.group_id.as_str();
    if group.is_default() {
        let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(Fault::bad("CannotDelete", message));
    }
    let held = resource::all::<Eni>(cx)?
        .iter()
        .any(|eni| eni.groups.iter().any(|known| known == id));
    let refers = |rule: &Rule| rule.group_id != id && matches!(&rule.peer, Peer::Group { id: peer, .. } if peer == id);
    if held || rules::all(cx)?.iter().any(refers) {
        return Err(Fault::bad(
            "DependencyViolation",
            format!("resource {id} has a dependent object"),
        ));
    }
    rules::remove_all(cx, id)?;
    resource::remove::<Group>(cx, id)?;
    Ok(json!({"Return": true, "GroupId": id}))
}

/// Groups of other VPCs that refer to these ones over a peering; there are no peerings here.
pub fn references(cx: &Call, input: &Value) -> Answer {
    for id in strings(&input["GroupId"]) {
        resource::find::<Group>(cx, id)?;
    }
    Ok(json!({"SecurityGroupReferenceSet": []}))
}

pub fn of_vpc(cx: &Call, input: &Value) -> Answer {
    let vpc: Vpc = resource::find(cx, text(input, "VpcId"))?;
    let mut items = Vec::new();
    for group in resource::all::<Group>(cx)?
        .iter()
        .filter(|group| group.vpc_id == vpc.vpc_id)
    {
        items.push(json!({
            "Description": group.description, "GroupName": group.group_name, "OwnerId": group.owner_id,
            "GroupId": group.group_id, "PrimaryVpcId": group.vpc_id,
            "Tags": tags::shown(&tags::of(cx, &group.group_id)?),
        }));
    }
    let filters = [
        ("group-id", "GroupId"),
        ("group-name", "GroupName"),
        ("owner-id", "OwnerId"),
        ("primary-vpc-id", "PrimaryVpcId"),
    ];
    let items = resource::filtered(input, items, &filters, "Tags")?;
    resource::page(cx, input, items, "SecurityGroupForVpcs", 1000)
}
