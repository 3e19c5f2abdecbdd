//! What decides a dataset's bytes, as people write it in a stack file or on the command line, and the plans of files
//! that come of it. A manifest carries its recipe, so that what it lists can be made again.

use crate::project::{DatasetError, find_dataset};
use lakeform_datagen::{self as datagen, FilePlan, Plan, Problem, TablePlan};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Rows of a fact table when nobody says how many.
pub const DEFAULT_ROWS: u64 = 10_000;
/// S3 takes at most so many parts to an object; a few are kept back for parts that turn out small.
const MOST_PARTS: u64 = 9_000;

/// Everything that decides the bytes of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// A shipped dataset, or the path of a definition file.
    pub definition: String,
    pub rows: u64,
    pub seed: u64,
    /// Only these tables; all when empty.
    pub tables: Vec<String>,
    /// Days, or ranges `A..B`: each a batch with files of its own. Empty: the whole calendar at once.
    pub days: Vec<String>,
    pub format: String,
    pub compression: String,
    /// Bytes of a file, such as `256MiB`.
    pub target_size: String,
    /// Bytes of a row group of a Parquet file.
    pub row_group_size: String,
    /// The number of a table's files is a multiple of this.
    pub slices: u32,
    /// The share of rows with a mistake, such as `0.5%`, or `none`.
    pub dirty: String,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            definition: "banking".to_owned(),
            rows: DEFAULT_ROWS,
            seed: 1,
            tables: Vec::new(),
            days: Vec::new(),
            format: "as-defined".to_owned(),
            compression: "none".to_owned(),
            target_size: "256MiB".to_owned(),
            row_group_size: "64MiB".to_owned(),
            slices: 1,
            dirty: "none".to_owned(),
        }
    }
}

/// Why nothing can be made.
pub enum RecipeError {
    /// A value cannot be read.
    Value {
        field: &'static str,
        message: String,
        hint: String,
    },
    /// The definition cannot be used.
    Definition(DatasetError),
    /// What is asked does not go with the definition.
    Asked { text: String, problems: Vec<Problem> },
}

/// The files of a recipe: a plan for each batch of days, or one for all.
#[derive(Debug)]
pub struct Batches {
    pub plans: Vec<Arc<Plan>>,
    /// Changes when the bytes change; the same for every share of the files.
    pub fingerprint: String,
}

/// One file of [`Batches`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub plan: usize,
    pub table: usize,
    pub file: usize,
}

impl Recipe {
    /// Reads what is written in words: options of a plan, and batches of days.
    pub fn read(&self, part: Option<(u64, u64)>) -> Result<(datagen::Options, Vec<(i64, i64)>), RecipeError> {
        let target_bytes = size("target_size", &self.target_size)?;
        let options = datagen::Options {
            rows: self.rows,
            seed: self.seed,
            target_bytes,
            part_bytes: datagen::Options::default().part_bytes.max(target_bytes / MOST_PARTS),
            row_group_bytes: size("row_group_size", &self.row_group_size)?,
            files_multiple: self.slices,
            compression: match self.compression.as_str() {
                "none" => datagen::Compression::None,
                "gzip" => datagen::Compression::Gzip,
                "zstd" => datagen::Compression::Zstd,
                other => return Err(wrong("compression", other, "a compression", "none, gzip or zstd")),
            },
            format: match self.format.as_str() {
                "as-defined" => None,
                "csv" => Some(datagen::Format::Csv(datagen::Csv::default())),
                "json" => Some(datagen::Format::JsonLines),
                "parquet" => Some(datagen::Format::Parquet),
                other => return Err(wrong("format", other, "a format", "as-defined, csv, json or parquet")),
            },
            part,
            tables: self.tables.clone(),
            dirty: share(&self.dirty)?,
            ..datagen::Options::default()
        };
        Ok((options, days(&self.days)?))
    }

