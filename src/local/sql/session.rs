//! One session: its user, settings, temporary tables, and the transaction it is in. Statements come in as text and
//! leave as outcomes.

mod access;
mod ddl;
mod dml;
mod infer;
mod names;
mod prepared;
mod rows;
mod schema;
mod show;
mod signals;
mod threads;
mod transaction;
mod view;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Timelike, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::session_state::SessionState;
use datafusion::sql::sqlparser::ast::{Expr, Statement};

use crate::catalog::{Oid, Relation, User};
use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::lexer::{self, Source};
use crate::plan::Planned;
use crate::rewrite;
use crate::types::SqlType;
use crate::utility::{self, Command};
use crate::value::Cell;
use crate::zone::Zone;
pub(crate) use ddl::same_set;
use prepared::Prepared;
pub(crate) use rows::Running;
pub use rows::{Answer, Rows};
use rows::{Cursor, Kept, Started};
pub(crate) use show::default_of;
pub(crate) use signals::Signals;
pub(crate) use threads::Threads;
use transaction::Transaction;
pub(crate) use write::Shape;

/// Who connects, and to which database.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    pub database: String,
    pub user: String,
    /// Applies when the user is not in the catalog yet and is created.
    pub superuser: bool,
    /// What the session starts with, as if it were set; names that are no settings are left alone.
    pub settings: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Session {
    pub(crate) engine: Arc<Engine>,
    pub(crate) id: u32,
    pub(crate) database: Oid,
    pub(crate) user: Oid,
    /// The user that logged in; `set session authorization` changes the other one.
    pub(crate) login: Oid,
    pub(crate) settings: BTreeMap<String, String>,
    /// What `reset` goes back to: the user's own settings.
    defaults: BTreeMap<String, String>,
    /// The time zone that is set, and the planner that knows it.
    pub(crate) zone: Zone,
    pub(crate) planner: Arc<SessionState>,
    pub(crate) temp_schema: Oid,
    temp: BTreeMap<Oid, Arc<Relation>>,
    transaction: Option<Transaction>,
    cursors: BTreeMap<String, Cursor>,
    prepared: BTreeMap<String, Prepared>,
    signals: Arc<Signals>,
    threads: Mutex<Option<Arc<Threads>>>,
    now: DateTime<Utc>,
}

/// What a statement turned into: done, or a query that is still to be run.
enum Step {
    Done(Outcome),
    Query(Planned),
}

/// The same after a query was started, for a client that takes rows as they come, or run.
enum Performed {
    Done(Outcome),
    Started(Started),
}

/// What one statement gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command tag, for example `SELECT 3` or `CREATE TABLE`.
    pub tag: String,
    /// Empty when the statement returns no rows.
    pub columns: Vec<Column>,
    /// Rows that a statement changed.
    pub affected: Option<u64>,
    pub(crate) batches: Vec<RecordBatch>,
    /// The memory that the rows take.
    pub(crate) _kept: Option<Arc<Kept>>,
    /// Whether the session is in a transaction after the statement.
    pub in_transaction: bool,
}

/// One column of a result, with what the Data API and the wire protocol report about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    /// `int4`, `varchar`, `numeric` …
    pub type_name: String,
    pub type_oid: u32,
    /// Characters of a varchar, otherwise zero.
    pub length: u32,
    pub precision: u32,
    pub scale: u32,
    pub nullable: bool,
    pub schema_name: String,
    pub table_name: String,
    pub(crate) sql_type: SqlType,
}

impl Outcome {
    pub(crate) fn command(tag: &str) -> Self {
        Self {
            tag: tag.into(),
            columns: Vec::new(),
            affected: None,
            batches: Vec::new(),
            _kept: None,
            in_transaction: false,
        }
    }

    pub(crate) fn changed(tag: &str, rows: u64) -> Self {
        let tag = if tag == "INSERT" {
            format!("INSERT 0 {rows}")
        } else {
            format!("{tag} {rows}")
        };
        Self {
            affected: Some(rows),
            ..Self::command(&tag)
        }
    }

