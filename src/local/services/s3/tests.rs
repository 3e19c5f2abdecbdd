//! S3 over its HTTP surface, as a client sees it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};

use crate::{Body, Local, Options, Pace};

struct World {
    local: Arc<Local>,
    dir: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the text of the first element of this name.
    fn element(&self, name: &str) -> &str {
        element(self.text(), name).unwrap_or_default()
    }

    fn elements(&self, name: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut rest = self.text();
        while let Some(text) = element(rest, name) {
            found.push(text);
            rest = &rest[rest.find(text).unwrap() + text.len()..];
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
        found
    }
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let end = text[start..].find(&format!("</{name}>"))?;
    Some(&text[start..start + end])
}

fn sign(account: &str, region: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/s3/aws4_request, SignedHeaders=host, Signature=00")
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let local = open(dir.path()).await;
        let world = Self { local, dir };
        world.ok(Method::PUT, "/lake", &[], "").await;
        world
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.local.handle(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.send(request(method, path, headers, body)).await
    }

    async fn ok(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let answer = self.call(method.clone(), path, headers, body).await;
        assert!(
            answer.status.is_success(),
            "{method} {path}: {} {}",
            answer.status,
            answer.text()
        );
        answer
    }

    /// Returns the status and code of a request that must be refused.
    async fn refusal(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let answer = self.call(method.clone(), path, headers, body.to_owned()).await;
        assert!(!answer.status.is_success(), "{method} {path} succeeded");
        (answer.status.as_u16(), answer.element("Code").to_owned())
    }

    async fn put(&self, key: &str, text: &str) -> Answer {
        self.ok(Method::PUT, &format!("/lake/{key}"), &[], text.to_owned())
            .await
    }

    async fn get(&self, key: &str) -> String {
        self.ok(Method::GET, &format!("/lake/{key}"), &[], "")
            .await
            .text()
            .to_owned()
    }
}

async fn open(dir: &std::path::Path) -> Arc<Local> {
    Local::open(Options {
        dir: dir.to_owned(),
        pace: Pace::Quick,
        seed: None,
    })
    .await
    .unwrap()
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Body> {
    let body: Bytes = body.into();
    let mut request = Request::builder().method(method).uri(format!("http://localhost{path}"));
    let signed = headers.iter().any(|(name, _)| *name == "authorization");
    if !signed {
        request = request.header("authorization", sign("test", "us-east-1"));
    }
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-length") {
        request = request.header("content-length", body.len());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Full::new(body).map_err(|never| match never {}).boxed_unsync())
        .unwrap()
}

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

fn md5(text: &str) -> String {
    super::checksum::hex(&<s3s::crypto::Md5 as s3s::crypto::Checksum>::checksum(text.as_bytes()))
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
async fn listings_page_through_keys_and_common_prefixes() {
    let world = World::new().await;
    for key in ["a/1", "a/2", "b/1", "c", "d/e/1", "d/e/2", "z"] {
        world.put(key, "x").await;
    }
    let mut shown = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/lake?list-type=2&delimiter=%2F&max-keys=2{token}");
        let page = world.ok(Method::GET, &path, &[], "").await;
        shown.extend(page.elements("Key").into_iter().map(str::to_owned));
        shown.extend(
            page.elements("CommonPrefixes")
                .iter()
                .filter_map(|text| element(text, "Prefix"))
                .map(str::to_owned),
        );
        if page.element("IsTruncated") != "true" {
            break;
        }
        token = format!(
            "&continuation-token={}",
            page.element("NextContinuationToken").replace('=', "%3D")
        );
    }
    shown.sort();
    assert_eq!(shown, ["a/", "b/", "c", "d/", "z"]);
    let below = world
        .ok(Method::GET, "/lake?list-type=2&prefix=d%2F&delimiter=%2F", &[], "")
        .await;
    assert_eq!((below.elements("Key").len(), below.element("KeyCount")), (0, "1"));
    let after = world
        .ok(Method::GET, "/lake?list-type=2&start-after=b%2F1", &[], "")
        .await;
    assert_eq!(after.elements("Key"), ["c", "d/e/1", "d/e/2", "z"]);
    let first = world.ok(Method::GET, "/lake?marker=c&max-keys=1", &[], "").await;
    assert_eq!(first.elements("Key"), ["d/e/1"]);
    let empty = world.ok(Method::GET, "/lake?list-type=2&max-keys=0", &[], "").await;
    assert_eq!(
        (empty.element("KeyCount"), empty.element("IsTruncated")),
        ("0", "false")
    );
}

const ENABLE: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
const SUSPEND: &str = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";

#[tokio::test]
async fn versions_and_delete_markers_follow_each_other() {
    let world = World::new().await;
    world.put("k", "zero").await;
    world.ok(Method::PUT, "/lake?versioning", &[], ENABLE).await;
    let one = world.put("k", "one").await.header("x-amz-version-id").to_owned();
    let two = world.put("k", "two").await.header("x-amz-version-id").to_owned();
    assert_ne!(one, two);
    let deleted = world.ok(Method::DELETE, "/lake/k", &[], "").await;
    assert_eq!(deleted.header("x-amz-delete-marker"), "true");
    let marker = deleted.header("x-amz-version-id").to_owned();
    let gone = world.call(Method::GET, "/lake/k", &[], "").await;
    assert_eq!(
        (gone.status.as_u16(), gone.header("x-amz-delete-marker")),
        (404, "true")
    );
    assert_eq!(world.get(&format!("k?versionId={one}")).await, "one");
    assert_eq!(world.get("k?versionId=null").await, "zero");
    let all = world.ok(Method::GET, "/lake?versions", &[], "").await;
    let mut ids = all.elements("VersionId");
    ids.sort_unstable();
    let mut wanted = vec![one.as_str(), two.as_str(), marker.as_str(), "null"];
    wanted.sort_unstable();
    assert_eq!(ids, wanted);
    // Pages of one row each show the same.
    let (mut rows, mut query) = (0, String::new());
    loop {
        let page = world
            .ok(Method::GET, &format!("/lake?versions&max-keys=1{query}"), &[], "")
            .await;
        rows += page.elements("VersionId").len();
        if page.element("IsTruncated") != "true" {
            break;
        }
        let (key, id) = (page.element("NextKeyMarker"), page.element("NextVersionIdMarker"));
        query = format!("&key-marker={key}&version-id-marker={id}");
    }
    assert_eq!(rows, 4);
    // Removing the marker brings the newest version back, removing that the one before.
    world
        .ok(Method::DELETE, &format!("/lake/k?versionId={marker}"), &[], "")
        .await;
    assert_eq!(world.get("k").await, "two");
    world
        .ok(Method::DELETE, &format!("/lake/k?versionId={two}"), &[], "")
        .await;
    assert_eq!(world.get("k").await, "one");
    assert_eq!(
        world.refusal(Method::DELETE, "/lake", &[], "").await,
        (409, "BucketNotEmpty".into())
    );
}

#[tokio::test]
async fn a_suspended_bucket_replaces_its_null_version() {
    let world = World::new().await;
    world.ok(Method::PUT, "/lake?versioning", &[], ENABLE).await;
    let kept = world.put("k", "kept").await.header("x-amz-version-id").to_owned();
    world.ok(Method::PUT, "/lake?versioning", &[], SUSPEND).await;
    world.put("k", "first").await;
    world.put("k", "second").await;
    let all = world.ok(Method::GET, "/lake?versions", &[], "").await;
    assert_eq!(all.elements("VersionId"), ["null", kept.as_str()]);
    assert_eq!(world.get("k").await, "second");
    world.ok(Method::DELETE, "/lake/k", &[], "").await;
    let all = world.ok(Method::GET, "/lake?versions", &[], "").await;
    assert_eq!(
        (all.elements("DeleteMarker").len(), all.elements("VersionId").len()),
        (1, 2)
    );
}

#[tokio::test]
async fn many_keys_go_in_one_request() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        world.put(key, "x").await;
    }
    let body = "<Delete><Object><Key>a</Key></Object><Object><Key>missing</Key></Object><Object><Key>b</Key></Object></Delete>";
    let answer = world.ok(Method::POST, "/lake?delete", &[], body).await;
    assert_eq!(answer.elements("Key"), ["a", "missing", "b"]);
    let left = world.ok(Method::GET, "/lake?list-type=2", &[], "").await;
    assert_eq!(left.elements("Key"), ["c"]);
    let quiet = "<Delete><Quiet>true</Quiet><Object><Key>c</Key></Object></Delete>";
    assert!(
        world
            .ok(Method::POST, "/lake?delete", &[], quiet)
            .await
            .elements("Key")
            .is_empty()
    );
    world.ok(Method::DELETE, "/lake", &[], "").await;
    assert_eq!(world.refusal(Method::GET, "/lake", &[], "").await.1, "NoSuchBucket");
}

