//! Plans as text. Pure: the colours are passed in, the text comes out.

mod json;

pub use json::{FORMAT_VERSION, json};

use crate::address::Address;
use crate::diagnostic::Span;
use crate::journal::Entry;
use crate::kind::Kind;
use crate::plan::{self, Action, Change, FieldChange, Plan};
use crate::schema::{Change as How, Disruption, Need, Type};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};
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

/// How a plan is told. `place` returns `file:line:col` for a span of the stack file.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub paint: Paint,
    pub place: &'a dyn Fn(Span) -> String,
    /// Show fields that have their default, too.
    pub full: bool,
    /// A list in the order of needs instead of a tree.
    pub flat: bool,
    /// Whether it will be done by the local cloud, which takes no time worth telling.
    pub local: bool,
}

/// Renders a plan: what stands in something, or needs it, hangs from it.
pub fn plan(plan: &Plan, look: &Look<'_>) -> String {
    let paint = look.paint;
    let shown: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep)
        .collect();
    let mut writer = Writer {
        plan,
        look,
        children: Vec::new(),
        shown,
        text: String::new(),
    };
    match look.flat {
        true => (0..writer.shown.len()).for_each(|index| writer.node(index, "", "    ")),
        false => writer.tree(),
    }
    let something = !writer.shown.is_empty();
    let mut text = writer.text;
    let lines_before = text.len();
    for (address, news) in plan.entries.iter().filter_map(|entry| learnt(plan, entry)) {
        writeln!(
            text,
            "{}  .{} {}{address}{}  {}{news}{}",
            paint.dim, paint.reset, paint.bold, paint.reset, paint.dim, paint.reset
        )
        .expect("string");
    }
    if something || text.len() > lines_before {
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
    text + &footer(plan, look)
}

/// What the ledger learns because the file says so, as far as people must know.
fn learnt<'a>(plan: &Plan, entry: &'a Entry) -> Option<(&'a Address, String)> {
    match entry {
        Entry::Adopted { address, .. } if plan.found.contains(address) => {
            Some((address, "taken over: it carries this stack's tags".to_owned()))
        }
        Entry::Moved { from, to } => Some((to, format!("was `{from}`"))),
        Entry::Forgot { address } => Some((address, "forgotten, and left where it is".to_owned())),
        _ => None,
    }
}

/// The lines below the changes, which people look at first and scripts look for.
fn footer(plan: &Plan, look: &Look<'_>) -> String {
    let paint = look.paint;
    if plan.is_empty() && !plan.blocked.is_empty() {
        return "Nothing can be done: see above.\n".to_owned();
    }
    if plan.is_empty() {
        return "Nothing to do: what is live is what the file says.\n".to_owned();
    }
    let (add, change, destroy) = plan.totals();
    let mut text = format!(
        "{}Plan:{} {add} to add, {change} to change, {destroy} to destroy.\n",
        paint.bold, paint.reset
    );
    let lost: Vec<String> = plan.data_loss().map(|change| change.address.to_string()).collect();
    if !lost.is_empty() {
        writeln!(text, "{}Data loss:{} {}", paint.remove, paint.reset, lost.join(", ")).expect("string");
    }
    if let Some(path) = plan::critical_path(plan) {
        let about = format!("≈ {}, {}", minutes(path.seconds), path.longest);
        match look.local {
            true => writeln!(text, "{}Time: seconds here; on AWS {about}{}", paint.dim, paint.reset),
            false => writeln!(text, "{}Time: {about}{}", paint.dim, paint.reset),
        }
        .expect("string");
    }
    text
}

/// A length of time as people say it: `40 s`, `5 m 40 s`, `1 h 05 m`.
pub fn minutes(seconds: u64) -> String {
    match seconds {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} m {:02} s", s / 60, s % 60),
        s => format!("{} h {:02} m", s / 3600, s / 60 % 60),
    }
}

struct Writer<'a> {
    plan: &'a Plan,
    look: &'a Look<'a>,
    shown: Vec<&'a Change>,
    /// What hangs from each shown change.
    children: Vec<Vec<usize>>,
    text: String,
}

