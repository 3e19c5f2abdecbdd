//! Stack × live × ledger → plan. Pure and total: every decision is made here, apply only carries it out.

mod decide;
mod steps;

pub use decide::{PENDING_REBOOT, on_its_way};
pub use steps::{CriticalPath, critical_path, expected, weights};

use crate::address::Address;
use crate::cloud::Live;
use crate::diagnostic::Span;
use crate::graph;
use crate::journal::{Entry, Ledger, Record, Verb};
use crate::kind::Kind;
use crate::normalise;
use crate::schema::{Compare, Disruption, Need};
use crate::stack::Stack;
use crate::value::{Fields, Value};
use decide::{decide, foreign, holds_data};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use steps::steps;

/// Everything that will be done, and why.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By address, in the order of needs.
    pub changes: Vec<Change>,
    /// What carries the changes out, with the order that must hold.
    pub steps: Vec<Step>,
    /// What cannot be done, by address.
    pub blocked: Vec<(Address, String)>,
    /// What the ledger must learn before anything is done: how interrupted steps ended, objects found to be ours, new
    /// addresses, what is no longer ours to keep, needs and protection that changed although the object did not.
    pub entries: Vec<Entry>,
    /// What of that was found to be ours although the ledger did not know it.
    pub found: BTreeSet<Address>,
}

/// What happens to one resource.
#[derive(Clone, Debug)]
pub struct Change {
    pub address: Address,
    pub action: Action,
    pub because: String,
    pub fields: Vec<FieldChange>,
    /// What the stack wants, resolved as far as it is known.
    pub desired: Fields,
    pub live: Option<Live>,
    pub needs: BTreeSet<Address>,
    pub protect: bool,
    /// What those who use it notice: the worst of its field changes, or what its going means.
    pub disruption: Disruption,
    /// The replaced resource that takes this one with it.
    pub caused_by: Option<Address>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Keep,
    Create,
    Update,
    Replace,
    Delete,
    /// It is gone already: only the ledger changes.
    Forget,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    pub name: String,
    pub before: Value,
    pub after: Value,
    pub span: Span,
    pub replaces: bool,
    pub disruption: Disruption,
    pub secret: bool,
}

/// One thing to do to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub address: Address,
    pub verb: Verb,
    /// Indexes of the steps that must be done before.
    pub after: BTreeSet<usize>,
}

/// What a plan is about.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only these and what they need; all when empty.
    pub target: BTreeSet<Address>,
    /// Not these, nor what needs them.
    pub except: BTreeSet<Address>,
    /// Replace these although nothing differs.
    pub replace: BTreeSet<Address>,
}

/// What is live, by address. Absent: not asked, which means it is in no file and no ledger.
pub type Observed = BTreeMap<Address, Option<Live>>;

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == Action::Keep)
    }

    pub fn count(&self, wanted: impl Fn(Action) -> bool) -> usize {
        self.changes.iter().filter(|change| wanted(change.action)).count()
    }

    /// Returns how many objects are added, changed and destroyed; a replaced one counts twice.
    pub fn totals(&self) -> (usize, usize, usize) {
        (
            self.count(|action| matches!(action, Action::Create | Action::Replace)),
            self.count(|action| action == Action::Update),
            self.count(|action| matches!(action, Action::Delete | Action::Replace)),
        )
    }

    pub fn change(&self, address: &Address) -> Option<&Change> {
        self.changes.iter().find(|change| change.address == *address)
    }

    /// Returns the changes after which something is gone that nobody can make again. They need a yes of their own.
    pub fn data_loss(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| change.action != Action::Keep && change.disruption == Disruption::DataLoss)
    }

    /// Returns the change that began it: the replaced resource at the end of the chain that takes this one with it.
    pub fn root_cause<'a>(&'a self, change: &'a Change) -> &'a Change {
        let mut at = change;
        // A chain is never longer than the plan, so even a circle would end.
        for _ in 0..self.changes.len() {
            match at.caused_by.as_ref().and_then(|cause| self.change(cause)) {
                Some(cause) => at = cause,
                None => break,
            }
        }
        at
    }

    /// Returns the plan with nothing done but to `wanted`.
    pub fn restricted(mut self, wanted: &BTreeSet<Address>, ledger: &Ledger) -> Plan {
        self.changes.retain(|change| {
            wanted.contains(&change.address) || !matches!(change.action, Action::Delete | Action::Forget)
        });
        for change in self
            .changes
            .iter_mut()
            .filter(|change| !wanted.contains(&change.address))
        {
            change.keep();
        }
        let mut learnt = ledger.clone();
        self.entries.iter().for_each(|entry| learnt.add(entry));
        self.steps = steps(&self.changes, &learnt);
        self
    }
}

