//! Rows of a feature matrix that lie in files: samples of pixels, read and scaled when they are asked for.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A file mapped into memory: of its bytes the system holds what is used and what it has room for.
#[derive(Debug, Clone)]
pub struct MappedFile(Arc<Mmap>);

impl MappedFile {
    /// Maps a file that nobody shortens while it is in use.
    ///
    /// # Errors
    /// If it cannot be opened or mapped.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the bytes are only ever read as numbers, for which every pattern of bits is a value, so a change of the
        // file cannot make an invalid one. A file that is shortened ends the process with SIGBUS; our own files are
        // replaced as a whole and never changed in place.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self(Arc::new(map)))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a stored sample is; all are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredType {
    /// 8 bit unsigned.
    U8,
    /// 16 bit unsigned.
    U16,
    /// 32 bit unsigned.
    U32,
    /// Single precision.
    F32,
}

impl StoredType {
    /// Bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }
}

/// How the samples of a channel become numbers: linearly between what becomes 0 and what becomes 1, and as the logarithm
/// beyond both, so that a cell brighter than all that was fitted is neither lost nor outweighs the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelScale {
    /// What becomes 0.
    pub low: f32,
    /// 1 over the distance to what becomes 1; 0 for a channel that was constant.
    pub factor: f32,
}

impl ChannelScale {
    /// Scales samples in place.
    pub fn apply(self, samples: &mut [f32]) {
        let Self { low, factor } = self;
        for sample in samples {
            let place = (*sample - low) * factor;
            *sample = match place {
                above if above > 1.0 => 1.0 + above.ln(),
                below if below < 0.0 => -(-below).ln_1p(),
                within => within,
            };
        }
    }
}

/// Where a row lies, and how it is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRow {
    /// Which of the files.
    pub file: u32,
    /// Which of the scales.
    pub scale: u32,
    /// First byte of the row in its file.
    pub offset: u64,
    /// What its samples are.
    pub sample: StoredType,
}

/// Rows of equal length in mapped files; a clone shares them.
#[derive(Debug, Clone)]
pub struct StoredRows {
    files: Arc<[MappedFile]>,
    /// `[scale][channel]`; a scale without channels leaves the samples as they are.
    scales: Arc<[Vec<ChannelScale>]>,
    rows: Arc<[StoredRow]>,
    width: usize,
}

