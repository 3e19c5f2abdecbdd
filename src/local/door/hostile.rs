//! Requests of strangers: whatever comes in is answered in AWS's shape, with a client's error or an honest "not
//! implemented", and never with a panic or a server error. The same parsers are fuzzed without end in `fuzz/`.

use http::Method;
use proptest::prelude::*;

use super::*;
use crate::{Options, Pace};

/// A cloud that answers many requests, one after the other.
struct World {
    runtime: tokio::runtime::Runtime,
    local: Arc<Local>,
    dir: tempfile::TempDir,
}

impl World {
    fn open() -> World {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let dir = tempfile::tempdir().expect("a folder");
        let options = Options {
            dir: dir.path().join("cloud"),
            pace: Pace::Quick,
            seed: None,
        };
        let local = runtime.block_on(Local::open(options)).expect("opens");
        World { runtime, local, dir }
    }

    fn send(&self, request: Request<Body>) -> (u16, Vec<u8>) {
        self.runtime.block_on(async {
            let response = self.local.handle(request).await;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            (status, body.to_vec())
        })
    }
}

fn scope(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn is_fair(status: u16) -> bool {
    (200..500).contains(&status) || status == 501
}

/// Pieces that such requests are made of, so that many get past the first check.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "Action=",
        "CreateVpc",
        "DescribeVpcs",
        "&Filter.1.Name=",
        "&Filter.1.Value.1=",
        "&Version=2016-11-15",
        "&CidrBlock=10.0.0.0%2F16",
        "&TagSpecification.1.Tag.1.Key=%",
        "&Tags.member.",
        "99999999999999999999",
        "=",
        "{",
        "}",
        "[",
        "]",
        "\"Name\":",
        "\"a\"",
        "null",
        "1e999",
        "-1",
        "true",
        "\"DatabaseInput\":{\"Name\":\"x\"}",
        "\"Targets\":{\"S3Targets\":[{\"Path\":\"s3://b\"}]}",
        "\\u0000",
        "\\ud800",
        ":",
        ",",
        "%00",
        "%ff",
        "\u{feff}",
        "<Tagging>",
        "<TagSet>",
        "</TagSet>",
        "<Tag><Key>a</Key><Value>b</Value></Tag>",
        "</Tagging>",
        "<![CDATA[",
        "<!DOCTYPE a [<!ENTITY b \"c\">]>",
        "&b;",
        "&#0;",
        "<?xml version=\"1.0\"?>",
        "<Delete>",
        "<Object><Key>k</Key>",
        "</Object></Delete>",
        "{\"Version\":\"2012-10-17\",\"Statement\":",
        "5;chunk-signature=0\r\nhello\r\n",
        "0\r\n\r\n",
    ]);
    let piece = prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1 << 12) })]

    #[test]
    fn any_body_of_any_protocol_is_read_or_refused(
        which in 0..Service::ALL.len(),
        operation in any::<prop::sample::Index>(),
        cbor in any::<bool>(),
        body in fragments(),
    ) {
        let service = Service::ALL[which];
        let model = wire::model::of(service);
        let mut names: Vec<&str> = model.operations().collect();
        names.sort_unstable();
        let name = names[operation.index(names.len())];
        let mut request = Request::post(format!("/service/{}/operation/{name}", model.target))
            .header("x-amz-target", format!("{}.{name}", model.target));
        if cbor {
            request = request.header("smithy-protocol", "rpc-v2-cbor");
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        // Half of the forms name an operation that is there.
        let body = if cbor { body } else { [format!("Action={name}&").into_bytes(), body].concat() };
        for body in [&body[..], &body[body.len().min(8 + name.len())..]] {
            match wire::read(service, &parts, body) {
                Ok(request) => prop_assert!(!request.operation.is_empty()),
                Err(refusal) => {
                    prop_assert!(is_fair(refusal.fault.status), "{:?}", refusal.fault);
                    prop_assert!(!refusal.fault.code.is_empty());
                    let answer = wire::write(service, &refusal.operation, refusal.format, Err(refusal.fault), "id");
                    prop_assert!(is_fair(answer.status().as_u16()));
                }
            }
        }
    }
}

