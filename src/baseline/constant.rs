//! Predictions that do not look at what was done: no change, and the mean of everything seen.

use std::collections::BTreeMap;

use super::consensus::{control_states, mean_shifts, predict_each};
use crate::predict::{Method, Predictions};
use crate::screen::{Screen, Treatment};

/// Every target looks like the controls of its context.
pub fn no_change(screen: &Screen, targets: &[Treatment]) -> Predictions {
    let controls = control_states(screen);
    predict_each(Method::NoChange, screen, targets, |target| controls.get(&target.context).cloned())
}

/// Every target looks like the mean of the training treatments in its context.
pub fn mean_shift(screen: &Screen, training: &BTreeMap<Treatment, Vec<usize>>, targets: &[Treatment]) -> Predictions {
    let shifts = mean_shifts(screen, training);
    predict_each(Method::MeanShift, screen, targets, |target| shifts.get(&target.context).cloned())
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    #[test]
    fn mean_shift_weighs_treatments_equally_and_stays_in_the_context() {
        let target = treatment(&[("t", 1.0)], "x");
        let a = treatment(&[("a", 1.0)], "x");
        let screen = screen(&[
            ("p", "A01", a.clone(), [0.0, 2.0]),
            ("p", "A02", a, [2.0, 4.0]),
            ("p", "A03", treatment(&[("b", 1.0)], "x"), [5.0, 5.0]),
            ("p", "A04", treatment(&[("b", 1.0)], "y"), [99.0, 99.0]),
            ("p", "A05", treatment(&[], "x"), [0.5, 0.25]),
        ]);
        let training = training(&screen, std::slice::from_ref(&target));
        let elsewhere = treatment(&[("t", 1.0)], "z");
        let targets = [target, elsewhere];
        assert_eq!(mean_shift(&screen, &training, &targets).profiles.values(), [3.0, 4.0]);
        assert_eq!(no_change(&screen, &targets).profiles.values(), [0.5, 0.25]);
    }
}
