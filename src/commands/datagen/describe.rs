//! `--describe` and `--dry-run`: what a dataset holds and how big it gets, without writing anything.

use crate::data::manifest::catalog_type;
use crate::data::recipe::{Batches, Recipe};
use crate::error::{CommandError, ExitCode};
use crate::project::find_dataset;
use crate::ui::{self, Ui, table};
use std::path::Path;

/// Lines of a sample, with the header.
const SAMPLE: usize = 4;

/// How a table's files come out.
struct Size {
    table: String,
    files: u64,
    rows: u64,
    bytes: u64,
}

fn all(batches: &Batches) -> Vec<Size> {
    let mut sizes: Vec<Size> = batches
        .tables()
        .iter()
        .map(|table| Size {
            table: table.name.clone(),
            files: 0,
            rows: 0,
            bytes: 0,
        })
        .collect();
    for at in batches.files() {
        let size = &mut sizes[at.table];
        size.files += 1;
        size.rows += batches.rows(at);
        size.bytes += (batches.rows(at) as f64 * batches.table(at).row_bytes) as u64;
    }
    sizes
}

/// Says how many files, rows and bytes there will be.
pub fn sizes(batches: &Batches, ui: &Ui) -> ExitCode {
    let sizes = all(batches);
    if ui.json {
        sizes.iter().for_each(|size| {
            ui.json(&serde_json::json!({
                "type": "table", "table": size.table, "files": size.files, "rows": size.rows, "bytes": size.bytes,
            }));
        });
    } else {
        ui.data(rendered(&sizes));
    }
    ExitCode::Done
}

fn rendered(sizes: &[Size]) -> String {
    let row =
        |name: &str, files, rows, bytes| vec![name.to_owned(), ui::count(files), ui::count(rows), ui::bytes(bytes)];
    let mut rows: Vec<Vec<String>> = sizes
        .iter()
        .map(|size| row(&size.table, size.files, size.rows, size.bytes))
        .collect();
    let sum = |of: fn(&Size) -> u64| sizes.iter().map(of).sum();
    rows.push(row(
        "",
        sum(|size| size.files),
        sum(|size| size.rows),
        sum(|size| size.bytes),
    ));
    table::render(&["table", "files", "rows", "about"], &rows)
}

/// Shows tables, sizes, columns and a sample.
pub fn describe(recipe: &Recipe, batches: &Batches, ui: &Ui) -> Result<ExitCode, CommandError> {
    let Ok(dataset) = find_dataset(Path::new("."), &recipe.definition) else {
        return Err(CommandError::new(format!("`{}` was just there", recipe.definition)));
    };
    let sizes = all(batches);
    if ui.json {
        let tables: Vec<_> = batches
            .tables()
            .iter()
            .zip(&sizes)
            .enumerate()
            .map(|(index, (planned, size))| {
                let columns: Vec<_> = planned
                    .columns
                    .iter()
                    .map(|column| {
                        serde_json::json!({
                            "name": column.name, "type": column.kind, "catalog_type": catalog_type(column, &planned.format),
                            "nullable": column.nullable, "references": column.references,
                        })
                    })
                    .collect();
                serde_json::json!({
                    "name": planned.name, "folder": planned.folder, "files": size.files, "rows": size.rows,
                    "bytes": size.bytes, "columns": columns, "sample": sample(batches, index),
                })
            })
            .collect();
        ui.json(&serde_json::json!({
            "type": "dataset", "name": dataset.name, "version": dataset.version, "description": dataset.description,
            "rows": recipe.rows, "seed": recipe.seed, "tables": tables,
        }));
        return Ok(ExitCode::Done);
    }
    ui.data(format!("{}: {}\n\n", dataset.name, dataset.description));
    ui.data(rendered(&sizes));
    for (index, planned) in batches.tables().iter().enumerate() {
        let columns: Vec<Vec<String>> = planned
            .columns
            .iter()
            .map(|column| {
                let notes = [
                    column.nullable.then(|| "may be null".to_owned()),
                    column.references.as_ref().map(|to| format!("→ {to}")),
                ];
                vec![
                    column.name.clone(),
                    column.kind.clone(),
                    catalog_type(column, &planned.format),
                    notes.into_iter().flatten().collect::<Vec<_>>().join(", "),
                ]
            })
            .collect();
        ui.data(format!("\n{}  ({}/)\n", planned.name, planned.folder));
        ui.data(table::render(&["column", "type", "in the catalog", ""], &columns));
        let sample = sample(batches, index);
        if !sample.is_empty() {
            let lines: Vec<String> = sample.iter().map(|line| format!("  {line}\n")).collect();
            ui.data(format!("\n{}", lines.concat()));
        }
    }
    Ok(ExitCode::Done)
}

/// The first lines of a table; nothing for a binary format.
fn sample(batches: &Batches, table: usize) -> Vec<String> {
    let plan = &batches.plans[0];
    let mut bytes = Vec::new();
    if plan.tables[table]
        .files
        .first()
        .is_some_and(|file| !file.parts.is_empty())
    {
        plan.write_part(table, 0, 0, &mut bytes);
    }
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    text.lines().take(SAMPLE).map(str::to_owned).collect()
}
