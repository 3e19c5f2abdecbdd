//! `subnet`.

use crate::Aws;
use crate::diagnosis;
use crate::ec2;
use crate::error::{Doing, Pages, Result, Says, accept, incomplete};
use crate::provider::{self, ask_created, ask_updated, changes, live, outputs, typed};
use crate::tags::{self, Tags};
use crate::wait::{Look, Patience, retry, until};
use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, ResourceType, Subnet, SubnetState};
use lakeform_engine::Live;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    vpc: String,
    cidr: String,
    /// `us-east-1a`; the letter alone is accepted.
    zone: String,
    #[serde(default)]
    public_ips: bool,
    #[serde(default)]
    tags: Tags,
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    ec2::by_id(asks, async |ids| filtered(aws, ec2::filter("subnet-id", ids)).await).await
}

pub(crate) async fn filtered(aws: &Aws, filter: Filter) -> Result<Vec<Live>> {
    describe(aws, filter).await?.iter().map(to_live).collect()
}

async fn describe(aws: &Aws, filter: Filter) -> Result<Vec<Subnet>> {
    aws.ec2
        .describe_subnets()
        .filters(filter)
        .into_paginator()
        .page_size(1000)
        .items()
        .send()
        .all("read subnets")
        .await
}

fn to_live(subnet: &Subnet) -> Result<Live> {
    let id = subnet
        .subnet_id
        .as_deref()
        .ok_or_else(|| incomplete("read subnets", "subnetId"))?;
    let (tags, owner) = tags::split(ec2::tag_pairs(subnet.tags()));
    let wanted = Wanted {
        vpc: subnet.vpc_id.clone().unwrap_or_default(),
        cidr: subnet.cidr_block.clone().unwrap_or_default(),
        zone: subnet.availability_zone.clone().unwrap_or_default(),
        public_ips: subnet.map_public_ip_on_launch.unwrap_or_default(),
        tags,
    };
    let outputs = outputs! {
        id: id,
        arn: subnet.subnet_arn.clone().unwrap_or_default(),
        zone: wanted.zone.as_str(),
        cidr: wanted.cidr.as_str(),
    };
    Ok(live(id, &wanted, outputs, owner))
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the subnet";
    let wanted: Wanted = typed(&create.fields)?;
    let zone = match wanted.zone.len() {
        1 => format!("{}{}", aws.connection.region(), wanted.zone),
        _ => wanted.zone.clone(),
    };
    let made = async || {
        Ok(describe(aws, ec2::made_by([&create.owner.op]))
            .await?
            .pop()
            .and_then(|subnet| subnet.subnet_id))
    };
    let issue = async || {
        let answer = aws
            .ec2
            .create_subnet()
            .vpc_id(&wanted.vpc)
            .cidr_block(&wanted.cidr)
            .availability_zone(&zone)
            .tag_specifications(ec2::tag_specification(
                ResourceType::Subnet,
                &create.owner,
                &wanted.tags,
            ))
            .customize()
            .config_override(ec2::no_blind_retry())
            .send()
            .await
            .doing(doing)?;
        ec2::id(
            answer.subnet.and_then(|subnet| subnet.subnet_id).as_deref(),
            doing,
            "subnetId",
        )
    };
    let issued = retry(ec2::lag(aws), report, ec2::not_visible, async || {
        ec2::once(aws, made, issue).await
    })
    .await;
    let id = match issued {
        Ok(id) => id,
        // The block is taken: by an earlier try of this very create, or by somebody else.
        Err(error) if error.has_code(&["InvalidSubnet.Conflict"]) => made().await?.ok_or(error)?,
        Err(error) => return Err(error),
    };
    report(Progress::Made { id: id.clone() });
    until(Patience::new(aws.connection.pace, 300), doing, report, async || {
        let subnets = describe(aws, ec2::filter("subnet-id", [&id])).await?;
        Ok(match subnets.first().map(|subnet| &subnet.state) {
            Some(Some(SubnetState::Available) | None) => Look::Done(()),
            Some(Some(state)) => Look::Pending(state.to_string()),
            None => Look::Pending("not yet visible to EC2".to_owned()),
        })
    })
    .await?;
    if wanted.public_ips {
        set_public_ips(aws, &id, true).await?;
    }
    provider::visible(aws, doing, report, async || {
        read(aws, &[ask_created(create, &id)]).await
    })
    .await
}

async fn set_public_ips(aws: &Aws, id: &str, on: bool) -> Result<()> {
    let value = AttributeBooleanValue::builder().value(on).build();
    let request = aws
        .ec2
        .modify_subnet_attribute()
        .subnet_id(id)
        .map_public_ip_on_launch(value);
    request
        .send()
        .await
        .doing("set whether the subnet gives public addresses")?;
    Ok(())
}

pub(crate) async fn update(aws: &Aws, update: &Update, _report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    ec2::retag(aws, update, &update.id).await?;
    if changes(update, &["public_ips"]) {
        set_public_ips(aws, &update.id, wanted.public_ips).await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, "update the subnet")
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    diagnosis::delete_blocked(aws, diagnosis::Held::Subnet(&delete.id), report, async || {
        accept(
            aws.ec2
                .delete_subnet()
                .subnet_id(&delete.id)
                .send()
                .await
                .doing("delete the subnet"),
            Meaning::NotFound,
        )
    })
    .await
}
