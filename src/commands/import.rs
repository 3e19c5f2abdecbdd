//! `lakeform import`: takes over what somebody else made, and writes the tables that declare it. Nothing in the cloud is
//! changed.

use super::work;
use crate::cli::{Global, Import};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::{Project, StackFile};
use crate::state::Held;
use crate::ui::{Ui, table};
use lakeform_engine::cloud::{Ask, Cloud};
use lakeform_engine::declare::{self, Known};
use lakeform_engine::diagnostic::Severity;
use lakeform_engine::journal::Entry;
use lakeform_engine::plan::{Action, Options};
use lakeform_engine::{Address, Fields, Kind, Live, apply};
use std::collections::{BTreeMap, BTreeSet};

pub async fn run(global: &Global, args: &Import, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let mut held = Held::open(&project, "import").await?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    world.only_while(held.lease());
    let wanted = wanted(args, &project, &world).await?; // (cloud)
    let found = look(&project, &world, &held, wanted, ui).await?; // (cloud)
    let (declared, missing): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(address, _)| project.stack.resources.contains_key(address));
    let text = tables(&project, &held, &declared, &missing); // (pure)
    if declared.is_empty() && missing.is_empty() {
        ui.say("There is nothing to take over.");
        show(&[], "", ui);
        return Ok(ExitCode::Done);
    }
    if !missing.is_empty() && !args.write {
        show(&[], &text, ui);
        ui.say(format!(
            "\nNothing was taken over. `--write` adds this to `{}` and does so.",
            project.file.display()
        ));
        return Ok(ExitCode::Done);
    }
    if !missing.is_empty() {
        ui.say(&text);
        let question = format!("\nAdd this to `{}` and take the objects over?", project.file.display());
        work::agreed(ui, args.yes, &question)?;
        add_to_file(global, &project, &text)?; // (disk)
    }
    let project = Project::open(global, ui)?; // (disk)
    let taken = || declared.iter().chain(&missing);
    let entries: Vec<Entry> = taken()
        .map(|(address, live)| work::adopted(&project.stack, address.clone(), live))
        .collect();
    held.append(&entries).await.map_err(CommandError::new)?;
    let imported: Vec<Vec<String>> = taken()
        .map(|(address, live)| vec![address.to_string(), live.id.clone()])
        .collect();
    show(&imported, &text, ui);
    differences(&project, &world, &held, ui).await
}

/// Shows what was taken over, by address and id; if nothing was, the tables that would declare it.
fn show(imported: &[Vec<String>], tables: &str, ui: &Ui) {
    if ui.json {
        let listed: Vec<_> = imported
            .iter()
            .map(|row| serde_json::json!({"address": row[0], "id": row[1]}))
            .collect();
        ui.json(&serde_json::json!({"type": "imported", "imported": listed, "tables": tables}));
    } else if imported.is_empty() {
        ui.data(tables);
    } else {
        ui.data(table::render(&["imported", "id"], imported));
    }
}

/// One object to take over: under which address, if that was said.
struct Wanted {
    kind: Kind,
    id: String,
    address: Option<Address>,
}

async fn wanted(args: &Import, project: &Project, world: &World) -> Result<Vec<Wanted>, CommandError> {
    if let (Some(text), Some(id)) = (&args.address, &args.id) {
        let address = Address::parse(text).ok_or_else(|| {
            CommandError::new(format!("`{text}` is not an address")).hint("write `kind.name`, such as `vpc.main`")
        })?;
        if address.kind.is_data() {
            return Err(CommandError::new(format!("a {} cannot be imported", address.kind))
                .hint("`lakeform apply` does it again"));
        }
        return Ok(vec![Wanted {
            kind: address.kind,
            id: id.clone(),
            address: Some(address),
        }]);
    }
    let found = match (&args.vpc, &args.tag) {
        (Some(vpc), _) => {
            let found = world.aws.in_vpc(vpc).await?;
            if found.is_empty() {
                let place = &project.stack.region;
                return Err(CommandError::new(format!("there is no VPC `{vpc}` in {place}")));
            }
            found
        }
        (None, Some(tag)) => {
            let (key, value) = tag.split_once('=').ok_or_else(|| {
                CommandError::new(format!("`--tag {tag}` has no value")).hint("write --tag key=value")
            })?;
            world.aws.with_tag(key, value).await?
        }
        (None, None) => unreachable!("clap asks for one of the three"),
    };
    Ok(found
        .into_iter()
        .map(|(kind, id)| Wanted {
            kind,
            id,
            address: None,
        })
        .collect())
}

