//! Scopes and signatures, in headers and in presigned URLs: nothing that was not signed with the secret passes.
#![no_main]

use lakeform_local::wire::{scope, signature};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (String, String, Vec<(u8, String)>, &[u8])| {
    let (path, authorization, headers, body) = given;
    let Ok(uri) = path.parse::<http::Uri>() else { return };
    let mut request = http::Request::get(uri).header("authorization", authorization);
    for (name, value) in headers {
        let names = ["x-amz-date", "x-amz-content-sha256", "host", "x-amz-security-token"];
        request = request.header(names[usize::from(name) % names.len()], value);
    }
    let Ok(request) = request.body(()) else { return };
    let (parts, ()) = request.into_parts();
    scope::of(&parts);
    assert!(signature::verify(&parts, Some(body), "a secret that nobody guesses", 1.7e9).is_err());
});
