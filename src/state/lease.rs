//! Who holds a stack and for how long: a lease that its holder renews, and a token that grows with every holder.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A holder that has given no sign of life for so long holds nothing any more.
pub const LEASE: Duration = Duration::from_secs(60);
/// How often a holder gives one.
pub const BEAT: Duration = Duration::from_secs(15);
/// So long before others may take over, a holder stops by itself: time for what is on its way to arrive.
const MARGIN: Duration = Duration::from_secs(15);

/// Who holds a stack, as the lock says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Grows with every holder. Everything a holder writes carries it.
    pub token: u64,
    pub user: String,
    pub host: String,
    pub process: u32,
    pub command: String,
    pub since: String,
    /// How long the lease lasts without a sign of life.
    pub lease_s: u64,
    /// Tells two holders apart that are alike in all else.
    pub nonce: String,
    /// The holder has left in order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
}

impl Holder {
    /// This process, running a command.
    pub fn here(token: u64, command: &str) -> Self {
        let user = ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok());
        Self {
            token,
            user: user.unwrap_or_else(|| "somebody".to_owned()),
            host: host(),
            process: std::process::id(),
            command: format!("lakeform {command}"),
            since: super::now(),
            lease_s: LEASE.as_secs(),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            released: false,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub fn to_text(&self) -> String {
        format!("{}\n", serde_json::to_string(self).expect("a holder is plain data"))
    }

    /// Whether the lease of a holder last heard of so long ago is over.
    pub fn expired(&self, silent: Duration) -> bool {
        self.released || silent >= Duration::from_secs(self.lease_s)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            host,
            process,
            command,
            since,
            ..
        } = self;
        write!(f, "`{command}` by {user} on {host}, process {process}, since {since}")
    }
}

/// The name of this machine, for people.
fn host() -> String {
    let asked = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok());
    asked
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this machine".to_owned())
}

/// The holder's own view of its lease.
pub struct Lease {
    /// By two clocks: one stands still while the machine sleeps, the other can be set.
    renewed: Mutex<(Instant, SystemTime)>,
    lost: AtomicBool,
    /// Renews at once, where that takes no network; says whether the stack is still ours.
    reclaim: Option<Reclaim>,
}

pub type Reclaim = Box<dyn Fn() -> bool + Send + Sync>;

impl Lease {
    pub fn new(reclaim: Option<Reclaim>) -> Self {
        Self {
            renewed: Mutex::new((Instant::now(), SystemTime::now())),
            lost: AtomicBool::new(false),
            reclaim,
        }
    }

    /// A sign of life arrived; it was sent at `sent`.
    pub fn renew(&self, sent: (Instant, SystemTime)) {
        *self.renewed.lock().expect("nothing panics while renewing") = sent;
    }

    /// Somebody else has taken over.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    /// Whether this process may still act. It stops before others may begin.
    pub fn alive(&self) -> bool {
        if self.lost.load(Ordering::SeqCst) {
            return false;
        }
        let (instant, time) = *self.renewed.lock().expect("nothing panics while renewing");
        let slept = SystemTime::now().duration_since(time).unwrap_or_default();
        instant.elapsed().max(slept) < LEASE - MARGIN || self.reclaimed()
    }

    /// Renews the lease if that can be done at once.
    pub fn reclaimed(&self) -> bool {
        let sent = (Instant::now(), SystemTime::now());
        let ours = self.reclaim.as_ref().is_some_and(|reclaim| reclaim());
        if ours {
            self.renew(sent);
        }
        ours
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_shown_to_people_and_read_back() {
        let holder = Holder::here(7, "apply");
        assert_eq!(Holder::parse(&holder.to_text()), Some(holder.clone()));
        let shown = holder.to_string();
        assert!(shown.starts_with("`lakeform apply` by "), "{shown}");
        assert!(shown.contains(&std::process::id().to_string()), "{shown}");
    }

    #[test]
    fn a_lease_ends_with_silence_or_release() {
        let holder = Holder::here(1, "apply");
        assert!(!holder.expired(LEASE - Duration::from_secs(1)));
        assert!(holder.expired(LEASE));
        assert!(
            Holder {
                released: true,
                ..holder
            }
            .expired(Duration::ZERO)
        );
    }

    #[test]
    fn a_holder_stops_before_others_may_begin() {
        let lease = Lease::new(None);
        assert!(lease.alive());
        let long_ago = SystemTime::now() - (LEASE - MARGIN);
        lease.renew((Instant::now(), long_ago));
        assert!(!lease.alive(), "the machine slept");
        lease.renew((Instant::now(), SystemTime::now()));
        assert!(lease.alive());
        lease.lose();
        assert!(!lease.alive());
    }

    #[test]
    fn a_machine_that_slept_goes_on_when_nobody_came_meanwhile() {
        let long_ago = SystemTime::now() - LEASE;
        for ours in [true, false] {
            let lease = Lease::new(Some(Box::new(move || ours)));
            lease.renew((Instant::now(), long_ago));
            assert_eq!(lease.alive(), ours);
        }
    }
}
