//! The way to the cloud a stack lives in, and the one `Cloud` that apply sees: AWS objects from the `aws` crate, data
//! work from `data`.

use crate::data::Data;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::Ui;
use lakeform_aws::{Aws, Connection};
use lakeform_engine::Kind;
use lakeform_engine::cloud::{Ask, Cloud, CloudError, Create, Delete, Live, Meaning, Owned, Owner, Report, Update};
use lakeform_engine::stack::Place;
use lakeform_local::{Local, Options, Pace};
use std::path::Path;
use std::sync::Arc;

/// A connected cloud.
pub struct World {
    pub aws: Aws,
    pub data: Data,
    pub place: String,
}

impl World {
    /// Connects to where the stack lives. On AWS, credentials of another account are refused.
    pub async fn connect(project: &Project, ui: &Ui) -> Result<Self, CommandError> {
        let region = &project.stack.region;
        let (connection, place) = match &project.stack.place {
            Place::Local => {
                let dir = project.state.join("local");
                crate::state::make(&project.state)?;
                let local = open_local(&dir).await?;
                (in_process(region, &local), format!("the local cloud, {region}"))
            }
            Place::Aws { account } => {
                let connection = Connection::aws(region, None).await;
                let identity = Aws::new(connection.clone()).identity().await.map_err(|error| {
                    let unreachable = error.meaning == Meaning::Unavailable;
                    let error = CommandError::from(error);
                    match unreachable {
                        true => error.hint("AWS cannot be reached, or there are no credentials; nothing was changed"),
                        false => error.hint("`aws sts get-caller-identity` shows whose credentials these are"),
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
                (connection, format!("AWS account {account}, {region}"))
            }
        };
        ui.detail(format!("connected to {place}"));
        let aws = Aws::new(connection);
        let data = Data::new(aws.clone(), project.folder().to_owned());
        Ok(Self { aws, data, place })
    }

    /// How many AWS calls were made, by operation.
    pub fn calls(&self) -> std::collections::BTreeMap<String, u64> {
        self.aws.connection().calls()
    }
}

/// Opens the local cloud on a disk.
pub async fn open_local(dir: &Path) -> Result<Arc<Local>, CommandError> {
    Local::open(Options {
        dir: dir.to_owned(),
        pace: Pace::Quick,
        seed: None,
    })
    .await
    .map_err(|error| {
        CommandError::new(format!(
            "the local cloud in `{}` cannot be opened: {error}",
            dir.display()
        ))
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
