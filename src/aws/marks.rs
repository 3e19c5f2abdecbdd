//! Marks on a warehouse: tags that say which statements ran in it, for a day on which nothing else remembers.

use crate::Aws;
use crate::error::{Doing, Result, accept, found};
use crate::redshift;
use crate::tags::Tags;
use aws_sdk_redshift::types::Tag;
use aws_sdk_redshiftserverless::types::Tag as ServerlessTag;
use lakeform_engine::CloudError;
use lakeform_engine::cloud::Meaning;

/// Like all tags of ours, these are not the user's and never look changed.
const PREFIX: &str = "lakeform:done:";

/// What a target such as `cluster:main/dev/admin` or `workgroup:main` names.
enum Named<'a> {
    Cluster(&'a str),
    Workgroup(&'a str),
}

fn named(target: &str) -> Result<Named<'_>> {
    let name = |rest: &'_ str| rest.split('/').next().unwrap_or(rest).len();
    match target.split_once(':') {
        Some(("cluster", rest)) => Ok(Named::Cluster(&rest[..name(rest)])),
        Some(("workgroup", rest)) => Ok(Named::Workgroup(&rest[..name(rest)])),
        _ => {
            let message = format!("`{target}` is neither `cluster:…` nor `workgroup:…`");
            Err(CloudError::new(Meaning::Invalid, "mark the warehouse", message))
        }
    }
}

impl Aws {
    /// Writes a mark, or takes it away.
    pub async fn mark(&self, target: &str, key: &str, value: Option<&str>) -> Result<()> {
        let doing = "mark the warehouse";
        let key = format!("{PREFIX}{key}");
        match (named(target)?, value) {
            (Named::Cluster(name), Some(value)) => {
                let arn = redshift::arn(self, "cluster", name).await?;
                let tag = Tag::builder().key(key).value(value).build();
                self.redshift
                    .create_tags()
                    .resource_name(arn)
                    .tags(tag)
                    .send()
                    .await
                    .doing(doing)?;
                Ok(())
            }
            (Named::Cluster(name), None) => {
                let arn = redshift::arn(self, "cluster", name).await?;
                let request = self.redshift.delete_tags().resource_name(arn).tag_keys(key);
                accept(request.send().await.doing(doing), Meaning::NotFound)
            }
            (Named::Workgroup(name), value) => {
                let Some(arn) = self.workgroup_arn(name).await? else {
                    return Ok(());
                };
                match value {
                    Some(value) => {
                        let tag = ServerlessTag::builder().key(key).value(value).build().doing(doing)?;
                        self.serverless
                            .tag_resource()
                            .resource_arn(arn)
                            .tags(tag)
                            .send()
                            .await
                            .doing(doing)?;
                        Ok(())
                    }
                    None => {
                        let request = self.serverless.untag_resource().resource_arn(arn).tag_keys(key);
                        accept(request.send().await.doing(doing), Meaning::NotFound)
                    }
                }
            }
        }
    }

    /// Returns all marks on a warehouse.
    pub async fn marks(&self, target: &str) -> Result<Tags> {
        let doing = "read the marks on the warehouse";
        let tags: Vec<(String, String)> = match named(target)? {
            Named::Cluster(name) => {
                let answer = self.redshift.describe_clusters().cluster_identifier(name).send().await;
                let clusters = found(answer.doing(doing))?
                    .and_then(|answer| answer.clusters)
                    .unwrap_or_default();
                clusters
                    .iter()
                    .flat_map(|cluster| redshift::tag_pairs(cluster.tags()))
                    .collect()
            }
            Named::Workgroup(name) => match self.workgroup_arn(name).await? {
                Some(arn) => {
                    let answer = self.serverless.list_tags_for_resource().resource_arn(arn).send().await;
                    let tags = found(answer.doing(doing))?
                        .and_then(|answer| answer.tags)
                        .unwrap_or_default();
                    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
                }
                None => Vec::new(),
            },
        };
        Ok(tags
            .into_iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), value)))
            .collect())
    }

    async fn workgroup_arn(&self, name: &str) -> Result<Option<String>> {
        let answer = self.serverless.get_workgroup().workgroup_name(name).send().await;
        let answer = found(answer.doing("look at the workgroup"))?;
        Ok(answer
            .and_then(|answer| answer.workgroup)
            .and_then(|workgroup| workgroup.workgroup_arn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_its_warehouse() {
        let name = |target| match named(target) {
            Ok(Named::Cluster(name) | Named::Workgroup(name)) => Some(name),
            Err(_) => None,
        };
        assert_eq!(name("cluster:main/dev/admin"), Some("main"));
        assert_eq!(name("workgroup:wg"), Some("wg"));
        assert_eq!(name("main"), None);
    }
}
