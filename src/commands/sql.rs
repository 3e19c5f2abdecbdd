//! `lakeform sql`: statements on the stack's Redshift, answered as a table, CSV or JSON.

use super::output::offered;
use crate::cli::{Global, Sql};
use crate::connect::World;
use crate::data::warehouse;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::{Ui, duration, table};
use lakeform_aws::{Answer, Cell, Session, Warehouse};
use lakeform_engine::{Address, Kind, Value};
use std::io::{IsTerminal, Read};

pub async fn run(global: &Global, args: &Sql, ui: &Ui) -> Result<ExitCode, CommandError> {
    let text = text(args)?; // (disk)
    let project = Project::open(global, ui)?; // (disk)
    let target = target(&project, args.warehouse.as_deref()).await?; // (disk)
    let warehouse = warehouse::parse(&target, args.database.as_deref())?; // (pure)
    let world = World::connect(&project, ui).await?; // (cloud)
    let run = async {
        match warehouse::split(&text).as_slice() {
            [one] => show(&world.aws.sql(&warehouse, one, &[], &|_| ()).await?, args, ui),
            statements => in_one_session(&world, &warehouse, statements, args, ui).await?,
        }
        Ok(ExitCode::Done)
    };
    tokio::select! {
        code = run => code,
        _ = tokio::signal::ctrl_c() => Err(CommandError::new("interrupted").code(ExitCode::Interrupted)),
    }
}

/// Runs statements one after the other; what one sets up is there for the next, and each answer is shown when it comes.
async fn in_one_session(
    world: &World,
    warehouse: &Warehouse,
    statements: &[&str],
    args: &Sql,
    ui: &Ui,
) -> Result<(), CommandError> {
    let mut session = Session::new(warehouse);
    if args.single_transaction {
        world.aws.sql_in(&mut session, "begin", &|_| ()).await?;
    }
    for statement in statements {
        match world.aws.sql_in(&mut session, statement, &|_| ()).await {
            Ok(answer) => show(&answer, args, ui),
            Err(error) => {
                if args.single_transaction {
                    // What failed is the news, whatever becomes of this.
                    drop(world.aws.sql_in(&mut session, "rollback", &|_| ()).await);
                }
                return Err(error.into());
            }
        }
    }
    if args.single_transaction {
        world.aws.sql_in(&mut session, "commit", &|_| ()).await?;
    }
    Ok(())
}

/// Shows what one statement returned.
fn show(answer: &Answer, args: &Sql, ui: &Ui) {
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    if names.is_empty() && !ui.json {
        if !args.csv {
            ui.say(match answer.affected {
                ..0 => "Done.".to_owned(),
                rows => format!("Done: {}.", counted(rows as u64)),
            });
        }
        return;
    }
    if ui.json {
        let row = |row: &Vec<Cell>| {
            let cells = names
                .iter()
                .map(|name| (*name).to_owned())
                .zip(row.iter().map(warehouse::json));
            serde_json::Value::Object(cells.collect())
        };
        ui.json(&answer.rows.iter().map(row).collect());
    } else if args.csv {
        let mut text = csv_line(names.iter().map(|name| Some((*name).to_owned())));
        for row in &answer.rows {
            text.push_str(&csv_line(row.iter().map(plain)));
        }
        ui.data(text);
    } else {
        let rows: Vec<Vec<String>> = answer
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| plain(cell).unwrap_or_default()).collect())
            .collect();
        ui.data(table::render(&names, &rows));
        // Times differ from run to run; only people at a terminal are told.
        let took = match ui.live {
            true => format!(" in {}", duration(answer.duration.as_secs_f64())),
            false => String::new(),
        };
        ui.say(format!("{}{took}", counted(rows.len() as u64)));
    }
}

fn counted(rows: u64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        count => format!("{} rows", crate::ui::count(count)),
    }
}

fn text(args: &Sql) -> Result<String, CommandError> {
    let text = match (&args.file, args.statements.as_deref()) {
        (Some(file), _) => std::fs::read_to_string(file)
            .map_err(|error| CommandError::io(format!("reading `{}`", file.display()), &error))?,
        (None, Some(text)) if text != "-" => text.to_owned(),
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
pub async fn target(project: &Project, wanted: Option<&str>) -> Result<String, CommandError> {
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
        ([], Some(wanted)) => Err(CommandError::new(format!("there is no warehouse `{wanted}`"))
            .hint("`lakeform up` makes what the file says and is not there yet")),
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
