//! S3: `s3s` speaks the protocol, this folder holds the rules and the bytes. A request is prepared here (who asks,
//! which bucket by host name, streamed bodies unframed) and handed over without its signature: signatures are checked
//! at the door for all services alike.

pub mod access;
pub mod objects;

mod buckets;
mod checksum;
mod chunked;
mod fixed;
mod list;
mod model;
mod multipart;
mod policy;
mod read;
mod receive;
mod service;
mod versions;
mod write;

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, StreamBody};
use s3s::dto::Timestamp;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result};

use self::access::{Access, Checked, Peer};
use self::chunked::Trailers;
use self::objects::{Objects, Segment};
use super::iam::Context;
use super::{ACCOUNT, Call, Cloud, Fault, Part, Service as ServiceName, random_u64, sts};
use crate::{Body, BoxError, text_body};

/// The S3 of one cloud.
pub struct Service {
    cloud: Weak<Cloud>,
    objects: Objects,
}

impl Part for Service {
    fn open(cloud: &Arc<Cloud>) -> Service {
        Service {
            cloud: Arc::downgrade(cloud),
            objects: cloud.part::<Bytestore>().objects.clone(),
        }
    }
}

/// The folder of object bytes, shared by S3, the crawler and SQL.
pub struct Bytestore {
    pub objects: Objects,
}

impl Part for Bytestore {
    fn open(cloud: &Arc<Cloud>) -> Bytestore {
        let dir = cloud.dir.join("objects");
        let objects = Objects::open(&dir).expect("the cloud's folder was writable a moment ago");
        let (work, sweeping) = (Arc::clone(cloud), objects.clone());
        cloud.spawn(async move {
            // Failing to tidy up costs disk, nothing else.
            let _ = blocking(move || {
                let named = named_files(&work).map_err(|fault| io::Error::other(fault.message))?;
                sweeping.sweep(&named)
            })
            .await;
        });
        Bytestore { objects }
    }
}

/// Returns the files of object bytes that a document of this table names.
pub fn files_of(table: &str, document: &serde_json::Value) -> Vec<String> {
    let data = &document["data"];
    let segments = match table {
        model::OBJECTS | model::VERSIONS => data.as_array().map(Vec::as_slice).unwrap_or_default(),
        model::PARTS => std::slice::from_ref(data),
        _ => &[],
    };
    let ids = segments.iter().filter_map(|segment| segment["id"].as_str());
    ids.filter(|id| id.len() > 2).map(str::to_owned).collect()
}

/// Returns the files that some document names.
fn named_files(cloud: &Arc<Cloud>) -> Result<HashSet<String>, Fault> {
    const PAGE: usize = 1000;
    let mut named = HashSet::new();
    let mut collect =
        |data: Vec<Segment>| named.extend(data.into_iter().map(|segment| segment.id).filter(|id| !id.is_empty()));
    for table in [model::OBJECTS, model::VERSIONS] {
        let mut after: Option<String> = None;
        loop {
            let rows: Vec<(String, model::Object)> = cloud.read(ServiceName::Tagging, ACCOUNT, "", |cx| {
                Ok(cx.tx.scan(table, model::EVERYWHERE, "", after.as_deref(), PAGE)?)
            })?;
            let more = rows.len() == PAGE;
            after = rows.last().map(|(id, _)| id.clone());
            rows.into_iter().for_each(|(_, object)| collect(object.data));
            if !more {
                break;
            }
        }
    }
    let parts: Vec<(String, model::Part)> = cloud.read(ServiceName::Tagging, ACCOUNT, "", |cx| {
        Ok(cx.tx.list(model::PARTS, model::EVERYWHERE, "")?)
    })?;
    parts.into_iter().for_each(|(_, part)| collect(vec![part.data]));
    Ok(named)
}

/// Who asks: kept in the request's extensions.
#[derive(Clone, Debug)]
struct Who {
    account: String,
    access_key: String,
    region: String,
    /// What conditions of policies may ask about it.
    context: Context,
    trailers: Trailers,
    /// Tags of a bucket to be made; `s3s` does not know this member yet.
    bucket_tags: Vec<(String, String)>,
}

/// What the operations work with.
struct Backend {
    cloud: Arc<Cloud>,
    objects: Objects,
}

