//! What was run: the rows of stl_query, sys_query_history and their like. Kept in memory, the newest thousand.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::catalog::Oid;
use crate::error::SqlError;

const KEPT: usize = 1000;

#[derive(Debug, Default)]
pub struct History {
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<Entry>,
    loads: VecDeque<LoadError>,
    next: i64,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub id: i64,
    pub session: u32,
    pub user: Oid,
    pub database: Oid,
    pub text: String,
    pub start: i64,
    pub end: Option<i64>,
    pub error: Option<String>,
    pub rows: u64,
    pub copied: Option<u64>,
}

/// A record that COPY could not load.
#[derive(Clone, Debug)]
pub struct LoadError {
    pub query: i64,
    pub session: u32,
    pub user: Oid,
    pub table: Oid,
    pub start: i64,
    pub file: String,
    pub line: i64,
    pub column: String,
    pub column_type: String,
    pub column_length: String,
    pub position: i64,
    pub raw_line: String,
    pub raw_value: String,
    pub code: i64,
    pub reason: String,
}

impl History {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a statement began. Returns its query id.
    pub fn start(&self, session: u32, user: Oid, database: Oid, text: &str) -> i64 {
        let mut log = self.log();
        log.next += 1;
        let id = log.next;
        log.entries.push_back(Entry {
            id,
            session,
            user,
            database,
            text: text.to_string(),
            start: now(),
            end: None,
            error: None,
            rows: 0,
            copied: None,
        });
        if log.entries.len() > KEPT {
            log.entries.pop_front();
        }
        id
    }

    /// Notes how a statement ended: rows it gave or changed, rows that COPY loaded; or why it failed.
    pub fn finish(&self, id: i64, ended: Result<(u64, Option<u64>), &SqlError>) {
        let mut log = self.log();
        let Some(entry) = log.entries.iter_mut().rev().find(|entry| entry.id == id) else {
            return;
        };
        entry.end = Some(now());
        match ended {
            Ok((rows, copied)) => (entry.rows, entry.copied) = (rows, copied),
            Err(error) => entry.error = Some(error.message.clone()),
        }
    }

    /// Returns the id of the statement that a session is running.
    pub fn running(&self, session: u32) -> i64 {
        self.log()
            .entries
            .iter()
            .rev()
            .find(|entry| entry.session == session)
            .map_or(-1, |entry| entry.id)
    }

    pub fn load_failed(&self, error: LoadError) {
        let mut log = self.log();
        log.loads.push_back(error);
        if log.loads.len() > KEPT {
            log.loads.pop_front();
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.log().entries.iter().cloned().collect()
    }

    pub fn load_errors(&self) -> Vec<LoadError> {
        self.log().loads.iter().cloned().collect()
    }

    /// Answers `pg_last_query_id()` and `pg_last_copy_count()`.
    pub fn last(&self, what: &str, session: u32) -> i64 {
        let log = self.log();
        let mut finished = log
            .entries
            .iter()
            .rev()
            .filter(|entry| entry.session == session && entry.end.is_some());
        match what {
            "pg_last_copy_count" => finished.find_map(|entry| entry.copied).map_or(0, |count| count as i64),
            "pg_last_copy_id" => finished
                .find(|entry| entry.copied.is_some())
                .map_or(-1, |entry| entry.id),
            _ => finished.next().map_or(-1, |entry| entry.id),
        }
    }
}

/// Microseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the engine's one look at the clock")]
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_micros() as i64)
}
