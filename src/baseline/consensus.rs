//! Consensus profiles, control states and mean shifts: what all baselines start from.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::predict::{Method, Predictions};
use crate::screen::{FeatureMatrix, Reference, Role, Screen, Treatment};

/// The measured consensus profiles of `treatments`, as predictions of the method `measured`.
///
/// The truth that predictions are scored against, when the rows are those of held-out treatments.
/// Treatments without rows are absent.
pub fn measured(screen: &Screen, treatments: &BTreeMap<Treatment, Vec<usize>>) -> Predictions {
    let profiles = consensus(screen, treatments);
    let targets: Vec<_> = profiles.keys().cloned().collect();
    predict_each(Method::Measured, screen, &targets, |target| profiles.get(target).cloned())
}

/// The mean negative-control profile of each context, `[feature]`; the zero vector when values are relative already.
///
/// A context without negative controls is absent, and the baselines that need it abstain there.
pub fn control_states(screen: &Screen) -> BTreeMap<String, Vec<f32>> {
    if screen.reference() == Reference::Relative {
        let zero = vec![0.0; screen.features.n_features()];
        return screen.observations.iter().map(|observation| (observation.context.clone(), zero.clone())).collect();
    }
    let mut rows = BTreeMap::<&str, Vec<usize>>::new();
    for (row, observation) in screen.observations.iter().enumerate() {
        if observation.role == Role::NegativeControl {
            rows.entry(&observation.context).or_default().push(row);
        }
    }
    rows.into_iter().map(|(context, rows)| (context.to_owned(), screen.features.mean_of(&rows))).collect()
}

/// The mean over training treatments of their consensus, by context, `[feature]`: what treatments share.
pub fn mean_shifts(screen: &Screen, training: &BTreeMap<Treatment, Vec<usize>>) -> BTreeMap<String, Vec<f32>> {
    let profiles = consensus(screen, training);
    let contexts: BTreeSet<&str> = profiles.keys().map(|treatment| treatment.context.as_str()).collect();
    contexts
        .into_iter()
        .map(|context| {
            let members: Vec<_> = profiles
                .iter()
                .filter(|(treatment, _)| treatment.context == context)
                .map(|(_, row)| (row, 1.0))
                .collect();
            (context.to_owned(), weighted_mean(&members).expect("a context is listed because it has a profile"))
        })
        .collect()
}

/// Consensus profile of each treatment that has rows.
pub(super) fn consensus(
    screen: &Screen,
    treatments: &BTreeMap<Treatment, Vec<usize>>,
) -> BTreeMap<Treatment, Vec<f32>> {
    treatments
        .par_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(treatment, rows)| (treatment.clone(), screen.features.mean_of(rows)))
        .collect()
}

/// Mean of profiles by their weights, summed in `f64`; `None` when nothing has weight.
pub(super) fn weighted_mean<P: AsRef<[f32]>>(members: &[(P, f64)]) -> Option<Vec<f32>> {
    let total: f64 = members.iter().map(|(_, weight)| weight).sum();
    let width = members.first()?.0.as_ref().len();
    if total <= 0.0 {
        return None;
    }
    let mut sums = vec![0.0f64; width];
    for (profile, weight) in members {
        for (sum, &value) in sums.iter_mut().zip(profile.as_ref()) {
            *sum += weight * f64::from(value);
        }
    }
    Some(sums.into_iter().map(|sum| (sum / total) as f32).collect())
}

/// `start + scale * (end - origin)`, feature by feature.
pub(super) fn shifted(start: &[f32], scale: f32, end: &[f32], origin: &[f32]) -> Vec<f32> {
    start.iter().zip(end).zip(origin).map(|((&start, &end), &origin)| start + scale * (end - origin)).collect()
}

/// Predictions of `method` for the targets that `predict` says something about, in the order of `targets`.
pub(super) fn predict_each(
    method: Method,
    screen: &Screen,
    targets: &[Treatment],
    predict: impl Fn(&Treatment) -> Option<Vec<f32>> + Sync,
) -> Predictions {
    let rows: Vec<_> = targets.par_iter().map(&predict).collect();
    let mut treatments = Vec::new();
    let mut values = Vec::new();
    for (target, row) in targets.iter().zip(rows) {
        if let Some(row) = row {
            treatments.push(target.clone());
            values.extend(row);
        }
    }
    let profiles = FeatureMatrix::new(screen.features.names().to_vec(), values);
    Predictions { method, treatments, profiles }
}

#[cfg(test)]
pub(super) mod fixture {
    //! A two-feature screen written row by row, shared by the tests of this room.

    use super::*;
    use crate::screen::{Application, Design, Intervention, Kind, Micromolar, Observation, Perturbation};

    /// A treatment of `(perturbation, µM)` members; a dose of 0 stands for "no dose".
    pub fn treatment(members: &[(&str, f64)], context: &str) -> Treatment {
        let members = members.iter().map(|&(name, dose)| Application {
            perturbation: Perturbation { name: name.to_owned(), kind: Kind::Compound },
            dose: Micromolar::new(dose),
        });
        Treatment { intervention: Intervention::of(members), context: context.to_owned() }
    }

    /// A screen of the given `(plate, well, treatment, features)` rows; an empty set is a negative control.
    pub fn screen(rows: &[(&str, &str, Treatment, [f32; 2])]) -> Screen {
        let observations = rows
            .iter()
            .map(|(plate, well, treatment, _)| Observation {
                plate: (*plate).to_owned(),
                well: well.parse().ok(),
                role: if treatment.intervention.is_untreated() { Role::NegativeControl } else { Role::Treatment },
                intervention: treatment.intervention.clone(),
                context: treatment.context.clone(),
                lab_batch: None,
                replicate: None,
                cell_count: None,
            })
            .collect();
        Screen {
            name: "fixture".into(),
            design: Design::AgainstControls,
            observations,
            features: FeatureMatrix::numbered("f", 2, rows.iter().flat_map(|row| row.3).collect()),
            labels: vec![],
            dropped: vec![],
        }
    }

    /// The treatments of `screen` without `targets`.
    pub fn training(screen: &Screen, targets: &[Treatment]) -> BTreeMap<Treatment, Vec<usize>> {
        screen.treatments().into_iter().filter(|(treatment, _)| !targets.contains(treatment)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::*;
    use super::*;
    use crate::screen::Design;

    #[test]
    fn control_state_is_the_mean_control_of_the_context_or_zero_for_relative_values() {
        let mut screen = screen(&[
            ("p", "A01", treatment(&[], "x"), [1.0, 2.0]),
            ("q", "A01", treatment(&[], "x"), [3.0, 4.0]),
            ("p", "A02", treatment(&[("a", 1.0)], "y"), [9.0, 9.0]),
        ]);
        assert_eq!(control_states(&screen), BTreeMap::from([("x".to_owned(), vec![2.0, 3.0])]));
        screen.design = Design::Relative;
        assert_eq!(control_states(&screen)["y"], [0.0, 0.0]);
    }

    #[test]
    fn consensus_is_the_mean_of_the_replicates() {
        let one = treatment(&[("a", 1.0)], "");
        let screen = screen(&[("p", "A01", one.clone(), [1.0, 2.0]), ("q", "A01", one.clone(), [3.0, 6.0])]);
        let truth = measured(&screen, &screen.treatments());
        assert_eq!(truth.treatments, [one]);
        assert_eq!(truth.profiles.values(), [2.0, 4.0]);
    }
}
