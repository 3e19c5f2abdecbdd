//! SHOW: settings, and the catalog listings that drivers ask for.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};

use super::{Outcome, Session};
use crate::error::{Result, SqlError};
use crate::plan::promised_schema;
use crate::types::SqlType;
use crate::utility::{Command, Name};

/// Settings and what they are until someone sets them.
const DEFAULTS: [(&str, &str); 24] = [
    ("search_path", "$user, public"),
    ("datestyle", "ISO, MDY"),
    ("timezone", "UTC"),
    ("client_encoding", "UTF8"),
    ("server_encoding", "UTF8"),
    ("server_version", "8.0.2"),
    ("server_version_num", "80002"),
    ("standard_conforming_strings", "on"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("transaction_isolation", "serializable"),
    ("transaction_read_only", "off"),
    ("extra_float_digits", "0"),
    ("query_group", "default"),
    ("statement_timeout", "0"),
    ("wlm_query_slot_count", "1"),
    ("enable_result_cache_for_session", "on"),
    ("enable_case_sensitive_identifier", "off"),
    ("max_cursor_result_set_size", "default"),
    ("max_identifier_length", "127"),
    ("max_index_keys", "32"),
    ("password_encryption", "md5"),
    ("describe_field_name_in_uppercase", "off"),
    ("application_name", ""),
];

/// Returns what a SHOW will give, without running it.
pub(super) fn columns_of(command: &Command) -> Vec<(String, SqlType)> {
    let names: &[&str] = match command {
        Command::ShowSetting { name } => return vec![(name.clone(), SqlType::Text)],
        Command::ShowDatabases => &DATABASES,
        Command::ShowSchemas { .. } => &SCHEMAS,
        Command::ShowTables { .. } => &TABLES,
        Command::ShowColumns { .. } => &COLUMNS,
        Command::ShowTable { .. } => &["Show Table DDL statement"],
        Command::ShowView { .. } => &["Show View DDL statement"],
        Command::Explain { .. } => &["QUERY PLAN"],
        _ => &[],
    };
    names
        .iter()
        .map(|name| ((*name).to_string(), SqlType::Varchar(65535)))
        .collect()
}

const DATABASES: [&str; 6] = [
    "database_name",
    "database_owner",
    "database_type",
    "database_acl",
    "parameters",
    "database_isolation_level",
];
const SCHEMAS: [&str; 7] = [
    "database_name",
    "schema_name",
    "schema_owner",
    "schema_type",
    "schema_acl",
    "source_database",
    "schema_option",
];
const TABLES: [&str; 6] = [
    "database_name",
    "schema_name",
    "table_name",
    "table_type",
    "table_acl",
    "remarks",
];
const COLUMNS: [&str; 12] = [
    "database_name",
    "schema_name",
    "table_name",
    "column_name",
    "ordinal_position",
    "column_default",
    "is_nullable",
    "data_type",
    "character_maximum_length",
    "numeric_precision",
    "numeric_scale",
    "remarks",
];

pub(super) fn text_rows(tag: &str, column: &str, lines: Vec<String>) -> Outcome {
    let fields = vec![(column.to_string(), SqlType::Text)];
    let values: ArrayRef = Arc::new(StringArray::from(lines));
    let batches = RecordBatch::try_new(promised_schema(&fields), vec![values])
        .map(|batch| vec![batch])
        .unwrap_or_default();
    let mut outcome = Outcome::rows_of(tag, &fields, batches);
    outcome.tag = tag.to_string();
    outcome
}

/// Returns what a setting is until someone sets it.
pub(crate) fn default_of(name: &str) -> Option<&'static str> {
    let found = DEFAULTS.iter().find(|(known, _)| *known == name)?;
    Some(found.1)
}

