//! Native tables: DDL, DML, transactions, views, durability.

use crate::support::{columns, error, open, rows, tag, world};

#[tokio::test]
async fn a_table_lives_through_insert_update_delete() {
    let world = world();
    let mut s = world.session();
    tag(
        &mut s,
        "create table t (id int not null, name varchar(5), amount numeric(10,2) default 1.5)",
    )
    .await;
    assert_eq!(
        tag(&mut s, "insert into t values (1, 'a', 10), (2, 'b', 20.005)").await,
        "INSERT 0 2"
    );
    assert_eq!(tag(&mut s, "insert into t (id) values (3)").await, "INSERT 0 1");
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        ["1|a|10.00", "2|b|20.01", "3|null|1.50"]
    );
    assert_eq!(
        tag(&mut s, "update t set amount = amount * 2, name = 'z' where id = 2").await,
        "UPDATE 1"
    );
    assert_eq!(tag(&mut s, "delete from t where id = 1").await, "DELETE 1");
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        ["2|z|40.02", "3|null|1.50"]
    );
    assert_eq!(
        columns(&mut s, "select * from t").await,
        "id int4, name varchar, amount numeric"
    );
}

#[tokio::test]
async fn declared_types_are_enforced() {
    let world = world();
    let mut s = world.session();
    tag(
        &mut s,
        "create table t (v varchar(3), c char(3), n numeric(4,1), k int not null)",
    )
    .await;
    assert_eq!(
        error(&mut s, "insert into t values ('abcd', 'a', 1, 1)").await.sqlstate,
        "22001"
    );
    assert_eq!(
        error(&mut s, "insert into t values ('é é', 'a', 1, 1)").await.sqlstate,
        "22001"
    );
    assert_eq!(
        error(&mut s, "insert into t values ('a', 'a', 12345, 1)")
            .await
            .sqlstate,
        "22003"
    );
    assert_eq!(
        error(&mut s, "insert into t values ('a', 'a', 1, null)").await.sqlstate,
        "23502"
    );
    tag(&mut s, "insert into t values ('ab    ', 'x', 1.25, 1)").await;
    assert_eq!(
        rows(&mut s, "select v || '!', c, len(c), n, c = 'x  ' from t").await,
        ["ab !|x  |1|1.3|t"]
    );
}

#[tokio::test]
async fn delete_using_update_from_and_merge_find_their_rows() {
    let world = world();
    let mut s = world.session();
    tag(
        &mut s,
        "create schema w; create table w.t (id int, v int); insert into w.t values (1,1),(2,2),(3,3),(4,4)",
    )
    .await;
    tag(
        &mut s,
        "create temp table x (id int, v int); insert into x values (2,20),(3,30),(9,90)",
    )
    .await;
    assert_eq!(
        tag(&mut s, "update w.t set v = x.v from x where t.id = x.id and x.id = 2").await,
        "UPDATE 1"
    );
    assert_eq!(
        tag(&mut s, "delete from w.t using x where w.t.id = x.id and x.id = 3").await,
        "DELETE 1"
    );
    assert_eq!(
        rows(&mut s, "select * from w.t order by 1").await,
        ["1|1", "2|20", "4|4"]
    );
    tag(
        &mut s,
        "merge into \"dev\".\"w\".\"t\" using x as src on (\"dev\".\"w\".\"t\".id = src.id) when matched then update set v = src.v + 1 \
         when not matched then insert (id, v) values (src.id, src.v)",
    )
    .await;
    assert_eq!(
        rows(&mut s, "select * from w.t order by 1").await,
        ["1|1", "2|21", "3|30", "4|4", "9|90"]
    );
    assert_eq!(
        tag(
            &mut s,
            "delete from w.t where (id, v) in (select distinct id, v from x as src)"
        )
        .await,
        "DELETE 2"
    );
}

#[tokio::test]
async fn what_was_committed_survives_a_reopening_and_nothing_else_does() {
    let world = world();
    let mut s = world.session();
    tag(&mut s, "create table t as select 1 as a union all select 2").await;
    tag(&mut s, "delete from t where a = 1").await;
    tag(&mut s, "begin; insert into t values (5)").await;
    drop(s);
    let crate::support::World { dir, lake, engine } = world;
    drop(engine);
    let engine = open(&dir, &lake);
    let world = crate::support::World { dir, lake, engine };
    let mut s = world.session();
    assert_eq!(rows(&mut s, "select * from t").await, ["2"]);
    assert_eq!(std::fs::read_dir(world.dir.path().join("segments")).unwrap().count(), 1);
}

