//! Types and what is done with their values.

use super::super::{BOOL, CHAR, I2, I4, LIST, NAME, OID, Rows, TEXT, V, Visible, i, t};
use crate::catalog::PG_CATALOG;
use crate::types::SqlType;

pub fn table(_: &Visible, name: &str) -> Option<Rows> {
    Some(match name {
        "pg_type" => types(),
        "pg_proc" | "pg_proc_info" => Rows::new(&[
            ("oid", OID),
            ("prooid", OID),
            ("proname", NAME),
            ("pronamespace", OID),
            ("proowner", I4),
            ("prolang", OID),
            ("proisagg", BOOL),
            ("prosecdef", BOOL),
            ("proisstrict", BOOL),
            ("proretset", BOOL),
            ("provolatile", CHAR),
            ("pronargs", I2),
            ("prorettype", OID),
            ("proargtypes", TEXT),
            ("proallargtypes", LIST),
            ("proargmodes", LIST),
            ("proargnames", LIST),
            ("prosrc", TEXT),
            ("probin", TEXT),
            ("proacl", LIST),
            ("prokind", CHAR),
            ("proiswindow", BOOL),
        ]),
        "pg_language" => Rows::new(&[
            ("oid", OID),
            ("lanname", NAME),
            ("lanispl", BOOL),
            ("lanpltrusted", BOOL),
        ]),
        "pg_cast" => Rows::new(&[
            ("castsource", OID),
            ("casttarget", OID),
            ("castfunc", OID),
            ("castcontext", CHAR),
        ]),
        "pg_operator" => Rows::new(&[
            ("oid", OID),
            ("oprname", NAME),
            ("oprnamespace", OID),
            ("oprowner", I4),
            ("oprkind", CHAR),
            ("oprleft", OID),
            ("oprright", OID),
            ("oprresult", OID),
            ("oprcode", OID),
        ]),
        "pg_collation" => Rows::new(&[("oid", OID), ("collname", NAME)]),
        "pg_conversion" => Rows::new(&[
            ("oid", OID),
            ("conname", NAME),
            ("connamespace", OID),
            ("conowner", I4),
            ("conforencoding", I4),
            ("contoencoding", I4),
            ("conproc", OID),
            ("condefault", BOOL),
        ]),
        "pg_am" => {
            let mut rows = Rows::new(&[("oid", OID), ("amname", NAME)]);
            rows.push(vec![i(super::keys::BTREE), t("btree")]);
            rows
        }
        _ => return None,
    })
}

pub const TYPES: [SqlType; 17] = [
    SqlType::Bool,
    SqlType::Int2,
    SqlType::Int4,
    SqlType::Int8,
    SqlType::Float4,
    SqlType::Float8,
    SqlType::Numeric(18, 0),
    SqlType::Varchar(256),
    SqlType::Char(1),
    SqlType::Text,
    SqlType::Name,
    SqlType::Oid,
    SqlType::Date,
    SqlType::Time,
    SqlType::Timestamp,
    SqlType::Timestamptz,
    SqlType::Interval,
];

fn types() -> Rows {
    let mut rows = Rows::new(&[
        ("oid", OID),
        ("typname", NAME),
        ("typnamespace", OID),
        ("typowner", I4),
        ("typlen", I2),
        ("typbyval", BOOL),
        ("typtype", CHAR),
        ("typisdefined", BOOL),
        ("typdelim", CHAR),
        ("typrelid", OID),
        ("typelem", OID),
        ("typnotnull", BOOL),
        ("typbasetype", OID),
        ("typtypmod", I4),
        ("typcollation", OID),
        ("typcategory", CHAR),
        ("typarray", OID),
        ("typinput", TEXT),
        ("typndims", I4),
        ("typdefault", TEXT),
    ]);
    for sql_type in TYPES {
        rows.push(vec![
            i(sql_type.oid()),
            t(sql_type.short_name()),
            i(PG_CATALOG),
            i(1),
            i(sql_type.size()),
            V::B(sql_type.size() > 0),
            t("b"),
            V::B(true),
            t(","),
            i(0),
            i(0),
            V::B(false),
            i(0),
            i(-1),
            i(0),
            t(if sql_type.is_text() { "S" } else { "N" }),
            i(0),
            t(""),
            i(0),
            V::Null,
        ]);
    }
    rows
}
