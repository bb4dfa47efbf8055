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
mod blend;
mod consensus;
mod constant;
mod context;
mod denoised;
mod dose;
mod features;
mod layout;
mod linear;
mod neighbors;
mod response;
mod simple;

pub use additive::additive;
pub use blend::{BlendRule, blend, share_of, toward_prior};
pub use consensus::{Fitted, Profiles, Rows, control_states, measured};
pub use constant::{mean_shift, no_change};
pub use context::{from_context, other_context};
pub use denoised::{PcaGrid, PcaInterpolation, choose_pca_interpolation, pca_interpolation};
pub use dose::{dose_position, interpolation, nearest_dose};
use features::InterventionFeatures;
pub use layout::{batch_only, cell_count_only, well_position};
pub use linear::ridge;
pub use neighbors::{Similarity, knn};
pub use response::{Mean, MeanResponse, Responses, TrackValues, halves, replicate_tracks};

use crate::linear::{PcaError, RidgeError};
use crate::predict::Method;

/// Why a baseline could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BaselineError {
    /// Descriptors of two perturbations have different lengths.
    #[error(
        "descriptor of `{perturbation}` has {found} values, expected {expected} as for the others; \
         give every perturbation a descriptor of the same length"
    )]
    DescriptorLength {
        /// Whose descriptor differs.
        perturbation: String,
        /// Its length.
        found: usize,
        /// Length of the first descriptor in the order of the names.
        expected: usize,
    },
    /// Two sets of predictions do not speak of the same features.
    #[error("predictions of `{method}` have {found} features, expected {expected}; predict both from one screen")]
    FeatureCount {
        /// Whose predictions differ.
        method: Method,
        /// Their number of features.
        found: usize,
        /// Number of features of the other predictions.
        expected: usize,
    },
    /// The ridge could not be fitted.
    #[error(transparent)]
    Ridge(#[from] RidgeError),
    /// The training profiles have no principal components.
    #[error(transparent)]
    Pca(#[from] PcaError),
}
