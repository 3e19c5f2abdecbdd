//! Running crawlers and reading what they wrote into the catalog.

use crate::Aws;
use crate::connection::Pace;
use crate::ec2;
use crate::error::{Doing, Pages, Result, Says, found};
use crate::glue_crawler;
use crate::wait::{Look, Patience, retry, until};
use aws_sdk_glue::operation::get_tables::GetTablesOutput;
use aws_sdk_glue::primitives::DateTime;
use aws_sdk_glue::types::{Crawler, CrawlerState, LastCrawlInfo, LastCrawlStatus, Table};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::{Meaning, Progress, Report};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// What a run of a crawler did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrawlResult {
    /// Totals of the crawler, over all its runs.
    pub tables_created: u64,
    pub tables_updated: u64,
    pub tables_deleted: u64,
}

/// A table of the Glue catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogTable {
    pub name: String,
    pub location: String,
    pub columns: Vec<CatalogColumn>,
    pub partition_keys: Vec<CatalogColumn>,
    /// `csv`, `json`, `parquet`: what the crawler called the data.
    pub classification: String,
    pub parameters: BTreeMap<String, String>,
    /// Goes up with every change.
    pub version: String,
}

/// A column of the Glue catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogColumn {
    pub name: String,
    pub sort: String,
}

fn begun(run: Option<&LastCrawlInfo>) -> Option<DateTime> {
    run.and_then(|run| run.start_time)
}

impl Aws {
    /// Runs the crawler once and waits for its end. A run that is under way already may have begun before the data
    /// were there, so it is waited for and another one is started.
    pub async fn crawl(&self, name: &str, report: Report<'_>) -> Result<CrawlResult> {
        let doing = format!("run the crawler {name}");
        let patience = match self.connection.pace {
            Pace::Quick => Patience::new(Pace::Quick, 600),
            Pace::Aws => Patience::new(Pace::Aws, 3 * 3600),
        };
        let before = self.last_run(name).await?;
        let running = |error: &CloudError| error.is(Meaning::Busy).then_some("an earlier run has not ended");
        retry(patience, report, running, async || {
            self.glue.start_crawler().name(name).send().await.doing(&doing)
        })
        .await?;
        report(Progress::State("running".to_owned()));
        let wait = self.connection.looks.wait("crawler", name);
        let started = Instant::now();
        let last = until(patience, &doing, report, async || {
            let look = async |names: Vec<String>| {
                let named = |crawler: Crawler| Some((crawler.name.clone()?, crawler));
                let crawlers = glue_crawler::get(self, &names).await?;
                Ok(crawlers.into_iter().filter_map(named).collect())
            };
            let crawler = wait.look(self.connection.fresh(), look).await?;
            // A look at a moment ago shows neither what was just made nor what was just begun.
            let early = started.elapsed() < ec2::lag(self).limit;
            let crawler = match crawler {
                Some(crawler) => crawler,
                None if early => return Ok(Look::Pending("starting".to_owned())),
                None => return Err(CloudError::new(Meaning::NotFound, &doing, "it is not there any more")),
            };
            Ok(match crawler.state {
                Some(CrawlerState::Ready) | None if early && begun(crawler.last_crawl.as_ref()) == before => {
                    Look::Pending("starting".to_owned())
                }
                Some(CrawlerState::Ready) | None => Look::Done(crawler.last_crawl),
                Some(state) => Look::Pending(state.as_str().to_ascii_lowercase()),
            })
        })
        .await?;
        if let Some(last) = last
            && let Some(status) = &last.status
            && *status != LastCrawlStatus::Succeeded
        {
            let message = last
                .error_message
                .unwrap_or_else(|| format!("the run ended as {status}"));
            let meaning = if *status == LastCrawlStatus::Cancelled {
                Meaning::Cancelled
            } else {
                Meaning::Failed
            };
            let mut error = CloudError::new(meaning, &doing, message);
            if let (Some(group), Some(stream)) = (&last.log_group, &last.log_stream) {
                error = error.hint(format!("its log is in {group}, stream {stream}"));
            }
            return Err(error);
        }
        self.crawl_totals(name).await
    }

