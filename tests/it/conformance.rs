//! The local cloud against clients and models that nobody here wrote. `SNAPSHOTS=overwrite` writes the page of what was
//! covered anew.

use crate::python::Python;
use crate::sandbox::Sandbox;
use crate::served::Served;

#[test]
fn every_operation_answers_as_the_models_say() {
    let python = Python::of("conformance");
    let sandbox = Sandbox::new();
    let served = Served::new(&sandbox, &["--dir", "cloud"]);
    let page = sandbox.path().join("page.md");
    let files = sandbox.path().join("files");
    python.ok(
        "conformance.py",
        &[
            &served.http,
            files.to_str().expect("UTF-8"),
            page.to_str().expect("UTF-8"),
        ],
    );
    let found = std::fs::read_to_string(page).expect("a page");
    snapbox::assert_data_eq!(found, snapbox::file!["../../src/local/COVERAGE.md"].raw());
}

#[test]
fn one_script_of_calls_has_the_same_answers_as_on_moto() {
    let python = Python::of("conformance");
    let sandbox = Sandbox::new();
    let served = Served::new(&sandbox, &["--dir", "cloud"]);
    python.ok("differential.py", &[&served.http]);
}