impl StoredRows {
    /// Rows of `width` samples, which are as many blocks of equal length as their scale has channels.
    ///
    /// # Panics
    /// If a row lies beyond the end of its file, or a scale is absent or has channels that do not divide the row.
    pub fn new(
        files: Vec<MappedFile>,
        scales: Vec<Vec<ChannelScale>>,
        rows: impl Into<Arc<[StoredRow]>>,
        width: usize,
    ) -> Self {
        let rows = rows.into();
        for row in rows.iter() {
            let n_bytes = (width * row.sample.bytes()) as u64;
            let length = files[row.file as usize].bytes().len() as u64;
            assert!(row.offset.checked_add(n_bytes).is_some_and(|end| end <= length), "a row lies beyond its file");
            let n_channels = scales[row.scale as usize].len();
            assert!(n_channels == 0 || width.is_multiple_of(n_channels), "{width} samples of {n_channels} channels");
        }
        Self { files: files.into(), scales: scales.into(), rows, width }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Samples of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The rows at `rows`, in that order; nothing is read.
    pub fn select(&self, rows: &[usize]) -> Self {
        let rows = rows.iter().map(|&row| self.rows[row]).collect();
        Self { rows, ..self.clone() }
    }

    /// Reads the row at `row` into `values`, which it fills.
    ///
    /// # Panics
    /// If `values` has another length than a row.
    pub fn read(&self, row: usize, values: &mut [f32]) {
        assert_eq!(values.len(), self.width, "a row has {} samples", self.width);
        let StoredRow { file, scale, offset, sample } = self.rows[row];
        let bytes = &self.files[file as usize].bytes()[offset as usize..][..self.width * sample.bytes()];
        match sample {
            StoredType::U8 => values.iter_mut().zip(bytes).for_each(|(value, &byte)| *value = f32::from(byte)),
            StoredType::U16 => {
                let samples = bytes.as_chunks().0.iter().map(|&two| u16::from_le_bytes(two));
                values.iter_mut().zip(samples).for_each(|(value, sample)| *value = f32::from(sample));
            }
            StoredType::U32 => {
                let samples = bytes.as_chunks().0.iter().map(|&four| u32::from_le_bytes(four));
                values.iter_mut().zip(samples).for_each(|(value, sample)| *value = sample as f32);
            }
            StoredType::F32 => {
                let samples = bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four));
                values.iter_mut().zip(samples).for_each(|(value, sample)| *value = sample);
            }
        }
        let channels = &self.scales[scale as usize];
        let n_pixels = self.width / channels.len().max(1);
        for (channel, values) in channels.iter().zip(values.chunks_exact_mut(n_pixels.max(1))) {
            channel.apply(values);
        }
    }

    /// The rows at `rows` one behind the other, read on all cores.
    pub fn gather(&self, rows: &[usize]) -> Vec<f32> {
        let mut values = vec![0f32; rows.len() * self.width];
        values.par_chunks_mut(self.width.max(1)).zip(rows).for_each(|(values, &row)| self.read(row, values));
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of two channels of two pixels: 8 bit from byte 1 on, 16 bit from byte 5 on.
    fn rows(folder: &Path) -> StoredRows {
        let path = folder.join("a");
        std::fs::write(&path, [99, 0, 10, 20, 30, 0, 1, 0, 2, 0, 3, 0, 4]).unwrap();
        let row = |offset, sample, scale| StoredRow { file: 0, scale, offset, sample };
        let scale = vec![ChannelScale { low: 5.0, factor: 0.1 }, ChannelScale { low: 0.0, factor: 0.0 }];
        let rows = [row(1, StoredType::U8, 1), row(5, StoredType::U16, 0), row(1, StoredType::U8, 0)];
        StoredRows::new(vec![MappedFile::open(&path).unwrap()], vec![Vec::new(), scale], rows, 4)
    }

    #[test]
    fn rows_are_read_and_scaled_by_channel() {
        let folder = tempfile::tempdir().unwrap();
        let rows = rows(folder.path());
        let expected = [-0.5f32.ln_1p(), 0.5, 0.0, 0.0, 256.0, 512.0, 768.0, 1024.0, 0.0, 10.0, 20.0, 30.0];
        assert_eq!(rows.gather(&[0, 1, 2]), expected);
        assert_eq!(rows.select(&[2, 0]).gather(&[1, 0]), [&expected[..4], &expected[8..]].concat());
        assert_eq!((rows.select(&[1]).len(), rows.width()), (1, 4));
    }

    #[test]
    fn beyond_what_was_fitted_the_scale_is_logarithmic_and_without_a_bend() {
        let scale = ChannelScale { low: 5.0, factor: 0.1 };
        let mut samples = [-5.0, 4.99, 5.0, 10.0, 15.0, 15.01, 15.0 + 10.0 * (std::f32::consts::E - 1.0)];
        scale.apply(&mut samples);
        let expected = [-std::f32::consts::LN_2, -0.001, 0.0, 0.5, 1.0, 1.001, 2.0];
        for (found, expected) in samples.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
        let mut constant = [1.0, 70_000.0];
        ChannelScale { low: 3.0, factor: 0.0 }.apply(&mut constant);
        assert_eq!(constant, [0.0; 2]);
    }

    #[test]
    #[should_panic(expected = "a row lies beyond its file")]
    fn a_row_beyond_its_file_is_a_bug() {
        let folder = tempfile::tempdir().unwrap();
        let StoredRows { files, scales, .. } = rows(folder.path());
        let row = StoredRow { file: 0, scale: 0, offset: 6, sample: StoredType::U16 };
        StoredRows::new(files.to_vec(), scales.to_vec(), [row], 4);
    }
}
