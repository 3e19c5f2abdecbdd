//! `route_table`: the one owner of its routes and of the associations of its subnets.

use crate::Aws;
use crate::ec2;
use crate::error::{Doing, Pages, Result, Says, accept, incomplete};
use crate::provider::{self, ask_created, ask_updated, changes, live, outputs, set_change, typed};
use crate::tags::{self, Tags};
use crate::wait::retry;
use aws_sdk_ec2::types::{Filter, ResourceType, Route, RouteOrigin, RouteState, RouteTable};
use lakeform_engine::Live;
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    vpc: String,
    #[serde(default)]
    subnets: Vec<String>,
    #[serde(default)]
    routes: Vec<WantedRoute>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct WantedRoute {
    to: String,
    via: String,
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    ec2::by_id(asks, async |ids| {
        filtered(aws, ec2::filter("route-table-id", ids)).await
    })
    .await
}

pub(crate) async fn filtered(aws: &Aws, filter: Filter) -> Result<Vec<Live>> {
    describe(aws, filter).await?.iter().map(to_live).collect()
}

async fn describe(aws: &Aws, filter: Filter) -> Result<Vec<RouteTable>> {
    aws.ec2
        .describe_route_tables()
        .filters(filter)
        .into_paginator()
        .page_size(100)
        .items()
        .send()
        .all("read route tables")
        .await
}

fn to_live(table: &RouteTable) -> Result<Live> {
    let id = table
        .route_table_id
        .as_deref()
        .ok_or_else(|| incomplete("read route tables", "routeTableId"))?;
    let (tags, owner) = tags::split(ec2::tag_pairs(table.tags()));
    let mut routes = Vec::new();
    let mut extras = Vec::new();
    let mut blackhole = false;
    for route in table.routes().iter().filter(|route| is_ours_to_say(route)) {
        let via = target(route).unwrap_or_default().to_owned();
        match &route.destination_cidr_block {
            Some(to) => {
                if route.state == Some(RouteState::Blackhole) {
                    blackhole = true;
                    extras.push(format!("the route to {to} leads nowhere: {via} is gone"));
                }
                routes.push(WantedRoute { to: to.clone(), via });
            }
            None => extras.push(format!(
                "a route to {} via {via}",
                route
                    .destination_ipv6_cidr_block
                    .as_deref()
                    .or(route.destination_prefix_list_id.as_deref())
                    .unwrap_or("somewhere")
            )),
        }
    }
    routes.sort_by(|a, b| a.to.cmp(&b.to));
    let mut subnets: Vec<String> = associations(table).map(|(subnet, _)| subnet.to_owned()).collect();
    subnets.sort();
    let wanted = Wanted {
        vpc: table.vpc_id.clone().unwrap_or_default(),
        subnets,
        routes,
        tags,
    };
    let mut live = live(id, &wanted, outputs! { id: id }, owner);
    live.extras = extras;
    live.status = blackhole.then(|| "blackhole".to_owned());
    Ok(live)
}

/// The local route is AWS's, propagated routes are the virtual gateway's, and prefix-list routes to an endpoint are
/// the endpoint's, though AWS says of them that `CreateRoute` made them.
fn is_ours_to_say(route: &Route) -> bool {
    let gateway = route.gateway_id.as_deref().unwrap_or_default();
    gateway != "local"
        && !gateway.starts_with("vpce-")
        && route.origin != Some(RouteOrigin::EnableVgwRoutePropagation)
        && route.origin != Some(RouteOrigin::CreateRouteTable)
}

fn target(route: &Route) -> Option<&str> {
    route
        .gateway_id
        .as_deref()
        .or(route.nat_gateway_id.as_deref())
        .or(route.transit_gateway_id.as_deref())
        .or(route.vpc_peering_connection_id.as_deref())
        .or(route.network_interface_id.as_deref())
        .or(route.egress_only_internet_gateway_id.as_deref())
        .or(route.core_network_arn.as_deref())
}

/// Subnets of the table with the ids of their associations.
fn associations(table: &RouteTable) -> impl Iterator<Item = (&str, &str)> {
    table.associations().iter().filter_map(|association| {
        let state = association
            .association_state
            .as_ref()
            .and_then(|state| state.state.as_ref());
        let gone = state.is_some_and(|state| matches!(state.as_str(), "disassociating" | "disassociated" | "failed"));
        if gone {
            return None;
        }
        Some((
            association.subnet_id.as_deref()?,
            association.route_table_association_id.as_deref()?,
        ))
    })
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the route table";
    let wanted: Wanted = typed(&create.fields)?;
    // The token makes AWS return the table of an earlier try instead of a second one.
    let answer = retry(ec2::lag(aws), report, ec2::not_visible, async || {
        aws.ec2
            .create_route_table()
            .vpc_id(&wanted.vpc)
            .client_token(&create.owner.op)
            .tag_specifications(ec2::tag_specification(
                ResourceType::RouteTable,
                &create.owner,
                &wanted.tags,
            ))
            .send()
            .await
            .doing(doing)
    })
    .await?;
    let id = ec2::id(
        answer.route_table.and_then(|table| table.route_table_id).as_deref(),
        doing,
        "routeTableId",
    )?;
    report(Progress::Made { id: id.clone() });
    for route in &wanted.routes {
        add_route(aws, &id, route, report).await?;
    }
    for subnet in &wanted.subnets {
        associate(aws, &id, subnet, report).await?;
    }
    provider::visible(aws, doing, report, async || {
        read(aws, &[ask_created(create, &id)]).await
    })
    .await
}

