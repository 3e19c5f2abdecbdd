//! Rules of security groups.

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::stack::{Resource, Stack};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many rules AWS takes per direction unless asked for more.
const MOST_RULES: usize = 60;

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    let ports = warehouse_ports(stack);
    let used: BTreeSet<&Address> = stack
        .resources
        .values()
        .flat_map(|resource| resource.needs.iter())
        .filter(|need| need.kind == Kind::SecurityGroup)
        .collect();
    for group in stack.of_kind(Kind::SecurityGroup) {
        for direction in ["ingress", "egress"] {
            rules(group, direction, problems);
        }
        open_to_world(group, ports.get(&group.address), problems);
        if !used.contains(&group.address) {
            problems.push(
                Diagnostic::warning(
                    "unused-security-group",
                    "nothing uses this group",
                    group.span,
                    "in nobody's `security_groups`",
                )
                .hint("name it in `security_groups` of a cluster, or remove it"),
            );
        }
    }
}

/// Returns the Redshift ports behind each group.
fn warehouse_ports(stack: &Stack) -> BTreeMap<&Address, BTreeSet<i64>> {
    let mut ports: BTreeMap<&Address, BTreeSet<i64>> = BTreeMap::new();
    for warehouse in stack
        .of_kind(Kind::RedshiftCluster)
        .chain(stack.of_kind(Kind::RedshiftWorkgroup))
    {
        for group in warehouse.targets("security_groups") {
            ports.entry(group).or_default().extend(warehouse.int("port"));
        }
    }
    ports
}

/// Returns the first and last port of a rule; everything when it names none.
fn range(rule: &BTreeMap<String, Value>) -> Option<(i64, i64)> {
    if let Some(port) = rule.get("port").and_then(Value::as_int) {
        return Some((port, port));
    }
    match rule.get("ports").and_then(Value::as_text) {
        Some(text) => {
            let (from, to) = text.split_once('-')?;
            let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            (0 <= from && from <= to && to <= 65535).then_some((from, to))
        }
        None => Some((0, 65535)),
    }
}

fn rules(group: &Resource, direction: &str, problems: &mut Vec<Diagnostic>) {
    let rules = group.list(direction);
    if rules.len() > MOST_RULES {
        problems.push(Diagnostic::error(
            "too-many-rules",
            "too many rules",
            group.span_of(direction),
            format!("{} rules; AWS takes {MOST_RULES}", rules.len()),
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let Some(map) = rule.as_map() else { continue };
        let place = group.span_of(&format!("{direction}.{index}"));
        let itself = map.get("itself") == Some(&Value::Bool(true));
        let named = ["cidr", "cidr_ipv6", "prefix_list", "group"].iter();
        let peers = named.filter(|name| map.contains_key(**name)).count() + usize::from(itself);
        if peers != 1 {
            problems.push(
                Diagnostic::error(
                    "rule-peer",
                    "a rule names exactly one other side",
                    place,
                    format!("{peers} are named"),
                )
                .hint("one of cidr = \"10.0.0.0/16\", cidr_ipv6, prefix_list, group = \"security_group.…\", itself = true"),
            );
        }
        if let Some(Value::Ref(reference)) = map.get("group")
            && reference.address == group.address
        {
            problems.push(
                Diagnostic::error(
                    "rule-peer",
                    "the group refers to itself by name",
                    place,
                    "this is a circle",
                )
                .hint("write itself = true"),
            );
        }
        let both = map.contains_key("port") && map.contains_key("ports");
        let named = map.contains_key("port") || map.contains_key("ports");
        let why = match map.get("protocol").and_then(Value::as_text) {
            _ if both => Some("`port` and `ports` exclude each other".to_owned()),
            Some(protocol @ ("all" | "icmp")) if named => Some(format!("`{protocol}` has no ports")),
            Some(protocol @ ("tcp" | "udp")) if !named => Some(format!("which ports of `{protocol}`?")),
            _ if range(map).is_none() => Some("`ports` has the form \"from-to\", 0 to 65535".to_owned()),
            _ => None,
        };
        if let Some(why) = why {
            problems.push(
                Diagnostic::error("rule-ports", "the ports of the rule do not fit", place, why)
                    .hint("port = 5439, or ports = \"5431-5455\"; none for `all` and `icmp`"),
            );
        }
        let mut key = map.clone();
        key.remove("description");
        if !seen.insert(Value::Map(key).to_json().to_string()) {
            problems.push(Diagnostic::error(
                "duplicate-rule",
                "the rule stands here twice",
                place,
                "AWS refuses the second one",
            ));
        }
    }
}

fn open_to_world(group: &Resource, ports: Option<&BTreeSet<i64>>, problems: &mut Vec<Diagnostic>) {
    if group.is_on("allow_public") {
        return;
    }
    let usual = BTreeSet::from([5439]);
    let ports = ports.unwrap_or(&usual);
    for (index, rule) in group.list("ingress").iter().enumerate() {
        let Some(map) = rule.as_map() else { continue };
        let is = |name: &str, block: &str| map.get(name).and_then(Value::as_text) == Some(block);
        let world = is("cidr", "0.0.0.0/0") || is("cidr_ipv6", "::/0");
        let reached = range(map).and_then(|(from, to)| ports.iter().find(|port| (from..=to).contains(*port)));
        if let (true, Some(port)) = (world, reached) {
            problems.push(
                Diagnostic::error("open-to-world", "the Redshift port is open to the whole internet", group.span_of(&format!("ingress.{index}")), format!("anybody may try passwords on port {port}"))
                    .hint("write your own addresses, such as cidr = \"203.0.113.7/32\"; or allow_public = true if you mean it"),
            );
        }
    }
}
