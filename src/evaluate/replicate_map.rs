//! Whether a treatment's replicates find each other among control wells: mean average precision with a valid p-value.
//!
//! The query is one replicate; positives are the treatment's other replicates; negatives are wells of the query's own plate.
//! The members of a group share their negatives and each other's distances, so their average precisions are dependent and
//! a null of independent random lists is over-confident (copairs calls 4 % of pure noise with two replicates and sixteen
//! controls). Here the labels are permuted instead: on every plate as many wells as the treatment has there are relabeled
//! "treated", drawn from its own and the negative wells of that plate, and the mean average precision is taken again.
//! Under the hypothesis that the treatment does nothing, all relabelings are equally likely, whatever the plate effects.
//! Effects of the well position are not removed: a treatment that always stands in a corner well is found for that.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::average_precision::{SAME_PRECISION, expected_average_precision, n_combinations};
use super::{EvaluateError, benjamini_hochberg, expect_same_length};
use crate::screen::{FeatureMatrix, Role, Screen, Treatment};

/// What replicates must be told from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Negatives {
    /// Negative-control wells of the query's plate: is there an effect?
    #[default]
    PlateControls,
    /// Wells of the query's plate under other treatments: is the effect the treatment's own?
    PlateTreatments,
}

/// Settings of [`replicate_map`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MapSettings {
    /// What replicates must be told from.
    pub negatives: Negatives,
    /// Up to this many relabelings all are enumerated and the p-value is exact.
    pub most_enumerated: usize,
    /// Relabelings drawn where there are more.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for MapSettings {
    fn default() -> Self {
        Self { negatives: Negatives::PlateControls, most_enumerated: 1_000_000, draws: 10_000, seed: 0 }
    }
}

/// How well the replicates of one treatment find each other.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicateMap {
    /// The treatment.
    pub treatment: Treatment,
    /// Wells that asked: those with at least one negative on their plate.
    pub n_queries: usize,
    /// Mean over the queries of their average precision, in (0, 1]; cosine similarity.
    pub map: f64,
    /// Its expectation for lists in random order.
    pub expected: f64,
    /// Mean over the queries of (AP − E₀) / (1 − E₀): 0 by chance, 1 when perfect.
    pub normalized: f64,
    /// Share of relabelings with at least this mean average precision, the true labels among them.
    pub p_value: f64,
    /// The least p-value that this design can give.
    pub least_p_value: f64,
    /// Whether all relabelings were enumerated.
    pub is_exact: bool,
    /// Benjamini–Hochberg adjusted over the treatments of this result.
    pub q_value: f64,
}

/// A treatment that could not be scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Unscored {
    /// The treatment.
    pub treatment: Treatment,
    /// Why not.
    pub reason: &'static str,
}

/// The scores of all treatments, in their order, and those left out.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicateMaps {
    /// Scored treatments.
    pub scored: Vec<ReplicateMap>,
    /// Treatments without a second replicate, or without negatives on any of their plates.
    pub unscored: Vec<Unscored>,
}

impl ReplicateMaps {
    /// Share of scored treatments with a q-value of at most `alpha`; NaN when none was scored.
    pub fn share_found(&self, alpha: f64) -> f64 {
        self.scored.iter().filter(|score| score.q_value <= alpha).count() as f64 / self.scored.len() as f64
    }

    /// Whether any treatment could be called at `alpha` at all, were every p-value the least that its design can give.
    pub fn can_find(&self, alpha: f64) -> bool {
        let least: Vec<f64> = self.scored.iter().map(|score| score.least_p_value).collect();
        benjamini_hochberg(&least).iter().any(|&q_value| q_value <= alpha)
    }
}

