//! Requests per second of the local cloud against named peers in the same run: s3s-fs for S3, moto's server, when
//! `LAKEFORM_MOTO` names its program, and `bare`, a server that stores nothing and hashes nothing: what HTTP alone allows
//! on this machine. Every server is a process of its own; the load comes from this one. What a request costs its server
//! in CPU time says more than the clock where others use the machine too.
//!
//!     cargo bench -p lakeform-local --bench load
//!     LAKEFORM_MOTO=…/bin/moto_server cargo bench -p lakeform-local --bench load
//!     LAKEFORM_ALONE=1 LAKEFORM_REQUESTS=250000 cargo bench -p lakeform-local --bench load    # a million requests
//!
//! What is put counts when it is on disk: s3s-fs does not sync, so its file system is, once, before the clock stops.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use lakeform_local::{Local, Options, Pace};
use tokio::net::{TcpListener, TcpStream};

const SMALL: usize = 1 << 10;
const LARGE: usize = 16 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match arguments.iter().position(|argument| argument == "--serve") {
        Some(at) => runtime.block_on(serve(&arguments[at + 1], Path::new(&arguments[at + 2]))),
        None => runtime.block_on(measure()),
    }
}

/// Serves until the process is killed, and says where.
async fn serve(what: &str, dir: &Path) {
    let address: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    if what == "lakeform" {
        let options = Options {
            dir: dir.to_owned(),
            pace: Pace::Quick,
            seed: None,
        };
        let started = Instant::now();
        let local = Local::open(options).await.expect("it opens");
        let opened = (started.elapsed(), cpu_of_this_process());
        let ready = |address| println!("{address} {} {}", opened.0.as_micros(), opened.1);
        local
            .serve(address, ready, std::future::pending())
            .await
            .expect("it serves");
        return;
    }
    let files = s3s_fs::FileSystem::new(dir).expect("a folder");
    let files = s3s::service::S3ServiceBuilder::new(files).build();
    let pattern = pattern();
    let bare = hyper::service::service_fn(move |request| nothing_but_http(pattern.clone(), request));
    let listener = TcpListener::bind(address).await.expect("a port");
    println!("{} 0 0", listener.local_addr().expect("an address"));
    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.set_nodelay(true);
        let stream = TokioIo::new(stream);
        let builder = builder.clone();
        if what == "bare" {
            let bare = bare.clone();
            tokio::spawn(async move { builder.serve_connection(stream, bare).await.map_err(drop) });
        } else {
            let files = files.clone();
            tokio::spawn(async move { builder.serve_connection(stream, files).await.map_err(drop) });
        }
    }
}

/// Reads what comes and forgets it; answers a GET with as many bytes as its path says.
async fn nothing_but_http(
    pattern: Bytes,
    request: Request<hyper::body::Incoming>,
) -> hyper::Result<Response<Full<Bytes>>> {
    let size = match request.method() {
        &Method::GET => request
            .uri()
            .path()
            .split('/')
            .nth(2)
            .and_then(|size| size.parse().ok()),
        _ => None,
    };
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(Response::new(Full::new(pattern.slice(..size.unwrap_or(0)))))
}

/// CPU seconds that every S3 must spend on an object of 16 MB.
fn md5_of_large() -> f64 {
    let (bytes, rounds) = (pattern(), 20);
    let before = cpu_of_this_process();
    for _ in 0..rounds {
        std::hint::black_box(<s3s::crypto::Md5 as s3s::crypto::Checksum>::checksum(&bytes));
    }
    (cpu_of_this_process() - before) as f64 / 1e9 / f64::from(rounds)
}

fn pattern() -> Bytes {
    (0..LARGE).map(|n| (n * 31 % 251) as u8).collect()
}

/// CPU time of all threads so far, in nanoseconds.
fn cpu_of_this_process() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let run = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    run.sum()
}

