//! TOML text to a tree in which every key and value knows its place. All syntax errors of a file are reported at
//! once; what could be read is returned beside them, so that later checks still run.

use crate::diagnostic::{Diagnostic, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub item: Item,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Bool(bool),
    Int(i64),
    Text(String),
    /// A number that is not whole, or a date: kept as written.
    Other(String),
    Array(Vec<Node>),
    Table(Table),
}

/// Entries in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

impl Node {
    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Node {
            span,
            item: Item::Text(text.into()),
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.item {
            Item::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_table(&self) -> Option<&Table> {
        match &self.item {
            Item::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Returns the word for the node's type, with its article.
    pub fn type_name(&self) -> &'static str {
        match &self.item {
            Item::Bool(_) => "a boolean",
            Item::Int(_) => "a whole number",
            Item::Text(_) => "a text",
            Item::Other(_) => "a fraction or date",
            Item::Array(_) => "a list",
            Item::Table(_) => "a table",
        }
    }
}

impl Table {
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Takes the entry out of the table.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }

    /// Puts an entry in, replacing one of the same key.
    pub fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|present| present.key == entry.key) {
            Some(present) => *present = entry,
            None => self.entries.push(entry),
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }
}

/// Parses a stack file.
pub fn parse(text: &str) -> (Table, Vec<Diagnostic>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let problems = errors
        .iter()
        .map(|error| {
            let span = error.span().map(Span::from).unwrap_or_default();
            let first_line = error.message().lines().next().unwrap_or("invalid TOML");
            Diagnostic::error("toml-syntax", "the file is not valid TOML", span, first_line)
        })
        .collect();
    let mut overflow = Vec::new();
    let table = convert_table(table.get_ref(), &mut overflow);
    let mut problems: Vec<Diagnostic> = problems;
    problems.extend(overflow);
    (table, problems)
}

/// Reads a file of variables: plain values by name, as texts. Says where the first mistake is.
pub fn values(text: &str) -> Result<Vec<(String, String)>, (Span, String)> {
    let (table, problems) = parse(text);
    if let Some(problem) = problems.into_iter().next() {
        return Err((problem.span, problem.label));
    }
    let plain = |node: &Node| match &node.item {
        Item::Bool(bool) => Some(bool.to_string()),
        Item::Int(int) => Some(int.to_string()),
        Item::Text(text) => Some(text.clone()),
        Item::Other(_) | Item::Array(_) | Item::Table(_) => None,
    };
    table
        .entries
        .into_iter()
        .map(|entry| {
            let value = match &entry.node.item {
                Item::Array(nodes) => nodes
                    .iter()
                    .map(plain)
                    .collect::<Option<Vec<_>>>()
                    .map(|items| items.join(",")),
                _ => plain(&entry.node),
            };
            let wrong = || format!("`{}` is {}, not a plain value", entry.key, entry.node.type_name());
            value
                .ok_or_else(|| (entry.node.span, wrong()))
                .map(|value| (entry.key.clone(), value))
        })
        .collect()
}

fn convert_table(table: &DeTable<'_>, problems: &mut Vec<Diagnostic>) -> Table {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span().into(),
            node: convert(value, problems),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span);
    Table { entries }
}

fn convert(value: &Spanned<DeValue<'_>>, problems: &mut Vec<Diagnostic>) -> Node {
    let span = Span::from(value.span());
    let item = match value.get_ref() {
        DeValue::String(text) => Item::Text(text.to_string()),
        DeValue::Boolean(bool) => Item::Bool(*bool),
        DeValue::Integer(int) => match i64::from_str_radix(&int.as_str().replace('_', ""), int.radix()) {
            Ok(int) => Item::Int(int),
            Err(_) => {
                problems.push(Diagnostic::error(
                    "toml-syntax",
                    "the number is too large",
                    span,
                    "does not fit 64 bits",
                ));
                Item::Int(0)
            }
        },
        DeValue::Float(float) => Item::Other(float.as_str().to_owned()),
        DeValue::Datetime(datetime) => Item::Other(datetime.to_string()),
        DeValue::Array(array) => Item::Array(array.iter().map(|value| convert(value, problems)).collect()),
        DeValue::Table(table) => Item::Table(convert_table(table, problems)),
    };
    Node { span, item }
}
