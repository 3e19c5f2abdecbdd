//! S3 over its HTTP surface, as a client sees it.

mod buckets;
mod listings;
mod multipart;
mod objects;
mod policies;
mod presigned;
mod versions;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::{Body, Local, Options, Pace};

struct World {
    local: Arc<Local>,
    dir: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the text of the first element of this name.
    fn element(&self, name: &str) -> &str {
        element(self.text(), name).unwrap_or_default()
    }

    fn elements(&self, name: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut rest = self.text();
        while let Some(text) = element(rest, name) {
            found.push(text);
            rest = &rest[rest.find(text).unwrap() + text.len()..];
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
        found
    }
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let end = text[start..].find(&format!("</{name}>"))?;
    Some(&text[start..start + end])
}

fn sign(account: &str, region: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/s3/aws4_request, SignedHeaders=host, Signature=00")
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let local = open(dir.path()).await;
        let world = Self { local, dir };
        world.ok(Method::PUT, "/lake", &[], "").await;
        world
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.local.handle(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.send(request(method, path, headers, body)).await
    }

    async fn ok(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let answer = self.call(method.clone(), path, headers, body).await;
        assert!(
            answer.status.is_success(),
            "{method} {path}: {} {}",
            answer.status,
            answer.text()
        );
        answer
    }

    /// Returns the status and code of a request that must be refused.
    async fn refusal(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let answer = self.call(method.clone(), path, headers, body.to_owned()).await;
        assert!(!answer.status.is_success(), "{method} {path} succeeded");
        (answer.status.as_u16(), answer.element("Code").to_owned())
    }

    async fn put(&self, key: &str, text: &str) -> Answer {
        self.ok(Method::PUT, &format!("/lake/{key}"), &[], text.to_owned())
            .await
    }

    async fn get(&self, key: &str) -> String {
        self.ok(Method::GET, &format!("/lake/{key}"), &[], "")
            .await
            .text()
            .to_owned()
    }
}

async fn open(dir: &std::path::Path) -> Arc<Local> {
    Local::open(Options {
        dir: dir.to_owned(),
        pace: Pace::Quick,
        seed: None,
    })
    .await
    .unwrap()
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Body> {
    let body: Bytes = body.into();
    let mut request = Request::builder().method(method).uri(format!("http://localhost{path}"));
    let signed = headers.iter().any(|(name, _)| *name == "authorization");
    if !signed {
        request = request.header("authorization", sign("test", "us-east-1"));
    }
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-length") {
        request = request.header("content-length", body.len());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Full::new(body).map_err(|never| match never {}).boxed_unsync())
        .unwrap()
}

fn md5(text: &str) -> String {
    super::checksum::hex(&<s3s::crypto::Md5 as s3s::crypto::Checksum>::checksum(text.as_bytes()))
}
