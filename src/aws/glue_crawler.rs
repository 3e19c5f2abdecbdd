//! `glue_crawler`. Part of its settings hides in a JSON text, its role reads back as a name, and it can neither be
//! changed nor deleted while it runs.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Result, Says, accept, found};
use crate::glue;
use crate::provider::{self, answers, ask_created, ask_updated, claim, live, name_of, names, outputs, typed};
use crate::tags::{self, Tags};
use crate::wait::{Look, Patience, retry, until};
use aws_sdk_glue::types::{
    Crawler, CrawlerState, CrawlerTargets, DeleteBehavior, RecrawlBehavior, RecrawlPolicy, S3Target,
    SchemaChangePolicy, UpdateBehavior,
};
use futures::future::try_join_all;
use lakeform_engine::Live;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

const KIND: &str = "crawler";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    database: String,
    role: String,
    targets: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    classifiers: Vec<String>,
    #[serde(default)]
    table_prefix: String,
    #[serde(default)]
    description: String,
    #[serde(default = "everything")]
    recrawl: String,
    #[serde(default)]
    schema_change: SchemaChange,
    #[serde(default = "yes")]
    combine_schemas: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table_level: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sample_size: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Debug, Serialize, Deserialize)]
struct SchemaChange {
    #[serde(default = "update_table")]
    update: String,
    #[serde(default = "deprecate")]
    delete: String,
}

impl Default for SchemaChange {
    fn default() -> Self {
        Self {
            update: update_table(),
            delete: deprecate(),
        }
    }
}

fn everything() -> String {
    "CRAWL_EVERYTHING".to_owned()
}

fn yes() -> bool {
    true
}

fn update_table() -> String {
    "UPDATE_IN_DATABASE".to_owned()
}

fn deprecate() -> String {
    "DEPRECATE_IN_DATABASE".to_owned()
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let names = names(asks, "name");
    let crawlers = get(aws, &names).await?;
    let present: Vec<String> = crawlers.iter().filter_map(|crawler| crawler.name.clone()).collect();
    let mut tags = glue::tags(aws, KIND, &present).await?;
    let mut lives = Vec::with_capacity(crawlers.len());
    for crawler in crawlers {
        let name = crawler.name.clone().unwrap_or_default();
        let asked_role = asks
            .iter()
            .find(|ask| name_of(ask, "name").as_deref() == Some(&name))
            .and_then(|ask| ask.fields.get("role"))
            .and_then(|role| role.as_text());
        let arn = glue::arn(aws, KIND, &name).await?;
        let account = aws.account().await?;
        lives.push(to_live(
            crawler,
            tags.remove(&name).unwrap_or_default(),
            asked_role,
            &arn,
            account,
        ));
    }
    Ok(answers(asks, lives, |ask| name_of(ask, "name")))
}

pub(crate) async fn get(aws: &Aws, names: &[String]) -> Result<Vec<Crawler>> {
    let pages = names.chunks(glue::BATCH).map(|chunk| async move {
        let request = aws.glue.batch_get_crawlers().set_crawler_names(Some(chunk.to_vec()));
        Ok::<_, lakeform_engine::CloudError>(
            request
                .send()
                .await
                .doing("read crawlers")?
                .crawlers
                .unwrap_or_default(),
        )
    });
    Ok(try_join_all(pages).await?.into_iter().flatten().collect())
}

