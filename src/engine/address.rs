//! Names of things in a stack: `kind.name`, and `kind.name.output` for what a resource offers to others.

use crate::kind::Kind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The name of a resource inside its stack, such as `subnet.private_a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub kind: Kind,
    pub name: String,
}

impl Address {
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// Returns the address written in `text`, or `None` when it is not `kind.name` with a known kind.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('.')?;
        is_name(name).then(|| Some(Self::new(Kind::parse(kind)?, name)))?
    }
}

/// Whether `text` may name a resource: a letter, then letters, digits, `_` or `-`.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Address::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an address")))
    }
}

/// One output of one resource, such as `vpc.main.id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub address: Address,
    pub output: String,
}

impl Reference {
    /// Returns the reference written in `text` (`kind.name.output`).
    pub fn parse(text: &str) -> Option<Self> {
        let (address, output) = text.rsplit_once('.')?;
        is_name(output).then(|| {
            Some(Self {
                address: Address::parse(address)?,
                output: output.to_owned(),
            })
        })?
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.address, self.output)
    }
}
