//! The same intervention, looked up in another context.

use super::consensus::{shifted, weighted_mean};
use super::{Fitted, Profiles};
use crate::predict::{Abstains, Method};

/// The mean effect of the same intervention over all other contexts in training, on the target context's controls.
///
/// Contexts count equally. Abstains where the intervention was seen in no other context.
pub fn other_context(profiles: &Profiles) -> Fitted<'_> {
    look_up(Method::OtherContext, profiles, |context, target| context != target)
}

/// The effect of the same intervention in `context`, on the target context's controls; the method is `from:CONTEXT`.
///
/// Abstains from targets of `context` itself and from interventions that were not seen there.
pub fn from_context<'a>(profiles: &'a Profiles, context: &str) -> Fitted<'a> {
    let context = context.to_owned();
    look_up(Method::FromContext(context.clone()), profiles, move |candidate, target| {
        candidate == context && candidate != target
    })
}

fn look_up<'a>(
    method: Method,
    profiles: &'a Profiles,
    is_source: impl Fn(&str, &str) -> bool + Send + Sync + 'a,
) -> Fitted<'a> {
    profiles.fitted(method, move |target| {
        let own_control = profiles.control(&target.context)?;
        let moved: Vec<_> = profiles
            .training
            .iter()
            .filter(|(source, _)| {
                source.intervention == target.intervention && is_source(&source.context, &target.context)
            })
            .filter_map(|(source, profile)| {
                Some((shifted(own_control, 1.0, profile, profiles.control(&source.context).ok()?), 1.0))
            })
            .collect();
        weighted_mean(&moved).ok_or(Abstains::NoOtherContext)
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
        let profiles = Profiles::of(&screen, &screen.treatments());
        assert_eq!(other_context(&profiles).ask(&target).profiles.values(), [4.0, 2.0]);
        let single = from_context(&profiles, "z").ask(&target);
        assert_eq!(single.method.word(), "from:z");
        assert_eq!(single.profiles.values(), [5.0, 3.0]);
        let own = from_context(&profiles, "x").ask(&target);
        assert_eq!(own.abstained, [(target[0].clone(), Abstains::NoOtherContext)]);
    }
}
