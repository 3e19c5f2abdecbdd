//! What Redshift sees of the rest of the account: the data catalog and the objects of buckets, each call authorised
//! as the IAM role that a statement names. This is the SQL engine's only way to either.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use lakeform_sql::{ExternalPartition, ExternalTable, Lake, LakeError, LakeErrorKind, ObjectInfo};
use serde_json::{Map, Value, json};

use crate::services::glue::catalog;
use crate::services::iam::{self, Caller, RoleProblem, Wanted};
use crate::services::s3::{self, Bytestore};
use crate::services::{Call, Cloud, Fault, Service};

type Answer<T> = Result<T, LakeError>;

/// A scan reads one object in many pieces: what was allowed a moment ago is not worked out again.
const REMEMBERED: Duration = Duration::from_millis(500);
/// Rows read from the store at a time.
const PAGE: usize = 1000;

/// The roles a cluster or workgroup may use.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    /// ARNs.
    pub attached: Vec<String>,
    /// What `iam_role default` stands for.
    pub default: Option<String>,
}

type RolesOf = dyn Fn(&Call) -> Result<Roles, Fault> + Send + Sync;

/// The lake as one cluster sees it.
pub struct AccountLake {
    cloud: Weak<Cloud>,
    account: String,
    region: String,
    arn: String,
    roles: Box<RolesOf>,
    allowed: Mutex<HashMap<(String, String, String), Instant>>,
}

/// Returns the lake of a cluster or workgroup with this ARN; `roles` is asked anew for each call.
pub fn account_lake(
    cloud: &Arc<Cloud>,
    account: &str,
    region: &str,
    arn: &str,
    roles: impl Fn(&Call) -> Result<Roles, Fault> + Send + Sync + 'static,
) -> Arc<dyn Lake> {
    Arc::new(AccountLake {
        cloud: Arc::downgrade(cloud),
        account: account.to_owned(),
        region: region.to_owned(),
        arn: arn.to_owned(),
        roles: Box::new(roles),
        allowed: Mutex::default(),
    })
}

impl fmt::Debug for AccountLake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountLake")
            .field("arn", &self.arn)
            .finish_non_exhaustive()
    }
}

fn error(kind: LakeErrorKind, message: impl Into<String>) -> LakeError {
    LakeError::new(kind, message)
}

fn failed(fault: Fault) -> LakeError {
    let kind = match fault.code.as_str() {
        "EntityNotFoundException" if fault.message.starts_with("Database") => LakeErrorKind::NoDatabase,
        "EntityNotFoundException" => LakeErrorKind::NoTable,
        "AlreadyExistsException" => LakeErrorKind::AlreadyExists,
        "NoSuchBucket" => LakeErrorKind::NoBucket,
        _ => LakeErrorKind::Failed,
    };
    error(kind, fault.message)
}

/// One thing that a call needs to be allowed.
struct Need {
    action: &'static str,
    resource: String,
    prefix: Option<String>,
}

impl AccountLake {
    fn cloud(&self) -> Answer<Arc<Cloud>> {
        self.cloud
            .upgrade()
            .ok_or_else(|| error(LakeErrorKind::Failed, "the local cloud is closing"))
    }

    fn read<R>(&self, read: impl FnOnce(&Call) -> Answer<R>) -> Answer<R> {
        let outcome = self
            .cloud()?
            .read(Service::Glue, &self.account, &self.region, |cx| Ok(read(cx)));
        outcome.map_err(failed)?
    }

    async fn write(
        &self,
        role: &str,
        needs: Vec<Need>,
        write: impl FnOnce(&Call) -> Result<(), Fault> + Send + 'static,
    ) -> Answer<()> {
        self.read(|cx| self.allow(cx, role, &needs))?;
        self.cloud()?
            .write(Service::Glue, &self.account, &self.region, write)
            .await
            .map_err(failed)
    }

    /// Returns the role's ARN if it is attached to this cluster.
    fn role(&self, cx: &Call, named: &str) -> Answer<String> {
        let roles = (self.roles)(cx).map_err(failed)?;
        if named.eq_ignore_ascii_case("default") {
            let message = "The default IAM role is not set for this cluster";
            return roles.default.ok_or_else(|| error(LakeErrorKind::NoRole, message));
        }
        if named.contains(',') {
            return Err(error(
                LakeErrorKind::Failed,
                "the local cloud does not implement chained IAM roles",
            ));
        }
        if roles.attached.iter().any(|attached| attached == named) {
            return Ok(named.to_owned());
        }
        Err(self.cannot_assume(named))
    }

