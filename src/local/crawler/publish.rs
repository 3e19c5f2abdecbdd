//! Writes what a crawl found into the catalog, by the crawler's policies for changed and vanished tables.

use std::collections::BTreeSet;

use s3s::crypto::{Checksum, Md5};
use serde_json::{Map, Value, json};

use super::group::{FoundPartition, FoundTable, Stats, table_name};
use super::schema::{Column, Schema};
use super::types::Type;
use super::{Known, allows, configuration, texts};
use crate::services::glue::crawlers::End;
use crate::services::glue::{catalog, partition_indexes};
use crate::services::iam::Wanted;
use crate::services::{Call, Fault};

/// What a crawl found.
pub struct Plan {
    /// The id of the crawl.
    pub run: String,
    pub tables: Vec<FoundTable>,
    /// The targets that were looked at.
    pub roots: Vec<String>,
    /// What only had to be looked past.
    pub known: Known,
}

struct Policies {
    update: bool,
    delete: Delete,
    merge_columns: bool,
    inherit: bool,
    index: bool,
    combine: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Delete {
    Log,
    Drop,
    Deprecate,
}

impl Policies {
    fn of(crawler: &Value, configuration: &Value) -> Self {
        let output = &configuration["CrawlerOutput"];
        let policy = &crawler["SchemaChangePolicy"];
        let merge_columns = output["Tables"]["AddOrUpdateBehavior"] == "MergeNewColumns";
        Self {
            // To merge columns overrides the policy.
            update: merge_columns || policy["UpdateBehavior"] != "LOG",
            delete: match policy["DeleteBehavior"].as_str() {
                Some("DELETE_FROM_DATABASE") => Delete::Drop,
                Some("LOG") => Delete::Log,
                _ => Delete::Deprecate,
            },
            merge_columns,
            inherit: output["Partitions"]["AddOrUpdateBehavior"] == "InheritFromTable",
            index: configuration["CreatePartitionIndex"] != false,
            combine: configuration["Grouping"]["TableGroupingPolicy"] == "CombineCompatibleSchemas",
        }
    }
}

/// The database that a crawler writes.
pub fn database_of(crawler: &Value) -> &str {
    let named = crawler["DatabaseName"].as_str();
    named.filter(|name| !name.is_empty()).unwrap_or("default")
}

/// Writes the catalog. The inner error is the crawl's message; nothing was written then.
pub fn publish(cx: &Call, crawler: &Value, plan: Plan) -> Result<Result<End, String>, Fault> {
    let name = crawler["Name"].as_str().unwrap_or_default();
    let role = crawler["Role"].as_str().unwrap_or_default();
    let database = database_of(crawler);
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
    let missing_database = catalog::get_database(cx, database)?.is_none();
    let existing = if missing_database {
        Vec::new()
    } else {
        catalog::tables(cx, database)?
    };
    let named = assign_names(crawler, &plan.tables, &existing);
    let needed = needed(cx, database, missing_database, &plan.tables, &named, &existing);
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
    let mut writer = Writer {
        cx,
        crawler,
        database,
        by,
        policies,
        run: plan.run,
        end: End {
            status: "SUCCEEDED",
            ..End::default()
        },
    };
    for (table, name) in plan.tables.iter().zip(&named) {
        if plan.known.is_empty() {
            writer.table(table, name)?;
        } else {
            writer.new_folders(table, name, &existing)?;
        }
    }
    // A crawl of new folders does not know what is gone.
    if plan.known.is_empty() {
        writer.vanished(&existing, &named, &plan.roots)?;
    }
    Ok(Ok(writer.end))
}

/// What the role must be allowed: Glue asks for everything from the catalog down to the table.
fn needed(
    cx: &Call,
    database: &str,
    missing_database: bool,
    tables: &[FoundTable],
    names: &[String],
    existing: &[Value],
) -> BTreeSet<(&'static str, String)> {
    let catalog_arn = cx.arn("glue", "catalog");
    let database_arn = cx.arn("glue", &format!("database/{}", catalog::fold(database)));
    let mut needed = BTreeSet::new();
    let mut need = |action, arns: &[&String]| needed.extend(arns.iter().map(|arn| (action, (*arn).clone())));
    need("glue:GetDatabase", &[&catalog_arn, &database_arn]);
    if missing_database {
        need("glue:CreateDatabase", &[&catalog_arn, &database_arn]);
    }
    for (table, name) in tables.iter().zip(names) {
        let arn = cx.arn("glue", &format!("table/{}/{name}", catalog::fold(database)));
        let there = existing.iter().any(|table| table["Name"] == name.as_str());
        let arns = [&catalog_arn, &database_arn, &arn];
        need(if there { "glue:UpdateTable" } else { "glue:CreateTable" }, &arns);
        if !table.partitions.is_empty() {
            need("glue:BatchCreatePartition", &arns);
        }
    }
    needed
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
    end: End,
}

impl Writer<'_, '_> {
    fn tell(&mut self, level: &'static str, message: impl Into<String>) {
        self.end.log.push((level, message.into()));
    }

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

