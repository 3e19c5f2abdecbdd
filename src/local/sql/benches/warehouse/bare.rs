//! DataFusion alone: listing tables over the same files, Parquet written by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::Result;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionConfig, SessionContext};

use crate::files::{COLUMNS, Files};

pub struct Bare {
    context: SessionContext,
    dir: PathBuf,
}

impl Bare {
    pub async fn open(dir: &Path, _files: &Files) -> Result<Self> {
        let config = SessionConfig::new().with_target_partitions(crate::parallelism());
        let context = SessionContext::new_with_config(config);
        let events = Schema::new(
            COLUMNS
                .map(|(name, sql, _)| Field::new(name, arrow(sql), true))
                .to_vec(),
        );
        for (table, folder) in [("events_csv", "events"), ("changes", "changes")] {
            let options = CsvReadOptions::new().schema(&events);
            context.register_csv(table, path(dir, folder), options).await?;
        }
        let customers = Schema::new(vec![
            Field::new("customer_id", DataType::Int64, true),
            Field::new("region", DataType::Utf8, true),
        ]);
        let options = CsvReadOptions::new().schema(&customers);
        context
            .register_csv("customers", path(dir, "customers"), options)
            .await?;
        Ok(Self {
            context,
            dir: dir.to_path_buf(),
        })
    }

    pub async fn query(&self, sql: &str) -> Result<()> {
        self.context.sql(sql).await?.collect().await.map(drop)
    }

    pub async fn load(&self) -> Result<()> {
        let events = self.context.table("events_csv").await?;
        self.write(events, "bare").await?;
        let options = ParquetReadOptions::default();
        self.context
            .register_parquet("events", path(&self.dir, "bare"), options)
            .await
    }

    /// What an upsert is to a program that has files only: all rows are written anew.
    pub async fn upsert(&self) -> Result<()> {
        let merged = "select * from events as e where not exists (select 1 from changes as c where c.id = e.id) \
            union all select c.id, coalesce(e.customer_id, c.customer_id), coalesce(e.kind, c.kind), c.quantity, c.amount, \
            coalesce(e.happened_at, c.happened_at), coalesce(e.note, c.note) from changes as c left join events as e on e.id = c.id";
        let merged = self.context.sql(merged).await?;
        self.write(merged, "merged").await
    }

    async fn write(&self, frame: datafusion::prelude::DataFrame, folder: &str) -> Result<()> {
        let mut options = datafusion::config::TableParquetOptions::new();
        options.global.compression = Some("snappy".into());
        frame
            .write_parquet(&path(&self.dir, folder), DataFrameWriteOptions::new(), Some(options))
            .await
            .map(drop)
    }
}

fn path(dir: &Path, folder: &str) -> String {
    format!("{}/{folder}/", dir.display())
}

fn arrow(sql: &str) -> DataType {
    match sql {
        "bigint" => DataType::Int64,
        "int" => DataType::Int32,
        "decimal(12,2)" => DataType::Decimal128(12, 2),
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None::<Arc<str>>),
        _ => DataType::Utf8,
    }
}
