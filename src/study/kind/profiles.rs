//! Tables of profiles: treatments are predicted, by the model and by simple methods, and compared in their features.

use std::collections::BTreeMap;

use super::{JudgeSimple, Kind, Run, Trained};
use crate::answer::{Asked, Combination, SimpleMethods, methods};
use crate::baseline::{Rows, control_states, measured};
use crate::embed::{EmbeddingMap, Embeddings, Level, embed};
use crate::evaluate::{
    Activity, ActivitySpace, Answers, Judged, Predicted, embedding_scores, orders, treatment_scores,
};
use crate::normalize::RawUnits;
use crate::pair::{Part, Place, Split, without_replicates};
use crate::plan::{FeatureRanking, Moves, Noise, PlanError, rows_of_target, why_abstained};
use crate::predict::{Method, Predictions, Predictor, Starts};
use crate::screen::{Screen, Treatment};
use crate::study::answers::Scope;
use crate::study::by_feature::{AskedFeature, FeatureValue, Said, valued};
use crate::study::by_number::{by_number, numbers_of};
use crate::study::compare::judge::{PARTS, judged, simple_methods};
use crate::study::error::StudyError;
use crate::study::event::Event;
use crate::study::explain::AskedMoves;
use crate::study::refuse::{Wanted, refuse_aligned_cells};
use crate::study::who::{Answerer, Fit};
use crate::table::counted;
use crate::train::TrainedModel;

pub(super) struct Profiles;

impl Kind for Profiles {
    /// All can be asked but latents that there are none of.
    fn refuse(&self, wanted: Wanted<'_>) -> Result<(), StudyError> {
        let Wanted::Latents { level, tvn } = wanted else { return Ok(()) };
        if matches!(level, Level::Cell | Level::Site) {
            return Err(StudyError::Latents(
                "this run has one observation for each well; ask for `well` or `intervention`",
            ));
        }
        refuse_aligned_cells(level, tvn)
    }

    /// Those of a treatment.
    fn parts_of_training(&self, screen: &Screen, split: &Split) -> Vec<Vec<usize>> {
        split.treatments(screen, Part::Train).into_values().collect()
    }

    fn judge_simple(&self) -> Option<JudgeSimple> {
        Some(simple_methods)
    }

    fn trained<'a>(&self, run: Run<'a>) -> Box<dyn Trained + 'a> {
        Box::new(TrainedProfiles(run))
    }
}

struct TrainedProfiles<'a>(Run<'a>);

