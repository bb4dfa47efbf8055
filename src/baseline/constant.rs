//! Predictions that do not look at what was done: no change, and the mean of everything seen.

use super::{Fitted, Profiles};
use crate::predict::{Abstains, Method};

/// Every target looks like the controls of its context.
pub fn no_change(profiles: &Profiles) -> Fitted<'_> {
    profiles.fitted(Method::NoChange, |target| profiles.control(&target.context).cloned())
}

/// Every target looks like the mean of the training treatments in its context.
pub fn mean_shift(profiles: &Profiles) -> Fitted<'_> {
    let shifts = profiles.mean_shifts();
    profiles.fitted(Method::MeanShift, move |target| {
        let unknown = || Abstains::UnknownContext { context: target.context.clone() };
        shifts.get(&target.context).cloned().ok_or_else(unknown)
    })
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
        let profiles = Profiles::of(&screen, &training);
        assert_eq!(mean_shift(&profiles).ask(&targets).profiles.values(), [3.0, 4.0]);
        assert_eq!(no_change(&profiles).ask(&targets).profiles.values(), [0.5, 0.25]);
    }
}
