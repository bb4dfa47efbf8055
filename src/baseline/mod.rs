//! What simple means say about held-out treatments: the bar that a learned model has to pass.
//!
//! Every method is fitted once, on [`Profiles`]: the consensus of training treatments and the control states of a *normalized*
//! screen. A [`Fitted`] method is asked of any treatment and returns [`Predictions`], with a row for each that it can say
//! something about and a reason for each that it abstains from.
//! A treatment's consensus is the mean of its replicate rows. Effects are differences from the control state of the
//! context: the mean of its negative-control rows, or the zero vector for a [`Reference::Relative`] screen.
//! Training rows may include a target's own rows; the methods then look the target up, so callers hold out first.
//!
//! [`Predictions`]: crate::predict::Predictions
//! [`Reference::Relative`]: crate::screen::Reference::Relative

mod additive;
mod consensus;
mod constant;
mod context;
mod denoised;
mod dose;
mod error;
mod features;
mod hold_out;
mod layout;
mod linear;
mod neighbors;
mod prior;
mod response;
mod simple;
mod stack;
mod whitened;

pub use additive::additive;
pub use consensus::{Fitted, Profiles, Rows, control_states, measured};
pub use constant::{mean_shift, no_change};
pub use context::{from_context, other_context};
pub use denoised::denoised_interpolation;
pub use dose::{interpolation, nearest_dose};
pub use error::BaselineError;
use features::InterventionFeatures;
pub use hold_out::{HoldOut, MOST_UNITS, hold_outs, with_series};
pub use layout::{batch_only, cell_count_only, well_position};
pub use linear::ridge;
pub use neighbors::{Similarity, knn};
pub use prior::{FittedPrior, prior};
pub use response::{Mean, MeanResponse, Responses, TrackValues, halves, replicate_tracks};
pub use stack::{Basis, Mixture, Stack, Trial};
pub use whitened::Whitened;
