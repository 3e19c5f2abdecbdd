//! Carries a plan out: each step when what it waits for is done, an entry in the journal before and after. One task,
//! no locks, no clock. A failure stops only what depends on it.

use crate::address::{Address, Reference};
use crate::cloud::{Ask, Cloud, CloudError, Create, Delete, Live, Meaning, Owner, Progress, Update};
use crate::graph;
use crate::journal::{Entry, Ledger, Open, Record, Verb};
use crate::normalise;
use crate::plan::{self, Action, Change, Plan};
use crate::schema::{Compare, Identity};
use crate::stack::Stack;
use crate::value::{Fields, Value};
use futures::channel::mpsc;
use futures::future::{FutureExt, LocalBoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

/// What apply needs besides the plan and the cloud.
pub struct Apply<'a, C: Cloud> {
    pub cloud: &'a C,
    /// The stack's name as tags carry it, and its generation.
    pub stack: &'a str,
    pub generation: &'a str,
    /// How many steps may run at once.
    pub parallelism: usize,
    /// Returns a new op id.
    pub new_op: &'a mut dyn FnMut() -> String,
    /// Writes an entry so that it survives whatever happens next.
    pub journal: &'a mut dyn FnMut(&Entry) -> Result<(), String>,
    /// Is told what happens.
    pub events: &'a mut dyn FnMut(Event<'_>),
}

/// What happens, for whoever renders it.
#[derive(Debug)]
pub enum Event<'a> {
    Started {
        address: &'a Address,
        verb: Verb,
    },
    Progress {
        address: &'a Address,
        verb: Verb,
        progress: &'a Progress,
    },
    Done {
        address: &'a Address,
        verb: Verb,
    },
    Failed {
        address: &'a Address,
        verb: Verb,
        error: &'a CloudError,
    },
    /// Not begun, because `cause` failed.
    Skipped {
        address: &'a Address,
        verb: Verb,
        cause: &'a Address,
    },
    /// No step is begun from now on.
    Stopping {
        running: usize,
    },
}

/// How an apply ended.
#[derive(Debug, Default)]
pub struct Outcome {
    pub done: Vec<(Address, Verb)>,
    pub failed: Vec<(Address, Verb, CloudError)>,
    /// Steps not begun, with the failed step they depend on.
    pub skipped: Vec<(Address, Verb, Address)>,
    /// Whether it was told to stop.
    pub stopped: bool,
    /// The journal could not be written: nothing was begun after that.
    pub journal_error: Option<String>,
    /// What is live now, for what was made or changed.
    pub live: BTreeMap<Address, Live>,
}

impl Outcome {
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && !self.stopped && self.journal_error.is_none()
    }
}

/// Closes what earlier runs left open: looks up what an interrupted create made and takes it over. Returns the
/// entries that say so; the caller writes them when it holds the lock.
pub async fn settle<C: Cloud>(cloud: &C, ledger: &Ledger) -> Result<Vec<Entry>, CloudError> {
    let mut entries = Vec::new();
    for open in ledger.open.values() {
        let entry = match open.verb {
            Verb::Create => match find(cloud, ledger, open).await? {
                Some(live) => Entry::Done {
                    op: open.op.clone(),
                    record: Some(record_of(&live, &open.fields, open.needs.clone(), open.protect)),
                },
                None => Entry::Failed {
                    op: open.op.clone(),
                    message: "interrupted before it had an effect".into(),
                    open: false,
                },
            },
            // Whatever they did is seen by the next read.
            Verb::Update | Verb::Delete => Entry::Failed {
                op: open.op.clone(),
                message: "interrupted".into(),
                open: false,
            },
        };
        entries.push(entry);
    }
    Ok(entries)
}

async fn find<C: Cloud>(cloud: &C, ledger: &Ledger, open: &Open) -> Result<Option<Live>, CloudError> {
    let owner = Owner {
        stack: ledger.stack.clone(),
        generation: ledger.generation.clone(),
        address: open.address.clone(),
        op: open.op.clone(),
    };
    let ask = Ask {
        address: open.address.clone(),
        id: open.id.clone(),
        fields: open.fields.clone(),
        record: None,
    };
    cloud.find(&ask, &owner).await
}

