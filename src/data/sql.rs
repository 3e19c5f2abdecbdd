//! `sql`: statements run when their text changed.

use super::{Data, typed, warehouse};
use lakeform_engine::cloud::{CloudError, Meaning};
use lakeform_engine::{Fields, Kind};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Wanted {
    warehouse: String,
    run: Option<String>,
    file: Option<String>,
    undo: Option<String>,
    once: bool,
}

pub async fn make(data: &Data, fields: &Fields, again: bool) -> Result<Fields, CloudError> {
    let wanted: Wanted = typed(Kind::Sql, fields)?;
    if again && wanted.once {
        return Ok(BTreeMap::new());
    }
    let text = match (&wanted.run, &wanted.file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => {
            let path = data.folder.join(file);
            std::fs::read_to_string(&path).map_err(|error| {
                CloudError::new(
                    Meaning::Invalid,
                    format!("read `{}`", path.display()),
                    error.to_string(),
                )
            })?
        }
        (None, None) => {
            return Err(CloudError::new(
                Meaning::Invalid,
                "run SQL",
                "neither `run` nor `file` is given",
            ));
        }
    };
    for statement in warehouse::split(&text) {
        warehouse::run(&data.aws, &wanted.warehouse, None, statement).await?;
    }
    Ok(BTreeMap::new())
}

pub async fn delete(data: &Data, fields: &Fields) -> Result<(), CloudError> {
    let wanted: Wanted = typed(Kind::Sql, fields)?;
    let Some(undo) = &wanted.undo else { return Ok(()) };
    for statement in warehouse::split(undo) {
        match warehouse::run(&data.aws, &wanted.warehouse, None, statement).await {
            Ok(_) => {}
            Err(error) if error.meaning == Meaning::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
