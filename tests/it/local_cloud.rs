//! The local cloud as people run it: served, shared, exported, imported, killed, and with faults.

use crate::sandbox::Sandbox;
use crate::served::Served;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Sends a signed request on a connection of its own; none when the connection breaks.
fn send(endpoint: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let host = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")
            .map(str::to_owned)
    });
    let body = answer[end + 4..].to_vec();
    // An answer that was cut off is none.
    if length.is_some_and(|length| length.parse() != Ok(body.len())) {
        return None;
    }
    Some((status, body))
}

fn signed(service: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n"
    )
}

#[test]
fn serving_tells_everything_in_its_first_line_and_ends_when_asked() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command(&[
            "local",
            "serve",
            "--dir",
            "cloud",
            "--http",
            "127.0.0.1:0",
            "--sql",
            "127.0.0.1:0",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it serves");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output"))
        .read_line(&mut line)
        .expect("a line");
    let first = json(&line);
    for (member, wanted) in [
        ("access_key_id", "test"),
        ("secret_access_key", "test"),
        ("region", "us-east-1"),
        ("account", "123456789012"),
    ] {
        assert_eq!(first[member], wanted, "{first}");
    }
    let http = first["http"].as_str().expect("an address");
    let (status, health) = send(http, "GET", "/_lakeform/health", "", b"").expect("it is healthy");
    assert_eq!(
        (status, &json(&String::from_utf8_lossy(&health))["status"]),
        (200, &"ok".into())
    );
    // The SQL port is known and taken before there is a warehouse; until then nobody answers there.
    let sql = first["sql"].as_str().expect("an address");
    assert!(!sql.ends_with(":0"), "{sql}");
    assert!(TcpStream::connect(sql).is_err());
    // Port and folder are taken.
    let port = http.trim_start_matches("http://");
    let said = sandbox.run(&[
        "local",
        "serve",
        "--dir",
        "other",
        "--http",
        port,
        "--sql",
        "127.0.0.1:0",
    ]);
    assert!(said.code == 1 && said.all.contains("picks a free port"), "{}", said.all);
    let said = sandbox.run(&["local", "serve", "--dir", "cloud", "--http", "127.0.0.1:0"]);
    let holder = format!("is served by process {} at {http}", child.id());
    assert!(said.code == 5 && said.all.contains(&holder), "{}", said.all);
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(asked.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_command_works_on_the_cloud_that_another_process_serves() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let served = Served::new(&sandbox, &["--stack", "lake"]);
    let said = sandbox.ok(&["up", "--stack", "lake"]);
    assert!(said.all.contains("that process"), "{}", said.all);
    let counted = [
        "sql",
        "--stack",
        "lake",
        "--csv",
        "select count(*) as n from dev_bronze.ext_accounts",
    ];
    let served_count = sandbox.ok(&counted).stdout;
    let status = json(&sandbox.ok(&["local", "status", "--stack", "lake", "--json"]).stdout);
    assert_eq!(status["served"], served.http.as_str(), "{status}");
    assert_eq!(status["sql"].as_array().map(Vec::len), Some(1), "{status}");
    let kinds = kinds(&status);
    assert_eq!(kinds["Glue table"], 14, "{kinds:?}");
    assert_eq!(kinds["Redshift cluster"], 1, "{kinds:?}");
    // Each of the 14 tables has its file and its list for COPY; one manifest is of all.
    assert_eq!(kinds["object"], 29, "{kinds:?}");
    let said = sandbox.run(&["plan", "--stack", "lake", "--chaos", "1"]);
    assert!(said.code == 1 && said.all.contains("local serve"), "{}", said.all);
    // The same folder, once nobody serves it any more; the note of the killed process misleads nobody.
    drop(served);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    assert_eq!(sandbox.ok(&counted).stdout, served_count);
    let said = sandbox.ok(&["local", "status", "--stack", "lake"]);
    assert!(
        said.stdout.contains("is not served") && said.stdout.contains("14  Glue table"),
        "{}",
        said.all
    );
}

fn kinds(status: &Value) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for place in status["inside"].as_array().expect("places") {
        for kind in place["kinds"].as_array().expect("kinds") {
            let name = kind["kind"].as_str().expect("a name").to_owned();
            *kinds.entry(name).or_default() += kind["count"].as_u64().expect("a count");
        }
    }
    kinds
}