impl Service {
    /// Answers one S3 request.
    pub fn handle(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        match self.cloud.upgrade() {
            Some(cloud) => answer(
                Backend {
                    cloud,
                    objects: self.objects.clone(),
                },
                request,
            )
            .boxed(),
            None => {
                let fault = Fault::new(503, "ServiceUnavailable", "the local cloud is closing");
                futures::future::ready(error_response(fault, false)).boxed()
            }
        }
    }
}

async fn answer(backend: Backend, request: Request<Body>) -> Response<Body> {
    let head_only = request.method() == Method::HEAD;
    let broken = Arc::new(AtomicBool::new(false));
    let request = match prepare(request, &backend.cloud, &broken).await {
        Ok(request) => request,
        Err(fault) => return error_response(fault, head_only),
    };
    let access = Access(Arc::clone(&backend.cloud));
    let mut builder = S3ServiceBuilder::new(backend);
    builder.set_host(Hosts);
    builder.set_auth(Checked);
    builder.set_access(access);
    match builder.build().call(request).await {
        // A body that broke off is not our error, though `s3s` takes it for one where it reads a document.
        Ok(response) if response.status().is_server_error() && broken.load(Ordering::Relaxed) => {
            let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
            error_response(Fault::new(400, "IncompleteBody", message), head_only)
        }
        Ok(response) => {
            let response = response.map(|body| body.map_err(BoxError::from).boxed_unsync());
            finish(worded(response).await, head_only)
        }
        Err(error) => {
            let cause: BoxError = error.into();
            error_response(Fault::new(500, "InternalError", cause.to_string()), head_only)
        }
    }
}

/// Refusals that `s3s` finds by itself have a code and no words; AWS's have both.
async fn worded(response: Response<Body>) -> Response<Body> {
    const LIMIT: usize = 64 << 10;
    if !response.status().is_client_error() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = crate::collected(body, LIMIT).await.unwrap_or_default();
    let mut text = String::from_utf8_lossy(&text).into_owned();
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map(|(code, _)| code.to_owned());
    if let Some(code) = code.filter(|_| !text.contains("<Message>")) {
        let words = match code.as_str() {
            "MalformedXML" => {
                "The XML you provided was not well-formed or did not validate against our published schema"
            }
            "InvalidArgument" => "Invalid Argument",
            "InvalidBucketName" => "The specified bucket is not valid.",
            "InvalidURI" => "Couldn't parse the specified URI.",
            "KeyTooLongError" => "Your key is too long",
            "MethodNotAllowed" => "The specified method is not allowed against this resource.",
            _ => "The request is not valid.",
        };
        text = text.replacen("</Code>", &format!("</Code><Message>{words}</Message>"), 1);
        parts.headers.remove(CONTENT_LENGTH);
    }
    Response::from_parts(parts, text_body(text))
}

/// Every answer carries a request id; the answer to HEAD carries no body, not even of an error.
fn finish(mut response: Response<Body>, head_only: bool) -> Response<Body> {
    let headers = response.headers_mut();
    let id = HeaderValue::from_str(&format!("{:016X}", random_u64())).expect("hex digits are a header value");
    headers.insert("x-amz-request-id", id.clone());
    headers.insert("x-amz-id-2", id);
    headers
        .entry(http::header::SERVER)
        .or_insert(HeaderValue::from_static("AmazonS3"));
    if head_only {
        *response.body_mut() = text_body("");
    }
    response
}

fn error_response(fault: Fault, head_only: bool) -> Response<Body> {
    let response = s3_error(fault)
        .to_http_response()
        .map(|response| response.map(|body| body.map_err(BoxError::from).boxed_unsync()));
    finish(response.unwrap_or_else(|_| Response::new(text_body(""))), head_only)
}

/// Buckets in host names, as SDKs and browsers write them. Any other host is path style.
struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match bucket_of_host(host) {
            Some(bucket) => VirtualHost::new(host).with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

fn bucket_of_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if let Some(rest) = name.strip_suffix(".amazonaws.com") {
        // The rightmost label `s3`: a bucket's own name may have one too.
        return rest.rmatch_indices("s3").find_map(|(at, _)| {
            let after = &rest[at + 2..];
            let ends_label = after.is_empty() || after.starts_with(['.', '-']);
            rest[..at].strip_suffix('.').filter(|_| ends_label)
        });
    }
    let bare = name.strip_suffix(".localhost")?;
    let bare = bare.strip_suffix(".s3").unwrap_or(bare);
    (!bare.is_empty() && bare != "s3").then_some(bare)
}

