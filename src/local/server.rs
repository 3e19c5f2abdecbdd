//! The HTTP listener over the same `handle`, and the note in the folder that says which process holds it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::door::Untrusted;
use crate::fault::Lost;
use crate::services::s3::access::Peer;
use crate::{Body, Credentials, Local, LocalError, store};

const NOTE: &str = "holder.json";
/// How long answers under way may take once the server is asked to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// A client that sends no headers for so long is not coming back.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// The process that holds a folder and where it answers, if it serves.
#[derive(Clone, Serialize, Deserialize)]
pub struct Holder {
    pub process: u32,
    pub http: Option<SocketAddr>,
    /// What requests must be signed with, where signatures are verified.
    pub credentials: Option<Credentials>,
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the secret.
        formatter
            .debug_struct("Holder")
            .field("process", &self.process)
            .field("http", &self.http)
            .finish()
    }
}

impl Holder {
    /// Returns the process that has `dir` open now.
    pub fn of(dir: &Path) -> Option<Holder> {
        // The note of a process that was killed stays behind; the lock on the store does not.
        if !store::held(dir) {
            return None;
        }
        serde_json::from_slice(&std::fs::read(dir.join(NOTE)).ok()?).ok()
    }

    /// Writes the note. Failing to is no reason to refuse work: the store's own lock is what counts.
    pub(crate) fn note(dir: &Path, http: Option<SocketAddr>, credentials: Option<Credentials>) {
        let holder = Holder {
            process: std::process::id(),
            http,
            credentials,
        };
        if let Ok(text) = serde_json::to_vec(&holder) {
            let _ = write_privately(&dir.join(NOTE), &text);
        }
    }

    pub(crate) fn erase(dir: &Path) {
        let _ = std::fs::remove_file(dir.join(NOTE));
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_privately(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    std::io::Write::write_all(&mut file, text)?;
    std::fs::rename(new, path)
}

/// A bound listener.
pub struct Server {
    local: Arc<Local>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds the port; port 0 picks a free one.
    pub async fn bind(local: &Arc<Local>, address: SocketAddr) -> Result<Server, LocalError> {
        let failed = |cause: std::io::Error| LocalError::new(format!("listening on {address}: {cause}"));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut credentials = None;
        if !address.ip().is_loopback() {
            // Whoever may now call needs a secret to sign with.
            let made = local.credentials().await;
            credentials = Some(made.map_err(|fault| LocalError::new(fault.message))?);
        }
        Holder::note(&local.cloud().dir, Some(address), credentials);
        Ok(Server {
            local: Arc::clone(local),
            listener,
            address,
        })
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` ends, then finishes what is under way.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut shutdown => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors: those in use come back as connections end.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let local = Arc::clone(&self.local);
            let trusted = self.address.ip().is_loopback();
            let service = service_fn(move |request| answer(Arc::clone(&local), request, trusted, peer.ip()));
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                // A connection's end, however it comes, is the client's affair.
                let _ = connection.await;
            });
        }
        drop(self.listener);
        let _ = tokio::time::timeout(PATIENCE, graceful.shutdown()).await;
        Holder::note(&self.local.cloud().dir, None, None);
    }
}

async fn answer(
    local: Arc<Local>,
    mut request: http::Request<Incoming>,
    trusted: bool,
    peer: IpAddr,
) -> Result<http::Response<Body>, std::io::Error> {
    request.extensions_mut().insert(Peer(peer));
    if !trusted {
        request.extensions_mut().insert(Untrusted);
    }
    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    let response = local.handle(request).await;
    if response.extensions().get::<Lost>().is_some() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::ConnectionReset,
            "the answer was lost",
        ));
    }
    Ok(response)
}
