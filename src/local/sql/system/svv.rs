//! Redshift's own views: svv_*, stl_*, stv_*, sys_*.

use super::pg::{encoding, who};
use super::stl;
use super::{BOOL, F8, I2, I4, I8, OID, Rows, TEXT, TS, V, Visible, i, opt, t, vc};
use crate::catalog::{DistStyle, Schema};
use crate::error::Result;
use crate::lake::{ExternalTable, LakeErrorKind};
use crate::session::Session;
use crate::types::SqlType;

pub const N: SqlType = vc(128);

pub async fn table(session: &Session, view: &Visible<'_>, name: &str) -> Result<Option<Rows>> {
    Ok(Some(match name {
        "svv_external_schemas" => external_schemas(view),
        "pg_get_late_binding_view_cols" => late_binding_columns(session, view).await,
        "svv_external_databases" => {
            let mut rows = Rows::new(&[
                ("eskind", I4),
                ("esoptions", TEXT),
                ("databasename", N),
                ("location", TEXT),
                ("parameters", TEXT),
            ]);
            let mut seen = std::collections::BTreeSet::new();
            for (_, source) in external(view) {
                if seen.insert(source.database.clone()) {
                    rows.push(vec![i(1), t(""), t(source.database), t(""), t("")]);
                }
            }
            rows
        }
        "svv_external_tables" => external_tables(session, view).await?,
        "svv_external_columns" => external_columns(session, view).await?,
        "svv_external_partitions" => external_partitions(session, view).await?,
        "svv_tables" | "svv_all_tables" | "svv_redshift_tables" => all_tables(session, view, name).await?,
        "svv_columns" | "svv_all_columns" | "svv_redshift_columns" => all_columns(session, view, name).await?,
        "svv_all_schemas" | "svv_redshift_schemas" => {
            let mut rows = Rows::new(&[
                ("database_name", N),
                ("schema_name", N),
                ("schema_owner", I4),
                ("schema_type", N),
                ("schema_acl", N),
                ("source_database", N),
                ("schema_option", vc(256)),
            ]);
            for schema in view.schemas() {
                let kind = if schema.external.is_some() { "external" } else { "local" };
                if kind == "external" && name == "svv_redshift_schemas" {
                    continue;
                }
                let source = schema.external.as_ref().map(|source| source.database.clone());
                rows.push(vec![
                    t(&view.database),
                    t(&schema.name),
                    i(schema.owner),
                    t(kind),
                    V::Null,
                    opt(source),
                    V::Null,
                ]);
            }
            rows
        }
        "svv_redshift_databases" => {
            let mut rows = Rows::new(&[
                ("database_name", N),
                ("database_owner", I4),
                ("database_type", vc(32)),
                ("database_acl", N),
                ("database_options", N),
                ("database_isolation_level", N),
            ]);
            for database in view.catalog.databases.values() {
                rows.push(vec![
                    t(&database.name),
                    i(database.owner),
                    t("local"),
                    V::Null,
                    V::Null,
                    t("Snapshot Isolation"),
                ]);
            }
            rows
        }
        "svv_table_info" => table_info(view),
        "svv_mv_info" | "stv_mv_info" => Rows::new(&[
            ("database_name", N),
            ("schema_name", N),
            ("user_name", N),
            ("name", N),
            ("is_stale", vc(1)),
            ("owner_user_name", N),
            ("state", I4),
            ("autorewrite", vc(1)),
            ("autorefresh", vc(1)),
        ]),
        "svv_relation_privileges" => {
            let mut rows = Rows::new(&[
                ("namespace_name", N),
                ("relation_name", N),
                ("privilege_type", N),
                ("identity_id", I4),
                ("identity_name", N),
                ("identity_type", N),
                ("admin_option", BOOL),
            ]);
            for (schema, relation) in view.relations() {
                for grant in &relation.grants {
                    let (id, name, kind) = grantee(view, &grant.grantee);
                    rows.push(vec![
                        t(&schema.name),
                        t(&relation.name),
                        t(grant.privilege.to_uppercase()),
                        i(id),
                        t(name),
                        t(kind),
                        V::B(grant.with_option),
                    ]);
                }
            }
            rows
        }
        "svv_schema_privileges" => {
            let mut rows = Rows::new(&[
                ("namespace_name", N),
                ("privilege_type", N),
                ("identity_id", I4),
                ("identity_name", N),
                ("identity_type", N),
                ("admin_option", BOOL),
            ]);
            for schema in view.schemas() {
                for grant in &schema.grants {
                    let (id, name, kind) = grantee(view, &grant.grantee);
                    rows.push(vec![
                        t(&schema.name),
                        t(grant.privilege.to_uppercase()),
                        i(id),
                        t(name),
                        t(kind),
                        V::B(grant.with_option),
                    ]);
                }
            }
            rows
        }
        "svv_roles" => {
            let mut rows = Rows::new(&[("role_id", I4), ("role_name", N), ("role_owner", N), ("external_id", N)]);
            for role in view.catalog.groups.values().filter(|group| group.role) {
                rows.push(vec![i(role.oid), t(&role.name), V::Null, V::Null]);
            }
            rows
        }
        "svv_user_info" => {
            let mut rows = Rows::new(&[
                ("user_name", N),
                ("user_id", I4),
                ("createdb", BOOL),
                ("superuser", BOOL),
                ("catalog_update", BOOL),
            ]);
            for user in view.catalog.users.values() {
                rows.push(who(user));
            }
            rows
        }
        "stl_query" | "svl_qlog" | "stl_querytext" | "svl_statementtext" | "stl_ddltext" => stl::queries(view, name),
        "sys_query_history" => stl::query_history(view),
        "sys_query_detail" => Rows::new(&[
            ("user_id", I4),
            ("query_id", I8),
            ("step_name", N),
            ("table_id", I4),
            ("table_name", N),
            ("start_time", TS),
            ("end_time", TS),
            ("output_rows", I8),
        ]),
        "stv_recents" => {
            let mut rows = Rows::new(&[
                ("userid", I4),
                ("status", vc(20)),
                ("starttime", TS),
                ("duration", I8),
                ("user_name", vc(50)),
                ("db_name", vc(50)),
                ("query", vc(600)),
                ("pid", I4),
            ]);
            for entry in view.session.engine.history.entries() {
                let status = if entry.end.is_some() { "Done" } else { "Running" };
                let duration = entry.end.unwrap_or_else(super::history::now) - entry.start;
                rows.push(vec![
                    i(entry.user),
                    t(status),
                    V::At(entry.start),
                    i(duration),
                    t(view.owner(entry.user)),
                    t(&view.database),
                    t(&entry.text),
                    i(entry.session),
                ]);
            }
            rows
        }
        "stv_sessions" => {
            let mut rows = Rows::new(&[
                ("starttime", TS),
                ("process", I4),
                ("user_name", vc(50)),
                ("db_name", vc(50)),
            ]);
            rows.push(vec![
                V::At(super::history::now()),
                i(view.session.id),
                t(view.owner(view.session.user)),
                t(&view.database),
            ]);
            rows
        }
        "stl_load_errors" | "stl_loaderror_detail" | "sys_load_error_detail" => stl::load_errors(view, name),
        "stv_tbl_perm" => {
            let mut rows = Rows::new(&[
                ("slice", I4),
                ("id", I4),
                ("name", vc(72)),
                ("rows", I8),
                ("sorted_rows", I8),
                ("temp", I4),
                ("db_id", I4),
                ("backup", I4),
            ]);
            for (_, relation) in view.relations() {
                if let Some(table) = relation.table() {
                    let live: u64 = table.segments.iter().map(|segment| segment.live()).sum();
                    rows.push(vec![
                        i(0),
                        i(relation.oid),
                        t(&relation.name),
                        i(live as i64),
                        i(live as i64),
                        i(i64::from(relation.temporary)),
                        i(view.session.database),
                        i(i64::from(table.backup.unwrap_or(true))),
                    ]);
                }
            }
            rows
        }
        "stv_slices" => {
            let mut rows = Rows::new(&[("node", I4), ("slice", I4), ("localslice", I4), ("type", vc(1))]);
            rows.push(vec![i(0), i(0), i(0), t("D")]);
            rows
        }
        _ => return Ok(None),
    }))
}

