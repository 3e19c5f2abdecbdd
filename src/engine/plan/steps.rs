//! Changes to steps: what is needed is made before, and unmade after, what needs it. And what the steps take.

use super::{Action, Change, Plan, Step};
use crate::address::Address;
use crate::journal::{Ledger, Verb};
use crate::kind::Kind;
use crate::normalise;
use crate::schema::{Disruption, Identity};
use crate::value::{Fields, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Turns changes into steps: what is needed is made before, and unmade after, what needs it.
pub(super) fn steps(changes: &[Change], ledger: &Ledger) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut makes: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut deletes: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut letting_go: Vec<(usize, usize)> = Vec::new();
    for change in changes {
        let address = &change.address;
        let mut add = |verb: Verb, after: BTreeSet<usize>| {
            steps.push(Step {
                address: address.clone(),
                verb,
                after,
            });
            steps.len() - 1
        };
        match change.action {
            Action::Keep | Action::Forget => {}
            Action::Create => {
                makes.insert(address, add(Verb::Create, BTreeSet::new()));
            }
            Action::Update => {
                makes.insert(address, add(Verb::Update, BTreeSet::new()));
            }
            Action::Replace => {
                let delete = add(Verb::Delete, BTreeSet::new());
                deletes.insert(address, delete);
                makes.insert(address, add(Verb::Create, BTreeSet::from([delete])));
            }
            Action::Delete => {
                deletes.insert(address, add(Verb::Delete, BTreeSet::new()));
            }
        }
    }
    for change in changes {
        if let Some(make) = makes.get(&change.address) {
            let needed = change.needs.iter().filter_map(|need| makes.get(need));
            steps[*make].after.extend(needed);
        }
        // What it needed when it was made must outlive it.
        let old_needs = ledger
            .records
            .get(&change.address)
            .map_or(&change.needs, |record| &record.needs);
        for need in old_needs {
            let Some(delete) = deletes.get(need).copied() else {
                continue;
            };
            if let Some(dependent) = deletes.get(&change.address) {
                steps[delete].after.insert(*dependent);
            } else if let Some(dependent) = makes.get(&change.address).filter(|_| !makes.contains_key(need)) {
                letting_go.push((delete, *dependent));
            }
        }
    }
    // The dependent lets go of it first. Where that would be a circle (a route table waits for a new subnet, which
    // waits for the old one, which waits for the NAT gateway the table is to let go of), AWS takes the delete too.
    for (delete, dependent) in letting_go {
        if !waits_for(&steps, dependent, delete) {
            steps[delete].after.insert(dependent);
        }
    }
    for change in changes {
        let Some(make) = makes
            .get(&change.address)
            .copied()
            .filter(|make| steps[*make].verb == Verb::Create)
        else {
            continue;
        };
        for other in changes.iter().filter(|other| other.address.kind == change.address.kind) {
            let Some(delete) = deletes.get(&other.address).copied() else {
                continue;
            };
            let clash = other
                .live
                .as_ref()
                .is_some_and(|live| same_place(change.address.kind, &change.desired, &live.fields));
            // Letting go comes first where both are asked for; then the name is free on the next run.
            if clash && !waits_for(&steps, delete, make) {
                steps[make].after.insert(delete);
            }
        }
    }
    steps
}

/// Whether AWS refuses to have both objects at once.
fn same_place(kind: Kind, a: &Fields, b: &Fields) -> bool {
    let same = |name: &str| a.get(name).is_some_and(|value| b.get(name) == Some(value));
    let folded = |name: &str| match (
        a.get(name).and_then(Value::as_text),
        b.get(name).and_then(Value::as_text),
    ) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    };
    let share = |name: &str| {
        let theirs = b.get(name).map(Value::as_list).unwrap_or_default();
        a.get(name)
            .map(Value::as_list)
            .unwrap_or_default()
            .iter()
            .any(|value| theirs.contains(value))
    };
    match kind {
        Kind::Subnet => {
            let block = |fields: &Fields| {
                fields
                    .get("cidr")
                    .and_then(Value::as_text)?
                    .parse::<normalise::Cidr>()
                    .ok()
            };
            same("vpc") && block(a).zip(block(b)).is_some_and(|(a, b)| a.overlaps(b))
        }
        Kind::InternetGateway => same("vpc"),
        Kind::RouteTable => share("subnets"),
        Kind::VpcEndpoint => same("service") && share("route_tables"),
        Kind::SecurityGroup => same("vpc") && folded("name"),
        _ => match kind.schema().identity {
            Identity::Named(name) => folded(name),
            Identity::Assigned | Identity::Address => false,
        },
    }
}

/// Whether `step` waits for `other`, directly or not.
fn waits_for(steps: &[Step], step: usize, other: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![step];
    while let Some(at) = waiting.pop() {
        if at == other {
            return true;
        }
        if seen.insert(at) {
            waiting.extend(steps[at].after.iter().copied());
        }
    }
    false
}

/// The longest chain of steps: nothing makes a plan quicker than this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriticalPath {
    pub seconds: u64,
    /// The step that takes most of it.
    pub longest: Address,
}

/// Returns the longest chain of a plan's steps, by what AWS usually takes.
pub fn critical_path(plan: &Plan) -> Option<CriticalPath> {
    let weights = weights(plan);
    let expected = expected(plan);
    let mut at = (0..weights.len()).max_by_key(|index| (weights[*index], std::cmp::Reverse(*index)))?;
    let seconds = weights[at];
    let mut longest = at;
    loop {
        if expected[at] > expected[longest] {
            longest = at;
        }
        let rest = weights[at] - expected[at];
        let next = (0..weights.len()).find(|next| plan.steps[*next].after.contains(&at) && weights[*next] == rest);
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    Some(CriticalPath {
        seconds,
        longest: plan.steps[longest].address.clone(),
    })
}

/// Returns the time from the beginning of each step to the end of everything that waits for it, in expected seconds.
pub fn weights(plan: &Plan) -> Vec<u64> {
    let mut unweighed: Vec<usize> = vec![0; plan.steps.len()];
    for after in plan.steps.iter().flat_map(|step| &step.after) {
        unweighed[*after] += 1;
    }
    let expected: Vec<u64> = expected(plan);
    let mut weights = expected.clone();
    let mut ready: Vec<usize> = (0..plan.steps.len()).filter(|index| unweighed[*index] == 0).collect();
    while let Some(index) = ready.pop() {
        for after in &plan.steps[index].after {
            weights[*after] = weights[*after].max(expected[*after] + weights[index]);
            unweighed[*after] -= 1;
            if unweighed[*after] == 0 {
                ready.push(*after);
            }
        }
    }
    weights
}

/// Returns what each step is expected to take on AWS, in seconds.
pub fn expected(plan: &Plan) -> Vec<u64> {
    let disruptions: BTreeMap<&Address, Disruption> = plan
        .changes
        .iter()
        .map(|change| (&change.address, change.disruption))
        .collect();
    let of = |step: &Step| {
        let takes = step.address.kind.schema().takes;
        let seconds = match (step.verb, disruptions.get(&step.address)) {
            (Verb::Create, _) => takes.create_s,
            (Verb::Delete, _) => takes.delete_s,
            // Ten minutes to an hour, by the amount of data, which nobody knows here.
            (Verb::Update, Some(Disruption::Resize)) => takes.update_s.max(1_200),
            (Verb::Update, Some(Disruption::Reboot)) => takes.update_s.max(180),
            (Verb::Update, _) => takes.update_s,
        };
        u64::from(seconds)
    };
    plan.steps.iter().map(of).collect()
}
