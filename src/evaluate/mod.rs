//! Scores of embeddings and predictions, beside baselines and the replicate ceiling, with intervals.
//!
//! Plain numbers in, plain numbers out. Truth is the measured consensus of held-out treatments
//! ([`baseline::measured`](crate::baseline::measured)); a method is scored on the treatments that it and the truth share.
//! The independent unit of every interval is the perturbation, not the well.

mod accuracy;
mod average_precision;
mod bootstrap;
mod ceiling;
mod config;
mod conformal;
mod correlation;
mod embeddings;
mod evaluation;
mod labels;
mod moa;
mod neighbors;
mod number;
mod readout;
mod replicate_map;
mod retrieval;
mod scores;
mod significance;
mod summary;
mod tracks;
mod trajectory;
mod treatments;
mod trust;
mod verdict;
mod wells;

pub use accuracy::{Origins, TreatmentAccuracy, accuracy};
pub use average_precision::{average_precision, expected_average_precision, random_order_p_value};
pub use bootstrap::{Bootstrap, Claim, Estimate, MIN_UNITS, PairedDifference, UnitDifference};
pub use ceiling::{ReplicateCeiling, replicate_ceiling, split_halves};
pub use config::EvaluateConfig;
pub use conformal::{ConformalRadius, Coverage, conformal_radius, coverage_over_splits};
pub use correlation::{pearson, spearman};
pub use embeddings::{embedding_scores, well_embedding_scores};
pub use evaluation::{Answers, Evaluation};
pub use labels::{LATENTS, LabelGuess, Space, guesses, label_table};
pub use moa::{Exclude, MoaAccuracy, MoaVector, moa_accuracy, moa_vectors};
pub use neighbors::{DRAWS, Guess, RelabelingPValue, nearest_labels, relabeling_p_value};
pub use readout::{ReadoutScore, readout_scores};
pub use replicate_map::{MapSettings, Negatives, ReplicateMap, ReplicateMaps, Unscored, replicate_map};
pub use retrieval::{Distance, Retrieval, RetrievalRank, retrieval};
pub use scores::{ScoreRow, Scores};
pub use significance::benjamini_hochberg;
pub use tracks::{TrackPrediction, trajectory_table};
pub use trajectory::{FieldSums, TRAJECTORY_METRICS, TrajectoryScore, trajectory_scores};
pub use treatments::{TreatmentScore, treatment_scores};
pub use trust::{Intervals, verdict_sentence};
pub use verdict::{Direction, MethodScores, Verdict, verdict};
pub use wells::{WellReadout, readout_table};

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
    /// An embedding that cannot be whitened.
    #[error(transparent)]
    Normalize(#[from] NormalizeError),
    /// A file of scores that cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Fails unless both lists have one entry for each other's.
fn expect_same_length(
    left_name: &'static str,
    left: usize,
    right_name: &'static str,
    right: usize,
) -> Result<(), EvaluateError> {
    if left == right { Ok(()) } else { Err(EvaluateError::Length { left_name, left, right_name, right }) }
}

/// Fails on the first value that is NaN or infinite.
fn expect_finite(name: &'static str, values: &[f64]) -> Result<(), EvaluateError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(EvaluateError::NotFinite { name, index, value: values[index] }),
    }
}
