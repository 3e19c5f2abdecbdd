//! `nat_gateway`, with the public address it stands on. The address carries the same tags, so that one left over from
//! an interrupted create is found and used by the next.

use crate::Aws;
use crate::ec2;
use crate::error::{Doing, Pages, Result, Says, accept, incomplete};
use crate::looks::Wait;
use crate::provider::{self, ask_created, ask_updated, live, outputs, typed};
use crate::tags::{self, Tags};
use crate::wait::{Look, Patience, retry, until};
use aws_sdk_ec2::types::{Address, DomainType, Filter, NatGateway, NatGatewayState, ResourceType};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Owner, Progress, Report, Update};
use lakeform_engine::{CloudError, Live};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How the ids of public addresses begin.
pub(crate) const ALLOCATION: &str = "eipalloc-";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    subnet: String,
    #[serde(default)]
    tags: Tags,
}

const KIND: &str = "NAT gateway";

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    ec2::by_id(asks, async |ids| {
        filtered(aws, ec2::filter("nat-gateway-id", ids)).await
    })
    .await
}

pub(crate) async fn filtered(aws: &Aws, filter: Filter) -> Result<Vec<Live>> {
    describe(aws, filter).await?.iter().map(to_live).collect()
}

/// Looks at a gateway, together with all others that are waited for. One that is deleted is still seen.
async fn look(aws: &Aws, wait: &Wait) -> Result<Option<NatGateway>> {
    wait.look(aws.connection.fresh(), async |names| {
        let gateways = ec2::in_chunks(names, async |ids| all(aws, ec2::filter("nat-gateway-id", ids)).await).await?;
        let named = |gateway: NatGateway| Some((gateway.nat_gateway_id.clone()?, gateway));
        Ok(gateways.into_iter().filter_map(named).collect())
    })
    .await
}

/// Deleted gateways stay listed for about an hour and are left out.
async fn describe(aws: &Aws, filter: Filter) -> Result<Vec<NatGateway>> {
    let mut gateways = all(aws, filter).await?;
    gateways.retain(|gateway| gateway.state != Some(NatGatewayState::Deleted));
    Ok(gateways)
}

async fn all(aws: &Aws, filter: Filter) -> Result<Vec<NatGateway>> {
    aws.ec2
        .describe_nat_gateways()
        .filter(filter)
        .into_paginator()
        .page_size(1000)
        .items()
        .send()
        .all("read NAT gateways")
        .await
}

fn to_live(gateway: &NatGateway) -> Result<Live> {
    let id = gateway
        .nat_gateway_id
        .as_deref()
        .ok_or_else(|| incomplete("read NAT gateways", "natGatewayId"))?;
    let (tags, owner) = tags::split(ec2::tag_pairs(gateway.tags()));
    let address = gateway.nat_gateway_addresses().first();
    let outputs = outputs! {
        id: id,
        public_ip: provider::maybe(address.and_then(|address| address.public_ip.as_deref())),
        allocation: provider::maybe(address.and_then(|address| address.allocation_id.as_deref())),
    };
    let wanted = Wanted {
        subnet: gateway.subnet_id.clone().unwrap_or_default(),
        tags,
    };
    let mut live = live(id, &wanted, outputs, owner);
    live.going = gateway.state == Some(NatGatewayState::Deleting);
    live.status = gateway
        .state
        .as_ref()
        .filter(|state| **state != NatGatewayState::Available)
        .map(|state| state.as_str().to_owned());
    Ok(live)
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the NAT gateway";
    let wanted: Wanted = typed(&create.fields)?;
    let earlier = filtered(aws, ec2::made_by([&create.owner.op])).await?;
    let earlier = earlier.into_iter().find_map(Live::staying);
    let id = match earlier {
        Some(live) => live.id,
        None => {
            let allocation = address(aws, create, &wanted.tags).await?;
            let answer = retry(ec2::lag(aws), report, ec2::not_visible, async || {
                aws.ec2
                    .create_nat_gateway()
                    .subnet_id(&wanted.subnet)
                    .allocation_id(&allocation)
                    .client_token(&create.owner.op)
                    .tag_specifications(ec2::tag_specification(
                        ResourceType::Natgateway,
                        &create.owner,
                        &wanted.tags,
                    ))
                    .send()
                    .await
                    .doing(doing)
            })
            .await?;
            ec2::id(
                answer.nat_gateway.and_then(|gateway| gateway.nat_gateway_id).as_deref(),
                doing,
                "natGatewayId",
            )?
        }
    };
    report(Progress::Made { id: id.clone() });
    let wait = aws.connection.looks.wait(KIND, &id);
    until(Patience::new(aws.connection.pace, 600), doing, report, async || {
        let Some(gateway) = look(aws, &wait).await? else {
            return Ok(Look::Pending("not yet visible to EC2".to_owned()));
        };
        match &gateway.state {
            Some(NatGatewayState::Available) => Ok(Look::Done(())),
            Some(NatGatewayState::Failed) => Err(failed(&gateway, doing)),
            state => Ok(Look::Pending(
                state.as_ref().map_or("pending", |state| state.as_str()).to_owned(),
            )),
        }
    })
    .await?;
    provider::visible(aws, doing, report, async || {
        read(aws, &[ask_created(create, &id)]).await
    })
    .await
}

