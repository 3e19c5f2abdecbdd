//! What plan, apply, up, datagen and destroy share: observe, plan, ask, carry out, report.

use super::recover;
use crate::cli::{Consent, Run, Selection, View};
use crate::connect::World;
use crate::error::{CommandError, ExitCode, describe};
use crate::project::Project;
use crate::state::Held;
use crate::ui::progress::Board;
use crate::ui::{Ui, duration};
use futures::FutureExt;
use lakeform_engine::apply::{self, Apply, Outcome};
use lakeform_engine::cloud::{Ask, Cloud};
use lakeform_engine::journal::{Entry, Ledger, Verb};
use lakeform_engine::plan::{Options, Plan};
use lakeform_engine::render::{self, Look};
use lakeform_engine::stack::Place;
use lakeform_engine::{Address, Fields, Kind, Live, Stack};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Reads `--target`, `--except` and `--replace`.
pub fn options(
    selection: &Selection,
    replace: &[String],
    stack: &Stack,
    ledger: &Ledger,
) -> Result<Options, CommandError> {
    let read = |given: &[String]| -> Result<BTreeSet<Address>, CommandError> {
        given
            .iter()
            .map(|text| {
                let known = || stack.resources.keys().chain(ledger.records.keys());
                Address::parse(text)
                    .filter(|address| known().any(|present| present == address))
                    .ok_or_else(|| {
                        let names: Vec<String> = known().map(Address::to_string).collect();
                        let error = CommandError::new(format!("there is no resource `{text}`"));
                        match lakeform_engine::diagnostic::did_you_mean(text, names.iter().map(String::as_str)) {
                            Some(hint) => error.hint(hint),
                            None => error,
                        }
                    })
            })
            .collect()
    };
    Ok(Options {
        target: read(&selection.target)?,
        except: read(&selection.except)?,
        replace: read(replace)?,
    })
}

/// Observes and plans. Read only: what earlier runs left open is looked up, and counted as found, in memory. The ledger
/// has learnt by then what the first of the plan's entries say.
pub async fn plan(
    stack: &Stack,
    world: &World,
    ledger: &mut Ledger,
    options: &Options,
    destroy: bool,
    ui: &Ui,
) -> Result<Plan, CommandError> {
    let started = Instant::now();
    let before: u64 = world.calls().values().sum();
    let mut entries = ledger.moves(stack);
    entries.iter().for_each(|entry| ledger.add(entry));
    let settled = apply::settle(world, ledger).await?;
    settled.iter().for_each(|entry| ledger.add(entry));
    entries.extend(settled);
    let observed = apply::observe(world, apply::asks(stack, ledger)).await?;
    let calls = world.calls().values().sum::<u64>() - before;
    ui.say(format!(
        "{}Read what is live in {}: {calls} calls, {}.{}",
        ui.paint().dim,
        world.place,
        duration(started.elapsed().as_secs_f64()),
        ui.paint().reset
    ));
    said_calls(world, ui);
    let lost = match ledger.records.is_empty() {
        true => lost(stack, world).await?,
        false => BTreeMap::new(),
    };
    let mut plan = match destroy {
        true => lakeform_engine::plan::destroy(stack, &observed, ledger, options),
        false => lakeform_engine::plan::plan(stack, &observed, ledger, options),
    };
    plan.entries.splice(..0, entries);
    let said: BTreeSet<Address> = plan.blocked.iter().map(|(address, _)| address.clone()).collect();
    plan.blocked
        .extend(lost.into_iter().filter(|(address, _)| !said.contains(address)));
    Ok(plan)
}

