//! A parsed file to a checked [`Stack`], with every problem of the file in one list.

mod fields;
mod hidden;

pub(crate) use fields::plain_default as default_of_type;

use crate::address::Address;
use crate::diagnostic::{Diagnostic, Severity, Span, did_you_mean};
use crate::expand::{self, Expanded, Outside};
use crate::graph;
use crate::parse::{self, Item, Node, Table};
use crate::rules;
use crate::schema::Need;
use crate::stack::{Place, Resource, Stack};
use crate::value::{Fields, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What check found: the stack when there is no error, and everything there is to say about the file.
pub struct Checked {
    pub stack: Option<Stack>,
    pub problems: Vec<Diagnostic>,
}

/// Checks the text of a stack file. Reads nothing but its arguments.
pub fn check(text: &str, outside: &Outside<'_>) -> Checked {
    let (table, syntax) = parse::parse(text);
    let expanded = expand::expand(table, outside);
    let mut problems = syntax;
    let stack = assemble(expanded, outside, &mut problems);
    let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
    if !broken || stack.resources.values().any(|resource| !resource.fields.is_empty()) {
        rules::check(&stack, &mut problems);
    }
    // What the parser put in place of what it could not read is no mistake of its own.
    let unread: Vec<usize> = problems
        .iter()
        .filter(|problem| problem.code == "toml-syntax")
        .map(|problem| problem.span.start)
        .collect();
    problems.retain(|problem| problem.code == "toml-syntax" || !unread.contains(&problem.span.start));
    problems.sort_by(|a, b| (a.span, a.code, &a.label).cmp(&(b.span, b.code, &b.label)));
    problems.dedup();
    let broken = problems.iter().any(|problem| problem.severity == Severity::Error);
    Checked {
        stack: (!broken).then_some(stack),
        problems,
    }
}

/// Returns the environments that a file has overlays for.
pub fn environments(text: &str) -> Vec<String> {
    let (table, _) = parse::parse(text);
    let envs = table.get("env").and_then(Node::as_table);
    envs.into_iter().flat_map(Table::keys).map(str::to_owned).collect()
}

const META: &[&str] = &["depends_on", "protect", "tags"];
const STACK_KEYS: &[&str] = &["name", "region", "cloud", "account", "endpoint", "state", "tags"];

fn assemble(expanded: Expanded, outside: &Outside<'_>, problems: &mut Vec<Diagnostic>) -> Stack {
    let Expanded {
        stack: head,
        stack_span,
        resources,
        moved,
        removed,
        problems: found,
    } = expanded;
    problems.extend(found);
    let mut stack = read_head(&head, stack_span, outside, problems);
    let declared: BTreeMap<Address, Span> = resources
        .iter()
        .map(|(address, span, _)| (address.clone(), *span))
        .collect();
    for (address, span, table) in resources {
        let resource = read_resource(address, span, &table, &stack, &declared, problems);
        stack.resources.insert(resource.address.clone(), resource);
    }
    for resource in stack.resources.values() {
        check_references(resource, &declared, problems);
    }
    hidden::add(&mut stack);
    if let Some(cycle) = graph::cycle(&stack) {
        let first = &stack.resources[&cycle[0]];
        let path = cycle
            .iter()
            .chain(cycle.first())
            .map(Address::to_string)
            .collect::<Vec<_>>()
            .join(" → ");
        problems.push(
            Diagnostic::error("cycle", "resources need each other in a circle", first.span, path)
                .hint("remove one of these references"),
        );
    }
    read_moves(&moved, removed, &mut stack, problems);
    stack
}

fn read_head(head: &Table, span: Span, outside: &Outside<'_>, problems: &mut Vec<Diagnostic>) -> Stack {
    for entry in head
        .entries
        .iter()
        .filter(|entry| !STACK_KEYS.contains(&entry.key.as_str()))
    {
        let mut problem = Diagnostic::error("unknown-key", "`[stack]` has no such key", entry.key_span, "not known");
        problem.hint = match entry.key.as_str() {
            "removed" => Some("`removed = […]` stands above the first table of the file".to_owned()),
            key => did_you_mean(key, STACK_KEYS.iter().copied()),
        };
        problems.push(problem);
    }
    let mut text = |key: &str| match head.get(key) {
        Some(Node {
            item: Item::Text(text), ..
        }) => Some(text.clone()),
        Some(node) => {
            problems.push(Diagnostic::error(
                "wrong-type",
                "must be a text",
                node.span,
                node.type_name(),
            ));
            None
        }
        None => None,
    };
    let (name, region, cloud, account) = (text("name"), text("region"), text("cloud"), text("account"));
    let (endpoint, state) = (text("endpoint"), text("state"));
    let name = match name {
        Some(name) => {
            let fits = name.len() <= 32
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                && !name.ends_with('-')
                && !name.contains("--");
            if !fits {
                let place = head.get("name").map_or(span, |node| node.span);
                problems.push(
                    Diagnostic::error(
                        "bad-stack-name",
                        "the stack's name cannot be used",
                        place,
                        "it becomes part of AWS names",
                    )
                    .hint("lower-case letters, digits and single hyphens, at most 32, beginning with a letter"),
                );
            }
            name
        }
        None => {
            if span != Span::default() {
                problems.push(
                    Diagnostic::error("missing-field", "the stack needs a name", span, "`name` is missing")
                        .hint("add name = \"my-lakehouse\""),
                );
            }
            "unnamed".to_owned()
        }
    };
    let place = match (cloud.as_deref(), account) {
        (None | Some("local"), _) => Place::Local,
        (Some("aws"), Some(account)) => {
            if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
                let place = head.get("account").map_or(span, |node| node.span);
                problems.push(Diagnostic::error(
                    "bad-account",
                    "not an AWS account id",
                    place,
                    "twelve digits",
                ));
            }
            Place::Aws {
                account,
                endpoint: None,
            }
        }
        (Some("aws"), None) => {
            let place = head.get("cloud").map_or(span, |node| node.span);
            problems.push(
                Diagnostic::error(
                    "missing-account",
                    "a stack on AWS names its account",
                    place,
                    "which account?",
                )
                .hint("add account = \"123456789012\": with any other credentials lakeform refuses to run"),
            );
            Place::Local
        }
        (Some(_), _) => {
            let place = head.get("cloud").map_or(span, |node| node.span);
            problems.push(Diagnostic::error("bad-value", "not a cloud", place, "`local` or `aws`"));
            Place::Local
        }
    };
    let place = match (place, endpoint) {
        (Place::Aws { account, .. }, endpoint) => Place::Aws { account, endpoint },
        (Place::Local, _) => Place::Local,
    };
    if let Some(node) = head.get("endpoint")
        && let Some(text) = node.as_text()
        && !is_endpoint(text)
    {
        problems.push(
            Diagnostic::error("bad-value", "not an endpoint", node.span, "a URL without a path")
                .hint("write endpoint = \"http://127.0.0.1:4566\""),
        );
    }
    if let Some(node) = head.get("state")
        && let Some(text) = node.as_text()
        && !is_state_place(text)
    {
        problems.push(
            Diagnostic::error(
                "bad-value",
                "not a place for the state",
                node.span,
                "a bucket and a prefix",
            )
            .hint("write state = \"s3://team-state/lakeform\"; without it the state is in a folder"),
        );
    }
    let mut tags = BTreeMap::new();
    if let Some(node) = head.get("tags") {
        match &node.item {
            Item::Table(table) => {
                for entry in &table.entries {
                    match entry.node.as_text() {
                        Some(value) => {
                            tags.insert(entry.key.clone(), value.to_owned());
                        }
                        None => problems.push(Diagnostic::error(
                            "wrong-type",
                            "a tag is a text",
                            entry.node.span,
                            entry.node.type_name(),
                        )),
                    }
                }
            }
            _ => problems.push(Diagnostic::error(
                "wrong-type",
                "`tags` must be a table",
                node.span,
                node.type_name(),
            )),
        }
    }
    Stack {
        name,
        env: outside.env.map(str::to_owned),
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        place,
        state,
        tags,
        resources: BTreeMap::new(),
        moved: BTreeMap::new(),
        removed: BTreeSet::new(),
    }
}

