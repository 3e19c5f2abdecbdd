//! `zones` and `tiers` of a VPC: subnets in every zone, with the routes each tier needs.
//!
//! A tier's block is always cut into four (eight for more than four zones), so that adding a zone later moves nothing.

use crate::address::Address;
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::kind::Kind;
use crate::normalise::Cidr;
use crate::parse::{Entry, Item, Node, Table};
use std::collections::BTreeMap;

type Resources = Vec<(Address, Span, Table)>;

/// `vpc.main.private` by the subnets it stands for.
pub type Tiers = BTreeMap<String, Vec<Address>>;

const OPTIONS: &[&str] = &["cidr", "internet", "nat", "s3_endpoint"];

/// Replaces `zones` and `tiers` by resources of their own.
pub fn expand(resources: &mut Resources, known: &BTreeMap<String, Item>, problems: &mut Vec<Diagnostic>) -> Tiers {
    let mut tiers = Tiers::new();
    let mut made: Resources = Vec::new();
    for (address, _, table) in resources.iter_mut().filter(|(address, ..)| address.kind == Kind::Vpc) {
        let zones = table.take("zones");
        let Some(Entry { node, key_span, .. }) = table.take("tiers") else {
            if let Some(zones) = zones {
                problems.push(
                    Diagnostic::error(
                        "zones-without-tiers",
                        "`zones` says where tiers go",
                        zones.key_span,
                        "there are no tiers",
                    )
                    .hint("add [vpc.….tiers] or remove `zones`"),
                );
            }
            continue;
        };
        let Item::Table(wanted) = node.item else {
            problems.push(Diagnostic::error(
                "wrong-type",
                "`tiers` must be a table",
                node.span,
                node.type_name(),
            ));
            continue;
        };
        let zones: Vec<(String, Span)> = match zones.map(|entry| entry.node.item) {
            Some(Item::Array(nodes)) => nodes
                .iter()
                .filter_map(|node| Some((node.as_text()?.to_owned(), node.span)))
                .collect(),
            _ => {
                problems.push(
                    Diagnostic::error("missing-field", "tiers need `zones`", key_span, "in which zones?")
                        .hint("add zones = [\"a\", \"b\"]"),
                );
                continue;
            }
        };
        let region = match known.get("stack.region") {
            Some(Item::Text(region)) => region.as_str(),
            _ => "us-east-1",
        };
        let network = Network {
            vpc: address.clone(),
            zones,
            region,
        };
        network.tiers(wanted, &mut made, &mut tiers, problems);
    }
    for (address, span, table) in made {
        match resources.iter().find(|(present, ..)| *present == address) {
            Some((_, present, _)) => problems.push(
                Diagnostic::error(
                    "duplicate-resource",
                    "a tier makes a resource of this name",
                    *present,
                    "named by hand here",
                )
                .related(span, "made by this tier"),
            ),
            None => resources.push((address, span, table)),
        }
    }
    tiers
}

struct Network<'a> {
    vpc: Address,
    zones: Vec<(String, Span)>,
    region: &'a str,
}

