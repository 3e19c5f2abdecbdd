//! Rules of names: what each service accepts, and names that two resources of a file would share.

use crate::diagnostic::Diagnostic;
use crate::kind::Kind;
use crate::schema::Identity;
use crate::stack::{Resource, Stack};
use crate::value::Value;
use std::collections::BTreeMap;

pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    for resource in stack.resources.values() {
        for (field, rule) in rules_of(resource.kind()) {
            if let Some(name) = resource.text(field)
                && let Some((code, why, better)) = rule(name)
            {
                let mut problem = Diagnostic::error(
                    code,
                    format!("a {} cannot have this {field}", resource.kind()),
                    resource.span_of(field),
                    why,
                );
                problem.hint = better.map(|better| format!("write {field} = \"{better}\""));
                problems.push(problem);
            }
        }
    }
    duplicates(stack, problems);
}

/// A code, why the name is refused, and a name that would do.
type Fault = (&'static str, String, Option<String>);
type Rule = fn(&str) -> Option<Fault>;

fn rules_of(kind: Kind) -> &'static [(&'static str, Rule)] {
    match kind {
        Kind::Bucket => &[("name", bucket)],
        Kind::Role => &[("name", role)],
        Kind::GlueDatabase => &[("name", glue_database)],
        Kind::GlueClassifier | Kind::GlueCrawler | Kind::GlueTrigger => &[("name", glue)],
        Kind::SecurityGroup => &[("name", security_group), ("description", security_group_description)],
        Kind::RedshiftCluster => &[("identifier", cluster), ("database", database), ("user", user)],
        Kind::RedshiftNamespace => &[("name", serverless), ("database", database), ("user", user)],
        Kind::RedshiftWorkgroup => &[("name", serverless)],
        Kind::RedshiftSubnetGroup | Kind::RedshiftParameterGroup => &[("name", group)],
        Kind::Secret => &[("name", secret)],
        Kind::LogGroup => &[("name", log_group)],
        Kind::ExternalSchema => &[("name", schema)],
        _ => &[],
    }
}

fn bad(why: impl Into<String>, better: Option<String>) -> Option<Fault> {
    Some(("bad-name", why.into(), better))
}

/// The name with everything the service refuses turned into `join`.
fn repaired(name: &str, allowed: impl Fn(char) -> bool, join: &str, longest: usize) -> Option<String> {
    let kept: String = name
        .to_lowercase()
        .chars()
        .map(|c| if allowed(c) { c } else { ' ' })
        .collect();
    let better = kept.split_whitespace().collect::<Vec<_>>().join(join);
    let better: String = better.chars().take(longest).collect();
    (!better.is_empty() && better != name).then_some(better)
}

fn hyphenated(name: &str, longest: usize) -> Option<String> {
    repaired(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), "-", longest)
}

fn bucket(name: &str) -> Option<Fault> {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let why = if !(3..=63).contains(&name.len()) {
        format!("{} characters; 3 to 63 are allowed", name.len())
    } else if !name.chars().all(|c| edge(c) || c == '-' || c == '.') {
        "only lower-case letters, digits and hyphens are allowed".to_owned()
    } else if !name.starts_with(edge) || !name.ends_with(edge) {
        "must begin and end with a letter or digit".to_owned()
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        "looks like an IP address".to_owned()
    } else if name.contains('.') {
        "a dot breaks TLS with the bucket's host name".to_owned()
    } else if let Some(prefix) = ["xn--", "sthree-", "amzn-s3-demo-"]
        .into_iter()
        .find(|prefix| name.starts_with(prefix))
    {
        format!("`{prefix}` is reserved")
    } else if let Some(suffix) = ["-s3alias", "--ol-s3", "--x-s3", "--table-s3"]
        .into_iter()
        .find(|suffix| name.ends_with(suffix))
    {
        format!("`{suffix}` is reserved")
    } else {
        return None;
    };
    Some((
        "bad-bucket-name",
        why,
        hyphenated(name, 63).filter(|better| better.len() >= 3),
    ))
}

fn role(name: &str) -> Option<Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.is_empty() || name.len() > 64 {
        return bad(
            format!("{} characters; 1 to 64 are allowed", name.len()),
            hyphenated(name, 64),
        );
    }
    (!name.chars().all(allowed)).then(|| bad("only letters, digits and `_+=,.@-` are allowed", hyphenated(name, 64)))?
}

fn glue_database(name: &str) -> Option<Fault> {
    let better = || {
        repaired(
            name,
            |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-',
            "_",
            255,
        )
    };
    if name.is_empty() || name.len() > 255 {
        return bad(format!("{} characters; 1 to 255 are allowed", name.len()), better());
    }
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return bad("Glue turns it into lower case", better());
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    (!name.chars().all(allowed)).then(|| bad("only lower-case letters, digits, `_` and `-` work in SQL", better()))?
}

fn glue(name: &str) -> Option<Fault> {
    if name.is_empty() || name.len() > 255 {
        return bad(
            format!("{} characters; 1 to 255 are allowed", name.len()),
            hyphenated(name, 255),
        );
    }
    name.chars()
        .any(char::is_control)
        .then(|| bad("control characters are not allowed", hyphenated(name, 255)))?
}

fn security_group(name: &str) -> Option<Fault> {
    if let Some(rest) = name.strip_prefix("sg-") {
        return bad("`sg-` is reserved for ids", Some(format!("group-{rest}")));
    }
    security_group_description(name)
}

