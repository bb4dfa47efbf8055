//! The wells among which one treatment's labels are permuted, and their similarities.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::average_precision::{SAME_PRECISION, n_combinations};
use super::{MapSettings, mean};
use crate::screen::{FeatureMatrix, Screen};

/// Rows of the screen and their cosine similarities.
pub(super) struct Similarities {
    rows: Vec<usize>,
    /// `[row, row]`, symmetric.
    values: Vec<f32>,
}

impl Similarities {
    pub(super) fn among(rows: &[usize], units: &[Vec<f32>]) -> Self {
        Self { rows: vec![], values: vec![] }.with(rows, units)
    }

    /// The same rows and then those of `added` that are not yet among them.
    pub(super) fn with(&self, added: &[usize], units: &[Vec<f32>]) -> Self {
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
pub(super) struct Pool {
    similarities: Similarities,
    /// Position in the pool of a row of the screen.
    pub(super) position: BTreeMap<usize, usize>,
    /// Plate of each well, numbered.
    plate: Vec<usize>,
    /// Wells of each plate.
    wells: Vec<Vec<usize>>,
    /// `[query, well]`: how many wells of the query's plate, itself excepted, are at least as similar to it as the well is.
    n_as_near: Vec<u32>,
}

/// What relabeling says of an observed mean average precision.
pub(super) struct Null {
    pub(super) p_value: f64,
    pub(super) least_p_value: f64,
    pub(super) is_exact: bool,
}

impl Pool {
    pub(super) fn new(screen: &Screen, similarities: Similarities) -> Self {
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
    pub(super) fn n_negatives(&self, query: usize, members: &[usize]) -> usize {
        let plate = self.plate[query];
        self.wells[plate].len() - members.iter().filter(|&&member| self.plate[member] == plate).count()
    }

    /// The members with negatives on their plate.
    pub(super) fn queries(&self, members: &[usize]) -> Vec<usize> {
        members.iter().copied().filter(|&query| self.n_negatives(query, members) > 0).collect()
    }

    /// Average precision of each query when `members` are the treated wells; ties enter together.
    pub(super) fn average_precisions(&self, members: &[usize]) -> Vec<f64> {
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
    pub(super) fn null(&self, members: &[usize], observed: f64, settings: &MapSettings, stream: u64) -> Null {
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
            let last = wells.len() - n_left;
            for (at, &well) in wells.iter().enumerate().take(last + 1).skip(first) {
                labels.push(well);
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
pub(super) fn unit_rows(vectors: &FeatureMatrix) -> Vec<Vec<f32>> {
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
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
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
