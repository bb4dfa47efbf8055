//! The zip archive that a workbook is, looked at before it is unpacked.
//!
//! What the directory of an archive says of sizes may be a lie, so that every file in it is unpacked once without being
//! kept, up to what files of the archive's size may unpack to. Of OpenDocument also the cells are counted, since a cell and
//! a row say how often they repeat.

use std::io::Read;
use std::path::Path;

use flate2::read::DeflateDecoder;

use crate::load::error::LoadError;
use crate::load::text::{FREE_BYTES, MAX_RATIO};

/// What kind of workbook it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Xlsx,
    Xlsb,
    Xls,
    Ods,
}

/// A file in the archive.
struct Entry {
    name: Vec<u8>,
    method: u16,
    packed: usize,
    /// Where its own header begins.
    start: usize,
}

/// The kind of a workbook, or in words what is wrong with it.
///
/// # Errors
/// [`LoadError::Expands`] if it unpacks to more than files of its size do.
pub(super) fn check(path: &Path, bytes: &[u8], most_cells: u64) -> Result<Result<Kind, String>, LoadError> {
    let most = FREE_BYTES.max((bytes.len() as u64).saturating_mul(MAX_RATIO));
    let entries = match entries(bytes) {
        Some(entries) => entries,
        None => {
            return Ok(Err("damaged zip archive; the file is cut short or damaged, save or fetch it again".to_owned()));
        }
    };
    let mut n_left = most;
    let mut content = Vec::new();
    for entry in &entries {
        let Some(packed) = packed(bytes, entry) else {
            return Ok(Err(format!(
                "damaged zip archive: `{}` lies outside of it",
                String::from_utf8_lossy(&entry.name)
            )));
        };
        let mut unpacked: Box<dyn Read> = match entry.method {
            0 => Box::new(packed),
            8 => Box::new(DeflateDecoder::new(packed)),
            _ => return Ok(Err("packed in a way that workbooks are not; save it again".to_owned())),
        };
        let mut sink: Box<dyn std::io::Write> = match entry.name.as_slice() {
            b"content.xml" => Box::new(&mut content),
            _ => Box::new(std::io::sink()),
        };
        // A file that cannot be unpacked is named by who reads it.
        let n_bytes = std::io::copy(&mut unpacked.by_ref().take(n_left + 1), &mut sink).unwrap_or(0);
        if n_bytes > n_left {
            return Err(LoadError::Expands { path: path.to_path_buf(), packed: bytes.len() as u64, most });
        }
        n_left -= n_bytes;
    }
    let has = |name: &[u8]| entries.iter().any(|entry| entry.name == name);
    Ok(match () {
        () if has(b"xl/workbook.xml") => Ok(Kind::Xlsx),
        () if has(b"xl/workbook.bin") => Ok(Kind::Xlsb),
        () if has(b"content.xml") => match n_cells_of_ods(&content) {
            n_cells if n_cells > most_cells => Err(super::too_many()),
            _ => Ok(Kind::Ods),
        },
        () => Err("a zip archive that is not a workbook; expected a table or a workbook, unpacked".to_owned()),
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The directory at the end of the archive.
fn entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let last = bytes.len().saturating_sub(22 + usize::from(u16::MAX));
    let end = (last..bytes.len().saturating_sub(21)).rev().find(|&at| bytes[at..].starts_with(b"PK\x05\x06"))?;
    let n_entries = u16_at(bytes, end + 10)?;
    let mut at = u32_at(bytes, end + 16)? as usize;
    let mut entries = Vec::new();
    for _ in 0..n_entries {
        if !bytes.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let name_length = usize::from(u16_at(bytes, at + 28)?);
        let more = usize::from(u16_at(bytes, at + 30)?) + usize::from(u16_at(bytes, at + 32)?);
        entries.push(Entry {
            name: bytes.get(at + 46..at + 46 + name_length)?.to_vec(),
            method: u16_at(bytes, at + 10)?,
            packed: u32_at(bytes, at + 20)? as usize,
            start: u32_at(bytes, at + 42)? as usize,
        });
        at += 46 + name_length + more;
    }
    Some(entries)
}

fn packed<'a>(bytes: &'a [u8], entry: &Entry) -> Option<&'a [u8]> {
    let start = entry.start;
    let begin =
        start.checked_add(30 + usize::from(u16_at(bytes, start + 26)?) + usize::from(u16_at(bytes, start + 28)?))?;
    bytes.get(begin..begin.checked_add(entry.packed)?)
}

/// How many cells the tables of an OpenDocument unfold to, at least as many as a reader makes of them.
fn n_cells_of_ods(content: &[u8]) -> u64 {
    const MOST: u64 = 1 << 20;
    let mut n_cells = 0u64;
    // Of the row at hand: how often it repeats, how wide it is, and to where it is filled.
    let (mut repeats, mut width, mut filled) = (1u64, 0u64, 0u64);
    // Of the table: its widest row, its rows, and empty ones that count if another row follows.
    let (mut widest, mut n_rows, mut n_empty) = (0u64, 0u64, 0u64);
    for tag in tags(content) {
        let repeated = |name: &str| match attribute(tag, name) {
            None => 1,
            Some(text) => {
                std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(MOST).min(MOST)
            }
        };
        let is_closed = tag.ends_with(b"/");
        let is_named = |name: &[u8]| {
            tag.starts_with(name)
                && tag.get(name.len()).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')
        };
        if is_named(b"table:table-row") {
            (repeats, width, filled) = (repeated("table:number-rows-repeated"), 0, 0);
            n_empty += if is_closed { repeats } else { 0 };
        } else if is_named(b"table:table-cell") || is_named(b"table:covered-table-cell") {
            width += repeated("table:number-columns-repeated");
            if !is_closed
                || tag.windows(13).any(|part| part == b"office:value=")
                || tag.windows(7).any(|part| part == b"formula")
            {
                filled = width;
            }
        } else if is_named(b"/table:table-row") {
            widest = widest.max(filled);
            if filled == 0 {
                n_empty += repeats;
            } else {
                n_rows = n_rows.saturating_add(repeats.saturating_add(n_empty));
                n_empty = 0;
            }
        } else if is_named(b"/table:table") {
            n_cells = n_cells.saturating_add(widest.saturating_mul(n_rows));
            (widest, n_rows, n_empty) = (0, 0, 0);
        }
    }
    n_cells.saturating_add(widest.saturating_mul(n_rows))
}

/// What stands between `<` and `>`; a `>` in quotes ends nothing.
fn tags(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = content;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|&byte| byte == b'<')? + 1;
        let mut quote = None;
        let is_end = |byte: &u8| match (quote, *byte) {
            (None, b'>') => true,
            (None, mark @ (b'"' | b'\'')) => {
                quote = Some(mark);
                false
            }
            (Some(mark), byte) if mark == byte => {
                quote = None;
                false
            }
            _ => false,
        };
        let length = rest[start..].iter().position(is_end)?;
        let tag = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(tag)
    })
}

fn attribute<'a>(tag: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let at = tag.windows(name.len()).position(|part| part == name.as_bytes())? + name.len();
    let rest = &tag[at..];
    let open = rest.iter().position(|byte| b"\"'".contains(byte))?;
    let length = rest[open + 1..].iter().position(|&byte| byte == rest[open])?;
    Some(&rest[open + 1..open + 1 + length])
}
