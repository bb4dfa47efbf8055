//! Scores of all methods on held-out treatments: of each treatment, pooled, and against each other.

use std::collections::BTreeMap;

use super::verdict::Errors;
use super::well_means::WellMeans;
use super::{
    Distance, EvaluateConfig, EvaluateError, MethodScores, Origins, ScoreRow, accuracy, replicate_ceiling, retrieval,
};
use crate::baseline::{dose_position, measured};
use crate::pair::{DosePosition, Part, Split, SplitBy};
use crate::predict::{Method, Predictions};
use crate::screen::{Screen, Treatment};

/// One score of one method on one treatment.
#[derive(Debug, Clone, PartialEq)]
pub struct TreatmentScore {
    /// The method.
    pub method: Method,
    /// The held-out treatment.
    pub treatment: Treatment,
    /// Whether its dose lies between training doses: `interior`, `edge` or `unseen`.
    pub position: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// The score.
    pub value: f64,
}

fn position_name(position: DosePosition) -> &'static str {
    match position {
        DosePosition::Interior => "interior",
        DosePosition::Edge => "edge",
        DosePosition::Unseen => "unseen",
    }
}

/// Scores the predictions of each method on the treatments of `rows`, and the replicate ceiling.
///
/// What is measured of a treatment is the mean of its wells, each of which is the mean of its rows.
///
/// # Errors
/// When profiles do not fit together.
pub fn treatment_scores<'a>(
    settings: &EvaluateConfig,
    screen: &Screen,
    split: &Split,
    predictions: impl IntoIterator<Item = &'a Predictions>,
    rows: &BTreeMap<Treatment, Vec<usize>>,
) -> Result<Vec<TreatmentScore>, EvaluateError> {
    if let Some(wells) = WellMeans::of(screen, split) {
        return treatment_scores(settings, &wells.screen, &wells.split, predictions, &wells.treatments(rows));
    }
    let training = split.treatments(screen, Part::Train);
    let truth = measured(&screen.features, rows);
    let library = measured(&screen.features, &training);
    let origins = Origins::of(screen, &training);
    let position = |treatment: &Treatment| position_name(dose_position(treatment, &training));
    let mut items = Vec::new();
    for predictions in predictions {
        score(settings.recall_at, predictions, &truth, &library, &origins, &position, &mut items)?;
    }
    for ceiling in replicate_ceiling(screen, rows) {
        // What an equally large repeat of the experiment would miss the measurement by.
        let position = position(&ceiling.treatment);
        let (method, value) = (Method::Replicate, ceiling.repeat);
        items.push(TreatmentScore { method, position, metric: "mse", value, treatment: ceiling.treatment });
    }
    Ok(items)
}

fn score(
    recall_at: usize,
    predictions: &Predictions,
    truth: &Predictions,
    library: &Predictions,
    origins: &Origins,
    position: &dyn Fn(&Treatment) -> &'static str,
    items: &mut Vec<TreatmentScore>,
) -> Result<(), EvaluateError> {
    let mut push = |treatment: &Treatment, metric: &'static str, value: Option<f64>| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            let (method, treatment) = (predictions.method.clone(), treatment.clone());
            items.push(TreatmentScore { method, position: position(&treatment), treatment, metric, value });
        }
    };
    for found in accuracy(truth, predictions, origins)? {
        push(&found.treatment, "mse", Some(found.mse));
        push(&found.treatment, "pearson_delta", found.pearson_delta);
        push(&found.treatment, "pearson_delta_shift", found.pearson_delta_shift);
    }
    for found in retrieval(truth, predictions, library, Distance::Euclidean)?.ranks {
        let is_found = found.rank <= recall_at as f64;
        push(&found.treatment, "recall", Some(f64::from(u8::from(is_found))));
        push(&found.treatment, "mrr", Some(1.0 / found.rank));
    }
    Ok(())
}

/// Scores of every method, over all treatments and by the position of their dose.
///
/// # Errors
/// When a score is not finite.
pub(super) fn treatment_score_rows(
    settings: &EvaluateConfig,
    by: SplitBy,
    scores: &[TreatmentScore],
) -> Result<Vec<ScoreRow>, EvaluateError> {
    let task = format!("unseen {}", by.name());
    let mut groups = BTreeMap::<(&str, &str, &Method), Vec<&TreatmentScore>>::new();
    for score in scores {
        groups.entry((score.metric, "all", &score.method)).or_default().push(score);
        groups.entry((score.metric, score.position, &score.method)).or_default().push(score);
    }
    let mut rows = Vec::new();
    for ((metric, subset, method), group) in groups {
        let values: Vec<f64> = group.iter().map(|score| score.value).collect();
        let units: Vec<String> = group.iter().map(|score| perturbations(&score.treatment)).collect();
        let estimate = settings.bootstrap.mean(&values, &units)?;
        let metric = if metric == "recall" { format!("recall@{}", settings.recall_at) } else { metric.to_owned() };
        rows.push(ScoreRow::new(&task, subset, &method.word(), &metric, &estimate));
    }
    Ok(rows)
}

/// Mean squared error of each method on each treatment.
pub(super) fn treatment_errors(scores: &[TreatmentScore]) -> Errors<'_> {
    Errors { methods: by_method(scores, "mse"), metric: "MSE", unit_of: perturbations, unit_name: "perturbations" }
}

/// A note where holding out plates, rows, columns or batches also holds out perturbations, so that scores are of both.
pub(super) fn what_a_group_is(by: SplitBy, items: &[TreatmentScore]) -> Option<String> {
    let group = match by {
        SplitBy::Plate => "plate",
        SplitBy::LabBatch => "lab batch",
        SplitBy::PlateRow => "plate row",
        SplitBy::PlateColumn => "plate column",
        _ => return None,
    };
    let treatments: BTreeMap<&Treatment, bool> =
        items.iter().map(|item| (&item.treatment, item.position == position_name(DosePosition::Unseen))).collect();
    let n_unseen = treatments.values().filter(|&&is_unseen| is_unseen).count();
    (n_unseen > 0).then(|| {
        format!(
            "{n_unseen} of {} held-out treatments are of perturbations that no training {group} holds: here a {group} is also a set of perturbations, and its scores are of unseen interventions as much as of an unseen {group}",
            treatments.len()
        )
    })
}

fn by_method<'a>(items: &'a [TreatmentScore], metric: &str) -> BTreeMap<&'a Method, MethodScores> {
    let mut methods = BTreeMap::<&Method, BTreeMap<Treatment, Vec<f64>>>::new();
    for item in items.iter().filter(|item| item.metric == metric) {
        let scores = methods.entry(&item.method).or_default();
        // A treatment with wells in several places is tested in several folds.
        scores.entry(item.treatment.clone()).or_default().push(item.value);
    }
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let of_method = |(method, scores): (&'a Method, BTreeMap<Treatment, Vec<f64>>)| {
        let scores = scores.into_iter().map(|(treatment, values)| (treatment, mean(values))).collect();
        (method, MethodScores { method: method.clone(), scores })
    };
    methods.into_iter().map(of_method).collect()
}

/// The independent unit of a treatment: its perturbations, at whatever doses.
fn perturbations(treatment: &Treatment) -> String {
    treatment.intervention.perturbation_names()
}
