//! The seeded fault layer at the one door: throttling, server errors before the effect, answers lost after it, latency
//! and named refusals. A decision depends on the seed, the operation and how often it was called, never on timing, so
//! the same run fails in the same places. Everything injected is recorded.

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
    /// Done, but the answer is lost.
    Lost,
    Latency {
        milliseconds: u64,
    },
    /// A read answered from a state of a moment ago; anything else is not affected.
    Stale,
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

fn once() -> u64 {
    1
}

/// How many of a thousand calls meet each effect while a seed is set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    pub throttle: u64,
    pub server_error: u64,
    pub lost: u64,
    pub latency: u64,
    pub latency_max_ms: u64,
    /// Off unless asked for: clients must then expect what they made to be missing for a while.
    pub stale: u64,
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            throttle: 30,
            server_error: 20,
            lost: 20,
            latency: 100,
            latency_max_ms: 200,
            stale: 0,
        }
    }
}

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
        state.plan.rates.stale > 0 || state.plan.rules.iter().any(|rule| rule.effect == Effect::Stale)
    }

    /// Decides what happens to this call and records it.
    pub fn decide(&self, operation: &str) -> Option<Effect> {
        let mut state = self.lock();
        if state.plan.seed.is_none() && state.plan.rules.is_empty() {
            return None;
        }
        let call = state.calls.entry(operation.to_owned()).or_default();
        *call += 1;
        let call = *call;
        let ruled = state
            .plan
            .rules
            .iter_mut()
            .find(|rule| rule.times > 0 && matches(&rule.operation, operation));
        let effect = match ruled {
            Some(rule) => {
                rule.times -= 1;
                Some(rule.effect.clone())
            }
            None => state
                .plan
                .seed
                .and_then(|seed| drawn(seed, &state.plan.rates, operation, call)),
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
    let mut border = rates.throttle;
    if point < border {
        return Some(Effect::Throttle);
    }
    border += rates.server_error;
    if point < border {
        return Some(Effect::ServerError);
    }
    border += rates.lost;
    if point < border {
        return Some(Effect::Lost);
    }
    border += rates.latency;
    if point < border {
        return Some(Effect::Latency {
            milliseconds: mixed(draw) % (rates.latency_max_ms + 1),
        });
    }
    border += rates.stale;
    (point < border).then_some(Effect::Stale)
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
            Effect::Refuse { status, code, message } => Some(Fault::new(*status, code, message.clone())),
            Effect::Lost | Effect::Stale | Effect::Latency { .. } => None,
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
