//! Redshift's SQL reference, page by page: each function and each command works, or is refused by its name.

use crate::support::{tag, text, world};

const TABLES: &str = "create table t (n int, s varchar(20), d date, ts timestamp, b boolean, x numeric(8,2), f float8);
    insert into t values (7, 'Amazon Redshift', '2024-01-31', '2024-01-31 10:20:30', true, -1.55, 0.5);
    create table many (n int, s varchar(20), b boolean, x numeric(8,2));
    insert into many values (1, 'a', true, 1.5), (2, 'b', false, 2.25), (4, 'b', null, 0.5), (null, 'c', true, null)";

/// What the functions of a page are called over.
fn rows_for(page: &str) -> &'static str {
    match page {
        "Aggregate functions" | "Bit-wise aggregate functions" => "from many",
        "Window functions" => "from many order by n",
        "System administration functions" => "",
        _ => "from t",
    }
}

#[tokio::test]
async fn every_function_of_the_reference_works_or_is_refused_by_its_name() {
    let world = world();
    let mut session = world.session();
    tag(&mut session, TABLES).await;
    let (mut page, mut count, mut wrong) = ("", 0, Vec::new());
    for line in include_str!("reference.txt").lines() {
        if let Some(name) = line.strip_prefix("## ") {
            page = name;
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (call, expected) = line.split_once(" => ").unwrap_or_else(|| panic!("no call: {line}"));
        count += 1;
        let name = call.split('(').next().unwrap_or_default();
        let got = match session.run(&format!("select {call} {}", rows_for(page)), &[]).await {
            Ok(outcomes) => text(&outcomes[0]).join(" / "),
            Err(error) if error.sqlstate == "0A000" && error.message.contains(name) => "refused".into(),
            Err(error) => format!("{} {error}", error.sqlstate),
        };
        if got != expected {
            wrong.push(format!("{page}: {call}\n    expected {expected}\n    got      {got}"));
        }
    }
    assert!(count > 400, "{count} calls");
    assert!(wrong.is_empty(), "{} of {count}\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn every_command_of_the_reference_works_or_is_refused_by_its_name() {
    let world = world();
    let mut session = world.session();
    let (mut count, mut wrong) = (0, Vec::new());
    for line in include_str!("commands.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        count += 1;
        let refused = line.split_once(" <= ").filter(|(feature, _)| !feature.contains('('));
        let statement = refused.map_or(line, |(_, statement)| statement);
        match (session.run(statement, &[]).await, refused) {
            (Ok(_), None) => {}
            (Ok(_), Some(_)) => wrong.push(format!("{statement}: works")),
            (Err(error), Some((feature, _))) if error.sqlstate == "0A000" && error.message.contains(feature) => {}
            (Err(error), _) => wrong.push(format!("{statement}: {} {error}", error.sqlstate)),
        }
    }
    assert!(count > 250, "{count}");
    assert!(wrong.is_empty(), "{} of {count}\n{}", wrong.len(), wrong.join("\n"));
}
