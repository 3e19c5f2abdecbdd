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
async fn json_is_loaded_whole_into_one_column() {
    use std::io::Write;
    let world = world();
    let text = "{\"b\": [1, 2.50],\n \"a\": {\"é\": null}}\n[1, {\"x\": 1e2}] {}\n";
    let expected = ["1|[1,{\"x\":1e+2}]", "2|{}", "3|{\"b\":[1,2.50],\"a\":{\"é\":null}}"];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    world.lake.put("raw", "c/plain", text);
    world.lake.put("raw", "z/gzip", gzip.finish().unwrap());
    world
        .lake
        .put("raw", "y/zstd", zstd::encode_all(text.as_bytes(), 1).unwrap());
    world.lake.put(
        "raw",
        "m",
        r#"{"entries": [{"url": "s3://raw/c/plain", "mandatory": true}]}"#,
    );
    let mut s = world.session();
    tag(&mut s, "create table t (k int identity(1,1), doc super)").await;
    tag(&mut s, "create table wide (id int default 7, doc super, more super)").await;
    for (from, options) in [("c/", ""), ("z/", "gzip"), ("y/", "zstd"), ("m", "manifest")] {
        let load =
            format!("truncate t; copy t from 's3://raw/{from}' iam_role default format json 'noshred' {options}");
        tag(&mut s, &load).await;
        let numbered = "select row_number() over (order by doc), doc from t order by 1";
        assert_eq!(rows(&mut s, numbered).await, expected, "{from}");
    }
    tag(&mut s, &format!("copy wide (more) {FROM} json 'noshred'")).await;
    assert_eq!(
        rows(
            &mut s,
            "select id, doc, more from wide where get_array_length(more) = 2"
        )
        .await,
        ["7|null|[1,{\"x\":1e+2}]"]
    );
}

#[tokio::test]
async fn whole_documents_need_one_column_of_their_type() {
    let world = world();
    world.lake.put("raw", "c/1", "{}");
    let mut s = world.session();
    tag(&mut s, "create table t (id int, doc super, text varchar(99))").await;
    for (columns, named) in [
        ("", "id integer, doc super, text character varying(99)"),
        ("(text)", "text character varying(99)"),
        ("(doc, id)", "doc super, id integer"),
    ] {
        let refused = error(&mut s, &format!("copy t {columns} {FROM} json 'noshred'")).await;
        assert_eq!(refused.sqlstate, "42804");
        assert_eq!(
            refused.message,
            "COPY JSON 'noshred' needs one target column of type super"
        );
        assert_eq!(refused.detail, Some(format!("it would load into t ({named})")));
    }
    let unknown = error(&mut s, &format!("copy t {FROM} json 'shred'")).await;
    assert_eq!(unknown.sqlstate, "22023");
}

