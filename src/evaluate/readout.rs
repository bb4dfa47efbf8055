//! How well a measured read-out of whole wells is predicted: error, share of variance explained, order.

use super::error::{EvaluateError, expect_finite, expect_same_length};
use super::{Bootstrap, spearman};

/// A number of observed against predicted read-outs; `None` where it is undefined.
type Statistic = fn(&[f64], &[f64]) -> Option<f64>;

/// One number of one method, with its 95 % interval.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadoutScore {
    /// `rmse`, `r2` or `spearman`.
    pub metric: &'static str,
    /// The score over all wells.
    pub value: f64,
    /// Interval over the independent units; `None` where they are too few.
    pub interval: Option<(f64, f64)>,
}

/// Scores of `predicted` against `observed`, well by well; `units` names the condition of each well.
///
/// - `rmse`: root of the mean squared error, in units of the read-out.
/// - `r2`: 1 − squared error / squared deviation from the mean of the observed; negative where that mean predicts better.
///   Absent when all observed values are equal.
/// - `spearman`: rank correlation; absent when either side is constant.
///
/// # Errors
/// When there are no wells, a value is not finite, or the lists differ in length.
pub fn readout_scores<U: AsRef<str>>(
    observed: &[f64],
    predicted: &[f64],
    units: &[U],
    bootstrap: &Bootstrap,
) -> Result<Vec<ReadoutScore>, EvaluateError> {
    expect_same_length("observed readouts", observed.len(), "predicted ones", predicted.len())?;
    expect_same_length("observed readouts", observed.len(), "units", units.len())?;
    expect_finite("the observed readouts", observed)?;
    expect_finite("the predicted readouts", predicted)?;
    if observed.is_empty() {
        return Err(EvaluateError::Empty { what: "wells" });
    }
    let metrics: [(&'static str, Statistic); 3] = [("rmse", rmse), ("r2", r_squared), ("spearman", spearman)];
    let everyone: Vec<usize> = (0..observed.len()).collect();
    let squares: Vec<f64> = observed.iter().zip(predicted).map(|(o, p)| (o - p).powi(2)).collect();
    let root = |(lower, upper): (f64, f64)| (lower.max(0.0).sqrt(), upper.max(0.0).sqrt());
    let error_interval = bootstrap.mean(&squares, units)?.interval.map(root);
    let scores = metrics.into_iter().filter_map(|(metric, statistic)| {
        let of = |wells: &[usize]| {
            let at = |values: &[f64]| -> Vec<f64> { wells.iter().map(|&well| values[well]).collect() };
            statistic(&at(observed), &at(predicted))
        };
        let interval = match metric {
            "rmse" => error_interval,
            _ => bootstrap.interval_of(units, of),
        };
        Some(ReadoutScore { metric, value: of(&everyone)?, interval })
    });
    Ok(scores.collect())
}

fn squared_error(observed: &[f64], predicted: &[f64]) -> f64 {
    observed.iter().zip(predicted).map(|(observed, predicted)| (observed - predicted).powi(2)).sum()
}

fn rmse(observed: &[f64], predicted: &[f64]) -> Option<f64> {
    Some((squared_error(observed, predicted) / observed.len() as f64).sqrt())
}

fn r_squared(observed: &[f64], predicted: &[f64]) -> Option<f64> {
    let mean = observed.iter().sum::<f64>() / observed.len() as f64;
    let spread = squared_error(observed, &vec![mean; observed.len()]);
    (spread > 0.0).then(|| 1.0 - squared_error(observed, predicted) / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(scores: &[ReadoutScore], metric: &str) -> Option<ReadoutScore> {
        scores.iter().find(|score| score.metric == metric).cloned()
    }

    /// Observed 1, 2, 3, 6 (mean 3, squared deviations 4 + 1 + 0 + 9 = 14), predicted 1, 3, 2, 4 (squared errors 0 + 1 + 1 + 4 = 6).
    #[test]
    fn scores_by_hand() {
        let bootstrap = Bootstrap { resamples: 100, seed: 0 };
        let units = ["a", "a", "b", "b"];
        let found = readout_scores(&[1.0, 2.0, 3.0, 6.0], &[1.0, 3.0, 2.0, 4.0], &units, &bootstrap).unwrap();
        let close = |metric: &str, expected: f64| {
            let found = score(&found, metric).unwrap();
            assert!((found.value - expected).abs() < 1e-12 && found.interval.is_none(), "{found:?}");
        };
        close("rmse", 1.5f64.sqrt());
        close("r2", 1.0 - 6.0 / 14.0);
        close("spearman", 0.8);
    }

    #[test]
    fn a_constant_prediction_has_no_order_and_the_mean_explains_nothing() {
        let bootstrap = Bootstrap { resamples: 0, seed: 0 };
        let found = readout_scores(&[1.0, 2.0, 3.0], &[2.0; 3], &["a", "b", "c"], &bootstrap).unwrap();
        assert_eq!(score(&found, "spearman"), None);
        assert_eq!(score(&found, "r2").unwrap().value, 0.0);
    }

    #[test]
    fn intervals_draw_whole_conditions_and_hold_the_estimate() {
        let observed: Vec<f64> = (0..24).map(|well| f64::from(well / 2)).collect();
        let predicted: Vec<f64> =
            observed.iter().enumerate().map(|(well, value)| value + (well as f64).sin()).collect();
        let units: Vec<String> = (0..24).map(|well| format!("condition {}", well / 2)).collect();
        let found = readout_scores(&observed, &predicted, &units, &Bootstrap { resamples: 500, seed: 1 }).unwrap();
        for score in found {
            let (lower, upper) = score.interval.unwrap();
            assert!(lower < score.value && score.value < upper, "{score:?}");
        }
        assert!(readout_scores(&[1.0], &[f64::NAN], &["a"], &Bootstrap::default()).is_err());
    }
}
