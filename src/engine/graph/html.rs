//! The needs of a stack as one page that stands alone: no script, font or picture comes from elsewhere.

use super::{direct, needs, order};
use crate::address::Address;
use crate::kind::Kind;
use crate::render::short;
use crate::stack::Stack;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WIDTH: usize = 230;
const HEIGHT: usize = 40;
const COLUMN: usize = 300;
const ROW: usize = 54;
const MARGIN: usize = 24;

/// Returns the page. What is needed stands left of what needs it.
pub fn page(stack: &Stack) -> String {
    let columns = columns(stack);
    let mut places: BTreeMap<&Address, (usize, usize)> = BTreeMap::new();
    for (column, addresses) in columns.iter().enumerate() {
        for (row, address) in addresses.iter().enumerate() {
            places.insert(address, (MARGIN + column * COLUMN, MARGIN + row * ROW));
        }
    }
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (2 * MARGIN + columns.len() * COLUMN, 2 * MARGIN + rows * ROW);
    let mut drawing = String::new();
    for (address, resource) in &stack.resources {
        let (x, y) = places[address];
        for need in direct(stack, resource).filter(|need| places.contains_key(need)) {
            let (from_x, from_y) = (places[need].0 + WIDTH, places[need].1 + HEIGHT / 2);
            let (to_y, bend) = (y + HEIGHT / 2, (COLUMN - WIDTH) / 2);
            writeln!(
                drawing,
                "<path data-from=\"{need}\" data-to=\"{address}\" d=\"M{from_x} {from_y} C{} {from_y} {} {to_y} {x} {to_y}\"/>",
                from_x + bend,
                x.saturating_sub(bend),
            )
            .expect("string");
        }
    }
    for (address, resource) in &stack.resources {
        let (x, y) = places[address];
        let schema = address.kind.schema();
        let fields: Vec<String> = resource
            .fields
            .iter()
            .filter(|(name, _)| !schema.field(name).is_some_and(|field| field.secret))
            .map(|(name, value)| format!("{name} = {}", short(value)))
            .collect();
        writeln!(
            drawing,
            "<g class=\"{}\" data-address=\"{address}\" transform=\"translate({x} {y})\"><title>{}</title>\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/><text x=\"12\" y=\"16\" class=\"kind\">{}</text>\
             <text x=\"12\" y=\"32\">{}</text></g>",
            group(address.kind),
            escaped(&format!("{}\n\n{}", schema.doc, fields.join("\n"))),
            address.kind,
            escaped(&address.name),
        )
        .expect("string");
    }
    let needs: BTreeMap<String, Vec<String>> = stack
        .resources
        .iter()
        .map(|(address, resource)| {
            (
                address.to_string(),
                resource.needs.iter().map(Address::to_string).collect(),
            )
        })
        .collect();
    let title = escaped(&stack.tag_name());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p>{} resources. What is needed stands to the left; point at one to see all it needs and all that needs it.</p>\n\
         <svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n{drawing}</svg>\n\
         <script>\nconst needs = {};\n{SCRIPT}</script>\n</body>\n</html>\n",
        stack.resources.len(),
        // `</script>` in a text would end the script.
        json!(needs).to_string().replace('<', "\\u003c"),
    )
}

/// Returns the addresses by how many steps lie before them, each column ordered so that lines cross little.
fn columns(stack: &Stack) -> Vec<Vec<Address>> {
    let needs = needs(stack);
    let mut depths: BTreeMap<Address, usize> = BTreeMap::new();
    let mut columns: Vec<Vec<Address>> = Vec::new();
    for address in order(&needs) {
        let before = needs[&address].iter().filter_map(|need| depths.get(need));
        let depth = before.max().map_or(0, |deepest| deepest + 1);
        if columns.len() <= depth {
            columns.resize_with(depth + 1, Vec::new);
        }
        columns[depth].push(address.clone());
        depths.insert(address, depth);
    }
    let mut rows: BTreeMap<Address, usize> = BTreeMap::new();
    for column in &mut columns {
        // The middle of what is needed, in thousandths, so that numbers order as they should.
        let middle = |address: &Address| {
            let known: Vec<usize> = needs[address]
                .iter()
                .filter_map(|need| rows.get(need).copied())
                .collect();
            match known.len() {
                0 => usize::MAX,
                count => known.iter().sum::<usize>() * 1000 / count,
            }
        };
        column.sort_by_cached_key(|address| (middle(address), address.clone()));
        for (row, address) in column.iter().enumerate() {
            rows.insert(address.clone(), row);
        }
    }
    columns
}

