use serde_json::json;

use super::*;
use crate::{Options, Pace};

const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/SERVICE/aws4_request, SignedHeaders=host, Signature=0";

struct Door {
    local: Arc<Local>,
    _dir: tempfile::TempDir,
}

impl Door {
    async fn open(seed: Option<u64>) -> Door {
        let dir = tempfile::tempdir().expect("a folder");
        let options = Options {
            dir: dir.path().to_path_buf(),
            pace: Pace::Quick,
            seed,
        };
        Door {
            local: Local::open(options).await.expect("opens"),
            _dir: dir,
        }
    }

    async fn send(&self, request: http::request::Builder, body: &str) -> (u16, String) {
        let response = self
            .local
            .handle(request.body(text_body(body.to_owned())).expect("a request"))
            .await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn query(&self, service: &str, form: &str) -> (u16, String) {
        let request = Request::post("/")
            .header("authorization", SIGNED.replace("SERVICE", service))
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request, form).await
    }

    async fn vpcs(&self) -> usize {
        let (status, body) = self.query("ec2", "Action=DescribeVpcs&Version=2016-11-15").await;
        assert_eq!(status, 200, "{body}");
        body.matches("<vpcId>").count()
    }

    async fn faults(&self, rule: Value) {
        let (status, body) = self
            .send(
                Request::post("/_lakeform/faults"),
                &json!({"rules": [rule]}).to_string(),
            )
            .await;
        assert_eq!(status, 200, "{body}");
    }
}

const CREATE: &str = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16";

