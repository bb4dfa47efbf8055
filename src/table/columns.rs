//! Named, documented columns: what every table that leaves Cytonaut is made of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{FileError, write_atomically};

/// The values of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Text; `None` is null, and an empty field in csv.
    Text(Vec<Option<String>>),
    /// 64-bit numbers; `None` is null.
    Number(Vec<Option<f64>>),
    /// 32-bit numbers without nulls: latents and features.
    Float32(Vec<f32>),
    /// Whole numbers; `None` is null.
    Integer(Vec<Option<i64>>),
    /// True or false.
    Flag(Vec<bool>),
}

impl Column {
    /// Number of values.
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Float32(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Flag(values) => values.len(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "numbers",
            Self::Float32(_) => "32-bit numbers",
            Self::Integer(_) => "whole numbers",
            Self::Flag(_) => "true or false",
        }
    }

    /// One value as a number; `None` where it is missing or not a number.
    pub(super) fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Number(values) => values[row],
            // The shortest digits that give the same 32 bits, and not those that 64 bits would need.
            Self::Float32(values) => format!("{:?}", values[row]).parse().ok(),
            Self::Integer(values) => values[row].map(|value| value as f64),
            Self::Text(_) | Self::Flag(_) => None,
        }
    }

    /// One value as it stands in csv.
    fn field(&self, row: usize) -> String {
        match self {
            Self::Text(values) => values[row].clone().unwrap_or_default(),
            Self::Number(values) => values[row].map_or(String::new(), decimal),
            Self::Float32(values) => decimal(values[row]),
            Self::Integer(values) => values[row].map_or(String::new(), |value| value.to_string()),
            Self::Flag(values) => values[row].to_string(),
        }
    }
}

/// Shortest text that reads back as the same number; very large and very small ones with an exponent.
fn decimal<T: std::fmt::Debug>(value: T) -> String {
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A column with its name and what it means.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedColumn {
    /// Name in the file.
    pub name: String,
    /// What the values are, with their unit; kept in the file.
    pub doc: String,
    /// The values.
    pub values: Column,
}

/// A table of named columns of equal length, with facts about the whole of it.
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<NamedColumn>,
    facts: BTreeMap<String, String>,
    /// The file it came from, for messages; empty for a table made here.
    path: PathBuf,
}

impl Table {
    /// A table without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// The table with one more column.
    ///
    /// # Panics
    /// If the column has another number of rows than those before it.
    pub fn with(mut self, name: impl Into<String>, doc: impl Into<String>, values: Column) -> Self {
        let (name, doc) = (name.into(), doc.into());
        if let Some(first) = self.columns.first() {
            let (found, expected) = (values.n_rows(), first.values.n_rows());
            assert!(found == expected, "column `{name}` has {found} rows, the table {expected}");
        }
        self.columns.push(NamedColumn { name, doc, values });
        self
    }

    /// The table with a fact about the whole of it, kept in the parquet file beside the columns.
    pub fn with_fact(mut self, name: &str, fact: impl Into<String>) -> Self {
        self.facts.insert(name.to_owned(), fact.into());
        self
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[NamedColumn] {
        &self.columns
    }

    /// Facts about the whole table, by name.
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.facts
    }