#[tokio::test]
async fn transactions_see_their_snapshot_and_lose_the_race_with_1023() {
    let world = world();
    let (mut a, mut b) = (world.session(), world.session());
    tag(&mut a, "create table t (x int); insert into t values (1)").await;
    tag(&mut a, "begin").await;
    assert_eq!(rows(&mut a, "select count(*) from t").await, ["1"]);
    tag(&mut b, "insert into t values (2)").await;
    assert_eq!(rows(&mut a, "select count(*) from t").await, ["1"]);
    let lost = error(&mut a, "update t set x = 0").await;
    assert_eq!((lost.sqlstate.as_str(), lost.message.as_str()), ("40001", "1023"));
    assert_eq!(error(&mut a, "select 1").await.sqlstate, "25P02");
    tag(&mut a, "rollback").await;
    assert_eq!(rows(&mut a, "select count(*) from t").await, ["2"]);
    tag(
        &mut a,
        "begin; create table u (x int); insert into u values (1); rollback",
    )
    .await;
    assert_eq!(error(&mut a, "select * from u").await.sqlstate, "42P01");
}

#[tokio::test]
async fn bound_views_follow_identity_and_late_ones_follow_names() {
    let world = world();
    let mut s = world.session();
    tag(&mut s, "create table t (a int, b int); insert into t values (1, 2)").await;
    tag(&mut s, "create view v as select * from t").await;
    tag(
        &mut s,
        "create view lv as select a from public.t with no schema binding",
    )
    .await;
    assert_eq!(error(&mut s, "drop table t").await.sqlstate, "2BP01");
    tag(&mut s, "alter table t rename to t_old; create table t as select 7 as a").await;
    assert_eq!(rows(&mut s, "select * from v").await, ["1|2"]);
    assert_eq!(rows(&mut s, "select * from lv").await, ["7"]);
    tag(&mut s, "alter table t_old add column c int default 3").await;
    assert_eq!(rows(&mut s, "select * from v").await, ["1|2"]);
    assert_eq!(rows(&mut s, "select * from t_old").await, ["1|2|3"]);
    tag(&mut s, "drop table t_old cascade").await;
    assert_eq!(error(&mut s, "select * from v").await.sqlstate, "42P01");
    tag(&mut s, "drop table t").await;
    assert_eq!(error(&mut s, "select * from lv").await.sqlstate, "42P01");
    tag(&mut s, "drop view lv").await;
}

#[tokio::test]
async fn physical_clauses_identity_and_like_are_kept() {
    let world = world();
    let mut s = world.session();
    tag(&mut s, "create table other (name text unique)").await;
    tag(
        &mut s,
        "create table if not exists t (id bigint identity(10,5) encode az64, name text encode lzo distkey, at timestamp default getdate() sortkey, \
         primary key (id), foreign key (name) references other (name)) backup no",
    )
    .await;
    tag(
        &mut s,
        "insert into t (name) values ('a'), ('b'); insert into t (name) values ('c')",
    )
    .await;
    assert_eq!(
        rows(&mut s, "select id, name from t order by id").await,
        ["10|a", "15|b", "20|c"]
    );
    tag(&mut s, "create temp table l (like t including defaults)").await;
    assert_eq!(
        rows(&mut s, "select \"column\", type, distkey, sortkey from pg_table_def where tablename = 't' and schemaname = 'public'").await,
        ["id|bigint|f|0", "name|character varying(256)|t|0", "at|timestamp without time zone|f|1"]
    );
    assert_eq!(
        error(&mut s, "insert into t values (1, 'x', null)").await.sqlstate,
        "0A000"
    );
}

#[tokio::test]
async fn unsupported_statements_are_refused_by_name() {
    let world = world();
    let mut s = world.session();
    for sql in [
        "create materialized view m as select 1",
        "create procedure p() as $$ begin end $$ language plpgsql",
        "call p()",
        "unload ('select 1') to 's3://b/k' iam_role 'x'",
        "create table t (a geometry)",
        "select * from (select 1 a) pivot (sum(a) for a in (1))",
    ] {
        assert_eq!(error(&mut s, sql).await.sqlstate, "0A000", "{sql}");
    }
    let wrong = error(&mut s, "select 1;\nselect from where").await;
    assert_eq!((wrong.sqlstate.as_str(), wrong.position.is_some()), ("42601", true));
}

#[tokio::test]
async fn show_table_says_what_can_be_said_again() {
    let world = world();
    let mut s = world.session();
    tag(
        &mut s,
        "create table makers (country char(2), id int, primary key (country, id))",
    )
    .await;
    let text = "CREATE TABLE public.goods (
    id integer NOT NULL ENCODE az64,
    at timestamp without time zone DEFAULT getdate(),
    maker integer distkey,
    origin character(2),
    PRIMARY KEY (id),
    FOREIGN KEY (origin, maker) REFERENCES makers(country, id)
)
DISTSTYLE KEY
SORTKEY ( at, id );";
    for _ in 0..2 {
        tag(&mut s, text).await;
        assert_eq!(rows(&mut s, "show table goods").await, [text]);
        tag(&mut s, "drop table goods").await;
    }
}
