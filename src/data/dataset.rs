//! `dataset`: generated rows in a bucket. The manifest beside them, written last, says what is there.

use super::manifest::{Begun, Keys, Manifest, load, save};
use super::recipe::{Batches, Recipe, RecipeError};
use super::upload::{Target, copy_manifests, upload};
use super::workers::{Workers, all_threads};
use super::{Data, typed};
use crate::project::DatasetError;
use lakeform_aws::Aws;
use lakeform_engine::cloud::{Ask, CloudError, Live, Meaning, Owner, Progress, Report};
use lakeform_engine::{Fields, Kind, Value, value};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Objects deleted between two words of progress.
const DELETED_AT_ONCE: usize = 1000;

/// Where a dataset lies.
#[derive(Clone, Debug, Deserialize)]
pub struct Place {
    pub bucket: String,
    pub prefix: String,
    #[serde(skip)]
    pub address: String,
}

impl Place {
    /// Reads it from a dataset's fields.
    pub fn of(address: &str, fields: &Fields) -> Result<Self, CloudError> {
        if fields.get("bucket").and_then(Value::as_text).is_none() {
            let message = "the name of its bucket is not known yet";
            return Err(CloudError::new(Meaning::Invalid, format!("find {address}"), message));
        }
        let place: Place = typed(Kind::Dataset, fields)?;
        Ok(Self {
            address: address.to_owned(),
            ..place
        })
    }

    pub fn keys(&self) -> Keys {
        Keys::of(&self.prefix, &self.address)
    }
}

/// The dataset as its manifest and the bucket's listing tell it.
pub async fn read(data: &Data, ask: &Ask) -> Result<Option<Live>, CloudError> {
    // Where it was put, which the file may say otherwise by now.
    let fields = ask.record.as_ref().map_or(&ask.fields, |record| &record.fields);
    let Ok(place) = Place::of(&ask.address.to_string(), fields) else {
        return Ok(None);
    };
    let keys = place.keys();
    let Some(manifest) = load::<Manifest>(&data.aws, &place.bucket, &keys.manifest(None)).await? else {
        // A first run that was killed left its mark. Without a record, whoever left it, it was not this stack.
        return match &ask.record {
            Some(_) => Ok(load::<Begun>(&data.aws, &place.bucket, &keys.begun(None))
                .await?
                .map(|begun| unfinished(&place, &begun))),
            None => Ok(None),
        };
    };
    let (about, present) = futures::try_join!(
        data.aws.list_objects(&place.bucket, &keys.folder),
        data.aws.list_objects(&place.bucket, &place.prefix)
    )?;
    let present: BTreeMap<String, u64> = present.into_iter().map(|object| (object.key, object.size)).collect();
    let objects = manifest.objects().count();
    let whole = manifest
        .objects()
        .filter(|object| present.get(&object.key) == Some(&object.bytes))
        .count();
    let under_way = about
        .iter()
        .any(|object| object.key == keys.begun(None) || object.key.starts_with(&keys.parts()));
    let status = match (whole == objects, under_way) {
        (true, false) => None,
        (false, _) => Some(format!("pending: {whole} of {objects} files are as they were written")),
        (true, true) => Some("pending: a run has begun and not ended".to_owned()),
    };
    Ok(Some(Live {
        status,
        ..written(&place, &manifest)
    }))
}

/// What an interrupted create left: its mark, or its manifest when it came as far as taking the mark away.
pub async fn found(data: &Data, ask: &Ask, op: &str) -> Result<Option<Live>, CloudError> {
    let place = Place::of(&ask.address.to_string(), &ask.fields)?;
    let (bucket, keys) = (&place.bucket, place.keys());
    if let Some(manifest) = load::<Manifest>(&data.aws, bucket, &keys.manifest(None)).await?
        && manifest.op.as_deref() == Some(op)
    {
        return Ok(Some(written(&place, &manifest)));
    }
    let begun = load::<Begun>(&data.aws, bucket, &keys.begun(None)).await?;
    Ok(begun
        .filter(|begun| begun.op.as_deref() == Some(op))
        .map(|begun| unfinished(&place, &begun)))
}

fn written(place: &Place, manifest: &Manifest) -> Live {
    let fields = fields_of(place, &manifest.recipe);
    Live::new(&place.address, fields, outputs(place, manifest))
}

fn unfinished(place: &Place, begun: &Begun) -> Live {
    Live {
        status: Some("pending: a run has begun and not ended".to_owned()),
        ..Live::new(&place.address, fields_of(place, &begun.recipe), Fields::new())
    }
}

