//! Bytes of text files, taken in such that no file asks for more memory than its kind may.
//!
//! Three limits, none of which a table of profiles comes near: a line has at most 16 MiB, a gzip unpacks to at most 100
//! times its size (or 64 MiB, if that is more), and a configuration or a card has at most 4 MiB.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::{LoadError, MAX_LINE_BYTES, Place, in_words};

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
    Ok((bytes, is_cut))
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
