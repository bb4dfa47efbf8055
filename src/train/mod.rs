//! Transitions and a model to a trained model: the loop, its optimizer, its diagnostics and its interruptions.

mod chance;
mod config;
mod diagnostics;
mod ensemble;
mod latents;
mod learner;
mod log;
mod member;
mod memory;
mod objective;
mod optimizer;
mod progress;
mod recipe;
mod state;
mod stop;
mod trained;

use std::path::PathBuf;

pub use chance::{Purpose, stream};
pub use config::TrainConfig;
pub use diagnostics::{Diagnostics, Health, LEAST_ACTION_GAP, LEAST_RANK_SHARE, Shape};
pub use ensemble::{Members, checkpoint_steps, train_ensemble};
pub use latents::Latents;
pub(crate) use latents::mean;
pub use learner::Learner;
pub use log::TrainingLog;
pub use member::train_member;
pub use memory::Memory;
pub use objective::{EmaConfig, Losses, Objective, ObjectiveKind};
pub use optimizer::{Optimizer, learning_rate};
pub use progress::{MemberOutcome, Progress};
pub use recipe::{Beginning, Recipe, Surroundings, TrainingData};
pub use stop::Stop;
pub use trained::TrainedModel;

use crate::model::{EncoderError, ParameterError};
use crate::run::RunError;

/// What stops training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A loss that is not a number.
    #[error(
        "member {member}, step {step}: the {loss} loss is {value}; lower train.learning_rate (now {learning_rate}), or look for extreme feature values (`cytonaut inspect`) and clip them with normalize.compress"
    )]
    Diverged {
        /// Ensemble member.
        member: usize,
        /// Step at which it was seen.
        step: usize,
        /// Which term of the loss.
        loss: &'static str,
        /// Its value.
        value: f64,
        /// The peak learning rate.
        learning_rate: f64,
    },
    /// Micro-batches with a batch norm.
    #[error(
        "train.micro_batches = {parts} needs model.projector.norm = \"layer\": batch norm couples all rows of a batch, and in parts it would see other statistics"
    )]
    MicroBatchNorm {
        /// The number asked for.
        parts: usize,
    },
    /// A request to stop, after the step was finished and saved.
    #[error("stopped at step {step} of member {member}")]
    Stopped {
        /// Ensemble member.
        member: usize,
        /// Steps that are done.
        step: usize,
    },
    /// A checkpoint, by its file.
    #[error("{}: {source}", path.display())]
    OfFile {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<TrainError>,
    },
    /// A checkpoint that lacks something.
    #[error("the checkpoint is damaged: {problem}; copy the file again, or delete it and run `cytonaut run` again")]
    Damaged {
        /// What is missing or wrong.
        problem: String,
    },
    /// A checkpoint that is not of this model.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// Observations that the encoder cannot read.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl TrainError {
    fn damaged(problem: impl Into<String>) -> Self {
        Self::Damaged { problem: problem.into() }
    }
}

#[cfg(test)]
mod tests;
