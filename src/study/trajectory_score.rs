//! Scores of predicted trajectories: of each condition and of all, with the sentence that says who is nearer.

use std::collections::{BTreeMap, BTreeSet};

use super::trajectory::TrackPrediction;
use super::{Evaluation, StudyError};
use crate::config::Config;
use crate::evaluate::{
    Bootstrap, Direction, FieldSums, ScoreRow, Scores, TRAJECTORY_METRICS, TrajectoryScore, Verdict, trajectory_scores,
};
use crate::predict::{Method, MethodKind};

/// What the prediction of trajectories is called in `scores.parquet`.
const TASK: &str = "trajectories";

/// The subset of all conditions together.
const ALL: &str = "all";

/// Scores tracks (of one fold or of all).
///
/// # Errors
/// When a prediction is not finite.
pub(super) fn scored(config: &Config, tracks: Vec<TrackPrediction>) -> Result<Evaluation, StudyError> {
    let bootstrap = &config.evaluate.bootstrap;
    let mut rows = Vec::new();
    let methods: BTreeSet<&Method> = tracks.iter().map(|track| &track.method).collect();
    for method in methods {
        let of_method: Vec<&TrackPrediction> = tracks.iter().filter(|track| track.method == *method).collect();
        rows.extend(score_rows(method, &of_method, bootstrap)?);
    }
    let errors = TrackErrors::of(&tracks);
    let notes = errors.by_condition().into_iter().collect();
    Ok(Evaluation {
        scores: Scores { rows },
        items: Vec::new(),
        readouts: Vec::new(),
        verdict: errors.verdict(&Method::Blend, bootstrap)?,
        verdict_model: errors.verdict(&Method::Model, bootstrap)?,
        notes,
        configurations_tried: config.evaluate.configurations_tried,
        trajectories: tracks,
        labels: Vec::new(),
    })
}

/// All metrics of one method, of every condition and of all.
fn score_rows(
    method: &Method,
    tracks: &[&TrackPrediction],
    bootstrap: &Bootstrap,
) -> Result<Vec<ScoreRow>, StudyError> {
    let values = tracks.iter().flat_map(|track| track.observed.iter().flatten());
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    let offset = if n > 0.0 { sum / n } else { 0.0 };
    let mut fields = BTreeMap::<(String, &str), (FieldSums, usize)>::new();
    for track in tracks {
        if track.predicted.iter().all(Option::is_none) {
            continue;
        }
        let (sums, n_tracks) = fields.entry((track.treatment.to_string(), &track.field)).or_default();
        sums.add(&track.minutes, &track.observed, &track.predicted, offset)?;
        *n_tracks += 1;
    }
    let mut subsets: Vec<String> = fields.keys().map(|(condition, _)| condition.clone()).collect();
    subsets.dedup();
    subsets.push(ALL.to_owned());
    let mut rows = Vec::new();
    for subset in subsets {
        let chosen = || fields.iter().filter(|((condition, _), _)| subset == ALL || *condition == subset);
        let sums: Vec<(&str, &str, &FieldSums)> =
            chosen().map(|((condition, field), (sums, _))| (condition.as_str(), *field, sums)).collect();
        let n_tracks = chosen().map(|(_, (_, n_tracks))| n_tracks).sum();
        // The mean of half the fields against that of the other half: to draw fields anew would break the halves.
        let has_intervals = |metric: &str| !(metric.starts_with("mean_") && method.kind() == MethodKind::Repeat);
        let interval = |score: &TrajectoryScore| score.interval.filter(|_| has_intervals(score.metric));
        rows.extend(trajectory_scores(&sums, bootstrap).into_iter().map(|score| ScoreRow {
            task: TASK.to_owned(),
            subset: subset.clone(),
            method: method.to_string(),
            metric: score.metric.to_owned(),
            value: score.value,
            lower: interval(&score).map(|(lower, _)| lower),
            upper: interval(&score).map(|(_, upper)| upper),
            n_items: n_tracks,
            n_units: sums.len(),
            note: String::new(),
        }));
    }
    Ok(rows)
}

