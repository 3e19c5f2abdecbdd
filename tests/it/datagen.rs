//! Data from nothing to proof: files others can read, shares of many processes, days, damage that is found.

use crate::python::Python;
use crate::sandbox::Sandbox;
use crate::served::Served;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the shipped files of this repository are.
fn shipped(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

/// The files of a folder by their path in it; manifests are left out.
fn paths(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
            } else if !entry.file_name().to_string_lossy().starts_with("manifest") {
                files.insert(path.strip_prefix(folder).expect("inside").to_owned());
            }
        }
    }
    files
}

/// The same with their bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| {
        let bytes = std::fs::read(folder.join(&path)).expect("a file");
        (path, bytes)
    };
    paths(folder).into_iter().map(read).collect()
}

#[test]
fn others_read_every_shipped_dataset_in_every_format() {
    let python = Python::of("readers");
    let sandbox = Sandbox::new();
    for dataset in ["banking", "tickit", "sparkify", "game"] {
        for (format, compression) in [
            ("as-defined", "none"),
            ("as-defined", "gzip"),
            ("csv", "none"),
            ("csv", "zstd"),
            ("json", "gzip"),
            ("parquet", "none"),
            ("parquet", "zstd"),
        ] {
            let to = format!("{dataset}-{format}-{compression}");
            let mut args = vec!["datagen", "--dataset", dataset, "--rows", "500", "--to", &to];
            args.extend(["--format", format, "--compression", compression]);
            // Thousands of songs, an object each, are read once.
            if dataset == "sparkify" && (format, compression) != ("as-defined", "none") {
                args.extend(["--tables", "log_data"]);
            }
            sandbox.ok(&args);
            let definition = shipped(&format!("datagen/datasets/{dataset}.toml"));
            let folder = sandbox.path().join(&to).display().to_string();
            python.ok("read.py", &[&definition, &folder]);
        }
    }
}

#[test]
fn shares_are_the_whole_and_go_into_one_folder() {
    let sandbox = Sandbox::new();
    let common = ["datagen", "--rows", "20k", "--target-size", "100kB", "--slices", "4"];
    let run = |more: &[&str]| sandbox.ok(&[&common[..], more].concat());
    run(&["--to", "whole", "--threads", "1"]);
    for part in ["1/3", "2/3", "3/3"] {
        run(&["--to", "shares", "--part", part]);
    }
    let whole = contents(&sandbox.path().join("whole"));
    assert!(whole.len() > 30, "{:?}", whole.keys());
    assert!(
        whole == contents(&sandbox.path().join("shares")),
        "the shares are not the whole"
    );
    sandbox.ok(&["datagen", "verify", "--to", "shares"]);
    // Each share is proved by its own manifest: without one of its files, the folder is not what it must be.
    let lost = whole.keys().next_back().expect("a file");
    std::fs::remove_file(sandbox.path().join("shares").join(lost)).expect("removed");
    let said = sandbox.run(&["datagen", "verify", "--to", "shares"]);
    assert_eq!(said.code, 1, "{}", said.all);
    assert!(
        said.all.contains(&format!("missing: {}", lost.display())),
        "{}",
        said.all
    );
}

