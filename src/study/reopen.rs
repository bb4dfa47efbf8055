//! What a finished run is asked for: rankings, scores and predictions, of its own screen and of tables it has never seen.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use super::answers::Scope;
use super::error::StudyError;
use super::kind::{Run, Trained};
use super::refuse::{Wanted, refuse};
use super::who::{Answerer, Fit};
use crate::answer::{Prepared, SimpleMethods, TrainedRun, methods, prediction_table, starts_at_expected};
use crate::baseline::Rows;
use crate::config::Config;
use crate::embed::EmbeddingMap;
use crate::evaluate::{
    Activity, Answers, Evaluation, Held, Intervals, Predicted, orders, treatment_scores, verdict_sentence,
};
use crate::pair::{Part, Strata};
use crate::plan::{FoundCandidates, Goal, RankConfig, Ranker, Ranking, Trust, constrain, rank};
use crate::predict::{Abstains, Method, Model, ModelPredictions, Predictions, Starts};
use crate::screen::{Kind, Lexicon, Perturbation, Read, Screen, Treatment};
use crate::table::Table;
use crate::train::TrainedModel;

/// What heads a ranking by what was measured.
const MEASURED: &str = "measured wells are compared with measured wells: nothing is predicted, and no method is judged";

/// The sentence that heads a ranking: the verdict on what ranks.
pub(super) fn heading(config: &Config, evaluation: &Evaluation) -> String {
    let verdict = match config.rank.by {
        Method::Measured => return MEASURED.to_owned(),
        // An order is judged as an order; where nothing was ordered, by the errors of what was predicted.
        Method::Model => evaluation.verdict_order_model.as_ref().or(evaluation.verdict_model.as_ref()),
        _ => evaluation.verdict_order.as_ref().or(evaluation.verdict.as_ref()),
    };
    verdict_sentence(&config.rank.by, verdict)
}

/// A treatment that is ranked whether it is among the candidates or not.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Also<'a>(pub(super) Option<&'a Treatment>);

/// Ranks by what the configuration says, on the run's own screen or on `other`.
///
/// # Errors
/// When the target cannot be used or the screen does not have the method of `rank.by`.
pub(super) fn rank_by(
    run: Run<'_>,
    other: Option<&Screen>,
    verdict: String,
    also: Also<'_>,
) -> Result<(Ranking, Vec<Held>), StudyError> {
    let Run { config, prepared, trained_run, device } = run;
    let trained = &trained_run.trained;
    let screen = other.unwrap_or(&prepared.screen);
    let asked = AskedRanking::of(config, trained, screen, also, device)?;
    let [calibration, test] = [Part::Calibration, Part::Test].map(|part| prepared.treatments(part));
    let mut rows: Rows = asked.candidates.treatments.iter().map(|treatment| (treatment.clone(), Vec::new())).collect();
    rows.extend(calibration.iter().chain(&test).map(|(treatment, rows)| (treatment.clone(), rows.clone())));
    let held_out: Vec<&Treatment> = calibration.keys().chain(test.keys()).collect();
    let candidates: Vec<&Treatment> = asked.candidates.treatments.iter().collect();
    let answerer = Answerer::new(run, other, [&held_out, &candidates])?;
    // What was judged says how far to trust a score; what ranks is fitted on everything that was measured.
    let mut intervals = match other {
        _ if config.rank.by == Method::Measured => Intervals::none(
            "nothing is predicted; how far the wells of one intervention lie apart limits what a difference means",
        ),
        Some(_) => Intervals::none("the calibration treatments are those of the run's own screen"),
        None => answerer.ranker(Fit::Judged, &rows, |ranker| asked.intervals(ranker, [&calibration, &test]))?,
    };
    let fitted_on: BTreeSet<Treatment> = match &config.rank.by {
        Method::Model => trained.treatments.iter().cloned().collect(),
        Method::Measured => screen.treatments().into_keys().collect(),
        _ => {
            let in_use = answerer.simple(Fit::InUse);
            intervals.calibration += &refitted_in_words(in_use, trained, &config.rank.by);
            in_use.training().keys().cloned().collect()
        }
    };
    answerer.ranker(Fit::InUse, &rows, |ranker| asked.ranking(ranker, verdict, intervals, fitted_on))
}

/// What was fitted anew after it was judged, and what was not; begins where a sentence goes on.
fn refitted_in_words(in_use: &SimpleMethods, trained: &TrainedModel, by: &Method) -> String {
    let (n_all, n_judged) = (in_use.training().len(), trained.treatments.len());
    if n_all == n_judged {
        return String::new();
    }
    let network = if *by == Method::Combined { "; the network is the one that was judged" } else { "" };
    format!(
        "; ranked with simple methods fitted on all {n_all} measured treatments, after they were judged on {n_judged} of \
         them{network}"
    )
}

/// What `[rank]` asks of a screen.
pub(super) struct AskedRanking<'a> {
    config: &'a Config,
    trained: &'a TrainedModel,
    screen: &'a Screen,
    goal: Goal,
    candidates: FoundCandidates,
    device: &'a Device,
}