/// Replicate mean average precision of each of `treatments`, by cosine among the rows of `vectors`.
///
/// `vectors` are profiles or embeddings, one row for each observation of `screen`; `treatments` maps to rows of both.
/// Treatments on one set of plates share one table of similarities. Results do not depend on the number of threads.
///
/// # Errors
/// When `vectors` does not have one row for each observation.
pub fn replicate_map(
    screen: &Screen,
    vectors: &FeatureMatrix,
    treatments: &BTreeMap<Treatment, Vec<usize>>,
    settings: &MapSettings,
) -> Result<ReplicateMaps, EvaluateError> {
    expect_same_length("vectors", vectors.n_rows(), "observations of the screen", screen.n_observations())?;
    let units = unit_rows(vectors);
    let pool_role = |role: Role| match settings.negatives {
        Negatives::PlateControls => role == Role::NegativeControl,
        Negatives::PlateTreatments => matches!(role, Role::Treatment | Role::PositiveControl),
    };
    let negatives_by_plate = screen.rows_by_plate(|observation| pool_role(observation.role));

    let mut by_plates = BTreeMap::<BTreeSet<&str>, Vec<(usize, &Treatment, &[usize])>>::new();
    for (index, (treatment, rows)) in treatments.iter().enumerate() {
        let plates = rows.iter().map(|&row| screen.observations[row].plate.as_str()).collect();
        by_plates.entry(plates).or_default().push((index, treatment, rows));
    }
    let mut outcomes: Vec<(usize, Result<ReplicateMap, Unscored>)> = by_plates
        .par_iter()
        .flat_map_iter(|(plates, group)| {
            let shared: Vec<usize> =
                plates.iter().filter_map(|plate| negatives_by_plate.get(plate)).flatten().copied().collect();
            let base = Similarities::among(&shared, &units);
            group
                .iter()
                .map(|&(index, treatment, rows)| {
                    (index, score(screen, treatment, rows, &base, &units, settings, index))
                })
                .collect::<Vec<_>>()
        })
        .collect();
    outcomes.sort_by_key(|(index, _)| *index);

    let (mut scored, mut unscored) = (Vec::new(), Vec::new());
    for (_, outcome) in outcomes {
        match outcome {
            Ok(score) => scored.push(score),
            Err(reason) => unscored.push(reason),
        }
    }
    let p_values: Vec<f64> = scored.iter().map(|score| score.p_value).collect();
    for (score, q_value) in scored.iter_mut().zip(benjamini_hochberg(&p_values)) {
        score.q_value = q_value;
    }
    Ok(ReplicateMaps { scored, unscored })
}

fn score(
    screen: &Screen,
    treatment: &Treatment,
    rows: &[usize],
    base: &Similarities,
    units: &[Vec<f32>],
    settings: &MapSettings,
    index: usize,
) -> Result<ReplicateMap, Unscored> {
    let unscored = |reason| Unscored { treatment: treatment.clone(), reason };
    if rows.len() < 2 {
        return Err(unscored("fewer than two replicates"));
    }
    let pool = Pool::new(screen, base.with(rows, units));
    let members: Vec<usize> = rows.iter().map(|row| pool.position[row]).collect();
    let queries = pool.queries(&members);
    if queries.is_empty() {
        return Err(unscored("no negative wells on its plates"));
    }
    let precisions = pool.average_precisions(&members);
    let map = mean(&precisions);
    let chances: Vec<f64> = queries
        .iter()
        .map(|&query| {
            expected_average_precision(members.len() - 1, members.len() - 1 + pool.n_negatives(query, &members))
        })
        .collect();
    let normalized: Vec<f64> =
        precisions.iter().zip(&chances).map(|(precision, chance)| (precision - chance) / (1.0 - chance)).collect();
    let null = pool.null(&members, map, settings, index as u64);
    Ok(ReplicateMap {
        treatment: treatment.clone(),
        n_queries: queries.len(),
        map,
        expected: mean(&chances),
        normalized: mean(&normalized),
        p_value: null.p_value,
        least_p_value: null.least_p_value,
        is_exact: null.is_exact,
        q_value: 1.0,
    })
}

/// Rows of the screen and their cosine similarities.
struct Similarities {
    rows: Vec<usize>,
    /// `[row, row]`, symmetric.
    values: Vec<f32>,
}

