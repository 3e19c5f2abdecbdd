//! Whole lives of stacks against a cloud in memory where everything goes wrong that can: throttling, failures before and
//! after the effect, answers that are lost, objects that are not seen yet or not gone yet, stale and strange states,
//! roles that cannot be taken yet, things held by others, and processes that die at any moment. Every life is made from
//! a seed, so that one that fails can be lived again.
//!
//! What must hold: nothing with our tags is outside the ledger and its open intents; nothing is made twice; running
//! again comes to an end; destroy leaves nothing of ours and all of others'; no secret is written anywhere.

pub mod cloud;
pub mod stacks;

use crate::address::Address;
use crate::apply::{Apply, Event, Outcome, apply, asks, observe, settle};
use crate::cloud::Meaning;
use crate::diagnostic::Span;
use crate::journal::{self, Entry, Ledger, Verb};
use crate::kind::Kind;
use crate::plan::{self, Options, Plan};
use crate::render::{self, Look, Paint};
use crate::stack::Stack;
use crate::value::{Fields, Value};
use cloud::{FakeCloud, Object, Seeded, run};
use futures::future::{FutureExt, LocalBoxFuture};
use stacks::{random_stack, stack};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const GENERATION: &str = "g-1";

/// A machine with a state folder, and a cloud. Processes on it come and go.
struct Site {
    cloud: FakeCloud,
    journal: RefCell<String>,
    ops: Cell<u64>,
    written: Cell<usize>,
    /// What the journal said when the last process was gone.
    known: RefCell<Option<Ledger>>,
    /// Everything that was shown: plans, and what happened.
    shown: RefCell<String>,
    /// Whether somebody else has a name that the stack may want.
    crowded: Cell<bool>,
}

/// When a process dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    Never,
    /// Before the entry of this number is written.
    Before(usize),
    /// After it was written, before anybody knew.
    After(usize),
    /// In the middle of writing it.
    Torn(usize),
    /// After so many turns of the scheduler.
    Turn(usize),
    /// Not dead: told to stop after so many turns.
    Stop(usize),
}

/// How a process ended.
#[derive(Debug)]
enum End {
    Died,
    /// The world said no, before anything was planned.
    Refused,
    Applied {
        empty: bool,
        outcome: Outcome,
    },
}

impl Site {
    fn new(seed: u64) -> Self {
        let opened = Entry::Opened {
            version: journal::VERSION,
            stack: "sim".into(),
            generation: GENERATION.into(),
        };
        Self {
            cloud: FakeCloud::new(seed),
            journal: RefCell::new(opened.to_line("t")),
            ops: Cell::new(0),
            written: Cell::new(0),
            known: RefCell::new(None),
            shown: RefCell::new(String::new()),
            crowded: Cell::new(false),
        }
    }

