//! The wells among which one treatment's labels are permuted, and how similar they are.

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::design::Design;
use super::units::Units;
use crate::model::for_this_cpu;
use crate::screen::Screen;

/// How a query sees a well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    /// Cosine similarity of the two.
    pub(super) similarity: f32,
    /// How many wells of the query's plate, itself excepted, are at least as similar to it as the well is.
    pub(super) n_as_near: i32,
}

/// The negative wells of a set of plates, which treatments on these plates share.
pub(super) struct Shared {
    /// Rows of the screen, plate after plate; a well's position among them is its number.
    rows: Vec<usize>,
    /// Plate of each well, as its place in the set.
    plate: Vec<usize>,
    /// Wells of each plate.
    wells: Vec<Range<usize>>,
    /// `[query, well]`, the same either way.
    similarities: Vec<f32>,
    /// `[query, well]`: see [`Near::n_as_near`].
    n_as_near: Vec<i32>,
    /// The same as `[well, query]`, for whoever searches.
    n_as_near_of: OnceLock<Vec<i32>>,
}

/// Queries compared by one task.
const QUERIES: usize = 32;

impl Shared {
    /// `negatives` holds the rows of each plate of the set.
    pub(super) fn new(negatives: &[&[usize]], units: &Units) -> Self {
        let rows: Vec<usize> = negatives.concat();
        let (mut plate, mut wells) = (Vec::with_capacity(rows.len()), Vec::with_capacity(negatives.len()));
        for (place, rows) in negatives.iter().enumerate() {
            wells.push(plate.len()..plate.len() + rows.len());
            plate.resize(plate.len() + rows.len(), place);
        }
        let n_wells = rows.len();
        let mut similarities = vec![0.0; n_wells * n_wells];
        let mut n_as_near = vec![0; n_wells * n_wells];
        let part = (QUERIES * n_wells).max(1);
        (similarities.par_chunks_mut(part), n_as_near.par_chunks_mut(part), rows.par_chunks(QUERIES))
            .into_par_iter()
            .enumerate()
            .for_each(|(part, (similarities, n_as_near, queries))| {
                units.compare(queries, &rows, similarities);
                for (place, similarities) in similarities.chunks(n_wells).enumerate() {
                    let query = part * QUERIES + place;
                    let n_as_near = &mut n_as_near[place * n_wells..(place + 1) * n_wells];
                    // The query itself is not among the wells that it sees.
                    for beside in wells[plate[query]].clone().filter(|&beside| beside != query) {
                        count_reached_fast(similarities[beside], similarities, n_as_near);
                    }
                }
            });
        Self { rows, plate, wells, similarities, n_as_near, n_as_near_of: OnceLock::new() }
    }

    pub(super) fn n_wells(&self) -> usize {
        self.rows.len()
    }

    /// The wells of each plate.
    pub(super) fn wells(&self) -> &[Range<usize>] {
        &self.wells
    }

    /// How a query sees another well, were there no other wells than these.
    pub(super) fn near(&self, query: usize, well: usize) -> Near {
        let at = query * self.rows.len() + well;
        Near { similarity: self.similarities[at], n_as_near: self.n_as_near[at] }
    }

    /// The well on `plate` that is `row` of the screen.
    pub(super) fn well_of(&self, plate: usize, row: usize) -> Option<usize> {
        self.wells[plate].clone().find(|&well| self.rows[well] == row)
    }

    fn n_as_near_of(&self) -> &[i32] {
        self.n_as_near_of.get_or_init(|| {
            let n = self.rows.len();
            let mut turned = vec![0; n * n];
            for (query, seen) in self.n_as_near.chunks(n.max(1)).enumerate() {
                for (well, &n_as_near) in seen.iter().enumerate() {
                    turned[well * n + query] = n_as_near;
                }
            }
            turned
        })
    }
}

/// The shared wells and those of one treatment; the latter have the numbers after the former, plate after plate.
///
/// What shared wells see of each other is looked up, and the treatment's own wells on the query's plate are counted when
/// a pair is asked for: a table of all pairs for each treatment would cost more than the few pairs of a relabeling.
pub(super) struct Pool<'a> {
    shared: &'a Shared,
    /// Own wells of each plate, counted from the first of them.
    own: Vec<Range<usize>>,
    /// Plate of each own well.
    own_plate: Vec<usize>,
    /// `[own well, shared well]`.
    to_shared: Vec<f32>,
    /// `[own well, own well]`.
    to_own: Vec<f32>,
    /// `[own query, shared well]`: see [`Near::n_as_near`].
    seen_by_own: Vec<i32>,
    /// `[own well, shared query]`.
    own_seen: Vec<i32>,
}

