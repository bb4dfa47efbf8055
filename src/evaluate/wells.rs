//! Read-outs of the wells of a time lapse by every method, and how good they are.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Answer, answer_table};
use super::verdict::Errors;
use super::{Bootstrap, EvaluateError, MethodScores, ScoreRow, readout_scores};
use crate::predict::Method;
use crate::screen::Treatment;
use crate::table::{Column, Table};

/// The readout of one well by one method: the ratio of the sums over the well's objects, last frame to first.
pub type WellReadout = Answer<f64>;

/// Scores of every method over the wells, and of each condition's mean where there are too few for an interval.
///
/// # Errors
/// When a read-out is not finite.
pub(super) fn readout_score_rows(
    bootstrap: &Bootstrap,
    readouts: &[&WellReadout],
) -> Result<Vec<ScoreRow>, EvaluateError> {
    let mut methods = BTreeMap::<&Method, Vec<&WellReadout>>::new();
    for &readout in readouts {
        methods.entry(&readout.method).or_default().push(readout);
    }
    let mut rows = Vec::new();
    for (method, wells) in methods {
        let of = |value: &dyn Fn(&WellReadout) -> f64| wells.iter().map(|well| value(well)).collect::<Vec<f64>>();
        let units: Vec<String> = wells.iter().map(|well| well.treatment.to_string()).collect();
        let n_units = units.iter().collect::<BTreeSet<_>>().len();
        let scores = readout_scores(&of(&|w| w.observed), &of(&|w| w.predicted), &units, bootstrap)?;
        rows.extend(scores.into_iter().map(|score| ScoreRow {
            task: READOUTS.to_owned(),
            subset: "all".to_owned(),
            method: method.to_string(),
            metric: score.metric.to_owned(),
            value: score.value,
            lower: score.interval.map(|(lower, _)| lower),
            upper: score.interval.map(|(_, upper)| upper),
            n_items: wells.len(),
            n_units,
            note: String::new(),
        }));
    }
    Ok(rows)
}

/// Mean squared error of each method over the wells of each condition.
pub(super) fn readout_errors<'a>(readouts: &[&'a WellReadout]) -> Errors<'a> {
    let mut wells = BTreeMap::<(&Method, &Treatment), Vec<f64>>::new();
    for &readout in readouts {
        let error = (readout.predicted - readout.observed).powi(2);
        wells.entry((&readout.method, &readout.treatment)).or_default().push(error);
    }
    let mut methods = BTreeMap::<&Method, MethodScores>::new();
    for ((method, treatment), errors) in wells {
        let own =
            methods.entry(method).or_insert_with(|| MethodScores { method: method.clone(), scores: BTreeMap::new() });
        own.scores.insert(treatment.clone(), errors.iter().sum::<f64>() / errors.len() as f64);
    }
    let unit_of = |treatment: &Treatment| treatment.intervention.to_string();
    Errors { methods, metric: "squared error", unit_of, unit_name: "conditions" }
}

/// What the readout of wells is called in `scores.parquet`.
pub(super) const READOUTS: &str = "readout of wells";

/// Every read-out as a table: one row for each well and method.
pub fn readout_table(readouts: &[WellReadout]) -> Table {
    let number = |of: &dyn Fn(&WellReadout) -> f64| Column::Number(readouts.iter().map(|row| Some(of(row))).collect());
    answer_table(readouts, |_| 1)
        .with("predicted", "predicted ratio, last frame to first", number(&|row| row.predicted))
        .with("observed", "measured ratio, last frame to first", number(&|row| row.observed))
}
