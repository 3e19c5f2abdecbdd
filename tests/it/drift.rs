//! Drift, end to end: changes that other people's clients made are found, told, accepted and put back.

use crate::python::Python;
use crate::sandbox::Sandbox;
use crate::served::Served;
use std::collections::BTreeSet;
use std::path::Path;

/// What a report says, as `address class`.
fn classes(report: &str) -> BTreeSet<String> {
    let json: serde_json::Value = serde_json::from_str(report).expect("JSON");
    let found = json["found"].as_array().expect("a list");
    found
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("address"), text("class"))
        })
        .collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// All that lakeform wrote for itself: the journal, the lock, plans.
fn written(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(&path).expect("it reads")));
        }
    }
    text
}

#[test]
fn what_boto3_changed_is_found_accepted_and_put_back() {
    let python = Python::of("clients");
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let file = sandbox.path().join("lake/stack.toml");
    let text = std::fs::read_to_string(&file).expect("a stack") + "\n[secret.token]\n";
    std::fs::write(&file, &text).expect("written");
    let mut said = String::new();
    let mut run = |args: &[&str]| {
        let answer = sandbox.run(&[args, &["--stack", "lake"]].concat());
        said.push_str(&answer.all);
        answer
    };
    assert_eq!(run(&["plan", "--out", "lake/state/saved.plan"]).code, 0);
    assert_eq!(run(&["up", "--json"]).code, 0);
    assert_eq!(run(&["drift"]).code, 0, "what was just applied has not drifted");

    let served = Served::new(&sandbox, &["--stack", "lake"]);
    let told = python.ok("drift.py", &[&served.http]);
    let list = told.lines().find(|line| line.starts_with('[')).expect("a list");
    let secrets: Vec<String> = serde_json::from_str(list).expect("a list of secrets");
    drop(served);

    let report = run(&["drift", "--format", "json"]);
    assert_eq!(report.code, 2, "{}", report.all);
    let expected = set(&[
        "bucket.lake changed",
        "glue_trigger.nightly deleted",
        "internet_gateway.main deleted",
        "role.crawler extra",
        "role.lost orphan",
        "route_table.main_public blackhole",
        "security_group.warehouse extra",
    ]);
    assert_eq!(classes(&report.stdout), expected);
    for format in ["text", "markdown", "junit", "sarif", "github"] {
        let told = run(&["drift", "--format", format]);
        assert_eq!(told.code, 2, "{format}");
        for address in ["bucket.lake", "role.lost"] {
            let name = address.split('.').next_back().unwrap_or_default();
            assert!(
                told.stdout.contains(address) || told.stdout.contains(&format!("name=\"{name}\"")),
                "{format}"
            );
        }
    }

    // A report is a baseline: what stands in it is not told again.
    std::fs::write(sandbox.path().join("accepted.json"), &report.stdout).expect("written");
    assert_eq!(run(&["drift", "--baseline", "accepted.json"]).code, 0);

    // What a file can say is written into it, and nothing else of it changes.
    let accepted = run(&["drift", "--accept"]);
    assert_eq!(
        accepted.code, 2,
        "not everything can be said in a file: {}",
        accepted.all
    );
    let new = std::fs::read_to_string(&file).expect("a stack");
    let old_lines: BTreeSet<&str> = text.lines().collect();
    let lost: Vec<&str> = text.lines().filter(|line| !new.contains(*line)).collect();
    assert!(lost.iter().all(|line| line.starts_with("ingress")), "{lost:?}");
    let more: Vec<&str> = new.lines().filter(|line| !old_lines.contains(line)).collect();
    assert!(more.contains(&"versioning = true"), "{more:?}");
    assert!(more.iter().any(|line| line.contains("203.0.113.7/32")), "{more:?}");

    // The rest is put back, but for what lakeform did not make.
    assert_eq!(run(&["drift", "--revert"]).code, 4, "there is nobody to ask");
    let reverted = run(&["drift", "--revert", "--yes"]);
    assert_eq!(reverted.code, 2, "{}", reverted.all);
    assert!(reverted.all.contains("Left as it is: role.lost"), "{}", reverted.all);
    let left = run(&["drift", "--format", "json"]);
    assert_eq!(classes(&left.stdout), set(&["role.lost orphan"]), "{}", left.all);
    assert_eq!(run(&["plan", "--detailed-exitcode"]).code, 0);
    run(&["history"]);

    // No secret is in anything that was said or written.
    assert!(secrets.len() >= 2, "the token and the cluster's password");
    let state = sandbox.path().join("lake/state");
    let written = written(&state) + &written(&state.join("lake"));
    for secret in &secrets {
        assert!(
            !written.contains(secret) && !said.contains(secret),
            "a secret was written"
        );
        // Nor the password inside a secret that is a document.
        let json: serde_json::Value = serde_json::from_str(secret).unwrap_or_default();
        if let Some(password) = json["password"].as_str() {
            assert!(
                !written.contains(password) && !said.contains(password),
                "a password was written"
            );
        }
    }
}
