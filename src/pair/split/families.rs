//! How what is held out is drawn: units in families of which some must stay, or whole plates and batches.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Part, SplitConfig};
use crate::screen::{Application, Perturbation, Treatment};

/// Units that may be held out, in families of which some must stay (doses of one compound).
pub(super) struct Family<U> {
    units: Vec<U>,
    keep: usize,
}

/// Families of treatments that share a key, where at least one can be spared.
pub(super) fn families<K: Ord>(
    treatments: &[Treatment],
    keep: usize,
    key: impl Fn(&Treatment) -> Option<K>,
) -> Vec<Family<Vec<Treatment>>> {
    let mut by_key = BTreeMap::<K, Vec<Treatment>>::new();
    for treatment in treatments {
        if let Some(key) = key(treatment) {
            by_key.entry(key).or_default().push(treatment.clone());
        }
    }
    by_key
        .into_values()
        .filter(|members| members.len() > keep)
        .map(|members| Family { units: members.into_iter().map(|treatment| vec![treatment]).collect(), keep })
        .collect()
}

/// The doses of each perturbation in each context, each with the combinations that contain it.
pub(super) fn dose_families(treatments: &[Treatment]) -> Vec<Family<Vec<Treatment>>> {
    let mut families = families(treatments, 2, |treatment| {
        let member = treatment.intervention.as_single().filter(|member| member.dose.is_some())?;
        Some((member.perturbation.clone(), treatment.context.clone()))
    });
    let combinations = combinations(treatments);
    for unit in families.iter_mut().flat_map(|family| &mut family.units) {
        let (context, dose) = (unit[0].context.clone(), unit[0].intervention.members()[0].clone());
        let shows = |other: &&&Treatment| other.context == context && other.intervention.members().contains(&dose);
        unit.extend(combinations.iter().filter(shows).copied().cloned());
    }
    families
}

fn combinations(treatments: &[Treatment]) -> Vec<&Treatment> {
    treatments.iter().filter(|treatment| treatment.intervention.members().len() > 1).collect()
}

/// One family of all sets of doses that were applied, each with all its durations and contexts.
pub(super) fn condition_families(treatments: &[Treatment]) -> Vec<Family<Vec<Treatment>>> {
    let mut conditions = BTreeMap::<&[Application], Vec<Treatment>>::new();
    for treatment in treatments.iter().filter(|treatment| !treatment.intervention.is_untreated()) {
        conditions.entry(treatment.intervention.members()).or_default().push(treatment.clone());
    }
    if conditions.len() < 2 {
        return Vec::new();
    }
    vec![Family { units: conditions.into_values().collect(), keep: 1 }]
}

/// One family of all sets of perturbations that were applied, each with all its treatments.
///
/// A combination leaves with any of its members: it would show the model the member otherwise.
pub(super) fn perturbation_families(treatments: &[Treatment]) -> Vec<Family<Vec<Treatment>>> {
    let names = |treatment: &Treatment| -> BTreeSet<Perturbation> {
        treatment.intervention.members().iter().map(|member| member.perturbation.clone()).collect()
    };
    let mut sets = BTreeMap::<BTreeSet<Perturbation>, Vec<Treatment>>::new();
    for treatment in treatments.iter().filter(|treatment| !treatment.intervention.is_untreated()) {
        sets.entry(names(treatment)).or_default().push(treatment.clone());
    }
    if sets.len() < 2 {
        return Vec::new();
    }
    let combinations: Vec<_> =
        combinations(treatments).into_iter().map(|treatment| (names(treatment), treatment)).collect();
    for (set, unit) in &mut sets {
        let larger = combinations.iter().filter(|(names, _)| names.len() > set.len() && set.is_subset(names));
        unit.extend(larger.map(|(_, treatment)| (*treatment).clone()));
    }
    vec![Family { units: sets.into_values().collect(), keep: 1 }]
}

/// Test units by fold, then validation and calibration from what each family can still spare.
pub(super) fn assign(mut families: Vec<Family<Vec<Treatment>>>, config: &SplitConfig) -> BTreeMap<Treatment, Part> {
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    for family in &mut families {
        family.units.shuffle(&mut rng);
    }
    let n_units: usize = families.iter().map(|family| family.units.len()).sum();
    let mut parts = BTreeMap::<Treatment, Part>::new();
    // A treatment that leaves with several units goes where the strictest of them goes.
    let mut leave = |unit: Vec<Treatment>, part: Part| {
        for treatment in unit {
            let strictest = parts.entry(treatment).or_insert(part);
            *strictest = part.max(*strictest);
        }
    };
    // Consecutive numbers over families spread each family over the folds, so that few of its units are tested at once.
    let mut number = 0;
    for family in &mut families {
        let mut stays = Vec::new();
        for unit in std::mem::take(&mut family.units) {
            if config.folds > 0 && number % config.folds == config.fold {
                leave(unit, Part::Test);
            } else {
                stays.push(unit);
            }
            number += 1;
        }
        family.units = stays;
    }
    families.shuffle(&mut rng);
    // Every fold begins elsewhere, so that the folds do not all choose by the same few units.
    let wanted = |share: f64| (share * n_units as f64).round() as usize;
    let per_fold = (wanted(config.validation) + wanted(config.calibration)).div_ceil(families.len().max(1));
    for family in &mut families {
        let n_stays = family.units.len().max(1);
        family.units.rotate_left(config.fold * per_fold % n_stays);
    }
    for (part, share) in [(Part::Validation, config.validation), (Part::Calibration, config.calibration)] {
        let mut wanted = wanted(share);
        // One unit of each family in turn, until there are enough or no family can spare one.
        while wanted > 0 {
            let before = wanted;
            for family in &mut families {
                if wanted > 0 && family.units.len() > family.keep {
                    let unit = family.units.pop().expect("more units than are kept");
                    leave(unit, part);
                    wanted -= 1;
                }
            }
            if wanted == before {
                break;
            }
        }
        let half = families.len() / 2;
        families.rotate_left(half);
    }
    parts
}

/// Whole plates or lab batches, controls included.
pub(super) fn by_place(places: Vec<String>, config: &SplitConfig) -> Vec<Part> {
    let mut distinct = places.clone();
    distinct.sort();
    distinct.dedup();
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    distinct.shuffle(&mut rng);
    let n_places = distinct.len();
    let mut parts = BTreeMap::new();
    let mut rest = Vec::new();
    for (number, place) in distinct.into_iter().enumerate() {
        if config.folds > 0 && number % config.folds == config.fold {
            parts.insert(place, Part::Test);
        } else {
            rest.push(place);
        }
    }
    let wanted = |share: f64| (share * n_places as f64).round() as usize;
    // Every fold begins elsewhere, so that the folds do not all choose by the same few places.
    let n_rest = rest.len().max(1);
    rest.rotate_left(config.fold * wanted(config.validation).max(1) % n_rest);
    for (part, share) in [(Part::Validation, config.validation), (Part::Calibration, config.calibration)] {
        let wanted = wanted(share).min(rest.len().saturating_sub(1));
        parts.extend(rest.drain(..wanted).map(|place| (place, part)));
    }
    places.into_iter().map(|place| *parts.get(&place).unwrap_or(&Part::Train)).collect()
}
