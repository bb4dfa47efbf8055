//! Where candidates lead by a simple method, and by all methods combined.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{ByModel, PlanError, Ranker, Reached};
use crate::predict::{Abstains, PredictedLatents, Predictor};
use crate::screen::Treatment;
use crate::train::{Latents, TrainedModel};

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
        let said = self.predictor.predict(treatments)?;
        let (placed, abstained) = said.parted(treatments);
        let rows: Vec<usize> = (0..placed.len()).collect();
        let latents = self.trained.encode(&said.profiles.into(), &rows, self.device);
        Ok(PredictedLatents { latents, placed, abstained })
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
    /// The model's weight; `None` of treatments that nothing which was measured speaks for: they are abstained from.
    pub share: &'a dyn Fn(&Treatment) -> Option<f64>,
}

impl Ranker for ByCombined<'_> {
    fn reach(&self, treatments: &[Treatment]) -> Result<Reached, PlanError> {
        let (own, simple) = (self.model.reach(treatments)?.predicted, self.simple.latents(treatments)?);
        let reasons: BTreeMap<usize, Abstains> = own.abstained.iter().chain(&simple.abstained).cloned().collect();
        let (mut placed, mut abstained, mut caveats) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut values = Vec::with_capacity(simple.latents.values().len());
        for (index, treatment) in treatments.iter().enumerate() {
            let [by_model, by_simple] = [&own, &simple].map(|one| {
                let row = one.placed.binary_search(&index).ok()?;
                Some(one.latents.row(row))
            });
            match (by_model, by_simple, (self.share)(treatment)) {
                (Some(model), Some(simple), Some(share)) => {
                    let share = share as f32;
                    values
                        .extend(model.iter().zip(simple).map(|(model, simple)| share * model + (1.0 - share) * simple));
                }
                (Some(model), None, Some(_)) => {
                    caveats.insert(index, "the model alone, as all other methods abstain".to_owned());
                    values.extend_from_slice(model);
                }
                (None, Some(simple), Some(_)) => values.extend_from_slice(simple),
                (None, None, _) | (_, _, None) => {
                    abstained.push((index, reasons.get(&index).cloned().unwrap_or(Abstains::NoMethod)));
                    continue;
                }
            }
            placed.push(index);
        }
        let latents = Latents::new(own.latents.n_members(), own.latents.width(), values);
        Ok(Reached { predicted: PredictedLatents { latents, placed, abstained }, caveats })
    }
}
