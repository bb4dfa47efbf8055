//! Which features stay: the rules of pycytominer 1.7, judged on training rows.
//!
//! The rules run one after the other, each on what the earlier ones left. Missing values (NaN) are passed over, except
//! where a rule counts them.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Select;
use crate::linear::dense::gram;
use crate::screen::FeatureMatrix;

/// A feature that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Name of the feature.
    pub feature: String,
    /// The reason in words.
    pub reason: String,
}

/// The columns of `training` that pass every rule, ascending, and those that do not, with the rule that rejected them.
pub(super) fn select_features(training: &FeatureMatrix, rules: &[Select]) -> (Vec<usize>, Vec<Removed>) {
    let mut kept: Vec<usize> = (0..training.n_features()).collect();
    let mut removed = Vec::new();
    if rules.is_empty() {
        return (kept, removed);
    }
    let columns: Vec<Vec<f64>> = kept
        .par_iter()
        .map(|&column| {
            training.values()[column..].iter().step_by(training.n_features()).map(|&value| f64::from(value)).collect()
        })
        .collect();
    for rule in rules {
        let rejected = rejected_by(rule, training.names(), &columns, &kept);
        let mut is_rejected = rejected.iter();
        kept.retain(|&column| {
            let is_rejected = *is_rejected.next().expect("one answer for each kept feature");
            if is_rejected {
                removed.push(Removed { feature: training.names()[column].clone(), reason: reason(rule) });
            }
            !is_rejected
        });
    }
    (kept, removed)
}

fn reason(rule: &Select) -> String {
    match rule {
        Select::VarianceThreshold { .. } => "hardly varies over the training rows".to_owned(),
        Select::CorrelationThreshold { threshold } => {
            format!("correlates above {threshold} with a feature that was kept or left out before")
        }
        Select::DropNaColumns { cutoff } => format!("more than {cutoff} of its training rows are missing"),
        Select::DropOutliers { cutoff } => format!("has an absolute value above {cutoff}"),
        Select::Blocklist { .. } => "named in the blocklist".to_owned(),
    }
}

/// One answer for each of the `kept` columns.
fn rejected_by(rule: &Select, names: &[String], columns: &[Vec<f64>], kept: &[usize]) -> Vec<bool> {
    match rule {
        Select::VarianceThreshold { freq_cut, unique_cut, min_variance } => kept
            .par_iter()
            .map(|&column| {
                let varies = variance(&columns[column]) > *min_variance;
                !varies || is_repetitive(&columns[column], *freq_cut, *unique_cut)
            })
            .collect(),
        Select::DropNaColumns { cutoff } => kept
            .par_iter()
            .map(|&column| {
                let n_missing = columns[column].iter().filter(|value| value.is_nan()).count();
                n_missing as f64 / columns[column].len() as f64 > *cutoff
            })
            .collect(),
        Select::DropOutliers { cutoff } => {
            kept.par_iter().map(|&column| columns[column].iter().any(|value| value.abs() > *cutoff)).collect()
        }
        Select::Blocklist { names: blocked } => {
            let blocked: BTreeSet<&str> = blocked.iter().map(String::as_str).collect();
            kept.iter().map(|&column| blocked.contains(names[column].as_str())).collect()
        }
        Select::CorrelationThreshold { threshold } => correlated(columns, kept, *threshold),
    }
}

/// Variance of the finite values, divided by their number; NaN of none.
fn variance(column: &[f64]) -> f64 {
    let finite = || column.iter().copied().filter(|value| value.is_finite());
    let n = finite().count() as f64;
    let mean = finite().sum::<f64>() / n;
    finite().map(|value| (value - mean).powi(2)).sum::<f64>() / n
}

/// Whether one value is too common beside the next, or the distinct values are too few for the rows.
///
/// A missing value is no value, but its row counts.
fn is_repetitive(column: &[f64], freq_cut: f64, unique_cut: f64) -> bool {
    let mut sorted: Vec<f64> = column.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut counts: Vec<usize> = sorted.chunk_by(|one, next| one == next).map(<[f64]>::len).collect();
    counts.sort_unstable_by(|one, other| other.cmp(one));
    let [most, second, ..] = counts[..] else { return true };
    (second as f64 / most as f64) < freq_cut || (counts.len() as f64 / column.len() as f64) < unique_cut
}

/// Of each pair above the threshold, the member whose absolute correlations with all kept features sum to more.
///
/// Every pair counts, also one whose other member is rejected for another pair; on a tie the later column goes.
fn correlated(columns: &[Vec<f64>], kept: &[usize], threshold: f64) -> Vec<bool> {
    let n = kept.len();
    let correlation = correlations(columns, kept);
    let sums: Vec<f64> = (0..n)
        .into_par_iter()
        .map(|one| (0..n).map(|other| correlation[one * n + other].abs()).filter(|value| !value.is_nan()).sum())
        .collect();
    let mut rejected = vec![false; n];
    for later in 0..n {
        for earlier in 0..later {
            if correlation[later * n + earlier] > threshold {
                rejected[if sums[earlier] > sums[later] { earlier } else { later }] = true;
            }
        }
    }
    rejected
}

