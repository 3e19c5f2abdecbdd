//! `crawl`: a crawler's run over a dataset, watched to its end, its tables compared with what was generated.

use super::manifest::{Manifest, Table, manifest_of};
use super::{Data, recorded, typed};
use lakeform_engine::cloud::{Ask, Cloud, CloudError, Live, Meaning, Report};
use lakeform_engine::{Address, Fields, Kind, Value};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many names of columns a message tells, and how much of each.
const NAMES: usize = 12;
const NAME: usize = 40;
/// How often, and after what pauses, what a run has just made is looked for again.
const LOOKS: usize = 4;
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
struct Wanted {
    crawler: String,
    dataset: String,
}

/// Live as long as every table the crawl wrote is in the catalog.
pub async fn read(data: &Data, ask: &Ask) -> Result<Option<Live>, CloudError> {
    let Some(record) = &ask.record else { return Ok(None) };
    let Some(database) = record.outputs.get("database").and_then(Value::as_text) else {
        return Ok(None);
    };
    let Some(tables) = record.outputs.get("tables").and_then(Value::as_map) else {
        return Ok(None);
    };
    let present = match data.aws.catalog_tables(database).await {
        Ok(Some(present)) => present,
        Ok(None) => return Ok(None),
        Err(error) => return Err(error),
    };
    let names: std::collections::BTreeSet<&str> = present.iter().map(|table| table.name.as_str()).collect();
    let whole = tables
        .values()
        .filter_map(Value::as_text)
        .all(|name| names.contains(name));
    Ok(whole.then(|| recorded(ask, record)))
}

/// Runs the crawler and checks what it wrote.
pub async fn make(data: &Data, fields: &Fields, report: Report<'_>) -> Result<Fields, CloudError> {
    let wanted: Wanted = typed(Kind::Crawl, fields)?;
    let manifest = manifest_of(data, &wanted.dataset).await?;
    let unseen =
        |target: &Result<Target, CloudError>| matches!(target, Err(error) if error.meaning == Meaning::NotFound);
    let target = look_again(async || target_of(data, &wanted.crawler).await, unseen).await?;
    data.aws.crawl(&wanted.crawler, report).await?;
    let differs = |found: &Result<Found, CloudError>| matches!(found, Ok((_, problems)) if !problems.is_empty());
    let (outputs, problems) = look_again(async || found(data, &manifest, &target).await, differs).await?;
    if !problems.is_empty() {
        let doing = format!("compare what `{}` found with what was generated", wanted.crawler);
        return Err(CloudError::new(Meaning::Failed, doing, problems.join("; "))
            .hint("a classifier with the wrong delimiter or header setting gives wrong columns"));
    }
    Ok(outputs)
}

/// What an earlier crawl must have found, if the catalog has all of it.
pub async fn recover(data: &Data, fields: &Fields) -> Result<Option<Fields>, CloudError> {
    let wanted: Wanted = typed(Kind::Crawl, fields)?;
    let gone = |error: &CloudError| matches!(error.meaning, Meaning::NotFound | Meaning::Failed);
    let manifest = match manifest_of(data, &wanted.dataset).await {
        Err(error) if gone(&error) => return Ok(None),
        manifest => manifest?,
    };
    let target = match target_of(data, &wanted.crawler).await {
        Err(error) if gone(&error) => return Ok(None),
        target => target?,
    };
    let (outputs, problems) = found(data, &manifest, &target).await?;
    Ok(problems.is_empty().then_some(outputs))
}

/// Looks a few times more, for a moment, while what was just made may not show yet.
async fn look_again<T>(look: impl AsyncFn() -> T, early: impl Fn(&T) -> bool) -> T {
    for _ in 0..LOOKS {
        let seen = look().await;
        if !early(&seen) {
            return seen;
        }
        tokio::time::sleep(PAUSE).await;
    }
    look().await
}

/// Outputs, and what is not as it was generated.
type Found = (Fields, Vec<String>);

/// The outputs of a crawl as the catalog has them now, and what is not as it was generated.
async fn found(data: &Data, manifest: &Manifest, target: &Target) -> Result<Found, CloudError> {
    let database = target.database.as_str();
    let prefix = target.table_prefix.to_lowercase();
    let present = data.aws.catalog_tables(database).await?.unwrap_or_default();
    let mut tables = BTreeMap::new();
    let mut problems = Vec::new();
    for table in manifest.tables.iter().filter(|table| table.rows > 0) {
        let folder = format!("/{}{}", manifest.prefix, table.folder);
        let at_place = present.iter().filter(|candidate| {
            candidate
                .location
                .trim_end_matches('/')
                .ends_with(folder.trim_end_matches('/'))
        });
        // A crawler that was told another prefix leaves the tables of before where they are.
        let found = at_place.min_by_key(|candidate| (!candidate.name.starts_with(&prefix), candidate.name.len()));
        match found {
            None => problems.push(format!("`{}` has no table in `{}`", table.name, database)),
            Some(found) => {
                let columns: Vec<(String, String)> = found
                    .columns
                    .iter()
                    .map(|column| (column.name.clone(), column.sort.clone()))
                    .collect();
                problems.extend(differences(table, &columns));
                tables.insert(table.name.clone(), Value::text(&found.name));
            }
        }
    }
    let outputs = BTreeMap::from([
        ("database".to_owned(), Value::text(database)),
        ("tables".to_owned(), Value::Map(tables)),
    ]);
    Ok((outputs, problems))
}

