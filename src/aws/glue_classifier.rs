//! `glue_classifier`. Glue cannot tag classifiers, so their names alone say whose they are.

use crate::Aws;
use crate::error::{Doing, Pages, Result, accept, found};
use crate::glue;
use crate::provider::{self, answers, ask_created, ask_updated, claim, live, name_of, names, outputs, typed};
use crate::wait::retry;
use aws_sdk_glue::types::{
    Classifier, CreateCsvClassifierRequest, CreateGrokClassifierRequest, CreateJsonClassifierRequest,
    CreateXmlClassifierRequest, CsvHeaderOption, CsvSerdeOption, UpdateCsvClassifierRequest,
    UpdateGrokClassifierRequest, UpdateJsonClassifierRequest, UpdateXmlClassifierRequest,
};
use lakeform_engine::cloud::{Ask, Create, Delete, Meaning, Progress, Report, Update};
use lakeform_engine::{CloudError, Fields, Live, Value};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    csv: Option<Csv>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<JsonRows>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grok: Option<Grok>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    xml: Option<Xml>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Csv {
    #[serde(default = "comma")]
    delimiter: String,
    #[serde(default = "double_quote")]
    quote: String,
    #[serde(default = "unknown")]
    header: String,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    keep_whitespace: bool,
    #[serde(default)]
    single_column: bool,
    #[serde(default)]
    datatypes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    serde: Option<String>,
}

fn comma() -> String {
    ",".to_owned()
}

fn double_quote() -> String {
    "\"".to_owned()
}

