//! Waiting: for a state, and for a refusal to pass. Both are bounded, ask often at first and seldom later, and say
//! what they wait for.

use crate::connection::Pace;
use crate::error::Result;
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Progress, Report};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Returns the pauses between looks for what may have been made a moment ago. Together they are as long as it may be
/// hidden: a minute on AWS, though what has a name shows sooner.
pub(crate) fn hidden(pace: Pace) -> impl Iterator<Item = Duration> {
    let pauses_ms: &[u64] = match pace {
        Pace::Quick => &[100, 400, 700],
        Pace::Aws => &[1_000, 2_000, 4_000, 8_000, 15_000, 30_000],
    };
    pauses_ms.iter().map(|ms| Duration::from_millis(*ms))
}

/// What one look at an object showed.
pub(crate) enum Look<T> {
    Done(T),
    /// Not yet; in AWS's word for the state. States we have never heard of count as this.
    Pending(String),
}

/// How long, and how often.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub limit: Duration,
    pub pace: Pace,
    /// The longest pause between two looks on AWS.
    pub pause: Duration,
}

impl Patience {
    pub(crate) fn new(pace: Pace, limit_s: u64) -> Self {
        Self {
            limit: Duration::from_secs(limit_s),
            pace,
            pause: Duration::from_secs(10),
        }
    }

    /// For what takes minutes.
    pub(crate) fn slow(pace: Pace, limit_s: u64) -> Self {
        Self {
            pause: Duration::from_secs(15),
            ..Self::new(pace, limit_s)
        }
    }

    fn pauses(self) -> impl Iterator<Item = Duration> {
        let first: &[u64] = match self.pace {
            Pace::Quick => &[50, 100, 200, 400, 800],
            Pace::Aws => &[1000, 1000, 2000, 3000, 5000, 8000],
        };
        let last = match self.pace {
            Pace::Quick => Duration::from_secs(1),
            Pace::Aws => self.pause,
        };
        first
            .iter()
            .map(|ms| Duration::from_millis(*ms))
            .chain(std::iter::repeat(last))
            .map(jitter)
    }
}

/// Spreads simultaneous waits by ±20 %, so that they do not ask in step.
fn jitter(pause: Duration) -> Duration {
    let draw = RandomState::new().build_hasher().finish() % 401;
    pause.mul_f64(0.8 + draw as f64 / 1000.0)
}

/// Looks until it is done, and reports every new state.
pub(crate) async fn until<T>(
    patience: Patience,
    doing: &str,
    report: Report<'_>,
    mut look: impl AsyncFnMut() -> Result<Look<T>>,
) -> Result<T> {
    let start = Instant::now();
    let mut reported = String::new();
    for pause in patience.pauses() {
        match look().await? {
            Look::Done(value) => return Ok(value),
            Look::Pending(state) => {
                if start.elapsed() + pause > patience.limit {
                    return Err(too_long(doing, &state, patience.limit));
                }
                if state != reported {
                    report(Progress::State(state.clone()));
                    reported = state;
                }
            }
        }
        sleep(pause).await;
    }
    unreachable!("the pauses never end")
}

fn too_long(doing: &str, state: &str, limit: Duration) -> CloudError {
    CloudError::new(
        Meaning::Busy,
        doing,
        format!("still `{state}` after {} s", limit.as_secs()),
    )
    .hint("running the command again goes on waiting")
}

/// Tries until it works or the refusal is not one that passes by itself. `passing` names what is being waited for.
pub(crate) async fn retry<T>(
    patience: Patience,
    report: Report<'_>,
    passing: impl Fn(&CloudError) -> Option<&'static str>,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    for pause in patience.pauses() {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let Some(waiting_for) = passing(&error) else {
            return Err(error);
        };
        if start.elapsed() + pause > patience.limit {
            return Err(error.hint(format!("tried again for {} s", patience.limit.as_secs())));
        }
        report(Progress::State(format!(
            "{waiting_for}, {} s",
            start.elapsed().as_secs()
        )));
        sleep(pause).await;
    }
    unreachable!("the pauses never end")
}

/// What was there a moment ago and is not found is not shown everywhere yet.
pub(crate) fn unseen(error: &CloudError) -> Option<&'static str> {
    (error.meaning == Meaning::NotFound).then_some("not shown yet")
}

/// Refusals that pass while other work on the object ends.
pub(crate) fn busy(error: &CloudError) -> Option<&'static str> {
    (error.meaning == Meaning::Busy).then_some("busy with another change")
}
