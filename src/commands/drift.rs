//! `lakeform drift`: what was changed outside of lakeform. Reads, locks nothing and writes nothing, unless it is told
//! to accept what is there or to put back what was.

use super::work;
use crate::cli::{Drift, DriftFormat, Global, View};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::{Project, StackFile};
use crate::state::Held;
use crate::ui::Ui;
use lakeform_engine::cloud::Cloud;
use lakeform_engine::drift::{self, Class};
use lakeform_engine::plan::{Action, Change, Options, Plan};
use lakeform_engine::{Address, apply, edit};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

pub async fn run(global: &Global, args: &Drift, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let accepted = args.baseline.as_deref().map(baseline).transpose()?.unwrap_or_default(); // (disk)
    let mut ledger = crate::state::ledger(&project).await?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    for entry in apply::settle(&world, &ledger).await? {
        ledger.add(&entry); // in memory: drift changes nothing
    }
    let observed = apply::observe(&world, apply::asks(&project.stack, &ledger)).await?; // (cloud)
    let owned = world.owned(&project.stack.tag_name()).await?; // (cloud)
    let mut found = drift::compare(&project.stack, &observed, &ledger, &owned); // (pure)
    let known = drift::without(&mut found, &accepted); // (pure)
    let checked: Vec<_> = observed.keys().cloned().collect();
    show(args, &project, &found, &checked, ui);
    if known > 0 {
        ui.say(format!("{known} more stand in the baseline."));
    }
    if args.accept {
        return accept(global, &ledger, &found, ui);
    }
    if args.revert {
        return revert(args, &project, &world, &found, ui).await;
    }
    Ok(if drift::is_drift(&found) {
        ExitCode::Changes
    } else {
        ExitCode::Done
    })
}

fn show(args: &Drift, project: &Project, found: &[drift::Drift], checked: &[Address], ui: &Ui) {
    let file = project.file.display().to_string();
    let version = env!("CARGO_PKG_VERSION");
    ui.data(match args.format {
        DriftFormat::Text if ui.json => format!("{}\n", drift::to_json(found)),
        DriftFormat::Text => drift::text(found),
        DriftFormat::Json => format!("{}\n", drift::to_json(found)),
        DriftFormat::Markdown => drift::markdown(found),
        DriftFormat::Junit => drift::junit(found, checked),
        DriftFormat::Sarif => format!("{}\n", drift::sarif(found, &file, &project.text, version)),
        DriftFormat::Github => drift::github(found, &file, &project.text),
    });
}

/// Reads the report that says what is accepted.
fn baseline(path: &Path) -> Result<BTreeSet<String>, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::io(format!("reading `{}`", path.display()), &error))?;
    drift::read_baseline(&text).map_err(|why| {
        CommandError::new(format!("`{}` cannot be used as a baseline: {why}", path.display()))
            .hint("`lakeform drift --format json > FILE` writes one")
    })
}

/// Writes what is live into the stack file.
fn accept(
    global: &Global,
    ledger: &lakeform_engine::journal::Ledger,
    found: &[drift::Drift],
    ui: &Ui,
) -> Result<ExitCode, CommandError> {
    let file = StackFile::read(global)?; // (disk)
    let accepted = edit::accept(&file.text, &|text: &str| file.check_text(text), ledger, found); // (pure)
    if !accepted.written.is_empty() {
        // Beside it and then in its place, so that there is always a whole file.
        let beside = file.path.with_extension("toml.new");
        std::fs::write(&beside, &accepted.text)
            .and_then(|()| std::fs::rename(&beside, &file.path))
            .map_err(|error| CommandError::io(format!("writing `{}`", file.path.display()), &error))?;
        ui.say(format!(
            "Accepted {} in `{}`; the next apply notes it.",
            accepted.written.len(),
            file.path.display()
        ));
    }
    for (drift, why) in &accepted.refused {
        ui.say(format!("Not accepted: {} {}: {why}", drift.address, drift.sentence()));
    }
    Ok(match accepted.refused.is_empty() {
        true => ExitCode::Done,
        false => ExitCode::Changes,
    })
}

/// Plans and makes again what was applied, for what drifted and what depends on it.
async fn revert(
    args: &Drift,
    project: &Project,
    world: &World,
    found: &[drift::Drift],
    ui: &Ui,
) -> Result<ExitCode, CommandError> {
    let drifted: BTreeSet<Address> = found
        .iter()
        .filter(|drift| drift.class != Class::Pending)
        .map(|drift| drift.address.clone())
        .collect();
    if drifted.is_empty() {
        return Ok(ExitCode::Done);
    }
    let mut held = Held::open(project, "drift --revert").await?; // (disk)
    let mut ledger = held.ledger.clone();
    let plan = work::plan(&project.stack, world, &mut ledger, &Options::default(), false, ui).await?; // (cloud)
    let wanted = with_dependents(&plan, drifted);
    let blocked = plan.blocked.iter().any(|(address, _)| wanted.contains(address));
    let plan = plan.restricted(&wanted, &ledger); // (pure)
    work::show(&plan, project, ui, &View::default());
    if blocked {
        return Ok(ExitCode::Blocked);
    }
    // What no field says cannot be put back by changing fields.
    let remade = |change: &Change| matches!(change.action, Action::Create | Action::Replace | Action::Delete);
    let put_back = |drift: &drift::Drift| {
        plan.change(&drift.address).is_some_and(|change| match &drift.field {
            None if drift.class == Class::Extra => remade(change),
            _ => !kept(change),
        })
    };
    let by_hand: Vec<_> = found
        .iter()
        .filter(|drift| drift.class != Class::Pending && !put_back(drift))
        .collect();
    if !plan.is_empty() {
        work::confirm(ui, &args.run, "\nPut this back?")?;
        work::consent(&plan, &args.consent, &args.run, ui)?;
        let started = Instant::now();
        let outcome = work::carry_out(&plan, world, &mut held, &args.run, ui).await?; // (cloud)
        let code = work::report(&outcome, started.elapsed(), ui)?;
        if code != ExitCode::Done {
            return Ok(code);
        }
        ui.say("Put back.");
    }
    for drift in &by_hand {
        ui.say(format!("Left as it is: {} {}", drift.address, drift.sentence()));
    }
    Ok(match by_hand.is_empty() {
        true => ExitCode::Done,
        false => ExitCode::Changes,
    })
}

fn kept(change: &Change) -> bool {
    change.action == Action::Keep
}

/// Adds what must change because something it needs is made again.
fn with_dependents(plan: &Plan, mut wanted: BTreeSet<Address>) -> BTreeSet<Address> {
    // In the order of needs, so one pass finds them all.
    for change in plan.changes.iter().filter(|change| !kept(change)) {
        let remade = |need: &Address| {
            wanted.contains(need)
                && plan
                    .change(need)
                    .is_some_and(|need| matches!(need.action, Action::Create | Action::Replace))
        };
        if change.needs.iter().any(remade) {
            wanted.insert(change.address.clone());
        }
    }
    wanted
}
