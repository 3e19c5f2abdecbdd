//! Helpers that know the API, so that tests are input text and expected text.

use std::sync::Arc;

use lakeform_sql::{Engine, EngineOptions, Outcome, Session, SessionOptions, SqlError};

use crate::memory::MemoryLake;

pub struct World {
    pub dir: tempfile::TempDir,
    pub lake: Arc<MemoryLake>,
    pub engine: Arc<Engine>,
}

pub fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let lake = Arc::new(MemoryLake::default());
    let engine = open(&dir, &lake);
    World { dir, lake, engine }
}

pub fn open(dir: &tempfile::TempDir, lake: &Arc<MemoryLake>) -> Arc<Engine> {
    let options = EngineOptions {
        parallelism: 2,
        ..EngineOptions::default()
    };
    Engine::open(dir.path(), lake.clone(), options).unwrap()
}

impl World {
    pub fn session(&self) -> Session {
        session_of(&self.engine)
    }
}

pub fn session_of(engine: &Arc<Engine>) -> Session {
    let options = SessionOptions {
        database: "dev".into(),
        user: "awsuser".into(),
        superuser: true,
        settings: Vec::new(),
    };
    engine.session(options).unwrap()
}

/// Runs statements and returns the last one's rows, columns apart by `|`.
pub async fn rows(session: &mut Session, sql: &str) -> Vec<String> {
    match session.run(sql, &[]).await {
        Ok(outcomes) => text(outcomes.last().unwrap()),
        Err(error) => panic!("{sql}\n{} {error}", error.sqlstate),
    }
}

pub async fn tag(session: &mut Session, sql: &str) -> String {
    match session.run(sql, &[]).await {
        Ok(outcomes) => outcomes.last().unwrap().tag.clone(),
        Err(error) => panic!("{sql}\n{} {error}", error.sqlstate),
    }
}

pub async fn error(session: &mut Session, sql: &str) -> SqlError {
    match session.run(sql, &[]).await {
        Ok(outcomes) => panic!("{sql}\nshould fail, gave {}", outcomes.last().unwrap().tag),
        Err(error) => error,
    }
}

pub fn text(outcome: &Outcome) -> Vec<String> {
    let cell = |cell: &Option<lakeform_sql::Cell>| {
        cell.as_ref()
            .map_or_else(|| "null".to_string(), lakeform_sql::Cell::text)
    };
    outcome
        .rows()
        .iter()
        .map(|row| row.iter().map(cell).collect::<Vec<_>>().join("|"))
        .collect()
}

/// Returns names and types of a query's columns: `id int4, name varchar`.
pub async fn columns(session: &mut Session, sql: &str) -> String {
    let outcomes = session.run(sql, &[]).await.unwrap();
    let columns = outcomes.last().unwrap().columns.iter();
    columns
        .map(|column| format!("{} {}", column.name, column.type_name))
        .collect::<Vec<_>>()
        .join(", ")
}
