//! Submitting, running and cancelling statements. The request stores the statement and answers; a task beside it
//! logs in, runs, stores the results and then the end. A batch is one transaction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::super::redshift::engines::Engines;
use super::super::redshift::sql::{Session, SqlFailure};
use super::super::{Answer, Call, Cloud, Fault, Part as CloudPart, Service, random_u64};
use super::target::{self, Login, Target};
use super::{Part, STATEMENTS, Statement, Status, find, results, save, validation};

const TOKENS: &str = "redshift_statement_token";
const SESSIONS: &str = "redshift_session";
/// Statements under way, kept under one name for all accounts and regions so that a start finds them all.
const UNDER_WAY: &str = "redshift_statement_under_way";
const SQL_BYTES: usize = 100_000;
const BATCH_STATEMENTS: usize = 40;
const ACTIVE_STATEMENTS: usize = 500;
const CANCELLED: &str = "Query cancelled on user's request";
const SWEEP_SECONDS: f64 = 3600.0;

/// What the Data API keeps in memory: how to stop a statement, and the open sessions.
struct Running {
    stops: Mutex<HashMap<String, Stop>>,
    sessions: Mutex<HashMap<String, OpenSession>>,
    /// When old statements were last removed.
    swept: Mutex<f64>,
}

/// Stops one statement, for a reason that its end will name.
struct Stop {
    namespace_id: String,
    reason: watch::Sender<Option<&'static str>>,
}

struct OpenSession {
    namespace_id: String,
    expires: f64,
    session: Arc<tokio::sync::Mutex<Session>>,
}

impl CloudPart for Running {
    fn open(_cloud: &Arc<Cloud>) -> Self {
        Running {
            stops: Mutex::default(),
            sessions: Mutex::default(),
            swept: Mutex::new(0.0),
        }
    }
}