#[test]
fn a_snapshot_carries_a_whole_lakehouse_served_or_not() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    sandbox.ok(&["up", "--stack", "lake"]);
    let sql = |statement: &str| sandbox.ok(&["sql", "--stack", "lake", "--csv", statement]).stdout;
    sql("create table kept (id int); insert into kept values (1), (2)");
    sandbox.ok(&["local", "export", "one.lakeform", "--stack", "lake"]);
    let said = sandbox.run(&["local", "reset", "--stack", "lake"]);
    assert!(said.code == 4 && said.all.contains("--yes"), "{}", said.all);
    sandbox.ok(&["local", "reset", "--stack", "lake", "--yes"]);
    let said = sandbox.ok(&["local", "status", "--stack", "lake"]);
    assert!(said.all.contains("is empty"), "{}", said.all);
    // Into a cloud that is being served, and out of it again.
    let served = Served::new(&sandbox, &["--stack", "lake"]);
    sandbox.ok(&["local", "import", "one.lakeform", "--stack", "lake", "--yes"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    assert_eq!(sql("select count(*) as n from kept"), "n\n2\n");
    sql("insert into kept values (3)");
    sandbox.ok(&["local", "export", "two.lakeform", "--stack", "lake"]);
    sandbox.ok(&["local", "reset", "--stack", "lake", "--yes"]);
    let status = json(&sandbox.ok(&["local", "status", "--stack", "lake", "--json"]).stdout);
    assert_eq!(status["inside"], Value::Array(Vec::new()), "{status}");
    drop(served);
    sandbox.ok(&["local", "import", "two.lakeform", "--stack", "lake", "--yes"]);
    assert_eq!(sql("select sum(id) as n from kept"), "n\n6\n");
    assert_eq!(
        sql("select count(*) as n from dev_bronze.ext_fact_transactions"),
        "n\n10000\n"
    );
    let said = sandbox.run(&["local", "import", "lake/stack.toml", "--stack", "lake", "--yes"]);
    assert!(said.code == 1 && said.all.contains("not a snapshot"), "{}", said.all);
    assert_eq!(sql("select sum(id) as n from kept"), "n\n6\n");
}

#[test]
fn with_faults_up_still_arrives_and_the_faults_can_be_repeated() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let mut last = sandbox.run(&["up", "--stack", "lake", "--chaos", "7"]);
    assert!(last.all.contains("seed 7"), "{}", last.all);
    let record = sandbox.path().join("lake/state/chaos-7.json");
    let recorded = json(&std::fs::read_to_string(&record).expect("a record"));
    let injected = recorded["injected"].as_array().expect("effects");
    assert!(injected.len() > 10, "{recorded}");
    std::fs::copy(&record, sandbox.path().join("kept.json")).expect("copied");
    // What a run cannot get past, the next one goes on from.
    for seed in ["8", "9", "10", "11"] {
        if last.code == 0 {
            break;
        }
        last = sandbox.run(&["up", "--stack", "lake", "--chaos", seed]);
    }
    assert_eq!(last.code, 0, "{}", last.all);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    let again = sandbox.run(&["plan", "--stack", "lake", "--chaos", "kept.json"]);
    assert!(
        again.all.contains(&format!("Again the {} faults", injected.len())),
        "{}",
        again.all
    );
    let wrong = sandbox.run(&["plan", "--stack", "lake", "--chaos", "lake/stack.toml"]);
    assert!(
        wrong.code == 1 && wrong.all.contains("a seed is a whole number"),
        "{}",
        wrong.all
    );
}

/// Serves a cloud with this weather, and a stack with a network and a role on it.
fn in_weather(weather: &str) -> (Sandbox, Served) {
    let sandbox = Sandbox::new();
    let stack = "[stack]\nname = \"net\"\n[vpc.main]\ncidr = \"10.0.0.0/16\"\nzones = [\"a\", \"b\"]\ntiers.private = \
                 { cidr = \"10.0.16.0/20\" }\n[security_group.door]\nvpc = \"vpc.main\"\n\
                 [role.reader]\nservice = \"redshift\"\n";
    std::fs::write(sandbox.path().join("stack.toml"), stack).expect("written");
    let served = Served::new(&sandbox, &[]);
    let (status, answer) = send(&served.http, "POST", "/_lakeform/faults", "", weather.as_bytes()).expect("an answer");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    (sandbox, served)
}

fn injected(served: &Served, effect: &str) -> usize {
    let (_, answer) = send(&served.http, "GET", "/_lakeform/faults", "", b"").expect("an answer");
    let told = json(&String::from_utf8_lossy(&answer));
    let records = told["injected"].as_array().expect("records");
    records.iter().filter(|record| record["effect"] == effect).count()
}

#[test]
fn destroy_waits_for_interfaces_that_aws_takes_away() {
    let strangers = r#"{"rules": [
        {"operation": "ec2:DeleteSubnet", "effect": "foreign_interface", "seconds": 1.0, "times": 2},
        {"operation": "ec2:DeleteSecurityGroup", "effect": "foreign_interface", "seconds": 1.0, "times": 1}
    ]}"#;
    let (sandbox, served) = in_weather(strangers);
    sandbox.ok(&["apply", "--yes"]);
    sandbox.ok(&["destroy", "--yes"]);
    assert_eq!(injected(&served, "foreign_interface"), 3);
}

#[test]
fn what_was_just_made_is_waited_for_where_reads_lag_behind() {
    let lagging = r#"{"rules": [
        {"operation": "ec2:DescribeVpcAttribute", "effect": "stale", "times": 2},
        {"operation": "iam:ListAttachedRolePolicies", "effect": "stale", "times": 2}
    ]}"#;
    let (sandbox, served) = in_weather(lagging);
    sandbox.ok(&["apply", "--yes"]);
    assert_eq!(sandbox.ok(&["plan", "--detailed-exitcode"]).code, 0);
    assert!(injected(&served, "stale") > 0);
}

