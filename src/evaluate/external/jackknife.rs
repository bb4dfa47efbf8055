//! How much of the squared error of summed counts is noise of the cells: the sixth metric of VCC-2026.
//!
//! With b the profile of summed counts, $N_p = (\lVert\hat b_p - b_p\rVert^2 - \rho\min(\hat C_p, C_p) - C_p)/G_p$ and
//! $D_p = (\lVert b_p - b_c\rVert^2 - C_p - C_c)/G_p$, over genes without the targets of p; C is the variance of a profile by
//! leaving out each of its cells. The score is $\sum N_p / \sum D_p$. `rho` bounds what a prediction may call noise by how much its
//! profiles differ: cells that scatter and cancel are no sample.

use super::anchors::Scored;
use super::cells::Cells;
use super::deltas::{self, Deltas, Truth};
use super::matched::Matched;
use super::sums::DEPTH;
use super::{Metric, Predictor};

/// The variance of the profile of cells, summed over genes: (n - 1)/n times the squared deviations of the profiles that lack
/// one cell each.
pub(super) fn variance(cells: &Cells, n_features: usize) -> f64 {
    let n = cells.n_cells;
    if n < 2 {
        return 0.0;
    }
    let mut sums = vec![0.0f64; n_features];
    let mut of_cell: Vec<Vec<(u32, f32)>> = vec![Vec::new(); n];
    for value in &cells.values {
        sums[value.feature as usize] += f64::from(value.value);
        of_cell[value.cell as usize].push((value.feature, value.value));
    }
    let total: f64 = sums.iter().sum();
    if total <= 0.0 {
        return 0.0;
    }
    let profile: Vec<f64> = sums.iter().map(|sum| (1.0 + DEPTH * sum / total).ln()).collect();
    // Deviations from the whole profile, whose squares lose no digits.
    let (mut first, mut second) = (vec![0.0f64; n_features], vec![0.0f64; n_features]);
    for mut own in of_cell {
        let rest = total - own.iter().map(|(_, value)| f64::from(*value)).sum::<f64>();
        let factor = if rest > 0.0 { DEPTH / rest } else { 0.0 };
        own.sort_unstable_by_key(|(feature, _)| *feature);
        let mut own = own.into_iter().peekable();
        for gene in 0..n_features {
            let mut left = sums[gene];
            while let Some((_, value)) = own.next_if(|(feature, _)| *feature as usize == gene) {
                left -= f64::from(value);
            }
            let deviation = (1.0 + factor * left).ln() - profile[gene];
            first[gene] += deviation;
            second[gene] += deviation * deviation;
        }
    }
    let n = n as f64;
    let squares: f64 = first.iter().zip(&second).map(|(first, second)| (second - first * first / n).max(0.0)).sum();
    (n - 1.0) / n * squares
}

/// Variances of the profiles of an item.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Variances {
    measured: f64,
    predicted: f64,
    /// Of both halves of the measured cells.
    halves: Option<[f64; 2]>,
}

impl Variances {
    pub fn of(measured: &Cells, predicted: &Cells, halves: Option<&[Cells; 2]>, n_features: usize) -> Self {
        let of = |cells: &Cells| variance(cells, n_features);
        Self {
            measured: of(measured),
            predicted: of(predicted),
            halves: halves.map(|[one, other]| [of(one), of(other)]),
        }
    }
}

