//! `glue_trigger`. An update resends all of it. On-demand triggers are never started by us: starting one fires it.

use crate::Aws;
use crate::error::{Doing, Result, accept, found};
use crate::glue;
use crate::provider::{self, answers, ask_created, ask_updated, claim, live, name_of, names, outputs, typed};
use crate::tags::{self, Tags};
use crate::wait::{Look, Patience, retry, until};
use aws_sdk_glue::types::{
    Action, Condition, CrawlState, Logical, LogicalOperator, Predicate, Trigger, TriggerState, TriggerType,
    TriggerUpdate,
};
use futures::future::try_join_all;
use lakeform_engine::Live;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use serde::{Deserialize, Serialize};

const KIND: &str = "trigger";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default = "on_demand", rename = "type")]
    sort: String,
    crawlers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(default)]
    after: Vec<After>,
    #[serde(default = "all", rename = "match")]
    how_many: String,
    #[serde(default)]
    description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct After {
    crawler: String,
    #[serde(default = "succeeded")]
    state: String,
}

fn on_demand() -> String {
    "ON_DEMAND".to_owned()
}

fn all() -> String {
    "all".to_owned()
}

fn succeeded() -> String {
    "SUCCEEDED".to_owned()
}

impl Wanted {
    /// Only triggers that wait for something can be armed.
    fn armed(&self) -> bool {
        self.sort != "ON_DEMAND" && self.enabled.unwrap_or(true)
    }

    fn actions(&self) -> Vec<Action> {
        self.crawlers
            .iter()
            .map(|name| Action::builder().crawler_name(name).build())
            .collect()
    }

    fn predicate(&self) -> Option<Predicate> {
        if self.after.is_empty() {
            return None;
        }
        let conditions = self
            .after
            .iter()
            .map(|after| {
                Condition::builder()
                    .logical_operator(LogicalOperator::Equals)
                    .crawler_name(&after.crawler)
                    .crawl_state(CrawlState::from(after.state.as_str()))
                    .build()
            })
            .collect();
        let logical = if self.how_many == "any" {
            Logical::Any
        } else {
            Logical::And
        };
        Some(
            Predicate::builder()
                .logical(logical)
                .set_conditions(Some(conditions))
                .build(),
        )
    }
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let names = names(asks, "name");
    let pages = names.chunks(glue::BATCH).map(|chunk| async move {
        let request = aws.glue.batch_get_triggers().set_trigger_names(Some(chunk.to_vec()));
        Ok::<_, lakeform_engine::CloudError>(
            request
                .send()
                .await
                .doing("read triggers")?
                .triggers
                .unwrap_or_default(),
        )
    });
    let triggers: Vec<Trigger> = try_join_all(pages).await?.into_iter().flatten().collect();
    let present: Vec<String> = triggers.iter().filter_map(|trigger| trigger.name.clone()).collect();
    let mut tags = glue::tags(aws, KIND, &present).await?;
    let lives = triggers.into_iter().map(|trigger| {
        let name = trigger.name.clone().unwrap_or_default();
        let asked = asks.iter().find(|ask| name_of(ask, "name").as_deref() == Some(&name));
        let says_enabled = asked.is_some_and(|ask| ask.fields.contains_key("enabled"));
        to_live(trigger, tags.remove(&name).unwrap_or_default(), says_enabled)
    });
    Ok(answers(asks, lives, |ask| name_of(ask, "name")))
}

