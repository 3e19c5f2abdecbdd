//! Tags of Redshift's resources: rules, the filters of describe calls, and the three tag operations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::{cluster, invalid, paged, parameters, snapshots, subnet_groups, text, texts};

pub type Tags = BTreeMap<String, String>;

pub fn shown_tags(tags: &Tags) -> Value {
    tags.iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

/// Reads `Tags` of a request into `tags`.
pub fn read_tags(input: &Value, tags: &mut Tags) -> Result<(), Fault> {
    for tag in input["Tags"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let (key, value) = (text(tag, "Key"), text(tag, "Value"));
        let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(Fault::bad(
                "InvalidTagFault",
                format!("The tag {key} is too long or has no key."),
            ));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(Fault::bad(
                "InvalidTagFault",
                "Tag keys starting with aws: are reserved for system use.",
            ));
        }
        if !key.chars().chain(value.chars()).all(allowed) {
            return Err(Fault::bad(
                "InvalidTagFault",
                format!("The tag {key} has a character that tags may not have."),
            ));
        }
        tags.insert(key.to_string(), value.to_string());
    }
    if tags.len() > 50 {
        return Err(Fault::bad(
            "TagLimitExceededFault",
            "You have exceeded the number of tags allowed: 50",
        ));
    }
    Ok(())
}

/// The filters `TagKeys` and `TagValues`: a tag whose key is any of the keys and whose value is any of the values.
/// Keys and values are not paired, as on AWS.
pub fn matches_filter(input: &Value, tags: &Tags) -> bool {
    let (keys, values) = (texts(input, "TagKeys"), texts(input, "TagValues"));
    if keys.is_empty() && values.is_empty() {
        return true;
    }
    tags.iter()
        .any(|(key, value)| (keys.is_empty() || keys.contains(key)) && (values.is_empty() || values.contains(value)))
}

/// A taggable resource, found by its ARN, that can be written back with other tags.
enum Tagged {
    Cluster(Box<cluster::Cluster>),
    SubnetGroup(subnet_groups::SubnetGroup),
    ParameterGroup(parameters::ParameterGroup),
    Snapshot(Box<snapshots::Snapshot>),
}

impl Tagged {
    fn find(cx: &Call, arn: &str) -> Result<Option<Tagged>, Fault> {
        let prefix = cx.arn("redshift", "");
        let Some((kind, name)) = arn.strip_prefix(&prefix).and_then(|resource| resource.split_once(':')) else {
            return Err(invalid(format!("Invalid resource name: {arn}")));
        };
        Ok(match kind {
            "cluster" => cluster::find(cx, name)?.map(Box::new).map(Tagged::Cluster),
            "subnetgroup" => subnet_groups::find(cx, name)?.map(Tagged::SubnetGroup),
            "parametergroup" => parameters::find(cx, name)?.map(Tagged::ParameterGroup),
            "snapshot" => {
                let id = name.rsplit('/').next().unwrap_or_default();
                snapshots::find(cx, id)?.map(Box::new).map(Tagged::Snapshot)
            }
            _ => return Err(Fault::not_implemented(cx)),
        })
    }

    fn tags(&mut self) -> &mut Tags {
        match self {
            Tagged::Cluster(cluster) => &mut cluster.tags,
            Tagged::SubnetGroup(group) => &mut group.tags,
            Tagged::ParameterGroup(group) => &mut group.tags,
            Tagged::Snapshot(snapshot) => &mut snapshot.tags,
        }
    }

    fn save(mut self, cx: &Call, arn: &str) -> Result<(), Fault> {
        cx.tag_index(arn, self.tags())?;
        match self {
            Tagged::Cluster(cluster) => cluster::save(cx, &cluster),
            Tagged::SubnetGroup(group) => subnet_groups::save(cx, &group),
            Tagged::ParameterGroup(group) => parameters::save(cx, &group),
            Tagged::Snapshot(snapshot) => snapshots::save(cx, &snapshot),
        }
    }
}

fn named(cx: &Call, input: &Value) -> Result<(Tagged, String), Fault> {
    let arn = text(input, "ResourceName").to_string();
    let found = Tagged::find(cx, &arn)?;
    let found = found.ok_or_else(|| Fault::new(404, "ResourceNotFoundFault", format!("Resource {arn} not found.")))?;
    Ok((found, arn))
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let (mut tagged, arn) = named(cx, input)?;
    read_tags(input, tagged.tags())?;
    tagged.save(cx, &arn)?;
    Ok(json!({}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let (mut tagged, arn) = named(cx, input)?;
    for key in texts(input, "TagKeys") {
        tagged.tags().remove(&key);
    }
    tagged.save(cx, &arn)?;
    Ok(json!({}))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let wanted_type = input["ResourceType"].as_str();
    let mut resources: Vec<(&str, String, Tags)> = Vec::new();
    match input["ResourceName"].as_str() {
        Some(_) => {
            if wanted_type.is_some() {
                return Err(super::combination(
                    "You can specify ResourceName or ResourceType, not both.",
                ));
            }
            let (mut tagged, arn) = named(cx, input)?;
            let kind = match &tagged {
                Tagged::Cluster(_) => "cluster",
                Tagged::SubnetGroup(_) => "subnetgroup",
                Tagged::ParameterGroup(_) => "parametergroup",
                Tagged::Snapshot(_) => "snapshot",
            };
            resources.push((kind, arn, std::mem::take(tagged.tags())));
        }
        None => {
            for cluster in cluster::all(cx)? {
                resources.push(("cluster", cluster.arn(cx), cluster.tags));
            }
            for group in subnet_groups::all(cx)? {
                resources.push(("subnetgroup", group.arn(cx), group.tags));
            }
            for group in parameters::all(cx)? {
                resources.push(("parametergroup", group.arn(cx), group.tags));
            }
            for snapshot in snapshots::all(cx)? {
                resources.push(("snapshot", snapshot.arn(cx), snapshot.tags));
            }
        }
    }
    let (keys, values) = (texts(input, "TagKeys"), texts(input, "TagValues"));
    let mut listed = Vec::new();
    for (kind, arn, tags) in resources {
        if wanted_type.is_some_and(|wanted| wanted.replace('-', "") != kind) {
            continue;
        }
        for (key, value) in &tags {
            if (keys.is_empty() || keys.contains(key)) && (values.is_empty() || values.contains(value)) {
                listed.push(json!({
                    "Tag": { "Key": key, "Value": value }, "ResourceName": arn, "ResourceType": kind,
                }));
            }
        }
    }
    paged(cx, "TaggedResources", listed, input)
}