/// Plans the way from what is live to what the stack says.
pub fn plan(stack: &Stack, observed: &Observed, ledger: &Ledger, options: &Options) -> Plan {
    let needs = graph::needs(stack);
    let planner = Planner {
        stack,
        observed,
        ledger,
        options,
        chosen: choose(stack, &needs, options),
        order: graph::order(&needs),
        by_id: ledger
            .records
            .iter()
            .map(|(address, record)| ((address.kind, record.id.as_str()), address))
            .collect(),
    };
    // What stays because something else holds it changes what depends on it, so deciding starts again with it pinned.
    let mut pinned = BTreeMap::new();
    let mut decided = planner.decide_all(&pinned);
    loop {
        let mut held = planner.stays(&decided);
        held.extend(planner.held(&decided.changes));
        let before = pinned.len();
        pinned.extend(held);
        if pinned.len() == before {
            break;
        }
        decided = planner.decide_all(&pinned);
    }
    let Decided {
        mut changes,
        blocked,
        left,
        moved,
    } = decided;
    let mut plan = Plan {
        blocked,
        ..Plan::default()
    };
    let mut order = planner.order.clone();
    for change in removals(stack, observed, ledger, options, &left, &moved) {
        if change.protect && change.action == Action::Delete && !change.is_going() {
            plan.blocked.push((
                change.address.clone(),
                "it is protected: take `protect` off and apply first".to_owned(),
            ));
            continue;
        }
        order.push(change.address.clone());
        changes.insert(change.address.clone(), change);
    }
    plan.entries = entries(&changes, ledger, &left, &moved);
    let unknown = |address: &&Address| !ledger.records.contains_key(*address) && !moved.contains_key(*address);
    let adopted = plan.entries.iter().filter_map(|entry| match entry {
        Entry::Adopted { address, .. } => Some(address),
        _ => None,
    });
    plan.found = adopted.filter(unknown).cloned().collect();
    plan.changes = order
        .into_iter()
        .filter_map(|address| changes.remove(&address))
        .collect();
    let mut learnt = ledger.clone();
    plan.entries.iter().for_each(|entry| learnt.add(entry));
    plan.steps = steps(&plan.changes, &learnt);
    plan
}

/// What deciding reads.
struct Planner<'a> {
    stack: &'a Stack,
    observed: &'a Observed,
    ledger: &'a Ledger,
    options: &'a Options,
    chosen: BTreeSet<Address>,
    order: Vec<Address>,
    /// The ledger's addresses by what AWS calls the object.
    by_id: BTreeMap<(Kind, &'a str), &'a Address>,
}

struct Decided {
    changes: BTreeMap<Address, Change>,
    blocked: Vec<(Address, String)>,
    /// What stays as it is although it may differ: not chosen, or blocked.
    left: BTreeSet<Address>,
    /// New addresses of objects the ledger knows under another one: from, by to.
    moved: BTreeMap<Address, Address>,
}

