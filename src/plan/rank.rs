//! Planning by exhaustion: every candidate intervention is predicted and its distance to the target measured.

use std::collections::BTreeMap;

use burn::tensor::Device;
use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};

use super::candidates::{Candidates, Measured};
use super::facts::{Facts, flags};
use super::ranking::{RankedIntervention, Ranking};
use super::reference::{References, distance, measured_place};
use super::target::{TargetError, rows_of_target};
use crate::predict::{Method, PredictError, Starts};
use crate::screen::{Intervention, Perturbation, Reference, Screen, Treatment};
use crate::train::TrainedModel;

/// What is ranked, toward what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RankConfig {
    /// The target phenotype as a query over treated wells; empty ranks nothing.
    pub target: String,
    /// Where the cells start, as a query over treated wells; empty starts from the negative controls.
    pub start: String,
    /// The context in which to rank; empty takes the only one, or the first of several.
    pub context: String,
    /// Which interventions are candidates.
    pub candidates: Candidates,
    /// What ranks: `lewm` (the model alone), `blend`, or a baseline.
    #[serde(deserialize_with = "read_ranker")]
    pub by: Method,
    /// Rows shown on stdout.
    pub top: usize,
}

impl Default for RankConfig {
    fn default() -> Self {
        Self {
            target: String::new(),
            start: String::new(),
            context: String::new(),
            candidates: Candidates::Measured,
            by: Method::Blend,
            top: 15,
        }
    }
}

/// The method of that word, which ranks.
///
/// # Errors
/// [`PlanError::By`] where no screen can be ranked by it.
pub fn ranker(word: &str) -> Result<Method, PlanError> {
    let method = word.parse::<Method>().ok().filter(Method::can_rank);
    method.ok_or_else(|| PlanError::By { by: word.to_owned(), known: Method::rankers() })
}

