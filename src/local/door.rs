//! The one door: every request of every service comes through `handle`, in process or over a port. It finds the
//! service, lets the fault layer speak, runs the service in one transaction and hands the answer to the wire.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use serde_json::Value;

use crate::fault::{Effect, Lost};
use crate::services::{ACCOUNT, Answer, Call, Cloud, Fault, Service, ec2, permission, redshift_data, s3, sts};
use crate::store::Tx;
use crate::wire::{self, Format, scope::Scope};
use crate::{Body, Local, admin, collected, text_body};

/// Larger bodies than any operation but S3's takes.
const MAX_BODY: usize = 16 << 20;
/// A stale read may miss what happened in about so many last seconds.
const STALE_SECONDS: f64 = 1.0;
/// Operations that read, by how their names start. One that writes all the same is run again as a write.
const READS: [&str; 9] = [
    "Describe", "Get", "List", "BatchGet", "Search", "Simulate", "Lookup", "Filter", "Validate",
];

pub(crate) async fn handle(local: &Arc<Local>, request: Request<Body>) -> Response<Body> {
    let untrusted = request.extensions().get::<Untrusted>().is_some();
    if request.uri().path().starts_with(admin::PREFIX) {
        return admin::handle(local, request, untrusted).await;
    }
    // Held until the request is answered; who replaces the whole state waits for all of them.
    let _at_work = local.at_work().await;
    let (parts, body) = request.into_parts();
    let scope = wire::scope::of(&parts);
    if untrusted && scope.as_ref().is_none_or(|scope| is_s3(&scope.service)) {
        // An object's bytes stream; what is signed is the hash that its headers declare.
        if let Err(fault) = signed(local, &parts, None, scope.as_ref()) {
            return s3_error(&fault);
        }
    }
    if let Some(scope) = scope.as_ref().filter(|scope| is_s3(&scope.service))
        && let Err(fault) = with_token(local, scope)
    {
        // S3 has its own words for it.
        return s3_error(&match fault.code.as_str() {
            "InvalidClientTokenId" => {
                Fault::bad("InvalidToken", "The provided token is malformed or otherwise invalid.")
            }
            _ => fault,
        });
    }
    let service = match &scope {
        Some(scope) if is_s3(&scope.service) => return object_request(local, Request::from_parts(parts, body)).await,
        Some(scope) => Service::from_scope(&scope.service),
        None if parts.headers.contains_key("x-amz-target") || is_form(&parts) => {
            return unsigned(&parts);
        }
        None => return object_request(local, Request::from_parts(parts, body)).await,
    };
    let scope = scope.expect("requests without a scope have been answered");
    let Some(service) = service else {
        return unknown_service(&parts, &scope.service);
    };
    let id = uuid::Uuid::new_v4().to_string();
    let body = match collected(body, MAX_BODY).await {
        Ok(body) => body,
        Err(cause) => {
            let fault = Fault::new(
                413,
                "RequestEntityTooLarge",
                format!("the body could not be read: {cause}"),
            );
            return wire::write(service, "", format_of(&parts), Err(fault), &id);
        }
    };
    if untrusted && let Err(fault) = signed(local, &parts, Some(&body), Some(&scope)) {
        return wire::write(service, "", format_of(&parts), Err(fault), &id);
    }
    if let Err(fault) = with_token(local, &scope) {
        return wire::write(service, "", format_of(&parts), Err(fault), &id);
    }
    let request = match wire::read(service, &parts, &body) {
        Ok(request) => request,
        Err(refusal) => return wire::write(service, &refusal.operation, refusal.format, Err(refusal.fault), &id),
    };
    let effect = local
        .faults()
        .decide(&format!("{}:{}", service.scope(), request.operation));
    if let Some(effect) = &effect {
        if let Some(delay) = effect.delay() {
            tokio::time::sleep(delay).await;
        }
        if let Some(fault) = effect.refusal(Some(service)) {
            return wire::write(service, &request.operation, request.format, Err(fault), &id);
        }
    }
    match &effect {
        Some(Effect::Dropped) => return broken(),
        Some(Effect::Preempted) => {
            let other = untagged(request.input.clone());
            // That somebody else fails is nobody's business.
            let _ = run(local, service, &scope, &request.operation, other, &id, false).await;
        }
        Some(Effect::ForeignInterface { seconds }) => trespass(local, &scope, &request.input, *seconds).await,
        _ => {}
    }
    let stale = effect == Some(Effect::Stale);
    if local.faults().stales() {
        local.cloud().store.keep_old(local.cloud().clock.now(), STALE_SECONDS);
    }
    let mut answer = run(local, service, &scope, &request.operation, request.input, &id, stale).await;
    if let (Some(Effect::UnknownState), Ok(shown)) = (&effect, &mut answer) {
        rename_states(shown);
    }
    let response = wire::write(service, &request.operation, request.format, answer, &id);
    if effect == Some(Effect::Lost) {
        lost(response)
    } else {
        response
    }
}

