//! The names a model knows, and interventions written in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Anchor, InterventionRows, PairSet};
use crate::screen::{Kind, Perturbation, Treatment};

/// Sizes of the intervention encoder that the screen decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterventionSizes {
    /// Perturbations in the vocabulary.
    pub perturbations: usize,
    /// Contexts in the vocabulary.
    pub contexts: usize,
    /// Width of the descriptors; 0 without.
    pub descriptors: usize,
    /// Perturbations in the largest set of training.
    pub members: usize,
}

/// Where each perturbation's dose responses start out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DoseCenters {
    /// Mean log10 dose (µM) of each perturbation in training, in vocabulary order; the last entry serves unseen ones.
    pub log_dose: Vec<f32>,
    /// Half the typical range of log10 doses of one perturbation.
    pub half_range: f32,
}

/// The perturbations and contexts of the training treatments, with descriptors where the user gave some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vocabulary {
    perturbations: Vec<Perturbation>,
    contexts: Vec<String>,
    /// Descriptors by perturbation name, of equal width; unseen perturbations may be among them.
    descriptors: BTreeMap<String, Vec<f32>>,
    dose_centers: DoseCenters,
    /// Perturbations in the largest set of training.
    most_members: usize,
    /// The duration that is told as 0: a day in screens, the grid's step in tables of tracks.
    usual_hours: f64,
}

/// The duration that is told as 0 in screens.
const A_DAY: f64 = 24.0;

impl Vocabulary {
    /// The vocabulary of the training treatments.
    pub fn new(treatments: &[Treatment], descriptors: BTreeMap<String, Vec<f32>>) -> Self {
        let mut log_doses = BTreeMap::<Perturbation, Vec<f64>>::new();
        let mut contexts: Vec<String> = treatments.iter().map(|treatment| treatment.context.clone()).collect();
        contexts.sort();
        contexts.dedup();
        for member in treatments.iter().flat_map(|treatment| treatment.intervention.members()) {
            let doses = log_doses.entry(member.perturbation.clone()).or_default();
            doses.extend(member.dose.map(|dose| dose.log10()));
        }
        let dose_centers = dose_centers(&log_doses);
        let most_members = treatments.iter().map(|treatment| treatment.intervention.members().len()).max().unwrap_or(0);
        Self {
            perturbations: log_doses.into_keys().collect(),
            contexts,
            descriptors,
            dose_centers,
            most_members,
            usual_hours: A_DAY,
        }
    }

    /// The vocabulary of training treatments; under schedules durations are told against the step of their grid.
    pub fn of(pairs: &PairSet, descriptors: BTreeMap<String, Vec<f32>>) -> Self {
        let vocabulary = Self::new(&pairs.treatments, descriptors);
        Self { usual_hours: pairs.grid_hours.unwrap_or(vocabulary.usual_hours), ..vocabulary }
    }

    /// Whether the model has met this perturbation in training.
    pub fn knows(&self, perturbation: &Perturbation) -> bool {
        self.perturbations.binary_search(perturbation).is_ok()
    }

    /// Whether there is a place for this perturbation: met in training, or described.
    pub fn can_place(&self, perturbation: &Perturbation) -> bool {
        self.knows(perturbation) || self.descriptors.contains_key(&perturbation.name)
    }

    /// The perturbations met in training.
    pub fn perturbations(&self) -> &[Perturbation] {
        &self.perturbations
    }

    /// The names of perturbations that are described, met in training or not.
    pub fn described(&self) -> impl Iterator<Item = &str> {
        self.descriptors.keys().map(String::as_str)
    }

    /// The contexts met in training.
    pub fn contexts(&self) -> &[String] {
        &self.contexts
    }

    /// Sizes for the intervention encoder.
    pub fn sizes(&self) -> InterventionSizes {
        InterventionSizes {
            perturbations: self.perturbations.len(),
            contexts: self.contexts.len(),
            descriptors: self.descriptor_width(),
            members: self.most_members,
        }
    }

