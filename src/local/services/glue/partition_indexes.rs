//! Indexes over the partition keys of a table. Here they are documents only: partitions are found as quickly without.

use serde_json::{Value, json};

use super::{Answer, Call, Fault, catalog, exists, invalid, missing, own_catalog, paged, text, texts};

/// AWS's limit of indexes on one table.
const MOST: usize = 3;

fn table(cx: &Call, input: &Value) -> Result<Value, Fault> {
    own_catalog(cx, input)?;
    catalog::table(cx, text(input, "DatabaseName"), text(input, "TableName"))
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    table(cx, input)?;
    let (database, table) = (text(input, "DatabaseName"), text(input, "TableName"));
    add(cx, database, table, &input["PartitionIndex"])?;
    Ok(json!({}))
}

/// Adds an index to a table that is there; it is active once it is filled.
pub fn add(cx: &Call, database: &str, table: &str, index: &Value) -> Result<(), Fault> {
    let found = catalog::table(cx, database, table)?;
    let known = all(cx, database, table)?;
    let name = text(index, "IndexName");
    if known.iter().any(|known| known["IndexName"] == name) {
        return Err(exists(format!(
            "Index with the given indexName : {name} already exists"
        )));
    }
    if known.len() >= MOST {
        return Err(Fault::bad(
            "ResourceNumberLimitExceededException",
            format!("The number of partition indexes of a table cannot exceed {MOST}"),
        ));
    }
    let partition_keys = found["PartitionKeys"].as_array().cloned().unwrap_or_default();
    let mut keys: Vec<Value> = Vec::new();
    for name in texts(&index["Keys"]) {
        let name = catalog::fold(&name);
        let key = partition_keys.iter().find(|key| key["Name"] == name.as_str());
        let key = key.ok_or_else(|| invalid(format!("{name} is not a partition key of the table")))?;
        if keys.iter().any(|known| known["Name"] == name.as_str()) {
            return Err(invalid(format!("{name} occurs twice in the keys of the index")));
        }
        keys.push(json!({"Name": name, "Type": key["Type"].as_str().unwrap_or("string")}));
    }
    if keys.is_empty() {
        return Err(invalid("An index needs at least one key"));
    }
    let same = |known: &Value| known["Keys"] == json!(keys);
    if known.iter().any(same) {
        return Err(exists("An index with the same keys already exists"));
    }
    let filled = cx.now + cx.cloud.pace.seconds(0.0, 60.0);
    let document = json!({"IndexName": name, "Keys": keys, "_filled": filled});
    cx.put(catalog::INDEXES, &id(database, table, name), &document)
}

fn id(database: &str, table: &str, index: &str) -> String {
    format!("{}\0{index}", catalog::table_id(database, table))
}

fn all(cx: &Call, database: &str, table: &str) -> Result<Vec<Value>, Fault> {
    let found: Vec<(String, Value)> = cx.list(catalog::INDEXES, &id(database, table, ""))?;
    Ok(found.into_iter().map(|(_, index)| index).collect())
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    table(cx, input)?;
    let view = |index: &Value| {
        let filling = index["_filled"].as_f64().is_some_and(|filled| filled > cx.now);
        let mut shown = super::shown(index);
        shown["IndexStatus"] = json!(if filling { "CREATING" } else { "ACTIVE" });
        shown
    };
    let indexes = all(cx, text(input, "DatabaseName"), text(input, "TableName"))?;
    let indexes = indexes.iter().map(view).collect();
    paged(cx, input, "PartitionIndexDescriptorList", indexes, 100)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    table(cx, input)?;
    let name = text(input, "IndexName");
    if !cx.delete(
        catalog::INDEXES,
        &id(text(input, "DatabaseName"), text(input, "TableName"), name),
    )? {
        return Err(missing(format!(
            "Index with the given indexName : {name} does not exist"
        )));
    }
    Ok(json!({}))
}

/// Drops all indexes of a table.
pub fn forget(cx: &Call, database: &str, table: &str) -> Result<(), Fault> {
    for index in all(cx, database, table)? {
        cx.delete(catalog::INDEXES, &id(database, table, text(&index, "IndexName")))?;
    }
    Ok(())
}
