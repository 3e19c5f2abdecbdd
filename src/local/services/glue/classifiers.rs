//! Custom classifiers: kept as given, checked so that a crawl cannot trip over them.

use serde_json::{Map, Value, json};

use super::{Answer, Call, Fault, exists, invalid, missing, paged, text, texts};
use crate::crawler::classify::Classifier;
use crate::crawler::csv::{Header, SerDeChoice, Settings};
use crate::crawler::grok::Grok;
use crate::crawler::json as json_path;

const CLASSIFIERS: &str = "glue.classifiers";
const KINDS: [(&str, &str); 4] = [
    ("GrokClassifier", "GrokClassifier"),
    ("XMLClassifier", "XMLClassifier"),
    ("JsonClassifier", "JsonClassifier"),
    ("CsvClassifier", "CsvClassifier"),
];

/// Returns the one kind of classifier that a request holds.
fn given(input: &Value) -> Result<(&'static str, Value), Fault> {
    let mut found = KINDS.iter().filter(|(member, _)| input[*member].is_object());
    match (found.next(), found.next()) {
        (Some((member, _)), None) => Ok((*member, input[*member].clone())),
        _ => Err(invalid(
            "Exactly one of GrokClassifier, XMLClassifier, JsonClassifier or CsvClassifier must be specified",
        )),
    }
}

fn find(cx: &Call, name: &str) -> Result<Option<Value>, Fault> {
    cx.get(CLASSIFIERS, name)
}

fn known(cx: &Call, name: &str) -> Result<Value, Fault> {
    find(cx, name)?.ok_or_else(|| missing(format!("Classifier entry with name {name} does not exist")))
}

fn kind_of(document: &Value) -> &'static str {
    KINDS
        .iter()
        .find(|(member, _)| document[*member].is_object())
        .map_or("", |(member, _)| member)
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let (kind, mut fields) = given(input)?;
    let name = text(&fields, "Name").to_owned();
    if find(cx, &name)?.is_some() {
        return Err(exists(format!("{}:{name} already exists", cx.account)));
    }
    fill(kind, &mut fields);
    check(kind, &fields)?;
    fields["CreationTime"] = json!(cx.now);
    fields["LastUpdated"] = json!(cx.now);
    fields["Version"] = json!(1);
    cx.put(CLASSIFIERS, &name, &json!({kind: fields}))?;
    Ok(json!({}))
}

/// The defaults of a CSV classifier.
fn fill(kind: &str, fields: &mut Value) {
    if kind != "CsvClassifier" {
        return;
    }
    let defaults = [
        ("ContainsHeader", json!("UNKNOWN")),
        ("DisableValueTrimming", json!(true)),
        ("AllowSingleColumn", json!(false)),
    ];
    for (member, value) in defaults {
        if fields[member].is_null() {
            fields[member] = value;
        }
    }
}

fn check(kind: &str, fields: &Value) -> Result<(), Fault> {
    match kind {
        "CsvClassifier" => {
            let delimiter = text(fields, "Delimiter");
            if !delimiter.is_empty() && delimiter == text(fields, "QuoteSymbol") {
                return Err(invalid("The delimiter and the quote symbol must be different"));
            }
            let header = texts(&fields["Header"]);
            let folded: Vec<String> = header.iter().map(|name| name.to_lowercase()).collect();
            if folded.iter().enumerate().any(|(at, name)| folded[..at].contains(name)) {
                return Err(invalid("Duplicate column names found in header"));
            }
            const TYPES: [&str; 11] = [
                "BINARY",
                "BOOLEAN",
                "DATE",
                "DECIMAL",
                "DOUBLE",
                "FLOAT",
                "INT",
                "LONG",
                "SHORT",
                "STRING",
                "TIMESTAMP",
            ];
            let datatypes = texts(&fields["CustomDatatypes"]);
            if let Some(unknown) = datatypes
                .iter()
                .find(|name| !TYPES.contains(&name.to_ascii_uppercase().as_str()))
            {
                return Err(invalid(format!("Unsupported custom datatype: {unknown}")));
            }
            if fields["CustomDatatypeConfigured"] == true && !header.is_empty() && header.len() != datatypes.len() {
                return Err(invalid(
                    "The number of custom datatypes does not match the number of header columns",
                ));
            }
            Ok(())
        }
        "JsonClassifier" => {
            let path = text(fields, "JsonPath");
            json_path::steps(path)
                .map(drop)
                .map_err(|reason| invalid(format!("Invalid JSON path {path}: {reason}")))
        }
        "GrokClassifier" => {
            let grok = Grok::new(
                text(fields, "Classification"),
                text(fields, "GrokPattern"),
                text(fields, "CustomPatterns"),
            );
            grok.map(drop)
                .map_err(|reason| invalid(format!("Invalid grok pattern: {reason}")))
        }
        _ => Err(refused(kind)),
    }
}

