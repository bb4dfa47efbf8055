//! The usual table, read block by block on all cores: no quotes, no blank lines, every row of the header's length.
//!
//! The text is never held whole, so that loading takes little more memory than the numbers themselves. Whatever is not
//! as usual, a cell that is no number among them, is left to the careful way, which names what is wrong.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use rayon::prelude::*;

use super::Header;
use super::columns::{Columns, Part, value};
use crate::load::notation::Notation;
use crate::load::table::{self, RawTable, RowPlace};
use crate::load::text::begins_with_preamble;

/// Bytes read at once.
const BLOCK: usize = 8 << 20;
/// Parts of a block that are parsed side by side.
const PARTS: usize = 16;
/// A gzip that unpacks to more than this many times its size is not as usual, beyond the first blocks.
const USUAL_RATIO: u64 = 50;

/// The table at `path`, or `None` where it is not as usual.
pub(super) fn read(path: &Path, numbers: &BTreeSet<&str>) -> Option<RawTable> {
    let mut source = open(path)?;
    let mut block = Vec::with_capacity(BLOCK + 1);
    let mut is_last = fill(&mut source, &mut block)?;
    if block.starts_with(&[0xEF, 0xBB, 0xBF]) {
        block.drain(..3);
    }
    if begins_with_preamble(&block) {
        return None;
    }
    let header_end = block.iter().position(|&byte| byte == b'\n')? + 1;
    let header_text = std::str::from_utf8(&block[..header_end]).ok()?;
    let first_line = header_text.trim_end_matches(['\r', '\n']);
    if first_line.trim().is_empty() || first_line.contains(['"', '\r']) {
        return None;
    }
    let header = Header::of(path, header_text).ok()?;
    let sample = &block[..block.len().min(super::SKETCH_BYTES as usize)];
    let whole_lines = sample.iter().rposition(|&byte| byte == b'\n').map_or(sample.len(), |end| end + 1);
    if header.notation(std::str::from_utf8(&sample[..whole_lines]).ok()?) != Notation::POINT {
        return None;
    }
    block.drain(..header_end);

    let mut columns = Columns::new(&header.names, numbers);
    let file_size = std::fs::metadata(path).ok()?.len();
    let most_bytes = (8 * BLOCK as u64).max(USUAL_RATIO.saturating_mul(file_size));
    let (mut n_bytes, mut n_rows, mut ends_blank) = (0, 0, false);
    loop {
        // An unfinished row at the end waits for the next block; a row longer than a block is not as usual.
        let end = if is_last { block.len() } else { block.iter().rposition(|&byte| byte == b'\n')? + 1 };
        let parse = |part| parse(part, &header, columns.is_number());
        let parsed: Vec<(Part, bool)> = cut(&block[..end]).into_par_iter().map(parse).collect::<Option<_>>()?;
        for (part, is_blank_behind) in &parsed {
            // Blank lines are usual at the end of the file only.
            if ends_blank && part.n_rows > 0 {
                return None;
            }
            ends_blank |= is_blank_behind;
        }
        let parts: Vec<Part> = parsed.into_iter().map(|(part, _)| part).collect();
        let n_new: usize = parts.iter().map(|part| part.n_rows).sum();
        if n_rows == 0 && !is_last {
            columns.reserve((file_size as usize / end.max(1) + 1) * (n_new + n_new / 16));
        }
        columns.append(&parts);
        n_rows += n_new;
        block.drain(..end);
        n_bytes += end as u64;
        if n_bytes > most_bytes {
            return None;
        }
        if is_last {
            break;
        }
        is_last = fill(&mut source, &mut block)?;
    }
    if n_rows == 0 || n_rows >= u32::MAX as usize - 2 {
        return None;
    }
    let rows = (0..n_rows).map(|row| RowPlace { path: 0, line: row as u32 + 2 }).collect();
    Some(RawTable { columns: columns.named(header.names), rows, paths: vec![path.to_path_buf()] })
}

fn open(path: &Path) -> Option<Box<dyn Read>> {
    let mut start = [0u8; 2];
    let is_gzip = File::open(path).ok()?.read_exact(&mut start).is_ok() && start == [0x1F, 0x8B];
    let file = File::open(path).ok()?;
    Some(match is_gzip {
        true => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file))),
        false => Box::new(file),
    })
}

/// Fills the block up; whether the file ends in it.
fn fill(source: &mut dyn Read, block: &mut Vec<u8>) -> Option<bool> {
    let wanted = BLOCK.checked_sub(block.len())?;
    let n_read = source.take(wanted as u64).read_to_end(block).ok()?;
    Some(n_read < wanted)
}

/// Whole rows of about equal length in bytes.
fn cut(block: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::with_capacity(PARTS);
    let mut rest = block;
    for n_left in (1..=PARTS).rev() {
        let about = rest.len() / n_left;
        let end = rest[about..].iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| about + end + 1);
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts
}

/// The rows of one part of a block, and whether blank lines end it; `None` where it is not as usual.
fn parse(part: &[u8], header: &Header, is_number: &[bool]) -> Option<(Part, bool)> {
    let text = std::str::from_utf8(part).ok().filter(|text| !text.contains('\0'))?;
    let (mut parsed, mut ends_blank) = (Part::default(), false);
    for line in text.split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            ends_blank = true;
            continue;
        }
        if ends_blank {
            return None;
        }
        let mut kinds = is_number.iter();
        let bytes = line.as_bytes();
        let mut start = 0;
        while start <= bytes.len() {
            let length = bytes[start..].iter().position(|&byte| byte == header.delimiter);
            let end = length.map_or(bytes.len(), |length| start + length);
            if *kinds.next()? {
                parsed.numbers.push(value(&line[start..end], Notation::POINT)?);
            } else {
                let cell = &line[start..end];
                if cell.contains('"') {
                    return None;
                }
                parsed.texts.push(table::present(cell).map(str::to_owned));
            }
            start = end + 1;
        }
        if kinds.next().is_some() {
            return None;
        }
        parsed.n_rows += 1;
    }
    Some((parsed, ends_blank))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::table::Values;

    fn table(text: &str) -> Option<RawTable> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wells.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, &BTreeSet::from(["x", "y"]))
    }

    #[test]
    fn a_usual_table_is_read_in_parts_and_another_is_left_alone() {
        let rows: String = (0..100).map(|row| format!("w{row},{row}.5,p,{}\r\n", -row)).collect();
        for end in ["", "\n", "\n\n\n"] {
            let table = table(&format!("\u{feff}name,x,plate,y\r\n{}{end}", rows.trim_end())).unwrap();
            assert_eq!(table.n_rows(), 100);
            assert_eq!(table.text("name").unwrap()[99].as_deref(), Some("w99"));
            assert_eq!(table.rows[99].line, 101);
            for (column, factor, offset) in [("x", 1.0, 0.5), ("y", -1.0, 0.0)] {
                let column = table.columns.iter().find(|own| own.name == column).unwrap();
                let Values::Number(values) = &column.values else { panic!("{} is text", column.name) };
                assert!(values.iter().enumerate().all(|(row, &value)| value == factor * row as f32 + offset));
            }
        }
        for unusual in [
            "x,y\n1,2\n\n3,4\n",
            "x,y\n1\n",
            "x,y\n1,2,3\n",
            "x,y\n1,two\n",
            "n,x,y\n\"a\",1,2\n",
            "\nx,y\n1,2\n",
            "x,y\n",
            "",
            "x,x\n1,2\n",
        ] {
            assert!(table(unusual).is_none(), "{unusual:?}");
        }
    }
}
