//! The wells among which one treatment's labels are permuted, and how similar they are.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::screen::{FeatureMatrix, Screen};

/// Profiles scaled to length 1; a zero row stays zero and is unlike everything.
pub(super) struct Units {
    /// Values of a row, padded with zeros to whole lanes.
    width: usize,
    values: Vec<f32>,
}

/// Running sums of a dot product.
const LANES: usize = 16;

impl Units {
    pub(super) fn of(vectors: &FeatureMatrix) -> Self {
        let width = vectors.n_features().next_multiple_of(LANES).max(LANES);
        let mut values = vec![0.0; vectors.n_rows() * width];
        values.par_chunks_mut(width).enumerate().for_each(|(row, unit)| {
            let values = vectors.row(row);
            let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            for (unit, &value) in unit.iter_mut().zip(values) {
                *unit = (f64::from(value) * scale) as f32;
            }
        });
        Self { width, values }
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// Cosine similarity of the profile at `row` with each of those at `others`.
    pub(super) fn similarities(&self, row: usize, others: &[usize]) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2(units: &Units, row: usize, others: &[usize]) -> Vec<f32> {
                others.iter().map(|&other| dot(units.row(row), units.row(other))).collect()
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature that the function was compiled for.
                return unsafe { avx2(self, row, others) };
            }
        }
        others.iter().map(|&other| dot(self.row(row), self.row(other))).collect()
    }
}

/// Sums in an order that does not depend on the instruction set, so that equal profiles tie everywhere.
#[inline(always)]
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    for (left, right) in left.chunks_exact(LANES).zip(right.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    sums.iter().sum()
}

/// The negative wells of a set of plates, which treatments on these plates share.
pub(super) struct Shared {
    /// Rows of the screen, by plate; a well's position among them is its number.
    rows: Vec<usize>,
    /// Plate of each well, as its place in the set.
    plate: Vec<usize>,
    /// Wells of each plate.
    wells: Vec<Vec<usize>>,
    /// `[query, well]`.
    similarities: Vec<f32>,
    /// `[query, well]`: how many wells of the query's plate, itself excepted, are at least as similar to it as the well is.
    n_as_near: Vec<u32>,
    /// Similarities of each query to the other wells of its plate, from the highest.
    descending: Vec<Vec<f32>>,
}

impl Shared {
    /// `negatives` holds the rows of each plate of the set.
    pub(super) fn new(negatives: &[&[usize]], units: &Units) -> Self {
        let rows: Vec<usize> = negatives.concat();
        let plate: Vec<usize> =
            negatives.iter().enumerate().flat_map(|(plate, rows)| rows.iter().map(move |_| plate)).collect();
        let mut wells = vec![Vec::new(); negatives.len()];
        plate.iter().enumerate().for_each(|(well, &plate)| wells[plate].push(well));
        let n_wells = rows.len();
        let queries: Vec<_> = (0..n_wells)
            .into_par_iter()
            .map(|query| {
                let similarities = units.similarities(rows[query], &rows);
                let others = wells[plate[query]].iter().filter(|&&well| well != query);
                let descending = sorted(others.map(|&well| similarities[well]).collect());
                let n_as_near: Vec<u32> =
                    similarities.iter().map(|&similarity| n_at_least(&descending, similarity)).collect();
                (similarities, n_as_near, descending)
            })
            .collect();
        let mut shared =
            Self { rows, plate, wells, similarities: Vec::new(), n_as_near: Vec::new(), descending: Vec::new() };
        for (similarities, n_as_near, descending) in queries {
            shared.similarities.extend(similarities);
            shared.n_as_near.extend(n_as_near);
            shared.descending.push(descending);
        }
        shared
    }
}

fn sorted(mut similarities: Vec<f32>) -> Vec<f32> {
    similarities.sort_unstable_by(|left, right| right.total_cmp(left));
    similarities
}

fn n_at_least(descending: &[f32], threshold: f32) -> u32 {
    descending.partition_point(|&other| other >= threshold) as u32
}

/// The shared wells and those of one treatment; the latter have the numbers after the former.
pub(super) struct Pool {
    /// Plate of each well, as its place in the set of plates.
    plate: Vec<usize>,
    /// Wells of each plate.
    wells: Vec<Vec<usize>>,
    /// `[query, well]`.
    similarities: Vec<f32>,
    /// `[query, well]`: how many wells of the query's plate, itself excepted, are at least as similar to it as the well is.
    n_as_near: Vec<u32>,
}

