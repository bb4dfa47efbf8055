//! The hierarchical model of effects as a method.

use std::collections::BTreeMap;

use super::{BaselineError, Fitted, Profiles, Whitened};
use crate::predict::{Abstains, Method};
use crate::prior::{EffectModel, Measured};
use crate::screen::Screen;

/// The hierarchical model of effects as it is fitted to training treatments, with the states that effects are added to.
pub struct FittedPrior {
    /// The control state of each context, in whitened coordinates.
    controls: BTreeMap<String, Vec<f64>>,
    model: EffectModel,
}

impl FittedPrior {
    /// `None` where no single perturbation is in training, or sets link too many treatments ([`EffectModel::fit`]).
    ///
    /// # Errors
    /// When a control state is not finite.
    pub fn of(profiles: &Profiles, screen: &Screen, whitened: &Whitened) -> Result<Option<Self>, BaselineError> {
        let contexts = profiles.training.keys().map(|treatment| &treatment.context);
        let mut controls = BTreeMap::<String, Vec<f64>>::new();
        for context in contexts.chain(screen.units.by_row().map(|unit| &unit.context)) {
            if let (false, Ok(control)) = (controls.contains_key(context), profiles.control(context)) {
                let coordinates = whitened.coordinates(profiles, &[control])?;
                controls.insert(context.clone(), coordinates.row(0).iter().copied().collect());
            }
        }
        let measured = whitened.treatments.iter().filter_map(|(treatment, (consensus, noise))| {
            let control = controls.get(&treatment.context)?;
            let effect = consensus.iter().zip(control).map(|(value, control)| value - control).collect();
            Some((treatment.clone(), Measured { effect, noise: *noise }))
        });
        Ok(EffectModel::fit(&measured.collect()).map(|model| Self { controls, model }))
    }
}

/// Control plus the effect that [`EffectModel`] expects.
///
/// Abstains in contexts without a control state, and from perturbations of a kind that training does not hold alone.
pub fn prior<'a>(profiles: &'a Profiles, whitened: &'a Whitened, fitted: &'a FittedPrior) -> Fitted<'a> {
    let FittedPrior { controls, model } = fitted;
    profiles.fitted(Method::Prior, move |target| {
        profiles.control(&target.context)?;
        let control = controls.get(&target.context).ok_or(Abstains::NoControl { context: target.context.clone() })?;
        let expected = model.expected(target).ok_or(Abstains::NoMembers)?;
        let coordinates: Vec<f64> = control.iter().zip(&expected).map(|(control, effect)| control + effect).collect();
        Ok(whitened.space.rebuild(&coordinates))
    })
}
