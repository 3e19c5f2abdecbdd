//! How long a crawl takes, beside DuckDB's sniffer over the same files, in one run:
//!
//! ```console
//! $ cargo bench -p lakeform-local --bench crawl
//! ```
//!
//! `CRAWL_OBJECTS` (1000) objects of `CRAWL_BYTES` (1000000) bytes in ten folders are put into a local cloud and crawled by
//! a crawler. The peer runs when `PYTHON` (python3) has the package duckdb: it describes the files with one `read_csv`
//! that unites their columns by name, and sniffs each with `sniff_csv`. Compared are CPU seconds of whole processes' work
//! on the question, since both use all cores.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark is set by the environment, and what it prints is its result"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use lakeform_local::{Local, Options, Pace};
use serde_json::{Value, json};

const FOLDERS: usize = 10;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Rows like those of a bank: numbers, texts, some in quotes, a date, an amount, a flag.
fn file(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 33
    };
    let mut text = String::from("id,customer,place,day,at,amount,rate,open\n");
    let mut id = seed * 1_000_000;
    while text.len() < bytes {
        let (a, b, c) = (random(), random(), random());
        let (day, hour, minute) = (a % 28 + 1, b % 24, c % 60);
        writeln!(
            text,
            "{id},customer {},\"{} Street, {}\",2024-01-{day:02},2024-01-{day:02} {hour:02}:{minute:02}:00,{}.{:02},0.{},{}",
            a % 100_000,
            b % 900,
            ["Bonn", "Rome", "Lima"][(c % 3) as usize],
            a % 10_000,
            b % 100,
            c % 1000,
            a.is_multiple_of(2)
        )
        .expect("a string grows");
        id += 1;
    }
    text
}

async fn ask(local: &Arc<Local>, service: &str, target: Option<&str>, method: &str, path: &str, body: Bytes) -> Value {
    let sign = format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
    );
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .header("host", "localhost")
        .header("authorization", sign)
        .header("content-length", body.len());
    if let Some(target) = target {
        request = request
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.1");
    } else if service == "iam" {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let response = local.handle(request.body(body).expect("a request")).await;
    let status = response.status();
    let answer = response
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    assert!(
        status.is_success(),
        "{method} {path}: {status} {}",
        String::from_utf8_lossy(&answer)
    );
    serde_json::from_slice(&answer).unwrap_or_default()
}

async fn glue(local: &Arc<Local>, operation: &str, input: Value) -> Value {
    let target = format!("AWSGlue.{operation}");
    ask(local, "glue", Some(&target), "POST", "/", input.to_string().into()).await
}

async fn iam(local: &Arc<Local>, body: &str) {
    let body = Bytes::from(format!("Version=2010-05-08&RoleName=crawl&{body}"));
    ask(local, "iam", None, "POST", "/", body).await;
}

/// CPU seconds of this process so far, where Linux says them.
fn cpu() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(") ").next()?.split(' ').skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// The most memory that this process has used since the last `forget_peak`, in MB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024)
}

fn forget_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

#[tokio::main]
async fn main() {
    let (objects, bytes) = (setting("CRAWL_OBJECTS", 1000), setting("CRAWL_BYTES", 1_000_000));
    let dir = tempfile::tempdir().expect("a folder");
    let files = dir.path().join("files");
    let options = Options {
        dir: dir.path().join("cloud"),
        pace: Pace::Quick,
        seed: None,
    };
    let local = Local::open(options).await.expect("a cloud");
    ask(&local, "s3", None, "PUT", "/lake", Bytes::new()).await;
    let mut total = 0;
    for at in 0..objects {
        let key = format!("raw/day={}/part-{at:05}.csv", at % FOLDERS);
        let text = file(at as u64, bytes);
        total += text.len();
        let path = files.join(&key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, &text).expect("a file");
        ask(&local, "s3", None, "PUT", &format!("/lake/{key}"), text.into()).await;
    }
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A\
                 %7B%22Service%22%3A%22glue.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A\
                  %22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
    iam(&local, &format!("Action=CreateRole&AssumeRolePolicyDocument={trust}")).await;
    iam(
        &local,
        &format!("Action=PutRolePolicy&PolicyName=p&PolicyDocument={policy}"),
    )
    .await;
    glue(&local, "CreateDatabase", json!({"DatabaseInput": {"Name": "bronze"}})).await;
    let crawler = json!({
        "Name": "c", "Role": "crawl", "DatabaseName": "bronze", "Targets": {"S3Targets": [{"Path": "s3://lake/raw/"}]},
    });
    glue(&local, "CreateCrawler", crawler).await;
    println!("{objects} objects, {} MB, {FOLDERS} partitions", total / 1_000_000);
    let mut best: Option<(f64, f64)> = None;
    for _ in 0..3 {
        forget_peak();
        let before = peak();
        let (started, spent) = (Instant::now(), cpu());
        glue(&local, "StartCrawler", json!({"Name": "c"})).await;
        let last = loop {
            let crawler = glue(&local, "GetCrawler", json!({"Name": "c"})).await["Crawler"].clone();
            if crawler["State"] == "READY" {
                break crawler["LastCrawl"].clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        assert_eq!(last["Status"], "SUCCEEDED", "{last}");
        let wall = started.elapsed().as_secs_f64();
        let took = cpu().zip(spent).map_or(wall, |(after, before)| after - before);
        let grown = peak()
            .zip(before)
            .map_or(0, |(after, before)| after.saturating_sub(before));
        println!("crawl: {took:.2} s CPU, {wall:.2} s wall, {grown} MB more memory at most");
        if best.is_none_or(|(least, _)| took < least) {
            best = Some((took, wall));
        }
    }
    let table = glue(&local, "GetTable", json!({"DatabaseName": "bronze", "Name": "raw"})).await;
    println!("found: {}", table["Table"]["StorageDescriptor"]["Columns"]);
    let (ours, _) = best.expect("it ran");
    peer(&files, ours);
}

/// Runs DuckDB over the files and prints how the two compare.
fn peer(files: &Path, ours: f64) {
    const SCRIPT: &str = r#"
import glob, sys, time
import duckdb
print("duckdb", duckdb.__version__)
root = sys.argv[1]
con = duckdb.connect()
con.execute("select * from sniff_csv(?)", [glob.glob(root + "/raw/*/*.csv")[0]]).fetchall()
for name, ask in [
    ("read_csv, united by name", lambda: con.execute(
        f"describe select * from read_csv('{root}/raw/*/*.csv', union_by_name=true, hive_partitioning=true)").fetchall()),
    ("sniff_csv of each file", lambda: [
        con.execute("select Columns from sniff_csv(?)", [path]).fetchall() for path in glob.glob(root + "/raw/*/*.csv")]),
]:
    spent, started = time.process_time(), time.time()
    ask()
    print(f"{name}\t{time.process_time() - spent:.3f}\t{time.time() - started:.3f}")
"#;
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(python).args(["-c", SCRIPT]).arg(files).output();
    let said = match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => {
            return println!("no ratio: python has no duckdb (pip install duckdb, and name the interpreter in PYTHON)");
        }
    };
    for line in said.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            [name, cpu, wall] => {
                let theirs: f64 = cpu.parse().unwrap_or(f64::NAN);
                println!(
                    "{name}: {cpu} s CPU, {wall} s wall; the crawl takes {:.2} of it",
                    ours / theirs
                );
            }
            _ => println!("{line}"),
        }
    }
}
