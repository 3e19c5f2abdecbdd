//! Results in the store: pages of rows, written when a statement ends and read by their number.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::redshift::sql::{Live, SqlFailure};
use super::super::{Answer, Call, Cloud, Fault, Service};
use super::{Part, Statement, Status, find, validation};

const PAGES: &str = "redshift_result";
const ROWS_PER_PAGE: usize = 1000;
/// A page ends early when its rows are long.
const BYTES_PER_PAGE: usize = 1 << 20;
/// Larger results are refused, as on AWS.
const MOST_BYTES: usize = 500 << 20;

/// What the statement's document says of a stored result.
pub struct Stored {
    pub has_result: bool,
    pub rows: i64,
    pub bytes: i64,
    pub pages: usize,
    pub columns: Vec<Value>,
}

fn page_key(statement: &str, part: usize, page: usize) -> String {
    format!("{statement}/{part}/{page:06}")
}

/// Writes the rows of one part, page by page as they come.
pub async fn store(
    cloud: &Arc<Cloud>,
    account: &str,
    region: &str,
    statement: &str,
    part: usize,
    mut live: Live,
) -> Result<Stored, SqlFailure> {
    let Some(columns) = live.columns.take() else {
        // Data changes say how many rows; definitions have no such number.
        let rows = live.affected.map_or(-1, |rows| rows as i64);
        return Ok(Stored {
            has_result: false,
            rows,
            bytes: 0,
            pages: 0,
            columns: Vec::new(),
        });
    };
    let (mut pages, mut count, mut bytes, mut total) = (0, 0, 0, 0);
    let mut page: Vec<Value> = Vec::new();
    loop {
        let rows = live.next().await?;
        let last = rows.is_empty();
        for row in rows {
            let size = size_of(&row);
            (count, bytes, total) = (count + 1, bytes + size, total + size);
            page.push(row);
            if total > MOST_BYTES {
                return Err(SqlFailure::new("53400", "The result is larger than 500 MB."));
            }
            if page.len() >= ROWS_PER_PAGE || bytes >= BYTES_PER_PAGE {
                let full = std::mem::take(&mut page);
                write(cloud, (account, region), page_key(statement, part, pages), full).await?;
                (pages, bytes) = (pages + 1, 0);
            }
        }
        if last {
            break;
        }
    }
    if !page.is_empty() {
        write(cloud, (account, region), page_key(statement, part, pages), page).await?;
        pages += 1;
    }
    Ok(Stored {
        has_result: true,
        rows: count,
        bytes: total as i64,
        pages,
        columns,
    })
}

async fn write(
    cloud: &Arc<Cloud>,
    (account, region): (&str, &str),
    key: String,
    page: Vec<Value>,
) -> Result<(), SqlFailure> {
    let put = move |cx: &Call| cx.put(PAGES, &key, &page);
    let written = cloud.write(Service::RedshiftData, account, region, put).await;
    written.map_err(|fault| SqlFailure::new("58030", format!("the result cannot be stored: {}", fault.message)))
}

/// Removes all pages of a statement.
pub fn remove(cx: &Call, statement: &str) -> Result<(), Fault> {
    for (key, _) in cx.list::<serde::de::IgnoredAny>(PAGES, &format!("{statement}/"))? {
        cx.delete(PAGES, &key)?;
    }
    Ok(())
}

/// Bytes of a row's values.
fn size_of(row: &Value) -> usize {
    let fields = row.as_array().map(Vec::as_slice).unwrap_or_default();
    let size = |field: &Value| match field["stringValue"].as_str() {
        Some(text) => text.len(),
        None => 8,
    };
    fields.iter().map(size).sum()
}

/// Returns the part that the request asks for, the rows of its page and the token of the next page.
fn read_page(cx: &Call, input: &Value) -> Result<(Statement, usize, Vec<Value>, Option<String>), Fault> {
    let id = input["Id"].as_str().unwrap_or_default();
    let (statement, at) = find(cx, id)?;
    let no_result = || {
        Fault::bad(
            "ResourceNotFoundException",
            "Query does not have result. Please check query status with DescribeStatement.",
        )
        .with("ResourceId", id)
    };
    let at = match at {
        Some(at) => at,
        None if statement.is_batch => return Err(no_result()),
        None => 0,
    };
    let part: &Part = &statement.parts[at];
    if part.status != Status::Finished || !part.has_result {
        return Err(no_result());
    }
    let page = match input["NextToken"].as_str() {
        None | Some("") => 0,
        Some(token) => match token.strip_prefix("page-").and_then(|page| page.parse::<usize>().ok()) {
            Some(page) if page < part.pages => page,
            _ => return Err(validation("The pagination token is not valid.")),
        },
    };
    let rows: Option<Vec<Value>> = cx.get(PAGES, &page_key(&statement.id, at, page))?;
    let next = (page + 1 < part.pages).then(|| format!("page-{}", page + 1));
    Ok((statement, at, rows.unwrap_or_default(), next))
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    let (statement, at, rows, next) = read_page(cx, input)?;
    if statement.format != "JSON" {
        return Err(validation("The result has the format CSV. Use GetStatementResultV2."));
    }
    let part = &statement.parts[at];
    let mut answer = json!({ "Records": rows, "ColumnMetadata": part.columns, "TotalNumRows": part.rows });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

pub fn get_formatted(cx: &Call, input: &Value) -> Answer {
    let (statement, at, rows, next) = read_page(cx, input)?;
    if statement.format != "CSV" {
        return Err(validation("The result has the format JSON. Use GetStatementResult."));
    }
    let part = &statement.parts[at];
    let mut text = String::new();
    if input["NextToken"].as_str().is_none_or(str::is_empty) {
        let names: Vec<String> = part
            .columns
            .iter()
            .map(|column| csv_field(column["name"].as_str().unwrap_or_default()))
            .collect();
        text.push_str(&names.join(","));
        text.push('\n');
    }
    for row in &rows {
        let fields: Vec<String> = row
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .map(csv_value)
            .collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    let mut answer = json!({
        "Records": [{ "CSVRecords": text }],
        "ColumnMetadata": part.columns,
        "TotalNumRows": part.rows,
        "ResultFormat": "CSV",
    });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

/// A field as CSV: NULL is nothing, text is quoted only where it must be.
fn csv_value(field: &Value) -> String {
    if field["isNull"] == json!(true) {
        return String::new();
    }
    if let Some(text) = field["stringValue"].as_str() {
        return csv_field(text);
    }
    let member = field.as_object().and_then(|members| members.values().next());
    member.map(Value::to_string).unwrap_or_default()
}

fn csv_field(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_string()
}
