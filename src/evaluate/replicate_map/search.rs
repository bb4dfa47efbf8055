//! Relabelings that reach an observed value, counted without visiting those that cannot.
//!
//! Labels are chosen plate by plate. Of two labels that are each other's positives, each is preceded by at least so many
//! negatives as stand on the other's plate and are as near to it, so its precision falls short of 1 by a known amount,
//! whatever else is chosen. What all pairs of a choice lose so far is kept for every well that may still join it; a choice
//! is given up as soon as the wells that lose least could not make it reach.

use super::super::average_precision::SAME_PRECISION;
use super::pool::Positive;
use super::relabelings::Relabelings;

/// A walk through all choices of wells.
pub(super) struct Search<'a> {
    relabelings: &'a Relabelings<'a>,
    /// Position of each plate's first well among all; one more for the end.
    firsts: Vec<usize>,
    /// `[number of labels chosen][well, plate after plate]`: what it would lose with the labels chosen.
    lost: Vec<Vec<f64>>,
    /// `[number of labels chosen][plate]`: the least of that, times the wells that the plate needs.
    least: Vec<Vec<f64>>,
    labels: Vec<usize>,
    steps_left: u64,
    n_hits: u64,
    /// Room to work in.
    seen: Vec<i32>,
    seeing: Vec<i32>,
    positives: Vec<Positive>,
}

impl<'a> Search<'a> {
    /// How many relabelings reach the observed value, or `None` if more than `most_steps` wells must be looked at.
    pub(super) fn count(relabelings: &'a Relabelings<'a>, most_steps: u64) -> Option<u64> {
        let pool = relabelings.pool;
        let mut firsts = vec![0];
        for plate in 0..pool.n_plates() {
            firsts.push(firsts[plate] + pool.n_wells(plate));
        }
        let (n_wells, n_labels) = (firsts[pool.n_plates()], relabelings.design.n_labels());
        let mut search = Self {
            relabelings,
            lost: vec![vec![0.0; n_wells]; n_labels],
            least: vec![vec![0.0; pool.n_plates()]; n_labels],
            firsts,
            labels: Vec::with_capacity(n_labels),
            steps_left: most_steps,
            n_hits: 0,
            seen: vec![0; n_wells],
            seeing: vec![0; n_wells],
            positives: Vec::new(),
        };
        let n_first = relabelings.design.n_treated[0];
        search.descend(0, 0, n_first, relabelings.n_pairs as f64).then_some(search.n_hits)
    }

    /// Chooses `n_left` more wells of `plate` from its `first`-th on, then those of the next plates. `reachable` is the
    /// most that the sum of precisions can still become. Returns false when the steps are used up.
    fn descend(&mut self, plate: usize, first: usize, n_left: usize, reachable: f64) -> bool {
        let relabelings = self.relabelings;
        let depth = self.labels.len();
        let later: f64 = self.least[depth][plate + 1..].iter().sum();
        // A margin for sums that were rounded in another order.
        let needed = relabelings.needed - SAME_PRECISION + later;
        for index in first..=relabelings.pool.n_wells(plate) - n_left {
            if self.steps_left == 0 {
                return false;
            }
            self.steps_left -= 1;
            let reachable = reachable - self.lost[depth][self.firsts[plate] + index];
            if reachable < needed {
                continue;
            }
            self.labels.push(relabelings.pool.well(plate, index));
            let is_done = self.go_on(plate, index, n_left - 1, reachable);
            self.labels.pop();
            if !is_done {
                return false;
            }
        }
        true
    }

    /// Goes on from a choice whose last label is the `index`-th well of `plate`, where `n_left` more are to be chosen.
    fn go_on(&mut self, plate: usize, index: usize, n_left: usize, reachable: f64) -> bool {
        let relabelings = self.relabelings;
        let (plate, first, n_left) = match relabelings.design.n_treated.get(plate + 1) {
            _ if n_left > 0 => (plate, index + 1, n_left),
            Some(&next) => (plate + 1, 0, next),
            None => {
                self.n_hits += u64::from(relabelings.reaches(&self.labels, &mut self.positives));
                return true;
            }
        };
        self.lose(plate);
        let least: f64 = self.least[self.labels.len()][plate + 1..].iter().sum();
        reachable - least < relabelings.needed - SAME_PRECISION || self.descend(plate, first, n_left, reachable)
    }

    /// Adds what the last label loses with the wells of all plates from `plate` on to what those before it lose.
    fn lose(&mut self, plate: usize) {
        let Relabelings { pool, design, asks, .. } = self.relabelings;
        let n_treated = &design.n_treated;
        let (depth, label) = (self.labels.len(), self.labels[self.labels.len() - 1]);
        let n_positives = (design.n_labels() - 1) as f64;
        let label_plate = pool.plate(label);
        let (before, after) = self.lost.split_at_mut(depth);
        for plate in plate..pool.n_plates() {
            let wells = self.firsts[plate]..self.firsts[plate + 1];
            let (seen, seeing) = (&mut self.seen[..wells.len()], &mut self.seeing[..wells.len()]);
            pool.counts(label, plate, seen, seeing);
            let lost = &mut after[0][wells.clone()];
            lost.copy_from_slice(&before[depth - 1][wells]);
            for (asks, n_treated, counts) in
                [(asks[label_plate], n_treated[label_plate], &*seen), (asks[plate], n_treated[plate], &*seeing)]
            {
                if asks {
                    // Of the wells as near, those of the same label are no negatives.
                    add_shortfall_fast(counts, n_treated as i32 - 1, n_positives, lost);
                }
            }
            let least = lost.iter().copied().fold(f64::INFINITY, f64::min);
            self.least[depth][plate] = least * n_treated[plate] as f64;
        }
    }
}

/// By how much positives with that many wells as near, of which `n_labels` are none, fall short of precision 1 at least.
#[inline(always)]
fn add_shortfall(n_as_near: &[i32], n_labels: i32, n_positives: f64, lost: &mut [f64]) {
    for (lost, &n_as_near) in lost.iter_mut().zip(n_as_near) {
        let n_negatives = f64::from((n_as_near - n_labels).max(0));
        *lost += n_negatives / (n_positives + n_negatives);
    }
}

crate::model::for_this_cpu!(add_shortfall_fast, add_shortfall,
    (n_as_near: &[i32], n_labels: i32, n_positives: f64, lost: &mut [f64]));
