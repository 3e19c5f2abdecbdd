//! `datagen verify`: proves that what lies in a bucket or folder is, byte for byte, what was generated.

use super::{chosen, plan};
use crate::cli::{self, DatagenVerify, Global};
use crate::connect::World;
use crate::data::dataset::Place;
use crate::data::folder;
use crate::data::manifest::{Manifest, load};
use crate::data::proof::{Claim, Proof, prove};
use crate::data::workers::{Workers, all_threads};
use crate::error::{CommandError, ExitCode};
use crate::project::Project;
use crate::ui::progress::Meter;
use crate::ui::{self, Ui, duration, table};
use base64::Engine;
use lakeform_datagen::Sum;
use lakeform_engine::apply;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Names of files told for each table; the rest is a number.
const NAMED: usize = 5;

pub async fn run(global: &Global, args: &DatagenVerify, ui: &Ui) -> Result<ExitCode, CommandError> {
    let started = Instant::now();
    let threads = args.threads.map_or_else(all_threads, usize::from);
    let work = async {
        match &args.to {
            Some(folder) => in_folder(folder, threads, ui).await,
            None => in_buckets(global, args.dataset.as_deref(), threads, ui).await,
        }
    };
    let proofs = tokio::select! {
        proofs = work => proofs?,
        _ = tokio::signal::ctrl_c() => return Err(CommandError::new("interrupted").code(ExitCode::Interrupted)),
    };
    conclude(&proofs, started, ui)
}

async fn in_folder(path: &Path, threads: usize, ui: &Ui) -> Result<Vec<Proof>, CommandError> {
    let manifests = folder::manifests(path)?; // (disk)
    if manifests.is_empty() {
        return Err(
            CommandError::new(format!("there is no manifest in `{}`", path.display()))
                .hint("`lakeform datagen --to DIR` writes one when every file is there"),
        );
    }
    let claims = manifests
        .into_iter()
        .map(|manifest| claim(manifest, Path::new("."), threads, ui))
        .collect::<Result<Vec<_>, _>>()?;
    let present = folder::list(path)?; // (disk)
    let (meter, tell) = progress(&claims, ui);
    let look = async |key: &str| folder::sum(path.join(key)).await;
    let proofs = prove(&claims, &present, look, &|rows| tell(&meter, rows)).await; // (disk)
    meter.finish();
    proofs
}

async fn in_buckets(
    global: &Global,
    wanted: Option<&str>,
    threads: usize,
    ui: &Ui,
) -> Result<Vec<Proof>, CommandError> {
    let project = Project::open(global, ui)?; // (disk)
    let chosen = chosen(&project.stack, wanted)?;
    let ledger = crate::state::ledger(&project).await?; // (disk)
    let world = World::connect(&project, ui).await?; // (cloud)
    let mut proofs = Vec::new();
    for ask in apply::asks(&project.stack, &ledger) {
        if !chosen.contains(&ask.address) {
            continue;
        }
        let place = Place::of(&ask.address.to_string(), &ask.fields)?;
        let manifest: Manifest = load(&world.aws, &place.bucket, &place.keys().manifest(None))
            .await? // (cloud)
            .ok_or_else(|| {
                CommandError::new(format!("{} has no manifest in s3://{}", place.address, place.bucket))
                    .hint("`lakeform datagen` or `lakeform up` generates it")
            })?;
        let claims = [claim(manifest, project.folder(), threads, ui)?];
        let listed = world.aws.list_objects(&place.bucket, &place.prefix).await?; // (cloud)
        let present = listed.into_iter().map(|object| (object.key, object.size)).collect();
        let (meter, tell) = progress(&claims, ui);
        let look = async |key: &str| {
            let head = world.aws.head_object(&place.bucket, key).await?;
            // What has no such checksum was not written by lakeform.
            Ok::<_, CommandError>(head.map(|head| Sum {
                bytes: head.size,
                crc64nvme: head.crc64nvme.as_deref().and_then(decoded).unwrap_or_default(),
            }))
        };
        let found = prove(&claims, &present, look, &|rows| tell(&meter, rows)).await; // (cloud)
        meter.finish();
        // With several datasets, tables are told apart by them.
        let several = chosen.len() > 1;
        proofs.extend(found?.into_iter().map(|proof| Proof {
            table: if several {
                format!("{} {}", place.address, proof.table)
            } else {
                proof.table.clone()
            },
            ..proof
        }));
    }
    Ok(proofs)
}

