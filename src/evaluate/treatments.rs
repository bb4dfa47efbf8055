//! Scores of all methods on held-out treatments: of each treatment, pooled, and against each other.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::bootstrap::BEATS_MEAN;
use super::verdict::Errors;
use super::{
    Distance, EvaluateConfig, EvaluateError, MethodScores, Origins, ScoreRow, accuracy, replicate_ceiling, retrieval,
    split_halves,
};
use crate::baseline::measured;
use crate::pair::{DosePosition, Part, Split, SplitBy, Strata, WellMeans};
use crate::predict::{Method, Predictions};
use crate::screen::{FeatureMatrix, Screen, Treatment};

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
    let strata = Strata::of(training.keys());
    let position = |treatment: &Treatment| position_name(strata.dose_position(treatment));
    let mut items = Vec::new();
    for predictions in predictions {
        score(settings.recall_at, predictions, &truth, &library, &origins, &position, &mut items)?;
    }
    for ceiling in replicate_ceiling(screen, rows) {
        // What an equally large repeat of the experiment would miss the measurement by, and what the true profile would.
        for (method, value) in [(Method::Replicate, ceiling.repeat), (Method::Perfect, ceiling.perfect)] {
            let (treatment, position) = (ceiling.treatment.clone(), position(&ceiling.treatment));
            items.push(TreatmentScore { method, position, metric: "mse", value, treatment });
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.bootstrap.seed);
    let mut of_halves = BTreeMap::<(Treatment, &'static str), Vec<f64>>::new();
    for _ in 0..N_HALVINGS {
        let (truth, other) = split_halves(&screen.features, rows, &mut rng);
        if truth.treatments.is_empty() {
            break;
        }
        let mut of_replicates = Vec::new();
        score(settings.recall_at, &other, &truth, &library, &origins, &position, &mut of_replicates)?;
        let mut of_mean = Vec::new();
        let mean = mean_response(&truth, &origins);
        score(settings.recall_at, &mean, &truth, &library, &origins, &position, &mut of_mean)?;
        let of_mean: BTreeMap<(&Treatment, &str), f64> =
            of_mean.iter().map(|score| ((&score.treatment, score.metric), score.value)).collect();
        for score in &of_replicates {
            let Some((metric, better)) = beats_mean(score.metric) else { continue };
            let Some(&mean) = of_mean.get(&(&score.treatment, score.metric)) else { continue };
            of_halves.entry((score.treatment.clone(), metric)).or_default().push(better(score.value, mean));
        }
        // The error of replicates is known in closed form, and that of halves is larger.
        for score in of_replicates.into_iter().filter(|score| score.metric != "mse") {
            of_halves.entry((score.treatment, score.metric)).or_default().push(score.value);
        }
    }
    items.extend(of_halves.into_iter().map(|((treatment, metric), values)| TreatmentScore {
        method: Method::Replicate,
        position: position(&treatment),
        metric,
        value: values.iter().sum::<f64>() / values.len() as f64,
        treatment,
    }));
    Ok(items)
}

/// Times that wells are parted into halves at random.
const N_HALVINGS: usize = 4;

/// The mean response of each treatment's context.
fn mean_response(truth: &Predictions, origins: &Origins) -> Predictions {
    let known: Vec<&Treatment> =
        truth.treatments.iter().filter(|treatment| origins.mean_shift.contains_key(&treatment.context)).collect();
    let values = known.iter().flat_map(|treatment| &origins.mean_shift[&treatment.context]).copied().collect();
    Predictions {
        method: Method::MeanShift,
        treatments: known.into_iter().cloned().collect(),
        profiles: FeatureMatrix::new(truth.profiles.names().to_vec(), values),
        abstained: Vec::new(),
    }
}

/// 1 where the first score is better than the second, ½ where they are equal, else 0.
type Better = fn(f64, f64) -> f64;

/// The name under which it is written down that replicates beat the mean response in a metric, and which score is better there.
fn beats_mean(metric: &str) -> Option<(&'static str, Better)> {
    fn share(order: Ordering) -> f64 {
        match order {
            Ordering::Greater => 1.0,
            Ordering::Equal => 0.5,
            Ordering::Less => 0.0,
        }
    }
    let larger: Better = |own, other| share(own.total_cmp(&other));
    let smaller: Better = |own, other| share(other.total_cmp(&own));
    let nearer_to_one: Better = |own, other| share((other - 1.0).abs().total_cmp(&(own - 1.0).abs()));
    Some(match metric {
        "mse" => ("mse_beats_mean", smaller),
        "pearson_delta" => ("pearson_delta_beats_mean", larger),
        "cosine_delta" => ("cosine_delta_beats_mean", larger),
        "amplitude" => ("amplitude_beats_mean", nearer_to_one),
        "recall" => ("recall_beats_mean", larger),
        "mrr" => ("mrr_beats_mean", larger),
        _ => return None,
    })
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
        push(&found.treatment, "cosine_delta", found.cosine_delta);
        push(&found.treatment, "amplitude", found.amplitude);
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
        let estimate = settings.bootstrap.of_metric(metric, &values, &units)?;
        let name = match metric {
            "recall" => format!("recall@{}", settings.recall_at),
            "recall_beats_mean" => format!("recall@{}{BEATS_MEAN}", settings.recall_at),
            metric => metric.to_owned(),
        };
        let row = ScoreRow::new(&task, subset, &method.word(), &name, &estimate);
        let is_of_halves = *method == Method::Replicate && metric != "mse";
        rows.push(if is_of_halves { row.with_note("of halves of the wells") } else { row });
    }
    rows.extend(anchored_rows(settings, &task, scores));
    Ok(rows)
}