/// Whether a text is `http://host`, with or without a port, or the same with `https`.
fn is_endpoint(text: &str) -> bool {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    host.is_some_and(|host| {
        let host = host.strip_suffix('/').unwrap_or(host);
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c))
    })
}

/// Whether a text is `s3://bucket` or `s3://bucket/prefix`.
fn is_state_place(text: &str) -> bool {
    text.strip_prefix("s3://").is_some_and(|rest| {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        (3..=63).contains(&bucket.len())
            && bucket.chars().all(fits)
            && !prefix.contains("//")
            && !prefix.starts_with('/')
    })
}

fn read_resource(
    address: Address,
    span: Span,
    table: &Table,
    stack: &Stack,
    declared: &BTreeMap<Address, Span>,
    problems: &mut Vec<Diagnostic>,
) -> Resource {
    let schema = address.kind.schema();
    let mut fields = Fields::new();
    let mut field_spans = BTreeMap::new();
    let mut needs = BTreeSet::new();
    let mut protect = false;
    let mut reader = fields::Reader { declared, problems };
    for entry in &table.entries {
        places(&entry.key, &entry.node, &mut field_spans);
        match (schema.field(&entry.key), entry.key.as_str()) {
            (Some(field), name) => {
                if let Some(value) = reader.value(&field.ty, &entry.node) {
                    fields.insert(name.to_owned(), value);
                }
            }
            (None, "depends_on") => needs.extend(reader.addresses(&entry.node)),
            (None, "protect") => match entry.node.item {
                Item::Bool(bool) => protect = bool,
                _ => reader.wrong_type(&entry.node, "a boolean"),
            },
            (None, "tags") if schema.taggable => {
                if let Some(Value::Map(own)) = reader.value(&fields::TAGS, &entry.node) {
                    let mut all: BTreeMap<String, Value> = stack
                        .tags
                        .iter()
                        .map(|(key, value)| (key.clone(), Value::text(value)))
                        .collect();
                    all.extend(own);
                    fields.insert("tags".to_owned(), Value::Map(all));
                }
            }
            (None, "tags") => reader.problems.push(
                Diagnostic::error(
                    "not-taggable",
                    "AWS has no tags for this kind",
                    entry.key_span,
                    "cannot be tagged",
                )
                .hint("remove the line"),
            ),
            (None, unknown) => {
                let known = schema.fields.iter().map(|field| field.name).chain(META.iter().copied());
                let mut problem = Diagnostic::error(
                    "unknown-key",
                    format!("a {} has no such key", address.kind),
                    entry.key_span,
                    "not known",
                );
                problem.hint = did_you_mean(unknown, known.clone())
                    .or_else(|| Some(format!("known keys: {}", known.collect::<Vec<_>>().join(", "))));
                reader.problems.push(problem);
            }
        }
    }
    if schema.taggable && !table.entries.iter().any(|entry| entry.key == "tags") {
        let tags = stack
            .tags
            .iter()
            .map(|(key, value)| (key.clone(), Value::text(value)))
            .collect();
        fields.insert("tags".to_owned(), Value::Map(tags));
    }
    for field in schema.fields {
        if fields.contains_key(field.name) {
            continue;
        }
        let written = table.get(field.name).is_some();
        match fields::default_of(field, stack, &address) {
            Some(value) => {
                fields.insert(field.name.to_owned(), value);
            }
            None if field.need == Need::Required && !written => problems.push(
                Diagnostic::error(
                    "missing-field",
                    format!("a {} needs `{}`", address.kind, field.name),
                    span,
                    format!("`{}` is missing", field.name),
                )
                .hint(field.doc),
            ),
            None => {}
        }
    }
    if let Some(Value::Text(zone)) = fields.get_mut("zone")
        && zone.len() == 1
    {
        // The letter alone means: of the stack's region.
        *zone = format!("{}{zone}", stack.region);
    }
    for value in fields.values() {
        value.each_reference(&mut |reference| {
            needs.insert(reference.address.clone());
        });
    }
    Resource {
        address,
        fields,
        span,
        field_spans,
        needs,
        protect,
    }
}

