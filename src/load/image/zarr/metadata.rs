//! What `.zarray` or `zarr.json` say of an array.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Codec;
use crate::load::LoadError;
use crate::load::image::pixels::{SampleType, bad};

/// An array as its metadata describe it.
pub(in crate::load::image) struct Array {
    pub(super) shape: Vec<u64>,
    /// Of the files; of shards, where there are any.
    pub(super) chunk: Vec<u64>,
    pub(super) sample_type: SampleType,
    pub(super) is_big_endian: bool,
    /// The fill value as the bytes of a pixel.
    pub(super) fill: Vec<u8>,
    /// How (inner) chunks were packed, in the order of packing.
    pub(super) codecs: Vec<Codec>,
    pub(super) shards: Option<Shards>,
    /// How files of chunks are called: whether `c` comes first, and what stands between the indices. The first way is
    /// the declared one; the others are tried where it finds no file, since older writers do not declare it or declare
    /// another than they use.
    names: Vec<(bool, char)>,
}

/// Names of chunks such as `0/0/1` and `0.0.1`.
const NESTED: (bool, char) = (false, '/');
const FLAT: (bool, char) = (false, '.');

/// Chunks within the files.
pub(super) struct Shards {
    pub inner: Vec<u64>,
    pub has_checksum: bool,
    pub is_index_first: bool,
}

/// A file of metadata, of 64 MiB at most.
pub(in crate::load::image) fn read_json(path: &Path) -> Result<Value, LoadError> {
    const MAX_BYTES: u64 = 64 << 20;
    let about = std::fs::metadata(path).map_err(|cause| LoadError::io(path, cause))?;
    // Reading a pipe may wait for ever.
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(bad(path, format!("is not a file of at most {MAX_BYTES} bytes, expected metadata as JSON")));
    }
    let bytes = std::fs::read(path).map_err(|cause| LoadError::io(path, cause))?;
    serde_json::from_slice(&bytes).map_err(|error| bad(path, format!("is not JSON: {error}")))
}

impl Array {
    /// The array in a folder.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let (file, is_third) = match path.join("zarr.json") {
            file if file.is_file() => (file, true),
            _ => (path.join(".zarray"), false),
        };
        let value = read_json(&file)?;
        let refused = |message: String| bad(&file, message);
        let array = if is_third { third(&value) } else { second(&value) }.map_err(refused)?;
        let n_axes = array.shape.len();
        let inner = array.shards.as_ref().map_or(&array.chunk, |shards| &shards.inner);
        let is_whole = |chunk: &Vec<u64>| chunk.len() == n_axes && chunk.iter().all(|&size| size > 0);
        let divides = array.chunk.iter().zip(inner).all(|(outer, inner)| *inner > 0 && outer % inner == 0);
        if !is_whole(&array.chunk) || !is_whole(inner) || !divides {
            return Err(refused(format!(
                "chunks of {:?} and {inner:?} for an array of {:?}",
                array.chunk, array.shape
            )));
        }
        Ok(array)
    }

    /// The file of a chunk in the array's folder, if there is one.
    pub fn file(&self, folder: &Path, place: &[u64]) -> Option<PathBuf> {
        let name = |&(has_prefix, separator): &(bool, char)| {
            let parts = has_prefix.then(|| "c".to_owned()).into_iter().chain(place.iter().map(u64::to_string));
            folder.join(parts.collect::<Vec<_>>().join(&separator.to_string()))
        };
        self.names.iter().map(name).find(|file| file.is_file())
    }

    pub fn sample_type_bytes(&self) -> usize {
        self.fill.len()
    }
}

/// Format 2.
fn second(value: &Value) -> Result<Array, String> {
    if value["order"].as_str().is_some_and(|order| order != "C") {
        return Err("is in Fortran order, which is not read".to_owned());
    }
    if value["filters"].as_array().is_some_and(|filters| !filters.is_empty()) {
        return Err(format!("has filters, which are not read: {}", value["filters"]));
    }
    let text = value["dtype"]
        .as_str()
        .ok_or_else(|| format!("`dtype` is {}, expected a text such as \"<u2\"", value["dtype"]))?;
    let is_big_endian = text.starts_with('>');
    let sample_type = match text.trim_start_matches(['<', '>', '|']) {
        "u1" => SampleType::U8,
        "u2" => SampleType::U16,
        "u4" => SampleType::U32,
        "i1" => SampleType::I8,
        "i2" => SampleType::I16,
        "i4" => SampleType::I32,
        "f4" => SampleType::F32,
        "f8" => SampleType::F64,
        _ => return Err(format!("an array of `{text}`, expected integers of 8, 16 or 32 bits or floats")),
    };
    let compressor = &value["compressor"];
    let codecs = match compressor["id"].as_str() {
        None if compressor.is_null() => Vec::new(),
        Some("blosc") => vec![Codec::Blosc],
        Some("gzip") => vec![Codec::Gzip],
        Some("zlib") => vec![Codec::Zlib],
        Some("zstd") => vec![Codec::Zstd],
        _ => return Err(format!("is packed with {compressor}, expected blosc, gzip, zlib or zstd")),
    };
    Ok(Array {
        shape: sizes(&value["shape"], "shape")?,
        chunk: sizes(&value["chunks"], "chunks")?,
        fill: fill(&value["fill_value"], sample_type, is_big_endian)?,
        sample_type,
        is_big_endian,
        codecs,
        shards: None,
        names: if value["dimension_separator"] == "/" { vec![NESTED, FLAT] } else { vec![FLAT, NESTED] },
    })
}