impl Network<'_> {
    fn tiers(&self, wanted: Table, made: &mut Resources, tiers: &mut Tiers, problems: &mut Vec<Diagnostic>) {
        let mut internet: Option<Span> = None;
        let mut endpoint_tables: Vec<Node> = Vec::new();
        let mut first_public: Option<Address> = None;
        let mut nat: Option<Span> = None;
        for Entry {
            key: tier,
            key_span,
            node,
        } in wanted.entries
        {
            let Item::Table(options) = node.item else {
                problems.push(Diagnostic::error(
                    "wrong-type",
                    "a tier is a table",
                    node.span,
                    node.type_name(),
                ));
                continue;
            };
            for unknown in options
                .entries
                .iter()
                .filter(|entry| !OPTIONS.contains(&entry.key.as_str()))
            {
                let mut problem = Diagnostic::error(
                    "unknown-key",
                    "a tier has no such option",
                    unknown.key_span,
                    "not known",
                );
                problem.hint = did_you_mean(&unknown.key, OPTIONS.iter().copied());
                problems.push(problem);
            }
            let on = |name: &str| {
                matches!(
                    options.get(name),
                    Some(Node {
                        item: Item::Bool(true),
                        ..
                    })
                )
            };
            let Some(cidr_node) = options.get("cidr") else {
                problems.push(
                    Diagnostic::error("missing-field", "a tier needs `cidr`", key_span, "which block?")
                        .hint("a block inside the VPC's, such as \"10.0.16.0/20\""),
                );
                continue;
            };
            let block = cidr_node.as_text().and_then(|text| text.parse::<Cidr>().ok());
            let Some(block) = block else {
                problems.push(Diagnostic::error(
                    "bad-cidr",
                    "not an IPv4 block",
                    cidr_node.span,
                    "such as \"10.0.16.0/20\"",
                ));
                continue;
            };
            if on("internet") && on("nat") {
                problems.push(
                    Diagnostic::error(
                        "bad-value",
                        "a tier has one way out",
                        key_span,
                        "`internet` and `nat` are both on",
                    )
                    .hint("take `nat` off: what is in this tier has public addresses and goes out by itself"),
                );
            }
            let bits = if self.zones.len() <= 4 { 2 } else { 3 };
            let mut subnets = Vec::new();
            for (index, (zone, span)) in self.zones.iter().enumerate() {
                let Some(part) = block.part(bits, index as u32) else {
                    problems.push(Diagnostic::error(
                        "bad-cidr",
                        "the tier's block is too small for its zones",
                        cidr_node.span,
                        "at most /26 for four zones",
                    ));
                    break;
                };
                let letter = zone.strip_prefix(self.region).unwrap_or(zone);
                let subnet = Address::new(Kind::Subnet, format!("{}_{tier}_{letter}", self.vpc.name));
                let mut table = Table::default();
                put(&mut table, "vpc", Item::Text(self.vpc.to_string()), key_span);
                put(&mut table, "cidr", Item::Text(part.to_string()), cidr_node.span);
                put(&mut table, "zone", Item::Text(zone.clone()), *span);
                if on("internet") {
                    put(&mut table, "public_ips", Item::Bool(true), key_span);
                }
                made.push((subnet.clone(), key_span, table));
                subnets.push(subnet);
            }
            let mut table = Table::default();
            put(&mut table, "vpc", Item::Text(self.vpc.to_string()), key_span);
            put(&mut table, "subnets", list(&subnets, key_span), key_span);
            let gateway = if on("internet") {
                internet.get_or_insert(key_span);
                first_public = first_public.or_else(|| subnets.first().cloned());
                Some(Address::new(Kind::InternetGateway, &self.vpc.name))
            } else if on("nat") {
                nat.get_or_insert(key_span);
                Some(Address::new(Kind::NatGateway, &self.vpc.name))
            } else {
                None
            };
            if let Some(gateway) = gateway {
                let mut route = Table::default();
                put(&mut route, "to", Item::Text("0.0.0.0/0".into()), key_span);
                put(&mut route, "via", Item::Text(gateway.to_string()), key_span);
                let routes = vec![Node {
                    span: key_span,
                    item: Item::Table(route),
                }];
                put(&mut table, "routes", Item::Array(routes), key_span);
            }
            let routes = Address::new(Kind::RouteTable, format!("{}_{tier}", self.vpc.name));
            if on("s3_endpoint") {
                endpoint_tables.push(Node::text(routes.to_string(), key_span));
            }
            made.push((routes, key_span, table));
            tiers.insert(format!("{}.{tier}", self.vpc), subnets);
        }
        if let Some(span) = internet {
            let mut table = Table::default();
            put(&mut table, "vpc", Item::Text(self.vpc.to_string()), span);
            made.push((Address::new(Kind::InternetGateway, &self.vpc.name), span, table));
        }
        if let Some(span) = nat {
            match first_public {
                Some(subnet) => {
                    let mut table = Table::default();
                    put(&mut table, "subnet", Item::Text(subnet.to_string()), span);
                    made.push((Address::new(Kind::NatGateway, &self.vpc.name), span, table));
                }
                None => problems.push(
                    Diagnostic::error(
                        "nat-without-public-tier",
                        "a NAT gateway stands in a public subnet",
                        span,
                        "there is no tier with `internet = true`",
                    )
                    .hint("add a tier such as public = { cidr = \"…\", internet = true }"),
                ),
            }
        }
        if let Some(span) = endpoint_tables.first().map(|node| node.span) {
            let mut table = Table::default();
            put(&mut table, "vpc", Item::Text(self.vpc.to_string()), span);
            put(&mut table, "route_tables", Item::Array(endpoint_tables), span);
            made.push((
                Address::new(Kind::VpcEndpoint, format!("{}_s3", self.vpc.name)),
                span,
                table,
            ));
        }
    }
}

/// Puts the subnets of a tier wherever `vpc.name.tier` is written.
pub fn replace_references(resources: &mut Resources, tiers: &Tiers) {
    for (_, _, table) in resources.iter_mut() {
        for entry in &mut table.entries {
            match &mut entry.node.item {
                Item::Array(nodes) => {
                    let written = std::mem::take(nodes);
                    *nodes = written
                        .into_iter()
                        .flat_map(|node| match node.as_text().and_then(|text| tiers.get(text)) {
                            Some(subnets) => subnets
                                .iter()
                                .map(|subnet| Node::text(subnet.to_string(), node.span))
                                .collect(),
                            None => vec![node],
                        })
                        .collect();
                }
                Item::Text(text) => {
                    if let Some(subnets) = tiers.get(text.as_str()) {
                        entry.node.item = list(subnets, entry.node.span);
                    }
                }
                _ => {}
            }
        }
    }
}

fn list(addresses: &[Address], span: Span) -> Item {
    Item::Array(
        addresses
            .iter()
            .map(|address| Node::text(address.to_string(), span))
            .collect(),
    )
}

fn put(table: &mut Table, key: &str, item: Item, span: Span) {
    table.put(Entry {
        key: key.to_owned(),
        key_span: span,
        node: Node { span, item },
    });
}
