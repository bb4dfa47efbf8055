//! The measured interventions of a screen as landmarks: which of them lies nearest to a predicted place.

use std::collections::BTreeMap;

use burn::tensor::Device;
use rayon::prelude::*;

use super::facts::Facts;
use super::measured::Measured;
use crate::model::for_this_cpu;
use crate::screen::{Screen, Treatment};
use crate::train::TrainedModel;

/// References that a place is compared with at once.
const LANES: usize = 64;

/// Measured treatments with their places.
pub(super) struct References<'a> {
    /// In the order of the treatments.
    measured: Vec<Reference<'a>>,
    /// A number for each set of perturbations.
    names: BTreeMap<String, usize>,
    /// Values in the latent of one member.
    width: usize,
    /// `[member][block, latent, reference of the block]`: their places, [`LANES`] references a block, the last one filled
    /// up with zeros.
    blocks: Vec<Vec<f32>>,
}

pub(super) struct Reference<'a> {
    pub treatment: &'a Treatment,
    pub rows: &'a [usize],
    /// Its mean latent, `[member, latent]`.
    pub latent: Vec<f32>,
    /// The intervention in words.
    pub text: String,
    pub moa: Option<String>,
    name: usize,
}

impl<'a> References<'a> {
    pub(super) fn of(
        trained: &TrainedModel,
        screen: &Screen,
        measured: &'a Measured,
        facts: &Facts<'_>,
        device: &Device,
    ) -> Self {
        let mut names = BTreeMap::new();
        let reference = |(treatment, rows): (&'a Treatment, &'a Vec<usize>)| {
            let next = names.len();
            let name = *names.entry(treatment.intervention.perturbation_names()).or_insert(next);
            let latent = measured_latent(trained, screen, rows, device);
            Reference { treatment, rows, latent, text: treatment.intervention.to_string(), moa: facts.moa(rows), name }
        };
        let measured: Vec<Reference> = measured.iter().map(reference).collect();
        let width = trained.config.latent;
        let blocks_of = |member: usize| {
            in_blocks(measured.iter().map(|reference| &reference.latent[member * width..(member + 1) * width]))
        };
        Self { width, blocks: (0..trained.members.len()).map(blocks_of).collect(), measured, names }
    }

    /// The reference that is this treatment itself, if it was measured.
    pub(super) fn own(&self, treatment: &Treatment) -> Option<&Reference<'a>> {
        let found = self.measured.binary_search_by(|reference| reference.treatment.cmp(treatment));
        found.ok().map(|index| &self.measured[index])
    }

    /// The number of the references under perturbations of this name.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The longest distance of a reference from its nearest one under other perturbations; `None` where there are no two.
    pub(super) fn widest_gap(&self) -> Option<f64> {
        let gap = |scratch: &mut Vec<f32>, reference: &Reference| {
            self.nearest(&reference.latent, Some(reference.name), scratch).map(|(far, _)| far)
        };
        let gaps = self.measured.par_iter().map_init(Vec::new, gap);
        gaps.flatten_iter().reduce_with(f64::max)
    }

    /// The reference nearest to a latent, `[member, latent]`, whose number is not `own`, and its mean distance over the members.
    /// Totals are computed in `scratch`.
    pub(super) fn nearest(
        &self,
        latent: &[f32],
        own: Option<usize>,
        scratch: &mut Vec<f32>,
    ) -> Option<(f64, &Reference<'a>)> {
        scratch.clear();
        scratch.resize(self.measured.len().next_multiple_of(LANES), 0.0);
        for (latent, blocks) in latent.chunks_exact(self.width).zip(&self.blocks) {
            add_distances_fast(latent, blocks, scratch);
        }
        let mut nearest: Option<(f32, &Reference)> = None;
        for (&total, reference) in scratch.iter().zip(&self.measured) {
            if nearest.is_none_or(|(least, _)| total < least) && Some(reference.name) != own {
                nearest = Some((total, reference));
            }
        }
        // Which one is the nearest is told by distances to six digits, how far it is by all of them.
        let (_, reference) = nearest?;
        let members = latent.chunks_exact(self.width).zip(reference.latent.chunks_exact(self.width));
        let total: f64 = members.map(|(one, other)| distance(one, other)).sum();
        Some((total / self.blocks.len() as f64, reference))
    }
}

/// Latents, block by block and within a block value by value.
fn in_blocks<'a>(latents: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
    let latents: Vec<&[f32]> = latents.collect();
    let mut blocks = Vec::new();
    for block in latents.chunks(LANES) {
        for place in 0..block[0].len() {
            blocks.extend(block.iter().map(|latent| latent[place]));
            blocks.resize(blocks.len().next_multiple_of(LANES), 0.0);
        }
    }
    blocks
}

/// Adds the distance of `place` from each reference to `totals`.
#[inline(always)]
fn add_distances(place: &[f32], blocks: &[f32], totals: &mut [f32]) {
    for (block, totals) in blocks.chunks_exact((LANES * place.len()).max(1)).zip(totals.chunks_exact_mut(LANES)) {
        let mut squares = [0.0f32; LANES];
        for (&value, others) in place.iter().zip(block.chunks_exact(LANES)) {
            let others: &[f32; LANES] = others.try_into().expect("exact chunks");
            for lane in 0..LANES {
                squares[lane] += (value - others[lane]) * (value - others[lane]);
            }
        }
        for (total, square) in totals.iter_mut().zip(squares) {
            *total += square.sqrt();
        }
    }
}

for_this_cpu!(add_distances_fast, add_distances, (place: &[f32], blocks: &[f32], totals: &mut [f32]));

/// Mean latent of the observations at `rows`, `[member, latent]`.
pub(super) fn measured_latent(trained: &TrainedModel, screen: &Screen, rows: &[usize], device: &Device) -> Vec<f32> {
    trained.encode(&screen.features, rows, device).mean()
}

/// Distance between two latents.
pub(super) fn distance(one: &[f32], other: &[f32]) -> f64 {
    /// Sums that do not wait for each other.
    const SUMS: usize = 8;
    let square = |(one, other): (&f32, &f32)| f64::from(one - other).powi(2);
    let mut sums = [0.0; SUMS];
    let (ones, others) = (one.chunks_exact(SUMS), other.chunks_exact(SUMS));
    let rest: f64 = ones.remainder().iter().zip(others.remainder()).map(square).sum();
    for (one, other) in ones.zip(others) {
        for (sum, pair) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += square(pair);
        }
    }
    (sums.iter().sum::<f64>() + rest).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_in_blocks_are_distances() {
        for (n_references, width) in [(1, 3), (64, 16), (130, 21)] {
            let value = |index: usize| ((index * index * 13 + 37 * index) % 128) as f32 / 64.0 - 1.0;
            let latents: Vec<Vec<f32>> =
                (0..n_references).map(|row| (0..width).map(|place| value(row * width + place)).collect()).collect();
            let place: Vec<f32> = (0..width).map(|place| value(7 + place)).collect();
            let mut totals = vec![1.0; n_references.next_multiple_of(LANES)];
            add_distances_fast(&place, &in_blocks(latents.iter().map(Vec::as_slice)), &mut totals);
            for (total, latent) in totals.iter().zip(&latents) {
                let plain: f64 = place.iter().zip(latent).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
                assert!((f64::from(*total) - 1.0 - plain).abs() < 1e-5, "{total} {plain}");
                assert!((distance(&place, latent) - plain).abs() < 1e-12);
            }
        }
    }
}
