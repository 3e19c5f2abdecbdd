//! The progress of an apply: a live line for every running step on a terminal, a line when a step begins and ends
//! elsewhere, and JSON lines with `--json`.

use super::{Ui, count, duration, rate, raw};
use crate::error::describe;
use lakeform_engine::Address;
use lakeform_engine::apply::Event;
use lakeform_engine::cloud::Progress;
use lakeform_engine::journal::Verb;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Draws what happens.
pub struct Board {
    ui: Ui,
    total: usize,
    ended: usize,
    running: BTreeMap<(Address, &'static str), Running>,
    drawn: usize,
    last_draw: Instant,
}

struct Running {
    since: Instant,
    state: String,
}

/// On a terminal, running lines are not redrawn more often than this.
const REDRAW: Duration = Duration::from_millis(80);

impl Board {
    pub fn new(ui: Ui, total: usize) -> Self {
        let last_draw = Instant::now().checked_sub(REDRAW).unwrap_or_else(Instant::now);
        Self {
            ui,
            total,
            ended: 0,
            running: BTreeMap::new(),
            drawn: 0,
            last_draw,
        }
    }

    /// Takes one event in and shows it.
    pub fn event(&mut self, event: &Event<'_>) {
        if self.ui.json {
            self.ui.json(&json(event));
        }
        let key = |address: &Address, verb: Verb| (address.clone(), verb.as_str());
        match event {
            Event::Started { address, verb } => {
                self.running.insert(
                    key(address, *verb),
                    Running {
                        since: Instant::now(),
                        state: String::new(),
                    },
                );
            }
            Event::Progress {
                address,
                verb,
                progress,
            } => {
                let Some(running) = self.running.get_mut(&key(address, *verb)) else {
                    return;
                };
                match progress {
                    Progress::Made { id } => running.state = id.clone(),
                    Progress::State(state) => running.state.clone_from(state),
                    Progress::Amount { done, total, unit } => {
                        running.state = format!("{} of {} {unit}", count(*done), count(*total));
                    }
                    Progress::Rows { done, total, bytes } => {
                        let since = running.since.elapsed().as_secs_f64();
                        running.state = rows(*done, *total, *bytes, since);
                    }
                }
            }
            Event::Done { address, verb } => {
                self.ended += 1;
                let took = self
                    .running
                    .remove(&key(address, *verb))
                    .map(|running| running.since.elapsed());
                let took = took.map_or(0.0, |took| took.as_secs_f64());
                let (mark, colour, word) = self.words(*verb);
                let paint = self.ui.paint();
                self.note(&format!(
                    "{colour}  {mark}{} {address} {word} {}({}){}",
                    paint.reset,
                    paint.dim,
                    duration(took),
                    paint.reset
                ));
            }
            Event::Failed { address, verb, error } => {
                self.ended += 1;
                self.running.remove(&key(address, *verb));
                let paint = self.ui.paint();
                self.note(&format!(
                    "{}  ✗{} {address} {} failed: {}",
                    paint.remove,
                    paint.reset,
                    verb.as_str(),
                    describe(error)
                ));
            }
            Event::Skipped { address, verb, cause } => {
                self.ended += 1;
                let paint = self.ui.paint();
                self.note(&format!(
                    "{}  · {address} {} not begun: {cause} failed{}",
                    paint.dim,
                    verb.as_str(),
                    paint.reset
                ));
            }
            Event::Stopping { running } => {
                self.note(&format!(
                    "stopping: nothing new is begun, {running} running; press Ctrl-C again to leave at once"
                ));
            }
        }
        self.draw(false);
    }

    fn words(&self, verb: Verb) -> (&'static str, &'static str, &'static str) {
        let paint = self.ui.paint();
        match verb {
            Verb::Create => ("+", paint.add, "created"),
            Verb::Update => ("~", paint.change, "changed"),
            Verb::Delete => ("-", paint.remove, "deleted"),
        }
    }

    /// Prints a line that stays.
    fn note(&mut self, line: &str) {
        self.erase();
        self.ui.say(line);
        self.draw(true);
    }

    fn erase(&mut self) {
        if self.drawn > 0 {
            raw(&format!("\x1b[{}F\x1b[J", self.drawn));
            self.drawn = 0;
        }
    }

