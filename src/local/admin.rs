//! What no AWS has: health, status, snapshots, the clock and the fault layer, under `/_lakeform/`, a path that no bucket
//! can have.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, StreamBody};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::door::plain;
use crate::{Body, BoxError, Local, LocalError, collected, status};

pub(crate) const PREFIX: &str = "/_lakeform/";
const MAX_BODY: usize = 1 << 20;
/// How many pieces of a snapshot wait for a slow reader or writer.
const PIECES: usize = 8;
const PIECE: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ClockChange {
    /// Moves the clock forward by so many seconds.
    Advance(f64),
    /// Stops it, at an instant in seconds since the epoch or where it is.
    Freeze(Option<f64>),
    /// Lets it run on.
    Run {},
}

/// A refusal: its HTTP status and why.
type Refusal = (u16, String);

fn broken(error: LocalError) -> Refusal {
    (400, error.message)
}

pub(crate) async fn handle(local: &Arc<Local>, request: Request<Body>, untrusted: bool) -> Response<Body> {
    let path = request.uri().path().trim_start_matches(PREFIX).to_owned();
    let method = request.method().clone();
    let given = request.headers().get(header::AUTHORIZATION).cloned();
    let stranger = untrusted && !is_the_secret(local, given.as_ref()).await;
    let answer = match (&method, path.as_str()) {
        (&Method::GET, "health") => Ok(json!({"status": "ok", "pace": local.cloud().pace})),
        _ if stranger => Err((403, "only this machine may do that".to_owned())),
        (&Method::GET, "status") => status::status(local).map_err(|fault| (500, fault.message)),
        (&Method::GET, "snapshot") => match local.export().await {
            Ok(gathered) => return packed(gathered),
            Err(error) => Err((500, error.message)),
        },
        (&Method::POST, "snapshot") => {
            let imported = local.import(Incoming::new(request.into_body())).await;
            imported.map(|()| json!({})).map_err(broken)
        }
        (&Method::POST, "reset") => local.reset().await.map(|()| json!({})).map_err(broken),
        (&Method::GET, "clock") => Ok(json!({"now": local.cloud().clock.now()})),
        (&Method::GET, "faults") => Ok(json!({"plan": local.faults().plan(), "injected": local.faults().records()})),
        (&Method::POST, "clock") => body(request).await.map(|change| {
            let clock = &local.cloud().clock;
            match change {
                ClockChange::Advance(seconds) => clock.advance(seconds.max(0.0)),
                ClockChange::Freeze(at) => clock.freeze(at),
                ClockChange::Run {} => clock.run(),
            }
            json!({"now": clock.now()})
        }),
        (&Method::POST, "faults") => body(request).await.map(|plan| {
            local.faults().set(plan);
            json!({"plan": local.faults().plan()})
        }),
        _ => Err((404, format!("there is no {method} {PREFIX}{path}"))),
    };
    match answer {
        Ok(value) => plain(200, "application/json", value.to_string()),
        Err((status, message)) => plain(status, "application/json", json!({"error": message}).to_string()),
    }
}

/// Who may read the folder finds the secret there, and needs no other right.
async fn is_the_secret(local: &Arc<Local>, given: Option<&http::HeaderValue>) -> bool {
    let Some(given) = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ")) else {
        return false;
    };
    let Ok(known) = local.credentials().await else {
        return false;
    };
    let known = known.secret_access_key;
    // Compared without stopping at the first difference.
    let pairs = known.bytes().zip(given.bytes());
    known.len() == given.len() && pairs.fold(0, |sum, (left, right)| sum | (left ^ right)) == 0
}

async fn body<T: serde::de::DeserializeOwned>(request: Request<Body>) -> Result<T, Refusal> {
    let bytes = collected(request.into_body(), MAX_BODY)
        .await
        .map_err(|cause| (400, cause))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|cause| (400, cause.to_string()))?;
    serde_json::from_value(value).map_err(|cause| (400, cause.to_string()))
}

/// Packs a snapshot while it is being sent.
fn packed(gathered: crate::snapshot::Gathered) -> Response<Body> {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, BoxError>>(PIECES);
    tokio::task::spawn_blocking(move || {
        let outgoing = std::io::BufWriter::with_capacity(PIECE, Outgoing(sender.clone()));
        if let Err(cause) = gathered.pack(outgoing) {
            // A reader that sees the error knows that the snapshot is not whole; one that left does not care.
            let _ = sender.blocking_send(Err(cause.into()));
        }
    });
    let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let mut response = Response::new(StreamBody::new(pieces.map_ok(http_body::Frame::data)).boxed_unsync());
    let content = http::HeaderValue::from_static("application/zstd");
    response.headers_mut().insert(header::CONTENT_TYPE, content);
    response
}

/// Bytes written by a thread that may block become pieces of a body.
struct Outgoing(mpsc::Sender<Result<Bytes, BoxError>>);

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| std::io::Error::from(std::io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The pieces of a body, read by a thread that may block.
struct Incoming {
    pieces: mpsc::Receiver<Result<Bytes, BoxError>>,
    piece: Bytes,
}

impl Incoming {
    fn new(mut body: Body) -> Incoming {
        let (sender, pieces) = mpsc::channel(PIECES);
        tokio::spawn(async move {
            while let Some(frame) = body.frame().await {
                let piece = frame.map(|frame| frame.into_data().unwrap_or_default());
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Incoming {
            pieces,
            piece: Bytes::new(),
        }
    }
}

impl std::io::Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece.map_err(std::io::Error::other)?,
                None => return Ok(0),
            }
        }
        let read = self.piece.len().min(into.len());
        into[..read].copy_from_slice(&self.piece.split_to(read));
        Ok(read)
    }
}
