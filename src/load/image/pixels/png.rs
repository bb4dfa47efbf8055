//! PNG: gray, palette or color, 1 to 16 bits, interlaced or not.
//!
//! ```text
//! 89 "PNG" 0D 0A 1A 0A, then chunks: <length: u32> <kind: 4 letters> <data> <crc: u32>, all big-endian
//! IHDR: <width: u32> <height: u32> <bits> <color: 0 gray, 2 RGB, 3 palette, 4 gray + alpha, 6 RGBA> 0 0 <interlaced>
//! IDAT: one zlib stream, cut anywhere, of rows: a filter byte, then packed samples
//! ```
//!
//! Read by hand, since the usual decoders either expand palettes to colors, which loses the labels of masks, or change
//! the features of crates that everything else here is built upon. Inflating is `flate2`'s work. Checksums of chunks
//! and of the stream are verified.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::ZlibDecoder;

use super::{Page, PixelValues, Raster, SampleType, Samples, bad, check_sample, check_size, one_of};
use crate::load::LoadError;

/// First column, first row, steps between columns and rows of the passes of an interlaced picture.
const ADAM7: [(usize, usize, usize, usize); 7] =
    [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

const CRC: [u32; 256] = crc_table();

struct Header {
    page: Page,
    bits: usize,
    is_interlaced: bool,
}

/// The header.
pub(super) fn probe(path: &Path) -> Result<Page, LoadError> {
    let mut chunks = Chunks::open(path)?;
    let header = chunks.header()?;
    chunks.skip_to_end()?;
    Ok(header.page)
}

/// One sample of every pixel.
pub(super) fn decode(path: &Path, sample: u16) -> Result<Raster, LoadError> {
    let mut chunks = Chunks::open(path)?;
    let header = chunks.header()?;
    let page = &header.page;
    check_sample(path, sample, page.samples)?;
    let (width, height) = (page.width as usize, page.height as usize);
    let n_samples = usize::from(page.samples);
    let mut rows = Rows { stream: ZlibDecoder::new(Pixels::of(chunks)), path };
    let bits_of_pixel = n_samples * header.bits;
    let mut eight = vec![0u8; if header.bits == 16 { 0 } else { width * height * n_samples }];
    let mut sixteen = vec![0u16; if header.bits == 16 { width * height * n_samples } else { 0 }];
    let whole = [(0, 0, 1, 1)];
    for &(left, top, step_x, step_y) in if header.is_interlaced { &ADAM7[..] } else { &whole[..] } {
        let columns = width.saturating_sub(left).div_ceil(step_x);
        if columns == 0 {
            continue;
        }
        let mut previous = vec![0u8; (columns * bits_of_pixel).div_ceil(8)];
        for y in (top..height).step_by(step_y) {
            previous = rows.next(&previous, bits_of_pixel.div_ceil(8))?;
            for column in 0..columns {
                let pixel = (y * width + left + column * step_x) * n_samples;
                for sample in 0..n_samples {
                    let index = column * n_samples + sample;
                    match header.bits {
                        16 => {
                            sixteen[pixel + sample] = u16::from_be_bytes([previous[2 * index], previous[2 * index + 1]])
                        }
                        8 => eight[pixel + sample] = previous[index],
                        bits => {
                            let bit = index * bits;
                            eight[pixel + sample] = previous[bit / 8] >> (8 - bits - bit % 8) & ((1 << bits) - 1) as u8;
                        }
                    }
                }
            }
        }
    }
    rows.finish()?;
    let values = match header.bits {
        16 => PixelValues::U16(one_of(&sixteen, sample, page.samples)),
        _ => PixelValues::U8(one_of(&eight, sample, page.samples)),
    };
    Ok(Raster { width, height, sample_type: page.sample_type, values })
}

/// The chunks of a file, one after the other.
struct Chunks<'a> {
    file: BufReader<File>,
    path: &'a Path,
    left: u64,
}