#[test]
fn what_was_acknowledged_survives_kill_9_under_load() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 3;
    const WRITES: usize = 120;
    let sandbox = Sandbox::new();
    let acknowledged: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::default();
    let groups: Mutex<Vec<String>> = Mutex::default();
    for round in 0..ROUNDS {
        let served = Served::new(&sandbox, &["--dir", "cloud"]);
        let endpoint = served.http.clone();
        let s3 = signed("s3");
        if round == 0 {
            assert_eq!(send(&endpoint, "PUT", "/crash", &s3, b"").expect("an answer").0, 200);
        }
        verify(
            &endpoint,
            &acknowledged.lock().expect("no panic"),
            &groups.lock().expect("no panic"),
        );
        let done = AtomicUsize::new(0);
        let mut served = Some(served);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (endpoint, s3, done) = (&endpoint, &s3, &done);
                let (acknowledged, groups) = (&acknowledged, &groups);
                scope.spawn(move || {
                    for number in 0.. {
                        let name = format!("{round}-{thread}-{number}");
                        let body = name.repeat(1 + number * 37 % 900).into_bytes();
                        match send(endpoint, "PUT", &format!("/crash/{name}"), s3, &body) {
                            Some((200, _)) => drop(acknowledged.lock().expect("no panic").insert(name.clone(), body)),
                            Some((status, answer)) => panic!("{status}: {}", String::from_utf8_lossy(&answer)),
                            None => return,
                        }
                        let headers = format!("{}X-Amz-Target: Logs_20140328.CreateLogGroup\r\n", signed("logs"));
                        let input = format!(r#"{{"logGroupName":"{name}"}}"#);
                        match send(endpoint, "POST", "/", &headers, input.as_bytes()) {
                            Some((200, _)) => groups.lock().expect("no panic").push(name),
                            Some((status, answer)) => panic!("{status}: {}", String::from_utf8_lossy(&answer)),
                            None => return,
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while done.load(Ordering::Relaxed) < WRITES {
                std::thread::yield_now();
            }
            // SIGKILL, with writes under way on every connection.
            drop(served.take());
        });
    }
    let served = Served::new(&sandbox, &["--dir", "cloud"]);
    let acknowledged = acknowledged.into_inner().expect("no panic");
    assert!(acknowledged.len() >= ROUNDS * WRITES);
    verify(&served.http, &acknowledged, &groups.into_inner().expect("no panic"));
}

fn verify(endpoint: &str, objects: &BTreeMap<String, Vec<u8>>, groups: &[String]) {
    for (name, body) in objects {
        let found = send(endpoint, "GET", &format!("/crash/{name}"), &signed("s3"), b"").expect("an answer");
        assert_eq!(found.0, 200, "{name} is gone");
        assert!(found.1 == *body, "{name} is not what was acknowledged");
    }
    let mut known = std::collections::BTreeSet::new();
    let mut token = Value::Null;
    loop {
        let headers = format!("{}X-Amz-Target: Logs_20140328.DescribeLogGroups\r\n", signed("logs"));
        let input = serde_json::json!({"limit": 50, "nextToken": token}).to_string();
        let input = if token.is_null() {
            r#"{"limit":50}"#.to_owned()
        } else {
            input
        };
        let (status, answer) = send(endpoint, "POST", "/", &headers, input.as_bytes()).expect("an answer");
        let answer = json(&String::from_utf8_lossy(&answer));
        assert_eq!(status, 200, "{answer}");
        for group in answer["logGroups"].as_array().expect("groups") {
            known.insert(group["logGroupName"].as_str().expect("a name").to_owned());
        }
        token = answer["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    let lost: Vec<_> = groups.iter().filter(|name| !known.contains(*name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn beyond_this_machine_only_the_printed_key_opens() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "net"]);
    let mut child = sandbox
        .command(&[
            "local",
            "serve",
            "--stack",
            "net",
            "--http",
            "0.0.0.0:0",
            "--sql",
            "127.0.0.1:0",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it serves");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output"))
        .read_line(&mut line)
        .expect("a line");
    let first = json(&line);
    assert_ne!(first["access_key_id"], "test", "{first}");
    let http = first["http"]
        .as_str()
        .expect("an address")
        .replace("0.0.0.0", "127.0.0.1");
    let (status, _) = send(&http, "GET", "/", &signed("s3"), b"").expect("an answer");
    assert_eq!(status, 403);
    let (status, _) = send(&http, "GET", "/_lakeform/status", "", b"").expect("an answer");
    assert_eq!(status, 403);
    // A command on this machine finds the key in the folder, which only its owner may read.
    let said = sandbox.ok(&["plan", "--stack", "net"]);
    assert!(said.all.contains("that process"), "{}", said.all);
    let status = json(&sandbox.ok(&["local", "status", "--stack", "net", "--json"]).stdout);
    assert_eq!(status["process"], child.id(), "{status}");
    let note = sandbox.path().join("net/state/local/holder.json");
    assert_eq!(mode(&note), 0o600);
    child.kill().expect("killed");
    child.wait().expect("it ends");
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}
