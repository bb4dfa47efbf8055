//! Values and tables of ours as JSON files that are whole or not there.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::atomic::write_atomically;
use super::{Column, FileError, Table};

/// Largest decoder or normalizer that is read.
const MAX_JSON_BYTES: u64 = 4 << 30;

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let file = std::fs::File::open(path).map_err(FileError::read(path))?;
    let size = file.metadata().map_err(FileError::read(path))?.len();
    if size > MAX_JSON_BYTES {
        return Err(FileError::damaged(path, format!("is {size} bytes long, expected at most {MAX_JSON_BYTES}")));
    }
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_JSON_BYTES), &mut text)
        .map_err(FileError::read(path))?;
    let damaged =
        |error| format!("is damaged ({error}); copy the file again, or delete it and run `cytonaut run` again");
    serde_json::from_slice(&text).map_err(|error| FileError::damaged(path, damaged(error)))
}

/// Writes a value of ours whole or not at all.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), FileError> {
    let json = serde_json::to_string(value).expect("our own types serialize");
    write_atomically(path, |file| std::io::Write::write_all(file, json.as_bytes()))
}

impl Table {
    /// Writes the table as a JSON list of one object a row; what is missing or not finite is `null`.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub(super) fn write_records(&self, path: &Path) -> Result<(), FileError> {
        write_atomically(path, |file| {
            for row in 0..self.n_rows() {
                let fields = self.columns().iter().map(|column| {
                    let value = column.values.json(row);
                    format!("{}: {value}", Value::from(column.name.as_str()))
                });
                let begin = if row == 0 { "[\n" } else { ",\n" };
                write!(file, "{begin}{{{}}}", fields.collect::<Vec<_>>().join(", "))?;
            }
            file.write_all(if self.n_rows() == 0 { b"[]\n" } else { b"\n]\n" })
        })
    }
}

impl Column {
    fn json(&self, row: usize) -> Value {
        match self {
            Self::Text(values) => json!(values[row]),
            Self::Flag(values) => json!(values[row]),
            Self::Integer(values) => json!(values[row]),
            Self::Number(_) | Self::Float32(_) => json!(self.number(row)),
        }
    }
}
