//! What the kinds of Redshift Serverless share: looking, waiting, tags, and one change at a time.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Result, found};
use crate::looks::Wait;
use crate::provider::tag_change;
use crate::tagging;
use crate::tags::{Tags, sdk_tags};
use crate::wait::{Look, Patience, busy, until};
use aws_sdk_redshiftserverless::types::Tag;
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Report, Update};
use std::collections::HashMap;

/// A namespace or a workgroup, as AWS tells it.
pub(crate) trait Served: Clone + Send + Sync + 'static {
    const KIND: &str;

    async fn get(aws: &Aws, name: &str) -> Result<Option<Self>>;
    async fn all(aws: &Aws) -> Result<Vec<Self>>;
    fn name(&self) -> Option<&str>;
    /// AWS's word for the state it is in.
    fn state(&self) -> Option<&str>;
}

/// Reads those of these names that are there, in one request or in pages of all.
pub(crate) async fn named<T: Served>(aws: &Aws, names: &[String]) -> Result<Vec<T>> {
    match names {
        [] => Ok(Vec::new()),
        [name] => Ok(T::get(aws, name).await?.into_iter().collect()),
        names => {
            let mut all = T::all(aws).await?;
            all.retain(|one| one.name().is_some_and(|name| names.iter().any(|wanted| wanted == name)));
            Ok(all)
        }
    }
}

/// Looks at one, together with all others of its kind that are waited for.
async fn look<T: Served>(aws: &Aws, wait: &Wait) -> Result<Option<T>> {
    wait.look(aws.connection.fresh(), async |names| {
        let pair = |one: T| Some((one.name()?.to_owned(), one));
        Ok(named::<T>(aws, &names).await?.into_iter().filter_map(pair).collect())
    })
    .await
}

/// Waits until it can be used and changed.
pub(crate) async fn available<T: Served>(aws: &Aws, name: &str, report: Report<'_>) -> Result<()> {
    let wait = aws.connection.looks.wait(T::KIND, name);
    let doing = format!("wait for the {}", T::KIND);
    until(patience(aws), &doing, report, async || {
        let seen = look::<T>(aws, &wait).await?;
        Ok(match seen.as_ref().and_then(T::state) {
            Some("AVAILABLE") => Look::Done(()),
            Some(state) => Look::Pending(state.to_ascii_lowercase()),
            None => Look::Pending("not yet visible".to_owned()),
        })
    })
    .await
}

/// Waits until it is gone.
pub(crate) async fn gone<T: Served>(aws: &Aws, name: &str, report: Report<'_>) -> Result<()> {
    let wait = aws.connection.looks.wait(T::KIND, name);
    let doing = format!("delete the {}", T::KIND);
    until(patience(aws), &doing, report, async || {
        Ok(match look::<T>(aws, &wait).await? {
            None => Look::Done(()),
            Some(_) => Look::Pending("deleting".to_owned()),
        })
    })
    .await
}

/// Returns tags by ARN.
pub(crate) async fn tags(aws: &Aws, arns: Vec<String>) -> Result<HashMap<String, Tags>> {
    tagging::of(aws, arns, async |arn| {
        let answer = found(
            aws.serverless
                .list_tags_for_resource()
                .resource_arn(arn)
                .send()
                .await
                .doing("read tags"),
        )?;
        let tags = answer.and_then(|answer| answer.tags).unwrap_or_default();
        Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
    })
    .await
}

/// Brings the tags of an object to what the stack file says and ours.
pub(crate) async fn retag(aws: &Aws, update: &Update) -> Result<()> {
    let change = tag_change(update)?;
    let arn = update
        .before
        .outputs
        .get("arn")
        .and_then(|arn| arn.as_text())
        .unwrap_or_default();
    if !change.set.is_empty() {
        let request = aws.serverless.tag_resource().resource_arn(arn);
        request
            .set_tags(Some(sdk_tags!(change.set, Tag, checked)))
            .send()
            .await
            .doing("set tags")?;
    }
    if !change.remove.is_empty() {
        let request = aws
            .serverless
            .untag_resource()
            .resource_arn(arn)
            .set_tag_keys(Some(change.remove));
        request.send().await.doing("remove tags")?;
    }
    Ok(())
}

/// How long a change may take.
pub(crate) fn patience(aws: &Aws) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 60),
        Pace::Aws => Patience::slow(Pace::Aws, 1800),
    }
}

/// For creates: a taken name comes as the same conflict as work that is under way, and never passes.
pub(crate) fn under_way(error: &CloudError) -> Option<&'static str> {
    busy(error).filter(|_| !name_taken(error))
}

/// Calls the conflict of a taken name what it is.
pub(crate) fn taken(error: CloudError) -> CloudError {
    match name_taken(&error) {
        true => CloudError {
            meaning: Meaning::AlreadyExists,
            ..error
        },
        false => error,
    }
}

fn name_taken(error: &CloudError) -> bool {
    error.message.contains("already exists")
}