/// Mean squared error of each track by each method, tracks in one order; `None` where a method abstains.
struct TrackErrors<'a> {
    conditions: Vec<String>,
    fields: Vec<&'a str>,
    methods: BTreeMap<&'a Method, Vec<Option<f64>>>,
}

impl<'a> TrackErrors<'a> {
    fn of(tracks: &'a [TrackPrediction]) -> Self {
        let mut found = Self { conditions: Vec::new(), fields: Vec::new(), methods: BTreeMap::new() };
        let mut positions = BTreeMap::<(&str, &str, String), usize>::new();
        for track in tracks {
            let condition = track.treatment.to_string();
            let next = positions.len();
            let position =
                *positions.entry((track.field.as_str(), track.track.as_str(), condition.clone())).or_insert(next);
            if position == found.fields.len() {
                found.fields.push(&track.field);
                found.conditions.push(condition);
            }
            let pairs = track.observed.iter().zip(&track.predicted);
            let errors: Vec<f64> =
                pairs.filter_map(|(observed, predicted)| Some(((*observed)? - (*predicted)?).powi(2))).collect();
            let of_method = found.methods.entry(&track.method).or_default();
            of_method.resize(position + 1, None);
            of_method[position] = (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64);
        }
        let n_tracks = found.fields.len();
        found.methods.values_mut().for_each(|errors| errors.resize(n_tracks, None));
        found
    }

    /// The simple method with the smallest error over the tracks that the model is scored on.
    fn best(&self, model: &[Option<f64>]) -> Option<&'a Method> {
        let mean = |errors: &[Option<f64>]| {
            let shared: Option<Vec<f64>> =
                model.iter().zip(errors).filter(|(model, _)| model.is_some()).map(|(_, error)| *error).collect();
            shared.filter(|errors| !errors.is_empty()).map(|errors| errors.iter().sum::<f64>() / errors.len() as f64)
        };
        let simple = self.methods.iter().filter(|(method, _)| method.is_baseline());
        let means = simple.filter_map(|(&method, errors)| Some((method, mean(errors)?)));
        means.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(method, _)| method)
    }

    /// `method` against the best simple method over the fields of view of the conditions that were tested.
    fn verdict(&self, method: &Method, bootstrap: &Bootstrap) -> Result<Option<Verdict>, StudyError> {
        let Some(model) = self.methods.get(method) else { return Ok(None) };
        let Some(baseline) = self.best(model) else { return Ok(None) };
        let shared: Vec<usize> = (0..model.len()).filter(|&track| model[track].is_some()).collect();
        let of = |errors: &[Option<f64>]| -> Vec<f64> { shared.iter().filter_map(|&track| errors[track]).collect() };
        let (model, simple) = (of(model), of(&self.methods[baseline]));
        let fields: Vec<&str> = shared.iter().map(|&track| self.fields[track]).collect();
        let difference = bootstrap.paired_difference(&model, &simple, &fields)?;
        let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
        let ceiling = of(&self.methods[&Method::ReplicateShifted]);
        Ok(Some(Verdict {
            model: method.clone(),
            baseline: baseline.clone(),
            metric: "MSE of tracks".to_owned(),
            direction: Direction::LowerIsBetter,
            model_mean: mean(&model),
            baseline_mean: mean(&simple),
            difference,
            n_not_shared: 0,
            ceiling: (ceiling.len() == shared.len()).then(|| mean(&ceiling)),
            unit_name: "fields of view".to_owned(),
        }))
    }

    /// At how many conditions the blend is nearer than the best simple method: the unit of any claim on unseen doses.
    fn by_condition(&self) -> Option<String> {
        let model = self.methods.get(&Method::Blend)?;
        let baseline = self.best(model)?;
        let simple = &self.methods[baseline];
        let conditions: BTreeSet<&String> = self.conditions.iter().collect();
        let differs = |condition: &&&String| {
            let tracks = (0..model.len()).filter(|&track| self.conditions[track] == ***condition);
            let differences: Vec<f64> = tracks.filter_map(|track| Some(model[track]? - simple[track]?)).collect();
            differences.iter().sum::<f64>() < 0.0
        };
        let n_better = conditions.iter().filter(differs).count();
        Some(format!(
            "at {n_better} of {} conditions {} is nearer to single tracks than {baseline}; intervals resample fields of view within these conditions and say nothing of others",
            conditions.len(),
            Method::Blend
        ))
    }
}

