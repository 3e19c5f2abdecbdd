//! `lakeform local`: the local cloud on ports, what is inside, its snapshots, and its end.

use crate::cli::{Global, Local, LocalCommand, LocalDisk};
use crate::connect::{Weather, held, open_local};
use crate::error::{CommandError, ExitCode};
use crate::ui::{Ui, bytes, count};
use lakeform_local::LocalError;
use lakeform_local::remote::Remote;
use lakeform_local::server::Holder;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub async fn run(global: &Global, args: &Local, ui: &Ui) -> Result<ExitCode, CommandError> {
    match &args.command {
        LocalCommand::Serve {
            http,
            sql,
            sql_memory,
            disk,
        } => serve(global, &dir(global, disk), *http, (*sql, *sql_memory), ui).await,
        LocalCommand::Status { disk } => status(&dir(global, disk), ui).await,
        LocalCommand::Export { file, disk } => export(&dir(global, disk), file, ui).await,
        LocalCommand::Import { file, yes, disk } => import(&dir(global, disk), file, *yes, ui).await,
        LocalCommand::Reset { yes, disk } => reset(&dir(global, disk), *yes, ui).await,
    }
}

/// The local cloud's disk: the one that was named, or the state folder's.
fn dir(global: &Global, disk: &LocalDisk) -> PathBuf {
    match (&disk.dir, &global.state) {
        (Some(dir), _) => dir.clone(),
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

/// Who has the disk: a process that serves it, or from now on this one.
enum Reached {
    Served(Remote),
    Here(Arc<lakeform_local::Local>),
}

async fn reach(dir: &Path) -> Result<Reached, CommandError> {
    match Holder::of(dir) {
        None => Ok(Reached::Here(open_local(dir, &Weather::default()).await?)),
        Some(holder) => match Remote::of(&holder) {
            Some(remote) => Ok(Reached::Served(remote)),
            None => Err(held(dir, &holder)),
        },
    }
}

fn failed(doing: &str) -> impl Fn(LocalError) -> CommandError {
    move |error| CommandError::new(format!("{doing}: {error}"))
}

async fn serve(
    global: &Global,
    dir: &Path,
    http: SocketAddr,
    (sql, sql_memory): (SocketAddr, Option<usize>),
    ui: &Ui,
) -> Result<ExitCode, CommandError> {
    let weather = Weather::read(global)?;
    let local = open_local(dir, &weather).await?;
    if let Some(bytes) = sql_memory {
        local.limit_sql_memory(bytes);
    }
    let _chaos = weather.begin(&local, dir, ui);
    let taken = |flag: &str, address: SocketAddr, cause: &dyn std::fmt::Display| {
        let free = SocketAddr::new(address.ip(), 0);
        CommandError::new(format!("the local cloud cannot be served: {address}: {cause}"))
            .hint(format!("`{flag} {free}` picks a free port"))
    };
    let ports = lakeform_local::SqlPorts::bind(sql).map_err(|cause| taken("--sql", sql, &cause))?;
    let keys = match http.ip().is_loopback() {
        // Over loopback signatures only name account, region and service.
        true => ("test".to_owned(), "test".to_owned()),
        false => {
            let keys = local.credentials().await;
            let keys = keys.map_err(|fault| CommandError::new(fault.message))?;
            (keys.access_key_id, keys.secret_access_key)
        }
    };
    let first = ports.first();
    let certificate = local.certificate().map_err(failed("serving SQL"))?;
    let certificate = certificate.display().to_string();
    let ready = |http: SocketAddr| {
        if ui.json {
            ui.json(&serde_json::json!({
                "http": format!("http://{http}"), "sql": first.to_string(), "access_key_id": keys.0,
                "secret_access_key": keys.1, "region": "us-east-1", "account": crate::project::LOCAL_ACCOUNT,
                "certificate": certificate,
            }));
            return;
        }
        ui.data(format!(
            "export AWS_ENDPOINT_URL=http://{http}\nexport AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n\
             export AWS_REGION=us-east-1\nexport AWS_DEFAULT_REGION=us-east-1\n\
             export PGHOST={}\nexport PGPORT={}\n",
            keys.0,
            keys.1,
            first.ip(),
            first.port()
        ));
        ui.say(format!(
            "The local cloud in `{}` is served; Ctrl-C ends it.",
            dir.display()
        ));
        ui.say(format!(
            "TLS on SQL ports is signed by {certificate} (sslrootcert, SSL_CERT_FILE)."
        ));
    };
    let served = tokio::select! {
        served = local.serve(http, ready, stopped()) => served,
        () = local.serve_sql(ports) => unreachable!("SQL is served until this ends"),
        () = announce(&local, ui) => unreachable!("ports are announced until this ends"),
    };
    served.map_err(|cause| taken("--http", http, &cause))?;
    Ok(ExitCode::Done)
}

/// Ends with Ctrl-C, or when the process is asked to terminate.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

/// Tells the SQL port of every warehouse when it opens.
async fn announce(local: &lakeform_local::Local, ui: &Ui) {
    let mut known = std::collections::BTreeSet::new();
    loop {
        for port in local.sql_ports() {
            if !known.insert((port.arn.clone(), port.address)) {
                continue;
            }
            if ui.json {
                ui.json(&serde_json::json!({
                    "type": "sql_port", "arn": port.arn, "sql": port.address.to_string(), "database": port.database,
                    "user": port.admin,
                }));
            } else {
                ui.say(psql(&port.arn, &port.address.to_string(), &port.admin, &port.database));
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

fn psql(arn: &str, address: &str, user: &str, database: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    format!("SQL for {arn}: psql \"host={host} port={port} user={user} dbname={database}\"")
}

async fn status(dir: &Path, ui: &Ui) -> Result<ExitCode, CommandError> {
    if !dir.exists() {
        match ui.json {
            true => ui.json(&serde_json::json!({"dir": dir, "inside": [], "served": null})),
            false => ui.say(format!(
                "The local cloud is empty: there is no `{}` yet.",
                dir.display()
            )),
        }
        return Ok(ExitCode::Done);
    }
    let (mut found, served) = match reach(dir).await? {
        Reached::Served(remote) => {
            let found = remote.get("status").await.map_err(failed("asking for the status"))?;
            (found, Some(remote.url()))
        }
        Reached::Here(local) => (local.status().map_err(failed("reading the status"))?, None),
    };
    if ui.json {
        found["served"] = served.into();
        ui.json(&found);
        return Ok(ExitCode::Done);
    }
    match &served {
        Some(url) => {
            ui.data(format!(
                "{} is served by process {} at {url}\n",
                dir.display(),
                found["process"]
            ));
            let pace = found["pace"].as_str().unwrap_or_default();
            ui.data(format!("pace: {}\n", pace.to_ascii_lowercase()));
            match found["faults"]["seed"].as_u64() {
                Some(seed) => ui.data(format!("faults: seed {seed}\n")),
                None => ui.data("faults: none\n"),
            }
        }
        None => ui.data(format!("{} is not served\n", dir.display())),
    }
    for port in array(&found["sql"]) {
        let text = |member: &str| port[member].as_str().unwrap_or_default();
        let line = psql(text("arn"), text("address"), text("user"), text("database"));
        ui.data(format!("{line}\n"));
    }
    let places = array(&found["inside"]);
    if places.is_empty() {
        ui.data("nothing is inside\n");
    }
    for place in places {
        ui.data(format!("\n{}\n", place["place"].as_str().unwrap_or_default()));
        for kind in array(&place["kinds"]) {
            let number = count(kind["count"].as_u64().unwrap_or_default());
            ui.data(format!("{number:>8}  {}\n", kind["kind"].as_str().unwrap_or_default()));
        }
    }
    ui.data(format!(
        "\n{} documents, {} of objects\n",
        count(found["documents"].as_u64().unwrap_or_default()),
        bytes(found["object_bytes"].as_u64().unwrap_or_default())
    ));
    Ok(ExitCode::Done)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

async fn export(dir: &Path, file: &Path, ui: &Ui) -> Result<ExitCode, CommandError> {
    if !dir.exists() {
        return Err(CommandError::new(format!(
            "there is no local cloud in `{}`",
            dir.display()
        )));
    }
    let io = |cause: std::io::Error| CommandError::io(format!("writing `{}`", file.display()), &cause);
    // Whole or not at all: it gets its name when it is complete.
    let partial = file.with_extension("partial");
    let out = std::fs::File::create(&partial).map_err(io)?;
    let written = async {
        match reach(dir).await? {
            Reached::Served(remote) => remote.export(out).await.map_err(failed("exporting"))?,
            Reached::Here(local) => {
                let gathered = local.export().await.map_err(failed("exporting"))?;
                let packed = tokio::task::spawn_blocking(move || gathered.pack(out)).await;
                packed.expect("packing does not panic").map_err(io)?;
            }
        }
        std::fs::rename(&partial, file).map_err(io)
    };
    if let Err(error) = written.await {
        drop(std::fs::remove_file(&partial));
        return Err(error);
    }
    let size = std::fs::metadata(file).map_or(0, |found| found.len());
    ui.say(format!(
        "Everything in the local cloud, secrets included, is in `{}`: {}.",
        file.display(),
        bytes(size)
    ));
    Ok(ExitCode::Done)
}

async fn import(dir: &Path, file: &Path, yes: bool, ui: &Ui) -> Result<ExitCode, CommandError> {
    let source =
        std::fs::File::open(file).map_err(|cause| CommandError::io(format!("reading `{}`", file.display()), &cause))?;
    if dir.exists() {
        confirm(
            &format!(
                "Put `{}` in place of everything in the local cloud `{}`?",
                file.display(),
                dir.display()
            ),
            yes,
            ui,
        )?;
    }
    let done = match reach(dir).await? {
        Reached::Served(remote) => remote.import(file).await,
        Reached::Here(local) => local.import(std::io::BufReader::new(source)).await,
    };
    done.map_err(failed(&format!("importing `{}`", file.display())))?;
    ui.say(format!(
        "The local cloud in `{}` is that of `{}` now.",
        dir.display(),
        file.display()
    ));
    Ok(ExitCode::Done)
}

async fn reset(dir: &Path, yes: bool, ui: &Ui) -> Result<ExitCode, CommandError> {
    if !dir.exists() {
        ui.say("The local cloud is empty already.");
        return Ok(ExitCode::Done);
    }
    confirm(
        &format!("Delete everything in the local cloud `{}`?", dir.display()),
        yes,
        ui,
    )?;
    match Holder::of(dir) {
        Some(holder) => {
            let remote = Remote::of(&holder).ok_or_else(|| held(dir, &holder))?;
            let done = remote.post("reset", &serde_json::json!({})).await;
            done.map_err(failed("emptying the local cloud"))?;
        }
        // Also what this program cannot open must be possible to get rid of.
        None => std::fs::remove_dir_all(dir)
            .map_err(|error| CommandError::io(format!("deleting `{}`", dir.display()), &error))?,
    }
    ui.say("The local cloud is empty.");
    Ok(ExitCode::Done)
}

fn confirm(question: &str, yes: bool, ui: &Ui) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    match ui.ask(question) {
        Some(true) => Ok(()),
        Some(false) => Err(CommandError::new("nothing was deleted").code(ExitCode::Blocked)),
        None => Err(CommandError::new("nothing was deleted: there is nobody to ask")
            .code(ExitCode::Blocked)
            .hint("`--yes` says that this is wanted")),
    }
}
