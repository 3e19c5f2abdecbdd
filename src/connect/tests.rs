//! The traps of AWS's update and delete calls, met by the real AWS code against the local cloud and its fault layer.

use super::in_process;
use http_body::Body as _;
use lakeform_aws::{Aws, Body};
use lakeform_engine::apply::settle;
use lakeform_engine::cloud::{Ask, Cloud, CloudError, Create, Delete, Live, Meaning, Owner, Progress, Update};
use lakeform_engine::journal::{Entry, Ledger, Verb};
use lakeform_engine::{Address, Fields, Value};
use lakeform_local::{Local, Options, Pace};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// A local cloud in this process and the AWS code connected to it.
struct World {
    aws: Aws,
    local: Arc<Local>,
    news: Mutex<Vec<Progress>>,
    _disk: tempfile::TempDir,
}

async fn world() -> World {
    let disk = tempfile::tempdir().expect("a folder");
    let options = Options {
        dir: disk.path().to_owned(),
        pace: Pace::Quick,
        seed: None,
    };
    let local = Local::open(options).await.expect("a local cloud");
    World {
        aws: Aws::new(in_process("us-east-1", &local)),
        local,
        news: Mutex::default(),
        _disk: disk,
    }
}

fn owner(address: &str, op: &str) -> Owner {
    Owner {
        stack: "t".to_owned(),
        generation: "g".to_owned(),
        address: Address::parse(address).expect("an address"),
        // As long as real ones, which serve as tokens.
        op: format!("{op:0<32}"),
    }
}

fn fields(json: serde_json::Value) -> Fields {
    match Value::from_json(&json) {
        Value::Map(map) => map,
        _ => unreachable!("tests give maps"),
    }
}

fn text(live: &Live, output: &str) -> String {
    live.outputs[output].as_text().expect("a text").to_owned()
}

impl World {
    async fn create(&self, address: &str, json: serde_json::Value) -> Result<Live, CloudError> {
        self.create_as(owner(address, &format!("op-{address}")), json).await
    }

    async fn create_as(&self, owner: Owner, json: serde_json::Value) -> Result<Live, CloudError> {
        let create = Create {
            owner,
            fields: fields(json),
        };
        self.aws.create(&create, &|_| {}).await
    }

    /// Changes the fields that `json` gives.
    async fn update(&self, address: &str, live: &Live, json: serde_json::Value) -> Result<Live, CloudError> {
        let changes = fields(json);
        let mut wanted = live.fields.clone();
        wanted.extend(changes.clone());
        let update = Update {
            owner: owner(address, "op-update"),
            id: live.id.clone(),
            before: live.clone(),
            fields: wanted,
            changed: changes.into_keys().collect(),
        };
        self.aws.update(&update, &|_| {}).await
    }

    async fn delete(&self, address: &str, live: &Live) -> Result<(), CloudError> {
        let delete = Delete {
            owner: owner(address, "op-delete"),
            id: live.id.clone(),
            fields: live.fields.clone(),
        };
        let report = |news: Progress| self.news.lock().expect("no panic").push(news);
        self.aws.delete(&delete, &report).await
    }

    async fn read(&self, address: &str, live: &Live) -> Option<Live> {
        let address = Address::parse(address).expect("an address");
        let ask = Ask {
            address: address.clone(),
            id: Some(live.id.clone()),
            fields: live.fields.clone(),
            record: None,
        };
        self.aws.read(address.kind, &[ask]).await.expect("a read").remove(0)
    }

    fn calls(&self, operation: &str) -> u64 {
        self.aws
            .connection()
            .calls()
            .get(operation)
            .copied()
            .unwrap_or_default()
    }

    fn faults(&self, plan: serde_json::Value) {
        self.local.faults().set(serde_json::from_value(plan).expect("a plan"));
    }