#[derive(Default)]
struct Credential {
    access_key: String,
    region: String,
}

/// Reads `key/date/region/service/aws4_request`.
fn credential(text: &str) -> Credential {
    let mut parts = text.split('/');
    let access_key = parts.next().unwrap_or_default().to_owned();
    let region = parts.nth(1).unwrap_or_default().to_owned();
    Credential { access_key, region }
}

/// `broken` will say whether the body could not be read to its end.
async fn prepare(
    request: Request<Body>,
    cloud: &Arc<Cloud>,
    broken: &Arc<AtomicBool>,
) -> Result<Request<s3s::Body>, Fault> {
    let now = cloud.clock.now();
    let (mut parts, body) = request.into_parts();
    let mut context = Context::default();
    access::set_peer(&mut context, parts.extensions.get::<Peer>().copied());
    let mut who = Credential::default();
    if let Some(value) = parts.headers.remove(AUTHORIZATION)
        && let Ok(text) = value.to_str()
        && let Some((_, rest)) = text.split_once("Credential=")
    {
        who = credential(rest.split([',', ' ']).next().unwrap_or_default());
    }
    if let Some(presigned) = unsign_query(&mut parts.uri, now)? {
        who = presigned;
    }
    if !parts.headers.contains_key(HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(HOST, value);
    }
    let mut who = Who {
        account: account(cloud, &who.access_key)?,
        access_key: who.access_key,
        context,
        region: if who.region.is_empty() {
            "us-east-1".to_owned()
        } else {
            who.region
        },
        trailers: Trailers::default(),
        bucket_tags: Vec::new(),
    };
    // Only an owner can use a bucket here, so expecting another owner is to be refused.
    if header(&parts.headers, "x-amz-expected-bucket-owner").is_some_and(|owner| owner != who.account) {
        return Err(Fault::new(403, "AccessDenied", "Access Denied"));
    }
    let streaming = header(&parts.headers, "x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"));
    let body = if streaming {
        unframe_headers(&mut parts.headers)?;
        let plain = chunked::decode(body, who.trailers.clone());
        use futures::TryStreamExt;
        let broken = Arc::clone(broken);
        let plain = plain.inspect_err(move |_| broken.store(true, Ordering::Relaxed));
        s3s::Body::http_body_unsync(StreamBody::new(plain.map_ok(http_body::Frame::data)))
    } else {
        if !parts.headers.contains_key(CONTENT_LENGTH)
            && let Some(length) = body.size_hint().exact()
            && length > 0
        {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if makes_bucket(&parts) {
            let text = whole(body).await?;
            who.bucket_tags = buckets::tags_of_create(&text)?;
            s3s::Body::from(text)
        } else {
            let broken = Arc::clone(broken);
            let noted = move |cause| {
                broken.store(true, Ordering::Relaxed);
                cause
            };
            s3s::Body::http_body_unsync(body.map_err(noted))
        }
    };
    parts.extensions.insert(who);
    Ok(Request::from_parts(parts, body))
}

/// Returns the account of an access key.
fn account(cloud: &Arc<Cloud>, access_key: &str) -> Result<String, Fault> {
    if access_key.len() == 12 && access_key.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(access_key.to_owned());
    }
    if !sts::is_temporary(access_key) {
        return Ok(ACCOUNT.to_owned());
    }
    let session = cloud.read(ServiceName::Sts, ACCOUNT, "", |cx| sts::session(cx, access_key))?;
    Ok(session.map_or_else(|| ACCOUNT.to_owned(), |session| session.account))
}

/// A CreateBucket: PUT of a bucket's root without a sub-resource.
fn makes_bucket(parts: &http::request::Parts) -> bool {
    let by_host = header(&parts.headers, "host").and_then(bucket_of_host).is_some();
    let path = parts.uri.path().trim_matches('/');
    let at_root = if by_host {
        path.is_empty()
    } else {
        !path.is_empty() && !path.contains('/')
    };
    let sub_resource = parts
        .uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| !pair.starts_with("x-id=")));
    parts.method == Method::PUT && at_root && !sub_resource
}

