//! Where the model itself says that candidates lead.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{PlanError, Ranker, Reached};
use crate::predict::{Starts, predict_latents};
use crate::screen::Treatment;
use crate::train::TrainedModel;

/// Ranks by the model's predicted latents; abstains from perturbations that it has no place for.
#[derive(Clone, Copy)]
pub struct ByModel<'a> {
    /// The ensemble.
    pub trained: &'a TrainedModel,
    /// Where the cells start.
    pub starts: &'a Starts<'a>,
    /// Where to compute.
    pub device: &'a Device,
}

impl Ranker for ByModel<'_> {
    fn reach(&self, treatments: &[Treatment]) -> Result<Reached, PlanError> {
        let predicted = predict_latents(self.trained, self.starts, treatments, self.device)?;
        Ok(Reached { predicted, caveats: BTreeMap::new() })
    }
}
