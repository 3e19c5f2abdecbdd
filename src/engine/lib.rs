//! The quiet middle of lakeform: a stack file becomes a checked stack, the stack and what is live become a plan, and
//! the plan becomes journal entries. Nothing here reads a file, a clock, the environment or a network, and nothing
//! prints: the root package passes values in and renders what comes out.

pub mod address;
pub mod apply;
pub mod check;
pub mod cloud;
pub mod declare;
pub mod diagnostic;
pub mod docs;
pub mod drift;
pub mod edit;
pub mod expand;
pub mod full_form;
pub mod graph;
pub mod history;
pub mod journal;
pub mod kind;
pub mod normalise;
pub mod parse;
pub mod plan;
pub mod render;
pub mod report;
pub mod resource;
pub mod rules;
pub mod saved;
pub mod schema;
pub mod stack;
pub mod value;

#[cfg(test)]
mod fuzzed;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
#[cfg(test)]
mod testing;

pub use address::{Address, Reference};
pub use cloud::{Cloud, CloudError, Live};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use kind::Kind;
pub use plan::Plan;
pub use stack::Stack;
pub use value::{Fields, Value};
