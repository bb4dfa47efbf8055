//! What a screen holds to learn from: its training treatments, with what their units went through.

use std::collections::BTreeMap;

use super::{Anchor, Anchoring, Episode, PairConfig, PairError, Path, Split, Validation, anchor_in, source};
use crate::screen::{Screen, Treatment};

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
    /// Hours between the times of schedules; `None` where interventions do not change in time.
    pub grid_hours: Option<f64>,
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
    pub(super) paths: Vec<Vec<Path>>,
    /// Rows of every training well by its first one.
    pub(super) units: BTreeMap<usize, Vec<usize>>,
}

impl PairSet {
    /// What the training part of `screen` holds to learn from, and its validation part to judge by.
    ///
    /// # Errors
    /// When a treated plate lacks controls, nothing is left to train on, or no training track is long enough for an episode.
    pub fn new(screen: &Screen, split: &Split, config: &PairConfig) -> Result<Self, PairError> {
        source::of(&screen.design).pairs(screen, split, config.rollout)
    }

    /// Training paths of each treatment; none of a treatment whose tracks have no stretch without a gap.
    pub(crate) fn paths(&self) -> &[Vec<Path>] {
        &self.paths
    }

    /// How many episodes there are to draw from.
    pub fn n_episodes(&self) -> usize {
        self.paths.iter().flatten().map(Path::n_episodes).sum()
    }

    /// Every episode, by treatment, then unit.
    pub fn episodes(&self) -> impl Iterator<Item = Episode> {
        let of_path = |path: &Path| (0..path.n_episodes()).map(|number| path.episode(number, self.n_steps)).collect();
        self.paths.iter().flatten().flat_map(move |path| -> Vec<Episode> { of_path(path) })
    }

    /// Rows of the training unit that `row` stands for, where it has several.
    pub(super) fn rows_of_unit(&self, row: usize) -> Option<&[usize]> {
        self.units.get(&row).map(Vec::as_slice).filter(|rows| rows.len() > 1)
    }

    /// Those of `rows` that stand for a training unit.
    pub(super) fn units_of(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().copied().filter(|row| self.units.contains_key(row)).collect()
    }
}

pub(super) fn nothing_to_train(screen: &Screen) -> PairError {
    let treatments = screen.treatments().len();
    PairError::NothingToTrain { held_out: treatments, treatments }
}

/// The anchor of each treatment among the other ones.
pub(super) fn anchors(anchoring: Anchoring, treatments: &[Treatment]) -> Vec<Anchor> {
    treatments.iter().map(|treatment| anchor_in(anchoring, treatment, treatments)).collect()
}

#[cfg(test)]
mod tests;
