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

/// What one option of COPY makes of a file: the columns of the table, the file, the options, the rows.
const OPTIONS: &[(&str, &[u8], &str, &[&str])] = &[
    ("id int, t varchar(9)", b"1\ta\n", r"delimiter '\t'", &["1|a"]),
    ("id int, t varchar(9)", b"1\x01a\n", r"delimiter as '\001'", &["1|a"]),
    ("id int, t varchar(9)", b"1,%a,%%b%\n", "csv quote as '%'", &["1|a,%b"]),
    (
        "id int, t varchar(9)",
        b"1;\"a;b\"\n",
        "delimiter ';' removequotes",
        &["1|a;b"],
    ),
    ("id int, t varchar(9)", b"1|a\\|b\n", "escape", &["1|a|b"]),
    ("id int, t varchar(9)", b"id|t\n1|a\n", "ignoreheader as 1", &["1|a"]),
    (
        "id int, t varchar(9)",
        b"1|NULL\nNULL|b\n",
        "null as 'NULL'",
        &["1|null", "null|b"],
    ),
    ("id int, t varchar(9)", b"1|\\N\n", "", &["1|null"]),
    ("d date", b"31.12.2023\n", "dateformat as 'DD.MM.YYYY'", &["2023-12-31"]),
    (
        "at timestamp",
        b"2023/02/28 11-05-06\n",
        "timeformat 'YYYY/MM/DD HH24-MI-SS'",
        &["2023-02-28 11:05:06"],
    ),
    (
        "at timestamp",
        b"1700000000\n",
        "timeformat 'epochsecs'",
        &["2023-11-14 22:13:20"],
    ),
    (
        "at timestamp",
        b"1700000000123\n",
        "timeformat 'epochmillisecs'",
        &["2023-11-14 22:13:20.123"],
    ),
    (
        "d date",
        b"2023-12-31\nnever\n",
        "dateformat 'YYYY-MM-DD' acceptanydate",
        &["2023-12-31", "null"],
    ),
    ("t varchar(9)", b"a\xffb\n", "acceptinvchars", &["a?b"]),
    ("t varchar(9)", b"a\xe2\x82b\n", "acceptinvchars as '^'", &["a^^b"]),
    ("id int, t varchar(9)", b"1|  \n2|\n", "blanksasnull", &["1|null", "2|"]),
    (
        "id int, t varchar(9)",
        b"1|  \n2|\n",
        "emptyasnull",
        &["1|  ", "2|null"],
    ),
    (
        "id int, t varchar(9), u int",
        b"1|a\n2|b|3\n",
        "fillrecord",
        &["1|a|null", "2|b|3"],
    ),
    ("t varchar(9)", b"a  \n", "trimblanks", &["a"]),
    ("t varchar(3)", b"abcdef\n", "truncatecolumns", &["abc"]),
    (
        "id int, t varchar(9)",
        b"1|a\n\n2|b\n",
        "ignoreblanklines",
        &["1|a", "2|b"],
    ),
    ("id int, t varchar(9)", b"1|a\nx|b\n", "maxerror as 1", &["1|a"]),
    ("id int", b"1\n", "noload", &[]),
    (
        "id int",
        b"1\n",
        "region as 'eu-west-1' compupdate off statupdate on comprows 1000 encoding utf8",
        &["1"],
    ),
    (
        "id int, t varchar(9)",
        b"{\"ID\": 1, \"T\": \"a\"}",
        "json 'auto ignorecase'",
        &["1|a"],
    ),
    (
        "id int, t varchar(9)",
        b"{\"ID\": 1, \"t\": \"a\"}",
        "format as json 'auto'",
        &["null|a"],
    ),
];

#[tokio::test]
async fn every_option_does_its_part() {
    for (columns, file, options, expected) in OPTIONS {
        let world = world();
        world.lake.put("raw", "c/1", *file);
        let mut s = world.session();
        tag(&mut s, &format!("create table t ({columns})")).await;
        tag(&mut s, &format!("copy t {FROM} {options}")).await;
        assert_eq!(rows(&mut s, "select * from t order by 1").await, *expected, "{options}");
    }
}

