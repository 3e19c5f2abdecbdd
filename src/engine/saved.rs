//! Plans that wait in a file for somebody's yes: what was shown, without values, and enough to notice that the world
//! moved on. Applying one plans again and does exactly what was agreed to, or refuses.

use crate::address::Address;
use crate::journal::{Ledger, Verb};
use crate::plan::{Action, Change, Options, Plan};
use crate::stack::Stack;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the file.
pub const FORMAT_VERSION: u32 = 1;

/// A plan in a file. Holds no values of fields, only fingerprints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    pub format_version: u32,
    pub stack: String,
    pub generation: String,
    /// Of the stack file's text.
    pub file: String,
    pub destroy: bool,
    pub target: BTreeSet<Address>,
    pub except: BTreeSet<Address>,
    pub replace: BTreeSet<Address>,
    /// What was agreed to.
    pub changes: BTreeMap<Address, SavedChange>,
    pub steps: Vec<(Address, Verb)>,
}

/// One change of a saved plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedChange {
    pub action: Action,
    /// Of what is live and what was wanted.
    pub fingerprint: String,
}

/// Why a saved plan is not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the plan file is damaged: {0}")]
    Damaged(String),
    #[error("the plan was written by a newer lakeform (version {0}, this one reads {FORMAT_VERSION})")]
    Newer(u64),
    #[error("the plan is for stack `{0}`")]
    OtherStack(String),
    #[error("the plan is for another stack of the same name")]
    OtherGeneration,
    #[error("the plan was made before anything was built, and something was built since")]
    Built,
    #[error("the stack file changed since the plan was made")]
    FileChanged,
    #[error("changed since the plan was made: {}", list(.0))]
    Moved(Vec<Address>),
}

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}

/// Returns the plan for a file. `text` is the stack file's.
pub fn save(plan: &Plan, stack: &Stack, text: &str, ledger: &Ledger, options: &Options, destroy: bool) -> SavedPlan {
    SavedPlan {
        format_version: FORMAT_VERSION,
        stack: stack.tag_name(),
        generation: ledger.generation.clone(),
        file: digest(text.as_bytes()),
        destroy,
        target: options.target.clone(),
        except: options.except.clone(),
        replace: options.replace.clone(),
        changes: plan
            .changes
            .iter()
            .filter(|change| change.action != Action::Keep)
            .map(|change| (change.address.clone(), saved(change)))
            .collect(),
        steps: plan
            .steps
            .iter()
            .map(|step| (step.address.clone(), step.verb))
            .collect(),
    }
}

/// Reads a plan file.
pub fn read(text: &str) -> Result<SavedPlan, Refusal> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| Refusal::Damaged(error.to_string()))?;
    match json["format_version"].as_u64() {
        Some(version) if version > u64::from(FORMAT_VERSION) => return Err(Refusal::Newer(version)),
        Some(_) => {}
        None => return Err(Refusal::Damaged("it has no version".to_owned())),
    }
    serde_json::from_value(json).map_err(|error| Refusal::Damaged(error.to_string()))
}

impl SavedPlan {
    /// Returns the options the plan was made with.
    pub fn options(&self) -> Options {
        Options {
            target: self.target.clone(),
            except: self.except.clone(),
            replace: self.replace.clone(),
        }
    }

    /// Returns what to carry out: the part of `now`, planned again with the same options, that was agreed to.
    /// Refuses when any of it would be done otherwise today; what else differs is left alone.
    pub fn agreed(&self, now: Plan, stack: &Stack, text: &str, ledger: &Ledger) -> Result<Plan, Refusal> {
        if self.stack != stack.tag_name() {
            return Err(Refusal::OtherStack(self.stack.clone()));
        }
        if self.generation != ledger.generation {
            return Err(match self.generation.is_empty() {
                true => Refusal::Built,
                false => Refusal::OtherGeneration,
            });
        }
        if self.file != digest(text.as_bytes()) {
            return Err(Refusal::FileChanged);
        }
        let moved: Vec<Address> = self
            .changes
            .iter()
            .filter(|(address, agreed)| now.change(address).map(saved).as_ref() != Some(agreed))
            .map(|(address, _)| address.clone())
            .collect();
        match moved.is_empty() {
            true => Ok(now.restricted(&self.changes.keys().cloned().collect(), ledger)),
            false => Err(Refusal::Moved(moved)),
        }
    }
}

fn saved(change: &Change) -> SavedChange {
    let schema = change.address.kind.schema();
    let public = |fields: &crate::value::Fields| {
        let shown = fields
            .iter()
            .filter(|(name, _)| !schema.field(name).is_some_and(|field| field.secret));
        serde_json::Value::Object(shown.map(|(name, value)| (name.clone(), value.to_json())).collect())
    };
    let live = change.live.as_ref().map(|live| json!([live.id, public(&live.fields)]));
    let content = json!([change.action, public(&change.desired), live]);
    SavedChange {
        action: change.action,
        fingerprint: digest(content.to_string().as_bytes()),
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
