//! Plans as JSON, for scripts and reviews. `README.md` of the engine documents the format.

use super::{learnt, taken_down};
use crate::diagnostic::Span;
use crate::plan::{self, Action, Change, Plan};
use crate::value::Value;
use serde_json::{Map, Value as Json, json};

/// The version of the JSON form of plans. New keys do not raise it; a key that goes away or changes its meaning does.
pub const FORMAT_VERSION: u32 = 1;

/// Returns a plan as JSON. `place` returns `file:line:col` for a span of the stack file. Secrets are masked, and what
/// waits for an output is written as `${kind.name.output}`.
pub fn json(plan: &Plan, place: &dyn Fn(Span) -> String) -> Json {
    let (add, change, destroy) = plan.totals();
    let expected = plan::expected(plan);
    let steps = plan.steps.iter().zip(expected).map(|(step, expected_s)| {
        json!({
            "address": step.address,
            "verb": step.verb,
            "after": step.after,
            "disruption": plan.change(&step.address).map(|change| change.disruption.as_str()),
            "expected_s": expected_s,
        })
    });
    let path = plan::critical_path(plan);
    json!({
        "format_version": FORMAT_VERSION,
        "summary": { "add": add, "change": change, "destroy": destroy, "blocked": plan.blocked.len() },
        "expected_s": path.as_ref().map_or(0, |path| path.seconds),
        "longest": path.map(|path| path.longest),
        "data_loss": plan.data_loss().map(|change| &change.address).collect::<Vec<_>>(),
        "changes": plan.changes.iter().filter(|change| change.action != Action::Keep)
            .map(|change| changed(plan, change, place)).collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
        "noted": plan.entries.iter().filter_map(|entry| learnt(plan, entry))
            .map(|(address, news)| json!({ "address": address, "news": news })).collect::<Vec<_>>(),
        "blocked": plan.blocked.iter()
            .map(|(address, reason)| json!({ "address": address, "reason": reason })).collect::<Vec<_>>(),
    })
}

fn changed(plan: &Plan, change: &Change, place: &dyn Fn(Span) -> String) -> Json {
    let schema = change.address.kind.schema();
    let is_secret = |name: &str| schema.field(name).is_some_and(|field| field.secret);
    let fields = change.fields.iter().map(|field| {
        json!({
            "name": field.name,
            "before": mask(field.secret, &field.before),
            "after": mask(field.secret, &field.after),
            "replaces": field.replaces,
            "disruption": field.disruption.as_str(),
            "at": place(field.span),
        })
    });
    let wanted: Map<String, Json> = change
        .desired
        .iter()
        .map(|(name, value)| (name.clone(), mask(is_secret(name), value)))
        .collect();
    let began = plan.root_cause(change).fields.iter().find(|field| field.replaces);
    json!({
        "address": change.address,
        "kind": change.address.kind.as_str(),
        "action": change.action,
        "because": change.because,
        "caused_by": change.caused_by,
        "began_at": began.filter(|_| change.action == Action::Replace).map(|field| place(field.span)),
        "takes_down": taken_down(plan, change).collect::<Vec<_>>(),
        "disruption": change.disruption.as_str(),
        "protect": change.protect,
        "id": change.live.as_ref().map(|live| &live.id),
        "needs": change.needs,
        "fields": fields.collect::<Vec<_>>(),
        "wanted": if change.action == Action::Create { Json::Object(wanted) } else { Json::Null },
    })
}

fn mask(secret: bool, value: &Value) -> Json {
    match secret {
        true => Json::from("(secret)"),
        false => value.to_json(),
    }
}
