//! Ways to say where a candidate leads: by the model, by a simple method, by both.

use std::collections::BTreeMap;

use burn::tensor::Device;

use crate::plan::{PlanError, Ranker};
use crate::predict::{Decoder, Predictions, Starts, predict};
use crate::screen::Treatment;
use crate::train::TrainedModel;

type Places = BTreeMap<Treatment, Vec<Vec<f32>>>;

/// `[member][row][latent]` as one entry for each row.
fn by_treatment(treatments: &[Treatment], latents: &[Vec<Vec<f32>>]) -> Places {
    let place = |row: usize| latents.iter().map(|member| member[row].clone()).collect();
    treatments.iter().enumerate().map(|(row, treatment)| (treatment.clone(), place(row))).collect()
}

/// The model's predicted latents.
pub(super) struct ModelRanker<'a> {
    pub trained: &'a TrainedModel,
    pub decoder: &'a Decoder,
    pub starts: &'a Starts,
    pub device: &'a Device,
}

impl Ranker for ModelRanker<'_> {
    fn places(&self, treatments: &[Treatment]) -> Result<Places, PlanError> {
        let found = predict(self.trained, self.decoder, self.starts, treatments, self.device)?;
        Ok(by_treatment(&found.profiles.treatments, &found.latents))
    }
}

/// A simple method's predicted profiles, encoded.
pub(super) struct ProfileRanker<'a> {
    pub trained: &'a TrainedModel,
    pub predictions: Predictions,
    pub device: &'a Device,
}

impl Ranker for ProfileRanker<'_> {
    fn places(&self, treatments: &[Treatment]) -> Result<Places, PlanError> {
        let wanted = |row: &usize| treatments.contains(&self.predictions.treatments[*row]);
        let rows: Vec<usize> = (0..self.predictions.treatments.len()).filter(wanted).collect();
        let latents = self.trained.encode(&self.predictions.profiles, &rows, self.device);
        let treatments: Vec<Treatment> = rows.iter().map(|&row| self.predictions.treatments[row].clone()).collect();
        Ok(by_treatment(&treatments, &latents))
    }
}

/// The model's latents mixed with those of a simple method's profiles.
pub(super) struct BlendRanker<'a> {
    pub model: ModelRanker<'a>,
    pub simple: Option<Predictions>,
    pub weight: f64,
}

impl Ranker for BlendRanker<'_> {
    fn places(&self, treatments: &[Treatment]) -> Result<Places, PlanError> {
        let mut places = self.model.places(treatments)?;
        let Some(simple) = &self.simple else { return Ok(places) };
        let (trained, device) = (self.model.trained, self.model.device);
        let simple = ProfileRanker { trained, predictions: simple.clone(), device }.places(treatments)?;
        let weight = self.weight as f32;
        for (treatment, place) in &mut places {
            let Some(other) = simple.get(treatment) else { continue };
            for (own, other) in place.iter_mut().flatten().zip(other.iter().flatten()) {
                *own = weight * *own + (1.0 - weight) * other;
            }
        }
        Ok(places)
    }
}
