//! Images through a published LeWorldModel: latents from weights that somebody else trained.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::error::StudyError;
use super::event::Event;
use super::images::progress;
use crate::crop::{Crop, CropCache, CropSettings, IntensitySettings, fitted_scale, pixels, reference_sites, screen_of};
use crate::embed::{Embeddings, Level};
use crate::load::image::pixels::SampleType;
use crate::load::image::{ImageSource, UsableImages, load_images};
use crate::model::{ImageEncoderConfig, Lewm, LewmConfig};
use crate::run::Checkpoint;
use crate::screen::{ChannelScale, FeatureMatrix};
use crate::train::{Stop, TrainError};

/// Images encoded at once; their tokens take many times the memory of the pixels.
const CHUNK: usize = 16;

/// Means and deviations of the channels that the published models were trained with, on a scale of 0 to 1: ImageNet's.
const MEANS: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATIONS: [f32; 3] = [0.229, 0.224, 0.225];

/// Latents of the tiles of images, and what there is to say of them.
#[derive(Debug)]
pub struct PublishedEmbeddings {
    /// One row for each tile.
    pub tiles: Embeddings,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

/// Encodes images with the encoder and projector of a published checkpoint.
///
/// Images are cut into tiles of the side that the encoder reads, 224 pixels, without being resized. Images of 8 bits
/// are divided by 255, as in the training of the published models; others are scaled between percentiles of the reference
/// sites, as in our own runs. Then ImageNet's means and deviations are applied.
///
/// # Errors
/// If the file is no published LeWorldModel, the images do not have three channels or no tile fits into them, or they
/// cannot be read.
pub fn embed_published(
    checkpoint: &Path,
    source: &ImageSource,
    cache: &Path,
    device: &Device,
    stop: &Stop,
    tell: &(dyn Fn(Event) + Sync),
) -> Result<PublishedEmbeddings, StudyError> {
    let tensors = Checkpoint::load_published(checkpoint)?.tensors;
    let config = LewmConfig::of_published(&tensors);
    let model = Lewm::from_published(&tensors, &config, device).map_err(|error| TrainError::OfFile {
        path: checkpoint.to_owned(),
        source: Box::new(TrainError::Parameters(error)),
    })?;
    let ImageEncoderConfig { channels, size, .. } = config.encoder;
    let loaded = load_images(source)?;
    let UsableImages { screen: images, .. } = loaded.usable()?;
    let refused = |problem: String| StudyError::Published { path: checkpoint.to_owned(), problem };
    // Means and deviations are known for red, green and blue.
    if channels != MEANS.len() || images.channels.len() != channels {
        return Err(refused(format!(
            "reads {channels} channels (red, green and blue), the images have {}: {}; choose {channels} of them with `channels = […]` under [images] in a card (`cytonaut inspect … --write-card` writes one)",
            images.channels.len(),
            images.channels.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )));
    }
    let crop = CropSettings { size, ..CropSettings::default() };
    let cache = CropCache::build(cache, &images, None, &crop, None, &progress(stop, tell))?;
    let indices: Vec<usize> = (0..cache.crops().len()).collect();
    if indices.is_empty() {
        return Err(refused(format!(
            "reads squares of {size} x {size} pixels, and all images are smaller; enlarge them first"
        )));
    }
    let is_bytes = loaded.survey.shapes.keys().all(|shape| shape.sample_type == SampleType::U8);
    let (features, how) = if is_bytes {
        let byte = ChannelScale { low: 0.0, factor: 1.0 / 255.0 };
        (pixels(&cache, &images, &indices, |_| Ok(vec![byte; channels]))?, "divided by 255, as published")
    } else {
        let (sites, settings) = (reference_sites(&images, |_| true), IntensitySettings::default());
        let scale = fitted_scale(cache.folder(), &images, &sites, &settings, None)?;
        let features = pixels(&cache, &images, &indices, |plate| scale.of_channels(plate))?;
        (features, "scaled between the 0.5th and the 99.5th percentile of each channel, since they are not of 8 bits")
    };
    let mut values = Vec::with_capacity(indices.len() * config.encoder.width);
    for rows in indices.chunks(CHUNK) {
        let mut pixels = features.gather(rows);
        for (channel, values) in pixels.chunks_exact_mut(size * size).enumerate() {
            let (mean, deviation) = (MEANS[channel % channels], DEVIATIONS[channel % channels]);
            values.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
        }
        let input = Tensor::<2>::from_data(TensorData::new(pixels, [rows.len(), features.n_features()]), device);
        values.extend(model.encode(input).into_data().try_to_vec::<f32>().expect("latents are f32"));
    }
    let latents = FeatureMatrix::numbered("latent_", config.encoder.width, values);
    let crops: Vec<&Crop> = cache.crops().iter().collect();
    let screen = screen_of(&images, &crops, features);
    let n_wells = vec![1; crops.len()];
    let tiles = Embeddings::new(Level::Cell, screen.units, n_wells, screen.labels, latents);
    let mut notes = loaded.notes.clone();
    notes.push(format!("{} tiles of {size} x {size} pixels, {how}", crops.len()));
    Ok(PublishedEmbeddings { tiles, notes })
}
