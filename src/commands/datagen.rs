//! `lakeform datagen`: files alone, a share of a large run, or the whole way from rows to a count in Redshift.

mod describe;
mod files;
mod proof;
mod share;

use super::{verify, work};
use crate::cli::{self, Datagen, DatagenCommand, Global, View, Wanted};
use crate::connect::World;
use crate::data::recipe::{Batches, Recipe, RecipeError};
use crate::data::workers;
use crate::error::{CommandError, ExitCode};
use crate::project::{DatasetError, Project};
use crate::state::Held;
use crate::ui::problems::{Source, refuse, show};
use crate::ui::{Ui, duration};
use lakeform_datagen::{self as datagen, Dataset};
use lakeform_engine::journal::Ledger;
use lakeform_engine::plan::{Action, Options};
use lakeform_engine::stack::Resource;
use lakeform_engine::{Address, Diagnostic, Kind, Stack, Value};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

pub async fn run(global: &Global, args: &Datagen, ui: &Ui) -> Result<ExitCode, CommandError> {
    if let Some(DatagenCommand::Verify(args)) = &args.command {
        return proof::run(global, args, ui).await;
    }
    let part = args
        .part
        .as_deref()
        .map(cli::part)
        .transpose()
        .map_err(CommandError::new)?;
    let threads = args.threads.map_or_else(workers::all_threads, usize::from);
    // What cannot be read is told before anything is opened.
    let mut recipe = laid_over(&args.wanted, Recipe::default())?;
    recipe.read(part).map_err(|error| told(error, &recipe, ui))?;
    if args.describe.is_some() || args.dry_run || args.to.is_some() {
        if let Some(Some(definition)) = &args.describe {
            recipe.definition.clone_from(definition);
        }
        let batches = plan(&recipe, Path::new("."), part, ui)?;
        return match &args.to {
            _ if args.describe.is_some() => describe::describe(&recipe, &batches, ui),
            Some(folder) if !args.dry_run => files::write(&recipe, batches, folder, threads, ui).await,
            _ => Ok(describe::sizes(&batches, ui)),
        };
    }
    match part {
        Some(part) => share::upload(global, args, part, threads, ui).await,
        None => into_the_lake(global, args, ui).await,
    }
}

/// Changes the stack's datasets to what was asked and applies them and all that follows from them.
async fn into_the_lake(global: &Global, args: &Datagen, ui: &Ui) -> Result<ExitCode, CommandError> {
    let mut project = Project::open(global, ui)?; // (disk)
    let mut held = Held::open(&project, "datagen").await?; // (disk)
    let chosen = chosen(&project.stack, args.wanted.dataset.as_deref())?;
    for address in &chosen {
        let resource = project.stack.resources.get_mut(address).expect("just listed");
        ask(resource, &args.wanted, &held.ledger, ui)?;
    }
    let options = Options {
        target: with_what_follows(&project.stack, chosen),
        ..Options::default()
    };
    let world = World::connect(&project, ui).await?; // (cloud)
    let mut ledger = held.ledger.clone();
    let plan = work::plan(&project.stack, &world, &mut ledger, &options, false, ui).await?; // (cloud)
    if !plan.blocked.is_empty() {
        work::show(&plan, &project, ui, &View::default());
        return Ok(ExitCode::Blocked);
    }
    let structure = plan
        .changes
        .iter()
        .any(|change| !change.address.kind.is_data() && change.action != Action::Keep);
    if structure {
        work::show(&plan, &project, ui, &View::default());
        work::confirm(ui, &args.run, "\nThe data needs these first. Make them?")?;
    }
    work::consent(&plan, &args.consent, &args.run, ui)?;
    if work::nothing_to_do(&plan) {
        ui.say("Nothing to do: the data is there.");
    } else {
        let started = Instant::now();
        let outcome = work::carry_out(&plan, &world, &mut held, &args.run, ui).await?; // (cloud)
        let code = work::report(&outcome, started.elapsed(), ui)?;
        if code != ExitCode::Done {
            return Ok(code);
        }
        ui.say(format!("\nDone in {}.", duration(started.elapsed().as_secs_f64())));
    }
    verify::count(&project, &world, &held.ledger, ui).await // (cloud)
}

