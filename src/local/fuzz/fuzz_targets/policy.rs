//! Policy documents of all three uses, parsed and evaluated.
#![no_main]

use lakeform_local::services::iam::{Context, Policy, Question, Use, evaluate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|given: (u8, String, String, String, Vec<(String, String)>)| {
    let (uses, text, action, resource, known) = given;
    let uses = [Use::Identity, Use::Trust, Use::Resource][usize::from(uses) % 3];
    let Ok(policy) = Policy::parse(&text, uses) else { return };
    let mut context = Context::default();
    for (key, value) in known {
        context.set(&key, value);
    }
    let question = Question { action: &action, resource: &resource, principals: Vec::new(), context };
    evaluate(&[&policy], &question);
});
