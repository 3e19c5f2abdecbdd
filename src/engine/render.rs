//! Plans as text. Pure: the colours are passed in, the text comes out.

use crate::journal::Entry;
use crate::plan::{Action, Change, FieldChange, Plan};
use crate::schema::Disruption;
use crate::value::Value;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;

/// How things are emphasised; empty strings for plain text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    pub add: &'static str,
    pub change: &'static str,
    pub remove: &'static str,
    pub dim: &'static str,
    pub bold: &'static str,
    pub reset: &'static str,
}

impl Paint {
    pub const PLAIN: Paint = Paint {
        add: "",
        change: "",
        remove: "",
        dim: "",
        bold: "",
        reset: "",
    };
    pub const COLOUR: Paint = Paint {
        add: "\x1b[32m",
        change: "\x1b[33m",
        remove: "\x1b[31m",
        dim: "\x1b[2m",
        bold: "\x1b[1m",
        reset: "\x1b[0m",
    };
}

impl Action {
    /// The mark that eyes and scripts know.
    pub const fn mark(self) -> &'static str {
        match self {
            Action::Keep => " ",
            Action::Create => "+",
            Action::Update => "~",
            Action::Replace => "-/+",
            Action::Delete => "-",
            Action::Forget => ".",
        }
    }
}

/// Renders a plan. `place` returns `file:line:col` for a span of the stack file.
pub fn plan(plan: &Plan, place: &dyn Fn(crate::diagnostic::Span) -> String, paint: Paint, full: bool) -> String {
    let mut text = String::new();
    let shown: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep)
        .collect();
    for change in &shown {
        let colour = match change.action {
            Action::Create => paint.add,
            Action::Update => paint.change,
            Action::Replace | Action::Delete => paint.remove,
            Action::Keep | Action::Forget => paint.dim,
        };
        let mark = change.action.mark();
        write!(
            text,
            "{colour}{mark:>3}{} {}{}{}",
            paint.reset, paint.bold, change.address, paint.reset
        )
        .expect("string");
        // What is the same for every line is said by the command.
        let plain = change.because.starts_with("it is not there") || change.because == crate::plan::ASKED_TO_DESTROY;
        if !plain {
            write!(text, "  {}{}{}", paint.dim, change.because, paint.reset).expect("string");
        }
        if matches!(change.action, Action::Update) && change.disruption > Disruption::Live {
            write!(
                text,
                "  {}({}){}",
                paint.change,
                change.disruption.as_str(),
                paint.reset
            )
            .expect("string");
        }
        text.push('\n');
        match change.action {
            Action::Create => created(&mut text, change, full),
            Action::Update | Action::Replace => {
                for field in &change.fields {
                    changed(&mut text, field, place, paint);
                }
                if change.action == Action::Replace {
                    taken_down(&mut text, plan, change, paint);
                }
            }
            Action::Keep | Action::Delete | Action::Forget => {}
        }
    }
    let moved = plan.entries.iter().filter_map(|entry| match entry {
        Entry::Moved { from, to } => Some((from, to)),
        _ => None,
    });
    let lines_before = text.len();
    for (from, to) in moved {
        writeln!(
            text,
            "{}  .{} {}{to}{}  {}was `{from}`{}",
            paint.dim, paint.reset, paint.bold, paint.reset, paint.dim, paint.reset
        )
        .expect("string");
    }
    if !shown.is_empty() || text.len() > lines_before {
        text.push('\n');
    }
    for (address, reason) in &plan.blocked {
        writeln!(
            text,
            "{}  !{} {}{address}{}: {reason}",
            paint.remove, paint.reset, paint.bold, paint.reset
        )
        .expect("string");
    }
    let (add, change, destroy) = plan.totals();
    if plan.is_empty() && !plan.blocked.is_empty() {
        text.push_str("Nothing can be done: see above.\n");
    } else if plan.is_empty() {
        text.push_str("Nothing to do: what is live is what the file says.\n");
    } else {
        writeln!(
            text,
            "{}Plan:{} {add} to add, {change} to change, {destroy} to destroy.",
            paint.bold, paint.reset
        )
        .expect("string");
    }
    text
}

/// The version of the JSON form of plans.
pub const FORMAT_VERSION: u32 = 1;

