//! The process dies at any instant: what was acknowledged is there afterwards, what was not is there whole or not at
//! all. The disk is copied right before and right after each fsync, and every copy is opened as a warehouse.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use lakeform_sql::{Engine, EngineOptions, Watch};

use crate::memory::MemoryLake;
use crate::support::{rows, session_of, tag};

/// A copy of the disk, and how many transactions had been acknowledged when it was made.
struct Crash {
    dir: PathBuf,
    acknowledged: u64,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn open(dir: &Path, watch: Watch) -> Arc<Engine> {
    let options = EngineOptions {
        parallelism: 1,
        watch,
        ..EngineOptions::default()
    };
    Engine::open(dir, Arc::new(MemoryLake::default()), options).unwrap()
}

#[tokio::test]
async fn no_instant_loses_what_was_acknowledged_or_shows_half_a_transaction() {
    let scratch = tempfile::tempdir().unwrap();
    let warehouse = scratch.path().join("warehouse");
    drop(open(&warehouse, Watch::default()));
    let crashes: Arc<Mutex<Vec<Crash>>> = Arc::default();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let watch = {
        let (crashes, acknowledged, warehouse) = (crashes.clone(), acknowledged.clone(), warehouse.clone());
        let copies = scratch.path().join("copies");
        Watch::new(move || {
            let mut crashes = crashes.lock().unwrap();
            let dir = copies.join(crashes.len().to_string());
            copy(&warehouse, &dir);
            crashes.push(Crash {
                dir,
                acknowledged: acknowledged.load(Ordering::SeqCst),
            });
        })
    };
    {
        let engine = open(&warehouse, watch);
        let mut session = session_of(&engine);
        // Each leaves the same number in both tables, by another kind of statement each time.
        let transactions = [
            "create table a (n int, t varchar(10)); create table b (n int)",
            "insert into a values (1, 'x'); insert into b values (1)",
            "insert into a select n + 1, t from a; insert into b values (2)",
            "update a set t = 'y' where n = 1; insert into a values (3, 'z'); insert into b values (3)",
            "delete from a where n = 1; insert into a values (1, 'w'), (4, 'v'); insert into b values (4)",
            "alter table a add column extra int default 7; insert into a (n) values (5); insert into b values (5)",
            "create table c as select n from b; drop table b; alter table c rename to b; insert into b values (6); \
             insert into a (n) values (6)",
            "merge into a using (select 7 as n) as s on a.n = s.n when matched then update set t = 'm' when not matched \
             then insert (n) values (s.n); insert into b values (7)",
        ];
        for sql in transactions {
            tag(&mut session, sql).await;
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
    let crashes = std::mem::take(&mut *crashes.lock().unwrap());
    assert!(crashes.len() >= 40, "{} instants", crashes.len());
    for (instant, crash) in crashes.iter().enumerate() {
        let engine = open(&crash.dir, Watch::default());
        let mut session = session_of(&engine);
        let tables = rows(
            &mut session,
            "select count(*) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where n.nspname = 'public'",
        )
        .await;
        let seen = if tables == ["0"] {
            0
        } else {
            assert_eq!(tables, ["2"], "instant {instant}");
            let a = rows(
                &mut session,
                "select count(*), count(distinct n), coalesce(max(n), 0) from a",
            )
            .await;
            let b = rows(
                &mut session,
                "select count(*), count(distinct n), coalesce(max(n), 0) from b",
            )
            .await;
            assert_eq!(a, b, "instant {instant}");
            let highest: u64 = b[0].rsplit('|').next().unwrap().parse().unwrap();
            assert_eq!(b[0], format!("{highest}|{highest}|{highest}"), "instant {instant}");
            highest + 1
        };
        assert!(
            seen == crash.acknowledged || seen == crash.acknowledged + 1,
            "instant {instant}: {} were acknowledged, {seen} are there",
            crash.acknowledged
        );
        // And the warehouse goes on from there.
        tag(&mut session, "create table after_crash as select 1 as one").await;
        drop((session, engine));
        std::fs::remove_dir_all(&crash.dir).unwrap();
    }
}