/// Begins the name of a score on the scale from the mean response, 0, to the ceiling, 1.
pub(super) const ANCHORED: &str = "anchored_";

/// Scores between those of the mean response and of the ceiling: of a perfect prediction where it is known in closed form,
/// else of a half of the wells for the other half. All three are means over the treatments of all three.
fn anchored_rows(settings: &EvaluateConfig, task: &str, scores: &[TreatmentScore]) -> Vec<ScoreRow> {
    let mut rows = Vec::new();
    for (metric, ceiling, note) in [
        ("mse", Method::Perfect, "0 is the mean response of the context, 1 a perfect prediction"),
        ("pearson_delta", Method::Replicate, "0 is the mean response, 1 half of the wells for the other half"),
        ("cosine_delta", Method::Replicate, "0 is the mean response, 1 half of the wells for the other half"),
        ("mrr", Method::Replicate, "0 is the mean response, 1 half of the wells for the other half"),
    ] {
        let methods = by_method(scores, metric);
        let (Some(floor), Some(ceiling)) = (methods.get(&Method::MeanShift), methods.get(&ceiling)) else { continue };
        for (method, own) in &methods {
            let shared = own.scores.iter().filter_map(|(treatment, score)| {
                Some((treatment, *score, *floor.scores.get(treatment)?, *ceiling.scores.get(treatment)?))
            });
            let shared: Vec<(&Treatment, f64, f64, f64)> = shared.collect();
            let units: Vec<String> = shared.iter().map(|(treatment, ..)| perturbations(treatment)).collect();
            let scale = |items: &[usize]| {
                let sum = |of: fn(&(&Treatment, f64, f64, f64)) -> f64| -> f64 {
                    items.iter().map(|&item| of(&shared[item])).sum()
                };
                let way = sum(|(_, _, floor, ceiling)| ceiling - floor);
                (way.abs() > 1e-12).then(|| sum(|(_, own, floor, _)| own - floor) / way)
            };
            let Some(value) = scale(&(0..shared.len()).collect::<Vec<_>>()) else { continue };
            let interval = settings.bootstrap.interval_of(&units, scale);
            rows.push(ScoreRow {
                task: task.to_owned(),
                subset: "all".to_owned(),
                method: method.to_string(),
                metric: format!("{ANCHORED}{metric}"),
                value,
                lower: interval.map(|(lower, _)| lower),
                upper: interval.map(|(_, upper)| upper),
                n_items: shared.len(),
                n_units: units.iter().collect::<BTreeSet<_>>().len(),
                note: note.to_owned(),
            });
        }
    }
    rows
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
