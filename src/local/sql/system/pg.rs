//! pg_catalog: what PostgreSQL clients and dbt read.

mod access;
pub mod keys;
mod relations;
mod server;
mod types;

use super::{OID, Rows, Visible, i};
use crate::catalog::Oid;

pub use access::who;
pub use relations::{ENCODINGS, encoding};
pub use types::TYPES;

/// OIDs of system catalogs that others point at.
pub const PG_CLASS: i64 = 1259;
pub const PG_CONSTRAINT: i64 = 2606;
pub const PG_REWRITE: i64 = 2618;
pub const PG_NAMESPACE: i64 = 2615;

/// Returns the OID of a system catalog that clients name by it.
pub fn oid_of(catalog: &str) -> Option<Oid> {
    let oid = match catalog {
        "pg_class" => PG_CLASS,
        "pg_namespace" => PG_NAMESPACE,
        "pg_rewrite" => PG_REWRITE,
        "pg_type" => 1247,
        "pg_attribute" => 1249,
        "pg_proc" => 1255,
        "pg_database" => 1262,
        "pg_constraint" => PG_CONSTRAINT,
        "pg_cast" => 2605,
        "pg_conversion" => 2607,
        "pg_index" => 2610,
        "pg_language" => 2612,
        "pg_opclass" => 2616,
        "pg_operator" => 2617,
        "pg_opfamily" => 2753,
        "pg_trigger" => 2620,
        _ => return None,
    };
    Some(oid as Oid)
}

/// The column of every catalog that a wildcard leaves out: which catalog the row is of.
pub const TABLE_OID: &str = "tableoid";

pub fn table(view: &Visible, name: &str) -> Option<Rows> {
    let mut rows = [
        relations::table,
        keys::table,
        access::table,
        types::table,
        server::table,
    ]
    .into_iter()
    .find_map(|table| table(view, name))?;
    if let Some(oid) = oid_of(name) {
        rows.columns.push((TABLE_OID, OID));
        rows.rows.iter_mut().for_each(|row| row.push(i(oid)));
    }
    Some(rows)
}
