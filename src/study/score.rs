//! Scores of all methods on held-out treatments, treatment by treatment and pooled.

use std::collections::BTreeMap;

use super::{Methods, Prepared, StudyError};
use crate::baseline::{self, DosePosition, dose_position};
use crate::config::Config;
use crate::evaluate::{
    Direction, Distance, MethodScores, Origins, ScoreRow, Scores, Verdict, accuracy, replicate_ceiling, retrieval, verdict,
};
use crate::pair::Part;
use crate::predict::Predictions;
use crate::screen::Treatment;

/// One score of one method on one treatment.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The method.
    pub method: String,
    /// The held-out treatment.
    pub treatment: Treatment,
    /// Whether its dose lies between training doses: `interior`, `edge` or `unseen`.
    pub position: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// The score.
    pub value: f64,
}

/// Scores with their verdict.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Pooled scores.
    pub scores: Scores,
    /// Every score on every treatment.
    pub items: Vec<Item>,
    /// The prediction that the tool uses (the blend) against the best simple method, by mean squared error.
    pub verdict: Option<Verdict>,
    /// The model alone against the best simple method.
    pub verdict_model: Option<Verdict>,
}

/// What replicate noise leaves: the error of an equally large repeat of the experiment.
pub const CEILING: &str = "replicate";

/// The method whose predictions the tool uses.
pub const USED: &str = "blend";

fn position_name(position: DosePosition) -> &'static str {
    match position {
        DosePosition::Interior => "interior",
        DosePosition::Edge => "edge",
        DosePosition::Unseen => "unseen",
    }
}

/// Scores every method on the treatments of `rows`.
///
/// # Errors
/// When profiles do not fit together.
pub fn evaluate(
    config: &Config,
    prepared: &Prepared,
    methods: &Methods,
    rows: &BTreeMap<Treatment, Vec<usize>>,
) -> Result<Vec<Item>, StudyError> {
    let training = prepared.treatments(Part::Train);
    let truth = baseline::measured(&prepared.screen, rows);
    let library = baseline::measured(&prepared.screen, &training);
    let origins = Origins::of(&prepared.screen, &training);
    let position = |treatment: &Treatment| position_name(dose_position(treatment, &training));
    let mut items = Vec::new();
    let everyone = [&methods.model.profiles, &methods.blend].into_iter().chain(&methods.baselines);
    for predictions in everyone {
        score(config, predictions, &truth, &library, &origins, &position, &mut items)?;
    }
    for ceiling in replicate_ceiling(&prepared.screen, rows) {
        // What an equally large repeat of the experiment would miss the measurement by.
        let position = position(&ceiling.treatment);
        let (method, value) = (CEILING.to_owned(), ceiling.repeat);
        items.push(Item { method, position, metric: "mse", value, treatment: ceiling.treatment });
    }
    Ok(items)
}

fn score(
    config: &Config,
    predictions: &Predictions,
    truth: &Predictions,
    library: &Predictions,
    origins: &Origins,
    position: &dyn Fn(&Treatment) -> &'static str,
    items: &mut Vec<Item>,
) -> Result<(), StudyError> {
    let mut push = |treatment: &Treatment, metric: &'static str, value: Option<f64>| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            let (method, treatment) = (predictions.method.clone(), treatment.clone());
            items.push(Item { method, position: position(&treatment), treatment, metric, value });
        }
    };
    for found in accuracy(truth, predictions, origins)? {
        push(&found.treatment, "mse", Some(found.mse));
        push(&found.treatment, "pearson_delta", found.pearson_delta);
        push(&found.treatment, "pearson_delta_shift", found.pearson_delta_shift);
    }
    for found in retrieval(truth, predictions, library, Distance::Euclidean)?.ranks {
        let is_found = found.rank <= config.evaluate.recall_at as f64;
        push(&found.treatment, "recall", Some(f64::from(u8::from(is_found))));
        push(&found.treatment, "mrr", Some(1.0 / found.rank));
    }
    Ok(())
}

/// Pools items (of one fold or of all) into scores with intervals and verdicts.
///
/// # Errors
/// When a score is not finite.
pub fn pooled(config: &Config, items: Vec<Item>) -> Result<Evaluation, StudyError> {
    let task = format!("unseen {}", config.split.by.name());
    let mut groups = BTreeMap::<(&str, &str, &str), Vec<&Item>>::new();
    for item in &items {
        groups.entry((item.metric, "all", item.method.as_str())).or_default().push(item);
        groups.entry((item.metric, item.position, item.method.as_str())).or_default().push(item);
    }
    let mut scores = Scores::default();
    for ((metric, subset, method), group) in groups {
        let values: Vec<f64> = group.iter().map(|item| item.value).collect();
        let units: Vec<String> = group.iter().map(|item| item.treatment.intervention.perturbation_names()).collect();
        let estimate = config.evaluate.bootstrap.mean(&values, &units)?;
        let metric = if metric == "recall" { format!("recall@{}", config.evaluate.recall_at) } else { metric.to_owned() };
        scores.rows.push(ScoreRow::new(&task, subset, method, &metric, &estimate));
    }
    let by_method = |metric: &str| -> BTreeMap<&str, MethodScores> {
        let mut methods = BTreeMap::<&str, MethodScores>::new();
        for item in items.iter().filter(|item| item.metric == metric) {
            let entry = methods
                .entry(item.method.as_str())
                .or_insert_with(|| MethodScores { method: item.method.clone(), scores: BTreeMap::new() });
            entry.scores.insert(item.treatment.clone(), item.value);
        }
        methods
    };
    let mse = by_method("mse");
    let ceiling = mse.get(CEILING).map(|ceiling| ceiling.scores.clone());
    let baselines: Vec<MethodScores> = mse
        .iter()
        .filter(|(method, _)| ![USED, "lewm", CEILING].contains(method))
        .map(|(_, scores)| scores.clone())
        .collect();
    let against = |method: &str| -> Result<Option<Verdict>, StudyError> {
        let Some(model) = mse.get(method) else { return Ok(None) };
        let bootstrap = &config.evaluate.bootstrap;
        Ok(verdict(model, &baselines, "MSE", Direction::LowerIsBetter, ceiling.as_ref(), bootstrap)?)
    };
    let (verdict, verdict_model) = (against(USED)?, against("lewm")?);
    Ok(Evaluation { scores, verdict, verdict_model, items })
}
