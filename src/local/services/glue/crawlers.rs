//! Crawlers: their definitions, states, schedules and history. A started crawl is handed to `crate::crawler`.

use serde_json::{Map, Value, json};

use super::schedule::Cron;
use super::scheduler::{self, Kind};
use super::{Answer, Call, Fault, classifiers, exists, invalid, missing, paged, shown, tags, text, texts, triggers};
use crate::crawler::exclude;
use crate::services::iam::{self, RoleProblem};

pub const CRAWLERS: &str = "glue.crawlers";
/// Id: `crawler NUL inverted start NUL crawl id`, so that the newest comes first.
const CRAWLS: &str = "glue.crawls";
const SERVICE: &str = "glue.amazonaws.com";
const TARGET_KINDS: [&str; 8] = [
    "S3Targets",
    "JdbcTargets",
    "MongoDBTargets",
    "DynamoDBTargets",
    "CatalogTargets",
    "DeltaTargets",
    "IcebergTargets",
    "HudiTargets",
];

pub fn arn(cx: &Call, name: &str) -> String {
    cx.arn("glue", &format!("crawler/{name}"))
}

/// Returns the crawler or `EntityNotFoundException`.
pub fn find(cx: &Call, name: &str) -> Result<Value, Fault> {
    let found: Option<Value> = cx.get(CRAWLERS, name)?;
    found.ok_or_else(|| missing(format!("Crawler entry with name {name} does not exist")))
}

pub fn put(cx: &Call, crawler: &Value) -> Result<(), Fault> {
    cx.put(CRAWLERS, text(crawler, "Name"), crawler)
}

fn running(crawler: &Value) -> bool {
    crawler["_run"].is_object()
}

/// Returns the crawler as the API shows it at this instant.
fn view(cx: &Call, crawler: &Value) -> Value {
    let mut answer = shown(crawler);
    let run = &crawler["_run"];
    let state = match (run.is_object(), run["stopping"] == true) {
        (false, _) => "READY",
        (true, false) => "RUNNING",
        (true, true) => "STOPPING",
    };
    answer["State"] = json!(state);
    let elapsed = run["started"]
        .as_f64()
        .map_or(0.0, |started| (cx.now - started).max(0.0) * 1000.0);
    answer["CrawlElapsedTime"] = json!(elapsed as i64);
    answer
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "Name").to_owned();
    if cx.get::<Value>(CRAWLERS, &name)?.is_some() {
        return Err(exists(format!("{}:{name} already exists", cx.account)));
    }
    let mut crawler = json!({
        "Name": name,
        "Targets": {},
        "Classifiers": [],
        "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
        "SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"},
        "LineageConfiguration": {"CrawlerLineageSettings": "DISABLE"},
        "LakeFormationConfiguration": {"UseLakeFormationCredentials": false, "AccountId": ""},
        "CreationTime": cx.now,
        "LastUpdated": cx.now,
        "Version": 1,
    });
    change(cx, &mut crawler, input)?;
    put(cx, &crawler)?;
    tags::create(cx, &arn(cx, &name), &input["Tags"])?;
    keep_schedule(cx, &crawler)?;
    Ok(json!({}))
}

