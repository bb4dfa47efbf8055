//! Profile tables as text: CSV and TSV, plain or gzipped.
//!
//! ```text
//! plate,well,compound,concentration_um,moa,Cells_AreaShape_Area,Nuclei_Texture_Entropy_DNA_5
//! Week1_22123,B02,DMSO,0,,2458.11,1.79215
//! Week1_22123,C05,taxol,0.3,"Microtubule, stabilizer",3105.4,1.80811
//! ```
//!
//! One header line, then one line for each row; `sep=;` and remarks behind `#` may stand before it. The delimiter is the one
//! of comma, tab, semicolon and `|` that the header has most of; fields may be quoted with `"`. Numbers have a decimal point, or are read as [`Notation`] says. Blank lines are skipped, `\r\n` and a
//! byte-order mark are accepted. Refused, with the line: text that is not UTF-8, lines of more than 16 MiB, rows with more or fewer fields than
//! the header, a name that stands twice, a feature that is no number, and a header without rows.
//!
//! The usual table is read by [`blocks`], without holding its text. For any other, lines are counted and checked here and
//! values are parsed by polars; where polars refuses, the text is read once more with the `csv` crate, which either names
//! the row and column at fault or reads what polars was too strict for.

mod blocks;
mod headless;
mod plates;
mod sample;

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::{CsvParseOptions, CsvReadOptions, DataType, Field, NullValues, Schema, SerReader};
use rayon::prelude::*;

pub(super) use self::plates::plate_map;
pub(super) use self::sample::sample;
use super::error::{LoadError, Place};
use super::notation::Notation;
use super::table::{self, ColumnSketch, MISSING, RawColumn, RawTable, RowPlace, SKETCH_CELLS, Values};
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
    let text = utf8(path, &bytes)?.trim_end_matches(['\n', '\r']);
    let header = Header::of(path, text)?;
    let (lines, has_blank_lines) = lines_of_rows(path, text, &header)?;
    if lines.is_empty() {
        return Err(LoadError::NoRows { path: path.to_path_buf() });
    }
    let notation = header.notation(text);
    // polars would read a blank line as a row without values, and knows decimal points only.
    let is_usual = !has_blank_lines && notation == Notation::POINT;
    let fast = if is_usual { parse_fast(text, &header, numbers, lines.len()) } else { None };
    let columns = match fast {
        Some(columns) => columns,
        None => parse_strict(path, text, &header, notation, numbers, &lines)?,
    };
    let rows = lines.into_iter().map(|line| RowPlace { path: 0, line }).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
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

/// The line of each row, and whether there are blank lines; refuses rows whose fields are not those of the header.
fn lines_of_rows(path: &Path, text: &str, header: &Header) -> Result<(Vec<u32>, bool), LoadError> {
    let ragged = |line: u32, found: usize| LoadError::Ragged {
        place: Place { path: path.to_path_buf(), line: line as usize },
        found,
        expected: header.names.len(),
    };
    let mut lines = Vec::new();
    if !text.contains('"') {
        let looked_at: Vec<Lines> = pieces(text).par_iter().map(|piece| Lines::of(piece, header)).collect();
        let mut n_before = 0;
        for Lines { n_lines, whole, odd } in &looked_at {
            if let Some((index, found)) = odd {
                return Err(ragged((n_before + index) as u32 + 1, *found));
            }
            lines.extend(whole.iter().map(|index| n_before as u32 + index + 1));
            n_before += n_lines;
        }
        let has_blank_lines = lines.len() < n_before;
        // The first is the header.
        lines.drain(..lines.len().min(1));
        return Ok((lines, has_blank_lines));
    }
    let mut reader = header.reader(text);
    let mut record = ::csv::ByteRecord::new();
    let decode = |error: ::csv::Error| LoadError::Decode { path: path.to_path_buf(), message: error.to_string() };
    while reader.read_byte_record(&mut record).map_err(decode)? {
        // The reader's position is before the blank lines that it skips.
        let line = record.position().map_or(0, |position| {
            let skipped = text.as_bytes()[position.byte() as usize..].iter().take_while(|byte| b"\r\n".contains(byte));
            position.line() as u32 + skipped.filter(|&&byte| byte == b'\n').count() as u32
        });
        if record.len() != header.names.len() {
            return Err(ragged(line, record.len()));
        }
        lines.push(line);
    }
    let has_blank_lines = text.lines().any(str::is_empty);
    Ok((lines, has_blank_lines))
}

