//! The section `[pair]` of a configuration.

use serde::{Deserialize, Serialize};

use super::augment::Augment;

/// Where transitions of wells that were measured against controls start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartFrom {
    /// At the controls of the plate.
    Controls,
    /// Where closed forms expect the treatment to lead, without its own wells: what is learned is what they leave.
    #[default]
    Expected,
}

/// Settings of pairing and batching.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairConfig {
    /// Where transitions start; without effect on images and tracks.
    pub start: StartFrom,
    /// Treated wells of one batch; all of them when there are fewer.
    pub batch: usize,
    /// Most controls drawn from a plate for its bag; fewer where they would exceed half the treated wells of a batch.
    pub bag: usize,
    /// Most crops drawn from a well to stand for it, where its observations are crops of images.
    pub crops: usize,
    /// Whether each control of a bag is also predicted from the others, nothing being done; otherwise nothing in training
    /// holds controls together.
    pub untreated: bool,
    /// Share of a batch's transitions that start at a lower dose of the same perturbation instead of at the controls.
    pub ladder: f64,
    /// Share of the transitions of an anchored model whose anchor is hidden, so that it also learns to go without.
    pub anchor_dropout: f64,
    /// Steps that training predicts one after the other, each from the prediction before it, where interventions change in
    /// time; without effect elsewhere.
    pub rollout: usize,
    /// How crops are changed in training; without effect on profiles.
    pub augment: Augment,
}

impl Default for PairConfig {
    fn default() -> Self {
        Self {
            start: StartFrom::default(),
            batch: 256,
            bag: 6,
            crops: 8,
            untreated: true,
            ladder: 0.3,
            anchor_dropout: 0.0,
            rollout: 20,
            augment: Augment::default(),
        }
    }
}
