//! What is live against what was applied: the report for CI. Pure; the plan says what would be done about it.

use crate::address::{Address, Reference};
use crate::cloud::{Live, Owned};
use crate::diagnostic::Span;
use crate::journal::Ledger;
use crate::normalise;
use crate::plan::Observed;
use crate::render::short;
use crate::report::{Places, sarif_log};
use crate::schema::{Compare, Need};
use crate::stack::Stack;
use crate::value::Value;
use serde::Serialize;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The version of the JSON form.
pub const FORMAT_VERSION: u32 = 1;

/// The state of a route table with a route to something that is gone, and what the words about that route say.
const BLACKHOLE: &str = "blackhole";
const NOWHERE: &str = "leads nowhere";

/// What kind of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A field is not what was applied.
    Changed,
    /// The object is gone.
    Deleted,
    /// Something on the object that no file asked for.
    Extra,
    /// An object with our tags that the ledger does not know.
    Orphan,
    /// A route leads to something that is gone.
    Blackhole,
    /// Not drift of the cloud: the file is ahead of what was applied, or AWS is still busy.
    Pending,
}

impl Class {
    pub const ALL: &[Class] = &[
        Class::Changed,
        Class::Deleted,
        Class::Extra,
        Class::Orphan,
        Class::Blackhole,
        Class::Pending,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Changed => "changed",
            Class::Deleted => "deleted",
            Class::Extra => "extra",
            Class::Orphan => "orphan",
            Class::Blackhole => "blackhole",
            Class::Pending => "pending",
        }
    }

    const fn doc(self) -> &'static str {
        match self {
            Class::Changed => "A field is not what was applied.",
            Class::Deleted => "The object is gone.",
            Class::Extra => "Something on the object that no file asked for.",
            Class::Orphan => "An object with our tags that the ledger does not know.",
            Class::Blackhole => "A route leads to something that is gone.",
            Class::Pending => "The file is ahead of what was applied, or AWS is still busy.",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    pub address: Address,
    pub class: Class,
    /// What AWS calls the object.
    pub id: Option<String>,
    pub field: Option<String>,
    /// What was applied, and what is there now.
    pub expected: Option<Value>,
    pub found: Option<Value>,
    pub note: String,
    #[serde(skip)]
    pub span: Option<Span>,
}

impl Drift {
    /// Returns the difference as one sentence without the address.
    pub fn sentence(&self) -> String {
        match (&self.field, &self.expected, &self.found) {
            (Some(field), Some(expected), Some(found)) if self.class == Class::Extra => {
                let more = added(expected, found).unwrap_or_else(|| found.clone());
                format!("`{field}` has {}, which no file asked for", short(&more))
            }
            (Some(field), Some(expected), Some(found)) => {
                format!(
                    "`{field}` is {}, should be {}{}",
                    short(found),
                    short(expected),
                    self.tail()
                )
            }
            _ => self.note.clone(),
        }
    }

    /// Returns what tells this difference from every other, from run to run. The same field with another value is
    /// another difference; an object that is gone is the same difference whatever it was called.
    pub fn fingerprint(&self) -> String {
        let what = match self.class {
            Class::Deleted => Json::Null,
            Class::Orphan => json!(self.id),
            Class::Changed | Class::Extra | Class::Blackhole | Class::Pending => match &self.found {
                Some(found) => json!([self.field, found]),
                None => json!(self.note),
            },
        };
        let text = json!([self.address, self.class, what]).to_string();
        Sha256::digest(text.as_bytes())
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn tail(&self) -> String {
        if self.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.note)
        }
    }
}

