//! Catalog tables and their versions.

use regex::Regex;
use serde_json::{Value, json};

use super::catalog::{self, fold};
use super::{Answer, Call, Fault, invalid, missing, own_catalog, paged, partition_indexes, text, texts};

/// Who made a table: the ARN of the caller.
fn caller(cx: &Call) -> String {
    format!("arn:aws:iam::{}:root", cx.account)
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    check(&input["TableInput"])?;
    if !input["OpenTableFormatInput"].is_null() {
        return Err(Fault::new(
            501,
            "NotImplemented",
            "the local cloud does not implement `OpenTableFormatInput`",
        ));
    }
    let database = text(input, "DatabaseName");
    catalog::create_table(cx, database, &input["TableInput"], &caller(cx))?;
    for index in input["PartitionIndexes"].as_array().into_iter().flatten() {
        partition_indexes::add(cx, database, text(&input["TableInput"], "Name"), index)?;
    }
    Ok(json!({}))
}

fn check(table: &Value) -> Result<(), Fault> {
    let columns = table["StorageDescriptor"]["Columns"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let keys = table["PartitionKeys"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    for column in columns.iter().chain(keys) {
        let name = fold(text(column, "Name"));
        if seen.contains(&name) {
            return Err(invalid(format!("Column {name} is defined more than once")));
        }
        seen.push(name);
    }
    Ok(())
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    Ok(json!({"Table": catalog::table(cx, text(input, "DatabaseName"), text(input, "Name"))?}))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let database = text(input, "DatabaseName");
    catalog::database(cx, database)?;
    let pattern = input["Expression"]
        .as_str()
        .filter(|pattern| !pattern.is_empty())
        .map(name_pattern)
        .transpose()?;
    let mut tables = catalog::tables(cx, database)?;
    tables.retain(|table| {
        pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(text(table, "Name")))
    });
    paged(cx, input, "TableList", tables, 100)
}

/// An expression is a regular one, but a bare `*` stands for any text, as in Hive.
fn name_pattern(expression: &str) -> Result<Regex, Fault> {
    let mut pattern = String::new();
    let mut before = None;
    for c in expression.chars() {
        if c == '*' && !matches!(before, Some('.' | ')' | ']' | '\\')) {
            pattern.push('.');
        }
        pattern.push(c);
        before = Some(c);
    }
    Regex::new(&format!("^(?i:{pattern})$")).map_err(|_| invalid(format!("Invalid expression: {expression}")))
}

pub fn search(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    cx.only(input, &["CatalogId", "SearchText", "MaxResults", "NextToken"])?;
    let wanted = fold(text(input, "SearchText")).trim_matches('"').to_owned();
    let mut found = Vec::new();
    for database in catalog::databases(cx)? {
        for table in catalog::tables(cx, text(&database, "Name"))? {
            let columns = table["StorageDescriptor"]["Columns"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let names = columns.iter().map(|column| text(column, "Name"));
            let matches = names
                .chain([text(&table, "Name"), text(&table, "Description")])
                .any(|name| fold(name).contains(&wanted));
            if matches {
                found.push(table);
            }
        }
    }
    paged(cx, input, "TableList", found, 1000)
}

pub fn update(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    check(&input["TableInput"])?;
    let database = text(input, "DatabaseName");
    let table = catalog::table(cx, database, text(&input["TableInput"], "Name"))?;
    if let Some(version) = input["VersionId"].as_str()
        && version != text(&table, "VersionId")
    {
        return Err(Fault::bad(
            "ConcurrentModificationException",
            "Update table failed due to concurrent modifications.",
        ));
    }
    let archive = input["SkipArchive"] != true;
    catalog::update_table(cx, database, &input["TableInput"], text(&table, "CreatedBy"), archive)?;
    Ok(json!({}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let (database, name) = (text(input, "DatabaseName"), text(input, "Name"));
    catalog::table(cx, database, name)?;
    catalog::delete_table(cx, database, name)?;
    Ok(json!({}))
}

pub fn delete_many(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let database = text(input, "DatabaseName");
    catalog::database(cx, database)?;
    let mut errors = Vec::new();
    for name in texts(&input["TablesToDelete"]) {
        if catalog::get_table(cx, database, &name)?.is_some() {
            catalog::delete_table(cx, database, &name)?;
        } else {
            errors.push(json!({
                "TableName": name,
                "ErrorDetail": {"ErrorCode": "EntityNotFoundException", "ErrorMessage": "Table not found"},
            }));
        }
    }
    Ok(if errors.is_empty() {
        json!({})
    } else {
        json!({"Errors": errors})
    })
}

fn shown_version(table: Value) -> Value {
    json!({"VersionId": table["VersionId"].clone(), "Table": table})
}

pub fn get_version(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let (database, name) = (text(input, "DatabaseName"), text(input, "TableName"));
    let table = catalog::table(cx, database, name)?;
    let wanted = input["VersionId"]
        .as_str()
        .unwrap_or(text(&table, "VersionId"))
        .to_owned();
    let found = catalog::versions(cx, database, name)?
        .into_iter()
        .find(|table| text(table, "VersionId") == wanted);
    let found = found.ok_or_else(|| missing(format!("TableVersion not found for version {wanted}")))?;
    Ok(json!({"TableVersion": shown_version(found)}))
}

pub fn list_versions(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let (database, name) = (text(input, "DatabaseName"), text(input, "TableName"));
    catalog::table(cx, database, name)?;
    let versions = catalog::versions(cx, database, name)?
        .into_iter()
        .map(shown_version)
        .collect();
    paged(cx, input, "TableVersions", versions, 100)
}

pub fn delete_version(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let (database, name) = (text(input, "DatabaseName"), text(input, "TableName"));
    let table = catalog::table(cx, database, name)?;
    let version = text(input, "VersionId");
    if version == text(&table, "VersionId") {
        return Err(invalid("The latest version of a table cannot be deleted"));
    }
    if !catalog::delete_version(cx, database, name, version)? {
        return Err(missing(format!("TableVersion not found for version {version}")));
    }
    Ok(json!({}))
}

pub fn delete_versions(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let (database, name) = (text(input, "DatabaseName"), text(input, "TableName"));
    let table = catalog::table(cx, database, name)?;
    let mut errors = Vec::new();
    for version in texts(&input["VersionIds"]) {
        let newest = version == text(&table, "VersionId");
        if newest || !catalog::delete_version(cx, database, name, &version)? {
            let code = if newest {
                "InvalidInputException"
            } else {
                "EntityNotFoundException"
            };
            errors.push(json!({
                "TableName": name,
                "VersionId": version,
                "ErrorDetail": {"ErrorCode": code, "ErrorMessage": "the version cannot be deleted"},
            }));
        }
    }
    Ok(if errors.is_empty() {
        json!({})
    } else {
        json!({"Errors": errors})
    })
}
