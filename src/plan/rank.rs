//! Planning by exhaustion: every candidate intervention is predicted and its distance to the target measured.

use std::collections::BTreeMap;

use burn::tensor::Device;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::candidates::{Candidates, Measured};
use super::ranking::{RankedIntervention, Ranking};
use super::reference::{References, distance, measured_place};
use super::target::{QueryError, rows_of_query};
use crate::predict::{PredictError, Starts};
use crate::screen::{Intervention, Reference, Screen, Treatment};
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
    /// What ranks: `model`, `blend`, or the name of a baseline.
    pub by: String,
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
            by: "blend".into(),
            top: 15,
        }
    }
}

/// What cannot be ranked.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A target or start that cannot be used.
    #[error(transparent)]
    Query(#[from] QueryError),
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

/// Start, target and candidates of a ranking.
#[derive(Debug)]
pub struct Query {
    /// Candidate interventions in their context.
    pub candidates: Vec<Treatment>,
    /// Start for each member, `[member][latent]`.
    start: Place,
    /// Target for each member, `[member][latent]`.
    target: Place,
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
#[derive(Debug, Clone, Default)]
pub struct Judge {
    /// What ranks.
    pub by: String,
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
            let mut rows = rows_of_query(screen, query)?;
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
        Ok(Self {
            candidates: config.candidates.treatments(&measured, &trained.vocabulary, &context)?,
            start,
            target: mean_of(&target_rows),
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
    pub fn misses(
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
        for ((place, start), target) in place.iter().zip(&self.start).zip(&self.target) {
            let remaining = distance(place, target);
            score += 1.0 - remaining / distance(start, target);
            left += remaining;
        }
        (score / n_members, left / n_members)
    }
}

/// What cells start from where nothing is asked for.
fn start_in_words(screen: &Screen) -> String {
    match screen.reference {
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
    judge: &Judge,
    device: &Device,
) -> Result<Ranking, PlanError> {
    if query.start.iter().zip(&query.target).any(|(start, target)| distance(start, target) < 1e-9) {
        return Err(PlanError::NoWay);
    }
    let references = References::of(trained, screen, &query.measured, device);
    let places = ranker.places(&query.candidates)?;
    let facts = Facts::of(screen);
    let ranked = |treatment: &Treatment, place: &Place| {
        let (score, remaining) = query.score(place);
        let own = references.own(treatment);
        let rows = own.map(|own| own.rows).unwrap_or_default();
        let own_name = treatment.intervention.perturbation_names();
        let nearest = references.nearest(place, &own_name);
        RankedIntervention {
            rank: 0,
            intervention: treatment.intervention.clone(),
            context: treatment.context.clone(),
            score,
            distance: remaining,
            lower: judge.radius.map(|radius| score - radius),
            upper: judge.radius.map(|radius| score + radius),
            n_wells: rows.len(),
            nearest_reference: nearest.map(|(_, reference)| reference.treatment.intervention.to_string()),
            nearest_moa: nearest.and_then(|(_, reference)| facts.moa(reference.rows)),
            support: nearest.map(|(distance, _)| distance),
            flags: flags(trained, query, treatment, rows, &facts),
            measured_distance: own.map(|own| query.score(&own.place).1),
            moa: facts.moa_of(&own_name, rows),
            readout: None,
            measured_readout: None,
        }
    };
    let mut rows: Vec<RankedIntervention> = query
        .candidates
        .par_iter()
        .zip(&places)
        .filter_map(|(treatment, place)| place.as_ref().map(|place| ranked(treatment, place)))
        .collect();
    rows.par_sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.intervention.cmp(&b.intervention)));
    for (index, row) in rows.iter_mut().enumerate() {
        row.rank = index + 1;
    }
    let without_place = query.candidates.iter().zip(&places).filter(|(_, place)| place.is_none());
    Ok(Ranking {
        verdict: judge.verdict.clone(),
        calibration: judge.calibration.clone(),
        target: query.target_text.clone(),
        start: query.start_text.clone(),
        by: judge.by.clone(),
        rows,
        abstained: without_place.map(|(treatment, _)| why_abstained(trained, treatment, &judge.by)).collect(),
    })
}

/// Why there is no prediction of a candidate, in words.
fn why_abstained(trained: &TrainedModel, treatment: &Treatment, by: &str) -> String {
    let members = treatment.intervention.members();
    match members.iter().find(|member| !trained.vocabulary.can_place(&member.perturbation)) {
        Some(member) => format!("{treatment}: `{}` is neither in training nor described", member.perturbation.name),
        None => format!("{treatment}: {by} has no prediction of it"),
    }
}

/// Plate-level facts that flags are made of.
struct Facts<'a> {
    screen: &'a Screen,
    /// Mean cell count of each plate's controls.
    control_count: BTreeMap<&'a str, f64>,
    moa_by_name: BTreeMap<String, String>,
}

impl<'a> Facts<'a> {
    fn of(screen: &'a Screen) -> Self {
        let mut control_count = BTreeMap::new();
        for (plate, rows) in screen.controls_by_plate() {
            let counts: Vec<f64> = rows.iter().filter_map(|&row| screen.observations[row].cell_count).collect();
            if !counts.is_empty() {
                control_count.insert(plate, counts.iter().sum::<f64>() / counts.len() as f64);
            }
        }
        let mut moa_by_name = BTreeMap::new();
        if let Some(label) = screen.label("moa") {
            for (observation, moa) in screen.observations.iter().zip(&label.values) {
                if let Some(moa) = moa {
                    moa_by_name.entry(observation.intervention.perturbation_names()).or_insert_with(|| moa.clone());
                }
            }
        }
        Self { screen, control_count, moa_by_name }
    }

    fn moa(&self, rows: &[usize]) -> Option<String> {
        let label = self.screen.label("moa")?;
        rows.iter().find_map(|&row| label.values[row].clone())
    }

    fn moa_of(&self, name: &str, rows: &[usize]) -> Option<String> {
        self.moa(rows).or_else(|| self.moa_by_name.get(name).cloned())
    }

    /// Mean cell count relative to the controls of the same plates.
    fn relative_count(&self, rows: &[usize]) -> Option<f64> {
        let ratios: Vec<f64> = rows
            .iter()
            .filter_map(|&row| {
                let observation = &self.screen.observations[row];
                Some(observation.cell_count? / self.control_count.get(observation.plate.as_str())?)
            })
            .collect();
        (!ratios.is_empty()).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
    }
}

fn flags(trained: &TrainedModel, query: &Query, treatment: &Treatment, rows: &[usize], facts: &Facts) -> Vec<String> {
    let mut flags = Vec::new();
    if query.defines_target.binary_search(treatment).is_ok() {
        flags.push("defines the target".to_owned());
    }
    if treatment.intervention.members().iter().any(|member| !trained.vocabulary.knows(&member.perturbation)) {
        flags.push("perturbation not in training".to_owned());
    }
    if rows.is_empty() {
        flags.push("dose not measured".to_owned());
    } else if !trained.treatments.contains(treatment) {
        flags.push("held out of training".to_owned());
    }
    let mut plates: Vec<&str> = rows.iter().map(|&row| facts.screen.observations[row].plate.as_str()).collect();
    plates.sort_unstable();
    plates.dedup();
    match (rows.len(), plates.len()) {
        (1, _) => flags.push("one well".to_owned()),
        (2.., 1) => flags.push("one plate: may be a plate effect".to_owned()),
        _ => {}
    }
    if let Some(ratio) = facts.relative_count(rows).filter(|&ratio| ratio < 0.5) {
        flags.push(format!("cell count {:.0} % of control", 100.0 * ratio));
    }
    flags
}
