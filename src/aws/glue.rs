//! What the Glue kinds share: ARNs, tags, and refusals that pass once a role has become visible to Glue.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Result, Says, found};
use crate::provider::tag_change;
use crate::tagging;
use crate::tags::Tags;
use crate::wait::{Patience, busy};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Update};
use std::collections::HashMap;

/// Glue answers for at most so many names in one batch request.
pub(crate) const BATCH: usize = 100;

/// Returns the ARN by which Glue tags an object.
pub(crate) async fn arn(aws: &Aws, kind: &str, name: &str) -> Result<String> {
    let account = aws.account().await?;
    Ok(format!(
        "arn:aws:glue:{}:{account}:{kind}/{name}",
        aws.connection.region()
    ))
}

/// Returns the tags of the named objects, by name.
pub(crate) async fn tags(aws: &Aws, kind: &str, names: &[String]) -> Result<HashMap<String, Tags>> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let prefix = arn(aws, kind, "").await?;
    let arns = names.iter().map(|name| format!("{prefix}{name}")).collect();
    let by_arn = tagging::of(aws, arns, async |arn| {
        let answer = found(aws.glue.get_tags().resource_arn(arn).send().await.doing("read tags"))?;
        Ok(answer
            .and_then(|answer| answer.tags)
            .unwrap_or_default()
            .into_iter()
            .collect())
    })
    .await?;
    Ok(by_arn
        .into_iter()
        .map(|(arn, tags)| (arn[prefix.len()..].to_owned(), tags))
        .collect())
}

/// Brings the tags of an object to what the stack file says and ours.
pub(crate) async fn retag(aws: &Aws, kind: &str, update: &Update) -> Result<()> {
    let change = tag_change(update)?;
    if change.set.is_empty() && change.remove.is_empty() {
        return Ok(());
    }
    let arn = arn(aws, kind, &update.id).await?;
    if !change.set.is_empty() {
        let request = aws
            .glue
            .tag_resource()
            .resource_arn(&arn)
            .set_tags_to_add(Some(change.set.into_iter().collect()));
        request.send().await.doing("set tags")?;
    }
    if !change.remove.is_empty() {
        let request = aws
            .glue
            .untag_resource()
            .resource_arn(&arn)
            .set_tags_to_remove(Some(change.remove));
        request.send().await.doing("remove tags")?;
    }
    Ok(())
}

/// How long a new role may be unusable for Glue, and other changes be under way.
pub(crate) fn patience(aws: &Aws) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 30),
        Pace::Aws => Patience::new(Pace::Aws, 300),
    }
}

/// Refusals that pass by themselves. Glue words "this role cannot be used yet" in many ways, and a trust policy that
/// is really wrong looks the same until the time is over.
pub(crate) fn passing(error: &CloudError) -> Option<&'static str> {
    let says = |text: &str| error.message.contains(text);
    let role = error.has_code(&["InvalidInputException", "AccessDeniedException"])
        && (says("unable to assume")
            || says("verify the role's TrustPolicy")
            || says("is not authorized")
            || says("Insufficient Lake Formation permission")
            || says("role provided does not have access"));
    let token = says("security token") && says("is invalid");
    if role || token {
        return Some("the role is not yet visible to Glue");
    }
    if says("are in deleting state") {
        return Some("its predecessor is still being deleted");
    }
    busy(error).or_else(|| (error.is(Meaning::Unavailable)).then_some("Glue is not available"))
}