/// What carries this stack's tags although the state knows of nothing, with why it is in the way: the state is lost, and
/// who goes on makes everything a second time.
async fn lost(stack: &Stack, world: &World) -> Result<BTreeMap<Address, String>, CommandError> {
    let owned = world.owned(&stack.tag_name()).await?;
    let declared = owned
        .into_iter()
        .filter(|found| stack.resources.contains_key(&found.owner.address));
    let asks = declared.map(|found| Ask::by_id(found.owner.address, found.id, Fields::new()));
    let why = |lives: Vec<Live>| {
        let ids: Vec<String> = lives.into_iter().map(|live| format!("`{}`", live.id)).collect();
        let ids = ids.join(", ");
        format!("{ids} carries its tags, and the state knows nothing of it: `lakeform recover` takes it over")
    };
    let lives = recover::look(world, asks.collect()).await?;
    Ok(lives
        .into_iter()
        .map(|(address, lives)| (address, why(lives)))
        .collect())
}

/// The entry that takes an object over without changing it.
pub fn adopted(stack: &Stack, address: Address, live: &Live) -> Entry {
    let resource = stack.resources.get(&address);
    let needs = resource.map(|resource| resource.needs.clone()).unwrap_or_default();
    let protect = resource.is_some_and(|resource| resource.protect);
    // What AWS cannot tell back is taken from the file, as an apply would have left it.
    let mut fields = live.fields.clone();
    for (name, value) in resource.iter().flat_map(|resource| &resource.fields) {
        if value.is_known() && !fields.contains_key(name) {
            fields.insert(name.clone(), value.clone());
        }
    }
    Entry::Adopted {
        address,
        record: apply::record_of(live, &fields, needs, protect),
    }
}

/// Whether there is nothing to do at all, not even for the ledger.
pub fn nothing_to_do(plan: &Plan) -> bool {
    plan.is_empty() && plan.entries.is_empty()
}

/// Shows a plan.
pub fn show(plan: &Plan, project: &Project, ui: &Ui, view: &View) {
    let place = |span| project.place(span);
    if ui.json {
        ui.json(&render::json(plan, &place));
        return;
    }
    let look = Look {
        paint: ui.paint(),
        place: &place,
        full: view.full,
        flat: view.flat,
        local: project.stack.place == Place::Local,
    };
    ui.data(render::plan(plan, &look));
}

/// Asks about everything that nobody can make again, one by one: `--yes` is no answer to that.
pub fn consent(plan: &Plan, given: &Consent, run: &Run, ui: &Ui) -> Result<(), CommandError> {
    let given: BTreeSet<&str> = given.allow_data_loss.iter().map(String::as_str).collect();
    for address in plan.data_loss().map(|change| change.address.to_string()) {
        if given.contains(address.as_str()) {
            continue;
        }
        let question = format!("\nWhat is in `{address}` will be gone. Write its address to agree:");
        let agreed = match run.yes {
            true => None,
            false => ui.ask_for(&question, &address),
        };
        let why = match agreed {
            Some(true) => continue,
            Some(false) => "that was not its address",
            None => "nobody agreed to that",
        };
        return Err(CommandError::new(format!(
            "nothing was changed: what is in `{address}` would be gone, and {why}"
        ))
        .code(ExitCode::Blocked)
        .hint(format!("`--allow-data-loss {address}` agrees"))
        .hint(format!("`protect = true` under [{address}] keeps it in any case")));
    }
    Ok(())
}

/// Asks before something is changed. On the local cloud `up` does not ask.
pub fn confirm(ui: &Ui, run: &Run, question: &str) -> Result<(), CommandError> {
    agreed(ui, run.yes, question)
}

/// Goes on when `yes` was said beforehand, or is said now.
pub fn agreed(ui: &Ui, yes: bool, question: &str) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    match ui.ask(question) {
        Some(true) => Ok(()),
        Some(false) => Err(CommandError::new("nothing was changed: the answer was not `yes`").code(ExitCode::Blocked)),
        None => Err(CommandError::new("nothing was changed: there is nobody to ask")
            .code(ExitCode::Blocked)
            .hint("`--yes` says that this is wanted")),
    }
}

