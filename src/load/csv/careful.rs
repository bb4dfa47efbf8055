//! Any other table, its text held whole and read with the crate `csv`: quotes, blank lines between rows, decimal commas,
//! and whatever is wrong.
//!
//! Rows are found and counted first, so that a fault is named by its line; then pieces of whole rows are parsed on all cores.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use csv::{ByteRecord, Reader, StringRecord, Terminator};
use rayon::prelude::*;

use super::columns::{Columns, Part, value};
use super::{Header, not_a_number};
use crate::load::error::{LoadError, Place};
use crate::load::notation::Notation;
use crate::load::table::{self, RawColumn, RawTable, RowPlace};

/// Bytes of a piece, at least; it ends with the row that reaches them.
const PIECE: usize = 4 << 20;
/// Pieces that are parsed before their values go to their columns: bounds the memory.
const AT_ONCE: usize = 16;

/// The table that `text` holds, which is that of the file at `path`; the columns that `numbers` names as numbers.
pub(super) fn read(path: &Path, text: &str, numbers: &BTreeSet<&str>) -> Result<RawTable, LoadError> {
    let header = Header::of(path, text)?;
    let is_quoted = text.contains('"');
    let Rows { lines, pieces } =
        if is_quoted { Rows::quoted(path, text, &header)? } else { Rows::plain(path, text, &header)? };
    if lines.is_empty() {
        return Err(LoadError::NoRows { path: path.to_path_buf() });
    }
    let notation = header.notation(text);
    let parser = Parser { path, header: &header, is_quoted, notation };
    let mut columns = Columns::new(&header.names, numbers);
    columns.reserve(lines.len());
    for pieces in pieces.chunks(AT_ONCE) {
        let parse = |piece: &Piece| parser.parse(piece, &lines[piece.rows.clone()], columns.is_number());
        let parsed: Vec<Result<Part, LoadError>> = pieces.par_iter().map(parse).collect();
        // The first fault in the order of the file.
        columns.append(&parsed.into_iter().collect::<Result<Vec<_>, _>>()?);
    }
    let mut columns: Vec<RawColumn> = columns.named(header.names);
    if notation != Notation::POINT {
        for column in &mut columns {
            column.refuse_points(notation);
            column.write_plainly(notation);
        }
    }
    let rows = lines.into_iter().map(|line| RowPlace { path: 0, line }).collect();
    Ok(RawTable { columns, rows, paths: vec![path.to_path_buf()] })
}

/// Where the rows of a text stand.
struct Rows<'t> {
    /// The line of each row.
    lines: Vec<u32>,
    pieces: Vec<Piece<'t>>,
}

/// Whole rows, perhaps with blank lines and the header between them.
struct Piece<'t> {
    text: &'t str,
    /// Which rows.
    rows: Range<usize>,
    has_header: bool,
}

impl<'t> Rows<'t> {
    /// Those of a text without quotes, whose lines are its rows.
    ///
    /// # Errors
    /// [`LoadError::Ragged`] where a row does not have as many fields as the header.
    fn plain(path: &Path, text: &'t str, header: &Header) -> Result<Self, LoadError> {
        let mut rows = Self { lines: Vec::new(), pieces: Vec::new() };
        let texts = pieces(text);
        let looked_at: Vec<Lines> = texts.par_iter().map(|piece| Lines::of(piece, header)).collect();
        let (mut n_before, mut is_below_header) = (0, false);
        for (text, Lines { n_lines, whole, odd }) in texts.into_iter().zip(looked_at) {
            if let Some((index, found)) = odd {
                return Err(ragged(path, header, (n_before + index) as u32 + 1, found));
            }
            let has_header = !is_below_header && !whole.is_empty();
            is_below_header |= has_header;
            let first = rows.lines.len();
            let below = whole.into_iter().skip(usize::from(has_header));
            rows.lines.extend(below.map(|index| n_before as u32 + index + 1));
            rows.pieces.push(Piece { text, rows: first..rows.lines.len(), has_header });
            n_before += n_lines;
        }
        Ok(rows)
    }

