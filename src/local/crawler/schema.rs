//! What a classifier says of a file, and how that becomes a table's storage descriptor and parameters.

use serde_json::{Map, Value, json};

use super::types::{Type, join_columns};

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: Type,
}

/// What is known of a file, or of several that were joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    pub columns: Vec<Column>,
    pub format: Format,
}

/// What a classifier says of a sample that it recognises.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub schema: Schema,
    pub records: u64,
    /// Bytes of those records before compression.
    pub bytes: u64,
    /// Bytes before them: a header.
    pub head: u64,
    /// The sample holds no more records.
    pub all: bool,
}

impl Seen {
    /// Returns how many records an object has of which the sample is the whole or the beginning.
    pub fn of_all(&self, whole: bool, plain: u64) -> u64 {
        if (whole && self.all) || self.bytes == 0 {
            return self.records;
        }
        let below = plain.saturating_sub(self.head) as f64;
        let estimated = (below * self.records as f64 / self.bytes as f64).round() as u64;
        estimated.max(self.records)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    Csv {
        delimiter: char,
        quote: char,
        header: bool,
        quoted: bool,
        serde: SerDe,
    },
    /// `paths` are the top-level names as the files spell them.
    Json {
        path: Option<String>,
        paths: Vec<String>,
    },
    Grok {
        classification: String,
        pattern: String,
        custom: String,
    },
    Parquet,
    /// No classifier knew it.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerDe {
    OpenCsv,
    LazySimple,
}

const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";

impl Schema {
    pub fn unknown() -> Self {
        Self {
            columns: Vec::new(),
            format: Format::Unknown,
        }
    }

    /// Returns the `classification` parameter.
    pub fn classification(&self) -> &str {
        match &self.format {
            Format::Csv { .. } => "csv",
            Format::Json { .. } => "json",
            Format::Grok { classification, .. } => classification,
            Format::Parquet => "parquet",
            Format::Unknown => "UNKNOWN",
        }
    }

    /// Says whether one reader can read both: the same format, and for text the same delimiter.
    pub fn readable_with(&self, other: &Schema) -> bool {
        match (&self.format, &other.format) {
            (
                Format::Csv {
                    delimiter: a,
                    header: x,
                    ..
                },
                Format::Csv {
                    delimiter: b,
                    header: y,
                    ..
                },
            ) => a == b && x == y,
            (Format::Json { path: a, .. }, Format::Json { path: b, .. }) => a == b,
            (Format::Grok { pattern: a, .. }, Format::Grok { pattern: b, .. }) => a == b,
            (Format::Parquet, Format::Parquet) | (Format::Unknown, Format::Unknown) => true,
            _ => false,
        }
    }

    /// Says whether the columns are so alike that the files belong to one table: the shared ones are more than 70 %.
    pub fn similar(&self, other: &Schema) -> bool {
        if !self.readable_with(other) {
            return false;
        }
        let names = |schema: &Schema| -> std::collections::BTreeSet<String> {
            schema.columns.iter().map(|column| column.name.to_lowercase()).collect()
        };
        let (a, b) = (names(self), names(other));
        let most = a.len().max(b.len());
        most == 0 || a.intersection(&b).count() as f64 / most as f64 > 0.7
    }

    /// Joins the columns by name. Delimited text of files without a header joins by place, which is by name too,
    /// because the names are those of the places.
    pub fn join(self, other: &Schema) -> Schema {
        let pairs = |columns: Vec<Column>| columns.into_iter().map(|column| (column.name, column.kind)).collect();
        let columns = join_columns(pairs(self.columns), pairs(other.columns.clone()));
        let columns = columns.into_iter().map(|(name, kind)| Column { name, kind }).collect();
        let format = match (self.format, other.format.clone()) {
            (Format::Json { path, paths: mut all }, Format::Json { paths, .. }) => {
                for name in paths {
                    if !all.contains(&name) {
                        all.push(name);
                    }
                }
                Format::Json { path, paths: all }
            }
            (
                Format::Csv {
                    delimiter,
                    quote: p,
                    header,
                    quoted: a,
                    serde: x,
                },
                Format::Csv {
                    quote: q,
                    quoted: b,
                    serde: y,
                    ..
                },
            ) => Format::Csv {
                delimiter,
                quote: p.min(q),
                header,
                quoted: a || b,
                serde: if x == SerDe::OpenCsv { x } else { y },
            },
            (format, _) => format,
        };
        Schema { columns, format }
    }

