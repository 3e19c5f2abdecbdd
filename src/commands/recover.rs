//! `lakeform recover`: the ledger made anew from what is live. Nothing in the cloud is changed. What cannot be told
//! apart is shown and left alone.

use super::work;
use crate::cli::Global;
use crate::connect::World;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::state::Held;
use crate::ui::{Ui, table};
use lakeform_engine::cloud::{Ask, Cloud, Owned};
use lakeform_engine::journal::Ledger;
use lakeform_engine::normalise;
use lakeform_engine::schema::Need;
use lakeform_engine::stack::Stack;
use lakeform_engine::{Address, Fields, Kind, Live, Value, apply, graph};
use std::collections::{BTreeMap, BTreeSet};

/// Rebuilds the ledger: first what carries our tags, then what only its name tells, then the data work on top.
pub async fn run(global: &Global, ui: &Ui) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let known = crate::state::ledger(&project).await?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    let owned = world.owned(&project.stack.tag_name()).await?; // (cloud)
    let generation = generation(&known, &owned)?; // (pure)
    let mut held = Held::open_as(&project, "recover", generation.as_deref()).await?; // (disk)
    world.only_while(held.lease());
    let mut found = Found::default();
    let candidates = candidates(&project.stack, &held.ledger, &owned, &mut found); // (pure)
    let lives = look(&world, candidates).await?; // (cloud)
    for (address, live) in certain(&project.stack, &held.ledger, lives, &mut found) {
        found.take(&mut held, &project.stack, address, &live).await?; // (disk)
    }
    // Each step of data work may need what the one before told.
    for address in graph::order(&graph::needs(&project.stack)) {
        if !address.kind.is_data() || held.ledger.records.contains_key(&address) {
            continue;
        }
        let asks = apply::asks(&project.stack, &held.ledger);
        let ask = asks.into_iter().find(|ask| ask.address == address);
        let ask = ask.expect("every declared resource is asked for");
        if let Some(live) = world.data.recover(&ask).await? {
            found.take(&mut held, &project.stack, address, &live).await?;
        }
    }
    Ok(found.show(ui))
}

/// What recover has to tell.
#[derive(Default)]
struct Found {
    recovered: Vec<Vec<String>>,
    /// Address, id, and why nobody but a human can say.
    unclear: Vec<Vec<String>>,
}

impl Found {
    async fn take(
        &mut self,
        held: &mut Held,
        stack: &Stack,
        address: Address,
        live: &Live,
    ) -> Result<(), CommandError> {
        self.recovered.push(vec![address.to_string(), live.id.clone()]);
        held.append(&[work::adopted(stack, address, live)])
            .await
            .map_err(CommandError::new)
    }

    fn doubt(&mut self, address: &Address, id: &str, why: impl Into<String>) {
        self.unclear.push(vec![address.to_string(), id.to_owned(), why.into()]);
    }

    fn show(mut self, ui: &Ui) -> ExitCode {
        self.recovered.sort();
        self.unclear.sort();
        if ui.json {
            let named = |rows: &[Vec<String>], names: &[&str]| -> serde_json::Value {
                let row = |row: &Vec<String>| -> serde_json::Value {
                    names
                        .iter()
                        .zip(row)
                        .map(|(name, cell)| ((*name).to_owned(), serde_json::Value::from(cell.as_str())))
                        .collect()
                };
                rows.iter().map(row).collect()
            };
            ui.json(&serde_json::json!({
                "type": "recovered",
                "recovered": named(&self.recovered, &["address", "id"]),
                "unclear": named(&self.unclear, &["address", "id", "reason"]),
            }));
        } else {
            match self.recovered.is_empty() {
                true if self.unclear.is_empty() => {
                    ui.say("Nothing to recover: everything with this stack's tags is known.");
                }
                true => {}
                false => ui.data(table::render(&["recovered", "id"], &self.recovered)),
            }
            if !self.unclear.is_empty() {
                ui.say("\nNot taken over, because it is not certain whose it is:");
                ui.data(table::render(&["address", "id", "why"], &self.unclear));
                ui.say("`lakeform import ADDRESS ID` takes one over that you know to be yours.");
            }
        }
        match self.unclear.is_empty() {
            true => ExitCode::Done,
            false => ExitCode::Partly,
        }
    }
}

/// Whose the objects are. With two stacks of one name in an account and no journal, only people can tell.
fn generation(known: &Ledger, owned: &[Owned]) -> Result<Option<String>, CommandError> {
    if !known.generation.is_empty() {
        return Ok(Some(known.generation.clone()));
    }
    let generations: BTreeSet<&String> = owned.iter().map(|found| &found.owner.generation).collect();
    match generations.len() {
        0 => Ok(None),
        1 => Ok(generations.first().map(|generation| (*generation).clone())),
        _ => Err(
            CommandError::new("two stacks of this name live here, and their tags cannot be told apart by name")
                .code(ExitCode::Blocked)
                .hint("restore the state of the one that is meant"),
        ),
    }
}

