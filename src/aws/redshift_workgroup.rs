//! `redshift_workgroup`. AWS accepts one parameter per change, in an order that never passes through a forbidden
//! state: a higher maximum before a higher base, a lower base before a lower maximum.

use crate::Aws;
use crate::ec2;
use crate::error::{Doing, Pages, Result, accept, found};
use crate::provider::{
    self, answers, ask_created, ask_updated, changes, claim, live, maybe, name_of, names, outputs, typed,
};
use crate::serverless::{self, Served};
use crate::subnet;
use crate::tags::{self, Tags, sdk_tags};
use crate::wait::{busy, retry};
use aws_sdk_redshiftserverless::types::{
    ConfigParameter, PerformanceTarget, PerformanceTargetStatus, Tag, Workgroup, WorkgroupStatus,
};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Fields, Live};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    namespace: String,
    subnets: Vec<String>,
    #[serde(default)]
    security_groups: Vec<String>,
    #[serde(default = "eight")]
    base_capacity: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_capacity: Option<i32>,
    #[serde(default = "usual_port")]
    port: i32,
    #[serde(default)]
    public: bool,
    #[serde(default = "yes")]
    enhanced_vpc_routing: bool,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    tags: Tags,
}

fn eight() -> i32 {
    8
}

fn usual_port() -> i32 {
    5439
}

fn yes() -> bool {
    true
}

/// What AWS fills in, as of 2026-08. A workgroup echoes all of it, whether or not anybody asked.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("auto_mv", &["true"]),
    ("datestyle", &["ISO, MDY"]),
    ("enable_case_sensitive_identifier", &["false"]),
    ("enable_user_activity_logging", &["true"]),
    ("max_query_execution_time", &["14400"]),
    ("query_group", &["default"]),
    ("require_ssl", &["true", "false"]),
    ("search_path", &["$user, public"]),
    ("use_fips_ssl", &["false"]),
];

/// The value that stands for "not set": the default, or `-1` for a limit of query monitoring.
fn unset(key: &str) -> &'static str {
    DEFAULTS
        .iter()
        .find(|(name, _)| *name == key)
        .map_or("-1", |(_, values)| values[0])
}

fn is_default(key: &str, value: &str) -> bool {
    match DEFAULTS.iter().find(|(name, _)| *name == key) {
        Some((_, values)) => values.iter().any(|default| default.eq_ignore_ascii_case(value)),
        None => value == "-1",
    }
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let workgroups: Vec<Workgroup> = serverless::named(aws, &names(asks, "name")).await?;
    let arns = workgroups
        .iter()
        .filter_map(|workgroup| workgroup.workgroup_arn.clone())
        .collect();
    let mut tags = serverless::tags(aws, arns).await?;
    let lives = workgroups.into_iter().map(|workgroup| {
        let tags = workgroup
            .workgroup_arn
            .as_ref()
            .and_then(|arn| tags.remove(arn))
            .unwrap_or_default();
        let ask = asks.iter().find(|ask| name_of(ask, "name") == workgroup.workgroup_name);
        to_live(workgroup, tags, ask.map(|ask| &ask.fields))
    });
    let mut answers = answers(asks, lives, |ask| name_of(ask, "name"));
    ec2::hide_default_groups(aws, asks, &mut answers).await?;
    Ok(answers)
}

impl Served for Workgroup {
    const KIND: &str = "workgroup";

    async fn get(aws: &Aws, name: &str) -> Result<Option<Self>> {
        let request = aws.serverless.get_workgroup().workgroup_name(name);
        let answer = request.send().await.doing("read the workgroup");
        Ok(found(answer)?.and_then(|answer| answer.workgroup))
    }

    async fn all(aws: &Aws) -> Result<Vec<Self>> {
        let pages = aws.serverless.list_workgroups().into_paginator().page_size(100);
        pages.items().send().all("read workgroups").await
    }

    fn name(&self) -> Option<&str> {
        self.workgroup_name.as_deref()
    }