/// Applies the members of a create or an update, and checks the whole.
fn change(cx: &Call, crawler: &mut Value, input: &Value) -> Result<(), Fault> {
    let members = [
        "DatabaseName",
        "Description",
        "TablePrefix",
        "Configuration",
        "CrawlerSecurityConfiguration",
        "Classifiers",
        "LineageConfiguration",
    ];
    for member in members {
        if !input[member].is_null() {
            crawler[member] = input[member].clone();
        }
    }
    // A cleared text is an absent one.
    for member in [
        "TablePrefix",
        "Configuration",
        "CrawlerSecurityConfiguration",
        "Description",
    ] {
        if crawler[member] == "" {
            crawler.as_object_mut().map(|fields| fields.remove(member));
        }
    }
    for member in ["SchemaChangePolicy", "RecrawlPolicy", "LakeFormationConfiguration"] {
        let given = input[member].as_object().cloned().unwrap_or_default();
        for (name, value) in given {
            crawler[member][name] = value;
        }
    }
    if input["Targets"].is_object() {
        crawler["Targets"] = targets(cx, &input["Targets"])?;
    }
    if let Some(role) = input["Role"].as_str() {
        check_role(cx, role)?;
        // The API answers with the name, whatever it was given.
        let bare = role.split_once(":role/").map_or(role, |(_, name)| name);
        crawler["Role"] = json!(bare);
    }
    if let Some(expression) = input["Schedule"].as_str() {
        set_schedule(crawler, expression)?;
    }
    classifiers::all_exist(cx, &texts(&crawler["Classifiers"]))?;
    if let Some(configuration) = crawler["Configuration"].as_str() {
        check_configuration(configuration)?;
    }
    let policy = &crawler["SchemaChangePolicy"];
    if crawler["RecrawlPolicy"]["RecrawlBehavior"] == "CRAWL_NEW_FOLDERS_ONLY"
        && (policy["UpdateBehavior"] != "LOG" || policy["DeleteBehavior"] != "LOG")
    {
        // A create without a policy of its own takes what the recrawl policy asks for.
        if input["SchemaChangePolicy"].is_null() {
            crawler["SchemaChangePolicy"] = json!({"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"});
        } else {
            return Err(invalid(
                "The SchemaChangePolicy for \"Crawl new folders only\" Amazon S3 target can have only LOG DeleteBehavior value and LOG UpdateBehavior value.",
            ));
        }
    }
    if crawler["RecrawlPolicy"]["RecrawlBehavior"] == "CRAWL_EVENT_MODE" {
        return Err(Fault::new(
            501,
            "NotImplemented",
            "the local cloud does not implement crawls by S3 events",
        ));
    }
    if crawler["LakeFormationConfiguration"]["UseLakeFormationCredentials"] == true {
        return Err(Fault::new(
            501,
            "NotImplemented",
            "the local cloud does not implement Lake Formation",
        ));
    }
    Ok(())
}

fn targets(cx: &Call, given: &Value) -> Result<Value, Fault> {
    let mut all = Map::new();
    for kind in TARGET_KINDS {
        let list = given[kind].as_array().cloned().unwrap_or_default();
        if kind != "S3Targets" && !list.is_empty() {
            return Err(Fault::new(
                501,
                "NotImplemented",
                format!("the local cloud does not implement crawler {kind}"),
            ));
        }
        all.insert(kind.to_owned(), Value::Array(list));
    }
    let list = all["S3Targets"].as_array_mut().map(std::mem::take).unwrap_or_default();
    if list.is_empty() {
        return Err(invalid("Crawler targets must not be empty"));
    }
    let mut checked = Vec::new();
    for mut target in list {
        let path = text(&target, "Path");
        let address = path
            .strip_prefix("s3://")
            .filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
        let Some(address) = address else {
            return Err(invalid(format!("S3 target path {path} is not valid")));
        };
        let bucket = address.split('/').next().unwrap_or(address);
        if crate::services::s3::bucket_owner(cx, bucket)?.is_none() {
            return Err(invalid(format!("Unable to validate existence of s3 target: {path}")));
        }
        let exclusions = texts(&target["Exclusions"]);
        for pattern in &exclusions {
            exclude::compile(pattern).map_err(|reason| invalid(format!("Invalid exclude pattern: {reason}")))?;
        }
        if let Some(size) = target["SampleSize"].as_i64()
            && !(1..=249).contains(&size)
        {
            return Err(invalid("The SampleSize must be an integer between 1 and 249"));
        }
        target["Exclusions"] = json!(exclusions);
        checked.push(target);
    }
    all["S3Targets"] = Value::Array(checked);
    Ok(Value::Object(all))
}

