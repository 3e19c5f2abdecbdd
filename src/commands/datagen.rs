//! `lakeform datagen`: files alone, or the whole way from rows to a count in Redshift.

use super::{verify, work};
use crate::cli::{self, Datagen, Global};
use crate::connect::World;
use crate::data::upload;
use crate::error::{CommandError, ExitCode};
use crate::project::{DatasetError, Project, find_dataset};
use crate::state::Held;
use crate::ui::problems::{Source, show};
use crate::ui::{self, Ui, duration, table};
use lakeform_datagen::{self as datagen, Dataset};
use lakeform_engine::plan::Options;
use lakeform_engine::{Address, Diagnostic, Kind, Value};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

pub async fn run(global: &Global, args: &Datagen, ui: &Ui) -> Result<ExitCode, CommandError> {
    let rows = args
        .rows
        .as_deref()
        .map(cli::rows)
        .transpose()
        .map_err(CommandError::new)?;
    if args.describe || args.dry_run || args.to.is_some() {
        let definition = args.dataset.as_deref().unwrap_or("banking");
        let dataset = load(definition, ui)?;
        let options = upload::options(rows.unwrap_or(10_000), args.seed.unwrap_or(1), "as-defined", "none")
            .map_err(CommandError::new)?;
        let plan = dataset.plan(&options).map_err(|problems| {
            show_problems(ui, definition, "", &problems);
            CommandError::said(ExitCode::Error)
        })?;
        return match &args.to {
            _ if args.describe => Ok(describe(&dataset, &plan, ui)),
            Some(folder) if !args.dry_run => write(&plan, folder, ui),
            _ => Ok(dry_run(&plan, ui)),
        };
    }
    into_the_lake(global, args, rows, ui).await
}

/// Changes the stack's datasets to what was asked and applies them and all that follows from them.
async fn into_the_lake(global: &Global, args: &Datagen, rows: Option<u64>, ui: &Ui) -> Result<ExitCode, CommandError> {
    let mut project = Project::open(global, ui)?; // (disk)
    let mut datasets: BTreeSet<Address> = project
        .stack
        .of_kind(Kind::Dataset)
        .map(|resource| resource.address.clone())
        .collect();
    if let Some(wanted) = &args.dataset {
        datasets.retain(|address| {
            let definition = project.stack.resources[address].text("definition");
            address.to_string() == *wanted || definition == Some(wanted)
        });
    }
    if datasets.is_empty() {
        return Err(CommandError::new("the stack has no such dataset")
            .hint("add [dataset.name] to the stack file")
            .hint("`--to DIR` writes files without a stack"));
    }
    for address in &datasets {
        let resource = project.stack.resources.get_mut(address).expect("just listed");
        if let Some(rows) = rows {
            let rows = i64::try_from(rows).map_err(|_| CommandError::new("so many rows cannot be counted"))?;
            resource.fields.insert("rows".to_owned(), Value::Int(rows));
        }
        if let Some(seed) = args.seed {
            let seed = i64::try_from(seed).map_err(|_| CommandError::new("the seed is too large"))?;
            resource.fields.insert("seed".to_owned(), Value::Int(seed));
        }
    }
    let mut target = datasets;
    // What follows from the data: crawls, schemas, loads.
    loop {
        let before = target.len();
        let follows =
            project.stack.resources.values().filter(|resource| {
                resource.kind().is_data() && resource.needs.iter().any(|need| target.contains(need))
            });
        let follows: Vec<Address> = follows.map(|resource| resource.address.clone()).collect();
        target.extend(follows);
        if target.len() == before {
            break;
        }
    }
    let options = Options {
        target,
        ..Options::default()
    };
    let mut held = Held::open(&project.state, &project.journal_name(), "datagen")?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    let mut ledger = held.ledger.clone();
    let (plan, settled) = work::plan(&project.stack, &world, &mut ledger, &options, false, ui).await?; // (cloud)
    if !plan.blocked.is_empty() {
        work::show(&plan, &project, ui, false);
        return Ok(ExitCode::Blocked);
    }
    let structure = plan
        .changes
        .iter()
        .any(|change| !change.address.kind.is_data() && change.action != lakeform_engine::plan::Action::Keep);
    if structure {
        work::show(&plan, &project, ui, false);
        work::confirm(ui, &args.run, "\nThe data needs these first. Make them?")?;
    }
    if work::nothing_to_do(&plan, &settled) {
        ui.say("Nothing to do: the data is there.");
    } else {
        let started = Instant::now();
        let outcome = work::carry_out(&plan, settled, &world, &mut held, &args.run, ui).await?; // (cloud)
        let code = work::report(&outcome, started.elapsed(), ui)?;
        if code != ExitCode::Done {
            return Ok(code);
        }
        ui.say(format!("\nDone in {}.", duration(started.elapsed().as_secs_f64())));
    }
    verify::count(&project, &world, &held.ledger, ui).await // (cloud)
}

fn load(definition: &str, ui: &Ui) -> Result<Dataset, CommandError> {
    find_dataset(Path::new("."), definition).map_err(|error| match error {
        DatasetError::Missing => {
            let names = Dataset::builtin_names();
            let hint = lakeform_engine::diagnostic::did_you_mean(definition, names.iter().copied())
                .unwrap_or_else(|| format!("shipped: {}; or the path of a definition file", names.join(", ")));
            CommandError::new(format!("there is no dataset `{definition}`")).hint(hint)
        }
        DatasetError::Unreadable(error) => CommandError::io(format!("reading `{definition}`"), &error),
        DatasetError::Wrong { path, text, problems } => {
            show_problems(ui, &path.display().to_string(), &text, &problems);
            CommandError::said(ExitCode::Error)
        }
    })
}