    fn state(&self) -> Option<&str> {
        self.status.as_ref().map(WorkgroupStatus::as_str)
    }
}

fn to_live(workgroup: Workgroup, tags: Tags, asked: Option<&Fields>) -> Live {
    let (tags, owner) = tags::split(tags);
    let name = workgroup.workgroup_name.unwrap_or_default();
    let asked_parameters = asked
        .and_then(|fields| fields.get("parameters"))
        .and_then(|parameters| parameters.as_map());
    let parameters = workgroup
        .config_parameters
        .unwrap_or_default()
        .into_iter()
        .filter_map(|parameter| Some((parameter.parameter_key?, parameter.parameter_value?)))
        .filter(|(key, value)| asked_parameters.is_some_and(|asked| asked.contains_key(key)) || !is_default(key, value))
        .collect();
    let mut subnets = workgroup.subnet_ids.unwrap_or_default();
    subnets.sort();
    let mut security_groups = workgroup.security_group_ids.unwrap_or_default();
    security_groups.sort();
    let host = workgroup
        .endpoint
        .as_ref()
        .and_then(|endpoint| endpoint.address.clone());
    let port = workgroup
        .port
        .or_else(|| workgroup.endpoint.as_ref().and_then(|endpoint| endpoint.port))
        .unwrap_or_else(usual_port);
    let wanted = Wanted {
        name: name.clone(),
        namespace: workgroup.namespace_name.unwrap_or_default(),
        subnets,
        security_groups,
        base_capacity: workgroup.base_capacity.unwrap_or_default(),
        max_capacity: workgroup.max_capacity.filter(|capacity| *capacity > 0),
        port,
        public: workgroup.publicly_accessible.unwrap_or_default(),
        enhanced_vpc_routing: workgroup.enhanced_vpc_routing.unwrap_or_default(),
        parameters,
        tags,
    };
    let outputs = outputs! {
        name: name.as_str(),
        arn: maybe(workgroup.workgroup_arn.as_deref()),
        endpoint: maybe(host.as_ref().map(|host| format!("{host}:{port}")).as_deref()),
        host: maybe(host.as_deref()),
        port: i64::from(port),
        target: format!("workgroup:{name}"),
    };
    let mut live = live(&name, &wanted, outputs, owner);
    live.going = workgroup.status == Some(WorkgroupStatus::Deleting);
    live.status = workgroup
        .status
        .filter(|status| *status != WorkgroupStatus::Available)
        .map(|status| status.as_str().to_ascii_lowercase());
    live
}

fn config(parameters: impl IntoIterator<Item = (String, String)>) -> Vec<ConfigParameter> {
    let one = |(key, value)| {
        ConfigParameter::builder()
            .parameter_key(key)
            .parameter_value(value)
            .build()
    };
    parameters.into_iter().map(one).collect()
}

