//! The PostgreSQL wire protocol as Redshift speaks it: md5 login, start-up parameters nobody else knows, named
//! statements described without running them, text and binary values, cancel requests.

mod encode;
mod tls;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::tokenizer::Token;
use futures::{Sink, SinkExt, StreamExt};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::cancel::CancelHandler;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, PgWireServerHandlers, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::data::{NoData, ParameterDescription, RowDescription};
use pgwire::messages::extendedquery::{Describe, TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT};
use pgwire::messages::startup::{Authentication, ParameterStatus, SecretKey};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, SetOnce};

use crate::engine::Engine;
use crate::error::SqlError;
use crate::lexer::{self, Source};
use crate::session::{Answer, Column, Rows, Session, SessionOptions, Signals};
use encode::{data_rows, field, parameter};
pub use tls::Tls;

/// Who may log in. The engine's own users, made with CREATE USER, may always.
#[async_trait]
pub trait Login: Send + Sync {
    /// Returns the password that a user name has to prove, and which database user it then is.
    async fn credential(&self, user: &str) -> Option<Credential>;
}

#[derive(Clone, Debug)]
pub struct Credential {
    pub password: Password,
    /// The database user, which is created when it does not exist.
    pub user: String,
    pub superuser: bool,
}

#[derive(Clone, Debug)]
pub enum Password {
    Plain(String),
    /// `md5` and the digest of password and name, as PostgreSQL stores it.
    Md5(String),
}

impl Engine {
    /// Serves clients until the future is dropped, with TLS to those who ask for it.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        login: Arc<dyn Login>,
        tls: Option<Tls>,
    ) -> std::io::Result<()> {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (socket, _) = accepted?;
                    let door = Arc::new(Door {
                        engine: self.clone(),
                        login: login.clone(),
                        signals: Arc::default(),
                    });
                    let tls = tls.as_ref().map(|tls| tls.0.clone());
                    connections.spawn(async move {
                        let handlers = Arc::new(Handlers { door: door.clone() });
                        tokio::select! {
                            // A broken connection is its client's business alone.
                            _ = pgwire::tokio::process_socket(socket, tls, handlers) => {}
                            () = door.ended() => {}
                        }
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

struct Handlers {
    door: Arc<Door>,
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.door.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.door.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.door.clone()
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        self.door.clone()
    }
}

/// One connection's way in.
struct Door {
    engine: Arc<Engine>,
    login: Arc<dyn Login>,
    /// Of the session, once somebody has logged in.
    signals: Arc<SetOnce<Arc<Signals>>>,
}

impl Door {
    /// Waits until somebody else ends the connection.
    async fn ended(&self) {
        self.signals.wait().await.ended().await;
    }
}

/// What a connection carries between messages.
struct Connection {
    session: Mutex<Session>,
    /// The time zone that the client was told last.
    told: Mutex<String>,
}

/// A login that waits for its password.
struct Pending {
    expected: String,
    options: SessionOptions,
}

#[async_trait]
impl StartupHandler for Door {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(ref startup) => {
                protocol_negotiation(client, startup).await?;
                save_startup_parameters_to_metadata(client, startup);
                let name = client.metadata().get("user").cloned().unwrap_or_default();
                let database = client
                    .metadata()
                    .get("database")
                    .cloned()
                    .unwrap_or_else(|| self.engine.options.database.clone());
                let credential = match self.login.credential(&name).await {
                    Some(credential) => Some(credential),
                    None => self
                        .engine
                        .password_of(&name.to_lowercase())
                        .map(|password| Credential {
                            password: Password::Md5(password),
                            user: name.to_lowercase(),
                            superuser: false,
                        }),
                };
                let Some(credential) = credential else {
                    return Err(refused(&name));
                };
                let salt = RandomState::new().build_hasher().finish().to_le_bytes()[..4].to_vec();
                let expected = match &credential.password {
                    Password::Plain(password) => pgwire::api::auth::md5pass::hash_md5_password(&name, password, &salt),
                    Password::Md5(stored) => salted(stored, &salt),
                };
                let options = SessionOptions {
                    database,
                    user: credential.user,
                    superuser: credential.superuser,
                    settings: settings_of(client.metadata()),
                };
                client.session_extensions().insert(Pending { expected, options });
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                client
                    .send(PgWireBackendMessage::Authentication(Authentication::MD5Password(salt)))
                    .await?;
                Ok(())
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let password = message.into_password()?;
                let name = client.metadata().get("user").cloned().unwrap_or_default();
                let pending = client
                    .session_extensions()
                    .get::<Pending>()
                    .ok_or_else(|| refused(&name))?;
                if password.password != pending.expected {
                    return Err(refused(&name));
                }
                let session = self
                    .engine
                    .session(pending.options.clone())
                    .map_err(|error| fatal(&error))?;
                if let Some(signals) = self.engine.signals_of(session.id()) {
                    drop(self.signals.set(signals));
                }
                client.set_pid_and_secret_key(session.id() as i32, SecretKey::I32(secret(session.id())));
                let zone = session.zone_name();
                client.session_extensions().insert(Connection {
                    session: Mutex::new(session),
                    told: Mutex::new(zone.clone()),
                });
                finish_authentication(client, &Parameters { zone }).await
            }
            _ => Ok(()),
        }
    }
}

