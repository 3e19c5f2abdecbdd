//! Crawls after the first: each case of `crawler/corpus/recrawl.txt` is a story of changes to a lake, and what the
//! catalog holds after each crawl.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use super::World;
use crate::services::Service;

/// A step changes settings and objects, crawls, and expects. What happened comes first, then the catalog, then what
/// the crawl warned of:
///
/// ```text
/// ## name of the case
/// policy: LOG DELETE_FROM_DATABASE     (update and delete)
/// recrawl: CRAWL_NEW_FOLDERS_ONLY
/// configuration: {"Version": 1.0}
/// delete: raw/a.csv
/// === raw/b.csv
/// id,name
/// ---
/// + table ext_raw
/// ext_raw csv version 0
///   id bigint
/// +++
/// ```
#[tokio::test]
async fn later_crawls_follow_the_policies() {
    let mut wrong = String::new();
    for case in include_str!("../../../crawler/corpus/recrawl.txt")
        .split("\n## ")
        .skip(1)
    {
        let (name, steps) = case.split_once('\n').expect("a case has a name line");
        let world = World::new().await;
        world.allow("s3:*\",\"glue:*\",\"logs:*").await;
        world.database().await;
        world.crawler(json!({})).await;
        for (at, step) in steps.split("\n+++\n").enumerate() {
            let (input, wanted) = step.split_once("\n---\n").unwrap_or_else(|| panic!("{name}: no ---"));
            world.step(input).await;
            world.ok("StartCrawler", json!({"Name": "c"})).await;
            let crawler = world.ended("c", at + 1).await;
            let found = world.shown(&crawler).await;
            if found != wanted.trim_end() {
                writeln!(wrong, "## {name}, step {at}\nwanted:\n{wanted}\nfound:\n{found}\n").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

impl World {
    async fn step(&self, input: &str) {
        let mut objects = format!("\n{input}\n");
        let settings = objects.find("\n=== ").unwrap_or(objects.len());
        let objects = objects.split_off(settings);
        for line in input[..settings.saturating_sub(1).min(input.len())].lines() {
            let Some((name, value)) = line.split_once(": ") else {
                continue;
            };
            let words: Vec<&str> = value.split_whitespace().collect();
            let change = match name {
                "policy" => json!({"SchemaChangePolicy": {"UpdateBehavior": words[0], "DeleteBehavior": words[1]}}),
                "recrawl" => json!({"RecrawlPolicy": {"RecrawlBehavior": value}}),
                "configuration" => json!({"Configuration": value}),
                "delete" => {
                    self.s3(Method::DELETE, &format!("/lake/{value}"), "").await;
                    continue;
                }
                "describe" => {
                    self.describe(words[0]).await;
                    continue;
                }
                other => panic!("no setting `{other}`"),
            };
            let mut update = json!({"Name": "c"});
            update
                .as_object_mut()
                .unwrap()
                .extend(change.as_object().unwrap().clone());
            self.ok("UpdateCrawler", update).await;
        }
        for object in objects.split("\n=== ").skip(1) {
            let (key, body) = object.split_once('\n').unwrap_or((object, ""));
            let body = if body.ends_with('\n') || body.is_empty() {
                body.to_owned()
            } else {
                format!("{body}\n")
            };
            self.put(key, &body).await;
        }
    }

    /// Adds what people add to a table.
    async fn describe(&self, name: &str) {
        let mut table = self.table(name).await;
        table["Description"] = json!("by hand");
        table["Parameters"]["owner"] = json!("me");
        for member in [
            "DatabaseName",
            "CreateTime",
            "UpdateTime",
            "CreatedBy",
            "CatalogId",
            "VersionId",
        ] {
            table.as_object_mut().unwrap().remove(member);
        }
        self.ok(
            "UpdateTable",
            json!({"DatabaseName": "bronze", "TableInput": table, "SkipArchive": true}),
        )
        .await;
    }

    /// What the last crawl did, and what the catalog holds.
    async fn shown(&self, crawler: &Value) -> String {
        let mut out = String::new();
        if crawler["LastCrawl"]["Status"] != "SUCCEEDED" {
            return format!(
                "{}: {}",
                crawler["LastCrawl"]["Status"], crawler["LastCrawl"]["ErrorMessage"]
            );
        }
        let crawls = self.ok("ListCrawls", json!({"CrawlerName": "c"})).await["Crawls"].clone();
        let inner = |value: &Value| serde_json::from_str::<Value>(value.as_str().unwrap_or("{}")).unwrap();
        let summary = inner(&crawls[0]["Summary"]);
        for (kind, word) in [("TABLE", "table"), ("PARTITION", "partition")] {
            let verbs = inner(&summary[kind]);
            for (verb, sign) in [("ADD", '+'), ("UPDATE", '~'), ("DELETE", '-')] {
                let changes = inner(&verbs[verb]);
                let names = changes["Details"]["names"].as_array().cloned().unwrap_or_default();
                assert_eq!(names.len() as u64, changes["Count"].as_u64().unwrap_or(0));
                for name in names {
                    writeln!(out, "{sign} {word} {}", name.as_str().unwrap()).unwrap();
                }
            }
        }
        for name in self.tables().await {
            let table = self.table(&name).await;
            let parameter = |name: &str| table["Parameters"][name].as_str().unwrap_or("-").to_owned();
            let version = table["VersionId"].as_str().unwrap();
            write!(out, "{name} {} version {version}", parameter("classification")).unwrap();
            if !table["Parameters"]["DEPRECATED_BY_CRAWLER"].is_null() {
                out.push_str(" deprecated");
            }
            if table["Description"] == "by hand" && table["Parameters"]["owner"] == "me" {
                out.push_str(" described");
            }
            out.push('\n');
            for column in super::columns(&table) {
                writeln!(out, "  {column}").unwrap();
            }
            let of = json!({"DatabaseName": "bronze", "TableName": name});
            for partition in self.ok("GetPartitions", of.clone()).await["Partitions"]
                .as_array()
                .unwrap()
            {
                let values = partition["Values"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|value| value.as_str().unwrap());
                let values = values.collect::<Vec<_>>().join("/");
                writeln!(out, "  {values}: {}", super::columns(partition).join(", ")).unwrap();
            }
            for index in self.ok("GetPartitionIndexes", of).await["PartitionIndexDescriptorList"]
                .as_array()
                .unwrap()
            {
                let keys = index["Keys"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|key| key["Name"].as_str().unwrap());
                writeln!(out, "  index over {}", keys.collect::<Vec<_>>().join(", ")).unwrap();
            }
        }
        let run = crawler["LastCrawl"]["MessagePrefix"].as_str().unwrap();
        for line in self.log("c").await {
            if let Some(warning) = line.strip_prefix(&format!("[{run}] WARN : ")) {
                writeln!(out, "! {warning}").unwrap();
            }
        }
        out.trim_end().to_owned()
    }

    /// The messages in a crawler's log stream; none when there is no stream.
    pub(super) async fn log(&self, crawler: &str) -> Vec<String> {
        let of = json!({"logGroupName": "/aws-glue/crawlers", "logStreamName": crawler, "startFromHead": true});
        let Ok(answer) = self.run(Service::Logs, "GetLogEvents", of).await else {
            return Vec::new();
        };
        let events = answer["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["message"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn a_crawl_says_in_the_log_what_it_did() {
    let world = World::new().await;
    world.database().await;
    world.put("raw/a.csv", "id,name\n1,x\n2,y\n").await;
    world.crawler(json!({})).await;
    // Without a permission for logs there is none, and the crawl is as good.
    let crawler = world.crawl().await;
    assert_eq!(crawler["LastCrawl"]["Status"], "SUCCEEDED");
    assert_eq!(world.log("c").await, Vec::<String>::new());
    world.allow("s3:*\",\"glue:*\",\"logs:*").await;
    world.put("raw/a.csv", "id,name,age\n1,x,5\n2,y,6\n").await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    let last = world.ended("c", 2).await["LastCrawl"].clone();
    assert_eq!(
        (&last["LogGroup"], &last["LogStream"]),
        (&json!("/aws-glue/crawlers"), &json!("c"))
    );
    let prefix = format!("[{}] ", last["MessagePrefix"].as_str().unwrap());
    let lines = world.log("c").await;
    let said: Vec<&str> = lines
        .iter()
        .map(|line| line.strip_prefix(&prefix).expect(line))
        .collect();
    assert_eq!(said[0], "BENCHMARK : Running Start Crawl for Crawler c");
    assert!(
        said[1].starts_with("INFO : Crawler configured with Configuration "),
        "{}",
        said[1]
    );
    assert_eq!(
        said[2..],
        [
            "BENCHMARK : Classification complete, writing results to database bronze",
            "INFO : Updated table ext_raw in database bronze",
            "BENCHMARK : Finished writing to Catalog",
            "BENCHMARK : Crawler has finished running and is in state READY",
        ]
    );
    world.put("raw/b.avro", "Obj\u{1}x").await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    let last = world.ended("c", 3).await["LastCrawl"].clone();
    let error = "the local cloud does not read s3://lake/raw/b.avro: Avro";
    assert_eq!(
        (&last["Status"], &last["ErrorMessage"]),
        (&json!("FAILED"), &json!(error))
    );
    assert!(
        world
            .log("c")
            .await
            .iter()
            .any(|line| line.ends_with(&format!("ERROR : {error}")))
    );
}

#[tokio::test]
async fn a_role_must_be_allowed_to_read_each_object() {
    let world = World::new().await;
    world.database().await;
    for folder in ["open", "shut"] {
        world.put(&format!("raw/{folder}/a.csv"), "id,name\n1,x\n2,y\n").await;
    }
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["s3:ListBucket","glue:*"],"Resource":"*"},
        {"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lake/raw/open/*"}]}"#;
    let put = json!({"RoleName": "crawl", "PolicyName": "p", "PolicyDocument": policy});
    world.iam("PutRolePolicy", put).await;
    world.crawler(json!({})).await;
    let last = world.crawl().await["LastCrawl"].clone();
    assert_eq!(
        last["ErrorMessage"],
        "User: arn:aws:sts::123456789012:assumed-role/crawl/AWS-Crawler is not authorized to perform: s3:GetObject on \
         resource: arn:aws:s3:::lake/raw/shut/a.csv because no identity-based policy allows the s3:GetObject action \
         (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)"
    );
    let only_open = json!({"S3Targets": [{"Path": "s3://lake/raw/", "Exclusions": ["shut/**"]}]});
    world
        .ok("UpdateCrawler", json!({"Name": "c", "Targets": only_open}))
        .await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    assert_eq!(world.ended("c", 2).await["LastCrawl"]["Status"], "SUCCEEDED");
    let no_create = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["s3:*","glue:GetDatabase","glue:UpdateTable"],"Resource":"*"}]}"#;
    let put = json!({"RoleName": "crawl", "PolicyName": "p", "PolicyDocument": no_create});
    world.iam("PutRolePolicy", put).await;
    world
        .ok("UpdateCrawler", json!({"Name": "c", "TablePrefix": "new_"}))
        .await;
    world
        .ok("DeleteTable", json!({"DatabaseName": "bronze", "Name": "ext_raw"}))
        .await;
    world.ok("StartCrawler", json!({"Name": "c"})).await;
    let last = world.ended("c", 3).await["LastCrawl"].clone();
    let message = last["ErrorMessage"].as_str().unwrap();
    assert!(message.contains("is not authorized to perform: glue:"), "{message}");
    assert!(
        message.ends_with("(Service: AWSGlue; Status Code: 400; Error Code: AccessDeniedException)"),
        "{message}"
    );
}

