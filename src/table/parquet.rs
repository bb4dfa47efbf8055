//! Tables as parquet.
//!
//! Columns of text, 64-bit and 32-bit numbers, whole numbers and flags; zstd, row groups of 65,536 rows. Under the key
//! `cytonaut.columns` the file says in JSON what each column means, `{"dose_um":"dose in µM", …}`; other keys that
//! begin with `cytonaut.` hold facts about the whole table. Equal tables give equal bytes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Once};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, StringArray, new_empty_array,
};
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::{Column, FileError, ParquetFile, Table, write_atomically};

/// Rows of one row group.
const GROUP_ROWS: usize = 1 << 16;

/// Begins the keys of what we say about a table.
const PREFIX: &str = "cytonaut.";

/// The key of the columns' documentation.
const COLUMNS: &str = "cytonaut.columns";

/// What a column of another program may hold.
const EXPECTED: &str = "text, numbers, or true and false";

impl Table {
    /// Writes the table as parquet.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub(super) fn write_parquet(&self, path: &Path) -> Result<(), FileError> {
        write_atomically(path, |file| {
            let schema =
                Arc::new(Schema::new(self.columns().iter().map(|c| field(&c.name, &c.values)).collect::<Vec<_>>()));
            // The arrow schema would repeat what parquet's own says.
            let options = ArrowWriterOptions::new().with_properties(properties(self)?).with_skip_arrow_metadata(true);
            let mut writer = ArrowWriter::try_new_with_options(file, schema.clone(), options).map_err(io_error)?;
            for begin in (0..self.n_rows()).step_by(GROUP_ROWS) {
                let rows = begin..self.n_rows().min(begin + GROUP_ROWS);
                let arrays = self.columns().iter().map(|column| array(&column.values, rows.clone())).collect();
                let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(io::Error::other)?;
                writer.write(&batch).map_err(io_error)?;
            }
            writer.close().map(drop).map_err(io_error)
        })
    }

    /// Reads a parquet file of flat columns, ours or another program's.
    ///
    /// Types that other programs like better are taken too: large and dictionary text, smaller whole numbers.
    ///
    /// # Errors
    /// [`FileError::Read`], [`FileError::Damaged`] for no or broken parquet, [`FileError::Column`] for nested or other types.
    pub fn read_parquet(path: &Path) -> Result<Self, FileError> {
        let file = ParquetFile::open(path).map_err(FileError::read(path))?;
        let read = quietly(|| read_content(file)).unwrap_or_else(|| Err("its pages are damaged".into()));
        let Content { facts, docs, schema, batches } =
            read.map_err(|error| FileError::damaged(path, format!("is not a complete parquet file ({error})")))?;
        let mut table = Table::read_from(path, facts);
        for (index, field) in schema.fields().iter().enumerate() {
            let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(index).as_ref()).collect();
            let values = whole(&parts, field).and_then(|whole| column(&whole)).map_err(|expected| {
                table.wrong_column(field.name(), format!("values of type {}", field.data_type()), expected)
            })?;
            let doc = docs.get(field.name()).cloned().unwrap_or_default();
            table = table.with(field.name(), doc, values);
        }
        table.refuse_equal_names(path)?;
        Ok(table)
    }
}

