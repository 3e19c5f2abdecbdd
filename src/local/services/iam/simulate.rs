//! The policy simulator: `SimulateCustomPolicy` over given documents, `SimulatePrincipalPolicy` over a role's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::authorise::set_principal_tags;
use super::documents::{Role, invalid, missing, text};
use super::evaluate::{Context, Decision, Question, Verdict, evaluate};
use super::policy::{Policy, Use};
use super::{managed, roles};

/// A document under test, with the name and kind that answers give it.
struct Source {
    policy: Policy,
    id: String,
    kind: &'static str,
}

pub fn custom(cx: &Call, input: &Value) -> Answer {
    let sources = given(input, "PolicyInputList")?;
    let boundaries = given(input, "PermissionsBoundaryPolicyInputList")?;
    answer(cx, input, &sources, &boundaries, Context::default())
}

pub fn principal(cx: &Call, input: &Value) -> Answer {
    let role = source_role(cx, input)?;
    let mut sources = of_role(cx, &role)?;
    sources.extend(given(input, "PolicyInputList")?);
    let mut boundaries = given(input, "PermissionsBoundaryPolicyInputList")?;
    if boundaries.is_empty()
        && let Some(boundary) = &role.boundary
        && let Some(document) = managed::text_of(cx, boundary)?
    {
        boundaries.push(Source {
            policy: parse(&document)?,
            id: boundary.clone(),
            kind: "user-managed",
        });
    }
    let mut context = Context::default();
    context.set("aws:PrincipalArn", role.arn(cx));
    context.set("aws:PrincipalAccount", cx.account.clone());
    set_principal_tags(&mut context, &role.tags);
    answer(cx, input, &sources, &boundaries, context)
}

/// Returns the role of `PolicySourceArn`.
fn source_role(cx: &Call, input: &Value) -> Result<Role, Fault> {
    let arn = text(input, "PolicySourceArn");
    let name = arn.rsplit('/').next().unwrap_or_default();
    let role = roles::find(cx, name)?.filter(|role| role.arn(cx) == arn);
    role.ok_or_else(|| {
        if arn.contains(":role/") {
            missing(format!("Entity {arn} does not exist"))
        } else {
            invalid(format!(
                "Invalid Entity Arn: {arn} does not clearly define entity type and name."
            ))
        }
    })
}

/// Returns the role's own policies, inline ones first.
fn of_role(cx: &Call, role: &Role) -> Result<Vec<Source>, Fault> {
    let mut sources = Vec::new();
    for (name, document) in &role.inline {
        let id = format!("role_{}_{name}", role.name);
        sources.push(Source {
            policy: parse(document)?,
            id,
            kind: "role",
        });
    }
    for arn in &role.attached {
        if let Some(document) = managed::text_of(cx, arn)? {
            let id = arn.rsplit('/').next().unwrap_or_default().to_string();
            let kind = if arn.starts_with("arn:aws:iam::aws:") {
                "aws-managed"
            } else {
                "user-managed"
            };
            sources.push(Source {
                policy: parse(&document)?,
                id,
                kind,
            });
        }
    }
    Ok(sources)
}

/// Lists the condition keys that the documents ask for.
fn keys_of(sources: &[Source]) -> Answer {
    let statements = sources.iter().flat_map(|source| &source.policy.statements);
    let keys: BTreeSet<&String> = statements
        .flat_map(|statement| &statement.conditions)
        .map(|condition| &condition.key)
        .collect();
    Ok(json!({ "ContextKeyNames": keys }))
}

pub fn context_keys(_cx: &Call, input: &Value) -> Answer {
    keys_of(&given(input, "PolicyInputList")?)
}

pub fn context_keys_of_principal(cx: &Call, input: &Value) -> Answer {
    let mut sources = of_role(cx, &source_role(cx, input)?)?;
    sources.extend(given(input, "PolicyInputList")?);
    keys_of(&sources)
}

fn parse(document: &str) -> Result<Policy, Fault> {
    Policy::parse(document, Use::Identity).map_err(invalid)
}