impl<'a> Chunks<'a> {
    /// A file whose signature was seen before.
    fn open(path: &'a Path) -> Result<Self, LoadError> {
        let io = |cause| LoadError::io(path, cause);
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut chunks = Self { file: BufReader::with_capacity(1 << 16, file), path, left: length };
        chunks.take(8)?;
        Ok(chunks)
    }

    fn take(&mut self, n: usize) -> Result<Vec<u8>, LoadError> {
        if n as u64 > self.left {
            return Err(bad(self.path, "damaged PNG: a chunk ends beyond the file; it is cut off"));
        }
        self.left -= n as u64;
        let mut bytes = vec![0; n];
        self.file.read_exact(&mut bytes).map_err(|cause| LoadError::io(self.path, cause))?;
        Ok(bytes)
    }

    /// Kind and data of the next chunk.
    fn next(&mut self) -> Result<([u8; 4], Vec<u8>), LoadError> {
        let start = self.take(8)?;
        let word = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let kind = [start[4], start[5], start[6], start[7]];
        let data = self.take(word(&start) as usize)?;
        let expected = word(&self.take(4)?);
        let mut crc = crc_of(!0, &kind);
        crc = !crc_of(crc, &data);
        if crc != expected {
            let kind = String::from_utf8_lossy(&kind).into_owned();
            return Err(bad(self.path, format!("damaged PNG: the checksum of chunk `{kind}` is wrong")));
        }
        Ok((kind, data))
    }

    /// Walks to the last chunk without reading what is in between, to find files that are cut off.
    fn skip_to_end(&mut self) -> Result<(), LoadError> {
        loop {
            let start = self.take(8)?;
            let skipped = u64::from(u32::from_be_bytes([start[0], start[1], start[2], start[3]])) + 4;
            if skipped > self.left {
                return Err(bad(self.path, "damaged PNG: a chunk ends beyond the file; it is cut off"));
            }
            if &start[4..] == b"IEND" {
                return Ok(());
            }
            self.left -= skipped;
            self.file.seek_relative(skipped as i64).map_err(|cause| LoadError::io(self.path, cause))?;
        }
    }

    fn header(&mut self) -> Result<Header, LoadError> {
        let (kind, data) = self.next()?;
        if &kind != b"IHDR" || data.len() != 13 {
            return Err(bad(self.path, "damaged PNG: it does not begin with its header"));
        }
        let side = |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        let (width, height) = (side(0), side(4));
        check_size(self.path, width.into(), height.into())?;
        let (bits, samples, meaning) = match (data[8], data[9]) {
            (bits @ (1 | 2 | 4 | 8 | 16), 0) | (bits @ (1 | 2 | 4 | 8), 3) => (bits, 1, Samples::Gray),
            (bits @ (8 | 16), 2) => (bits, 3, Samples::Rgb),
            (bits @ (8 | 16), 4) => (bits, 2, Samples::Gray),
            (bits @ (8 | 16), 6) => (bits, 4, Samples::Rgb),
            (bits, color) => return Err(bad(self.path, format!("damaged PNG: {bits} bits of color type {color}"))),
        };
        let sample_type = if bits == 16 { SampleType::U16 } else { SampleType::U8 };
        let page = Page { width, height, samples, meaning, has_painted_palette: false, sample_type };
        Ok(Header { page, bits: bits.into(), is_interlaced: data[12] == 1 })
    }
}

/// The data of all pixel chunks as one stream.
struct Pixels<'a> {
    chunks: Chunks<'a>,
    data: Vec<u8>,
    position: usize,
    is_done: bool,
}

impl<'a> Pixels<'a> {
    fn of(chunks: Chunks<'a>) -> Self {
        Self { chunks, data: Vec::new(), position: 0, is_done: false }
    }
}