impl Writer<'_> {
    fn tree(&mut self) {
        let parents = parents(&self.shown);
        self.children = vec![Vec::new(); self.shown.len()];
        for (index, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent {
                self.children[*parent].push(index);
            }
        }
        for index in (0..self.shown.len()).filter(|index| parents[*index].is_none()) {
            self.node(index, "", "    ");
            self.below(index, "    ");
        }
    }

    fn below(&mut self, index: usize, indent: &str) {
        let children = self.children[index].clone();
        for (at, child) in children.iter().enumerate() {
            let (branch, bar) = match at + 1 == children.len() {
                true => ("└─ ", "   "),
                false => ("├─ ", "│  "),
            };
            self.node(*child, &format!("{indent}{branch}"), &format!("{indent}{bar}"));
            self.below(*child, &format!("{indent}{bar}"));
        }
    }

    /// Writes one change: `branch` stands before its first line, `indent` before the others.
    fn node(&mut self, index: usize, branch: &str, indent: &str) {
        let (change, paint) = (self.shown[index], self.look.paint);
        let colour = match change.action {
            Action::Create => paint.add,
            Action::Update => paint.change,
            Action::Replace | Action::Delete => paint.remove,
            Action::Keep | Action::Forget => paint.dim,
        };
        let mark = match branch.is_empty() {
            true => format!("{:>3}", change.action.mark()),
            false => change.action.mark().to_owned(),
        };
        write!(
            self.text,
            "{}{branch}{}{colour}{mark}{} {}{}{}  {}{}{}",
            paint.dim,
            paint.reset,
            paint.reset,
            paint.bold,
            change.address,
            paint.reset,
            paint.dim,
            self.because(change),
            paint.reset
        )
        .expect("string");
        let level = change.disruption;
        match change.action {
            Action::Update | Action::Replace => self.level(level),
            Action::Delete if level == Disruption::DataLoss => self.level(level),
            _ => {}
        }
        self.text.push('\n');
        match change.action {
            Action::Create => self.created(change, indent),
            Action::Update | Action::Replace => {
                change.fields.iter().for_each(|field| self.changed(field, indent));
                self.taken_down(change, indent);
            }
            Action::Keep | Action::Delete | Action::Forget => {}
        }
    }

    fn level(&mut self, level: Disruption) {
        let paint = self.look.paint;
        let colour = match level {
            Disruption::Live => paint.dim,
            Disruption::Brief | Disruption::Reboot | Disruption::Resize => paint.change,
            Disruption::DataLoss => paint.remove,
        };
        write!(self.text, "  {colour}[{}]{}", level.as_str(), paint.reset).expect("string");
    }

    /// The reason, and for what goes down with something else the line that began it.
    fn because(&self, change: &Change) -> String {
        let root = self.plan.root_cause(change);
        let began = root.fields.iter().find(|field| field.replaces);
        match began.filter(|_| change.action == Action::Replace && root.address != change.address) {
            Some(field) => format!("{} ({})", change.because, (self.look.place)(field.span)),
            None => change.because.clone(),
        }
    }

    fn created(&mut self, change: &Change, indent: &str) {
        let schema = change.address.kind.schema();
        for (name, value) in &change.desired {
            let field = schema.field(name);
            let at_default = field.is_some_and(|field| match field.need {
                Need::Bool(bool) => *value == Value::Bool(bool),
                Need::Int(int) => *value == Value::Int(int),
                Need::Text(default) => *value == Value::text(default),
                _ => false,
            });
            let empty = matches!(value, Value::List(list) if list.is_empty())
                || matches!(value, Value::Map(map) if map.is_empty());
            if (at_default || empty || name == "tags") && !self.look.full {
                continue;
            }
            let shown = match field.is_some_and(|field| field.secret) {
                true => "(secret)".to_owned(),
                false => short(value),
            };
            self.line(indent, &format!("{name} = {shown}"));
        }
    }

    fn changed(&mut self, field: &FieldChange, indent: &str) {
        let paint = self.look.paint;
        let mark = if field.replaces { "!" } else { "~" };
        let tail = match field.replaces {
            true => format!(
                "  {}forces replacement ({}){}",
                paint.remove,
                (self.look.place)(field.span),
                paint.reset
            ),
            false => format!("  {}[{}]{}", paint.dim, field.disruption.as_str(), paint.reset),
        };
        if field.secret {
            return self.line(indent, &format!("{mark} {} = (secret) → (secret){tail}", field.name));
        }
        let mut parts = vec![(field.name.clone(), &field.before, &field.after)];
        // What does not fit on a line is told by its parts.
        if [&field.before, &field.after]
            .iter()
            .any(|value| short(value).ends_with('…'))
        {
            parts = differing(&field.name, &field.before, &field.after);
        }
        for (path, before, after) in parts {
            let (before, after) = (short(before), short(after));
            let after = after.trim_start_matches("→ ");
            self.line(indent, &format!("{mark} {path} = {before} → {after}{tail}"));
        }
    }

    /// Names what goes down together with what begins a replacement.
    fn taken_down(&mut self, change: &Change, indent: &str) {
        let down: Vec<String> = taken_down(self.plan, change).map(Address::to_string).collect();
        if !down.is_empty() {
            let paint = self.look.paint;
            self.line(
                indent,
                &format!("{}takes down: {}{}", paint.dim, down.join(", "), paint.reset),
            );
        }
    }

    fn line(&mut self, indent: &str, line: &str) {
        let paint = self.look.paint;
        let bars = match indent.trim().is_empty() {
            true => indent.to_owned(),
            false => format!("{}{indent}{}", paint.dim, paint.reset),
        };
        writeln!(self.text, "{bars}    {line}").expect("string");
    }
}

