//! TIFF and BigTIFF: headers from [`directory`](super::directory), pixels from the `tiff` crate, chunk by chunk.
//!
//! Chunks (strips or tiles) are decoded one at a time into the output, so a region costs what it covers, and a chunk is
//! the only buffer beside the result.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ::tiff::decoder::{Decoder, DecodingResult, Limits};

use super::directory::{self, Directory, Patched};
use super::{
    ImageFormat, ImageInfo, MAX_PIXELS, Page, PixelValues, Raster, Region, SampleType, bad, check_region, check_sample,
    check_size,
};
use crate::load::LoadError;

const PALETTE: u64 = 3;
const BLACK_IS_ZERO: u8 = 1;

/// The headers of all pages.
pub(super) fn probe(path: &Path) -> Result<ImageInfo, LoadError> {
    let found = directory::read(path)?;
    let pages = found.pages.iter().map(|directory| {
        let page = page(path, directory)?;
        check_chunks(path, directory, found.length)?;
        Ok(page)
    });
    let pages = pages.collect::<Result<Vec<_>, LoadError>>()?;
    let description = directory::description(path, &found.pages[0])?;
    Ok(ImageInfo { format: ImageFormat::Tiff, pages, description })
}

/// One sample of one page, whole or a region of it.
pub(super) fn decode(path: &Path, index: u32, sample: u16, region: Option<Region>) -> Result<Raster, LoadError> {
    let found = directory::read(path)?;
    let Some(directory) = found.pages.get(index as usize) else {
        return Err(bad(path, format!("has no page {index}: it has {}, counted from 0", found.pages.len())));
    };
    let page = page(path, directory)?;
    check_sample(path, sample, page.samples)?;
    let region = region.unwrap_or(Region { x: 0, y: 0, width: page.width, height: page.height });
    check_region(path, region, page.width, page.height)?;
    check_size(path, region.width.into(), region.height.into())?;
    check_chunks(path, directory, found.length)?;

    let patches = if directory.photometric == PALETTE {
        let bytes = if found.is_little_endian { [BLACK_IS_ZERO, 0] } else { [0, BLACK_IS_ZERO] };
        (0..2).map(|byte| (directory.photometric_at + byte as u64, bytes[byte])).collect()
    } else {
        Vec::new()
    };
    let damaged = |cause: ::tiff::TiffError| match cause {
        ::tiff::TiffError::UnsupportedError(what) => bad(path, format!("a TIFF that is not read: {what}")),
        ::tiff::TiffError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            bad(path, "damaged TIFF: the file ends before its pixels; it is cut off")
        }
        cause => bad(path, format!("damaged TIFF: {cause}")),
    };
    let file = File::open(path).map_err(|cause| LoadError::io(path, cause))?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = 8 * MAX_PIXELS as usize;
    limits.intermediate_buffer_size = 8 * MAX_PIXELS as usize;
    limits.ifd_value_size = 64 << 20;
    let mut decoder = Decoder::new(Patched::new(BufReader::with_capacity(1 << 16, file), patches)).map_err(damaged)?;
    decoder = decoder.with_limits(limits);
    decoder.seek_to_image(index as usize).map_err(damaged)?;

    let mut output = Output::new(path, page.sample_type, region);
    let (chunk_width, chunk_height) = directory.chunk();
    let across = directory.width.div_ceil(chunk_width);
    let down = directory.height.div_ceil(chunk_height);
    let first_chunk = if directory.is_planar { u64::from(sample) * across * down } else { 0 };
    let (rows, columns) = (
        u64::from(region.y) / chunk_height..=(u64::from(region.y + region.height) - 1) / chunk_height,
        u64::from(region.x) / chunk_width..=(u64::from(region.x + region.width) - 1) / chunk_width,
    );
    for row in rows {
        for column in columns.clone() {
            let chunk = decoder.read_chunk((first_chunk + row * across + column) as u32).map_err(damaged)?;
            let place = Chunk {
                x: (column * chunk_width) as usize,
                y: (row * chunk_height) as usize,
                width: chunk_width.min(directory.width - column * chunk_width) as usize,
                height: chunk_height.min(directory.height - row * chunk_height) as usize,
                samples: if directory.is_planar { 1 } else { page.samples.into() },
                sample: if directory.is_planar { 0 } else { sample.into() },
            };
            output.take(&chunk, &place)?;
        }
    }
    output.finish()
}

fn page(path: &Path, directory: &Directory) -> Result<Page, LoadError> {
    let &Directory { width, height, bits, samples, format, .. } = directory;
    if width == 0 || height == 0 {
        return Err(bad(path, format!("the image is {width} x {height} pixels, expected at least 1 x 1")));
    }
    let sample_type = match (format, bits) {
        (1, 8) | (4, 8) => SampleType::U8,
        (1, 16) | (4, 16) => SampleType::U16,
        (1, 32) => SampleType::U32,
        (2, 8) => SampleType::I8,
        (2, 16) => SampleType::I16,
        (2, 32) => SampleType::I32,
        (3, 16) => SampleType::F16,
        (3, 32) => SampleType::F32,
        (3, 64) => SampleType::F64,
        _ => {
            let kind = match format {
                2 => "signed",
                3 => "floating-point",
                _ => "unsigned",
            };
            return Err(bad(
                path,
                format!(
                    "a TIFF of {bits}-bit {kind} samples, expected 8, 16 or 32 bit integers or 16, 32 or 64 bit floats"
                ),
            ));
        }
    };
    let side = |side: u64| u32::try_from(side).map_err(|_| bad(path, format!("damaged TIFF: a side of {side} pixels")));
    let samples = u16::try_from(samples).ok().filter(|&samples| samples > 0);
    let samples = samples.ok_or_else(|| bad(path, format!("damaged TIFF: {} samples", directory.samples)))?;
    Ok(Page { width: side(width)?, height: side(height)?, samples, sample_type })
}

