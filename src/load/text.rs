//! Bytes of text files, taken in such that no file asks for more memory than its kind may.
//!
//! Three limits, none of which a table of profiles comes near: a line has at most 16 MiB, a gzip unpacks to at most 100
//! times its size (or 64 MiB, if that is more), and a configuration or a card has at most 4 MiB.
//!
//! Tables that spreadsheets write are not always UTF-8: UTF-16 is told by its byte-order mark, and a text with bytes beyond
//! ASCII that are no UTF-8 is read as Windows-1252, the usual encoding of western Europe, which is said ([`encoding_note`]).
//! The first 4 MiB decide; what is no text in the encoding that they speak for stays as it is and is refused by its line.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::{LoadError, MAX_LINE_BYTES, Place, in_words};
use super::titles;
use crate::table::first_few;

/// Unpacked size up to which any ratio is taken.
pub(super) const FREE_BYTES: u64 = 64 << 20;

/// Largest ratio of unpacked to packed size beyond [`FREE_BYTES`]; tables of numbers have 2 to 10.
pub(super) const MAX_RATIO: u64 = 100;

/// Largest configuration or card, in bytes.
const MAX_SMALL_BYTES: u64 = 4 << 20;

/// Bytes read at a time.
const PIECE: u64 = 4 << 20;

/// At most `limit` bytes of the file's (unpacked) content without byte-order mark, and whether there are more.
pub(super) fn read_bytes(path: &Path, limit: u64) -> Result<(Vec<u8>, bool), LoadError> {
    let io = |cause| LoadError::io(path, cause);
    let mut start = [0u8; 2];
    let mut file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let is_gzip = file.read(&mut start).map_err(io)? == 2 && start == [0x1F, 0x8B];
    let file = File::open(path).map_err(io)?;
    let (mut bytes, is_cut) = if is_gzip {
        let most = FREE_BYTES.max(size.saturating_mul(MAX_RATIO));
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(1 << 18, file));
        let read = read_lines(path, decoder, limit.min(most + 1), |cause| LoadError::Decode {
            path: path.to_path_buf(),
            message: format!("damaged gzip: {cause}; the file is cut short or damaged, fetch it or write it again"),
        })?;
        if read.0.len() as u64 > most {
            return Err(LoadError::Expands { path: path.to_path_buf(), packed: size, most });
        }
        read
    } else {
        read_lines(path, file, limit, io)?
    };
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes.drain(..3);
    }
    let bytes = Encoding::of(&bytes).decoded(bytes, is_cut);
    Ok((without_preamble(bytes), is_cut))
}

/// How the letters of a text are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { is_little: bool },
    Windows1252,
}

/// What the bytes from 0x80 to 0x9F are in Windows-1252; a blank where they are nothing.
const WINDOWS_1252: &str = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";

impl Encoding {
    /// The encoding that the beginning of a text speaks for.
    fn of(bytes: &[u8]) -> Self {
        const LOOKED_AT: usize = 4 << 20;
        match bytes {
            [0xFF, 0xFE, ..] => return Self::Utf16 { is_little: true },
            [0xFE, 0xFF, ..] => return Self::Utf16 { is_little: false },
            _ => {}
        }
        let beginning = &bytes[..bytes.len().min(LOOKED_AT)];
        let is_text = |byte: &u8| match byte {
            b'\t' | b'\n' | b'\r' => true,
            0x80..=0x9F => letter_of(*byte).is_some(),
            byte => *byte >= b' ' && *byte != 0x7F,
        };
        match std::str::from_utf8(beginning) {
            Err(error) if error.error_len().is_some() => {
                // A text that begins as UTF-8 beyond ASCII is damaged where it ends to be so.
                let is_ascii_before = beginning[..error.valid_up_to()].is_ascii();
                if is_ascii_before && beginning.iter().all(is_text) { Self::Windows1252 } else { Self::Utf8 }
            }
            _ => Self::Utf8,
        }
    }

