//! The way to the cloud a stack lives in, and the one `Cloud` that apply sees: AWS objects from the `aws` crate, data
//! work from `data`.

use crate::cli::Global;
use crate::data::Data;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::lease::Lease;
use crate::ui::Ui;
use lakeform_aws::{Aws, Connection, Keys};
use lakeform_engine::Kind;
use lakeform_engine::cloud::{Ask, Cloud, CloudError, Create, Delete, Live, Meaning, Owned, Owner, Report, Update};
use lakeform_engine::stack::Place;
use lakeform_local::fault;
use lakeform_local::remote::Remote;
use lakeform_local::server::Holder;
use lakeform_local::{Local, Options, Pace};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A connected cloud.
pub struct World {
    pub aws: Aws,
    pub data: Data,
    pub place: String,
    /// Whether it is the local cloud, where nothing takes as long as on AWS.
    pub local: bool,
    _chaos: Option<Chaos>,
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

    fn is_fair(&self) -> bool {
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

impl World {
    /// Connects to where the stack lives. On AWS, credentials of another account are refused.
    pub async fn connect(project: &Project, ui: &Ui) -> Result<Self, CommandError> {
        let region = &project.stack.region;
        let weather = &project.weather;
        let mut chaos = None;
        let (connection, place) = match &project.stack.place {
            Place::Local => {
                let dir = project.state.join("local");
                crate::state::make(&project.state)?;
                match Holder::of(&dir) {
                    Some(holder) => attach(region, &dir, &holder, weather)?,
                    None => {
                        let local = open_local(&dir, weather).await?;
                        chaos = weather.begin(&local, &dir, ui);
                        (in_process(region, &local), format!("the local cloud, {region}"))
                    }
                }
            }
            Place::Aws { .. } if !weather.is_fair() => {
                return Err(CommandError::new(
                    "`--chaos` and `--realistic` are for the local cloud; this stack lives on AWS",
                )
                .hint("`--cloud local` runs it on this machine"));
            }
            Place::Aws { account, endpoint } => {
                let at = endpoint
                    .as_ref()
                    .map_or(String::new(), |endpoint| format!(" at {endpoint}"));
                let connection = connection(project).await?;
                (connection, format!("AWS account {account}{at}, {region}"))
            }
        };
        ui.detail(format!("connected to {place}"));
        let aws = Aws::new(connection);
        let data = Data::new(aws.clone(), project.folder().to_owned());
        let local = project.stack.place == Place::Local;
        Ok(Self {
            aws,
            data,
            place,
            _chaos: chaos,
            local,
        })
    }

    /// From now on nothing is asked or changed unless the stack is still ours.
    pub fn only_while(&self, lease: Arc<Lease>) {
        self.aws.connection().only_while(move || lease.alive());
    }

    /// How many AWS calls were made, by operation.
    pub fn calls(&self) -> std::collections::BTreeMap<String, u64> {
        self.aws.connection().calls()
    }
}

/// Returns the connection of a stack on AWS, made once. Credentials of another account are refused.
pub async fn connection(project: &Project) -> Result<Connection, CommandError> {
    let connect = async || {
        let Place::Aws { account, endpoint } = &project.stack.place else {
            unreachable!("asked only for stacks on AWS");
        };
        let region = &project.stack.region;
        let connection = match endpoint.as_deref() {
            // What answers on this machine is no AWS: it needs no credentials, and gets none that were found lying about.
            Some(endpoint) if on_this_machine(endpoint) => Connection::endpoint(endpoint, region, keys()),
            endpoint => Connection::aws(region, endpoint).await,
        };
        let identity = Aws::new(connection.clone()).identity().await.map_err(|error| {
            let unreachable = error.meaning == Meaning::Unavailable;
            let error = CommandError::from(error);
            match (unreachable, endpoint) {
                (true, Some(endpoint)) => error.hint(format!("nothing answers at {endpoint}; nothing was changed")),
                (true, None) => error.hint("AWS cannot be reached, or there are no credentials; nothing was changed"),
                (false, _) => error.hint("`aws sts get-caller-identity` shows whose credentials these are"),
            }
        })?;
        let actual = identity.account;
        if actual != *account {
            return Err(CommandError::new(format!(
                "the stack belongs to account {account}, but these credentials to {actual}"
            ))
            .code(ExitCode::Blocked)
            .hint("nothing was read or changed; use the credentials of the stack's account"));
        }
        Ok(connection)
    };
    project.connection.get_or_try_init(connect).await.cloned()
}

fn on_this_machine(endpoint: &str) -> bool {
    let host = endpoint.split("://").nth(1).unwrap_or(endpoint);
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|start| host.starts_with(start))
}

/// The access key of the environment.
fn keys() -> Option<Keys> {
    let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(Keys {
        id: var("AWS_ACCESS_KEY_ID")?,
        secret: var("AWS_SECRET_ACCESS_KEY")?,
        session: var("AWS_SESSION_TOKEN"),
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

/// Returns a connection to the local cloud that another process serves.
fn attach(region: &str, dir: &Path, holder: &Holder, weather: &Weather) -> Result<(Connection, String), CommandError> {
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
    let place = format!("the local cloud that process {} serves, {region}", holder.process);
    Ok((Connection::endpoint(&remote.url(), region, keys), place))
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

impl Cloud for World {
    async fn read(&self, kind: Kind, asks: &[Ask]) -> Result<Vec<Option<Live>>, CloudError> {
        match kind.is_data() {
            true => self.data.read(kind, asks).await,
            false => self.aws.read(kind, asks).await,
        }
    }

    async fn find(&self, ask: &Ask, owner: &Owner) -> Result<Option<Live>, CloudError> {
        match ask.address.kind.is_data() {
            true => self.data.find(ask, owner).await,
            false => self.aws.find(ask, owner).await,
        }
    }

    async fn create(&self, create: &Create, report: Report<'_>) -> Result<Live, CloudError> {
        match create.owner.address.kind.is_data() {
            true => self.data.create(create, report).await,
            false => self.aws.create(create, report).await,
        }
    }

    async fn update(&self, update: &Update, report: Report<'_>) -> Result<Live, CloudError> {
        match update.owner.address.kind.is_data() {
            true => self.data.update(update, report).await,
            false => self.aws.update(update, report).await,
        }
    }

    async fn delete(&self, delete: &Delete, report: Report<'_>) -> Result<(), CloudError> {
        match delete.owner.address.kind.is_data() {
            true => self.data.delete(delete, report).await,
            false => self.aws.delete(delete, report).await,
        }
    }

    async fn owned(&self, stack: &str) -> Result<Vec<Owned>, CloudError> {
        self.aws.owned(stack).await
    }
}

#[cfg(test)]
mod tests;
