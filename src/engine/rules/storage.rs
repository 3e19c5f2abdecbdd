//! Rules of buckets.

use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::stack::{Place, Resource, Stack};
use crate::value::Value;
use std::collections::BTreeMap;

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for bucket in stack.of_kind(Kind::Bucket) {
        lifecycle(bucket, problems);
        common_name(stack, bucket, problems);
        policy(bucket, problems);
        for (index, prefix) in bucket.list("prefixes").iter().enumerate() {
            let Some(prefix) = prefix.as_text() else { continue };
            if prefix.starts_with('/') || prefix.contains("//") || prefix.is_empty() {
                let better = prefix
                    .split('/')
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("/");
                problems.push(
                    Diagnostic::error(
                        "bad-prefix",
                        "the prefix makes a folder without a name",
                        bucket.span_of(&format!("prefixes.{index}")),
                        "an empty part between slashes",
                    )
                    .hint(format!("write \"{better}/\"")),
                );
            }
        }
    }
    for dataset in stack.of_kind(Kind::Dataset) {
        let Some(prefix) = dataset.text("prefix").filter(|prefix| !prefix.is_empty()) else {
            continue;
        };
        if prefix.starts_with('/') || !prefix.ends_with('/') {
            let better = prefix.trim_matches('/');
            problems.push(
                Diagnostic::error(
                    "bad-prefix",
                    "a prefix ends with a slash and does not begin with one",
                    dataset.span_of("prefix"),
                    "keys would run together",
                )
                .hint(format!("write prefix = \"{better}/\"")),
            );
        }
    }
}

/// Bucket names are unique in the world, and plain words are taken.
fn common_name(stack: &Stack, bucket: &Resource, problems: &mut Vec<Diagnostic>) {
    let Place::Aws { account, .. } = &stack.place else {
        return;
    };
    let Some(name) = bucket.text("name") else { return };
    if name.contains(account.as_str()) || name.len() > 30 || name.chars().any(|c| c.is_ascii_digit()) {
        return;
    }
    problems.push(
        Diagnostic::warning(
            "common-bucket-name",
            "somebody in the world may have this name already",
            bucket.span_of("name"),
            format!("`{name}` is a plain word, and names are shared with the whole world"),
        )
        .hint("write name = \"${stack.name}-…-${stack.account}\""),
    );
}

fn lifecycle(bucket: &Resource, problems: &mut Vec<Diagnostic>) {
    let rules: Vec<_> = bucket.list("expire").iter().filter_map(Value::as_map).collect();
    let mut trims_versions = false;
    for (index, rule) in rules.iter().enumerate() {
        let place = bucket.span_of(&format!("expire.{index}"));
        let acts = ["days", "noncurrent_days", "abort_uploads_days"]
            .iter()
            .any(|key| rule.contains_key(*key));
        trims_versions |= rule.contains_key("noncurrent_days");
        if !acts {
            problems.push(
                Diagnostic::error(
                    "empty-lifecycle-rule",
                    "the rule does nothing",
                    place,
                    "no number of days",
                )
                .hint("add days, noncurrent_days or abort_uploads_days"),
            );
        }
        // Where two rules fit an object, the shorter time wins.
        let prefix = |rule: &BTreeMap<String, Value>| rule.get("prefix").map(Value::to_text).unwrap_or_default();
        let days = |rule: &BTreeMap<String, Value>| rule.get("days").and_then(Value::as_int);
        let sooner = rules.iter().find(|other| {
            let (outer, inner) = (prefix(other), prefix(rule));
            let shorter = days(other).zip(days(rule)).is_some_and(|(other, own)| other < own);
            outer != inner && inner.starts_with(&outer) && shorter
        });
        if let Some(other) = sooner {
            problems.push(
                Diagnostic::warning(
                    "lifecycle-rule-without-effect",
                    "another rule deletes these objects sooner",
                    place,
                    format!(
                        "`{}` is deleted after {} days",
                        match prefix(other).as_str() {
                            "" => "everything",
                            prefix => prefix,
                        },
                        days(other).unwrap_or_default()
                    ),
                )
                .hint("the shorter time wins: make this one shorter, or narrow the other one's prefix"),
            );
        }
        let same = |other: &BTreeMap<String, Value>| other.get("prefix") == rule.get("prefix");
        if rules[..index].iter().any(|other| same(other)) {
            problems.push(Diagnostic::error(
                "duplicate-lifecycle-rule",
                "two rules for one prefix",
                place,
                "put them into one",
            ));
        }
    }
    if bucket.is_on("versioning") && !trims_versions {
        problems.push(
            Diagnostic::warning(
                "versions-never-expire",
                "old versions are kept, and paid for, for ever",
                bucket.span_of("versioning"),
                "no rule deletes them",
            )
            .hint("add expire = [{ noncurrent_days = 30 }]"),
        );
    }
}

fn policy(bucket: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(policy) = bucket.field("policy") else { return };
    if policy.to_json().to_string().len() > 20 * 1024 {
        problems.push(Diagnostic::error(
            "policy-too-long",
            "the policy is too long",
            bucket.span_of("policy"),
            "S3 takes 20 KB",
        ));
    }
    for statement in super::identity::statements(policy) {
        let everybody = match statement.get("Principal") {
            Some(Value::Text(who)) => who == "*",
            Some(Value::Map(who)) => who.values().any(|who| {
                matches!(who, Value::Text(text) if text == "*") || who.as_list().contains(&Value::text("*"))
            }),
            _ => false,
        };
        let allows = statement.get("Effect").and_then(Value::as_text) == Some("Allow");
        if everybody && allows && !statement.contains_key("Condition") && bucket.is_on("block_public") {
            problems.push(
                Diagnostic::error(
                    "public-policy-blocked",
                    "the policy is public and the bucket refuses that",
                    bucket.span_of("policy"),
                    "allows everybody",
                )
                .related(bucket.span_of("block_public"), "public access is refused here")
                .hint("name who may, or write block_public = false"),
            );
        }
        if !statement.contains_key("Principal") && !statement.contains_key("NotPrincipal") {
            problems.push(Diagnostic::error(
                "policy-shape",
                "a bucket policy says who",
                bucket.span_of("policy"),
                "a statement has no `Principal`",
            ));
        }
        let mut foreign = None;
        for resource in texts(statement.get("Resource")) {
            let Value::Text(text) = resource else { continue };
            let name = text
                .strip_prefix("arn:aws:s3:::")
                .map(|rest| rest.split('/').next().unwrap_or(rest));
            if let (Some(name), Some(own)) = (name, bucket.text("name"))
                && name != own
            {
                foreign = Some(name.to_owned());
            }
        }
        if let Some(name) = foreign {
            problems.push(
                Diagnostic::error(
                    "policy-names-other-bucket",
                    "a bucket's policy speaks of that bucket only",
                    bucket.span_of("policy"),
                    format!("names `{name}`"),
                )
                .hint(format!("write \"arn:aws:s3:::${{{}.name}}/*\"", bucket.address)),
            );
        }
    }
}

fn texts(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::List(list)) => list,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}