fn check_role(cx: &Call, role: &str) -> Result<(), Fault> {
    match iam::role_allows(cx, role, SERVICE, &[]) {
        Ok(()) | Err(RoleProblem::Denied { .. }) => Ok(()),
        Err(RoleProblem::Unknown(fault)) => Err(fault),
        Err(RoleProblem::Missing | RoleProblem::CannotAssume) => Err(invalid(format!(
            "Service is unable to assume provided role. Please verify role's TrustPolicy: {role}"
        ))),
    }
}

fn check_configuration(text: &str) -> Result<(), Fault> {
    let configuration: Value = serde_json::from_str(text)
        .map_err(|error| invalid(format!("Crawler configuration is not valid JSON: {error}")))?;
    if configuration["Version"].as_f64() != Some(1.0) {
        return Err(invalid("Crawler configuration version must be 1.0"));
    }
    let mut options = Vec::new();
    leaves("", &configuration, &mut options);
    for (path, value) in options {
        let within = |most| value.as_u64().is_some_and(|number| (1..=most).contains(&number));
        let known = match &path[1..] {
            "Version" => true,
            "CreatePartitionIndex" => value.is_boolean(),
            "Grouping.TableGroupingPolicy" => value == "CombineCompatibleSchemas",
            "Grouping.TableLevelConfiguration" => within(20),
            "CrawlerOutput.Tables.AddOrUpdateBehavior" => value == "MergeNewColumns",
            "CrawlerOutput.Tables.TableThreshold" => within(u64::MAX),
            "CrawlerOutput.Partitions.AddOrUpdateBehavior" => value == "InheritFromTable",
            other => {
                return Err(Fault::new(
                    501,
                    "NotImplemented",
                    format!("the local cloud does not implement the crawler configuration `{other}`"),
                ));
            }
        };
        if !known {
            return Err(invalid(format!(
                "Crawler configuration {} cannot be {value}",
                &path[1..]
            )));
        }
    }
    Ok(())
}

/// Collects what stands in nested objects, with the path to it: `.Grouping.TableGroupingPolicy`.
fn leaves<'v>(path: &str, value: &'v Value, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(&format!("{path}.{name}"), value, found);
            }
        }
        Value::Null => {}
        leaf => found.push((path.to_owned(), leaf)),
    }
}

fn set_schedule(crawler: &mut Value, expression: &str) -> Result<(), Fault> {
    if expression.is_empty() {
        crawler.as_object_mut().map(|fields| fields.remove("Schedule"));
        return Ok(());
    }
    Cron::parse(expression).map_err(|reason| invalid(format!("Invalid schedule expression {expression}: {reason}")))?;
    crawler["Schedule"] = json!({"ScheduleExpression": expression, "State": "SCHEDULED"});
    Ok(())
}

/// Tells the scheduler what a crawler's schedule is now.
fn keep_schedule(cx: &Call, crawler: &Value) -> Result<(), Fault> {
    let schedule = &crawler["Schedule"];
    let expression = schedule["ScheduleExpression"]
        .as_str()
        .filter(|_| schedule["State"] == "SCHEDULED");
    scheduler::keep(cx, Kind::Crawler, text(crawler, "Name"), expression)
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    Ok(json!({"Crawler": view(cx, &find(cx, text(input, "Name"))?)}))
}

fn all(cx: &Call) -> Result<Vec<Value>, Fault> {
    let found: Vec<(String, Value)> = cx.list(CRAWLERS, "")?;
    Ok(found.into_iter().map(|(_, crawler)| crawler).collect())
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let crawlers = all(cx)?.iter().map(|crawler| view(cx, crawler)).collect();
    paged(cx, input, "Crawlers", crawlers, 1000)
}

pub fn get_many(cx: &Call, input: &Value) -> Answer {
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    for name in texts(&input["CrawlerNames"]) {
        match cx.get::<Value>(CRAWLERS, &name)? {
            Some(crawler) => found.push(view(cx, &crawler)),
            None => absent.push(name),
        }
    }
    Ok(json!({"Crawlers": found, "CrawlersNotFound": absent}))
}

