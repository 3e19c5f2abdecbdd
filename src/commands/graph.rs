//! `lakeform graph`: the stack's resources and what they need.

use crate::cli::{Global, Graph, GraphFormat};
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::Ui;
use lakeform_engine::graph;

pub fn run(global: &Global, args: &Graph, ui: &Ui) -> Result<ExitCode, CommandError> {
    if ui.json {
        return Err(CommandError::new("a drawing has no JSON form").hint("`--format dot`, `mermaid` or `html`"));
    }
    let project = Project::open(global, ui)?;
    ui.data(match args.format {
        GraphFormat::Dot => graph::dot(&project.stack),
        GraphFormat::Mermaid => graph::mermaid(&project.stack),
        GraphFormat::Html => graph::html(&project.stack),
    });
    Ok(ExitCode::Done)
}
