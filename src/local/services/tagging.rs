//! Resource Groups Tagging: one index of tags over all services, written by them through `Call::tag_index`. Unlike
//! AWS's it never shows a resource that is gone, because services take it out in the same transaction. IAM roles are
//! not listed, as on AWS.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Answer, Call, Fault, Service, permission};

const TAGS: &str = "tags";
const MAX_ARNS: usize = 100;

type Tags = BTreeMap<String, String>;

pub(crate) fn index(cx: &Call, arn: &str, tags: &Tags) -> Result<(), Fault> {
    cx.put(TAGS, arn, tags)
}

pub(crate) fn forget(cx: &Call, arn: &str) -> Result<(), Fault> {
    cx.delete(TAGS, arn).map(drop)
}

/// Returns the tags of a resource; none also when nothing is known of it.
pub(crate) fn tags_of(cx: &Call, arn: &str) -> Result<Tags, Fault> {
    Ok(cx.get(TAGS, arn)?.unwrap_or_default())
}

pub fn call(cx: &Call, input: &Value) -> Answer {
    match cx.operation {
        "GetResources" => resources(cx, input),
        "GetTagKeys" => keys(cx, input),
        "GetTagValues" => values(cx, input),
        "TagResources" => change(cx, input, "Tags", tag),
        "UntagResources" => change(cx, input, "TagKeys", untag),
        _ => Err(Fault::not_implemented(cx)),
    }
}

fn strings<'v>(input: &'v Value, member: &str) -> Vec<&'v str> {
    input[member]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn resources(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "PaginationToken",
            "TagFilters",
            "ResourcesPerPage",
            "ResourceTypeFilters",
            "ResourceARNList",
            "TagsPerPage",
            "IncludeComplianceDetails",
            "ExcludeCompliantResources",
        ],
    )?;
    let arns = strings(input, "ResourceARNList");
    let kinds = strings(input, "ResourceTypeFilters");
    if !arns.is_empty() && (!kinds.is_empty() || !input["TagFilters"].is_null() || !input["ResourcesPerPage"].is_null())
    {
        let message = "ResourceARNList cannot be combined with TagFilters, ResourceTypeFilters or pagination";
        return Err(Fault::bad("InvalidParameterException", message));
    }
    if arns.len() > MAX_ARNS {
        return Err(Fault::bad(
            "InvalidParameterException",
            format!("at most {MAX_ARNS} ARNs may be given"),
        ));
    }
    let all: Vec<(String, Tags)> = cx.list(TAGS, "")?;
    let mut shown = Vec::new();
    for (arn, tags) in all {
        let wanted = if arns.is_empty() {
            // A resource that never had a tag is not among the tagged.
            !tags.is_empty() && matches_kind(&kinds, &arn) && matches_filters(&input["TagFilters"], &tags)
        } else {
            arns.contains(&arn.as_str())
        };
        if wanted {
            let tags: Vec<Value> = tags
                .iter()
                .map(|(key, value)| json!({"Key": key, "Value": value}))
                .collect();
            shown.push(json!({"ResourceARN": arn, "Tags": tags}));
        }
    }
    let (page, next) = cx.page(shown, input, "ResourcesPerPage", "PaginationToken", 50, 100)?;
    Ok(json!({"ResourceTagMappingList": page, "PaginationToken": next.unwrap_or_default()}))
}

/// `ec2` matches all of EC2, `ec2:vpc` its VPCs.
fn matches_kind(kinds: &[&str], arn: &str) -> bool {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let (Some(service), Some(resource)) = (fields.get(2), fields.get(5)) else {
        return false;
    };
    kinds.is_empty()
        || kinds.iter().any(|kind| match kind.split_once(':') {
            None => kind == service,
            Some((wanted, kind)) => {
                wanted == *service
                    && (resource.split(['/', ':']).next() == Some(kind) || (wanted == "s3" && kind == "bucket"))
            }
        })
}

/// Every filter must match; a filter matches by its key and, when it has values, by one of them.
fn matches_filters(filters: &Value, tags: &Tags) -> bool {
    filters.as_array().into_iter().flatten().all(|filter| {
        let values = strings(filter, "Values");
        let found = tags.get(filter["Key"].as_str().unwrap_or_default());
        found.is_some_and(|value| values.is_empty() || values.contains(&value.as_str()))
    })
}

fn keys(cx: &Call, input: &Value) -> Answer {
    let all: Vec<(String, Tags)> = cx.list(TAGS, "")?;
    let keys: BTreeSet<String> = all.into_iter().flat_map(|(_, tags)| tags.into_keys()).collect();
    let (page, next) = cx.page(
        keys.into_iter().map(Value::from).collect(),
        input,
        "",
        "PaginationToken",
        100,
        100,
    )?;
    Ok(json!({"TagKeys": page, "PaginationToken": next.unwrap_or_default()}))
}

