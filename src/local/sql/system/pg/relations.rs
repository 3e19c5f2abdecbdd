//! Schemas, tables, views and their columns.

use super::super::{BOOL, CHAR, I2, I4, I8, LIST, NAME, OID, Rows, TEXT, TS, V, Visible, i, opt, t, vc};
use super::access::acl;
use super::keys::{self, Key};
use super::{PG_CLASS, PG_NAMESPACE, PG_REWRITE};
use crate::catalog::{Column, DistStyle, INFORMATION_SCHEMA, Oid, PG_CATALOG, Relation, Table};

pub fn table(view: &Visible, name: &str) -> Option<Rows> {
    Some(match name {
        "pg_namespace" => namespaces(view),
        "pg_class" | "pg_class_info" => classes(view),
        "pg_attribute" | "pg_attribute_info" => attributes(view),
        "pg_attrdef" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("adrelid", OID),
                ("adnum", I2),
                ("adbin", TEXT),
                ("adsrc", TEXT),
            ]);
            for (_, relation) in view.relations() {
                for (index, column) in relation.columns.iter().enumerate() {
                    if let Some(default) = super::super::information::default_of(column) {
                        let oid = relation.oid + 1_000_000 + index as u32;
                        rows.push(vec![
                            i(oid),
                            i(relation.oid),
                            i(index as i64 + 1),
                            t(&default),
                            t(&default),
                        ]);
                    }
                }
            }
            rows
        }
        "pg_tables" => {
            let mut rows = Rows::new(&[
                ("schemaname", NAME),
                ("tablename", NAME),
                ("tableowner", NAME),
                ("tablespace", NAME),
                ("hasindexes", BOOL),
                ("hasrules", BOOL),
                ("hastriggers", BOOL),
            ]);
            for (schema, relation) in view.relations().filter(|(_, relation)| relation.table().is_some()) {
                rows.push(vec![
                    t(&schema.name),
                    t(&relation.name),
                    t(view.owner(relation.owner)),
                    V::Null,
                    V::B(false),
                    V::B(false),
                    V::B(false),
                ]);
            }
            rows
        }
        "pg_views" => {
            let mut rows = Rows::new(&[
                ("schemaname", NAME),
                ("viewname", NAME),
                ("viewowner", NAME),
                ("definition", TEXT),
            ]);
            for (schema, relation) in view.relations() {
                if let Some(body) = relation.view() {
                    let text = if body.bound.is_some() {
                        &body.definition
                    } else {
                        &body.statement
                    };
                    rows.push(vec![
                        t(&schema.name),
                        t(&relation.name),
                        t(view.owner(relation.owner)),
                        t(text),
                    ]);
                }
            }
            rows
        }
        "pg_table_def" => table_definitions(view),
        "pg_description" => {
            let mut rows = Rows::new(&[
                ("objoid", OID),
                ("classoid", OID),
                ("objsubid", I4),
                ("description", TEXT),
            ]);
            for schema in view.schemas() {
                if let Some(comment) = &schema.comment {
                    rows.push(vec![i(schema.oid), i(PG_NAMESPACE), i(0), t(comment)]);
                }
            }
            for (_, relation) in view.relations() {
                if let Some(comment) = &relation.comment {
                    rows.push(vec![i(relation.oid), i(PG_CLASS), i(0), t(comment)]);
                }
                for (index, column) in relation.columns.iter().enumerate() {
                    if let Some(comment) = &column.comment {
                        rows.push(vec![i(relation.oid), i(PG_CLASS), i(index as i64 + 1), t(comment)]);
                    }
                }
            }
            rows
        }
        "pg_depend" => depends(view),
        "pg_rewrite" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("rulename", NAME),
                ("ev_class", OID),
                ("ev_type", CHAR),
                ("is_instead", BOOL),
                ("ev_enabled", CHAR),
                ("ev_action", TEXT),
                ("ev_qual", TEXT),
            ]);
            for (_, relation) in view.relations().filter(|(_, relation)| relation.view().is_some()) {
                rows.push(vec![
                    i(rule_oid(relation.oid)),
                    t("_RETURN"),
                    i(relation.oid),
                    t("1"),
                    V::B(true),
                    t("O"),
                    t(""),
                    t(""),
                ]);
            }
            rows
        }
        "pg_inherits" => Rows::new(&[("inhrelid", OID), ("inhparent", OID), ("inhseqno", I4)]),
        "pg_trigger" => Rows::new(&[
            ("oid", OID),
            ("tgrelid", OID),
            ("tgname", NAME),
            ("tgenabled", CHAR),
            ("tgisinternal", BOOL),
            ("tgconstraint", OID),
        ]),
        _ => return None,
    })
}

/// A view's rule has an OID of its own, which pg_depend points from.
fn rule_oid(view: Oid) -> u32 {
    view + 3_000_000
}

