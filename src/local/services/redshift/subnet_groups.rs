//! Cluster subnet groups: where clusters may place their network interfaces.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault};
use super::network::{self, Subnet};
use super::tags::{Tags, matches_filter, read_tags, shown_tags};
use super::{cluster, invalid, paged, text, texts};

const GROUPS: &str = "redshift_subnet_group";
const SUBNETS_PER_GROUP: usize = 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubnetGroup {
    pub name: String,
    pub description: String,
    pub vpc_id: String,
    pub subnets: Vec<Subnet>,
    pub tags: Tags,
}

impl SubnetGroup {
    pub fn arn(&self, cx: &Call) -> String {
        cx.arn("redshift", &format!("subnetgroup:{}", self.name))
    }

    fn shown(&self) -> Value {
        let subnets = self.subnets.iter().map(|subnet| {
            json!({
                "SubnetIdentifier": subnet.id,
                "SubnetAvailabilityZone": { "Name": subnet.zone },
                "SubnetStatus": "Active",
            })
        });
        let mut shown = Map::new();
        shown.insert("ClusterSubnetGroupName".into(), json!(self.name));
        shown.insert("Description".into(), json!(self.description));
        shown.insert("VpcId".into(), json!(self.vpc_id));
        shown.insert("SubnetGroupStatus".into(), json!("Complete"));
        shown.insert("Subnets".into(), subnets.collect());
        shown.insert("Tags".into(), shown_tags(&self.tags));
        shown.insert("SupportedClusterIpAddressTypes".into(), json!(["ipv4"]));
        shown.into()
    }
}

pub fn find(cx: &Call, name: &str) -> Result<Option<SubnetGroup>, Fault> {
    cx.get(GROUPS, &name.to_lowercase())
}

pub fn not_found(name: &str) -> Fault {
    Fault::bad(
        "ClusterSubnetGroupNotFoundFault",
        format!("Cluster subnet group {} not found.", name.to_lowercase()),
    )
}

pub fn all(cx: &Call) -> Result<Vec<SubnetGroup>, Fault> {
    Ok(cx
        .list::<SubnetGroup>(GROUPS, "")?
        .into_iter()
        .map(|(_, group)| group)
        .collect())
}

pub fn save(cx: &Call, group: &SubnetGroup) -> Result<(), Fault> {
    cx.put(GROUPS, &group.name, group)
}

fn named(cx: &Call, input: &Value) -> Result<SubnetGroup, Fault> {
    let name = text(input, "ClusterSubnetGroupName");
    find(cx, name)?.ok_or_else(|| not_found(name))
}

/// Returns the subnets of a request: they exist, and all in one VPC.
fn read_subnets(cx: &Call, input: &Value) -> Result<(String, Vec<Subnet>), Fault> {
    let mut ids = texts(input, "SubnetIds");
    ids.dedup();
    if ids.is_empty() {
        return Err(invalid("SubnetIds must contain at least one subnet."));
    }
    if ids.len() > SUBNETS_PER_GROUP {
        return Err(Fault::bad(
            "ClusterSubnetQuotaExceededFault",
            format!(
                "The request would exceed the allowed number of subnets in a cluster subnet group: {SUBNETS_PER_GROUP}"
            ),
        ));
    }
    let mut vpc_id: Option<String> = None;
    let mut subnets = Vec::with_capacity(ids.len());
    for id in ids {
        let Some((subnet, vpc)) = network::subnet(cx, &id)? else {
            return Err(Fault::bad(
                "InvalidSubnet",
                format!("Some input subnets in :[{id}] are invalid."),
            ));
        };
        if vpc_id.get_or_insert_with(|| vpc.clone()) != &vpc {
            return Err(Fault::bad("InvalidSubnet", "The subnets must all be in the same VPC."));
        }
        subnets.push(subnet);
    }
    Ok((vpc_id.unwrap_or_default(), subnets))
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let given = text(input, "ClusterSubnetGroupName");
    let name = given.to_lowercase();
    let valid =
        !name.is_empty() && name.len() <= 255 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c));
    if !valid || name == "default" {
        return Err(invalid(format!(
            "Invalid cluster subnet group name {given}. It must contain no more than 255 alphanumeric characters or hyphens and must not be \"Default\"."
        )));
    }
    let (vpc_id, subnets) = read_subnets(cx, input)?;
    let mut tags = Tags::new();
    read_tags(input, &mut tags)?;
    if find(cx, &name)?.is_some() {
        return Err(Fault::bad(
            "ClusterSubnetGroupAlreadyExists",
            format!("Cluster subnet group {name} already exists."),
        ));
    }
    let group = SubnetGroup {
        name,
        description: text(input, "Description").to_string(),
        vpc_id,
        subnets,
        tags,
    };
    save(cx, &group)?;
    cx.tag_index(&group.arn(cx), &group.tags)?;
    Ok(json!({ "ClusterSubnetGroup": group.shown() }))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let groups = match input["ClusterSubnetGroupName"].as_str() {
        Some(_) => vec![named(cx, input)?],
        None => all(cx)?,
    };
    let shown = groups
        .iter()
        .filter(|group| matches_filter(input, &group.tags))
        .map(SubnetGroup::shown)
        .collect();
    paged(cx, "ClusterSubnetGroups", shown, input)
}

pub fn modify(cx: &Call, input: &Value) -> Answer {
    let mut group = named(cx, input)?;
    // The list replaces the whole list.
    let (vpc_id, subnets) = read_subnets(cx, input)?;
    let users: Vec<_> = cluster::all(cx)?
        .into_iter()
        .filter(|cluster| cluster.subnet_group == group.name)
        .collect();
    if !users.is_empty() && vpc_id != group.vpc_id {
        return Err(Fault::bad(
            "InvalidSubnet",
            "The subnets must be in the VPC of the clusters in the subnet group.",
        ));
    }
    for cluster in &users {
        let used = cluster
            .interfaces
            .iter()
            .find(|used| !subnets.iter().any(|subnet| subnet.id == used.subnet_id));
        if let Some(used) = used {
            return Err(Fault::bad(
                "SubnetAlreadyInUse",
                format!("The subnet {} is in use by cluster {}.", used.subnet_id, cluster.id),
            ));
        }
    }
    (group.vpc_id, group.subnets) = (vpc_id, subnets);
    if let Some(description) = input["Description"].as_str() {
        group.description = description.to_string();
    }
    save(cx, &group)?;
    Ok(json!({ "ClusterSubnetGroup": group.shown() }))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    if let Some(cluster) = cluster::all(cx)?
        .iter()
        .find(|cluster| cluster.subnet_group == group.name)
    {
        return Err(Fault::bad(
            "InvalidClusterSubnetGroupStateFault",
            format!(
                "Cluster subnet group {} is in use by cluster {}.",
                group.name, cluster.id
            ),
        ));
    }
    cx.delete(GROUPS, &group.name)?;
    cx.tag_forget(&group.arn(cx))?;
    Ok(json!({}))
}
