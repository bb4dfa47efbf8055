//! Tables that stand beside a screen, read as text.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::{LoadError, Place};
use super::format;
use super::mapping::{ColumnRole, plain};
use super::table::Values;
use crate::table::first_few;

/// A table read as text, for what stands beside a screen (descriptors).
#[derive(Debug, Clone, PartialEq)]
pub struct TextTable {
    /// Column names.
    pub names: Vec<String>,
    /// `[column][row]`; `None` where the cell is missing.
    pub columns: Vec<Vec<Option<String>>>,
    /// The place of each row.
    pub places: Vec<Place>,
}

/// Reads a table of any format as text.
///
/// # Errors
/// If the file is missing, malformed or has no rows.
pub fn read_text_table(path: &Path) -> Result<TextTable, LoadError> {
    let table = format::read(path, &BTreeSet::new())?;
    let places = (0..table.n_rows()).map(|row| table.place(row)).collect();
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let columns = table.columns.into_iter().map(|column| match column.values {
        Values::Text(values) => values,
        Values::Number(_) => unreachable!("no column was asked for as numbers"),
    });
    Ok(TextTable { names, columns: columns.collect(), places })
}

/// The column of a table that names perturbations: the one called `name`, or one of a usual name.
///
/// # Errors
/// [`LoadError::MissingColumn`].
pub fn name_column(table: &TextTable, path: &Path, name: Option<&str>) -> Result<usize, LoadError> {
    let usual = ColumnRole::Perturbation.usual_names();
    let named = |wanted: &str| table.names.iter().position(|own| own == wanted);
    let found = match name {
        Some(name) => named(name),
        None => usual.iter().find_map(|word| table.names.iter().position(|own| plain(own) == *word)),
    };
    found.ok_or_else(|| LoadError::MissingColumn {
        path: path.to_path_buf(),
        column: name.unwrap_or("perturbation").to_owned(),
        mend: format!("name the column with --name; the columns are {}", first_few(&table.names, 12)),
    })
}
