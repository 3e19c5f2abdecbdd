//! ec2Query, awsQuery, awsJson and rpcv2Cbor: any body of any operation is an input or a refusal, and a refusal can be
//! written.
#![no_main]

use std::sync::LazyLock;

use lakeform_local::wire::{self, model};
use lakeform_local::Service;
use libfuzzer_sys::fuzz_target;

static OPERATIONS: LazyLock<Vec<(Service, &'static str)>> = LazyLock::new(|| {
    let of = |service| model::of(service).operations().map(move |operation| (service, operation));
    let mut all: Vec<_> = Service::ALL.into_iter().flat_map(of).collect();
    all.sort_by_key(|(service, operation)| (service.scope(), *operation));
    all
});

fuzz_target!(|given: (u16, bool, &[u8])| {
    let (at, cbor, body) = given;
    let (service, operation) = OPERATIONS[usize::from(at) % OPERATIONS.len()];
    let target = &model::of(service).target;
    let mut request = http::Request::post(format!("/service/{target}/operation/{operation}?Action={operation}"))
        .header("x-amz-target", format!("{target}.{operation}"));
    if cbor {
        request = request.header("smithy-protocol", "rpc-v2-cbor");
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    if let Err(refusal) = wire::read(service, &parts, body) {
        wire::write(service, &refusal.operation, refusal.format, Err(refusal.fault), "id");
    }
});
