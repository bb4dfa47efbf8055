//! Profile tables as Apache parquet.
//!
//! One file is one table with named, typed columns. Numeric columns (integers, floats, booleans) can be features, columns
//! of strings, dictionaries (pandas categoricals), dates and times are metadata and are read as text. pandas' own index
//! (`__index_level_0__`) is left out, as are nested columns (lists, structs), unless they are called for. A row's place
//! counts like a text table's: the first row is line 2. Refused: damaged files, compressions other than snappy and zstd,
//! a name that stands twice, a feature that is no number, a table without rows.
//!
//! Columns are decoded some at a time, on all cores, through all row groups of the file: beside the numbers themselves
//! only the pages of these columns are in memory, however many columns a row group has.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use rayon::prelude::*;

use super::csv::not_a_number;
use super::error::LoadError;
use super::table::{self, ColumnSketch, RawColumn, RawTable, RowPlace, Values};
use super::text::{FREE_BYTES, MAX_RATIO};
use crate::table::quietly;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1 << 14;

/// Columns decoded together by one task, at least: fewer would find their way through the metadata too often.
const COLUMNS: usize = 32;

/// Tasks of a file, at most.
const TASKS: usize = 256;

/// The columns of a file, by its schema.
pub(super) fn sketch(path: &Path) -> Result<Vec<ColumnSketch>, LoadError> {
    let metadata = metadata(path)?;
    let fields = metadata.schema().fields();
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
    let metadata = metadata(path)?;
    let fields = metadata.schema().fields();
    let kept: Vec<usize> =
        (0..fields.len()).filter(|&index| is_kept(fields[index].name(), fields[index].data_type())).collect();
    if kept.is_empty() {
        return Err(decode(path, "it has no column of numbers, texts or times"));
    }
    let mut names: Vec<String> = kept.iter().map(|&index| fields[index].name().clone()).collect();
    table::check_header(path, &mut names)?;
    let limits = Limits::of(path, &metadata, kept.len())?;
    let mut columns: Vec<RawColumn> = names
        .into_iter()
        .map(|name| {
            let is_number = numbers.contains(name.as_str());
            RawColumn { name, values: if is_number { Values::Number(Vec::new()) } else { Values::Text(Vec::new()) } }
        })
        .collect();
    let at_once = kept.len().div_ceil(TASKS).max(COLUMNS);
    let n_rows: Vec<Result<usize, LoadError>> = columns
        .par_chunks_mut(at_once)
        .zip(kept.par_chunks(at_once))
        .map(|(columns, places)| read_columns(path, &metadata, &limits, columns, places))
        .collect();
    // Collected before the first error is looked for, so that the error named is that of the first columns.
    let n_rows: Vec<usize> = n_rows.into_iter().collect::<Result<_, _>>()?;
    let Some(&n_rows) = n_rows.first().filter(|&first| n_rows.iter().all(|other| other == first)) else {
        return Err(decode(path, "its columns are of different lengths"));
    };
    if n_rows == 0 {
        return Err(LoadError::NoRows { path: path.to_path_buf() });
    }
    let rows = (0..n_rows).map(|row| RowPlace { path: 0, line: row as u32 + 2 }).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
}

/// Reads the columns at `places` of the schema; how many rows there are.
fn read_columns(
    path: &Path,
    metadata: &ArrowReaderMetadata,
    limits: &Limits<'_>,
    columns: &mut [RawColumn],
    places: &[usize],
) -> Result<usize, LoadError> {
    // Opened anew, since a clone of a file has its position in common with it.
    let file = File::open(path).map_err(|cause| LoadError::io(path, cause))?;
    let mut reader = decoded(path, || {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
        builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()
    })?;
    let mut n_rows = 0;
    while let Some(batch) = decoded(path, || reader.next().transpose())? {
        limits.check(n_rows + batch.num_rows(), batch.get_array_memory_size() as u64)?;
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            append(path, column, array, n_rows, limits.rows)?;
        }
        n_rows += batch.num_rows();
    }
    Ok(n_rows)
}

/// What a file of this size may unpack to.
struct Limits<'a> {
    path: &'a Path,
    packed: u64,
    /// Most values; a value takes a byte at least.
    most: u64,
    /// Rows that the file says it has.
    rows: usize,
    /// Bytes decoded so far.
    n_bytes: AtomicU64,
}

impl<'a> Limits<'a> {
    fn of(path: &'a Path, metadata: &ArrowReaderMetadata, n_columns: usize) -> Result<Self, LoadError> {
        let packed = std::fs::metadata(path).map_err(|cause| LoadError::io(path, cause))?.len();
        let most = FREE_BYTES.max(packed.saturating_mul(MAX_RATIO));
        let claimed = metadata.metadata().file_metadata().num_rows();
        let rows = usize::try_from(claimed).unwrap_or(0);
        let limits = Self { path, packed, most, rows, n_bytes: AtomicU64::new(0) };
        let n_values = (rows as u64).saturating_mul(n_columns as u64);
        // Rows are counted in 32 bits.
        if claimed < 0 || n_values > most || claimed > i64::from(u32::MAX) - 2 {
            Err(limits.expands())
        } else {
            Ok(limits)
        }
    }

