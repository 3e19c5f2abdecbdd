//! The data catalog's documents: databases, tables with their versions, partitions. Names are folded to lower case
//! on every way in, as the API folds them.

use serde_json::{Value, json};

use super::{exists, missing};
use crate::services::{Call, Fault};

pub const DATABASES: &str = "glue.databases";
/// Id: `database NUL table`.
pub const TABLES: &str = "glue.tables";
/// Id: `database NUL table NUL version`, the version with ten digits.
pub const VERSIONS: &str = "glue.table_versions";
/// Id: `database NUL table NUL values`, joined by the unit separator.
pub const PARTITIONS: &str = "glue.partitions";
/// Id: `database NUL table NUL index`.
pub const INDEXES: &str = "glue.partition_indexes";

pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

pub fn table_id(database: &str, table: &str) -> String {
    format!("{}\0{}", fold(database), fold(table))
}

fn version_id(database: &str, table: &str, version: u64) -> String {
    format!("{}\0{version:010}", table_id(database, table))
}

fn partition_id(database: &str, table: &str, values: &[String]) -> String {
    format!("{}\0{}", table_id(database, table), values.join("\u{1f}"))
}

pub fn get_database(cx: &Call, name: &str) -> Result<Option<Value>, Fault> {
    cx.get(DATABASES, &fold(name))
}

/// Returns the database or `EntityNotFoundException`.
pub fn database(cx: &Call, name: &str) -> Result<Value, Fault> {
    get_database(cx, name)?.ok_or_else(|| missing(format!("Database {} not found.", fold(name))))
}

pub fn databases(cx: &Call) -> Result<Vec<Value>, Fault> {
    Ok(cx
        .list(DATABASES, "")?
        .into_iter()
        .map(|(_, database)| database)
        .collect())
}

/// Makes a database from a `DatabaseInput`.
pub fn create_database(cx: &Call, input: &Value) -> Result<(), Fault> {
    let name = fold(super::text(input, "Name"));
    if get_database(cx, &name)?.is_some() {
        return Err(exists("Database already exists."));
    }
    put_database(cx, &name, input, cx.now)
}

/// Writes the whole of a database: what `input` leaves out is gone.
pub fn put_database(cx: &Call, name: &str, input: &Value, created: f64) -> Result<(), Fault> {
    let mut document = input.clone();
    document["Name"] = json!(name);
    document["CreateTime"] = json!(created);
    document["CatalogId"] = json!(cx.account);
    if document["CreateTableDefaultPermissions"].is_null() {
        document["CreateTableDefaultPermissions"] = json!([{
            "Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"},
            "Permissions": ["ALL"],
        }]);
    }
    cx.put(DATABASES, name, &document)
}

/// Drops a database with everything in it.
pub fn delete_database(cx: &Call, name: &str) -> Result<(), Fault> {
    for table in tables(cx, name)? {
        delete_table(cx, name, super::text(&table, "Name"))?;
    }
    cx.delete(DATABASES, &fold(name))?;
    Ok(())
}

pub fn get_table(cx: &Call, database: &str, name: &str) -> Result<Option<Value>, Fault> {
    cx.get(TABLES, &table_id(database, name))
}

/// Returns the table or `EntityNotFoundException`.
pub fn table(cx: &Call, database: &str, name: &str) -> Result<Value, Fault> {
    self::database(cx, database)?;
    get_table(cx, database, name)?.ok_or_else(|| missing(format!("Table {} not found.", fold(name))))
}

/// Returns the tables of a database in the order of their names.
pub fn tables(cx: &Call, database: &str) -> Result<Vec<Value>, Fault> {
    Ok(cx
        .list(TABLES, &format!("{}\0", fold(database)))?
        .into_iter()
        .map(|(_, table)| table)
        .collect())
}

/// Makes a table from a `TableInput`.
pub fn create_table(cx: &Call, database: &str, input: &Value, by: &str) -> Result<Value, Fault> {
    self::database(cx, database)?;
    let name = fold(super::text(input, "Name"));
    if get_table(cx, database, &name)?.is_some() {
        return Err(exists("Table already exists."));
    }
    write_table(cx, database, &name, input, by, cx.now, 0)
}

