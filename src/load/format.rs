//! A file with a table -> [`RawTable`], whatever its format.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::LoadError;
use super::table::{ColumnSketch, RawTable};
use super::{csv, parquet, text};

/// How SQLite databases begin.
const SQLITE: &[u8] = b"SQLite";

/// A container, told by its first bytes and not by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Delimited,
    Parquet,
}

/// The columns of a file. With `is_whole`, all rows are looked at and not only the first ones.
pub(super) fn sketch(path: &Path, is_whole: bool) -> Result<Vec<ColumnSketch>, LoadError> {
    match format_of(path)? {
        Format::Delimited => csv::sketch(path, is_whole),
        Format::Parquet => parquet::sketch(path, is_whole),
    }
}

/// A whole file, the columns that `numbers` names as numbers and all others as text.
pub(super) fn read(path: &Path, numbers: &BTreeSet<&str>) -> Result<RawTable, LoadError> {
    match format_of(path)? {
        Format::Delimited => csv::read(path, numbers),
        Format::Parquet => parquet::read(path, numbers),
    }
}

/// Whether a file is an SQLite database, which is no table but may hold some.
pub(super) fn is_sqlite(path: &Path) -> Result<bool, LoadError> {
    Ok(start_of(path)?.starts_with(SQLITE))
}

/// The first bytes of a file.
fn start_of(path: &Path) -> Result<Vec<u8>, LoadError> {
    text::refuse_what_is_no_file(path)?;
    let mut start = Vec::new();
    let file = File::open(path).map_err(|cause| LoadError::io(path, cause))?;
    file.take(16).read_to_end(&mut start).map_err(|cause| LoadError::io(path, cause))?;
    Ok(start)
}

fn format_of(path: &Path) -> Result<Format, LoadError> {
    let start = start_of(path)?;
    let refused = |found| Err(LoadError::Format { path: path.to_path_buf(), found });
    match start.as_slice() {
        [] => Err(LoadError::Empty { path: path.to_path_buf() }),
        [b'P', b'A', b'R', b'1', ..] => Ok(Format::Parquet),
        start if start.starts_with(SQLITE) => refused("an SQLite database"),
        [0x89, b'H', b'D', b'F', ..] => refused("an HDF5 file"),
        [b'P', b'K', 3, 4, ..] => refused("a zip archive or a spreadsheet"),
        [b'B', b'Z', b'h', ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] | [0xFD, b'7', b'z', b'X', b'Z', ..] => {
            refused("an archive with a compression other than gzip")
        }
        [b'#', b'1', b'.', b'2' | b'3', ..] => refused("a GCT file"),
        _ => Ok(Format::Delimited),
    }
}
