//! The directories of a TIFF file: what its pages are, before any pixel is read.
//!
//! ```text
//! II 42 <offset of the first directory: u32>            (BigTIFF: II 43 8 0 <offset: u64>)
//! directory: <n: u16> n x [tag: u16, type: u16, count: u32, value or its offset: u32] <offset of the next: u32>
//! ```
//!
//! Directories are walked here and not by the codec for three reasons: pages are listed without decoding, sizes are
//! checked before anything is allocated, and palette pictures, which the codec refuses, can be shown to it as gray ones
//! ([`Patched`]).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::bad;
use crate::load::LoadError;

/// Most pages that are listed.
const MAX_PAGES: usize = 1 << 16;
/// Most strips or tiles whose ends are looked at.
const MAX_CHUNKS: u64 = 1 << 22;
/// Longest image description that is read (OME-XML of large sets takes some MB).
const MAX_DESCRIPTION: u64 = 64 << 20;

/// What a directory says of its page.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    pub width: u64,
    pub height: u64,
    pub bits: u64,
    pub samples: u64,
    /// 1 unsigned, 2 signed, 3 float.
    pub format: u64,
    pub compression: u64,
    pub photometric: u64,
    /// Where the photometric value stands, as its two bytes.
    pub photometric_at: u64,
    pub is_planar: bool,
    pub rows_per_strip: u64,
    /// Sides of the tiles; `None` for strips.
    pub tile: Option<(u64, u64)>,
    /// Strips or tiles listed.
    pub n_chunks: u64,
    /// Where the last strip or tile ends; 0 if the directory does not say.
    pub end: u64,
    /// Where the image description stands, and its length.
    description: Option<(u64, u64)>,
}

/// The directories of a file, and its byte order.
pub(super) struct Directories {
    pub pages: Vec<Directory>,
    pub is_little_endian: bool,
    pub length: u64,
}

struct Walker {
    file: BufReader<File>,
    is_little_endian: bool,
    is_big: bool,
}

/// Walks the directories of a file.
pub(super) fn read(path: &Path) -> Result<Directories, LoadError> {
    let io = |cause: io::Error| match cause.kind() {
        io::ErrorKind::UnexpectedEof => bad(path, "damaged TIFF: the file ends before its directory; it is cut off"),
        _ => LoadError::io(path, cause),
    };
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut walker = Walker { file: BufReader::new(file), is_little_endian: true, is_big: false };
    let mut next = walker.header().map_err(io)?;
    let mut seen = BTreeSet::new();
    let mut pages = Vec::new();
    while next != 0 {
        if !seen.insert(next) || pages.len() == MAX_PAGES {
            return Err(bad(path, format!("damaged TIFF: it has a loop of directories or more than {MAX_PAGES}")));
        }
        if next >= length {
            return Err(bad(
                path,
                format!("damaged TIFF: directory {} lies at byte {next} of {length}; the file is cut off", pages.len()),
            ));
        }
        let (directory, following) = walker.directory(next).map_err(io)?;
        pages.push(directory);
        next = following;
    }
    if pages.is_empty() {
        return Err(bad(path, "damaged TIFF: it has no directory"));
    }
    Ok(Directories { pages, is_little_endian: walker.is_little_endian, length })
}

/// The image description of a page, if it has one.
pub(super) fn description(path: &Path, directory: &Directory) -> Result<Option<String>, LoadError> {
    let Some((offset, length)) = directory.description.filter(|&(_, length)| length <= MAX_DESCRIPTION) else {
        return Ok(None);
    };
    let io = |cause| LoadError::io(path, cause);
    let mut file = File::open(path).map_err(io)?;
    file.seek(SeekFrom::Start(offset)).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(io)?;
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    Ok(Some(String::from_utf8_lossy(&bytes[..end]).into_owned()))
}

impl Walker {
    fn number(&mut self, n_bytes: usize) -> io::Result<u64> {
        let mut bytes = [0u8; 8];
        self.file.read_exact(&mut bytes[..n_bytes])?;
        if !self.is_little_endian {
            bytes[..n_bytes].reverse();
        }
        Ok(u64::from_le_bytes(bytes))
    }

    /// Offset of the first directory.
    fn header(&mut self) -> io::Result<u64> {
        let mut order = [0u8; 2];
        self.file.read_exact(&mut order)?;
        self.is_little_endian = order == *b"II";
        self.is_big = self.number(2)? == 43;
        if self.is_big {
            self.number(4)?;
            return self.number(8);
        }
        self.number(4)
    }

