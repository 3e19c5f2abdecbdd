//! Redshift's way with queries: aliases, names, types, session functions, SHOW.

use crate::support::{columns, error, rows, tag, world};

#[tokio::test]
async fn aliases_are_seen_sideways_and_columns_of_from_win() {
    let world = world();
    let mut s = world.session();
    tag(
        &mut s,
        "create table t (a int, b int); insert into t values (1, 10), (2, 20)",
    )
    .await;
    assert_eq!(
        rows(&mut s, "select a * 2 as x, x + 1 as y, x + y from t where x > 2").await,
        ["4|5|9"]
    );
    assert_eq!(
        rows(&mut s, "select a + 100 as b, b + 1 from t order by a").await,
        ["101|11", "102|21"]
    );
    assert_eq!(
        rows(&mut s, "select sum(b) as total, total / count(*) from t").await,
        ["30|15"]
    );
    assert_eq!(
        rows(&mut s, "select b as k, count(*) from t group by k order by k desc").await,
        ["20|1", "10|1"]
    );
}

#[tokio::test]
async fn outputs_are_named_and_typed_as_redshift_does() {
    let world = world();
    let mut s = world.session();
    assert_eq!(
        columns(
            &mut s,
            "select 1, 'a', count(*), max(2), 1.5, 1::bigint, 1 = 1, getdate(), current_date, 'x'::varchar(3) as v"
        )
        .await,
        "?column? int4, ?column? varchar, count int8, max int4, ?column? numeric, int8 int8, ?column? bool, getdate timestamp, date date, v varchar"
    );
    assert_eq!(
        columns(
            &mut s,
            "select avg(x), sum(x), avg(y), sum(y) from (select 1 as x, 1.25 as y)"
        )
        .await,
        "avg int8, sum int8, avg numeric, sum numeric"
    );
    assert_eq!(
        rows(
            &mut s,
            "select avg(x), sum(y), count(distinct y) from (select 1 as x, 1.25 as y union all select 2, 1.25)"
        )
        .await,
        ["1|2.50|1"]
    );
}

#[tokio::test]
async fn two_columns_of_one_name_live_together() {
    let world = world();
    let mut s = world.session();
    tag(&mut s, "create table a (id int, v int); create table b (id int, w int); insert into a values (1,2); insert into b values (1,3)").await;
    assert_eq!(
        columns(&mut s, "select * from a join b on a.id = b.id").await,
        "id int4, v int4, id int4, w int4"
    );
    assert_eq!(
        rows(&mut s, "select * from (select * from a join b on a.id = b.id)").await,
        ["1|2|1|3"]
    );
    assert_eq!(
        columns(&mut s, "select * from a join b using (id)").await,
        "id int4, v int4, w int4"
    );
    assert_eq!(
        rows(
            &mut s,
            "select public.a.v, dev.public.b.w from public.a, dev.public.b where a.id = b.id"
        )
        .await,
        ["2|3"]
    );
}

#[tokio::test]
async fn recursion_windows_qualify_and_set_operators_work() {
    let world = world();
    let mut s = world.session();
    assert_eq!(
        rows(
            &mut s,
            "with recursive n(x) as (select 1 union all select x + 1 from n where x < 4) select sum(x) from n"
        )
        .await,
        ["10"]
    );
    let numbers = "(select 1 as x union all select 2 union all select 3)";
    assert_eq!(
        rows(
            &mut s,
            &format!("select x, row_number() over (order by x desc) as r from {numbers} qualify r = 1")
        )
        .await,
        ["3|1"]
    );
    assert_eq!(rows(&mut s, &format!("select x, lag(x, 1) over (order by x), sum(x) over (order by x rows between 1 preceding and current row) from {numbers} order by 1")).await, ["1|null|1", "2|1|3", "3|2|5"]);
    assert_eq!(
        rows(&mut s, &format!("select x from {numbers} minus select 2 order by 1")).await,
        ["1", "3"]
    );
    assert_eq!(
        rows(&mut s, &format!("select top 1 x from {numbers} order by x desc")).await,
        ["3"]
    );
    assert_eq!(
        rows(
            &mut s,
            &format!("select listagg(x, '-') within group (order by x desc), median(x) from {numbers}")
        )
        .await,
        ["3-2-1|2.0"]
    );
}

#[tokio::test]
async fn settings_are_shown_set_and_reset() {
    let world = world();
    let mut s = world.session();
    assert_eq!(rows(&mut s, "show search_path").await, ["$user, public"]);
    tag(
        &mut s,
        "create schema w; set search_path to w, public; create table t (a int)",
    )
    .await;
    assert_eq!(
        rows(
            &mut s,
            "select table_schema from information_schema.tables where table_name = 't'"
        )
        .await,
        ["w"]
    );
    assert_eq!(
        rows(&mut s, "select current_schema(), current_database(), current_user").await,
        ["w|dev|awsuser"]
    );
    assert_eq!(tag(&mut s, "reset search_path").await, "RESET");
    assert_eq!(error(&mut s, "set no_such_thing to 1").await.sqlstate, "42704");
}

#[tokio::test]
async fn errors_have_the_usual_states() {
    let world = world();
    let mut s = world.session();
    tag(&mut s, "create table t (a int)").await;
    for (sql, state) in [
        ("select * from nowhere", "42P01"),
        ("select nothing from t", "42703"),
        ("select no_function(1)", "42883"),
        ("select 1/0", "22012"),
        ("select 2147483647 + 1", "22003"),
        ("select 9223372036854775807 * 2", "22003"),
        ("select 'x'::int", "22P02"),
        ("select * from no_schema.t", "3F000"),
        ("create table t (b int)", "42P07"),
        ("drop table nowhere", "42P01"),
        ("selec 1", "42601"),
    ] {
        assert_eq!(error(&mut s, sql).await.sqlstate, state, "{sql}");
    }
}

#[tokio::test]
async fn cursors_are_fetched_in_pieces() {
    let world = world();
    let mut s = world.session();
    tag(
        &mut s,
        "begin; declare c cursor for select 1 as x union all select 2 union all select 3 order by 1",
    )
    .await;
    assert_eq!(rows(&mut s, "fetch forward 2 from c").await, ["1", "2"]);
    assert_eq!(rows(&mut s, "fetch all from c").await, ["3"]);
    tag(&mut s, "close c; commit").await;
    assert_eq!(error(&mut s, "fetch 1 from c").await.sqlstate, "34000");
}

#[tokio::test]
async fn the_catalog_lists_the_casts_that_there_are() {
    let world = world();
    let mut session = world.session();
    let pairs = rows(
        &mut session,
        "select format_type(a.oid, null), format_type(b.oid, null), castsource is not null
        from pg_type a cross join pg_type b left join pg_cast on castsource = a.oid and casttarget = b.oid
        where a.typtype = 'b' and b.typtype = 'b' and a.oid <> b.oid
        and a.oid in (select castsource from pg_cast) and b.oid in (select casttarget from pg_cast) order by 1, 2",
    )
    .await;
    let (mut listed, mut wrong) = (0, Vec::new());
    for pair in pairs {
        let [from, to, known] = pair.split('|').collect::<Vec<_>>().try_into().unwrap();
        let (from, to, known) = (from.trim_matches('"'), to.trim_matches('"'), known == "t");
        listed += usize::from(known);
        let works = session
            .run(&format!("select cast(cast(null as {from}) as {to})"), &[])
            .await;
        if works.is_ok() != known {
            let said = works.map_or_else(|error| error.to_string(), |_| "works".into());
            wrong.push(format!("{from} to {to}: {said}"));
        }
    }
    assert!(listed > 100, "{listed}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
