//! The full form of a stack file as TOML: what `check --expand` prints. Checked again, it gives the same stack.

use crate::expand::Expanded;
use crate::parse::{Item, Node, Table};
use std::fmt::Write as _;

/// Returns the text of an expanded file.
pub fn render(expanded: &Expanded) -> String {
    let mut text = String::new();
    if let Some(removed) = &expanded.removed {
        writeln!(text, "removed = {}\n", value(removed)).expect("string");
    }
    table(&mut text, "stack", &expanded.stack);
    if !expanded.moved.entries.is_empty() {
        text.push('\n');
        table(&mut text, "moved", &expanded.moved);
    }
    let mut resources: Vec<_> = expanded.resources.iter().collect();
    resources.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    for (address, _, entries) in resources {
        text.push('\n');
        table(&mut text, &address.to_string(), entries);
    }
    text
}

fn table(text: &mut String, head: &str, table: &Table) {
    writeln!(text, "[{head}]").expect("string");
    for entry in &table.entries {
        writeln!(text, "{} = {}", key(&entry.key), value(&entry.node)).expect("string");
    }
}

pub(crate) fn key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { quoted(key) }
}

fn value(node: &Node) -> String {
    match &node.item {
        Item::Bool(bool) => bool.to_string(),
        Item::Int(int) => int.to_string(),
        Item::Text(text) => quoted(text),
        Item::Other(text) => text.clone(),
        Item::Array(nodes) => {
            let items: Vec<String> = nodes.iter().map(value).collect();
            let line = format!("[{}]", items.join(", "));
            match line.len() > 100 {
                true => format!(
                    "[\n{}]",
                    items.iter().map(|item| format!("  {item},\n")).collect::<String>()
                ),
                false => line,
            }
        }
        Item::Table(table) if table.entries.is_empty() => "{}".to_owned(),
        Item::Table(table) => {
            let entries: Vec<String> = table
                .entries
                .iter()
                .map(|entry| format!("{} = {}", key(&entry.key), value(&entry.node)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A basic string of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => write!(quoted, "\\u{:04X}", u32::from(c)).expect("string"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LAKEHOUSE, checked, outside, random_stack};
    use crate::{expand, parse};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn full(text: &str) -> String {
        let vars = BTreeMap::new();
        render(&expand::expand(parse::parse(text).0, &outside(None, &vars)))
    }

    /// What a stack says, without the places.
    fn meaning(text: &str) -> Vec<String> {
        let checked = checked(text);
        let stack = checked
            .stack
            .unwrap_or_else(|| panic!("{:#?}\n{text}", checked.problems));
        let resources = stack.resources.values();
        resources
            .map(|resource| {
                format!(
                    "{} {:?} {:?} {}",
                    resource.address, resource.fields, resource.needs, resource.protect
                )
            })
            .collect()
    }

    #[test]
    fn the_full_form_means_the_same_and_is_its_own_full_form() {
        let mut texts: Vec<String> = (0..60).map(random_stack).collect();
        texts.push(format!("[stack]\nname = \"t\"\n{LAKEHOUSE}"));
        for text in texts {
            let full_text = full(&text);
            assert_eq!(meaning(&text), meaning(&full_text), "{full_text}");
            assert_eq!(full_text, full(&full_text));
        }
    }

    #[test]
    fn the_order_of_a_file_means_nothing() {
        for seed in 0..60 {
            let text = format!("{}\n[log_group.last]\n", random_stack(seed));
            let mut tables: Vec<&str> = text.split("\n[").collect();
            let head = tables.remove(0);
            tables.reverse();
            let turned = format!("{head}\n[{}", tables.join("\n["));
            assert_eq!(meaning(&text), meaning(&turned));
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_being_written_and_read(text in "\\PC*|[\\x00-\\x7f]*") {
            let (table, problems) = parse::parse(&format!("x = {}", quoted(&text)));
            prop_assert!(problems.is_empty());
            prop_assert_eq!(table.get("x").and_then(Node::as_text), Some(text.as_str()));
        }

        #[test]
        fn no_file_makes_check_panic(text in "(\\[(stack|vpc\\.a|bucket\\.b|role\\.c|env\\.x)\\]\n|[a-z_]{1,9} = (\"[^\"\n]{0,12}\"|[0-9]{1,3}|\\[\\]|\\{\\})\n|\\PC{0,8}){0,12}") {
            let checked = checked(&text);
            prop_assert!(checked.stack.is_some() || !checked.problems.is_empty());
        }
    }
}
