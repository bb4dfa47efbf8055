//! Metrics on which genes are expressed differently, of VCC-2025 and VCC-2026.

use super::differential::Differences;

/// Significance of adjusted p-values.
const ALPHA: f64 = 0.05;

/// Share of right directions down to which a ranking counts as pure.
const PURITY: f64 = 0.9;

/// Fewer significant genes than this do not show how large effects are.
const LEAST_GENES: usize = 10;

/// Overlap, Jaccard index, fidelity and reach of directions, and error of fold changes; genes in `targets` are left out of all
/// but the first.
pub(super) fn agreement(
    measured: &Differences,
    predicted: &Differences,
    targets: &[usize],
    names: &[String],
) -> [Option<f64>; 5] {
    let is_target = |gene: usize| targets.contains(&gene);
    let significant = |of: &Differences| -> Vec<usize> {
        (0..of.p.len()).filter(|&gene| of.adjusted_expressed[gene] < ALPHA && !is_target(gene)).collect()
    };
    let (real, called) = (significant(measured), significant(predicted));
    let is_called = |gene: usize| predicted.adjusted_expressed[gene] < ALPHA;
    let is_same_sign = |gene: usize| {
        let (own, other) = (measured.log2_fold_change[gene], predicted.log2_fold_change[gene]);
        own * other > 0.0
    };
    let n_both = real.iter().filter(|&&gene| is_called(gene)).count();
    let n_either = real.len() + called.len() - n_both;
    let jaccard = if n_either == 0 { 1.0 } else { n_both as f64 / n_either as f64 };
    let adjudicable: Vec<usize> =
        called.iter().copied().filter(|&gene| measured.log2_fold_change[gene] != 0.0).collect();
    let n_right = adjudicable.iter().filter(|&&gene| is_same_sign(gene)).count();
    let n_most = adjudicable.len().max(real.len());
    let fidelity = (n_most > 0).then(|| n_right as f64 / n_most as f64);
    [
        Some(overlap(measured, predicted)),
        Some(jaccard),
        fidelity,
        reach(predicted, &real, &is_called, &is_same_sign, names),
        fold_change_error(measured, predicted, &real),
    ]
}

/// Of as many genes as are significant in truth, with the largest fold changes among the significant ones of each side, the
/// share in common; 0 where one side has none.
fn overlap(measured: &Differences, predicted: &Differences) -> f64 {
    let strongest = |of: &Differences| -> Vec<usize> {
        let mut genes: Vec<usize> = (0..of.p.len()).filter(|&gene| of.adjusted[gene] < ALPHA).collect();
        genes.sort_by(|&a, &b| {
            let size = |gene: usize| of.geometric[gene].abs();
            size(b).total_cmp(&size(a)).then(a.cmp(&b))
        });
        genes
    };
    let real = strongest(measured);
    let mut called = strongest(predicted);
    called.truncate(real.len());
    if real.is_empty() {
        return 0.0;
    }
    let real_set: std::collections::BTreeSet<&usize> = real.iter().collect();
    called.iter().filter(|gene| real_set.contains(gene)).count() as f64 / real.len() as f64
}

/// How far down the significant genes of the truth, as the prediction orders them, their directions stay right.
fn reach(
    predicted: &Differences,
    real: &[usize],
    is_called: &dyn Fn(usize) -> bool,
    is_same_sign: &dyn Fn(usize) -> bool,
    names: &[String],
) -> Option<f64> {
    let mut order = real.to_vec();
    let (adjusted, p) = (&predicted.adjusted_expressed, &predicted.p);
    let size = |gene: usize| predicted.log2_fold_change[gene].abs();
    order.sort_by(|&a, &b| {
        (is_called(b).cmp(&is_called(a)))
            .then(adjusted[a].total_cmp(&adjusted[b]))
            .then(p[a].total_cmp(&p[b]))
            .then(size(b).total_cmp(&size(a)))
            .then(names[a].cmp(&names[b]))
    });
    let (mut n_right, mut deepest) = (0usize, 0usize);
    for (place, &gene) in order.iter().enumerate() {
        n_right += usize::from(is_same_sign(gene));
        if n_right as f64 >= PURITY * (place + 1) as f64 - 1e-9 {
            deepest = place + 1;
        }
    }
    (!real.is_empty()).then(|| deepest as f64 / real.len() as f64)
}

/// The error of fold changes over the significant genes of the truth, as a share of their size.
fn fold_change_error(measured: &Differences, predicted: &Differences, real: &[usize]) -> Option<f64> {
    let (mut error, mut size) = (0.0, 0.0);
    for &gene in real {
        error += (predicted.log2_fold_change[gene] - measured.log2_fold_change[gene]).abs();
        size += measured.log2_fold_change[gene].abs();
    }
    (real.len() >= LEAST_GENES && size > 0.0).then(|| error / size)
}
