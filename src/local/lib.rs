//! The local cloud: the AWS of a Redshift lakehouse in one process. `Local::handle` answers any request, whether the
//! SDK's connector hands it over in process or `Local::serve` reads it from a port. This file only wires the parts.

pub mod admin;
mod authority;
pub mod clock;
pub mod crawler;
mod door;
pub mod fault;
mod lake;
pub mod remote;
pub mod server;
pub mod services;
pub mod snapshot;
mod status;
pub mod store;
pub mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;

pub use clock::Pace;
use serde::{Deserialize, Serialize};
pub use services::redshift::ports::Reserved as SqlPorts;
pub use services::{ACCOUNT, Answer, Call, Cloud, Fault, Service};

const CREDENTIALS: &str = "credentials";
const ROOT: &str = "root";

/// An access key and its secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// Whatever a body's stream may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every request and response.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

/// How to open a local cloud.
pub struct Options {
    /// Everything lies under this folder; it is made when missing.
    pub dir: PathBuf,
    pub pace: Pace,
    /// Turns on faults, the same ones for the same seed.
    pub seed: Option<u64>,
}

/// Why the local cloud could not be opened or served.
#[derive(Debug)]
pub struct LocalError {
    pub message: String,
    /// The process that holds the folder, when that is the reason.
    pub holder: Option<server::Holder>,
}

impl LocalError {
    pub(crate) fn new(message: String) -> LocalError {
        LocalError { message, holder: None }
    }
}

impl std::fmt::Display for LocalError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for LocalError {}

/// An open local cloud.
pub struct Local {
    cloud: Arc<Cloud>,
    faults: fault::Faults,
    /// Requests share it; who replaces the whole state has it alone.
    door: tokio::sync::RwLock<()>,
}

impl Local {
    /// Opens or makes the cloud in `options.dir`.
    pub async fn open(options: Options) -> Result<Arc<Local>, LocalError> {
        std::fs::create_dir_all(&options.dir)
            .map_err(|cause| LocalError::new(format!("making `{}`: {cause}", options.dir.display())))?;
        let store = store::Store::open(&options.dir).map_err(|cause| refused(&options.dir, &cause))?;
        server::Holder::note(&options.dir, None, None);
        snapshot::sweep(&options.dir);
        // What a crash interrupted is finished first.
        snapshot::take_place(&options.dir, &store)?;
        let cloud = Cloud::new(options.dir, store, options.pace);
        services::start(&cloud);
        Ok(Arc::new(Local {
            cloud,
            faults: fault::Faults::new(options.seed),
            door: tokio::sync::RwLock::default(),
        }))
    }

    /// Returns a snapshot of this instant, to be packed.
    pub async fn export(self: &Arc<Self>) -> Result<snapshot::Gathered, LocalError> {
        let cloud = Arc::clone(&self.cloud);
        blocking(move || snapshot::gather(&cloud)).await
    }

    /// Puts a snapshot in place of everything. What was there is gone; a snapshot that cannot be read changes nothing.
    pub async fn import(self: &Arc<Self>, from: impl std::io::Read + Send + 'static) -> Result<(), LocalError> {
        let dir = self.cloud.dir.clone();
        blocking(move || snapshot::unpack(from, &dir)).await?;
        self.take_place().await
    }

    /// Forgets everything.
    pub async fn reset(self: &Arc<Self>) -> Result<(), LocalError> {
        let dir = self.cloud.dir.clone();
        blocking(move || snapshot::nothing(&dir)).await?;
        self.take_place().await
    }

    async fn take_place(self: &Arc<Self>) -> Result<(), LocalError> {
        let _alone = self.door.write().await;
        services::quiesce(&self.cloud);
        let cloud = Arc::clone(&self.cloud);
        let taken = blocking(move || snapshot::take_place(&cloud.dir, &cloud.store)).await;
        services::start(&self.cloud);
        taken.map(drop)
    }

