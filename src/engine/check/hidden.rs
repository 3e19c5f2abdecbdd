//! Needs that no reference shows: what must stand before something works, and must outlive it when both go.

use crate::address::{Address, Reference};
use crate::kind::Kind;
use crate::stack::{Resource, Stack};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Adds them to the stack.
pub fn add(stack: &mut Stack) {
    let mut more: Vec<(Address, BTreeSet<Address>)> = Vec::new();
    for resource in stack.resources.values() {
        let found = match resource.kind() {
            // A public address is only given, and only let go of, while the network has its door to the internet.
            Kind::NatGateway => doors(stack, &networks(stack, resource)),
            Kind::RedshiftCluster | Kind::RedshiftWorkgroup if resource.is_on("public") => {
                doors(stack, &networks(stack, resource))
            }
            // SQL that reads or writes S3 from inside a VPC hangs without its ways out.
            Kind::Copy | Kind::Sql | Kind::Dbt | Kind::ExternalSchema => {
                let warehouse = resource.target("warehouse").and_then(|address| stack.get(address));
                warehouse
                    .map(|warehouse| ways(stack, &networks(stack, warehouse)))
                    .unwrap_or_default()
            }
            _ => continue,
        };
        more.push((resource.address.clone(), found));
    }
    for (address, found) in more {
        let resource = stack.resources.get_mut(&address).expect("it is in the stack");
        resource.needs.extend(found.into_iter().filter(|need| *need != address));
    }
    watch_data(stack);
}

/// SQL and dbt run again when the data behind them changed.
fn watch_data(stack: &mut Stack) {
    let mut behind: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    for address in crate::graph::order(&crate::graph::needs(stack)) {
        let resource = stack.resources.get_mut(&address).expect("ordered: it is in the stack");
        let mut datasets: BTreeSet<Address> = BTreeSet::new();
        for need in &resource.needs {
            match need.kind {
                Kind::Dataset => {
                    datasets.insert(need.clone());
                }
                kind if kind.is_data() => datasets.extend(behind.get(need).into_iter().flatten().cloned()),
                _ => {}
            }
        }
        let once = resource.is_on("once");
        if matches!(resource.kind(), Kind::Sql | Kind::Dbt)
            && !once
            && let Some(Value::List(data)) = resource.fields.get_mut("data")
        {
            for dataset in &datasets {
                let value = Value::Ref(Reference {
                    address: dataset.clone(),
                    output: "fingerprint".to_owned(),
                });
                if !data.contains(&value) {
                    data.push(value);
                }
            }
            resource.needs.extend(datasets.iter().cloned());
        }
        behind.insert(address, datasets);
    }
}

/// Returns the VPCs that a cluster, workgroup or gateway stands in.
fn networks(stack: &Stack, resource: &Resource) -> BTreeSet<Address> {
    stack
        .subnets_of(resource)
        .into_iter()
        .filter_map(|subnet| subnet.target("vpc").cloned())
        .collect()
}

fn doors(stack: &Stack, networks: &BTreeSet<Address>) -> BTreeSet<Address> {
    inside(stack, networks, &[Kind::InternetGateway])
}

fn ways(stack: &Stack, networks: &BTreeSet<Address>) -> BTreeSet<Address> {
    inside(stack, networks, &[Kind::RouteTable, Kind::VpcEndpoint])
}

fn inside(stack: &Stack, networks: &BTreeSet<Address>, kinds: &[Kind]) -> BTreeSet<Address> {
    let all = stack
        .resources
        .values()
        .filter(|resource| kinds.contains(&resource.kind()));
    all.filter(|resource| resource.target("vpc").is_some_and(|vpc| networks.contains(vpc)))
        .map(|resource| resource.address.clone())
        .collect()
}
