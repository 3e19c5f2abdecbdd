//! What ran in a warehouse, kept as marks on it: nothing inside tells which statements were run, and the state may be
//! lost one day.

use super::Data;
use lakeform_engine::cloud::CloudError;
use lakeform_engine::{Address, Fields, Value};
use sha2::{Digest, Sha256};

/// Marks a step as done with these fields.
pub async fn set(data: &Data, address: &Address, fields: &Fields) -> Result<(), CloudError> {
    match warehouse(fields) {
        Some(target) => {
            data.aws
                .mark(target, &address.to_string(), Some(&fingerprint(fields)))
                .await
        }
        None => Ok(()),
    }
}

/// Takes the mark of a step away.
pub async fn clear(data: &Data, address: &Address, fields: &Fields) -> Result<(), CloudError> {
    match warehouse(fields) {
        Some(target) => data.aws.mark(target, &address.to_string(), None).await,
        None => Ok(()),
    }
}

/// Whether the step was done with exactly these fields.
pub async fn is_set(data: &Data, address: &Address, fields: &Fields) -> Result<bool, CloudError> {
    let Some(target) = warehouse(fields) else {
        return Ok(false);
    };
    let marks = data.aws.marks(target).await?;
    Ok(marks.get(&address.to_string()) == Some(&fingerprint(fields)))
}

fn warehouse(fields: &Fields) -> Option<&str> {
    fields.get("warehouse").and_then(Value::as_text)
}

fn fingerprint(fields: &Fields) -> String {
    let text = serde_json::to_string(fields).expect("fields are plain data");
    digest(text.as_bytes())
}

/// What stands for a text in a mark or a field: the beginning of its SHA-256.
pub fn digest(bytes: &[u8]) -> String {
    let sum = Sha256::digest(bytes);
    sum.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}
