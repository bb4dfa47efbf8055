//! Monotone maps that tame the tails of each feature.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::Compress;
use crate::linear::numbers::Numbers;
use crate::screen::FeatureMatrix;

/// Most points that a feature's rank map keeps; with more distinct training values it keeps evenly spaced ones.
const MAX_KNOTS: usize = 1001;

/// The fitted compression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub(super) enum CompressStep {
    None {},
    Asinh {},
    Clip { limit: Numbers },
    RankInt { maps: Vec<RankMap> },
}

/// From values of one feature to Blom scores: both ascending, of equal length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RankMap {
    values: Numbers,
    scores: Numbers,
}

impl CompressStep {
    /// Fits on the rows of `training`; only rank-INT has anything to fit.
    pub(super) fn fit(training: &FeatureMatrix, settings: &Compress) -> Self {
        match *settings {
            Compress::None {} => Self::None {},
            Compress::Asinh {} => Self::Asinh {},
            Compress::Clip { limit } => Self::Clip { limit: Numbers(vec![limit]) },
            Compress::RankInt {} => {
                let n_features = training.n_features();
                let fit_one = |feature: usize| {
                    let column = training.values()[feature..].iter().step_by(n_features);
                    RankMap::fit(column.map(|&value| f64::from(value)).collect())
                };
                Self::RankInt { maps: (0..n_features).into_par_iter().map(fit_one).collect() }
            }
        }
    }

    /// Whether the step was fitted for `n_features` features.
    pub(super) fn fits(&self, n_features: usize) -> bool {
        match self {
            Self::None {} | Self::Asinh {} => true,
            Self::Clip { limit } => limit.len() == 1 && limit[0] > 0.0,
            Self::RankInt { maps } => {
                maps.len() == n_features && maps.iter().all(|map| map.values.len() == map.scores.len())
            }
        }
    }

    /// Compresses every value; missing values stay missing.
    pub(super) fn apply(&self, features: &mut FeatureMatrix) {
        let n_features = features.n_features();
        let rows = features.values_mut().par_chunks_mut(n_features.max(1));
        match self {
            Self::None {} => {}
            Self::Asinh {} => {
                rows.for_each(|row| row.iter_mut().for_each(|value| *value = asinh(f64::from(*value)) as f32));
            }
            Self::Clip { limit } => {
                let limit = limit[0] as f32;
                rows.for_each(|row| row.iter_mut().for_each(|value| *value = value.clamp(-limit, limit)));
            }
            Self::RankInt { maps } => rows.for_each(|row| {
                for (value, map) in row.iter_mut().zip(maps) {
                    *value = map.score(f64::from(*value)) as f32;
                }
            }),
        }
    }

    /// The value of a feature that is compressed to `value`; of a clipped one the limit.
    pub(super) fn expanded(&self, feature: usize, value: f64) -> f64 {
        match self {
            Self::None {} | Self::Clip { .. } => value,
            Self::Asinh {} => value.sinh(),
            Self::RankInt { maps } => maps[feature].value(value),
        }
    }
}

impl RankMap {
    /// Scores of a feature's training values; NaN is passed over.
    fn fit(mut values: Vec<f64>) -> Self {
        values.retain(|value| !value.is_nan());
        values.sort_unstable_by(f64::total_cmp);
        let n = values.len() as f64;
        let mut knots = Vec::new();
        let mut n_below = 0;
        for ties in values.chunk_by(|one, next| one == next) {
            let average_rank = n_below as f64 + (ties.len() as f64 + 1.0) / 2.0;
            knots.push((ties[0], normal_quantile((average_rank - 0.375) / (n + 0.25))));
            n_below += ties.len();
        }
        if knots.len() > MAX_KNOTS {
            let last = knots.len() - 1;
            knots = (0..MAX_KNOTS).map(|index| knots[index * last / (MAX_KNOTS - 1)]).collect();
        }
        let (values, scores) = knots.into_iter().unzip();
        Self { values: Numbers(values), scores: Numbers(scores) }
    }

    /// The score of a value: interpolated between training values, the outermost score beyond them.
    fn score(&self, value: f64) -> f64 {
        interpolated(&self.values, &self.scores, value)
    }