#[tokio::test]
async fn parts_become_one_object_with_one_checksum() {
    let world = World::new().await;
    let begun = world
        .ok(
            Method::POST,
            "/lake/big?uploads",
            &[("x-amz-checksum-algorithm", "CRC64NVME")],
            "",
        )
        .await;
    let id = begun.element("UploadId").to_owned();
    let first = vec![b'a'; 5 << 20];
    let mut completed = String::new();
    for (number, bytes) in [(1, first.clone()), (2, b"tail".to_vec())] {
        let path = format!("/lake/big?partNumber={number}&uploadId={id}");
        let part = world
            .ok(
                Method::PUT,
                &path,
                &[("x-amz-sdk-checksum-algorithm", "CRC64NVME")],
                bytes,
            )
            .await;
        completed += &format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>",
            part.header("etag")
        );
    }
    let listed = world
        .ok(Method::GET, &format!("/lake/big?uploadId={id}"), &[], "")
        .await;
    assert_eq!(listed.elements("PartNumber"), ["1", "2"]);
    let uploads = world.ok(Method::GET, "/lake?uploads", &[], "").await;
    assert_eq!(uploads.elements("UploadId"), [id.as_str()]);
    let body = format!("<CompleteMultipartUpload>{completed}</CompleteMultipartUpload>");
    let done = world
        .ok(Method::POST, &format!("/lake/big?uploadId={id}"), &[], body.clone())
        .await;
    assert!(done.element("ETag").contains("-2"), "{}", done.text());
    let whole = [first, b"tail".to_vec()].concat();
    let mut hasher = super::checksum::Hasher::new(super::model::Algorithm::Crc64Nvme);
    hasher.update(&whole);
    assert_eq!(done.element("ChecksumCRC64NVME"), hasher.finish().sum.value);
    assert_eq!(done.element("ChecksumType"), "FULL_OBJECT");
    assert!(world.ok(Method::GET, "/lake/big", &[], "").await.body == whole);
    let part = world.ok(Method::GET, "/lake/big?partNumber=2", &[], "").await;
    assert_eq!((part.text(), part.header("x-amz-mp-parts-count")), ("tail", "2"));
    // The answer may have been lost: completing again answers the same.
    world
        .ok(Method::POST, &format!("/lake/big?uploadId={id}"), &[], body)
        .await;
    assert_eq!(
        world
            .refusal(Method::GET, &format!("/lake/big?uploadId={id}"), &[], "")
            .await
            .1,
        "NoSuchUpload"
    );
    let attributes = [("x-amz-object-attributes", "ETag,Checksum,ObjectParts,ObjectSize")];
    let known = world.ok(Method::GET, "/lake/big?attributes", &attributes, "").await;
    assert_eq!(
        (known.element("ObjectSize"), known.element("PartsCount")),
        ("5242884", "2")
    );
}

