//! `grants` of a role: what it may read and write, by address, as the narrowest policy that allows it.

use crate::address::Address;
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::kind::Kind;
use crate::parse::{Entry, Item, Node, Table};
use std::collections::BTreeMap;

const VERBS: &[&str] = &["read", "write"];

/// Replaces `grants` by an inline policy of that name.
pub fn expand(
    resources: &mut [(Address, Span, Table)],
    known: &BTreeMap<String, Item>,
    problems: &mut Vec<Diagnostic>,
) {
    let word = |name: &str| match known.get(name) {
        Some(Item::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let scope = format!("{}:{}", word("stack.region"), word("stack.account"));
    for (_, _, table) in resources.iter_mut().filter(|(address, ..)| address.kind == Kind::Role) {
        let service = table
            .get("service")
            .and_then(Node::as_text)
            .unwrap_or_default()
            .to_owned();
        let Some(Entry { node, key_span, .. }) = table.take("grants") else {
            continue;
        };
        let Item::Table(grants) = node.item else {
            problems.push(
                Diagnostic::error("wrong-type", "`grants` must be a table", node.span, node.type_name())
                    .hint("write grants = { read = [\"bucket.lake\"] }"),
            );
            continue;
        };
        let mut statements = Vec::new();
        for entry in &grants.entries {
            if !VERBS.contains(&entry.key.as_str()) {
                let mut problem =
                    Diagnostic::error("unknown-key", "not something to grant", entry.key_span, "not known");
                problem.hint = did_you_mean(&entry.key, VERBS.iter().copied()).or(Some("`read` or `write`".into()));
                problems.push(problem);
                continue;
            }
            let one = std::slice::from_ref(&entry.node);
            let targets = match &entry.node.item {
                Item::Array(nodes) => nodes.as_slice(),
                _ => one,
            };
            for target in targets {
                match target.as_text().and_then(Address::parse) {
                    Some(address) if address.kind == Kind::Bucket => {
                        bucket(&address, entry.key == "write", &mut statements)
                    }
                    Some(address) if address.kind == Kind::GlueDatabase => {
                        database(&address, entry.key == "write", &scope, &mut statements);
                    }
                    _ => problems.push(
                        Diagnostic::error(
                            "bad-grant",
                            "cannot be granted",
                            target.span,
                            "not a bucket or Glue database",
                        )
                        .hint("write \"bucket.name\" or \"glue_database.name\"; anything else goes under policies"),
                    ),
                }
            }
        }
        if service == "glue" {
            statements.push(statement(
                &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                &[format!("arn:aws:logs:{scope}:log-group:/aws-glue/*")],
            ));
        }
        let mut policy = Table::default();
        put(&mut policy, "Version", Item::Text("2012-10-17".into()), key_span);
        put(
            &mut policy,
            "Statement",
            Item::Array(
                statements
                    .into_iter()
                    .map(|item| Node { span: key_span, item })
                    .collect(),
            ),
            key_span,
        );
        let policy = Entry {
            key: "grants".into(),
            key_span,
            node: Node {
                span: key_span,
                item: Item::Table(policy),
            },
        };
        match table.entries.iter_mut().find(|entry| entry.key == "policies") {
            Some(Entry {
                node: Node {
                    item: Item::Table(policies),
                    ..
                },
                ..
            }) => match policies.entry("grants") {
                Some(own) => problems.push(
                    Diagnostic::error(
                        "bad-grant",
                        "two policies of one name",
                        own.key_span,
                        "`grants` becomes a policy of this name",
                    )
                    .hint("give it another name, or take `grants` out"),
                ),
                None => policies.put(policy),
            },
            Some(_) => {}
            None => table.put(Entry {
                key: "policies".into(),
                key_span,
                node: Node {
                    span: key_span,
                    item: Item::Table(Table { entries: vec![policy] }),
                },
            }),
        }
    }
}

fn bucket(bucket: &Address, write: bool, statements: &mut Vec<Item>) {
    statements.push(statement(
        &["s3:GetBucketLocation", "s3:ListBucket"],
        &[format!("arn:aws:s3:::${{{bucket}.name}}")],
    ));
    let objects: &[&str] = match write {
        true => &[
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:PutObject",
        ],
        false => &["s3:GetObject"],
    };
    statements.push(statement(objects, &[format!("arn:aws:s3:::${{{bucket}.name}}/*")]));
}

fn database(database: &Address, write: bool, scope: &str, statements: &mut Vec<Item>) {
    let resources = [
        format!("arn:aws:glue:{scope}:catalog"),
        format!("arn:aws:glue:{scope}:database/${{{database}.name}}"),
        format!("arn:aws:glue:{scope}:table/${{{database}.name}}/*"),
    ];
    let mut actions = vec![
        "glue:BatchGetPartition",
        "glue:GetDatabase",
        "glue:GetDatabases",
        "glue:GetPartition",
        "glue:GetPartitions",
        "glue:GetTable",
        "glue:GetTables",
    ];
    if write {
        actions.extend([
            "glue:BatchCreatePartition",
            "glue:BatchDeletePartition",
            "glue:BatchUpdatePartition",
            "glue:CreatePartition",
            "glue:CreateTable",
            "glue:DeletePartition",
            "glue:DeleteTable",
            "glue:UpdatePartition",
            "glue:UpdateTable",
        ]);
    }
    statements.push(statement(&actions, &resources));
}

fn statement(actions: &[&str], resources: &[String]) -> Item {
    let span = Span::default();
    let list = |items: Vec<String>| Item::Array(items.into_iter().map(|item| Node::text(item, span)).collect());
    let mut table = Table::default();
    put(&mut table, "Effect", Item::Text("Allow".into()), span);
    put(
        &mut table,
        "Action",
        list(actions.iter().map(|action| (*action).to_owned()).collect()),
        span,
    );
    put(&mut table, "Resource", list(resources.to_vec()), span);
    Item::Table(table)
}

fn put(table: &mut Table, key: &str, item: Item, span: Span) {
    table.put(Entry {
        key: key.to_owned(),
        key_span: span,
        node: Node { span, item },
    });
}