impl Running {
    fn stops(&self) -> MutexGuard<'_, HashMap<String, Stop>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, OpenSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends what runs in a namespace and its sessions: its engine is about to close.
pub fn close_namespace(cloud: &Arc<Cloud>, namespace_id: &str) {
    let running = cloud.part::<Running>();
    for stop in running
        .stops()
        .values()
        .filter(|stop| stop.namespace_id == namespace_id)
    {
        stop.reason
            .send_replace(Some("The connection was closed because the cluster stopped"));
    }
    running.sessions().retain(|_, open| open.namespace_id != namespace_id);
}

/// A session that outlives a statement: where it goes, and until when it waits for the next one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeptSession {
    /// The members of the request that named its target.
    target: Value,
    expires: f64,
    keep_seconds: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct UnderWay {
    account: String,
    region: String,
    id: String,
}

pub fn execute(cx: &Call, input: &Value) -> Answer {
    let sql = input["Sql"].as_str().unwrap_or_default().to_string();
    submit(cx, input, vec![sql], false)
}

pub fn batch(cx: &Call, input: &Value) -> Answer {
    let sqls = input["Sqls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sqls: Vec<String> = sqls.iter().filter_map(Value::as_str).map(str::to_string).collect();
    if sqls.is_empty() || sqls.len() > BATCH_STATEMENTS {
        return Err(validation(format!(
            "Sqls must have between 1 and {BATCH_STATEMENTS} statements."
        )));
    }
    submit(cx, input, sqls, true)
}

fn submit(cx: &Call, input: &Value, sqls: Vec<String>, is_batch: bool) -> Answer {
    if sqls.iter().any(|sql| sql.trim().is_empty()) {
        return Err(validation("The SQL statement must not be empty."));
    }
    if sqls.iter().any(|sql| sql.len() > SQL_BYTES) {
        return Err(validation(format!(
            "The SQL statement is longer than {SQL_BYTES} bytes."
        )));
    }
    if let Some(token) = input["ClientToken"].as_str()
        && let Some((id, earlier)) = cx.get::<(String, Value)>(TOKENS, token)?
    {
        if earlier != *input {
            return Err(validation(
                "The client token was already used for a request with other parameters.",
            ));
        }
        return Ok(answer(&find(cx, &id)?.0));
    }
    let (target, session_id, keeps) = read_session(cx, input)?;
    let running = cx.cloud.part::<Running>();
    sweep(cx, &running)?;
    if running.stops().len() >= ACTIVE_STATEMENTS {
        return Err(Fault::bad(
            "ActiveStatementsExceededException",
            format!("Active statements exceeded the allowed quota ({ACTIVE_STATEMENTS})."),
        ));
    }
    let statement = Statement {
        id: uuid::Uuid::new_v4().to_string(),
        is_batch,
        name: input["StatementName"].as_str().map(str::to_string),
        cluster: target.cluster.clone(),
        workgroup: target.workgroup.clone(),
        database: target.database.clone(),
        db_user: target.db_user.clone(),
        secret_arn: target.secret_arn.clone(),
        session_id: session_id.clone(),
        parameters: read_parameters(input)?,
        format: input["ResultFormat"].as_str().unwrap_or("JSON").to_string(),
        created: cx.now,
        updated: cx.now,
        status: Status::Submitted,
        error: None,
        parts: sqls.into_iter().map(|sql| new_part(sql, cx.now)).collect(),
        pid: 1_073_741_824 + random_u64() % 1_000_000,
    };
    save(cx, &statement)?;
    let under_way = UnderWay {
        account: cx.account.clone(),
        region: cx.region.clone(),
        id: statement.id.clone(),
    };
    cx.shared().put(UNDER_WAY, &statement.id, &under_way)?;
    if let Some(token) = input["ClientToken"].as_str() {
        cx.put(TOKENS, token, &(&statement.id, input))?;
    }
    let shown = answer(&statement);
    let (reason, stopped) = watch::channel(None);
    let namespace_id = target.warehouse.namespace_id.clone();
    running
        .stops()
        .insert(statement.id.clone(), Stop { namespace_id, reason });
    let cloud = Arc::clone(cx.cloud);
    let session_id = session_id.filter(|_| keeps);
    cx.cloud.spawn(async move {
        let id = statement.id.clone();
        run(&cloud, &under_way, statement, target, session_id, stopped).await;
        running.stops().remove(&id);
    });
    Ok(shown)
}

fn new_part(sql: String, now: f64) -> Part {
    Part {
        sql,
        status: Status::Submitted,
        error: None,
        created: now,
        updated: now,
        has_result: false,
        rows: -1,
        bytes: -1,
        query_id: 0,
        pages: 0,
        columns: Vec::new(),
    }
}

fn answer(statement: &Statement) -> Value {
    let mut shown = Map::new();
    let mut set = |key: &str, value: Option<&String>| value.and_then(|value| shown.insert(key.into(), json!(value)));
    set("Id", Some(&statement.id));
    set("ClusterIdentifier", statement.cluster.as_ref());
    set("WorkgroupName", statement.workgroup.as_ref());
    set("Database", Some(&statement.database));
    set("DbUser", statement.db_user.as_ref());
    set("SecretArn", statement.secret_arn.as_ref());
    set("SessionId", statement.session_id.as_ref());
    shown.insert("CreatedAt".into(), json!(statement.created));
    shown.into()
}

fn read_parameters(input: &Value) -> Result<Vec<(String, String)>, Fault> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for given in input["Parameters"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let name = given["name"].as_str().unwrap_or_default();
        let value = given["value"].as_str().unwrap_or_default();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(validation(format!("The parameter name {name} is not valid.")));
        }
        if parameters.iter().any(|(known, _)| known == name) {
            return Err(validation(format!("The parameter {name} is given twice.")));
        }
        parameters.push((name.to_string(), value.to_string()));
    }
    Ok(parameters)
}

