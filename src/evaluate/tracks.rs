//! Scores of predicted trajectories: of each condition and of all, with the sentence that says who is nearer.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Answer, UnitName, answer_table};
use super::verdict::MethodErrors;
use super::{Bootstrap, Direction, EvaluateError, FieldSums, ScoreRow, TrajectoryScore, Verdict, trajectory_scores};
use crate::predict::{Method, MethodKind};
use crate::table::{Column, Table};

/// What the prediction of trajectories is called in `scores.parquet`.
pub(super) const TRACKS: &str = "trajectories";

/// The subset of all conditions together.
pub(super) const ALL: &str = "all";

/// What a method predicts of one track after the part that was seen; the treatment is all that it got.
pub type TrackPrediction = Answer<Vec<Option<f64>>, Course>;

/// What was measured of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Times after those that were seen.
    pub minutes: Vec<f64>,
    /// The value at each time.
    pub values: Vec<Option<f64>>,
}

/// Scores of every method on tracks, of one fold or of all.
///
/// # Errors
/// When a prediction is not finite.
pub(super) fn track_score_rows(
    bootstrap: &Bootstrap,
    tracks: &[TrackPrediction],
) -> Result<Vec<ScoreRow>, EvaluateError> {
    let mut rows = Vec::new();
    let methods: BTreeSet<&Method> = tracks.iter().map(|track| &track.method).collect();
    for method in methods {
        let of_method: Vec<&TrackPrediction> = tracks.iter().filter(|track| track.method == *method).collect();
        rows.extend(score_rows(method, &of_method, bootstrap)?);
    }
    Ok(rows)
}

/// All metrics of one method, of every condition and of all.
fn score_rows(
    method: &Method,
    tracks: &[&TrackPrediction],
    bootstrap: &Bootstrap,
) -> Result<Vec<ScoreRow>, EvaluateError> {
    let values = tracks.iter().flat_map(|track| track.observed.values.iter().flatten());
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    let offset = if n > 0.0 { sum / n } else { 0.0 };
    let mut fields = BTreeMap::<(String, &str), (FieldSums, usize)>::new();
    for track in tracks {
        if track.predicted.iter().all(Option::is_none) {
            continue;
        }
        let (sums, n_tracks) = fields.entry((track.treatment.to_string(), track.unit.place())).or_default();
        sums.add(&track.observed.minutes, &track.observed.values, &track.predicted, offset)?;
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
            task: TRACKS.to_owned(),
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
pub(super) struct TrackErrors<'a> {
    conditions: Vec<String>,
    fields: Vec<&'a str>,
    pub(super) methods: BTreeMap<&'a Method, Vec<Option<f64>>>,
}

impl<'a> TrackErrors<'a> {
    pub(super) fn of(tracks: &'a [TrackPrediction]) -> Self {
        let mut found = Self { conditions: Vec::new(), fields: Vec::new(), methods: BTreeMap::new() };
        let mut positions = BTreeMap::<(&UnitName, String), usize>::new();
        for track in tracks {
            let condition = track.treatment.to_string();
            let next = positions.len();
            let position = *positions.entry((&track.unit, condition.clone())).or_insert(next);
            if position == found.fields.len() {
                found.fields.push(track.unit.place());
                found.conditions.push(condition);
            }
            let pairs = track.observed.values.iter().zip(&track.predicted);
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

    /// The rival with the smallest error over the tracks that the model is scored on.
    fn best(&self, model: &[Option<f64>], is_rival: &dyn Fn(&Method) -> bool) -> Option<&'a Method> {
        let mean = |errors: &[Option<f64>]| {
            let shared: Option<Vec<f64>> =
                model.iter().zip(errors).filter(|(model, _)| model.is_some()).map(|(_, error)| *error).collect();
            shared.filter(|errors| !errors.is_empty()).map(|errors| errors.iter().sum::<f64>() / errors.len() as f64)
        };
        let simple = self.methods.iter().filter(|(method, _)| is_rival(method));
        let means = simple.filter_map(|(&method, errors)| Some((method, mean(errors)?)));
        means.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(method, _)| method)
    }

    /// At how many conditions the combination is nearer than the best simple method: the unit of any claim on unseen doses.
    pub(super) fn by_condition(&self) -> Option<String> {
        let model = self.methods.get(&Method::Combined)?;
        let baseline = self.best(model, &Method::is_baseline)?;
        let simple = &self.methods[baseline];
        let conditions: BTreeSet<&String> = self.conditions.iter().collect();
        let differs = |condition: &&&String| {
            let tracks = (0..model.len()).filter(|&track| self.conditions[track] == ***condition);
            let differences: Vec<f64> = tracks.filter_map(|track| Some(model[track]? - simple[track]?)).collect();
            differences.iter().sum::<f64>() < 0.0
        };
        let n_better = conditions.iter().filter(differs).count();
        Some(format!(
            "at {n_better} of {} conditions {} is closer to single tracks than {baseline}; intervals resample fields \
             of view within these conditions and say nothing about others",
            conditions.len(),
            Method::Combined
        ))
    }
}

impl MethodErrors for TrackErrors<'_> {
    fn methods(&self) -> Vec<&Method> {
        self.methods.keys().copied().collect()
    }

    /// Over the fields of view of the conditions that were tested.
    fn verdict(
        &self,
        method: &Method,
        is_rival: &dyn Fn(&Method) -> bool,
        bootstrap: &Bootstrap,
    ) -> Result<Option<Verdict>, EvaluateError> {
        let Some(model) = self.methods.get(method) else { return Ok(None) };
        let Some(baseline) = self.best(model, is_rival) else { return Ok(None) };
        let shared: Vec<usize> = (0..model.len()).filter(|&track| model[track].is_some()).collect();
        let of = |errors: &[Option<f64>]| -> Vec<f64> { shared.iter().filter_map(|&track| errors[track]).collect() };
        let (model, simple) = (of(model), of(&self.methods[baseline]));
        let fields: Vec<&str> = shared.iter().map(|&track| self.fields[track]).collect();
        let difference = bootstrap.paired_difference(&model, &simple, &fields)?;
        let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
        let ceiling = of(&self.methods[&Method::ReplicateShifted]);
        let has_ceiling = ceiling.len() == shared.len();
        let left = match has_ceiling {
            true => bootstrap.paired_difference(&simple, &ceiling, &fields)?.estimate.interval,
            false => None,
        };
        Ok(Some(Verdict {
            model: method.clone(),
            baseline: baseline.clone(),
            metric: "MSE of tracks".to_owned(),
            direction: Direction::LowerIsBetter,
            model_mean: mean(&model),
            baseline_mean: mean(&simple),
            difference,
            n_not_shared: 0,
            ceiling: has_ceiling.then(|| mean(&ceiling)),
            left,
            unit_name: "fields of view".to_owned(),
        }))
    }
}

