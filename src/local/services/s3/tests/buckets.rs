//! Buckets, their settings and their names.

use super::*;

#[tokio::test]
async fn a_new_bucket_has_the_settings_aws_gives_it() {
    let world = World::new().await;
    let block = world.ok(Method::GET, "/lake?publicAccessBlock", &[], "").await;
    assert_eq!(block.element("BlockPublicPolicy"), "true");
    let ownership = world.ok(Method::GET, "/lake?ownershipControls", &[], "").await;
    assert_eq!(ownership.element("ObjectOwnership"), "BucketOwnerEnforced");
    let encryption = world.ok(Method::GET, "/lake?encryption", &[], "").await;
    assert_eq!(encryption.element("SSEAlgorithm"), "AES256");
    let versioning = world.ok(Method::GET, "/lake?versioning", &[], "").await;
    assert_eq!(versioning.element("Status"), "");
    assert_eq!(
        world
            .ok(Method::HEAD, "/lake", &[], "")
            .await
            .header("x-amz-bucket-region"),
        "us-east-1"
    );
}

#[tokio::test]
async fn settings_come_back_as_they_were_put() {
    let world = World::new().await;
    let lifecycle = "<LifecycleConfiguration><Rule><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status>\
                     <Expiration><Days>7</Days></Expiration></Rule></LifecycleConfiguration>";
    world.ok(Method::PUT, "/lake?lifecycle", &[], lifecycle).await;
    let back = world.ok(Method::GET, "/lake?lifecycle", &[], "").await;
    assert_eq!((back.element("Days"), back.element("Prefix")), ("7", "tmp/"));
    assert!(!back.element("ID").is_empty());
    let tags = "<Tagging><TagSet><Tag><Key>team</Key><Value>data</Value></Tag></TagSet></Tagging>";
    world.ok(Method::PUT, "/lake?tagging", &[], tags).await;
    assert_eq!(
        world.ok(Method::GET, "/lake?tagging", &[], "").await.element("Value"),
        "data"
    );
    let kms = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms\
               </SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
    world.ok(Method::PUT, "/lake?encryption", &[], kms).await;
    assert_eq!(
        world.put("k", "x").await.header("x-amz-server-side-encryption"),
        "aws:kms"
    );
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::lake","arn:aws:s3:::lake/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    world.ok(Method::PUT, "/lake?policy", &[], policy).await;
    assert_eq!(world.ok(Method::GET, "/lake?policy", &[], "").await.text(), policy);
    let public = policy
        .replace("Deny", "Allow")
        .replace(r#","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#, "");
    assert_eq!(
        world.refusal(Method::PUT, "/lake?policy", &[], &public).await,
        (403, "AccessDenied".into())
    );
    let foreign = policy.replace(":::lake", ":::other");
    assert_eq!(
        world.refusal(Method::PUT, "/lake?policy", &[], &foreign).await.1,
        "MalformedPolicy"
    );
    assert_eq!(
        world.refusal(Method::PUT, "/lake?policy", &[], "nonsense").await.1,
        "MalformedPolicy"
    );
}

#[tokio::test]
async fn buckets_have_regions_owners_and_rules_for_their_names() {
    let world = World::new().await;
    let eu = sign("test", "eu-west-1");
    let eu = [("authorization", eu.as_str())];
    let here = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>\
                <Tags><Tag><Key>a&amp;b</Key><Value>1</Value></Tag></Tags></CreateBucketConfiguration>";
    assert_eq!(
        world.refusal(Method::PUT, "/eu-lake", &eu, "").await.1,
        "IllegalLocationConstraintException"
    );
    world.ok(Method::PUT, "/eu-lake", &eu, here).await;
    let place = world.ok(Method::GET, "/eu-lake?location", &[], "").await;
    assert!(place.text().contains("eu-west-1"));
    assert_eq!(
        world.ok(Method::GET, "/eu-lake?tagging", &eu, "").await.element("Key"),
        "a&amp;b"
    );
    let elsewhere = world.call(Method::HEAD, "/eu-lake", &[], "").await;
    assert_eq!(
        (elsewhere.status.as_u16(), elsewhere.header("x-amz-bucket-region")),
        (301, "eu-west-1")
    );
    assert_eq!(
        world.refusal(Method::PUT, "/eu-lake", &eu, here).await.1,
        "BucketAlreadyOwnedByYou"
    );
    world.ok(Method::PUT, "/lake", &[], "").await;
    let other = sign("222222222222", "us-east-1");
    let other = [("authorization", other.as_str())];
    assert_eq!(
        world.refusal(Method::PUT, "/lake", &other, "").await,
        (409, "BucketAlreadyExists".into())
    );
    assert_eq!(
        world.refusal(Method::GET, "/lake", &other, "").await,
        (403, "AccessDenied".into())
    );
    for name in ["Upper", "ab", "has_underscore", "xn--a", "a-s3alias", "192.168.0.1"] {
        assert_eq!(
            world.refusal(Method::PUT, &format!("/{name}"), &[], "").await.1,
            "InvalidBucketName",
            "{name}"
        );
    }
    let mine = world.ok(Method::GET, "/", &[], "").await;
    assert_eq!(mine.elements("Name"), ["eu-lake", "lake"]);
}

#[tokio::test]
async fn buckets_may_stand_in_the_host_name() {
    let world = World::new().await;
    for host in [
        "lake.s3.us-east-1.amazonaws.com",
        "lake.s3.amazonaws.com",
        "lake.localhost:4566",
        "lake.s3.localhost",
    ] {
        world
            .ok(Method::PUT, "/by-host", &[("host", host)], host.to_owned())
            .await;
        assert_eq!(world.get("by-host").await, host);
    }
}

#[tokio::test]
async fn a_bucket_of_2022_does_not_block_public_access() {
    let world = World::new().await;
    let clock = &world.local.cloud().clock;
    clock.freeze(Some(1_656_633_600.0));
    world.ok(Method::PUT, "/older", &[], "").await;
    let absent = (404, "NoSuchPublicAccessBlockConfiguration".to_owned());
    assert_eq!(
        world.refusal(Method::GET, "/older?publicAccessBlock", &[], "").await,
        absent
    );
    world.local.cloud().clock.run();
    world.ok(Method::GET, "/lake?publicAccessBlock", &[], "").await;
}