/// All that a file holds, in arrow's terms.
struct Content {
    facts: BTreeMap<String, String>,
    docs: BTreeMap<String, String>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

fn read_content(file: ParquetFile) -> Result<Content, Box<dyn std::error::Error>> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?;
    let schema = reader.schema().clone();
    let (facts, docs) = said(reader.metadata().file_metadata().key_value_metadata());
    let batches = reader.with_batch_size(GROUP_ROWS).build()?.collect::<Result<_, _>>()?;
    Ok(Content { facts, docs, schema, batches })
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

fn properties(table: &Table) -> io::Result<WriterProperties> {
    let docs: BTreeMap<_, _> = table.columns().iter().map(|column| (&column.name, &column.doc)).collect();
    let mut said = vec![KeyValue::new(COLUMNS.to_owned(), serde_json::to_string(&docs)?)];
    said.extend(table.facts().iter().map(|(name, fact)| KeyValue::new(format!("{PREFIX}{name}"), fact.clone())));
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(io_error)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_key_value_metadata(Some(said));
    for column in table.columns() {
        if matches!(column.values, Column::Float32(_)) {
            // Latents hardly repeat: a dictionary costs time and saves nothing.
            let path = ColumnPath::from(column.name.as_str());
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    Ok(properties.build())
}

fn field(name: &str, values: &Column) -> Field {
    match values {
        Column::Text(_) => Field::new(name, DataType::Utf8, true),
        Column::Number(_) => Field::new(name, DataType::Float64, true),
        Column::Float32(_) => Field::new(name, DataType::Float32, false),
        Column::Integer(_) => Field::new(name, DataType::Int64, true),
        Column::Flag(_) => Field::new(name, DataType::Boolean, false),
    }
}

fn array(values: &Column, rows: std::ops::Range<usize>) -> ArrayRef {
    match values {
        Column::Text(values) => Arc::new(StringArray::from_iter(values[rows].iter().map(Option::as_deref))),
        Column::Number(values) => Arc::new(Float64Array::from_iter(values[rows].iter().copied())),
        Column::Float32(values) => Arc::new(Float32Array::from(values[rows].to_vec())),
        Column::Integer(values) => Arc::new(Int64Array::from_iter(values[rows].iter().copied())),
        Column::Flag(values) => Arc::new(BooleanArray::from(values[rows].to_vec())),
    }
}

/// The pieces of a column as one array.
fn whole(parts: &[&dyn Array], field: &Field) -> Result<ArrayRef, &'static str> {
    if parts.is_empty() { Ok(new_empty_array(field.data_type())) } else { concat(parts).map_err(|_| EXPECTED) }
}

/// Our column of an arrow array, or what would have been expected.
fn column(array: &ArrayRef) -> Result<Column, &'static str> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |to: &DataType| cast_with_options(array, to, &strict).map_err(|_| EXPECTED);
    let has_nulls = array.null_count() > 0;
    Ok(match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) | DataType::Null => {
            let texts = cast(&DataType::Utf8)?;
            Column::Text(texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
        }
        DataType::Float32 if !has_nulls => Column::Float32(array.as_primitive::<Float32Type>().values().to_vec()),
        DataType::Float64 | DataType::Float32 | DataType::Float16 => {
            Column::Number(cast(&DataType::Float64)?.as_primitive::<Float64Type>().iter().collect())
        }
        kind if kind.is_integer() => {
            Column::Integer(cast(&DataType::Int64)?.as_primitive::<Int64Type>().iter().collect())
        }
        DataType::Boolean if !has_nulls => Column::Flag(array.as_boolean().iter().flatten().collect()),
        DataType::Boolean => return Err("true and false without nulls"),
        _ => return Err(EXPECTED),
    })
}

/// Facts about the table and documentation of its columns.
fn said(entries: Option<&Vec<KeyValue>>) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (mut facts, mut docs) = (BTreeMap::new(), BTreeMap::new());
    for entry in entries.into_iter().flatten() {
        let text = entry.value.as_deref().unwrap_or_default();
        if entry.key == COLUMNS {
            // Documentation only: a table whose documentation cannot be read is still that table.
            docs = serde_json::from_str(text).unwrap_or_default();
        } else if let Some(name) = entry.key.strip_prefix(PREFIX) {
            facts.insert(name.to_owned(), text.to_owned());
        }
    }
    (facts, docs)
}

