//! What is to be expected of a treatment before anything is learned: effects as sums of what is shared, in closed form.
//!
//! [`NoiseSpace`] is a space in which one well has noise of variance 1 in every direction. In it [`EffectModel`] takes the
//! effect of a treatment (its consensus less the control state of its context) for a sum of normal parts:
//!
//! ```text
//! effect = Σ over members ( response of the kind in the setting + own response of the perturbation at its dose )
//!          + what sets of its size share + what only this set does + noise / replicates
//! ```
//!
//! A *setting* is a context with a duration. The own response of a perturbation varies over settings as those of its kind do,
//! and over doses as a Wiener process in log dose that begins below the lowest one. Every variance is fitted to training
//! treatments; the posterior of any treatment follows in closed form, with its variance.
//! Without noise and with two doses that is interpolation, for a perturbation of another setting its effect there times a
//! fitted amplitude, for a set the sum of its members, and for a perturbation that nothing is known of the response of its
//! kind in the setting.

mod effects;
mod expectation;
mod fit;
mod noise_space;
mod process;
mod setting;
mod signal;
#[cfg(test)]
mod tests;

pub use effects::{EffectModel, Posterior};
pub use fit::Measured;
pub use noise_space::NoiseSpace;
pub use signal::SignalMap;
