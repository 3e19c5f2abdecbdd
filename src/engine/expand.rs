//! From the file as written to the full form: the environment's overlay laid over it, variables put in, and the
//! shorthands (`tiers`, `grants`, datasets as crawler targets) turned into plain resources. What comes out is
//! what `lakeform check --expand` shows; nothing is created that it does not list.

mod grants;
mod tiers;

use crate::address::Address;
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::kind::Kind;
use crate::parse::{Entry, Item, Node, Table};
use std::collections::BTreeMap;

/// The tables of a dataset definition, each with its folder.
pub type Tables = Vec<(String, String)>;

/// What the outside knows and a stack file may use.
pub struct Outside<'a> {
    /// The environment chosen with `--env`.
    pub env: Option<&'a str>,
    /// Values given with `--var` and `LAKEFORM_VAR_…`.
    pub vars: &'a BTreeMap<String, String>,
    /// Returns the tables of a dataset definition and their folders, or `None` when there is no such definition.
    pub dataset_tables: &'a dyn Fn(&str) -> Option<Tables>,
    /// Names of the shipped datasets, for suggestions.
    pub dataset_names: &'a [&'a str],
    /// The account of the local cloud.
    pub local_account: &'a str,
}

/// The full form of a stack file.
pub struct Expanded {
    /// `[stack]` after overlays.
    pub stack: Table,
    pub stack_span: Span,
    /// The tables of resources: address, its span, its entries.
    pub resources: Vec<(Address, Span, Table)>,
    pub moved: Table,
    pub removed: Option<Node>,
    pub problems: Vec<Diagnostic>,
}

/// Expands a parsed file.
pub fn expand(mut root: Table, outside: &Outside<'_>) -> Expanded {
    let mut problems = Vec::new();
    overlay(&mut root, outside, &mut problems);
    let vars = variables(&mut root, outside, &mut problems);
    let (stack, stack_span) = match root.take("stack") {
        Some(Entry {
            node: Node {
                item: Item::Table(mut table),
                ..
            },
            key_span,
            ..
        }) => {
            substitute_table(&mut table, &vars, &mut problems);
            (table, key_span)
        }
        Some(entry) => {
            problems.push(Diagnostic::error(
                "wrong-type",
                "`stack` must be a table",
                entry.node.span,
                entry.node.type_name(),
            ));
            (Table::default(), entry.key_span)
        }
        None => {
            problems.push(
                Diagnostic::error(
                    "missing-stack",
                    "the file has no `[stack]` table",
                    Span::default(),
                    "expected here",
                )
                .hint("begin the file with\n[stack]\nname = \"my-lakehouse\"\nregion = \"us-east-1\""),
            );
            (Table::default(), Span::default())
        }
    };
    let mut known = vars;
    known.extend(stack_variables(&stack, outside));
    let moved = match root.take("moved") {
        Some(Entry {
            node: Node {
                item: Item::Table(table),
                ..
            },
            ..
        }) => table,
        Some(entry) => {
            problems.push(
                Diagnostic::error(
                    "wrong-type",
                    "`moved` must be a table",
                    entry.node.span,
                    entry.node.type_name(),
                )
                .hint("[moved]\n\"bucket.old\" = \"bucket.new\""),
            );
            Table::default()
        }
        None => Table::default(),
    };
    let removed = root.take("removed").map(|entry| entry.node);
    let mut resources = Vec::new();
    for Entry { key, key_span, node } in root.entries {
        let Some(kind) = Kind::parse(&key) else {
            let known_keys = Kind::ALL
                .iter()
                .map(|kind| kind.as_str())
                .chain(["stack", "var", "env", "moved", "removed"]);
            let mut problem = Diagnostic::error(
                "unknown-kind",
                "there is no such kind of resource",
                key_span,
                "not known",
            );
            problem.hint = did_you_mean(&key, known_keys);
            problems.push(problem);
            continue;
        };
        let Item::Table(named) = node.item else {
            problems.push(
                Diagnostic::error(
                    "wrong-type",
                    "a resource is a table with a name",
                    node.span,
                    node.type_name(),
                )
                .hint(format!("write [{kind}.name]")),
            );
            continue;
        };
        for mut entry in named.entries {
            if !crate::address::is_name(&entry.key) {
                problems.push(
                    Diagnostic::error("bad-name", "the name cannot be used", entry.key_span, "not a name")
                        .hint("a letter, then letters, digits, `_` or `-`"),
                );
                continue;
            }
            substitute(&mut entry.node, &known, &mut problems);
            match entry.node.item {
                Item::Table(table) => resources.push((Address::new(kind, entry.key), entry.key_span, table)),
                _ => problems.push(
                    Diagnostic::error(
                        "wrong-type",
                        "a resource is a table",
                        entry.node.span,
                        entry.node.type_name(),
                    )
                    .hint(format!("write [{kind}.{}]", entry.key)),
                ),
            }
        }
    }
    let tiers = tiers::expand(&mut resources, &known, &mut problems);
    tiers::replace_references(&mut resources, &tiers);
    grants::expand(&mut resources, &known, &mut problems);
    dataset_targets(&mut resources, outside, &mut problems);
    Expanded {
        stack,
        stack_span,
        resources,
        moved,
        removed,
        problems,
    }
}

