//! `lakeform drift`: what was changed outside of lakeform. Reads, locks nothing, writes nothing.

use crate::cli::{Drift, DriftFormat, Global};
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::Ui;
use lakeform_engine::cloud::Cloud;
use lakeform_engine::{apply, drift};

pub async fn run(global: &Global, args: &Drift, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let mut ledger = crate::state::ledger(&project.state, &project.journal_name())?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    for entry in apply::settle(&world, &ledger).await? {
        ledger.add(&entry); // in memory: drift changes nothing
    }
    let observed = apply::observe(&world, apply::asks(&project.stack, &ledger)).await?; // (cloud)
    let owned = world.owned(&project.stack.tag_name()).await?; // (cloud)
    let found = drift::compare(&project.stack, &observed, &ledger, &owned); // (pure)
    let checked: Vec<_> = observed.keys().cloned().collect();
    let file = project.file.display().to_string();
    let version = env!("CARGO_PKG_VERSION");
    ui.data(match args.format {
        DriftFormat::Text if ui.json => format!("{}\n", drift::to_json(&found)),
        DriftFormat::Text => drift::text(&found),
        DriftFormat::Json => format!("{}\n", drift::to_json(&found)),
        DriftFormat::Markdown => drift::markdown(&found),
        DriftFormat::Junit => drift::junit(&found, &checked),
        DriftFormat::Sarif => format!("{}\n", drift::sarif(&found, &file, &project.text, version)),
        DriftFormat::Github => drift::github(&found, &file, &project.text),
    });
    Ok(if drift::is_drift(&found) {
        ExitCode::Changes
    } else {
        ExitCode::Done
    })
}
