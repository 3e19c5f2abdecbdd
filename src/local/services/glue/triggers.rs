//! Triggers: on demand, by schedule, or when crawls end. Their actions start crawlers.

use serde_json::{Value, json};

use super::schedule::Cron;
use super::scheduler::{self, Kind};
use super::{Answer, Call, Fault, crawlers, exists, invalid, missing, paged, shown, tags, text, texts};

const TRIGGERS: &str = "glue.triggers";

pub fn arn(cx: &Call, name: &str) -> String {
    cx.arn("glue", &format!("trigger/{name}"))
}

fn find(cx: &Call, name: &str) -> Result<Value, Fault> {
    let found: Option<Value> = cx.get(TRIGGERS, name)?;
    found.ok_or_else(|| missing(format!("Trigger {name} not found.")))
}

fn put(cx: &Call, trigger: &Value) -> Result<(), Fault> {
    cx.put(TRIGGERS, text(trigger, "Name"), trigger)?;
    let active = trigger["State"] == "ACTIVATED" && trigger["Type"] == "SCHEDULED";
    let expression = trigger["Schedule"].as_str().filter(|_| active);
    scheduler::keep(cx, Kind::Trigger, text(trigger, "Name"), expression)
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "Name").to_owned();
    if cx.get::<Value>(TRIGGERS, &name)?.is_some() {
        return Err(exists(format!("Trigger with name {name} already exists")));
    }
    if !input["WorkflowName"].is_null() {
        return Err(missing(format!("Workflow {} not found", text(input, "WorkflowName"))));
    }
    let kind = text(input, "Type");
    let start = input["StartOnCreation"] == true;
    if start && matches!(kind, "ON_DEMAND" | "EVENT") {
        return Err(invalid(format!("StartOnCreation is not supported for {kind} triggers")));
    }
    let mut trigger = json!({
        "Name": name,
        "Type": kind,
        "State": if start { "ACTIVATED" } else { "CREATED" },
        "Actions": input["Actions"].clone(),
    });
    for member in ["Description", "Schedule", "Predicate", "EventBatchingCondition"] {
        if !input[member].is_null() {
            trigger[member] = input[member].clone();
        }
    }
    check(cx, &trigger)?;
    put(cx, &trigger)?;
    tags::create(cx, &arn(cx, &name), &input["Tags"])?;
    Ok(json!({"Name": name}))
}

fn check(cx: &Call, trigger: &Value) -> Result<(), Fault> {
    let kind = text(trigger, "Type");
    let schedule = text(trigger, "Schedule");
    match (kind, schedule.is_empty()) {
        ("SCHEDULED", true) => return Err(invalid("A schedule is required for a SCHEDULED trigger")),
        ("SCHEDULED", false) => {
            Cron::parse(schedule)
                .map_err(|reason| invalid(format!("Invalid schedule expression {schedule}: {reason}")))?;
        }
        (_, false) => return Err(invalid(format!("A schedule is not supported for {kind} triggers"))),
        _ => {}
    }
    let conditions = trigger["Predicate"]["Conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if (kind == "CONDITIONAL") == conditions.is_empty() {
        return Err(invalid(
            "Predicate conditions are required for CONDITIONAL triggers, and only for them",
        ));
    }
    if conditions.len() > 1 && trigger["Predicate"]["Logical"].is_null() {
        return Err(invalid(
            "Logical operator is required when there are multiple conditions",
        ));
    }
    for condition in &conditions {
        match (condition["CrawlerName"].as_str(), condition["JobName"].as_str()) {
            (Some(name), None) => {
                crawlers::find(cx, name)?;
                if condition["CrawlState"].is_null() {
                    return Err(invalid("CrawlState is required for a condition on a crawler"));
                }
            }
            (None, Some(job)) => return Err(missing(format!("Job {job} not found."))),
            _ => return Err(invalid("A condition names either a job or a crawler")),
        }
    }
    let actions = trigger["Actions"].as_array().cloned().unwrap_or_default();
    if actions.is_empty() {
        return Err(invalid("Actions must not be empty"));
    }
    for action in &actions {
        match (action["CrawlerName"].as_str(), action["JobName"].as_str()) {
            (Some(name), None) => drop(crawlers::find(cx, name)?),
            (None, Some(job)) => return Err(missing(format!("Job {job} not found."))),
            _ => return Err(invalid("An action names either a job or a crawler")),
        }
    }
    Ok(())
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    Ok(json!({"Trigger": shown(&find(cx, text(input, "Name"))?)}))
}

fn all(cx: &Call) -> Result<Vec<Value>, Fault> {
    let found: Vec<(String, Value)> = cx.list(TRIGGERS, "")?;
    Ok(found.into_iter().map(|(_, trigger)| trigger).collect())
}

