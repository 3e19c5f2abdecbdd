//! One engine per cluster or workgroup: the committed catalog, the warehouse on disk, table locks, the planner's
//! settings. Sessions do the work.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::ScalarUDF;
use datafusion::optimizer::Optimizer;
use datafusion::prelude::SessionConfig;
use tokio::sync::Notify;

use crate::catalog::{Catalog, Database, FIRST_OID, Oid, Schema, User};
use crate::durable::Watch;
use crate::error::{Result, SqlError};
use crate::functions;
use crate::lake::Lake;
use crate::memory::{self, SharedMemory};
use crate::session::{Session, SessionOptions, Signals};
use crate::store::{Store, segment_ids};
use crate::system::history::History;

/// What a new warehouse starts with.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The first database, `dev` unless the cluster says otherwise.
    pub database: String,
    /// The superuser that owns everything at first.
    pub admin: String,
    /// What `current_namespace` and its like report.
    pub identifier: String,
    /// Bytes that queries may use together.
    pub memory: usize,
    /// Tasks per query.
    pub parallelism: usize,
    /// Looks at the disk whenever something becomes durable.
    pub watch: Watch,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            database: "dev".into(),
            admin: "awsuser".into(),
            identifier: "local".into(),
            memory: memory_for_queries(),
            parallelism: std::thread::available_parallelism().map_or(2, usize::from),
            watch: Watch::default(),
        }
    }
}

#[derive(Debug)]
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) lake: Arc<dyn Lake>,
    pub(crate) options: EngineOptions,
    pub(crate) planner: Arc<SessionState>,
    pub(crate) history: History,
    pub(crate) sessions: Mutex<HashMap<u32, Arc<Signals>>>,
    catalog: RwLock<Arc<Catalog>>,
    commits: Mutex<()>,
    locks: Mutex<BTreeMap<Oid, u32>>,
    released: Notify,
    /// Which table a waiting session wants, to see deadlocks.
    waiting: Mutex<BTreeMap<u32, Oid>>,
    next_oid: AtomicU32,
    next_segment: Arc<AtomicU64>,
    next_session: AtomicU32,
}

impl Engine {
    /// Opens a warehouse, creating it when the directory is new.
    pub fn open(dir: &Path, lake: Arc<dyn Lake>, options: EngineOptions) -> Result<Arc<Self>> {
        // The object store under it reads a relative path as one from the root.
        let dir = &std::path::absolute(dir)?;
        std::fs::create_dir_all(dir)?;
        let (store, mut catalog) = Store::open(dir, &options.watch)?;
        if catalog.databases.is_empty() {
            let empty = catalog.clone();
            first_entries(&mut catalog, &options);
            store.commit(&empty, &catalog)?;
        }
        let highest = [
            catalog.databases.keys().last(),
            catalog.schemas.keys().last(),
            catalog.relations.keys().last(),
            catalog.users.keys().last(),
            catalog.groups.keys().last(),
        ]
        .into_iter()
        .flatten()
        .copied()
        .max()
        .unwrap_or(FIRST_OID);
        let next_segment = segment_ids(&catalog).last().map_or(1, |last| last + 1);
        let planner = Arc::new(planner_state(&options, &dir.join("spill"))?);
        Ok(Arc::new(Self {
            store,
            lake,
            options,
            planner,
            history: History::default(),
            sessions: Mutex::default(),
            catalog: RwLock::new(Arc::new(catalog)),
            commits: Mutex::new(()),
            locks: Mutex::default(),
            released: Notify::new(),
            waiting: Mutex::default(),
            next_oid: AtomicU32::new(highest + 1),
            next_segment: Arc::new(AtomicU64::new(next_segment)),
            next_session: AtomicU32::new(1000),
        }))
    }

    /// Starts a session. The user has been authenticated by the caller; one that the catalog does not know yet is
    /// created, as `GetClusterCredentials` with `AutoCreate` does.
    pub fn session(self: &Arc<Self>, options: SessionOptions) -> Result<Session> {
        Session::start(self.clone(), options)
    }

    pub fn databases(&self) -> Vec<String> {
        self.current()
            .databases
            .values()
            .map(|database| database.name.clone())
            .collect()
    }

    /// Returns the stored md5 password of a user, for logins.
    pub fn password_of(&self, user: &str) -> Option<String> {
        self.current().user(user).and_then(|user| user.password.clone())
    }