/// Reads what is to be taken over and finds addresses for it. What belongs to a stack already is left out and said.
async fn look(
    project: &Project,
    world: &World,
    held: &Held,
    wanted: Vec<Wanted>,
    ui: &Ui,
) -> Result<Vec<(Address, Live)>, CommandError> {
    let mut taken: BTreeSet<Address> = project
        .stack
        .resources
        .keys()
        .chain(held.ledger.records.keys())
        .cloned()
        .collect();
    let declared: BTreeMap<Address, Ask> = apply::asks(&project.stack, &held.ledger)
        .into_iter()
        .map(|ask| (ask.address.clone(), ask))
        .collect();
    let mut by_kind: BTreeMap<Kind, Vec<Wanted>> = BTreeMap::new();
    for one in wanted {
        by_kind.entry(one.kind).or_default().push(one);
    }
    let mut found = Vec::new();
    for (kind, wanted) in by_kind {
        let placeholder = Address::new(kind, "imported");
        let asks: Vec<Ask> = wanted
            .iter()
            .map(|one| {
                let address = one.address.clone().unwrap_or_else(|| placeholder.clone());
                let fields = declared
                    .get(&address)
                    .map_or_else(Fields::new, |ask| ask.fields.clone());
                Ask::by_id(address, &one.id, fields)
            })
            .collect();
        let lives = world.read(kind, &asks).await?;
        for (one, live) in wanted.into_iter().zip(lives) {
            let going = live.as_ref().is_some_and(|live| live.going);
            let Some(live) = live.and_then(Live::staying) else {
                match (&one.address, going) {
                    (Some(_), true) => return Err(CommandError::new(format!("`{}` is being deleted", one.id))),
                    (Some(_), false) => return Err(CommandError::new(format!("there is no {kind} `{}`", one.id))),
                    // The index of tags also lists what is gone.
                    (None, _) => continue,
                }
            };
            if let Some((address, _)) = held
                .ledger
                .records
                .iter()
                .find(|(address, record)| address.kind == kind && record.id == live.id)
            {
                let said = format!("`{}` is `{address}` already", live.id);
                if one.address.is_some() {
                    return Err(CommandError::new(said));
                }
                ui.say(said);
                continue;
            }
            if let (Some(owner), None) = (&live.owner, &one.address) {
                ui.say(format!(
                    "`{}` belongs to `{}` of the stack `{}`: left alone",
                    live.id, owner.address, owner.stack
                ));
                continue;
            }
            let address = one
                .address
                .unwrap_or_else(|| declare::address(kind, &live, &project.stack.tag_name(), &taken));
            if let Some(record) = held.ledger.records.get(&address) {
                return Err(CommandError::new(format!("`{address}` is `{}` already", record.id)));
            }
            taken.insert(address.clone());
            found.push((address, live));
        }
    }
    Ok(found)
}

fn tables(project: &Project, held: &Held, declared: &[(Address, Live)], missing: &[(Address, Live)]) -> String {
    let mut known = Known::default();
    for (address, record) in &held.ledger.records {
        if project.stack.resources.contains_key(address) {
            known.add(address, &record.fields, &record.outputs);
        }
    }
    for (address, live) in declared.iter().chain(missing) {
        known.add(address, &live.fields, &live.outputs);
    }
    declare::render(missing, &known, &project.stack.tag_name(), &project.stack.tags)
}

/// Appends tables to the stack file, unless that would make it wrong.
fn add_to_file(global: &Global, project: &Project, tables: &str) -> Result<(), CommandError> {
    let text = format!("{}\n\n{tables}", project.text.trim_end());
    let file = StackFile {
        text: text.clone(),
        ..StackFile::read(global)?
    };
    let problems = file.check().problems;
    if let Some(problem) = problems.iter().find(|problem| problem.severity == Severity::Error) {
        return Err(CommandError::new(format!(
            "the file would not pass `lakeform check` with these tables: {} ({})",
            problem.summary, problem.label
        ))
        .hint(
            "nothing was changed; import the objects they need as well, or write the tables by hand and import each",
        ));
    }
    std::fs::write(&project.file, text)
        .map_err(|error| CommandError::io(format!("writing `{}`", project.file.display()), &error))
}

/// Says how what was taken over differs from what the file says.
async fn differences(project: &Project, world: &World, held: &Held, ui: &Ui) -> Result<ExitCode, CommandError> {
    let mut ledger = held.ledger.clone();
    let plan = work::plan(&project.stack, world, &mut ledger, &Options::default(), false, ui).await?;
    let differ = plan.count(|action| action != Action::Keep);
    match differ {
        0 => ui.say("What is live is what the file says."),
        1 => ui.say("One resource differs from the file: `lakeform plan` shows how."),
        differ => ui.say(format!(
            "{differ} resources differ from the file: `lakeform plan` shows how."
        )),
    }
    Ok(ExitCode::Done)
}
