//! One plane of an image file -> numbers.
//!
//! Read are TIFF and BigTIFF (8, 16, 32 bit integers, 16, 32 and 64 bit floats; uncompressed, LZW, deflate, zstd,
//! PackBits, JPEG; strips or tiles; any number of pages and samples), PNG (1 to 16 bit) and JPEG. The format is told by
//! the first bytes and not by the name.
//!
//! What a pixel's number is: 8, 16 and unsigned 32 bit integers stay as they are; signed integers and floats become
//! `f32`, which is exact for up to 24 bits and rounds to the nearest else. Images with a palette are read as its
//! indices, since microscopes use palettes to color a gray image and masks to color labels. Images stored
//! white-is-zero are inverted, so that bright is large, and those stored as YCbCr become red, green and blue. No other
//! conversion takes place: no gamma, no color profile, no stretching.
//!
//! Refused, with file and reason: what is no such image (named by its first bytes), truncated and empty files, sides of
//! zero, planes of more than [`MAX_PIXELS`] pixels (read a region of them), not-a-number and infinite pixels, 64-bit
//! integers, colors other than RGB and YCbCr, and codecs that are not listed above.

mod directory;
mod imagej;
mod jpeg;
mod png;
mod tiff;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use imagej::ImageJ;
#[cfg(test)]
pub(super) use png::encode as encode_png;
use serde::{Deserialize, Serialize};

use crate::load::LoadError;

/// Largest number of pixels that are decoded at once: a square of 16,384.
pub const MAX_PIXELS: u64 = 1 << 28;

/// What a sample is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleType {
    /// 1 to 8 bit unsigned.
    U8,
    /// 16 bit unsigned.
    U16,
    /// 32 bit unsigned.
    U32,
    /// 8 bit signed.
    I8,
    /// 16 bit signed.
    I16,
    /// 32 bit signed.
    I32,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// The pixels of a plane, row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum PixelValues {
    /// 1 to 8 bit unsigned.
    U8(Vec<u8>),
    /// 16 bit unsigned.
    U16(Vec<u16>),
    /// 32 bit unsigned.
    U32(Vec<u32>),
    /// All else.
    F32(Vec<f32>),
}

/// A decoded plane or a region of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What the file holds.
    pub sample_type: SampleType,
    /// `[height, width]`.
    pub values: PixelValues,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Which container a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// TIFF or BigTIFF.
    Tiff,
    /// Portable network graphics.
    Png,
    /// JPEG.
    Jpeg,
}

/// What the samples of a pixel are, alpha not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// One brightness, or one index of a palette.
    Gray,
    /// Red, green and blue, as they are handed over; YCbCr is turned into them.
    Rgb,
    /// So many numbers of which the file says nothing.
    Bands(u16),
}

impl std::fmt::Display for Samples {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gray => formatter.write_str("1 sample"),
            Self::Rgb => formatter.write_str("3 samples"),
            Self::Bands(n) => write!(formatter, "{n} samples"),
        }
    }
}

/// A page as its header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Samples of each pixel in the file, alpha included; it comes last.
    pub samples: u16,
    /// What they are.
    pub meaning: Samples,
    /// Whether it has a palette of colors that is not a scale from dark to bright, so that an index is not a brightness.
    pub has_painted_palette: bool,
    /// What a sample is.
    pub sample_type: SampleType,
}

/// A file as its headers describe it; no pixel was decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageInfo {
    /// The container.
    pub format: ImageFormat,
    /// Its pages; one for PNG and JPEG.
    pub pages: Vec<Page>,
    /// What ImageJ says of the stack (TIFF).
    pub imagej: Option<ImageJ>,
}

