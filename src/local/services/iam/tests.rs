use serde_json::{Value, json};

use super::super::Service;
use super::testing::World;
use super::{Caller, RoleProblem, Wanted, role_allows, role_allows_from};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"glue.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

fn iam(world: &World, operation: &str, input: Value) -> Value {
    world.ok(Service::Iam, operation, input)
}

fn refusal(world: &World, operation: &str, input: Value) -> String {
    world.refusal(Service::Iam, operation, input)
}

fn with_role() -> World {
    let world = World::open();
    iam(
        &world,
        "CreateRole",
        json!({ "RoleName": "Crawler", "Path": "/lake/", "AssumeRolePolicyDocument": TRUST,
                "Tags": [{ "Key": "team", "Value": "data" }] }),
    );
    world
}

fn problem(world: &World, role: &str, service: &str, wanted: &[(&str, &str)]) -> Result<(), RoleProblem> {
    let read = |cx: &super::Call| Ok(role_allows(cx, role, service, wanted));
    world
        .cloud
        .read(Service::Glue, super::super::ACCOUNT, "eu-west-1", read)
        .expect("a read")
}

#[test]
fn a_role_reads_back_as_it_was_made_with_an_encoded_trust_policy() {
    let world = with_role();
    let role = &iam(&world, "GetRole", json!({ "RoleName": "crawler" }))["Role"];
    assert_eq!(role["Arn"], "arn:aws:iam::123456789012:role/lake/Crawler");
    assert_eq!(role["MaxSessionDuration"], 3600);
    assert_eq!(role["Tags"], json!([{ "Key": "team", "Value": "data" }]));
    assert!(
        role["AssumeRolePolicyDocument"]
            .as_str()
            .is_some_and(|text| text.starts_with("%7B%22Version%22%3A%22"))
    );
    assert!(
        role["RoleId"]
            .as_str()
            .is_some_and(|id| id.starts_with("AROA") && id.len() == 21)
    );
    let listed = &iam(&world, "ListRoles", json!({ "PathPrefix": "/lake/" }))["Roles"][0];
    assert!(listed.get("Tags").is_none());
    assert_eq!(
        iam(&world, "ListRoles", json!({ "PathPrefix": "/other/" }))["Roles"],
        json!([])
    );
}

#[test]
fn names_are_unique_in_any_case_and_keep_their_own() {
    let world = with_role();
    let create = |name: &str| json!({ "RoleName": name, "AssumeRolePolicyDocument": TRUST });
    assert_eq!(refusal(&world, "CreateRole", create("CRAWLER")), "EntityAlreadyExists");
    assert_eq!(refusal(&world, "CreateRole", create("a b")), "ValidationError");
    assert_eq!(
        refusal(&world, "GetRole", json!({ "RoleName": "nobody" })),
        "NoSuchEntity"
    );
}