pub fn list_names(cx: &Call, input: &Value) -> Answer {
    let mut names = Vec::new();
    for crawler in all(cx)? {
        let name = text(&crawler, "Name");
        if tags::all_match(&tags::of(cx, &arn(cx, name))?, &input["Tags"]) {
            names.push(json!(name));
        }
    }
    paged(cx, input, "CrawlerNames", names, 1000)
}

fn refuse_while_running(crawler: &Value, doing: &str) -> Result<(), Fault> {
    if running(crawler) {
        return Err(Fault::bad(
            "CrawlerRunningException",
            format!("Cannot {doing} Crawler while running"),
        ));
    }
    Ok(())
}

fn changed(cx: &Call, mut crawler: Value) -> Answer {
    crawler["LastUpdated"] = json!(cx.now);
    crawler["Version"] = json!(crawler["Version"].as_u64().unwrap_or(1) + 1);
    put(cx, &crawler)?;
    keep_schedule(cx, &crawler)?;
    Ok(json!({}))
}

pub fn update(cx: &Call, input: &Value) -> Answer {
    let mut crawler = find(cx, text(input, "Name"))?;
    refuse_while_running(&crawler, "update")?;
    change(cx, &mut crawler, input)?;
    changed(cx, crawler)
}

pub fn update_schedule(cx: &Call, input: &Value) -> Answer {
    let mut crawler = find(cx, text(input, "CrawlerName"))?;
    set_schedule(&mut crawler, text(input, "Schedule"))?;
    changed(cx, crawler)
}

pub fn start_schedule(cx: &Call, input: &Value) -> Answer {
    let mut crawler = find(cx, text(input, "CrawlerName"))?;
    match crawler["Schedule"]["State"].as_str() {
        None => return Err(Fault::bad("NoScheduleException", "There is no schedule on the crawler")),
        Some("SCHEDULED") => {
            return Err(Fault::bad(
                "SchedulerRunningException",
                "The schedule is already running",
            ));
        }
        Some(_) => crawler["Schedule"]["State"] = json!("SCHEDULED"),
    }
    put(cx, &crawler)?;
    keep_schedule(cx, &crawler)?;
    Ok(json!({}))
}

pub fn stop_schedule(cx: &Call, input: &Value) -> Answer {
    let mut crawler = find(cx, text(input, "CrawlerName"))?;
    if crawler["Schedule"]["State"] != "SCHEDULED" {
        return Err(Fault::bad(
            "SchedulerNotRunningException",
            "The schedule is not running",
        ));
    }
    crawler["Schedule"]["State"] = json!("NOT_SCHEDULED");
    put(cx, &crawler)?;
    keep_schedule(cx, &crawler)?;
    Ok(json!({}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "Name");
    let crawler = find(cx, name)?;
    refuse_while_running(&crawler, "delete")?;
    cx.delete(CRAWLERS, name)?;
    for (id, _) in cx.list::<serde::de::IgnoredAny>(CRAWLS, &format!("{name}\0"))? {
        cx.delete(CRAWLS, &id)?;
    }
    scheduler::keep(cx, Kind::Crawler, name, None)?;
    tags::forget(cx, &arn(cx, name))?;
    Ok(json!({}))
}

pub fn start(cx: &Call, input: &Value) -> Answer {
    begin(cx, text(input, "Name"))?;
    Ok(json!({}))
}

/// Starts a crawl, for whoever asks: a user, a trigger, a schedule.
pub fn begin(cx: &Call, name: &str) -> Result<(), Fault> {
    let mut crawler = find(cx, name)?;
    if running(&crawler) {
        return Err(Fault::bad(
            "CrawlerRunningException",
            format!("Crawler with name {name} has already started"),
        ));
    }
    check_role(cx, text(&crawler, "Role"))?;
    let id = uuid::Uuid::new_v4().to_string();
    crawler["_run"] = json!({"id": id, "started": cx.now, "stopping": false});
    put(cx, &crawler)?;
    let crawl = json!({
        "CrawlId": id,
        "State": "RUNNING",
        "StartTime": cx.now,
        "LogGroup": crate::crawler::LOG_GROUP,
        "LogStream": name,
        "MessagePrefix": id,
    });
    cx.put(CRAWLS, &crawl_id(name, cx.now, &id), &crawl)?;
    scheduler::note_running(cx, name, true)?;
    crate::crawler::spawn(cx, name, &id);
    Ok(())
}

fn crawl_id(name: &str, started: f64, id: &str) -> String {
    format!("{name}\0{:016x}\0{id}", u64::MAX - (started * 1000.0) as u64)
}

pub fn stop(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "Name");
    let mut crawler = find(cx, name)?;
    if !running(&crawler) {
        return Err(Fault::bad(
            "CrawlerNotRunningException",
            format!("Crawler with name {name} isn't running"),
        ));
    }
    if crawler["_run"]["stopping"] == true {
        return Err(Fault::bad(
            "CrawlerStoppingException",
            format!("Crawler with name {name} is stopping"),
        ));
    }
    crawler["_run"]["stopping"] = json!(true);
    put(cx, &crawler)?;
    Ok(json!({}))
}

