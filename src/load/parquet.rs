//! Profile tables as Apache parquet.
//!
//! One file is one table with named, typed columns. Numeric columns (integers, floats, decimals) can be features, and so
//! can columns of strings and dictionaries (pandas categoricals) in which most values are numbers, as some writers store
//! them, and columns of truth values. Other strings, dates and times are metadata and are read as text. pandas' own index
//! (`__index_level_0__`) is left out. Nested columns (lists, structs) are not read; a first look names them. A column of
//! type null has no value. A row's place counts like a text table's: the first row is line 2. Refused: damaged files,
//! compressions other than snappy and zstd, a name that stands twice, a feature that is no number, a table without rows.
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
use super::notation::Notation;
use super::table::{self, ColumnSketch, RawColumn, RawTable, RowPlace, SKETCH_CELLS, Values};
use super::text::{FREE_BYTES, MAX_RATIO};
use crate::table::{ParquetFile, quietly};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1 << 14;

/// Columns decoded together by one task, at least: fewer would find their way through the metadata too often.
const COLUMNS: usize = 32;

/// Tasks of a file, at most.
const TASKS: usize = 256;

/// The columns of a file, by its schema and, of texts, by a look at the first rows or, with `is_whole`, at all of them.
pub(super) fn sketch(path: &Path, is_whole: bool) -> Result<Vec<ColumnSketch>, LoadError> {
    let metadata = metadata(path)?;
    let fields = metadata.schema().fields();
    let mut names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    table::check_header(path, &mut names)?;
    let mut sketches: Vec<ColumnSketch> = names.iter().map(|name| ColumnSketch::of(name)).collect();
    let mut texts = Vec::new();
    for (index, (sketch, field)) in sketches.iter_mut().zip(fields).enumerate() {
        match field.data_type() {
            data_type if data_type.is_numeric() => sketch.n_numbers = SKETCH_CELLS,
            DataType::Boolean => sketch.n_booleans = SKETCH_CELLS,
            DataType::Null => {}
            data_type if data_type.is_nested() => sketch.is_nested = true,
            data_type if is_text(data_type) && !is_index(field.name()) => texts.push(index),
            // Dates, times and bytes.
            _ => sketch.n_texts = SKETCH_CELLS,
        }
    }
    // Numbers beside the measurements are shown; those of wide tables are too many to be looked at.
    let is_shown = |index: &usize| {
        is_numeric(fields[*index].data_type()) && (fields.len() <= 64 || names[*index].starts_with("Metadata_"))
    };
    let shown: Vec<usize> = (0..fields.len()).filter(is_shown).collect();
    for (&index, cells) in shown.iter().zip(first_texts(path, &metadata, &shown, false)?) {
        cells.iter().flatten().for_each(|cell| sketches[index].show(cell));
    }
    let columns = first_texts(path, &metadata, &texts, is_whole)?;
    let notation = Notation::of(columns.iter().flatten().flatten().map(String::as_str), false);
    for (&index, cells) in texts.iter().zip(&columns) {
        cells.iter().flatten().for_each(|cell| sketches[index].add(cell, notation));
    }
    sketches.retain(|sketch| !is_index(&sketch.name));
    Ok(sketches)
}

/// The columns at `places` of the schema as text, `[place][row]`: some rows from the beginning, or all of them.
fn first_texts(
    path: &Path,
    metadata: &ArrowReaderMetadata,
    places: &[usize],
    is_whole: bool,
) -> Result<Vec<Vec<Option<String>>>, LoadError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let limits = Limits::of(path, metadata, places.len())?;
    let mut columns: Vec<RawColumn> =
        places.iter().map(|_| RawColumn { name: String::new(), values: Values::Text(Vec::new()) }).collect();
    let n_rows = if is_whole { None } else { Some(SKETCH_CELLS) };
    read_columns(path, metadata, &limits, &mut columns, places, n_rows)?;
    Ok(columns
        .into_iter()
        .map(|column| match column.values {
            Values::Text(texts) => texts,
            Values::Number(_) => unreachable!("no column was asked for as numbers"),
        })
        .collect())
}