#[test]
fn a_second_run_writes_only_what_is_missing_or_damaged() {
    let sandbox = Sandbox::new();
    let again = || {
        let said = sandbox.ok(&["datagen", "--rows", "2k", "--to", "out", "--json"]);
        let summary: Value = serde_json::from_str(said.stdout.lines().last().expect("a summary")).expect("JSON");
        (
            summary["there"].as_u64().expect("a count"),
            summary["files"].as_u64().expect("a count"),
        )
    };
    assert_eq!(again(), (0, 14));
    assert_eq!(again(), (14, 14));
    let out = sandbox.path().join("out");
    let before = contents(&out);
    let (accounts, loans) = (
        out.join("accounts/accounts-00000.csv"),
        out.join("loans/loans-00000.csv"),
    );
    let mut bytes = std::fs::read(&accounts).expect("a file");
    bytes[100] ^= 1;
    std::fs::write(&accounts, &bytes).expect("written");
    std::fs::remove_file(&loans).expect("removed");
    std::fs::write(out.join("dates/notes.txt"), "not ours").expect("written");
    let said = sandbox.run(&["datagen", "verify", "--to", "out"]);
    assert_eq!(said.code, 1, "{}", said.all);
    for word in [
        "different: accounts/accounts-00000.csv",
        "missing: loans/loans-00000.csv",
        "extra: dates/notes.txt",
        "what is there is not what was generated: accounts, dates, loans",
    ] {
        assert!(said.all.contains(word), "{word}\n{}", said.all);
    }
    // Without the manifest, as after a kill, files are known by making their checksums again.
    std::fs::remove_file(out.join("manifest.json")).expect("removed");
    std::fs::remove_file(out.join("dates/notes.txt")).expect("removed");
    assert_eq!(again(), (12, 14));
    assert!(before == contents(&out), "mended files differ");
    sandbox.ok(&["datagen", "verify", "--to", "out"]);
}

