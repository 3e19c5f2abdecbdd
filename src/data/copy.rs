//! `copy`: loads objects from S3 into a table.

use super::warehouse::{self, literal};
use super::{Data, typed};
use lakeform_engine::cloud::CloudError;
use lakeform_engine::{Fields, Kind};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Wanted {
    warehouse: String,
    table: String,
    from: String,
    role: String,
    options: String,
}

/// Empties the table and loads it: a repeated copy leaves the rows once.
pub async fn make(data: &Data, fields: &Fields) -> Result<Fields, CloudError> {
    let wanted: Wanted = typed(Kind::Copy, fields)?;
    let table = &wanted.table;
    let copy = format!(
        "copy {table} from {} iam_role {} {}",
        literal(&wanted.from),
        literal(&wanted.role),
        wanted.options
    );
    for statement in [format!("truncate {table}"), copy] {
        warehouse::run(&data.aws, &wanted.warehouse, None, &statement).await?;
    }
    Ok(BTreeMap::new())
}