/// Returns what must be asked to observe a stack and its ledger.
pub fn asks(stack: &Stack, ledger: &Ledger) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    // Names are often made of other names, and those of others; in the order of needs each is known when it is used.
    let mut resolved: BTreeMap<Address, Fields> = BTreeMap::new();
    for address in graph::order(&graph::needs(stack)) {
        let resource = &stack.resources[&address];
        let record = ledger.records.get(&address);
        let lookup = |reference: &Reference| {
            let field = reference.address.kind.schema().output(&reference.output)?.field;
            let named = field.and_then(|field| {
                resolved
                    .get(&reference.address)?
                    .get(field)
                    .filter(|value| value.is_known())
            });
            named
                .or_else(|| ledger.records.get(&reference.address)?.outputs.get(&reference.output))
                .cloned()
        };
        let fields: Fields = resource
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), value.resolve(&lookup)))
            .collect();
        asks.push(Ask {
            address: address.clone(),
            id: record.map(|record| record.id.clone()),
            fields: fields.clone(),
            record: record.cloned(),
        });
        resolved.insert(address, fields);
    }
    for (address, record) in ledger
        .records
        .iter()
        .filter(|(address, _)| !stack.resources.contains_key(address))
    {
        asks.push(Ask {
            address: address.clone(),
            id: Some(record.id.clone()),
            fields: record.fields.clone(),
            record: Some(record.clone()),
        });
    }
    asks
}

/// Reads everything asked for, one request per kind, all at once.
pub async fn observe<C: Cloud>(cloud: &C, asks: Vec<Ask>) -> Result<crate::plan::Observed, CloudError> {
    let mut by_kind: BTreeMap<crate::kind::Kind, Vec<Ask>> = BTreeMap::new();
    for ask in asks {
        by_kind.entry(ask.address.kind).or_default().push(ask);
    }
    let mut reads: FuturesUnordered<_> = by_kind
        .into_iter()
        .map(|(kind, asks)| async move {
            let lives = cloud.read(kind, &asks).await?;
            Ok::<_, CloudError>(asks.into_iter().map(|ask| ask.address).zip(lives).collect::<Vec<_>>())
        })
        .collect();
    let mut observed = BTreeMap::new();
    while let Some(read) = reads.next().await {
        observed.extend(read?);
    }
    Ok(observed)
}

struct Finished {
    step: usize,
    op: String,
    result: Result<Option<Live>, CloudError>,
}

struct Running {
    op: String,
    made: Option<String>,
}

/// Carries out `plan`. `stop` resolving means: begin nothing more, end what can be ended, return.
pub async fn apply<C: Cloud>(mut cx: Apply<'_, C>, plan: &Plan, stop: impl Future<Output = ()>) -> Outcome {
    let mut outcome = Outcome::default();
    let gone = plan.changes.iter().filter(|change| change.action == Action::Forget);
    let forgotten = gone.map(|change| Entry::Forgot {
        address: change.address.clone(),
    });
    for entry in plan.entries.iter().cloned().chain(forgotten) {
        if let Err(error) = (cx.journal)(&entry) {
            outcome.journal_error = Some(error);
            return outcome;
        }
    }
    let mut outputs: BTreeMap<Address, Fields> = plan
        .changes
        .iter()
        .filter_map(|change| {
            Some((
                change.address.clone(),
                offered(change, change.live.as_ref()?, &change.desired),
            ))
        })
        .collect();
    let weights = plan::weights(plan);
    let changes: BTreeMap<&Address, &Change> = plan.changes.iter().map(|change| (&change.address, change)).collect();
    let mut waiting: BTreeMap<usize, BTreeSet<usize>> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| (index, step.after.clone()))
        .collect();
    let mut running: BTreeMap<usize, Running> = BTreeMap::new();
    let mut futures: FuturesUnordered<LocalBoxFuture<'_, Finished>> = FuturesUnordered::new();
    let (sender, mut news) = mpsc::unbounded::<(usize, Progress)>();
    let mut stop = Box::pin(stop.fuse());
    let mut stopping = false;
    loop {
        while !stopping && outcome.journal_error.is_none() && running.len() < cx.parallelism.max(1) {
            let ready = waiting
                .iter()
                .filter(|(_, after)| after.is_empty())
                .map(|(index, _)| *index);
            // The longest way to the end first.
            let Some(index) = ready.max_by_key(|index| (weights[*index], std::cmp::Reverse(*index))) else {
                break;
            };
            waiting.remove(&index);
            let step = &plan.steps[index];
            let change = changes[&step.address];
            let op = (cx.new_op)();
            let lookup = |reference: &Reference| outputs.get(&reference.address)?.get(&reference.output).cloned();
            let fields: Fields = change
                .desired
                .iter()
                .map(|(name, value)| (name.clone(), value.resolve(&lookup)))
                .collect();
            let intent = Entry::Intent {
                op: op.clone(),
                address: step.address.clone(),
                verb: step.verb,
                fields: without_secrets(&step.address, &fields),
                needs: change.needs.clone(),
                protect: change.protect,
            };
            if let Err(error) = (cx.journal)(&intent) {
                outcome.journal_error = Some(error);
                break;
            }
            (cx.events)(Event::Started {
                address: &step.address,
                verb: step.verb,
            });
            let owner = Owner {
                stack: cx.stack.to_owned(),
                generation: cx.generation.to_owned(),
                address: step.address.clone(),
                op: op.clone(),
            };
            running.insert(
                index,
                Running {
                    op: op.clone(),
                    made: None,
                },
            );
            let sender = sender.clone();
            futures.push(carry_out(cx.cloud, change, step.verb, owner, fields, index, sender).boxed_local());
        }
        if running.is_empty() {
            break;
        }
        futures::select_biased! {
            item = news.next() => {
                let Some((index, progress)) = item else { continue };
                heed(&mut cx, plan, index, &progress, &mut running, &mut outcome);
            }
            finished = futures.next() => {
                let Some(finished) = finished else { continue };
                // A step may tell something and end at once; that it made something must not be lost.
                while let Ok((index, progress)) = news.try_recv() {
                    heed(&mut cx, plan, index, &progress, &mut running, &mut outcome);
                }
                let run = running.remove(&finished.step).expect("it was running");
                finish(&mut cx, plan, finished, run, &mut waiting, &mut outputs, &mut outcome);
            }
            () = stop => {
                stopping = true;
                outcome.stopped = true;
                (cx.events)(Event::Stopping { running: running.len() });
            }
        }
        // What has its id, or can simply be repeated, need not be waited for: the next run goes on with it.
        if stopping {
            let leave = |index: &usize, run: &Running| plan.steps[*index].verb != Verb::Create || run.made.is_some();
            if running.iter().all(|(index, run)| leave(index, run)) {
                break;
            }
        }
    }
    outcome
}

