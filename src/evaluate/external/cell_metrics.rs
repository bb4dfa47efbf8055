//! Metrics that need single cells on both sides: genes that are expressed differently, and distances of distributions.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::EvaluateError;
use super::anchors::Scored;
use super::cells::{Cells, Source, Value, batches};
use super::deltas::{Deltas, Truth, mean_of_others};
use super::differential::{ByGene, Differences, PER_MILLION};
use super::energy::{self, Rows, energy_distance};
use super::jackknife::{self, Variances};
use super::matched::Matched;
use super::{Metric, Predictor, expression};
use crate::load::{Responses, Scale};
use crate::table::counted;

/// The metrics of this file, in the order of [`OfItem`].
const METRICS: [Metric; 6] = [
    Metric::Des,
    Metric::SigJaccard,
    Metric::DirectionFidelity,
    Metric::DirectionReach,
    Metric::LfcNmae,
    Metric::EnergyDistance,
];

/// Rows of a perturbation, in the median, from which on they are taken for cells.
const LEAST_CELLS: usize = 10;

/// Cells of the control from which the cells of the mean response are drawn, at most.
const MOST_POOLED: usize = 1_000;

/// Scores of an item by the metrics of this file.
type OfItem = [Option<f64>; 6];

/// Whose scores an item has: the predictors, and the mean response on halves.
const N_SCORED: usize = 5;

/// The cells of the control of a context.
struct Control {
    whole: ByGene,
    halves: [ByGene; 2],
    expressed: Vec<bool>,
    expressed_half: Vec<bool>,
    /// Values of some cells, cell by cell, as they are in the file.
    pool: Vec<Vec<Value>>,
    /// Places in the pool of the cells of the second half.
    pool_of_half: Vec<usize>,
    /// Some cells as the energy distance compares them.
    rows: Rows,
    /// Variances of the profile, by all cells and by the first half.
    variances: [f64; 2],
}

/// What is the same for all items.
struct Job<'a> {
    matched: &'a Matched,
    truth: &'a Truth,
    controls: Vec<Control>,
    means: Vec<Vec<f64>>,
    n_in_context: Vec<usize>,
    has_genes: bool,
    seed: u64,
}

/// Scores every item; says what could not be scored.
///
/// # Errors
/// If a file is damaged, or a value is not a finite number.
pub(super) fn add(
    scored: &mut Scored,
    matched: &Matched,
    (truth, predictions): (&Truth, &Deltas),
    [measured, predicted]: [&Responses; 2],
    seed: u64,
) -> Result<Option<String>, EvaluateError> {
    let of_truth = Source::of_truth(measured, matched, &truth.half_of_row);
    let of_predictions = Source::of_predictions(predicted, matched);
    let n_items = matched.items.len();
    let truth_sizes = of_truth.sizes(n_items + matched.contexts.len());
    let predicted_sizes = of_predictions.sizes(n_items);
    let (of_items, of_controls) = truth_sizes.split_at(n_items);
    let sides =
        [(of_items, "truth", "has"), (&predicted_sizes[..], "predictions", "have"), (of_controls, "control", "has")];
    for (sizes, side, verb) in sides {
        let n_rows = median(sizes);
        if n_rows < LEAST_CELLS {
            return Ok(Some(format!(
                "genes expressed differently (`des` and the like) and `energy_distance` need single cells on both sides: they \
                 are left out, since the {side} {verb} {} for each perturbation",
                counted(n_rows, "row")
            )));
        }
    }
    let has_genes = matched.scale != Scale::AsIs;
    let contexts = matched.by_context();
    let job = Job {
        matched,
        truth,
        controls: controls(&of_truth, matched, has_genes, seed)?,
        means: contexts.iter().map(|items| truth.whole.mean_of(items)).collect(),
        n_in_context: contexts.iter().map(Vec::len).collect(),
        has_genes,
        seed,
    };
    let mut each: Vec<[OfItem; N_SCORED]> = vec![[[None; 6]; N_SCORED]; n_items];
    let mut variances = vec![Variances::default(); n_items];
    let sizes: Vec<usize> = of_items.iter().zip(&predicted_sizes).map(|(truth, own)| truth.1 + own.1).collect();
    for batch in batches(&sizes) {
        let (cells, predicted) = (of_truth.read(&batch)?, of_predictions.read(&batch)?);
        let scores: Vec<([OfItem; N_SCORED], Variances)> = (batch.par_iter().zip(cells).zip(predicted))
            .with_max_len(1)
            .map(|((&item, cells), predicted)| job.score(item, &cells, &predicted))
            .collect();
        batch.iter().zip(scores).for_each(|(&item, found)| (each[item], variances[item]) = found);
    }
    let metrics = METRICS.into_iter().enumerate().filter(|(_, metric)| has_genes || *metric == Metric::EnergyDistance);
    for (place, metric) in metrics {
        let of = |whose: usize| -> Vec<[Option<f64>; 1]> { each.iter().map(|scores| [scores[whose][place]]).collect() };
        let predictors = [Predictor::Predictions, Predictor::MeanResponse, Predictor::NoChange, Predictor::Duplicate];
        for (whose, predictor) in predictors.into_iter().enumerate() {
            scored.put([metric], predictor, &of(whose));
        }
        scored.put_on_halves([metric], &of(4));
    }
    if matched.scale == Scale::Counts {
        let of_controls: Vec<[f64; 2]> = job.controls.iter().map(|control| control.variances).collect();
        jackknife::add(scored, matched, truth, predictions, &variances, &of_controls);
    }
    Ok((!has_genes).then(|| {
        "the values are neither counts nor logarithms of them: which genes are expressed differently is not scored"
            .to_owned()
    }))
}