    /// What somebody else asks of the cloud: a form of the query protocols, or JSON for `target`.
    async fn elsewhere(&self, service: &str, target: Option<&str>, body: &str) -> String {
        let credential = format!("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request");
        let request = http::Request::post("https://aws.lakeform.local/")
            .header("host", "aws.lakeform.local")
            .header(
                "authorization",
                format!("{credential}, SignedHeaders=host, Signature=0"),
            );
        let request = match target {
            Some(target) => request
                .header("x-amz-target", target)
                .header("content-type", "application/x-amz-json-1.1"),
            None => request.header("content-type", "application/x-www-form-urlencoded"),
        };
        let request = request.body(whole(body)).expect("a request");
        let (parts, mut body) = self.local.handle(request).await.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            bytes.extend(frame.expect("a frame").into_data().unwrap_or_default());
        }
        let answer = String::from_utf8(bytes).expect("a text");
        assert!(parts.status.is_success(), "{answer}");
        answer
    }

    async fn network(&self) -> (Live, Vec<Live>) {
        let vpc = self
            .create("vpc.main", json!({"cidr": "10.0.0.0/16"}))
            .await
            .expect("a VPC");
        let mut subnets = Vec::new();
        for (index, zone) in ["a", "b", "c"].iter().enumerate() {
            let subnet =
                json!({"vpc": vpc.id, "cidr": format!("10.0.{index}.0/24"), "zone": format!("us-east-1{zone}")});
            subnets.push(self.create(&format!("subnet.{zone}"), subnet).await.expect("a subnet"));
        }
        (vpc, subnets)
    }

    async fn cluster(&self, name: &str) -> Result<Live, CloudError> {
        self.create(
            &format!("redshift_cluster.{name}"),
            json!({"identifier": name, "subnet_group": "group", "user": "boss"}),
        )
        .await
    }

    async fn subnet_group(&self) {
        let (_, subnets) = self.network().await;
        let ids: Vec<&str> = subnets.iter().map(|subnet| subnet.id.as_str()).collect();
        let group = json!({"name": "group", "subnets": ids});
        self.create("redshift_subnet_group.group", group)
            .await
            .expect("a group");
    }
}

fn whole(text: &str) -> Body {
    Body::new(OneFrame(Some(text.to_owned().into())))
}

/// A body of one piece.
struct OneFrame(Option<bytes::Bytes>);

