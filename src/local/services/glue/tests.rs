//! Glue over its operations, as a client sees it; crawls run for real over objects put through S3.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::services::{ACCOUNT, Answer, Call, Service};
use crate::{Local, Options, Pace};

mod readers;
mod recrawl;
mod triggers;

const REGION: &str = "us-east-1";

struct World {
    local: Arc<Local>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            dir: dir.path().to_owned(),
            pace: Pace::Quick,
            seed: None,
        };
        let world = Self {
            local: Local::open(options).await.unwrap(),
            _dir: dir,
        };
        world.s3(Method::PUT, "/lake", "").await;
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"glue.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        world
            .iam(
                "CreateRole",
                json!({"RoleName": "crawl", "AssumeRolePolicyDocument": trust}),
            )
            .await;
        world.allow("s3:*\",\"glue:*").await;
        world
    }

    async fn allow(&self, actions: &str) {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["{actions}"],"Resource":"*"}}]}}"#
        );
        self.iam(
            "PutRolePolicy",
            json!({"RoleName": "crawl", "PolicyName": "p", "PolicyDocument": policy}),
        )
        .await;
    }

    async fn s3(&self, method: Method, path: &str, body: impl Into<Bytes>) {
        let body: Bytes = body.into();
        let sign = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=00"
        );
        let request = Request::builder()
            .method(method)
            .uri(format!("http://localhost{path}"))
            .header("host", "localhost")
            .header("authorization", sign)
            .header("content-length", body.len());
        let request = request
            .body(Full::new(body).map_err(|never| match never {}).boxed_unsync())
            .unwrap();
        let response = self.local.handle(request).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
    }

    async fn put(&self, key: &str, text: &str) {
        self.s3(Method::PUT, &format!("/lake/{key}"), text.to_owned()).await;
    }

    async fn run(&self, service: Service, operation: &str, input: Value) -> Answer {
        let operation = operation.to_owned();
        let cloud = self.local.cloud();
        cloud
            .write(service, ACCOUNT, REGION, move |cx| {
                let cx = Call {
                    operation: &operation,
                    ..cx.clone()
                };
                service.call(&cx, &input)
            })
            .await
    }

    async fn iam(&self, operation: &str, input: Value) -> Value {
        self.run(Service::Iam, operation, input)
            .await
            .unwrap_or_else(|fault| panic!("{operation}: {fault}"))
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        self.run(Service::Glue, operation, input)
            .await
            .unwrap_or_else(|fault| panic!("{operation}: {fault}"))
    }

    async fn refusal(&self, operation: &str, input: Value) -> String {
        match self.run(Service::Glue, operation, input).await {
            Ok(answer) => panic!("{operation} succeeded: {answer}"),
            Err(fault) => fault.code,
        }
    }

    async fn database(&self) {
        self.ok("CreateDatabase", json!({"DatabaseInput": {"Name": "bronze"}}))
            .await;
    }

    async fn crawler(&self, more: Value) {
        let mut input = json!({
            "Name": "c",
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/crawl"),
            "DatabaseName": "bronze",
            "TablePrefix": "ext_",
            "Targets": {"S3Targets": [{"Path": "s3://lake/raw/"}]},
        });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ok("CreateCrawler", input).await;
    }

    /// Starts the crawler and returns it when its crawl has ended.
    async fn crawl(&self) -> Value {
        self.ok("StartCrawler", json!({"Name": "c"})).await;
        self.ended("c", 1).await
    }

    async fn ended(&self, name: &str, crawls: usize) -> Value {
        loop {
            let crawler = self.ok("GetCrawler", json!({"Name": name})).await["Crawler"].clone();
            let history = self.ok("ListCrawls", json!({"CrawlerName": name})).await["Crawls"].clone();
            let ended = history
                .as_array()
                .unwrap()
                .iter()
                .filter(|crawl| crawl["State"] != "RUNNING")
                .count();
            if crawler["State"] == "READY" && ended >= crawls {
                return crawler;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn tables(&self) -> Vec<String> {
        let list = self.ok("GetTables", json!({"DatabaseName": "bronze"})).await["TableList"].clone();
        list.as_array()
            .unwrap()
            .iter()
            .map(|table| table["Name"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn table(&self, name: &str) -> Value {
        self.ok("GetTable", json!({"DatabaseName": "bronze", "Name": name}))
            .await["Table"]
            .clone()
    }

    async fn metrics(&self) -> (u64, u64, u64) {
        let list = self.ok("GetCrawlerMetrics", json!({"CrawlerNameList": ["c"]})).await["CrawlerMetricsList"].clone();
        let count = |member: &str| list[0][member].as_u64().unwrap();
        (count("TablesCreated"), count("TablesUpdated"), count("TablesDeleted"))
    }
}

fn columns(table: &Value) -> Vec<String> {
    let columns = table["StorageDescriptor"]["Columns"].as_array().unwrap();
    columns
        .iter()
        .map(|column| {
            format!(
                "{} {}",
                column["Name"].as_str().unwrap(),
                column["Type"].as_str().unwrap()
            )
        })
        .collect()
}

#[tokio::test]
async fn databases_are_folded_replaced_whole_and_dropped_with_their_tables() {
    let world = World::new().await;
    let full = json!({"Name": "Bronze", "Description": "raw", "LocationUri": "s3://lake/", "Parameters": {"a": "1"}});
    world
        .ok(
            "CreateDatabase",
            json!({"DatabaseInput": full, "Tags": {"team": "data"}}),
        )
        .await;
    assert_eq!(
        world
            .refusal("CreateDatabase", json!({"DatabaseInput": {"Name": "BRONZE"}}))
            .await,
        "AlreadyExistsException"
    );
    let database = world.ok("GetDatabase", json!({"Name": "BRONZE"})).await["Database"].clone();
    assert_eq!(
        (&database["Name"], &database["Description"]),
        (&json!("bronze"), &json!("raw"))
    );
    assert_eq!(
        database["CreateTableDefaultPermissions"][0]["Permissions"],
        json!(["ALL"])
    );
    world
        .ok(
            "UpdateDatabase",
            json!({"Name": "bronze", "DatabaseInput": {"Name": "bronze"}}),
        )
        .await;
    let database = world.ok("GetDatabase", json!({"Name": "bronze"})).await["Database"].clone();
    assert!(database["Description"].is_null() && database["Parameters"].is_null());
    world
        .ok(
            "CreateTable",
            json!({"DatabaseName": "bronze", "TableInput": {"Name": "T"}}),
        )
        .await;
    assert_eq!(world.tables().await, ["t"]);
    let arn = format!("arn:aws:glue:{REGION}:{ACCOUNT}:database/bronze");
    assert_eq!(
        world.ok("GetTags", json!({"ResourceArn": arn})).await["Tags"],
        json!({"team": "data"})
    );
    world.ok("DeleteDatabase", json!({"Name": "bronze"})).await;
    assert_eq!(
        world
            .refusal("GetTable", json!({"DatabaseName": "bronze", "Name": "t"}))
            .await,
        "EntityNotFoundException"
    );
    assert_eq!(
        world.refusal("GetTags", json!({"ResourceArn": arn})).await,
        "EntityNotFoundException"
    );
}

#[tokio::test]
async fn tables_keep_their_versions() {
    let world = World::new().await;
    world.database().await;
    let input = |kind: &str| json!({"Name": "t", "StorageDescriptor": {"Columns": [{"Name": "a", "Type": kind}]}});
    let at = json!({"DatabaseName": "bronze"});
    let call = |input: Value| json!({"DatabaseName": "bronze", "TableInput": input});
    world.ok("CreateTable", call(input("int"))).await;
    assert_eq!(
        world.refusal("CreateTable", call(input("int"))).await,
        "AlreadyExistsException"
    );
    world.ok("UpdateTable", call(input("bigint"))).await;
    let mut quiet = call(input("string"));
    quiet["SkipArchive"] = json!(true);
    world.ok("UpdateTable", quiet).await;
    assert_eq!(world.table("t").await["VersionId"], "2");
    let mut versions = at.clone();
    versions["TableName"] = json!("t");
    let list = world.ok("GetTableVersions", versions.clone()).await["TableVersions"].clone();
    let ids: Vec<&Value> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|version| &version["VersionId"])
        .collect();
    assert_eq!(ids, ["2", "0"]);
    versions["VersionId"] = json!("2");
    assert_eq!(
        world.refusal("DeleteTableVersion", versions.clone()).await,
        "InvalidInputException"
    );
    versions["VersionId"] = json!("0");
    world.ok("DeleteTableVersion", versions).await;
    let mut stale = call(input("date"));
    stale["VersionId"] = json!("1");
    assert_eq!(
        world.refusal("UpdateTable", stale).await,
        "ConcurrentModificationException"
    );
    let doubled = json!({"Name": "u", "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}, {"Name": "A", "Type": "int"}]}});
    assert_eq!(
        world.refusal("CreateTable", call(doubled)).await,
        "InvalidInputException"
    );
}

#[tokio::test]
async fn partitions_are_filtered_and_paged() {
    let world = World::new().await;
    world.database().await;
    let keys = json!([{"Name": "year", "Type": "string"}, {"Name": "month", "Type": "int"}]);
    world
        .ok(
            "CreateTable",
            json!({"DatabaseName": "bronze", "TableInput": {"Name": "t", "PartitionKeys": keys}}),
        )
        .await;
    let of = json!({"DatabaseName": "bronze", "TableName": "t"});
    let with = |more: Value| {
        let mut input = of.clone();
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let list: Vec<Value> = (1..=12)
        .map(|month| json!({"Values": ["2024", month.to_string()]}))
        .collect();
    world
        .ok("BatchCreatePartition", with(json!({"PartitionInputList": list})))
        .await;
    let again = world
        .ok(
            "BatchCreatePartition",
            with(json!({"PartitionInputList": [{"Values": ["2024", "1"]}]})),
        )
        .await;
    assert_eq!(again["Errors"][0]["ErrorDetail"]["ErrorCode"], "AlreadyExistsException");
    let late = world
        .ok(
            "GetPartitions",
            with(json!({"Expression": "year = '2024' and month > 9"})),
        )
        .await;
    assert_eq!(late["Partitions"].as_array().unwrap().len(), 3);
    let mut input = with(json!({"MaxResults": 5}));
    let mut seen = 0;
    loop {
        let page = world.ok("GetPartitions", input.clone()).await;
        seen += page["Partitions"].as_array().unwrap().len();
        if page["NextToken"].is_null() {
            break;
        }
        input["NextToken"] = page["NextToken"].clone();
    }
    assert_eq!(seen, 12);
    assert_eq!(
        world
            .refusal("GetPartition", with(json!({"PartitionValues": ["2024", "13"]})))
            .await,
        "EntityNotFoundException"
    );
    assert_eq!(
        world
            .refusal("CreatePartition", with(json!({"PartitionInput": {"Values": ["2024"]}})))
            .await,
        "InvalidInputException"
    );
    assert_eq!(
        world
            .refusal("GetPartitions", with(json!({"Expression": "nope = 1"})))
            .await,
        "InvalidInputException"
    );
}

#[tokio::test]
async fn classifiers_are_checked_and_keep_their_kind() {
    let world = World::new().await;
    let csv = json!({"CsvClassifier": {"Name": "k", "Delimiter": "|", "QuoteSymbol": "\""}});
    world.ok("CreateClassifier", csv.clone()).await;
    assert_eq!(world.refusal("CreateClassifier", csv).await, "AlreadyExistsException");
    let found = world.ok("GetClassifier", json!({"Name": "k"})).await["Classifier"]["CsvClassifier"].clone();
    assert_eq!(
        (
            &found["ContainsHeader"],
            &found["DisableValueTrimming"],
            &found["Version"]
        ),
        (&json!("UNKNOWN"), &json!(true), &json!(1))
    );
    world
        .ok(
            "UpdateClassifier",
            json!({"CsvClassifier": {"Name": "k", "ContainsHeader": "PRESENT"}}),
        )
        .await;
    let found = world.ok("GetClassifier", json!({"Name": "k"})).await["Classifier"]["CsvClassifier"].clone();
    assert_eq!(
        (&found["ContainsHeader"], &found["Delimiter"], &found["Version"]),
        (&json!("PRESENT"), &json!("|"), &json!(2))
    );
    let other = json!({"JsonClassifier": {"Name": "k", "JsonPath": "$[*]"}});
    assert_eq!(world.refusal("UpdateClassifier", other).await, "InvalidInputException");
    for wrong in [
        json!({}),
        json!({"CsvClassifier": {"Name": "x", "Delimiter": "|", "QuoteSymbol": "|"}}),
        json!({"CsvClassifier": {"Name": "x", "Header": ["a", "A"]}}),
        json!({"CsvClassifier": {"Name": "x", "CustomDatatypeConfigured": true, "CustomDatatypes": ["MONEY"]}}),
        json!({"JsonClassifier": {"Name": "x", "JsonPath": "a.b"}}),
        json!({"GrokClassifier": {"Name": "x", "Classification": "x", "GrokPattern": "%{NOPE:a}"}}),
    ] {
        assert_eq!(world.refusal("CreateClassifier", wrong).await, "InvalidInputException");
    }
    let xml = json!({"XMLClassifier": {"Name": "x", "Classification": "x", "RowTag": "row"}});
    assert_eq!(world.refusal("CreateClassifier", xml).await, "NotImplemented");
    world.ok("DeleteClassifier", json!({"Name": "k"})).await;
    assert_eq!(
        world.refusal("GetClassifier", json!({"Name": "k"})).await,
        "EntityNotFoundException"
    );
}

#[tokio::test]
async fn a_crawler_is_defined_with_its_defaults_and_refused_with_reasons() {
    let world = World::new().await;
    world
        .crawler(json!({"Schedule": "cron(0 3 * * ? *)", "Tags": {"a": "1"}}))
        .await;
    let crawler = world.ok("GetCrawler", json!({"Name": "c"})).await["Crawler"].clone();
    assert_eq!(
        (&crawler["Role"], &crawler["State"]),
        (&json!("crawl"), &json!("READY"))
    );
    assert_eq!(
        crawler["SchemaChangePolicy"],
        json!({"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"})
    );
    assert_eq!(
        crawler["Schedule"],
        json!({"ScheduleExpression": "cron(0 3 * * ? *)", "State": "SCHEDULED"})
    );
    assert_eq!(
        world.ok("ListCrawlers", json!({"Tags": {"a": "1"}})).await["CrawlerNames"],
        json!(["c"])
    );
    assert_eq!(
        world.ok("ListCrawlers", json!({"Tags": {"a": "2"}})).await["CrawlerNames"],
        json!([])
    );
    world
        .ok("UpdateCrawler", json!({"Name": "c", "Schedule": "", "TablePrefix": ""}))
        .await;
    let crawler = world.ok("BatchGetCrawlers", json!({"CrawlerNames": ["c", "d"]})).await;
    assert_eq!(crawler["CrawlersNotFound"], json!(["d"]));
    assert!(crawler["Crawlers"][0]["Schedule"].is_null() && crawler["Crawlers"][0]["TablePrefix"].is_null());
    let good = json!({"Name": "d", "Role": "crawl", "Targets": {"S3Targets": [{"Path": "s3://lake/raw/"}]}});
    for (member, value, code) in [
        ("Role", json!("nobody"), "InvalidInputException"),
        ("Targets", json!({"S3Targets": []}), "InvalidInputException"),
        (
            "Targets",
            json!({"S3Targets": [{"Path": "lake/raw"}]}),
            "InvalidInputException",
        ),
        (
            "Targets",
            json!({"S3Targets": [{"Path": "s3://nowhere/raw"}]}),
            "InvalidInputException",
        ),
        ("Targets", json!({"JdbcTargets": [{"Path": "x"}]}), "NotImplemented"),
        ("Classifiers", json!(["none"]), "EntityNotFoundException"),
        ("Schedule", json!("cron(0 3 * * *)"), "InvalidInputException"),
        ("Configuration", json!("{"), "InvalidInputException"),
        ("Configuration", json!("{\"Version\":2.0}"), "InvalidInputException"),
        (
            "Configuration",
            json!("{\"Version\":1,\"Grouping\":{\"TableLevelConfiguration\":0}}"),
            "InvalidInputException",
        ),
        ("Configuration", json!("{\"Version\":1,\"Magic\":1}"), "NotImplemented"),
        ("Name", json!("c"), "AlreadyExistsException"),
    ] {
        let mut wrong = good.clone();
        wrong[member] = value;
        assert_eq!(world.refusal("CreateCrawler", wrong).await, code, "{member}");
    }
    assert_eq!(
        world.refusal("StopCrawler", json!({"Name": "c"})).await,
        "CrawlerNotRunningException"
    );
    assert_eq!(
        world.refusal("StartCrawler", json!({"Name": "none"})).await,
        "EntityNotFoundException"
    );
}

#[tokio::test]
async fn a_crawl_writes_the_table_that_readers_understand() {
    let world = World::new().await;
    world.database().await;
    let classifier = json!({"Name": "k", "Delimiter": "|", "QuoteSymbol": "\"", "ContainsHeader": "UNKNOWN", "AllowSingleColumn": true, "DisableValueTrimming": false});
    world.ok("CreateClassifier", json!({"CsvClassifier": classifier})).await;
    world.put("raw/", "").await;
    world
        .put("raw/a.csv", "id|date|amount\r\n1|2024-01-31|5.5\r\n2|2024-02-01|6\r\n")
        .await;
    let configuration = r#"{"Version":1.0,"Grouping":{"TableGroupingPolicy":"CombineCompatibleSchemas"}}"#;
    world
        .crawler(json!({"Classifiers": ["k"], "Configuration": configuration}))
        .await;
    let crawler = world.crawl().await;
    assert_eq!(crawler["LastCrawl"]["Status"], "SUCCEEDED", "{crawler}");
    assert_eq!(world.metrics().await, (1, 0, 0));
    let table = world.table("ext_raw").await;
    assert_eq!(columns(&table), ["id bigint", "date string", "amount double"]);
    let descriptor = &table["StorageDescriptor"];
    assert_eq!(descriptor["Location"], "s3://lake/raw/");
    assert_eq!(
        descriptor["SerdeInfo"]["SerializationLibrary"],
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
    );
    assert_eq!(descriptor["SerdeInfo"]["Parameters"], json!({"field.delim": "|"}));
    for (name, value) in [
        ("classification", "csv"),
        ("delimiter", "|"),
        ("skip.header.line.count", "1"),
        ("compressionType", "none"),
        ("typeOfData", "file"),
        ("columnsOrdered", "true"),
        ("areColumnsQuoted", "false"),
        ("objectCount", "1"),
        ("recordCount", "2"),
        ("sizeKey", "50"),
        ("averageRecordSize", "25"),
        ("UPDATED_BY_CRAWLER", "c"),
    ] {
        assert_eq!(table["Parameters"][name], value, "{name}");
    }
    assert_eq!(table["TableType"], "EXTERNAL_TABLE");
}

#[tokio::test]
async fn a_second_crawl_follows_the_policies() {
    let world = World::new().await;
    world.database().await;
    world.put("raw/a.csv", "id,name\n1,x\n2,y\n").await;
    world.crawler(json!({})).await;
    world.crawl().await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    world.ended("c", 2).await;
    assert_eq!(world.metrics().await, (0, 0, 0));
    world.put("raw/a.csv", "id,name,age\n1,x,5\n2,y,6\n").await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    world.ended("c", 3).await;
    assert_eq!(world.metrics().await, (0, 1, 0));
    assert_eq!(
        columns(&world.table("ext_raw").await),
        ["id bigint", "name string", "age bigint"]
    );
    let log = json!({"Name": "c", "SchemaChangePolicy": {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}});
    world.ok("UpdateCrawler", log).await;
    world.put("raw/a.csv", "id,other\n1,5\n2,6\n").await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    world.ended("c", 4).await;
    assert_eq!(columns(&world.table("ext_raw").await).len(), 3);
    world.s3(Method::DELETE, "/lake/raw/a.csv", "").await;
    world
        .ok(
            "UpdateCrawler",
            json!({"Name": "c", "SchemaChangePolicy": {"DeleteBehavior": "DEPRECATE_IN_DATABASE"}}),
        )
        .await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    world.ended("c", 5).await;
    assert!(!world.table("ext_raw").await["Parameters"]["DEPRECATED_BY_CRAWLER"].is_null());
    world
        .ok(
            "UpdateCrawler",
            json!({"Name": "c", "SchemaChangePolicy": {"DeleteBehavior": "DELETE_FROM_DATABASE"}}),
        )
        .await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    world.ended("c", 6).await;
    assert_eq!(world.tables().await, Vec::<String>::new());
}

#[tokio::test]
async fn partitions_come_and_go_with_their_folders() {
    let world = World::new().await;
    world.database().await;
    for day in ["1", "2"] {
        world.put(&format!("raw/day={day}/a.csv"), "id,name\n1,x\n2,y\n").await;
    }
    world.crawler(json!({"SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"}})).await;
    world.crawl().await;
    let of = json!({"DatabaseName": "bronze", "TableName": "ext_raw"});
    let values = async || {
        let list = world.ok("GetPartitions", of.clone()).await["Partitions"].clone();
        list.as_array()
            .unwrap()
            .iter()
            .map(|partition| partition["Values"][0].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        world.table("ext_raw").await["PartitionKeys"],
        json!([{"Name": "day", "Type": "string"}])
    );
    assert_eq!(values().await, ["1", "2"]);
    world.s3(Method::DELETE, "/lake/raw/day=1/a.csv", "").await;
    world.put("raw/day=3/a.csv", "id,name\n1,x\n2,y\n").await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    world.ended("c", 2).await;
    assert_eq!(values().await, ["2", "3"]);
}

#[tokio::test]
async fn a_taken_name_gets_a_hash() {
    let world = World::new().await;
    world.database().await;
    let mine = json!({"Name": "ext_raw", "StorageDescriptor": {"Location": "s3://elsewhere/"}});
    world
        .ok("CreateTable", json!({"DatabaseName": "bronze", "TableInput": mine}))
        .await;
    world.put("raw/a.csv", "id,name\n1,x\n2,y\n").await;
    world.crawler(json!({})).await;
    world.crawl().await;
    let tables = world.tables().await;
    assert_eq!(tables.len(), 2);
    assert!(
        tables[1].starts_with("ext_raw_") && tables[1].len() == "ext_raw_".len() + 32,
        "{tables:?}"
    );
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    world.ended("c", 2).await;
    assert_eq!(world.tables().await, tables);
}

#[tokio::test]
async fn a_role_without_permission_fails_the_crawl_and_says_why() {
    let world = World::new().await;
    world.database().await;
    world.put("raw/a.csv", "id,name\n1,x\n2,y\n").await;
    world.crawler(json!({})).await;
    for (crawls, actions, missing) in [
        (1, "glue:*", "s3:ListBucket"),
        (2, "glue:*\",\"s3:ListBucket", "s3:GetObject"),
        (3, "s3:*", "glue:"),
    ] {
        world.allow(actions).await;
        world.ok("StartCrawler", json!({"Name": "c"})).await;
        let last = world.ended("c", crawls).await["LastCrawl"].clone();
        assert_eq!(last["Status"], "FAILED");
        let message = last["ErrorMessage"].as_str().unwrap();
        assert!(
            message.contains(missing) && message.contains("AccessDenied"),
            "{message}"
        );
    }
    assert_eq!(world.tables().await, Vec::<String>::new());
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    world
        .iam(
            "UpdateAssumeRolePolicy",
            json!({"RoleName": "crawl", "PolicyDocument": trust}),
        )
        .await;
    assert_eq!(
        world.refusal("StartCrawler", json!({"Name": "c"})).await,
        "InvalidInputException"
    );
}

#[tokio::test]
async fn a_running_crawler_is_left_alone() {
    let world = World::new().await;
    world.database().await;
    world.crawler(json!({})).await;
    // Within one transaction nothing can run in between.
    let cloud = world.local.cloud();
    let codes = cloud
        .write(Service::Glue, ACCOUNT, REGION, |cx| {
            let call = |operation: &str, input: Value| {
                let cx = Call {
                    operation,
                    ..cx.clone()
                };
                Service::Glue.call(&cx, &input)
            };
            call("StartCrawler", json!({"Name": "c"}))?;
            let mut codes = Vec::new();
            for (operation, input) in [
                ("StartCrawler", json!({"Name": "c"})),
                ("UpdateCrawler", json!({"Name": "c", "Description": "x"})),
                ("DeleteCrawler", json!({"Name": "c"})),
            ] {
                codes.push(call(operation, input).unwrap_err().code);
            }
            assert_eq!(call("GetCrawler", json!({"Name": "c"}))?["Crawler"]["State"], "RUNNING");
            call("StopCrawler", json!({"Name": "c"}))?;
            assert_eq!(
                call("GetCrawler", json!({"Name": "c"}))?["Crawler"]["State"],
                "STOPPING"
            );
            codes.push(call("StopCrawler", json!({"Name": "c"})).unwrap_err().code);
            Ok(codes)
        })
        .await
        .unwrap();
    assert_eq!(
        codes,
        [
            "CrawlerRunningException",
            "CrawlerRunningException",
            "CrawlerRunningException",
            "CrawlerStoppingException"
        ]
    );
    assert_eq!(world.ended("c", 1).await["LastCrawl"]["Status"], "CANCELLED");
}

#[tokio::test]
async fn triggers_fire_on_demand_by_schedule_and_after_crawls() {
    let world = World::new().await;
    world.database().await;
    world.put("raw/a.csv", "id,name\n1,x\n2,y\n").await;
    world.crawler(json!({})).await;
    let second = json!({"Name": "d", "Role": "crawl", "DatabaseName": "bronze", "Targets": {"S3Targets": [{"Path": "s3://lake/raw/"}]}});
    world.ok("CreateCrawler", second).await;
    let after = json!({
        "Name": "after", "Type": "CONDITIONAL", "StartOnCreation": true, "Actions": [{"CrawlerName": "d"}],
        "Predicate": {"Conditions": [{"LogicalOperator": "EQUALS", "CrawlerName": "c", "CrawlState": "SUCCEEDED"}]},
    });
    world.ok("CreateTrigger", after).await;
    world
        .ok(
            "CreateTrigger",
            json!({"Name": "now", "Type": "ON_DEMAND", "Actions": [{"CrawlerName": "c"}]}),
        )
        .await;
    world.ok("StartTrigger", json!({"Name": "now"})).await;
    world.ended("c", 1).await;
    assert_eq!(world.ended("d", 1).await["LastCrawl"]["Status"], "SUCCEEDED");
    let hourly = json!({"Name": "hourly", "Type": "SCHEDULED", "Schedule": "cron(0 * * * ? *)", "StartOnCreation": true, "Actions": [{"CrawlerName": "c"}]});
    world.ok("CreateTrigger", hourly).await;
    world.local.cloud().clock.advance(3600.0);
    world.ended("c", 2).await;
    world.ok("StopTrigger", json!({"Name": "hourly"})).await;
    assert_eq!(
        world.ok("GetTrigger", json!({"Name": "hourly"})).await["Trigger"]["State"],
        "DEACTIVATED"
    );
    world
        .ok(
            "UpdateCrawlerSchedule",
            json!({"CrawlerName": "c", "Schedule": "cron(30 * * * ? *)"}),
        )
        .await;
    world.local.cloud().clock.advance(3600.0);
    world.ended("c", 3).await;
    world.ok("DeleteTrigger", json!({"Name": "hourly"})).await;
    world.ok("DeleteTrigger", json!({"Name": "hourly"})).await;
    assert_eq!(
        world.refusal("GetTrigger", json!({"Name": "hourly"})).await,
        "EntityNotFoundException"
    );
}

#[tokio::test]
async fn wrong_triggers_are_refused() {
    let world = World::new().await;
    world.crawler(json!({})).await;
    let good = json!({"Name": "t", "Type": "ON_DEMAND", "Actions": [{"CrawlerName": "c"}]});
    for (more, code) in [
        (json!({"Type": "SCHEDULED"}), "InvalidInputException"),
        (
            json!({"Type": "SCHEDULED", "Schedule": "cron(x)"}),
            "InvalidInputException",
        ),
        (json!({"Schedule": "cron(0 * * * ? *)"}), "InvalidInputException"),
        (json!({"StartOnCreation": true}), "InvalidInputException"),
        (json!({"Type": "CONDITIONAL"}), "InvalidInputException"),
        (json!({"Actions": []}), "InvalidInputException"),
        (
            json!({"Actions": [{"CrawlerName": "c", "JobName": "j"}]}),
            "InvalidInputException",
        ),
        (json!({"Actions": [{"CrawlerName": "none"}]}), "EntityNotFoundException"),
        (json!({"Actions": [{"JobName": "c"}]}), "EntityNotFoundException"),
    ] {
        let mut wrong = good.clone();
        wrong.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(world.refusal("CreateTrigger", wrong).await, code, "{more}");
    }
}
