//! What sending data costs, in seconds of CPU time per gigabyte, beside the AWS SDK as it comes. All of them send 16 MiB
//! parts, eight at a time, to the same sink on loopback, which reads and forgets. Rounds are interleaved and the best of
//! each is told.
//!
//! `cargo bench --bench upload` needs a release build of everything. `cargo bench --profile dev --bench upload` uses what
//! `cargo test` has compiled: there the SDK itself is not optimised, but what costs (hashing, generating, the sockets)
//! is, in all three alike.

#![expect(clippy::print_stdout, reason = "a benchmark tells its figures")]

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream::{StreamExt, TryStreamExt};
use lakeform_aws::{Aws, Connection};
use lakeform_datagen::{Dataset, Options};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

const PART: usize = 16 << 20;
const PARTS: i32 = 64;
const AT_ONCE: usize = 8;
const ROUNDS: usize = 3;
/// About as many bytes as the parts: rows of twelve columns, the same that the generator's own benchmark makes.
const ROWS: u64 = 9_000_000;
const DEFINITION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datagen/benches/throughput/bench.toml");
const TABLE: &str = "transactions";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, how, url] = args.as_slice()
        && url.starts_with("http://")
    {
        return client(how, url);
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(|| sink(stream.expect("a connection")));
        }
    });
    let this = std::env::current_exe().expect("a path");
    let folder = tempfile::tempdir().expect("a folder");
    let stack = format!(
        "[stack]\nname = \"bench\"\ncloud = \"aws\"\naccount = \"123456789012\"\n[bucket.b]\n\
         [dataset.d]\ndefinition = {DEFINITION:?}\nbucket = \"bucket.b\"\nrows = {ROWS}\ntables = [{TABLE:?}]\n"
    );
    std::fs::write(folder.path().join("stack.toml"), stack).expect("written");
    let sent = f64::from(PARTS) * PART as f64;
    let names = [
        "aws-sdk-s3 as it comes",
        "lakeform's client, with checksums",
        "lakeform datagen, from rows to S3",
        "of that, rows and checksums alone",
    ];
    let mut best = [f64::MAX; 4];
    for _ in 0..ROUNDS {
        let (whole, bytes) = whole(folder.path(), &url);
        let figures = [
            measure(&this, "sdk", &url) / sent,
            measure(&this, "ours", &url) / sent,
            whole / bytes,
            measure(&this, "make", &url) / bytes,
        ];
        for (best, figure) in best.iter_mut().zip(figures) {
            *best = best.min(figure * 1e9);
        }
    }
    println!("{:<36} {:>12} {:>8}", "", "CPU-s per GB", "ratio");
    for (name, figure) in names.iter().zip(best) {
        println!("{name:<36} {figure:>12.2} {:>7.2}x", figure / best[0]);
    }
}

/// Seconds of CPU time that a child took, from start to end.
fn measure(program: &Path, how: &str, url: &str) -> f64 {
    let before = children();
    let status = Command::new(program).args([how, url]).status().expect("it runs");
    assert!(status.success(), "{how}");
    children() - before
}

/// Seconds of CPU time of the program itself, and the bytes it sent.
fn whole(folder: &Path, url: &str) -> (f64, f64) {
    let before = children();
    let output = Command::new(env!("CARGO_BIN_EXE_lakeform"))
        .args(["datagen", "--json", "--part", "1/1", "--stack"])
        .arg(folder)
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .stderr(Stdio::inherit())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let taken = children() - before;
    let last = output
        .stdout
        .trim_ascii_end()
        .rsplit(|byte| *byte == b'\n')
        .next()
        .expect("a line");
    let line: serde_json::Value = serde_json::from_slice(last).expect("JSON");
    (taken, line["bytes"].as_f64().expect("bytes"))
}

/// CPU time of the children that ended so far, as Linux tells it in hundredths.
fn children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(13) + ticks(14)) / 100.0
}

/// Sends the same bytes over and over.
fn client(how: &str, url: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let body = Bytes::from(
        (0..PART as u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect::<Vec<u8>>(),
    );
    let numbers = futures::stream::iter(1..=PARTS);
    if how == "make" {
        return make();
    }
    runtime.block_on(async {
        if how == "sdk" {
            let config = aws_sdk_s3::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
                .endpoint_url(url)
                .force_path_style(true)
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build();
            let s3 = aws_sdk_s3::Client::from_conf(config);
            let send = |number| {
                let part = s3.upload_part().bucket("b").key("k").upload_id("u").part_number(number);
                part.body(ByteStream::from(body.clone())).send()
            };
            numbers
                .map(send)
                .buffer_unordered(AT_ONCE)
                .try_for_each(async |_| Ok(()))
                .await
                .expect("sent");
        } else {
            let aws = Aws::new(Connection::endpoint(url, "us-east-1", None));
            let send = |number| {
                let (aws, body) = (aws.clone(), body.clone());
                async move {
                    use base64::Engine;
                    let sum = lakeform_datagen::crc64nvme(&body).to_be_bytes();
                    let sum = base64::engine::general_purpose::STANDARD.encode(sum);
                    aws.upload_part("b", "k", "u", number, body, Some(&sum)).await
                }
            };
            numbers
                .map(send)
                .buffer_unordered(AT_ONCE)
                .try_for_each(async |_| Ok(()))
                .await
                .expect("sent");
        }
    });
}

/// Makes the same rows as the program does, and only their checksums.
fn make() {
    let text = std::fs::read_to_string(DEFINITION).expect("a definition");
    let dataset = Dataset::parse(DEFINITION, &text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let options = Options {
        rows: ROWS,
        seed: 1,
        tables: vec![TABLE.to_owned()],
        ..Options::default()
    };
    let plan = dataset.plan(&options).unwrap_or_else(|problems| panic!("{problems:?}"));
    let files = 0..plan.tables[0].files.len();
    let bytes: u64 = files.map(|file| plan.file_sum(0, file).bytes).sum();
    assert!(bytes > 1_000_000_000, "{bytes}");
}

/// Answers as S3 does to whoever uploads, reads every body and forgets it.
fn sink(stream: TcpStream) {
    let mut writer = stream.try_clone().expect("a socket");
    let mut reader = BufReader::with_capacity(256 << 10, stream);
    let mut waste = vec![0; 256 << 10];
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let lower = head.to_ascii_lowercase();
        let header = |name: &str| {
            let line = lower
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(str::trim)
        };
        if header("expect").is_some() {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").expect("written");
        }
        let mut left: usize = header("content-length").map_or(0, |length| length.parse().expect("a length"));
        while left > 0 {
            let room = left.min(waste.len());
            left -= reader.read(&mut waste[..room]).expect("a body");
        }
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (status, body) = match (method, target.split_once('?').map_or("", |(_, query)| query)) {
            ("POST", query) if query.contains("uploadId") => (200, "<CompleteMultipartUploadResult/>"),
            ("POST", query) if query.contains("uploads") => (
                200,
                "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            ),
            ("POST", "") => (
                200,
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>\
                 </GetCallerIdentityResult></GetCallerIdentityResponse>",
            ),
            ("GET", query) if query.contains("list-type") => (200, "<ListBucketResult/>"),
            ("GET", query) if query.contains("uploads") => (200, "<ListMultipartUploadsResult/>"),
            ("GET", _) => (404, "<Error><Code>NoSuchKey</Code></Error>"),
            ("HEAD", _) => (404, ""),
            _ => (200, ""),
        };
        let answer = format!(
            "HTTP/1.1 {status} -\r\netag: \"e\"\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        writer.write_all(answer.as_bytes()).expect("written");
    }
}
