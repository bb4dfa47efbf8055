//! Answers of a trained run, scored and written down.

use std::path::Path;

use super::error::StudyError;
use super::lapse::Lapse;
use super::methods::Methods;
use super::table;
use crate::config::Config;
use crate::evaluate::{Answers, Evaluation, ScoreRow, label_table, readout_table, trajectory_table};
use crate::run::Artifact;

/// Whether embeddings are scored too: that takes longer than all else and says nothing of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Predictions and embeddings.
    All,
    /// What verdicts are about.
    Predictions,
}

/// Answers with what else came of asking.
#[derive(Default)]
pub(super) struct Asked<'a> {
    pub answers: Answers,
    /// Scores of latents as an embedding; they are of one model, and folds are not pooled.
    pub of_embeddings: Vec<ScoreRow>,
    /// Predictions of held-out treatments.
    pub methods: Option<Methods>,
    /// The time lapse that was read out.
    pub lapse: Option<Lapse<'a>>,
}

impl Asked<'_> {
    /// Scores, verdicts and notes.
    ///
    /// # Errors
    /// When a score is not finite.
    pub fn evaluation(&self, config: &Config) -> Result<Evaluation, StudyError> {
        Ok(Evaluation::of(&config.evaluate, config.split.by, &self.answers)?.with_scores(self.of_embeddings.clone()))
    }
}

/// Writes a table for each kind of answer that there is, in the run folder.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(answers: &Answers, methods: Option<&Methods>, folder: &Path) -> Result<(), StudyError> {
    let mut tables = Vec::new();
    if !answers.tracks.is_empty() {
        tables.push((Artifact::Trajectories, trajectory_table(&answers.tracks)));
    }
    if !answers.wells.is_empty() {
        tables.push((Artifact::Readouts, readout_table(&answers.wells)));
    }
    if !answers.labels.is_empty() {
        tables.push((Artifact::Labels, label_table(&answers.labels)));
    }
    if let Some(methods) = methods {
        tables.push((Artifact::Predictions, table::predictions(methods)));
    }
    for (artifact, table) in tables {
        table.write_parquet(&artifact.path_in(folder))?;
    }
    Ok(())
}
