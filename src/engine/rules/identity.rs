//! Rules of roles: who takes them, what their policies say, and whether that fits what they are used for.

use crate::address::{Address, Reference};
use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::stack::{Resource, Stack};
use crate::value::{Segment, Value};
use std::collections::BTreeMap;

/// Services whose roles a stack has use for, and some that share an account with it.
const SERVICES: &[&str] = &[
    "apigateway",
    "athena",
    "batch",
    "cloudformation",
    "codebuild",
    "dms",
    "ec2",
    "ecs-tasks",
    "events",
    "firehose",
    "glue",
    "lakeformation",
    "lambda",
    "redshift",
    "redshift-serverless",
    "s3",
    "sagemaker",
    "scheduler",
    "scheduler.redshift",
    "states",
    "transfer",
];

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for role in stack.of_kind(Kind::Role) {
        service(role, problems);
        policies(role, problems);
        if role.list("managed").len() > 10 {
            problems.push(Diagnostic::error(
                "too-many-policies",
                "too many managed policies",
                role.span_of("managed"),
                "AWS attaches ten",
            ));
        }
    }
    for user in stack.resources.values() {
        let (service, fields): (&[&str], &[&str]) = match user.kind() {
            Kind::GlueCrawler => (&["glue"], &["role"]),
            Kind::RedshiftCluster => (&["redshift"], &["roles", "default_role"]),
            Kind::RedshiftNamespace => (&["redshift", "redshift-serverless"], &["roles", "default_role"]),
            Kind::ExternalSchema | Kind::Copy => (&["redshift", "redshift-serverless"], &["role"]),
            _ => continue,
        };
        for field in fields {
            for role in stack.referred(user, field).filter(|role| role.kind() == Kind::Role) {
                let Some(taker) = role.text("service") else { continue };
                if !service.contains(&taker.trim_end_matches(".amazonaws.com")) {
                    problems.push(
                        Diagnostic::error(
                            "wrong-trust",
                            "the role is not for this service",
                            user.span_of(field),
                            format!("`{}` may be taken by `{taker}`, not by `{}`", role.address, service[0]),
                        )
                        .related(role.span_of("service"), "who may take it")
                        .hint(format!("use a role with service = \"{}\"", service[0])),
                    );
                }
            }
        }
    }
    for crawler in stack.of_kind(Kind::GlueCrawler) {
        crawler_reads(stack, crawler, problems);
    }
}

fn service(role: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(name) = role.text("service") else { return };
    let short = name.trim_end_matches(".amazonaws.com");
    if !SERVICES.contains(&short) {
        let mut problem = Diagnostic::error(
            "unknown-service",
            "not a service that takes roles",
            role.span_of("service"),
            "not known",
        );
        problem.hint = crate::diagnostic::did_you_mean(short, SERVICES.iter().copied())
            .or_else(|| Some("such as `glue`, `redshift`, `states`, `ecs-tasks`".to_owned()));
        problems.push(problem);
    }
}

/// Returns the statements of a policy document.
pub fn statements(policy: &Value) -> Vec<&BTreeMap<String, Value>> {
    let statements = policy.as_map().and_then(|policy| policy.get("Statement"));
    match statements {
        Some(Value::List(list)) => list.iter().filter_map(Value::as_map).collect(),
        Some(Value::Map(one)) => vec![one],
        _ => Vec::new(),
    }
}

