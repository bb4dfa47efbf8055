//! Columns of text with their places, and keys by which sheets speak of tracks.

use std::path::PathBuf;

use super::super::card::Card;
use super::super::error::{LoadError, Place};
use super::super::format;
use super::super::image::settings::TimeUnit;
use super::super::join::beside;
use super::super::table::RawTable;
use super::settings::TrackKey;

/// A column of a table read as text.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    pub column: &'a str,
    values: &'a [Option<String>],
    table: &'a RawTable,
}

impl<'a> Cells<'a> {
    /// The column of that name; `why` says who asks for it.
    pub fn of(table: &'a RawTable, column: &'a str, why: &str) -> Result<Self, LoadError> {
        let values = table.text(column).ok_or_else(|| LoadError::MissingColumn {
            path: table.paths[0].clone(),
            column: column.to_owned(),
            mend: why.to_owned(),
        })?;
        Ok(Self { column, values, table })
    }

    pub fn get(&self, row: usize) -> Option<&'a str> {
        self.values[row].as_deref()
    }

    pub fn required(&self, row: usize, expected: &'static str) -> Result<&'a str, LoadError> {
        self.get(row).ok_or_else(|| self.wrong(row, expected))
    }

    pub fn place(&self, row: usize) -> Place {
        self.table.place(row)
    }

    /// An error about the cell in `row`.
    pub fn wrong(&self, row: usize, expected: &'static str) -> LoadError {
        LoadError::Cell {
            place: self.place(row),
            column: self.column.to_owned(),
            found: self.get(row).unwrap_or_default().to_owned(),
            expected,
        }
    }
}

/// The texts of several columns in one row.
pub(super) fn joined<'a>(cells: &[Cells<'a>], row: usize, expected: &'static str) -> Result<Vec<&'a str>, LoadError> {
    cells.iter().map(|cells| cells.required(row, expected)).collect()
}

/// A time of a table or sheet in minutes.
pub(super) fn minutes_of(
    cells: Cells<'_>,
    row: usize,
    unit: TimeUnit,
    expected: &'static str,
) -> Result<f64, LoadError> {
    let number = cells.required(row, expected)?.parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.ok_or_else(|| cells.wrong(row, expected))?;
    Ok(match unit {
        TimeUnit::Seconds => number / 60.0,
        TimeUnit::Minutes => number,
        TimeUnit::Hours => number * 60.0,
    })
}

/// A value as it is compared: numbers as numbers, so that 2.5 and 2.50 are one, all else as text.
pub(super) fn key_text(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("{number}"),
        _ => text.to_owned(),
    }
}

/// The key of each row of the table of tracks, as the sheet with these keys writes it.
pub(super) fn keys_of_rows(table: &RawTable, on: &[TrackKey], why: &str) -> Result<Vec<Vec<String>>, LoadError> {
    const EXPECTED: &str = "a value, since the column is a key";
    let parts = on
        .iter()
        .map(|key| key.table_columns().iter().map(|column| Cells::of(table, column, why)).collect())
        .collect::<Result<Vec<Vec<_>>, LoadError>>()?;
    let of_part = |row: usize, columns: &Vec<Cells>| -> Result<String, LoadError> {
        let texts = columns.iter().map(|cells| cells.required(row, EXPECTED)).collect::<Result<Vec<_>, _>>()?;
        Ok(key_text(&texts.join("_")))
    };
    (0..table.n_rows()).map(|row| parts.iter().map(|columns| of_part(row, columns)).collect()).collect()
}

/// A sheet that the card names, from the card's folder or else from beside the tables.
pub(super) fn read(
    card: &Card,
    file: &str,
    section: &str,
    tables: &[PathBuf],
) -> Result<(PathBuf, RawTable), LoadError> {
    let path = beside(card, file, tables.first().and_then(|table| table.parent()))?;
    if !path.exists() && std::fs::symlink_metadata(&path).is_err() {
        let message = format!("[tracks.{section}] needs a file that is not there: {}", path.display());
        return Err(LoadError::Card { path: card.path.clone(), message });
    }
    let table = format::read(&path, &Default::default())?;
    Ok((path, table))
}
