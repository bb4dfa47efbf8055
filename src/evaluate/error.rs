//! Why a score could not be computed.

use crate::linear::PcaError;
use crate::load::LoadError;
use crate::normalize::NormalizeError;
use crate::predict::Method;
use crate::table::FileError;

/// Why a score could not be computed, written or read.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Two lists that go together differ in length.
    #[error("{left_name} has {left} entries but {right_name} has {right}; give one for each")]
    Length {
        /// What the first list is.
        left_name: &'static str,
        /// Its length.
        left: usize,
        /// What the second list is.
        right_name: &'static str,
        /// Its length.
        right: usize,
    },
    /// Two tables do not speak of the same features.
    #[error("profiles of `{method}` have {found} features, expected {expected}; score profiles of one screen")]
    FeatureCount {
        /// Whose profiles differ.
        method: Method,
        /// Their number of features.
        found: usize,
        /// The expected number.
        expected: usize,
    },
    /// A score is not a finite number.
    #[error("entry {index} of {name} is {value}, expected a finite number")]
    NotFinite {
        /// What the list is.
        name: &'static str,
        /// Position in the list, from 0.
        index: usize,
        /// The value found.
        value: f64,
    },
    /// There is nothing to average.
    #[error("no {what} to score; check which treatments were held out")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// A setting is out of its range.
    #[error("`{name}` is {found}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: f64,
        /// The range allowed.
        expected: &'static str,
    },
    /// The screen lacks a metadata column.
    #[error("screen `{screen}` has no label `{label}`; map it in the data set's card")]
    MissingLabel {
        /// Name of the screen.
        screen: String,
        /// The label asked for.
        label: String,
    },
    /// Features or latents without principal components.
    #[error(transparent)]
    Pca(#[from] PcaError),
    /// An embedding that cannot be whitened.
    #[error(transparent)]
    Normalize(#[from] NormalizeError),
    /// A file of responses that cannot be read, or does not fit the other.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file of scores that cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Fails unless both lists have one entry for each other's.
pub(super) fn expect_same_length(
    left_name: &'static str,
    left: usize,
    right_name: &'static str,
    right: usize,
) -> Result<(), EvaluateError> {
    if left == right { Ok(()) } else { Err(EvaluateError::Length { left_name, left, right_name, right }) }
}

/// Fails on the first value that is NaN or infinite.
pub(super) fn expect_finite(name: &'static str, values: &[f64]) -> Result<(), EvaluateError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(EvaluateError::NotFinite { name, index, value: values[index] }),
    }
}
