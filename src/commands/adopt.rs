//! `lakeform recover` and `lakeform import`: the ledger made anew from what is live. Nothing in the cloud is changed.

use crate::cli::{Global, Import};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::Held;
use crate::ui::{Ui, table};
use lakeform_engine::apply;
use lakeform_engine::cloud::{Ask, Cloud, Owned};
use lakeform_engine::journal::{Entry, Ledger};
use lakeform_engine::{Address, Fields, Kind, Live, Stack};
use std::collections::BTreeSet;

/// Rebuilds the ledger from the tags that everything we make carries.
pub async fn recover(global: &Global, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let known = crate::state::ledger(&project.state, &project.journal_name())?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    let owned = world.owned(&project.stack.tag_name()).await?; // (cloud)
    let generation = generation(&known, &owned)?; // (pure)
    let asks = asks(&project.stack, &known, &owned); // (pure)
    let observed = apply::observe(&world, asks).await?; // (cloud)
    let mut held = Held::open_as(
        &project.state,
        &project.journal_name(),
        "recover",
        generation.as_deref(),
    )?; // (disk)
    let mut rows = Vec::new();
    for (address, live) in observed {
        let Some(live) = live else { continue };
        rows.push(vec![address.to_string(), live.id.clone()]);
        held.append(&adopted(&project.stack, address, &live))
            .map_err(CommandError::new)?;
    }
    if rows.is_empty() {
        ui.say("Nothing to recover: everything with this stack's tags is known.");
        return Ok(ExitCode::Done);
    }
    ui.data(table::render(&["recovered", "id"], &rows));
    ui.say(
        "\nCrawls, schemas and SQL carry no tags: the next apply does them again, which changes nothing that is right.",
    );
    Ok(ExitCode::Done)
}

/// Takes over one object that somebody else made.
pub async fn import(global: &Global, args: &Import, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let resource = Address::parse(&args.address).and_then(|address| project.stack.resources.get(&address));
    let resource = resource.ok_or_else(|| {
        CommandError::new(format!("the stack file declares no `{}`", args.address))
            .hint("declare the resource as it should be, then import it; `plan` shows what differs")
    })?;
    if resource.kind().is_data() {
        return Err(CommandError::new(format!("a {} cannot be imported", resource.kind()))
            .hint("`lakeform apply` does it again"));
    }
    let mut held = Held::open(&project.state, &project.journal_name(), "import")?; // (disk)
    if let Some(record) = held.ledger.records.get(&resource.address) {
        return Err(CommandError::new(format!(
            "`{}` is `{}` already",
            args.address, record.id
        )));
    }
    let world = World::connect(&project, ui).await?; // (cloud)
    let ask = Ask {
        address: resource.address.clone(),
        id: Some(args.id.clone()),
        fields: resource.fields.clone(),
        record: None,
    };
    let live = world.read(resource.kind(), &[ask]).await?.into_iter().next().flatten(); // (cloud)
    let live = live.ok_or_else(|| CommandError::new(format!("there is no {} `{}`", resource.kind(), args.id)))?;
    held.append(&adopted(&project.stack, resource.address.clone(), &live))
        .map_err(CommandError::new)?;
    ui.say(format!(
        "Imported `{}` as {}. `lakeform plan` shows what differs.",
        live.id, args.address
    ));
    Ok(ExitCode::Done)
}

/// Whose the objects are. With two stacks of one name in an account, only people can tell.
fn generation(known: &Ledger, owned: &[Owned]) -> Result<Option<String>, CommandError> {
    if !known.generation.is_empty() {
        return Ok(Some(known.generation.clone()));
    }
    let generations: BTreeSet<&String> = owned.iter().map(|found| &found.owner.generation).collect();
    match generations.len() {
        0 => Ok(None),
        1 => Ok(generations.first().map(|generation| (*generation).clone())),
        _ => Err(
            CommandError::new("two stacks of this name live here, and their tags cannot be told apart by name")
                .code(ExitCode::Blocked)
                .hint("restore the state folder of the one that is meant"),
        ),
    }
}

/// What to look at: everything with our tags, and what has a name of ours but cannot carry tags.
fn asks(stack: &Stack, known: &Ledger, owned: &[Owned]) -> Vec<Ask> {
    let mut asks = apply::asks(stack, known);
    for ask in &mut asks {
        if let Some(found) = owned.iter().find(|found| found.owner.address == ask.address) {
            ask.id = Some(found.id.clone());
        }
    }
    let declared: BTreeSet<Address> = asks.iter().map(|ask| ask.address.clone()).collect();
    asks.retain(|ask| ask.id.is_some() || matches!(ask.address.kind, Kind::GlueClassifier | Kind::Dataset));
    let others = owned.iter().filter(|found| !declared.contains(&found.owner.address));
    asks.extend(others.map(|found| Ask {
        address: found.owner.address.clone(),
        id: Some(found.id.clone()),
        fields: Fields::new(),
        record: None,
    }));
    asks.retain(|ask| !known.records.contains_key(&ask.address));
    asks
}

fn adopted(stack: &Stack, address: Address, live: &Live) -> Entry {
    let resource = stack.resources.get(&address);
    let needs = resource.map(|resource| resource.needs.clone()).unwrap_or_default();
    let protect = resource.is_some_and(|resource| resource.protect);
    // What AWS cannot tell back is taken from the file, as an apply would have left it.
    let mut fields = live.fields.clone();
    for (name, value) in resource.iter().flat_map(|resource| &resource.fields) {
        if value.is_known() && !fields.contains_key(name) {
            fields.insert(name.clone(), value.clone());
        }
    }
    Entry::Adopted {
        address,
        record: apply::record_of(live, &fields, needs, protect),
    }
}
