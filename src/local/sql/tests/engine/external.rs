//! External schemas over the data catalog.

use std::collections::BTreeMap;
use std::io::Write;

use lakeform_sql::{ExternalPartition, ExternalTable, Lake};

use crate::support::{World, columns, error, rows, tag, world};

const ROLE: &str = "arn:aws:iam::123456789012:role/redshift";

pub fn csv_table(name: &str, columns: &[(&str, &str)], location: &str) -> ExternalTable {
    ExternalTable {
        name: name.into(),
        columns: columns
            .iter()
            .map(|(name, kind)| ((*name).to_string(), (*kind).to_string()))
            .collect(),
        location: location.into(),
        input_format: "org.apache.hadoop.mapred.TextInputFormat".into(),
        serde: "org.apache.hadoop.hive.serde2.OpenCSVSerde".into(),
        serde_parameters: BTreeMap::from([("separatorChar".into(), "|".into())]),
        parameters: BTreeMap::from([("skip.header.line.count".into(), "1".into())]),
        ..ExternalTable::default()
    }
}

fn bank() -> World {
    let world = world();
    world.lake.put(
        "raw",
        "accounts/a.csv",
        "id|type|balance|zip\r\n1|Savings|10.50|00123\r\n2|Loan|bad|00456\r\n",
    );
    world.lake.put(
        "raw",
        "accounts/b.csv",
        "id|type|balance|zip\n3|\"Sav|ings\"|30|7\n4||-1.005|8",
    );
    let kinds = [
        ("id", "bigint"),
        ("type", "string"),
        ("balance", "decimal(10,2)"),
        ("zip", "string"),
    ];
    world.lake.add_table(
        "dbt-redshift-dev",
        csv_table("ext_accounts", &kinds, "s3://raw/accounts/"),
    );
    world
}

const SCHEMA: &str = "create external schema if not exists dev_bronze from data catalog database 'dbt-redshift-dev' \
    iam_role 'arn:aws:iam::123456789012:role/redshift' create external database if not exists";

#[tokio::test]
async fn files_of_a_catalog_table_are_counted_and_summed() {
    let world = bank();
    let mut session = world.session();
    assert_eq!(tag(&mut session, SCHEMA).await, "CREATE SCHEMA");
    assert_eq!(
        rows(&mut session, "select count(*) from dev_bronze.ext_accounts").await,
        ["4"]
    );
    assert_eq!(
        columns(&mut session, "select count(*) from dev_bronze.ext_accounts").await,
        "count int8"
    );
    assert_eq!(
        rows(
            &mut session,
            "select id, type, balance, zip from dev.dev_bronze.ext_accounts order by id"
        )
        .await,
        [
            "1|Savings|10.50|00123",
            "2|Loan|null|00456",
            "3|Sav|ings|30.00|7",
            "4||-1.01|8"
        ]
    );
}

#[tokio::test]
async fn path_and_size_are_there_when_named_and_never_in_a_wildcard() {
    let world = bank();
    let mut session = world.session();
    tag(&mut session, SCHEMA).await;
    assert_eq!(
        columns(&mut session, "select * from dev_bronze.ext_accounts").await,
        "id int8, type varchar, balance numeric, zip varchar"
    );
    assert_eq!(
        rows(
            &mut session,
            "select \"$path\", count(*) from dev_bronze.ext_accounts group by 1 order by 1"
        )
        .await,
        ["s3://raw/accounts/a.csv|2", "s3://raw/accounts/b.csv|2"]
    );
    assert_eq!(
        rows(
            &mut session,
            "select distinct \"$size\" from dev_bronze.ext_accounts where \"$path\" like '%/b.csv'"
        )
        .await,
        ["49"]
    );
}

#[tokio::test]
async fn a_new_crawl_is_visible_at_once() {
    let world = bank();
    let mut session = world.session();
    tag(&mut session, SCHEMA).await;
    assert_eq!(
        error(&mut session, "select * from dev_bronze.later").await.sqlstate,
        "42P01"
    );
    world.lake.put("raw", "later/x.csv", "a\n5\n");
    world.lake.add_table(
        "dbt-redshift-dev",
        csv_table("later", &[("a", "int")], "s3://raw/later"),
    );
    assert_eq!(rows(&mut session, "select a + 1 from dev_bronze.later").await, ["6"]);
    assert_eq!(
        rows(&mut session, "select tablename from svv_external_tables order by 1").await,
        ["ext_accounts", "later"]
    );
    assert_eq!(
        rows(&mut session, "select columnname, external_type, columnnum from svv_external_columns where tablename = 'ext_accounts' order by 3").await,
        ["id|bigint|1", "type|string|2", "balance|decimal(10,2)|3", "zip|string|4"]
    );
}

