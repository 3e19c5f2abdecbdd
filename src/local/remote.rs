//! A local cloud that another process serves, seen from here: its administration endpoint over HTTP.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::server::Holder;
use crate::{BoxError, LocalError, admin, text_body};

type Body = crate::Body;

/// How much of a snapshot is under way at once.
const PIECE: usize = 256 << 10;

/// The way to a served cloud.
#[derive(Clone)]
pub struct Remote {
    address: SocketAddr,
    secret: Option<String>,
}

impl Remote {
    /// Returns the way to the cloud that `holder` serves, if it does.
    pub fn of(holder: &Holder) -> Option<Remote> {
        let mut address = holder.http?;
        if address.ip().is_unspecified() {
            let here = match address {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            };
            address.set_ip(here);
        }
        let secret = holder.credentials.as_ref().map(|keys| keys.secret_access_key.clone());
        Some(Remote { address, secret })
    }

    /// Returns `http://…`, for clients of AWS.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks the administration endpoint something.
    pub async fn get(&self, what: &str) -> Result<Value, LocalError> {
        let response = self.send(Method::GET, what, text_body("")).await?;
        json(response).await
    }

    /// Tells the administration endpoint something.
    pub async fn post(&self, what: &str, body: &Value) -> Result<Value, LocalError> {
        let response = self.send(Method::POST, what, text_body(body.to_string())).await?;
        json(response).await
    }

    /// Writes a snapshot of the served cloud.
    pub async fn export(&self, mut into: impl Write) -> Result<(), LocalError> {
        let mut body = self.send(Method::GET, "snapshot", text_body("")).await?.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|cause| LocalError::new(format!("reading the snapshot: {cause}")))?;
            if let Ok(bytes) = frame.into_data() {
                into.write_all(&bytes)
                    .map_err(|cause| LocalError::new(format!("writing the snapshot: {cause}")))?;
            }
        }
        Ok(())
    }

    /// Puts the snapshot of a file in place of what the served cloud holds.
    pub async fn import(&self, file: &Path) -> Result<(), LocalError> {
        let wrong = |cause: std::io::Error| LocalError::new(format!("reading `{}`: {cause}", file.display()));
        let file = tokio::fs::File::open(file).await.map_err(wrong)?;
        let pieces = futures::stream::try_unfold(file, |mut file| async move {
            let mut piece = bytes::BytesMut::with_capacity(PIECE);
            let read = file.read_buf(&mut piece).await?;
            Ok::<_, std::io::Error>((read > 0).then(|| (piece.freeze(), file)))
        });
        let frames = pieces.map_ok(http_body::Frame::data).map_err(BoxError::from);
        let body = StreamBody::new(frames.boxed()).boxed_unsync();
        let response = self.send(Method::POST, "snapshot", body).await?;
        json(response).await.map(drop)
    }

    async fn send(&self, method: Method, what: &str, body: Body) -> Result<Response<Incoming>, LocalError> {
        let lost = |cause: &dyn std::fmt::Display| {
            LocalError::new(format!("the cloud at http://{} does not answer: {cause}", self.address))
        };
        let stream = tokio::net::TcpStream::connect(self.address)
            .await
            .map_err(|cause| lost(&cause))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| lost(&cause))?;
        tokio::spawn(async move {
            // What went wrong is said by the request.
            let _ = connection.await;
        });
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{what}", admin::PREFIX))
            .header(http::header::HOST, self.address.to_string());
        if let Some(secret) = &self.secret {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {secret}"));
        }
        let request = request.body(body).expect("a path and known headers make a request");
        let response = sender.send_request(request).await.map_err(|cause| lost(&cause))?;
        match response.status().is_success() {
            true => Ok(response),
            false => {
                let said = json(response).await?;
                Err(LocalError::new(
                    said["error"].as_str().unwrap_or("it refuses").to_owned(),
                ))
            }
        }
    }
}

async fn json(response: Response<Incoming>) -> Result<Value, LocalError> {
    let broken = |cause: &dyn std::fmt::Display| LocalError::new(format!("reading the answer: {cause}"));
    let bytes: Bytes = response
        .into_body()
        .collect()
        .await
        .map_err(|cause| broken(&cause))?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(|cause| broken(&cause))
}
