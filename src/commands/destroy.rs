//! `lakeform destroy`: removes what we made, and nothing else.

use super::work;
use crate::cli::{Destroy, Global};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::Held;
use crate::ui::{Ui, duration};
use lakeform_engine::apply::Outcome;
use lakeform_engine::plan::{Action, Plan};
use lakeform_engine::stack::Place;
use lakeform_engine::{Kind, Value};
use std::time::{Duration, Instant};

pub async fn run(global: &Global, args: &Destroy, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let mut held = Held::open(&project, "destroy").await?; // (disk)
    let options = work::options(&args.selection, &[], &project.stack, &held.ledger)?; // (pure)
    let world = World::connect(&project, ui).await?; // (cloud)
    let mut ledger = held.ledger.clone();
    let mut plan = work::plan(&project.stack, &world, &mut ledger, &options, true, ui).await?; // (cloud)
    if work::nothing_to_do(&plan) && plan.blocked.is_empty() {
        ui.say("Nothing to destroy: nothing here was made by lakeform.");
        return work::report(&Outcome::default(), Duration::ZERO, ui);
    }
    work::show(&plan, &project, ui, &args.view);
    snapshots(&mut plan, args, &project, ui);
    if !plan.is_empty() {
        work::confirm(ui, &args.run, &format!("\nDestroy all of this in {}?", world.place))?;
    }
    if !options.target.is_empty() || !options.except.is_empty() {
        work::consent(&plan, &args.consent, &args.run, ui)?;
    }
    let started = Instant::now();
    let outcome = work::carry_out(&plan, &world, &mut held, &args.run, ui).await?; // (cloud)
    let code = work::report(&outcome, started.elapsed(), ui)?;
    if code != ExitCode::Done {
        return Ok(code);
    }
    let took = duration(started.elapsed().as_secs_f64());
    let (_, _, destroyed) = plan.totals();
    ui.say(format!("\nDestroyed {destroyed} in {took}."));
    // What is protected stays, and the caller must know.
    Ok(if plan.blocked.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Partly
    })
}

/// Decides whether clusters leave a final snapshot: as was said on the command line, else as the file says, and where it
/// says no, by asking. On this machine nothing is at stake.
fn snapshots(plan: &mut Plan, args: &Destroy, project: &Project, ui: &Ui) {
    let on_aws = matches!(project.stack.place, Place::Aws { .. });
    for change in &mut plan.changes {
        let keeps = change.desired.get("final_snapshot").and_then(Value::as_bool) == Some(true);
        if change.address.kind != Kind::RedshiftCluster || change.action != Action::Delete || keeps {
            continue;
        }
        let question = format!(
            "\n`{}` would be gone with its data. Keep a final snapshot of it?",
            change.address
        );
        if args.final_snapshot || (on_aws && !args.run.yes && ui.ask(&question) == Some(true)) {
            change.desired.insert("final_snapshot".to_owned(), Value::Bool(true));
        }
    }
}