    /// Redraws the running lines; call it now and then so that times go on.
    pub fn draw(&mut self, now: bool) {
        if !self.ui.live || (!now && self.last_draw.elapsed() < REDRAW) {
            return;
        }
        self.last_draw = Instant::now();
        self.erase();
        let paint = self.ui.paint();
        let mut lines = Vec::new();
        for ((address, verb), running) in self.running.iter().take(12) {
            let elapsed = duration(running.since.elapsed().as_secs_f64());
            let state: String = running.state.chars().take(72).collect();
            lines.push(format!(
                "{}    {verb} {address}{} {state} {}{elapsed}{}",
                paint.bold, paint.reset, paint.dim, paint.reset
            ));
        }
        if self.running.len() > lines.len() {
            lines.push(format!(
                "{}    and {} more{}",
                paint.dim,
                self.running.len() - lines.len(),
                paint.reset
            ));
        }
        if !lines.is_empty() {
            lines.push(format!(
                "{}    {} of {} done{}",
                paint.dim, self.ended, self.total, paint.reset
            ));
            self.drawn = lines.len();
            raw(&format!("{}\n", lines.join("\n")));
        }
    }

    /// Takes the running lines away.
    pub fn finish(&mut self) {
        self.erase();
        self.running.clear();
    }
}

fn rows(done: u64, total: u64, bytes: u64, seconds: f64) -> String {
    let rate = rate(done, bytes, seconds);
    format!("{} of {} rows, {rate}", count(done), count(total))
}

/// The progress of rows that are made outside of an apply: one line that is redrawn on a terminal, a line now and then
/// elsewhere, and JSON lines with `--json`.
pub struct Meter {
    ui: Ui,
    total: u64,
    since: Instant,
    last: Mutex<Option<Instant>>,
}

/// Where nothing can be redrawn, progress is told no more often than this.
const WORD: Duration = Duration::from_secs(10);

impl Meter {
    pub fn new(ui: Ui, total: u64) -> Self {
        Self {
            ui,
            total,
            since: Instant::now(),
            last: Mutex::new(None),
        }
    }

    /// Takes in how many rows and bytes are done.
    pub fn tell(&self, done: u64, bytes: u64) {
        let Ok(mut last) = self.last.try_lock() else { return };
        let every = if self.ui.live { REDRAW } else { WORD };
        if last.unwrap_or(self.since).elapsed() < every {
            return;
        }
        let line = rows(done, self.total, bytes, self.since.elapsed().as_secs_f64());
        match (self.ui.json, self.ui.live) {
            (true, _) => self.ui.json(&serde_json::json!({
                "type": "progress", "done": done, "total": self.total, "unit": "rows", "bytes": bytes,
            })),
            (false, true) => raw(&format!("\r\x1b[K    {line}")),
            (false, false) => self.ui.say(format!("  {line}")),
        }
        *last = Some(Instant::now());
    }

    /// Takes the line away.
    pub fn finish(&self) {
        if let (true, Ok(Some(_))) = (self.ui.live, self.last.lock().map(|last| *last)) {
            raw("\r\x1b[K");
        }
    }
}

fn json(event: &Event<'_>) -> serde_json::Value {
    use serde_json::json;
    match event {
        Event::Started { address, verb } => json!({"type": "started", "address": address, "verb": verb}),
        Event::Progress {
            address,
            verb,
            progress,
        } => match progress {
            Progress::Made { id } => json!({"type": "made", "address": address, "verb": verb, "id": id}),
            Progress::State(state) => json!({"type": "progress", "address": address, "verb": verb, "state": state}),
            Progress::Amount { done, total, unit } => {
                json!({"type": "progress", "address": address, "verb": verb, "done": done, "total": total, "unit": unit})
            }
            Progress::Rows { done, total, bytes } => json!({
                "type": "progress", "address": address, "verb": verb, "done": done, "total": total, "unit": "rows",
                "bytes": bytes,
            }),
        },
        Event::Done { address, verb } => json!({"type": "done", "address": address, "verb": verb}),
        Event::Failed { address, verb, error } => json!({
            "type": "failed", "address": address, "verb": verb, "message": error.to_string(),
            "code": error.code, "request_id": error.request_id, "meaning": error.meaning,
        }),
        Event::Skipped { address, verb, cause } => {
            json!({"type": "skipped", "address": address, "verb": verb, "cause": cause})
        }
        Event::Stopping { running } => json!({"type": "stopping", "running": running}),
    }
}