#[tokio::test]
async fn nested_values_go_into_columns_of_super() {
    let world = world();
    let documents = r#"{"id": 1, "Doc": {"a": [1.10, "x"]}, "other": "text"}
        {"id": 2, "Doc": "text", "other": [1, 2]}
        {"id": 3, "Doc": null, "other": 12345678901234567890.5}
        {"id": 4, "other": {"b": 1, "a": 2}}"#;
    world.lake.put("raw", "c/1.json", documents);
    world
        .lake
        .put("raw", "paths", r#"{"jsonpaths": ["$.id", "$.Doc.a", "$['other'][1]"]}"#);
    let mut s = world.session();
    tag(&mut s, "create table t (id int, doc super, other varchar(99))").await;
    let mut loaded = async |option: &str| {
        tag(&mut s, &format!("truncate t; copy t {FROM} json '{option}'")).await;
        rows(&mut s, "select * from t order by id").await
    };
    assert_eq!(
        loaded("auto ignorecase").await,
        [
            r#"1|{"a":[1.10,"x"]}|text"#,
            r#"2|"text"|[1,2]"#,
            "3|null|12345678901234567890.5",
            r#"4|null|{"b":1,"a":2}"#
        ]
    );
    assert_eq!(
        loaded("auto").await,
        [
            "1|null|text",
            "2|null|[1,2]",
            "3|null|12345678901234567890.5",
            r#"4|null|{"b":1,"a":2}"#
        ]
    );
    assert_eq!(
        loaded("s3://raw/paths").await,
        [r#"1|[1.10,"x"]|null"#, "2|null|2", "3|null|null", "4|null|null"]
    );
}

#[tokio::test]
async fn bad_json_is_noted_with_its_place_and_the_rest_is_loaded() {
    let world = world();
    let lines = [
        r#"{"id": 1}"#,
        r#"{"id": 2, "x": tru}"#,
        r#"{"id": 3, "id": 3}"#,
        r#"{"id": 4"#,
        r#"{"id": 5}, {"id": 6}"#,
        r#"{"id": 7,"#,
        r#" "é": "x"#,
        r#"}"#,
        r#"garbage"#,
        r#"{"id": 8}"#,
    ];
    world.lake.put("raw", "c/1", lines.join("\n"));
    let mut s = world.session();
    tag(&mut s, "create table t (doc super)").await;
    let load = format!("copy t {FROM} json 'noshred'");
    let failed = error(&mut s, &format!("{load} maxerror 5")).await;
    assert!(failed.message.contains("stl_load_errors"), "{failed}");
    tag(&mut s, "create table noted as select * from stl_load_errors").await;
    let noted = "select line_number, position, trim(colname), trim(type), trim(col_length), err_code, trim(err_reason), \
        trim(raw_line) from stl_load_errors where query = pg_last_copy_id() order by line_number, position";
    let found = rows(
        &mut s,
        "select line_number, position, trim(colname), trim(type), trim(col_length), err_code, \
        trim(err_reason), trim(raw_line) from noted order by line_number, position",
    )
    .await;
    assert_eq!(
        found,
        [
            r#"2|15|doc|super|16384000|1223|Invalid JSON: unexpected character 't'|{"id": 2, "x": tru}"#,
            r#"3|18|doc|super|16384000|1223|Invalid JSON: duplicate attribute "id"|{"id": 3, "id": 3}"#,
            "5|0|doc|super|16384000|1223|Invalid JSON: unexpected character '{'|{\"id\": 4\n",
            r#"5|9|doc|super|16384000|1223|Invalid JSON: an object or an array is needed|,"#,
            "7|8|doc|super|16384000|1223|Invalid JSON: a string has a control character|{\"id\": 7,\n \"é\": \"x\n}",
            "9|0|doc|super|16384000|1223|Invalid JSON: an object or an array is needed|garbage",
        ]
    );
    tag(&mut s, &format!("{load} maxerror 6")).await;
    assert_eq!(rows(&mut s, noted).await, found);
    assert_eq!(
        rows(&mut s, "select doc from t order by doc").await,
        [r#"{"id":1}"#, r#"{"id":5}"#, r#"{"id":6}"#, r#"{"id":8}"#]
    );
}

#[tokio::test]
async fn bytes_that_are_no_text_spoil_one_document() {
    let world = world();
    world
        .lake
        .put("raw", "c/1", &b"{\"a\": \"x\"}\n{\"a\": \"\xff\"}\n{\"a\": \"z\"}"[..]);
    let mut s = world.session();
    tag(&mut s, "create table t (doc super)").await;
    tag(&mut s, &format!("copy t {FROM} json 'noshred' maxerror 1")).await;
    let noted = "select line_number, err_code from stl_load_errors";
    assert_eq!(rows(&mut s, noted).await, ["2|1220"]);
    tag(
        &mut s,
        &format!("truncate t; copy t {FROM} json 'noshred' acceptinvchars '?'"),
    )
    .await;
    assert_eq!(
        rows(&mut s, "select doc from t order by doc").await,
        [r#"{"a":"?"}"#, r#"{"a":"x"}"#, r#"{"a":"z"}"#]
    );
}

#[tokio::test]
async fn fields_of_text_are_json_for_columns_of_super() {
    let world = world();
    world.lake.put(
        "raw",
        "c/1",
        "1|{\"a\": [1\\|2, 2.50]}\n2|\"text\"\n3|5\n4|\n5|null\n6|\\N\n7|text\n8|{\"a\": 1,}\n",
    );
    world.lake.put("raw", "v/1", "1,\"{\"\"a\"\": \"\"x,y\"\"}\"\n2,[]\n");
    let mut s = world.session();
    tag(&mut s, "create table t (id int, doc super)").await;
    tag(&mut s, &format!("copy t {FROM} escape maxerror 3")).await;
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        ["2|\"text\"", "3|5", "4|null", "5|null", "6|null"]
    );
    let noted = "select line_number, position, err_code, trim(err_reason), trim(raw_field_value) from stl_load_errors \
        order by line_number";
    assert_eq!(
        rows(&mut s, noted).await,
        [
            r#"1|8|1224|Invalid JSON: unexpected character '|'|{"a": [1|2, 2.50]}"#,
            "7|0|1224|Invalid JSON: unexpected character 't'|text",
            r#"8|8|1224|Invalid JSON: unexpected character '}'|{"a": 1,}"#
        ]
    );
    tag(&mut s, "truncate t; copy t from 's3://raw/v/' iam_role default csv").await;
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        [r#"1|{"a":"x,y"}"#, "2|[]"]
    );
}

/// A file with a struct, a list of structs, a map and a date.
fn nested_parquet() -> Vec<u8> {
    use datafusion::arrow::array::{
        ArrayRef, Date32Array, Int32Array, Int64Builder, ListArray, MapBuilder, RecordBatch, StringArray,
        StringBuilder, StructArray,
    };
    use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
    use datafusion::arrow::datatypes::{DataType, Field};
    use std::sync::Arc;
    let field = |name: &str, data_type: DataType| Arc::new(Field::new(name, data_type, true));
    let point = |xs: Vec<Option<i32>>, names: Vec<Option<&str>>, nulls: Option<NullBuffer>| {
        let fields = vec![field("x", DataType::Int32), field("Name", DataType::Utf8)];
        let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(xs)), Arc::new(StringArray::from(names))];
        StructArray::new(fields.into(), columns, nulls)
    };
    let structs = point(
        vec![Some(1), None],
        vec![Some("é\""), None],
        Some(NullBuffer::from(vec![true, false])),
    );
    let items = point(vec![Some(1), None, Some(3)], vec![None, Some("b"), Some("c")], None);
    let lists = ListArray::new(
        field("item", DataType::Struct(items.fields().clone())),
        OffsetBuffer::from_lengths([2, 1]),
        Arc::new(items),
        None,
    );
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(9);
    maps.append(true).unwrap();
    maps.append(true).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2]))),
        ("s", Arc::new(structs)),
        ("l", Arc::new(lists)),
        ("m", Arc::new(maps.finish())),
        ("d", Arc::new(Date32Array::from(vec![Some(11_573), None]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let mut writer = datafusion::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn columns_of_parquet_files_become_documents_when_that_is_asked_for() {
    let world = world();
    world.lake.put("raw", "c/1.parquet", nested_parquet());
    let mut s = world.session();
    tag(&mut s, "create table t (id int, s super, l super, m super, d super)").await;
    tag(&mut s, &format!("copy t {FROM} format as parquet serializetojson")).await;
    assert_eq!(
        rows(&mut s, "select * from t order by id").await,
        [
            r#"1|{"x":1,"Name":"é\""}|[{"x":1,"Name":null},{"x":null,"Name":"b"}]|{"k":9}|"2001-09-08""#,
            r#"2|null|[{"x":3,"Name":"c"}]|{}|null"#
        ]
    );
    let plain = error(&mut s, &format!("copy t {FROM} format as parquet")).await;
    assert!(
        plain.message.contains("column s of type super needs SERIALIZETOJSON"),
        "{plain}"
    );
    let misplaced = error(&mut s, &format!("copy t {FROM} csv serializetojson")).await;
    assert_eq!(misplaced.sqlstate, "42601");
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
    (
        "f float, t varchar(9)",
        b"{\"f\": 1e2, \"t\": 1.50} {\"f\": 2, \"f\": 300, \"t\": 1e9}",
        "json 'auto'",
        &["100|1.50", "300|1e9"],
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
    for options in ["fixedwidth 'id:3'", "format orc", "bzip2", "roundec"] {
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
