//! Rules of classifiers, crawlers and triggers.

use super::cron;
use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::stack::{Resource, Stack};
use crate::value::{Segment, Value};
use std::collections::{BTreeMap, BTreeSet};

const DATATYPES: &[&str] = &[
    "BINARY",
    "BOOLEAN",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "INT",
    "LONG",
    "SHORT",
    "STRING",
    "TIMESTAMP",
];

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    stack
        .of_kind(Kind::GlueClassifier)
        .for_each(|classifier| self::classifier(classifier, problems));
    stack
        .of_kind(Kind::GlueCrawler)
        .for_each(|crawler| self::crawler(stack, crawler, problems));
    stack
        .of_kind(Kind::GlueTrigger)
        .for_each(|trigger| self::trigger(trigger, problems));
    one_scheduler(stack, problems);
    for database in stack.of_kind(Kind::GlueDatabase) {
        if let Some(location) = database
            .text("location")
            .filter(|location| !location.starts_with("s3://"))
        {
            problems.push(Diagnostic::error(
                "bad-s3-url",
                "not a place in S3",
                database.span_of("location"),
                format!("`{location}` does not begin with s3://"),
            ));
        }
    }
}

fn classifier(classifier: &Resource, problems: &mut Vec<Diagnostic>) {
    let blocks: Vec<&str> = ["csv", "json", "grok", "xml"]
        .into_iter()
        .filter(|block| classifier.field(block).is_some())
        .collect();
    if blocks.len() != 1 {
        let label = match blocks.as_slice() {
            [] => "none of csv, json, grok, xml".to_owned(),
            several => format!("has {}", several.join(" and ")),
        };
        problems.push(
            Diagnostic::error(
                "classifier-blocks",
                "a classifier is of exactly one type",
                classifier.span,
                label,
            )
            .hint("such as csv = { delimiter = \";\", header = \"PRESENT\" }"),
        );
    }
    let mut fault = |part: &str, why: String| {
        problems.push(Diagnostic::error(
            "bad-classifier",
            "Glue does not take this classifier",
            classifier.span_of(part),
            why,
        ));
    };
    let text =
        |map: &BTreeMap<String, Value>, key: &str| map.get(key).and_then(Value::as_text).unwrap_or_default().to_owned();
    if let Some(csv) = classifier.field("csv").and_then(Value::as_map) {
        for key in ["delimiter", "quote"] {
            if text(csv, key).chars().count() != 1 {
                fault(&format!("csv.{key}"), format!("`{key}` is one character"));
            }
        }
        if text(csv, "delimiter") == text(csv, "quote") {
            fault("csv.quote", "`quote` and `delimiter` must differ".to_owned());
        }
        let columns: Vec<String> = csv
            .get("columns")
            .map(Value::as_list)
            .unwrap_or_default()
            .iter()
            .map(Value::to_text)
            .collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.to_lowercase())) {
            fault("csv.columns", format!("column `{twice}` stands here twice"));
        }
        let datatypes: Vec<String> = csv
            .get("datatypes")
            .map(Value::as_list)
            .unwrap_or_default()
            .iter()
            .map(Value::to_text)
            .collect();
        if let Some(unknown) = datatypes
            .iter()
            .find(|datatype| !DATATYPES.contains(&datatype.to_uppercase().as_str()))
        {
            fault(
                "csv.datatypes",
                format!("`{unknown}` is not one of {}", DATATYPES.join(", ")),
            );
        }
        if !datatypes.is_empty() && datatypes.len() != columns.len() {
            fault(
                "csv.datatypes",
                format!("{} types for {} columns", datatypes.len(), columns.len()),
            );
        }
    }
    if let Some(json) = classifier.field("json").and_then(Value::as_map)
        && !text(json, "path").starts_with('$')
    {
        fault(
            "json.path",
            "a JSON path begins with `$`, such as `$.records[*]`".to_owned(),
        );
    }
    if let Some(grok) = classifier.field("grok").and_then(Value::as_map) {
        let pattern = text(grok, "pattern");
        if pattern.is_empty() || pattern.len() > 2048 {
            fault(
                "grok.pattern",
                format!("{} characters; 1 to 2048 are allowed", pattern.len()),
            );
        }
        if pattern.matches("%{").count() > pattern.matches('}').count() {
            fault("grok.pattern", "`%{` is not closed".to_owned());
        }
        if text(grok, "custom").len() > 16_000 {
            fault("grok.custom", "longer than 16000 characters".to_owned());
        }
    }
}

