//! Writes what a crawl found into the catalog, by the crawler's policies for changed and vanished tables.

use std::collections::BTreeSet;

use s3s::crypto::{Checksum, Md5};
use serde_json::{Map, Value, json};

use super::group::{FoundPartition, FoundTable, Stats, table_name};
use super::{allows, configuration, texts};
use crate::services::glue::catalog;
use crate::services::glue::crawlers::End;
use crate::services::iam::Wanted;
use crate::services::{Call, Fault};

/// What a crawl found.
pub struct Plan {
    /// The id of the crawl.
    pub run: String,
    pub tables: Vec<FoundTable>,
    /// The targets that were looked at.
    pub roots: Vec<String>,
}

struct Policies {
    update: bool,
    delete: Delete,
    merge_columns: bool,
    inherit: bool,
}

enum Delete {
    Log,
    Drop,
    Deprecate,
}

impl Policies {
    fn of(crawler: &Value, configuration: &Value) -> Self {
        let output = &configuration["CrawlerOutput"];
        // New folders only: what is there stays as it is.
        let everything = crawler["RecrawlPolicy"]["RecrawlBehavior"] != "CRAWL_NEW_FOLDERS_ONLY";
        let policy = &crawler["SchemaChangePolicy"];
        Self {
            update: everything && policy["UpdateBehavior"] != "LOG",
            delete: match policy["DeleteBehavior"].as_str() {
                Some("DELETE_FROM_DATABASE") if everything => Delete::Drop,
                Some("DEPRECATE_IN_DATABASE") | None if everything => Delete::Deprecate,
                _ => Delete::Log,
            },
            merge_columns: output["Tables"]["AddOrUpdateBehavior"] == "MergeNewColumns",
            inherit: output["Partitions"]["AddOrUpdateBehavior"] == "InheritFromTable",
        }
    }
}

/// Writes the catalog. The inner error is the crawl's message; nothing was written then.
pub fn publish(cx: &Call, crawler: &Value, plan: Plan) -> Result<Result<End, String>, Fault> {
    let name = crawler["Name"].as_str().unwrap_or_default();
    let role = crawler["Role"].as_str().unwrap_or_default();
    let database = crawler["DatabaseName"]
        .as_str()
        .filter(|name| !name.is_empty())
        .unwrap_or("default");
    let configuration = configuration(crawler);
    let policies = Policies::of(crawler, &configuration);
    if let Some(threshold) = configuration["CrawlerOutput"]["Tables"]["TableThreshold"].as_u64()
        && plan.tables.len() as u64 > threshold
    {
        return Ok(Err(format!(
            "The number of tables detected by crawler: {} is greater than the table threshold value provided: {threshold}. \
             Failing crawler without writing to Data Catalog.",
            plan.tables.len()
        )));
    }
    let catalog_arn = cx.arn("glue", "catalog");
    let database_arn = cx.arn("glue", &format!("database/{}", catalog::fold(database)));
    let mut needed: Vec<(&str, String)> = vec![
        ("glue:GetDatabase", catalog_arn.clone()),
        ("glue:GetDatabase", database_arn.clone()),
    ];
    let missing_database = catalog::get_database(cx, database)?.is_none();
    if missing_database {
        needed.push(("glue:CreateDatabase", catalog_arn.clone()));
        needed.push(("glue:CreateDatabase", database_arn.clone()));
    }
    let existing = if missing_database {
        Vec::new()
    } else {
        catalog::tables(cx, database)?
    };
    let named = assign_names(crawler, &plan.tables, &existing);
    for (table, name) in plan.tables.iter().zip(&named) {
        let arn = cx.arn("glue", &format!("table/{}/{name}", catalog::fold(database)));
        let there = existing.iter().any(|table| table["Name"] == name.as_str());
        let action = if there { "glue:UpdateTable" } else { "glue:CreateTable" };
        for resource in [&catalog_arn, &database_arn, &arn] {
            needed.push((action, resource.clone()));
            if !table.partitions.is_empty() {
                needed.push(("glue:BatchCreatePartition", resource.clone()));
            }
        }
    }
    needed.sort();
    needed.dedup();
    let wanted: Vec<Wanted> = needed
        .iter()
        .map(|(action, resource)| Wanted {
            action,
            resource,
            context: &[],
        })
        .collect();
    if let Err(message) = allows(cx, name, role, &wanted) {
        return Ok(Err(message));
    }
    if missing_database {
        catalog::create_database(cx, &json!({"Name": database}))?;
    }
    let by = format!(
        "arn:aws:sts::{}:assumed-role/{}/AWS-Crawler",
        cx.account,
        role.rsplit('/').next().unwrap_or(role)
    );
    let writer = Writer {
        cx,
        crawler,
        database,
        by,
        policies,
        run: plan.run,
    };
    let mut end = End::default();
    for (table, name) in plan.tables.iter().zip(&named) {
        writer.table(table, name, &mut end)?;
    }
    writer.vanished(&existing, &named, &plan.roots, &mut end)?;
    Ok(Ok(end))
}

