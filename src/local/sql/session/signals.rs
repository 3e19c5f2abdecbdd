//! What reaches a session from outside: the cancelling of its statement, and the end of its connection.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, watch};

use crate::catalog::Oid;

#[derive(Debug)]
pub struct Signals {
    /// The user that logged in.
    pub user: Oid,
    working: AtomicBool,
    terminated: AtomicBool,
    interrupt: watch::Sender<()>,
    end: Notify,
}

impl Signals {
    pub fn new(user: Oid) -> Self {
        Self {
            user,
            working: AtomicBool::new(false),
            terminated: AtomicBool::new(false),
            interrupt: watch::Sender::new(()),
            end: Notify::new(),
        }
    }

    /// Interrupts the statement that runs; without one, nothing happens.
    pub fn cancel(&self) {
        self.interrupt.send_replace(());
    }

    /// Ends the connection: through the error of its statement, or at once when none runs.
    pub fn terminate(&self) {
        self.terminated.store(true, Ordering::SeqCst);
        if self.working.load(Ordering::SeqCst) {
            self.interrupt.send_replace(());
        } else {
            self.end.notify_one();
        }
    }

    pub(super) fn set_working(&self, working: bool) {
        self.working.store(working, Ordering::SeqCst);
    }

    /// Tells of every interruption from now on.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.interrupt.subscribe()
    }

    /// Whether somebody ended the session.
    pub(super) fn terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }

    /// Waits for the end of a connection that was doing nothing.
    pub async fn ended(&self) {
        self.end.notified().await;
    }
}
