//! Rules of addresses, zones and routes.

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::normalise::Cidr;
use crate::stack::{Resource, Stack};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    blocks(stack, problems);
    zones(stack, problems);
    let tables = tables_by_subnet(stack, problems);
    route_tables(stack, problems);
    gateways(stack, &tables, problems);
    endpoints(stack, problems);
    redshift_ways(stack, &tables, problems);
    room_for_nodes(stack, problems);
    one_network(stack, problems);
}

fn block(resource: &Resource) -> Option<Cidr> {
    resource.text("cidr")?.parse().ok()
}

fn blocks(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for resource in stack.of_kind(Kind::Vpc).chain(stack.of_kind(Kind::Subnet)) {
        if let Some(cidr) = block(resource)
            && !(16..=28).contains(&cidr.prefix)
        {
            problems.push(Diagnostic::error(
                "cidr-size",
                "AWS takes blocks from /16 to /28",
                resource.span_of("cidr"),
                format!("this is a /{}", cidr.prefix),
            ));
        }
    }
    let networks: Vec<(&Resource, Cidr)> = stack
        .of_kind(Kind::Vpc)
        .filter_map(|vpc| Some((vpc, block(vpc)?)))
        .collect();
    for (index, (vpc, cidr)) in networks.iter().enumerate() {
        let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];
        if !private
            .iter()
            .any(|private| private.parse::<Cidr>().is_ok_and(|private| private.contains(*cidr)))
        {
            problems.push(
                Diagnostic::warning(
                    "public-range",
                    "the block is not for private networks",
                    vpc.span_of("cidr"),
                    "belongs to somebody on the internet",
                )
                .hint("write a block inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"),
            );
        }
        if let Some((other, _)) = networks[..index].iter().find(|(_, other)| cidr.overlaps(*other)) {
            problems.push(
                Diagnostic::warning(
                    "vpcs-overlap",
                    "two VPCs overlap",
                    vpc.span_of("cidr"),
                    format!("overlaps `{}`; they can never be peered", other.address),
                )
                .related(other.span_of("cidr"), "the other block"),
            );
        }
        if vpc.is_on("dns_hostnames") && vpc.field("dns_support") == Some(&Value::Bool(false)) {
            problems.push(
                Diagnostic::error(
                    "dns-hostnames-need-support",
                    "DNS host names need DNS support",
                    vpc.span_of("dns_support"),
                    "switched off here",
                )
                .hint("write dns_support = true, or dns_hostnames = false"),
            );
        }
    }
    // Sorted by their beginning, overlapping blocks of one VPC stand next to each other.
    let mut by_network: BTreeMap<String, Vec<(Cidr, &Resource)>> = BTreeMap::new();
    for subnet in stack.of_kind(Kind::Subnet) {
        let (Some(cidr), Some(vpc)) = (block(subnet), subnet.field("vpc")) else {
            continue;
        };
        by_network.entry(vpc.to_text()).or_default().push((cidr, subnet));
        if let Some(network) = subnet.target("vpc").and_then(|vpc| stack.get(vpc))
            && let Some(outer) = block(network)
            && !outer.contains(cidr)
        {
            problems.push(
                Diagnostic::error(
                    "cidr-outside-vpc",
                    "the subnet lies outside its VPC",
                    subnet.span_of("cidr"),
                    format!("not inside {outer}"),
                )
                .related(network.span_of("cidr"), "the VPC's block"),
            );
        }
    }
    for mut subnets in by_network.into_values() {
        subnets.sort_by_key(|(cidr, subnet)| (*cidr, &subnet.address));
        let mut widest: Option<(Cidr, &Resource)> = None;
        for (cidr, subnet) in subnets {
            if let Some((_, other)) = widest.filter(|(outer, _)| outer.overlaps(cidr)) {
                problems.push(
                    Diagnostic::error(
                        "cidr-overlap",
                        "two subnets overlap",
                        subnet.span_of("cidr"),
                        format!("overlaps `{}`", other.address),
                    )
                    .related(other.span_of("cidr"), "the other block"),
                );
            }
            if widest.is_none_or(|(outer, _)| outer.last() < cidr.last()) {
                widest = Some((cidr, subnet));
            }
        }
    }
}

fn zones(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for subnet in stack.of_kind(Kind::Subnet) {
        let Some(zone) = subnet.text("zone") else { continue };
        let letter = zone.strip_prefix(&stack.region);
        if !letter.is_some_and(|letter| letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_lowercase())) {
            problems.push(
                Diagnostic::error(
                    "zone-outside-region",
                    "not a zone of the stack's region",
                    subnet.span_of("zone"),
                    format!("the region is `{}`", stack.region),
                )
                .hint("write the letter alone: zone = \"a\""),
            );
        }
    }
}

