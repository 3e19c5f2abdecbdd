//! Account-wide odds and ends of Glue that clients read.

use serde_json::{Value, json};

use super::catalog;
use super::{Answer, Call, own_catalog, text, texts};

/// The catalog never lived in Athena, so there is nothing to import.
pub fn import_status(cx: &Call) -> Answer {
    Ok(json!({"ImportStatus": {"ImportCompleted": true, "ImportedBy": cx.arn("iam", "root")}}))
}

pub fn encryption_settings() -> Answer {
    Ok(json!({"DataCatalogEncryptionSettings": {
        "EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"},
        "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": false},
    }}))
}

/// No statistics are ever written here, so every column that exists has none.
pub fn column_statistics(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    catalog::table(cx, text(input, "DatabaseName"), text(input, "TableName"))?;
    let errors: Vec<Value> = texts(&input["ColumnNames"])
        .into_iter()
        .map(|name| {
            let error = json!({"ErrorCode": "EntityNotFoundException", "ErrorMessage": "Statistics do not exist for the column"});
            json!({"ColumnName": name, "Error": error})
        })
        .collect();
    Ok(json!({"ColumnStatisticsList": [], "Errors": errors}))
}