fn policies(role: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(policies) = role.field("policies").and_then(Value::as_map) else {
        return;
    };
    let mut length = 0;
    for (name, policy) in policies {
        let place = role.span_of(&format!("policies.{name}"));
        length += policy
            .to_json()
            .to_string()
            .chars()
            .filter(|c| !c.is_whitespace())
            .count();
        if name.len() > 128 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
            problems.push(Diagnostic::error(
                "bad-name",
                "a policy cannot have this name",
                place,
                "1 to 128 letters, digits and `_+=,.@-`",
            ));
        }
        if let Some((why, hint)) = shape_fault(policy) {
            let mut problem = Diagnostic::error("policy-shape", "not a policy that IAM takes", place, why);
            problem.hint = hint.map(str::to_owned);
            problems.push(problem);
        }
        let everything = statements(policy).into_iter().any(|statement| {
            let has = |key: &str| {
                texts(statement.get(key))
                    .iter()
                    .any(|value| matches!(value, Value::Text(text) if text == "*" || text == "*:*"))
            };
            statement.get("Effect").and_then(Value::as_text) == Some("Allow") && has("Action") && has("Resource")
        });
        if everything {
            problems.push(
                Diagnostic::warning(
                    "policy-allows-everything",
                    "the role may do anything to everything",
                    place,
                    "`*` on `*`",
                )
                .hint("grants = { read = [\"bucket.…\"], write = [\"glue_database.…\"] } gives the least that works"),
            );
        }
    }
    if length > 10_240 {
        problems.push(Diagnostic::error(
            "policy-too-long",
            "the inline policies are too long",
            role.span_of("policies"),
            format!("{length} characters; IAM takes 10240 per role"),
        ));
    }
}