async fn add_route(aws: &Aws, table: &str, route: &WantedRoute, report: Report<'_>) -> Result<()> {
    let added = retry(ec2::lag(aws), report, ec2::not_visible, async || {
        let request = aws
            .ec2
            .create_route()
            .route_table_id(table)
            .destination_cidr_block(&route.to);
        let request = if route.via.starts_with("nat-") {
            request.nat_gateway_id(&route.via)
        } else {
            request.gateway_id(&route.via)
        };
        request.send().await.doing(format!("add the route to {}", route.to))
    })
    .await;
    match added {
        Err(error) if error.is(Meaning::AlreadyExists) => replace_route(aws, table, route).await,
        other => other.map(|_| ()),
    }
}

async fn replace_route(aws: &Aws, table: &str, route: &WantedRoute) -> Result<()> {
    let request = aws
        .ec2
        .replace_route()
        .route_table_id(table)
        .destination_cidr_block(&route.to);
    let request = if route.via.starts_with("nat-") {
        request.nat_gateway_id(&route.via)
    } else {
        request.gateway_id(&route.via)
    };
    request
        .send()
        .await
        .doing(format!("change the route to {}", route.to))?;
    Ok(())
}

/// Makes the subnet use the table. One that uses another table is moved in one call, without a gap.
async fn associate(aws: &Aws, table: &str, subnet: &str, report: Report<'_>) -> Result<()> {
    let doing = format!("make {subnet} use the route table");
    let done = retry(ec2::lag(aws), report, ec2::not_visible, async || {
        aws.ec2
            .associate_route_table()
            .route_table_id(table)
            .subnet_id(subnet)
            .send()
            .await
            .doing(&doing)
    })
    .await;
    let refusal = match done {
        Ok(_) => return Ok(()),
        Err(error) if error.is(Meaning::AlreadyExists) => error,
        Err(error) => return Err(error),
    };
    let others = describe(aws, ec2::filter("association.subnet-id", [subnet])).await?;
    let present = others.iter().find_map(|other| {
        let (_, association) = associations(other).find(|(name, _)| *name == subnet)?;
        Some((other.route_table_id.as_deref()?, association))
    });
    match present {
        Some((other, _)) if other == table => Ok(()),
        Some((_, association)) => {
            let request = aws
                .ec2
                .replace_route_table_association()
                .association_id(association)
                .route_table_id(table);
            request.send().await.doing(&doing)?;
            Ok(())
        }
        None => Err(refusal),
    }
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let wanted: Wanted = typed(&update.fields)?;
    ec2::retag(aws, update, &update.id).await?;
    let tables = describe(aws, ec2::filter("route-table-id", [&update.id])).await?;
    let table = tables
        .first()
        .ok_or_else(|| incomplete("update the route table", "routeTableId"))?;
    let present: Wanted = typed(&to_live(table)?.fields)?;
    if changes(update, &["routes"]) {
        for route in wanted.routes.iter().filter(|route| !present.routes.contains(route)) {
            match present.routes.iter().any(|old| old.to == route.to) {
                true => replace_route(aws, &update.id, route).await?,
                false => add_route(aws, &update.id, route, report).await?,
            }
        }
        for old in present
            .routes
            .iter()
            .filter(|old| !wanted.routes.iter().any(|route| route.to == old.to))
        {
            let request = aws
                .ec2
                .delete_route()
                .route_table_id(&update.id)
                .destination_cidr_block(&old.to);
            accept(
                request.send().await.doing(format!("remove the route to {}", old.to)),
                Meaning::NotFound,
            )?;
        }
    }
    if changes(update, &["subnets"]) {
        let (add, remove) = set_change(&present.subnets, &wanted.subnets);
        for subnet in &add {
            associate(aws, &update.id, subnet, report).await?;
        }
        for (_, association) in associations(table).filter(|(subnet, _)| remove.iter().any(|gone| gone == subnet)) {
            disassociate(aws, association).await?;
        }
    }
    provider::one(read(aws, &[ask_updated(update)]).await?, "update the route table")
}

async fn disassociate(aws: &Aws, association: &str) -> Result<()> {
    let request = aws.ec2.disassociate_route_table().association_id(association);
    accept(
        request.send().await.doing("take a subnet off the route table"),
        Meaning::NotFound,
    )
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, report: Report<'_>) -> Result<()> {
    for table in describe(aws, ec2::filter("route-table-id", [&delete.id])).await? {
        for (_, association) in associations(&table) {
            disassociate(aws, association).await?;
        }
    }
    let in_use = |error: &lakeform_engine::CloudError| error.is(Meaning::InUse).then_some("still in use");
    retry(ec2::lag(aws), report, in_use, async || {
        let request = aws.ec2.delete_route_table().route_table_id(&delete.id);
        accept(request.send().await.doing("delete the route table"), Meaning::NotFound)
    })
    .await
}