/// A server in a process of its own.
struct Peer {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    /// How long opening took, and the CPU time until then.
    opened: (Duration, Duration),
    dir: tempfile::TempDir,
    signs: bool,
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Peer {
    fn own(name: &'static str) -> Peer {
        Peer::in_dir(name, tempfile::tempdir().expect("a folder"))
    }

    fn in_dir(name: &'static str, dir: tempfile::TempDir) -> Peer {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--serve", name])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("a line");
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, micros, nanos] = fields[..] else {
            panic!("an address and two times: {line}")
        };
        Peer {
            name,
            address: address.parse().expect("an address"),
            opened: (
                Duration::from_micros(micros.parse().expect("a number")),
                Duration::from_nanos(nanos.parse().expect("a number")),
            ),
            child,
            dir,
            signs: name == "lakeform",
        }
    }

    async fn moto(program: &std::ffi::OsStr) -> Peer {
        let probe = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = probe.local_addr().expect("an address");
        drop(probe);
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let opened = Default::default();
        Peer {
            name: "moto",
            child,
            address,
            opened,
            dir,
            signs: true,
        }
    }

    /// CPU time used so far, in seconds.
    fn cpu(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after_name.split_whitespace().skip(11).take(2);
        ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    }

    /// Memory in use, in MB.
    fn memory(&self) -> f64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let pages: f64 = text
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .unwrap_or_default();
        pages * 4096.0 / 1e6
    }
}

/// What is asked, for request number `n`.
#[derive(Clone, Copy)]
enum Load {
    Put(usize),
    Get(usize),
    Describe,
}