    /// Writes entries one after the other, while the cloud goes on.
    fn write_all<'a>(
        &'a self,
        entries: Vec<Entry>,
        write: &'a dyn Fn(&Entry) -> Result<(), String>,
    ) -> LocalBoxFuture<'a, Result<(), String>> {
        let writing = async move {
            for entry in &entries {
                self.cloud.pause().await;
                write(entry)?;
            }
            Ok(())
        };
        writing.boxed_local()
    }

    fn ledger(&self) -> Ledger {
        let (entries, length) = journal::read(&self.journal.borrow()).expect("our own journal reads");
        self.journal.borrow_mut().truncate(length);
        Ledger::replay(&entries)
    }

    /// Runs one process: settle, observe, plan, apply. `None` destroys.
    fn process(&self, stack: Option<&Stack>, parallelism: usize, death: Death) -> End {
        self.cloud.world.borrow_mut().dead = false;
        self.written.set(0);
        let turns = Cell::new(0);
        let write = |entry: &Entry| {
            let number = self.written.get();
            self.written.set(number + 1);
            let line = entry.to_line("t");
            let mut world = self.cloud.world.borrow_mut();
            if world.dead {
                return Err("dead".to_owned());
            }
            match death {
                Death::Before(at) if at == number => world.dead = true,
                Death::After(at) if at == number => {
                    world.dead = true;
                    self.journal.borrow_mut().push_str(&line);
                }
                Death::Torn(at) if at == number => {
                    world.dead = true;
                    self.journal.borrow_mut().push_str(&line[..line.len() / 2]);
                }
                _ => self.journal.borrow_mut().push_str(&line),
            }
            match world.dead {
                true => Err("dead".to_owned()),
                false => Ok(()),
            }
        };
        let session = async {
            let known = self.known.take();
            let mut ledger = known.unwrap_or_else(|| self.ledger());
            let mut entries = match settle(&self.cloud, &ledger).await {
                Ok(entries) => entries,
                Err(_) => return End::Refused,
            };
            if let Some(stack) = stack {
                entries.extend(ledger.moves(stack));
            }
            for entry in entries {
                if write(&entry).is_err() {
                    return End::Died;
                }
                ledger.add(&entry);
            }
            let asks = asks(stack.unwrap_or(&nothing()), &ledger);
            let Ok(observed) = observe(&self.cloud, asks).await else {
                return End::Refused;
            };
            let plan = match stack {
                Some(stack) => plan::plan(stack, &observed, &ledger, &Options::default()),
                None => plan::destroy(&nothing(), &observed, &ledger, &Options::default()),
            };
            let mut new_op = || {
                self.ops.set(self.ops.get() + 1);
                format!("op-{}", self.ops.get())
            };
            self.show(&plan);
            let mut order = Vec::new();
            let mut started = |event: Event<'_>| {
                write!(self.shown.borrow_mut(), "{event:?}").expect("string");
                match event {
                    Event::Started { address, verb } => order.push((address.clone(), verb, false)),
                    Event::Done { address, verb } => order.push((address.clone(), verb, true)),
                    _ => {}
                }
            };
            let cx = Apply {
                cloud: &self.cloud,
                stack: "sim",
                generation: GENERATION,
                parallelism,
                new_op: &mut new_op,
                journal: &|entries| self.write_all(entries, &write),
                events: &mut started,
            };
            let stop = async {
                match death {
                    Death::Stop(at) => {
                        futures::future::poll_fn(|context| {
                            context.waker().wake_by_ref();
                            match turns.get() >= at {
                                true => std::task::Poll::Ready(()),
                                false => std::task::Poll::Pending,
                            }
                        })
                        .await;
                    }
                    _ => std::future::pending().await,
                }
            };
            let outcome = apply(cx, &plan, stop).await;
            assert_in_order(&plan, &order);
            if outcome.is_complete() {
                assert_eq!(outcome.done.len(), plan.steps.len(), "a step was forgotten");
            }
            End::Applied {
                empty: plan.is_empty(),
                outcome,
            }
        };
        let end = run(session, || {
            turns.set(turns.get() + 1);
            if matches!(death, Death::Turn(at) if at == turns.get()) {
                self.cloud.world.borrow_mut().dead = true;
            }
            self.cloud.world.borrow().dead
        });
        let end = end.unwrap_or(End::Died);
        self.assert_sound();
        end
    }

    /// Writes down all that people and scripts see of a plan.
    fn show(&self, plan: &Plan) {
        let place = |span: Span| span.start.to_string();
        let look = Look {
            paint: Paint::PLAIN,
            place: &place,
            full: true,
            flat: false,
            local: false,
        };
        let mut shown = self.shown.borrow_mut();
        shown.push_str(&render::plan(plan, &look));
        shown.push_str(&render::json(plan, &place).to_string());
    }

    /// What must hold at every moment, whatever happened.
    fn assert_sound(&self) {
        let ledger = self.ledger();
        let world = self.cloud.world.borrow();
        let shown = self.shown.take();
        for secret in &world.secrets {
            assert!(!shown.contains(secret), "a secret was shown");
            assert!(!self.journal.borrow().contains(secret), "a secret is in the journal");
        }
        let mut seen: BTreeMap<&Address, &str> = BTreeMap::new();
        for (id, object) in &world.objects {
            let Some(owner) = &object.owner else { continue };
            let recorded = ledger.records.values().any(|record| record.id == *id);
            let open = ledger.open.contains_key(&owner.op);
            assert!(recorded || open, "`{id}` of {} is nobody's", owner.address);
            if let Some(other) = seen.insert(&owner.address, id) {
                panic!("{} was made twice: `{other}` and `{id}`", owner.address);
            }
        }
        assert_eq!(world.violations, Vec::<String>::new(), "{}", self.journal.borrow());
        self.known.replace(Some(ledger.clone()));
    }

    fn object(&self, id: &str) -> Object {
        self.cloud.world.borrow().objects[id].clone()
    }

    /// Runs processes without faults until there is nothing to do.
    fn converge(&self, stack: Option<&Stack>) {
        self.cloud.world.borrow_mut().fault_percent = 0;
        for _ in 0..8 {
            if let End::Applied { empty: true, outcome } = self.process(stack, 8, Death::Never) {
                assert!(outcome.is_complete(), "{outcome:?}");
                return;
            }
        }
        let last = self.process(stack, 8, Death::Never);
        // A name that somebody else has can only be said to be taken.
        let taken = |outcome: &Outcome| {
            let others = outcome
                .failed
                .iter()
                .filter(|(.., error)| error.meaning != Meaning::AlreadyExists);
            !outcome.failed.is_empty() && others.count() == 0
        };
        let only_taken = matches!(&last, End::Applied { outcome, .. } if taken(outcome));
        assert!(self.crowded.get() && only_taken, "still something to do: {last:#?}");
    }
}