impl Session {
    /// Returns every setting with its value.
    pub(crate) fn all_settings(&self) -> Vec<(String, String)> {
        let mut settings: Vec<(String, String)> = DEFAULTS
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect();
        for (name, value) in &self.settings {
            match settings.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.clone_from(value),
                None => settings.push((name.clone(), value.clone())),
            }
        }
        settings
    }

    pub(super) async fn show(&mut self, command: Command) -> Result<Outcome> {
        let like = |like: &Option<String>, column: &str| {
            like.as_ref().map_or(String::new(), |like| {
                format!(" and {column} like '{}'", like.replace('\'', "''"))
            })
        };
        let quoted = |text: &str| text.replace('\'', "''");
        let sql = match &command {
            Command::ShowSetting { name } if name == "all" => {
                "select name, setting, short_desc as description from pg_settings order by name".to_string()
            }
            Command::ShowSetting { name } => {
                let found = self.all_settings().into_iter().find(|(known, _)| known == name);
                let (_, value) = found.ok_or_else(|| {
                    SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
                })?;
                return Ok(text_rows("SHOW", name, vec![value]));
            }
            Command::ShowDatabases => format!(
                "select database_name, cast(database_owner as varchar) as database_owner, database_type, database_acl, database_options as parameters, {} from svv_redshift_databases order by 1",
                DATABASES[5]
            ),
            Command::ShowSchemas {
                database,
                like: pattern,
            } => format!(
                "select {} from svv_all_schemas where database_name = '{}'{} order by 2",
                SCHEMAS.join(", "),
                quoted(database),
                like(pattern, "schema_name")
            ),
            Command::ShowTables { schema, like: pattern } => format!(
                "select {} from svv_all_tables where schema_name = '{}'{} order by 3",
                TABLES.join(", "),
                quoted(&schema.name),
                like(pattern, "table_name")
            ),
            Command::ShowColumns { table, like: pattern } => format!(
                "select {} from svv_all_columns where schema_name = '{}' and table_name = '{}'{} order by ordinal_position",
                COLUMNS.join(", "),
                quoted(table.schema.as_deref().unwrap_or("public")),
                quoted(&table.name),
                like(pattern, "column_name")
            ),
            Command::ShowTable { table } => return self.show_table(table),
            Command::ShowView { view } => {
                let relation = self.find_relation(view)?.ok_or_else(|| SqlError::no_relation(view))?;
                let body = relation
                    .view()
                    .ok_or_else(|| SqlError::new("42809", format!("\"{}\" is not a view", view.name)))?;
                return Ok(text_rows(
                    "SHOW",
                    "Show View DDL statement",
                    vec![body.statement.clone()],
                ));
            }
            other => return Err(SqlError::internal(format!("{other:?} is no SHOW"))),
        };
        let planned = self.plan(crate::parse::query(&sql)?, &[]).await?;
        let mut outcome = self.rows(&planned).await?;
        outcome.tag = "SHOW".into();
        Ok(outcome)
    }

    fn show_table(&self, name: &Name) -> Result<Outcome> {
        let relation = self.table_named(name)?;
        let schema = self
            .tx()?
            .work
            .schemas
            .get(&relation.schema)
            .map(|schema| schema.name.clone())
            .unwrap_or_default();
        let keys = crate::system::key_definitions(&self.tx()?.work, &relation);
        let lines: Vec<String> = relation
            .columns
            .iter()
            .map(|column| {
                let default = column
                    .default
                    .as_ref()
                    .map(|text| format!(" DEFAULT {text}"))
                    .unwrap_or_default();
                let identity = column
                    .identity
                    .map(|identity| format!(" IDENTITY({},{})", identity.seed, identity.step))
                    .unwrap_or_default();
                let not_null = if column.not_null { " NOT NULL" } else { "" };
                let encode = column.encoding.as_ref().map(|encoding| format!(" ENCODE {encoding}"));
                let distributed = relation.table().and_then(|table| table.distkey.as_ref()) == Some(&column.name);
                format!(
                    "    {} {}{default}{identity}{not_null}{}{}",
                    column.name,
                    column.sql_type,
                    encode.unwrap_or_default(),
                    if distributed { " distkey" } else { "" }
                )
            })
            .chain(keys.into_iter().map(|key| format!("    {key}")))
            .collect();
        let (style, sorted) = relation.table().map_or_else(Default::default, |table| {
            let interleaved = if table.interleaved { "INTERLEAVED " } else { "" };
            let sorted = match table.sortkey.is_empty() {
                true => String::new(),
                false => format!("\n{interleaved}SORTKEY ( {} )", table.sortkey.join(", ")),
            };
            (format!("{:?}", table.diststyle).to_uppercase(), sorted)
        });
        let text = format!(
            "CREATE TABLE {schema}.{} (\n{}\n)\nDISTSTYLE {style}{sorted};",
            relation.name,
            lines.join(",\n")
        );
        Ok(text_rows("SHOW", "Show Table DDL statement", vec![text]))
    }
}