fn unknown() -> String {
    "UNKNOWN".to_owned()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct JsonRows {
    path: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Grok {
    classification: String,
    pattern: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Xml {
    classification: String,
    row_tag: String,
}

pub(crate) async fn read(aws: &Aws, asks: &[Ask]) -> Result<Vec<Option<Live>>> {
    let doing = "read Glue classifiers";
    let names = names(asks, "name");
    let classifiers: Vec<Classifier> = match names.as_slice() {
        [] => Vec::new(),
        [name] => {
            let answer = found(aws.glue.get_classifier().name(name).send().await.doing(doing))?;
            answer.and_then(|answer| answer.classifier).into_iter().collect()
        }
        _ => all(aws).await?,
    };
    let mut answers = answers(asks, classifiers.into_iter().filter_map(to_live), |ask| {
        name_of(ask, "name")
    });
    for (ask, live) in asks.iter().zip(&mut answers) {
        // Glue fills in the serde when none was asked for.
        let asked = ask.fields.get("csv").and_then(Value::as_map);
        if let Some(Value::Map(csv)) = live.as_mut().and_then(|live| live.fields.get_mut("csv"))
            && asked.is_some_and(|asked| !asked.contains_key("serde"))
        {
            csv.remove("serde");
        }
    }
    Ok(answers)
}

async fn all(aws: &Aws) -> Result<Vec<Classifier>> {
    let pages = aws.glue.get_classifiers().into_paginator().page_size(100).send();
    let pages = pages.all("read Glue classifiers").await?;
    Ok(pages
        .into_iter()
        .flat_map(|page| page.classifiers.unwrap_or_default())
        .collect())
}

/// Whether two classifiers say the same.
pub(crate) fn same_content(wanted: &Fields, present: &Fields) -> Result<bool> {
    Ok(same(&typed(wanted)?, &typed(present)?))
}

/// Glue fills in the serde when none was asked for.
fn same(wanted: &Wanted, present: &Wanted) -> bool {
    match (&wanted.csv, &present.csv) {
        (Some(wanted), Some(present)) => {
            let serde = wanted.serde.clone().or_else(|| present.serde.clone());
            *present == Csv { serde, ..copy(wanted) }
        }
        _ => wanted == present,
    }
}

fn copy(csv: &Csv) -> Csv {
    Csv {
        delimiter: csv.delimiter.clone(),
        quote: csv.quote.clone(),
        header: csv.header.clone(),
        columns: csv.columns.clone(),
        keep_whitespace: csv.keep_whitespace,
        single_column: csv.single_column,
        datatypes: csv.datatypes.clone(),
        serde: csv.serde.clone(),
    }
}

fn to_live(classifier: Classifier) -> Option<Live> {
    let mut wanted = Wanted {
        name: String::new(),
        csv: None,
        json: None,
        grok: None,
        xml: None,
    };
    if let Some(csv) = classifier.csv_classifier {
        wanted.name = csv.name;
        wanted.csv = Some(Csv {
            delimiter: csv.delimiter.unwrap_or_else(comma),
            quote: csv.quote_symbol.unwrap_or_else(double_quote),
            header: csv
                .contains_header
                .map_or_else(unknown, |header| header.as_str().to_owned()),
            columns: csv.header.unwrap_or_default(),
            keep_whitespace: csv.disable_value_trimming.unwrap_or_default(),
            single_column: csv.allow_single_column.unwrap_or_default(),
            datatypes: csv.custom_datatypes.unwrap_or_default(),
            serde: csv.serde.map(|serde| serde.as_str().to_owned()),
        });
    } else if let Some(json) = classifier.json_classifier {
        wanted.name = json.name;
        wanted.json = Some(JsonRows { path: json.json_path });
    } else if let Some(grok) = classifier.grok_classifier {
        wanted.name = grok.name;
        let custom = grok.custom_patterns.filter(|patterns| !patterns.is_empty());
        wanted.grok = Some(Grok {
            classification: grok.classification,
            pattern: grok.grok_pattern,
            custom,
        });
    } else if let Some(xml) = classifier.xml_classifier {
        wanted.name = xml.name;
        wanted.xml = Some(Xml {
            classification: xml.classification,
            row_tag: xml.row_tag.unwrap_or_default(),
        });
    } else {
        return None;
    }
    let name = wanted.name.clone();
    Some(live(&name, &wanted, outputs! { name: name.as_str() }, None))
}

pub(crate) async fn create(aws: &Aws, create: &Create, report: Report<'_>) -> Result<Live> {
    let doing = "create the Glue classifier";
    let wanted: Wanted = typed(&create.fields)?;
    let ask = ask_created(create, &wanted.name);
    let name = &wanted.name;
    let request = aws.glue.create_classifier();
    let request = if let Some(csv) = &wanted.csv {
        let csv = CreateCsvClassifierRequest::builder()
            .name(name)
            .delimiter(&csv.delimiter)
            .quote_symbol(&csv.quote)
            .contains_header(CsvHeaderOption::from(csv.header.as_str()))
            .set_header(Some(csv.columns.clone()).filter(|columns| !columns.is_empty()))
            .disable_value_trimming(csv.keep_whitespace)
            .allow_single_column(csv.single_column)
            .set_custom_datatype_configured((!csv.datatypes.is_empty()).then_some(true))
            .set_custom_datatypes(Some(csv.datatypes.clone()).filter(|types| !types.is_empty()))
            .set_serde(csv.serde.as_deref().map(CsvSerdeOption::from))
            .build()
            .doing(doing)?;
        request.csv_classifier(csv)
    } else if let Some(json) = &wanted.json {
        request.json_classifier(
            CreateJsonClassifierRequest::builder()
                .name(name)
                .json_path(&json.path)
                .build()
                .doing(doing)?,
        )
    } else if let Some(grok) = &wanted.grok {
        let grok = CreateGrokClassifierRequest::builder()
            .name(name)
            .classification(&grok.classification)
            .grok_pattern(&grok.pattern)
            .set_custom_patterns(grok.custom.clone())
            .build()
            .doing(doing)?;
        request.grok_classifier(grok)
    } else if let Some(xml) = &wanted.xml {
        let xml = CreateXmlClassifierRequest::builder()
            .name(name)
            .classification(&xml.classification)
            .row_tag(&xml.row_tag);
        request.xml_classifier(xml.build().doing(doing)?)
    } else {
        return Err(CloudError::new(
            Meaning::Invalid,
            doing,
            "none of `csv`, `json`, `grok`, `xml` is set",
        ));
    };
    let shown = async || read(aws, std::slice::from_ref(&ask)).await;
    let made = request.send().await.doing(doing);
    claim(aws, made, create, report, shown).await?;
    report(Progress::Made { id: name.clone() });
    provider::visible(aws, doing, report, shown).await
}

pub(crate) async fn update(aws: &Aws, update: &Update, report: Report<'_>) -> Result<Live> {
    let doing = "change the Glue classifier";
    let wanted: Wanted = typed(&update.fields)?;
    let before: Wanted = typed(&update.before.fields)?;
    let kinds = |wanted: &Wanted| {
        [
            wanted.csv.is_some(),
            wanted.json.is_some(),
            wanted.grok.is_some(),
            wanted.xml.is_some(),
        ]
    };
    if kinds(&wanted) != kinds(&before) {
        // Glue cannot turn one sort into another. Crawlers know classifiers by name, so they do not notice.
        let name = &update.id;
        accept(
            aws.glue.delete_classifier().name(name).send().await.doing(doing),
            Meaning::NotFound,
        )?;
        let again = Create {
            owner: update.owner.clone(),
            fields: update.fields.clone(),
        };
        return create(aws, &again, report).await;
    }
    retry(glue::patience(aws), report, crate::wait::busy, async || {
        change(aws, &wanted).await
    })
    .await?;
    provider::one(read(aws, &[ask_updated(update)]).await?, doing)
}

async fn change(aws: &Aws, wanted: &Wanted) -> Result<()> {
    let doing = "change the Glue classifier";
    let name = &wanted.name;
    let request = aws.glue.update_classifier();
    let request = if let Some(csv) = &wanted.csv {
        let csv = UpdateCsvClassifierRequest::builder()
            .name(name)
            .delimiter(&csv.delimiter)
            .quote_symbol(&csv.quote)
            .contains_header(CsvHeaderOption::from(csv.header.as_str()))
            .set_header(Some(csv.columns.clone()))
            .disable_value_trimming(csv.keep_whitespace)
            .allow_single_column(csv.single_column)
            .custom_datatype_configured(!csv.datatypes.is_empty())
            .set_custom_datatypes(Some(csv.datatypes.clone()))
            .set_serde(csv.serde.as_deref().map(CsvSerdeOption::from))
            .build()
            .doing(doing)?;
        request.csv_classifier(csv)
    } else if let Some(json) = &wanted.json {
        request.json_classifier(
            UpdateJsonClassifierRequest::builder()
                .name(name)
                .json_path(&json.path)
                .build()
                .doing(doing)?,
        )
    } else if let Some(grok) = &wanted.grok {
        let grok = UpdateGrokClassifierRequest::builder()
            .name(name)
            .classification(&grok.classification)
            .grok_pattern(&grok.pattern)
            // Left out means unchanged to Glue, so "none" is said with an empty text.
            .custom_patterns(grok.custom.clone().unwrap_or_default())
            .build()
            .doing(doing)?;
        request.grok_classifier(grok)
    } else if let Some(xml) = &wanted.xml {
        let xml = UpdateXmlClassifierRequest::builder()
            .name(name)
            .classification(&xml.classification)
            .row_tag(&xml.row_tag);
        request.xml_classifier(xml.build().doing(doing)?)
    } else {
        return Err(CloudError::new(
            Meaning::Invalid,
            doing,
            "none of `csv`, `json`, `grok`, `xml` is set",
        ));
    };
    request.send().await.doing(doing)?;
    Ok(())
}

pub(crate) async fn delete(aws: &Aws, delete: &Delete, _report: Report<'_>) -> Result<()> {
    let request = aws.glue.delete_classifier().name(&delete.id);
    accept(
        request.send().await.doing("delete the Glue classifier"),
        Meaning::NotFound,
    )
}
