//! The progress of an apply: a live line for every running step on a terminal, a line when a step begins and ends
//! elsewhere, and JSON lines with `--json`.

use super::{Ui, count, duration, rate, raw};
use crate::error::describe;
use lakeform_engine::Address;
use lakeform_engine::apply::Event;
use lakeform_engine::cloud::Progress;
use lakeform_engine::journal::Verb;
use lakeform_engine::plan::{self, Plan};
use lakeform_engine::render::minutes;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Draws what happens.
pub struct Board {
    ui: Ui,
    total: usize,
    ended: usize,
    /// What each step usually takes on AWS; empty on the local cloud, where nothing takes as long.
    expected_s: BTreeMap<Key, u64>,
    running: BTreeMap<Key, Running>,
    drawn: usize,
    last_draw: Instant,
}

type Key = (Address, &'static str);

struct Running {
    since: Instant,
    state: String,
    /// When the next line about it is due where lines stay.
    next_line: Duration,
}

/// On a terminal, running lines are not redrawn more often than this.
const REDRAW: Duration = Duration::from_millis(80);
/// Elsewhere a step that runs longer than this gets a line, then at twice the time, and so on.
const FIRST_LINE: Duration = Duration::from_secs(10);

impl Board {
    pub fn new(ui: Ui, plan: &Plan, local: bool) -> Self {
        let last_draw = Instant::now().checked_sub(REDRAW).unwrap_or_else(Instant::now);
        let steps = plan.steps.iter().zip(plan::expected(plan));
        Self {
            ui,
            total: plan.steps.len(),
            ended: 0,
            expected_s: match local {
                true => BTreeMap::new(),
                false => steps
                    .map(|(step, seconds)| ((step.address.clone(), step.verb.as_str()), seconds))
                    .collect(),
            },
            running: BTreeMap::new(),
            drawn: 0,
            last_draw,
        }
    }

    /// Takes one event in and shows it.
    pub fn event(&mut self, event: &Event<'_>) {
        if self.ui.json {
            self.ui.json(&self.json(event));
        }
        let key = |address: &Address, verb: Verb| (address.clone(), verb.as_str());
        match event {
            Event::Started { address, verb } => {
                self.running.insert(
                    key(address, *verb),
                    Running {
                        since: Instant::now(),
                        state: String::new(),
                        next_line: FIRST_LINE,
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
                let why = describe(error);
                self.note(&format!(
                    "{}  ✗{} {address} {} failed: {}",
                    paint.remove,
                    paint.reset,
                    verb.as_str(),
                    // All of it stands in the summary.
                    why.lines().next().unwrap_or_default()
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
        if !now && self.last_draw.elapsed() < REDRAW {
            return;
        }
        if !self.ui.live {
            self.last_draw = Instant::now();
            self.due_lines();
            return;
        }
        self.last_draw = Instant::now();
        self.erase();
        let paint = self.ui.paint();
        let mut lines = Vec::new();
        for ((address, verb), running) in self.running.iter().take(12) {
            let state: String = running.state.chars().take(72).collect();
            let elapsed = self.elapsed(&(address.clone(), *verb), running);
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

    /// How long a step runs, and of how long it usually takes.
    fn elapsed(&self, key: &Key, running: &Running) -> String {
        let elapsed = duration(running.since.elapsed().as_secs_f64());
        match self.expected_s.get(key) {
            Some(expected_s) => format!("{elapsed} of about {}", minutes(*expected_s)),
            None => elapsed,
        }
    }

    /// Where lines stay, what runs long is told now and then.
    fn due_lines(&mut self) {
        let mut lines = Vec::new();
        for (key, running) in &self.running {
            if running.since.elapsed() < running.next_line {
                continue;
            }
            let (address, verb) = key;
            let state = match running.state.is_empty() {
                true => String::new(),
                false => format!(" {}", running.state),
            };
            lines.push(format!("    {address} {verb}{state}, {}", self.elapsed(key, running)));
        }
        for running in self.running.values_mut() {
            if running.since.elapsed() >= running.next_line {
                running.next_line *= 2;
            }
        }
        lines.iter().for_each(|line| self.ui.say(line));
    }

    /// Takes the running lines away.
    pub fn finish(&mut self) {
        self.erase();
        self.running.clear();
    }

    /// An event as JSON. Call it before the event is taken in, so that how long a step ran is still known.
    fn json(&self, event: &Event<'_>) -> serde_json::Value {
        use serde_json::json;
        let seconds = |address: &Address, verb: Verb| {
            let running = self.running.get(&(address.clone(), verb.as_str()))?;
            Some((running.since.elapsed().as_secs_f64() * 1000.0).round() / 1000.0)
        };
        match event {
            Event::Started { address, verb } => {
                let expected_s = self.expected_s.get(&((*address).clone(), verb.as_str()));
                json!({"type": "started", "address": address, "verb": verb, "expected_s": expected_s})
            }
            Event::Progress {
                address,
                verb,
                progress,
            } => match progress {
                Progress::Made { id } => json!({"type": "made", "address": address, "verb": verb, "id": id}),
                Progress::State(state) => {
                    json!({"type": "progress", "address": address, "verb": verb, "state": state,
                        "seconds": seconds(address, *verb)})
                }
                Progress::Amount { done, total, unit } => {
                    json!({"type": "progress", "address": address, "verb": verb, "done": done, "total": total,
                        "unit": unit, "seconds": seconds(address, *verb)})
                }
                Progress::Rows { done, total, bytes } => {
                    json!({"type": "progress", "address": address, "verb": verb, "done": done, "total": total,
                        "unit": "rows", "bytes": bytes, "seconds": seconds(address, *verb)})
                }
            },
            Event::Done { address, verb } => {
                json!({"type": "done", "address": address, "verb": verb, "seconds": seconds(address, *verb)})
            }
            Event::Failed { address, verb, error } => json!({
                "type": "failed", "address": address, "verb": verb, "message": error.to_string(),
                "code": error.code, "request_id": error.request_id, "meaning": error.meaning,
                "seconds": seconds(address, *verb),
            }),
            Event::Skipped { address, verb, cause } => {
                json!({"type": "skipped", "address": address, "verb": verb, "cause": cause})
            }
            Event::Stopping { running } => json!({"type": "stopping", "running": running}),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use lakeform_engine::Kind;

    #[test]
    fn what_runs_long_is_told_where_lines_stay() {
        let ui = Ui {
            json: false,
            verbose: 0,
            colour: false,
            live: false,
        };
        let mut board = Board::new(ui, &Plan::default(), false);
        let address = Address::new(Kind::RedshiftCluster, "main");
        let key = (address.clone(), Verb::Create.as_str());
        board.event(&Event::Started {
            address: &address,
            verb: Verb::Create,
        });
        board.expected_s.insert(key.clone(), 240);
        board.due_lines();
        assert_eq!(board.running[&key].next_line, FIRST_LINE, "not yet");
        let long_ago = Instant::now()
            .checked_sub(FIRST_LINE)
            .expect("the machine is up for a while");
        board.running.get_mut(&key).expect("it runs").since = long_ago;
        assert!(
            board
                .elapsed(&key, &board.running[&key])
                .ends_with(" of about 4 m 00 s")
        );
        board.due_lines();
        assert_eq!(
            board.running[&key].next_line,
            FIRST_LINE * 2,
            "told, and again at twice the time"
        );
    }
}
