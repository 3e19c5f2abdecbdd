//! Objects put, read and refused.

use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

#[tokio::test]
async fn an_object_comes_back_with_what_was_stored_beside_it() {
    let world = World::new().await;
    let headers = [
        ("content-type", "text/csv"),
        ("x-amz-meta-owner", "ann"),
        ("cache-control", "no-cache"),
    ];
    let put = world.ok(Method::PUT, "/lake/a/b.csv", &headers, "id,name\n1,x\n").await;
    assert_eq!(put.header("etag"), format!("\"{}\"", md5("id,name\n1,x\n")));
    assert!(!put.header("x-amz-checksum-crc64nvme").is_empty());
    let get = world.ok(Method::GET, "/lake/a/b.csv", &[], "").await;
    assert_eq!(get.text(), "id,name\n1,x\n");
    assert_eq!(get.header("content-type"), "text/csv");
    assert_eq!(get.header("x-amz-meta-owner"), "ann");
    assert_eq!(get.header("cache-control"), "no-cache");
    assert_eq!(get.header("content-length"), "12");
    let head = world.ok(Method::HEAD, "/lake/a/b.csv", &[], "").await;
    assert_eq!(head.header("content-length"), "12");
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let world = World::new().await;
    assert_eq!(
        world.refusal(Method::GET, "/lake/none", &[], "").await,
        (404, "NoSuchKey".into())
    );
    assert_eq!(
        world.refusal(Method::GET, "/nowhere/none", &[], "").await,
        (404, "NoSuchBucket".into())
    );
    assert_eq!(
        world.refusal(Method::PUT, "/nowhere/none", &[], "x").await,
        (404, "NoSuchBucket".into())
    );
    let head = world.call(Method::HEAD, "/lake/none", &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (404, 0));
    assert_eq!(world.call(Method::HEAD, "/nowhere", &[], "").await.status, 404);
    assert_eq!(
        world.refusal(Method::GET, "/lake?policy", &[], "").await,
        (404, "NoSuchBucketPolicy".into())
    );
    assert_eq!(
        world.refusal(Method::GET, "/lake?tagging", &[], "").await,
        (404, "NoSuchTagSet".into())
    );
    assert_eq!(
        world.refusal(Method::GET, "/lake?lifecycle", &[], "").await,
        (404, "NoSuchLifecycleConfiguration".into())
    );
    assert_eq!(
        world.refusal(Method::GET, "/lake?inventory&id=x", &[], "").await,
        (501, "NotImplemented".into())
    );
}

#[tokio::test]
async fn ranges_are_cut_and_checked() {
    let world = World::new().await;
    world.put("digits", "0123456789").await;
    for (range, text, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=5-100", "56789", "bytes 5-9/10"),
    ] {
        let answer = world.ok(Method::GET, "/lake/digits", &[("range", range)], "").await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!((answer.text(), answer.header("content-range")), (text, content_range));
    }
    assert_eq!(
        world
            .refusal(Method::GET, "/lake/digits", &[("range", "bytes=10-")], "")
            .await
            .0,
        416
    );
}

#[tokio::test]
async fn a_large_object_streams_in_and_out() {
    let world = World::new().await;
    let text: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    world.ok(Method::PUT, "/lake/big", &[], text.clone()).await;
    let whole = world.ok(Method::GET, "/lake/big", &[], "").await;
    assert!(whole.body == text);
    assert_eq!(whole.header("content-length"), "3000000");
    let part = world
        .ok(Method::GET, "/lake/big", &[("range", "bytes=1000000-1999999")], "")
        .await;
    assert!(part.body == text[1_000_000..2_000_000]);
}

#[tokio::test]
async fn a_streamed_body_is_unframed_and_its_trailing_checksum_verified() {
    let world = World::new().await;
    let send = async |checksum: &str| {
        let text = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
        let body = StreamBody::new(futures::stream::iter([Ok(Frame::data(Bytes::from(text)))])).boxed_unsync();
        let request = Request::builder()
            .method(Method::PUT)
            .uri("http://localhost/lake/streamed")
            .header("host", "localhost")
            .header("authorization", sign("test", "us-east-1"))
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .header("content-encoding", "aws-chunked")
            .body(body)
            .unwrap();
        world.send(request).await
    };
    let wrong = send("AAAAAA==").await;
    assert_eq!((wrong.status.as_u16(), wrong.element("Code")), (400, "BadDigest"));
    let right = send("NhCmhg==").await;
    assert_eq!(right.status, 200, "{}", right.text());
    assert_eq!(right.header("x-amz-checksum-crc32"), "NhCmhg==");
    let get = world
        .ok(Method::GET, "/lake/streamed", &[("x-amz-checksum-mode", "ENABLED")], "")
        .await;
    assert_eq!((get.text(), get.header("content-encoding")), ("hello", ""));
    assert_eq!(get.header("x-amz-checksum-crc32"), "NhCmhg==");
}

