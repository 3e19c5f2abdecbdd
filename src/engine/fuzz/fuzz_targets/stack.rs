//! Any text as a stack file: checked, expanded, and every problem put into JSON and SARIF.
#![no_main]

use lakeform_engine::expand::{Outside, expand};
use lakeform_engine::{check, full_form, parse, report};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|text: &str| {
    let vars = BTreeMap::new();
    let outside = Outside {
        env: None,
        vars: &vars,
        dataset_tables: &|name| (name == "banking").then(|| vec![("customers".to_owned(), "customers".to_owned())]),
        dataset_names: &["banking"],
        local_account: "123456789012",
    };
    let found = check::check(text, &outside);
    assert!(found.stack.is_some() || !found.problems.is_empty());
    report::json("f", text, &found.problems);
    report::sarif("f", text, &found.problems, "0");
    full_form::render(&expand(parse::parse(text).0, &outside));
});
