//! JPEG: gray, or color as red, green and blue.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{MAX_PIXELS, Page, PixelValues, Raster, SampleType, Samples, bad, check_sample, check_size, one_of};
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

/// The samples of a JPEG stream as they are stored.
pub(super) struct Stored {
    pub width: usize,
    pub samples: usize,
    /// `[height, width, samples]`.
    pub values: Vec<u8>,
    /// Whether the marks of a JPEG file, `JFIF` or Adobe's with the number of a transform, say that they are Y, Cb and Cr.
    pub is_marked_ycbcr: bool,
}

/// Decodes a stream inside a TIFF without turning its colors into others.
pub(super) fn stored(path: &Path, stream: Vec<u8>) -> Result<Stored, LoadError> {
    let damaged = |cause| bad(path, format!("damaged TIFF: a strip or tile of JPEG: {cause:?}"));
    let is_marked_ycbcr = is_marked_ycbcr(&stream);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stream.as_slice()), options().set_strict_mode(false));
    decoder.decode_headers().map_err(damaged)?;
    let info = decoder.info().ok_or_else(|| bad(path, "damaged TIFF: a strip or tile of JPEG without a header"))?;
    check_size(path, info.width.into(), info.height.into())?;
    // As it comes out is as it is stored; three colors that Adobe's mark does not transform are called CMYK at first.
    let space = match (decoder.input_colorspace(), info.components) {
        (_, 1) => ColorSpace::Luma,
        (Some(ColorSpace::CMYK), 3) => ColorSpace::RGB,
        (Some(space), _) => space,
        (None, _) => ColorSpace::YCbCr,
    };
    decoder.set_options(options().set_strict_mode(false).jpeg_set_out_colorspace(space));
    let values = decoder.decode().map_err(damaged)?;
    Ok(Stored { width: info.width.into(), samples: info.components.into(), values, is_marked_ycbcr })
}

fn is_marked_ycbcr(stream: &[u8]) -> bool {
    let (mut at, mut is_ycbcr) = (2, false);
    while let Some(&[0xFF, kind, high, low]) = stream.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let content = stream.get(at + 4..at + 2 + length).unwrap_or_default();
        match kind {
            0xE0 if content.starts_with(b"JFIF\0") => is_ycbcr = true,
            0xEE if content.starts_with(b"Adobe") => return content.get(11) == Some(&1),
            0xDA => break,
            _ => {}
        }
        at += 2 + length;
    }
    is_ycbcr
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
    let (samples, meaning) = match info.components {
        1 => (1, Samples::Gray),
        3 => (3, Samples::Rgb),
        n => return Err(bad(path, format!("a JPEG of {n} components, expected 1 (gray) or 3 (color)"))),
    };
    let (width, height) = (info.width.into(), info.height.into());
    Ok(Page { width, height, samples, meaning, has_painted_palette: false, sample_type: SampleType::U8 })
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