    /// Plans every file, or those of the `i`-th of `n` shares. `folder` is where a definition file's path begins.
    pub fn batches(&self, folder: &Path, part: Option<(u64, u64)>) -> Result<Batches, RecipeError> {
        let dataset = find_dataset(folder, &self.definition).map_err(RecipeError::Definition)?;
        let (options, batches) = self.read(part)?;
        let batches = match batches {
            batches if batches.is_empty() => vec![None],
            batches => batches.into_iter().map(Some).collect(),
        };
        let plans = batches
            .into_iter()
            .map(|days| {
                dataset
                    .plan(&datagen::Options {
                        days,
                        ..options.clone()
                    })
                    .map(Arc::new)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|problems| RecipeError::Asked {
                text: self.definition_text(folder),
                problems,
            })?;
        let fingerprint = match plans.as_slice() {
            [plan] => plan.fingerprint().to_owned(),
            plans => {
                let all: Vec<&str> = plans.iter().map(|plan| plan.fingerprint()).collect();
                Sha256::digest(all.join(" "))
                    .iter()
                    .take(16)
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            }
        };
        Ok(Batches { plans, fingerprint })
    }

    fn definition_text(&self, folder: &Path) -> String {
        match datagen::Dataset::builtin_source(&self.definition) {
            Some(text) => text.to_owned(),
            None => std::fs::read_to_string(folder.join(&self.definition)).unwrap_or_default(),
        }
    }
}

impl Batches {
    /// Returns every file to make, table by table. A table that does not lie along the calendar has the same files in
    /// every batch; it is made as it is on the last day.
    pub fn files(&self) -> Vec<At> {
        let mut by_key: BTreeMap<&str, At> = BTreeMap::new();
        for (plan, planned) in self.plans.iter().enumerate() {
            for (table, entry) in planned.tables.iter().enumerate() {
                by_key.extend(
                    entry
                        .files
                        .iter()
                        .enumerate()
                        .map(|(file, entry)| (entry.key.as_str(), At { plan, table, file })),
                );
            }
        }
        let mut files: Vec<At> = by_key.into_values().collect();
        files.sort_by_key(|at| (at.table, at.plan, at.file));
        files
    }

    /// The tables; their names and columns are the same in every batch.
    pub fn tables(&self) -> &[TablePlan] {
        &self.plans[0].tables
    }

    pub fn table(&self, at: At) -> &TablePlan {
        &self.plans[at.plan].tables[at.table]
    }

    pub fn file(&self, at: At) -> &FilePlan {
        &self.table(at).files[at.file]
    }

    /// Returns the rows of a file, without those that are there twice on purpose.
    pub fn rows(&self, at: At) -> u64 {
        let rows = &self.file(at).rows;
        rows.end - rows.start
    }

    /// Files that are written as they stand: key and text.
    pub fn extras(&self) -> &[(String, String)] {
        &self.plans[0].extras
    }

    /// Whether mistakes are put in on purpose, so that there is a truth to tell.
    pub fn is_dirty(&self) -> bool {
        self.plans[0].options.dirty > 0.0
    }
}

fn wrong(field: &'static str, text: &str, what: &str, instead: &str) -> RecipeError {
    RecipeError::Value {
        field,
        message: format!("`{text}` is not {what}"),
        hint: format!("write {instead}"),
    }
}

fn size(field: &'static str, text: &str) -> Result<u64, RecipeError> {
    // Redshift reads no object above 5 TB, because S3 keeps none.
    bytes(text)
        .filter(|size| (1..=5_000_000_000_000).contains(size))
        .ok_or_else(|| wrong(field, text, "a size", "128MB, 256MiB or 1GiB"))
}

/// Reads a size: bytes, or with `KB`, `MB`, `GB`, `KiB`, `MiB`, `GiB` behind the number.
pub fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => 0,
    };
    let number = digits.replace('_', "").parse::<u64>().ok()?;
    number.checked_mul(unit).filter(|size| *size > 0)
}

/// Reads a share such as `0.5%`.
fn share(text: &str) -> Result<f64, RecipeError> {
    if text == "none" {
        return Ok(0.0);
    }
    text.strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok())
        .filter(|share| (0.0..=100.0).contains(share))
        .map(|share| share / 100.0)
        .ok_or_else(|| wrong("dirty", text, "a share of rows", "0.5%"))
}

