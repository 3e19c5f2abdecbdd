//! The crawler: lists a crawler's targets, classifies samples of their objects, groups them into tables and writes
//! the catalog. Everything but this file is free of the cloud: bytes in, tables out.

pub mod classify;
pub mod csv;
pub mod exclude;
pub mod grok;
pub mod group;
pub mod json;

mod columnar;
mod publish;
mod schema;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::services::glue::compiled_classifiers;
use crate::services::glue::crawlers::{self, End};
use crate::services::iam::{self, RoleProblem};
use crate::services::s3::objects::Objects;
use crate::services::s3::{self, Bytestore, ObjectEntry};
use crate::services::{Call, Cloud, Fault, Service};
use classify::{Bytes, Classifier};
use group::{Entry, FoundTable, Options, Reader, Target};
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
                    Err(error) => End {
                        status: "FAILED",
                        error: Some(error),
                        ..End::default()
                    },
                    Ok(found) => match publish::publish(cx, &crawler, found)? {
                        Ok(counts) => End {
                            status: "SUCCEEDED",
                            ..counts
                        },
                        Err(error) => End {
                            status: "FAILED",
                            error: Some(error),
                            ..End::default()
                        },
                    },
                };
                crawlers::finish(cx, &name, &end)
            })
            .await;
        if let Err(fault) = ended {
            // The catalog refused the write: the crawl failed, and says so.
            let name = crawl.name.clone();
            let end = End {
                status: "FAILED",
                error: Some(fault.message),
                ..End::default()
            };
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
        let (crawler, classifiers) = self
            .read(|cx| {
                let crawler = crawlers::find(cx, &self.name)?;
                let names = texts(&crawler["Classifiers"]);
                let classifiers = compiled_classifiers(cx, &names)?;
                Ok((crawler, classifiers))
            })
            .map_err(told)?;
        let options = options(&crawler);
        let mut plan = Plan {
            run: self.run.clone(),
            tables: Vec::new(),
            roots: Vec::new(),
        };
        for target in crawler["Targets"]["S3Targets"].as_array().into_iter().flatten() {
            let target = s3_target(target)?;
            plan.roots.push(format!("s3://{}/{}", target.bucket, target.prefix));
            let found = self.look_at(&crawler, &target, &classifiers, &options)?;
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
        options: &Options,
    ) -> Result<Vec<FoundTable>, String> {
        let role = crawler["Role"].as_str().unwrap_or_default();
        let bucket_arn = format!("arn:aws:s3:::{}", target.bucket);
        self.authorise(role, "s3:ListBucket", &bucket_arn, &[("s3:prefix", &target.prefix)])?;
        let owner = self
            .read(|cx| s3::bucket_owner(cx, &target.bucket))
            .map_err(|fault| fault.message)?;
        if owner.is_none() {
            return Err(format!(
                "The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket): {}",
                target.bucket
            ));
        }
        let stored = self.list(target)?;
        if let Some(first) = stored.values().find(|entry| entry.size > 0) {
            self.authorise(role, "s3:GetObject", &format!("{bucket_arn}/{}", first.key), &[])?;
        }
        let entries: Vec<Entry> = stored
            .values()
            .map(|entry| Entry {
                key: entry.key.clone(),
                size: entry.size,
            })
            .collect();
        let reader = StoreReader {
            objects: self.cloud.part::<Bytestore>().objects.clone(),
            stored: &stored,
        };
        group::tables(target, &entries, &reader, classifiers, options).map_err(|error| {
            format!(
                "reading an object of s3://{}/{} failed: {error}",
                target.bucket, target.prefix
            )
        })
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

    fn authorise(&self, role: &str, action: &str, resource: &str, context: &[(&str, &str)]) -> Result<(), String> {
        let allowed = self.read(|cx| {
            Ok(allows(
                cx,
                &self.name,
                role,
                &[iam::Wanted {
                    action,
                    resource,
                    context,
                }],
            ))
        });
        allowed.map_err(|fault| fault.message)?
    }
}

/// Says whether the crawler may act as the role and do this; the error is worded as AWS words it.
fn allows(cx: &Call, crawler: &str, role: &str, wanted: &[iam::Wanted]) -> Result<(), String> {
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
            let service = if action.starts_with("s3:") {
                "Amazon S3; Status Code: 403"
            } else {
                "AWSGlue; Status Code: 400"
            };
            let name = role.rsplit('/').next().unwrap_or(role);
            Err(format!(
                "User: arn:aws:sts::{}:assumed-role/{name}/AWS-Crawler is not authorized to perform: {action} on resource: \
                 {resource} because no identity-based policy allows the {action} action (Service: {service}; Error Code: \
                 AccessDenied)",
                cx.account
            ))
        }
        Err(RoleProblem::Unknown(fault)) => Err(fault.message),
    }
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
