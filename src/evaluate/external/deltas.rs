//! Profiles of groups -> changes from the control.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::EvaluateError;
use super::matched::{Matched, NOWHERE, group_of_rows};
use super::sums::Sums;
use crate::load::{Responses, Scale};

/// Changes of the items, `[item, feature]`.
pub(super) struct Deltas {
    pub n_features: usize,
    pub values: Vec<f32>,
}

/// The mean of the others of `n` items, where `mean` is that of all and `own` that of one; 0 where there is no other, and
/// nothing is known.
pub(super) fn mean_of_others(mean: f64, own: f64, n: usize) -> f64 {
    let n = n as f64;
    if n > 1.0 { (n * mean - own) / (n - 1.0) } else { 0.0 }
}

/// What was measured.
pub(super) struct Truth {
    /// Changes by all rows.
    pub whole: Deltas,
    /// Changes by each half of the rows, from halves of the control; zeros where an item has a single row.
    pub halves: Option<[Deltas; 2]>,
    /// Rows of each item.
    pub n_rows: Vec<usize>,
    /// Whether the control was parted into halves.
    pub is_control_halved: bool,
    /// The control of each context.
    pub controls: Vec<Vec<f64>>,
    /// The control of each context by each half of its rows.
    pub control_halves: [Vec<Vec<f64>>; 2],
    /// The half of each row of the file, 0 or 1.
    pub half_of_row: Vec<u8>,
}

impl Deltas {
    /// The change of an item.
    pub fn row(&self, item: usize) -> &[f32] {
        &self.values[item * self.n_features..(item + 1) * self.n_features]
    }

    /// The profile of each item less that of its control.
    fn between(matched: &Matched, profile: impl Fn(usize) -> Option<Vec<f64>> + Sync, controls: &[Vec<f64>]) -> Self {
        let n_features = matched.features.len();
        let mut values = vec![0.0f32; matched.items.len() * n_features];
        values.par_chunks_mut(n_features.max(1)).enumerate().for_each(|(item, values)| {
            if let Some(profile) = profile(item) {
                let control = &controls[matched.items[item].context];
                for (value, (own, control)) in values.iter_mut().zip(profile.iter().zip(control)) {
                    *value = (own - control) as f32;
                }
            }
        });
        Self { n_features, values }
    }

    /// What is predicted, from the control of the truth.
    ///
    /// # Errors
    /// If the file is damaged, or a value is not a finite number.
    pub fn of_predictions(responses: &Responses, matched: &Matched, truth: &Truth) -> Result<Self, EvaluateError> {
        let group_of = group_of_rows(responses, &matched.predicted_groups);
        let (n_items, n_features) = (matched.items.len(), matched.features.len());
        let sums = Sums::of(responses, n_items, n_features, &group_of, &matched.of_predictions)?;
        // Logarithms with values below zero are logarithms still; counts are counts on both sides.
        let scale = if matched.scale == Scale::Counts { Scale::Counts } else { Scale::AsIs };
        Ok(Self::between(matched, |item| Some(sums.profile(&[item], scale)), &truth.controls))
    }

    /// The mean change of some items.
    pub fn mean_of(&self, items: &[usize]) -> Vec<f64> {
        let mut mean = vec![0.0; self.n_features];
        for &item in items {
            mean.iter_mut().zip(self.row(item)).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= items.len() as f64);
        mean
    }
}

impl Truth {
    /// Reads the truth, each item and control in two random halves.
    ///
    /// # Errors
    /// If the file is damaged, or a value is not a finite number.
    pub fn read(responses: &Responses, matched: &Matched, seed: u64) -> Result<Self, EvaluateError> {
        let (n_items, n_features, n_contexts) = (matched.items.len(), matched.features.len(), matched.contexts.len());
        let n_groups = n_items + n_contexts;
        let mut group_of = group_of_rows(responses, &matched.truth_groups);
        let half_of_row = halves(&group_of, n_groups, seed);
        for (group, half) in group_of.iter_mut().zip(&half_of_row).filter(|(group, _)| **group != NOWHERE) {
            *group = 2 * *group + u32::from(*half);
        }
        let sums = Sums::of(responses, 2 * n_groups, n_features, &group_of, &matched.of_truth)?;
        let scale = matched.scale;
        let both = |group: usize| [2 * group, 2 * group + 1];
        let n_rows: Vec<usize> =
            (0..n_groups).map(|group| both(group).iter().map(|&half| sums.n_rows[half]).sum()).collect();
        let controls: Vec<Vec<f64>> = (n_items..n_groups).map(|group| sums.profile(&both(group), scale)).collect();
        let whole = Deltas::between(matched, |item| Some(sums.profile(&both(item), scale)), &controls);
        let is_control_halved = n_rows[n_items..].iter().all(|&n| n >= 2);
        let control_halves = [0, 1].map(|half| match is_control_halved {
            true => (n_items..n_groups).map(|group| sums.profile(&[2 * group + half], scale)).collect(),
            false => controls.clone(),
        });
        let of_half = |half: usize| {
            let profile = |item: usize| (n_rows[item] >= 2).then(|| sums.profile(&[2 * item + half], scale));
            Deltas::between(matched, profile, &control_halves[half])
        };
        let halves = n_rows[..n_items].iter().any(|&n| n >= 2).then(|| [of_half(0), of_half(1)]);
        let n_rows = n_rows[..n_items].to_vec();
        Ok(Self { whole, halves, n_rows, is_control_halved, controls, control_halves, half_of_row })
    }
}

/// The half of each row: those of a group are shuffled, and the first of them, rounded up, are in half 0.
fn halves(group_of: &[u32], n_groups: usize, seed: u64) -> Vec<u8> {
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); n_groups];
    for (row, &group) in group_of.iter().enumerate().filter(|(_, group)| **group != NOWHERE) {
        rows[group as usize].push(row as u32);
    }
    let mut half = vec![0; group_of.len()];
    for (group, rows) in rows.iter_mut().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(group as u64);
        rows.shuffle(&mut rng);
        let first = rows.len().div_ceil(2);
        rows[first..].iter().for_each(|&row| half[row as usize] = 1);
    }
    half
}