/// What the start-up message sets: parameters by their names, and `-c name=value` among the options.
fn settings_of(parameters: &HashMap<String, String>) -> Vec<(String, String)> {
    let options = parameters.get("options").map_or("", String::as_str);
    // A backslash keeps a blank in its word.
    let mut words = vec![String::new()];
    let mut rest = options.chars();
    while let Some(c) = rest.next() {
        match (c, words.last_mut()) {
            ('\\', Some(word)) => word.extend(rest.next()),
            (c, Some(word)) if !c.is_whitespace() => word.push(c),
            _ => words.push(String::new()),
        }
    }
    let given = words.into_iter().filter_map(|word| {
        let word = word.strip_prefix("-c").unwrap_or(&word).trim_start_matches("--");
        let (name, value) = word.split_once('=')?;
        Some((name.to_string(), value.to_string()))
    });
    let own = parameters
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "user" | "database" | "options" | "replication"))
        .map(|(name, value)| (name.clone(), value.clone()));
    own.chain(given).collect()
}

/// A cancel request has to know more than the process id. The key is derived, so that nothing has to be kept.
fn secret(session: u32) -> i32 {
    static KEYS: std::sync::OnceLock<RandomState> = std::sync::OnceLock::new();
    KEYS.get_or_init(RandomState::new).hash_one(session) as i32
}

fn salted(stored: &str, salt: &[u8]) -> String {
    let digest = stored.strip_prefix("md5").unwrap_or(stored);
    format!("md5{}", crate::functions::md5_hex(&[digest.as_bytes(), salt].concat()))
}

fn refused(name: &str) -> PgWireError {
    fatal(&SqlError::new(
        "28000",
        format!("password authentication failed for user \"{name}\""),
    ))
}

/// What a server says about itself. Drivers parse the version; anything but plain numbers breaks them.
struct Parameters {
    zone: String,
}

impl ServerParameterProvider for Parameters {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let fixed = [
            ("server_version", "8.0.2"),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
            ("TimeZone", &self.zone),
            ("is_superuser", "on"),
        ];
        let mut parameters: HashMap<String, String> = fixed
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        if let Some(user) = client.metadata().get("user") {
            parameters.insert("session_authorization".into(), user.clone());
        }
        if let Some(name) = client.metadata().get("application_name") {
            parameters.insert("application_name".into(), name.clone());
        }
        Some(parameters)
    }
}

#[async_trait]
impl CancelHandler for Door {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let session = request.pid as u32;
        // The same key arrives as four bytes or as a number, depending on the protocol's version.
        if request.secret_key.eq_value(&SecretKey::I32(secret(session))) {
            self.engine.cancel(session);
        }
    }
}

fn connection<C: ClientInfo>(client: &C) -> PgWireResult<Arc<Connection>> {
    client
        .session_extensions()
        .get::<Connection>()
        .ok_or_else(|| wire_error(&SqlError::internal("no session on this connection")))
}

#[async_trait]
impl SimpleQueryHandler for Door {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let connection = connection(client)?;
        let mut session = connection.session.lock().await;
        let answers = session.run_live(query, &[]).await;
        tell_zone(client, &session, &connection).await?;
        let answers = answers.map_err(|error| wire_error(&error))?;
        if answers.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        Ok(answers
            .into_iter()
            .map(|answer| respond(answer, &Format::UnifiedText))
            .collect())
    }
}

