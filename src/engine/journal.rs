//! The memory of a stack: an append-only list of entries, one JSON line each, written before and after every change.
//! Replayed, it is the [`Ledger`]. Values of secret fields never get here.

use crate::address::Address;
use crate::stack::Stack;
use crate::value::{Fields, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the line format.
pub const VERSION: u32 = 1;

/// What a step does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    Create,
    Update,
    Delete,
}

impl Verb {
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        }
    }
}

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// The first line: whose journal it is.
    Opened {
        version: u32,
        stack: String,
        generation: String,
    },
    /// What follows is done by this command.
    Began { command: String },
    /// Written before anything is asked of the cloud.
    Intent {
        op: String,
        address: Address,
        verb: Verb,
        /// What was asked for, without secrets: names the object when nothing else does.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "fields")]
        fields: Fields,
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        needs: BTreeSet<Address>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        protect: bool,
    },
    /// The object of a running create exists under this id.
    Made { op: String, id: String },
    /// The step is done; a delete leaves no record.
    Done { op: String, record: Option<Record> },
    /// The step failed. With `open` its effect is unknown, and the intent stays open.
    Failed { op: String, message: String, open: bool },
    /// An object is ours from now on without having been made by a step: imported, recovered, refreshed.
    Adopted { address: Address, record: Record },
    /// The object is no longer ours; it stays where it is.
    Forgot { address: Address },
    /// A resource has a new address.
    Moved { from: Address, to: Address },
}

/// What the ledger knows of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "fields")]
    pub fields: Fields,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "fields")]
    pub outputs: Fields,
    /// What it needed when it was made: the order of destroying it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<Address>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
}

/// A step that was begun and not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub op: String,
    pub address: Address,
    pub verb: Verb,
    pub fields: Fields,
    pub needs: BTreeSet<Address>,
    pub protect: bool,
    /// The id, when the cloud had told it.
    pub id: Option<String>,
}

/// The journal replayed: what is ours, and what was left in the middle.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    pub stack: String,
    pub generation: String,
    pub records: BTreeMap<Address, Record>,
    pub open: BTreeMap<String, Open>,
}

/// Why a journal cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error("line {line} is damaged: {reason}")]
    Damaged { line: usize, reason: String },
    #[error("written by a newer lakeform (version {version}, this one reads {VERSION})")]
    Newer { version: u32 },
    #[error("does not begin with the line that says whose it is")]
    Headless,
}

impl Entry {
    /// Returns the line of the entry, with its end.
    pub fn to_line(&self, at: &str) -> String {
        let mut json = serde_json::to_value(self).expect("entries are plain data");
        json["at"] = at.into();
        format!("{json}\n")
    }
}

/// Reads a journal. A last line without its end was being written when the process died: it is not an entry, and the
/// returned length says how much of the text counts.
pub fn read(text: &str) -> Result<(Vec<Entry>, usize), JournalError> {
    let mut entries = Vec::new();
    let mut length = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if !line.ends_with('\n') {
            break;
        }
        let damaged = |error: serde_json::Error| JournalError::Damaged {
            line: index + 1,
            reason: error.to_string(),
        };
        let json: serde_json::Value = serde_json::from_str(line).map_err(damaged)?;
        if index == 0 {
            match json["version"].as_u64() {
                Some(version) if version > u64::from(VERSION) => {
                    return Err(JournalError::Newer {
                        version: version as u32,
                    });
                }
                Some(_) => {}
                None => return Err(JournalError::Headless),
            }
        }
        entries.push(serde_json::from_value(json).map_err(damaged)?);
        length += line.len();
    }
    Ok((entries, length))
}

impl Ledger {
    /// Replays entries.
    pub fn replay<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut ledger = Ledger::default();
        entries.into_iter().for_each(|entry| ledger.add(entry));
        ledger
    }

    /// Returns the entries that the stack's `moved` and `removed` ask for.
    pub fn moves(&self, stack: &Stack) -> Vec<Entry> {
        let moved = stack
            .moved
            .iter()
            .filter(|(to, from)| self.records.contains_key(from) && !self.records.contains_key(to))
            .map(|(to, from)| Entry::Moved {
                from: from.clone(),
                to: to.clone(),
            });
        let removed = stack
            .removed
            .iter()
            .filter(|address| self.records.contains_key(address) && !stack.resources.contains_key(address))
            .map(|address| Entry::Forgot {
                address: address.clone(),
            });
        moved.chain(removed).collect()
    }

    /// Adds one entry.
    pub fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Opened {
                version: _,
                stack,
                generation,
            } => {
                self.stack.clone_from(stack);
                self.generation.clone_from(generation);
            }
            Entry::Began { command: _ } => {}
            Entry::Intent {
                op,
                address,
                verb,
                fields,
                needs,
                protect,
            } => {
                let open = Open {
                    op: op.clone(),
                    address: address.clone(),
                    verb: *verb,
                    fields: fields.clone(),
                    needs: needs.clone(),
                    protect: *protect,
                    id: None,
                };
                self.open.insert(op.clone(), open);
            }
            Entry::Made { op, id } => {
                if let Some(open) = self.open.get_mut(op) {
                    open.id = Some(id.clone());
                }
            }
            Entry::Done { op, record } => {
                if let Some(open) = self.open.remove(op) {
                    match record {
                        Some(record) => self.records.insert(open.address, record.clone()),
                        None => self.records.remove(&open.address),
                    };
                }
            }
            Entry::Failed { op, message: _, open } => {
                if !open {
                    self.open.remove(op);
                }
            }
            Entry::Adopted { address, record } => {
                self.open.retain(|_, open| open.address != *address);
                self.records.insert(address.clone(), record.clone());
            }
            Entry::Forgot { address } => {
                self.open.retain(|_, open| open.address != *address);
                self.records.remove(address);
            }
            Entry::Moved { from, to } => {
                if let Some(record) = self.records.remove(from) {
                    self.records.insert(to.clone(), record);
                }
                for record in self.records.values_mut() {
                    if record.needs.remove(from) {
                        record.needs.insert(to.clone());
                    }
                }
            }
        }
    }
}

mod fields {
    use super::{Fields, Value};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(fields: &Fields, serializer: S) -> Result<S::Ok, S::Error> {
        fields.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        match Value::from_json(&json) {
            Value::Map(map) => Ok(map),
            _ => Err(serde::de::Error::custom("fields are a table")),
        }
    }
}

#[cfg(test)]
mod tests;