fn grantee(view: &Visible, grantee: &crate::catalog::Grantee) -> (i64, String, &'static str) {
    use crate::catalog::Grantee;
    match grantee {
        Grantee::Public => (0, "public".into(), "public"),
        Grantee::User(oid) => (i64::from(*oid), view.owner(*oid), "user"),
        Grantee::Group(oid) => match view.catalog.groups.get(oid) {
            Some(group) => (
                i64::from(*oid),
                group.name.clone(),
                if group.role { "role" } else { "group" },
            ),
            None => (i64::from(*oid), String::new(), "group"),
        },
    }
}

fn external<'a>(view: &Visible<'a>) -> Vec<(&'a Schema, crate::catalog::ExternalSource)> {
    view.schemas()
        .filter_map(|schema| schema.external.clone().map(|source| (schema, source)))
        .collect()
}

/// The columns of late-binding views, which only planning them tells. A view that no longer plans has none.
async fn late_binding_columns(session: &Session, view: &Visible<'_>) -> Rows {
    let mut rows = Rows::new(&[
        ("view_schema", SqlType::Name),
        ("view_name", SqlType::Name),
        ("col_name", SqlType::Name),
        ("col_type", N),
        ("col_num", I4),
    ]);
    for (schema, relation) in view.relations().filter(|(_, relation)| relation.is_late_binding()) {
        let Some(query) = relation
            .view()
            .and_then(|body| crate::parse::query(&body.definition).ok())
        else {
            continue;
        };
        let Ok(planned) = session.plan_inside(query).await else {
            continue;
        };
        for (index, (name, sql_type)) in planned.fields.iter().enumerate() {
            rows.push(vec![
                t(&schema.name),
                t(&relation.name),
                t(name),
                t(sql_type.to_string()),
                i(index as i64 + 1),
            ]);
        }
    }
    rows
}

