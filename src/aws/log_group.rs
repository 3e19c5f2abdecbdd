//! `log_group`.

use crate::Aws;
use crate::error::{Doing, Pages, Result, accept};
use crate::provider::{
    self, answers, ask_created, ask_updated, changes, claim, live, name_of, names, outputs, tag_change, typed,
};
use crate::tagging;
use crate::tags::{self, Tags};
use crate::wait::{Patience, busy, retry};
use aws_sdk_cloudwatchlogs::types::{LogGroup, LogGroupClass};
use futures::future::try_join_all;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Live};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_days: Option<i32>,
    #[serde(default = "standard")]
    class: String,
    #[serde(default)]
    tags: Tags,
}

fn standard() -> String {
    "STANDARD".to_owned()
}

/// The ARN by which a group is tagged; the one that reads return ends in `:*`.
async fn arn(aws: &Aws, name: &str) -> Result<String> {
    let account = aws.account().await?;
    Ok(format!(
        "arn:aws:logs:{}:{account}:log-group:{name}",
        aws.connection.region()
    ))
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let names = names(asks, "name");
    // There is no batch by name; a prefix that is a whole name finds the group and those that begin like it.
    let pages = names.iter().map(|name| async move {
        let pages = aws
            .logs
            .describe_log_groups()
            .log_group_name_prefix(name)
            .into_paginator()
            .items()
            .send();
        let groups = pages.all("read log groups").await?;
        Ok::<_, CloudError>(
            groups
                .into_iter()
                .find(|group| group.log_group_name.as_deref() == Some(name)),
        )
    });
    let groups: Vec<LogGroup> = try_join_all(pages).await?.into_iter().flatten().collect();
    if groups.is_empty() {
        return Ok(vec![None; asks.len()]);
    }
    let prefix = arn(aws, "").await?;
    let arns = groups
        .iter()
        .filter_map(|group| Some(format!("{prefix}{}", group.log_group_name.as_ref()?)))
        .collect();
    let mut tags = tagging::of(aws, arns, async |arn| {
        let answer = aws
            .logs
            .list_tags_for_resource()
            .resource_arn(arn)
            .send()
            .await
            .doing("read tags")?;
        Ok(answer.tags.unwrap_or_default().into_iter().collect())
    })
    .await?;
    let lives = groups.into_iter().map(|group| {
        let name = group.log_group_name.unwrap_or_default();
        let arn = format!("{prefix}{name}");
        let (tags, owner) = tags::split(tags.remove(&arn).unwrap_or_default());
        let class = group
            .log_group_class
            .map_or_else(standard, |class| class.as_str().to_owned());
        let wanted = Wanted {
            name: name.clone(),
            retention_days: group.retention_in_days,
            class,
            tags,
        };
        live(&name, &wanted, outputs! { name: name.as_str(), arn: arn }, owner)
    });
    Ok(answers(asks, lives, |ask| name_of(ask, "name")))
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the log group";
    let wanted: Wanted = typed(&create.fields)?;
    let ask = ask_created(create, &wanted.name);
    let tags = tags::join(&create.owner, &wanted.tags);
    let made = retry(Patience::new(aws.connection.pace, 60), report, busy, async || {
        aws.logs
            .create_log_group()
            .log_group_name(&wanted.name)
            .log_group_class(LogGroupClass::from(wanted.class.as_str()))
            .set_tags(Some(tags.clone().into_iter().collect()))
            .send()
            .await
            .doing(doing)
    })
    .await;
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    claim(aws, made, create, report, shown).await?;
    report(Progress::Made {
        id: wanted.name.clone(),
    });
    set_retention(aws, &wanted.name, wanted.retention_days).await?;
    provider::visible(aws, doing, report, shown).await
}

async fn set_retention(aws: &Aws, name: &str, days: Option<i32>) -> Result<()> {
    let doing = "set how long events are kept";
    match days {
        Some(days) => {
            let request = aws
                .logs
                .put_retention_policy()
                .log_group_name(name)
                .retention_in_days(days);
            request.send().await.doing(doing)?;
            Ok(())
        }
        None => accept(
            aws.logs
                .delete_retention_policy()
                .log_group_name(name)
                .send()
                .await
                .doing(doing),
            Meaning::NotFound,
        ),
    }
}

pub(crate) async fn update(aws: &Aws, update: &Update, _report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    let change = tag_change(update)?;
    let arn = arn(aws, &update.id).await?;
    if !change.set.is_empty() {
        let request = aws
            .logs
            .tag_resource()
            .resource_arn(&arn)
            .set_tags(Some(change.set.into_iter().collect()));
        request.send().await.doing("set tags")?;
    }
    if !change.remove.is_empty() {
        let request = aws
            .logs
            .untag_resource()
            .resource_arn(&arn)
            .set_tag_keys(Some(change.remove));
        request.send().await.doing("remove tags")?;
    }
    if changes(update, &["retention_days"]) {
        set_retention(aws, &update.id, wanted.retention_days).await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, "change the log group")
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    retry(Patience::new(aws.connection.pace, 60), report, busy, async || {
        let request = aws.logs.delete_log_group().log_group_name(&delete.id);
        accept(request.send().await.doing("delete the log group"), Meaning::NotFound)
    })
    .await
}