/// Tells the client about a time zone that was set, as PostgreSQL does.
async fn tell_zone<C>(client: &mut C, session: &Session, connection: &Connection) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin + Send + Sync,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let zone = session.zone_name();
    let mut told = connection.told.lock().await;
    if *told != zone {
        let status = ParameterStatus::new("TimeZone".into(), zone.clone());
        client.send(PgWireBackendMessage::ParameterStatus(status)).await?;
        *told = zone;
    }
    Ok(())
}

/// A statement that was parsed and described.
#[derive(Clone, Debug)]
pub struct Prepared {
    source: Arc<Source>,
    columns: Arc<Vec<Column>>,
    /// What each parameter was declared as, or what it is by where it stands.
    parameters: Arc<Vec<Type>>,
}

#[async_trait]
impl QueryParser for Door {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, client: &C, sql: &str, types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut sources = lexer::split(sql).map_err(|error| wire_error(&error))?;
        let source = match (sources.pop(), sources.is_empty()) {
            (None, _) => return Ok(None),
            (Some(source), true) => source,
            (Some(_), false) => {
                return Err(wire_error(&SqlError::syntax(
                    "cannot insert multiple commands into a prepared statement",
                )));
            }
        };
        let parameters = placeholders(&source);
        let dummies: Vec<Expr> = (0..parameters)
            .map(|index| encode::dummy(types.get(index).and_then(Option::as_ref)))
            .collect();
        let connection = connection(client)?;
        let mut session = connection.session.lock().await;
        let columns = session.describe(&source, &dummies).await;
        let declared = |index: usize| types.get(index).cloned().flatten();
        let inferred = match columns.is_ok() && (0..parameters).any(|index| declared(index).is_none()) {
            true => session.infer(&source, parameters).await,
            false => Vec::new(),
        };
        drop(session);
        let known = |index: usize| {
            let inferred = || Type::from_oid(inferred.get(index).copied().flatten()?.oid());
            declared(index).or_else(inferred).unwrap_or(Type::UNKNOWN)
        };
        match columns {
            Ok(columns) => Ok(Some(Prepared {
                source: Arc::new(source),
                columns: Arc::new(columns),
                parameters: Arc::new((0..parameters).map(known).collect()),
            })),
            Err(error) => {
                connection.session.lock().await.fail();
                Err(wire_error(&error))
            }
        }
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        Ok(statement.parameters.as_ref().clone())
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        let format = format.unwrap_or(&Format::UnifiedText);
        Ok(statement
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| field(column, format.format_for(index)))
            .collect())
    }
}

/// Returns the highest `$n` of a statement.
fn placeholders(source: &Source) -> usize {
    let number = |token: &Token| match token {
        Token::Placeholder(name) => name.trim_start_matches('$').parse().ok(),
        _ => None,
    };
    source
        .tokens
        .iter()
        .filter_map(|lexeme| number(&lexeme.token.token))
        .max()
        .unwrap_or(0)
}

#[async_trait]
impl ExtendedQueryHandler for Door {
    type Statement = Prepared;
    type QueryParser = Door;

    fn query_parser(&self) -> Arc<Door> {
        Arc::new(Door {
            engine: self.engine.clone(),
            login: self.login.clone(),
            signals: self.signals.clone(),
        })
    }

