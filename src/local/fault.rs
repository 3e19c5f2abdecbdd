//! The seeded fault layer at the one door: throttling, server errors before the effect, answers lost after it, latency,
//! roles that are not ready, strangers who are in the way, and named refusals. A decision depends on the seed, the
//! operation and how often it was called, never on timing, so the same run fails in the same places. Everything
//! injected is recorded, and a record can be replayed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::services::{Fault, Service};

/// Marks a response that must not reach the client: its effect is done, its answer lost. A connector that sees it in
/// the response's extensions reports a broken connection; the server closes the connection.
#[derive(Clone, Copy, Debug)]
pub struct Lost;

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
pub enum Effect {
    /// Refused as too many requests.
    Throttle,
    /// A server error; nothing was done.
    ServerError,
    /// The connection breaks before anything is done.
    Dropped,
    /// Done, but the answer is lost.
    Lost,
    Latency {
        milliseconds: u64,
    },
    /// A read answered from a state of a moment ago; anything else is not affected.
    Stale,
    /// A state on the way to another is shown by a name that nobody has heard of.
    UnknownState,
    /// The role that the call names is not known everywhere yet; `wording` picks one of the ways to say so.
    RoleNotReady {
        #[serde(default)]
        wording: u64,
    },
    /// Somebody else makes the same thing, without the caller's tags, a moment earlier.
    Preempted,
    /// Somebody else's network interface is in the subnet or group for so long.
    ForeignInterface {
        #[serde(default = "foreign_seconds")]
        seconds: f64,
    },
    /// Refused in these words.
    Refuse {
        status: u16,
        code: String,
        message: String,
    },
}

/// An effect for the next `times` calls of an operation such as `ec2:CreateVpc`; `*` stands for any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub operation: String,
    #[serde(flatten)]
    pub effect: Effect,
    #[serde(default = "once")]
    pub times: u64,
}

fn foreign_seconds() -> f64 {
    FOREIGN_SECONDS
}

fn once() -> u64 {
    1
}

/// How many of a thousand calls meet each effect while a seed is set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    pub throttle: u64,
    pub server_error: u64,
    pub dropped: u64,
    pub lost: u64,
    pub latency: u64,
    /// Half of the delays are shorter.
    pub latency_p50_ms: u64,
    /// One of a hundred delays is longer; none is more than twice as long.
    pub latency_p99_ms: u64,
    /// Of the calls that name a role.
    pub role_not_ready: u64,
    /// Of the deletions of subnets and security groups.
    pub foreign_interface: u64,
    /// Off unless asked for: clients must then expect what they made to be missing for a while.
    pub stale: u64,
    /// Off unless asked for: clients must then wait through states that they do not know.
    pub unknown_state: u64,
    /// Off unless asked for: what somebody else made first stays in the caller's way.
    pub preempted: u64,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            throttle: 30,
            server_error: 20,
            dropped: 10,
            lost: 20,
            latency: 100,
            latency_p50_ms: 20,
            latency_p99_ms: 400,
            role_not_ready: 300,
            foreign_interface: 200,
            stale: 0,
            unknown_state: 0,
            preempted: 0,
        }
    }
}

/// Calls that hand a role to a service, which must then be able to assume it.
const ROLE_TAKERS: [&str; 7] = [
    "glue:CreateCrawler",
    "glue:UpdateCrawler",
    "glue:CreateTrigger",
    "redshift:CreateCluster",
    "redshift:ModifyClusterIamRoles",
    "redshift-serverless:CreateNamespace",
    "redshift-serverless:UpdateNamespace",
];
/// Deletions that an interface in the way refuses.
const HELD_BY_INTERFACES: [&str; 2] = ["ec2:DeleteSubnet", "ec2:DeleteSecurityGroup"];
/// How long a stranger's interface stays.
const FOREIGN_SECONDS: f64 = 2.0;

/// One injected effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub operation: String,
    /// The first call of this operation has number 1.
    pub call: u64,
    #[serde(flatten)]
    pub effect: Effect,
}

/// The settings as the administration endpoint takes and shows them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    pub seed: Option<u64>,
    pub rates: Rates,
    pub rules: Vec<Rule>,
    /// What an earlier run recorded: the same calls meet the same effects, and no others do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replay: Vec<Record>,
}

#[derive(Default)]
struct State {
    plan: Plan,
    calls: HashMap<String, u64>,
    records: Vec<Record>,
}

/// The fault layer.
#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
}

/// More records than this are of no use to anybody.
const RECORDS: usize = 10_000;

impl Faults {
    pub fn new(seed: Option<u64>) -> Faults {
        let faults = Faults::default();
        faults.set(Plan {
            seed,
            ..Plan::default()
        });
        faults
    }

