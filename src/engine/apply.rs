//! Carries a plan out: each step when what it waits for is done, an entry in the journal before and after. One task,
//! no locks, no clock. A failure stops only what depends on it.
//!
//! While entries are being written, steps go on; what becomes due meanwhile is written together, next. So a journal
//! that is slow costs a write for all who wait, not one for each.

use crate::address::{Address, Reference};
use crate::cloud::{Ask, Cloud, CloudError, Create, Delete, Live, Meaning, Owner, Progress, Sought, Update};
use crate::graph;
use crate::journal::{Entry, Ledger, Open, Record, Verb};
use crate::kind::Kind;
use crate::normalise;
use crate::plan::{self, Action, Change, Plan, Step};
use crate::schema::{Compare, Identity};
use crate::stack::Stack;
use crate::value::{Fields, Value};
use futures::channel::mpsc;
use futures::future::{Fuse, FusedFuture, FutureExt, LocalBoxFuture, try_join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use std::cmp::Reverse;
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
    /// Writes entries, in order, so that they survive whatever happens next. Whoever dies in the middle leaves the
    /// first few of them. One write is under way at a time.
    pub journal: &'a dyn Fn(Vec<Entry>) -> LocalBoxFuture<'a, Result<(), String>>,
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

/// Closes what earlier runs left open: looks up what interrupted creates made, one request per kind, all at once, and
/// takes it over. Returns the entries that say so; the caller writes them when it holds the lock.
pub async fn settle<C: Cloud>(cloud: &C, ledger: &Ledger) -> Result<Vec<Entry>, CloudError> {
    let mut creates: BTreeMap<Kind, Vec<&Open>> = BTreeMap::new();
    for open in ledger.open.values().filter(|open| open.verb == Verb::Create) {
        creates.entry(open.address.kind).or_default().push(open);
    }
    let finds = creates.into_iter().map(async |(kind, opens)| {
        let sought: Vec<Sought> = opens.iter().map(|open| sought(ledger, open)).collect();
        let lives = cloud.find(kind, &sought).await?;
        Ok::<_, CloudError>(opens.into_iter().map(|open| &open.op).zip(lives).collect::<Vec<_>>())
    });
    let found: BTreeMap<&String, Option<Live>> = try_join_all(finds).await?.into_iter().flatten().collect();
    let closed = |open: &Open| {
        let failed = |message: &str| Entry::Failed {
            op: open.op.clone(),
            message: message.into(),
            open: false,
        };
        match found.get(&open.op) {
            Some(Some(live)) => Entry::Done {
                op: open.op.clone(),
                record: Some(record_of(live, &open.fields, open.needs.clone(), open.protect)),
            },
            Some(None) => failed("interrupted before it had an effect"),
            // A change or a deletion: whatever it did is seen by the next read.
            None => failed("interrupted"),
        }
    };
    Ok(ledger.open.values().map(closed).collect())
}

fn sought(ledger: &Ledger, open: &Open) -> Sought {
    Sought {
        owner: Owner {
            stack: ledger.stack.clone(),
            generation: ledger.generation.clone(),
            address: open.address.clone(),
            op: open.op.clone(),
        },
        ask: Ask {
            address: open.address.clone(),
            id: open.id.clone(),
            fields: open.fields.clone(),
            record: None,
        },
    }
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
    let mut by_kind: BTreeMap<Kind, Vec<Ask>> = BTreeMap::new();
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

/// Carries out `plan`. `stop` resolving means: begin nothing more, end what can be ended, return.
pub async fn apply<'a, C: Cloud>(cx: Apply<'a, C>, plan: &'a Plan, stop: impl Future<Output = ()>) -> Outcome {
    let (cloud, journal) = (cx.cloud, cx.journal);
    let mut run = Run::new(cx, plan);
    let gone = plan.changes.iter().filter(|change| change.action == Action::Forget);
    let forgotten = gone.map(|change| Entry::Forgot {
        address: change.address.clone(),
    });
    run.due.entries = plan.entries.iter().cloned().chain(forgotten).collect();
    let mut steps: FuturesUnordered<LocalBoxFuture<'_, Finished>> = FuturesUnordered::new();
    let mut writing: Fuse<LocalBoxFuture<'_, Result<(), String>>> = Fuse::terminated();
    let mut written = Batch::default();
    let (sender, mut news) = mpsc::unbounded::<(usize, Progress)>();
    let mut stop = Box::pin(stop.fuse());
    loop {
        if writing.is_terminated() {
            run.choose();
            if !run.due.entries.is_empty() {
                written = std::mem::take(&mut run.due);
                writing = journal(std::mem::take(&mut written.entries)).fuse();
            } else if run.may_leave() {
                return run.outcome;
            }
        }
        futures::select_biased! {
            item = news.next() => {
                if let Some((index, progress)) = item {
                    run.heed(index, &progress);
                }
            }
            finished = steps.select_next_some() => {
                // A step may tell something and end at once; that it made something must not be lost.
                while let Ok((index, progress)) = news.try_recv() {
                    run.heed(index, &progress);
                }
                run.finish(finished);
            }
            result = writing => {
                for index in run.wrote(std::mem::take(&mut written), result) {
                    let (change, step) = (run.changes[&plan.steps[index].address], &plan.steps[index]);
                    let (owner, fields) = (run.owner(index), run.running[&index].fields.clone());
                    let step = carry_out(cloud, change, step.verb, owner, fields, index, sender.clone());
                    steps.push(step.boxed_local());
                }
            }
            () = stop => run.stop(),
        }
    }
}

/// A plan on its way.
struct Run<'a, C: Cloud> {
    cx: Apply<'a, C>,
    plan: &'a Plan,
    changes: BTreeMap<&'a Address, &'a Change>,
    weights: Vec<u64>,
    /// What waits for each step, and for how many steps each still waits.
    followers: Vec<Vec<usize>>,
    waits: Vec<usize>,
    /// Steps that wait for nothing, the longest way to the end first.
    ready: BTreeSet<(Reverse<u64>, usize)>,
    running: BTreeMap<usize, Running>,
    skipped: BTreeSet<usize>,
    outputs: BTreeMap<Address, Fields>,
    due: Batch,
    outcome: Outcome,
}

