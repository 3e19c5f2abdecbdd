//! AWS Glue: the data catalog, classifiers, crawlers and triggers. Documents are kept in the shape of the API; the
//! crawling itself is `crate::crawler`'s.

pub mod catalog;
pub mod crawlers;
pub mod partition_indexes;

mod classifiers;
mod databases;
mod expression;
mod other;
mod partitions;
mod schedule;
mod scheduler;
mod tables;
mod tags;
mod triggers;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Answer, Call, Cloud, Fault};

pub use classifiers::compiled as compiled_classifiers;

/// Answers one request.
pub fn call(cx: &Call, input: &Value) -> Answer {
    match cx.operation {
        "CreateDatabase" => databases::create(cx, input),
        "GetDatabase" => databases::get(cx, input),
        "GetDatabases" => databases::list(cx, input),
        "UpdateDatabase" => databases::update(cx, input),
        "DeleteDatabase" => databases::delete(cx, input),
        "CreateTable" => tables::create(cx, input),
        "GetTable" => tables::get(cx, input),
        "GetTables" => tables::list(cx, input),
        "SearchTables" => tables::search(cx, input),
        "UpdateTable" => tables::update(cx, input),
        "DeleteTable" => tables::delete(cx, input),
        "BatchDeleteTable" => tables::delete_many(cx, input),
        "GetTableVersion" => tables::get_version(cx, input),
        "GetTableVersions" => tables::list_versions(cx, input),
        "DeleteTableVersion" => tables::delete_version(cx, input),
        "BatchDeleteTableVersion" => tables::delete_versions(cx, input),
        "CreatePartition" => partitions::create(cx, input),
        "GetPartition" => partitions::get(cx, input),
        "GetPartitions" => partitions::list(cx, input),
        "UpdatePartition" => partitions::update(cx, input),
        "DeletePartition" => partitions::delete(cx, input),
        "BatchCreatePartition" => partitions::create_many(cx, input),
        "BatchGetPartition" => partitions::get_many(cx, input),
        "BatchUpdatePartition" => partitions::update_many(cx, input),
        "BatchDeletePartition" => partitions::delete_many(cx, input),
        "CreatePartitionIndex" => partition_indexes::create(cx, input),
        "GetPartitionIndexes" => partition_indexes::list(cx, input),
        "DeletePartitionIndex" => partition_indexes::delete(cx, input),
        "CreateClassifier" => classifiers::create(cx, input),
        "GetClassifier" => classifiers::get(cx, input),
        "GetClassifiers" => classifiers::list(cx, input),
        "UpdateClassifier" => classifiers::update(cx, input),
        "DeleteClassifier" => classifiers::delete(cx, input),
        "CreateCrawler" => crawlers::create(cx, input),
        "GetCrawler" => crawlers::get(cx, input),
        "GetCrawlers" => crawlers::list(cx, input),
        "BatchGetCrawlers" => crawlers::get_many(cx, input),
        "ListCrawlers" => crawlers::list_names(cx, input),
        "UpdateCrawler" => crawlers::update(cx, input),
        "UpdateCrawlerSchedule" => crawlers::update_schedule(cx, input),
        "StartCrawlerSchedule" => crawlers::start_schedule(cx, input),
        "StopCrawlerSchedule" => crawlers::stop_schedule(cx, input),
        "DeleteCrawler" => crawlers::delete(cx, input),
        "StartCrawler" => crawlers::start(cx, input),
        "StopCrawler" => crawlers::stop(cx, input),
        "GetCrawlerMetrics" => crawlers::metrics(cx, input),
        "ListCrawls" => crawlers::history(cx, input),
        "CreateTrigger" => triggers::create(cx, input),
        "GetTrigger" => triggers::get(cx, input),
        "GetTriggers" => triggers::list(cx, input),
        "BatchGetTriggers" => triggers::get_many(cx, input),
        "ListTriggers" => triggers::list_names(cx, input),
        "UpdateTrigger" => triggers::update(cx, input),
        "StartTrigger" => triggers::start(cx, input),
        "StopTrigger" => triggers::stop(cx, input),
        "DeleteTrigger" => triggers::delete(cx, input),
        "TagResource" => tags::tag(cx, input),
        "UntagResource" => tags::untag(cx, input),
        "GetTags" => tags::get(cx, input),
        "GetCatalogImportStatus" => other::import_status(cx),
        "GetDataCatalogEncryptionSettings" => other::encryption_settings(),
        "GetUserDefinedFunctions" => Ok(json!({"UserDefinedFunctions": []})),
        "GetColumnStatisticsForTable" => other::column_statistics(cx, input),
        "GetResourcePolicy" => Err(missing("Policy not found")),
        "GetConnections" => Ok(json!({"ConnectionList": []})),
        "GetConnection" => Err(missing(format!(
            "Connection with name {} not found",
            text(input, "Name")
        ))),
        "GetSecurityConfigurations" => Ok(json!({"SecurityConfigurations": []})),
        "GetSecurityConfiguration" => Err(missing(format!(
            "Security configuration {} not found",
            text(input, "Name")
        ))),
        "GetJobs" => Ok(json!({"Jobs": []})),
        "ListJobs" => Ok(json!({"JobNames": []})),
        "GetJob" => Err(missing(format!("Job {} not found.", text(input, "JobName")))),
        "ListWorkflows" => Ok(json!({"Workflows": []})),
        "GetWorkflow" => Err(missing(format!("Entity not found (workflow {})", text(input, "Name")))),
        _ => Err(Fault::not_implemented(cx)),
    }
}

/// Resumes crawls that were under way when the cloud was last closed, and keeps the schedules.
pub fn start(cloud: &Arc<Cloud>) {
    scheduler::start(cloud);
}

fn missing(message: impl Into<String>) -> Fault {
    Fault::bad("EntityNotFoundException", message)
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::bad("InvalidInputException", message)
}

fn exists(message: impl Into<String>) -> Fault {
    Fault::bad("AlreadyExistsException", message)
}

fn text<'v>(input: &'v Value, member: &str) -> &'v str {
    input[member].as_str().unwrap_or_default()
}

fn texts(input: &Value) -> Vec<String> {
    let items = input.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// Every request may name the catalog of another account; this account's is the only one here.
fn own_catalog(cx: &Call, input: &Value) -> Result<(), Fault> {
    match input["CatalogId"].as_str() {
        Some(catalog) if catalog != cx.account => Err(Fault::bad(
            "AccessDeniedException",
            format!("no access to the catalog of account {catalog}"),
        )),
        _ => Ok(()),
    }
}

/// Cuts one page and names the list.
fn paged(cx: &Call, input: &Value, list: &str, items: Vec<Value>, limit: usize) -> Answer {
    let (page, next) = cx.page(items, input, "MaxResults", "NextToken", limit, limit)?;
    let mut answer = Map::new();
    answer.insert(list.to_owned(), Value::Array(page));
    if let Some(next) = next {
        answer.insert("NextToken".to_owned(), json!(next));
    }
    Ok(Value::Object(answer))
}

/// Returns `document` without the members whose names start with `_`, which are this cloud's own.
fn shown(document: &Value) -> Value {
    let fields = document
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !name.starts_with('_'));
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests;
