//! One file per command; each reads as the list of what it does.

mod apply;
mod check;
mod datagen;
mod dbt;
mod destroy;
mod drift;
mod graph;
mod history;
mod import;
mod init;
#[cfg(feature = "local")]
mod local;
mod output;
mod plan;
mod recover;
mod sql;
mod state;
mod up;
mod verify;
mod work;

use crate::cli::{Cli, Command, Completions, Shell};
use crate::error::{CommandError, ExitCode};
use crate::ui::Ui;
use clap::CommandFactory;

/// Runs the command that was asked for.
pub async fn run(cli: Cli, ui: Ui) -> Result<ExitCode, CommandError> {
    let global = &cli.global;
    match cli.command {
        Command::Init(args) => init::run(&args, &ui),
        Command::Check(args) => check::run(global, &args, &ui),
        Command::Plan(args) => plan::run(global, &args, &ui).await,
        Command::Apply(args) => apply::run(global, &args, &ui).await,
        Command::Up(args) => up::run(global, &args, &ui).await,
        Command::Datagen(args) => datagen::run(global, &args, &ui).await,
        Command::Drift(args) => drift::run(global, &args, &ui).await,
        Command::Graph(args) => graph::run(global, &args, &ui),
        Command::Schema => {
            ui.data(format!("{:#}\n", lakeform_engine::docs::json_schema()));
            Ok(ExitCode::Done)
        }
        Command::Destroy(args) => destroy::run(global, &args, &ui).await,
        Command::Recover => recover::run(global, &ui).await,
        Command::Import(args) => import::run(global, &args, &ui).await,
        Command::Sql(args) => sql::run(global, &args, &ui).await,
        Command::Dbt(args) => dbt::run(global, &args, &ui).await,
        Command::Output(args) => output::run(global, &args, &ui).await,
        Command::History(args) => history::run(global, &args, &ui).await,
        Command::State(args) => state::run(global, &args, &ui).await,
        #[cfg(feature = "local")]
        Command::Local(args) => local::run(global, &args, &ui).await,
        #[cfg(not(feature = "local"))]
        Command::Local(_) => Err(crate::connect::refusal()),
        Command::Completions(args) => Ok(completions(&args, &ui)),
    }
}

fn completions(args: &Completions, ui: &Ui) -> ExitCode {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lakeform", &mut script);
    ui.data(String::from_utf8_lossy(&script));
    ExitCode::Done
}
