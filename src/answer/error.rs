//! Why there is no answer.

use crate::baseline::BaselineError;
use crate::evaluate::EvaluateError;
use crate::linear::{PcaError, RidgeError};
use crate::normalize::NormalizeError;
use crate::pair::PairError;
use crate::plan::PlanError;
use crate::predict::PredictError;
use crate::run::RunError;
use crate::table::FileError;
use crate::train::TrainError;

/// The error of the room in which answering stopped.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is the room's own error")]
pub enum AnswerError {
    #[error(transparent)]
    Normalize(#[from] NormalizeError),
    #[error(transparent)]
    Pair(#[from] PairError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Predict(#[from] PredictError),
    #[error(transparent)]
    Pca(#[from] PcaError),
    #[error(transparent)]
    Ridge(#[from] RidgeError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(
        "wells of images are scored next to what their pixels show without a model, and a run folder holds no pixels; repeat the `cytonaut run` that made it where the images are"
    )]
    NoPixels,
}
