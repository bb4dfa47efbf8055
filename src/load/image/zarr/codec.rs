//! Packed bytes of a chunk -> its bytes.
//!
//! A blosc frame (version 1) is cut into blocks, a block into one stream for each byte of a pixel or a single one:
//!
//! ```text
//! <2> <codec's version> <flags> <bytes of a pixel> <bytes: u32> <bytes of a block: u32> <bytes of the frame: u32>
//! <where each block begins: u32 …>, block: <packed length of a stream: i32> <stream> …
//! flags: 1 bytes shuffled, 2 not packed, 4 bits shuffled, 16 one stream a block, 5th to 7th bit the codec
//! ```

use std::io::Read;

/// A step of packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Blosc,
    Gzip,
    Zlib,
    Zstd,
    /// Four bytes at the end, which must be the checksum of those before.
    Crc32c,
}

/// Blosc splits blocks into at most so many streams, each of at least so many bytes.
const MAX_STREAMS: usize = 16;
const MIN_STREAM: usize = 128;

/// Undoes `codecs`, which were applied in their order, and refuses all but `n_bytes` bytes.
pub(super) fn unpack(mut bytes: Vec<u8>, codecs: &[Codec], n_bytes: usize) -> Result<Vec<u8>, String> {
    // A step before the last packed one may be a little longer than the chunk.
    let limit = n_bytes + 64;
    for codec in codecs.iter().rev() {
        bytes = match codec {
            Codec::Crc32c => {
                let (content, checksum) =
                    bytes.split_last_chunk().ok_or("damaged chunk: it is shorter than its checksum")?;
                check_crc32c(crc32c::crc32c(content), *checksum).map_err(|why| format!("damaged chunk: {why}"))?;
                bytes.truncate(bytes.len() - 4);
                bytes
            }
            Codec::Gzip => inflated(flate2::read::MultiGzDecoder::new(bytes.as_slice()), limit)?,
            Codec::Zlib => inflated(flate2::read::ZlibDecoder::new(bytes.as_slice()), limit)?,
            Codec::Zstd => unzstd(&bytes, limit)?,
            Codec::Blosc => unblosc(&bytes, limit)?,
        };
    }
    if bytes.len() != n_bytes {
        return Err(format!("damaged chunk: {} bytes, expected {n_bytes}", bytes.len()));
    }
    Ok(bytes)
}

/// Refuses bytes whose CRC-32C is not the one that was stored behind them, in little-endian order.
pub(super) fn check_crc32c(computed: u32, stored: [u8; 4]) -> Result<(), String> {
    let stored = u32::from_le_bytes(stored);
    if computed == stored {
        return Ok(());
    }
    Err(format!("its crc32c is {computed:08x}, expected {stored:08x} as stored; copy the file again"))
}

fn inflated(decoder: impl Read, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    decoder.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|cause| format!("damaged chunk: {cause}"))?;
    Ok(bytes)
}

fn unzstd(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let decoder = zstd::stream::read::Decoder::new(bytes).map_err(|cause| format!("damaged chunk: {cause}"))?;
    inflated(decoder, limit)
}

fn unblosc(frame: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let cut = || "damaged chunk: a blosc frame that is cut off or contradicts itself".to_owned();
    let word = |at: usize| -> Option<usize> {
        let bytes = frame.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let (&flags, &pixel) = frame.get(2).zip(frame.get(3)).ok_or_else(cut)?;
    let pixel = usize::from(pixel).max(1);
    let (n_bytes, block_bytes) = word(4).zip(word(8)).ok_or_else(cut)?;
    if n_bytes > limit {
        return Err(format!("damaged chunk: {n_bytes} bytes, expected at most {limit}"));
    }
    if flags & 2 != 0 {
        return frame.get(16..16 + n_bytes).map(<[u8]>::to_vec).ok_or_else(cut);
    }
    if block_bytes == 0 {
        return if n_bytes == 0 { Ok(Vec::new()) } else { Err(cut()) };
    }
    let mut unpacked = Vec::with_capacity(n_bytes);
    for block in 0..n_bytes.div_ceil(block_bytes) {
        let size = block_bytes.min(n_bytes - block * block_bytes);
        let is_split = flags & 16 == 0 && pixel <= MAX_STREAMS && size / pixel >= MIN_STREAM && size == block_bytes;
        let n_streams = if is_split { pixel } else { 1 };
        let stream_bytes = size / n_streams;
        let mut at = word(16 + 4 * block).ok_or_else(cut)?;
        let mut bytes = Vec::with_capacity(size);
        for _ in 0..n_streams {
            let length = word(at).ok_or_else(cut)?;
            let packed = frame.get(at + 4..(at + 4).checked_add(length).ok_or_else(cut)?).ok_or_else(cut)?;
            at += 4 + length;
            let stream = match flags >> 5 {
                _ if length == stream_bytes => packed.to_vec(),
                1 => lz4_flex::block::decompress(packed, stream_bytes).map_err(|_| cut())?,
                3 => inflated(flate2::read::ZlibDecoder::new(packed), stream_bytes)?,
                4 => unzstd(packed, stream_bytes)?,
                0 => return Err("a blosc frame packed with blosclz, which is not read".to_owned()),
                2 => return Err("a blosc frame packed with snappy, which is not read".to_owned()),
                other => return Err(format!("a blosc frame packed with codec {other}, which is not known")),
            };
            if stream.len() != stream_bytes {
                return Err(cut());
            }
            bytes.extend(stream);
        }
        if bytes.len() != size {
            return Err(cut());
        }
        match flags & 5 {
            1 if pixel > 1 => unpacked.extend(unshuffled(&bytes, pixel)),
            // Bits are shuffled in eights of pixels; format 2 leaves a block as it is that has others.
            4 | 5 if frame[0] > 2 || (size / pixel).is_multiple_of(8) => {
                unpacked.extend(with_bits_in_order(&bytes, pixel))
            }
            _ => unpacked.extend(bytes),
        }
    }
    Ok(unpacked)
}

/// First bytes of all pixels, then second bytes, … -> pixels; what fills no pixel stands as it is at the end.
fn unshuffled(bytes: &[u8], pixel: usize) -> Vec<u8> {
    let n_pixels = bytes.len() / pixel;
    let mut pixels = Vec::with_capacity(bytes.len());
    for index in 0..n_pixels {
        pixels.extend((0..pixel).map(|byte| bytes[byte * n_pixels + index]));
    }
    pixels.extend(&bytes[n_pixels * pixel..]);
    pixels
}

/// First bits of first bytes of all pixels, then second bits, … -> pixels; pixels beyond the last eight stand as they
/// are.
fn with_bits_in_order(bytes: &[u8], pixel: usize) -> Vec<u8> {
    let n_pixels = bytes.len() / pixel / 8 * 8;
    let row_bytes = n_pixels / 8;
    let mut pixels = vec![0u8; n_pixels * pixel];
    for byte in 0..pixel {
        for bit in 0..8 {
            let row = &bytes[(byte * 8 + bit) * row_bytes..][..row_bytes];
            for index in 0..n_pixels {
                pixels[index * pixel + byte] |= (row[index / 8] >> (index % 8) & 1) << bit;
            }
        }
    }
    pixels.extend(&bytes[n_pixels * pixel..]);
    pixels
}
