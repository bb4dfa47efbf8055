//! Where candidates would lead.

use std::collections::BTreeMap;

use super::error::PlanError;
use crate::predict::PredictedLatents;
use crate::screen::Treatment;

/// Says where candidates would end up.
pub trait Ranker {
    /// Where `treatments` would lead.
    ///
    /// # Errors
    /// When predicting fails.
    fn reach(&self, treatments: &[Treatment]) -> Result<Reached, PlanError>;
}

/// Where treatments would lead.
#[derive(Debug, Clone)]
pub struct Reached {
    /// Predicted latents, and who is abstained from.
    pub predicted: PredictedLatents,
    /// What has to be known of a prediction, by the index of its treatment.
    pub caveats: BTreeMap<usize, String>,
}
