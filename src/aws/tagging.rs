//! Tags of services whose ordinary reads leave them out, and everything of a stack by its tag.

use crate::Aws;
use crate::error::{Doing, Pages, Result};
use crate::tags::Tags;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, TagFilter};
use futures::future::try_join_all;
use std::collections::HashMap;

/// Up to so many objects are asked one by one, which is exact; the tagging API lags by seconds.
const FEW: usize = 8;

/// So many objects are told of in one answer. More may be asked for, but then the rest is on another page.
const PAGE: usize = 50;

/// Returns the tags of the objects by ARN. `direct` asks the service itself for one object, and is used for the few
/// and for those that the tagging API does not know, which may only mean that it lags.
pub(crate) async fn of(
    aws: &Aws,
    arns: Vec<String>,
    direct: impl AsyncFn(String) -> Result<Tags>,
) -> Result<HashMap<String, Tags>> {
    let mut known: HashMap<String, Tags> = HashMap::new();
    if arns.len() > FEW {
        for page in try_join_all(arns.chunks(PAGE).map(|chunk| by_arn(aws, chunk))).await? {
            known.extend(page.into_iter().filter_map(pair));
        }
    }
    let unknown: Vec<String> = arns.into_iter().filter(|arn| !known.contains_key(arn)).collect();
    let direct = &direct;
    known.extend(
        try_join_all(
            unknown
                .into_iter()
                .map(async |arn| Ok((arn.clone(), direct(arn).await?))),
        )
        .await?,
    );
    Ok(known)
}

async fn by_arn(aws: &Aws, arns: &[String]) -> Result<Vec<ResourceTagMapping>> {
    let request = aws.tagging.get_resources().set_resource_arn_list(Some(arns.to_vec()));
    let answer = request.send().await.doing("read tags")?;
    Ok(answer.resource_tag_mapping_list.unwrap_or_default())
}

/// Returns the ARN and tags of everything in the region that carries, or carried, the tag.
pub(crate) async fn with_tag(aws: &Aws, key: &str, value: &str) -> Result<Vec<(String, Tags)>> {
    let filter = TagFilter::builder().key(key).values(value).build();
    let pages = aws
        .tagging
        .get_resources()
        .tag_filters(filter)
        .into_paginator()
        .page_size(100)
        .items()
        .send();
    let found = pages.all("look for the stack's tags").await?;
    Ok(found.into_iter().filter_map(pair).collect())
}

fn pair(mapping: ResourceTagMapping) -> Option<(String, Tags)> {
    let tags = mapping
        .tags
        .unwrap_or_default()
        .into_iter()
        .map(|tag| (tag.key, tag.value))
        .collect();
    Some((mapping.resource_arn?, tags))
}
