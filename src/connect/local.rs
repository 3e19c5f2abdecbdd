//! The way to the local cloud: in process when nobody holds its disk, over its port when a process serves it.

pub use super::ports::Ports;
use crate::cli::Global;
use crate::error::{CommandError, ExitCode};
use crate::ui::Ui;
use lakeform_aws::Connection;
use lakeform_local::fault;
use lakeform_local::remote::Remote;
use lakeform_local::server::Holder;
use lakeform_local::{Local, Options, Pace};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The local cloud, within reach.
pub struct Reached {
    pub connection: Connection,
    pub place: String,
    pub ports: Ports,
    /// Faults that began.
    pub chaos: Option<Chaos>,
}

/// Connects to the local cloud on a disk.
pub async fn connect(region: &str, dir: &Path, weather: &Weather, ui: &Ui) -> Result<Reached, CommandError> {
    if let Some(holder) = Holder::of(dir) {
        return attach(region, dir, &holder, weather);
    }
    let local = open_local(dir, weather).await?;
    let chaos = weather.begin(&local, dir, ui);
    let connection = in_process(region, &local);
    Ok(Reached {
        connection: match weather.realistic {
            true => connection.slow(),
            false => connection,
        },
        place: format!("the local cloud, {region}"),
        ports: Ports::here(local),
        chaos,
    })
}

/// How the local cloud behaves for one command.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    pub realistic: bool,
    pub chaos: Option<fault::Plan>,
}

impl Weather {
    /// Reads `--chaos` and `--realistic`.
    pub fn read(global: &Global) -> Result<Self, CommandError> {
        let chaos = match global.chaos.as_deref() {
            None => None,
            Some(given) => Some(match given.parse::<u64>() {
                Ok(seed) => fault::Plan {
                    seed: Some(seed),
                    ..fault::Plan::default()
                },
                Err(_) => recorded(Path::new(given))?,
            }),
        };
        Ok(Self {
            realistic: global.realistic,
            chaos,
        })
    }

    pub fn is_fair(&self) -> bool {
        !self.realistic && self.chaos.is_none()
    }

    /// Lets the faults begin and says so; what they did is written when the returned value goes.
    pub fn begin(&self, local: &Arc<Local>, dir: &Path, ui: &Ui) -> Option<Chaos> {
        let plan = self.chaos.clone()?;
        let seed = plan.seed.unwrap_or_default();
        let file = dir.with_file_name(format!("chaos-{seed}.json"));
        let (verb, what) = match plan.replay.len() {
            0 => ("Faults of", format!("seed {seed}")),
            count => ("Again the", format!("{count} faults of a run with seed {seed}")),
        };
        ui.say(format!(
            "{verb} {what}; what they do is recorded in `{}`, and `--chaos` with that file repeats it.",
            file.display()
        ));
        local.faults().set(plan);
        Some(Chaos {
            local: local.clone(),
            file,
            seed,
        })
    }
}

/// Faults under way.
pub struct Chaos {
    local: Arc<Local>,
    file: PathBuf,
    seed: u64,
}

impl Drop for Chaos {
    fn drop(&mut self) {
        let recorded = serde_json::json!({"seed": self.seed, "injected": self.local.faults().records()});
        // The seed alone nearly repeats the run, too.
        drop(std::fs::write(&self.file, format!("{recorded:#}\n")));
    }
}

/// Reads what a run with `--chaos` recorded.
fn recorded(file: &Path) -> Result<fault::Plan, CommandError> {
    #[derive(serde::Deserialize)]
    struct Recorded {
        seed: u64,
        injected: Vec<fault::Record>,
    }
    let wrong = |cause: &dyn std::fmt::Display| {
        CommandError::new(format!("`--chaos {}`: {cause}", file.display()))
            .hint("a seed is a whole number; a file is one that a run with `--chaos` wrote")
    };
    let text = std::fs::read_to_string(file).map_err(|cause| wrong(&cause))?;
    let Recorded { seed, injected } = serde_json::from_str(&text).map_err(|cause| wrong(&cause))?;
    Ok(fault::Plan {
        seed: (injected.is_empty()).then_some(seed),
        replay: injected,
        ..fault::Plan::default()
    })
}

/// Opens the local cloud on a disk.
pub async fn open_local(dir: &Path, weather: &Weather) -> Result<Arc<Local>, CommandError> {
    let opened = Local::open(Options {
        dir: dir.to_owned(),
        pace: match weather.realistic {
            true => Pace::Realistic,
            false => Pace::Quick,
        },
        seed: None,
    });
    opened.await.map_err(|error| match &error.holder {
        Some(holder) => held(dir, holder),
        None => CommandError::new(format!(
            "the local cloud in `{}` cannot be opened: {error}",
            dir.display()
        )),
    })
}

/// Says who has the local cloud's disk.
pub fn held(dir: &Path, holder: &Holder) -> CommandError {
    let (process, dir) = (holder.process, dir.display());
    let error = match Remote::of(holder) {
        Some(remote) => CommandError::new(format!(
            "the local cloud in `{dir}` is served by process {process} at {}",
            remote.url()
        )),
        None => CommandError::new(format!("the local cloud in `{dir}` is held by process {process}"))
            .hint("wait for that command to end; a cloud that `lakeform local serve` serves can be shared"),
    };
    error.code(ExitCode::Locked)
}

/// Returns the local cloud that another process serves.
fn attach(region: &str, dir: &Path, holder: &Holder, weather: &Weather) -> Result<Reached, CommandError> {
    let Some(remote) = Remote::of(holder) else {
        return Err(held(dir, holder));
    };
    if !weather.is_fair() {
        return Err(CommandError::new(format!(
            "`--chaos` and `--realistic` are for a cloud of this command's own, but process {} serves this one",
            holder.process
        ))
        .hint("give them to `lakeform local serve`"));
    }
    let keys = holder.credentials.as_ref().map(|keys| lakeform_aws::Keys {
        id: keys.access_key_id.clone(),
        secret: keys.secret_access_key.clone(),
        session: None,
    });
    Ok(Reached {
        connection: Connection::endpoint(&remote.url(), region, keys),
        place: format!("the local cloud that process {} serves, {region}", holder.process),
        ports: Ports::Served(remote),
        chaos: None,
    })
}

/// Returns a connection that hands requests to the local cloud without a socket.
pub fn in_process(region: &str, local: &Arc<Local>) -> Connection {
    let local = local.clone();
    Connection::in_process(
        region,
        Arc::new(move |request| {
            let local = local.clone();
            Box::pin(async move { local.handle(request).await })
        }),
    )
}
