//! The Redshift Data API: statements that run beside the requests, with their life cycle, results, sessions and
//! metadata calls. A statement is a stored document from its submission on; its results are pages in the store.

mod execute;
mod metadata;
mod results;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Answer, Call, Cloud, Fault};

const STATEMENTS: &str = "redshift_statement";
/// Statements and results are kept for a day.
const KEPT_SECONDS: f64 = 86_400.0;

/// Answers one request.
pub fn call(cx: &Call, input: &Value) -> Answer {
    match cx.operation {
        "ExecuteStatement" => execute::execute(cx, input),
        "BatchExecuteStatement" => execute::batch(cx, input),
        "CancelStatement" => execute::cancel(cx, input),
        "DescribeStatement" => describe(cx, input),
        "ListStatements" => list(cx, input),
        "GetStatementResult" => results::get(cx, input),
        "GetStatementResultV2" => results::get_formatted(cx, input),
        _ => Err(Fault::not_implemented(cx)),
    }
}

/// Answers the operations that ask the SQL engine while the caller waits; `None` for all others.
pub async fn ask(cloud: &Arc<Cloud>, account: &str, region: &str, operation: &str, input: &Value) -> Option<Answer> {
    match operation {
        "ListDatabases" | "ListSchemas" | "ListTables" | "DescribeTable" => {
            Some(metadata::answer(cloud, account, region, operation, input).await)
        }
        _ => None,
    }
}

pub use execute::close_namespace;

/// Ends the statements that were under way when the cloud was last closed.
pub fn start(cloud: &Arc<Cloud>) {
    execute::abort_interrupted(cloud);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    #[serde(rename = "SUBMITTED")]
    Submitted,
    #[serde(rename = "STARTED")]
    Started,
    #[serde(rename = "FINISHED")]
    Finished,
    #[serde(rename = "FAILED")]
    Failed,
    #[serde(rename = "ABORTED")]
    Aborted,
}

impl Status {
    fn is_over(self) -> bool {
        matches!(self, Status::Finished | Status::Failed | Status::Aborted)
    }
}

/// One call of ExecuteStatement or BatchExecuteStatement. Stored under a key that sorts the newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Statement {
    id: String,
    is_batch: bool,
    name: Option<String>,
    cluster: Option<String>,
    workgroup: Option<String>,
    database: String,
    db_user: Option<String>,
    secret_arn: Option<String>,
    session_id: Option<String>,
    parameters: Vec<(String, String)>,
    format: String,
    created: f64,
    updated: f64,
    status: Status,
    error: Option<String>,
    parts: Vec<Part>,
    pid: u64,
}

/// One SQL text of a statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    sql: String,
    status: Status,
    error: Option<String>,
    created: f64,
    updated: f64,
    has_result: bool,
    /// Rows returned or changed; -1 where there is no such number.
    rows: i64,
    bytes: i64,
    query_id: u64,
    pages: usize,
    columns: Vec<Value>,
}

impl Statement {
    fn is_kept(&self, now: f64) -> bool {
        now < self.created + KEPT_SECONDS
    }
}

fn not_found(id: &str) -> Fault {
    Fault::bad("ResourceNotFoundException", format!("Query {id} does not exist.")).with("ResourceId", id)
}

fn validation(message: impl Into<String>) -> Fault {
    Fault::bad("ValidationException", message)
}

/// Returns the statement of an id, and the number of the part when the id names one (`…:2`).
fn find(cx: &Call, id: &str) -> Result<(Statement, Option<usize>), Fault> {
    let (base, part) = match id.split_once(':') {
        Some((base, number)) => (
            base,
            number.parse::<usize>().ok().and_then(|number| number.checked_sub(1)),
        ),
        None => (id, None),
    };
    let statement: Option<Statement> = cx.get(STATEMENTS, base)?;
    let statement = statement
        .filter(|statement| statement.is_kept(cx.now))
        .ok_or_else(|| not_found(id))?;
    if id.contains(':') && (!statement.is_batch || part.is_none_or(|part| part >= statement.parts.len())) {
        return Err(not_found(id));
    }
    Ok((statement, part))
}

fn save(cx: &Call, statement: &Statement) -> Result<(), Fault> {
    cx.put(STATEMENTS, &statement.id, statement)
}

fn nanoseconds(seconds: f64) -> i64 {
    (seconds.max(0.0) * 1e9) as i64
}