impl Load {
    fn request(self, peer: &Wire, n: u64) -> Request<Full<Bytes>> {
        let (method, path, service, body) = match self {
            Load::Put(size) => (
                Method::PUT,
                format!("/bench/{size}/{}", n % 5000),
                "s3",
                peer.bytes.slice(..size),
            ),
            Load::Get(size) => (
                Method::GET,
                format!("/bench/{size}/{}", n % peer.keys),
                "s3",
                Bytes::new(),
            ),
            Load::Describe => {
                let form = Bytes::from_static(b"Action=DescribeVpcs&Version=2016-11-15");
                (Method::POST, "/".to_owned(), "ec2", form)
            }
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", peer.address.to_string());
        if peer.signs {
            let signed = format!(
                "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, \
                 Signature=0"
            );
            request = request
                .header("authorization", signed)
                .header("x-amz-date", "20260101T000000Z");
        }
        if matches!(self, Load::Describe) {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        request.body(Full::new(body)).expect("a request")
    }
}

/// What all connections to a peer share.
struct Wire {
    address: SocketAddr,
    signs: bool,
    bytes: Bytes,
    keys: u64,
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("set");
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP");
    tokio::spawn(connection);
    sender
}

/// What came of a load.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    /// What a request cost its server, in seconds of CPU.
    cpu: f64,
}

/// Sends so many requests over so many connections.
async fn run(peer: &Peer, load: Load, requests: u64, connections: usize, keys: u64) -> Rate {
    let wire = Arc::new(Wire {
        address: peer.address,
        signs: peer.signs,
        bytes: pattern(),
        keys,
    });
    let next = Arc::new(AtomicU64::new(0));
    // One after the other and before the clock runs: of many at once the kernel lets some wait for a second.
    let mut senders = Vec::new();
    for _ in 0..connections {
        senders.push(connect(peer.address).await);
    }
    let (started, cpu) = (Instant::now(), peer.cpu());
    let workers: Vec<_> = senders
        .into_iter()
        .map(|mut sender| {
            let (wire, next) = (Arc::clone(&wire), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= requests {
                        return;
                    }
                    if sender.ready().await.is_err() {
                        sender = connect(wire.address).await;
                    }
                    let answer = sender.send_request(load.request(&wire, n)).await.expect("an answer");
                    let status = answer.status();
                    let mut body = answer.into_body();
                    while let Some(frame) = body.frame().await {
                        frame.expect("the body goes on");
                    }
                    assert!(status.is_success(), "{status}");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("the worker ends");
    }
    if matches!(load, Load::Put(_)) && peer.name == "s3s-fs" {
        let synced = Command::new("sync").arg("-f").arg(peer.dir.path()).status();
        assert!(synced.expect("sync runs").success());
    }
    Rate {
        per_second: requests as f64 / started.elapsed().as_secs_f64(),
        cpu: (peer.cpu() - cpu) / requests as f64,
    }
}

async fn prepare(peer: &Peer) {
    let wire = Wire {
        address: peer.address,
        signs: peer.signs,
        bytes: Bytes::new(),
        keys: 1,
    };
    let mut sender = connect(peer.address).await;
    let mut request = Load::Put(0).request(&wire, 0);
    *request.uri_mut() = "/bench".parse().expect("a path");
    let answer = sender.send_request(request).await.expect("an answer");
    assert!(answer.status().is_success(), "{}: {}", peer.name, answer.status());
}

async fn measure() {
    let requests: u64 = std::env::var_os("LAKEFORM_REQUESTS")
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(20_000);
    let ours = Peer::own("lakeform");
    println!("idle: {:.0} MB", ours.memory());
    let files = Peer::own("s3s-fs");
    let moto = match std::env::var_os("LAKEFORM_MOTO") {
        Some(program) => Some(Peer::moto(&program).await),
        None => None,
    };
    let bare = Peer::own("bare");
    let mut peers = vec![&ours];
    if std::env::var_os("LAKEFORM_ALONE").is_none() {
        peers.extend([&bare, &files]);
        peers.extend(&moto);
    }
    for peer in &peers {
        prepare(peer).await;
    }
    println!(
        "the MD5 of 16 MB, which is the entity tag of an object: {:.1} ms of CPU",
        md5_of_large() * 1e3
    );
    // Moto answers so slowly that a few hundred requests say enough.
    for (name, load, count, moto_count, connections) in [
        ("put 1 KB, 200 connections", Load::Put(SMALL), requests, 400, 200),
        ("get 1 KB, 200 connections", Load::Get(SMALL), requests, 400, 200),
        ("put 16 MB, 4 connections", Load::Put(LARGE), 40, 12, 4),
        ("get 16 MB, 4 connections", Load::Get(LARGE), 200, 40, 4),
        ("describe, 200 connections", Load::Describe, requests, 400, 200),
    ] {
        let keys = match load {
            Load::Get(LARGE) => 8,
            _ => 400,
        };
        println!("{name}");
        let mut our_rate: Option<Rate> = None;
        for peer in &peers {
            if matches!(load, Load::Describe) && peer.name == "s3s-fs" {
                continue;
            }
            let count = if peer.name == "moto" { moto_count } else { count };
            let rate = run(peer, load, count, connections, keys).await;
            let ours = *our_rate.get_or_insert(rate);
            println!(
                "  {:<10}{:>10.0}/s  ours is {:>7.2} x{:>12.3} ms of CPU each  ours is {:>7.2} x",
                peer.name,
                rate.per_second,
                ours.per_second / rate.per_second,
                rate.cpu * 1e3,
                rate.cpu / ours.cpu,
            );
        }
    }
    println!("after that: {:.0} MB", ours.memory());
    steady(&ours, requests).await;
    restart(ours).await;
}

/// The same requests again and again, over keys that are there already: memory must not grow with their number.
async fn steady(peer: &Peer, requests: u64) {
    let mut memory = Vec::new();
    for _ in 0..10 {
        run(peer, Load::Put(SMALL), requests / 10, 200, 400).await;
        run(peer, Load::Get(SMALL), requests / 5, 200, 400).await;
        run(peer, Load::Describe, requests / 10, 200, 400).await;
        memory.push(format!("{:.0}", peer.memory()));
    }
    println!(
        "after each tenth of {} more requests: {} MB",
        requests * 4,
        memory.join(", ")
    );
}

/// How soon a cloud with 10,000 objects answers again.
async fn restart(mut peer: Peer) {
    run(&peer, Load::Put(SMALL), 5000, 200, 1).await;
    run(&peer, Load::Put(SMALL - 1), 5000, 200, 1).await;
    for (when, pause) in [("under load", 0), ("at rest", 2000)] {
        run(&peer, Load::Put(SMALL), 100, 1, 1).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        drop(peer.child.kill());
        drop(peer.child.wait());
        let dir = std::mem::replace(&mut peer.dir, tempfile::tempdir().expect("a folder"));
        peer = Peer::in_dir("lakeform", dir);
        println!(
            "opened with 10,000 objects after kill -9 {when}: {:.0} ms, {:.0} ms of CPU with all of the program's start, {:.0} MB",
            peer.opened.0.as_secs_f64() * 1e3,
            peer.opened.1.as_secs_f64() * 1e3,
            peer.memory()
        );
    }
}
