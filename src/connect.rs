//! The way to the cloud a stack lives in, and the one `Cloud` that apply sees: AWS objects from the `aws` crate, data
//! work from `data`.

#[cfg(feature = "local")]
mod local;
#[cfg(not(feature = "local"))]
#[path = "connect/absent.rs"]
mod local;
#[cfg(feature = "local")]
mod ports;

use crate::data::Data;
use crate::door::Doors;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::lease::Lease;
use crate::ui::Ui;
use lakeform_aws::{Aws, Connection, Keys};
use lakeform_engine::Kind;
use lakeform_engine::cloud::{Ask, Cloud, CloudError, Create, Delete, Live, Meaning, Owned, Report, Sought, Update};
use lakeform_engine::stack::Place;
use local::Chaos;
#[cfg(test)]
pub use local::in_process;
#[cfg(not(feature = "local"))]
pub use local::refusal;
pub use local::{Ports, Weather};
#[cfg(feature = "local")]
pub use local::{held, open_local};
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

impl World {
    /// Connects to where the stack lives. On AWS, credentials of another account are refused.
    pub async fn connect(project: &Project, ui: &Ui) -> Result<Self, CommandError> {
        let region = &project.stack.region;
        let weather = &project.weather;
        let mut chaos = None;
        let (connection, place, ports) = match &project.stack.place {
            Place::Local => {
                let dir = project.state.join("local");
                crate::state::make(&project.state)?;
                let reached = local::connect(region, &dir, weather, ui).await?;
                chaos = reached.chaos;
                (reached.connection, reached.place, Some(reached.ports))
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
                (connection, format!("AWS account {account}{at}, {region}"), None)
            }
        };
        ui.detail(format!("connected to {place}"));
        let aws = Aws::new(connection);
        let doors = Doors::new(aws.clone(), ports);
        let data = Data::new(aws.clone(), project.folder().to_owned(), project.dbt_home(), doors);
        let local = project.stack.place == Place::Local;
        Ok(Self {
            aws,
            data,
            place,
            _chaos: chaos,
            local,
        })
    }

    /// A world of these, for tests.
    #[cfg(test)]
    pub fn of(aws: Aws, data: Data) -> Self {
        Self {
            aws,
            data,
            place: "a test".to_owned(),
            local: true,
            _chaos: None,
        }
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

impl Cloud for World {
    async fn read(&self, kind: Kind, asks: &[Ask]) -> Result<Vec<Option<Live>>, CloudError> {
        match kind.is_data() {
            true => self.data.read(kind, asks).await,
            false => self.aws.read(kind, asks).await,
        }
    }

    async fn find(&self, kind: Kind, sought: &[Sought]) -> Result<Vec<Option<Live>>, CloudError> {
        match kind.is_data() {
            true => self.data.find(sought).await,
            false => self.aws.find(kind, sought).await,
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