/// `trajectories.parquet`: one row for each track, method and time.
pub fn trajectory_table(tracks: &[TrackPrediction]) -> Table {
    let number = |of: &dyn Fn(&TrackPrediction, usize) -> Option<f64>| {
        let each = tracks.iter().flat_map(|track| (0..track.observed.minutes.len()).map(move |at| (track, at)));
        Column::Number(each.map(|(track, at)| of(track, at)).collect())
    };
    answer_table(tracks, |track| track.observed.minutes.len())
        .with("minutes", "time of the value", number(&|track, at| Some(track.observed.minutes[at])))
        .with("predicted", "predicted value; null where the method abstains", number(&|track, at| track.predicted[at]))
        .with("observed", "measured value; null where it is missing", number(&|track, at| track.observed.values[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::TRAJECTORY_METRICS;
    use crate::pair::Part;
    use crate::screen::{Intervention, Kind, Micromolar, Treatment};

    fn track(number: usize, method: Method, dose: f64, predicted: [Option<f64>; 2]) -> TrackPrediction {
        TrackPrediction {
            unit: UnitName::Track { field: format!("field {number}"), track: "1".to_owned() },
            fold: 0,
            part: Part::Test,
            treatment: Treatment {
                intervention: Intervention::single("EGF", Kind::Compound, Micromolar::new(dose)),
                context: String::new(),
            },
            method,
            predicted: predicted.to_vec(),
            observed: Course { minutes: vec![5.0, 10.0], values: vec![Some(1.0), Some(2.0)] },
        }
    }

    /// Two fields at two doses; by the mean squared error of each track the combination misses 0.5 and 0, the neighbors 2 and 0.5,
    /// and the start's mean 4.5 of the first alone.
    fn tracks() -> Vec<TrackPrediction> {
        let mut tracks = Vec::new();
        for (number, dose, combined, neighbors) in [(0, 1.0, [1.0, 1.0], [1.0, 0.0]), (1, 2.0, [1.0, 2.0], [2.0, 2.0])]
        {
            tracks.push(track(number, Method::Combined, dose, combined.map(Some)));
            tracks.push(track(number, Method::NeighborDosesShifted, dose, neighbors.map(Some)));
            tracks.push(track(number, Method::ReplicateShifted, dose, [Some(1.0), None]));
        }
        tracks.push(track(0, Method::StartMean, 1.0, [Some(4.0), Some(2.0)]));
        tracks
    }

    #[test]
    fn errors_are_means_over_the_times_of_a_track() {
        let tracks = tracks();
        let errors = TrackErrors::of(&tracks);
        assert_eq!(errors.methods[&Method::Combined], [Some(0.5), Some(0.0)]);
        assert_eq!(errors.methods[&Method::NeighborDosesShifted], [Some(2.0), Some(0.5)]);
        assert_eq!(errors.methods[&Method::StartMean], [Some(4.5), None]);
        let verdict = errors.verdict(&Method::Combined, &Method::is_baseline, &Bootstrap::default()).unwrap().unwrap();
        assert_eq!(verdict.baseline, Method::NeighborDosesShifted, "one that answers half of it is no rival");
        assert_eq!((verdict.model_mean, verdict.baseline_mean, verdict.ceiling), (0.25, 1.25, Some(0.0)));
        let words = errors.by_condition().unwrap();
        assert!(words.starts_with("at 2 of 2 conditions combined is closer"), "{words}");
    }

    #[test]
    fn root_mean_squares_are_taken_over_all_times_of_a_condition_and_of_all() {
        let rows = track_score_rows(&Bootstrap { resamples: 100, seed: 1 }, &tracks()).unwrap();
        let rmse = |method: &str, subset: &str| {
            let is_it = |row: &&ScoreRow| {
                row.method == method && row.subset.contains(subset) && row.metric == TRAJECTORY_METRICS[0]
            };
            rows.iter().find(is_it).map(|row| (row.value, row.n_items))
        };
        assert_eq!(rmse("combined", ALL), Some((0.5, 2)), "{rows:?}");
        assert_eq!(rmse("combined", " 2 µM"), Some((0.0, 1)), "{rows:?}");
        assert_eq!(rmse("start_mean", " 2 µM"), None);
    }
}
