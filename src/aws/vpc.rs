//! `vpc`. Its two attributes can only be read and written one by one.

use crate::Aws;
use crate::diagnosis;
use crate::ec2;
use crate::error::{Doing, Pages, Result, accept, incomplete};
use crate::provider::{self, ask_created, ask_updated, changes, live, outputs, typed};
use crate::tags::{self, Tags};
use crate::wait::{Look, Patience, until};
use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, ResourceType, Vpc, VpcAttributeName, VpcState};
use futures::future::try_join_all;
use futures::try_join;
use lakeform_engine::Live;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    cidr: String,
    #[serde(default = "yes")]
    dns_support: bool,
    #[serde(default = "yes")]
    dns_hostnames: bool,
    #[serde(default)]
    tags: Tags,
}

fn yes() -> bool {
    true
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    ec2::by_id(asks, async |ids| filtered(aws, ec2::filter("vpc-id", ids)).await).await
}

pub(crate) async fn filtered(aws: &Aws, filter: Filter) -> Result<Vec<Live>> {
    lives(aws, describe(aws, filter).await?).await
}

async fn describe(aws: &Aws, filter: Filter) -> Result<Vec<Vpc>> {
    aws.ec2
        .describe_vpcs()
        .filters(filter)
        .into_paginator()
        .page_size(1000)
        .items()
        .send()
        .all("read VPCs")
        .await
}

async fn lives(aws: &Aws, vpcs: Vec<Vpc>) -> Result<Vec<Live>> {
    if vpcs.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = vpcs.iter().filter_map(|vpc| vpc.vpc_id.clone()).collect();
    let (attributes, groups, tables) = try_join!(
        try_join_all(ids.iter().map(|id| async move {
            try_join!(
                attribute(aws, id, VpcAttributeName::EnableDnsSupport),
                attribute(aws, id, VpcAttributeName::EnableDnsHostnames)
            )
        })),
        default_groups(aws, &ids),
        main_tables(aws, &ids),
    )?;
    let mut lives = Vec::with_capacity(vpcs.len());
    for (vpc, (dns_support, dns_hostnames)) in vpcs.iter().zip(attributes) {
        let id = vpc.vpc_id.as_deref().ok_or_else(|| incomplete("read VPCs", "vpcId"))?;
        let (tags, owner) = tags::split(ec2::tag_pairs(vpc.tags()));
        let cidr = vpc.cidr_block.clone().unwrap_or_default();
        let arn = format!(
            "arn:aws:ec2:{}:{}:vpc/{id}",
            aws.connection.region(),
            vpc.owner_id.as_deref().unwrap_or_default()
        );
        let outputs = outputs! {
            id: id,
            arn: arn,
            cidr: cidr.as_str(),
            default_security_group: groups.get(id).cloned().unwrap_or_default(),
            main_route_table: tables.get(id).cloned().unwrap_or_default(),
        };
        let mut live = live(
            id,
            &Wanted {
                cidr,
                dns_support,
                dns_hostnames,
                tags,
            },
            outputs,
            owner,
        );
        live.extras = vpc
            .cidr_block_association_set()
            .iter()
            .filter_map(|block| block.cidr_block.as_deref())
            .filter(|block| Some(*block) != vpc.cidr_block.as_deref())
            .map(|block| format!("a further IPv4 block, {block}"))
            .collect();
        lives.push(live);
    }
    Ok(lives)
}

async fn attribute(aws: &Aws, id: &str, name: VpcAttributeName) -> Result<bool> {
    let answer = aws
        .ec2
        .describe_vpc_attribute()
        .vpc_id(id)
        .attribute(name)
        .send()
        .await
        .doing("read a VPC attribute")?;
    let value = answer.enable_dns_support.or(answer.enable_dns_hostnames);
    Ok(value.and_then(|value| value.value).unwrap_or_default())
}

async fn default_groups(aws: &Aws, ids: &[String]) -> Result<HashMap<String, String>> {
    let groups = aws
        .ec2
        .describe_security_groups()
        .filters(ec2::filter("vpc-id", ids))
        .filters(ec2::filter("group-name", ["default"]))
        .into_paginator()
        .page_size(1000)
        .items()
        .send()
        .all("read default security groups")
        .await?;
    Ok(groups
        .into_iter()
        .filter_map(|group| Some((group.vpc_id?, group.group_id?)))
        .collect())
}

