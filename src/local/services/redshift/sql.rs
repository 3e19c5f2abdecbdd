//! The seam to the SQL crate: opens engines and sessions of it, and turns what it returns into what the Data API
//! keeps. The only file of the services that names its types.

use std::path::PathBuf;
use std::sync::Arc;

use lakeform_sql::{Answer, Cell, Column, EngineOptions, SessionOptions, SqlError};
use serde_json::{Value, json};

use super::super::{Call, Cloud};
use super::engines::{Engines, Warehouse};
use crate::lake::account_lake;

/// Why a statement failed, as Redshift words it.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlFailure {
    pub sqlstate: String,
    pub message: String,
}

impl SqlFailure {
    pub fn new(sqlstate: &str, message: impl Into<String>) -> SqlFailure {
        SqlFailure {
            sqlstate: sqlstate.to_string(),
            message: message.into(),
        }
    }
}

impl From<SqlError> for SqlFailure {
    fn from(error: SqlError) -> SqlFailure {
        let mut message = error.message;
        for (label, text) in [("Detail", error.detail), ("Hint", error.hint)] {
            if let Some(text) = text {
                message.push_str(&format!("\n  {label}: {text}"));
            }
        }
        if let Some(position) = error.position {
            message.push_str(&format!("\n  Position: {position}"));
        }
        SqlFailure {
            sqlstate: error.sqlstate,
            message,
        }
    }
}

impl std::fmt::Display for SqlFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A refused login ends the connection and says so itself.
        let label = if self.message.starts_with("FATAL") {
            ""
        } else {
            "ERROR: "
        };
        write!(formatter, "{label}{}", self.message)
    }
}

/// What one statement did.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// `ColumnMetadata` of the Data API; absent when the statement returns no rows.
    pub columns: Option<Vec<Value>>,
    /// Rows of fields as the Data API shows them.
    pub rows: Vec<Value>,
    /// Rows inserted, changed or deleted.
    pub affected: Option<u64>,
}

/// What one statement does; its rows come as they are asked for.
pub struct Live {
    /// As of [`Ran`].
    pub columns: Option<Vec<Value>>,
    /// As of [`Ran`].
    pub affected: Option<u64>,
    rows: Source,
}

enum Source {
    /// All of them, once.
    Kept(Vec<Value>),
    Coming(lakeform_sql::Rows),
}

impl Live {
    /// Returns some of the rows that are left; none when there are no more.
    pub async fn next(&mut self) -> Result<Vec<Value>, SqlFailure> {
        loop {
            match &mut self.rows {
                Source::Kept(rows) => return Ok(std::mem::take(rows)),
                Source::Coming(rows) => match rows.next().await {
                    None => self.rows = Source::Kept(Vec::new()),
                    Some(rows) => {
                        let rows: Vec<Value> = rows?.into_iter().map(shown_row).collect();
                        if !rows.is_empty() {
                            return Ok(rows);
                        }
                    }
                },
            }
        }
    }
}

/// The engine of one namespace.
pub struct Engine(Arc<lakeform_sql::Engine>);

/// One user's connection.
pub struct Session(lakeform_sql::Session);

impl Engine {
    pub async fn open(cloud: &Arc<Cloud>, warehouse: &Warehouse, folder: PathBuf) -> Result<Arc<Engine>, SqlFailure> {
        let namespace_id = warehouse.namespace_id.clone();
        let roles = move |cx: &Call| super::roles_of_namespace(cx, &namespace_id);
        let lake = account_lake(cloud, &warehouse.account, &warehouse.region, &warehouse.arn, roles);
        let options = EngineOptions {
            database: warehouse.database.clone(),
            admin: warehouse.admin.clone(),
            identifier: warehouse.namespace_id.clone(),
            ..EngineOptions::default()
        };
        let options = match cloud.part::<Engines>().memory() {
            Some(memory) => EngineOptions { memory, ..options },
            None => options,
        };
        // Opening reads the disk; a thread that may block does it.
        let opened = tokio::task::spawn_blocking(move || lakeform_sql::Engine::open(&folder, lake, options)).await;
        let engine =
            opened.map_err(|cause| SqlFailure::new("XX000", format!("opening the warehouse failed: {cause}")))?;
        Ok(Arc::new(Engine(engine?)))
    }

    /// The engine itself, for the wire server.
    pub fn inner(&self) -> &Arc<lakeform_sql::Engine> {
        &self.0
    }