fn security_group_description(text: &str) -> Option<Fault> {
    if text.is_empty() || text.len() > 255 {
        return bad(format!("{} characters; 1 to 255 are allowed", text.len()), None);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    match text.chars().find(|c| !allowed(*c)) {
        Some(wrong) => bad(format!("`{wrong}` is not allowed"), None),
        None => None,
    }
}

fn cluster(name: &str) -> Option<Fault> {
    identifier(name, 63)
}

fn group(name: &str) -> Option<Fault> {
    match name.eq_ignore_ascii_case("default") {
        true => bad("`default` is AWS's own", None),
        false => identifier(name, 255),
    }
}

/// Letters, digits and single hyphens, beginning with a letter, lower case.
fn identifier(name: &str, longest: usize) -> Option<Fault> {
    let why = if name.is_empty() || name.len() > longest {
        format!("{} characters; 1 to {longest} are allowed", name.len())
    } else if name.chars().any(|c| c.is_ascii_uppercase()) {
        "AWS turns it into lower case".to_owned()
    } else if !name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    {
        "only lower-case letters, digits and hyphens are allowed".to_owned()
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        "must begin with a letter".to_owned()
    } else if name.ends_with('-') || name.contains("--") {
        "hyphens stand alone and not at the end".to_owned()
    } else {
        return None;
    };
    let better = hyphenated(name, longest).unwrap_or_else(|| name.to_owned());
    let better = match better.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("c-{better}"),
        false => better,
    };
    bad(why, (better != name).then_some(better))
}

fn serverless(name: &str) -> Option<Fault> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(3..=64).contains(&name.len()) {
        return bad(format!("{} characters; 3 to 64 are allowed", name.len()), None);
    }
    (!name.chars().all(allowed)).then(|| {
        bad(
            "only lower-case letters, digits and hyphens are allowed",
            hyphenated(name, 64),
        )
    })?
}

/// Words of SQL that people do use as names and Redshift refuses.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "between",
    "case",
    "check",
    "column",
    "create",
    "default",
    "delta",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "false",
    "for",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "in",
    "inner",
    "into",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "public",
    "right",
    "select",
    "session_user",
    "some",
    "system",
    "table",
    "tag",
    "then",
    "to",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "when",
    "where",
    "with",
];

fn database(name: &str) -> Option<Fault> {
    let better = || {
        repaired(
            name,
            |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_',
            "_",
            64,
        )
    };
    if name.is_empty() || name.len() > 64 {
        return Some((
            "bad-database-name",
            format!("{} characters; 1 to 64 are allowed", name.len()),
            better(),
        ));
    }
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if !first
        || !name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$')
    {
        return Some((
            "bad-database-name",
            "only lower-case letters, digits, `_` and `$`, beginning with a letter".to_owned(),
            better(),
        ));
    }
    reserved(name)
}

fn reserved(name: &str) -> Option<Fault> {
    if !RESERVED.contains(&name) {
        return None;
    }
    Some((
        "reserved-word",
        "is a reserved word of SQL".to_owned(),
        Some(format!("{name}_1")),
    ))
}

fn user(name: &str) -> Option<Fault> {
    let better = || {
        repaired(
            name,
            |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_',
            "_",
            127,
        )
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_+.@-".contains(c);
    if name.is_empty()
        || name.len() > 127
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(allowed)
    {
        return Some((
            "bad-user-name",
            "only lower-case letters, digits and `_+.@-`, beginning with a letter".to_owned(),
            better(),
        ));
    }
    reserved(name)
}

fn schema(name: &str) -> Option<Fault> {
    match name.is_empty() || name.len() > 127 || name.contains('"') {
        true => bad("1 to 127 characters without quotes are allowed", None),
        false => name
            .to_lowercase()
            .starts_with("pg_")
            .then(|| bad("`pg_` is reserved", None))?,
    }
}

fn secret(name: &str) -> Option<Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    if name.is_empty() || name.len() > 512 || !name.chars().all(allowed) {
        return bad(
            "1 to 512 letters, digits and `/_+=.@-` are allowed",
            hyphenated(name, 512),
        );
    }
    // AWS puts a hyphen and six characters behind the name in the ARN, and mixes the two up.
    let tail = name.rsplit_once('-').map_or("", |(_, tail)| tail);
    let ambiguous =
        tail.len() == 6 && tail.chars().all(|c| c.is_ascii_alphanumeric()) && tail.chars().any(|c| c.is_ascii_digit());
    ambiguous.then(|| {
        bad(
            "a hyphen and six characters at the end look like the end of an ARN",
            Some(format!("{name}-secret")),
        )
    })?
}

fn log_group(name: &str) -> Option<Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#".contains(c);
    if name.is_empty() || name.len() > 512 || !name.chars().all(allowed) {
        return bad("1 to 512 letters, digits and `.-_/#` are allowed", None);
    }
    name.starts_with("aws/")
        .then(|| bad("`aws/` is reserved", Some(format!("/{name}"))))?
}

/// Two resources that would be one object: AWS compares most names without regard to case.
fn duplicates(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<(Kind, String, String), &Resource> = BTreeMap::new();
    for resource in stack.resources.values() {
        let (field, scope) = match (resource.kind(), resource.kind().schema().identity) {
            (Kind::SecurityGroup, _) => ("name", resource.field("vpc")),
            (Kind::ExternalSchema, _) => ("name", resource.field("warehouse")),
            (_, Identity::Named(field)) => (field, None),
            _ => continue,
        };
        let Some(name) = resource.text(field) else { continue };
        let key = (
            resource.kind(),
            name.to_lowercase(),
            scope.map(Value::to_text).unwrap_or_default(),
        );
        match seen.get(&key) {
            Some(other) => problems.push(
                Diagnostic::error(
                    "duplicate-name",
                    "two resources would be the same object",
                    resource.span_of(field),
                    format!("`{name}` is `{}` too", other.address),
                )
                .related(other.span_of(field), "the other one")
                .hint("give one of them another name; AWS does not look at upper and lower case"),
            ),
            None => {
                seen.insert(key, resource);
            }
        }
    }
}