fn made_by(table: &Value, crawler: &Value) -> bool {
    table["Parameters"]["UPDATED_BY_CRAWLER"] == crawler["Name"]
}

fn same_place(table: &Value, location: &str) -> bool {
    let bare = |location: &str| location.trim_end_matches('/').to_owned();
    table["StorageDescriptor"]["Location"]
        .as_str()
        .is_some_and(|known| bare(known) == bare(location))
}

/// Gives each found table a name: the one it already has, else one made from its folder, and with a hash of its
/// place when that name is taken.
fn assign_names(crawler: &Value, found: &[FoundTable], existing: &[Value]) -> Vec<String> {
    let prefix = crawler["TablePrefix"].as_str().unwrap_or_default();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut names = Vec::with_capacity(found.len());
    for table in found {
        let wanted = table_name(prefix, &table.source_name);
        let known = existing
            .iter()
            .find(|known| same_place(known, &table.location) && made_by(known, crawler));
        let known = known
            .and_then(|known| known["Name"].as_str())
            .filter(|name| !taken.contains(*name));
        let name = known.map(str::to_owned).unwrap_or_else(|| {
            let rival = existing.iter().find(|known| known["Name"] == wanted.as_str());
            let free = rival.is_none_or(|rival| same_place(rival, &table.location)) && !taken.contains(&wanted);
            if free {
                wanted
            } else {
                format!("{wanted}_{}", hash(&table.location))
            }
        });
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

fn hash(text: &str) -> String {
    let digest = <Md5 as Checksum>::checksum(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Writer<'w, 'c> {
    cx: &'w Call<'c>,
    crawler: &'w Value,
    database: &'w str,
    by: String,
    policies: Policies,
    run: String,
}

impl Writer<'_, '_> {
    fn statistics(&self, parameters: &mut Map<String, Value>, stats: &Stats) {
        let mut set = |name: &str, value: u64| drop(parameters.insert(name.to_owned(), json!(value.to_string())));
        set("objectCount", stats.objects);
        set("sizeKey", stats.size);
        set("recordCount", stats.records);
        set("averageRecordSize", stats.average());
    }

    fn parameters(&self, table: &FoundTable) -> Map<String, Value> {
        let mut parameters = table.schema.parameters(table.compression.name());
        self.statistics(&mut parameters, &table.stats);
        parameters.insert("CrawlerSchemaSerializerVersion".into(), json!("1.0"));
        parameters.insert("CrawlerSchemaDeserializerVersion".into(), json!("1.0"));
        parameters.insert("UPDATED_BY_CRAWLER".into(), self.crawler["Name"].clone());
        if !table.partition_keys.is_empty() {
            parameters.insert("partition_filtering.enabled".into(), json!("true"));
        }
        if let Some(exclusions) = self.exclusions(&table.location) {
            parameters.insert("exclusions".into(), json!(exclusions));
        }
        parameters
    }

    /// The exclusions of the target that a place belongs to, as a JSON list of whole addresses.
    fn exclusions(&self, location: &str) -> Option<String> {
        let targets = self.crawler["Targets"]["S3Targets"].as_array()?;
        let target = targets.iter().find(|target| {
            target["Path"]
                .as_str()
                .is_some_and(|path| location.starts_with(path.trim_end_matches('/')))
        })?;
        let root = target["Path"].as_str()?.trim_end_matches('/');
        let all: Vec<String> = texts(&target["Exclusions"])
            .into_iter()
            .map(|pattern| format!("{root}/{pattern}"))
            .collect();
        (!all.is_empty()).then(|| json!(all).to_string())
    }

    fn input(&self, table: &FoundTable, name: &str) -> Value {
        let parameters = self.parameters(table);
        let compressed = table.compression.name() != "none";
        let keys: Vec<Value> = table
            .partition_keys
            .iter()
            .map(|key| json!({"Name": key, "Type": "string"}))
            .collect();
        json!({
            "Name": name,
            "Owner": "owner",
            "LastAccessTime": self.cx.now,
            "Retention": 0,
            "StorageDescriptor": table.schema.descriptor(&table.location, compressed, &parameters),
            "PartitionKeys": keys,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters,
        })
    }

    fn table(&self, table: &FoundTable, name: &str, end: &mut End) -> Result<(), Fault> {
        let mut input = self.input(table, name);
        let Some(old) = catalog::get_table(self.cx, self.database, name)? else {
            self.mark(&mut input);
            catalog::create_table(self.cx, self.database, &input, &self.by)?;
            end.created += 1;
            return self.partitions(table, name, &input);
        };
        if !self.policies.update {
            return self.partitions(table, name, &old);
        }
        if self.policies.merge_columns {
            merge_columns(&old, &mut input);
        }
        keep_the_users(&old, &mut input);
        if same(&old, &input) {
            return self.partitions(table, name, &old);
        }
        if old["PartitionKeys"] != input["PartitionKeys"] {
            for partition in catalog::partitions(self.cx, self.database, name)? {
                catalog::delete_partition(self.cx, self.database, name, &texts(&partition["Values"]))?;
            }
        }
        self.mark(&mut input);
        catalog::update_table(self.cx, self.database, &input, &self.by, true)?;
        end.updated += 1;
        self.partitions(table, name, &input)
    }

    fn mark(&self, input: &mut Value) {
        input["Parameters"]["CRAWL_RUN_ID"] = json!(self.run);
        input["StorageDescriptor"]["Parameters"]["CRAWL_RUN_ID"] = json!(self.run);
    }

    fn partitions(&self, table: &FoundTable, name: &str, stored: &Value) -> Result<(), Fault> {
        let mut seen: BTreeSet<&[String]> = BTreeSet::new();
        for partition in &table.partitions {
            seen.insert(&partition.values);
            let old = catalog::get_partition(self.cx, self.database, name, &partition.values)?;
            let created = old
                .as_ref()
                .and_then(|old| old["CreationTime"].as_f64())
                .unwrap_or(self.cx.now);
            let input = self.partition_input(partition, stored);
            let changed = match &old {
                None => true,
                Some(old) => {
                    self.policies.update
                        && (old["StorageDescriptor"] != input["StorageDescriptor"]
                            || old["Parameters"] != input["Parameters"])
                }
            };
            if changed {
                catalog::put_partition(self.cx, self.database, name, &input, created)?;
            }
        }
        if table.partition_keys.is_empty() || !matches!(self.policies.delete, Delete::Drop) {
            return Ok(());
        }
        for partition in catalog::partitions(self.cx, self.database, name)? {
            let values = texts(&partition["Values"]);
            if !seen.contains(values.as_slice()) {
                catalog::delete_partition(self.cx, self.database, name, &values)?;
            }
        }
        Ok(())
    }

    fn partition_input(&self, partition: &FoundPartition, stored: &Value) -> Value {
        let mut parameters = partition.schema.parameters(partition.compression.name());
        self.statistics(&mut parameters, &partition.stats);
        let compressed = partition.compression.name() != "none";
        let mut descriptor = partition
            .schema
            .descriptor(&partition.location, compressed, &parameters);
        if self.policies.inherit {
            for member in ["Columns", "InputFormat", "OutputFormat", "SerdeInfo"] {
                descriptor[member] = stored["StorageDescriptor"][member].clone();
            }
        }
        json!({"Values": partition.values, "StorageDescriptor": descriptor, "Parameters": parameters})
    }

    /// Deals with tables of this crawler whose objects are gone.
    fn vanished(&self, existing: &[Value], named: &[String], roots: &[String], end: &mut End) -> Result<(), Fault> {
        for table in existing {
            let name = table["Name"].as_str().unwrap_or_default();
            let location = table["StorageDescriptor"]["Location"].as_str().unwrap_or_default();
            let below = roots
                .iter()
                .any(|root| location.starts_with(root.trim_end_matches('/')));
            if !made_by(table, self.crawler) || !below || named.iter().any(|known| known == name) {
                continue;
            }
            match self.policies.delete {
                Delete::Log => {}
                Delete::Drop => {
                    catalog::delete_table(self.cx, self.database, name)?;
                    end.deleted += 1;
                }
                Delete::Deprecate => {
                    if table["Parameters"]["DEPRECATED_BY_CRAWLER"].is_null() {
                        let mut input = table.clone();
                        let instant = ((self.cx.now * 1000.0) as u64).to_string();
                        input["Parameters"]["DEPRECATED_BY_CRAWLER"] = json!(instant);
                        catalog::update_table(self.cx, self.database, &input, &self.by, true)?;
                        end.deleted += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Keeps the columns that the table has and appends the new ones.
fn merge_columns(old: &Value, input: &mut Value) {
    let found = input["StorageDescriptor"]["Columns"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut columns = old["StorageDescriptor"]["Columns"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for column in found {
        match columns.iter_mut().find(|known| known["Name"] == column["Name"]) {
            Some(known) => known["Type"] = column["Type"].clone(),
            None => columns.push(column),
        }
    }
    input["StorageDescriptor"]["Columns"] = Value::Array(columns);
}

/// What people added to a table survives: description, comments of columns, parameters of their own.
fn keep_the_users(old: &Value, input: &mut Value) {
    for member in ["Description", "Owner"] {
        if !old[member].is_null() {
            input[member] = old[member].clone();
        }
    }
    let mine = [
        "DEPRECATED_BY_CRAWLER",
        "skip.header.line.count",
        "partition_filtering.enabled",
        "exclusions",
    ];
    for (name, value) in old["Parameters"].as_object().into_iter().flatten() {
        if input["Parameters"][name].is_null() && !mine.contains(&name.as_str()) && name != "CRAWL_RUN_ID" {
            input["Parameters"][name] = value.clone();
        }
    }
    let commented = old["StorageDescriptor"]["Columns"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for column in input["StorageDescriptor"]["Columns"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let known = commented.iter().find(|known| known["Name"] == column["Name"]);
        if let Some(comment) = known
            .map(|known| &known["Comment"])
            .filter(|comment| !comment.is_null())
        {
            column["Comment"] = comment.clone();
        }
    }
}

/// Says whether a table already is what a crawl found, apart from which crawl wrote it.
fn same(old: &Value, input: &Value) -> bool {
    let bare = |value: &Value| {
        let mut fields = value.as_object().cloned().unwrap_or_default();
        fields.remove("CRAWL_RUN_ID");
        fields
    };
    let (a, b) = (&old["StorageDescriptor"], &input["StorageDescriptor"]);
    let descriptor = [
        "Columns",
        "Location",
        "InputFormat",
        "OutputFormat",
        "Compressed",
        "SerdeInfo",
    ];
    descriptor.iter().all(|member| a[*member] == b[*member])
        && old["PartitionKeys"] == input["PartitionKeys"]
        && bare(&old["Parameters"]) == bare(&input["Parameters"])
}
