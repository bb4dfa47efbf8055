//! Candidates in order of one feature: as the method that ranks predicts it, in the units of the files.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use super::error::StudyError;
use super::kind::Run;
use crate::answer::{Prepared, TrainedRun};
use crate::baseline::Rows;
use crate::config::Config;
use crate::evaluate::{Intervals, spearman};
use crate::pair::Strata;
use crate::plan::{
    Aim, Facts, FeatureRanking, FeatureRow, FoundCandidates, Residual, constrain, context_of, flags, other_contexts,
    significant,
};
use crate::predict::Method;
use crate::screen::{Screen, Treatment};

/// The feature that candidates are asked for.
#[derive(Clone, Copy)]
pub(super) struct AskedFeature<'a> {
    /// Its name.
    pub(super) feature: &'a str,
    /// The screen that is ranked instead of the run's own.
    pub(super) other: Option<&'a Screen>,
    /// The rows that are ranked.
    pub(super) screen: &'a Screen,
    /// Sorted.
    pub(super) candidates: &'a [Treatment],
}

/// A feature of a candidate.
pub(super) struct FeatureValue {
    pub(super) treatment: Treatment,
    pub(super) predicted: f64,
    pub(super) interval: Option<(f64, f64)>,
    pub(super) measured: Option<f64>,
}

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
    let run = Run { config, prepared, trained_run, device }.trained();
    let screen = &*run.ranked(other);
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
        unit: "file units, on the average plate",
        aim,
        by: config.rank.by.clone(),
        untreated: None,
        verdict: String::new(),
        calibration: String::new(),
        note: sentences.join(". "),
        rows: Vec::new(),
        abstained: without_meaning,
    };
    let found = run.feature(&AskedFeature { feature, other, screen, candidates: &candidates }, &mut ranking)?;
    let facts = Facts::of(screen);
    let measured_rows = screen.treatments();
    let fitted_on: BTreeSet<Treatment> = match config.rank.by {
        Method::Model => trained.treatments.iter().cloned().collect(),
        _ => measured_rows.keys().cloned().collect(),
    };
    for FeatureValue { treatment, predicted, interval, measured } in found {
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

/// What is said and known of a feature of treatments.
pub(super) struct Said {
    /// What is shown: by what is fitted on everything that was measured.
    pub(super) predicted: BTreeMap<Treatment, f64>,
    /// What says how far to trust it: of held-out treatments, by what was fitted without them.
    pub(super) judged: BTreeMap<Treatment, f64>,
    /// The means of wells.
    pub(super) measured: BTreeMap<Treatment, f64>,
    /// Why there are no intervals, where there cannot be any.
    pub(super) no_intervals: Option<&'static str>,
}

/// The values of candidates with intervals from the calibration and the test treatments; how these agree goes into `ranking`.
/// `raw` brings a value of a context into the unit that is shown, and `trained` are the treatments that were trained on.
///
/// # Errors
/// When intervals cannot be judged.
pub(super) fn valued<'t>(
    config: &Config,
    trained: impl IntoIterator<Item = &'t Treatment>,
    [calibration, test]: [&Rows; 2],
    said: &Said,
    raw: &dyn Fn(&str, f64) -> f64,
    candidates: &[Treatment],
    ranking: &mut FeatureRanking,
) -> Result<Vec<FeatureValue>, StudyError> {
    let Said { predicted, judged, measured, no_intervals } = said;
    let strata = Strata::of(trained);
    let intervals = match no_intervals {
        Some(why) => Intervals::none(*why),
        None => {
            let [calibration, test] = [calibration, test].map(|rows| residuals_of(rows, judged, measured));
            Intervals::of(&calibration, &test, &strata, config.evaluate.alpha, &config.evaluate.bootstrap)?
        }
    };
    if no_intervals.is_none() {
        ranking.verdict = agreement(test, judged, measured, raw);
    }
    ranking.calibration = intervals.calibration;
    let value = |treatment: &Treatment| {
        let predicted = *predicted.get(treatment)?;
        let context = &treatment.context;
        let ends = |radius: &f64| (raw(context, predicted - radius), raw(context, predicted + radius));
        Some(FeatureValue {
            treatment: treatment.clone(),
            predicted: raw(context, predicted),
            interval: intervals.radii.get(&strata.stratum(treatment)).map(ends),
            measured: measured.get(treatment).map(|&value| raw(context, value)),
        })
    };
    Ok(candidates.iter().filter_map(value).collect())
}

/// How far predicted values are from measured ones, of the treatments of `rows` that have both.
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
