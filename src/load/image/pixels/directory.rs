//! The directories of a TIFF file: what its pages are, before any pixel is read.
//!
//! ```text
//! II 42 <offset of the first directory: u32>            (BigTIFF: II 43 8 0 <offset: u64>)
//! directory: <n: u16> n x [tag: u16, type: u16, count: u32, value or its offset: u32] <offset of the next: u32>
//! ```
//!
//! Directories are walked here and not by the codec for three reasons: pages are listed without decoding, sizes are
//! checked before anything is allocated, and images in color and with palettes can be shown to the codec as bands of
//! numbers ([`Patched`]), which is how it hands over samples as they are stored.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::bad;
use super::imagej::{self, ImageJ};
use crate::load::LoadError;

/// Most pages that are listed.
const MAX_PAGES: usize = 1 << 16;
/// Most strips or tiles whose ends are looked at.
const MAX_CHUNKS: u64 = 1 << 22;
/// Longest image description that is read (OME-XML of large sets takes some MB).
const MAX_DESCRIPTION: u64 = 64 << 20;

/// Photometric values.
pub(super) const WHITE_IS_ZERO: u64 = 0;
pub(super) const BLACK_IS_ZERO: u64 = 1;
pub(super) const RGB: u64 = 2;
pub(super) const PALETTE: u64 = 3;
pub(super) const YCBCR: u64 = 6;
/// JPEG, as one of the compressions.
pub(super) const JPEG: u64 = 7;

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
    /// What the samples mean: 0 and 1 gray, 2 RGB, 3 palette, 6 YCbCr, others.
    pub photometric: u64,
    /// Where the lowest byte of the photometric value stands; 0 if there is none.
    pub photometric_at: u64,
    pub is_planar: bool,
    /// Of the samples beyond those of the color: 1 and 2 alpha, 0 anything.
    pub extra_samples: Vec<u64>,
    /// Columns and rows of pixels that share one value of Cb and Cr.
    pub chroma: (u64, u64),
    /// Red, green and blue of the palette, one after the other, 16 bit each.
    pub palette: Vec<u64>,
    /// Where the first strip or tile begins.
    pub start: u64,
    /// How far behind those listed the strips of this page lie, of a page that has no directory.
    pub shift: u64,
    pub rows_per_strip: u64,
    /// Sides of the tiles; `None` for strips.
    pub tile: Option<(u64, u64)>,
    /// Strips or tiles listed.
    pub n_chunks: u64,
    /// Where the last strip or tile ends; 0 if the directory does not say.
    pub end: u64,
    /// Where the image description stands, and its length.
    description: Option<(u64, u64)>,
    /// Where ImageJ's labels stand: the sizes of their parts, and the parts.
    labels: (Option<List>, Option<List>),
}

/// Where the numbers of an entry stand, how many, and the bytes of each.
type List = (u64, u64, u64);

/// The directories of a file.
pub(super) struct Directories {
    pub pages: Vec<Directory>,
    pub length: u64,
}

struct Walker {
    file: BufReader<File>,
    is_little_endian: bool,
    is_big: bool,
}

/// The first directory of a file.
pub(super) fn first(path: &Path) -> Result<Directory, LoadError> {
    let (mut walker, next, length) = opened(path)?;
    if next == 0 || next >= length {
        return Err(bad(path, "damaged TIFF: it has no directory"));
    }
    Ok(walker.directory(next).map_err(|cause| cut_off(path, cause))?.0)
}

/// A file at its first directory, the offset of that, and the file's length.
fn opened(path: &Path) -> Result<(Walker, u64, u64), LoadError> {
    let io = |cause| cut_off(path, cause);
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut walker = Walker { file: BufReader::new(file), is_little_endian: true, is_big: false };
    let next = walker.header().map_err(io)?;
    Ok((walker, next, length))
}

fn cut_off(path: &Path, cause: io::Error) -> LoadError {
    match cause.kind() {
        io::ErrorKind::UnexpectedEof => bad(path, "damaged TIFF: the file ends before its directory; it is cut off"),
        _ => LoadError::io(path, cause),
    }
}

