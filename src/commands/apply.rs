//! `lakeform apply`: makes what is live what the file says.

use super::work;
use crate::cli::{Apply, Global};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::Held;
use crate::ui::{Ui, duration};
use std::time::Instant;

pub async fn run(global: &Global, args: &Apply, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let mut held = Held::open(&project.state, &project.journal_name(), "apply")?; // (disk)
    let options = work::options(&args.selection, &project.stack, &held.ledger)?; // (pure)
    let world = World::connect(&project, ui).await?; // (cloud)
    let mut ledger = held.ledger.clone();
    let (plan, settled) = work::plan(&project.stack, &world, &mut ledger, &options, false, ui).await?; // (cloud)
    work::show(&plan, &project, ui, false);
    if !plan.blocked.is_empty() {
        return Ok(ExitCode::Blocked);
    }
    if work::nothing_to_do(&plan, &settled) {
        return Ok(ExitCode::Done);
    }
    if !plan.is_empty() {
        work::confirm(ui, &args.run, "\nMake these changes?")?;
    }
    let started = Instant::now();
    let outcome = work::carry_out(&plan, settled, &world, &mut held, &args.run, ui).await?; // (cloud)
    let code = work::report(&outcome, started.elapsed(), ui)?;
    if code == ExitCode::Done {
        let (add, change, destroy) = plan.totals();
        let took = duration(started.elapsed().as_secs_f64());
        ui.say(format!(
            "\nApplied in {took}: {add} added, {change} changed, {destroy} destroyed."
        ));
    }
    Ok(code)
}