/// Returns the parts of two values that differ, with their paths.
fn differing<'a>(path: &str, before: &'a Value, after: &'a Value) -> Vec<(String, &'a Value, &'a Value)> {
    match (before, after) {
        (Value::Map(old), Value::Map(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            keys.into_iter()
                .map(|key| {
                    let part = |map: &'a BTreeMap<String, Value>| map.get(key).unwrap_or(&Value::Null);
                    (key, part(old), part(new))
                })
                .filter(|(_, old, new)| old != new)
                .flat_map(|(key, old, new)| differing(&format!("{path}.{key}"), old, new))
                .collect()
        }
        (Value::List(old), Value::List(new)) if old.len() == new.len() => old
            .iter()
            .zip(new)
            .enumerate()
            .filter(|(_, (old, new))| old != new)
            .flat_map(|(index, (old, new))| differing(&format!("{path}.{index}"), old, new))
            .collect(),
        _ => vec![(path.to_owned(), before, after)],
    }
}

/// Returns what is replaced because this one is.
pub(crate) fn taken_down<'a>(plan: &'a Plan, change: &'a Change) -> impl Iterator<Item = &'a Address> {
    plan.changes
        .iter()
        .filter(|other| {
            other.action == Action::Replace
                && other.address != change.address
                && plan.root_cause(other).address == change.address
        })
        .map(|other| &other.address)
}

/// Returns the change from which each one hangs: the step of the data work before it, else what it stands in, else the
/// last of what it needs.
fn parents(shown: &[&Change]) -> Vec<Option<usize>> {
    let by_address: BTreeMap<&Address, usize> = shown
        .iter()
        .enumerate()
        .map(|(index, change)| (&change.address, index))
        .collect();
    let mut parents: Vec<Option<usize>> = vec![None; shown.len()];
    for (index, change) in shown.iter().enumerate() {
        let homes = home_kinds(change.address.kind);
        let needed = || change.needs.iter().filter_map(|need| by_address.get(need).copied());
        let home = || needed().filter(|need| homes.contains(&shown[*need].address.kind)).min();
        // Data flow: a step hangs from the last one before it.
        let flow = needed().filter(|need| change.address.kind.is_data() && shown[*need].address.kind.is_data());
        let parent = flow.max().or_else(home).or_else(|| needed().max());
        // Old ledgers may hold circles.
        let mut above = parent;
        while let Some(at) = above.filter(|at| *at != index) {
            above = parents[at];
        }
        parents[index] = parent.filter(|_| above.is_none());
    }
    parents
}

/// The kinds of what a resource stands in: what its first reference that cannot change in place may name.
fn home_kinds(kind: Kind) -> &'static [Kind] {
    let homes = kind.schema().fields.iter().filter(|field| field.change == How::Replace);
    homes
        .filter_map(|field| match field.ty {
            Type::Ref { kinds, .. } | Type::RefOr { kinds, .. } => Some(kinds),
            _ => None,
        })
        .next()
        .unwrap_or_default()
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
