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
use crate::load::notation::Notation;
use crate::load::table::{self, RawColumn, RawTable, RowPlace, Values};
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
    let is_number: Vec<bool> = header.names.iter().map(|name| numbers.contains(name.as_str())).collect();
    block.drain(..header_end);

    let mut columns = Columns::new(&is_number);
    let file_size = std::fs::metadata(path).ok()?.len();
    let most_bytes = (8 * BLOCK as u64).max(USUAL_RATIO.saturating_mul(file_size));
    let mut n_bytes = 0;
    loop {
        // An unfinished row at the end waits for the next block; a row longer than a block is not as usual.
        let end = if is_last { block.len() } else { block.iter().rposition(|&byte| byte == b'\n')? + 1 };
        let parts: Vec<Part> =
            cut(&block[..end]).into_par_iter().map(|part| parse(part, &header, &is_number)).collect::<Option<_>>()?;
        let n_rows: usize = parts.iter().map(|part| part.n_rows).sum();
        if columns.n_rows == 0 && !is_last {
            columns.reserve((file_size as usize / end.max(1) + 1) * (n_rows + n_rows / 16));
        }
        columns.append(&parts, n_rows);
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
    columns.into_table(path, header.names)
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

/// Rows of one part of a block.
struct Part {
    n_rows: usize,
    /// `[row, number column]`.
    numbers: Vec<f32>,
    /// `[row, text column]`.
    texts: Vec<Option<String>>,
    /// Whether blank lines end it.
    ends_blank: bool,
}

fn parse(part: &[u8], header: &Header, is_number: &[bool]) -> Option<Part> {
    let text = std::str::from_utf8(part).ok().filter(|text| !text.contains('\0'))?;
    let mut parsed = Part { n_rows: 0, numbers: Vec::new(), texts: Vec::new(), ends_blank: false };
    for line in text.split_terminator('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            parsed.ends_blank = true;
            continue;
        }
        if parsed.ends_blank {
            return None;
        }
        let mut kinds = is_number.iter();
        let bytes = line.as_bytes();
        let mut start = 0;
        while start <= bytes.len() {
            let length = bytes[start..].iter().position(|&byte| byte == header.delimiter);
            let end = length.map_or(bytes.len(), |length| start + length);
            if *kinds.next()? {
                parsed.numbers.push(value(&line[start..end])?);
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
    Some(parsed)
}

/// Powers of ten that are exact in `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The number in a cell, `NaN` where it is missing, or `None` where it is no number.
///
/// A plain decimal of at most 15 digits is a quotient of two exact numbers, and so rounded once (Clinger 1990); all else
/// is left to the standard library.
fn value(cell: &str) -> Option<f32> {
    let bytes = cell.as_bytes();
    let (is_negative, digits) = match bytes.first() {
        Some(b'-') => (true, &bytes[1..]),
        _ => (false, bytes),
    };
    let (mut mantissa, mut n_decimals, mut has_point) = (0u64, 0usize, false);
    let is_plain = !digits.is_empty() && digits.len() <= 16 && digits != b"." && {
        digits.iter().all(|&byte| match byte {
            b'0'..=b'9' => {
                mantissa = 10 * mantissa + u64::from(byte - b'0');
                n_decimals += usize::from(has_point);
                true
            }
            b'.' if !has_point => {
                has_point = true;
                true
            }
            _ => false,
        })
    };
    if is_plain && mantissa < 1 << 53 {
        let magnitude = mantissa as f64 / POWERS[n_decimals];
        return Some(if is_negative { -magnitude } else { magnitude } as f32);
    }
    match table::present_number(cell) {
        None => Some(f32::NAN),
        Some(text) => Notation::POINT.number(text).map(|number| number as f32),
    }
}

/// Columns that grow by blocks.
struct Columns {
    is_number: Vec<bool>,
    /// Number columns, in order.
    numbers: Vec<Vec<f32>>,
    /// Text columns, in order.
    texts: Vec<Vec<Option<String>>>,
    n_rows: usize,
    ends_blank: bool,
    is_usual: bool,
}

impl Columns {
    fn new(is_number: &[bool]) -> Self {
        let n_numbers = is_number.iter().filter(|is| **is).count();
        Self {
            is_number: is_number.to_vec(),
            numbers: vec![Vec::new(); n_numbers],
            texts: vec![Vec::new(); is_number.len() - n_numbers],
            n_rows: 0,
            ends_blank: false,
            is_usual: true,
        }
    }

    fn reserve(&mut self, n_rows: usize) {
        self.numbers.iter_mut().for_each(|column| column.reserve_exact(n_rows));
    }

    fn append(&mut self, parts: &[Part], n_rows: usize) {
        for part in parts {
            // Blank lines are usual at the end of the file only.
            self.is_usual &= part.n_rows == 0 || !self.ends_blank;
            self.ends_blank |= part.ends_blank;
        }
        let width = self.numbers.len();
        self.numbers.par_iter_mut().enumerate().for_each(|(column, values)| {
            for part in parts {
                values.extend((0..part.n_rows).map(|row| part.numbers[row * width + column]));
            }
        });
        let width = self.texts.len();
        for (column, values) in self.texts.iter_mut().enumerate() {
            for part in parts {
                values.extend((0..part.n_rows).map(|row| part.texts[row * width + column].clone()));
            }
        }
        self.n_rows += n_rows;
    }

    fn into_table(self, path: &Path, names: Vec<String>) -> Option<RawTable> {
        if self.n_rows == 0 || !self.is_usual || self.n_rows >= u32::MAX as usize - 2 {
            return None;
        }
        let (mut numbers, mut texts) = (self.numbers.into_iter(), self.texts.into_iter());
        let columns = names.into_iter().zip(self.is_number).map(|(name, is_number)| {
            let values = if is_number { numbers.next().map(Values::Number) } else { texts.next().map(Values::Text) };
            Some(RawColumn { name, values: values? })
        });
        let rows = (0..self.n_rows).map(|row| RowPlace { path: 0, line: row as u32 + 2 }).collect();
        Some(RawTable { columns: columns.collect::<Option<_>>()?, rows, paths: vec![path.to_path_buf()] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_those_of_the_standard_library(value in any::<f64>(), digits in 0usize..18, cents in any::<i64>()) {
            for text in [format!("{value}"), format!("{value:e}"), format!("{:.digits$}", value % 1e6), format!("{cents}"),
                format!("{}.{:03}", cents % 100_000, cents.unsigned_abs() % 1000)] {
                let expected = text.parse::<f64>().unwrap() as f32;
                prop_assert_eq!(super::value(&text).map(f32::to_bits), Some(expected.to_bits()), "{}", text);
            }
        }
    }

    #[test]
    fn cells_that_are_no_plain_decimal_are_as_in_the_careful_way() {
        for (cell, expected) in
            [("1e3", Some(1000.0)), (" 2 ", Some(2.0)), ("+3", Some(3.0)), ("-.5", Some(-0.5)), ("5.", Some(5.0))]
        {
            assert_eq!(value(cell), expected, "{cell}");
        }
        for cell in ["", "NA", " nan ", "null", "#N/A", "-", ".", "None", "#DIV/0!", "-1.#IND"] {
            assert!(value(cell).unwrap().is_nan(), "{cell}");
        }
        for cell in ["n.d.", "+", "1,5", "1.2.3", "10uM", "--1"] {
            assert_eq!(value(cell), None, "{cell}");
        }
        assert_eq!(value("-0").unwrap().to_bits(), (-0.0f32).to_bits());
    }

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