    /// Number of rows; 0 without columns.
    pub fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.n_rows())
    }

    /// The column called `name`, if there is one.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.values)
    }

    /// The file that the table was read from; empty for a table made here.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Text by row.
    ///
    /// # Errors
    /// [`FileError::Column`] where the column is absent or holds something else; so with the methods below.
    pub fn text(&self, name: &str) -> Result<&[Option<String>], FileError> {
        match self.column(name) {
            Some(Column::Text(values)) => Ok(values),
            other => Err(self.wrong(name, other, "text")),
        }
    }

    /// 64-bit numbers by row.
    ///
    /// # Errors
    /// As [`Table::text`].
    pub fn numbers(&self, name: &str) -> Result<&[Option<f64>], FileError> {
        match self.column(name) {
            Some(Column::Number(values)) => Ok(values),
            other => Err(self.wrong(name, other, "numbers")),
        }
    }

    /// 32-bit numbers by row.
    ///
    /// # Errors
    /// As [`Table::text`].
    pub fn float32(&self, name: &str) -> Result<&[f32], FileError> {
        match self.column(name) {
            Some(Column::Float32(values)) => Ok(values),
            other => Err(self.wrong(name, other, "32-bit numbers without nulls")),
        }
    }

    /// Whole numbers by row.
    ///
    /// # Errors
    /// As [`Table::text`].
    pub fn integers(&self, name: &str) -> Result<&[Option<i64>], FileError> {
        match self.column(name) {
            Some(Column::Integer(values)) => Ok(values),
            other => Err(self.wrong(name, other, "whole numbers")),
        }
    }

    /// Flags by row.
    ///
    /// # Errors
    /// As [`Table::text`].
    pub fn flags(&self, name: &str) -> Result<&[bool], FileError> {
        match self.column(name) {
            Some(Column::Flag(values)) => Ok(values),
            other => Err(self.wrong(name, other, "true or false")),
        }
    }

    /// An error about one column of this table.
    pub fn wrong_column(&self, name: &str, found: impl Into<String>, expected: &'static str) -> FileError {
        FileError::Column { path: self.path.clone(), column: name.to_owned(), found: found.into(), expected }
    }

    /// Writes the table as csv: a header of column names, then one line a row; facts and documentation are left out.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub(super) fn write_csv(&self, path: &Path, delimiter: u8) -> Result<(), FileError> {
        write_atomically(path, |file| {
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(file);
            writer.write_record(self.columns.iter().map(|column| &column.name))?;
            for row in 0..self.n_rows() {
                writer.write_record(self.columns.iter().map(|column| column.values.field(row)))?;
            }
            writer.flush()
        })
    }

    pub(super) fn read_from(path: &Path, facts: BTreeMap<String, String>) -> Self {
        Self { columns: Vec::new(), facts, path: path.to_owned() }
    }

    pub(super) fn refuse_equal_names(&self, path: &Path) -> Result<(), FileError> {
        let mut names = std::collections::BTreeSet::new();
        match self.columns.iter().find(|column| !names.insert(&column.name)) {
            Some(column) => {
                Err(FileError::damaged(path, format!("two columns are called `{}`; rename one", column.name)))
            }
            None => Ok(()),
        }
    }

    fn wrong(&self, name: &str, found: Option<&Column>, expected: &'static str) -> FileError {
        self.wrong_column(name, found.map_or("nothing (there is no such column)", Column::kind), expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new()
            .with("plate", "Plate barcode.", Column::Text(vec![Some("a, \"b\"".into()), None]))
            .with("dose_um", "Dose in µM.", Column::Number(vec![Some(0.1), Some(1e-9)]))
            .with("latent_0", "Latent.", Column::Float32(vec![0.1, 16_777_216.0]))
            .with("n_wells", "Wells.", Column::Integer(vec![Some(3), None]))
            .with("is_held_out", "Held out.", Column::Flag(vec![true, false]))
    }

    #[test]
    fn writes_csv_that_spreadsheets_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        table().write(&path).unwrap();
        let expected =
            "plate,dose_um,latent_0,n_wells,is_held_out\n\"a, \"\"b\"\"\",0.1,0.1,3,true\n,1e-9,16777216,,false\n";
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }

    #[test]
    fn says_what_a_column_holds() {
        let table = table();
        assert_eq!(table.integers("n_wells").unwrap(), [Some(3), None]);
        let error = table.numbers("plate").unwrap_err().to_string();
        assert!(error.ends_with("column `plate` holds text, expected numbers"), "{error}");
        let error = table.flags("absent").unwrap_err().to_string();
        assert!(error.ends_with("column `absent` holds nothing (there is no such column), expected true or false"));
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        let table = table().with("plate", "", Column::Flag(vec![true, true]));
        let error = table.write(Path::new("a.csv")).unwrap_err().to_string();
        assert!(error.contains("two columns are called `plate`"), "{error}");
    }

    #[test]
    #[should_panic(expected = "column `x` has 1 rows, the table 2")]
    fn columns_are_of_equal_length() {
        let _ = table().with("x", "", Column::Flag(vec![true]));
    }
}