fn values(cx: &Call, input: &Value) -> Answer {
    let key = input["Key"].as_str().unwrap_or_default();
    let all: Vec<(String, Tags)> = cx.list(TAGS, "")?;
    let values: BTreeSet<String> = all.into_iter().filter_map(|(_, mut tags)| tags.remove(key)).collect();
    let (page, next) = cx.page(
        values.into_iter().map(Value::from).collect(),
        input,
        "",
        "PaginationToken",
        100,
        100,
    )?;
    Ok(json!({"TagValues": page, "PaginationToken": next.unwrap_or_default()}))
}

/// Changes the tags of resources through their own services; what fails is reported by resource, as on AWS.
fn change(cx: &Call, input: &Value, member: &str, how: fn(&Call, &str, &Value) -> Answer) -> Answer {
    let mut failed = Map::new();
    for arn in strings(input, "ResourceARNList") {
        if let Err(fault) = how(cx, arn, &input[member]) {
            let known = fault.status < 500 && fault.status != 501;
            let code = if known {
                "InvalidParameterException"
            } else {
                "InternalServiceException"
            };
            let status = if known { 400 } else { 500 };
            let message = format!("{}: {}", fault.code, fault.message);
            failed.insert(
                arn.to_owned(),
                json!({"StatusCode": status, "ErrorCode": code, "ErrorMessage": message}),
            );
        }
    }
    Ok(json!({"FailedResourcesMap": failed}))
}

fn tag(cx: &Call, arn: &str, tags: &Value) -> Answer {
    let list: Vec<Value> = tags
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    let lower: Vec<Value> = list
        .iter()
        .map(|tag| json!({"key": tag["Key"], "value": tag["Value"]}))
        .collect();
    let (service, resource) = owner(arn)?;
    let (operation, input) = match service {
        Service::Ec2 => ("CreateTags", json!({"Resources": [resource], "Tags": list})),
        Service::Redshift => ("CreateTags", json!({"ResourceName": arn, "Tags": list})),
        Service::Glue => ("TagResource", json!({"ResourceArn": arn, "TagsToAdd": tags})),
        Service::RedshiftServerless => ("TagResource", json!({"resourceArn": arn, "tags": lower})),
        Service::SecretsManager => ("TagResource", json!({"SecretId": arn, "Tags": list})),
        Service::Logs => ("TagResource", json!({"resourceArn": arn, "tags": tags})),
        _ => return Err(unsupported(arn)),
    };
    let cx = Call {
        service,
        operation,
        ..cx.clone()
    };
    permission::check(&cx, &input)?;
    service.call(&cx, &input)
}

fn untag(cx: &Call, arn: &str, keys: &Value) -> Answer {
    let (service, resource) = owner(arn)?;
    let pairs: Vec<Value> = keys
        .as_array()
        .into_iter()
        .flatten()
        .map(|key| json!({"Key": key}))
        .collect();
    let (operation, input) = match service {
        Service::Ec2 => ("DeleteTags", json!({"Resources": [resource], "Tags": pairs})),
        Service::Redshift => ("DeleteTags", json!({"ResourceName": arn, "TagKeys": keys})),
        Service::Glue => ("UntagResource", json!({"ResourceArn": arn, "TagsToRemove": keys})),
        Service::RedshiftServerless => ("UntagResource", json!({"resourceArn": arn, "tagKeys": keys})),
        Service::SecretsManager => ("UntagResource", json!({"SecretId": arn, "TagKeys": keys})),
        Service::Logs => ("UntagResource", json!({"resourceArn": arn, "tagKeys": keys})),
        _ => return Err(unsupported(arn)),
    };
    let cx = Call {
        service,
        operation,
        ..cx.clone()
    };
    permission::check(&cx, &input)?;
    service.call(&cx, &input)
}

/// Returns the service of an ARN and, for EC2, the id in it.
fn owner(arn: &str) -> Result<(Service, &str), Fault> {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, _, _, resource] = fields[..] else {
        return Err(unsupported(arn));
    };
    let service = Service::from_scope(service).ok_or_else(|| unsupported(arn))?;
    Ok((service, resource.rsplit('/').next().unwrap_or(resource)))
}

fn unsupported(arn: &str) -> Fault {
    Fault::bad(
        "InvalidParameterException",
        format!("the tags of `{arn}` cannot be changed here"),
    )
}
