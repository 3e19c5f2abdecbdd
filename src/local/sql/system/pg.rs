//! pg_catalog: what PostgreSQL clients and dbt read.

use super::{BOOL, CHAR, I2, I4, I8, LIST, NAME, OID, Rows, TEXT, V, Visible, i, opt, t, vc};
use crate::catalog::{ConstraintKind, Grant, Grantee, INFORMATION_SCHEMA, Oid, PG_CATALOG};
use crate::types::SqlType;

/// OIDs of system catalogs that others point at.
pub const PG_CLASS: i64 = 1259;
pub const PG_REWRITE: i64 = 2618;
const TABLESPACE: i64 = 1663;
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
        "pg_constraint" => 2606,
        _ => return None,
    };
    Some(oid as Oid)
}

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
                    if let Some(default) = super::information::default_of(column) {
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
        "pg_user" | "pg_user_info" | "pg_shadow" => {
            let mut rows = Rows::new(&[
                ("usename", NAME),
                ("usesysid", I4),
                ("usecreatedb", BOOL),
                ("usesuper", BOOL),
                ("usecatupd", BOOL),
                ("passwd", TEXT),
                ("valuntil", TEXT),
                ("useconfig", LIST),
                ("useconnlimit", TEXT),
                ("syslogaccess", TEXT),
            ]);
            for user in view.catalog.users.values() {
                rows.push(vec![
                    t(&user.name),
                    i(user.oid),
                    V::B(user.createdb),
                    V::B(user.superuser),
                    V::B(user.superuser),
                    t("********"),
                    V::Null,
                    V::Null,
                    t("UNLIMITED"),
                    t(if user.superuser { "UNRESTRICTED" } else { "RESTRICTED" }),
                ]);
            }
            rows
        }
        "pg_roles" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("rolname", NAME),
                ("rolsuper", BOOL),
                ("rolinherit", BOOL),
                ("rolcreaterole", BOOL),
                ("rolcreatedb", BOOL),
                ("rolcanlogin", BOOL),
                ("rolconnlimit", I4),
                ("rolvaliduntil", TEXT),
                ("rolreplication", BOOL),
                ("rolbypassrls", BOOL),
            ]);
            for user in view.catalog.users.values() {
                rows.push(vec![
                    i(user.oid),
                    t(&user.name),
                    V::B(user.superuser),
                    V::B(true),
                    V::B(user.superuser),
                    V::B(user.createdb),
                    V::B(true),
                    i(-1),
                    V::Null,
                    V::B(false),
                    V::B(user.superuser),
                ]);
            }
            rows
        }
        "pg_auth_members" => Rows::new(&[
            ("roleid", OID),
            ("member", OID),
            ("grantor", OID),
            ("admin_option", BOOL),
        ]),
        "pg_group" => {
            let mut rows = Rows::new(&[("groname", NAME), ("grosysid", I4), ("grolist", LIST)]);
            for group in view.catalog.groups.values().filter(|group| !group.role) {
                let members = group.members.iter().map(ToString::to_string).collect();
                rows.push(vec![t(&group.name), i(group.oid), V::L(members)]);
            }
            rows
        }
        "pg_database" | "pg_database_info" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("datname", NAME),
                ("datdba", I4),
                ("encoding", I4),
                ("datistemplate", BOOL),
                ("datallowconn", BOOL),
                ("datlastsysoid", OID),
                ("datconfig", LIST),
                ("datacl", LIST),
                ("datcollate", NAME),
                ("datctype", NAME),
                ("dattablespace", OID),
                ("datconnlimit", I4),
            ]);
            for database in view.catalog.databases.values() {
                rows.push(vec![
                    i(database.oid),
                    t(&database.name),
                    i(database.owner),
                    i(6),
                    V::B(false),
                    V::B(true),
                    i(99_999),
                    V::Null,
                    V::Null,
                    t("C"),
                    t("C"),
                    i(TABLESPACE),
                    i(-1),
                ]);
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
        "pg_constraint" => {
            let mut rows = Rows::new(&[
                ("oid", OID),
                ("conname", NAME),
                ("connamespace", OID),
                ("contype", CHAR),
                ("condeferrable", BOOL),
                ("condeferred", BOOL),
                ("conrelid", OID),
                ("contypid", OID),
                ("confrelid", OID),
                ("conkey", LIST),
                ("confkey", LIST),
                ("consrc", TEXT),
            ]);
            for (schema, relation) in view.relations() {
                for (index, constraint) in relation
                    .table()
                    .into_iter()
                    .flat_map(|table| &table.constraints)
                    .enumerate()
                {
                    let kind = match constraint.kind {
                        ConstraintKind::Primary => "p",
                        ConstraintKind::Unique => "u",
                        ConstraintKind::Foreign => "f",
                    };
                    let keys = constraint
                        .columns
                        .iter()
                        .filter_map(|name| relation.column(name))
                        .map(|at| (at + 1).to_string())
                        .collect();
                    rows.push(vec![
                        i(relation.oid + 2_000_000 + index as u32),
                        t(&constraint.name),
                        i(schema.oid),
                        t(kind),
                        V::B(false),
                        V::B(false),
                        i(relation.oid),
                        i(0),
                        i(0),
                        V::L(keys),
                        V::Null,
                        V::Null,
                    ]);
                }
            }
            rows
        }
        "pg_index" => Rows::new(&[
            ("indexrelid", OID),
            ("indrelid", OID),
            ("indkey", TEXT),
            ("indisunique", BOOL),
            ("indisprimary", BOOL),
            ("indisclustered", BOOL),
            ("indexprs", TEXT),
            ("indpred", TEXT),
        ]),
        "pg_indexes" => Rows::new(&[
            ("schemaname", NAME),
            ("tablename", NAME),
            ("indexname", NAME),
            ("tablespace", NAME),
            ("indexdef", TEXT),
        ]),
        "pg_collation" => Rows::new(&[("oid", OID), ("collname", NAME)]),
        "pg_inherits" => Rows::new(&[("inhrelid", OID), ("inhparent", OID), ("inhseqno", I4)]),
        "pg_trigger" => Rows::new(&[
            ("oid", OID),
            ("tgrelid", OID),
            ("tgname", NAME),
            ("tgenabled", CHAR),
            ("tgconstraint", OID),
        ]),
        "pg_am" => Rows::new(&[("oid", OID), ("amname", NAME)]),
        "pg_tablespace" => {
            let mut rows = Rows::new(&[("oid", OID), ("spcname", NAME), ("spcowner", I4)]);
            rows.push(vec![i(TABLESPACE), t("pg_default"), i(1)]);
            rows
        }
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
        "pg_default_acl" => Rows::new(&[
            ("oid", OID),
            ("defacluser", OID),
            ("defaclrole", OID),
            ("defaclnamespace", OID),
            ("defaclobjtype", CHAR),
            ("defaclacl", LIST),
        ]),
        "pg_settings" => {
            let mut rows = Rows::new(&[
                ("name", TEXT),
                ("setting", TEXT),
                ("category", TEXT),
                ("short_desc", TEXT),
            ]);
            for (name, value) in view.session.all_settings() {
                rows.push(vec![t(name), t(value), t(""), t("")]);
            }
            rows
        }
        "pg_table_def" => table_definitions(view),
        "pg_stat_activity" => {
            let mut rows = Rows::new(&[
                ("datid", OID),
                ("datname", NAME),
                ("procpid", I4),
                ("usesysid", I4),
                ("usename", NAME),
                ("current_query", TEXT),
            ]);
            for entry in view
                .session
                .engine
                .history
                .entries()
                .into_iter()
                .filter(|entry| entry.end.is_none())
            {
                rows.push(vec![
                    i(entry.database),
                    t(&view.database),
                    i(entry.session),
                    i(entry.user),
                    t(view.owner(entry.user)),
                    t(&entry.text),
                ]);
            }
            rows
        }
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

/// Grants as PostgreSQL writes them: `user=ar/owner`.
pub fn acl(view: &Visible, grants: &[Grant], owner: Oid) -> V {
    if grants.is_empty() {
        return V::Null;
    }
    let letter = |privilege: &str| match privilege {
        "select" => "r",
        "insert" => "a",
        "update" => "w",
        "delete" => "d",
        "references" => "x",
        "usage" => "U",
        "create" => "C",
        "drop" => "D",
        "truncate" => "t",
        "alter" => "A",
        _ => "",
    };
    let mut items: Vec<(String, String)> = Vec::new();
    for grant in grants {
        let name = match &grant.grantee {
            Grantee::Public => String::new(),
            Grantee::User(oid) => view.owner(*oid),
            Grantee::Group(oid) => format!(
                "group {}",
                view.catalog
                    .groups
                    .get(oid)
                    .map(|group| group.name.clone())
                    .unwrap_or_default()
            ),
        };
        let letters = format!(
            "{}{}",
            letter(&grant.privilege),
            if grant.with_option { "*" } else { "" }
        );
        match items.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.push_str(&letters),
            None => items.push((name, letters)),
        }
    }
    V::L(
        items
            .into_iter()
            .map(|(name, letters)| format!("{name}={letters}/{}", view.owner(owner)))
            .collect(),
    )
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
        ("relcreationtime", super::TS),
        ("reldiststyle", I4),
        ("releffectivediststyle", I4),
        ("relhastriggers", BOOL),
        ("reloftype", OID),
    ]);
    for (schema, relation) in view.relations() {
        let (kind, tuples, dist) = match relation.table() {
            Some(table) => (
                "r",
                table.segments.iter().map(|segment| segment.live()).sum::<u64>(),
                table.diststyle as i64,
            ),
            None => ("v", 0, 0),
        };
        let keyed = relation.table().is_some_and(|table| {
            table
                .constraints
                .iter()
                .any(|constraint| constraint.kind == ConstraintKind::Primary)
        });
        rows.push(vec![
            i(relation.oid),
            t(&relation.name),
            i(schema.oid),
            i(0),
            i(relation.owner),
            i(0),
            i(relation.oid),
            i(0),
            i(0),
            i(tuples as i64),
            i(0),
            V::B(false),
            V::B(false),
            t(kind),
            i(relation.columns.len() as i64),
            i(0),
            i(0),
            V::B(false),
            V::B(keyed),
            V::B(kind == "v"),
            acl(view, &relation.grants, relation.owner),
            t(if relation.temporary { "t" } else { "p" }),
            V::Null,
            V::At((relation.created * 1e6) as i64),
            i(dist),
            i(dist),
            V::B(false),
            i(0),
        ]);
    }
    rows
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
    for (_, relation) in view.relations() {
        for (index, column) in relation.columns.iter().enumerate() {
            let table = relation.table();
            let sort = table
                .and_then(|table| table.sortkey.iter().position(|key| *key == column.name))
                .map_or(0, |at| at as i64 + 1);
            let dist = table.is_some_and(|table| table.distkey.as_ref() == Some(&column.name));
            rows.push(vec![
                i(relation.oid),
                t(&column.name),
                i(column.sql_type.oid()),
                i(-1),
                i(column.sql_type.size()),
                i(index as i64 + 1),
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
                V::B(dist),
                V::B(false),
                i(sort),
                i(0),
                i(0),
                i(0),
                t(""),
                t(""),
                V::Null,
            ]);
        }
    }
    rows
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
    rows
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
            let sort = table
                .sortkey
                .iter()
                .position(|key| *key == column.name)
                .map_or(0, |at| at as i64 + 1);
            rows.push(vec![
                t(&schema.name),
                t(&relation.name),
                t(&column.name),
                t(column.sql_type.to_string()),
                opt(Some(encoding(column.encoding.as_deref()))),
                V::B(table.distkey.as_ref() == Some(&column.name)),
                i(sort),
                V::B(column.not_null),
            ]);
        }
    }
    rows
}

pub fn encoding(encoding: Option<&str>) -> String {
    match encoding {
        None | Some("raw") => "none".into(),
        Some(other) => other.into(),
    }
}