/// Replaces a table by a `TableInput`; the former definition stays as an older version unless `archive` is off.
pub fn update_table(cx: &Call, database: &str, input: &Value, by: &str, archive: bool) -> Result<Value, Fault> {
    let name = fold(super::text(input, "Name"));
    let old = table(cx, database, &name)?;
    let version: u64 = super::text(&old, "VersionId").parse().unwrap_or(0);
    if !archive {
        cx.delete(VERSIONS, &version_id(database, &name, version))?;
    }
    let created = old["CreateTime"].as_f64().unwrap_or(cx.now);
    write_table(cx, database, &name, input, by, created, version + 1)
}

fn write_table(
    cx: &Call,
    database: &str,
    name: &str,
    input: &Value,
    by: &str,
    created: f64,
    version: u64,
) -> Result<Value, Fault> {
    let mut document = input.clone();
    document["Name"] = json!(name);
    document["DatabaseName"] = json!(fold(database));
    document["CreateTime"] = json!(created);
    document["UpdateTime"] = json!(cx.now);
    document["CreatedBy"] = json!(by);
    document["IsRegisteredWithLakeFormation"] = json!(false);
    document["IsMultiDialectView"] = json!(false);
    document["CatalogId"] = json!(cx.account);
    document["VersionId"] = json!(version.to_string());
    if document["Retention"].is_null() {
        document["Retention"] = json!(0);
    }
    cx.put(TABLES, &table_id(database, name), &document)?;
    cx.put(VERSIONS, &version_id(database, name, version), &document)?;
    Ok(document)
}

/// Drops a table with its versions, partitions and indexes.
pub fn delete_table(cx: &Call, database: &str, name: &str) -> Result<(), Fault> {
    let inside = format!("{}\0", table_id(database, name));
    for table in [VERSIONS, PARTITIONS, INDEXES] {
        for (id, _) in cx.list::<serde::de::IgnoredAny>(table, &inside)? {
            cx.delete(table, &id)?;
        }
    }
    cx.delete(TABLES, &table_id(database, name))?;
    Ok(())
}

/// Returns the versions of a table, newest first.
pub fn versions(cx: &Call, database: &str, name: &str) -> Result<Vec<Value>, Fault> {
    let found: Vec<(String, Value)> = cx.list(VERSIONS, &format!("{}\0", table_id(database, name)))?;
    Ok(found.into_iter().rev().map(|(_, table)| table).collect())
}

pub fn delete_version(cx: &Call, database: &str, name: &str, version: &str) -> Result<bool, Fault> {
    let Ok(version) = version.parse() else { return Ok(false) };
    cx.delete(VERSIONS, &version_id(database, name, version))
}

pub fn get_partition(cx: &Call, database: &str, table: &str, values: &[String]) -> Result<Option<Value>, Fault> {
    cx.get(PARTITIONS, &partition_id(database, table, values))
}

pub fn partitions(cx: &Call, database: &str, table: &str) -> Result<Vec<Value>, Fault> {
    let found: Vec<(String, Value)> = cx.list(PARTITIONS, &format!("{}\0", table_id(database, table)))?;
    Ok(found.into_iter().map(|(_, partition)| partition).collect())
}

/// Writes a partition from a `PartitionInput`.
pub fn put_partition(cx: &Call, database: &str, table: &str, input: &Value, created: f64) -> Result<(), Fault> {
    let mut document = input.clone();
    document["DatabaseName"] = json!(fold(database));
    document["TableName"] = json!(fold(table));
    document["CreationTime"] = json!(created);
    document["CatalogId"] = json!(cx.account);
    cx.put(
        PARTITIONS,
        &partition_id(database, table, &super::texts(&input["Values"])),
        &document,
    )
}

pub fn delete_partition(cx: &Call, database: &str, table: &str, values: &[String]) -> Result<bool, Fault> {
    cx.delete(PARTITIONS, &partition_id(database, table, values))
}