/// Returns the target, the session's id, and whether the session is to be kept: an existing one by its id, a new
/// one when the request wants to keep it.
fn read_session(cx: &Call, input: &Value) -> Result<(Target, Option<String>, bool), Fault> {
    let keep = input["SessionKeepAliveSeconds"].as_i64();
    if keep.is_some_and(|seconds| !(0..=86_400).contains(&seconds)) {
        return Err(validation("SessionKeepAliveSeconds must be between 0 and 86400."));
    }
    let members = ["ClusterIdentifier", "WorkgroupName", "Database", "DbUser", "SecretArn"];
    let Some(id) = input["SessionId"].as_str() else {
        let mut target = target::read(cx, input)?;
        let Some(seconds) = keep else {
            return Ok((target, None, false));
        };
        let id = uuid::Uuid::new_v4().to_string();
        let named: Map<String, Value> = members
            .iter()
            .filter_map(|key| Some(((*key).to_string(), input.get(*key)?.clone())))
            .collect();
        let keep_seconds = seconds as f64;
        let kept = KeptSession {
            target: named.into(),
            expires: cx.now + keep_seconds,
            keep_seconds,
        };
        cx.put(SESSIONS, &id, &kept)?;
        target.session_expires = kept.expires;
        return Ok((target, Some(id), true));
    };
    if let Some(key) = members.iter().find(|key| input.get(**key).is_some()) {
        return Err(validation(format!("{key} can't be specified with SessionId.")));
    }
    let kept: Option<KeptSession> = cx.get(SESSIONS, id)?;
    let Some(mut kept) = kept.filter(|kept| kept.expires > cx.now) else {
        return Err(validation(format!("Session {id} is not available.")));
    };
    kept.keep_seconds = keep.map_or(kept.keep_seconds, |seconds| seconds as f64);
    kept.expires = cx.now + kept.keep_seconds;
    cx.put(SESSIONS, id, &kept)?;
    if let Some(open) = cx.cloud.part::<Running>().sessions().get_mut(id) {
        open.expires = kept.expires;
    }
    let mut target = target::read(cx, &kept.target)?;
    target.session_expires = kept.expires;
    Ok((target, Some(id.to_string()), true))
}

/// Runs one statement from its submission to its end.
async fn run(
    cloud: &Arc<Cloud>,
    place: &UnderWay,
    statement: Statement,
    target: Target,
    session_id: Option<String>,
    mut stopped: watch::Receiver<Option<&'static str>>,
) {
    let write = |change: Box<dyn FnOnce(&mut Statement) + Send>| {
        let id = place.id.clone();
        cloud.write(Service::RedshiftData, &place.account, &place.region, move |cx| {
            let Some(mut statement) = cx.get::<Statement>(STATEMENTS, &id)? else {
                return Ok(());
            };
            if statement.status.is_over() {
                return Ok(());
            }
            statement.updated = cx.now;
            change(&mut statement);
            if statement.status.is_over() {
                cx.shared().delete(UNDER_WAY, &id)?;
            }
            save(cx, &statement)
        })
    };
    let start = |statement: &mut Statement| {
        statement.status = Status::Started;
        for part in &mut statement.parts {
            part.updated = statement.updated;
        }
        if let Some(part) = statement.parts.first_mut() {
            part.status = Status::Started;
        }
    };
    // A store that fails leaves the statement where it is; the next start of the cloud ends it.
    if write(Box::new(start)).await.is_err() {
        return;
    }
    let outcome = tokio::select! {
        outcome = perform(cloud, place, &statement, &target, session_id) => outcome,
        reason = async { stopped.wait_for(Option::is_some).await.ok().and_then(|reason| *reason) } => {
            let reason = reason.unwrap_or_default();
            // When a request cancelled the statement, this finds it over and changes nothing.
            let _ = write(Box::new(move |statement| end(statement, reason))).await;
            return;
        }
    };
    let Outcome { stored, failure } = outcome;
    let finish = move |statement: &mut Statement| {
        let now = statement.updated;
        let done = stored.len();
        for (part, stored) in statement.parts.iter_mut().zip(stored) {
            part.status = Status::Finished;
            part.query_id = 100_000 + random_u64() % 900_000_000;
            (part.has_result, part.rows, part.bytes) = (stored.has_result, stored.rows, stored.bytes);
            (part.pages, part.columns) = (stored.pages, stored.columns);
        }
        statement.status = if failure.is_some() {
            Status::Failed
        } else {
            Status::Finished
        };
        if let Some(failure) = failure {
            let message = failure.to_string();
            // What succeeded before the failure in a transaction did not happen either.
            let failed = done.min(statement.parts.len() - 1);
            for (at, part) in statement.parts.iter_mut().enumerate() {
                (part.has_result, part.rows, part.bytes, part.pages) = (false, -1, -1, 0);
                if at == failed {
                    part.status = Status::Failed;
                    part.error = Some(message.clone());
                } else {
                    part.status = Status::Aborted;
                    part.error = Some("Connection or an prior query failed.".into());
                }
            }
            statement.error = Some(message);
        }
        for part in &mut statement.parts {
            part.updated = now;
        }
    };
    let _ = write(Box::new(finish)).await;
}

