//! `lakeform sql`: statements on the stack's Redshift, answered as a table, CSV or JSON.

use super::output::offered;
use crate::cli::{Global, Sql};
use crate::connect::World;
use crate::data::warehouse;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::table::Layout;
use crate::ui::{Ui, duration};
use lakeform_aws::{Answer, Cell, Column, Session, Warehouse};
use lakeform_engine::{Address, Kind, Value};
use std::io::{IsTerminal, Read};

pub async fn run(global: &Global, args: &Sql, ui: &Ui) -> Result<ExitCode, CommandError> {
    let text = text(args)?; // (disk)
    let project = Project::open(global, ui)?; // (disk)
    let target = target(&project, args.warehouse.as_deref()).await?; // (disk)
    let warehouse = warehouse::parse(&target, args.database.as_deref())?; // (pure)
    let world = World::connect(&project, ui).await?; // (cloud)
    let statements = warehouse::split(&text); // (pure)
    let run = async {
        run_all(&world, &warehouse, &statements, args, ui).await?; // (cloud)
        Ok(ExitCode::Done)
    };
    tokio::select! {
        code = run => code,
        _ = tokio::signal::ctrl_c() => Err(CommandError::new("interrupted").code(ExitCode::Interrupted)),
    }
}

/// Runs statements one after the other in one session; what one sets up is there for the next, and each answer is shown
/// as it comes, so that it may be larger than memory.
async fn run_all(
    world: &World,
    warehouse: &Warehouse,
    statements: &[&str],
    args: &Sql,
    ui: &Ui,
) -> Result<(), CommandError> {
    let mut session = Session::new(warehouse);
    if args.single_transaction {
        world.aws.sql_in(&mut session, "begin", &mut |_, _| (), &|_| ()).await?;
    }
    for statement in statements {
        let mut shown = Shown::new(args, ui);
        let rows = &mut |columns: &[Column], page| shown.rows(columns, page);
        let done = match statements.len() == 1 && !args.single_transaction {
            true => world.aws.sql_alone(warehouse, statement, rows, &|_| ()).await,
            false => world.aws.sql_in(&mut session, statement, rows, &|_| ()).await,
        };
        match done {
            Ok(answer) => shown.end(&answer),
            Err(error) => {
                if args.single_transaction {
                    // What failed is the news, whatever becomes of this.
                    drop(
                        world
                            .aws
                            .sql_in(&mut session, "rollback", &mut |_, _| (), &|_| ())
                            .await,
                    );
                }
                return Err(error.into());
            }
        }
    }
    if args.single_transaction {
        world
            .aws
            .sql_in(&mut session, "commit", &mut |_, _| (), &|_| ())
            .await?;
    }
    Ok(())
}

/// The rows that a table's columns are fitted to. Those that follow are written as they come, however wide.
const FITTED: usize = 1000;

/// Shows what one statement returns, row by row.
struct Shown<'a> {
    args: &'a Sql,
    ui: &'a Ui,
    count: u64,
    names: Vec<String>,
    /// Rows that wait for the table's columns to be fitted.
    waiting: Vec<Vec<String>>,
    layout: Option<Layout>,
}

impl<'a> Shown<'a> {
    fn new(args: &'a Sql, ui: &'a Ui) -> Self {
        Self {
            args,
            ui,
            count: 0,
            names: Vec::new(),
            waiting: Vec::new(),
            layout: None,
        }
    }

    fn rows(&mut self, columns: &[Column], rows: Vec<Vec<Cell>>) {
        let mut text = String::new();
        if self.names.is_empty() {
            self.names = columns.iter().map(|column| column.name.clone()).collect();
            if self.args.csv && !self.ui.json {
                text.push_str(&csv_line(self.names.iter().cloned().map(Some)));
            }
        }
        for row in rows {
            if self.ui.json {
                text.push(if self.count == 0 { '[' } else { ',' });
                let cells = self.names.iter().cloned().zip(row.iter().map(warehouse::json));
                text.push_str(&serde_json::Value::Object(cells.collect()).to_string());
            } else if self.args.csv {
                text.push_str(&csv_line(row.iter().map(plain)));
            } else {
                let cells: Vec<String> = row.iter().map(|cell| plain(cell).unwrap_or_default()).collect();
                match &self.layout {
                    Some(layout) => text.push_str(&layout.line(&cells)),
                    None => self.waiting.push(cells),
                }
                if self.waiting.len() == FITTED {
                    text.push_str(&self.fit());
                }
            }
            self.count += 1;
        }
        self.ui.data(text);
    }

    /// Fits the columns to the rows that wait, and lays those out.
    fn fit(&mut self) -> String {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let waiting = std::mem::take(&mut self.waiting);
        let layout = self.layout.insert(Layout::of(&names, &waiting));
        let lines = waiting.iter().map(|row| layout.line(row));
        std::iter::once(layout.headings(&names)).chain(lines).collect()
    }

    fn end(mut self, answer: &Answer) {
        if self.ui.json {
            self.ui.data(if self.count == 0 { "[]\n" } else { "]\n" });
        } else if self.names.is_empty() {
            if !self.args.csv {
                self.ui.say(match answer.affected {
                    ..0 => "Done.".to_owned(),
                    rows => format!("Done: {}.", counted(rows as u64)),
                });
            }
        } else if !self.args.csv {
            if self.layout.is_none() {
                let text = self.fit();
                self.ui.data(text);
            }
            // Times differ from run to run; only people at a terminal are told.
            let took = match self.ui.live {
                true => format!(" in {}", duration(answer.duration.as_secs_f64())),
                false => String::new(),
            };
            self.ui.say(format!("{}{took}", counted(self.count)));
        }
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