fn nothing() -> Stack {
    stack("[stack]\nname = \"nothing\"")
}

/// No step begins before all it waits for are done, and no two at one address run at once.
fn assert_in_order(plan: &Plan, order: &[(Address, Verb, bool)]) {
    let position = |address: &Address, verb: Verb, done: bool| {
        order
            .iter()
            .position(|entry| (&entry.0, entry.1, entry.2) == (address, verb, done))
    };
    for step in &plan.steps {
        let Some(started) = position(&step.address, step.verb, false) else {
            continue;
        };
        for after in &step.after {
            let before = &plan.steps[*after];
            let done = position(&before.address, before.verb, true);
            assert!(
                done.is_some_and(|done| done < started),
                "{} began before {}",
                step.address,
                before.address
            );
        }
    }
    let mut busy: BTreeSet<&Address> = BTreeSet::new();
    for (address, _, done) in order {
        match done {
            true => assert!(busy.remove(address)),
            false => assert!(busy.insert(address), "two steps at {address}"),
        }
    }
}

/// Lives one life of a stack: faults and deaths on the way to one text, then to another, then destroyed. Panics when
/// something does not hold that must.
pub fn life(seed: u64) {
    let mut seeded = Seeded(seed);
    let site = Site::new(seeded.number());
    let mut foreign = vec![site.cloud.put(
        Kind::Vpc,
        Fields::from([("cidr".to_owned(), Value::text("10.9.0.0/16"))]),
    )];
    if seeded.chance(20) {
        site.crowded.set(true);
        let (kind, name) = *seeded.pick(&[
            (Kind::Bucket, "sim-lake-0"),
            (Kind::GlueDatabase, "sim-bronze"),
            (Kind::Secret, "sim-token"),
        ]);
        foreign.push(
            site.cloud
                .put(kind, Fields::from([("name".to_owned(), Value::text(name))])),
        );
    }
    let before: Vec<Object> = foreign.iter().map(|id| site.object(id)).collect();
    let texts = [random_stack(seeded.number()), random_stack(seeded.number())];
    for text in &texts {
        let stack = stack(text);
        for _ in 0..seeded.below(4) {
            site.cloud.world.borrow_mut().fault_percent = *seeded.pick(&[0, 5, 20, 40]);
            let death = death(&mut seeded);
            site.process(Some(&stack), 1 + seeded.below(8) as usize, death);
        }
        // Some stacks are given up half made.
        if seeded.chance(30) {
            continue;
        }
        site.converge(Some(&stack));
        for _ in 0..seeded.below(3) {
            let mut world = site.cloud.world.borrow_mut();
            match seeded.chance(50) {
                true => world.lose(&mut seeded),
                false => world.bend(&mut seeded),
            }
        }
        if seeded.chance(50) {
            site.converge(Some(&stack));
        }
    }
    site.cloud.world.borrow_mut().strict = true;
    for _ in 0..seeded.below(3) {
        site.cloud.world.borrow_mut().fault_percent = *seeded.pick(&[0, 20, 40]);
        let death = death(&mut seeded);
        site.process(None, 1 + seeded.below(8) as usize, death);
    }
    site.converge(None);
    let left: BTreeSet<String> = site.cloud.world.borrow().objects.keys().cloned().collect();
    let spared: BTreeSet<String> = foreign.iter().cloned().collect();
    assert_eq!(left, spared, "destroy leaves what is not ours and nothing else");
    let after: Vec<Object> = foreign.iter().map(|id| site.object(id)).collect();
    assert_eq!(after, before, "what is not ours is not changed");
    assert!(site.ledger().records.is_empty());
    assert_eq!(
        site.cloud.world.borrow().rests,
        BTreeSet::new(),
        "something outlived it"
    );
}

