//! What the world does to a run: wrong accounts, expired keys, clouds that do not answer, full disks. One clear error
//! each, the right exit code, and nothing lost.

use crate::http;
use crate::sandbox::{Said, Sandbox};
use crate::served::Served;
use std::process::Command;

const VPCS: &str =
    "[vpc.a]\ncidr = \"10.0.0.0/16\"\n[vpc.b]\ncidr = \"10.1.0.0/16\"\n[vpc.c]\ncidr = \"10.2.0.0/16\"\n";

fn stack(sandbox: &Sandbox, account: &str, endpoint: &str) {
    let head =
        format!("[stack]\nname = \"bad\"\ncloud = \"aws\"\naccount = \"{account}\"\nendpoint = \"{endpoint}\"\n");
    std::fs::write(sandbox.path().join("stack.toml"), format!("{head}{VPCS}")).expect("written");
}

fn served() -> (Sandbox, Served) {
    let sandbox = Sandbox::new();
    let served = Served::new(&sandbox, &["--dir", "disk"]);
    stack(&sandbox, "123456789012", &served.http);
    (sandbox, served)
}

fn faults(served: &Served, rules: &str) {
    let (status, answer) = http::send(
        &served.http,
        "POST",
        "/_lakeform/faults",
        &format!("{{\"rules\": [{rules}]}}"),
    );
    assert_eq!(status, 200, "{answer}");
}

#[track_caller]
fn refused(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, code, "{}", said.all);
    assert_eq!(
        said.all.lines().filter(|line| line.starts_with("error: ")).count(),
        1,
        "{}",
        said.all
    );
    for word in words {
        assert!(said.all.contains(word), "no `{word}` in:\n{}", said.all);
    }
}

#[test]
fn credentials_of_another_account_are_refused() {
    let (sandbox, served) = served();
    stack(&sandbox, "999999999999", &served.http);
    for command in [&["plan"][..], &["apply", "--yes"], &["destroy", "--yes"], &["drift"]] {
        refused(
            &sandbox.run(command),
            4,
            &["belongs to account 999999999999", "123456789012"],
        );
    }
}

#[test]
fn an_endpoint_that_does_not_answer_is_named() {
    let sandbox = Sandbox::new();
    // A port that was free a moment ago, and on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    stack(&sandbox, "123456789012", &format!("http://127.0.0.1:{port}"));
    refused(&sandbox.run(&["plan"]), 1, &["nothing answers at http://127.0.0.1"]);
}

#[test]
fn expired_credentials_stop_a_run_and_the_next_goes_on() {
    let (sandbox, served) = served();
    let expired = |operation: &str, times: u32| {
        format!(
            "{{\"operation\": \"{operation}\", \"times\": {times}, \"effect\": \"refuse\", \"status\": 403, \
             \"code\": \"ExpiredToken\", \"message\": \"The security token included in the request is expired\"}}"
        )
    };
    faults(&served, &expired("sts:GetCallerIdentity", 9));
    refused(&sandbox.run(&["apply", "--yes"]), 1, &["ExpiredToken", "is expired"]);
    // In the middle: one VPC is there, the others are not.
    faults(&served, &expired("ec2:CreateVpc", 2));
    let said = sandbox.run(&["apply", "--yes", "--parallelism", "1"]);
    assert!(matches!(said.code, 1 | 3), "{}", said.all);
    assert!(said.all.contains("ExpiredToken"), "{}", said.all);
    faults(&served, "");
    sandbox.ok(&["apply", "--yes"]);
    assert_eq!(sandbox.ok(&["plan", "--detailed-exitcode"]).code, 0);
    sandbox.ok(&["destroy", "--yes"]);
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_the_run_before_anything_is_made_that_nobody_knows() {
    let (sandbox, _served) = served();
    sandbox.ok(&["plan"]);
    // A journal may not grow beyond this; one more byte fails as on a full disk.
    for blocks in [0, 1, 2, 3] {
        let shell = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" apply --yes");
        let output = Command::new("sh")
            .args(["-c", &shell, env!("CARGO_BIN_EXE_lakeform")])
            .current_dir(sandbox.path())
            .env("HOME", sandbox.path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() == Some(0) {
            continue;
        }
        assert!(matches!(output.status.code(), Some(1 | 3)), "{said}");
        let told = ["making `", "writing `", "journal"]
            .iter()
            .any(|word| said.contains(word));
        assert!(told, "{said}");
    }
    sandbox.ok(&["apply", "--yes"]);
    assert_eq!(sandbox.ok(&["plan", "--detailed-exitcode"]).code, 0);
    let said = sandbox.ok(&["import", "--tag", "lakeform:stack=bad"]);
    assert!(!said.all.contains("belongs to"), "{}", said.all);
    assert_eq!(said.all.matches(" already").count(), 3, "{}", said.all);
}

#[test]
fn a_plan_of_another_stack_and_a_damaged_journal_change_nothing() {
    let (sandbox, served) = served();
    sandbox.ok(&["plan", "--out", "bad.plan"]);
    let other = Sandbox::new();
    let text = format!(
        "[stack]\nname = \"other\"\ncloud = \"aws\"\naccount = \"123456789012\"\nendpoint = \"{}\"\n{VPCS}",
        served.http
    );
    std::fs::write(other.path().join("stack.toml"), text).expect("written");
    let plan = sandbox.path().join("bad.plan").display().to_string();
    refused(&other.run(&["apply", &plan]), 4, &["nothing was changed"]);
    sandbox.ok(&["apply", "--yes", "--target", "vpc.a"]);
    let journals: Vec<_> = std::fs::read_dir(sandbox.path().join("state"))
        .expect("a state")
        .flatten()
        .map(|entry| entry.path().join("journal.jsonl"))
        .filter(|path| path.exists())
        .collect();
    let [journal] = journals.as_slice() else {
        panic!("{journals:?}")
    };
    let damaged = format!(
        "{}rubbish\n{{}}\n",
        std::fs::read_to_string(journal).expect("a journal")
    );
    std::fs::write(journal, &damaged).expect("written");
    for command in [&["plan"][..], &["apply", "--yes"], &["destroy", "--yes"]] {
        refused(&sandbox.run(command), 1, &["is damaged"]);
    }
    assert_eq!(std::fs::read_to_string(journal).expect("a journal"), damaged);
}