    /// Returns when the last run of the crawler began, if there was one.
    async fn last_run(&self, name: &str) -> Result<Option<DateTime>> {
        let crawlers = glue_crawler::get(self, &[name.to_owned()]).await?;
        Ok(crawlers.first().and_then(|crawler| begun(crawler.last_crawl.as_ref())))
    }

    /// Returns what all runs of the crawler did together. The figures are for people; a service that does not tell
    /// them is no reason to fail.
    async fn crawl_totals(&self, name: &str) -> Result<CrawlResult> {
        let answer = self
            .glue
            .get_crawler_metrics()
            .crawler_name_list(name)
            .send()
            .await
            .doing("read what the crawler did");
        let Ok(answer) = answer else {
            return Ok(CrawlResult::default());
        };
        let count = |number: i32| u64::try_from(number).unwrap_or_default();
        Ok(answer
            .crawler_metrics_list()
            .first()
            .map_or_else(CrawlResult::default, |metrics| CrawlResult {
                tables_created: count(metrics.tables_created),
                tables_updated: count(metrics.tables_updated),
                tables_deleted: count(metrics.tables_deleted),
            }))
    }

    /// Returns the tables of a Glue database, or `None` when there is no such database.
    pub async fn catalog_tables(&self, database: &str) -> Result<Option<Vec<CatalogTable>>> {
        let pages = self
            .glue
            .get_tables()
            .database_name(database)
            .into_paginator()
            .page_size(100)
            .send();
        let pages = found(pages.all(format!("read the tables of {database}")).await)?;
        let tables =
            |pages: Vec<GetTablesOutput>| pages.into_iter().flat_map(|page| page.table_list.unwrap_or_default());
        Ok(pages.map(|pages| tables(pages).map(catalog_table).collect()))
    }

    /// Deletes tables of a Glue database; those that are gone are fine.
    pub async fn delete_catalog_tables(&self, database: &str, names: &[String]) -> Result<()> {
        let doing = format!("delete tables of {database}");
        for chunk in names.chunks(100) {
            let request = self.glue.batch_delete_table().database_name(database);
            let answer = request
                .set_tables_to_delete(Some(chunk.to_vec()))
                .send()
                .await
                .doing(&doing)?;
            // Failures come one by one inside an answer that says 200.
            for refusal in answer.errors() {
                let Some(detail) = &refusal.error_detail else { continue };
                if detail.error_code.as_deref() != Some("EntityNotFoundException") {
                    let message = detail.error_message.as_deref().unwrap_or("refused");
                    let table = refusal.table_name.as_deref().unwrap_or_default();
                    let mut error = CloudError::new(Meaning::Invalid, &doing, format!("{table}: {message}"));
                    error.code = detail.error_code.clone();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

fn catalog_table(table: Table) -> CatalogTable {
    let columns = |columns: Option<Vec<aws_sdk_glue::types::Column>>| {
        let columns = columns.unwrap_or_default().into_iter();
        columns
            .map(|column| CatalogColumn {
                name: column.name,
                sort: column.r#type.unwrap_or_default(),
            })
            .collect()
    };
    let storage = table.storage_descriptor;
    let parameters: BTreeMap<String, String> = table.parameters.unwrap_or_default().into_iter().collect();
    CatalogTable {
        name: table.name,
        location: storage
            .as_ref()
            .and_then(|storage| storage.location.clone())
            .unwrap_or_default(),
        columns: columns(storage.and_then(|storage| storage.columns)),
        partition_keys: columns(table.partition_keys),
        classification: parameters.get("classification").cloned().unwrap_or_default(),
        parameters,
        version: table.version_id.unwrap_or_default(),
    }
}