/// The pools of treatments on one set of plates.
pub(super) struct Pools<'a> {
    pub(super) screen: &'a Screen,
    /// Their names, sorted.
    pub(super) plates: Vec<&'a str>,
    /// The wells that they share.
    pub(super) shared: &'a Shared,
    pub(super) units: &'a Units,
}

impl<'a> Pools<'a> {
    /// How many wells a treatment in the wells at `rows` has on each plate.
    pub(super) fn design(&self, rows: &[usize]) -> Design {
        let mut design = Design { n_treated: vec![0; self.plates.len()], n_own: vec![0; self.plates.len()] };
        for &row in rows {
            let plate = self.plate_of(row);
            design.n_treated[plate] += 1;
            design.n_own[plate] += usize::from(self.shared.well_of(plate, row).is_none());
        }
        design
    }

    /// The pool of a treatment in the wells at `rows`, and their numbers in it.
    pub(super) fn pool(&self, rows: &[usize]) -> (Pool<'a>, Vec<usize>) {
        let shared = self.shared;
        let known: Vec<Option<usize>> = rows.iter().map(|&row| shared.well_of(self.plate_of(row), row)).collect();
        let mut own_rows: Vec<usize> =
            rows.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(&row, _)| row).collect();
        own_rows.sort_by_key(|&row| self.plate_of(row));
        let own_plate: Vec<usize> = own_rows.iter().map(|&row| self.plate_of(row)).collect();
        let own = (0..self.plates.len()).map(|plate| {
            let before = |limit: usize| own_plate.partition_point(|&other| other < limit);
            before(plate)..before(plate + 1)
        });
        let number = |(&row, known): (&usize, &Option<usize>)| {
            known.unwrap_or_else(|| {
                let place = own_rows.iter().position(|&own| own == row);
                shared.n_wells() + place.expect("what is not shared is the treatment's own")
            })
        };
        let n_pairs = own_rows.len() * shared.n_wells();
        let mut pool = Pool {
            shared,
            own: own.collect(),
            to_shared: vec![0.0; n_pairs],
            to_own: vec![0.0; own_rows.len() * own_rows.len()],
            seen_by_own: vec![0; n_pairs],
            own_seen: vec![0; n_pairs],
            own_plate,
        };
        self.units.compare(&own_rows, &shared.rows, &mut pool.to_shared);
        self.units.compare(&own_rows, &own_rows, &mut pool.to_own);
        pool.count();
        (pool, rows.iter().zip(&known).map(number).collect())
    }

    fn plate_of(&self, row: usize) -> usize {
        let plate = self.screen.unit(row).plate.as_str();
        self.plates.binary_search(&plate).expect("the set holds every plate")
    }
}