impl http_body::Body for OneFrame {
    type Data = bytes::Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

#[tokio::test]
async fn a_paused_cluster_is_resumed_before_it_is_deleted() {
    let world = world().await;
    world.subnet_group().await;
    let cluster = world.cluster("main").await.expect("a cluster");
    let pause = "Action=PauseCluster&Version=2012-12-01&ClusterIdentifier=main";
    world.elsewhere("redshift", None, pause).await;
    // At once: it is still on its way to being paused.
    world.delete("redshift_cluster.main", &cluster).await.expect("deleted");
    assert!(world.calls("redshift:ResumeCluster") >= 1);
    assert_eq!(world.read("redshift_cluster.main", &cluster).await, None);
}

#[tokio::test]
async fn many_clusters_that_come_up_share_their_looks() {
    let world = world().await;
    world.subnet_group().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let alone = {
        let before = world.calls("redshift:DescribeClusters");
        world.cluster("alone").await.expect("a cluster");
        world.calls("redshift:DescribeClusters") - before
    };
    let before = world.calls("redshift:DescribeClusters");
    let made = futures::future::join_all(names.iter().map(|name| world.cluster(name))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let together = world.calls("redshift:DescribeClusters") - before;
    // Each reads itself back once more at its end; the waiting itself is shared.
    assert!(
        together < alone * 3 + names.len() as u64,
        "{together} together, {alone} alone"
    );
}

#[tokio::test]
async fn throttling_slows_down_its_operation_and_loses_nothing() {
    let world = world().await;
    let throttle = json!({"rules": [{"operation": "ec2:CreateVpc", "effect": "throttle", "times": 4}]});
    world.faults(throttle);
    let vpcs = futures::future::join_all((0..4).map(|index| {
        let (world, address) = (&world, format!("vpc.v{index}"));
        async move {
            world
                .create(&address, json!({"cidr": format!("10.{index}.0.0/16")}))
                .await
        }
    }))
    .await;
    let ids: std::collections::BTreeSet<String> = vpcs.into_iter().map(|vpc| vpc.expect("a VPC").id).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(world.calls("ec2:CreateVpc"), 8, "four refused, four done");
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_vpc() {
    let world = world().await;
    world.faults(json!({"rules": [{"operation": "ec2:CreateVpc", "effect": "lost"}]}));
    let vpc = world
        .create("vpc.main", json!({"cidr": "10.0.0.0/16"}))
        .await
        .expect("a VPC");
    assert_eq!(world.calls("ec2:CreateVpc"), 1, "it was looked up, not made again");
    assert_eq!(vpc.owner, Some(owner("vpc.main", "op-vpc.main")));
}

#[tokio::test]
async fn a_create_that_is_sent_again_finds_its_own_work_even_where_reads_lag_behind() {
    let world = world().await;
    let (vpc, subnets) = world.network().await;
    let subnets: Vec<&String> = subnets.iter().map(|subnet| &subnet.id).collect();
    let group = json!({"name": "g", "description": "g", "vpc": vpc.id, "ingress": []});
    let policies = json!({"name": "r", "service": "glue", "description": "", "max_session_s": 3600});
    let cases = [
        (
            "glue_database.a",
            json!({"name": "a"}),
            "glue:CreateDatabase",
            "glue:Get*",
        ),
        (
            "glue_classifier.a",
            json!({"name": "a", "csv": {"delimiter": ";"}}),
            "glue:CreateClassifier",
            "glue:Get*",
        ),
        ("role.a", policies, "iam:CreateRole", "iam:Get*"),
        (
            "log_group.a",
            json!({"name": "a"}),
            "logs:CreateLogGroup",
            "logs:Describe*",
        ),
        (
            "secret.a",
            json!({"name": "a", "recovery_days": 0}),
            "secretsmanager:CreateSecret",
            "*:DescribeSecret",
        ),
        (
            "redshift_subnet_group.a",
            json!({"name": "a", "description": "a", "subnets": subnets}),
            "redshift:CreateClusterSubnetGroup",
            "redshift:Describe*",
        ),
        (
            "redshift_parameter_group.a",
            json!({"name": "a", "family": "redshift-1.0", "description": "a"}),
            "redshift:CreateClusterParameterGroup",
            "redshift:Describe*",
        ),
        (
            "redshift_namespace.a",
            json!({"name": "aaa", "database": "dev", "user": "admin"}),
            "redshift-serverless:CreateNamespace",
            "redshift-serverless:Get*",
        ),
        ("security_group.a", group, "ec2:CreateSecurityGroup", "ec2:Describe*"),
        (
            "bucket.a",
            json!({"name": "a-bucket"}),
            "s3:CreateBucket",
            "s3:HeadBucket",
        ),
    ];
    for (address, json, create, read) in cases {
        world.faults(json!({"rules": [
            {"operation": create, "effect": "lost", "times": 1},
            {"operation": read, "effect": "stale", "times": 2},
        ]}));
        let made = world.create(address, json).await;
        let live = made.unwrap_or_else(|error| panic!("{address}: {error}"));
        assert_eq!(
            live.owner,
            Some(owner(address, &format!("op-{address}"))).filter(|_| !address.contains("classifier"))
        );
        let lost = world
            .local
            .faults()
            .records()
            .iter()
            .filter(|record| record.operation == create && record.effect == lakeform_local::fault::Effect::Lost)
            .count();
        assert_eq!(lost, 1, "{address}: the answer was lost");
    }
}

#[tokio::test]
async fn what_somebody_else_made_first_is_refused_and_said_how_to_adopt() {
    let world = world().await;
    world.faults(json!({"rules": [{"operation": "glue:CreateDatabase", "effect": "preempted"}]}));
    let error = world
        .create("glue_database.a", json!({"name": "a"}))
        .await
        .expect_err("taken");
    assert_eq!(error.meaning, Meaning::AlreadyExists);
    let hint = "`lakeform import glue_database.a a` adopts it";
    assert!(error.hints.iter().any(|said| said == hint), "{:?}", error.hints);
}

#[tokio::test]
async fn what_was_left_open_is_looked_for_kind_by_kind() {
    const COUNT: usize = 4;
    let world = world().await;
    let mut ledger = Ledger::default();
    let opened = |ledger: &mut Ledger, address: String, fields: Fields| {
        let Owner { address, op, .. } = owner(&address, &format!("op-{address}"));
        ledger.add(&Entry::Intent {
            op,
            address,
            verb: Verb::Create,
            fields,
            needs: BTreeSet::new(),
            protect: false,
        });
    };
    ledger.add(&Entry::Opened {
        version: 1,
        stack: "t".to_owned(),
        generation: "g".to_owned(),
    });
    for index in 0..COUNT {
        for (address, json) in [
            (format!("vpc.n{index}"), json!({"cidr": format!("10.{index}.0.0/16")})),
            (format!("glue_database.n{index}"), json!({"name": format!("n{index}")})),
        ] {
            world
                .create(&address, json.clone())
                .await
                .expect("made, and its end never written");
            opened(&mut ledger, address, fields(json));
        }
    }
    let before = (world.calls("ec2:DescribeVpcs"), world.calls("glue:GetDatabase"));
    let entries = settle(&world.aws, &ledger).await.expect("settled");
    let done = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Done { record: Some(_), .. }));
    assert_eq!(done.count(), 2 * COUNT);
    assert_eq!(world.calls("ec2:DescribeVpcs") - before.0, 1, "one for all");
    assert_eq!(world.calls("glue:GetDatabase") - before.1, 0, "they are listed");
    // What is not there is looked for again, for it might only be hidden; what is there is not.
    opened(
        &mut ledger,
        "vpc.never".to_owned(),
        fields(json!({"cidr": "10.99.0.0/16"})),
    );
    let entries = settle(&world.aws, &ledger).await.expect("settled");
    let failed = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Failed { open: false, .. }));
    assert_eq!(failed.count(), 1);
}

