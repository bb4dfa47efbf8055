//! How well trajectories are predicted: of single tracks, and of the mean over the tracks of a condition.

use std::collections::BTreeMap;

use super::Bootstrap;
use super::error::{EvaluateError, expect_finite, expect_same_length};

/// The metrics of trajectories, in the order in which they are told.
///
/// - `track_…` compares every value of every track, `mean_…` the mean over a condition's tracks at every time.
/// - `rmse`: root of the mean squared error, in units of what is measured.
/// - `r2`: 1 − squared error / squared deviation from the overall mean of the measured values; negative where that one
///   number predicts better, absent where they are all equal.
/// - `pearson`: correlation of predicted and measured values; absent where either side does not vary.
pub const TRAJECTORY_METRICS: [&str; 6] =
    ["track_rmse", "track_r2", "track_pearson", "mean_rmse", "mean_r2", "mean_pearson"];

/// Measured and predicted values of the tracks of one field of view, summed at each time.
#[derive(Debug, Clone, Default)]
pub struct FieldSums {
    times: BTreeMap<i64, Sums>,
}

/// Sums over pairs of a measured and a predicted value.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: f64,
    observed: f64,
    predicted: f64,
    observed_squared: f64,
    predicted_squared: f64,
    product: f64,
    squared_error: f64,
}

impl Sums {
    fn of(observed: f64, predicted: f64) -> Self {
        Self {
            n: 1.0,
            observed,
            predicted,
            observed_squared: observed * observed,
            predicted_squared: predicted * predicted,
            product: observed * predicted,
            squared_error: (observed - predicted).powi(2),
        }
    }

    fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.observed += other.observed;
        self.predicted += other.predicted;
        self.observed_squared += other.observed_squared;
        self.predicted_squared += other.predicted_squared;
        self.product += other.product;
        self.squared_error += other.squared_error;
    }

    /// The pair of the means, as one pair.
    fn of_means(&self) -> Self {
        Self::of(self.observed / self.n, self.predicted / self.n)
    }

    fn scores(&self) -> [Option<f64>; 3] {
        let spread = |sum: f64, squared: f64| squared - sum * sum / self.n;
        let observed = spread(self.observed, self.observed_squared);
        let predicted = spread(self.predicted, self.predicted_squared);
        // Sums of squares of a constant leave rounding noise and no exact zero.
        let varies = |spread: f64, squared: f64| spread > 1e-12 * squared.max(f64::MIN_POSITIVE);
        let observed_varies = varies(observed, self.observed_squared);
        let both_vary = observed_varies && varies(predicted, self.predicted_squared);
        let shared = self.product - self.observed * self.predicted / self.n;
        [
            (self.n > 0.0).then(|| (self.squared_error / self.n).sqrt()),
            observed_varies.then(|| 1.0 - self.squared_error / observed),
            both_vary.then(|| (shared / (observed * predicted).sqrt()).clamp(-1.0, 1.0)),
        ]
    }
}

impl FieldSums {
    /// Takes in one track: measured and predicted values at `minutes`; a time counts where both are there.
    ///
    /// Values are told less `offset`, a number near their mean, so that sums of squares keep their digits.
    ///
    /// # Errors
    /// When the lists differ in length or a value is not finite.
    pub fn add(
        &mut self,
        minutes: &[f64],
        observed: &[Option<f64>],
        predicted: &[Option<f64>],
        offset: f64,
    ) -> Result<(), EvaluateError> {
        expect_same_length("times", minutes.len(), "measured values", observed.len())?;
        expect_same_length("times", minutes.len(), "predicted values", predicted.len())?;
        for ((minutes, observed), predicted) in minutes.iter().zip(observed).zip(predicted) {
            if let (Some(observed), Some(predicted)) = (observed, predicted) {
                expect_finite("the trajectories", &[*observed, *predicted])?;
                let key = (minutes * 1e3).round() as i64;
                self.times.entry(key).or_default().add(&Sums::of(observed - offset, predicted - offset));
            }
        }
        Ok(())
    }
}

/// One number of one method, with its 95 % interval.
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryScore {
    /// One of [`TRAJECTORY_METRICS`].
    pub metric: &'static str,
    /// The score over all fields.
    pub value: f64,
    /// Interval over the fields; `None` where they are too few.
    pub interval: Option<(f64, f64)>,
}

