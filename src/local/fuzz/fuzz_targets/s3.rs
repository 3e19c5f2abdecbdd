//! Whole requests to S3: XML bodies, aws-chunked framing, ranges, presigned queries, keys. No answer is a server error.
#![no_main]

use std::sync::{Arc, OnceLock};

use http_body_util::{BodyExt, Full};
use lakeform_local::{Local, Options, Pace};
use libfuzzer_sys::fuzz_target;

static CLOUD: OnceLock<(tokio::runtime::Runtime, Arc<Local>)> = OnceLock::new();

fn cloud() -> &'static (tokio::runtime::Runtime, Arc<Local>) {
    CLOUD.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let dir = tempfile::tempdir().expect("a folder").keep();
        let options = Options { dir, pace: Pace::Quick, seed: None };
        let local = runtime.block_on(Local::open(options)).expect("opens");
        (runtime, local)
    })
}

fuzz_target!(|given: (u8, String, Vec<(u8, String)>, Vec<u8>)| {
    let (method, path, headers, body) = given;
    let methods = ["GET", "PUT", "POST", "DELETE", "HEAD"];
    let names = [
        "range", "content-md5", "x-amz-copy-source", "x-amz-tagging", "x-amz-content-sha256", "x-amz-trailer", "if-match",
        "x-amz-decoded-content-length", "x-amz-checksum-crc32", "content-encoding", "x-amz-sdk-checksum-algorithm",
    ];
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let mut request = http::Request::builder()
        .method(methods[usize::from(method) % methods.len()])
        .uri(format!("http://localhost/{path}"))
        .header("host", "localhost")
        .header("content-length", body.len())
        .header("authorization", scope);
    for (name, value) in headers {
        request = request.header(names[usize::from(name) % names.len()], value);
    }
    let body = Full::new(bytes::Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let Ok(request) = request.body(body) else { return };
    let (runtime, local) = cloud();
    let status = runtime.block_on(local.handle(request)).status().as_u16();
    assert!(status < 500 || status == 501, "{status}");
});