fn to_live(crawler: Crawler, tags: Tags, asked_role: Option<&str>, arn: &str, account: &str) -> Live {
    let (tags, owner) = tags::split(tags);
    let name = crawler.name.unwrap_or_default();
    let mut extras = Vec::new();
    let targets = crawler.targets.unwrap_or_else(|| CrawlerTargets::builder().build());
    let others = targets.jdbc_targets().len()
        + targets.catalog_targets().len()
        + targets.dynamo_db_targets().len()
        + targets.delta_targets().len()
        + targets.iceberg_targets().len()
        + targets.hudi_targets().len()
        + targets.mongo_db_targets().len();
    if others > 0 {
        extras.push(format!("{others} targets that are not in S3"));
    }
    let s3 = targets.s3_targets();
    let first = s3.first();
    if s3
        .iter()
        .any(|target| target.exclusions() != s3[0].exclusions() || target.sample_size != s3[0].sample_size)
    {
        extras.push("targets with exclusions or sample sizes of their own".to_owned());
    }
    let configuration = Configuration::parse(crawler.configuration.as_deref());
    extras.extend(
        configuration
            .others
            .iter()
            .map(|key| format!("the crawler configuration `{key}`")),
    );
    let policy = crawler.schema_change_policy;
    let schema_change = SchemaChange {
        update: policy
            .as_ref()
            .and_then(|policy| policy.update_behavior.as_ref())
            .map_or_else(update_table, |behavior| behavior.as_str().to_owned()),
        delete: policy
            .as_ref()
            .and_then(|policy| policy.delete_behavior.as_ref())
            .map_or_else(deprecate, |behavior| behavior.as_str().to_owned()),
    };
    let wanted = Wanted {
        name: name.clone(),
        database: crawler.database_name.unwrap_or_default(),
        role: role_arn(&crawler.role.unwrap_or_default(), asked_role, account),
        targets: s3.iter().filter_map(|target| target.path.clone()).collect(),
        exclude: first.map(|target| target.exclusions().to_vec()).unwrap_or_default(),
        classifiers: crawler.classifiers.unwrap_or_default(),
        table_prefix: crawler.table_prefix.unwrap_or_default(),
        description: crawler.description.unwrap_or_default(),
        recrawl: crawler
            .recrawl_policy
            .and_then(|policy| policy.recrawl_behavior)
            .map_or_else(everything, |behavior| behavior.as_str().to_owned()),
        schema_change,
        combine_schemas: configuration.combine,
        table_level: configuration.table_level,
        sample_size: first.and_then(|target| target.sample_size),
        schedule: crawler
            .schedule
            .and_then(|schedule| schedule.schedule_expression)
            .filter(|text| !text.is_empty()),
        tags,
    };
    let mut live = live(&name, &wanted, outputs! { name: name.as_str(), arn: arn }, owner);
    live.status = crawler
        .state
        .filter(|state| *state != CrawlerState::Ready)
        .map(|state| state.as_str().to_ascii_lowercase());
    live.extras = extras;
    live
}

/// Glue returns the role's name, with or without its path, whatever was sent.
fn role_arn(role: &str, asked: Option<&str>, account: &str) -> String {
    if role.starts_with("arn:") {
        return role.to_owned();
    }
    match asked {
        Some(asked) if asked.rsplit('/').next() == role.rsplit('/').next() => asked.to_owned(),
        _ => format!("arn:aws:iam::{account}:role/{}", role.trim_start_matches('/')),
    }
}

/// The settings inside the crawler's JSON text.
#[derive(Debug, PartialEq)]
struct Configuration {
    combine: bool,
    table_level: Option<i64>,
    /// What else it says, by key.
    others: Vec<String>,
}

impl Configuration {
    fn parse(text: Option<&str>) -> Self {
        let document: Json = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Json::Null);
        let grouping = document.get("Grouping");
        let mut others: Vec<String> = document
            .as_object()
            .map(|map| {
                map.keys()
                    .filter(|key| !matches!(key.as_str(), "Version" | "Grouping"))
                    .cloned()
                    .collect()
            })
            .unwrap_or_default();
        if let Some(grouping) = grouping.and_then(Json::as_object) {
            let known = ["TableGroupingPolicy", "TableLevelConfiguration"];
            others.extend(
                grouping
                    .keys()
                    .filter(|key| !known.contains(&key.as_str()))
                    .map(|key| format!("Grouping.{key}")),
            );
        }
        Self {
            combine: grouping
                .and_then(|grouping| grouping.get("TableGroupingPolicy"))
                .and_then(Json::as_str)
                == Some("CombineCompatibleSchemas"),
            table_level: grouping
                .and_then(|grouping| grouping.get("TableLevelConfiguration"))
                .and_then(|level| level.as_i64().or_else(|| level.as_f64().map(|level| level as i64))),
            others,
        }
    }

    fn text(wanted: &Wanted) -> String {
        let mut grouping = Map::new();
        if wanted.combine_schemas {
            grouping.insert("TableGroupingPolicy".to_owned(), json!("CombineCompatibleSchemas"));
        }
        if let Some(level) = wanted.table_level {
            grouping.insert("TableLevelConfiguration".to_owned(), json!(level));
        }
        match grouping.is_empty() {
            true => json!({"Version": 1.0}).to_string(),
            false => json!({"Version": 1.0, "Grouping": grouping}).to_string(),
        }
    }
}

fn targets(wanted: &Wanted) -> CrawlerTargets {
    let targets = wanted
        .targets
        .iter()
        .map(|path| {
            S3Target::builder()
                .path(path)
                .set_exclusions(Some(wanted.exclude.clone()))
                .set_sample_size(wanted.sample_size)
                .build()
        })
        .collect();
    CrawlerTargets::builder().set_s3_targets(Some(targets)).build()
}

fn schema_change(wanted: &Wanted) -> SchemaChangePolicy {
    SchemaChangePolicy::builder()
        .update_behavior(UpdateBehavior::from(wanted.schema_change.update.as_str()))
        .delete_behavior(DeleteBehavior::from(wanted.schema_change.delete.as_str()))
        .build()
}

