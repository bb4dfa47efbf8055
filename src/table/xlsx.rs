//! Tables as Excel workbooks: a sheet with the values, and one that says what the columns mean.

use std::io::{self, Write};
use std::path::Path;

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::{Column, FileError, NamedColumn, Table, write_atomically};

/// Rows and columns of a sheet, the header among them.
const MOST_ROWS: usize = 1 << 20;
const MOST_COLUMNS: usize = 1 << 14;

impl Table {
    /// Writes the table as an Excel workbook.
    ///
    /// # Errors
    /// [`FileError::Damaged`] where a sheet has no room for it, [`FileError::Write`].
    pub(super) fn write_xlsx(&self, path: &Path) -> Result<(), FileError> {
        let (n_rows, n_columns) = (self.n_rows() + 1, self.columns().len());
        if n_rows > MOST_ROWS || n_columns > MOST_COLUMNS {
            let problem = format!(
                "{n_rows} rows and {n_columns} columns do not fit into a sheet of {MOST_ROWS} rows and {MOST_COLUMNS} \
                 columns; write .parquet or .csv"
            );
            return Err(FileError::damaged(path, problem));
        }
        write_atomically(path, |file| {
            let bytes = workbook(self).map_err(io::Error::other)?;
            file.write_all(&bytes)
        })
    }
}

fn workbook(table: &Table) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    // Otherwise the time of writing stands in the file, and equal tables differ.
    let no_time = ExcelDateTime::from_ymd(2000, 1, 1)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&no_time));
    let bold = Format::new().set_bold();
    let values = workbook.add_worksheet().set_name("table")?;
    values.set_freeze_panes(1, 0)?;
    for (position, column) in table.columns().iter().enumerate() {
        values.write_with_format(0, position as u16, &column.name, &bold)?;
        write_column(values, position as u16, column)?;
    }
    let meanings = workbook.add_worksheet().set_name("columns")?;
    meanings.write_with_format(0, 0, "column", &bold)?.write_with_format(0, 1, "meaning", &bold)?;
    let columns = table.columns().iter().map(|column| (&column.name, &column.doc));
    for (row, (name, meaning)) in columns.chain(table.facts()).enumerate() {
        meanings.write(row as u32 + 1, 0, name)?.write(row as u32 + 1, 1, meaning)?;
    }
    workbook.save_to_buffer()
}

/// The values below the header; what is missing or not finite, which Excel does not know, stays empty.
fn write_column(sheet: &mut Worksheet, position: u16, column: &NamedColumn) -> Result<(), XlsxError> {
    for index in 0..column.values.n_rows() {
        let row = index as u32 + 1;
        match &column.values {
            Column::Text(values) => {
                if let Some(text) = &values[index] {
                    sheet.write(row, position, text)?;
                }
            }
            Column::Flag(values) => {
                sheet.write(row, position, values[index])?;
            }
            Column::Number(_) | Column::Float32(_) | Column::Integer(_) => {
                if let Some(number) = column.values.number(index).filter(|number| number.is_finite()) {
                    sheet.write(row, position, number)?;
                }
            }
        }
    }
    Ok(())
}