fn median(sizes: &[(usize, usize)]) -> usize {
    let mut n_rows: Vec<usize> = sizes.iter().map(|size| size.0).collect();
    n_rows.sort_unstable();
    n_rows.get(n_rows.len() / 2).copied().unwrap_or(0)
}

fn controls(truth: &Source<'_>, matched: &Matched, has_genes: bool, seed: u64) -> Result<Vec<Control>, EvaluateError> {
    let (n_items, n_features, scale) = (matched.items.len(), matched.features.len(), matched.scale);
    let mut controls = Vec::new();
    for context in 0..matched.contexts.len() {
        let cells = truth.read(&[n_items + context])?.remove(0);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::MAX - context as u64);
        let chosen = rand::seq::index::sample(&mut rng, cells.n_cells, cells.n_cells.min(MOST_POOLED)).into_vec();
        let mut place_of = vec![usize::MAX; cells.n_cells];
        chosen.iter().enumerate().for_each(|(place, &cell)| place_of[cell] = place);
        let mut pool = vec![Vec::new(); chosen.len()];
        for value in cells.values.iter().filter(|value| place_of[value.cell as usize] != usize::MAX) {
            pool[place_of[value.cell as usize]].push(*value);
        }
        let pool_of_half = (0..chosen.len()).filter(|&place| cells.halves[chosen[place]] == 1).collect();
        let first: Vec<usize> = (0..chosen.len().min(energy::MOST_CELLS)).collect();
        let rows = Rows::of(&drawn(&pool, &first, |_, value| value), n_features, scale);
        let variances = match scale {
            Scale::Counts => [jackknife::variance(&cells, n_features), jackknife::variance(&cells.half(0), n_features)],
            Scale::Log1p | Scale::AsIs => [0.0; 2],
        };
        let cells = if has_genes { cells.brought_to(PER_MILLION, scale) } else { Cells::default() };
        let whole = ByGene::of(&cells, n_features, scale);
        let halves = [0, 1].map(|half| ByGene::of(&cells.half(half), n_features, scale));
        let (expressed, expressed_half) = (whole.expressed(), halves[0].expressed());
        controls.push(Control { whole, halves, expressed, expressed_half, pool, pool_of_half, rows, variances });
    }
    Ok(controls)
}

/// Cells of a pool, with what `of` makes of the value of each gene.
fn drawn(pool: &[Vec<Value>], places: &[usize], of: impl Fn(usize, f64) -> f64) -> Cells {
    let mut values = Vec::new();
    for (cell, &place) in places.iter().enumerate() {
        values.extend(pool[place].iter().map(|value| Value {
            cell: cell as u32,
            value: of(value.feature as usize, f64::from(value.value)) as f32,
            ..*value
        }));
    }
    values.retain(|value| value.value != 0.0);
    Cells { n_cells: places.len(), values, halves: vec![0; places.len()] }
}

