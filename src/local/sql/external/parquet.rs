//! Parquet files: the columns that are wanted, read piece by piece and converted to the catalog's types.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, RecordBatch, new_null_array};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::{
    AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder,
};
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};

use super::Object;
use crate::cast::{Mode, cast};
use crate::error::{Result, SqlError};
use crate::types::SqlType;

/// An object as the Parquet reader sees it.
pub struct File {
    object: Object,
    size: u64,
}

impl AsyncFileReader for File {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        let read = async move {
            let bytes = self.object.read(range).await;
            bytes.map_err(|error| ParquetError::External(Box::new(error)))
        };
        read.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        let size = self.size;
        let read = async move {
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        };
        read.boxed()
    }
}

pub async fn open(object: Object, size: u64) -> Result<ParquetRecordBatchStreamBuilder<File>> {
    let address = object.address();
    ParquetRecordBatchStreamBuilder::new(File { object, size })
        .await
        .map_err(|error| read_error(error, &address))
}

pub fn read_error(error: ParquetError, address: &str) -> SqlError {
    let error = match error {
        ParquetError::External(cause) => match cause.downcast::<SqlError>() {
            Ok(error) => return *error,
            Err(cause) => ParquetError::External(cause),
        },
        other => other,
    };
    SqlError::new("XX000", format!("invalid Parquet file: {error}")).with_detail(address.to_string())
}

type Batches = Pin<Box<dyn Stream<Item = Result<(Vec<ArrayRef>, usize)>> + Send>>;

/// Reads the wanted columns by name, with their row counts. A column that the file lacks is null.
pub async fn by_name(object: Object, size: u64, columns: Vec<(String, SqlType)>, batch_size: usize) -> Result<Batches> {
    let address = object.address();
    let builder = open(object, size).await?;
    let names: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().to_lowercase())
        .collect();
    let present: Vec<usize> = columns
        .iter()
        .filter_map(|(wanted, _)| names.iter().position(|name| name == wanted))
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), present);
    let stream = build(builder.with_projection(mask).with_batch_size(batch_size), &address)?;
    let batches = stream.map(move |batch| -> Result<(Vec<ArrayRef>, usize)> {
        let batch = batch.map_err(|error| read_error(error, &address))?;
        let named: Vec<String> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().to_lowercase())
            .collect();
        let arrays = columns
            .iter()
            .map(
                |(wanted, sql_type)| match named.iter().position(|name| name == wanted) {
                    Some(at) => cast(batch.column(at), *sql_type, Mode::Try),
                    None => Ok(new_null_array(&sql_type.arrow(), batch.num_rows())),
                },
            )
            .collect::<Result<Vec<_>>>()?;
        Ok((arrays, batch.num_rows()))
    });
    Ok(Box::pin(batches))
}

/// Reads all columns in the file's order.
pub async fn all(object: Object, size: u64) -> Result<Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>> {
    let address = object.address();
    let stream = build(open(object, size).await?, &address)?;
    Ok(Box::pin(
        stream.map(move |batch| batch.map_err(|error| read_error(error, &address))),
    ))
}

fn build(builder: ParquetRecordBatchStreamBuilder<File>, address: &str) -> Result<ParquetRecordBatchStream<File>> {
    builder.build().map_err(|error| read_error(error, address))
}
