//! How often relabeled wells reach the observed mean average precision.
//!
//! All relabelings are counted where they are few. Where they are many, relabelings are drawn, and drawing stops early
//! when it is plain that many reach the observed value (Besag & Clifford 1991, Biometrika 78:301: h hits in l draws give
//! the valid p-value h / l). Where hardly any does, those that do are counted after all, by a search that leaves out
//! every choice of wells which cannot reach it any more; for a strong effect it is short, however many relabelings there are.

use super::super::average_precision::n_combinations;
use super::MapSettings;
use super::draws::{Apart, BLOCK, Block, Draws};
use super::pool::Positive;
use super::relabelings::Relabelings;
use super::search::Search;
use crate::model::for_this_cpu;

/// So few hits in the first block of draws that a search may be short.
const FEW: usize = 2;

/// What relabeling says of an observed mean average precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Null {
    pub(super) p_value: f64,
    pub(super) least_p_value: f64,
    pub(super) is_exact: bool,
}

impl Relabelings<'_> {
    /// How likely a relabeling is to reach the observed value.
    pub(super) fn null(&self, settings: &MapSettings, draws: &Draws<'_>) -> Null {
        let counts = self.design.n_treated.iter().enumerate();
        let n_all: f64 = counts.map(|(plate, &treated)| n_combinations(self.pool.n_wells(plate), treated)).product();
        let exact = |n_hits: u64| Null { p_value: n_hits as f64 / n_all, least_p_value: 1.0 / n_all, is_exact: true };
        if n_all <= settings.most_enumerated as f64 {
            return exact(Search::count(self, u64::MAX).expect("without a limit the search ends"));
        }
        let mut work = Work::default();
        let (mut n_hits, mut n_drawn) = (0, 0);
        let least_p_value = 1.0 / (1 + draws.n_draws()) as f64;
        for index in 0..draws.n_blocks() {
            draws.with_block(index, |block| self.find_reached(block, &mut work));
            for &is_hit in work.reached.iter().take(draws.n_draws() - n_drawn) {
                n_drawn += 1;
                n_hits += usize::from(is_hit);
                if n_hits == settings.hits {
                    return Null { p_value: n_hits as f64 / n_drawn as f64, least_p_value, is_exact: false };
                }
            }
            if n_drawn == BLOCK
                && n_hits <= FEW
                && let Some(n_hits) = Search::count(self, settings.most_enumerated as u64)
            {
                return exact(n_hits);
            }
        }
        Null { p_value: (1 + n_hits) as f64 * least_p_value, least_p_value, is_exact: false }
    }

    /// Finds out which relabelings of a block would be found as well as the treatment.
    fn find_reached(&self, block: &Block, work: &mut Work) {
        work.reached.clear();
        if self.design.is_of_shared() {
            let of_each = || block.relabelings().map(|labels| self.sum(labels, &mut work.seen)).collect();
            let sums = block.sums.get_or_init(of_each);
            work.reached.extend(sums.iter().map(|&sum| sum >= self.needed));
            return;
        }
        match &block.apart {
            Some(apart) => {
                if work.own_beside.is_empty() {
                    work.own_beside = self.pool.own_beside();
                }
                work.sums.resize(BLOCK, 0.0);
                add_up_fast(apart, &self.asks, &work.own_beside, &mut work.sums);
                work.reached.extend(work.sums.iter().map(|&sum| sum >= self.needed));
                for &draw in &apart.with_own {
                    work.reached[draw] = self.reaches(block.relabeling(draw), &mut work.seen);
                }
            }
            None => work.reached.extend(block.relabelings().map(|labels| self.reaches(labels, &mut work.seen))),
        }
    }

    /// Which relabelings of a block would be found as well as the treatment.
    #[cfg(test)]
    pub(super) fn reached(&self, block: &Block) -> Vec<bool> {
        let mut work = Work::default();
        self.find_reached(block, &mut work);
        work.reached
    }
}

/// Room that a treatment works in.
#[derive(Default)]
struct Work {
    /// What [`Pool::own_beside`] says, once it is needed.
    own_beside: Vec<f32>,
    /// Sum of precisions of each draw of a block.
    sums: Vec<f64>,
    /// Whether it reaches the observed one.
    reached: Vec<bool>,
    seen: Vec<Positive>,
}

/// Draws that are worked on together.
const LANES: usize = 16;

/// The sums of [`Relabelings::sum_apart`] of all draws of a block but those with own wells.
#[inline(always)]
fn add_up(apart: &Apart, asks: &[bool], own_beside: &[f32], sums: &mut [f64]) {
    match asks.len() {
        2 => add_up_of::<2>(apart, asks, own_beside, sums),
        3 => add_up_of::<3>(apart, asks, own_beside, sums),
        4 => add_up_of::<4>(apart, asks, own_beside, sums),
        5 => add_up_of::<5>(apart, asks, own_beside, sums),
        6 => add_up_of::<6>(apart, asks, own_beside, sums),
        7 => add_up_of::<7>(apart, asks, own_beside, sums),
        _ => add_up_of::<8>(apart, asks, own_beside, sums),
    }
}

for_this_cpu!(add_up_fast, add_up, (apart: &Apart, asks: &[bool], own_beside: &[f32], sums: &mut [f64]));

#[inline(always)]
fn add_up_of<const N: usize>(apart: &Apart, asks: &[bool], own_beside: &[f32], sums: &mut [f64]) {
    for (part, sums) in sums.chunks_exact_mut(LANES).enumerate() {
        let first = part * LANES;
        let mut total = [0.0; LANES];
        for place in (0..N).filter(|&place| asks[place]) {
            let queries = lanes(&apart.labels, place, first);
            let own: [f32; LANES] = std::array::from_fn(|lane| own_beside[queries[lane] as usize]);
            for other in (0..N).filter(|&other| other != place) {
                let thresholds = lanes(&apart.similarities, place * N + other, first);
                let mut n_negative = *lanes(&apart.n_as_near, place * N + other, first);
                let mut n_positive = [1; LANES];
                for lane in 0..LANES {
                    n_negative[lane] += i32::from(own[lane] >= thresholds[lane]);
                }
                for third in (0..N).filter(|&third| third != place && third != other) {
                    let found = lanes(&apart.similarities, place * N + third, first);
                    for lane in 0..LANES {
                        n_positive[lane] += i32::from(found[lane] >= thresholds[lane]);
                    }
                }
                for lane in 0..LANES {
                    total[lane] += f64::from(n_positive[lane]) / f64::from(n_positive[lane] + n_negative[lane]);
                }
            }
        }
        sums.copy_from_slice(&total);
    }
}

/// [`LANES`] draws from the `first` on, of one row of a block.
#[inline(always)]
fn lanes<T>(values: &[T], row: usize, first: usize) -> &[T; LANES] {
    values[row * BLOCK + first..][..LANES].try_into().expect("blocks are whole lanes")
}
