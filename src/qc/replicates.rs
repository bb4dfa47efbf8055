//! Do the wells of a plate look like wells of the same treatments on other plates? If not, two plates may have been swapped.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::measure::{Noise, Wells};
use super::position::PERMUTATIONS;
use super::statistics::correlation;
use crate::linear::median;
use crate::screen::{Treatment, Well};

/// Fewer wells with replicates elsewhere say nothing of a plate.
const LEAST_WELLS: usize = 6;

/// Wells of a plate that are compared at most.
const MOST_WELLS: usize = 400;

/// How the wells of a plate agree with their replicates elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Agreement {
    /// Median over wells of the correlation with the mean of the same treatment on other plates.
    pub(super) correlation: f64,
    /// The same with the means of the other treatments of the plate.
    pub(super) chance: f64,
    /// How often exchanged wells agree as well.
    pub(super) p: f64,
    pub(super) n_wells: usize,
}

/// Sums of the profiles of each treatment, by plate.
pub(super) struct Replicates<'a> {
    wells: &'a Wells<'a>,
    noise: &'a Noise,
    /// Sum and number of wells by treatment, then plate.
    sums: BTreeMap<&'a Treatment, BTreeMap<&'a str, (Vec<f32>, usize)>>,
    /// Treatment of each treated unit.
    treatments: &'a BTreeMap<usize, Treatment>,
}

impl<'a> Replicates<'a> {
    pub(super) fn of(wells: &'a Wells<'a>, noise: &'a Noise, treatments: &'a BTreeMap<usize, Treatment>) -> Self {
        let mut sums = BTreeMap::<&Treatment, BTreeMap<&str, (Vec<f32>, usize)>>::new();
        for (&index, treatment) in treatments {
            let Some(profile) = noise.profile(wells, index) else { continue };
            let by_plate = sums.entry(treatment).or_default();
            let (sum, n) =
                by_plate.entry(wells.unit(index).plate.as_str()).or_insert_with(|| (vec![0.0; profile.len()], 0));
            sum.iter_mut().zip(&profile).for_each(|(sum, value)| *sum += value);
            *n += 1;
        }
        Self { wells, noise, sums, treatments }
    }

    /// The mean of a treatment over all plates but some.
    fn mean_without(&self, treatment: &Treatment, plates: &[&str]) -> Option<Vec<f32>> {
        let mut mean = vec![0.0f32; self.noise.width()];
        let mut n_all = 0;
        for (plate, (sum, n)) in self.sums.get(treatment)? {
            if !plates.contains(plate) {
                mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean += sum);
                n_all += n;
            }
        }
        mean.iter_mut().for_each(|mean| *mean /= n_all as f32);
        (n_all > 0).then_some(mean)
    }

    /// Treated wells of a plate that are compared.
    fn of_plate(&self, plate: &str) -> Vec<usize> {
        let treated = self.wells.by_plate[plate].iter().copied().filter(|index| self.treatments.contains_key(index));
        treated.take(MOST_WELLS).collect()
    }

    /// `None` where too few of the plate's treatments were measured elsewhere.
    pub(super) fn agreement(&self, plate: &str, rng: &mut ChaCha8Rng) -> Option<Agreement> {
        let assigned = self.of_plate(plate).into_iter().map(|index| (index, &self.treatments[&index]));
        self.agreement_of(assigned.collect(), &[plate], rng)
    }

    /// How wells agree with the treatments that they are assigned to, as these are on all plates but some.
    fn agreement_of(
        &self,
        assigned: Vec<(usize, &Treatment)>,
        without: &[&str],
        rng: &mut ChaCha8Rng,
    ) -> Option<Agreement> {
        let mut means = BTreeMap::<&Treatment, Option<Vec<f32>>>::new();
        for (_, treatment) in &assigned {
            means.entry(treatment).or_insert_with(|| self.mean_without(treatment, without));
        }
        let means: BTreeMap<&Treatment, Vec<f32>> =
            means.into_iter().filter_map(|(treatment, mean)| Some((treatment, mean?))).collect();
        let place: BTreeMap<&Treatment, usize> =
            means.keys().enumerate().map(|(at, treatment)| (*treatment, at)).collect();
        let compared: Vec<(usize, usize)> =
            assigned.into_iter().filter_map(|(index, treatment)| Some((index, *place.get(treatment)?))).collect();
        if compared.len() < LEAST_WELLS || place.len() < 2 {
            return None;
        }
        // `[well, treatment]`.
        let correlations: Vec<Vec<f64>> = compared
            .par_iter()
            .map(|(index, _)| {
                let profile = self.noise.profile(self.wells, *index)?;
                Some(means.values().map(|mean| correlation(&profile, mean).unwrap_or(0.0)).collect())
            })
            .collect::<Option<_>>()?;
        let own: Vec<f64> = compared.iter().zip(&correlations).map(|((_, own), all)| all[*own]).collect();
        let others = compared.iter().zip(&correlations).flat_map(|((_, own), all)| {
            all.iter().enumerate().filter(move |(at, _)| at != own).map(|(_, value)| *value)
        });
        let chance = median(&mut others.collect::<Vec<_>>());
        let observed: f64 = own.iter().sum();
        let mut order: Vec<usize> = compared.iter().map(|(_, own)| *own).collect();
        let mut n_as_well = 0;
        for _ in 0..PERMUTATIONS {
            order.shuffle(rng);
            let sum: f64 = order.iter().zip(&correlations).map(|(at, all)| all[*at]).sum();
            n_as_well += usize::from(sum >= observed - 1e-9);
        }
        Some(Agreement {
            correlation: median(&mut own.clone()),
            chance,
            p: (n_as_well + 1) as f64 / (PERMUTATIONS + 1) as f64,
            n_wells: compared.len(),
        })
    }

    /// How the wells of `plate` agree with the layout of `other`: with what stood at the same place there.
    pub(super) fn agreement_with_layout(&self, plate: &str, other: &str, rng: &mut ChaCha8Rng) -> Option<Agreement> {
        let layout: BTreeMap<Well, &Treatment> = self
            .of_plate(other)
            .into_iter()
            .filter_map(|index| Some((self.wells.unit(index).well?, &self.treatments[&index])))
            .collect();
        let assigned = self
            .of_plate(plate)
            .into_iter()
            .filter_map(|index| Some((index, *layout.get(&self.wells.unit(index).well?)?)));
        self.agreement_of(assigned.collect(), &[plate, other], rng)
    }
}
