//! `lakeform check`: every mistake in the file, offline.

use crate::cli::{Check, Global};
use crate::error::{CommandError, ExitCode};
use crate::project::StackFile;
use crate::ui::Ui;
use crate::ui::problems::show;
use lakeform_engine::{Severity, report};

pub fn run(global: &Global, args: &Check, ui: &Ui) -> Result<ExitCode, CommandError> {
    let file = StackFile::read(global)?;
    let mut checked = file.check();
    let elsewhere = file.problems_elsewhere(&checked.problems);
    if elsewhere.iter().any(|problem| problem.severity == Severity::Error) {
        checked.stack = None;
    }
    checked.problems.extend(elsewhere);
    checked.problems.sort_by_key(|problem| problem.span);
    let name = file.name();
    if args.sarif {
        let version = env!("CARGO_PKG_VERSION");
        ui.json(&report::sarif(&name, &file.text, &checked.problems, version));
    } else if ui.json {
        ui.json(&report::json(&name, &file.text, &checked.problems));
    } else {
        show(ui, &file.source(&name), &checked.problems);
    }
    let Some(stack) = checked.stack else {
        return Ok(ExitCode::Error);
    };
    if args.expand {
        ui.data(file.full_form());
    }
    ui.say(format!("`{name}` is fine: {} resources.", stack.resources.len()));
    Ok(ExitCode::Done)
}
