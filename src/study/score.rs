//! Scores of all methods on held-out treatments, treatment by treatment and pooled.

use std::collections::BTreeMap;

use super::embedding::EMBEDDING_TASKS;
use super::labels::{LabelGuess, label_summary};
use super::readout::{READOUT_TASK, WellReadout, readout_against, readout_score_rows, readout_verdict};
use super::trajectory_score::trajectory_summary;
use super::{Methods, Prepared, StudyError, TrackPrediction};
use crate::baseline::{self, dose_position};
use crate::config::Config;
use crate::evaluate::{
    Direction, Distance, MethodScores, Origins, ScoreRow, Scores, Verdict, accuracy, replicate_ceiling, retrieval,
    verdict,
};
use crate::pair::{DosePosition, Part, SplitBy};
use crate::predict::{Method, Predictions};
use crate::screen::Treatment;

/// One score of one method on one treatment.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
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

/// Scores with their verdict.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Pooled scores.
    pub scores: Scores,
    /// Every score on every treatment.
    pub items: Vec<Item>,
    /// Read-outs of the wells of a time lapse; empty otherwise.
    pub readouts: Vec<WellReadout>,
    /// Predicted trajectories of held-out tracks; empty where interventions do not change in time.
    pub trajectories: Vec<TrackPrediction>,
    /// Labels of the held-out wells of an image screen as their neighbors tell them; empty otherwise.
    pub labels: Vec<LabelGuess>,
    /// The prediction that the tool uses (the blend) against the best simple method, by mean squared error.
    pub verdict: Option<Verdict>,
    /// What has to be known to read the scores, each a sentence.
    pub notes: Vec<String>,
    /// Configurations that were tried before this one was scored, as the configuration says.
    pub configurations_tried: usize,
    /// The model alone against the best simple method.
    pub verdict_model: Option<Verdict>,
}

