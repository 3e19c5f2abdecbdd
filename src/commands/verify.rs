//! The proof at the end of `up` and `datagen`: every generated table is counted through SQL and compared with its
//! manifest.

use crate::connect::World;
use crate::data::manifest::{Manifest, manifest_of};
use crate::data::warehouse::{self, identifier};
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::{self, Ui, table};
use lakeform_aws::Cell;
use lakeform_engine::journal::Ledger;
use lakeform_engine::{Address, Kind, Value};
use std::collections::BTreeMap;

/// A dataset, the catalog tables a crawl found for it, and a schema in which they can be counted.
struct Claim {
    manifest: Manifest,
    tables: BTreeMap<String, String>,
    schema: String,
    target: String,
}

/// Counts, prints the final table, and fails when anything differs.
pub async fn count(project: &Project, world: &World, ledger: &Ledger, ui: &Ui) -> Result<ExitCode, CommandError> {
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    let (claims, uncounted) = claims(project, world, ledger).await?;
    for claim in claims {
        let with_rows: Vec<_> = claim.manifest.tables.iter().filter(|table| table.rows > 0).collect();
        let counts = futures::future::try_join_all(with_rows.iter().map(|table| {
            let name = claim
                .tables
                .get(&table.name)
                .cloned()
                .unwrap_or_else(|| table.name.clone());
            let sql = format!(
                "select count(*) from {}.{}",
                identifier(&claim.schema),
                identifier(&name)
            );
            let target = &claim.target;
            async move {
                let answer = warehouse::run(&world.aws, target, None, &sql).await?;
                let counted = match answer.rows.first().and_then(|row| row.first()) {
                    Some(Cell::Int(counted)) => u64::try_from(*counted).ok(),
                    _ => None,
                };
                Ok::<_, CommandError>((name, counted))
            }
        }))
        .await?;
        for (table, (name, counted)) in with_rows.iter().zip(counts) {
            let bytes: u64 = table.objects.iter().map(|object| object.bytes).sum();
            let equal = counted == Some(table.rows);
            if !equal {
                wrong.push(format!("{}.{name}", claim.schema));
            }
            if ui.json {
                ui.json(&serde_json::json!({
                    "type": "table", "dataset": claim.manifest.address, "table": table.name,
                    "relation": format!("{}.{name}", claim.schema), "files": table.objects.len(),
                    "rows": table.rows, "bytes": bytes, "counted": counted, "equal": equal,
                }));
            }
            rows.push(vec![
                format!("{}.{name}", claim.schema),
                ui::count(table.objects.len() as u64),
                ui::count(table.rows),
                ui::bytes(bytes),
                counted.map_or("?".to_owned(), ui::count),
                if equal { "✓".to_owned() } else { "✗".to_owned() },
            ]);
        }
    }
    if !rows.is_empty() && !ui.json {
        ui.say("");
        ui.data(table::render(&["table", "files", "rows", "size", "counted", ""], &rows));
    }
    for (dataset, why) in uncounted {
        ui.say(format!("\n{dataset} is not counted: {why}."));
    }
    if !wrong.is_empty() {
        return Err(CommandError::new(format!(
            "the rows counted are not the rows written: {}",
            wrong.join(", ")
        ))
        .hint("something else writes to these folders, or the crawler reads them wrongly")
        .hint("`lakeform datagen verify` tells which files are missing, different or extra"));
    }
    if let Some(first) = rows.first() {
        ui.say(format!(
            "\nEvery row arrived. Try: lakeform sql \"select * from {} limit 5\"",
            first[0]
        ));
    }
    Ok(ExitCode::Done)
}

/// Joins what the ledger knows: dataset → crawl → catalog database → external schema → warehouse. Also returns the
/// datasets for which a link is missing, and which.
async fn claims(
    project: &Project,
    world: &World,
    ledger: &Ledger,
) -> Result<(Vec<Claim>, Vec<(Address, &'static str)>), CommandError> {
    let recorded = |address: &Address, name: &str| {
        let record = ledger.records.get(address)?;
        let value = record.outputs.get(name).or_else(|| record.fields.get(name))?;
        value.as_text().map(str::to_owned)
    };
    let mut claims = Vec::new();
    let mut uncounted: BTreeMap<Address, &str> = project
        .stack
        .of_kind(Kind::Dataset)
        .filter(|dataset| ledger.records.contains_key(&dataset.address))
        .map(|dataset| (dataset.address.clone(), "no [crawl] of the stack reads it"))
        .collect();
    for crawl in project.stack.of_kind(Kind::Crawl) {
        let source = crawl.target("dataset").cloned();
        let mut lacks = |why| {
            if let Some(entry) = source.as_ref().and_then(|source| uncounted.get_mut(source)) {
                *entry = why;
            }
        };
        let (Some(database), Some(dataset)) = (
            recorded(&crawl.address, "database"),
            recorded(&crawl.address, "dataset"),
        ) else {
            lacks("it was not crawled yet");
            continue;
        };
        let schema = project
            .stack
            .of_kind(Kind::ExternalSchema)
            .find(|schema| recorded(&schema.address, "database").as_ref() == Some(&database));
        let Some(schema) = schema else {
            lacks("no [external_schema] of the stack shows its catalog database to a warehouse");
            continue;
        };
        let (Some(name), Some(target)) = (
            recorded(&schema.address, "name"),
            recorded(&schema.address, "warehouse"),
        ) else {
            lacks("the external schema was not made yet");
            continue;
        };
        if let Some(source) = &source {
            uncounted.remove(source);
        }
        let tables = ledger.records[&crawl.address]
            .outputs
            .get("tables")
            .and_then(Value::as_map);
        let tables = tables
            .into_iter()
            .flatten()
            .filter_map(|(table, found)| Some((table.clone(), found.as_text()?.to_owned())))
            .collect();
        claims.push(Claim {
            manifest: manifest_of(&world.data, &dataset).await?,
            tables,
            schema: name,
            target,
        });
    }
    Ok((claims, uncounted.into_iter().collect()))
}
