//! What a service sees of a request (`Call`), what it answers (`Answer`, `Fault`), and which services there are.
//! The services hold the rules; protocols are `wire`'s business and persistence is `store`'s.

pub mod ec2;
mod era;
pub mod glue;
pub mod iam;
pub mod logs;
pub(crate) mod permission;
pub mod redshift;
pub mod redshift_data;
pub mod s3;
pub mod secrets;
pub mod serverless;
pub mod sts;
pub mod tagging;

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::clock::{Clock, Pace};
use crate::store::{Store, StoreError, Tx};

/// The account of every credential that does not name another one.
pub const ACCOUNT: &str = "123456789012";
const GLOBAL: &str = "global";

/// The services of this cloud. S3 is not among those of `call`: it has its own wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    Ec2,
    Iam,
    Sts,
    Glue,
    Redshift,
    RedshiftServerless,
    RedshiftData,
    SecretsManager,
    Logs,
    Tagging,
}

impl Service {
    pub const ALL: [Service; 10] = [
        Service::Ec2,
        Service::Iam,
        Service::Sts,
        Service::Glue,
        Service::Redshift,
        Service::RedshiftServerless,
        Service::RedshiftData,
        Service::SecretsManager,
        Service::Logs,
        Service::Tagging,
    ];

    /// Returns the service of a SigV4 scope such as `20260101/eu-west-1/ec2/aws4_request`.
    pub fn from_scope(scope: &str) -> Option<Service> {
        Service::ALL.into_iter().find(|service| service.scope() == scope)
    }

    /// Returns the name by which requests are signed for this service.
    pub fn scope(self) -> &'static str {
        match self {
            Service::Ec2 => "ec2",
            Service::Iam => "iam",
            Service::Sts => "sts",
            Service::Glue => "glue",
            Service::Redshift => "redshift",
            Service::RedshiftServerless => "redshift-serverless",
            Service::RedshiftData => "redshift-data",
            Service::SecretsManager => "secretsmanager",
            Service::Logs => "logs",
            Service::Tagging => "tagging",
        }
    }

    pub(crate) fn call(self, cx: &Call, input: &Value) -> Answer {
        match self {
            Service::Ec2 => ec2::call(cx, input),
            Service::Iam => iam::call(cx, input),
            Service::Sts => sts::call(cx, input),
            Service::Glue => glue::call(cx, input),
            Service::Redshift => redshift::call(cx, input),
            Service::RedshiftServerless => serverless::call(cx, input),
            Service::RedshiftData => redshift_data::call(cx, input),
            Service::SecretsManager => secrets::call(cx, input),
            Service::Logs => logs::call(cx, input),
            Service::Tagging => tagging::call(cx, input),
        }
    }
}

/// One request, parsed, validated and routed.
#[derive(Clone)]
pub struct Call<'a> {
    pub service: Service,
    pub operation: &'a str,
    /// 12 digits.
    pub account: String,
    /// From the request's signature; `global` inside `global()`.
    pub region: String,
    pub access_key: String,
    pub request_id: String,
    /// Seconds since the epoch by the cloud's clock, the same during the whole request.
    pub now: f64,
    /// The one transaction of this request: all of it or nothing, on disk before the answer leaves.
    pub tx: &'a Tx,
    pub cloud: &'a Arc<Cloud>,
}

/// Output members by the names of the service's model, or the refusal.
pub type Answer = Result<Value, Fault>;

/// An error as AWS words it. `code` may be the model's shape name or the code on the wire; the wire layer
/// knows both and fills in the modelled HTTP status.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub status: u16,
    pub code: String,
    pub message: String,
    pub extra: Map<String, Value>,
}

impl Fault {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Fault {
        Fault {
            status,
            code: code.to_owned(),
            message: message.into(),
            extra: Map::new(),
        }
    }

    /// A refusal with status 400, the most common.
    pub fn bad(code: &str, message: impl Into<String>) -> Fault {
        Fault::new(400, code, message)
    }

    /// The honest answer to an operation that this cloud does not have.
    pub fn not_implemented(cx: &Call) -> Fault {
        Fault::unknown_operation(cx.service.scope(), cx.operation)
    }

    pub(crate) fn unknown_operation(service: &str, operation: &str) -> Fault {
        Fault::new(
            501,
            "NotImplemented",
            format!("the local cloud does not implement {service}:{operation}"),
        )
    }

    /// Adds a member to the error document of a JSON protocol.
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Fault {
        self.extra.insert(member.to_owned(), value.into());
        self
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::new(500, "InternalFailure", error.message)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}

impl<'a> Call<'a> {
    fn scope(&self) -> String {
        format!("{}/{}", self.account, self.region)
    }

    /// Returns one document of this account and region.
    pub fn get<T: DeserializeOwned>(&self, table: &str, id: &str) -> Result<Option<T>, Fault> {
        Ok(self.tx.get(table, &self.scope(), id)?)
    }

