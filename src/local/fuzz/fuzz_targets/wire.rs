//! ec2Query, awsQuery, awsJson and rpcv2Cbor: any body is an input or a refusal, and a refusal can be written.
#![no_main]

use lakeform_local::{Service, wire};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (u8, bool, String, &[u8])| {
    let (service, cbor, operation, body) = given;
    let service = Service::ALL[usize::from(service) % Service::ALL.len()];
    let target = &wire::model::of(service).target;
    let request = http::Request::post(format!("/service/{target}/operation/x"));
    let mut request = request.header("x-amz-target", format!("{target}.{}", operation.escape_default()));
    if cbor {
        request = request.header("smithy-protocol", "rpc-v2-cbor");
    }
    let Ok(request) = request.body(()) else { return };
    let (parts, ()) = request.into_parts();
    if let Err(refusal) = wire::read(service, &parts, body) {
        wire::write(service, &refusal.operation, refusal.format, Err(refusal.fault), "id");
    }
});
