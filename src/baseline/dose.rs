//! What neighboring doses of the same perturbations say.
//!
//! A *series* is the treatments with the same set of perturbations, duration and context; its members differ in dose.

use super::consensus::weighted_mean;
use super::{Fitted, Profiles};
use crate::pair::{interpolation_weights, nearest_weights, series_of};
use crate::predict::{Abstains, Method};
use crate::screen::Treatment;

/// The consensus of the nearest training dose on the log10 scale; of doses equally near, their mean.
///
/// For sets the distance is Euclidean over the members' log10 doses. Abstains from unseen series.
pub fn nearest_dose(profiles: &Profiles) -> Fitted<'_> {
    profiles.fitted(Method::NearestDose, |target| {
        let series = series_of(target, profiles.alike(target));
        mix(&nearest_weights(target, &series), profiles).ok_or(Abstains::NoDose)
    })
}

/// Linear interpolation in log10 dose between the neighboring training doses; beyond the last dose, the nearest one.
///
/// In a set one dose is varied at a time, the others being the target's own; where several members have such
/// neighbors, the interpolations are averaged, those with doses on both sides before the others. Abstains from unseen series.
pub fn interpolation(profiles: &Profiles) -> Fitted<'_> {
    profiles.fitted(Method::Interpolation, |target| {
        mix(&interpolation_weights(target, profiles.alike(target)), profiles).ok_or(Abstains::NoDose)
    })
}

/// The weighted mean of the named profiles.
pub(super) fn mix(weights: &[(&Treatment, f64)], profiles: &Profiles) -> Option<Vec<f32>> {
    let members: Vec<_> = weights.iter().map(|&(treatment, weight)| (&profiles.training[treatment], weight)).collect();
    weighted_mean(&members)
}

#[cfg(test)]
mod tests {
    use super::super::consensus::fixture::*;
    use super::*;
    use crate::pair::{DosePosition, Strata};

    #[test]
    fn interpolates_in_log_dose_and_holds_the_last_dose() {
        let rows: Vec<_> = [(0.1, 0.0), (1.0, 1.0), (100.0, 5.0)]
            .map(|(dose, value)| ("p", "A01", treatment(&[("a", dose)], ""), [value, -value]))
            .to_vec();
        let screen = screen(&rows);
        let training = screen.treatments();
        let profiles = Profiles::of(&screen, &training);
        let check = |dose: f64, nearest: f32, interpolated: f32, position| {
            let target = [treatment(&[("a", dose)], "")];
            assert_eq!(nearest_dose(&profiles).ask(&target).profiles.row(0), [nearest, -nearest], "{dose}");
            let row = interpolation(&profiles).ask(&target).profiles.row(0).to_vec();
            assert!((row[0] - interpolated).abs() < 1e-6 && (row[1] + interpolated).abs() < 1e-6, "{dose} {row:?}");
            assert_eq!(Strata::of(training.keys()).dose_position(&target[0]), position, "{dose}");
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
            assert_eq!(Strata::of(training.keys()).dose_position(&target), DosePosition::Unseen);
            let profiles = Profiles::of(&screen, &training);
            assert_eq!(
                interpolation(&profiles).ask(std::slice::from_ref(&target)).abstained,
                [(target, Abstains::NoDose)]
            );
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
        assert_eq!(Strata::of(training.keys()).dose_position(&target), DosePosition::Interior);
        let profiles = Profiles::of(&screen, &training);
        assert_eq!(interpolation(&profiles).ask(&[target]).profiles.values(), [2.0, 0.0]);
    }
}
