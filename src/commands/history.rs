//! `lakeform history`: what happened when, by which command. Reads the journal and nothing else.

use crate::cli::{Global, History};
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::Ui;
use lakeform_engine::history::{self, What};
use lakeform_engine::{Address, Kind};

pub async fn run(global: &Global, args: &History, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let mut happened = crate::state::history(&project).await?; // (disk)
    if let Some(text) = &args.address {
        let address = Address::parse(text).ok_or_else(|| {
            let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
            let error = CommandError::new(format!("`{text}` is not an address"));
            let kind = text.split('.').next().unwrap_or_default();
            match lakeform_engine::diagnostic::did_you_mean(kind, kinds) {
                Some(hint) => error.hint(hint),
                None => error.hint("such as `bucket.lake`"),
            }
        })?;
        happened.retain(|one| one.what.is_about(&address));
    }
    let commands: Vec<usize> = (0..happened.len())
        .filter(|index| happened[*index].what == What::Began)
        .collect();
    if let Some(last) = args.last
        && let Some(first) = commands.len().checked_sub(last)
    {
        happened.drain(..commands.get(first).copied().unwrap_or(happened.len()));
    }
    match ui.json {
        true => ui.json(&history::to_json(&happened)),
        false if happened.is_empty() => ui.say("Nothing happened yet: `lakeform up` builds the stack."),
        false => ui.data(history::text(&happened)),
    }
    Ok(ExitCode::Done)
}