/// Scores every item; the mean of these scores is the ratio of the sums.
pub(super) fn add(
    scored: &mut Scored,
    matched: &Matched,
    truth: &Truth,
    predictions: &Deltas,
    variances: &[Variances],
    controls: &[[f64; 2]],
) {
    let n_items = matched.items.len();
    let control = |item: usize, half: usize| controls[matched.items[item].context][half];
    let measured = |item: usize| variances[item].measured;
    // Of how far a change is from another, without the item's targets, by gene.
    let distance = |item: usize, change: &dyn Fn(usize) -> f64| {
        let genes = (0..matched.features.len()).filter(|gene| !matched.items[item].targets.contains(gene));
        genes.map(|gene| change(gene).powi(2)).sum::<f64>()
    };
    let n_genes = |item: usize| (matched.features.len() - matched.items[item].targets.len()).max(1) as f64;
    let whole = |item: usize, gene: usize| f64::from(truth.whole.row(item)[gene]);
    let size =
        |item: usize| (distance(item, &|gene| whole(item, gene)) - measured(item) - control(item, 0)) / n_genes(item);
    let ratios = |errors: Vec<Option<f64>>, sizes: Vec<Option<f64>>| -> Vec<[Option<f64>; 1]> {
        let sizes: Vec<f64> = sizes.into_iter().flatten().collect();
        let mean = sizes.iter().sum::<f64>() / sizes.len().max(1) as f64;
        // Where changes are no larger than noise there is nothing to compare errors with.
        errors.into_iter().map(|error| [error.filter(|_| mean > 0.0).map(|error| error / mean)]).collect()
    };
    let sizes = || (0..n_items).map(|item| Some(size(item))).collect();
    let mut put = |predictor, error: &dyn Fn(usize) -> f64| {
        let errors = (0..n_items).map(|item| Some(error(item))).collect();
        scored.put([Metric::MseCapped], predictor, &ratios(errors, sizes()));
    };

    let claimed: Vec<f64> = variances.iter().map(|of| of.predicted.min(of.measured)).collect();
    let mut shares = vec![1.0; matched.contexts.len()];
    for (share, items) in shares.iter_mut().zip(matched.by_context()) {
        let changes: Vec<&[f32]> = items.iter().map(|&item| predictions.row(item)).collect();
        let targets: Vec<&[usize]> = items.iter().map(|&item| &matched.items[item].targets[..]).collect();
        let claimed: Vec<f64> = items.iter().map(|&item| claimed[item]).collect();
        *share = allowed(&changes, &targets, &claimed);
    }
    put(Predictor::Predictions, &|item| {
        let error = distance(item, &|gene| f64::from(predictions.row(item)[gene]) - whole(item, gene));
        (error - shares[matched.items[item].context] * claimed[item] - measured(item)) / n_genes(item)
    });
    put(Predictor::NoChange, &size);
    let contexts = matched.by_context();
    let means: Vec<Vec<f64>> = contexts.iter().map(|items| truth.whole.mean_of(items)).collect();
    let mean_of_others = |item: usize, gene: usize| {
        let context = matched.items[item].context;
        deltas::mean_of_others(means[context][gene], whole(item, gene), contexts[context].len())
    };
    let of_mean = |item: usize| {
        let error = distance(item, &|gene| mean_of_others(item, gene) - whole(item, gene));
        (error - measured(item)) / n_genes(item)
    };
    put(Predictor::MeanResponse, &of_mean);
    let Some([one, other]) = &truth.halves else { return };
    let in_half = |of: &dyn Fn(usize, [f64; 2]) -> f64| -> Vec<Option<f64>> {
        (0..n_items).map(|item| variances[item].halves.map(|halves| of(item, halves) / n_genes(item))).collect()
    };
    let half = |item: usize, gene: usize| f64::from(one.row(item)[gene]);
    let sizes = || in_half(&|item, halves| distance(item, &|gene| half(item, gene)) - halves[0] - control(item, 1));
    let errors = in_half(&|item, halves| {
        let [own, of_other] = [0, 1].map(|half| &truth.control_halves[half][matched.items[item].context]);
        let error =
            distance(item, &|gene| f64::from(other.row(item)[gene]) + of_other[gene] - half(item, gene) - own[gene]);
        error - halves[1].min(halves[0]) - halves[0]
    });
    scored.put([Metric::MseCapped], Predictor::Duplicate, &ratios(errors, sizes()));
    let errors = in_half(&|item, halves| {
        let context = matched.items[item].context;
        let (whole, own) = (&truth.controls[context], &truth.control_halves[0][context]);
        let error = distance(item, &|gene| mean_of_others(item, gene) + whole[gene] - half(item, gene) - own[gene]);
        error - halves[0]
    });
    scored.put_on_halves([Metric::MseCapped], &ratios(errors, sizes()));
}

/// The share of the variance that predictions claim which the spread of their profiles allows, at most 1.
///
/// `changes` are the predicted ones of the items of a context, of which each leaves out its own targets.
fn allowed(changes: &[&[f32]], targets: &[&[usize]], claimed: &[f64]) -> f64 {
    let n_features = changes.first().map_or(0, |row| row.len());
    let weight = |item: usize| 1.0 / (n_features - targets[item].len()).max(1) as f64;
    let claim: f64 = claimed.iter().enumerate().map(|(item, claimed)| claimed * weight(item)).sum();
    if claim <= 0.0 {
        return 1.0;
    }
    let mut budget = 0.0;
    let mut of_gene: Vec<f64> = Vec::with_capacity(changes.len());
    for gene in 0..n_features {
        let kept = |item: &usize| !targets[*item].contains(&gene);
        of_gene.clear();
        let (mut weights, mut sum, mut n) = (0.0, 0.0, 0);
        for item in (0..changes.len()).filter(kept) {
            weights += weight(item);
            sum += weight(item) * f64::from(changes[item][gene]);
            n += 1;
        }
        if n >= 2 {
            let mean = sum / weights;
            budget += (0..changes.len())
                .filter(kept)
                .map(|item| weight(item) * (f64::from(changes[item][gene]) - mean).powi(2))
                .sum::<f64>();
        }
    }
    (budget / claim).min(1.0)
}