#[tokio::test]
async fn partitions_are_pruned_and_typed() {
    let world = world();
    world.lake.add_database("d");
    for year in ["2023", "2024"] {
        world
            .lake
            .put("raw", &format!("e/year={year}/x.csv"), format!("a\n{year}\n"));
    }
    let mut table = csv_table("e", &[("a", "int")], "s3://raw/e/");
    table.partition_keys = vec![("year".into(), "int".into())];
    world.lake.add_table("d", table);
    let partition = |year: &str| ExternalPartition {
        values: vec![year.into()],
        location: format!("s3://raw/e/year={year}/"),
    };
    world
        .lake
        .add_partitions(ROLE, "d", "e", &[partition("2023"), partition("2024")])
        .await
        .unwrap();
    let mut session = world.session();
    tag(
        &mut session,
        &format!("create external schema x from data catalog database 'd' iam_role '{ROLE}'"),
    )
    .await;
    assert_eq!(
        rows(&mut session, "select * from x.e where year = 2024").await,
        ["2024|2024"]
    );
    assert_eq!(
        world.lake.take_reads(),
        std::collections::BTreeSet::from(["e/year=2024/x.csv".to_string()]),
        "the other partition was not even opened"
    );
    assert_eq!(rows(&mut session, "select sum(year) from x.e").await, ["4047"]);
    // A partition whose files are gone hurts only those who read it.
    tag(
        &mut session,
        "alter table x.e add partition (year = 2025) location 's3://raw/missing/'",
    )
    .await;
    assert_eq!(rows(&mut session, "select count(*) from x.e").await, ["2"]);
    assert_eq!(
        rows(&mut session, "select count(*) from svv_external_partitions").await,
        ["3"]
    );
}

#[tokio::test]
async fn json_lines_and_gzip_are_read() {
    let world = world();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"{\"Id\": 1, \"tags\": [1,2], \"on\": true}\n{\"id\": \"x\"}\n")
        .unwrap();
    world.lake.put("raw", "j/a.json.gz", gzip.finish().unwrap());
    let mut table = csv_table(
        "j",
        &[("id", "int"), ("tags", "string"), ("on", "boolean")],
        "s3://raw/j/",
    );
    table.serde = "org.openx.data.jsonserde.JsonSerDe".into();
    table.parameters.clear();
    world.lake.add_table("d", table);
    let mut session = world.session();
    tag(
        &mut session,
        &format!("create external schema x from data catalog database 'd' iam_role '{ROLE}'"),
    )
    .await;
    assert_eq!(
        rows(&mut session, "select id, tags, \"on\" from x.j").await,
        ["1|[1,2]|t", "null|null|null"]
    );
}

#[tokio::test]
async fn a_role_that_may_not_read_fails_the_query() {
    let world = bank();
    let mut session = world.session();
    tag(&mut session, SCHEMA).await;
    world.lake.forbid(ROLE);
    assert_eq!(
        error(&mut session, "select * from dev_bronze.ext_accounts")
            .await
            .sqlstate,
        "42501"
    );
}

#[tokio::test]
async fn creating_an_external_table_writes_to_the_catalog() {
    let world = world();
    let mut session = world.session();
    tag(&mut session, &format!("create external schema x from data catalog database 'new-one' iam_role '{ROLE}' create external database if not exists")).await;
    tag(
        &mut session,
        "create external table x.t (a int, b varchar(10)) partitioned by (d date) row format delimited fields terminated by '\\t' \
         stored as textfile location 's3://raw/t/' table properties ('skip.header.line.count'='1')",
    )
    .await;
    let table = world.lake.table(ROLE, "new-one", "t").await.unwrap().unwrap();
    assert_eq!(
        table.columns,
        [("a".to_string(), "int".to_string()), ("b".into(), "varchar(10)".into())]
    );
    assert_eq!(table.serde_parameters["field.delim"], "\t");
    assert_eq!(table.partition_keys, [("d".to_string(), "date".to_string())]);
    tag(&mut session, "drop table x.t").await;
    assert!(world.lake.table(ROLE, "new-one", "t").await.unwrap().is_none());
}

#[tokio::test]
async fn a_nested_column_is_refused_by_name_and_hides_no_other() {
    let world = world();
    world.lake.put(
        "raw",
        "n/a.json",
        "{\"id\": 1, \"tags\": [\"a\"], \"who\": {\"name\": \"x\"}}\n",
    );
    let table = ExternalTable {
        serde: "org.openx.data.jsonserde.JsonSerDe".into(),
        serde_parameters: BTreeMap::new(),
        parameters: BTreeMap::new(),
        ..csv_table(
            "nested",
            &[("id", "int"), ("tags", "array<string>"), ("who", "struct<name:string>")],
            "s3://raw/n/",
        )
    };
    world.lake.add_table("dbt-redshift-dev", table);
    let mut session = world.session();
    tag(&mut session, SCHEMA).await;
    assert_eq!(
        rows(&mut session, "select id, id + 1 from dev_bronze.nested").await,
        ["1|2"]
    );
    assert_eq!(
        rows(&mut session, "select count(*) from dev_bronze.nested").await,
        ["1"]
    );
    for (sql, column) in [
        ("select tags from dev_bronze.nested", "array<string>"),
        (
            "select id from dev_bronze.nested where who is not null",
            "struct<name:string>",
        ),
        ("select * from dev_bronze.nested", "array<string>"),
    ] {
        let refused = error(&mut session, sql).await;
        assert_eq!(refused.sqlstate, "0A000", "{sql}");
        assert!(refused.message.contains(column), "{refused}");
    }
}