    /// Returns the columns as the catalog has them.
    pub fn catalog_columns(&self) -> Vec<Value> {
        self.columns
            .iter()
            .map(|column| json!({"Name": column.name.to_lowercase(), "Type": column.kind.to_string()}))
            .collect()
    }

    /// Returns the parameters that describe the format.
    pub fn parameters(&self, compression: &str) -> Map<String, Value> {
        let mut parameters = Map::new();
        let mut set = |name: &str, value: String| drop(parameters.insert(name.to_owned(), Value::String(value)));
        set("classification", self.classification().to_owned());
        set("compressionType", compression.to_owned());
        set("typeOfData", "file".to_owned());
        match &self.format {
            Format::Csv {
                delimiter,
                header,
                quoted,
                ..
            } => {
                set("areColumnsQuoted", quoted.to_string());
                set("columnsOrdered", "true".to_owned());
                set("delimiter", delimiter.to_string());
                if *header {
                    set("skip.header.line.count", "1".to_owned());
                }
            }
            Format::Json { path: Some(path), .. } => set("jsonPath", path.clone()),
            Format::Grok { pattern, .. } => set("grokPattern", pattern.clone()),
            _ => {}
        }
        parameters
    }

    /// Returns a storage descriptor for files at `location`.
    pub fn descriptor(&self, location: &str, compressed: bool, parameters: &Map<String, Value>) -> Value {
        let (input, output, serde) = match &self.format {
            Format::Csv {
                delimiter,
                serde: SerDe::LazySimple,
                ..
            } => (
                TEXT_INPUT,
                TEXT_OUTPUT,
                json!({
                    "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                    "Parameters": {"field.delim": delimiter.to_string()},
                }),
            ),
            Format::Csv {
                delimiter,
                quote,
                serde: SerDe::OpenCsv,
                ..
            } => (
                TEXT_INPUT,
                TEXT_OUTPUT,
                json!({
                    "SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                    "Parameters": {"separatorChar": delimiter.to_string(), "quoteChar": quote.to_string(), "escapeChar": "\\"},
                }),
            ),
            Format::Json { paths, .. } => {
                let mut paths = paths.clone();
                paths.sort();
                (
                    TEXT_INPUT,
                    TEXT_OUTPUT,
                    json!({
                        "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                        "Parameters": {"paths": paths.join(",")},
                    }),
                )
            }
            Format::Grok { pattern, custom, .. } => {
                let mut given = json!({"input.format": pattern});
                if !custom.is_empty() {
                    given["input.grokCustomPatterns"] = json!(custom);
                }
                (
                    TEXT_INPUT,
                    TEXT_OUTPUT,
                    json!({"SerializationLibrary": "com.amazonaws.glue.serde.GrokSerDe", "Parameters": given}),
                )
            }
            Format::Parquet => (
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                json!({
                    "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
                    "Parameters": {"serialization.format": "1"},
                }),
            ),
            Format::Unknown => (TEXT_INPUT, TEXT_OUTPUT, json!({"Parameters": {}})),
        };
        json!({
            "Columns": self.catalog_columns(),
            "Location": location,
            "InputFormat": input,
            "OutputFormat": output,
            "Compressed": compressed,
            "NumberOfBuckets": -1,
            "SerdeInfo": serde,
            "BucketColumns": [],
            "SortColumns": [],
            "Parameters": parameters,
            "StoredAsSubDirectories": false,
        })
    }
}