impl<'a> AskedRanking<'a> {
    /// Target, start and candidates of `screen`.
    ///
    /// # Errors
    /// When the target cannot be used.
    pub(super) fn of(
        config: &'a Config,
        trained: &'a TrainedModel,
        screen: &'a Screen,
        also: Also,
        device: &'a Device,
    ) -> Result<Self, StudyError> {
        let goal = Goal::new(trained, screen, &config.rank, device)?;
        let mut candidates = config.rank.candidates.of_screen(screen, &trained.vocabulary, &goal.context)?;
        constrain(&config.rank, screen, &goal.context, &mut candidates)?;
        if let Some(also) = also.0 {
            candidates.add(also);
        }
        Ok(Self { config, trained, screen, goal, candidates, device })
    }

    /// Intervals of the scores that `ranker` gives, from the calibration and the test treatments.
    ///
    /// # Errors
    /// What predicting says.
    pub(super) fn intervals(&self, ranker: &dyn Ranker, parts: [&Rows; 2]) -> Result<Intervals, StudyError> {
        let residuals = |rows: &Rows| self.goal.residuals(self.trained, self.screen, ranker, rows, self.device);
        let [calibration, test] = parts.map(residuals);
        let evaluate = &self.config.evaluate;
        let strata = Strata::of(&self.trained.treatments);
        Ok(Intervals::of(&calibration?, &test?, &strata, evaluate.alpha, &evaluate.bootstrap)?)
    }

    /// The ranking, and whether its intervals held the test treatments.
    ///
    /// # Errors
    /// What predicting says.
    pub(super) fn ranking(
        &self,
        ranker: &dyn Ranker,
        verdict: String,
        intervals: Intervals,
        fitted_on: BTreeSet<Treatment>,
    ) -> Result<(Ranking, Vec<Held>), StudyError> {
        let Intervals { radii, calibration, held } = intervals;
        let RankConfig { by, far, .. } = &self.config.rank;
        let trust = Trust { by: by.clone(), verdict, radii, calibration, fitted_on, far: *far };
        let ranking = rank(self.trained, self.screen, &self.goal, &self.candidates, ranker, &trust, self.device)?;
        Ok((ranking, held))
    }
}

/// Ranks once more with a finished run, headed by the verdict of its own evaluation: that which it wrote down, or where
/// there is none, one made now.
///
/// # Errors
/// As ranking within a run.
pub fn rank_finished(
    config: &Config,
    prepared: &Prepared,
    other: Option<&Screen>,
    trained_run: &TrainedRun,
    evaluation: Option<&Evaluation>,
    device: &Device,
) -> Result<Ranking, StudyError> {
    let run = Run { config, prepared, trained_run, device };
    rank_finished_with(run, &*run.trained(), other, evaluation, Also::default())
}

/// The same, with a candidate more; `trained` is what `run` is asked.
///
/// # Errors
/// As [`rank_finished`].
pub(super) fn rank_finished_with(
    run: Run<'_>,
    trained: &dyn Trained,
    other: Option<&Screen>,
    evaluation: Option<&Evaluation>,
    also: Also<'_>,
) -> Result<Ranking, StudyError> {
    let config = run.config;
    if other.is_some() {
        run.kind().refuse(Wanted::RankingOfOther)?;
    }
    run.kind().refuse(Wanted::Ranking(&config.rank.by, "`rank`"))?;
    let verdict = match evaluation {
        Some(evaluation) => heading(config, evaluation),
        None => {
            let asked = trained.ask(None, Scope::Predictions, &|_| {})?;
            heading(config, &asked.unwrap_or_default().evaluation(config)?)
        }
    };
    Ok(trained.rank(other, verdict, also)?.0)
}

/// What does anything at all on the screen of a finished run, or on `other`: by normalized profiles, by the embedding of wells of
/// images, by the ways of objects through a time lapse, or by the courses of tracks.
///
/// # Errors
/// When the retrieval of replicates cannot be scored, or another screen of this kind cannot be asked.
pub fn activity(
    config: &Config,
    prepared: &Prepared,
    other: Option<&Screen>,
    trained_run: &TrainedRun,
    map: &EmbeddingMap,
    device: &Device,
) -> Result<Activity, StudyError> {
    let run = Run { config, prepared, trained_run, device };
    if other.is_some() {
        run.kind().refuse(Wanted::RankingOfOther)?;
    }
    run.trained().activity(other, map)
}

