//! Answers of a trained run, scored and written down.

use std::path::Path;

use super::error::StudyError;
use crate::answer::{Methods, prediction_table};
use crate::evaluate::{Answers, Predicted, label_table, readout_table, trajectory_table};
use crate::pair::Part;
use crate::run::Artifact;

/// Whether embeddings are scored too: that takes longer than all else and says nothing of predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Predictions and embeddings.
    All,
    /// What verdicts are about.
    Predictions,
}

/// Writes a table for each kind of answer that there is, on the units of `part`, in the run folder.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(answers: &Answers, methods: Option<&Methods>, part: Part, folder: &Path) -> Result<(), StudyError> {
    let mut tables = Vec::new();
    match &answers.predicted {
        Predicted::Tracks(tracks) if !tracks.is_empty() => {
            tables.push((Artifact::Trajectories, trajectory_table(tracks)));
        }
        Predicted::Wells(wells) if !wells.is_empty() => tables.push((Artifact::Readouts, readout_table(wells))),
        _ => {}
    }
    if !answers.labels.is_empty() {
        tables.push((Artifact::Labels, label_table(&answers.labels)));
    }
    if let Some(methods) = methods {
        let measured = methods.measured.iter().map(|(part, measured)| (Some(*part), measured));
        let all: Vec<_> = methods.all().map(|predictions| (Some(part), predictions)).chain(measured).collect();
        tables.push((Artifact::Predictions, prediction_table(&all)));
    }
    for (artifact, table) in tables {
        table.write(&artifact.path_in(folder))?;
    }
    Ok(())
}