/// Pearson correlations `[kept, kept]` row by row, over the rows where both are finite; NaN where one is constant.
fn correlations(columns: &[Vec<f64>], kept: &[usize]) -> Vec<f64> {
    let n = kept.len();
    let n_rows = columns.first().map_or(0, Vec::len);
    let is_complete: Vec<bool> =
        kept.par_iter().map(|&column| columns[column].iter().all(|value| value.is_finite())).collect();
    let mut standard = faer::Mat::<f64>::zeros(n_rows, n);
    for (index, &column) in kept.iter().enumerate().filter(|(index, _)| is_complete[*index]) {
        let values = &columns[column];
        let mean = values.iter().sum::<f64>() / n_rows as f64;
        let length = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>().sqrt();
        let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let is_constant = length <= 1e-12 * largest * (n_rows as f64).sqrt();
        for (row, value) in values.iter().enumerate() {
            standard[(row, index)] = if is_constant { f64::NAN } else { (value - mean) / length };
        }
    }
    let products = gram(standard.as_ref());
    let mut correlation = vec![0.0; n * n];
    correlation.par_chunks_mut(n.max(1)).enumerate().for_each(|(one, out)| {
        for (other, out) in out.iter_mut().enumerate() {
            let raw = if is_complete[one] && is_complete[other] {
                products[(one, other)]
            } else {
                pairwise(&columns[kept[one.max(other)]], &columns[kept[one.min(other)]])
            };
            *out = if raw.is_nan() { raw } else { raw.clamp(-1.0, 1.0) };
        }
    });
    correlation
}

/// Pearson correlation over the rows where both are finite.
fn pairwise(one: &[f64], other: &[f64]) -> f64 {
    let both = || one.iter().zip(other).filter(|(a, b)| a.is_finite() && b.is_finite());
    let n = both().count() as f64;
    let (sum_one, sum_other) = both().fold((0.0, 0.0), |(x, y), (a, b)| (x + a, y + b));
    let (mean_one, mean_other) = (sum_one / n, sum_other / n);
    let (mut squares_one, mut squares_other, mut products) = (0.0, 0.0, 0.0);
    for (a, b) in both() {
        squares_one += (a - mean_one).powi(2);
        squares_other += (b - mean_other).powi(2);
        products += (a - mean_one) * (b - mean_other);
    }
    products / (squares_one * squares_other).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(columns: &[&[f32]], rule: Select) -> Vec<usize> {
        let n_rows = columns[0].len();
        let values = (0..n_rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        select_features(&FeatureMatrix::numbered("f", columns.len(), values), &[rule]).0
    }

    fn repetitive(blocks: &[(f32, usize)]) -> bool {
        let column: Vec<f64> = blocks.iter().flat_map(|&(value, n)| vec![f64::from(value); n]).collect();
        is_repetitive(&column, 0.05, 0.01)
    }

    /// Each answer was read off pycytominer 1.7.1.
    #[test]
    fn counts_frequencies_as_pycytominer_does() {
        assert!(!repetitive(&[(1.0, 95), (0.0, 5)]));
        assert!(repetitive(&[(1.0, 96), (0.0, 4)]));
        assert!(!repetitive(&[(1.0, 100), (0.0, 100)]));
        assert!(repetitive(&[(1.0, 100), (0.0, 101)]));
        assert!(repetitive(&[(f32::NAN, 1), (1.0, 100), (0.0, 100)]));
        assert!(repetitive(&[(f32::NAN, 90), (1.0, 10)]));
        assert!(repetitive(&[(f32::NAN, 100)]));
    }

    #[test]
    fn variance_is_divided_by_n_and_must_exceed_the_threshold() {
        let rule = || Select::VarianceThreshold { freq_cut: 0.0, unique_cut: 0.0, min_variance: 1e-6 };
        let column =
            |spread: f32| -> Vec<f32> { (0..100).map(|row| if row % 2 == 0 { spread } else { -spread }).collect() };
        assert_eq!(kept(&[&column(0.999e-3), &column(1.001e-3)], rule()), [1]);
    }

    #[test]
    fn a_blocklist_passes_over_names_that_are_not_there() {
        let rule = Select::Blocklist { names: vec!["f0".to_owned(), "absent".to_owned()] };
        assert_eq!(kept(&[&[1.0, 2.0], &[2.0, 1.0]], rule), [1]);
    }

    #[test]
    fn opposite_features_both_stay_and_a_constant_one_rejects_nobody() {
        let rule = Select::CorrelationThreshold { threshold: 0.9 };
        assert_eq!(kept(&[&[1.0, 2.0, 4.0], &[-1.0, -2.0, -4.0], &[3.0, 3.0, 3.0]], rule), [0, 1, 2]);
    }
}
