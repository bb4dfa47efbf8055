//! Profile tables as text: CSV and TSV, plain or gzipped.
//!
//! ```text
//! plate,well,compound,concentration_um,moa,Cells_AreaShape_Area,Nuclei_Texture_Entropy_DNA_5
//! Week1_22123,B02,DMSO,0,,2458.11,1.79215
//! Week1_22123,C05,taxol,0.3,"Microtubule, stabilizer",3105.4,1.80811
//! ```
//!
//! One header line, then one line for each row; `sep=;` and remarks behind `#` may stand before it. The delimiter is the one
//! of comma, tab, semicolon and `|` that the header has most of; fields may be quoted with `"`. Numbers have a decimal
//! point, or are read as [`Notation`] says. Blank lines are skipped, `\r\n` and a byte-order mark are accepted. Refused,
//! with the line: text that is not UTF-8, lines of more than 16 MiB, rows with more or fewer fields than the header, a name
//! that stands twice, a feature that is no number, and a header without rows.
//!
//! The usual table is read by [`blocks`], without holding its text; any other, or one with a fault, by [`careful`].

mod blocks;
mod careful;
mod columns;
mod headless;
mod plates;
mod sample;

use std::collections::BTreeSet;
use std::path::Path;

pub(super) use self::plates::plate_map;
pub(super) use self::sample::sample;
use super::error::{LoadError, Place};
use super::notation::Notation;
use super::table::{self, ColumnSketch, RawTable, SKETCH_CELLS};
use super::text::read_bytes;

/// How much of a file the first look takes in; more than any header.
const SKETCH_BYTES: u64 = 4 << 20;
/// Rows by which the notation of numbers is told.
const NOTATION_ROWS: usize = 200;

/// The columns of a file, by a look at its first rows or, with `is_whole`, at all of them.
pub(super) fn sketch(path: &Path, is_whole: bool) -> Result<Vec<ColumnSketch>, LoadError> {
    let (bytes, is_cut) = with_header(path, read_bytes(path, if is_whole { u64::MAX } else { SKETCH_BYTES })?);
    if is_cut && !bytes.contains(&b'\n') {
        return sketch(path, true);
    }
    // A cut text ends within a row; that row is no witness.
    let end = if is_cut { bytes.iter().rposition(|&byte| byte == b'\n').unwrap_or(bytes.len()) } else { bytes.len() };
    let text = utf8(path, &bytes[..end])?;
    let header = Header::of(path, text)?;
    let notation = header.notation(text);
    let mut sketches: Vec<ColumnSketch> = header.names.iter().map(|name| ColumnSketch::of(name)).collect();
    let mut record = ::csv::StringRecord::new();
    let mut reader = header.reader(text);
    let mut n_rows = 0;
    // Faults of single rows are named when the file is read.
    while let Ok(true) = reader.read_record(&mut record) {
        n_rows += 1;
        for (sketch, cell) in sketches.iter_mut().zip(&record) {
            sketch.add(cell, notation);
        }
        if sketches.iter().all(|sketch| sketch.n_cells() >= SKETCH_CELLS) {
            break;
        }
    }
    if n_rows == 0 && !is_cut && reader.is_done() {
        return Err(LoadError::NoRows { path: path.to_path_buf() });
    }
    Ok(sketches)
}

/// A whole file, the columns that `numbers` names as numbers.
pub(super) fn read(path: &Path, numbers: &BTreeSet<&str>) -> Result<RawTable, LoadError> {
    if headless::header_of(path).is_some() {
        let below = |line: usize| line - 1;
        return match read_carefully(path, numbers) {
            Ok(mut table) => {
                table.rows.iter_mut().for_each(|row| row.line = below(row.line as usize) as u32);
                Ok(table)
            }
            Err(mut error) => {
                if let LoadError::Cell { place, .. } | LoadError::Ragged { place, .. } = &mut error {
                    place.line = below(place.line);
                }
                Err(error)
            }
        };
    }
    match blocks::read(path, numbers) {
        Some(table) => Ok(table),
        None => read_carefully(path, numbers),
    }
}

/// The content of a file, with the header line that it lacks.
fn with_header(path: &Path, (bytes, is_cut): (Vec<u8>, bool)) -> (Vec<u8>, bool) {
    match headless::header_of(path) {
        Some(header) => ([header.as_bytes(), &bytes].concat(), is_cut),
        None => (bytes, is_cut),
    }
}