/// Marks a request from beyond this machine: it must prove that it knows the secret of its access key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Untrusted;

fn signed(
    local: &Arc<Local>,
    parts: &http::request::Parts,
    body: Option<&[u8]>,
    scope: Option<&Scope>,
) -> Result<(), Fault> {
    let denied = || {
        Fault::new(
            403,
            "InvalidAccessKeyId",
            "The access key ID you provided does not exist.",
        )
    };
    let scope = scope.ok_or_else(|| match signed_in_the_old_way(parts) {
        true => {
            let message =
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
            Fault::new(400, "InvalidRequest", message)
        }
        false => Fault::new(403, "AccessDenied", "Access Denied"),
    })?;
    let secret = local.secret_of(&scope.access_key)?.ok_or_else(denied)?;
    wire::signature::verify(parts, body, &secret, local.cloud().clock.now())
}

/// A temporary access key comes with its token, from wherever; who forgets it is to learn that here.
fn with_token(local: &Arc<Local>, scope: &Scope) -> Result<(), Fault> {
    if !sts::is_temporary(&scope.access_key) {
        return Ok(());
    }
    let check = |cx: &Call| sts::check_token(cx, &scope.access_key, scope.token.as_deref());
    local.cloud().read(Service::Sts, ACCOUNT, &scope.region, check)
}

/// As before SigV4: boto3 still presigns so where it is not told otherwise, and S3 refuses it on all newer buckets.
fn signed_in_the_old_way(parts: &http::request::Parts) -> bool {
    let header = parts.headers.get(header::AUTHORIZATION);
    header.is_some_and(|value| value.as_bytes().starts_with(b"AWS "))
        || parts.uri.query().is_some_and(|query| query.contains("AWSAccessKeyId="))
}

/// Runs one operation in one transaction.
async fn run(
    local: &Arc<Local>,
    service: Service,
    scope: &Scope,
    operation: &str,
    input: Value,
    id: &str,
    stale: bool,
) -> Answer {
    let account = account(local, scope)?;
    let cloud = local.cloud();
    if sts::is_temporary(&scope.access_key) {
        let check = |tx: &Tx| permission::check(&call_of(service, scope, operation, &account, id, tx, cloud), &input);
        cloud.store.read(check)?.unwrap_or(Ok(()))?;
    }
    // Statements and listings of Redshift Data ask the SQL engine, which is not of the store's world.
    if service == Service::RedshiftData
        && let Some(answer) = redshift_data::ask(cloud, &account, &scope.region, operation, &input).await
    {
        return answer;
    }
    if READS.iter().any(|start| operation.starts_with(start)) {
        let read = |tx: &Tx| service.call(&call_of(service, scope, operation, &account, id, tx, cloud), &input);
        let answer = if stale {
            cloud.store.read_old(read)?
        } else {
            cloud.store.read(read)?
        };
        if let Some(answer) = answer {
            return answer;
        }
    }
    let (cloud, operation, id, scope) = (Arc::clone(cloud), operation.to_owned(), id.to_owned(), scope.clone());
    let store = cloud.store.clone();
    store
        .write(move |tx| {
            let cx = call_of(service, &scope, &operation, &account, &id, tx, &cloud);
            let answer = service.call(&cx, &input);
            if service == Service::Ec2 && input["DryRun"] == true && answer.is_ok() {
                let message = "Request would have succeeded, but DryRun flag is set.";
                return (false, Err(Fault::new(412, "DryRunOperation", message)));
            }
            (answer.is_ok(), answer)
        })
        .await?
}

