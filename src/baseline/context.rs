//! The same intervention, looked up in another context.

use std::collections::BTreeMap;

use super::consensus::{consensus, control_states, predict_each, shifted, weighted_mean};
use crate::predict::{Method, Predictions};
use crate::screen::{Screen, Treatment};

/// The mean effect of the same intervention over all other contexts in training, on the target context's controls.
///
/// Contexts count equally. Abstains where the intervention was seen in no other context.
pub fn other_context(
    screen: &Screen,
    training: &BTreeMap<Treatment, Vec<usize>>,
    targets: &[Treatment],
) -> Predictions {
    look_up(Method::OtherContext, screen, training, targets, |context, target| context != target)
}

/// The effect of the same intervention in `context`, on the target context's controls; the method is `from:CONTEXT`.
///
/// Abstains from targets of `context` itself and from interventions that were not seen there.
pub fn from_context(
    screen: &Screen,
    training: &BTreeMap<Treatment, Vec<usize>>,
    targets: &[Treatment],
    context: &str,
) -> Predictions {
    look_up(Method::FromContext(context.to_owned()), screen, training, targets, |candidate, target| {
        candidate == context && candidate != target
    })
}

fn look_up(
    method: Method,
    screen: &Screen,
    training: &BTreeMap<Treatment, Vec<usize>>,
    targets: &[Treatment],
    is_source: impl Fn(&str, &str) -> bool + Sync,
) -> Predictions {
    let controls = control_states(screen);
    let profiles = consensus(screen, training);
    predict_each(method, screen, targets, |target| {
        let own_control = controls.get(&target.context)?;
        let moved: Vec<_> = profiles
            .iter()
            .filter(|(source, _)| {
                source.intervention == target.intervention && is_source(&source.context, &target.context)
            })
            .filter_map(|(source, profile)| {
                Some((shifted(own_control, 1.0, profile, controls.get(&source.context)?), 1.0))
            })
            .collect();
        weighted_mean(&moved)
    })
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    #[test]
    fn carries_the_effect_over_and_abstains_from_the_target_context() {
        let screen = screen(&[
            ("p", "A01", treatment(&[], "x"), [1.0, 1.0]),
            ("q", "A01", treatment(&[], "y"), [0.0, 0.0]),
            ("r", "A01", treatment(&[], "z"), [0.0, 2.0]),
            ("q", "A02", treatment(&[("a", 1.0)], "y"), [2.0, 0.0]),
            ("r", "A02", treatment(&[("a", 1.0)], "z"), [4.0, 4.0]),
        ]);
        let target = [treatment(&[("a", 1.0)], "x")];
        let training = screen.treatments();
        assert_eq!(other_context(&screen, &training, &target).profiles.values(), [4.0, 2.0]);
        let single = from_context(&screen, &training, &target, "z");
        assert_eq!(single.method.word(), "from:z");
        assert_eq!(single.profiles.values(), [5.0, 3.0]);
        assert!(from_context(&screen, &training, &target, "x").treatments.is_empty());
    }
}
