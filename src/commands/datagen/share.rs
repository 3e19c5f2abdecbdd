//! `datagen --part i/n` with a stack: one machine's share of a large run, into the dataset's bucket. It changes nothing
//! else, keeps no state, and does not crawl: `datagen` without `--part` joins the shares, crawls and counts.

use super::{chosen, laid_over, plan};
use crate::cli::{Datagen, Global};
use crate::connect::World;
use crate::data::dataset::{Filled, Place, fill};
use crate::data::recipe::Recipe;
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::progress::Meter;
use crate::ui::{self, Ui, duration};
use lakeform_engine::cloud::{Meaning, Progress};
use lakeform_engine::journal::Ledger;
use lakeform_engine::{Value, apply, value};
use std::time::Instant;

pub async fn upload(
    global: &Global,
    args: &Datagen,
    part: (u64, u64),
    threads: usize,
    ui: &Ui,
) -> Result<ExitCode, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let chosen = chosen(&project.stack, args.wanted.dataset.as_deref())?;
    let mut shares = Vec::new();
    // Without a ledger: every machine must come to the same names and numbers by itself.
    for ask in apply::asks(&project.stack, &Ledger::default()) {
        if !chosen.contains(&ask.address) {
            continue;
        }
        if args.wanted.rows.is_none() && !ask.fields.contains_key("rows") {
            return Err(
                CommandError::new(format!("how many rows {} has is not said", ask.address))
                    .hint("every share must know it: give the same `--rows` to each"),
            );
        }
        if ask.fields.get("bucket").and_then(Value::as_text).is_none() {
            return Err(
                CommandError::new(format!("the name of the bucket of {} is known only later", ask.address))
                    .hint("a share needs a bucket whose name the stack file says"),
            );
        }
        let mut wanted = args.wanted.clone();
        // It named the dataset; what the dataset is made of is the stack file's word.
        wanted.dataset = None;
        let recipe: Recipe = value::read(&ask.fields).map_err(|error| CommandError::new(error.to_string()))?;
        let recipe = laid_over(&wanted, recipe)?;
        let place = Place::of(&ask.address.to_string(), &ask.fields)?;
        let batches = plan(&recipe, project.folder(), Some(part), ui)?;
        shares.push((place, recipe, batches));
    }
    let world = World::connect(&project, ui).await?; // (cloud)
    for (place, recipe, batches) in shares {
        let started = Instant::now();
        let meter = Meter::new(*ui, batches.files().into_iter().map(|at| batches.rows(at)).sum());
        let report = |progress: Progress| {
            if let Progress::Rows { done, bytes, .. } = progress {
                meter.tell(done, bytes);
            }
        };
        let filled = tokio::select! {
            filled = fill(&world.aws, &place, &recipe, batches, threads, None, &report) => filled, // (cloud)
            _ = tokio::signal::ctrl_c() => {
                meter.finish();
                return Err(CommandError::new("interrupted").code(ExitCode::Interrupted).hint(
                    "run the command again: only the parts that are missing are sent"
                ));
            }
        };
        meter.finish();
        let Filled { manifest, there } = filled.map_err(|error| match error.meaning {
            Meaning::NotFound => CommandError::from(error).hint("`lakeform apply --target` its bucket makes it first"),
            _ => CommandError::from(error),
        })?;
        let elapsed = started.elapsed().as_secs_f64();
        let files = manifest.objects().count();
        if ui.json {
            ui.json(&serde_json::json!({
                "type": "part", "dataset": place.address, "part": part.0, "of": part.1, "files": files, "there": there,
                "rows": manifest.rows(), "bytes": manifest.bytes(), "seconds": elapsed,
            }));
            continue;
        }
        ui.say(format!(
            "{}, part {} of {}: {}, {} rows, {} in s3://{}/{}, {there} of them from before ({}).",
            place.address,
            part.0,
            part.1,
            ui::several(files, "file"),
            ui::count(manifest.rows()),
            ui::bytes(manifest.bytes()),
            place.bucket,
            place.prefix,
            duration(elapsed),
        ));
    }
    Ok(ExitCode::Done)
}