impl Similarities {
    fn among(rows: &[usize], units: &[Vec<f32>]) -> Self {
        Self { rows: vec![], values: vec![] }.with(rows, units)
    }

    /// The same rows and then those of `added` that are not yet among them.
    fn with(&self, added: &[usize], units: &[Vec<f32>]) -> Self {
        let known: BTreeSet<usize> = self.rows.iter().copied().collect();
        let mut rows = self.rows.clone();
        rows.extend(added.iter().filter(|row| !known.contains(row)));
        let (n_old, n_rows) = (self.rows.len(), rows.len());
        let mut values = vec![0.0f32; n_rows * n_rows];
        for row in 0..n_old {
            values[row * n_rows..row * n_rows + n_old].copy_from_slice(&self.values[row * n_old..(row + 1) * n_old]);
        }
        for row in n_old..n_rows {
            for column in 0..row {
                let similarity = dot(&units[rows[row]], &units[rows[column]]);
                values[row * n_rows + column] = similarity;
                values[column * n_rows + row] = similarity;
            }
        }
        Self { rows, values }
    }
}

/// The wells among which one treatment's labels are permuted.
struct Pool {
    similarities: Similarities,
    /// Position in the pool of a row of the screen.
    position: BTreeMap<usize, usize>,
    /// Plate of each well, numbered.
    plate: Vec<usize>,
    /// Wells of each plate.
    wells: Vec<Vec<usize>>,
    /// `[query, well]`: how many wells of the query's plate, itself excepted, are at least as similar to it as the well is.
    n_as_near: Vec<u32>,
}

struct Null {
    p_value: f64,
    least_p_value: f64,
    is_exact: bool,
}

impl Pool {
    fn new(screen: &Screen, similarities: Similarities) -> Self {
        let n_wells = similarities.rows.len();
        let mut numbers = BTreeMap::<&str, usize>::new();
        let mut wells: Vec<Vec<usize>> = Vec::new();
        let mut plate = Vec::with_capacity(n_wells);
        for (well, &row) in similarities.rows.iter().enumerate() {
            let next = numbers.len();
            let number = *numbers.entry(&screen.observations[row].plate).or_insert(next);
            if number == wells.len() {
                wells.push(Vec::new());
            }
            wells[number].push(well);
            plate.push(number);
        }
        let mut n_as_near = vec![0u32; n_wells * n_wells];
        for query in 0..n_wells {
            let similarity = &similarities.values[query * n_wells..(query + 1) * n_wells];
            let on_plate = wells[plate[query]].iter().filter(|&&well| well != query);
            let mut sorted: Vec<f32> = on_plate.map(|&well| similarity[well]).collect();
            sorted.sort_by(|left, right| right.total_cmp(left));
            for (count, &similarity) in n_as_near[query * n_wells..].iter_mut().zip(similarity) {
                *count = sorted.partition_point(|&other| other >= similarity) as u32;
            }
        }
        let position = similarities.rows.iter().enumerate().map(|(well, &row)| (row, well)).collect();
        Self { similarities, position, plate, wells, n_as_near }
    }

    /// Negatives of `query` when `members` are the treated wells.
    fn n_negatives(&self, query: usize, members: &[usize]) -> usize {
        let plate = self.plate[query];
        self.wells[plate].len() - members.iter().filter(|&&member| self.plate[member] == plate).count()
    }

    /// The members with negatives on their plate.
    fn queries(&self, members: &[usize]) -> Vec<usize> {
        members.iter().copied().filter(|&query| self.n_negatives(query, members) > 0).collect()
    }

