//! Delimited text that looks like a plate.

use std::path::Path;

use super::utf8;
use crate::load::error::LoadError;
use crate::load::notation::Notation;
use crate::load::plate_map::{self, Line};
use crate::load::table::RawTable;
use crate::load::text::read_bytes;

/// The table of a file that looks like a plate; `None` where its first lines do not.
pub(in crate::load) fn plate_map(path: &Path) -> Result<Option<RawTable>, LoadError> {
    const BEGINNING: u64 = 64 << 10;
    let (beginning, is_cut) = read_bytes(path, BEGINNING)?;
    let Some((_, lines)) = lines_of_cells(&beginning, plate_map::LOOKED_AT) else { return Ok(None) };
    if !plate_map::is_plate_map(&lines) {
        return Ok(None);
    }
    let bytes = if is_cut { read_bytes(path, u64::MAX)?.0 } else { beginning };
    utf8(path, &bytes)?;
    let Some((delimiter, lines)) = lines_of_cells(&bytes, usize::MAX) else { return Ok(None) };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut table = plate_map::read(path, &lines, name.split('.').next().unwrap_or_default())?;
    let cells = lines.iter().flat_map(|(_, cells)| cells).map(String::as_str);
    let notation = Notation::of(cells, delimiter == b';');
    if notation != Notation::POINT {
        table.columns.iter_mut().for_each(|column| column.write_plainly(notation));
    }
    Ok(Some(table))
}

/// The first lines of a text that hold anything, taken apart by the delimiter that they have most of.
fn lines_of_cells(bytes: &[u8], most: usize) -> Option<(u8, Vec<Line>)> {
    const LOOKED_AT: usize = 64;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A beginning may end within a letter.
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
    };
    let first_lines = || text.lines().take(LOOKED_AT).flat_map(str::bytes);
    let count = |delimiter: &u8| first_lines().filter(|byte| byte == delimiter).count();
    let delimiter = [b';', b'\t', b','].into_iter().max_by_key(count)?;
    let mut reader =
        ::csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut lines: Vec<Line> = Vec::new();
    let mut record = ::csv::StringRecord::new();
    let mut last = 0;
    while lines.len() < most && reader.read_record(&mut record).ok()? {
        let position = record.position()?;
        let skipped = text.as_bytes()[position.byte() as usize..].iter().take_while(|byte| b"\r\n".contains(byte));
        let line = position.line() as u32 + skipped.filter(|&&byte| byte == b'\n').count() as u32;
        if line > last + 1 && last > 0 {
            // Blank lines, which the reader skips, end a block.
            lines.push((line - 1, Vec::new()));
        }
        lines.push((line, record.iter().map(str::to_owned).collect()));
        last = line;
    }
    Some((delimiter, lines))
}
