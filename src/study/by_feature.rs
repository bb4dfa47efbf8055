//! Candidates in order of one feature: as the method that ranks predicts it, in the units of the files.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use super::error::StudyError;
use super::refuse::{Wanted, refuse};
use super::who::{Answerer, Fit};
use crate::answer::{Lapse, Prepared, TrainedRun};
use crate::baseline::{Rows, control_states, measured};
use crate::config::Config;
use crate::evaluate::{Intervals, spearman};
use crate::normalize::RawUnits;
use crate::pair::{Part, Strata};
use crate::plan::{
    Aim, Facts, FeatureRanking, FeatureRow, FoundCandidates, PlanError, Residual, constrain, context_of, flags,
    other_contexts, significant, why_abstained,
};
use crate::predict::{Method, Predictions};
use crate::screen::{RowKind, Screen, Treatment};

/// What the ratio that a time lapse is read out by is asked for as.
const READOUT: &str = "readout";

/// Ranks candidates by a feature of the run's own screen or of `other`, or by the readout of a time lapse.
///
/// # Errors
/// When the screen does not have the feature or the method.
pub fn rank_by_feature(
    config: &Config,
    prepared: &Prepared,
    other: Option<&Screen>,
    trained_run: &TrainedRun,
    (feature, aim): (&str, Aim),
    device: &Device,
) -> Result<FeatureRanking, StudyError> {
    let kind = prepared.screen.row_kind();
    let ends = prepared.ends_of_tracks();
    let last;
    let screen = match kind {
        RowKind::FollowedCrop => {
            last = prepared.screen.select(&ends);
            &last
        }
        _ => other.unwrap_or(&prepared.screen),
    };
    let trained = &trained_run.trained;
    let context = context_of(screen, &config.rank.context)?;
    let mut candidates = config.rank.candidates.of_screen(screen, &trained.vocabulary, &context)?;
    constrain(&config.rank, screen, &context, &mut candidates)?;
    let FoundCandidates { treatments: candidates, without_meaning, remarks } = candidates;
    let others = other_contexts(screen, &context);
    let sentences: Vec<String> =
        std::iter::once(others).chain(remarks).filter(|sentence| !sentence.is_empty()).collect();
    let mut ranking = FeatureRanking {
        feature: feature.to_owned(),
        unit: "units of the files",
        aim,
        by: config.rank.by.clone(),
        untreated: None,
        verdict: String::new(),
        calibration: String::new(),
        note: sentences.join(". "),
        rows: Vec::new(),
        abstained: without_meaning,
    };
    let found = match kind {
        RowKind::Profile => {
            let Some(place) = screen.features.names().iter().position(|name| name == feature) else {
                return Err(PlanError::feature(feature, screen.features.names()).into());
            };
            let asked = Asked { config, prepared, trained_run, screen, device, place };
            asked.profiles(&candidates, &mut ranking)?
        }
        RowKind::FollowedCrop if feature == READOUT => {
            refuse(kind, Wanted::Ranking(&config.rank.by, "`rank`"))?;
            if other.is_some() {
                refuse(kind, Wanted::RankingOfOther)?;
            }
            ranking.unit = "ratio of the objects' measurement, last frame to first";
            let parts = [Part::Calibration, Part::Test].map(|part| prepared.treatments_at(screen, &ends, part));
            let lapse = Lapse::new(prepared, trained_run, device)?;
            readouts(config, &lapse, &candidates, &parts, &mut ranking)?
        }
        RowKind::FollowedCrop => return Err(PlanError::feature(feature, &[READOUT.to_owned()]).into()),
        RowKind::Crop | RowKind::TrackWindow => return Err(PlanError::feature(feature, &[]).into()),
    };
    let facts = Facts::of(screen);
    let measured_rows = screen.treatments();
    let fitted_on: BTreeSet<Treatment> = match (&config.rank.by, kind) {
        (Method::Model, _) | (_, RowKind::FollowedCrop) => trained.treatments.iter().cloned().collect(),
        _ => measured_rows.keys().cloned().collect(),
    };
    for (treatment, Value { predicted, interval, measured }) in found {
        let rows = measured_rows.get(&treatment).map(Vec::as_slice).unwrap_or_default();
        let mut members = treatment.intervention.members().iter().map(|member| &member.perturbation);
        let is_known = members.all(|perturbation| trained.vocabulary.knows(perturbation));
        let name = treatment.intervention.perturbation_names();
        ranking.rows.push(FeatureRow {
            rank: 0,
            flags: flags(&fitted_on, &treatment, rows, &facts, false, is_known),
            moa: facts.moa(rows).or_else(|| facts.moa_of_name(&name).map(str::to_owned)),
            n_wells: facts.n_wells(rows),
            intervention: treatment.intervention,
            context: treatment.context,
            predicted,
            interval,
            measured,
        });
    }
    ranking.sort(config.rank.far);
    Ok(ranking)
}

