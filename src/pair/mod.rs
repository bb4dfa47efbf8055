//! From a screen to transitions, splits and batches, all on the host.
//!
//! Measuring destroys the cells, so no cell is seen before and after. A transition is constructed: a *bag* of negative
//! controls from the plate of a treated well stands for the state before, the treated well for the state after.
//! A dose ladder gives more of them: from the wells of one dose to those of a higher one.
//! In a time lapse the same cells are seen again: any earlier and any later frame of one object are a transition whose
//! intervention lasted as long as they are apart.

mod anchor;
mod augment;
mod batch;
mod lapse;
mod rollout;
mod series;
mod split;
mod vocabulary;

use std::collections::BTreeMap;

pub use anchor::{Anchor, anchor_in, anchor_of};
pub use augment::{Augment, CropShape};
pub use batch::{Batch, InterventionRows, Sampler};
pub use rollout::{Rollouts, Trajectory};
use serde::{Deserialize, Serialize};
pub use series::DosePosition;
pub(crate) use series::{additive_weights, between_neighbors, interpolation_weights, nearest_weights, series_of};
pub use split::{Part, Split, SplitBy, SplitConfig};
pub use vocabulary::{DoseCenters, InterventionSizes, Vocabulary};

use crate::screen::{Reference, Role, Screen, Treatment};

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

/// Where a transition starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A bag of negative controls of the target's plate; the zero vector where values are relative to control.
    Control,
    /// Wells of the same perturbation at a lower dose: a constructed step of a dose ladder. Holds the treatment's index.
    Dose(usize),
    /// An earlier frame of the same object. Holds its row.
    Frame(usize),
}

/// One step from a state before to a measured state after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Where it starts.
    pub start: Start,
    /// Row of the treated observation.
    pub target: usize,
    /// Index of the treatment in [`PairSet::treatments`].
    pub treatment: usize,
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

/// The training transitions of a screen, as indices into it.
#[derive(Debug, Clone)]
pub struct PairSet {
    /// What effects are measured against.
    pub reference: Reference,
    /// Training treatments, in order.
    pub treatments: Vec<Treatment>,
    /// Training rows of each treatment.
    pub rows: Vec<Vec<usize>>,
    /// Every training transition that starts at controls, by treatment, then row; to the first row of a well where it has several.
    pub transitions: Vec<Transition>,
    /// Training controls of each plate.
    pub controls: BTreeMap<String, Vec<usize>>,
    /// Rows of every training well by its first one, where a well is a bag of rows; empty where a row is a well.
    pub bags: BTreeMap<usize, Vec<usize>>,
    /// Anchor of each treatment among the other treatments.
    pub anchors: Vec<Anchor>,
    /// For each treatment, the treatments that are a lower dose of it.
    pub lower_doses: Vec<Vec<usize>>,
    /// For each treatment of a time lapse, the earlier and the later row of every training step that is one of it; empty otherwise.
    pub frame_steps: Vec<Vec<(usize, usize)>>,
    /// The first frame of every later row of a time lapse, whatever its part; empty otherwise.
    pub first_frames: BTreeMap<usize, usize>,
    /// The tracks of a time lapse in which what is present changes; `None` otherwise.
    pub rollouts: Option<Rollouts>,
}

impl PairSet {
    /// The transitions of `screen` whose observations `split` gives to training.
    ///
    /// # Errors
    /// When a plate lacks controls, or nothing is left to train on.
    pub fn new(screen: &Screen, split: &Split) -> Result<Self, PairError> {
        let mut by_treatment = BTreeMap::<Treatment, Vec<usize>>::new();
        for (treatment, rows) in screen.treatments() {
            let training: Vec<usize> = rows.into_iter().filter(|&row| split.part(row) == Part::Train).collect();
            if !training.is_empty() {
                by_treatment.insert(treatment, training);
            }
        }
        if by_treatment.is_empty() {
            let treatments = screen.treatments().len();
            return Err(PairError::NothingToTrain { held_out: treatments, treatments });
        }
        let controls: BTreeMap<String, Vec<usize>> = screen
            .rows_by_plate(|observation| observation.role == Role::NegativeControl)
            .into_iter()
            .map(|(plate, rows)| {
                (plate.to_owned(), rows.into_iter().filter(|&row| split.part(row) == Part::Train).collect())
            })
            .filter(|(_, rows): &(String, Vec<usize>)| !rows.is_empty())
            .collect();
        let (treatments, rows): (Vec<_>, Vec<_>) = by_treatment.into_iter().unzip();
        if screen.reference != Reference::Relative {
            let lonely = rows.iter().flatten().find(|&&row| !controls.contains_key(&screen.observations[row].plate));
            if let Some(&row) = lonely {
                return Err(PairError::NoControls { plate: screen.observations[row].plate.clone() });
            }
        }
        let transitions = rows
            .iter()
            .enumerate()
            .flat_map(|(treatment, rows)| {
                rows.iter().map(move |&target| Transition { start: Start::Control, target, treatment })
            })
            .collect();
        let anchors = treatments.iter().map(|treatment| anchor_in(screen.reference, treatment, &treatments)).collect();
        let lower_doses = treatments.iter().map(|treatment| anchor::lower_doses(treatment, &treatments)).collect();
        Ok(Self {
            reference: screen.reference,
            treatments,
            rows,
            transitions,
            controls,
            bags: BTreeMap::new(),
            anchors,
            lower_doses,
            frame_steps: Vec::new(),
            first_frames: BTreeMap::new(),
            rollouts: None,
        })
    }

    /// The transitions of a screen whose wells are bags of rows, such as crops of images: one for each training well.
    ///
    /// # Errors
    /// As [`PairSet::new`].
    pub fn of_bags(screen: &Screen, split: &Split) -> Result<Self, PairError> {
        let mut pairs = Self::new(screen, split)?;
        let wells = screen.wells().into_iter().filter(|rows| split.part(rows[0]) == Part::Train);
        pairs.bags = wells.map(|rows| (rows[0], rows)).collect();
        pairs.transitions.retain(|transition| pairs.bags.contains_key(&transition.target));
        Ok(pairs)
    }

    /// Those of `rows` that stand for a well: all of them, or the first of each bag.
    fn wells_of(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().copied().filter(|row| self.bags.is_empty() || self.bags.contains_key(row)).collect()
    }

    /// Constructed steps from every lower dose to every higher dose of one perturbation, one for each target row.
    ///
    /// Only training treatments take part, so a held-out dose appears at no step.
    pub fn ladder_transitions(&self) -> Vec<Transition> {
        let mut transitions = Vec::new();
        for (treatment, lower) in self.lower_doses.iter().enumerate() {
            for &from in lower {
                for &target in &self.rows[treatment] {
                    transitions.push(Transition { start: Start::Dose(from), target, treatment });
                }
            }
        }
        transitions
    }
}

#[cfg(test)]
mod tests;
