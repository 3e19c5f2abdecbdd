//! Rows as they come. A task on the session's threads runs the plan and stays a batch ahead of whoever takes them, so
//! that a result of any size passes through little memory. What stops a statement from outside, a cancel or its time
//! limit, stops the task too.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Column, Outcome, Session, Signals, Threads};
use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::plan::{Planned, Promised, Stop};
use crate::types::SqlType;
use crate::value::{self, Cell};

/// Batches that wait to be taken.
const AHEAD: usize = 1;

/// A query that runs. Dropping it ends the query.
#[derive(Debug)]
pub(crate) struct Running {
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinSet<()>,
    /// What the query needs for as long as it runs.
    _holds: (Stop, Arc<Threads>),
}

impl Running {
    pub fn start(
        plan: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        promised: Promised,
        holds: (Stop, Arc<Threads>),
    ) -> Self {
        let (sender, batches) = mpsc::channel(AHEAD);
        let mut task = JoinSet::new();
        let work = async move {
            if let Err(error) = pump(plan, context, &promised, &sender).await {
                // Who has lost interest need not hear of it.
                let _ = sender.send(Err(error)).await;
            }
        };
        task.spawn_on(work, holds.1.handle());
        Self {
            batches,
            task,
            _holds: holds,
        }
    }

    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        if let Some(batch) = self.batches.recv().await {
            return Some(batch);
        }
        // An end that nobody announced is none.
        let failed = self.task.join_next().await?.err()?;
        Some(Err(SqlError::internal(failed)))
    }
}

