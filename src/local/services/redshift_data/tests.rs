use serde_json::{Value, json};

use super::super::Service;
use super::super::iam::testing::World;

const SERVICE: Service = Service::RedshiftData;

/// A cluster that is available, in a VPC of its own.
fn with_cluster() -> World {
    let world = World::open();
    let vpc = world.ok(Service::Ec2, "CreateVpc", json!({ "CidrBlock": "10.0.0.0/16" }))["Vpc"]["VpcId"].clone();
    let subnet = world.ok(
        Service::Ec2,
        "CreateSubnet",
        json!({ "VpcId": vpc, "CidrBlock": "10.0.0.0/24" }),
    );
    let group = json!({
        "ClusterSubnetGroupName": "lake", "Description": "d", "SubnetIds": [subnet["Subnet"]["SubnetId"]],
    });
    world.ok(Service::Redshift, "CreateClusterSubnetGroup", group);
    let cluster = json!({
        "ClusterIdentifier": "wh", "NodeType": "ra3.large", "MasterUsername": "admin",
        "MasterUserPassword": "Abcdef12", "ClusterSubnetGroupName": "lake",
    });
    world.ok(Service::Redshift, "CreateCluster", cluster);
    world.cloud.clock.advance(5.0);
    world
}

fn request(changes: Value) -> Value {
    let mut input = json!({ "ClusterIdentifier": "wh", "Database": "dev", "DbUser": "admin", "Sql": "select 1" });
    for (key, value) in changes.as_object().expect("an object") {
        input[key] = value.clone();
    }
    input
}

/// Waits until a statement is over and returns its description.
fn finished(world: &World, id: &Value) -> Value {
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while std::time::Instant::now() < patience {
        let shown = world.ok(SERVICE, "DescribeStatement", json!({ "Id": id }));
        if ["FINISHED", "FAILED", "ABORTED"].contains(&shown["Status"].as_str().unwrap_or_default()) {
            return shown;
        }
        world.runtime.block_on(tokio::task::yield_now());
        std::thread::yield_now();
    }
    panic!("statement {id} did not end");
}

fn execute(world: &World, changes: Value) -> Value {
    let made = world.ok(SERVICE, "ExecuteStatement", request(changes));
    finished(world, &made["Id"])
}

fn refusal(world: &World, changes: Value) -> String {
    world.refusal(SERVICE, "ExecuteStatement", request(changes))
}

#[test]
fn a_query_ends_with_rows_that_can_be_read() {
    let world = with_cluster();
    let shown = execute(
        &world,
        json!({ "Sql": "select 1 as n, 'x' as t, null::int as z, true as b" }),
    );
    assert_eq!((&shown["Status"], &shown["Error"]), (&json!("FINISHED"), &Value::Null));
    assert_eq!(
        (&shown["HasResultSet"], &shown["ResultRows"]),
        (&json!(true), &json!(1))
    );
    let result = world.ok(SERVICE, "GetStatementResult", json!({ "Id": shown["Id"] }));
    assert_eq!(
        result["Records"],
        json!([[{ "longValue": 1 }, { "stringValue": "x" }, { "isNull": true }, { "booleanValue": true }]])
    );
    assert_eq!(
        (&result["TotalNumRows"], &result["ColumnMetadata"][0]["typeName"]),
        (&json!(1), &json!("int4"))
    );
}

#[test]
fn documents_are_text_of_type_super() {
    let world = with_cluster();
    let table = json!({ "Sql": "create table docs as select 1 as id, json_parse('{\"a\": [1.50, \"x\"]}') as doc" });
    assert_eq!(execute(&world, table)["Status"], "FINISHED");
    let shown = execute(&world, json!({ "Sql": "select doc, doc.a[1] from docs" }));
    let result = world.ok(SERVICE, "GetStatementResult", json!({ "Id": shown["Id"] }));
    assert_eq!(
        result["Records"],
        json!([[{ "stringValue": "{\"a\":[1.50,\"x\"]}" }, { "stringValue": "\"x\"" }]])
    );
    let column = &result["ColumnMetadata"][0];
    assert_eq!((&column["name"], &column["typeName"]), (&json!("doc"), &json!("super")));
}

#[test]
fn a_definition_has_no_rows_and_a_change_has_their_number() {
    let world = with_cluster();
    let made = execute(&world, json!({ "Sql": "create table t (a int)" }));
    assert_eq!(
        (&made["HasResultSet"], &made["ResultRows"]),
        (&json!(false), &json!(-1))
    );
    let refused = world.refusal(SERVICE, "GetStatementResult", json!({ "Id": made["Id"] }));
    assert_eq!(refused, "ResourceNotFoundException");
    let inserted = execute(&world, json!({ "Sql": "insert into t values (1), (2)" }));
    assert_eq!(
        (&inserted["HasResultSet"], &inserted["ResultRows"]),
        (&json!(false), &json!(2))
    );
}