impl Evaluation {
    /// How many configurations were tried before, as a line; nothing where this is the first.
    pub(super) fn how_many_were_tried(&self) -> String {
        match self.configurations_tried {
            0 | 1 => String::new(),
            tried => format!("scored after {tried} configurations had been tried\n"),
        }
    }
}

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
    let truth = baseline::measured(&prepared.screen.features, rows);
    let library = baseline::measured(&prepared.screen.features, &training);
    let origins = Origins::of(&prepared.screen, &training);
    let position = |treatment: &Treatment| position_name(dose_position(treatment, &training));
    let mut items = Vec::new();
    let everyone = [&methods.model, &methods.blend].into_iter().chain(&methods.baselines);
    for predictions in everyone {
        score(config, predictions, &truth, &library, &origins, &position, &mut items)?;
    }
    for ceiling in replicate_ceiling(&prepared.screen, rows) {
        // What an equally large repeat of the experiment would miss the measurement by.
        let position = position(&ceiling.treatment);
        let (method, value) = (Method::Replicate, ceiling.repeat);
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
pub fn pooled(config: &Config, items: Vec<Item>, readouts: Vec<WellReadout>) -> Result<Evaluation, StudyError> {
    let task = format!("unseen {}", config.split.by.name());
    let mut groups = BTreeMap::<(&str, &str, &Method), Vec<&Item>>::new();
    for item in &items {
        groups.entry((item.metric, "all", &item.method)).or_default().push(item);
        groups.entry((item.metric, item.position, &item.method)).or_default().push(item);
    }
    let mut scores = Scores::default();
    for ((metric, subset, method), group) in groups {
        let values: Vec<f64> = group.iter().map(|item| item.value).collect();
        let units: Vec<String> = group.iter().map(|item| item.treatment.intervention.perturbation_names()).collect();
        let estimate = config.evaluate.bootstrap.mean(&values, &units)?;
        let metric =
            if metric == "recall" { format!("recall@{}", config.evaluate.recall_at) } else { metric.to_owned() };
        scores.rows.push(ScoreRow::new(&task, subset, &method.word(), &metric, &estimate));
    }
    let mse = by_method(&items, "mse");
    let ceiling = mse.get(&Method::Replicate).map(|ceiling| ceiling.scores.clone());
    let baselines: Vec<MethodScores> =
        mse.iter().filter(|(method, _)| method.is_baseline()).map(|(_, scores)| scores.clone()).collect();
    let against = |method: &Method| -> Result<Option<Verdict>, StudyError> {
        let Some(model) = mse.get(method) else { return Ok(None) };
        let bootstrap = &config.evaluate.bootstrap;
        Ok(verdict(model, &baselines, "MSE", Direction::LowerIsBetter, ceiling.as_ref(), &perturbations, bootstrap)?)
    };
    let scored = scored_readouts(config, &readouts);
    let verdict_of = |method: &Method| match scored.is_empty() {
        true => against(method),
        false => readout_verdict(config, &scored, method),
    };
    let (verdict, verdict_model) = (verdict_of(&Method::Blend)?, verdict_of(&Method::Model)?);
    let configurations_tried = config.evaluate.configurations_tried;
    let notes = what_a_group_is(config.split.by, &items).into_iter().collect();
    scores.rows.extend(readout_score_rows(config, &scored)?);
    Ok(Evaluation {
        scores,
        notes,
        configurations_tried,
        verdict,
        verdict_model,
        items,
        readouts,
        trajectories: Vec::new(),
        labels: Vec::new(),
    })
}

/// What was held out with a plate, a part of it or a lab batch, where it is more than the effects of that place.
fn what_a_group_is(by: SplitBy, items: &[Item]) -> Option<String> {
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

fn by_method<'a>(items: &'a [Item], metric: &str) -> BTreeMap<&'a Method, MethodScores> {
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

/// The used prediction against one baseline.
pub(super) fn against_one(
    config: &Config,
    evaluation: &Evaluation,
    baseline: &Method,
) -> Result<Option<Verdict>, StudyError> {
    let scored = scored_readouts(config, &evaluation.readouts);
    if !scored.is_empty() {
        return readout_against(config, &scored, baseline);
    }
    let mse = by_method(&evaluation.items, "mse");
    let (Some(model), Some(simple)) = (mse.get(&Method::Blend), mse.get(baseline)) else { return Ok(None) };
    let (simple, bootstrap) = (std::slice::from_ref(simple), &config.evaluate.bootstrap);
    Ok(verdict(model, simple, "MSE", Direction::LowerIsBetter, None, &perturbations, bootstrap)?)
}

/// The read-outs of the wells of the part that is scored.
fn scored_readouts(config: &Config, readouts: &[WellReadout]) -> Vec<WellReadout> {
    readouts.iter().filter(|readout| readout.part == config.evaluate.part).cloned().collect()
}

/// The main scores as a table for people: a line for each method, best mean squared error first.
pub fn summary_table(evaluation: &Evaluation) -> String {
    let rows = &evaluation.scores.rows;
    let find = |method: &str, metric: &str, subset: &str| {
        rows.iter().find(|row| row.method == method && row.metric == metric && row.subset == subset)
    };
    let mut methods: Vec<&ScoreRow> = rows.iter().filter(|row| row.metric == "mse" && row.subset == "all").collect();
    methods.sort_by(|a, b| a.value.total_cmp(&b.value));
    let recall = rows.iter().find(|row| row.metric.starts_with("recall@")).map_or("recall", |row| row.metric.as_str());
    let mut text = String::new();
    if let Some(first) = methods.first() {
        text += &evaluation.how_many_were_tried();
        text += &format!(
            "{}: {} treatments of {} perturbations\n{:<20} {:>7} {:>19} {:>9} {:>7} {:>7} {:>9} {:>7}\n",
            first.task,
            first.n_items,
            first.n_units,
            "method",
            "MSE",
            "95 % interval",
            "interior",
            "edge",
            "r delta",
            recall,
            "MRR"
        );
    }
    let cell = |row: Option<&ScoreRow>| row.map_or_else(|| "-".to_owned(), |row| format!("{:.3}", row.value));
    for row in methods {
        let interval = match (row.lower, row.upper) {
            (Some(lower), Some(upper)) => format!("{lower:.3} to {upper:.3}"),
            _ => "-".to_owned(),
        };
        let partial =
            if row.n_items < evaluation_items(rows) { format!(" ({} of them)", row.n_items) } else { String::new() };
        text += &format!(
            "{:<20} {:>7.3} {:>19} {:>9} {:>7} {:>7} {:>9} {:>7}{partial}\n",
            row.method,
            row.value,
            interval,
            cell(find(&row.method, "mse", "interior")),
            cell(find(&row.method, "mse", "edge")),
            cell(find(&row.method, "pearson_delta", "all")),
            cell(find(&row.method, recall, "all")),
            cell(find(&row.method, "mrr", "all")),
        );
    }
    for note in &evaluation.notes {
        text += &format!("{note}\n");
    }
    text + &readout_summary(evaluation)
        + &trajectory_summary(evaluation)
        + &label_summary(evaluation)
        + &embedding_table(rows)
}

/// The scores of the read-outs of wells: a line for each method, best first.
fn readout_summary(evaluation: &Evaluation) -> String {
    let rows: Vec<&ScoreRow> = evaluation.scores.rows.iter().filter(|row| row.task == READOUT_TASK).collect();
    let mut methods: Vec<&ScoreRow> = rows.iter().filter(|row| row.metric == "rmse").copied().collect();
    methods.sort_by(|a, b| a.value.total_cmp(&b.value));
    let Some(first) = methods.first() else { return String::new() };
    let mut text = format!(
        "{READOUT_TASK}, last frame to first: {} wells of {} conditions\n{:<20} {:>7} {:>16} {:>7} {:>16} {:>8} {:>16}\n",
        first.n_items,
        first.n_units,
        "method",
        "RMSE",
        "95 % interval",
        "R2",
        "95 % interval",
        "Spearman",
        "95 % interval"
    );
    let most = methods.iter().map(|row| row.n_items).max().unwrap_or(0);
    for method in methods {
        text += &format!("{:<20}", method.method);
        for (metric, width) in [("rmse", 8), ("r2", 8), ("spearman", 9)] {
            let row = rows.iter().find(|row| row.method == method.method && row.metric == metric);
            let interval = match row.map(|row| (row.lower, row.upper)) {
                Some((Some(lower), Some(upper))) => format!("{lower:.2} to {upper:.2}"),
                _ => "-".to_owned(),
            };
            let value = row.map_or_else(|| "-".to_owned(), |row| format!("{:.3}", row.value));
            text += &format!("{value:>width$} {interval:>16}");
        }
        if method.n_items < most {
            text += &format!(" ({} of them)", method.n_items);
        }
        text.push('\n');
    }
    text += &evaluation.how_many_were_tried();
    text
}

/// The scores of latents and features as embeddings: a line for each embedding, a column for each metric.
fn embedding_table(rows: &[ScoreRow]) -> String {
    let rows: Vec<&ScoreRow> = rows.iter().filter(|row| EMBEDDING_TASKS.contains(&row.task.as_str())).collect();
    let mut columns: Vec<(&str, &str)> = Vec::new();
    let mut methods: Vec<&str> = Vec::new();
    for row in &rows {
        if !columns.contains(&(row.task.as_str(), row.metric.as_str())) {
            columns.push((&row.task, &row.metric));
        }
        if !methods.contains(&row.method.as_str()) {
            methods.push(&row.method);
        }
    }
    if methods.is_empty() {
        return String::new();
    }
    let find = |method: &str, (task, metric): (&str, &str)| {
        rows.iter().find(|row| row.method == method && row.task == task && row.metric == metric)
    };
    let width = |(_, metric): (&str, &str)| metric.len().max(5);
    let mut text = format!("\nas embeddings\n{:<20}", "");
    for &column in &columns {
        text += &format!("  {:>width$}", column.1, width = width(column));
    }
    for method in methods {
        text += &format!("\n{method:<20}");
        for &column in &columns {
            let value = find(method, column).map_or_else(|| "-".to_owned(), |row| format!("{:.3}", row.value));
            text += &format!("  {value:>width$}", width = width(column));
        }
    }
    text.push('\n');
    for &column in &columns {
        let first = rows.iter().find(|row| (row.task.as_str(), row.metric.as_str()) == column);
        if let Some(row) = first {
            let note = if row.note.is_empty() { String::new() } else { format!("; {}", row.note) };
            text += &format!("{}: {}, {} treatments{note}\n", row.metric, row.task, row.n_items);
        }
    }
    text
}

fn evaluation_items(rows: &[ScoreRow]) -> usize {
    rows.iter().filter(|row| row.metric == "mse" && row.subset == "all").map(|row| row.n_items).max().unwrap_or(0)
}
