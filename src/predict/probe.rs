//! A measured number read out of latents that were never trained on it.

use crate::linear::{Ridge, RidgeError};
use crate::screen::FeatureMatrix;
use crate::train::Latents;

/// Penalties of a probe.
pub const PROBE_LAMBDAS: [f64; 6] = [1e-3, 1e-1, 1.0, 10.0, 100.0, 1000.0];

/// A ridge regression from latents to the logarithm of a positive number.
#[derive(Debug, Clone)]
pub struct LogProbe {
    ridge: Ridge,
}

impl LogProbe {
    /// Fitted on rows whose number is measured, its natural logarithm given; the penalty is chosen by leave-one-out.
    ///
    /// # Errors
    /// When there are fewer than two rows or a value is not finite.
    pub fn fit(latents: Latents, logs: Vec<f32>) -> Result<Self, RidgeError> {
        let logs = FeatureMatrix::new(vec!["log".into()], logs);
        Ok(Self { ridge: Ridge::fit_gcv(&latents.side_by_side(), &logs, &PROBE_LAMBDAS)? })
    }

    /// The number that each row's latents say.
    pub fn read(&self, latents: Latents) -> Vec<f64> {
        self.ridge.predict(&latents.side_by_side()).values().iter().map(|&log| f64::from(log).exp()).collect()
    }
}

/// A straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Rise for each unit.
    pub slope: f64,
    /// Value at 0.
    pub intercept: f64,
}

impl Line {
    /// The least-squares line through points `(x, y)`; the identity where fewer than three are given or `x` does not vary.
    pub fn through(points: &[(f64, f64)]) -> Self {
        let n = points.len() as f64;
        let x_mean = points.iter().map(|(x, _)| x).sum::<f64>() / n;
        let y_mean = points.iter().map(|(_, y)| y).sum::<f64>() / n;
        let spread: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
        if points.len() < 3 || spread <= 0.0 {
            return Self { slope: 1.0, intercept: 0.0 };
        }
        let shared: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
        let slope = shared / spread;
        Self { slope, intercept: y_mean - slope * x_mean }
    }

    /// The value at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

/// The sum of `ends` over the sum of `starts` in each of successive groups of these sizes.
///
/// Large objects weigh more than in a mean of ratios, as they do in what is measured of a whole well.
///
/// # Panics
/// If the groups are more than the values.
pub fn ratios_of_sums(starts: &[f64], ends: &[f64], sizes: impl Iterator<Item = usize>) -> Vec<f64> {
    let mut first = 0;
    let ratio = |size: usize| {
        let range = first..first + size;
        first = range.end;
        ends[range.clone()].iter().sum::<f64>() / starts[range].iter().sum::<f64>()
    };
    sizes.map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_fitted_by_least_squares() {
        assert_eq!(Line::through(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Line { slope: 2.0, intercept: 1.0 });
        let line = Line::through(&[(0.0, 0.0), (1.0, 3.0), (2.0, 0.0)]);
        assert_eq!((line.slope, line.at(7.0)), (0.0, 1.0));
        for flat in [&[(0.0, 1.0), (1.0, 3.0)][..], &[(2.0, 1.0), (2.0, 3.0), (2.0, 5.0)], &[]] {
            assert_eq!(Line::through(flat).at(4.5), 4.5);
        }
    }

    #[test]
    fn a_ratio_is_of_sums_and_not_a_mean_of_ratios() {
        // The objects grow threefold and not at all; the second is nine times as large.
        assert_eq!(ratios_of_sums(&[1.0, 9.0, 2.0], &[3.0, 9.0, 5.0], [2, 1].into_iter()), [1.2, 2.5]);
    }

    #[test]
    fn a_probe_reads_the_number_whose_logarithm_is_linear_in_the_latent() {
        let latents = |values: &[f32]| Latents::new(1, 1, values.to_vec());
        let at: Vec<f32> = (0..20).map(|step| step as f32 / 10.0).collect();
        let probe = LogProbe::fit(latents(&at), at.iter().map(|x| 0.5 + 2.0 * x).collect()).unwrap();
        let read = probe.read(latents(&[0.0, 1.0]));
        assert!((read[0] / 0.5f64.exp() - 1.0).abs() < 1e-2 && (read[1] / 2.5f64.exp() - 1.0).abs() < 1e-2, "{read:?}");
    }
}