    /// Refuses more rows than the file speaks of, and long texts that repeat, which are packed into next to nothing.
    fn check(&self, n_rows: usize, n_bytes: u64) -> Result<(), LoadError> {
        let n_bytes = n_bytes + self.n_bytes.fetch_add(n_bytes, Ordering::Relaxed);
        let is_within = n_rows <= self.rows && n_bytes <= self.most.saturating_mul(8);
        if is_within { Ok(()) } else { Err(self.expands()) }
    }

    fn expands(&self) -> LoadError {
        LoadError::Expands { path: self.path.to_path_buf(), packed: self.packed, most: self.most }
    }
}

fn metadata(path: &Path) -> Result<ArrowReaderMetadata, LoadError> {
    let file = File::open(path).map_err(|cause| LoadError::io(path, cause))?;
    decoded(path, || ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()))
}

/// What `read` reads; where it fails or panics, the file is damaged.
fn decoded<T, E: std::fmt::Display>(path: &Path, read: impl FnOnce() -> Result<T, E>) -> Result<T, LoadError> {
    match quietly(read) {
        Some(read) => read.map_err(|error| decode(path, error)),
        None => Err(decode(path, "its pages contradict each other")),
    }
}

fn decode(path: &Path, error: impl std::fmt::Display) -> LoadError {
    let message = format!("damaged parquet: {error}; the file is cut short or damaged, fetch it or write it again");
    LoadError::Decode { path: path.to_path_buf(), message }
}

fn is_kept(name: &str, data_type: &DataType) -> bool {
    !name.starts_with("__index_level_") && !data_type.is_nested()
}

fn is_numeric(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

/// Appends an array to a column of which `first_row` rows are there, of `n_rows` that are to come.
fn append(
    path: &Path,
    column: &mut RawColumn,
    array: &ArrayRef,
    first_row: usize,
    n_rows: usize,
) -> Result<(), LoadError> {
    let RawColumn { name, values } = column;
    match values {
        Values::Number(numbers) if is_numeric(array.data_type()) => {
            if first_row == 0 {
                // What grows by doubling would take up to twice the memory.
                numbers.reserve_exact(n_rows);
            }
            if let Some(array) = array.as_primitive_opt::<Float32Type>() {
                numbers.extend(array.iter().map(|value| value.unwrap_or(f32::NAN)));
                return Ok(());
            }
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
    use std::sync::Arc;

    use ::parquet::arrow::ArrowWriter;
    use ::parquet::file::properties::WriterProperties;
    use arrow::array::{Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};

    use super::*;

    /// More columns than are decoded together, in several row groups.
    #[test]
    fn every_column_of_a_wide_file_is_read_through_all_row_groups() {
        const ROWS: usize = 7;
        let value = |column: usize, row: usize| (row != 4).then_some((column * 10 + row) as i64);
        let column = |index: usize| {
            let values = (0..ROWS).map(move |row| value(index, row));
            let array: ArrayRef = match index % 4 {
                0 => Arc::new(values.map(|value| value.map(|value| value as f32)).collect::<Float32Array>()),
                1 => Arc::new(values.map(|value| value.map(|value| value as f64)).collect::<Float64Array>()),
                2 => Arc::new(values.collect::<Int64Array>()),
                _ => Arc::new(values.map(|value| value.map(|value| value.to_string())).collect::<StringArray>()),
            };
            (format!("c{index:03}"), array)
        };
        let n_columns = 3 * COLUMNS + 5;
        let batch = RecordBatch::try_from_iter((0..n_columns).map(column)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.parquet");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3)).build();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let names: Vec<String> = (0..n_columns).map(|index| format!("c{index:03}")).collect();
        let numbers =
            names.iter().enumerate().filter(|(index, _)| index % 8 != 3).map(|(_, name)| name.as_str()).collect();
        let table = read(&path, &numbers).unwrap();
        assert_eq!((table.n_rows(), table.columns.len()), (ROWS, n_columns));
        for (index, column) in table.columns.iter().enumerate() {
            assert_eq!(column.name, names[index]);
            for row in 0..ROWS {
                let expected = value(index, row);
                match &column.values {
                    Values::Text(texts) => assert_eq!(texts[row], expected.map(|value| value.to_string())),
                    Values::Number(numbers) => match expected {
                        None => assert!(numbers[row].is_nan()),
                        Some(expected) => assert_eq!(numbers[row], expected as f32),
                    },
                }
            }
        }
    }
}
