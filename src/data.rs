//! The data work of a stack: generate and upload, crawl, external schemas, SQL, COPY. Each is a resource like any
//! other, so that a second apply has nothing to do. What the cloud cannot tell about them, the ledger's record does.

mod copy;
mod crawl;
pub mod dataset;
mod dbt;
mod external_schema;
pub mod folder;
pub mod manifest;
pub mod marks;
pub mod proof;
pub mod recipe;
mod sql;
mod upload;
pub mod warehouse;
pub mod workers;

use crate::door::Doors;
use futures::future::try_join_all;
use lakeform_aws::Aws;
use lakeform_engine::cloud::{Ask, CloudError, Create, Delete, Live, Meaning, Owner, Report, Sought, Update};
use lakeform_engine::journal::Record;
use lakeform_engine::{Fields, Kind, Value, value};
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// Does the data work.
pub struct Data {
    aws: Aws,
    /// The stack file's folder: where definitions and SQL files are.
    folder: PathBuf,
    /// Where dbt's own files go.
    home: PathBuf,
    pub doors: Doors,
}

impl Data {
    pub fn new(aws: Aws, folder: PathBuf, home: PathBuf, doors: Doors) -> Self {
        Self {
            aws,
            folder,
            home,
            doors,
        }
    }

    pub async fn read(&self, kind: Kind, asks: &[Ask]) -> Result<Vec<Option<Live>>, CloudError> {
        let reads = asks.iter().map(|ask| self.read_one(kind, ask));
        futures::future::try_join_all(reads).await
    }

    async fn read_one(&self, kind: Kind, ask: &Ask) -> Result<Option<Live>, CloudError> {
        match kind {
            Kind::Dataset => dataset::read(self, ask).await,
            Kind::Crawl => crawl::read(self, ask).await,
            Kind::ExternalSchema => external_schema::read(self, ask).await,
            // Nothing in the warehouse says which statements were run: the ledger's word is all there is.
            Kind::Sql | Kind::Copy | Kind::Dbt => Ok(ask.record.as_ref().map(|record| recorded(ask, record))),
            _ => Err(unsupported(kind, "read")),
        }
    }

    /// Data steps can be repeated, so only what an interrupted one left behind must be looked for: objects.
    pub async fn find(&self, sought: &[Sought]) -> Result<Vec<Option<Live>>, CloudError> {
        try_join_all(sought.iter().map(async |Sought { ask, owner }| match ask.address.kind {
            Kind::Dataset => dataset::found(self, ask, &owner.op).await,
            _ => Ok(None),
        }))
        .await
    }

    pub async fn create(&self, create: &Create, report: Report<'_>) -> Result<Live, CloudError> {
        self.make(&create.owner, &create.fields, None, report).await
    }

    pub async fn update(&self, update: &Update, report: Report<'_>) -> Result<Live, CloudError> {
        self.make(&update.owner, &update.fields, Some(&update.before), report)
            .await
    }

    async fn make(
        &self,
        owner: &Owner,
        fields: &Fields,
        before: Option<&Live>,
        report: Report<'_>,
    ) -> Result<Live, CloudError> {
        let mut fields = fields.clone();
        let outputs = match owner.address.kind {
            Kind::Dataset => dataset::make(self, owner, &mut fields, before, report).await?,
            Kind::Crawl => crawl::make(self, &fields, report).await?,
            Kind::ExternalSchema => external_schema::make(self, &fields).await?,
            Kind::Sql => sql::make(self, &fields, before.is_some()).await?,
            Kind::Copy => copy::make(self, &fields).await?,
            Kind::Dbt => dbt::make(self, owner, &fields, report).await?,
            kind => return Err(unsupported(kind, "make")),
        };
        if leaves_no_trace(owner.address.kind) {
            marks::set(self, &owner.address, &fields).await?;
        }
        Ok(Live {
            owner: Some(owner.clone()),
            ..Live::new(owner.address.to_string(), fields, outputs)
        })
    }

    /// What the cloud itself can tell of a step that no ledger remembers; `None` when it must be done again.
    pub async fn recover(&self, ask: &Ask) -> Result<Option<Live>, CloudError> {
        if !ask.fields.values().all(Value::is_known) {
            return Ok(None);
        }
        let kind = ask.address.kind;
        let outputs = match kind {
            Kind::Dataset => return dataset::read(self, ask).await,
            Kind::Crawl => crawl::recover(self, &ask.fields).await?,
            Kind::ExternalSchema => external_schema::is_there(self, &ask.fields).await?.then(Fields::new),
            kind if leaves_no_trace(kind) => marks::is_set(self, &ask.address, &ask.fields).await?.then(Fields::new),
            _ => return Err(unsupported(kind, "recover")),
        };
        Ok(outputs.map(|outputs| Live::new(ask.address.to_string(), ask.fields.clone(), outputs)))
    }

    pub async fn delete(&self, delete: &Delete, report: Report<'_>) -> Result<(), CloudError> {
        if leaves_no_trace(delete.owner.address.kind) {
            match marks::clear(self, &delete.owner.address, &delete.fields).await {
                Err(error) if error.meaning != Meaning::NotFound => return Err(error),
                _ => {}
            }
        }
        match delete.owner.address.kind {
            Kind::Dataset => dataset::delete(self, &delete.owner, &delete.fields, report).await,
            Kind::ExternalSchema => external_schema::delete(self, &delete.fields).await,
            Kind::Sql => sql::delete(self, &delete.fields).await,
            // A crawl's tables go with their database, loaded rows with their table, dbt's tables with the warehouse.
            Kind::Crawl | Kind::Copy | Kind::Dbt => Ok(()),
            kind => Err(unsupported(kind, "delete")),
        }
    }
}

/// Whether nothing in the warehouse says that the step was done.
fn leaves_no_trace(kind: Kind) -> bool {
    matches!(kind, Kind::Sql | Kind::Copy | Kind::Dbt)
}

/// What the ledger remembers, as what is live.
fn recorded(ask: &Ask, record: &Record) -> Live {
    Live::new(ask.address.to_string(), record.fields.clone(), record.outputs.clone())
}

/// Reads fields into a typed struct.
fn typed<T: DeserializeOwned>(kind: Kind, fields: &Fields) -> Result<T, CloudError> {
    value::read(fields).map_err(|error| {
        CloudError::new(
            Meaning::Invalid,
            format!("read the fields of a {kind}"),
            error.to_string(),
        )
    })
}

fn unsupported(kind: Kind, verb: &str) -> CloudError {
    CloudError::new(
        Meaning::Unsupported,
        format!("{verb} a {kind}"),
        format!("`{kind}` cannot be applied by this version"),
    )
}

#[cfg(test)]
mod tests;
