//! `lakeform plan`: what would change, and why. Reads, locks nothing, writes nothing.

use super::work;
use crate::cli::{Global, Plan};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::Ui;
use lakeform_engine::saved;

pub async fn run(global: &Global, args: &Plan, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let mut ledger = crate::state::ledger(&project).await?; // (disk)
    let options = work::options(&args.selection, &args.replace, &project.stack, &ledger)?; // (pure)
    let world = World::connect(&project, ui).await?; // (cloud)
    let plan = work::plan(&project.stack, &world, &mut ledger, &options, args.destroy, ui).await?; // (cloud)
    work::show(&plan, &project, ui, &args.view);
    if let Some(path) = &args.out {
        let saved = saved::save(&plan, &project.stack, &project.text, &ledger, &options, args.destroy);
        if path.exists()
            && std::fs::read_to_string(path)
                .ok()
                .is_none_or(|text| saved::read(&text).is_err())
        {
            return Err(CommandError::new(format!(
                "`{}` is there, and is no plan: it is left alone",
                path.display()
            ))
            .hint("name a file that does not exist, or one that `--out` wrote"));
        }
        let text = serde_json::to_string_pretty(&saved).expect("a saved plan is plain data");
        std::fs::write(path, text)
            .map_err(|error| CommandError::io(format!("writing `{}`", path.display()), &error))?;
        ui.say(format!(
            "Saved. `lakeform apply {}` does exactly this, or refuses.",
            path.display()
        ));
    }
    Ok(
        match (plan.blocked.is_empty(), plan.is_empty(), args.detailed_exitcode) {
            (false, ..) => ExitCode::Blocked,
            (true, false, true) => ExitCode::Changes,
            _ => ExitCode::Done,
        },
    )
}