/// Format 3.
fn third(value: &Value) -> Result<Array, String> {
    if value["node_type"] != "array" {
        return Err("is a group, expected an array".to_owned());
    }
    let text = value["data_type"].as_str().unwrap_or_default();
    let sample_type = match text {
        "uint8" => SampleType::U8,
        "uint16" => SampleType::U16,
        "uint32" => SampleType::U32,
        "int8" => SampleType::I8,
        "int16" => SampleType::I16,
        "int32" => SampleType::I32,
        "float32" => SampleType::F32,
        "float64" => SampleType::F64,
        _ => {
            return Err(format!("an array of {}, expected integers of 8, 16 or 32 bits or floats", value["data_type"]));
        }
    };
    let grid = &value["chunk_grid"];
    if grid["name"] != "regular" {
        return Err(format!("a chunk grid of {grid}, expected a regular one"));
    }
    let encoding = &value["chunk_key_encoding"];
    let is_default = encoding["name"] == "default";
    let given = encoding["configuration"]["separator"].as_str().and_then(|text| text.chars().next());
    let mut is_big_endian = false;
    let mut shards = None;
    let mut pipeline = value["codecs"].as_array().cloned().unwrap_or_default();
    if pipeline.first().is_some_and(|codec| codec["name"] == "sharding_indexed") {
        if pipeline.len() > 1 {
            return Err(format!("packs shards again, which is not read: {}", value["codecs"]));
        }
        let configuration = pipeline[0]["configuration"].clone();
        let index: Vec<Value> = configuration["index_codecs"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = index.iter().filter_map(|codec| codec["name"].as_str()).collect();
        let is_little = index.first().is_some_and(|codec| codec["configuration"]["endian"] != "big");
        if !is_little || !matches!(names.as_slice(), ["bytes"] | ["bytes", "crc32c"]) {
            return Err(format!("an index of shards that is not read: {}", configuration["index_codecs"]));
        }
        shards = Some(Shards {
            inner: sizes(&configuration["chunk_shape"], "chunk_shape")?,
            has_checksum: names.len() == 2,
            is_index_first: configuration["index_location"] == "start",
        });
        pipeline = configuration["codecs"].as_array().cloned().unwrap_or_default();
    }
    let mut codecs = Vec::new();
    for codec in &pipeline {
        match codec["name"].as_str().unwrap_or_default() {
            "bytes" => is_big_endian = codec["configuration"]["endian"] == "big",
            "blosc" => codecs.push(Codec::Blosc),
            "gzip" => codecs.push(Codec::Gzip),
            "zstd" => codecs.push(Codec::Zstd),
            "crc32c" => codecs.push(Codec::Crc32c),
            "transpose" if is_identity(&codec["configuration"]["order"]) => {}
            _ => {
                return Err(format!(
                    "a codec that is not read: {codec}; expected bytes, blosc, gzip, zstd, crc32c or sharding_indexed"
                ));
            }
        }
    }
    Ok(Array {
        shape: sizes(&value["shape"], "shape")?,
        chunk: sizes(&grid["configuration"]["chunk_shape"], "chunk_shape")?,
        fill: fill(&value["fill_value"], sample_type, is_big_endian)?,
        sample_type,
        is_big_endian,
        codecs,
        shards,
        names: {
            let declared = (is_default, given.unwrap_or(if is_default { '/' } else { '.' }));
            let others = [(true, '/'), (true, '.'), NESTED, FLAT].into_iter().filter(|name| *name != declared);
            [declared].into_iter().chain(others).collect()
        },
    })
}

fn is_identity(order: &Value) -> bool {
    order
        .as_array()
        .is_some_and(|order| order.iter().enumerate().all(|(index, axis)| axis.as_u64() == Some(index as u64)))
}

fn sizes(value: &Value, name: &str) -> Result<Vec<u64>, String> {
    let sizes = value.as_array().map(|sizes| sizes.iter().map(Value::as_u64).collect::<Option<Vec<_>>>());
    sizes.flatten().ok_or_else(|| format!("`{name}` is {value}, expected a list of whole numbers"))
}

fn fill(value: &Value, sample_type: SampleType, is_big_endian: bool) -> Result<Vec<u8>, String> {
    let number = match value {
        Value::Null => 0.0,
        Value::Bool(value) => f64::from(u8::from(*value)),
        // Of floats; a pixel that has it is refused, as any that is no number.
        Value::String(text) if ["NaN", "Infinity", "-Infinity"].contains(&text.as_str()) => {
            text.parse().expect("Rust knows these numbers by the same names")
        }
        value => value.as_f64().ok_or_else(|| format!("`fill_value` is {value}, expected a number"))?,
    };
    let mut bytes = match sample_type {
        SampleType::U8 => (number as u8).to_le_bytes().to_vec(),
        SampleType::U16 => (number as u16).to_le_bytes().to_vec(),
        SampleType::U32 => (number as u32).to_le_bytes().to_vec(),
        SampleType::I8 => (number as i8).to_le_bytes().to_vec(),
        SampleType::I16 => (number as i16).to_le_bytes().to_vec(),
        SampleType::I32 => (number as i32).to_le_bytes().to_vec(),
        SampleType::F16 => vec![0; 2],
        SampleType::F32 => (number as f32).to_le_bytes().to_vec(),
        SampleType::F64 => number.to_le_bytes().to_vec(),
    };
    if is_big_endian {
        bytes.reverse();
    }
    Ok(bytes)
}