    fn table(&mut self, table: &FoundTable, name: &str) -> Result<(), Fault> {
        let mut input = self.input(table, name);
        let Some(old) = catalog::get_table(self.cx, self.database, name)? else {
            return self.create(table, input, name);
        };
        if !self.policies.update {
            if old["StorageDescriptor"]["Columns"] != input["StorageDescriptor"]["Columns"] {
                self.tell("INFO", format!("Schema change of table {name} is ignored by policy"));
            }
            return self.partitions(table, name, &old);
        }
        if self.policies.merge_columns {
            if !compatible(&old, &input) {
                let message = format!("Table {name} has an incompatible attribute that needs to be resolved");
                self.tell("WARN", message);
                return self.deprecate(&old, name);
            }
            merge_columns(&old["StorageDescriptor"], &mut input["StorageDescriptor"]);
            keep_the_users(&old, &mut input);
        }
        if same(&old, &input) {
            return self.partitions(table, name, &old);
        }
        if old["PartitionKeys"] != input["PartitionKeys"] {
            for partition in catalog::partitions(self.cx, self.database, name)? {
                catalog::delete_partition(self.cx, self.database, name, &texts(&partition["Values"]))?;
            }
            partition_indexes::forget(self.cx, self.database, name)?;
            self.index(&input, name)?;
        }
        self.mark(&mut input);
        catalog::update_table(self.cx, self.database, &input, &self.by, true)?;
        self.end.tables.updated.push(name.to_owned());
        self.tell("INFO", format!("Updated table {name} in database {}", self.database));
        self.partitions(table, name, &input)
    }

    fn create(&mut self, table: &FoundTable, mut input: Value, name: &str) -> Result<(), Fault> {
        self.mark(&mut input);
        catalog::create_table(self.cx, self.database, &input, &self.by)?;
        self.index(&input, name)?;
        self.end.tables.added.push(name.to_owned());
        self.tell("INFO", format!("Created table {name} in database {}", self.database));
        self.partitions(table, name, &input)
    }

    /// A table with partitions gets an index over all its keys, unless the crawler says otherwise.
    fn index(&self, input: &Value, name: &str) -> Result<(), Fault> {
        let keys = input["PartitionKeys"].as_array().map(Vec::as_slice).unwrap_or_default();
        if keys.is_empty() || !self.policies.index {
            return Ok(());
        }
        let names: Vec<&Value> = keys.iter().map(|key| &key["Name"]).collect();
        let index = json!({"Keys": names, "IndexName": "crawler_partition_index"});
        partition_indexes::add(self.cx, self.database, name, &index)
    }

    /// Adds what new folders hold: partitions that fit their table, and tables where none is.
    fn new_folders(&mut self, table: &FoundTable, name: &str, existing: &[Value]) -> Result<(), Fault> {
        let mine = |known: &&Value| made_by(known, self.crawler);
        let Some(known) = existing
            .iter()
            .filter(mine)
            .find(|known| same_place(known, &table.location))
        else {
            let inside = |known: &Value| {
                let root = known["StorageDescriptor"]["Location"].as_str();
                root.is_some_and(|root| root.ends_with('/') && table.location.starts_with(root))
            };
            if existing.iter().filter(mine).any(inside) {
                self.tell("WARN", mismatched_keys(&table.location));
                return Ok(());
            }
            let input = self.input(table, name);
            return self.create(table, input, name);
        };
        let input = self.input(table, name);
        if known["PartitionKeys"] != input["PartitionKeys"] {
            let places = table.partitions.iter().map(|partition| &partition.location);
            for location in places.chain(table.partitions.is_empty().then_some(&table.location)) {
                self.tell("WARN", mismatched_keys(location));
            }
            return Ok(());
        }
        let mut fitting = table.clone();
        fitting.partitions.retain(|partition| {
            let input = self.partition_input(partition, known, None);
            let fits = compatible(known, &input) && (self.policies.combine || alike(known, &partition.schema));
            if !fits {
                let message = "Partition does not match table schema or has mismatch keys, skipped folder";
                self.end
                    .log
                    .push(("WARN", format!("{message}: {}", partition.location)));
            }
            fits
        });
        self.partitions(&fitting, name, known)
    }

    fn mark(&self, input: &mut Value) {
        input["Parameters"]["CRAWL_RUN_ID"] = json!(self.run);
        input["StorageDescriptor"]["Parameters"]["CRAWL_RUN_ID"] = json!(self.run);
    }

