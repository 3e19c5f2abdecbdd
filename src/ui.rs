//! Everything that is printed. stdout carries data, stderr everything else; nothing else in the program prints.
#![expect(clippy::print_stderr, reason = "this is where printing happens")]

pub mod problems;
pub mod progress;
pub mod table;

use crate::error::CommandError;
use lakeform_engine::render::Paint;
use std::io::{IsTerminal, Write};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    pub json: bool,
    pub verbose: u8,
    /// Whether stderr shows colours.
    pub colour: bool,
    /// Whether stderr is a terminal that can be redrawn.
    pub live: bool,
}

impl Ui {
    pub fn new(json: bool, no_color: bool, verbose: u8) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let wanted = !no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let capable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            json,
            verbose,
            colour: terminal && wanted && capable,
            live: terminal && capable && !json,
        }
    }

    pub fn paint(&self) -> Paint {
        match self.colour {
            true => Paint::COLOUR,
            false => Paint::PLAIN,
        }
    }

    /// Tells the reader something, on stderr.
    pub fn say(&self, text: impl AsRef<str>) {
        if !self.json || self.verbose > 0 {
            self.warn(text);
        }
    }

    /// Tells what people must know even when a machine reads stdout, on stderr.
    pub fn warn(&self, text: impl AsRef<str>) {
        eprintln!("{}", text.as_ref());
    }

    /// Like [`Ui::say`], for those who asked for more.
    pub fn detail(&self, text: impl AsRef<str>) {
        if self.verbose > 0 {
            eprintln!("{}", text.as_ref());
        }
    }

    /// Writes data to stdout. A closed pipe ends the program quietly, as it does `cat`.
    pub fn data(&self, text: impl AsRef<str>) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush())
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            std::process::exit(0);
        }
    }

    /// Writes one JSON document as a line to stdout.
    pub fn json(&self, json: &serde_json::Value) {
        self.data(format!("{json}\n"));
    }

    /// Prints why a command failed.
    pub fn error(&self, error: &CommandError) {
        let Some(message) = &error.message else { return };
        if self.json {
            self.json(&serde_json::json!({
                "type": "error", "message": message, "hints": error.hints, "exit_code": error.code as i32,
            }));
        }
        let paint = self.paint();
        eprintln!("{}error{}: {message}", paint.remove, paint.reset);
        for hint in &error.hints {
            eprintln!("  {}hint{}: {hint}", paint.bold, paint.reset);
        }
    }

    /// Asks a question that only `yes` answers. `None`: there is nobody to ask.
    pub fn ask(&self, question: &str) -> Option<bool> {
        self.ask_for(&format!("{question} Only `yes` is accepted:"), "yes")
    }

    /// Asks a question that only these words answer. `None`: there is nobody to ask.
    pub fn ask_for(&self, question: &str, words: &str) -> Option<bool> {
        if !std::io::stdin().is_terminal() || self.json {
            return None;
        }
        eprint!("{question} ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim() == words)
    }
}

/// Redraws and notes for `progress`.
pub(crate) fn raw(text: &str) {
    eprint!("{text}");
}

/// A length of time as people say it.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{} m {:02} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {:02} m", s as u64 / 3600, s as u64 / 60 % 60),
    }
}

/// A size as people say it.
pub fn bytes(count: u64) -> String {
    const UNITS: &[&str] = &["B", "KB", "MB", "GB", "TB", "PB"];
    let mut size = count as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ => format!("{size:.1} {}", UNITS[unit]),
    }
}

/// A speed as people say it: rows and bytes in a second.
pub fn rate(rows: u64, bytes: u64, seconds: f64) -> String {
    let seconds = seconds.max(0.001);
    let rows = rows as f64 / seconds;
    let rows = match rows {
        rows if rows >= 1e6 => format!("{:.1} M", rows / 1e6),
        rows if rows >= 1e3 => format!("{:.1} k", rows / 1e3),
        rows => format!("{rows:.0}"),
    };
    format!("{rows} rows/s, {}/s", self::bytes((bytes as f64 / seconds) as u64))
}

/// `1 file`, `2 files`.
pub fn several(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        count => format!("{} {word}s", self::count(count as u64)),
    }
}

/// A count with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_read_well() {
        assert_eq!(super::count(1_234_567), "1,234,567");
        assert_eq!(super::bytes(999), "999 B");
        assert_eq!(super::bytes(1_500_000), "1.5 MB");
        assert_eq!(super::duration(75.0), "1 m 15 s");
        assert_eq!(super::rate(3_000_000, 400_000_000, 2.0), "1.5 M rows/s, 200.0 MB/s");
        assert_eq!(super::several(1, "file"), "1 file");
        assert_eq!(super::several(1_000, "file"), "1,000 files");
    }
}
