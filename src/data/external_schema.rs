//! `external_schema`: a Redshift schema over a Glue database.

use super::warehouse::{self, identifier, literal};
use super::{Data, recorded, typed};
use lakeform_aws::Cell;
use lakeform_engine::cloud::{Ask, CloudError, Live, Meaning};
use lakeform_engine::{Fields, Kind, Value};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Wanted {
    name: String,
    warehouse: String,
    database: String,
    role: String,
}

/// Asks the warehouse whether the schema is there, and over which database.
pub async fn read(data: &Data, ask: &Ask) -> Result<Option<Live>, CloudError> {
    let Some(record) = &ask.record else { return Ok(None) };
    let wanted: Wanted = typed(Kind::ExternalSchema, &record.fields)?;
    let mut live = recorded(ask, record);
    match database(data, &wanted).await? {
        Found::Over(database) => {
            live.fields.insert("database".to_owned(), Value::Text(database));
        }
        Found::Nothing => return Ok(None),
        // As it was when somebody could last look.
        Found::Paused => {}
    }
    Ok(Some(live))
}

/// Whether the schema is there as wanted.
pub async fn is_there(data: &Data, fields: &Fields) -> Result<bool, CloudError> {
    let wanted: Wanted = typed(Kind::ExternalSchema, fields)?;
    Ok(database(data, &wanted).await? == Found::Over(wanted.database))
}

/// What a warehouse says of a schema.
#[derive(PartialEq)]
enum Found {
    /// It stands over this catalog database.
    Over(String),
    Nothing,
    /// It says nothing while it is paused.
    Paused,
}

async fn database(data: &Data, wanted: &Wanted) -> Result<Found, CloudError> {
    let sql = format!(
        "select databasename from svv_external_schemas where schemaname = {}",
        literal(&wanted.name)
    );
    let rows = match warehouse::ask(&data.aws, &wanted.warehouse, &sql).await {
        Ok(Some(answer)) => answer.rows,
        Ok(None) => return Ok(Found::Paused),
        Err(error) if error.meaning == Meaning::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    Ok(match rows.first().and_then(|row| row.first()) {
        Some(Cell::Text(database)) => Found::Over(database.clone()),
        _ => Found::Nothing,
    })
}

pub async fn make(data: &Data, fields: &Fields) -> Result<Fields, CloudError> {
    let wanted: Wanted = typed(Kind::ExternalSchema, fields)?;
    let sql = format!(
        "create external schema if not exists {} from data catalog database {} iam_role {}",
        identifier(&wanted.name),
        literal(&wanted.database),
        literal(&wanted.role)
    );
    warehouse::run(&data.aws, &wanted.warehouse, None, &sql).await?;
    Ok(BTreeMap::new())
}

pub async fn delete(data: &Data, fields: &Fields) -> Result<(), CloudError> {
    let wanted: Wanted = typed(Kind::ExternalSchema, fields)?;
    let sql = format!("drop schema if exists {} cascade", identifier(&wanted.name));
    match warehouse::run(&data.aws, &wanted.warehouse, None, &sql).await {
        Ok(_) => Ok(()),
        Err(error) if error.meaning == Meaning::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
