//! Parquet files of external tables: columns by name, converted to the catalog's types.

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, new_null_array};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::cast::{Mode, cast};
use crate::error::{Result, SqlError};
use crate::types::SqlType;

/// Returns batches of the wanted columns and their row counts. A column that the file lacks is null.
pub fn read(
    bytes: Bytes,
    columns: &[String],
    types: &[SqlType],
    wanted: &[usize],
) -> Result<Vec<(Vec<ArrayRef>, usize)>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .map_err(|error| SqlError::new("XX000", format!("invalid Parquet file: {error}")))?;
    let in_file: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().to_lowercase())
        .collect();
    let present: Vec<usize> = wanted
        .iter()
        .filter_map(|column| in_file.iter().position(|name| *name == columns[*column]))
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), present.iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(8192).build()?;
    let mut batches = Vec::new();
    for batch in reader {
        let batch = batch?;
        let names: Vec<String> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().to_lowercase())
            .collect();
        let arrays = wanted
            .iter()
            .map(|column| match names.iter().position(|name| *name == columns[*column]) {
                Some(at) => cast(batch.column(at), types[*column], Mode::Try),
                None => Ok(new_null_array(&types[*column].arrow(), batch.num_rows())),
            })
            .collect::<Result<Vec<_>>>()?;
        batches.push((arrays, batch.num_rows()));
    }
    Ok(batches)
}