/// Closes sessions whose time is over, and once in an hour removes statements that are no longer kept.
fn sweep(cx: &Call, running: &Running) -> Result<(), Fault> {
    running.sessions().retain(|_, open| open.expires > cx.now);
    {
        let mut swept = running.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if cx.now < *swept + SWEEP_SECONDS {
            return Ok(());
        }
        *swept = cx.now;
    }
    for (id, statement) in cx.list::<Statement>(STATEMENTS, "")? {
        if !statement.is_kept(cx.now) {
            results::remove(cx, &id)?;
            cx.delete(STATEMENTS, &id)?;
        }
    }
    for (id, kept) in cx.list::<KeptSession>(SESSIONS, "")? {
        if kept.expires <= cx.now {
            cx.delete(SESSIONS, &id)?;
        }
    }
    Ok(())
}

/// What the parts did, as far as they came, and why they went no further.
struct Outcome {
    stored: Vec<results::Stored>,
    failure: Option<SqlFailure>,
}

async fn perform(
    cloud: &Arc<Cloud>,
    place: &UnderWay,
    statement: &Statement,
    target: &Target,
    session_id: Option<String>,
) -> Outcome {
    let mut stored = Vec::new();
    let failure = match log_in_or_go_on(cloud, target, session_id).await {
        Ok(session) => {
            let mut session = session.lock().await;
            run_parts(cloud, place, statement, &mut session, &mut stored)
                .await
                .err()
        }
        Err(failure) => Some(failure),
    };
    Outcome { stored, failure }
}

/// Returns the session that an earlier statement kept, or a new one.
async fn log_in_or_go_on(
    cloud: &Arc<Cloud>,
    target: &Target,
    session_id: Option<String>,
) -> Result<Arc<tokio::sync::Mutex<Session>>, SqlFailure> {
    let running = cloud.part::<Running>();
    let kept = session_id
        .as_ref()
        .and_then(|id| running.sessions().get(id).map(|open| Arc::clone(&open.session)));
    if let Some(session) = kept {
        return Ok(session);
    }
    let session = Arc::new(tokio::sync::Mutex::new(log_in(cloud, target).await?));
    if let Some(id) = session_id {
        let namespace_id = target.warehouse.namespace_id.clone();
        let open = OpenSession {
            namespace_id,
            expires: target.session_expires,
            session: Arc::clone(&session),
        };
        running.sessions().insert(id, open);
    }
    Ok(session)
}

