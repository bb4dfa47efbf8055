//! Arrays of zarr, format 2 and 3, as far as images need them.
//!
//! ```text
//! .zarray    { "shape": [2, 1, 1080, 1280], "chunks": [1, 1, 540, 640], "dtype": "<u2", "order": "C", "filters": null,
//!              "compressor": { "id": "blosc", "cname": "lz4", … }, "dimension_separator": "/", "fill_value": 0 }
//! zarr.json  { "shape": …, "data_type": "uint16", "chunk_grid": { "configuration": { "chunk_shape": … } }, "codecs": [
//!              { "name": "sharding_indexed", "configuration": { "chunk_shape": …, "codecs": …, "index_codecs": … } } ] }
//! ```
//!
//! Chunks are files named by their indices; one that is absent holds the fill value. Files are found as `0/0/1` and as
//! `0.0.1`, whichever the metadata say, or say nothing of. Read are integers of 8, 16 and 32
//! bits and floats of 32 and 64 in C order, plain or packed with gzip, zlib, zstd or blosc (lz4, zlib, zstd; bytes or
//! bits shuffled or not), and shards of such chunks. Other codecs, filters and transposed arrays are refused by name.
//! Read by hand, since the `zarrs` crate would bring fifty crates and change features that burn and polars are built
//! with.

mod codec;
mod metadata;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use codec::Codec;
pub(super) use metadata::Array;
use metadata::Shards;
pub(super) use metadata::read_json;

use super::pixels::{PixelValues, Raster, SampleType, bad, check_size};
use super::shape::Shape;
use crate::load::LoadError;

/// Largest chunk, in bytes when unpacked.
const MAX_CHUNK: u64 = 1 << 30;

/// Sizes of the axes before y and x, the shape of a plane, and the array as its metadata describe it.
pub(super) fn describe(path: &Path) -> Result<(Vec<u64>, Shape, Array), LoadError> {
    let array = Array::read(path)?;
    let (leading, [height, width]) = sides(path, &array)?;
    let (leading, sample_type) = (leading.to_vec(), array.sample_type);
    Ok((leading, Shape { width: width as u32, height: height as u32, sample_type }, array))
}

/// The plane at `index`, the indices on all axes but the last two.
pub(super) fn decode(path: &Path, index: &[u64]) -> Result<Raster, LoadError> {
    let array = Array::read(path)?;
    let (leading, [height, width]) = sides(path, &array)?;
    if leading.len() != index.len() || leading.iter().zip(index).any(|(size, at)| at >= size) {
        return Err(bad(path, format!("has no plane {index:?}; its axes are {leading:?}")));
    }
    let inner = array.shards.as_ref().map_or(&array.chunk, |shards| &shards.inner);
    let n_bytes = array.sample_type_bytes();
    let n_pixels = inner.iter().fold(1u64, |n, size| n.saturating_mul(*size));
    if n_pixels.saturating_mul(n_bytes as u64) > MAX_CHUNK {
        return Err(bad(path, format!("chunks of {inner:?}, expected at most {MAX_CHUNK} bytes each")));
    }
    let (chunk_height, chunk_width) = (inner[inner.len() - 2], inner[inner.len() - 1]);
    let mut output = vec![0u8; (height * width) as usize * n_bytes];
    for row in 0..height.div_ceil(chunk_height) {
        for column in 0..width.div_ceil(chunk_width) {
            let mut place: Vec<u64> = index.iter().zip(inner).map(|(at, size)| at / size).collect();
            place.extend([row, column]);
            let chunk = chunk(path, &array, &place, n_pixels as usize * n_bytes)?;
            // Where the plane begins within the chunk.
            let offset = index.iter().zip(inner).fold(0, |offset, (at, size)| offset * size + at % size);
            let first = (offset * chunk_height * chunk_width) as usize * n_bytes;
            let rows = chunk_height.min(height - row * chunk_height);
            let columns = chunk_width.min(width - column * chunk_width);
            for y in 0..rows {
                let from = first + (y * chunk_width) as usize * n_bytes;
                let to = ((row * chunk_height + y) * width + column * chunk_width) as usize * n_bytes;
                let length = columns as usize * n_bytes;
                match &chunk {
                    Some(chunk) => output[to..to + length].copy_from_slice(&chunk[from..from + length]),
                    None => {
                        output[to..to + length]
                            .chunks_exact_mut(n_bytes)
                            .for_each(|pixel| pixel.copy_from_slice(&array.fill));
                    }
                }
            }
        }
    }
    let values = values(path, &output, &array)?;
    Ok(Raster { width: width as usize, height: height as usize, sample_type: array.sample_type, values })
}

