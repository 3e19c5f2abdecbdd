//! `lakeform output`: what the stack offers to others, from the ledger.

use crate::cli::{Global, Output};
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::Ui;
use crate::ui::table;
use lakeform_engine::Value;
use lakeform_engine::journal::Record;
use std::collections::BTreeMap;

pub async fn run(global: &Global, args: &Output, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?;
    let ledger = crate::state::ledger(&project).await?;
    let outputs: BTreeMap<String, Value> = ledger
        .records
        .iter()
        .flat_map(|(address, record)| {
            offered(address.kind, record)
                .into_iter()
                .map(move |(name, value)| (format!("{address}.{name}"), value))
        })
        .collect();
    if let Some(reference) = &args.reference {
        let value = outputs.get(reference).ok_or_else(|| {
            let error = CommandError::new(format!("there is no output `{reference}`"));
            match lakeform_engine::diagnostic::did_you_mean(reference, outputs.keys().map(String::as_str)) {
                Some(hint) => error.hint(hint),
                None if outputs.is_empty() => error.hint("nothing is applied yet: `lakeform up`"),
                None => error.hint("`lakeform output` lists them"),
            }
        })?;
        match ui.json {
            true => ui.json(&value.to_json()),
            false => ui.data(format!("{}\n", value.to_text())),
        }
        return Ok(ExitCode::Done);
    }
    if ui.json {
        let map = outputs
            .iter()
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect();
        ui.json(&serde_json::Value::Object(map));
        return Ok(ExitCode::Done);
    }
    let rows: Vec<Vec<String>> = outputs
        .iter()
        .map(|(name, value)| vec![name.clone(), value.to_text()])
        .collect();
    ui.data(table::render(&["output", "value"], &rows));
    Ok(ExitCode::Done)
}

/// Every output of a record: those the cloud told, and those that repeat a field.
pub fn offered(kind: lakeform_engine::Kind, record: &Record) -> BTreeMap<String, Value> {
    let mut outputs = record.outputs.clone();
    for output in kind.schema().outputs {
        if let Some(value) = output.field.and_then(|field| record.fields.get(field)) {
            outputs.insert(output.name.to_owned(), value.clone());
        }
    }
    outputs
}
