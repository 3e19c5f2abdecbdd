//! What the kinds of the EC2 API share: reads by id or op tag, tags, creates that must not be repeated blindly, and
//! deletes that something else blocks.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Pages, Result, Says, incomplete};
use crate::provider;
use crate::tags::{self, TagChange, Tags, sdk_tags};
use crate::wait::{Patience, hidden};
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use futures::future::try_join_all;
use lakeform_engine::cloud::{Ask, Meaning, Owner, Update};
use lakeform_engine::{CloudError, Fields, Live, Value};
use tokio::time::sleep;

/// EC2 takes this many values in one filter.
const FILTER_VALUES: usize = 200;

pub(crate) fn filter(name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values.into_iter().map(Into::into).collect()))
        .build()
}

/// The filter that finds what intents made.
pub(crate) fn made_by(ops: impl IntoIterator<Item = impl Into<String>>) -> Filter {
    filter(&format!("tag:{}", tags::OP), ops)
}

/// Reads by id. Filters are used rather than ids, because one unknown id makes EC2 refuse the whole request.
pub(crate) async fn by_id(
    asks: &[Ask],
    read: impl AsyncFn(Vec<String>) -> Result<Vec<Live>>,
) -> Result<Vec<Option<Live>>> {
    let mut ids: Vec<String> = asks.iter().filter_map(|ask| ask.id.clone()).collect();
    ids.sort();
    ids.dedup();
    Ok(provider::answers(asks, in_chunks(ids, read).await?, |ask| {
        ask.id.clone()
    }))
}

/// Reads in as many requests as the values of one filter ask for.
pub(crate) async fn in_chunks<T>(
    names: Vec<String>,
    read: impl AsyncFn(Vec<String>) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let pages = try_join_all(names.chunks(FILTER_VALUES).map(|chunk| read(chunk.to_vec()))).await?;
    Ok(pages.into_iter().flatten().collect())
}

const GROUPS: &str = "security_groups";

/// Leaves out the VPC's default group, which a warehouse has for which none was asked.
pub(crate) async fn hide_default_groups(aws: &Aws, asks: &[Ask], answers: &mut [Option<Live>]) -> Result<()> {
    let groups = |fields: &Fields| fields.get(GROUPS).map(|groups| groups.as_list().len());
    let asked = asks.iter().zip(answers);
    let alone: Vec<&mut Live> = asked
        .filter(|(ask, _)| groups(&ask.fields) == Some(0))
        .filter_map(|(_, live)| live.as_mut().filter(|live| groups(&live.fields) == Some(1)))
        .collect();
    if alone.is_empty() {
        return Ok(());
    }
    let defaults = default_groups(aws, None).await?;
    for live in alone {
        if let Some(groups) = live.fields.get_mut(GROUPS)
            && groups
                .as_list()
                .iter()
                .all(|group| defaults.iter().any(|default| Some(default.as_str()) == group.as_text()))
        {
            *groups = Value::List(Vec::new());
        }
    }
    Ok(())
}

/// Returns the groups to put a warehouse into: it cannot be without, so whoever wants none gets the VPC's default.
pub(crate) async fn groups_or_default(aws: &Aws, wanted: &[String], vpc: &str) -> Result<Vec<String>> {
    match wanted {
        [] => default_groups(aws, Some(vpc)).await,
        wanted => Ok(wanted.to_vec()),
    }
}

async fn default_groups(aws: &Aws, vpc: Option<&str>) -> Result<Vec<String>> {
    let mut filters = vec![filter("group-name", ["default"])];
    filters.extend(vpc.map(|vpc| filter("vpc-id", [vpc])));
    let request = aws.ec2.describe_security_groups().set_filters(Some(filters));
    let groups = request
        .into_paginator()
        .items()
        .send()
        .all("read default security groups")
        .await?;
    Ok(groups.into_iter().filter_map(|group| group.group_id).collect())
}

