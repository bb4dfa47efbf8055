//! Lines of a text file, plain or gzipped, one at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::super::error::{LoadError, Place};
use super::super::text::FREE_BYTES;

/// Largest ratio of unpacked to packed size; lists of three small numbers pack well.
const MAX_RATIO: u64 = 200;

/// Bytes of a line, at most; the widest has a number for each of some hundred thousand samples.
const MOST_LINE: u64 = 1 << 26;

pub(super) struct Lines {
    pub path: PathBuf,
    reader: Box<dyn BufRead>,
    text: String,
    /// The number of the line that was read, counted from 1.
    pub line: usize,
    n_packed: u64,
    /// Bytes that may still come.
    n_left: u64,
}

impl Lines {
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let io = |cause| LoadError::io(path, cause);
        let mut file = File::open(path).map_err(io)?;
        let n_packed = file.metadata().map_err(io)?.len();
        let mut start = [0; 2];
        let n_read = file.read(&mut start).map_err(io)?;
        let file = File::open(path).map_err(io)?;
        let reader: Box<dyn BufRead> = match start[..n_read] {
            [0x1F, 0x8B] => Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file))),
            _ => Box::new(BufReader::with_capacity(1 << 18, file)),
        };
        let n_left = FREE_BYTES.max(n_packed.saturating_mul(MAX_RATIO));
        Ok(Self { path: path.to_path_buf(), reader, text: String::new(), line: 0, n_packed, n_left })
    }

    /// The next line without its end; `None` behind the last.
    ///
    /// # Errors
    /// If it is not UTF-8, is longer than any line of such files, or the file unpacks to more than such files do.
    pub fn next(&mut self) -> Result<Option<&str>, LoadError> {
        self.text.clear();
        self.line += 1;
        let most = MOST_LINE.min(self.n_left);
        let read = (&mut self.reader).take(most).read_line(&mut self.text);
        let n_read = read.map_err(|cause| LoadError::Decode { path: self.path.clone(), message: cause.to_string() })?;
        self.n_left -= n_read as u64;
        match n_read as u64 {
            0 if most > 0 => Ok(None),
            n if n == most && most == MOST_LINE => {
                Err(LoadError::LongLine { place: Place { path: self.path.clone(), line: self.line } })
            }
            n if n == most => {
                let most = FREE_BYTES.max(self.n_packed.saturating_mul(MAX_RATIO));
                Err(LoadError::Expands { path: self.path.clone(), packed: self.n_packed, most })
            }
            _ => Ok(Some(self.text.trim_end_matches(['\n', '\r']))),
        }
    }
}
