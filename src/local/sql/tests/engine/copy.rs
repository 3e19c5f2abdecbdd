//! COPY from buckets.

use crate::support::{error, rows, tag, world};

const FROM: &str = "from 's3://raw/c/' iam_role 'arn:aws:iam::123456789012:role/r'";

#[tokio::test]
async fn delimited_files_are_loaded_with_their_options() {
    let world = world();
    world
        .lake
        .put("raw", "c/1.txt", "id|at|name\n1|01/02/2020 03:04:05|a\n2||\\N\n");
    world
        .lake
        .put("raw", "c/2.txt", "id|at|name\n3|12/31/2021 23:00:00|  \n");
    let mut s = world.session();
    tag(
        &mut s,
        "create table t (k int identity(1,1), id int, at timestamp, name varchar(10))",
    )
    .await;
    let load = format!(
        "copy t {FROM} delimiter '|' ignoreheader 1 timeformat 'MM/DD/YYYY HH24:MI:SS' blanksasnull region 'us-west-2' compupdate off"
    );
    assert_eq!(tag(&mut s, &load).await, "COPY");
    assert_eq!(
        rows(&mut s, "select id, at, name from t order by id").await,
        ["1|2020-01-02 03:04:05|a", "2|null|null", "3|2021-12-31 23:00:00|null"]
    );
    assert_eq!(rows(&mut s, "select pg_last_copy_count()").await, ["3"]);
}

#[tokio::test]
async fn csv_may_quote_line_feeds_and_gzip_is_read() {
    use std::io::Write;
    let world = world();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"1,\"a\nb\",\"x\"\"y\"\r\n2,,z\r\n").unwrap();
    world.lake.put("raw", "c/x.csv.gz", gzip.finish().unwrap());
    let mut s = world.session();
    tag(&mut s, "create table t (id int, a varchar(10), b varchar(10))").await;
    tag(&mut s, &format!("copy t {FROM} format as csv gzip emptyasnull")).await;
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        ["1|a\nb|x\"y", "2|null|z"]
    );
}

#[tokio::test]
async fn json_is_matched_by_name_or_by_path() {
    let world = world();
    world.lake.put(
        "raw",
        "c/1.json",
        "{\"id\": 1, \"name\": \"a\", \"ts\": 1541106106796}\n{\"id\": 2, \"extra\": {\"x\": [5]}}",
    );
    world.lake.put(
        "raw",
        "paths.json",
        r#"{"jsonpaths": ["$.id", "$['extra']['x'][0]", "$.ts"]}"#,
    );
    let mut s = world.session();
    tag(&mut s, "create table t (id int, name varchar(5), ts timestamp)").await;
    tag(
        &mut s,
        &format!("copy t {FROM} json 'auto' timeformat as 'epochmillisecs'"),
    )
    .await;
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        ["1|a|2018-11-01 21:01:46.796", "2|null|null"]
    );
    tag(
        &mut s,
        &format!("delete from t; copy t {FROM} format as json 's3://raw/paths.json' timeformat 'epochmillisecs'"),
    )
    .await;
    assert_eq!(
        rows(&mut s, "select id, name from t order by id").await,
        ["1|null", "2|5"]
    );
}

#[tokio::test]
async fn bad_records_are_noted_and_fail_the_load_beyond_maxerror() {
    let world = world();
    world.lake.put("raw", "c/1.txt", "1|abc\nx|abc\n3|abcdef\n4\n");
    let mut s = world.session();
    tag(&mut s, "create table t (id int, name varchar(3))").await;
    let failed = error(&mut s, &format!("copy t {FROM}")).await;
    assert_eq!(
        failed.message,
        "Load into table 't' failed.  Check 'stl_load_errors' system table for details."
    );
    assert_eq!(
        rows(
            &mut s,
            "select line_number, trim(colname), trim(err_reason) from stl_load_errors order by 1"
        )
        .await,
        [
            "2|id|Invalid digit, Value 'x', Pos 0, Type: Integer",
            "3|name|String length exceeds DDL length",
            "4||Delimiter not found"
        ]
    );
    tag(&mut s, &format!("copy t {FROM} maxerror 3")).await;
    assert_eq!(rows(&mut s, "select * from t").await, ["1|abc"]);
    tag(
        &mut s,
        &format!("truncate t; copy t {FROM} fillrecord truncatecolumns maxerror 1"),
    )
    .await;
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        ["1|abc", "3|abc", "4|null"]
    );
}

#[tokio::test]
async fn formats_that_are_not_there_are_refused() {
    let world = world();
    let mut s = world.session();
    tag(&mut s, "create table t (id int)").await;
    assert_eq!(
        error(&mut s, &format!("copy t {FROM} format avro 'auto'"))
            .await
            .sqlstate,
        "0A000"
    );
    assert_eq!(
        error(&mut s, &format!("copy t {FROM} fixedwidth 'id:3'"))
            .await
            .sqlstate,
        "0A000"
    );
}