fn external_schemas(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("esoid", OID),
        ("eskind", I2),
        ("schemaname", N),
        ("esowner", I4),
        ("databasename", N),
        ("esoptions", TEXT),
    ]);
    for (schema, source) in external(view) {
        let options = match &source.region {
            Some(region) => serde_json::json!({"IAM_ROLE": source.role, "REGION": region}),
            None => serde_json::json!({"IAM_ROLE": source.role}),
        };
        rows.push(vec![
            i(schema.oid),
            i(1),
            t(&schema.name),
            i(schema.owner),
            t(&source.database),
            t(options.to_string()),
        ]);
    }
    rows
}

/// Returns the tables of all external schemas. A schema whose database or role is gone has none, as in Redshift.
async fn lake_tables<'a>(
    session: &Session,
    view: &Visible<'a>,
) -> Result<Vec<(&'a Schema, crate::catalog::ExternalSource, ExternalTable)>> {
    let mut found = Vec::new();
    for (schema, source) in external(view) {
        match session.engine.lake.tables(&source.role, &source.database).await {
            Ok(tables) => found.extend(tables.into_iter().map(|table| (schema, source.clone(), table))),
            Err(error)
                if matches!(
                    error.kind,
                    LakeErrorKind::NoDatabase | LakeErrorKind::NoRole | LakeErrorKind::Denied
                ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

async fn external_tables(session: &Session, view: &Visible<'_>) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("redshift_database_name", N),
        ("schemaname", N),
        ("tablename", N),
        ("tabletype", N),
        ("location", TEXT),
        ("input_format", N),
        ("output_format", N),
        ("serialization_lib", N),
        ("serde_parameters", TEXT),
        ("compressed", I4),
        ("parameters", TEXT),
    ]);
    for (schema, _, table) in lake_tables(session, view).await? {
        let parameters = |map| serde_json::to_string(map).unwrap_or_default();
        rows.push(vec![
            t(&view.database),
            t(&schema.name),
            t(table.name.to_lowercase()),
            t("TABLE"),
            t(&table.location),
            t(&table.input_format),
            t(&table.output_format),
            t(&table.serde),
            t(parameters(&table.serde_parameters)),
            i(0),
            t(parameters(&table.parameters)),
        ]);
    }
    Ok(rows)
}

async fn external_columns(session: &Session, view: &Visible<'_>) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("redshift_database_name", N),
        ("schemaname", N),
        ("tablename", N),
        ("columnname", N),
        ("external_type", N),
        ("columnnum", I4),
        ("part_key", I4),
        ("is_nullable", vc(5)),
    ]);
    for (schema, _, table) in lake_tables(session, view).await? {
        for (index, (name, glue_type)) in table.columns.iter().chain(&table.partition_keys).enumerate() {
            let key = (index + 1).saturating_sub(table.columns.len());
            rows.push(vec![
                t(&view.database),
                t(&schema.name),
                t(table.name.to_lowercase()),
                t(name.to_lowercase()),
                t(glue_type),
                i(index as i64 + 1),
                i(key as i64),
                t(""),
            ]);
        }
    }
    Ok(rows)
}

