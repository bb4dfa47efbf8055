//! A file with a table -> [`RawTable`], whatever its format.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::LoadError;
use super::table::{self, ColumnSketch, RawColumn, RawTable, Values};
use super::{annotated, compartments, csv, parquet, part, text, wellmap, wells, workbook};

/// How SQLite databases begin.
const SQLITE: &[u8] = b"SQLite";

/// A container, told by its first bytes and not by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Delimited,
    Parquet,
    Workbook,
    /// A matrix whose rows and columns have tables of their own.
    Annotated,
    /// A layout of wells in TOML.
    Wellmap,
    /// CellProfiler's images with the tables of their objects.
    Compartments,
}

/// The columns of a file. With `is_whole`, all rows are looked at and not only the first ones.
pub(super) fn sketch(path: &Path, is_whole: bool) -> Result<Vec<ColumnSketch>, LoadError> {
    let sketches = match format_of(path)? {
        Format::Parquet => parquet::sketch(path, is_whole)?,
        Format::Annotated => annotated::sketch(path)?,
        Format::Compartments => compartments(path)?.sketch()?,
        format => match small(path, format)? {
            Some(table) => sketch_of(&table),
            None => csv::sketch(path, is_whole)?,
        },
    };
    Ok(wells::with_sketch_of_wells(sketches))
}

/// A whole file, the columns that `numbers` names as numbers and all others as text; of a matrix the table of its rows.
pub(super) fn read(path: &Path, numbers: &BTreeSet<&str>) -> Result<RawTable, LoadError> {
    let table = match format_of(path)? {
        Format::Parquet => parquet::read(path, numbers)?,
        Format::Annotated => annotated::rows(path, &|_| true)?,
        Format::Compartments => compartments(path)?.read(&|name| numbers.contains(name))?,
        format => match small(path, format)? {
            Some(table) => with_numbers(table, numbers)?,
            None => csv::read(path, numbers)?,
        },
    };
    Ok(wells::with_wells(table))
}

/// Some rows or all of the columns that `is_wanted` accepts, as text; of delimited text about `most_bytes` are looked at.
pub(super) fn sample(path: &Path, most_bytes: u64, is_wanted: &dyn Fn(&str) -> bool) -> Result<RawTable, LoadError> {
    let table = match format_of(path)? {
        Format::Parquet => parquet::sample(path, is_wanted)?,
        Format::Annotated => annotated::rows(path, is_wanted)?,
        Format::Compartments => compartments(path)?.images(is_wanted)?,
        format => match small(path, format)? {
            Some(mut table) => {
                table.columns.retain(|column| is_wanted(&column.name));
                table
            }
            None => csv::sample(path, most_bytes, is_wanted)?,
        },
    };
    Ok(wells::with_wells(table))
}

/// What there is to say of how files were read: which sheets of workbooks, and texts in another encoding than UTF-8.
pub(super) fn notes<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Vec<String>, LoadError> {
    let mut notes = Vec::new();
    for path in paths {
        match format_of(path)? {
            Format::Workbook => notes.extend(workbook::notes(path)?),
            Format::Delimited => {
                notes.extend(text::title_note(path)?);
                notes.extend(text::encoding_note(path)?);
            }
            Format::Annotated => notes.extend(annotated::notes(path)?),
            Format::Compartments => notes.push(compartments(path)?.note()),
            Format::Parquet | Format::Wellmap => {}
        }
    }
    Ok(notes)
}

/// The files that are read with the one at `path`.
pub(super) fn companions(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let export = compartments::find(path)?;
    let files = export.iter().flat_map(|export| export.files().into_iter().skip(1));
    Ok(files.map(Path::to_path_buf).collect())
}

fn compartments(path: &Path) -> Result<compartments::Export, LoadError> {
    compartments::find(path)?
        .ok_or_else(|| LoadError::Format { path: path.to_path_buf(), found: "an SQLite database without objects" })
}