fn recrawl(wanted: &Wanted) -> RecrawlPolicy {
    RecrawlPolicy::builder()
        .recrawl_behavior(RecrawlBehavior::from(wanted.recrawl.as_str()))
        .build()
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the crawler";
    let wanted: Wanted = typed(&create.fields)?;
    let ask = ask_created(create, &wanted.name);
    let tags = tags::join(&create.owner, &wanted.tags);
    let made = retry(glue::patience(aws), report, glue::passing, async || {
        aws.glue
            .create_crawler()
            .name(&wanted.name)
            .role(&wanted.role)
            .database_name(&wanted.database)
            .targets(targets(&wanted))
            .set_classifiers(Some(wanted.classifiers.clone()))
            .set_table_prefix(Some(wanted.table_prefix.clone()).filter(|text| !text.is_empty()))
            .set_description(Some(wanted.description.clone()).filter(|text| !text.is_empty()))
            .recrawl_policy(recrawl(&wanted))
            .schema_change_policy(schema_change(&wanted))
            .configuration(Configuration::text(&wanted))
            .set_schedule(wanted.schedule.clone())
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

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the crawler";
    let wanted: Wanted = typed(&update.fields)?;
    glue::retag(aws, KIND, update).await?;
    if update.changed.iter().any(|field| field != "tags") {
        stop(aws, &update.id, report).await?;
        retry(glue::patience(aws), report, glue::passing, async || {
            // What is left out stays as it is, so nothing is left out: empty means none.
            aws.glue
                .update_crawler()
                .name(&update.id)
                .role(&wanted.role)
                .database_name(&wanted.database)
                .targets(targets(&wanted))
                .set_classifiers(Some(wanted.classifiers.clone()))
                .table_prefix(&wanted.table_prefix)
                .description(&wanted.description)
                .recrawl_policy(recrawl(&wanted))
                .schema_change_policy(schema_change(&wanted))
                .configuration(Configuration::text(&wanted))
                .schedule(wanted.schedule.clone().unwrap_or_default())
                .send()
                .await
                .doing(doing)
        })
        .await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

/// Stops the crawler if it runs, and waits until it can be changed.
pub(crate) async fn stop(aws: &Aws, name: &str, report: Report<'_>) -> Result<()> {
    let doing = "wait for the crawler to stop";
    let patience = match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 60),
        Pace::Aws => Patience::new(Pace::Aws, 900),
    };
    let mut asked = false;
    until(patience, doing, report, async || {
        let answer = found(aws.glue.get_crawler().name(name).send().await.doing(doing))?;
        match answer
            .and_then(|answer| answer.crawler)
            .and_then(|crawler| crawler.state)
        {
            None | Some(CrawlerState::Ready) => Ok(Look::Done(())),
            Some(CrawlerState::Running) if !asked => {
                asked = true;
                let stopped = aws
                    .glue
                    .stop_crawler()
                    .name(name)
                    .send()
                    .await
                    .doing("stop the crawler");
                match stopped {
                    // It ended, or began to stop, between the two requests.
                    Err(error) if error.has_code(&["CrawlerNotRunningException", "CrawlerStoppingException"]) => {}
                    other => accept(other, Meaning::NotFound)?,
                }
                Ok(Look::Pending("stopping".to_owned()))
            }
            Some(state) => Ok(Look::Pending(state.as_str().to_ascii_lowercase())),
        }
    })
    .await
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    stop(aws, &delete.id, report).await?;
    retry(glue::patience(aws), report, crate::wait::busy, async || {
        accept(
            aws.glue
                .delete_crawler()
                .name(&delete.id)
                .send()
                .await
                .doing("delete the crawler"),
            Meaning::NotFound,
        )
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_text_says_what_the_fields_say() {
        for (combine, table_level) in [(true, None), (true, Some(3)), (false, Some(2)), (false, None)] {
            let fields = json!({
                "name": "c", "database": "d", "role": "r", "targets": [],
                "combine_schemas": combine, "table_level": table_level,
            });
            let wanted: Wanted = serde_json::from_value(fields).expect("a crawler");
            let parsed = Configuration::parse(Some(&Configuration::text(&wanted)));
            assert_eq!(
                parsed,
                Configuration {
                    combine,
                    table_level,
                    others: Vec::new()
                }
            );
        }
    }

    #[test]
    fn absent_and_empty_configurations_are_the_same() {
        assert_eq!(Configuration::parse(None), Configuration::parse(Some("")));
        assert_eq!(
            Configuration::parse(None),
            Configuration::parse(Some("{\"Version\":1}"))
        );
    }

    #[test]
    fn a_role_that_reads_back_as_a_name_is_the_role_that_was_asked_for() {
        let arn = "arn:aws:iam::1:role/lakeform/shop/crawler";
        assert_eq!(role_arn("crawler", Some(arn), "1"), arn);
        assert_eq!(role_arn("lakeform/shop/crawler", Some(arn), "1"), arn);
        assert_eq!(role_arn("other", Some(arn), "1"), "arn:aws:iam::1:role/other");
    }
}
