//! The methods that ask for nothing but profiles, together.

use super::{Profiles, additive, interpolation, mean_shift, nearest_dose, no_change};
use crate::predict::Predictions;
use crate::screen::Treatment;

impl Profiles {
    /// What every method says of `treatments` that asks for nothing but profiles, and that a handful of conditions allow.
    pub fn simple_predictions(&self, treatments: &[Treatment]) -> Vec<Predictions> {
        let fitted = [no_change(self), mean_shift(self), nearest_dose(self), interpolation(self), additive(self)];
        fitted.map(|fitted| fitted.ask(treatments)).into()
    }
}