#[tokio::test]
async fn who_may_not_act_asks_nothing() {
    let world = world().await;
    world
        .create("vpc.main", json!({"cidr": "10.0.0.0/16"}))
        .await
        .expect("a VPC");
    world.aws.connection().only_while(|| false);
    let before = world.aws.connection().calls();
    let refused = world.create("vpc.other", json!({"cidr": "10.1.0.0/16"})).await;
    assert!(refused.is_err());
    assert_eq!(world.aws.connection().calls(), before);
}

#[tokio::test]
async fn a_secret_that_waits_for_its_deletion_comes_back_as_the_file_says() {
    let world = world().await;
    let old = json!({"name": "app", "recovery_days": 7, "tags": {"old": "1"}});
    let secret = world.create("secret.app", old).await.expect("a secret");
    world.delete("secret.app", &secret).await.expect("scheduled");
    let new = json!({"name": "app", "description": "again", "tags": {"new": "2"}});
    let again = world
        .create_as(owner("secret.app", "op-again"), new.clone())
        .await
        .expect("restored");
    assert_eq!(world.calls("secretsmanager:RestoreSecret"), 1);
    assert_eq!(
        again.fields["tags"],
        Value::Map(BTreeMap::from([("new".to_owned(), Value::text("2"))]))
    );
    assert_eq!(again.fields["description"], Value::text("again"));
    // Another stack's stays where it is.
    world.delete("secret.app", &again).await.expect("scheduled");
    let stranger = Owner {
        stack: "other".to_owned(),
        ..owner("secret.app", "op-other")
    };
    assert!(world.create_as(stranger, new).await.is_err());
}

#[tokio::test]
async fn whoever_holds_a_subnet_is_named_at_the_first_refusal() {
    let world = world().await;
    let (_, subnets) = world.network().await;
    let interface = format!(
        "Action=CreateNetworkInterface&Version=2016-11-15&SubnetId={}&Description=by+hand",
        subnets[0].id
    );
    world.elsewhere("ec2", None, &interface).await;
    let error = world.delete("subnet.a", &subnets[0]).await.expect_err("held");
    assert_eq!(error.meaning, Meaning::InUse);
    assert!(
        error
            .hints
            .iter()
            .any(|hint| hint.contains("held by eni-") && hint.contains("by hand")),
        "{:?}",
        error.hints
    );
    assert_eq!(world.calls("ec2:DeleteSubnet"), 1, "asked once, not for minutes");
}

#[tokio::test]
async fn a_gateway_is_detached_before_it_goes_and_says_who_keeps_it() {
    let world = world().await;
    let (vpc, subnets) = world.network().await;
    let gateway = world
        .create("internet_gateway.main", json!({"vpc": vpc.id}))
        .await
        .expect("a gateway");
    let nat = world
        .create("nat_gateway.out", json!({"subnet": subnets[0].id}))
        .await
        .expect("a NAT gateway");
    let error = world
        .delete("internet_gateway.main", &gateway)
        .await
        .expect_err("a public address holds it");
    assert!(error.hints.iter().any(|hint| hint.contains("held by")), "{error:?}");
    world
        .delete("nat_gateway.out", &nat)
        .await
        .expect("deleted, with its address");
    world
        .delete("internet_gateway.main", &gateway)
        .await
        .expect("detached and deleted");
    assert_eq!(world.read("internet_gateway.main", &gateway).await, None);
}

