//! Types and what is done with their values.

use super::super::{BOOL, CHAR, I2, I4, LIST, NAME, OID, Rows, TEXT, V, Visible, i, t};
use datafusion::arrow::array::new_empty_array;

use crate::cast::{Mode, cast};
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
        "pg_language" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("lanname", NAME),
                ("lanowner", OID),
                ("lanispl", BOOL),
                ("lanpltrusted", BOOL),
                ("lanplcallfoid", OID),
                ("lanvalidator", OID),
                ("lanacl", LIST),
            ]);
            for (oid, name) in [(12, "internal"), (14, "sql")] {
                let (no, none) = (V::B(false), i(0));
                rows.push(vec![i(oid), t(name), i(1), no.clone(), no, none.clone(), none, V::Null]);
            }
            rows
        }
        "pg_cast" => casts(),
        "pg_operator" => operators(),
        "pg_opclass" => operator_classes(),
        "pg_opfamily" => Rows::new(&[
            ("oid", OID),
            ("opfmethod", OID),
            ("opfname", NAME),
            ("opfnamespace", OID),
        ]),
        "pg_enum" => Rows::new(&[
            ("oid", OID),
            ("enumtypid", OID),
            ("enumsortorder", I4),
            ("enumlabel", NAME),
        ]),
        "pg_collation" => Rows::new(&[
            ("oid", OID),
            ("collname", NAME),
            ("collnamespace", OID),
            ("collencoding", I4),
            ("collcollate", NAME),
            ("collctype", NAME),
        ]),
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

/// Which types can be cast to which: whatever the engine casts.
fn casts() -> Rows {
    let mut rows = Rows::new(&[
        ("oid", OID),
        ("castsource", OID),
        ("casttarget", OID),
        ("castfunc", OID),
        ("castcontext", CHAR),
        ("castmethod", CHAR),
    ]);
    for (number, (from, to)) in pairs().enumerate() {
        let none = new_empty_array(&from.arrow());
        if from == to || !from.castable_to(to) || cast(&none, to, Mode::Explicit).is_err() {
            continue;
        }
        let text = from.is_text() && to.is_text();
        // Without being asked, a value only becomes one of a wider type of its family.
        let context = match (family(from), family(to)) {
            (Some((a, narrow)), Some((b, wide))) if a == b && narrow < wide => "i",
            (Some((a, _)), Some((b, _))) if a == b => "a",
            _ => "e",
        };
        rows.push(vec![
            i(FIRST_CAST + number as i64),
            i(from.oid()),
            i(to.oid()),
            i(0),
            t(context),
            t(if text { "b" } else { "i" }),
        ]);
    }
    rows
}

const FIRST_CAST: i64 = 20_000;
const FIRST_OPERATOR: i64 = 21_000;
const FIRST_CLASS: i64 = 22_000;

fn pairs() -> impl Iterator<Item = (SqlType, SqlType)> {
    TYPES
        .into_iter()
        .flat_map(|from| TYPES.into_iter().map(move |to| (from, to)))
}

/// Types whose values become each other's, from narrow to wide.
fn family(sql_type: SqlType) -> Option<(&'static str, usize)> {
    use SqlType::{Date, Float4, Float8, Int2, Int4, Int8, Numeric, Timestamp, Timestamptz};
    Some(match sql_type {
        Int2 => ("number", 0),
        Int4 => ("number", 1),
        Int8 => ("number", 2),
        Numeric(..) => ("number", 3),
        Float4 => ("number", 4),
        Float8 => ("number", 5),
        Date => ("time", 0),
        Timestamp => ("time", 1),
        Timestamptz => ("time", 2),
        text if text.is_text() => ("text", 0),
        _ => return None,
    })
}

/// Comparisons of every type, arithmetic, and what there is for text and for dates.
fn operators() -> Rows {
    use SqlType::{Bool, Date, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Text, Timestamp, Timestamptz};
    let mut rows = Rows::new(&[
        ("oid", OID),
        ("oprname", NAME),
        ("oprnamespace", OID),
        ("oprowner", I4),
        ("oprkind", CHAR),
        ("oprleft", OID),
        ("oprright", OID),
        ("oprresult", OID),
        ("oprcode", OID),
    ]);
    let mut known: Vec<(&str, SqlType, SqlType, SqlType)> = Vec::new();
    for sql_type in TYPES {
        known.extend(["=", "<>", "<", "<=", ">", ">="].map(|name| (name, sql_type, sql_type, Bool)));
    }
    for number in [Int2, Int4, Int8, Numeric(38, 0), Float4, Float8] {
        known.extend(["+", "-", "*", "/"].map(|name| (name, number, number, number)));
    }
    for whole in [Int2, Int4, Int8] {
        known.extend(["%", "&", "|", "#", "<<", ">>"].map(|name| (name, whole, whole, whole)));
    }
    known.push(("^", Float8, Float8, Float8));
    known.push(("||", Text, Text, Text));
    known.extend(["~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*"].map(|name| (name, Text, Text, Bool)));
    known.extend([
        ("+", Date, Int4, Date),
        ("-", Date, Int4, Date),
        ("-", Date, Date, Int8),
    ]);
    for instant in [Timestamp, Timestamptz] {
        known.extend(["+", "-"].map(|name| (name, instant, Interval, instant)));
        known.push(("-", instant, instant, Interval));
    }
    for (number, (name, left, right, result)) in known.into_iter().enumerate() {
        rows.push(vec![
            i(FIRST_OPERATOR + number as i64),
            t(name),
            i(PG_CATALOG),
            i(1),
            t("b"),
            i(left.oid()),
            i(right.oid()),
            i(result.oid()),
            i(0),
        ]);
    }
    rows
}

/// How keys of each type are ordered.
fn operator_classes() -> Rows {
    let mut rows = Rows::new(&[
        ("oid", OID),
        ("opcamid", OID),
        ("opcmethod", OID),
        ("opcname", NAME),
        ("opcnamespace", OID),
        ("opcowner", I4),
        ("opcintype", OID),
        ("opcdefault", BOOL),
        ("opckeytype", OID),
    ]);
    for (number, sql_type) in TYPES.into_iter().enumerate() {
        rows.push(vec![
            i(FIRST_CLASS + number as i64),
            i(super::keys::BTREE),
            i(super::keys::BTREE),
            t(format!("{}_ops", sql_type.short_name())),
            i(PG_CATALOG),
            i(1),
            i(sql_type.oid()),
            V::B(true),
            i(0),
        ]);
    }
    rows
}

pub const TYPES: [SqlType; 18] = [
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
    SqlType::Super,
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
        ("typacl", LIST),
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
            t(match sql_type {
                text if text.is_text() => "S",
                SqlType::Super => "U",
                _ => "N",
            }),
            i(0),
            t(""),
            i(0),
            V::Null,
            V::Null,
        ]);
    }
    rows
}
