//! `lakeform apply`: makes what is live what the file says, or does exactly what a saved plan says.

use super::work;
use crate::cli::{Apply, Global};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::Held;
use crate::ui::{Ui, duration};
use lakeform_engine::apply::Outcome;
use lakeform_engine::saved::{self, SavedPlan};
use std::path::Path;
use std::time::{Duration, Instant};

pub async fn run(global: &Global, args: &Apply, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let agreed = args.plan.as_deref().map(read).transpose()?; // (disk)
    let mut held = Held::open(&project, "apply").await?; // (disk)
    let options = match &agreed {
        Some(saved) => saved.options(),
        None => work::options(&args.selection, &args.replace, &project.stack, &held.ledger)?,
    }; // (pure)
    let destroy = agreed.as_ref().is_some_and(|saved| saved.destroy);
    let world = World::connect(&project, ui).await?; // (cloud)
    let mut ledger = held.ledger.clone();
    let mut plan = work::plan(&project.stack, &world, &mut ledger, &options, destroy, ui).await?; // (cloud)
    if let Some(saved) = &agreed {
        if saved.generation.is_empty() && ledger.records.is_empty() {
            // Planned before the stack had a journal: the one just opened is its own.
            ledger.generation.clear();
        }
        plan = saved
            .agreed(plan, &project.stack, &project.text, &ledger)
            .map_err(|refusal| {
                CommandError::new(refusal.to_string())
                    .code(ExitCode::Blocked)
                    .hint("nothing was changed; make a new plan")
                    .hint("variables and `--env` count: give the same as for the plan")
            })?;
    }
    work::show(&plan, &project, ui, &args.view);
    if !plan.blocked.is_empty() {
        return Ok(ExitCode::Blocked);
    }
    if work::nothing_to_do(&plan) {
        return work::report(&Outcome::default(), Duration::ZERO, ui);
    }
    if !plan.is_empty() && agreed.is_none() {
        work::confirm(ui, &args.run, "\nMake these changes?")?;
    }
    if !destroy {
        work::consent(&plan, &args.consent, &args.run, ui)?;
    }
    let started = Instant::now();
    let outcome = work::carry_out(&plan, &world, &mut held, &args.run, ui).await?; // (cloud)
    let code = work::report(&outcome, started.elapsed(), ui)?;
    if code == ExitCode::Done && plan.is_empty() {
        ui.say("\nNothing was changed; what the state had not known yet is noted.");
    } else if code == ExitCode::Done {
        let (add, change, destroy) = plan.totals();
        let took = duration(started.elapsed().as_secs_f64());
        ui.say(format!(
            "\nApplied in {took}: {add} added, {change} changed, {destroy} destroyed."
        ));
    }
    Ok(code)
}

fn read(path: &Path) -> Result<SavedPlan, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::io(format!("reading `{}`", path.display()), &error))?;
    saved::read(&text).map_err(|refusal| {
        CommandError::new(format!("`{}`: {refusal}", path.display())).hint("`lakeform plan --out FILE` writes one")
    })
}
