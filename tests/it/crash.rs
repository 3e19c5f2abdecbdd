//! The real program killed without warning at many points, against a cloud that goes on: the next run ends the work,
//! and nothing is made twice.

use crate::http;
use crate::sandbox::Sandbox;
use crate::served::Served;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

const STACK: &str = r#"
[vpc.main]
cidr = "10.0.0.0/16"
[internet_gateway.main]
vpc = "vpc.main"
[subnet.a]
vpc = "vpc.main"
cidr = "10.0.1.0/24"
zone = "a"
[subnet.b]
vpc = "vpc.main"
cidr = "10.0.2.0/24"
zone = "b"
[route_table.public]
vpc = "vpc.main"
subnets = ["subnet.a", "subnet.b"]
routes = [{ to = "0.0.0.0/0", via = "internet_gateway.main" }]
[nat_gateway.out]
subnet = "subnet.a"
depends_on = ["route_table.public"]
[security_group.warehouse]
vpc = "vpc.main"
ingress = [{ port = 5439, cidr = "10.0.0.0/16" }]
[bucket.lake]
name = "crash-lake-${stack.account}"
[glue_database.bronze]
[secret.app]
recovery_days = 0
[log_group.app]
[redshift_subnet_group.main]
subnets = ["subnet.a", "subnet.b"]
"#;

/// Starts a command; returns it and the lines it says.
fn started(sandbox: &Sandbox, command: &[&str]) -> (Child, impl Iterator<Item = String>) {
    let mut child = sandbox
        .command(command)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    (child, out.lines().map_while(Result::ok))
}

/// Runs a command and kills it after so many lines of events. Returns whether it was still running.
fn killed_after(sandbox: &Sandbox, command: &[&str], lines: usize) -> bool {
    let (mut child, out) = started(sandbox, command);
    let seen = out.take(lines).count();
    drop(child.kill());
    child.wait().expect("it ends");
    seen == lines
}

/// Reads until a running command has said of each address that it is being deleted.
fn until_deleting(out: &mut impl Iterator<Item = String>, addresses: &[&str]) {
    let mut waiting: Vec<&str> = addresses.to_vec();
    while !waiting.is_empty() {
        let line = out.next().expect("it goes on");
        waiting.retain(|address| !(line.contains(address) && line.contains("deleting")));
    }
}

/// A stack on a cloud that is served beside it.
fn write_stack(sandbox: &Sandbox, served: &Served, more: &str) {
    let head = "[stack]\nname = \"crash\"\ncloud = \"aws\"\naccount = \"123456789012\"\n";
    let text = format!("{head}endpoint = \"{}\"\n{STACK}{more}", served.http);
    std::fs::write(sandbox.path().join("stack.toml"), text).expect("written");
}

/// The ids of all that carries the stack's tag and is not in its state.
fn strays(sandbox: &Sandbox) -> Vec<String> {
    let said = sandbox.ok(&["import", "--tag", "lakeform:stack=crash"]);
    let lines = said.all.lines().filter(|line| line.contains("belongs to"));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_run_killed_anywhere_is_ended_by_the_next_and_nothing_is_made_twice() {
    let sandbox = Sandbox::new();
    let served = Served::new(&sandbox, &["--dir", "disk"]);
    write_stack(&sandbox, &served, "");
    let apply = ["apply", "--yes", "--json"];
    // One line is the plan; there are about four for each of the twelve steps.
    for round in 0..6 {
        // Killed twice on the way up, at other points each time.
        killed_after(&sandbox, &apply, 2 + round * 5);
        killed_after(&sandbox, &apply, 3 + round * 3);
        sandbox.ok(&["apply", "--yes"]);
        assert_eq!(sandbox.ok(&["plan", "--detailed-exitcode"]).code, 0);
        assert_eq!(strays(&sandbox), Vec::<String>::new());
        killed_after(&sandbox, &["destroy", "--yes", "--json"], 2 + round * 4);
        sandbox.ok(&["destroy", "--yes"]);
        assert_nothing_is_left(&sandbox);
    }
}

/// Neither in the state nor in the cloud.
#[track_caller]
fn assert_nothing_is_left(sandbox: &Sandbox) {
    assert_eq!(sandbox.ok(&["state", "list", "--json"]).stdout, "{}\n");
    let left = sandbox.ok(&["import", "--tag", "lakeform:stack=crash"]);
    assert!(left.all.contains("nothing to take over"), "{}", left.all);
}

#[test]
fn a_destroy_that_dies_while_things_are_going_is_ended_by_the_next() {
    let sandbox = Sandbox::new();
    let served = Served::new(&sandbox, &["--dir", "disk"]);
    write_stack(
        &sandbox,
        &served,
        "[redshift_cluster.main]\nsubnet_group = \"redshift_subnet_group.main\"\n",
    );
    let clock = |change: &str| {
        let (status, answer) = http::send(&served.http, "POST", "/_lakeform/clock", change);
        assert_eq!(status, 200, "{answer}");
    };
    let destroy = ["destroy", "--yes", "--json"];
    for gone_before_the_next_run in [false, true] {
        sandbox.ok(&["apply", "--yes"]);
        // While the clock stands still nothing that is being deleted is ever gone.
        clock("{\"freeze\": null}");
        let (mut first, mut said) = started(&sandbox, &destroy);
        until_deleting(&mut said, &["redshift_cluster.main", "nat_gateway.out"]);
        drop(first.kill());
        first.wait().expect("it ends");
        let plan = sandbox.ok(&["plan"]).all;
        assert!(
            plan.contains("-/+ redshift_cluster.main  `crash-main` is being deleted"),
            "{plan}"
        );
        let drift = sandbox.run(&["drift"]).all;
        assert!(drift.contains("deleted   `crash-main` is being deleted"), "{drift}");
        if gone_before_the_next_run {
            clock("{\"run\": {}}");
            clock("{\"advance\": 3600}");
        }
        let (mut second, mut said) = started(&sandbox, &destroy);
        if !gone_before_the_next_run {
            until_deleting(&mut said, &["redshift_cluster.main", "nat_gateway.out"]);
            clock("{\"run\": {}}");
        }
        let last = said.last().expect("it says something");
        assert!(second.wait().expect("it ends").success(), "{last}");
        assert_nothing_is_left(&sandbox);
        // The gateway's public address, which outlives it, would go on costing money.
        let addresses = http::ec2(&served.http, "DescribeAddresses");
        assert!(!addresses.contains("<allocationId>"), "{addresses}");
    }
}