#[test]
fn the_truth_tells_every_mistake() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["datagen", "--rows", "5k", "--to", "clean"]);
    sandbox.ok(&["datagen", "--rows", "5k", "--to", "dirty", "--dirty", "2%"]);
    let (clean, dirty) = (sandbox.path().join("clean"), sandbox.path().join("dirty"));
    let file = "fact_transactions/fact_transactions-00000.csv";
    let read = |folder: &Path| std::fs::read_to_string(folder.join(file)).expect("a file");
    let truth = std::fs::read_to_string(dirty.join("truth").join(format!("{file}.jsonl"))).expect("a truth file");
    let truth: Vec<Value> = truth
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines"))
        .collect();
    assert!(
        (40..200).contains(&truth.len()),
        "{} mistakes in 5,000 rows at 2 %",
        truth.len()
    );
    // Undo what the truth tells, and the clean file is there again.
    let mut rest: Vec<String> = read(&dirty).lines().map(str::to_owned).collect();
    let header = rest[0].clone();
    let columns: Vec<&str> = header.split('|').collect();
    let mut clean_rows: Vec<String> = read(&clean).lines().map(str::to_owned).collect();
    for dirt in &truth {
        let line = 1 + dirt["row"].as_u64().expect("a row") as usize;
        if dirt["kind"] == "duplicate" {
            assert_eq!(rest[line], rest[line + 1]);
            rest.remove(line + 1);
            continue;
        }
        let column = dirt["column"].as_str().expect("a column");
        let place = columns
            .iter()
            .position(|name| *name == column)
            .expect("a column of the file");
        let mut cells: Vec<&str> = rest[line].split('|').collect();
        cells[place] = dirt["original"].as_str().expect("a value");
        rest[line] = cells.join("|");
    }
    clean_rows.truncate(rest.len().max(clean_rows.len()));
    assert!(rest == clean_rows, "the truth does not lead back to the clean rows");
    let manifest = json(&dirty.join("manifest.json"));
    let table = manifest["tables"]
        .as_array()
        .expect("tables")
        .iter()
        .find(|table| table["name"] == "fact_transactions");
    assert_eq!(
        table.expect("the table")["rows"].as_u64().expect("rows") as usize,
        read(&dirty).lines().count() - 1,
        "rows that are there twice count twice"
    );
    sandbox.ok(&["datagen", "verify", "--to", "dirty"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_whole_files_only() {
    let sandbox = Sandbox::new();
    let args = ["datagen", "--rows", "50M", "--to", "out", "--target-size", "8MiB"];
    let mut child = sandbox
        .command(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let out = sandbox.path().join("out");
    let is_data = |path: &PathBuf| path.extension().is_some_and(|end| end == "csv");
    // The first file that has its name: others are under way by then.
    while !paths(&out).iter().any(is_data) {
        assert!(child.try_wait().expect("asked").is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let left = contents(&out);
    assert!(left.keys().all(is_data), "{:?}", left.keys());
    assert!(left.values().all(|bytes| bytes.ends_with(b"\n")), "a file is torn");
    assert!(!out.join("manifest.json").exists());
}

#[test]
fn days_come_beside_days_and_are_counted() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let facts = || -> u64 {
        let sql = "select count(*) from dev_bronze.ext_fact_transactions";
        let said = sandbox.ok(&["sql", "--stack", "lake", "--json", sql]);
        serde_json::from_str::<Value>(&said.stdout).expect("JSON")[0]["count"]
            .as_u64()
            .expect("a count")
    };
    let days = |days: &[&str]| {
        let all = [&["datagen", "--stack", "lake", "--rows", "100k", "--yes"][..], days].concat();
        sandbox.ok(&all)
    };
    days(&["--days", "2024-05-01..2024-05-03"]);
    let first = facts();
    days(&["--day", "2024-05-04"]);
    let second = facts();
    assert!(first > 0 && second > first, "{first}, then {second}");
    // The same day again is there already.
    days(&["--day", "2024-05-04"]);
    assert_eq!(facts(), second);
    let said = sandbox.run(&["datagen", "--stack", "lake", "--rows", "100k", "--day", "2024-05-02"]);
    assert_eq!(said.code, 1, "{}", said.all);
    assert!(
        said.all.contains("2024-05-02 is in two batches of days"),
        "{}",
        said.all
    );
    sandbox.ok(&["datagen", "verify", "--stack", "lake"]);
    // The file does not say which days, so what is there is what is wanted.
    sandbox.ok(&["up", "--stack", "lake"]);
    assert_eq!(facts(), second);
}

/// The stack on a cloud that several processes reach at once: the local one, served, as AWS.
fn on_aws(sandbox: &Sandbox, served: &Served, args: &[&str]) -> Command {
    let mut command = sandbox.command(args);
    command
        .args(["--stack", "lake", "--env", "prod"])
        .env("AWS_ENDPOINT_URL", &served.http)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    command
}

#[test]
fn processes_share_a_run_and_a_dead_one_is_made_up_for() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    let stack = sandbox.path().join("lake/stack.toml");
    let text = std::fs::read_to_string(&stack).expect("a stack");
    // The same objects under both names: what is shared on "AWS" is joined on the local cloud's own disk.
    let text = format!("{text}\n[env.prod.stack]\ncloud = \"aws\"\naccount = \"123456789012\"\n");
    std::fs::write(&stack, text).expect("written");
    sandbox.ok(&["up", "--stack", "lake"]);
    let served = Served::new(&sandbox, &["--stack", "lake"]);
    let share = |part: &str| {
        let args = ["datagen", "--rows", "600k", "--json", "--part", part];
        on_aws(&sandbox, &served, &args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs")
    };
    let mut running: Vec<_> = ["1/4", "2/4", "3/4"].iter().map(|part| share(part)).collect();
    // One is killed somewhere on its way.
    let mut killed = running.pop().expect("three");
    std::thread::sleep(std::time::Duration::from_millis(700));
    killed.kill().expect("killed");
    killed.wait().expect("ended");
    for child in running {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // Run twice, a share sends nothing.
    let output = share("1/4").wait_with_output().expect("it ends");
    let line: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(line["there"], line["files"], "{line}");
    drop(served);
    // The fourth share never ran, and the third died: the join makes what is missing, crawls and counts.
    let said = sandbox.ok(&["datagen", "--stack", "lake", "--rows", "600k", "--json"]);
    let counted: u64 = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"))
        .filter(|line| line["type"] == "table")
        .inspect(|line| assert_eq!(line["equal"], true, "{line}"))
        .map(|line| line["counted"].as_u64().expect("a count"))
        .sum();
    assert!(counted > 3_000_000, "{counted}");
    sandbox.ok(&["datagen", "verify", "--stack", "lake"]);
    assert_eq!(sandbox.ok(&["plan", "--stack", "lake", "--detailed-exitcode"]).code, 0);
}

#[test]
fn the_recipe_for_many_machines_is_what_its_services_take() {
    let python = Python::of("readers");
    python.ok("recipes.py", &[&shipped("stacks/lakehouse/scale")]);
}