impl Pool<'_> {
    /// Counts what own wells and shared ones see of each other.
    fn count(&mut self) {
        let (shared, n_own, n_shared) = (self.shared, self.own_plate.len(), self.shared.n_wells());
        let of_own = self.to_shared.chunks(n_shared.max(1)).zip(self.seen_by_own.chunks_mut(n_shared.max(1)));
        for (own, ((similarities, seen), own_seen)) in of_own.zip(self.own_seen.chunks_mut(n_shared.max(1))).enumerate()
        {
            let plate = self.own_plate[own];
            for beside in shared.wells[plate].clone() {
                count_reached_fast(similarities[beside], similarities, seen);
            }
            for other in self.own[plate].clone().filter(|&other| other != own) {
                count_reached_fast(self.to_own[own * n_own + other], similarities, seen);
            }
            for (plate, wells) in shared.wells.iter().enumerate() {
                let of_plate = (&shared.similarities[wells.start * n_shared..wells.end * n_shared], wells.clone());
                count_all_reaching_fast(of_plate.0, n_shared, of_plate.1, similarities, own_seen);
                for other in self.own[plate].clone() {
                    let other = &self.to_shared[other * n_shared..(other + 1) * n_shared];
                    count_reaching_fast(
                        &other[wells.clone()],
                        &similarities[wells.clone()],
                        &mut own_seen[wells.clone()],
                    );
                }
            }
        }
    }

    pub(super) fn n_plates(&self) -> usize {
        self.own.len()
    }

    /// Wells of a plate.
    pub(super) fn n_wells(&self, plate: usize) -> usize {
        self.shared.wells[plate].len() + self.own[plate].len()
    }

    /// The number of a plate's `index`-th well: the shared ones first.
    pub(super) fn well(&self, plate: usize, index: usize) -> usize {
        let shared = &self.shared.wells[plate];
        match index.checked_sub(shared.len()) {
            None => shared.start + index,
            Some(index) => self.shared.n_wells() + self.own[plate].start + index,
        }
    }

    pub(super) fn plate(&self, well: usize) -> usize {
        match well.checked_sub(self.shared.n_wells()) {
            None => self.shared.plate[well],
            Some(own) => self.own_plate[own],
        }
    }

    /// How `query` sees another well.
    pub(super) fn near(&self, query: usize, well: usize) -> Near {
        let n_shared = self.shared.n_wells();
        match (query.checked_sub(n_shared), well.checked_sub(n_shared)) {
            (None, None) => {
                let Near { similarity, n_as_near } = self.shared.near(query, well);
                let own = self.own[self.shared.plate[query]].clone();
                let nearer = own.map(|own| i32::from(self.to_shared[own * n_shared + query] >= similarity));
                Near { similarity, n_as_near: n_as_near + nearer.sum::<i32>() }
            }
            (None, Some(own)) => self.at(own * n_shared + query, &self.own_seen),
            (Some(own), None) => self.at(own * n_shared + well, &self.seen_by_own),
            (Some(own), Some(other)) => self.among_own(own, other),
        }
    }

    fn at(&self, pair: usize, n_as_near: &[i32]) -> Near {
        Near { similarity: self.to_shared[pair], n_as_near: n_as_near[pair] }
    }

    fn among_own(&self, query: usize, well: usize) -> Near {
        let (n_own, n_shared) = (self.own_plate.len(), self.shared.n_wells());
        let to_own = &self.to_own[query * n_own..(query + 1) * n_own];
        let to_shared = &self.to_shared[query * n_shared..(query + 1) * n_shared];
        let (plate, similarity) = (self.own_plate[query], to_own[well]);
        let shared_beside = &to_shared[self.shared.wells[plate].clone()];
        let n_shared_beside: i32 = shared_beside.iter().map(|&other| i32::from(other >= similarity)).sum();
        let own_beside = self.own[plate].clone().filter(|&own| own != query);
        let n_own_beside: i32 = own_beside.map(|own| i32::from(to_own[own] >= similarity)).sum();
        Near { similarity, n_as_near: n_shared_beside + n_own_beside }
    }

    /// Similarity of each shared well to the own well of its plate, −∞ where there is none. No plate has several.
    pub(super) fn own_beside(&self) -> Vec<f32> {
        let mut beside = vec![f32::NEG_INFINITY; self.shared.n_wells()];
        for (to_shared, &plate) in self.to_shared.chunks(self.shared.n_wells().max(1)).zip(&self.own_plate) {
            let wells = self.shared.wells[plate].clone();
            beside[wells.clone()].copy_from_slice(&to_shared[wells]);
        }
        beside
    }

    /// How near `label` is to the wells of `plate` and they to it, in their order: the counts of [`Near`] are written to
    /// `seen` (with `label` as the query) and `seeing` (with the well as the query). A well itself comes out arbitrary.
    pub(super) fn counts(&self, label: usize, plate: usize, seen: &mut [i32], seeing: &mut [i32]) {
        let n_shared = self.shared.n_wells();
        let wells = self.shared.wells[plate].clone();
        let n = wells.len();
        if let Some(own) = label.checked_sub(n_shared) {
            let pairs = own * n_shared + wells.start..own * n_shared + wells.end;
            seen[..n].copy_from_slice(&self.seen_by_own[pairs.clone()]);
            seeing[..n].copy_from_slice(&self.own_seen[pairs]);
        } else {
            let pairs = label * n_shared + wells.start..label * n_shared + wells.end;
            let similarities = &self.shared.similarities[pairs.clone()];
            seen[..n].copy_from_slice(&self.shared.n_as_near[pairs.clone()]);
            for own in self.own[self.shared.plate[label]].clone() {
                count_reached_fast(self.to_shared[own * n_shared + label], similarities, &mut seen[..n]);
            }
            seeing[..n].copy_from_slice(&self.shared.n_as_near_of()[pairs]);
            for own in self.own[plate].clone() {
                let to_wells = &self.to_shared[own * n_shared..(own + 1) * n_shared][wells.clone()];
                count_reaching_fast(to_wells, similarities, &mut seeing[..n]);
            }
        }
        for (place, own) in self.own[plate].clone().enumerate() {
            seen[n + place] = self.near(label, n_shared + own).n_as_near;
            seeing[n + place] = self.near(n_shared + own, label).n_as_near;
        }
    }

    /// Negatives of a query on `plate` when `labels` are the treated wells.
    pub(super) fn n_negatives(&self, plate: usize, labels: &[usize]) -> usize {
        self.n_wells(plate) - labels.iter().filter(|&&label| self.plate(label) == plate).count()
    }

    /// Average precision of `query` when `labels` are the treated wells; ties enter together. `seen` is room to work in.
    pub(super) fn average_precision(&self, query: usize, labels: &[usize], seen: &mut Vec<Positive>) -> f64 {
        let plate = self.plate(query);
        let positives = labels.iter().copied().filter(|&label| label != query);
        seen.clear();
        seen.extend(
            positives.map(|label| Positive { near: self.near(query, label), is_here: self.plate(label) == plate }),
        );
        seen.sort_unstable_by(|left, right| right.near.similarity.total_cmp(&left.near.similarity));
        let (mut n_positive, mut n_positive_here, mut sum) = (0, 0, 0.0);
        for tied in seen.chunk_by(|left, right| left.near.similarity == right.near.similarity) {
            n_positive += tied.len() as i32;
            n_positive_here += tied.iter().filter(|positive| positive.is_here).count() as i32;
            // Ties are as near as each other.
            let n_seen = n_positive + tied[0].near.n_as_near - n_positive_here;
            sum += tied.len() as f64 * f64::from(n_positive) / f64::from(n_seen);
        }
        sum / (labels.len() - 1) as f64
    }
}

