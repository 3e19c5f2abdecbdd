use serde_json::{Value, json};

use super::super::Service;
use super::super::iam::testing::World;

fn ok(world: &World, operation: &str, input: Value) -> Value {
    world.ok(Service::SecretsManager, operation, input)
}

fn refusal(world: &World, operation: &str, input: Value) -> String {
    world.refusal(Service::SecretsManager, operation, input)
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_repeated_create_with_the_same_token_and_value_answers_as_the_first() {
    let world = World::open();
    let input = json!({ "Name": "db", "ClientRequestToken": TOKEN, "SecretString": "a" });
    let first = ok(&world, "CreateSecret", input.clone());
    assert_eq!(ok(&world, "CreateSecret", input), first);
    let other = json!({ "Name": "db", "ClientRequestToken": TOKEN, "SecretString": "b" });
    assert_eq!(refusal(&world, "CreateSecret", other), "ResourceExistsException");
    let again = json!({ "SecretId": "db", "ClientRequestToken": TOKEN, "SecretString": "b" });
    assert_eq!(refusal(&world, "PutSecretValue", again), "ResourceExistsException");
}

#[test]
fn a_new_value_makes_the_old_one_previous() {
    let world = World::open();
    let arn = ok(&world, "CreateSecret", json!({ "Name": "db-a", "SecretString": "1" }))["ARN"].clone();
    ok(
        &world,
        "PutSecretValue",
        json!({ "SecretId": arn, "SecretString": "2" }),
    );
    ok(
        &world,
        "PutSecretValue",
        json!({ "SecretId": "db-a", "SecretString": "3" }),
    );
    let value = |stage: &str| {
        ok(
            &world,
            "GetSecretValue",
            json!({ "SecretId": "db-a", "VersionStage": stage }),
        )["SecretString"]
            .clone()
    };
    assert_eq!((value("AWSCURRENT"), value("AWSPREVIOUS")), (json!("3"), json!("2")));
    let partial = arn
        .as_str()
        .expect("an arn")
        .rsplit_once('-')
        .expect("a suffix")
        .0
        .to_string();
    assert_eq!(
        ok(&world, "GetSecretValue", json!({ "SecretId": partial }))["SecretString"],
        "3"
    );
    let all = ok(
        &world,
        "ListSecretVersionIds",
        json!({ "SecretId": "db-a", "IncludeDeprecated": true }),
    );
    assert_eq!(all["Versions"].as_array().map(Vec::len), Some(3));
    let staged = ok(&world, "ListSecretVersionIds", json!({ "SecretId": "db-a" }));
    assert_eq!(staged["Versions"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_name_stays_taken_until_the_window_is_over() {
    let world = World::open();
    ok(&world, "CreateSecret", json!({ "Name": "db", "SecretString": "1" }));
    let id = json!({ "SecretId": "db" });
    ok(
        &world,
        "DeleteSecret",
        json!({ "SecretId": "db", "RecoveryWindowInDays": 7 }),
    );
    assert_eq!(refusal(&world, "GetSecretValue", id.clone()), "InvalidRequestException");
    assert_eq!(
        refusal(&world, "CreateSecret", json!({ "Name": "db" })),
        "InvalidRequestException"
    );
    assert_eq!(ok(&world, "ListSecrets", json!({}))["SecretList"], json!([]));
    ok(&world, "RestoreSecret", id.clone());
    assert_eq!(ok(&world, "GetSecretValue", id.clone())["SecretString"], "1");
    ok(
        &world,
        "DeleteSecret",
        json!({ "SecretId": "db", "RecoveryWindowInDays": 7 }),
    );
    world.cloud.clock.advance(7.0 * 86_400.0);
    assert_eq!(refusal(&world, "DescribeSecret", id), "ResourceNotFoundException");
    ok(&world, "CreateSecret", json!({ "Name": "db" }));
    assert_eq!(
        refusal(
            &world,
            "DeleteSecret",
            json!({ "SecretId": "db", "RecoveryWindowInDays": 3 })
        ),
        "InvalidParameterException"
    );
}

#[test]
fn filters_compare_by_prefix_and_independently() {
    let world = World::open();
    let tags = |key: &str, value: &str| json!([{ "Key": key, "Value": value }]);
    ok(
        &world,
        "CreateSecret",
        json!({ "Name": "app/one", "Tags": tags("team", "data") }),
    );
    ok(
        &world,
        "CreateSecret",
        json!({ "Name": "app/two", "Tags": tags("data", "team") }),
    );
    let names = |filters: Value| -> Vec<String> {
        let listed = ok(
            &world,
            "ListSecrets",
            json!({ "Filters": filters, "SortBy": "name", "SortOrder": "asc" }),
        );
        let listed = listed["SecretList"].as_array().cloned().unwrap_or_default();
        listed
            .iter()
            .map(|secret| secret["Name"].as_str().unwrap_or_default().to_string())
            .collect()
    };
    assert_eq!(names(json!([{ "Key": "tag-key", "Values": ["te"] }])), ["app/one"]);
    assert_eq!(
        names(json!([{ "Key": "name", "Values": ["app/", "x"] }])),
        ["app/one", "app/two"]
    );
    assert_eq!(names(json!([{ "Key": "name", "Values": ["!app/one"] }])), ["app/two"]);
}

#[test]
fn a_batch_reports_what_it_could_not_read() {
    let world = World::open();
    ok(&world, "CreateSecret", json!({ "Name": "a", "SecretString": "1" }));
    let answer = ok(&world, "BatchGetSecretValue", json!({ "SecretIdList": ["a", "b"] }));
    assert_eq!(answer["SecretValues"][0]["SecretString"], "1");
    assert_eq!(answer["Errors"][0]["ErrorCode"], "ResourceNotFoundException");
}

#[test]
fn stages_move_only_when_their_holder_is_named() {
    let world = World::open();
    let put = |value: &str, stages: Value| {
        ok(
            &world,
            "PutSecretValue",
            json!({ "SecretId": "s", "SecretString": value, "VersionStages": stages }),
        )["VersionId"]
            .clone()
    };
    ok(&world, "CreateSecret", json!({ "Name": "s", "SecretString": "1" }));
    let first = ok(&world, "GetSecretValue", json!({ "SecretId": "s" }))["VersionId"].clone();
    let second = put("2", json!(["PENDING"]));
    let silent = json!({ "SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": second });
    assert_eq!(
        refusal(&world, "UpdateSecretVersionStage", silent),
        "InvalidParameterException"
    );
    let said = json!({ "SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": second, "RemoveFromVersionId": first });
    ok(&world, "UpdateSecretVersionStage", said);
    let value = |stage: &str| {
        ok(
            &world,
            "GetSecretValue",
            json!({ "SecretId": "s", "VersionStage": stage }),
        )["SecretString"]
            .clone()
    };
    assert_eq!((value("AWSCURRENT"), value("AWSPREVIOUS")), (json!("2"), json!("1")));
}

#[test]
fn random_passwords_have_each_wanted_kind() {
    let world = World::open();
    let input = json!({ "PasswordLength": 6, "ExcludePunctuation": true });
    for _ in 0..50 {
        let answer = ok(&world, "GetRandomPassword", input.clone());
        let password = answer["RandomPassword"].as_str().expect("a password").to_string();
        assert_eq!(password.len(), 6);
        assert!(password.chars().any(|c| c.is_ascii_digit()) && password.chars().any(|c| c.is_ascii_uppercase()));
        assert!(password.chars().all(|c| c.is_ascii_alphanumeric()));
    }
}
