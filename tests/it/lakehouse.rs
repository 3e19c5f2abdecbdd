//! The main job, end to end.

use crate::http;
use crate::sandbox::Sandbox;
use crate::served::Served;
use std::collections::BTreeMap;

fn up(sandbox: &Sandbox) {
    sandbox.ok(&["init", "lakehouse", "lake"]);
    sandbox.ok(&["up", "--stack", "lake"]);
}

fn journal(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path().join("lake/state/lake/journal.jsonl")).expect("a journal")
}

#[test]
fn every_generated_row_is_counted_through_redshift() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let said = sandbox.ok(&["up", "--stack", "lake", "--json"]);
    let tables: BTreeMap<String, (u64, u64)> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON lines"))
        .filter(|json| json["type"] == "table")
        .map(|json| {
            let name = json["table"].as_str().expect("a name").to_owned();
            (
                name,
                (
                    json["rows"].as_u64().expect("rows"),
                    json["counted"].as_u64().expect("counted"),
                ),
            )
        })
        .collect();
    assert_eq!(tables.len(), 14, "{tables:?}");
    assert!(tables.values().all(|(rows, counted)| rows == counted), "{tables:?}");
    let facts = tables.values().filter(|(rows, _)| *rows == 10_000).count();
    assert_eq!(facts, 5, "{tables:?}");
    // Joins and leading zeros survive the way through CSV, crawler and Spectrum.
    let csv = |sql: &str| sandbox.ok(&["sql", "--stack", "lake", "--csv", sql]).stdout;
    let orphans = "select count(*) as orphans from dev_bronze.ext_fact_transactions t \
                   left join dev_bronze.ext_accounts a on a.account_id = t.account_id where a.account_id is null";
    assert_eq!(csv(orphans), "orphans\n0\n");
}

#[test]
fn a_second_up_changes_nothing() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    let before = journal(&sandbox);
    let said = sandbox.ok(&["up", "--stack", "lake"]);
    assert!(said.all.contains("Nothing to do"), "{}", said.all);
    assert_eq!(journal(&sandbox), before);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
}

#[test]
fn more_rows_go_the_same_way() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    sandbox.ok(&["datagen", "--stack", "lake", "--rows", "25k"]);
    let said = sandbox.ok(&[
        "sql",
        "--stack",
        "lake",
        "--csv",
        "select count(*) as n from dev_bronze.ext_fact_loans",
    ]);
    assert_eq!(said.stdout, "n\n25000\n");
    // One statement is one document, several are JSON lines: an answer each, also of what has no rows.
    let json = |sql: &str| sandbox.ok(&["sql", "--stack", "lake", "--json", sql]).stdout;
    assert_eq!(json("select 1 as a"), "[{\"a\":1}]\n");
    let several = "create temp table t (a int); insert into t values (2); select a from t";
    assert_eq!(json(several), "[]\n[]\n[{\"a\":2}]\n");
    // The file does not say how many rows, so what is there is what is wanted.
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
}

#[test]
fn destroy_leaves_nothing() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    sandbox.ok(&["destroy", "--stack", "lake", "--yes"]);
    assert_eq!(
        sandbox.ok(&["state", "list", "--stack", "lake", "--json"]).stdout,
        "{}\n"
    );
    let objects = sandbox.path().join("lake/state/local/objects");
    let mut left = Vec::new();
    let mut waiting = vec![objects];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => waiting.push(entry.path()),
                // The marker says when the folder was opened.
                false if entry.file_name() == "opened" => {}
                false => left.push(entry.path()),
            }
        }
    }
    assert!(left.is_empty(), "objects are left: {left:?}");
    // And it can be built again.
    sandbox.ok(&["up", "--stack", "lake"]);
}