/// The scores as tables: over all conditions, then the errors of each.
pub(super) fn trajectory_summary(evaluation: &Evaluation) -> String {
    let rows: Vec<&ScoreRow> = evaluation.scores.rows.iter().filter(|row| row.task == TASK).collect();
    let find = |method: &str, subset: &str, metric: &str| {
        rows.iter().find(|row| row.method == method && row.subset == subset && row.metric == metric).copied()
    };
    let mut all: Vec<&ScoreRow> =
        rows.iter().filter(|row| row.subset == ALL && row.metric == TRAJECTORY_METRICS[0]).copied().collect();
    all.sort_by(|a, b| a.value.total_cmp(&b.value));
    let Some(first) = all.first() else { return String::new() };
    let mut text = format!(
        "{TASK}, open loop after what is seen: {} tracks in {} fields of view\n{:<24} {:>9} {:>16} {:>7} {:>7} {:>9} {:>16} {:>7} {:>7}\n",
        first.n_items,
        first.n_units,
        "method",
        "RMSE",
        "95 % interval",
        "R2",
        "r",
        "of means",
        "95 % interval",
        "R2",
        "r"
    );
    // As many decimals as the best method has in three digits.
    let decimals = if first.value > 0.0 { (2.0 - first.value.log10().floor()).clamp(0.0, 9.0) as usize } else { 0 };
    let value =
        |row: Option<&ScoreRow>, digits: usize| row.map_or("-".to_owned(), |row| format!("{:.digits$}", row.value));
    let interval = |row: Option<&ScoreRow>| match row.map(|row| (row.lower, row.upper)) {
        Some((Some(lower), Some(upper))) => format!("{lower:.decimals$} to {upper:.decimals$}"),
        _ => "-".to_owned(),
    };
    for row in &all {
        let of = |at: usize| find(&row.method, ALL, TRAJECTORY_METRICS[at]);
        text += &format!(
            "{:<24} {:>9} {:>16} {:>7} {:>7} {:>9} {:>16} {:>7} {:>7}\n",
            row.method,
            value(of(0), decimals),
            interval(of(0)),
            value(of(1), 3),
            value(of(2), 3),
            value(of(3), decimals),
            interval(of(3)),
            value(of(4), 3),
            value(of(5), 3),
        );
    }
    let conditions: BTreeSet<&str> =
        rows.iter().map(|row| row.subset.as_str()).filter(|subset| *subset != ALL).collect();
    text += "RMSE of single tracks / of their mean, by condition\n";
    for (number, condition) in conditions.iter().enumerate() {
        let n_tracks = find(&first.method, condition, TRAJECTORY_METRICS[0]).map_or(0, |row| row.n_items);
        text += &format!("  ({}) {condition}, {n_tracks} tracks\n", number + 1);
    }
    let line = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        cells.fold(format!("{name:<24}"), |line, cell| line + &format!(" {cell:>15}")) + "\n"
    };
    text += &line("method", &mut (1..=conditions.len()).map(|number| format!("({number})")));
    for row in &all {
        let mut cells = conditions.iter().map(|condition| {
            let of = |at: usize| value(find(&row.method, condition, TRAJECTORY_METRICS[at]), decimals);
            format!("{} / {}", of(0), of(3))
        });
        text += &line(&row.method, &mut cells);
    }
    text + &evaluation.how_many_were_tried()
}
