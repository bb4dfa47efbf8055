//! Whether a method puts what was not measured in the right order: the question of a ranking.
//!
//! Every measured treatment is a target once. The held-out treatments of its context are ordered by how near a method says
//! that they come to it, and by how near they came; a held-out treatment is no candidate for itself. Whoever says nothing of
//! a candidate ranks it last.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::accuracy::expect_features;
use super::{
    Bootstrap, Direction, Distance, EvaluateConfig, EvaluateError, MethodScores, ScoreRow, Verdict, spearman,
    split_halves, verdict,
};
use crate::baseline::measured;
use crate::pair::{Part, Split, SplitBy, WellMeans};
use crate::predict::{Method, Predictions};
use crate::screen::{Screen, Treatment};

/// Candidates that an order is judged on, at least.
const LEAST_CANDIDATES: usize = 5;

/// One in so many candidates is at the top of a list.
const TOP: usize = 5;

/// Times that wells are parted into halves at random.
const N_HALVINGS: usize = 4;

/// Targets, at most; of more, every n-th.
const MOST_TARGETS: usize = 400;

/// Begins the name of the task.
pub(super) const ORDER: &str = "order of unseen ";

/// How well a method orders the held-out treatments toward one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Who orders.
    pub method: Method,
    /// The treatment whose measured consensus is the target.
    pub target: Treatment,
    /// Rank correlation of predicted and measured distances; 0 where a method says the same of all.
    pub spearman: f64,
    /// How much farther from the target than the nearest candidate the one that is ranked first came, as a share of how much
    /// farther the candidates came on average: 0 for the best choice, 1 for one by lot.
    pub regret: f64,
    /// How many of the nearest fifth are in the first fifth of the list, as a multiple of what a lot would give.
    pub enrichment: f64,
}

/// How each method orders the treatments of `rows`, toward each measured treatment of their context, and how well halves of
/// the wells order them for the other halves.
///
/// # Errors
/// When profiles do not fit together.
pub fn orders<'a>(
    settings: &EvaluateConfig,
    screen: &Screen,
    split: &Split,
    predictions: impl IntoIterator<Item = &'a Predictions>,
    rows: &BTreeMap<Treatment, Vec<usize>>,
) -> Result<Vec<Order>, EvaluateError> {
    if let Some(wells) = WellMeans::of(screen, split) {
        return orders(settings, &wells.screen, &wells.split, predictions, &wells.treatments(rows));
    }
    let truth = measured(&screen.features, rows);
    let library = measured(&screen.features, &split.treatments(screen, Part::Train));
    let mut found = Vec::new();
    for predictions in predictions {
        found.extend(orders_of(&truth, predictions, &library)?);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.bootstrap.seed);
    let mut of_halves = BTreeMap::<Treatment, Vec<Order>>::new();
    for _ in 0..N_HALVINGS {
        let (truth, other) = split_halves(&screen.features, rows, &mut rng);
        for order in orders_of(&truth, &other, &library)? {
            of_halves.entry(order.target.clone()).or_default().push(order);
        }
    }
    found.extend(of_halves.into_iter().map(|(target, orders)| {
        let mean = |of: fn(&Order) -> f64| orders.iter().map(of).sum::<f64>() / orders.len() as f64;
        Order {
            method: Method::Replicate,
            target,
            spearman: mean(|order| order.spearman),
            regret: mean(|order| order.regret),
            enrichment: mean(|order| order.enrichment),
        }
    }));
    Ok(found)
}

/// How `predicted` orders the treatments of `truth`, toward each treatment of `truth` and of `library`.
fn orders_of(truth: &Predictions, predicted: &Predictions, library: &Predictions) -> Result<Vec<Order>, EvaluateError> {
    let n_features = truth.profiles.n_features();
    expect_features(predicted, n_features)?;
    expect_features(library, n_features)?;
    let (said, held_out) = (predicted.rows(), truth.rows());
    let of_truth = truth.treatments.iter().enumerate().map(|(row, target)| (target, truth.profiles.row(row)));
    let of_library = library.treatments.iter().enumerate().map(|(row, target)| (target, library.profiles.row(row)));
    let of_library = of_library.filter(|(target, _)| !held_out.contains_key(target));
    let targets: Vec<(&Treatment, &[f32])> = of_truth.chain(of_library).collect();
    let step = targets.len().div_ceil(MOST_TARGETS).max(1);
    let targets: Vec<(&Treatment, &[f32])> = targets.into_iter().step_by(step).collect();
    let score = |&(target, place): &(&Treatment, &[f32])| {
        let candidates = truth.treatments.iter().enumerate();
        let candidates = candidates.filter(|(_, one)| *one != target && one.context == target.context);
        let distances: Vec<(f64, f64)> = candidates
            .map(|(row, one)| {
                let measured = Distance::Euclidean.between(place, truth.profiles.row(row));
                let said = said.get(one).map(|&row| Distance::Euclidean.between(place, predicted.profiles.row(row)));
                (said.unwrap_or(f64::MAX), measured)
            })
            .collect();
        score_of(&predicted.method, target, &distances)
    };
    let found: Vec<Option<Order>> = targets.par_iter().map(score).collect();
    Ok(found.into_iter().flatten().collect())
}