/// Returns the differences, by address. `owned` is everything that carries the stack's tags.
pub fn compare(stack: &Stack, observed: &Observed, ledger: &Ledger, owned: &[Owned]) -> Vec<Drift> {
    let mut found = Vec::new();
    for (address, record) in &ledger.records {
        let resource = stack.resources.get(address);
        let span = resource.map(|resource| resource.span);
        let mut add = |class: Class, note: String| {
            found.push(Drift {
                address: address.clone(),
                class,
                id: Some(record.id.clone()),
                field: None,
                expected: None,
                found: None,
                note,
                span,
            });
        };
        match observed.get(address) {
            Some(Some(live)) if live.going => add(Class::Deleted, format!("`{}` is being deleted", record.id)),
            Some(Some(live)) => {
                let blackhole = live.status.as_deref() == Some(BLACKHOLE);
                for extra in &live.extras {
                    let class = match blackhole && extra.contains(NOWHERE) {
                        true => Class::Blackhole,
                        false => Class::Extra,
                    };
                    add(class, extra.clone());
                }
                match live.status.as_ref().filter(|_| !blackhole) {
                    // Files are as they were written, or somebody changed them.
                    Some(status) if address.kind.is_data() => add(Class::Changed, status.clone()),
                    Some(status) => add(Class::Pending, format!("AWS says `{status}`")),
                    None => {}
                }
                if resource.is_none() && !stack.removed.contains(address) {
                    add(Class::Pending, "it is no longer in the file".to_owned());
                }
                changed(stack, ledger, address, live, &mut found);
            }
            Some(None) => add(Class::Deleted, format!("`{}` is gone", record.id)),
            None => {}
        }
    }
    for (address, resource) in stack
        .resources
        .iter()
        .filter(|(address, _)| !ledger.records.contains_key(address))
    {
        found.push(Drift {
            address: address.clone(),
            class: Class::Pending,
            id: None,
            field: None,
            expected: None,
            found: None,
            note: "it was not applied yet".to_owned(),
            span: Some(resource.span),
        });
    }
    let known = |owned: &Owned| {
        ledger.records.values().any(|record| record.id == owned.id)
            || ledger.open.contains_key(&owned.owner.op)
            // Its tags stay on what the file gave away.
            || stack.removed.contains(&owned.owner.address)
    };
    for orphan in owned.iter().filter(|owned| !known(owned)) {
        found.push(Drift {
            address: orphan.owner.address.clone(),
            class: Class::Orphan,
            id: Some(orphan.id.clone()),
            field: None,
            expected: None,
            found: None,
            note: format!("`{}` carries our tags and is not in the ledger", orphan.id),
            span: None,
        });
    }
    found.sort_by(|a, b| (&a.address, a.class, &a.field, &a.note).cmp(&(&b.address, b.class, &b.field, &b.note)));
    found
}

/// Fields against what was applied last: what the cloud changed is drift, what the file changed is pending.
fn changed(stack: &Stack, ledger: &Ledger, address: &Address, live: &Live, found: &mut Vec<Drift>) {
    let record = &ledger.records[address];
    let resource = stack.resources.get(address);
    // What the file wants, with what others offer as the file or the ledger knows it.
    let lookup = |reference: &Reference| {
        let output = reference.address.kind.schema().output(&reference.output)?;
        let other = stack.resources.get(&reference.address)?;
        let written = output.field.and_then(|field| other.fields.get(field));
        let told = || ledger.records.get(&reference.address)?.outputs.get(&reference.output);
        written.filter(|value| value.is_known()).or_else(told).cloned()
    };
    let wanted = |name: &str| -> Option<Value> {
        let value = resource?.fields.get(name)?.resolve(&lookup);
        value.is_known().then_some(value)
    };
    let fields = address.kind.schema().fields.iter();
    let names = fields
        .map(|field| (field.name, field.compare, field.need == Need::Optional))
        .chain([("tags", Compare::Exact, false)]);
    for (name, compare, may_be_unset) in names {
        let applied = match record.fields.get(name) {
            Some(applied) => applied,
            // It was applied as not set; what nobody speaks of may be as it likes.
            None if may_be_unset && !record.fields.is_empty() => &Value::Null,
            None => continue,
        };
        if compare == Compare::Fingerprint {
            continue;
        }
        let now = match compare {
            Compare::Ledger => applied,
            _ => live.fields.get(name).unwrap_or(&Value::Null),
        };
        let wanted = wanted(name);
        let mut add = |class: Class, expected: &Value, now: &Value, note: &str| {
            found.push(Drift {
                address: address.clone(),
                class,
                id: Some(record.id.clone()),
                field: Some(name.to_owned()),
                expected: Some(expected.clone()),
                found: Some(now.clone()),
                note: note.to_owned(),
                span: resource.map(|resource| resource.span_of(name)),
            });
        };
        // When the file came round to what is live there is nothing left to differ.
        let agreed = wanted
            .as_ref()
            .is_some_and(|wanted| normalise::same(compare, now, wanted));
        if !normalise::same(compare, now, applied) && !agreed {
            let class = match added(applied, now) {
                Some(_) => Class::Extra,
                None => Class::Changed,
            };
            add(class, applied, now, "");
        }
        if let Some(wanted) = wanted.filter(|wanted| !agreed && !normalise::same(compare, wanted, applied)) {
            add(
                Class::Pending,
                &wanted,
                applied,
                "the file changed since it was applied",
            );
        }
    }
}