fn failed(gateway: &NatGateway, doing: &str) -> CloudError {
    let message = gateway
        .failure_message
        .clone()
        .unwrap_or_else(|| "the gateway failed".to_owned());
    let mut error = CloudError::new(Meaning::Failed, doing, message);
    error.code = gateway.failure_code.clone();
    error
}

/// Returns the allocation id of this gateway's address: a left-over one, or a new one.
async fn address(aws: &Aws, create: &Create, tags: &Tags) -> Result<String> {
    let doing = "allocate a public address";
    let owner = &create.owner;
    let issue = async || {
        let answer = aws
            .ec2
            .allocate_address()
            .domain(DomainType::Vpc)
            .tag_specifications(ec2::tag_specification(ResourceType::ElasticIp, owner, tags))
            .customize()
            .config_override(ec2::no_blind_retry())
            .send()
            .await
            .doing(doing)?;
        ec2::id(answer.allocation_id.as_deref(), doing, "allocationId")
    };
    let earlier = async || Ok(left_over(aws, owner).await?.into_iter().next());
    match earlier().await? {
        Some(allocation) => Ok(allocation),
        None => ec2::once(aws, earlier, issue).await,
    }
}

/// Returns the allocation ids of addresses that were made for this gateway and that nothing uses.
async fn left_over(aws: &Aws, owner: &Owner) -> Result<Vec<String>> {
    let request = aws
        .ec2
        .describe_addresses()
        .filters(ec2::filter(&format!("tag:{}", tags::STACK), [&owner.stack]))
        .filters(ec2::filter(&format!("tag:{}", tags::GENERATION), [&owner.generation]))
        .filters(ec2::filter(
            &format!("tag:{}", tags::ADDRESS),
            [owner.address.to_string()],
        ));
    let answer = request.send().await.doing("look for a left-over public address")?;
    let free = |address: &&Address| address.association_id.is_none();
    let ids = answer.addresses().iter().filter(free);
    Ok(ids.filter_map(|address| address.allocation_id.clone()).collect())
}

pub(crate) async fn update(aws: &Aws, update: &Update, _report: Report<'_>) -> Result<Live> {
    ec2::retag(aws, update, &update.id).await?;
    if let Some(allocation) = update
        .before
        .outputs
        .get("allocation")
        .and_then(|value| value.as_text())
    {
        ec2::retag(aws, update, allocation).await?;
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, "update the NAT gateway")
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    if delete.id.starts_with(ALLOCATION) {
        return release(aws, &delete.id, report).await;
    }
    let found = all(aws, ec2::filter("nat-gateway-id", [&delete.id])).await?;
    // Deleting the gateway does not release its address, which then costs money for nothing.
    let mut allocations = BTreeSet::new();
    if let Some(gateway) = found.first() {
        let addresses = gateway.nat_gateway_addresses().iter();
        allocations.extend(addresses.filter_map(|address| address.allocation_id.clone()));
        remove(aws, gateway, &delete.id, report).await?;
    }
    // Also one whose gateway went without us, or before an earlier run came to the end.
    allocations.extend(left_over(aws, &delete.owner).await?);
    for allocation in allocations {
        release(aws, &allocation, report).await?;
    }
    Ok(())
}

async fn remove(aws: &Aws, gateway: &NatGateway, id: &str, report: Report<'_>) -> Result<()> {
    let doing = "delete the NAT gateway";
    if !matches!(
        gateway.state,
        Some(NatGatewayState::Deleting | NatGatewayState::Deleted)
    ) {
        let request = aws.ec2.delete_nat_gateway().nat_gateway_id(id);
        accept(request.send().await.doing(doing), Meaning::NotFound)?;
    }
    let wait = aws.connection.looks.wait(KIND, id);
    until(Patience::new(aws.connection.pace, 1800), doing, report, async || {
        Ok(match look(aws, &wait).await? {
            None => Look::Done(()),
            Some(gateway) if gateway.state == Some(NatGatewayState::Deleted) => Look::Done(()),
            Some(gateway) => Look::Pending(
                gateway
                    .state
                    .map_or("deleting".to_owned(), |state| state.as_str().to_owned()),
            ),
        })
    })
    .await
}

async fn release(aws: &Aws, allocation: &str, report: Report<'_>) -> Result<()> {
    let in_use = |error: &CloudError| error.is(Meaning::InUse).then_some("the address is still in use");
    retry(ec2::lag(aws), report, in_use, async || {
        let request = aws.ec2.release_address().allocation_id(allocation);
        accept(
            request.send().await.doing("release the public address"),
            Meaning::NotFound,
        )
    })
    .await
}
