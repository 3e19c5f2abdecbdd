//! `lakeform sql`: statements on the stack's Redshift, answered as a table, CSV or JSON.

use super::output::offered;
use crate::cli::{Global, Sql};
use crate::connect::World;
use crate::data::warehouse;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::{Ui, table};
use lakeform_aws::{Answer, Cell};
use lakeform_engine::{Address, Kind, Value};
use std::io::{IsTerminal, Read};

pub async fn run(global: &Global, args: &Sql, ui: &Ui) -> Result<ExitCode, CommandError> {
    let statements = statements(args)?;
    let project = Project::open(global, ui)?; // (disk)
    let target = target(&project, args.warehouse.as_deref()).await?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    let run = async {
        let mut answer = Answer::default();
        for statement in warehouse::split(&statements) {
            answer = warehouse::run(&world.aws, &target, args.database.as_deref(), statement).await?;
        }
        Ok::<_, CommandError>(answer)
    };
    let answer = tokio::select! {
        answer = run => answer?,
        _ = tokio::signal::ctrl_c() => return Err(CommandError::new("interrupted").code(ExitCode::Interrupted)),
    };
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    if ui.json {
        let rows: Vec<serde_json::Value> = answer
            .rows
            .iter()
            .map(|row| {
                names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .zip(row.iter().map(warehouse::json))
                    .collect()
            })
            .map(serde_json::Value::Object)
            .collect();
        ui.json(&serde_json::Value::Array(rows));
    } else if args.csv {
        let mut text = csv_line(names.iter().map(|name| Some((*name).to_owned())));
        for row in &answer.rows {
            text.push_str(&csv_line(row.iter().map(plain)));
        }
        if !names.is_empty() {
            ui.data(text);
        }
    } else if names.is_empty() {
        ui.say("Done.");
    } else {
        let rows: Vec<Vec<String>> = answer
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| plain(cell).unwrap_or_default()).collect())
            .collect();
        ui.data(table::render(&names, &rows));
        ui.say(match rows.len() {
            1 => "1 row".to_owned(),
            count => format!("{} rows", crate::ui::count(count as u64)),
        });
    }
    Ok(ExitCode::Done)
}

fn statements(args: &Sql) -> Result<String, CommandError> {
    let text = match args.statements.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        _ if std::io::stdin().is_terminal() => {
            return Err(CommandError::new("there is no statement to run").hint("lakeform sql \"select 1\""));
        }
        _ => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| CommandError::io("reading standard input", &error))?;
            text
        }
    };
    match text.trim() {
        "" => Err(CommandError::new("there is no statement to run").hint("lakeform sql \"select 1\"")),
        text => Ok(text.to_owned()),
    }
}

/// Returns where SQL goes: the one warehouse of the stack, or the one that was named.
async fn target(project: &Project, wanted: Option<&str>) -> Result<String, CommandError> {
    let ledger = crate::state::ledger(project).await?;
    let warehouses: Vec<&Address> = ledger
        .records
        .keys()
        .filter(|address| matches!(address.kind, Kind::RedshiftCluster | Kind::RedshiftWorkgroup))
        .filter(|address| wanted.is_none_or(|wanted| address.to_string() == wanted))
        .collect();
    let names = || {
        warehouses
            .iter()
            .map(|address| address.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (warehouses.as_slice(), wanted) {
        ([one], _) => {
            let outputs = offered(one.kind, &ledger.records[*one]);
            let target = outputs.get("target").and_then(Value::as_text);
            target
                .map(str::to_owned)
                .ok_or_else(|| CommandError::new(format!("`{one}` is not ready yet: `lakeform up`")))
        }
        ([], Some(wanted)) => Err(CommandError::new(format!("there is no warehouse `{wanted}`"))),
        ([], None) => Err(CommandError::new("there is no Redshift yet").hint("`lakeform up` builds the stack")),
        (_, _) => Err(CommandError::new("the stack has several warehouses")
            .hint(format!("say which with --warehouse: {}", names()))),
    }
}

/// A cell as text; `None` is NULL.
fn plain(cell: &Cell) -> Option<String> {
    (*cell != Cell::Null).then(|| cell.to_string())
}

/// A line of CSV. NULL is nothing, an empty text is `""`.
fn csv_line(cells: impl Iterator<Item = Option<String>>) -> String {
    let quoted = cells.map(|cell| match cell {
        None => String::new(),
        Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text,
    });
    format!("{}\n", quoted.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_keeps_what_is_awkward() {
        let cells = [
            Some("a,b".to_owned()),
            None,
            Some(String::new()),
            Some("say \"hi\"".to_owned()),
        ];
        assert_eq!(csv_line(cells.into_iter()), "\"a,b\",,\"\",\"say \"\"hi\"\"\"\n");
    }
}