/// Reads the headers of an image file.
///
/// # Errors
/// If the file is no image that this module reads, or its headers are damaged.
pub fn probe(path: &Path) -> Result<ImageInfo, LoadError> {
    let single = |format, page| ImageInfo { format, pages: vec![page], imagej: None };
    match sniff(path)? {
        ImageFormat::Tiff => tiff::probe(path),
        ImageFormat::Png => png::probe(path).map(|page| single(ImageFormat::Png, page)),
        ImageFormat::Jpeg => jpeg::probe(path).map(|page| single(ImageFormat::Jpeg, page)),
    }
}

/// The first page of a TIFF and its description, without a look at the others.
///
/// # Errors
/// As [`probe`], and if the file is another image.
pub(super) fn first_page(path: &Path) -> Result<(Page, Option<String>), LoadError> {
    match sniff(path)? {
        ImageFormat::Tiff => tiff::first_page(path),
        format => Err(bad(path, format!("is a {format:?}, expected a TIFF"))),
    }
}

/// Decodes one sample of one page, or a `region` of it.
///
/// # Errors
/// If the file is no image, is damaged, lacks the page, sample or region, or the plane is larger than [`MAX_PIXELS`].
pub fn decode(path: &Path, page: u32, sample: u16, region: Option<Region>) -> Result<Raster, LoadError> {
    let raster = match sniff(path)? {
        ImageFormat::Tiff => return tiff::decode(path, page, sample, region),
        format if page > 0 => {
            return Err(bad(path, format!("has no page {page}: a {format:?} has one page").to_lowercase()));
        }
        ImageFormat::Png => png::decode(path, sample)?,
        ImageFormat::Jpeg => jpeg::decode(path, sample)?,
    };
    match region {
        None => Ok(raster),
        Some(region) => {
            check_region(path, region, raster.width as u32, raster.height as u32)?;
            Ok(raster.cut(region))
        }
    }
}

