//! The local cloud on ports, for as long as a test needs it.

use crate::sandbox::Sandbox;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// `lakeform local serve`, ended however the test ends.
pub struct Served {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// `http://…`, where AWS requests are answered.
    pub http: String,
}

impl Served {
    /// Serves with these arguments, on free ports.
    pub fn new(sandbox: &Sandbox, args: &[&str]) -> Self {
        let mut command = sandbox.command(&[
            "local",
            "serve",
            "--http",
            "127.0.0.1:0",
            "--sql",
            "127.0.0.1:0",
            "--json",
        ]);
        let mut child = command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it serves");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut served = Self {
            child,
            lines,
            http: String::new(),
        };
        served.http = served.announced("http");
        served
    }

    /// Where the first warehouse's SQL is answered, `host:port`; there must be one.
    pub fn sql(&mut self) -> String {
        self.announced("sql")
    }

    fn announced(&mut self, what: &str) -> String {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < Duration::from_secs(60), "no word of `{what}`");
            let line = self.lines.next().expect("it goes on").expect("a line");
            let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            if let Some(address) = json[what].as_str() {
                return address.to_owned();
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