    fn cannot_assume(&self, role: &str) -> LakeError {
        let message = format!("User {} is not authorized to assume IAM Role {role}", self.arn);
        error(LakeErrorKind::NoRole, message)
    }

    fn allow(&self, cx: &Call, named: &str, needs: &[Need]) -> Answer<()> {
        let role = self.role(cx, named)?;
        let now = Instant::now();
        for need in needs {
            let resource = match &need.prefix {
                Some(prefix) => format!("{}\0{prefix}", need.resource),
                None => need.resource.clone(),
            };
            let question = (role.clone(), need.action.to_owned(), resource);
            let known = self
                .remembered()
                .get(&question)
                .is_some_and(|at| now.duration_since(*at) < REMEMBERED);
            if known {
                continue;
            }
            self.ask(cx, &role, need)?;
            let mut remembered = self.remembered();
            if remembered.len() > 10_000 {
                remembered.clear();
            }
            remembered.insert(question, now);
        }
        Ok(())
    }

    fn ask(&self, cx: &Call, role: &str, need: &Need) -> Answer<()> {
        let context: Vec<(&str, &str)> = need
            .prefix
            .iter()
            .map(|prefix| ("s3:prefix", prefix.as_str()))
            .collect();
        let wanted = [Wanted {
            action: need.action,
            resource: &need.resource,
            context: &context,
        }];
        // A workgroup's role trusts either name of the service.
        let serverless = self.arn.contains(":redshift-serverless:");
        let principals: &[&str] = if serverless {
            &["redshift-serverless.amazonaws.com", "redshift.amazonaws.com"]
        } else {
            &["redshift.amazonaws.com"]
        };
        let mut outcome = Err(RoleProblem::Missing);
        for service in principals {
            outcome = iam::role_allows_from(
                cx,
                role,
                Caller {
                    service,
                    source_arn: Some(&self.arn),
                },
                &wanted,
            );
            if !matches!(outcome, Err(RoleProblem::CannotAssume)) {
                break;
            }
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(RoleProblem::Missing | RoleProblem::CannotAssume) => Err(self.cannot_assume(role)),
            Err(RoleProblem::Unknown(fault)) => Err(failed(fault)),
            Err(RoleProblem::Denied { action, .. }) if action.starts_with("s3:") => {
                let message = format!(
                    "S3ServiceException:Access Denied,Status 403,Error AccessDenied ({action} on {})",
                    need.resource
                );
                Err(error(LakeErrorKind::Denied, message))
            }
            Err(RoleProblem::Denied { action, resource }) => {
                let name = role.rsplit('/').next().unwrap_or(role);
                let message = format!(
                    "User: arn:aws:sts::{}:assumed-role/{name}/RedshiftIamRoleSession is not authorized to perform: {action} \
                     on resource: {resource} because no identity-based policy allows the {action} action",
                    cx.account
                );
                Err(error(LakeErrorKind::Denied, message))
            }
        }
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String, String), Instant>> {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn glue(&self, resource: &str) -> String {
        format!("arn:aws:glue:{}:{}:{resource}", self.region, self.account)
    }

    /// Glue asks for a permission on everything from the catalog down to the thing itself.
    fn needs(&self, action: &'static str, database: &str, table: Option<&str>) -> Vec<Need> {
        let database = catalog::fold(database);
        let mut resources = vec![self.glue("catalog"), self.glue(&format!("database/{database}"))];
        resources.extend(table.map(|table| self.glue(&format!("table/{database}/{}", catalog::fold(table)))));
        resources
            .into_iter()
            .map(|resource| Need {
                action,
                resource,
                prefix: None,
            })
            .collect()
    }
}

#[async_trait]
impl Lake for AccountLake {
    async fn database_exists(&self, role: &str, database: &str) -> Answer<bool> {
        self.read(|cx| {
            self.allow(cx, role, &self.needs("glue:GetDatabase", database, None))?;
            Ok(catalog::get_database(cx, database).map_err(failed)?.is_some())
        })
    }

    async fn create_database(&self, role: &str, database: &str) -> Answer<()> {
        let input = json!({"Name": catalog::fold(database)});
        let needs = self.needs("glue:CreateDatabase", database, None);
        self.write(role, needs, move |cx| catalog::create_database(cx, &input))
            .await
    }

