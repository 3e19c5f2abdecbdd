//! The crawler: lists a crawler's targets, classifies samples of their objects, groups them into tables and writes
//! the catalog. Everything but this file is free of the cloud: bytes in, tables out.

pub mod classify;
pub mod csv;
pub mod exclude;
pub mod grok;
pub mod group;
pub mod json;

mod columnar;
mod log;
mod publish;
mod schema;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use serde_json::Value;

use crate::services::glue::crawlers::{self, End};
use crate::services::glue::{catalog, compiled_classifiers};
use crate::services::iam::{self, RoleProblem, Wanted};
use crate::services::s3::objects::Objects;
use crate::services::s3::{self, Bytestore, ObjectEntry};
use crate::services::{Call, Cloud, Fault, Service};
use classify::{Bytes, Classifier};
use group::{Entry, FoundTable, Options, Reader, Target};
pub use log::GROUP as LOG_GROUP;
use publish::Plan;

/// Rows read from the store at a time.
const PAGE: usize = 1000;

/// One crawl under way.
struct Crawl {
    cloud: Arc<Cloud>,
    account: String,
    region: String,
    name: String,
    run: String,
}

/// Runs a crawl in the background; `run` is the id under which the crawler document knows it.
pub fn spawn(cx: &Call, name: &str, run: &str) {
    let crawl = Crawl {
        cloud: Arc::clone(cx.cloud),
        account: cx.account.clone(),
        region: cx.region.clone(),
        name: name.to_owned(),
        run: run.to_owned(),
    };
    let started = cx.now;
    cx.cloud.spawn(async move {
        crawl.go(started).await;
    });
}

impl Crawl {
    async fn go(self, started: f64) {
        // The start may not be on disk yet; a write waits its turn behind it.
        let (name, run) = (self.name.clone(), self.run.clone());
        let known = self
            .write(move |cx| Ok(crawlers::find(cx, &name).is_ok_and(|crawler| crawler["_run"]["id"] == run.as_str())))
            .await;
        if !known.unwrap_or(false) {
            return;
        }
        let crawl = Arc::new(self);
        let working = Arc::clone(&crawl);
        let found = tokio::task::spawn_blocking(move || working.look()).await;
        let found = found.unwrap_or_else(|_| Err("Internal Service Exception".to_owned()));
        crawl.linger(started).await;
        let name = crawl.name.clone();
        let ended = crawl
            .write(move |cx| {
                let crawler = crawlers::find(cx, &name)?;
                let end = match found {
                    _ if crawler["_run"]["stopping"] == true => End {
                        status: "CANCELLED",
                        ..End::default()
                    },
                    Err(error) => End::failed(error),
                    Ok(plan) => publish::publish(cx, &crawler, plan)?.unwrap_or_else(End::failed),
                };
                log::write(cx, &crawler, &end)?;
                crawlers::finish(cx, &name, &end)
            })
            .await;
        if let Err(fault) = ended {
            // The catalog refused the write: the crawl failed, and says so.
            let name = crawl.name.clone();
            let end = End::failed(fault.message);
            let _ = crawl.write(move |cx| crawlers::finish(cx, &name, &end)).await;
        }
    }

    /// At the realistic pace a crawl takes as long as on AWS, unless it is stopped.
    async fn linger(&self, started: f64) {
        let until = started + self.cloud.pace.seconds(0.0, 45.0);
        while self.cloud.clock.now() < until {
            let stopping = self.read(|cx| Ok(crawlers::find(cx, &self.name)?["_run"]["stopping"] == true));
            if stopping.unwrap_or(true) {
                return;
            }
            self.cloud.clock.reach(until.min(self.cloud.clock.now() + 1.0)).await;
        }
    }

    fn read<R>(&self, read: impl FnOnce(&Call) -> Result<R, Fault>) -> Result<R, Fault> {
        self.cloud.read(Service::Glue, &self.account, &self.region, read)
    }

