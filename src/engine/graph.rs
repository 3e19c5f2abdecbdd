//! Orders of a stack's resources, and drawings of them.

mod html;

pub use html::page as html;

use crate::address::Address;
use crate::stack::{Resource, Stack};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Returns the addresses of a circle, if resources need each other in one.
pub fn cycle(stack: &Stack) -> Option<Vec<Address>> {
    let order: BTreeSet<Address> = order(&needs(stack)).into_iter().collect();
    let mut at = stack.resources.keys().find(|address| !order.contains(*address))?;
    let mut path: Vec<&Address> = Vec::new();
    // Every unordered resource needs another unordered one, so walking must come back to where it was.
    loop {
        if let Some(start) = path.iter().position(|seen| *seen == at) {
            return Some(path[start..].iter().map(|address| (*address).clone()).collect());
        }
        path.push(at);
        at = stack.resources[at]
            .needs
            .iter()
            .find(|need| stack.resources.contains_key(*need) && !order.contains(*need))?;
    }
}

/// Returns what each resource of the stack needs.
pub fn needs(stack: &Stack) -> BTreeMap<Address, BTreeSet<Address>> {
    stack
        .resources
        .iter()
        .map(|(address, resource)| (address.clone(), resource.needs.clone()))
        .collect()
}

/// Returns the addresses with every one behind all it needs; addresses in or behind a circle are left out.
/// The order depends on the names alone, never on the order of a file.
pub fn order(needs: &BTreeMap<Address, BTreeSet<Address>>) -> Vec<Address> {
    let mut waiting: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
    for (address, all) in needs {
        let known = all.iter().filter(|need| needs.contains_key(*need) && *need != address);
        let count = known.clone().count() + usize::from(all.contains(address));
        waiting.insert(address, count);
        known.for_each(|need| dependents.entry(need).or_default().push(address));
    }
    let mut ready: BTreeSet<&Address> = waiting
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(a, _)| *a)
        .collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(address) = ready.pop_first() {
        order.push(address.clone());
        for dependent in dependents.get(address).into_iter().flatten() {
            let count = waiting.get_mut(dependent).expect("every dependent is waiting");
            *count -= 1;
            if *count == 0 {
                ready.insert(dependent);
            }
        }
    }
    order
}

/// Returns the needs of a stack for Graphviz.
pub fn dot(stack: &Stack) -> String {
    let mut text = String::from("digraph stack {\n  rankdir = LR;\n  node [shape = box, fontname = \"sans-serif\"];\n");
    for (address, resource) in &stack.resources {
        let style = if address.kind.is_data() {
            " [style = rounded]"
        } else {
            ""
        };
        writeln!(text, "  \"{address}\"{style};").expect("string");
        for need in direct(stack, resource) {
            writeln!(text, "  \"{need}\" -> \"{address}\";").expect("string");
        }
    }
    text.push_str("}\n");
    text
}

/// Returns the needs of a stack for Mermaid.
pub fn mermaid(stack: &Stack) -> String {
    let mut text = String::from("graph LR\n");
    let id = |address: &Address| address.to_string().replace(['.', '-'], "_");
    for (address, resource) in &stack.resources {
        let (open, close) = if address.kind.is_data() { ("(", ")") } else { ("[", "]") };
        writeln!(text, "  {}{open}\"{address}\"{close}", id(address)).expect("string");
        for need in direct(stack, resource) {
            writeln!(text, "  {} --> {}", id(need), id(address)).expect("string");
        }
    }
    text
}

/// Returns what a resource needs and does not need through something else.
fn direct<'a>(stack: &'a Stack, resource: &'a Resource) -> impl Iterator<Item = &'a Address> {
    let mut indirect: BTreeSet<&Address> = BTreeSet::new();
    let mut waiting: Vec<&Address> = resource
        .needs
        .iter()
        .filter_map(|need| stack.get(need))
        .flat_map(|need| &need.needs)
        .collect();
    while let Some(address) = waiting.pop() {
        if indirect.insert(address) {
            waiting.extend(stack.get(address).into_iter().flat_map(|resource| &resource.needs));
        }
    }
    resource.needs.iter().filter(move |need| !indirect.contains(need))
}