/// A step under way, from when its intent is due.
struct Running {
    op: String,
    fields: Fields,
    made: Option<String>,
}

/// What is written together.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    /// Steps whose intent is among them: they begin when it is written.
    begun: Vec<usize>,
}

struct Finished {
    step: usize,
    result: Result<Option<Live>, CloudError>,
}

impl<'a, C: Cloud> Run<'a, C> {
    fn new(cx: Apply<'a, C>, plan: &'a Plan) -> Self {
        let outputs = plan.changes.iter().filter_map(|change| {
            let live = change.live.as_ref()?;
            Some((change.address.clone(), offered(change, live, &change.desired)))
        });
        let mut followers = vec![Vec::new(); plan.steps.len()];
        for (index, step) in plan.steps.iter().enumerate() {
            step.after.iter().for_each(|after| followers[*after].push(index));
        }
        let mut run = Self {
            plan,
            changes: plan.changes.iter().map(|change| (&change.address, change)).collect(),
            weights: plan::weights(plan),
            followers,
            waits: plan.steps.iter().map(|step| step.after.len()).collect(),
            ready: BTreeSet::new(),
            running: BTreeMap::new(),
            skipped: BTreeSet::new(),
            outputs: outputs.collect(),
            due: Batch::default(),
            outcome: Outcome::default(),
            cx,
        };
        (0..plan.steps.len()).for_each(|index| run.note_ready(index));
        run
    }

    fn note_ready(&mut self, index: usize) {
        if self.waits[index] == 0 {
            self.ready.insert((Reverse(self.weights[index]), index));
        }
    }

