//! Rules of Redshift, provisioned and serverless.

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::kind::Kind;
use crate::stack::{Resource, Stack};
use crate::value::Value;
use std::collections::BTreeSet;

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    stack
        .of_kind(Kind::RedshiftSubnetGroup)
        .for_each(|group| subnet_group(stack, group, problems));
    stack
        .of_kind(Kind::RedshiftParameterGroup)
        .for_each(|group| parameter_group(group, problems));
    stack
        .of_kind(Kind::RedshiftCluster)
        .for_each(|cluster| self::cluster(cluster, problems));
    stack
        .of_kind(Kind::RedshiftWorkgroup)
        .for_each(|workgroup| self::workgroup(stack, workgroup, problems));
    for holder in stack
        .of_kind(Kind::RedshiftCluster)
        .chain(stack.of_kind(Kind::RedshiftNamespace))
    {
        if let Some(role) = holder.field("default_role")
            && !holder.list("roles").contains(role)
        {
            problems.push(
                Diagnostic::error(
                    "default-role-not-attached",
                    "the default role is not one of its roles",
                    holder.span_of("default_role"),
                    "not in `roles`",
                )
                .hint("add it to `roles`"),
            );
        }
    }
}

fn zones(stack: &Stack, resource: &Resource) -> BTreeSet<String> {
    stack
        .subnets_of(resource)
        .into_iter()
        .filter_map(|subnet| subnet.text("zone").map(str::to_owned))
        .collect()
}

fn subnet_group(stack: &Stack, group: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(Value::List(subnets)) = group.field("subnets") else {
        return;
    };
    if !(1..=20).contains(&subnets.len()) {
        problems.push(Diagnostic::error(
            "subnet-count",
            "a subnet group has 1 to 20 subnets",
            group.span_of("subnets"),
            format!("{} subnets", subnets.len()),
        ));
    }
    if subnets.len() == stack.subnets_of(group).len() && zones(stack, group).len() == 1 {
        problems.push(
            Diagnostic::warning(
                "one-zone",
                "all subnets are in one zone",
                group.span_of("subnets"),
                "the cluster cannot move when the zone fails",
            )
            .hint("add a subnet in another zone"),
        );
    }
}

/// Parameters that Redshift knows; the others it refuses.
const PARAMETERS: &[&str] = &[
    "auto_analyze",
    "auto_mv",
    "datestyle",
    "enable_case_sensitive_identifier",
    "enable_user_activity_logging",
    "extra_float_digits",
    "max_concurrency_scaling_clusters",
    "max_cursor_result_set_size",
    "query_group",
    "require_ssl",
    "search_path",
    "statement_timeout",
    "use_fips_ssl",
    "wlm_json_configuration",
];
const SWITCHES: &[&str] = &[
    "auto_analyze",
    "auto_mv",
    "enable_case_sensitive_identifier",
    "enable_user_activity_logging",
    "require_ssl",
    "use_fips_ssl",
];
const NUMBERS: &[&str] = &[
    "extra_float_digits",
    "max_concurrency_scaling_clusters",
    "max_cursor_result_set_size",
    "statement_timeout",
];

fn parameter_group(group: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(parameters) = group.field("parameters").and_then(Value::as_map) else {
        return;
    };
    for (name, value) in parameters {
        let place = group.span_of(&format!("parameters.{name}"));
        let Some(value) = value.as_text() else { continue };
        if !PARAMETERS.contains(&name.as_str()) {
            let mut problem = Diagnostic::error(
                "unknown-parameter",
                "Redshift has no such parameter",
                place,
                "not known",
            );
            problem.hint = did_you_mean(name, PARAMETERS.iter().copied())
                .or_else(|| Some(format!("known: {}", PARAMETERS.join(", "))));
            problems.push(problem);
            continue;
        }
        let why = if SWITCHES.contains(&name.as_str()) {
            (!matches!(value, "true" | "false")).then(|| "`true` or `false`".to_owned())
        } else if NUMBERS.contains(&name.as_str()) {
            value.parse::<i64>().is_err().then(|| "a whole number".to_owned())
        } else if name == "wlm_json_configuration" {
            wlm_fault(value)
        } else {
            None
        };
        if let Some(why) = why {
            problems.push(Diagnostic::error(
                "bad-parameter",
                "not a value of this parameter",
                place,
                format!("must be {why}"),
            ));
        }
    }
}

fn wlm_fault(text: &str) -> Option<String> {
    if text.len() > 8000 {
        return Some("at most 8000 characters".to_owned());
    }
    let Ok(serde_json::Value::Array(queues)) = serde_json::from_str(text) else {
        return Some("a JSON list of queues".to_owned());
    };
    let sum = |key: &str| queues.iter().filter_map(|queue| queue[key].as_i64()).sum::<i64>();
    if sum("query_concurrency") > 50 {
        return Some("queues with a concurrency of 50 together".to_owned());
    }
    (sum("memory_percent_to_use") > 100).then(|| "queues with 100 percent of memory together".to_owned())
}

/// The node counts that a node type takes.
fn node_counts(node_type: &str) -> Option<(i64, i64)> {
    Some(match node_type {
        "ra3.large" | "ra3.xlplus" => (1, 32),
        "ra3.4xlarge" => (2, 64),
        "ra3.16xlarge" | "dc2.8xlarge" => (2, 128),
        "dc2.large" => (1, 32),
        _ => return None,
    })
}

