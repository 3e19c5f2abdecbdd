//! What the reconciler costs: AWS calls, time and memory of a no-op plan, an apply and a destroy for a growing number of
//! copies of a small stack, against the local cloud on a port with 20 ms added to every call. The time of an apply is
//! compared with the graph's critical path: the longest chain of steps that wait for each other, by their own measured
//! times. It cannot be faster.
//!
//! `cargo bench --profile dev --bench reconciler -- 1 50 200 1000`

#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LATENCY_MS: u64 = 20;
/// AWS lets so many subnets stand in one VPC.
const SUBNETS: usize = 200;
/// More than there are steps: what is measured is the graph, not a limit of ours.
const PARALLELISM: &str = "4000";

fn main() {
    let copies: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let copies = if copies.is_empty() {
        vec![1, 50, 200, 1000]
    } else {
        copies
    };
    println!("{LATENCY_MS} ms for every call; a copy is a subnet, a security group and a Glue database\n");
    println!(
        "{:>6} {:>9}  {:8} {:>6} {:>9} {:>9} {:>6} {:>8}",
        "copies", "resources", "command", "calls", "time", "critical", "ratio", "peak"
    );
    for copies in copies {
        let folder = tempfile::tempdir().expect("a folder");
        let cloud = Cloud::serve(folder.path());
        std::fs::write(folder.path().join("stack.toml"), stack(copies, &cloud.endpoint)).expect("written");
        let waits = steps(folder.path(), &[]);
        row(copies, "apply", &run(folder.path(), "apply"), Some(&waits));
        row(copies, "plan", &run(folder.path(), "plan"), None);
        let waits = steps(folder.path(), &["--destroy"]);
        row(copies, "destroy", &run(folder.path(), "destroy"), Some(&waits));
    }
}

fn row(copies: usize, command: &str, ran: &Ran, waits: Option<&[Step]>) {
    let critical = waits.map(|waits| critical_path(waits, &ran.spans));
    let time = match critical {
        Some(_) => ran.stepping(),
        None => ran.whole,
    };
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    println!(
        "{copies:>6} {:>9}  {command:8} {:>6} {:>9} {:>9} {:>6} {:>8}",
        copies * 3 + copies.div_ceil(SUBNETS),
        ran.calls,
        seconds(time),
        critical.map_or(String::new(), seconds),
        critical.map_or(String::new(), |critical| format!(
            "{:.2}",
            time.as_secs_f64() / critical.as_secs_f64()
        )),
        format!("{} MB", ran.peak_kb / 1024),
    );
}

fn stack(copies: usize, endpoint: &str) -> String {
    let mut text =
        format!("[stack]\nname = \"bench\"\ncloud = \"aws\"\naccount = \"123456789012\"\nendpoint = \"{endpoint}\"\n");
    for copy in 0..copies {
        let (vpc, subnet) = (copy / SUBNETS, copy % SUBNETS);
        if subnet == 0 {
            writeln!(text, "[vpc.v{vpc}]\ncidr = \"10.{vpc}.0.0/16\"").expect("text");
        }
        writeln!(
            text,
            "[subnet.s{copy}]\nvpc = \"vpc.v{vpc}\"\ncidr = \"10.{vpc}.{subnet}.0/24\"\nzone = \"a\"\n\
             [security_group.g{copy}]\nvpc = \"vpc.v{vpc}\"\ningress = [{{ port = 5439, cidr = \"10.{vpc}.0.0/16\" }}]\n\
             [glue_database.d{copy}]"
        )
        .expect("text");
    }
    text
}

/// A step of a plan and what it waits for.
struct Step {
    name: String,
    after: Vec<usize>,
}

fn steps(folder: &Path, args: &[&str]) -> Vec<Step> {
    let output = lakeform(folder, "plan")
        .args(args)
        .arg("--json")
        .output()
        .expect("it plans");
    let text = String::from_utf8_lossy(&output.stdout);
    let plan = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let plan = plan.rev().find(|json| json["steps"].is_array()).expect("a plan");
    let steps = plan["steps"].as_array().expect("steps");
    steps
        .iter()
        .map(|step| Step {
            name: format!("{} {}", step["verb"], step["address"]),
            after: step["after"]
                .as_array()
                .expect("what it waits for")
                .iter()
                .filter_map(|index| Some(index.as_u64()? as usize))
                .collect(),
        })
        .collect()
}