/// How a crawl ended.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// `SUCCEEDED`, `FAILED` or `CANCELLED`.
    pub status: &'static str,
    pub error: Option<String>,
    pub tables: Changes,
    pub partitions: Changes,
    /// Levels and messages for the log.
    pub log: Vec<(&'static str, String)>,
}

/// Names of what was written.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub added: Vec<String>,
    pub updated: Vec<String>,
    pub deleted: Vec<String>,
}

impl End {
    pub fn failed(error: String) -> Self {
        Self {
            status: "FAILED",
            error: Some(error),
            ..Self::default()
        }
    }

    /// Returns the summary of a crawl in its history: JSON in JSON in JSON. Kinds without a change are left out.
    fn summary(&self) -> String {
        let mut kinds = Map::new();
        for (kind, changes) in [("TABLE", &self.tables), ("PARTITION", &self.partitions)] {
            let verbs = [
                ("ADD", &changes.added),
                ("UPDATE", &changes.updated),
                ("DELETE", &changes.deleted),
            ];
            let mut counted = Map::new();
            for (verb, names) in verbs.iter().filter(|(_, names)| !names.is_empty()) {
                let detail = json!({"Details": {"names": names}, "Count": names.len()});
                counted.insert((*verb).to_owned(), json!(detail.to_string()));
            }
            if !counted.is_empty() {
                kinds.insert(kind.to_owned(), json!(Value::Object(counted).to_string()));
            }
        }
        Value::Object(kinds).to_string()
    }
}