    async fn write<R: Send + 'static>(
        &self,
        write: impl FnOnce(&Call) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        self.cloud
            .write(Service::Glue, &self.account, &self.region, write)
            .await
    }

    /// Looks at all targets. The error is the crawl's message.
    fn look(&self) -> Result<Plan, String> {
        let told = |fault: Fault| fault.message;
        let (crawler, classifiers, known) = self
            .read(|cx| {
                let crawler = crawlers::find(cx, &self.name)?;
                let classifiers = compiled_classifiers(cx, &texts(&crawler["Classifiers"]))?;
                let known = Known::of(cx, &crawler)?;
                Ok((crawler, classifiers, known))
            })
            .map_err(told)?;
        let mut plan = Plan {
            run: self.run.clone(),
            tables: Vec::new(),
            roots: Vec::new(),
            known,
        };
        for target in crawler["Targets"]["S3Targets"].as_array().into_iter().flatten() {
            let target = s3_target(target)?;
            plan.roots.push(format!("s3://{}/{}", target.bucket, target.prefix));
            let found = self.look_at(&crawler, &target, &classifiers, &plan.known)?;
            for table in found {
                // Overlapping targets find the same table; the first keeps it.
                if !plan.tables.iter().any(|known| known.location == table.location) {
                    plan.tables.push(table);
                }
            }
        }
        Ok(plan)
    }

    fn look_at(
        &self,
        crawler: &Value,
        target: &Target,
        classifiers: &[Classifier],
        known: &Known,
    ) -> Result<Vec<FoundTable>, String> {
        let role = crawler["Role"].as_str().unwrap_or_default();
        let bucket_arn = format!("arn:aws:s3:::{}", target.bucket);
        let list = Wanted {
            action: "s3:ListBucket",
            resource: &bucket_arn,
            context: &[("s3:prefix", &target.prefix)],
        };
        self.authorise(role, &[list])?;
        self.own_bucket(&target.bucket)?;
        let stored = self.list(target)?;
        let entry = |entry: &ObjectEntry| Entry {
            key: entry.key.clone(),
            size: entry.size,
        };
        let mut entries = group::select(target, stored.values().map(entry).collect());
        entries.retain(|entry| !known.folders.contains(&place(&target.bucket, folder(&entry.key))));
        let arns: Vec<String> = entries
            .iter()
            .map(|entry| format!("{bucket_arn}/{}", entry.key))
            .collect();
        let reads: Vec<Wanted> = arns
            .iter()
            .map(|arn| Wanted {
                action: "s3:GetObject",
                resource: arn,
                context: &[],
            })
            .collect();
        self.authorise(role, &reads)?;
        let here = |place: &String| {
            place
                .strip_prefix(&format!("s3://{}/", target.bucket))
                .map(str::to_owned)
        };
        let options = Options {
            roots: known.tables.iter().filter_map(here).collect(),
            ..options(crawler)
        };
        let reader = StoreReader {
            objects: self.cloud.part::<Bytestore>().objects.clone(),
            stored: &stored,
        };
        group::tables(target, &entries, &reader, classifiers, &options).map_err(|error| match error.kind() {
            io::ErrorKind::Unsupported => format!("the local cloud does not read s3://{}/{error}", target.bucket),
            _ => format!("reading s3://{}/{error}", target.bucket),
        })
    }

    fn own_bucket(&self, bucket: &str) -> Result<(), String> {
        let owner = self
            .read(|cx| s3::bucket_owner(cx, bucket))
            .map_err(|fault| fault.message)?;
        let (what, status, code) = match owner {
            Some(owner) if owner == self.account => return Ok(()),
            Some(_) => ("Access Denied", 403, "AccessDenied"),
            None => ("The specified bucket does not exist", 404, "NoSuchBucket"),
        };
        Err(format!(
            "{what} (Service: Amazon S3; Status Code: {status}; Error Code: {code}): {bucket}"
        ))
    }

    fn list(&self, target: &Target) -> Result<BTreeMap<String, ObjectEntry>, String> {
        let mut found = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .read(|cx| s3::list_objects(cx, &target.bucket, &target.prefix, after.as_deref(), PAGE))
                .map_err(|fault| fault.message)?;
            let more = page.len() == PAGE;
            after = page.last().map(|entry| entry.key.clone());
            found.extend(page.into_iter().map(|entry| (entry.key.clone(), entry)));
            if !more {
                return Ok(found);
            }
        }
    }

    fn authorise(&self, role: &str, wanted: &[Wanted]) -> Result<(), String> {
        let allowed = self.read(|cx| Ok(allows(cx, &self.name, role, wanted)));
        allowed.map_err(|fault| fault.message)?
    }
}

/// What a crawler that looks at new folders only has seen before. It is read off the catalog, so that a folder whose
/// table or partition somebody dropped is new again.
#[derive(Default)]
pub struct Known {
    /// Folders whose objects are in a table or partition, as `s3://bucket/folder/`.
    folders: BTreeSet<String>,
    /// Folders that are tables.
    tables: BTreeSet<String>,
}

