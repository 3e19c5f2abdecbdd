//! Listings in pages.

use super::*;

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
