//! Where names are looked for: the search path, schemas, relations.

use std::sync::Arc;

use super::Session;
use super::ddl::no_database;
use crate::catalog::{ExternalSource, PG_CATALOG, Relation, Schema};
use crate::error::{Result, SqlError};
use crate::utility::Name;

impl Session {
    /// Returns the schemas that an unqualified name is looked for in.
    pub(crate) fn search_path(&self) -> Vec<String> {
        let path = self.settings.get("search_path").map_or("$user, public", String::as_str);
        let user = self.tx().map(|tx| tx.work.user_name(self.user)).unwrap_or_default();
        path.split(',')
            .map(|part| part.trim().trim_matches(['"', '\'']))
            .map(|part| {
                if part == "$user" {
                    user.clone()
                } else {
                    part.to_lowercase()
                }
            })
            .collect()
    }

    pub(crate) fn current_schema_name(&self) -> String {
        let exists = |name: &String| self.find_schema(None, name).is_ok_and(|schema| schema.is_some());
        self.search_path().into_iter().find(exists).unwrap_or_default()
    }

    pub(crate) fn find_schema(&self, database: Option<&str>, name: &str) -> Result<Option<Arc<Schema>>> {
        let catalog = &self.tx()?.work;
        let database = match database {
            None => self.database,
            Some(name) => catalog.database(name).ok_or_else(|| no_database(name))?.oid,
        };
        Ok(catalog
            .schema(database, name)
            .filter(|schema| !schema.temporary || schema.oid == self.temp_schema)
            .cloned())
    }

    /// Returns the native table or view of a name.
    pub(crate) fn find_relation(&self, name: &Name) -> Result<Option<Arc<Relation>>> {
        let catalog = &self.tx()?.work;
        if let Some(schema) = &name.schema {
            let schema = self.find_schema(name.database.as_deref(), schema)?;
            return Ok(schema.and_then(|schema| catalog.relation(schema.oid, &name.name).cloned()));
        }
        if let Some(relation) = catalog.relation(self.temp_schema, &name.name) {
            return Ok(Some(relation.clone()));
        }
        for schema in self.search_path() {
            if let Some(schema) = self.find_schema(None, &schema)?
                && let Some(relation) = catalog.relation(schema.oid, &name.name)
            {
                return Ok(Some(relation.clone()));
            }
        }
        Ok(None)
    }

    /// Returns the external schema that a name's schema is.
    pub(crate) fn external_schema(&self, name: &Name) -> Result<Option<(String, ExternalSource)>> {
        let Some(schema) = &name.schema else { return Ok(None) };
        let schema = self.find_schema(name.database.as_deref(), schema)?;
        Ok(schema.and_then(|schema| schema.external.clone().map(|source| (schema.name.clone(), source))))
    }

    pub(crate) fn table_named(&self, name: &Name) -> Result<Arc<Relation>> {
        if self.external_schema(name)?.is_some() {
            return Err(SqlError::new(
                "0A000",
                format!("Operation not supported on external table {name}"),
            ));
        }
        let relation = self.find_relation(name)?.ok_or_else(|| match of_the_system(name) {
            true => SqlError::new(
                "42501",
                format!("permission denied: \"{}\" is a system catalog", name.name),
            ),
            false => SqlError::no_relation(name),
        })?;
        if relation.table().is_none() {
            return Err(SqlError::new("42809", format!("\"{}\" is a view", relation.name)));
        }
        Ok(relation)
    }

    /// Where a new relation of this name goes.
    pub(super) fn target_schema(&self, name: &Name, temporary: bool) -> Result<Arc<Schema>> {
        let catalog = &self.tx()?.work;
        if let Some(database) = &name.database
            && catalog.database(database).ok_or_else(|| no_database(database))?.oid != self.database
        {
            return Err(SqlError::unsupported("writing to another database"));
        }
        if of_the_system(name) && name.schema.is_some() {
            return Err(
                SqlError::new("42501", format!("permission denied to create \"{name}\""))
                    .with_detail("System catalog modifications are currently disallowed."),
            );
        }
        if temporary {
            return catalog
                .schemas
                .get(&self.temp_schema)
                .cloned()
                .ok_or_else(|| SqlError::internal("no temporary schema"));
        }
        let schema = name.schema.clone().unwrap_or_else(|| self.current_schema_name());
        let found = self
            .find_schema(None, &schema)?
            .ok_or_else(|| SqlError::no_schema(&schema))?;
        if found.external.is_some() || found.oid == PG_CATALOG {
            return Err(SqlError::new(
                "0A000",
                format!("cannot create a native relation in external schema \"{schema}\""),
            ));
        }
        Ok(found)
    }
}

/// Whether a name is the catalog's own.
fn of_the_system(name: &Name) -> bool {
    match name.schema.as_deref() {
        Some(schema) => matches!(schema, "pg_catalog" | "information_schema"),
        None => name.name.starts_with("pg_"),
    }
}
