//! What the kinds of provisioned Redshift share: ARNs, tags, and waiting while a cluster is busy.

use crate::Aws;
use crate::connection::Pace;
use crate::error::{Doing, Result};
use crate::provider::tag_change;
use crate::tags::sdk_tags;
use crate::wait::Patience;
use aws_sdk_redshift::types::Tag;
use lakeform_engine::cloud::Update;

pub(crate) fn tag_pairs(tags: &[Tag]) -> impl Iterator<Item = (String, String)> + '_ {
    tags.iter()
        .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default())))
}

/// Returns the ARN by which Redshift tags an object.
pub(crate) async fn arn(aws: &Aws, kind: &str, name: &str) -> Result<String> {
    let account = aws.account().await?;
    Ok(format!(
        "arn:aws:redshift:{}:{account}:{kind}:{name}",
        aws.connection.region()
    ))
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
            .redshift
            .create_tags()
            .resource_name(&arn)
            .set_tags(Some(sdk_tags!(change.set, Tag)));
        request.send().await.doing("set tags")?;
    }
    if !change.remove.is_empty() {
        let request = aws
            .redshift
            .delete_tags()
            .resource_name(&arn)
            .set_tag_keys(Some(change.remove));
        request.send().await.doing("remove tags")?;
    }
    Ok(())
}

/// How long another change of a cluster may take to end.
pub(crate) fn patience(aws: &Aws) -> Patience {
    match aws.connection.pace {
        Pace::Quick => Patience::new(Pace::Quick, 60),
        Pace::Aws => Patience::slow(Pace::Aws, 900),
    }
}