/// Scores over fields of view, each with its condition and name; `bootstrap` resamples fields.
///
/// The mean of a condition is taken over all tracks of its fields; over several conditions, the times of all of them count.
pub fn trajectory_scores(fields: &[(&str, &str, &FieldSums)], bootstrap: &Bootstrap) -> Vec<TrajectoryScore> {
    let units: Vec<&str> = fields.iter().map(|(_, field, _)| *field).collect();
    let everyone: Vec<usize> = (0..fields.len()).collect();
    let of = |drawn: &[usize]| scores_of(drawn.iter().map(|&index| (fields[index].0, fields[index].2)));
    let values = of(&everyone);
    let scored = TRAJECTORY_METRICS.into_iter().enumerate().filter_map(|(at, metric)| {
        Some(TrajectoryScore {
            metric,
            value: values[at]?,
            interval: bootstrap.interval_of(&units, |drawn| of(drawn)[at]),
        })
    });
    scored.collect()
}

fn scores_of<'a>(fields: impl Iterator<Item = (&'a str, &'a FieldSums)>) -> [Option<f64>; 6] {
    let mut conditions = BTreeMap::<(&str, i64), Sums>::new();
    for (condition, field) in fields {
        for (&minutes, sums) in &field.times {
            conditions.entry((condition, minutes)).or_default().add(sums);
        }
    }
    let (mut tracks, mut means) = (Sums::default(), Sums::default());
    for sums in conditions.values() {
        tracks.add(sums);
        means.add(&sums.of_means());
    }
    let ([a, b, c], [d, e, f]) = (tracks.scores(), means.scores());
    [a, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    fn score(scores: &[TrajectoryScore], metric: &str) -> Option<f64> {
        scores.iter().find(|score| score.metric == metric).map(|score| score.value)
    }

    /// Two tracks at two times, measured (1, 2) and (3, 6), predicted (1, 3) and (2, 4): as the read-outs 1, 2, 3, 6 against
    /// 1, 3, 2, 4 with an error of 6 over a spread of 14. Means (2, 4) against (1.5, 3.5): an error of 0.5 over a spread of 2.
    #[test]
    fn scores_by_hand() {
        for offset in [0.0, 3.0] {
            let mut field = FieldSums::default();
            field.add(&[42.0, 44.0], &some(&[1.0, 2.0]), &some(&[1.0, 3.0]), offset).unwrap();
            field.add(&[42.0, 44.0], &some(&[3.0, 6.0]), &some(&[2.0, 4.0]), offset).unwrap();
            let found = trajectory_scores(&[("dose", "field", &field)], &Bootstrap::default());
            let close = |metric: &str, expected: f64| {
                let found = score(&found, metric).unwrap();
                assert!((found - expected).abs() < 1e-9, "{metric}: {found}, expected {expected}");
            };
            close("track_rmse", 1.5f64.sqrt());
            close("track_r2", 1.0 - 6.0 / 14.0);
            close("track_pearson", 7.0 / (14.0f64 * 5.0).sqrt());
            close("mean_rmse", 0.5);
            close("mean_r2", 0.75);
            close("mean_pearson", 1.0);
            assert!(found.iter().all(|score| score.interval.is_none()), "one field is too few");
        }
    }

    #[test]
    fn a_time_counts_where_both_sides_are_there_and_a_constant_has_no_correlation() {
        let mut field = FieldSums::default();
        field.add(&[0.0, 2.0, 4.0], &[Some(1.0), None, Some(3.0)], &[Some(2.0), Some(9.0), Some(2.0)], 0.0).unwrap();
        let found = trajectory_scores(&[("dose", "field", &field)], &Bootstrap::default());
        assert_eq!(score(&found, "track_rmse"), Some(1.0));
        assert_eq!(score(&found, "track_pearson"), None);
        assert!(field.add(&[0.0], &some(&[f64::NAN]), &some(&[1.0]), 0.0).is_err());
    }

    #[test]
    fn ten_fields_have_intervals_that_hold_the_estimate() {
        let fields: Vec<(String, FieldSums)> = (0..12)
            .map(|number| {
                let mut field = FieldSums::default();
                let miss = (f64::from(number) * 1.7).sin();
                field.add(&[0.0, 2.0], &some(&[1.0, 5.0]), &some(&[1.0 + miss, 5.0 - miss]), 0.0).unwrap();
                (format!("field {number}"), field)
            })
            .collect();
        let fields: Vec<_> = fields.iter().map(|(name, field)| ("dose", name.as_str(), field)).collect();
        let found = trajectory_scores(&fields, &Bootstrap { resamples: 500, seed: 1 });
        let rmse = found.iter().find(|score| score.metric == "track_rmse").unwrap();
        let (lower, upper) = rmse.interval.unwrap();
        assert!(lower < rmse.value && rmse.value < upper, "{rmse:?}");
    }
}
