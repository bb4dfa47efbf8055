//! Whether a predicted profile is recognized among all treatments.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::EvaluateError;
use super::accuracy::expect_features;
use crate::predict::Predictions;
use crate::screen::Treatment;

/// How far two profiles are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// Length of the difference.
    #[default]
    Euclidean,
    /// 1 − cosine of the angle; 1 when either is the zero vector.
    Cosine,
}

impl Distance {
    /// The distance of two profiles of one length, summed in `f64`.
    pub fn between(self, one: &[f32], other: &[f32]) -> f64 {
        let pairs = || one.iter().zip(other).map(|(&one, &other)| (f64::from(one), f64::from(other)));
        match self {
            Self::Euclidean => pairs().map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt(),
            Self::Cosine => {
                let (shared, one, other) = pairs().fold((0.0, 0.0, 0.0), |(shared, left, right), (one, other)| {
                    (shared + one * other, left + one * one, right + other * other)
                });
                let scale = (one * other).sqrt();
                if scale > 0.0 { 1.0 - shared / scale } else { 1.0 }
            }
        }
    }
}

/// Where one query found its own treatment.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrievalRank {
    /// The held-out treatment whose measured consensus was the query.
    pub treatment: Treatment,
    /// Rank from 1 of its prediction among the candidates; half-integers and the like where candidates tie.
    pub rank: f64,
    /// How many candidates there were.
    pub n_candidates: usize,
}

/// Ranks of all queries that could be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieval {
    /// One for each query with a prediction, in the order of the queries.
    pub ranks: Vec<RetrievalRank>,
    /// Queries that the method abstained from.
    pub n_abstained: usize,
}

impl Retrieval {
    /// Share of queries whose own treatment is among the `k` nearest (its rank is at most `k`); NaN without queries.
    pub fn recall_at(&self, k: usize) -> f64 {
        self.mean(|rank| f64::from(u8::from(rank.rank <= k as f64)))
    }

    /// Mean of 1 / rank, in (0, 1]; NaN without queries.
    pub fn mean_reciprocal_rank(&self) -> f64 {
        self.mean(|rank| 1.0 / rank.rank)
    }

    /// What [`Self::recall_at`] is for an order drawn by lot.
    pub fn chance_recall_at(&self, k: usize) -> f64 {
        self.mean(|rank| k.min(rank.n_candidates) as f64 / rank.n_candidates as f64)
    }

    /// What [`Self::mean_reciprocal_rank`] is for an order drawn by lot: the mean of H(n)/n.
    pub fn chance_mean_reciprocal_rank(&self) -> f64 {
        self.mean(|rank| {
            (1..=rank.n_candidates).map(|place| 1.0 / place as f64).sum::<f64>() / rank.n_candidates as f64
        })
    }

    fn mean(&self, value: impl Fn(&RetrievalRank) -> f64) -> f64 {
        self.ranks.iter().map(value).sum::<f64>() / self.ranks.len() as f64
    }
}

