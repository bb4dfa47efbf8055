//! Where candidates lead by a simple method, and by all methods combined.

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

/// Ranks by all methods combined: the latents of the profiles that closed forms predict, and the model's own, each with its
/// weight. Where closed forms abstain the model stands alone, which a caveat says.
pub struct ByCombined<'a> {
    /// The model.
    pub model: ByModel<'a>,
    /// The closed forms.
    pub simple: ByProfiles<'a>,
    /// The model's weight, by treatment.
    pub share: &'a dyn Fn(&Treatment) -> f64,
}

impl Ranker for ByCombined<'_> {
    fn reach(&self, treatments: &[Treatment]) -> Result<Reached, PlanError> {
        let mut reached = self.model.reach(treatments)?;
        let PredictedLatents { latents, placed, .. } = &mut reached.predicted;
        let simple = self.simple.latents(treatments)?;
        for (row, treatment) in placed.iter().enumerate() {
            match simple.placed.binary_search(treatment) {
                Ok(other) => {
                    let share = (self.share)(&treatments[*treatment]) as f32;
                    for (own, other) in latents.row_mut(row).iter_mut().zip(simple.latents.row(other)) {
                        *own = share * *own + (1.0 - share) * other;
                    }
                }
                Err(_) => {
                    reached.caveats.insert(*treatment, "the model alone, as all other methods abstain".to_owned());
                }
            }
        }
        Ok(reached)
    }
}