    /// Chooses what begins next; the intents are due.
    fn choose(&mut self) {
        while !self.outcome.stopped
            && self.outcome.journal_error.is_none()
            && self.running.len() < self.cx.parallelism.max(1)
            && let Some((_, index)) = self.ready.pop_first()
        {
            let step = &self.plan.steps[index];
            let change = self.changes[&step.address];
            let op = (self.cx.new_op)();
            let lookup = |reference: &Reference| self.outputs.get(&reference.address)?.get(&reference.output).cloned();
            let fields: Fields = change
                .desired
                .iter()
                .map(|(name, value)| (name.clone(), value.resolve(&lookup)))
                .collect();
            self.due.entries.push(Entry::Intent {
                op: op.clone(),
                address: step.address.clone(),
                verb: step.verb,
                fields: without_secrets(&step.address, &fields),
                needs: change.needs.clone(),
                protect: change.protect,
            });
            self.due.begun.push(index);
            let made = None;
            self.running.insert(index, Running { op, fields, made });
        }
    }

    /// Takes in how a write ended; returns the steps that begin now.
    fn wrote(&mut self, batch: Batch, result: Result<(), String>) -> Vec<usize> {
        if let Err(error) = result {
            self.outcome.journal_error.get_or_insert(error);
            batch.begun.iter().for_each(|index| drop(self.running.remove(index)));
            return Vec::new();
        }
        if self.outcome.stopped {
            // Told to stop while it was being written: nothing has been asked of the cloud.
            for index in batch.begun {
                let running = self.running.remove(&index).expect("it was chosen");
                self.due.entries.push(Entry::Failed {
                    op: running.op,
                    message: "stopped before it began".into(),
                    open: false,
                });
            }
            return Vec::new();
        }
        for index in &batch.begun {
            let Step { address, verb, .. } = &self.plan.steps[*index];
            (self.cx.events)(Event::Started { address, verb: *verb });
        }
        batch.begun
    }

    fn owner(&self, index: usize) -> Owner {
        Owner {
            stack: self.cx.stack.to_owned(),
            generation: self.cx.generation.to_owned(),
            address: self.plan.steps[index].address.clone(),
            op: self.running[&index].op.clone(),
        }
    }

    fn stop(&mut self) {
        self.outcome.stopped = true;
        let running = self.running.len();
        (self.cx.events)(Event::Stopping { running });
    }

    /// Whether nothing has to be waited for. What has its id, or can simply be repeated, is left when told to stop: the
    /// next run goes on with it.
    fn may_leave(&self) -> bool {
        let left = |(index, running): (&usize, &Running)| {
            self.plan.steps[*index].verb != Verb::Create || running.made.is_some()
        };
        self.running.is_empty() || self.outcome.stopped && self.running.iter().all(left)
    }

    /// Takes in the news of a running step.
    fn heed(&mut self, index: usize, progress: &Progress) {
        let Some(running) = self.running.get_mut(&index) else {
            return;
        };
        if let Progress::Made { id } = progress {
            running.made = Some(id.clone());
            self.due.entries.push(Entry::Made {
                op: running.op.clone(),
                id: id.clone(),
            });
        }
        let Step { address, verb, .. } = &self.plan.steps[index];
        let verb = *verb;
        (self.cx.events)(Event::Progress {
            address,
            verb,
            progress,
        });
    }

    /// Takes in the end of a step; what tells of it is due.
    fn finish(&mut self, finished: Finished) {
        let index = finished.step;
        let running = self.running.remove(&index).expect("it was running");
        let entry = match finished.result {
            Ok(live) => self.done(index, running, live),
            Err(error) => self.failed(index, running, error),
        };
        self.due.entries.push(entry);
    }