    /// The text in UTF-8; as it is where it is no text in this encoding.
    fn decoded(self, bytes: Vec<u8>, is_cut: bool) -> Vec<u8> {
        match self {
            Self::Utf8 => bytes,
            Self::Windows1252 => match bytes.iter().map(|&byte| letter_of(byte)).collect::<Option<String>>() {
                Some(text) => text.into_bytes(),
                None => bytes,
            },
            Self::Utf16 { is_little } => {
                let unit = |pair: &[u8]| match is_little {
                    true => u16::from_le_bytes([pair[0], pair[1]]),
                    false => u16::from_be_bytes([pair[0], pair[1]]),
                };
                let pairs = bytes[2..].chunks_exact(2);
                let is_whole = pairs.remainder().is_empty();
                let mut units: Vec<u16> = pairs.map(unit).collect();
                // A beginning may end within a letter.
                if is_cut && units.last().is_some_and(|last| (0xD800..0xDC00).contains(last)) {
                    units.pop();
                }
                match String::from_utf16(&units) {
                    Ok(text) if is_whole || is_cut => text.into_bytes(),
                    _ => bytes,
                }
            }
        }
    }
}

/// The letter of a byte in Windows-1252.
fn letter_of(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9F => WINDOWS_1252.chars().nth(usize::from(byte - 0x80)).filter(|letter| *letter != ' '),
        byte => Some(char::from(byte)),
    }
}

/// The bytes of a file as they come, unpacked.
pub(super) fn unpacked(path: &Path) -> Result<Box<dyn Read>, LoadError> {
    let open = || File::open(path).map_err(|cause| LoadError::io(path, cause));
    let mut start = [0u8; 2];
    let is_gzip = open()?.read(&mut start).is_ok_and(|n| n == 2) && start == [0x1F, 0x8B];
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(BufReader::new(open()?))) } else { Box::new(open()?) })
}

/// The first bytes of a text, unpacked; none where it is damaged, which reading it says.
fn beginning_of(path: &Path, most: u64) -> Result<Vec<u8>, LoadError> {
    let mut beginning = Vec::new();
    Ok(unpacked(path)?.take(most).read_to_end(&mut beginning).map_or(Vec::new(), |_| beginning))
}

/// What there is to say of a text that is not UTF-8.
pub(super) fn encoding_note(path: &Path) -> Result<Option<String>, LoadError> {
    let beginning = beginning_of(path, PIECE)?;
    if Encoding::of(&beginning) != Encoding::Windows1252 {
        return Ok(None);
    }
    let at = beginning.iter().position(|byte| !byte.is_ascii()).unwrap_or_default();
    let begin = beginning[..at].iter().rposition(|byte| b",;\t\r\n\"".contains(byte)).map_or(0, |at| at + 1);
    let end = beginning[at..].iter().position(|byte| b",;\t\r\n\"".contains(byte)).map_or(beginning.len(), |n| at + n);
    let cell: String = beginning[begin..end].iter().filter_map(|&byte| letter_of(byte)).take(40).collect();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Some(format!(
        "{name} is not UTF-8 and is read as Windows-1252, in which it says `{cell}`; if that is wrong, save it as UTF-8"
    )))
}

/// A text of which the lines before the table are blank: `sep=;`, which Excel understands, remarks behind `#`, and titles.
///
/// The lines stay, so that rows keep their numbers.
fn without_preamble(bytes: Vec<u8>) -> Vec<u8> {
    let start = end_of_remarks(&bytes);
    let start = start + end_of_titles(&bytes[start..]);
    if start == 0 {
        return bytes;
    }
    let (before, table) = bytes.split_at(start);
    before.iter().filter(|&&byte| byte == b'\n').chain(table).copied().collect()
}

/// Where the lines end that `sep=` or `#` begins. A header may begin with `#` too: it has as many fields as the next line.
fn end_of_remarks(bytes: &[u8]) -> usize {
    let is_remark =
        |bytes: &[u8]| bytes.starts_with(b"#") || bytes.get(..4).is_some_and(|s| s.eq_ignore_ascii_case(b"sep="));
    let n_fields =
        |line: &[u8]| DELIMITERS.iter().map(|sign| line.iter().filter(|byte| *byte == sign).count()).max().unwrap_or(0);
    let mut start = 0;
    while is_remark(&bytes[start..]) {
        let Some(length) = bytes[start..].iter().position(|&byte| byte == b'\n') else { return 0 };
        let (line, rest) = (&bytes[start..start + length], &bytes[start + length + 1..]);
        let next = rest.split(|&byte| byte == b'\n').find(|line| !is_remark(line)).unwrap_or_default();
        if line.starts_with(b"#") && n_fields(line) >= n_fields(next) {
            break;
        }
        start += length + 1;
    }
    start
}

