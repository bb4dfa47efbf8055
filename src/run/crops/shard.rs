//! One file of crops; its form is told in the parent module.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Crop;
use crate::load::image::pixels::PixelValues;
use crate::run::{RunError, write_atomically};

const MAGIC: &[u8; 8] = b"cytocrop";
/// Longest header that is read.
const MAX_HEADER: u64 = 1 << 30;

/// An open file of crops.
#[derive(Debug)]
pub(super) struct Shard {
    path: PathBuf,
    file: File,
    sample: Sample,
    /// Where the pixels begin.
    start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sample {
    U8,
    U16,
    U32,
    F32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    n_channels: usize,
    size: usize,
    sample: Sample,
    crops: Vec<Crop>,
}

/// Writes crops of `size` pixels and `n_channels` channels; of several sample types, all become `f32`.
pub(super) fn write(
    path: &Path,
    n_channels: usize,
    size: usize,
    crops: &[(Crop, PixelValues)],
) -> Result<(), RunError> {
    let mut samples: Vec<Sample> = crops.iter().map(|(_, values)| Sample::of(values)).collect();
    samples.dedup();
    let sample = match samples.as_slice() {
        [] => Sample::U8,
        [one] => *one,
        _ => Sample::F32,
    };
    let header = Header { n_channels, size, sample, crops: crops.iter().map(|(crop, _)| *crop).collect() };
    let header = serde_json::to_vec(&header).expect("a header is plain numbers and words");
    write_atomically(path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (_, values) in crops {
            file.write_all(&bytes_of(values, sample))?;
        }
        Ok(())
    })
}

impl Shard {
    /// Opens a file that should hold crops of `size` pixels and `n_channels` channels, and says which.
    pub(super) fn open(path: &Path, n_channels: usize, size: usize) -> Result<(Self, Vec<Crop>), RunError> {
        let damaged =
            |problem: &str| RunError::damaged(path, format!("{problem}; remove the file to have it made anew"));
        let open = || -> std::io::Result<(File, u64, [u8; 16])> {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            let mut start = [0u8; 16];
            if length >= 16 {
                file.read_exact(&mut start)?;
            }
            Ok((file, length, start))
        };
        let (mut file, length, start) = open().map_err(RunError::read(path))?;
        let header_length = u64::from_le_bytes(start[8..].try_into().expect("eight bytes"));
        if start[..8] != *MAGIC || header_length > MAX_HEADER.min(length - 16) {
            return Err(damaged("holds no crops"));
        }
        let mut text = vec![0u8; header_length as usize];
        file.read_exact(&mut text).map_err(RunError::read(path))?;
        let header: Header = serde_json::from_slice(&text).map_err(|_| damaged("has a header that cannot be read"))?;
        let start = 16 + header_length;
        let bytes = n_channels * size * size * header.sample.bytes() * header.crops.len();
        if length != start + bytes as u64 || header.size != size || header.n_channels != n_channels {
            return Err(damaged("holds other crops than its header says"));
        }
        Ok((Self { path: path.to_path_buf(), file, sample: header.sample, start }, header.crops))
    }

    /// Reads the crop at `position` into `values`, which it fills.
    pub(super) fn read(&self, position: u32, values: &mut [f32]) -> Result<(), RunError> {
        let mut bytes = vec![0u8; values.len() * self.sample.bytes()];
        let offset = self.start + u64::from(position) * bytes.len() as u64;
        read_at(&self.file, &mut bytes, offset).map_err(RunError::read(&self.path))?;
        match self.sample {
            Sample::U8 => values.iter_mut().zip(&bytes).for_each(|(value, &byte)| *value = f32::from(byte)),
            Sample::U16 => {
                let pairs = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
                values.iter_mut().zip(pairs).for_each(|(value, read)| *value = f32::from(read));
            }
            Sample::U32 => {
                let words = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                values.iter_mut().zip(words).for_each(|(value, read)| *value = read as f32);
            }
            Sample::F32 => {
                let words = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                values.iter_mut().zip(words).for_each(|(value, read)| *value = read);
            }
        }
        Ok(())
    }
}

impl Sample {
    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }

    fn of(values: &PixelValues) -> Self {
        match values {
            PixelValues::U8(_) => Self::U8,
            PixelValues::U16(_) => Self::U16,
            PixelValues::U32(_) => Self::U32,
            PixelValues::F32(_) => Self::F32,
        }
    }
}

fn bytes_of(values: &PixelValues, sample: Sample) -> Vec<u8> {
    match (values, sample) {
        (PixelValues::U8(values), Sample::U8) => values.clone(),
        (PixelValues::U16(values), Sample::U16) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        (PixelValues::U32(values), Sample::U32) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        (values, _) => values.to_f32().iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => (bytes, offset) = (&mut bytes[n..], offset + n as u64),
        }
    }
    Ok(())
}
