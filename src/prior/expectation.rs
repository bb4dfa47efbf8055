//! Covariance of responses over settings and directions at once, where many perturbations were measured in several settings.
//!
//! The response of a perturbation is one normal vector over (setting, direction), of which those settings are seen in which
//! it was measured. Expectation maximization fills in the others: mean and covariance are those of the expected vectors.

use faer::{Mat, MatRef};

use crate::linear::Cholesky;
use crate::linear::dense::product;

/// Rounds; the covariance changes little after ten.
const ROUNDS: usize = 25;

/// How much of the covariance between entries is given up in each round, so that few perturbations cannot make it singular.
const SHRINK: f64 = 0.03;

/// Responses to one perturbation in some of the settings.
pub(super) struct Seen {
    /// Setting of each measurement, the direction values measured there, and the variance of their noise.
    pub(super) measured: Vec<(usize, Vec<f64>, f64)>,
}

/// Mean and covariance of a response, over (setting, direction).
pub(super) struct Moments {
    pub(super) mean: Vec<f64>,
    pub(super) covariance: Mat<f64>,
}

impl Moments {
    /// Fitted to what was seen, from `start`; `None` where rounding leaves no solution.
    pub(super) fn fit(seen: &[Seen], width: usize, start: Self) -> Option<Self> {
        let n = start.mean.len();
        let mut moments = start;
        for _ in 0..ROUNDS {
            let (mut sum, mut sum_of_squares) = (vec![0.0; n], Mat::<f64>::zeros(n, n));
            for one in seen {
                let (expected, left) = moments.expect(one, width)?;
                sum.iter_mut().zip(&expected).for_each(|(sum, value)| *sum += value);
                let centered: Vec<f64> = expected.iter().zip(&moments.mean).map(|(value, mean)| value - mean).collect();
                for row in 0..n {
                    for column in 0..n {
                        sum_of_squares[(row, column)] += left[(row, column)] + centered[row] * centered[column];
                    }
                }
            }
            let count = seen.len() as f64;
            let mean: Vec<f64> = sum.into_iter().map(|sum| sum / count).collect();
            let covariance = Mat::from_fn(n, n, |row, column| {
                // The squares are about the mean of the round before.
                let moved = (mean[row] - moments.mean[row]) * (mean[column] - moments.mean[column]);
                let value = sum_of_squares[(row, column)] / count - moved;
                if row == column { value } else { (1.0 - SHRINK) * value }
            });
            moments = Self { mean, covariance };
        }
        Some(moments)
    }

    /// The vector expected of a perturbation, and the covariance that is left.
    fn expect(&self, seen: &Seen, width: usize) -> Option<(Vec<f64>, Mat<f64>)> {
        let places: Vec<usize> =
            seen.measured.iter().flat_map(|(setting, ..)| setting * width..(setting + 1) * width).collect();
        let noise: Vec<f64> =
            seen.measured.iter().flat_map(|(_, values, noise)| std::iter::repeat_n(*noise, values.len())).collect();
        let values = seen.measured.iter().flat_map(|(_, values, _)| values);
        let residual: Vec<f64> = values.zip(&places).map(|(value, &place)| value - self.mean[place]).collect();
        let n = self.mean.len();
        let across = Mat::from_fn(places.len(), n, |row, column| self.covariance[(places[row], column)]);
        let inside = Mat::from_fn(places.len(), places.len(), |row, column| {
            across[(row, places[column])] + if row == column { noise[row] + 1e-9 } else { 0.0 }
        });
        // `gain = inside⁻¹ across`, so that the expected vector is `mean + gainᵀ residual`.
        let gain = Cholesky::of(inside)?.solve(across.clone());
        let shift = product(gain.transpose(), MatRef::from_column_major_slice(&residual, residual.len(), 1));
        let expected = self.mean.iter().enumerate().map(|(at, mean)| mean + shift[(at, 0)]).collect();
        let explained = product(across.transpose(), gain.as_ref());
        Some((expected, Mat::from_fn(n, n, |row, column| self.covariance[(row, column)] - explained[(row, column)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both settings measured without noise: the moments of the sample.
    #[test]
    fn without_gaps_and_noise_it_is_the_mean_and_covariance_of_the_sample() {
        let rows = [[1.0, 2.0], [3.0, 3.0], [-1.0, 1.0], [0.0, 5.0]];
        let seen: Vec<Seen> = rows
            .iter()
            .map(|row| Seen { measured: (0..2).map(|setting| (setting, vec![row[setting]], 0.0)).collect() })
            .collect();
        let start = Moments { mean: vec![0.0; 2], covariance: Mat::identity(2, 2) };
        let found = Moments::fit(&seen, 1, start).unwrap();
        assert!((found.mean[0] - 0.75).abs() < 1e-6 && (found.mean[1] - 2.75).abs() < 1e-6, "{:?}", found.mean);
        assert!((found.covariance[(0, 0)] - 2.1875).abs() < 1e-6, "{:?}", found.covariance);
        assert!((found.covariance[(1, 0)] - 0.97 * 0.4375).abs() < 1e-6, "{:?}", found.covariance);
    }

    /// What is missing in one setting is expected from the other by their regression.
    #[test]
    fn gaps_do_not_bias_what_is_correlated() {
        let mut seen: Vec<Seen> = (0..40)
            .map(|index| {
                let value = f64::from(index % 8) - 3.5;
                Seen { measured: vec![(0, vec![value], 0.0), (1, vec![2.0 * value + 1.0], 0.0)] }
            })
            .collect();
        // Measured in the first setting only, and all high there.
        seen.extend((0..40).map(|_| Seen { measured: vec![(0, vec![3.0], 0.0)] }));
        let start = Moments { mean: vec![0.0; 2], covariance: Mat::identity(2, 2) };
        let found = Moments::fit(&seen, 1, start).unwrap();
        assert!((found.mean[0] - 1.5).abs() < 1e-6);
        assert!((found.mean[1] - 4.0).abs() < 0.3, "{:?}", found.mean);
    }
}