    pub(crate) fn rows_of(tag: &str, fields: &[(String, SqlType)], batches: Vec<RecordBatch>) -> Self {
        let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
        Self {
            columns: rows::columns(fields),
            batches,
            ..Self::command(&format!("{tag} {count}"))
        }
    }

    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Returns the rows as values.
    pub fn rows(&self) -> Vec<Vec<Option<Cell>>> {
        let cells = |batch| rows::cells(batch, &self.columns);
        self.batches.iter().flat_map(cells).collect()
    }
}

impl Column {
    pub(crate) fn new(name: &str, sql_type: SqlType) -> Self {
        let (precision, scale) = match sql_type {
            SqlType::Numeric(precision, scale) => (precision.into(), scale.into()),
            SqlType::Varchar(length) | SqlType::Char(length) => (length, 0),
            SqlType::Int2 => (5, 0),
            SqlType::Int4 => (10, 0),
            SqlType::Int8 => (19, 0),
            SqlType::Float4 => (8, 8),
            SqlType::Float8 => (17, 17),
            SqlType::Date => (13, 0),
            SqlType::Timestamp => (29, 6),
            SqlType::Timestamptz => (35, 6),
            SqlType::Bool => (1, 0),
            _ => (0, 0),
        };
        Self {
            name: name.into(),
            type_name: sql_type.short_name().into(),
            type_oid: sql_type.oid(),
            length: sql_type.character_length().unwrap_or(0),
            precision,
            scale,
            nullable: true,
            schema_name: String::new(),
            table_name: String::new(),
            sql_type,
        }
    }

    /// Brings a value's text into the form that the column's type is shown in.
    pub(crate) fn show(&self, text: &mut String) {
        match self.sql_type {
            SqlType::Char(length) => {
                text.extend(std::iter::repeat_n(' ', (length as usize).saturating_sub(text.len())))
            }
            SqlType::Int2Vector => *text = text.trim_matches(['{', '}']).replace(',', " "),
            _ => {}
        }
    }
}

impl Session {
    pub(crate) fn start(engine: Arc<Engine>, options: SessionOptions) -> Result<Self> {
        let catalog = engine.current();
        let database = catalog
            .database(&options.database.to_lowercase())
            .ok_or_else(|| SqlError::new("3D000", format!("database \"{}\" does not exist", options.database)))?
            .oid;
        let name = options.user.to_lowercase();
        let user = match catalog.user(&name) {
            Some(user) => user.oid,
            None => {
                let user = User {
                    oid: engine.new_oid(),
                    name,
                    password: None,
                    superuser: options.superuser,
                    createdb: false,
                    settings: BTreeMap::new(),
                };
                let oid = user.oid;
                let mut work = catalog.as_ref().clone();
                work.users.insert(oid, Arc::new(user));
                engine.commit(&catalog, &work)?;
                oid
            }
        };
        let id = engine.new_session_id();
        let signals = Arc::new(Signals::new(user));
        engine
            .sessions
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(id, signals.clone());
        let temp_schema = engine.new_oid();
        let planner = engine.planner.clone();
        let defaults = catalog
            .users
            .get(&user)
            .map(|user| user.settings.clone())
            .unwrap_or_default();
        let mut session = Self {
            engine,
            id,
            database,
            user,
            login: user,
            settings: BTreeMap::new(),
            defaults: BTreeMap::new(),
            zone: Zone::UTC,
            planner,
            temp_schema,
            temp: BTreeMap::new(),
            transaction: None,
            cursors: BTreeMap::new(),
            prepared: BTreeMap::new(),
            signals,
            threads: Mutex::default(),
            now: instant(),
        };
        for (name, value) in &defaults {
            session.set(name, value)?;
        }
        for (name, value) in &options.settings {
            // Drivers say a lot about themselves that is no setting.
            match session.set(name, value) {
                Err(error) if error.sqlstate != "42704" => return Err(error),
                _ => {}
            }
        }
        session.defaults = session.settings.clone();
        Ok(session)
    }

