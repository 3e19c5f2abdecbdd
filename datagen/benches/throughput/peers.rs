//! Programs of others, when they are installed: `tpchgen-cli`, and Faker for Python.

use super::Speed;
use std::process::{Child, Command, Stdio};

/// Rows of TPC-H's `lineitem` at scale factor 1.
const LINEITEM: f64 = 6_001_215.0;

/// CPU time of finished children, user and system, in seconds.
fn children() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux tells CPU time");
    let after = text.rsplit(')').next().expect("a process has a name");
    let fields: Vec<f64> = after
        .split_whitespace()
        .skip(1)
        .filter_map(|n| n.parse().ok())
        .collect();
    // In hundredths of a second.
    (fields[12] + fields[13]) / 100.0
}

/// `tpchgen-cli` for `lineitem`.
pub struct Tpchgen {
    arguments: &'static [&'static str],
    bytes: f64,
    pub best: Speed,
}

impl Tpchgen {
    /// Finds the program and counts its bytes; nothing when it is not installed.
    pub fn find(arguments: &'static [&'static str]) -> Option<Self> {
        let mut child = Self::command(arguments, Stdio::piped())?;
        let bytes = std::io::copy(&mut child.stdout.take().expect("piped"), &mut std::io::sink()).ok()?;
        child.wait().ok()?;
        (bytes > 0).then(|| Self {
            arguments,
            bytes: bytes as f64,
            best: Speed::default(),
        })
    }

    fn command(arguments: &[&str], out: Stdio) -> Option<Child> {
        Command::new("tpchgen-cli")
            .args(arguments)
            .args(["-s", "1", "--tables", "lineitem", "--stdout", "--num-threads", "1"])
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .ok()
    }

    /// Runs it once, whole and with its start-up, into nothing.
    pub fn run(&mut self) {
        let before = children();
        let child = Self::command(self.arguments, Stdio::null());
        if child.is_some_and(|mut child| child.wait().is_ok_and(|status| status.success())) {
            self.best = self.best.max(Speed::new(self.bytes, LINEITEM, children() - before));
        }
    }
}

/// Runs a program that makes every value with Faker; `PYTHON` names an interpreter that has it.
pub fn faker(table: &str, rows: u32) -> Option<Speed> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/throughput/naive.py");
    let run = || Command::new(&python).args([script, table, &rows.to_string()]).output();
    let mut best = Speed::default();
    for _ in 0..2 {
        let output = run().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut told = text.split_whitespace().map(|word| word.parse::<f64>().ok());
        let (bytes, seconds) = (told.next()??, told.next()??);
        best = best.max(Speed::new(bytes, f64::from(rows), seconds));
    }
    Some(best)
}
