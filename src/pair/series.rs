//! Dose series: treatments that differ in nothing but doses, and where a dose lies among its neighbors.
//!
//! A *series* is the treatments with the same set of perturbations, duration and context; its members differ in dose.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::screen::{Application, Intervention, Treatment};

/// Doses nearer than this on the log10 scale are the same dose.
pub(crate) const SAME_DOSE: f64 = 1e-9;

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

/// The treatments of `training` in the series of `target`.
pub(crate) fn series_of<'a>(target: &Treatment, training: impl Iterator<Item = &'a Treatment>) -> Vec<&'a Treatment> {
    training.filter(|member| is_same_series(target, member)).collect()
}

/// Where interpolation along one dose at a time arrives: the neighbors in `series` with weights that sum to 1.
///
/// In a set one dose is varied at a time, the others being the target's own; where several members have such neighbors,
/// they share the weight, those with doses on both sides before the others. `None` where no member has a neighbor.
pub(crate) fn between_neighbors<'a>(
    target: &Treatment,
    series: &[&'a Treatment],
) -> Option<(DosePosition, Vec<(&'a Treatment, f64)>)> {
    let axes: Vec<_> =
        (0..target.intervention.members().len()).filter_map(|axis| along(axis, target, series)).collect();
    let best = axes.iter().map(|(position, _)| *position).min()?;
    let chosen: Vec<_> = axes.into_iter().filter(|(position, _)| *position == best).collect();
    let share = 1.0 / chosen.len() as f64;
    let weights = chosen.into_iter().flat_map(|(_, weights)| weights).map(|(member, weight)| (member, weight * share));
    Some((best, weights.collect()))
}

/// The training treatments that interpolation mixes for `target`, with weights that sum to 1; empty when it abstains.
pub(crate) fn interpolation_weights<'a>(
    target: &Treatment,
    training: impl Iterator<Item = &'a Treatment>,
) -> Vec<(&'a Treatment, f64)> {
    let series = series_of(target, training);
    match between_neighbors(target, &series) {
        Some((_, weights)) => weights,
        None => nearest_weights(target, &series),
    }
}

/// The end of a dose series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edge {
    /// Below the lowest dose.
    Lower,
    /// Above the highest dose.
    Upper,
}

/// Beyond which end of the doses of `training` the `target` lies; `None` where it lies between doses, where its series has
/// none, and where no dose can be varied alone.
pub(crate) fn edge_of<'a>(target: &Treatment, training: impl Iterator<Item = &'a Treatment>) -> Option<Edge> {
    let (position, neighbors) = between_neighbors(target, &series_of(target, training))?;
    // In a set several doses may lie beyond their ends; most of the weight decides.
    let above = |(neighbor, weight): &(&Treatment, f64)| weight * log_differences(target, neighbor).iter().sum::<f64>();
    let is_upper = neighbors.iter().map(above).sum::<f64>() > 0.0;
    (position == DosePosition::Edge).then_some(if is_upper { Edge::Upper } else { Edge::Lower })
}

/// The series members nearest to `target`, with equal weights.
pub(crate) fn nearest_weights<'a>(target: &Treatment, series: &[&'a Treatment]) -> Vec<(&'a Treatment, f64)> {
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

/// The treatments whose effects add up to that of a set, with weights; `None` where training does not hold its parts.
///
/// The sum is over the members' single effects, interpolated where a dose was not measured; the weights then sum to the
/// number of members, and the control counts for the rest to 1. Where members were never applied alone but always with one
/// common member (two correctors, each with the same agonist), the effects of the pairs are added and the common member's
/// own, which each of them holds, is counted once; the weights then sum to 1.
pub(crate) fn additive_weights<'a>(
    target: &Treatment,
    training: &[&'a Treatment],
) -> Option<Vec<(&'a Treatment, f64)>> {
    let members = target.intervention.members();
    if members.len() < 2 {
        return None;
    }
    let effect_of = |members: &[&Application], weight: f64| {
        let mut intervention = Intervention::of(members.iter().copied().cloned());
        if let Some(hours) = target.intervention.hours() {
            intervention = intervention.lasting(hours);
        }
        let part = Treatment { intervention, context: target.context.clone() };
        let found = interpolation_weights(&part, training.iter().copied());
        let weighted: Vec<_> = found.into_iter().map(|(treatment, share)| (treatment, weight * share)).collect();
        (!weighted.is_empty()).then_some(weighted)
    };
    let of_singles = || members.iter().map(|member| effect_of(&[member], 1.0)).collect::<Option<Vec<_>>>();
    let over_common = |common: &Application| {
        let others = members.iter().filter(|member| *member != common);
        let mut effects = others.map(|member| effect_of(&[common, member], 1.0)).collect::<Option<Vec<_>>>()?;
        effects.push(effect_of(&[common], 2.0 - members.len() as f64)?);
        Some(effects)
    };
    let of_pairs = || if members.len() > 2 { members.iter().find_map(over_common) } else { None };
    Some(of_singles().or_else(of_pairs)?.concat())
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

/// Differences of the log10 doses of two treatments of one series, member by member.
pub(crate) fn log_differences(one: &Treatment, other: &Treatment) -> Vec<f64> {
    (0..one.intervention.members().len()).map(|member| log_difference(one, other, member)).collect()
}

/// Euclidean distance over the members' log10 doses of two treatments of one series.
pub(crate) fn log_distance(one: &Treatment, other: &Treatment) -> f64 {
    log_differences(one, other).iter().map(|difference| difference.powi(2)).sum::<f64>().sqrt()
}
