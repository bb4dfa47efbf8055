//! JPEG: gray, or color as red, green and blue.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{MAX_PIXELS, Page, PixelValues, Raster, SampleType, bad, check_sample, check_size, one_of};
use crate::load::LoadError;

/// The header.
pub(super) fn probe(path: &Path) -> Result<Page, LoadError> {
    let bytes = read(path)?;
    check_end(path, &bytes)?;
    header(path, &mut decoder(&bytes))
}

/// One sample of every pixel.
pub(super) fn decode(path: &Path, sample: u16) -> Result<Raster, LoadError> {
    let bytes = read(path)?;
    check_end(path, &bytes)?;
    let mut decoder = decoder(&bytes);
    let page = header(path, &mut decoder)?;
    check_sample(path, sample, page.samples)?;
    let space = if page.samples == 1 { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options().jpeg_set_out_colorspace(space));
    let pixels = decoder.decode().map_err(|cause| bad(path, format!("damaged JPEG: {cause:?}")))?;
    let values = one_of(&pixels, sample, page.samples);
    let (width, height) = (page.width as usize, page.height as usize);
    if values.len() != width * height {
        return Err(bad(path, format!("damaged JPEG: {} pixels, expected {width} x {height}", values.len())));
    }
    Ok(Raster { width, height, sample_type: SampleType::U8, values: PixelValues::U8(values) })
}

/// The decoder fills what is cut off with gray, so the end is looked for here.
fn check_end(path: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let is_whole = bytes.windows(2).rev().take(1 << 16).any(|pair| pair == [0xFF, 0xD9]);
    let missing = || bad(path, "damaged JPEG: the end of the image is missing; the file is cut off");
    if is_whole { Ok(()) } else { Err(missing()) }
}

fn options() -> DecoderOptions {
    DecoderOptions::default().set_strict_mode(true).set_max_width(1 << 16).set_max_height(1 << 16)
}

fn decoder(bytes: &[u8]) -> JpegDecoder<ZCursor<&[u8]>> {
    JpegDecoder::new_with_options(ZCursor::new(bytes), options())
}

fn header(path: &Path, decoder: &mut JpegDecoder<ZCursor<&[u8]>>) -> Result<Page, LoadError> {
    decoder.decode_headers().map_err(|cause| bad(path, format!("damaged JPEG: {cause:?}")))?;
    let info = decoder.info().ok_or_else(|| bad(path, "damaged JPEG: no header"))?;
    check_size(path, info.width.into(), info.height.into())?;
    let samples = match info.components {
        1 => 1,
        3 => 3,
        n => return Err(bad(path, format!("a JPEG of {n} components, expected 1 (gray) or 3 (color)"))),
    };
    Ok(Page { width: info.width.into(), height: info.height.into(), samples, sample_type: SampleType::U8 })
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let io = |cause| LoadError::io(path, cause);
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    if length > 4 * MAX_PIXELS {
        return Err(bad(path, format!("{length} bytes, expected a JPEG of at most {}", 4 * MAX_PIXELS)));
    }
    let mut bytes = Vec::new();
    file.take(4 * MAX_PIXELS).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}
