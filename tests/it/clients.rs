//! Clients nobody here wrote, against the served local cloud.

use crate::python::Python;
use crate::sandbox::Sandbox;
use crate::served::Served;

#[test]
fn boto3_and_a_postgres_driver_see_the_lakehouse() {
    let python = Python::of("clients");
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "lakehouse", "lake"]);
    sandbox.ok(&["up", "--stack", "lake"]);
    let mut served = Served::new(&sandbox, &["--stack", "lake"]);
    let sql = served.sql();
    python.ok("lakehouse.py", &[&served.http, &sql, "lake-warehouse"]);
}