fn fields_of(place: &Place, recipe: &Recipe) -> Fields {
    let mut fields = value::write(recipe);
    fields.insert("bucket".to_owned(), Value::text(&place.bucket));
    fields.insert("prefix".to_owned(), Value::text(&place.prefix));
    fields
}

fn outputs(place: &Place, manifest: &Manifest) -> Fields {
    let (bucket, keys) = (&place.bucket, place.keys());
    let url = |key: &str| format!("s3://{bucket}/{key}");
    let targets = manifest
        .tables
        .iter()
        .map(|table| Value::Text(url(&format!("{}{}/", manifest.prefix, table.folder))))
        .collect();
    let key = keys.manifest(None);
    BTreeMap::from([
        ("targets".to_owned(), Value::List(targets)),
        ("manifest".to_owned(), Value::Text(url(&key))),
        ("copy_manifests".to_owned(), Value::Text(url(&keys.copy()))),
        (
            "fingerprint".to_owned(),
            Value::Text(format!("{}#{}", url(&key), manifest.fingerprint)),
        ),
    ])
}

/// Generates and uploads. What neither the file nor the command line says stays as it is live.
pub async fn make(
    data: &Data,
    owner: &Owner,
    fields: &mut Fields,
    before: Option<&Live>,
    report: Report<'_>,
) -> Result<Fields, CloudError> {
    for name in ["rows", "days"] {
        if let (None, Some(value)) = (fields.get(name), before.and_then(|live| live.fields.get(name))) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let recipe: Recipe = typed(Kind::Dataset, fields)?;
    let place = Place::of(&owner.address.to_string(), fields)?;
    fields.extend(fields_of(&place, &recipe));
    let batches = batches(&recipe, &data.folder, None)?;
    let filled = fill(
        &data.aws,
        &place,
        &recipe,
        batches,
        all_threads(),
        Some(&owner.op),
        report,
    )
    .await?;
    Ok(outputs(&place, &filled.manifest))
}

/// What [`fill`] did.
pub struct Filled {
    pub manifest: Manifest,
    /// How many files were there already, byte for byte.
    pub there: usize,
}

/// Brings the files of a recipe, or a share of them, into a bucket. The order is what makes a crash at any moment
/// harmless: the mark of a begun run, the data, the COPY manifests, the manifest, and only then the end of the mark.
/// `op` is the step whose work this is, if it is a step's.
pub async fn fill(
    aws: &Aws,
    place: &Place,
    recipe: &Recipe,
    batches: Batches,
    threads: usize,
    op: Option<&str>,
    report: Report<'_>,
) -> Result<Filled, CloudError> {
    let (bucket, keys) = (place.bucket.as_str(), place.keys());
    let part = batches.plans[0].options.part;
    let earlier = Earlier::read(aws, place, part).await?;
    let wanted: BTreeSet<String> = batches
        .files()
        .into_iter()
        .map(|at| &batches.file(at).key)
        .chain(batches.extras().iter().map(|(key, _)| key))
        .map(|key| format!("{}{key}", place.prefix))
        .collect();
    let mut begun = Begun::new(recipe, wanted.union(&earlier.begun).cloned().collect());
    begun.op = op.map(str::to_owned);
    save(aws, bucket, &keys.begun(part), &begun).await?;
    // Other shares are other machines' work, and may be under way right now.
    let ours = match part {
        None => earlier.begun.clone(),
        Some(_) => earlier.begun.intersection(&wanted).cloned().collect(),
    };
    let target = Target {
        aws,
        bucket,
        prefix: &place.prefix,
        keys: &keys,
        known: earlier.known(&batches.fingerprint),
        ours: &ours,
    };
    let workers = Workers::new(Arc::new(batches), threads);
    let uploaded = upload(&target, &workers, report).await?;
    let mut manifest = Manifest::new(recipe, workers.batches(), &place.prefix, uploaded.files);
    manifest.address.clone_from(&place.address);
    manifest.op = op.map(str::to_owned);
    if part.is_none() {
        // Files of an earlier, larger run would still be crawled and counted.
        let stale: Vec<String> = earlier
            .keys()
            .filter(|key| !wanted.contains(*key))
            .map(str::to_owned)
            .collect();
        delete_all(aws, bucket, stale, &|_| {}).await?;
        copy_manifests(&target, &manifest).await?;
    }
    save(aws, bucket, &keys.manifest(part), &manifest).await?;
    if part.is_none() {
        let about = aws
            .list_objects(bucket, &keys.folder)
            .await?
            .into_iter()
            .map(|object| object.key);
        let past = about.filter(|key| !keys.tells_of(key, &manifest)).collect();
        delete_all(aws, bucket, past, &|_| {}).await?;
    }
    Ok(Filled {
        manifest,
        there: uploaded.there,
    })
}

/// What earlier runs left.
struct Earlier {
    manifests: Vec<Manifest>,
    /// Keys that runs announced which have not been concluded.
    begun: BTreeSet<String>,
}

impl Earlier {
    /// A share looks at its own marks only; the run that joins them looks at all.
    async fn read(aws: &Aws, place: &Place, part: Option<(u64, u64)>) -> Result<Self, CloudError> {
        let (bucket, keys) = (place.bucket.as_str(), place.keys());
        let mut wanted = vec![keys.manifest(None), keys.begun(part)];
        match part {
            Some(_) => wanted.push(keys.manifest(part)),
            None => wanted.extend(
                aws.list_objects(bucket, &keys.parts())
                    .await?
                    .into_iter()
                    .map(|object| object.key),
            ),
        }
        let mut earlier = Earlier {
            manifests: Vec::new(),
            begun: BTreeSet::new(),
        };
        for key in wanted {
            if key.ends_with("begun.json") {
                let begun = load::<Begun>(aws, bucket, &key).await?;
                earlier.begun.extend(begun.into_iter().flat_map(|begun| begun.keys));
            } else {
                earlier.manifests.extend(load::<Manifest>(aws, bucket, &key).await?);
            }
        }
        Ok(earlier)
    }

    /// The lines of manifests that tell the same bytes.
    fn known(&self, fingerprint: &str) -> BTreeMap<String, lakeform_datagen::ObjectEntry> {
        self.manifests
            .iter()
            .filter(|manifest| manifest.fingerprint == fingerprint)
            .flat_map(Manifest::objects)
            .map(|object| (object.key.clone(), object.clone()))
            .collect()
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        let written = self
            .manifests
            .iter()
            .flat_map(Manifest::objects)
            .map(|object| object.key.as_str());
        written.chain(self.begun.iter().map(String::as_str))
    }
}

/// Plans a recipe's files; what is wrong is told as an error of a cloud step.
fn batches(recipe: &Recipe, folder: &Path, part: Option<(u64, u64)>) -> Result<Batches, CloudError> {
    let doing = format!("generate `{}`", recipe.definition);
    let invalid = |message: String| CloudError::new(Meaning::Invalid, doing.clone(), message);
    recipe.batches(folder, part).map_err(|error| match error {
        RecipeError::Value { message, hint, .. } => invalid(message).hint(hint),
        RecipeError::Definition(DatasetError::Missing) => invalid("there is no such dataset".into()),
        RecipeError::Definition(DatasetError::Unreadable(error)) => invalid(error.to_string()),
        RecipeError::Definition(DatasetError::Wrong { path, problems, .. }) => {
            let path = path.display();
            invalid(format!("`{path}` has {} mistakes", problems.len()))
                .hint(format!("`lakeform datagen --describe {path}` shows them"))
        }
        RecipeError::Asked { problems, .. } => {
            let said: Vec<String> = problems
                .iter()
                .map(|problem| format!("{}: {}", problem.message, problem.label))
                .collect();
            invalid(said.join("; "))
        }
    })
}

/// Deletes everything that manifests and begun runs tell of, and then what tells of it.
pub async fn delete(data: &Data, owner: &Owner, fields: &Fields, report: Report<'_>) -> Result<(), CloudError> {
    let (aws, place) = (&data.aws, Place::of(&owner.address.to_string(), fields)?);
    let (bucket, keys) = (place.bucket.as_str(), place.keys());
    let earlier = match Earlier::read(aws, &place, None).await {
        Err(error) if error.meaning == Meaning::NotFound => return Ok(()),
        earlier => earlier?,
    };
    let written: BTreeSet<String> = earlier.keys().map(str::to_owned).collect();
    delete_all(aws, bucket, written.into_iter().collect(), report).await?;
    let unfinished = aws.unfinished_uploads(bucket, &place.prefix).await?;
    for left in unfinished.into_iter().filter(|left| earlier.begun.contains(&left.key)) {
        aws.abort_upload(bucket, &left.key, &left.upload).await?;
    }
    let about = aws
        .list_objects(bucket, &keys.folder)
        .await?
        .into_iter()
        .map(|object| object.key);
    delete_all(aws, bucket, about.collect(), &|_| {}).await
}

async fn delete_all(aws: &Aws, bucket: &str, keys: Vec<String>, report: Report<'_>) -> Result<(), CloudError> {
    let total = keys.len() as u64;
    let mut done = 0;
    for chunk in keys.chunks(DELETED_AT_ONCE) {
        aws.delete_objects(bucket, chunk.to_vec()).await?;
        done += chunk.len() as u64;
        report(Progress::Amount {
            done,
            total,
            unit: "objects",
        });
    }
    Ok(())
}
