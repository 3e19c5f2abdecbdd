//! Uploads in parts, and copies.

use super::*;

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
    let mut hasher = super::super::checksum::Hasher::new(super::super::model::Algorithm::Crc64Nvme);
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
