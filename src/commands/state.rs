//! `lakeform state`: a look inside the ledger, and the few changes people make to it by hand.

use crate::cli::{Global, State, StateCommand};
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::{self, Held};
use crate::ui::Ui;
use crate::ui::table;
use lakeform_engine::Address;
use lakeform_engine::journal::{Entry, Ledger, Record};

pub async fn run(global: &Global, args: &State, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?;
    match &args.command {
        StateCommand::List => {
            let ledger = state::ledger(&project).await?;
            if ui.json {
                let records = ledger
                    .records
                    .iter()
                    .map(|(address, record)| (address.to_string(), record.id.clone().into()));
                ui.json(&serde_json::Value::Object(records.collect()));
                return Ok(ExitCode::Done);
            }
            let rows: Vec<Vec<String>> = ledger
                .records
                .iter()
                .map(|(address, record)| vec![address.to_string(), record.id.clone()])
                .collect();
            ui.data(table::render(&["address", "id"], &rows));
            for open in ledger.open.values() {
                ui.say(format!(
                    "left open: {} {} (the next apply settles it)",
                    open.verb.as_str(),
                    open.address
                ));
            }
        }
        StateCommand::Show { address } => {
            let ledger = state::ledger(&project).await?;
            let (_, record) = find(&ledger, address)?;
            let json = serde_json::to_value(record).expect("records are plain data");
            match ui.json {
                true => ui.json(&json),
                false => ui.data(format!("{json:#}\n")),
            }
        }
        StateCommand::Mv { from, to } => {
            let mut held = Held::open(&project, "state mv").await?;
            let (from, _) = find(&held.ledger, from)?;
            let to = Address::parse(to)
                .filter(|to| to.kind == from.kind)
                .ok_or_else(|| CommandError::new(format!("`{to}` is not an address of a {}", from.kind)))?;
            if held.ledger.records.contains_key(&to) {
                return Err(CommandError::new(format!("`{to}` is taken")));
            }
            let moved = Entry::Moved {
                from: from.clone(),
                to: to.clone(),
            };
            held.append(&[moved]).await.map_err(CommandError::new)?;
            ui.say(format!("Moved {from} to {to}."));
        }
        StateCommand::Rm { address } => {
            let mut held = Held::open(&project, "state rm").await?;
            let (address, _) = find(&held.ledger, address)?;
            let forgot = Entry::Forgot {
                address: address.clone(),
            };
            held.append(&[forgot]).await.map_err(CommandError::new)?;
            ui.say(format!("Forgot {address}; it stays where it is."));
        }
    }
    Ok(ExitCode::Done)
}

fn find<'a>(ledger: &'a Ledger, text: &str) -> Result<(Address, &'a Record), CommandError> {
    Address::parse(text)
        .and_then(|address| Some((address.clone(), ledger.records.get(&address)?)))
        .ok_or_else(|| {
            let names: Vec<String> = ledger.records.keys().map(Address::to_string).collect();
            let error = CommandError::new(format!("the state knows no `{text}`"));
            match lakeform_engine::diagnostic::did_you_mean(text, names.iter().map(String::as_str)) {
                Some(hint) => error.hint(hint),
                None => error.hint("`lakeform state list` shows what it knows"),
            }
        })
}