fn call_of<'a>(
    service: Service,
    scope: &Scope,
    operation: &'a str,
    account: &str,
    id: &str,
    tx: &'a Tx,
    cloud: &'a Arc<Cloud>,
) -> Call<'a> {
    Call {
        service,
        operation,
        account: account.to_owned(),
        region: scope.region.clone(),
        access_key: scope.access_key.clone(),
        request_id: id.to_owned(),
        now: cloud.clock.now(),
        tx,
        cloud,
    }
}

/// Returns the account of an access key: the key itself when it is 12 digits, or that of the assumed role.
fn account(local: &Arc<Local>, scope: &Scope) -> Result<String, Fault> {
    let key = scope.access_key.as_str();
    if key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(if key == "000000000000" {
            ACCOUNT.to_owned()
        } else {
            key.to_owned()
        });
    }
    if !sts::is_temporary(key) {
        return Ok(ACCOUNT.to_owned());
    }
    let session = local
        .cloud()
        .read(Service::Sts, ACCOUNT, &scope.region, |cx| sts::session(cx, key))?;
    Ok(session.map_or_else(|| ACCOUNT.to_owned(), |session| session.account))
}

async fn object_request(local: &Arc<Local>, request: Request<Body>) -> Response<Body> {
    let effect = local.faults().decide(&format!("s3:{}", s3_operation(&request)));
    if let Some(effect) = &effect {
        if let Some(delay) = effect.delay() {
            tokio::time::sleep(delay).await;
        }
        if let Some(fault) = effect.refusal(None) {
            return s3_error(&fault);
        }
        if *effect == Effect::Dropped {
            return broken();
        }
    }
    let response = local.cloud().part::<s3::Service>().handle(request).await;
    if effect == Some(Effect::Lost) {
        lost(response)
    } else {
        response
    }
}

/// Names the operation that a request asks of S3, for the fault layer; the S3 wire itself decides by the whole protocol.
fn s3_operation(request: &Request<Body>) -> String {
    let path = request.uri().path().trim_start_matches('/');
    let query = request.uri().query().unwrap_or_default();
    let keys: Vec<&str> = query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .filter(|key| !matches!(*key, "" | "x-id" | "prefix" | "delimiter"))
        .collect();
    let has = |key: &str| keys.contains(&key);
    let thing = match path.split_once('/') {
        Some((_, key)) if !key.is_empty() => "Object",
        _ if path.is_empty() => return "ListBuckets".to_owned(),
        _ => "Bucket",
    };
    let copy = request.headers().contains_key("x-amz-copy-source");
    let name = match (request.method().as_str(), thing) {
        ("PUT", "Object") if has("partNumber") => "UploadPart",
        ("PUT", "Object") if copy => "CopyObject",
        ("POST", "Object") if has("uploads") => "CreateMultipartUpload",
        ("POST", "Object") if has("uploadId") => "CompleteMultipartUpload",
        ("GET", "Object") if has("uploadId") => "ListParts",
        ("DELETE", "Object") if has("uploadId") => "AbortMultipartUpload",
        ("POST", "Bucket") if has("delete") => "DeleteObjects",
        ("GET", "Bucket") if has("list-type") => "ListObjectsV2",
        ("GET", "Bucket") if has("uploads") => "ListMultipartUploads",
        ("GET", "Bucket") if has("versions") => "ListObjectVersions",
        ("GET", "Bucket") if keys.is_empty() => "ListObjects",
        ("PUT", "Bucket") if keys.is_empty() => "CreateBucket",
        _ => "",
    };
    if !name.is_empty() {
        return name.to_owned();
    }
    let verb = match request.method().as_str() {
        "PUT" => "Put",
        "GET" => "Get",
        "HEAD" => "Head",
        "DELETE" => "Delete",
        other => other,
    };
    // A setting is named by its query: `?tagging` of an object is its `ObjectTagging`.
    let mut setting = keys.first().copied().unwrap_or_default().chars();
    let first = setting.next().map(|letter| letter.to_ascii_uppercase());
    let setting: String = first.into_iter().chain(setting).collect();
    format!("{verb}{thing}{setting}")
}