impl Read for Pixels<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.position == self.data.len() && !self.is_done {
            let (kind, data) = self.chunks.next().map_err(std::io::Error::other)?;
            match &kind {
                b"IDAT" => (self.data, self.position) = (data, 0),
                b"IEND" => self.is_done = true,
                _ => {}
            }
        }
        let n = buffer.len().min(self.data.len() - self.position);
        buffer[..n].copy_from_slice(&self.data[self.position..self.position + n]);
        self.position += n;
        Ok(n)
    }
}

/// The rows of a stream, with their filters undone.
struct Rows<'a> {
    stream: ZlibDecoder<Pixels<'a>>,
    path: &'a Path,
}

impl Rows<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), LoadError> {
        self.stream.read_exact(buffer).map_err(|cause| {
            // A fault of a chunk says itself where it is.
            match cause.get_ref().and_then(|inner| inner.downcast_ref::<LoadError>()) {
                Some(LoadError::Image { path, message }) => {
                    LoadError::Image { path: path.clone(), message: message.clone() }
                }
                _ => bad(self.path, format!("damaged PNG: {cause}")),
            }
        })
    }

    /// The row after `previous`; `step` bytes lie between a sample and that of the pixel before.
    fn next(&mut self, previous: &[u8], step: usize) -> Result<Vec<u8>, LoadError> {
        let mut filter = [0u8];
        self.read(&mut filter)?;
        let mut row = vec![0u8; previous.len()];
        self.read(&mut row)?;
        match filter[0] {
            0 => {}
            1 => (step..row.len()).for_each(|at| row[at] = row[at].wrapping_add(row[at - step])),
            2 => row.iter_mut().zip(previous).for_each(|(value, up)| *value = value.wrapping_add(*up)),
            3 => {
                for at in 0..row.len() {
                    let left = if at < step { 0 } else { u16::from(row[at - step]) };
                    row[at] = row[at].wrapping_add(((left + u16::from(previous[at])) / 2) as u8);
                }
            }
            4 => {
                for at in 0..row.len() {
                    let (left, corner) = if at < step { (0, 0) } else { (row[at - step], previous[at - step]) };
                    row[at] = row[at].wrapping_add(paeth(left, previous[at], corner));
                }
            }
            other => return Err(bad(self.path, format!("damaged PNG: a row has filter {other}, expected 0 to 4"))),
        }
        Ok(row)
    }

    /// Verifies the checksum at the end of the stream.
    fn finish(mut self) -> Result<(), LoadError> {
        let mut rest = [0u8];
        match self.stream.read_exact(&mut rest) {
            // What follows the last row belongs to no pixel.
            Ok(()) => Ok(()),
            Err(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
            Err(cause) => Err(bad(self.path, format!("damaged PNG: {cause}"))),
        }
    }
}

/// Whichever of left, up and corner is nearest to left + up - corner.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let (to_a, to_b, to_c) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    if to_a <= to_b && to_a <= to_c {
        left
    } else if to_b <= to_c {
        up
    } else {
        corner
    }
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut value, mut bit) = (byte as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// The checksum of `bytes` that follow those of `crc`.
pub(super) fn crc_of(crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, &byte| crc >> 8 ^ CRC[((crc ^ u32::from(byte)) & 0xFF) as usize])
}

/// A PNG with its rows unfiltered; for tests.
#[cfg(test)]
pub(in crate::load::image) fn encode(width: u32, height: u32, color: u8, bits: u8, rows: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(kind);
        bytes.extend(data);
        bytes.extend((!crc_of(crc_of(!0, kind), data)).to_be_bytes());
    };
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([bits, color, 0, 0, 0]);
    chunk(b"IHDR", &header);
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for row in rows.chunks_exact(rows.len() / height.max(1) as usize) {
        encoder.write_all(&[0]).unwrap();
        encoder.write_all(row).unwrap();
    }
    chunk(b"IDAT", &encoder.finish().unwrap());
    chunk(b"IEND", &[]);
    bytes
}