/// Where the lines end that stand above a header.
fn end_of_titles(bytes: &[u8]) -> usize {
    const LONGEST: usize = 1 << 20;
    let beginning = &bytes[..bytes.len().min(LONGEST)];
    let lines = || beginning.split(|&byte| byte == b'\n').take(titles::LOOKED_AT);
    let text = || lines().flatten();
    // A quoted cell may hold lines.
    if lines().any(|line| line.iter().filter(|&&byte| byte == b'"').count() % 2 == 1) {
        return 0;
    }
    let Some(delimiter) = DELIMITERS.iter().max_by_key(|sign| text().filter(|byte| byte == sign).count()) else {
        return 0;
    };
    let cells = lines()
        .map_while(|line| std::str::from_utf8(line).ok())
        .map(|line| line.split(char::from(*delimiter)).map(|cell| cell.trim().trim_matches('"')).collect::<Vec<_>>());
    let n_lines = titles::n_above_header(cells);
    lines().take(n_lines).map(|line| line.len() + 1).sum()
}

/// Signs that stand between the fields of a text.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Whether a text begins with a line that is no part of its table.
pub(super) fn begins_with_preamble(bytes: &[u8]) -> bool {
    end_of_remarks(bytes) + end_of_titles(bytes) > 0
}

/// What there is to say of lines above the header.
pub(super) fn title_note(path: &Path) -> Result<Option<String>, LoadError> {
    const LOOKED_AT: u64 = 1 << 20;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let start = beginning_of(path, LOOKED_AT)?;
    let remarks = end_of_remarks(&start);
    let titles = &start[remarks..][..end_of_titles(&start[remarks..])];
    let lines: Vec<String> = (titles.split(|&byte| byte == b'\n').map(String::from_utf8_lossy))
        .map(|line| line.trim_matches([',', ';', '\t', '|', '\r', ' ', '"']).to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    Ok((!lines.is_empty()).then(|| titles_are_left_out(&name, &lines)))
}

/// That lines stand above the header and are not read.
pub(super) fn titles_are_left_out(name: &str, lines: &[String]) -> String {
    let what = if lines.len() == 1 { "line" } else { "lines" };
    format!("{name}: {} {what} above the header left out: {}", lines.len(), first_few(lines, 3))
}

/// Reads up to `limit` bytes and refuses a line that is too long as soon as it is.
fn read_lines(
    path: &Path,
    mut source: impl Read,
    limit: u64,
    error: impl Fn(io::Error) -> LoadError,
) -> Result<(Vec<u8>, bool), LoadError> {
    let mut bytes = Vec::new();
    let mut line_start = 0;
    loop {
        let before = bytes.len();
        let wanted = PIECE.min(limit - before as u64);
        let n_read = source.by_ref().take(wanted).read_to_end(&mut bytes).map_err(&error)? as u64;
        if let Some(newline) = bytes[before..].iter().rposition(|&byte| byte == b'\n') {
            line_start = before + newline + 1;
        }
        if bytes.len() - line_start > MAX_LINE_BYTES {
            let line = bytes[..line_start].iter().filter(|&&byte| byte == b'\n').count() + 1;
            return Err(LoadError::LongLine { place: Place { path: path.to_path_buf(), line } });
        }
        if n_read < wanted || bytes.len() as u64 == limit {
            let is_cut = bytes.len() as u64 == limit;
            return Ok((bytes, is_cut));
        }
    }
}

/// Refuses what is no file before it is opened, since opening a pipe waits for its other end.
pub(super) fn refuse_what_is_no_file(path: &Path) -> Result<(), LoadError> {
    check_is_file(path).map_err(|cause| LoadError::io(path, cause))
}

fn check_is_file(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path)? {
        found if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        found if !found.is_file() => Err(io::Error::other("is a device or a pipe, expected a file")),
        _ => Ok(()),
    }
}

/// The text of a small file: a configuration, a card.
///
/// # Errors
/// If it cannot be read, is no file, is larger than 4 MiB, or is not UTF-8; in words.
pub(crate) fn read_small_text(path: &Path) -> io::Result<String> {
    let read = || {
        check_is_file(path)?;
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_SMALL_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_SMALL_BYTES {
            return Err(io::Error::other(format!(
                "is longer than {MAX_SMALL_BYTES} bytes; give a TOML file of settings"
            )));
        }
        if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
            bytes.drain(..3);
        }
        String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            io::Error::other(format!("line {} is not UTF-8 text; save the file with UTF-8 encoding", line + 1))
        })
    };
    read().map_err(|error| io::Error::other(in_words(&error)))
}