/// Ranks the candidates by their distance from each query.
///
/// `truth` holds the held-out treatments' measured consensus profiles: the queries. Candidates are all treatments of
/// the query's context: those of `training` by their measured consensus, those held out *as predictions only*, so that a
/// query never meets its own measurement. A treatment that is in `truth` counts as held out even if `training` names it.
/// Tied candidates share their mean rank, so that a method that predicts the same for all is no better than a lot.
/// A held-out treatment without a prediction is no candidate, and as a query is counted as abstained from.
///
/// # Errors
/// When the profiles differ in their number of features.
pub fn retrieval(
    truth: &Predictions,
    predicted: &Predictions,
    training: &Predictions,
    distance: Distance,
) -> Result<Retrieval, EvaluateError> {
    let n_features = truth.profiles.n_features();
    expect_features(predicted, n_features)?;
    expect_features(training, n_features)?;
    let held_out: BTreeSet<&Treatment> = truth.treatments.iter().collect();
    let mut candidates = BTreeMap::<&Treatment, &[f32]>::new();
    for (row, treatment) in training.treatments.iter().enumerate() {
        if !held_out.contains(treatment) {
            candidates.insert(treatment, training.profiles.row(row));
        }
    }
    for (row, treatment) in predicted.treatments.iter().enumerate() {
        if held_out.contains(treatment) {
            candidates.insert(treatment, predicted.profiles.row(row));
        }
    }
    let mut by_context = BTreeMap::<&str, Vec<(&Treatment, &[f32])>>::new();
    for (candidate, profile) in &candidates {
        by_context.entry(&candidate.context).or_default().push((candidate, profile));
    }
    let ranks: Vec<Option<RetrievalRank>> = truth
        .treatments
        .par_iter()
        .enumerate()
        .map(|(row, treatment)| {
            let query = truth.profiles.row(row);
            let (own_candidate, own_profile) = candidates.get_key_value(treatment)?;
            let own = distance.between(query, own_profile);
            let (mut n_nearer, mut n_tied) = (0usize, 0usize);
            let of_context = &by_context[treatment.context.as_str()];
            // Candidates are told apart by where they stand, since comparing treatments of thousands of sets takes minutes.
            for (_, profile) in of_context.iter().filter(|(other, _)| !std::ptr::eq(*other, *own_candidate)) {
                let other = distance.between(query, profile);
                n_nearer += usize::from(other < own);
                n_tied += usize::from(other == own);
            }
            let rank = 1.0 + n_nearer as f64 + n_tied as f64 / 2.0;
            Some(RetrievalRank { treatment: treatment.clone(), rank, n_candidates: of_context.len() })
        })
        .collect();
    let n_queries = ranks.len();
    let ranks: Vec<_> = ranks.into_iter().flatten().collect();
    Ok(Retrieval { n_abstained: n_queries - ranks.len(), ranks })
}

#[cfg(test)]
mod tests {
    use super::super::accuracy::fixture::*;
    use super::*;

    #[test]
    fn ranks_by_hand() {
        let truth = predictions(&[("a", [0.0, 0.0]), ("b", [10.0, 0.0]), ("c", [5.0, 5.0])]);
        let predicted = predictions(&[("a", [1.0, 0.0]), ("b", [7.0, 0.0])]);
        let training = predictions(&[("a", [0.0, 0.0]), ("d", [9.0, 0.0]), ("e", [-0.5, 0.0])]);
        let found = retrieval(&truth, &predicted, &training, Distance::Euclidean).unwrap();
        let ranks: Vec<_> = found.ranks.iter().map(|rank| (rank.rank, rank.n_candidates)).collect();
        assert_eq!(ranks, [(2.0, 4), (2.0, 4)]);
        assert_eq!(found.n_abstained, 1);
        assert_eq!((found.recall_at(1), found.recall_at(2)), (0.0, 1.0));
        assert_eq!(found.mean_reciprocal_rank(), 0.5);
        assert_eq!(found.chance_recall_at(1), 0.25);
        assert!((found.chance_mean_reciprocal_rank() - 25.0 / 48.0).abs() < 1e-15);
    }

    #[test]
    fn one_prediction_for_all_ranks_in_the_middle() {
        let truth = predictions(&[("a", [1.0, 0.0]), ("b", [0.0, 1.0]), ("c", [3.0, 3.0])]);
        let same = predictions(&[("a", [0.0, 0.0]), ("b", [0.0, 0.0]), ("c", [0.0, 0.0])]);
        for distance in [Distance::Euclidean, Distance::Cosine] {
            let found = retrieval(&truth, &same, &predictions::<2>(&[]), distance).unwrap();
            assert!(found.ranks.iter().all(|rank| rank.rank == 2.0), "{distance:?}");
        }
    }

    #[test]
    fn candidates_of_other_contexts_do_not_compete() {
        let truth = predictions(&[("a", [1.0, 0.0])]);
        let predicted = predictions(&[("a", [0.0, 0.0])]);
        let mut elsewhere = predictions(&[("b", [1.0, 0.0])]);
        elsewhere.treatments[0].context = "x".into();
        let found = retrieval(&truth, &predicted, &elsewhere, Distance::Euclidean).unwrap();
        assert_eq!((found.ranks[0].rank, found.ranks[0].n_candidates), (1.0, 1));
    }
}
