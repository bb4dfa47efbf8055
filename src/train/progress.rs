//! What a training run tells while it goes, and what is left of it.

use super::diagnostics::Health;
use crate::model::WorldModel;

/// What a training run tells while it goes.
#[derive(Debug, Clone)]
pub enum Progress {
    /// A step is done.
    Step {
        /// Ensemble member.
        member: usize,
        /// Step just done.
        step: usize,
    },
    /// Losses at a step.
    Losses {
        /// Ensemble member.
        member: usize,
        /// Step just done.
        step: usize,
        /// Names and values.
        values: Vec<(&'static str, f64)>,
    },
    /// Diagnostics at a step.
    Evaluation {
        /// Ensemble member.
        member: usize,
        /// Step just done.
        step: usize,
        /// Names and values.
        values: Vec<(&'static str, f64)>,
        /// The same in words.
        health: Health,
    },
}

/// A trained member.
#[derive(Debug)]
pub struct MemberOutcome {
    /// The model, off the autodiff device.
    pub model: WorldModel,
    /// Step whose weights it has.
    pub step: usize,
    /// Error on the validation treatments relative to no change; `None` without validation treatments.
    pub validation_error: Option<f64>,
    /// Its state at the end, in words.
    pub health: Health,
}
