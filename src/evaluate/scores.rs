//! The table of scores that `evaluate` leaves: `scores.parquet`, and the same as text.
//!
//! Columns: `task`, `subset`, `method`, `metric`, `note` (text); `value` (float64); `lower`, `upper` (float64, null where no interval
//! may be claimed); `n_items`, `n_units` (int64).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Estimate, EvaluateError};
use crate::table::{Column, FileError, Side, Table, TextTable};

/// One number with what it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// What was asked: `unseen dose`, `mechanism of the nearest neighbor`, `replicate retrieval`, ….
    pub task: String,
    /// The part of the task's items: `all`, `interior`, `edge`, ….
    pub subset: String,
    /// Whose score it is.
    pub method: String,
    /// What is measured: `mse`, `recall@5`, ….
    pub metric: String,
    /// The score.
    #[serde(with = "crate::linear::numbers::number")]
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
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scores {
    /// Its rows.
    pub rows: Vec<ScoreRow>,
}

impl Scores {
    /// Writes the table as the ending of `path` says, replacing `path` only when it is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EvaluateError> {
        let text = |value: fn(&ScoreRow) -> &str| {
            Column::Text(self.rows.iter().map(|row| Some(value(row).to_owned())).collect())
        };
        let number = |value: fn(&ScoreRow) -> Option<f64>| Column::Number(self.rows.iter().map(value).collect());
        let count = |value: fn(&ScoreRow) -> usize| {
            Column::Integer(self.rows.iter().map(|row| Some(value(row) as i64)).collect())
        };
        let table = Table::new()
            .with("task", "what was asked", text(|row| &row.task))
            .with("subset", "the part of the task's items", text(|row| &row.subset))
            .with("method", "whose score it is", text(|row| &row.method))
            .with("metric", "what is measured", text(|row| &row.metric))
            .with("value", "the score", number(|row| Some(row.value)))
            .with("lower", "lower end of its 95 % interval; null where none can be claimed", number(|row| row.lower))
            .with("upper", "upper end of its 95 % interval; null where none can be claimed", number(|row| row.upper))
            .with("n_items", "items averaged", count(|row| row.n_items))
            .with("n_units", "independent units they belong to", count(|row| row.n_units))
            .with("note", "what a reader has to know about it", text(|row| &row.note));
        Ok(table.write(path)?)
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// When the file is absent, is no parquet, or lacks a column or a value.
    pub fn read_parquet(path: &Path) -> Result<Self, EvaluateError> {
        let table = Table::read_parquet(path)?;
        let n_rows = table.n_rows();
        let null = |name: &str| table.wrong_column(name, "a row without a value", "a value in every row");
        let text = |name: &str| -> Result<Vec<String>, FileError> {
            table.text(name)?.iter().map(|value| value.clone().ok_or_else(|| null(name))).collect()
        };
        let count = |name: &str| -> Result<Vec<usize>, FileError> {
            let whole = |value: &Option<i64>| value.and_then(|value| usize::try_from(value).ok());
            table.integers(name)?.iter().map(|value| whole(value).ok_or_else(|| null(name))).collect()
        };
        let (task, subset, method) = (text("task")?, text("subset")?, text("method")?);
        let (metric, note) = (text("metric")?, text("note")?);
        let (value, lower, upper) = (table.numbers("value")?, table.numbers("lower")?, table.numbers("upper")?);
        let (n_items, n_units) = (count("n_items")?, count("n_units")?);
        let row = |row: usize| -> Result<ScoreRow, FileError> {
            Ok(ScoreRow {
                task: task[row].clone(),
                subset: subset[row].clone(),
                method: method[row].clone(),
                metric: metric[row].clone(),
                value: value[row].ok_or_else(|| null("value"))?,
                lower: lower[row],
                upper: upper[row],
                n_items: n_items[row],
                n_units: n_units[row],
                note: note[row].clone(),
            })
        };
        Ok(Self { rows: (0..n_rows).map(row).collect::<Result<_, _>>()? })
    }

    /// The table as aligned plain text, one line for each score, ending in a line break.
    pub fn to_text(&self) -> String {
        let (words, numbers) = (["task", "subset", "method", "metric"], ["value", "95 % interval", "items", "units"]);
        let heads = words.map(|head| (head, Side::Left)).into_iter().chain(numbers.map(|head| (head, Side::Right)));
        let mut table = TextTable::new(heads.chain([("note", Side::Left)]));
        for row in &self.rows {
            let interval = match (row.lower, row.upper) {
                (Some(lower), Some(upper)) => format!("{} to {}", four_digits(lower), four_digits(upper)),
                _ => "-".into(),
            };
            table.push([
                row.task.clone(),
                row.subset.clone(),
                row.method.clone(),
                row.metric.clone(),
                four_digits(row.value),
                interval,
                row.n_items.to_string(),
                row.n_units.to_string(),
                row.note.clone(),
            ]);
        }
        table.to_string()
    }
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
    use std::fs;

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
            scores.write(&path).unwrap();
            assert_eq!(Scores::read_parquet(&path).unwrap(), scores);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_the_file_that_is_no_table_of_scores() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.parquet");
        let message = || Scores::read_parquet(&path).unwrap_err().to_string();
        assert!(message().contains("scores.parquet"), "{}", message());
        fs::write(&path, "task,value").unwrap();
        assert!(message().contains("scores.parquet"), "{}", message());
        let names = || Column::Text(vec![Some("a".into())]);
        Table::new().with("task", "", names()).write(&path).unwrap();
        assert!(message().contains("subset"), "{}", message());
        let mut table = Table::new();
        for name in ["task", "subset", "method", "metric", "note"] {
            table = table.with(name, "", names());
        }
        for name in ["value", "lower", "upper"] {
            table = table.with(name, "", Column::Number(vec![None]));
        }
        for name in ["n_items", "n_units"] {
            table = table.with(name, "", Column::Integer(vec![Some(-1)]));
        }
        table.write(&path).unwrap();
        assert!(message().contains("n_items"), "{}", message());
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
