//! SUPER where more than SQL is needed to see it: types that clients are told, restarts, limits.

use crate::support::{columns, error, open, rows, tag, world};

#[tokio::test]
async fn documents_outlive_the_engine() {
    let world = world();
    let mut s = world.session();
    let document = r#"{"b":[1,2.50,"é"],"a":{}}"#;
    tag(&mut s, "create table t (id int, doc super default json_parse('[0]'))").await;
    tag(
        &mut s,
        &format!("insert into t values (1, json_parse('{document}')), (2, null)"),
    )
    .await;
    tag(&mut s, "create view v as select doc as d from t where id = 1").await;
    let (dir, lake) = (world.dir, world.lake);
    drop((s, world.engine));
    let engine = open(&dir, &lake);
    let mut s = crate::support::session_of(&engine);
    tag(&mut s, "insert into t (id) values (3)").await;
    let expected = [format!("1|{document}"), "2|null".into(), "3|[0]".into()];
    assert_eq!(rows(&mut s, "select * from t order by id").await, expected);
    assert_eq!(rows(&mut s, "select * from v").await, [document]);
    assert_eq!(columns(&mut s, "select * from t").await, "id int4, doc super");
}

#[tokio::test]
async fn clients_are_told_of_super_wherever_it_comes_from() {
    let world = world();
    let mut s = world.session();
    tag(&mut s, "create table t (id int, doc super)").await;
    for sql in [
        "select doc from t",
        "select doc from t union all select 'text'",
        "select 1 as doc union select doc from t",
        "select case when id = 1 then 'text' else doc end as doc from t",
        "select coalesce('text', doc) as doc from t",
        "select nvl(doc, 1) as doc from t",
        "select decode(id, 1, doc, 2, true) as doc from t",
        "select lag(doc) over (order by id) as doc from t",
        "select doc from t group by doc",
        "select distinct doc from t",
        "select column1 as doc from (values (json_parse('1')), (json_parse('[]'))) as v",
        "with recursive r (doc, n) as (select doc, 1 from t union all select 'text', n + 1 from r where n < 3) select doc from r",
        "with recursive r (doc, n) as (select doc, 1 from t union all select doc, n + 1 from r where n < 3) select doc from r",
    ] {
        assert_eq!(columns(&mut s, sql).await, "doc super", "{sql}");
    }
}

#[tokio::test]
async fn a_document_has_at_most_sixteen_million_bytes() {
    let world = world();
    let mut s = world.session();
    tag(&mut s, "create table t (doc super)").await;
    for (length, fits) in [(62_496, true), (62_497, false)] {
        tag(
            &mut s,
            &format!("delete from t; insert into t select split_to_array(repeat('x', {length}))"),
        )
        .await;
        for _ in 0..7 {
            tag(&mut s, "update t set doc = array_concat(doc, doc)").await;
        }
        let last = s.run("update t set doc = array_concat(doc, doc)", &[]).await;
        // 256 strings with their quotes, commas between them and brackets around.
        let bytes = 256 * (length + 2) + 255 + 2;
        assert_eq!(last.is_ok(), fits, "{bytes}");
        assert_eq!(bytes <= 16_000_000, fits);
    }
    let large = error(&mut s, "select array_concat(doc, doc) from t").await;
    assert_eq!(
        (large.sqlstate.as_str(), large.message.as_str()),
        ("XX000", "Invalid input")
    );
    assert_eq!(large.detail.as_deref(), Some("SUPER value exceeds export size."));
    // What is no varchar is no text of one either.
    let long = error(&mut s, "select json_serialize(doc) from t").await;
    assert_eq!(
        long.detail.as_deref(),
        Some("JSON_SERIALIZE() error: the result exceeds the max size of 65535 bytes")
    );
}
