//! Who holds an object that AWS refuses to delete. Asked once, on the first refusal, instead of trying blindly for
//! twenty minutes.

use crate::Aws;
use crate::connection::Pace;
use crate::ec2::filter;
use crate::error::{Doing, Pages, Result, Says};
use aws_sdk_ec2::types::{Filter, NetworkInterface};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Progress, Report};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What is to be deleted.
#[derive(Clone, Copy)]
pub(crate) enum Held<'a> {
    Vpc(&'a str),
    /// The way of a VPC to the internet, which only public addresses hold.
    Gateway(&'a str),
    Subnet(&'a str),
    Group(&'a str),
}

impl Held<'_> {
    fn interfaces(self) -> Filter {
        match self {
            Held::Vpc(id) | Held::Gateway(id) => filter("vpc-id", [id]),
            Held::Subnet(id) => filter("subnet-id", [id]),
            Held::Group(id) => filter("group-id", [id]),
        }
    }
}

/// Deletes, and on a dependency finds out who holds it. Waits only for holders that AWS itself is taking away, and as
/// long as there is something new to see.
pub(crate) async fn delete_blocked(
    aws: &Aws,
    held: Held<'_>,
    report: Report<'_>,
    delete: impl AsyncFn() -> Result<()>,
) -> Result<()> {
    let start = Instant::now();
    let mut seen: (Instant, Vec<String>) = (start, Vec::new());
    loop {
        let refusal = match delete().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is(Meaning::InUse) => error,
            Err(error) => return Err(error),
        };
        let holders = holders(aws, held).await?;
        let patience = holders.iter().map(|holder| holder.drains).max().flatten();
        // What was deleted a moment ago may still count, with nobody to name.
        let patience = match (holders.is_empty(), aws.connection.pace) {
            (true, Pace::Quick) => Some(Duration::from_millis(500)),
            (true, Pace::Aws) => Some(Duration::from_secs(60)),
            (false, Pace::Quick) => patience.map(|_| Duration::from_secs(3)),
            (false, Pace::Aws) => patience,
        };
        let stays = holders.iter().any(|holder| holder.drains.is_none());
        let names: Vec<String> = holders.into_iter().map(|holder| holder.words).collect();
        if names != seen.1 {
            seen = (Instant::now(), names);
        }
        let (since, names) = &seen;
        if stays || patience.is_none_or(|limit| since.elapsed() > limit) {
            return Err(explain(refusal, names));
        }
        report(Progress::State(match names.first() {
            Some(name) => format!("held by {name}, {} s", start.elapsed().as_secs()),
            None => "still in use".to_owned(),
        }));
        sleep(match aws.connection.pace {
            Pace::Quick => Duration::from_millis(250),
            Pace::Aws => Duration::from_secs(5),
        })
        .await;
    }
}

fn explain(mut refusal: CloudError, names: &[String]) -> CloudError {
    for name in names.iter().take(10) {
        refusal.hints.push(format!("held by {name}"));
    }
    if names.len() > 10 {
        refusal.hints.push(format!("and by {} more", names.len() - 10));
    }
    refusal
}

struct Holder {
    words: String,
    /// How long AWS may take to remove it by itself; `None` when somebody must act.
    drains: Option<Duration>,
}

impl Holder {
    fn stays(words: String) -> Self {
        Self { words, drains: None }
    }
}

async fn holders(aws: &Aws, held: Held<'_>) -> Result<Vec<Holder>> {
    let interfaces = aws
        .ec2
        .describe_network_interfaces()
        .filters(held.interfaces())
        .into_paginator()
        .page_size(1000)
        .items()
        .send()
        .all("find out who holds it")
        .await?;
    let public_only = matches!(held, Held::Gateway(_));
    let holding = |interface: &&NetworkInterface| !public_only || interface.association.is_some();
    let mut holders: Vec<Holder> = interfaces.iter().filter(holding).map(interface).collect();
    if holders.is_empty() {
        match held {
            Held::Vpc(id) => vpc_parts(aws, id, &mut holders).await?,
            Held::Gateway(_) => {}
            Held::Group(id) => group_mentions(aws, id, &mut holders).await?,
            Held::Subnet(id) => subnet_parts(aws, id, &mut holders).await?,
        }
    }
    Ok(holders)
}

/// Names the owner of an interface from what AWS writes into its description.
fn interface(interface: &NetworkInterface) -> Holder {
    let id = interface.network_interface_id.as_deref().unwrap_or("an interface");
    let description = interface.description.as_deref().unwrap_or_default();
    let requester = interface.requester_id.as_deref().unwrap_or_default();
    let kind = interface
        .interface_type
        .as_ref()
        .map(|kind| kind.as_str())
        .unwrap_or_default();
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    let (owner, drains) = if description.starts_with("RedshiftNetworkInterface") || requester.contains("redshift") {
        ("a Redshift cluster or workgroup", minutes(10))
    } else if description.starts_with("AWS Lambda VPC ENI") || kind == "lambda" {
        ("a Lambda function", minutes(25))
    } else if kind == "nat_gateway" || kind == "natGateway" || description.starts_with("Interface for NAT Gateway") {
        ("a NAT gateway", minutes(5))
    } else if kind.contains("endpoint") || description.starts_with("VPC Endpoint Interface") {
        ("a VPC endpoint", minutes(5))
    } else if description.starts_with("Attached to Glue using role") {
        ("a Glue connection", minutes(10))
    } else if description.starts_with("arn:aws:ecs:") {
        ("an ECS task", minutes(20))
    } else if interface.requester_managed == Some(true) {
        ("an AWS service", minutes(10))
    } else {
        ("somebody", None)
    };
    let words = if description.is_empty() {
        format!("{id}, which belongs to {owner}")
    } else {
        format!("{id}, which belongs to {owner} ({description})")
    };
    Holder { words, drains }
}

async fn vpc_parts(aws: &Aws, vpc: &str, holders: &mut Vec<Holder>) -> Result<()> {
    let doing = "find out what is left in the VPC";
    let subnets = aws
        .ec2
        .describe_subnets()
        .filters(filter("vpc-id", [vpc]))
        .send()
        .await
        .doing(doing)?;
    for subnet in subnets.subnets() {
        holders.push(Holder::stays(format!(
            "subnet {}",
            subnet.subnet_id.as_deref().unwrap_or_default()
        )));
    }
    let gateways = aws
        .ec2
        .describe_internet_gateways()
        .filters(filter("attachment.vpc-id", [vpc]))
        .send()
        .await
        .doing(doing)?;
    for gateway in gateways.internet_gateways() {
        holders.push(Holder::stays(format!(
            "internet gateway {}",
            gateway.internet_gateway_id.as_deref().unwrap_or_default()
        )));
    }
    let endpoints = aws
        .ec2
        .describe_vpc_endpoints()
        .filters(filter("vpc-id", [vpc]))
        .send()
        .await
        .doing(doing)?;
    for endpoint in endpoints.vpc_endpoints() {
        let state = endpoint
            .state
            .as_ref()
            .map(|state| state.as_str().to_ascii_lowercase())
            .unwrap_or_default();
        let words = format!(
            "VPC endpoint {} ({state})",
            endpoint.vpc_endpoint_id.as_deref().unwrap_or_default()
        );
        let drains = (state == "deleting").then(|| Duration::from_secs(300));
        holders.push(Holder { words, drains });
    }
    let groups = aws
        .ec2
        .describe_security_groups()
        .filters(filter("vpc-id", [vpc]))
        .send()
        .await
        .doing(doing)?;
    for group in groups
        .security_groups()
        .iter()
        .filter(|group| group.group_name.as_deref() != Some("default"))
    {
        holders.push(Holder::stays(format!(
            "security group {} ({})",
            group.group_id.as_deref().unwrap_or_default(),
            group.group_name.as_deref().unwrap_or_default()
        )));
    }
    let tables = aws
        .ec2
        .describe_route_tables()
        .filters(filter("vpc-id", [vpc]))
        .send()
        .await
        .doing(doing)?;
    for table in tables
        .route_tables()
        .iter()
        .filter(|table| !table.associations().iter().any(|a| a.main == Some(true)))
    {
        holders.push(Holder::stays(format!(
            "route table {}",
            table.route_table_id.as_deref().unwrap_or_default()
        )));
    }
    Ok(())
}

async fn subnet_parts(aws: &Aws, subnet: &str, holders: &mut Vec<Holder>) -> Result<()> {
    let answer = aws
        .ec2
        .describe_nat_gateways()
        .filter(filter("subnet-id", [subnet]))
        .filter(filter("state", ["pending", "available", "deleting"]))
        .send()
        .await
        .doing("find out what is left in the subnet")?;
    for gateway in answer.nat_gateways() {
        let deleting = gateway.state.as_ref().is_some_and(|state| state.as_str() == "deleting");
        holders.push(Holder {
            words: format!("NAT gateway {}", gateway.nat_gateway_id.as_deref().unwrap_or_default()),
            drains: deleting.then(|| Duration::from_secs(300)),
        });
    }
    Ok(())
}

/// Rules of other groups that name this one.
async fn group_mentions(aws: &Aws, group: &str, holders: &mut Vec<Holder>) -> Result<()> {
    let doing = "find out which groups mention it";
    for name in ["ip-permission.group-id", "egress.ip-permission.group-id"] {
        let answer = aws
            .ec2
            .describe_security_groups()
            .filters(filter(name, [group]))
            .send()
            .await
            .doing(doing)?;
        for other in answer
            .security_groups()
            .iter()
            .filter(|other| other.group_id.as_deref() != Some(group))
        {
            holders.push(Holder::stays(format!(
                "a rule of security group {} ({})",
                other.group_id.as_deref().unwrap_or_default(),
                other.group_name.as_deref().unwrap_or_default()
            )));
        }
    }
    Ok(())
}