    fn partitions(&mut self, table: &FoundTable, name: &str, stored: &Value) -> Result<(), Fault> {
        let mut seen: BTreeSet<&[String]> = BTreeSet::new();
        let (mut added, mut updated) = (Vec::new(), Vec::new());
        for partition in &table.partitions {
            seen.insert(&partition.values);
            let old = catalog::get_partition(self.cx, self.database, name, &partition.values)?;
            let created = old
                .as_ref()
                .and_then(|old| old["CreationTime"].as_f64())
                .unwrap_or(self.cx.now);
            let input = self.partition_input(partition, stored, old.as_ref());
            match &old {
                None => added.push(partition.values.join("/")),
                Some(old) => {
                    let same = old["StorageDescriptor"] == input["StorageDescriptor"]
                        && old["Parameters"] == input["Parameters"];
                    if same || !(self.policies.update || self.policies.inherit) {
                        continue;
                    }
                    updated.push(partition.values.join("/"));
                }
            }
            catalog::put_partition(self.cx, self.database, name, &input, created)?;
        }
        let mut dropped = Vec::new();
        if !table.partition_keys.is_empty() && self.policies.delete == Delete::Drop {
            for partition in catalog::partitions(self.cx, self.database, name)? {
                let values = texts(&partition["Values"]);
                if !seen.contains(values.as_slice()) {
                    catalog::delete_partition(self.cx, self.database, name, &values)?;
                    dropped.push(values.join("/"));
                }
            }
        }
        for (verb, values) in [("Created", &added), ("Updated", &updated), ("Deleted", &dropped)] {
            if !values.is_empty() {
                let message = format!("{verb} partitions with values {values:?} for table {name}");
                self.tell("INFO", message);
            }
        }
        self.end.partitions.added.append(&mut added);
        self.end.partitions.updated.append(&mut updated);
        self.end.partitions.deleted.append(&mut dropped);
        Ok(())
    }

    fn partition_input(&self, partition: &FoundPartition, stored: &Value, old: Option<&Value>) -> Value {
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
        } else if self.policies.merge_columns
            && let Some(old) = old
        {
            merge_columns(&old["StorageDescriptor"], &mut descriptor);
        }
        json!({"Values": partition.values, "StorageDescriptor": descriptor, "Parameters": parameters})
    }

    /// Deals with tables of this crawler whose objects are gone.
    fn vanished(&mut self, existing: &[Value], named: &[String], roots: &[String]) -> Result<(), Fault> {
        for table in existing {
            let name = table["Name"].as_str().unwrap_or_default();
            let location = table["StorageDescriptor"]["Location"].as_str().unwrap_or_default();
            let below = roots.iter().any(|root| {
                let rest = location.strip_prefix(root.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            if !made_by(table, self.crawler) || !below || named.iter().any(|known| known == name) {
                continue;
            }
            match self.policies.delete {
                Delete::Log => self.tell("INFO", format!("Table {name} has no data any more; ignored by policy")),
                Delete::Drop => {
                    catalog::delete_table(self.cx, self.database, name)?;
                    self.end.tables.deleted.push(name.to_owned());
                    self.tell("INFO", format!("Deleted table {name} from database {}", self.database));
                }
                Delete::Deprecate => self.deprecate(table, name)?,
            }
        }
        Ok(())
    }

    fn deprecate(&mut self, table: &Value, name: &str) -> Result<(), Fault> {
        if !table["Parameters"]["DEPRECATED_BY_CRAWLER"].is_null() {
            return Ok(());
        }
        let mut input = table.clone();
        let instant = ((self.cx.now * 1000.0) as u64).to_string();
        input["Parameters"]["DEPRECATED_BY_CRAWLER"] = json!(instant);
        catalog::update_table(self.cx, self.database, &input, &self.by, true)?;
        self.end.tables.deleted.push(name.to_owned());
        self.tell(
            "INFO",
            format!("Marked table {name} as deprecated in database {}", self.database),
        );
        Ok(())
    }
}

fn mismatched_keys(location: &str) -> String {
    format!("Folder partition keys do not match table partition keys, skipped folder: {location}")
}

/// Says whether one reader can read both, by what the catalog says of them.
fn compatible(old: &Value, new: &Value) -> bool {
    let attributes = ["classification", "compressionType", "delimiter"];
    attributes
        .iter()
        .all(|name| old["Parameters"][*name] == new["Parameters"][*name])
}

/// Says whether a found schema is like that of a table in the catalog.
fn alike(table: &Value, found: &Schema) -> bool {
    let columns = table["StorageDescriptor"]["Columns"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let known = columns.iter().map(|column| Column {
        name: column["Name"].as_str().unwrap_or_default().to_owned(),
        kind: Type::parse(column["Type"].as_str().unwrap_or_default()),
    });
    found.similar(&Schema {
        columns: known.collect(),
        format: found.format.clone(),
    })
}

/// Keeps the columns that a descriptor has, with their types, and appends what is new, also inside of structs.
fn merge_columns(old: &Value, new: &mut Value) {
    let columns = |descriptor: &Value| descriptor["Columns"].as_array().cloned().unwrap_or_default();
    let kind = |column: &Value| Type::parse(column["Type"].as_str().unwrap_or_default());
    let mut merged = columns(old);
    for column in columns(new) {
        match merged.iter_mut().find(|known| known["Name"] == column["Name"]) {
            Some(known) => known["Type"] = json!(kind(known).extended(kind(&column)).to_string()),
            None => merged.push(column),
        }
    }
    new["Columns"] = Value::Array(merged);
    for member in ["InputFormat", "OutputFormat"] {
        new[member] = old[member].clone();
    }
}

/// When columns are only merged, what people added to a table survives: its description, parameters of their own.
/// Comments of columns do already.
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