impl Pool {
    /// The pool of a treatment in the wells at `rows`, and their numbers in it; `plates` is the set of their plates.
    pub(super) fn new(
        screen: &Screen,
        plates: &BTreeSet<&str>,
        rows: &[usize],
        shared: &Shared,
        units: &Units,
    ) -> (Self, Vec<usize>) {
        let plates: Vec<&str> = plates.iter().copied().collect();
        let plate_of = |row: usize| {
            plates.binary_search(&screen.observations[row].plate.as_str()).expect("the set holds every plate")
        };
        let n_shared = shared.rows.len();
        let (mut members, mut own) = (Vec::with_capacity(rows.len()), Vec::new());
        let (mut plate, mut wells) = (shared.plate.clone(), shared.wells.clone());
        for &row in rows {
            let known = shared.wells[plate_of(row)].iter().find(|&&well| shared.rows[well] == row);
            members.push(known.copied().unwrap_or(plate.len()));
            if known.is_none() {
                wells[plate_of(row)].push(plate.len());
                plate.push(plate_of(row));
                own.push(row);
            }
        }
        let n_wells = plate.len();
        let to_shared: Vec<Vec<f32>> = own.iter().map(|&row| units.similarities(row, &shared.rows)).collect();
        let mut pool = Self {
            plate,
            wells,
            similarities: Vec::with_capacity(n_wells * n_wells),
            n_as_near: Vec::with_capacity(n_wells * n_wells),
        };
        for query in 0..n_shared {
            let among_shared = query * n_shared..(query + 1) * n_shared;
            let begin = pool.similarities.len();
            pool.similarities.extend_from_slice(&shared.similarities[among_shared.clone()]);
            pool.similarities.extend(to_shared.iter().map(|similarities| similarities[query]));
            pool.n_as_near.extend_from_slice(&shared.n_as_near[among_shared]);
            let to_own =
                to_shared.iter().map(|similarities| n_at_least(&shared.descending[query], similarities[query]));
            pool.n_as_near.extend(to_own);
            pool.count_own(query, begin, n_shared);
        }
        for (own_well, &row) in own.iter().enumerate() {
            let query = n_shared + own_well;
            let begin = pool.similarities.len();
            pool.similarities.extend_from_slice(&to_shared[own_well]);
            pool.similarities.extend(units.similarities(row, &own));
            let beside = &shared.wells[pool.plate[query]];
            let descending = sorted(beside.iter().map(|&well| to_shared[own_well][well]).collect());
            pool.n_as_near.extend(pool.similarities[begin..].iter().map(|&other| n_at_least(&descending, other)));
            pool.count_own(query, begin, n_shared);
        }
        (pool, members)
    }

    /// Adds the treatment's own wells on the query's plate to its counts, which begin at `begin` and hold the shared ones.
    fn count_own(&mut self, query: usize, begin: usize, n_shared: usize) {
        let similarities = &self.similarities[begin..];
        let counts = &mut self.n_as_near[begin..];
        let own = self.wells[self.plate[query]].iter().rev().take_while(|&&well| well >= n_shared);
        for &well in own.filter(|&&well| well != query) {
            let similarity = similarities[well];
            for (count, &other) in counts.iter_mut().zip(similarities) {
                *count += u32::from(similarity >= other);
            }
        }
    }

    pub(super) fn n_plates(&self) -> usize {
        self.wells.len()
    }

    /// Wells of a plate.
    pub(super) fn n_wells(&self, plate: usize) -> usize {
        self.wells[plate].len()
    }

    /// The number of a plate's `index`-th well.
    pub(super) fn well(&self, plate: usize, index: usize) -> usize {
        self.wells[plate][index]
    }

    pub(super) fn plate(&self, well: usize) -> usize {
        self.plate[well]
    }

    /// Similarities of a query to every well, and how many wells of its plate are at least as near as each.
    pub(super) fn of_query(&self, query: usize) -> (&[f32], &[u32]) {
        let row = query * self.plate.len()..(query + 1) * self.plate.len();
        (&self.similarities[row.clone()], &self.n_as_near[row])
    }

    /// Negatives of a query on `plate` when `labels` are the treated wells.
    pub(super) fn n_negatives(&self, plate: usize, labels: &[usize]) -> usize {
        self.n_wells(plate) - labels.iter().filter(|&&label| self.plate(label) == plate).count()
    }

    /// Average precision of `query` when `labels` are the treated wells; ties enter together.
    pub(super) fn average_precision(&self, query: usize, labels: &[usize]) -> f64 {
        let (similarities, n_as_near) = self.of_query(query);
        let plate = self.plate[query];
        let positives = || labels.iter().copied().filter(|&label| label != query);
        let precision = |positive: usize| {
            let threshold = similarities[positive];
            let (mut n_positive, mut n_positive_here) = (0, 0);
            for other in positives() {
                let is_nearer = similarities[other] >= threshold;
                n_positive += u32::from(is_nearer);
                n_positive_here += u32::from(is_nearer && self.plate[other] == plate);
            }
            f64::from(n_positive) / f64::from(n_positive + n_as_near[positive] - n_positive_here)
        };
        positives().map(precision).sum::<f64>() / (labels.len() - 1) as f64
    }
}
