//! What a simple rule would predict for a dose: the place between its measured neighbors.

use std::collections::BTreeMap;

use super::series::{SAME_DOSE, additive_weights, between_neighbors, log_differences, log_distance, series_of};
use serde::{Deserialize, Serialize};

use crate::screen::Treatment;

/// Where log-dose interpolation between other doses of the same perturbations arrives.
///
/// Empty when they have no other dose in the context, for as long.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Anchor {
    /// Indices of treatments and their weights; the weights sum to 1, but for sums of moves.
    pub weights: Vec<(usize, f64)>,
    /// log10-dose distance to the nearest lower dose; 0 when there is none.
    pub below: f64,
    /// log10-dose distance to the nearest higher dose; 0 when there is none.
    pub above: f64,
}

impl Anchor {
    /// No neighbor.
    pub const NONE: Self = Self { weights: Vec::new(), below: 0.0, above: 0.0 };

    /// Whether a neighbor exists.
    pub fn exists(&self) -> bool {
        !self.weights.is_empty()
    }
}

/// What anchors are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchoring {
    /// Where the neighbors are: an anchor lies between them.
    Between,
    /// How far the neighbors moved: an anchor lies as far from the start.
    Added,
}

/// The anchor of `treatment` among `others`; an equal treatment is left out, so that nothing is its own anchor.
///
/// In a set one dose is varied at a time, the others being the treatment's own.
pub fn anchor_of(treatment: &Treatment, others: &[Treatment]) -> Anchor {
    let mut series = series_of(treatment, others.iter());
    series.retain(|other| log_distance(treatment, other) > SAME_DOSE);
    let Some((_, neighbors)) = between_neighbors(treatment, &series) else { return Anchor::default() };
    let mut anchor = Anchor::default();
    let (mut n_below, mut n_above) = (0.0, 0.0);
    for (neighbor, weight) in neighbors {
        let index = others.iter().position(|other| other == neighbor).expect("a neighbor is one of the others");
        anchor.weights.push((index, weight));
        // All members but one have the treatment's own dose.
        let distance: f64 = log_differences(treatment, neighbor).iter().sum();
        let (sum, n) =
            if distance > 0.0 { (&mut anchor.below, &mut n_below) } else { (&mut anchor.above, &mut n_above) };
        *sum += distance.abs();
        *n += 1.0;
    }
    anchor.below /= f64::max(n_below, 1.0);
    anchor.above /= f64::max(n_above, 1.0);
    anchor
}

/// The anchor of `treatment`: [`anchor_of`]; where moves are added, for a set without neighbors the sum of its parts' moves.
pub fn anchor_in(anchoring: Anchoring, treatment: &Treatment, others: &[Treatment]) -> Anchor {
    match anchoring {
        Anchoring::Between => anchor_of(treatment, others),
        Anchoring::Added => anchor_of_moves(treatment, others),
    }
}

/// The anchor of `treatment` where anchors are moves away from a start: that of [`anchor_of`], else for a set the sum of its
/// parts' moves, so that its weights need not sum to 1.
fn anchor_of_moves(treatment: &Treatment, others: &[Treatment]) -> Anchor {
    let anchor = anchor_of(treatment, others);
    if anchor.exists() {
        return anchor;
    }
    let others_than_it: Vec<&Treatment> = others.iter().filter(|other| *other != treatment).collect();
    let moves = additive_weights(treatment, &others_than_it).unwrap_or_default();
    let mut weights = BTreeMap::<usize, f64>::new();
    for (part, weight) in moves {
        let index = others.iter().position(|other| other == part).expect("a part is one of the others");
        *weights.entry(index).or_default() += weight;
    }
    Anchor { weights: weights.into_iter().collect(), below: 0.0, above: 0.0 }
}

/// Indices of the treatments in `others` that are a lower dose of `treatment`, a single perturbation.
pub(super) fn lower_doses(treatment: &Treatment, others: &[Treatment]) -> Vec<usize> {
    if treatment.intervention.as_single().is_none() {
        return Vec::new();
    }
    let series = series_of(treatment, others.iter());
    let lower = series.into_iter().filter(|other| log_differences(treatment, other)[0] > SAME_DOSE);
    lower.filter_map(|lower| others.iter().position(|other| other == lower)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Application, Intervention, Kind, Micromolar, Perturbation};

    fn dose(micromolar: f64) -> Treatment {
        let dose = Micromolar::new(micromolar);
        Treatment { intervention: Intervention::single("taxol", Kind::Compound, dose), context: String::new() }
    }

    #[test]
    fn a_set_is_anchored_along_the_dose_that_varies_and_for_as_long() {
        let set = |agonist: f64, corrector: f64, hours: f64| {
            let member = |name: &str, dose| Application {
                perturbation: Perturbation { name: name.into(), kind: Kind::Compound },
                dose: Micromolar::new(dose),
            };
            let members = [member("agonist", agonist), member("corrector", corrector)];
            Treatment { intervention: Intervention::of(members).lasting(hours), context: String::new() }
        };
        let others = [set(0.1, 3.0, 1.0), set(10.0, 3.0, 1.0), set(1.0, 30.0, 1.0), set(0.5, 3.0, 0.5), dose(1.0)];
        // Along the agonist there are doses on both sides, along the corrector there is only a higher one.
        let anchor = anchor_of(&set(1.0, 3.0, 1.0), &others);
        assert_eq!(anchor.weights.iter().map(|weight| weight.0).collect::<Vec<_>>(), [0, 1]);
        assert!((anchor.below - 1.0).abs() < 1e-12 && (anchor.above - 1.0).abs() < 1e-12, "{anchor:?}");
        assert!(!anchor_of(&set(1.0, 3.0, 2.0), &others).exists(), "no other lasted for two hours");
        assert!(lower_doses(&set(1.0, 3.0, 1.0), &others).is_empty(), "ladders are of single perturbations");
    }

    #[test]
    fn an_unseen_pair_is_anchored_at_the_sum_of_its_parts() {
        let set = |names: &[&str]| {
            let member = |name: &&str| Application {
                perturbation: Perturbation { name: (*name).into(), kind: Kind::Compound },
                dose: Micromolar::new(1.0),
            };
            Treatment { intervention: Intervention::of(names.iter().map(member)), context: String::new() }
        };
        let others = [set(&["agonist"]), set(&["agonist", "x"]), set(&["agonist", "y"])];
        let anchor = anchor_of_moves(&set(&["agonist", "x", "y"]), &others);
        assert_eq!(anchor.weights, [(0, -1.0), (1, 1.0), (2, 1.0)]);
        assert!(!anchor_of(&set(&["agonist", "x", "y"]), &others).exists());
        assert!(!anchor_of_moves(&set(&["agonist", "z"]), &others).exists());
    }

    #[test]
    fn interpolates_in_log_dose_and_takes_the_nearest_at_the_edges() {
        let doses = [dose(0.1), dose(1.0), dose(10.0)];
        let middle = anchor_of(&dose(10f64.powf(0.25)), &doses);
        assert_eq!(middle.weights.iter().map(|w| w.0).collect::<Vec<_>>(), [1, 2]);
        assert!((middle.weights[1].1 - 0.25).abs() < 1e-12);
        let edge = anchor_of(&dose(100.0), &doses);
        assert_eq!((edge.weights, edge.above), (vec![(2, 1.0)], 0.0));
        let own = anchor_of(&dose(1.0), &doses);
        assert_eq!(own.weights.iter().map(|w| w.0).collect::<Vec<_>>(), [0, 2]);
        assert!(!anchor_of(&dose(1.0), &doses[1..2]).exists());
    }
}