pub(crate) fn tag_pairs(tags: &[Tag]) -> impl Iterator<Item = (String, String)> + '_ {
    tags.iter()
        .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())))
}

/// The tags of a create call.
pub(crate) fn tag_specification(kind: ResourceType, owner: &Owner, wanted: &Tags) -> TagSpecification {
    let all = tags::join(owner, wanted);
    TagSpecification::builder()
        .resource_type(kind)
        .set_tags(Some(sdk_tags!(all, Tag)))
        .build()
}

/// Brings the tags of an object to what the stack file says and ours, if they differ.
pub(crate) async fn retag(aws: &Aws, update: &Update, id: &str) -> Result<()> {
    let TagChange { set, remove } = provider::tag_change(update)?;
    if !set.is_empty() {
        aws.ec2
            .create_tags()
            .resources(id)
            .set_tags(Some(sdk_tags!(set, Tag)))
            .send()
            .await
            .doing("set tags")?;
    }
    if !remove.is_empty() {
        let keys = remove.iter().map(|key| Tag::builder().key(key).build()).collect();
        aws.ec2
            .delete_tags()
            .resources(id)
            .set_tags(Some(keys))
            .send()
            .await
            .doing("remove tags")?;
    }
    Ok(())
}

/// Forbids repeating a request whose outcome is unknown. Throttling is known to have had no effect and is repeated.
#[derive(Debug)]
struct KnownOutcomes;

impl ClassifyRetry for KnownOutcomes {
    fn name(&self) -> &'static str {
        "known outcomes"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let lost = matches!(context.output_or_error(), Some(Err(error))
            if error.is_connector_error() || error.is_timeout_error() || error.is_response_error());
        // EC2 says 503 when it throttles.
        let failed = context
            .response()
            .is_some_and(|response| matches!(response.status().as_u16(), 500 | 502 | 504));
        if lost || failed {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }
}

/// The settings for a create that has no client token: see [`once`].
pub(crate) fn no_blind_retry() -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::config::Builder::new().retry_classifier(KnownOutcomes)
}

/// Runs a create that has no client token. When its outcome is unknown, what it may have made is looked up by its op
/// tag before it is tried again, so that a lost answer never makes two.
pub(crate) async fn once(
    aws: &Aws,
    find: impl AsyncFn() -> Result<Option<String>>,
    create: impl AsyncFn() -> Result<String>,
) -> Result<String> {
    let mut tries = 0;
    loop {
        let error = match create().await {
            Ok(id) => return Ok(id),
            Err(error) => error,
        };
        tries += 1;
        if !error.is(Meaning::Unavailable) || tries == 4 {
            return Err(error);
        }
        if let Some(id) = shown(aws, &find).await? {
            return Ok(id);
        }
    }
}

/// Looks for what a create may have made, for as long as AWS may hide it.
pub(crate) async fn shown(aws: &Aws, find: impl AsyncFn() -> Result<Option<String>>) -> Result<Option<String>> {
    for pause in hidden(aws.connection.pace) {
        sleep(pause).await;
        // A look-up that fails as well says nothing yet.
        match find().await {
            Ok(None) => {}
            Err(error) if error.is(Meaning::Unavailable) => {}
            answer => return answer,
        }
    }
    Ok(None)
}

/// How long AWS may deny knowing what it made a moment ago.
pub(crate) fn lag(aws: &Aws) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 5),
        Pace::Aws => Patience::new(Pace::Aws, 300),
    }
}

/// For [`crate::wait::retry`]: what was made in this run and is not visible yet.
pub(crate) fn not_visible(error: &CloudError) -> Option<&'static str> {
    error.is(Meaning::NotFound).then_some("not yet visible to EC2")
}

/// Returns the id in an answer.
pub(crate) fn id(part: Option<&str>, doing: &str, name: &str) -> Result<String> {
    part.map(str::to_owned).ok_or_else(|| incomplete(doing, name))
}