fn cluster(cluster: &Resource, problems: &mut Vec<Diagnostic>) {
    let node_type = cluster.text("node_type").unwrap_or_default();
    if let (Some((least, most)), Some(nodes)) = (node_counts(node_type), cluster.int("nodes"))
        && !(least..=most).contains(&nodes)
    {
        problems.push(
            Diagnostic::error(
                "node-count",
                "the node type takes another number of nodes",
                cluster.span_of("nodes"),
                format!("{node_type} takes {least} to {most}"),
            )
            .hint(format!("write nodes = {}", nodes.clamp(least, most))),
        );
    }
    if node_type.starts_with("dc2.") {
        problems.push(
            Diagnostic::warning(
                "old-node-type",
                "AWS no longer sells this node type to everybody",
                cluster.span_of("node_type"),
                "an order may be refused",
            )
            .hint("write node_type = \"ra3.large\""),
        );
    }
    let managed = !node_type.starts_with("dc2.");
    if let Some(port) = cluster.int("port")
        && managed
        && !allowed_port(port)
    {
        problems.push(bad_port(cluster, node_type));
    }
    if managed && cluster.int("snapshot_days") == Some(0) {
        problems.push(
            Diagnostic::error(
                "snapshots-needed",
                "snapshots cannot be switched off",
                cluster.span_of("snapshot_days"),
                format!("{node_type} keeps them at least a day"),
            )
            .hint("write snapshot_days = 1"),
        );
    }
    if cluster.field("encrypted") == Some(&Value::Bool(false)) {
        problems.push(
            Diagnostic::error(
                "unencrypted",
                "AWS makes no unencrypted clusters any more",
                cluster.span_of("encrypted"),
                "refused at creation",
            )
            .hint("remove the line"),
        );
    }
    if let Some(fault) = cluster.text("maintenance_window").and_then(window_fault) {
        problems.push(
            Diagnostic::error(
                "bad-window",
                "not a maintenance window",
                cluster.span_of("maintenance_window"),
                fault,
            )
            .hint("such as \"sun:03:00-sun:04:00\""),
        );
    }
}

fn allowed_port(port: i64) -> bool {
    (5431..=5455).contains(&port) || (8191..=8215).contains(&port)
}

fn bad_port(resource: &Resource, what: &str) -> Diagnostic {
    Diagnostic::error(
        "bad-port",
        "Redshift does not listen on this port",
        resource.span_of("port"),
        format!("{what} takes 5431 to 5455 and 8191 to 8215"),
    )
    .hint("write port = 5439")
}

/// `ddd:hh:mm-ddd:hh:mm`, at least half an hour.
fn window_fault(text: &str) -> Option<String> {
    const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let minute = |moment: &str| {
        let mut parts = moment.splitn(3, ':');
        let name = parts.next()?;
        let day = DAYS.iter().position(|day| name.eq_ignore_ascii_case(day))?;
        let hour: usize = parts.next()?.parse().ok().filter(|hour| *hour < 24)?;
        let minute: usize = parts.next()?.parse().ok().filter(|minute| *minute < 60)?;
        Some((day * 24 + hour) * 60 + minute)
    };
    let moments = text
        .split_once('-')
        .and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
    let Some((from, to)) = moments else {
        return Some("must have the form ddd:hh:mm-ddd:hh:mm".to_owned());
    };
    let week = 7 * 24 * 60;
    let length = (to + week - from) % week;
    (length < 30).then(|| format!("{length} minutes long; at least 30 are needed"))
}

fn workgroup(stack: &Stack, workgroup: &Resource, problems: &mut Vec<Diagnostic>) {
    if let Some(Value::List(subnets)) = workgroup.field("subnets") {
        let zones = zones(stack, workgroup).len();
        let known = stack.subnets_of(workgroup).len() == subnets.len();
        if subnets.len() < 3 || (known && zones < 3) {
            problems.push(
                Diagnostic::error(
                    "workgroup-zones",
                    "a workgroup needs three subnets in three zones",
                    workgroup.span_of("subnets"),
                    format!("{} subnets in {zones} zones", subnets.len()),
                )
                .hint("give the VPC zones = [\"a\", \"b\", \"c\"]"),
            );
        }
    }
    if let Some(port) = workgroup.int("port")
        && !allowed_port(port)
    {
        problems.push(bad_port(workgroup, "Redshift Serverless"));
    }
    let (base, most) = (workgroup.int("base_capacity"), workgroup.int("max_capacity"));
    if let Some(base) = base
        && base != 4
        && base % 8 != 0
    {
        problems.push(
            Diagnostic::error(
                "bad-capacity",
                "not a capacity",
                workgroup.span_of("base_capacity"),
                "4, or 8 to 1024 in steps of 8",
            )
            .hint(format!("write base_capacity = {}", base.div_euclid(8).max(1) * 8)),
        );
    }
    if let (Some(base), Some(most)) = (base, most)
        && most < base
    {
        problems.push(Diagnostic::error(
            "bad-capacity",
            "the most is less than the base",
            workgroup.span_of("max_capacity"),
            format!("`base_capacity` is {base}"),
        ));
    }
    if most.is_none() {
        problems.push(
            Diagnostic::warning(
                "no-capacity-limit",
                "nothing limits what this may cost",
                workgroup.span,
                "`max_capacity` is missing",
            )
            .hint("add max_capacity = 16"),
        );
    }
}
