//! Rules of the data work: what runs SQL, loads and crawls; and of logs and secrets.

use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::stack::{Resource, Stack};
use crate::value::Value;

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for sql in stack.of_kind(Kind::Sql) {
        let ways = usize::from(sql.field("run").is_some()) + usize::from(sql.field("file").is_some());
        if ways != 1 {
            problems.push(
                Diagnostic::error(
                    "sql-source",
                    "either `run` or `file` says what to run",
                    sql.span,
                    format!("{ways} of them are there"),
                )
                .hint("run = \"create view …\", or file = \"views.sql\""),
            );
        }
    }
    for crawl in stack.of_kind(Kind::Crawl) {
        let (Some(crawler), Some(dataset)) = (
            crawl.target("crawler").and_then(|crawler| stack.get(crawler)),
            crawl.target("dataset"),
        ) else {
            continue;
        };
        if !crawler.needs.contains(dataset) {
            problems.push(
                Diagnostic::error(
                    "crawl-misses-dataset",
                    "the crawler does not read this dataset",
                    crawl.span_of("dataset"),
                    format!("`{}` has other targets", crawler.address),
                )
                .related(crawler.span_of("targets"), "what it reads")
                .hint(format!("add \"{dataset}\" to the crawler's `targets`")),
            );
        }
    }
    for user in stack.of_kind(Kind::ExternalSchema).chain(stack.of_kind(Kind::Copy)) {
        attached_role(stack, user, problems);
    }
    for copy in stack.of_kind(Kind::Copy) {
        if copy
            .field("from")
            .is_some_and(|from| !from.to_text().starts_with("s3://") && from.is_known())
        {
            problems.push(Diagnostic::error(
                "bad-s3-url",
                "not a place in S3",
                copy.span_of("from"),
                "does not begin with s3://",
            ));
        }
        if let Some(table) = copy
            .text("table")
            .filter(|table| table.split('.').count() != 2 || table.split('.').any(str::is_empty))
        {
            problems.push(
                Diagnostic::error(
                    "bad-table",
                    "not a table",
                    copy.span_of("table"),
                    format!("`{table}` names no schema"),
                )
                .hint(format!("write table = \"public.{}\"", table.trim_matches('.'))),
            );
        }
    }
    for group in stack.of_kind(Kind::LogGroup) {
        retention(group, problems);
    }
    for secret in stack.of_kind(Kind::Secret) {
        if let Some(days) = secret.int("recovery_days").filter(|days| (1..7).contains(days)) {
            problems.push(
                Diagnostic::error(
                    "recovery-window",
                    "a secret can be restored for 7 to 30 days",
                    secret.span_of("recovery_days"),
                    format!("{days} days"),
                )
                .hint("write recovery_days = 7, or 0 to delete at once"),
            );
        }
    }
}

/// SQL may only use roles that the cluster, or the workgroup's namespace, was given.
fn attached_role(stack: &Stack, user: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(warehouse) = user.target("warehouse").and_then(|warehouse| stack.get(warehouse)) else {
        return;
    };
    let holder = match warehouse.kind() {
        Kind::RedshiftWorkgroup => warehouse.target("namespace").and_then(|namespace| stack.get(namespace)),
        _ => Some(warehouse),
    };
    let (Some(holder), Some(role)) = (holder, user.field("role")) else {
        return;
    };
    if !holder.list("roles").contains(role) {
        let name = user.target("role").map_or_else(|| role.to_text(), ToString::to_string);
        problems.push(
            Diagnostic::error(
                "role-not-attached",
                "the warehouse does not have this role",
                user.span_of("role"),
                format!("`{}` may not use `{name}`", holder.address),
            )
            .related(holder.span_of("roles"), "its roles")
            .hint(format!("add to [{}]: roles = [\"{name}\"]", holder.address)),
        );
    }
}

const RETENTIONS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

fn retention(group: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(Value::Int(days)) = group.field("retention_days") else {
        return;
    };
    if !RETENTIONS.contains(days) {
        let near = RETENTIONS
            .iter()
            .min_by_key(|allowed| (**allowed - days).abs())
            .expect("there are some");
        problems.push(
            Diagnostic::error(
                "bad-retention",
                "CloudWatch keeps events for certain periods only",
                group.span_of("retention_days"),
                "not one of its periods",
            )
            .hint(format!("write retention_days = {near}")),
        );
    }
}
