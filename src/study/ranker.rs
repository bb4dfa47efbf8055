//! Ways to say where a candidate leads beside the model's own: by a simple method, by both.

use std::collections::BTreeMap;

use burn::tensor::Device;

use crate::plan::{ByModel, PlanError, Ranker};
use crate::predict::{PredictedLatents, Predictions};
use crate::screen::Treatment;
use crate::train::TrainedModel;

/// A simple method's predicted profiles, encoded.
pub(super) struct ProfileRanker<'a> {
    pub trained: &'a TrainedModel,
    pub predictions: Predictions,
    pub device: &'a Device,
}

impl Ranker for ProfileRanker<'_> {
    fn latents(&self, treatments: &[Treatment]) -> Result<PredictedLatents, PlanError> {
        let predicted = self.predictions.treatments.iter().enumerate();
        let row_of: BTreeMap<&Treatment, usize> = predicted.map(|(row, treatment)| (treatment, row)).collect();
        let found = treatments.iter().enumerate().filter_map(|(index, t)| Some((index, *row_of.get(t)?)));
        let (placed, rows): (Vec<usize>, Vec<usize>) = found.unzip();
        Ok(PredictedLatents { latents: self.trained.encode(&self.predictions.profiles, &rows, self.device), placed })
    }
}

/// The model's latents mixed with those of a simple method's profiles.
pub(super) struct BlendRanker<'a> {
    pub model: ByModel<'a>,
    pub simple: Option<ProfileRanker<'a>>,
    pub weight: f64,
}

impl Ranker for BlendRanker<'_> {
    fn latents(&self, treatments: &[Treatment]) -> Result<PredictedLatents, PlanError> {
        let PredictedLatents { mut latents, placed } = self.model.latents(treatments)?;
        let Some(simple) = &self.simple else { return Ok(PredictedLatents { latents, placed }) };
        let simple = simple.latents(treatments)?;
        let weight = self.weight as f32;
        for (row, treatment) in placed.iter().enumerate() {
            let Ok(other) = simple.placed.binary_search(treatment) else { continue };
            for (own, other) in latents.row_mut(row).iter_mut().zip(simple.latents.row(other)) {
                *own = weight * *own + (1.0 - weight) * other;
            }
        }
        Ok(PredictedLatents { latents, placed })
    }
}
