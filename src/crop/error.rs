//! Why images could not be cut into crops or scaled.

use std::path::Path;

use crate::load::LoadError;
use crate::table::FileError;

/// Why images could not be cut into crops or scaled.
#[derive(Debug, thiserror::Error)]
pub enum CropError {
    /// A file of crops, or what was fitted to images, could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// An image of the screen cannot be decoded.
    #[error(transparent)]
    Image(#[from] LoadError),
    /// Intensities that cannot be scaled.
    #[error("{message}")]
    Intensity {
        /// What is wrong, with the file or the plate.
        message: String,
    },
    /// Percentiles that are not two ascending ones.
    #[error("`low_percentile` is {low} below {high}, expected two percentiles from 0 to 100, the lower one first")]
    Percentiles {
        /// The lower percentile given.
        low: f64,
        /// The higher one.
        high: f64,
    },
    /// No site to fit intensities on.
    #[error("screen `{screen}` has no site to scale intensities by; put control wells into training")]
    NoSites {
        /// Name of the screen.
        screen: String,
    },
    /// A request to stop while crops are made; every finished file of crops is kept.
    #[error("stopped while decoding images, with {done} of {total} images done and kept")]
    Stopped {
        /// Sites at their times whose crops are on the disk.
        done: usize,
        /// All of them.
        total: usize,
    },
}

impl CropError {
    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::File(FileError::damaged(path, problem))
    }
}
