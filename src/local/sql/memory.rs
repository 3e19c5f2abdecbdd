//! The memory that all queries of a cluster share. What can go through files, sorts and groups, gets equal parts of a
//! share of it; the rest is for what cannot, not least for the merging of those very files.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{DataFusionError, Result as DfResult};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Returns the share of a memory that is kept for what cannot go through files.
pub fn for_merges(size: usize) -> usize {
    // A sort that writes its rows out merges them first, which takes up to as much as half of them again.
    size / 5 * 2
}

#[derive(Debug)]
pub struct SharedMemory {
    size: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    /// How many there are that can spill, and what they have together.
    spillers: usize,
    spillable: usize,
    fixed: usize,
}

impl SharedMemory {
    pub fn new(size: usize) -> Self {
        Self {
            size,
            used: Mutex::default(),
        }
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryPool for SharedMemory {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.used().spillers += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.used().spillers -= 1;
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut used = self.used();
        *used.of(reservation) += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut used = self.used();
        *used.of(reservation) -= shrink;
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DfResult<()> {
        let mut used = self.used();
        let free = self.size.saturating_sub(used.spillable + used.fixed);
        let allowed = if reservation.consumer().can_spill() {
            let share = self.size - for_merges(self.size).max(used.fixed).min(self.size);
            let part = share / used.spillers.max(1);
            part.saturating_sub(reservation.size()).min(free)
        } else {
            free
        };
        if additional > allowed {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} needs {additional} bytes more than the {} it has; {allowed} of {} are left for it",
                reservation.consumer().name(),
                reservation.size(),
                self.size
            )));
        }
        *used.of(reservation) += additional;
        Ok(())
    }

    fn reserved(&self) -> usize {
        let used = self.used();
        used.spillable + used.fixed
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size)
    }
}

impl Used {
    fn of(&mut self, reservation: &MemoryReservation) -> &mut usize {
        match reservation.consumer().can_spill() {
            true => &mut self.spillable,
            false => &mut self.fixed,
        }
    }
}

impl fmt::Display for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes for all queries", self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_spills_leaves_room_for_what_cannot() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedMemory::new(1000));
        let spiller = || MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        let (first, second) = (spiller(), spiller());
        assert!(first.try_grow(300).is_ok() && second.try_grow(300).is_ok());
        assert!(first.try_grow(1).is_err(), "a spiller may not have more than its part");
        let merge = MemoryConsumer::new("merge").register(&pool);
        assert!(merge.try_grow(400).is_ok());
        assert!(merge.try_grow(1).is_err(), "there is no more than there is");
        drop((first, merge));
        assert!(second.try_grow(300).is_ok(), "who is alone has the whole share");
        assert_eq!(pool.reserved(), 600);
    }
}
