//! `dataset`: generated rows in a bucket. The manifest beside them, written last, says what is there.

use super::{Data, typed, upload};
use crate::project::{DatasetError, find_dataset};
use lakeform_datagen as datagen;
use lakeform_engine::cloud::{Ask, CloudError, Live, Meaning, Owner, Report};
use lakeform_engine::{Fields, Kind, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows of a fact table when nobody says how many.
pub const DEFAULT_ROWS: u64 = 10_000;

/// What was written, beside the data as `_lakeform/<address>.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub format_version: u32,
    pub address: String,
    pub definition: String,
    pub rows: u64,
    pub seed: u64,
    pub format: String,
    pub compression: String,
    /// Changes when the bytes change.
    pub fingerprint: String,
    pub prefix: String,
    pub tables: Vec<Table>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    pub folder: String,
    pub rows: u64,
    /// Names and catalog types, in order.
    pub columns: Vec<(String, String)>,
    pub objects: Vec<datagen::ObjectEntry>,
}

#[derive(Deserialize)]
struct Wanted {
    definition: String,
    bucket: String,
    prefix: String,
    rows: Option<u64>,
    seed: u64,
    format: String,
    compression: String,
}

fn manifest_key(prefix: &str, address: &str) -> String {
    // Outside the prefix, so that no crawler takes it for data.
    format!("_lakeform/{}{address}.json", prefix)
}

/// Where a manifest is and which version: the dataset's `fingerprint` output.
fn reference(bucket: &str, key: &str, fingerprint: &str) -> String {
    format!("s3://{bucket}/{key}#{fingerprint}")
}

/// Loads the manifest that a `fingerprint` output names.
pub async fn manifest_of(data: &Data, reference: &str) -> Result<Manifest, CloudError> {
    let doing = "read the dataset's manifest";
    let wrong = |reason: &str| CloudError::new(Meaning::Failed, doing, format!("`{reference}`: {reason}"));
    let (url, _) = reference.rsplit_once('#').ok_or_else(|| wrong("not a manifest"))?;
    let (bucket, key) = url
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| wrong("not a manifest"))?;
    load(data, bucket, key).await?.ok_or_else(|| wrong("it is gone"))
}

async fn load(data: &Data, bucket: &str, key: &str) -> Result<Option<Manifest>, CloudError> {
    let Some((bytes, _)) = data.aws.get_object(bucket, key).await? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        CloudError::new(
            Meaning::Failed,
            "read the dataset's manifest",
            format!("`s3://{bucket}/{key}`: {error}"),
        )
    })
}

/// The dataset as its manifest and the bucket's listing tell it.
pub async fn read(data: &Data, ask: &Ask) -> Result<Option<Live>, CloudError> {
    let text = |name: &str| ask.fields.get(name).and_then(Value::as_text);
    let (Some(bucket), Some(prefix)) = (text("bucket"), text("prefix")) else {
        return Ok(None);
    };
    let key = manifest_key(prefix, &ask.address.to_string());
    let Some(manifest) = load(data, bucket, &key).await? else {
        return Ok(None);
    };
    let present: BTreeMap<String, u64> = data
        .aws
        .list_objects(bucket, prefix)
        .await?
        .into_iter()
        .map(|object| (object.key, object.size))
        .collect();
    let missing = manifest
        .tables
        .iter()
        .flat_map(|table| &table.objects)
        .filter(|object| present.get(&object.key) != Some(&object.bytes))
        .count();
    if missing > 0 {
        // Made again as a whole: what is whole is not sent again.
        return Ok(None);
    }
    let fields = BTreeMap::from([
        ("definition".to_owned(), Value::text(&manifest.definition)),
        ("bucket".to_owned(), Value::text(bucket)),
        ("prefix".to_owned(), Value::text(prefix)),
        (
            "rows".to_owned(),
            Value::Int(i64::try_from(manifest.rows).unwrap_or(i64::MAX)),
        ),
        (
            "seed".to_owned(),
            Value::Int(i64::try_from(manifest.seed).unwrap_or(i64::MAX)),
        ),
        ("format".to_owned(), Value::text(&manifest.format)),
        ("compression".to_owned(), Value::text(&manifest.compression)),
    ]);
    Ok(Some(Live {
        id: ask.address.to_string(),
        fields,
        outputs: outputs(bucket, &key, &manifest),
        owner: None,
        status: None,
        extras: Vec::new(),
    }))
}