/// A positive as a query sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Positive {
    near: Near,
    /// Whether it stands on the query's plate.
    is_here: bool,
}

/// Adds 1 where `similarity` reaches the threshold.
#[inline(always)]
fn count_reached(similarity: f32, thresholds: &[f32], counts: &mut [i32]) {
    for (count, &threshold) in counts.iter_mut().zip(thresholds) {
        *count += i32::from(similarity >= threshold);
    }
}

/// Adds 1 where the similarity reaches the threshold, one of each.
#[inline(always)]
fn count_reaching(similarities: &[f32], thresholds: &[f32], counts: &mut [i32]) {
    for ((count, &similarity), &threshold) in counts.iter_mut().zip(similarities).zip(thresholds) {
        *count += i32::from(similarity >= threshold);
    }
}

/// For each of the wells of a plate, adds how many others of them are at least as similar to it as its threshold says.
/// `similarities` are the plate's rows of a table of `width` columns; `thresholds` and `counts` are of all wells.
#[inline(always)]
fn count_all_reaching(similarities: &[f32], width: usize, wells: Range<usize>, thresholds: &[f32], counts: &mut [i32]) {
    for (similarities, well) in similarities.chunks(width).zip(wells.clone()) {
        let threshold = thresholds[well];
        let n: i32 = similarities[wells.clone()].iter().map(|&similarity| i32::from(similarity >= threshold)).sum();
        counts[well] += n - i32::from(similarities[well] >= threshold);
    }
}

for_this_cpu!(count_reached_fast, count_reached, (similarity: f32, thresholds: &[f32], counts: &mut [i32]));
for_this_cpu!(count_reaching_fast, count_reaching, (similarities: &[f32], thresholds: &[f32], counts: &mut [i32]));
for_this_cpu!(count_all_reaching_fast, count_all_reaching,
    (similarities: &[f32], width: usize, wells: Range<usize>, thresholds: &[f32], counts: &mut [i32]));
