//! Redshift's SQL on a laptop: one engine per cluster, sessions that run statements, a PostgreSQL wire server in front.
//!
//! DataFusion plans and runs queries; nothing of it shows outside this crate. The rest of the account (data catalog,
//! buckets, roles) is reached through [`Lake`] alone.

mod cast;
mod catalog;
mod copy;
mod dialect;
mod document;
mod durable;
mod engine;
mod error;
mod external;
mod functions;
mod lake;
mod lexer;
mod memory;
mod native;
mod parse;
mod plan;
mod rewrite;
mod session;
mod store;
mod system;
mod types;
mod utility;
mod value;
mod wire;
mod zone;

pub use durable::Watch;
pub use engine::{Engine, EngineOptions};
pub use error::SqlError;
pub use lake::{ExternalPartition, ExternalTable, Lake, LakeError, LakeErrorKind, ObjectInfo};
pub use session::{Answer, Column, Outcome, Rows, Session, SessionOptions};
pub use value::Cell;
pub use wire::{Credential, Login, Password, Tls};
