//! What neighboring doses of the same perturbations say.
//!
//! A *series* is the treatments with the same set of perturbations, duration and context; its members differ in dose.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::consensus::{consensus, predict_each, weighted_mean};
use crate::predict::Predictions;
use crate::screen::{Screen, Treatment};

/// Doses nearer than this on the log10 scale are the same dose.
const SAME_DOSE: f64 = 1e-9;

/// Where a held-out treatment lies among the training doses of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DosePosition {
    /// Between two training doses (or at one).
    Interior,
    /// Beyond the lowest or the highest training dose.
    Edge,
    /// The series has no training dose.
    Unseen,
}

impl fmt::Display for DosePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interior => "interior",
            Self::Edge => "edge",
            Self::Unseen => "unseen",
        })
    }
}

/// Where `target` lies among the training doses of its perturbations in its context.
///
/// A set counts as interior when the dose of one member lies between training doses and the others' doses are the
/// target's own.
pub fn dose_position(target: &Treatment, training: &BTreeMap<Treatment, Vec<usize>>) -> DosePosition {
    let series = series_of(target, training.keys());
    if series.is_empty() {
        return DosePosition::Unseen;
    }
    let is_interior = (0..target.intervention.members().len())
        .filter_map(|axis| along(axis, target, &series))
        .any(|(position, _)| position == DosePosition::Interior);
    if is_interior { DosePosition::Interior } else { DosePosition::Edge }
}

/// The consensus of the nearest training dose on the log10 scale; of doses equally near, their mean.
///
/// For sets the distance is Euclidean over the members' log10 doses. Abstains from unseen series.
pub fn nearest_dose(screen: &Screen, training: &BTreeMap<Treatment, Vec<usize>>, targets: &[Treatment]) -> Predictions {
    let profiles = consensus(screen, training);
    predict_each("nearest_dose", screen, targets, |target| {
        mix(&nearest_weights(target, &series_of(target, profiles.keys())), &profiles)
    })
}

/// Linear interpolation in log10 dose between the neighboring training doses; beyond the last dose, the nearest one.
///
/// In a set one dose is varied at a time, the others being the target's own; where several members have such
/// neighbors, the interpolations are averaged, those with doses on both sides before the others. Abstains from unseen series.
pub fn interpolation(
    screen: &Screen,
    training: &BTreeMap<Treatment, Vec<usize>>,
    targets: &[Treatment],
) -> Predictions {
    let profiles = consensus(screen, training);
    predict_each("interpolation", screen, targets, |target| {
        mix(&interpolation_weights(target, profiles.keys()), &profiles)
    })
}

/// The training treatments that interpolation mixes for `target`, with weights that sum to 1; empty when it abstains.
pub(super) fn interpolation_weights<'a>(
    target: &Treatment,
    training: impl Iterator<Item = &'a Treatment>,
) -> Vec<(&'a Treatment, f64)> {
    let series = series_of(target, training);
    let axes: Vec<_> =
        (0..target.intervention.members().len()).filter_map(|axis| along(axis, target, &series)).collect();
    let Some(best) = axes.iter().map(|(position, _)| *position).min() else {
        return nearest_weights(target, &series);
    };
    let chosen: Vec<_> = axes.into_iter().filter(|(position, _)| *position == best).collect();
    let share = 1.0 / chosen.len() as f64;
    chosen.into_iter().flat_map(|(_, weights)| weights).map(|(treatment, weight)| (treatment, weight * share)).collect()
}

/// The series members nearest to `target`, with equal weights.
pub(super) fn nearest_weights<'a>(target: &Treatment, series: &[&'a Treatment]) -> Vec<(&'a Treatment, f64)> {
    let distances: Vec<f64> = series.iter().map(|member| log_distance(target, member)).collect();
    let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
    let nearest: Vec<_> = series
        .iter()
        .zip(&distances)
        .filter(|(_, distance)| **distance <= least + SAME_DOSE)
        .map(|(member, _)| *member)
        .collect();
    let share = 1.0 / nearest.len() as f64;
    nearest.into_iter().map(|member| (member, share)).collect()
}

/// The treatments of `training` in the series of `target`.
pub(super) fn series_of<'a>(target: &Treatment, training: impl Iterator<Item = &'a Treatment>) -> Vec<&'a Treatment> {
    training.filter(|member| is_same_series(target, member)).collect()
}

/// The weighted mean of the named profiles.
pub(super) fn mix(weights: &[(&Treatment, f64)], profiles: &BTreeMap<Treatment, Vec<f32>>) -> Option<Vec<f32>> {
    let members: Vec<_> = weights.iter().map(|&(treatment, weight)| (&profiles[treatment], weight)).collect();
    weighted_mean(&members)
}