#[tokio::test]
async fn partition_indexes_are_kept_and_limited() {
    let world = World::new().await;
    world.database().await;
    let keys = json!([{"Name": "year", "Type": "string"}, {"Name": "month", "Type": "int"}]);
    let input = json!({"Name": "t", "PartitionKeys": keys});
    let first = json!([{"IndexName": "both", "Keys": ["year", "month"]}]);
    world
        .ok(
            "CreateTable",
            json!({"DatabaseName": "bronze", "TableInput": input, "PartitionIndexes": first}),
        )
        .await;
    let of = json!({"DatabaseName": "bronze", "TableName": "t"});
    let with = |member: &str, value: Value| {
        let mut input = of.clone();
        input[member] = value;
        input
    };
    let index = |name: &str, keys: &[&str]| with("PartitionIndex", json!({"IndexName": name, "Keys": keys}));
    world.ok("CreatePartitionIndex", index("month", &["MONTH"])).await;
    for (wrong, code) in [
        (index("month", &["year"]), "AlreadyExistsException"),
        (index("again", &["month"]), "AlreadyExistsException"),
        (index("none", &["day"]), "InvalidInputException"),
        (index("twice", &["year", "year"]), "InvalidInputException"),
    ] {
        assert_eq!(
            world.refusal("CreatePartitionIndex", wrong.clone()).await,
            code,
            "{wrong}"
        );
    }
    world.ok("CreatePartitionIndex", index("year", &["year"])).await;
    assert_eq!(
        world
            .refusal("CreatePartitionIndex", index("more", &["month", "year"]))
            .await,
        "ResourceNumberLimitExceededException"
    );
    let list = world.ok("GetPartitionIndexes", of.clone()).await["PartitionIndexDescriptorList"].clone();
    assert_eq!(
        list[1],
        json!({"IndexName": "month", "Keys": [{"Name": "month", "Type": "int"}], "IndexStatus": "ACTIVE"})
    );
    world
        .ok("DeletePartitionIndex", with("IndexName", json!("month")))
        .await;
    assert_eq!(
        world
            .refusal("DeletePartitionIndex", with("IndexName", json!("month")))
            .await,
        "EntityNotFoundException"
    );
    world
        .ok("DeleteTable", json!({"DatabaseName": "bronze", "Name": "t"}))
        .await;
    world
        .ok("CreateTable", json!({"DatabaseName": "bronze", "TableInput": input}))
        .await;
    let list = world.ok("GetPartitionIndexes", of).await["PartitionIndexDescriptorList"].clone();
    assert_eq!(list, json!([]));
}