    /// Starts over with this plan.
    pub fn set(&self, plan: Plan) {
        *self.lock() = State {
            plan,
            ..State::default()
        };
    }

    pub fn plan(&self) -> Plan {
        self.lock().plan.clone()
    }

    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// Says whether reads may be stale, so that old states are worth keeping.
    pub fn stales(&self) -> bool {
        let state = self.lock();
        let plan = &state.plan;
        plan.seed.is_some() && plan.rates.stale > 0
            || plan.rules.iter().any(|rule| rule.effect == Effect::Stale)
            || plan.replay.iter().any(|record| record.effect == Effect::Stale)
    }

    /// Decides what happens to this call and records it.
    pub fn decide(&self, operation: &str) -> Option<Effect> {
        let mut state = self.lock();
        if state.plan.seed.is_none() && state.plan.rules.is_empty() && state.plan.replay.is_empty() {
            return None;
        }
        let call = state.calls.entry(operation.to_owned()).or_default();
        *call += 1;
        let call = *call;
        let plan = &mut state.plan;
        let mut rules = plan.rules.iter_mut();
        let effect = match rules.find(|rule| rule.times > 0 && matches(&rule.operation, operation)) {
            Some(rule) => {
                rule.times -= 1;
                Some(rule.effect.clone())
            }
            None if !plan.replay.is_empty() => {
                let mut recorded = plan.replay.iter();
                let same = recorded.find(|record| record.call == call && record.operation == operation);
                same.map(|record| record.effect.clone())
            }
            None => plan.seed.and_then(|seed| drawn(seed, &plan.rates, operation, call)),
        }?;
        if state.records.len() < RECORDS {
            state.records.push(Record {
                operation: operation.to_owned(),
                call,
                effect: effect.clone(),
            });
        }
        Some(effect)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn matches(rule: &str, operation: &str) -> bool {
    match rule.split_once('*') {
        Some((start, end)) => {
            operation.len() >= start.len() + end.len() && operation.starts_with(start) && operation.ends_with(end)
        }
        None => rule == operation,
    }
}

fn drawn(seed: u64, rates: &Rates, operation: &str, call: u64) -> Option<Effect> {
    let mut draw = seed ^ call.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in operation.bytes() {
        draw = mixed(draw ^ u64::from(byte));
    }
    let draw = mixed(draw);
    let point = draw % 1000;
    let takes_role = ROLE_TAKERS.contains(&operation);
    let held = HELD_BY_INTERFACES.contains(&operation);
    let makes = operation.contains(":Create");
    let seconds = FOREIGN_SECONDS;
    let chances = [
        (rates.throttle, Effect::Throttle),
        (rates.server_error, Effect::ServerError),
        (rates.dropped, Effect::Dropped),
        (rates.lost, Effect::Lost),
        (
            if takes_role { rates.role_not_ready } else { 0 },
            Effect::RoleNotReady {
                wording: mixed(draw) % 3,
            },
        ),
        (
            if held { rates.foreign_interface } else { 0 },
            Effect::ForeignInterface { seconds },
        ),
        (if makes { rates.preempted } else { 0 }, Effect::Preempted),
        (rates.stale, Effect::Stale),
        (rates.unknown_state, Effect::UnknownState),
        (
            rates.latency,
            Effect::Latency {
                milliseconds: delay(mixed(draw), rates),
            },
        ),
    ];
    let mut border = 0;
    chances.into_iter().find_map(|(rate, effect)| {
        border += rate;
        (point < border).then_some(effect)
    })
}

/// Draws from a log-normal distribution with the median and the 99th percentile of the rates: like the delays of a real
/// service, most are short and a few are very long.
fn delay(draw: u64, rates: &Rates) -> u64 {
    const P99: f64 = 2.326;
    let uniform = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let (left, right) = (uniform(draw), uniform(mixed(draw)));
    let normal = (-2.0 * left.ln()).sqrt() * (std::f64::consts::TAU * right).cos();
    let (median, long) = (rates.latency_p50_ms.max(1) as f64, rates.latency_p99_ms.max(1) as f64);
    let drawn = median * (long / median).powf(normal / P99);
    drawn.min(2.0 * long) as u64
}

/// The finaliser of splitmix64: every bit of the input changes about half of the output's.
fn mixed(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Effect {
    /// Returns the refusal that this effect means to a client of `service`; none stands for S3.
    pub fn refusal(&self, service: Option<Service>) -> Option<Fault> {
        match self {
            Effect::Throttle => Some(match service {
                None => Fault::new(503, "SlowDown", "Please reduce your request rate."),
                Some(Service::Ec2) => Fault::new(503, "RequestLimitExceeded", "Request limit exceeded."),
                Some(Service::Iam | Service::Sts | Service::Redshift) => Fault::bad("Throttling", "Rate exceeded"),
                Some(_) => Fault::bad("ThrottlingException", "Rate exceeded"),
            }),
            Effect::ServerError => Some(match service {
                None => Fault::new(
                    500,
                    "InternalError",
                    "We encountered an internal error. Please try again.",
                ),
                Some(Service::Ec2) => Fault::new(500, "InternalError", "An internal error has occurred"),
                Some(Service::Glue) => Fault::new(500, "InternalServiceException", "An internal error has occurred"),
                Some(_) => Fault::new(500, "InternalFailure", "An internal error has occurred"),
            }),
            Effect::RoleNotReady { wording } => {
                let glue = [
                    "Service is unable to assume provided role. Please verify role's TrustPolicy",
                    "Service is unable to assume role. Please verify the role's TrustPolicy",
                    "The security token included in the request is invalid (Service: AWSGlue; Status Code: 400; \
                     Error Code: UnrecognizedClientException)",
                ];
                Some(match service {
                    Some(Service::Glue) => Fault::bad("InvalidInputException", glue[*wording as usize % glue.len()]),
                    Some(Service::RedshiftServerless) => Fault::bad(
                        "ValidationException",
                        "The IAM role is not valid or does not exist, or Redshift cannot assume it yet.",
                    ),
                    _ => Fault::bad(
                        "InvalidParameterValue",
                        "The IAM role is not valid or does not exist, or Redshift cannot assume it yet.",
                    ),
                })
            }
            Effect::Refuse { status, code, message } => Some(Fault::new(*status, code, message.clone())),
            Effect::Dropped
            | Effect::Lost
            | Effect::Stale
            | Effect::UnknownState
            | Effect::Latency { .. }
            | Effect::Preempted
            | Effect::ForeignInterface { .. } => None,
        }
    }

    /// Returns how long the request waits first.
    pub fn delay(&self) -> Option<Duration> {
        match self {
            Effect::Latency { milliseconds } => Some(Duration::from_millis(*milliseconds)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_fails_in_the_same_places() {
        let run = || {
            let faults = Faults::new(Some(7));
            (0..500).map(|_| faults.decide("ec2:CreateVpc")).collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run());
        let injected = first.iter().flatten().count();
        assert!((40..160).contains(&injected), "{injected} of 500");
    }

    #[test]
    fn a_record_is_replayed_to_the_letter() {
        let calls = ["ec2:CreateVpc", "glue:CreateCrawler", "ec2:DeleteSubnet"];
        let run = |faults: &Faults| {
            let asked = calls.iter().cycle().take(600);
            asked.map(|operation| faults.decide(operation)).collect::<Vec<_>>()
        };
        let first = Faults::new(Some(3));
        let decided = run(&first);
        assert!(
            decided
                .iter()
                .flatten()
                .any(|effect| matches!(effect, Effect::RoleNotReady { .. }))
        );
        assert!(
            decided
                .iter()
                .flatten()
                .any(|effect| matches!(effect, Effect::ForeignInterface { .. }))
        );
        // As it was written to a file and read again, under a seed that would decide otherwise.
        let text = serde_json::to_string(&first.records()).expect("JSON");
        let second = Faults::new(Some(4));
        second.set(Plan {
            seed: Some(4),
            replay: serde_json::from_str(&text).expect("records"),
            ..Plan::default()
        });
        assert_eq!(run(&second), decided);
        assert_eq!(second.records(), first.records());
    }

    #[test]
    fn delays_have_the_median_and_the_tail_that_was_asked_for() {
        let rates = Rates::default();
        let mut delays: Vec<u64> = (0..10_000).map(|draw| delay(mixed(draw), &rates)).collect();
        delays.sort_unstable();
        assert!((15..=25).contains(&delays[5_000]), "{}", delays[5_000]);
        assert!((300..=520).contains(&delays[9_900]), "{}", delays[9_900]);
        assert!(delays[9_999] <= 2 * rates.latency_p99_ms);
    }

    #[test]
    fn without_a_plan_nothing_happens() {
        assert_eq!(Faults::new(None).decide("ec2:CreateVpc"), None);
    }

    #[test]
    fn a_rule_holds_for_its_calls_only() {
        let faults = Faults::default();
        let rule = r#"{"rules": [{"operation": "glue:*", "effect": "throttle", "times": 2}]}"#;
        faults.set(serde_json::from_str(rule).expect("a plan"));
        let effects: Vec<_> = (0..3).map(|_| faults.decide("glue:GetDatabase")).collect();
        assert_eq!(effects, [Some(Effect::Throttle), Some(Effect::Throttle), None]);
        assert_eq!(faults.decide("ec2:CreateVpc"), None);
        assert_eq!(faults.records().len(), 2);
    }
}