fn outputs(bucket: &str, key: &str, manifest: &Manifest) -> Fields {
    let targets = manifest
        .tables
        .iter()
        .map(|table| Value::Text(format!("s3://{bucket}/{}{}/", manifest.prefix, table.folder)))
        .collect();
    BTreeMap::from([
        ("targets".to_owned(), Value::List(targets)),
        ("manifest".to_owned(), Value::Text(format!("s3://{bucket}/{key}"))),
        (
            "fingerprint".to_owned(),
            Value::Text(reference(bucket, key, &manifest.fingerprint)),
        ),
    ])
}

/// Generates and uploads. Objects that are there already, byte for byte, are not sent again.
pub async fn make(data: &Data, owner: &Owner, fields: &mut Fields, report: Report<'_>) -> Result<Fields, CloudError> {
    let wanted: Wanted = typed(Kind::Dataset, fields)?;
    let rows = wanted.rows.unwrap_or(DEFAULT_ROWS);
    fields.insert("rows".to_owned(), Value::Int(i64::try_from(rows).unwrap_or(i64::MAX)));
    let plan = plan(data, &wanted, rows)?;
    let key = manifest_key(&wanted.prefix, &owner.address.to_string());
    let old = load(data, &wanted.bucket, &key).await?;
    let tables = upload::upload(&data.aws, plan.clone(), &wanted.bucket, &wanted.prefix, report).await?;
    let manifest = Manifest {
        format_version: 1,
        address: owner.address.to_string(),
        definition: wanted.definition.clone(),
        rows,
        seed: wanted.seed,
        format: wanted.format.clone(),
        compression: wanted.compression.clone(),
        fingerprint: plan.fingerprint().to_owned(),
        prefix: wanted.prefix.clone(),
        tables,
    };
    // Files of an earlier, larger run would still be crawled and counted.
    let kept: std::collections::BTreeSet<&str> = manifest
        .tables
        .iter()
        .flat_map(|table| &table.objects)
        .map(|object| object.key.as_str())
        .collect();
    let stale: Vec<String> = old
        .iter()
        .flat_map(|old| &old.tables)
        .flat_map(|table| &table.objects)
        .map(|object| object.key.clone())
        .filter(|key| !kept.contains(key.as_str()))
        .collect();
    if !stale.is_empty() {
        data.aws.delete_objects(&wanted.bucket, stale).await?;
    }
    let text = serde_json::to_vec_pretty(&manifest).expect("manifests are plain data");
    data.aws
        .put_object(&wanted.bucket, &key, text.into(), None, false)
        .await?;
    Ok(outputs(&wanted.bucket, &key, &manifest))
}

fn plan(data: &Data, wanted: &Wanted, rows: u64) -> Result<std::sync::Arc<datagen::Plan>, CloudError> {
    let doing = format!("generate `{}`", wanted.definition);
    let invalid = |message: String| CloudError::new(Meaning::Invalid, doing.clone(), message);
    let dataset = find_dataset(&data.folder, &wanted.definition).map_err(|error| match error {
        DatasetError::Missing => invalid("there is no such dataset".into()),
        DatasetError::Unreadable(error) => invalid(error.to_string()),
        DatasetError::Wrong { path, problems, .. } => invalid(format!(
            "`{}` has {} mistakes; `lakeform datagen --describe {}` shows them",
            path.display(),
            problems.len(),
            path.display()
        )),
    })?;
    let options = upload::options(rows, wanted.seed, &wanted.format, &wanted.compression).map_err(&invalid)?;
    let plan = dataset.plan(&options).map_err(|problems| {
        invalid(
            problems
                .iter()
                .map(|problem| problem.message.clone())
                .collect::<Vec<_>>()
                .join("; "),
        )
    })?;
    Ok(std::sync::Arc::new(plan))
}

/// Deletes what the manifest lists, and then the manifest.
pub async fn delete(data: &Data, fields: &Fields, report: Report<'_>) -> Result<(), CloudError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_text).unwrap_or_default();
    let (bucket, prefix) = (text("bucket"), text("prefix"));
    let manifests = data.aws.list_objects(bucket, &format!("_lakeform/{prefix}")).await?;
    for found in manifests {
        let Some(manifest) = load(data, bucket, &found.key).await? else {
            continue;
        };
        let keys: Vec<String> = manifest
            .tables
            .iter()
            .flat_map(|table| &table.objects)
            .map(|object| object.key.clone())
            .collect();
        let total = keys.len() as u64;
        for (index, chunk) in keys.chunks(1000).enumerate() {
            data.aws.delete_objects(bucket, chunk.to_vec()).await?;
            let done = (index as u64 * 1000 + chunk.len() as u64).min(total);
            report(lakeform_engine::cloud::Progress::Amount {
                done,
                total,
                unit: "objects",
            });
        }
        data.aws.delete_objects(bucket, vec![found.key]).await?;
    }
    Ok(())
}