    /// Average precision of each query when `members` are the treated wells; ties enter together.
    fn average_precisions(&self, members: &[usize]) -> Vec<f64> {
        let n_wells = self.plate.len();
        let precision = |query: usize| {
            let start = query * n_wells;
            let sum: f64 = members
                .iter()
                .filter(|&&positive| positive != query)
                .map(|&positive| {
                    let threshold = self.similarities.values[start + positive];
                    let (mut n_positive, mut n_positive_here) = (0u32, 0u32);
                    for &member in members {
                        if member != query && self.similarities.values[start + member] >= threshold {
                            n_positive += 1;
                            n_positive_here += u32::from(self.plate[member] == self.plate[query]);
                        }
                    }
                    let n_negative = self.n_as_near[start + positive] - n_positive_here;
                    f64::from(n_positive) / f64::from(n_positive + n_negative)
                })
                .sum();
            sum / (members.len() - 1) as f64
        };
        self.queries(members).into_iter().map(precision).collect()
    }

    /// How often relabeled wells reach `observed`.
    fn null(&self, members: &[usize], observed: f64, settings: &MapSettings, stream: u64) -> Null {
        let mut n_treated = vec![0usize; self.wells.len()];
        members.iter().for_each(|&member| n_treated[self.plate[member]] += 1);
        let n_relabelings: f64 =
            self.wells.iter().zip(&n_treated).map(|(wells, &treated)| n_combinations(wells.len(), treated)).product();
        let reaches = |labels: &[usize]| mean(&self.average_precisions(labels)) >= observed - SAME_PRECISION;
        if n_relabelings <= settings.most_enumerated as f64 {
            let (mut n_hits, mut n_all) = (0u64, 0u64);
            self.for_each_relabeling(&n_treated, &mut |labels| {
                n_hits += u64::from(reaches(labels));
                n_all += 1;
            });
            let n_all = n_all as f64;
            return Null { p_value: n_hits as f64 / n_all, least_p_value: 1.0 / n_all, is_exact: true };
        }
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        rng.set_stream(stream);
        let hits = (0..settings.draws).filter(|_| {
            let drawn = self.wells.iter().zip(&n_treated).flat_map(|(wells, &treated)| {
                index::sample(&mut rng, wells.len(), treated).into_iter().map(|at| wells[at]).collect::<Vec<_>>()
            });
            reaches(&drawn.collect::<Vec<_>>())
        });
        let n_all = (1 + settings.draws) as f64;
        Null { p_value: (1 + hits.count()) as f64 / n_all, least_p_value: 1.0 / n_all, is_exact: false }
    }

    /// Visits every choice of `n_treated` wells on each plate.
    fn for_each_relabeling(&self, n_treated: &[usize], visit: &mut impl FnMut(&[usize])) {
        fn descend(
            pool: &Pool,
            n_treated: &[usize],
            plate: usize,
            first: usize,
            n_left: usize,
            labels: &mut Vec<usize>,
            visit: &mut impl FnMut(&[usize]),
        ) {
            if n_left == 0 {
                return match n_treated.get(plate + 1) {
                    Some(&next) => descend(pool, n_treated, plate + 1, 0, next, labels, visit),
                    None => visit(labels),
                };
            }
            let wells = &pool.wells[plate];
            for at in first..=wells.len() - n_left {
                labels.push(wells[at]);
                descend(pool, n_treated, plate, at + 1, n_left - 1, labels, visit);
                labels.pop();
            }
        }
        if let Some(&first) = n_treated.first() {
            descend(self, n_treated, 0, 0, first, &mut Vec::new(), visit);
        }
    }
}

/// Each row scaled to length 1; a zero row stays zero and is unlike everything.
fn unit_rows(vectors: &FeatureMatrix) -> Vec<Vec<f32>> {
    (0..vectors.n_rows())
        .into_par_iter()
        .map(|row| {
            let values = vectors.row(row);
            let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            values.iter().map(|&value| (f64::from(value) * scale) as f32).collect()
        })
        .collect()
}

/// Eight running sums, which the compiler keeps in one vector register.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0f32; LANES];
    let (left_blocks, right_blocks) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let rest: f32 =
        left_blocks.remainder().iter().zip(right_blocks.remainder()).map(|(left, right)| left * right).sum();
    for (left, right) in left_blocks.zip(right_blocks) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests;
