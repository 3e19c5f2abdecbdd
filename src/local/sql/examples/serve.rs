//! Serves a warehouse on a port, for trying clients by hand: `serve DIR PORT`. Any user logs in as the administrator
//! with the password `secret`. There is no data catalog and no bucket behind it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lakeform_sql::{
    Credential, Engine, EngineOptions, ExternalPartition, ExternalTable, Lake, LakeError, LakeErrorKind, Login,
    ObjectInfo, Password,
};

#[derive(Debug)]
struct NoLake;

fn none<T>() -> Result<T, LakeError> {
    Err(LakeError::new(
        LakeErrorKind::NoDatabase,
        "there is no data catalog behind this server",
    ))
}

#[async_trait]
impl Lake for NoLake {
    async fn database_exists(&self, _role: &str, _database: &str) -> Result<bool, LakeError> {
        Ok(false)
    }
    async fn create_database(&self, _role: &str, _database: &str) -> Result<(), LakeError> {
        none()
    }
    async fn drop_database(&self, _role: &str, _database: &str) -> Result<(), LakeError> {
        none()
    }
    async fn table(&self, _role: &str, _database: &str, _table: &str) -> Result<Option<ExternalTable>, LakeError> {
        none()
    }
    async fn tables(&self, _role: &str, _database: &str) -> Result<Vec<ExternalTable>, LakeError> {
        none()
    }
    async fn partitions(
        &self,
        _role: &str,
        _database: &str,
        _table: &str,
    ) -> Result<Vec<ExternalPartition>, LakeError> {
        none()
    }
    async fn create_table(&self, _role: &str, _database: &str, _table: &ExternalTable) -> Result<(), LakeError> {
        none()
    }
    async fn drop_table(&self, _role: &str, _database: &str, _table: &str) -> Result<(), LakeError> {
        none()
    }
    async fn add_partitions(
        &self,
        _role: &str,
        _database: &str,
        _table: &str,
        _partitions: &[ExternalPartition],
    ) -> Result<(), LakeError> {
        none()
    }
    async fn drop_partition(
        &self,
        _role: &str,
        _database: &str,
        _table: &str,
        _values: &[String],
    ) -> Result<(), LakeError> {
        none()
    }
    async fn list(&self, _role: &str, _bucket: &str, _prefix: &str) -> Result<Vec<ObjectInfo>, LakeError> {
        none()
    }
    async fn read(&self, _role: &str, _bucket: &str, _key: &str, _range: Range<u64>) -> Result<Bytes, LakeError> {
        none()
    }
}

struct Anyone;

#[async_trait]
impl Login for Anyone {
    async fn credential(&self, _user: &str) -> Option<Credential> {
        Some(Credential {
            password: Password::Plain("secret".into()),
            user: "awsuser".into(),
            superuser: true,
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (dir, port) = (
        args.next().ok_or("DIR is missing")?,
        args.next().ok_or("PORT is missing")?,
    );
    let engine = Engine::open(Path::new(&dir), Arc::new(NoLake), EngineOptions::default())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    engine.serve(listener, Arc::new(Anyone), None).await?;
    Ok(())
}