#[tokio::test]
async fn wrong_completions_are_refused() {
    let world = World::new().await;
    let id = world
        .ok(Method::POST, "/lake/k?uploads", &[], "")
        .await
        .element("UploadId")
        .to_owned();
    let mut etags = Vec::new();
    for number in [1, 2] {
        let path = format!("/lake/k?partNumber={number}&uploadId={id}");
        etags.push(
            world
                .ok(Method::PUT, &path, &[], format!("part {number}"))
                .await
                .header("etag")
                .to_owned(),
        );
    }
    let complete = |parts: &[(i32, &str)]| {
        let parts: String = parts
            .iter()
            .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
            .collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    };
    let path = format!("/lake/k?uploadId={id}");
    for (parts, code) in [
        (vec![(1, etags[0].as_str()), (2, etags[1].as_str())], "EntityTooSmall"),
        (vec![(2, etags[1].as_str()), (1, etags[0].as_str())], "InvalidPartOrder"),
        (vec![(1, "\"00000000000000000000000000000000\"")], "InvalidPart"),
        (vec![(3, etags[0].as_str())], "InvalidPart"),
    ] {
        assert_eq!(world.refusal(Method::POST, &path, &[], &complete(&parts)).await.1, code);
    }
    world.ok(Method::DELETE, &path, &[], "").await;
    assert_eq!(
        world
            .refusal(Method::POST, &path, &[], &complete(&[(1, &etags[0])]))
            .await
            .1,
        "NoSuchUpload"
    );
}

