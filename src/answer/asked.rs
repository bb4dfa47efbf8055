//! What came of asking a trained run.

use super::error::AnswerError;
use super::methods::Methods;
use crate::config::Config;
use crate::evaluate::{Answers, Evaluation};

/// Answers with what else came of asking.
#[derive(Default)]
pub struct Asked {
    /// What was answered of held-out units.
    pub answers: Answers,
    /// Predictions of held-out treatments.
    pub methods: Option<Methods>,
}

impl Asked {
    /// Scores, verdicts and notes.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn evaluation(&self, config: &Config) -> Result<Evaluation, AnswerError> {
        Ok(Evaluation::of(&config.evaluate, config.split.by, &self.answers)?)
    }
}