fn critical_path(steps: &[Step], spans: &BTreeMap<String, (Instant, Instant)>) -> Duration {
    let mut longest: Vec<Option<Duration>> = vec![None; steps.len()];
    // Steps may stand before what they wait for, so they are gone through until nothing is open.
    while longest.iter().any(Option::is_none) {
        for (index, step) in steps.iter().enumerate() {
            let before: Option<Vec<Duration>> = step.after.iter().map(|after| longest[*after]).collect();
            if let Some(before) = before {
                let (start, end) = spans[&step.name];
                longest[index] = Some((end - start) + before.into_iter().max().unwrap_or_default());
            }
        }
    }
    longest.into_iter().flatten().max().unwrap_or_default()
}

/// What a command took.
struct Ran {
    whole: Duration,
    calls: u64,
    peak_kb: u64,
    /// When each step began and ended.
    spans: BTreeMap<String, (Instant, Instant)>,
}

impl Ran {
    /// From the first step's beginning to the last one's end.
    fn stepping(&self) -> Duration {
        let first = self.spans.values().map(|(start, _)| *start).min();
        let last = self.spans.values().map(|(_, end)| *end).max();
        first.zip(last).map(|(first, last)| last - first).unwrap_or_default()
    }
}

fn lakeform(folder: &Path, command: &str) -> Command {
    let mut lakeform = Command::new(env!("CARGO_BIN_EXE_lakeform"));
    lakeform
        .arg(command)
        .current_dir(folder)
        .env("HOME", folder)
        .stdin(Stdio::null());
    lakeform
}

fn run(folder: &Path, command: &str) -> Ran {
    let mut lakeform = lakeform(folder, command);
    if command != "plan" {
        lakeform.args(["--yes", "--parallelism", PARALLELISM]);
    }
    let start = Instant::now();
    let mut child = lakeform
        .args(["--json", "-vv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut errors = child.stderr.take().expect("its errors");
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        drop(errors.read_to_string(&mut said));
        said
    });
    let (mut spans, mut begun) = (BTreeMap::new(), BTreeMap::new());
    let mut peak_kb = 0;
    for (index, line) in BufReader::new(child.stdout.take().expect("its output"))
        .lines()
        .enumerate()
    {
        let line = line.expect("a line");
        let now = Instant::now();
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON lines");
        let name = format!("{} {}", event["verb"], event["address"]);
        match event["type"].as_str() {
            Some("started") => drop(begun.insert(name, now)),
            Some("done") => drop(spans.insert(name.clone(), (begun[&name], now))),
            Some("failed" | "error") => panic!("{line}"),
            _ => {}
        }
        if index % 64 == 0 {
            peak_kb = peak_kb.max(peak(&child));
        }
    }
    peak_kb = peak_kb.max(peak(&child));
    let ended = child.wait().expect("it ends");
    let said = said.join().expect("read");
    assert!(ended.success(), "{command}: {said}");
    let calls = said
        .lines()
        .filter_map(|line| line.trim().strip_suffix(" calls in all")?.parse().ok())
        .next_back()
        .unwrap_or_default();
    Ran {
        whole: start.elapsed(),
        calls,
        peak_kb,
        spans,
    }
}

/// The most memory that a process ever had, where the system tells.
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}

/// The local cloud, served by another process.
struct Cloud {
    child: Child,
    endpoint: String,
}

impl Cloud {
    fn serve(folder: &Path) -> Self {
        let mut child = lakeform(folder, "local")
            .args([
                "serve",
                "--http",
                "127.0.0.1:0",
                "--sql",
                "127.0.0.1:0",
                "--json",
                "--dir",
                "disk",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it serves");
        let out = child.stdout.take().expect("its output");
        let first = BufReader::new(out).lines().next().expect("a line").expect("a line");
        let json: serde_json::Value = serde_json::from_str(&first).expect("JSON");
        let endpoint = json["http"].as_str().expect("an address").to_owned();
        let cloud = Self { child, endpoint };
        let rule = format!(
            "{{\"rules\": [{{\"operation\": \"*\", \"effect\": \"latency\", \"milliseconds\": {LATENCY_MS}, \"times\": 1000000000}}]}}"
        );
        cloud.post("/_lakeform/faults", &rule);
        cloud
    }

    fn post(&self, path: &str, body: &str) {
        let host = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("it answers");
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
