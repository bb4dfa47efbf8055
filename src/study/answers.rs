//! What a trained run is asked of held-out units: which questions, the screen decides.

use burn::tensor::Device;

use super::lapse::Lapse;
use super::trajectory::track_predictions;
use super::wells::well_answers;
use super::{Event, Methods, Prepared, StudyError, TrainedRun, methods, table};
use crate::config::Config;
use crate::embed::{Embeddings, Level, embed};
use crate::evaluate::{
    Answers, Evaluation, LABELS, READOUTS, ScoreRow, TRACKS, embedding_scores, label_table, readout_table,
    trajectory_table, treatment_scores,
};
use crate::predict::Starts;
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

/// Asks a trained run what there is to ask of its screen; `None` where nothing is held out.
///
/// `crops` are the latents of the rows, where they are there already.
///
/// # Errors
/// What predicting or scoring says.
pub(super) fn ask<'a>(
    config: &Config,
    prepared: &'a Prepared,
    trained_run: &'a TrainedRun,
    crops: Option<&Embeddings>,
    scope: Scope,
    device: &'a Device,
    tell: &dyn Fn(Event),
) -> Result<Option<Asked<'a>>, StudyError> {
    let design = &prepared.screen.design;
    let test = prepared.treatments(config.evaluate.part);
    if !design.schedules().is_empty() {
        tell(Event::Step("predicting held-out tracks".into()));
        let found = track_predictions(config, prepared, trained_run, device)?;
        tell(Event::Note(format!(
            "blend: the response of the neighboring doses and {:.2} of what the model says of their difference",
            found.blend_weight
        )));
        found.notes.into_iter().for_each(|note| tell(Event::Note(note)));
        let answers = Answers { tracks: found.tracks, ..Answers::default() };
        Ok(Some(Asked { answers, ..Asked::default() }))
    } else if !design.tracks().is_empty() {
        tell(Event::Step("reading wells out of predictions".into()));
        let lapse = Lapse::new(prepared, trained_run, device)?;
        let answers = Answers { wells: lapse.readouts(config)?, ..Answers::default() };
        Ok(Some(Asked { answers, lapse: Some(lapse), ..Asked::default() }))
    } else if prepared.is_of_crops() {
        tell(Event::Step("scoring held-out wells".into()));
        match crops {
            Some(crops) => well_answers(config, prepared, trained_run, crops, device),
            None => {
                let crops = embed(&trained_run.trained, &prepared.screen, Level::Cell, device);
                well_answers(config, prepared, trained_run, &crops, device)
            }
        }
    } else if test.is_empty() {
        Ok(None)
    } else {
        tell(Event::Step(format!("scoring {} held-out treatments", test.len())));
        let starts = Starts::of(&trained_run.trained, &prepared.screen, device);
        let found = methods(config, prepared, trained_run.model(&starts, device), &test)?;
        tell(Event::Note(format!(
            "blend: {:.2} of the model, {:.2} of {}, fitted on the validation treatments",
            found.rule.weight,
            1.0 - found.rule.weight,
            found.rule.partner
        )));
        let (settings, screen, split) = (&config.evaluate, &prepared.screen, &prepared.split);
        let treatments = treatment_scores(settings, screen, split, found.all(), &test)?;
        let of_embeddings = match scope {
            Scope::All => embedding_scores(settings, screen, split, &trained_run.trained, config.train.seed, device)?,
            Scope::Predictions => Vec::new(),
        };
        let answers = Answers { treatments, ..Answers::default() };
        Ok(Some(Asked { answers, of_embeddings, methods: Some(found), lapse: None }))
    }
}

/// Writes a table for each kind of answer that there is, in the run folder.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(answers: &Answers, methods: Option<&Methods>, folder: &std::path::Path) -> Result<(), StudyError> {
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

/// The tables that [`write`] wrote for what was evaluated, and that of the scores.
pub(super) fn artifacts(evaluation: &Evaluation) -> Vec<Artifact> {
    let mut artifacts = Vec::new();
    for row in &evaluation.scores.rows {
        artifacts.push(Artifact::Scores);
        artifacts.extend(match row.task.as_str() {
            TRACKS => Some(Artifact::Trajectories),
            READOUTS => Some(Artifact::Readouts),
            LABELS => Some(Artifact::Labels),
            _ => None,
        });
    }
    artifacts
}
