//! The table of scores that `evaluate` leaves: `scores.parquet`, and the same as text.
//!
//! Columns: `task`, `subset`, `method`, `metric`, `note` (text); `value` (float64); `lower`, `upper` (float64, null where no interval
//! may be claimed); `n_items`, `n_units` (uint64).

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{Estimate, EvaluateError};

/// One number with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRow {
    /// What was asked: `held_out_dose`, `moa`, `replicate_map`, ….
    pub task: String,
    /// The part of the task's items: `all`, `interior`, `edge`, ….
    pub subset: String,
    /// Whose score it is.
    pub method: String,
    /// What is measured: `mse`, `recall@5`, ….
    pub metric: String,
    /// The score.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub lower: Option<f64>,
    /// Upper end of its 95 % interval.
    pub upper: Option<f64>,
    /// Items averaged.
    pub n_items: usize,
    /// Independent units they belong to.
    pub n_units: usize,
    /// What a reader has to know beside it; empty when nothing.
    pub note: String,
}

impl ScoreRow {
    /// A row of an estimate without a note.
    pub fn new(task: &str, subset: &str, method: &str, metric: &str, estimate: &Estimate) -> Self {
        Self {
            task: task.into(),
            subset: subset.into(),
            method: method.into(),
            metric: metric.into(),
            value: estimate.mean,
            lower: estimate.interval.map(|(lower, _)| lower),
            upper: estimate.interval.map(|(_, upper)| upper),
            n_items: estimate.n_items,
            n_units: estimate.n_units,
            note: String::new(),
        }
    }

    /// The same row with a note.
    pub fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// A table of scores, in the order in which they were computed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Its rows.
    pub rows: Vec<ScoreRow>,
}

const TEXT: &str = "text";
const NUMBER: &str = "float64";
const COUNT: &str = "uint64";