async fn run_parts(
    cloud: &Arc<Cloud>,
    place: &UnderWay,
    statement: &Statement,
    session: &mut Session,
    stored: &mut Vec<results::Stored>,
) -> Result<(), SqlFailure> {
    if statement.is_batch {
        session.run("BEGIN", &[]).await?;
    }
    for (at, part) in statement.parts.iter().enumerate() {
        let run = async {
            let live = session.run_live(&part.sql, &statement.parameters).await?;
            results::store(cloud, &place.account, &place.region, &place.id, at, live).await
        };
        match run.await {
            Ok(part) => stored.push(part),
            Err(failure) if !statement.is_batch => return Err(failure),
            Err(failure) => {
                // The failure that counts is the statement's, not that of the rollback after it.
                let _ = session.run("ROLLBACK", &[]).await;
                return Err(failure);
            }
        }
    }
    if statement.is_batch {
        session.run("COMMIT", &[]).await?;
    }
    Ok(())
}

/// Opens a session as the target's login.
pub async fn log_in(cloud: &Arc<Cloud>, target: &Target) -> Result<Session, SqlFailure> {
    let engine = cloud.part::<Engines>().engine(&target.warehouse).await?;
    match &target.login {
        Login::Refused(message) => Err(SqlFailure::new("28000", message.clone())),
        Login::User { name, superuser } => engine.session(&target.database, name, *superuser),
        Login::Existing { name } => {
            if !engine.has_user(&target.warehouse, name).await? {
                return Err(SqlFailure::new(
                    "28000",
                    format!("FATAL: user \"{name}\" does not exist"),
                ));
            }
            engine.session(&target.database, name, false)
        }
        Login::Password { name, password } => {
            if engine.password_is(name, password) != Some(true) {
                let message = format!("FATAL: password authentication failed for user \"{name}\"");
                return Err(SqlFailure::new("28000", message));
            }
            engine.session(&target.database, name, false)
        }
    }
}

pub fn cancel(cx: &Call, input: &Value) -> Answer {
    let id = input["Id"].as_str().unwrap_or_default();
    let (mut statement, _) = find(cx, id)?;
    if statement.status.is_over() {
        return Err(validation(format!(
            "Could not cancel a query that is already in {} state with ID: {id}",
            json!(statement.status).as_str().unwrap_or_default()
        )));
    }
    abort(cx, &mut statement, CANCELLED)?;
    if let Some(stop) = cx.cloud.part::<Running>().stops().get(&statement.id) {
        stop.reason.send_replace(Some(CANCELLED));
    }
    Ok(json!({ "Status": true }))
}

/// Ends a statement early.
fn end(statement: &mut Statement, reason: &str) {
    statement.status = Status::Aborted;
    statement.error = Some(reason.to_string());
    for part in statement.parts.iter_mut().filter(|part| !part.status.is_over()) {
        part.status = Status::Aborted;
        part.error = Some(reason.to_string());
        part.updated = statement.updated;
    }
}

fn abort(cx: &Call, statement: &mut Statement, reason: &str) -> Result<(), Fault> {
    statement.updated = cx.now;
    end(statement, reason);
    cx.shared().delete(UNDER_WAY, &statement.id)?;
    save(cx, statement)
}

/// A statement whose process ended cannot go on: its transaction was never committed.
pub fn abort_interrupted(cloud: &Arc<Cloud>) {
    let found = cloud.read(Service::RedshiftData, "", "", |cx| {
        cx.shared().list::<UnderWay>(UNDER_WAY, "")
    });
    for (_, place) in found.unwrap_or_default() {
        let cloud_inside = Arc::clone(cloud);
        cloud.spawn(async move {
            let id = place.id.clone();
            let abort_it = move |cx: &Call| match cx.get::<Statement>(STATEMENTS, &id)? {
                Some(mut statement) if !statement.status.is_over() => abort(
                    cx,
                    &mut statement,
                    "The statement was interrupted because the local cloud stopped",
                ),
                _ => cx.shared().delete(UNDER_WAY, &id).map(|_| ()),
            };
            let _ = cloud_inside
                .write(Service::RedshiftData, &place.account, &place.region, abort_it)
                .await;
        });
    }
}