fn read_ranker<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    ranker(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// What cannot be ranked.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A target or start that cannot be used.
    #[error(transparent)]
    Query(#[from] TargetError),
    /// No start.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// A context that the screen lacks.
    #[error("no context `{context}`; the screen has {known}")]
    Context {
        /// The context asked for.
        context: String,
        /// The contexts there are.
        known: String,
    },
    /// A table of candidates that cannot be used.
    #[error("{0}")]
    Candidates(String),
    /// A start that is the target.
    #[error("start and target are the same place: there is no way to go")]
    NoWay,
    /// An unknown ranker.
    #[error("`{by}` cannot rank; choose one of {known}")]
    By {
        /// What was asked for.
        by: String,
        /// What there is.
        known: String,
    },
}

/// The way from start to target, and the candidates of a ranking.
#[derive(Debug)]
pub struct Query {
    /// Candidate interventions in their context.
    pub candidates: Vec<Treatment>,
    /// Target for each member, `[member][latent]`.
    target: Place,
    /// How far the target is from the start for each member.
    way: Vec<f64>,
    /// Treatments whose wells define the target, sorted.
    defines_target: Vec<Treatment>,
    /// Rows of the screen by treatment of the context.
    measured: Measured,
    target_text: String,
    start_text: String,
}

/// Where an intervention leads: latents by member, `[member][latent]`.
pub type Place = Vec<Vec<f32>>;

/// Says where candidates would end up.
pub trait Ranker {
    /// The predicted place of each of `treatments`, in their order; `None` where it abstains.
    fn places(&self, treatments: &[Treatment]) -> Result<Vec<Option<Place>>, PlanError>;
}

/// What is known about the trust that a score deserves.
#[derive(Debug, Clone)]
pub struct Trust {
    /// What ranks.
    pub by: Method,
    /// The sentence of the matching evaluation.
    pub verdict: String,
    /// Half the width of the intervals of the score; `None` gives none.
    pub radius: Option<f64>,
    /// One sentence: where the intervals come from and how often they covered, or why there are none.
    pub calibration: String,
}

impl Query {
    /// Reads start and target and gathers candidates.
    ///
    /// # Errors
    /// When a query or the table of candidates cannot be used, the context is unknown, or there is nothing to start from.
    pub fn new(
        trained: &TrainedModel,
        screen: &Screen,
        config: &RankConfig,
        device: &Device,
    ) -> Result<Self, PlanError> {
        let mut contexts: Vec<String> = screen.treatments().into_keys().map(|treatment| treatment.context).collect();
        contexts.dedup();
        contexts.sort();
        contexts.dedup();
        let context = if config.context.is_empty() {
            contexts.first().cloned().unwrap_or_default()
        } else {
            config.context.clone()
        };
        if !contexts.contains(&context) {
            let known = contexts.iter().map(|context| format!("`{context}`")).collect::<Vec<_>>().join(", ");
            return Err(PlanError::Context { context, known });
        }
        let rows_in_context = |query: &str| -> Result<Vec<usize>, PlanError> {
            let mut rows = rows_of_target(screen, query)?;
            let all = rows.len();
            rows.retain(|&row| screen.observations[row].context == context);
            if rows.is_empty() {
                let known = format!("{all} wells of that description in other contexts only");
                return Err(PlanError::Context { context: context.clone(), known });
            }
            Ok(rows)
        };
        let mean_of = |rows: &[usize]| measured_place(trained, screen, rows, device);
        let target_rows = rows_in_context(&config.target)?;
        let (start, start_text) = if config.start.is_empty() {
            let nowhere = Treatment { intervention: Intervention::untreated(), context: context.clone() };
            (Starts::of(trained, screen, device).start(&nowhere)?, start_in_words(screen))
        } else {
            (mean_of(&rows_in_context(&config.start)?), config.start.clone())
        };
        let mut measured = screen.treatments();
        measured.retain(|treatment, _| treatment.context == context);
        let mut defines_target: Vec<Treatment> =
            target_rows.iter().map(|&row| screen.observations[row].treatment()).collect();
        defines_target.sort();
        defines_target.dedup();
        let target = mean_of(&target_rows);
        Ok(Self {
            candidates: config.candidates.treatments(&measured, &trained.vocabulary, &context)?,
            way: start.iter().zip(&target).map(|(start, target)| distance(start, target)).collect(),
            target,
            defines_target,
            measured,
            target_text: config.target.clone(),
            start_text,
        })
    }

    /// |predicted − measured score| of measured treatments, `rows` being theirs in `screen`: what intervals are made of.
    ///
    /// Treatments that the ranker abstains from are left out.
    ///
    /// # Errors
    /// When predicting fails.
    pub fn residuals(
        &self,
        trained: &TrainedModel,
        screen: &Screen,
        ranker: &dyn Ranker,
        rows: &BTreeMap<Treatment, Vec<usize>>,
        device: &Device,
    ) -> Result<Vec<f64>, PlanError> {
        let treatments: Vec<Treatment> = rows.keys().cloned().collect();
        let places = ranker.places(&treatments)?;
        let miss = |(place, rows): (&Option<Place>, &Vec<usize>)| {
            let measured = measured_place(trained, screen, rows, device);
            Some((self.score(place.as_ref()?).0 - self.score(&measured).0).abs())
        };
        Ok(places.iter().zip(rows.values()).filter_map(miss).collect())
    }

    /// Mean over members of the fraction of the way from start to target, with the mean distance to the target.
    fn score(&self, place: &Place) -> (f64, f64) {
        let n_members = place.len() as f64;
        let mut score = 0.0;
        let mut left = 0.0;
        for ((place, way), target) in place.iter().zip(&self.way).zip(&self.target) {
            let remaining = distance(place, target);
            score += 1.0 - remaining / way;
            left += remaining;
        }
        (score / n_members, left / n_members)
    }
}

/// What cells start from where nothing is asked for.
fn start_in_words(screen: &Screen) -> String {
    match screen.reference() {
        Reference::ControlWells => "negative controls".to_owned(),
        Reference::Relative => "no effect (values are relative to control)".to_owned(),
        Reference::FirstFrame => "first frames".to_owned(),
    }
}

/// Ranks the candidates of `query` by where `ranker` says they lead, best first.
///
/// # Errors
/// When predicting fails, or start and target coincide.
pub fn rank(
    trained: &TrainedModel,
    screen: &Screen,
    query: &Query,
    ranker: &dyn Ranker,
    trust: &Trust,
    device: &Device,
) -> Result<Ranking, PlanError> {
    if query.way.iter().any(|&way| way < 1e-9) {
        return Err(PlanError::NoWay);
    }
    let facts = Facts::of(screen);
    let references = References::of(trained, screen, &query.measured, &facts, device);
    let places = ranker.places(&query.candidates)?;
    let (shared, which) = shared_by_perturbations(&query.candidates, trained, &references, &facts);
    let ranked = |room: &mut Vec<f32>, treatment: &Treatment, place: &Place, shared: &Shared<'_>| {
        let (score, remaining) = query.score(place);
        let own = references.own(treatment);
        let rows = own.map(|own| own.rows).unwrap_or_default();
        let nearest = references.nearest(place, shared.number, room);
        let defines_target = query.defines_target.binary_search(treatment).is_ok();
        RankedIntervention {
            rank: 0,
            intervention: treatment.intervention.clone(),
            context: treatment.context.clone(),
            score,
            distance: remaining,
            lower: trust.radius.map(|radius| score - radius),
            upper: trust.radius.map(|radius| score + radius),
            n_wells: facts.n_wells(rows),
            nearest_reference: nearest.map(|(_, reference)| reference.text.clone()),
            nearest_moa: nearest.and_then(|(_, reference)| reference.moa.clone()),
            support: nearest.map(|(distance, _)| distance),
            flags: flags(trained, treatment, rows, &facts, defines_target, shared.is_known),
            measured_distance: own.map(|own| query.score(&own.place).1),
            moa: facts.moa(rows).or_else(|| shared.moa.map(str::to_owned)),
            readout: None,
            measured_readout: None,
        }
    };
    let mut rows: Vec<RankedIntervention> = query
        .candidates
        .par_iter()
        .zip(&places)
        .zip(&which)
        .map_init(Vec::new, |room, ((treatment, place), &which)| {
            place.as_ref().map(|place| ranked(room, treatment, place, &shared[which]))
        })
        .flatten_iter()
        .collect();
    rows.par_sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.intervention.cmp(&b.intervention)));
    for (index, row) in rows.iter_mut().enumerate() {
        row.rank = index + 1;
    }
    let without_place = query.candidates.iter().zip(&places).filter(|(_, place)| place.is_none());
    Ok(Ranking {
        verdict: trust.verdict.clone(),
        calibration: trust.calibration.clone(),
        target: query.target_text.clone(),
        start: query.start_text.clone(),
        by: trust.by.clone(),
        rows,
        abstained: without_place.map(|(treatment, _)| why_abstained(trained, treatment, &trust.by)).collect(),
    })
}