fn show_problems(ui: &Ui, name: &str, text: &str, problems: &[datagen::Problem]) {
    let diagnostics: Vec<Diagnostic> = problems
        .iter()
        .map(|problem| {
            let span = problem.span.clone().into();
            let mut diagnostic = Diagnostic::error(problem.code, problem.message.clone(), span, problem.label.clone());
            diagnostic.hint.clone_from(&problem.hint);
            diagnostic
        })
        .collect();
    show(ui, &Source { name, text }, &diagnostics);
}

fn sizes(plan: &datagen::Plan) -> Vec<Vec<String>> {
    plan.tables
        .iter()
        .enumerate()
        .map(|(index, planned)| {
            let rows = plan.rows_to_write(index);
            vec![
                planned.name.clone(),
                ui::count(planned.files.len() as u64),
                ui::count(rows),
                ui::bytes((rows as f64 * planned.row_bytes) as u64),
            ]
        })
        .collect()
}

fn dry_run(plan: &datagen::Plan, ui: &Ui) -> ExitCode {
    ui.data(table::render(&["table", "files", "rows", "about"], &sizes(plan)));
    ExitCode::Done
}

fn describe(dataset: &Dataset, plan: &datagen::Plan, ui: &Ui) -> ExitCode {
    ui.data(format!("{}: {}\n\n", dataset.name, dataset.description));
    ui.data(table::render(&["table", "files", "rows", "about"], &sizes(plan)));
    for (index, planned) in plan.tables.iter().enumerate() {
        let columns: Vec<Vec<String>> = planned
            .columns
            .iter()
            .map(|column| {
                let references = column.references.as_ref().map_or(String::new(), |to| format!("→ {to}"));
                vec![
                    column.name.clone(),
                    column.glue_type.clone(),
                    column.kind.clone(),
                    references,
                ]
            })
            .collect();
        ui.data(format!("\n{}  ({})\n", planned.name, planned.folder));
        ui.data(table::render(&["column", "type", "made by", ""], &columns));
        if let Some(sample) = sample(plan, index) {
            ui.data(format!("\n{sample}"));
        }
    }
    ExitCode::Done
}

/// The first rows of a table, as text; nothing for a binary format.
fn sample(plan: &datagen::Plan, index: usize) -> Option<String> {
    plan.tables[index].files.first()?.parts.first()?;
    let mut bytes = Vec::new();
    plan.write_part(index, 0, 0, &mut bytes);
    let text = String::from_utf8(bytes).ok()?;
    Some(text.lines().take(4).map(|line| format!("  {line}\n")).collect())
}

/// Writes files and a manifest beside them.
fn write(plan: &datagen::Plan, folder: &Path, ui: &Ui) -> Result<ExitCode, CommandError> {
    let started = Instant::now();
    let failed = |error: std::io::Error| CommandError::io(format!("writing into `{}`", folder.display()), &error);
    let mut manifest = datagen::Manifest {
        version: 1,
        dataset: plan.dataset.clone(),
        fingerprint: plan.fingerprint().to_owned(),
        seed: plan.options.seed,
        rows: plan.options.rows,
        dirty: false,
        tables: Vec::new(),
    };
    let mut total = 0;
    for (table, planned) in plan.tables.iter().enumerate() {
        let mut objects = Vec::new();
        for (index, file) in planned.files.iter().enumerate() {
            let path = folder.join(&file.key);
            std::fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
            let mut out = std::fs::File::create(&path).map_err(failed)?;
            let (mut size, mut sum) = (0, 0);
            let mut buffer = Vec::new();
            for part in 0..file.parts.len() {
                buffer.clear();
                plan.write_part(table, index, part, &mut buffer);
                out.write_all(&buffer).map_err(failed)?;
                let (length, crc) = (buffer.len() as u64, datagen::crc64nvme(&buffer));
                sum = if size == 0 {
                    crc
                } else {
                    datagen::crc64nvme_combine(sum, crc, length)
                };
                size += length;
            }
            total += size;
            objects.push(datagen::ObjectEntry {
                key: file.key.clone(),
                rows: file.rows.end - file.rows.start,
                bytes: size,
                crc64nvme: format!("{sum:016x}"),
            });
        }
        manifest.tables.push(datagen::TableEntry {
            name: planned.name.clone(),
            folder: planned.folder.clone(),
            rows: plan.rows_to_write(table),
            objects,
        });
    }
    for (key, text) in &plan.extras {
        let path = folder.join(key);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))
            .and_then(|()| std::fs::write(path, text))
            .map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::write(folder.join("manifest.json"), manifest.to_json()).map_err(failed)?;
    if ui.json {
        ui.data(manifest.to_json());
    } else {
        dry_run(plan, ui);
        let elapsed = started.elapsed().as_secs_f64();
        let speed = ui::bytes((total as f64 / elapsed.max(0.001)) as u64);
        ui.say(format!(
            "\nWrote {} into {} in {} ({speed}/s).",
            ui::bytes(total),
            folder.display(),
            duration(elapsed)
        ));
    }
    Ok(ExitCode::Done)
}