/// A table that is small by its kind and read at once, as text; `None` for the usual table of delimited text.
fn small(path: &Path, format: Format) -> Result<Option<RawTable>, LoadError> {
    match format {
        Format::Workbook => workbook::read(path).map(Some),
        Format::Wellmap => wellmap::read(path).map(Some),
        Format::Delimited => csv::plate_map(path),
        Format::Parquet | Format::Annotated | Format::Compartments => Ok(None),
    }
}

/// The columns of a table that was read whole.
pub(super) fn sketch_of(table: &RawTable) -> Vec<ColumnSketch> {
    let notation = table::notation_of(table.columns.iter());
    let sketch = |column: &RawColumn| {
        let mut sketch = ColumnSketch::of(&column.name);
        if let Values::Text(texts) = &column.values {
            texts.iter().flatten().for_each(|cell| sketch.add(cell, notation));
        }
        sketch
    };
    table.columns.iter().map(sketch).collect()
}

/// A table of text, the columns that `numbers` names as numbers.
fn with_numbers(mut table: RawTable, numbers: &BTreeSet<&str>) -> Result<RawTable, LoadError> {
    let notation = table::notation_of(table.columns.iter());
    let mut columns = std::mem::take(&mut table.columns);
    let wrong = |row: usize, column: &str, text: &str| {
        let place = table.place(row);
        csv::not_a_number(&place.path, place.line, column, text)
    };
    table::read_numbers(&mut columns, numbers, notation, wrong)?;
    table.columns = columns;
    Ok(table)
}

/// Whether a file is an SQLite database, which is no table but may hold some.
pub(super) fn is_sqlite(path: &Path) -> Result<bool, LoadError> {
    Ok(start_of(path)?.starts_with(SQLITE))
}

/// Whether a file is a matrix with tables of its rows and columns, and no table itself.
pub(super) fn is_matrix(path: &Path) -> Result<bool, LoadError> {
    Ok(matches!(format_of(path)?, Format::Annotated))
}

/// The first bytes of a file.
fn start_of(path: &Path) -> Result<Vec<u8>, LoadError> {
    let path = part::file_of(path);
    text::refuse_what_is_no_file(path)?;
    let mut start = Vec::new();
    let file = File::open(path).map_err(|cause| LoadError::io(path, cause))?;
    file.take(16).read_to_end(&mut start).map_err(|cause| LoadError::io(path, cause))?;
    Ok(start)
}

fn format_of(path: &Path) -> Result<Format, LoadError> {
    if matches!(part::split(path), (_, Some(compartments::OBJECTS))) {
        return Ok(Format::Compartments);
    }
    let start = start_of(path)?;
    let refused = |found| Err(LoadError::Format { path: path.to_path_buf(), found });
    match start.as_slice() {
        [] => Err(LoadError::Empty { path: path.to_path_buf() }),
        [b'P', b'A', b'R', b'1', ..] => Ok(Format::Parquet),
        start if start.starts_with(SQLITE) && compartments::is_base(path) => Ok(Format::Compartments),
        start if start.starts_with(SQLITE) => refused("an SQLite database"),
        [0x89, b'H', b'D', b'F', ..] => Ok(Format::Annotated),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [b'F', b'E', b'A', b'1', ..] => refused("an Arrow (Feather) file"),
        start if start.starts_with(workbook::ZIP) || start.starts_with(workbook::COMPOUND) => Ok(Format::Workbook),
        [b'B', b'Z', b'h', ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] | [0xFD, b'7', b'z', b'X', b'Z', ..] => {
            refused("an archive with a compression other than gzip")
        }
        _ if annotated::is_text_of_matrix(path)? => Ok(Format::Annotated),
        [b'#', b'1', b'.', b'2' | b'3', ..] => refused("a GCT file that is not called .gct"),
        _ if wellmap::is_wellmap(path) => Ok(Format::Wellmap),
        _ => Ok(Format::Delimited),
    }
}