/// Returns what there is besides what was applied, when all of that is still there too.
fn added(applied: &Value, now: &Value) -> Option<Value> {
    let same = |a: &Value, b: &Value| normalise::same(Compare::Exact, a, b);
    match (applied, now) {
        (Value::Null, now) => Some(now.clone()),
        (Value::List(old), Value::List(new)) => {
            let stays = old.iter().all(|old| new.iter().any(|new| same(old, new)));
            let more = new.iter().filter(|new| !old.iter().any(|old| same(old, new)));
            stays.then(|| Value::List(more.cloned().collect()))
        }
        (Value::Map(old), Value::Map(new)) => {
            let stays = old
                .iter()
                .all(|(key, old)| new.get(key).is_some_and(|new| same(old, new)));
            let more = new.iter().filter(|(key, _)| !old.contains_key(*key));
            stays.then(|| Value::Map(more.map(|(key, value)| (key.clone(), value.clone())).collect()))
        }
        _ => None,
    }
}

/// Takes the accepted differences out; returns how many there were.
pub fn without(found: &mut Vec<Drift>, accepted: &BTreeSet<String>) -> usize {
    let before = found.len();
    found.retain(|drift| !accepted.contains(&drift.fingerprint()));
    before - found.len()
}

/// Reads the fingerprints of an earlier report: what `--format json` wrote is a baseline as it stands.
pub fn read_baseline(text: &str) -> Result<BTreeSet<String>, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    match json["format_version"].as_u64() {
        Some(version) if version <= u64::from(FORMAT_VERSION) => {}
        Some(version) => return Err(format!("it was written by a newer lakeform (version {version})")),
        None => return Err("it is no drift report: `format_version` is missing".to_owned()),
    }
    let found = json["found"]
        .as_array()
        .ok_or("it is no drift report: `found` is missing")?;
    let print = |one: &Json| one["fingerprint"].as_str().map(str::to_owned);
    found
        .iter()
        .map(print)
        .collect::<Option<_>>()
        .ok_or_else(|| "a `fingerprint` is missing".to_owned())
}

/// Whether CI should fail: pending alone is no drift.
pub fn is_drift(found: &[Drift]) -> bool {
    found.iter().any(|drift| drift.class != Class::Pending)
}

/// Returns the report for people.
pub fn text(found: &[Drift]) -> String {
    if found.is_empty() {
        return "No drift: what is live is what was applied.\n".to_owned();
    }
    let mut text = String::new();
    let mut last: Option<&Address> = None;
    for drift in found {
        if last != Some(&drift.address) {
            writeln!(text, "{}", drift.address).expect("string");
            last = Some(&drift.address);
        }
        writeln!(text, "  {:<9} {}", drift.class.as_str(), drift.sentence()).expect("string");
    }
    let counts = Class::ALL.iter().filter_map(|class| {
        let count = found.iter().filter(|drift| drift.class == *class).count();
        (count > 0).then(|| format!("{count} {}", class.as_str()))
    });
    writeln!(text, "\nDrift: {}.", counts.collect::<Vec<_>>().join(", ")).expect("string");
    text
}

