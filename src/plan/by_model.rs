//! Where the model itself says that candidates lead.

use burn::tensor::Device;

use super::{Place, PlanError, Ranker};
use crate::predict::{Starts, predict_latents};
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
    fn places(&self, treatments: &[Treatment]) -> Result<Vec<Option<Place>>, PlanError> {
        let found = predict_latents(self.trained, self.starts, treatments, self.device)?;
        let mut members: Vec<_> = found.latents.into_iter().map(Vec::into_iter).collect();
        let mut places = vec![None; treatments.len()];
        for treatment in found.placed {
            places[treatment] = members.iter_mut().map(Iterator::next).collect();
        }
        Ok(places)
    }
}