/// The scores of an order by its predicted and measured distances.
fn score_of(method: &Method, target: &Treatment, distances: &[(f64, f64)]) -> Option<Order> {
    let (said, measured): (Vec<f64>, Vec<f64>) = distances.iter().copied().unzip();
    let n = measured.len();
    if n < LEAST_CANDIDATES {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let least = measured.iter().copied().fold(f64::INFINITY, f64::min);
    let first = said.iter().copied().fold(f64::INFINITY, f64::min);
    // Candidates that tie for the first place are equally likely to be taken.
    let taken: Vec<f64> = distances.iter().filter(|(said, _)| *said == first).map(|(_, measured)| *measured).collect();
    let way = mean(&measured) - least;
    let n_top = n.div_ceil(TOP);
    let top = |values: &[f64]| share_of_top(values, n_top);
    let (listed, nearest) = (top(&said), top(&measured));
    let found: f64 = listed.iter().zip(&nearest).map(|(one, other)| one * other).sum();
    Some(Order {
        method: method.clone(),
        target: target.clone(),
        spearman: spearman(&said, &measured).unwrap_or(0.0),
        regret: if way > 0.0 { (mean(&taken) - least) / way } else { 0.0 },
        enrichment: found / n_top as f64 / (n_top as f64 / n as f64),
    })
}

/// For each of `values` how much of it is among the `n` least: 1, 0, or a share where it ties at the border.
fn share_of_top(values: &[f64], n: usize) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let border = sorted[n - 1];
    let n_below = values.iter().filter(|value| **value < border).count();
    let n_at = values.iter().filter(|value| **value == border).count();
    let share = (n - n_below) as f64 / n_at as f64;
    let of = |value: &f64| {
        if *value < border {
            1.0
        } else if *value == border {
            share
        } else {
            0.0
        }
    };
    values.iter().map(of).collect()
}

