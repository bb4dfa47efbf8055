//! Profile tables as Apache parquet.
//!
//! One file is one table with named, typed columns. Numeric columns (integers, floats, booleans) can be features, columns
//! of strings, dictionaries (pandas categoricals), dates and times are metadata and are read as text. pandas' own index
//! (`__index_level_0__`) is left out, as are nested columns (lists, structs), unless they are called for. A row's place
//! counts like a text table's: the first row is line 2. Refused: damaged files, compressions other than snappy and zstd,
//! a name that stands twice, a feature that is no number, a table without rows.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use rayon::prelude::*;

use super::csv::not_a_number;
use super::error::LoadError;
use super::table::{self, ColumnSketch, RawColumn, RawTable, RowPlace, Values};
use super::text::{FREE_BYTES, MAX_RATIO};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1 << 14;

/// The columns of a file, by its schema.
pub(super) fn sketch(path: &Path) -> Result<Vec<ColumnSketch>, LoadError> {
    let builder = open(path)?;
    let fields = builder.schema().fields();
    let mut names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    table::check_header(path, &mut names)?;
    let sketches = names.into_iter().zip(fields).filter(|(name, field)| is_kept(name, field.data_type()));
    Ok(sketches
        .map(|(name, field)| {
            let is_number = is_numeric(field.data_type());
            ColumnSketch { name, n_numbers: usize::from(is_number), n_texts: usize::from(!is_number) }
        })
        .collect())
}

/// A whole file, the columns that `numbers` names as numbers.
pub(super) fn read(path: &Path, numbers: &BTreeSet<&str>) -> Result<RawTable, LoadError> {
    let builder = open(path)?;
    let fields = builder.schema().fields().clone();
    let kept: Vec<usize> =
        (0..fields.len()).filter(|&index| is_kept(fields[index].name(), fields[index].data_type())).collect();
    let mut names: Vec<String> = kept.iter().map(|&index| fields[index].name().clone()).collect();
    table::check_header(path, &mut names)?;
    let bytes = std::fs::metadata(path).map_err(|cause| LoadError::io(path, cause))?.len();
    let most = FREE_BYTES.max(bytes.saturating_mul(MAX_RATIO));
    let claimed = builder.metadata().file_metadata().num_rows();
    let expands = || LoadError::Expands { path: path.to_path_buf(), packed: bytes, most };
    // A value takes a byte at least; rows are counted in 32 bits.
    let n_values = u64::try_from(claimed).unwrap_or(u64::MAX).saturating_mul(kept.len() as u64);
    if n_values > most || claimed > i64::from(u32::MAX) - 2 {
        return Err(expands());
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), kept);
    let mut reader = decoded(path, || builder.with_projection(mask).with_batch_size(BATCH_ROWS).build())?;
    let mut columns: Vec<RawColumn> = names
        .into_iter()
        .map(|name| {
            let is_number = numbers.contains(name.as_str());
            RawColumn { name, values: if is_number { Values::Number(Vec::new()) } else { Values::Text(Vec::new()) } }
        })
        .collect();
    let (mut n_rows, mut n_bytes) = (0, 0);
    while let Some(batch) = decoded(path, || reader.next().transpose())? {
        // Long texts that repeat are packed into next to nothing.
        n_bytes += batch.get_array_memory_size() as u64;
        if n_bytes > most.saturating_mul(8) || n_rows + batch.num_rows() > claimed.max(0) as usize {
            return Err(expands());
        }
        let arrays = batch.columns();
        columns.par_iter_mut().zip(arrays).try_for_each(|(column, array)| append(path, column, array, n_rows))?;
        n_rows += batch.num_rows();
    }
    if n_rows == 0 {
        return Err(LoadError::NoRows { path: path.to_path_buf() });
    }
    let rows = (0..n_rows).map(|row| RowPlace { path: 0, line: row as u32 + 2 }).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, LoadError> {
    let file = File::open(path).map_err(|cause| LoadError::io(path, cause))?;
    decoded(path, || ParquetRecordBatchReaderBuilder::try_new(file))
}

/// What `read` reads; where it fails or panics, the file is damaged.
fn decoded<T, E: std::fmt::Display>(path: &Path, read: impl FnOnce() -> Result<T, E>) -> Result<T, LoadError> {
    match quietly(read) {
        Some(read) => read.map_err(|error| decode(path, error)),
        None => Err(decode(path, "its pages contradict each other")),
    }
}

fn decode(path: &Path, error: impl std::fmt::Display) -> LoadError {
    let message = format!("damaged parquet: {error}; the file is cut short or damaged, fetch or write it again");
    LoadError::Decode { path: path.to_path_buf(), message }
}

/// Runs `read`, or says `None` where it panics, as parquet 60.1 does on some damaged pages; nothing is printed then.
pub(crate) fn quietly<T>(read: impl FnOnce() -> T) -> Option<T> {
    thread_local! {
        static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            if !IS_QUIET.get() {
                print(panicked);
            }
        }));
    });
    IS_QUIET.set(true);
    // What `read` owns is dropped with it, so nothing half-changed can be seen afterwards.
    let result = panic::catch_unwind(AssertUnwindSafe(read)).ok();
    IS_QUIET.set(false);
    result
}

fn is_kept(name: &str, data_type: &DataType) -> bool {
    !name.starts_with("__index_level_") && !data_type.is_nested()
}

fn is_numeric(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

fn append(path: &Path, column: &mut RawColumn, array: &ArrayRef, first_row: usize) -> Result<(), LoadError> {
    let RawColumn { name, values } = column;
    match values {
        Values::Number(numbers) if is_numeric(array.data_type()) => {
            let array = cast(array, &DataType::Float64).map_err(|error| decode(path, error))?;
            numbers.extend(
                array.as_primitive::<Float64Type>().iter().map(|value| value.map_or(f32::NAN, |value| value as f32)),
            );
        }
        Values::Number(numbers) => {
            for (index, cell) in texts(path, array)?.into_iter().enumerate() {
                let Some(cell) = cell else {
                    numbers.push(f32::NAN);
                    continue;
                };
                let value: f64 = cell.parse().map_err(|_| not_a_number(path, first_row + index + 2, name, &cell))?;
                numbers.push(value as f32);
            }
        }
        Values::Text(all) => all.extend(texts(path, array)?),
    }
    Ok(())
}

fn texts(path: &Path, array: &ArrayRef) -> Result<Vec<Option<String>>, LoadError> {
    // arrow would write the float 24.0 as `24.0`; as text of a column that pandas made float for its gaps it is `24`.
    match array.data_type() {
        DataType::Float64 => return Ok(float_texts(array.as_primitive::<Float64Type>().iter())),
        DataType::Float32 => return Ok(float_texts(array.as_primitive::<Float32Type>().iter())),
        _ => {}
    }
    let array = cast(array, &DataType::Utf8).map_err(|error| decode(path, error))?;
    Ok(array.as_string::<i32>().iter().map(|value| value.and_then(table::present).map(str::to_owned)).collect())
}

fn float_texts<F: Into<f64> + ToString + Copy>(values: impl Iterator<Item = Option<F>>) -> Vec<Option<String>> {
    values.map(|value| value.filter(|&value| !value.into().is_nan()).map(|value| value.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_reading_is_no_panic_of_ours() {
        assert_eq!(quietly(|| -> u8 { panic!("a damaged page") }), None);
        assert_eq!(quietly(|| 3), Some(3));
    }
}