#[test]
fn a_role_with_policies_or_in_a_profile_cannot_be_deleted() {
    let world = with_role();
    let role = json!({ "RoleName": "Crawler" });
    let inline = json!({ "RoleName": "Crawler", "PolicyName": "read",
        "PolicyDocument": r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"# });
    let arn = "arn:aws:iam::aws:policy/service-role/AWSGlueServiceRole";
    let attachment = json!({ "RoleName": "Crawler", "PolicyArn": arn });
    let member = json!({ "RoleName": "Crawler", "InstanceProfileName": "box" });
    iam(&world, "PutRolePolicy", inline);
    iam(&world, "AttachRolePolicy", attachment.clone());
    iam(&world, "CreateInstanceProfile", json!({ "InstanceProfileName": "box" }));
    iam(&world, "AddRoleToInstanceProfile", member.clone());
    for (operation, input) in [
        ("RemoveRoleFromInstanceProfile", member),
        ("DetachRolePolicy", attachment),
        (
            "DeleteRolePolicy",
            json!({ "RoleName": "Crawler", "PolicyName": "read" }),
        ),
    ] {
        assert_eq!(refusal(&world, "DeleteRole", role.clone()), "DeleteConflict");
        iam(&world, operation, input);
    }
    iam(&world, "DeleteRole", role.clone());
    assert_eq!(refusal(&world, "DeleteRole", role), "NoSuchEntity");
}

#[test]
fn a_customer_policy_has_versions_and_one_default() {
    let world = with_role();
    let document = |action: &str| {
        format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#)
    };
    let made = iam(
        &world,
        "CreatePolicy",
        json!({ "PolicyName": "lake", "PolicyDocument": document("s3:GetObject") }),
    );
    let arn = made["Policy"]["Arn"].as_str().expect("an arn").to_string();
    let policy = json!({ "PolicyArn": arn });
    iam(
        &world,
        "AttachRolePolicy",
        json!({ "RoleName": "Crawler", "PolicyArn": arn }),
    );
    assert_eq!(iam(&world, "GetPolicy", policy.clone())["Policy"]["AttachmentCount"], 1);
    iam(
        &world,
        "CreatePolicyVersion",
        json!({ "PolicyArn": arn, "PolicyDocument": document("s3:*"), "SetAsDefault": true }),
    );
    assert_eq!(
        iam(&world, "GetPolicy", policy.clone())["Policy"]["DefaultVersionId"],
        "v2"
    );
    assert_eq!(
        refusal(
            &world,
            "DeletePolicyVersion",
            json!({ "PolicyArn": arn, "VersionId": "v2" })
        ),
        "DeleteConflict"
    );
    assert_eq!(refusal(&world, "DeletePolicy", policy.clone()), "DeleteConflict");
    iam(
        &world,
        "DetachRolePolicy",
        json!({ "RoleName": "Crawler", "PolicyArn": arn }),
    );
    assert_eq!(refusal(&world, "DeletePolicy", policy.clone()), "DeleteConflict");
    iam(
        &world,
        "DeletePolicyVersion",
        json!({ "PolicyArn": arn, "VersionId": "v1" }),
    );
    iam(&world, "DeletePolicy", policy);
}

#[test]
fn a_malformed_document_is_refused() {
    let world = with_role();
    let put = |text: &str| json!({ "RoleName": "Crawler", "PolicyName": "x", "PolicyDocument": text });
    assert_eq!(refusal(&world, "PutRolePolicy", put("{")), "MalformedPolicyDocument");
    assert_eq!(
        refusal(
            &world,
            "CreateRole",
            json!({ "RoleName": "r", "AssumeRolePolicyDocument": TRUST.replace("glue", "Glue!") })
        ),
        "MalformedPolicyDocument"
    );
    assert_eq!(
        refusal(
            &world,
            "CreateRole",
            json!({ "RoleName": "r", "AssumeRolePolicyDocument": TRUST.replace(
                r#""Service":"glue.amazonaws.com""#, r#""AWS":"arn:aws:iam::123456789012:role/none""#) })
        ),
        "MalformedPolicyDocument"
    );
}

#[test]
fn a_service_may_use_a_role_that_trusts_it_and_is_allowed() {
    let world = with_role();
    let glue = "glue.amazonaws.com";
    let object = [("s3:GetObject", "arn:aws:s3:::raw/a.csv")];
    let denied = Err(RoleProblem::Denied {
        action: object[0].0.into(),
        resource: object[0].1.into(),
    });
    assert_eq!(problem(&world, "nobody", glue, &object), Err(RoleProblem::Missing));
    assert_eq!(
        problem(&world, "Crawler", "redshift.amazonaws.com", &object),
        Err(RoleProblem::CannotAssume)
    );
    assert_eq!(problem(&world, "Crawler", glue, &object), denied);
    let arn = "arn:aws:iam::aws:policy/service-role/AWSGlueServiceRole";
    iam(
        &world,
        "AttachRolePolicy",
        json!({ "RoleName": "Crawler", "PolicyArn": arn }),
    );
    // The published policy reads only buckets of its own naming.
    assert_eq!(problem(&world, "lake/Crawler", glue, &object), denied);
    assert_eq!(
        problem(
            &world,
            "lake/Crawler",
            glue,
            &[("s3:GetObject", "arn:aws:s3:::aws-glue-x/a")]
        ),
        Ok(())
    );
    let arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    iam(
        &world,
        "AttachRolePolicy",
        json!({ "RoleName": "Crawler", "PolicyArn": arn }),
    );
    assert_eq!(
        problem(&world, "arn:aws:iam::123456789012:role/lake/Crawler", glue, &object),
        Ok(())
    );
    assert_eq!(
        problem(&world, "arn:aws:iam::123456789012:role/Crawler", glue, &object),
        Err(RoleProblem::Missing)
    );
    let boundary = "arn:aws:iam::aws:policy/AmazonVPCReadOnlyAccess";
    iam(
        &world,
        "PutRolePermissionsBoundary",
        json!({ "RoleName": "Crawler", "PermissionsBoundary": boundary }),
    );
    assert_eq!(problem(&world, "Crawler", glue, &object), denied);
}

#[test]
fn a_source_condition_of_the_trust_policy_is_kept() {
    let world = World::open();
    let trust = TRUST.replace(
        r#""Action""#,
        r#""Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:glue:*:123456789012:crawler/raw"}},"Action""#,
    );
    iam(
        &world,
        "CreateRole",
        json!({ "RoleName": "r", "AssumeRolePolicyDocument": trust }),
    );
    let ask = |source: Option<&str>| {
        let caller = Caller {
            service: "glue.amazonaws.com",
            source_arn: source,
        };
        let read = |cx: &super::Call| Ok(role_allows_from(cx, "r", caller, &[] as &[Wanted]));
        world
            .cloud
            .read(Service::Glue, super::super::ACCOUNT, "eu-west-1", read)
            .expect("a read")
    };
    assert_eq!(ask(Some("arn:aws:glue:eu-west-1:123456789012:crawler/raw")), Ok(()));
    assert_eq!(
        ask(Some("arn:aws:glue:eu-west-1:123456789012:crawler/other")),
        Err(RoleProblem::CannotAssume)
    );
    assert_eq!(ask(None), Err(RoleProblem::CannotAssume));
}

#[test]
fn the_account_report_pages_from_roles_to_policies() {
    let world = with_role();
    let document = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    iam(
        &world,
        "CreatePolicy",
        json!({ "PolicyName": "lake", "PolicyDocument": document }),
    );
    let first = iam(&world, "GetAccountAuthorizationDetails", json!({ "MaxItems": 1 }));
    assert_eq!(first["RoleDetailList"][0]["RoleName"], "Crawler");
    assert_eq!(first["RoleDetailList"][0]["Tags"][0]["Key"], "team");
    assert_eq!(first["IsTruncated"], true);
    let next = iam(
        &world,
        "GetAccountAuthorizationDetails",
        json!({ "MaxItems": 1, "Marker": first["Marker"] }),
    );
    assert_eq!(next["Policies"][0]["PolicyName"], "lake");
    assert_eq!(next["IsTruncated"], false);
    let only = iam(&world, "GetAccountAuthorizationDetails", json!({ "Filter": ["Role"] }));
    assert_eq!(only["Policies"], json!([]));
}

#[test]
fn the_simulator_names_what_it_decided_on() {
    let world = with_role();
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::raw/*"}]}"#;
    iam(
        &world,
        "PutRolePolicy",
        json!({ "RoleName": "Crawler", "PolicyName": "read", "PolicyDocument": document }),
    );
    let answer = iam(
        &world,
        "SimulatePrincipalPolicy",
        json!({
            "PolicySourceArn": "arn:aws:iam::123456789012:role/lake/Crawler",
            "ActionNames": ["s3:GetObject", "s3:PutObject"],
            "ResourceArns": ["arn:aws:s3:::raw/a"],
        }),
    );
    let results = &answer["EvaluationResults"];
    assert_eq!(results[0]["EvalDecision"], "allowed");
    assert_eq!(results[0]["MatchedStatements"][0]["SourcePolicyType"], "role");
    assert_eq!(results[1]["EvalDecision"], "implicitDeny");
    let deny = r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    let answer = iam(
        &world,
        "SimulateCustomPolicy",
        json!({ "PolicyInputList": [document, deny], "ActionNames": ["s3:GetObject"] }),
    );
    assert_eq!(answer["EvaluationResults"][0]["EvalDecision"], "explicitDeny");
}

#[test]
fn what_a_buckets_policy_denies_no_role_may_do() {
    let world = with_role();
    let grant = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let input = json!({ "RoleName": "Crawler", "PolicyName": "all", "PolicyDocument": grant });
    iam(&world, "PutRolePolicy", input);
    let role = "arn:aws:iam::123456789012:role/lake/Crawler";
    let deny = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Deny", "Principal": { "AWS": role }, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/secret/*" },
        { "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::lake/*",
          "Condition": { "Bool": { "aws:SecureTransport": "false" } } },
    ] });
    let bucket = json!({ "name": "lake", "account": super::super::ACCOUNT, "region": "eu-west-1", "created": 0.0,
        "settings": { "policy": deny.to_string() } });
    let put = move |tx: &crate::store::Tx| (tx.put("s3.buckets", "", "lake", &bucket).is_ok(), ());
    world.cloud.store.write_blocking(put).expect("written");
    let may = |key: &str| {
        let resource = format!("arn:aws:s3:::lake/{key}");
        problem(
            &world,
            role,
            "glue.amazonaws.com",
            &[("s3:GetObject", resource.as_str())],
        )
    };
    assert_eq!(may("open/a"), Ok(()));
    assert!(matches!(may("secret/a"), Err(RoleProblem::Denied { .. })));
}
