//! One look for all who wait. Steps that wait for objects of one kind at the same time share their requests: whoever
//! looks, looks for everybody, and the others take the answer if it is fresh.

use crate::error::Result;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is being waited for, by kind.
#[derive(Clone, Default)]
pub(crate) struct Looks(Arc<Mutex<BTreeMap<&'static str, Arc<Kind>>>>);

#[derive(Default)]
struct Kind {
    /// The names waited for, and how often.
    waiting: Mutex<BTreeMap<String, usize>>,
    /// The last look.
    last: tokio::sync::Mutex<Option<Seen>>,
}

struct Seen {
    begun: Instant,
    asked: BTreeSet<String>,
    found: HashMap<String, Arc<dyn Any + Send + Sync>>,
}

/// A wait for one object.
pub(crate) struct Wait {
    kind: Arc<Kind>,
    name: String,
    since: Instant,
}

impl Looks {
    /// Begins to wait for an object.
    pub(crate) fn wait(&self, kind: &'static str, name: &str) -> Wait {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(kind).or_default().clone();
        *lock(&kind.waiting).entry(name.to_owned()).or_default() += 1;
        Wait {
            kind,
            name: name.to_owned(),
            since: Instant::now(),
        }
    }
}

impl Wait {
    /// Returns the object as it is now, or as somebody else saw it less than `fresh` ago, though not before this wait
    /// began. `read` is given all names that are waited for and returns what there is of them.
    pub(crate) async fn look<T: Clone + Send + Sync + 'static>(
        &self,
        fresh: Duration,
        read: impl AsyncFnOnce(Vec<String>) -> Result<Vec<(String, T)>>,
    ) -> Result<Option<T>> {
        let mut last = self.kind.last.lock().await;
        let now = Instant::now();
        let usable = last.as_ref().is_some_and(|seen| {
            seen.asked.contains(&self.name) && seen.begun >= self.since && now - seen.begun < fresh
        });
        if !usable {
            let names: Vec<String> = lock(&self.kind.waiting).keys().cloned().collect();
            let found = read(names.clone()).await?;
            *last = Some(Seen {
                begun: now,
                asked: names.into_iter().collect(),
                found: found
                    .into_iter()
                    .map(|(name, value)| (name, Arc::new(value) as Arc<dyn Any + Send + Sync>))
                    .collect(),
            });
        }
        let seen = last.as_ref().expect("just looked");
        Ok(seen
            .found
            .get(&self.name)
            .and_then(|value| value.downcast_ref::<T>())
            .cloned())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = lock(&self.kind.waiting);
        if let Some(count) = waiting.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.name);
            }
        }
    }
}

fn lock(waiting: &Mutex<BTreeMap<String, usize>>) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::cell::Cell;

    fn seen(names: Vec<String>) -> Vec<(String, usize)> {
        let count = names.len();
        names.into_iter().map(|name| (name, count)).collect()
    }

    #[tokio::test]
    async fn those_who_wait_at_once_share_one_look() {
        let looks = Looks::default();
        let requests = Cell::new(0);
        let waits: Vec<Wait> = ["a", "b", "c"].iter().map(|name| looks.wait("cluster", name)).collect();
        let all = join_all(waits.iter().map(|wait| {
            wait.look(Duration::from_secs(60), async |names| {
                requests.set(requests.get() + 1);
                tokio::task::yield_now().await;
                Ok(seen(names))
            })
        }))
        .await;
        assert_eq!(requests.get(), 1);
        assert!(all.into_iter().all(|found| found.expect("a look") == Some(3)));
    }

    #[tokio::test]
    async fn a_look_from_before_the_wait_began_does_not_count() {
        let looks = Looks::default();
        let first = looks.wait("cluster", "a");
        let look = async |wait: &Wait| wait.look(Duration::from_secs(60), async |names| Ok(seen(names))).await;
        assert_eq!(look(&first).await.expect("a look"), Some(1));
        let second = looks.wait("cluster", "b");
        assert_eq!(look(&second).await.expect("a look"), Some(2));
        // The same object waited for again, after it was changed.
        drop((first, second));
        let again = looks.wait("cluster", "a");
        assert_eq!(look(&again).await.expect("a look"), Some(1));
    }

    #[tokio::test]
    async fn what_fails_for_one_is_tried_by_the_next() {
        let looks = Looks::default();
        let (first, second) = (looks.wait("cluster", "a"), looks.wait("cluster", "b"));
        let refusal = || crate::error::incomplete("look", "anything");
        let failed = first
            .look::<usize>(Duration::from_secs(60), async |_| Err(refusal()))
            .await;
        assert!(failed.is_err());
        let found = second
            .look(Duration::from_secs(60), async |names| Ok(seen(names)))
            .await;
        assert_eq!(found.expect("a look"), Some(2));
    }

    #[tokio::test]
    async fn what_is_gone_is_nothing() {
        let looks = Looks::default();
        let wait = looks.wait("cluster", "a");
        let found = wait.look::<usize>(Duration::ZERO, async |_| Ok(Vec::new())).await;
        assert_eq!(found.expect("a look"), None);
    }
}
