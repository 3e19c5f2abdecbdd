//! information_schema.

use super::pg::keys::{Key, keys};
use super::{I4, Rows, V, Visible, i, opt, t, vc};
use crate::catalog::{Column, ConstraintKind};
use crate::types::SqlType;

const N: SqlType = vc(128);

/// What a key is called, and its table.
fn named(view: &Visible, key: &Key) -> Vec<V> {
    vec![
        t(&view.database),
        t(&key.schema.name),
        t(&key.constraint.name),
        t(&view.database),
        t(&key.schema.name),
        t(&key.relation.name),
    ]
}

pub fn table(view: &Visible, name: &str) -> Option<Rows> {
    Some(match name {
        "tables" => {
            let mut rows = Rows::new(&[
                ("table_catalog", N),
                ("table_schema", N),
                ("table_name", N),
                ("table_type", vc(32)),
            ]);
            for (schema, relation) in view.relations() {
                let kind = match (relation.table(), relation.temporary) {
                    (Some(_), true) => "LOCAL TEMPORARY",
                    (Some(_), false) => "BASE TABLE",
                    (None, _) => "VIEW",
                };
                rows.push(vec![t(&view.database), t(&schema.name), t(&relation.name), t(kind)]);
            }
            for (schema, table) in system_tables() {
                rows.push(vec![t(&view.database), t(schema), t(table), t("VIEW")]);
            }
            rows
        }
        "views" => {
            let mut rows = Rows::new(&[
                ("table_catalog", N),
                ("table_schema", N),
                ("table_name", N),
                ("view_definition", vc(65535)),
                ("check_option", vc(16)),
                ("is_updatable", vc(3)),
                ("is_insertable_into", vc(3)),
            ]);
            for (schema, relation) in view.relations() {
                if let Some(definition) = relation.view() {
                    rows.push(vec![
                        t(&view.database),
                        t(&schema.name),
                        t(&relation.name),
                        t(&definition.definition),
                        t("NONE"),
                        t("NO"),
                        t("NO"),
                    ]);
                }
            }
            rows
        }
        "columns" => {
            let mut rows = Rows::new(&[
                ("table_catalog", N),
                ("table_schema", N),
                ("table_name", N),
                ("column_name", N),
                ("ordinal_position", I4),
                ("column_default", vc(65535)),
                ("is_nullable", vc(3)),
                ("data_type", N),
                ("character_maximum_length", I4),
                ("character_octet_length", I4),
                ("numeric_precision", I4),
                ("numeric_precision_radix", I4),
                ("numeric_scale", I4),
                ("datetime_precision", I4),
                ("udt_name", N),
                ("dtd_identifier", N),
                ("is_self_referencing", vc(3)),
            ]);
            for (schema, relation) in view.relations().filter(|(_, relation)| !relation.is_late_binding()) {
                for (index, column) in relation.columns.iter().enumerate() {
                    let (precision, radix, scale) = numeric(column.sql_type);
                    rows.push(vec![
                        t(&view.database),
                        t(&schema.name),
                        t(&relation.name),
                        t(&column.name),
                        i(index as i64 + 1),
                        opt(default_of(column)),
                        t(if column.not_null { "NO" } else { "YES" }),
                        t(column.sql_type.base_name()),
                        column.sql_type.character_length().map_or(V::Null, i),
                        column.sql_type.character_length().map_or(V::Null, i),
                        precision,
                        radix,
                        scale,
                        V::Null,
                        t(column.sql_type.short_name()),
                        t((index + 1).to_string()),
                        t("NO"),
                    ]);
                }
            }
            rows
        }
        "schemata" => {
            let mut rows = Rows::new(&[
                ("catalog_name", N),
                ("schema_name", N),
                ("schema_owner", N),
                ("default_character_set_catalog", N),
                ("default_character_set_schema", N),
                ("default_character_set_name", N),
                ("sql_path", N),
            ]);
            for schema in view.schemas() {
                rows.push(vec![
                    t(&view.database),
                    t(&schema.name),
                    t(view.owner(schema.owner)),
                    V::Null,
                    V::Null,
                    V::Null,
                    V::Null,
                ]);
            }
            for schema in ["information_schema", "pg_catalog"] {
                rows.push(vec![
                    t(&view.database),
                    t(schema),
                    t("rdsdb"),
                    V::Null,
                    V::Null,
                    V::Null,
                    V::Null,
                ]);
            }
            rows
        }
        "table_constraints" => {
            let mut rows = Rows::new(&[
                ("constraint_catalog", N),
                ("constraint_schema", N),
                ("constraint_name", N),
                ("table_catalog", N),
                ("table_schema", N),
                ("table_name", N),
                ("constraint_type", N),
                ("is_deferrable", vc(3)),
                ("initially_deferred", vc(3)),
            ]);
            for key in keys(view) {
                let kind = match key.constraint.kind {
                    ConstraintKind::Primary => "PRIMARY KEY",
                    ConstraintKind::Unique => "UNIQUE",
                    ConstraintKind::Foreign => "FOREIGN KEY",
                };
                let mut row = named(view, &key);
                row.extend([t(kind), t("NO"), t("NO")]);
                rows.push(row);
            }
            rows
        }
        "key_column_usage" => {
            let mut rows = Rows::new(&[
                ("constraint_catalog", N),
                ("constraint_schema", N),
                ("constraint_name", N),
                ("table_catalog", N),
                ("table_schema", N),
                ("table_name", N),
                ("column_name", N),
                ("ordinal_position", I4),
                ("position_in_unique_constraint", I4),
            ]);
            for key in keys(view) {
                let target = key.target(view.catalog).map(|(_, columns)| columns);
                let target_key = key.target_key(view.catalog).map(|key| &key.constraint.columns);
                for (index, column) in key.constraint.columns.iter().enumerate() {
                    let place = || {
                        let pointed = target.as_ref()?.get(index)?;
                        target_key?.iter().position(|column| column == pointed)
                    };
                    let mut row = named(view, &key);
                    let place = place().map_or(V::Null, |place| i(place as i64 + 1));
                    row.extend([t(column), i(index as i64 + 1), place]);
                    rows.push(row);
                }
            }
            rows
        }
        "constraint_column_usage" => {
            let mut rows = Rows::new(&[
                ("table_catalog", N),
                ("table_schema", N),
                ("table_name", N),
                ("column_name", N),
                ("constraint_catalog", N),
                ("constraint_schema", N),
                ("constraint_name", N),
            ]);
            for key in keys(view) {
                let own = (key.relation, key.constraint.columns.clone());
                let (relation, columns) = key.target(view.catalog).unwrap_or(own);
                let schema = view.catalog.schemas.get(&relation.schema);
                for column in columns {
                    rows.push(vec![
                        t(&view.database),
                        opt(schema.map(|schema| &schema.name)),
                        t(&relation.name),
                        t(column),
                        t(&view.database),
                        t(&key.schema.name),
                        t(&key.constraint.name),
                    ]);
                }
            }
            rows
        }
        "referential_constraints" => {
            let mut rows = Rows::new(&[
                ("constraint_catalog", N),
                ("constraint_schema", N),
                ("constraint_name", N),
                ("unique_constraint_catalog", N),
                ("unique_constraint_schema", N),
                ("unique_constraint_name", N),
                ("match_option", N),
                ("update_rule", N),
                ("delete_rule", N),
            ]);
            for key in keys(view) {
                let Some(target) = key.target_key(view.catalog) else {
                    continue;
                };
                rows.push(vec![
                    t(&view.database),
                    t(&key.schema.name),
                    t(&key.constraint.name),
                    t(&view.database),
                    t(&target.schema.name),
                    t(&target.constraint.name),
                    t("NONE"),
                    t("NO ACTION"),
                    t("NO ACTION"),
                ]);
            }
            rows
        }
        _ => return None,
    })
}