/// Lays `[env.NAME]` over the rest, key by key.
fn overlay(root: &mut Table, outside: &Outside<'_>, problems: &mut Vec<Diagnostic>) {
    let envs = root.take("env");
    let Some(wanted) = outside.env else { return };
    let (envs, span) = match envs {
        Some(Entry {
            node: Node {
                item: Item::Table(table),
                ..
            },
            key_span,
            ..
        }) => (table, key_span),
        _ => (Table::default(), Span::default()),
    };
    match envs.get(wanted) {
        Some(Node {
            item: Item::Table(layer),
            ..
        }) => merge(root, layer),
        _ => {
            let mut problem = Diagnostic::error(
                "unknown-env",
                format!("there is no environment `{wanted}`"),
                span,
                "not among these",
            );
            problem.hint = did_you_mean(wanted, envs.keys()).or_else(|| Some(format!("add [env.{wanted}]")));
            problems.push(problem);
        }
    }
}

fn merge(below: &mut Table, above: &Table) {
    for entry in &above.entries {
        match (
            below.entries.iter_mut().find(|present| present.key == entry.key),
            &entry.node.item,
        ) {
            (
                Some(Entry {
                    node:
                        Node {
                            item: Item::Table(inner),
                            ..
                        },
                    ..
                }),
                Item::Table(layer),
            ) => merge(inner, layer),
            _ => below.put(entry.clone()),
        }
    }
}

/// Reads `[var]`: a plain value is a default and fixes the type; a table may say `type`, `default` and `doc`.
fn variables(root: &mut Table, outside: &Outside<'_>, problems: &mut Vec<Diagnostic>) -> BTreeMap<String, Item> {
    let mut values = BTreeMap::new();
    let table = match root.take("var") {
        Some(Entry {
            node: Node {
                item: Item::Table(table),
                ..
            },
            ..
        }) => table,
        Some(entry) => {
            problems.push(Diagnostic::error(
                "wrong-type",
                "`var` must be a table",
                entry.node.span,
                entry.node.type_name(),
            ));
            Table::default()
        }
        None => Table::default(),
    };
    for name in outside.vars.keys().filter(|name| table.get(name).is_none()) {
        let mut problem = Diagnostic::error(
            "unknown-var",
            format!("there is no variable `{name}`"),
            Span::default(),
            "",
        );
        problem.hint = did_you_mean(name, table.keys()).or_else(|| Some(format!("declare it under [var]: {name} = …")));
        problems.push(problem);
    }
    for entry in table.entries {
        let (default, kind) = match entry.node.item {
            Item::Table(declared) => declaration(&declared, problems),
            item => {
                let kind = type_of(&item);
                (Some(item), kind)
            }
        };
        let given = outside.vars.get(&entry.key).map(|text| match kind {
            "int" => text.parse().map(Item::Int).map_err(|_| "a whole number"),
            "bool" => text.parse().map(Item::Bool).map_err(|_| "`true` or `false`"),
            "list" => Ok(Item::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Node::text(item, entry.key_span))
                    .collect(),
            )),
            _ => Ok(Item::Text(text.clone())),
        });
        match given {
            Some(Ok(item)) => {
                values.insert(format!("var.{}", entry.key), item);
            }
            Some(Err(expected)) => problems.push(Diagnostic::error(
                "bad-var",
                format!("the value given for `{}` does not fit", entry.key),
                entry.key_span,
                format!("must be {expected}"),
            )),
            None => match default {
                Some(item) => {
                    values.insert(format!("var.{}", entry.key), item);
                }
                None => problems.push(
                    Diagnostic::error("missing-var", "the variable has no value", entry.key_span, "needs one")
                        .hint(format!("give --var {}=…, or a default", entry.key)),
                ),
            },
        }
    }
    values
}

