//! Live objects as the tables of a stack file that would make them: what `import` writes. The inverse of reading a
//! stack: defaults are left out, and ids of objects that the stack knows become references to them.

use crate::address::Address;
use crate::cloud::Live;
use crate::full_form::{key, quoted};
use crate::kind::Kind;
use crate::normalise;
use crate::schema::{Field, Identity, Need, Type};
use crate::value::{Fields, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What the values of references mean: the address that offers them, by kind, output and value.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<(Kind, &'static str, String), Address>);

impl Known {
    /// Learns what an object offers.
    pub fn add(&mut self, address: &Address, fields: &Fields, outputs: &Fields) {
        for output in address.kind.schema().outputs {
            let value = outputs.get(output.name).or_else(|| fields.get(output.field?));
            if let Some(text) = value.and_then(Value::as_text) {
                self.0
                    .entry((address.kind, output.name, text.to_owned()))
                    .or_insert_with(|| address.clone());
            }
        }
    }

    /// Returns a value as the file would say it: an address where it is what one of the known objects offers.
    pub fn written(&self, ty: &Type, value: &Value) -> String {
        written(ty, value, self)
    }

    fn offering(&self, kinds: &[Kind], output: &'static str, value: &str) -> Option<&Address> {
        kinds
            .iter()
            .find_map(|kind| self.0.get(&(*kind, output, value.to_owned())))
    }
}

/// Returns a free address for an object: after its name, its `Name` tag or its id.
pub fn address(kind: Kind, live: &Live, stack: &str, taken: &BTreeSet<Address>) -> Address {
    let tag = live
        .fields
        .get("tags")
        .and_then(Value::as_map)
        .and_then(|tags| tags.get("Name")?.as_text());
    let name = match kind.schema().identity {
        Identity::Named(field) => live.fields.get(field).and_then(Value::as_text),
        Identity::Assigned | Identity::Address => tag,
    };
    let name = name.unwrap_or(&live.id).to_lowercase();
    let name = name.strip_prefix(&format!("{stack}-")).unwrap_or(&name);
    let mut word: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        word.insert(0, 'x');
    }
    let numbered = (2..).map(|number| format!("{word}_{number}"));
    std::iter::once(word.clone())
        .chain(numbered)
        .map(|word| Address::new(kind, &word))
        .find(|address| !taken.contains(address))
        .expect("there are more numbers than objects")
}

/// Returns the tables that declare the objects, as text for a stack file whose stack carries `tags`.
pub fn render(found: &[(Address, Live)], known: &Known, stack: &str, tags: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (address, live) in found {
        writeln!(text, "\n[{address}]").expect("string");
        let mut fields = live.fields.clone();
        if let Some(Value::Map(own)) = fields.get_mut("tags") {
            own.retain(|key, value| tags.get(key).map(String::as_str) != value.as_text());
        }
        let schema = address.kind.schema();
        for field in schema.fields {
            let default_name = format!("{stack}-{}", address.name.replace('_', "-").to_lowercase());
            let value = fields
                .get(field.name)
                .filter(|value| !is_default(field, value, &default_name));
            if let Some(value) = value {
                writeln!(text, "{} = {}", field.name, written(&field.ty, value, known)).expect("string");
            }
        }
        if let Some(own) = fields
            .get("tags")
            .filter(|own| own.as_map().is_some_and(|own| !own.is_empty()))
        {
            writeln!(text, "tags = {}", plain(own)).expect("string");
        }
    }
    text.trim_start().to_owned()
}

/// Whether leaving a field out says the same.
fn is_default(field: &Field, value: &Value, name: &str) -> bool {
    let default = match field.need {
        Need::Required => return false,
        // Whatever is live is fine, so nothing need be said.
        Need::Free => return true,
        Need::Optional => Value::Null,
        Need::Bool(bool) => Value::Bool(bool),
        Need::Int(int) => Value::Int(int),
        Need::Text(text) => Value::text(text),
        Need::StackName => Value::text(name),
        Need::Empty => {
            let empty = value.as_list().is_empty() && value.as_map().is_none_or(BTreeMap::is_empty);
            return empty && !matches!(value, Value::Text(_));
        }
    };
    normalise::same(field.compare, value, &default)
}

fn written(ty: &Type, value: &Value, known: &Known) -> String {
    match (ty, value) {
        (Type::Ref { kinds, output } | Type::RefOr { kinds, output }, Value::Text(text)) => {
            match known.offering(kinds, output, text) {
                Some(address) => quoted(&address.to_string()),
                None => quoted(text),
            }
        }
        (Type::List(item), Value::List(list)) => {
            let items: Vec<String> = list.iter().map(|value| written(item, value, known)).collect();
            let line = format!("[{}]", items.join(", "));
            match line.len() > 100 {
                true => format!(
                    "[\n{}]",
                    items.iter().map(|item| format!("  {item},\n")).collect::<String>()
                ),
                false => line,
            }
        }
        (Type::Table(fields), Value::Map(map)) => {
            let entries = fields.iter().filter_map(|field| {
                let value = map.get(field.name).filter(|value| !is_default(field, value, ""))?;
                Some(format!("{} = {}", field.name, written(&field.ty, value, known)))
            });
            braces(entries.collect())
        }
        (_, value) => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(bool) => bool.to_string(),
        Value::Int(int) => int.to_string(),
        Value::List(list) => format!("[{}]", list.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let set = map.iter().filter(|(_, value)| **value != Value::Null);
            braces(
                set.map(|(name, value)| format!("{} = {}", key(name), plain(value)))
                    .collect(),
            )
        }
        // A `$` would begin a reference.
        other => quoted(&other.to_text().replace("${", "$${")),
    }
}

fn braces(entries: Vec<String>) -> String {
    match entries.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", entries.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{checked, stack};
    use serde_json::json;

    fn live(id: &str, fields: serde_json::Value, outputs: serde_json::Value) -> Live {
        let fields_of = |json: serde_json::Value| match Value::from_json(&json) {
            Value::Map(map) => map,
            _ => unreachable!("a map was given"),
        };
        Live::new(id, fields_of(fields), fields_of(outputs))
    }

    fn declared(lives: Vec<(Kind, Live)>) -> String {
        let (mut taken, mut known, mut found) = (BTreeSet::new(), Known::default(), Vec::new());
        for (kind, live) in lives {
            let address = address(kind, &live, "t", &taken);
            taken.insert(address.clone());
            known.add(&address, &live.fields, &live.outputs);
            found.push((address, live));
        }
        render(
            &found,
            &known,
            "t",
            &BTreeMap::from([("team".to_owned(), "data".to_owned())]),
        )
    }

    fn network() -> String {
        declared(vec![
            (
                Kind::Vpc,
                live(
                    "vpc-1",
                    json!({"cidr": "10.0.0.0/16", "dns_support": true, "dns_hostnames": true, "tags": {"Name": "Main net", "team": "data"}}),
                    json!({"id": "vpc-1"}),
                ),
            ),
            (
                Kind::Subnet,
                live(
                    "subnet-1",
                    json!({"vpc": "vpc-1", "cidr": "10.0.0.0/24", "zone": "us-east-1a", "public_ips": true, "tags": {}}),
                    json!({"id": "subnet-1"}),
                ),
            ),
            (
                Kind::Subnet,
                live(
                    "subnet-2",
                    json!({"vpc": "vpc-9", "cidr": "10.9.0.0/24", "zone": "us-east-1b", "public_ips": false, "tags": {"Name": "subnet-1"}}),
                    json!({"id": "subnet-2"}),
                ),
            ),
        ])
    }

    #[test]
    fn ids_become_references_and_defaults_go() {
        snapbox::assert_data_eq!(
            network(),
            snapbox::str![[r#"
[vpc.main_net]
cidr = "10.0.0.0/16"
tags = { Name = "Main net" }

[subnet.subnet_1]
vpc = "vpc.main_net"
cidr = "10.0.0.0/24"
zone = "us-east-1a"
public_ips = true

[subnet.subnet_1_2]
vpc = "vpc-9"
cidr = "10.9.0.0/24"
zone = "us-east-1b"
tags = { Name = "subnet-1" }

"#]]
        );
    }

    #[test]
    fn what_is_declared_passes_check() {
        // Of a network half taken over check would say that its public subnet leads nowhere.
        let network = network().replace("public_ips = true\n", "");
        let text = format!("[stack]\nname = \"t\"\ntags = {{ team = \"data\" }}\n\n{network}");
        let stack = stack(&text);
        assert_eq!(stack.resources.len(), 3);
        let broken = checked(&text)
            .problems
            .into_iter()
            .find(|problem| problem.severity == crate::Severity::Error);
        assert!(broken.is_none(), "{broken:?}");
    }

    #[test]
    fn a_dollar_in_a_value_is_no_reference() {
        let text = declared(vec![(
            Kind::LogGroup,
            live("/a/${b}", json!({"name": "/a/${b}", "tags": {}}), json!({})),
        )]);
        assert!(text.contains(r#"name = "/a/$${b}""#), "{text}");
    }
}