fn s3_error(fault: &Fault) -> Response<Body> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>",
        fault.code, fault.message
    );
    plain(fault.status, "application/xml", body)
}

/// The effect is done; what the client sees is a connection that breaks.
fn lost(response: Response<Body>) -> Response<Body> {
    drop(response);
    broken()
}

/// The same input as somebody without our tags would send it.
fn untagged(mut input: Value) -> Value {
    if let Some(members) = input.as_object_mut() {
        let is_ours = |name: &str| {
            let name = name.to_ascii_lowercase();
            name == "tags" || name == "tagspecifications" || name.ends_with("token")
        };
        members.retain(|name, _| !is_ours(name));
    }
    input
}

/// Gives every state that will pass a name that no model knows.
fn rename_states(shown: &mut Value) {
    const PASSING: [&str; 8] = [
        "pending",
        "creating",
        "modifying",
        "deleting",
        "resizing",
        "rebooting",
        "resuming",
        "pausing",
    ];
    match shown {
        Value::Array(items) => items.iter_mut().for_each(rename_states),
        Value::Object(members) => {
            for (name, value) in members {
                let is_state =
                    name.to_ascii_lowercase().ends_with("state") || name.to_ascii_lowercase().ends_with("status");
                match value.as_str() {
                    Some(state) if is_state && PASSING.contains(&state.to_ascii_lowercase().as_str()) => {
                        *value = format!("{state}, preparing to finalize").into();
                    }
                    Some(_) => {}
                    None => rename_states(value),
                }
            }
        }
        _ => {}
    }
}

/// Puts somebody else's network interface where the caller is about to clear away.
async fn trespass(local: &Arc<Local>, scope: &Scope, input: &Value, seconds: f64) {
    let Ok(account) = account(local, scope) else { return };
    let (subnet, group) = (input["SubnetId"].clone(), input["GroupId"].clone());
    let stay = move |cx: &Call| ec2::eni::trespass(cx, subnet.as_str(), group.as_str(), cx.now + seconds);
    // Where there is no place for one, nobody is in the way.
    let _ = local.cloud().write(Service::Ec2, &account, &scope.region, stay).await;
}

/// What the client sees is a connection that breaks.
fn broken() -> Response<Body> {
    let broken = futures::stream::once(async {
        let cause = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the answer was lost");
        Err::<http_body::Frame<Bytes>, _>(cause.into())
    });
    let mut response = Response::new(StreamBody::new(broken).boxed_unsync());
    response.extensions_mut().insert(Lost);
    response
}

fn is_s3(scope: &str) -> bool {
    matches!(scope, "s3" | "s3express" | "s3-object-lambda")
}

fn is_form(parts: &http::request::Parts) -> bool {
    let content = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    content.starts_with("application/x-www-form-urlencoded") && parts.uri.path() == "/"
}

fn format_of(parts: &http::request::Parts) -> Format {
    if parts.headers.contains_key("smithy-protocol") {
        Format::Cbor
    } else if parts.headers.contains_key("x-amz-target") {
        Format::Json
    } else {
        Format::Xml
    }
}

fn unsigned(parts: &http::request::Parts) -> Response<Body> {
    let fault = Fault::new(
        403,
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
    );
    unrouted(parts, &fault)
}

fn unknown_service(parts: &http::request::Parts, service: &str) -> Response<Body> {
    let message = format!("the local cloud does not implement the service `{service}`");
    unrouted(parts, &Fault::new(501, "NotImplemented", message))
}

/// Answers a request whose service, and so whose model, is not known.
fn unrouted(parts: &http::request::Parts, fault: &Fault) -> Response<Body> {
    if format_of(parts) == Format::Json {
        let body = serde_json::json!({"__type": fault.code, "message": fault.message});
        return plain(fault.status, "application/x-amz-json-1.1", body.to_string());
    }
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>",
        fault.code,
        fault.message.replace('&', "&amp;").replace('<', "&lt;")
    );
    plain(fault.status, "text/xml", body)
}

pub(crate) fn plain(status: u16, content: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(text_body(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content));
    response
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