fn given(input: &Value, key: &str) -> Result<Vec<Source>, Fault> {
    let documents = input[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let parse = |(at, document): (usize, &Value)| {
        let policy = parse(document.as_str().unwrap_or_default())?;
        Ok(Source {
            policy,
            id: format!("{key}.{}", at + 1),
            kind: "none",
        })
    };
    documents.iter().enumerate().map(parse).collect()
}

fn answer(cx: &Call, input: &Value, sources: &[Source], boundaries: &[Source], mut context: Context) -> Answer {
    cx.only(
        input,
        &[
            "PolicySourceArn",
            "PolicyInputList",
            "PermissionsBoundaryPolicyInputList",
            "ActionNames",
            "ResourceArns",
            "ContextEntries",
            "CallerArn",
            "MaxItems",
            "Marker",
        ],
    )?;
    for entry in input["ContextEntries"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        let values = entry["ContextKeyValues"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let values = values.iter().filter_map(Value::as_str).map(str::to_string).collect();
        context.set_all(text(entry, "ContextKeyName"), values);
    }
    let listed = |key: &str| -> Vec<&str> {
        input[key]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .collect()
    };
    let mut resources = listed("ResourceArns");
    if resources.is_empty() {
        resources.push("*");
    }
    let mut results = Vec::new();
    for action in listed("ActionNames") {
        if !action.contains(':') {
            return Err(invalid(format!(
                "Invalid input: action name {action} must be of the form service:action."
            )));
        }
        let specific: Vec<Outcome> = resources
            .iter()
            .map(|resource| outcome(action, resource, sources, boundaries, &context))
            .collect();
        results.push(shown(action, &resources, &specific, sources, !boundaries.is_empty()));
    }
    super::documents::paged(cx, "EvaluationResults", results, input)
}

/// A verdict, and whether the boundary allows, when there is one.
struct Outcome {
    verdict: Verdict,
    within_boundary: bool,
}

fn outcome(action: &str, resource: &str, sources: &[Source], boundaries: &[Source], context: &Context) -> Outcome {
    let question = Question {
        action,
        resource,
        principals: Vec::new(),
        context: context.clone(),
    };
    let policies: Vec<&Policy> = sources.iter().map(|source| &source.policy).collect();
    let mut verdict = evaluate(&policies, &question);
    let mut within_boundary = true;
    if !boundaries.is_empty() {
        let policies: Vec<&Policy> = boundaries.iter().map(|source| &source.policy).collect();
        let limit = evaluate(&policies, &question);
        within_boundary = limit.decision == Decision::Allowed;
        verdict = verdict.limited_by(limit);
    }
    Outcome {
        verdict,
        within_boundary,
    }
}

fn matched(verdict: &Verdict, sources: &[Source]) -> Value {
    let place = |(line, column): (usize, usize)| json!({ "Line": line, "Column": column });
    let statements = verdict.matched.iter().map(|(source, statement)| {
        let source = &sources[*source];
        let (start, end) = source.policy.statements[*statement].span;
        json!({
            "SourcePolicyId": source.id,
            "SourcePolicyType": source.kind,
            "StartPosition": place(start),
            "EndPosition": place(end),
        })
    });
    statements.collect()
}

fn shown(action: &str, resources: &[&str], outcomes: &[Outcome], sources: &[Source], bounded: bool) -> Value {
    // With several resources the whole is the strictest of the parts.
    let decisions = outcomes.iter().map(|outcome| outcome.verdict.decision);
    let decision = decisions.reduce(Decision::and).unwrap_or(Decision::ImplicitDeny);
    let missing: BTreeSet<&String> = outcomes.iter().flat_map(|outcome| &outcome.verdict.missing).collect();
    let first = &outcomes[0];
    let mut result = json!({
        "EvalActionName": action,
        "EvalResourceName": resources[0],
        "EvalDecision": decision.as_str(),
        "MatchedStatements": matched(&first.verdict, sources),
        "MissingContextValues": missing,
    });
    if bounded {
        let allowed = outcomes.iter().all(|outcome| outcome.within_boundary);
        result["PermissionsBoundaryDecisionDetail"] = json!({ "AllowedByPermissionsBoundary": allowed });
    }
    if resources.len() > 1 {
        let specific = resources.iter().zip(outcomes).map(|(resource, outcome)| {
            json!({
                "EvalResourceName": resource,
                "EvalResourceDecision": outcome.verdict.decision.as_str(),
                "MatchedStatements": matched(&outcome.verdict, sources),
                "MissingContextValues": outcome.verdict.missing,
                "EvalDecisionDetails": BTreeMap::<String, String>::new(),
            })
        });
        result["ResourceSpecificResults"] = specific.collect();
    }
    result
}
