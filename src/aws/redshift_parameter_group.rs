//! `redshift_parameter_group`. Values go in chunks of twenty; what is no longer wanted is reset, since a value that
//! is merely left out stays for ever.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Pages, Result, Says, accept, found};
use crate::provider::{self, answers, ask_created, ask_updated, changes, claim, live, name_of, names, outputs, typed};
use crate::redshift;
use crate::tags::{self, Tags, sdk_tags};
use crate::wait::{Patience, busy, retry};
use aws_sdk_redshift::types::{ClusterParameterGroup, Parameter, Tag};
use futures::future::try_join_all;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Live};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const KIND: &str = "parametergroup";

/// Redshift changes at most so many parameters in one call.
const CHUNK: usize = 20;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default = "newest")]
    family: String,
    #[serde(default = "managed")]
    description: String,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    tags: Tags,
}

fn newest() -> String {
    "redshift-2.0".to_owned()
}

fn managed() -> String {
    "Managed by lakeform".to_owned()
}

fn folded(ask: &Ask) -> Option<String> {
    name_of(ask, "name").map(|name| name.to_ascii_lowercase())
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let names = names(asks, "name");
    let request = aws.redshift.describe_cluster_parameter_groups();
    let request = match names.as_slice() {
        [] => return Ok(vec![None; asks.len()]),
        [name] => request.parameter_group_name(name),
        _ => request.max_records(100),
    };
    let pages = request.into_paginator().items().send();
    let groups = pages.all("read Redshift parameter groups").await;
    let groups = found(groups)?
        .unwrap_or_default()
        .into_iter()
        .filter(|group| asks.iter().any(|ask| folded(ask) == group.parameter_group_name));
    let lives = try_join_all(groups.map(|group| to_live(aws, group, asks))).await?;
    Ok(answers(asks, lives, folded))
}

async fn to_live(aws: &Aws, group: ClusterParameterGroup, asks: &[Ask]) -> Result<Live> {
    let name = group.parameter_group_name.clone().unwrap_or_default();
    let ask = asks.iter().find(|ask| folded(ask).as_deref() == Some(&name));
    let asked = ask
        .and_then(|ask| ask.fields.get("parameters"))
        .and_then(|parameters| parameters.as_map());
    let pages = aws
        .redshift
        .describe_cluster_parameters()
        .parameter_group_name(&name)
        .source("user")
        .into_paginator()
        .items()
        .send();
    let parameters = pages.all("read Redshift parameters").await?;
    let parameters = parameters
        .into_iter()
        .filter_map(|parameter| Some((parameter.parameter_name?, parameter.parameter_value?)))
        .map(|(key, value)| {
            let wanted = asked.and_then(|asked| asked.get(&key)).map(|wanted| wanted.to_text());
            let same = wanted.as_ref().is_some_and(|wanted| same_value(&key, wanted, &value));
            (key, wanted.filter(|_| same).unwrap_or(value))
        })
        .collect();
    let (tags, owner) = tags::split(redshift::tag_pairs(group.tags()));
    let wanted = Wanted {
        name: name.clone(),
        family: group.parameter_group_family.unwrap_or_default(),
        description: group.description.unwrap_or_default(),
        parameters,
        tags,
    };
    let arn = redshift::arn(aws, KIND, &name).await?;
    Ok(live(&name, &wanted, outputs! { name: name.as_str(), arn: arn }, owner))
}

/// Redshift lower-cases what it understands, and rewrites JSON.
fn same_value(key: &str, wanted: &str, live: &str) -> bool {
    match key {
        "search_path" | "query_group" => wanted == live,
        "wlm_json_configuration" => {
            let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            wanted == live || parse(wanted).is_some_and(|wanted| Some(wanted) == parse(live))
        }
        _ => wanted.eq_ignore_ascii_case(live),
    }
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the Redshift parameter group";
    let wanted: Wanted = typed(&create.fields)?;
    let id = wanted.name.to_ascii_lowercase();
    let ask = ask_created(create, &id);
    let tags = tags::join(&create.owner, &wanted.tags);
    let made = aws
        .redshift
        .create_cluster_parameter_group()
        .parameter_group_name(&id)
        .parameter_group_family(&wanted.family)
        .description(&wanted.description)
        .set_tags(Some(sdk_tags!(tags, Tag)))
        .send()
        .await
        .doing(doing);
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    claim(aws, made, create, report, shown).await?;
    report(Progress::Made { id: id.clone() });
    set(aws, &id, &wanted.parameters.into_iter().collect::<Vec<_>>(), report).await?;
    provider::visible(aws, doing, report, shown).await
}

async fn set(aws: &Aws, group: &str, parameters: &[(String, String)], report: Report<'_>) -> Result<()> {
    for chunk in parameters.chunks(CHUNK) {
        let values: Vec<Parameter> = chunk
            .iter()
            .map(|(name, value)| Parameter::builder().parameter_name(name).parameter_value(value).build())
            .collect();
        retry(redshift::patience(aws), report, waiting, async || {
            let request = aws
                .redshift
                .modify_cluster_parameter_group()
                .parameter_group_name(group);
            request
                .set_parameters(Some(values.clone()))
                .send()
                .await
                .doing("set Redshift parameters")
        })
        .await?;
    }
    Ok(())
}

/// Redshift says "in a wrong state" of a group that it is still applying.
fn waiting(error: &CloudError) -> Option<&'static str> {
    busy(error).or_else(|| {
        error
            .is(Meaning::InUse)
            .then_some("earlier values are still being applied")
    })
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the Redshift parameter group";
    let wanted: Wanted = typed(&update.fields)?;
    let before: Wanted = typed(&update.before.fields)?;
    redshift::retag(aws, KIND, update).await?;
    if changes(update, &["parameters"]) {
        let differs = |(key, value): &(&String, &String)| before.parameters.get(*key) != Some(*value);
        let changed: Vec<(String, String)> = wanted
            .parameters
            .iter()
            .filter(differs)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        set(aws, &update.id, &changed, report).await?;
        let gone: Vec<&String> = before
            .parameters
            .keys()
            .filter(|key| !wanted.parameters.contains_key(*key))
            .collect();
        for chunk in gone.chunks(CHUNK) {
            let values: Vec<Parameter> = chunk
                .iter()
                .map(|name| Parameter::builder().parameter_name(*name).build())
                .collect();
            retry(redshift::patience(aws), report, waiting, async || {
                let request = aws
                    .redshift
                    .reset_cluster_parameter_group()
                    .parameter_group_name(&update.id);
                request
                    .set_parameters(Some(values.clone()))
                    .send()
                    .await
                    .doing("reset Redshift parameters")
            })
            .await?;
        }
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let patience = match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 3),
        Pace::Aws => Patience::new(Pace::Aws, 120),
    };
    retry(patience, report, waiting, async || {
        let request = aws
            .redshift
            .delete_cluster_parameter_group()
            .parameter_group_name(&delete.id);
        accept(
            request.send().await.doing("delete the Redshift parameter group"),
            Meaning::NotFound,
        )
    })
    .await
}