fn namespaces(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[("oid", OID), ("nspname", NAME), ("nspowner", I4), ("nspacl", LIST)]);
    rows.push(vec![
        i(PG_CATALOG),
        t("pg_catalog"),
        i(1),
        V::L(vec!["rdsdb=UC/rdsdb".into(), "=U/rdsdb".into()]),
    ]);
    rows.push(vec![
        i(INFORMATION_SCHEMA),
        t("information_schema"),
        i(1),
        V::L(vec!["rdsdb=UC/rdsdb".into(), "=U/rdsdb".into()]),
    ]);
    for schema in view.schemas() {
        rows.push(vec![
            i(schema.oid),
            t(&schema.name),
            i(schema.owner),
            acl(view, &schema.grants, schema.owner),
        ]);
    }
    rows
}

fn classes(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("oid", OID),
        ("relname", NAME),
        ("relnamespace", OID),
        ("reltype", OID),
        ("relowner", I4),
        ("relam", OID),
        ("relfilenode", OID),
        ("reltablespace", OID),
        ("relpages", I4),
        ("reltuples", I8),
        ("reltoastrelid", OID),
        ("relhasindex", BOOL),
        ("relisshared", BOOL),
        ("relkind", CHAR),
        ("relnatts", I2),
        ("relchecks", I2),
        ("reltriggers", I2),
        ("relhasoids", BOOL),
        ("relhaspkey", BOOL),
        ("relhasrules", BOOL),
        ("relacl", LIST),
        ("relpersistence", CHAR),
        ("reloptions", LIST),
        ("relcreationtime", TS),
        ("reldiststyle", I4),
        ("releffectivediststyle", I4),
        ("relhastriggers", BOOL),
        ("reloftype", OID),
    ]);
    let keys: Vec<Key> = keys::keys(view).collect();
    let row = |class: Class| {
        vec![
            i(class.oid),
            t(class.name),
            i(class.schema),
            i(0),
            i(class.relation.owner),
            i(if class.kind == "i" { keys::BTREE } else { 0 }),
            i(class.oid),
            i(0),
            i(0),
            i(class.rows as i64),
            i(0),
            V::B(class.indexed),
            V::B(false),
            t(class.kind),
            i(class.columns as i64),
            i(0),
            // PostgreSQL keeps foreign keys by triggers, two at either end, and clients ask for these first.
            i(2 * class.foreign as i64),
            V::B(false),
            V::B(class.keyed),
            V::B(class.kind == "v"),
            class.acl,
            t(if class.relation.temporary { "t" } else { "p" }),
            V::Null,
            V::At((class.relation.created * 1e6) as i64),
            i(class.style.0),
            i(class.style.1),
            V::B(class.foreign > 0),
            i(0),
        ]
    };
    for (schema, relation) in view.relations() {
        let table = relation.table();
        let own = || keys.iter().filter(|key| key.relation.oid == relation.oid);
        let pointing = keys.iter().filter(|key| key.constraint.target == Some(relation.oid));
        let segments = table.into_iter().flat_map(|table| &table.segments);
        rows.push(row(Class {
            oid: relation.oid,
            name: &relation.name,
            schema: schema.oid,
            relation,
            kind: if table.is_some() { "r" } else { "v" },
            columns: relation.columns.len(),
            rows: segments.map(|segment| segment.live()).sum(),
            indexed: own().any(|key| key.index().is_some()),
            keyed: table.and_then(keys::primary).is_some(),
            foreign: own().filter(|key| key.index().is_none()).count() + pointing.count(),
            style: table.map_or((0, 0), |table| style(table.diststyle)),
            acl: acl(view, &relation.grants, relation.owner),
        }));
    }
    for key in &keys {
        let Some(oid) = key.index() else { continue };
        rows.push(row(Class {
            oid,
            name: &key.constraint.name,
            schema: key.schema.oid,
            relation: key.relation,
            kind: "i",
            columns: key.constraint.columns.len(),
            rows: 0,
            indexed: false,
            keyed: false,
            foreign: 0,
            style: (0, 0),
            acl: V::Null,
        }));
    }
    rows
}

/// How rows are distributed, as Redshift numbers it.
fn style(style: DistStyle) -> (i64, i64) {
    match style {
        DistStyle::Even => (0, 0),
        DistStyle::Key => (1, 1),
        DistStyle::All => (8, 8),
        DistStyle::Auto => (9, 11),
    }
}

/// What a row of pg_class is about: a table, a view, or the index of a key.
struct Class<'a> {
    oid: Oid,
    name: &'a str,
    schema: Oid,
    relation: &'a Relation,
    kind: &'static str,
    columns: usize,
    rows: u64,
    indexed: bool,
    keyed: bool,
    foreign: usize,
    /// As it was declared, and as it is.
    style: (i64, i64),
    acl: V,
}

