//! Where candidates lead by a simple method, and by the model and a simple method together.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{ByModel, PlanError, Ranker, Reached};
use crate::predict::{PredictedLatents, Predictions, Predictor};
use crate::screen::Treatment;
use crate::train::TrainedModel;

/// Ranks by the profiles that a method predicts, encoded.
pub struct ByProfiles<'a> {
    /// The ensemble that encodes.
    pub trained: &'a TrainedModel,
    /// Who predicts.
    pub predictor: &'a dyn Predictor,
    /// Where to compute.
    pub device: &'a Device,
}

impl ByProfiles<'_> {
    fn latents(&self, treatments: &[Treatment]) -> Result<PredictedLatents, PlanError> {
        let Predictions { treatments: known, profiles, abstained, .. } = self.predictor.predict(treatments)?;
        let rows: Vec<usize> = (0..known.len()).collect();
        let latents = self.trained.encode(&profiles.into(), &rows, self.device);
        // Both what is predicted and what is not stand in the order in which they were asked.
        let (mut placed, mut missing) = (Vec::with_capacity(known.len()), Vec::with_capacity(abstained.len()));
        let mut abstained = abstained.into_iter().peekable();
        for (index, treatment) in treatments.iter().enumerate() {
            match abstained.next_if(|(missing, _)| missing == treatment) {
                Some((_, why)) => missing.push((index, why)),
                None => placed.push(index),
            }
        }
        Ok(PredictedLatents { latents, placed, abstained: missing })
    }
}

impl Ranker for ByProfiles<'_> {
    fn reach(&self, treatments: &[Treatment]) -> Result<Reached, PlanError> {
        Ok(Reached { predicted: self.latents(treatments)?, caveats: BTreeMap::new() })
    }
}

/// Ranks by the model's latents mixed with those of a simple method's profiles; where the simple method abstains, by the
/// model's alone, which a caveat says.
pub struct ByBlend<'a> {
    /// The model.
    pub model: ByModel<'a>,
    /// The simple method.
    pub simple: ByProfiles<'a>,
    /// The model's weight.
    pub weight: f64,
}

impl Ranker for ByBlend<'_> {
    fn reach(&self, treatments: &[Treatment]) -> Result<Reached, PlanError> {
        let mut reached = self.model.reach(treatments)?;
        let PredictedLatents { latents, placed, .. } = &mut reached.predicted;
        let simple = self.simple.latents(treatments)?;
        let weight = self.weight as f32;
        for (row, treatment) in placed.iter().enumerate() {
            match simple.placed.binary_search(treatment) {
                Ok(other) => {
                    for (own, other) in latents.row_mut(row).iter_mut().zip(simple.latents.row(other)) {
                        *own = weight * *own + (1.0 - weight) * other;
                    }
                }
                Err(_) => {
                    let caveat = format!("the model alone, as {} abstains", self.simple.predictor.method());
                    reached.caveats.insert(*treatment, caveat);
                }
            }
        }
        Ok(reached)
    }
}
