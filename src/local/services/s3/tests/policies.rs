//! Bucket policies.

use super::*;

fn policy(effect: &str, principal: &str, action: &str, resource: &str, condition: &str) -> String {
    let condition = match condition {
        "" => String::new(),
        condition => format!(r#","Condition":{{{condition}}}"#),
    };
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":{principal},"Action":"{action}",
        "Resource":"arn:aws:s3:::lake{resource}"{condition}}}]}}"#
    )
}

impl World {
    async fn set_policy(&self, text: String) {
        self.ok(Method::PUT, "/lake?policy", &[], text).await;
    }

    /// Says what becomes of a request from an address, in an account.
    async fn from(&self, address: &str, account: &str, method: Method, path: &str) -> u16 {
        let signature = sign(account, "us-east-1");
        let mut request = request(method, path, &[("authorization", &signature)], "");
        let peer = super::super::access::Peer(address.parse().unwrap());
        request.extensions_mut().insert(peer);
        self.send(request).await.status.as_u16()
    }
}

#[tokio::test]
async fn a_policy_denies_even_the_owner_but_can_be_mended() {
    let world = World::new().await;
    world.put("open/a", "1").await;
    world.put("secret/a", "2").await;
    world
        .set_policy(policy("Deny", "\"*\"", "s3:*Object*", "/secret/*", ""))
        .await;
    assert_eq!(world.get("open/a").await, "1");
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(world.refusal(Method::GET, "/lake/secret/a", &[], "").await, denied);
    assert_eq!(world.refusal(Method::PUT, "/lake/secret/b", &[], "x").await, denied);
    assert_eq!(world.refusal(Method::DELETE, "/lake/secret/a", &[], "").await, denied);
    // A copy reads its source, too.
    let source = [("x-amz-copy-source", "/lake/secret/a")];
    assert_eq!(world.refusal(Method::PUT, "/lake/open/b", &source, "").await, denied);
    let names = "<Delete><Object><Key>secret/a</Key></Object><Object><Key>open/a</Key></Object></Delete>";
    let answer = world.ok(Method::POST, "/lake?delete", &[], names).await;
    assert!(
        answer
            .text()
            .contains("<Error><Code>AccessDenied</Code><Key>secret/a</Key>"),
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("<Deleted><Key>open/a</Key>"),
        "{}",
        answer.text()
    );
    // Everything is forbidden to everybody, but the account's root may mend that.
    world.set_policy(policy("Deny", "\"*\"", "s3:*", "", "")).await;
    assert_eq!(world.refusal(Method::GET, "/lake?list-type=2", &[], "").await, denied);
    world.ok(Method::DELETE, "/lake?policy", &[], "").await;
    world.ok(Method::GET, "/lake?list-type=2", &[], "").await;
}

#[tokio::test]
async fn another_account_may_do_what_a_policy_allows() {
    let world = World::new().await;
    world.put("shared/a", "1").await;
    let other = "111122223333";
    let status = |path: &'static str| world.from("127.0.0.1", other, Method::GET, path);
    assert_eq!(status("/lake/shared/a").await, 403);
    let principal = r#"{"AWS":"arn:aws:iam::111122223333:root"}"#;
    world
        .set_policy(policy("Allow", principal, "s3:GetObject", "/shared/*", ""))
        .await;
    assert_eq!(status("/lake/shared/a").await, 200);
    assert_eq!(status("/lake/other").await, 403);
    assert_eq!(
        world.from("127.0.0.1", other, Method::DELETE, "/lake/shared/a").await,
        403
    );
    assert_eq!(
        world
            .from("127.0.0.1", "444455556666", Method::GET, "/lake/shared/a")
            .await,
        403
    );
}

#[tokio::test]
async fn insecure_transport_is_what_leaves_this_machine() {
    let world = World::new().await;
    world.put("a", "1").await;
    let secure = r#""Bool":{"aws:SecureTransport":"false"}"#;
    world.set_policy(policy("Deny", "\"*\"", "s3:*", "/*", secure)).await;
    assert_eq!(world.get("a").await, "1");
    assert_eq!(world.from("127.0.0.1", "test", Method::GET, "/lake/a").await, 200);
    assert_eq!(world.from("192.0.2.7", "test", Method::GET, "/lake/a").await, 403);
}

#[tokio::test]
async fn conditions_ask_about_the_request_and_the_object() {
    let world = World::new().await;
    world.put("a", "1").await;
    let prefix = r#""StringNotLike":{"s3:prefix":"mine/*"}"#;
    world
        .set_policy(policy("Deny", "\"*\"", "s3:ListBucket", "", prefix))
        .await;
    world
        .ok(Method::GET, "/lake?list-type=2&prefix=mine%2Fa", &[], "")
        .await;
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(world.refusal(Method::GET, "/lake?list-type=2", &[], "").await, denied);
    let network = r#""NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#;
    world
        .set_policy(policy("Deny", "\"*\"", "s3:GetObject", "/*", network))
        .await;
    assert_eq!(world.from("10.1.2.3", "test", Method::GET, "/lake/a").await, 200);
    assert_eq!(world.from("11.1.2.3", "test", Method::GET, "/lake/a").await, 403);
    let tag = r#""StringEquals":{"s3:ExistingObjectTag/state":"locked"}"#;
    world
        .set_policy(policy("Deny", "\"*\"", "s3:DeleteObject", "/*", tag))
        .await;
    world
        .ok(Method::PUT, "/lake/b", &[("x-amz-tagging", "state=locked")], "x")
        .await;
    assert_eq!(world.refusal(Method::DELETE, "/lake/b", &[], "").await, denied);
    world.ok(Method::DELETE, "/lake/a", &[], "").await;
}