#[tokio::test]
async fn a_request_is_routed_by_the_scope_of_its_signature() {
    let door = Door::open(None).await;
    let (status, body) = door.query("ec2", CREATE).await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = door.query("sts", "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(status, 200);
    assert!(body.contains("<Account>123456789012</Account>"), "{body}");
    let (status, body) = door.query("dynamodb", "Action=ListTables").await;
    assert_eq!(status, 501);
    assert!(body.contains("`dynamodb`"), "{body}");
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let door = Door::open(None).await;
    door.query("ec2", CREATE).await;
    let other = SIGNED.replace("SERVICE", "ec2").replace("test", "111122223333");
    let request = Request::post("/").header("authorization", other);
    let (_, body) = door.send(request, "Action=DescribeVpcs&Version=2016-11-15").await;
    assert!(!body.contains("<vpcId>"), "{body}");
}

#[tokio::test]
async fn an_unsigned_query_is_refused() {
    let door = Door::open(None).await;
    let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
    let (status, body) = door.send(request, CREATE).await;
    assert_eq!(status, 403);
    assert!(body.contains("MissingAuthenticationToken"), "{body}");
}

#[tokio::test]
async fn a_throttled_request_has_no_effect() {
    let door = Door::open(None).await;
    door.faults(json!({"operation": "ec2:CreateVpc", "effect": "throttle"}))
        .await;
    let (status, body) = door.query("ec2", CREATE).await;
    assert_eq!(status, 503);
    assert!(body.contains("RequestLimitExceeded"), "{body}");
    assert_eq!(door.vpcs().await, 0);
}

#[tokio::test]
async fn a_lost_answer_has_its_effect() {
    let door = Door::open(None).await;
    door.faults(json!({"operation": "ec2:CreateVpc", "effect": "lost"}))
        .await;
    let request = Request::post("/").header("authorization", SIGNED.replace("SERVICE", "ec2"));
    let response = door
        .local
        .handle(request.body(text_body(CREATE)).expect("a request"))
        .await;
    assert!(response.extensions().get::<Lost>().is_some());
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(door.vpcs().await, 1);
}

#[tokio::test]
async fn a_named_refusal_is_given_in_its_words() {
    let door = Door::open(None).await;
    let words =
        json!({"operation": "ec2:*", "effect": "refuse", "status": 400, "code": "X.Y", "message": "so <be> it"});
    door.faults(words).await;
    let (status, body) = door.query("ec2", CREATE).await;
    assert_eq!(status, 400);
    assert!(
        body.contains("<Code>X.Y</Code><Message>so &lt;be&gt; it</Message>"),
        "{body}"
    );
}

#[tokio::test]
async fn the_clock_can_be_moved_from_outside() {
    let door = Door::open(None).await;
    door.send(Request::post("/_lakeform/clock"), r#"{"freeze": 1000}"#)
        .await;
    let (_, body) = door.send(Request::post("/_lakeform/clock"), r#"{"advance": 5}"#).await;
    assert_eq!(body, r#"{"now":1005.0}"#);
}

#[tokio::test]
async fn state_outlives_the_process() {
    let door = Door::open(None).await;
    door.query("ec2", CREATE).await;
    let Door { local, _dir: dir } = door;
    drop(local);
    let options = || Options {
        dir: dir.path().to_path_buf(),
        pace: Pace::Quick,
        seed: None,
    };
    // The file is let go of a moment after the last handle.
    let local = loop {
        match Local::open(options()).await {
            Ok(local) => break local,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(Door { local, _dir: dir }.vpcs().await, 1);
}

#[tokio::test]
async fn a_second_holder_is_told_who_has_the_folder() {
    let door = Door::open(None).await;
    let options = Options {
        dir: door.local.cloud().dir.clone(),
        pace: Pace::Quick,
        seed: None,
    };
    let Err(refusal) = Local::open(options).await else {
        panic!("the folder was opened twice")
    };
    assert_eq!(refusal.holder.map(|holder| holder.process), Some(std::process::id()));
}

#[tokio::test]
async fn hostile_requests_are_answered() {
    let door = Door::open(None).await;
    for body in [
        "",
        "Action",
        "Action=&Version",
        "%%%",
        "Action=DescribeVpcs&Filter.1.Name",
        "\u{0}",
    ] {
        let (status, _) = door.query("ec2", body).await;
        assert!(status == 400 || status == 501, "{body:?}: {status}");
    }
    for credential in ["Credential=", "Credential=a/b", "Bearer x", ""] {
        let request = Request::post("/")
            .header("authorization", credential)
            .header("x-amz-target", "A.B");
        let (status, _) = door.send(request, "{}").await;
        assert!((400..=501).contains(&status), "{credential}: {status}");
    }
}

#[tokio::test]
async fn a_stale_read_misses_what_was_just_made() {
    let door = Door::open(None).await;
    door.faults(json!({"operation": "ec2:DescribeVpcs", "effect": "stale", "times": 1}))
        .await;
    door.query("ec2", "Action=DescribeSubnets&Version=2016-11-15").await;
    door.query("ec2", CREATE).await;
    assert_eq!(door.vpcs().await, 0);
    assert_eq!(door.vpcs().await, 1);
}

#[tokio::test]
async fn a_request_from_beyond_this_machine_must_be_signed() {
    let door = Door::open(None).await;
    let request = Request::post("/")
        .header("authorization", SIGNED.replace("SERVICE", "ec2"))
        .extension(Untrusted);
    let (status, body) = door.send(request, CREATE).await;
    assert_eq!(status, 403);
    assert!(body.contains("InvalidAccessKeyId"), "{body}");
    let (status, _) = door.send(Request::get("/bucket/key").extension(Untrusted), "").await;
    assert_eq!(status, 403);
    let old = "/bucket/key?AWSAccessKeyId=test&Signature=x&Expires=4000000000";
    let (status, body) = door.send(Request::get(old).extension(Untrusted), "").await;
    assert!(status == 400 && body.contains("Please use AWS4-HMAC-SHA256"), "{body}");
    let (status, _) = door
        .send(Request::get("/_lakeform/clock").extension(Untrusted), "")
        .await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn a_dropped_request_has_no_effect() {
    let door = Door::open(None).await;
    door.faults(json!({"operation": "ec2:CreateVpc", "effect": "dropped"}))
        .await;
    let request = Request::post("/").header("authorization", SIGNED.replace("SERVICE", "ec2"));
    let response = door
        .local
        .handle(request.body(text_body(CREATE)).expect("a request"))
        .await;
    assert!(response.extensions().get::<Lost>().is_some());
    assert_eq!(door.vpcs().await, 0);
}

#[tokio::test]
async fn somebody_else_may_take_a_name_first() {
    let door = Door::open(None).await;
    door.faults(json!({"operation": "iam:CreateRole", "effect": "preempted"}))
        .await;
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C\
                 %22Principal%22%3A%7B%22Service%22%3A%22glue.amazonaws.com%22%7D%2C\
                 %22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
    let create = format!(
        "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument={trust}\
         &Tags.member.1.Key=ours&Tags.member.1.Value=yes"
    );
    let (status, body) = door.query("iam", &create).await;
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("EntityAlreadyExists"), "{body}");
    let (_, body) = door.query("iam", "Action=GetRole&Version=2010-05-08&RoleName=r").await;
    assert!(
        body.contains("<RoleName>r</RoleName>") && !body.contains("ours"),
        "{body}"
    );
}

#[tokio::test]
async fn a_strangers_interface_is_in_the_way_for_a_while() {
    let door = Door::open(None).await;
    let (_, body) = door.query("ec2", CREATE).await;
    let id = |body: &str, name: &str| {
        let start = body.find(&format!("<{name}>")).expect("an id") + name.len() + 2;
        body[start..].split('<').next().expect("it ends").to_owned()
    };
    let vpc = id(&body, "vpcId");
    let subnet = format!("Action=CreateSubnet&Version=2016-11-15&CidrBlock=10.0.0.0%2F24&VpcId={vpc}");
    let (_, body) = door.query("ec2", &subnet).await;
    let delete = format!(
        "Action=DeleteSubnet&Version=2016-11-15&SubnetId={}",
        id(&body, "subnetId")
    );
    door.faults(json!({"operation": "ec2:DeleteSubnet", "effect": "foreign_interface", "seconds": 5.0}))
        .await;
    let (status, body) = door.query("ec2", &delete).await;
    assert!(status == 400 && body.contains("DependencyViolation"), "{body}");
    let shown = "Action=DescribeNetworkInterfaces&Version=2016-11-15";
    let (_, body) = door.query("ec2", shown).await;
    assert!(body.contains("somebody-else"), "{body}");
    door.send(Request::post("/_lakeform/clock"), r#"{"advance": 6}"#).await;
    let (status, body) = door.query("ec2", &delete).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_role_may_not_be_ready_in_the_words_of_the_service() {
    let door = Door::open(None).await;
    door.faults(json!({"operation": "glue:*", "effect": "role_not_ready", "wording": 0}))
        .await;
    let request = Request::post("/")
        .header("authorization", SIGNED.replace("SERVICE", "glue"))
        .header("x-amz-target", "AWSGlue.CreateCrawler");
    let input = json!({"Name": "c", "Role": "r", "Targets": {"S3Targets": [{"Path": "s3://b/"}]}});
    let (status, body) = door.send(request, &input.to_string()).await;
    assert_eq!(status, 400);
    assert!(body.contains("unable to assume provided role"), "{body}");
}

#[tokio::test]
async fn a_state_that_passes_may_have_an_unknown_name() {
    let door = Door::open(None).await;
    door.send(Request::post("/_lakeform/clock"), r#"{"freeze": 1800000000}"#)
        .await;
    door.query("ec2", CREATE).await;
    door.faults(json!({"operation": "ec2:DescribeVpcs", "effect": "unknown_state"}))
        .await;
    let describe = "Action=DescribeVpcs&Version=2016-11-15";
    let (_, body) = door.query("ec2", describe).await;
    assert!(body.contains("<state>pending, preparing to finalize</state>"), "{body}");
    let (_, body) = door.query("ec2", describe).await;
    assert!(body.contains("<state>pending</state>"), "{body}");
}