impl Scores {
    /// Writes the table as parquet, replacing `path` only when it is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_parquet(&self, path: &Path) -> Result<(), EvaluateError> {
        let text = |value: fn(&ScoreRow) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.rows.iter().map(value)))
        };
        let number = |value: fn(&ScoreRow) -> Option<f64>| -> ArrayRef {
            Arc::new(self.rows.iter().map(value).collect::<Float64Array>())
        };
        let count = |value: fn(&ScoreRow) -> usize| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(self.rows.iter().map(|row| value(row) as u64)))
        };
        let value: ArrayRef = Arc::new(Float64Array::from_iter_values(self.rows.iter().map(|row| row.value)));
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("task", text(|row| &row.task), false),
            ("subset", text(|row| &row.subset), false),
            ("method", text(|row| &row.method), false),
            ("metric", text(|row| &row.metric), false),
            ("value", value, false),
            ("lower", number(|row| row.lower), true),
            ("upper", number(|row| row.upper), true),
            ("n_items", count(|row| row.n_items), false),
            ("n_units", count(|row| row.n_units), false),
            ("note", text(|row| &row.note), false),
        ])
        .map_err(|source| EvaluateError::Arrow { path: path.to_owned(), source })?;

        let io = |source| EvaluateError::Io { path: path.to_owned(), source };
        let parquet = |source| EvaluateError::Parquet { path: path.to_owned(), source };
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".partial");
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = File::create(&unfinished).map_err(io)?;
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(parquet)?;
        writer.write(&batch).map_err(parquet)?;
        writer.close().map_err(parquet)?;
        fs::rename(&unfinished, path).map_err(io)
    }

    /// Reads what [`Self::write_parquet`] wrote.
    ///
    /// # Errors
    /// When the file is absent, is no parquet, or lacks a column.
    pub fn read_parquet(path: &Path) -> Result<Self, EvaluateError> {
        let parquet = |source| EvaluateError::Parquet { path: path.to_owned(), source };
        let file = File::open(path).map_err(|source| EvaluateError::Io { path: path.to_owned(), source })?;
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build()).map_err(parquet)?;
        let mut rows = Vec::new();
        for batch in reader {
            let batch = batch.map_err(|source| EvaluateError::Arrow { path: path.to_owned(), source })?;
            let text = |name| column::<StringArray>(&batch, path, name, TEXT);
            let number = |name| column::<Float64Array>(&batch, path, name, NUMBER);
            let count = |name| column::<UInt64Array>(&batch, path, name, COUNT);
            let (task, subset, method) = (text("task")?, text("subset")?, text("method")?);
            let (metric, note) = (text("metric")?, text("note")?);
            let (value, lower, upper) = (number("value")?, number("lower")?, number("upper")?);
            let (n_items, n_units) = (count("n_items")?, count("n_units")?);
            let optional = |array: &Float64Array, row: usize| (!array.is_null(row)).then(|| array.value(row));
            rows.extend((0..batch.num_rows()).map(|row| ScoreRow {
                task: task.value(row).to_owned(),
                subset: subset.value(row).to_owned(),
                method: method.value(row).to_owned(),
                metric: metric.value(row).to_owned(),
                value: value.value(row),
                lower: optional(lower, row),
                upper: optional(upper, row),
                n_items: n_items.value(row) as usize,
                n_units: n_units.value(row) as usize,
                note: note.value(row).to_owned(),
            }));
        }
        Ok(Self { rows })
    }

    /// The table as aligned plain text, one line for each score, ending in a line break.
    pub fn to_text(&self) -> String {
        let header = ["task", "subset", "method", "metric", "value", "95 % interval", "items", "units", "note"];
        let mut cells = vec![header.map(str::to_owned)];
        cells.extend(self.rows.iter().map(|row| {
            let interval = match (row.lower, row.upper) {
                (Some(lower), Some(upper)) => format!("{} to {}", four_digits(lower), four_digits(upper)),
                _ => "-".into(),
            };
            [
                row.task.clone(),
                row.subset.clone(),
                row.method.clone(),
                row.metric.clone(),
                four_digits(row.value),
                interval,
                row.n_items.to_string(),
                row.n_units.to_string(),
                row.note.clone(),
            ]
        }));
        let is_number = |column: usize| (4..=7).contains(&column);
        let widths: Vec<usize> = (0..header.len())
            .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in cells {
            let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if is_number(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

fn column<'a, A: Array + 'static>(
    batch: &'a RecordBatch,
    path: &Path,
    name: &'static str,
    expected: &'static str,
) -> Result<&'a A, EvaluateError> {
    batch
        .column_by_name(name)
        .and_then(|array| array.as_any().downcast_ref::<A>())
        .ok_or_else(|| EvaluateError::Column { path: path.to_owned(), column: name, expected })
}

/// Four decimals for small numbers, four significant digits for large ones.
fn four_digits(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Scores {
        let estimate = Estimate { mean: 0.25, interval: Some((0.2, 0.31)), n_items: 25, n_units: 14 };
        let few = Estimate { mean: 12.345678, interval: None, n_items: 3, n_units: 2 };
        Scores {
            rows: vec![
                ScoreRow::new("held_out_dose", "interior", "interpolation", "mse", &estimate),
                ScoreRow::new("held_out_dose", "edge", "no_change", "mse", &few).with_note("few units"),
            ],
        }
    }

    #[test]
    fn what_is_written_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.parquet");
        for scores in [scores(), Scores::default()] {
            scores.write_parquet(&path).unwrap();
            assert_eq!(Scores::read_parquet(&path).unwrap(), scores);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_the_file_that_is_no_table_of_scores() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.parquet");
        assert!(matches!(Scores::read_parquet(&path).unwrap_err(), EvaluateError::Io { .. }));
        fs::write(&path, "task,value").unwrap();
        let message = Scores::read_parquet(&path).unwrap_err().to_string();
        assert!(message.contains("scores.parquet: not a readable parquet file"), "{message}");
        let names: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let batch = RecordBatch::try_from_iter([("task", names)]).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let message = Scores::read_parquet(&path).unwrap_err().to_string();
        assert!(message.contains("no column `subset` of type text"), "{message}");
    }

    #[test]
    fn text_is_aligned() {
        let expected = "\
task           subset    method         metric   value     95 % interval  items  units  note
held_out_dose  interior  interpolation  mse     0.2500  0.2000 to 0.3100     25     14
held_out_dose  edge      no_change      mse      12.35                 -      3      2  few units
";
        assert_eq!(scores().to_text(), expected);
    }
}
