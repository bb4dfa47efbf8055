//! How well a predicted change agrees with the measured one: correlation, cosine, errors.

use rayon::prelude::*;

use super::anchors::Scored;
use super::deltas::{Deltas, Truth, mean_of_others};
use super::matched::Matched;
use super::{Metric, Predictor};

/// The metrics of this file, in the order of [`agreement`].
const METRICS: [Metric; 5] =
    [Metric::PearsonDelta, Metric::PearsonDeltaShift, Metric::CosineDelta, Metric::MaeDelta, Metric::MseDelta];

/// Scores every item.
pub(super) fn add(scored: &mut Scored, matched: &Matched, truth: &Truth, predictions: &Deltas) {
    let all = |_: usize| true;
    let of_whole = |predict: &Predict<'_>| of(matched, &truth.whole, &all, predict);
    scored.put(METRICS, Predictor::Predictions, &of_whole(&|item, _| as_f64(predictions.row(item))));
    scored.put(METRICS, Predictor::NoChange, &of_whole(&|_, means| vec![0.0; means.mean.len()]));
    scored.put(METRICS, Predictor::MeanResponse, &of_mean_response(matched, &truth.whole, &all));
    if let Some([measured, other]) = &truth.halves {
        let has = |item: usize| truth.n_rows[item] >= 2;
        scored.put(METRICS, Predictor::Duplicate, &of(matched, measured, &has, &|item, _| as_f64(other.row(item))));
        scored.put_on_halves(METRICS, &of_mean_response(matched, measured, &has));
    }
}

/// The mean change of a context.
struct ContextMean {
    mean: Vec<f64>,
    n_items: usize,
}

/// Scores of an item by the metrics of this file.
type OfItem = [Option<f64>; 5];

type Predict<'a> = dyn Fn(usize, &ContextMean) -> Vec<f64> + Sync + 'a;

/// Which items are scored.
type Has<'a> = dyn Fn(usize) -> bool + Sync + 'a;

/// Scores of the mean change of the other items.
fn of_mean_response(matched: &Matched, truth: &Deltas, has: &Has<'_>) -> Vec<OfItem> {
    let of_others = |item: usize, means: &ContextMean| {
        let own = truth.row(item).iter().copied().map(f64::from);
        means.mean.iter().zip(own).map(|(mean, own)| mean_of_others(*mean, own, means.n_items)).collect()
    };
    let mut each = of(matched, truth, has, &of_others);
    // The mean of the others differs from the mean of all by the item itself: not a direction, but a mirror.
    each.iter_mut().for_each(|values| values[1] = values[1].map(|_| 0.0));
    each
}

fn as_f64(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

fn of(matched: &Matched, truth: &Deltas, has: &Has<'_>, predict: &Predict<'_>) -> Vec<OfItem> {
    let means: Vec<ContextMean> = (matched.by_context().iter())
        .map(|items| {
            let items: Vec<usize> = items.iter().copied().filter(|&item| has(item)).collect();
            ContextMean { mean: truth.mean_of(&items), n_items: items.len() }
        })
        .collect();
    let score = |item: usize| {
        let means = &means[matched.items[item].context];
        if has(item) { agreement(&predict(item, means), truth.row(item), &means.mean) } else { [None; 5] }
    };
    (0..matched.items.len()).into_par_iter().map(score).collect()
}

/// Pearson's correlation of the changes and of the changes from the mean response, the cosine, the mean absolute and the mean
/// squared error.
///
/// Where the measured change has no direction the first three are undefined, and where the predicted one has none they are 0.
pub(super) fn agreement(predicted: &[f64], measured: &[f32], mean: &[f64]) -> OfItem {
    let n = predicted.len() as f64;
    let pairs = || predicted.iter().zip(measured).map(|(predicted, measured)| (*predicted, f64::from(*measured)));
    let (mut absolute, mut squared) = (0.0, 0.0);
    for (predicted, measured) in pairs() {
        absolute += (predicted - measured).abs();
        squared += (predicted - measured).powi(2);
    }
    let shifted = || pairs().zip(mean).map(|((predicted, measured), mean)| (predicted - mean, measured - mean));
    [correlation(pairs, n), correlation(shifted, n), direction(pairs, 0.0, 0.0), Some(absolute / n), Some(squared / n)]
}

fn correlation<I: Iterator<Item = (f64, f64)>>(pairs: impl Fn() -> I, n: f64) -> Option<f64> {
    let (left, right) = pairs().fold((0.0, 0.0), |sums, (left, right)| (sums.0 + left, sums.1 + right));
    direction(pairs, left / n, right / n)
}

/// The cosine of what is predicted and what is measured, each less a constant.
fn direction<I: Iterator<Item = (f64, f64)>>(
    pairs: impl Fn() -> I,
    of_predicted: f64,
    of_measured: f64,
) -> Option<f64> {
    let (mut shared, mut square_predicted, mut square_measured, mut largest) = (0.0, 0.0, 0.0, [0.0f64; 2]);
    let mut n = 0.0;
    for (predicted, measured) in pairs() {
        largest = [largest[0].max(predicted.abs()), largest[1].max(measured.abs())];
        let (predicted, measured) = (predicted - of_predicted, measured - of_measured);
        shared += predicted * measured;
        square_predicted += predicted * predicted;
        square_measured += measured * measured;
        n += 1.0;
    }
    // What is left of a constant is rounding, of the size of the 32-bit numbers that changes are kept in.
    let is_flat = |square: f64, largest: f64| square <= n * (1e-7 * largest).powi(2);
    match () {
        () if is_flat(square_measured, largest[1]) => None,
        () if is_flat(square_predicted, largest[0]) => Some(0.0),
        () => Some((shared / (square_predicted * square_measured).sqrt()).clamp(-1.0, 1.0)),
    }
}