/// The folders that stand in a bucket once the stack is applied: markers and datasets.
fn folders(stack: &Stack, bucket: &Address) -> Vec<String> {
    let markers = stack
        .get(bucket)
        .into_iter()
        .flat_map(|bucket| bucket.list("prefixes"))
        .map(Value::to_text);
    let datasets = stack
        .of_kind(Kind::Dataset)
        .filter(|dataset| dataset.target("bucket") == Some(bucket));
    markers
        .chain(datasets.map(|dataset| dataset.text("prefix").unwrap_or_default().to_owned()))
        .collect()
}

fn crawler(stack: &Stack, crawler: &Resource, problems: &mut Vec<Diagnostic>) {
    if crawler.field("targets").is_some() && crawler.list("targets").is_empty() {
        problems.push(
            Diagnostic::error(
                "crawler-without-target",
                "a crawler needs something to read",
                crawler.span_of("targets"),
                "no target",
            )
            .hint("targets = [\"dataset.…\"], or \"s3://${bucket.….name}/folder/\""),
        );
    }
    for (index, target) in crawler.list("targets").iter().enumerate() {
        let place = crawler.span_of(&format!("targets.{index}"));
        if !target.to_text().starts_with("s3://") && !matches!(target, Value::Ref(_)) {
            problems.push(
                Diagnostic::error(
                    "bad-s3-url",
                    "not a place in S3",
                    place,
                    format!("`{}` does not begin with s3://", target.to_text()),
                )
                .hint("write \"s3://${bucket.name.name}/folder/\""),
            );
        }
        // Glue looks whether the folder is there when the crawler is made.
        if let Value::Template(segments) = target
            && let [Segment::Text(scheme), Segment::Ref(bucket), Segment::Text(key)] = segments.as_slice()
            && scheme == "s3://"
            && bucket.address.kind == Kind::Bucket
        {
            let key = key.trim_start_matches('/');
            let there = folders(stack, &bucket.address)
                .iter()
                .any(|folder| folder.starts_with(key) || key.starts_with(folder.as_str()));
            if !key.is_empty() && !there {
                problems.push(
                    Diagnostic::warning(
                        "crawler-target-missing",
                        "nothing puts this folder there",
                        place,
                        format!("`{}` has no `{key}`", bucket.address),
                    )
                    .hint(format!(
                        "add to [{}]: prefixes = [\"{}/\"]",
                        bucket.address,
                        key.trim_end_matches('/')
                    )),
                );
            }
        }
    }
    match crawler.text("recrawl") {
        Some("CRAWL_NEW_FOLDERS_ONLY") => {
            let policy = crawler.field("schema_change").and_then(Value::as_map);
            let logs = |key: &str| policy.and_then(|policy| policy.get(key)).and_then(Value::as_text) == Some("LOG");
            if !logs("update") || !logs("delete") {
                problems.push(
                    Diagnostic::error(
                        "recrawl-needs-log",
                        "a crawler of new folders only may not change tables",
                        crawler.span_of("recrawl"),
                        "the schema policy changes them",
                    )
                    .hint("add schema_change = { update = \"LOG\", delete = \"LOG\" }"),
                );
            }
        }
        Some("CRAWL_EVENT_MODE") => problems.push(
            Diagnostic::error(
                "recrawl-needs-queue",
                "crawling by events needs a queue",
                crawler.span_of("recrawl"),
                "lakeform makes no queues",
            )
            .hint("write recrawl = \"CRAWL_NEW_FOLDERS_ONLY\" or leave it out"),
        ),
        _ => {}
    }
    // The bucket is the first level; a table cannot begin above the folder that is read.
    if let Some(level) = crawler.int("table_level") {
        let depth = |target: &Value| {
            let text = target.to_text();
            let key = text
                .trim_start_matches("s3://")
                .split_once('/')
                .map_or("", |(_, key)| key)
                .to_owned();
            1 + key.split('/').filter(|part| !part.is_empty()).count() as i64
        };
        let above = crawler.list("targets").iter().map(depth).find(|depth| level < *depth);
        if let Some(depth) = above {
            problems.push(
                Diagnostic::warning(
                    "table-level-above-target",
                    "tables would begin above what is read",
                    crawler.span_of("table_level"),
                    format!("a target is at level {depth}"),
                )
                .hint(format!("write table_level = {depth}, or more; the bucket is 1")),
            );
        }
    }
    if crawler.text("table_prefix").is_some_and(|prefix| prefix.len() > 128) {
        problems.push(Diagnostic::error(
            "bad-name",
            "the table prefix is too long",
            crawler.span_of("table_prefix"),
            "128 characters are allowed",
        ));
    }
    if let Some(fault) = crawler.text("schedule").and_then(cron::fault) {
        problems.push(bad_cron(crawler, fault));
    }
    let mut seen = BTreeSet::new();
    for (index, name) in crawler.list("classifiers").iter().enumerate() {
        if !seen.insert(name.to_text()) {
            problems.push(Diagnostic::error(
                "duplicate-classifier",
                "the classifier stands here twice",
                crawler.span_of(&format!("classifiers.{index}")),
                "the first match wins",
            ));
        }
    }
}