impl Trained for TrainedProfiles<'_> {
    fn run(&self) -> Run<'_> {
        self.0
    }

    fn ask(&self, _rows: Option<&Embeddings>, scope: Scope, tell: &dyn Fn(Event)) -> Result<Option<Asked>, StudyError> {
        let Run { config, prepared, trained_run, device } = self.0;
        let test = prepared.treatments(config.evaluate.part);
        if test.is_empty() {
            return Ok(None);
        }
        tell(Event::Step(format!("scoring {}", counted(test.len(), "held-out treatment"))));
        let starts = Starts::of(&trained_run.trained, &prepared.screen, device);
        let found = methods(config, prepared, trained_run.model(&starts, device), &trained_run.combination, &test)?;
        found.weights.iter().for_each(|weights| tell(Event::Note(weights.clone())));
        let (settings, screen, split) = (&config.evaluate, &prepared.screen, &prepared.split);
        let treatments = treatment_scores(settings, screen, split, found.all(), &test)?;
        let orders = orders(settings, screen, split, found.all(), &test)?;
        let embeddings = match scope {
            Scope::All => {
                let trained = &trained_run.trained;
                let latents = |trained: &TrainedModel| embed(trained, screen, device).latents;
                let untrained = latents(&trained.untrained(config.train.seed, device));
                embedding_scores(settings, screen, split, latents(trained), untrained, trained.config.latent)?
            }
            Scope::Predictions => Vec::new(),
        };
        let predicted = Predicted::Treatments(treatments);
        let notes = without_replicates(screen).into_iter().collect();
        let answers = Answers { predicted, orders, embeddings, notes, ..Answers::default() };
        Ok(Some(Asked { answers, methods: Some(found) }))
    }

    fn weights(&self) -> Result<Combination, StudyError> {
        let Run { config, prepared, trained_run, device } = self.0;
        let simple = SimpleMethods::of(config, prepared);
        let held_out = [Part::Calibration, Part::Test].map(|part| prepared.treatments(part));
        let mut places = simple.places(held_out.iter().flat_map(BTreeMap::keys));
        // In use, they are asked about what was measured too.
        places.insert(Place::Measured);
        let starts = Starts::of(&trained_run.trained, &prepared.screen, device);
        Ok(simple.combination(&trained_run.combination, &trained_run.model(&starts, device), &places)?)
    }

    fn activity(&self, other: Option<&Screen>, _map: &EmbeddingMap) -> Result<Activity, StudyError> {
        Ok(Activity::of(other.unwrap_or(&self.0.prepared.screen), ActivitySpace::Features)?)
    }

    /// A feature, or a number that was measured beside the features.
    fn feature(&self, asked: &AskedFeature<'_>, ranking: &mut FeatureRanking) -> Result<Vec<FeatureValue>, StudyError> {
        let Run { config, prepared, trained_run, .. } = self.0;
        let AskedFeature { feature, other, screen, candidates } = *asked;
        let Some(place) = screen.features.names().iter().position(|name| name == feature) else {
            let names = || [screen.features.names().to_vec(), numbers_of(screen)].concat();
            return by_number(self.0, asked, ranking)?.ok_or_else(|| PlanError::feature(feature, &names()).into());
        };
        let units = trained_run.normalizer.raw_units(screen)?;
        if units.is_none() {
            ranking.unit = "normalized, since sphering mixes the features";
        }
        let raw = |context: &str, value: f64| in_files(units.as_ref(), context, place, value);
        let is_own = other.is_none();
        let parts = [Part::Calibration, Part::Test].map(|part| prepared.treatments(part));
        let mut rows: Rows = candidates.iter().map(|treatment| (treatment.clone(), Vec::new())).collect();
        rows.extend(parts.iter().flatten().map(|(treatment, rows)| (treatment.clone(), rows.clone())));
        let names: Vec<Treatment> = rows.keys().cloned().collect();
        let of_judged: Vec<&Treatment> = if is_own { names.iter().collect() } else { Vec::new() };
        let in_use: Vec<&Treatment> = names.iter().collect();
        let answerer = Answerer::new(self.0, other, [&of_judged, &in_use])?;
        let said = |fit: Fit| answerer.predictor(fit, &rows, |by| Ok(by.predict(&names)?));
        let predictions = said(Fit::InUse)?;
        let answers = Said {
            predicted: values_of(&predictions, place),
            judged: if is_own { values_of(&said(Fit::Judged)?, place) } else { BTreeMap::new() },
            measured: values_of(&measured(&screen.features, &screen.treatments()), place),
            no_intervals: match (is_own, &config.rank.by) {
                (_, Method::Measured) => Some("nothing is predicted"),
                (false, _) => Some("the calibration treatments are those of the run's own screen"),
                (true, _) => None,
            },
        };
        let first = candidates.first().map_or("", |first| &first.context);
        let control = control_states(screen).remove(first);
        ranking.untreated = control.map(|control| raw(first, f64::from(control[place])));
        let trained = &trained_run.trained;
        let silent = predictions.abstained.iter();
        let silent = silent.filter(|(treatment, _)| candidates.binary_search(treatment).is_ok());
        ranking.abstained.extend(silent.map(|(treatment, why)| why_abstained(trained, treatment, why)));
        valued(config, &trained.treatments, parts.each_ref(), &answers, &raw, candidates, ranking)
    }

    fn moves(&self, asked: &AskedMoves<'_>) -> Result<Moves, StudyError> {
        let config = self.0.config;
        let AskedMoves { context, wanted, own_rows, screen, other } = *asked;
        let in_context = |query: &str| -> Result<Vec<f32>, StudyError> {
            let mut rows = rows_of_target(screen, query).map_err(PlanError::from)?;
            rows.retain(|&row| screen.unit(row).context == context);
            Ok(screen.features.mean_of(&rows))
        };
        let target = in_context(&config.rank.target)?;
        let start = match config.rank.start.as_str() {
            "" => control_states(screen).remove(context).unwrap_or_else(|| vec![0.0; target.len()]),
            query => in_context(query)?,
        };
        let rows: Rows = [(wanted.clone(), own_rows.to_vec())].into();
        let answerer = Answerer::new(self.0, other, [&[], &[wanted]])?;
        let said =
            answerer.predictor(Fit::InUse, &rows, |predictor| Ok(predictor.predict(std::slice::from_ref(wanted))?))?;
        if said.treatments.is_empty() {
            let unit = format!("{} predicts the latent of it and not its features", config.rank.by);
            return Ok(Moves { unit, ..Moves::default() });
        }
        let measured = (!own_rows.is_empty()).then(|| screen.features.mean_of(own_rows));
        let names = screen.features.names();
        let noise = Noise::of(screen);
        Ok(Moves::of(names, &noise, &start, &target, said.profiles.row(0), measured.as_deref()))
    }

    fn judged(&self) -> Result<[Vec<Judged>; 2], StudyError> {
        let Run { config, prepared, trained_run, device } = self.0;
        let starts = Starts::of(&trained_run.trained, &prepared.screen, device);
        let model = trained_run.model(&starts, device);
        let mut scores = [Vec::new(), Vec::new()];
        for (part, scores) in PARTS.into_iter().zip(&mut scores) {
            let rows = prepared.treatments(part);
            let said = model.predict(&rows.keys().cloned().collect::<Vec<_>>())?;
            *scores = judged(config, prepared, &said, &rows)?;
        }
        Ok(scores)
    }
}

/// A normalized value in the units of the files, where there is a way back.
fn in_files(units: Option<&RawUnits>, context: &str, place: usize, value: f64) -> f64 {
    units.map_or(value, |units| units.value(context, place, value))
}

/// The feature at `place` of each treatment.
fn values_of(predictions: &Predictions, place: usize) -> BTreeMap<Treatment, f64> {
    let rows = predictions.treatments.iter().enumerate();
    rows.map(|(row, treatment)| (treatment.clone(), f64::from(predictions.profiles.row(row)[place]))).collect()
}
