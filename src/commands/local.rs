//! `lakeform local`: the local cloud on ports, and its end.

use crate::cli::{Global, Local, LocalCommand};
use crate::connect::open_local;
use crate::error::{CommandError, ExitCode};
use crate::ui::Ui;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub async fn run(global: &Global, args: &Local, ui: &Ui) -> Result<ExitCode, CommandError> {
    match &args.command {
        LocalCommand::Serve { http, sql, dir } => serve(&disk(global, dir.as_deref()), *http, *sql, ui).await,
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

async fn serve(dir: &Path, http: SocketAddr, sql: SocketAddr, ui: &Ui) -> Result<ExitCode, CommandError> {
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
    let served = tokio::select! {
        served = local.serve(http, ready, stop) => served,
        () = local.serve_sql(sql) => unreachable!("SQL is served until this ends"),
        () = announce(&local, ui) => unreachable!("ports are announced until this ends"),
    };
    served.map_err(|error| CommandError::new(format!("the local cloud cannot be served: {error}")))?;
    Ok(ExitCode::Done)
}

/// Tells the SQL port of every warehouse when it opens.
async fn announce(local: &lakeform_local::Local, ui: &Ui) {
    let mut known = std::collections::BTreeSet::new();
    loop {
        for port in local.sql_ports() {
            if !known.insert((port.arn.clone(), port.address)) {
                continue;
            }
            let (host, number) = (port.address.ip(), port.address.port());
            if ui.json {
                ui.json(&serde_json::json!({
                    "type": "sql_port", "arn": port.arn, "sql": port.address.to_string(), "database": port.database,
                    "user": port.admin,
                }));
            } else {
                ui.say(format!(
                    "SQL for {}: psql \"host={host} port={number} user={} dbname={}\"",
                    port.arn, port.admin, port.database
                ));
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
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
