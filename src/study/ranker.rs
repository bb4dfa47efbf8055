//! Ways to say where a candidate leads beside the model's own: by a simple method, by both.

use std::collections::BTreeMap;

use burn::tensor::Device;

use crate::plan::{ByModel, Place, PlanError, Ranker};
use crate::predict::Predictions;
use crate::screen::Treatment;
use crate::train::TrainedModel;

/// A simple method's predicted profiles, encoded.
pub(super) struct ProfileRanker<'a> {
    pub trained: &'a TrainedModel,
    pub predictions: Predictions,
    pub device: &'a Device,
}

impl Ranker for ProfileRanker<'_> {
    fn places(&self, treatments: &[Treatment]) -> Result<Vec<Option<Place>>, PlanError> {
        let predicted = self.predictions.treatments.iter().enumerate();
        let row_of: BTreeMap<&Treatment, usize> = predicted.map(|(row, treatment)| (treatment, row)).collect();
        let found: Vec<Option<usize>> = treatments.iter().map(|treatment| row_of.get(treatment).copied()).collect();
        let rows: Vec<usize> = found.iter().flatten().copied().collect();
        let latents = self.trained.encode(&self.predictions.profiles, &rows, self.device);
        let mut next = 0..;
        let mut place = |_row: usize| {
            let index = next.next()?;
            Some(latents.iter().map(|member| member[index].clone()).collect())
        };
        Ok(found.into_iter().map(|row| row.and_then(&mut place)).collect())
    }
}

/// The model's latents mixed with those of a simple method's profiles.
pub(super) struct BlendRanker<'a> {
    pub model: ByModel<'a>,
    pub simple: Option<ProfileRanker<'a>>,
    pub weight: f64,
}

impl Ranker for BlendRanker<'_> {
    fn places(&self, treatments: &[Treatment]) -> Result<Vec<Option<Place>>, PlanError> {
        let mut places = self.model.places(treatments)?;
        let Some(simple) = &self.simple else { return Ok(places) };
        let weight = self.weight as f32;
        for (place, other) in places.iter_mut().zip(simple.places(treatments)?) {
            let (Some(place), Some(other)) = (place, other) else { continue };
            for (own, other) in place.iter_mut().flatten().zip(other.iter().flatten()) {
                *own = weight * *own + (1.0 - weight) * other;
            }
        }
        Ok(places)
    }
}