/// Carries a plan out and shows how it goes. Ctrl-C once stops in order, twice leaves at once.
pub async fn carry_out(
    plan: &Plan,
    world: &World,
    held: &mut Held,
    run: &Run,
    ui: &Ui,
) -> Result<Outcome, CommandError> {
    if plan
        .steps
        .iter()
        .any(|step| step.address.kind == Kind::Dbt && step.verb != Verb::Delete)
    {
        // Said before anything is applied, not in the middle of it.
        super::dbt::installed()?;
    }
    world.only_while(held.lease());
    let (stack, generation) = (held.ledger.stack.clone(), held.ledger.generation.clone());
    let board = RefCell::new(Board::new(*ui, plan, world.local));
    let mut new_op = || uuid::Uuid::new_v4().simple().to_string();
    let held = &Mutex::new(held);
    let journal = |entries: Vec<Entry>| async move { held.lock().await.append(&entries).await }.boxed_local();
    let mut events = |event: apply::Event<'_>| board.borrow_mut().event(&event);
    let apply = Apply {
        cloud: world,
        stack: &stack,
        generation: &generation,
        parallelism: run.parallelism,
        new_op: &mut new_op,
        journal: &journal,
        events: &mut events,
    };
    let stop = async {
        drop(tokio::signal::ctrl_c().await);
        // Every intent is in the journal, so leaving at once is safe.
        tokio::spawn(async {
            drop(tokio::signal::ctrl_c().await);
            std::process::exit(ExitCode::Interrupted as i32);
        });
    };
    let clock = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            board.borrow_mut().draw(false);
        }
    };
    let outcome = tokio::select! {
        outcome = apply::apply(apply, plan, stop) => outcome,
        () = clock => unreachable!("the clock does not end"),
    };
    board.borrow_mut().finish();
    said_calls(world, ui);
    Ok(outcome)
}

/// With `-vv`: how many calls of which operation there were, and in all.
fn said_calls(world: &World, ui: &Ui) {
    if ui.verbose < 2 {
        return;
    }
    let calls = world.calls();
    for (operation, count) in &calls {
        ui.detail(format!("  {count:>4} {operation}"));
    }
    ui.detail(format!("{} calls in all", calls.values().sum::<u64>()));
}

/// Says how it ended, and with which exit code.
pub fn report(outcome: &Outcome, elapsed: Duration, ui: &Ui) -> Result<ExitCode, CommandError> {
    if ui.json {
        let failed: Vec<_> = outcome
            .failed
            .iter()
            .map(|(address, verb, error)| {
                serde_json::json!({"address": address, "verb": verb, "message": error.to_string(), "code": error.code,
                    "request_id": error.request_id, "hints": error.hints})
            })
            .collect();
        ui.json(&serde_json::json!({
            "type": "summary", "done": outcome.done.len(), "failed": failed, "skipped": outcome.skipped.len(),
            "stopped": outcome.stopped, "seconds": elapsed.as_secs_f64(),
        }));
    }
    if let Some(error) = &outcome.journal_error {
        return Err(CommandError::new(format!(
            "the journal cannot be written, so nothing more was begun: {error}"
        ))
        .hint("make room or mend the folder, then run the command again: it goes on where this one stopped"));
    }
    if !outcome.failed.is_empty() {
        ui.say("");
        for (address, verb, error) in &outcome.failed {
            let paint = ui.paint();
            ui.say(format!(
                "{}✗{} {} {address}: {}",
                paint.remove,
                paint.reset,
                verb.as_str(),
                describe(error).replace('\n', "\n    ")
            ));
            error.hints.iter().for_each(|hint| ui.say(format!("    hint: {hint}")));
        }
        let skipped = match outcome.skipped.len() {
            0 => String::new(),
            count => format!(", {count} not begun because of that"),
        };
        ui.say(format!(
            "\n{} done, {} failed{skipped}.",
            outcome.done.len(),
            outcome.failed.len()
        ));
        ui.say("Run the command again: what is done stays done.");
        return Ok(if outcome.done.is_empty() {
            ExitCode::Error
        } else {
            ExitCode::Partly
        });
    }
    if outcome.stopped {
        ui.say(format!(
            "Stopped after {} steps. Run the command again to go on.",
            outcome.done.len()
        ));
        return Ok(ExitCode::Interrupted);
    }
    Ok(ExitCode::Done)
}