async fn pump(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    promised: &Promised,
    sender: &mpsc::Sender<Result<RecordBatch>>,
) -> Result<()> {
    let mut stream = execute_stream(plan, context)?;
    while let Some(batch) = stream.next().await {
        if sender.send(Ok(promised.conform(&batch?)?)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What one statement gave to a client that takes rows as they come.
#[derive(Debug)]
pub enum Answer {
    Done(Outcome),
    Rows(Rows),
}

/// The rows of a running query. Dropping them ends the query.
#[derive(Debug)]
pub struct Rows {
    pub columns: Vec<Column>,
    pub(crate) batches: Batches,
}

impl Rows {
    /// Returns some of the rows that are left, or `None` when there are no more.
    pub async fn next(&mut self) -> Option<Result<Vec<Vec<Option<Cell>>>>> {
        let batch = self.batches.0.recv().await?;
        Some(batch.map(|batch| cells(&batch, &self.columns)))
    }
}

/// Returns the rows of a batch as values.
pub(super) fn cells(batch: &RecordBatch, columns: &[Column]) -> Vec<Vec<Option<Cell>>> {
    let row = |row| {
        let values = batch.columns().iter().zip(columns);
        values
            .map(|(column, of)| {
                let mut cell = value::cell(column, row)?;
                if let Cell::Text(text) = &mut cell {
                    of.show(text);
                }
                Some(cell)
            })
            .collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The same rows as the wire protocol encodes them.
#[derive(Debug)]
pub(crate) struct Batches(mpsc::Receiver<Result<RecordBatch>>);

impl Stream for Batches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// What ends a statement before its time.
pub(super) struct Limits {
    query: i64,
    signals: Arc<Signals>,
    interrupt: watch::Receiver<()>,
    deadline: Option<Instant>,
}

impl Limits {
    /// Waits until the statement has to stop, and says why.
    pub(super) async fn exceeded(&mut self) -> SqlError {
        let deadline = self.deadline;
        let late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Ok(()) = self.interrupt.changed() => {
                if self.signals.terminated() {
                    return SqlError::new("57P01", "terminating connection due to administrator command");
                }
                SqlError::new("57014", format!("Query ({}) cancelled on user's request", self.query))
            }
            () = late => SqlError::new("57014", "canceling statement due to statement timeout"),
        }
    }
}

/// A query that has started, and its plan, which keeps the files it reads.
#[derive(Debug)]
pub(super) struct Started {
    pub planned: Planned,
    pub running: Running,
}

impl Session {
    pub(super) fn limits(&self, query: i64) -> Limits {
        let timeout = self
            .settings
            .get("statement_timeout")
            .and_then(|text| text.trim().parse::<u64>().ok())
            .filter(|millis| *millis > 0);
        Limits {
            query,
            signals: self.signals.clone(),
            interrupt: self.signals.subscribe(),
            deadline: timeout.map(|millis| Instant::now() + Duration::from_millis(millis)),
        }
    }

    pub(super) async fn start_rows(&self, planned: Planned) -> Result<Started> {
        let running = self.running(&planned).await?;
        Ok(Started { planned, running })
    }

    /// Hands the rest of a query to a task of its own. `spoiled` is the transaction that an error in it spoils.
    pub(super) fn answer(&self, started: Started, limits: Limits, spoiled: Option<Arc<AtomicBool>>) -> Answer {
        let columns = self.named(columns(&started.planned.fields));
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::spawn(run(self.engine.clone(), started, limits, spoiled, sender));
        Answer::Rows(Rows {
            columns,
            batches: Batches(receiver),
        })
    }
}

async fn run(
    engine: Arc<Engine>,
    mut started: Started,
    mut limits: Limits,
    spoiled: Option<Arc<AtomicBool>>,
    sender: mpsc::Sender<Result<RecordBatch>>,
) {
    let mut rows = 0;
    let query = limits.query;
    let ended = tokio::select! {
        biased;
        error = limits.exceeded() => Err(error),
        () = sender.closed() => Ok(()),
        ended = pass(&mut started.running, &sender, &mut rows) => ended,
    };
    // The end is noted before the client can see it.
    engine.history.finish(query, ended.as_ref().map(|()| (rows, None)));
    if let Err(error) = ended {
        if let Some(spoiled) = spoiled {
            spoiled.store(true, Ordering::Relaxed);
        }
        // A client that has gone need not hear of it.
        let _ = sender.send(Err(error)).await;
    }
}

async fn pass(running: &mut Running, sender: &mpsc::Sender<Result<RecordBatch>>, rows: &mut u64) -> Result<()> {
    while let Some(batch) = running.next().await {
        let batch = batch?;
        *rows += batch.num_rows() as u64;
        if sender.send(Ok(batch)).await.is_err() {
            break;
        }
    }
    Ok(())
}

pub(super) fn columns(fields: &[(String, SqlType)]) -> Vec<Column> {
    fields
        .iter()
        .map(|(name, sql_type)| Column::new(name, *sql_type))
        .collect()
}

/// Counts batches that are kept against the memory of all queries, until the last of them is dropped.
#[derive(Debug)]
pub(crate) struct Kept(MemoryReservation);

impl Session {
    pub(super) fn keep(&self) -> Kept {
        let pool = &self.engine.planner.runtime_env().memory_pool;
        Kept(MemoryConsumer::new("result").register(pool))
    }

    /// Runs a query to its end and keeps all of its rows.
    pub(crate) async fn rows(&self, planned: &Planned) -> Result<Outcome> {
        let mut kept = self.keep();
        let batches = self.collect_into(planned, &mut kept).await?;
        Ok(Outcome {
            _kept: Some(Arc::new(kept)),
            ..Outcome::rows_of("SELECT", &planned.fields, batches)
        })
    }

    async fn collect_into(&self, planned: &Planned, kept: &mut Kept) -> Result<Vec<RecordBatch>> {
        let mut running = self.running(planned).await?;
        let mut batches = Vec::new();
        while let Some(batch) = running.next().await {
            let batch = batch?;
            kept.grow(&batch)?;
            batches.push(batch);
        }
        Ok(batches)
    }
}

impl Kept {
    pub(super) fn grow(&mut self, batch: &RecordBatch) -> Result<()> {
        Ok(self.0.try_grow(batch.get_array_memory_size())?)
    }
}

/// A cursor's query, read as FETCH asks for it.
#[derive(Debug)]
pub(super) struct Cursor {
    pub planned: Planned,
    running: Running,
    rest: Option<RecordBatch>,
}

impl Cursor {
    pub fn new(started: Started) -> Self {
        Self {
            planned: started.planned,
            running: started.running,
            rest: None,
        }
    }

    /// Returns the next rows, at most `wanted` of them.
    pub async fn take(&mut self, mut wanted: usize, kept: &mut Kept) -> Result<Vec<RecordBatch>> {
        let mut taken = Vec::new();
        while wanted > 0 {
            let batch = match self.rest.take() {
                Some(rest) => rest,
                None => match self.running.next().await {
                    Some(batch) => batch?,
                    None => break,
                },
            };
            let rows = batch.num_rows();
            let batch = if rows > wanted {
                self.rest = Some(batch.slice(wanted, rows - wanted));
                batch.slice(0, wanted)
            } else {
                batch
            };
            wanted -= batch.num_rows();
            kept.grow(&batch)?;
            taken.push(batch);
        }
        Ok(taken)
    }
}
