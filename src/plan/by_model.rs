//! Where the model itself says that candidates lead.

use burn::tensor::Device;

use super::{PlanError, Ranker};
use crate::predict::{PredictedLatents, Starts, predict_latents};
use crate::screen::Treatment;
use crate::train::TrainedModel;

/// Ranks by the model's predicted latents; abstains from perturbations that it has no place for.
#[derive(Debug)]
pub struct ByModel<'a> {
    /// The ensemble.
    pub trained: &'a TrainedModel,
    /// Where the cells start.
    pub starts: &'a Starts,
    /// Where to compute.
    pub device: &'a Device,
}

impl Ranker for ByModel<'_> {
    fn latents(&self, treatments: &[Treatment]) -> Result<PredictedLatents, PlanError> {
        Ok(predict_latents(self.trained, self.starts, treatments, self.device)?)
    }
}