fn group(kind: Kind) -> &'static str {
    match kind {
        Kind::Vpc
        | Kind::Subnet
        | Kind::InternetGateway
        | Kind::NatGateway
        | Kind::RouteTable
        | Kind::VpcEndpoint
        | Kind::SecurityGroup => "network",
        Kind::Bucket | Kind::LogGroup => "storage",
        Kind::Role | Kind::Secret => "identity",
        Kind::GlueDatabase | Kind::GlueClassifier | Kind::GlueCrawler | Kind::GlueTrigger => "catalog",
        Kind::RedshiftSubnetGroup
        | Kind::RedshiftParameterGroup
        | Kind::RedshiftCluster
        | Kind::RedshiftNamespace
        | Kind::RedshiftWorkgroup => "warehouse",
        Kind::Dataset | Kind::Crawl | Kind::ExternalSchema | Kind::Sql | Kind::Copy | Kind::Dbt => "data",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const STYLE: &str = "\
body { font: 14px system-ui, sans-serif; margin: 24px; color: #1c2430; background: #fff; }
svg { display: block; }
path { fill: none; stroke: #9aa5b1; stroke-width: 1.4; }
rect { fill: #eef2f6; stroke: #9aa5b1; }
text.kind { font-size: 11px; opacity: .65; }
.network rect { fill: #e3effc; } .storage rect { fill: #e4f5e4; } .identity rect { fill: #fdf0d9; }
.catalog rect { fill: #efe6fa; } .warehouse rect { fill: #fde4e1; } .data rect { fill: #f3f3f3; stroke-dasharray: 4 3; }
.dim { opacity: .15; }
@media (prefers-color-scheme: dark) {
  body { color: #e6ebf1; background: #14181d; }
  rect { fill-opacity: .18; } text { fill: #e6ebf1; }
}
";

const SCRIPT: &str = "\
const users = {};
for (const [user, all] of Object.entries(needs)) for (const need of all) (users[need] ??= []).push(user);
const reach = (start, next) => {
  const seen = new Set([start]);
  for (const at of seen) for (const other of next[at] ?? []) seen.add(other);
  return seen;
};
const boxes = [...document.querySelectorAll('g')], lines = [...document.querySelectorAll('path')];
for (const box of boxes) {
  box.addEventListener('mouseenter', () => {
    const near = new Set([...reach(box.dataset.address, needs), ...reach(box.dataset.address, users)]);
    boxes.forEach(other => other.classList.toggle('dim', !near.has(other.dataset.address)));
    lines.forEach(line => line.classList.toggle('dim', !near.has(line.dataset.from) || !near.has(line.dataset.to)));
  });
  box.addEventListener('mouseleave', () => [...boxes, ...lines].forEach(other => other.classList.remove('dim')));
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LAKEHOUSE, stack};

    #[test]
    fn a_page_stands_alone_and_shows_every_resource_right_of_what_it_needs() {
        let stack = stack(&format!("[stack]\nname = \"t\"\n{LAKEHOUSE}"));
        let page = page(&stack);
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        let columns = columns(&stack);
        let column = |address: &Address| {
            columns
                .iter()
                .position(|column| column.contains(address))
                .expect("it is drawn")
        };
        for (address, resource) in &stack.resources {
            assert!(page.contains(&format!("data-address=\"{address}\"")));
            assert!(resource.needs.iter().all(|need| column(need) < column(address)));
        }
    }

    #[test]
    fn texts_of_a_stack_cannot_leave_their_place() {
        let text =
            "[stack]\nname = \"t\"\n[role.x]\nservice = \"glue\"\ndescription = \"</title><script>alert(1)</script>\"";
        let page = page(&stack(text));
        assert_eq!(page.matches("<script>").count(), 1);
        assert_eq!(page.matches("</title>").count(), 2, "the page's and the box's");
    }
}