async fn external_partitions(session: &Session, view: &Visible<'_>) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("schemaname", N),
        ("tablename", N),
        ("values", TEXT),
        ("location", TEXT),
        ("input_format", N),
        ("output_format", N),
        ("serialization_lib", N),
        ("serde_parameters", TEXT),
        ("compressed", I4),
        ("parameters", TEXT),
    ]);
    for (schema, source, table) in lake_tables(session, view).await? {
        if table.partition_keys.is_empty() {
            continue;
        }
        for partition in session
            .engine
            .lake
            .partitions(&source.role, &source.database, &table.name)
            .await?
        {
            let values = serde_json::to_string(&partition.values).unwrap_or_default();
            rows.push(vec![
                t(&schema.name),
                t(table.name.to_lowercase()),
                t(values),
                t(&partition.location),
                t(&table.input_format),
                t(&table.output_format),
                t(&table.serde),
                t(serde_json::to_string(&table.serde_parameters).unwrap_or_default()),
                i(0),
                t("{}"),
            ]);
        }
    }
    Ok(rows)
}

async fn all_tables(session: &Session, view: &Visible<'_>, name: &str) -> Result<Rows> {
    let classic = name == "svv_tables";
    let mut rows = if classic {
        Rows::new(&[
            ("table_catalog", N),
            ("table_schema", N),
            ("table_name", N),
            ("table_type", N),
            ("remarks", N),
        ])
    } else {
        Rows::new(&[
            ("database_name", N),
            ("schema_name", N),
            ("table_name", N),
            ("table_type", N),
            ("table_acl", N),
            ("remarks", N),
            ("table_owner", N),
        ])
    };
    let mut row = |schema: &str, table: &str, kind: &str, remarks: Option<&String>, owner: String| {
        rows.push(if classic {
            vec![
                t(&view.database),
                t(schema),
                t(table),
                t(if kind == "TABLE" { "BASE TABLE" } else { kind }),
                opt(remarks),
            ]
        } else {
            vec![
                t(&view.database),
                t(schema),
                t(table),
                t(kind),
                V::Null,
                opt(remarks),
                t(owner),
            ]
        });
    };
    for (schema, relation) in view.relations() {
        let kind = if relation.table().is_some() { "TABLE" } else { "VIEW" };
        row(
            &schema.name,
            &relation.name,
            kind,
            relation.comment.as_ref(),
            view.owner(relation.owner),
        );
    }
    if name != "svv_redshift_tables" {
        for (schema, _, table) in lake_tables(session, view).await? {
            row(
                &schema.name,
                &table.name.to_lowercase(),
                "EXTERNAL TABLE",
                None,
                view.owner(schema.owner),
            );
        }
    }
    Ok(rows)
}