/// Walks the directories of a file.
pub(super) fn read(path: &Path) -> Result<Directories, LoadError> {
    let io = |cause| cut_off(path, cause);
    let (mut walker, mut next, length) = opened(path)?;
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
    if let [only] = pages.as_slice() {
        let description = stack_description(path, only)?;
        let by_imagej = ImageJ::of(&description).map(|imagej| ("ImageJ", imagej.images));
        let by_tifffile = || Some(("tifffile", imagej::truncated_images(&description, only.n_values())?));
        if let Some((program, n_images)) = by_imagej.or_else(by_tifffile).filter(|(_, n_images)| *n_images > 1) {
            pages = unlisted(path, only, program, n_images, length)?;
        }
    }
    Ok(Directories { pages, length })
}

/// What ImageJ says of the stack whose first page is `first`.
pub(super) fn imagej(path: &Path, first: &Directory) -> Result<Option<ImageJ>, LoadError> {
    let Some(imagej) = ImageJ::of(&stack_description(path, first)?) else { return Ok(None) };
    let (mut walker, ..) = opened(path)?;
    walker.with_labels(imagej, first).map(Some).map_err(|cause| cut_off(path, cause))
}

/// The description of a page if a program describes a stack in it; OME-XML may be long, and is not read for every plane.
fn stack_description(path: &Path, page: &Directory) -> Result<String, LoadError> {
    const BEGINNING: u64 = 64;
    let beginning = text(path, page, BEGINNING)?.unwrap_or_default();
    let is_of_stack = beginning.starts_with("ImageJ=") || beginning.trim_start().starts_with('{');
    let description = if is_of_stack { description(path, page)? } else { None };
    Ok(description.unwrap_or_default())
}

/// The pages of a stack of which a program lists only the first: the others follow it, each as long as it is.
fn unlisted(
    path: &Path,
    first: &Directory,
    program: &str,
    n_images: u64,
    length: u64,
) -> Result<Vec<Directory>, LoadError> {
    let n_bytes = first.n_values().saturating_mul(first.bits).div_ceil(8);
    let wrong = |why: String| {
        let message = format!("{n_images} images by what {program} says, of which one is listed; {why}");
        Err(bad(path, message))
    };
    if first.compression != 1
        || first.tile.is_some()
        || n_bytes == 0
        || first.end.checked_sub(first.start) != Some(n_bytes)
    {
        return wrong(
            "the others can be read only if it is uncompressed and stored in one piece; save the stack again"
                .to_owned(),
        );
    }
    let n_held = 1 + length.saturating_sub(first.end) / n_bytes;
    if n_held < n_images {
        return wrong(format!(
            "its {length} bytes hold {n_held}; the file is cut off, or its description is that of another file"
        ));
    }
    if n_images > MAX_PAGES as u64 {
        return wrong(format!("expected at most {MAX_PAGES}"));
    }
    Ok((0..n_images).map(|image| Directory { shift: image * n_bytes, ..first.clone() }).collect())
}

/// The image description of a page, if it has one.
pub(super) fn description(path: &Path, directory: &Directory) -> Result<Option<String>, LoadError> {
    text(path, directory, MAX_DESCRIPTION)
}

