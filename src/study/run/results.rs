//! What a trained model leaves in the run folder: embeddings, answers with their scores, and the ranking.

use std::path::Path;

use super::Job;
use crate::answer::{Prepared, TrainedRun};
use crate::config::Config;
use crate::embed::{Embeddings, embed};
use crate::evaluate::{Answers, Evaluation};
use crate::run::{Artifact, RunDir};
use crate::study::answers::{self, Scope};
use crate::study::error::StudyError;
use crate::study::event::Event;
use crate::study::kind::Run;
use crate::study::reopen::{Also, heading};
use crate::table::write_json;

/// Embeddings, answers with their scores, and the ranking of a trained model.
pub(super) fn results(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    dir: &mut RunDir,
    job: Job<'_>,
) -> Result<(Answers, Evaluation), StudyError> {
    let folder = dir.path().to_owned();
    job.go_on("embeddings")?;
    dir.start_step("embed")?;
    job.tell(Event::Step("writing embeddings".into()));
    let run = Run { config, prepared, trained_run, device: job.device };
    let rows = write_embeddings(run, &folder)?;
    run.kind().keep_latents(prepared, &rows, &folder)?;
    job.go_on("scores")?;
    dir.start_step("evaluate")?;
    let trained = run.trained();
    let mut asked = trained.ask(Some(&rows), Scope::All, job.tell)?.unwrap_or_default();
    answers::write(&asked.answers, asked.methods.as_ref(), config.evaluate.part, &folder)?;
    trained.draw(&folder)?;
    let mut evaluation = asked.evaluation(config)?;
    write_evaluation(&evaluation, &folder)?;
    if !config.rank.target.is_empty() {
        job.go_on("the ranking")?;
        dir.start_step("rank")?;
        job.tell(Event::Step(format!("ranking toward {}", config.rank.target)));
        let (ranking, held) = trained.rank(None, heading(config, &evaluation), Also::default())?;
        ranking.write(&Artifact::Ranking.path_in(&folder))?;
        ranking.write(&Artifact::RankingCsv.path_in(&folder))?;
        if !held.is_empty() {
            asked.answers.held = held;
            evaluation = asked.evaluation(config)?;
            write_evaluation(&evaluation, &folder)?;
        }
    }
    Ok((asked.answers, evaluation))
}

/// Writes the embedding of every row, of wells where rows are crops, and of interventions; gives back the latents of the rows.
fn write_embeddings(run: Run<'_>, folder: &Path) -> Result<Embeddings, StudyError> {
    let Run { prepared, trained_run, device, .. } = run;
    let rows = embed(&trained_run.trained, &prepared.screen, device);
    let map = run.kind().embedding_map(prepared, &rows, trained_run.trained.config.latent)?;
    write_json(&Artifact::EmbeddingMap.path_in(folder), &map)?;
    let embedded = map.of(&rows)?;
    embedded.write(&Artifact::Embeddings.path_in(folder))?;
    let wells = run.kind().wells(&embedded);
    if let Some(wells) = &wells {
        wells.write(&Artifact::WellEmbeddings.path_in(folder))?;
    }
    let interventions = wells.as_ref().unwrap_or(&embedded).by_intervention();
    interventions.write(&Artifact::InterventionEmbeddings.path_in(folder))?;
    Ok(rows)
}

/// Writes scores, where there are some, and all that a page or a terminal shows of them.
pub(super) fn write_evaluation(evaluation: &Evaluation, folder: &Path) -> Result<(), StudyError> {
    if !evaluation.scores.rows.is_empty() {
        evaluation.scores.write(&Artifact::Scores.path_in(folder))?;
    }
    Ok(evaluation.write(&Artifact::Evaluation.path_in(folder))?)
}
