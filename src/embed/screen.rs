//! Latents of a whole screen at the level asked for.

use burn::tensor::Device;

use super::{Embeddings, Level, embed};
use crate::normalize::{NormalizeError, Tvn};
use crate::screen::{Role, Screen};
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
    let kind = screen.row_kind();
    let rows = || embed(trained, screen, Level::of_rows(kind), device);
    if !tvn {
        return Ok(match level {
            Level::Cell => rows(),
            Level::Site => rows().by_site(),
            Level::Well => rows().by_well_of(kind),
            Level::Intervention => rows().by_well_of(kind).by_intervention(),
        });
    }
    let wells = rows().by_well_of(kind);
    let controls: Vec<usize> =
        (0..wells.units.n_rows()).filter(|&row| wells.units.of(row).role == Role::NegativeControl).collect();
    let batch = |row: usize| {
        let unit = wells.units.of(row);
        unit.lab_batch.as_deref().unwrap_or(unit.plate.as_str())
    };
    let batches: Vec<&str> = (0..wells.units.n_rows()).map(batch).collect();
    let fitted = Tvn::fit(&wells.latents, &controls, 0.5)?;
    let aligned = fitted.apply(&wells.latents, &controls, &batches)?;
    let wells = Embeddings::new(Level::Well, wells.units, wells.n_wells, wells.labels, aligned);
    Ok(if level == Level::Intervention { wells.by_intervention() } else { wells })
}