impl Known {
    fn of(cx: &Call, crawler: &Value) -> Result<Self, Fault> {
        let mut known = Self::default();
        if crawler["RecrawlPolicy"]["RecrawlBehavior"] != "CRAWL_NEW_FOLDERS_ONLY" {
            return Ok(known);
        }
        let database = publish::database_of(crawler);
        if catalog::get_database(cx, database)?.is_none() {
            return Ok(known);
        }
        let location = |document: &Value| text(&document["StorageDescriptor"]["Location"]);
        for table in catalog::tables(cx, database)? {
            if table["Parameters"]["UPDATED_BY_CRAWLER"] != crawler["Name"] {
                continue;
            }
            // A table may be one object; a partition is a folder, with a slash at its end or without.
            let root = folder(&location(&table)).to_owned();
            if table["PartitionKeys"].as_array().is_none_or(Vec::is_empty) {
                known.folders.insert(root.clone());
            }
            let partitions = catalog::partitions(cx, database, &text(&table["Name"]))?;
            let places = partitions.iter().map(location);
            known
                .folders
                .extend(places.map(|place| format!("{}/", place.trim_end_matches('/'))));
            known.tables.insert(root);
        }
        Ok(known)
    }

    /// There is nothing before the first crawl, which looks at everything.
    fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

/// The folder of an object, or the folder itself, with its slash.
fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |end| &path[..=end])
}

fn place(bucket: &str, folder: &str) -> String {
    format!("s3://{bucket}/{folder}")
}

/// Says whether the crawler may act as the role and do this; the error is worded as AWS words it.
fn allows(cx: &Call, crawler: &str, role: &str, wanted: &[Wanted]) -> Result<(), String> {
    let arn = crawlers::arn(cx, crawler);
    let caller = iam::Caller {
        service: "glue.amazonaws.com",
        source_arn: Some(&arn),
    };
    match iam::role_allows_from(cx, role, caller, wanted) {
        Ok(()) => Ok(()),
        Err(RoleProblem::Missing | RoleProblem::CannotAssume) => Err(format!(
            "Service is unable to assume provided role. Please verify role's TrustPolicy: {role}"
        )),
        Err(RoleProblem::Denied { action, resource }) => {
            let (service, code) = if action.starts_with("s3:") {
                ("Amazon S3; Status Code: 403", "AccessDenied")
            } else {
                ("AWSGlue; Status Code: 400", "AccessDeniedException")
            };
            let name = role.rsplit('/').next().unwrap_or(role);
            Err(format!(
                "User: arn:aws:sts::{}:assumed-role/{name}/AWS-Crawler is not authorized to perform: {action} on resource: \
                 {resource} because no identity-based policy allows the {action} action (Service: {service}; Error Code: \
                 {code})",
                cx.account
            ))
        }
        Err(RoleProblem::Unknown(fault)) => Err(fault.message),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn options(crawler: &Value) -> Options {
    let configuration = configuration(crawler);
    let grouping = &configuration["Grouping"];
    Options {
        combine: grouping["TableGroupingPolicy"] == "CombineCompatibleSchemas",
        table_level: grouping["TableLevelConfiguration"].as_u64().map(|level| level as usize),
        ..Options::default()
    }
}

/// Returns the JSON that a crawler carries as text; it was checked when it was set.
fn configuration(crawler: &Value) -> Value {
    crawler["Configuration"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn s3_target(target: &Value) -> Result<Target, String> {
    let path = target["Path"].as_str().unwrap_or_default();
    let address = path
        .strip_prefix("s3://")
        .ok_or_else(|| format!("S3 target path {path} is not valid"))?;
    let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
    let exclusions = texts(&target["Exclusions"])
        .iter()
        .map(|pattern| exclude::compile(pattern))
        .collect::<Result<_, _>>()?;
    Ok(Target {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        exclusions,
        sample_size: target["SampleSize"].as_u64().map(|size| size as usize),
    })
}

struct StoreReader<'s> {
    objects: Objects,
    stored: &'s BTreeMap<String, ObjectEntry>,
}

struct StoreBytes<'s> {
    objects: &'s Objects,
    entry: Option<&'s ObjectEntry>,
}

impl Reader for StoreReader<'_> {
    fn object<'o>(&'o self, entry: &Entry) -> Box<dyn Bytes + 'o> {
        Box::new(StoreBytes {
            objects: &self.objects,
            entry: self.stored.get(&entry.key),
        })
    }
}

impl Bytes for StoreBytes<'_> {
    fn read(&self, start: u64, limit: usize) -> std::io::Result<Vec<u8>> {
        let Some(entry) = self.entry else { return Ok(Vec::new()) };
        match self.objects.read(&entry.data, start..start + limit as u64) {
            Ok(bytes) => Ok(bytes.into()),
            // Deleted since the listing: as if it had been empty.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn size(&self) -> u64 {
        self.entry.map_or(0, |entry| entry.size)
    }
}

#[cfg(test)]
mod tests;
