//! What stands on stdout with `--json`: one document, or a line for each event of what takes long; warnings elsewhere.

use crate::sandbox::{Said, Sandbox};
use serde_json::Value;

/// Two VPCs that overlap, and one zone: warnings, no errors.
const STACK: &str = r#"[stack]
name = "warned"
[vpc.one]
cidr = "10.0.0.0/16"
[vpc.two]
cidr = "10.0.0.0/16"
[bucket.lake]
name = "warned-lake"
force_destroy = true
[dataset.bank]
definition = "banking"
bucket = "bucket.lake"
prefix = "landing/"
tables = ["currencies"]
"#;

#[track_caller]
fn warned(said: &Said) {
    assert!(said.all.contains("vpcs-overlap"), "no warning:\n{}", said.all);
    assert!(!said.stdout.contains("vpcs-overlap"), "{}", said.stdout);
}

#[track_caller]
fn document(said: &Said) -> Value {
    warned(said);
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", said.stdout))
}

#[track_caller]
fn lines(said: &Said) -> Vec<Value> {
    warned(said);
    let lines = said.stdout.lines();
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.map(read).collect()
}

#[test]
fn stdout_is_json_and_warnings_are_elsewhere() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path().join("stack.toml"), STACK).expect("written");
    let run = |args: &[&str]| sandbox.run(&[args, &["--json"]].concat());
    assert!(document(&run(&["plan"]))["steps"].is_array());
    assert!(!lines(&run(&["apply", "--yes"])).is_empty());
    // Nothing to do, and nothing to count.
    assert!(lines(&run(&["up"])).is_empty());
    assert!(!lines(&run(&["datagen", "--rows", "10"])).is_empty());
    assert!(!lines(&run(&["datagen", "verify"])).is_empty());
    assert!(document(&run(&["state", "list"]))["vpc.one"].is_string());
    assert!(document(&run(&["state", "show", "vpc.one"]))["id"].is_string());
    assert!(document(&run(&["output"])).is_object());
    assert!(document(&run(&["output", "bucket.lake.name"])).is_string());
    assert!(document(&run(&["history"])).is_object());
    assert!(document(&run(&["drift"])).is_object());
    let removed = run(&["state", "rm", "vpc.one"]);
    warned(&removed);
    assert_eq!(removed.stdout, "");
    let recovered = document(&run(&["recover"]));
    assert_eq!(recovered["recovered"][0]["address"], "vpc.one");
    let nothing = document(&run(&["import", "--tag", "lakeform:stack=warned"]));
    assert_eq!(nothing["imported"], serde_json::json!([]));
    let refused = run(&["graph"]);
    assert_eq!(
        (refused.code, serde_json::from_str::<Value>(&refused.stdout).is_ok()),
        (1, true)
    );
    assert!(!lines(&run(&["destroy", "--yes"])).is_empty());
}

#[test]
fn what_needs_no_stack_tells_one_document_too() {
    let sandbox = Sandbox::new();
    for args in [
        &["init", "--json"][..],
        &["local", "status", "--json"],
        &["datagen", "--describe", "banking", "--json"],
        &["schema"],
        // Its mistake is the document.
        &["plan", "--json"],
    ] {
        let said = sandbox.run(args);
        let read = serde_json::from_str::<Value>(&said.stdout);
        assert!(read.is_ok(), "{args:?}: {:?}\n{}", read.err(), said.all);
    }
}

#[test]
fn the_mistakes_of_a_stack_are_one_document() {
    let sandbox = Sandbox::new();
    let wrong = STACK.replace("cidr = \"10.0.0.0/16\"", "cidr = \"10.0.0.1/16\"");
    std::fs::write(sandbox.path().join("stack.toml"), wrong).expect("written");
    for command in ["check", "plan", "apply", "drift"] {
        let said = sandbox.run(&[command, "--json"]);
        let found: Value = serde_json::from_str(&said.stdout).expect("one document");
        assert_eq!(
            (said.code, &found["type"], &found["errors"]),
            (1, &"problems".into(), &2.into())
        );
        assert_eq!(found["problems"][0]["at"]["startLine"], 4);
    }
}