#[test]
fn any_request_to_s3_gets_an_answer_in_s3s_shape() {
    let world = World::open();
    let bare = Request::put("http://localhost/lake").header("authorization", scope("s3"));
    assert_eq!(world.send(bare.body(text_body("")).expect("a request")).0, 200);
    let queries = [
        "",
        "tagging",
        "policy",
        "cors",
        "lifecycle",
        "encryption",
        "versioning",
        "delete",
        "uploads",
        "acl",
        "publicAccessBlock",
        "uploadId=x&partNumber=1",
        "uploadId=x",
        "partNumber=99999&uploadId=",
        "list-type=2&max-keys=-1",
        "versions",
        "list-type=2&continuation-token=%00",
        "versionId=null",
        "attributes",
        "ownershipControls",
        "location",
        "X-Amz-Signature=",
        "X-Amz-Credential=a%2Fb&X-Amz-Signature=x",
        "AWSAccessKeyId=a&Signature=b&Expires=x",
        "encoding-type=url&prefix=%ff",
    ];
    let headers = [
        ("range", "bytes=5-1"),
        ("range", "bytes=-0"),
        ("range", "x"),
        ("content-md5", "x"),
        ("x-amz-copy-source", "%%%"),
        ("x-amz-copy-source", "/lake/none?versionId="),
        ("x-amz-tagging", "a=b&a=b"),
        ("x-amz-checksum-crc32", "x"),
        ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        ("x-amz-content-sha256", "0"),
        ("if-match", "\""),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-sdk-checksum-algorithm", "md4"),
        ("x-amz-acl", "x"),
        ("if-none-match", "*"),
        ("x-amz-object-attributes", "x"),
        ("x-amz-server-side-encryption", "x"),
        ("content-encoding", "aws-chunked"),
    ];
    let paths = [
        "/",
        "/lake",
        "/lake/",
        "/lake/key",
        "/lake/..%2f..%2fescape",
        "/lake//",
        "/%2e%2e/x",
        "/LAKE/x",
        "/lake/%ff",
        "/none/x",
    ];
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ];
    let strategy = (
        prop::sample::select(methods.to_vec()),
        prop::sample::select(paths.to_vec()),
        prop::sample::select(queries.to_vec()),
        prop::collection::vec(prop::sample::select(headers.to_vec()), 0..3),
        fragments(),
    );
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1 << 12)
    };
    let outcome =
        proptest::test_runner::TestRunner::new(config).run(&strategy, |(method, path, query, headers, body)| {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(format!("http://localhost{path}?{query}"))
                .header("authorization", scope("s3"))
                .header("host", "localhost")
                .header("content-length", body.len());
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            let (status, answer) = world.send(request.body(text_body(body)).expect("a request"));
            let text = String::from_utf8_lossy(&answer);
            prop_assert!(is_fair(status), "{method} {path}?{query} {headers:?}: {status} {text}");
            if status >= 400 && method != Method::HEAD {
                prop_assert!(text.contains("<Code>"), "{method} {path}?{query}: {status} {text}");
            }
            Ok(())
        });
    outcome.expect("every answer is fair");
    // Keys never become names of files.
    let beside: Vec<_> = std::fs::read_dir(world.dir.path())
        .expect("a folder")
        .flatten()
        .collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_kept() {
    let world = World::open();
    let request = Request::post("/").header("authorization", scope("ec2"));
    let (status, answer) = world.send(request.body(text_body(vec![b'a'; MAX_BODY + 1])).expect("a request"));
    assert_eq!(status, 413, "{}", String::from_utf8_lossy(&answer));
    assert!(String::from_utf8_lossy(&answer).contains("<Code>RequestEntityTooLarge</Code>"));
    let request = Request::put("http://localhost/lake/big")
        .header("authorization", scope("s3"))
        .header("host", "localhost")
        .header("content-length", "6000000000000");
    let (status, answer) = world.send(request.body(text_body("")).expect("a request"));
    assert!((400..500).contains(&status), "{status}");
    assert!(String::from_utf8_lossy(&answer).contains("<Code>"));
}
