//! The effect of a combination as the sum of its members' effects.

use std::collections::BTreeMap;

use super::consensus::{consensus, control_states, predict_each, shifted};
use super::dose::{interpolation_weights, mix};
use crate::predict::Predictions;
use crate::screen::{Intervention, Screen, Treatment};

/// Control plus the sum of the members' single effects in the same context and for the same duration.
///
/// A single at a dose that was not measured is interpolated from its own ladder. Abstains from single perturbations and
/// from sets with a member that has no single treatment in training.
pub fn additive(screen: &Screen, training: &BTreeMap<Treatment, Vec<usize>>, targets: &[Treatment]) -> Predictions {
    let controls = control_states(screen);
    let profiles = consensus(screen, training);
    predict_each("additive", screen, targets, |target| {
        let members = target.intervention.members();
        if members.len() < 2 {
            return None;
        }
        let control = controls.get(&target.context)?;
        members.iter().try_fold(control.clone(), |sum, member| {
            let mut intervention = Intervention::of([member.clone()]);
            if let Some(hours) = target.intervention.hours() {
                intervention = intervention.lasting(hours);
            }
            let single = Treatment { intervention, context: target.context.clone() };
            let effect = mix(&interpolation_weights(&single, profiles.keys()), &profiles)?;
            Some(shifted(&sum, 1.0, &effect, control))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    #[test]
    fn adds_effects_over_control_and_needs_every_single() {
        let screen = screen(&[
            ("p", "A01", treatment(&[], ""), [1.0, 1.0]),
            ("p", "A02", treatment(&[("a", 1.0)], ""), [3.0, 1.0]),
            ("p", "A03", treatment(&[("b", 1.0)], ""), [1.0, 0.5]),
            ("p", "A04", treatment(&[("b", 100.0)], ""), [1.0, -1.5]),
        ]);
        let targets = [
            treatment(&[("a", 1.0), ("b", 1.0)], ""),
            treatment(&[("a", 1.0), ("b", 10.0)], ""),
            treatment(&[("a", 1.0), ("c", 1.0)], ""),
            treatment(&[("a", 1.0)], ""),
        ];
        let predictions = additive(&screen, &screen.treatments(), &targets);
        assert_eq!(predictions.treatments, targets[..2]);
        assert_eq!(predictions.profiles.values(), [3.0, 0.5, 3.0, -0.5]);
    }
}