impl Planner<'_> {
    fn decide_all(&self, pinned: &BTreeMap<Address, String>) -> Decided {
        let mut decided = Decided {
            changes: BTreeMap::new(),
            blocked: Vec::new(),
            left: BTreeSet::new(),
            moved: BTreeMap::new(),
        };
        // What does not exist as the file has it; nothing may be built on these.
        let mut unusable: BTreeSet<&Address> = BTreeSet::new();
        for address in &self.order {
            let resource = &self.stack.resources[address];
            let live = self.observed.get(address).cloned().flatten();
            let mut record = self.ledger.records.get(address);
            let mut obstacle = None;
            if let (None, Some(found)) = (record, &live)
                && let Some(from) = self.by_id.get(&(address.kind, found.id.as_str()))
            {
                if self.stack.resources.contains_key(*from) {
                    obstacle = Some(format!("`{}` is `{from}` already", found.id));
                } else {
                    record = self.ledger.records.get(*from);
                    decided.moved.insert(address.clone(), (*from).clone());
                }
            }
            let forced = self.options.replace.contains(address);
            let mut change = decide(
                resource,
                live,
                record,
                &decided.changes,
                &self.ledger.generation,
                forced,
            );
            if !self.chosen.contains(address) {
                change.keep();
                decided.left.insert(address.clone());
            }
            let foreign = obstacle.or_else(|| foreign(&change, record, self.ledger));
            let below = resource.needs.iter().find(|need| unusable.contains(need));
            let reason = match (foreign, below, pinned.get(address)) {
                (Some(reason), ..) => {
                    unusable.insert(address);
                    Some(reason)
                }
                (None, Some(need), _) if change.action != Action::Keep => {
                    unusable.insert(address);
                    Some(format!("it needs `{need}`, which is blocked"))
                }
                (None, _, Some(reason)) if change.action == Action::Replace => Some(reason.clone()),
                _ if change.protect && change.action == Action::Replace && !change.is_going() => {
                    Some("it is protected and would be replaced: take `protect` off and apply first".to_owned())
                }
                _ => None,
            };
            if let Some(reason) = reason {
                decided.blocked.push((address.clone(), reason));
                decided.left.insert(address.clone());
                change.keep();
                // Others see it as it is, not as it was to be.
                if let Some(live) = &change.live {
                    change.desired.extend(live.fields.clone());
                }
            }
            decided.changes.insert(address.clone(), change);
        }
        decided
    }

    /// Returns what would be replaced although something that is left as it is was made with it, with the reason.
    fn stays(&self, decided: &Decided) -> BTreeMap<Address, String> {
        let removed: BTreeSet<Address> = removals(
            self.stack,
            self.observed,
            self.ledger,
            self.options,
            &decided.left,
            &decided.moved,
        )
        .into_iter()
        .filter(|change| !change.protect)
        .map(|change| change.address)
        .collect();
        let mut held = BTreeMap::new();
        for (address, record) in &self.ledger.records {
            let live = self.observed.get(address).is_some_and(Option::is_some);
            let left = match decided.changes.contains_key(address) {
                true => decided.left.contains(address),
                // What has a new address is decided about there.
                false => !removed.contains(address) && !decided.moved.values().any(|from| from == address),
            };
            if !live || !left {
                continue;
            }
            let replaced = |need: &&Address| {
                let change = decided.changes.get(*need);
                change.is_some_and(|change| change.action == Action::Replace)
            };
            for need in record.needs.iter().filter(replaced) {
                let reason = format!("it would be replaced, but `{address}`, which needs it, is left as it is");
                held.insert(need.clone(), reason);
            }
        }
        held
    }

    /// Returns what AWS would not delete because something that stays uses it, with the reason.
    fn held(&self, changes: &BTreeMap<Address, Change>) -> BTreeMap<Address, String> {
        let mut held = BTreeMap::new();
        for holder in changes
            .values()
            .filter(|change| matches!(change.action, Action::Keep | Action::Update))
        {
            if holder.live.is_none() {
                continue;
            }
            for need in holder.needs.iter().filter(|need| holds(holder.address.kind, need.kind)) {
                let replaced = changes.get(need).is_some_and(|change| change.action == Action::Replace);
                let in_use = holder.address.kind != Kind::RedshiftSubnetGroup
                    || changes
                        .values()
                        .any(|user| user.live.is_some() && user.needs.contains(&holder.address));
                if replaced && in_use {
                    held.insert(
                        need.clone(),
                        format!(
                            "it would be replaced, but AWS does not delete it while `{}` uses it: declare a new one under \
                             another name and use that instead",
                            holder.address
                        ),
                    );
                }
            }
        }
        held
    }
}

/// Whether AWS refuses to delete `need` while `holder` uses it. What it deletes regardless is not listed.
fn holds(holder: Kind, need: Kind) -> bool {
    matches!(
        (holder, need),
        (
            Kind::RedshiftCluster | Kind::RedshiftWorkgroup | Kind::SecurityGroup,
            Kind::SecurityGroup
        ) | (Kind::RedshiftCluster, Kind::RedshiftParameterGroup)
            | (Kind::RedshiftSubnetGroup | Kind::RedshiftWorkgroup, Kind::Subnet)
    )
}

impl Change {
    /// Whether what is there by then was not there before: what the old one held is lost already.
    fn begins_anew(&self) -> bool {
        match self.action {
            Action::Create => true,
            Action::Replace => self.is_going(),
            Action::Keep | Action::Update | Action::Delete | Action::Forget => false,
        }
    }

    /// Whether somebody deletes it already.
    fn is_going(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.going)
    }

    fn keep(&mut self) {
        self.action = Action::Keep;
        self.because.clear();
        self.fields.clear();
        self.caused_by = None;
        self.disruption = Disruption::Live;
    }
}

