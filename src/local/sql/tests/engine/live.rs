//! Rows that are taken as they come, and what ends a statement before its time.

use std::sync::Arc;

use lakeform_sql::{Answer, Engine, EngineOptions, Rows, Session};

use crate::memory::MemoryLake;
use crate::support::{error, rows, session_of, tag, world};

/// Ten to the fifth rows from nothing.
const MANY: &str = "with d as (select 0 as n union all select 1 union all select 2 union all select 3 union all select 4 \
    union all select 5 union all select 6 union all select 7 union all select 8 union all select 9) \
    select a.n + 10 * b.n + 100 * c.n + 1000 * e.n + 10000 * f.n as n from d as a, d as b, d as c, d as e, d as f";

async fn live(session: &mut Session, sql: &str) -> Rows {
    match session.run_live(sql).await.unwrap().pop() {
        Some(Answer::Rows(rows)) => rows,
        other => panic!("no rows to take: {other:?}"),
    }
}

async fn count(mut rows: Rows) -> Result<usize, lakeform_sql::SqlError> {
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        count += batch?.len();
    }
    Ok(count)
}

fn small(memory: usize) -> (tempfile::TempDir, Arc<Engine>) {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions {
        parallelism: 2,
        memory,
        ..EngineOptions::default()
    };
    let engine = Engine::open(dir.path(), Arc::new(MemoryLake::default()), options).unwrap();
    (dir, engine)
}

#[tokio::test]
async fn a_result_larger_than_the_memory_passes_through() {
    let (_dir, engine) = small(16 << 20);
    let mut session = session_of(&engine);
    let wide = format!("select n, repeat('x', 400) as t from ({MANY}) as m");
    let kept = error(&mut session, &wide).await;
    assert_eq!(
        (kept.sqlstate.as_str(), kept.message.as_str()),
        ("53200", "out of memory")
    );
    let rows = live(&mut session, &wide).await;
    assert_eq!(count(rows).await.unwrap(), 100_000);
}

#[tokio::test]
async fn a_query_too_big_fails_alone() {
    let (_dir, engine) = small(2 << 20);
    let mut session = session_of(&engine);
    let mut other = session_of(&engine);
    tag(&mut session, &format!("create table t as {MANY}")).await;
    let mut running = live(&mut other, "select n from t").await;
    let taken = running.next().await.unwrap().unwrap().len();
    let failed = error(
        &mut session,
        "select count(*) from t as a join t as b on a.n = b.n join t as c on b.n + 1 = c.n",
    )
    .await;
    assert_eq!(failed.sqlstate, "53200");
    assert_eq!(taken + count(running).await.unwrap(), 100_000);
    assert_eq!(rows(&mut session, "select count(*) from t").await, ["100000"]);
}

#[tokio::test]
async fn rows_outlive_the_table_they_come_from() {
    let world = world();
    let mut session = world.session();
    tag(&mut session, &format!("create table t as {MANY}")).await;
    let rows = live(&mut session, "select n from t").await;
    tag(&mut world.session(), "drop table t").await;
    assert_eq!(count(rows).await.unwrap(), 100_000);
}

#[tokio::test]
async fn an_error_in_rows_taken_later_spoils_the_block() {
    let world = world();
    let mut session = world.session();
    tag(&mut session, &format!("create table t as {MANY}")).await;
    tag(&mut session, "begin").await;
    let rows = live(&mut session, "select 1 / (n - 99999) from t").await;
    assert_eq!(count(rows).await.unwrap_err().sqlstate, "22012");
    assert_eq!(error(&mut session, "select 1").await.sqlstate, "25P02");
    tag(&mut session, "rollback").await;
    assert_eq!(crate::support::rows(&mut session, "select 1").await, ["1"]);
}

#[tokio::test]
async fn a_cancel_ends_rows_that_are_being_taken() {
    let world = world();
    let mut session = world.session();
    let mut rows = live(&mut session, &format!("select a.n from ({MANY}) as a, ({MANY}) as b")).await;
    rows.next().await.unwrap().unwrap();
    assert!(world.engine.cancel(session.id()));
    let failed = count(rows).await.unwrap_err();
    assert_eq!(failed.sqlstate, "57014");
    assert!(failed.message.ends_with("cancelled on user's request"), "{failed}");
    assert_eq!(crate::support::rows(&mut session, "select 1").await, ["1"]);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped() {
    let world = world();
    let mut session = world.session();
    tag(&mut session, "set statement_timeout to 20").await;
    let endless = format!("select count(*) from ({MANY}) as a, ({MANY}) as b where a.n * b.n = -1");
    assert_eq!(error(&mut session, &endless).await.sqlstate, "57014");
    tag(&mut session, "set statement_timeout to 0").await;
    assert_eq!(rows(&mut session, "select 1").await, ["1"]);
}

#[tokio::test]
async fn a_cursor_reads_only_what_is_fetched() {
    let (_dir, engine) = small(16 << 20);
    let mut session = session_of(&engine);
    tag(
        &mut session,
        &format!("begin; declare c cursor for select n, repeat('x', 100) from ({MANY}) as m"),
    )
    .await;
    assert_eq!(rows(&mut session, "fetch 2 from c").await.len(), 2);
    assert_eq!(rows(&mut session, "fetch forward 10000 from c").await.len(), 10_000);
    tag(&mut session, "close c; commit").await;
}
