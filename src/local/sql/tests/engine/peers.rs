//! Statements that PostgreSQL and DuckDB answer while the test runs, and we have to answer alike: some are written down,
//! others are made by chance. `peers/peers.py` starts and asks the peer, `peers/spelling.py` lists where Redshift differs
//! by design.
//!
//! A failure names its seed; `LAKEFORM_SEEDS="7 8" cargo test -p lakeform-sql peers` asks for others.

use lakeform_sql::{Cell, Outcome, Session};
use serde_json::Value;

use crate::python::Python;
use crate::support::world;

/// How many statements each seed makes.
const COUNT: &str = "80";

/// Returns what the peer answered, statement by statement.
fn ask(peer: &str) -> Vec<Value> {
    let chosen = std::env::var_os("LAKEFORM_SEEDS").map_or("1 2 3 4 5 6".into(), |seeds| seeds.into_string().unwrap());
    let mut args = vec![peer, "--count", COUNT, "--seeds"];
    args.extend(chosen.split_whitespace());
    let said = Python::of("engine/peers").ok("peers.py", &args);
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Whether a value is the peer's: floating point may be a little off, everything else is the same text.
fn same(ours: Option<&str>, theirs: &Value, floating: bool) -> bool {
    match (ours, theirs.as_str()) {
        (Some(ours), Some(theirs)) if floating => {
            let (ours, theirs): (f64, f64) = (ours.parse().unwrap(), theirs.parse().unwrap());
            (ours - theirs).abs() <= 1e-6 + 1e-9 * theirs.abs()
        }
        (Some(ours), Some(theirs)) => ours == theirs,
        (ours, _) => ours.is_none() && theirs.is_null(),
    }
}

/// Returns where the rows differ first.
fn different_rows(outcome: &Outcome, theirs: &[Value]) -> Option<String> {
    let floating = |column: usize| outcome.columns[column].type_name.starts_with("float");
    let ours = outcome.rows();
    for (row, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let ours: Vec<_> = ours.iter().map(|cell| cell.as_ref().map(Cell::text)).collect();
        let cells = theirs.as_array().unwrap();
        let mut pairs = ours.iter().zip(cells).enumerate();
        let alike = pairs.all(|(column, (ours, theirs))| same(ours.as_deref(), theirs, floating(column)));
        if !alike || ours.len() != cells.len() {
            return Some(format!("row {row}: theirs {theirs}, ours {ours:?}"));
        }
    }
    (ours.len() != theirs.len()).then(|| format!("they have {} rows, we have {}", theirs.len(), ours.len()))
}

/// Returns how our answer differs, if it does.
async fn difference(session: &mut Session, sql: &str, answer: &Value) -> Option<String> {
    match (session.run(sql, &[]).await, answer["rows"].as_array()) {
        (Ok(outcomes), Some(rows)) => different_rows(outcomes.last().unwrap(), rows),
        (Ok(_), None) => Some(format!("it works, they fail with {}", answer["state"])),
        (Err(error), None) if error.sqlstate == answer["state"].as_str().unwrap() => None,
        (Err(error), None) => Some(format!("{} {error}, theirs is {}", error.sqlstate, answer["state"])),
        (Err(error), Some(_)) => Some(format!("{} {error}", error.sqlstate)),
    }
}

async fn compare(peer: &str) {
    let world = world();
    let mut session = world.session();
    let (mut rows, mut wrong) = (0, Vec::new());
    for answer in ask(peer) {
        let sql = answer["sql"].as_str().unwrap();
        rows += answer["rows"].as_array().map_or(0, Vec::len);
        if let Some(difference) = difference(&mut session, sql, &answer).await {
            wrong.push(format!("seed {}: {sql}\n    {difference}", answer["seed"]));
        }
    }
    assert!(rows > 1000, "{peer} gave {rows} rows");
    assert!(
        wrong.is_empty(),
        "{} differ from {peer}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn postgresql_answers_what_we_answer() {
    compare("postgres").await;
}

#[tokio::test]
async fn duckdb_answers_what_we_answer() {
    compare("duckdb").await;
}