/// What the types of variables are called.
pub(crate) const VARIABLE_TYPES: &[&str] = &["text", "int", "bool", "list"];

fn type_of(item: &Item) -> &'static str {
    match item {
        Item::Int(_) => "int",
        Item::Bool(_) => "bool",
        Item::Array(_) => "list",
        Item::Text(_) | Item::Other(_) | Item::Table(_) => "text",
    }
}

/// Reads `{ type = …, default = …, doc = … }`: the default and the type.
fn declaration(declared: &Table, problems: &mut Vec<Diagnostic>) -> (Option<Item>, &'static str) {
    const KEYS: &[&str] = &["type", "default", "doc"];
    for entry in declared
        .entries
        .iter()
        .filter(|entry| !KEYS.contains(&entry.key.as_str()))
    {
        let mut problem = Diagnostic::error("unknown-key", "a variable has no such key", entry.key_span, "not known");
        problem.hint =
            did_you_mean(&entry.key, KEYS.iter().copied()).or_else(|| Some(format!("known keys: {}", KEYS.join(", "))));
        problems.push(problem);
    }
    let default = declared.get("default");
    let named = declared.get("type").map(|node| {
        let known = VARIABLE_TYPES.iter().find(|known| node.as_text() == Some(**known));
        known.copied().ok_or(node.span)
    });
    let kind = match named {
        Some(Ok(kind)) => kind,
        Some(Err(span)) => {
            problems.push(
                Diagnostic::error("bad-value", "not a type of variables", span, "not known")
                    .hint(format!("choices: {}", VARIABLE_TYPES.join(", "))),
            );
            "text"
        }
        None => default.map_or("text", |default| type_of(&default.item)),
    };
    if let (Some(Ok(kind)), Some(default)) = (named, default)
        && type_of(&default.item) != kind
    {
        problems.push(Diagnostic::error(
            "wrong-type",
            format!("the default must be of the type `{kind}`"),
            default.span,
            format!("this is {}", default.type_name()),
        ));
    }
    (default.map(|default| default.item.clone()), kind)
}

/// `stack.name`, `stack.region`, `stack.account` and `stack.env`, usable in any text.
fn stack_variables(stack: &Table, outside: &Outside<'_>) -> BTreeMap<String, Item> {
    let text = |key: &str| stack.get(key).and_then(Node::as_text).map(str::to_owned);
    let on_aws = text("cloud").as_deref() == Some("aws");
    let account = match text("account") {
        Some(account) if on_aws => account,
        _ => outside.local_account.to_owned(),
    };
    let mut known = BTreeMap::from([
        (
            "stack.region".to_owned(),
            Item::Text(text("region").unwrap_or_else(|| "us-east-1".into())),
        ),
        ("stack.account".to_owned(), Item::Text(account)),
        (
            "stack.env".to_owned(),
            Item::Text(outside.env.unwrap_or_default().to_owned()),
        ),
    ]);
    if let Some(name) = text("name") {
        known.insert("stack.name".to_owned(), Item::Text(name));
    }
    known
}

fn substitute_table(table: &mut Table, known: &BTreeMap<String, Item>, problems: &mut Vec<Diagnostic>) {
    for entry in &mut table.entries {
        substitute(&mut entry.node, known, problems);
    }
}

/// Puts `${var.x}` and `${stack.x}` in. A text that is one variable and nothing else takes the variable's type.
/// References to resources stay.
fn substitute(node: &mut Node, known: &BTreeMap<String, Item>, problems: &mut Vec<Diagnostic>) {
    match &mut node.item {
        Item::Array(nodes) => nodes.iter_mut().for_each(|node| substitute(node, known, problems)),
        Item::Table(table) => substitute_table(table, known, problems),
        Item::Text(text) if text.contains("${") => {
            let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            if let Some(item) = whole.and_then(|name| known.get(name)) {
                node.item = item.clone();
                return;
            }
            let mut result = String::with_capacity(text.len());
            let mut rest = text.as_str();
            while let Some(start) = rest.find("${") {
                result.push_str(&rest[..start]);
                let Some(end) = rest[start..].find('}') else {
                    problems.push(
                        Diagnostic::error("open-reference", "`${` is not closed", node.span, "a `}` is missing")
                            .hint("write `$${` for the two characters themselves"),
                    );
                    break;
                };
                let name = &rest[start + 2..start + end];
                let escaped = result.ends_with('$');
                match known.get(name) {
                    Some(Item::Text(value)) if !escaped => result.push_str(value),
                    Some(Item::Int(value)) if !escaped => result.push_str(&value.to_string()),
                    Some(Item::Bool(value)) if !escaped => result.push_str(&value.to_string()),
                    _ => {
                        if (name.starts_with("var.") || name.starts_with("stack.")) && !escaped {
                            let mut problem = Diagnostic::error(
                                "unknown-var",
                                "there is no such variable",
                                node.span,
                                format!("`{name}` is not known"),
                            );
                            problem.hint = did_you_mean(name, known.keys().map(String::as_str));
                            problems.push(problem);
                        }
                        result.push_str(&rest[start..=start + end]);
                    }
                }
                rest = &rest[start + end + 1..];
            }
            result.push_str(rest);
            *text = result;
        }
        _ => {}
    }
}

