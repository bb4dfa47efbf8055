//! From a screen to transitions, splits and batches, all on the host.
//!
//! Where measuring destroys the cells, no cell is seen before and after. A transition is constructed: negative controls
//! from the plate of a treated well stand for the state before, the treated well for the state after.
//! A dose ladder gives more of them: from the wells of one dose to those of a higher one.
//! In a time lapse the same cells are seen several times: any earlier and any later frame of one object are a transition
//! whose intervention lasted as long as they are apart, and under a schedule a track is a chain of them.
//! All of these are [`Episode`]s: a start, then one or more steps.

mod anchor;
mod augment;
mod batch;
mod episode;
mod series;
mod split;
mod vocabulary;

use std::collections::BTreeMap;

pub use anchor::{Anchor, Anchoring, anchor_in, anchor_of};
pub use augment::{Augment, CropShape};
pub use batch::{Batch, InterventionRows, Sampler, Weights};
pub use episode::{Episode, Path, State, Step, Validation};
use serde::{Deserialize, Serialize};
pub use series::DosePosition;
pub(crate) use series::{additive_weights, between_neighbors, interpolation_weights, nearest_weights, series_of};
pub use split::{Part, Split, SplitBy, SplitConfig};
pub use vocabulary::{DoseCenters, InterventionSizes, Vocabulary};

use crate::screen::Treatment;

/// What cannot be paired or split.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A treated plate without controls.
    #[error(
        "plate `{plate}` has treated wells and no negative controls to pair them with; name its controls under [controls] in the card, or exclude the plate"
    )]
    NoControls {
        /// The plate.
        plate: String,
    },
    /// Nothing to train on.
    #[error(
        "no treated well is left for training ({held_out} of {treatments} treatments are held out); lower the shares under [split]"
    )]
    NothingToTrain {
        /// Treatments outside training.
        held_out: usize,
        /// Treatments of the screen.
        treatments: usize,
    },
    /// No track is long enough to be rolled out.
    #[error("no training track has {steps} steps without a gap; lower pair.rollout")]
    NoRollout {
        /// Steps of a roll-out.
        steps: usize,
    },
    /// A split that the screen does not allow.
    #[error("cannot split by {by}: {reason}")]
    Split {
        /// The unit of the split.
        by: &'static str,
        /// What is missing, and what to do.
        reason: String,
    },
}

/// Settings of pairing and batching.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairConfig {
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

/// What a screen holds to learn from, as indices into it.
#[derive(Debug, Clone)]
pub struct PairSet {
    /// Training treatments, in order.
    pub treatments: Vec<Treatment>,
    /// Training rows of each treatment.
    pub rows: Vec<Vec<usize>>,
    /// What may be present during a step, in order: the treatments, or the sets between the times of schedules.
    pub present: Vec<Treatment>,
    /// Steps of every episode.
    pub n_steps: usize,
    /// Training controls of each plate, where episodes start from them.
    pub controls: BTreeMap<String, Vec<usize>>,
    /// Training rows of untreated cells; none where the zero vector stands for them.
    pub untreated: Vec<usize>,
    /// What anchors are made of.
    pub anchoring: Anchoring,
    /// Anchor of each treatment among the other treatments.
    pub anchors: Vec<Anchor>,
    /// For each treatment, the treatments that are a lower dose of it, from which an episode may start.
    pub lower_doses: Vec<Vec<usize>>,
    /// Episodes that training is judged by.
    pub validation: Vec<Validation>,
    /// What the units of each training treatment went through.
    paths: Vec<Vec<Path>>,
    /// Rows of every training well by its first one.
    units: BTreeMap<usize, Vec<usize>>,
}

#[cfg(test)]
mod tests;
