//! Where candidates were found to lie: nothing is predicted.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::reference::measured_latent;
use super::{PlanError, Ranker, Reached};
use crate::predict::{Abstains, PredictedLatents};
use crate::screen::{Screen, Treatment};
use crate::train::{Latents, TrainedModel};

/// Ranks by the wells in which candidates were measured.
pub struct ByMeasured<'a> {
    /// The ensemble that encodes.
    pub trained: &'a TrainedModel,
    /// The wells.
    pub screen: &'a Screen,
    /// Where to compute.
    pub device: &'a Device,
}

impl Ranker for ByMeasured<'_> {
    fn reach(&self, treatments: &[Treatment]) -> Result<Reached, PlanError> {
        let measured = self.screen.treatments();
        let (mut placed, mut abstained, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (index, treatment) in treatments.iter().enumerate() {
            match measured.get(treatment) {
                Some(rows) => {
                    placed.push(index);
                    values.extend(measured_latent(self.trained, self.screen, rows, self.device));
                }
                None => abstained.push((index, Abstains::NotMeasured)),
            }
        }
        let latents = Latents::new(self.trained.members.len(), self.trained.config.latent, values);
        Ok(Reached { predicted: PredictedLatents { latents, placed, abstained }, caveats: BTreeMap::new() })
    }
}
