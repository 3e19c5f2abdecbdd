//! What AWS would refuse, or do to somebody's surprise, found before anything is asked of it. Offline, in milliseconds.

mod codes;
mod cron;
mod data;
mod glue;
mod identity;
mod names;
mod network;
mod redshift;
mod security;
mod storage;
mod tags;

pub use codes::CODES;

use crate::diagnostic::Diagnostic;
use crate::stack::Stack;

/// Adds what the rules find. Resources may lack fields that were reported before; rules pass over those.
pub fn check(stack: &Stack, problems: &mut Vec<Diagnostic>) {
    names::check(stack, problems);
    tags::check(stack, problems);
    network::check(stack, problems);
    security::check(stack, problems);
    storage::check(stack, problems);
    identity::check(stack, problems);
    glue::check(stack, problems);
    redshift::check(stack, problems);
    data::check(stack, problems);
}

#[cfg(test)]
mod tests;