#[test]
fn a_lost_object_is_found_and_made_again() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    sandbox.ok(&["sql", "--stack", "lake", "drop schema dev_bronze"]);
    let said = sandbox.run(&["plan", "--stack", "lake", "--detailed-exitcode"]);
    assert_eq!(said.code, 2, "{}", said.all);
    assert!(said.all.contains("external_schema.dev_bronze"), "{}", said.all);
    sandbox.ok(&["up", "--stack", "lake"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    // Killed at different moments, without any warning; the last run ends the work.
    for delay_ms in [150, 400, 900] {
        let mut child = sandbox
            .command(&["up", "--stack", "lake"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program runs");
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    sandbox.ok(&["up", "--stack", "lake"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    // One of each: nothing was made twice.
    let records: serde_json::Value =
        serde_json::from_str(&sandbox.ok(&["state", "list", "--stack", "lake", "--json"]).stdout).expect("JSON");
    let ids: std::collections::BTreeSet<&str> = records
        .as_object()
        .expect("a map")
        .values()
        .filter_map(serde_json::Value::as_str)
        .collect();
    assert!(ids.len() >= 20, "{ids:?}");
    sandbox.ok(&["destroy", "--stack", "lake", "--yes"]);
}

#[test]
fn a_saved_plan_does_what_was_agreed_or_refuses() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    sandbox.ok(&["plan", "--stack", "lake", "--target", "vpc.main", "--out", "first.plan"]);
    sandbox.ok(&["plan", "--stack", "lake", "--out", "all.plan"]);
    let said = sandbox.ok(&["apply", "--stack", "lake", "first.plan"]);
    assert!(said.all.contains("1 added"), "{}", said.all);
    // The VPC is there now, so the second plan is not what would be done.
    let said = sandbox.run(&["apply", "--stack", "lake", "all.plan"]);
    assert_eq!(said.code, 4, "{}", said.all);
    std::fs::write(sandbox.path().join("torn.plan"), "{\"format_version\": 1").expect("written");
    assert_eq!(sandbox.run(&["apply", "--stack", "lake", "torn.plan"]).code, 1);
}

#[test]
fn a_plan_is_written_over_nothing_but_a_plan() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let file = "lake/stack.toml";
    let before = std::fs::read_to_string(sandbox.path().join(file)).expect("a stack");
    let said = sandbox.run(&["plan", "--stack", "lake", "--out", file]);
    assert_eq!(said.code, 1, "{}", said.all);
    assert_eq!(
        std::fs::read_to_string(sandbox.path().join(file)).expect("a stack"),
        before
    );
    for _ in 0..2 {
        sandbox.ok(&["plan", "--stack", "lake", "--out", "saved.plan"]);
    }
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let file = sandbox.path().join("lake/stack.toml");
    let text = std::fs::read_to_string(&file).expect("a stack");
    let key = "AKIAIOSFODNN7EXAMPLE";
    std::fs::write(&file, format!("{text}\n[log_group.x]\nname = \"{key}\"\n")).expect("written");
    for args in [
        &["check", "--stack", "lake"][..],
        &["plan", "--stack", "lake"],
        &["check", "--stack", "lake", "--json"],
    ] {
        let said = sandbox.run(args);
        assert!(said.all.contains("literal-secret"), "{}", said.all);
        assert!(!said.all.contains(key), "{}", said.all);
    }
}

#[test]
fn what_is_changed_elsewhere_is_drift() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    assert_eq!(sandbox.run(&["drift", "--stack", "lake"]).code, 0);
    sandbox.ok(&["sql", "--stack", "lake", "drop schema dev_bronze"]);
    let said = sandbox.run(&["drift", "--stack", "lake", "--format", "github"]);
    assert_eq!(said.code, 2, "{}", said.all);
    assert!(said.stdout.contains("external_schema.dev_bronze"), "{}", said.stdout);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_in_order_and_the_next_run_goes_on() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let mut child = sandbox
        .command(&["up", "--stack", "lake", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program runs");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("its output")));
    for line in lines.map_while(Result::ok) {
        let json: serde_json::Value = serde_json::from_str(&line).expect("JSON lines");
        // The cluster takes longest, so there is time to stop before the end.
        if json["type"] == "made" && json["address"] == "redshift_cluster.warehouse" {
            let id = child.id().to_string();
            let sent = std::process::Command::new("kill")
                .args(["-INT", &id])
                .status()
                .expect("kill runs");
            assert!(sent.success());
        }
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    sandbox.ok(&["up", "--stack", "lake"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
}

#[test]
fn a_lost_state_folder_is_recovered_from_tags() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    let before = sandbox.ok(&["state", "list", "--stack", "lake", "--json"]).stdout;
    std::fs::remove_dir_all(sandbox.path().join("lake/state/lake")).expect("lost");
    // Without its memory lakeform touches nothing that it does not know.
    assert_eq!(sandbox.run(&["plan", "--stack", "lake"]).code, 4);
    sandbox.ok(&["recover", "--stack", "lake"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    assert_eq!(
        sandbox.ok(&["state", "list", "--stack", "lake", "--json"]).stdout,
        before
    );
    sandbox.ok(&["destroy", "--stack", "lake", "--yes"]);
}

#[test]
fn without_its_state_nothing_is_made_twice() {
    let sandbox = Sandbox::new();
    let text = "[stack]\nname = \"lost\"\n[vpc.main]\ncidr = \"10.0.0.0/16\"\n";
    std::fs::write(sandbox.path().join("stack.toml"), text).expect("written");
    sandbox.ok(&["apply", "--yes"]);
    std::fs::remove_dir_all(sandbox.path().join("state/lost")).expect("removed");
    // A VPC has no name that would be taken.
    for command in [&["plan"][..], &["apply", "--yes"], &["apply", "--yes"]] {
        let said = sandbox.run(command);
        assert_eq!(said.code, 4, "{}", said.all);
        assert!(
            said.all.contains("! vpc.main:") && said.all.contains("`lakeform recover`"),
            "{}",
            said.all
        );
    }
    sandbox.ok(&["recover"]);
    assert_eq!(sandbox.ok(&["plan", "--detailed-exitcode"]).code, 0);
    sandbox.ok(&["destroy", "--yes"]);
    sandbox.ok(&["apply", "--yes"]);
}

#[test]
fn a_forgotten_object_is_imported() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    sandbox.ok(&["state", "rm", "--stack", "lake", "bucket.lake"]);
    sandbox.ok(&["import", "--stack", "lake", "bucket.lake", "lake-lake-123456789012"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    assert_eq!(
        sandbox.run(&["import", "--stack", "lake", "bucket.nowhere", "x"]).code,
        1
    );
}

#[test]
fn a_paused_cluster_is_asked_nothing_and_resumed_when_there_is_something_to_do() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    let served = Served::new(&sandbox, &["--stack", "lake"]);
    http::redshift(&served.http, "PauseCluster&ClusterIdentifier=lake-warehouse");
    let paused = || http::redshift(&served.http, "DescribeClusters").contains("<ClusterStatus>paus");
    assert!(paused());
    let file = sandbox.path().join("lake/stack.toml");
    let text = std::fs::read_to_string(&file).expect("a stack");
    std::fs::write(&file, text + "\n[log_group.events]\n").expect("written");
    sandbox.ok(&["plan", "--stack", "lake"]);
    sandbox.ok(&["apply", "--stack", "lake", "--yes"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    let drift = sandbox.run(&["drift", "--stack", "lake"]);
    assert!(drift.all.contains("AWS says `paus"), "{}", drift.all);
    assert!(paused(), "asking is no reason to resume it");
    sandbox.ok(&["destroy", "--stack", "lake", "--yes"]);
    assert!(!http::redshift(&served.http, "DescribeClusters").contains("<ClusterIdentifier>"));
}

#[test]
fn statements_of_a_file_run_again_when_the_file_changes() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let (stack, views) = (
        sandbox.path().join("lake/stack.toml"),
        sandbox.path().join("lake/views.sql"),
    );
    let text = std::fs::read_to_string(&stack).expect("a stack");
    let sql = "\n[sql.views]\nwarehouse = \"redshift_cluster.warehouse\"\nfile = \"views.sql\"\n";
    std::fs::write(&stack, text + sql).expect("written");
    let missing = sandbox.run(&["check", "--stack", "lake"]);
    assert!(missing.all.contains("error[missing-file]"), "{}", missing.all);
    std::fs::write(&views, "create or replace view v as select 1 as a;").expect("written");
    sandbox.ok(&["up", "--stack", "lake"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    std::fs::write(&views, "create or replace view v as select 2 as a;").expect("written");
    let plan = sandbox.ok(&["plan", "--stack", "lake"]);
    assert!(plan.all.contains("~ sql.views"), "{}", plan.all);
    sandbox.ok(&["apply", "--stack", "lake", "--yes"]);
    let seen = sandbox.ok(&["sql", "--stack", "lake", "--csv", "select a from v"]);
    assert_eq!(seen.stdout, "a\n2\n");
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
}

#[test]
fn what_a_crawler_is_told_anew_is_crawled_and_counted_anew() {
    let sandbox = Sandbox::new();
    up(&sandbox);
    let file = sandbox.path().join("lake/stack.toml");
    let text = std::fs::read_to_string(&file).expect("a stack");
    let prefixed = text.replace("table_prefix = \"ext_\"", "table_prefix = \"raw_\"");
    std::fs::write(&file, &prefixed).expect("written");
    let plan = sandbox.ok(&["plan", "--stack", "lake"]);
    let because = "crawl.bronze  `glue_crawler.bronze` writes other tables";
    assert!(plan.all.contains(because), "{}", plan.all);
    sandbox.ok(&["up", "--stack", "lake"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    std::fs::write(&file, prefixed.replace("${stack.name}-dev", "renamed")).expect("written");
    sandbox.ok(&["apply", "--stack", "lake", "--yes"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
    let counted = "select count(*) as n from dev_bronze.raw_fact_loans";
    assert_eq!(
        sandbox.ok(&["sql", "--stack", "lake", "--csv", counted]).stdout,
        "n\n10000\n"
    );
}