#[tokio::test]
async fn without_its_option_the_same_file_is_refused() {
    let refused: &[(&str, &[u8], &str, &str)] = &[
        ("t varchar(9)", b"a\xffb\n", "", "invalid or unsupported UTF8"),
        ("id int, t varchar(9), u int", b"1|a\n", "", "Delimiter not found"),
        ("t varchar(3)", b"abcdef\n", "", "String length exceeds DDL length"),
        ("id int", b"1|2\n", "", "Extra column(s) found"),
        ("id int not null", b"\\N\n", "", "Missing data for not-null field"),
        (
            "d date",
            b"31.12.2023\n",
            "dateformat 'YYYY-MM-DD'",
            "Invalid Date Format",
        ),
    ];
    for (columns, file, options, reason) in refused {
        let world = world();
        world.lake.put("raw", "c/1", *file);
        let mut s = world.session();
        tag(&mut s, &format!("create table t ({columns})")).await;
        assert!(
            error(&mut s, &format!("copy t {FROM} {options}"))
                .await
                .message
                .contains("stl_load_errors")
        );
        for (table, reasons) in [
            ("stl_load_errors", "err_reason"),
            ("sys_load_error_detail", "error_message"),
        ] {
            let noted = rows(&mut s, &format!("select line_number, {reasons} from {table}")).await;
            assert!(
                noted.len() == 1 && noted[0].starts_with("1|") && noted[0].contains(reason),
                "{noted:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_manifest_names_the_files_and_a_prefix_begins_their_names() {
    let world = world();
    for (key, text) in [("c/a1", "1\n"), ("c/a2", "2\n"), ("c/b1", "3\n"), ("d/x", "4\n")] {
        world.lake.put("raw", key, text);
    }
    let manifest = |second: &str| {
        format!(
            r#"{{"entries": [{{"url": "s3://raw/c/a1", "mandatory": true}}, {{"url": "s3://raw/{second}", "mandatory": false}}, {{"url": "s3://raw/d/x"}}]}}"#
        )
    };
    world.lake.put("raw", "m/there", manifest("c/b1"));
    world.lake.put("raw", "m/gone", manifest("c/gone"));
    world.lake.put(
        "raw",
        "m/missing",
        r#"{"entries": [{"url": "s3://raw/c/gone", "mandatory": true}]}"#,
    );
    let mut s = world.session();
    tag(&mut s, "create table t (id int)").await;
    for (from, options, expected) in [
        ("c/a", "", "1,2"),
        ("c/", "", "1,2,3"),
        ("m/there", "manifest", "1,3,4"),
        ("m/gone", "manifest", "1,4"),
    ] {
        tag(
            &mut s,
            &format!("truncate t; copy t from 's3://raw/{from}' iam_role default {options}"),
        )
        .await;
        assert_eq!(
            rows(&mut s, "select listagg(id, ',') within group (order by id) from t").await,
            [expected],
            "{from}"
        );
    }
    let missing = error(&mut s, "copy t from 's3://raw/m/missing' iam_role default manifest").await;
    assert!(missing.message.contains("s3://raw/c/gone"), "{missing}");
    let nothing = error(&mut s, "copy t from 's3://raw/none' iam_role default").await;
    assert_eq!(nothing.message, "The specified S3 prefix 'none' does not exist");
}

#[tokio::test]
async fn zstd_is_read_and_identities_may_be_given() {
    let world = world();
    world
        .lake
        .put("raw", "c/1.zst", zstd::encode_all(&b"7|a\n9|b\n"[..], 1).unwrap());
    let mut s = world.session();
    tag(&mut s, "create table t (k bigint identity(1,1), t varchar(9))").await;
    tag(&mut s, &format!("copy t {FROM} zstd explicit_ids")).await;
    assert_eq!(rows(&mut s, "select * from t order by k").await, ["7|a", "9|b"]);
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
    for options in [
        "fixedwidth 'id:3'",
        "format orc",
        "bzip2",
        "format json 'noshred'",
        "roundec",
    ] {
        let refused = error(&mut s, &format!("copy t {FROM} {options}")).await;
        assert_eq!(refused.sqlstate, "0A000", "{options}: {refused}");
    }
}

#[tokio::test]
async fn instants_without_a_zone_are_read_in_the_sessions() {
    let world = world();
    let files = [
        (
            "1|2024-01-15 12:00:00|2024-01-15 12:00:00\n2|2024-07-15 12:00:00+02|\n",
            "delimiter '|'",
        ),
        (
            "3|15.07.2024 12:00:00|15.07.2024 12:00:00\n",
            "delimiter '|' timeformat 'DD.MM.YYYY HH24:MI:SS'",
        ),
        ("4|1705320000|\n", "delimiter '|' timeformat 'epochsecs'"),
        ("5,2024-01-15 12:00:00-03:30,2024-01-15 12:00:00\n", "format csv"),
        (r#"{"id": 6, "tz": "2024-01-15", "ts": null}"#, "json 'auto'"),
    ];
    let mut s = world.session();
    tag(&mut s, "create table t (id int, tz timestamptz, ts timestamp)").await;
    tag(&mut s, "set timezone to 'America/New_York'").await;
    for (text, options) in files {
        world.lake.put("raw", "c/1", text);
        tag(&mut s, &format!("copy t {FROM} {options}")).await;
    }
    tag(&mut s, "set timezone to 'UTC'").await;
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        [
            "1|2024-01-15 17:00:00+00|2024-01-15 12:00:00",
            "2|2024-07-15 10:00:00+00|null",
            "3|2024-07-15 16:00:00+00|2024-07-15 12:00:00",
            "4|2024-01-15 12:00:00+00|null",
            "5|2024-01-15 15:30:00+00|2024-01-15 12:00:00",
            "6|2024-01-15 05:00:00+00|null",
        ]
    );
}