/// A listing may be of the triggers that start one job; no trigger here does.
fn of_dependent(input: &Value, triggers: Vec<Value>) -> Vec<Value> {
    if input["DependentJobName"].is_null() {
        triggers
    } else {
        Vec::new()
    }
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let triggers = of_dependent(input, all(cx)?).iter().map(shown).collect();
    paged(cx, input, "Triggers", triggers, 200)
}

pub fn list_names(cx: &Call, input: &Value) -> Answer {
    let mut names = Vec::new();
    for trigger in of_dependent(input, all(cx)?) {
        let name = text(&trigger, "Name");
        if tags::all_match(&tags::of(cx, &arn(cx, name))?, &input["Tags"]) {
            names.push(json!(name));
        }
    }
    paged(cx, input, "TriggerNames", names, 200)
}

pub fn get_many(cx: &Call, input: &Value) -> Answer {
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for name in texts(&input["TriggerNames"]) {
        match cx.get::<Value>(TRIGGERS, &name)? {
            Some(trigger) => found.push(shown(&trigger)),
            None => absent.push(name),
        }
    }
    Ok(json!({"Triggers": found, "TriggersNotFound": absent}))
}

/// Replaces the whole definition: what the update leaves out is gone.
pub fn update(cx: &Call, input: &Value) -> Answer {
    let mut trigger = find(cx, text(input, "Name"))?;
    let change = &input["TriggerUpdate"];
    for member in [
        "Description",
        "Schedule",
        "Actions",
        "Predicate",
        "EventBatchingCondition",
    ] {
        match &change[member] {
            Value::Null => drop(trigger.as_object_mut().map(|fields| fields.remove(member))),
            value => trigger[member] = value.clone(),
        }
    }
    trigger.as_object_mut().map(|fields| fields.remove("_met"));
    check(cx, &trigger)?;
    put(cx, &trigger)?;
    Ok(json!({"Trigger": shown(&trigger)}))
}

pub fn start(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "Name");
    let mut trigger = find(cx, name)?;
    // Starting a trigger on demand fires it; the others begin to watch.
    if trigger["Type"] == "ON_DEMAND" {
        fire(cx, name)?;
    } else {
        trigger["State"] = json!("ACTIVATED");
        put(cx, &trigger)?;
    }
    Ok(json!({"Name": name}))
}

pub fn stop(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "Name");
    let mut trigger = find(cx, name)?;
    if matches!(text(&trigger, "Type"), "ON_DEMAND" | "EVENT") {
        return Err(invalid(format!("Trigger {name} of this type cannot be stopped")));
    }
    trigger["State"] = json!("DEACTIVATED");
    put(cx, &trigger)?;
    Ok(json!({"Name": name}))
}

/// Deletes a trigger; one that is not there is deleted already.
pub fn delete(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "Name");
    if cx.delete(TRIGGERS, name)? {
        scheduler::keep(cx, Kind::Trigger, name, None)?;
        tags::forget(cx, &arn(cx, name))?;
    }
    Ok(json!({"Name": name}))
}

/// Does what a trigger is for.
pub fn fire(cx: &Call, name: &str) -> Result<(), Fault> {
    let trigger = find(cx, name)?;
    for action in trigger["Actions"].as_array().into_iter().flatten() {
        match crawlers::begin(cx, text(action, "CrawlerName")) {
            // Already at it: the trigger's wish is fulfilled.
            Err(fault) if fault.code == "CrawlerRunningException" => {}
            other => other?,
        }
    }
    Ok(())
}

/// Lets the conditional triggers know that a crawl ended.
pub fn crawl_ended(cx: &Call, crawler: &str, status: &str) -> Result<(), Fault> {
    for mut trigger in all(cx)? {
        if trigger["Type"] != "CONDITIONAL" || trigger["State"] != "ACTIVATED" {
            continue;
        }
        let conditions = trigger["Predicate"]["Conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut met: Vec<u64> = trigger["_met"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect();
        let before = met.len();
        for (at, condition) in conditions.iter().enumerate() {
            if condition["CrawlerName"] == crawler && condition["CrawlState"] == status && !met.contains(&(at as u64)) {
                met.push(at as u64);
            }
        }
        if met.len() == before {
            continue;
        }
        let any = trigger["Predicate"]["Logical"] == "ANY";
        let satisfied = any || met.len() == conditions.len();
        trigger["_met"] = json!(if satisfied { Vec::new() } else { met });
        put(cx, &trigger)?;
        if satisfied {
            // A failing action must not undo the end of the crawl that fired it.
            let _ = fire(cx, text(&trigger, "Name"));
        }
    }
    Ok(())
}