/// Notes where a field and everything in it stand: `ingress`, `ingress.0`, `ingress.0.cidr`.
fn places(path: &str, node: &Node, spans: &mut BTreeMap<String, Span>) {
    spans.insert(path.to_owned(), node.span);
    match &node.item {
        Item::Array(nodes) => {
            nodes
                .iter()
                .enumerate()
                .for_each(|(index, node)| places(&format!("{path}.{index}"), node, spans));
        }
        Item::Table(table) => {
            table
                .entries
                .iter()
                .for_each(|entry| places(&format!("{path}.{}", entry.key), &entry.node, spans));
        }
        Item::Bool(_) | Item::Int(_) | Item::Text(_) | Item::Other(_) => {}
    }
}

/// Every reference must name a declared resource and an output it has.
fn check_references(resource: &Resource, declared: &BTreeMap<Address, Span>, problems: &mut Vec<Diagnostic>) {
    for (name, value) in &resource.fields {
        value.each_reference(&mut |reference| {
            let span = resource.span_of(name);
            if !declared.contains_key(&reference.address) {
                dangling(&reference.address, span, declared, problems);
            } else if reference.address.kind.schema().output(&reference.output).is_none() {
                let outputs = reference.address.kind.schema().outputs;
                let mut problem = Diagnostic::error(
                    "unknown-output",
                    format!("a {} offers no such output", reference.address.kind),
                    span,
                    format!("`{}` is not known", reference.output),
                );
                problem.hint =
                    did_you_mean(&reference.output, outputs.iter().map(|output| output.name)).or_else(|| {
                        Some(format!(
                            "known: {}",
                            outputs.iter().map(|output| output.name).collect::<Vec<_>>().join(", ")
                        ))
                    });
                problems.push(problem);
            }
        });
    }
    for need in resource.needs.iter().filter(|need| !declared.contains_key(need)) {
        if !resource.fields.values().any(|value| {
            let mut named = false;
            value.each_reference(&mut |reference| named |= reference.address == *need);
            named
        }) {
            dangling(need, resource.span_of("depends_on"), declared, problems);
        }
    }
}