    /// The value of a score: interpolated between training values, the outermost value beyond them.
    fn value(&self, score: f64) -> f64 {
        interpolated(&self.scores, &self.values, score)
    }
}

/// The `to` at `value`, linear between the knots of `from`, which ascend.
fn interpolated(from: &[f64], to: &[f64], value: f64) -> f64 {
    let above = from.partition_point(|&knot| knot <= value);
    if value.is_nan() || from.is_empty() {
        return f64::NAN;
    }
    if above == 0 {
        return to[0];
    }
    let below = above - 1;
    if above == from.len() || from[below] == value {
        return to[below];
    }
    let part = (value - from[below]) / (from[above] - from[below]);
    to[below] + part * (to[above] - to[below])
}

/// Inverse hyperbolic sine to the precision of `f32`, in half the time of the standard library's.
fn asinh(value: f64) -> f64 {
    let size = value.abs();
    if size < 1e-4 {
        // The logarithm below would lose digits here; the next term of the series is below 1e-17 of the value.
        return value - value * value * value / 6.0;
    }
    (size + (size * size + 1.0).sqrt()).ln().copysign(value)
}

/// The standard normal quantile of `probability` in (0, 1).
fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values of `scipy.stats.norm.ppf`, from `tests/oracles/pycytominer_normalize.py`.
    #[test]
    fn quantiles_are_those_of_scipy() {
        let oracle: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/oracles/pycytominer_normalize.json")).unwrap();
        for (probability, quantile) in oracle["normal_quantile"].as_object().unwrap() {
            let found = normal_quantile(probability.parse().unwrap());
            let expected = quantile.as_f64().unwrap();
            assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{probability}: {found} {expected}");
        }
    }

    #[test]
    fn asinh_is_that_of_the_standard_library() {
        for size in (-400..380).map(|power| 10f64.powf(f64::from(power) / 10.0)) {
            for value in [size, -size] {
                assert!((asinh(value) - value.asinh()).abs() <= 1e-11 * value.asinh().abs(), "{value}");
            }
        }
        assert_eq!([asinh(0.0), asinh(f64::NEG_INFINITY)], [0.0, f64::NEG_INFINITY]);
        assert!(asinh(f64::NAN).is_nan());
    }

    #[test]
    fn new_values_are_interpolated_and_stay_within_bounds() {
        let map = RankMap::fit(vec![3.0, 1.0, 2.0, 2.0]);
        let blom = |rank: f64| normal_quantile((rank - 0.375) / 4.25);
        assert_eq!([map.score(1.0), map.score(2.0), map.score(3.0)], [blom(1.0), blom(2.5), blom(4.0)]);
        assert_eq!([map.score(-9.0), map.score(f64::INFINITY)], [blom(1.0), blom(4.0)]);
        assert!((map.score(1.5) - f64::midpoint(blom(1.0), blom(2.5))).abs() < 1e-15);
        assert!(map.score(f64::NAN).is_nan());
        assert_eq!(RankMap::fit(vec![7.0; 5]).score(7.0), 0.0);
    }

    #[test]
    fn a_long_column_keeps_its_ends_and_its_shape() {
        let map = RankMap::fit((0..5000).map(f64::from).collect());
        assert_eq!(map.values.len(), MAX_KNOTS);
        for rank in [1.0, 2500.0, 5000.0] {
            let exact = normal_quantile((rank - 0.375) / 5000.25);
            assert!((map.score(rank - 1.0) - exact).abs() < 1e-3);
        }
        assert_eq!(map.score(4999.0), normal_quantile((5000.0 - 0.375) / 5000.25));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn training_values_get_their_blom_scores_in_their_order(values in prop::collection::vec(-50i32..50, 2..60)) {
            let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 7.0).collect();
            let map = RankMap::fit(values.clone());
            for &value in &values {
                let below = values.iter().filter(|&&other| other < value).count() as f64;
                let ties = values.iter().filter(|&&other| other == value).count() as f64;
                let rank = below + (ties + 1.0) / 2.0;
                prop_assert_eq!(map.score(value), normal_quantile((rank - 0.375) / (values.len() as f64 + 0.25)));
                prop_assert!(values.iter().all(|&other| (other < value) == (map.score(other) < map.score(value))));
            }
        }
    }
}