    async fn drop_database(&self, role: &str, database: &str) -> Answer<()> {
        let name = database.to_owned();
        let needs = self.needs("glue:DeleteDatabase", database, None);
        let drop_all = move |cx: &Call| {
            catalog::database(cx, &name)?;
            catalog::delete_database(cx, &name)
        };
        self.write(role, needs, drop_all).await
    }

    async fn table(&self, role: &str, database: &str, table: &str) -> Answer<Option<ExternalTable>> {
        self.read(|cx| {
            self.allow(cx, role, &self.needs("glue:GetTable", database, Some(table)))?;
            catalog::database(cx, database).map_err(failed)?;
            Ok(catalog::get_table(cx, database, table)
                .map_err(failed)?
                .map(|table| external(&table)))
        })
    }

    async fn tables(&self, role: &str, database: &str) -> Answer<Vec<ExternalTable>> {
        self.read(|cx| {
            self.allow(cx, role, &self.needs("glue:GetTables", database, Some("*")))?;
            catalog::database(cx, database).map_err(failed)?;
            Ok(catalog::tables(cx, database)
                .map_err(failed)?
                .iter()
                .map(external)
                .collect())
        })
    }

    async fn partitions(&self, role: &str, database: &str, table: &str) -> Answer<Vec<ExternalPartition>> {
        self.read(|cx| {
            self.allow(cx, role, &self.needs("glue:GetPartitions", database, Some(table)))?;
            catalog::table(cx, database, table).map_err(failed)?;
            let found = catalog::partitions(cx, database, table).map_err(failed)?;
            let shown = |partition: &Value| ExternalPartition {
                values: texts(&partition["Values"]),
                location: text(&partition["StorageDescriptor"]["Location"]),
            };
            Ok(found.iter().map(shown).collect())
        })
    }

    async fn create_table(&self, role: &str, database: &str, table: &ExternalTable) -> Answer<()> {
        let needs = self.needs("glue:CreateTable", database, Some(&table.name));
        let (database, input) = (database.to_owned(), table_input(table));
        let by = self.arn.clone();
        self.write(role, needs, move |cx| {
            catalog::create_table(cx, &database, &input, &by).map(drop)
        })
        .await
    }

    async fn drop_table(&self, role: &str, database: &str, table: &str) -> Answer<()> {
        let needs = self.needs("glue:DeleteTable", database, Some(table));
        let (database, table) = (database.to_owned(), table.to_owned());
        let drop_it = move |cx: &Call| {
            catalog::table(cx, &database, &table)?;
            catalog::delete_table(cx, &database, &table)
        };
        self.write(role, needs, drop_it).await
    }

    async fn add_partitions(
        &self,
        role: &str,
        database: &str,
        table: &str,
        partitions: &[ExternalPartition],
    ) -> Answer<()> {
        let needs = self.needs("glue:BatchCreatePartition", database, Some(table));
        let (database, table, partitions) = (database.to_owned(), table.to_owned(), partitions.to_vec());
        let add = move |cx: &Call| {
            let stored = catalog::table(cx, &database, &table)?;
            for partition in &partitions {
                if catalog::get_partition(cx, &database, &table, &partition.values)?.is_some() {
                    return Err(Fault::bad("AlreadyExistsException", "Partition already exists."));
                }
                let mut descriptor = stored["StorageDescriptor"].clone();
                descriptor["Location"] = json!(partition.location);
                let input = json!({"Values": partition.values, "StorageDescriptor": descriptor, "Parameters": {}});
                catalog::put_partition(cx, &database, &table, &input, cx.now)?;
            }
            Ok(())
        };
        self.write(role, needs, add).await
    }

    async fn drop_partition(&self, role: &str, database: &str, table: &str, values: &[String]) -> Answer<()> {
        let needs = self.needs("glue:DeletePartition", database, Some(table));
        let (database, table, values) = (database.to_owned(), table.to_owned(), values.to_vec());
        let drop_it = move |cx: &Call| {
            if catalog::delete_partition(cx, &database, &table, &values)? {
                return Ok(());
            }
            Err(Fault::bad("EntityNotFoundException", "Cannot find partition."))
        };
        self.write(role, needs, drop_it).await
    }

