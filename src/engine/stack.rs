//! A checked stack: every field present, typed and resolved as far as the file alone can say.

use crate::address::Address;
use crate::diagnostic::Span;
use crate::kind::Kind;
use crate::value::{Fields, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A stack file that passed every check.
#[derive(Clone, Debug)]
pub struct Stack {
    pub name: String,
    /// The overlay in force, if any.
    pub env: Option<String>,
    pub region: String,
    pub place: Place,
    /// Where the state of a stack on AWS is kept, `s3://bucket/prefix`; `None`: in a folder.
    pub state: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub resources: BTreeMap<Address, Resource>,
    /// `[moved]`: the ledger's old addresses by new ones.
    pub moved: BTreeMap<Address, Address>,
    /// `removed = […]`: addresses to forget without deleting.
    pub removed: BTreeSet<Address>,
}

/// Where a stack lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The local cloud. The default.
    Local,
    /// AWS, in this account and no other, or what answers for it at an endpoint of one's own.
    Aws { account: String, endpoint: Option<String> },
}

/// One resource of a stack.
#[derive(Clone, Debug)]
pub struct Resource {
    pub address: Address,
    /// Every field of the schema but the absent optional ones; references where an output is waited for.
    pub fields: Fields,
    /// Where the resource and its fields stand in the file.
    pub span: Span,
    pub field_spans: BTreeMap<String, Span>,
    /// What it needs before it: references and `depends_on`.
    pub needs: BTreeSet<Address>,
    pub protect: bool,
}

impl Stack {
    /// The name that tags carry: the stack's, with the environment's when there is one.
    pub fn tag_name(&self) -> String {
        match &self.env {
            Some(env) => format!("{}-{env}", self.name),
            None => self.name.clone(),
        }
    }

    /// Returns the resource at an address.
    pub fn get(&self, address: &Address) -> Option<&Resource> {
        self.resources.get(address)
    }

    /// Returns the resources that a field refers to, alone or in a list.
    pub fn referred<'a>(&'a self, resource: &'a Resource, field: &'a str) -> impl Iterator<Item = &'a Resource> {
        resource
            .target(field)
            .into_iter()
            .chain(resource.targets(field))
            .filter_map(|address| self.get(address))
    }

    /// Returns the subnets that a cluster, workgroup or gateway stands in.
    pub fn subnets_of<'a>(&'a self, resource: &'a Resource) -> Vec<&'a Resource> {
        let group = resource.target("subnet_group").and_then(|group| self.get(group));
        let holder = group.unwrap_or(resource);
        self.referred(holder, "subnets")
            .chain(self.referred(holder, "subnet"))
            .collect()
    }

    /// Returns the resources of a kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        self.resources
            .values()
            .filter(move |resource| resource.address.kind == kind)
    }
}

impl Resource {
    pub fn kind(&self) -> Kind {
        self.address.kind
    }

    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(Value::as_text)
    }

    /// Returns where the field stands, or what is around it when it stands nowhere. Parts are named by their path:
    /// `ingress.0.cidr`.
    pub fn span_of(&self, field: &str) -> Span {
        let mut path = field;
        loop {
            match (self.field_spans.get(path), path.rsplit_once('.')) {
                (Some(span), _) => return *span,
                (None, Some((outer, _))) => path = outer,
                (None, None) => return self.span,
            }
        }
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.field(name).and_then(Value::as_int)
    }

    /// Whether a yes-or-no field says yes.
    pub fn is_on(&self, name: &str) -> bool {
        self.field(name).and_then(Value::as_bool) == Some(true)
    }

    /// Returns the values of a list, or nothing.
    pub fn list(&self, name: &str) -> &[Value] {
        self.field(name).map(Value::as_list).unwrap_or_default()
    }

    /// Returns the address that a field refers to.
    pub fn target(&self, field: &str) -> Option<&Address> {
        match self.field(field) {
            Some(Value::Ref(reference)) => Some(&reference.address),
            _ => None,
        }
    }

    /// Returns the addresses that a list refers to.
    pub fn targets(&self, field: &str) -> impl Iterator<Item = &Address> {
        self.list(field).iter().filter_map(|value| match value {
            Value::Ref(reference) => Some(&reference.address),
            _ => None,
        })
    }
}
