//! TIFF and BigTIFF: headers from [`directory`](super::directory), pixels from the `tiff` crate, chunk by chunk.
//!
//! Chunks (strips or tiles) are decoded one at a time into the output, so a region costs what it covers, and a chunk is
//! the only buffer beside the result.
//!
//! Colors are stored as red, green and blue or as brightness and two differences, YCbCr, which JPEG inside TIFF always
//! is unless its directory says RGB. YCbCr is turned into red, green and blue by the equations of JFIF, which are those
//! that TIFF has where nothing else is given. Images of one byte a sample in which pixels share Cb and Cr are read where
//! JPEG packs them. Cyan, magenta, yellow and black, and colors of L*a*b*, are refused, since no sample of them is a
//! channel.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;

use super::directory::{self, BLACK_IS_ZERO, Directory, JPEG, PALETTE, Patched, RGB, WHITE_IS_ZERO, YCBCR};
use super::{
    ImageFormat, ImageInfo, MAX_PIXELS, Page, PixelValues, Raster, Region, SampleType, Samples, bad, check_region,
    check_sample, check_size, is_painted, jpeg,
};
use crate::load::LoadError;

/// The headers of all pages.
pub(super) fn probe(path: &Path) -> Result<ImageInfo, LoadError> {
    let found = directory::read(path)?;
    let pages = found.pages.iter().map(|directory| {
        let page = page(path, directory)?;
        check_chunks(path, directory, found.length)?;
        Ok(page)
    });
    let pages = pages.collect::<Result<Vec<_>, LoadError>>()?;
    let imagej = directory::imagej(path, &found.pages[0])?;
    Ok(ImageInfo { format: ImageFormat::Tiff, pages, imagej })
}

/// The first page and its description.
pub(super) fn first_page(path: &Path) -> Result<(Page, Option<String>), LoadError> {
    let first = directory::first(path)?;
    Ok((page(path, &first)?, directory::description(path, &first)?))
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

    // Of bands of numbers the codec hands over all samples as they are stored, whatever they mean.
    let is_shown_as_bands = directory.photometric_at > 0 && directory.photometric != WHITE_IS_ZERO;
    let patch = is_shown_as_bands.then_some((directory.photometric_at, BLACK_IS_ZERO as u8));
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
    let mut decoder =
        Decoder::new(BufReader::with_capacity(1 << 16, Patched::new(file, patch, directory))).map_err(damaged)?;
    decoder = decoder.with_limits(limits);
    decoder.seek_to_image(if directory.shift > 0 { 0 } else { index as usize }).map_err(damaged)?;

    let mut jpegs = match directory.compression {
        JPEG => Some(JpegChunks::of(path, &mut decoder, directory.tile.is_some()).map_err(damaged)?),
        _ => None,
    };
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
            let index = first_chunk + row * across + column;
            let mut place = Chunk {
                x: (column * chunk_width) as usize,
                y: (row * chunk_height) as usize,
                width: chunk_width.min(directory.width - column * chunk_width) as usize,
                height: chunk_height.min(directory.height - row * chunk_height) as usize,
                stride: 0,
                samples: if directory.is_planar { 1 } else { page.samples.into() },
                sample: if directory.is_planar { 0 } else { sample.into() },
            };
            place.stride = place.width;
            let mut is_ycbcr = directory.photometric == YCBCR;
            let mut chunk = match &mut jpegs {
                None => decoder.read_chunk(index as u32).map_err(damaged)?,
                Some(jpegs) => {
                    let stored = jpegs.decode(index as usize)?;
                    if stored.width < place.width || stored.samples != place.samples {
                        return Err(bad(path, "damaged TIFF: a strip or tile is not what the header says"));
                    }
                    place.stride = stored.width;
                    // A whole JPEG file in a directory of RGB is what its own marks say.
                    is_ycbcr |= directory.photometric == RGB && stored.is_marked_ycbcr;
                    DecodingResult::U8(stored.values)
                }
            };
            if let (true, DecodingResult::U8(values), 0..3) = (is_ycbcr, &chunk, sample) {
                chunk = DecodingResult::U8(one_color(values, place.samples, sample));
                (place.samples, place.sample) = (1, 0);
            }
            output.take(&chunk, &place)?;
        }
    }
    output.finish()
}

/// Strips or tiles that are JPEG streams, decoded apart from the codec, which takes Adobe's mark of RGB for one of CMYK.
struct JpegChunks<'a> {
    path: &'a Path,
    file: File,
    offsets: Vec<u64>,
    lengths: Vec<u64>,
    /// What all streams begin with, from its own tag.
    tables: Vec<u8>,
}