#[tokio::test]
async fn a_copy_is_an_object_of_its_own() {
    let world = World::new().await;
    world
        .ok(Method::PUT, "/lake/from", &[("x-amz-meta-a", "1")], "text")
        .await;
    world
        .ok(
            Method::PUT,
            "/lake/to%20here",
            &[("x-amz-copy-source", "/lake/from")],
            "",
        )
        .await;
    world.ok(Method::DELETE, "/lake/from", &[], "").await;
    let copy = world.ok(Method::GET, "/lake/to%20here", &[], "").await;
    assert_eq!((copy.text(), copy.header("x-amz-meta-a")), ("text", "1"));
    let itself = [("x-amz-copy-source", "lake/to%20here")];
    assert_eq!(
        world.refusal(Method::PUT, "/lake/to%20here", &itself, "").await.1,
        "InvalidRequest"
    );
    let replace = [
        itself[0],
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-b", "2"),
    ];
    world.ok(Method::PUT, "/lake/to%20here", &replace, "").await;
    let again = world.ok(Method::HEAD, "/lake/to%20here", &[], "").await;
    assert_eq!((again.header("x-amz-meta-a"), again.header("x-amz-meta-b")), ("", "2"));
}

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
async fn presigned_requests_work_until_they_expire() {
    let world = World::new().await;
    world.put("k", "signed").await;
    let stamp = |ago: i64| {
        let at = world.local.cloud().clock.now() as i64 - ago;
        chrono::DateTime::from_timestamp(at, 0)
            .unwrap()
            .format("%Y%m%dT%H%M%SZ")
            .to_string()
    };
    let query = |date: String| {
        format!(
            "/lake/k?x-id=GetObject&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F20260101%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date={date}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
        )
    };
    let send = async |path: String| {
        let request = Request::builder()
            .uri(format!("http://localhost{path}"))
            .header("host", "localhost");
        world.send(request.body(crate::text_body("")).unwrap()).await
    };
    assert_eq!(send(query(stamp(10))).await.text(), "signed");
    let late = send(query(stamp(100))).await;
    assert_eq!(
        (late.status.as_u16(), late.element("Message")),
        (403, "Request has expired")
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
    assert_eq!(
        world.refusal(Method::POST, "/lake?delete", &[], "<Delete><Obj").await.0,
        400
    );
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
        let peer = super::access::Peer(address.parse().unwrap());
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

#[tokio::test]
async fn a_url_signed_in_the_old_way_is_good_until_it_expires() {
    let world = World::new().await;
    world.put("a", "1").await;
    let url = |expires: u64| format!("/lake/a?AWSAccessKeyId=test&Signature=x%3D&Expires={expires}");
    let bare = |path: String| {
        let mut request = request(Method::GET, &path, &[], "");
        request.headers_mut().remove("authorization");
        request
    };
    assert_eq!(world.send(bare(url(4_000_000_000))).await.text(), "1");
    let late = world.send(bare(url(1_000_000_000))).await;
    assert_eq!(
        (late.status.as_u16(), late.element("Message")),
        (403, "Request has expired")
    );
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