/// Returns the datasets of a stack that are meant: all, or those with an address or definition.
fn chosen(stack: &Stack, wanted: Option<&str>) -> Result<BTreeSet<Address>, CommandError> {
    let all = || stack.of_kind(Kind::Dataset);
    let chosen: BTreeSet<Address> = all()
        .filter(|resource| {
            wanted.is_none_or(|wanted| {
                resource.address.to_string() == wanted || resource.text("definition") == Some(wanted)
            })
        })
        .map(|resource| resource.address.clone())
        .collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let error = CommandError::new(match wanted {
        Some(wanted) => format!("the stack has no dataset `{wanted}`"),
        None => "the stack has no dataset".to_owned(),
    });
    let names: Vec<String> = all().map(|resource| resource.address.to_string()).collect();
    Err(match names.is_empty() {
        true => error.hint("add [dataset.name] to the stack file"),
        false => error.hint(format!("it has {}", names.join(", "))),
    }
    .hint("`--to DIR` writes files without a stack"))
}

/// Adds what follows from data: crawls, loads, SQL; and the schemas in which they are counted.
fn with_what_follows(stack: &Stack, mut target: BTreeSet<Address>) -> BTreeSet<Address> {
    loop {
        let follows: Vec<Address> = stack
            .resources
            .values()
            .filter(|resource| resource.kind().is_data() && resource.needs.iter().any(|need| target.contains(need)))
            .map(|resource| resource.address.clone())
            .filter(|address| !target.contains(address))
            .collect();
        if follows.is_empty() {
            break;
        }
        target.extend(follows);
    }
    if target.iter().any(|address| address.kind == Kind::Crawl) {
        target.extend(
            stack
                .of_kind(Kind::ExternalSchema)
                .map(|resource| resource.address.clone()),
        );
    }
    target
}

/// Writes what was asked for on the command line into a dataset's fields. Days come beside those that are there.
fn ask(resource: &mut Resource, wanted: &Wanted, ledger: &Ledger, ui: &Ui) -> Result<(), CommandError> {
    if !wanted.tables.is_empty() {
        return Err(
            CommandError::new("`--tables` goes with `--to`, `--describe` and `--dry-run`")
                .hint("write tables = […] into the stack file to keep a dataset of fewer tables"),
        );
    }
    let mut asked: Vec<(&str, Value)> = Vec::new();
    let number = |number: u64| i64::try_from(number).map(Value::Int);
    if let Some(rows) = &wanted.rows {
        let rows = cli::rows(rows).map_err(CommandError::new)?;
        let rows = number(rows).map_err(|_| CommandError::new("so many rows cannot be counted"))?;
        asked.push(("rows", rows));
    }
    if let Some(seed) = wanted.seed {
        asked.push((
            "seed",
            number(seed).map_err(|_| CommandError::new("the seed is too large"))?,
        ));
    }
    if let Some(slices) = wanted.slices {
        asked.push(("slices", Value::Int(slices.into())));
    }
    for (name, given) in [
        ("format", &wanted.format),
        ("compression", &wanted.compression),
        ("target_size", &wanted.target_size),
        ("row_group_size", &wanted.row_group_size),
        ("dirty", &wanted.dirty),
    ] {
        asked.extend(given.as_ref().map(|given| (name, Value::text(given))));
    }
    if let Some(batch) = wanted.day.as_ref().or(wanted.days.as_ref()) {
        let live = ledger.records.get(&resource.address);
        let mut days = live
            .and_then(|record| record.fields.get("days"))
            .map(|days| days.as_list().to_vec());
        if live.is_some() && days.as_ref().is_none_or(Vec::is_empty) {
            return Err(CommandError::new(format!(
                "{} holds every day of its calendar already, and so this one",
                resource.address
            ))
            .hint("to begin with some days and add others, write days = [\"A..B\"] into the stack file and apply it")
            .hint("or begin with `lakeform datagen --days A..B` instead of `lakeform up`"));
        }
        let mut days = days.take().unwrap_or_default();
        if !days.contains(&Value::text(batch)) {
            days.push(Value::text(batch));
        }
        asked.push(("days", Value::List(days)));
    }
    for (name, value) in asked {
        let stated = resource.field_spans.contains_key(name) && resource.fields.get(name) != Some(&value);
        if stated {
            ui.say(format!(
                "note: the stack file says another `{name}` of {}; the next apply goes back to that",
                resource.address
            ));
        }
        resource.fields.insert(name.to_owned(), value);
    }
    Ok(())
}