/// A text in pieces of some megabytes, cut behind newlines.
fn pieces(mut text: &str) -> Vec<&str> {
    const BYTES: usize = 4 << 20;
    let mut pieces = Vec::new();
    while let Some(newline) = text.as_bytes().iter().skip(BYTES).position(|&byte| byte == b'\n') {
        let (piece, rest) = text.split_at(BYTES + newline + 1);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}

/// What a piece of text without quotes holds; blank lines are counted only, so that many of them take no memory.
struct Lines {
    n_lines: usize,
    /// Lines with as many fields as the header, the header itself among them, counted from 0.
    whole: Vec<u32>,
    /// The first line with another number of fields, and that number.
    odd: Option<(usize, usize)>,
}

impl Lines {
    fn of(piece: &str, header: &Header) -> Self {
        let mut lines = Self { n_lines: 0, whole: Vec::new(), odd: None };
        for line in piece.split_inclusive('\n') {
            let line = line.trim_end_matches(['\r', '\n']);
            let width = 1 + line.bytes().filter(|&byte| byte == header.delimiter).count();
            match width {
                _ if line.is_empty() => {}
                width if width == header.names.len() => lines.whole.push(lines.n_lines as u32),
                width => lines.odd = lines.odd.or(Some((lines.n_lines, width))),
            }
            lines.n_lines += 1;
        }
        lines
    }
}

/// The columns as polars reads them, or `None` where it does not take the text as it is.
fn parse_fast(text: &str, header: &Header, numbers: &BTreeSet<&str>, n_rows: usize) -> Option<Vec<RawColumn>> {
    let is_number = |name: &str| numbers.contains(name);
    let schema: Schema = header
        .names
        .iter()
        .map(|name| {
            let data_type = if is_number(name) { DataType::Float64 } else { DataType::String };
            Field::new(name.as_str().into(), data_type)
        })
        .collect();
    let parse_options = CsvParseOptions::default()
        .with_separator(header.delimiter)
        .with_null_values(Some(NullValues::AllColumns(MISSING.iter().map(|&text| text.into()).collect())));
    let frame = CsvReadOptions::default()
        .with_has_header(true)
        .with_schema(Some(Arc::new(schema)))
        .with_parse_options(parse_options)
        .into_reader_with_file_handle(Cursor::new(text.as_bytes()))
        .finish()
        .ok()?;
    if frame.height() != n_rows || frame.width() != header.names.len() {
        return None;
    }
    let columns = frame.columns().par_iter().zip(&header.names).map(|(column, name)| {
        let values = if is_number(name) {
            let values = column.f64().ok()?;
            Values::Number(values.iter().map(|value| value.map_or(f32::NAN, |value| value as f32)).collect())
        } else {
            let values = column.str().ok()?;
            Values::Text(values.iter().map(|value| value.and_then(table::present).map(str::to_owned)).collect())
        };
        Some(RawColumn { name: name.clone(), values })
    });
    columns.collect()
}

/// The columns as the `csv` crate reads them; names the first cell that is no number.
fn parse_strict(
    path: &Path,
    text: &str,
    header: &Header,
    notation: Notation,
    numbers: &BTreeSet<&str>,
    lines: &[u32],
) -> Result<Vec<RawColumn>, LoadError> {
    let mut columns: Vec<RawColumn> = header
        .names
        .iter()
        .map(|name| RawColumn {
            name: name.clone(),
            values: if numbers.contains(name.as_str()) { Values::Number(Vec::new()) } else { Values::Text(Vec::new()) },
        })
        .collect();
    let mut reader = header.reader(text);
    let mut record = ::csv::StringRecord::new();
    let decode = |error: ::csv::Error| LoadError::Decode { path: path.to_path_buf(), message: error.to_string() };
    for &line in lines {
        reader.read_record(&mut record).map_err(decode)?;
        for (column, cell) in columns.iter_mut().zip(&record) {
            match &mut column.values {
                Values::Text(values) => values.push(table::present(cell).map(str::to_owned)),
                Values::Number(values) => values.push(match table::present_number(cell) {
                    None => f32::NAN,
                    Some(text) => {
                        notation.number(text).ok_or_else(|| not_a_number(path, line as usize, &column.name, text))?
                            as f32
                    }
                }),
            }
        }
    }
    if notation != Notation::POINT {
        columns.iter_mut().for_each(|column| column.write_plainly(notation));
    }
    Ok(columns)
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
