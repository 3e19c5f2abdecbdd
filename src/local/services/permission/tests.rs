use std::sync::{Arc, Mutex};

use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::json;

use crate::{Local, Options, Pace, text_body};

const ROOT: &str = "test";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;

struct World {
    local: Arc<Local>,
    /// What came with the last session's key.
    token: Mutex<String>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn open() -> World {
        let dir = tempfile::tempdir().expect("a folder");
        let options = Options {
            dir: dir.path().to_path_buf(),
            pace: Pace::Quick,
            seed: None,
        };
        World {
            local: Local::open(options).await.expect("opens"),
            token: Mutex::default(),
            _dir: dir,
        }
    }

    async fn send(&self, request: http::request::Builder, key: &str, service: &str, body: String) -> (u16, String) {
        let region = if service == "s3" { "us-east-1" } else { "eu-west-1" };
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let mut request = request.header("authorization", signed).header("host", "127.0.0.1");
        let token = self.token.lock().expect("not poisoned").clone();
        if key != ROOT && !token.is_empty() {
            request = request.header("x-amz-security-token", token);
        }
        let answer = self
            .local
            .handle(request.body(text_body(body)).expect("a request"))
            .await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// A call of a query protocol: `CreateVpc CidrBlock=10.0.0.0/16`.
    async fn query(&self, key: &str, service: &str, call: &str) -> (u16, String) {
        let version = match service {
            "ec2" => "2016-11-15",
            "iam" => "2010-05-08",
            "sts" => "2011-06-15",
            _ => "2012-12-01",
        };
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let (operation, rest) = call.split_once(' ').unwrap_or((call, ""));
        let members = rest.split(' ').filter_map(|pair| pair.split_once('='));
        let members: String = members
            .map(|(name, value)| format!("&{name}={}", encode(value)))
            .collect();
        let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
        let body = format!("Action={operation}&Version={version}{members}");
        self.send(request, key, service, body).await
    }

    async fn json(&self, key: &str, service: &str, target: &str, input: serde_json::Value) -> (u16, String) {
        let request = Request::post("/").header("x-amz-target", target);
        self.send(request, key, service, input.to_string()).await
    }

    async fn s3(&self, key: &str, method: Method, path: &str) -> u16 {
        let request = Request::builder().method(method).uri(path);
        self.send(request, key, "s3", String::new()).await.0
    }

    /// Makes a role that may do this, and returns the access key of a session of it.
    async fn session(&self, statements: serde_json::Value) -> String {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let create = format!("CreateRole RoleName=worker AssumeRolePolicyDocument={TRUST}");
        assert_eq!(self.query(ROOT, "iam", &create).await.0, 200);
        let put = format!("PutRolePolicy RoleName=worker PolicyName=may PolicyDocument={policy}");
        let (status, body) = self.query(ROOT, "iam", &put).await;
        assert_eq!(status, 200, "{body}");
        let assume = "AssumeRole RoleArn=arn:aws:iam::123456789012:role/worker RoleSessionName=it";
        let (status, body) = self.query(ROOT, "sts", assume).await;
        assert_eq!(status, 200, "{body}");
        *self.token.lock().expect("not poisoned") = between(&body, "<SessionToken>", "<");
        between(&body, "<AccessKeyId>", "<")
    }
}

fn between(text: &str, from: &str, to: &str) -> String {
    let start = text.find(from).expect("it is there") + from.len();
    text[start..].split(to).next().expect("it ends").to_owned()
}

fn allow(action: &str, resource: &str) -> serde_json::Value {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

#[tokio::test]
async fn a_temporary_key_is_worth_nothing_without_its_token() {
    let world = World::open().await;
    let key = world.session(json!([allow("*", "*")])).await;
    let token = world.token.lock().expect("not poisoned").clone();
    let ask = async |token: &str| {
        *world.token.lock().expect("not poisoned") = token.to_owned();
        let (status, body) = world.query(&key, "sts", "GetCallerIdentity").await;
        let listed = world.s3(&key, Method::GET, "/").await;
        (status, listed, body)
    };
    let (status, listed, _) = ask(&token).await;
    assert_eq!((status, listed), (200, 200));
    for wrong in ["", "0123"] {
        let (status, listed, body) = ask(wrong).await;
        assert_eq!((status, listed), (403, 400), "{body}");
        assert!(body.contains("<Code>InvalidClientTokenId</Code>"), "{body}");
    }
}

#[tokio::test]
async fn a_session_may_only_what_the_policies_of_its_role_allow() {
    let world = World::open().await;
    let key = world
        .session(json!([
            allow("ec2:Describe*", "*"),
            allow("ec2:CreateVpc", "arn:aws:ec2:eu-west-1:123456789012:vpc/*"),
            allow("glue:*Database*", "*"),
            {"Effect": "Deny", "Action": "glue:DeleteDatabase", "Resource": "*"},
        ]))
        .await;
    let (status, body) = world.query(&key, "sts", "GetCallerIdentity").await;
    assert!(status == 200 && body.contains("assumed-role/worker/it"), "{body}");
    assert_eq!(world.query(&key, "ec2", "DescribeVpcs").await.0, 200);
    let (status, body) = world.query(&key, "ec2", "CreateVpc CidrBlock=10.0.0.0/16").await;
    assert_eq!(status, 200, "{body}");
    let delete = format!("DeleteVpc VpcId={}", between(&body, "<vpcId>", "<"));
    let (status, body) = world.query(&key, "ec2", &delete).await;
    assert!(
        status == 403 && body.contains("<Code>UnauthorizedOperation</Code>"),
        "{body}"
    );
    assert!(
        body.contains("perform: ec2:DeleteVpc on resource: arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-"),
        "{body}"
    );
    let input = json!({"DatabaseInput": {"Name": "bronze"}});
    assert_eq!(world.json(&key, "glue", "AWSGlue.CreateDatabase", input).await.0, 200);
    let (status, body) = world
        .json(&key, "glue", "AWSGlue.DeleteDatabase", json!({"Name": "bronze"}))
        .await;
    assert!(status == 400 && body.contains("AccessDeniedException"), "{body}");
    assert!(body.contains("explicit deny"), "{body}");
    let (status, body) = world.query(&key, "iam", "ListRoles").await;
    assert!(status == 403 && body.contains("<Code>AccessDenied</Code>"), "{body}");
    // What the account's root may do has not changed.
    assert_eq!(world.query(ROOT, "ec2", &delete).await.0, 200);
    // A session ends with its role.
    for call in [
        "DeleteRolePolicy RoleName=worker PolicyName=may",
        "DeleteRole RoleName=worker",
    ] {
        assert_eq!(world.query(ROOT, "iam", call).await.0, 200);
    }
    assert_eq!(world.query(&key, "ec2", "DescribeVpcs").await.0, 403);
}

#[tokio::test]
async fn handing_a_role_to_a_service_and_tagging_are_asked_for_on_their_own() {
    let world = World::open().await;
    let key = world
        .session(json!([
            allow("ec2:CreateVpc", "*"),
            allow(
                "redshift:CreateCluster",
                "arn:aws:redshift:eu-west-1:123456789012:cluster:lake"
            ),
        ]))
        .await;
    let tagged = "CreateVpc CidrBlock=10.0.0.0/16 TagSpecification.1.ResourceType=vpc TagSpecification.1.Tag.1.Key=a \
                  TagSpecification.1.Tag.1.Value=b";
    let (_, body) = world.query(&key, "ec2", tagged).await;
    assert!(body.contains("ec2:CreateTags"), "{body}");
    let create = "CreateCluster ClusterIdentifier=lake NodeType=ra3.xlplus MasterUsername=admin \
                  ManageMasterPassword=true IamRoles.IamRoleArn.1=arn:aws:iam::123456789012:role/worker";
    let (_, body) = world.query(&key, "redshift", create).await;
    assert!(
        body.contains("iam:PassRole on resource: arn:aws:iam::123456789012:role/worker"),
        "{body}"
    );
    let other = create.replace("Identifier=lake", "Identifier=other");
    let other = other.split(" IamRoles").next().expect("the start");
    let (_, body) = world.query(&key, "redshift", other).await;
    assert!(body.contains("cluster:other"), "{body}");
}

#[tokio::test]
async fn buckets_and_roles_both_have_a_say_in_what_a_session_may() {
    let world = World::open().await;
    for path in ["/lake", "/vault"] {
        assert_eq!(world.s3(ROOT, Method::PUT, path).await, 200);
    }
    assert_eq!(world.s3(ROOT, Method::PUT, "/vault/in").await, 200);
    let key = world
        .session(json!([
            allow("s3:GetObject", "arn:aws:s3:::lake/*"),
            allow("s3:PutObject", "arn:aws:s3:::lake/in/*"),
        ]))
        .await;
    for (method, path, status) in [
        (Method::PUT, "/lake/in/a", 200),
        (Method::GET, "/lake/in/a", 200),
        (Method::PUT, "/lake/out", 403),
        (Method::DELETE, "/lake/in/a", 403),
        (Method::GET, "/lake", 403),
        (Method::GET, "/", 403),
        (Method::PUT, "/new", 403),
        (Method::GET, "/vault/in", 403),
        (Method::GET, "/nowhere/a", 403),
    ] {
        assert_eq!(world.s3(&key, method.clone(), path).await, status, "{method} {path}");
    }
    // The bucket lets the role in by itself.
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:role/worker"},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::vault/*",
    }]});
    let put = Request::put("/vault?policy");
    let (status, body) = world.send(put, ROOT, "s3", policy.to_string()).await;
    assert_eq!(status, 204, "{body}");
    assert_eq!(world.s3(&key, Method::GET, "/vault/in").await, 200);
}