    /// Returns the threads that queries run on, which start with the first query.
    pub(crate) fn threads(&self) -> Result<Arc<Threads>> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        match threads.as_ref() {
            Some(threads) => Ok(threads.clone()),
            None => Ok(threads.insert(Threads::start(self.engine.options.parallelism)?).clone()),
        }
    }

    /// The process id that `pg_backend_pid()` reports and a cancel request names.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Runs one or more statements. Outside a transaction block, all of them are one transaction, as in the simple
    /// protocol. `parameters` are the Data API's `:name` values.
    pub async fn run(&mut self, sql: &str, parameters: &[(String, String)]) -> Result<Vec<Outcome>> {
        let sources = bound(sql, parameters)?;
        let mut outcomes = Vec::with_capacity(sources.len());
        for source in &sources {
            match self.execute(source, &[], false).await {
                Ok(Answer::Done(outcome)) => outcomes.push(outcome),
                Ok(Answer::Rows(_)) => return Err(SqlError::internal("rows that nobody asked to take")),
                Err(error) => {
                    self.abort();
                    return Err(error);
                }
            }
        }
        self.finish_implicit()?;
        for outcome in &mut outcomes {
            outcome.in_transaction = self.in_block();
        }
        Ok(outcomes)
    }

    /// Runs statements as [`Session::run`] does; the rows of the last one are taken as they come.
    pub async fn run_live(&mut self, sql: &str, parameters: &[(String, String)]) -> Result<Vec<Answer>> {
        let sources = bound(sql, parameters)?;
        let mut answers = Vec::with_capacity(sources.len());
        for (index, source) in sources.iter().enumerate() {
            // Statements before the last must have succeeded before the next may run, so their rows are kept.
            match self.execute(source, &[], index + 1 == sources.len()).await {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    self.abort();
                    return Err(error);
                }
            }
        }
        self.finish_implicit()?;
        let in_block = self.in_block();
        for answer in &mut answers {
            if let Answer::Done(outcome) = answer {
                outcome.in_transaction = in_block;
            }
        }
        Ok(answers)
    }

    /// Runs one statement with the values of `$1`, `$2` …; the extended protocol's way.
    pub(crate) async fn run_prepared(&mut self, source: &Source, parameters: &[Expr]) -> Result<Answer> {
        let result = match self.execute(source, parameters, true).await {
            Ok(answer) => self.finish_implicit().map(|()| answer),
            Err(error) => Err(error),
        };
        match result {
            Ok(mut answer) => {
                if let Answer::Done(outcome) = &mut answer {
                    outcome.in_transaction = self.in_block();
                }
                Ok(answer)
            }
            Err(error) => {
                self.abort();
                Err(error)
            }
        }
    }

    /// Returns the columns that a statement would give, without running it. Empty for statements without rows.
    pub(crate) async fn describe(&mut self, source: &Source, parameters: &[Expr]) -> Result<Vec<Column>> {
        self.now = instant();
        if self.is_failed() {
            return Ok(Vec::new());
        }
        let implicit = self.transaction.is_none();
        self.begin_implicit();
        let result = self.describe_in_transaction(source, parameters).await;
        if implicit {
            self.transaction = None;
        }
        Ok(self.named(rows::columns(&result?)))
    }

    /// Returns the columns of a cursor that DECLARE made.
    pub(crate) fn cursor_columns(&self, name: &str) -> Option<Vec<Column>> {
        let cursor = self.cursors.get(name)?;
        Some(self.named(rows::columns(&cursor.planned.fields)))
    }

    async fn describe_in_transaction(&self, source: &Source, parameters: &[Expr]) -> Result<Vec<(String, SqlType)>> {
        match utility::parse(source)? {
            Command::Query(source) => self.describe_query(&source, parameters).await,
            Command::Fetch { name, .. } => Ok(self
                .cursors
                .get(&name)
                .map(|cursor| cursor.planned.fields.clone())
                .unwrap_or_default()),
            Command::Execute { name, arguments } => {
                let (command, values) = self.executed(&name, arguments.as_ref(), parameters).await?;
                match command {
                    Command::Query(source) => self.describe_query(&source, &values).await,
                    _ => Ok(Vec::new()),
                }
            }
            command => Ok(show::columns_of(&command)),
        }
    }

    async fn describe_query(&self, source: &Source, parameters: &[Expr]) -> Result<Vec<(String, SqlType)>> {
        match crate::parse::statement(source)? {
            Statement::Query(query) if !dml::selects_into(&query) => Ok(self.plan(query, parameters).await?.fields),
            _ => Ok(Vec::new()),
        }
    }

    async fn execute(&mut self, source: &Source, parameters: &[Expr], live: bool) -> Result<Answer> {
        self.now = instant();
        let command = utility::parse(source).map_err(|error| shift(error, source.offset))?;
        if self.is_failed() && !matches!(command, Command::Commit | Command::Rollback) {
            return Err(SqlError::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        let signals = self.signals.clone();
        signals.set_working(true);
        let entry = self
            .engine
            .history
            .start(self.id, self.user, self.database, &source.text);
        let mut limits = self.limits(entry);
        let performed = tokio::select! {
            biased;
            error = limits.exceeded() => Err(error),
            performed = self.perform(command, parameters, live) => performed,
        };
        if performed.as_ref().is_err_and(|error| error.sqlstate.starts_with("57")) {
            // What was stopped may keep its threads for a while yet.
            *self.threads.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        // Rows that are still to come end with their connection.
        signals.set_working(false);
        match performed {
            Ok(Performed::Started(started)) => {
                let spoiled = self.transaction.as_ref().and_then(Transaction::spoiled);
                Ok(self.answer(started, limits, spoiled))
            }
            Ok(Performed::Done(mut outcome)) => {
                outcome.columns = self.named(outcome.columns);
                let rows = outcome.affected.unwrap_or(outcome.row_count() as u64);
                let copied = outcome.affected.filter(|_| outcome.tag.starts_with("COPY"));
                self.engine.history.finish(entry, Ok((rows, copied)));
                Ok(Answer::Done(outcome))
            }
            Err(error) => {
                self.engine.history.finish(entry, Err(&error));
                Err(locate(error, source))
            }
        }
    }

    async fn perform(&mut self, command: Command, parameters: &[Expr], live: bool) -> Result<Performed> {
        let step = match command {
            Command::Execute { name, arguments } => {
                self.begin_implicit();
                let (command, values) = self.executed(&name, arguments.as_ref(), parameters).await?;
                self.dispatch(command, &values).await?
            }
            command => self.dispatch(command, parameters).await?,
        };
        match step {
            Step::Done(outcome) => Ok(Performed::Done(outcome)),
            // Outside a block the statement's end is the commit of what was done before it: that waits for all rows.
            Step::Query(planned) if live && self.transaction.as_ref().is_some_and(Transaction::may_outlive) => {
                Ok(Performed::Started(self.start_rows(planned).await?))
            }
            Step::Query(planned) => Ok(Performed::Done(self.rows(&planned).await?)),
        }
    }

    async fn dispatch(&mut self, command: Command, parameters: &[Expr]) -> Result<Step> {
        match command {
            Command::Begin { read_only } => return self.begin(read_only).map(Step::Done),
            Command::Commit => return self.commit().map(Step::Done),
            Command::Rollback => return Ok(Step::Done(self.rollback())),
            Command::Set { name, value, local } => {
                let outcome = match local {
                    true => self.set_local(&name, &value),
                    false => self.set(&name, &value),
                };
                return outcome.map(Step::Done);
            }
            Command::Reset { name } => return self.reset(name.as_deref()).map(Step::Done),
            Command::SetUser { name } => return self.set_user(name.as_deref()).map(Step::Done),
            Command::Prepare { name, types, query } => {
                self.prepare(name, types, query)?;
                return Ok(Step::Done(Outcome::command("PREPARE")));
            }
            Command::Deallocate { name } => {
                self.deallocate(name.as_deref());
                return Ok(Step::Done(Outcome::command("DEALLOCATE")));
            }
            _ => {}
        }
        self.begin_implicit();

        let outcome = match command {
            Command::Query(source) => return self.query_or_dml(&source, parameters).await,
            Command::Copy(copy) => crate::copy::run(self, *copy).await,
            Command::Declare { name, query } => {
                if !self.in_block() {
                    return Err(SqlError::new(
                        "25P01",
                        "DECLARE CURSOR may only be used in transaction blocks",
                    ));
                }
                let planned = self.plan(crate::parse::query_of(&query)?, parameters).await?;
                let started = self.start_rows(planned).await?;
                self.cursors.insert(name, Cursor::new(started));
                Ok(Outcome::command("DECLARE CURSOR"))
            }
            Command::Fetch { name, count } => self.fetch(&name, count).await,
            Command::CloseCursor { name } => {
                match name {
                    Some(name) => drop(self.cursors.remove(&name).ok_or_else(|| no_cursor(&name))?),
                    None => self.cursors.clear(),
                }
                Ok(Outcome::command("CLOSE CURSOR"))
            }
            Command::Explain { query } => self.explain(&query, parameters).await,
            command @ (Command::ShowSetting { .. }
            | Command::ShowSchemas { .. }
            | Command::ShowTables { .. }
            | Command::ShowColumns { .. }
            | Command::ShowDatabases
            | Command::ShowTable { .. }
            | Command::ShowView { .. }) => self.show(command).await,
            command @ (Command::Grant { .. }
            | Command::CreateUser { .. }
            | Command::DropUser { .. }
            | Command::CreateGroup { .. }
            | Command::AlterGroup { .. }
            | Command::DropGroup { .. }) => self.access(command),
            command => self.ddl(command).await,
        };
        outcome.map(Step::Done)
    }

    async fn fetch(&mut self, name: &str, count: Option<u64>) -> Result<Outcome> {
        let mut kept = self.keep();
        let cursor = self.cursors.get_mut(name).ok_or_else(|| no_cursor(name))?;
        let wanted = count.map_or(usize::MAX, |count| count as usize);
        let taken = cursor.take(wanted, &mut kept).await?;
        Ok(Outcome {
            _kept: Some(Arc::new(kept)),
            ..Outcome::rows_of("FETCH", &cursor.planned.fields, taken)
        })
    }

    async fn explain(&self, source: &Source, parameters: &[Expr]) -> Result<Outcome> {
        let planned = self.plan(crate::parse::query_of(source)?, parameters).await?;
        let optimized = self.planner.optimize(&planned.plan)?;
        let lines: Vec<String> = optimized
            .display_indent()
            .to_string()
            .lines()
            .map(str::to_string)
            .collect();
        Ok(show::text_rows("EXPLAIN", "QUERY PLAN", lines))
    }

    /// Names the columns of a result as the session wants to read them.
    pub(crate) fn named(&self, mut columns: Vec<Column>) -> Vec<Column> {
        let upper = self.settings.get("describe_field_name_in_uppercase");
        if upper.is_some_and(|value| crate::cast::parse_bool(value) == Some(true)) {
            columns
                .iter_mut()
                .for_each(|column| column.name = column.name.to_uppercase());
        }
        columns
    }

    /// The values of keywords and functions that belong to the session: `current_user`, `getdate()`.
    pub(crate) fn session_value(&self, name: &str) -> Option<Expr> {
        let catalog = &self.tx().ok()?.work;
        let literal = |text: &str, sql_type: &str| Some(rewrite::typed(text, sql_type));
        let stamp = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
        let started = self.tx().map_or(self.now, |tx| tx.started);
        let local = |at: DateTime<Utc>| {
            DateTime::from_timestamp_micros(self.zone.to_local(at.timestamp_micros())).unwrap_or(at)
        };
        let shown = local(started);
        match name {
            "current_user" | "user" | "current_role" => literal(&catalog.user_name(self.user), "varchar(128)"),
            "session_user" => literal(&catalog.user_name(self.login), "varchar(128)"),
            "current_user_id" => literal(&self.user.to_string(), "int4"),
            "current_database" | "current_catalog" => {
                literal(&catalog.databases.get(&self.database)?.name, "varchar(128)")
            }
            "current_schema" => literal(&self.current_schema_name(), "varchar(128)"),
            "current_namespace" => literal(&self.engine.options.identifier, "varchar(128)"),
            "pg_backend_pid" => literal(&self.id.to_string(), "int4"),
            "pg_last_query_id" | "pg_last_copy_id" | "pg_last_copy_count" => {
                literal(&self.engine.history.last(name, self.id).to_string(), "int8")
            }
            "version" => literal(
                "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.100000",
                "varchar(256)",
            ),
            // Second precision, as the leader node gives it.
            "getdate" => literal(
                &stamp(local(self.now).with_nanosecond(0).unwrap_or(self.now)),
                "timestamp",
            ),
            "sysdate" => literal(&stamp(shown), "timestamp"),
            "current_timestamp" | "now" => literal(&format!("{}+00", stamp(started)), "timestamptz"),
            "localtimestamp" => literal(&stamp(shown), "timestamp"),
            "timeofday" => literal(
                &format!(
                    "{} {}",
                    local(self.now).format("%a %b %d %H:%M:%S%.6f %Y"),
                    self.zone.abbreviation(self.now.timestamp_micros())
                ),
                "varchar(64)",
            ),
            "current_date" => literal(&shown.format("%Y-%m-%d").to_string(), "date"),
            "current_time" | "localtime" => literal(&shown.format("%H:%M:%S%.6f").to_string(), "time"),
            _ => None,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.engine.unlock_all(self.id);
        self.engine
            .sessions
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&self.id);
    }
}

/// Returns the statements of a text, with values in the places of `:name`.
fn bound(sql: &str, parameters: &[(String, String)]) -> Result<Vec<Source>> {
    let mut sources = lexer::split(sql)?;
    if !parameters.is_empty() {
        for source in &mut sources {
            source.bind_named(parameters)?;
        }
    }
    Ok(sources)
}

fn instant() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(crate::system::history::now()).unwrap_or_default()
}

fn no_cursor(name: &str) -> SqlError {
    SqlError::new("34000", format!("cursor \"{name}\" does not exist"))
}

/// Points an error about a name at the first place where the statement says it.
fn locate(error: SqlError, source: &Source) -> SqlError {
    if error.position.is_some() || !matches!(error.sqlstate.as_str(), "42P01" | "42703" | "42702" | "42883" | "3F000") {
        return error;
    }
    let name = match error.message.split('"').nth(1) {
        Some(quoted) => quoted,
        None => error
            .message
            .split("function ")
            .nth(1)
            .and_then(|rest| rest.split('(').next())
            .unwrap_or_default(),
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    match source.tokens.iter().find(|lexeme| lexeme.names(last)) {
        Some(lexeme) => error.at(source.offset + lexer::character(&source.text, lexeme.start)),
        None => error,
    }
}

/// Positions count from the start of the whole text.
fn shift(mut error: SqlError, offset: usize) -> SqlError {
    error.position = error.position.map(|position| position + offset);
    error
}
