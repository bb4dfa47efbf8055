//! Which genes a group of cells expresses otherwise than the control: rank-sum tests and fold changes.
//!
//! Two-sided Mann–Whitney test in the normal approximation with corrections for ties and continuity, as scipy's; adjusted by
//! Benjamini and Hochberg within a perturbation. Values are CPM of each cell, or logarithms as they are, whose ranks are the
//! same. Fold changes are of arithmetic means of linear values, log2((m + 1e-9) / (c + 1e-9)), as cell-eval2 has them, and of
//! geometric means, log2(expm1(mean of ln(1 + x)) / …), as cell-eval has them by its `pdex`.

use rayon::prelude::*;
use statrs::function::erf::erfc;

use super::super::benjamini_hochberg;
use super::cells::Cells;
use crate::load::Scale;

/// What counts are brought to in each cell: counts per million.
pub(super) const PER_MILLION: f64 = 1e6;

/// Added to both means of a fold change.
const EPSILON: f64 = 1e-9;

/// What CPM are divided by for geometric means: counts are brought to 10,000 there.
const PER_LOGARITHM: f64 = 100.0;

/// A gene is tested for the metrics of VCC-2026 if the control has more of it than this, in CPM.
const LEAST_CPM: f64 = 5.0;

/// The values of each gene, sorted.
pub(super) struct ByGene {
    n_cells: usize,
    starts: Vec<usize>,
    values: Vec<f32>,
    /// Of linear values.
    means: Vec<f64>,
    geometric_means: Vec<f64>,
    /// What groups of equal values take from the variance of ranks, without the zeros.
    ties: Vec<f64>,
}

/// What tests of all genes say of a group of cells.
#[derive(Debug, Clone)]
pub(super) struct Differences {
    pub p: Vec<f64>,
    pub log2_fold_change: Vec<f64>,
    /// The same of geometric means.
    pub geometric: Vec<f64>,
    /// Adjusted over all genes.
    pub adjusted: Vec<f64>,
    /// Adjusted over the genes that are [`ByGene::expressed`]; 1 for others.
    pub adjusted_expressed: Vec<f64>,
}

impl ByGene {
    /// `cells` are of CPM or of logarithms.
    pub fn of(cells: &Cells, n_features: usize, scale: Scale) -> Self {
        let mut starts = vec![0usize; n_features + 1];
        cells.values.iter().for_each(|value| starts[value.feature as usize + 1] += 1);
        for feature in 0..n_features {
            starts[feature + 1] += starts[feature];
        }
        let mut next = starts.clone();
        let mut values = vec![0.0; cells.values.len()];
        for value in &cells.values {
            let place = &mut next[value.feature as usize];
            values[*place] = value.value;
            *place += 1;
        }
        let linear = |value: f32| match scale {
            Scale::Log1p => f64::from(value).exp_m1(),
            Scale::Counts | Scale::AsIs => f64::from(value),
        };
        let n = cells.n_cells.max(1) as f64;
        let mean =
            |feature: usize| values[starts[feature]..starts[feature + 1]].iter().copied().map(linear).sum::<f64>() / n;
        let means = (0..n_features).map(mean).collect();
        let logarithm = |value: f32| match scale {
            Scale::Counts => (f64::from(value) / PER_LOGARITHM).ln_1p(),
            Scale::Log1p | Scale::AsIs => f64::from(value),
        };
        let geometric = |feature: usize| {
            let of_gene = &values[starts[feature]..starts[feature + 1]];
            (of_gene.iter().copied().map(logarithm).sum::<f64>() / n).exp_m1()
        };
        let geometric_means = (0..n_features).map(geometric).collect();
        for feature in 0..n_features {
            values[starts[feature]..starts[feature + 1]].sort_unstable_by(f32::total_cmp);
        }
        let ties = (0..n_features).map(|feature| ties(&values[starts[feature]..starts[feature + 1]])).collect();
        Self { n_cells: cells.n_cells, starts, values, means, geometric_means, ties }
    }

