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
    match session.run_live(sql, &[]).await.unwrap().pop() {
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

/// Queries that would take hours, each busy in a way of its own: counting up, multiplying out, comparing in vain,
/// finding too much.
fn endless() -> [String; 4] {
    [
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select sum(i) from n"
            .into(),
        "select sum(a.n - b.n + c.n) from t as a cross join t as b cross join t as c".into(),
        "select count(*) from t as a join t as b on a.n::bigint * b.n = -1 join t as c on b.n < c.n".into(),
        "select sum(a.n) from t as a join t as b on a.n * 0 = b.n * 0 join t as c on a.n * 0 = c.n * 0".into(),
    ]
}

#[tokio::test]
async fn nobody_waits_for_queries_that_do_not_end() {
    let world = world();
    let mut other = world.session();
    tag(&mut other, &format!("create table t as {MANY}")).await;
    let mut ids = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    for sql in endless() {
        let mut session = world.session();
        ids.push(session.id());
        running.spawn(async move {
            let failed = error(&mut session, &sql).await;
            // The session lives on, whatever its query still does.
            (failed, rows(&mut session, "select 1").await)
        });
    }
    let active = "select count(*) from pg_stat_activity where current_query not like '%pg_stat_activity%'";
    while rows(&mut other, active).await != ["4"] {
        tokio::task::yield_now().await;
    }
    assert_eq!(rows(&mut other, "select count(*) from t where n < 10").await, ["10"]);
    assert_eq!(rows(&mut world.session(), "select 1").await, ["1"]);
    ids.iter().for_each(|id| assert!(world.engine.cancel(*id)));
    while let Some(ended) = running.join_next().await {
        let (failed, after) = ended.unwrap();
        assert_eq!((failed.sqlstate.as_str(), after), ("57014", vec!["1".to_string()]));
    }
}

#[tokio::test]
async fn a_time_limit_ends_queries_that_never_give_way() {
    let world = world();
    let mut session = world.session();
    tag(&mut session, &format!("create table t as {MANY}")).await;
    tag(&mut session, "set statement_timeout to 50").await;
    for sql in endless() {
        assert_eq!(error(&mut session, &sql).await.sqlstate, "57014", "{sql}");
    }
}

#[tokio::test]
async fn a_sort_larger_than_the_memory_goes_through_files() {
    let (_dir, engine) = small(16 << 20);
    let mut session = session_of(&engine);
    let wide = format!("create table t as select n, repeat(chr((65 + n % 26)::int), 400) as t from ({MANY}) as m");
    tag(&mut session, &wide).await;
    let mut running = live(&mut session, "select t, n from t order by t desc, n").await;
    let mut sorted = Vec::new();
    while let Some(batch) = running.next().await {
        sorted.extend(
            batch
                .unwrap()
                .into_iter()
                .map(|mut row| (row.remove(0).unwrap().text(), row[0].take().unwrap())),
        );
    }
    assert_eq!(sorted.len(), 100_000);
    let number = |cell: &lakeform_sql::Cell| cell.text().parse::<i64>().unwrap();
    let in_order =
        |pair: &[(String, lakeform_sql::Cell)]| (&pair[1].0, number(&pair[0].1)) <= (&pair[0].0, number(&pair[1].1));
    assert!(sorted.windows(2).all(in_order));
}

#[tokio::test]
async fn windows_and_groups_larger_than_the_memory_go_through_files() {
    let (_dir, engine) = small(16 << 20);
    let mut session = session_of(&engine);
    let wide = format!("create table t as select n, repeat('x', 200) || n as t from ({MANY}) as m");
    tag(&mut session, &wide).await;
    let numbered =
        "select sum(place), max(t) from (select t, row_number() over (order by t desc, n) as place from t) as w";
    let first = rows(&mut session, numbered).await;
    assert!(first[0].starts_with("5000050000|x"), "{first:?}");
    let grouped = "select count(*), sum(k) from (select t, count(*) as k from t group by t) as g";
    assert_eq!(rows(&mut session, grouped).await, ["100000|100000"]);
}

#[tokio::test]
async fn text_that_comes_out_of_joins_is_grouped_in_little_memory() {
    let (_dir, engine) = small(24 << 20);
    let mut session = session_of(&engine);
    let wide = format!("create table t as select n, n % 1000 as k, repeat('x', 200) || n as t from ({MANY}) as m");
    tag(&mut session, &wide).await;
    let keys = format!("create table k as select n as k, repeat('y', 100) || n as y from ({MANY}) as m where n < 1000");
    tag(&mut session, &keys).await;
    let grouped =
        "select count(*), sum(c) from (select t, y, count(*) as c from t join k on t.k = k.k group by t, y) as g";
    let done = tokio::time::timeout(std::time::Duration::from_secs(60), rows(&mut session, grouped)).await;
    assert_eq!(done.expect("it ends"), ["100000|100000"]);
    let greatest =
        "select count(*), max(m), max(l) from (select t.n, max(t || 'z') as l, max(t) as m from t group by t.n) as g";
    let done = tokio::time::timeout(std::time::Duration::from_secs(60), rows(&mut session, greatest)).await;
    assert!(done.expect("it ends")[0].starts_with("100000|x"));
}
