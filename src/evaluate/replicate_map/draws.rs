//! Random relabelings, drawn once for all treatments of one design.
//!
//! A relabeling is a choice of places in a pool. Places are drawn without a look at any profile, so a treatment's p-value
//! is as valid with draws that others use too as with draws of its own: what is random about it is the same. What chance
//! there is in the drawing moves the p-values of treatments of one design in one direction, as their common controls do
//! anyway; Benjamini and Hochberg's procedure bears such dependence (Benjamini & Yekutieli 2001, Ann Stat 29:1165).
//!
//! Where each label stands on a plate of its own, what the shared wells see of each other under each relabeling is kept
//! beside it, relabeling after relabeling, so that a treatment goes through many of them at once.

use std::sync::OnceLock;

use rand::seq::index;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::MapSettings;
use super::design::Design;
use super::pool::{Near, Pools, Shared};

/// Relabelings drawn at once.
pub(super) const BLOCK: usize = 256;

/// Blocks that are kept; whoever wants more of them draws them anew, so that memory does not grow with the draws.
const KEPT: usize = 64;

/// The relabelings of a design, which are drawn when they are first asked for.
pub(super) struct Draws<'a> {
    shared: &'a Shared,
    design: Design,
    seed: u64,
    /// Tells sets of plates and designs apart.
    stream: u32,
    n_draws: usize,
    /// The first blocks.
    kept: Vec<OnceLock<Block>>,
}

/// [`BLOCK`] relabelings.
pub(super) struct Block {
    n_labels: usize,
    /// `[draw, label]`: numbers of wells in the pool, plate after plate.
    labels: Vec<usize>,
    /// What shared wells see, where each label stands on a plate of its own and treatments have wells of their own.
    pub(super) apart: Option<Apart>,
    /// The sum of precisions of each relabeling, where all wells are shared: the same for every treatment.
    pub(super) sums: OnceLock<Vec<f64>>,
}

/// What labels on plates of their own see of each other, were there no other wells than the shared ones.
pub(super) struct Apart {
    /// `[label, draw]`; 0 in place of an own well.
    pub(super) labels: Vec<u32>,
    /// `[query label, other label, draw]`.
    pub(super) similarities: Vec<f32>,
    /// The same of [`Near::n_as_near`].
    pub(super) n_as_near: Vec<i32>,
    /// Draws that label an own well, of which nothing is told here.
    pub(super) with_own: Vec<usize>,
}

impl<'a> Draws<'a> {
    /// The draws of treatments of one design in `pools`.
    pub(super) fn new(pools: &Pools<'a>, design: Design, settings: &MapSettings) -> Self {
        let kept = (0..settings.draws.div_ceil(BLOCK).min(KEPT)).map(|_| OnceLock::new()).collect();
        let stream = stream(&pools.plates, &design);
        Self { shared: pools.shared, design, seed: settings.seed, stream, n_draws: settings.draws, kept }
    }

    pub(super) fn design(&self) -> &Design {
        &self.design
    }

    /// Relabelings in all.
    pub(super) fn n_draws(&self) -> usize {
        self.n_draws
    }

    /// Blocks in all; the last one may hold more relabelings than are left.
    pub(super) fn n_blocks(&self) -> usize {
        self.n_draws.div_ceil(BLOCK)
    }

    /// What `use_it` makes of a block.
    pub(super) fn with_block<T>(&self, index: usize, use_it: impl FnOnce(&Block) -> T) -> T {
        match self.kept.get(index) {
            Some(kept) => use_it(kept.get_or_init(|| self.draw(index))),
            None => use_it(&self.draw(index)),
        }
    }

    fn draw(&self, index: usize) -> Block {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(self.stream) << 32 | index as u64);
        let n_labels = self.design.n_labels();
        let mut labels = Vec::with_capacity(BLOCK * n_labels);
        for _ in 0..BLOCK {
            self.draw_one(&mut labels, &mut rng);
        }
        // Where all wells are shared, what counts are the sums, which are kept for every treatment.
        let is_looked_at = self.design.is_apart() && !self.design.is_of_shared();
        let apart = is_looked_at.then(|| Apart::new(&labels, n_labels, self.shared));
        Block { n_labels, labels, apart, sums: OnceLock::new() }
    }

    fn draw_one(&self, labels: &mut Vec<usize>, rng: &mut ChaCha8Rng) {
        let mut first_own = self.shared.n_wells();
        let plates = self.shared.wells().iter().zip(&self.design.n_treated).zip(&self.design.n_own);
        for ((wells, &n_treated), &n_own) in plates {
            let well = |index: usize| match index.checked_sub(wells.len()) {
                None => wells.start + index,
                Some(index) => first_own + index,
            };
            let n_wells = wells.len() + n_own;
            match n_treated {
                1 => labels.push(well(rng.random_range(0..n_wells))),
                _ => labels.extend(index::sample(rng, n_wells, n_treated).into_iter().map(well)),
            }
            first_own += n_own;
        }
    }
}

/// A number of a design on plates of these names, whatever other ones there are (FNV-1a).
fn stream(plates: &[&str], design: &Design) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    let mut take = |byte: u8| hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    for (plate, n_wells) in plates.iter().zip(design.n_treated.iter().zip(&design.n_own)) {
        plate.bytes().chain([u8::MAX]).for_each(&mut take);
        [*n_wells.0, *n_wells.1].into_iter().flat_map(usize::to_le_bytes).for_each(&mut take);
    }
    hash
}

impl Block {
    /// The labels of each relabeling.
    pub(super) fn relabelings(&self) -> impl Iterator<Item = &[usize]> {
        self.labels.chunks(self.n_labels)
    }

    /// The labels of one relabeling.
    pub(super) fn relabeling(&self, draw: usize) -> &[usize] {
        &self.labels[draw * self.n_labels..(draw + 1) * self.n_labels]
    }
}

impl Apart {
    fn new(labels: &[usize], n_labels: usize, shared: &Shared) -> Self {
        let mut apart = Self {
            labels: vec![0; n_labels * BLOCK],
            similarities: vec![0.0; n_labels * n_labels * BLOCK],
            n_as_near: vec![0; n_labels * n_labels * BLOCK],
            with_own: Vec::new(),
        };
        for (draw, labels) in labels.chunks(n_labels).enumerate() {
            if labels.iter().any(|&label| label >= shared.n_wells()) {
                apart.with_own.push(draw);
                continue;
            }
            for (place, &query) in labels.iter().enumerate() {
                apart.labels[place * BLOCK + draw] = query as u32;
                for (other, &label) in labels.iter().enumerate().filter(|(other, _)| *other != place) {
                    let Near { similarity, n_as_near } = shared.near(query, label);
                    let at = (place * n_labels + other) * BLOCK + draw;
                    (apart.similarities[at], apart.n_as_near[at]) = (similarity, n_as_near);
                }
            }
        }
        apart
    }
}
