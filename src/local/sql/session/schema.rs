//! Databases and schemas, external ones among them.

use std::sync::Arc;

use super::ddl::no_database;
use super::{Outcome, Session};
use crate::catalog::{ExternalSource, Oid, Schema};
use crate::error::{Result, SqlError};

impl Session {
    pub(super) fn create_database(&mut self, name: &str, owner: Option<String>) -> Result<Outcome> {
        if self.in_block() {
            return Err(SqlError::new(
                "25001",
                "CREATE DATABASE cannot run inside a transaction block",
            ));
        }
        let owner = self.owner(owner.as_deref())?;
        let (oid, schema) = (self.engine.new_oid(), self.engine.new_oid());
        let work = self.work()?;
        if work.database(name).is_some() {
            return Err(SqlError::new("42P04", format!("database \"{name}\" already exists")));
        }
        work.databases.insert(
            oid,
            Arc::new(crate::catalog::Database {
                oid,
                name: name.into(),
                owner,
            }),
        );
        work.schemas
            .insert(schema, Arc::new(crate::engine::public_schema(schema, oid)));
        Ok(Outcome::command("CREATE DATABASE"))
    }

    pub(super) fn drop_database(&mut self, name: &str) -> Result<Outcome> {
        if self.in_block() {
            return Err(SqlError::new(
                "25001",
                "DROP DATABASE cannot run inside a transaction block",
            ));
        }
        let current = self.database;
        let work = self.work()?;
        let oid = work.database(name).ok_or_else(|| no_database(name))?.oid;
        if oid == current {
            return Err(SqlError::new("55006", "cannot drop the currently open database"));
        }
        let schemas: Vec<Oid> = work
            .schemas
            .values()
            .filter(|schema| schema.database == oid)
            .map(|schema| schema.oid)
            .collect();
        for schema in schemas {
            let relations: Vec<Oid> = work.relations_in(schema).map(|relation| relation.oid).collect();
            for relation in relations {
                work.remove_relation(relation);
            }
            work.schemas.remove(&schema);
        }
        work.databases.remove(&oid);
        Ok(Outcome::command("DROP DATABASE"))
    }

    pub(super) fn create_schema(
        &mut self,
        name: &str,
        if_not_exists: bool,
        owner: Oid,
        external: Option<ExternalSource>,
    ) -> Result<Outcome> {
        let database = self.database;
        let oid = self.engine.new_oid();
        let work = self.work()?;
        if work.schema(database, name).is_some() || matches!(name, "pg_catalog" | "information_schema") {
            if if_not_exists {
                return Ok(Outcome::command("CREATE SCHEMA"));
            }
            return Err(SqlError::new("42P06", format!("schema \"{name}\" already exists")));
        }
        if name.starts_with("pg_") {
            return Err(SqlError::new("42939", format!("unacceptable schema name \"{name}\""))
                .with_detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        let schema = Schema {
            oid,
            database,
            name: name.into(),
            owner,
            external,
            comment: None,
            grants: Vec::new(),
            temporary: false,
        };
        work.schemas.insert(oid, Arc::new(schema));
        Ok(Outcome::command("CREATE SCHEMA"))
    }

    pub(super) async fn create_external_schema(
        &mut self,
        name: &str,
        if_not_exists: bool,
        source: ExternalSource,
        create_database: bool,
    ) -> Result<Outcome> {
        let exists = self.tx()?.work.schema(self.database, name).is_some();
        if !exists {
            let present = self.engine.lake.database_exists(&source.role, &source.database).await?;
            if !present && create_database {
                self.engine.lake.create_database(&source.role, &source.database).await?;
            }
        }
        let owner = self.user;
        self.create_schema(name, if_not_exists, owner, Some(source))?;
        Ok(Outcome::command("CREATE SCHEMA"))
    }

    pub(super) fn alter_schema(
        &mut self,
        name: &str,
        rename: Option<String>,
        owner: Option<String>,
    ) -> Result<Outcome> {
        let database = self.database;
        let owner = owner.map(|owner| self.owner(Some(&owner))).transpose()?;
        let work = self.work()?;
        let mut schema = work
            .schema(database, name)
            .ok_or_else(|| SqlError::no_schema(name))?
            .as_ref()
            .clone();
        if let Some(rename) = rename {
            if work.schema(database, &rename).is_some() {
                return Err(SqlError::new("42P06", format!("schema \"{rename}\" already exists")));
            }
            schema.name = rename;
        }
        schema.owner = owner.unwrap_or(schema.owner);
        work.schemas.insert(schema.oid, Arc::new(schema));
        Ok(Outcome::command("ALTER SCHEMA"))
    }

    pub(super) async fn drop_schemas(
        &mut self,
        names: &[String],
        if_exists: bool,
        cascade: bool,
        drop_database: bool,
    ) -> Result<Outcome> {
        for name in names {
            let database = self.database;
            let Some(schema) = self.tx()?.work.schema(database, name).cloned() else {
                if if_exists {
                    continue;
                }
                return Err(SqlError::no_schema(name));
            };
            let members: Vec<Oid> = self
                .tx()?
                .work
                .relations_in(schema.oid)
                .map(|relation| relation.oid)
                .collect();
            if !members.is_empty() && !cascade {
                return Err(SqlError::new(
                    "2BP01",
                    format!("cannot drop schema {name} because other objects depend on it"),
                )
                .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            for oid in members {
                self.drop_with_dependents(oid, true).await?;
            }
            if let Some(source) = schema.external.as_ref().filter(|_| drop_database) {
                self.engine.lake.drop_database(&source.role, &source.database).await?;
            }
            self.work()?.schemas.remove(&schema.oid);
        }
        Ok(Outcome::command("DROP SCHEMA"))
    }
}
