//! What a crawler wrote, read by a warehouse: every shape of files is crawled and then asked for through an external
//! schema, so that SerDe parameters and types are what a reader takes them for.

use std::io::Write as _;
use std::sync::Arc;

use http::Method;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use super::World;
use crate::services::Service;

/// A folder below `raw/`, named by its table; objects with their texts; questions with their answers, row by row.
struct Shape {
    table: &'static str,
    objects: &'static [(&'static str, &'static str)],
    answers: &'static [(&'static str, &'static str)],
}

/// Shapes that the built-in classifiers know. `{}` in a question is the table.
const BUILT_IN: &[Shape] = &[
    Shape {
        table: "commas",
        objects: &[("a.csv", "id,name,price,open\n1,apple,1.5,true\n2,pear,2,false\n")],
        answers: &[
            ("select count(*), sum(id), sum(price) from {}", "2|3|3.5"),
            ("select name from {} where open order by id", "apple"),
        ],
    },
    Shape {
        table: "pipes_and_crlf",
        objects: &[("a.csv", "id|name\r\n1|apple, red\r\n2|pear\r\n")],
        answers: &[(
            "select id, name, len(name) from {} order by id",
            "1|apple, red|10\n2|pear|4",
        )],
    },
    Shape {
        table: "tabs",
        objects: &[("a.tsv", "id\tname\n1\tapple\n2\tpear\n")],
        answers: &[("select id, name from {} order by id", "1|apple\n2|pear")],
    },
    Shape {
        table: "semicolons",
        objects: &[("a.csv", "id;price\n1;1,50\n2;2,75\n")],
        answers: &[("select id, price from {} order by id", "1|1,50\n2|2,75")],
    },
    Shape {
        table: "control_a",
        objects: &[("a.txt", "id\u{1}name\n1\u{1}apple\n2\u{1}pear\n")],
        answers: &[("select id, name from {} order by id", "1|apple\n2|pear")],
    },
    Shape {
        table: "headless",
        objects: &[("a.csv", "USD,US Dollar\nEUR,Euro\n")],
        answers: &[("select col0, col1 from {} order by col0", "EUR|Euro\nUSD|US Dollar")],
    },
    Shape {
        table: "a_header_in_each_file",
        objects: &[("a.csv", "id,name\n1,x\n2,y\n"), ("b.csv", "id,name\n3,z\n4,w\n")],
        answers: &[("select count(*), sum(id) from {}", "4|10")],
    },
    Shape {
        table: "leading_zeros",
        objects: &[("a.csv", "id,zip\n1,02134\n2,90210\n")],
        answers: &[("select zip from {} order by id", "2134\n90210")],
    },
    Shape {
        table: "beyond_64_bits",
        objects: &[("a.csv", "id,big\n1,20000000000000000000\n2,1\n")],
        answers: &[("select big > 1e19 from {} order by id", "true\nfalse")],
    },
    Shape {
        table: "dates",
        objects: &[("a.csv", "id,day\n1,2024-01-31\n2,2024-02-01\n")],
        answers: &[(
            "select to_date(day, 'YYYY-MM-DD') - date '2024-01-01' from {} order by id",
            "30\n31",
        )],
    },
    Shape {
        table: "names_with_spaces",
        objects: &[("a.csv", "Order ID,Amount (EUR)\n1,5.5\n2,6\n")],
        answers: &[(
            "select \"order id\", \"amount (eur)\" from {} order by 1",
            "1|5.5\n2|6.0",
        )],
    },
    Shape {
        table: "empty_fields",
        objects: &[("a.csv", "id,n\n1,\n2,7\n")],
        answers: &[("select count(*), count(n) from {}", "2|1")],
    },
    Shape {
        table: "json_lines",
        objects: &[(
            "a.json",
            "{\"Id\": 1, \"name\": \"x\", \"price\": 1.5, \"ok\": true, \"big\": 5000000000}\n{\"Id\": 2, \"name\": null, \"extra\": \"e\"}\n",
        )],
        answers: &[
            (
                "select id, name, price, ok, big, extra from {} order by id",
                "1|x|1.5|true|5000000000|\n2|||||e",
            ),
            ("select count(*), count(price) from {}", "2|1"),
        ],
    },
    Shape {
        table: "keys",
        objects: &[
            ("year=2023/month=12/a.csv", "id,name\n1,x\n2,y\n"),
            ("year=2024/month=01/a.csv", "id,name\n3,z\n4,w\n"),
            ("year=2024/month=02/a.csv", "id,name\n5,v\n6,u\n"),
        ],
        answers: &[
            (
                "select year, month, sum(id) from {} group by 1, 2 order by 1, 2",
                "2023|12|3\n2024|01|7\n2024|02|11",
            ),
            ("select count(*) from {} where year = '2024' and month > '01'", "2"),
        ],
    },
    Shape {
        table: "bare_keys",
        objects: &[
            ("2023/12/a.csv", "id,name\n1,x\n2,y\n"),
            ("2024/01/a.csv", "id,name\n3,z\n4,w\n"),
        ],
        answers: &[(
            "select partition_0, partition_1, sum(id) from {} group by 1, 2 order by 1",
            "2023|12|3\n2024|01|7",
        )],
    },
    Shape {
        table: "default_key",
        objects: &[
            ("day=__HIVE_DEFAULT_PARTITION__/a.csv", "id,name\n1,x\n2,y\n"),
            ("day=1/a.csv", "id,name\n3,z\n4,w\n"),
        ],
        answers: &[("select day, count(*) from {} group by 1 order by 2, 1", "1|2\n|2")],
    },
    Shape {
        table: "one_more_column_later",
        objects: &[
            ("d=1/a.csv", "a,b,c,e\n1,1,1,1\n2,2,2,2\n"),
            ("d=2/a.csv", "a,b,c,e,f\n3,3,3,3,9\n4,4,4,4,9\n"),
        ],
        answers: &[("select sum(a), sum(f), count(f) from {}", "10|18|2")],
    },
];