impl<'a> JpegChunks<'a> {
    fn of(
        path: &'a Path,
        decoder: &mut Decoder<BufReader<Patched>>,
        is_tiled: bool,
    ) -> Result<Self, ::tiff::TiffError> {
        let (offsets, lengths) = match is_tiled {
            true => (Tag::TileOffsets, Tag::TileByteCounts),
            false => (Tag::StripOffsets, Tag::StripByteCounts),
        };
        let tables = decoder.find_tag(Tag::JPEGTables)?.map(|value| value.into_u8_vec()).transpose()?;
        Ok(Self {
            path,
            file: File::open(path)?,
            offsets: decoder.get_tag_u64_vec(offsets)?,
            lengths: decoder.get_tag_u64_vec(lengths)?,
            tables: tables.unwrap_or_default(),
        })
    }

    /// The samples of a strip or tile, as they are stored.
    fn decode(&mut self, index: usize) -> Result<jpeg::Stored, LoadError> {
        let io = |cause| LoadError::io(self.path, cause);
        // As many as there should be were counted before.
        let (&offset, &length) = (self.offsets.get(index).zip(self.lengths.get(index)))
            .ok_or_else(|| bad(self.path, "damaged TIFF: a strip or tile is not listed"))?;
        self.file.seek(SeekFrom::Start(offset)).map_err(io)?;
        let mut stream = Vec::new();
        Read::by_ref(&mut self.file).take(length).read_to_end(&mut stream).map_err(io)?;
        // The tables are a stream of their own: its end and the other's beginning go.
        if let (Some(tables), Some(rest)) = (self.tables.strip_suffix(b"\xff\xd9"), stream.get(2..)) {
            stream = [tables, rest].concat();
        }
        jpeg::stored(self.path, stream)
    }
}

/// Red, green or blue (0, 1, 2) of pixels that begin with Y, Cb and Cr.
fn one_color(values: &[u8], samples: usize, color: u16) -> Vec<u8> {
    let of = |pixel: &[u8]| {
        let [y, blue, red] = [0, 1, 2].map(|sample| f32::from(pixel[sample]));
        let (blue, red) = (blue - 128.0, red - 128.0);
        // Beyond 0 and 255 the cast stops there.
        (match color {
            0 => y + 1.402 * red,
            1 => y - 0.344_136 * blue - 0.714_136 * red,
            _ => y + 1.772 * blue,
        } + 0.5) as u8
    };
    values.chunks_exact(samples).map(of).collect()
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
    let (meaning, has_painted_palette) = (meaning(path, directory, samples)?, is_painted(&colors(directory)));
    Ok(Page { width: side(width)?, height: side(height)?, samples, meaning, has_painted_palette, sample_type })
}

/// What the samples of a pixel are; refuses colors of which no sample is a channel.
fn meaning(path: &Path, directory: &Directory, samples: u16) -> Result<Samples, LoadError> {
    let refused = |what: &str| {
        let message = format!("a TIFF of {what}, expected gray, a palette, RGB or YCbCr; save it as RGB");
        Err(bad(path, message))
    };
    // Written without a word on what the fourth sample of a color is, it is alpha.
    let n_alpha = directory.extra_samples.iter().filter(|&&kind| kind == 1 || kind == 2).count() as u16;
    let n_visible = samples.saturating_sub(n_alpha).max(1);
    match directory.photometric {
        RGB if samples == 3 || samples == 4 || n_visible == 3 => Ok(Samples::Rgb),
        5 => refused("cyan, magenta, yellow and black"),
        YCBCR if directory.bits != 8 || samples < 3 => {
            refused(&format!("YCbCr with {samples} samples of {} bits (expected 3 of 8 bits)", directory.bits))
        }
        YCBCR if directory.is_planar => refused("YCbCr in separate planes"),
        YCBCR if directory.compression != JPEG && directory.chroma != (1, 1) => {
            refused("YCbCr with pixels that share Cb and Cr, not packed as JPEG")
        }
        YCBCR => Ok(Samples::Rgb),
        8..=10 => refused("L*a*b* colors"),
        _ if n_visible == 1 => Ok(Samples::Gray),
        _ => Ok(Samples::Bands(n_visible)),
    }
}

/// The colors of a palette.
fn colors(directory: &Directory) -> Vec<[u8; 3]> {
    if directory.photometric != PALETTE {
        return Vec::new();
    }
    let n = directory.palette.len() / 3;
    // 16 bits by the standard; programs are about that write 8.
    let unit = if directory.palette.iter().all(|&value| value < 256) { 1 } else { 257 };
    let color = |index: usize| [0, 1, 2].map(|color| (directory.palette[color * n + index] / unit).min(255) as u8);
    (0..n).map(color).collect()
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
    /// Pixels from row to row, of which some may lie beyond the image.
    stride: usize,
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
    if from.len() < chunk.stride * chunk.height * chunk.samples {
        return false;
    }
    let (left, top, width) = (region.x as usize, region.y as usize, region.width as usize);
    let (right, bottom) = (left + width, top + region.height as usize);
    let columns = chunk.x.max(left)..(chunk.x + chunk.width).min(right);
    if columns.is_empty() {
        return true;
    }
    for y in chunk.y.max(top)..(chunk.y + chunk.height).min(bottom) {
        let row = (y - chunk.y) * chunk.stride;
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
