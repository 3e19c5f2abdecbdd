//! Tests of the engine through its public door, over a data catalog and buckets that live in memory.

mod copy;
mod crash;
mod documented;
mod documents;
mod errors;
mod expressions;
mod external;
mod features;
mod live;
mod memory;
mod native;
mod peers;
#[path = "../../../../../tests/it/python.rs"]
mod python;
mod queries;
mod reference;
mod support;
mod transactions;