/// Takes in the news of a running step.
fn heed<C: Cloud>(
    cx: &mut Apply<'_, C>,
    plan: &Plan,
    index: usize,
    progress: &Progress,
    running: &mut BTreeMap<usize, Running>,
    outcome: &mut Outcome,
) {
    let Some(run) = running.get_mut(&index) else { return };
    let step = &plan.steps[index];
    if let Progress::Made { id } = progress {
        run.made = Some(id.clone());
        let made = Entry::Made {
            op: run.op.clone(),
            id: id.clone(),
        };
        if let Err(error) = (cx.journal)(&made) {
            outcome.journal_error.get_or_insert(error);
        }
    }
    (cx.events)(Event::Progress {
        address: &step.address,
        verb: step.verb,
        progress,
    });
}

async fn carry_out<C: Cloud>(
    cloud: &C,
    change: &Change,
    verb: Verb,
    owner: Owner,
    fields: Fields,
    step: usize,
    sender: mpsc::UnboundedSender<(usize, Progress)>,
) -> Finished {
    let op = owner.op.clone();
    // The receiver lives as long as the steps; a lost message is only a lost message.
    let report = move |progress: Progress| drop(sender.unbounded_send((step, progress)));
    let unsettled = fields
        .iter()
        .find(|(_, value)| !value.is_known())
        .filter(|_| verb != Verb::Delete);
    let result = match (verb, &change.live) {
        _ if unsettled.is_some() => {
            let (name, value) = unsettled.expect("just found");
            let doing = format!("{} {}", verb.as_str(), change.address);
            let message = format!("`{name}` needs {}, which was not told", value.to_text());
            Err(CloudError::new(Meaning::Failed, doing, message))
        }
        (Verb::Create, _) => cloud.create(&Create { owner, fields }, &report).await.map(Some),
        (Verb::Update, Some(live)) => {
            let changed = changed(change, live, &fields);
            let update = Update {
                owner,
                id: live.id.clone(),
                before: live.clone(),
                fields,
                changed,
            };
            cloud.update(&update, &report).await.map(Some)
        }
        (Verb::Delete, Some(live)) => {
            let delete = Delete {
                owner,
                id: live.id.clone(),
                fields,
            };
            cloud.delete(&delete, &report).await.map(|()| None)
        }
        (Verb::Update | Verb::Delete, None) => unreachable!("planned: only what is live is changed or deleted"),
    };
    Finished { step, op, result }
}

/// Names of the fields that differ now that everything is known.
fn changed(change: &Change, live: &Live, fields: &Fields) -> Vec<String> {
    let schema = change.address.kind.schema();
    let differs = |name: &str| {
        let compare = schema.field(name).map_or(Compare::Exact, |field| field.compare);
        let (before, after) = (
            live.fields.get(name).unwrap_or(&Value::Null),
            fields.get(name).unwrap_or(&Value::Null),
        );
        !normalise::same(compare, before, after)
    };
    change
        .fields
        .iter()
        .map(|field| field.name.clone())
        .filter(|name| differs(name))
        .collect()
}

