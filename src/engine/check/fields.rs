//! Nodes to typed values, by the schema.

use super::dangling;
use crate::address::{Address, Reference};
use crate::diagnostic::{Diagnostic, Span, did_you_mean};
use crate::kind::Kind;
use crate::normalise::{Cidr, CidrError, CidrV6};
use crate::parse::{Item, Node};
use crate::schema::{Field, Need, Type};
use crate::stack::Stack;
use crate::value::{Segment, Value};
use std::collections::BTreeMap;
use std::fmt::Display;

pub const TAGS: Type = Type::Map(&Type::Text);

pub struct Reader<'a> {
    pub declared: &'a BTreeMap<Address, Span>,
    pub problems: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    pub fn wrong_type(&mut self, node: &Node, expected: &str) {
        self.problems.push(Diagnostic::error(
            "wrong-type",
            format!("must be {expected}"),
            node.span,
            format!("this is {}", node.type_name()),
        ));
    }

    /// Returns the value of a node, or `None` after saying why not.
    pub fn value(&mut self, ty: &Type, node: &Node) -> Option<Value> {
        match (ty, &node.item) {
            (Type::Bool, Item::Bool(bool)) => Some(Value::Bool(*bool)),
            (Type::Bool, _) => self.refuse(node, "a boolean"),
            (Type::Int { min, max }, Item::Int(int)) => {
                if (*min..=*max).contains(int) {
                    return Some(Value::Int(*int));
                }
                self.problems.push(Diagnostic::error(
                    "out-of-range",
                    "the number is out of range",
                    node.span,
                    format!("must be {min} to {max}"),
                ));
                None
            }
            (Type::Int { .. }, Item::Text(text)) if text.contains("${") => Some(self.template(text, node.span)),
            (Type::Int { .. }, _) => self.refuse(node, "a whole number"),
            (Type::Text, Item::Text(text)) => Some(self.template(text, node.span)),
            (Type::Text, _) => self.refuse(node, "a text"),
            (Type::OneOf(choices), Item::Text(text)) => self.one_of(choices, text, node.span),
            (Type::OneOf(_), _) => self.refuse(node, "a text"),
            (Type::Cidr | Type::CidrV6, Item::Text(text)) if text.contains("${") => {
                Some(self.template(text, node.span))
            }
            (Type::Cidr, Item::Text(text)) => self.block(text.parse::<Cidr>(), "IPv4", "10.0.0.0/16", node.span),
            (Type::Cidr, _) => self.refuse(node, "an IPv4 block"),
            (Type::CidrV6, Item::Text(text)) => self.block(text.parse::<CidrV6>(), "IPv6", "2001:db8::/32", node.span),
            (Type::CidrV6, _) => self.refuse(node, "an IPv6 block"),
            (Type::Policy | Type::Json, Item::Text(text)) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(json) => Some(self.texts_to_templates(Value::from_json(&json), node.span)),
                Err(error) => {
                    self.problems.push(Diagnostic::error(
                        "bad-json",
                        "not valid JSON",
                        node.span,
                        error.to_string(),
                    ));
                    None
                }
            },
            (Type::Policy | Type::Json, Item::Table(_)) => Some(self.free(node)),
            (Type::Policy | Type::Json, _) => self.refuse(node, "a table or JSON text"),
            (Type::Ref { kinds, output }, Item::Text(text)) => self.reference(kinds, output, text, node.span),
            (Type::Ref { .. }, _) => self.refuse(node, "an address"),
            (Type::RefOr { kinds, output }, Item::Text(text)) => {
                let looks_like_address = text
                    .split_once('.')
                    .is_some_and(|(kind, _)| Kind::parse(kind).is_some());
                match looks_like_address && !text.contains("${") {
                    true => self.reference(kinds, output, text, node.span),
                    false => Some(self.template(text, node.span)),
                }
            }
            (Type::RefOr { .. }, _) => self.refuse(node, "an address or a text"),
            (Type::List(inner), Item::Array(nodes)) => {
                let values: Vec<Option<Value>> = nodes.iter().map(|node| self.value(inner, node)).collect();
                values.into_iter().collect::<Option<Vec<_>>>().map(Value::List)
            }
            // One may stand for a list of one.
            (Type::List(inner), _) => self.value(inner, node).map(|value| Value::List(vec![value])),
            (Type::Map(inner), Item::Table(table)) => {
                let values: Vec<Option<(String, Value)>> = table
                    .entries
                    .iter()
                    .map(|entry| {
                        let node = self.text_of_scalar(inner, &entry.node);
                        self.value(inner, &node).map(|value| (entry.key.clone(), value))
                    })
                    .collect();
                values.into_iter().collect::<Option<BTreeMap<_, _>>>().map(Value::Map)
            }
            (Type::Map(_), _) => self.refuse(node, "a table"),
            (Type::Table(fields), Item::Table(_)) => self.table(fields, node),
            (Type::Table(_), _) => self.refuse(node, "a table"),
        }
    }

    /// In a map of texts, numbers and booleans may be written plainly.
    fn text_of_scalar(&self, ty: &Type, node: &Node) -> Node {
        match (ty, &node.item) {
            (Type::Text, Item::Int(int)) => Node::text(int.to_string(), node.span),
            (Type::Text, Item::Bool(bool)) => Node::text(bool.to_string(), node.span),
            _ => node.clone(),
        }
    }

    fn refuse(&mut self, node: &Node, expected: &str) -> Option<Value> {
        self.wrong_type(node, expected);
        None
    }

    fn one_of(&mut self, choices: &[&str], text: &str, span: Span) -> Option<Value> {
        if choices.contains(&text) {
            return Some(Value::text(text));
        }
        let mut problem = Diagnostic::error("bad-value", "not one of the choices", span, "not known");
        problem.hint =
            did_you_mean(text, choices.iter().copied()).or_else(|| Some(format!("choices: {}", choices.join(", "))));
        self.problems.push(problem);
        None
    }

    fn block<B: Display>(
        &mut self,
        read: Result<B, CidrError<B>>,
        sort: &str,
        example: &str,
        span: Span,
    ) -> Option<Value> {
        match read {
            Ok(block) => Some(Value::Text(block.to_string())),
            Err(CidrError::HostBits(block)) => {
                self.problems.push(
                    Diagnostic::error(
                        "cidr-host-bits",
                        "bits are set behind the prefix",
                        span,
                        "AWS would change this",
                    )
                    .hint(format!("write \"{block}\"")),
                );
                None
            }
            Err(CidrError::Malformed) => {
                self.problems.push(Diagnostic::error(
                    "bad-cidr",
                    format!("not an {sort} block"),
                    span,
                    format!("such as \"{example}\""),
                ));
                None
            }
        }
    }

    fn reference(&mut self, kinds: &[Kind], output: &str, text: &str, span: Span) -> Option<Value> {
        let wanted = kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ");
        match Address::parse(text) {
            Some(address) if kinds.contains(&address.kind) => Some(Value::Ref(Reference {
                address,
                output: output.to_owned(),
            })),
            Some(address) => {
                let mut problem = Diagnostic::error(
                    "wrong-kind",
                    "refers to the wrong kind",
                    span,
                    format!("`{address}` is not a {wanted}"),
                );
                let known: Vec<String> = self
                    .declared
                    .keys()
                    .filter(|known| kinds.contains(&known.kind))
                    .map(Address::to_string)
                    .collect();
                problem.hint = match known.as_slice() {
                    [] => None,
                    known => Some(format!("here: {}", known.join(", "))),
                };
                self.problems.push(problem);
                None
            }
            None => {
                self.problems.push(
                    Diagnostic::error("bad-address", "not an address", span, format!("should name a {wanted}"))
                        .hint(format!("write \"{}.name\"", kinds[0])),
                );
                None
            }
        }
    }

    /// Returns the addresses a `depends_on` names.
    pub fn addresses(&mut self, node: &Node) -> Vec<Address> {
        let one = std::slice::from_ref(node);
        let nodes = match &node.item {
            Item::Array(nodes) => nodes.as_slice(),
            _ => one,
        };
        let mut addresses = Vec::new();
        for node in nodes {
            match node.as_text().and_then(Address::parse) {
                Some(address) if self.declared.contains_key(&address) => addresses.push(address),
                Some(address) => dangling(&address, node.span, self.declared, self.problems),
                None => self.problems.push(Diagnostic::error(
                    "bad-address",
                    "not an address",
                    node.span,
                    "such as \"bucket.lake\"",
                )),
            }
        }
        addresses
    }

    fn table(&mut self, fields: &[Field], node: &Node) -> Option<Value> {
        let Item::Table(table) = &node.item else { return None };
        let mut map = BTreeMap::new();
        let mut whole = true;
        for entry in &table.entries {
            match fields.iter().find(|field| field.name == entry.key) {
                Some(field) => match self.value(&field.ty, &entry.node) {
                    Some(value) => {
                        map.insert(entry.key.clone(), value);
                    }
                    None => whole = false,
                },
                None => {
                    let mut problem =
                        Diagnostic::error("unknown-key", "there is no such key here", entry.key_span, "not known");
                    let known = || fields.iter().map(|field| field.name);
                    problem.hint = did_you_mean(&entry.key, known())
                        .or_else(|| Some(format!("known keys: {}", known().collect::<Vec<_>>().join(", "))));
                    self.problems.push(problem);
                    whole = false;
                }
            }
        }
        for field in fields.iter().filter(|field| table.get(field.name).is_none()) {
            match plain_default(field) {
                Some(value) => {
                    map.insert(field.name.to_owned(), value);
                }
                None if field.need == Need::Required => {
                    self.problems.push(
                        Diagnostic::error(
                            "missing-field",
                            format!("`{}` is missing", field.name),
                            node.span,
                            "in this table",
                        )
                        .hint(field.doc),
                    );
                    whole = false;
                }
                None => {}
            }
        }
        whole.then_some(Value::Map(map))
    }

    /// A text with `${kind.name.output}` inside. `$${` stands for the two characters.
    fn template(&mut self, text: &str, span: Span) -> Value {
        let mut segments: Vec<Segment> = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if rest[..start].ends_with('$') {
                plain.push_str(&rest[..start - 1]);
                plain.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            plain.push_str(&rest[..start]);
            let Some(end) = rest[start..].find('}') else { break };
            let name = &rest[start + 2..start + end];
            rest = &rest[start + end + 1..];
            match Reference::parse(name) {
                Some(reference) => {
                    if !plain.is_empty() {
                        segments.push(Segment::Text(std::mem::take(&mut plain)));
                    }
                    segments.push(Segment::Ref(reference));
                }
                // Variables were put in before; what is left of them has been reported.
                None if name.starts_with("var.") || name.starts_with("stack.") => {}
                None => self.problems.push(
                    Diagnostic::error(
                        "bad-reference",
                        "not a reference",
                        span,
                        format!("`{name}` names no output"),
                    )
                    .hint("write ${kind.name.output}, ${var.name} or ${stack.name}"),
                ),
            }
        }
        plain.push_str(rest);
        if segments.is_empty() {
            return Value::Text(plain);
        }
        if !plain.is_empty() {
            segments.push(Segment::Text(plain));
        }
        match segments.as_slice() {
            [Segment::Ref(reference)] => Value::Ref(reference.clone()),
            _ => Value::Template(segments),
        }
    }

    /// A TOML value of any shape.
    fn free(&mut self, node: &Node) -> Value {
        match &node.item {
            Item::Bool(bool) => Value::Bool(*bool),
            Item::Int(int) => Value::Int(*int),
            Item::Other(text) => Value::text(text),
            Item::Text(text) => self.template(text, node.span),
            Item::Array(nodes) => Value::List(nodes.iter().map(|node| self.free(node)).collect()),
            Item::Table(table) => Value::Map(
                table
                    .entries
                    .iter()
                    .map(|entry| (entry.key.clone(), self.free(&entry.node)))
                    .collect(),
            ),
        }
    }

    fn texts_to_templates(&mut self, value: Value, span: Span) -> Value {
        match value {
            Value::Text(text) => self.template(&text, span),
            Value::List(list) => Value::List(
                list.into_iter()
                    .map(|value| self.texts_to_templates(value, span))
                    .collect(),
            ),
            Value::Map(map) => Value::Map(
                map.into_iter()
                    .map(|(key, value)| (key, self.texts_to_templates(value, span)))
                    .collect(),
            ),
            other => other,
        }
    }
}

/// Returns what stands for a field that is not written, when that is the same everywhere.
pub fn plain_default(field: &Field) -> Option<Value> {
    match field.need {
        Need::Bool(bool) => Some(Value::Bool(bool)),
        Need::Int(int) => Some(Value::Int(int)),
        Need::Text(text) => Some(Value::text(text)),
        Need::Empty => Some(match field.ty {
            Type::Map(_) => Value::Map(BTreeMap::new()),
            Type::Table(fields) => Value::Map(
                fields
                    .iter()
                    .filter_map(|field| Some((field.name.to_owned(), plain_default(field)?)))
                    .collect(),
            ),
            _ => Value::List(Vec::new()),
        }),
        Need::Required | Need::Optional | Need::Free | Need::StackName => None,
    }
}

/// Returns the value of a field that is not written.
pub fn default_of(field: &Field, stack: &Stack, address: &Address) -> Option<Value> {
    match field.need {
        // Hyphens: the one separator that every AWS name takes.
        Need::StackName => Some(Value::Text(format!(
            "{}-{}",
            stack.tag_name(),
            address.name.replace('_', "-").to_lowercase()
        ))),
        _ => plain_default(field),
    }
}