    /// Where dose responses start out.
    pub fn dose_centers(&self) -> &DoseCenters {
        &self.dose_centers
    }

    /// Whether this, as read from a file, is one that [`Vocabulary::new`] could have made.
    pub(crate) fn is_whole(&self) -> bool {
        let width = self.descriptor_width();
        self.perturbations.is_sorted()
            && self.contexts.is_sorted()
            && self.descriptors.values().all(|values| values.len() == width)
            && self.usual_hours.is_finite()
            && self.usual_hours > 0.0
            && self.dose_centers.log_dose.len() == self.perturbations.len() + 1
    }

    fn descriptor_width(&self) -> usize {
        self.descriptors.values().next().map_or(0, Vec::len)
    }

    /// Treatments as the intervention encoder reads them; `anchors` are parallel to `treatments`.
    pub fn rows<'a>(&self, treatments: impl IntoIterator<Item = (&'a Treatment, &'a Anchor)>) -> InterventionRows {
        let treatments: Vec<_> = treatments.into_iter().collect();
        let members =
            treatments.iter().map(|(treatment, _)| treatment.intervention.members().len()).max().unwrap_or(0).max(1);
        let mut rows = InterventionRows { members, ..InterventionRows::default() };
        let width = self.descriptor_width();
        for (treatment, anchor) in treatments {
            for slot in 0..members {
                let member = treatment.intervention.members().get(slot);
                let index = member.and_then(|member| self.perturbations.binary_search(&member.perturbation).ok());
                let dose = member.and_then(|member| member.dose);
                rows.perturbation.push(index.unwrap_or(self.perturbations.len()) as i32);
                rows.kind.push(member.map_or(0, |member| kind_index(member.perturbation.kind)));
                rows.log_dose.push(dose.map_or(0.0, |dose| dose.log10() as f32));
                rows.dosed.push(f32::from(u8::from(dose.is_some())));
                rows.present.push(f32::from(u8::from(member.is_some())));
                rows.known.push(f32::from(u8::from(index.is_some())));
                let described = member.and_then(|member| self.descriptors.get(&member.perturbation.name));
                match described {
                    Some(values) => rows.descriptors.extend_from_slice(values),
                    None => rows.descriptors.extend(std::iter::repeat_n(0.0, width)),
                }
            }
            let hours = treatment.intervention.hours();
            rows.duration.push(hours.map_or(0.0, |hours| (hours.max(1.0 / 60.0) / self.usual_hours).log2() as f32));
            let context = self.contexts.binary_search(&treatment.context).unwrap_or(self.contexts.len());
            rows.context.push(context as i32);
            rows.anchor.extend([anchor.below as f32, anchor.above as f32, f32::from(u8::from(anchor.exists()))]);
        }
        rows
    }
}

fn kind_index(kind: Kind) -> i32 {
    match kind {
        Kind::Compound => 0,
        // Ways to reach a gene by a guide are told apart by what each did, as perturbations of their own.
        Kind::Crispr | Kind::Crispri | Kind::Crispra => 1,
        Kind::Orf => 2,
        Kind::Rnai => 3,
        Kind::Other => 4,
    }
}

fn dose_centers(log_doses: &BTreeMap<Perturbation, Vec<f64>>) -> DoseCenters {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let all: Vec<f64> = log_doses.values().flatten().copied().collect();
    let overall = if all.is_empty() { 0.0 } else { mean(&all) };
    let centers = log_doses.values().map(|doses| if doses.is_empty() { overall } else { mean(doses) } as f32);
    let half_ranges: Vec<f64> = log_doses
        .values()
        .filter(|doses| doses.len() > 1)
        .map(|doses| {
            let (low, high) =
                doses.iter().fold((f64::MAX, f64::MIN), |(low, high), &dose| (low.min(dose), high.max(dose)));
            0.5 * (high - low)
        })
        .collect();
    let half_range = if half_ranges.is_empty() { 1.0 } else { mean(&half_ranges).max(0.25) };
    DoseCenters { log_dose: centers.chain([overall as f32]).collect(), half_range: half_range as f32 }
}