/// Returns the route table of each subnet.
fn tables_by_subnet<'a>(stack: &'a Stack, problems: &mut Vec<Diagnostic>) -> BTreeMap<&'a Address, &'a Resource> {
    let mut tables: BTreeMap<&Address, &Resource> = BTreeMap::new();
    for table in stack.of_kind(Kind::RouteTable) {
        for subnet in table.targets("subnets") {
            match tables.get(subnet) {
                Some(other) => problems.push(
                    Diagnostic::error(
                        "subnet-in-two-route-tables",
                        "a subnet uses one route table",
                        table.span_of("subnets"),
                        format!("`{subnet}` uses `{}`", other.address),
                    )
                    .related(other.span_of("subnets"), "the other table"),
                ),
                None => {
                    tables.insert(subnet, table);
                }
            }
        }
    }
    tables
}

fn route_tables(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for table in stack.of_kind(Kind::RouteTable) {
        let mut destinations = BTreeSet::new();
        for (index, route) in table.list("routes").iter().enumerate() {
            let Some(to) = route
                .as_map()
                .and_then(|route| route.get("to"))
                .and_then(Value::as_text)
            else {
                continue;
            };
            let place = table.span_of(&format!("routes.{index}"));
            if !destinations.insert(to) {
                problems.push(Diagnostic::error(
                    "duplicate-route",
                    "two routes have one destination",
                    place,
                    format!("`{to}` has a route already"),
                ));
            }
            let network = table.target("vpc").and_then(|vpc| stack.get(vpc)).and_then(block);
            if let (Some(network), Ok(to)) = (network, to.parse::<Cidr>())
                && network.contains(to)
            {
                problems.push(Diagnostic::error(
                    "route-inside-vpc",
                    "the route leads into the VPC itself",
                    place,
                    format!("{network} is local already"),
                ));
            }
        }
    }
}

/// Returns where a table's default route leads.
fn way_out(table: &Resource) -> Option<&Address> {
    table.list("routes").iter().find_map(|route| {
        let route = route.as_map()?;
        match (route.get("to")?.as_text()?, route.get("via")?) {
            ("0.0.0.0/0", Value::Ref(reference)) => Some(&reference.address),
            _ => None,
        }
    })
}

fn is_public(subnet: &Resource, tables: &BTreeMap<&Address, &Resource>) -> bool {
    tables
        .get(&subnet.address)
        .and_then(|table| way_out(table))
        .is_some_and(|way| way.kind == Kind::InternetGateway)
}

