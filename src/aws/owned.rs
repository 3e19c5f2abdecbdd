//! Everything that carries a stack's tags: one question to the tagging API, and one each to the services that it does
//! not cover. What it returns was tagged once and may be gone; reading it tells. Classifiers are missing: they have no
//! tags, and a name that begins like the stack's is no proof of whose they are. Reading them by name finds them.

use crate::Aws;
use crate::error::{Doing, Pages, Result, found};
use crate::nat_gateway::ALLOCATION;
use crate::role;
use crate::secret;
use crate::serverless::Served;
use crate::tagging;
use crate::tags;
use aws_sdk_redshiftserverless::types::{Namespace, Workgroup};
use futures::future::try_join_all;
use futures::try_join;
use lakeform_engine::cloud::{Ask, Owned};
use lakeform_engine::{Fields, Kind};
use std::collections::HashMap;

pub(crate) async fn of_stack(aws: &Aws, stack: &str) -> Result<Vec<Owned>> {
    let (tagged, roles) = try_join!(tagging::with_tag(aws, tags::STACK, stack), roles(aws, stack))?;
    let mut owners = Vec::new();
    let mut named = Vec::new();
    for (arn, tags) in tagged {
        let Some(owner) = tags::split(tags).1.filter(|owner| owner.stack == stack) else {
            continue;
        };
        if let Some(id) = id_in(&arn, owner.address.kind) {
            named.push((owner.address.kind, arn, id));
            owners.push(owner);
        }
    }
    name_serverless(aws, &mut named).await?;
    let mut owned: Vec<Owned> = owners
        .into_iter()
        .zip(named)
        .map(|(owner, (_, _, id))| Owned { owner, id })
        .collect();
    // A gateway's address carries the gateway's tags; it stands for itself only when there is no gateway.
    let gateways: Vec<_> = owned
        .iter()
        .filter(|found| found.id.starts_with("nat-"))
        .map(|found| found.owner.address.clone())
        .collect();
    owned.retain(|found| !(found.id.starts_with(ALLOCATION) && gateways.contains(&found.owner.address)));
    for role in roles {
        if !owned
            .iter()
            .any(|found| found.owner.address == role.owner.address && found.id == role.id)
        {
            owned.push(role);
        }
    }
    without_deleted_secrets(aws, &mut owned).await?;
    owned.sort_by(|a, b| (&a.owner.address, &a.id).cmp(&(&b.owner.address, &b.id)));
    Ok(owned)
}

/// A deleted secret is found by its tags for as long as it can be restored.
async fn without_deleted_secrets(aws: &Aws, owned: &mut Vec<Owned>) -> Result<()> {
    let is_secret = |found: &&Owned| found.owner.address.kind == Kind::Secret;
    let asks: Vec<Ask> = owned
        .iter()
        .filter(is_secret)
        .map(|found| Ask::by_id(found.owner.address.clone(), &found.id, Fields::new()))
        .collect();
    let there = secret::read(aws, &asks).await?;
    let mut there = there.iter().map(Option::is_some);
    owned.retain(|found| !is_secret(&found) || there.next() == Some(true));
    Ok(())
}

/// The ARNs of Redshift Serverless end in made-up ids; listing tells the names.
pub(crate) async fn name_serverless(aws: &Aws, found: &mut [(Kind, String, String)]) -> Result<()> {
    let mut names: HashMap<String, String> = HashMap::new();
    let has = |kind: Kind| found.iter().any(|(found, ..)| *found == kind);
    if has(Kind::RedshiftNamespace) {
        let all = Namespace::all(aws).await?;
        names.extend(
            all.into_iter()
                .filter_map(|one| Some((one.namespace_arn?, one.namespace_name?))),
        );
    }
    if has(Kind::RedshiftWorkgroup) {
        let all = Workgroup::all(aws).await?;
        names.extend(
            all.into_iter()
                .filter_map(|one| Some((one.workgroup_arn?, one.workgroup_name?))),
        );
    }
    for (_, arn, id) in found {
        if let Some(name) = names.remove(arn) {
            *id = name;
        }
    }
    Ok(())
}