impl Job<'_> {
    fn score(&self, item: usize, cells: &Cells, predicted: &Cells) -> ([OfItem; N_SCORED], Variances) {
        let control = &self.controls[self.matched.items[item].context];
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((1 << 32) + item as u64);
        let factors = self.factors(item);
        let mut resampled = |n: usize, places: &[usize]| {
            let chosen: Vec<usize> = (0..n).map(|_| places[rng.random_range(0..places.len())]).collect();
            drawn(&control.pool, &chosen, |gene, value| match self.matched.scale {
                Scale::Log1p => (value.exp_m1() * factors[gene]).ln_1p(),
                Scale::Counts | Scale::AsIs => value * factors[gene],
            })
        };
        let all: Vec<usize> = (0..control.pool.len()).collect();
        let of_mean = resampled(cells.n_cells, &all);
        let halves = [cells.half(0), cells.half(1)];
        let has_halves = halves[1].n_cells > 0 && !control.pool_of_half.is_empty();
        let of_mean_half =
            if has_halves { resampled(halves[1].n_cells, &control.pool_of_half) } else { Cells::default() };
        let mut scores = [[None; 6]; N_SCORED];
        if self.has_genes {
            let found = self.of_genes(item, [cells, predicted, &of_mean], &halves, &of_mean_half, has_halves);
            scores.iter_mut().zip(found).for_each(|(scores, found)| scores[..5].copy_from_slice(&found));
        }
        let (n_features, scale) = (self.matched.features.len(), self.matched.scale);
        let rows = |cells: &Cells| Rows::of(cells, n_features, scale);
        let own = rows(cells);
        scores[0][5] = energy_distance(&rows(predicted), &own);
        scores[1][5] = energy_distance(&rows(&of_mean), &own);
        scores[2][5] = energy_distance(&control.rows, &own);
        if has_halves {
            let own = rows(&halves[0]);
            scores[3][5] = energy_distance(&rows(&halves[1]), &own);
            scores[4][5] = energy_distance(&rows(&of_mean_half), &own);
        }
        let variances = match scale {
            Scale::Counts => Variances::of(cells, predicted, has_halves.then_some(&halves), n_features),
            Scale::Log1p | Scale::AsIs => Variances::default(),
        };
        (scores, variances)
    }

    /// What each gene of the control has to be multiplied with to have the mean response of the other perturbations.
    fn factors(&self, item: usize) -> Vec<f64> {
        let context = self.matched.items[item].context;
        let own = self.truth.whole.row(item);
        let factor = |gene: usize| {
            let change = mean_of_others(self.means[context][gene], f64::from(own[gene]), self.n_in_context[context]);
            let control = self.truth.controls[context][gene];
            match self.matched.scale {
                Scale::AsIs if control != 0.0 => (control + change) / control,
                Scale::Counts | Scale::Log1p if control > 0.0 => {
                    (control + change).exp_m1().max(0.0) / control.exp_m1()
                }
                _ => 0.0,
            }
        };
        (0..own.len()).map(factor).collect()
    }

    fn of_genes(
        &self,
        item: usize,
        [cells, predicted, of_mean]: [&Cells; 3],
        halves: &[Cells; 2],
        of_mean_half: &Cells,
        has_halves: bool,
    ) -> [[Option<f64>; 5]; N_SCORED] {
        let of_item = &self.matched.items[item];
        let control = &self.controls[of_item.context];
        let (n_features, scale) = (self.matched.features.len(), self.matched.scale);
        let against = |cells: &Cells, control: &ByGene, expressed: &[bool]| {
            let cells = cells.clone().brought_to(PER_MILLION, scale);
            ByGene::of(&cells, n_features, scale).differences(control, expressed)
        };
        let whole = |cells: &Cells| against(cells, &control.whole, &control.expressed);
        let score = |measured: &Differences, predicted: &Differences| {
            expression::agreement(measured, predicted, &of_item.targets, &self.matched.features)
        };
        let measured = whole(cells);
        let mut scores = [[None; 5]; N_SCORED];
        scores[0] = score(&measured, &whole(predicted));
        scores[1] = score(&measured, &whole(of_mean));
        scores[2] = score(&measured, &Differences::none(n_features));
        if has_halves {
            let of_half = |cells: &Cells, half: usize| against(cells, &control.halves[half], &control.expressed_half);
            let measured = of_half(&halves[0], 0);
            scores[3] = score(&measured, &of_half(&halves[1], 1));
            scores[4] = score(&measured, &of_half(of_mean_half, 0));
        }
        scores
    }
}