    fn gene(&self, gene: usize) -> &[f32] {
        &self.values[self.starts[gene]..self.starts[gene + 1]]
    }

    /// Genes that the control expresses enough to be tested.
    pub fn expressed(&self) -> Vec<bool> {
        let total: f64 = self.means.iter().sum();
        self.means.iter().map(|mean| mean * PER_MILLION / total > LEAST_CPM).collect()
    }

    /// What is different in these cells from the control.
    pub fn differences(&self, control: &ByGene, expressed: &[bool]) -> Differences {
        let genes = 0..self.means.len();
        let p: Vec<f64> = (genes.clone().into_par_iter().with_min_len(256))
            .map(|gene| {
                let (own, other) = ((self.gene(gene), self.n_cells), (control.gene(gene), control.n_cells));
                rank_sum_p(own, other, control.ties[gene])
            })
            .collect();
        let change = |gene: usize| ((self.means[gene] + EPSILON) / (control.means[gene] + EPSILON)).log2();
        let geometric = |gene: usize| {
            let change = (self.geometric_means[gene] / control.geometric_means[gene]).log2();
            if change.is_nan() { 0.0 } else { change }
        };
        let of_expressed: Vec<f64> = p.iter().zip(expressed).filter(|(_, is)| **is).map(|(p, _)| *p).collect();
        let mut adjusted = benjamini_hochberg(&of_expressed).into_iter();
        let next = |is: &bool| if *is { adjusted.next().expect("one for each expressed gene") } else { 1.0 };
        Differences {
            log2_fold_change: genes.clone().map(change).collect(),
            geometric: genes.map(geometric).collect(),
            adjusted: benjamini_hochberg(&p),
            adjusted_expressed: expressed.iter().map(next).collect(),
            p,
        }
    }
}

impl Differences {
    /// That nothing is different.
    pub fn none(n_features: usize) -> Self {
        let (ones, zeros) = (vec![1.0; n_features], vec![0.0; n_features]);
        Self {
            p: ones.clone(),
            log2_fold_change: zeros.clone(),
            geometric: zeros,
            adjusted: ones.clone(),
            adjusted_expressed: ones,
        }
    }
}

/// What groups of equal values, which are sorted, take from the variance of ranks.
pub(super) fn ties(values: &[f32]) -> f64 {
    values.chunk_by(|a, b| a == b).map(|tied| cube(tied.len())).sum()
}

fn cube(count: usize) -> f64 {
    (count as f64).powi(3) - count as f64
}

/// Two-sided p-value of the rank-sum test of values against those of the control, each with how many there are with the zeros;
/// those that are not zero are given, sorted. `ties` are [`ties`] of the control.
pub(super) fn rank_sum_p((values, n): (&[f32], usize), (control, m): (&[f32], usize), ties: f64) -> f64 {
    let (zeros, control_zeros) = (n - values.len(), m - control.len());
    let control_negatives = control.partition_point(|value| *value < 0.0);
    // Control values below a value, of those given and with the zeros.
    let smaller = |place: usize, value: f32| place + if value > 0.0 { control_zeros } else { 0 };
    let (mut u, mut ties) = (0.0, ties);
    for tied in values.chunk_by(|a, b| a == b) {
        let value = tied[0];
        let first = control.partition_point(|other| *other < value);
        let equal = control[first..].iter().take_while(|other| **other == value).count();
        u += tied.len() as f64 * (smaller(first, value) as f64 + 0.5 * equal as f64);
        ties += cube(tied.len() + equal) - cube(equal);
    }
    u += zeros as f64 * (control_negatives as f64 + 0.5 * control_zeros as f64);
    ties += cube(zeros + control_zeros);
    let (n, m) = (n as f64, m as f64);
    let all = n + m;
    let variance = n * m / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    erfc(z / std::f64::consts::SQRT_2).min(1.0)
}