/// Where in the catalog a crawler writes, and what its tables' names begin with.
struct Target {
    database: String,
    table_prefix: String,
}

async fn target_of(data: &Data, crawler: &str) -> Result<Target, CloudError> {
    let ask = Ask::by_id(Address::new(Kind::GlueCrawler, crawler), crawler, Fields::new());
    let live = data
        .aws
        .read(Kind::GlueCrawler, &[ask])
        .await?
        .into_iter()
        .next()
        .flatten();
    let target = live.and_then(|live| {
        let text = |field: &str| live.fields.get(field).and_then(Value::as_text).map(str::to_owned);
        Some(Target {
            database: text("database")?,
            table_prefix: text("table_prefix").unwrap_or_default(),
        })
    });
    target.ok_or_else(|| {
        CloudError::new(
            Meaning::NotFound,
            format!("run the crawler {crawler}"),
            "it is not there".to_owned(),
        )
    })
}

/// What is different between a generated table and the catalog's columns.
fn differences(table: &Table, found: &[(String, String)]) -> Vec<String> {
    let mut problems = Vec::new();
    let names = |columns: &[(String, String)]| columns.iter().map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>();
    // A crawler makes up names for files without a header line.
    let made_up = !table.named
        && found
            .iter()
            .enumerate()
            .all(|(place, (name, _))| *name == format!("col{place}"));
    let same = if made_up {
        table.columns.len() == found.len()
    } else {
        names(&table.columns) == names(found)
    };
    if !same {
        return vec![format!(
            "`{}` has columns {} instead of {}",
            table.name,
            listed(&names(found)),
            listed(&names(&table.columns))
        )];
    }
    for ((name, wanted), (_, actual)) in table.columns.iter().zip(found) {
        if !compatible(wanted, actual) {
            problems.push(format!("`{}.{name}` is {actual} instead of {wanted}", table.name));
        }
    }
    problems
}

/// Names as a reader can take them in: a crawler that takes data for a header finds long ones, and many.
fn listed(names: &[String]) -> String {
    let mut shown: Vec<String> = names
        .iter()
        .take(NAMES)
        .map(|name| match name.char_indices().nth(NAME) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name.clone(),
        })
        .collect();
    if names.len() > NAMES {
        shown.push(format!("and {} more", names.len() - NAMES));
    }
    shown.join(", ")
}

/// Whether values of the generated type survive in the catalog's type.
fn compatible(wanted: &str, actual: &str) -> bool {
    let family = |ty: &str| match ty.split('(').next().unwrap_or(ty) {
        "tinyint" | "smallint" | "int" | "bigint" => "whole",
        "float" | "double" | "decimal" => "number",
        "date" | "timestamp" => "time",
        "boolean" => "boolean",
        "string" | "varchar" | "char" => "text",
        _ => "other",
    };
    // A crawler reads dates and times of delimited text as text, which loses nothing.
    let (wanted_family, actual_family) = (family(wanted), family(actual));
    wanted_family == actual_family
        || (wanted_family == "time" && actual_family == "text")
        || (wanted_family == "boolean" && actual_family == "text")
        || (wanted_family == "number" && actual_family == "whole")
        // As on AWS, a crawler takes codes made of digits for numbers. Their leading zeros stay in the files only.
        || (wanted_family == "text" && actual_family == "whole")
        // And texts that all say true or false for booleans.
        || (wanted_family == "text" && actual_family == "boolean")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_differ_are_named() {
        let table = Table {
            name: "accounts".into(),
            folder: "accounts".into(),
            rows: 1,
            columns: vec![("id".into(), "bigint".into()), ("opened".into(), "date".into())],
            named: true,
            objects: Vec::new(),
        };
        let found = |columns: &[(&str, &str)]| {
            columns
                .iter()
                .map(|(name, ty)| ((*name).to_owned(), (*ty).to_owned()))
                .collect::<Vec<_>>()
        };
        assert!(differences(&table, &found(&[("id", "bigint"), ("opened", "string")])).is_empty());
        assert_eq!(
            differences(&table, &found(&[("id", "string"), ("opened", "string")])),
            ["`accounts.id` is string instead of bigint"]
        );
        assert_eq!(
            differences(&table, &found(&[("col0", "string")])),
            ["`accounts` has columns col0 instead of id, opened"]
        );
        let header: Vec<String> = (0..20).map(|i| format!("{i}{}", "x".repeat(500))).collect();
        assert!(listed(&header).len() < 700 && listed(&header).ends_with("and 8 more"));
        let without_header = Table { named: false, ..table };
        let columns = found(&[("col0", "bigint"), ("col1", "string")]);
        assert!(differences(&without_header, &columns).is_empty());
        assert_eq!(
            differences(&without_header, &found(&[("col0", "string"), ("col1", "string")])),
            ["`accounts.id` is string instead of bigint"]
        );
    }
}