#[tokio::test]
async fn wrong_checksums_and_lengths_store_nothing() {
    let world = World::new().await;
    for (name, value, code) in [
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
        ("content-md5", "short", "InvalidDigest"),
        ("x-amz-checksum-sha256", "AAAA", "BadDigest"),
        (
            "x-amz-content-sha256",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "XAmzContentSHA256Mismatch",
        ),
        ("content-length", "99", "IncompleteBody"),
    ] {
        assert_eq!(
            world.refusal(Method::PUT, "/lake/x", &[(name, value)], "hello").await.1,
            code,
            "{name}"
        );
    }
    assert_eq!(world.refusal(Method::GET, "/lake/x", &[], "").await.0, 404);
    let files = std::fs::read_dir(world.dir.path().join("objects/tmp")).unwrap().count();
    assert_eq!(files, 0);
}

#[tokio::test]
async fn conditional_writes_hold() {
    let world = World::new().await;
    let create = [("if-none-match", "*")];
    world.ok(Method::PUT, "/lake/lock", &create, "one").await;
    assert_eq!(
        world.refusal(Method::PUT, "/lake/lock", &create, "two").await,
        (412, "PreconditionFailed".into())
    );
    assert_eq!(world.get("lock").await, "one");
    let etag = format!("\"{}\"", md5("one"));
    world
        .ok(Method::PUT, "/lake/lock", &[("if-match", &etag)], "three")
        .await;
    assert_eq!(
        world
            .refusal(Method::PUT, "/lake/lock", &[("if-match", &etag)], "four")
            .await
            .0,
        412
    );
    assert_eq!(
        world
            .refusal(Method::PUT, "/lake/none", &[("if-match", &etag)], "x")
            .await
            .0,
        404
    );
    let fresh = format!("\"{}\"", md5("three"));
    assert_eq!(
        world
            .call(Method::GET, "/lake/lock", &[("if-none-match", &fresh)], "")
            .await
            .status,
        304
    );
}

#[tokio::test]
async fn hostile_keys_stay_inside() {
    let world = World::new().await;
    for key in ["..%2F..%2Fetc%2Fpasswd", "%2e%2e/x", "a//b", "%00", "tmp"] {
        world.ok(Method::PUT, &format!("/lake/{key}"), &[], "x").await;
        assert_eq!(world.get(key).await, "x", "{key}");
    }
    let listed = world
        .ok(Method::GET, "/lake?list-type=2&encoding-type=url", &[], "")
        .await;
    assert_eq!(listed.elements("Key").len(), 5);
    let long = "k".repeat(1025);
    assert_eq!(
        world.refusal(Method::PUT, &format!("/lake/{long}"), &[], "x").await.1,
        "KeyTooLongError"
    );
    let broken = world.call(Method::POST, "/lake?delete", &[], "<Delete><Obj").await;
    assert_eq!((broken.status.as_u16(), broken.element("Code")), (400, "MalformedXML"));
    assert!(broken.element("Message").starts_with("The XML you provided"));
}

#[tokio::test]
async fn objects_survive_a_reopening() {
    let world = World::new().await;
    world.put("k", "kept").await;
    let World { local, dir } = world;
    drop(local);
    let mut local = Local::open(Options {
        dir: dir.path().to_owned(),
        pace: Pace::Quick,
        seed: None,
    })
    .await;
    // The old writer lets go of the file when its last request is done.
    while local.is_err() {
        tokio::task::yield_now().await;
        local = Local::open(Options {
            dir: dir.path().to_owned(),
            pace: Pace::Quick,
            seed: None,
        })
        .await;
    }
    let world = World {
        local: local.unwrap(),
        dir,
    };
    assert_eq!(world.get("k").await, "kept");
}
