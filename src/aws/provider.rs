//! What all kinds share: typed fields in and out, answers in the order of the asks, reading back after a change.

use crate::Aws;
use crate::ec2;
use crate::error::{Result, Says, found};
use crate::glue_classifier;
use crate::tags::{TagChange, Tags};
use crate::wait::{Look, hidden, until};
use lakeform_engine::cloud::{Ask, Create, Meaning, Owner, Progress, Report, Update};
use lakeform_engine::{CloudError, Fields, Kind, Live, Value, value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use tokio::time::sleep;

/// Returns the fields as a kind's struct.
pub(crate) fn typed<T: DeserializeOwned>(fields: &Fields) -> Result<T> {
    value::read(fields).map_err(|error| CloudError::new(Meaning::Invalid, "read the fields", error.to_string()))
}

/// Returns an object that is there without any ado.
pub(crate) fn live(id: &str, fields: &impl Serialize, outputs: Fields, owner: Option<Owner>) -> Live {
    Live {
        owner,
        ..Live::new(id, value::write(fields), outputs)
    }
}

/// `outputs! { id, arn: text }` builds outputs by name.
macro_rules! outputs {
    ($($name:ident : $value:expr),* $(,)?) => {
        lakeform_engine::Fields::from([$((stringify!($name).to_owned(), lakeform_engine::Value::from($value))),*])
    };
}
pub(crate) use outputs;

/// Puts what was found into the order of the asks.
pub(crate) fn answers(
    asks: &[Ask],
    found: impl IntoIterator<Item = Live>,
    id_of: impl Fn(&Ask) -> Option<String>,
) -> Vec<Option<Live>> {
    let found: HashMap<String, Live> = found.into_iter().map(|live| (live.id.clone(), live)).collect();
    asks.iter().map(|ask| found.get(&id_of(ask)?).cloned()).collect()
}

/// Returns what an object that is known by its name is called: its id when we have one, else the field.
pub(crate) fn name_of(ask: &Ask, field: &str) -> Option<String> {
    ask.id
        .clone()
        .or_else(|| Some(ask.fields.get(field)?.as_text()?.to_owned()))
}

/// Returns the names of all asks, each once.
pub(crate) fn names(asks: &[Ask], field: &str) -> Vec<String> {
    let mut names: Vec<String> = asks.iter().filter_map(|ask| name_of(ask, field)).collect();
    names.sort();
    names.dedup();
    names
}

/// Copies fields that only the stack file knows from what was asked, so that they never look changed.
pub(crate) fn keep(live: &mut Live, asked: &Fields, names: &[&str]) {
    for name in names {
        if let Some(value) = asked.get(*name) {
            live.fields.insert((*name).to_owned(), value.clone());
        }
    }
}

/// The ask that reads back what a create made.
pub(crate) fn ask_created(create: &Create, id: &str) -> Ask {
    Ask::by_id(create.owner.address.clone(), id, create.fields.clone())
}

/// The ask that reads back what an update changed.
pub(crate) fn ask_updated(update: &Update) -> Ask {
    Ask::by_id(update.owner.address.clone(), &update.id, update.fields.clone())
}

/// Reads back what was made a moment ago, which may take a while to show.
pub(crate) async fn visible(
    aws: &Aws,
    doing: &str,
    report: Report<'_>,
    read: impl AsyncFn() -> Result<Vec<Option<Live>>>,
) -> Result<Live> {
    until(ec2::lag(aws), doing, report, async || {
        // Also a part of it may not show yet: an attribute, a policy.
        Ok(match found(read().await)?.and_then(|mut lives| lives.pop().flatten()) {
            Some(live) => Look::Done(live),
            None => Look::Pending("made, and not yet visible".to_owned()),
        })
    })
    .await
}

/// Returns the one answer to one ask.
pub(crate) fn one(answers: Vec<Option<Live>>, doing: &str) -> Result<Live> {
    answers
        .into_iter()
        .next()
        .flatten()
        .ok_or_else(|| CloudError::new(Meaning::NotFound, doing, "it is not there any more"))
}

/// Whether the update is to change one of the fields.
pub(crate) fn changes(update: &Update, fields: &[&str]) -> bool {
    update.changed.iter().any(|changed| fields.contains(&changed.as_str()))
}

/// Returns how the tags of the object must change.
pub(crate) fn tag_change(update: &Update) -> Result<TagChange> {
    let tags = |fields: &Fields| -> Result<Tags> {
        match fields.get("tags") {
            Some(tags) => typed(&Fields::from([("tags".to_owned(), tags.clone())])).map(|typed: OnlyTags| typed.tags),
            None => Ok(Tags::new()),
        }
    };
    Ok(TagChange::between(
        &tags(&update.before.fields)?,
        update.before.owner.as_ref(),
        &tags(&update.fields)?,
        &update.owner,
    ))
}

#[derive(serde::Deserialize)]
struct OnlyTags {
    #[serde(default)]
    tags: Tags,
}

/// Ends a create of something whose name we choose. That the name is taken may be our own doing: an answer was lost, the
/// request was sent again, and what the first one made is not shown yet, or not with its tags. So what is taken is
/// looked for as long as AWS may hide it; ours goes on, and anything else is not ours to touch.
pub(crate) async fn claim<T>(
    aws: &Aws,
    made: Result<T>,
    create: &Create,
    report: Report<'_>,
    read: impl AsyncFn() -> Result<Vec<Option<Live>>>,
) -> Result<()> {
    let refusal = match made {
        Ok(_) => return Ok(()),
        Err(error) if error.is(Meaning::AlreadyExists) => error,
        Err(error) => return Err(error),
    };
    let mut pauses = hidden(aws.connection.pace);
    loop {
        let live = found(read().await)?.and_then(|mut lives| lives.pop().flatten());
        let live = live.and_then(Live::staying);
        if let Some(live) = &live
            && is_ours(live, &create.owner, &create.fields)?
        {
            return Ok(());
        }
        let others = live
            .as_ref()
            .is_some_and(|live| live.owner.is_some() || !create.owner.address.kind.schema().taggable);
        match (pauses.next().filter(|_| !others), live) {
            (Some(pause), _) => {
                report(Progress::State(
                    "its name is taken, by whom is not shown yet".to_owned(),
                ));
                sleep(pause).await;
            }
            (None, Some(live)) => {
                let address = &create.owner.address;
                return Err(refusal.hint(format!("`lakeform import {address} {}` adopts it", live.id)));
            }
            (None, None) => return Err(refusal),
        }
    }
}

/// Whether an object is what a create of this owner with these fields makes. Classifiers have no tags to tell whose they
/// are; one with the very content counts.
pub(crate) fn is_ours(live: &Live, owner: &Owner, fields: &Fields) -> Result<bool> {
    match &live.owner {
        Some(was) => Ok(same_object(was, owner)),
        None if owner.address.kind == Kind::GlueClassifier => glue_classifier::same_content(fields, &live.fields),
        None => Ok(false),
    }
}

/// Whether an object of `owner` is what `wanted` would make.
fn same_object(owner: &Owner, wanted: &Owner) -> bool {
    owner.op == wanted.op
        || (owner.stack == wanted.stack && owner.generation == wanted.generation && owner.address == wanted.address)
}

/// What to add and what to take away to come from one set to another.
pub(crate) fn set_change(before: &[String], after: &[String]) -> (Vec<String>, Vec<String>) {
    (
        after.iter().filter(|item| !before.contains(item)).cloned().collect(),
        before.iter().filter(|item| !after.contains(item)).cloned().collect(),
    )
}

/// Returns a document field as the text that AWS wants.
pub(crate) fn document(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::String(text) => text.clone(),
        json => json.to_string(),
    }
}

/// Returns a document from AWS as a value; one that is not JSON stays a text.
pub(crate) fn parse_document(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
}

/// An output that may be absent.
pub(crate) fn maybe(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}