/// How many of the files that hold parts of the plane at `index` are there, and how many there could be; what is absent is
/// of the fill value. Of many, the first are looked for.
pub(super) fn count_chunks(path: &Path, array: &Array, index: &[u64]) -> (usize, usize) {
    const MOST: usize = 1 << 16;
    let n_leading = array.shape.len() - 2;
    let [n_rows, n_columns] = [n_leading, n_leading + 1].map(|axis| array.shape[axis].div_ceil(array.chunk[axis]));
    let place = |row, column| -> Vec<u64> {
        index.iter().zip(&array.chunk).map(|(at, size)| at / size).chain([row, column]).collect()
    };
    let places = (0..n_rows).flat_map(|row| (0..n_columns).map(move |column| (row, column))).take(MOST);
    let are_there: Vec<bool> = places.map(|(row, column)| array.file(path, &place(row, column)).is_some()).collect();
    (are_there.iter().filter(|is_there| **is_there).count(), are_there.len())
}

/// Sizes of the leading axes, and of y and x.
fn sides<'a>(path: &Path, array: &'a Array) -> Result<(&'a [u64], [u64; 2]), LoadError> {
    let Some((leading, &[height, width])) = array.shape.split_last_chunk::<2>() else {
        return Err(bad(path, format!("an array of shape {:?}, expected at least y and x", array.shape)));
    };
    check_size(path, width, height)?;
    Ok((leading, [height, width]))
}

/// The unpacked bytes of a chunk (of the inner chunk, in a shard); `None` if it was never written.
fn chunk(path: &Path, array: &Array, place: &[u64], n_bytes: usize) -> Result<Option<Vec<u8>>, LoadError> {
    let Some(shards) = &array.shards else {
        let Some(file) = array.file(path, place) else { return Ok(None) };
        let length = std::fs::metadata(&file).map_err(|cause| LoadError::io(&file, cause))?.len();
        // No codec makes more than a little of what does not pack.
        if length > MAX_CHUNK + (1 << 20) {
            return Err(bad(&file, format!("a chunk of {length} bytes, expected at most {MAX_CHUNK}")));
        }
        let bytes = std::fs::read(&file).map_err(|cause| LoadError::io(&file, cause))?;
        return codec::unpack(bytes, &array.codecs, n_bytes).map(Some).map_err(|message| bad(&file, message));
    };
    let per_shard: Vec<u64> = array.chunk.iter().zip(&shards.inner).map(|(outer, inner)| outer / inner).collect();
    let shard: Vec<u64> = place.iter().zip(&per_shard).map(|(at, n)| at / n).collect();
    let Some(file) = array.file(path, &shard) else { return Ok(None) };
    let position = place.iter().zip(&per_shard).fold(0, |position, (at, n)| position * n + at % n);
    let n_inner = per_shard.iter().fold(1u64, |n, size| n.saturating_mul(*size));
    let packed = inner_chunk(&file, shards, position, n_inner)?;
    let unpacked = packed.map(|bytes| codec::unpack(bytes, &array.codecs, n_bytes)).transpose();
    unpacked.map_err(|message| bad(&file, message))
}

