//! URLs that carry their signature.

use super::*;

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