/// A capacity that we name excludes one that AWS chooses for the price.
fn fixed_capacity() -> PerformanceTarget {
    PerformanceTarget::builder()
        .status(PerformanceTargetStatus::Disabled)
        .build()
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the workgroup";
    let wanted: Wanted = typed(&create.fields)?;
    let ask = ask_created(create, &wanted.name);
    let tags = tags::join(&create.owner, &wanted.tags);
    let parameters = config(wanted.parameters.clone());
    let made = retry(serverless::patience(aws), report, serverless::under_way, async || {
        aws.serverless
            .create_workgroup()
            .workgroup_name(&wanted.name)
            .namespace_name(&wanted.namespace)
            .set_subnet_ids(Some(wanted.subnets.clone()))
            .set_security_group_ids(Some(wanted.security_groups.clone()).filter(|groups| !groups.is_empty()))
            .base_capacity(wanted.base_capacity)
            .set_max_capacity(wanted.max_capacity)
            .price_performance_target(fixed_capacity())
            .port(wanted.port)
            .publicly_accessible(wanted.public)
            .enhanced_vpc_routing(wanted.enhanced_vpc_routing)
            .set_config_parameters(Some(parameters.clone()).filter(|parameters| !parameters.is_empty()))
            .set_tags(Some(sdk_tags!(tags, Tag, checked)))
            .send()
            .await
            .doing(doing)
    })
    .await;
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    claim(aws, made.map_err(serverless::taken), create, report, shown).await?;
    report(Progress::Made {
        id: wanted.name.clone(),
    });
    serverless::available::<Workgroup>(aws, &wanted.name, report).await?;
    provider::visible(aws, doing, report, shown).await
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the workgroup";
    let wanted: Wanted = typed(&update.fields)?;
    let before: Wanted = typed(&update.before.fields)?;
    serverless::retag(aws, update).await?;
    let request = || aws.serverless.update_workgroup().workgroup_name(&update.id);
    let mut steps = Vec::new();
    let base = changes(update, &["base_capacity"]).then(|| request().base_capacity(wanted.base_capacity));
    // -1 takes a limit away.
    let max = changes(update, &["max_capacity"]).then(|| request().max_capacity(wanted.max_capacity.unwrap_or(-1)));
    if base.is_some() && before.base_capacity < 0 {
        steps.push(request().price_performance_target(fixed_capacity()));
    }
    match wanted.base_capacity >= before.base_capacity {
        true => steps.extend(max.into_iter().chain(base)),
        false => steps.extend(base.into_iter().chain(max)),
    }
    if changes(update, &["subnets"]) {
        steps.push(request().set_subnet_ids(Some(wanted.subnets.clone())));
    }
    if changes(update, &["security_groups"]) {
        let vpc = vpc_of(aws, &wanted.subnets).await?;
        let groups = ec2::groups_or_default(aws, &wanted.security_groups, &vpc).await?;
        steps.push(request().set_security_group_ids(Some(groups)));
    }
    if changes(update, &["port"]) {
        steps.push(request().port(wanted.port));
    }
    if changes(update, &["public"]) {
        steps.push(request().publicly_accessible(wanted.public));
    }
    if changes(update, &["enhanced_vpc_routing"]) {
        steps.push(request().enhanced_vpc_routing(wanted.enhanced_vpc_routing));
    }
    // Only what differs: AWS refuses a parameter that would not change.
    let changed: Vec<(String, String)> = wanted
        .parameters
        .iter()
        .filter(|(key, value)| before.parameters.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .chain(
            before
                .parameters
                .keys()
                .filter(|key| !wanted.parameters.contains_key(*key))
                .map(|key| (key.clone(), unset(key).to_owned())),
        )
        .collect();
    if changes(update, &["parameters"]) && !changed.is_empty() {
        steps.push(request().set_config_parameters(Some(config(changed))));
    }
    for step in steps {
        retry(serverless::patience(aws), report, busy, async || {
            step.clone().send().await.doing(doing)
        })
        .await?;
        serverless::available::<Workgroup>(aws, &update.id, report).await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

/// Returns the VPC of these subnets.
async fn vpc_of(aws: &Aws, subnets: &[String]) -> Result<String> {
    let found = subnet::filtered(aws, ec2::filter("subnet-id", subnets)).await?;
    let vpc = found.iter().find_map(|subnet| subnet.fields.get("vpc")?.as_text());
    vpc.map(str::to_owned).ok_or_else(|| {
        CloudError::new(
            Meaning::NotFound,
            "look for the workgroup's VPC",
            "its subnets are gone",
        )
    })
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let doing = "delete the workgroup";
    let waiting = |error: &CloudError| busy(error);
    retry(serverless::patience(aws), report, waiting, async || {
        let request = aws.serverless.delete_workgroup().workgroup_name(&delete.id);
        accept(request.send().await.doing(doing), Meaning::NotFound)
    })
    .await?;
    serverless::gone::<Workgroup>(aws, &delete.id, report).await
}