/// The default as a client should see it; identity columns show their sequence call.
pub fn default_of(column: &Column) -> Option<String> {
    match column.identity {
        Some(identity) => Some(format!("\"identity\"({}, {})", identity.seed, identity.step)),
        None => column.default.clone(),
    }
}

pub fn numeric(sql_type: SqlType) -> (V, V, V) {
    match sql_type {
        SqlType::Int2 => (i(16), i(2), i(0)),
        SqlType::Int4 => (i(32), i(2), i(0)),
        SqlType::Int8 => (i(64), i(2), i(0)),
        SqlType::Float4 => (i(24), i(2), V::Null),
        SqlType::Float8 => (i(53), i(2), V::Null),
        SqlType::Numeric(precision, scale) => (i(precision), i(10), i(scale)),
        _ => (V::Null, V::Null, V::Null),
    }
}

/// The system tables that catalogs list, by schema.
pub fn system_tables() -> impl Iterator<Item = (&'static str, &'static str)> {
    const PG: [&str; 20] = [
        "pg_class",
        "pg_namespace",
        "pg_attribute",
        "pg_type",
        "pg_proc",
        "pg_database",
        "pg_user",
        "pg_group",
        "pg_tables",
        "pg_views",
        "pg_description",
        "pg_depend",
        "pg_index",
        "pg_constraint",
        "pg_table_def",
        "svv_tables",
        "svv_columns",
        "svv_table_info",
        "svv_external_schemas",
        "svv_external_tables",
    ];
    const INFORMATION: [&str; 8] = [
        "tables",
        "views",
        "columns",
        "schemata",
        "table_constraints",
        "key_column_usage",
        "constraint_column_usage",
        "referential_constraints",
    ];
    PG.into_iter()
        .map(|name| ("pg_catalog", name))
        .chain(INFORMATION.into_iter().map(|name| ("information_schema", name)))
}