fn to_live(trigger: Trigger, tags: Tags, says_enabled: bool) -> Live {
    let (tags, owner) = tags::split(tags);
    let name = trigger.name.unwrap_or_default();
    let sort = trigger.r#type.map_or_else(on_demand, |sort| sort.as_str().to_owned());
    let going = trigger.state == Some(TriggerState::Deleting);
    let armed = matches!(trigger.state, Some(TriggerState::Activated | TriggerState::Activating));
    let (how_many, conditions) = match trigger.predicate {
        Some(predicate) => (
            if predicate.logical == Some(Logical::Any) {
                "any".to_owned()
            } else {
                all()
            },
            predicate.conditions.unwrap_or_default(),
        ),
        None => (all(), Vec::new()),
    };
    let mut extras = Vec::new();
    let mut after = Vec::new();
    for condition in conditions {
        match (condition.crawler_name, condition.crawl_state) {
            (Some(crawler), Some(state)) => after.push(After {
                crawler,
                state: state.as_str().to_owned(),
            }),
            _ => extras.push(format!(
                "a condition on the job {}",
                condition.job_name.unwrap_or_default()
            )),
        }
    }
    let mut crawlers = Vec::new();
    for action in trigger.actions.unwrap_or_default() {
        match (action.crawler_name, action.job_name) {
            (Some(crawler), _) => crawlers.push(crawler),
            (None, job) => extras.push(format!("it starts the job {}", job.unwrap_or_default())),
        }
    }
    // Absent means armed, so an armed trigger says nothing unless the stack file does.
    let enabled = (sort != "ON_DEMAND" && (says_enabled || !armed)).then_some(armed);
    let wanted = Wanted {
        name: name.clone(),
        sort,
        crawlers,
        schedule: trigger.schedule.filter(|text| !text.is_empty()),
        after,
        how_many,
        description: trigger.description.unwrap_or_default(),
        enabled,
        tags,
    };
    let mut live = live(&name, &wanted, outputs! { name: name.as_str() }, owner);
    live.going = going;
    live.extras = extras;
    live
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the trigger";
    let wanted: Wanted = typed(&create.fields)?;
    let ask = ask_created(create, &wanted.name);
    let tags = tags::join(&create.owner, &wanted.tags);
    let made = retry(glue::patience(aws), report, glue::passing, async || {
        aws.glue
            .create_trigger()
            .name(&wanted.name)
            .r#type(TriggerType::from(wanted.sort.as_str()))
            .set_schedule(wanted.schedule.clone())
            .set_predicate(wanted.predicate())
            .set_actions(Some(wanted.actions()))
            .set_description(Some(wanted.description.clone()).filter(|text| !text.is_empty()))
            .set_start_on_creation(wanted.armed().then_some(true))
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
    settled(aws, &wanted.name, doing, report).await?;
    provider::visible(aws, doing, report, shown).await
}

/// Waits until the trigger is in no state of transition; returns whether it is still there.
async fn settled(aws: &Aws, name: &str, doing: &str, report: Report<'_>) -> Result<bool> {
    until(Patience::new(aws.connection.pace, 300), doing, report, async || {
        let answer = found(aws.glue.get_trigger().name(name).send().await.doing(doing))?;
        Ok(match answer.and_then(|answer| answer.trigger) {
            None => Look::Done(false),
            Some(trigger) => match trigger.state {
                Some(TriggerState::Created | TriggerState::Activated | TriggerState::Deactivated) | None => {
                    Look::Done(true)
                }
                Some(state) => Look::Pending(state.as_str().to_ascii_lowercase()),
            },
        })
    })
    .await
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the trigger";
    let wanted: Wanted = typed(&update.fields)?;
    let before: Wanted = typed(&update.before.fields)?;
    glue::retag(aws, KIND, update).await?;
    if update
        .changed
        .iter()
        .any(|field| !matches!(field.as_str(), "tags" | "enabled"))
    {
        let whole = TriggerUpdate::builder()
            .name(&wanted.name)
            .description(&wanted.description)
            .set_schedule(wanted.schedule.clone())
            .set_predicate(wanted.predicate())
            .set_actions(Some(wanted.actions()))
            .build();
        retry(glue::patience(aws), report, glue::passing, async || {
            aws.glue
                .update_trigger()
                .name(&update.id)
                .trigger_update(whole.clone())
                .send()
                .await
                .doing(doing)
        })
        .await?;
        settled(aws, &update.id, doing, report).await?;
    }
    match (before.armed(), wanted.armed()) {
        (false, true) => {
            aws.glue
                .start_trigger()
                .name(&update.id)
                .send()
                .await
                .doing("arm the trigger")?;
        }
        (true, false) => {
            aws.glue
                .stop_trigger()
                .name(&update.id)
                .send()
                .await
                .doing("disarm the trigger")?;
        }
        _ => {}
    }
    settled(aws, &update.id, doing, report).await?;
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let doing = "delete the trigger";
    let answer = found(aws.glue.get_trigger().name(&delete.id).send().await.doing(doing))?;
    let Some(trigger) = answer.and_then(|answer| answer.trigger) else {
        return Ok(());
    };
    if trigger.state == Some(TriggerState::Activated) {
        let stopped = aws
            .glue
            .stop_trigger()
            .name(&delete.id)
            .send()
            .await
            .doing("disarm the trigger");
        accept(stopped, Meaning::NotFound)?;
        settled(aws, &delete.id, doing, report).await?;
    }
    retry(glue::patience(aws), report, crate::wait::busy, async || {
        accept(
            aws.glue.delete_trigger().name(&delete.id).send().await.doing(doing),
            Meaning::NotFound,
        )
    })
    .await?;
    settled(aws, &delete.id, doing, report).await?;
    Ok(())
}
