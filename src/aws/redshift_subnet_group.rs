//! `redshift_subnet_group`. Names are stored in lower case; a change sends the whole list of subnets.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Pages, Result, Says, accept, found};
use crate::provider::{self, answers, ask_created, ask_updated, changes, claim, live, name_of, names, outputs, typed};
use crate::redshift;
use crate::tags::{self, Tags, sdk_tags};
use crate::wait::{Patience, retry};
use aws_sdk_redshift::types::{ClusterSubnetGroup, Tag};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Live};
use serde::{Deserialize, Serialize};

const KIND: &str = "subnetgroup";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    subnets: Vec<String>,
    #[serde(default = "managed")]
    description: String,
    #[serde(default)]
    tags: Tags,
}

fn managed() -> String {
    "Managed by lakeform".to_owned()
}

fn folded(ask: &Ask) -> Option<String> {
    name_of(ask, "name").map(|name| name.to_ascii_lowercase())
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let doing = "read Redshift subnet groups";
    let names = names(asks, "name");
    let request = aws.redshift.describe_cluster_subnet_groups();
    let request = match names.as_slice() {
        [] => return Ok(vec![None; asks.len()]),
        [name] => request.cluster_subnet_group_name(name),
        _ => request.max_records(100),
    };
    let pages = request.into_paginator().items().send();
    let groups = found(pages.all(doing).await)?.unwrap_or_default();
    let mut lives = Vec::with_capacity(groups.len());
    for group in groups {
        lives.push(to_live(aws, group).await?);
    }
    Ok(answers(asks, lives, folded))
}

async fn to_live(aws: &Aws, group: ClusterSubnetGroup) -> Result<Live> {
    let name = group.cluster_subnet_group_name.clone().unwrap_or_default();
    let (tags, owner) = tags::split(redshift::tag_pairs(group.tags()));
    let mut subnets: Vec<String> = group
        .subnets()
        .iter()
        .filter_map(|subnet| subnet.subnet_identifier.clone())
        .collect();
    subnets.sort();
    let wanted = Wanted {
        name: name.clone(),
        subnets,
        description: group.description.unwrap_or_default(),
        tags,
    };
    let arn = redshift::arn(aws, KIND, &name).await?;
    let mut live = live(&name, &wanted, outputs! { name: name.as_str(), arn: arn }, owner);
    live.status = group
        .subnet_group_status
        .filter(|status| !status.eq_ignore_ascii_case("complete"));
    Ok(live)
}

/// Subnets made a moment ago may be unknown to Redshift.
fn lag(error: &CloudError) -> Option<&'static str> {
    error
        .has_code(&["InvalidSubnet"])
        .then_some("the subnets are not yet visible to Redshift")
}

fn patience(aws: &Aws) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 3),
        Pace::Aws => Patience::new(Pace::Aws, 120),
    }
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the Redshift subnet group";
    let wanted: Wanted = typed(&create.fields)?;
    let id = wanted.name.to_ascii_lowercase();
    let ask = ask_created(create, &id);
    let tags = tags::join(&create.owner, &wanted.tags);
    let made = retry(patience(aws), report, lag, async || {
        aws.redshift
            .create_cluster_subnet_group()
            .cluster_subnet_group_name(&id)
            .description(&wanted.description)
            .set_subnet_ids(Some(wanted.subnets.clone()))
            .set_tags(Some(sdk_tags!(tags, Tag)))
            .send()
            .await
            .doing(doing)
    })
    .await;
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    claim(aws, made, create, report, shown).await?;
    report(Progress::Made { id });
    provider::visible(aws, doing, report, shown).await
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the Redshift subnet group";
    let wanted: Wanted = typed(&update.fields)?;
    redshift::retag(aws, KIND, update).await?;
    if changes(update, &["subnets", "description"]) {
        retry(patience(aws), report, lag, async || {
            aws.redshift
                .modify_cluster_subnet_group()
                .cluster_subnet_group_name(&update.id)
                .description(&wanted.description)
                .set_subnet_ids(Some(wanted.subnets.clone()))
                .send()
                .await
                .doing(doing)
        })
        .await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let in_use = |error: &CloudError| {
        error
            .is(Meaning::InUse)
            .then_some("a cluster that is being deleted still uses it")
    };
    retry(patience(aws), report, in_use, async || {
        let request = aws
            .redshift
            .delete_cluster_subnet_group()
            .cluster_subnet_group_name(&delete.id);
        accept(
            request.send().await.doing("delete the Redshift subnet group"),
            Meaning::NotFound,
        )
    })
    .await
}