/// Listing roles leaves their tags out, so the few under our path are read one by one.
async fn roles(aws: &Aws, stack: &str) -> Result<Vec<Owned>> {
    let doing = "look for the stack's roles";
    let pages = aws
        .iam
        .list_roles()
        .path_prefix(role::path(stack))
        .into_paginator()
        .items()
        .send();
    let roles = pages.all(doing).await?;
    let read = roles.into_iter().map(|role| async move {
        let answer = found(aws.iam.get_role().role_name(&role.role_name).send().await.doing(doing))?;
        let tags = answer
            .and_then(|answer| answer.role)
            .and_then(|role| role.tags)
            .unwrap_or_default();
        let owner = tags::split(tags.into_iter().map(|tag| (tag.key, tag.value))).1;
        let owned = owner.filter(|owner| owner.stack == stack).map(|owner| Owned {
            owner,
            id: role.role_name,
        });
        Ok::<_, lakeform_engine::CloudError>(owned)
    });
    Ok(try_join_all(read).await?.into_iter().flatten().collect())
}

/// Returns what we call the object with this ARN, or `None` when it is a part of something else.
pub(crate) fn id_in(arn: &str, kind: Kind) -> Option<String> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next()?;
    let resource = parts.nth(2)?;
    let (sort, name) = resource.split_once(['/', ':']).unwrap_or(("", resource));
    let fits = match kind {
        Kind::Vpc => (service, sort) == ("ec2", "vpc"),
        Kind::Subnet => (service, sort) == ("ec2", "subnet"),
        Kind::InternetGateway => (service, sort) == ("ec2", "internet-gateway"),
        Kind::NatGateway => service == "ec2" && matches!(sort, "natgateway" | "elastic-ip"),
        Kind::RouteTable => (service, sort) == ("ec2", "route-table"),
        Kind::VpcEndpoint => (service, sort) == ("ec2", "vpc-endpoint"),
        Kind::SecurityGroup => (service, sort) == ("ec2", "security-group"),
        Kind::Bucket => service == "s3" && !resource.contains('/'),
        Kind::Role => (service, sort) == ("iam", "role"),
        Kind::GlueDatabase => (service, sort) == ("glue", "database"),
        Kind::GlueCrawler => (service, sort) == ("glue", "crawler"),
        Kind::GlueTrigger => (service, sort) == ("glue", "trigger"),
        Kind::RedshiftSubnetGroup => (service, sort) == ("redshift", "subnetgroup"),
        Kind::RedshiftParameterGroup => (service, sort) == ("redshift", "parametergroup"),
        Kind::RedshiftCluster => (service, sort) == ("redshift", "cluster"),
        Kind::Secret => (service, sort) == ("secretsmanager", "secret"),
        Kind::LogGroup => (service, sort) == ("logs", "log-group"),
        Kind::RedshiftNamespace => (service, sort) == ("redshift-serverless", "namespace"),
        Kind::RedshiftWorkgroup => (service, sort) == ("redshift-serverless", "workgroup"),
        Kind::GlueClassifier
        | Kind::Dataset
        | Kind::Crawl
        | Kind::ExternalSchema
        | Kind::Sql
        | Kind::Copy
        | Kind::Dbt => false,
    };
    if !fits {
        return None;
    }
    Some(match kind {
        Kind::Role => name.rsplit('/').next().unwrap_or(name).to_owned(),
        // `name-XXXXXX`: six letters that Secrets Manager adds.
        Kind::Secret => name.rsplit_once('-').map_or(name, |(name, _)| name).to_owned(),
        Kind::LogGroup => name.trim_end_matches(":*").to_owned(),
        _ => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_out_of_arns() {
        let cases = [
            ("arn:aws:ec2:eu-west-1:1:vpc/vpc-1", Kind::Vpc, Some("vpc-1")),
            (
                "arn:aws:ec2:eu-west-1:1:elastic-ip/eipalloc-1",
                Kind::NatGateway,
                Some("eipalloc-1"),
            ),
            ("arn:aws:s3:::raw", Kind::Bucket, Some("raw")),
            ("arn:aws:iam::1:role/lakeform/shop/crawler", Kind::Role, Some("crawler")),
            (
                "arn:aws:glue:eu-west-1:1:database/bronze",
                Kind::GlueDatabase,
                Some("bronze"),
            ),
            (
                "arn:aws:redshift:eu-west-1:1:subnetgroup:lake",
                Kind::RedshiftSubnetGroup,
                Some("lake"),
            ),
            (
                "arn:aws:secretsmanager:eu-west-1:1:secret:app/db-a1B2c3",
                Kind::Secret,
                Some("app/db"),
            ),
            (
                "arn:aws:logs:eu-west-1:1:log-group:/lake/app",
                Kind::LogGroup,
                Some("/lake/app"),
            ),
            (
                "arn:aws:ec2:eu-west-1:1:security-group-rule/sgr-1",
                Kind::SecurityGroup,
                None,
            ),
        ];
        for (arn, kind, id) in cases {
            assert_eq!(id_in(arn, kind).as_deref(), id, "{arn}");
        }
    }
}