/// A dataset among a crawler's targets stands for the folder of each of its tables.
fn dataset_targets(resources: &mut [(Address, Span, Table)], outside: &Outside<'_>, problems: &mut Vec<Diagnostic>) {
    let mut targets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (address, span, table) in resources.iter().filter(|(address, ..)| address.kind == Kind::Dataset) {
        let text = |key: &str| table.get(key).and_then(Node::as_text);
        let (Some(definition), Some(bucket)) = (text("definition"), text("bucket")) else {
            continue;
        };
        let Some(mut tables) = (outside.dataset_tables)(definition) else {
            let place = table.get("definition").map_or(*span, |node| node.span);
            let mut problem = Diagnostic::error(
                "unknown-dataset",
                "there is no such dataset definition",
                place,
                "neither shipped nor a file",
            );
            problem.hint = did_you_mean(definition, outside.dataset_names.iter().copied())
                .or_else(|| Some(format!("shipped: {}", outside.dataset_names.join(", "))));
            problems.push(problem);
            continue;
        };
        let bucket = match Address::parse(bucket) {
            Some(bucket) => format!("${{{bucket}.name}}"),
            None => bucket.to_owned(),
        };
        let prefix = text("prefix").unwrap_or_default();
        if let Some(Node {
            item: Item::Array(chosen),
            ..
        }) = table.get("tables")
            && !chosen.is_empty()
        {
            for node in chosen {
                let Some(name) = node.as_text() else { continue };
                let known = || tables.iter().map(|(table, _)| table.as_str());
                if !known().any(|table| table == name) {
                    let label = format!("`{definition}` has no table `{name}`");
                    let mut problem = Diagnostic::error("unknown-table", "there is no such table", node.span, label);
                    problem.hint = did_you_mean(name, known());
                    problems.push(problem);
                }
            }
            tables.retain(|(table, _)| chosen.iter().any(|node| node.as_text() == Some(table)));
        }
        targets.insert(
            address.to_string(),
            tables
                .iter()
                .map(|(_, folder)| format!("s3://{bucket}/{prefix}{folder}/"))
                .collect(),
        );
    }
    for (_, _, table) in resources
        .iter_mut()
        .filter(|(address, ..)| address.kind == Kind::GlueCrawler)
    {
        let mut needs: Vec<Node> = Vec::new();
        for entry in table.entries.iter_mut().filter(|entry| entry.key == "targets") {
            let span = entry.node.span;
            let written = match std::mem::replace(&mut entry.node.item, Item::Array(Vec::new())) {
                Item::Array(nodes) => nodes,
                item => vec![Node { span, item }],
            };
            let nodes = written
                .into_iter()
                .flat_map(|node| match node.as_text().and_then(|text| targets.get(text)) {
                    Some(folders) => {
                        needs.push(node.clone());
                        folders.iter().map(|folder| Node::text(folder, node.span)).collect()
                    }
                    None => vec![node],
                })
                .collect();
            entry.node.item = Item::Array(nodes);
        }
        add_needs(table, needs);
    }
}

/// Adds addresses to `depends_on`.
fn add_needs(table: &mut Table, needs: Vec<Node>) {
    let Some(first) = needs.first() else { return };
    let span = first.span;
    match table.entries.iter_mut().find(|entry| entry.key == "depends_on") {
        Some(Entry {
            node: Node {
                item: Item::Array(present),
                ..
            },
            ..
        }) => present.extend(needs),
        Some(_) => {}
        None => table.put(Entry {
            key: "depends_on".into(),
            key_span: span,
            node: Node {
                span,
                item: Item::Array(needs),
            },
        }),
    }
}
