//! PNG: gray, palette or color, 1 to 16 bits, interlaced or not, from the `png` crate.
//!
//! Samples are taken as they are stored: the indices of a palette and not its colors, since masks use palettes to color
//! labels, and gray of fewer than 8 bits as its small numbers. Checksums of chunks and of the stream are verified.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use ::png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Reader, Transformations};

use super::{MAX_PIXELS, Page, PixelValues, Raster, SampleType, Samples, bad, check_sample, check_size, is_painted};
use crate::load::LoadError;

/// The header.
pub(super) fn probe(path: &Path) -> Result<Page, LoadError> {
    check_end(path)?;
    Ok(page(&opened(path)?))
}

/// One sample of every pixel.
pub(super) fn decode(path: &Path, sample: u16) -> Result<Raster, LoadError> {
    let damaged = |cause| damaged(path, cause);
    let mut reader = opened(path)?;
    let page = page(&reader);
    check_sample(path, sample, page.samples)?;
    let (width, height) = (page.width as usize, page.height as usize);
    let n_bytes = reader.output_buffer_size().ok_or_else(|| bad(path, "an image larger than memory"))?;
    let mut bytes = vec![0; n_bytes];
    let row_bytes = reader.next_frame(&mut bytes).map_err(damaged)?.line_size;
    reader.finish().map_err(damaged)?;

    let rows = bytes.chunks_exact(row_bytes.max(1)).take(height);
    let columns = (0..width).map(|column| column * usize::from(page.samples) + usize::from(sample));
    let values = match reader.info().bit_depth {
        BitDepth::Sixteen => {
            let value = |row: &[u8], at: usize| u16::from_be_bytes([row[2 * at], row[2 * at + 1]]);
            PixelValues::U16(rows.flat_map(|row| columns.clone().map(move |at| value(row, at))).collect())
        }
        depth => {
            let bits = depth as usize;
            let value = move |row: &[u8], at: usize| {
                let bit = at * bits;
                (u32::from(row[bit / 8]) >> (8 - bits - bit % 8) & ((1 << bits) - 1)) as u8
            };
            PixelValues::U8(rows.flat_map(|row| columns.clone().map(move |at| value(row, at))).collect())
        }
    };
    Ok(Raster { width, height, sample_type: page.sample_type, values })
}

/// A file at its pixels, whose sides were checked before any memory was asked for.
fn opened(path: &Path) -> Result<Reader<BufReader<File>>, LoadError> {
    let file = File::open(path).map_err(|cause| LoadError::io(path, cause))?;
    let limits = Limits { bytes: 8 * MAX_PIXELS as usize };
    let mut decoder = Decoder::new_with_limits(BufReader::with_capacity(1 << 16, file), limits);
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.ignore_checksums(false);
    let header = decoder.read_header_info().map_err(|cause| damaged(path, cause))?;
    check_size(path, header.width.into(), header.height.into())?;
    decoder.read_info().map_err(|cause| damaged(path, cause))
}

fn page(reader: &Reader<BufReader<File>>) -> Page {
    let info = reader.info();
    let (samples, meaning) = match info.color_type {
        ColorType::Grayscale | ColorType::Indexed => (1, Samples::Gray),
        ColorType::GrayscaleAlpha => (2, Samples::Gray),
        ColorType::Rgb => (3, Samples::Rgb),
        ColorType::Rgba => (4, Samples::Rgb),
    };
    let is_indexed = info.color_type == ColorType::Indexed;
    let palette: Vec<[u8; 3]> = match info.palette.as_ref().filter(|_| is_indexed) {
        Some(palette) => palette.chunks_exact(3).map(|color| [color[0], color[1], color[2]]).collect(),
        None => Vec::new(),
    };
    let sample_type = if info.bit_depth == BitDepth::Sixteen { SampleType::U16 } else { SampleType::U8 };
    let (width, height) = (info.width, info.height);
    Page { width, height, samples, meaning, has_painted_palette: is_painted(&palette), sample_type }
}

fn damaged(path: &Path, cause: DecodingError) -> LoadError {
    match cause {
        DecodingError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            bad(path, "damaged PNG: the file ends within the image; it is cut off")
        }
        DecodingError::IoError(cause) => LoadError::io(path, cause),
        cause => bad(path, format!("damaged PNG: {}", cause.to_string().trim_end_matches('.'))),
    }
}

/// Walks over the chunks to the last one, to find files that are cut off without decoding them.
fn check_end(path: &Path) -> Result<(), LoadError> {
    let io = |cause| LoadError::io(path, cause);
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let length = file.get_ref().metadata().map_err(io)?.len();
    // After the signature: length, kind, data and checksum of each chunk.
    let mut at = 8;
    loop {
        let mut start = [0; 8];
        if at + 8 > length {
            return Err(bad(path, "damaged PNG: a chunk ends beyond the file; it is cut off"));
        }
        file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut start)).map_err(io)?;
        let n_bytes = u32::from_be_bytes([start[0], start[1], start[2], start[3]]);
        at += 12 + u64::from(n_bytes);
        if at > length {
            return Err(bad(path, "damaged PNG: a chunk ends beyond the file; it is cut off"));
        }
        if &start[4..] == b"IEND" {
            return Ok(());
        }
    }
}

/// A PNG of packed rows; one with a palette has a gray one. For tests.
#[cfg(test)]
pub(in crate::load::image) fn encode(width: u32, height: u32, color: ColorType, bits: u8, rows: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::from_u8(bits).unwrap());
    if color == ColorType::Indexed {
        encoder.set_palette((0..1u32 << bits).flat_map(|index| [index as u8; 3]).collect::<Vec<u8>>());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(rows).unwrap();
    writer.finish().unwrap();
    bytes
}
