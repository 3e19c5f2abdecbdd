//! The cloud's clock and its pace. Asynchronous states are functions of this clock over stored instants, so a test
//! that moves the clock moves every state with it; nothing in a service sleeps. The only reader of the system time.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How long asynchronous operations take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// A cluster in about a second.
    Quick,
    /// Durations as on AWS.
    Realistic,
}

impl Pace {
    /// Returns the duration of this pace in seconds.
    pub fn seconds(self, quick: f64, realistic: f64) -> f64 {
        match self {
            Pace::Quick => quick,
            Pace::Realistic => realistic,
        }
    }
}

#[derive(Clone, Copy)]
struct Reading {
    /// Added to the system time.
    offset: f64,
    /// Set while the clock stands still.
    frozen_at: Option<f64>,
}

/// The virtual clock: runs with the system time, can be moved forward and can stand still.
pub struct Clock {
    reading: Mutex<Reading>,
    moved: watch::Sender<u64>,
}

impl Default for Clock {
    fn default() -> Self {
        Clock {
            reading: Mutex::new(Reading {
                offset: 0.0,
                frozen_at: None,
            }),
            moved: watch::Sender::new(0),
        }
    }
}

fn system_seconds() -> f64 {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system time")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

impl Clock {
    /// Returns the time in seconds since the epoch.
    pub fn now(&self) -> f64 {
        let reading = self.lock();
        reading.frozen_at.unwrap_or_else(|| system_seconds() + reading.offset)
    }

    /// Moves the clock forward.
    pub fn advance(&self, seconds: f64) {
        let mut reading = self.lock();
        match &mut reading.frozen_at {
            Some(at) => *at += seconds,
            None => reading.offset += seconds,
        }
        drop(reading);
        self.moved.send_modify(|count| *count += 1);
    }

    /// Stops the clock at this instant, or where it is.
    pub fn freeze(&self, at: Option<f64>) {
        let now = self.now();
        self.lock().frozen_at = Some(at.unwrap_or(now));
        self.moved.send_modify(|count| *count += 1);
    }

    /// Lets the clock run on from where it stands.
    pub fn run(&self) {
        let mut reading = self.lock();
        if let Some(at) = reading.frozen_at.take() {
            reading.offset = at - system_seconds();
        }
        drop(reading);
        self.moved.send_modify(|count| *count += 1);
    }

    /// Returns when the clock has reached `instant`, by running or by being moved. For background work such as
    /// schedules; requests never wait.
    pub async fn reach(&self, instant: f64) {
        let mut moved = self.moved.subscribe();
        loop {
            let (left, frozen) = {
                let now = self.now();
                (instant - now, self.lock().frozen_at.is_some())
            };
            if left <= 0.0 {
                return;
            }
            let wait = if frozen {
                Duration::from_secs(3600)
            } else {
                Duration::from_secs_f64(left.min(3600.0))
            };
            // Either way the loop looks at the clock again; the sender lives as long as `self`.
            let _ = tokio::time::timeout(wait, moved.changed()).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