#[tokio::test]
async fn groups_that_mention_each_other_can_both_go() {
    let world = world().await;
    let (vpc, _) = world.network().await;
    let mut groups = Vec::new();
    for name in ["one", "two"] {
        let group = json!({"name": name, "description": name, "vpc": vpc.id, "ingress": [], "egress": []});
        groups.push(
            world
                .create(&format!("security_group.{name}"), group)
                .await
                .expect("a group"),
        );
    }
    for (group, peer) in [(&groups[0], &groups[1]), (&groups[1], &groups[0])] {
        let rule = format!(
            "Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId={}&IpPermissions.1.IpProtocol=tcp\
             &IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.Groups.1.GroupId={}",
            group.id, peer.id
        );
        world.elsewhere("ec2", None, &rule).await;
    }
    let (one, two) = futures::join!(
        world.delete("security_group.one", &groups[0]),
        world.delete("security_group.two", &groups[1])
    );
    one.and(two).expect("both are gone");
}

#[tokio::test]
async fn a_bucket_is_emptied_of_all_versions_with_progress() {
    let world = world().await;
    let bucket = json!({"name": "versions-here", "versioning": true, "force_destroy": true});
    let bucket = world.create("bucket.v", bucket).await.expect("a bucket");
    for index in 0..30 {
        for version in 0..3 {
            let body = format!("{version}").into_bytes().into();
            let key = format!("folder/{index}");
            world
                .aws
                .put_object("versions-here", &key, body, None, false)
                .await
                .expect("an object");
        }
    }
    world
        .aws
        .delete_objects("versions-here", vec!["folder/0".to_owned()])
        .await
        .expect("a marker");
    let mut bucket = bucket;
    bucket.fields.insert("force_destroy".to_owned(), Value::Bool(true));
    world.delete("bucket.v", &bucket).await.expect("deleted");
    assert_eq!(world.read("bucket.v", &bucket).await, None);
    let amounts = world.news.lock().expect("no panic");
    assert!(
        amounts
            .iter()
            .any(|news| matches!(news, Progress::Amount { done: 91, .. })),
        "{amounts:?}"
    );
}

#[tokio::test]
async fn serverless_changes_go_one_by_one_in_a_safe_order() {
    let world = world().await;
    let (vpc, subnets) = world.network().await;
    let group = json!({"name": "wg", "description": "wg", "vpc": vpc.id, "ingress": [], "egress": []});
    let group = world.create("security_group.wg", group).await.expect("a group");
    world
        .create("redshift_namespace.n", json!({"name": "names"}))
        .await
        .expect("a namespace");
    let ids: Vec<&str> = subnets.iter().map(|subnet| subnet.id.as_str()).collect();
    let workgroup = json!({"name": "work", "namespace": "names", "subnets": ids, "security_groups": [group.id],
        "base_capacity": 8, "max_capacity": 16});
    let address = "redshift_workgroup.w";
    let workgroup = world.create(address, workgroup).await.expect("a workgroup");
    let before = world.calls("redshiftserverless:UpdateWorkgroup");
    let larger = json!({"base_capacity": 32, "max_capacity": 64, "parameters": {"query_group": "etl"}});
    let larger = world
        .update(address, &workgroup, larger)
        .await
        .expect("raised: the maximum first");
    assert_eq!(world.calls("redshiftserverless:UpdateWorkgroup") - before, 3);
    let smaller = json!({"base_capacity": 8, "max_capacity": 16, "parameters": {}});
    let smaller = world
        .update(address, &larger, smaller)
        .await
        .expect("lowered: the base first");
    for field in ["base_capacity", "max_capacity", "parameters"] {
        assert_eq!(smaller.fields[field], workgroup.fields[field], "{field}");
    }
}

#[tokio::test]
async fn parameters_that_are_taken_out_of_the_file_are_reset() {
    let world = world().await;
    let address = "redshift_parameter_group.p";
    let set = json!({"name": "params", "parameters": {"statement_timeout": "1000", "query_group": "etl"}});
    let group = world.create(address, set).await.expect("a group");
    let fewer = json!({"parameters": {"query_group": "etl"}});
    let group = world.update(address, &group, fewer).await.expect("reset");
    assert_eq!(world.calls("redshift:ResetClusterParameterGroup"), 1);
    let left = group.fields["parameters"].as_map().expect("a map");
    assert_eq!(left.keys().collect::<Vec<_>>(), ["query_group"]);
}