/// Plans again what a manifest tells of. Another version of generator or definition would prove nothing.
fn claim(manifest: Manifest, folder: &Path, threads: usize, ui: &Ui) -> Result<Claim, CommandError> {
    let part = manifest
        .part
        .as_deref()
        .map(cli::part)
        .transpose()
        .map_err(CommandError::new)?;
    let batches = plan(&manifest.recipe, folder, part, ui)?;
    if batches.fingerprint != manifest.fingerprint {
        let (now, then) = (batches.plans[0].origin(), &manifest.origin);
        let why = if now.definition != then.definition {
            "the definition was changed since"
        } else if now.generator != then.generator {
            "another version of the generator wrote them"
        } else if now.pools != then.pools {
            "the texts that values are drawn from are others in this version"
        } else {
            "the manifest was changed"
        };
        let message = "the files were not made as they would be now, so their checksums cannot be made again";
        return Err(CommandError::new(message).hint(why));
    }
    Ok(Claim {
        manifest,
        workers: Workers::new(Arc::new(batches), threads),
    })
}

type Tell = Box<dyn Fn(&Meter, u64) + Sync>;

fn progress(claims: &[Claim], ui: &Ui) -> (Meter, Tell) {
    let total = claims
        .iter()
        .flat_map(|claim| {
            claim
                .workers
                .batches()
                .files()
                .into_iter()
                .map(|at| claim.workers.batches().rows(at))
        })
        .sum();
    let done = AtomicU64::new(0);
    let tell = move |meter: &Meter, rows: u64| meter.tell(done.fetch_add(rows, Ordering::Relaxed) + rows, 0);
    (Meter::new(*ui, total), Box::new(tell))
}

fn decoded(base64: &str) -> Option<u64> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn conclude(proofs: &[Proof], started: Instant, ui: &Ui) -> Result<ExitCode, CommandError> {
    if ui.json {
        for proof in proofs {
            ui.json(&serde_json::json!({
                "type": "table", "table": proof.table, "ok": proof.whole, "bytes": proof.bytes,
                "missing": proof.missing, "different": proof.different, "extra": proof.extra,
            }));
        }
    } else {
        let rows: Vec<Vec<String>> = proofs
            .iter()
            .map(|proof| {
                let count = |count: usize| ui::count(count as u64);
                vec![
                    proof.table.clone(),
                    count(proof.whole),
                    count(proof.missing.len()),
                    count(proof.different.len()),
                    count(proof.extra.len()),
                    if proof.holds() {
                        "✓".to_owned()
                    } else {
                        "✗".to_owned()
                    },
                ]
            })
            .collect();
        ui.data(table::render(
            &["table", "ok", "missing", "different", "extra", ""],
            &rows,
        ));
    }
    let wrong: Vec<&Proof> = proofs.iter().filter(|proof| !proof.holds()).collect();
    for proof in &wrong {
        for (word, keys) in [
            ("missing", &proof.missing),
            ("different", &proof.different),
            ("extra", &proof.extra),
        ] {
            keys.iter()
                .take(NAMED)
                .for_each(|key| ui.say(format!("  {word}: {key}")));
            if keys.len() > NAMED {
                ui.say(format!("  {word}: {} more of {}", keys.len() - NAMED, proof.table));
            }
        }
    }
    if !wrong.is_empty() {
        let names: Vec<&str> = wrong.iter().map(|proof| proof.table.as_str()).collect();
        return Err(
            CommandError::new(format!("what is there is not what was generated: {}", names.join(", ")))
                .hint("generate again: only what is missing or different is written")
                .hint("what is extra belongs to somebody else and is left alone"),
        );
    }
    let files: usize = proofs.iter().map(|proof| proof.whole).sum();
    if ui.json {
        ui.json(&serde_json::json!({
            "type": "summary", "files": files, "bytes": proofs.iter().map(|proof| proof.bytes).sum::<u64>(),
            "downloaded": 0, "seconds": started.elapsed().as_secs_f64(),
        }));
    }
    ui.say(format!(
        "\n{}, {}: every byte is as it was generated. Nothing was downloaded ({}).",
        ui::several(files, "file"),
        ui::bytes(proofs.iter().map(|proof| proof.bytes).sum()),
        duration(started.elapsed().as_secs_f64())
    ));
    Ok(ExitCode::Done)
}
