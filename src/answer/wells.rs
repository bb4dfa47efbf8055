//! An image screen without a time lapse at the level of its wells, which are means over their crops.
//!
//! Pixels are no profile: nothing is decoded to them, and predictions are compared where the model makes them, in its own
//! latents. The latents of a well take the place of its features, so that all that is asked of profiles is asked of them.

use burn::tensor::Device;

use super::asked::Asked;
use super::combined::Combination;
use super::error::AnswerError;
use super::methods::methods;
use super::prepared::{Prepared, SharedFits};
use super::spaces::spaces;
use super::trained_run::TrainedRun;
use crate::config::Config;
use crate::embed::Embeddings;
use crate::evaluate::{Answers, Predicted, guesses, orders, treatment_scores, well_embedding_scores};
use crate::pair::PairSet;
use crate::predict::Starts;
use crate::train::Latents;

/// The wells of a screen of crops with their latents.
pub struct LatentWells {
    /// One row for each well; its features are its latents, members side by side.
    pub prepared: Prepared,
    /// Where predictions start: the latents of control wells.
    starts: Starts<'static>,
}

impl LatentWells {
    /// Averages the latents of `crops`, the rows of `prepared`.
    ///
    /// # Errors
    /// When nothing is left to train on.
    pub fn new(
        config: &Config,
        prepared: &Prepared,
        trained_run: &TrainedRun,
        crops: &Embeddings,
    ) -> Result<Self, AnswerError> {
        let first_rows: Vec<usize> = prepared.screen.wells().iter().map(|rows| rows[0]).collect();
        let mut screen = crops.by_well().as_screen(&prepared.screen.name, prepared.screen.design.clone());
        screen.origin.columns = prepared.screen.origin.columns.clone();
        let split = prepared.split.select(&first_rows);
        let trained = &trained_run.trained;
        let latents_of =
            |rows: &[usize]| Latents::new(trained.members.len(), trained.config.latent, screen.features.gather(rows));
        let starts = Starts::by(trained, &screen, latents_of);
        let prepared = Prepared {
            pairs: PairSet::new(&screen, &split, &config.pair)?,
            screen,
            split,
            normalizer: prepared.normalizer.clone(),
            vocabulary: prepared.vocabulary.clone(),
            descriptors: prepared.descriptors.clone(),
            fits: SharedFits::default(),
        };
        Ok(Self { prepared, starts })
    }
}

/// What is said under the scores of predictions.
const IN_LATENTS: &str = "predictions of wells are compared in the model's own latents: errors compare the methods \
                          of one run, never two runs";

/// Answers of the wells of `config.evaluate.part`: their labels by their neighbors, and predictions of their latents; with
/// the scores of latents as an embedding. `None` where no well is held out.
///
/// # Errors
/// When a label is unknown, or fitting fails.
pub fn well_answers(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    crops: &Embeddings,
    device: &Device,
) -> Result<Option<Asked>, AnswerError> {
    let wells = LatentWells::new(config, prepared, trained_run, crops)?;
    let (settings, screen, split) = (&config.evaluate, &wells.prepared.screen, &wells.prepared.split);
    if split.rows(settings.part).is_empty() {
        return Ok(None);
    }
    let targets = wells.prepared.treatments(settings.part);
    let mut answers = Answers::default();
    let methods = match targets.is_empty() {
        true => None,
        false => {
            let (model, known) = (trained_run.model(&wells.starts, device), Combination::default());
            Some(methods(config, &wells.prepared, model, &known, &targets)?)
        }
    };
    if let Some(methods) = &methods {
        let scores = treatment_scores(settings, screen, split, methods.all(), &targets)?;
        answers.predicted = Predicted::Treatments(scores);
        answers.orders = orders(settings, screen, split, methods.all(), &targets)?;
        answers.notes.push(IN_LATENTS.to_owned());
    }
    let spaces = spaces(config, prepared, trained_run, &wells.prepared, device)?;
    answers.labels = guesses(settings, screen, split, config.split.fold, &spaces)?;
    answers.embeddings = well_embedding_scores(settings, screen, split, &spaces)?;
    Ok(Some(Asked { answers, methods }))
}