/// A feature of a candidate.
struct Value {
    predicted: f64,
    interval: Option<(f64, f64)>,
    measured: Option<f64>,
}

/// A feature of profiles, and whom it is asked of.
struct Asked<'a> {
    config: &'a Config,
    prepared: &'a Prepared,
    trained_run: &'a TrainedRun,
    screen: &'a Screen,
    device: &'a Device,
    place: usize,
}

impl Asked<'_> {
    /// The feature of `candidates`; head and abstentions go into `ranking`.
    fn profiles(
        &self,
        candidates: &[Treatment],
        ranking: &mut FeatureRanking,
    ) -> Result<Vec<(Treatment, Value)>, StudyError> {
        let Self { config, prepared, trained_run, screen, device, place } = *self;
        let units = trained_run.normalizer.raw_units(screen)?;
        if units.is_none() {
            ranking.unit = "normalized, since sphering mixes the features";
        }
        let raw = |context: &str, value: f64| in_files(units.as_ref(), context, place, value);
        let is_own = std::ptr::eq(screen, &prepared.screen);
        let [calibration, test] = [Part::Calibration, Part::Test].map(|part| prepared.treatments(part));
        let mut asked: Rows = candidates.iter().map(|treatment| (treatment.clone(), Vec::new())).collect();
        asked.extend(calibration.iter().chain(&test).map(|(treatment, rows)| (treatment.clone(), rows.clone())));
        let names: Vec<Treatment> = asked.keys().cloned().collect();
        let of_judged: Vec<&Treatment> = if is_own { names.iter().collect() } else { Vec::new() };
        let in_use: Vec<&Treatment> = names.iter().collect();
        let other = (!is_own).then_some(screen);
        let answerer = Answerer::new(config, prepared, other, trained_run, [&of_judged, &in_use], device)?;
        let said = |fit: Fit| answerer.predictor(fit, &asked, |by| Ok(by.predict(&names)?));
        // What was judged says how far to trust a value; what is shown comes of everything that was measured.
        let predictions = said(Fit::InUse)?;
        let predicted = values_of(&predictions, place);
        let judged = if is_own { values_of(&said(Fit::Judged)?, place) } else { BTreeMap::new() };
        let measured = values_of(&measured(&screen.features, &screen.treatments()), place);
        let trained = &trained_run.trained;
        let strata = Strata::of(&trained.treatments);
        let intervals = match (is_own, &config.rank.by) {
            (_, Method::Measured) => Intervals::none("nothing is predicted"),
            (false, _) => Intervals::none("the calibration treatments are those of the run's own screen"),
            (true, _) => {
                let residuals = |rows: &Rows| residuals_of(rows, &judged, &measured);
                let evaluate = &config.evaluate;
                let (calibration, test) = (residuals(&calibration), residuals(&test));
                Intervals::of(&calibration, &test, &strata, evaluate.alpha, &evaluate.bootstrap)?
            }
        };
        if is_own && config.rank.by != Method::Measured {
            ranking.verdict = agreement(&test, &judged, &measured, raw);
        }
        ranking.calibration = intervals.calibration.clone();
        let control = control_states(screen).get(candidates.first().map_or("", |first| &first.context)).cloned();
        let first = candidates.first().map_or("", |first| &first.context);
        ranking.untreated = control.map(|control| raw(first, f64::from(control[place])));
        let silent = predictions.abstained.iter();
        let silent = silent.filter(|(treatment, _)| candidates.binary_search(treatment).is_ok());
        ranking.abstained.extend(silent.map(|(treatment, why)| why_abstained(trained, treatment, why)));
        let value = |treatment: &Treatment| {
            let normalized = *predicted.get(treatment)?;
            let context = &treatment.context;
            let radius = intervals.radii.get(&strata.stratum(treatment));
            let ends = |radius: &f64| (raw(context, normalized - radius), raw(context, normalized + radius));
            let value = Value {
                predicted: raw(context, normalized),
                interval: radius.map(ends),
                measured: measured.get(treatment).map(|&value| raw(context, value)),
            };
            Some((treatment.clone(), value))
        };
        Ok(candidates.iter().filter_map(value).collect())
    }
}

