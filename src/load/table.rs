//! Tables as they lie in files: named columns of text or of numbers, each row with its place.
//!
//! Every format of `load` becomes a [`RawTable`] first. Metadata stay text, so that a plate `00123` keeps its zeros and a
//! dose keeps its digits; only features are read as numbers. A missing number is `NaN`, a missing text is `None`. Written
//! as missing are the empty cell and `NA`, `N/A`, `<NA>`, `NaN`, `nan`, `NULL`, `null`, as pandas and R write them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::{LoadError, Place};

/// Most columns of a table; the widest profiles known have some tens of thousands.
const MAX_COLUMNS: usize = 200_000;

/// Ways to write "no value".
pub(super) const MISSING: [&str; 8] = ["", "NA", "N/A", "<NA>", "NaN", "nan", "NULL", "null"];

/// A table with the place of each row.
#[derive(Debug, Clone)]
pub(super) struct RawTable {
    pub columns: Vec<RawColumn>,
    pub rows: Vec<RowPlace>,
    pub paths: Vec<PathBuf>,
}

/// A column of a [`RawTable`].
#[derive(Debug, Clone)]
pub(super) struct RawColumn {
    pub name: String,
    pub values: Values,
}

/// The values of a column.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Text(Vec<Option<String>>),
    /// `NaN` where the cell was missing.
    Number(Vec<f32>),
}

/// Index into [`RawTable::paths`] and line, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPlace {
    pub path: u32,
    pub line: u32,
}

/// What a first look at a file tells of a column: how many of the cells looked at are numbers, how many are not.
#[derive(Debug, Clone)]
pub(super) struct ColumnSketch {
    pub name: String,
    pub n_numbers: usize,
    pub n_texts: usize,
}

/// A text of a cell without outer blanks, or `None` where it says that there is no value.
pub(super) fn present(text: &str) -> Option<&str> {
    let text = text.trim();
    (!MISSING.contains(&text)).then_some(text)
}

/// Refuses a name that stands twice or is absent; the first column may be unnamed, as pandas writes an index.
pub(super) fn check_header(path: &Path, names: &mut [String]) -> Result<(), LoadError> {
    if names.len() > MAX_COLUMNS {
        return Err(LoadError::Columns { path: path.to_path_buf(), found: names.len(), most: MAX_COLUMNS });
    }
    let mut positions = BTreeMap::new();
    for (position, name) in names.iter_mut().enumerate() {
        if name.is_empty() && position == 0 {
            *name = "Unnamed: 0".to_owned();
        }
        if name.is_empty() {
            return Err(LoadError::UnnamedColumn { path: path.to_path_buf(), position: position + 1 });
        }
        if let Some(first) = positions.insert(name.clone(), position) {
            return Err(LoadError::DuplicateColumn {
                path: path.to_path_buf(),
                column: name.clone(),
                first: first + 1,
                second: position + 1,
            });
        }
    }
    Ok(())
}

impl RawTable {
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    pub fn place(&self, row: usize) -> Place {
        let RowPlace { path, line } = self.rows[row];
        Place { path: self.paths[path as usize].clone(), line: line as usize }
    }

    /// The values of a text column.
    pub fn text(&self, name: &str) -> Option<&[Option<String>]> {
        self.columns.iter().find(|column| column.name == name).and_then(|column| match &column.values {
            Values::Text(values) => Some(values.as_slice()),
            Values::Number(_) => None,
        })
    }

    /// The rows for which `is_kept` holds.
    pub fn filtered(&self, is_kept: &[bool]) -> RawTable {
        fn chosen<T: Clone>(values: &[T], is_kept: &[bool]) -> Vec<T> {
            values.iter().zip(is_kept).filter(|(_, kept)| **kept).map(|(value, _)| value.clone()).collect()
        }
        let columns = self.columns.iter().map(|column| RawColumn {
            name: column.name.clone(),
            values: match &column.values {
                Values::Text(values) => Values::Text(chosen(values, is_kept)),
                Values::Number(values) => Values::Number(chosen(values, is_kept)),
            },
        });
        RawTable { columns: columns.collect(), rows: chosen(&self.rows, is_kept), paths: self.paths.clone() }
    }

    /// The text columns alone.
    pub fn without_numbers(mut self) -> RawTable {
        self.columns.retain(|column| matches!(column.values, Values::Text(_)));
        self
    }

    /// The rows of all tables, with the columns of all of them; a text column that a table lacks is missing there.
    ///
    /// # Errors
    /// [`LoadError::ColumnsDiffer`] if a column that `is_needed` accepts is not in every table.
    pub fn concatenated(mut tables: Vec<RawTable>, is_needed: impl Fn(&str) -> bool) -> Result<RawTable, LoadError> {
        if tables.len() == 1 {
            return Ok(tables.remove(0));
        }
        let mut names: Vec<String> = Vec::new();
        let mut seen = BTreeMap::<String, PathBuf>::new();
        for table in &tables {
            for column in &table.columns {
                seen.entry(column.name.clone()).or_insert_with(|| {
                    names.push(column.name.clone());
                    table.paths[0].clone()
                });
            }
        }
        for table in &tables {
            let own: BTreeSet<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            if let Some((column, has)) = seen.iter().find(|(name, _)| !own.contains(name.as_str()) && is_needed(name)) {
                return Err(LoadError::ColumnsDiffer {
                    column: column.clone(),
                    has: has.clone(),
                    lacks: table.paths[0].clone(),
                });
            }
        }
        let mut whole = RawTable {
            columns: Vec::with_capacity(names.len()),
            rows: Vec::new(),
            paths: tables.iter().map(|table| table.paths[0].clone()).collect(),
        };
        let mut parts: Vec<BTreeMap<String, Values>> = Vec::with_capacity(tables.len());
        let mut lengths = Vec::with_capacity(tables.len());
        for (index, table) in tables.into_iter().enumerate() {
            lengths.push(table.rows.len());
            whole.rows.extend(table.rows.iter().map(|row| RowPlace { path: index as u32, line: row.line }));
            parts.push(table.columns.into_iter().map(|column| (column.name, column.values)).collect());
        }
        for name in names {
            let is_number = parts.iter().any(|part| matches!(part.get(&name), Some(Values::Number(_))));
            let mut numbers = Vec::new();
            let mut texts = Vec::new();
            for (part, &length) in parts.iter_mut().zip(&lengths) {
                match part.remove(&name) {
                    Some(Values::Number(values)) => numbers.extend(values),
                    Some(Values::Text(values)) => texts.extend(values),
                    None if is_number => numbers.resize(numbers.len() + length, f32::NAN),
                    None => texts.resize(texts.len() + length, None),
                }
            }
            whole.columns.push(RawColumn {
                name,
                values: if is_number { Values::Number(numbers) } else { Values::Text(texts) },
            });
        }
        Ok(whole)
    }
}
