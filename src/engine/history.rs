//! The journal as a story: what happened when, by which command.

use crate::address::Address;
use crate::journal::{self, Entry, JournalError, Verb};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The version of the JSON form.
pub const FORMAT_VERSION: u32 = 1;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Happened {
    /// RFC 3339, as the journal has it.
    pub at: String,
    /// The command that did it; absent before the first that said so.
    pub command: Option<String>,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A command began to change something.
    Began,
    Created {
        address: Address,
        id: String,
    },
    Changed {
        address: Address,
        id: String,
    },
    Deleted {
        address: Address,
    },
    Failed {
        address: Address,
        verb: Verb,
        message: String,
    },
    /// Begun, and nobody knows how it ended: the next run looks.
    Open {
        address: Address,
        verb: Verb,
    },
    /// Learnt without a step: imported, recovered, or found to be so.
    Adopted {
        address: Address,
        id: String,
    },
    Forgot {
        address: Address,
    },
    Moved {
        from: Address,
        to: Address,
    },
}

impl What {
    /// Whether it is about this resource.
    pub fn is_about(&self, wanted: &Address) -> bool {
        match self {
            What::Began => false,
            What::Created { address, .. }
            | What::Changed { address, .. }
            | What::Deleted { address }
            | What::Failed { address, .. }
            | What::Open { address, .. }
            | What::Adopted { address, .. }
            | What::Forgot { address } => address == wanted,
            What::Moved { from, to } => from == wanted || to == wanted,
        }
    }
}

/// Reads the text of a journal, oldest first.
pub fn read(text: &str) -> Result<Vec<Happened>, JournalError> {
    let (entries, _) = journal::read(text)?;
    let mut command: Option<String> = None;
    let mut open: BTreeMap<String, (String, Address, Verb)> = BTreeMap::new();
    // Told already; how the next run closes them is no news.
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let mut happened = Vec::new();
    for (entry, at) in entries.into_iter().zip(text.lines().map(written_at)) {
        let what = match entry {
            Entry::Opened { .. } | Entry::Made { .. } => continue,
            Entry::Began { command: name } => {
                command = Some(name);
                What::Began
            }
            Entry::Intent { op, address, verb, .. } => {
                open.insert(op, (at, address, verb));
                continue;
            }
            Entry::Done { op, record } => match (open.remove(&op), record) {
                (Some((_, address, Verb::Create)), Some(record)) => What::Created { address, id: record.id },
                (Some((_, address, _)), Some(record)) => What::Changed { address, id: record.id },
                (Some((_, address, _)), None) => What::Deleted { address },
                (None, _) => continue,
            },
            Entry::Failed {
                op,
                message,
                open: stays,
            } => {
                let found = match stays {
                    true => open.get(&op).cloned(),
                    false => open.remove(&op),
                };
                let Some((_, address, verb)) = found.filter(|_| failed.insert(op)) else {
                    continue;
                };
                What::Failed { address, verb, message }
            }
            Entry::Adopted { address, record } => {
                open.retain(|_, (_, other, _)| *other != address);
                What::Adopted { address, id: record.id }
            }
            Entry::Forgot { address } => What::Forgot { address },
            Entry::Moved { from, to } => What::Moved { from, to },
        };
        happened.push(Happened {
            at,
            command: command.clone(),
            what,
        });
    }
    open.retain(|op, _| !failed.contains(op));
    happened.extend(open.into_values().map(|(at, address, verb)| Happened {
        at,
        command: command.clone(),
        what: What::Open { address, verb },
    }));
    Ok(happened)
}

fn written_at(line: &str) -> String {
    let json: Json = serde_json::from_str(line).unwrap_or_default();
    json["at"].as_str().unwrap_or_default().to_owned()
}

/// Returns the story for people.
pub fn text(happened: &[Happened]) -> String {
    let mut text = String::new();
    for Happened { at, command, what } in happened {
        let line = match what {
            What::Began => format!("lakeform {}", command.as_deref().unwrap_or_default()),
            What::Created { address, id } => format!("  + {address} created: {id}"),
            What::Changed { address, id } => format!("  ~ {address} changed: {id}"),
            What::Deleted { address } => format!("  - {address} deleted"),
            What::Failed { address, verb, message } => format!("  ✗ {address} {} failed: {message}", verb.as_str()),
            What::Open { address, verb } => {
                format!(
                    "  ? {address} {} was begun: the next run looks how it ended",
                    verb.as_str()
                )
            }
            What::Adopted { address, id } => format!("  = {address} is {id}"),
            What::Forgot { address } => format!("  . {address} forgotten"),
            What::Moved { from, to } => format!("  > {from} is {to} now"),
        };
        writeln!(text, "{at}  {line}").expect("string");
    }
    text
}

/// Returns the story as JSON.
pub fn to_json(happened: &[Happened]) -> Json {
    json!({ "format_version": FORMAT_VERSION, "happened": happened })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Record;
    use crate::value::Fields;
    use snapbox::{assert_data_eq, str};

    fn line(minute: usize, entry: &Entry) -> String {
        entry.to_line(&format!("2026-01-01T00:{minute:02}:00Z"))
    }

    fn intent(op: &str, address: &str, verb: Verb) -> Entry {
        Entry::Intent {
            op: op.into(),
            address: Address::parse(address).expect("an address"),
            verb,
            fields: Fields::new(),
            needs: Default::default(),
            protect: false,
        }
    }

    fn record(id: &str) -> Record {
        Record {
            id: id.into(),
            fields: Fields::new(),
            outputs: Fields::new(),
            needs: Default::default(),
            protect: false,
        }
    }

    #[test]
    fn a_journal_tells_what_happened_when_and_by_what() {
        let done = |op: &str, record: Option<Record>| Entry::Done { op: op.into(), record };
        let entries = [
            Entry::Opened {
                version: journal::VERSION,
                stack: "s".into(),
                generation: "g".into(),
            },
            Entry::Began { command: "up".into() },
            intent("1", "vpc.main", Verb::Create),
            done("1", Some(record("vpc-1"))),
            intent("2", "bucket.lake", Verb::Create),
            Entry::Failed {
                op: "2".into(),
                message: "no such region".into(),
                open: true,
            },
            Entry::Failed {
                op: "2".into(),
                message: "interrupted before it had an effect".into(),
                open: false,
            },
            Entry::Began {
                command: "destroy".into(),
            },
            intent("3", "vpc.main", Verb::Delete),
            done("3", None),
            intent("4", "role.x", Verb::Update),
        ];
        let text: String = entries
            .iter()
            .enumerate()
            .map(|(minute, entry)| line(minute, entry))
            .collect();
        let happened = read(&text).expect("it reads");
        assert_data_eq!(
            super::text(&happened),
            str![[r#"
2026-01-01T00:01:00Z  lakeform up
2026-01-01T00:03:00Z    + vpc.main created: vpc-1
2026-01-01T00:05:00Z    ✗ bucket.lake create failed: no such region
2026-01-01T00:07:00Z  lakeform destroy
2026-01-01T00:09:00Z    - vpc.main deleted
2026-01-01T00:10:00Z    ? role.x update was begun: the next run looks how it ended

"#]]
        );
        let json = to_json(&happened);
        assert_eq!(json["happened"][1]["what"], "created");
        assert_eq!(json["happened"][1]["command"], "up");
        let vpc = Address::parse("vpc.main").expect("an address");
        assert_eq!(happened.iter().filter(|one| one.what.is_about(&vpc)).count(), 2);
    }
}
