//! `predictions.parquet`: predicted profiles of held-out treatments, by every method.

use crate::predict::{ModelPredictions, Predictions};
use crate::table::{Column, Table};

/// Predictions of the same features, one row for each method and treatment: `method`, the intervention's columns, `context`,
/// then the features.
pub fn prediction_table(all: &[&Predictions]) -> Table {
    let treatments = || all.iter().flat_map(|predictions| &predictions.treatments);
    let methods = all.iter().flat_map(|p| std::iter::repeat_n(Some(p.method.to_string()), p.treatments.len()));
    let contexts = treatments().map(|t| (!t.context.is_empty()).then(|| t.context.clone()));
    let mut table = Table::new()
        .with("method", "prediction method: lewm, combined or a baseline", Column::Text(methods.collect()))
        .with_interventions(treatments().map(|treatment| &treatment.intervention))
        .with("context", "cell line, time and the like", Column::Text(contexts.collect()));
    let names = all.first().map(|predictions| predictions.profiles.names()).unwrap_or_default();
    for (feature, name) in names.iter().enumerate() {
        let values = all.iter().flat_map(|p| (0..p.treatments.len()).map(|row| p.profiles.row(row)[feature]));
        table = table.with(name, "predicted value on the normalized scale", Column::Float32(values.collect()));
    }
    table
}

/// The model's predictions with the latents of its members, `latent_0`, `latent_1`, …, member by member.
pub fn latent_table(found: &ModelPredictions) -> Table {
    let mut table = prediction_table(&[&found.profiles]);
    let latents = found.latents.clone().side_by_side();
    for (dimension, name) in latents.names().iter().enumerate() {
        let values = (0..latents.n_rows()).map(|row| latents.row(row)[dimension]).collect();
        table = table.with(name, "predicted latent", Column::Float32(values));
    }
    table
}
