//! Whether a prediction is nearer to its own perturbation than to others.

use super::anchors::Scored;
use super::deltas::{Deltas, Truth};
use super::distances::{Pair, pairs};
use super::matched::Matched;
use super::{Metric, Predictor};

/// The metrics of this file, in the order of [`ranks`].
const METRICS: [Metric; 4] = [Metric::PdsL1, Metric::PdsCosine, Metric::CentroidAccuracy, Metric::Rank];

/// Scores every item among those of its context.
///
/// The mean response here is that of all items, the item itself too: a mean of the others would be farther from the item
/// than from any other, and rank it last. One vector for all items gives 0.5 on average.
pub(super) fn add(scored: &mut Scored, matched: &Matched, truth: &Truth, predictions: &Deltas) {
    let all: Vec<usize> = (0..matched.items.len()).collect();
    let of_whole = |changes| of(matched, &truth.whole, &all, changes);
    scored.put(METRICS, Predictor::Predictions, &of_whole(Changes::OfEach(predictions)));
    scored.put(METRICS, Predictor::NoChange, &of_whole(Changes::None));
    scored.put(METRICS, Predictor::MeanResponse, &of_whole(Changes::Mean));
    if let Some([measured, other]) = &truth.halves {
        let items: Vec<usize> = all.iter().copied().filter(|&item| truth.n_rows[item] >= 2).collect();
        scored.put(METRICS, Predictor::Duplicate, &of(matched, measured, &items, Changes::OfEach(other)));
        scored.put_on_halves(METRICS, &of(matched, measured, &items, Changes::Mean));
    }
}

/// What is predicted.
#[derive(Clone, Copy)]
enum Changes<'a> {
    /// A change of each item.
    OfEach(&'a Deltas),
    /// The mean measured change, for all.
    Mean,
    /// No change, for all.
    None,
}

fn of(matched: &Matched, truth: &Deltas, items: &[usize], changes: Changes<'_>) -> Vec<[Option<f64>; 4]> {
    let mut values = vec![[None; 4]; matched.items.len()];
    for of_context in matched.by_context() {
        let members: Vec<usize> = of_context.into_iter().filter(|item| items.binary_search(item).is_ok()).collect();
        // A rank among one says nothing.
        if members.len() < 2 {
            continue;
        }
        let for_all: Vec<f32> = match changes {
            Changes::Mean => truth.mean_of(&members).into_iter().map(|value| value as f32).collect(),
            Changes::None | Changes::OfEach(_) => vec![0.0; truth.n_features],
        };
        let left: Vec<&[f32]> = match changes {
            Changes::OfEach(predicted) => members.iter().map(|&item| predicted.row(item)).collect(),
            Changes::Mean | Changes::None => vec![&for_all],
        };
        let right: Vec<&[f32]> = members.iter().map(|&item| truth.row(item)).collect();
        let targets: Vec<&[usize]> = members.iter().map(|&item| &matched.items[item].targets[..]).collect();
        for (&item, found) in members.iter().zip(ranks(&left, &right, &targets, matched.n_plain)) {
            values[item] = found.map(Some);
        }
    }
    values
}

/// PDS by L1, PDS by cosine, centroid accuracy and rank of each row of `right`, whose prediction is the row of `left` of its
/// place, or the only one there is.
pub(super) fn ranks(left: &[&[f32]], right: &[&[f32]], targets: &[&[usize]], n_plain: usize) -> Vec<[f64; 4]> {
    let n = right.len();
    let pairs = pairs(left, right, n_plain);
    let prediction = |own: usize| if left.len() == 1 { 0 } else { own };
    let pair = |own: usize, other: usize| pairs[prediction(own) * n + other];
    let norm = |row: &[f32]| row[..n_plain].iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let (left_norms, right_norms): (Vec<f64>, Vec<f64>) =
        (left.iter().map(|row| norm(row)).collect(), right.iter().map(|row| norm(row)).collect());
    let cosine_distance = |own: usize, other: usize| {
        let norms = left_norms[prediction(own)] * right_norms[other];
        if norms > 0.0 { 1.0 - f64::from(pair(own, other).product) / norms } else { 1.0 }
    };
    let without_targets = |own: usize, other: usize| {
        let predicted = left[prediction(own)];
        let of_targets = targets[own].iter().map(|&gene| (predicted[gene] - right[other][gene]).abs());
        f64::from(pair(own, other).l1) - f64::from(of_targets.sum::<f32>())
    };
    let euclidean = |of: Pair| f64::from(of.l2);
    let position = |own: usize, distance: &dyn Fn(usize) -> f64| {
        let own_distance = distance(own);
        let others = (0..n).filter(|&other| other != own).map(distance);
        others.fold(0.0, |position, other| {
            position + if other < own_distance { 1.0 } else { 0.5 * f64::from(u8::from(other == own_distance)) }
        })
    };
    let (all, others) = (n as f64, (n - 1) as f64);
    (0..n)
        .map(|own| {
            [
                1.0 - position(own, &|other| without_targets(own, other)) / all,
                1.0 - position(own, &|other| cosine_distance(own, other)) / others,
                1.0 - position(own, &|other| euclidean(pair(own, other))) / others,
                // Predictions compete for what was measured.
                position(own, &|other| euclidean(pair(other, own))) / all,
            ]
        })
        .collect()
}
