//! Versions, delete markers and the deletion of many keys.

use super::*;

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
