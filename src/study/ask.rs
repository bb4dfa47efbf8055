//! What a trained run is asked of held-out units: which questions, the screen decides.

use burn::tensor::Device;

use super::answers::Scope;
use super::error::StudyError;
use super::event::Event;
use crate::answer::{Asked, Lapse, Prepared, TrainedRun, methods, track_predictions, well_answers};
use crate::config::Config;
use crate::embed::{Embeddings, Level, embed};
use crate::evaluate::{Answers, embedding_scores, orders, treatment_scores};
use crate::pair::without_replicates;
use crate::predict::Starts;
use crate::screen::RowKind;
use crate::table::counted;
use crate::train::TrainedModel;

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
    match prepared.screen.row_kind() {
        RowKind::TrackWindow => {
            tell(Event::Step("predicting held-out tracks".into()));
            let found = track_predictions(config, prepared, trained_run, device)?;
            found.notes.into_iter().for_each(|note| tell(Event::Note(note)));
            let answers = Answers { tracks: found.tracks, ..Answers::default() };
            Ok(Some(Asked { answers, ..Asked::default() }))
        }
        RowKind::FollowedCrop => {
            tell(Event::Step("reading wells out of predictions".into()));
            let lapse = Lapse::new(prepared, trained_run, device)?;
            let (wells, weights) = lapse.readouts(config)?;
            weights.into_iter().for_each(|weights| tell(Event::Note(weights)));
            let answers = Answers { wells, ..Answers::default() };
            Ok(Some(Asked { answers, lapse: Some(lapse), ..Asked::default() }))
        }
        RowKind::Crop => {
            tell(Event::Step("scoring held-out wells".into()));
            match crops {
                Some(crops) => Ok(well_answers(config, prepared, trained_run, crops, device)?),
                None => {
                    let crops = embed(&trained_run.trained, &prepared.screen, Level::Cell, device);
                    Ok(well_answers(config, prepared, trained_run, &crops, device)?)
                }
            }
        }
        RowKind::Profile => {
            let test = prepared.treatments(config.evaluate.part);
            if test.is_empty() {
                return Ok(None);
            }
            tell(Event::Step(format!("scoring {}", counted(test.len(), "held-out treatment"))));
            let starts = Starts::of(&trained_run.trained, &prepared.screen, device);
            let found = methods(config, prepared, trained_run.model(&starts, device), &test)?;
            found.weights.iter().for_each(|weights| tell(Event::Note(weights.clone())));
            let (settings, screen, split) = (&config.evaluate, &prepared.screen, &prepared.split);
            let treatments = treatment_scores(settings, screen, split, found.all(), &test)?;
            let orders = orders(settings, screen, split, found.all(), &test)?;
            let embeddings = match scope {
                Scope::All => {
                    let trained = &trained_run.trained;
                    let latents = |trained: &TrainedModel| embed(trained, screen, Level::Well, device).latents;
                    let untrained = latents(&trained.untrained(config.train.seed, device));
                    embedding_scores(settings, screen, split, latents(trained), untrained, trained.config.latent)?
                }
                Scope::Predictions => Vec::new(),
            };
            let notes = without_replicates(screen).into_iter().collect();
            let answers = Answers { treatments, orders, embeddings, notes, ..Answers::default() };
            Ok(Some(Asked { answers, methods: Some(found), lapse: None }))
        }
    }
}