fn describe(cx: &Call, input: &Value) -> Answer {
    let id = input["Id"].as_str().unwrap_or_default();
    let (statement, part) = find(cx, id)?;
    let mut shown = Map::new();
    let mut set = |key: &str, value: Option<Value>| value.and_then(|value| shown.insert(key.into(), value));
    set("Id", Some(json!(id)));
    set("ClusterIdentifier", statement.cluster.as_ref().map(|id| json!(id)));
    set("WorkgroupName", statement.workgroup.as_ref().map(|name| json!(name)));
    set("Database", Some(json!(statement.database)));
    set("DbUser", statement.db_user.as_ref().map(|user| json!(user)));
    set("SecretArn", statement.secret_arn.as_ref().map(|arn| json!(arn)));
    set("SessionId", statement.session_id.as_ref().map(|id| json!(id)));
    set("RedshiftPid", Some(json!(statement.pid)));
    set("ResultFormat", Some(json!(statement.format)));
    if !statement.parameters.is_empty() {
        let parameters = statement
            .parameters
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }));
        set("QueryParameters", Some(parameters.collect()));
    }
    let single = match part {
        Some(part) => Some((&statement.parts[part], id.to_string())),
        None if !statement.is_batch => Some((&statement.parts[0], id.to_string())),
        None => None,
    };
    if let Some((part, _)) = single {
        for (key, value) in shown_part(part) {
            set(&key, Some(value));
        }
        set("CreatedAt", Some(json!(part.created)));
        return Ok(shown.into());
    }
    set("Status", Some(json!(statement.status)));
    set("CreatedAt", Some(json!(statement.created)));
    set("UpdatedAt", Some(json!(statement.updated)));
    set(
        "Duration",
        Some(json!(nanoseconds(statement.updated - statement.created))),
    );
    set("Error", statement.error.as_ref().map(|error| json!(error)));
    set(
        "HasResultSet",
        Some(json!(statement.parts.iter().any(|part| part.has_result))),
    );
    set("ResultRows", Some(json!(-1)));
    set("ResultSize", Some(json!(-1)));
    set("RedshiftQueryId", Some(json!(0)));
    let parts = statement.parts.iter().enumerate().map(|(at, part)| {
        let mut shown = shown_part(part);
        shown.insert("Id".into(), json!(format!("{}:{}", statement.id, at + 1)));
        shown.insert("CreatedAt".into(), json!(part.created));
        Value::Object(shown)
    });
    set("SubStatements", Some(parts.collect()));
    Ok(shown.into())
}

fn shown_part(part: &Part) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("Status".into(), json!(part.status));
    shown.insert("UpdatedAt".into(), json!(part.updated));
    shown.insert("Duration".into(), json!(nanoseconds(part.updated - part.created)));
    shown.insert("QueryString".into(), json!(part.sql));
    shown.insert("HasResultSet".into(), json!(part.has_result));
    shown.insert("ResultRows".into(), json!(part.rows));
    shown.insert("ResultSize".into(), json!(part.bytes));
    shown.insert("RedshiftQueryId".into(), json!(part.query_id));
    if let Some(error) = &part.error {
        shown.insert("Error".into(), json!(error));
    }
    shown
}

fn list(cx: &Call, input: &Value) -> Answer {
    let mut statements: Vec<Statement> = cx
        .list::<Statement>(STATEMENTS, "")?
        .into_iter()
        .map(|(_, statement)| statement)
        .collect();
    let matches = |wanted: &str, held: Option<&str>| input[wanted].as_str().is_none_or(|wanted| held == Some(wanted));
    let status = input["Status"].as_str().filter(|status| *status != "ALL");
    statements.retain(|statement| {
        statement.is_kept(cx.now)
            && status.is_none_or(|status| json!(statement.status) == json!(status))
            // The name is a prefix.
            && input["StatementName"]
                .as_str()
                .is_none_or(|prefix| statement.name.as_ref().is_some_and(|name| name.starts_with(prefix)))
            && matches("Database", Some(&statement.database))
            && matches("ClusterIdentifier", statement.cluster.as_deref())
            && matches("WorkgroupName", statement.workgroup.as_deref())
    });
    // The newest first.
    statements.sort_by(|a, b| b.created.total_cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    let shown = statements.iter().map(|statement| {
        let mut shown = json!({
            "Id": statement.id,
            "Status": statement.status,
            "CreatedAt": statement.created,
            "UpdatedAt": statement.updated,
            "IsBatchStatement": statement.is_batch,
            "ResultFormat": statement.format,
        });
        if statement.is_batch {
            shown["QueryStrings"] = statement.parts.iter().map(|part| json!(part.sql)).collect();
        } else {
            shown["QueryString"] = json!(statement.parts[0].sql);
        }
        let mut set = |key: &str, value: &Option<String>| {
            if let Some(value) = value {
                shown[key] = json!(value);
            }
        };
        set("StatementName", &statement.name);
        set("SecretArn", &statement.secret_arn);
        set("SessionId", &statement.session_id);
        if !statement.parameters.is_empty() {
            shown["QueryParameters"] = statement
                .parameters
                .iter()
                .map(|(name, value)| json!({ "name": name, "value": value }))
                .collect();
        }
        shown
    });
    let (statements, token) = cx.page(shown.collect(), input, "MaxResults", "NextToken", 100, 100)?;
    let mut answer = json!({ "Statements": statements });
    if let Some(token) = token {
        answer["NextToken"] = json!(token);
    }
    Ok(answer)
}