/// Returns the report as JSON.
pub fn to_json(found: &[Drift]) -> Json {
    let found_json = found.iter().map(|drift| {
        let mut json = json!(drift);
        json["fingerprint"] = drift.fingerprint().into();
        json
    });
    json!({ "format_version": FORMAT_VERSION, "drift": is_drift(found), "found": found_json.collect::<Vec<_>>() })
}

/// Returns the report as a Markdown table, for comments on pull requests.
pub fn markdown(found: &[Drift]) -> String {
    if found.is_empty() {
        return "No drift.\n".to_owned();
    }
    found.iter().fold(
        "| resource | class | what |\n| --- | --- | --- |\n".to_owned(),
        |mut text, drift| {
            let what = drift.sentence().replace('|', "\\|").replace('\n', " ");
            writeln!(text, "| `{}` | {} | {what} |", drift.address, drift.class.as_str()).expect("string");
            text
        },
    )
}

/// Returns the report as JUnit XML: a test case per resource.
pub fn junit(found: &[Drift], checked: &[Address]) -> String {
    let failing = |address: &Address| {
        found
            .iter()
            .filter(|drift| drift.address == *address && drift.class != Class::Pending)
            .collect::<Vec<_>>()
    };
    let mut addresses: BTreeSet<&Address> = checked.iter().collect();
    addresses.extend(found.iter().map(|drift| &drift.address));
    let failures = addresses.iter().filter(|address| !failing(address).is_empty()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    writeln!(
        text,
        "<testsuite name=\"drift\" tests=\"{}\" failures=\"{failures}\">",
        addresses.len()
    )
    .expect("string");
    for address in addresses {
        let failing = failing(address);
        if failing.is_empty() {
            writeln!(
                text,
                "  <testcase classname=\"{}\" name=\"{}\"/>",
                address.kind, address.name
            )
            .expect("string");
            continue;
        }
        writeln!(
            text,
            "  <testcase classname=\"{}\" name=\"{}\">",
            address.kind, address.name
        )
        .expect("string");
        for drift in failing {
            writeln!(
                text,
                "    <failure type=\"{}\" message=\"{}\"/>",
                drift.class.as_str(),
                xml(&drift.sentence())
            )
            .expect("string");
        }
        text.push_str("  </testcase>\n");
    }
    text.push_str("</testsuite>\n");
    text
}

fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns the report as SARIF 2.1.0.
pub fn sarif(found: &[Drift], file: &str, source: &str, version: &str) -> Json {
    let places = Places::new(source);
    let results = found.iter().map(|drift| {
        let (line, column) = drift.span.map_or((1, 1), |span| places.at(span.start));
        json!({
            "ruleId": drift.class.as_str(),
            "level": if drift.class == Class::Pending { "note" } else { "error" },
            "message": { "text": format!("{}: {}", drift.address, drift.sentence()) },
            "partialFingerprints": { "lakeform/v1": drift.fingerprint() },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": file },
                "region": { "startLine": line, "startColumn": column },
            } }],
        })
    });
    let rules = Class::ALL
        .iter()
        .map(|class| json!({ "id": class.as_str(), "shortDescription": { "text": class.doc() } }));
    sarif_log(version, rules.collect(), results.collect())
}

/// Returns the report as annotations of GitHub Actions.
pub fn github(found: &[Drift], file: &str, source: &str) -> String {
    let places = Places::new(source);
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    found.iter().fold(String::new(), |mut text, drift| {
        let level = if drift.class == Class::Pending {
            "notice"
        } else {
            "error"
        };
        let (line, column) = drift.span.map_or((1, 1), |span| places.at(span.start));
        let title = format!("{} {}", drift.address, drift.class.as_str());
        writeln!(
            text,
            "::{level} file={file},line={line},col={column},title={title}::{}",
            escape(&drift.sentence())
        )
        .expect("string");
        text
    })
}

#[cfg(test)]
mod tests;
