//! How well a predicted change agrees with the measured one: correlation, cosine, errors.

use rayon::prelude::*;

use super::anchors::Scored;
use super::deltas::{Deltas, Truth};
use super::matched::Matched;
use super::{Metric, Predictor};

/// The metrics of this file, in the order of [`agreement`].
const METRICS: [Metric; 5] =
    [Metric::PearsonDelta, Metric::PearsonDeltaShift, Metric::CosineDelta, Metric::MaeDelta, Metric::MseDelta];

/// Scores every item.
pub(super) fn add(scored: &mut Scored, matched: &Matched, truth: &Truth, predictions: &Deltas) {
    let all = |_: usize| true;
    of(scored, Predictor::Predictions, matched, &truth.whole, &all, &|item, _| as_f64(predictions.row(item)));
    of(scored, Predictor::NoChange, matched, &truth.whole, &all, &|_, means| vec![0.0; means.mean.len()]);
    of(scored, Predictor::MeanResponse, matched, &truth.whole, &all, &without_itself(&truth.whole));
    if let Some([measured, other]) = &truth.halves {
        let has = |item: usize| truth.n_rows[item] >= 2;
        of(scored, Predictor::Duplicate, matched, measured, &has, &|item, _| as_f64(other.row(item)));
        scored.is_of_halves = true;
        of(scored, Predictor::MeanResponse, matched, measured, &has, &without_itself(measured));
        scored.is_of_halves = false;
    }
}

/// The mean change of a context.
struct ContextMean {
    mean: Vec<f64>,
    n_items: usize,
}

type Predict<'a> = dyn Fn(usize, &ContextMean) -> Vec<f64> + Sync + 'a;

/// The mean change of the other items.
fn without_itself(truth: &Deltas) -> impl Fn(usize, &ContextMean) -> Vec<f64> + Sync + '_ {
    |item, means| {
        let n = means.n_items as f64;
        let own = truth.row(item).iter().copied().map(f64::from);
        match means.n_items {
            // There is no other, and nothing is known.
            1 => vec![0.0; means.mean.len()],
            _ => means.mean.iter().zip(own).map(|(mean, own)| (n * mean - own) / (n - 1.0)).collect(),
        }
    }
}

fn as_f64(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

fn of(
    scored: &mut Scored,
    predictor: Predictor,
    matched: &Matched,
    truth: &Deltas,
    has: &(dyn Fn(usize) -> bool + Sync),
    predict: &Predict<'_>,
) {
    let means: Vec<ContextMean> = (matched.by_context().iter())
        .map(|items| {
            let items: Vec<usize> = items.iter().copied().filter(|&item| has(item)).collect();
            ContextMean { mean: truth.mean_of(&items), n_items: items.len() }
        })
        .collect();
    let each: Vec<Option<[Option<f64>; 5]>> = (0..matched.items.len())
        .into_par_iter()
        .map(|item| {
            let means = &means[matched.items[item].context];
            has(item).then(|| {
                let mut values = agreement(&predict(item, means), truth.row(item), &means.mean);
                // The mean of the others differs from the mean of all by the item itself: not a direction, but a mirror.
                if predictor == Predictor::MeanResponse {
                    values[1] = values[1].map(|_| 0.0);
                }
                values
            })
        })
        .collect();
    for (place, metric) in METRICS.into_iter().enumerate() {
        let values = each.iter().map(|values| values.and_then(|values| values[place])).collect();
        scored.put(metric, predictor, values);
    }
}

/// Pearson's correlation of the changes and of the changes from the mean response, the cosine, the mean absolute and the mean
/// squared error.
///
/// Where the measured change has no direction the first three are undefined, and where the predicted one has none they are 0.
pub(super) fn agreement(predicted: &[f64], measured: &[f32], mean: &[f64]) -> [Option<f64>; 5] {
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