/// Writes the end of a crawl and lets the triggers that wait for it fire.
pub fn finish(cx: &Call, name: &str, end: &End) -> Result<(), Fault> {
    let mut crawler = find(cx, name)?;
    let Some(run) = crawler.as_object_mut().and_then(|fields| fields.remove("_run")) else {
        return Ok(());
    };
    let (id, started) = (text(&run, "id").to_owned(), run["started"].as_f64().unwrap_or(cx.now));
    let mut last = json!({
        "Status": end.status,
        "LogGroup": crate::crawler::LOG_GROUP,
        "LogStream": name,
        "MessagePrefix": id,
        "StartTime": started,
    });
    if let Some(error) = &end.error {
        last["ErrorMessage"] = json!(error);
    }
    crawler["LastCrawl"] = last;
    let seconds = (cx.now - started).max(0.0);
    let mut runtimes = crawler["_runtimes"].as_array().cloned().unwrap_or_default();
    runtimes.push(json!(seconds));
    crawler["_runtimes"] = json!(runtimes[runtimes.len().saturating_sub(100)..]);
    let Changes {
        added,
        updated,
        deleted,
    } = &end.tables;
    crawler["_counts"] = json!({"created": added.len(), "updated": updated.len(), "deleted": deleted.len()});
    put(cx, &crawler)?;
    scheduler::note_running(cx, name, false)?;
    let row = crawl_id(name, started, &id);
    if let Some(mut crawl) = cx.get::<Value>(CRAWLS, &row)? {
        crawl["State"] = json!(match end.status {
            "SUCCEEDED" => "COMPLETED",
            "CANCELLED" => "STOPPED",
            failed => failed,
        });
        crawl["EndTime"] = json!(cx.now);
        crawl["DPUHour"] = json!(0.0);
        if let Some(error) = &end.error {
            crawl["ErrorMessage"] = json!(error);
        }
        crawl["Summary"] = json!(end.summary());
        cx.put(CRAWLS, &row, &crawl)?;
    }
    triggers::crawl_ended(cx, name, end.status)
}

pub fn metrics(cx: &Call, input: &Value) -> Answer {
    let names = texts(&input["CrawlerNameList"]);
    let mut list = Vec::new();
    for crawler in all(cx)? {
        let name = text(&crawler, "Name");
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let mut runtimes: Vec<f64> = crawler["_runtimes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .collect();
        let last = runtimes.last().copied().unwrap_or(0.0);
        runtimes.sort_by(f64::total_cmp);
        let median = runtimes.get(runtimes.len() / 2).copied().unwrap_or(0.0);
        let counts = &crawler["_counts"];
        let elapsed = crawler["_run"]["started"]
            .as_f64()
            .map_or(0.0, |started| cx.now - started);
        list.push(json!({
            "CrawlerName": name,
            "TimeLeftSeconds": if running(&crawler) { (median - elapsed).max(0.0) } else { 0.0 },
            "StillEstimating": running(&crawler) && runtimes.is_empty(),
            "LastRuntimeSeconds": last,
            "MedianRuntimeSeconds": median,
            "TablesCreated": counts["created"].as_u64().unwrap_or(0),
            "TablesUpdated": counts["updated"].as_u64().unwrap_or(0),
            "TablesDeleted": counts["deleted"].as_u64().unwrap_or(0),
        }));
    }
    paged(cx, input, "CrawlerMetricsList", list, 1000)
}

pub fn history(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "CrawlerName");
    find(cx, name)?;
    let found: Vec<(String, Value)> = cx.list(CRAWLS, &format!("{name}\0"))?;
    let mut crawls: Vec<Value> = found.into_iter().map(|(_, crawl)| crawl).collect();
    for filter in input["Filters"].as_array().into_iter().flatten() {
        let member = match text(filter, "FieldName") {
            "CRAWL_ID" => "CrawlId",
            "STATE" => "State",
            "START_TIME" => "StartTime",
            "END_TIME" => "EndTime",
            "DPU_HOUR" => "DPUHour",
            other => return Err(invalid(format!("Unknown filter field {other}"))),
        };
        let value = text(filter, "FieldValue");
        let operator = text(filter, "FilterOperator").to_owned();
        crawls.retain(|crawl| match crawl[member].as_f64() {
            // Instants are compared in milliseconds, as the filter gives them.
            Some(number) => {
                let scale = if member == "DPUHour" { 1.0 } else { 1000.0 };
                value
                    .parse::<f64>()
                    .is_ok_and(|value| compares(number * scale, value, &operator))
            }
            None => (crawl[member] == value) == (operator != "NE"),
        });
    }
    paged(cx, input, "Crawls", crawls, 20)
}

fn compares(a: f64, b: f64, operator: &str) -> bool {
    match operator {
        "GT" => a > b,
        "GE" => a >= b,
        "LT" => a < b,
        "LE" => a <= b,
        "NE" => a != b,
        _ => a == b,
    }
}