/// Refuses chunks that are too large to decode, too few for the image, or longer than the file.
fn check_chunks(path: &Path, directory: &Directory, length: u64) -> Result<(), LoadError> {
    let (width, height) = directory.chunk();
    if width == 0 || height == 0 {
        return Err(bad(path, format!("damaged TIFF: tiles of {width} x {height} pixels")));
    }
    if width.saturating_mul(height) > MAX_PIXELS {
        return check_size(path, width, height);
    }
    let planes = if directory.is_planar { directory.samples } else { 1 };
    let needed =
        directory.width.div_ceil(width).saturating_mul(directory.height.div_ceil(height)).saturating_mul(planes);
    if directory.n_chunks < needed {
        return Err(bad(
            path,
            format!("damaged TIFF: {} strips or tiles, expected {needed} for its size", directory.n_chunks),
        ));
    }
    if directory.end > length {
        return Err(bad(
            path,
            format!("damaged TIFF: {length} bytes, but its pixels end at byte {}; the file is cut off", directory.end),
        ));
    }
    let bytes = directory.width.saturating_mul(directory.height).saturating_mul(directory.samples * directory.bits / 8);
    if directory.compression == 1 && bytes > length {
        return Err(bad(path, format!("damaged TIFF: {length} bytes, expected at least {bytes}; the file is cut off")));
    }
    Ok(())
}

/// Where a decoded chunk lies in the image, and which of its samples is wanted.
struct Chunk {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    samples: usize,
    sample: usize,
}

/// The region being filled.
struct Output<'a> {
    path: &'a Path,
    region: Region,
    raster: Raster,
}

impl<'a> Output<'a> {
    fn new(path: &'a Path, sample_type: SampleType, region: Region) -> Self {
        let (width, height) = (region.width as usize, region.height as usize);
        let n = width * height;
        let values = match sample_type {
            SampleType::U8 => PixelValues::U8(vec![0; n]),
            SampleType::U16 => PixelValues::U16(vec![0; n]),
            SampleType::U32 => PixelValues::U32(vec![0; n]),
            _ => PixelValues::F32(vec![0.0; n]),
        };
        Self { path, region, raster: Raster { width, height, sample_type, values } }
    }

    fn take(&mut self, decoded: &DecodingResult, chunk: &Chunk) -> Result<(), LoadError> {
        let region = self.region;
        let is_taken = match (decoded, &mut self.raster.values) {
            (DecodingResult::U8(from), PixelValues::U8(to)) => copy(from, to, chunk, region, |value| value),
            (DecodingResult::U16(from), PixelValues::U16(to)) => copy(from, to, chunk, region, |value| value),
            (DecodingResult::U32(from), PixelValues::U32(to)) => copy(from, to, chunk, region, |value| value),
            (DecodingResult::I8(from), PixelValues::F32(to)) => copy(from, to, chunk, region, f32::from),
            (DecodingResult::I16(from), PixelValues::F32(to)) => copy(from, to, chunk, region, f32::from),
            (DecodingResult::I32(from), PixelValues::F32(to)) => copy(from, to, chunk, region, |value| value as f32),
            (DecodingResult::F16(from), PixelValues::F32(to)) => copy(from, to, chunk, region, |value| value.to_f32()),
            (DecodingResult::F32(from), PixelValues::F32(to)) => copy(from, to, chunk, region, |value| value),
            (DecodingResult::F64(from), PixelValues::F32(to)) => copy(from, to, chunk, region, |value| value as f32),
            _ => false,
        };
        if is_taken { Ok(()) } else { Err(bad(self.path, "damaged TIFF: a strip or tile is not what the header says")) }
    }

    fn finish(self) -> Result<Raster, LoadError> {
        if let PixelValues::F32(values) = &self.raster.values
            && let Some(index) = values.iter().position(|value| !value.is_finite())
        {
            let (x, y) = (index % self.raster.width, index / self.raster.width);
            return Err(bad(
                self.path,
                format!("the pixel at ({x}, {y}) is {}, expected a finite number", values[index]),
            ));
        }
        Ok(self.raster)
    }
}

/// Copies what a chunk shares with the region; false if the chunk holds fewer samples than it should.
fn copy<T: Copy, U>(from: &[T], to: &mut [U], chunk: &Chunk, region: Region, convert: impl Fn(T) -> U) -> bool {
    if from.len() < chunk.width * chunk.height * chunk.samples {
        return false;
    }
    let (left, top, width) = (region.x as usize, region.y as usize, region.width as usize);
    let (right, bottom) = (left + width, top + region.height as usize);
    let columns = chunk.x.max(left)..(chunk.x + chunk.width).min(right);
    if columns.is_empty() {
        return true;
    }
    for y in chunk.y.max(top)..(chunk.y + chunk.height).min(bottom) {
        let row = (y - chunk.y) * chunk.width;
        let source = (row + columns.start - chunk.x) * chunk.samples;
        let source = &from[source..source + columns.len() * chunk.samples];
        let target = (y - top) * width + columns.start - left;
        let target = to[target..target + columns.len()].iter_mut();
        if chunk.samples == 1 {
            target.zip(source).for_each(|(to, &value)| *to = convert(value));
        } else {
            let values = source.chunks_exact(chunk.samples);
            target.zip(values).for_each(|(to, pixel)| *to = convert(pixel[chunk.sample]));
        }
    }
    true
}
