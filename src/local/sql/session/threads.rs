//! The threads that a session's queries run on. They are its own, so that the operating system shares the cores out
//! between sessions: however long a query keeps its threads busy, nobody else waits for them, and what waits for
//! clients, for a cancel or for a time limit stays elsewhere.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use crate::error::{Result, SqlError};

#[derive(Debug)]
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    pub fn start(count: usize) -> Result<Arc<Self>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(count.max(1))
            .thread_name("query")
            .enable_time()
            .build()?;
        Ok(Arc::new(Self(Some(runtime))))
    }

    pub fn handle(&self) -> &Handle {
        self.0.as_ref().expect("only dropping takes the runtime").handle()
    }

    /// Does work on these threads; whoever drops the future ends it.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let mut tasks = JoinSet::new();
        tasks.spawn_on(work, self.handle());
        match tasks.join_next().await {
            Some(done) => done.map_err(SqlError::internal)?,
            None => Err(SqlError::internal("no task")),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Nobody waits for what may still run: it ends where it next gives way.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
