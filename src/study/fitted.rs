//! What of images is fitted once and kept, and the pixels of crops scaled by it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::error::StudyError;
use super::event::Event;
use super::json::write_json;
use crate::normalize::{FlatField, IntensityScale, IntensitySettings};
use crate::run::{CropCache, RunError, fingerprint};
use crate::screen::{ChannelScale, FeatureMatrix, ImageScreen};
use crate::train::Stop;

/// Tells how far images are decoded, and breaks off where somebody asked to stop.
pub(super) fn progress(stop: &Stop, tell: &(dyn Fn(Event) + Sync)) -> impl Fn(usize, usize) -> ControlFlow<()> {
    move |done, total| {
        tell(Event::Decoding { done, total });
        if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The illumination that the sites share, if it is to be divided out; fitted once for these images.
pub(super) fn fitted_field(
    folder: &Path,
    images: &ImageScreen,
    sites: &[usize],
    settings: &IntensitySettings,
) -> Result<Option<FlatField>, StudyError> {
    if !settings.flat_field {
        return Ok(None);
    }
    let level = settings.level;
    let path = folder.join(format!("flat-field-{}.json", key(&(level, fingerprint(images, sites)))));
    kept(&path, || Ok(FlatField::fit(images, sites, level)?)).map(Some)
}

/// The scale of intensities, fitted once for these images and settings and kept beside their crops.
pub(super) fn fitted_scale(
    folder: &Path,
    images: &ImageScreen,
    sites: &[usize],
    settings: &IntensitySettings,
    flat_field: Option<&FlatField>,
) -> Result<IntensityScale, StudyError> {
    let path = folder.join(format!("intensity-{}.json", key(&(settings, sites))));
    kept(&path, || Ok(IntensityScale::fit(images, sites, settings, flat_field)?))
}

/// The value in a file, or else the value that `make` makes, which is then written there.
fn kept<T: Serialize + DeserializeOwned>(
    path: &Path,
    make: impl FnOnce() -> Result<T, StudyError>,
) -> Result<T, StudyError> {
    if let Some(value) = std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
        return Ok(value);
    }
    let value = make()?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(RunError::write(folder))?;
    }
    write_json(path, &value)?;
    Ok(value)
}

/// A short hash of what a fitted value depends on.
fn key(of: &impl Serialize) -> String {
    let text = serde_json::to_vec(of).expect("settings are plain values");
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// How uneven the light was, in sentences.
pub(super) fn notes_of(flat_field: &FlatField, channels: &[String]) -> Vec<String> {
    let of_channel =
        |(name, (low, high)): (&String, (f64, f64))| format!("{low:.2} to {high:.2} {name}").trim_end().to_owned();
    let of_plate = |(plate, spread): (&str, Vec<(f64, f64)>)| {
        let channels: Vec<String> = channels.iter().zip(spread).map(of_channel).collect();
        let of = if plate.is_empty() { "all plates".to_owned() } else { format!("plate {plate}") };
        format!("illumination of {of} divided out, from {} of its mean", channels.join(", "))
    };
    flat_field.spread().map(of_plate).collect()
}

/// The crops at `indices` as rows that stay in their files, each scaled as `scale` says of its plate.
pub(super) fn pixels(
    cache: &CropCache,
    images: &ImageScreen,
    indices: &[usize],
    scale: impl Fn(&str) -> Result<Vec<ChannelScale>, StudyError>,
) -> Result<FeatureMatrix, StudyError> {
    let plate = |row: usize| images.table.observations[row].plate.as_str();
    let mut scale_of = BTreeMap::new();
    let mut scales = Vec::new();
    for plate in indices.iter().map(|&index| plate(cache.crops()[index].row)) {
        if !scale_of.contains_key(plate) {
            scale_of.insert(plate, scales.len());
            scales.push(scale(plate)?);
        }
    }
    let rows = cache.rows(indices, scales, |crop| scale_of[plate(crop.row)]);
    Ok(FeatureMatrix::stored(pixel_names(&images.channels, cache.size()), rows))
}

/// `DNA_12_5`: channel, line and column.
fn pixel_names(channels: &[String], size: usize) -> Vec<String> {
    let mut names = Vec::with_capacity(channels.len() * size * size);
    for (index, channel) in channels.iter().enumerate() {
        let channel = if channel.is_empty() { format!("channel{index}") } else { channel.clone() };
        for y in 0..size {
            names.extend((0..size).map(|x| format!("{channel}_{y}_{x}")));
        }
    }
    names
}