/// Kills the process at every entry that it writes, before, after and in the middle of writing it, while a stack is
/// made, turned into another one and destroyed. Returns how many deaths were died.
pub fn deaths(seed: u64) -> usize {
    let mut seeded = Seeded(seed);
    let texts = [random_stack(seeded.number()), random_stack(seeded.number())];
    every_death(seed, &texts.map(|text| stack(&text)))
}

/// The same with stacks that are given.
pub fn every_death(seed: u64, stacks: &[Stack]) -> usize {
    let goals: Vec<Option<&Stack>> = stacks.iter().map(Some).chain([None]).collect();
    let mut count = 0;
    for (at, goal) in goals.iter().enumerate() {
        for number in 0.. {
            let mut died = false;
            for death in [Death::Before(number), Death::After(number), Death::Torn(number)] {
                let site = Site::new(seed);
                goals[..at].iter().for_each(|before| site.converge(*before));
                site.process(*goal, 8, death);
                if site.cloud.world.borrow().dead {
                    died = true;
                    count += 1;
                }
                site.converge(*goal);
                site.converge(None);
                let world = site.cloud.world.borrow();
                assert!(world.objects.is_empty() && world.rests.is_empty(), "{world:?}");
            }
            // There is no entry of this number.
            if !died {
                break;
            }
        }
    }
    count
}

fn death(seeded: &mut Seeded) -> Death {
    let at = seeded.below(60) as usize;
    *seeded.pick(&[
        Death::Never,
        Death::Before(at),
        Death::After(at),
        Death::Torn(at),
        Death::Turn(at * 3),
        Death::Stop(at),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::LAKEHOUSE;

    #[test]
    fn whatever_goes_wrong_nothing_is_lost_or_made_twice() {
        #[expect(clippy::disallowed_methods, reason = "a test may be told how many seeds to run")]
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let (seeds, first) = (
            number("LAKEFORM_SEEDS").unwrap_or(1000),
            number("LAKEFORM_FIRST_SEED").unwrap_or(0),
        );
        let workers = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
        std::thread::scope(|scope| {
            for worker in 0..workers {
                scope.spawn(move || {
                    for seed in (first + worker..first + seeds).step_by(workers as usize) {
                        let result = std::panic::catch_unwind(|| life(seed));
                        assert!(
                            result.is_ok(),
                            "seed {seed} fails; replay with LAKEFORM_FIRST_SEED={seed} LAKEFORM_SEEDS=1"
                        );
                    }
                });
            }
        });
    }

    #[test]
    fn a_process_killed_at_any_entry_of_the_journal_leaves_nothing_behind() {
        let stack = stack(&format!("[stack]\nname = \"sim\"\n{LAKEHOUSE}"));
        let resources = stack.resources.len();
        let count = every_death(0, &[stack]);
        // Made and destroyed, an intent and its end each, three deaths at every entry.
        assert!(count >= 2 * 2 * 3 * resources, "{count}");
        for seed in 0..3 {
            deaths(seed);
        }
    }
}