fn texts(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::List(list)) => list,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// Returns what is wrong with an identity policy.
fn shape_fault(policy: &Value) -> Option<(String, Option<&'static str>)> {
    let Some(map) = policy.as_map() else {
        return Some(("not a document".to_owned(), None));
    };
    if let Some(unknown) = map
        .keys()
        .find(|key| !["Version", "Id", "Statement"].contains(&key.as_str()))
    {
        return Some((
            format!("`{unknown}` is not known here"),
            Some("the keys are Version, Id and Statement, spelled so"),
        ));
    }
    match map.get("Version").map(Value::to_text).as_deref() {
        None | Some("2012-10-17") => {}
        Some("2008-10-17") => {
            return Some((
                "an old version, without variables".to_owned(),
                Some("write Version = \"2012-10-17\""),
            ));
        }
        Some(other) => {
            return Some((
                format!("there is no version `{other}`"),
                Some("write Version = \"2012-10-17\""),
            ));
        }
    }
    let statements = statements(policy);
    if statements.is_empty() {
        return Some((
            "there is no statement".to_owned(),
            Some("write Statement = [{ Effect = \"Allow\", Action = […], Resource = […] }]"),
        ));
    }
    for statement in statements {
        let known = [
            "Sid",
            "Effect",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        if statement.contains_key("Principal") || statement.contains_key("NotPrincipal") {
            return Some((
                "a role's policy names no `Principal`".to_owned(),
                Some("who may take the role is said by `service`"),
            ));
        }
        if let Some(unknown) = statement.keys().find(|key| !known.contains(&key.as_str())) {
            return Some((
                format!("`{unknown}` is not known in a statement"),
                Some("the keys are Sid, Effect, Action, Resource and Condition, spelled so"),
            ));
        }
        if !matches!(statement.get("Effect").and_then(Value::as_text), Some("Allow" | "Deny")) {
            return Some(("`Effect` is `Allow` or `Deny`".to_owned(), None));
        }
        for (one, other) in [("Action", "NotAction"), ("Resource", "NotResource")] {
            if statement.contains_key(one) == statement.contains_key(other) {
                return Some((format!("a statement has one of `{one}` and `{other}`"), None));
            }
        }
        let action = texts(statement.get("Action"))
            .iter()
            .filter_map(Value::as_text)
            .find(|action| *action != "*" && !action.contains(':'));
        if let Some(action) = action {
            return Some((
                format!("`{action}` is not an action"),
                Some("actions have the form service:Name, such as s3:GetObject"),
            ));
        }
    }
    None
}

/// The role of a crawler must be able to read what the crawler is sent to.
fn crawler_reads(stack: &Stack, crawler: &Resource, problems: &mut Vec<Diagnostic>) {
    let Some(role) = crawler.target("role").and_then(|role| stack.get(role)) else {
        return;
    };
    let Some(policies) = role.field("policies").and_then(Value::as_map) else {
        return;
    };
    let managed: Vec<&str> = role.list("managed").iter().filter_map(Value::as_text).collect();
    let reads_all = managed.iter().any(|name| {
        [
            "AmazonS3FullAccess",
            "AmazonS3ReadOnlyAccess",
            "AdministratorAccess",
            "PowerUserAccess",
            "ReadOnlyAccess",
        ]
        .iter()
        .any(|all| name.ends_with(all))
    });
    let allowed: Vec<&BTreeMap<String, Value>> = policies
        .values()
        .flat_map(statements)
        .filter(|statement| statement.get("Effect").and_then(Value::as_text) == Some("Allow"))
        .collect();
    let may = |action: &str| -> Vec<&BTreeMap<String, Value>> {
        let names = |statement: &BTreeMap<String, Value>| {
            texts(statement.get("Action"))
                .iter()
                .filter_map(Value::as_text)
                .any(|pattern| matches(&pattern.to_lowercase(), action))
        };
        allowed
            .iter()
            .copied()
            .filter(|statement| statement.contains_key("NotAction") || names(statement))
            .collect()
    };
    if !reads_all {
        let readable: Vec<String> = may("s3:getobject")
            .into_iter()
            .flat_map(|statement| match statement.get("Resource") {
                Some(_) => texts(statement.get("Resource"))
                    .iter()
                    .map(|value| pattern(stack, value))
                    .collect(),
                None => vec!["*".to_owned()],
            })
            .collect();
        let unread = crawler.list("targets").iter().enumerate().find(|(_, target)| {
            let target = pattern(stack, target);
            let key = target.strip_prefix("s3://").map(|rest| format!("arn:aws:s3:::{rest}"));
            key.is_some_and(|key| {
                !readable
                    .iter()
                    .any(|allowed| matches(allowed, &format!("{}/x", key.trim_end_matches('/'))))
            })
        });
        if let Some((index, target)) = unread {
            let place = pattern(stack, target);
            let name = place.trim_start_matches("s3://").split('/').next();
            let bucket = stack
                .of_kind(Kind::Bucket)
                .map(|bucket| &bucket.address)
                .find(|bucket| name == Some(&bucket_name(stack, bucket)));
            let mut problem = Diagnostic::error(
                "crawler-cannot-read",
                "the crawler's role may not read its target",
                crawler.span_of(&format!("targets.{index}")),
                format!("`{}` may not s3:GetObject in {}", role.address, target.to_text()),
            )
            .related(role.span, "the role");
            problem.hint =
                bucket.map(|bucket| format!("add to [{}]: grants = {{ read = [\"{bucket}\"] }}", role.address));
            problems.push(problem);
        }
    }
    let writes_catalog = managed.iter().any(|name| {
        [
            "AWSGlueServiceRole",
            "AWSGlueConsoleFullAccess",
            "AdministratorAccess",
            "PowerUserAccess",
        ]
        .iter()
        .any(|all| name.ends_with(all))
    });
    if !writes_catalog && may("glue:createtable").is_empty() {
        let mut problem = Diagnostic::error(
            "crawler-cannot-write",
            "the crawler's role may not write tables",
            crawler.span_of("role"),
            format!("`{}` may not glue:CreateTable", role.address),
        )
        .related(role.span, "the role");
        problem.hint = crawler
            .target("database")
            .map(|database| format!("add to [{}]: grants = {{ write = [\"{database}\"] }}", role.address));
        problems.push(problem);
    }
}

/// A value as text in which references are spelled by what they lead to, so that equal ones match.
fn pattern(stack: &Stack, value: &Value) -> String {
    let spelled = |reference: &Reference| match (reference.address.kind, reference.output.as_str()) {
        (Kind::Bucket, "name") => bucket_name(stack, &reference.address),
        (Kind::Bucket, "arn") => format!("arn:aws:s3:::{}", bucket_name(stack, &reference.address)),
        _ => format!("${{{reference}}}"),
    };
    match value {
        Value::Template(segments) => segments
            .iter()
            .map(|segment| match segment {
                Segment::Text(text) => text.clone(),
                Segment::Ref(reference) => spelled(reference),
            })
            .collect(),
        Value::Ref(reference) => spelled(reference),
        other => other.to_text(),
    }
}

/// A bucket by its name where the file says it, else by its address.
fn bucket_name(stack: &Stack, bucket: &Address) -> String {
    let named = stack.get(bucket).and_then(|resource| resource.text("name"));
    named.map_or_else(|| format!("${{{bucket}.name}}"), str::to_owned)
}

/// Whether a text fits a pattern with `*` and `?`.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
