//! SQL through the Redshift Data API: sent, waited for, its rows fetched page by page, and cancelled when whoever
//! asked goes away.

use crate::Aws;
use crate::connection::Pace;
use crate::ec2;
use crate::error::{Doing, Result, Says, incomplete};
use crate::wait::{Look, Patience, retry, unseen, until};
use aws_sdk_redshiftdata::operation::execute_statement::ExecuteStatementOutput;
use aws_sdk_redshiftdata::operation::execute_statement::builders::ExecuteStatementFluentBuilder;
use aws_sdk_redshiftdata::types::{Field, SqlParameter, StatusString};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Report};
use std::time::Duration;
use tokio::time::Instant;

/// Where SQL goes, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warehouse {
    /// `cluster:<identifier>` or `workgroup:<name>`.
    pub target: String,
    pub database: String,
    pub login: Login,
}

/// As whom SQL runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Whoever our AWS credentials are in the database.
    Iam,
    /// A database user, with temporary credentials. Clusters only.
    User(String),
    /// The user and password in this secret.
    Secret(String),
}

/// Statements that follow each other in one session: temporary tables, settings and transactions last from one to the
/// next.
pub struct Session<'a> {
    warehouse: &'a Warehouse,
    id: Option<String>,
}

/// Seconds that a session waits for the next statement.
const KEEP: i32 = 60;

impl<'a> Session<'a> {
    pub fn new(warehouse: &'a Warehouse) -> Self {
        Self { warehouse, id: None }
    }
}

/// What a statement returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub id: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    /// Rows returned, or changed by a statement that returns none; -1 when Redshift does not say.
    pub affected: i64,
    /// What Redshift says it took.
    pub duration: Duration,
}

/// Who takes the rows of an answer as they come, page by page, with the columns they are of.
pub type Rows<'a> = &'a mut (dyn FnMut(&[Column], Vec<Vec<Cell>>) + Send);

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// Redshift's word for the type, such as `int8` or `varchar`.
    pub sort: String,
}

/// A value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Null => Ok(()),
            Cell::Bool(value) => write!(f, "{value}"),
            Cell::Int(value) => write!(f, "{value}"),
            Cell::Float(value) => write!(f, "{value}"),
            Cell::Text(value) => f.write_str(value),
            Cell::Bytes(value) => value.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

impl Aws {
    /// Runs one statement to its end and returns all its rows. `parameters` fill `:name` in the text. Dropping the
    /// future cancels the statement.
    pub async fn sql(
        &self,
        warehouse: &Warehouse,
        sql: &str,
        parameters: &[(&str, &str)],
        report: Report<'_>,
    ) -> Result<Answer> {
        let id = self.send_statement(warehouse, sql, parameters, report).await?;
        let mut kept = Vec::new();
        let mut answer = self.answer(id, &mut |_, page| kept.extend(page), report).await?;
        answer.rows = kept;
        Ok(answer)
    }

    /// Runs one statement and hands its rows on as they come; the answer has none.
    pub async fn sql_alone(
        &self,
        warehouse: &Warehouse,
        sql: &str,
        rows: Rows<'_>,
        report: Report<'_>,
    ) -> Result<Answer> {
        let id = self.send_statement(warehouse, sql, &[], report).await?;
        self.answer(id, rows, report).await
    }

    /// Runs one statement of a session, like [`Aws::sql_alone`].
    pub async fn sql_in(
        &self,
        session: &mut Session<'_>,
        sql: &str,
        rows: Rows<'_>,
        report: Report<'_>,
    ) -> Result<Answer> {
        let request = match &session.id {
            Some(id) => self.data.execute_statement().sql(sql).session_id(id),
            None => to(self.data.execute_statement().sql(sql), session.warehouse)?,
        };
        let sent = self.send(request.session_keep_alive_seconds(KEEP), report).await?;
        session.id = sent.session_id;
        self.answer(sent.id.ok_or_else(|| incomplete("send SQL", "Id"))?, rows, report)
            .await
    }

    /// Waits for a statement and hands all its rows on.
    async fn answer(&self, id: String, rows: Rows<'_>, report: Report<'_>) -> Result<Answer> {
        let doing = "run SQL";
        let mut guard = CancelOnDrop {
            aws: self,
            id: Some(id.clone()),
        };
        let patience = match self.connection.pace {
            Pace::Quick => Patience {
                pause: Duration::from_millis(250),
                ..Patience::new(Pace::Quick, 24 * 3600)
            },
            Pace::Aws => Patience {
                pause: Duration::from_secs(2),
                ..Patience::new(Pace::Aws, 24 * 3600)
            },
        };
        let sent = Instant::now();
        let done = until(patience, doing, report, async || {
            let statement = match self.data.describe_statement().id(&id).send().await.doing(doing) {
                Err(error) if error.is(Meaning::NotFound) && sent.elapsed() < ec2::lag(self).limit => {
                    return Ok(Look::Pending("submitted".to_owned()));
                }
                shown => shown?,
            };
            match &statement.status {
                Some(StatusString::Finished) => Ok(Look::Done(statement)),
                Some(StatusString::Failed) => Err(refused(&statement.error, &id, Meaning::Failed)),
                Some(StatusString::Aborted) => Err(refused(&statement.error, &id, Meaning::Cancelled)),
                state => Ok(Look::Pending(
                    state.as_ref().map_or("submitted", |s| s.as_str()).to_ascii_lowercase(),
                )),
            }
        })
        .await;
        // Whatever came, the statement has ended, unless we could not ask.
        if !done.as_ref().is_err_and(|error| error.is(Meaning::Unavailable)) {
            guard.id = None;
        }
        let done = done?;
        let mut answer = Answer {
            id: id.clone(),
            affected: done.result_rows,
            duration: Duration::from_nanos(u64::try_from(done.duration).unwrap_or_default()),
            ..Answer::default()
        };
        if done.has_result_set == Some(true) {
            self.fetch(&id, &mut answer, rows, report).await?;
        }
        Ok(answer)
    }

