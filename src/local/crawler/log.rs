//! What a crawl says in CloudWatch Logs, in the crawler's stream of the group `/aws-glue/crawlers`.

use serde_json::Value;

use super::{allows, publish};
use crate::services::glue::crawlers::End;
use crate::services::iam::Wanted;
use crate::services::{Call, Fault, logs};

pub const GROUP: &str = "/aws-glue/crawlers";

/// Writes what happened. A role that may not write logs gets none, and its crawl ends as it ends, as on AWS.
pub fn write(cx: &Call, crawler: &Value, end: &End) -> Result<(), Fault> {
    let name = crawler["Name"].as_str().unwrap_or_default();
    let role = crawler["Role"].as_str().unwrap_or_default();
    let group = cx.arn("logs", &format!("log-group:{GROUP}"));
    let stream = format!("{group}:log-stream:{name}");
    let wanted = [
        ("logs:CreateLogGroup", &group),
        ("logs:CreateLogStream", &stream),
        ("logs:PutLogEvents", &stream),
    ];
    let wanted = wanted.map(|(action, resource)| Wanted {
        action,
        resource,
        context: &[],
    });
    if allows(cx, name, role, &wanted).is_err() {
        return Ok(());
    }
    let run = crawler["_run"]["id"].as_str().unwrap_or_default();
    let line = |level: &str, message: &str| format!("[{run}] {level} : {message}");
    let mut lines = vec![
        line("BENCHMARK", &format!("Running Start Crawl for Crawler {name}")),
        line(
            "INFO",
            &format!(
                "Crawler configured with Configuration {} and SchemaChangePolicy {}. Values in the Configuration override \
                 values in the SchemaChangePolicy for S3 Targets.",
                crawler["Configuration"].as_str().unwrap_or("{\"Version\":1.0}"),
                crawler["SchemaChangePolicy"],
            ),
        ),
    ];
    if end.status == "SUCCEEDED" {
        let database = publish::database_of(crawler);
        let written = format!("Classification complete, writing results to database {database}");
        lines.push(line("BENCHMARK", &written));
    }
    lines.extend(end.log.iter().map(|(level, message)| line(level, message)));
    if let Some(error) = &end.error {
        lines.push(line("ERROR", error));
    }
    if end.status == "SUCCEEDED" {
        lines.push(line("BENCHMARK", "Finished writing to Catalog"));
    }
    lines.push(line("BENCHMARK", "Crawler has finished running and is in state READY"));
    logs::append(cx, GROUP, name, &lines)
}