/// What to look at: everything with our tags, and what has a name of ours but cannot carry tags.
fn candidates(stack: &Stack, known: &Ledger, owned: &[Owned], found: &mut Found) -> Vec<Ask> {
    let declared: BTreeMap<Address, Ask> = apply::asks(stack, known)
        .into_iter()
        .map(|ask| (ask.address.clone(), ask))
        .collect();
    let mut asks: Vec<Ask> = declared
        .values()
        .filter(|ask| ask.address.kind == Kind::GlueClassifier)
        .cloned()
        .collect();
    for Owned { owner, id } in owned {
        if owner.generation != known.generation {
            found.doubt(&owner.address, id, "it belongs to another stack of this name");
            continue;
        }
        // Its tags may be of before it was moved.
        let moved = stack.moved.iter().find(|(_, from)| **from == owner.address);
        let address = moved.map_or(&owner.address, |(to, _)| to);
        let fields = declared.get(address).map(|ask| ask.fields.clone());
        asks.push(Ask::by_id(address.clone(), id, fields.unwrap_or_default()));
    }
    asks.retain(|ask| !known.records.contains_key(&ask.address));
    asks
}

/// Reads the candidates; the index of tags also lists what is gone.
pub async fn look(world: &World, asks: Vec<Ask>) -> Result<BTreeMap<Address, Vec<Live>>, CommandError> {
    let mut by_kind: BTreeMap<Kind, Vec<Ask>> = BTreeMap::new();
    for ask in asks {
        by_kind.entry(ask.address.kind).or_default().push(ask);
    }
    let reads = by_kind.iter().map(|(kind, asks)| world.read(*kind, asks));
    let answers = futures::future::try_join_all(reads).await?;
    let mut lives: BTreeMap<Address, Vec<Live>> = BTreeMap::new();
    for (ask, live) in by_kind.values().flatten().zip(answers.into_iter().flatten()) {
        if let Some(live) = live {
            lives.entry(ask.address.clone()).or_default().push(live);
        }
    }
    Ok(lives)
}

/// Returns what is ours without doubt.
fn certain(
    stack: &Stack,
    known: &Ledger,
    lives: BTreeMap<Address, Vec<Live>>,
    found: &mut Found,
) -> Vec<(Address, Live)> {
    let mut certain = Vec::new();
    for (address, mut lives) in lives {
        if lives.len() > 1 {
            lives
                .iter()
                .for_each(|live| found.doubt(&address, &live.id, "several objects carry this address"));
            continue;
        }
        let live = lives.remove(0);
        match &live.owner {
            Some(owner) if owner.generation == known.generation => certain.push((address, live)),
            Some(_) => found.doubt(&address, &live.id, "it belongs to another stack"),
            None => match differs(stack, &address, &live.fields) {
                None => certain.push((address, live)),
                Some(field) => {
                    let why = format!("it carries no tags, and its `{field}` is not what the file says");
                    found.doubt(&address, &live.id, why);
                }
            },
        }
    }
    certain
}

/// Names a field in which an object is not what the stack file says.
fn differs(stack: &Stack, address: &Address, live: &Fields) -> Option<String> {
    let resource = stack.resources.get(address)?;
    let schema = address.kind.schema();
    let field = schema.fields.iter().find(|field| {
        let (wanted, present) = (resource.fields.get(field.name), live.get(field.name));
        let free = field.need == Need::Free && wanted.is_none();
        let (wanted, present) = (wanted.unwrap_or(&Value::Null), present.unwrap_or(&Value::Null));
        !free && wanted.is_known() && !normalise::same(field.compare, present, wanted)
    })?;
    Some(field.name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lakeform_engine::cloud::Owner;

    fn owned(address: &str, generation: &str, id: &str) -> Owned {
        Owned {
            owner: Owner {
                stack: "lake".to_owned(),
                generation: generation.to_owned(),
                address: Address::parse(address).expect("an address"),
                op: "op".to_owned(),
            },
            id: id.to_owned(),
        }
    }

    fn live(owned: &Owned) -> Live {
        Live {
            owner: Some(owned.owner.clone()),
            ..Live::new(&owned.id, Fields::new(), Fields::new())
        }
    }

    #[test]
    fn two_generations_without_a_journal_are_for_people_to_tell_apart() {
        let both = [owned("vpc.main", "g1", "vpc-1"), owned("vpc.main", "g2", "vpc-2")];
        let error = generation(&Ledger::default(), &both).expect_err("unclear");
        assert_eq!(error.code, ExitCode::Blocked);
        let known = Ledger {
            generation: "g2".to_owned(),
            ..Ledger::default()
        };
        assert_eq!(
            generation(&known, &both).expect("the journal says it"),
            Some("g2".to_owned())
        );
    }

    #[test]
    fn what_is_of_another_generation_or_there_twice_is_left_alone() {
        let text = "[stack]\nname = \"lake\"\n[vpc.main]\ncidr = \"10.0.0.0/16\"\n";
        let file = crate::project::StackFile {
            path: "stack.toml".into(),
            text: text.to_owned(),
            vars: BTreeMap::new(),
            env: None,
        };
        let stack = file.check().stack.expect("a sound stack");
        let known = Ledger {
            generation: "g1".to_owned(),
            ..Ledger::default()
        };
        let (ours, theirs) = (owned("vpc.main", "g1", "vpc-1"), owned("vpc.main", "g2", "vpc-2"));
        let mut found = Found::default();
        let asks = candidates(&stack, &known, &[ours.clone(), theirs], &mut found);
        assert_eq!(
            asks.iter().map(|ask| ask.id.as_deref()).collect::<Vec<_>>(),
            [Some("vpc-1")]
        );
        assert_eq!(found.unclear.len(), 1);
        let twice = owned("vpc.main", "g1", "vpc-3");
        let lives = BTreeMap::from([(ours.owner.address.clone(), vec![live(&ours), live(&twice)])]);
        assert!(certain(&stack, &known, lives, &mut found).is_empty());
        assert_eq!(found.unclear.len(), 3);
    }
}