/// At most `most` bytes of the image description.
fn text(path: &Path, directory: &Directory, most: u64) -> Result<Option<String>, LoadError> {
    let Some((offset, length)) = directory.description.filter(|&(_, length)| length <= MAX_DESCRIPTION) else {
        return Ok(None);
    };
    let io = |cause| LoadError::io(path, cause);
    let mut file = File::open(path).map_err(io)?;
    file.seek(SeekFrom::Start(offset)).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(length.min(most)).read_to_end(&mut bytes).map_err(io)?;
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

    /// ImageJ's axes with the labels of its images.
    fn with_labels(&mut self, imagej: ImageJ, page: &Directory) -> io::Result<ImageJ> {
        let (Some(sizes), Some(parts)) = page.labels else { return Ok(imagej) };
        let sizes = self.list(sizes)?;
        let parts: Vec<u8> = self.list(parts)?.into_iter().map(|byte| byte as u8).collect();
        Ok(ImageJ { labels: imagej::labels(&sizes, &parts, self.is_little_endian), ..imagej })
    }

    /// The numbers of an entry; none if they are more than a file has.
    fn list(&mut self, (at, count, size): List) -> io::Result<Vec<u64>> {
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
        let mut found =
            Directory { bits: 1, samples: 1, format: 1, compression: 1, chroma: (2, 2), ..Directory::default() };
        let (mut offsets, mut lengths, mut palette, mut extra, mut chroma) = (None, None, None, None, None);
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
                262 => {
                    found.photometric = value()?;
                    found.photometric_at = if self.is_little_endian { first_at } else { first_at + size.max(1) - 1 };
                }
                270 => found.description = Some((first_at, count)),
                273 | 324 => (found.n_chunks, offsets) = (count, Some((first_at, count, size))),
                279 | 325 => lengths = Some((first_at, count, size)),
                277 => found.samples = value()?,
                278 => found.rows_per_strip = value()?,
                284 => found.is_planar = value()? == 2,
                320 => palette = Some((first_at, count, size)),
                322 => found.tile = Some((value()?, found.tile.map_or(0, |(_, height)| height))),
                323 => found.tile = Some((found.tile.map_or(0, |(width, _)| width), value()?)),
                338 => extra = Some((first_at, count, size)),
                339 => found.format = value()?,
                530 => chroma = Some((first_at, count, size)),
                50_838 => found.labels.0 = Some((first_at, count, size)),
                50_839 => found.labels.1 = Some((first_at, count, size)),
                _ => {}
            }
        }
        if let Some((offsets, lengths)) = offsets.zip(lengths) {
            let (offsets, lengths) = (self.list(offsets)?, self.list(lengths)?);
            let ends = offsets.iter().zip(&lengths).map(|(offset, length)| offset.saturating_add(*length));
            found.end = ends.max().unwrap_or(0);
            found.start = offsets.first().copied().unwrap_or(0);
        }
        found.extra_samples = extra.map(|place| self.list(place)).transpose()?.unwrap_or_default();
        if let Some(&[columns, rows]) = chroma.map(|place| self.list(place)).transpose()?.as_deref() {
            found.chroma = (columns, rows);
        }
        // A palette of other images would only be read in vain.
        if let Some(place) = palette.filter(|_| found.photometric == PALETTE) {
            found.palette = self.list(place)?;
        }
        self.file.seek(SeekFrom::Start(entries + n_entries * entry_bytes))?;
        // A file may end with its last directory before the link; that is an end, too.
        let next = self.number(word).unwrap_or(0);
        Ok((found, next))
    }
}

impl Directory {
    /// Pixels times samples.
    fn n_values(&self) -> u64 {
        self.width.saturating_mul(self.height).saturating_mul(self.samples)
    }

    /// Sides of a strip or tile, the last ones cut to the image for strips.
    pub fn chunk(&self) -> (u64, u64) {
        match self.tile {
            Some(sides) => sides,
            None if self.rows_per_strip == 0 => (self.width, self.height),
            None => (self.width, self.rows_per_strip.min(self.height)),
        }
    }
}

/// A file in which one byte reads otherwise than it stands, and one range as what stands further behind.
pub(super) struct Patched {
    file: File,
    position: u64,
    patch: Option<(u64, u8)>,
    moved: Range<u64>,
    shift: u64,
}

impl Patched {
    /// The file as the codec sees it to read `page`, with `patch` as place and value of a byte.
    pub fn new(file: File, patch: Option<(u64, u8)>, page: &Directory) -> Self {
        let moved = if page.shift > 0 { page.start..page.end } else { 0..0 };
        Self { file, position: 0, patch, moved, shift: page.shift }
    }
}

impl Read for Patched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Up to where the shift begins or ends.
        let is_moved = self.moved.contains(&self.position);
        let edge = if is_moved { self.moved.end } else { self.moved.start };
        let most = edge.checked_sub(self.position).filter(|&most| most > 0).unwrap_or(u64::MAX);
        let length = most.min(buffer.len() as u64) as usize;
        self.file.seek(SeekFrom::Start(self.position + if is_moved { self.shift } else { 0 }))?;
        let n = self.file.read(&mut buffer[..length])?;
        if let Some((at, byte)) = self.patch
            && let Some(index) = at.checked_sub(self.position).filter(|&index| index < n as u64)
        {
            buffer[index as usize] = byte;
        }
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for Patched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(_) => self.file.seek(to)?,
            SeekFrom::Current(step) => self.position.checked_add_signed(step).ok_or(io::ErrorKind::InvalidInput)?,
        };
        Ok(self.position)
    }
}
