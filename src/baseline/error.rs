//! Why a baseline could not be computed.

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