async fn whole(body: Body) -> Result<Bytes, Fault> {
    const LIMIT: usize = 1 << 20;
    let collected = crate::collected(body, LIMIT).await;
    collected.map_err(|_| Fault::new(400, "MalformedXML", "The XML you provided is too large."))
}

/// The body loses its framing, so the headers that describe the framing go too.
fn unframe_headers(headers: &mut HeaderMap) -> Result<(), Fault> {
    let length = headers.get("x-amz-decoded-content-length").cloned().ok_or_else(|| {
        Fault::new(
            411,
            "MissingContentLength",
            "You must provide the Content-Length HTTP header.",
        )
    })?;
    headers.insert(CONTENT_LENGTH, length);
    let encoding = header(headers, CONTENT_ENCODING.as_str()).unwrap_or_default();
    let rest: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|part| *part != "aws-chunked")
        .collect();
    let rest = rest.join(",");
    headers.remove(CONTENT_ENCODING);
    if !rest.is_empty()
        && let Ok(value) = HeaderValue::from_str(&rest)
    {
        headers.insert(CONTENT_ENCODING, value);
    }
    Ok(())
}

/// Takes a presigned URL's signature off the query, after checking that it is still good.
fn unsign_query(uri: &mut Uri, now: f64) -> Result<Option<Credential>, Fault> {
    let Some(query) = uri.query() else { return Ok(None) };
    // Boto3 still signs URLs in the way of before 2014 unless it is told otherwise.
    let old = query.contains("AWSAccessKeyId=") && query.contains("Signature=");
    if !old && !query.contains("X-Amz-Signature=") {
        return Ok(None);
    }
    let mut kept = Vec::new();
    let mut who = Credential::default();
    let (mut date, mut expires, mut until) = (String::new(), None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        match name {
            "X-Amz-Credential" => who = credential(&value),
            "X-Amz-Date" => date = value.into_owned(),
            "X-Amz-Expires" => expires = value.parse::<i64>().ok(),
            "AWSAccessKeyId" if old => who.access_key = value.into_owned(),
            "Expires" if old => until = value.parse::<i64>().ok(),
            "Signature" | "x-amz-security-token" if old => {}
            "X-Amz-Algorithm"
            | "X-Amz-SignedHeaders"
            | "X-Amz-Signature"
            | "X-Amz-Security-Token"
            | "X-Amz-Content-Sha256" => {}
            _ => kept.push(pair),
        }
    }
    let until = match until {
        Some(until) => until,
        None => end_of(&date, expires)?,
    };
    if now as i64 > until {
        return Err(Fault::new(403, "AccessDenied", "Request has expired"));
    }
    let mut parts = uri.clone().into_parts();
    let path = uri.path();
    let rest = if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    };
    parts.path_and_query = rest.parse().ok();
    *uri = Uri::from_parts(parts).map_err(|_| Fault::new(400, "InvalidURI", "Couldn't parse the specified URI."))?;
    Ok(Some(who))
}

/// Returns until when a presigned URL is good.
fn end_of(date: &str, expires: Option<i64>) -> Result<i64, Fault> {
    let signed = chrono::NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").map_err(|_| {
        Fault::new(
            400,
            "AuthorizationQueryParametersError",
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        )
    })?;
    let expires = expires.filter(|seconds| (1..=604_800).contains(seconds)).ok_or_else(|| {
        Fault::new(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
    })?;
    Ok(signed.and_utc().timestamp() + expires)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Backend {
    fn who<T>(&self, request: &S3Request<T>) -> Who {
        request
            .extensions
            .get::<Who>()
            .cloned()
            .expect("every request was prepared")
    }

    /// Reads a snapshot.
    fn read<R>(&self, who: &Who, read: impl FnOnce(&Call) -> Result<R, Fault>) -> Result<R, Fault> {
        self.cloud.read(ServiceName::Tagging, &who.account, &who.region, read)
    }

    /// Changes the state; returns when the change is on disk.
    async fn write<R: Send + 'static>(
        &self,
        who: &Who,
        write: impl FnOnce(&Call) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        self.cloud
            .write(ServiceName::Tagging, &who.account, &who.region, write)
            .await
    }

    /// Removes bytes that no committed document names any more.
    async fn discard(&self, segments: Vec<Segment>) {
        if segments.is_empty() {
            return;
        }
        let objects = self.objects.clone();
        let _ = blocking(move || {
            objects.remove(&segments);
            Ok(())
        })
        .await;
    }
}