#[test]
fn a_failed_statement_says_why() {
    let world = with_cluster();
    let shown = execute(&world, json!({ "Sql": "select * from nowhere" }));
    assert_eq!(shown["Status"], "FAILED");
    assert!(
        shown["Error"]
            .as_str()
            .is_some_and(|error| error.starts_with("ERROR: relation \"nowhere\" does not exist"))
    );
}

#[test]
fn named_parameters_are_values() {
    let world = with_cluster();
    let parameters = json!([{ "name": "who", "value": "o'neil" }, { "name": "n", "value": "3" }]);
    let shown = execute(
        &world,
        json!({ "Sql": "select :who || '!' as w, :n::int + 1 as n", "Parameters": parameters }),
    );
    assert_eq!(shown["QueryParameters"], parameters);
    let result = world.ok(SERVICE, "GetStatementResult", json!({ "Id": shown["Id"] }));
    assert_eq!(
        result["Records"],
        json!([[{ "stringValue": "o'neil!" }, { "longValue": 4 }]])
    );
}

#[test]
fn long_results_come_in_pages() {
    let world = with_cluster();
    let shown = execute(
        &world,
        json!({
            "Sql": "with recursive s(n) as (select 1 union all select n + 1 from s where n < 2500) select n from s order by n",
        }),
    );
    let (mut rows, mut input, mut pages) = (Vec::new(), json!({ "Id": shown["Id"] }), 0);
    loop {
        let result = world.ok(SERVICE, "GetStatementResult", input.clone());
        assert_eq!(result["TotalNumRows"], 2500);
        rows.extend(result["Records"].as_array().cloned().unwrap_or_default());
        pages += 1;
        match result.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!((rows.len(), pages), (2500, 3));
    assert_eq!(rows[2499], json!([{ "longValue": 2500 }]));
}

#[test]
fn a_batch_is_one_transaction() {
    let world = with_cluster();
    let batch = |sqls: Value| {
        let mut input = request(json!({ "Sqls": sqls }));
        input.as_object_mut().expect("an object").remove("Sql");
        let made = world.ok(SERVICE, "BatchExecuteStatement", input);
        finished(&world, &made["Id"])
    };
    let failed = batch(json!(["create table t (a int)", "select * from nowhere", "select 1"]));
    assert_eq!(failed["Status"], "FAILED");
    let statuses: Vec<&Value> = failed["SubStatements"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| &part["Status"])
        .collect();
    assert_eq!(statuses, ["ABORTED", "FAILED", "ABORTED"]);
    // The table of the failed batch is not there.
    let done = batch(json!([
        "create table t (a int)",
        "insert into t values (7)",
        "select a from t"
    ]));
    assert_eq!(
        (&done["Status"], &done["HasResultSet"]),
        (&json!("FINISHED"), &json!(true))
    );
    let part = format!("{}:3", done["Id"].as_str().expect("an id"));
    let result = world.ok(SERVICE, "GetStatementResult", json!({ "Id": part }));
    assert_eq!(result["Records"], json!([[{ "longValue": 7 }]]));
    let part = world.ok(SERVICE, "DescribeStatement", json!({ "Id": part }));
    assert_eq!(
        (&part["QueryString"], &part["ResultRows"]),
        (&json!("select a from t"), &json!(1))
    );
}

#[test]
fn results_are_csv_on_request() {
    let world = with_cluster();
    let shown = execute(
        &world,
        json!({ "Sql": "select 1 as n, 'a,b' as t, null::int as z", "ResultFormat": "CSV" }),
    );
    let result = world.ok(SERVICE, "GetStatementResultV2", json!({ "Id": shown["Id"] }));
    assert_eq!(result["Records"][0]["CSVRecords"], "n,t,z\n1,\"a,b\",\n");
    assert_eq!(
        world.refusal(SERVICE, "GetStatementResult", json!({ "Id": shown["Id"] })),
        "ValidationException"
    );
}

#[test]
fn a_client_token_makes_a_request_happen_once() {
    let world = with_cluster();
    let input = request(json!({ "ClientToken": "t" }));
    let first = world.ok(SERVICE, "ExecuteStatement", input.clone());
    assert_eq!(world.ok(SERVICE, "ExecuteStatement", input), first);
    assert_eq!(
        refusal(&world, json!({ "ClientToken": "t", "Sql": "select 2" })),
        "ValidationException"
    );
    let listed = world.ok(SERVICE, "ListStatements", json!({}));
    assert_eq!(listed["Statements"].as_array().map(Vec::len), Some(1));
}

#[test]
fn requests_that_name_no_running_target_are_refused() {
    let world = with_cluster();
    for changes in [
        json!({ "ClusterIdentifier": "none" }),
        json!({ "WorkgroupName": "work" }),
        json!({ "SecretArn": "arn" }),
        json!({ "Database": "" }),
        json!({ "Sql": " " }),
        json!({ "SessionId": "s" }),
        json!({ "Parameters": [{ "name": "a-b", "value": "1" }] }),
    ] {
        assert_eq!(refusal(&world, changes.clone()), "ValidationException", "{changes}");
    }
    world.ok(Service::Redshift, "PauseCluster", json!({ "ClusterIdentifier": "wh" }));
    assert_eq!(refusal(&world, json!({})), "ValidationException");
    assert_eq!(
        world.refusal(SERVICE, "DescribeStatement", json!({ "Id": "x" })),
        "ResourceNotFoundException"
    );
}

#[test]
fn a_login_that_the_database_refuses_fails_the_statement() {
    let world = with_cluster();
    let secret = |name: &str, value: &str| {
        world.ok(
            Service::SecretsManager,
            "CreateSecret",
            json!({ "Name": name, "SecretString": value }),
        )["ARN"]
            .clone()
    };
    let right = secret("right", r#"{"username":"admin","password":"Abcdef12"}"#);
    let wrong = secret("wrong", r#"{"username":"admin","password":"Abcdef13"}"#);
    let with_secret = |arn: &Value| {
        let mut input = request(json!({ "SecretArn": arn }));
        input.as_object_mut().expect("an object").remove("DbUser");
        let made = world.ok(SERVICE, "ExecuteStatement", input);
        finished(&world, &made["Id"])
    };
    assert_eq!(with_secret(&right)["Status"], "FINISHED");
    assert_eq!(
        with_secret(&wrong)["Error"],
        "FATAL: password authentication failed for user \"admin\""
    );
    let nobody = execute(&world, json!({ "DbUser": "nobody" }));
    assert_eq!(nobody["Error"], "FATAL: user \"nobody\" does not exist");
}

#[test]
fn a_kept_session_remembers_its_settings() {
    let world = with_cluster();
    let made = world.ok(
        SERVICE,
        "ExecuteStatement",
        request(json!({ "Sql": "create temp table mine as select 5 as a", "SessionKeepAliveSeconds": 60 })),
    );
    assert_eq!(finished(&world, &made["Id"])["Status"], "FINISHED");
    let next = json!({ "SessionId": made["SessionId"], "Sql": "select a from mine" });
    let made = world.ok(SERVICE, "ExecuteStatement", next.clone());
    assert_eq!(finished(&world, &made["Id"])["Status"], "FINISHED");
    world.cloud.clock.advance(61.0);
    assert_eq!(world.refusal(SERVICE, "ExecuteStatement", next), "ValidationException");
}

#[test]
fn the_catalog_is_listed_while_the_caller_waits() {
    let world = with_cluster();
    execute(&world, json!({ "Sql": "create schema sales" }));
    execute(
        &world,
        json!({ "Sql": "create table sales.orders (id int not null, name varchar(20))" }),
    );
    let ask = |operation: &str, changes: Value| {
        let mut input = request(changes);
        input.as_object_mut().expect("an object").remove("Sql");
        let asked = super::ask(&world.cloud, super::super::ACCOUNT, "eu-west-1", operation, &input);
        world
            .runtime
            .block_on(asked)
            .expect("a metadata call")
            .expect("an answer")
    };
    assert_eq!(ask("ListDatabases", json!({}))["Databases"], json!(["dev"]));
    assert_eq!(
        ask("ListSchemas", json!({ "SchemaPattern": "sal%" }))["Schemas"],
        json!(["sales"])
    );
    let tables = ask("ListTables", json!({ "SchemaPattern": "sales" }));
    assert_eq!(
        tables["Tables"],
        json!([{ "name": "orders", "type": "TABLE", "schema": "sales" }])
    );
    let table = ask("DescribeTable", json!({ "Schema": "sales", "Table": "orders" }));
    assert_eq!(table["TableName"], "orders");
    let column = |at: usize| {
        let column = &table["ColumnList"][at];
        (
            column["name"].clone(),
            column["typeName"].clone(),
            column["nullable"].clone(),
        )
    };
    assert_eq!(column(0), (json!("id"), json!("int4"), json!(0)));
    assert_eq!(column(1), (json!("name"), json!("varchar"), json!(1)));
}