fn finish<C: Cloud>(
    cx: &mut Apply<'_, C>,
    plan: &Plan,
    finished: Finished,
    run: Running,
    waiting: &mut BTreeMap<usize, BTreeSet<usize>>,
    outputs: &mut BTreeMap<Address, Fields>,
    outcome: &mut Outcome,
) {
    let step = &plan.steps[finished.step];
    let change = plan.change(&step.address).expect("every step has its change");
    let lookup = |reference: &Reference| outputs.get(&reference.address)?.get(&reference.output).cloned();
    let fields: Fields = change
        .desired
        .iter()
        .map(|(name, value)| (name.clone(), value.resolve(&lookup)))
        .collect();
    let kept = without_secrets(&step.address, &fields);
    let entry = match finished.result {
        Ok(live) => {
            let record = live.as_ref().map(|live| {
                outputs.insert(step.address.clone(), offered(change, live, &fields));
                record_of(live, &kept, change.needs.clone(), change.protect)
            });
            if let Some(live) = live {
                outcome.live.insert(step.address.clone(), live);
            }
            for after in waiting.values_mut() {
                after.remove(&finished.step);
            }
            outcome.done.push((step.address.clone(), step.verb));
            (cx.events)(Event::Done {
                address: &step.address,
                verb: step.verb,
            });
            Entry::Done {
                op: finished.op,
                record,
            }
        }
        Err(error) => {
            (cx.events)(Event::Failed {
                address: &step.address,
                verb: step.verb,
                error: &error,
            });
            for skipped in dependents(plan, finished.step) {
                if waiting.remove(&skipped).is_some() {
                    let skipped = &plan.steps[skipped];
                    (cx.events)(Event::Skipped {
                        address: &skipped.address,
                        verb: skipped.verb,
                        cause: &step.address,
                    });
                    outcome
                        .skipped
                        .push((skipped.address.clone(), skipped.verb, step.address.clone()));
                }
            }
            let made = run.made.filter(|_| step.verb == Verb::Create);
            let entry = match (made, step.address.kind.schema().identity) {
                // It exists, though AWS may not show it yet. The next run looks for it before it plans: a plan that
                // does not see it would make another one, or forget it.
                (Some(_), Identity::Assigned | Identity::Named(_)) => Entry::Failed {
                    op: finished.op,
                    message: error.to_string(),
                    open: true,
                },
                // It exists, though it is not finished: ours, and the next plan shows what is missing.
                (Some(id), Identity::Address) => Entry::Adopted {
                    address: step.address.clone(),
                    record: Record {
                        id,
                        fields: kept,
                        outputs: Fields::new(),
                        needs: change.needs.clone(),
                        protect: change.protect,
                    },
                },
                (None, _) => Entry::Failed {
                    op: finished.op,
                    message: error.to_string(),
                    open: step.verb == Verb::Create && effect_unknown(error.meaning),
                },
            };
            outcome.failed.push((step.address.clone(), step.verb, error));
            entry
        }
    };
    if let Err(error) = (cx.journal)(&entry) {
        outcome.journal_error.get_or_insert(error);
    }
}

/// Whether a create that failed so may have made something.
fn effect_unknown(meaning: Meaning) -> bool {
    match meaning {
        Meaning::Unavailable | Meaning::Throttled | Meaning::Busy | Meaning::Failed | Meaning::Cancelled => true,
        Meaning::NotFound
        | Meaning::AlreadyExists
        | Meaning::InUse
        | Meaning::Denied
        | Meaning::Invalid
        | Meaning::Quota
        | Meaning::Unsupported => false,
    }
}

/// What a resource offers to others: what the cloud told, and the fields that are outputs.
fn offered(change: &Change, live: &Live, fields: &Fields) -> Fields {
    let mut outputs = live.outputs.clone();
    for output in change.address.kind.schema().outputs {
        if let Some(value) = output
            .field
            .and_then(|field| fields.get(field))
            .filter(|value| value.is_known())
        {
            outputs.insert(output.name.to_owned(), value.clone());
        }
    }
    outputs
}

pub fn record_of(live: &Live, fields: &Fields, needs: BTreeSet<Address>, protect: bool) -> Record {
    Record {
        id: live.id.clone(),
        fields: fields.clone(),
        outputs: live.outputs.clone(),
        needs,
        protect,
    }
}

pub(crate) fn without_secrets(address: &Address, fields: &Fields) -> Fields {
    let schema = address.kind.schema();
    fields
        .iter()
        .filter(|(name, _)| !schema.field(name).is_some_and(|field| field.secret))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Everything that waits for a step, directly or not.
fn dependents(plan: &Plan, step: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::from([step]);
    loop {
        let more: Vec<usize> = plan
            .steps
            .iter()
            .enumerate()
            .filter(|(index, step)| !found.contains(index) && step.after.iter().any(|after| found.contains(after)))
            .map(|(index, _)| index)
            .collect();
        if more.is_empty() {
            found.remove(&step);
            return found;
        }
        found.extend(more);
    }
}

#[cfg(test)]
mod tests;
