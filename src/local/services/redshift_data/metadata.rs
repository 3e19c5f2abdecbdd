//! ListDatabases, ListSchemas, ListTables and DescribeTable: questions to the system catalog while the caller waits.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::redshift::sql::{Ran, SqlFailure};
use super::super::{Answer, Call, Cloud, Fault, Service};
use super::target::{self, Target};
use super::{execute, validation};

pub async fn answer(cloud: &Arc<Cloud>, account: &str, region: &str, operation: &str, input: &Value) -> Answer {
    let connected = input["ConnectedDatabase"]
        .as_str()
        .or(input["Database"].as_str())
        .unwrap_or_default();
    let mut located = input.clone();
    located["Database"] = json!(connected);
    let target = cloud.read(Service::RedshiftData, account, region, |cx| target::read(cx, &located))?;
    let database = input["Database"].as_str().unwrap_or_default();
    if database != connected {
        return Err(validation(
            "Objects of another database than the connected one can't be listed.",
        ));
    }
    let ran = run(cloud, &target, &query(operation, input))
        .await
        .map_err(|failure| Fault::bad("ValidationException", failure.to_string()))?;
    // Only now is a call at hand to cut pages with; it reads nothing.
    cloud.read(Service::RedshiftData, account, region, |cx| {
        shown(cx, operation, input, &ran)
    })
}

async fn run(cloud: &Arc<Cloud>, target: &Target, sql: &str) -> Result<Ran, SqlFailure> {
    let mut session = execute::log_in(cloud, target).await?;
    Ok(session.run(sql, &[]).await?.pop().unwrap_or_default())
}

/// Writes a text as an SQL literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A `like` on a column when the request has a pattern.
fn like(column: &str, pattern: &Value) -> String {
    match pattern.as_str() {
        Some(pattern) if !pattern.is_empty() => format!(" and {column} like {}", literal(pattern)),
        _ => String::new(),
    }
}

fn query(operation: &str, input: &Value) -> String {
    let database = literal(input["Database"].as_str().unwrap_or_default());
    match operation {
        "ListDatabases" => "select database_name from svv_redshift_databases order by 1".to_string(),
        "ListSchemas" => format!(
            "select schema_name from svv_all_schemas where database_name = {database} \
             and left(schema_name, 8) <> 'pg_temp_'{} order by 1",
            like("schema_name", &input["SchemaPattern"])
        ),
        "ListTables" => format!(
            "select table_name, table_type, schema_name from svv_all_tables where database_name = {database}{}{} order by 3, 1",
            like("schema_name", &input["SchemaPattern"]),
            like("table_name", &input["TablePattern"])
        ),
        _ => {
            let exactly = |column: &str, key: &str| match input[key].as_str() {
                Some(name) if !name.is_empty() => format!(" and {column} = {}", literal(name)),
                _ => String::new(),
            };
            format!(
                "select column_name, data_type, schema_name, table_name, is_nullable, column_default, \
                 character_maximum_length, numeric_precision, numeric_scale from svv_all_columns \
                 where database_name = {database}{}{} order by schema_name, table_name, ordinal_position",
                exactly("schema_name", "Schema"),
                exactly("table_name", "Table")
            )
        }
    }
}

fn shown(cx: &Call, operation: &str, input: &Value, ran: &Ran) -> Answer {
    let text = |row: &Value, at: usize| match &row[at] {
        field if field["isNull"] == json!(true) => Value::Null,
        field => field["stringValue"].as_str().map_or_else(
            || {
                field
                    .as_object()
                    .and_then(|members| members.values().next().cloned())
                    .unwrap_or_default()
            },
            |text| json!(text.trim_end()),
        ),
    };
    let number = |row: &Value, at: usize| match text(row, at) {
        Value::Number(number) => json!(number),
        Value::String(digits) => digits.parse::<i64>().map_or(json!(0), |number| json!(number)),
        _ => json!(0),
    };
    let (key, items): (&str, Vec<Value>) = match operation {
        "ListDatabases" => ("Databases", ran.rows.iter().map(|row| text(row, 0)).collect()),
        "ListSchemas" => ("Schemas", ran.rows.iter().map(|row| text(row, 0)).collect()),
        "ListTables" => {
            let table = |row: &Value| json!({ "name": text(row, 0), "type": text(row, 1), "schema": text(row, 2) });
            ("Tables", ran.rows.iter().map(table).collect())
        }
        _ => {
            let column = |row: &Value| {
                let type_name = text(row, 1);
                let characters = type_name.as_str().is_some_and(|name| name.starts_with("char"));
                let numeric = type_name.as_str().is_some_and(|name| {
                    ["int", "big", "small", "num", "dec", "real", "double"]
                        .iter()
                        .any(|kind| name.starts_with(kind))
                });
                let mut shown = json!({
                    "name": text(row, 0),
                    "label": text(row, 0),
                    "typeName": data_api_type(type_name.as_str().unwrap_or_default()),
                    "schemaName": text(row, 2),
                    "tableName": text(row, 3),
                    "nullable": if text(row, 4) == json!("NO") { 0 } else { 1 },
                    "length": if characters { number(row, 6) } else { json!(0) },
                    "precision": if characters { number(row, 6) } else { number(row, 7) },
                    "scale": number(row, 8),
                    "isCaseSensitive": characters,
                    "isCurrency": false,
                    "isSigned": numeric,
                });
                if let Value::String(default) = text(row, 5) {
                    shown["columnDefault"] = json!(default);
                }
                shown
            };
            ("ColumnList", ran.rows.iter().map(column).collect())
        }
    };
    let (items, token) = cx.page(items, input, "MaxResults", "NextToken", 1000, 1000)?;
    let mut answer = json!({ key: items });
    if operation == "DescribeTable"
        && let Some(table) = input["Table"].as_str()
    {
        answer["TableName"] = json!(table);
    }
    if let Some(token) = token {
        answer["NextToken"] = json!(token);
    }
    Ok(answer)
}

/// The short names that the Data API gives types.
pub fn data_api_type(name: &str) -> &str {
    let base = name.split('(').next().unwrap_or(name).trim();
    match base {
        "character varying" => "varchar",
        "character" => "bpchar",
        "smallint" => "int2",
        "integer" => "int4",
        "bigint" => "int8",
        "real" => "float4",
        "double precision" => "float8",
        "boolean" => "bool",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        other => other,
    }
}