/// A normalized value in the units of the files, where there is a way back.
fn in_files(units: Option<&RawUnits>, context: &str, place: usize, value: f64) -> f64 {
    units.map_or(value, |units| units.value(context, place, value))
}

fn values_of(predictions: &Predictions, place: usize) -> BTreeMap<Treatment, f64> {
    let rows = predictions.treatments.iter().enumerate();
    rows.map(|(row, treatment)| (treatment.clone(), f64::from(predictions.profiles.row(row)[place]))).collect()
}

fn residuals_of(
    rows: &Rows,
    predicted: &BTreeMap<Treatment, f64>,
    measured: &BTreeMap<Treatment, f64>,
) -> Vec<Residual> {
    let residual = |treatment: &Treatment| {
        let error = (predicted.get(treatment)? - measured.get(treatment)?).abs();
        Some(Residual { treatment: treatment.clone(), error })
    };
    rows.keys().filter_map(residual).collect()
}

/// How predicted and measured values of held-out treatments agree.
fn agreement(
    test: &Rows,
    predicted: &BTreeMap<Treatment, f64>,
    measured: &BTreeMap<Treatment, f64>,
    raw: impl Fn(&str, f64) -> f64,
) -> String {
    let pair = |treatment: &Treatment| {
        let value = |of: &BTreeMap<Treatment, f64>| Some(raw(&treatment.context, *of.get(treatment)?));
        value(predicted).zip(value(measured))
    };
    let (predicted, measured): (Vec<f64>, Vec<f64>) = test.keys().filter_map(pair).unzip();
    let n = predicted.len();
    match spearman(&predicted, &measured) {
        Some(rank_correlation) if n >= 3 => {
            let mut errors: Vec<f64> = predicted.iter().zip(&measured).map(|(p, m)| (p - m).abs()).collect();
            errors.sort_by(f64::total_cmp);
            format!(
                "held-out treatments ({n}): predicted and measured order agree with Spearman {rank_correlation:.2}, and \
                 the middle error is {}",
                significant(errors[n / 2])
            )
        }
        _ => "not judged: fewer than three treatments are held out for testing".to_owned(),
    }
}

/// The readout of `candidates`; head and intervals go into `ranking`.
fn readouts(
    config: &Config,
    lapse: &Lapse,
    candidates: &[Treatment],
    parts: &[Rows; 2],
    ranking: &mut FeatureRanking,
) -> Result<Vec<(Treatment, Value)>, StudyError> {
    let trained = &lapse.trained_run().trained;
    let mut asked: Vec<Treatment> =
        candidates.iter().chain(parts.iter().flat_map(|rows| rows.keys())).cloned().collect();
    asked.sort();
    asked.dedup();
    let (ratios, measured) = lapse.predicted_ratios(&asked);
    let predicted: BTreeMap<Treatment, f64> = asked.into_iter().zip(ratios).collect();
    let strata = Strata::of(&trained.treatments);
    let [calibration, test] = parts.each_ref().map(|rows| residuals_of(rows, &predicted, &measured));
    let evaluate = &config.evaluate;
    let intervals = Intervals::of(&calibration, &test, &strata, evaluate.alpha, &evaluate.bootstrap)?;
    ranking.verdict = agreement(&parts[1], &predicted, &measured, |_, value| value);
    ranking.calibration = intervals.calibration;
    let value = |treatment: &Treatment| {
        let predicted = *predicted.get(treatment)?;
        let radius = intervals.radii.get(&strata.stratum(treatment));
        let interval = radius.map(|radius| (predicted - radius, predicted + radius));
        Some((treatment.clone(), Value { predicted, interval, measured: measured.get(treatment).copied() }))
    };
    Ok(candidates.iter().filter_map(value).collect())
}