/// Returns a plan as JSON. `place` returns `file:line:col` for a span of the stack file. Secrets are masked, and what
/// waits for an output is written as `${kind.name.output}`.
pub fn json(plan: &Plan, place: &dyn Fn(crate::diagnostic::Span) -> String) -> Json {
    let (add, change, destroy) = plan.totals();
    let mask = |secret: bool, value: &Value| {
        if secret {
            Json::from("(secret)")
        } else {
            value.to_json()
        }
    };
    let changes = plan
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep)
        .map(|change| {
            let schema = change.address.kind.schema();
            let is_secret = |name: &str| schema.field(name).is_some_and(|field| field.secret);
            let wanted: serde_json::Map<String, Json> = change
                .desired
                .iter()
                .map(|(name, value)| (name.clone(), mask(is_secret(name), value)))
                .collect();
            json!({
                "address": change.address,
                "kind": change.address.kind.as_str(),
                "action": change.action,
                "because": change.because,
                "caused_by": change.caused_by,
                "disruption": change.disruption.as_str(),
                "protect": change.protect,
                "id": change.live.as_ref().map(|live| &live.id),
                "needs": change.needs,
                "fields": change.fields.iter().map(|field| json!({
                    "name": field.name,
                    "before": mask(field.secret, &field.before),
                    "after": mask(field.secret, &field.after),
                    "replaces": field.replaces,
                    "disruption": field.disruption.as_str(),
                    "at": place(field.span),
                })).collect::<Vec<_>>(),
                "wanted": if change.action == Action::Create { Json::Object(wanted) } else { Json::Null },
            })
        });
    json!({
        "format_version": FORMAT_VERSION,
        "summary": { "add": add, "change": change, "destroy": destroy, "blocked": plan.blocked.len() },
        "expected_s": crate::apply::critical_path_s(plan),
        "changes": changes.collect::<Vec<_>>(),
        "steps": plan.steps.iter().map(|step| json!({
            "address": step.address, "verb": step.verb, "after": step.after, "expected_s": crate::apply::seconds(step),
        })).collect::<Vec<_>>(),
        "blocked": plan.blocked.iter().map(|(address, reason)| json!({ "address": address, "reason": reason })).collect::<Vec<_>>(),
    })
}

fn created(text: &mut String, change: &Change, full: bool) {
    let schema = change.address.kind.schema();
    for (name, value) in &change.desired {
        let field = schema.field(name);
        let at_default = field.is_some_and(|field| match field.need {
            crate::schema::Need::Bool(bool) => *value == Value::Bool(bool),
            crate::schema::Need::Int(int) => *value == Value::Int(int),
            crate::schema::Need::Text(default) => *value == Value::text(default),
            _ => false,
        });
        let empty =
            matches!(value, Value::List(list) if list.is_empty()) || matches!(value, Value::Map(map) if map.is_empty());
        if (at_default || empty || name == "tags") && !full {
            continue;
        }
        let shown = match field.is_some_and(|field| field.secret) {
            true => "(secret)".to_owned(),
            false => short(value),
        };
        writeln!(text, "        {name} = {shown}").expect("string");
    }
}

fn changed(text: &mut String, field: &FieldChange, place: &dyn Fn(crate::diagnostic::Span) -> String, paint: Paint) {
    let (before, after) = match field.secret {
        true => ("(secret)".to_owned(), "(secret)".to_owned()),
        false => (
            short(&field.before),
            short(&field.after).trim_start_matches("→ ").to_owned(),
        ),
    };
    write!(
        text,
        "        {} {} = {before} → {after}",
        if field.replaces { "!" } else { "~" },
        field.name
    )
    .expect("string");
    if field.replaces {
        write!(
            text,
            "  {}forces replacement ({}){}",
            paint.remove,
            place(field.span),
            paint.reset
        )
        .expect("string");
    }
    text.push('\n');
}

/// Names what goes down together with a replaced resource.
fn taken_down(text: &mut String, plan: &Plan, change: &Change, paint: Paint) {
    let down: Vec<String> = plan
        .changes
        .iter()
        .filter(|other| other.action != Action::Keep && other.needs.contains(&change.address))
        .map(|other| other.address.to_string())
        .collect();
    if !down.is_empty() {
        writeln!(
            text,
            "        {}takes with it: {}{}",
            paint.dim,
            down.join(", "),
            paint.reset
        )
        .expect("string");
    }
}

/// A value on one line, cut when it is long.
pub fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "(none)".to_owned(),
        Value::Ref(reference) => format!("→ {reference}"),
        Value::List(list) => format!("[{}]", list.iter().map(short).collect::<Vec<_>>().join(", ")),
        other => other.to_json().to_string(),
    };
    match text.char_indices().nth(96) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