    /// The numbers of an entry: where they stand, how many, and the bytes of each; none if they are more than a file has.
    fn list(&mut self, (at, count, size): (u64, u64, u64)) -> io::Result<Vec<u64>> {
        if count > MAX_CHUNKS || !matches!(size, 1 | 2 | 4 | 8) {
            return Ok(Vec::new());
        }
        self.file.seek(SeekFrom::Start(at))?;
        (0..count).map(|_| self.number(size as usize)).collect()
    }

    /// The directory at `offset`, and the offset of the next.
    fn directory(&mut self, offset: u64) -> io::Result<(Directory, u64)> {
        self.file.seek(SeekFrom::Start(offset))?;
        let (count_bytes, word) = if self.is_big { (8, 8) } else { (2, 4) };
        let n_entries = self.number(count_bytes)?.min(4096);
        let entries = offset + count_bytes as u64;
        let entry_bytes = 4 + 2 * word as u64;
        let mut found = Directory { bits: 1, samples: 1, format: 1, compression: 1, ..Directory::default() };
        let (mut offsets, mut lengths) = (None, None);
        for entry in 0..n_entries {
            let at = entries + entry * entry_bytes;
            self.file.seek(SeekFrom::Start(at))?;
            let (tag, kind) = (self.number(2)?, self.number(2)?);
            let count = self.number(word)?;
            let value_at = at + 4 + word as u64;
            let size = match kind {
                1 | 2 | 6 | 7 => 1,
                3 | 8 => 2,
                4 | 9 | 11 | 13 => 4,
                5 | 10 | 12 | 16 | 17 | 18 => 8,
                _ => 0,
            };
            let is_inline = count.saturating_mul(size) <= word as u64;
            let first_at = if is_inline { value_at } else { self.number(word)? };
            let mut value = || -> io::Result<u64> {
                self.file.seek(SeekFrom::Start(first_at))?;
                self.number(if matches!(size, 1 | 2 | 4 | 8) { size as usize } else { 1 })
            };
            match tag {
                256 => found.width = value()?,
                257 => found.height = value()?,
                258 => found.bits = value()?,
                259 => found.compression = value()?,
                262 => (found.photometric, found.photometric_at) = (value()?, first_at),
                270 => found.description = Some((first_at, count)),
                273 | 324 => (found.n_chunks, offsets) = (count, Some((first_at, count, size))),
                279 | 325 => lengths = Some((first_at, count, size)),
                277 => found.samples = value()?,
                278 => found.rows_per_strip = value()?,
                284 => found.is_planar = value()? == 2,
                322 => found.tile = Some((value()?, found.tile.map_or(0, |(_, height)| height))),
                323 => found.tile = Some((found.tile.map_or(0, |(width, _)| width), value()?)),
                339 => found.format = value()?,
                _ => {}
            }
        }
        if let Some((offsets, lengths)) = offsets.zip(lengths) {
            let (offsets, lengths) = (self.list(offsets)?, self.list(lengths)?);
            let ends = offsets.iter().zip(&lengths).map(|(offset, length)| offset.saturating_add(*length));
            found.end = ends.max().unwrap_or(0);
        }
        self.file.seek(SeekFrom::Start(entries + n_entries * entry_bytes))?;
        // A file may end with its last directory before the link; that is an end, too.
        let next = self.number(word).unwrap_or(0);
        Ok((found, next))
    }
}

impl Directory {
    /// Sides of a strip or tile, the last ones cut to the image for strips.
    pub fn chunk(&self) -> (u64, u64) {
        match self.tile {
            Some(sides) => sides,
            None if self.rows_per_strip == 0 => (self.width, self.height),
            None => (self.width, self.rows_per_strip.min(self.height)),
        }
    }
}

/// A file in which single bytes read otherwise than they stand.
pub(super) struct Patched<R> {
    inner: R,
    position: u64,
    patches: Vec<(u64, u8)>,
}

impl<R: Read + Seek> Patched<R> {
    pub fn new(inner: R, patches: Vec<(u64, u8)>) -> Self {
        Self { inner, position: 0, patches }
    }
}

impl<R: Read> Read for Patched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        for &(at, byte) in &self.patches {
            if let Some(index) = at.checked_sub(self.position).filter(|&index| index < n as u64) {
                buffer[index as usize] = byte;
            }
        }
        self.position += n as u64;
        Ok(n)
    }
}

impl<R: Seek> Seek for Patched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.inner.seek(to)?;
        Ok(self.position)
    }
}