    async fn send_statement(
        &self,
        warehouse: &Warehouse,
        sql: &str,
        parameters: &[(&str, &str)],
        report: Report<'_>,
    ) -> Result<String> {
        let doing = "send SQL";
        let parameters: std::result::Result<Vec<_>, _> = parameters
            .iter()
            .map(|(name, value)| SqlParameter::builder().name(*name).value(*value).build())
            .collect();
        let parameters = Some(parameters.doing(doing)?).filter(|parameters| !parameters.is_empty());
        let request = to(self.data.execute_statement().sql(sql), warehouse)?.set_parameters(parameters);
        let sent = self.send(request, report).await?;
        sent.id.ok_or_else(|| incomplete(doing, "Id"))
    }

    async fn send(&self, request: ExecuteStatementFluentBuilder, report: Report<'_>) -> Result<ExecuteStatementOutput> {
        let doing = "send SQL";
        // At most 500 statements may be under way; the SDK fills the client token, so a repeat runs nothing twice.
        let full = |error: &CloudError| {
            error
                .is(Meaning::Throttled)
                .then_some("too many statements are running")
        };
        retry(Patience::new(self.connection.pace, 600), report, full, async || {
            request.clone().send().await.doing(doing)
        })
        .await
    }

    async fn fetch(&self, id: &str, answer: &mut Answer, rows: Rows<'_>, report: Report<'_>) -> Result<()> {
        let doing = "fetch the rows";
        let mut token = None;
        loop {
            let page = self.data.get_statement_result().id(id).set_next_token(token);
            let page = retry(ec2::lag(self), report, unseen, async || {
                page.clone().send().await.doing(doing)
            })
            .await?;
            if answer.columns.is_empty() {
                answer.columns = page
                    .column_metadata
                    .unwrap_or_default()
                    .into_iter()
                    .map(|column| Column {
                        name: column.label.or(column.name).unwrap_or_default(),
                        sort: column.type_name.unwrap_or_default(),
                    })
                    .collect();
            }
            let records = page.records.into_iter();
            rows(
                &answer.columns,
                records.map(|row| row.into_iter().map(cell).collect()).collect(),
            );
            match page.next_token.filter(|token| !token.is_empty()) {
                Some(next) => token = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// Says where a statement goes, and as whom.
fn to(request: ExecuteStatementFluentBuilder, warehouse: &Warehouse) -> Result<ExecuteStatementFluentBuilder> {
    let request = request.database(&warehouse.database);
    let request = match warehouse.target.split_once(':') {
        Some(("cluster", id)) => request.cluster_identifier(id),
        Some(("workgroup", name)) => request.workgroup_name(name),
        _ => {
            let message = format!("`{}` is neither `cluster:…` nor `workgroup:…`", warehouse.target);
            return Err(CloudError::new(Meaning::Invalid, "send SQL", message));
        }
    };
    Ok(match &warehouse.login {
        Login::Iam => request,
        Login::User(user) => request.db_user(user),
        Login::Secret(arn) => request.secret_arn(arn),
    })
}

fn refused(message: &Option<String>, id: &str, meaning: Meaning) -> CloudError {
    let message = message
        .clone()
        .unwrap_or_else(|| "the statement did not end well".to_owned());
    let message = message.strip_prefix("ERROR: ").unwrap_or(&message);
    // On one line, as psql's own log has it.
    let message = message.replace("\n  Position: ", " at character ");
    let mut error = CloudError::new(meaning, "run SQL", message);
    error.request_id = Some(id.to_owned());
    error
}

fn cell(field: Field) -> Cell {
    match field {
        Field::BlobValue(blob) => Cell::Bytes(blob.into_inner()),
        Field::BooleanValue(value) => Cell::Bool(value),
        Field::DoubleValue(value) => Cell::Float(value),
        Field::LongValue(value) => Cell::Int(value),
        Field::StringValue(value) => Cell::Text(value),
        _ => Cell::Null,
    }
}

/// Cancels the statement when the waiting for it is given up.
struct CancelOnDrop<'a> {
    aws: &'a Aws,
    id: Option<String>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let data = self.aws.data.clone();
        // Without a runtime the program is on its way out, and the statement runs to its end.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { data.cancel_statement().id(id).send().await });
        }
    }
}
