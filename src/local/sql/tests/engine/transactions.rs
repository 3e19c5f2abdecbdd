//! Sessions that interleave, against a model of a few lines: committed tables, a snapshot per transaction, and the rule
//! that the second of two who change one table fails with 40001.

use std::collections::BTreeMap;

use lakeform_sql::Session;
use proptest::prelude::*;

use crate::support::{World, session_of, text, world};

const SESSIONS: usize = 3;
const TABLES: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Step {
    Begin,
    Commit,
    Rollback,
    Insert { table: usize, value: i64 },
    Delete { table: usize, value: i64 },
    Update { table: usize, value: i64 },
    Truncate { table: usize },
    Create { table: usize },
    Drop { table: usize },
    Read { table: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let table = 0..TABLES.len();
    let value = 0..4i64;
    prop_oneof![
        4 => Just(Step::Begin),
        3 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        5 => (table.clone(), value.clone()).prop_map(|(table, value)| Step::Insert { table, value }),
        2 => (table.clone(), value.clone()).prop_map(|(table, value)| Step::Delete { table, value }),
        2 => (table.clone(), value).prop_map(|(table, value)| Step::Update { table, value }),
        1 => table.clone().prop_map(|table| Step::Truncate { table }),
        1 => table.clone().prop_map(|table| Step::Create { table }),
        1 => table.clone().prop_map(|table| Step::Drop { table }),
        4 => table.prop_map(|table| Step::Read { table }),
    ]
}

/// A table: which one of its name it is and which change of it, and its sorted values.
#[derive(Clone, Debug, PartialEq)]
struct Table {
    id: u64,
    version: u64,
    values: Vec<i64>,
}

type Tables = BTreeMap<usize, Table>;

#[derive(Clone, Debug, Default)]
struct Transaction {
    base: Tables,
    work: Tables,
    failed: bool,
}

#[derive(Debug, Default)]
struct Model {
    committed: Tables,
    open: Vec<Option<Transaction>>,
    /// Which session holds a table's lock.
    locks: BTreeMap<u64, usize>,
    next: u64,
}

/// What a statement should do: its rows, or the state it fails with.
type Expected = Result<Option<Vec<i64>>, &'static str>;

impl Model {
    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Whether a statement would wait for another session, which a single-threaded test cannot.
    fn waits(&self, session: usize, step: &Step) -> bool {
        let (Step::Insert { table, .. }
        | Step::Delete { table, .. }
        | Step::Update { table, .. }
        | Step::Truncate { table }
        | Step::Drop { table }) = step
        else {
            return false;
        };
        let view = self.open[session].as_ref().map_or(&self.committed, |open| &open.work);
        let found = view.get(table).and_then(|table| self.locks.get(&table.id));
        found.is_some_and(|holder| *holder != session)
    }

    fn run(&mut self, session: usize, step: &Step) -> Expected {
        match step {
            Step::Begin => {
                if self.open[session].is_none() {
                    self.open[session] = Some(Transaction {
                        base: self.committed.clone(),
                        work: self.committed.clone(),
                        failed: false,
                    });
                } else if self.open[session].as_ref().is_some_and(|open| open.failed) {
                    return Err("25P02");
                }
                Ok(None)
            }
            Step::Rollback => {
                self.open[session] = None;
                self.unlock(session);
                Ok(None)
            }
            Step::Commit => {
                let result = match self.open[session].take() {
                    Some(open) if !open.failed => self.commit(&open),
                    _ => Ok(None),
                };
                self.unlock(session);
                result
            }
            step => {
                let block = self.open[session].is_some();
                let mut open = self.open[session].take().unwrap_or_else(|| Transaction {
                    base: self.committed.clone(),
                    work: self.committed.clone(),
                    failed: false,
                });
                if open.failed {
                    self.open[session] = Some(open);
                    return Err("25P02");
                }
                let mut result = self.change(session, &mut open, step);
                if matches!(step, Step::Truncate { .. }) && result.is_ok() {
                    // TRUNCATE commits what the transaction did so far, and the block goes on with a new snapshot.
                    result = self.commit(&open);
                    self.unlock(session);
                    open.base = self.committed.clone();
                    open.work = self.committed.clone();
                    if result.is_err() {
                        // The engine has given the transaction up.
                        self.open[session] = None;
                        return result;
                    }
                }
                if block {
                    open.failed = result.is_err();
                    self.open[session] = Some(open);
                    return result;
                }
                let result = result.and_then(|rows| self.commit(&open).map(|_| rows));
                self.unlock(session);
                result
            }
        }
    }

    fn change(&mut self, session: usize, open: &mut Transaction, step: &Step) -> Expected {
        let table = match step {
            Step::Create { table } => {
                if open.work.contains_key(table) {
                    return Err("42P07");
                }
                let made = Table {
                    id: self.fresh(),
                    version: 0,
                    values: Vec::new(),
                };
                open.work.insert(*table, made);
                return Ok(None);
            }
            Step::Insert { table, .. }
            | Step::Delete { table, .. }
            | Step::Update { table, .. }
            | Step::Truncate { table }
            | Step::Drop { table }
            | Step::Read { table } => table,
            _ => return Ok(None),
        };
        let Some(found) = open.work.get(table).cloned() else {
            return Err("42P01");
        };
        if matches!(step, Step::Read { .. }) {
            return Ok(Some(found.values));
        }
        // The lock comes first: one who fails here holds it until the end of the block.
        self.locks.insert(found.id, session);
        let committed = self.committed.values().find(|table| table.id == found.id);
        let base = open.base.values().find(|table| table.id == found.id);
        if base.map(|table| table.version) != committed.map(|table| table.version) {
            return Err("40001");
        }
        let version = self.fresh();
        let changed = match step {
            Step::Drop { .. } => {
                open.work.remove(table);
                return Ok(None);
            }
            Step::Insert { value, .. } => {
                let mut values = found.values.clone();
                values.push(*value);
                values
            }
            Step::Delete { value, .. } => found.values.iter().copied().filter(|kept| kept != value).collect(),
            Step::Update { value, .. } => found
                .values
                .iter()
                .map(|old| if old == value { old + 10 } else { *old })
                .collect(),
            _ => Vec::new(),
        };
        let same = changed == found.values && !matches!(step, Step::Insert { .. } | Step::Truncate { .. });
        let mut changed = changed;
        changed.sort_unstable();
        open.work.insert(
            *table,
            Table {
                id: found.id,
                version: if same { found.version } else { version },
                values: changed,
            },
        );
        Ok(None)
    }

    fn commit(&mut self, open: &Transaction) -> Expected {
        let committed = |id: u64| {
            self.committed
                .values()
                .find(|table| table.id == id)
                .map(|table| table.version)
        };
        let base = |id: u64| {
            open.base
                .values()
                .find(|table| table.id == id)
                .map(|table| table.version)
        };
        let mut next = self.committed.clone();
        for table in open.base.values() {
            if !open.work.values().any(|kept| kept.id == table.id) {
                if committed(table.id) != Some(table.version) {
                    return Err("40001");
                }
                next.retain(|_, kept| kept.id != table.id);
            }
        }
        for (name, table) in &open.work {
            if base(table.id) == Some(table.version) {
                continue;
            }
            if committed(table.id) != base(table.id) {
                return Err("40001");
            }
            if next.get(name).is_some_and(|other| other.id != table.id) {
                return Err("42P07");
            }
            next.insert(*name, table.clone());
        }
        self.committed = next;
        Ok(None)
    }

    fn unlock(&mut self, session: usize) {
        self.locks.retain(|_, holder| *holder != session);
    }
}

fn sql(step: &Step) -> String {
    match step {
        Step::Begin => "begin".into(),
        Step::Commit => "commit".into(),
        Step::Rollback => "rollback".into(),
        Step::Insert { table, value } => format!("insert into {} values ({value})", TABLES[*table]),
        Step::Delete { table, value } => format!("delete from {} where n = {value}", TABLES[*table]),
        Step::Update { table, value } => format!("update {} set n = n + 10 where n = {value}", TABLES[*table]),
        Step::Truncate { table } => format!("truncate {}", TABLES[*table]),
        Step::Create { table } => format!("create table {} (n int)", TABLES[*table]),
        Step::Drop { table } => format!("drop table {}", TABLES[*table]),
        Step::Read { table } => format!("select n from {} order by n", TABLES[*table]),
    }
}

async fn check(steps: &[(usize, Step)]) -> Result<(), TestCaseError> {
    let world: World = world();
    let mut sessions: Vec<Session> = (0..SESSIONS).map(|_| session_of(&world.engine)).collect();
    let mut model = Model {
        open: vec![None; SESSIONS],
        ..Model::default()
    };
    let mut said = Vec::new();
    for (session, step) in steps {
        if model.waits(*session, step) {
            continue;
        }
        let statement = sql(step);
        said.push(format!("{session}: {statement}"));
        let expected = match model.run(*session, step) {
            Ok(None) => "done".to_string(),
            Ok(Some(values)) => format!("{values:?}"),
            Err(state) => state.to_string(),
        };
        let got = match sessions[*session].run(&statement, &[]).await {
            Ok(outcomes) if matches!(step, Step::Read { .. }) => {
                format!("[{}]", text(outcomes.last().unwrap()).join(", "))
            }
            Ok(_) => "done".to_string(),
            Err(error) => error.sqlstate,
        };
        prop_assert_eq!(got, expected, "{}", said.join("\n"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn sessions_see_what_a_trivial_model_says(steps in prop::collection::vec((0..SESSIONS, step()), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&steps))?;
    }
}
