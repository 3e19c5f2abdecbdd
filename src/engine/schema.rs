//! The vocabulary in which a kind says what its table may hold: field names, types, defaults, how a change is
//! carried out and how two spellings are compared. One table per kind drives check, diff, plan, docs and editors.

use crate::kind::Kind;

/// What a kind's table may hold and what the kind offers to others.
#[derive(Debug)]
pub struct Schema {
    /// One line for the docs: what the resource is.
    pub doc: &'static str,
    pub fields: &'static [Field],
    pub outputs: &'static [Output],
    /// Whether AWS lets us tag the object.
    pub taggable: bool,
    /// How AWS knows the object.
    pub identity: Identity,
    /// What AWS takes for it; used for estimates only.
    pub takes: Takes,
}

/// How long the steps of a kind usually take on AWS, in seconds. Measured by others and by us on quiet days; an
/// estimate, never a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    pub create_s: u32,
    pub update_s: u32,
    pub delete_s: u32,
}

pub const fn takes_s(create_s: u32, update_s: u32, delete_s: u32) -> Takes {
    Takes {
        create_s,
        update_s,
        delete_s,
    }
}

/// How AWS knows an object of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// By an id that AWS makes up; only our tags tell which is ours.
    Assigned,
    /// By the name in this field, unique in its scope.
    Named(&'static str),
    /// Not an AWS object: known by its address alone.
    Address,
}

/// One field of a kind's table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub doc: &'static str,
    pub ty: Type,
    pub need: Need,
    pub change: Change,
    pub compare: Compare,
    pub secret: bool,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    Text,
    OneOf(&'static [&'static str]),
    /// An IPv4 block in canonical form.
    Cidr,
    /// An IPv6 block in canonical form.
    CidrV6,
    /// A policy document: TOML table or JSON text.
    Policy,
    /// A JSON document: TOML value or JSON text.
    Json,
    /// Another resource, written as its address; the field then holds the named output.
    Ref {
        kinds: &'static [Kind],
        output: &'static str,
    },
    /// Another resource, or a literal written as text.
    RefOr {
        kinds: &'static [Kind],
        output: &'static str,
    },
    List(&'static Type),
    Map(&'static Type),
    Table(&'static [Field]),
}

/// Whether a field must be written, and what stands when it is not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    Required,
    /// Absent means: not set, and what is live must not be set either.
    Optional,
    /// Absent means: whatever is live is fine.
    Free,
    Bool(bool),
    Int(i64),
    Text(&'static str),
    /// Absent means an empty list or map.
    Empty,
    /// Absent means `<stack>-<name>`.
    StackName,
}

/// How a change of a field is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    InPlace(Disruption),
    Replace,
}

/// What users of the object notice while a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disruption {
    /// Nothing.
    Live,
    /// Away for seconds: connections break and come back.
    Brief,
    /// Away for minutes.
    Reboot,
    /// Slow or read-only for ten minutes to an hour.
    Resize,
    /// What is in it is gone.
    DataLoss,
}

impl Disruption {
    pub const fn as_str(self) -> &'static str {
        match self {
            Disruption::Live => "live",
            Disruption::Brief => "brief",
            Disruption::Reboot => "reboot",
            Disruption::Resize => "resize",
            Disruption::DataLoss => "data loss",
        }
    }
}

/// How two values of a field are compared, beyond being equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Exact,
    /// Lists without order.
    Set,
    /// Policy documents (see `normalise`).
    Policy,
    /// JSON documents by value; absent, empty and `{"Version":1.0}` are one.
    Json,
    /// Text without regard to case.
    CaseFold,
    /// Write-only: AWS never tells it back, so a hash in the ledger is compared instead.
    Fingerprint,
    /// AWS never tells it back, or knows nothing of it: the ledger's record is compared instead.
    Ledger,
}

/// Something a resource offers to others.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub name: &'static str,
    pub doc: &'static str,
    /// The field that already says it, so that it is known before anything is created.
    pub field: Option<&'static str>,
}

impl Schema {
    /// Returns the field of that name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns the output of that name.
    pub fn output(&self, name: &str) -> Option<&'static Output> {
        self.outputs.iter().find(|output| output.name == name)
    }
}

const fn field(name: &'static str, ty: Type, need: Need, doc: &'static str) -> Field {
    Field {
        name,
        doc,
        ty,
        need,
        change: Change::InPlace(Disruption::Live),
        compare: Compare::Exact,
        secret: false,
    }
}

/// A field that must be written.
pub const fn required(name: &'static str, ty: Type, doc: &'static str) -> Field {
    field(name, ty, Need::Required, doc)
}

/// A field that may be left out: not set then.
pub const fn optional(name: &'static str, ty: Type, doc: &'static str) -> Field {
    field(name, ty, Need::Optional, doc)
}

/// A field that may be left out: whatever is live stays then.
pub const fn free(name: &'static str, ty: Type, doc: &'static str) -> Field {
    field(name, ty, Need::Free, doc)
}

/// A field with a default, which is sent explicitly.
pub const fn default(name: &'static str, ty: Type, need: Need, doc: &'static str) -> Field {
    field(name, ty, need, doc)
}

impl Field {
    /// A change of the field means a new object.
    pub const fn replaces(mut self) -> Self {
        self.change = Change::Replace;
        self
    }

    pub const fn disrupts(mut self, disruption: Disruption) -> Self {
        self.change = Change::InPlace(disruption);
        self
    }

    pub const fn compared(mut self, compare: Compare) -> Self {
        self.compare = compare;
        self
    }

    /// The field's value is shown and stored nowhere.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self.compare = Compare::Fingerprint;
        self
    }
}

/// An output that AWS tells after creation.
pub const fn output(name: &'static str, doc: &'static str) -> Output {
    Output { name, doc, field: None }
}

/// An output that repeats a field.
pub const fn echo(name: &'static str, doc: &'static str) -> Output {
    Output {
        name,
        doc,
        field: Some(name),
    }
}

pub const ANY_INT: Type = Type::Int {
    min: i64::MIN,
    max: i64::MAX,
};
pub const TEXT_LIST: Type = Type::List(&Type::Text);