/// The system's error inside parquet's, so that a full disk is called a full disk.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_panic_while_reading_is_no_panic_of_ours() {
        assert_eq!(quietly(|| -> u8 { panic!("a damaged page") }), None);
        assert_eq!(quietly(|| 3), Some(3));
    }

    fn written(table: &Table) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        table.write(&path).unwrap();
        std::fs::read(path).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Table, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        std::fs::write(&path, bytes).unwrap();
        Table::read_parquet(&path)
    }

    fn any_table() -> impl Strategy<Value = Table> {
        (0usize..30).prop_flat_map(|n_rows| {
            let text = prop::collection::vec(prop::option::of(".{0,6}"), n_rows);
            let number =
                prop::collection::vec(prop::option::of(any::<f64>().prop_filter("equal", |x| !x.is_nan())), n_rows);
            let float = prop::collection::vec(any::<f32>().prop_filter("equal", |x| !x.is_nan()), n_rows);
            let integer = prop::collection::vec(prop::option::of(any::<i64>()), n_rows);
            let flag = prop::collection::vec(any::<bool>(), n_rows);
            (text, number, float, integer, flag, ".{0,9}").prop_map(|(text, number, float, integer, flag, said)| {
                Table::new()
                    .with("text µ.\"x\"", said.clone(), Column::Text(text))
                    .with("number", "Dose in µM.", Column::Number(number))
                    .with("float.0", "", Column::Float32(float))
                    .with("integer", "", Column::Integer(integer))
                    .with("flag", "", Column::Flag(flag))
                    .with_fact("verdict", said)
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_written_reads_back_equal(table in any_table()) {
            let bytes = written(&table);
            prop_assert_eq!(&bytes, &written(&table));
            let read = read(&bytes).unwrap();
            prop_assert_eq!(read.columns(), table.columns());
            prop_assert_eq!(read.facts(), table.facts());
        }

        #[test]
        fn no_damage_makes_it_panic(position in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let labels = (0..40).map(|row| Some(format!("moa {}", row % 3))).collect();
            let numbers = (0..40).map(|row| (row % 4 > 0).then_some(f64::from(row))).collect();
            let mut bytes = written(&Table::new().with("moa", "", Column::Text(labels)).with("x", "", Column::Number(numbers)));
            let index = position.index(bytes.len());
            if cut { bytes.truncate(index) } else { bytes[index] = byte }
            let _ = read(&bytes);
        }
    }

    #[test]
    fn rows_beyond_one_group_stay_in_order() {
        let n_rows = GROUP_ROWS + 10;
        let values: Vec<f32> = (0..n_rows).map(|row| row as f32).collect();
        let table = Table::new().with("x", "", Column::Float32(values));
        assert_eq!(read(&written(&table)).unwrap().columns(), table.columns());
    }

    #[test]
    fn says_that_a_file_is_no_parquet() {
        let error = read(b"plate,well\n1,A01\n").unwrap_err().to_string();
        assert!(error.contains("is not a complete parquet file"), "{error}");
    }

    #[test]
    fn takes_the_types_of_other_programs() {
        let check = |array: ArrayRef, expected: Result<Column, &str>| assert_eq!(column(&array), expected);
        let texts = || Column::Text(vec![Some("a".into()), None]);
        check(Arc::new(arrow::array::LargeStringArray::from(vec![Some("a"), None])), Ok(texts()));
        check(Arc::new(arrow::array::StringViewArray::from(vec![Some("a"), None])), Ok(texts()));
        check(Arc::new(arrow::array::Int16Array::from(vec![Some(3), None])), Ok(Column::Integer(vec![Some(3), None])));
        check(Arc::new(Float32Array::from(vec![Some(0.5), None])), Ok(Column::Number(vec![Some(0.5), None])));
        check(Arc::new(arrow::array::UInt64Array::from(vec![u64::MAX])), Err("text, numbers, or true and false"));
        check(Arc::new(BooleanArray::from(vec![Some(true), None])), Err("true and false without nulls"));
        check(Arc::new(arrow::array::Date32Array::from(vec![1])), Err("text, numbers, or true and false"));
    }

    #[test]
    fn a_full_disk_is_called_so_from_inside_parquet() {
        let error = io_error(ParquetError::from(io::Error::from(io::ErrorKind::StorageFull)));
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
