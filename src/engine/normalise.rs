//! One spelling for values that AWS spells in several ways. Two values are equal when their normal forms are.

use crate::schema::Compare;
use crate::value::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// An IPv4 block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    pub base: u32,
    pub prefix: u8,
}

/// Why a text is not a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CidrError<B> {
    Malformed,
    /// Bits are set behind the prefix; this is the block without them.
    HostBits(B),
}

impl Cidr {
    fn mask(prefix: u8) -> u32 {
        match prefix {
            0 => 0,
            _ => u32::MAX << (32 - prefix),
        }
    }

    pub fn last(self) -> u32 {
        self.base | !Self::mask(self.prefix)
    }

    pub fn contains(self, other: Cidr) -> bool {
        self.prefix <= other.prefix && other.base & Self::mask(self.prefix) == self.base
    }

    pub fn overlaps(self, other: Cidr) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Returns part `index` of the block cut into 2^`bits`, if it can be cut that fine.
    pub fn part(self, bits: u8, index: u32) -> Option<Cidr> {
        let prefix = self.prefix.checked_add(bits).filter(|prefix| *prefix <= 28)?;
        (index < 1 << bits).then(|| Cidr {
            base: self.base + (index << (32 - prefix)),
            prefix,
        })
    }
}

impl FromStr for Cidr {
    type Err = CidrError<Self>;

    fn from_str(text: &str) -> Result<Self, CidrError<Self>> {
        let (address, prefix) = text.split_once('/').ok_or(CidrError::Malformed)?;
        let address: std::net::Ipv4Addr = address.parse().map_err(|_| CidrError::Malformed)?;
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|prefix| *prefix <= 32)
            .ok_or(CidrError::Malformed)?;
        let base = u32::from(address) & Self::mask(prefix);
        match base == u32::from(address) {
            true => Ok(Cidr { base, prefix }),
            false => Err(CidrError::HostBits(Cidr { base, prefix })),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", std::net::Ipv4Addr::from(self.base), self.prefix)
    }
}

/// An IPv6 block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidrV6 {
    base: u128,
    prefix: u8,
}

impl FromStr for CidrV6 {
    type Err = CidrError<Self>;

    fn from_str(text: &str) -> Result<Self, CidrError<Self>> {
        let (address, prefix) = text.split_once('/').ok_or(CidrError::Malformed)?;
        let address: std::net::Ipv6Addr = address.parse().map_err(|_| CidrError::Malformed)?;
        let prefix: u8 = prefix.parse().map_err(|_| CidrError::Malformed)?;
        let mask = match prefix {
            0 => 0,
            1..=128 => u128::MAX << (128 - prefix),
            _ => return Err(CidrError::Malformed),
        };
        let block = CidrV6 {
            base: u128::from(address) & mask,
            prefix,
        };
        match block.base == u128::from(address) {
            true => Ok(block),
            false => Err(CidrError::HostBits(block)),
        }
    }
}

impl fmt::Display for CidrV6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", std::net::Ipv6Addr::from(self.base), self.prefix)
    }
}

/// Whether two values of a field mean the same.
pub fn same(compare: Compare, a: &Value, b: &Value) -> bool {
    a == b || normal(compare, a) == normal(compare, b)
}

/// Returns the normal form of a value.
pub fn normal(compare: Compare, value: &Value) -> Value {
    match compare {
        Compare::Exact | Compare::Fingerprint | Compare::Ledger => value.clone(),
        Compare::Set => set(value),
        Compare::CaseFold => match value {
            Value::Text(text) => Value::Text(text.to_lowercase()),
            other => other.clone(),
        },
        Compare::Json => match value {
            Value::Null => Value::Map(BTreeMap::new()),
            Value::Text(text) if text.is_empty() => Value::Map(BTreeMap::new()),
            Value::Text(text) => match serde_json::from_str(text) {
                Ok(json) => only_a_version(Value::from_json(&json)),
                Err(_) => value.clone(),
            },
            other => only_a_version(other.clone()),
        },
        Compare::Policy => match value {
            // A map of policies by name.
            Value::Map(map) if !map.contains_key("Statement") => Value::Map(
                map.iter()
                    .map(|(name, policy)| (name.clone(), self::policy(policy)))
                    .collect(),
            ),
            other => policy(other),
        },
    }
}

