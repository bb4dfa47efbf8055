//! NumPy's `.npz`: a zip of `.npy` arrays.
//!
//! Only the central directory at the end of the archive is trusted; entries are stored or deflated. Of each array the
//! header tells type, order and shape: numbers (`<f4`, `<f8`, `<i4`, `<i8`) in C order are read, Python objects and
//! other types are passed over.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::pixels::bad;
use crate::load::error::LoadError;
use crate::load::text;

/// Largest archive and largest array, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// An array of numbers.
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// The arrays of numbers in an archive, by name.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Array>, LoadError> {
    text::refuse_what_is_no_file(path)?;
    let io = |cause| LoadError::io(path, cause);
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > MAX_BYTES {
        return Err(bad(path, format!("{length} bytes, expected an archive of at most {MAX_BYTES}")));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let damaged = || bad(path, "damaged .npz: no zip directory at its end, or one that points beyond it");
    let mut arrays = BTreeMap::new();
    for (name, packed, is_deflated, size) in entries(&bytes).ok_or_else(damaged)? {
        if size > MAX_BYTES {
            return Err(bad(path, format!("`{name}` has {size} bytes, expected at most {MAX_BYTES}")));
        }
        let mut content = Vec::new();
        if is_deflated {
            let read = DeflateDecoder::new(packed).take(size).read_to_end(&mut content);
            read.map_err(|cause| bad(path, format!("damaged .npz: `{name}`: {cause}")))?;
        } else {
            content.extend_from_slice(packed);
        }
        if let Some(array) = array(&content) {
            arrays.insert(name.trim_end_matches(".npy").to_owned(), array);
        }
    }
    Ok(arrays)
}

type Entry<'a> = (String, &'a [u8], bool, u64);

/// Name, packed bytes, whether they are deflated, and size of each entry.
fn entries(bytes: &[u8]) -> Option<Vec<Entry<'_>>> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let n = u16_at(end + 10)?;
    let mut at = u32_at(end + 16)?;
    let mut entries = Vec::new();
    for _ in 0..n {
        if bytes.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let (method, packed, size) = (u16_at(at + 10)?, u32_at(at + 20)?, u32_at(at + 24)?);
        let (name_length, extra, comment) = (u16_at(at + 28)?, u16_at(at + 30)?, u16_at(at + 32)?);
        let local = u32_at(at + 42)?;
        let name = String::from_utf8_lossy(bytes.get(at + 46..at + 46 + usize::from(name_length))?).into_owned();
        let start = local + 30 + usize::from(u16_at(local + 26)?) + usize::from(u16_at(local + 28)?);
        if method == 0 || method == 8 {
            entries.push((name, bytes.get(start..start.checked_add(packed)?)?, method == 8, size as u64));
        }
        at += 46 + usize::from(name_length) + usize::from(extra) + usize::from(comment);
    }
    Some(entries)
}

/// `\x93NUMPY`, version, length, then `{'descr': '<f4', 'fortran_order': False, 'shape': (206, 2), }`.
fn array(bytes: &[u8]) -> Option<Array> {
    let (length, start) = match bytes.get(..8)? {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => {
            (u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?) as usize, 10)
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => {
            (u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize, 12)
        }
        _ => return None,
    };
    let header = std::str::from_utf8(bytes.get(start..start + length)?).ok()?;
    if header.contains("'fortran_order': True") {
        return None;
    }
    let between = |open: &str, close: char| {
        let rest = &header[header.find(open)? + open.len()..];
        Some(&rest[..rest.find(close)?])
    };
    let kind = between("'descr': '", '\'')?;
    let shape = between("'shape': (", ')')?.split(',').map(str::trim).filter(|part| !part.is_empty());
    let shape = shape.map(|part| part.parse().ok()).collect::<Option<Vec<usize>>>()?;
    let n = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size))?;
    let data = &bytes[start + length..];
    fn numbers<const N: usize>(data: &[u8], n: usize, convert: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let data = data.get(..n.checked_mul(N)?)?;
        Some(data.chunks_exact(N).map(|chunk| convert(chunk.try_into().expect("chunks of N bytes"))).collect())
    }
    let values = match kind {
        "<f4" => numbers(data, n, |bytes| f64::from(f32::from_le_bytes(bytes))),
        "<f8" => numbers(data, n, f64::from_le_bytes),
        "<i4" => numbers(data, n, |bytes| f64::from(i32::from_le_bytes(bytes))),
        "<i8" => numbers(data, n, |bytes| i64::from_le_bytes(bytes) as f64),
        _ => None,
    }?;
    Some(Array { shape, values })
}
