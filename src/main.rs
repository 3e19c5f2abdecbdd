//! `lakeform`: arguments in, exit code out. What each command does stands in `commands`.

mod cli;
mod commands;
mod connect;
mod data;
mod dbt;
mod door;
mod error;
mod project;
mod state;
mod ui;

use clap::Parser;
use clap::error::ErrorKind;
use error::ExitCode;

fn main() {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap would exit with 2, which here means "there are changes".
            let code = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::Done,
                _ => ExitCode::Error,
            };
            drop(error.print());
            std::process::exit(code as i32);
        }
    };
    let ui = ui::Ui::new(cli.global.json, cli.global.no_color, cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.error(&error::CommandError::io("starting", &error));
            std::process::exit(ExitCode::Error as i32);
        }
    };
    let code = match runtime.block_on(commands::run(cli, ui)) {
        Ok(code) => code,
        Err(error) => {
            ui.error(&error);
            error.code
        }
    };
    // Whatever still runs in the background was told to stop; nothing unsaved is in memory.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    std::process::exit(code as i32);
}
