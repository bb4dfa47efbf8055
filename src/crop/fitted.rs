//! What is fitted to images once and kept for other runs of the same images and settings.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::cache::fingerprint;
use super::error::CropError;
use super::flat_field::FlatField;
use super::intensity::{IntensityScale, IntensitySettings};
use crate::load::hexadecimal;
use crate::screen::ImageScreen;
use crate::table::{FileError, write_json};

/// The illumination that the sites share, if it is to be divided out; fitted once for these images.
pub fn fitted_field(
    folder: &Path,
    images: &ImageScreen,
    sites: &[usize],
    settings: &IntensitySettings,
) -> Result<Option<FlatField>, CropError> {
    if !settings.flat_field {
        return Ok(None);
    }
    let level = settings.level;
    let path = folder.join(format!("flat-field-{}.json", key(&(level, fingerprint(images, sites)))));
    kept(&path, || FlatField::fit(images, sites, level)).map(Some)
}

/// The scale of intensities, fitted once for these images and settings and kept beside their crops.
pub fn fitted_scale(
    folder: &Path,
    images: &ImageScreen,
    sites: &[usize],
    settings: &IntensitySettings,
    flat_field: Option<&FlatField>,
) -> Result<IntensityScale, CropError> {
    let path = folder.join(format!("intensity-{}.json", key(&(settings, sites))));
    kept(&path, || IntensityScale::fit(images, sites, settings, flat_field))
}

/// The value in a file, or else the value that `make` makes, which is then written there.
fn kept<T: Serialize + DeserializeOwned>(
    path: &Path,
    make: impl FnOnce() -> Result<T, CropError>,
) -> Result<T, CropError> {
    if let Some(value) = std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
        return Ok(value);
    }
    let value = make()?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(FileError::write(folder))?;
    }
    write_json(path, &value)?;
    Ok(value)
}

/// A short hash of what a fitted value depends on.
fn key(of: &impl Serialize) -> String {
    let text = serde_json::to_vec(of).expect("settings are plain values");
    hexadecimal(&Sha256::digest(text)[..8])
}
