//! What is there to be taken over: everything in a VPC, or everything with a tag.

use crate::Aws;
use crate::ec2::filter;
use crate::error::{Pages, Result};
use crate::owned;
use crate::tagging;
use aws_sdk_ec2::types::NatGatewayState;
use lakeform_engine::Kind;

impl Aws {
    /// Returns the VPC and what stands in it, without what AWS itself made there.
    pub async fn in_vpc(&self, vpc: &str) -> Result<Vec<(Kind, String)>> {
        let doing = "look for what is in the VPC";
        let inside = || filter("vpc-id", [vpc]);
        let ec2 = &self.ec2;
        let attached = filter("attachment.vpc-id", [vpc]);
        let (vpcs, subnets, gateways, nats, tables, endpoints, groups) = futures::try_join!(
            ec2.describe_vpcs()
                .filters(inside())
                .into_paginator()
                .items()
                .send()
                .all(doing),
            ec2.describe_subnets()
                .filters(inside())
                .into_paginator()
                .items()
                .send()
                .all(doing),
            ec2.describe_internet_gateways()
                .filters(attached)
                .into_paginator()
                .items()
                .send()
                .all(doing),
            ec2.describe_nat_gateways()
                .filter(inside())
                .into_paginator()
                .items()
                .send()
                .all(doing),
            ec2.describe_route_tables()
                .filters(inside())
                .into_paginator()
                .items()
                .send()
                .all(doing),
            ec2.describe_vpc_endpoints()
                .filters(inside())
                .into_paginator()
                .items()
                .send()
                .all(doing),
            ec2.describe_security_groups()
                .filters(inside())
                .into_paginator()
                .items()
                .send()
                .all(doing),
        )?;
        let mut found = Vec::new();
        let mut add = |kind: Kind, id: Option<String>| found.extend(id.map(|id| (kind, id)));
        vpcs.into_iter().for_each(|vpc| add(Kind::Vpc, vpc.vpc_id));
        subnets
            .into_iter()
            .for_each(|subnet| add(Kind::Subnet, subnet.subnet_id));
        for gateway in gateways {
            add(Kind::InternetGateway, gateway.internet_gateway_id);
        }
        let gone = [
            Some(NatGatewayState::Deleted),
            Some(NatGatewayState::Deleting),
            Some(NatGatewayState::Failed),
        ];
        for gateway in nats.into_iter().filter(|gateway| !gone.contains(&gateway.state)) {
            add(Kind::NatGateway, gateway.nat_gateway_id);
        }
        for table in tables {
            // The main table comes and goes with the VPC.
            if !table
                .associations()
                .iter()
                .any(|association| association.main == Some(true))
            {
                add(Kind::RouteTable, table.route_table_id);
            }
        }
        endpoints
            .into_iter()
            .for_each(|endpoint| add(Kind::VpcEndpoint, endpoint.vpc_endpoint_id));
        for group in groups {
            if group.group_name.as_deref() != Some("default") {
                add(Kind::SecurityGroup, group.group_id);
            }
        }
        Ok(found)
    }

    /// Returns everything that carries the tag and is of a kind we know.
    pub async fn with_tag(&self, key: &str, value: &str) -> Result<Vec<(Kind, String)>> {
        let arns = tagging::with_tag(self, key, value)
            .await?
            .into_iter()
            .map(|(arn, _)| arn);
        let mut found = Vec::new();
        for arn in arns {
            let named = Kind::ALL
                .iter()
                .find_map(|kind| Some((*kind, owned::id_in(&arn, *kind)?)));
            // The address of a NAT gateway comes with it.
            if let Some((kind, id)) = named.filter(|(_, id)| !id.starts_with(crate::nat_gateway::ALLOCATION)) {
                found.push((kind, arn.clone(), id));
            }
        }
        owned::name_serverless(self, &mut found).await?;
        Ok(found.into_iter().map(|(kind, _, id)| (kind, id)).collect())
    }
}