/// Neighbors of `target` that differ from it in the dose of member `axis` only.
fn along<'a>(
    axis: usize,
    target: &Treatment,
    series: &[&'a Treatment],
) -> Option<(DosePosition, Vec<(&'a Treatment, f64)>)> {
    let own = log_dose(target, axis)?;
    let others_agree = |member: &Treatment| {
        (0..target.intervention.members().len())
            .filter(|&other| other != axis)
            .all(|other| log_difference(target, member, other).abs() <= SAME_DOSE)
    };
    let mut ladder: Vec<(f64, &'a Treatment)> = series
        .iter()
        .filter(|member| others_agree(member))
        .filter_map(|&member| Some((log_dose(member, axis)?, member)))
        .collect();
    ladder.sort_by(|left, right| left.0.total_cmp(&right.0));
    let below = ladder.iter().rfind(|(dose, _)| *dose <= own + SAME_DOSE);
    let above = ladder.iter().find(|(dose, _)| *dose >= own - SAME_DOSE);
    match (below, above) {
        (Some(low), Some(high)) if high.0 - low.0 <= SAME_DOSE => Some((DosePosition::Interior, vec![(low.1, 1.0)])),
        (Some(low), Some(high)) => {
            let share = (own - low.0) / (high.0 - low.0);
            Some((DosePosition::Interior, vec![(low.1, 1.0 - share), (high.1, share)]))
        }
        (Some(last), None) | (None, Some(last)) => Some((DosePosition::Edge, vec![(last.1, 1.0)])),
        (None, None) => None,
    }
}

fn is_same_series(one: &Treatment, other: &Treatment) -> bool {
    let (left, right) = (one.intervention.members(), other.intervention.members());
    one.context == other.context
        && !left.is_empty()
        && left.len() == right.len()
        && one.intervention.hours() == other.intervention.hours()
        && left
            .iter()
            .zip(right)
            .all(|(left, right)| left.perturbation == right.perturbation && left.dose.is_some() == right.dose.is_some())
}

fn log_dose(treatment: &Treatment, member: usize) -> Option<f64> {
    treatment.intervention.members()[member].dose.map(|dose| dose.log10())
}

/// Difference of one member's log10 doses in two treatments of one series; 0 where there are no doses.
fn log_difference(one: &Treatment, other: &Treatment, member: usize) -> f64 {
    log_dose(one, member).zip(log_dose(other, member)).map_or(0.0, |(one, other)| one - other)
}

fn log_distance(one: &Treatment, other: &Treatment) -> f64 {
    let squares = (0..one.intervention.members().len()).map(|member| log_difference(one, other, member).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    #[test]
    fn interpolates_in_log_dose_and_holds_the_last_dose() {
        let rows: Vec<_> = [(0.1, 0.0), (1.0, 1.0), (100.0, 5.0)]
            .map(|(dose, value)| ("p", "A01", treatment(&[("a", dose)], ""), [value, -value]))
            .to_vec();
        let screen = screen(&rows);
        let training = screen.treatments();
        let check = |dose: f64, nearest: f32, interpolated: f32, position| {
            let target = [treatment(&[("a", dose)], "")];
            assert_eq!(nearest_dose(&screen, &training, &target).profiles.row(0), [nearest, -nearest], "{dose}");
            let row = interpolation(&screen, &training, &target).profiles.row(0).to_vec();
            assert!((row[0] - interpolated).abs() < 1e-6 && (row[1] + interpolated).abs() < 1e-6, "{dose} {row:?}");
            assert_eq!(dose_position(&target[0], &training), position, "{dose}");
        };
        check(10.0, 3.0, 3.0, DosePosition::Interior); // equally near to both: their mean
        check(10f64.sqrt(), 1.0, 2.0, DosePosition::Interior);
        check(1000.0, 5.0, 5.0, DosePosition::Edge);
        check(0.01, 0.0, 0.0, DosePosition::Edge);
        check(1.0, 1.0, 1.0, DosePosition::Interior);
    }

    #[test]
    fn abstains_from_other_contexts_perturbations_and_durations() {
        let screen = screen(&[("p", "A01", treatment(&[("a", 1.0)], "x"), [1.0, 1.0])]);
        let training = screen.treatments();
        let mut longer = treatment(&[("a", 2.0)], "x");
        longer.intervention = longer.intervention.lasting(24.0);
        for target in [treatment(&[("a", 2.0)], "y"), treatment(&[("b", 2.0)], "x"), longer] {
            assert_eq!(dose_position(&target, &training), DosePosition::Unseen);
            assert!(interpolation(&screen, &training, &[target]).treatments.is_empty());
        }
    }

    #[test]
    fn a_set_is_interpolated_along_the_member_with_doses_on_both_sides() {
        let screen = screen(&[
            ("p", "A01", treatment(&[("a", 1.0), ("b", 1.0)], ""), [0.0, 0.0]),
            ("p", "A02", treatment(&[("a", 100.0), ("b", 1.0)], ""), [4.0, 0.0]),
            ("p", "A03", treatment(&[("a", 10.0), ("b", 10.0)], ""), [50.0, 50.0]),
        ]);
        let target = treatment(&[("a", 10.0), ("b", 1.0)], "");
        let training = screen.treatments();
        assert_eq!(dose_position(&target, &training), DosePosition::Interior);
        assert_eq!(interpolation(&screen, &training, &[target]).profiles.values(), [2.0, 0.0]);
    }
}
