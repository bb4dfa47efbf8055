//! Rows from all over a file, to look at before it is read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::{Header, utf8, with_header};
use crate::load::error::LoadError;
use crate::load::notation::Notation;
use crate::load::table::{self, RawColumn, RawTable, RowPlace, Values};
use crate::load::text::read_bytes;

/// Rows of a file as text, of the columns that `is_wanted` accepts: all of them where they take no more than `most_bytes`,
/// else those of stretches all over a file that can be entered anywhere, or of its beginning.
pub(in crate::load) fn sample(
    path: &Path,
    most_bytes: u64,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<RawTable, LoadError> {
    let (mut bytes, is_cut) = with_header(path, read_bytes(path, most_bytes)?);
    if is_cut {
        if !bytes.contains(&b'\n') {
            return sample(path, u64::MAX, is_wanted);
        }
        bytes = stretches(path, &bytes, most_bytes)?;
    }
    let text = utf8(path, &bytes)?;
    let header = Header::of(path, text)?;
    let notation = header.notation(text);
    let wanted: Vec<usize> = (0..header.names.len()).filter(|&index| is_wanted(&header.names[index])).collect();
    let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); wanted.len()];
    let mut rows = Vec::new();
    let mut record = ::csv::StringRecord::new();
    let mut reader = header.reader(text);
    while let Ok(true) = reader.read_record(&mut record) {
        // Faults of single rows are named when the file is read.
        if record.len() == header.names.len() {
            rows.push(RowPlace { path: 0, line: record.position().map_or(0, |position| position.line() as u32) });
            let cells = wanted.iter().map(|&index| table::present(&record[index]).map(str::to_owned));
            columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        }
    }
    let column = |(&index, values): (&usize, Vec<Option<String>>)| {
        let mut column = RawColumn { name: header.names[index].clone(), values: Values::Text(values) };
        if notation != Notation::POINT {
            column.write_plainly(notation);
        }
        column
    };
    let columns = wanted.iter().zip(columns).map(column).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
}

/// The `beginning` of a file without a cut row at its end, or whole lines from all over it.
fn stretches(path: &Path, beginning: &[u8], most_bytes: u64) -> Result<Vec<u8>, LoadError> {
    const STRETCHES: u64 = 16;
    fn whole_lines(bytes: &[u8]) -> &[u8] {
        bytes.iter().rposition(|&byte| byte == b'\n').map_or(&[], |end| &bytes[..=end])
    }
    let can_be_entered = std::str::from_utf8(whole_lines(beginning)).is_ok_and(|text| !text.contains('"'));
    let io = |cause| LoadError::io(path, cause);
    let mut file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut start = [0; 2];
    // Packed, or in an encoding of two bytes a letter.
    let is_entered_badly =
        file.read_exact(&mut start).is_ok() && [[0x1F, 0x8B], [0xFF, 0xFE], [0xFE, 0xFF]].contains(&start);
    if is_entered_badly || !can_be_entered {
        return Ok(whole_lines(beginning).to_vec());
    }
    let mut bytes = whole_lines(&beginning[..(most_bytes / STRETCHES) as usize]).to_vec();
    if bytes.is_empty() {
        bytes = whole_lines(beginning).to_vec();
    }
    for index in 1..STRETCHES {
        let mut stretch = Vec::new();
        file.seek(SeekFrom::Start(size / STRETCHES * index)).map_err(io)?;
        file.by_ref().take(most_bytes / STRETCHES).read_to_end(&mut stretch).map_err(io)?;
        if std::str::from_utf8(whole_lines(&stretch)).is_err_and(|error| error.valid_up_to() > 3) {
            return Ok(whole_lines(beginning).to_vec());
        }
        let begin = stretch.iter().position(|&byte| byte == b'\n').map_or(stretch.len(), |newline| newline + 1);
        bytes.extend_from_slice(whole_lines(&stretch[begin..]));
    }
    Ok(bytes)
}
