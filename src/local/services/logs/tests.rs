use serde_json::{Value, json};

use super::super::Service;
use super::super::iam::testing::World;

fn ok(world: &World, operation: &str, input: Value) -> Value {
    world.ok(Service::Logs, operation, input)
}

fn refusal(world: &World, operation: &str, input: Value) -> String {
    world.refusal(Service::Logs, operation, input)
}

#[test]
fn a_group_shows_two_forms_of_its_arn_and_its_retention() {
    let world = World::open();
    ok(
        &world,
        "CreateLogGroup",
        json!({ "logGroupName": "/lake/a", "tags": { "team": "data" } }),
    );
    assert_eq!(
        refusal(&world, "CreateLogGroup", json!({ "logGroupName": "/lake/a" })),
        "ResourceAlreadyExistsException"
    );
    ok(
        &world,
        "PutRetentionPolicy",
        json!({ "logGroupName": "/lake/a", "retentionInDays": 14 }),
    );
    let bad = json!({ "logGroupName": "/lake/a", "retentionInDays": 15 });
    assert_eq!(refusal(&world, "PutRetentionPolicy", bad), "InvalidParameterException");
    let group = &ok(&world, "DescribeLogGroups", json!({ "logGroupNamePrefix": "/lake" }))["logGroups"][0];
    assert_eq!(group["arn"], "arn:aws:logs:eu-west-1:123456789012:log-group:/lake/a:*");
    assert_eq!(group["retentionInDays"], 14);
    let tags = ok(
        &world,
        "ListTagsForResource",
        json!({ "resourceArn": group["logGroupArn"] }),
    );
    assert_eq!(tags["tags"], json!({ "team": "data" }));
}

#[test]
fn protection_keeps_a_group_from_deletion() {
    let world = World::open();
    ok(
        &world,
        "CreateLogGroup",
        json!({ "logGroupName": "a", "deletionProtectionEnabled": true }),
    );
    assert_eq!(
        refusal(&world, "DeleteLogGroup", json!({ "logGroupName": "a" })),
        "ValidationException"
    );
    ok(
        &world,
        "PutLogGroupDeletionProtection",
        json!({ "logGroupIdentifier": "a", "deletionProtectionEnabled": false }),
    );
    ok(&world, "DeleteLogGroup", json!({ "logGroupName": "a" }));
    assert_eq!(
        refusal(&world, "DeleteLogGroup", json!({ "logGroupName": "a" })),
        "ResourceNotFoundException"
    );
}

#[test]
fn events_read_forwards_backwards_and_by_filter() {
    let world = World::open();
    let place = json!({ "logGroupName": "g", "logStreamName": "s" });
    ok(&world, "CreateLogGroup", json!({ "logGroupName": "g" }));
    ok(&world, "CreateLogStream", place.clone());
    let now = (world.cloud.clock.now() * 1000.0) as i64;
    let event = |offset: i64, message: &str| json!({ "timestamp": now + offset, "message": message });
    let with = |key: &str, value: Value| {
        let mut input = place.clone();
        input[key] = value;
        input
    };
    ok(
        &world,
        "PutLogEvents",
        with(
            "logEvents",
            json!([event(0, "INFO one"), event(1, "ERROR two"), event(2, "INFO three")]),
        ),
    );
    let unordered = with("logEvents", json!([event(1, "a"), event(0, "b")]));
    assert_eq!(refusal(&world, "PutLogEvents", unordered), "InvalidParameterException");
    let late = ok(
        &world,
        "PutLogEvents",
        with("logEvents", json!([event(3 * 3_600_000, "x")])),
    );
    assert_eq!(late["rejectedLogEventsInfo"]["tooNewLogEventStartIndex"], 0);
    let messages = |answer: &Value| -> Vec<String> {
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        events
            .iter()
            .map(|event| event["message"].as_str().unwrap_or_default().to_string())
            .collect()
    };
    let mut head = with("startFromHead", json!(true));
    head["limit"] = json!(2);
    let first = ok(&world, "GetLogEvents", head.clone());
    assert_eq!(messages(&first), ["INFO one", "ERROR two"]);
    head["nextToken"] = first["nextForwardToken"].clone();
    let second = ok(&world, "GetLogEvents", head.clone());
    assert_eq!(messages(&second), ["INFO three"]);
    // At the end the same token comes back.
    head["nextToken"] = second["nextForwardToken"].clone();
    assert_eq!(
        ok(&world, "GetLogEvents", head)["nextForwardToken"],
        second["nextForwardToken"]
    );
    let filtered = |pattern: &str| {
        messages(&ok(
            &world,
            "FilterLogEvents",
            json!({ "logGroupName": "g", "filterPattern": pattern }),
        ))
    };
    assert_eq!(filtered("ERROR"), ["ERROR two"]);
    assert_eq!(filtered("INFO -three"), ["INFO one"]);
    assert_eq!(filtered("?ERROR ?one"), ["INFO one", "ERROR two"]);
}
