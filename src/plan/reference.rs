//! The measured interventions of a screen as landmarks: which of them lies nearest to a predicted place.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::Place;
use super::candidates::Measured;
use crate::screen::{Screen, Treatment};
use crate::train::{TrainedModel, mean};

/// Measured treatments with their places.
pub(super) struct References<'a> {
    /// In the order of the treatments.
    measured: Vec<Reference<'a>>,
    /// A number for each set of perturbations.
    names: BTreeMap<String, usize>,
}

pub(super) struct Reference<'a> {
    pub treatment: &'a Treatment,
    pub rows: &'a [usize],
    pub place: Place,
    name: usize,
}

impl<'a> References<'a> {
    pub(super) fn of(trained: &TrainedModel, screen: &Screen, measured: &'a Measured, device: &Device) -> Self {
        let mut names = BTreeMap::new();
        let mut reference = |(treatment, rows): (&'a Treatment, &'a Vec<usize>)| {
            let next = names.len();
            let name = *names.entry(treatment.intervention.perturbation_names()).or_insert(next);
            Reference { treatment, rows, place: measured_place(trained, screen, rows, device), name }
        };
        Self { measured: measured.iter().map(&mut reference).collect(), names }
    }

    /// The reference that is this treatment itself, if it was measured.
    pub(super) fn own(&self, treatment: &Treatment) -> Option<&Reference<'a>> {
        let found = self.measured.binary_search_by(|reference| reference.treatment.cmp(treatment));
        found.ok().map(|index| &self.measured[index])
    }

    /// The nearest reference under other perturbations than `own_name`, and its mean distance over the members.
    pub(super) fn nearest(&self, place: &Place, own_name: &str) -> Option<(f64, &Reference<'a>)> {
        let reference = self.about_nearest(place, self.names.get(own_name).copied())?;
        let total: f64 = place.iter().zip(&reference.place).map(|(one, other)| distance(one, other)).sum();
        Some((total / place.len() as f64, reference))
    }

    /// The nearest reference not named `own`, by distances to six digits.
    fn about_nearest(&self, place: &Place, own: Option<usize>) -> Option<&Reference<'a>> {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn avx2<'r, 'a>(
                measured: &'r [Reference<'a>],
                place: &Place,
                own: Option<usize>,
            ) -> Option<&'r Reference<'a>> {
                least(measured, place, own)
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature that the function was compiled for.
                return unsafe { avx2(&self.measured, place, own) };
            }
        }
        least(&self.measured, place, own)
    }
}

#[inline(always)]
fn least<'r, 'a>(measured: &'r [Reference<'a>], place: &Place, own: Option<usize>) -> Option<&'r Reference<'a>> {
    let mut nearest: Option<(f32, &Reference)> = None;
    for reference in measured.iter().filter(|reference| Some(reference.name) != own) {
        let total: f32 = place.iter().zip(&reference.place).map(|(one, other)| roughly(one, other)).sum();
        if nearest.is_none_or(|(least, _)| total < least) {
            nearest = Some((total, reference));
        }
    }
    nearest.map(|(_, reference)| reference)
}

/// Mean latents of the observations at `rows`, for each member.
pub(super) fn measured_place(trained: &TrainedModel, screen: &Screen, rows: &[usize], device: &Device) -> Place {
    trained.encode(&screen.features, rows, device).iter().map(|latents| mean(latents.iter())).collect()
}

/// Distance between two latents.
pub(super) fn distance(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(one, other)| f64::from(one - other).powi(2)).sum::<f64>().sqrt()
}

/// [`distance`] to six digits, in running sums that the compiler keeps in vector registers: to find the least of many.
#[inline(always)]
fn roughly(one: &[f32], other: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let (one_blocks, other_blocks) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
    let rest = one_blocks.remainder().iter().zip(other_blocks.remainder()).map(|(a, b)| (a - b) * (a - b));
    let mut total: f32 = rest.sum();
    for (one, other) in one_blocks.zip(other_blocks) {
        for lane in 0..LANES {
            sums[lane] += (one[lane] - other[lane]) * (one[lane] - other[lane]);
        }
    }
    total += sums.iter().sum::<f32>();
    total.sqrt()
}