/// Reads batches of days into day numbers, in the order of time. Batches that overlap would hold rows twice.
fn days(batches: &[String]) -> Result<Vec<(i64, i64)>, RecipeError> {
    let mut read = batches.iter().map(|text| batch(text)).collect::<Result<Vec<_>, _>>()?;
    read.sort_unstable();
    for pair in read.windows(2) {
        if pair[1].0 <= pair[0].1 {
            return Err(RecipeError::Value {
                field: "days",
                message: format!("{} is in two batches of days", datagen::format_date(pair[1].0)),
                hint: "each day belongs to one batch, or its rows would be there twice".to_owned(),
            });
        }
    }
    Ok(read)
}

fn batch(text: &str) -> Result<(i64, i64), RecipeError> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let read = |day: &str| datagen::parse_date(day.trim());
    match (read(first), read(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (Some(_), Some(_)) => Err(RecipeError::Value {
            field: "days",
            message: format!("`{text}` ends before it begins"),
            hint: "write 2024-05-01..2024-05-31".to_owned(),
        }),
        _ => Err(wrong(
            "days",
            text,
            "a day or a range of days",
            "2024-05-01 or 2024-05-01..2024-05-31",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T, RecipeError>) -> String {
        match result.map_err(|error| match error {
            RecipeError::Value { message, hint, .. } => format!("{message}; {hint}"),
            _ => "something else".to_owned(),
        }) {
            Ok(value) => format!("{value:?}"),
            Err(message) => message,
        }
    }

    #[test]
    fn sizes_and_shares_are_read_as_people_write_them() {
        assert_eq!(said(size("target_size", "256MiB")), "268435456");
        assert_eq!(said(size("target_size", "128 MB")), "128000000");
        assert_eq!(said(size("target_size", "1_000")), "1000");
        for bad in ["", "MiB", "0", "12 parsecs", "6000000GB", "-1"] {
            assert!(said(size("target_size", bad)).contains("write 128MB"), "{bad}");
        }
        assert_eq!(said(share("0.5%")), "0.005");
        assert_eq!(said(share("none")), "0.0");
        for bad in ["0.5", "101%", "-1%", "%", "many"] {
            assert!(said(share(bad)).contains("write 0.5%"), "{bad}");
        }
    }

    #[test]
    fn batches_of_days_lie_in_the_order_of_time_and_apart() {
        let read = |batches: &[&str]| said(days(&batches.iter().map(|b| (*b).to_owned()).collect::<Vec<_>>()));
        assert_eq!(read(&["1970-01-03", "1970-01-01..1970-01-02"]), "[(0, 1), (2, 2)]");
        assert!(read(&["1970-01-01..1970-01-05", "1970-01-05"]).contains("1970-01-05 is in two batches"));
        assert!(read(&["1970-01-05..1970-01-01"]).contains("ends before it begins"));
        assert!(read(&["yesterday"]).contains("is not a day"));
    }

    #[test]
    fn dimensions_are_made_once_and_facts_for_each_batch() {
        let recipe = Recipe {
            rows: 100_000,
            days: vec!["2024-05-01".to_owned(), "2024-05-02..2024-05-03".to_owned()],
            tables: vec!["customers".to_owned(), "fact_transactions".to_owned()],
            ..Recipe::default()
        };
        let Ok(batches) = recipe.batches(Path::new("."), None) else {
            panic!("a plan")
        };
        let made: Vec<(usize, &str)> = batches
            .files()
            .into_iter()
            .map(|at| (at.plan, batches.file(at).key.as_str()))
            .collect();
        assert_eq!(
            made,
            [
                (1, "customers/customers-00000.csv"),
                (0, "fact_transactions/fact_transactions-2024-05-01-00000.csv"),
                (1, "fact_transactions/fact_transactions-2024-05-02-2024-05-03-00000.csv"),
            ]
        );
    }
}
