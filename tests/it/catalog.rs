//! The data catalog after crawls, as awswrangler reads it.

use crate::python::Python;
use crate::sandbox::Sandbox;
use crate::served::Served;

#[test]
fn awswrangler_reads_the_catalog_that_crawlers_wrote() {
    let python = Python::of("catalog");
    let sandbox = Sandbox::new();
    let served = Served::new(&sandbox, &["--dir", "cloud"]);
    python.ok("catalog.py", &[&served.http]);
}