/// The name of a metric, and the metric.
type Metric = (&'static str, fn(&Order) -> f64);

/// The metrics of an order, in the order of their columns.
pub(super) const ORDER_METRICS: [Metric; 3] = [
    ("rank_correlation", |order| order.spearman),
    ("regret", |order| order.regret),
    ("enrichment", |order| order.enrichment),
];

/// Scores of every method; what is resampled are the perturbations of the targets.
///
/// # Errors
/// When a score is not finite.
pub(super) fn order_rows(bootstrap: &Bootstrap, by: SplitBy, orders: &[Order]) -> Result<Vec<ScoreRow>, EvaluateError> {
    let task = format!("{ORDER}{}", by.name());
    let methods: BTreeSet<&Method> = orders.iter().map(|order| &order.method).collect();
    let mut rows = Vec::new();
    for method in methods {
        let own: Vec<&Order> = orders.iter().filter(|order| order.method == *method).collect();
        let units: Vec<String> = own.iter().map(|order| order.target.intervention.perturbation_names()).collect();
        for (metric, of) in ORDER_METRICS {
            let values: Vec<f64> = own.iter().map(|order| of(order)).collect();
            let row =
                ScoreRow::new(&task, "all", &method.word(), metric, &bootstrap.of_metric(metric, &values, &units)?);
            rows.push(if *method == Method::Replicate { row.with_note("of halves of the wells") } else { row });
        }
    }
    Ok(rows)
}

/// `method` against the best simple method by rank correlation; `None` where nothing was ordered.
///
/// # Errors
/// When a score is not finite.
pub(super) fn order_verdict(
    bootstrap: &Bootstrap,
    method: &Method,
    orders: &[Order],
) -> Result<Option<Verdict>, EvaluateError> {
    let mut methods = BTreeMap::<&Method, BTreeMap<Treatment, Vec<f64>>>::new();
    for order in orders {
        // A target is one in each fold.
        methods.entry(&order.method).or_default().entry(order.target.clone()).or_default().push(order.spearman);
    }
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let mut scores: BTreeMap<&Method, MethodScores> = methods
        .into_iter()
        .map(|(method, scores)| {
            let scores = scores.into_iter().map(|(target, values)| (target, mean(values))).collect();
            (method, MethodScores { method: method.clone(), scores })
        })
        .collect();
    let Some(own) = scores.remove(method) else { return Ok(None) };
    let rivals: Vec<MethodScores> =
        scores.into_iter().filter(|(method, _)| method.is_baseline()).map(|(_, scores)| scores).collect();
    let unit_of = |target: &Treatment| target.intervention.perturbation_names();
    let metric = "rank correlation with the measured order";
    verdict(&own, &rivals, metric, Direction::HigherIsBetter, None, &unit_of, bootstrap)
}

#[cfg(test)]
mod tests {
    use super::super::accuracy::fixture::*;
    use super::*;

    fn score(said: &[f64], measured: &[f64]) -> Order {
        let distances: Vec<(f64, f64)> = said.iter().copied().zip(measured.iter().copied()).collect();
        score_of(&Method::Interpolation, &compound("target"), &distances).unwrap()
    }

    #[test]
    fn an_order_is_scored_by_hand() {
        let measured = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        let right = score(&measured, &measured);
        assert_eq!((right.spearman, right.regret, right.enrichment), (1.0, 0.0, 5.0));
        // Taken first is the fourth: 3 farther than the nearest, of 4.5 on average. One of the nearest two is in the first two.
        let said = [2.0, 9.0, 8.0, 1.0, 3.0, 4.0, 5.0, 6.0, 7.0, 10.0];
        let other = score(&said, &measured);
        assert!((other.regret - 3.0 / 4.5).abs() < 1e-12);
        assert_eq!(other.enrichment, 2.5);
        let reversed: Vec<f64> = measured.iter().map(|value| -value).collect();
        assert_eq!(score(&reversed, &measured).spearman, -1.0);
    }

    #[test]
    fn one_prediction_for_all_is_a_lot() {
        let found = score(&[1.0; 10], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        assert_eq!((found.spearman, found.enrichment), (0.0, 1.0));
        assert!((found.regret - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_target_is_no_candidate_and_whoever_says_nothing_ranks_last() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let place = |index: usize| [index as f32, 0.0];
        let truth: Vec<(&str, [f32; 2])> =
            names.iter().enumerate().map(|(index, name)| (*name, place(index))).collect();
        let truth = predictions(&truth);
        let found = orders_of(&truth, &truth, &predictions::<2>(&[])).unwrap();
        assert_eq!(found.len(), 6);
        assert!(found.iter().all(|score| score.regret == 0.0), "{found:?}");
        // Nothing is said of `b`, which is nearest to `a`.
        let partial =
            predictions(&[("a", place(0)), ("c", place(2)), ("d", place(3)), ("e", place(4)), ("f", place(5))]);
        let found = orders_of(&truth, &partial, &predictions::<2>(&[("t", [9.0, 9.0])])).unwrap();
        assert_eq!(found.len(), 7);
        assert!(found[0].regret > 0.0 && found[0].spearman < 1.0);
    }

    #[test]
    fn the_best_order_wins_over_perturbations() {
        let order = |method: Method, index: usize, spearman: f64| Order {
            method,
            target: compound(&format!("c{index:02}")),
            spearman,
            regret: 0.0,
            enrichment: 1.0,
        };
        let orders: Vec<Order> = (0..12)
            .flat_map(|index| {
                let wobble = 0.01 * (index % 3) as f64;
                [order(Method::Combined, index, 0.9 + wobble), order(Method::Interpolation, index, 0.7)]
            })
            .collect();
        let bootstrap = Bootstrap { resamples: 500, seed: 1 };
        let found = order_verdict(&bootstrap, &Method::Combined, &orders).unwrap().unwrap();
        assert!(found.is_win(), "{found}");
        assert!(found.to_string().starts_with("combined wins: higher rank correlation with the measured order than"));
        assert_eq!(order_verdict(&bootstrap, &Method::Model, &orders).unwrap(), None);
        let rows = order_rows(&bootstrap, SplitBy::Dose, &orders).unwrap();
        assert_eq!((rows.len(), rows[0].task.as_str(), rows[0].n_units), (6, "order of unseen dose", 12));
    }
}