fn refused(kind: &str) -> Fault {
    Fault::new(
        501,
        "NotImplemented",
        format!("the local cloud does not implement `{kind}`"),
    )
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    Ok(json!({"Classifier": known(cx, text(input, "Name"))?}))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let all: Vec<(String, Value)> = cx.list(CLASSIFIERS, "")?;
    paged(
        cx,
        input,
        "Classifiers",
        all.into_iter().map(|(_, classifier)| classifier).collect(),
        1000,
    )
}

pub fn update(cx: &Call, input: &Value) -> Answer {
    let (kind, changes) = given(input)?;
    let name = text(&changes, "Name").to_owned();
    let document = known(cx, &name)?;
    if kind_of(&document) != kind {
        return Err(invalid(format!("The type of the classifier {name} cannot be changed")));
    }
    let mut fields: Map<String, Value> = document[kind].as_object().cloned().unwrap_or_default();
    fields.extend(changes.as_object().cloned().unwrap_or_default());
    let mut fields = Value::Object(fields);
    check(kind, &fields)?;
    fields["LastUpdated"] = json!(cx.now);
    fields["Version"] = json!(fields["Version"].as_u64().unwrap_or(1) + 1);
    cx.put(CLASSIFIERS, &name, &json!({kind: fields}))?;
    Ok(json!({}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let name = text(input, "Name");
    known(cx, name)?;
    cx.delete(CLASSIFIERS, name)?;
    Ok(json!({}))
}

/// Fails when one of these does not exist.
pub fn all_exist(cx: &Call, names: &[String]) -> Result<(), Fault> {
    for name in names {
        known(cx, name)?;
    }
    Ok(())
}

/// Returns a crawler's classifiers ready for use, in their order. One deleted meanwhile is left out.
pub fn compiled(cx: &Call, names: &[String]) -> Result<Vec<Classifier>, Fault> {
    let mut found = Vec::new();
    for name in names {
        let Some(document) = find(cx, name)? else { continue };
        let kind = kind_of(&document);
        let fields = &document[kind];
        found.push(match kind {
            "CsvClassifier" => Classifier::Csv(csv_settings(fields)),
            "JsonClassifier" => Classifier::Json {
                path: text(fields, "JsonPath").to_owned(),
            },
            "GrokClassifier" => {
                let grok = Grok::new(
                    text(fields, "Classification"),
                    text(fields, "GrokPattern"),
                    text(fields, "CustomPatterns"),
                );
                Classifier::Grok(grok.map_err(|reason| invalid(format!("Invalid grok pattern: {reason}")))?)
            }
            other => return Err(refused(other)),
        });
    }
    Ok(found)
}

fn csv_settings(fields: &Value) -> Settings {
    let one = |member: &str| fields[member].as_str().and_then(|text| text.chars().next());
    Settings {
        delimiter: one("Delimiter"),
        quote: one("QuoteSymbol"),
        header: match text(fields, "ContainsHeader") {
            "PRESENT" => Header::Present,
            "ABSENT" => Header::Absent,
            _ => Header::Unknown,
        },
        names: texts(&fields["Header"]),
        trim: fields["DisableValueTrimming"] == false,
        single_column: fields["AllowSingleColumn"] == true,
        datatypes: if fields["CustomDatatypeConfigured"] == true {
            texts(&fields["CustomDatatypes"])
        } else {
            Vec::new()
        },
        serde: match text(fields, "Serde") {
            "OpenCSVSerDe" => SerDeChoice::OpenCsv,
            "LazySimpleSerDe" => SerDeChoice::LazySimple,
            _ => SerDeChoice::Detect,
        },
        built_in: false,
    }
}
