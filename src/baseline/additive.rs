//! The effect of a combination as the sum of its members' effects.

use super::{Fitted, Profiles};
use crate::pair::additive_weights;
use crate::predict::{Abstains, Method};

/// Control plus the sum of the members' single effects in the same context and for the same duration.
///
/// A single at a dose that was not measured is interpolated from its own ladder. Where members were never applied alone
/// but always with one common member (two correctors, each with the same agonist), the effects of the pairs are added and
/// the common member's own, which each of them holds, is counted once. Abstains from single perturbations and from sets
/// that neither way covers.
pub fn additive(profiles: &Profiles) -> Fitted<'_> {
    profiles.fitted(Method::Additive, move |target| {
        let control = profiles.control(&target.context)?;
        let effects = additive_weights(target, &profiles.within(target)).ok_or(Abstains::NoMembers)?;
        let of_control = 1.0 - effects.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut sum: Vec<f64> = control.iter().map(|&value| of_control * f64::from(value)).collect();
        for (treatment, weight) in effects {
            for (sum, &value) in sum.iter_mut().zip(&profiles.training[treatment]) {
                *sum += weight * f64::from(value);
            }
        }
        Ok(sum.into_iter().map(|value| value as f32).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;

    /// An agonist alone moves by 1, with either corrector by 3 and by 4: both correctors by 1 + 2 + 3.
    #[test]
    fn pairs_with_a_common_member_stand_in_for_singles() {
        let screen = screen(&[
            ("p", "A01", treatment(&[], ""), [10.0, 0.0]),
            ("p", "A02", treatment(&[("agonist", 1.0)], ""), [11.0, 0.0]),
            ("p", "A03", treatment(&[("agonist", 1.0), ("x", 3.0)], ""), [13.0, 0.0]),
            ("p", "A04", treatment(&[("agonist", 1.0), ("y", 3.0)], ""), [14.0, 1.0]),
        ]);
        let target = [treatment(&[("agonist", 1.0), ("x", 3.0), ("y", 3.0)], "")];
        let profiles = Profiles::of(&screen, &screen.treatments());
        assert_eq!(additive(&profiles).ask(&target).profiles.values(), [16.0, 1.0]);
        let unknown = [treatment(&[("agonist", 1.0), ("x", 3.0), ("z", 3.0)], "")];
        let [unknown] = unknown;
        assert_eq!(additive(&profiles).ask(std::slice::from_ref(&unknown)).abstained, [(unknown, Abstains::NoMembers)]);
    }

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
        let predictions = additive(&Profiles::of(&screen, &screen.treatments())).ask(&targets);
        assert_eq!(predictions.treatments, targets[..2]);
        assert_eq!(predictions.profiles.values(), [3.0, 0.5, 3.0, -0.5]);
    }
}
