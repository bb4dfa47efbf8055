//! Latents of a whole screen at the level asked for.

use burn::tensor::Device;

use super::{EmbeddingMap, Embeddings, Level, embed};
use crate::normalize::{NormalizeError, Tvn};
use crate::screen::{Role, Screen};
use crate::train::TrainedModel;

/// Which latents of a screen are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Latents<'a> {
    /// Those of all members, side by side.
    Members,
    /// The same, whitened and aligned by the controls of the screen.
    Aligned,
    /// The embedding of the run.
    Embedding(&'a EmbeddingMap),
}

/// Latents of a normalized screen.
///
/// # Errors
/// When they are to be aligned and controls are missing, or the map is of another model.
pub fn embed_screen(
    trained: &TrainedModel,
    screen: &Screen,
    level: Level,
    latents: Latents,
    device: &Device,
) -> Result<Embeddings, NormalizeError> {
    let rows = || embed(trained, screen, device);
    let at_level = |rows: Embeddings| match level {
        Level::Cell => rows,
        Level::Site => rows.by_site(),
        Level::Well => rows.by_well(),
        Level::Intervention => rows.by_intervention(),
    };
    match latents {
        Latents::Members => return Ok(at_level(rows())),
        Latents::Embedding(map) => return Ok(at_level(map.of(&rows())?)),
        Latents::Aligned => {}
    }
    let wells = rows().by_well();
    let controls: Vec<usize> =
        (0..wells.units.n_rows()).filter(|&row| wells.units.of(row).role == Role::NegativeControl).collect();
    if controls.is_empty() {
        let step = "whitening by controls (--tvn)";
        return Err(NormalizeError::NoControls { screen: screen.name.clone(), step });
    }
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