/// Shapes for a classifier of commas with a header and quotes.
const QUOTED: &[Shape] = &[
    Shape {
        table: "quoted",
        objects: &[(
            "a.csv",
            "id,name\n\"1\",\"apple, red\"\n\"2\",\"she said \"\"no\"\"\"\n",
        )],
        answers: &[("select id, name from {} order by id", "1|apple, red\n2|she said \"no\"")],
    },
    Shape {
        table: "texts_with_a_header",
        objects: &[("a.csv", "code,name\nUSD,US Dollar\nEUR,Euro\n")],
        answers: &[("select name from {} order by code", "Euro\nUS Dollar")],
    },
];

impl World {
    async fn shapes(&self, shapes: &[Shape], crawler: &str, more: Value) {
        let mut targets = Vec::new();
        for shape in shapes {
            for (key, text) in shape.objects {
                self.put(&format!("raw/{}/{key}", shape.table), text).await;
            }
            targets.push(json!({"Path": format!("s3://lake/raw/{}/", shape.table)}));
        }
        let mut input = json!({"Name": crawler, "Targets": {"S3Targets": targets}, "TablePrefix": ""});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.crawler(input).await;
        self.ok("StartCrawler", json!({"Name": crawler})).await;
        let last = self.ended(crawler, 1).await["LastCrawl"].clone();
        assert_eq!(last["Status"], "SUCCEEDED", "{last}");
    }

    async fn asked(&self, service: Service, operation: &str, input: Value) -> Value {
        let answer = self.run(service, operation, input).await;
        answer.unwrap_or_else(|fault| panic!("{operation}: {fault}"))
    }

    /// A cluster whose external schema `lake` is the database that the crawlers write.
    async fn warehouse(&self) {
        let vpc = self
            .asked(Service::Ec2, "CreateVpc", json!({"CidrBlock": "10.0.0.0/16"}))
            .await;
        let subnet = json!({"VpcId": vpc["Vpc"]["VpcId"], "CidrBlock": "10.0.0.0/24"});
        let subnet = self.asked(Service::Ec2, "CreateSubnet", subnet).await;
        let group =
            json!({"ClusterSubnetGroupName": "g", "Description": "d", "SubnetIds": [subnet["Subnet"]["SubnetId"]]});
        self.asked(Service::Redshift, "CreateClusterSubnetGroup", group).await;
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"redshift.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        self.iam(
            "CreateRole",
            json!({"RoleName": "spectrum", "AssumeRolePolicyDocument": trust}),
        )
        .await;
        let policy =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","glue:*"],"Resource":"*"}]}"#;
        let put = json!({"RoleName": "spectrum", "PolicyName": "p", "PolicyDocument": policy});
        self.iam("PutRolePolicy", put).await;
        let role = "arn:aws:iam::123456789012:role/spectrum";
        let cluster = json!({
            "ClusterIdentifier": "wh", "NodeType": "ra3.large", "MasterUsername": "admin", "MasterUserPassword": "Abcdef12",
            "ClusterSubnetGroupName": "g", "IamRoles": [role],
        });
        self.asked(Service::Redshift, "CreateCluster", cluster).await;
        self.local.cloud().clock.advance(5.0);
        let schema = format!("create external schema lake from data catalog database 'bronze' iam_role '{role}'");
        self.sql(&schema).await.expect("a schema");
    }

    /// Rows as text: fields cut by `|`, null as nothing.
    async fn sql(&self, text: &str) -> Result<String, String> {
        let input = json!({"ClusterIdentifier": "wh", "Database": "dev", "DbUser": "admin", "Sql": text});
        let id = self.asked(Service::RedshiftData, "ExecuteStatement", input).await["Id"].clone();
        let shown = loop {
            let shown = self
                .asked(Service::RedshiftData, "DescribeStatement", json!({"Id": id}))
                .await;
            if ["FINISHED", "FAILED", "ABORTED"].contains(&shown["Status"].as_str().unwrap()) {
                break shown;
            }
            tokio::task::yield_now().await;
        };
        if shown["Status"] != "FINISHED" {
            return Err(shown["Error"].to_string());
        }
        if shown["HasResultSet"] != true {
            return Ok(String::new());
        }
        let result = self
            .asked(Service::RedshiftData, "GetStatementResult", json!({"Id": id}))
            .await;
        let field = |field: &Value| match field.as_object().unwrap().iter().next().unwrap() {
            (kind, _) if kind == "isNull" => String::new(),
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        };
        let row = |row: &Value| row.as_array().unwrap().iter().map(field).collect::<Vec<_>>().join("|");
        let rows: Vec<String> = result["Records"].as_array().unwrap().iter().map(row).collect();
        Ok(rows.join("\n"))
    }

    async fn answers(&self, table: &str, answers: &[(&str, &str)], wrong: &mut String) {
        for (question, wanted) in answers {
            let question = question.replace("{}", &format!("lake.{table}"));
            let found = self.sql(&question).await.unwrap_or_else(|error| error);
            if found != *wanted {
                wrong.push_str(&format!("{question}\nwanted:\n{wanted}\nfound:\n{found}\n\n"));
            }
        }
    }
}

