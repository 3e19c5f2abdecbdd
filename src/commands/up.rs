//! `lakeform up`: apply, then prove that the data arrived by counting them.

use super::{verify, work};
use crate::cli::{Global, Up};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::Held;
use crate::ui::{Ui, duration};
use lakeform_engine::plan::Options;
use lakeform_engine::stack::Place;
use std::time::Instant;

pub async fn run(global: &Global, args: &Up, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let mut held = Held::open(&project, "up").await?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    let mut ledger = held.ledger.clone();
    let plan = work::plan(&project.stack, &world, &mut ledger, &Options::default(), false, ui).await?; // (cloud)
    if !plan.blocked.is_empty() {
        work::show(&plan, &project, ui, &args.view);
        return Ok(ExitCode::Blocked);
    }
    if !work::nothing_to_do(&plan) {
        // On this machine nothing is at stake; on AWS the plan is shown and asked about.
        match project.stack.place {
            Place::Local => {
                let (add, change, destroy) = plan.totals();
                ui.say(format!(
                    "Plan: {add} to add, {change} to change, {destroy} to destroy.\n"
                ));
            }
            Place::Aws { .. } => {
                work::show(&plan, &project, ui, &args.view);
                work::confirm(ui, &args.run, "\nMake these changes?")?;
            }
        }
        work::consent(&plan, &args.consent, &args.run, ui)?;
        let started = Instant::now();
        let outcome = work::carry_out(&plan, &world, &mut held, &args.run, ui).await?; // (cloud)
        let code = work::report(&outcome, started.elapsed(), ui)?;
        if code != ExitCode::Done {
            return Ok(code);
        }
        let (add, change, destroy) = plan.totals();
        let took = duration(started.elapsed().as_secs_f64());
        ui.say(format!(
            "\nBuilt in {took}: {add} added, {change} changed, {destroy} destroyed."
        ));
    } else {
        ui.say("Nothing to do: what is live is what the file says.");
    }
    verify::count(&project, &world, &held.ledger, ui).await // (cloud)
}