    pub(crate) fn current(&self) -> Arc<Catalog> {
        self.catalog
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn new_oid(&self) -> Oid {
        self.next_oid.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn new_session_id(&self) -> u32 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn segment_ids(&self) -> impl Fn() -> u64 + Send + 'static {
        let next = self.next_segment.clone();
        move || next.fetch_add(1, Ordering::Relaxed)
    }

    /// Interrupts what a session is running.
    pub fn cancel(&self, session: u32) -> bool {
        self.signals_of(session).inspect(|signals| signals.cancel()).is_some()
    }

    /// Returns the way to reach a session from outside.
    pub(crate) fn signals_of(&self, session: u32) -> Option<Arc<Signals>> {
        let sessions = self.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sessions.get(&session).cloned()
    }

    /// Makes a transaction's work durable and visible, or fails because another transaction got there first.
    pub(crate) fn commit(&self, base: &Arc<Catalog>, work: &Catalog) -> Result<()> {
        let _one_at_a_time = self.commits.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let current = self.current();
        let next = merge(base, work, &current)?;
        // From here the new files must outlive this process; should the commit fail, the next start sweeps them.
        for segment in next
            .relations
            .values()
            .filter_map(|relation| relation.table())
            .flat_map(|table| &table.segments)
        {
            if let Some(file) = &segment.file {
                file.set_keep(true);
            }
        }
        self.store.commit(&current, &next)?;
        let kept = segment_ids(&next);
        for segment in current
            .relations
            .values()
            .filter_map(|relation| relation.table())
            .flat_map(|table| &table.segments)
        {
            if let Some(file) = segment.file.as_ref().filter(|_| !kept.contains(&segment.id)) {
                file.set_keep(false);
            }
        }
        *self.catalog.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// Takes the write lock of a table for a session, waiting for its holder.
    pub(crate) async fn lock(&self, session: u32, table: Oid) -> Result<()> {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            {
                let mut locks = self.locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                match locks.get(&table) {
                    None => {
                        locks.insert(table, session);
                        waiting.remove(&session);
                        return Ok(());
                    }
                    Some(holder) if *holder == session => {
                        waiting.remove(&session);
                        return Ok(());
                    }
                    Some(holder) => {
                        if waits_for(*holder, session, &locks, &waiting) {
                            waiting.remove(&session);
                            return Err(SqlError::new("40P01", "deadlock detected"));
                        }
                        waiting.insert(session, table);
                    }
                }
            }
            released.await;
        }
    }

    pub(crate) fn unlock_all(&self, session: u32) {
        self.locks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .retain(|_, holder| *holder != session);
        self.waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&session);
        self.released.notify_waiters();
    }
}

/// Whether `from` waits, through any chain of holders, for `to`.
fn waits_for(from: u32, to: u32, locks: &BTreeMap<Oid, u32>, waiting: &BTreeMap<u32, Oid>) -> bool {
    let mut at = from;
    for _ in 0..=waiting.len() {
        if at == to {
            return true;
        }
        match waiting.get(&at).and_then(|table| locks.get(table)) {
            Some(next) => at = *next,
            None => return false,
        }
    }
    false
}

fn first_entries(catalog: &mut Catalog, options: &EngineOptions) {
    let admin = 100;
    catalog.users.insert(
        1,
        Arc::new(User {
            oid: 1,
            name: "rdsdb".into(),
            password: None,
            superuser: true,
            createdb: true,
            settings: BTreeMap::new(),
        }),
    );
    catalog.users.insert(
        admin,
        Arc::new(User {
            oid: admin,
            name: options.admin.clone(),
            password: None,
            superuser: true,
            createdb: true,
            settings: BTreeMap::new(),
        }),
    );
    catalog.databases.insert(
        FIRST_OID,
        Arc::new(Database {
            oid: FIRST_OID,
            name: options.database.clone(),
            owner: admin,
        }),
    );
    catalog
        .schemas
        .insert(FIRST_OID + 1, Arc::new(public_schema(FIRST_OID + 1, FIRST_OID)));
}

pub(crate) fn public_schema(oid: Oid, database: Oid) -> Schema {
    Schema {
        oid,
        database,
        name: "public".into(),
        owner: 1,
        external: None,
        comment: None,
        grants: vec![
            crate::catalog::Grant {
                grantee: crate::catalog::Grantee::Public,
                privilege: "usage".into(),
                with_option: false,
            },
            crate::catalog::Grant {
                grantee: crate::catalog::Grantee::Public,
                privilege: "create".into(),
                with_option: false,
            },
        ],
        temporary: false,
    }
}

/// Returns what all queries may use together when nobody says: half of this machine's memory, or of what its container
/// may have.
fn memory_for_queries() -> usize {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(number(line.trim_end_matches("kB"))? << 10)
    });
    let allowed = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let allowed = allowed.and_then(|text| number(&text));
    match (total, allowed) {
        (Some(total), Some(allowed)) => total.min(allowed) / 2,
        (Some(total), None) => total / 2,
        _ => 2 << 30,
    }
}

/// What a row is taken to need, in bytes.
const ROW: usize = 512;

/// Returns how many rows move at once. Whatever merges sorted runs holds several batches of each, so little memory
/// means short ones.
fn rows_per_batch(options: &EngineOptions) -> usize {
    let batches = 32 * options.parallelism.max(1);
    (options.memory / batches / ROW).clamp(128, 8192)
}

/// Returns how many sorted runs are merged at once. A merge takes as much memory as there is for the four batches of each
/// run; so much that all merges of a query have room in what the pool keeps back for them.
fn runs_per_merge(options: &EngineOptions) -> usize {
    let run = 4 * rows_per_batch(options) * ROW;
    let merge = memory::for_merges(options.memory) / options.parallelism.max(1);
    (merge / run).clamp(2, 64)
}

