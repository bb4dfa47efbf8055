//! Rows -> the sum of each group of rows, in one stream over a file.

use super::super::EvaluateError;
use super::matched::NOWHERE;
use crate::load::{Responses, Scale};

/// Counts that a profile has in all, as cell-eval2 brings the summed counts of a group to (`bulk_target_sum`).
pub(super) const DEPTH: f64 = 50_000.0;

/// Sums over the rows of groups.
pub(super) struct Sums {
    n_features: usize,
    /// `[group, feature]`.
    values: Vec<f64>,
    /// Rows of each group.
    pub n_rows: Vec<usize>,
}

impl Sums {
    /// Adds up the rows of each group; `group_of` names that of a row, `places` the place of a feature of the file.
    ///
    /// # Errors
    /// If the file is damaged, or a value is not a finite number.
    pub fn of(
        responses: &Responses,
        n_groups: usize,
        n_features: usize,
        group_of: &[u32],
        places: &[u32],
    ) -> Result<Self, EvaluateError> {
        let mut sums = Self { n_features, values: vec![0.0; n_groups * n_features], n_rows: vec![0; n_groups] };
        for &group in group_of.iter().filter(|group| **group != NOWHERE) {
            sums.n_rows[group as usize] += 1;
        }
        responses.visit(&|row| group_of[row] != NOWHERE, |row, feature, value| {
            let place = places[feature];
            if place != NOWHERE {
                sums.values[group_of[row] as usize * n_features + place as usize] += f64::from(value);
            }
        })?;
        Ok(sums)
    }

    /// The profile of the rows of some groups together: of counts ln(1 + x) of their sum brought to [`DEPTH`], of anything
    /// else the mean of the rows.
    pub fn profile(&self, groups: &[usize], scale: Scale) -> Vec<f64> {
        let mut profile = vec![0.0; self.n_features];
        for &group in groups {
            let values = &self.values[group * self.n_features..(group + 1) * self.n_features];
            profile.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        let n_rows: usize = groups.iter().map(|&group| self.n_rows[group]).sum();
        match scale {
            Scale::Counts => {
                let total: f64 = profile.iter().sum();
                let factor = if total > 0.0 { DEPTH / total } else { 0.0 };
                profile.iter_mut().for_each(|value| *value = (*value * factor).ln_1p());
            }
            Scale::Log1p | Scale::AsIs => profile.iter_mut().for_each(|value| *value /= n_rows as f64),
        }
        profile
    }
}
