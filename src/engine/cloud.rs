//! The one seam to the outside: what a plan is compared with and what an apply acts on. The `aws` crate implements it
//! over the SDK, the root package over data work, tests over a model in memory.

use crate::address::Address;
use crate::journal::Record;
use crate::kind::Kind;
use crate::value::Fields;
use serde::{Deserialize, Serialize};
use std::future::Future;

/// What the reconciler needs of a cloud. Every call may be repeated: a create that finds its own earlier work
/// (same op) finishes it, a delete of what is gone succeeds.
pub trait Cloud {
    /// Reads what is live for all `asks`, which are of one kind, in as few requests as the service allows.
    /// The answers come in the order of the asks; `None` means there is no such object.
    fn read(&self, kind: Kind, asks: &[Ask]) -> impl Future<Output = Result<Vec<Option<Live>>, CloudError>>;

    /// Finds what earlier creates of one kind made, if they had an effect before they were interrupted, in as few
    /// requests as the service allows. Looks for as long as the service may hide what it has just made: "not there"
    /// makes the next plan create it again. The answers come in the order of what is sought.
    fn find(&self, kind: Kind, sought: &[Sought]) -> impl Future<Output = Result<Vec<Option<Live>>, CloudError>>;

    /// Creates the object with our tags in the create call itself and brings it to where others may use it.
    fn create(&self, create: &Create, report: Report<'_>) -> impl Future<Output = Result<Live, CloudError>>;

    /// Changes the named fields in place.
    fn update(&self, update: &Update, report: Report<'_>) -> impl Future<Output = Result<Live, CloudError>>;

    /// Deletes the object and waits until it is gone.
    fn delete(&self, delete: &Delete, report: Report<'_>) -> impl Future<Output = Result<(), CloudError>>;

    /// Lists everything that carries the tags of this stack, for `recover` and orphans.
    fn owned(&self, stack: &str) -> impl Future<Output = Result<Vec<Owned>, CloudError>>;
}

/// Receives what a running step has to tell. Must not block.
pub type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// News of a running step.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// The object exists from now on under this id, though the step goes on.
    Made { id: String },
    /// What the cloud calls the present state, or what is being waited for.
    State(String),
    /// How far along the step is.
    Amount { done: u64, total: u64, unit: &'static str },
    /// How many rows of data are made, and how many bytes they took so far.
    Rows { done: u64, total: u64, bytes: u64 },
}

/// One object to read.
#[derive(Clone, Debug)]
pub struct Ask {
    pub address: Address,
    /// What AWS calls it, when we know.
    pub id: Option<String>,
    /// The fields wanted, as far as they are known: names the object when there is no id, and says which
    /// settings are worth reading.
    pub fields: Fields,
    /// What the ledger knows of it.
    pub record: Option<Record>,
}

impl Ask {
    /// Asks for the object that AWS calls so; `fields` are those wanted of it, as far as they matter.
    pub fn by_id(address: Address, id: impl Into<String>, fields: Fields) -> Self {
        Self {
            address,
            id: Some(id.into()),
            fields,
            record: None,
        }
    }
}

/// What an interrupted create may have made.
#[derive(Clone, Debug)]
pub struct Sought {
    pub ask: Ask,
    /// With the op of the create.
    pub owner: Owner,
}

/// Whose an object is; carried by its tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `lakeform:stack`
    pub stack: String,
    /// `lakeform:gen`: tells two stacks of one name apart.
    pub generation: String,
    /// `lakeform:addr`
    pub address: Address,
    /// `lakeform:op`: the intent that made it.
    pub op: String,
}

/// What is live.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub id: String,
    /// The same fields as in a stack file, `tags` without ours.
    pub fields: Fields,
    pub outputs: Fields,
    /// `None`: the object does not carry our tags, or its kind cannot.
    pub owner: Option<Owner>,
    /// The cloud's word for a state that is not simply "there": `modifying`, `paused`, `failed`.
    pub status: Option<String>,
    /// It is being deleted: nothing can be done with it but wait.
    pub going: bool,
    /// Things on the object that a stack file cannot say, in words.
    pub extras: Vec<String>,
}

impl Live {
    /// Returns an object that is there without any ado, and without tags of ours.
    pub fn new(id: impl Into<String>, fields: Fields, outputs: Fields) -> Self {
        Self {
            id: id.into(),
            fields,
            outputs,
            owner: None,
            status: None,
            going: false,
            extras: Vec::new(),
        }
    }

    /// Returns what is still there and not on its way out.
    pub fn staying(self) -> Option<Self> {
        (!self.going).then_some(self)
    }
}

#[derive(Clone, Debug)]
pub struct Create {
    pub owner: Owner,
    /// Every field, known to the last.
    pub fields: Fields,
}

#[derive(Clone, Debug)]
pub struct Update {
    pub owner: Owner,
    pub id: String,
    pub before: Live,
    pub fields: Fields,
    /// Names of the fields to change.
    pub changed: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Delete {
    pub owner: Owner,
    pub id: String,
    /// The fields last applied, for what only they say (`force_destroy`, `final_snapshot`).
    pub fields: Fields,
}

/// An object found by its tags.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    pub owner: Owner,
    pub id: String,
}

/// What a refusal or failure means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    NotFound,
    AlreadyExists,
    /// Something else still uses the object.
    InUse,
    /// The object is busy; later it may work.
    Busy,
    Throttled,
    /// The service or the way to it failed; whether there was an effect is unknown.
    Unavailable,
    Denied,
    Invalid,
    Quota,
    /// The object ended in a failed state, or data are not what they should be.
    Failed,
    /// We do not do this.
    Unsupported,
    Cancelled,
}

/// The world said no.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{doing}: {message}")]
pub struct CloudError {
    pub meaning: Meaning,
    /// What we were doing, such as "create the VPC".
    pub doing: String,
    /// AWS's error code.
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
    pub hints: Vec<String>,
}

impl CloudError {
    pub fn new(meaning: Meaning, doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            meaning,
            doing: doing.into(),
            code: None,
            message: message.into(),
            request_id: None,
            hints: Vec::new(),
        }
    }

    /// Adds what the reader may try.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