fn planner_state(options: &EngineOptions, spill: &Path) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_target_partitions(options.parallelism.max(1))
        .with_batch_size(rows_per_batch(options))
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    let settings = config.options_mut();
    settings.sql_parser.parse_float_as_decimal = true;
    settings.sql_parser.map_string_types_to_utf8view = false;
    settings.sql_parser.enable_ident_normalization = false;
    settings.execution.parquet.schema_force_view_types = false;
    settings.execution.time_zone = Some("UTC".into());
    // The pool keeps back what sorts need for merging, so that they need not do it one by one.
    settings.execution.sort_spill_reservation_bytes = 0;
    // What a crash left there is of no use to anyone.
    drop(std::fs::remove_dir_all(spill));
    std::fs::create_dir_all(spill)?;
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![spill.to_path_buf()]))
        .with_max_spill_merge_fan_in(runs_per_merge(options));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(SharedMemory::new(options.memory)))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    // This rule loses the precision of a decimal sum that stands beside a distinct count.
    let rules = Optimizer::new()
        .rules
        .into_iter()
        .filter(|rule| rule.name() != "single_distinct_aggregation_to_group_by")
        .collect();
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_optimizer_rules(rules)
        .build();
    let coalesce = state.scalar_functions().get("coalesce").cloned();
    let coalesce = coalesce.map(|planners| Arc::new(ScalarUDF::new_from_impl(functions::Coalesce(planners))));
    for function in functions::all().into_iter().chain(coalesce) {
        datafusion::execution::FunctionRegistry::register_udf(&mut state, function)?;
    }
    datafusion::execution::FunctionRegistry::register_udaf(&mut state, functions::sum())?;
    Ok(state)
}

/// Applies what `work` changed since `base` to `current`.
fn merge(base: &Catalog, work: &Catalog, current: &Arc<Catalog>) -> Result<Catalog> {
    let mut next = current.as_ref().clone();
    for (oid, relation) in work.relations.iter().filter(|(_, relation)| !relation.temporary) {
        if base
            .relations
            .get(oid)
            .is_some_and(|before| Arc::ptr_eq(before, relation))
        {
            continue;
        }
        same(base.relations.get(oid), current.relations.get(oid), &relation.name)?;
        if let Some(other) = next
            .relation(relation.schema, &relation.name)
            .filter(|other| other.oid != *oid)
            && work.relations.contains_key(&other.oid) == base.relations.contains_key(&other.oid)
            && work
                .relations
                .get(&other.oid)
                .is_none_or(|mine| mine.name == other.name && mine.schema == other.schema)
        {
            return Err(SqlError::new(
                "42P07",
                format!("Relation \"{}\" already exists", relation.name),
            ));
        }
    }
    for (oid, before) in &base.relations {
        if !work.relations.contains_key(oid) {
            same(Some(before), current.relations.get(oid), &before.name)?;
            next.remove_relation(*oid);
        }
    }
    for (oid, relation) in work.relations.iter().filter(|(_, relation)| !relation.temporary) {
        if base
            .relations
            .get(oid)
            .is_none_or(|before| !Arc::ptr_eq(before, relation))
        {
            next.put_shared(relation.clone());
        }
    }
    merge_map(
        &base.databases,
        &work.databases,
        &mut next.databases,
        |entry| &entry.name,
        |_| true,
    )?;
    merge_map(
        &base.schemas,
        &work.schemas,
        &mut next.schemas,
        |entry| &entry.name,
        |entry| !entry.temporary,
    )?;
    merge_map(&base.users, &work.users, &mut next.users, |entry| &entry.name, |_| true)?;
    merge_map(
        &base.groups,
        &work.groups,
        &mut next.groups,
        |entry| &entry.name,
        |_| true,
    )?;
    next.reindex();
    Ok(next)
}

fn merge_map<T>(
    base: &BTreeMap<Oid, Arc<T>>,
    work: &BTreeMap<Oid, Arc<T>>,
    next: &mut BTreeMap<Oid, Arc<T>>,
    name: impl Fn(&T) -> &String,
    stored: impl Fn(&T) -> bool,
) -> Result<()> {
    for (oid, entry) in work.iter().filter(|(_, entry)| stored(entry)) {
        if base.get(oid).is_none_or(|before| !Arc::ptr_eq(before, entry)) {
            same(base.get(oid), next.get(oid), name(entry))?;
            next.insert(*oid, entry.clone());
        }
    }
    for (oid, before) in base {
        if !work.contains_key(oid) {
            same(Some(before), next.get(oid), name(before))?;
            next.remove(oid);
        }
    }
    Ok(())
}

fn same<T>(base: Option<&Arc<T>>, current: Option<&Arc<T>>, name: &str) -> Result<()> {
    match (base, current) {
        (None, None) => Ok(()),
        (Some(base), Some(current)) if Arc::ptr_eq(base, current) => Ok(()),
        _ => Err(SqlError::serialization(name)),
    }
}
