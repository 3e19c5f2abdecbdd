//! `internet_gateway`. The attachment to its VPC is a step of its own on AWS, and part of the gateway for us.

use crate::Aws;
use crate::diagnosis;
use crate::ec2;
use crate::error::{Doing, Pages, Result, accept, incomplete};
use crate::provider::{self, ask_created, ask_updated, changes, live, outputs, typed};
use crate::tags::{self, Tags};
use crate::wait::{Look, Patience, retry, until};
use aws_sdk_ec2::types::{Filter, InternetGateway, ResourceType};
use lakeform_engine::Live;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Absent on a live gateway that is attached to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vpc: Option<String>,
    #[serde(default)]
    tags: Tags,
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    ec2::by_id(asks, async |ids| {
        filtered(aws, ec2::filter("internet-gateway-id", ids)).await
    })
    .await
}

pub(crate) async fn filtered(aws: &Aws, filter: Filter) -> Result<Vec<Live>> {
    describe(aws, filter).await?.iter().map(to_live).collect()
}

async fn describe(aws: &Aws, filter: Filter) -> Result<Vec<InternetGateway>> {
    aws.ec2
        .describe_internet_gateways()
        .filters(filter)
        .into_paginator()
        .page_size(1000)
        .items()
        .send()
        .all("read internet gateways")
        .await
}

fn to_live(gateway: &InternetGateway) -> Result<Live> {
    let id = gateway
        .internet_gateway_id
        .as_deref()
        .ok_or_else(|| incomplete("read internet gateways", "internetGatewayId"))?;
    let (tags, owner) = tags::split(ec2::tag_pairs(gateway.tags()));
    Ok(live(
        id,
        &Wanted {
            vpc: attached_to(gateway),
            tags,
        },
        outputs! { id: id },
        owner,
    ))
}

/// AWS says `available` of an attached gateway, though its own list of states has `attached`.
fn attached_to(gateway: &InternetGateway) -> Option<String> {
    gateway
        .attachments()
        .iter()
        .find(|attachment| {
            attachment
                .state
                .as_ref()
                .is_some_and(|state| matches!(state.as_str(), "available" | "attached"))
        })
        .and_then(|attachment| attachment.vpc_id.clone())
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the internet gateway";
    let wanted: Wanted = typed(&create.fields)?;
    let made = async || {
        Ok(describe(aws, ec2::made_by([&create.owner.op]))
            .await?
            .pop()
            .and_then(|gateway| gateway.internet_gateway_id))
    };
    let issue = async || {
        let answer = aws
            .ec2
            .create_internet_gateway()
            .tag_specifications(ec2::tag_specification(
                ResourceType::InternetGateway,
                &create.owner,
                &wanted.tags,
            ))
            .customize()
            .config_override(ec2::no_blind_retry())
            .send()
            .await
            .doing(doing)?;
        let gateway = answer.internet_gateway;
        ec2::id(
            gateway.and_then(|gateway| gateway.internet_gateway_id).as_deref(),
            doing,
            "internetGatewayId",
        )
    };
    let id = match made().await? {
        Some(id) => id,
        None => ec2::once(aws, made, issue).await?,
    };
    report(Progress::Made { id: id.clone() });
    if let Some(vpc) = &wanted.vpc {
        attach(aws, &id, vpc, report).await?;
    }
    provider::visible(aws, doing, report, async || {
        read(aws, &[ask_created(create, &id)]).await
    })
    .await
}

async fn attach(aws: &Aws, id: &str, vpc: &str, report: Report<'_>) -> Result<()> {
    let doing = "attach the internet gateway";
    let attached = async || {
        let gateways = describe(aws, ec2::filter("internet-gateway-id", [id])).await?;
        Ok::<_, lakeform_engine::CloudError>(gateways.first().and_then(attached_to))
    };
    let request = retry(ec2::lag(aws), report, ec2::not_visible, async || {
        aws.ec2
            .attach_internet_gateway()
            .internet_gateway_id(id)
            .vpc_id(vpc)
            .send()
            .await
            .doing(doing)
    });
    match request.await {
        Ok(_) => {}
        // An earlier try may have done it; if the VPC has another gateway, the refusal stands.
        Err(error) => match attached().await? {
            Some(other) if other == vpc => return Ok(()),
            _ => return Err(error),
        },
    }
    until(Patience::new(aws.connection.pace, 1200), doing, report, async || {
        Ok(match attached().await? {
            Some(_) => Look::Done(()),
            None => Look::Pending("attaching".to_owned()),
        })
    })
    .await
}

async fn detach(aws: &Aws, id: &str, vpc: &str, report: Report<'_>) -> Result<()> {
    // Addresses that are mapped through the gateway block it; they are interfaces in the VPC.
    diagnosis::delete_blocked(aws, diagnosis::Held::Gateway(vpc), report, async || {
        let request = aws.ec2.detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
        accept(
            request.send().await.doing("detach the internet gateway"),
            Meaning::NotFound,
        )
    })
    .await
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    let before: Wanted = typed(&update.before.fields)?;
    ec2::retag(aws, update, &update.id).await?;
    if changes(update, &["vpc"]) && before.vpc != wanted.vpc {
        if let Some(vpc) = &before.vpc {
            detach(aws, &update.id, vpc, report).await?;
        }
        if let Some(vpc) = &wanted.vpc {
            attach(aws, &update.id, vpc, report).await?;
        }
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, "update the internet gateway")
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    for gateway in describe(aws, ec2::filter("internet-gateway-id", [&delete.id])).await? {
        for attachment in gateway.attachments() {
            if let Some(vpc) = &attachment.vpc_id {
                detach(aws, &delete.id, vpc, report).await?;
            }
        }
    }
    let request = aws.ec2.delete_internet_gateway().internet_gateway_id(&delete.id);
    accept(
        request.send().await.doing("delete the internet gateway"),
        Meaning::NotFound,
    )
}