fn bad_cron(resource: &Resource, fault: String) -> Diagnostic {
    Diagnostic::error("bad-cron", "not a schedule", resource.span_of("schedule"), fault)
        .hint("such as \"cron(0 2 * * ? *)\": every day at 02:00 UTC")
}

fn trigger(trigger: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(kind) = trigger.text("type") else { return };
    let after: Vec<&BTreeMap<String, Value>> = trigger.list("after").iter().filter_map(Value::as_map).collect();
    let mut fault = |code: &'static str, field: &str, summary: &str, label: String, hint: &str| {
        problems.push(Diagnostic::error(code, summary, trigger.span_of(field), label).hint(hint));
    };
    if trigger.field("crawlers").is_some() && trigger.list("crawlers").is_empty() {
        fault(
            "trigger-fields",
            "crawlers",
            "a trigger starts something",
            "no crawler".into(),
            "crawlers = [\"glue_crawler.…\"]",
        );
    }
    if kind == "SCHEDULED" && trigger.field("schedule").is_none() {
        fault(
            "trigger-fields",
            "type",
            "a scheduled trigger needs a schedule",
            "`schedule` is missing".into(),
            "add schedule = \"cron(0 2 * * ? *)\"",
        );
    }
    if kind != "SCHEDULED" && trigger.field("schedule").is_some() {
        fault(
            "trigger-fields",
            "schedule",
            "only a scheduled trigger has a schedule",
            format!("the type is {kind}"),
            "add type = \"SCHEDULED\", or remove the line",
        );
    }
    if kind == "CONDITIONAL" && after.is_empty() {
        fault(
            "trigger-fields",
            "type",
            "a conditional trigger waits for something",
            "`after` is missing".into(),
            "add after = [{ crawler = \"glue_crawler.…\" }]",
        );
    }
    if kind != "CONDITIONAL" && !after.is_empty() {
        fault(
            "trigger-fields",
            "after",
            "only a conditional trigger waits for something",
            format!("the type is {kind}"),
            "add type = \"CONDITIONAL\", or remove the line",
        );
    }
    // Glue would run it at once.
    if kind == "ON_DEMAND" && trigger.field("enabled").is_some() {
        fault(
            "trigger-fields",
            "enabled",
            "a trigger on demand is never armed",
            "starting it would run the crawler".into(),
            "remove the line",
        );
    }
    let started: BTreeSet<String> = trigger.list("crawlers").iter().map(Value::to_text).collect();
    for (index, condition) in after.iter().enumerate() {
        if let Some(crawler) = condition
            .get("crawler")
            .map(Value::to_text)
            .filter(|crawler| started.contains(crawler))
        {
            let label = format!(
                "{} is started and waited for",
                crawler.trim_start_matches("${").trim_end_matches(".name}")
            );
            fault(
                "trigger-circle",
                &format!("after.{index}"),
                "the trigger would start what it waits for",
                label,
                "name another crawler in `after`",
            );
        }
    }
    if let Some(why) = trigger.text("schedule").and_then(cron::fault) {
        problems.push(bad_cron(trigger, why));
    }
}

/// A crawler with a schedule of its own and a scheduled trigger runs twice.
fn one_scheduler(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    let mut schedulers: BTreeMap<&Address, &Resource> = BTreeMap::new();
    for crawler in stack
        .of_kind(Kind::GlueCrawler)
        .filter(|crawler| crawler.field("schedule").is_some())
    {
        schedulers.insert(&crawler.address, crawler);
    }
    for trigger in stack
        .of_kind(Kind::GlueTrigger)
        .filter(|trigger| trigger.text("type") == Some("SCHEDULED"))
    {
        for crawler in trigger.targets("crawlers") {
            if let Some(other) = schedulers.insert(crawler, trigger) {
                let label = match other.address == *crawler {
                    true => format!("`{crawler}` has one of its own"),
                    false => format!("`{crawler}` is started by `{}` too", other.address),
                };
                problems.push(
                    Diagnostic::warning(
                        "two-schedulers",
                        "the crawler has two schedules",
                        trigger.span_of("schedule"),
                        label,
                    )
                    .related(other.span_of("schedule"), "the other schedule")
                    .hint("keep one of them"),
                );
            }
        }
    }
}