    /// Those of a text in which a quoted cell may hold lines and delimiters.
    ///
    /// # Errors
    /// As above, or what the crate says.
    fn quoted(path: &Path, text: &'t str, header: &Header) -> Result<Self, LoadError> {
        let mut rows = Self { lines: Vec::new(), pieces: Vec::new() };
        let mut reader = header.reader(text);
        let mut record = ByteRecord::new();
        let (mut begin, mut first, mut has_header) = (0, 0, true);
        while reader.read_byte_record(&mut record).map_err(decode(path))? {
            let position = record.position().expect("a record that was read has a position");
            let start = position.byte() as usize;
            // The position is before the blank lines that are skipped.
            let skipped = text.as_bytes()[start..].iter().take_while(|byte| b"\r\n".contains(byte));
            let line = position.line() as u32 + skipped.filter(|&&byte| byte == b'\n').count() as u32;
            if record.len() != header.names.len() {
                return Err(ragged(path, header, line, record.len()));
            }
            if start - begin >= PIECE {
                rows.pieces.push(Piece { text: &text[begin..start], rows: first..rows.lines.len(), has_header });
                (begin, first, has_header) = (start, rows.lines.len(), false);
            }
            rows.lines.push(line);
        }
        rows.pieces.push(Piece { text: &text[begin..], rows: first..rows.lines.len(), has_header });
        Ok(rows)
    }
}

fn ragged(path: &Path, header: &Header, line: u32, found: usize) -> LoadError {
    let place = Place { path: path.to_path_buf(), line: line as usize };
    LoadError::Ragged { place, found, expected: header.names.len() }
}

fn decode(path: &Path) -> impl Fn(csv::Error) -> LoadError {
    |error| LoadError::Decode { path: path.to_path_buf(), message: error.to_string() }
}

/// A text in pieces of some megabytes, cut behind newlines.
fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while let Some(newline) = text.as_bytes().iter().skip(PIECE).position(|&byte| byte == b'\n') {
        let (piece, rest) = text.split_at(PIECE + newline + 1);
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

/// What parses pieces of a text.
struct Parser<'a> {
    path: &'a Path,
    header: &'a Header,
    is_quoted: bool,
    notation: Notation,
}

impl Parser<'_> {
    /// The rows of `piece`, which stand in `lines`.
    ///
    /// # Errors
    /// [`LoadError::Cell`] at the first cell that is no number.
    fn parse(&self, piece: &Piece<'_>, lines: &[u32], is_number: &[bool]) -> Result<Part, LoadError> {
        let mut part = Part { n_rows: lines.len(), ..Part::default() };
        let mut builder = self.header.builder();
        if !self.is_quoted {
            // A carriage return within a line is a part of its cell.
            builder.terminator(Terminator::Any(b'\n'));
        }
        let mut reader = builder.has_headers(false).from_reader(piece.text.as_bytes());
        let mut record = StringRecord::new();
        if piece.has_header {
            self.next(&mut reader, &mut record)?;
        }
        for &line in lines {
            self.next(&mut reader, &mut record)?;
            for ((cell, &is_number), name) in record.iter().zip(is_number).zip(&self.header.names) {
                if !is_number {
                    part.texts.push(table::present(cell).map(str::to_owned));
                    continue;
                }
                let found = || table::present_number(cell).unwrap_or_default();
                let wrong = || not_a_number(self.path, line as usize, name, found());
                part.numbers.push(value(cell, self.notation).ok_or_else(wrong)?);
            }
        }
        Ok(part)
    }

    /// Reads the next record that is no blank line.
    fn next(&self, reader: &mut Reader<&[u8]>, record: &mut StringRecord) -> Result<(), LoadError> {
        let is_blank = |record: &StringRecord| record.len() == 1 && record[0].bytes().all(|byte| byte == b'\r');
        while reader.read_record(record).map_err(decode(self.path))? && !self.is_quoted && is_blank(record) {}
        Ok(())
    }
}