/// Returns what the ledger does not know yet of what stays as it is.
fn entries(
    changes: &BTreeMap<Address, Change>,
    ledger: &Ledger,
    left: &BTreeSet<Address>,
    moved: &BTreeMap<Address, Address>,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = moved
        .iter()
        .map(|(to, from)| Entry::Moved {
            from: from.clone(),
            to: to.clone(),
        })
        .collect();
    for (address, change) in changes {
        let Some(live) = change
            .live
            .as_ref()
            .filter(|_| matches!(change.action, Action::Keep | Action::Update))
        else {
            continue;
        };
        let old = ledger.records.get(moved.get(address).unwrap_or(address));
        let ours = old.is_some() || owned(live, ledger);
        if !ours || (old.is_none() && !change.desired.values().all(Value::is_known)) {
            continue;
        }
        let mut record = old.cloned().unwrap_or_else(|| Record {
            id: live.id.clone(),
            fields: crate::apply::without_secrets(address, &change.desired),
            outputs: live.outputs.clone(),
            needs: BTreeSet::new(),
            protect: false,
        });
        record.id.clone_from(&live.id);
        // Until it is changed, which may be later, it still uses what it used.
        record.needs = match change.action == Action::Update || left.contains(address) {
            true => record.needs.union(&change.needs).cloned().collect(),
            false => change.needs.clone(),
        };
        record.protect = change.protect;
        for field in address.kind.schema().fields {
            let unset = (field.need == Need::Optional && change.action == Action::Keep).then_some(&Value::Null);
            let Some(wanted) = change
                .desired
                .get(field.name)
                .or(unset)
                .filter(|value| value.is_known())
            else {
                continue;
            };
            let learn = match field.compare {
                Compare::Fingerprint => false,
                Compare::Ledger => !record.fields.contains_key(field.name),
                // The file came round to what is live: from now on that is what was applied.
                compare => {
                    change.action == Action::Keep
                        && live
                            .fields
                            .get(field.name)
                            .or(unset)
                            .is_some_and(|live| normalise::same(compare, live, wanted))
                        && record
                            .fields
                            .get(field.name)
                            .is_some_and(|old| !normalise::same(compare, old, wanted))
                }
            };
            match wanted {
                Value::Null if learn => drop(record.fields.remove(field.name)),
                wanted if learn => drop(record.fields.insert(field.name.to_owned(), wanted.clone())),
                _ => {}
            }
        }
        if old != Some(&record) {
            entries.push(Entry::Adopted {
                address: address.clone(),
                record,
            });
        }
    }
    entries
}

/// Whether the object carries the tags of this stack.
fn owned(live: &Live, ledger: &Ledger) -> bool {
    live.owner
        .as_ref()
        .is_some_and(|owner| owner.generation == ledger.generation && !ledger.generation.is_empty())
}

/// The reason of every change of a destroy.
pub const ASKED_TO_DESTROY: &str = "destroy was asked for";

/// Plans the deletion of everything in the ledger. What the file says now of how that is done counts as if it had been
/// applied: what it protects stays, and only it knows of the last snapshot that was wished for a moment ago.
pub fn destroy(stack: &Stack, observed: &Observed, ledger: &Ledger, options: &Options) -> Plan {
    let mut ledger = ledger.clone();
    for (address, record) in &mut ledger.records {
        let Some(resource) = stack.resources.get(address) else {
            continue;
        };
        record.protect |= resource.protect;
        let told = address.kind.schema().fields;
        for field in told.iter().filter(|field| field.compare == Compare::Ledger) {
            if let Some(value) = resource.fields.get(field.name).filter(|value| value.is_known()) {
                record.fields.insert(field.name.to_owned(), value.clone());
            }
        }
    }
    let nothing = Stack {
        resources: BTreeMap::new(),
        ..stack.clone()
    };
    let mut plan = plan(&nothing, observed, &ledger, options);
    let asked = |change: &&mut Change| change.action == Action::Delete && !change.is_going();
    for change in plan.changes.iter_mut().filter(asked) {
        change.because = ASKED_TO_DESTROY.to_owned();
    }
    plan
}