#[tokio::test]
async fn a_warehouse_reads_what_was_crawled() {
    let world = World::new().await;
    world.database().await;
    world.shapes(BUILT_IN, "c", json!({})).await;
    let classifier = json!({"Name": "k", "Delimiter": ",", "QuoteSymbol": "\"", "ContainsHeader": "PRESENT"});
    world.ok("CreateClassifier", json!({"CsvClassifier": classifier})).await;
    world.shapes(QUOTED, "d", json!({"Classifiers": ["k"]})).await;
    world.warehouse().await;
    let mut wrong = String::new();
    for shape in BUILT_IN.iter().chain(QUOTED) {
        world.answers(shape.table, shape.answers, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[tokio::test]
async fn a_warehouse_reads_compressed_and_columnar_files_that_were_crawled() {
    let world = World::new().await;
    world.database().await;
    let text = b"id,name\n1,x\n2,y\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text).unwrap();
    for (key, bytes) in [
        ("raw/zipped/a.csv.gz", gzip.finish().unwrap()),
        ("raw/packed/a.csv.zst", zstd::encode_all(&text[..], 1).unwrap()),
        ("raw/columns/d=1/a.parquet", columns(&[1, 2], "x")),
        ("raw/columns/d=2/a.parquet", columns(&[3], "y")),
    ] {
        world.s3(Method::PUT, &format!("/lake/{key}"), bytes).await;
    }
    let target = |name: &str| json!({"Path": format!("s3://lake/raw/{name}/")});
    let targets = json!({"S3Targets": [target("zipped"), target("packed"), target("columns")]});
    world.crawler(json!({"Targets": targets, "TablePrefix": ""})).await;
    assert_eq!(world.crawl().await["LastCrawl"]["Status"], "SUCCEEDED");
    assert_eq!(
        super::columns(&world.table("columns").await),
        [
            "id int",
            "day date",
            "at timestamp",
            "amount decimal(9,2)",
            "rate double",
            "name string"
        ]
    );
    world.warehouse().await;
    let mut wrong = String::new();
    for (table, answers) in [
        ("zipped", &[("select id, name from {} order by id", "1|x\n2|y")][..]),
        ("packed", &[("select id, name from {} order by id", "1|x\n2|y")][..]),
        (
            "columns",
            &[
                (
                    "select d, count(*), sum(id) from {} group by 1 order by 1",
                    "1|2|3\n2|1|3",
                ),
                (
                    "select to_char(day, 'YYYY-MM-DD'), to_char(at, 'HH24:MI:SS'), amount, rate, name from {} where id = 3",
                    "1970-01-04|00:00:03|0.03|1.5|y",
                ),
            ][..],
        ),
    ] {
        world.answers(table, answers, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A Parquet file of these numbers: as themselves, days, seconds and hundredths.
fn columns(ids: &[i32], name: &str) -> Vec<u8> {
    let message = "message m {
        required int32 id; required int32 day (DATE); required int64 at (TIMESTAMP(MICROS,false));
        required int32 amount (DECIMAL(9,2)); required double rate; required binary name (STRING); }";
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut out = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut out, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let seconds: Vec<i64> = ids.iter().map(|id| i64::from(*id) * 1_000_000).collect();
    let rates = vec![1.5; ids.len()];
    let names: Vec<ByteArray> = ids.iter().map(|_| ByteArray::from(name)).collect();
    let mut at = 0;
    while let Some(mut column) = group.next_column().unwrap() {
        match at {
            2 => column.typed::<Int64Type>().write_batch(&seconds, None, None).map(drop),
            4 => column.typed::<DoubleType>().write_batch(&rates, None, None).map(drop),
            5 => column
                .typed::<ByteArrayType>()
                .write_batch(&names, None, None)
                .map(drop),
            _ => column.typed::<Int32Type>().write_batch(ids, None, None).map(drop),
        }
        .unwrap();
        column.close().unwrap();
        at += 1;
    }
    group.close().unwrap();
    writer.close().unwrap();
    out
}