/// The packed bytes of one chunk of a shard, found by the shard's index.
fn inner_chunk(file: &Path, shards: &Shards, position: u64, n_inner: u64) -> Result<Option<Vec<u8>>, LoadError> {
    let io = |cause| LoadError::io(file, cause);
    let mut handle = File::open(file).map_err(io)?;
    let length = handle.metadata().map_err(io)?.len();
    let index_length = n_inner.saturating_mul(16).saturating_add(if shards.has_checksum { 4 } else { 0 });
    if index_length > length {
        return Err(bad(
            file,
            format!("a shard of {length} bytes, expected at least its index of {index_length}; it is cut off"),
        ));
    }
    let start = if shards.is_index_first { 0 } else { length - index_length };
    if shards.has_checksum {
        handle.seek(SeekFrom::Start(start)).map_err(io)?;
        check_index(file, &mut handle, n_inner * 16)?;
    }
    handle.seek(SeekFrom::Start(start + position * 16)).map_err(io)?;
    let mut entry = [0u8; 16];
    handle.read_exact(&mut entry).map_err(io)?;
    let word = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
    let (offset, size) = (word(0), word(8));
    if offset == u64::MAX && size == u64::MAX {
        return Ok(None);
    }
    if offset.checked_add(size).is_none_or(|end| end > length) {
        return Err(bad(file, "a chunk of the shard is beyond its end; the shard is cut off".to_owned()));
    }
    handle.seek(SeekFrom::Start(offset)).map_err(io)?;
    let mut bytes = vec![0u8; size as usize];
    handle.read_exact(&mut bytes).map_err(io)?;
    Ok(Some(bytes))
}

/// Refuses the index of a shard, of `n_bytes` from here, if it does not have the checksum that follows it.
fn check_index(file: &Path, handle: &mut File, n_bytes: u64) -> Result<(), LoadError> {
    let io = |cause| LoadError::io(file, cause);
    let mut computed = 0;
    let mut remaining = n_bytes;
    // In pieces, since a damaged size of the shard must not ask for its memory.
    let mut piece = vec![0u8; n_bytes.min(1 << 16) as usize];
    while remaining > 0 {
        let part = &mut piece[..remaining.min(1 << 16) as usize];
        handle.read_exact(part).map_err(io)?;
        computed = crc32c::crc32c_append(computed, part);
        remaining -= part.len() as u64;
    }
    let mut stored = [0u8; 4];
    handle.read_exact(&mut stored).map_err(io)?;
    codec::check_crc32c(computed, stored).map_err(|why| bad(file, format!("damaged index of the shard: {why}")))
}

/// Bytes of a plane -> pixels.
fn values(path: &Path, bytes: &[u8], array: &Array) -> Result<PixelValues, LoadError> {
    fn each<const N: usize, T>(bytes: &[u8], is_big_endian: bool, convert: impl Fn([u8; N]) -> T) -> Vec<T> {
        let value = |chunk: &[u8]| {
            let mut bytes: [u8; N] = chunk.try_into().expect("chunks of N bytes");
            if is_big_endian {
                bytes.reverse();
            }
            convert(bytes)
        };
        bytes.chunks_exact(N).map(value).collect()
    }
    let big = array.is_big_endian;
    let values = match array.sample_type {
        SampleType::U8 => PixelValues::U8(bytes.to_vec()),
        SampleType::U16 => PixelValues::U16(each(bytes, big, u16::from_le_bytes)),
        SampleType::U32 => PixelValues::U32(each(bytes, big, u32::from_le_bytes)),
        SampleType::I8 => PixelValues::F32(bytes.iter().map(|&byte| f32::from(byte as i8)).collect()),
        SampleType::I16 => PixelValues::F32(each(bytes, big, |b| f32::from(i16::from_le_bytes(b)))),
        SampleType::I32 => PixelValues::F32(each(bytes, big, |b| i32::from_le_bytes(b) as f32)),
        SampleType::F32 => PixelValues::F32(each(bytes, big, f32::from_le_bytes)),
        SampleType::F64 => PixelValues::F32(each(bytes, big, |b| f64::from_le_bytes(b) as f32)),
        SampleType::F16 => return Err(bad(path, "an array of half floats, which are not read")),
    };
    if let PixelValues::F32(values) = &values
        && let Some(value) = values.iter().find(|value| !value.is_finite())
    {
        return Err(bad(path, format!("a pixel is {value}, expected a finite number")));
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