#[tokio::test]
async fn new_parameters_are_in_force_after_a_reboot() {
    let world = world().await;
    world.subnet_group().await;
    let group = json!({"name": "params", "parameters": {"query_group": "etl"}});
    let group = world
        .create("redshift_parameter_group.p", group)
        .await
        .expect("a group");
    let address = "redshift_cluster.c";
    let cluster = json!({"identifier": "main", "subnet_group": "group", "user": "boss", "parameter_group": "params"});
    let cluster = world.create(address, cluster).await.expect("a cluster");
    assert_eq!(cluster.status, None);
    let other = json!({"parameters": {"query_group": "bi"}});
    world
        .update("redshift_parameter_group.p", &group, other)
        .await
        .expect("changed");
    let waiting = world.read(address, &cluster).await.expect("there");
    assert_eq!(waiting.status.as_deref(), Some("pending-reboot"));
    // What the plan does about it: the cluster is seen to, although none of its fields differ.
    let done = world.update(address, &waiting, json!({})).await.expect("rebooted");
    assert_eq!(done.status, None);
    assert_eq!(world.calls("redshift:RebootCluster"), 1);
    world.update(address, &done, json!({})).await.expect("nothing to do");
    assert_eq!(world.calls("redshift:RebootCluster"), 1, "not without need");
}

#[tokio::test]
async fn a_warehouse_without_groups_gets_the_default_one_back() {
    let world = world().await;
    let (vpc, subnets) = world.network().await;
    let ids: Vec<&str> = subnets.iter().map(|subnet| subnet.id.as_str()).collect();
    let group = json!({"name": "wg", "description": "wg", "vpc": vpc.id, "ingress": []});
    let group = world.create("security_group.wg", group).await.expect("a group");
    world
        .create("redshift_subnet_group.group", json!({"name": "group", "subnets": ids}))
        .await
        .expect("a subnet group");
    world
        .create("redshift_namespace.n", json!({"name": "names"}))
        .await
        .expect("a namespace");
    let cluster = json!({"identifier": "main", "subnet_group": "group", "user": "boss", "security_groups": [group.id]});
    let workgroup = json!({"name": "work", "namespace": "names", "subnets": ids, "security_groups": [group.id]});
    for (address, wanted) in [("redshift_cluster.c", cluster), ("redshift_workgroup.w", workgroup)] {
        let mut live = world.create(address, wanted).await.expect("a warehouse");
        live.fields
            .insert("security_groups".to_owned(), Value::List(Vec::new()));
        let still = world.read(address, &live).await.expect("there");
        assert_eq!(
            still.fields["security_groups"].as_list().len(),
            1,
            "it is seen that ours is still there"
        );
        let without = world.update(address, &still, json!({"security_groups": []})).await;
        let without = without.expect("changed");
        assert!(without.fields["security_groups"].as_list().is_empty(), "{address}");
    }
    world
        .delete("security_group.wg", &group)
        .await
        .expect("nobody uses it any more");
}