/// The columns that `is_wanted` accepts, as text.
pub(super) fn sample(path: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Result<RawTable, LoadError> {
    let metadata = metadata(path)?;
    let fields = metadata.schema().fields();
    let is_read =
        |index: &usize| is_kept(fields[*index].name(), fields[*index].data_type()) && is_wanted(fields[*index].name());
    let places: Vec<usize> = (0..fields.len()).filter(is_read).collect();
    let columns = first_texts(path, &metadata, &places, true)?;
    let n_rows = columns.first().map_or(0, Vec::len);
    let column = |(&index, texts): (&usize, Vec<Option<String>>)| RawColumn {
        name: fields[index].name().clone(),
        values: Values::Text(texts),
    };
    let columns = places.iter().zip(columns).map(column).collect();
    let rows = (0..n_rows).map(|row| RowPlace { path: 0, line: row as u32 + 2 }).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
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
        .zip(&kept)
        .map(|(name, &index)| {
            // Numbers that are stored as texts are read as such first, since all of them tell how they are written.
            let is_number = numbers.contains(name.as_str()) && is_numeric(fields[index].data_type());
            RawColumn { name, values: if is_number { Values::Number(Vec::new()) } else { Values::Text(Vec::new()) } }
        })
        .collect();
    let at_once = kept.len().div_ceil(TASKS).max(COLUMNS);
    let n_rows: Vec<Result<usize, LoadError>> = columns
        .par_chunks_mut(at_once)
        .zip(kept.par_chunks(at_once))
        .map(|(columns, places)| read_columns(path, &metadata, &limits, columns, places, None))
        .collect();
    // Collected before the first error is looked for, so that the error named is that of the first columns.
    let n_rows: Vec<usize> = n_rows.into_iter().collect::<Result<_, _>>()?;
    let Some(&n_rows) = n_rows.first().filter(|&first| n_rows.iter().all(|other| other == first)) else {
        return Err(decode(path, "its columns are of different lengths"));
    };
    if n_rows == 0 {
        return Err(LoadError::NoRows { path: path.to_path_buf() });
    }
    let is_text: Vec<bool> = kept.iter().map(|&index| is_text(fields[index].data_type())).collect();
    numbers_of_texts(path, &mut columns, &is_text, numbers)?;
    let rows = (0..n_rows).map(|row| RowPlace { path: 0, line: row as u32 + 2 }).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
}

/// Makes numbers of the columns of texts that `numbers` names, and writes other numbers plainly.
///
/// `is_text` says which columns are stored as texts; numbers that are stored as such do not show how texts are written.
fn numbers_of_texts(
    path: &Path,
    columns: &mut [RawColumn],
    is_text: &[bool],
    numbers: &BTreeSet<&str>,
) -> Result<(), LoadError> {
    let stored_as_texts = columns.iter().zip(is_text).filter(|(_, is)| **is);
    let notation = table::notation_of(stored_as_texts.map(|(column, _)| column));
    table::read_numbers(columns, numbers, notation, |row, column, text| not_a_number(path, row + 2, column, text))
}

/// Reads the columns at `places` of the schema, the first `most_rows` if that is given; how many rows there are.
fn read_columns(
    path: &Path,
    metadata: &ArrowReaderMetadata,
    limits: &Limits<'_>,
    columns: &mut [RawColumn],
    places: &[usize],
    most_rows: Option<usize>,
) -> Result<usize, LoadError> {
    // Opened anew, since a clone of a file has its position in common with it.
    let file = ParquetFile::open(path).map_err(|cause| LoadError::io(path, cause))?;
    let mut reader = decoded(path, || {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
        let builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        match most_rows {
            Some(most_rows) => builder.with_limit(most_rows).build(),
            None => builder.build(),
        }
    })?;
    let mut n_rows = 0;
    while let Some(batch) = decoded(path, || reader.next().transpose())? {
        limits.check(n_rows + batch.num_rows(), batch.get_array_memory_size() as u64)?;
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            append(path, column, array, most_rows.unwrap_or(limits.rows))?;
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
    let error = error.to_string();
    if let Some((_, codec)) = error.split_once("Disabled feature at compile time: ") {
        // The crate calls gzip by the library that unpacks it.
        let codec = if codec.contains("flate") { "gzip" } else { codec.trim() };
        let message = format!(
            "its columns are packed with {codec}, which is not read; write it with snappy or zstd, as by\n  python -c 'import \
             pandas; pandas.read_parquet(\"IN\").to_parquet(\"OUT\", compression=\"zstd\")'"
        );
        return LoadError::Decode { path: path.to_path_buf(), message };
    }
    let message = format!("damaged parquet: {error}; the file is cut short or damaged, fetch it or write it again");
    LoadError::Decode { path: path.to_path_buf(), message }
}

fn is_kept(name: &str, data_type: &DataType) -> bool {
    !is_index(name) && !data_type.is_nested()
}

/// Whether a column is the index that pandas stores beside a frame.
fn is_index(name: &str) -> bool {
    name.starts_with("__index_level_")
}

/// Whether values are stored as texts, or as a dictionary of anything.
fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..))
}

fn is_numeric(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

/// Appends an array to a column of which `n_rows` are to come at most.
fn append(path: &Path, column: &mut RawColumn, array: &ArrayRef, n_rows: usize) -> Result<(), LoadError> {
    let numbers = match &mut column.values {
        Values::Number(numbers) => numbers,
        Values::Text(all) => {
            all.extend(texts(path, array)?);
            return Ok(());
        }
    };
    if numbers.is_empty() {
        // What grows by doubling would take up to twice the memory.
        numbers.reserve_exact(n_rows);
    }
    if let Some(array) = array.as_primitive_opt::<Float32Type>() {
        numbers.extend(array.iter().map(|value| value.unwrap_or(f32::NAN)));
        return Ok(());
    }
    let array = cast(array, &DataType::Float64).map_err(|error| decode(path, error))?;
    let array = array.as_primitive::<Float64Type>();
    numbers.extend(array.iter().map(|value| value.map_or(f32::NAN, |value| value as f32)));
    Ok(())
}

/// The cells as text: a number without a decimal point that says nothing, so that a plate which pandas made a float for
/// its gaps, or a category of floats, or a decimal, is `24` and not `24.0`.
fn texts(path: &Path, array: &ArrayRef) -> Result<Vec<Option<String>>, LoadError> {
    let as_type = |data_type: &DataType| cast(array, data_type).map_err(|error| decode(path, error));
    match array.data_type() {
        DataType::Dictionary(_, values) => return texts(path, &as_type(values)?),
        DataType::Float64 => return Ok(float_texts(array.as_primitive::<Float64Type>().iter())),
        DataType::Float32 => return Ok(float_texts(array.as_primitive::<Float32Type>().iter())),
        DataType::Float16 => return texts(path, &as_type(&DataType::Float32)?),
        _ => {}
    }
    let is_decimal = array.data_type().is_decimal();
    let array = as_type(&DataType::Utf8)?;
    let text = |text: &str| {
        let text =
            if is_decimal && text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
        table::present(text).map(str::to_owned)
    };
    Ok(array.as_string::<i32>().iter().map(|value| value.and_then(text)).collect())
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