    pub fn put<T: Serialize>(&self, table: &str, id: &str, document: &T) -> Result<(), Fault> {
        Ok(self.tx.put(table, &self.scope(), id, document)?)
    }

    /// Removes a document and says whether it was there.
    pub fn delete(&self, table: &str, id: &str) -> Result<bool, Fault> {
        Ok(self.tx.delete(table, &self.scope(), id)?)
    }

    /// Returns the documents whose id starts with `prefix`, in the order of their ids.
    pub fn list<T: DeserializeOwned>(&self, table: &str, prefix: &str) -> Result<Vec<(String, T)>, Fault> {
        Ok(self.tx.list(table, &self.scope(), prefix)?)
    }

    /// `list` from after one id and at most `limit` long, for tables too long to read whole.
    pub fn scan<T: DeserializeOwned>(
        &self,
        table: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, T)>, Fault> {
        Ok(self.tx.scan(table, &self.scope(), prefix, after, limit)?)
    }

    /// The same call over the account's documents that belong to no region (IAM).
    pub fn global(&self) -> Call<'a> {
        self.in_region(GLOBAL)
    }

    /// The same call over documents that belong to no account (the names of buckets).
    pub fn shared(&self) -> Call<'a> {
        Call {
            account: String::new(),
            region: GLOBAL.to_owned(),
            ..self.clone()
        }
    }

    pub fn in_region(&self, region: &str) -> Call<'a> {
        Call {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// Returns the ARN of a resource here; IAM's and S3's carry no region, S3's no account either.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        match service {
            "s3" => format!("arn:aws:s3:::{resource}"),
            "iam" | "sts" => format!("arn:aws:{service}::{}:{resource}", self.account),
            _ => format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account),
        }
    }

    /// Returns what AWS does on the day of this request where the request says nothing.
    fn by_default(&self, what: era::Default) -> bool {
        era::holds(what, self.now)
    }

    /// Returns a fresh id such as `vpc-0a1b2c3d4e5f60718` (17 hex digits, the first one 0).
    pub fn new_id(&self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", random_u64())
    }

    /// Cuts one page out of `items`: the page's size is the input's `max_key`, or `default`, but never over `limit`.
    /// Returns it with the token of the next page.
    pub fn page(
        &self,
        items: Vec<Value>,
        input: &Value,
        max_key: &str,
        token_key: &str,
        default: usize,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<String>), Fault> {
        let size = input[max_key]
            .as_u64()
            .map_or(default, |size| size as usize)
            .clamp(1, limit.max(1));
        let start = match input[token_key].as_str() {
            None | Some("") => 0,
            Some(token) => read_token(token).ok_or_else(|| {
                let code = match self.service {
                    Service::Ec2 => "InvalidNextToken",
                    Service::Iam | Service::Sts => "ValidationError",
                    Service::Redshift => "InvalidParameterValue",
                    Service::Glue => "InvalidInputException",
                    Service::SecretsManager => "InvalidNextTokenException",
                    Service::RedshiftServerless => "InvalidPaginationException",
                    Service::RedshiftData => "ValidationException",
                    Service::Logs => "InvalidParameterException",
                    Service::Tagging => "PaginationTokenExpiredException",
                };
                Fault::bad(code, "The token is invalid.")
            })?,
        };
        let end = start.saturating_add(size).min(items.len());
        let next = (end < items.len()).then(|| write_token(end));
        Ok((
            items.into_iter().skip(start).take(end.saturating_sub(start)).collect(),
            next,
        ))
    }

    /// Replaces what the tagging index knows of a resource. To be called with all current tags after every change
    /// of tags, also with none; `tag_forget` is for the resource's end.
    pub fn tag_index(&self, arn: &str, tags: &BTreeMap<String, String>) -> Result<(), Fault> {
        tagging::index(self, arn, tags)
    }

    /// Removes a resource that no longer exists from the tagging index.
    pub fn tag_forget(&self, arn: &str) -> Result<(), Fault> {
        tagging::forget(self, arn)
    }

    /// Refuses input members that this cloud knows but does not act upon: they must never be ignored in silence.
    pub fn only(&self, input: &Value, supported: &[&str]) -> Result<(), Fault> {
        for name in input.as_object().into_iter().flat_map(Map::keys) {
            if !supported.contains(&name.as_str()) {
                return Err(Fault::new(
                    501,
                    "NotImplemented",
                    format!(
                        "the local cloud does not implement the parameter `{name}` of {}:{}",
                        self.service.scope(),
                        self.operation
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn write_token(position: usize) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("page:{position}"))
}

fn read_token(token: &str) -> Option<usize> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(token).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("page:")?.parse().ok()
}

/// Returns 64 random bits.
pub fn random_u64() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    // A version 4 uuid has six fixed bits; those of the halves lie at different places.
    high ^ low.rotate_left(17)
}

/// What all requests share.
pub struct Cloud {
    pub dir: PathBuf,
    pub store: Store,
    pub clock: Clock,
    pub pace: Pace,
    parts: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    runtime: tokio::runtime::Handle,
    /// Counts how often background work was told to stop.
    stopped: watch::Sender<u64>,
}

/// Something a service keeps in memory for as long as the cloud is open, made when first asked for: engines of
/// clusters, object folders. It must hold the cloud weakly, because the cloud holds it.
pub trait Part: Any + Send + Sync + Sized {
    fn open(cloud: &Arc<Cloud>) -> Self;
}

impl Cloud {
    pub(crate) fn new(dir: PathBuf, store: Store, pace: Pace) -> Arc<Cloud> {
        Arc::new(Cloud {
            dir,
            store,
            clock: Clock::default(),
            pace,
            parts: Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
            stopped: watch::Sender::new(0),
        })
    }

    /// Returns the one part of this type.
    pub fn part<P: Part>(self: &Arc<Self>) -> Arc<P> {
        let wanted = TypeId::of::<P>();
        if let Some(part) = self.lock_parts().get(&wanted) {
            return Arc::clone(part)
                .downcast()
                .expect("parts are kept under their own type");
        }
        // Opened outside the lock, because a part may ask for another one; a race keeps the first.
        let opened: Arc<dyn Any + Send + Sync> = Arc::new(P::open(self));
        let part = Arc::clone(self.lock_parts().entry(wanted).or_insert(opened));
        part.downcast().expect("parts are kept under their own type")
    }

    /// Runs work beside the requests until it ends or the cloud closes. May be called from any thread.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut stopped = self.stopped.subscribe();
        let begun = *stopped.borrow();
        self.runtime.spawn(async move {
            tokio::select! {
                () = work => {}
                _ = stopped.wait_for(|stopped| *stopped != begun) => {}
            }
        });
    }

    /// Reads as a request of this account and region would. `read` must not write.
    pub fn read<R>(
        self: &Arc<Self>,
        service: Service,
        account: &str,
        region: &str,
        read: impl FnOnce(&Call) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let result = self
            .store
            .read(|tx| read(&self.background(tx, service, account, region)))?;
        result.unwrap_or_else(|| Err(Fault::new(500, "InternalFailure", "a write inside a read")))
    }

    /// Changes the state as a request would; returns when the change is on disk, or forgets it when `write` fails.
    /// Never from inside another write.
    pub async fn write<R: Send + 'static>(
        self: &Arc<Self>,
        service: Service,
        account: &str,
        region: &str,
        write: impl FnOnce(&Call) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        let (cloud, account, region) = (Arc::clone(self), account.to_owned(), region.to_owned());
        self.store
            .write(move |tx| {
                let result = write(&cloud.background(tx, service, &account, &region));
                (result.is_ok(), result)
            })
            .await?
    }

    /// `write` for a thread that may block, never for a task of the runtime.
    pub fn write_blocking<R: Send + 'static>(
        self: &Arc<Self>,
        service: Service,
        account: &str,
        region: &str,
        write: impl FnOnce(&Call) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        let (cloud, account, region) = (Arc::clone(self), account.to_owned(), region.to_owned());
        self.store.write_blocking(move |tx| {
            let result = write(&cloud.background(tx, service, &account, &region));
            (result.is_ok(), result)
        })?
    }

    /// Ends all background work and forgets what the services keep in memory.
    pub(crate) fn stop(&self) {
        self.pause();
        self.lock_parts().clear();
    }

    /// Ends the background work that runs now.
    pub(crate) fn pause(&self) {
        self.stopped.send_modify(|count| *count += 1);
    }

    fn background<'a>(self: &'a Arc<Self>, tx: &'a Tx, service: Service, account: &str, region: &str) -> Call<'a> {
        Call {
            service,
            operation: "",
            account: account.to_owned(),
            region: region.to_owned(),
            access_key: String::new(),
            request_id: String::new(),
            now: self.clock.now(),
            tx,
            cloud: self,
        }
    }

    fn lock_parts(&self) -> std::sync::MutexGuard<'_, HashMap<TypeId, Arc<dyn Any + Send + Sync>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets go of everything on disk but the store: background work ends, SQL ports and engines close.
pub(crate) fn quiesce(cloud: &Arc<Cloud>) {
    cloud.pause();
    redshift::engines::Engines::close_all(cloud);
}

/// Resumes what was under way when the cloud was last closed.
pub(crate) fn start(cloud: &Arc<Cloud>) {
    cloud.part::<redshift::ports::Ports>().resume();
    glue::start(cloud);
    redshift::start(cloud);
    redshift_data::start(cloud);
}
