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
pub(super) struct Pool<'a> {
    shared: &'a Shared,
    own: Vec<OwnWell>,
    /// Wells of the treatment on each plate that are not among the shared ones.
    own_on: Vec<Vec<usize>>,
}

/// A well of the treatment.
struct OwnWell {
    plate: usize,
    /// To the shared wells, then to the treatment's.
    similarities: Vec<f32>,
    /// To the shared wells of its plate, from the highest.
    descending: Vec<f32>,
}

impl<'a> Pool<'a> {
    /// The pool of a treatment in the wells at `rows`, and their numbers in it; `plates` is the set of their plates, sorted.
    pub(super) fn new(
        screen: &Screen,
        plates: &BTreeSet<&str>,
        rows: &[usize],
        shared: &'a Shared,
        units: &Units,
    ) -> (Self, Vec<usize>) {
        let plates: Vec<&str> = plates.iter().copied().collect();
        let plate_of = |row: usize| {
            plates.binary_search(&screen.observations[row].plate.as_str()).expect("the set holds every plate")
        };
        let n_shared = shared.rows.len();
        let (mut members, mut own_rows) = (Vec::with_capacity(rows.len()), Vec::new());
        for &row in rows {
            let known = shared.wells[plate_of(row)].iter().find(|&&well| shared.rows[well] == row);
            members.push(known.copied().unwrap_or(n_shared + own_rows.len()));
            if known.is_none() {
                own_rows.push(row);
            }
        }
        let mut own_on = vec![Vec::new(); plates.len()];
        let own = own_rows.iter().enumerate().map(|(index, &row)| {
            let plate = plate_of(row);
            own_on[plate].push(n_shared + index);
            let mut similarities = units.similarities(row, &shared.rows);
            let descending = sorted(shared.wells[plate].iter().map(|&well| similarities[well]).collect());
            similarities.extend(units.similarities(row, &own_rows));
            OwnWell { plate, similarities, descending }
        });
        let own = own.collect();
        (Self { shared, own, own_on }, members)
    }

    pub(super) fn n_plates(&self) -> usize {
        self.own_on.len()
    }

    /// Wells of a plate.
    pub(super) fn n_wells(&self, plate: usize) -> usize {
        self.shared.wells[plate].len() + self.own_on[plate].len()
    }

    /// The number of a plate's `index`-th well.
    pub(super) fn well(&self, plate: usize, index: usize) -> usize {
        let shared = &self.shared.wells[plate];
        shared.get(index).copied().unwrap_or_else(|| self.own_on[plate][index - shared.len()])
    }

    pub(super) fn plate(&self, well: usize) -> usize {
        let n_shared = self.shared.rows.len();
        if well < n_shared { self.shared.plate[well] } else { self.own[well - n_shared].plate }
    }

    fn similarity(&self, query: usize, well: usize) -> f32 {
        let n_shared = self.shared.rows.len();
        match (query.checked_sub(n_shared), well.checked_sub(n_shared)) {
            (None, None) => self.shared.similarities[query * n_shared + well],
            (Some(own), _) => self.own[own].similarities[well],
            (None, Some(own)) => self.own[own].similarities[query],
        }
    }

    /// How many wells of the query's plate, itself excepted, are at least as similar to it as `well` is.
    pub(super) fn n_as_near(&self, query: usize, well: usize) -> u32 {
        self.n_as_near_as(query, well, self.similarity(query, well))
    }

    fn n_as_near_as(&self, query: usize, well: usize, similarity: f32) -> u32 {
        let n_shared = self.shared.rows.len();
        let among_shared = match (query.checked_sub(n_shared), well < n_shared) {
            (None, true) => self.shared.n_as_near[query * n_shared + well],
            (None, false) => n_at_least(&self.shared.descending[query], similarity),
            (Some(own), _) => n_at_least(&self.own[own].descending, similarity),
        };
        let own = self.own_on[self.plate(query)].iter().filter(|&&own| own != query);
        among_shared + own.map(|&own| u32::from(self.similarity(query, own) >= similarity)).sum::<u32>()
    }

    /// Negatives of a query on `plate` when `labels` are the treated wells.
    pub(super) fn n_negatives(&self, plate: usize, labels: &[usize]) -> usize {
        self.n_wells(plate) - labels.iter().filter(|&&label| self.plate(label) == plate).count()
    }

    /// Average precision of `query` when `labels` are the treated wells; ties enter together.
    pub(super) fn average_precision(&self, query: usize, labels: &[usize], scratch: &mut Vec<(f32, bool)>) -> f64 {
        let plate = self.plate(query);
        let positives = || labels.iter().copied().filter(|&label| label != query);
        scratch.clear();
        scratch.extend(positives().map(|label| (self.similarity(query, label), self.plate(label) == plate)));
        let mut sum = 0.0;
        for (positive, &(threshold, _)) in positives().zip(scratch.iter()) {
            let (mut n_positive, mut n_positive_here) = (0, 0);
            for &(similarity, is_here) in scratch.iter() {
                let is_nearer = similarity >= threshold;
                n_positive += u32::from(is_nearer);
                n_positive_here += u32::from(is_nearer && is_here);
            }
            let n_negative = self.n_as_near_as(query, positive, threshold) - n_positive_here;
            sum += f64::from(n_positive) / f64::from(n_positive + n_negative);
        }
        sum / (labels.len() - 1) as f64
    }
}