async fn main_tables(aws: &Aws, ids: &[String]) -> Result<HashMap<String, String>> {
    let tables = aws
        .ec2
        .describe_route_tables()
        .filters(ec2::filter("vpc-id", ids))
        .filters(ec2::filter("association.main", ["true"]))
        .into_paginator()
        .page_size(100)
        .items()
        .send()
        .all("read main route tables")
        .await?;
    Ok(tables
        .into_iter()
        .filter_map(|table| Some((table.vpc_id?, table.route_table_id?)))
        .collect())
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the VPC";
    let wanted: Wanted = typed(&create.fields)?;
    let made = async || {
        Ok(describe(aws, ec2::made_by([&create.owner.op]))
            .await?
            .pop()
            .and_then(|vpc| vpc.vpc_id))
    };
    let issue = async || {
        let answer = aws
            .ec2
            .create_vpc()
            .cidr_block(&wanted.cidr)
            .tag_specifications(ec2::tag_specification(ResourceType::Vpc, &create.owner, &wanted.tags))
            .customize()
            .config_override(ec2::no_blind_retry())
            .send()
            .await
            .doing(doing)?;
        ec2::id(answer.vpc.and_then(|vpc| vpc.vpc_id).as_deref(), doing, "vpcId")
    };
    let id = match made().await? {
        Some(id) => id,
        None => ec2::once(aws, made, issue).await?,
    };
    report(Progress::Made { id: id.clone() });
    until(Patience::new(aws.connection.pace, 300), doing, report, async || {
        let vpcs = describe(aws, ec2::filter("vpc-id", [&id])).await?;
        Ok(match vpcs.first().map(|vpc| &vpc.state) {
            Some(Some(VpcState::Available) | None) => Look::Done(()),
            Some(Some(state)) => Look::Pending(state.to_string()),
            None => Look::Pending("not yet visible to EC2".to_owned()),
        })
    })
    .await?;
    // Hostnames need support, so support goes first.
    if !wanted.dns_support {
        set_support(aws, &id, false).await?;
    }
    if wanted.dns_hostnames {
        set_hostnames(aws, &id, true).await?;
    }
    provider::visible(aws, doing, report, async || {
        read(aws, &[ask_created(create, &id)]).await
    })
    .await
}

async fn set_support(aws: &Aws, id: &str, on: bool) -> Result<()> {
    let value = AttributeBooleanValue::builder().value(on).build();
    aws.ec2
        .modify_vpc_attribute()
        .vpc_id(id)
        .enable_dns_support(value)
        .send()
        .await
        .doing("set DNS support")?;
    Ok(())
}

async fn set_hostnames(aws: &Aws, id: &str, on: bool) -> Result<()> {
    let value = AttributeBooleanValue::builder().value(on).build();
    aws.ec2
        .modify_vpc_attribute()
        .vpc_id(id)
        .enable_dns_hostnames(value)
        .send()
        .await
        .doing("set DNS hostnames")?;
    Ok(())
}

pub(crate) async fn update(aws: &Aws, update: &Update, _report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    ec2::retag(aws, update, &update.id).await?;
    let (support, hostnames) = (changes(update, &["dns_support"]), changes(update, &["dns_hostnames"]));
    if hostnames && !wanted.dns_hostnames {
        set_hostnames(aws, &update.id, false).await?;
    }
    if support {
        set_support(aws, &update.id, wanted.dns_support).await?;
    }
    if hostnames && wanted.dns_hostnames {
        set_hostnames(aws, &update.id, true).await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, "update the VPC")
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    let doing = "delete the VPC";
    diagnosis::delete_blocked(aws, diagnosis::Held::Vpc(&delete.id), report, async || {
        accept(
            aws.ec2.delete_vpc().vpc_id(&delete.id).send().await.doing(doing),
            Meaning::NotFound,
        )
    })
    .await?;
    // A VPC that is still listed would make the next plan believe in it.
    until(Patience::new(aws.connection.pace, 300), doing, report, async || {
        let left = describe(aws, ec2::filter("vpc-id", [&delete.id])).await?;
        Ok(if left.is_empty() {
            Look::Done(())
        } else {
            Look::Pending("deleting".to_owned())
        })
    })
    .await
}