/// Returns the addresses that `--target` and `--except` leave.
fn choose(stack: &Stack, needs: &BTreeMap<Address, BTreeSet<Address>>, options: &Options) -> BTreeSet<Address> {
    let mut chosen: BTreeSet<Address> = match options.target.is_empty() {
        true => stack.resources.keys().cloned().collect(),
        false => {
            let mut chosen = BTreeSet::new();
            let mut waiting: Vec<&Address> = options.target.iter().collect();
            while let Some(address) = waiting.pop() {
                if chosen.insert(address.clone()) {
                    waiting.extend(needs.get(address).into_iter().flatten());
                }
            }
            chosen
        }
    };
    let mut excepted: BTreeSet<&Address> = BTreeSet::new();
    let order = graph::order(needs);
    for address in &order {
        if options.except.contains(address) || needs[address].iter().any(|need| excepted.contains(need)) {
            excepted.insert(address);
            chosen.remove(address);
        }
    }
    chosen
}

/// What the ledger has and the stack has not.
fn removals(
    stack: &Stack,
    observed: &Observed,
    ledger: &Ledger,
    options: &Options,
    left: &BTreeSet<Address>,
    moved: &BTreeMap<Address, Address>,
) -> Vec<Change> {
    let moved: BTreeSet<&Address> = moved.values().collect();
    let gone: BTreeMap<Address, BTreeSet<Address>> = ledger
        .records
        .iter()
        .filter(|(address, _)| !stack.resources.contains_key(address) && !stack.removed.contains(address))
        .filter(|(address, _)| !moved.contains(address))
        .map(|(address, record)| (address.clone(), record.needs.clone()))
        .collect();
    // Dependents before what they need; a circle in an old ledger still gets an order, by name.
    let mut order = graph::order(&gone);
    let ordered: BTreeSet<Address> = order.iter().cloned().collect();
    order.extend(gone.keys().filter(|address| !ordered.contains(*address)).cloned());
    order.reverse();
    let mut spared: BTreeSet<Address> = options.except.clone();
    // What is left as it is keeps what it was made with.
    spared.extend(
        left.iter()
            .filter_map(|address| ledger.records.get(address))
            .flat_map(|record| record.needs.iter().cloned()),
    );
    let targeted = dependents_of(&gone, &options.target);
    let mut changes = Vec::new();
    for address in order {
        let record = &ledger.records[&address];
        let wanted = options.target.is_empty() || targeted.contains(&address);
        if !wanted || spared.contains(&address) {
            // What a spared object needs is spared too.
            spared.extend(record.needs.iter().cloned());
            continue;
        }
        let there = |address: &Address| observed.get(address).and_then(Option::as_ref);
        // Nobody gets into a warehouse that is being deleted, and what it holds goes with it.
        let lost = |need: &&Address| is_warehouse(need.kind) && there(need).is_some_and(|live| live.going);
        let place = record.needs.iter().find(lost).filter(|_| address.kind.is_data());
        let live = there(&address).cloned().or_else(|| rest(&address, record));
        let live = live.filter(|_| place.is_none());
        let stays = live.as_ref().is_some_and(|live| !live.going);
        if record.protect && stays {
            spared.extend(record.needs.iter().cloned());
        }
        let disruption = match stays && holds_data(address.kind, &record.fields) {
            true => Disruption::DataLoss,
            false => Disruption::Live,
        };
        changes.push(Change {
            address: address.clone(),
            action: if live.is_some() { Action::Delete } else { Action::Forget },
            because: match (place, &live) {
                (Some(place), _) => format!("it goes with `{place}`"),
                (None, Some(live)) if live.going => format!("`{}` is being deleted", live.id),
                (None, Some(_)) => "it is no longer in the file".to_owned(),
                (None, None) => format!("`{}` is gone", record.id),
            },
            fields: Vec::new(),
            desired: record.fields.clone(),
            live,
            needs: record.needs.clone(),
            protect: record.protect,
            disruption,
            caused_by: None,
        });
    }
    changes
}

fn is_warehouse(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::RedshiftCluster | Kind::RedshiftNamespace | Kind::RedshiftWorkgroup
    )
}

/// Returns what may be left of an object that is gone: a NAT gateway's public address outlives it, and costs money.
fn rest(address: &Address, record: &Record) -> Option<Live> {
    (address.kind == Kind::NatGateway).then(|| Live {
        going: true,
        ..Live::new(&record.id, record.fields.clone(), record.outputs.clone())
    })
}

/// Returns `wanted` and everything that needs one of them.
fn dependents_of(needs: &BTreeMap<Address, BTreeSet<Address>>, wanted: &BTreeSet<Address>) -> BTreeSet<Address> {
    let mut found = wanted.clone();
    for address in graph::order(needs) {
        if needs[&address].iter().any(|need| found.contains(need)) {
            found.insert(address);
        }
    }
    found
}

#[cfg(test)]
mod tests;