/// What candidates under the same perturbations have in common.
struct Shared<'a> {
    /// The number of the perturbations among the references.
    number: Option<usize>,
    /// Whether the model has met all of them in training.
    is_known: bool,
    moa: Option<&'a str>,
}

fn perturbations(treatment: &Treatment) -> impl Iterator<Item = &Perturbation> {
    treatment.intervention.members().iter().map(|member| &member.perturbation)
}

/// What runs of candidates under the same perturbations share, and the run of each candidate.
fn shared_by_perturbations<'a>(
    candidates: &[Treatment],
    trained: &TrainedModel,
    references: &References<'_>,
    facts: &'a Facts<'_>,
) -> (Vec<Shared<'a>>, Vec<usize>) {
    let (mut shared, mut which) = (Vec::new(), Vec::with_capacity(candidates.len()));
    for run in candidates.chunk_by(|one, next| perturbations(one).eq(perturbations(next))) {
        let name = run[0].intervention.perturbation_names();
        which.resize(which.len() + run.len(), shared.len());
        shared.push(Shared {
            number: references.number(&name),
            is_known: perturbations(&run[0]).all(|perturbation| trained.vocabulary.knows(perturbation)),
            moa: facts.moa_of_name(&name),
        });
    }
    (shared, which)
}

/// Why there is no prediction of a candidate, in words.
fn why_abstained(trained: &TrainedModel, treatment: &Treatment, by: &Method) -> String {
    let members = treatment.intervention.members();
    match members.iter().find(|member| !trained.vocabulary.can_place(&member.perturbation)) {
        Some(member) => format!("{treatment}: `{}` is neither in training nor described", member.perturbation.name),
        None => format!("{treatment}: {by} has no prediction of it"),
    }
}