    async fn list(&self, role: &str, bucket: &str, prefix: &str) -> Answer<Vec<ObjectInfo>> {
        let need = Need {
            action: "s3:ListBucket",
            resource: format!("arn:aws:s3:::{bucket}"),
            prefix: Some(prefix.to_owned()),
        };
        self.read(|cx| {
            self.allow(cx, role, &[need])?;
            own_bucket(cx, bucket)?;
            let mut found: Vec<ObjectInfo> = Vec::new();
            loop {
                let after = found.last().map(|info| info.key.clone());
                let page = s3::list_objects(cx, bucket, prefix, after.as_deref(), PAGE).map_err(failed)?;
                let more = page.len() == PAGE;
                found.extend(page.into_iter().map(|entry| ObjectInfo {
                    key: entry.key,
                    size: entry.size,
                    etag: entry.etag,
                    modified: entry.modified,
                }));
                if !more {
                    return Ok(found);
                }
            }
        })
    }

    async fn read(&self, role: &str, bucket: &str, key: &str, range: Range<u64>) -> Answer<Bytes> {
        let need = Need {
            action: "s3:GetObject",
            resource: format!("arn:aws:s3:::{bucket}/{key}"),
            prefix: None,
        };
        let entry = AccountLake::read(self, |cx| {
            self.allow(cx, role, &[need])?;
            own_bucket(cx, bucket)?;
            let found = s3::find_object(cx, bucket, key).map_err(failed)?;
            found.ok_or_else(|| {
                error(
                    LakeErrorKind::NoObject,
                    format!("The specified key does not exist: s3://{bucket}/{key}"),
                )
            })
        })?;
        let objects = self.cloud()?.part::<Bytestore>().objects.clone();
        let read = tokio::task::spawn_blocking(move || objects.read(&entry.data, range)).await;
        let read = read.map_err(|_| error(LakeErrorKind::Failed, "reading an object panicked"))?;
        read.map_err(|cause| error(LakeErrorKind::Failed, format!("reading s3://{bucket}/{key}: {cause}")))
    }
}

fn own_bucket(cx: &Call, bucket: &str) -> Answer<()> {
    match s3::bucket_owner(cx, bucket).map_err(failed)? {
        Some(owner) if owner == cx.account => Ok(()),
        Some(_) => Err(error(
            LakeErrorKind::Denied,
            "S3ServiceException:Access Denied,Status 403,Error AccessDenied",
        )),
        None => {
            let message = format!(
                "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket ({bucket})"
            );
            Err(error(LakeErrorKind::NoBucket, message))
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn columns(value: &Value) -> Vec<(String, String)> {
    let pair = |column: &Value| (text(&column["Name"]), text(&column["Type"]));
    value.as_array().into_iter().flatten().map(pair).collect()
}

fn parameters(value: &Value) -> BTreeMap<String, String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

fn external(table: &Value) -> ExternalTable {
    let descriptor = &table["StorageDescriptor"];
    let mut merged = parameters(&descriptor["Parameters"]);
    merged.extend(parameters(&table["Parameters"]));
    ExternalTable {
        name: text(&table["Name"]),
        columns: columns(&descriptor["Columns"]),
        partition_keys: columns(&table["PartitionKeys"]),
        location: text(&descriptor["Location"]),
        input_format: text(&descriptor["InputFormat"]),
        output_format: text(&descriptor["OutputFormat"]),
        serde: text(&descriptor["SerdeInfo"]["SerializationLibrary"]),
        serde_parameters: parameters(&descriptor["SerdeInfo"]["Parameters"]),
        parameters: merged,
    }
}

fn table_input(table: &ExternalTable) -> Value {
    let shown = |columns: &[(String, String)]| -> Vec<Value> {
        columns
            .iter()
            .map(|(name, kind)| json!({"Name": name, "Type": kind}))
            .collect()
    };
    let fields = |values: &BTreeMap<String, String>| -> Map<String, Value> {
        values
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect()
    };
    json!({
        "Name": table.name,
        "StorageDescriptor": {
            "Columns": shown(&table.columns),
            "Location": table.location,
            "InputFormat": table.input_format,
            "OutputFormat": table.output_format,
            "Compressed": false,
            "NumberOfBuckets": -1,
            "SerdeInfo": {"SerializationLibrary": table.serde, "Parameters": fields(&table.serde_parameters)},
            "StoredAsSubDirectories": false,
        },
        "PartitionKeys": shown(&table.partition_keys),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": fields(&table.parameters),
    })
}

#[cfg(test)]
mod tests;