fn attributes(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("attrelid", OID),
        ("attname", NAME),
        ("atttypid", OID),
        ("attstattarget", I4),
        ("attlen", I2),
        ("attnum", I2),
        ("attndims", I4),
        ("atttypmod", I4),
        ("attbyval", BOOL),
        ("attstorage", CHAR),
        ("attalign", CHAR),
        ("attnotnull", BOOL),
        ("atthasdef", BOOL),
        ("attisdropped", BOOL),
        ("attislocal", BOOL),
        ("attinhcount", I4),
        ("attisdistkey", BOOL),
        ("attispreloaded", BOOL),
        ("attsortkeyord", I4),
        ("attencodingtype", I2),
        ("attencrypttype", I2),
        ("attcollation", OID),
        ("attidentity", CHAR),
        ("attgenerated", CHAR),
        ("attacl", LIST),
    ]);
    let row = |of: Oid, number: usize, column: &Column, keys: (bool, i64)| {
        vec![
            i(of),
            t(&column.name),
            i(column.sql_type.oid()),
            i(-1),
            i(column.sql_type.size()),
            i(number as i64),
            i(0),
            i(column.sql_type.typmod()),
            V::B(column.sql_type.size() > 0),
            t("p"),
            t("i"),
            V::B(column.not_null),
            V::B(column.default.is_some() || column.identity.is_some()),
            V::B(false),
            V::B(true),
            i(0),
            V::B(keys.0),
            V::B(false),
            i(keys.1),
            i(encoding_number(column) as i64),
            i(0),
            i(0),
            t(""),
            t(""),
            V::Null,
        ]
    };
    for (_, relation) in view.relations() {
        for (index, column) in relation.columns.iter().enumerate() {
            let keys = relation.table().map_or((false, 0), |table| placed(table, column));
            rows.push(row(relation.oid, index + 1, column, keys));
        }
    }
    for key in keys::keys(view) {
        let Some(oid) = key.index() else { continue };
        for (index, number) in key.columns().into_iter().enumerate() {
            let mut column = key.relation.columns[number as usize - 1].clone();
            (column.default, column.identity) = (None, None);
            rows.push(row(oid, index + 1, &column, (false, 0)));
        }
    }
    rows
}

/// Whether a column is the distribution key, and its place in the sort key.
fn placed(table: &Table, column: &Column) -> (bool, i64) {
    let sort = table.sortkey.iter().position(|key| *key == column.name);
    let distributed = table.distkey.as_ref() == Some(&column.name);
    (distributed, sort.map_or(0, |at| at as i64 + 1))
}

fn depends(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("classid", OID),
        ("objid", OID),
        ("objsubid", I4),
        ("refclassid", OID),
        ("refobjid", OID),
        ("refobjsubid", I4),
        ("deptype", CHAR),
    ]);
    for (schema, relation) in view.relations() {
        rows.push(vec![
            i(PG_CLASS),
            i(relation.oid),
            i(0),
            i(PG_NAMESPACE),
            i(schema.oid),
            i(0),
            t("n"),
        ]);
        if let Some(body) = relation.view() {
            let rule = rule_oid(relation.oid);
            rows.push(vec![
                i(PG_REWRITE),
                i(rule),
                i(0),
                i(PG_CLASS),
                i(relation.oid),
                i(0),
                t("i"),
            ]);
            for oid in &body.depends_on {
                rows.push(vec![i(PG_REWRITE), i(rule), i(0), i(PG_CLASS), i(*oid), i(1), t("n")]);
            }
        }
    }
    keys::depends(view, &mut rows);
    rows
}

fn table_definitions(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("schemaname", NAME),
        ("tablename", NAME),
        ("column", NAME),
        ("type", vc(128)),
        ("encoding", vc(32)),
        ("distkey", BOOL),
        ("sortkey", I4),
        ("notnull", BOOL),
    ]);
    // Only schemas on the search path show up, as in Redshift.
    let path = view.session.search_path();
    for (schema, relation) in view
        .relations()
        .filter(|(schema, _)| path.contains(&schema.name) || schema.temporary)
    {
        let Some(table) = relation.table() else { continue };
        for column in &relation.columns {
            let (distributed, sort) = placed(table, column);
            rows.push(vec![
                t(&schema.name),
                t(&relation.name),
                t(&column.name),
                t(column.sql_type.to_string()),
                opt(Some(encoding(column.encoding.as_deref()))),
                V::B(distributed),
                i(sort),
                V::B(column.not_null),
            ]);
        }
    }
    rows
}

/// Compression encodings, in the order of the numbers that `format_encoding` names.
pub const ENCODINGS: [&str; 13] = [
    "none",
    "bytedict",
    "delta",
    "delta32k",
    "lzo",
    "mostly8",
    "mostly16",
    "mostly32",
    "runlength",
    "text255",
    "text32k",
    "zstd",
    "az64",
];

fn encoding_number(column: &Column) -> usize {
    let name = encoding(column.encoding.as_deref());
    ENCODINGS.iter().position(|known| *known == name).unwrap_or(0)
}

pub fn encoding(encoding: Option<&str>) -> String {
    match encoding {
        None | Some("raw") => "none".into(),
        Some(other) => other.into(),
    }
}
