//! `lakeform local`: the local cloud on ports, and its end.

use crate::cli::{Global, Local, LocalCommand};
use crate::connect::open_local;
use crate::error::{CommandError, ExitCode};
use crate::ui::Ui;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub async fn run(global: &Global, args: &Local, ui: &Ui) -> Result<ExitCode, CommandError> {
    match &args.command {
        LocalCommand::Serve { http, dir } => serve(&disk(global, dir.as_deref()), *http, ui).await,
        LocalCommand::Reset { yes, dir } => reset(&disk(global, dir.as_deref()), *yes, ui),
    }
}

/// The local cloud's disk: the one that was named, or the state folder's.
fn disk(global: &Global, dir: Option<&Path>) -> PathBuf {
    match (dir, &global.state) {
        (Some(dir), _) => dir.to_owned(),
        (None, Some(state)) => state.join("local"),
        (None, None) => {
            let stack = match &global.stack {
                Some(path) if path.is_dir() => path.join("stack.toml"),
                Some(path) => path.clone(),
                None => PathBuf::from("stack.toml"),
            };
            crate::state::folder(&stack).join("local")
        }
    }
}

async fn serve(dir: &Path, http: SocketAddr, ui: &Ui) -> Result<ExitCode, CommandError> {
    let local = open_local(dir).await?;
    let ready = |http: SocketAddr| {
        if ui.json {
            ui.json(&serde_json::json!({
                "http": format!("http://{http}"), "access_key_id": "test", "secret_access_key": "test",
                "region": "us-east-1", "account": crate::project::LOCAL_ACCOUNT,
            }));
            return;
        }
        ui.data(format!(
            "export AWS_ENDPOINT_URL=http://{http}\nexport AWS_ACCESS_KEY_ID=test\nexport AWS_SECRET_ACCESS_KEY=test\n\
             export AWS_REGION=us-east-1\nexport AWS_DEFAULT_REGION=us-east-1\n"
        ));
        ui.say(format!(
            "The local cloud in `{}` is served; Ctrl-C ends it.",
            dir.display()
        ));
    };
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    local
        .serve(http, ready, stop)
        .await
        .map_err(|error| CommandError::new(format!("the local cloud cannot be served: {error}")))?;
    Ok(ExitCode::Done)
}

fn reset(dir: &Path, yes: bool, ui: &Ui) -> Result<ExitCode, CommandError> {
    if !dir.exists() {
        ui.say("The local cloud is empty already.");
        return Ok(ExitCode::Done);
    }
    if !yes {
        match ui.ask(&format!("Delete everything in the local cloud `{}`?", dir.display())) {
            Some(true) => {}
            Some(false) => return Err(CommandError::new("nothing was deleted").code(ExitCode::Blocked)),
            None => {
                return Err(CommandError::new("nothing was deleted: there is nobody to ask")
                    .code(ExitCode::Blocked)
                    .hint("`--yes` says that this is wanted"));
            }
        }
    }
    if let Some(holder) = lakeform_local::server::Holder::of(dir) {
        return Err(
            CommandError::new(format!("the local cloud is in use by process {}", holder.process))
                .code(ExitCode::Locked),
        );
    }
    std::fs::remove_dir_all(dir).map_err(|error| CommandError::io(format!("deleting `{}`", dir.display()), &error))?;
    ui.say("The local cloud is empty.");
    Ok(ExitCode::Done)
}