#[tokio::test]
async fn what_may_pass_is_what_the_file_says_and_nothing_else() {
    let world = world().await;
    let (vpc, _) = world.network().await;
    let address = "security_group.g";
    let group = json!({"name": "g", "description": "g", "vpc": vpc.id, "ingress": []});
    let group = world.create(address, group).await.expect("a group");
    assert!(
        !group.fields.contains_key("egress"),
        "AWS's own rule is what no file has to say"
    );
    let asked = |live: &Live| Live {
        fields: fields(json!({"name": "g", "description": "g", "vpc": vpc.id, "ingress": []})),
        ..live.clone()
    };
    let open = "Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&IpPermissions.1.IpProtocol=tcp\
                &IpPermissions.1.FromPort=5439&IpPermissions.1.ToPort=5439&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0";
    world
        .elsewhere("ec2", None, &format!("{open}&GroupId={}", group.id))
        .await;
    let shut = "Action=RevokeSecurityGroupEgress&Version=2016-11-15&IpPermissions.1.IpProtocol=-1\
                &IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0";
    world
        .elsewhere("ec2", None, &format!("{shut}&GroupId={}", group.id))
        .await;
    let bent = world.read(address, &asked(&group)).await.expect("there");
    let rules = json!([{"protocol": "tcp", "port": 5439, "cidr_ipv6": "::/0", "description": ""}]);
    assert_eq!(bent.fields["ingress"].to_json(), rules);
    assert_eq!(bent.fields["egress"].to_json(), json!([]));
    let mut wanted = asked(&bent);
    wanted.fields.remove("egress");
    let update = Update {
        owner: owner(address, "op-update"),
        id: bent.id.clone(),
        before: bent,
        fields: wanted.fields,
        changed: ["ingress", "egress"].map(str::to_owned).to_vec(),
    };
    let straight = world.aws.update(&update, &|_| {}).await.expect("put back");
    assert_eq!(straight.fields, group.fields);

    let address = "vpc_endpoint.s3";
    let endpoint = world.create(address, json!({"vpc": vpc.id, "route_tables": []})).await;
    let endpoint = endpoint.expect("an endpoint");
    assert!(
        !endpoint.fields.contains_key("policy"),
        "everything is what no file has to say"
    );
    let shut = format!(
        "Action=ModifyVpcEndpoint&Version=2016-11-15&VpcEndpointId={}&PolicyDocument=%7B%22Statement%22%3A%5B%7B%22Effect%22\
         %3A%22Deny%22%2C%22Principal%22%3A%22*%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D",
        endpoint.id
    );
    world.elsewhere("ec2", None, &shut).await;
    let bent = world.read(address, &endpoint).await.expect("there");
    assert!(bent.fields.contains_key("policy"));
}

#[tokio::test]
async fn a_gateway_that_somebody_detached_is_attached_again() {
    let world = world().await;
    let (vpc, _) = world.network().await;
    let address = "internet_gateway.main";
    let gateway = world.create(address, json!({"vpc": vpc.id})).await.expect("a gateway");
    let detach = format!(
        "Action=DetachInternetGateway&Version=2016-11-15&InternetGatewayId={}&VpcId={}",
        gateway.id, vpc.id
    );
    world.elsewhere("ec2", None, &detach).await;
    let alone = world.read(address, &gateway).await.expect("there");
    assert!(!alone.fields.contains_key("vpc"));
    let back = world
        .update(address, &alone, json!({"vpc": vpc.id}))
        .await
        .expect("attached");
    assert_eq!((&back.id, &back.fields), (&gateway.id, &gateway.fields));
}

#[tokio::test]
async fn how_readers_parse_is_left_to_glue_unless_the_file_says_it() {
    let world = world().await;
    let address = "glue_classifier.csv";
    let said = json!({"name": "csv", "csv": {"delimiter": ";", "serde": "OpenCSVSerDe"}});
    let classifier = world.create(address, said).await.expect("a classifier");
    let serde = |live: &Live| live.fields["csv"].as_map().expect("a table").contains_key("serde");
    assert!(serde(&classifier));
    let mut unsaid = classifier;
    unsaid.fields = fields(json!({"name": "csv", "csv": {"delimiter": ";"}}));
    assert!(!serde(&world.read(address, &unsaid).await.expect("there")));
}

#[tokio::test]
async fn a_running_crawler_is_stopped_before_it_is_changed() {
    let world = world().await;
    let role = json!({"name": "crawler", "service": "glue", "managed": ["service-role/AWSGlueServiceRole"]});
    let role = world.create("role.crawler", role).await.expect("a role");
    world
        .create("glue_database.d", json!({"name": "found"}))
        .await
        .expect("a database");
    world
        .create("bucket.b", json!({"name": "crawled-here"}))
        .await
        .expect("a bucket");
    let crawler =
        json!({"name": "crawl", "database": "found", "role": text(&role, "arn"), "targets": ["s3://crawled-here/"]});
    let crawler = world.create("glue_crawler.c", crawler).await.expect("a crawler");
    world
        .elsewhere("glue", Some("AWSGlue.StartCrawler"), r#"{"Name": "crawl"}"#)
        .await;
    let changed = world
        .update("glue_crawler.c", &crawler, json!({"description": "new"}))
        .await
        .expect("changed");
    assert_eq!(changed.fields["description"], Value::text("new"));
    assert!(world.calls("glue:GetCrawler") >= 1, "it was looked at first");
    world.delete("glue_crawler.c", &changed).await.expect("deleted");
}
