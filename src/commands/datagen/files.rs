//! `datagen --to DIR`: files alone.

use crate::data::folder::{self, Written};
use crate::data::recipe::{Batches, Recipe};
use crate::data::workers::Workers;
use crate::error::{CommandError, ExitCode};
use crate::ui::progress::Meter;
use crate::ui::{self, Ui, duration, table};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Writes files and a manifest beside them. Ctrl-C leaves whole files only, and the next run goes on from there.
pub async fn write(
    recipe: &Recipe,
    batches: Batches,
    folder: &Path,
    threads: usize,
    ui: &Ui,
) -> Result<ExitCode, CommandError> {
    let started = Instant::now();
    let total = batches.files().into_iter().map(|at| batches.rows(at)).sum();
    let workers = Workers::new(Arc::new(batches), threads);
    let meter = Meter::new(*ui, total);
    let tell = |rows, bytes| meter.tell(rows, bytes);
    let written = tokio::select! {
        // Listening for Ctrl-C begins before the first file does.
        biased;
        _ = tokio::signal::ctrl_c() => {
            meter.finish();
            return Err(CommandError::new("interrupted: the files that are there are whole")
                .code(ExitCode::Interrupted)
                .hint("run the command again to go on"));
        }
        written = folder::write(folder, recipe, &workers, &tell) => written,
    };
    meter.finish();
    let Written { manifest, there, bytes } = written?;
    let elapsed = started.elapsed().as_secs_f64();
    let objects = manifest.objects().count();
    if ui.json {
        for table in &manifest.tables {
            ui.json(&serde_json::json!({
                "type": "table", "table": table.name, "files": table.objects.len(), "rows": table.rows,
                "bytes": table.objects.iter().map(|object| object.bytes).sum::<u64>(),
            }));
        }
        ui.json(&serde_json::json!({
            "type": "summary", "files": objects, "there": there, "rows": manifest.rows(), "bytes": manifest.bytes(),
            "written": bytes, "seconds": elapsed, "fingerprint": manifest.fingerprint,
        }));
        return Ok(ExitCode::Done);
    }
    let rows: Vec<Vec<String>> = manifest
        .tables
        .iter()
        .map(|table| {
            vec![
                table.name.clone(),
                ui::count(table.objects.len() as u64),
                ui::count(table.rows),
                ui::bytes(table.objects.iter().map(|object| object.bytes).sum()),
            ]
        })
        .collect();
    ui.data(table::render(&["table", "files", "rows", "size"], &rows));
    let folder = folder.display();
    let files = ui::several(objects, "file");
    ui.say(match there {
        0 => format!(
            "\nWrote {files}, {}, into {folder} in {} ({}).",
            ui::bytes(bytes),
            duration(elapsed),
            ui::rate(manifest.rows(), bytes, elapsed)
        ),
        there if bytes == 0 => format!(
            "\nNothing to do: {} in {folder} are there, byte for byte ({}).",
            ui::several(there, "file"),
            duration(elapsed)
        ),
        there => format!(
            "\nWrote {} into {folder} in {}; {there} of {files} were there already.",
            ui::bytes(bytes),
            duration(elapsed)
        ),
    });
    Ok(ExitCode::Done)
}