/// A document that says its version and nothing else says nothing.
fn only_a_version(document: Value) -> Value {
    match &document {
        Value::Map(map) if map.len() == 1 && map.get("Version") == Some(&Value::Int(1)) => Value::Map(BTreeMap::new()),
        _ => document,
    }
}

/// A list as a set: ordered by its text, without repetitions.
fn set(value: &Value) -> Value {
    let Value::List(list) = value else { return value.clone() };
    let mut keyed: Vec<(String, Value)> = list
        .iter()
        .map(|value| (value.to_json().to_string(), value.clone()))
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    keyed.dedup_by(|(a, _), (b, _)| a == b);
    Value::List(keyed.into_iter().map(|(_, value)| value).collect())
}

/// A policy document: a single statement, action, resource or principal is a list of one, lists are sets, actions
/// and condition keys have no case, the order of statements means nothing.
pub fn policy(value: &Value) -> Value {
    let document = match value {
        Value::Text(text) => match serde_json::from_str(text) {
            Ok(json) => Value::from_json(&json),
            Err(_) => return value.clone(),
        },
        other => other.clone(),
    };
    let Value::Map(map) = document else { return document };
    let mut normal = BTreeMap::from([("Version".to_owned(), Value::text("2008-10-17"))]);
    for (key, value) in map {
        let value = match key.as_str() {
            "Statement" => set(&Value::List(as_list(value).iter().map(statement).collect())),
            _ => value,
        };
        normal.insert(key, value);
    }
    Value::Map(normal)
}

fn as_list(value: Value) -> Vec<Value> {
    match value {
        Value::List(list) => list,
        one => vec![one],
    }
}

fn statement(value: &Value) -> Value {
    let Value::Map(map) = value else { return value.clone() };
    let mut normal = BTreeMap::new();
    for (key, value) in map {
        let value = match key.as_str() {
            "Action" | "NotAction" => set(&Value::List(
                as_list(value.clone())
                    .iter()
                    .map(|action| Value::Text(action.to_text().to_lowercase()))
                    .collect(),
            )),
            "Resource" | "NotResource" => set(&Value::List(as_list(value.clone()))),
            "Principal" | "NotPrincipal" => principal(value),
            "Condition" => condition(value),
            _ => value.clone(),
        };
        normal.insert(key.clone(), value);
    }
    Value::Map(normal)
}

fn principal(value: &Value) -> Value {
    match value {
        Value::Text(text) if text == "*" => Value::Map(BTreeMap::from([(
            "AWS".to_owned(),
            Value::List(vec![Value::text("*")]),
        )])),
        Value::Map(map) => Value::Map(
            map.iter()
                .map(|(kind, who)| {
                    let who = as_list(who.clone())
                        .iter()
                        .map(|who| account_root(&who.to_text()))
                        .collect();
                    (kind.clone(), set(&Value::List(who)))
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// A bare account id means the account's root.
fn account_root(who: &str) -> Value {
    match who.len() == 12 && who.bytes().all(|b| b.is_ascii_digit()) {
        true => Value::Text(format!("arn:aws:iam::{who}:root")),
        false => Value::text(who),
    }
}

fn condition(value: &Value) -> Value {
    let Value::Map(operators) = value else {
        return value.clone();
    };
    let mut normal = BTreeMap::new();
    for (operator, keys) in operators {
        let keys = match keys {
            Value::Map(keys) => Value::Map(
                keys.iter()
                    .map(|(key, values)| {
                        let values = as_list(values.clone())
                            .iter()
                            .map(|value| Value::Text(value.to_text()))
                            .collect();
                        (key.to_lowercase(), set(&Value::List(values)))
                    })
                    .collect(),
            ),
            other => other.clone(),
        };
        normal.insert(operator.to_lowercase(), keys);
    }
    Value::Map(normal)
}

#[cfg(test)]
mod tests;
