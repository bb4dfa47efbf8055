//! Transitions and a model to a trained model: the loop, its optimizer, its diagnostics and its interruptions.

mod chance;
mod diagnostics;
mod latents;
mod member;
mod optimizer;
mod state;
mod stop;
mod trained;

use std::path::PathBuf;

pub use chance::{Purpose, stream};
pub use diagnostics::{Diagnostics, Health};
pub use latents::Latents;
pub(crate) use latents::mean;
pub use member::{Losses, MemberOutcome, Progress, TrainingData, one_step, train_member};
pub use optimizer::{Optimizer, learning_rate};
use serde::{Deserialize, Serialize};
pub use stop::Stop;
pub use trained::{Memory, TrainedModel};

use crate::loss::SigregConfig;
use crate::model::{EncoderError, ParameterError};
use crate::run::RunError;

/// Settings of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// The run folder whose members' weights this one starts from; `None` starts from random weights.
    pub from: Option<PathBuf>,
    /// Seed of every random draw; members of the ensemble derive theirs from it.
    pub seed: u64,
    /// Models trained from different seeds, whose predictions are averaged and whose spread is reported.
    pub members: usize,
    /// Optimizer steps.
    pub steps: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps over which the learning rate rises linearly; after it falls as a cosine to zero.
    pub warmup: f64,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f64,
    /// Largest global gradient norm.
    pub clip: f64,
    /// Parts a batch is computed in; the gradient is that of the whole batch. Needs `model.projector.norm = "layer"`.
    pub micro_batches: usize,
    /// Steps between readings of the losses.
    pub log_every: usize,
    /// Steps between evaluations on the validation treatments.
    pub evaluate_every: usize,
    /// Evaluations without improvement after which training stops; 0 runs all steps and keeps the last weights.
    pub patience: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: usize,
    /// The loss that keeps latents from collapsing.
    pub sigreg: SigregConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            from: None,
            seed: 1,
            members: 3,
            steps: 600,
            learning_rate: 2e-3,
            warmup: 0.05,
            weight_decay: 1e-3,
            clip: 1.0,
            micro_batches: 1,
            log_every: 20,
            evaluate_every: 50,
            patience: 0,
            checkpoint_every: 100,
            sigreg: SigregConfig::default(),
        }
    }
}

/// What stops training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A loss that is no number.
    #[error(
        "member {member}, step {step}: the {loss} loss is {value}; lower train.learning_rate (now {learning_rate}), or look for extreme feature values (`cytonaut inspect`) and clip them with normalize.compress"
    )]
    Diverged {
        /// Ensemble member.
        member: usize,
        /// Step at which it was seen.
        step: usize,
        /// Which of the two losses.
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