    fn done(&mut self, index: usize, running: Running, live: Option<Live>) -> Entry {
        let Step { address, verb, .. } = &self.plan.steps[index];
        let change = self.changes[address];
        let record = live.as_ref().map(|live| {
            let kept = without_secrets(address, &running.fields);
            record_of(live, &kept, change.needs.clone(), change.protect)
        });
        if let Some(live) = live {
            self.outputs
                .insert(address.clone(), offered(change, &live, &running.fields));
            self.outcome.live.insert(address.clone(), live);
        }
        // Their intents are written behind this end or later, so none begins before it is there.
        for follower in std::mem::take(&mut self.followers[index]) {
            self.waits[follower] -= 1;
            self.note_ready(follower);
        }
        self.outcome.done.push((address.clone(), *verb));
        (self.cx.events)(Event::Done { address, verb: *verb });
        Entry::Done { op: running.op, record }
    }

    fn failed(&mut self, index: usize, running: Running, error: CloudError) -> Entry {
        let Step { address, verb, .. } = &self.plan.steps[index];
        let verb = *verb;
        (self.cx.events)(Event::Failed {
            address,
            verb,
            error: &error,
        });
        self.skip_followers(index);
        let change = self.changes[address];
        let (op, message) = (running.op, error.to_string());
        let entry = match (
            running.made.filter(|_| verb == Verb::Create),
            address.kind.schema().identity,
        ) {
            // It exists, though AWS may not show it yet. The next run looks for it before it plans: a plan that
            // does not see it would make another one, or forget it.
            (Some(_), Identity::Assigned | Identity::Named(_)) => Entry::Failed {
                op,
                message,
                open: true,
            },
            // It exists, though it is not finished: ours, and the next plan shows what is missing.
            (Some(id), Identity::Address) => Entry::Adopted {
                address: address.clone(),
                record: Record {
                    id,
                    fields: without_secrets(address, &running.fields),
                    outputs: Fields::new(),
                    needs: change.needs.clone(),
                    protect: change.protect,
                },
            },
            (None, _) => Entry::Failed {
                op,
                message,
                open: verb == Verb::Create && effect_unknown(error.meaning),
            },
        };
        self.outcome.failed.push((address.clone(), verb, error));
        entry
    }

    /// Gives up everything that waits for a step, directly or not.
    fn skip_followers(&mut self, index: usize) {
        let mut found = BTreeSet::new();
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            let new = self.followers[index].iter().filter(|follower| found.insert(**follower));
            open.extend(new);
        }
        let cause = &self.plan.steps[index].address;
        for follower in found.into_iter().filter(|follower| self.skipped.insert(*follower)) {
            let Step { address, verb, .. } = &self.plan.steps[follower];
            let verb = *verb;
            (self.cx.events)(Event::Skipped { address, verb, cause });
            self.outcome.skipped.push((address.clone(), verb, cause.clone()));
        }
    }
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
    Finished { step, result }
}

/// Names of the fields that differ now that everything is known.
fn changed(change: &Change, live: &Live, fields: &Fields) -> Vec<String> {
    let schema = change.address.kind.schema();
    let renamed = live.owner.as_ref().is_some_and(|owner| owner.address != change.address)
        && !change.fields.iter().any(|field| field.name == "tags");
    let differs = |name: &str| {
        let compare = schema.field(name).map_or(Compare::Exact, |field| field.compare);
        if compare == Compare::Ledger {
            // Nobody but the ledger knows what it was, and the plan has asked that.
            return true;
        }
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
        .chain(renamed.then(|| "tags".to_owned()))
        .collect()
}

/// Whether a create that failed so may have made something.
fn effect_unknown(meaning: Meaning) -> bool {
    match meaning {
        Meaning::Unavailable | Meaning::Throttled | Meaning::Busy | Meaning::Failed | Meaning::Cancelled => true,
        // It may be ours: an answer was lost, the request was sent again, and what the first made is not shown yet.
        Meaning::AlreadyExists => true,
        Meaning::NotFound
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

#[cfg(test)]
mod tests;