    /// Marks a request at work, for as long as what is returned lives.
    pub(crate) async fn at_work(&self) -> tokio::sync::RwLockReadGuard<'_, ()> {
        self.door.read().await
    }

    /// Returns what the services share: the clock, the store, the folder.
    pub fn cloud(&self) -> &Arc<Cloud> {
        &self.cloud
    }

    /// Returns the fault layer.
    pub fn faults(&self) -> &fault::Faults {
        &self.faults
    }

    /// Returns the access key and secret that requests from beyond this machine are signed with, the same for as long as
    /// the folder lives. In process and over loopback any pair will do.
    pub async fn credentials(&self) -> Result<Credentials, Fault> {
        if let Some(known) = self
            .cloud
            .read(Service::Sts, ACCOUNT, "", |cx| cx.shared().get(CREDENTIALS, ROOT))?
        {
            return Ok(known);
        }
        let write = |cx: &Call| {
            if let Some(known) = cx.shared().get(CREDENTIALS, ROOT)? {
                return Ok(known);
            }
            let made = Credentials {
                access_key_id: format!("AKIA{:016X}", services::random_u64()),
                secret_access_key: format!("{:016x}{:016x}", services::random_u64(), services::random_u64()),
            };
            cx.shared().put(CREDENTIALS, ROOT, &made)?;
            Ok(made)
        };
        self.cloud.write(Service::Sts, ACCOUNT, "", write).await
    }

    /// Returns the secret of an access key: that of the folder or of an assumed role.
    pub(crate) fn secret_of(&self, access_key: &str) -> Result<Option<String>, Fault> {
        self.cloud.read(Service::Sts, ACCOUNT, "", |cx| {
            let root: Option<Credentials> = cx.shared().get(CREDENTIALS, ROOT)?;
            match root.filter(|root| root.access_key_id == access_key) {
                Some(root) => Ok(Some(root.secret_access_key)),
                None => Ok(services::sts::session(cx, access_key)?.map(|session| session.secret)),
            }
        })
    }

    /// Limits what the queries of one warehouse may use together, before the first of them.
    pub fn limit_sql_memory(&self, bytes: usize) {
        self.cloud
            .part::<services::redshift::engines::Engines>()
            .limit_memory(bytes);
    }

    /// Gives each cluster and workgroup a SQL port until the future is dropped.
    pub async fn serve_sql(self: &Arc<Self>, reserved: SqlPorts) {
        services::redshift::ports::serve(Arc::clone(&self.cloud), reserved).await;
    }

    /// Returns who this is and what is inside, as `lakeform local status` shows it.
    pub fn status(&self) -> Result<serde_json::Value, LocalError> {
        status::status(self).map_err(|fault| LocalError::new(fault.message))
    }

    /// Returns the folder that everything lies under.
    pub fn folder(&self) -> &Path {
        &self.cloud.dir
    }

    /// Returns the file of the certificate that signs those of the SQL ports.
    pub fn certificate(&self) -> Result<PathBuf, LocalError> {
        authority::certificate(&self.cloud.dir)
            .map_err(|cause| LocalError::new(format!("making the certificate authority: {cause}")))
    }

    /// Returns the SQL ports that are open now.
    pub fn sql_ports(&self) -> Vec<services::redshift::ports::SqlPort> {
        self.cloud.part::<services::redshift::ports::Ports>().list()
    }

    /// Answers one request of any service.
    pub async fn handle(self: &Arc<Self>, request: http::Request<Body>) -> http::Response<Body> {
        door::handle(self, request).await
    }

    /// Answers on a port until `shutdown` ends. `ready` is told the address, with the real port where 0 was asked for.
    pub async fn serve(
        self: &Arc<Self>,
        http: SocketAddr,
        ready: impl FnOnce(SocketAddr),
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), LocalError> {
        let server = server::Server::bind(self, http).await?;
        ready(server.address());
        server.run(shutdown).await;
        Ok(())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.cloud.stop();
        server::Holder::erase(&self.cloud.dir);
    }
}

/// Runs work on files away from the runtime's threads.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, LocalError> + Send + 'static,
) -> Result<R, LocalError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(LocalError::new("the work on the cloud's files panicked".to_owned())))
}

fn refused(dir: &Path, cause: &store::StoreError) -> LocalError {
    let holder = cause.held.then(|| server::Holder::of(dir)).flatten();
    let message = match &holder {
        Some(server::Holder {
            process,
            http: Some(address),
            ..
        }) => {
            format!(
                "`{}` is held by process {process}, which answers at http://{address}",
                dir.display()
            )
        }
        Some(server::Holder {
            process, http: None, ..
        }) => {
            format!("`{}` is held by process {process}", dir.display())
        }
        None => cause.to_string(),
    };
    LocalError { message, holder }
}

/// Returns a body of text.
pub(crate) fn text_body(text: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Returns a whole body, or why it could not be had; one longer than `limit` is refused before it is read.
pub(crate) async fn collected(mut body: Body, limit: usize) -> Result<Bytes, String> {
    let mut whole = bytes::BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|cause| cause.to_string())?.into_data() {
            if whole.len() + data.len() > limit {
                return Err(format!("longer than {limit} bytes"));
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}
