//! `dbt`: a dbt project run on the warehouse, once for each change of its files, its variables or the data behind it.

use super::{Data, typed};
use crate::dbt::{self, Said};
use crate::door::Door;
use lakeform_engine::cloud::{CloudError, Meaning, Owner, Progress, Report};
use lakeform_engine::{Fields, Kind};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};

/// A failed run of a large project says a lot; this much is shown, the rest stands in dbt's log.
const SHOWN: usize = 10;

#[derive(Deserialize)]
struct Wanted {
    project: String,
    warehouse: String,
    schema: String,
    commands: Vec<String>,
    vars: BTreeMap<String, String>,
}

pub async fn make(data: &Data, owner: &Owner, fields: &Fields, report: Report<'_>) -> Result<Fields, CloudError> {
    let wanted: Wanted = typed(Kind::Dbt, fields)?;
    let program = dbt::program()
        .ok_or_else(|| CloudError::new(Meaning::Unavailable, "run dbt", "it is not installed").hint(dbt::INSTALL))?;
    let project = dbt::Project {
        folder: data.folder.join(&wanted.project),
        home: data.home.join(owner.address.to_string()),
        schema: wanted.schema,
        vars: wanted.vars,
    };
    report(Progress::State("connecting".to_owned()));
    let door = data.doors.open(&wanted.warehouse).await?;
    let commands = match wanted.commands.as_slice() {
        [] => &["build".to_owned()],
        commands => commands,
    };
    for command in commands {
        run(&program, &project, &door, command, report).await?;
    }
    Ok(BTreeMap::new())
}

/// Runs one command to its end. A failure carries dbt's own words.
async fn run(
    program: &Path,
    project: &dbt::Project,
    door: &Door,
    command: &str,
    report: Report<'_>,
) -> Result<(), CloudError> {
    let doing = format!("dbt {command}");
    let failed = |message: String| CloudError::new(Meaning::Failed, &doing, message);
    report(Progress::State(doing.clone()));
    let mut child = project
        .command(program, door)
        .and_then(|mut child| {
            child
                .args(dbt::words(command))
                .args(project.variables())
                .env("DBT_LOG_FORMAT", "json")
                .env("DBT_LOG_LEVEL", "info")
                .env("DBT_USE_COLORS", "false")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
        })
        .map_err(|error| failed(error.to_string()))?;
    let mut stderr = child.stderr.take().expect("it is piped");
    // Read beside, or a long complaint would block it.
    let complaint = tokio::spawn(async move {
        let mut text = Vec::new();
        drop(tokio::io::AsyncReadExt::read_to_end(&mut stderr, &mut text).await);
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let (mut wrong, mut last) = (Vec::new(), String::new());
    while let Ok(Some(line)) = lines.next_line().await {
        match dbt::said(&line) {
            Said::Done { done, total } => report(Progress::Amount {
                done,
                total,
                unit: "nodes",
            }),
            Said::Wrong(message) => wrong.push(message),
            Said::Other => last = line,
        }
    }
    let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    if wrong.is_empty() {
        let complaint = complaint.await.unwrap_or_default();
        let text = if complaint.trim().is_empty() { last } else { complaint };
        wrong.push(text.trim().to_owned());
    }
    let more = wrong.len().saturating_sub(SHOWN);
    wrong.truncate(SHOWN);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    let log = project.home.join("logs").join("dbt.log");
    Err(failed(wrong.join("\n")).hint(format!("all of it: {}", log.display())))
}
