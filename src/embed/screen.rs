//! Latents of a whole screen at the level asked for.

use burn::tensor::Device;

use super::{Embeddings, Level, embed};
use crate::normalize::{NormalizeError, Tvn};
use crate::screen::{Reference, Role, Screen};
use crate::train::TrainedModel;

/// Latents of a normalized screen, whitened and aligned by its controls if asked for.
///
/// # Errors
/// When `tvn` is asked for and controls are missing or a row has no lab batch.
pub fn embed_screen(
    trained: &TrainedModel,
    screen: &Screen,
    level: Level,
    tvn: bool,
    device: &Device,
) -> Result<Embeddings, NormalizeError> {
    // A row of images is a crop.
    let is_of_crops = trained.config.encoder.crop().is_some();
    // A row of a time lapse is an object at a time, be it a crop or a window of a track.
    let is_of_objects = is_of_crops || screen.reference() == Reference::FirstFrame;
    let rows = || embed(trained, screen, if is_of_objects { Level::Cell } else { Level::Well }, device);
    if !tvn {
        return Ok(match level {
            Level::Cell => rows(),
            Level::Site => rows().by_site(),
            Level::Well if is_of_crops => rows().by_well(),
            Level::Well => rows(),
            Level::Intervention if is_of_crops && screen.reference() != Reference::FirstFrame => {
                rows().by_well().by_intervention()
            }
            Level::Intervention => rows().by_intervention(),
        });
    }
    let wells = if is_of_crops { rows().by_well() } else { rows() };
    let observations = &wells.observations;
    let controls: Vec<usize> =
        (0..observations.len()).filter(|&row| observations[row].role == Role::NegativeControl).collect();
    let batches: Vec<&str> = observations
        .iter()
        .map(|observation| observation.lab_batch.as_deref().unwrap_or(observation.plate.as_str()))
        .collect();
    let fitted = Tvn::fit(&wells.latents, &controls, 0.5)?;
    let aligned = fitted.apply(&wells.latents, &controls, &batches)?;
    let wells = Embeddings::new(Level::Well, wells.observations, wells.n_wells, wells.labels, aligned);
    Ok(if level == Level::Intervention { wells.by_intervention() } else { wells })
}