/// Lays what was given on the command line over a recipe.
fn laid_over(wanted: &Wanted, recipe: Recipe) -> Result<Recipe, CommandError> {
    let rows = wanted
        .rows
        .as_deref()
        .map(cli::rows)
        .transpose()
        .map_err(CommandError::new)?;
    let given = |given: &Option<String>, otherwise: String| given.clone().unwrap_or(otherwise);
    Ok(Recipe {
        definition: given(&wanted.dataset, recipe.definition),
        rows: rows.unwrap_or(recipe.rows),
        seed: wanted.seed.unwrap_or(recipe.seed),
        tables: match wanted.tables.is_empty() {
            true => recipe.tables,
            false => wanted.tables.clone(),
        },
        days: match wanted.day.as_ref().or(wanted.days.as_ref()) {
            Some(batch) => vec![batch.clone()],
            None => recipe.days,
        },
        format: given(&wanted.format, recipe.format),
        compression: given(&wanted.compression, recipe.compression),
        target_size: given(&wanted.target_size, recipe.target_size),
        row_group_size: given(&wanted.row_group_size, recipe.row_group_size),
        slices: wanted.slices.unwrap_or(recipe.slices),
        dirty: given(&wanted.dirty, recipe.dirty),
    })
}

/// Plans a recipe's files; what is wrong with it is shown.
fn plan(recipe: &Recipe, folder: &Path, part: Option<(u64, u64)>, ui: &Ui) -> Result<Batches, CommandError> {
    recipe.batches(folder, part).map_err(|error| told(error, recipe, ui))
}

fn told(error: RecipeError, recipe: &Recipe, ui: &Ui) -> CommandError {
    match error {
        RecipeError::Value { message, hint, .. } => CommandError::new(message).hint(hint),
        RecipeError::Definition(error) => no_definition(&recipe.definition, error, ui),
        RecipeError::Asked { text, problems } => {
            // Problems of the request itself stand nowhere in the definition.
            let (placed, asked): (Vec<_>, Vec<_>) = problems.into_iter().partition(|problem| !problem.span.is_empty());
            let (name, text) = (recipe.definition.as_str(), text.as_str());
            let (source, placed) = (Source { name, text }, diagnostics(&placed));
            match asked.split_first() {
                None => refuse(ui, &source, &placed),
                Some((first, others)) => {
                    show(ui, &source, &placed);
                    let mut error = CommandError::new(format!("{}: {}", first.message, first.label));
                    error.hints.extend(first.hint.clone());
                    error.hints.extend(
                        others
                            .iter()
                            .map(|other| format!("also: {}: {}", other.message, other.label)),
                    );
                    error
                }
            }
        }
    }
}

fn no_definition(definition: &str, error: DatasetError, ui: &Ui) -> CommandError {
    match error {
        DatasetError::Missing => {
            let names = Dataset::builtin_names();
            let hint = lakeform_engine::diagnostic::did_you_mean(definition, names.iter().copied())
                .unwrap_or_else(|| format!("shipped: {}; or the path of a definition file", names.join(", ")));
            CommandError::new(format!("there is no dataset `{definition}`")).hint(hint)
        }
        DatasetError::Unreadable(error) => CommandError::io(format!("reading `{definition}`"), &error),
        DatasetError::Wrong { path, text, problems } => {
            let (name, text) = (path.display().to_string(), text.as_str());
            refuse(ui, &Source { name: &name, text }, &diagnostics(&problems))
        }
    }
}

fn diagnostics(problems: &[datagen::Problem]) -> Vec<Diagnostic> {
    let diagnostic = |problem: &datagen::Problem| {
        let span = problem.span.clone().into();
        let mut diagnostic = Diagnostic::error(problem.code, problem.message.clone(), span, problem.label.clone());
        diagnostic.hint.clone_from(&problem.hint);
        diagnostic
    };
    problems.iter().map(diagnostic).collect()
}
