//! How fast requests of one operation go out. At first as fast as they come; a throttled one halves the rate, every
//! second without another adds a little, until nothing holds them back any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Never slower than this, in requests per second.
const SLOWEST: f64 = 0.5;
/// What every second without throttling adds.
const GAIN: f64 = 2.0;
/// From this rate on nothing is held back.
const FREE: f64 = 200.0;
/// How much of the rate a throttled request takes away.
const CUT: f64 = 0.5;

/// The rates of all operations of a connection.
#[derive(Clone, Default)]
pub(crate) struct Rates(Arc<Mutex<HashMap<String, Bucket>>>);

impl Rates {
    /// Takes a token and returns how long to wait for it.
    pub(crate) fn pause(&self, operation: &str) -> Duration {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match buckets.get_mut(operation) {
            Some(bucket) => bucket.take(Instant::now()),
            None => Duration::ZERO,
        }
    }

    /// Takes in an answer.
    pub(crate) fn answered(&self, operation: &str, throttled: bool) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if throttled {
            buckets
                .entry(operation.to_owned())
                .or_insert_with(|| Bucket::new(now))
                .throttled(now);
        } else if let Some(bucket) = buckets.get_mut(operation)
            && bucket.is_free(now)
        {
            buckets.remove(operation);
        }
    }
}

/// One operation that was throttled not long ago.
#[derive(Debug)]
struct Bucket {
    /// Requests per second at `since`.
    rate: f64,
    /// When the rate was last cut.
    since: Instant,
    /// When the next request may go.
    next: Instant,
    /// How many went out since the rate was last looked at, to know what the real rate is.
    sent: u32,
    counted_from: Instant,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self {
            rate: FREE / 4.0,
            since: now,
            next: now,
            sent: 0,
            counted_from: now,
        }
    }

    /// The rate as it has grown by now.
    fn rate(&self, now: Instant) -> f64 {
        self.rate + GAIN * (now - self.since).as_secs_f64()
    }

    fn is_free(&self, now: Instant) -> bool {
        self.rate(now) >= FREE
    }

    fn take(&mut self, now: Instant) -> Duration {
        self.sent += 1;
        let rate = self.rate(now);
        let at = self.next.max(now);
        self.next = at + Duration::from_secs_f64(1.0 / rate);
        at - now
    }

    fn throttled(&mut self, now: Instant) {
        // Requests that were under way together are throttled together, and count once.
        if now - self.since < Duration::from_millis(200) && self.rate < FREE / 4.0 {
            return;
        }
        // Faster than we really went is no rate to halve.
        let seconds = (now - self.counted_from).as_secs_f64();
        let real = if seconds > 1.0 {
            f64::from(self.sent) / seconds
        } else {
            f64::INFINITY
        };
        self.rate = (self.rate(now).min(real) * CUT).max(SLOWEST);
        (self.since, self.sent, self.counted_from) = (now, 0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_throttled_is_not_held_back() {
        let rates = Rates::default();
        assert_eq!(rates.pause("ec2:DescribeVpcs"), Duration::ZERO);
        rates.answered("ec2:DescribeVpcs", false);
        rates.answered("ec2:CreateVpc", true);
        assert_eq!(
            rates.pause("ec2:DescribeVpcs"),
            Duration::ZERO,
            "another operation has a rate of its own"
        );
    }

    #[test]
    fn a_throttled_operation_halves_its_rate_and_then_gains() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        bucket.throttled(start);
        let first = bucket.rate(start);
        assert_eq!(first, FREE / 8.0);
        let later = start + Duration::from_secs(5);
        assert_eq!(bucket.rate(later), first + 5.0 * GAIN);
        bucket.throttled(later);
        assert!(bucket.rate(later) < bucket.rate(later + Duration::from_secs(1)));
        assert!(bucket.is_free(later + Duration::from_secs(200)));
    }

    #[test]
    fn many_throttled_at_once_count_as_one() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        (0..50).for_each(|_| bucket.throttled(start));
        assert_eq!(bucket.rate(start), FREE / 8.0);
    }

    #[test]
    fn requests_are_spread_by_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        (bucket.rate, bucket.since) = (10.0, start);
        let pauses: Vec<u128> = (0..4).map(|_| bucket.take(start).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 300]);
        assert_eq!(
            bucket.take(start + Duration::from_secs(9)),
            Duration::ZERO,
            "an old wait is no debt"
        );
    }

    #[test]
    fn it_never_stops_altogether() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(now);
        for _ in 0..100 {
            now += Duration::from_millis(201);
            bucket.throttled(now);
        }
        assert!(bucket.rate(now) >= SLOWEST);
    }
}