async fn all_columns(session: &Session, view: &Visible<'_>, name: &str) -> Result<Rows> {
    let classic = name == "svv_columns";
    let first = if classic {
        ["table_catalog", "table_schema"]
    } else {
        ["database_name", "schema_name"]
    };
    let mut rows = Rows::new(&[
        (first[0], N),
        (first[1], N),
        ("table_name", N),
        ("column_name", N),
        ("ordinal_position", I4),
        ("column_default", vc(4000)),
        ("is_nullable", vc(3)),
        ("data_type", N),
        ("character_maximum_length", I4),
        ("numeric_precision", I4),
        ("numeric_scale", I4),
        ("remarks", vc(256)),
    ]);
    let mut row = |schema: &str,
                   table: &str,
                   column: (&str, SqlType),
                   index: usize,
                   nullable: bool,
                   default: Option<String>,
                   remarks: Option<&String>| {
        let (precision, _, scale) = super::information::numeric(column.1);
        rows.push(vec![
            t(&view.database),
            t(schema),
            t(table),
            t(column.0),
            i(index as i64 + 1),
            opt(default),
            t(if nullable { "YES" } else { "NO" }),
            t(column.1.base_name()),
            column.1.character_length().map_or(V::Null, i),
            precision,
            scale,
            opt(remarks),
        ]);
    };
    for (schema, relation) in view.relations() {
        for (index, column) in relation.columns.iter().enumerate() {
            let default = super::information::default_of(column);
            row(
                &schema.name,
                &relation.name,
                (&column.name, column.sql_type),
                index,
                !column.not_null,
                default,
                column.comment.as_ref(),
            );
        }
    }
    if name != "svv_redshift_columns" {
        for (schema, _, table) in lake_tables(session, view).await? {
            for (index, (column, glue_type)) in table.columns.iter().chain(&table.partition_keys).enumerate() {
                let sql_type = SqlType::from_glue(glue_type).unwrap_or(SqlType::Text);
                row(
                    &schema.name,
                    &table.name.to_lowercase(),
                    (&column.to_lowercase(), sql_type),
                    index,
                    true,
                    None,
                    None,
                );
            }
        }
    }
    Ok(rows)
}

fn table_info(view: &Visible) -> Rows {
    let mut rows = Rows::new(&[
        ("database", N),
        ("schema", N),
        ("table_id", OID),
        ("table", N),
        ("encoded", vc(16)),
        ("diststyle", vc(64)),
        ("sortkey1", N),
        ("max_varchar", I4),
        ("sortkey1_enc", vc(32)),
        ("sortkey_num", I4),
        ("size", I8),
        ("pct_used", F8),
        ("empty", I8),
        ("unsorted", F8),
        ("stats_off", F8),
        ("tbl_rows", F8),
        ("skew_sortkey1", F8),
        ("skew_rows", F8),
        ("estimated_visible_rows", F8),
        ("risk_event", TEXT),
        ("vacuum_sort_benefit", F8),
        ("create_time", TS),
    ]);
    for (schema, relation) in view.relations() {
        let Some(table) = relation.table() else { continue };
        let live: u64 = table.segments.iter().map(|segment| segment.live()).sum();
        // Redshift leaves empty tables out.
        if live == 0 {
            continue;
        }
        let bytes: u64 = table.segments.iter().map(|segment| segment.bytes).sum();
        let style = match (table.diststyle, &table.distkey) {
            (DistStyle::Auto, _) => "AUTO(ALL)".to_string(),
            (DistStyle::Even, _) => "EVEN".into(),
            (DistStyle::All, _) => "ALL".into(),
            (DistStyle::Key, key) => format!("KEY({})", key.clone().unwrap_or_default()),
        };
        let longest = relation
            .columns
            .iter()
            .filter_map(|column| column.sql_type.character_length())
            .max()
            .unwrap_or(0);
        let sortkey = table.sortkey.first();
        let sort_encoding = sortkey
            .and_then(|key| relation.column(key))
            .map(|at| encoding(relation.columns[at].encoding.as_deref()));
        rows.push(vec![
            t(&view.database),
            t(&schema.name),
            i(relation.oid),
            t(&relation.name),
            t("Y, AUTO(ENCODE)"),
            t(style),
            opt(sortkey),
            i(longest),
            opt(sort_encoding),
            i(table.sortkey.len() as i64),
            i((bytes as i64 >> 20).max(1)),
            V::F(0.0),
            i(0),
            V::Null,
            V::F(0.0),
            V::F(live as f64),
            V::Null,
            V::Null,
            V::F(live as f64),
            V::Null,
            V::Null,
            V::At((relation.created * 1e6) as i64),
        ]);
    }
    rows
}
