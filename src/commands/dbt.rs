//! `lakeform dbt`: dbt itself, with the stack's warehouse as its target.

use super::output::offered;
use super::sql::target;
use crate::cli::{Dbt, Global};
use crate::connect::World;
use crate::dbt;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::Ui;
use lakeform_engine::stack::Resource;
use lakeform_engine::{Kind, Value};

pub async fn run(global: &Global, args: &Dbt, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let resource = chosen(&project, args.project.as_deref())?; // (pure)
    let program = installed()?; // (disk)
    let warehouse = resource.target("warehouse").map(|address| address.to_string());
    let target = target(&project, warehouse.as_deref()).await?; // (disk)
    let dbt = described(&project, resource).await?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    let door = world.data.doors.open(&target).await?; // (cloud)
    let mut command = dbt
        .command(&program, &door)
        .map_err(|error| CommandError::io(format!("writing to `{}`", dbt.home.display()), &error))?;
    command.args(&args.words);
    if !args.words.iter().any(|word| word.starts_with("--vars")) {
        command.args(dbt.variables());
    }
    if ui.json {
        command.env("DBT_LOG_FORMAT", "json");
    }
    let mut child = command
        .spawn()
        .map_err(|error| CommandError::io(format!("starting `{}`", program.display()), &error))?;
    let mut interrupted = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(|error| CommandError::io("waiting for dbt", &error))?,
            // The terminal tells dbt too, which cancels its queries and ends; it needs us until then.
            _ = tokio::signal::ctrl_c() => interrupted = true,
        }
    };
    match (status.success(), interrupted) {
        (true, _) => Ok(ExitCode::Done),
        (false, true) => Err(CommandError::said(ExitCode::Interrupted)),
        (false, false) => Err(CommandError::said(ExitCode::Error)),
    }
}

/// Returns where dbt is.
pub fn installed() -> Result<std::path::PathBuf, CommandError> {
    dbt::program().ok_or_else(|| CommandError::new("dbt is not installed").hint(dbt::INSTALL))
}

/// Returns the one project of the stack, or the one that was named.
fn chosen<'a>(project: &'a Project, wanted: Option<&str>) -> Result<&'a Resource, CommandError> {
    let projects: Vec<&Resource> = project
        .stack
        .of_kind(Kind::Dbt)
        .filter(|resource| wanted.is_none_or(|wanted| resource.address.to_string() == wanted))
        .collect();
    let names = || {
        let names = project
            .stack
            .of_kind(Kind::Dbt)
            .map(|resource| resource.address.to_string());
        names.collect::<Vec<_>>().join(", ")
    };
    match (projects.as_slice(), wanted) {
        ([one], _) => Ok(one),
        ([], Some(wanted)) if !names().is_empty() => {
            Err(CommandError::new(format!("there is no `{wanted}`")).hint(format!("the stack has {}", names())))
        }
        ([], _) => Err(CommandError::new("the stack has no dbt project")
            .hint("add [dbt.models] with project = \"FOLDER\" and warehouse = \"…\" to the stack file")
            .hint("`lakeform init lakehouse-dbt` makes a stack with one")),
        (_, _) => Err(CommandError::new("the stack has several dbt projects")
            .hint(format!("say which with --project: {}", names()))),
    }
}

/// Returns the project with its schema and variables as they are now, outputs of others filled in.
async fn described(project: &Project, resource: &Resource) -> Result<dbt::Project, CommandError> {
    let ledger = crate::state::ledger(project).await?;
    let known = |field: &str| {
        let value = resource.field(field).cloned().unwrap_or(Value::Null);
        value.resolve(&|reference| {
            let record = ledger.records.get(&reference.address)?;
            offered(reference.address.kind, record).get(&reference.output).cloned()
        })
    };
    let text = |value: &Value, what: &str| {
        value.as_text().map(str::to_owned).ok_or_else(|| {
            CommandError::new(format!("`{what}` of {} is not known yet", resource.address))
                .hint("`lakeform up` makes what it needs")
        })
    };
    let vars = known("vars");
    let vars = vars.as_map().into_iter().flatten();
    Ok(dbt::Project {
        folder: project.folder().join(text(&known("project"), "project")?),
        home: project.dbt_home().join(resource.address.to_string()),
        schema: text(&known("schema"), "schema")?,
        vars: vars
            .map(|(name, value)| Ok((name.clone(), text(value, name)?)))
            .collect::<Result<_, CommandError>>()?,
    })
}