/// Reports a reference to something that is not declared.
fn dangling(address: &Address, span: Span, declared: &BTreeMap<Address, Span>, problems: &mut Vec<Diagnostic>) {
    let mut problem = Diagnostic::error(
        "dangling-reference",
        "refers to nothing",
        span,
        format!("there is no `{address}`"),
    );
    let same_kind: Vec<String> = declared
        .keys()
        .filter(|known| known.kind == address.kind)
        .map(Address::to_string)
        .collect();
    problem.hint = did_you_mean(&address.to_string(), same_kind.iter().map(String::as_str))
        .or_else(|| Some(format!("declare it: [{address}]")));
    problems.push(problem);
}

fn read_moves(moved: &Table, removed: Option<Node>, stack: &mut Stack, problems: &mut Vec<Diagnostic>) {
    for entry in &moved.entries {
        let addresses = (
            Address::parse(&entry.key),
            entry.node.as_text().and_then(Address::parse),
        );
        let why = match &addresses {
            (Some(from), Some(to)) if from.kind != to.kind => "not an address of the same kind".to_owned(),
            (Some(from), Some(_)) if stack.resources.contains_key(from) => format!("`{from}` is still in the file"),
            (Some(_), Some(to)) if !stack.resources.contains_key(to) => format!("`{to}` is not in the file"),
            (Some(_), Some(to)) if stack.moved.contains_key(to) => format!("something else is moved to `{to}`"),
            (Some(from), Some(to)) => {
                stack.moved.insert(to.clone(), from.clone());
                continue;
            }
            _ => "not an address of the same kind".to_owned(),
        };
        problems.push(
            Diagnostic::error("bad-move", "cannot be moved", entry.node.span, why)
                .hint("write \"bucket.old\" = \"bucket.new\", with [bucket.new] in the file and no [bucket.old]"),
        );
    }
    let Some(node) = removed else { return };
    let one = std::slice::from_ref(&node);
    let nodes = match &node.item {
        Item::Array(nodes) => nodes.as_slice(),
        _ => one,
    };
    for node in nodes {
        match node.as_text().and_then(Address::parse) {
            Some(address) if stack.resources.contains_key(&address) => problems.push(
                Diagnostic::error(
                    "bad-removal",
                    "cannot be forgotten",
                    node.span,
                    format!("`{address}` is still in the file"),
                )
                .hint(format!(
                    "take [{address}] out: `removed` forgets it without deleting it"
                )),
            ),
            Some(address) => {
                stack.removed.insert(address);
            }
            None => problems.push(Diagnostic::error(
                "bad-address",
                "not an address",
                node.span,
                "such as \"bucket.old\"",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