/// Runs file work away from the runtime's threads.
async fn blocking<R: Send + 'static>(work: impl FnOnce() -> io::Result<R> + Send + 'static) -> Result<R, Fault> {
    done(tokio::task::spawn_blocking(work)).await
}

/// Waits for file work that runs already.
async fn done<R>(work: tokio::task::JoinHandle<io::Result<R>>) -> Result<R, Fault> {
    let done = work.await;
    let done = done.map_err(|_| Fault::new(500, "InternalError", "the work on the object's file panicked"))?;
    done.map_err(|error| Fault::new(500, "InternalError", format!("the object's file: {error}")))
}

/// Returns the bucket if this caller, signing for this region, may use it.
fn open_bucket(cx: &Call, name: &str) -> Result<model::Bucket, Fault> {
    let bucket = model::bucket(cx.tx, name)?;
    if bucket.account != cx.account {
        return Err(Fault::new(403, "AccessDenied", "Access Denied"));
    }
    if bucket.region != cx.region {
        let message = "The bucket you are attempting to access must be addressed using the specified endpoint. \
                       Please send all future requests to this endpoint.";
        return Err(Fault::new(301, "PermanentRedirect", message).with("x-amz-bucket-region", bucket.region));
    }
    Ok(bucket)
}

fn s3_error(fault: Fault) -> S3Error {
    let code = S3ErrorCode::from_bytes(fault.code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, fault.message);
    error.set_status_code(StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    error.set_request_id(format!("{:016X}", random_u64()));
    let mut headers = HeaderMap::new();
    for (name, value) in &fault.extra {
        if name.starts_with("x-amz-")
            && let (Ok(name), Some(Ok(value))) = (HeaderName::try_from(name), value.as_str().map(HeaderValue::from_str))
        {
            headers.insert(name, value);
        }
    }
    if !headers.is_empty() {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        error.set_headers(headers);
    }
    error
}

fn timestamp(seconds: f64) -> Timestamp {
    // Listings show milliseconds; a finer instant would differ between a listing and its parse.
    let milliseconds = (seconds.max(0.0) * 1000.0).floor();
    Timestamp::from(UNIX_EPOCH + Duration::from_millis(milliseconds as u64))
}

/// An object as the rest of the cloud sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectEntry {
    pub key: String,
    pub size: u64,
    pub etag: String,
    pub modified: f64,
    pub data: Vec<Segment>,
}

impl From<model::Object> for ObjectEntry {
    fn from(object: model::Object) -> Self {
        let model::Object {
            key,
            size,
            etag,
            modified,
            data,
            ..
        } = object;
        Self {
            key,
            size,
            etag,
            modified,
            data,
        }
    }
}

/// Returns the account that owns a bucket, or none when there is no such bucket.
pub fn bucket_owner(cx: &Call, bucket: &str) -> Result<Option<String>, Fault> {
    let found: Option<model::Bucket> = cx.tx.get(model::BUCKETS, model::EVERYWHERE, bucket)?;
    Ok(found.map(|bucket| bucket.account))
}

/// Returns at most `limit` current objects whose key starts with `prefix`, in the order of their keys, after `after`.
pub fn list_objects(
    cx: &Call,
    bucket: &str,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ObjectEntry>, Fault> {
    let after = after.map(|after| model::object_id(bucket, after));
    let from = model::object_id(bucket, prefix);
    let rows = cx
        .tx
        .scan(model::OBJECTS, model::EVERYWHERE, &from, after.as_deref(), limit)?;
    Ok(rows
        .into_iter()
        .map(|(_, object): (String, model::Object)| object.into())
        .collect())
}

/// Returns one current object.
pub fn find_object(cx: &Call, bucket: &str, key: &str) -> Result<Option<ObjectEntry>, Fault> {
    Ok(model::current(cx.tx, bucket, key)?.map(Into::into))
}

#[cfg(test)]
mod tests;