impl PixelValues {
    /// Number of pixels.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::U16(values) => values.len(),
            Self::U32(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there is no pixel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pixels as `f32`; 32-bit integers above 2^24 are rounded.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::U8(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Self::U16(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Self::U32(values) => values.iter().map(|&value| value as f32).collect(),
            Self::F32(values) => values.clone(),
        }
    }
}

impl Raster {
    /// The pixels of `region`, which lies within the raster.
    fn cut(&self, region: Region) -> Self {
        let Region { x, y, width, height } = region;
        let (x, y, width, height) = (x as usize, y as usize, width as usize, height as usize);
        fn rows<T: Copy>(values: &[T], stride: usize, x: usize, y: usize, width: usize, height: usize) -> Vec<T> {
            (y..y + height).flat_map(|row| values[row * stride + x..][..width].iter().copied()).collect()
        }
        let stride = self.width;
        let values = match &self.values {
            PixelValues::U8(values) => PixelValues::U8(rows(values, stride, x, y, width, height)),
            PixelValues::U16(values) => PixelValues::U16(rows(values, stride, x, y, width, height)),
            PixelValues::U32(values) => PixelValues::U32(rows(values, stride, x, y, width, height)),
            PixelValues::F32(values) => PixelValues::F32(rows(values, stride, x, y, width, height)),
        };
        Self { width, height, sample_type: self.sample_type, values }
    }
}

/// Tells the format by the first bytes; says what else the file is.
fn sniff(path: &Path) -> Result<ImageFormat, LoadError> {
    let io = |cause| LoadError::io(path, cause);
    // Opening a pipe may wait for ever.
    let kind = std::fs::metadata(path).map_err(io)?;
    if !kind.is_file() {
        let found = if kind.is_dir() { "a folder" } else { "a device or a pipe" };
        return Err(bad(path, format!("is {found}, expected an image file")));
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(64).read_to_end(&mut start).map_err(io)?;
    let found = match start.as_slice() {
        [] => return Err(bad(path, "the file is empty, expected an image")),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => return Ok(ImageFormat::Tiff),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => return Ok(ImageFormat::Png),
        [0xFF, 0xD8, 0xFF, ..] => return Ok(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'B', b'M', ..] => "a Windows bitmap",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => "a JPEG 2000 file",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP file",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file",
        [b'P', b'K', 3, 4, ..] => "a zip archive",
        [0x1F, 0x8B, ..] => "a gzip archive",
        [0xDA, 0xCE, 0xBE, 0x0A, ..] => "a Nikon ND2 file; export it as TIFF",
        [b'Z', b'I', b'S', b'R', b'A', b'W', ..] => "a Zeiss CZI file; export it as TIFF",
        [0x70, 0, 0, 0, ..] => "a Leica LIF file; export it as TIFF",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "a NumPy array",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        start if start.starts_with(b"version https://git-lfs") => {
            "a Git LFS pointer; fetch the file with `git lfs pull`"
        }
        start if start.iter().all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "a text",
        _ => "of no known format",
    };
    Err(bad(path, format!("is {found}, expected a TIFF, PNG or JPEG image")))
}

/// An error of an image file.
pub(in crate::load) fn bad(path: &Path, message: impl Into<String>) -> LoadError {
    LoadError::Image { path: path.to_path_buf(), message: message.into() }
}

/// Refuses pictures without pixels and regions beyond the edge.
fn check_region(path: &Path, region: Region, width: u32, height: u32) -> Result<(), LoadError> {
    let ends = (u64::from(region.x) + u64::from(region.width), u64::from(region.y) + u64::from(region.height));
    if region.width == 0 || region.height == 0 || ends.0 > u64::from(width) || ends.1 > u64::from(height) {
        let Region { x, y, width: columns, height: rows } = region;
        return Err(bad(
            path,
            format!("{columns} x {rows} pixels at ({x}, {y}) lie beyond the {width} x {height} image"),
        ));
    }
    Ok(())
}

/// Refuses sides of zero and more pixels than are decoded at once.
pub(in crate::load::image) fn check_size(path: &Path, width: u64, height: u64) -> Result<(), LoadError> {
    if width == 0 || height == 0 {
        return Err(bad(path, format!("the image is {width} x {height} pixels, expected at least 1 x 1")));
    }
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(bad(
            path,
            format!(
                "{width} x {height} pixels, expected at most {MAX_PIXELS} at once (16384 x 16384); the header may be \
                 damaged; if not, cut the image into fields"
            ),
        ));
    }
    Ok(())
}

/// Refuses a sample that the pixels do not have.
fn check_sample(path: &Path, sample: u16, samples: u16) -> Result<(), LoadError> {
    if sample >= samples {
        return Err(bad(path, format!("has no sample {sample}: each pixel has {samples}, counted from 0")));
    }
    Ok(())
}

/// Whether the colors of a palette are those of a painting and not of a scale, which begins or ends with black and gets
/// brighter or darker from color to color; two may be out of order, as those that mark what is too dark or too bright.
fn is_painted(colors: &[[u8; 3]]) -> bool {
    let brightness =
        |[red, green, blue]: [u8; 3]| (299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1000;
    // What follows the last color is often one filling, black mostly.
    let n_filling = colors.iter().rev().take_while(|&color| Some(color) == colors.last()).count();
    let n_used = if n_filling > 1 { colors.len() - n_filling } else { colors.len() };
    let used: Vec<u32> = colors[..n_used].iter().copied().map(brightness).collect();
    let n_rises = used.windows(2).filter(|pair| pair[0] < pair[1]).count();
    let n_falls = used.windows(2).filter(|pair| pair[0] > pair[1]).count();
    let has_black = used.iter().any(|&brightness| brightness < 32);
    !used.is_empty() && (n_rises.min(n_falls) > 2 || !has_black)
}

/// Every `samples`-th value from `sample` on.
fn one_of<T: Copy>(values: &[T], sample: u16, samples: u16) -> Vec<T> {
    values.iter().skip(usize::from(sample)).step_by(usize::from(samples)).copied().collect()
}

#[cfg(test)]
pub(super) mod tests;
