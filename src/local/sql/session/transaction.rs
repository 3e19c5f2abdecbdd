//! Transactions: a snapshot taken at the first statement, a private overlay, table locks held to the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};

use super::{Outcome, Session};
use crate::catalog::{Catalog, Oid, Relation, Schema};
use crate::error::{Result, SqlError};

#[derive(Debug)]
pub struct Transaction {
    /// The committed catalog when the transaction started.
    pub base: Arc<Catalog>,
    /// The same with this transaction's changes and the session's temporary tables.
    pub work: Catalog,
    pub started: DateTime<Utc>,
    /// Started by BEGIN rather than by a statement.
    block: bool,
    /// Started by BEGIN READ ONLY.
    read_only: bool,
    /// Set by whatever fails, rows that are still being taken included.
    failed: Arc<AtomicBool>,
    dirty: bool,
    /// The session's settings when the block began, which a rollback brings back, and those that only it sees.
    settings: BTreeMap<String, String>,
    local: BTreeSet<String>,
}

impl Transaction {
    /// Whether rows may still be taken after the statement: nothing of it waits to be committed.
    pub(super) fn may_outlive(&self) -> bool {
        self.block || !self.dirty
    }

    /// What an error in rows that are taken later sets, in a block.
    pub(super) fn spoiled(&self) -> Option<Arc<AtomicBool>> {
        self.block.then(|| self.failed.clone())
    }
}

impl Session {
    pub(crate) fn tx(&self) -> Result<&Transaction> {
        self.transaction
            .as_ref()
            .ok_or_else(|| SqlError::internal("no transaction is open"))
    }

    /// Returns the catalog to change.
    pub(crate) fn work(&mut self) -> Result<&mut Catalog> {
        let transaction = self
            .transaction
            .as_mut()
            .ok_or_else(|| SqlError::internal("no transaction is open"))?;
        if transaction.read_only {
            return Err(SqlError::new("25006", "transaction is read-only"));
        }
        transaction.dirty = true;
        Ok(&mut transaction.work)
    }

    pub fn in_block(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.block)
    }

    pub fn is_failed(&self) -> bool {
        self.transaction
            .as_ref()
            .is_some_and(|transaction| transaction.failed.load(Ordering::Relaxed))
    }

    pub(super) fn begin(&mut self, read_only: bool) -> Result<Outcome> {
        self.begin_implicit();
        if let Some(transaction) = &mut self.transaction {
            transaction.block = true;
            transaction.read_only = read_only;
            transaction.settings.clone_from(&self.settings);
        }
        Ok(Outcome::command("BEGIN"))
    }

    /// Notes that a setting ends with the block, or that it does not after all.
    pub(super) fn note_local(&mut self, name: &str, local: bool) {
        if let Some(transaction) = &mut self.transaction {
            match local {
                true => drop(transaction.local.insert(name.into())),
                false => drop(transaction.local.remove(name)),
            }
        }
    }

    pub(super) fn begin_implicit(&mut self) {
        if self.transaction.is_some() {
            return;
        }
        let base = self.engine.current();
        let work = self.overlay(&base);
        self.transaction = Some(Transaction {
            base,
            work,
            started: self.now,
            block: false,
            read_only: false,
            failed: Arc::default(),
            dirty: false,
            settings: self.settings.clone(),
            local: BTreeSet::new(),
        });
    }

    /// Returns a committed catalog with the session's temporary tables in it.
    fn overlay(&self, base: &Catalog) -> Catalog {
        let mut work = base.clone();
        let schema = Schema {
            oid: self.temp_schema,
            database: self.database,
            name: format!("pg_temp_{}", self.id),
            owner: self.user,
            external: None,
            comment: None,
            grants: Vec::new(),
            temporary: true,
        };
        work.schemas.insert(self.temp_schema, Arc::new(schema));
        for relation in self.temp.values() {
            work.put_shared(relation.clone());
        }
        work
    }

    pub(super) fn commit(&mut self) -> Result<Outcome> {
        if self.is_failed() {
            self.rollback();
            return Ok(Outcome::command("ROLLBACK"));
        }
        self.end()?;
        Ok(Outcome::command("COMMIT"))
    }

    /// Ends the transaction that a statement outside a block opened.
    pub(super) fn finish_implicit(&mut self) -> Result<()> {
        if self.transaction.as_ref().is_some_and(|transaction| !transaction.block) {
            self.end()
        } else {
            Ok(())
        }
    }

    fn end(&mut self) -> Result<()> {
        self.cursors.clear();
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        for name in &transaction.local {
            match transaction.settings.get(name) {
                Some(value) => drop(self.settings.insert(name.clone(), value.clone())),
                None => drop(self.settings.remove(name)),
            }
        }
        self.follow_zone()?;
        let result = if transaction.dirty {
            self.engine.commit(&transaction.base, &transaction.work)
        } else {
            Ok(())
        };
        if result.is_ok() {
            self.temp = transaction
                .work
                .relations
                .into_iter()
                .filter(|(_, relation)| relation.temporary)
                .collect();
        }
        self.engine.unlock_all(self.id);
        result
    }

    pub(super) fn rollback(&mut self) -> Outcome {
        self.cursors.clear();
        if let Some(transaction) = self.transaction.take().filter(|transaction| transaction.block) {
            self.settings = transaction.settings;
            // It was in force before.
            drop(self.follow_zone());
        }
        self.engine.unlock_all(self.id);
        Outcome::command("ROLLBACK")
    }

    /// After an error: a block waits for its ROLLBACK, anything else is undone now.
    pub(super) fn abort(&mut self) {
        match &mut self.transaction {
            Some(transaction) if transaction.block => transaction.failed.store(true, Ordering::Relaxed),
            _ => {
                self.rollback();
            }
        }
    }

    /// A client's mistake before a statement runs spoils the block as much as one while it runs.
    pub(crate) fn fail(&mut self) {
        self.abort();
    }

    /// Makes everything so far durable; TRUNCATE and its like do that in the middle of a block.
    pub(crate) fn commit_now(&mut self) -> Result<()> {
        let block = self.in_block();
        self.end()?;
        if block {
            self.begin(false)?;
        }
        Ok(())
    }

    /// Takes a table's write lock and returns the table as it is to be changed.
    pub(crate) async fn lock_for_write(&mut self, oid: Oid) -> Result<Arc<Relation>> {
        let relation = self
            .tx()?
            .work
            .relations
            .get(&oid)
            .cloned()
            .ok_or_else(|| SqlError::internal("the table is gone"))?;
        if relation.temporary {
            return Ok(relation);
        }
        self.engine.lock(self.id, oid).await?;
        let current = self.engine.current();
        let transaction = self.tx()?;
        let unchanged = match (transaction.base.relations.get(&oid), current.relations.get(&oid)) {
            (Some(base), Some(current)) => Arc::ptr_eq(base, current),
            (None, None) => true,
            _ => false,
        };
        if unchanged {
            return Ok(relation);
        }
        // A single statement that waited starts over from what it waited for; a block has shown its snapshot already.
        if transaction.block || transaction.dirty {
            return Err(SqlError::serialization(&relation.name));
        }
        let work = self.overlay(&current);
        if let Some(transaction) = &mut self.transaction {
            transaction.base = current;
            transaction.work = work;
        }
        self.tx()?
            .work
            .relations
            .get(&oid)
            .cloned()
            .ok_or_else(|| SqlError::no_relation(&relation.name))
    }
}