    /// Returns whether this user's password, as the engine keeps it, is this one; `None` when the engine has no
    /// password of the user.
    pub fn password_is(&self, user: &str, password: &str) -> Option<bool> {
        let stored = self.0.password_of(user)?;
        Some(stored == format!("md5{:x}", md5::compute(format!("{password}{user}"))))
    }

    /// Returns whether the namespace has this database user.
    pub async fn has_user(&self, warehouse: &Warehouse, user: &str) -> Result<bool, SqlFailure> {
        let mut session = self.session(&warehouse.database, &warehouse.admin, true)?;
        let named = [("name".to_string(), user.to_string())];
        let ran = session
            .run("select 1 from pg_user where usename = :name", &named)
            .await?;
        Ok(ran.last().is_some_and(|ran| !ran.rows.is_empty()))
    }

    /// Starts a session of a user that has been authenticated.
    pub fn session(&self, database: &str, user: &str, superuser: bool) -> Result<Session, SqlFailure> {
        let options = SessionOptions {
            database: database.to_string(),
            user: user.to_string(),
            superuser,
            settings: Vec::new(),
        };
        Ok(Session(self.0.session(options)?))
    }
}

impl Session {
    /// Runs one or more statements, with the Data API's named parameters.
    pub async fn run(&mut self, sql: &str, parameters: &[(String, String)]) -> Result<Vec<Ran>, SqlFailure> {
        let outcomes = self.0.run(sql, parameters).await?;
        Ok(outcomes.iter().map(ran).collect())
    }

    /// Runs one SQL text. Of several statements in it the last one's result counts, as when a driver sends them.
    pub async fn run_live(&mut self, sql: &str, parameters: &[(String, String)]) -> Result<Live, SqlFailure> {
        let mut answers = self.0.run_live(sql, parameters).await?;
        Ok(match answers.pop() {
            Some(Answer::Rows(rows)) => Live {
                columns: Some(rows.columns.iter().map(shown_column).collect()),
                affected: None,
                rows: Source::Coming(rows),
            },
            done => {
                let Ran {
                    columns,
                    rows,
                    affected,
                } = match &done {
                    Some(Answer::Done(outcome)) => ran(outcome),
                    _ => Ran::default(),
                };
                Live {
                    columns,
                    affected,
                    rows: Source::Kept(rows),
                }
            }
        })
    }
}

fn ran(outcome: &lakeform_sql::Outcome) -> Ran {
    let has_rows = !outcome.columns.is_empty();
    Ran {
        columns: has_rows.then(|| outcome.columns.iter().map(shown_column).collect()),
        rows: match has_rows {
            true => outcome.rows().into_iter().map(shown_row).collect(),
            false => Vec::new(),
        },
        affected: outcome.affected,
    }
}

fn shown_column(column: &Column) -> Value {
    let characters = ["varchar", "bpchar", "text", "char"].contains(&column.type_name.as_str());
    let signed = ["int2", "int4", "int8", "numeric", "float4", "float8"].contains(&column.type_name.as_str());
    json!({
        "name": column.name,
        "label": column.name,
        "typeName": column.type_name,
        "nullable": i32::from(column.nullable),
        "length": column.length,
        "precision": column.precision,
        "scale": column.scale,
        "schemaName": column.schema_name,
        "tableName": column.table_name,
        "isCaseSensitive": characters,
        "isCurrency": false,
        "isSigned": signed,
    })
}

fn shown_row(row: Vec<Option<Cell>>) -> Value {
    row.into_iter().map(shown_field).collect()
}

fn shown_field(cell: Option<Cell>) -> Value {
    match cell {
        None => json!({ "isNull": true }),
        Some(Cell::Bool(value)) => json!({ "booleanValue": value }),
        Some(Cell::Int(value)) => json!({ "longValue": value }),
        Some(Cell::Float(value)) if value.is_finite() => json!({ "doubleValue": value }),
        // JSON has no such numbers; the protocol writes their names.
        Some(Cell::Float(value)) if value.is_nan() => json!({ "doubleValue": "NaN" }),
        Some(Cell::Float(value)) => json!({ "doubleValue": if value > 0.0 { "Infinity" } else { "-Infinity" } }),
        Some(Cell::Text(value)) => json!({ "stringValue": value }),
    }
}