fn read_carefully(path: &Path, numbers: &BTreeSet<&str>) -> Result<RawTable, LoadError> {
    let (bytes, _) = with_header(path, read_bytes(path, u64::MAX)?);
    careful::read(path, utf8(path, &bytes)?.trim_end_matches(['\n', '\r']), numbers)
}

struct Header {
    names: Vec<String>,
    delimiter: u8,
}

impl Header {
    fn of(path: &Path, text: &str) -> Result<Self, LoadError> {
        let first_line = text.lines().find(|line| !line.trim().is_empty());
        let first_line = first_line.ok_or_else(|| LoadError::Empty { path: path.to_path_buf() })?;
        if first_line.trim_end_matches('\r').contains('\r') {
            let message = "lines end in a carriage return alone; save the table with line feeds".to_owned();
            return Err(LoadError::Decode { path: path.to_path_buf(), message });
        }
        let count = |delimiter: u8| {
            let mut is_quoted = false;
            first_line
                .bytes()
                .filter(|&byte| {
                    is_quoted ^= byte == b'"';
                    byte == delimiter && !is_quoted
                })
                .count()
        };
        // Of equal counts the first stays, so that a table of one column is a CSV.
        let delimiter = [b',', b'\t', b';', b'|']
            .into_iter()
            .rev()
            .max_by_key(|&delimiter| count(delimiter))
            .expect("four candidates");
        let mut header = Self { names: Vec::new(), delimiter };
        let mut reader = header.builder().has_headers(false).from_reader(text.as_bytes());
        let mut record = ::csv::StringRecord::new();
        let decode = |error: ::csv::Error| LoadError::Decode { path: path.to_path_buf(), message: error.to_string() };
        reader.read_record(&mut record).map_err(decode)?;
        header.names = record.iter().map(|name| name.trim().to_owned()).collect();
        table::check_header(path, &mut header.names)?;
        Ok(header)
    }

    fn builder(&self) -> ::csv::ReaderBuilder {
        let mut builder = ::csv::ReaderBuilder::new();
        builder.delimiter(self.delimiter).flexible(true);
        builder
    }

    /// How the numbers of the file are written that `text` is the beginning of, or all.
    ///
    /// The same rows tell it to the first look and to the reading.
    fn notation(&self, text: &str) -> Notation {
        if self.delimiter == b',' && !text.contains('"') {
            // No field can hold a comma, and a point is a decimal point.
            return Notation::POINT;
        }
        let mut record = ::csv::StringRecord::new();
        let mut reader = self.reader(text);
        let mut cells: Vec<String> = Vec::new();
        for _ in 0..NOTATION_ROWS {
            if !matches!(reader.read_record(&mut record), Ok(true)) {
                break;
            }
            cells.extend(record.iter().filter(|cell| cell.contains([',', '.'])).map(str::to_owned));
        }
        Notation::of(cells.iter().map(String::as_str), self.delimiter == b';')
    }

    /// A reader that stands below the header.
    fn reader<'a>(&self, text: &'a str) -> ::csv::Reader<&'a [u8]> {
        self.builder().has_headers(true).from_reader(text.as_bytes())
    }
}

/// The text of `bytes`; a NUL is no text either, and says that a file is binary or was not written to its end.
fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, LoadError> {
    let decoded = std::str::from_utf8(bytes).map_err(|error| error.valid_up_to());
    let decoded = decoded.and_then(|text| text.bytes().position(|byte| byte == 0).map_or(Ok(text), Err));
    decoded.map_err(|position| {
        let line = bytes[..position].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let is_utf16 = matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]);
        let found = if is_utf16 { "UTF-16".to_owned() } else { format!("byte 0x{:02X}", bytes[position]) };
        LoadError::Utf8 { place: Place { path: path.to_path_buf(), line }, found }
    })
}

/// The error for a feature cell that is no number.
pub(super) fn not_a_number(path: &Path, line: usize, column: &str, found: &str) -> LoadError {
    LoadError::Cell {
        place: Place { path: path.to_path_buf(), line },
        column: column.to_owned(),
        found: found.to_owned(),
        expected: "a number (list the column in `exclude_features` if it is not a feature)",
    }
}
