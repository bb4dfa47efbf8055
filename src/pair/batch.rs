//! Batches of episodes, and the units that they are made of.

use std::collections::BTreeMap;

use super::InterventionRows;
use crate::screen::{Features, Treatment};

/// Episodes gathered for one step of training.
///
/// Starts, anchors and targets are weighted means over the batch's units, so that a bag of controls is encoded once
/// however many treated wells are measured against it.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Features of every unit, `[unit, feature]`.
    pub units_uf: Vec<f32>,
    /// Number of units.
    pub n_units: usize,
    /// Steps of every episode; each is predicted from the prediction before it.
    pub n_steps: usize,
    /// The starts, `[batch, unit]`.
    pub start: Weights,
    /// The anchors of the first step, `[batch, unit]`; equal to the starts where there is no anchor. Where anchors are added
    /// to starts, the start's weights plus differences of other objects' frames, so that some are negative.
    pub anchor: Weights,
    /// The targets, `[step * batch, unit]`: those of the first step of all episodes, then those of the second.
    pub target: Weights,
    /// What was present, `[step * batch]`, in the order of the targets.
    pub interventions: InterventionRows,
}

impl Batch {
    /// Number of episodes.
    pub fn n_episodes(&self) -> usize {
        self.interventions.len() / self.n_steps
    }
}

/// Weighted means over the units of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// `[row, unit]`, each row of sum 1.
    Mean(Vec<f32>),
    /// The units themselves, as many as there are rows, from this one on.
    Units {
        /// The first of them.
        first: usize,
    },
}

/// Where the features of a unit of a batch come from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source<'a> {
    /// A row of the screen.
    Row(usize),
    /// All zero: the start of a screen whose values are relative to control.
    Zero,
    /// Where a treatment is expected to lead.
    Expected(&'a Treatment),
}

/// Units of a batch under construction; each source enters once.
#[derive(Default)]
pub(super) struct Units<'a> {
    of_source: BTreeMap<Source<'a>, usize>,
    sources: Vec<Source<'a>>,
}

impl<'a> Units<'a> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    /// The unit of a row.
    pub(super) fn of(&mut self, row: usize) -> usize {
        self.of_source(Source::Row(row))
    }

    /// The unit of a source, which is a new one where it was not asked for before.
    pub(super) fn of_source(&mut self, source: Source<'a>) -> usize {
        *self.of_source.entry(source).or_insert_with(|| {
            self.sources.push(source);
            self.sources.len() - 1
        })
    }

    /// Features of all units, `[unit, feature]`.
    pub(super) fn gather(&self, features: &Features, expected: &BTreeMap<Treatment, Vec<f32>>) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.sources.len() * features.n_features());
        for source in &self.sources {
            match source {
                Source::Row(row) => values.extend_from_slice(&features.read_row(*row)),
                Source::Zero => values.extend(std::iter::repeat_n(0.0, features.n_features())),
                Source::Expected(treatment) => values.extend_from_slice(&expected[*treatment]),
            }
        }
        values
    }
}
