//! A stack whose state is in a bucket, changed from two machines: on the local cloud served over a port.

use crate::http;
use crate::sandbox::Sandbox;
use crate::served::Served;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

pub const NETWORK: &str = r#"
[vpc.main]
cidr = "10.0.0.0/16"
[subnet.a]
vpc = "vpc.main"
cidr = "10.0.1.0/24"
zone = "a"
[nat_gateway.out]
subnet = "subnet.a"
[internet_gateway.main]
vpc = "vpc.main"
[route_table.public]
vpc = "vpc.main"
subnets = ["subnet.a"]
routes = [{ to = "0.0.0.0/0", via = "internet_gateway.main" }]
"#;

/// A served cloud with a bucket for states, and the stack file of a team.
fn team() -> (Sandbox, Served, String) {
    let cloud = Sandbox::new();
    let served = Served::new(&cloud, &["--dir", "disk"]);
    let (status, answer) = http::send(&served.http, "PUT", "/team-state", "");
    assert_eq!(status, 200, "{answer}");
    let text = format!(
        "[stack]\nname = \"net\"\ncloud = \"aws\"\naccount = \"123456789012\"\nendpoint = \"{}\"\n\
         state = \"s3://team-state/lakeform\"\n{NETWORK}",
        served.http
    );
    (cloud, served, text)
}

pub fn machine(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path().join("stack.toml"), text).expect("written");
    sandbox
}

/// Begins an apply and returns once the first object is made.
pub fn begin(sandbox: &Sandbox) -> Child {
    let mut child = sandbox
        .command(&["apply", "--yes", "--json", "--parallelism", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let out = child.stdout.take().expect("its output");
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    let made = lines.find(|line| line.contains("\"type\":\"made\""));
    assert!(made.is_some(), "it ended before anything was made");
    child.stdout = None;
    // Whoever reads no more must not make it end early.
    std::thread::spawn(move || lines.count());
    child
}

pub fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.expect("kill runs").success());
}

/// Makes the lease of whoever holds the stack end now.
fn end_lease(served: &Served) -> String {
    let (_, listed) = http::send(&served.http, "GET", "/team-state?list-type=2&prefix=lakeform/", "");
    let keys = listed
        .split("<Key>")
        .skip(1)
        .filter_map(|rest| rest.split("</Key>").next());
    let lock = keys.filter(|key| key.contains("/lock/")).last().expect("a lock");
    let (_, text) = http::send(&served.http, "GET", &format!("/team-state/{lock}"), "");
    let over = text.replace("\"lease_s\":60", "\"lease_s\":0");
    assert_ne!(over, text);
    assert_eq!(
        http::send(&served.http, "PUT", &format!("/team-state/{lock}"), &over).0,
        200
    );
    text
}

#[test]
fn what_one_machine_applied_another_knows() {
    let (_cloud, _served, text) = team();
    let (first, second) = (machine(&text), machine(&text));
    first.ok(&["apply", "--yes"]);
    assert_eq!(second.ok(&["plan", "--detailed-exitcode"]).code, 0);
    assert_eq!(
        first.ok(&["state", "list"]).stdout,
        second.ok(&["state", "list"]).stdout
    );
    second.ok(&["destroy", "--yes"]);
    assert_eq!(listed(&first), serde_json::json!({}));
    assert!(
        !second.path().join("state").join("net").exists(),
        "no state stays on the machine"
    );
}

#[cfg(unix)]
#[test]
fn a_killed_holder_blocks_until_its_lease_is_over_and_no_longer() {
    let (_cloud, served, text) = team();
    let (first, second) = (machine(&text), machine(&text));
    let mut child = begin(&first);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let said = second.run(&["apply", "--yes"]);
    assert_eq!(said.code, 5, "{}", said.all);
    assert!(said.all.contains("`lakeform apply` by "), "{}", said.all);
    assert!(said.all.contains(&format!("process {}", child.id())), "{}", said.all);
    end_lease(&served);
    second.ok(&["apply", "--yes"]);
    assert_eq!(second.ok(&["plan", "--detailed-exitcode"]).code, 0);
    nothing_twice(&second);
}

#[cfg(unix)]
#[test]
fn a_zombie_that_wakes_up_changes_nothing() {
    let (_cloud, served, text) = team();
    let (first, second) = (machine(&text), machine(&text));
    let mut zombie = begin(&first);
    signal(&zombie, "-STOP");
    end_lease(&served);
    second.ok(&["apply", "--yes"]);
    let before = second.ok(&["state", "list"]).stdout;
    signal(&zombie, "-CONT");
    let code = zombie.wait().expect("it ends").code();
    assert!(matches!(code, Some(1 | 3)), "{code:?}");
    assert_eq!(second.ok(&["state", "list"]).stdout, before);
    assert_eq!(second.ok(&["plan", "--detailed-exitcode"]).code, 0);
    nothing_twice(&second);
}

/// Returns what the state knows; warnings about the file come on lines before it.
fn listed(sandbox: &Sandbox) -> serde_json::Value {
    let said = sandbox.ok(&["state", "list", "--json"]).stdout;
    serde_json::from_str(said.lines().last().expect("a line")).expect("JSON")
}

/// Everything that carries the stack's tag is in its state, once.
fn nothing_twice(sandbox: &Sandbox) {
    let said = sandbox.ok(&["import", "--tag", "lakeform:stack=net"]);
    let known = said.all.lines().filter(|line| line.contains(" already")).count();
    assert!(!said.all.contains("belongs to"), "{}", said.all);
    let listed = listed(sandbox);
    assert_eq!(
        Some(known),
        listed.as_object().map(serde_json::Map::len),
        "{}",
        said.all
    );
}