fn gateways(stack: &Stack, tables: &BTreeMap<&Address, &Resource>, problems: &mut Vec<Diagnostic>) {
    let mut doors: BTreeMap<&Address, &Resource> = BTreeMap::new();
    for door in stack.of_kind(Kind::InternetGateway) {
        let Some(vpc) = door.target("vpc") else { continue };
        match doors.get(vpc) {
            Some(other) => problems.push(
                Diagnostic::error(
                    "second-internet-gateway",
                    "a VPC has one internet gateway",
                    door.span_of("vpc"),
                    format!("`{vpc}` has `{}`", other.address),
                )
                .related(other.span, "the other one"),
            ),
            None => {
                doors.insert(vpc, door);
            }
        }
    }
    let hint = "route_table: routes = [{ to = \"0.0.0.0/0\", via = \"internet_gateway.…\" }] with this subnet among its `subnets`";
    for subnet in stack
        .of_kind(Kind::Subnet)
        .filter(|subnet| subnet.is_on("public_ips") && !is_public(subnet, tables))
    {
        problems.push(
            Diagnostic::error(
                "public-subnet-without-internet",
                "public addresses lead nowhere",
                subnet.span_of("public_ips"),
                "no route to an internet gateway",
            )
            .hint(hint),
        );
    }
    for nat in stack.of_kind(Kind::NatGateway) {
        let Some(subnet) = nat.target("subnet").and_then(|subnet| stack.get(subnet)) else {
            continue;
        };
        let Some(vpc) = subnet.target("vpc") else { continue };
        if !doors.contains_key(vpc) {
            problems.push(
                Diagnostic::error(
                    "nat-without-internet-gateway",
                    "a NAT gateway needs an internet gateway",
                    nat.span,
                    format!("`{vpc}` has none"),
                )
                .hint(format!("add [internet_gateway.{}] with vpc = \"{vpc}\"", vpc.name)),
            );
        } else if !is_public(subnet, tables) {
            problems.push(
                Diagnostic::error(
                    "nat-in-private-subnet",
                    "a NAT gateway stands in a public subnet",
                    nat.span_of("subnet"),
                    format!("`{}` has no route to an internet gateway", subnet.address),
                )
                .hint(hint),
            );
        }
    }
    for nat in stack.of_kind(Kind::NatGateway) {
        let used = stack
            .of_kind(Kind::RouteTable)
            .any(|table| table.needs.contains(&nat.address));
        if !used {
            problems.push(
                Diagnostic::warning(
                    "unused-nat-gateway",
                    "nothing uses the NAT gateway, and it is paid by the hour",
                    nat.span,
                    "no route leads to it",
                )
                .hint("add a route to it, or remove it: S3 alone needs only a vpc_endpoint, which is free"),
            );
        }
    }
    for warehouse in stack
        .of_kind(Kind::RedshiftCluster)
        .chain(stack.of_kind(Kind::RedshiftWorkgroup))
    {
        if !warehouse.is_on("public") {
            continue;
        }
        if let Some(subnet) = stack
            .subnets_of(warehouse)
            .into_iter()
            .find(|subnet| !is_public(subnet, tables))
        {
            problems.push(
                Diagnostic::error(
                    "public-warehouse-without-internet",
                    "nobody outside will reach it",
                    warehouse.span_of("public"),
                    format!("`{}` has no route to an internet gateway", subnet.address),
                )
                .hint("write public = false, or give its subnets such a route"),
            );
        }
    }
}

fn endpoints(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    let mut linked: BTreeMap<(&Address, Option<&str>), &Resource> = BTreeMap::new();
    for endpoint in stack.of_kind(Kind::VpcEndpoint) {
        if endpoint.list("route_tables").is_empty() {
            problems.push(Diagnostic::warning(
                "endpoint-without-route-table",
                "the endpoint serves nobody",
                endpoint.span,
                "`route_tables` is empty",
            ));
        }
        for table in endpoint.targets("route_tables") {
            match linked.get(&(table, endpoint.text("service"))) {
                Some(other) => problems.push(
                    Diagnostic::error(
                        "route-table-in-two-endpoints",
                        "a route table has one endpoint per service",
                        endpoint.span_of("route_tables"),
                        format!("`{table}` has `{}`", other.address),
                    )
                    .related(other.span_of("route_tables"), "the other one"),
                ),
                None => {
                    linked.insert((table, endpoint.text("service")), endpoint);
                }
            }
        }
    }
}

/// COPY and Spectrum with enhanced VPC routing hang when the subnets have no way to S3.
fn redshift_ways(stack: &Stack, tables: &BTreeMap<&Address, &Resource>, problems: &mut Vec<Diagnostic>) {
    let served: BTreeSet<&Address> = stack
        .of_kind(Kind::VpcEndpoint)
        .filter(|endpoint| endpoint.text("service") == Some("s3"))
        .flat_map(|endpoint| endpoint.targets("route_tables"))
        .collect();
    for warehouse in stack
        .of_kind(Kind::RedshiftCluster)
        .chain(stack.of_kind(Kind::RedshiftWorkgroup))
    {
        if !warehouse.is_on("enhanced_vpc_routing") {
            continue;
        }
        names_are_resolved(stack, warehouse, problems);
        let dear = stack.subnets_of(warehouse).into_iter().find_map(|subnet| {
            let table = tables.get(&subnet.address)?;
            let nat = way_out(table).filter(|way| way.kind == Kind::NatGateway)?;
            (!served.contains(&table.address)).then_some((table, nat))
        });
        if let Some((table, nat)) = dear {
            problems.push(
                Diagnostic::warning(
                    "s3-through-nat",
                    "everything read from S3 is paid for twice",
                    warehouse.span,
                    format!("it goes through `{nat}`, by the gigabyte"),
                )
                .hint(format!(
                    "add \"{}\" to the `route_tables` of a vpc_endpoint, which is free",
                    table.address
                )),
            );
        }
        let cut_off = stack
            .subnets_of(warehouse)
            .into_iter()
            .find(|subnet| match tables.get(&subnet.address) {
                Some(table) => !served.contains(&table.address) && way_out(table).is_none(),
                None => true,
            });
        let Some(subnet) = cut_off else { continue };
        let mut problem = Diagnostic::error(
            "redshift-without-s3",
            "Redshift cannot reach S3: COPY and Spectrum would hang",
            warehouse.span,
            format!("`{}` has neither an S3 endpoint nor another way out", subnet.address),
        );
        problem.hint = Some(match tables.get(&subnet.address) {
            Some(table) => format!("add \"{}\" to the `route_tables` of a vpc_endpoint", table.address),
            None => format!(
                "add a route_table with subnets = [\"{}\"] and a vpc_endpoint for it",
                subnet.address
            ),
        });
        problems.push(problem);
    }
}

