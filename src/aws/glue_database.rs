//! `glue_database`. An update replaces all of it, so what we do not manage is sent along unchanged.

use crate::Aws;
use crate::error::{Doing, Pages, Result, accept, found};
use crate::glue;
use crate::provider::{self, answers, ask_created, ask_updated, changes, claim, live, name_of, names, outputs, typed};
use crate::tags::{self, Tags};
use crate::wait::retry;
use aws_sdk_glue::types::{Database, DatabaseInput};
use lakeform_engine::Live;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use serde::{Deserialize, Serialize};

const KIND: &str = "database";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(default)]
    tags: Tags,
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let doing = "read Glue databases";
    let names = names(asks, "name");
    let databases: Vec<Database> = match names.as_slice() {
        [] => Vec::new(),
        [name] => {
            let answer = found(aws.glue.get_database().name(name).send().await.doing(doing))?;
            answer.and_then(|answer| answer.database).into_iter().collect()
        }
        _ => {
            let pages = aws.glue.get_databases().into_paginator().page_size(100).send();
            let pages = pages.all(doing).await?;
            let all = pages.into_iter().flat_map(|page| page.database_list);
            all.filter(|database| names.contains(&database.name)).collect()
        }
    };
    let present: Vec<String> = databases.iter().map(|database| database.name.clone()).collect();
    let mut tags = glue::tags(aws, KIND, &present).await?;
    let mut lives = Vec::with_capacity(databases.len());
    for database in databases {
        let (tags, owner) = tags::split(tags.remove(&database.name).unwrap_or_default());
        let arn = glue::arn(aws, KIND, &database.name).await?;
        let wanted = Wanted {
            name: database.name.clone(),
            description: database.description.unwrap_or_default(),
            location: database.location_uri.filter(|location| !location.is_empty()),
            tags,
        };
        lives.push(live(
            &database.name,
            &wanted,
            outputs! { name: database.name.as_str(), arn: arn },
            owner,
        ));
    }
    Ok(answers(asks, lives, |ask| name_of(ask, "name")))
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the Glue database";
    let wanted: Wanted = typed(&create.fields)?;
    let ask = ask_created(create, &wanted.name);
    let input = input(&wanted, None)?;
    let tags = tags::join(&create.owner, &wanted.tags);
    let made = retry(glue::patience(aws), report, crate::wait::busy, async || {
        let request = aws.glue.create_database().database_input(input.clone());
        request
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
    provider::visible(aws, doing, report, shown).await
}

fn input(wanted: &Wanted, present: Option<Database>) -> Result<DatabaseInput> {
    let present = present.as_ref();
    DatabaseInput::builder()
        .name(&wanted.name)
        .set_description(Some(wanted.description.clone()).filter(|text| !text.is_empty()))
        .set_location_uri(wanted.location.clone())
        .set_parameters(present.and_then(|database| database.parameters.clone()))
        .set_create_table_default_permissions(
            present.and_then(|database| database.create_table_default_permissions.clone()),
        )
        .set_target_database(present.and_then(|database| database.target_database.clone()))
        .set_federated_database(present.and_then(|database| database.federated_database.clone()))
        .build()
        .doing("describe the Glue database")
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the Glue database";
    let wanted: Wanted = typed(&update.fields)?;
    glue::retag(aws, KIND, update).await?;
    if changes(update, &["description", "location"]) {
        let present = aws
            .glue
            .get_database()
            .name(&update.id)
            .send()
            .await
            .doing(doing)?
            .database;
        let input = input(&wanted, present)?;
        retry(glue::patience(aws), report, crate::wait::busy, async || {
            aws.glue
                .update_database()
                .name(&update.id)
                .database_input(input.clone())
                .send()
                .await
                .doing(doing)
        })
        .await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    // The tables in it, which crawlers made, go with it.
    retry(glue::patience(aws), report, crate::wait::busy, async || {
        let request = aws.glue.delete_database().name(&delete.id);
        accept(
            request.send().await.doing("delete the Glue database"),
            Meaning::NotFound,
        )
    })
    .await
}