    async fn on_describe<C>(&self, client: &mut C, message: Describe) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT
            && let Some(Entry::Value(stored)) = client.portal_store().get_statement(name)
            && stored.statement.columns.is_empty()
        {
            // No rows at all are something else than rows without columns.
            let described = self.do_describe_statement(client, &stored).await?;
            let parameters = described.parameters.iter().map(Type::oid).collect();
            let parameters = PgWireBackendMessage::ParameterDescription(ParameterDescription::new(parameters));
            client.send(parameters).await?;
            client.send(PgWireBackendMessage::NoData(NoData::new())).await?;
            return Ok(());
        }
        if message.target_type == TARGET_TYPE_BYTE_PORTAL && client.portal_store().get_portal(name).is_none() {
            // As in PostgreSQL, what DECLARE made is a portal, too.
            let columns = connection(client)?.session.lock().await.cursor_columns(name);
            if let Some(columns) = columns {
                let fields = columns.iter().map(|column| (&field(column, FieldFormat::Text)).into());
                let description = RowDescription::new(fields.collect());
                client.send(PgWireBackendMessage::RowDescription(description)).await?;
                return Ok(());
            }
        }
        self._on_describe(client, message).await
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _max_rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut parameters = Vec::with_capacity(portal.parameters.len());
        for (index, bytes) in portal.parameters.iter().enumerate() {
            let declared = portal.statement.parameter_types.get(index).and_then(Option::as_ref);
            let binary = portal.parameter_format.is_binary(index);
            // Text takes the type it meets by itself; bytes have to be of the type that we said.
            let inferred = || portal.statement.statement.parameters.get(index).filter(|_| binary);
            let declared = declared.or_else(inferred);
            parameters.push(parameter(bytes.as_deref(), declared, binary).map_err(|error| wire_error(&error))?);
        }
        let connection = connection(client)?;
        let mut session = connection.session.lock().await;
        let answer = session
            .run_prepared(&portal.statement.statement.source, &parameters)
            .await;
        tell_zone(client, &session, &connection).await?;
        let answer = answer.map_err(|error| wire_error(&error))?;
        Ok(respond(answer, &portal.result_column_format))
    }
}

fn respond(answer: Answer, format: &Format) -> Response {
    let outcome = match answer {
        Answer::Rows(Rows { columns, batches }) => {
            let shown = shown(&columns, format);
            let format = format.clone();
            let rows = batches.flat_map(move |batch| match batch {
                Ok(batch) => futures::stream::iter(data_rows(columns.clone(), vec![batch], format.clone())).boxed(),
                Err(error) => futures::stream::iter([Err(wire_error(&error))]).boxed(),
            });
            let mut response = QueryResponse::new(shown, rows);
            response.set_command_tag("SELECT");
            return Response::Query(response);
        }
        Answer::Done(outcome) => outcome,
    };
    if outcome.columns.is_empty() {
        let tag = Tag::new(&outcome.tag);
        return match outcome.tag.as_str() {
            "BEGIN" => Response::TransactionStart(tag),
            "COMMIT" | "ROLLBACK" => Response::TransactionEnd(tag),
            _ => Response::Execution(tag),
        };
    }
    let command = outcome
        .tag
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end()
        .to_string();
    let shown = shown(&outcome.columns, format);
    let rows = data_rows(outcome.columns, outcome.batches, format.clone());
    let mut response = QueryResponse::new(shown, futures::stream::iter(rows));
    response.set_command_tag(&command);
    Response::Query(response)
}

fn shown(columns: &[Column], format: &Format) -> Arc<Vec<FieldInfo>> {
    let fields = columns
        .iter()
        .enumerate()
        .map(|(index, column)| field(column, format.format_for(index)));
    Arc::new(fields.collect())
}

fn information(severity: &str, error: &SqlError) -> Box<ErrorInfo> {
    let mut information = ErrorInfo::new(severity.into(), error.sqlstate.clone(), error.message.clone());
    information.detail.clone_from(&error.detail);
    information.hint.clone_from(&error.hint);
    information.position = error.position.map(|position| position.to_string());
    Box::new(information)
}

fn wire_error(error: &SqlError) -> PgWireError {
    // A terminated session has nobody to go on with.
    let severity = if error.sqlstate == "57P01" { "FATAL" } else { "ERROR" };
    PgWireError::UserError(information(severity, error))
}

fn fatal(error: &SqlError) -> PgWireError {
    PgWireError::UserError(information("FATAL", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_set_what_parameters_set() {
        let parameters = |options: &str| {
            let pairs = [("user", "me"), ("timezone", "UTC"), ("options", options)];
            pairs.map(|(name, value)| (name.to_string(), value.to_string())).into()
        };
        let set = settings_of(&parameters(r"-c search_path=a,\ b  --query_group=x -ctimezone=PST8 -x"));
        let set: Vec<_> = set.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            set,
            ["timezone=UTC", "search_path=a, b", "query_group=x", "timezone=PST8"]
        );
    }
}