/// Inside a VPC the names of S3 and Glue are resolved by the VPC's own resolver.
fn names_are_resolved(stack: &Stack, warehouse: &Resource, problems: &mut Vec<Diagnostic>) {
    let network = stack
        .subnets_of(warehouse)
        .into_iter()
        .find_map(|subnet| stack.get(subnet.target("vpc")?));
    let Some(network) = network else { return };
    let off = ["dns_support", "dns_hostnames"]
        .into_iter()
        .find(|field| network.field(field) == Some(&Value::Bool(false)));
    if let Some(field) = off {
        problems.push(
            Diagnostic::warning(
                "routing-needs-dns",
                "enhanced VPC routing needs the VPC's DNS",
                warehouse.span,
                format!("`{}` has it switched off", network.address),
            )
            .related(network.span_of(field), "switched off here")
            .hint(format!("write {field} = true in [{}]", network.address)),
        );
    }
}

/// AWS keeps this many addresses of every subnet.
const KEPT_ADDRESSES: u64 = 5;

/// All nodes of a cluster stand in one subnet, each with an address, and one more for their leader.
fn room_for_nodes(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for cluster in stack.of_kind(Kind::RedshiftCluster) {
        let Some(nodes) = cluster.int("nodes").and_then(|nodes| u64::try_from(nodes).ok()) else {
            continue;
        };
        let needed = if nodes > 1 { nodes + 1 } else { 1 };
        for subnet in stack.subnets_of(cluster) {
            let Some(cidr) = block(subnet) else { continue };
            let free = (1u64 << (32 - cidr.prefix)).saturating_sub(KEPT_ADDRESSES);
            if free < needed {
                problems.push(
                    Diagnostic::error(
                        "subnet-too-small",
                        "the cluster does not fit into the subnet",
                        subnet.span_of("cidr"),
                        format!("room for {free} addresses, `{}` needs {needed}", cluster.address),
                    )
                    .related(cluster.span_of("nodes"), "so many nodes")
                    .hint("a /24 leaves room to grow"),
                );
            }
        }
    }
}

/// Things that work together must be in one VPC.
fn one_network(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    let mut differ = |resource: &Resource, field: &str, other: &Resource, mine: Option<&Address>| {
        if let (Some(mine), Some(theirs)) = (mine, other.target("vpc"))
            && mine != theirs
        {
            problems.push(
                Diagnostic::error(
                    "other-vpc",
                    "these are in different VPCs",
                    resource.span_of(field),
                    format!("`{}` is in `{theirs}`, this is in `{mine}`", other.address),
                )
                .related(other.span_of("vpc"), "the other VPC"),
            );
        }
    };
    for resource in stack.resources.values() {
        let field = match resource.kind() {
            Kind::RouteTable | Kind::RedshiftSubnetGroup => "subnets",
            Kind::VpcEndpoint => "route_tables",
            Kind::RedshiftCluster | Kind::RedshiftWorkgroup => "security_groups",
            _ => continue,
        };
        let subnets = stack.subnets_of(resource);
        let mine = resource
            .target("vpc")
            .or_else(|| subnets.first().and_then(|subnet| subnet.target("vpc")));
        for other in stack.referred(resource, field) {
            differ(resource, field, other, mine);
        }
        if resource.kind() == Kind::RedshiftWorkgroup {
            subnets
                .iter()
                .for_each(|subnet| differ(resource, "subnets", subnet, mine));
        }
    }
    for group in stack.of_kind(Kind::SecurityGroup) {
        for direction in ["ingress", "egress"] {
            for (index, rule) in group.list(direction).iter().enumerate() {
                if let Some(Value::Ref(reference)) = rule.as_map().and_then(|rule| rule.get("group"))
                    && let Some(other) = stack.get(&reference.address)
                {
                    differ(group, &format!("{direction}.{index}"), other, group.target("vpc"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