/// Scores a finished run on its test part, or on the treatments of `other` that played no part in training, validation or calibration.
///
/// # Errors
/// When there is nothing to score.
pub fn evaluate_finished(
    config: &Config,
    prepared: &Prepared,
    other: Option<&Screen>,
    trained_run: &TrainedRun,
    device: &Device,
) -> Result<Evaluation, StudyError> {
    let Some(screen) = other else {
        let run = Run { config, prepared, trained_run, device };
        let asked = run.trained().ask(None, Scope::All, &|_| {})?;
        return Ok(asked.unwrap_or_default().evaluation(config)?);
    };
    refuse(prepared.screen.kind(), Wanted::ScoresOfOther)?;
    let joint = prepared.joined_with(screen);
    let offset = prepared.screen.n_observations();
    let mut unseen = screen.treatments();
    let stopped_or_calibrated: BTreeSet<Treatment> = [Part::Validation, Part::Calibration]
        .into_iter()
        .flat_map(|part| prepared.treatments(part).into_keys())
        .collect();
    unseen.retain(|treatment, _| {
        !trained_run.trained.treatments.contains(treatment) && !stopped_or_calibrated.contains(treatment)
    });
    let unseen: BTreeMap<Treatment, Vec<usize>> = unseen
        .into_iter()
        .map(|(treatment, rows)| (treatment, rows.into_iter().map(|row| row + offset).collect()))
        .collect();
    let starts = Starts::of(&trained_run.trained, &joint.screen, device);
    let found = methods(config, &joint, trained_run.model(&starts, device), &trained_run.combination, &unseen)?;
    let treatments = treatment_scores(&config.evaluate, &joint.screen, &joint.split, found.all(), &unseen)?;
    let orders = orders(&config.evaluate, &joint.screen, &joint.split, found.all(), &unseen)?;
    let answers = Answers { predicted: Predicted::Treatments(treatments), orders, ..Answers::default() };
    Ok(Evaluation::of(&config.evaluate, config.split.by, &answers)?)
}

/// Interventions that were asked for in words.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedTreatments {
    /// In the order in which they were asked for.
    pub treatments: Vec<Treatment>,
    /// How they were understood, where that is not what was written, and doses far from those that were measured.
    pub remarks: Vec<String>,
}

/// The treatments that `texts` mean, each as [`Lexicon::read`] reads it; all of the screen's when none is given.
///
/// # Errors
/// In words, when a text has no meaning or several, or the context is unknown.
pub fn treatments_of(
    trained_run: &TrainedRun,
    screen: &Screen,
    texts: &[String],
    context: Option<&str>,
) -> Result<AskedTreatments, String> {
    let measured = screen.treatments();
    let vocabulary = &trained_run.trained.vocabulary;
    let contexts: Vec<&str> = vocabulary.contexts().iter().map(String::as_str).collect();
    let context = match context {
        Some(context) if !contexts.contains(&context) => {
            let known = match contexts.as_slice() {
                [""] => "one context without a name, so leave `--context` out".to_owned(),
                contexts => contexts.join(", "),
            };
            return Err(format!("no context `{context}`; the run knows {known}"));
        }
        Some(context) => context,
        None => contexts.first().copied().unwrap_or_default(),
    };
    if texts.is_empty() {
        return Ok(AskedTreatments { treatments: measured.into_keys().collect(), remarks: Vec::new() });
    }
    let lexicon =
        Lexicon::of(measured.keys().map(|treatment| &treatment.intervention)).with(vocabulary.perturbations());
    let described = vocabulary.described().filter(|name| !lexicon.has_name(name));
    let described: Vec<Perturbation> =
        described.map(|name| Perturbation { name: name.to_owned(), kind: Kind::default() }).collect();
    let lexicon = lexicon.with(&described);
    let hours = measured.keys().find(|treatment| treatment.context == context).and_then(|t| t.intervention.hours());
    let mut asked = AskedTreatments { treatments: Vec::with_capacity(texts.len()), remarks: Vec::new() };
    for text in texts {
        let Read { intervention, remarks } = lexicon.read(text).map_err(|error| error.to_string())?;
        let intervention = match hours {
            Some(hours) => intervention.lasting(hours),
            None => intervention,
        };
        asked.treatments.push(Treatment { intervention, context: context.to_owned() });
        asked.remarks.extend(remarks);
    }
    Ok(asked)
}

/// The model's predicted latents as a table, in the embedding where its map is given, else those of all members side by side;
/// and what it abstains from, with the reason.
///
/// # Errors
/// When a treatment has nothing to start from, or the map is of another model.
pub fn predict_table(
    config: &Config,
    prepared: &Prepared,
    trained_run: &TrainedRun,
    screen: &Screen,
    treatments: &[Treatment],
    map: Option<&EmbeddingMap>,
    device: &Device,
) -> Result<(Table, Vec<(Treatment, Abstains)>), StudyError> {
    let starts = Starts::of(&trained_run.trained, screen, device);
    let model = trained_run.model(&starts, device);
    let ModelPredictions { latents, profiles } = match starts_at_expected(config) {
        true => {
            let simple = SimpleMethods::of(config, prepared);
            let asked = treatments.iter().map(|treatment| (treatment.clone(), Vec::new())).collect();
            let ask = |model: Model<'_>| Ok::<_, StudyError>(model.predict_with_latents(treatments)?);
            let weights = simple.closed_forms(&trained_run.combination, &simple.places(treatments))?;
            simple.starting(&weights, &asked, model, ask)?
        }
        false => model.predict_with_latents(treatments)?,
    };
    let members = latents.side_by_side();
    let latents = map.map_or(Ok(members.clone()), |map| map.apply(&members))?;
    let latents = Predictions { profiles: latents, ..profiles };
    Ok((prediction_table(&[(None, &latents)]), latents.abstained))
}
